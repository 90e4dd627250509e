//! When the domain next wants a tick.

use super::decide::{circuit, schedule};
use super::moment::{Moment, Timestamp};
use super::policy::Policy;
use super::state::State;

/// Returns when time alone next changes anything, on the boot-time clock; `None` when nothing waits
/// for time alone. A moment of another boot has passed.
pub fn deadline(state: &State, policy: &Policy) -> Option<Moment> {
    let sources = [backoff(state), circuit::next_trial(state), schedule::next_start(state, policy)];
    let is_of_this_boot = |moment: &Moment| state.at.is_some_and(|at| at.boot == moment.boot);
    let due = sources.into_iter().flatten();
    due.min_by_key(|moment| (is_of_this_boot(moment), moment.boottime_ms))
}

/// Returns the end of the first back-off.
fn backoff(state: &State) -> Option<Moment> {
    let (boot, boottime_ms, _) = state.index.backoffs.first()?;
    let wall = state.at.map_or(Timestamp::from_ms(0), |at| at.wall);
    Some(Moment { boot: *boot, boottime_ms: *boottime_ms, wall })
}
