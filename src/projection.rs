//! Turns state into documents: what every file that is derived from the journal says. Pure.
//!
//! A projection names the documents that an event changes and renders each of them from the state
//! alone, so that a document that was lost, or is older than the journal, is simply rendered again.
//! To add one: a file here, its `mod` line and its entry on the [`ROSTER`].

use std::collections::BTreeSet;

use serde::Serialize;

use crate::domain::document::{Document, DocumentKey};
use crate::domain::event::{
    Blocked, Compensated, CompensationFailed, CompensationStarted, Decided, HandedOff, Overdue,
    PlanRevised, Reassigned, Retried, RevisionRefused, RevisionRequested, Unstoppable, Untaken,
};
use crate::domain::ids::{AttemptId, OrchestrationId, SubtaskId, TaskId};
use crate::domain::plan::Orchestration;
use crate::domain::{Event, Policy, Record, State};

pub mod answers;
pub mod completions;
pub mod dashboard_events;
pub mod overview;
pub mod plans;
pub mod queue;
pub mod subtasks;
pub mod worker_specs;

/// One kind of document.
#[derive(Debug)]
pub struct Projection {
    /// Its name, for logs.
    pub name: &'static str,
    /// The documents that an event changes, given the state after its record.
    pub touches: fn(&State, &Event) -> Vec<DocumentKey>,
    /// What a document holds now, as every file it is made of; `None` when it is of another kind.
    pub render: fn(&State, &Policy, &DocumentKey) -> Option<Vec<Document>>,
    /// Every document of its kind.
    pub keys: fn(&State) -> Vec<DocumentKey>,
}

/// All kinds of documents. Their order means nothing.
pub const ROSTER: &[&Projection] = &[
    &plans::PLANS,
    &subtasks::SUBTASKS,
    &worker_specs::WORKER_SPECS,
    &overview::OVERVIEW,
    &queue::QUEUE,
    &completions::COMPLETIONS,
    &answers::ANSWERS,
];

/// Returns the documents that a record changes, given the state after it.
pub fn touches(state_after: &State, record: &Record) -> BTreeSet<DocumentKey> {
    record
        .events
        .iter()
        .flat_map(|event| ROSTER.iter().flat_map(move |p| (p.touches)(state_after, event)))
        .collect()
}

/// Returns what a document holds now; empty when nothing is to be written.
///
/// Where it is more than one file, the one that must never be missing comes first.
pub fn render(state: &State, policy: &Policy, key: &DocumentKey) -> Vec<Document> {
    ROSTER.iter().find_map(|p| (p.render)(state, policy, key)).unwrap_or_default()
}

/// Returns every document that can be rendered.
pub fn keys(state: &State) -> BTreeSet<DocumentKey> {
    ROSTER.iter().flat_map(|p| (p.keys)(state)).collect()
}

/// What an event is about, as far as it says so.
#[derive(Debug, Clone, Copy, Default)]
struct Subject<'a> {
    task: Option<&'a TaskId>,
    orchestration: Option<&'a OrchestrationId>,
    subtask: Option<&'a SubtaskId>,
    attempt: Option<&'a AttemptId>,
}

impl<'a> Subject<'a> {
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of event, nothing else")]
    fn of(event: &'a Event) -> Self {
        let mut about = Self::default();
        match event {
            Event::DaemonStarted { .. }
            | Event::HostResumed(..)
            | Event::VerdictsHeld(..)
            | Event::WorkerSpecSeen(..)
            | Event::WorkerSpecSettled(..)
            | Event::WorkerSpecMoved { .. }
            | Event::CircuitOpened(..)
            | Event::CircuitHalfOpened(..)
            | Event::CircuitClosed(..)
            | Event::DaemonStopped { .. }
            | Event::TaskRejected { .. }
            | Event::CommandAccepted { .. }
            | Event::CommandRefused { .. }
            | Event::CommandRepeated { .. }
            | Event::MessageReceived { .. }
            | Event::DropRejected { .. }
            | Event::FileQuarantined { .. }
            | Event::FileRestored { .. }
            | Event::ClaimSettled { .. }
            | Event::DocumentsSynced { .. } => {}
            Event::TaskAccepted { task_id, .. }
            | Event::TaskRepeated { task_id, .. }
            | Event::TaskRemoved { task_id, .. }
            | Event::TaskReturned { task_id }
            | Event::TaskRetried { task_id, .. }
            | Event::DraftCrashed { task_id, .. }
            | Event::TaskCancelled { task_id, .. } => about.task = Some(task_id),
            Event::TaskRouted { task_id, orchestration_id, .. }
            | Event::PlanAccepted { task_id, orchestration_id, .. }
            | Event::OrchestrationCompleted { task_id, orchestration_id, .. }
            | Event::OrchestrationFailed { task_id, orchestration_id, .. }
            | Event::OrchestrationBlocked(Blocked { task_id, orchestration_id, .. })
            | Event::OrchestrationRolledBack { task_id, orchestration_id, .. }
            | Event::CompensationStarted(CompensationStarted {
                task_id, orchestration_id, ..
            })
            | Event::OrchestrationCancelled { task_id, orchestration_id, .. } => {
                about.task = Some(task_id);
                about.orchestration = Some(orchestration_id);
            }
            Event::OrchestrationStarted { orchestration_id, .. }
            | Event::StageCompleted { orchestration_id, .. }
            | Event::OrchestrationPaused { orchestration_id, .. }
            | Event::OrchestrationResumed { orchestration_id, .. }
            | Event::OrchestrationRetried { orchestration_id, .. } => {
                about.orchestration = Some(orchestration_id);
            }
            Event::RecoveryDecided(Decided { orchestration_id, subtask_id, .. })
            | Event::SubtaskRetried(Retried { orchestration_id, subtask_id, .. })
            | Event::SubtaskReassigned(Reassigned { orchestration_id, subtask_id, .. })
            | Event::RevisionRequested(RevisionRequested {
                orchestration_id, subtask_id, ..
            })
            | Event::PlanRevised(PlanRevised { orchestration_id, subtask_id, .. })
            | Event::RevisionRefused(RevisionRefused { orchestration_id, subtask_id, .. })
            | Event::CompensationFailed(CompensationFailed {
                orchestration_id, subtask_id, ..
            })
            | Event::EscalationOverdue(Overdue { orchestration_id, subtask_id, .. })
            | Event::BackoffEnded { orchestration_id, subtask_id }
            | Event::SubtaskSkipped { orchestration_id, subtask_id, .. } => {
                about.orchestration = Some(orchestration_id);
                about.subtask = Some(subtask_id);
            }
            Event::SubtaskHandedOff(HandedOff { subtask_id, attempt_id, .. })
            | Event::HandoffPublished { subtask_id, attempt_id }
            | Event::HandoffTaken { subtask_id, attempt_id }
            | Event::HandoffLost { subtask_id, attempt_id, .. }
            | Event::HandoffWithdrawn { subtask_id, attempt_id, .. }
            | Event::WorkerStarted { subtask_id, attempt_id, .. }
            | Event::WorkerNotStarted { subtask_id, attempt_id, .. }
            | Event::WorkerExited { subtask_id, attempt_id, .. }
            | Event::AttemptRecalled { subtask_id, attempt_id, .. }
            | Event::WorkerUnstoppable(Unstoppable { subtask_id, attempt_id, .. })
            | Event::HandoffUntaken(Untaken { subtask_id, attempt_id, .. })
            | Event::SubtaskCompensated(Compensated { subtask_id, attempt_id, .. })
            | Event::AttemptInterrupted { subtask_id, attempt_id, .. }
            | Event::AttemptCancelled { subtask_id, attempt_id, .. }
            | Event::ReportAccepted { subtask_id, attempt_id, .. }
            | Event::SubtaskCompleted { subtask_id, attempt_id, .. }
            | Event::SubtaskFailed { subtask_id, attempt_id, .. } => {
                about.subtask = Some(subtask_id);
                about.attempt = Some(attempt_id);
            }
            Event::WorkerHeartbeatMissed(found)
            | Event::WorkerSuspected(found)
            | Event::WorkerStalled(found)
            | Event::WorkerGone(found)
            | Event::WorkerRecovered(found) => {
                about.subtask = found.subtask_id.as_ref();
                about.attempt = found.attempt_id.as_ref();
            }
            Event::ReportRefused { subtask_id, attempt_id, .. } => {
                about.subtask = Some(subtask_id);
                about.attempt = attempt_id.as_ref();
            }
        }
        about
    }

    /// Finds the run that the event is about.
    fn run(&self, state: &'a State) -> Option<&'a Orchestration> {
        match (self.orchestration, self.subtask, self.task) {
            (Some(id), _, _) => state.orchestrations.get(id),
            (None, Some(id), _) => state.subtask(id).map(|(run, _)| run),
            (None, None, Some(id)) => {
                state.orchestrations.get(state.tasks.get(id)?.orchestration_id()?)
            }
            (None, None, None) => None,
        }
    }
}

/// Returns a file that holds `body` as JSON, two blanks a level, with a final newline.
fn json_file(path: String, body: &impl Serialize) -> Document {
    let body = escape_unseen(serde_json::to_string_pretty(body).unwrap_or_default()) + "\n";
    Document::Replace { path, body }
}

/// Escapes what JSON may hold as it is although a terminal would obey it or not show it.
fn escape_unseen(json: String) -> String {
    if !json.contains(is_unseen) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 64);
    for char in json.chars() {
        // All of them stand within strings: nowhere else does JSON allow them.
        if is_unseen(char) {
            out.push_str(&format!("\\u{:04x}", u32::from(char)));
        } else {
            out.push(char);
        }
    }
    out
}

/// Control characters beyond ASCII's first, marks of direction, and blanks without width.
fn is_unseen(char: char) -> bool {
    matches!(char, '\u{7f}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Writes a duration for people: `0.4 s`, `42 s`, `3 min 20 s`, `2 h 5 min`.
fn duration_text(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, ms % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600.. => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests;
