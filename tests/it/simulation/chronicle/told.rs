//! What the chronicle knows of tasks, runs, subtasks and attempts.

use std::collections::{BTreeMap, BTreeSet};

use baton::domain::Moment;
use baton::domain::plan::Plan;
use baton::domain::report::Failure;
use baton::domain::worker::Recall;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulation) enum TaskTold {
    Planning,
    Running,
    Ended,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::simulation) struct RunTold {
    pub(in crate::simulation) task_id: String,
    pub(in crate::simulation) is_routed: bool,
    pub(in crate::simulation) plan: Plan,
    pub(in crate::simulation) phase: RunPhase,
    pub(in crate::simulation) subtasks: Vec<SubtaskTold>,
    pub(in crate::simulation) replans: u32,
    /// What is undone, in that order, once that began.
    pub(in crate::simulation) undone: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulation) enum RunPhase {
    Going,
    Paused,
    /// Something is blocked, and why.
    Blocked(String),
    RollingBack,
    Completed,
    /// Failed, rolled back or cancelled.
    Over,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::simulation) struct SubtaskTold {
    pub(in crate::simulation) phase: SubtaskPhase,
    pub(in crate::simulation) attempts: Vec<String>,
    /// Failures of each agent since a person last began it anew.
    pub(in crate::simulation) failures_on: BTreeMap<String, u32>,
    pub(in crate::simulation) agent: Option<String>,
    pub(in crate::simulation) fallbacks: u32,
    pub(in crate::simulation) last_failure: Option<Failure>,
    /// How many attempts in a row were cut off since a person or another agent took it up.
    pub(in crate::simulation) interruptions: u32,
    /// How often in a row the last failure looked the same.
    pub(in crate::simulation) same_failures: u32,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::simulation) enum SubtaskPhase {
    #[default]
    Free,
    BackingOff(Moment, u64),
    Live,
    Done(String),
    Skipped,
    Revising,
    Replaced,
    /// It is to be undone; waits for a back-off first, if there is one.
    Undoing(Option<(Moment, u64)>),
    Undone,
    Blocked,
    Cancelled,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::simulation) struct AttemptTold {
    pub(in crate::simulation) subtask: String,
    pub(in crate::simulation) agent: String,
    pub(in crate::simulation) is_launched: bool,
    pub(in crate::simulation) number: u32,
    pub(in crate::simulation) nonce: String,
    /// The event that decided it.
    pub(in crate::simulation) seq: u64,
    pub(in crate::simulation) issued_at: Moment,
    pub(in crate::simulation) is_published: bool,
    pub(in crate::simulation) published_at: Option<Moment>,
    pub(in crate::simulation) is_taken: bool,
    pub(in crate::simulation) started_at: Option<Moment>,
    /// For how long the machine slept since it was published, or since it began.
    pub(in crate::simulation) paused_ms: u64,
    pub(in crate::simulation) recalled: Option<(Recall, Moment)>,
    /// The first event of the record that suspects it, while that stands.
    pub(in crate::simulation) suspected_seq: Option<u64>,
    /// It was said to be stalled or gone.
    pub(in crate::simulation) is_condemned: bool,
    /// It was told that nobody takes it.
    pub(in crate::simulation) is_untaken: bool,
    /// Something of it could not be ended.
    pub(in crate::simulation) is_unstoppable: bool,
    pub(in crate::simulation) end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulation) enum End {
    Completed,
    Failed,
    Interrupted,
    Withdrawn,
    Cancelled,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::simulation) struct CircuitTold {
    pub(in crate::simulation) since: Moment,
    pub(in crate::simulation) cool_down_ms: u64,
    pub(in crate::simulation) is_half_open: bool,
}

impl RunTold {
    pub(in crate::simulation) fn is_over(&self) -> bool {
        matches!(self.phase, RunPhase::Completed | RunPhase::Over)
    }

    pub(super) fn end(&mut self, live: &BTreeSet<String>) {
        for subtask in &mut self.subtasks {
            if let SubtaskPhase::Undoing(_) = subtask.phase {
                subtask.phase = SubtaskPhase::Undone;
            }
            let is_open = matches!(
                subtask.phase,
                SubtaskPhase::Free
                    | SubtaskPhase::BackingOff(..)
                    | SubtaskPhase::Revising
                    | SubtaskPhase::Blocked
            );
            if is_open {
                let is_live = subtask.attempts.last().is_some_and(|id| live.contains(id));
                subtask.phase = if is_live { SubtaskPhase::Live } else { SubtaskPhase::Cancelled };
            }
        }
        self.phase = RunPhase::Over;
    }

    /// Tells whether what waits for a subtask may go on.
    pub(in crate::simulation) fn is_satisfied(&self, at: usize) -> bool {
        matches!(
            self.subtasks[at].phase,
            SubtaskPhase::Done(_) | SubtaskPhase::Skipped | SubtaskPhase::Replaced
        )
    }

    /// Returns the place of a subtask where one goes after the other: by stages, and within a stage,
    /// whose order says nothing, as the plan lists them.
    pub(in crate::simulation) fn turn(&self, at: usize) -> (usize, usize) {
        (self.stage(at), at)
    }

    pub(in crate::simulation) fn agent(&self, at: usize) -> &str {
        self.subtasks[at].agent.as_deref().unwrap_or(self.plan.subtasks[at].assigned_to.as_str())
    }

    pub(in crate::simulation) fn stage(&self, at: usize) -> usize {
        let id = &self.plan.subtasks[at].subtask_id;
        self.plan.stages.iter().position(|stage| stage.contains(id)).unwrap_or(0)
    }
}

impl AttemptTold {
    pub(in crate::simulation) fn is_live(&self) -> bool {
        self.end.is_none()
    }
}
