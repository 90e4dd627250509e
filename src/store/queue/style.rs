//! How a JSON text is laid out, so that what is added looks like what is there.

use std::ops::Range;

use serde_json::Value;

/// How members of one object, or elements of one list, are laid out.
pub(super) struct Style {
    /// White space before a member or an element.
    before: String,
    /// What is between a key and its value.
    colon: String,
    /// What has to follow when there were none before.
    after: String,
    /// `None`: values stay on their line.
    lines: Option<Lines>,
}

/// How a value goes on over more lines.
struct Lines {
    end: &'static str,
    /// Of the line on which the value begins.
    indent: String,
    /// What each further level adds.
    unit: String,
}

impl Style {
    /// Takes after the last member of an object; `last` is where its key and its value stand.
    pub(super) fn of_members(
        text: &str,
        object: &Range<usize>,
        last: Option<(&Range<usize>, &Range<usize>)>,
        members: usize,
    ) -> Self {
        let Some((key, value)) = last else {
            return Self::on_one_line();
        };
        let between = &text[key.end..value.start];
        let colon = if between.contains('\n') { ": " } else { between };
        let before = blank_before(text, key.start);
        let is_spaced = members == 1 && before.is_empty() && colon.ends_with(' ');
        Self {
            before: if is_spaced { " ".into() } else { before.into() },
            colon: colon.into(),
            after: String::new(),
            lines: Lines::of(before, blank_before(text, object.end - 1)),
        }
    }

    /// Takes after the last element of a list, or after the line it is on when it is empty.
    pub(super) fn of_elements(
        text: &str,
        list: &Range<usize>,
        last: Option<&Range<usize>>,
    ) -> Self {
        let closing = blank_before(text, list.end - 1);
        if let Some(last) = last {
            let before = blank_before(text, last.start);
            let lines = Lines::of(before, closing);
            return Self { before: before.into(), lines, ..Self::on_one_line() };
        }
        if !text.trim().contains('\n') {
            return Self::on_one_line();
        }
        let line_start = text[..list.start].rfind('\n').map_or(0, |at| at + 1);
        let line = &text[line_start..list.start];
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let unit = if indent.is_empty() { "  " } else { indent };
        let inner = format!("{indent}{unit}");
        Self {
            before: format!("{end}{inner}"),
            after: if closing.contains('\n') { String::new() } else { format!("{end}{indent}") },
            lines: Some(Lines { end, indent: inner, unit: unit.into() }),
            ..Self::on_one_line()
        }
    }

    /// Begins every element at the margin.
    pub(super) fn at_margin() -> Self {
        let lines = Lines { end: "\n", indent: String::new(), unit: "  ".into() };
        Self { before: "\n".into(), lines: Some(lines), ..Self::on_one_line() }
    }

    /// Formats a member, without the comma before it.
    pub(super) fn member(&self, name: &str, value: &Value) -> String {
        let name = Value::String(name.to_owned());
        format!("{}{name}{}{}", self.before, self.colon, self.value(value))
    }

    /// Formats a value.
    pub(super) fn value(&self, value: &Value) -> String {
        let Some(lines) = &self.lines else { return value.to_string() };
        let pretty = format!("{value:#}");
        let mut text = String::with_capacity(pretty.len());
        for (at, line) in pretty.lines().enumerate() {
            let content = line.trim_start_matches(' ');
            if at > 0 {
                text.push_str(lines.end);
                text.push_str(&lines.indent);
                text.push_str(&lines.unit.repeat((line.len() - content.len()) / 2));
            }
            text.push_str(content);
        }
        text
    }

    /// Joins elements that follow the last one, or that are the first.
    pub(super) fn elements(&self, elements: &[String], are_first: bool) -> String {
        let mut text = String::new();
        for (at, element) in elements.iter().enumerate() {
            if at > 0 || !are_first {
                text.push(',');
            }
            text.push_str(&self.before);
            text.push_str(element);
        }
        if are_first {
            text.push_str(&self.after);
        }
        text
    }

    fn on_one_line() -> Self {
        Self { before: String::new(), colon: ": ".into(), after: String::new(), lines: None }
    }
}

impl Lines {
    /// Reads the indentation off the white space before a member and before the closing bracket.
    fn of(before: &str, closing: &str) -> Option<Self> {
        let end = if before.contains("\r\n") { "\r\n" } else { "\n" };
        let indent = before.rsplit_once('\n')?.1;
        let outer = closing.rsplit_once('\n').map_or("", |(_, outer)| outer);
        let unit = indent.strip_prefix(outer).filter(|unit| !unit.is_empty()).unwrap_or("  ");
        Some(Self { end, indent: indent.into(), unit: unit.into() })
    }
}

/// Returns the white space that ends at `offset`.
fn blank_before(text: &str, offset: usize) -> &str {
    let before = &text[..offset];
    &before[before.trim_end_matches([' ', '\t', '\n', '\r']).len()..]
}
