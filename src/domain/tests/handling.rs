//! What the author of a random plan wishes for failures.

use crate::domain::plan::{Handling, OnFailure};
use crate::domain::policy::Backoff;

pub(super) fn handling(b: usize) -> Handling {
    let on_failure = [OnFailure::Ask, OnFailure::Skip, OnFailure::FailParent][b % 3];
    Handling {
        on_failure,
        backoff: [None, Some(Backoff::Immediate), Some(Backoff::Fixed)][b / 3 % 3],
        attempts_max: [None, Some(1), Some(5)][b / 9 % 3],
        compensation: None,
    }
}
