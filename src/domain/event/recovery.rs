//! What events about recovery say.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{AgentName, AttemptId, OrchestrationId, SubtaskId, TaskId};
use crate::domain::plan::{Plan, Revision, Why};
use crate::domain::report::Failure;

/// A subtask goes to another agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reassigned {
    /// Which run.
    pub orchestration_id: OrchestrationId,
    /// Which subtask.
    pub subtask_id: SubtaskId,
    /// Who had it.
    pub from: AgentName,
    /// Who gets it.
    pub assigned_to: AgentName,
    /// Why this one, with the others that were possible.
    pub why: Why,
}

/// A subtask is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionRequested {
    /// Which run.
    pub orchestration_id: OrchestrationId,
    /// Which subtask.
    pub subtask_id: SubtaskId,
    /// How.
    pub revision: Revision,
    /// The failure that led to it, or the items it is for.
    pub reason: String,
}

/// A plan was changed while it ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanRevised {
    /// Which run.
    pub orchestration_id: OrchestrationId,
    /// The subtask that is replaced.
    pub subtask_id: SubtaskId,
    /// By which.
    pub replaced_by: Vec<SubtaskId>,
    /// How.
    pub revision: Revision,
    /// The whole plan from now on: what it had stands where it stood, what is new comes after.
    pub plan: Box<Plan>,
    /// Why.
    pub why: Why,
}

/// A plan could not be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionRefused {
    /// Which run.
    pub orchestration_id: OrchestrationId,
    /// The subtask that was to be replaced.
    pub subtask_id: SubtaskId,
    /// How.
    pub revision: Revision,
    /// Why not.
    pub reason: String,
}

/// A run is rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompensationStarted {
    /// Which.
    pub orchestration_id: OrchestrationId,
    /// Its task.
    pub task_id: TaskId,
    /// What is undone, in that order: the last that was done first.
    pub subtasks: Vec<SubtaskId>,
    /// Why.
    pub reason: String,
}

/// A subtask is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compensated {
    /// Which run.
    pub orchestration_id: OrchestrationId,
    /// Which subtask.
    pub subtask_id: SubtaskId,
    /// The attempt that undid it.
    pub attempt_id: AttemptId,
    /// What was done.
    pub summary: String,
}

/// A subtask could not be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompensationFailed {
    /// Which run.
    pub orchestration_id: OrchestrationId,
    /// Which subtask.
    pub subtask_id: SubtaskId,
    /// The last failure.
    pub failure: Failure,
}

/// A circuit breaker changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitChanged {
    /// Whose.
    pub agent: AgentName,
    /// How many of its attempts failed in a row.
    #[serde(default)]
    pub failures: u32,
    /// How long it is given nothing, where it opens.
    #[serde(default)]
    pub cool_down_ms: u64,
    /// Why.
    pub reason: String,
}
