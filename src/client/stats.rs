//! How well it goes: what the journal says of runs, recoveries and workers, counted.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Client, ClientError};
use crate::domain::Event;
use crate::domain::event::{Blocked, CompensationStarted, Decided};
use crate::domain::ids::{AttemptId, OrchestrationId, SubtaskId};

/// What the journal says, counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Statistics {
    /// Runs of plans and of tasks that were routed whole.
    pub runs: Runs,
    /// Subtasks that failed at least once.
    pub recovery: Share,
    /// Subtasks that were to be undone.
    pub compensation: Share,
    /// How often each strategy answered a failure.
    pub strategies: BTreeMap<String, usize>,
    /// What was found out about workers.
    pub workers: Workers,
}

/// How runs went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Runs {
    /// All of them.
    pub total: usize,
    /// Those that are not over.
    pub open: usize,
    /// Those that reached their goal.
    pub completed: usize,
    /// Those that ended without it.
    pub failed: usize,
    /// Those whose work was undone.
    pub rolled_back: usize,
    /// Those that a person ended.
    pub cancelled: usize,
    /// Completed ones per hundred that came to an end by themselves (S0-87).
    pub success_percent: Option<u32>,
    /// Those per hundred of the ended ones in which no person was asked or stepped in (S0-87).
    pub unattended_percent: Option<u32>,
}

/// How many of some succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Share {
    /// How many there are that came to an end.
    pub total: usize,
    /// How many succeeded, without a person.
    pub succeeded: usize,
    /// Those per hundred (S0-88).
    pub percent: Option<u32>,
}

/// What was found out about workers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Workers {
    /// Attempts that were given out.
    pub attempts: usize,
    /// Times that one was quiet for too long.
    pub heartbeats_missed: usize,
    /// Times that one was found stalled.
    pub stalled: usize,
    /// Times that one was found gone.
    pub gone: usize,
    /// Times that one showed signs of life again.
    pub recovered: usize,
    /// Attempts that were found stalled or gone and delivered after all.
    pub doubted_and_delivered: usize,
    /// Attempts that something from outside cut off.
    pub interrupted: usize,
}

impl Client {
    /// Counts what the journal says.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn statistics(&self) -> Result<Statistics, ClientError> {
        let mut count = Count::default();
        for record in self.records()? {
            record?.events.iter().for_each(|event| count.take(event));
        }
        Ok(count.statistics())
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Failed,
    RolledBack,
    Cancelled,
}

#[derive(Debug, Default)]
struct Run {
    end: Option<End>,
    /// Whether a person was asked or stepped in.
    attended: bool,
}

#[derive(Debug, Default)]
struct Subtask {
    failed: bool,
    completed: bool,
    given_up: bool,
}

/// Everything that is counted, while it is.
#[derive(Debug, Default)]
struct Count {
    runs: BTreeMap<OrchestrationId, Run>,
    run_of: BTreeMap<SubtaskId, OrchestrationId>,
    subtasks: BTreeMap<SubtaskId, Subtask>,
    doubted: BTreeSet<AttemptId>,
    to_undo: usize,
    undone: usize,
    strategies: BTreeMap<String, usize>,
    workers: Workers,
}

impl Count {
    fn take(&mut self, event: &Event) {
        self.take_run(event);
        self.take_subtask(event);
        self.take_worker(event);
    }

    fn take_run(&mut self, event: &Event) {
        let mut end = |id: &OrchestrationId, end| {
            self.runs.entry(id.clone()).or_default().end = Some(end);
        };
        if let Event::OrchestrationCompleted { orchestration_id, .. } = event {
            end(orchestration_id, End::Completed);
        } else if let Event::OrchestrationFailed { orchestration_id, .. } = event {
            end(orchestration_id, End::Failed);
        } else if let Event::OrchestrationRolledBack { orchestration_id, .. } = event {
            end(orchestration_id, End::RolledBack);
        } else if let Event::OrchestrationCancelled { orchestration_id, .. } = event {
            end(orchestration_id, End::Cancelled);
        } else if let Event::PlanAccepted { orchestration_id, plan, .. }
        | Event::TaskRouted { orchestration_id, plan, .. } = event
        {
            self.runs.entry(orchestration_id.clone()).or_default();
            for subtask in &plan.subtasks {
                self.run_of.insert(subtask.subtask_id.clone(), orchestration_id.clone());
            }
        } else if let Event::OrchestrationBlocked(Blocked { orchestration_id, .. })
        | Event::OrchestrationPaused { orchestration_id, .. } = event
        {
            self.runs.entry(orchestration_id.clone()).or_default().attended = true;
        } else if let Event::OrchestrationRetried { orchestration_id, .. } = event {
            let run = self.runs.entry(orchestration_id.clone()).or_default();
            (run.end, run.attended) = (None, true);
        }
    }

    fn take_subtask(&mut self, event: &Event) {
        if let Event::SubtaskFailed { subtask_id, .. } = event {
            self.subtask(subtask_id).failed = true;
        } else if let Event::SubtaskCompleted { subtask_id, .. } = event {
            self.subtask(subtask_id).completed = true;
        } else if let Event::OrchestrationBlocked(Blocked { blocking_subtask, .. }) = event {
            self.subtask(blocking_subtask).given_up = true;
        } else if let Event::CompensationStarted(CompensationStarted { subtasks, .. }) = event {
            self.to_undo += subtasks.len();
        } else if let Event::SubtaskCompensated(_) = event {
            self.undone += 1;
        } else if let Event::RecoveryDecided(Decided { strategy, .. }) = event {
            *self.strategies.entry(strategy.clone()).or_default() += 1;
        }
    }

    fn take_worker(&mut self, event: &Event) {
        let workers = &mut self.workers;
        if let Event::WorkerStalled(found) | Event::WorkerGone(found) = event {
            self.doubted.extend(found.attempt_id.clone());
            let is_gone = matches!(event, Event::WorkerGone(_));
            workers.gone += usize::from(is_gone);
            workers.stalled += usize::from(!is_gone);
        }
        if let Event::SubtaskCompleted { attempt_id, .. } = event {
            workers.doubted_and_delivered += usize::from(self.doubted.contains(attempt_id));
        }
        workers.attempts += usize::from(matches!(event, Event::SubtaskHandedOff(_)));
        workers.heartbeats_missed += usize::from(matches!(event, Event::WorkerHeartbeatMissed(_)));
        workers.recovered += usize::from(matches!(event, Event::WorkerRecovered(_)));
        workers.interrupted += usize::from(matches!(event, Event::AttemptInterrupted { .. }));
    }

    fn subtask(&mut self, id: &SubtaskId) -> &mut Subtask {
        self.subtasks.entry(id.clone()).or_default()
    }

    fn statistics(self) -> Statistics {
        let with = |end| self.runs.values().filter(|run| run.end == Some(end)).count();
        let (completed, failed) = (with(End::Completed), with(End::Failed));
        let (rolled_back, cancelled) = (with(End::RolledBack), with(End::Cancelled));
        let ended = completed + failed + rolled_back;
        let unattended =
            |run: &&Run| run.end.is_some_and(|end| end != End::Cancelled) && !run.attended;
        // One that is still being tried again counts for neither side.
        let is_settled = |(id, subtask): &(&SubtaskId, &Subtask)| {
            let run = self.run_of.get(*id).and_then(|id| self.runs.get(id));
            let is_over = run.is_some_and(|run| run.end.is_some());
            subtask.failed && (subtask.completed || subtask.given_up || is_over)
        };
        let settled = || self.subtasks.iter().filter(is_settled);
        let recovered =
            settled().filter(|(_, subtask)| subtask.completed && !subtask.given_up).count();
        let failed_once = settled().count();
        Statistics {
            runs: Runs {
                total: self.runs.len(),
                open: self.runs.values().filter(|run| run.end.is_none()).count(),
                completed,
                failed,
                rolled_back,
                cancelled,
                success_percent: percent(completed, ended),
                unattended_percent: percent(self.runs.values().filter(unattended).count(), ended),
            },
            recovery: Share::of(recovered, failed_once),
            compensation: Share::of(self.undone, self.to_undo),
            strategies: self.strategies,
            workers: self.workers,
        }
    }
}

impl Share {
    fn of(succeeded: usize, total: usize) -> Self {
        Self { total, succeeded, percent: percent(succeeded, total) }
    }
}

/// Returns how many per hundred `part` is; `None` of nothing.
fn percent(part: usize, whole: usize) -> Option<u32> {
    u32::try_from(part * 100).ok()?.checked_div(u32::try_from(whole).ok()?)
}
