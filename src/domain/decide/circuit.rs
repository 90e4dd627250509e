//! Circuit breakers: a master whose attempts fail in a row is given nothing for a while, then one
//! attempt, to see (S1-39).
//!
//! The fold counts what speaks for and against a master; what follows from the counts is decided
//! here on the next tick, so that nothing that fails has to think of it.

use crate::domain::event::{CircuitChanged, Event};
use crate::domain::ids::AgentName;
use crate::domain::moment::Moment;
use crate::domain::policy::{CircuitPolicy, Policy};
use crate::domain::state::{Circuit, CircuitPhase, State};

/// Returns the circuit breakers that change now.
pub(super) fn due(state: &State, policy: &Policy, now: Moment) -> Vec<Event> {
    let change = |(agent, circuit)| changed(agent, circuit, &policy.circuit, now);
    state.circuits.iter().filter_map(change).collect()
}

/// Returns when the first cool-down is over.
pub(in crate::domain) fn next_trial(state: &State) -> Option<Moment> {
    let ends = state.circuits.values().filter_map(|circuit| match circuit.phase {
        CircuitPhase::Open { since, cool_down_ms } => Some(since.plus_ms(cool_down_ms)),
        CircuitPhase::Closed | CircuitPhase::HalfOpen { .. } => None,
    });
    ends.min_by_key(|end| (state.at.is_some_and(|at| at.boot == end.boot), end.boottime_ms))
}

fn changed(
    agent: &AgentName,
    circuit: &Circuit,
    policy: &CircuitPolicy,
    now: Moment,
) -> Option<Event> {
    let failures = circuit.failures;
    let told = |cool_down_ms: u64, reason: String| CircuitChanged {
        agent: agent.clone(),
        failures,
        cool_down_ms,
        reason,
    };
    let in_a_row = format!("{failures} failures in a row");
    match circuit.phase {
        CircuitPhase::Closed if policy.failures_max > 0 && failures >= policy.failures_max => {
            Some(Event::CircuitOpened(told(policy.cool_down_ms, in_a_row)))
        }
        CircuitPhase::Closed => None,
        CircuitPhase::Open { .. } | CircuitPhase::HalfOpen { .. } if policy.failures_max == 0 => {
            Some(Event::CircuitClosed(told(0, "circuit breakers are turned off".into())))
        }
        CircuitPhase::Open { .. } | CircuitPhase::HalfOpen { .. } if failures == 0 => {
            Some(Event::CircuitClosed(told(0, "an attempt succeeded".into())))
        }
        CircuitPhase::Open { since, cool_down_ms } if now.is_past(&since, cool_down_ms) => {
            let reason = "its cool-down is over: one attempt is given, to see".to_owned();
            Some(Event::CircuitHalfOpened(told(0, reason)))
        }
        CircuitPhase::Open { .. } => None,
        CircuitPhase::HalfOpen { cool_down_ms, failures_before } if failures > failures_before => {
            let longer_ms = cool_down_ms.saturating_mul(2).min(policy.cool_down_ms_max);
            let reason = format!("the trial failed: {in_a_row}");
            Some(Event::CircuitOpened(told(longer_ms, reason)))
        }
        CircuitPhase::HalfOpen { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moment::{BootId, Timestamp};

    fn at(boot: u128, boottime_ms: u64) -> Moment {
        Moment { boot: BootId(boot), boottime_ms, wall: Timestamp::from_ms(0) }
    }

    #[test]
    fn a_circuit_changes_by_this_table() {
        let closed = CircuitPhase::Closed;
        let open = CircuitPhase::Open { since: at(1, 1_000), cool_down_ms: 60_000 };
        let trial = |cool_down_ms| CircuitPhase::HalfOpen { cool_down_ms, failures_before: 5 };
        let (opened, half, ended) = ("circuit_opened", "circuit_half_opened", "circuit_closed");
        // Failures in a row, the phase, how many are allowed, when; what follows, for how long.
        for (failures, phase, failures_max, now, follows) in [
            (4, &closed, 5, at(1, 1_000), None),
            (5, &closed, 5, at(1, 1_000), Some((opened, 60_000))),
            (9, &closed, 5, at(1, 1_000), Some((opened, 60_000))),
            (9, &closed, 0, at(1, 1_000), None),
            (5, &open, 5, at(1, 60_999), None),
            (8, &open, 5, at(1, 60_999), None),
            (5, &open, 5, at(1, 61_000), Some((half, 0))),
            (5, &open, 5, at(2, 5), Some((half, 0))),
            (0, &open, 5, at(1, 2_000), Some((ended, 0))),
            (5, &open, 0, at(1, 2_000), Some((ended, 0))),
            (5, &trial(60_000), 5, at(1, 2_000), None),
            (6, &trial(60_000), 5, at(1, 2_000), Some((opened, 120_000))),
            (6, &trial(400_000), 5, at(1, 2_000), Some((opened, 600_000))),
            (6, &trial(u64::MAX), 5, at(1, 2_000), Some((opened, 600_000))),
            (0, &trial(60_000), 5, at(1, 2_000), Some((ended, 0))),
            (6, &trial(60_000), 0, at(1, 2_000), Some((ended, 0))),
        ] {
            let policy = CircuitPolicy { failures_max, ..Policy::default().circuit };
            let agent = AgentName::parse("development").unwrap();
            let circuit = Circuit { failures, phase: phase.clone() };
            let told = changed(&agent, &circuit, &policy, now).map(|event| {
                let (Event::CircuitOpened(told)
                | Event::CircuitHalfOpened(told)
                | Event::CircuitClosed(told)) = &event
                else {
                    panic!("{event:?}")
                };
                (event.kind(), told.cool_down_ms)
            });
            assert_eq!(told, follows, "{failures} of {failures_max}: {phase:?} at {now:?}");
        }
    }
}
