//! What became of handoffs.

use crate::domain::event::Event;
use crate::domain::handoff::handoff_path;
use crate::domain::ids::{AttemptId, SubtaskId};
use crate::domain::plan::Orchestration;
use crate::domain::state::State;
use crate::domain::worker::{Attempt, AttemptPhase, Execution};

pub(super) fn published(state: &State, id: &AttemptId) -> Vec<Event> {
    let Some((_, subtask_id, attempt)) = find(state, id) else { return Vec::new() };
    match attempt.phase {
        AttemptPhase::Issued => {
            vec![Event::HandoffPublished { attempt_id: id.clone(), subtask_id: subtask_id.clone() }]
        }
        AttemptPhase::Published { .. }
        | AttemptPhase::Taken { .. }
        | AttemptPhase::Running { .. }
        | AttemptPhase::Ending { .. }
        | AttemptPhase::Ended { .. } => Vec::new(),
    }
}

pub(super) fn taken(state: &State, id: &AttemptId) -> Vec<Event> {
    let Some((_, subtask_id, attempt)) = find(state, id) else { return Vec::new() };
    if !waits_for_a_master(attempt) {
        return Vec::new();
    }
    vec![Event::HandoffTaken { attempt_id: id.clone(), subtask_id: subtask_id.clone() }]
}

pub(super) fn lost(state: &State, id: &AttemptId) -> Vec<Event> {
    let Some((run, subtask_id, attempt)) = find(state, id) else { return Vec::new() };
    if !waits_for_a_master(attempt) {
        return Vec::new();
    }
    let path = handoff_path(run.kind, attempt, subtask_id);
    let remedy = format!(
        "{path} is gone under every name: if a master has it, wait for its report; if not, \
         `baton withdraw {subtask_id}` and then `baton resume {}` hand it out again",
        run.task_id
    );
    vec![Event::HandoffLost { attempt_id: id.clone(), subtask_id: subtask_id.clone(), remedy }]
}

/// Of the two renames, ours and the master's, the one that succeeded decides. Where ours came too
/// late the attempt is over for us all the same: what the master reports is recorded and refused.
pub(super) fn withdrawn(state: &State, id: &AttemptId, in_time: bool) -> Vec<Event> {
    let Some((_, subtask_id, attempt)) = find(state, id) else { return Vec::new() };
    let AttemptPhase::Ending { reason, .. } = &attempt.phase else { return Vec::new() };
    if attempt.execution != Execution::External {
        return Vec::new();
    }
    let (attempt_id, subtask_id) = (id.clone(), subtask_id.clone());
    if in_time {
        let withdrawn = Event::HandoffWithdrawn {
            attempt_id: attempt_id.clone(),
            subtask_id: subtask_id.clone(),
            reason: reason.clone(),
        };
        vec![withdrawn, Event::AttemptCancelled { attempt_id, subtask_id, reason: reason.clone() }]
    } else {
        let reason = format!("{reason}; {} had taken it before", attempt.agent);
        vec![Event::AttemptCancelled { attempt_id, subtask_id, reason }]
    }
}

/// Finds an attempt with its subtask.
pub(super) fn find<'a>(
    state: &'a State,
    id: &AttemptId,
) -> Option<(&'a Orchestration, &'a SubtaskId, &'a Attempt)> {
    let (run, position, attempt) = state.attempt(id)?;
    Some((run, &run.plan.subtasks[position].subtask_id, attempt))
}

fn waits_for_a_master(attempt: &Attempt) -> bool {
    attempt.execution == Execution::External
        && matches!(attempt.phase, AttemptPhase::Issued | AttemptPhase::Published { .. })
}
