//! What speaks for and against masters: how their circuit breakers stand.

use crate::domain::event::CircuitChanged;
use crate::domain::ids::AgentName;
use crate::domain::moment::Moment;
use crate::domain::report::{Category, Failure};
use crate::domain::state::{Circuit, CircuitPhase, State};
use crate::domain::worker::{Attempt, Execution};

use super::Applied;

/// Tells whether a failure says something about who failed: whoever cannot even be started, or ends
/// without what was asked for. What is wrong with the task or the plan says nothing about who found
/// that out.
pub(super) fn speaks_of_its_agent(attempt: &Attempt, failure: &Failure) -> bool {
    let never_began = attempt.execution != Execution::External && attempt.started.is_none();
    match failure.category {
        Category::Transient | Category::CodeError => true,
        Category::DesignFlaw | Category::Blocker | Category::Critical => never_began,
    }
}

impl State {
    pub(super) fn circuit_opened(&mut self, told: &CircuitChanged, at: &Moment) {
        let phase = CircuitPhase::Open { since: *at, cool_down_ms: told.cool_down_ms };
        let circuit = Circuit { failures: told.failures, phase };
        self.circuits.insert(told.agent.clone(), circuit);
    }

    pub(super) fn circuit_half_opened(&mut self, told: &CircuitChanged) -> Applied {
        let circuit = self
            .circuits
            .get_mut(&told.agent)
            .ok_or_else(|| format!("the circuit of {} is closed", told.agent))?;
        let CircuitPhase::Open { cool_down_ms, .. } = circuit.phase else {
            return Err(format!("the circuit of {} is not open", told.agent));
        };
        circuit.phase = CircuitPhase::HalfOpen { cool_down_ms, failures_before: circuit.failures };
        Ok(())
    }

    pub(super) fn circuit_closed(&mut self, told: &CircuitChanged) {
        self.circuits.remove(&told.agent);
    }

    /// Counts a failure against a master.
    pub(super) fn agent_failed(&mut self, agent: AgentName) {
        let closed = Circuit { failures: 0, phase: CircuitPhase::Closed };
        let circuit = self.circuits.entry(agent).or_insert(closed);
        circuit.failures = circuit.failures.saturating_add(1);
    }

    /// Forgets the failures of a master that delivered.
    pub(super) fn agent_succeeded(&mut self, agent: &AgentName) {
        let Some(circuit) = self.circuits.get_mut(agent) else { return };
        circuit.failures = 0;
        if circuit.phase == CircuitPhase::Closed {
            self.circuits.remove(agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{AttemptId, SubtaskId, WorkerId};
    use crate::domain::moment::{BootId, Timestamp};
    use crate::domain::worker::{AttemptPhase, Purpose, Started};

    #[test]
    fn only_what_an_agent_did_counts_against_it() {
        let at = Moment { boot: BootId(1), boottime_ms: 1, wall: Timestamp::from_ms(0) };
        let launched = Execution::Launched { backend: "command".into() };
        for (category, execution, has_started, counts) in [
            (Category::Transient, &launched, true, true),
            (Category::CodeError, &launched, true, true),
            (Category::DesignFlaw, &launched, true, false),
            (Category::Blocker, &launched, true, false),
            (Category::Critical, &launched, true, false),
            (Category::Blocker, &launched, false, true),
            (Category::CodeError, &Execution::External, false, true),
            (Category::Blocker, &Execution::External, false, false),
            (Category::Critical, &Execution::External, false, false),
        ] {
            let id = AttemptId::of(&SubtaskId::parse("t").unwrap(), 1);
            let attempt = Attempt {
                worker_id: WorkerId::of(&id),
                id,
                number: 1,
                agent: AgentName::parse("development").unwrap(),
                execution: execution.clone(),
                nonce: String::new(),
                issued_at: at,
                started: has_started.then_some(Started { at, pid: None }),
                purpose: Purpose::Work,
                standing: None,
                untaken_told: false,
                paused_ms: 0,
                hindrance: None,
                phase: AttemptPhase::Issued,
            };
            let failure = Failure::new(category, "it broke");
            let case = format!("{category:?} {execution:?} {has_started}");
            assert_eq!(speaks_of_its_agent(&attempt, &failure), counts, "{case}");
        }
    }
}
