//! What comes of revisions of plans that run.

use crate::domain::event::Event;
use crate::domain::ids::SubtaskId;
use crate::domain::moment::Moment;
use crate::domain::plan::RevisionOutcome;
use crate::domain::policy::Policy;
use crate::domain::state::State;

pub(super) fn revised(
    _state: &State,
    _policy: &Policy,
    _id: &SubtaskId,
    _outcome: &RevisionOutcome,
    _now: Moment,
) -> Vec<Event> {
    Vec::new()
}
