//! A task as somebody dropped it, and as the machine carries it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{AgentName, ClaimId, OrchestrationId, TaskId};
use super::moment::{Moment, Timestamp};
use super::plan::{DraftSubtask, Strategy};

/// How urgent a task is; `Critical` sorts first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before everything else.
    Critical,
    /// Before what is merely due.
    High,
    /// What a task has when it says nothing.
    #[default]
    Medium,
    /// When nothing else is waiting.
    Low,
}

impl Priority {
    /// Returns the word that files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Critical => "critical",
            Priority::High => "high",
            Priority::Medium => "medium",
            Priority::Low => "low",
        }
    }
}

/// A task as its author wrote it, read leniently but not yet judged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// The id as written, trimmed; it may still be missing or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// One line; the first line of the description when the author gave none.
    pub title: String,
    /// Everything else the author said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The author's own word for the kind of work (`type`), e.g. `development`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// When the author says it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Who the author says wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// The master the author asks for, trimmed; honoured if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    /// `Some(true)` forces a plan, `Some(false)` forces a single worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orchestration_required: Option<bool>,
    /// The author's own measure of difficulty, a word or a number.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub complexity: Value,
    /// Free context, passed on in the handoff as it is.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub context: Map<String, Value>,
    /// Free metadata, kept and never read.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub metadata: Value,
    /// How the author wants the plan to be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// The author's own plan: then nothing is drafted, only validated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subtasks: Vec<DraftSubtask>,
    /// The author's own stages for those subtasks, as lists of their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Vec<String>>,
    /// Every other field, as it is: an entry of the queue that is put back has them again.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub rest: Map<String, Value>,
}

/// Where a task came from, so that its author can be answered there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum TaskSource {
    /// An entry of `task-queue.json`.
    Queue {
        /// Its position, from 0, when it was read.
        index: usize,
        /// CRC-32C of the entry's bytes in hex: names it together with `index` until it has an id.
        fingerprint: String,
        /// False while the id is ours alone and has to be written back.
        has_id: bool,
    },
    /// A file of the drop box.
    Inbox {
        /// The claim under which it was taken.
        claim: ClaimId,
        /// The name it was dropped as.
        file: String,
        /// Numeric owner of the file, who thereby asked for the work.
        owner: u32,
    },
}

impl Task {
    /// Returns who asked for it, by number of the user, where it came as a file of the drop box.
    pub fn owner(&self) -> Option<u32> {
        match self.source {
            TaskSource::Inbox { owner, .. } => Some(owner),
            TaskSource::Queue { .. } => None,
        }
    }
}

/// Removals of an open task from the queue that are undone; the next is its owner's decision.
pub const PUT_BACK_MAX: u32 = 1;

/// A task that was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id, the author's or ours.
    pub id: TaskId,
    /// What was asked.
    pub spec: TaskSpec,
    /// Where it came from.
    pub source: TaskSource,
    /// When it was accepted.
    pub accepted_at: Moment,
    /// How far it is.
    pub phase: Phase,
    /// How often others removed it from the queue while it was open.
    #[serde(default)]
    pub removals: u32,
    /// How often drafting its plan ended the daemon.
    #[serde(default)]
    pub draft_crashes: u32,
    /// True while it is not in the queue although it should be.
    #[serde(default)]
    pub missing: bool,
    /// When it last went on after it had ended or was blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened_at: Option<Moment>,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Accepted; a draft of its plan is owed.
    Planning,
    /// Given whole to one master; runs as an orchestration of one subtask.
    Routed {
        /// Its run.
        orchestration_id: OrchestrationId,
        /// Who has it.
        master: AgentName,
    },
    /// Split; runs as an orchestration.
    Orchestrating {
        /// Its run.
        orchestration_id: OrchestrationId,
    },
    /// Refused when it was planned.
    Rejected {
        /// When.
        at: Moment,
        /// Why, and what to do.
        error: String,
    },
    /// Ended before it was planned.
    Cancelled {
        /// When.
        at: Moment,
        /// By whose wish.
        reason: String,
    },
}

impl Task {
    /// Returns the run of this task, when it has one.
    pub fn orchestration_id(&self) -> Option<&OrchestrationId> {
        match &self.phase {
            Phase::Routed { orchestration_id, .. } | Phase::Orchestrating { orchestration_id } => {
                Some(orchestration_id)
            }
            Phase::Planning | Phase::Rejected { .. } | Phase::Cancelled { .. } => None,
        }
    }
}
