//! Reads what stands between the two `---` of an agent file.
//!
//! It should be YAML and often is not: descriptions with colons in them, quotes that nobody closed,
//! examples over many lines. Whoever wrote such a file sees it work elsewhere, so that it works
//! here; what is odd is noted. Nothing is refused, and no line is looked at more than twice.

use std::collections::HashSet;

use crate::domain::agent::Severity;

/// A file, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Front {
    /// The fields in their order; the name of a field as it is written.
    pub(super) fields: Vec<Field>,
    /// What follows.
    pub(super) body: String,
    pub(super) notes: Vec<Note>,
    /// False where the file does not begin with `---`.
    pub(super) is_there: bool,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) text: String,
    /// Its items, where it is written as a list.
    pub(super) items: Option<Vec<String>>,
    pub(super) line: usize,
}

/// What is odd about a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) line: usize,
    pub(super) severity: Severity,
    pub(super) field: String,
    pub(super) message: String,
    pub(super) remedy: &'static str,
}

/// The fields that an agent file can have.
pub(super) const KNOWN: [&str; 22] = [
    "name",
    "description",
    "tools",
    "disallowedTools",
    "model",
    "permissionMode",
    "maxTurns",
    "skills",
    "mcpServers",
    "hooks",
    "memory",
    "background",
    "effort",
    "isolation",
    "color",
    "initialPrompt",
    "category",
    "keywords",
    "tags",
    "domains",
    "version",
    "author",
];

const QUOTE_IT: &str = "put the value in double quotes";

impl Front {
    /// Takes a file apart.
    pub(super) fn read(bytes: &[u8]) -> Front {
        let mut front = Front::default();
        let text = String::from_utf8_lossy(bytes);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            let line = bytes_line(bytes);
            front.note(line, Severity::Warning, "", "it is not UTF-8", "save it as UTF-8");
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let lines: Vec<&str> = text.lines().collect();
        let Some(first) = lines.iter().position(|line| !line.trim().is_empty()) else {
            front.note(0, Severity::Error, "", "it is empty", "write an agent, or remove it");
            return front;
        };
        if lines[first].trim_end() != "---" {
            let remedy = "begin the file with ---, name:, description:, ---";
            front.note(first + 1, Severity::Error, "", "it has no frontmatter", remedy);
            front.body = text.to_owned();
            return front;
        }
        if first > 0 {
            let remedy = "remove the blank lines at the top";
            front.note(1, Severity::Warning, "", "the frontmatter is not at the top", remedy);
        }
        front.is_there = true;
        let begin = first + 1;
        let is_end = |line: &&str| matches!(line.trim_end(), "---" | "...");
        let end = lines[begin..].iter().position(is_end).map(|at| begin + at);
        let end = end.unwrap_or_else(|| {
            let remedy = "write --- on a line of its own after the last field";
            front.note(begin, Severity::Warning, "", "the frontmatter is never closed", remedy);
            let is_prose = |line: &&str| line.trim().is_empty() || line.starts_with('#');
            lines[begin..].iter().position(is_prose).map_or(lines.len(), |at| begin + at)
        });
        Parser { lines: &lines[..end], at: begin, front: &mut front }.fields();
        let from = if lines.get(end).is_some_and(is_end) { end + 1 } else { end };
        front.body = lines[from.min(lines.len())..].join("\n").trim().to_owned();
        front
    }

    /// Returns a field, whatever case its name is written in; of two the last.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().rev().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    fn note(
        &mut self,
        line: usize,
        severity: Severity,
        field: &str,
        message: impl Into<String>,
        remedy: &'static str,
    ) {
        let (field, message) = (field.to_owned(), message.into());
        self.notes.push(Note { line, severity, field, message, remedy });
    }
}

impl Field {
    /// Returns it as a list: as it is written, or parted at commas outside brackets.
    pub(super) fn list(&self) -> Vec<String> {
        if let Some(items) = &self.items {
            return items.clone();
        }
        let mut depth = 0_usize;
        let parted = self.text.split(|c: char| {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && matches!(c, ',' | '\n')
        });
        parted.map(unquoted).filter(|item| !item.is_empty()).collect()
    }
}

/// Reads the lines between the two `---`.
struct Parser<'a, 'f> {
    lines: &'a [&'a str],
    at: usize,
    front: &'f mut Front,
}

impl<'a> Parser<'a, '_> {
    fn fields(&mut self) {
        let mut seen = HashSet::new();
        while self.at < self.lines.len() {
            let (line, number) = (self.lines[self.at], self.at + 1);
            self.at += 1;
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, value)) = field_of(line) else {
                self.stray(line, number);
                continue;
            };
            let mut field = Field { name: name.to_owned(), line: number, ..Field::default() };
            if !seen.insert(name.to_ascii_lowercase()) {
                let message = "it is there twice; the last one stands";
                self.warn(number, name, message, "remove one of them");
            }
            self.value(&mut field, value);
            self.front.fields.push(field);
        }
    }

    fn value(&mut self, field: &mut Field, value: &'a str) {
        match value.chars().next() {
            None | Some('#') => self.below(field),
            Some('|' | '>') if is_block_header(value) => {
                let folds = value.starts_with('>');
                let lines = self.indented();
                let texts: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
                field.text = texts.join(if folds { " " } else { "\n" }).trim().to_owned();
            }
            Some('"') => self.quoted(field, value, '"'),
            Some('\'') => self.quoted(field, value, '\''),
            Some('[') => self.flow(field, value),
            Some(_) => self.plain(field, value),
        }
    }

    /// A value on the lines below: a list, or something nested that is kept as it is.
    fn below(&mut self, field: &mut Field) {
        let mut lines = self.indented();
        while self.at < self.lines.len() && self.lines[self.at].starts_with("- ") {
            lines.push(self.lines[self.at]);
            self.at += 1;
        }
        let shown: Vec<&str> =
            lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
        let items: Option<Vec<String>> =
            shown.iter().map(|line| line.strip_prefix('-').map(unquoted)).collect();
        field.items = items.filter(|items| !items.is_empty());
        field.text = match &field.items {
            Some(items) => items.join(", "),
            None => shown.join("\n"),
        };
    }

    fn quoted(&mut self, field: &mut Field, value: &str, quote: char) {
        let mut whole = value.to_owned();
        let mark = self.at;
        let mut end = closing(&whole, 1, quote);
        while end.is_none() && self.at < self.lines.len() {
            let looked = whole.len();
            whole.push(' ');
            whole.push_str(self.lines[self.at].trim());
            self.at += 1;
            end = closing(&whole, looked, quote);
        }
        match end {
            Some(end) => {
                let rest = whole[end + 1..].trim();
                field.text = unescaped(&whole[1..end], quote);
                if !rest.is_empty() && !rest.starts_with('#') {
                    let message = "there is text after the closing quote";
                    self.warn(field.line, &field.name, message, "write \\\" for a quote in a text");
                    field.text = format!("{} {}", field.text, rest.trim_end_matches(quote));
                }
            }
            None => {
                self.at = mark;
                self.warn(field.line, &field.name, "the quote is never closed", QUOTE_IT);
                field.text = unescaped(&value[1..], quote);
                self.take_more(field);
            }
        }
    }

    /// `[a, b]`, which may go on over lines.
    fn flow(&mut self, field: &mut Field, value: &str) {
        let mut whole = value.to_owned();
        let mark = self.at;
        let mut is_closed = value.contains(']');
        while !is_closed && self.at < self.lines.len() && field_of(self.lines[self.at]).is_none() {
            is_closed = self.lines[self.at].contains(']');
            whole.push_str(self.lines[self.at].trim());
            self.at += 1;
        }
        if !is_closed {
            self.at = mark;
            whole = value.to_owned();
            self.warn(field.line, &field.name, "the bracket is never closed", "close it with ]");
        }
        let inner = whole.trim_start_matches('[').split(']').next().unwrap_or_default();
        let items = inner.split(',').map(unquoted).filter(|item| !item.is_empty()).collect();
        field.text = inner.trim().to_owned();
        field.items = Some(items);
    }

    fn plain(&mut self, field: &mut Field, value: &str) {
        let is_prose = field.name.eq_ignore_ascii_case("description");
        let comment = value.find(" #");
        if value.contains(": ") || value.ends_with(':') {
            let message = "a colon in a value without quotes is not valid YAML";
            self.warn(field.line, &field.name, message, QUOTE_IT);
        } else if value.starts_with(['{', '}', ']', ',', '&', '*', '?', '%', '@', '`', '!']) {
            let message = "a value without quotes cannot begin so in YAML";
            self.warn(field.line, &field.name, message, QUOTE_IT);
        } else if comment.is_some() && is_prose {
            let message = "YAML takes what follows ` #` for a comment";
            self.warn(field.line, &field.name, message, QUOTE_IT);
        }
        let kept = match comment {
            Some(at) if !is_prose => &value[..at],
            _ => value,
        };
        field.text = kept.trim().replace("\\n", "\n");
        self.take_more(field);
    }

    /// Lines that belong to the value before: indented ones, and examples over many lines.
    fn take_more(&mut self, field: &mut Field) {
        let mut is_noted = false;
        let mut is_open = ends_in_example(&field.text, false);
        while self.at < self.lines.len() {
            let line = self.lines[self.at];
            if line.trim().is_empty() {
                let blanks =
                    self.lines[self.at..].iter().take_while(|line| line.trim().is_empty()).count();
                let next = self.lines.get(self.at + blanks);
                if !is_open && !next.is_some_and(|line| line.starts_with([' ', '\t'])) {
                    break;
                }
                self.at += blanks;
                field.text.push('\n');
                continue;
            }
            if field_of(line).is_some_and(|(name, _)| !is_open || is_known(name)) {
                break;
            }
            if !is_open && !line.starts_with([' ', '\t']) && field.text.ends_with('\n') {
                break;
            }
            if !line.starts_with([' ', '\t']) && !is_noted {
                is_noted = true;
                let message = "it goes on over lines that are not indented";
                self.warn(self.at + 1, &field.name, message, QUOTE_IT);
            }
            field.text.push(if is_open { '\n' } else { ' ' });
            field.text.push_str(line.trim());
            is_open = ends_in_example(line, is_open);
            self.at += 1;
        }
        field.text.truncate(field.text.trim_end().len());
    }

    /// Takes the indented and blank lines that follow.
    fn indented(&mut self) -> Vec<&'a str> {
        let begin = self.at;
        while self.at < self.lines.len() {
            let line = self.lines[self.at];
            if !line.trim().is_empty() && !line.starts_with([' ', '\t']) {
                break;
            }
            if line.starts_with('\t') {
                self.warn(self.at + 1, "", "YAML is not indented by tabs", "indent by spaces");
            }
            self.at += 1;
        }
        self.lines[begin..self.at].to_vec()
    }

    fn stray(&mut self, line: &str, number: usize) {
        let message = format!("{:?} is no field", cut(line.trim(), 40));
        let remedy = "write `name: value`, or indent it below its field";
        self.front.note(number, Severity::Warning, "", message, remedy);
    }

    fn warn(&mut self, line: usize, field: &str, message: &str, remedy: &'static str) {
        self.front.note(line, Severity::Warning, field, message, remedy);
    }
}

/// Returns name and value of a line `name: value`.
fn field_of(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim_end();
    let mut chars = name.chars();
    let is_name = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        && name.len() <= 40;
    let is_value = value.is_empty() || value.starts_with([' ', '\t', '"', '\'', '[']);
    (is_name && is_value).then(|| (name, value.trim()))
}

fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_block_header(value: &str) -> bool {
    let rest = value[1..].split('#').next().unwrap_or_default().trim();
    rest.chars().all(|c| matches!(c, '+' | '-' | '1'..='9'))
}

/// Tells whether a text ends within an example.
fn ends_in_example(text: &str, was_open: bool) -> bool {
    match (text.rfind("<example>"), text.rfind("</example>")) {
        (Some(begun), Some(ended)) => begun > ended,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (None, None) => was_open,
    }
}

/// Returns where a quote is closed, looking from a place inside it.
fn closing(text: &str, from: usize, quote: char) -> Option<usize> {
    let mut chars = text[from..].char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote == '"' {
            chars.next();
        } else if c == quote {
            if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') {
                chars.next();
            } else {
                return Some(from + at);
            }
        }
    }
    None
}

fn unescaped(text: &str, quote: char) -> String {
    if quote == '\'' {
        return text.replace("''", "'");
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some(next)) => out.push(next),
            (c, _) => out.push(c),
        }
    }
    out
}

fn unquoted(text: &str) -> String {
    let text = text.trim();
    let inner = ['"', '\'']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)));
    inner.unwrap_or(text).to_owned()
}

fn bytes_line(bytes: &[u8]) -> usize {
    let valid = std::str::from_utf8(bytes).map_or_else(|e| e.valid_up_to(), str::len);
    bytes[..valid].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
mod tests;
