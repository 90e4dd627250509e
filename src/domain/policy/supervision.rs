//! Limits on workers: what is looked at, how often, and how long what may take.

use std::collections::BTreeMap;

use crate::domain::ids::AgentName;
use crate::domain::policy::{MasterPolicy, Policy};

/// How a worker is watched and what it may take. Times are on the boot-time clock; 0 turns a limit
/// off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supervision {
    /// The longest time between two looks at a worker (S4-45).
    pub look_ms: u64,
    /// From when on a worker without a sign of life is quiet (S4-50).
    pub heartbeat_stale_ms: u64,
    /// From when on a worker without progress is stalled (S4-47).
    pub stall_after_ms: u64,
    /// From when on a worker of which nothing outward is seen is stopped, however busy it is, unless
    /// it is suspended.
    pub silence_ms: u64,
    /// The longest that an attempt may run.
    pub time_box_ms: u64,
    /// How long a worker may stay whose report is in.
    pub linger_ms: u64,
    /// How long it has to end by itself when it is told to.
    pub stop_grace_ms: u64,
    /// How many bytes of its output are kept.
    pub output_bytes_max: u64,
    /// How much memory its processes may hold together.
    pub memory_bytes_max: u64,
    /// How many processes it may have, each counted with its threads.
    pub processes_max: u64,
    /// From when on a handoff that nobody takes is told of.
    pub untaken_alert_ms: u64,
    /// From when on it goes to the next candidate.
    pub untaken_max_ms: u64,
}

impl Default for Supervision {
    fn default() -> Self {
        const MINUTE_MS: u64 = 60_000;
        Self {
            look_ms: 2 * MINUTE_MS,
            heartbeat_stale_ms: 3 * MINUTE_MS,
            stall_after_ms: 20 * MINUTE_MS,
            silence_ms: 60 * MINUTE_MS,
            time_box_ms: 120 * MINUTE_MS,
            linger_ms: MINUTE_MS,
            stop_grace_ms: 10_000,
            output_bytes_max: 64 << 20,
            memory_bytes_max: 0,
            processes_max: 0,
            untaken_alert_ms: 10 * MINUTE_MS,
            untaken_max_ms: 30 * MINUTE_MS,
        }
    }
}

/// What an operator set otherwise for one master or one type of worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SupervisionChanges {
    /// See [`Supervision::look_ms`].
    pub look_ms: Option<u64>,
    /// See [`Supervision::heartbeat_stale_ms`].
    pub heartbeat_stale_ms: Option<u64>,
    /// See [`Supervision::stall_after_ms`].
    pub stall_after_ms: Option<u64>,
    /// See [`Supervision::silence_ms`].
    pub silence_ms: Option<u64>,
    /// See [`Supervision::time_box_ms`].
    pub time_box_ms: Option<u64>,
    /// See [`Supervision::linger_ms`].
    pub linger_ms: Option<u64>,
    /// See [`Supervision::stop_grace_ms`].
    pub stop_grace_ms: Option<u64>,
    /// See [`Supervision::output_bytes_max`].
    pub output_bytes_max: Option<u64>,
    /// See [`Supervision::memory_bytes_max`].
    pub memory_bytes_max: Option<u64>,
    /// See [`Supervision::processes_max`].
    pub processes_max: Option<u64>,
    /// See [`Supervision::untaken_alert_ms`].
    pub untaken_alert_ms: Option<u64>,
    /// See [`Supervision::untaken_max_ms`].
    pub untaken_max_ms: Option<u64>,
}

impl Supervision {
    /// Returns these limits with what was set otherwise.
    #[must_use]
    pub fn with(self, changes: &SupervisionChanges) -> Self {
        let SupervisionChanges {
            look_ms,
            heartbeat_stale_ms,
            stall_after_ms,
            silence_ms,
            time_box_ms,
            linger_ms,
            stop_grace_ms,
            output_bytes_max,
            memory_bytes_max,
            processes_max,
            untaken_alert_ms,
            untaken_max_ms,
        } = *changes;
        Self {
            look_ms: look_ms.unwrap_or(self.look_ms),
            heartbeat_stale_ms: heartbeat_stale_ms.unwrap_or(self.heartbeat_stale_ms),
            stall_after_ms: stall_after_ms.unwrap_or(self.stall_after_ms),
            silence_ms: silence_ms.unwrap_or(self.silence_ms),
            time_box_ms: time_box_ms.unwrap_or(self.time_box_ms),
            linger_ms: linger_ms.unwrap_or(self.linger_ms),
            stop_grace_ms: stop_grace_ms.unwrap_or(self.stop_grace_ms),
            output_bytes_max: output_bytes_max.unwrap_or(self.output_bytes_max),
            memory_bytes_max: memory_bytes_max.unwrap_or(self.memory_bytes_max),
            processes_max: processes_max.unwrap_or(self.processes_max),
            untaken_alert_ms: untaken_alert_ms.unwrap_or(self.untaken_alert_ms),
            untaken_max_ms: untaken_max_ms.unwrap_or(self.untaken_max_ms),
        }
    }
}

impl Policy {
    /// Returns the limits of a worker: what the directory says, then what it says for the type of
    /// worker, then what it says for the master.
    pub fn supervision_of(&self, agent: &AgentName, worker_type: &str) -> Supervision {
        let by_type = self.worker_types.get(worker_type).copied().unwrap_or_default();
        let by_master = self
            .masters
            .get(agent)
            .map(|master: &MasterPolicy| master.supervision)
            .unwrap_or_default();
        self.supervision.with(&by_type).with(&by_master)
    }
}

/// What was set otherwise, by type of worker.
pub type WorkerTypes = BTreeMap<String, SupervisionChanges>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_wins_over_a_worker_type_and_that_over_the_directory() {
        let mut policy = Policy::default();
        let agent = AgentName::parse("development").unwrap();
        let changes = |look_ms, silence_ms| SupervisionChanges {
            look_ms,
            silence_ms,
            ..SupervisionChanges::default()
        };
        policy.worker_types.insert("test".into(), changes(Some(1), Some(2)));
        policy.masters.get_mut(&agent).unwrap().supervision = changes(None, Some(3));
        let limits = policy.supervision_of(&agent, "test");
        assert_eq!((limits.look_ms, limits.silence_ms), (1, 3));
        let others = policy.supervision_of(&agent, "audit");
        assert_eq!((others.look_ms, others.silence_ms), (120_000, 3));
    }
}
