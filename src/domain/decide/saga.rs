//! Runs that are rolled back: what became of the attempts that undo what was done (S1-40, S0-52).

use crate::domain::event::{Compensated, CompensationFailed, Decided, Event, Retried};
use crate::domain::ids::{OrchestrationId, SubtaskId};
use crate::domain::plan::{Orchestration, OrchestrationPhase, SubtaskPhase, Why};
use crate::domain::policy::Policy;
use crate::domain::recovery::{delay_ms, roll_back};
use crate::domain::report::{Category, Failure, SubtaskResult};
use crate::domain::worker::Attempt;

/// Begins to undo what a run did, by a person's wish.
///
/// # Errors
/// Says why there is nothing that could be undone.
pub(super) fn begin(run: &Orchestration, reason: &str) -> Result<(String, Vec<Event>), String> {
    let task = &run.task_id;
    match run.phase {
        OrchestrationPhase::Compensating { .. } => {
            return Err(format!("{task} is being rolled back already"));
        }
        OrchestrationPhase::RolledBack { .. } => return Err(format!("{task} was rolled back")),
        OrchestrationPhase::InProgress
        | OrchestrationPhase::Paused { .. }
        | OrchestrationPhase::Blocked(_)
        | OrchestrationPhase::Completed { .. }
        | OrchestrationPhase::Failed { .. }
        | OrchestrationPhase::Cancelled { .. } => {}
    }
    let events = roll_back(run, None, reason).ok_or_else(|| {
        format!(
            "nothing that {task} did says how it is undone; `baton cancel {task}` ends it as it is"
        )
    })?;
    Ok((format!("{task} is rolled back: what it did is undone, the last first"), events))
}

/// Says what follows when an attempt at undoing a subtask delivered.
pub(super) fn undone(
    run: &Orchestration,
    position: usize,
    attempt: &Attempt,
    result: &SubtaskResult,
) -> Vec<Event> {
    if !is_undoing(run, position) {
        return unwanted(run, position, attempt);
    }
    let mut events = vec![Event::SubtaskCompensated(Compensated {
        orchestration_id: run.id.clone(),
        subtask_id: run.plan.subtasks[position].subtask_id.clone(),
        attempt_id: attempt.id.clone(),
        summary: result.summary.clone(),
    })];
    events.extend(ended(run, position, None));
    events
}

/// Says what follows when an attempt at undoing a subtask failed: it is made again a few times;
/// then the subtask stays done, and those before it are undone all the same.
pub(super) fn not_undone(
    policy: &Policy,
    (run, position, attempt): (&Orchestration, usize, &Attempt),
    failure: &Failure,
) -> Vec<Event> {
    if !is_undoing(run, position) {
        return unwanted(run, position, attempt);
    }
    let (orchestration_id, subtask_id) = names(run, position);
    let failed = Event::SubtaskFailed {
        orchestration_id: orchestration_id.clone(),
        subtask_id: subtask_id.clone(),
        attempt_id: attempt.id.clone(),
        failure: failure.clone(),
    };
    let handling = &run.plan.subtasks[position].handling;
    let limit = handling.attempts_max.unwrap_or(policy.retry.attempts_max);
    let before = run.runs[position].undo_failures().len();
    let failures = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
    let may_help = match failure.category {
        Category::Transient | Category::CodeError | Category::DesignFlaw => failures < limit,
        Category::Blocker | Category::Critical => false,
    };
    let decided = |strategy: &str, alternative: &str| {
        Event::RecoveryDecided(Decided {
            orchestration_id: orchestration_id.clone(),
            subtask_id: subtask_id.clone(),
            strategy: strategy.to_owned(),
            why: Why {
                rule: format!("S1-40 undoing it failed {failures} of {limit} times allowed"),
                evidence: failure.message.clone(),
                alternatives: vec![alternative.to_owned()],
            },
        })
    };
    if may_help {
        let retried = Event::SubtaskRetried(Retried {
            orchestration_id: orchestration_id.clone(),
            subtask_id: subtask_id.clone(),
            retry_count: failures,
            retry_reason: failure.message.clone(),
            retry_modifications: "the error travels in the handoff".to_owned(),
            delay_ms: delay_ms(&policy.retry, handling, failures, &attempt.id),
        });
        return vec![failed, decided("retry", "leave it done"), retried];
    }
    let mut events = vec![failed, decided("compensate", "retry")];
    events.extend(stays_done(run, position, failure));
    events
}

/// Gives the undoing of a subtask up.
pub(super) fn stays_done(run: &Orchestration, position: usize, failure: &Failure) -> Vec<Event> {
    let (orchestration_id, subtask_id) = names(run, position);
    let mut events = vec![Event::CompensationFailed(CompensationFailed {
        orchestration_id,
        subtask_id,
        failure: failure.clone(),
    })];
    events.extend(ended(run, position, Some(failure)));
    events
}

/// Tells whether what an attempt undoes is still to be undone.
fn is_undoing(run: &Orchestration, position: usize) -> bool {
    run.is_compensating() && matches!(run.runs[position].phase, SubtaskPhase::Undoing { .. })
}

/// An attempt that nobody waits for any more is over all the same.
pub(super) fn unwanted(run: &Orchestration, position: usize, attempt: &Attempt) -> Vec<Event> {
    if !attempt.is_live() {
        return Vec::new();
    }
    let reason = format!("{} is being rolled back, or was; nobody waits for it", run.task_id);
    let (_, subtask_id) = names(run, position);
    vec![Event::AttemptCancelled { attempt_id: attempt.id.clone(), subtask_id, reason }]
}

/// Returns how a run ends when the subtask at `position` was the last to be undone.
fn ended(run: &Orchestration, position: usize, failure: Option<&Failure>) -> Option<Event> {
    let OrchestrationPhase::Compensating { reason, order, .. } = &run.phase else { return None };
    let mut kept: Vec<String> = Vec::new();
    for id in order {
        let at = run.position(id)?;
        let is_open = matches!(run.runs[at].phase, SubtaskPhase::Undoing { .. });
        let failed = match &run.runs[at].phase {
            SubtaskPhase::NotCompensated { failure, .. } => Some(failure),
            SubtaskPhase::Undoing { .. } if at == position => failure,
            SubtaskPhase::Pending
            | SubtaskPhase::BackingOff { .. }
            | SubtaskPhase::InAttempt
            | SubtaskPhase::Completed { .. }
            | SubtaskPhase::Revising { .. }
            | SubtaskPhase::Replaced { .. }
            | SubtaskPhase::Undoing { .. }
            | SubtaskPhase::Compensated { .. }
            | SubtaskPhase::Blocked { .. }
            | SubtaskPhase::Skipped { .. }
            | SubtaskPhase::Cancelled { .. } => None,
        };
        if is_open && at != position {
            return None;
        }
        kept.extend(failed.map(|failure| format!("{id} ({})", failure.message)));
    }
    let (orchestration_id, task_id) = (run.id.clone(), run.task_id.clone());
    let stays: Vec<&str> = (0..run.runs.len())
        .filter(|at| run.runs[*at].phase.result().is_some())
        .map(|at| run.plan.subtasks[at].subtask_id.as_str())
        .collect();
    let mut reason = reason.clone();
    if !stays.is_empty() {
        reason += &format!("; nothing says how to undo {}", stays.join(", "));
    }
    Some(if kept.is_empty() {
        Event::OrchestrationRolledBack { orchestration_id, task_id, reason }
    } else {
        let reason = format!("{reason}; could not be undone: {}", kept.join(", "));
        Event::OrchestrationFailed { orchestration_id, task_id, reason }
    })
}

fn names(run: &Orchestration, position: usize) -> (OrchestrationId, SubtaskId) {
    (run.id.clone(), run.plan.subtasks[position].subtask_id.clone())
}
