//! Workers, ours and those of masters, with what is known of their lives.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::client::documents::{HealthDocument, WorkerDocument};
use crate::domain::State;
use crate::domain::evidence::{Liveness, ProcessState, Sign, Standing};
use crate::domain::ids::WorkerId;
use crate::domain::moment::Timestamp;
use crate::domain::plan::Orchestration;
use crate::domain::spec::SpecWorker;
use crate::domain::worker::{Attempt, AttemptPhase, Execution};

/// A worker that lives, as far as is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Worker {
    /// Its id.
    pub worker_id: String,
    /// Whose it is.
    pub owner: Owner,
    /// The master it works for.
    pub parent_master: String,
    /// The subtask it carries out, where that is known.
    pub subtask_id: Option<String>,
    /// pending, running, stopping; what its spec says where nobody follows it yet.
    pub status: String,
    /// When it began, or when it was first seen.
    pub started_at: Option<Timestamp>,
    /// Its process id, as far as anybody named one.
    pub pid: Option<u32>,
    /// What is known of its process.
    pub process: ProcessState,
    /// How it is.
    pub liveness: Liveness,
    /// Since when; null where it always was so.
    pub since: Option<Timestamp>,
    /// The sign of life that was seen last.
    pub last_sign: Option<LastSign>,
    /// The time of its last heartbeat as it says itself.
    pub claimed_heartbeat: Option<String>,
    /// What was decided from its signs last, and by which rule.
    pub verdict: String,
    /// Why it is called back, where it is.
    pub reason: Option<String>,
    /// Processes of it that could not be ended.
    pub survivors: Vec<u32>,
    /// The specs by which masters made known who carries it out.
    pub specs: Vec<String>,
    /// Where its spec lies, or goes to once the daemon has moved it.
    pub folder: String,
}

/// Whose a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Baton launched it.
    Baton,
    /// A master elsewhere carries out an attempt of ours.
    Master,
    /// A master works at something that Baton did not give it.
    Other,
    /// Its spec is there, and no daemon has said anything about it yet.
    Unknown,
}

/// The sign of life that was seen last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastSign {
    /// Which.
    pub sign: Sign,
    /// When.
    pub at: Timestamp,
    /// What was seen.
    pub what: String,
}

/// Lists the workers that live: those of Baton, those of masters that carry out an attempt, all
/// others.
pub(super) fn workers(state: &State, specs: &[WorkerDocument]) -> Vec<Worker> {
    let by_id: BTreeMap<&str, &WorkerDocument> =
        specs.iter().map(|spec| (spec.worker_id.as_str(), spec)).collect();
    let live = state.live_attempts().filter_map(|id| state.attempt(id));
    let mut workers: Vec<Worker> = live
        .filter(|(.., attempt)| is_somebody(attempt))
        .map(|(run, position, attempt)| {
            let seen = by_id.get(attempt.worker_id.as_str());
            let health = seen.and_then(|spec| spec.health.as_ref());
            let specs: Vec<&SpecWorker> = state.specs_of(&attempt.id).collect();
            Worker::of_attempt(run, position, attempt, health, &specs)
        })
        .collect();
    workers.extend(state.unlinked_specs().map(Worker::of_spec));
    let ids = workers.iter().map(|worker| worker.worker_id.as_str());
    let followed = state.specs.keys().map(WorkerId::as_str);
    let known: BTreeSet<&str> = ids.chain(followed).collect();
    let unknown = specs.iter().filter(|spec| !known.contains(spec.worker_id.as_str()));
    let unknown: Vec<Worker> = unknown.map(Worker::unknown).collect();
    workers.extend(unknown);
    workers.sort_by_key(|worker| worker.owner as u8);
    workers
}

/// A handoff that lies there is nobody's work.
fn is_somebody(attempt: &Attempt) -> bool {
    match (&attempt.execution, &attempt.phase) {
        (_, AttemptPhase::Ended { .. })
        | (Execution::External, AttemptPhase::Issued | AttemptPhase::Published { .. }) => false,
        (Execution::External, AttemptPhase::Ending { .. }) => attempt.started.is_some(),
        (Execution::Launched { .. }, _)
        | (Execution::External, AttemptPhase::Taken { .. } | AttemptPhase::Running { .. }) => true,
    }
}

impl Worker {
    fn of_attempt(
        run: &Orchestration,
        position: usize,
        attempt: &Attempt,
        health: Option<&HealthDocument>,
        specs: &[&SpecWorker],
    ) -> Self {
        let (status, reason, survivors) = match &attempt.phase {
            AttemptPhase::Issued | AttemptPhase::Published { .. } => ("pending", None, Vec::new()),
            AttemptPhase::Taken { .. } | AttemptPhase::Running { .. } => {
                ("running", None, Vec::new())
            }
            AttemptPhase::Ending { reason, survivors, .. } => {
                ("stopping", Some(reason.clone()), survivors.clone())
            }
            AttemptPhase::Ended { .. } => ("ended", None, Vec::new()),
        };
        let is_ours = attempt.execution != Execution::External;
        let named = specs.iter().find_map(|worker| worker.spec.pid);
        let runs = is_ours && attempt.started.is_some();
        let at_first = if runs { ProcessState::Running } else { process_of(specs) };
        let mut worker = Self {
            worker_id: attempt.worker_id.to_string(),
            owner: if is_ours { Owner::Baton } else { Owner::Master },
            parent_master: attempt.agent.to_string(),
            subtask_id: Some(run.plan.subtasks[position].subtask_id.to_string()),
            status: status.to_owned(),
            started_at: attempt.started.map(|started| started.at.wall),
            pid: attempt.started.and_then(|started| started.pid).or(named),
            reason,
            survivors,
            specs: specs.iter().map(|worker| worker.spec.worker_id.to_string()).collect(),
            ..Self::new(at_first)
        };
        worker.judge(attempt.standing.as_deref());
        if let Some(health) = health {
            worker.see(health);
        }
        worker
    }

    fn of_spec(followed: &SpecWorker) -> Self {
        let spec = &followed.spec;
        let mut worker = Self {
            worker_id: spec.worker_id.to_string(),
            owner: Owner::Other,
            parent_master: spec.master.as_ref().map(ToString::to_string).unwrap_or_default(),
            subtask_id: spec.subtask_id.as_ref().map(ToString::to_string),
            status: if spec.is_waiting { "pending" } else { "running" }.to_owned(),
            started_at: Some(followed.seen_at.wall),
            pid: spec.pid,
            folder: followed.settled.map_or("active", |folder| folder.as_str()).to_owned(),
            ..Self::new(process_of(&[followed]))
        };
        worker.judge(followed.standing.as_ref());
        worker
    }

    fn unknown(spec: &WorkerDocument) -> Self {
        Self {
            worker_id: spec.worker_id.clone(),
            parent_master: spec.parent_master.clone(),
            subtask_id: Some(spec.subtask_id.clone()).filter(|id| !id.is_empty()),
            status: spec.status.clone(),
            started_at: spec.started_at,
            ..Self::new(ProcessState::Unverifiable)
        }
    }

    /// Returns a worker of which nothing else is known.
    #[cfg(test)]
    pub(in crate::client) fn named(worker_id: &str, owner: Owner) -> Self {
        Self { worker_id: worker_id.to_owned(), owner, ..Self::new(ProcessState::Running) }
    }

    fn new(process: ProcessState) -> Self {
        Self {
            worker_id: String::new(),
            owner: Owner::Unknown,
            parent_master: String::new(),
            subtask_id: None,
            status: String::new(),
            started_at: None,
            pid: None,
            process,
            liveness: Liveness::Healthy,
            since: None,
            last_sign: None,
            claimed_heartbeat: None,
            verdict: String::new(),
            reason: None,
            survivors: Vec::new(),
            specs: Vec::new(),
            folder: "active".to_owned(),
        }
    }

    /// Takes in how it was found to be.
    fn judge(&mut self, standing: Option<&Standing>) {
        let Some(Standing { liveness, since, evidence }) = standing else { return };
        let before = |ago_ms: u64| {
            let ago_ms = i64::try_from(ago_ms).unwrap_or(i64::MAX);
            Timestamp::from_ms(since.wall.as_ms().saturating_sub(ago_ms))
        };
        (self.liveness, self.since, self.process) = (*liveness, Some(since.wall), evidence.process);
        self.claimed_heartbeat.clone_from(&evidence.claimed_heartbeat);
        self.verdict.clone_from(&evidence.verdict);
        let signs = evidence.signs.iter();
        self.last_sign = last(signs.map(|seen| LastSign {
            sign: seen.sign,
            at: before(seen.ago_ms),
            what: seen.what.clone(),
        }));
    }

    /// Takes in what the last look saw.
    fn see(&mut self, health: &HealthDocument) {
        self.process = health.process;
        self.claimed_heartbeat.clone_from(&health.claimed_heartbeat);
        let signs = health.signs.iter();
        let seen = last(signs.map(|seen| LastSign {
            sign: seen.sign,
            at: seen.last_seen,
            what: seen.what.clone(),
        }));
        self.last_sign = seen.or(self.last_sign.take());
    }
}

/// What is known of a process before anything was found out about it.
fn process_of(specs: &[&SpecWorker]) -> ProcessState {
    if specs.iter().any(|worker| worker.spec.identity.is_some()) {
        ProcessState::Running
    } else {
        ProcessState::Unverifiable
    }
}

/// Returns the newest of these, of several the strongest. That a process exists is seen by every
/// look, and says the least.
fn last(signs: impl Iterator<Item = LastSign>) -> Option<LastSign> {
    signs.min_by_key(|seen| (seen.sign == Sign::Process, std::cmp::Reverse(seen.at), seen.sign))
}
