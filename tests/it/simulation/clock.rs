//! The clocks of a machine: one that only goes on, and one that lies.

use baton::domain::Moment;
use baton::domain::moment::{BootId, Timestamp};

use super::dice::Dice;

const YEAR_MS: i64 = 365 * 24 * 3_600_000;
const BEGIN_WALL_MS: i64 = 1_762_365_600_000;

/// The clocks of the machine.
pub(super) struct Clock {
    /// Milliseconds since the life began; boots do not touch it, and nobody inside can read it.
    pub(super) total_ms: u64,
    /// As `total_ms`, without the time in which the machine slept: what workers can have used.
    pub(super) awake_ms: u64,
    /// For how long it slept in this boot.
    pub(super) suspended_ms: u64,
    boot: u128,
    boot_total_ms: u64,
    wall_offset_ms: i64,
    lies: Dice,
    honest: bool,
}

impl Clock {
    /// Begins a life. Lies have dice of their own, so that a life without them is the same life.
    pub(super) fn new(seed: u64, honest: bool) -> Self {
        Self {
            total_ms: 0,
            awake_ms: 0,
            suspended_ms: 0,
            boot: 1,
            boot_total_ms: 0,
            wall_offset_ms: BEGIN_WALL_MS,
            lies: Dice::new(seed ^ 0xc10c),
            honest,
        }
    }

    pub(super) fn now(&self) -> Moment {
        let total_ms = self.total_ms as i64;
        Moment {
            boot: BootId(self.boot),
            boottime_ms: self.total_ms - self.boot_total_ms + 1_000,
            wall: Timestamp::from_ms(self.wall_offset_ms + total_ms),
        }
    }

    /// Goes on to a time that is not before now.
    pub(super) fn reach(&mut self, total_ms: u64) {
        self.awake_ms += total_ms.saturating_sub(self.total_ms);
        self.total_ms = self.total_ms.max(total_ms);
    }

    /// The machine sleeps: time goes by in which nobody can do anything.
    pub(super) fn sleep(&mut self, for_ms: u64) {
        self.total_ms += for_ms;
        self.suspended_ms += for_ms;
    }

    pub(super) fn reboot(&mut self) {
        self.boot += 1;
        self.boot_total_ms = self.total_ms;
        self.suspended_ms = 0;
    }

    /// Somebody sets the wall clock: by years, by hours or by less than a second, either way.
    pub(super) fn set_wall(&mut self) {
        let by = [-9 * YEAR_MS, -YEAR_MS, -3_600_000, -700, 700, 3_600_000, YEAR_MS, 30 * YEAR_MS];
        let by_ms = self.lies.pick(&by);
        if !self.honest {
            self.wall_offset_ms += by_ms;
        }
    }

    /// Returns when a moment of this boot comes; a moment of another has passed.
    pub(super) fn total_of(&self, moment: &Moment) -> u64 {
        if moment.boot == BootId(self.boot) {
            (moment.boottime_ms + self.boot_total_ms).saturating_sub(1_000)
        } else {
            0
        }
    }
}
