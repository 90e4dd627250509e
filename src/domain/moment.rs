//! Time as the domain sees it: handed in, never read.
//!
//! Deadlines and durations use the boot-time clock, which also counts sleep and which nobody can
//! set. Wall time is for people: it is shown and written, and it orders nothing.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeZone, Timelike, Utc};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// One instant: which boot, how long since that boot, and what the wall clock said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The boot that `boottime_ms` counts from.
    pub boot: BootId,
    /// Milliseconds since that boot, sleep included (`CLOCK_BOOTTIME`).
    #[serde(rename = "up")]
    pub boottime_ms: u64,
    /// What the wall clock said; only ever shown.
    pub wall: Timestamp,
}

impl Moment {
    /// Returns the milliseconds from `earlier` to this moment, `None` when another boot lies
    /// between them and nothing can be said.
    pub fn since_ms(&self, earlier: &Moment) -> Option<u64> {
        (self.boot == earlier.boot).then(|| self.boottime_ms.saturating_sub(earlier.boottime_ms))
    }

    /// Returns the milliseconds from `earlier` to this moment: on the boot-time clock where one boot
    /// saw both, else by wall time, and never less than 0.
    pub fn elapsed_ms(&self, earlier: &Moment) -> u64 {
        let by_wall =
            || u64::try_from(self.wall.as_ms().saturating_sub(earlier.wall.as_ms())).unwrap_or(0);
        self.since_ms(earlier).unwrap_or_else(by_wall)
    }

    /// Tells whether `delay_ms` after `start` has come; after another boot it always has.
    pub fn is_past(&self, start: &Moment, delay_ms: u64) -> bool {
        self.since_ms(start).is_none_or(|elapsed_ms| elapsed_ms >= delay_ms)
    }

    /// Returns the moment `delay_ms` later on both clocks.
    #[must_use]
    pub fn plus_ms(&self, delay_ms: u64) -> Moment {
        Moment {
            boot: self.boot,
            boottime_ms: self.boottime_ms.saturating_add(delay_ms),
            wall: Timestamp(
                self.wall.0.saturating_add(i64::try_from(delay_ms).unwrap_or(i64::MAX)),
            ),
        }
    }
}

/// Tells whether a length of time is none, and need not be written down.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
pub(super) fn is_no_time(ms: &u64) -> bool {
    *ms == 0
}

/// Writes a length of time for a person, to its two biggest units: `20 min 1 s`, `450 ms`.
pub fn span(ms: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];
    let at = units.iter().position(|(_, unit_ms)| ms >= *unit_ms).unwrap_or(units.len() - 1);
    let mut text = format!("{} {}", ms / units[at].1, units[at].0);
    if let Some((name, unit_ms)) = units.get(at + 1).filter(|(name, _)| *name != "ms") {
        let rest = ms % units[at].1 / unit_ms;
        if rest > 0 {
            text += &format!(" {rest} {name}");
        }
    }
    text
}

/// Identifies one boot of one machine (`/proc/sys/kernel/random/boot_id`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(pub u128);

impl Serialize for BootId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BootId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = BootId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a boot id")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<BootId, E> {
                BootId::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl BootId {
    /// Reads 32 hex digits, with or without dashes.
    fn parse(text: &str) -> Result<Self, String> {
        // As it is written here, which a replay reads with every record.
        if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return u128::from_str_radix(text, 16).map(BootId).map_err(|e| e.to_string());
        }
        let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
        u128::from_str_radix(&digits, 16).map(BootId).map_err(|e| format!("boot id {text:?}: {e}"))
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BootId({self})")
    }
}

impl From<BootId> for String {
    fn from(id: BootId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for BootId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        BootId::parse(&text)
    }
}

/// A wall-clock time: milliseconds since 1970-01-01 UTC, written as RFC 3339 with a `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;
        impl Visitor<'_> for TextOrNumber {
            type Value = Timestamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as 2025-11-05T18:00:00Z")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
                Timestamp::parse(text).map_err(E::custom)
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Timestamp, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Timestamp, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(TextOrNumber)
    }
}

/// Says that a text is no time in any of the forms that are read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{value:?} is no time: write it as 2025-11-05T18:00:00Z")]
pub struct TimestampError {
    /// The text as given, cut to 80 characters.
    pub value: String,
}

/// Years 0000 to 9999, what RFC 3339 can write.
const MS_MIN: i64 = -62_167_219_200_000;
const MS_MAX: i64 = 253_402_300_799_999;
/// Epoch numbers from here on are milliseconds: as seconds this would be the year 5138.
const EPOCH_MS_FROM: i64 = 100_000_000_000;

impl Timestamp {
    /// Takes milliseconds since 1970-01-01 UTC, held within the years 0000 to 9999.
    pub fn from_ms(ms: i64) -> Self {
        Self(ms.clamp(MS_MIN, MS_MAX))
    }

    /// Returns milliseconds since 1970-01-01 UTC.
    pub fn as_ms(self) -> i64 {
        self.0
    }

    /// Reads the forms that real files hold: RFC 3339, an offset without a colon (`-0600`),
    /// `+00:00Z`, a blank for the `T`, a date alone (midnight UTC), a time without an offset
    /// (taken as UTC), seconds or milliseconds since 1970.
    ///
    /// # Errors
    /// The text is none of these, or a date that does not exist.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        if let Some(time) = Self::parse_written(text.as_bytes()) {
            return Ok(time);
        }
        let error = || TimestampError { value: text.chars().take(80).collect() };
        let trimmed = text.trim();
        if let Ok(number) = trimmed.parse::<i64>() {
            return Self::from_epoch(number).ok_or_else(error);
        }
        if let Ok(date) = NaiveDate::parse_from_str(trimmed, "%Y-%m-%d") {
            return date.and_hms_opt(0, 0, 0).and_then(|t| Self::at_offset(t, 0)).ok_or_else(error);
        }
        let (local, offset_s) = split_offset(trimmed).ok_or_else(error)?;
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(local, form).ok())
            .and_then(|time| Self::at_offset(time, offset_s))
            .ok_or_else(error)
    }

    /// Reads exactly what [`Timestamp`] writes, which a replay reads with every record.
    fn parse_written(text: &[u8]) -> Option<Self> {
        let (time, millis) = match text {
            [time @ .., b'Z'] if time.len() == 19 => (time, 0),
            [time @ .., b'.', a, b, c, b'Z'] if time.len() == 19 => (time, number(&[*a, *b, *c])?),
            _ => return None,
        };
        if [time[4], time[7], time[10], time[13], time[16]] != *b"--T::" {
            return None;
        }
        let part = |from: usize, to: usize| number(&time[from..to]);
        let date =
            NaiveDate::from_ymd_opt(i32::try_from(part(0, 4)?).ok()?, part(5, 7)?, part(8, 10)?)?;
        let local = date.and_hms_milli_opt(part(11, 13)?, part(14, 16)?, part(17, 19)?, millis)?;
        Self::at_offset(local, 0)
    }

    fn from_epoch(number: i64) -> Option<Self> {
        let ms = if number.unsigned_abs() >= EPOCH_MS_FROM.unsigned_abs() {
            number
        } else {
            number.checked_mul(1000)?
        };
        (MS_MIN..=MS_MAX).contains(&ms).then_some(Self(ms))
    }

    fn at_offset(local: NaiveDateTime, offset_s: i64) -> Option<Self> {
        let ms = local.and_utc().timestamp_millis() - offset_s * 1000;
        (MS_MIN..=MS_MAX).contains(&ms).then_some(Self(ms))
    }
}

/// Reads a few decimal digits and nothing else.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
    })
}

/// Splits `...+02:00`, `...-0600`, `...+00:00Z`, `...Z` into the local part and seconds east.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text).trim_end();
    let time_from = text.find([':'])?;
    let Some(sign_at) = text[time_from..].find(['+', '-']).map(|at| at + time_from) else {
        return Some((text, 0));
    };
    let (local, offset) = (&text[..sign_at], &text[sign_at + 1..]);
    let digits: String = offset.chars().filter(|c| *c != ':').collect();
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i64, i64) = match digits.len() {
        2 => (digits.parse().ok()?, 0),
        4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60;
    Some((local.trim_end(), if text.as_bytes()[sign_at] == b'-' { -seconds } else { seconds }))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time: DateTime<Utc> = match Utc.timestamp_millis_opt(self.0) {
            chrono::LocalResult::Single(time) => time,
            chrono::LocalResult::Ambiguous(..) | chrono::LocalResult::None => DateTime::UNIX_EPOCH,
        };
        let (year, month, day) = (time.year(), time.month(), time.day());
        let (hour, minute, second) = (time.hour(), time.minute(), time.second());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match self.0.rem_euclid(1000) {
            0 => f.write_str("Z"),
            millis => write!(f, ".{millis:03}Z"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> String {
        time.to_string()
    }
}

impl TryFrom<serde_json::Value> for Timestamp {
    type Error = TimestampError;
    fn try_from(value: serde_json::Value) -> Result<Self, TimestampError> {
        match value.as_str() {
            Some(text) => Self::parse(text),
            None => Self::parse(&value.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn real_forms_are_read() {
        for (text, utc) in [
            ("2025-11-05T18:00:00Z", "2025-11-05T18:00:00Z"),
            ("2025-11-25T12:12:24-0600", "2025-11-25T18:12:24Z"),
            ("2025-11-25T12:12:24-06:00", "2025-11-25T18:12:24Z"),
            ("2025-11-20T20:37:29+00:00Z", "2025-11-20T20:37:29Z"),
            ("2025-11-20 20:37", "2025-11-20T20:37:00Z"),
            ("2025-11-20 20:37:29.250 +0530", "2025-11-20T15:07:29.250Z"),
            ("2025-11-20", "2025-11-20T00:00:00Z"),
            ("1762366071", "2025-11-05T18:07:51Z"),
            ("1762366071123", "2025-11-05T18:07:51.123Z"),
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), utc, "{text}");
        }
        for bad in
            ["", "soon", "2025-13-01", "2025-02-30T10:00:00Z", "99999999999999999999", "12:00"]
        {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn another_boot_ends_every_delay() {
        let moment = |boot, up| Moment { boot: BootId(boot), boottime_ms: up, wall: Timestamp(0) };
        assert!(!moment(1, 999).is_past(&moment(1, 0), 1000));
        assert!(moment(1, 1000).is_past(&moment(1, 0), 1000));
        assert!(moment(2, 0).is_past(&moment(1, 5), 1000));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in MS_MIN..=MS_MAX) {
            let time = Timestamp::from_ms(ms);
            let text = time.to_string();
            prop_assert_eq!(Timestamp::parse_written(text.as_bytes()), Some(time));
            // The blank keeps it from the short way.
            prop_assert_eq!(Timestamp::parse(&format!("{text} ")).unwrap(), time);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = Timestamp::parse(&text);
        }

        #[test]
        fn offsets_shift(ms in 0i64..4_000_000_000_000, hours in 0i64..24, minutes in 0i64..60) {
            let base = Timestamp::from_ms(ms / 1000 * 1000);
            let local = Timestamp::from_ms(base.as_ms() + (hours * 60 + minutes) * 60_000).to_string();
            let text = format!("{}+{hours:02}{minutes:02}", local.trim_end_matches('Z'));
            prop_assert_eq!(Timestamp::parse(&text).unwrap(), base);
        }
    }

    #[test]
    fn a_span_shows_its_two_biggest_units() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (30_000, "30 s"),
            (30_400, "30 s"),
            (1_201_000, "20 min 1 s"),
            (7_200_000, "2 h"),
            (90_061_000, "1 d 1 h"),
        ] {
            assert_eq!(span(ms), text, "{ms}");
        }
    }
}
