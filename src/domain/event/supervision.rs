//! What events about the life of workers say.

use serde::{Deserialize, Serialize};

use crate::domain::evidence::Evidence;
use crate::domain::ids::{AgentName, AttemptId, OrchestrationId, SubtaskId, WorkerId};
use crate::domain::plan::Why;
use crate::domain::spec::SpecFolder;

/// How a worker was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Which.
    pub worker_id: WorkerId,
    /// The attempt of ours that it carries out, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_id: Option<AttemptId>,
    /// Its subtask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtask_id: Option<SubtaskId>,
    /// What that rests on.
    pub evidence: Evidence,
}

/// A worker that could not be ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unstoppable {
    /// Which.
    pub worker_id: WorkerId,
    /// The attempt it carries out.
    pub attempt_id: AttemptId,
    /// Its subtask.
    pub subtask_id: SubtaskId,
    /// The processes that remain.
    pub survivors: Vec<u32>,
    /// What the operator can do.
    pub remedy: String,
}

/// Verdicts that do not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// How many workers looked dead.
    pub workers: usize,
    /// What that looks like.
    pub reason: String,
}

/// A handoff that nobody takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untaken {
    /// Which run.
    pub orchestration_id: OrchestrationId,
    /// The attempt it is for.
    pub attempt_id: AttemptId,
    /// Its subtask.
    pub subtask_id: SubtaskId,
    /// Who was to take it.
    pub assigned_to: AgentName,
    /// For how long it lies there.
    pub waited_ms: u64,
    /// What follows if nobody takes it, and when.
    pub remedy: String,
}

/// Where the spec of a worker goes, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecSettled {
    /// Whose.
    pub worker_id: WorkerId,
    /// Where to.
    pub folder: SpecFolder,
    /// The rule and the evidence.
    pub why: Why,
}

/// A spec that is in `worker-specs/active/` no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecMoved {
    /// Whose.
    pub worker_id: WorkerId,
    /// Whether it is gone by somebody else's doing, which is no sign of death (S4-48).
    #[serde(default)]
    pub vanished: bool,
}

/// A host that was suspended and goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostResumed {
    /// For how long nobody could do anything that was not told before.
    pub for_ms: u64,
    /// How long it was suspended in this boot, all times together.
    pub total_ms: u64,
}
