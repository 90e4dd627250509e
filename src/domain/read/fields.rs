//! Single fields of a JSON object, read as leniently as their meaning allows.

use serde_json::{Map, Value};

use super::json::shown;
use crate::domain::Problem;
use crate::domain::moment::Timestamp;

/// An object, and how to say where something in it is wrong.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    file: &'a str,
    prefix: &'a str,
}

impl<'a> Fields<'a> {
    /// Takes `value` as an object.
    pub(super) fn of(
        value: &'a Value,
        file: &'a str,
        prefix: &'a str,
        what: &str,
    ) -> Result<Self, Problem> {
        let map = value.as_object().ok_or_else(|| Problem {
            file: file.into(),
            field: prefix.into(),
            message: format!("{what} is expected as an object, found {}", kind(value)),
            remedy: "write it as {\"name\": value, ...}".into(),
        })?;
        Ok(Self { map, file, prefix })
    }

    /// Returns the first of these fields that is there and not null, with the name it has.
    pub(super) fn get(&self, names: &[&'a str]) -> Option<(&'a str, &'a Value)> {
        names.iter().find_map(|name| {
            let value = self.map.get(*name).filter(|value| !value.is_null())?;
            Some((*name, value))
        })
    }

    /// Reads a text; numbers are taken as they are written, lists of texts are joined by `joint`.
    pub(super) fn text(&self, names: &[&'a str], joint: &str) -> Result<Option<String>, Problem> {
        let Some((name, value)) = self.get(names) else { return Ok(None) };
        let text = match value.as_array() {
            Some(items) => {
                items.iter().map(plain_text).collect::<Option<Vec<_>>>().map(|t| t.join(joint))
            }
            None => plain_text(value),
        };
        text.map(Some).ok_or_else(|| self.wrong(name, "a text", value, "write it in quotes"))
    }

    /// Reads a text without the blanks around it; an empty one counts as missing.
    pub(super) fn word(&self, names: &[&'a str]) -> Result<Option<String>, Problem> {
        let Some((name, value)) = self.get(names) else { return Ok(None) };
        match plain_text(value) {
            Some(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            None => Err(self.wrong(name, "a text", value, "write it in quotes")),
        }
    }

    /// Reads a list of texts; one text alone is a list of one, an object is its values.
    pub(super) fn texts(&self, names: &[&'a str]) -> Result<Vec<String>, Problem> {
        let Some((name, value)) = self.get(names) else { return Ok(Vec::new()) };
        let items: Vec<&Value> = match (value.as_array(), value.as_object()) {
            (Some(items), _) => items.iter().collect(),
            (_, Some(map)) => map.values().collect(),
            (None, None) => vec![value],
        };
        let text = |item: &&Value| plain_text(item.get("path").unwrap_or(item));
        let texts: Option<Vec<String>> = items.iter().map(text).collect();
        let filled = |text: &String| !text.trim().is_empty();
        texts
            .map(|texts| texts.into_iter().filter(filled).collect())
            .ok_or_else(|| self.wrong(name, "a list of texts", value, "write it as [\"...\"]"))
    }

    /// Reads a whole number from 0, also one written as a text or with a fraction of zero.
    pub(super) fn whole(&self, names: &[&'a str]) -> Result<Option<u64>, Problem> {
        let Some((name, value)) = self.get(names) else { return Ok(None) };
        match whole_number(value) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(name, "a whole number from 0", value, "write it as 20")),
        }
    }

    /// Reads a number that is not below 0, also one written as a text.
    pub(super) fn amount(&self, names: &[&'a str]) -> Result<Option<f64>, Problem> {
        let Some((name, value)) = self.get(names) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().trim_start_matches('$').parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        match number.filter(|n| n.is_finite() && *n >= 0.0) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(name, "a number from 0", value, "write it as 0.25")),
        }
    }

    /// Reads yes or no: `true`, `"yes"`, `1` and their opposites.
    pub(super) fn flag(&self, names: &[&'a str]) -> Result<Option<bool>, Problem> {
        let Some((name, value)) = self.get(names) else { return Ok(None) };
        let text = plain_text(value).unwrap_or_else(|| value.to_string());
        match text.trim().to_ascii_lowercase().as_str() {
            "" => Ok(None),
            "true" | "yes" | "1" => Ok(Some(true)),
            "false" | "no" | "0" => Ok(Some(false)),
            _ => Err(self.wrong(name, "true or false", value, "write it without quotes")),
        }
    }

    /// Reads a time.
    pub(super) fn time(&self, names: &[&'a str]) -> Result<Option<Timestamp>, Problem> {
        let Some((name, value)) = self.get(names) else { return Ok(None) };
        match Timestamp::try_from(value.clone()) {
            Ok(time) => Ok(Some(time)),
            Err(_) => Err(self.wrong(name, "a time", value, "write it as 2025-11-05T18:00:00Z")),
        }
    }

    /// Says that a field is something else than it has to be.
    pub(super) fn wrong(&self, name: &str, what: &str, value: &Value, remedy: &str) -> Problem {
        self.problem(name, format!("{what} is expected, found {}", kind(value)), remedy)
    }

    /// Says that something is wrong with a field.
    pub(super) fn problem(&self, name: &str, message: String, remedy: &str) -> Problem {
        Problem { file: self.file.into(), field: self.path(name), message, remedy: remedy.into() }
    }

    /// Returns the path of a field from the start of the file.
    pub(super) fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() || name.is_empty() {
            format!("{}{name}", self.prefix)
        } else {
            format!("{}.{name}", self.prefix)
        }
    }

    /// Returns the name of the file.
    pub(super) fn file(&self) -> &'a str {
        self.file
    }
}

/// Returns a text or a number as text.
pub(super) fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns a number that has no fraction, also one written as a text.
pub(super) fn whole_number(value: &Value) -> Option<u64> {
    let text = plain_text(value)?;
    let text = text.trim();
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

/// Describes a value in a few characters.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if text.is_empty() => "an empty text".into(),
        Value::String(text) => format!("`{}`", shown(text)),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(map) => format!("an object of {}", map.len()),
    }
}
