//! What a directory has learned: who did what, and how it went.
//!
//! The journal says it of work that Baton gave out; [`layout::MEMORY`] holds what people and
//! programs added, one JSON object a line. Both are read in order, and only the latest are kept.

use std::path::Path;

use serde_json::Value;

use super::{Client, ClientError};
use crate::domain::agent::{Outcome, Remembered};
use crate::domain::experience::{Experience, Line};
use crate::store::layout;

/// A longer file is cut to its latest lines when something is added.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// No file of outcomes is longer.
const IMPORT_BYTES_MAX: u64 = 256 << 20;

/// Outcomes from a file, and the lines that could not be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Imported {
    /// In their order.
    pub remembered: Vec<Remembered>,
    /// Numbers of lines, from 1, and what is wrong with them.
    pub bad: Vec<(usize, String)>,
}

impl Client {
    /// Returns what is remembered of agents and of plans, the oldest first.
    ///
    /// # Errors
    /// The journal or the file cannot be read.
    pub fn experience(&self) -> Result<Experience, ClientError> {
        let text = self.text(layout::MEMORY)?.unwrap_or_default();
        Ok(Experience::of(&self.state()?).with(&text))
    }

    /// Adds outcomes; where the file grows too long, the oldest added ones go.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn remember(&self, outcomes: &[Remembered]) -> Result<(), ClientError> {
        let mut lines = String::new();
        for one in outcomes {
            lines.push_str(&line_of(one));
        }
        self.store().append(layout::MEMORY, lines.as_bytes())?;
        let text = self.text(layout::MEMORY)?.unwrap_or_default();
        if text.len() as u64 > FILE_BYTES_MAX {
            self.store().replace_durable(layout::MEMORY, latest(&text).as_bytes())?;
        }
        Ok(())
    }

    /// Forgets everything that was before a moment.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn forget(&self, now_ms: i64) -> Result<(), ClientError> {
        let line = Line::Forgotten { forgotten_before_ms: now_ms };
        let text = serde_json::to_string(&line).unwrap_or_default();
        self.store().create_dirs("orchestrator")?;
        self.store().replace_durable(layout::MEMORY, format!("{text}\n").as_bytes())?;
        Ok(())
    }
}

/// Returns the latest lines, about half of what the file may hold, behind the last word on what is
/// forgotten.
fn latest(text: &str) -> String {
    let room = usize::try_from(FILE_BYTES_MAX / 2).unwrap_or(usize::MAX);
    let mut begin = text.len().saturating_sub(room);
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    let whole = text[begin..].find('\n').map_or("", |end| &text[begin + end + 1..]);
    let is_word = |line: &&str| matches!(serde_json::from_str(line), Ok(Line::Forgotten { .. }));
    let before = &text[..text.len() - whole.len()];
    let head = before.lines().rev().find(is_word).map(|line| format!("{line}\n"));
    format!("{}{whole}", head.unwrap_or_default())
}

/// Reads outcomes, one JSON object a line: `{"request", "agent", "outcome"}`.
///
/// # Errors
/// The file cannot be read.
pub fn import(path: &Path) -> std::io::Result<Imported> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(IMPORT_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut imported = Imported::default();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match imported_line(line) {
            Ok(one) => imported.remembered.push(one),
            Err(problem) => imported.bad.push((at + 1, problem)),
        }
    }
    Ok(imported)
}

fn imported_line(line: &str) -> Result<Remembered, String> {
    let mut value: Value = serde_json::from_str(line).map_err(|e| format!("it is no JSON: {e}"))?;
    let object = value.as_object_mut().ok_or("it is no JSON object")?;
    for (field, others) in [("request", ["query", "text"]), ("agent", ["tool", "name"])] {
        let found = others.iter().find_map(|other| object.get(*other).cloned());
        if let Some(found) = found.filter(|_| !object.contains_key(field)) {
            object.insert(field.to_owned(), found);
        }
    }
    if let Some(succeeded) = object.get("outcome").and_then(Value::as_bool) {
        let outcome = if succeeded { Outcome::Success } else { Outcome::Failure };
        object.insert("outcome".to_owned(), Value::from(outcome.as_str()));
    }
    serde_json::from_value(value).map_err(|e| e.to_string())
}

fn line_of(one: &Remembered) -> String {
    let text = serde_json::to_string(one).unwrap_or_default();
    format!("{text}\n")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write the files that are imported")]
mod tests {
    use super::super::tests::{directory, write};
    use super::*;

    fn outcome(request: &str, at_ms: Option<i64>) -> Remembered {
        Remembered {
            request: request.to_owned(),
            agent: "writer".to_owned(),
            outcome: Outcome::Success,
            kind: String::new(),
            minutes: None,
            tokens: None,
            at_ms,
        }
    }

    #[test]
    fn what_is_added_is_remembered_until_it_is_forgotten() {
        let (_dir, client) = directory();
        assert!(client.experience().unwrap().outcomes.is_empty());
        client.remember(&[outcome("b", Some(2)), outcome("a", Some(1))]).unwrap();
        let requests = |client: &Client| -> Vec<String> {
            client.experience().unwrap().outcomes.into_iter().map(|one| one.request).collect()
        };
        assert_eq!(requests(&client), ["a", "b"]);
        client.forget(7).unwrap();
        assert!(requests(&client).is_empty());
        client.remember(&[outcome("c", None)]).unwrap();
        assert_eq!(requests(&client), ["c"]);
    }

    #[test]
    fn a_torn_line_costs_only_itself() {
        let (_dir, client) = directory();
        let whole = line_of(&outcome("a", None));
        write(&client, layout::MEMORY, &format!("{whole}{{\"request\": \"to\n{whole}"));
        assert_eq!(client.experience().unwrap().outcomes.len(), 2);
    }

    #[test]
    fn the_file_does_not_grow_without_end() {
        let (_dir, client) = directory();
        client.forget(7).unwrap();
        let long = outcome(&"x".repeat(1_000), None);
        client.remember(&vec![long; 12_000]).unwrap();
        let text = client.text(layout::MEMORY).unwrap().unwrap();
        assert!(text.len() as u64 <= FILE_BYTES_MAX / 2 + 100, "{}", text.len());
        assert!(text.lines().count() > 1_000);
        assert!(text.starts_with("{\"forgotten_before_ms\":7}\n"));
    }

    #[test]
    fn outcomes_of_other_programs_are_read_and_bad_lines_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("outcomes.jsonl");
        let lines = "{\"query\": \"a\", \"tool\": \"x\", \"outcome\": \"accepted\"}\n\n\
            {\"request\": \"b\", \"agent\": \"y\", \"outcome\": false}\n{\"agent\": \"z\"}\nno\n\
            {\"request\": \"c\", \"agent\": \"y\"}\n";
        std::fs::write(&path, lines).unwrap();
        let imported = import(&path).unwrap();
        let told: Vec<(&str, Outcome)> =
            imported.remembered.iter().map(|one| (one.request.as_str(), one.outcome)).collect();
        let expected = [("a", Outcome::Success), ("b", Outcome::Failure), ("c", Outcome::Success)];
        assert_eq!(told, expected);
        let bad: Vec<usize> = imported.bad.iter().map(|(line, _)| *line).collect();
        assert_eq!(bad, [4, 5]);
    }
}
