//! Reports of workers, and commands.

use serde_json::Value;

use super::fields::{Fields, plain_text};
use crate::domain::Problem;
use crate::domain::ids::{AttemptId, CommandId, SubtaskId};
use crate::domain::input::Command;
use crate::domain::report::{Category, Report, ReportError, ReportStatus};

/// Reads a report.
///
/// # Errors
/// Names the field that is missing or cannot be what it has to be.
pub fn report(value: &Value, file: &str) -> Result<Report, Problem> {
    read(value, file, None)
}

/// Reads a report from the folder of an attempt: that says what the report itself does not name.
///
/// # Errors
/// Names the field that is missing or cannot be what it has to be.
pub fn report_of(
    value: &Value,
    file: &str,
    subtask_id: &SubtaskId,
    attempt_id: &AttemptId,
) -> Result<Report, Problem> {
    read(value, file, Some((subtask_id, attempt_id)))
}

/// Reads a command.
///
/// # Errors
/// Names the field that is missing or cannot be what it has to be.
pub fn command(value: &Value, file: &str) -> Result<Command, Problem> {
    let fields = Fields::of(value, file, "", "a command")?;
    let required = |name, what: &str, remedy: &str| {
        fields.word(&[name])?.ok_or_else(|| fields.problem(name, what.to_owned(), remedy))
    };
    let id = required("command_id", "the command has no id", "give it a new, unique one")?;
    let remedy = "use letters, digits, dots and dashes";
    Ok(Command {
        command_id: CommandId::parse(&id)
            .map_err(|error| fields.problem("command_id", error.to_string(), remedy))?,
        verb: required("verb", "the command says not what to do", "add a `verb`")?,
        target: fields.word(&["target"])?.unwrap_or_default(),
        args: value.get("args").cloned().unwrap_or_default(),
        created_at: fields.time(&["created_at"])?,
        expires_at: fields.time(&["expires_at"])?,
    })
}

fn read(
    value: &Value,
    file: &str,
    place: Option<(&SubtaskId, &AttemptId)>,
) -> Result<Report, Problem> {
    let fields = Fields::of(value, file, "", "a report")?;
    let subtask_id = match fields.word(&["subtask_id"])? {
        Some(id) => SubtaskId::parse(&id)
            .map_err(|error| fields.problem("subtask_id", error.to_string(), USE_HANDOFF))?,
        None => place.map(|(subtask_id, _)| subtask_id.clone()).ok_or_else(|| {
            fields.problem("subtask_id", "the report names no subtask".into(), USE_HANDOFF)
        })?,
    };
    let attempt_id = match fields.word(&["attempt_id"])? {
        Some(id) => Some(
            AttemptId::parse(&id)
                .map_err(|error| fields.problem("attempt_id", error.to_string(), USE_HANDOFF))?,
        ),
        None => place.map(|(_, attempt_id)| attempt_id.clone()),
    };
    Ok(Report {
        subtask_id,
        attempt_id,
        status: status(&fields)?,
        summary: fields.text(&["summary"], "\n")?.unwrap_or_default(),
        deliverables: fields.texts(&["deliverables"])?,
        tokens_used: fields.whole(&["tokens_used"])?,
        cost_usd: fields.amount(&["cost_usd"])?,
        items: fields.get(&["items"]).map(|_| fields.texts(&["items"])).transpose()?,
        error: error(&fields)?,
    })
}

const USE_HANDOFF: &str = "copy it from the handoff";

fn status(fields: &Fields<'_>) -> Result<ReportStatus, Problem> {
    let remedy = "write success, failure or partial";
    let Some(word) = fields.word(&["status"])? else {
        return Err(fields.problem("status", "the report says not how it went".into(), remedy));
    };
    match word.to_ascii_lowercase().as_str() {
        "success" | "succeeded" | "successful" | "completed" | "complete" | "done" => {
            Ok(ReportStatus::Success)
        }
        "failure" | "failed" | "error" => Ok(ReportStatus::Failure),
        "partial" | "partial_success" => Ok(ReportStatus::Partial),
        _ => Err(fields.wrong("status", "a status", &Value::String(word), remedy)),
    }
}

fn error(fields: &Fields<'_>) -> Result<Option<ReportError>, Problem> {
    let Some((name, value)) = fields.get(&["error"]) else { return Ok(None) };
    if let Some(message) = plain_text(value) {
        let error = ReportError { category: None, message };
        return Ok(Some(error).filter(|error| !error.message.trim().is_empty()));
    }
    let place = fields.path(name);
    let inner = Fields::of(value, fields.file(), &place, "an error")?;
    let word = inner.word(&["category"])?.unwrap_or_default().to_ascii_lowercase();
    let category = match word.replace('-', "_").as_str() {
        "transient" => Some(Category::Transient),
        "code_error" => Some(Category::CodeError),
        "design_flaw" => Some(Category::DesignFlaw),
        "blocker" => Some(Category::Blocker),
        "critical" => Some(Category::Critical),
        _ => None,
    };
    let message = inner.text(&["message"], "\n")?.unwrap_or_default();
    Ok(Some(ReportError { category, message }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reports_are_read_leniently() {
        let subtask = SubtaskId::parse("auth-001-design").unwrap();
        let attempt = AttemptId::of(&subtask, 2);
        let read = |value| report_of(&value, "workers/w/report.json", &subtask, &attempt);
        let found = read(json!({
            "status": "SUCCESS", "summary": "done", "deliverables": {"a": "docs/a.md", "b": "b.md"},
            "tokens_used": "1200", "cost_usd": "0.5", "error": null, "extra": 1,
        }))
        .unwrap();
        assert_eq!((&found.subtask_id, found.attempt_id.as_ref()), (&subtask, Some(&attempt)));
        assert_eq!(found.status, ReportStatus::Success);
        assert_eq!(found.deliverables, ["docs/a.md", "b.md"]);
        assert_eq!((found.tokens_used, found.cost_usd), (Some(1200), Some(0.5)));
        let found = read(json!({"subtask_id": "auth-002-x", "status": "failed", "error": "boom"}));
        let error = found.unwrap().error.unwrap();
        assert_eq!((error.category, error.message.as_str()), (None, "boom"));
        let found = read(json!({"status": "partial", "error": {"category": "design-flaw"}}));
        assert_eq!(found.unwrap().error.unwrap().category, Some(Category::DesignFlaw));
    }

    #[test]
    fn what_is_wrong_in_a_report_or_command_is_named() {
        for (value, said) in [
            (json!([]), "a report is expected as an object, found a list of 0"),
            (json!({"status": "success"}), "subtask_id: the report names no subtask"),
            (json!({"subtask_id": "../x", "status": "success"}), "subtask id \"../x\" is refused"),
            (json!({"subtask_id": "a"}), "status: the report says not how it went"),
            (json!({"subtask_id": "a", "status": "fine"}), "write success, failure or partial"),
            (
                json!({"subtask_id": "a", "status": "success", "tokens_used": -1}),
                "tokens_used: a whole",
            ),
            (
                json!({"subtask_id": "a", "status": "failure", "error": []}),
                "error: an error is expected",
            ),
        ] {
            let problem = report(&value, "inbox/r.json").unwrap_err().to_string();
            assert!(problem.contains(said), "{problem}");
        }
        for (value, said) in [
            (json!({"verb": "cancel"}), "command_id: the command has no id"),
            (json!({"command_id": "a b", "verb": "cancel"}), "command id \"a b\" is refused"),
            (json!({"command_id": "a"}), "verb: the command says not what to do"),
            (json!({"command_id": "a", "verb": "x", "expires_at": "soon"}), "expires_at: a time"),
        ] {
            let problem = command(&value, "inbox/c.json").unwrap_err().to_string();
            assert!(problem.contains(said), "{problem}");
        }
        let read = command(
            &json!({"command_id": "c-1", "verb": "cancel", "target": " t ", "args": {"a": 1},
                    "created_at": 1762366071, "schema": "baton/command@1"}),
            "inbox/c.json",
        )
        .unwrap();
        assert_eq!((read.target.as_str(), read.args), ("t", json!({"a": 1})));
    }
}
