//! How far the journal is certain to be on disk.
//!
//! After each sync the number of the last event is written in place to a small file, without a
//! sync of its own: after a power cut it may be behind, and never ahead of what is on disk. So an
//! event it names must be there at the next start.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::files::{self, Dir};
use super::{JournalError, line};

pub(super) const NAME: &str = "acknowledged";

/// What syncs in other threads share with the journal.
#[derive(Debug)]
pub(super) struct Shared {
    dir: PathBuf,
    file: File,
    broken: AtomicBool,
    seq: Mutex<u64>,
}

/// Puts on disk what was appended before it was asked for; any thread may do so.
#[derive(Debug, Clone)]
pub struct SyncHandle {
    segment: Arc<File>,
    path: PathBuf,
    seq: u64,
    shared: Arc<Shared>,
}

#[derive(Serialize, Deserialize)]
struct Acknowledged {
    seq: u64,
}

impl SyncHandle {
    pub(super) fn new(segment: Arc<File>, path: PathBuf, seq: u64, shared: Arc<Shared>) -> Self {
        SyncHandle { segment, path, seq, shared }
    }

    /// Returns the number of the last event that is on disk once [`SyncHandle::sync`] is done.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Syncs, and returns when the disk has it.
    ///
    /// # Errors
    /// [`JournalError::Sync`]: fatal, and never to be tried again in this process, since the
    /// second try may claim success for what was lost.
    pub fn sync(&self) -> Result<(), JournalError> {
        if self.shared.is_broken() {
            return Err(JournalError::Broken { dir: self.shared.dir.clone() });
        }
        if let Err(error) = files::sync_file(&self.segment, self.path.clone()) {
            self.shared.broken.store(true, Ordering::SeqCst);
            return Err(error);
        }
        self.shared.acknowledge(self.seq);
        Ok(())
    }
}

impl Shared {
    /// Notes that everything up to `seq` is on disk; what the file said was read before.
    pub(super) fn begin(dir: &Dir, seq: u64) -> Result<Shared, JournalError> {
        let file = dir.open_in_place(NAME)?;
        let text = text(seq);
        file.write_all_at(text.as_bytes(), 0)
            .and_then(|()| file.set_len(text.len() as u64))
            .map_err(|cause| files::error("write", dir.path(NAME), cause))?;
        let broken = AtomicBool::new(false);
        Ok(Shared { dir: dir.path(""), file, broken, seq: Mutex::new(seq) })
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }

    /// Notes that everything up to an event is on disk.
    pub(super) fn acknowledge(&self, seq: u64) {
        let mut known = self.seq.lock().unwrap_or_else(PoisonError::into_inner);
        if seq <= *known {
            return;
        }
        *known = seq;
        if let Err(error) = self.file.write_all_at(text(seq).as_bytes(), 0) {
            // It only guards less then; the journal itself is whole.
            tracing::warn!(%error, seq, "cannot note how far the journal is on disk");
        }
    }
}

/// Reads up to which event the journal was on disk for certain; `Err` when the file is damaged.
pub(super) fn read(dir: &Dir) -> Result<Result<u64, line::LineError>, JournalError> {
    let Some(bytes) = dir.read(NAME)? else { return Ok(Ok(0)) };
    if bytes.is_empty() {
        return Ok(Ok(0));
    }
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Ok(line::decode_as::<Acknowledged>(text).map(|known| known.seq))
}

/// Always of one length, so that it can be written in place.
fn text(seq: u64) -> String {
    let json = format!("{{\"seq\":{seq:>20}}}");
    format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes()))
}
