//! A page of text for people: styled spans, cut to the width of the terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::text;

/// What a piece of text means, which decides how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Running text.
    Plain,
    /// A heading or a key.
    Strong,
    /// What matters less.
    Dim,
    /// Done, in order.
    Good,
    /// Under way.
    Busy,
    /// Look at it.
    Warn,
    /// Wrong.
    Bad,
}

/// A piece of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// One printable line.
    pub(crate) text: String,
    /// What it means.
    pub(crate) tone: Tone,
}

/// A page under construction.
#[derive(Debug)]
pub(crate) struct Page {
    width: usize,
    /// Whether what is too long for a line is cut.
    cuts: bool,
    /// Columns of the names of fields.
    name_columns: usize,
    text: String,
}

/// Columns of the names of fields, unless a page says otherwise.
const NAME_COLUMNS: usize = 14;

/// Makes a span; control characters are escaped here, once for all.
pub(crate) fn span(tone: Tone, text: impl AsRef<str>) -> Span {
    Span { text: inline(text.as_ref()), tone }
}

/// Makes a plain span.
pub(crate) fn plain(text: impl AsRef<str>) -> Span {
    span(Tone::Plain, text)
}

impl Page {
    /// Begins a page of `width` columns.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, cuts: true, name_columns: NAME_COLUMNS, text: String::new() }
    }

    /// Leaves every line whole, for those who search in it or cut ids out of it.
    pub(crate) fn uncut(self) -> Self {
        Self { cuts: false, ..self }
    }

    /// Returns how many columns something may have that could have `columns` in a terminal.
    pub(crate) fn room(&self, columns: usize) -> usize {
        if self.cuts { columns } else { usize::MAX }
    }

    /// Returns how many columns there are.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Returns the page, with ANSI styles.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Adds a line, cut to the width.
    pub(crate) fn line(&mut self, spans: &[Span]) {
        let mut left = self.room(self.width);
        for span in spans {
            let shown = text::cut(&span.text, left);
            left -= text::columns(&shown).min(left);
            let style = span.tone.style();
            let _infallible = write!(self.text, "{style}{shown}{style:#}");
        }
        while self.text.ends_with(' ') {
            self.text.pop();
        }
        self.text.push('\n');
    }

    /// Adds an empty line, unless the page is empty or ends with one.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Adds a heading after an empty line.
    pub(crate) fn heading(&mut self, text: &str) {
        self.gap();
        self.line(&[span(Tone::Strong, text)]);
    }

    /// Gives the names of the fields that follow so many columns.
    pub(crate) fn name_columns(&mut self, name_columns: usize) {
        self.name_columns = name_columns;
    }

    /// Adds a path, whole: it is there to be copied.
    pub(crate) fn path(&mut self, path: &str) {
        let shown = text::clean(path);
        let style = Tone::Dim.style();
        let _infallible = writeln!(self.text, "{style}{shown}{style:#}");
    }

    /// Adds `name   value`, the value wrapped beneath itself.
    pub(crate) fn field(&mut self, name: &str, value: &str) {
        self.field_toned(name, value, Tone::Plain);
    }

    /// Adds a [`Page::field`] whose value has a tone.
    pub(crate) fn field_toned(&mut self, name: &str, value: &str, tone: Tone) {
        let indent = self.name_columns.max(text::columns(name) + 1);
        let lines = text::wrap(value, self.width.saturating_sub(indent).max(20));
        for (position, line) in lines.iter().enumerate() {
            let name = if position == 0 { name } else { "" };
            let head = format!("{name:<indent$}");
            self.line(&[span(Tone::Dim, head), span(tone, line)]);
        }
    }

    /// Adds text wrapped to the width, `indent` columns in.
    pub(crate) fn paragraph(&mut self, indent: usize, text: &str) {
        for line in text::wrap(text, self.width.saturating_sub(indent).max(20)) {
            self.line(&[plain(" ".repeat(indent)), plain(line)]);
        }
    }

    /// Adds one point of a list, wrapped beneath itself.
    pub(crate) fn point(&mut self, tone: Tone, mark: &str, text: &str) {
        let indent = text::columns(mark) + 1;
        let lines = text::wrap(text, self.width.saturating_sub(indent).max(20));
        for (position, line) in lines.iter().enumerate() {
            let head = if position == 0 { format!("{mark} ") } else { " ".repeat(indent) };
            self.line(&[span(tone, head), plain(line)]);
        }
    }

    /// Adds lines of text as they are, with control characters escaped.
    pub(crate) fn verbatim(&mut self, text: &str) {
        self.text.push_str(&text::clean_lines(text));
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Tone::Plain => Style::new(),
            Tone::Strong => Style::new().bold(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Busy => AnsiColor::Cyan.on_default(),
            Tone::Warn => AnsiColor::Yellow.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
        }
    }

    /// Returns the mark of a step of this tone.
    pub(crate) fn mark(self) -> &'static str {
        match self {
            Tone::Good => "✓",
            Tone::Busy => "●",
            Tone::Bad => "✗",
            Tone::Warn => "–",
            Tone::Plain | Tone::Strong | Tone::Dim => "○",
        }
    }

    /// Returns the tone of a status word of the protocol.
    pub(crate) fn of_status(status: &str) -> Tone {
        match status {
            "completed" | "healthy" | "accepted" | "success" => Tone::Good,
            "active" | "running" | "handed_off" | "in_progress" | "orchestrating" | "assigned" => {
                Tone::Busy
            }
            "failed" | "zombie" | "blocked" | "rejected" | "stalled" => Tone::Bad,
            "paused" | "cancelled" | "skipped" | "degraded" | "awaiting_approval" => Tone::Warn,
            "pending" | "ready" | "planning" => Tone::Dim,
            _ => Tone::Plain,
        }
    }
}

/// Escapes like [`text::clean`], but keeps blanks at both ends: they are the layout.
fn inline(text: &str) -> String {
    let body = text.trim();
    if body.is_empty() {
        return text.replace(['\n', '\t', '\r'], " ");
    }
    let lead = text.len() - text.trim_start().len();
    let trail = text.len() - text.trim_end().len();
    format!("{}{}{}", " ".repeat(lead), text::clean(body), " ".repeat(trail))
}
