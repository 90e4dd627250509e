//! Telling a writer that is busy from a file that is damaged.

use std::collections::BTreeMap;

use crate::domain::Moment;

/// So long the bytes of a file that cannot be read must stay the same before that is said.
pub(super) const STABLE_MS: u64 = 2_000;
const FIRST_DELAY_MS: u64 = 50;
const DELAY_MS_MAX: u64 = 1_000;

/// What is known of files that could not be read, by path.
#[derive(Debug, Default)]
pub(super) struct Patience {
    waiting: BTreeMap<String, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// Which bytes.
    mark: String,
    since: Moment,
    delay_ms: u64,
}

/// What to do about a file that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its writer may be busy: look again after so many milliseconds.
    Wait(u64),
    /// It has been so for long enough.
    Damaged,
}

impl Patience {
    /// Notes that the file cannot be read as it is now; `mark` tells one content from another.
    pub(super) fn judge(
        &mut self,
        path: &str,
        mark: &str,
        modified_ms: i64,
        now: Moment,
    ) -> Verdict {
        self.judge_after(STABLE_MS, path, mark, modified_ms, now)
    }

    /// As [`Patience::judge`], with another time for which the bytes must stay the same.
    pub(super) fn judge_after(
        &mut self,
        stable_ms: u64,
        path: &str,
        mark: &str,
        modified_ms: i64,
        now: Moment,
    ) -> Verdict {
        // One that was left alone for long needs no further watching.
        let age_ms = now.wall.as_ms().saturating_sub(modified_ms);
        let is_old = u64::try_from(age_ms).is_ok_and(|age_ms| age_ms >= stable_ms);
        match self.waiting.get_mut(path) {
            Some(waiting) if waiting.mark == mark => {
                if is_old || now.is_past(&waiting.since, stable_ms) {
                    return Verdict::Damaged;
                }
                let delay_ms = waiting.delay_ms;
                waiting.delay_ms = (delay_ms * 2).min(DELAY_MS_MAX);
                Verdict::Wait(delay_ms)
            }
            Some(_) | None if is_old => Verdict::Damaged,
            Some(_) | None => {
                let delay_ms = FIRST_DELAY_MS * 2;
                let waiting = Waiting { mark: mark.to_owned(), since: now, delay_ms };
                self.waiting.insert(path.to_owned(), waiting);
                Verdict::Wait(FIRST_DELAY_MS)
            }
        }
    }

    /// Notes that the file is fine, or gone.
    pub(super) fn forget(&mut self, path: &str) {
        self.waiting.remove(path);
    }

    /// Keeps only what is waited for among these files.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.waiting.retain(|path, _| is_there(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::moment::BootId;

    #[test]
    fn a_changing_file_is_waited_for_and_a_stable_one_is_not() {
        let start =
            Moment { boot: BootId(1), boottime_ms: 5, wall: Timestamp::from_ms(1_000_000_000) };
        let mut patience = Patience::default();
        let mut judge = |mark: &str, after_ms: u64| {
            patience.judge("a", mark, 1_000_000_000 + 60_000, start.plus_ms(after_ms))
        };
        assert_eq!(judge("1", 0), Verdict::Wait(50));
        assert_eq!(judge("1", 50), Verdict::Wait(100));
        assert_eq!(judge("2", 1_999), Verdict::Wait(50));
        let delays = (0..6).map(|_| judge("2", 2_100)).collect::<Vec<_>>();
        assert_eq!(delays[3..], [Verdict::Wait(800), Verdict::Wait(1_000), Verdict::Wait(1_000)]);
        assert_eq!(judge("2", 3_998), Verdict::Wait(1_000));
        assert_eq!(judge("2", 3_999), Verdict::Damaged);
        patience.forget("a");
        assert_eq!(patience.judge("a", "2", 999_998_000, start), Verdict::Damaged);
        patience.retain(|_| false);
        assert!(patience.waiting.is_empty());
    }
}
