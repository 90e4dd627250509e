//! What was dropped: tasks, files of no use, messages.

use crate::domain::effect::{Effect, outbox};
use crate::domain::event::Event;
use crate::domain::ids::{ClaimId, TaskId};
use crate::domain::input::Problem;
use crate::domain::state::{State, entry_key, repeat_key};
use crate::domain::task::{PUT_BACK_MAX, TaskSource, TaskSpec};

pub(super) fn observed(state: &State, source: &TaskSource, spec: &TaskSpec) -> Vec<Event> {
    if is_known(state, source) {
        return Vec::new();
    }
    let rejected = |error: String| {
        vec![Event::TaskRejected {
            task_id: spec.id.clone(),
            source: source.clone(),
            title: spec.title.clone(),
            error,
        }]
    };
    let id = match spec.id.as_deref().filter(|id| !id.is_empty()) {
        None => new_id(state, source, spec),
        Some(text) => match TaskId::parse(text) {
            Ok(id) => id,
            Err(error) => return rejected(format!("{error}; give it another id")),
        },
    };
    if let Some(known) = state.tasks.get(&id) {
        return repeated(state, source, known.id.clone());
    }
    if state.subtask_exists(id.as_str()) {
        return rejected(format!("a subtask is named {id}; give the task another id"));
    }
    vec![Event::TaskAccepted { task_id: id, source: source.clone(), spec: Box::new(spec.clone()) }]
}

pub(super) fn refused(
    state: &State,
    source: &TaskSource,
    id: Option<&str>,
    title: &str,
    problem: &Problem,
) -> Vec<Event> {
    let is_accepted =
        id.and_then(|id| state.tasks.get(id)).is_some_and(|task| task.source == *source);
    if is_accepted || is_known(state, source) {
        return Vec::new();
    }
    vec![Event::TaskRejected {
        task_id: id.map(str::to_owned),
        source: source.clone(),
        title: title.to_owned(),
        error: problem.to_string(),
    }]
}

pub(super) fn vanished(state: &State, id: &TaskId) -> Vec<Event> {
    match state.tasks.get(id) {
        Some(task)
            if matches!(task.source, TaskSource::Queue { .. })
                && state.is_open(id)
                && !task.missing
                && task.removals <= PUT_BACK_MAX =>
        {
            let times = task.removals + 1;
            let put_back = times <= PUT_BACK_MAX;
            vec![Event::TaskRemoved { task_id: id.clone(), times, put_back }]
        }
        Some(_) | None => Vec::new(),
    }
}

pub(super) fn returned(state: &State, id: &TaskId) -> Vec<Event> {
    match state.tasks.get(id) {
        Some(task) if task.missing => vec![Event::TaskReturned { task_id: id.clone() }],
        Some(_) | None => Vec::new(),
    }
}

pub(super) fn drop_refused(state: &State, claim: &ClaimId, problem: &Problem) -> Vec<Event> {
    if state.claims.contains_key(claim) {
        return Vec::new();
    }
    vec![Event::DropRejected { claim: claim.clone(), problem: problem.clone() }]
}

pub(super) fn message(
    state: &State,
    claim: &ClaimId,
    file: &str,
    message: &serde_json::Value,
) -> Vec<Event> {
    if state.claims.contains_key(claim) {
        return Vec::new();
    }
    let (claim, file, message) = (claim.clone(), file.to_owned(), message.clone());
    vec![Event::MessageReceived { claim, file, message }]
}

pub(super) fn file_refused(
    state: &State,
    digest: &str,
    problem: &Problem,
    copy: Option<&str>,
) -> Vec<Event> {
    if state.quarantined.get(&problem.file).is_some_and(|known| known.digest == digest) {
        return Vec::new();
    }
    vec![Event::FileQuarantined {
        problem: problem.clone(),
        digest: digest.to_owned(),
        copy: copy.map(str::to_owned),
    }]
}

pub(super) fn file_restored(state: &State, path: &str) -> Vec<Event> {
    if !state.quarantined.contains_key(path) {
        return Vec::new();
    }
    vec![Event::FileRestored { path: path.to_owned() }]
}

pub(super) fn settled(state: &State, claim: &ClaimId) -> Vec<Event> {
    // The file of a task that is being planned is not put away yet.
    if !outbox(state).contains(&Effect::SettleClaim(claim.clone())) {
        return Vec::new();
    }
    vec![Event::ClaimSettled { claim: claim.clone() }]
}

/// Tells whether this very claim or entry was answered before. An entry without an id is known by
/// its place and content while its task is open; afterwards the same again is another task.
fn is_known(state: &State, source: &TaskSource) -> bool {
    let is_same = |id: &TaskId| {
        state.is_open(id) && state.tasks.get(id).is_some_and(|task| task.source == *source)
    };
    match source {
        TaskSource::Inbox { claim, .. } => state.claims.contains_key(claim),
        TaskSource::Queue { index, fingerprint, has_id } => {
            state.refused_entries.contains_key(&entry_key(*index, fingerprint))
                || !has_id && state.queued_without_id(fingerprint).iter().any(is_same)
        }
    }
}

/// A known id never runs twice. In the queue the entry of an open task is just that task; anything
/// else is told once.
fn repeated(state: &State, source: &TaskSource, id: TaskId) -> Vec<Event> {
    if let TaskSource::Queue { fingerprint, .. } = source {
        let is_told = state.refused_entries.contains_key(&repeat_key(id.as_str(), fingerprint));
        let is_its_own = state.is_open(&id)
            && state.tasks.get(&id).is_some_and(|t| matches!(t.source, TaskSource::Queue { .. }));
        if is_told || is_its_own {
            return Vec::new();
        }
    }
    let remedy = format!(
        "task {id} exists and is not run again: `baton retry {id}` runs it once more, another id \
         makes it another task"
    );
    vec![Event::TaskRepeated { task_id: id, source: source.clone(), remedy }]
}

/// Makes an id for a task without one, out of what tells it from others: its entry's fingerprint
/// or its claim.
fn new_id(state: &State, source: &TaskSource, spec: &TaskSpec) -> TaskId {
    let mark: String = match source {
        TaskSource::Queue { fingerprint, .. } => fingerprint.clone(),
        TaskSource::Inbox { claim, .. } => {
            claim.as_str().chars().filter(char::is_ascii_alphanumeric).take(8).collect()
        }
    };
    let slug = slug(&spec.title);
    (1u32..)
        .map(|n| if n == 1 { format!("{slug}-{mark}") } else { format!("{slug}-{mark}-{n}") })
        .filter_map(|text| TaskId::parse(&text).ok())
        .find(|id| !state.tasks.contains_key(id) && !state.subtask_exists(id.as_str()))
        .expect("a counter finds a free id")
}

/// Returns the first words of a title in lower case ASCII, joined by dashes; `task` where there
/// are none.
fn slug(title: &str) -> String {
    let words: Vec<String> = title
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(5)
        .map(|word| word.chars().take(16).collect::<String>().to_ascii_lowercase())
        .collect();
    if words.is_empty() || words[0] == "subtask" { "task".to_owned() } else { words.join("-") }
}
