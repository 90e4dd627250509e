//! Our fields of the entries of `task-queue.json`. Everything else in it belongs to others.

use serde_json::{Map, Value, json};

use crate::domain::document::{Document, DocumentKey, QueueEntryRef, QueuePatch, QueueTarget};
use crate::domain::plan::{DraftSubtask, Orchestration, OrchestrationPhase};
use crate::domain::state::entry_key;
use crate::domain::task::{Phase, Task, TaskSource, TaskSpec};
use crate::domain::{Event, Moment, Policy, State};

use super::completions::{json_path, result_of};
use super::{Projection, Subject};

/// The entries of the queue that are ours.
pub const QUEUE: Projection = Projection { name: "queue", touches, render, keys };

fn touches(state: &State, event: &Event) -> Vec<DocumentKey> {
    if let Event::TaskRejected { task_id, source, .. } = event {
        let task = task_id.as_deref().and_then(|id| state.tasks.get(id));
        let key = match task.filter(|task| task.source == *source) {
            Some(task) => task_key(task),
            None => position_key(source),
        };
        return key.into_iter().collect();
    }
    if !changes_entry(event) {
        return Vec::new();
    }
    let about = Subject::of(event);
    let task_id = about.task.or_else(|| about.run(state).map(|run| &run.task_id));
    task_id.and_then(|id| state.tasks.get(id)).and_then(task_key).into_iter().collect()
}

fn changes_entry(event: &Event) -> bool {
    matches!(
        event,
        Event::TaskAccepted { .. }
            | Event::TaskRepeated { .. }
            | Event::TaskRemoved { .. }
            | Event::TaskReturned { .. }
            | Event::TaskRetried { .. }
            | Event::TaskCancelled { .. }
            | Event::TaskRouted { .. }
            | Event::PlanAccepted { .. }
            | Event::OrchestrationCompleted { .. }
            | Event::OrchestrationFailed { .. }
            | Event::OrchestrationBlocked(..)
            | Event::OrchestrationResumed { .. }
            | Event::OrchestrationRetried { .. }
            | Event::OrchestrationCancelled { .. }
    )
}

fn keys(state: &State) -> Vec<DocumentKey> {
    let refused = state.refused_entries.keys().filter_map(|key| {
        // The other keys of that map say what was told, and change nothing in the queue.
        let (index, fingerprint) = key.split_once(':')?;
        let index = index.parse().ok()?;
        let fingerprint = fingerprint.to_owned();
        Some(DocumentKey::QueueEntry(QueueTarget::Position { index, fingerprint }))
    });
    state.tasks.values().filter_map(task_key).chain(refused).collect()
}

fn task_key(task: &Task) -> Option<DocumentKey> {
    match task.source {
        TaskSource::Queue { .. } => {
            Some(DocumentKey::QueueEntry(QueueTarget::Task(task.id.clone())))
        }
        TaskSource::Inbox { .. } => None,
    }
}

fn position_key(source: &TaskSource) -> Option<DocumentKey> {
    match source {
        TaskSource::Queue { index, fingerprint, .. } => {
            let (index, fingerprint) = (*index, fingerprint.clone());
            Some(DocumentKey::QueueEntry(QueueTarget::Position { index, fingerprint }))
        }
        TaskSource::Inbox { .. } => None,
    }
}

fn render(state: &State, _: &Policy, key: &DocumentKey) -> Option<Vec<Document>> {
    let DocumentKey::QueueEntry(target) = key else { return None };
    let patch = match target {
        QueueTarget::Task(id) => state.tasks.get(id).and_then(|task| task_patch(state, task)),
        QueueTarget::Position { index, fingerprint } => refused_patch(state, *index, fingerprint),
    };
    Some(patch.map(Document::QueuePatch).into_iter().collect())
}

fn task_patch(state: &State, task: &Task) -> Option<QueuePatch> {
    let TaskSource::Queue { index, fingerprint, has_id } = &task.source else { return None };
    let run = task.orchestration_id().and_then(|id| state.orchestrations.get(id));
    let mut fields = Map::new();
    let entry = if *has_id {
        QueueEntryRef::Id(task.id.as_str().to_owned())
    } else {
        fields.insert("id".into(), json!(task.id));
        QueueEntryRef::Position { index: *index, fingerprint: fingerprint.clone() }
    };
    let updated_at = set_fields(&mut fields, task, run);
    if fields.is_empty() && !task.missing {
        return None;
    }
    fields.insert("updated_at".into(), json!(updated_at.wall));
    let put_back = task.missing.then(|| whole_entry(task, &fields));
    Some(QueuePatch { entry, fields, put_back })
}

/// Sets what the task's phase says, and returns since when it does.
fn set_fields<'a>(
    fields: &mut Map<String, Value>,
    task: &'a Task,
    run: Option<&'a Orchestration>,
) -> &'a Moment {
    let reopened_at = task.reopened_at.as_ref();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    if reopened_at.is_some() {
        // What an earlier ending left there does not hold any more.
        for name in ["completed_at", "result", "error"] {
            set(name, Value::Null);
        }
    }
    let waiting = match &task.phase {
        Phase::Planning => {
            if reopened_at.is_some() {
                set("status", json!("pending"));
            }
            return reopened_at.unwrap_or(&task.accepted_at);
        }
        Phase::Rejected { at, error } => {
            set("status", json!("rejected"));
            set("error", json!(error));
            return at;
        }
        Phase::Cancelled { at, reason } => {
            set("status", json!("cancelled"));
            set("completed_at", json!(at.wall));
            set("error", json!(reason));
            return at;
        }
        Phase::Routed { master, .. } => {
            set("assigned_to", json!(run.map_or(master, |run| run.agent_of(0))));
            "assigned"
        }
        Phase::Orchestrating { orchestration_id } => {
            set("orchestration_id", json!(orchestration_id));
            "orchestrating"
        }
    };
    let Some(run) = run else { return &task.accepted_at };
    let (status, at, error) = match &run.phase {
        OrchestrationPhase::InProgress
        | OrchestrationPhase::Paused { .. }
        | OrchestrationPhase::Compensating { .. } => {
            set("status", json!(waiting));
            return reopened_at.unwrap_or(&run.created_at);
        }
        OrchestrationPhase::Completed { at } => ("completed", at, None),
        OrchestrationPhase::Blocked(escalation) => {
            ("blocked", &escalation.since, Some(&escalation.failure_reason))
        }
        OrchestrationPhase::Failed { at, reason }
        | OrchestrationPhase::RolledBack { at, reason } => ("failed", at, Some(reason)),
        OrchestrationPhase::Cancelled { at, reason } => ("cancelled", at, Some(reason)),
    };
    set("status", json!(status));
    set("completed_at", json!(at.wall));
    match error {
        Some(error) => set("error", json!(error)),
        None => set("result", queue_result(run)),
    };
    at
}

fn queue_result(run: &Orchestration) -> Value {
    let result = result_of(run);
    json!({
        "kind": result.kind,
        "summary": result.summary,
        "report": json_path(&run.id),
    })
}

/// Builds an entry again that somebody removed, with the fields that are of no meaning to us.
fn whole_entry(task: &Task, fields: &Map<String, Value>) -> Value {
    let mut entry = Map::new();
    entry.insert("id".into(), json!(task.id));
    let spec = &task.spec;
    entry.extend(spec.rest.clone());
    let plain = TaskSpec {
        id: None,
        subtasks: Vec::new(),
        stages: Vec::new(),
        rest: Map::new(),
        ..spec.clone()
    };
    if let Ok(Value::Object(plain)) = serde_json::to_value(plain) {
        entry.extend(plain);
    }
    if !spec.subtasks.is_empty() {
        let subtasks = spec.subtasks.iter().map(author_subtask).collect();
        entry.insert("subtasks".into(), Value::Array(subtasks));
    }
    if !spec.stages.is_empty() {
        let names = (1..).map(|number| format!("stage_{number}"));
        let stages: Map<String, Value> =
            names.zip(spec.stages.iter().map(|ids| json!(ids))).collect();
        entry.insert("execution_plan".into(), Value::Object(stages));
    }
    entry.insert("status".into(), json!("pending"));
    entry.extend(fields.clone());
    Value::Object(entry)
}

/// Writes a subtask as an author does.
fn author_subtask(subtask: &DraftSubtask) -> Value {
    let assigned_to = match subtask.assigned_to.as_slice() {
        [only] => json!(only),
        several => json!(several),
    };
    let mut written = json!({
        "subtask_id": subtask.subtask_id,
        "title": subtask.title,
        "description": subtask.description,
        "assigned_to": assigned_to,
        "worker_type": subtask.worker_type,
        "dependencies": subtask.dependencies,
        "estimated_duration_minutes": subtask.minutes.high,
        "estimated_tokens": subtask.tokens,
        "files_affected": subtask.files_affected,
        "success_criteria": subtask.success_criteria,
        "deliverables": subtask.deliverables,
    });
    if let Some(listing) = &subtask.for_each {
        written["for_each"] = json!(listing);
    }
    if !subtask.handling.is_default() {
        written["handling"] = json!(subtask.handling);
    }
    written
}

fn refused_patch(state: &State, index: usize, fingerprint: &str) -> Option<QueuePatch> {
    let refused = state.refused_entries.get(&entry_key(index, fingerprint))?;
    let mut fields = Map::new();
    fields.insert("status".into(), json!("rejected"));
    fields.insert("error".into(), json!(refused.error));
    fields.insert("updated_at".into(), json!(refused.at.wall));
    let entry = QueueEntryRef::Position { index, fingerprint: fingerprint.to_owned() };
    Some(QueuePatch { entry, fields, put_back: None })
}
