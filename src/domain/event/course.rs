//! What events about the course of a run say.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{AgentName, AttemptId, OrchestrationId, SubtaskId, TaskId, WorkerId};
use crate::domain::plan::Why;
use crate::domain::worker::{Execution, Purpose};

/// A subtask is given to a master: the intent, before anything is on disk or started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOff {
    /// Which run.
    pub orchestration_id: OrchestrationId,
    /// Which subtask.
    pub subtask_id: SubtaskId,
    /// The attempt.
    pub attempt_id: AttemptId,
    /// Its number, from 1.
    pub attempt: u32,
    /// To whom.
    pub assigned_to: AgentName,
    /// The worker that will carry it out.
    pub worker_id: WorkerId,
    /// Who runs it.
    pub execution: Execution,
    /// See [`crate::domain::worker::Attempt::nonce`].
    pub nonce: String,
    /// Whether the work is to be done or undone.
    #[serde(default, skip_serializing_if = "Purpose::is_work")]
    pub purpose: Purpose,
    /// Why this one and why now.
    pub why: Why,
}

/// A run waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// Which.
    pub orchestration_id: OrchestrationId,
    /// Its task.
    pub task_id: TaskId,
    /// The subtask that cannot go on.
    pub blocking_subtask: SubtaskId,
    /// What went wrong.
    pub failure_reason: String,
    /// What is asked of whom.
    pub escalation: String,
    /// The commands that answer it.
    pub options: Vec<String>,
}

/// A subtask is tried again when its back-off is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// Which run.
    pub orchestration_id: OrchestrationId,
    /// Which.
    pub subtask_id: SubtaskId,
    /// How many retries, this one included.
    pub retry_count: u32,
    /// What failed.
    pub retry_reason: String,
    /// What is done differently.
    pub retry_modifications: String,
    /// How long to wait first.
    pub delay_ms: u64,
}

/// What is done about a failure, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Which run.
    pub orchestration_id: OrchestrationId,
    /// Which subtask.
    pub subtask_id: SubtaskId,
    /// The strategy on the recovery roster that answered.
    pub strategy: String,
    /// The rule, the evidence and what else was possible.
    pub why: Why,
}

/// Nobody answered what a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overdue {
    /// Which run.
    pub orchestration_id: OrchestrationId,
    /// The subtask that cannot go on.
    pub subtask_id: SubtaskId,
    /// How long it waits.
    pub waited_ms: u64,
}
