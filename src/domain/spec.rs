//! Workers that masters started themselves and made known by a spec in `worker-specs/active/`.

use serde::{Deserialize, Serialize};

use super::evidence::Standing;
use super::ids::{AgentName, AttemptId, SubtaskId, WorkerId};
use super::moment::Moment;
use super::worker::ProcessIdentity;

/// A spec as it was read, leniently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecSeen {
    /// The worker it is about.
    pub worker_id: WorkerId,
    /// Its file, relative to `coordination/`.
    pub path: String,
    /// Who started it, as the spec says (`parent_master`, `created_by`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<AgentName>,
    /// What sort of worker it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub worker_type: String,
    /// The task it names, whether it is ours or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The subtask it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtask_id: Option<SubtaskId>,
    /// The attempt it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_id: Option<AttemptId>,
    /// The process id that the spec or `worker.pid` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The process, if one of that number runs that may be it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<ProcessIdentity>,
    /// How it ended, if the spec says that it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<SpecFolder>,
}

/// Where the spec of a worker goes that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpecFolder {
    /// It delivered.
    Completed,
    /// It failed, or was ended.
    Failed,
    /// It is gone, and left no result.
    Zombie,
}

impl SpecFolder {
    /// Returns the name of the folder below `worker-specs/`.
    pub fn as_str(self) -> &'static str {
        match self {
            SpecFolder::Completed => "completed",
            SpecFolder::Failed => "failed",
            SpecFolder::Zombie => "zombie",
        }
    }
}

/// A worker that is followed by its spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecWorker {
    /// What its spec says.
    pub spec: SpecSeen,
    /// Since when it is followed.
    pub seen_at: Moment,
    /// How it was found to be; `None` while nothing was ever wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// Where its spec goes, once that is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<SpecFolder>,
}
