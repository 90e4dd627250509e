//! Writes what is derived from the journal: lines and answers at once, everything else rendered
//! once for many decisions.

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};

use thiserror::Error;

use super::error::Chain;
use super::looks::Looks;
use crate::clock;
use crate::domain::document::{Document, DocumentKey, QueuePatch, QueueTarget};
use crate::domain::ids::SubtaskId;
use crate::domain::{Policy, Record, State};
use crate::journal::{self, JournalError};
use crate::projection::{self, dashboard_events, worker_specs};
use crate::store::queue::Kept;
use crate::store::{ReadError, Store, StoreError, layout};

/// So many documents are written, for so long, before the loop looks for something else to do.
const RENDER_MAX: usize = 256;
const RENDER_MS_MAX: u64 = 20;
/// How long to wait after a document could not be written.
const RETRY_AFTER_MS: u64 = 2_000;
/// So much of the end of `dashboard-events.jsonl` is read first to find our last line.
const TAIL_BYTES: u64 = 256 * 1024;
/// How long after the last look replaced versions of the queue are looked into.
const COLLECT_AFTER_MS: u64 = 1_000;
/// Lines that are completed from the journal are appended in pieces of about this size.
const PIECE_BYTES: usize = 1024 * 1024;

/// Which documents do not show the state yet.
#[derive(Default)]
pub(super) struct Documents {
    touched: BTreeSet<DocumentKey>,
    queue: BTreeSet<QueueTarget>,
    /// Since when the oldest of them waits, on the boot-time clock.
    touched_at_ms: Option<u64>,
    /// Not before this, after a failure.
    not_before_ms: u64,
    queue_not_before_ms: u64,
    /// Whether the last patch of the queue could not be made.
    queue_failed: bool,
    /// A patch of the queue is under way; these are not shown before it is done.
    patching: BTreeSet<QueueTarget>,
    /// Versions of the queue that were replaced and may still be written into.
    kept: Vec<Kept>,
    /// When to look into them, on the boot-time clock.
    collect_at_ms: u64,
    /// A line could not be appended: the file has to be completed from the journal.
    dashboard_behind: bool,
    /// So that a lasting failure is said once.
    complained: bool,
    /// Whether documents changed since they were last made durable. The overview, which every
    /// start and stop changes, does not count; the queue is always written durably.
    has_news: bool,
}

impl Documents {
    /// Marks what `record` changes; `state` is the one right after it.
    pub(super) fn touch(&mut self, state: &State, record: &Record) {
        self.touch_keys(projection::touches(state, record), record.at.boottime_ms);
    }

    /// Marks `dashboard-events.jsonl`: it is compared with the journal and completed.
    pub(super) fn dashboard_is_behind(&mut self) {
        self.dashboard_behind = true;
    }

    /// Marks documents by their keys.
    pub(super) fn touch_keys(&mut self, keys: impl IntoIterator<Item = DocumentKey>, now_ms: u64) {
        for key in keys {
            match key {
                DocumentKey::QueueEntry(target) => {
                    self.queue.insert(target);
                }
                DocumentKey::Overview => {
                    self.touched.insert(key);
                }
                DocumentKey::Plan(_)
                | DocumentKey::Subtask(_)
                | DocumentKey::WorkerSpec(_)
                | DocumentKey::Completion(_)
                | DocumentKey::Answer(_) => {
                    self.has_news = true;
                    self.touched.insert(key);
                }
            }
            self.touched_at_ms.get_or_insert(now_ms);
        }
    }

    /// Tells whether documents changed since they were last said to be durable.
    pub(super) fn has_news(&self) -> bool {
        self.has_news
    }

    /// Notes that all of them are durable.
    pub(super) fn are_durable(&mut self) {
        self.has_news = false;
    }

    /// Tells whether every file that is ours alone shows the state.
    pub(super) fn are_files_clean(&self) -> bool {
        self.touched.is_empty() && !self.dashboard_behind
    }

    /// Tells whether a file could not be written just now.
    pub(super) fn is_failing(&self, now_ms: u64) -> bool {
        now_ms < self.not_before_ms
    }

    /// Tells whether the queue is owed a change that may be tried now, whatever rest it was to
    /// have.
    pub(super) fn may_patch(&mut self) -> bool {
        if !self.queue_failed {
            self.queue_not_before_ms = 0;
        }
        !self.queue.is_empty() && self.patching.is_empty() && !self.queue_failed
    }

    /// Appends the lines of a batch that is on disk, and writes the answers it gave.
    pub(super) fn publish(&mut self, world: &World<'_>, records: &[Record], now_ms: u64) {
        if records.is_empty() {
            return;
        }
        if !self.dashboard_behind {
            let lines: String = records.iter().map(dashboard_events::lines).collect();
            if let Err(error) = world.store.append(layout::DASHBOARD_EVENTS, lines.as_bytes()) {
                self.dashboard_behind = true;
                self.failed(&error, now_ms);
            }
        }
        let answers: Vec<DocumentKey> = self
            .touched
            .iter()
            .filter(|key| matches!(key, DocumentKey::Answer(_)))
            .cloned()
            .collect();
        for key in answers {
            self.write(world, &key, now_ms);
        }
    }

    /// Writes the document of a subtask now if it is not up to date: it has to be there before
    /// its handoff is (S4-29).
    pub(super) fn before_handoff(&mut self, world: &World<'_>, subtask: &SubtaskId, now_ms: u64) {
        let key = DocumentKey::Subtask(subtask.clone());
        if self.touched.contains(&key) {
            self.write(world, &key, now_ms);
        }
    }

    /// Returns when documents have to be written, `delay_ms` after the first was touched at the
    /// latest, and at once if nothing else is to do.
    pub(super) fn due_ms(&self, is_idle: bool, delay_ms: u64) -> Option<u64> {
        let files = !self.touched.is_empty() || self.dashboard_behind;
        let queue = !self.queue.is_empty() && self.patching.is_empty();
        let since_ms = self.touched_at_ms.unwrap_or(0);
        let due_ms = if is_idle { since_ms } else { since_ms.saturating_add(delay_ms) };
        let files_ms = files.then(|| due_ms.max(self.not_before_ms));
        let queue_ms = queue.then(|| due_ms.max(self.queue_not_before_ms));
        files_ms.into_iter().chain(queue_ms).min()
    }

    /// Writes the files that are due, up to a bound; the rest stays due.
    pub(super) fn render(&mut self, world: &World<'_>, now_ms: u64) {
        if now_ms < self.not_before_ms {
            return;
        }
        if self.dashboard_behind {
            match complete_dashboard(world.store, world.state.seq, &[]) {
                Ok(()) => self.dashboard_behind = false,
                Err(error) => return self.failed(&error, now_ms),
            }
        }
        let begun = clock::now();
        for key in self.next_keys() {
            if !self.write(world, &key, now_ms) {
                return;
            }
            if clock::now().since_ms(&begun) >= Some(RENDER_MS_MAX) {
                break;
            }
        }
        if self.touched.is_empty() {
            self.complained = false;
        }
        self.rest_touched();
    }

    /// Returns what is written next: parts before what sums them up, so that whoever reads that a
    /// whole is completed finds all of it completed.
    fn next_keys(&self) -> Vec<DocumentKey> {
        let mut keys: Vec<&DocumentKey> = self.touched.iter().collect();
        keys.sort_by_key(|key| rank(key));
        keys.into_iter().take(RENDER_MAX).cloned().collect()
    }

    /// Takes the changes that the queue is owed, if none are under way and it is time.
    pub(super) fn take_patches(&mut self, world: &World<'_>, now_ms: u64) -> Vec<QueuePatch> {
        // Files that cannot be written do not hold up the queue.
        let is_last = self.touched.is_empty() || self.is_failing(now_ms);
        if !self.patching.is_empty() || now_ms < self.queue_not_before_ms || !is_last {
            return Vec::new();
        }
        let targets = std::mem::take(&mut self.queue);
        let patches: Vec<QueuePatch> = targets
            .iter()
            .flat_map(|target| {
                let key = DocumentKey::QueueEntry(target.clone());
                projection::render(world.state, world.policy, &key)
            })
            .filter_map(|document| match document {
                Document::QueuePatch(patch) => Some(patch),
                Document::Replace { .. } | Document::Absent { .. } => None,
            })
            .collect();
        if !patches.is_empty() {
            self.patching = targets;
        }
        self.rest_touched();
        patches
    }

    /// Notes that the changes of [`Documents::take_patches`] are in the queue, and keeps what they
    /// replaced. The next ones wait as long as these took, so that a long queue does not take all
    /// the time there is.
    pub(super) fn patched(&mut self, now_ms: u64, took_ms: u64, replaced: Vec<Kept>) {
        self.patching.clear();
        self.queue_failed = false;
        self.queue_not_before_ms = now_ms.saturating_add(took_ms);
        self.keep(now_ms, replaced);
    }

    /// Keeps replaced versions of the queue to look into them in a while.
    pub(super) fn keep(&mut self, now_ms: u64, replaced: Vec<Kept>) {
        if !replaced.is_empty() {
            self.kept.extend(replaced);
            self.collect_at_ms = now_ms.saturating_add(COLLECT_AFTER_MS);
        }
    }

    /// Returns when to look into replaced versions of the queue, if there are any.
    pub(super) fn collect_due_ms(&self) -> Option<u64> {
        let is_free = !self.kept.is_empty() && self.patching.is_empty();
        is_free.then_some(self.collect_at_ms)
    }

    /// Takes the replaced versions of the queue to look into them, if it is time. Whoever takes
    /// them gives them back by [`Documents::keep`].
    pub(super) fn take_kept(&mut self, now_ms: u64) -> Vec<Kept> {
        if self.collect_due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            std::mem::take(&mut self.kept)
        } else {
            Vec::new()
        }
    }

    /// Notes that they are not, and are owed again in a while.
    pub(super) fn not_patched(&mut self, now_ms: u64, after_ms: u64) {
        self.queue.append(&mut self.patching);
        self.queue_failed = true;
        self.touched_at_ms.get_or_insert(now_ms);
        self.queue_not_before_ms = now_ms.saturating_add(after_ms);
    }

    /// Writes or removes the files of one key. Returns false when that failed; it stays touched.
    fn write(&mut self, world: &World<'_>, key: &DocumentKey, now_ms: u64) -> bool {
        for document in world.render(key) {
            let done = match &document {
                Document::Replace { path, body } => world.store.replace(path, body.as_bytes()),
                Document::Absent { path } => world.store.remove(path),
                Document::QueuePatch(_) => Ok(()),
            };
            if let Err(error) = done {
                self.failed(&error, now_ms);
                return false;
            }
        }
        self.touched.remove(key);
        self.rest_touched();
        true
    }

    fn failed(&mut self, error: &dyn std::error::Error, now_ms: u64) {
        if !self.complained {
            tracing::warn!(error = %Chain(error), "cannot write a document; trying again");
            self.complained = true;
        }
        self.touched_at_ms.get_or_insert(now_ms);
        self.not_before_ms = now_ms.saturating_add(RETRY_AFTER_MS);
    }

    fn rest_touched(&mut self) {
        if self.touched.is_empty() && self.queue.is_empty() && !self.dashboard_behind {
            self.touched_at_ms = None;
        }
    }
}

/// Says in which order documents are written.
fn rank(key: &DocumentKey) -> u8 {
    match key {
        DocumentKey::Subtask(_) => 0,
        DocumentKey::WorkerSpec(_) => 1,
        DocumentKey::Plan(_) => 2,
        DocumentKey::Completion(_) => 3,
        DocumentKey::Answer(_) => 4,
        DocumentKey::Overview => 5,
        DocumentKey::QueueEntry(_) => 6,
    }
}

/// What documents are rendered from and written to.
pub(super) struct World<'a> {
    /// Where they go.
    pub(super) store: &'a Store,
    /// What they show; all of it is on disk.
    pub(super) state: &'a State,
    /// The operator's limits.
    pub(super) policy: &'a Policy,
    /// What is known of living workers, of which the journal tells only what follows.
    pub(super) looks: &'a Looks,
}

impl World<'_> {
    fn render(&self, key: &DocumentKey) -> Vec<Document> {
        if let DocumentKey::WorkerSpec(id) = key
            && let Some(sample) = self.looks.sample(self.state, id)
        {
            return worker_specs::render_sampled(self.state, id, &sample);
        }
        projection::render(self.state, self.policy, key)
    }
}

/// Appends to `dashboard-events.jsonl` what the journal has up to `seq_max` and it does not; a line
/// that was torn by a crash is completed or ended first. `recent` are the last records of the
/// journal, as far as they are at hand.
///
/// # Errors
/// Either cannot be read, or there is no room.
pub(super) fn complete_dashboard(
    store: &Store,
    seq_max: u64,
    recent: &[Record],
) -> Result<(), DashboardError> {
    let bytes = read_tail(store, seq_max)?;
    let tail = dashboard_events::last_seq_up_to(&bytes, seq_max);
    let next_seq = tail.seq.unwrap_or(0) + 1;
    let mut lines = Lines { store, tail: Some(tail), next_seq, piece: String::new() };
    if next_seq > seq_max {
        return lines.finish();
    }
    if recent.first().is_some_and(|record| record.seq <= next_seq) {
        recent.iter().try_for_each(|record| lines.add(record))?;
    } else {
        for record in journal::read(&store.root().join(layout::JOURNAL), next_seq)? {
            lines.add(&record?)?;
        }
    }
    lines.finish()
}

/// Lines on their way into the file.
struct Lines<'a> {
    store: &'a Store,
    /// How the file ends; `None` once something was appended.
    tail: Option<dashboard_events::Tail<'a>>,
    /// The first event that the file lacks.
    next_seq: u64,
    piece: String,
}

impl Lines<'_> {
    fn add(&mut self, record: &Record) -> Result<(), DashboardError> {
        let known = usize::try_from(self.next_seq.saturating_sub(record.seq)).unwrap_or(usize::MAX);
        let lines = dashboard_events::lines(record);
        self.piece.extend(lines.split_inclusive('\n').skip(known));
        if self.piece.len() >= PIECE_BYTES { self.append() } else { Ok(()) }
    }

    fn finish(mut self) -> Result<(), DashboardError> {
        let is_torn = self.tail.is_some_and(|tail| !tail.torn.is_empty());
        if is_torn || !self.piece.is_empty() { self.append() } else { Ok(()) }
    }

    fn append(&mut self) -> Result<(), DashboardError> {
        let bytes = match self.tail.take() {
            Some(tail) => tail.append(&self.piece),
            None => self.piece.as_bytes().to_vec(),
        };
        self.piece.clear();
        Ok(self.store.append(layout::DASHBOARD_EVENTS, &bytes)?)
    }
}

/// Says why `dashboard-events.jsonl` cannot be completed.
#[derive(Debug, Error)]
pub(super) enum DashboardError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its end cannot be read.
    #[error("cannot read the end of {}", layout::DASHBOARD_EVENTS)]
    Tail(#[source] io::Error),
    /// It cannot be appended to.
    #[error(transparent)]
    Append(#[from] StoreError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Reads the end of the file, further back each time until a whole line of ours is in it.
fn read_tail(store: &Store, seq_max: u64) -> Result<Vec<u8>, DashboardError> {
    let Some(mut file) = store.open_file(layout::DASHBOARD_EVENTS)? else { return Ok(Vec::new()) };
    let len = file.metadata().map_err(DashboardError::Tail)?.len();
    let mut size = TAIL_BYTES;
    loop {
        let from = len.saturating_sub(size);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from)).map_err(DashboardError::Tail)?;
        file.read_to_end(&mut bytes).map_err(DashboardError::Tail)?;
        let tail = dashboard_events::last_seq_up_to(&bytes, seq_max);
        if tail.seq.is_some() || from == 0 {
            return Ok(bytes);
        }
        size = size.saturating_mul(4);
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests cut files as a crash does")]
mod tests {
    use super::*;
    use crate::domain::Event;
    use crate::domain::event::JOURNAL_SCHEMA;
    use crate::journal::Journal;

    fn records() -> Vec<Record> {
        let now = clock::now();
        let started =
            |epoch| Event::DaemonStarted { version: "1".into(), pid: 7, epoch, suspended_ms: None };
        let stopped = || Event::DaemonStopped { reason: "\u{e9}nough".into() };
        let record = |seq, epoch, events| Record {
            seq,
            at: now,
            epoch,
            schema: JOURNAL_SCHEMA,
            cause: "test".into(),
            events,
        };
        vec![
            record(1, 1, vec![started(1), stopped()]),
            record(3, 2, vec![started(2)]),
            record(4, 2, vec![stopped(), stopped()]),
        ]
    }

    #[test]
    fn a_dashboard_cut_anywhere_is_completed_from_the_journal() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.create_dirs(layout::JOURNAL).unwrap();
        let journal = directory.path().join(layout::JOURNAL);
        let records = records();
        let mut opened = Journal::open(&journal, &mut |_, _| {}).unwrap();
        opened.journal.append(&records).unwrap();
        let whole: String = records.iter().map(dashboard_events::lines).collect();
        let path = directory.path().join(layout::DASHBOARD_EVENTS);
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole.as_bytes()[..cut]).unwrap();
            complete_dashboard(&store, 5, &[]).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), whole, "cut at {cut}");
        }
        std::fs::remove_file(&path).unwrap();
        complete_dashboard(&store, 5, &[]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    }

    #[test]
    fn lines_of_others_are_kept_and_a_torn_one_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.create_dirs(layout::JOURNAL).unwrap();
        let journal = directory.path().join(layout::JOURNAL);
        let records = records();
        let mut opened = Journal::open(&journal, &mut |_, _| {}).unwrap();
        opened.journal.append(&records).unwrap();
        let lines: Vec<String> = records.iter().map(dashboard_events::lines).collect();
        let others = "{\"id\":\"x\",\"type\":\"mine\"}\n{\"torn\":";
        let path = directory.path().join(layout::DASHBOARD_EVENTS);
        std::fs::write(&path, format!("{}{others}", lines[0])).unwrap();
        complete_dashboard(&store, 5, &[]).unwrap();
        let expected = format!("{}{others}\n{}{}", lines[0], lines[1], lines[2]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }
}
