//! Things by when they began.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::moment::{BootId, Moment};

/// Things by when they began, on the clock of the boot that saw it. What began before this boot is
/// taken to have begun when this boot was first seen: how long the machine was off counts for
/// nothing, and the wall clock, which alone would know, is not asked.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::domain) struct Since<T>(BTreeMap<BootId, BTreeSet<(u64, T)>>);

impl<T> Default for Since<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Since<T> {
    pub(super) fn insert(&mut self, at: &Moment, what: T) {
        self.0.entry(at.boot).or_default().insert((at.boottime_ms, what));
    }

    pub(super) fn remove(&mut self, at: &Moment, what: T) {
        let Some(of_boot) = self.0.get_mut(&at.boot) else { return };
        of_boot.remove(&(at.boottime_ms, what));
        if of_boot.is_empty() {
            self.0.remove(&at.boot);
        }
    }

    pub(in crate::domain) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns everything.
    pub(in crate::domain) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.values().flatten().map(|(_, what)| what)
    }

    /// Returns what began at `at` or later in the same boot, the latest first.
    pub(in crate::domain) fn since(&self, at: &Moment) -> impl Iterator<Item = &T> {
        let from_ms = at.boottime_ms;
        let of_boot = self.0.get(&at.boot).into_iter().flatten().rev();
        of_boot.take_while(move |(at_ms, _)| *at_ms >= from_ms).map(|(_, what)| what)
    }

    /// Returns everything with when it began, the oldest first, where `boot` is when this boot was
    /// first seen.
    pub(in crate::domain) fn oldest(&self, boot: &Moment) -> impl Iterator<Item = (u64, &T)> {
        let (this, seen_ms) = (boot.boot, boot.boottime_ms);
        let before = self.0.iter().filter(move |(id, _)| **id != this);
        let before =
            before.flat_map(move |(_, set)| set.iter().map(move |(_, what)| (seen_ms, what)));
        let now = self.0.get(&this).into_iter().flatten().map(|(at_ms, what)| (*at_ms, what));
        before.chain(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moment::Timestamp;

    #[test]
    fn what_another_boot_saw_begins_with_this_one() {
        let at = |boot, boottime_ms| Moment {
            boot: BootId(boot),
            boottime_ms,
            wall: Timestamp::from_ms(0),
        };
        let mut things = Since::default();
        for (boot, ms, what) in [(9, 5, "late"), (9, 3, "soon"), (12, 900, "before")] {
            things.insert(&at(boot, ms), what);
        }
        let oldest: Vec<(u64, &str)> = things.oldest(&at(9, 1)).map(|(ms, w)| (ms, *w)).collect();
        assert_eq!(oldest, [(1, "before"), (3, "soon"), (5, "late")]);
        assert_eq!(things.since(&at(9, 4)).collect::<Vec<_>>(), [&"late"]);
        for (boot, ms, what) in [(9, 5, "late"), (9, 3, "soon"), (12, 900, "before")] {
            things.remove(&at(boot, ms), what);
        }
        assert!(things.is_empty() && things == Since::default());
    }
}
