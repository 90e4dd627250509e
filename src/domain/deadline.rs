//! When the domain next wants a tick.

use super::moment::{Moment, Timestamp};
use super::state::State;

/// Returns the end of the first back-off, on the boot-time clock; `None` when nothing waits for
/// time alone. A moment of another boot has passed.
pub fn deadline(state: &State) -> Option<Moment> {
    let (boot, boottime_ms, _) = state.index.backoffs.first()?;
    let wall = state.at.map_or(Timestamp::from_ms(0), |at| at.wall);
    Some(Moment { boot: *boot, boottime_ms: *boottime_ms, wall })
}
