//! Putting claimed files away.

use serde_json::Value;
use thiserror::Error;

use super::{LENGTH_MAX, NAME_ENDING, NAME_LENGTH_MAX, base_name};
use crate::domain::ids::ClaimId;
use crate::domain::moment::Timestamp;
use crate::domain::state::Claim;
use crate::store::{Renamed, Store, StoreError, layout};

/// Says why a claimed file could not be put away. It is still under its claim.
#[derive(Debug, Error)]
pub enum SettleError {
    /// The system refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Every name that was tried is taken.
    #[error("cannot put {file} away: every name from {file} to its number {tries} is taken")]
    NoName {
        /// The name it was dropped as.
        file: String,
        /// How many were tried.
        tries: u32,
    },
}

/// A name may have 255 bytes; this leaves room for a number and for the ending of a reason.
const NAME_BYTES_MAX: usize = 255 - 8 - layout::REASON_ENDING.len();

/// Puts a claimed file into `inbox/accepted/` or, with a `.reason.json` beside it, into
/// `inbox/rejected/`. A file of the same name stays as it is: this one gets a number. Doing it
/// again, also after a crash at any point, changes nothing. `at` is when it is put away.
///
/// # Errors
/// See [`SettleError`].
pub fn settle(
    store: &Store,
    claim: &ClaimId,
    what: &Claim,
    at: Timestamp,
) -> Result<(), SettleError> {
    const TRIES_MAX: u32 = 100_000;
    let from = layout::claimed(claim);
    let name = dropped_name(store, claim);
    let file = base_name(name.as_deref().unwrap_or(&what.file));
    let folder = if what.refused.is_some() { layout::REJECTED } else { layout::ACCEPTED };
    for number in 1..=TRIES_MAX {
        if !store.exists(&from) {
            // It was put away before.
            store.remove(&format!("{from}{NAME_ENDING}"))?;
            return Ok(());
        }
        let to = format!("{folder}/{}", numbered(file, number));
        if store.exists(&to) {
            continue;
        }
        if let Some(error) = &what.refused
            && !explain(store, &to, claim, file, error, at)?
        {
            continue;
        }
        match store.rename(&from, &to)? {
            Renamed::Done | Renamed::SourceGone | Renamed::TargetExists => {}
        }
    }
    Err(SettleError::NoName { file: file.to_owned(), tries: TRIES_MAX })
}

/// Returns the name a claimed file was dropped as: what it is claimed for may be named otherwise.
pub(super) fn dropped_name(store: &Store, claim: &ClaimId) -> Option<String> {
    let path = format!("{}{NAME_ENDING}", layout::claimed(claim));
    let content = store.read(&path, NAME_LENGTH_MAX).ok().flatten()?;
    String::from_utf8(content.bytes).ok()
}

/// Writes why a file is refused beside where it is to be put. False when the name is another's.
fn explain(
    store: &Store,
    to: &str,
    claim: &ClaimId,
    file: &str,
    error: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let path = format!("{to}{}", layout::REASON_ENDING);
    if store.exists(&path) {
        // Ours, from a try that was cut off?
        let there = store.read(&path, LENGTH_MAX).ok().flatten();
        let there = there.and_then(|content| serde_json::from_slice::<Value>(&content.bytes).ok());
        return Ok(there.is_some_and(|reason| reason["claim"] == claim.as_str()));
    }
    let reason = serde_json::json!({
        "schema": "baton/reason@1", "file": file, "error": error, "at": at, "claim": claim,
    });
    store.replace_durable(&path, format!("{reason:#}\n").as_bytes())?;
    Ok(true)
}

/// Returns `a.json` as it is and as `a-2.json`, `a-3.json`, ... A name so long that no number and
/// no ending for its reason fits behind it loses its middle.
fn numbered(file: &str, number: u32) -> String {
    let is_long = file.len() > NAME_BYTES_MAX;
    if number == 1 && !is_long {
        return file.to_owned();
    }
    let (stem, ending) = match file.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() < NAME_BYTES_MAX / 2 => {
            (stem, format!(".{ending}"))
        }
        Some(_) | None => (file, String::new()),
    };
    let stem = &stem[..stem.floor_char_boundary(NAME_BYTES_MAX - ending.len())];
    if number == 1 { format!("{stem}{ending}") } else { format!("{stem}-{number}{ending}") }
}
