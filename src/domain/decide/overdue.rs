//! What time alone brings about: limits that are over, and questions that answered themselves.

use crate::domain::event::{Event, Overdue};
use crate::domain::ids::{AttemptId, OrchestrationId};
use crate::domain::moment::{Moment, span};
use crate::domain::plan::{Orchestration, OrchestrationPhase, SubtaskPhase};
use crate::domain::policy::Policy;
use crate::domain::recovery::may_go_on;
use crate::domain::state::{State, TimeKind};
use crate::domain::worker::{Attempt, AttemptPhase, Recall};

use super::{handoff, liveness};

/// So many things are found overdue by one decision at the most; the next tick goes on.
const OVERDUE_MAX: usize = 64;
/// So many of the subtasks that a run waited for are named.
const NAMED_MAX: usize = 10;

/// One kind of thing that time brings about.
type Rule = fn(&State, &Policy, Moment) -> Vec<Event>;

/// Decides on the first kind of thing that is due.
pub(super) fn overdue(state: &State, policy: &Policy, now: Moment) -> Vec<Event> {
    let rules: [Rule; 5] = [answered, liveness::condemned, time_limits, reminders, run_times];
    let decided = rules.iter().map(|rule| rule(state, policy, now));
    decided.into_iter().find(|events| !events.is_empty()).unwrap_or_default()
}

/// Returns when the first of these limits is over, in milliseconds of the boot-time clock.
pub(in crate::domain) fn due_ms(state: &State, policy: &Policy) -> Option<u64> {
    let boot = state.this_boot()?;
    let at_once = !state.index.answered.is_empty() || !state.index.condemned.is_empty();
    let at_once = at_once.then_some(boot.boottime_ms);
    let limits = timed(state, policy, &boot).filter_map(|mut line| line.next());
    let reminder = asked(state, policy, &boot).next().map(|(due_ms, _)| due_ms);
    let run_time = running(state, policy, &boot).next().map(|(due_ms, _)| due_ms);
    let first = limits.map(|due| due.at_ms).chain(at_once).chain(reminder).chain(run_time);
    first.min()
}

fn answered(state: &State, _policy: &Policy, _now: Moment) -> Vec<Event> {
    liveness::answered(state)
}

/// When this boot was first seen; until a daemon of it has said so, nothing that needs to know is
/// due.
fn boot(state: &State, now: Moment) -> Moment {
    state.this_boot().filter(|seen| seen.boot == now.boot).unwrap_or(now)
}

/// A limit on time that is over at some time.
struct Due<'a> {
    at_ms: u64,
    attempt_id: &'a AttemptId,
    then: Then,
}

/// What follows when it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The worker is called back.
    TimeBox,
    /// It is told that nobody takes the handoff.
    Alert,
    /// The handoff goes to the next candidate.
    PassOn,
}

/// Returns every line of attempts that wait for the same limit, the first to be due first.
fn timed<'a>(
    state: &'a State,
    policy: &'a Policy,
    boot: &'a Moment,
) -> impl Iterator<Item = impl Iterator<Item = Due<'a>>> {
    state.index.timed.iter().map(move |(limit, waiting)| {
        let limits = policy.supervision_of(&limit.agent, &limit.worker_type);
        let (limit_ms, then) = match limit.kind {
            TimeKind::TimeBox => (limits.time_box_ms, Then::TimeBox),
            // Where nothing is to be told it is only passed on.
            TimeKind::UntakenAlert if limits.untaken_alert_ms > 0 => {
                (limits.untaken_alert_ms, Then::Alert)
            }
            TimeKind::UntakenAlert | TimeKind::Untaken => (limits.untaken_max_ms, Then::PassOn),
        };
        let has_others =
            then != Then::PassOn || may_go_on(policy, &limit.planned_for, &limit.agent);
        let waits = limit_ms > 0 && has_others;
        let line = waits.then(|| waiting.oldest(boot)).into_iter().flatten();
        let counts = move |id: &AttemptId| {
            then != Then::PassOn || handoff::next_candidate(state, policy, id).is_some()
        };
        line.filter(move |(_, id)| counts(id)).map(move |(at_ms, attempt_id)| Due {
            at_ms: at_ms.saturating_add(limit_ms),
            attempt_id,
            then,
        })
    })
}

fn time_limits(state: &State, policy: &Policy, now: Moment) -> Vec<Event> {
    let boot = boot(state, now);
    let is_due = |due: &Due<'_>| due.at_ms <= now.boottime_ms;
    timed(state, policy, &boot)
        .flat_map(|line| line.take_while(is_due))
        .filter_map(|Due { attempt_id, then, .. }| match then {
            Then::TimeBox => liveness::recalled(state, policy, attempt_id, Recall::TimeBox),
            Then::Alert => handoff::untaken(state, policy, attempt_id, now),
            Then::PassOn => liveness::recalled(state, policy, attempt_id, Recall::Untaken),
        })
        .take(OVERDUE_MAX)
        .collect()
}

fn asked<'a>(
    state: &'a State,
    policy: &'a Policy,
    boot: &'a Moment,
) -> impl Iterator<Item = (u64, &'a OrchestrationId)> {
    let limit_ms = policy.recovery.overdue_ms;
    let asked = (limit_ms > 0).then(|| state.index.asked.oldest(boot)).into_iter().flatten();
    asked.map(move |(at_ms, id)| (at_ms.saturating_add(limit_ms), id))
}

/// Once for each question that nobody answered (S3-52).
fn reminders(state: &State, policy: &Policy, now: Moment) -> Vec<Event> {
    let boot = boot(state, now);
    let due = asked(state, policy, &boot).take_while(|(due_ms, _)| *due_ms <= now.boottime_ms);
    let reminder = |(_, id): (u64, &OrchestrationId)| {
        let run = state.orchestrations.get(id)?;
        let OrchestrationPhase::Blocked(asked) = &run.phase else { return None };
        Some(Event::EscalationOverdue(Overdue {
            orchestration_id: id.clone(),
            subtask_id: asked.blocking_subtask.clone(),
            waited_ms: now.elapsed_ms(&asked.since),
        }))
    };
    due.filter_map(reminder).take(OVERDUE_MAX).collect()
}

/// Runs that may not go on for ever, the oldest first: one that a person holds does no harm, and
/// one that is rolled back has to come to its end.
fn running<'a>(
    state: &'a State,
    policy: &'a Policy,
    boot: &'a Moment,
) -> impl Iterator<Item = (u64, &'a Orchestration)> {
    let limit_ms = policy.run_ms_max;
    let running = (limit_ms > 0).then(|| state.index.running.oldest(boot)).into_iter().flatten();
    running.filter_map(move |(at_ms, id)| {
        let run = state.orchestrations.get(id)?;
        let counts = match run.phase {
            OrchestrationPhase::InProgress | OrchestrationPhase::Blocked(_) => true,
            OrchestrationPhase::Paused { .. }
            | OrchestrationPhase::Compensating { .. }
            | OrchestrationPhase::RolledBack { .. }
            | OrchestrationPhase::Completed { .. }
            | OrchestrationPhase::Failed { .. }
            | OrchestrationPhase::Cancelled { .. } => false,
        };
        counts.then_some((at_ms.saturating_add(limit_ms), run))
    })
}

/// Ends a run that took too long, with what it waited for (S0-92).
fn run_times(state: &State, policy: &Policy, now: Moment) -> Vec<Event> {
    let boot = boot(state, now);
    let first = running(state, policy, &boot).next();
    let Some((_, run)) = first.filter(|(due_ms, _)| *due_ms <= now.boottime_ms) else {
        return Vec::new();
    };
    let ends = |attempt: &&Attempt| match attempt.phase {
        AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Taken { .. }
        | AttemptPhase::Running { .. } => true,
        AttemptPhase::Ending { .. } | AttemptPhase::Ended { .. } => false,
    };
    let newest = run.runs.iter().filter_map(|subtask| subtask.attempts.last());
    let mut events: Vec<Event> = newest
        .filter(ends)
        .filter_map(|attempt| liveness::recalled(state, policy, &attempt.id, Recall::Unwanted))
        .collect();
    events.push(Event::OrchestrationFailed {
        orchestration_id: run.id.clone(),
        task_id: run.task_id.clone(),
        reason: format!(
            "it was not over within {}, and waited for {}",
            span(policy.run_ms_max),
            awaited(run).join("; ")
        ),
    });
    events
}

/// Says what a run waits for, subtask by subtask.
fn awaited(run: &Orchestration) -> Vec<String> {
    let waits = |at: usize| {
        let by = match &run.runs[at].phase {
            SubtaskPhase::Pending if run.dependencies_satisfied(at) => {
                format!("a free place at {}", run.agent_of(at))
            }
            SubtaskPhase::BackingOff { .. } => "its next retry".to_owned(),
            SubtaskPhase::InAttempt | SubtaskPhase::Undoing { .. } => {
                at_work(&run.runs[at].attempts)
            }
            SubtaskPhase::Revising { .. } => "a change of the plan".to_owned(),
            SubtaskPhase::Blocked { failure, .. } => {
                format!("a person to decide: {}", failure.message)
            }
            SubtaskPhase::Pending
            | SubtaskPhase::Completed { .. }
            | SubtaskPhase::Replaced { .. }
            | SubtaskPhase::Compensated { .. }
            | SubtaskPhase::NotCompensated { .. }
            | SubtaskPhase::Skipped { .. }
            | SubtaskPhase::Cancelled { .. } => return None,
        };
        Some(format!("{}: {by}", run.plan.subtasks[at].subtask_id))
    };
    (0..run.runs.len()).filter_map(waits).take(NAMED_MAX).collect()
}

fn at_work(attempts: &[Attempt]) -> String {
    let Some(Attempt { agent, worker_id, phase, standing, .. }) = attempts.last() else {
        return "its turn".to_owned();
    };
    let verdict = standing.as_ref().map_or("", |standing| standing.evidence.verdict.as_str());
    let told = if verdict.is_empty() { String::new() } else { format!(" ({verdict})") };
    match phase {
        AttemptPhase::Issued | AttemptPhase::Published { .. } => {
            format!("{agent} to take its handoff")
        }
        AttemptPhase::Taken { .. } | AttemptPhase::Running { .. } => {
            format!("{worker_id} of {agent}{told}")
        }
        AttemptPhase::Ending { .. } => format!("{worker_id} of {agent} to end{told}"),
        AttemptPhase::Ended { .. } => "its next attempt".to_owned(),
    }
}
