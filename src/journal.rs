//! The truth: one decision, one checksummed line, synced before it is acted on.
//!
//! `orchestrator/journal/` holds segments (`segment-{first event}.jsonl`), snapshots of the state
//! (`snapshot-{last event}.json`) for a fast start, and `acknowledged`, the number of the last
//! event that is certain to be on disk. Only the daemon that has the directory's lock may open it
//! for writing; anyone may [`read`] or [`fold`] it.
//!
//! **What is believed.** A line counts if its checksum is right. Bytes after the last such line
//! are what a crash left of a line that nobody was told about, and are cut, only if
//! - they are in the newest segment,
//! - they hold no newline: a write that stopped early leaves the beginning of a line, never its end,
//! - and every acknowledged event is before them.
//!
//! A last line that lacks nothing but its newline is kept and gets one. Everything else is damage
//! and is refused, with a copy set aside: a wrong line that has its newline, an event number that
//! is missing or comes twice, a record of an older daemon after one of a newer, an acknowledged
//! event that is not there. A snapshot that cannot be read is set aside, and the one before it
//! with the segments since takes its place.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::domain::state::IllegalTransition;
use crate::domain::{Record, State};

mod acknowledged;
mod compact;
mod files;
pub mod line;
mod reader;
mod replay;
mod segment;
pub mod upcast;

pub use acknowledged::SyncHandle;
pub use reader::{Reader, fold, read};

/// The journal, open for appending. There is one for each directory at any time.
#[derive(Debug)]
pub struct Journal {
    dir: files::Dir,
    /// The segment that is written.
    segment: Arc<File>,
    /// Number of the first event of that segment.
    first_seq: u64,
    /// Bytes of it that are whole lines.
    len: u64,
    /// Bytes it should have: more than `len` after a write that failed part way.
    size: u64,
    /// Number of the last event that was appended; 0 before the first.
    last_seq: u64,
    /// Epoch of the last record that was appended.
    epoch: u64,
    /// From which length of the segment on a snapshot is wanted.
    snapshot_at: u64,
    shared: Arc<acknowledged::Shared>,
}

/// A journal that was opened, and what it says.
#[derive(Debug)]
pub struct Opened {
    /// To append to.
    pub journal: Journal,
    /// The fold of all of it.
    pub state: State,
    /// What the operator should know: bytes that were cut, snapshots that could not be read.
    pub notes: Vec<String>,
}

/// Says what could not be done with the journal. The text already holds its cause and the remedy.
#[derive(Debug, Error)]
pub enum JournalError {
    /// A line is not what was written, or not where it was written.
    #[error(
        "cannot trust {}, line {line}: {problem}{}; restore the file from a backup, or cut it \
         before that line and move later segments away to go on without what they hold",
        file.display(), copy.as_ref().map(|c| format!(" (kept as {})", c.display())).unwrap_or_default()
    )]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong.
        problem: String,
        /// Where a copy was set aside.
        copy: Option<PathBuf>,
    },
    /// Events that were there once are not there.
    #[error("cannot find events {from} to {to} in {}: {problem}; {remedy}", dir.display())]
    Missing {
        /// The journal's directory.
        dir: PathBuf,
        /// The first.
        from: u64,
        /// The last that is known of.
        to: u64,
        /// How it is known.
        problem: String,
        /// What the operator can do.
        remedy: String,
    },
    /// A newer Baton wrote it.
    #[error(
        "cannot read {}, line {line}: it has format {schema}, and {} is the newest known here; \
         use the newer baton",
        file.display(), crate::domain::event::JOURNAL_SCHEMA
    )]
    Newer {
        /// The segment or snapshot.
        file: PathBuf,
        /// From 1.
        line: u64,
        /// Its format.
        schema: u64,
    },
    /// A record is whole, and cannot follow on what is before it.
    #[error("cannot apply {}, line {line}: {cause}; it was written by another version or another daemon", file.display())]
    Illegal {
        /// The segment.
        file: PathBuf,
        /// From 1.
        line: u64,
        /// What does not fit.
        cause: IllegalTransition,
    },
    /// The disk or the owner's share of it is full. Nothing is half-written: it may be tried again.
    #[error("cannot write {}: {cause}; make room on the disk", file.display())]
    Full {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Bytes that were written may not be on the disk. Fatal: only a new start, which reads back
    /// what is there, may go on.
    #[error("cannot sync {}: {cause}; look at the disk, then start again", file.display())]
    Sync {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A sync failed before. Fatal.
    #[error("cannot use {} any more: a sync failed before; start again", dir.display())]
    Broken {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// Somebody else wrote into the segment. Fatal: another daemon has the directory.
    #[error(
        "cannot append to {}: it has {found} bytes where {expected} were written; \
         another daemon writes here",
        file.display()
    )]
    Foreign {
        /// The segment.
        file: PathBuf,
        /// Bytes we wrote.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// The caller's records or state do not follow on what is there: an error in the program.
    #[error(
        "cannot append event {found} (epoch {epoch}): event {expected} of the same or a later epoch comes next"
    )]
    OutOfOrder {
        /// The number that comes next.
        expected: u64,
        /// The number that was given.
        found: u64,
        /// The epoch that was given.
        epoch: u64,
    },
    /// Anything else the system refused.
    #[error("cannot {action} {}: {cause}", file.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        file: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl JournalError {
    /// Tells whether only room on the disk is missing: the same may be tried again.
    pub fn is_full(&self) -> bool {
        matches!(self, JournalError::Full { .. })
    }

    /// Tells whether this process must not write another byte and has to end at once.
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            JournalError::Sync { .. } | JournalError::Broken { .. } | JournalError::Foreign { .. }
        )
    }
}

/// A segment is sealed once it has this many bytes.
const SEGMENT_BYTES: u64 = 16 << 20;
/// After a snapshot that failed, the next is tried when the segment has grown by this much.
const SNAPSHOT_AGAIN_BYTES: u64 = 1 << 20;

impl Journal {
    /// Opens the journal in `dir`, made if need be, and replays it: each record that no snapshot
    /// covers is shown to `on_record` with the state after it. The caller holds the directory's
    /// lock.
    ///
    /// # Errors
    /// It is damaged, of a newer format, or cannot be read; it is left as it is then.
    pub fn open(
        dir: &Path,
        on_record: &mut dyn FnMut(&State, &Record),
    ) -> Result<Opened, JournalError> {
        replay::open(dir, on_record)
    }

    /// Writes records, without a sync; they must follow on each other and on what is there. After
    /// an error none of them is there, and the same may be appended again unless it is fatal.
    ///
    /// # Errors
    /// [`JournalError::Full`] when there is no room; [`JournalError::Foreign`] and
    /// [`JournalError::Broken`] are fatal.
    pub fn append(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let (mut seq, mut epoch) = (self.last_seq, self.epoch);
        let mut bytes = Vec::with_capacity(512 * records.len());
        for record in records {
            if record.seq != seq + 1 || record.epoch < epoch || record.events.is_empty() {
                return Err(JournalError::OutOfOrder {
                    expected: seq + 1,
                    found: record.seq,
                    epoch: record.epoch,
                });
            }
            (seq, epoch) = (record.last_seq(), record.epoch);
            line::encode_into(record, &mut bytes);
        }
        self.repair()?;
        match files::append(&self.segment, &bytes) {
            Ok(()) => {
                self.len += bytes.len() as u64;
                self.size = self.len;
                (self.last_seq, self.epoch) = (seq, epoch);
                Ok(())
            }
            Err((written, cause)) => {
                self.size = self.len + written;
                // Where this fails it is tried again before the next append.
                let _ = self.repair();
                Err(files::error("write", self.dir.path(&self.name()), cause))
            }
        }
    }

    /// Puts all that was appended on disk.
    ///
    /// # Errors
    /// [`JournalError::Sync`]: fatal, and never to be tried again in this process.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.sync_handle().sync()
    }

    /// Returns what another thread needs to put on disk all that was appended until now.
    pub fn sync_handle(&self) -> SyncHandle {
        let path = self.dir.path(&self.name());
        SyncHandle::new(Arc::clone(&self.segment), path, self.last_seq, Arc::clone(&self.shared))
    }

    /// Returns the number of the last event that was appended; 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Tells whether the segment is large enough to be sealed with a snapshot.
    pub fn wants_snapshot(&self) -> bool {
        self.len >= self.snapshot_at
    }

    /// Seals the segment, writes a snapshot durably and begins a new segment. `state` is the fold
    /// of all that was appended. The two newest snapshots are kept.
    ///
    /// # Errors
    /// [`JournalError::Sync`] and [`JournalError::Foreign`] are fatal. After any other error the
    /// old segment goes on, and [`Journal::wants_snapshot`] asks again when it has grown.
    pub fn snapshot(&mut self, state: &State) -> Result<(), JournalError> {
        if state.seq != self.last_seq {
            return Err(JournalError::OutOfOrder {
                expected: self.last_seq,
                found: state.seq,
                epoch: state.epoch,
            });
        }
        if self.len == 0 {
            return Ok(());
        }
        self.snapshot_at = self.len + SNAPSHOT_AGAIN_BYTES;
        self.repair()?;
        self.sync()?;
        compact::write(&self.dir, state)?;
        let first_seq = self.last_seq + 1;
        self.segment = Arc::new(self.dir.create_segment(&segment::name(first_seq))?);
        (self.first_seq, self.len, self.size) = (first_seq, 0, 0);
        self.snapshot_at = SEGMENT_BYTES;
        compact::prune(&self.dir)
    }

    /// Removes sealed segments that lie wholly behind the oldest snapshot that is kept, so that
    /// a damaged newest snapshot can still be done without. Everything derived from them is synced
    /// first. Returns the names of what was removed.
    ///
    /// # Errors
    /// The directory cannot be read or changed.
    pub fn gc(&mut self) -> Result<Vec<String>, JournalError> {
        compact::gc(&self.dir)
    }

    fn name(&self) -> String {
        segment::name(self.first_seq)
    }

    /// Checks that the segment is as we left it, and takes back what a failed write left.
    fn repair(&mut self) -> Result<(), JournalError> {
        let file = || self.dir.path(&segment::name(self.first_seq));
        if self.shared.is_broken() {
            return Err(JournalError::Broken { dir: self.dir.path("") });
        }
        let stat = rustix::fs::fstat(self.segment.as_fd())
            .map_err(|errno| files::error("look at", file(), errno.into()))?;
        let found = u64::try_from(stat.st_size).unwrap_or(0);
        if found != self.size {
            return Err(JournalError::Foreign { file: file(), expected: self.size, found });
        }
        if self.size > self.len {
            self.segment
                .set_len(self.len)
                .map_err(|cause| files::error("truncate", file(), cause))?;
            self.size = self.len;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay out files by hand")]
mod tests;
