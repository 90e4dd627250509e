//! Versions of the queue that were replaced, and what is written into them afterwards.

use std::os::unix::fs::FileExt;

use super::merge::{Baseline, Carry, carry};
use super::put::{Change, Place, put};
use super::{LENGTH_MAX, LOCK_WAIT, QueueError, busy, decode, like, parse};
use crate::domain::Moment;
use crate::store::{Store, digest, layout};

/// So long nothing may have been written into a replaced version before it is removed.
const QUIET_MS: u64 = 3_000;
/// So long a replaced version may stay in a state in which it cannot be read.
const TORN_MS_MAX: u64 = 60_000;
const PREFIX: &str = ".task-queue.json.";
const ENDING: &str = ".replaced";

/// A version of the queue that was replaced: a writer may still have it open, or may have read the
/// version that we put in its place.
#[derive(Debug)]
pub struct Kept {
    place: Place,
    /// What of it every reader saw all the time; `None` when that is not known.
    baseline: Option<Baseline>,
    /// The digest of what of it is in the queue.
    merged: String,
    /// The digest of what it held when it was replaced, until that is in the queue.
    replaced: Option<String>,
    /// True when something of it was not in the queue for a moment: a writer that read it just
    /// then will leave that out when it writes.
    was_hidden: bool,
    /// What it held at the last look, and since when.
    quiet: Option<(String, Moment)>,
    /// The queue in which it was last looked for.
    checked: Option<Mark>,
}

/// Inode, length and time of change of the queue.
type Mark = (u64, u64, i64);

/// Looks into replaced versions and merges into the queue what was written into them since. What
/// nobody writes to any more is removed from the disk and from `kept`. Returns how many were
/// merged.
///
/// # Errors
/// See [`QueueError`]; what is not merged stays in `kept`.
pub fn collect_late(store: &Store, kept: &mut Vec<Kept>, now: Moment) -> Result<usize, QueueError> {
    if kept.is_empty() {
        return Ok(0);
    }
    let entries = store.list("")?;
    let queue = entries.iter().find(|entry| entry.name == layout::TASK_QUEUE);
    let mark = queue.map(|queue| (queue.inode, queue.len, queue.modified_ms));
    let mut carried = Vec::new();
    for mut version in std::mem::take(kept) {
        match look(store, &mut version, mark, now) {
            Ok(Found::Quiet) => version.discard(store),
            Ok(Found::Carried(held)) => carried.push((version, held)),
            Ok(Found::Waiting) | Err(_) => kept.push(version),
        }
    }
    if carried.is_empty() {
        return Ok(0);
    }
    let done = carry_all(store, &carried);
    let is_done = done.as_ref().is_ok_and(Option::is_some);
    let mut merged = 0;
    for (mut version, held) in carried {
        if is_done {
            merged += usize::from(version.merged != held.digest);
            version.merged = held.digest;
            version.was_hidden = true;
            version.checked = mark;
        }
        if is_done && held.is_last_chance { version.discard(store) } else { kept.push(version) }
    }
    match done {
        Ok(more) => kept.extend(more.unwrap_or_default()),
        // The queue itself is being written.
        Err(QueueError::Busy { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(merged)
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
                baseline: None,
                replaced: None,
                was_hidden: false,
                quiet: None,
                checked: None,
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
        let queue = decode(bytes).and_then(parse);
        Self {
            place,
            baseline: queue.ok().map(|queue| Baseline::of(&queue)),
            merged: digest(bytes),
            replaced: None,
            was_hidden: false,
            quiet: None,
            checked: None,
        }
    }

    /// Takes a version that is `out` where `base` was expected; only that is in the queue.
    pub(super) fn unmerged(place: Place, base: &[u8], out: &[u8]) -> Self {
        Self { replaced: Some(digest(out)), was_hidden: true, ..Self::merged(place, base) }
    }

    /// Notes that everything it held when it was replaced is in the queue now.
    pub(super) fn is_merged(&mut self) {
        if let Some(digest) = self.replaced.take() {
            self.merged = digest;
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
    /// It holds what may not be in the queue.
    Carried(Held),
}

/// What a version holds that is to be carried over.
struct Held {
    bytes: Vec<u8>,
    digest: String,
    how: Carry,
    /// It is dropped after this.
    is_last_chance: bool,
}

fn look(
    store: &Store,
    version: &mut Kept,
    queue: Option<Mark>,
    now: Moment,
) -> Result<Found, QueueError> {
    let Some(bytes) = version.read(store)? else { return Ok(Found::Quiet) };
    let digest = digest(&bytes);
    let since = match &version.quiet {
        Some((before, since)) if *before == digest => *since,
        Some(_) | None => {
            version.quiet = Some((digest.clone(), now));
            now
        }
    };
    let (is_quiet, is_stuck) = (now.is_past(&since, QUIET_MS), now.is_past(&since, TORN_MS_MAX));
    if digest == version.merged {
        let is_checked = version.checked == queue && !is_quiet;
        return Ok(match (version.was_hidden, is_checked) {
            (true, false) => {
                let how = Carry::Again;
                Found::Carried(Held { bytes, digest, how, is_last_chance: is_quiet })
            }
            (true, true) | (false, _) if !is_quiet => Found::Waiting,
            (true | false, _) => Found::Quiet,
        });
    }
    if decode(&bytes).and_then(parse).is_ok() {
        let how = if version.baseline.is_some() { Carry::Newer } else { Carry::Older };
        let is_last_chance = false;
        return Ok(Found::Carried(Held { bytes, digest, how, is_last_chance }));
    }
    if !is_stuck {
        return Ok(Found::Waiting);
    }
    store.quarantine(layout::TASK_QUEUE, &bytes)?;
    Ok(Found::Quiet)
}

/// Carries all versions over in one step. `None` when there is no queue just now; otherwise the
/// versions that were replaced for it.
fn carry_all(store: &Store, versions: &[(Kept, Held)]) -> Result<Option<Vec<Kept>>, QueueError> {
    let _lock = store.lock(layout::TASK_QUEUE_LOCK, LOCK_WAIT)?;
    let Some(current) = store.read(layout::TASK_QUEUE, LENGTH_MAX)? else { return Ok(None) };
    let mut text = decode(&current.bytes)?.to_owned();
    let nothing = Baseline::default();
    for (version, held) in versions {
        let base = version.baseline.as_ref().unwrap_or(&nothing);
        let from = parse(decode(&held.bytes)?)?;
        text = carry(base, &from, &parse(&text)?, held.how).map_err(|e| busy(e, &text))?;
    }
    let want = like(&current.bytes, &text);
    if want == current.bytes {
        return Ok(Some(Vec::new()));
    }
    put(store, current.bytes, want, &Change::Carried).map(Some)
}

fn read_open(file: &std::fs::File) -> std::io::Result<Vec<u8>> {
    let length = file.metadata()?.len().min(LENGTH_MAX);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
