//! Versions of the queue that were replaced, and what is written into them afterwards.

use std::os::unix::fs::FileExt;

use super::merge::{Baseline, BothChanged, carry};
use super::put::{Change, Place, put};
use super::{LENGTH_MAX, LOCK_WAIT, QueueError, QueueText, busy, decode, like, parse};
use crate::domain::Moment;
use crate::store::{Store, digest, layout};

/// So long nothing may have been written into a replaced version before it is removed.
const QUIET_MS: u64 = 3_000;
/// So long a replaced version may stay in a state in which it cannot be read.
const TORN_MS_MAX: u64 = 60_000;
const PREFIX: &str = ".task-queue.json.";
const ENDING: &str = ".replaced";

/// A version of the queue that was replaced: a writer may still have it open.
#[derive(Debug)]
pub struct Kept {
    place: Place,
    /// What of it is in the queue.
    baseline: Baseline,
    /// The digest of that.
    merged: String,
    /// What it held when it was replaced.
    replaced: Option<(String, Baseline)>,
    /// What it held at the last look, and since when.
    quiet: Option<(String, Moment)>,
}

/// Looks into replaced versions and merges into the queue what was written into them since. What
/// nobody writes to any more is removed from the disk and from `kept`. Returns how many were
/// merged.
///
/// # Errors
/// See [`QueueError`]; what is not merged stays in `kept`.
pub fn collect_late(store: &Store, kept: &mut Vec<Kept>, now: Moment) -> Result<usize, QueueError> {
    let mut merged = 0;
    let mut waiting = std::mem::take(kept).into_iter();
    let mut failed = None;
    for mut version in waiting.by_ref() {
        match look(store, &mut version, now) {
            Ok(Found::Quiet) => version.discard(store),
            Ok(Found::Waiting) => kept.push(version),
            Ok(Found::Merged(more)) => {
                merged += 1;
                kept.push(version);
                kept.extend(more);
            }
            Err(error) => {
                kept.push(version);
                failed = Some(error);
                break;
            }
        }
    }
    kept.extend(waiting);
    failed.map_or(Ok(merged), Err)
}

/// Finds replaced versions that a crash left behind. Nothing but entries that the queue lacks is
/// taken from one that was written into.
pub fn leftovers(store: &Store) -> Vec<Kept> {
    let digest_of = |name: &str| {
        let rest = name.strip_prefix(PREFIX)?.strip_suffix(ENDING)?;
        let (digest, _) = rest.split_once('.')?;
        Some(digest.to_owned())
    };
    store
        .list("")
        .unwrap_or_default()
        .into_iter()
        .filter_map(|entry| {
            Some(Kept {
                merged: digest_of(&entry.name)?,
                place: Place::Path(entry.name),
                baseline: Baseline::default(),
                replaced: None,
                quiet: None,
            })
        })
        .collect()
}

impl Kept {
    /// Makes a name for the version `bytes` once it is replaced. It says what is expected there,
    /// so that late bytes are recognised after a crash.
    pub(super) fn path(bytes: &[u8]) -> String {
        format!("{PREFIX}{}.{}{ENDING}", digest(bytes), uuid::Uuid::new_v4().simple())
    }

    /// Takes a version whose whole content is in the queue.
    pub(super) fn merged(place: Place, bytes: &[u8]) -> Self {
        let baseline = baseline(bytes);
        Self { place, baseline, merged: digest(bytes), replaced: None, quiet: None }
    }

    /// Takes a version that is `out` where `base` was expected; only that is in the queue.
    pub(super) fn unmerged(place: Place, base: &[u8], out: &[u8]) -> Self {
        let replaced = Some((digest(out), baseline(out)));
        Self { replaced, ..Self::merged(place, base) }
    }

    /// Notes that everything it held when it was replaced is in the queue now.
    pub(super) fn is_merged(&mut self) {
        if let Some((digest, baseline)) = self.replaced.take() {
            (self.merged, self.baseline) = (digest, baseline);
        }
    }

    fn read(&self, store: &Store) -> Result<Option<Vec<u8>>, QueueError> {
        match &self.place {
            Place::Path(path) => Ok(store.read(path, LENGTH_MAX)?.map(|content| content.bytes)),
            Place::Open(file) => Ok(read_open(file).ok()),
        }
    }

    fn discard(self, store: &Store) {
        if let Place::Path(path) = &self.place {
            // What cannot be removed now is found again at the next start.
            let _ = store.remove(path);
        }
    }
}

enum Found {
    /// Nobody writes to it any more.
    Quiet,
    /// It is too early to tell.
    Waiting,
    /// What was written into it is in the queue now; these versions were replaced for it.
    Merged(Vec<Kept>),
}

fn look(store: &Store, version: &mut Kept, now: Moment) -> Result<Found, QueueError> {
    let Some(bytes) = version.read(store)? else { return Ok(Found::Quiet) };
    let found = digest(&bytes);
    let since = match &version.quiet {
        Some((before, since)) if *before == found => *since,
        Some(_) | None => {
            version.quiet = Some((found.clone(), now));
            now
        }
    };
    if found == version.merged {
        return Ok(if now.is_past(&since, QUIET_MS) { Found::Quiet } else { Found::Waiting });
    }
    if let Ok(late) = decode(&bytes).and_then(parse) {
        match merge_late(store, version, &late) {
            Ok(Some(more)) => {
                version.baseline = Baseline::of(&late);
                version.merged = found;
                return Ok(Found::Merged(more));
            }
            // The queue itself is being written, or was taken away for a moment.
            Ok(None) | Err(QueueError::Busy { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if !now.is_past(&since, TORN_MS_MAX) {
        return Ok(Found::Waiting);
    }
    store.quarantine(layout::TASK_QUEUE, &bytes)?;
    Ok(Found::Quiet)
}

fn merge_late(
    store: &Store,
    version: &Kept,
    late: &QueueText<'_>,
) -> Result<Option<Vec<Kept>>, QueueError> {
    let _lock = store.lock(layout::TASK_QUEUE_LOCK, LOCK_WAIT)?;
    let Some(current) = store.read(layout::TASK_QUEUE, LENGTH_MAX)? else { return Ok(None) };
    let text = decode(&current.bytes)?;
    let carried = carry(&version.baseline, late, &parse(text)?, BothChanged::CarriedButOurFields)
        .map_err(|error| busy(error, text))?;
    let want = like(&current.bytes, &carried);
    if want == current.bytes {
        return Ok(Some(Vec::new()));
    }
    put(store, current.bytes, want, &Change::Carried).map(Some)
}

fn baseline(bytes: &[u8]) -> Baseline {
    decode(bytes).and_then(parse).map(|queue| Baseline::of(&queue)).unwrap_or_default()
}

fn read_open(file: &std::fs::File) -> std::io::Result<Vec<u8>> {
    let length = file.metadata()?.len().min(LENGTH_MAX);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
