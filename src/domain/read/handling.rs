//! What a plan says of failures of a subtask.

use serde_json::Value;

use super::fields::Fields;
use crate::domain::Problem;
use crate::domain::plan::{Handling, OnFailure};
use crate::domain::policy::Backoff;

/// Reads what becomes of a subtask that fails: from `handling`, or from the same fields beside
/// the others, under the names that are in use.
pub(super) fn handling(fields: &Fields<'_>) -> Result<Handling, Problem> {
    let Some((name, value)) = fields.get(&["handling"]) else { return of(fields) };
    of(&Fields::of(value, fields.file(), &fields.path(name), "what becomes of a failure")?)
}

fn of(fields: &Fields<'_>) -> Result<Handling, Problem> {
    let attempts_max = fields.whole(&["attempts_max", "max_attempts"])?;
    Ok(Handling {
        on_failure: on_failure(fields)?,
        backoff: backoff(fields)?,
        // None at all would mean never to try.
        attempts_max: attempts_max.map(|max| u32::try_from(max.max(1)).unwrap_or(u32::MAX)),
        compensation: fields.text(&["compensation", "compensate"], "\n")?,
    })
}

fn on_failure(fields: &Fields<'_>) -> Result<OnFailure, Problem> {
    if let Some(name) = fields.word(&["on_failure"])? {
        return match name.to_ascii_lowercase().as_str() {
            "ask" => Ok(OnFailure::Ask),
            "skip" => Ok(OnFailure::Skip),
            "fail_parent" => Ok(OnFailure::FailParent),
            _ => Err(no_such(fields, "on_failure", &name, "ask, skip or fail_parent")),
        };
    }
    let fails = fields.flag(&["fail_parent_on_failure", "failParentOnFailure", "critical"])?;
    let optional = fields.flag(&["optional"])?;
    Ok(match (fails, optional) {
        (Some(true), _) => OnFailure::FailParent,
        (_, Some(true)) => OnFailure::Skip,
        (Some(false) | None, Some(false) | None) => OnFailure::Ask,
    })
}

fn backoff(fields: &Fields<'_>) -> Result<Option<Backoff>, Problem> {
    let names = ["backoff", "retry_strategy"];
    let Some(word) = fields.word(&names)? else { return Ok(None) };
    match word.to_ascii_lowercase().as_str() {
        "immediate" | "none" => Ok(Some(Backoff::Immediate)),
        "fixed" => Ok(Some(Backoff::Fixed)),
        "exponential" => Ok(Some(Backoff::Exponential)),
        _ => {
            let name = fields.get(&names).map_or(names[0], |(name, _)| name);
            Err(no_such(fields, name, &word, "immediate, fixed or exponential"))
        }
    }
}

fn no_such(fields: &Fields<'_>, name: &str, word: &str, known: &str) -> Problem {
    let value = Value::String(word.to_owned());
    fields.wrong(name, &format!("one of {known}"), &value, &format!("write {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> Result<Handling, String> {
        let fields = Fields::of(value, "plan.json", "subtasks[0]", "a subtask").unwrap();
        handling(&fields).map_err(|problem| problem.to_string())
    }

    #[test]
    fn handling_is_read_from_its_own_object_or_from_beside_it() {
        let all = Handling {
            on_failure: OnFailure::FailParent,
            backoff: Some(Backoff::Fixed),
            attempts_max: Some(5),
            compensation: Some("drop the table".into()),
        };
        for value in [
            json!({"handling": {"on_failure": "fail_parent", "backoff": "fixed",
                "attempts_max": 5, "compensation": "drop the table"}}),
            json!({"failParentOnFailure": true, "retry_strategy": "Fixed", "max_attempts": "5",
                "compensate": "drop the table"}),
        ] {
            assert_eq!(read(&value).unwrap(), all, "{value}");
        }
        assert!(read(&json!({"title": "t"})).unwrap().is_default());
        assert_eq!(read(&json!({"optional": true})).unwrap().on_failure, OnFailure::Skip);
        assert_eq!(read(&json!({"optional": false})).unwrap().on_failure, OnFailure::Ask);
        assert_eq!(read(&json!({"max_attempts": 0})).unwrap().attempts_max, Some(1));
    }

    #[test]
    fn what_is_no_handling_is_named_with_its_place() {
        for (value, place) in [
            (json!({"on_failure": "explode"}), "subtasks[0].on_failure"),
            (json!({"handling": {"backoff": "slowly"}}), "subtasks[0].handling.backoff"),
            (json!({"handling": "hard"}), "subtasks[0].handling"),
            (json!({"optional": "maybe"}), "subtasks[0].optional"),
        ] {
            let problem = read(&value).unwrap_err();
            assert!(problem.contains(place), "{problem}");
        }
    }
}
