//! Everything that is true now: the fold of the journal, live and in replay.

mod apply;
mod files;
mod index;
mod since;
mod starts;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::effect::Effect;
use super::event::Record;
use super::ids::{
    AgentName, AttemptId, ClaimId, CommandId, OrchestrationId, SubtaskId, TaskId, WorkerId,
};
use super::moment::{BootId, Moment};
use super::plan::{Orchestration, Revision};
use super::spec::SpecWorker;
use super::task::Task;
use super::worker::Attempt;
pub(super) use files::FilesInUse;
#[cfg(test)]
pub(super) use index::AGEING_EVENTS;
use index::Index;
pub(super) use index::{TimeKind, Turn};

/// A suspension that is shorter is told together with the next: the clocks are not read at once.
const SUSPENDED_MS_MIN: u64 = 1_000;

/// The whole state. A snapshot of it is its JSON; the indexes are rebuilt when it is read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct State {
    /// The number of the last event that was applied; 0 before the first.
    pub seq: u64,
    /// The epoch of the last daemon that started.
    pub epoch: u64,
    /// When the last record was decided.
    pub at: Option<Moment>,
    /// When the first record of this boot was decided; `None` while no other boot came before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_seen: Option<Moment>,
    /// How long the host was suspended, as far as that is told; `None` while nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspended>,
    /// Every task that was ever accepted.
    pub tasks: BTreeMap<TaskId, Task>,
    /// Every run.
    pub orchestrations: BTreeMap<OrchestrationId, Orchestration>,
    /// Refused entries of the queue, by position and fingerprint, and why: they are marked
    /// `rejected` in the queue and not told again.
    pub refused_entries: BTreeMap<String, RefusedEntry>,
    /// Claims on inbox files whose file is not put away yet.
    pub claims: BTreeMap<ClaimId, Claim>,
    /// Every command that was answered.
    pub answers: BTreeMap<CommandId, Answer>,
    /// Files that cannot be used, by path; each with the digest that was told.
    pub quarantined: BTreeMap<String, Quarantined>,
    /// The digest of the report that was told last, by path.
    pub reports_seen: BTreeMap<String, String>,
    /// Digests of the reports told before that one, the latest last.
    #[serde(default)]
    pub reports_before: BTreeMap<String, Vec<String>>,
    /// Workers that masters made known, whose spec is in `worker-specs/active/`.
    #[serde(default)]
    pub specs: BTreeMap<WorkerId, SpecWorker>,
    /// The circuit breakers of masters that failed lately.
    #[serde(default)]
    pub circuits: BTreeMap<AgentName, Circuit>,
    /// Documents up to this event are on disk for certain.
    pub documents_synced: u64,
    /// Derived: what is owed, and where things are.
    #[serde(skip)]
    pub(super) index: Index,
}

/// How long the host was suspended in one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    /// In which.
    pub boot: BootId,
    /// All times together.
    pub total_ms: u64,
}

/// What is to become of a claimed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The name it was dropped as.
    pub file: String,
    /// `None`: accepted. Otherwise the text of the `.reason.json` beside the refused file.
    pub refused: Option<String>,
}

/// Why an entry of the queue is not taken up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedEntry {
    /// Since when.
    pub at: Moment,
    /// What is wrong with it, and what its author can do.
    pub error: String,
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

/// Whether a master is given work (S1-39).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circuit {
    /// How many of its attempts failed since the last success.
    pub failures: u32,
    /// How it stands.
    pub phase: CircuitPhase,
}

/// How a circuit breaker stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum CircuitPhase {
    /// Work is given.
    Closed,
    /// None is given.
    Open {
        /// Since when.
        since: Moment,
        /// For how long.
        cool_down_ms: u64,
    },
    /// One attempt is given, to see.
    HalfOpen {
        /// How long it was open before.
        cool_down_ms: u64,
        /// How many of its attempts had failed when it was given the trial.
        #[serde(default)]
        failures_before: u32,
    },
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

/// Says that a record does not follow from the state: the journal is not ours, or we have a bug.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("event {seq} ({event}) does not follow from the state before it: {problem}")]
pub struct IllegalTransition {
    /// The number of the event.
    pub seq: u64,
    /// Its type.
    pub event: String,
    /// What is in its way.
    pub problem: String,
}

/// How many planned runs there are, by how they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunCounts {
    /// All of them.
    pub total: usize,
    /// Those that reached their goal.
    pub completed: usize,
    /// Those that ended without it.
    pub failed: usize,
    /// Those that a person ended.
    pub cancelled: usize,
}

impl State {
    /// Applies one record: the only way in which the state changes, live and in replay.
    ///
    /// # Errors
    /// The record does not follow from the state. The state is then of no further use.
    pub fn apply(&mut self, record: &Record) -> Result<(), IllegalTransition> {
        let refuse = |problem: String| IllegalTransition {
            seq: record.seq,
            event: record.cause.clone(),
            problem,
        };
        if record.seq != self.seq + 1 {
            return Err(refuse(format!("event {} was expected", self.seq + 1)));
        }
        if record.epoch < self.epoch {
            return Err(refuse(format!("its epoch {} is over", record.epoch)));
        }
        if self.at.is_some_and(|at| at.boot != record.at.boot) {
            // A boot takes its time: what began before it is of another minute.
            self.index.starts.clear();
        }
        for (seq, event) in (record.seq..).zip(&record.events) {
            self.apply_event(event, seq, &record.at).map_err(|problem| IllegalTransition {
                seq,
                event: event.kind().to_owned(),
                problem,
            })?;
            self.seq = seq;
        }
        if self.at.is_some_and(|before| before.boot != record.at.boot) {
            self.boot_seen = Some(record.at);
        }
        self.at = Some(record.at);
        Ok(())
    }

    /// Returns when the boot of the last record was first seen: its beginning where it is the only
    /// one, or nobody noted.
    pub fn this_boot(&self) -> Option<Moment> {
        let at = self.at?;
        let seen = self.boot_seen.filter(|seen| seen.boot == at.boot);
        Some(seen.unwrap_or(Moment { boottime_ms: 0, ..at }))
    }

    /// Returns for how long the host was suspended beyond what is told, where that is long enough to
    /// be told and this boot was known before.
    pub fn suspended_beyond(&self, total_ms: u64, now: &Moment) -> Option<u64> {
        let known = self.suspended.filter(|known| known.boot == now.boot)?;
        let for_ms = total_ms.saturating_sub(known.total_ms);
        (for_ms >= SUSPENDED_MS_MIN).then_some(for_ms)
    }

    /// Derives every index again, after the rest was read from a snapshot.
    pub fn reindex(&mut self) {
        for run in self.orchestrations.values_mut() {
            run.reorder();
        }
        self.index = Index::of(self);
    }

    /// Returns what is owed; see [`super::effect::outbox`].
    pub(super) fn owed(&self) -> &BTreeSet<Effect> {
        &self.index.owed
    }

    /// Returns a copy without tasks, runs and indexes: a snapshot writes those in parts.
    pub fn without_tasks_and_runs(&self) -> State {
        // Named one by one, so that a new field cannot be left out of snapshots.
        let State {
            seq,
            epoch,
            at,
            boot_seen,
            suspended,
            tasks: _,
            orchestrations: _,
            refused_entries,
            claims,
            answers,
            quarantined,
            reports_seen,
            reports_before,
            specs,
            circuits,
            documents_synced,
            index: _,
        } = self;
        State {
            seq: *seq,
            epoch: *epoch,
            at: *at,
            boot_seen: *boot_seen,
            suspended: *suspended,
            tasks: BTreeMap::new(),
            orchestrations: BTreeMap::new(),
            refused_entries: refused_entries.clone(),
            claims: claims.clone(),
            answers: answers.clone(),
            quarantined: quarantined.clone(),
            reports_seen: reports_seen.clone(),
            reports_before: reports_before.clone(),
            specs: specs.clone(),
            circuits: circuits.clone(),
            documents_synced: *documents_synced,
            index: Index::default(),
        }
    }

    /// Finds a subtask: its run and its position there.
    pub fn subtask(&self, id: &SubtaskId) -> Option<(&Orchestration, usize)> {
        let (orchestration_id, position) = self.index.subtasks.get(id)?;
        Some((self.orchestrations.get(orchestration_id)?, *position))
    }

    /// Returns the change of the plan that a subtask waits for.
    pub fn revising(&self, id: &SubtaskId) -> Option<Revision> {
        let (run, position) = self.subtask(id)?;
        run.runs[position].phase.revision()
    }

    /// Tells whether this content of a report was told.
    pub fn report_was_told(&self, path: &str, digest: &str) -> bool {
        let before = self.reports_before.get(path);
        self.reports_seen.get(path).is_some_and(|last| last == digest)
            || before.is_some_and(|before| before.iter().any(|known| known == digest))
    }

    /// Tells whether a subtask bears this name.
    pub fn subtask_exists(&self, id: &str) -> bool {
        self.index.subtasks.contains_key(id)
    }

    /// Tells whether this name of a subtask is in use in the directory.
    pub fn is_taken(&self, id: &SubtaskId) -> bool {
        self.subtask_exists(id.as_str()) || self.tasks.contains_key(id.as_str())
    }

    /// Tells whether Baton launched the worker of this name: it writes the spec of that one itself.
    pub fn launched(&self, worker_id: &str) -> bool {
        let id = AttemptId::parse(worker_id).ok();
        let attempt = id.as_ref().and_then(|id| self.attempt(id));
        attempt.is_some_and(|(_, _, attempt)| attempt.is_launched())
    }

    /// Finds an attempt: its run, the position of its subtask there, and itself.
    pub fn attempt(&self, id: &AttemptId) -> Option<(&Orchestration, usize, &Attempt)> {
        let (subtask_id, _) = id.as_str().rsplit_once("-attempt-")?;
        let (orchestration_id, position) = self.index.subtasks.get(subtask_id)?;
        let run = self.orchestrations.get(orchestration_id)?;
        let attempt = run.runs[*position].attempts.iter().find(|a| a.id == *id)?;
        Some((run, *position, attempt))
    }

    /// Returns every attempt that still holds anything, in order of its id.
    pub fn live_attempts(&self) -> impl Iterator<Item = &AttemptId> {
        self.index.live.keys()
    }

    /// Returns the workers of masters that carry out an attempt, in order of their ids.
    pub fn specs_of(&self, id: &AttemptId) -> impl Iterator<Item = &SpecWorker> {
        let workers = self.index.specs_by_attempt.get(id);
        workers.into_iter().flatten().filter_map(|worker| self.specs.get(worker))
    }

    /// Returns the workers of masters that carry out no attempt of ours and are not over, in order
    /// of their ids.
    pub fn unlinked_specs(&self) -> impl Iterator<Item = &SpecWorker> {
        self.specs.values().filter(|worker| worker.attempt.is_none() && worker.settled.is_none())
    }

    /// Returns every run that is not over.
    pub fn open_runs(&self) -> impl Iterator<Item = &Orchestration> {
        self.index.open_runs.iter().filter_map(|id| self.orchestrations.get(id))
    }

    /// Returns every accepted task that has neither ended nor been refused.
    pub fn open_tasks(&self) -> impl Iterator<Item = &Task> {
        self.index.open_tasks.iter().filter_map(|id| self.tasks.get(id))
    }

    /// Tells whether a task has neither ended nor been refused.
    pub fn is_open(&self, id: &TaskId) -> bool {
        self.index.open_tasks.contains(id)
    }

    /// Counts the planned runs.
    pub fn run_counts(&self) -> RunCounts {
        self.index.counts
    }

    /// Returns how many attempts a master has under way.
    pub fn attempts_of(&self, agent: &AgentName) -> usize {
        self.index.live_by_agent.get(agent).copied().unwrap_or(0)
    }

    /// Counts the attempts of a master that began within the minute before `now`.
    pub fn starts_within_a_minute(&self, agent: &AgentName, now: Moment) -> usize {
        if self.at.is_none_or(|at| at.boot != now.boot) {
            return 0;
        }
        self.index.starts.get(agent).map_or(0, |starts| starts.within_a_minute(now.boottime_ms))
    }

    /// Returns from when on a master may begin something again of which `limit` may begin within a
    /// minute; `None` where that does not hold it back.
    pub(super) fn room_to_start_at(&self, agent: &AgentName, limit: u32) -> Option<Moment> {
        let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0)?;
        let boottime_ms = self.index.starts.get(agent)?.room_at_ms(limit)?;
        Some(Moment { boottime_ms, ..self.at? })
    }

    /// Returns the tasks that were accepted from queue entries with this fingerprint and without
    /// an id, in order of acceptance.
    pub fn queued_without_id(&self, fingerprint: &str) -> &[TaskId] {
        self.index.without_id.get(fingerprint).map_or(&[], Vec::as_slice)
    }
}

/// Returns the key in [`State::refused_entries`] of an entry of the queue.
pub fn entry_key(index: usize, fingerprint: &str) -> String {
    format!("{index}:{fingerprint}")
}

/// Returns the key in [`State::refused_entries`] of an entry that names a task which is known
/// already: it is told once for each content.
pub fn repeat_key(id: &str, fingerprint: &str) -> String {
    format!("repeat:{id}:{fingerprint}")
}
