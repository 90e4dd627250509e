//! Worker specs, and the small files that workers and their launchers leave beside them.

use serde_json::Value;

use super::fields::{Fields, plain_text};
use crate::domain::Problem;
use crate::domain::ids::{AgentName, AttemptId, SubtaskId, WorkerId};
use crate::domain::moment::Timestamp;
use crate::domain::spec::{SpecFolder, SpecSeen};

/// A spec as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecFile {
    /// What it says, without what others say of its worker.
    pub spec: SpecSeen,
    /// When it was made, as it says itself.
    pub created_at: Option<Timestamp>,
    /// When its worker began, as it says itself.
    pub began_at: Option<Timestamp>,
    /// Every statement in it of how its worker ended.
    pub said: Vec<Said>,
}

/// A file of a worker's folder that may say how the worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it says of that, if it does.
    pub said: Option<Said>,
    /// Its time, as it says itself.
    pub claimed_at: Option<Timestamp>,
    /// The worker, task, subtask or attempt that it names, where it does.
    names: Vec<(&'static str, String)>,
}

/// Somebody's word for how a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who said what, for a person.
    pub by: String,
    /// What that means.
    pub folder: SpecFolder,
}

/// Where writers put what they know of the process.
const PROCESS_PLACES: [&str; 4] = ["", "execution", "process", "worker"];
/// Words of a worker that was made and has not begun.
const WAITING: [&str; 7] =
    ["pending", "queued", "waiting", "assigned", "created", "ready", "scheduled"];

/// Reads a spec of either family: flat, or with `execution` and `results`. Only the worker's id has
/// to be right; any other field that cannot be what it should be counts as missing.
///
/// # Errors
/// It is no object, or its worker's id is missing or refused.
pub fn spec(value: &Value, file: &str) -> Result<SpecFile, Problem> {
    let fields = Fields::of(value, file, "", "a worker spec")?;
    let id = fields.word(&["worker_id"])?.ok_or_else(|| {
        fields.problem("worker_id", "the spec names no worker".into(), "add a `worker_id`")
    })?;
    let worker_id = WorkerId::parse(&id).map_err(|error| {
        let remedy = "use letters, digits, dots, dashes and underscores";
        fields.problem("worker_id", error.to_string(), remedy)
    })?;
    let word = |place: &str, names: &[&str]| word_in(value, place, names);
    let process = |names: &[&str]| PROCESS_PLACES.iter().find_map(|place| word(place, names));
    let status = word("", &["status"]);
    let pid = process(&["pid", "process_id", "worker_pid"]).and_then(|pid| pid_of(&pid));
    let mut spec = SpecSeen::new(worker_id, file.to_owned());
    spec.master = word("", &["parent_master", "created_by", "master"])
        .and_then(|name| AgentName::parse(&name).ok());
    spec.worker_type = word("", &["worker_type", "type"]).map(worker_type).unwrap_or_default();
    spec.task_id = word("", &["task_id"]).or_else(|| word("task_data", &["id"]));
    let subtask = word("", &["subtask_id"]).or_else(|| word("context", &["subtask_id"]));
    spec.subtask_id = subtask.and_then(|id| SubtaskId::parse(&id).ok());
    let attempt = word("", &["attempt_id"]).or_else(|| word("context", &["attempt_id"]));
    spec.attempt_id = attempt.and_then(|id| AttemptId::parse(&id).ok());
    spec.pid = pid;
    spec.host = process(&["host", "hostname"]);
    spec.is_waiting = pid.is_none()
        && status.as_deref().is_some_and(|it| WAITING.contains(&it.to_ascii_lowercase().as_str()));
    let places = ["", "results", "result", "execution"];
    let said = places.iter().filter_map(|place| {
        let names: &[&str] = if *place == "execution" { &["outcome"] } else { &["status"] };
        let (word, of) = (word(place, names)?, if place.is_empty() { "spec" } else { place });
        Some(Said { folder: folder(&word)?, by: format!("its {of} says {}", shown(&word)) })
    });
    let said = said.collect();
    let time =
        |place: &str, names: &[&str]| Timestamp::try_from(field(value, place, names)?.clone()).ok();
    let times = ["", "execution"].map(|place| time(place, &["created_at", "started_at"]));
    let began_at = PROCESS_PLACES.iter().rev().find_map(|place| time(place, &["started_at"]));
    Ok(SpecFile { spec, created_at: times.into_iter().flatten().min(), began_at, said })
}

/// Reads a `report.json`, `heartbeat.json` or `status.json` of a worker's folder; `file` is how it
/// is called when it is quoted.
pub fn statement(value: &Value, file: &str) -> Statement {
    let word = |names: &[&str]| word_in(value, "", names);
    let code = word(&["exit_code"]).filter(|code| code != "0");
    let by_status = word(&["status"]).and_then(|word| {
        Some(Said { folder: folder(&word)?, by: format!("{file} says {}", shown(&word)) })
    });
    // That a process ended well says nothing of what it delivered.
    let by_code = code.map(|code| Said {
        folder: SpecFolder::Failed,
        by: format!("{file} says exit code {}", shown(&code)),
    });
    let time = field(value, "", &["timestamp", "completed_at", "updated_at", "last_heartbeat"]);
    let names = ["worker_id", "task_id", "subtask_id", "attempt_id"];
    Statement {
        said: by_status.or(by_code),
        claimed_at: time.and_then(|time| Timestamp::try_from(time.clone()).ok()),
        names: names.into_iter().filter_map(|name| Some((name, word(&[name])?))).collect(),
    }
}

impl Statement {
    /// Tells whether it can be about the worker of this spec: it names nothing that the spec names
    /// otherwise.
    pub fn is_about(&self, spec: &SpecSeen) -> bool {
        self.names.iter().all(|(name, found)| {
            let wanted = match *name {
                "worker_id" => Some(spec.worker_id.as_str()),
                "task_id" => spec.task_id.as_deref(),
                "subtask_id" => spec.subtask_id.as_ref().map(SubtaskId::as_str),
                _ => spec.attempt_id.as_ref().map(AttemptId::as_str),
            };
            wanted.is_none_or(|wanted| wanted == found)
        })
    }
}

/// Decides between statements: a result that somebody saw wins over a failure, and both over a
/// verdict of death. Of several alike the first counts.
pub fn verdict(said: impl IntoIterator<Item = Said>) -> Option<Said> {
    said.into_iter().min_by_key(|said| said.folder)
}

/// Reads the number in a `worker.pid`.
pub fn pid_file(text: &str) -> Option<u32> {
    pid_of(text.lines().next()?.trim())
}

fn pid_of(text: &str) -> Option<u32> {
    // What is 0 or beyond this names no process on any Linux.
    text.parse().ok().filter(|pid| (1..=1 << 22).contains(pid))
}

/// Real writers also say `implementation-worker`.
fn worker_type(word: String) -> String {
    match word.strip_suffix("-worker") {
        Some(short) if !short.is_empty() => short.to_owned(),
        Some(_) | None => word,
    }
}

/// Returns what a status means for where the spec belongs; `None` for a worker that is not over.
fn folder(word: &str) -> Option<SpecFolder> {
    match word.to_ascii_lowercase().as_str() {
        "completed" | "complete" | "success" | "succeeded" | "successful" | "done" | "finished" => {
            Some(SpecFolder::Completed)
        }
        "failed" | "failure" | "error" | "errored" | "partial" | "terminated" | "cancelled"
        | "canceled" | "killed" | "aborted" | "timeout" | "timed_out" => Some(SpecFolder::Failed),
        "zombie" | "dead" => Some(SpecFolder::Zombie),
        _ => None,
    }
}

fn word_in(value: &Value, place: &str, names: &[&str]) -> Option<String> {
    let text = plain_text(field(value, place, names)?)?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn field<'a>(value: &'a Value, place: &str, names: &[&str]) -> Option<&'a Value> {
    let object = if place.is_empty() { value } else { value.get(place)? };
    names.iter().find_map(|name| object.get(name).filter(|value| !value.is_null()))
}

fn shown(word: &str) -> String {
    const CHARS_MAX: usize = 40;
    word.chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
