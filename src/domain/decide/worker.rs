//! What became of workers that Baton launched.

use crate::domain::event::{Event, Retried};
use crate::domain::ids::AttemptId;
use crate::domain::moment::Moment;
use crate::domain::plan::{Handling, Orchestration, SubtaskPhase, SubtaskRun};
use crate::domain::policy::{Backoff, Policy};
use crate::domain::recovery::{Situation, ask, delay_ms, recover};
use crate::domain::report::{Category, Failure, Outcome, SubtaskResult};
use crate::domain::state::State;
use crate::domain::worker::{Attempt, AttemptEnd, AttemptPhase, Exit, ProcessIdentity, Recall};

use super::handoff::find;
use super::liveness::is_gone;
use super::{saga, satisfied};

/// What comes before the last output of a worker in the words of its failure.
const LAST_OUTPUT: &str = "; its last output: ";

pub(super) fn started(state: &State, id: &AttemptId, identity: &ProcessIdentity) -> Vec<Event> {
    let Some((_, subtask_id, attempt)) = find(state, id) else { return Vec::new() };
    let is_news = attempt.is_launched()
        && match &attempt.phase {
            AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Ending { identity: None, .. } => true,
            AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. }
            | AttemptPhase::Ending { identity: Some(_), .. }
            | AttemptPhase::Ended { .. } => false,
        };
    if !is_news {
        return Vec::new();
    }
    vec![Event::WorkerStarted {
        worker_id: attempt.worker_id.clone(),
        attempt_id: id.clone(),
        subtask_id: subtask_id.clone(),
        identity: identity.clone(),
    }]
}

/// Nothing ran. When the machine was short of something the same attempt waits until it is not:
/// its launch stays owed, and it is told once. When it cannot ever work a person is asked.
pub(super) fn not_started(
    state: &State,
    policy: &Policy,
    id: &AttemptId,
    error: &str,
    transient: bool,
    now: Moment,
) -> Vec<Event> {
    let Some((run, position, attempt)) = live(state, id) else { return Vec::new() };
    let is_told = match &attempt.phase {
        AttemptPhase::Issued | AttemptPhase::Published { .. } => {
            attempt.hindrance.as_deref() == Some(error)
        }
        // It runs: whoever could not start it once more has said nothing about it.
        AttemptPhase::Taken { .. } | AttemptPhase::Running { .. } => true,
        AttemptPhase::Ending { .. } | AttemptPhase::Ended { .. } => false,
    };
    if transient && is_told {
        return Vec::new();
    }
    let subtask_id = run.plan.subtasks[position].subtask_id.clone();
    let mut events = vec![Event::WorkerNotStarted {
        worker_id: attempt.worker_id.clone(),
        attempt_id: id.clone(),
        subtask_id: subtask_id.clone(),
        error: error.to_owned(),
    }];
    if let AttemptPhase::Ending { reason, .. } = &attempt.phase {
        let reason = reason.clone();
        events.push(Event::AttemptCancelled { attempt_id: id.clone(), subtask_id, reason });
    } else if !transient {
        let failure = Failure::new(Category::Blocker, format!("cannot start: {error}"));
        events.extend(failed(state, policy, (run, position, attempt), failure, now));
    }
    events
}

pub(super) fn exited(
    state: &State,
    policy: &Policy,
    id: &AttemptId,
    exit: Exit,
    outcome: &Outcome,
    now: Moment,
) -> Vec<Event> {
    let Some((run, position, attempt)) = live(state, id) else { return Vec::new() };
    let subtask_id = run.plan.subtasks[position].subtask_id.clone();
    let mut events = vec![Event::WorkerExited {
        worker_id: attempt.worker_id.clone(),
        attempt_id: id.clone(),
        subtask_id: subtask_id.clone(),
        exit,
    }];
    let called_back = Callback::of(run, position, attempt);
    let limit = match called_back {
        Callback::No => None,
        Callback::Limit(limit) => Some(limit),
        Callback::Unwanted(reason) => {
            let reason = reason.to_owned();
            events.push(Event::AttemptCancelled { attempt_id: id.clone(), subtask_id, reason });
            return events;
        }
    };
    let failure = match outcome {
        Outcome::Success(result) if result.has_output() => {
            events.extend(delivered(run, position, attempt, result.clone(), now));
            return events;
        }
        Outcome::Success(_) => {
            let message = "it ended well and delivered nothing: neither a summary nor a file";
            Failure::new(Category::CodeError, message)
        }
        Outcome::Failure(failure) => failure.clone(),
    };
    let failure =
        limit.map_or_else(|| failure.clone(), |limit| over(limit, exit, &failure.message));
    events.extend(failed(state, policy, (run, position, attempt), failure, now));
    events
}

pub(super) fn interrupted(
    state: &State,
    policy: &Policy,
    id: &AttemptId,
    reason: &str,
    now: Moment,
) -> Vec<Event> {
    let Some((run, position, attempt)) = live(state, id) else { return Vec::new() };
    match Callback::of(run, position, attempt) {
        Callback::No => interruption(policy, run, position, attempt, reason),
        Callback::Limit(limit) => {
            let failure = over(limit, Exit::Unknown, reason);
            failed(state, policy, (run, position, attempt), failure, now)
        }
        Callback::Unwanted(reason) => {
            let subtask_id = run.plan.subtasks[position].subtask_id.clone();
            let reason = reason.to_owned();
            vec![Event::AttemptCancelled { attempt_id: id.clone(), subtask_id, reason }]
        }
    }
}

/// Whether an attempt was called back, and what that makes of its end.
enum Callback<'a> {
    /// It was not, or was gone by itself: its end is judged for what it is.
    No,
    /// It exceeded a limit: what it delivered is taken, and anything else is that failure.
    Limit(&'a str),
    /// Nobody wants its result.
    Unwanted(&'a str),
}

impl<'a> Callback<'a> {
    fn of(run: &Orchestration, position: usize, attempt: &'a Attempt) -> Self {
        let AttemptPhase::Ending { reason, cause, .. } = &attempt.phase else { return Self::No };
        let is_wanted = !run.is_over()
            && match run.runs[position].phase {
                SubtaskPhase::InAttempt
                | SubtaskPhase::Undoing { .. }
                | SubtaskPhase::Blocked { .. } => true,
                SubtaskPhase::Pending
                | SubtaskPhase::BackingOff { .. }
                | SubtaskPhase::Completed { .. }
                | SubtaskPhase::Revising { .. }
                | SubtaskPhase::Replaced { .. }
                | SubtaskPhase::Compensated { .. }
                | SubtaskPhase::NotCompensated { .. }
                | SubtaskPhase::Skipped { .. }
                | SubtaskPhase::Cancelled { .. } => false,
            };
        if !is_wanted {
            return Self::Unwanted(reason);
        }
        match cause {
            Recall::Unwanted | Recall::Replaced => Self::Unwanted(reason),
            // Its report is in: that alone says how it went.
            Recall::Lingering => Self::No,
            Recall::Stalled if is_gone(attempt) => Self::No,
            Recall::Untaken
            | Recall::TimeBox
            | Recall::Silence
            | Recall::Stalled
            | Recall::Memory
            | Recall::Processes => Self::Limit(reason),
        }
    }
}

/// Describes the end of a worker that exceeded a limit. How we ended it says nothing; its last words
/// may.
fn over(limit: &str, exit: Exit, message: &str) -> Failure {
    let last_words = match (message.split_once(LAST_OUTPUT), exit) {
        (Some((_, output)), _) => format!("{LAST_OUTPUT}{output}"),
        (None, Exit::Code(_)) => format!("; {message}"),
        (None, Exit::Signal(_) | Exit::Unknown) => String::new(),
    };
    Failure::new(Category::Transient, format!("{limit}{last_words}"))
}

/// Says what follows from a delivered result.
pub(super) fn delivered(
    run: &Orchestration,
    position: usize,
    attempt: &Attempt,
    result: SubtaskResult,
    now: Moment,
) -> Vec<Event> {
    if !attempt.purpose.is_work() {
        return saga::undone(run, position, attempt, &result);
    }
    if run.is_compensating() {
        return saga::unwanted(run, position, attempt);
    }
    let mut events = vec![Event::SubtaskCompleted {
        orchestration_id: run.id.clone(),
        subtask_id: run.plan.subtasks[position].subtask_id.clone(),
        attempt_id: attempt.id.clone(),
        result,
    }];
    let reason = format!("{} delivered", attempt.id);
    events.extend(satisfied(run, position, true, &reason, now));
    events
}

/// Says what follows from a failed attempt: the failure, then what the recovery roster decides.
pub(super) fn failed(
    state: &State,
    policy: &Policy,
    (run, position, attempt): (&Orchestration, usize, &Attempt),
    failure: Failure,
    now: Moment,
) -> Vec<Event> {
    if !attempt.purpose.is_work() {
        return saga::not_undone(policy, (run, position, attempt), &failure);
    }
    let situation = Situation { state, run, position, attempt, failure: &failure, now };
    let recovery = recover(&situation, policy);
    let mut events = vec![Event::SubtaskFailed {
        orchestration_id: run.id.clone(),
        subtask_id: run.plan.subtasks[position].subtask_id.clone(),
        attempt_id: attempt.id.clone(),
        failure,
    }];
    events.extend(recovery);
    events
}

/// An attempt that was cut off is made again. The first time at once; where it happens again and
/// again, after delays that grow whatever is set for retries, so that a machine in trouble is not
/// run hot; many that were cut off together do not come back together. Where that never ends a
/// person is asked: whatever cuts it off is not the worker.
fn interruption(
    policy: &Policy,
    run: &Orchestration,
    position: usize,
    attempt: &Attempt,
    reason: &str,
) -> Vec<Event> {
    let subtask_id = run.plan.subtasks[position].subtask_id.clone();
    let times = run.runs[position].interruptions.saturating_add(1);
    let times_max = policy.recovery.interruptions_max;
    let is_given_up = times_max > 0 && times >= times_max && !run.is_over();
    let said = format!("its worker was cut off {times} times in a row, the last time: {reason}");
    if is_given_up && !attempt.purpose.is_work() {
        let failure = Failure::new(Category::Blocker, said);
        return saga::not_undone(policy, (run, position, attempt), &failure);
    }
    let mut events = vec![Event::AttemptInterrupted {
        attempt_id: attempt.id.clone(),
        subtask_id: subtask_id.clone(),
        reason: reason.to_owned(),
    }];
    if is_given_up && !run.is_compensating() {
        let escalation = "nothing of it failed, and no retry is used up: something ends the worker \
                          from outside each time, and has to be found first";
        events.push(ask(run, position, said, escalation.to_owned(), None));
        return events;
    }
    let before = interruptions_before(&run.runs[position]);
    if before > 0 {
        let handling = run.plan.subtasks[position].handling.clone();
        let grows = Handling { backoff: Some(Backoff::Exponential), ..handling };
        let retry_count = run.runs[position].retry.as_ref().map_or(0, |retry| retry.retry_count);
        events.push(Event::SubtaskRetried(Retried {
            orchestration_id: run.id.clone(),
            subtask_id,
            retry_count,
            retry_reason: format!("interrupted: {reason}"),
            retry_modifications: "none; no attempt is counted".to_owned(),
            delay_ms: delay_ms(&policy.retry, &grows, before, &attempt.id),
        }));
    }
    events
}

/// Counts the interrupted attempts directly before the one that is live.
fn interruptions_before(run: &SubtaskRun) -> u32 {
    let is_interrupted = |attempt: &&Attempt| {
        matches!(attempt.phase, AttemptPhase::Ended { end: AttemptEnd::Interrupted { .. }, .. })
    };
    let count = run.attempts.iter().rev().skip(1).take_while(is_interrupted).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Finds an attempt that still holds anything and whose worker is ours, to launch or to stop.
fn live<'a>(state: &'a State, id: &AttemptId) -> Option<(&'a Orchestration, usize, &'a Attempt)> {
    state.attempt(id).filter(|(_, _, attempt)| match &attempt.phase {
        AttemptPhase::Ending { identity: Some(_), .. } => true,
        AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Taken { .. }
        | AttemptPhase::Running { .. }
        | AttemptPhase::Ending { identity: None, .. } => attempt.is_launched(),
        AttemptPhase::Ended { .. } => false,
    })
}
