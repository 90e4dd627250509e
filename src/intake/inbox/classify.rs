//! What a dropped file is.

use serde_json::Value;

use crate::domain::ids::ClaimId;
use crate::domain::plan::{SubtaskPhase, SubtaskRun};
use crate::domain::read;
use crate::domain::report::ReportFinding;
use crate::domain::task::TaskSource;
use crate::domain::{Input, Problem};
use crate::intake::Look;
use crate::intake::reports::missing_deliverables;
use crate::store::{FileContent, digest};

/// How a file's name says that it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Text,
    Unknown,
}

impl Form {
    /// Reads it off the ending.
    pub(super) fn of(name: &str) -> Self {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        match ending.as_deref() {
            Some("json") => Form::Json,
            Some("md" | "markdown" | "txt" | "text") => Form::Text,
            Some(_) | None => Form::Unknown,
        }
    }

    /// Judges a file whose name was lost by its content.
    fn of_content(bytes: &[u8]) -> Self {
        let text = bytes.trim_ascii_start();
        if text.starts_with(b"{") || text.starts_with(b"[") { Form::Json } else { Form::Text }
    }
}

/// Makes an input of a dropped file.
pub(super) fn classify(
    look: &Look<'_>,
    claim: ClaimId,
    name: &str,
    file: &str,
    content: &FileContent,
) -> Input {
    let form = match Form::of(name) {
        Form::Unknown if name == claim.as_str() => Form::of_content(&content.bytes),
        form @ (Form::Json | Form::Text | Form::Unknown) => form,
    };
    let refused = |claim, message: &str, remedy: &str| {
        let (message, remedy, field) = (message.into(), remedy.into(), String::new());
        Input::DropRefused { claim, problem: Problem { file: file.into(), field, message, remedy } }
    };
    match form {
        Form::Unknown => {
            refused(claim, "its name says not what it is", "let its name end in .json, .md or .txt")
        }
        Form::Text => {
            let source = TaskSource::Inbox { claim, file: name.to_owned(), owner: content.owner };
            let spec = read::json::decode(&content.bytes, file)
                .and_then(|text| read::text_task(file, text));
            match spec {
                Ok(spec) => Input::TaskObserved { source, spec: Box::new(spec) },
                Err(problem) => {
                    Input::TaskRefused { source, id: None, title: String::new(), problem }
                }
            }
        }
        Form::Json => match read::parse_json(&content.bytes, file) {
            Err(problem) => Input::DropRefused { claim, problem },
            Ok(value) => json_input(look, Dropped { claim, name, file, content }, value),
        },
    }
}

/// A dropped file that was claimed.
struct Dropped<'a> {
    claim: ClaimId,
    name: &'a str,
    /// Its name below `coordination/`, for messages.
    file: &'a str,
    content: &'a FileContent,
}

fn json_input(look: &Look<'_>, dropped: Dropped<'_>, value: Value) -> Input {
    let problem = |field: &str, message: String, remedy: &str| Problem {
        file: dropped.file.into(),
        field: field.into(),
        message,
        remedy: remedy.into(),
    };
    let refused = |problem| Input::DropRefused { claim: dropped.claim.clone(), problem };
    let Some(fields) = value.as_object() else {
        let remedy = "drop one file for each task, or put them into task-queue.json";
        return refused(problem("", "it is no JSON object".into(), remedy));
    };
    let schema = fields.get("schema").filter(|schema| !schema.is_null());
    let schema = schema.map(|schema| match schema.as_str() {
        Some(schema) => schema.trim().to_owned(),
        None => schema.to_string(),
    });
    let has = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    match schema.as_deref() {
        Some("baton/task@1") => task_input(&dropped, &value, false),
        Some("baton/plan@1") => task_input(&dropped, &value, true),
        None if has("title") || has("description") || has("payload") => {
            task_input(&dropped, &value, false)
        }
        Some("baton/command@1") => match read::command(&value, dropped.file) {
            Ok(command) => Input::CommandObserved {
                claim: dropped.claim,
                file: dropped.name.to_owned(),
                owner: dropped.content.owner,
                command,
            },
            Err(problem) => refused(problem),
        },
        Some("baton/report@1") => match report_finding(look, &dropped, &value) {
            Ok(finding) => Input::ReportObserved { claim: Some(dropped.claim), finding },
            Err(problem) => refused(problem),
        },
        Some("baton/message@1") => Input::MessageObserved {
            claim: dropped.claim,
            file: dropped.name.to_owned(),
            message: value,
        },
        Some(other) => {
            let message = format!("the schema {other:?} is not known");
            let known = "use baton/task@1, plan@1, command@1, report@1 or message@1";
            refused(problem("schema", message, known))
        }
        None => {
            let message = "it has neither a schema nor a title nor a description".to_owned();
            refused(problem("", message, "add a `schema`, or a `title` if it is a task"))
        }
    }
}

fn task_input(dropped: &Dropped<'_>, value: &Value, must_have_plan: bool) -> Input {
    let source = TaskSource::Inbox {
        claim: dropped.claim.clone(),
        file: dropped.name.to_owned(),
        owner: dropped.content.owner,
    };
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let problem = |field: &str, message: String, remedy: &str| Problem {
        file: dropped.file.into(),
        field: field.into(),
        message,
        remedy: remedy.into(),
    };
    let spec = read::task(value, dropped.file, "").and_then(|spec| {
        let status = text("status").unwrap_or_default().trim().to_ascii_lowercase();
        let is_over = ["completed", "failed", "cancelled", "canceled", "rejected"];
        if is_over.contains(&status.as_str()) {
            let message = format!("its status is {status:?}, so there is nothing to do");
            return Err(problem("status", message, "leave it out or set it to pending"));
        }
        if must_have_plan && spec.subtasks.is_empty() {
            let message = "a plan needs subtasks".to_owned();
            return Err(problem("subtasks", message, "add them, or use baton/task@1"));
        }
        Ok(spec)
    });
    match spec {
        Ok(spec) => Input::TaskObserved { source, spec: Box::new(spec) },
        Err(problem) => {
            let id = text("id").or_else(|| text("task_id"));
            let title = text("title").unwrap_or_default();
            Input::TaskRefused { source, id, title, problem }
        }
    }
}

fn report_finding(
    look: &Look<'_>,
    dropped: &Dropped<'_>,
    value: &Value,
) -> Result<ReportFinding, Problem> {
    let report = read::report(value, dropped.file)?;
    let subtask = look.state.subtask(&report.subtask_id);
    let is_done = |run: &SubtaskRun| !matches!(run.phase, SubtaskPhase::Undoing { .. });
    let subtask = subtask
        .filter(|(run, position)| is_done(&run.runs[*position]))
        .map(|(run, position)| &run.plan.subtasks[position]);
    let missing = missing_deliverables(look.workspace, &report, subtask);
    Ok(ReportFinding {
        report,
        path: dropped.file.to_owned(),
        digest: digest(&dropped.content.bytes),
        missing,
    })
}
