//! What can be derived from the rest of the state, kept so that no decision searches.

mod questions;
mod revised;
mod turn;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::effect::Effect;
use crate::domain::evidence::{Liveness, Watched};
use crate::domain::ids::{AgentName, AttemptId, OrchestrationId, SubtaskId, TaskId, WorkerId};
use crate::domain::moment::{BootId, Moment};
use crate::domain::plan::{
    BackingOff, Orchestration, OrchestrationPhase, RunKind, Strategy, Subtask, SubtaskPhase,
};
use crate::domain::spec::SpecWorker;
use crate::domain::task::{Phase, Task, TaskSource};
use crate::domain::watch::is_at_work;
use crate::domain::worker::{Attempt, AttemptPhase, Execution};

use super::since::Since;
use super::starts::Starts;
use super::{FilesInUse, RunCounts, State};
#[cfg(test)]
pub(in crate::domain) use turn::AGEING_EVENTS;
pub(in crate::domain) use turn::Turn;

/// The indexes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::domain) struct Index {
    /// Effects whose outcome is not journalled.
    pub(in crate::domain) owed: BTreeSet<Effect>,
    /// Where each subtask is.
    pub(in crate::domain) subtasks: HashMap<SubtaskId, (OrchestrationId, usize)>,
    /// Subtasks that could start if limits allow, by master, in the order in which they go.
    pub(in crate::domain) ready: BTreeMap<AgentName, BTreeSet<Turn>>,
    /// Subtasks whose list of items may be there: others, one for each, take their place.
    pub(in crate::domain) fan_outs: BTreeSet<SubtaskId>,
    /// Back-offs by the boot and the boot time at which they end.
    pub(in crate::domain) backoffs: BTreeSet<(BootId, u64, SubtaskId)>,
    /// Attempts that still hold anything, and what.
    pub(in crate::domain) live: BTreeMap<AttemptId, Held>,
    /// How many of them each master has.
    pub(in crate::domain) live_by_agent: BTreeMap<AgentName, usize>,
    /// How many of them are workers of ours.
    pub(in crate::domain) live_launched: usize,
    /// Workers that can be looked at, by when they began.
    pub(in crate::domain) begun: Since<Watched>,
    /// Attempts that wait for a limit on time to come, by that limit.
    pub(in crate::domain) timed: BTreeMap<TimeLimit, Since<AttemptId>>,
    /// Attempts whose worker is stalled or gone, and from which nothing followed yet.
    pub(in crate::domain) condemned: BTreeSet<AttemptId>,
    /// Runs that wait for an answer about a subtask that is blocked no more.
    pub(in crate::domain) answered: BTreeSet<OrchestrationId>,
    /// Runs that a person was asked about and that nobody was reminded of.
    pub(in crate::domain) asked: Since<OrchestrationId>,
    /// Runs that are not over, by when they began or were begun anew.
    pub(in crate::domain) running: Since<OrchestrationId>,
    /// When each of them did.
    run_began: BTreeMap<OrchestrationId, Moment>,
    /// When attempts of each master began lately, in this boot.
    pub(in crate::domain) starts: BTreeMap<AgentName, Starts>,
    /// Files that a live attempt may change.
    pub(in crate::domain) files_in_use: FilesInUse,
    /// Runs that are not over.
    pub(in crate::domain) open_runs: BTreeSet<OrchestrationId>,
    /// Tasks that have neither ended nor been refused.
    pub(in crate::domain) open_tasks: BTreeSet<TaskId>,
    /// Tasks accepted from queue entries without an id, by fingerprint.
    pub(in crate::domain) without_id: HashMap<String, Vec<TaskId>>,
    /// Workers that masters made known, by the attempt that they carry out.
    pub(in crate::domain) specs_by_attempt: BTreeMap<AttemptId, BTreeSet<WorkerId>>,
    /// Those of them whose attempt is over and about whose spec nothing is decided.
    pub(in crate::domain) specs_left: BTreeSet<WorkerId>,
    /// How many planned runs there are.
    pub(in crate::domain) counts: RunCounts,
}

/// What a live attempt holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain) struct Held {
    agent: AgentName,
    launched: bool,
    files: Vec<String>,
    began: Option<Moment>,
    timed: Option<(TimeLimit, Moment)>,
}

/// A limit on time, and who it is set for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::domain) struct TimeLimit {
    pub(in crate::domain) kind: TimeKind,
    pub(in crate::domain) agent: AgentName,
    /// Whom the plan names, which decides on who else may have it.
    pub(in crate::domain) planned_for: AgentName,
    pub(in crate::domain) worker_type: String,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::domain) enum TimeKind {
    /// How long a worker of ours may run.
    TimeBox,
    /// How long a handoff may lie before that is told.
    UntakenAlert,
    /// How long it may lie before it goes to somebody else.
    Untaken,
}

impl Index {
    /// Derives all indexes.
    pub(super) fn of(state: &State) -> Self {
        let mut index = Self::default();
        for task in state.tasks.values() {
            index.add_task(task);
            index.refresh_task(
                task,
                task.orchestration_id().and_then(|id| state.orchestrations.get(id)),
            );
        }
        for run in state.orchestrations.values() {
            index.add_run(run);
            for attempt in run.runs.iter().flat_map(|run| &run.attempts) {
                if state.at.is_some_and(|at| at.boot == attempt.issued_at.boot) {
                    index.note_start(&attempt.agent, &attempt.issued_at);
                }
            }
        }
        for worker in state.specs.values() {
            index.refresh_spec(worker);
        }
        for claim in state.claims.keys() {
            index.owed.insert(Effect::SettleClaim(claim.clone()));
        }
        let held = state.tasks.values().filter(|task| matches!(task.phase, Phase::Planning));
        for task in held {
            index.hold_claim(&task.source);
        }
        index
    }

    /// Notes that an attempt of a master began.
    pub(super) fn note_start(&mut self, agent: &AgentName, at: &Moment) {
        self.starts.entry(agent.clone()).or_default().note(at.boottime_ms);
    }

    /// Takes in a task that is new.
    pub(super) fn add_task(&mut self, task: &Task) {
        if let TaskSource::Queue { fingerprint, has_id: false, .. } = &task.source {
            self.without_id.entry(fingerprint.clone()).or_default().push(task.id.clone());
        }
    }

    /// Takes in a run that is new or was read from a snapshot.
    pub(super) fn add_run(&mut self, run: &Orchestration) {
        for (position, subtask) in run.plan.subtasks.iter().enumerate() {
            self.subtasks.insert(subtask.subtask_id.clone(), (run.id.clone(), position));
            for attempt in &run.runs[position].attempts {
                self.refresh_attempt(run, position, attempt);
            }
        }
        if run.kind == RunKind::Planned {
            self.counts.total += 1;
        }
        self.count(run, 1);
        self.refresh_run(run);
    }

    /// Looks at the state of a task again.
    pub(super) fn refresh_task(&mut self, task: &Task, run: Option<&Orchestration>) {
        let open = match &task.phase {
            Phase::Planning => true,
            Phase::Routed { .. } | Phase::Orchestrating { .. } => {
                run.is_none_or(|run| !run.is_over())
            }
            Phase::Rejected { .. } | Phase::Cancelled { .. } => false,
        };
        put(&mut self.open_tasks, task.id.clone(), open);
        if let Some(run) = run {
            self.refresh_began(task, run);
        }
        let planning = matches!(task.phase, Phase::Planning);
        put(&mut self.owed, Effect::DraftPlan(task.id.clone()), planning);
    }

    fn refresh_began(&mut self, task: &Task, run: &Orchestration) {
        if let Some(began) = self.run_began.remove(&run.id) {
            self.running.remove(&began, run.id.clone());
        }
        if !run.is_over() {
            let began = task.reopened_at.unwrap_or(run.created_at).plus_ms(run.paused_ms);
            self.running.insert(&began, run.id.clone());
            self.run_began.insert(run.id.clone(), began);
        }
    }

    /// The file of a task stays claimed until its plan is known, so that it ends up on the right
    /// side.
    pub(super) fn hold_claim(&mut self, source: &TaskSource) {
        if let TaskSource::Inbox { claim, .. } = source {
            self.owed.remove(&Effect::SettleClaim(claim.clone()));
        }
    }

    /// Looks at everything about a run again.
    pub(super) fn refresh_run(&mut self, run: &Orchestration) {
        put(&mut self.open_runs, run.id.clone(), !run.is_over());
        if let OrchestrationPhase::Blocked(asked) = &run.phase
            && !asked.overdue
        {
            self.asked.insert(&asked.since, run.id.clone());
        }
        let undone_next = run.next_to_undo();
        self.refresh_answered(run);
        for position in 0..run.runs.len() {
            self.place_turn(run, position, undone_next);
        }
    }

    /// Looks again at whether a subtask could start, or could be undone.
    pub(super) fn refresh_turn(&mut self, run: &Orchestration, position: usize) {
        self.place_turn(run, position, run.next_to_undo());
    }

    fn place_turn(&mut self, run: &Orchestration, position: usize, undone_next: Option<usize>) {
        let phase = &run.runs[position].phase;
        let may_begin = matches!(run.phase, OrchestrationPhase::InProgress)
            && matches!(phase, SubtaskPhase::Pending)
            && run.dependencies_satisfied(position);
        let backoff = run.runs[position].backoff();
        let may_be_undone = undone_next == Some(position) && backoff.is_none();
        let is_list = run.plan.subtasks[position].for_each.is_some();
        let ready = may_begin && !is_list || may_be_undone;
        let agent = run.agent_of(position);
        if ready {
            self.ready.entry(agent.clone()).or_default().insert(Turn::of(run, position));
        } else {
            self.leave_line(run, position);
        }
        let subtask_id = &run.plan.subtasks[position].subtask_id;
        put(&mut self.fan_outs, subtask_id.clone(), may_begin && is_list);
        let revising = matches!(phase, SubtaskPhase::Revising { .. }) && !run.is_over();
        put(&mut self.owed, Effect::RevisePlan(subtask_id.clone()), revising);
        if let Some(BackingOff { since, delay_ms }) = backoff {
            let due = since.plus_ms(delay_ms);
            let due = (due.boot, due.boottime_ms, subtask_id.clone());
            put(&mut self.backoffs, due, !run.is_over());
        }
    }

    /// Takes a subtask out of the line of the master that has it.
    pub(super) fn leave_line(&mut self, run: &Orchestration, position: usize) {
        let agent = run.agent_of(position);
        if let Some(line) = self.ready.get_mut(agent) {
            line.remove(&Turn::of(run, position));
            if line.is_empty() {
                self.ready.remove(agent);
            }
        }
    }

    /// Looks again at what may start because of what became of the subtask at `position`. In a
    /// staged plan that is decided when the stage is complete.
    pub(super) fn refresh_followers(&mut self, run: &Orchestration, position: usize) {
        match run.plan.strategy {
            Strategy::Staged => {}
            Strategy::Adaptive => {
                for follower in run.order.dependents(position) {
                    self.refresh_turn(run, *follower);
                }
            }
            Strategy::Sequential => {
                // Those right after it may have been left out before their turn came.
                let after = run.order.after(position).iter();
                if let Some(next) = after.copied().find(|at| !run.runs[*at].is_satisfied()) {
                    self.refresh_turn(run, next);
                }
            }
        }
        if let Some(next) = run.next_to_undo() {
            self.refresh_turn(run, next);
        }
    }

    /// Forgets a back-off that is over.
    pub(super) fn end_backoff(&mut self, run: &Orchestration, position: usize) {
        if let Some(BackingOff { since, delay_ms }) = run.runs[position].backoff() {
            let due = since.plus_ms(delay_ms);
            let id = run.plan.subtasks[position].subtask_id.clone();
            self.backoffs.remove(&(due.boot, due.boottime_ms, id));
        }
    }

    /// Looks again at what an attempt holds and owes.
    pub(super) fn refresh_attempt(
        &mut self,
        run: &Orchestration,
        position: usize,
        attempt: &Attempt,
    ) {
        let launched = attempt.execution != Execution::External;
        let is = |phase: bool, by: bool| phase && by;
        let published = matches!(attempt.phase, AttemptPhase::Published { .. });
        // A worker of a master has an identity here only if it may be stopped.
        let (ending, stops) = match &attempt.phase {
            AttemptPhase::Ending { identity, .. } => (true, launched || identity.is_some()),
            AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. }
            | AttemptPhase::Ended { .. } => (false, false),
        };
        let id = &attempt.id;
        let issued = matches!(attempt.phase, AttemptPhase::Issued);
        put(&mut self.owed, Effect::PublishHandoff(id.clone()), issued);
        put(&mut self.owed, Effect::LaunchWorker(id.clone()), is(published, launched));
        put(&mut self.owed, Effect::StopWorker(id.clone()), is(ending, stops));
        put(&mut self.owed, Effect::WithdrawHandoff(id.clone()), is(ending, !stops));
        let phase = &run.runs[position].phase;
        put(&mut self.condemned, id.clone(), is_condemned(attempt, launched, phase));
        let subtask = &run.plan.subtasks[position];
        if attempt.is_live() && !self.live.contains_key(id) {
            let held = Held {
                agent: attempt.agent.clone(),
                launched,
                files: subtask.files_affected.clone(),
                began: None,
                timed: None,
            };
            *self.live_by_agent.entry(held.agent.clone()).or_default() += 1;
            self.live_launched += usize::from(launched);
            self.files_in_use.take(&held.files);
            self.live.insert(id.clone(), held);
        } else if !attempt.is_live()
            && let Some(held) = self.live.get(id).cloned()
        {
            self.live_launched -= usize::from(held.launched);
            if let Some(count) = self.live_by_agent.get_mut(&held.agent) {
                *count -= 1;
                if *count == 0 {
                    self.live_by_agent.remove(&held.agent);
                }
            }
            self.files_in_use.release(&held.files);
            self.specs_left.extend(self.specs_by_attempt.get(id).into_iter().flatten().cloned());
        }
        self.refresh_times(attempt, subtask);
        if !attempt.is_live() {
            self.live.remove(id);
        }
    }

    /// Looks again at what an attempt waits for that time alone brings.
    fn refresh_times(&mut self, attempt: &Attempt, subtask: &Subtask) {
        let Some(held) = self.live.get_mut(&attempt.id) else { return };
        let (id, launched) = (&attempt.id, held.launched);
        let (began, timed) = match &attempt.phase {
            AttemptPhase::Running { at, .. } => (Some(*at), Some((TimeKind::TimeBox, *at))),
            AttemptPhase::Taken { at } => (Some(*at), None),
            AttemptPhase::Published { .. } if launched => (None, None),
            AttemptPhase::Published { at } if attempt.untaken_told => {
                (None, Some((TimeKind::Untaken, *at)))
            }
            AttemptPhase::Published { at } => (None, Some((TimeKind::UntakenAlert, *at))),
            AttemptPhase::Issued | AttemptPhase::Ending { .. } | AttemptPhase::Ended { .. } => {
                (None, None)
            }
        };
        let limit = |kind| TimeLimit {
            kind,
            agent: attempt.agent.clone(),
            planned_for: subtask.assigned_to.clone(),
            worker_type: subtask.worker_type.clone(),
        };
        let timed = timed.map(|(kind, at)| (limit(kind), at.plus_ms(attempt.paused_ms)));
        if let Some(at) = held.began.take() {
            self.begun.remove(&at, Watched::Attempt(id.clone()));
        }
        if let Some((limit, at)) = held.timed.take()
            && let Some(waiting) = self.timed.get_mut(&limit)
        {
            waiting.remove(&at, id.clone());
            if waiting.is_empty() {
                self.timed.remove(&limit);
            }
        }
        if let Some(at) = &began {
            self.begun.insert(at, Watched::Attempt(id.clone()));
        }
        if let Some((limit, at)) = &timed {
            self.timed.entry(limit.clone()).or_default().insert(at, id.clone());
        }
        (held.began, held.timed) = (began, timed);
    }

    /// Takes in the spec of a worker, or looks again at what becomes of it. Attempts are known
    /// before.
    pub(super) fn refresh_spec(&mut self, worker: &SpecWorker) {
        let id = &worker.spec.worker_id;
        let is_open = worker.settled.is_none();
        put(&mut self.owed, Effect::MoveSpec(id.clone()), !is_open);
        if is_open {
            self.begun.insert(&worker.seen_at, Watched::Spec(id.clone()));
        } else {
            self.begun.remove(&worker.seen_at, Watched::Spec(id.clone()));
        }
        let Some(attempt) = &worker.attempt else { return };
        self.specs_by_attempt.entry(attempt.clone()).or_default().insert(id.clone());
        let is_left = is_open && !self.live.contains_key(attempt);
        put(&mut self.specs_left, id.clone(), is_left);
    }

    /// Forgets a worker that is followed no more.
    pub(super) fn end_spec(&mut self, worker: &SpecWorker) {
        let id = &worker.spec.worker_id;
        self.owed.remove(&Effect::MoveSpec(id.clone()));
        self.begun.remove(&worker.seen_at, Watched::Spec(id.clone()));
        self.specs_left.remove(id);
        let Some(attempt) = &worker.attempt else { return };
        if let Some(workers) = self.specs_by_attempt.get_mut(attempt) {
            workers.remove(id);
            if workers.is_empty() {
                self.specs_by_attempt.remove(attempt);
            }
        }
    }

    /// Adds `by` (1 or -1) to the count of the way in which a planned run ended.
    pub(super) fn count(&mut self, run: &Orchestration, by: isize) {
        if run.kind != RunKind::Planned {
            return;
        }
        let counter = match run.phase {
            OrchestrationPhase::Completed { .. } => &mut self.counts.completed,
            OrchestrationPhase::Failed { .. } | OrchestrationPhase::RolledBack { .. } => {
                &mut self.counts.failed
            }
            OrchestrationPhase::Cancelled { .. } => &mut self.counts.cancelled,
            OrchestrationPhase::InProgress
            | OrchestrationPhase::Paused { .. }
            | OrchestrationPhase::Compensating { .. }
            | OrchestrationPhase::Blocked(_) => return,
        };
        *counter = counter.saturating_add_signed(by);
    }
}

/// What is stalled elsewhere is condemned once: then a person is asked, and its subtask is blocked.
fn is_condemned(attempt: &Attempt, launched: bool, phase: &SubtaskPhase) -> bool {
    let liveness = attempt.standing.as_ref().map(|standing| standing.liveness);
    is_at_work(attempt)
        && match liveness.unwrap_or_default() {
            Liveness::Gone => true,
            Liveness::Stalled => {
                launched || matches!(phase, SubtaskPhase::InAttempt | SubtaskPhase::Undoing { .. })
            }
            Liveness::Healthy | Liveness::Quiet | Liveness::Suspect => false,
        }
}

fn put<T: Ord>(set: &mut BTreeSet<T>, value: T, present: bool) {
    if present {
        set.insert(value);
    } else {
        set.remove(&value);
    }
}
