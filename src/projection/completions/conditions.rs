//! The five conditions under which a run is a success (S4-68).

use serde::Serialize;

use crate::domain::Moment;
use crate::domain::plan::{Orchestration, Strategy, SubtaskPhase, SubtaskRun};
use crate::domain::report::SubtaskResult;
use crate::domain::worker::{Attempt, AttemptEnd, AttemptPhase};

/// Whether each of them holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Conditions {
    /// Every subtask is completed, or a person left it out.
    pub(super) all_subtasks_done: bool,
    /// Nothing that counts was begun before what it waits for was done.
    pub(super) stages_in_order: bool,
    /// No subtask ended with a failure, and none without a word.
    pub(super) no_zombie_or_failed: bool,
    /// Every subtask is done, and not all were left out.
    pub(super) request_satisfied: bool,
    /// There are results, and this report has an output of every subtask that is completed.
    pub(super) results_aggregated: bool,
}

impl Conditions {
    pub(super) fn of(run: &Orchestration) -> Self {
        let all_subtasks_done = run.runs.iter().all(SubtaskRun::is_satisfied);
        let results: Vec<_> = run.runs.iter().filter_map(|run| run.phase.result()).collect();
        Self {
            all_subtasks_done,
            stages_in_order: stages_in_order(run),
            no_zombie_or_failed: !run.runs.iter().any(is_failed),
            request_satisfied: all_subtasks_done && !results.is_empty(),
            results_aggregated: !results.is_empty()
                && results.into_iter().all(SubtaskResult::has_output),
        }
    }

    /// Returns each with what it asks for.
    pub(super) fn list(&self) -> [(bool, &'static str); 5] {
        [
            (self.all_subtasks_done, "all subtasks are done"),
            (self.stages_in_order, "the stages were done in order"),
            (self.no_zombie_or_failed, "no subtask failed or was lost"),
            (self.request_satisfied, "the request is satisfied"),
            (self.results_aggregated, "the results are brought together"),
        ]
    }
}

fn is_failed(run: &SubtaskRun) -> bool {
    let ended_badly = |attempt: &Attempt| {
        matches!(attempt.phase, AttemptPhase::Ended { end: AttemptEnd::Failed { .. }, .. })
    };
    match run.phase {
        SubtaskPhase::Blocked { .. } | SubtaskPhase::NotCompensated { .. } => true,
        SubtaskPhase::Cancelled { .. } => run.attempts.last().is_some_and(ended_badly),
        SubtaskPhase::Pending
        | SubtaskPhase::BackingOff { .. }
        | SubtaskPhase::InAttempt
        | SubtaskPhase::Completed { .. }
        | SubtaskPhase::Revising { .. }
        | SubtaskPhase::Replaced { .. }
        | SubtaskPhase::Undoing { .. }
        | SubtaskPhase::Compensated { .. }
        | SubtaskPhase::Skipped { .. } => false,
    }
}

/// Compares what counts of each subtask, the attempt that delivered, with the ends of those it had
/// to wait for. What lies in different boots has an order that no clock can put in doubt.
fn stages_in_order(run: &Orchestration) -> bool {
    let is_late = |done: Option<&Moment>, begun: &Moment| {
        done.is_some_and(|done| done.boot == begun.boot && done.boottime_ms > begun.boottime_ms)
    };
    let delivered: Vec<Option<(&Moment, &Moment)>> = run.runs.iter().map(delivery).collect();
    let group = |position: usize| match run.plan.strategy {
        Strategy::Staged => run.stage_of(position),
        // One after the other: the order within a stage counts too.
        Strategy::Sequential => run.order.before(position).len(),
        Strategy::Adaptive => 0,
    };
    let mut positions: Vec<usize> = (0..run.runs.len()).collect();
    positions.sort_by_key(|position| group(*position));
    let (mut latest_before, mut latest, mut current) = (None, None, None);
    for position in positions {
        if current != Some(group(position)) {
            (latest_before, current) = (later(latest_before, latest), Some(group(position)));
        }
        let Some((begun, done)) = delivered[position] else { continue };
        let dependencies = run.order.dependencies(position).iter();
        let mut needed = dependencies.map(|at| delivered[*at].map(|(_, done)| done));
        if is_late(latest_before, begun) || needed.any(|done| is_late(done, begun)) {
            return false;
        }
        latest = later(latest, Some(done));
    }
    true
}

/// Returns when the attempt that delivered was given out, and when it delivered.
fn delivery(run: &SubtaskRun) -> Option<(&Moment, &Moment)> {
    let SubtaskPhase::Completed { at, attempt_id, .. } = &run.phase else { return None };
    let attempt = run.attempts.iter().find(|attempt| attempt.id == *attempt_id)?;
    Some((&attempt.issued_at, at))
}

fn later<'a>(one: Option<&'a Moment>, other: Option<&'a Moment>) -> Option<&'a Moment> {
    match (one, other) {
        (Some(one), Some(other)) if one.boot == other.boot => {
            Some(if one.boottime_ms >= other.boottime_ms { one } else { other })
        }
        // The plan was gone through in this order, so the other boot is the later one.
        (_, Some(other)) => Some(other),
        (one, None) => one,
    }
}
