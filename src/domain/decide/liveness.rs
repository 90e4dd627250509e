//! What follows from looks at workers.

use crate::domain::event::Event;
use crate::domain::evidence::Finding;
use crate::domain::ids::AttemptId;
use crate::domain::moment::Moment;
use crate::domain::policy::Policy;
use crate::domain::state::State;

pub(super) fn probed(
    _state: &State,
    _policy: &Policy,
    _findings: &[Finding],
    _held: Option<&str>,
    _now: Moment,
) -> Vec<Event> {
    Vec::new()
}

pub(super) fn unstoppable(_state: &State, _id: &AttemptId, _survivors: &[u32]) -> Vec<Event> {
    Vec::new()
}
