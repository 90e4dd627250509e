//! The limits under which random lives are lived: narrow enough that all of them are met.

use super::words::MASTERS;
use crate::domain::Policy;
use crate::domain::policy::CircuitPolicy;
use crate::domain::worker::Execution;

/// Two masters of each kind, with hardly any room.
pub(super) fn policy() -> Policy {
    let mut policy = Policy { attempts_active_max: 3, ..Policy::default() };
    for (nth, name) in MASTERS.into_iter().enumerate() {
        let master = policy.masters.get_mut(name).unwrap();
        master.execution = execution(nth < 2);
        master.attempts_active_max = 1 + nth % 3;
        master.starts_per_minute_max = [0, 2, 3, 0][nth];
        master.domains.push("code".into());
    }
    policy.circuit =
        CircuitPolicy { failures_max: 2, cool_down_ms: 1_500, cool_down_ms_max: 4_000 };
    policy
}

pub(super) fn execution(launched: bool) -> Execution {
    if launched { Execution::Launched { backend: "command".into() } } else { Execution::External }
}
