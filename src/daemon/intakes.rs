//! When each intake looks: after a hint, when it asked to come back, and with every tick.

use std::collections::BTreeSet;

use super::effects::Means;
use super::spec_process;
use super::watch::Interest;
use crate::clock;
use crate::domain::{Moment, State};
use crate::intake::{self, Intake, Look, Seen};

/// An intake is given as much rest as its last look took, up to this, so that a long queue that
/// changes all the time does not take all the time there is.
const REST_MS_MAX: u64 = 1_000;

/// Every intake with the time of its next look.
pub(super) struct Intakes {
    slots: Vec<Slot>,
}

struct Slot {
    intake: Box<dyn Intake>,
    due_ms: Option<u64>,
    /// When it looks whether or not it has looked before.
    later_ms: Option<u64>,
    rests_until_ms: u64,
}

impl Intakes {
    /// Takes the roster; everything is to be looked at once.
    pub(super) fn new() -> Self {
        let slot = |intake| Slot { intake, due_ms: Some(0), later_ms: None, rests_until_ms: 0 };
        Self { slots: intake::roster().into_iter().map(slot).collect() }
    }

    /// Returns what they want to hear of.
    pub(super) fn interests(&self) -> Vec<Interest> {
        let of = |slot: &Slot| {
            let name = slot.intake.name();
            slot.intake.watches().iter().map(move |directory| (name, *directory))
        };
        self.slots.iter().flat_map(of).collect()
    }

    /// Makes these look as soon as they are rested.
    pub(super) fn look_at(&mut self, names: &BTreeSet<&'static str>, now_ms: u64) {
        for slot in self.slots.iter_mut().filter(|slot| names.contains(slot.intake.name())) {
            slot.due_at(now_ms);
        }
    }

    /// Makes these look once more at `at_ms` on the boot-time clock, however often they look before.
    pub(super) fn look_later(&mut self, names: &BTreeSet<&'static str>, at_ms: u64) {
        for slot in self.slots.iter_mut().filter(|slot| names.contains(slot.intake.name())) {
            if let Some(overdue_ms) = slot.later_ms.replace(at_ms) {
                slot.due_at(overdue_ms);
            }
        }
    }

    /// Makes these look with the next call, rested or not.
    pub(super) fn look_now(&mut self, names: &[&'static str]) {
        for slot in self.slots.iter_mut().filter(|slot| names.contains(&slot.intake.name())) {
            slot.due_at(0);
            slot.rests_until_ms = 0;
        }
    }

    /// Makes all look as soon as they are rested.
    pub(super) fn look_everywhere(&mut self, now_ms: u64) {
        for slot in &mut self.slots {
            slot.due_at(now_ms);
        }
    }

    /// Returns when the next look is due, on the boot-time clock.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.slots.iter().filter_map(Slot::starts_at_ms).min()
    }

    /// Lets one intake look that is due at `now`; `None` when none is. What it saw has to be
    /// decided on before the next call, because intakes compare with the state.
    pub(super) fn look(&mut self, state: &State, means: &Means, now: Moment) -> Option<Seen> {
        let slot = self
            .slots
            .iter_mut()
            .find(|slot| slot.starts_at_ms().is_some_and(|at_ms| at_ms <= now.boottime_ms))?;
        slot.begin(now.boottime_ms);
        let begun = clock::now();
        let workspace = &means.config.workspace;
        let mut seen = slot.intake.look(&Look { store: &means.store, state, workspace, now });
        spec_process::identify_all(&mut seen.inputs, &seen.pids_written_ms, state);
        let ended = clock::now();
        let took_ms = ended.since_ms(&begun).unwrap_or(0).min(REST_MS_MAX);
        slot.rests_until_ms = ended.boottime_ms.saturating_add(took_ms);
        if let Some(again_ms) = seen.look_again_ms {
            // Never in the same turn: the writer it waits for needs time.
            slot.due_at(now.boottime_ms.saturating_add(again_ms.max(1)));
        }
        Some(seen)
    }
}

impl Slot {
    /// Notes that it looks now.
    fn begin(&mut self, now_ms: u64) {
        self.due_ms = None;
        self.later_ms = self.later_ms.filter(|at_ms| *at_ms > now_ms);
    }

    fn due_at(&mut self, due_ms: u64) {
        self.due_ms = Some(self.due_ms.map_or(due_ms, |earlier| earlier.min(due_ms)));
    }

    fn starts_at_ms(&self) -> Option<u64> {
        let due_ms = self.due_ms.into_iter().chain(self.later_ms).min()?;
        Some(due_ms.max(self.rests_until_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_for_later_is_not_forgotten_over_one_before() {
        let mut intakes = Intakes::new();
        let names = BTreeSet::from(["reports"]);
        for slot in &mut intakes.slots {
            slot.due_ms = None;
        }
        intakes.look_later(&names, 5_000);
        assert_eq!(intakes.due_ms(), Some(5_000));
        intakes.look_at(&names, 1_000);
        assert_eq!(intakes.due_ms(), Some(1_000));
        let slot = intakes.slots.iter_mut().find(|slot| slot.due_ms.is_some()).unwrap();
        slot.begin(1_000);
        assert_eq!(intakes.due_ms(), Some(5_000));
        let slot = intakes.slots.iter_mut().find(|slot| slot.later_ms.is_some()).unwrap();
        slot.begin(5_000);
        assert_eq!(intakes.due_ms(), None);
    }
}
