//! What is true of every state, worked out from the plainest facts and without any index.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::{the_plan_is_whole, undoing, undone_next};
use super::times::the_deadline_is_the_first;
use crate::domain::event::{Event, HandedOff, Record};
use crate::domain::evidence::{Liveness, Sign};
use crate::domain::ids::{AgentName, AttemptId, SubtaskId};
use crate::domain::plan::{
    Orchestration, OrchestrationPhase, RunKind, Strategy, SubtaskPhase, SubtaskStatus,
};
use crate::domain::report::Category;
use crate::domain::state::CircuitPhase;
use crate::domain::task::Phase;
use crate::domain::worker::{Attempt, AttemptEnd, AttemptPhase, Execution, Purpose, Recall};
use crate::domain::{Effect, Input, Moment, Policy, State, outbox};

/// Events that one decision gives at the most in lives as small as these.
const EVENTS_MAX: usize = 64;

/// Panics unless the state is one that may be, with nothing left that time alone would change.
pub(super) fn hold(state: &State, policy: &Policy, now: Moment) {
    for run in state.orchestrations.values() {
        assert!(state.tasks[&run.task_id].orchestration_id() == Some(&run.id), "{run:#?}");
        (0..run.runs.len()).for_each(|at| attempts_are_in_order(run, at));
        (0..run.runs.len()).for_each(|at| its_phase_fits(run, at));
        (0..run.runs.len()).for_each(|at| zombies_are_dealt_with(run, at));
        the_run_fits(run);
        the_plan_is_whole(run, policy);
        nothing_is_forgotten(state, policy, run, now);
    }
    the_deadline_is_the_first(state, policy, now);
    no_file_has_two_writers(state);
    everything_owed_is_owed(state);
}

/// Panics unless what was decided may follow from the state.
pub(super) fn may_happen(before: &State, policy: &Policy, input: &Input, record: &Record) {
    a_result_is_no_zombie(input, record);
    let mut given: BTreeMap<&AgentName, usize> = BTreeMap::new();
    let mut launched = 0;
    assert!(record.events.len() <= EVENTS_MAX, "too much at once: {record:#?}");
    for event in &record.events {
        let Event::SubtaskHandedOff(told) = event else { continue };
        let HandedOff { subtask_id, assigned_to, execution, .. } = told;
        let (run, at) = find(before, subtask_id);
        match told.purpose {
            Purpose::Work => {
                assert!(run.phase == OrchestrationPhase::InProgress, "{event:#?}\n{run:#?}");
                assert!(may_start(run, at), "{event:#?} too early in {run:#?}");
                assert!(run.plan.subtasks[at].for_each.is_none(), "a list is no work: {event:#?}");
            }
            Purpose::Compensation => {
                assert!(undone_next(run) == Some(at), "{event:#?} out of turn in {run:#?}");
            }
        }
        assert!(
            run.runs[at].attempts.iter().all(is_over),
            "{event:#?} while one is left: {run:#?}"
        );
        let master = &policy.masters[assigned_to];
        assert!(master.execution == *execution && has(run, at) == assigned_to);
        let subtask = &run.runs[at];
        let attempts_max = run.plan.subtasks[at].handling.attempts_max;
        assert!(
            !told.purpose.is_work()
                || subtask.failures - subtask.failures_before.min(subtask.failures)
                    < attempts_max.unwrap_or(policy.retry.attempts_max),
            "too often: {event:#?}\n{run:#?}"
        );
        *given.entry(assigned_to).or_default() += 1;
        let busy = live(before).filter(|(_, _, a)| a.agent == *assigned_to).count();
        let room = master.attempts_active_max.min(by_circuit(before, assigned_to));
        assert!(busy + given[assigned_to] <= room, "too many: {event:#?}");
        let begun = begun_within(before, assigned_to, record.at, 60_000) + given[assigned_to];
        assert!(
            master.starts_per_minute_max == 0 || begun <= master.starts_per_minute_max as usize,
            "too fast: {event:#?}"
        );
        if *execution != Execution::External {
            launched += 1;
            let busy = live(before).filter(|(.., a)| a.execution != Execution::External).count();
            assert!(busy + launched <= policy.attempts_active_max, "too many: {event:#?}");
        }
    }
}

/// Nobody is doubted whose result a look found, and nobody is while verdicts are held.
fn a_result_is_no_zombie(input: &Input, record: &Record) {
    let Input::WorkersProbed { findings, held } = input else { return };
    for event in &record.events {
        let (Event::WorkerSuspected(found)
        | Event::WorkerStalled(found)
        | Event::WorkerGone(found)) = event
        else {
            continue;
        };
        let has_report = found.evidence.signs.iter().any(|seen| seen.sign == Sign::Report);
        assert!(!has_report && held.is_none(), "{event:#?} by {findings:#?}");
    }
}

/// Once everything followed that follows, nobody is a zombie but a worker elsewhere that a person
/// was asked about, and what is delivered never is.
fn zombies_are_dealt_with(run: &Orchestration, at: usize) {
    let subtask = &run.runs[at];
    let Some(last) = subtask.attempts.last() else { return };
    let liveness = last.standing.as_ref().map(|standing| standing.liveness);
    let is_zombie = matches!(liveness, Some(Liveness::Stalled | Liveness::Gone));
    let is_at_work =
        matches!(last.phase, AttemptPhase::Running { .. } | AttemptPhase::Taken { .. });
    if is_zombie && is_at_work {
        let is_stalled = liveness == Some(Liveness::Stalled);
        let is_elsewhere = last.execution == Execution::External;
        let is_asked = matches!(subtask.phase, SubtaskPhase::Blocked { .. });
        assert!(is_stalled && is_elsewhere && is_asked, "{run:#?}");
    }
    if matches!(subtask.phase, SubtaskPhase::Completed { .. }) {
        assert_eq!(run.status(at), SubtaskStatus::Completed, "{run:#?}");
    }
}

/// How often each master failed since it last delivered, counted from the journal alone.
#[derive(Default)]
pub(super) struct Tally(BTreeMap<AgentName, u32>);

impl Tally {
    /// Takes a record in, and panics unless the state after it has counted the same.
    pub(super) fn note(&mut self, record: &Record, after: &State) {
        for event in &record.events {
            let agent = |id: &AttemptId| after.attempt(id).unwrap().2.agent.clone();
            if let Event::SubtaskCompleted { attempt_id, .. } = event {
                self.0.remove(&agent(attempt_id));
            }
            if let Event::SubtaskFailed { attempt_id, failure, .. } = event {
                let attempt = after.attempt(attempt_id).unwrap().2;
                let no_start =
                    attempt.execution != Execution::External && attempt.started.is_none();
                let of_agent =
                    matches!(failure.category, Category::Transient | Category::CodeError);
                *self.0.entry(agent(attempt_id)).or_default() += u32::from(of_agent || no_start);
            }
            if let Event::AttemptRecalled { attempt_id, cause: Recall::Untaken, .. } = event {
                *self.0.entry(agent(attempt_id)).or_default() += 1;
            }
        }
        for (agent, failures) in &self.0 {
            let counted = after.circuits.get(agent).map_or(0, |circuit| circuit.failures);
            assert_eq!(counted, *failures, "{agent}");
        }
    }
}

fn attempts_are_in_order(run: &Orchestration, at: usize) {
    let subtask = &run.runs[at];
    let numbers: Vec<u32> = subtask.attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, (1..).take(numbers.len()).collect::<Vec<u32>>(), "{run:#?}");
    let older = subtask.attempts.split_last().map_or(&[][..], |(_, older)| older);
    assert!(older.iter().all(is_over), "an attempt was left behind: {run:#?}");
    let failed = |attempt: &&Attempt| {
        matches!(attempt.phase, AttemptPhase::Ended { end: AttemptEnd::Failed { .. }, .. })
    };
    let failed = subtask.attempts.iter().filter(failed).count();
    assert!(subtask.failures as usize <= failed, "more failures than failed attempts: {run:#?}");
}

fn its_phase_fits(run: &Orchestration, at: usize) {
    let subtask = &run.runs[at];
    let last = subtask.attempts.last();
    let is_live = last.is_some_and(|attempt| !is_over(attempt));
    let is_ending = last.is_some_and(|a| matches!(a.phase, AttemptPhase::Ending { .. }));
    let is_rolled_back = matches!(run.phase, OrchestrationPhase::Compensating { .. });
    let is_open = !ended(run) && !is_rolled_back;
    let fits = match subtask.phase {
        SubtaskPhase::Pending | SubtaskPhase::BackingOff { .. } | SubtaskPhase::Revising { .. } => {
            is_open && !is_live
        }
        SubtaskPhase::Blocked { .. } => {
            is_open && (!is_live || last.is_some_and(may_be_asked_about))
        }
        SubtaskPhase::Replaced { .. } => !is_live,
        SubtaskPhase::Undoing { .. } => is_rolled_back,
        SubtaskPhase::InAttempt => is_live && (is_open || is_ending),
        SubtaskPhase::Compensated { .. }
        | SubtaskPhase::NotCompensated { .. }
        | SubtaskPhase::Completed { .. }
        | SubtaskPhase::Skipped { .. } => !is_live || is_ending,
        SubtaskPhase::Cancelled { .. } => !is_open && !is_live,
    };
    assert!(fits, "subtask {at} of {run:#?}");
}

/// A worker elsewhere that is stalled, or called back, and one of ours that cannot be ended.
fn may_be_asked_about(attempt: &Attempt) -> bool {
    let liveness = attempt.standing.as_ref().map(|standing| standing.liveness);
    let is_elsewhere = attempt.execution == Execution::External;
    match &attempt.phase {
        AttemptPhase::Taken { .. } => {
            matches!(liveness, Some(Liveness::Stalled | Liveness::Suspect))
        }
        AttemptPhase::Ending { survivors, .. } => is_elsewhere || !survivors.is_empty(),
        AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Running { .. }
        | AttemptPhase::Ended { .. } => false,
    }
}

fn the_run_fits(run: &Orchestration) {
    let blocked: Vec<&SubtaskId> = (0..run.runs.len())
        .filter(|at| matches!(run.runs[*at].phase, SubtaskPhase::Blocked { .. }))
        .map(|at| &run.plan.subtasks[at].subtask_id)
        .collect();
    let is_done = (0..run.runs.len()).all(|at| is_satisfied(run, at));
    let fits = match &run.phase {
        OrchestrationPhase::InProgress | OrchestrationPhase::Paused { .. } => {
            blocked.is_empty() && !is_done
        }
        OrchestrationPhase::Blocked(escalation) => blocked.contains(&&escalation.blocking_subtask),
        OrchestrationPhase::Completed { .. } => {
            let delivered = |phase: &SubtaskPhase| matches!(phase, SubtaskPhase::Completed { .. });
            is_done && run.runs.iter().any(|run| delivered(&run.phase))
        }
        OrchestrationPhase::Compensating { .. } => undoing(run).next().is_some(),
        OrchestrationPhase::RolledBack { .. } => undoing(run).next().is_none() && !is_done,
        OrchestrationPhase::Failed { .. } | OrchestrationPhase::Cancelled { .. } => true,
    };
    assert!(fits, "{run:#?}");
    let stage = (1..=run.plan.stages.len()).find(|stage| {
        !(0..run.runs.len()).all(|at| run.stage_of(at) != *stage || is_satisfied(run, at))
    });
    let current = stage.unwrap_or(run.plan.stages.len());
    let is_rolled_back = matches!(run.phase, OrchestrationPhase::Compensating { .. });
    assert!(
        is_rolled_back || ended(run) || run.current_stage == current,
        "stage {current}: {run:#?}"
    );
}

/// In a run that goes on, every subtask that may start is held by a limit or a file in use; and in
/// one that is rolled back, so is the one that may be undone.
fn nothing_is_forgotten(state: &State, policy: &Policy, run: &Orchestration, now: Moment) {
    let is_rolled_back = matches!(run.phase, OrchestrationPhase::Compensating { .. });
    if run.phase != OrchestrationPhase::InProgress && !is_rolled_back {
        return;
    }
    let starting = (0..run.runs.len()).filter(|at| !is_rolled_back && may_start(run, *at));
    for at in starting.chain(undone_next(run)) {
        let agent = has(run, at);
        let list = run.plan.subtasks[at].for_each.as_ref();
        assert!(is_rolled_back || list.is_none(), "a list is there: {run:#?}");
        let limit = policy.masters.get(agent).map_or(0, |master| master.starts_per_minute_max);
        let is_too_fast = limit > 0 && begun_within(state, agent, now, 60_000) >= limit as usize;
        let is_held = is_too_fast || is_held(state, policy, run, at);
        assert!(is_held, "{} waits for nothing: {run:#?}", run.plan.subtasks[at].subtask_id);
    }
    let is_moving = |at: usize| match run.runs[at].phase {
        SubtaskPhase::InAttempt
        | SubtaskPhase::BackingOff { .. }
        | SubtaskPhase::Revising { .. }
        | SubtaskPhase::Undoing { .. } => true,
        SubtaskPhase::Pending => may_start(run, at),
        SubtaskPhase::Completed { .. }
        | SubtaskPhase::Replaced { .. }
        | SubtaskPhase::Compensated { .. }
        | SubtaskPhase::NotCompensated { .. }
        | SubtaskPhase::Blocked { .. }
        | SubtaskPhase::Skipped { .. }
        | SubtaskPhase::Cancelled { .. } => false,
    };
    assert!((0..run.runs.len()).any(is_moving), "nothing moves: {run:#?}");
}

/// Tells whether a limit on how many there may be, or a file in use, holds what may start.
pub(super) fn is_held(state: &State, policy: &Policy, run: &Orchestration, at: usize) -> bool {
    let agent = has(run, at);
    let Some(master) = policy.masters.get(agent) else { return false };
    let busy = live(state).filter(|(.., a)| a.agent == *agent).count();
    let launched = live(state).filter(|(.., a)| a.execution != Execution::External).count();
    let in_use = live(state).any(|(other, its, _)| {
        let [mine, theirs] =
            [(run, at), (other, its)].map(|(run, at)| &run.plan.subtasks[at].files_affected);
        theirs.iter().any(|file| mine.iter().any(|mine| touch(file, mine)))
    });
    busy >= master.attempts_active_max.min(by_circuit(state, agent))
        || master.execution != Execution::External && launched >= policy.attempts_active_max
        || in_use
}

/// Tells whether two paths are the same, or one lies below the other.
fn touch(a: &str, b: &str) -> bool {
    let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<String>>();
    parts(a).iter().zip(&parts(b)).all(|(a, b)| a == b)
}

/// Returns how many attempts a master may have as far as its circuit breaker goes.
fn by_circuit(state: &State, agent: &AgentName) -> usize {
    match state.circuits.get(agent).map(|circuit| &circuit.phase) {
        None | Some(CircuitPhase::Closed) => usize::MAX,
        Some(CircuitPhase::Open { .. }) => 0,
        Some(CircuitPhase::HalfOpen { .. }) => 1,
    }
}

fn begun_within(state: &State, agent: &AgentName, now: Moment, window_ms: u64) -> usize {
    let attempts =
        state.orchestrations.values().flat_map(|run| &run.runs).flat_map(|r| &r.attempts);
    attempts
        .filter(|attempt| attempt.agent == *agent)
        .filter(|attempt| now.since_ms(&attempt.issued_at).is_some_and(|ms| ms < window_ms))
        .count()
}

fn no_file_has_two_writers(state: &State) {
    let writers: Vec<(&String, &SubtaskId)> = live(state)
        .map(|(run, at, _)| &run.plan.subtasks[at])
        .flat_map(|subtask| subtask.files_affected.iter().map(|file| (file, &subtask.subtask_id)))
        .collect();
    for (nth, (file, id)) in writers.iter().enumerate() {
        let other = writers[..nth].iter().find(|(other, its)| its != id && touch(other, file));
        assert_eq!(other, None, "two writers of {file}: {id}");
    }
}

fn everything_owed_is_owed(state: &State) {
    let mut owed: BTreeSet<Effect> = BTreeSet::new();
    for task in state.tasks.values().filter(|task| matches!(task.phase, Phase::Planning)) {
        owed.insert(Effect::DraftPlan(task.id.clone()));
    }
    for run in state.orchestrations.values() {
        for (at, subtask) in run.runs.iter().enumerate() {
            if matches!(subtask.phase, SubtaskPhase::Revising { .. }) {
                owed.insert(Effect::RevisePlan(run.plan.subtasks[at].subtask_id.clone()));
            }
        }
    }
    for (_, _, attempt) in live(state) {
        let is_ours = attempt.execution != Execution::External;
        let id = attempt.id.clone();
        owed.extend(match attempt.phase {
            AttemptPhase::Issued => Some(Effect::PublishHandoff(id)),
            AttemptPhase::Published { .. } if is_ours => Some(Effect::LaunchWorker(id)),
            AttemptPhase::Ending { ref identity, .. } if is_ours || identity.is_some() => {
                Some(Effect::StopWorker(id))
            }
            AttemptPhase::Ending { .. } => Some(Effect::WithdrawHandoff(id)),
            AttemptPhase::Published { .. }
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. }
            | AttemptPhase::Ended { .. } => None,
        });
        let is_like_its_kind = match attempt.phase {
            AttemptPhase::Taken { .. } => !is_ours,
            AttemptPhase::Running { .. } => is_ours,
            AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Ending { .. }
            | AttemptPhase::Ended { .. } => true,
        };
        assert!(is_like_its_kind, "{attempt:#?}");
    }
    let found: BTreeSet<Effect> = outbox(state)
        .iter()
        .filter(|effect| !matches!(effect, Effect::SettleClaim(_)))
        .cloned()
        .collect();
    assert_eq!(found, owed);
}

/// Returns who has a subtask.
fn has(run: &Orchestration, at: usize) -> &AgentName {
    run.runs[at].agent.as_ref().unwrap_or(&run.plan.subtasks[at].assigned_to)
}

/// Tells whether the order of the plan lets a subtask start that nobody is at.
pub(super) fn may_start(run: &Orchestration, at: usize) -> bool {
    let needed: Vec<usize> = match (run.kind, run.plan.strategy) {
        (RunKind::Routed, _) => Vec::new(),
        (RunKind::Planned, Strategy::Staged) => {
            (0..run.runs.len()).filter(|other| run.stage_of(*other) < run.stage_of(at)).collect()
        }
        (RunKind::Planned, Strategy::Sequential) => {
            let turn = |at: usize| (run.stage_of(at), at);
            (0..run.runs.len()).filter(|other| turn(*other) < turn(at)).collect()
        }
        (RunKind::Planned, Strategy::Adaptive) => Vec::new(),
    };
    let by_id = run.plan.subtasks[at]
        .dependencies
        .iter()
        .map(|id| run.plan.subtasks.iter().position(|subtask| subtask.subtask_id == *id).unwrap());
    run.runs[at].phase == SubtaskPhase::Pending
        && needed.into_iter().chain(by_id).all(|other| is_satisfied(run, other))
}

fn is_satisfied(run: &Orchestration, at: usize) -> bool {
    matches!(
        run.runs[at].phase,
        SubtaskPhase::Completed { .. }
            | SubtaskPhase::Skipped { .. }
            | SubtaskPhase::Replaced { .. }
    )
}

pub(super) fn ended(run: &Orchestration) -> bool {
    matches!(
        run.phase,
        OrchestrationPhase::Completed { .. }
            | OrchestrationPhase::RolledBack { .. }
            | OrchestrationPhase::Failed { .. }
            | OrchestrationPhase::Cancelled { .. }
    )
}

fn is_over(attempt: &Attempt) -> bool {
    matches!(attempt.phase, AttemptPhase::Ended { .. })
}

pub(super) fn live(state: &State) -> impl Iterator<Item = (&Orchestration, usize, &Attempt)> {
    state.orchestrations.values().flat_map(|run| {
        let attempts = move |at: usize| run.runs[at].attempts.iter().map(move |a| (run, at, a));
        (0..run.runs.len()).flat_map(attempts).filter(|(.., attempt)| !is_over(attempt))
    })
}

fn find<'a>(state: &'a State, id: &SubtaskId) -> (&'a Orchestration, usize) {
    let at = |run: &Orchestration| run.plan.subtasks.iter().position(|s| s.subtask_id == *id);
    state.orchestrations.values().find_map(|run| Some((run, at(run)?))).unwrap()
}
