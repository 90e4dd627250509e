//! A JSON reader that says where and what when it fails, and that knows where things stand.
//!
//! Beside values it gives byte ranges, so that a file can be changed in one place and kept byte
//! for byte in all others.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::domain::Problem;

mod words;

use words::{hex4, is_number, scalar_value, unescape};

/// Values nested deeper than this are refused; skipping has no such limit.
pub const DEPTH_MAX: usize = 128;

/// A longer path of a field is shown without its middle.
const PATH_LENGTH_MAX: usize = 120;
const REMEDY: &str = "correct it there and write the file again";

/// Reads a whole file as one JSON value.
///
/// A byte order mark is passed over, numbers that fit neither `i64`, `u64` nor `f64` become their
/// text, and a lone surrogate becomes U+FFFD.
///
/// # Errors
/// Names line, column, field and the text that is wrong: bytes that are not UTF-8, anything that
/// is not JSON, a key that stands twice in one object, more than [`DEPTH_MAX`] levels.
pub fn parse_json(bytes: &[u8], file: &str) -> Result<Value, Problem> {
    let text = decode(bytes, file)?;
    let mut scanner = Scanner::new(text);
    let value = scanner.value().and_then(|value| scanner.finish().map(|()| value));
    value.map_err(|error| error.problem(file, text))
}

/// Takes the bytes of a file as text, without its byte order mark.
///
/// # Errors
/// Names the first byte that is not UTF-8.
pub fn decode<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str, Problem> {
    let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let skipped = bytes.len() - body.len();
    std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        let valid = std::str::from_utf8(&body[..at]).unwrap_or_default();
        let (line, column) = position(valid, at);
        Problem {
            file: file.into(),
            field: String::new(),
            message: format!(
                "line {line}, column {column}: byte 0x{:02x} at offset {} is not UTF-8",
                body[at],
                at + skipped
            ),
            remedy: "save the file as UTF-8".into(),
        }
    })
}

/// Says what is no JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Offset in bytes.
    pub offset: usize,
    /// The field in which it is, as a path such as `tasks[3].title`.
    pub field: String,
    /// What is wrong, lower case.
    pub message: String,
    /// What its author can do.
    pub remedy: &'static str,
}

impl JsonError {
    /// Adds line and column, found by counting in `text`.
    pub fn problem(self, file: &str, text: &str) -> Problem {
        let (line, column) = position(text, self.offset);
        let message = if text.trim().is_empty() {
            "the file is empty".to_owned()
        } else {
            format!("line {line}, column {column}: {}", self.message)
        };
        let field = short_path(self.field);
        Problem { file: file.into(), field, message, remedy: self.remedy.into() }
    }

    /// Says that the text it is about is the value of `outer`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        let is_plain = self.field.is_empty() || self.field.starts_with('[') || outer.is_empty();
        let dot = if is_plain { "" } else { "." };
        self.field = format!("{outer}{dot}{}", self.field);
        self
    }
}

/// A key of an object and where it stands, quotes included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key<'a> {
    /// The key without quotes and escapes.
    pub name: Cow<'a, str>,
    /// The bytes of it.
    pub span: Range<usize>,
}

/// Walks through a JSON text from left to right.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Scanner<'a> {
    /// Begins at the start of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// Begins at `offset`, which is the start of a value.
    pub fn at(text: &'a str, offset: usize) -> Self {
        Self { text, at: offset, depth: 0 }
    }

    /// Returns the first byte of the next value and passes over the white space before it.
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Returns where it is.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Reads an object; `each` has to read the value of every key it is given.
    ///
    /// # Errors
    /// What stands there is no object, or `each` failed.
    pub fn object(
        &mut self,
        each: &mut dyn FnMut(&mut Self, &Key<'a>) -> Result<(), JsonError>,
    ) -> Result<Range<usize>, JsonError> {
        let start = self.open(b'{', "an object")?;
        if self.peek() == Some(b'}') {
            return Ok(self.close(start));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in double quotes"));
            }
            let span = self.string_span()?;
            let key = Key { name: unescape(&self.text[span.start + 1..span.end - 1]), span };
            self.expect(b':', "a colon")?;
            each(self, &key).map_err(|error| error.within(&shown(&key.name)))?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return Ok(self.close(start)),
                Some(_) | None => return Err(self.unexpected("a comma or `}`")),
            }
        }
    }

    /// Reads an array; `each` has to read every element, and is given its position.
    ///
    /// # Errors
    /// What stands there is no array, or `each` failed.
    pub fn array(
        &mut self,
        each: &mut dyn FnMut(&mut Self, usize) -> Result<(), JsonError>,
    ) -> Result<Range<usize>, JsonError> {
        let start = self.open(b'[', "an array")?;
        if self.peek() == Some(b']') {
            return Ok(self.close(start));
        }
        for index in 0.. {
            each(self, index).map_err(|error| error.within(&format!("[{index}]")))?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                Some(_) | None => return Err(self.unexpected("a comma or `]`")),
            }
        }
        Ok(self.close(start))
    }

    /// Reads any value.
    ///
    /// # Errors
    /// It is no JSON, too deep, or holds a key twice.
    pub fn value(&mut self) -> Result<Value, JsonError> {
        match self.peek() {
            Some(b'{') => {
                let mut map = Map::new();
                self.object(&mut |scanner, key| {
                    if map.contains_key(key.name.as_ref()) {
                        return Err(scanner.twice(key));
                    }
                    let value = scanner.value()?;
                    map.insert(key.name.clone().into_owned(), value);
                    Ok(())
                })?;
                Ok(Value::Object(map))
            }
            Some(b'[') => {
                let mut items = Vec::new();
                self.array(&mut |scanner, _| {
                    items.push(scanner.value()?);
                    Ok(())
                })?;
                Ok(Value::Array(items))
            }
            Some(b'"') => {
                let span = self.string_span()?;
                Ok(Value::String(unescape(&self.text[span.start + 1..span.end - 1]).into_owned()))
            }
            Some(_) | None => {
                let span = self.scalar()?;
                Ok(scalar_value(&self.text[span]))
            }
        }
    }

    /// Passes over any value, however deep, and returns where it stands.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn skip(&mut self) -> Result<Range<usize>, JsonError> {
        self.peek();
        let start = self.at;
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    self.at += 1;
                    let end = bracket + 2;
                    if self.peek() == Some(end) {
                        self.at += 1;
                    } else {
                        open.push(end);
                        if end == b'}' {
                            self.key()?;
                        }
                        continue;
                    }
                }
                Some(b'"') => {
                    self.string_span()?;
                }
                Some(_) | None => {
                    self.scalar()?;
                }
            }
            loop {
                let Some(end) = open.last().copied() else { return Ok(start..self.at) };
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if end == b'}' {
                            self.key()?;
                        }
                        break;
                    }
                    Some(byte) if byte == end => {
                        self.at += 1;
                        open.pop();
                    }
                    Some(_) | None if end == b'}' => {
                        return Err(self.unexpected("a comma or `}`"));
                    }
                    Some(_) | None => return Err(self.unexpected("a comma or `]`")),
                }
            }
        }
    }

    /// Makes sure that nothing follows.
    ///
    /// # Errors
    /// Something does.
    pub fn finish(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the file")),
        }
    }

    /// Says that a key stands twice in one object.
    pub fn twice(&self, key: &Key<'_>) -> JsonError {
        JsonError {
            offset: key.span.start,
            field: String::new(),
            message: format!("the key `{}` stands twice in one object", shown(&key.name)),
            remedy: "keep one of the two",
        }
    }

    /// Says that something else is expected where the scanner is.
    pub fn unexpected(&mut self, expected: &str) -> JsonError {
        let message = match self.peek() {
            None => format!("the text ends where {expected} is expected"),
            Some(_) => format!("{expected} is expected, found `{}`", found(&self.text[self.at..])),
        };
        JsonError { offset: self.at, field: String::new(), message, remedy: REMEDY }
    }

    fn open(&mut self, bracket: u8, what: &str) -> Result<usize, JsonError> {
        if self.peek() != Some(bracket) {
            return Err(self.unexpected(what));
        }
        if self.depth == DEPTH_MAX {
            return Err(JsonError {
                offset: self.at,
                field: String::new(),
                message: format!("it is nested more than {DEPTH_MAX} levels deep"),
                remedy: "write it flatter",
            });
        }
        self.depth += 1;
        self.at += 1;
        Ok(self.at - 1)
    }

    fn close(&mut self, start: usize) -> Range<usize> {
        self.depth -= 1;
        self.at += 1;
        start..self.at
    }

    fn key(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        self.string_span()?;
        self.expect(b':', "a colon")
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected(what));
        }
        self.at += 1;
        Ok(())
    }

    fn string_span(&mut self) -> Result<Range<usize>, JsonError> {
        let (bytes, start) = (self.text.as_bytes(), self.at);
        let mut at = start + 1;
        let wrong = |offset: usize, message: String| {
            Err(JsonError { offset, field: String::new(), message, remedy: REMEDY })
        };
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => match bytes.get(at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                    Some(b'u') if hex4(bytes, at + 2).is_some() => at += 6,
                    Some(_) | None => {
                        let bad = found(&self.text[at..]);
                        return wrong(at, format!("`{bad}` is no escape of a JSON string"));
                    }
                },
                Some(0x20..) => at += 1,
                Some(control) => {
                    let shown = char::from(*control).escape_default();
                    return wrong(at, format!("`{shown}` must be escaped within a string"));
                }
                None => return wrong(start, "a string is not closed".into()),
            }
        }
        self.at = at + 1;
        Ok(start..self.at)
    }

    /// Passes over a number or a word.
    fn scalar(&mut self) -> Result<Range<usize>, JsonError> {
        self.peek();
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\t'..=b'\r');
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let word = &rest[..length];
        if !(matches!(word, b"true" | b"false" | b"null") || is_number(word)) {
            return Err(self.unexpected("a value"));
        }
        self.at += length;
        Ok(start..self.at)
    }
}

/// Counts lines and characters up to `offset`, both from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let starts_character = |byte: &&u8| **byte & 0xc0 != 0x80;
    (line, before[line_start..].iter().filter(starts_character).count() + 1)
}

/// Leaves out the middle of a path that is too long to be read: `context[0][0]...[0][0]`.
fn short_path(path: String) -> String {
    let length = path.chars().count();
    if length <= PATH_LENGTH_MAX {
        return path;
    }
    let half = PATH_LENGTH_MAX / 2 - 2;
    let at = |nth: usize| path.char_indices().nth(nth).map_or(path.len(), |(at, _)| at);
    let (head, tail) = (&path[..at(half)], &path[at(length - half)..]);
    // Whole parts, where a part is not long itself.
    let head = head.rfind(['.', '[']).filter(|end| *end > 0).map_or(head, |end| &head[..end]);
    let tail = tail.find(['.', '[']).map_or(tail, |start| &tail[start..]);
    format!("{head}...{tail}")
}

/// Returns a name as it may be shown in one line.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(60).map(visible).collect()
}

fn visible(character: char) -> String {
    match character {
        '\'' | '"' | '\\' => character.into(),
        other => other.escape_debug().collect(),
    }
}

/// Returns the next few characters as they may be shown in one line.
fn found(rest: &str) -> String {
    let word = rest.char_indices().skip(1).find(|(_, c)| c.is_whitespace() || ",]}:".contains(*c));
    let word = word.map_or(rest, |(end, _)| &rest[..end]);
    let cut = if word.chars().count() > 24 { "..." } else { "" };
    word.chars().take(24).map(visible).chain([cut.to_owned()]).collect()
}

#[cfg(test)]
mod tests;
