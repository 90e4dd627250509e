//! Workers of masters, known by their specs.

use crate::domain::event::{Event, SpecMoved, SpecSettled};
use crate::domain::evidence::{Evidence, Liveness};
use crate::domain::ids::{AttemptId, WorkerId};
use crate::domain::plan::Why;
use crate::domain::spec::{SpecFolder, SpecSeen, SpecWorker};
use crate::domain::state::State;
use crate::domain::worker::{AttemptEnd, AttemptPhase};

/// Specs that one tick settles at the most; the next tick goes on.
const SETTLED_MAX: usize = 64;

/// A spec is told when it is new or says something else, and settled as soon as it says how its
/// worker ended. What becomes of one that carries out an attempt of ours is decided with that, so
/// that the two never differ. The specs of workers that Baton launches are written by itself.
pub(super) fn observed(state: &State, spec: &SpecSeen) -> Vec<Event> {
    if state.launched(spec.worker_id.as_str()) {
        return Vec::new();
    }
    let known = state.specs.get(&spec.worker_id);
    if known.is_some_and(|known| known.settled.is_some()) {
        return Vec::new();
    }
    let spec = match known {
        Some(known) => spec.clone().keeping_identity_of(&known.spec),
        None => spec.clone(),
    };
    if known.is_some_and(|known| known.spec == spec) {
        return Vec::new();
    }
    let settled = if state.attempt_of_spec(&spec).is_none() { said(&spec) } else { None };
    let mut events = vec![Event::WorkerSpecSeen(spec)];
    events.extend(settled);
    events
}

/// Somebody else moved or removed it: that is no sign of death, and nothing is left to do.
pub(super) fn vanished(state: &State, worker_id: &WorkerId) -> Vec<Event> {
    let is_known = state.specs.contains_key(worker_id);
    is_known.then(|| moved_away(worker_id, true)).into_iter().collect()
}

pub(super) fn moved(state: &State, worker_id: &WorkerId) -> Vec<Event> {
    let is_owed = state.specs.get(worker_id).is_some_and(|worker| worker.settled.is_some());
    is_owed.then(|| moved_away(worker_id, false)).into_iter().collect()
}

fn moved_away(worker_id: &WorkerId, vanished: bool) -> Event {
    Event::WorkerSpecMoved(SpecMoved { worker_id: worker_id.clone(), vanished })
}

/// Says what follows for the spec of a worker that is found gone: a result that it left wins over
/// the verdict, and what is settled stays so.
pub(super) fn gone(worker: &SpecWorker, evidence: &Evidence) -> Option<Event> {
    let zombie = || {
        let why = Why::new("its process is gone without a result", evidence.verdict.clone());
        settled(worker, SpecFolder::Zombie, why)
    };
    worker.settled.is_none().then(|| said(&worker.spec).unwrap_or_else(zombie))
}

/// Settles the specs of workers whose attempt is over: by how it ended.
pub(super) fn settle_linked(state: &State) -> Vec<Event> {
    let left = state.index.specs_left.iter().filter_map(|id| state.specs.get(id));
    left.filter_map(|worker| {
        let (folder, why) = verdict_of(state, worker.attempt.as_ref()?)?;
        // Nobody is called dead who said how it ended.
        let said = said(&worker.spec).filter(|_| folder == SpecFolder::Zombie);
        Some(said.unwrap_or_else(|| settled(worker, folder, why)))
    })
    .take(SETTLED_MAX)
    .collect()
}

fn verdict_of(state: &State, id: &AttemptId) -> Option<(SpecFolder, Why)> {
    let (_, _, attempt) = state.attempt(id)?;
    let AttemptPhase::Ended { end, .. } = &attempt.phase else { return None };
    let (folder, how) = match end {
        AttemptEnd::Completed => (SpecFolder::Completed, "delivered".to_owned()),
        AttemptEnd::Failed { .. }
        | AttemptEnd::Interrupted { .. }
        | AttemptEnd::Cancelled { .. }
            if attempt.is_given_up() =>
        {
            let liveness = attempt.standing.as_ref().map_or(Liveness::Gone, |it| it.liveness);
            (SpecFolder::Zombie, format!("was given up as {}", liveness.as_str()))
        }
        AttemptEnd::Failed { failure } => {
            (SpecFolder::Failed, format!("failed: {}", failure.message))
        }
        AttemptEnd::Interrupted { reason } => {
            (SpecFolder::Failed, format!("was cut off: {reason}"))
        }
        AttemptEnd::Cancelled { reason } => {
            (SpecFolder::Failed, format!("was cancelled: {reason}"))
        }
    };
    Some((folder, Why::new("its attempt is over", format!("{id} {how}"))))
}

/// Settles a spec by what it says itself, if it does.
fn said(spec: &SpecSeen) -> Option<Event> {
    let folder = spec.ended?;
    Some(Event::WorkerSpecSettled(SpecSettled {
        worker_id: spec.worker_id.clone(),
        folder,
        why: Why::new("it is said to be over", spec.ended_by.clone()),
    }))
}

fn settled(worker: &SpecWorker, folder: SpecFolder, why: Why) -> Event {
    let worker_id = worker.spec.worker_id.clone();
    Event::WorkerSpecSettled(SpecSettled { worker_id, folder, why })
}
