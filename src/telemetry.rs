//! Sets up logging: lines on standard error, for people, for programs or for journald.
//!
//! Levels: `error` the daemon stopped, `warn` look today, `info` the operator's story, `debug` an
//! odd turn, `trace` the path. Losing a line never stops the daemon: a full disk, a closed stream
//! or a reader that does not read costs lines, whose number is told as soon as that is possible.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec};
use thiserror::Error;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer};

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A level (`info`) or directives per module (`info,baton::intake=debug`).
    pub filter: String,
    /// The form of a line.
    pub form: Form,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Human {
        /// Whether levels are coloured.
        colour: bool,
    },
    /// For people, read through journald: it adds the time and takes the level as a prefix.
    Journald,
    /// One JSON object a line.
    Json,
}

/// Says why there is no logging.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter is none.
    #[error("cannot use {filter:?} as a log filter: {source}")]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// Logging was set up before in this process.
    #[error("cannot set up logging: {0}")]
    Already(#[from] TryInitError),
}

impl Form {
    /// Returns the form that suits standard error as it is: JSON when asked for, else what
    /// journald takes when it reads along, else coloured lines for a terminal whose user did not
    /// set `NO_COLOR`, else plain lines. `env` looks up an environment variable.
    pub fn detect(json: bool, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let given = |name: &str| env(name).is_some_and(|value| !value.is_empty());
        if json {
            Form::Json
        } else if given("JOURNAL_STREAM") && !io::stderr().is_terminal() {
            Form::Journald
        } else {
            let dumb = env("TERM").is_some_and(|term| term == "dumb");
            let colour = io::stderr().is_terminal() && !given("NO_COLOR") && !dumb;
            Form::Human { colour }
        }
    }
}

/// Logs to standard error from here on, for the whole process.
///
/// # Errors
/// The filter cannot be read, or this was called before.
pub fn start(settings: &Settings) -> Result<(), TelemetryError> {
    let subscriber = subscriber(settings, Lossy::new(rustix::stdio::stderr()))?;
    Ok(subscriber.try_init()?)
}

fn subscriber<W>(settings: &Settings, writer: W) -> Result<impl Subscriber, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(&settings.filter)
        .map_err(|source| TelemetryError::Filter { filter: settings.filter.clone(), source })?;
    // Told on standard error, an error of writing to standard error would end the process.
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
    let lines = match settings.form {
        Form::Human { colour } => lines.with_ansi(colour).boxed(),
        Form::Journald => lines
            .with_ansi(false)
            .event_format(JournaldFormat(Format::default().without_time()))
            .boxed(),
        Form::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    Ok(tracing_subscriber::registry().with(lines.with_filter(filter)))
}

/// Puts the level before the line as `<3>`, which journald turns into its priority.
struct JournaldFormat<F>(F);

impl<S, N, F> FormatEvent<S, N> for JournaldFormat<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let priority = if level == Level::ERROR {
            3
        } else if level == Level::WARN {
            4
        } else if level == Level::INFO {
            6
        } else {
            7
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

/// How long a reader that has just stopped reading is waited for, once.
const PATIENCE_MS: i64 = 50;
/// What a pipe takes without blocking once it says that it can be written to.
const CHUNK_LEN: usize = 4_096;

/// A stream that is written to while it takes what is written, and that counts what it does not.
struct Lossy<F> {
    stream: F,
    state: Mutex<LossyState>,
}

#[derive(Default)]
struct LossyState {
    lost: u64,
    torn: bool,
}

impl<F: AsFd> Lossy<F> {
    fn new(stream: F) -> Self {
        Self { stream, state: Mutex::default() }
    }

    fn line(&self, line: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lost > 0 {
            let end = if state.torn { "\n" } else { "" };
            let notice = format!("{end}{} log lines were lost\n", state.lost);
            if self.put(notice.as_bytes(), 0).is_err() {
                state.lost += 1;
                return;
            }
            *state = LossyState::default();
        }
        if let Err(written) = self.put(line, PATIENCE_MS) {
            state.lost += 1;
            state.torn = written > 0;
        }
    }

    /// Writes everything, or says how many bytes went out before the stream took no more.
    fn put(&self, bytes: &[u8], patience_ms: i64) -> Result<(), usize> {
        let mut written = 0;
        while written < bytes.len() {
            if !self.takes_more(patience_ms) {
                return Err(written);
            }
            let chunk = &bytes[written..bytes.len().min(written + CHUNK_LEN)];
            match rustix::io::write(&self.stream, chunk) {
                Ok(0) => return Err(written),
                Ok(count) => written += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Err(written),
            }
        }
        Ok(())
    }

    fn takes_more(&self, patience_ms: i64) -> bool {
        let timeout = Timespec { tv_sec: 0, tv_nsec: patience_ms * 1_000_000 };
        let mut polled = [PollFd::new(&self.stream, PollFlags::OUT)];
        rustix::event::poll(&mut polled, Some(&timeout)).is_ok_and(|ready| ready > 0)
            && polled[0].revents().contains(PollFlags::OUT)
    }
}

impl<'a, F: AsFd + 'a> MakeWriter<'a> for Lossy<F> {
    type Writer = LossyLine<'a, F>;

    fn make_writer(&'a self) -> Self::Writer {
        LossyLine(self)
    }
}

/// Writes one line, which arrives in one piece.
struct LossyLine<'a, F>(&'a Lossy<F>);

impl<F: AsFd> Write for LossyLine<'_, F> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufRead, BufReader, Read};
    use std::os::fd::OwnedFd;

    use rustix::pipe::pipe;

    use super::*;

    /// Returns what `log` writes in this form with this filter.
    fn written(filter: &str, form: Form, log: impl FnOnce()) -> String {
        let (reader, writer) = pipe().unwrap();
        let settings = Settings { filter: filter.into(), form };
        let subscriber = subscriber(&settings, Lossy::new(writer)).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        let mut text = String::new();
        File::from(reader).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn each_form_suits_its_reader() {
        let log = || tracing::warn!(task = "t1", "look\x1b[31m here");
        let plain = written("info", Form::Human { colour: false }, log);
        assert!(plain.contains(" WARN baton::telemetry::tests: look"), "{plain:?}");
        assert!(plain.starts_with("20") && !plain.contains('\x1b'), "{plain:?}");
        let coloured = written("info", Form::Human { colour: true }, log);
        assert!(coloured.contains("\x1b[33m WARN"), "{coloured:?}");
        let journald = written("info", Form::Journald, log);
        assert!(journald.starts_with("<4> WARN baton::telemetry"), "{journald:?}");
        let json = written("info", Form::Json, log);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["level"], "WARN");
        assert_eq!(value["task"], "t1");
    }

    #[test]
    fn the_filter_decides_by_level_and_module() {
        let log = || {
            tracing::info!(target: "baton::intake", "one");
            tracing::debug!(target: "baton::intake", "two");
            tracing::debug!(target: "baton::store", "three");
        };
        let form = Form::Human { colour: false };
        assert_eq!(written("warn", form, log), "");
        let text = written("info,baton::intake=debug", form, log);
        assert!(text.contains("one") && text.contains("two") && !text.contains("three"), "{text}");
        let settings = Settings { filter: "a=b=c".into(), form };
        let error = subscriber(&settings, io::sink).err().unwrap().to_string();
        assert!(error.starts_with("cannot use \"a=b=c\" as a log filter: "), "{error}");
    }

    #[test]
    fn the_form_follows_the_environment() {
        let journal = |name: &str| (name == "JOURNAL_STREAM").then(|| "8:1234".to_owned());
        let nothing = |_: &str| None;
        assert_eq!(Form::detect(true, &journal), Form::Json);
        assert_ne!(Form::detect(false, &nothing), Form::Journald);
        if !io::stderr().is_terminal() {
            assert_eq!(Form::detect(false, &journal), Form::Journald);
            assert_eq!(Form::detect(false, &nothing), Form::Human { colour: false });
        }
    }

    #[test]
    fn a_full_disk_and_a_closed_stream_cost_lines_and_nothing_else() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let lossy = Lossy::new(OwnedFd::from(full));
        lossy.line(b"one\n");
        lossy.line(b"two\n");
        assert_eq!(lossy.state.lock().unwrap().lost, 2);

        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let lossy = Lossy::new(writer);
        lossy.line(b"one\n");
        assert_eq!(lossy.state.lock().unwrap().lost, 1);
    }

    #[test]
    fn a_reader_that_stops_reading_is_told_later_how_much_it_missed() {
        let (reader, writer) = pipe().unwrap();
        let lossy = Lossy::new(writer);
        let line = [&[b'x'; 1_000][..], b"\n"].concat();
        let mut sent = 0;
        while lossy.state.lock().unwrap().lost == 0 {
            lossy.line(&line);
            sent += 1;
        }
        lossy.line(&line);
        let mut reader = BufReader::with_capacity(1 << 17, File::from(reader));
        assert!(!reader.fill_buf().unwrap().is_empty());
        lossy.line(b"back\n");
        drop(lossy);
        let lines: Vec<String> = reader.lines().map(Result::unwrap).collect();
        assert_eq!(lines.iter().filter(|line| line.starts_with('x')).count(), sent - 1);
        assert_eq!(lines[lines.len() - 2..], ["2 log lines were lost", "back"]);
    }
}
