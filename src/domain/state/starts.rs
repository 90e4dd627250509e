//! When attempts of a master began lately, for the limit on how many may within a minute.

use std::collections::BTreeMap;

/// The time in which starts are counted.
const WINDOW_MS: u64 = 60_000;

/// The starts of the last minute in which there were any, on the clock of this boot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::domain) struct Starts {
    /// How many there were at which millisecond.
    counts: BTreeMap<u64, usize>,
}

impl Starts {
    /// Notes one. In which order they are noted makes no difference.
    pub(super) fn note(&mut self, at_ms: u64) {
        *self.counts.entry(at_ms).or_default() += 1;
        let last_ms = self.counts.last_key_value().map_or(at_ms, |(last_ms, _)| *last_ms);
        self.counts.retain(|began_ms, _| began_ms.saturating_add(WINDOW_MS) > last_ms);
    }

    /// Counts those within the minute before `now_ms`.
    pub(super) fn within_a_minute(&self, now_ms: u64) -> usize {
        let first_ms = now_ms.saturating_add(1).saturating_sub(WINDOW_MS);
        self.counts.range(first_ms..).map(|(_, count)| count).sum()
    }

    /// Returns from when on fewer than `limit` lie within a minute; `None` where they always do.
    pub(super) fn room_at_ms(&self, limit: usize) -> Option<u64> {
        let mut left: usize = self.counts.values().sum();
        let full = self.counts.iter().take_while(|(_, count)| {
            let is_full = left >= limit;
            left -= *count;
            is_full
        });
        full.last().map(|(began_ms, _)| began_ms.saturating_add(WINDOW_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minute_slides() {
        let mut starts = Starts::default();
        [1_000, 31_000, 1_249, 1_000].into_iter().for_each(|at_ms| starts.note(at_ms));
        for (now_ms, count) in
            [(31_000, 4), (60_999, 4), (61_000, 2), (61_249, 1), (90_999, 1), (91_000, 0)]
        {
            assert_eq!(starts.within_a_minute(now_ms), count, "{now_ms}");
        }
        for (limit, room_ms) in
            [(5, None), (4, Some(61_000)), (3, Some(61_000)), (2, Some(61_249)), (1, Some(91_000))]
        {
            assert_eq!(starts.room_at_ms(limit), room_ms, "{limit}");
        }
    }

    #[test]
    fn what_is_over_is_forgotten_and_the_order_makes_no_difference() {
        let [mut forth, mut back] = [Starts::default(), Starts::default()];
        (0..300).for_each(|second| forth.note(second * 1_000));
        (0..300).rev().for_each(|second| back.note(second * 1_000));
        assert_eq!(forth, back);
        assert_eq!(forth.counts.len(), 60);
    }
}
