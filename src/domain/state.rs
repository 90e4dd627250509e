//! Everything that is true now: the fold of the journal, live and in replay.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::effect::Effect;
use super::ids::{AttemptId, ClaimId, CommandId, OrchestrationId, SubtaskId, TaskId};
use super::moment::Moment;
use super::plan::Orchestration;
use super::task::Task;
use super::worker::Attempt;

/// The whole state. A snapshot of it is its JSON; the indexes are rebuilt when it is read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// The number of the last event that was applied; 0 before the first.
    pub seq: u64,
    /// The epoch of the last daemon that started.
    pub epoch: u64,
    /// When the last record was decided.
    pub at: Option<Moment>,
    /// Every task that was ever accepted.
    pub tasks: BTreeMap<TaskId, Task>,
    /// Every run.
    pub orchestrations: BTreeMap<OrchestrationId, Orchestration>,
    /// Refused entries of the queue, by position and fingerprint, and why: they are marked
    /// `rejected` in the queue and not told again.
    pub refused_entries: BTreeMap<String, String>,
    /// Claims on inbox files whose file is not put away yet.
    pub claims: BTreeMap<ClaimId, Claim>,
    /// Every command that was answered.
    pub answers: BTreeMap<CommandId, Answer>,
    /// Files that cannot be used, by path; each with the digest that was told.
    pub quarantined: BTreeMap<String, Quarantined>,
    /// Digests of reports that were told, by path.
    pub reports_seen: BTreeMap<String, String>,
    /// Documents up to this event are on disk for certain.
    pub documents_synced: u64,
    /// Derived: what is owed, and where things are.
    #[serde(skip)]
    pub(super) index: Index,
}

/// What can be derived from the rest of the state, kept so that no decision searches.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Index {
    /// Effects whose outcome is not journalled.
    pub(super) owed: BTreeSet<Effect>,
    /// Where each subtask is.
    pub(super) subtasks: HashMap<SubtaskId, (OrchestrationId, usize)>,
}

/// What is to become of a claimed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The name it was dropped as.
    pub file: String,
    /// `None`: accepted. Otherwise the text of the `.reason.json` beside the refused file.
    pub refused: Option<String>,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When.
    pub at: Moment,
    /// What was to be done.
    pub verb: String,
    /// To what.
    pub target: String,
    /// Whether it was done.
    pub ok: bool,
    /// What was done, or why not and what to do.
    pub message: String,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Which content of it was told.
    pub digest: String,
    /// What is wrong with it, for a person.
    pub problem: String,
    /// Where a copy is, relative to `coordination/`.
    pub copy: Option<String>,
    /// Since when.
    pub since: Moment,
}

impl State {
    /// Returns what is owed; see [`super::effect::outbox`].
    pub(super) fn owed(&self) -> &BTreeSet<Effect> {
        &self.index.owed
    }

    /// Finds a subtask: its run and its position there.
    pub fn subtask(&self, id: &SubtaskId) -> Option<(&Orchestration, usize)> {
        let (orchestration_id, position) = self.index.subtasks.get(id)?;
        Some((self.orchestrations.get(orchestration_id)?, *position))
    }

    /// Finds an attempt: its run, the position of its subtask there, and itself.
    pub fn attempt(&self, id: &AttemptId) -> Option<(&Orchestration, usize, &Attempt)> {
        let (subtask_id, _) = id.as_str().rsplit_once("-attempt-")?;
        let (orchestration_id, position) = self.index.subtasks.get(subtask_id)?;
        let run = self.orchestrations.get(orchestration_id)?;
        let attempt = run.runs[*position].attempts.iter().find(|a| a.id == *id)?;
        Some((run, *position, attempt))
    }
}
