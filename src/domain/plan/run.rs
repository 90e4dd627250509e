//! The run of a plan: how far it and each of its subtasks are.

use serde::{Deserialize, Serialize};

use super::{Plan, Revision, Strategy};
use crate::domain::ids::{AgentName, AttemptId, OrchestrationId, SubtaskId, TaskId};
use crate::domain::moment::{Moment, is_no_time};
use crate::domain::order::Order;
use crate::domain::report::{Failure, SubtaskResult};
use crate::domain::task::{Priority, Task};
use crate::domain::worker::Attempt;

/// Whether a run has a plan of its own or is a task given whole to one master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Split into subtasks; has a plan file.
    Planned,
    /// One subtask that bears the task's id; has no plan file.
    Routed,
}

/// The run of one plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Orchestration {
    /// Its id.
    pub id: OrchestrationId,
    /// The task it carries out.
    pub task_id: TaskId,
    /// The task's title.
    pub title: String,
    /// Whether it was planned or routed.
    pub kind: RunKind,
    /// Inherited by every handoff.
    pub priority: Priority,
    /// When its plan was accepted.
    pub created_at: Moment,
    /// The plan.
    pub plan: Plan,
    /// One run a subtask, in the order of `plan.subtasks`.
    pub runs: Vec<SubtaskRun>,
    /// How far it is.
    pub phase: OrchestrationPhase,
    /// The stage that is being worked on, from 1; the last one when all are done.
    pub current_stage: usize,
    /// Retries that any of its subtasks used.
    #[serde(default)]
    pub retries: u32,
    /// How often its plan was changed since it began.
    #[serde(default)]
    pub revision: u32,
    /// How often it was planned again because of failures.
    #[serde(default)]
    pub replans: u32,
    /// For how long the host was suspended since it began, or was begun anew.
    #[serde(default, skip_serializing_if = "is_no_time")]
    pub paused_ms: u64,
    /// The number of the event that accepted its plan: older runs go first.
    pub accepted_seq: u64,
    /// Derived from `plan`: see [`Orchestration::reorder`].
    #[serde(skip)]
    pub order: Order,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum OrchestrationPhase {
    /// Handoffs are given as soon as dependencies and limits allow.
    InProgress,
    /// No new handoffs until it is resumed; what runs, runs on.
    Paused {
        /// Since when.
        since: Moment,
        /// By whose wish.
        reason: String,
    },
    /// A subtask used up its attempts: a person has to decide.
    Blocked(Escalation),
    /// All five conditions of S4-68 held.
    Completed {
        /// When.
        at: Moment,
    },
    /// It cannot reach its goal: what it did is undone, the last first.
    Compensating {
        /// Since when.
        since: Moment,
        /// Why.
        reason: String,
        /// What is undone, in that order.
        #[serde(default)]
        order: Vec<SubtaskId>,
    },
    /// What it did was undone.
    RolledBack {
        /// When.
        at: Moment,
        /// Why.
        reason: String,
    },
    /// Ended without its goal.
    Failed {
        /// When.
        at: Moment,
        /// Why.
        reason: String,
    },
    /// Ended by a person.
    Cancelled {
        /// When.
        at: Moment,
        /// By whose wish.
        reason: String,
    },
}

/// What a person is asked when a subtask cannot go on (S4-54, S2-48).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Since when it waits.
    pub since: Moment,
    /// The subtask that cannot go on.
    pub blocking_subtask: SubtaskId,
    /// What went wrong, e.g. `implementation worker failed 3 times: exit code 2`.
    pub failure_reason: String,
    /// What is asked of whom.
    pub escalation: String,
    /// The commands that answer it.
    pub options: Vec<String>,
    /// Whether it was told again that nobody answered.
    #[serde(default)]
    pub overdue: bool,
}

/// The run of one subtask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubtaskRun {
    /// How far it is.
    pub phase: SubtaskPhase,
    /// Every attempt that was ever made, oldest first.
    pub attempts: Vec<Attempt>,
    /// Attempts that count against the limit: failures, not interruptions.
    pub failures: u32,
    /// Who has it now, where that is not whom the plan names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// Who had it before, in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents_before: Vec<AgentName>,
    /// How many attempts in a row were cut off from outside, since a person began it anew or
    /// somebody else got it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub interruptions: u32,
    /// How many of the failures came before the one who has it now got it.
    #[serde(default)]
    pub failures_before: u32,
    /// Set by every retry: why, and what was changed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryRecord>,
}

/// Why a subtask is tried again (S4-52).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryRecord {
    /// How many retries so far.
    pub retry_count: u32,
    /// What failed.
    pub retry_reason: String,
    /// What is done differently this time.
    pub retry_modifications: String,
}

/// A time that has to go by first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackingOff {
    /// From when the delay counts.
    pub since: Moment,
    /// How long it is.
    pub delay_ms: u64,
}

/// How far a subtask is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum SubtaskPhase {
    /// Waits for dependencies or for its stage.
    Pending,
    /// Failed and will be tried again when its back-off is over.
    BackingOff {
        /// From when the delay counts.
        since: Moment,
        /// How long it is.
        delay_ms: u64,
    },
    /// An attempt is under way: the last one of `attempts`.
    InAttempt,
    /// Done, and what it delivered.
    Completed {
        /// When.
        at: Moment,
        /// The attempt that did it.
        attempt_id: AttemptId,
        /// What it delivered.
        result: SubtaskResult,
    },
    /// A revision of the plan is awaited that replaces it.
    Revising {
        /// Since when.
        since: Moment,
        /// Which.
        revision: Revision,
        /// The failure that led to it, or the items it is for.
        reason: String,
    },
    /// Others took its place.
    Replaced {
        /// When.
        at: Moment,
        /// Which.
        by: Vec<SubtaskId>,
    },
    /// It was done and is to be undone: waits for its turn, or an attempt is at it.
    Undoing {
        /// Since when.
        since: Moment,
        /// What it had delivered.
        result: SubtaskResult,
        /// The back-off before the next attempt at undoing it, if one is due.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backoff: Option<BackingOff>,
    },
    /// It was done and is undone.
    Compensated {
        /// When.
        at: Moment,
    },
    /// It was done and could not be undone.
    NotCompensated {
        /// When.
        at: Moment,
        /// Why not.
        failure: Failure,
    },
    /// Every attempt is used up; somebody has to decide.
    Blocked {
        /// When.
        at: Moment,
        /// The last failure.
        failure: Failure,
    },
    /// Left out by a person; what depends on it goes on without its result.
    Skipped {
        /// When.
        at: Moment,
        /// By whose wish.
        reason: String,
    },
    /// Ended with its run.
    Cancelled {
        /// When.
        at: Moment,
    },
}

impl SubtaskPhase {
    /// Returns the change of the plan that is awaited.
    pub fn revision(&self) -> Option<Revision> {
        if let SubtaskPhase::Revising { revision, .. } = self { Some(*revision) } else { None }
    }

    /// Returns what the subtask delivered, when it is completed.
    pub fn result(&self) -> Option<&SubtaskResult> {
        match self {
            SubtaskPhase::Completed { result, .. } => Some(result),
            SubtaskPhase::Pending
            | SubtaskPhase::BackingOff { .. }
            | SubtaskPhase::InAttempt
            | SubtaskPhase::Revising { .. }
            | SubtaskPhase::Replaced { .. }
            | SubtaskPhase::Undoing { .. }
            | SubtaskPhase::Compensated { .. }
            | SubtaskPhase::NotCompensated { .. }
            | SubtaskPhase::Blocked { .. }
            | SubtaskPhase::Skipped { .. }
            | SubtaskPhase::Cancelled { .. } => None,
        }
    }
}

/// The status words of a subtask in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubtaskStatus {
    /// Waits for dependencies.
    Pending,
    /// Could start; limits or a back-off hold it.
    Ready,
    /// A handoff is out; nobody has begun.
    HandedOff,
    /// A worker is at it.
    Active,
    /// Done.
    Completed,
    /// Ended without success.
    Failed,
    /// Its worker stopped without a word.
    Zombie,
    /// Waits for a person.
    Blocked,
    /// Left out.
    Skipped,
    /// Ended with its run.
    Cancelled,
    /// Undone after it was done.
    Compensated,
}

impl Orchestration {
    /// Begins the run of `plan`; nothing of it is done.
    pub fn new(
        task: &Task,
        kind: RunKind,
        plan: Plan,
        created_at: Moment,
        accepted_seq: u64,
    ) -> Self {
        let runs = vec![SubtaskRun::new(); plan.subtasks.len()];
        let order = Order::of(&plan);
        Self {
            id: OrchestrationId::of(&task.id),
            task_id: task.id.clone(),
            title: task.spec.title.clone(),
            kind,
            priority: task.spec.priority,
            created_at,
            plan,
            runs,
            phase: OrchestrationPhase::InProgress,
            current_stage: 1,
            retries: 0,
            revision: 0,
            replans: 0,
            paused_ms: 0,
            accepted_seq,
            order,
        }
    }

    /// Derives `order` again, after the rest was read from a snapshot.
    pub fn reorder(&mut self) {
        self.order = Order::of(&self.plan);
    }

    /// Returns the position of a subtask in `plan.subtasks` and `runs`.
    pub fn position(&self, id: &SubtaskId) -> Option<usize> {
        self.order.position(id)
    }

    /// Tells whether it has ended. Its last workers may still be ending, and a person's retry makes
    /// it go on.
    pub fn is_over(&self) -> bool {
        match self.phase {
            OrchestrationPhase::Completed { .. }
            | OrchestrationPhase::RolledBack { .. }
            | OrchestrationPhase::Failed { .. }
            | OrchestrationPhase::Cancelled { .. } => true,
            OrchestrationPhase::InProgress
            | OrchestrationPhase::Paused { .. }
            | OrchestrationPhase::Compensating { .. }
            | OrchestrationPhase::Blocked(_) => false,
        }
    }

    /// Returns completed subtasks per hundred (S4-62); skipped ones count as done, and replaced ones
    /// not at all.
    pub fn progress_percent(&self) -> u32 {
        let replaced = self.runs.iter().filter(|run| run.is_replaced()).count();
        let done = self.runs.iter().filter(|run| run.is_satisfied()).count() - replaced;
        u32::try_from(done * 100 / (self.runs.len() - replaced).max(1)).unwrap_or(100)
    }

    /// Returns the status word of the subtask at `position`.
    pub fn status(&self, position: usize) -> SubtaskStatus {
        let run = &self.runs[position];
        match &run.phase {
            SubtaskPhase::Pending if self.dependencies_satisfied(position) => SubtaskStatus::Ready,
            SubtaskPhase::Pending => SubtaskStatus::Pending,
            SubtaskPhase::BackingOff { .. } => SubtaskStatus::Ready,
            SubtaskPhase::InAttempt => match run.attempts.last() {
                Some(attempt) if attempt.is_zombie() => SubtaskStatus::Zombie,
                Some(attempt) if attempt.has_begun() => SubtaskStatus::Active,
                Some(_) | None => SubtaskStatus::HandedOff,
            },
            SubtaskPhase::Revising { .. } | SubtaskPhase::NotCompensated { .. } => {
                SubtaskStatus::Failed
            }
            SubtaskPhase::Undoing { .. } => SubtaskStatus::Active,
            SubtaskPhase::Compensated { .. } => SubtaskStatus::Compensated,
            SubtaskPhase::Completed { .. } => SubtaskStatus::Completed,
            SubtaskPhase::Blocked { .. } => SubtaskStatus::Blocked,
            SubtaskPhase::Replaced { .. } | SubtaskPhase::Skipped { .. } => SubtaskStatus::Skipped,
            SubtaskPhase::Cancelled { .. } if self.failed_by(position) => SubtaskStatus::Failed,
            SubtaskPhase::Cancelled { .. } => SubtaskStatus::Cancelled,
        }
    }

    /// Tells whether the run failed and the last that was tried of the subtask at `position` had
    /// failed too: it did not end with its run, its run ended with it.
    fn failed_by(&self, position: usize) -> bool {
        let last = self.runs[position].attempts.last();
        matches!(self.phase, OrchestrationPhase::Failed { .. })
            && last.is_some_and(|attempt| attempt.failure().is_some())
    }

    /// Tells whether the order of the plan lets the subtask at `position` start now, whatever the
    /// limits say.
    pub fn dependencies_satisfied(&self, position: usize) -> bool {
        let satisfied = |at: usize| self.runs[at].is_satisfied();
        match self.plan.strategy {
            Strategy::Adaptive => self.order.dependencies(position).iter().all(|at| satisfied(*at)),
            Strategy::Staged => self.stage_of(position) <= self.current_stage,
            Strategy::Sequential => self.order.before(position).iter().all(|at| satisfied(*at)),
        }
    }

    /// Returns who has the subtask at `position`.
    pub fn agent_of(&self, position: usize) -> &AgentName {
        self.runs[position].agent.as_ref().unwrap_or(&self.plan.subtasks[position].assigned_to)
    }

    /// Returns the stage, from 1, of the subtask at `position`.
    pub fn stage_of(&self, position: usize) -> usize {
        self.order.stage(position)
    }

    /// Returns the first stage, from 1, that is not complete when the subtask at `but` is taken
    /// as satisfied; one more than there are stages when all are.
    pub fn first_open_stage(&self, but: Option<usize>) -> usize {
        self.runs
            .iter()
            .enumerate()
            .filter(|(position, run)| Some(*position) != but && !run.is_satisfied())
            .map(|(position, _)| self.stage_of(position))
            .min()
            .unwrap_or(self.plan.stages.len() + 1)
    }
}

impl SubtaskRun {
    /// Returns the run of a subtask that nobody has touched.
    pub fn new() -> Self {
        Self {
            phase: SubtaskPhase::Pending,
            attempts: Vec::new(),
            failures: 0,
            agent: None,
            agents_before: Vec::new(),
            interruptions: 0,
            failures_before: 0,
            retry: None,
        }
    }

    /// Tells whether what depends on it may go on.
    pub fn is_satisfied(&self) -> bool {
        match self.phase {
            SubtaskPhase::Completed { .. }
            | SubtaskPhase::Skipped { .. }
            | SubtaskPhase::Replaced { .. } => true,
            SubtaskPhase::Pending
            | SubtaskPhase::BackingOff { .. }
            | SubtaskPhase::InAttempt
            | SubtaskPhase::Revising { .. }
            | SubtaskPhase::Undoing { .. }
            | SubtaskPhase::Compensated { .. }
            | SubtaskPhase::NotCompensated { .. }
            | SubtaskPhase::Blocked { .. }
            | SubtaskPhase::Cancelled { .. } => false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_none(count: &u32) -> bool {
    *count == 0
}

impl Default for SubtaskRun {
    fn default() -> Self {
        Self::new()
    }
}
