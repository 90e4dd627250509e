//! `inbox/`: the drop box. Files are claimed by renaming them, read, and told.

use serde_json::Value;
use thiserror::Error;

use super::patience::{Patience, STABLE_MS, Verdict};
use super::reports::missing_deliverables;
use super::{Intake, Look, Seen};
use crate::domain::ids::ClaimId;
use crate::domain::moment::Timestamp;
use crate::domain::read;
use crate::domain::report::ReportFinding;
use crate::domain::state::Claim;
use crate::domain::task::TaskSource;
use crate::domain::{Input, Problem};
use crate::store::{
    Entry, EntryKind, FileContent, ReadError, Renamed, Store, StoreError, digest, layout,
};

/// A longer file is refused unread: 16 MiB.
pub const LENGTH_MAX: u64 = 16 << 20;
/// So many files are taken in one look; the rest follows in the next.
const BATCH_MAX: usize = 1_000;
/// A text shows not whether it is whole: it is taken when it was left alone this long.
const TEXT_STABLE_MS: u64 = 100;
/// Ending of the file beside a claimed one that holds the name it was dropped as.
const NAME_ENDING: &str = ".name";
const NAME_LENGTH_MAX: u64 = 4_096;
/// Names of files that are still being written by somebody.
const TEMPORARY_ENDINGS: [&str; 7] =
    [".tmp", ".lock", ".swp", ".part", ".partial", ".crdownload", "~"];
/// What stands where the digest of an `inbox/` that cannot be used would.
const WORLD_WRITABLE: &str = "world-writable";
const CANNOT_LIST: &str = "cannot-list";
const CANNOT_CLAIM: &str = "cannot-claim";

/// Looks into `inbox/`.
#[derive(Debug, Default)]
pub struct Inbox {
    patience: Patience,
}

/// Says why a claimed file could not be put away. It is still under its claim.
#[derive(Debug, Error)]
pub enum SettleError {
    /// The system refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Every name that was tried is taken.
    #[error("cannot put {file} away: every name from {file} to its number {tries} is taken")]
    NoName {
        /// The name it was dropped as.
        file: String,
        /// How many were tried.
        tries: u32,
    },
}

/// Puts a claimed file into `inbox/accepted/` or, with a `.reason.json` beside it, into
/// `inbox/rejected/`. A file of the same name stays as it is: this one gets a number. Doing it
/// again, also after a crash at any point, changes nothing. `at` is when it is put away.
///
/// # Errors
/// See [`SettleError`].
pub fn settle(
    store: &Store,
    claim: &ClaimId,
    what: &Claim,
    at: Timestamp,
) -> Result<(), SettleError> {
    const TRIES_MAX: u32 = 100_000;
    let from = layout::claimed(claim);
    let file = base_name(&what.file);
    let folder = if what.refused.is_some() { layout::REJECTED } else { layout::ACCEPTED };
    for number in 1..=TRIES_MAX {
        if !store.exists(&from) {
            // It was put away before.
            store.remove(&format!("{from}{NAME_ENDING}"))?;
            return Ok(());
        }
        let to = format!("{folder}/{}", numbered(file, number));
        if store.exists(&to) {
            continue;
        }
        if let Some(error) = &what.refused
            && !explain(store, &to, claim, file, error, at)?
        {
            continue;
        }
        match store.rename(&from, &to)? {
            Renamed::Done | Renamed::SourceGone | Renamed::TargetExists => {}
        }
    }
    Err(SettleError::NoName { file: file.to_owned(), tries: TRIES_MAX })
}

impl Intake for Inbox {
    fn name(&self) -> &'static str {
        "inbox"
    }

    fn watches(&self) -> &'static [&'static str] {
        &[layout::INBOX]
    }

    fn look(&mut self, look: &Look<'_>) -> Seen {
        let mut seen = Seen::default();
        let told = look.state.quarantined.get(layout::INBOX).map(|told| told.digest.as_str());
        if look.store.is_world_writable(layout::INBOX) {
            let problem = directory_problem(
                "everybody may write into it, so nothing is taken from it".into(),
                "take that right away: chmod o-w inbox",
            );
            seen.refuse(look, problem, WORLD_WRITABLE, None);
            return seen;
        }
        let entries = match look.store.list(layout::INBOX) {
            Ok(entries) => entries,
            Err(error) => {
                let problem = directory_problem(error.to_string(), "make it a readable directory");
                seen.refuse(look, problem, CANNOT_LIST, None);
                return seen;
            }
        };
        if told.is_some_and(|told| told != CANNOT_CLAIM) {
            seen.restore(look, layout::INBOX);
        }
        tell_claimed(look, &mut seen);
        let is_there = |path: &str| entries.iter().any(|entry| path.ends_with(&entry.name));
        self.patience.retain(is_there);
        for entry in &entries {
            if seen.inputs.len() >= BATCH_MAX {
                seen.again_in(0);
                break;
            }
            if !self.take(look, &mut seen, entry) {
                break;
            }
        }
        seen
    }
}

impl Inbox {
    /// Claims and tells one file if it is ready. False when nothing can be claimed at all.
    fn take(&mut self, look: &Look<'_>, seen: &mut Seen, entry: &Entry) -> bool {
        let name = &entry.name;
        let path = format!("{}/{name}", layout::INBOX);
        let is_ours = entry.kind == EntryKind::Dir
            && [layout::ACCEPTED, layout::REJECTED].contains(&path.as_str());
        let is_temporary = TEMPORARY_ENDINGS.iter().any(|ending| name.ends_with(ending));
        if name.starts_with('.') || is_temporary || is_ours {
            return true;
        }
        if entry.kind != EntryKind::File {
            let error = match entry.kind {
                EntryKind::Symlink => ReadError::Symlink { path },
                kind @ (EntryKind::File | EntryKind::Dir | EntryKind::Fifo | EntryKind::Other) => {
                    ReadError::NotAFile { path, kind }
                }
            };
            seen.refuse(look, error.problem(), error.word(), None);
            return true;
        }
        let (mark, stable_ms) = match look.store.read(&path, LENGTH_MAX) {
            Ok(None) => return true,
            Ok(Some(content)) => {
                seen.restore(look, &path);
                (digest(&content.bytes), stable_after_ms(name, &content))
            }
            Err(ReadError::TooLarge { len, .. }) => (len.to_string(), Some(STABLE_MS)),
            Err(error) => {
                seen.refuse(look, error.problem(), error.word(), None);
                return true;
            }
        };
        if let Some(stable_ms) = stable_ms {
            let modified_ms = entry.modified_ms;
            let verdict = self.patience.judge_after(stable_ms, &path, &mark, modified_ms, look.now);
            if let Verdict::Wait(ms) = verdict {
                seen.again_in(ms.min(stable_ms));
                return true;
            }
        }
        self.patience.forget(&path);
        match claim(look.store, name, &path) {
            Ok(Some(claim)) => {
                let told = look.state.quarantined.get(layout::INBOX);
                if told.is_some_and(|told| told.digest == CANNOT_CLAIM) {
                    seen.restore(look, layout::INBOX);
                }
                seen.inputs.extend(read_claimed(look, claim, name));
                true
            }
            Ok(None) => true,
            Err(error) => {
                let problem = directory_problem(
                    format!("nothing can be taken from it: {error}"),
                    "let the daemon's user write into it",
                );
                seen.refuse(look, problem, CANNOT_CLAIM, None);
                false
            }
        }
    }
}

/// Returns for how long a file must be left alone before it is taken; `None` when it is whole
/// beyond doubt.
fn stable_after_ms(name: &str, content: &FileContent) -> Option<u64> {
    match Form::of(name) {
        Form::Json => match read::parse_json(&content.bytes, name) {
            Ok(_) => None,
            Err(_) => Some(STABLE_MS),
        },
        Form::Text if content.bytes.iter().all(u8::is_ascii_whitespace) => Some(STABLE_MS),
        Form::Text => Some(TEXT_STABLE_MS),
        Form::Unknown => Some(STABLE_MS),
    }
}

/// Renames a file to a claim of its own. `None` when it is gone.
fn claim(store: &Store, name: &str, path: &str) -> Result<Option<ClaimId>, StoreError> {
    let claim = uuid::Uuid::new_v4().simple().to_string();
    let claim = ClaimId::parse(&claim).expect("32 hex digits are a claim id");
    let claimed = layout::claimed(&claim);
    // The name first: after a crash between the two it would be lost.
    store.publish(&format!("{claimed}{NAME_ENDING}"), name.as_bytes(), false)?;
    match store.rename(path, &claimed) {
        Ok(Renamed::Done) => Ok(Some(claim)),
        other => {
            store.remove(&format!("{claimed}{NAME_ENDING}"))?;
            other.map(|_| None)
        }
    }
}

/// Tells files again that were claimed and of which nothing is known: there was a crash between.
fn tell_claimed(look: &Look<'_>, seen: &mut Seen) {
    let entries = look.store.list(layout::CLAIMED).unwrap_or_default();
    for entry in &entries {
        if let Some(claim) = entry.name.strip_suffix(NAME_ENDING) {
            let is_alone =
                entries.binary_search_by(|other| other.name.as_str().cmp(claim)).is_err();
            if is_alone {
                // A leftover is in nobody's way.
                let _ = look.store.remove(&format!("{}/{}", layout::CLAIMED, entry.name));
            }
            continue;
        }
        let Ok(claim) = ClaimId::parse(&entry.name) else { continue };
        if look.state.claims.contains_key(&claim) {
            continue;
        }
        if seen.inputs.len() >= BATCH_MAX {
            seen.again_in(0);
            return;
        }
        let name = format!("{}{NAME_ENDING}", layout::claimed(&claim));
        let name = look.store.read(&name, NAME_LENGTH_MAX).ok().flatten();
        let name = name.and_then(|content| String::from_utf8(content.bytes).ok());
        let name = name.unwrap_or_else(|| entry.name.clone());
        seen.inputs.extend(read_claimed(look, claim, base_name(&name)));
    }
}

/// Reads a claimed file. `None` when it is gone.
fn read_claimed(look: &Look<'_>, claim: ClaimId, name: &str) -> Option<Input> {
    let file = format!("{}/{name}", layout::INBOX);
    match look.store.read(&layout::claimed(&claim), LENGTH_MAX) {
        Ok(None) => None,
        Ok(Some(content)) => Some(classify(look, claim, name, &file, &content)),
        Err(error) => {
            let problem = Problem { file, ..error.problem() };
            Some(Input::DropRefused { claim, problem })
        }
    }
}

/// How a file's name says that it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Text,
    Unknown,
}

impl Form {
    fn of(name: &str) -> Self {
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
fn classify(
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
    let schema = match fields.get("schema") {
        None | Some(Value::Null) => None,
        Some(Value::String(schema)) => Some(schema.trim()),
        Some(other) => Some(other.as_str().unwrap_or("?")),
    };
    let has = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    match schema {
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
    let subtask = subtask.map(|(run, position)| &run.plan.subtasks[position]);
    let missing = missing_deliverables(look.workspace, &report, subtask);
    Ok(ReportFinding {
        report,
        path: dropped.file.to_owned(),
        digest: digest(&dropped.content.bytes),
        missing,
    })
}

/// Writes why a file is refused beside where it is to be put. False when the name is another's.
fn explain(
    store: &Store,
    to: &str,
    claim: &ClaimId,
    file: &str,
    error: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let path = format!("{to}{}", layout::REASON_ENDING);
    if store.exists(&path) {
        // Ours, from a try that was cut off?
        let there = store.read(&path, LENGTH_MAX).ok().flatten();
        let there = there.and_then(|content| serde_json::from_slice::<Value>(&content.bytes).ok());
        return Ok(there.is_some_and(|reason| reason["claim"] == claim.as_str()));
    }
    let reason = serde_json::json!({
        "schema": "baton/reason@1", "file": file, "error": error, "at": at, "claim": claim,
    });
    store.replace_durable(&path, format!("{reason:#}\n").as_bytes())?;
    Ok(true)
}

/// Returns `a.json` as it is and as `a-2.json`, `a-3.json`, ...
fn numbered(file: &str, number: u32) -> String {
    if number == 1 {
        return file.to_owned();
    }
    match file.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => format!("{stem}-{number}.{ending}"),
        Some(_) | None => format!("{file}-{number}"),
    }
}

/// Returns the last part of a path, so that no name leads elsewhere.
fn base_name(name: &str) -> &str {
    match name.rsplit('/').next() {
        None | Some("" | "." | "..") => "unnamed",
        Some(base) => base,
    }
}

fn directory_problem(message: String, remedy: &str) -> Problem {
    let (file, field) = (layout::INBOX.to_owned(), String::new());
    Problem { file, field, message, remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests;
