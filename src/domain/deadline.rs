//! When the domain next wants a tick.

use super::decide::{circuit, due_ms, schedule};
use super::moment::{Moment, Timestamp};
use super::policy::Policy;
use super::state::State;

/// Returns when time alone next changes anything, on the boot-time clock: the end of a back-off, a
/// limit on a worker, a handoff or a run, a question that nobody answered, the next trial of a
/// master, the next start that a rate allows. `None` when nothing waits for time alone. A moment of
/// another boot has passed.
pub fn deadline(state: &State, policy: &Policy) -> Option<Moment> {
    let limit = state
        .this_boot()
        .and_then(|seen| due_ms(state, policy).map(|boottime_ms| Moment { boottime_ms, ..seen }));
    let (trial, start) = (circuit::next_trial(state), schedule::next_start(state, policy));
    let is_of_this_boot =
        |due: &Moment| state.this_boot().is_some_and(|seen| seen.boot == due.boot);
    let due = [backoff(state), limit, trial, start].into_iter().flatten();
    due.min_by_key(|due| (is_of_this_boot(due), due.boottime_ms))
}

/// Returns the end of the first back-off.
fn backoff(state: &State) -> Option<Moment> {
    let (boot, boottime_ms, _) = state.index.backoffs.first()?;
    let wall = state.at.map_or(Timestamp::from_ms(0), |at| at.wall);
    Some(Moment { boot: *boot, boottime_ms: *boottime_ms, wall })
}
