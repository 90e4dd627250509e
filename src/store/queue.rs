//! `task-queue.json`, which is shared with producers that may not lock.
//!
//! [`patch`] sets our fields in our entries and keeps every other byte. It holds the lock that
//! locking writers take, puts the new file in place by exchange, and looks at what came out: when
//! that is not what was read, a writer without a lock was faster, and its version is merged. What
//! came out is kept for a while, since a writer that had the file open goes on writing into it;
//! [`collect_late`] merges what arrives there.

use std::time::Duration;

use thiserror::Error;

use super::{FileContent, LockError, ReadError, Store, StoreError, layout};
use crate::domain::document::QueuePatch;
use crate::domain::read::json;

mod late;
mod merge;
mod put;
mod style;
mod text;

pub use late::{Kept, collect_late, leftovers};
pub use text::{Entry, QueueText};

/// A longer queue is neither read nor written: 64 MiB.
pub const LENGTH_MAX: u64 = 64 << 20;
/// How long a writer that locks is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// What came of a patch.
#[derive(Debug, Default)]
pub struct Patched {
    /// False when everything was there already, or when there is no queue.
    pub changed: bool,
    /// Versions that were replaced, for [`collect_late`].
    pub kept: Vec<Kept>,
}

/// Says why the queue was not changed. Whatever it is, it may work later.
#[derive(Debug, Error)]
pub enum QueueError {
    /// The file does not parse: a writer is in the middle of it, or it is damaged. It is never
    /// written then.
    #[error("cannot patch {}: {problem}", layout::TASK_QUEUE)]
    Busy {
        /// Where and what.
        problem: String,
    },
    /// A writer holds the lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The file is not one that is read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The system refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets fields of entries of the queue and puts back entries that are missing; a missing queue
/// stays missing, and nothing is written when nothing changes.
///
/// # Errors
/// See [`QueueError`]; the queue is as it was then.
pub fn patch(store: &Store, patches: &[QueuePatch]) -> Result<Patched, QueueError> {
    if patches.is_empty() {
        return Ok(Patched::default());
    }
    let _lock = store.lock(layout::TASK_QUEUE_LOCK, LOCK_WAIT)?;
    let Some(FileContent { bytes, .. }) = store.read(layout::TASK_QUEUE, LENGTH_MAX)? else {
        return Ok(Patched::default());
    };
    let patched = patched(&bytes, patches)?;
    if patched == bytes {
        return Ok(Patched::default());
    }
    let kept = put::put(store, bytes, patched, &put::Change::Ours(patches))?;
    Ok(Patched { changed: true, kept })
}

/// Returns the bytes of a queue with our fields in them, after its byte order mark if it has one.
fn patched(bytes: &[u8], patches: &[QueuePatch]) -> Result<Vec<u8>, QueueError> {
    let text = decode(bytes)?;
    let queue = parse(text)?;
    let patched = queue.patched(patches).map_err(|error| busy(error, text))?;
    Ok(like(bytes, &patched))
}

fn decode(bytes: &[u8]) -> Result<&str, QueueError> {
    json::decode(bytes, layout::TASK_QUEUE)
        .map_err(|problem| QueueError::Busy { problem: problem.message })
}

fn parse(text: &str) -> Result<QueueText<'_>, QueueError> {
    QueueText::read(text).map_err(|error| busy(error, text))
}

fn busy(error: json::JsonError, text: &str) -> QueueError {
    QueueError::Busy { problem: error.problem(layout::TASK_QUEUE, text).message }
}

/// Returns `text` with the byte order mark that `model` has.
fn like(model: &[u8], text: &str) -> Vec<u8> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let mark = if model.starts_with(MARK) { MARK } else { b"" };
    [mark, text.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
