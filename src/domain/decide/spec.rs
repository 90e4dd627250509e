//! Workers of masters, known by their specs.

use crate::domain::event::Event;
use crate::domain::ids::WorkerId;
use crate::domain::spec::SpecSeen;
use crate::domain::state::State;

pub(super) fn observed(_state: &State, _spec: &SpecSeen) -> Vec<Event> {
    Vec::new()
}

pub(super) fn vanished(_state: &State, _worker_id: &WorkerId) -> Vec<Event> {
    Vec::new()
}

pub(super) fn moved(_state: &State, _worker_id: &WorkerId) -> Vec<Event> {
    Vec::new()
}
