//! The places that are free for handoffs, and what holds a master back.

use std::collections::BTreeMap;

use crate::domain::ids::AgentName;
use crate::domain::moment::Moment;
use crate::domain::plan::Orchestration;
use crate::domain::policy::{MasterPolicy, Policy};
use crate::domain::state::{CircuitPhase, FilesInUse, State};
use crate::domain::worker::Execution;

use super::waits::Hold;

/// The places that are free, with those that this decision gives away.
pub(super) struct Places<'a> {
    state: &'a State,
    launched_max: usize,
    launched: usize,
    by_agent: BTreeMap<AgentName, usize>,
    files: FilesInUse,
}

impl<'a> Places<'a> {
    pub(super) fn of(state: &'a State, policy: &Policy) -> Self {
        Self {
            state,
            launched_max: policy.attempts_active_max,
            launched: state.index.live_launched,
            by_agent: BTreeMap::new(),
            files: FilesInUse::default(),
        }
    }

    /// Tells whether a master may be given one more, whatever the rate at which it is given some.
    pub(super) fn has_room(&self, agent: &AgentName, master: &MasterPolicy) -> bool {
        self.room(agent, master).is_none()
    }

    /// Returns why a master may not be given one more, whatever the rate at which it is given some;
    /// `None` where it may.
    pub(super) fn room(&self, agent: &AgentName, master: &MasterPolicy) -> Option<Hold> {
        let busy = self.state.attempts_of(agent) + self.given(agent);
        let attempts_max = master.attempts_active_max;
        let full = match self.state.circuits.get(agent).map(|circuit| &circuit.phase) {
            Some(CircuitPhase::Open { since, cool_down_ms }) => {
                return Some(Hold::Circuit { until: since.plus_ms(*cool_down_ms) });
            }
            Some(CircuitPhase::HalfOpen { .. }) => (busy >= 1).then_some(Hold::Trial),
            None | Some(CircuitPhase::Closed) => {
                (busy >= attempts_max).then_some(Hold::Master { attempts_max })
            }
        };
        let is_ours = master.execution != Execution::External;
        let attempts_max = self.launched_max;
        let is_crowded = is_ours && self.launched >= attempts_max;
        full.or(is_crowded.then_some(Hold::Workers { attempts_max }))
    }

    /// Tells whether a master may begin one more in this minute.
    pub(super) fn is_in_time(&self, agent: &AgentName, master: &MasterPolicy, now: Moment) -> bool {
        self.rate(agent, master, now).is_none()
    }

    /// Returns why a master may not begin one more in this minute; `None` where it may.
    pub(super) fn rate(
        &self,
        agent: &AgentName,
        master: &MasterPolicy,
        now: Moment,
    ) -> Option<Hold> {
        let starts_max = master.starts_per_minute_max;
        let limit = usize::try_from(starts_max).unwrap_or(usize::MAX);
        let started = self.state.starts_within_a_minute(agent, now) + self.given(agent);
        let until = self.state.room_to_start_at(agent, starts_max).unwrap_or(now);
        (limit > 0 && started >= limit).then_some(Hold::Rate { starts_max, until })
    }

    /// Tells whether nobody else touches what a subtask touches.
    pub(super) fn are_files_free(&self, run: &Orchestration, position: usize) -> bool {
        self.file(run, position).is_none()
    }

    /// Returns the first file of a subtask that somebody else touches; `None` where all are free.
    pub(super) fn file<'r>(&self, run: &'r Orchestration, position: usize) -> Option<&'r str> {
        let is_free =
            |file: &str| self.state.index.files_in_use.is_free(file) && self.files.is_free(file);
        let mut files = run.plan.subtasks[position].files_affected.iter().map(String::as_str);
        files.find(|file| !is_free(file))
    }

    pub(super) fn take(
        &mut self,
        run: &Orchestration,
        position: usize,
        agent: &AgentName,
        master: &MasterPolicy,
    ) {
        *self.by_agent.entry(agent.clone()).or_default() += 1;
        self.launched += usize::from(master.execution != Execution::External);
        self.files.take(&run.plan.subtasks[position].files_affected);
    }

    fn given(&self, agent: &AgentName) -> usize {
        self.by_agent.get(agent).copied().unwrap_or(0)
    }
}
