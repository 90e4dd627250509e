//! What became of handoffs.

use crate::domain::event::{Event, Untaken};
use crate::domain::handoff::handoff_path;
use crate::domain::ids::{AgentName, AttemptId, SubtaskId};
use crate::domain::moment::{Moment, span};
use crate::domain::plan::{Orchestration, SubtaskPhase};
use crate::domain::policy::Policy;
use crate::domain::recovery::{Candidate, candidates, reassigned};
use crate::domain::report::{Category, Failure};
use crate::domain::state::State;
use crate::domain::worker::{Attempt, AttemptPhase, Execution, Recall};

use super::saga;

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
         `baton handoff withdraw {subtask_id}` and then `baton resume {}` hand it out again",
        run.task_id
    );
    vec![Event::HandoffLost { attempt_id: id.clone(), subtask_id: subtask_id.clone(), remedy }]
}

/// Of the two renames, ours and the master's, the one that succeeded decides. Where ours came too
/// late the attempt is over for us all the same if it is not wanted any more; what the master
/// delivers counts only where the subtask still waits for somebody to. If it was only to go to
/// somebody else, who took it has it.
pub(super) fn withdrawn(
    state: &State,
    policy: &Policy,
    id: &AttemptId,
    in_time: bool,
) -> Vec<Event> {
    let Some((run, subtask_id, attempt)) = find(state, id) else { return Vec::new() };
    let AttemptPhase::Ending { reason, cause, .. } = &attempt.phase else { return Vec::new() };
    if attempt.execution != Execution::External {
        return Vec::new();
    }
    let is_passed_on = *cause == Recall::Untaken && is_wanted(run, subtask_id);
    let position = run.position(subtask_id).filter(|_| in_time && is_passed_on);
    if let Some(position) = position.filter(|_| !attempt.purpose.is_work()) {
        // Only who did the work undoes it.
        let failure = Failure::new(Category::Transient, reason.clone());
        let withdrawn = Event::HandoffWithdrawn {
            attempt_id: id.clone(),
            subtask_id: subtask_id.clone(),
            reason: reason.clone(),
        };
        let follows = saga::not_undone(policy, (run, position, attempt), &failure);
        return [withdrawn].into_iter().chain(follows).collect();
    }
    let (attempt_id, subtask_id) = (id.clone(), subtask_id.clone());
    if in_time {
        let withdrawn = Event::HandoffWithdrawn {
            attempt_id: attempt_id.clone(),
            subtask_id: subtask_id.clone(),
            reason: reason.clone(),
        };
        let passed_on = is_passed_on.then(|| pass_on(state, policy, id, reason)).flatten();
        let ended = Event::AttemptCancelled { attempt_id, subtask_id, reason: reason.clone() };
        [withdrawn, ended].into_iter().chain(passed_on).collect()
    } else if is_passed_on {
        vec![Event::HandoffTaken { attempt_id, subtask_id }]
    } else {
        let reason = format!("{reason}; {} had taken it before", attempt.agent);
        let taken = attempt.started.is_none().then(|| Event::HandoffTaken {
            attempt_id: attempt_id.clone(),
            subtask_id: subtask_id.clone(),
        });
        let ended = Event::AttemptCancelled { attempt_id, subtask_id, reason };
        taken.into_iter().chain([ended]).collect()
    }
}

fn is_wanted(run: &Orchestration, subtask_id: &SubtaskId) -> bool {
    let position = run.position(subtask_id);
    let phase = position.map(|position| &run.runs[position].phase);
    let is_open = !run.is_over() && !run.is_compensating();
    is_open && matches!(phase, Some(SubtaskPhase::InAttempt))
        || matches!(phase, Some(SubtaskPhase::Undoing { .. }))
}

/// What a person gave to somebody else meanwhile stays there.
fn pass_on(state: &State, policy: &Policy, id: &AttemptId, reason: &str) -> Option<Event> {
    let (run, position, attempt) = state.attempt(id)?;
    if *run.agent_of(position) != attempt.agent {
        return None;
    }
    let others = candidates(state, policy, run, position);
    reassigned(run, position, &others, reason.to_owned()).map(Event::SubtaskReassigned)
}

/// Says that nobody takes a handoff, and what follows.
pub(super) fn untaken(
    state: &State,
    policy: &Policy,
    id: &AttemptId,
    now: Moment,
) -> Option<Event> {
    let (run, position, attempt) = state.attempt(id)?;
    let AttemptPhase::Published { at } = &attempt.phase else { return None };
    let subtask = &run.plan.subtasks[position];
    let limits = policy.supervision_of(&attempt.agent, &subtask.worker_type);
    let next = next_candidate(state, policy, id);
    let path = handoff_path(run.kind, attempt, &subtask.subtask_id);
    let agent = &attempt.agent;
    let then = match next.filter(|_| limits.untaken_max_ms > 0) {
        Some(next) => format!("after {} it goes to {next}", span(limits.untaken_max_ms)),
        None => format!("nobody else can take it, and `baton handoff withdraw {id}` takes it back"),
    };
    Some(Event::HandoffUntaken(Untaken {
        orchestration_id: run.id.clone(),
        attempt_id: id.clone(),
        subtask_id: subtask.subtask_id.clone(),
        assigned_to: agent.clone(),
        waited_ms: now.elapsed_ms(at).saturating_sub(attempt.paused_ms),
        remedy: format!("{path} waits for {agent}: start that master; {then}"),
    }))
}

/// Returns who gets the subtask of an attempt if its master does not take it.
pub(super) fn next_candidate(state: &State, policy: &Policy, id: &AttemptId) -> Option<AgentName> {
    let (run, position, _) = state.attempt(id)?;
    let others = candidates(state, policy, run, position).into_iter();
    others.map(|Candidate { agent, .. }| agent).next()
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
