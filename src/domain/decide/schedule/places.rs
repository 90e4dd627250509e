//! The places that are free for handoffs, and what holds a master back.

use std::collections::BTreeMap;

use crate::domain::ids::AgentName;
use crate::domain::moment::Moment;
use crate::domain::plan::Orchestration;
use crate::domain::policy::{MasterPolicy, Policy};
use crate::domain::state::{CircuitPhase, FilesInUse, State};
use crate::domain::worker::Execution;

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
        let busy = self.state.attempts_of(agent) + self.given(agent);
        let is_ours = master.execution != Execution::External;
        let may_have = match self.state.circuits.get(agent).map(|circuit| &circuit.phase) {
            None | Some(CircuitPhase::Closed) => master.attempts_active_max,
            Some(CircuitPhase::Open { .. }) => 0,
            Some(CircuitPhase::HalfOpen { .. }) => 1,
        };
        busy < may_have && (!is_ours || self.launched < self.launched_max)
    }

    /// Tells whether a master may begin one more in this minute.
    pub(super) fn is_in_time(&self, agent: &AgentName, master: &MasterPolicy, now: Moment) -> bool {
        let limit = usize::try_from(master.starts_per_minute_max).unwrap_or(usize::MAX);
        limit == 0 || self.state.starts_within_a_minute(agent, now) + self.given(agent) < limit
    }

    /// Tells whether nobody else touches what a subtask touches.
    pub(super) fn are_files_free(&self, run: &Orchestration, position: usize) -> bool {
        run.plan.subtasks[position]
            .files_affected
            .iter()
            .all(|file| self.state.index.files_in_use.is_free(file) && self.files.is_free(file))
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
