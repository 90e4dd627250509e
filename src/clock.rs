//! Reads the clocks; nothing else does.
#![expect(clippy::disallowed_methods, reason = "this is the one file that reads clocks")]

use std::path::Path;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::domain::moment::{BootId, Moment, Timestamp};

/// Where the kernel names the running boot.
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";
/// How far the wall clock may be set before a boot without a name counts as another one.
const BOOT_BUCKET_MS: i128 = 600_000;
/// Set in every boot id that is made up here, so that it never equals a kernel's.
const MADE_UP: u128 = 1 << 127;

/// Returns this instant: the running boot, milliseconds since it (sleep included) and what the
/// wall clock says.
pub fn now() -> Moment {
    Moment { boot: boot_id(), boottime_ms: boottime_ms(), wall: Timestamp::from_ms(wall_ms()) }
}

/// Returns nanoseconds of a clock that only ever goes on, to measure short spans with.
pub fn precisely_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// Returns the id of the running boot, read once in the life of the process.
///
/// Without `/proc` it is made from the time of the boot in steps of ten minutes: a clock that is
/// set further than that looks like a reboot, which only makes deadlines come early.
pub fn boot_id() -> BootId {
    static BOOT_ID: OnceLock<BootId> = OnceLock::new();
    *BOOT_ID.get_or_init(|| {
        read_boot_id(Path::new(BOOT_ID_FILE))
            .unwrap_or_else(|| made_up_boot_id(wall_ms(), boottime_ms()))
    })
}

fn read_boot_id(path: &Path) -> Option<BootId> {
    let text = std::fs::read_to_string(path).ok()?;
    BootId::try_from(text).ok()
}

fn made_up_boot_id(wall_ms: i64, boottime_ms: u64) -> BootId {
    let booted_at_ms = i128::from(wall_ms) - i128::from(boottime_ms);
    BootId(MADE_UP | booted_at_ms.div_euclid(BOOT_BUCKET_MS).unsigned_abs())
}

/// Returns how long the host was suspended in the running boot: that is by how much the boot-time
/// clock, which counts such time, is before the monotonic one, which does not.
pub fn suspended_ms() -> u64 {
    // In this order: who is held up between the two finds too little, never time that was not.
    let boottime_ms = boottime_ms();
    boottime_ms.saturating_sub(read_ms(ClockId::Monotonic))
}

fn boottime_ms() -> u64 {
    read_ms(ClockId::Boottime)
}

fn read_ms(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000) + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

/// Returns milliseconds since 1970; below zero when the clock stands before it.
fn wall_ms() -> i64 {
    let clamp = |ms: u128| i64::try_from(ms).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => clamp(after.as_millis()),
        Err(before) => -clamp(before.duration().as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_run_backwards_and_is_of_one_boot() {
        let first = now();
        let second = now();
        assert_eq!(first.boot, second.boot);
        assert!(second.boottime_ms >= first.boottime_ms);
        assert!(second.since_ms(&first).is_some_and(|ms| ms < 60_000));
        assert!(first.wall > Timestamp::parse("2025-01-01").unwrap());
    }

    #[test]
    fn boottime_is_the_uptime_of_the_machine_in_milliseconds() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime_s: f64 = uptime.split_whitespace().next().unwrap().parse().unwrap();
        let ours_s = now().boottime_ms as f64 / 1000.0;
        assert!((ours_s - uptime_s).abs() < 30.0, "{ours_s} s against {uptime_s} s");
    }

    #[test]
    fn a_suspension_lies_in_the_past_and_does_not_grow_while_we_run() {
        let first = suspended_ms();
        assert!(first <= now().boottime_ms);
        // What was seen of it is less where we were held up between two clocks.
        let grown = (0..100).map(|_| suspended_ms().saturating_sub(first)).min();
        assert!(grown.is_some_and(|ms| ms < 1_000), "{grown:?}");
    }

    #[test]
    fn the_boot_id_is_the_kernels() {
        let kernels = std::fs::read_to_string(BOOT_ID_FILE).unwrap();
        assert_eq!(boot_id(), BootId::try_from(kernels).unwrap());
    }

    #[test]
    fn a_boot_without_a_name_keeps_one_while_clocks_drift_and_changes_with_a_reboot() {
        assert_eq!(read_boot_id(Path::new("/nowhere/boot_id")), None);
        let id = made_up_boot_id(1_700_000_100_000, 100_000);
        assert_eq!(id, made_up_boot_id(1_700_000_250_000, 200_000));
        assert_ne!(id, made_up_boot_id(1_700_009_000_000, 100_000));
        assert_ne!(id.0 & MADE_UP, 0);
    }
}
