//! When attempts of a master began lately, for the limit on how many may within a minute.

use serde::{Deserialize, Serialize};

use crate::domain::moment::{BootId, Moment};

/// The time in which starts are counted.
pub(in crate::domain) const WINDOW_MS: u64 = 60_000;

/// Starts closer together than this are kept as one, at the time of the last: so many numbers are
/// enough for any rate, and room comes late by this at the most.
pub(in crate::domain) const SLICE_MS: u64 = 250;

/// The starts of the last minute of one boot, on its clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starts {
    boot: BootId,
    /// The time of the last start of each slice, and how many there were; the oldest first.
    slices: Vec<Slice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Slice {
    began_ms: u64,
    last_ms: u64,
    count: usize,
}

impl Starts {
    /// Begins to count.
    pub(super) fn at(moment: &Moment) -> Self {
        Self { boot: moment.boot, slices: Vec::new() }
    }

    /// Notes one. Those of another boot are of no more use: a boot takes its time.
    pub(super) fn note(&mut self, at: &Moment) {
        if self.boot != at.boot {
            *self = Self::at(at);
        }
        let now_ms = at.boottime_ms;
        self.slices.retain(|slice| slice.last_ms + WINDOW_MS > now_ms);
        match self.slices.last_mut() {
            Some(slice) if now_ms.saturating_sub(slice.began_ms) < SLICE_MS => {
                slice.last_ms = slice.last_ms.max(now_ms);
                slice.count += 1;
            }
            Some(_) | None => {
                self.slices.push(Slice { began_ms: now_ms, last_ms: now_ms, count: 1 });
            }
        }
    }

    /// Counts those within the minute before `now`.
    pub(super) fn within_a_minute(&self, now: Moment) -> usize {
        if self.boot != now.boot {
            return 0;
        }
        let is_within = |slice: &&Slice| slice.last_ms + WINDOW_MS > now.boottime_ms;
        self.slices.iter().filter(is_within).map(|slice| slice.count).sum()
    }

    /// Returns from when on fewer than `limit` lie within a minute; `None` where they always do.
    pub(super) fn room_at(&self, limit: usize) -> Option<(BootId, u64)> {
        let mut left: usize = self.slices.iter().map(|slice| slice.count).sum();
        let full = self.slices.iter().take_while(|slice| {
            let is_full = left >= limit;
            left -= slice.count;
            is_full
        });
        full.last().map(|slice| (self.boot, slice.last_ms + WINDOW_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moment::Timestamp;

    fn at(boot: u128, boottime_ms: u64) -> Moment {
        Moment { boot: BootId(boot), boottime_ms, wall: Timestamp::from_ms(0) }
    }

    #[test]
    fn the_minute_slides() {
        let mut starts = Starts::at(&at(1, 0));
        for began_ms in [1_000, 1_100, 1_249, 1_250, 31_000] {
            starts.note(&at(1, began_ms));
        }
        for (now, count) in [
            (at(1, 31_000), 5),
            (at(1, 61_248), 5),
            (at(1, 61_249), 2),
            (at(1, 61_250), 1),
            (at(1, 90_999), 1),
            (at(1, 91_000), 0),
            (at(2, 31_000), 0),
        ] {
            assert_eq!(starts.within_a_minute(now), count, "{now:?}");
        }
        for (limit, room) in
            [(6, None), (5, Some(61_249)), (3, Some(61_249)), (2, Some(61_250)), (1, Some(91_000))]
        {
            assert_eq!(starts.room_at(limit), room.map(|ms| (BootId(1), ms)), "{limit}");
        }
        starts.note(&at(2, 5));
        assert_eq!(starts.within_a_minute(at(2, 5)), 1);
    }

    #[test]
    fn any_rate_takes_a_bounded_place() {
        let mut starts = Starts::at(&at(1, 0));
        for began_ms in 0..300_000 {
            starts.note(&at(1, began_ms));
        }
        assert!(starts.slices.len() as u64 <= WINDOW_MS / SLICE_MS + 1, "{}", starts.slices.len());
    }
}
