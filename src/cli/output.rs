//! The only place that prints: people and programs get the same data.
//!
//! Results go to stdout, everything else to stderr. With `--json` a command prints exactly one JSON
//! document on stdout (`events` and `--follow`: one object a line), also when it fails: then it is
//! an error object, and stderr stays empty. A reader that closes stdout ends the command quietly.

pub(crate) mod design;
pub(crate) mod failure;
pub(crate) mod live;
pub(crate) mod page;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod tree;

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::json;

pub(crate) use failure::{CliError, Exit};
pub(crate) use page::{Page, Tone, plain, span};
pub(crate) use table::Table;

/// What a command has to say, once for people and once for programs.
pub(crate) trait View: Serialize {
    /// Writes it for people.
    fn human(&self, page: &mut Page);
}

/// Where a command prints to.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    closed: Cell<bool>,
}

/// Columns when nothing else is known.
const COLUMNS_DEFAULT: usize = 80;
/// More than any line of a log needs.
const LOG_COLUMNS: usize = 100_000;
/// Fewer would show nothing at all; more would be hard to read.
const COLUMNS_RANGE: std::ops::RangeInclusive<usize> = 40..=160;

impl Output {
    /// Prints JSON when `json` is set, otherwise text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, closed: Cell::new(false) }
    }

    /// Tells whether programs read us.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Tells whether a person watches stderr in a terminal that can redraw.
    pub(crate) fn is_live(&self) -> bool {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        !self.json && !dumb && io::stderr().is_terminal()
    }

    /// Prints a result.
    ///
    /// # Errors
    /// Stdout cannot be written for another reason than that its reader left.
    pub(crate) fn show(&self, view: &impl View) -> Result<(), CliError> {
        if self.json {
            let text = serde_json::to_string_pretty(view)
                .map_err(|e| CliError::new(Exit::Io, format!("cannot write JSON: {e}")))?;
            self.print(&format!("{text}\n"))
        } else {
            self.print(&on_stdout(view))
        }
    }

    /// Prints one line of a stream of results.
    ///
    /// # Errors
    /// As [`Output::show`].
    pub(crate) fn stream(&self, view: &impl View) -> Result<(), CliError> {
        if self.json {
            let text = serde_json::to_string(view)
                .map_err(|e| CliError::new(Exit::Io, format!("cannot write JSON: {e}")))?;
            self.print(&format!("{text}\n"))
        } else {
            self.print(&on_stdout(view))
        }
    }

    /// Prints text that is a result as it stands, such as a completion script.
    ///
    /// # Errors
    /// As [`Output::show`].
    pub(crate) fn print(&self, text: &str) -> Result<(), CliError> {
        if self.closed.get() {
            return Ok(());
        }
        let mut stdout = anstream::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.set(true);
                Ok(())
            }
            Err(e) => Err(CliError::new(Exit::Io, format!("cannot write to stdout: {e}"))
                .hint("look at where its output goes: is the disk full?")),
        }
    }

    /// Tells whether the reader of stdout is known to have left.
    pub(crate) fn is_closed(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, poll};
        if !self.closed.get() {
            let stdout = io::stdout();
            let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
            let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
            if poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::ERR) {
                self.closed.set(true);
            }
        }
        self.closed.get()
    }

    /// Says something beside the result, to people only.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            say(text);
        }
    }

    /// Says what is wrong with the arguments, as clap puts it.
    pub(crate) fn usage(&self, text: &str) {
        to_stderr(text);
    }

    /// Reports a failure: an object on stdout for programs, `error:` and `hint:` for people.
    pub(crate) fn fail(&self, error: &CliError) {
        if self.json {
            let body = json!({
                "schema": "baton/error@1",
                "error": {
                    "code": error.exit.code(),
                    "kind": error.exit.kind(),
                    "message": error.message,
                    "hint": error.hint,
                },
            });
            let text = if error.in_stream { body.to_string() } else { format!("{body:#}") };
            if self.print(&format!("{text}\n")).is_err() {
                to_stderr(&error_text(error, COLUMNS_DEFAULT));
            }
        } else {
            // In a log it is one line, however long.
            let is_read_at_once = io::stderr().is_terminal();
            to_stderr(&error_text(error, if is_read_at_once { columns() } else { LOG_COLUMNS }));
        }
    }
}

/// Returns a view as text for who reads stdout: cut to a terminal, and whole for everybody else.
fn on_stdout(view: &impl View) -> String {
    let page = Page::new(columns());
    let mut page = if io::stdout().is_terminal() { page } else { page.uncut() };
    view.human(&mut page);
    page.into_text()
}

/// Returns a view as text for people, with ANSI styles.
#[cfg(test)]
pub(crate) fn human(view: &impl View, width: usize) -> String {
    let mut page = Page::new(width);
    view.human(&mut page);
    page.into_text()
}

/// Returns how many columns the terminal has: `COLUMNS`, the terminal on stdout or stderr, or 80.
pub(crate) fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let size = || {
        let stdout = rustix::termios::tcgetwinsize(io::stdout());
        stdout.or_else(|_| rustix::termios::tcgetwinsize(io::stderr())).ok()
    };
    let columns = told.or_else(|| size().map(|size| usize::from(size.ws_col)).filter(|c| *c > 0));
    columns.unwrap_or(COLUMNS_DEFAULT).clamp(*COLUMNS_RANGE.start(), *COLUMNS_RANGE.end())
}

/// Returns how many rows the terminal on stderr has, or 24.
pub(crate) fn rows() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
    size.map(|size| usize::from(size.ws_row)).filter(|rows| *rows > 4).unwrap_or(24)
}

/// Says one line beside the result, whole: it may hold what is to be copied.
pub(crate) fn say(text: &str) {
    to_stderr(&format!("{}\n", text::clean(text)));
}

fn error_text(error: &CliError, width: usize) -> String {
    let mut page = Page::new(width);
    page.point(Tone::Bad, "error:", &text::clean(&error.message));
    if let Some(hint) = &error.hint {
        page.point(Tone::Busy, " hint:", &text::clean(hint));
    }
    page.into_text()
}

/// Nobody is left to be told when stderr is gone.
fn to_stderr(text: &str) {
    let _nobody_listens = anstream::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a view as people see it on 80 columns without colours, checked to fit.
    pub(crate) fn seen(view: &impl View) -> String {
        let text = anstream::adapter::strip_str(&human(view, 80)).to_string();
        for line in text.lines() {
            assert!(text::columns(line) <= 80, "too wide: {line}");
        }
        text
    }

    #[test]
    fn errors_name_the_remedy_and_fit_the_terminal() {
        let error = CliError::new(Exit::NotFound, "there is no \x1b[31mthing\n called x")
            .hint("`baton status` lists what there is, and this hint is so long that it wraps");
        let text = anstream::adapter::strip_str(&error_text(&error, 60)).to_string();
        insta::assert_snapshot!(text, @r"
        error: there is no \u{1b}[31mthing called x
         hint: `baton status` lists what there is, and this hint is
               so long that it wraps
        ");
    }
}
