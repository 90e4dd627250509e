//! What a planner outside answers, and how it is found in what it said.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use thiserror::Error;

/// Fields of the objects that command lines wrap an answer in, the surest first.
const ENVELOPES: [&str; 3] = ["structured_output", "result", "response"];
/// So many letters of a failure are told.
const FAILURE_LETTERS_MAX: usize = 300;

/// An answer, as `coordination/schemas/draft.schema.json` describes it. It is read more leniently:
/// only what cannot be derived has to be there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Answer {
    /// What becomes of the request.
    pub verdict: Verdict,
    /// Why.
    #[serde(default, deserialize_with = "or_default")]
    pub reason: String,
    /// What the author of a refused request can do.
    #[serde(default, deserialize_with = "or_default")]
    pub remedy: String,
    /// What its author is asked.
    #[serde(default, deserialize_with = "or_default")]
    pub question: String,
    /// What is wanted in the end.
    #[serde(default, deserialize_with = "or_default")]
    pub goal: String,
    /// What has to be respected.
    #[serde(default, deserialize_with = "or_default")]
    pub constraints: Vec<String>,
    /// How one can tell that the whole is done.
    #[serde(default, deserialize_with = "or_default")]
    pub success_criteria: Vec<String>,
    /// The steps.
    #[serde(default, deserialize_with = "or_default")]
    pub subtasks: Vec<Step>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is split.
    #[default]
    Plan,
    /// One worker does it.
    Single,
    /// Its author has to say more.
    Ask,
    /// There is nothing to plan.
    Refuse,
}

/// One step of an answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Step {
    /// Its id in the answer.
    pub id: String,
    /// One line.
    pub title: String,
    /// What to do.
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    /// The kind of work.
    #[serde(default, deserialize_with = "or_default")]
    pub kind: String,
    /// The field of work.
    #[serde(default, deserialize_with = "or_default")]
    pub domain: String,
    /// The master that gets it; nobody in particular where nothing is said.
    #[serde(default)]
    pub assigned_to: Option<String>,
    /// What has to be complete first.
    #[serde(default, deserialize_with = "or_default")]
    pub depends_on: Vec<String>,
    /// Files that it changes.
    #[serde(default, deserialize_with = "or_default")]
    pub files: Vec<String>,
    /// How one can tell that it is done.
    #[serde(default, deserialize_with = "or_default")]
    pub success_criteria: String,
    /// What it may take.
    #[serde(default, deserialize_with = "or_default")]
    pub minutes: Minutes,
    /// True when the request does not name it.
    #[serde(default, deserialize_with = "or_default")]
    pub inferred: bool,
    /// Why it is there.
    #[serde(default, deserialize_with = "or_default")]
    pub why: String,
}

/// A range of minutes; 0 where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Minutes {
    /// The least.
    pub low: u32,
    /// The most.
    pub high: u32,
}

/// Why a text holds no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unusable {
    /// Its form is wrong: whoever gave it may mend it.
    #[error("{0}")]
    Wrong(String),
    /// It tells of a failure, which no other answer mends.
    #[error("it says that it failed: {0}")]
    Failed(String),
}

impl Answer {
    /// Reads an answer: JSON alone, in a Markdown fence, behind a few words, or in the object that a
    /// command line wraps it in.
    ///
    /// # Errors
    /// Says what is wrong, and with which field.
    pub fn read(text: &str) -> Result<Self, Unusable> {
        Self::within(text, ENVELOPES.len())
    }

    /// `depth` is how many envelopes may still be opened.
    fn within(text: &str, depth: usize) -> Result<Self, Unusable> {
        let value = object(text).map_err(Unusable::Wrong)?;
        if value.get("verdict").is_some() || depth == 0 {
            return Self::of(&value).map_err(Unusable::Wrong);
        }
        // Some fill the field that they do not use with nothing.
        let said = |name: &&str| value.get(*name).filter(|inner| !inner.is_null());
        let wrapped = ENVELOPES.iter().find_map(said);
        if value.get("is_error").and_then(Value::as_bool) == Some(true) {
            let said = wrapped.or_else(|| value.get("subtype")).unwrap_or(&value);
            return Err(Unusable::Failed(
                text_of(said).chars().take(FAILURE_LETTERS_MAX).collect(),
            ));
        }
        match wrapped {
            None => Self::of(&value).map_err(Unusable::Wrong),
            Some(Value::String(text)) => Self::within(text, depth - 1),
            Some(inner @ Value::Object(_)) => Self::of(inner).map_err(Unusable::Wrong),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => {
                let problem = "the answer in its envelope is neither a text nor an object";
                Err(Unusable::Wrong(problem.to_owned()))
            }
        }
    }

    fn of(value: &Value) -> Result<Self, String> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            let problem = error.into_inner();
            if path == "." { problem.to_string() } else { format!("{path}: {problem}") }
        })
    }
}

/// Finds the one JSON object of a text.
fn object(text: &str) -> Result<Value, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err("the answer is empty; answer with one JSON object".to_owned());
    }
    let whole = serde_json::from_str::<Value>(text);
    let problem = match whole {
        Ok(value) if value.is_object() => return Ok(value),
        Ok(_) => return Err("the answer is JSON, but no object".to_owned()),
        Err(problem) => problem,
    };
    for fenced in fences(text) {
        if let Ok(value) = serde_json::from_str::<Value>(fenced)
            && value.is_object()
        {
            return Ok(value);
        }
    }
    let Some(begin) = text.find('{') else {
        return Err("the answer holds no JSON object".to_owned());
    };
    // Words around it are of no harm; a second object behind it is, since nobody knows which counts.
    let mut objects = serde_json::Deserializer::from_str(&text[begin..]).into_iter::<Value>();
    match objects.next() {
        Some(Ok(value)) if value.is_object() => {
            let rest = &text[begin + objects.byte_offset()..];
            if rest.contains('{') {
                return Err("the answer holds more than one JSON object".to_owned());
            }
            Ok(value)
        }
        Some(Ok(_)) | None => Err("the answer holds no JSON object".to_owned()),
        Some(Err(inner)) => {
            let problem = if begin == 0 { problem } else { inner };
            Err(format!("the answer is no valid JSON: {problem}"))
        }
    }
}

/// Returns what stands between fences of Markdown.
fn fences(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").skip(1).step_by(2).map(|block| {
        // The first line of a block may name its language.
        let (first, rest) = block.split_once('\n').unwrap_or(("", block));
        if first.trim().chars().all(char::is_alphanumeric) { rest } else { block }
    })
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Reads `null` as what a field has that is left out.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plain() -> Value {
        json!({"verdict": "single", "goal": "g", "subtasks": [{"id": "a", "title": "Do it",
            "minutes": null, "assigned_to": null}]})
    }

    #[test]
    fn an_answer_is_found_in_whatever_surrounds_it() {
        let json = plain().to_string();
        let expected = Answer::read(&json).unwrap();
        assert_eq!((expected.verdict, &*expected.subtasks[0].title), (Verdict::Single, "Do it"));
        for text in [
            format!("\u{feff}  {json}\n"),
            format!("```json\n{json}\n```"),
            format!("Here is the plan:\n```\n{json}\n```\nI hope it helps."),
            format!("Sure. {json} Done."),
            json!({"type": "result", "is_error": false, "result": json}).to_string(),
            json!({"result": format!("```json\n{json}\n```"), "session_id": "x"}).to_string(),
            json!({"result": "done", "structured_output": plain()}).to_string(),
            json!({"response": json, "stats": {}}).to_string(),
            json!({"structured_output": null, "result": json}).to_string(),
            json!({"result": json!({"result": json}).to_string()}).to_string(),
        ] {
            assert_eq!(Answer::read(&text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        let deep = "[".repeat(500);
        for (text, said) in [
            ("", "the answer is empty"),
            ("I cannot do that.", "holds no JSON object"),
            ("[1]", "no object"),
            ("{\"verdict\": ", "no valid JSON: EOF while parsing"),
            ("{} {\"verdict\": \"plan\"}", "more than one JSON object"),
            ("{\"goal\": \"g\"}", "missing field `verdict`"),
            ("{\"verdict\": \"maybe\"}", "verdict: unknown variant `maybe`, expected one of"),
            (
                "{\"verdict\": \"plan\", \"subtasks\": [{\"id\": \"a\"}]}",
                "subtasks[0]: missing field `title`",
            ),
            (
                "{\"verdict\": \"plan\", \"subtasks\": [{\"id\": \"a\", \"title\": \"b\", \
                 \"minutes\": {\"low\": \"ten\", \"high\": 3}}]}",
                "subtasks[0].minutes.low: invalid type: string \"ten\", expected u32",
            ),
            ("{\"verdict\": \"plan\", \"subtasks\": {}}", "subtasks: invalid type: map"),
            (
                "{\"is_error\": true, \"result\": \"credit is used up\"}",
                "failed: credit is used up",
            ),
            ("{\"is_error\": true, \"subtype\": \"max_turns\"}", "failed: max_turns"),
            ("{\"result\": 7}", "neither a text nor an object"),
            (&deep, "no JSON object"),
            (&format!("{{\"verdict\": {deep}"), "recursion limit"),
        ] {
            let error = Answer::read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{said:?} is not in {error:?}");
        }
    }

    #[test]
    fn the_schema_says_what_is_read() {
        let schema = crate::drafter::schema::bare();
        let schema = jsonschema::options().build(&schema).unwrap();
        let step = Step { assigned_to: None, ..Step::default() };
        let whole = Answer { subtasks: vec![step], ..Answer::default() };
        let value = serde_json::to_value(&whole).unwrap();
        let errors: Vec<String> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        // What a strict reader asks for: every property is required, and there are no others.
        fn strict(value: &Value) {
            if let Some(properties) = value.get("properties").and_then(Value::as_object) {
                let names: Vec<&String> = properties.keys().collect();
                let required = value["required"].as_array().unwrap();
                let required: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
                assert_eq!(names, required);
                assert_eq!(value["additionalProperties"], false);
                properties.values().for_each(strict);
            }
            value.get("items").into_iter().for_each(strict);
        }
        strict(&crate::drafter::schema::bare());
    }
}
