//! When the domain next wants a tick.

use super::decide::due_ms;
use super::moment::{BootId, Moment, Timestamp};
use super::policy::Policy;
use super::state::State;

/// Returns when the first thing is due that time alone brings about, on the boot-time clock: the end
/// of a back-off, a limit on a worker, a handoff or a run, a question that nobody answered. `None`
/// when nothing waits for time alone. A moment of another boot has passed.
pub fn deadline(state: &State, policy: &Policy) -> Option<Moment> {
    let backoff = state.index.backoffs.first().map(|(boot, due_ms, _)| (*boot, *due_ms));
    let limit =
        due_ms(state, policy).zip(state.boot_seen).map(|(due_ms, seen)| (seen.boot, due_ms));
    let is_past = |(boot, _): &(BootId, u64)| state.boot_seen.is_some_and(|s| s.boot != *boot);
    let first = match backoff {
        Some(past) if is_past(&past) => backoff,
        Some(_) | None => backoff.into_iter().chain(limit).min_by_key(|(_, due_ms)| *due_ms),
    };
    let (boot, boottime_ms) = first?;
    let wall = state.at.map_or(Timestamp::from_ms(0), |at| at.wall);
    Some(Moment { boot, boottime_ms, wall })
}
