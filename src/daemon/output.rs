//! What a worker prints: kept near its limit while it runs, and read across both files.
//!
//! The worker writes `output.log` itself, so that nothing it prints has to pass through us. When
//! that file grows beyond its limit, the end of it is copied to `output.log.1` and the file is
//! emptied; the worker goes on at its new end. Lines that are written between the last copy and
//! the emptying are lost.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use super::folder;
use super::holder::log;
use crate::domain::ids::WorkerId;
use crate::store::Store;
use crate::store::layout::{self, WorkerFile};

/// How often the size is looked at.
const LOOK_MS: u64 = 1_000;
/// How often it is while the output grows fast.
const LOOK_AGAIN_MS: u64 = 50;
/// Output grows fast when so many looks like the last one would reach the limit.
const FAST_LOOKS: u64 = 16;
/// How often what was printed during the copy is copied too.
const ROUNDS_MAX: u32 = 8;

/// Keeps the output of a worker near its limit.
#[derive(Debug)]
pub(super) struct Rotation {
    store: Store,
    worker_id: WorkerId,
    output: File,
    bytes_max: u64,
    seen_bytes: u64,
}

impl Rotation {
    /// Begins to watch; `None` where there is no limit, or nothing to watch.
    pub(super) fn new(store: &Store, worker_id: &WorkerId, bytes_max: u64) -> Option<Self> {
        if bytes_max == 0 {
            return None;
        }
        match folder::open_output(store, worker_id, WorkerFile::Output) {
            Ok(output) => Some(Self {
                store: store.clone(),
                worker_id: worker_id.clone(),
                output,
                bytes_max,
                seen_bytes: 0,
            }),
            Err(error) => {
                log(format_args!("cannot limit the output of {worker_id}: {error}"));
                None
            }
        }
    }

    /// Looks at the size, shortens the file if it is too long, and returns after how many
    /// milliseconds to look again.
    pub(super) fn look(&mut self) -> u64 {
        let bytes = self.output.metadata().map_or(0, |output| output.len());
        let growth = bytes.saturating_sub(self.seen_bytes);
        self.seen_bytes = bytes;
        if bytes > self.bytes_max {
            self.seen_bytes = 0;
            if let Err(error) = self.rotate(bytes) {
                log(format_args!("cannot shorten the output of {}: {error}", self.worker_id));
                return LOOK_MS;
            }
        }
        if growth.saturating_mul(FAST_LOOKS) > self.bytes_max { LOOK_AGAIN_MS } else { LOOK_MS }
    }

    fn rotate(&self, bytes: u64) -> io::Result<()> {
        let earlier = WorkerFile::EarlierOutput;
        let kept = folder::open_output(&self.store, &self.worker_id, earlier);
        let mut kept = kept.map_err(io::Error::other)?;
        kept.set_len(0)?;
        let mut from = bytes.saturating_sub(self.bytes_max / 2);
        for _ in 0..ROUNDS_MAX {
            let now = self.output.metadata()?.len();
            if now <= from {
                break;
            }
            // Where it grows faster than it is copied, its end is what counts.
            from = from.max(now.saturating_sub(self.bytes_max / 2));
            from += copy(&self.output, from, now, &mut kept)?;
        }
        self.output.set_len(0)
    }
}

fn copy(output: &File, from: u64, to: u64, kept: &mut File) -> io::Result<u64> {
    let mut reader = output.try_clone()?;
    // Who appends is not concerned by where we read.
    reader.seek(SeekFrom::Start(from))?;
    io::copy(&mut reader.take(to - from), kept)
}

/// The end of what a worker printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputEnd {
    /// How many bytes of its output are there, in both files.
    pub bytes: u64,
    /// The last of them.
    pub tail: Vec<u8>,
}

/// Reads the end of what a worker printed, at most `tail_bytes_max` of it, across `output.log` and
/// the end of what was there before.
///
/// # Errors
/// A file is there and cannot be read.
pub fn end_of(store: &Store, worker_id: &WorkerId, tail_bytes_max: u64) -> io::Result<OutputEnd> {
    let mut end = OutputEnd::default();
    for file in [WorkerFile::Output, WorkerFile::EarlierOutput] {
        let path = layout::worker_file(worker_id, file);
        let Some(file) = store.open_file(&path).map_err(io::Error::other)? else { continue };
        let bytes = file.metadata()?.len();
        end.bytes += bytes;
        let wanted = tail_bytes_max.saturating_sub(end.tail.len() as u64).min(bytes);
        let mut earlier = vec![0; usize::try_from(wanted).unwrap_or(0)];
        match file.read_exact_at(&mut earlier, bytes - wanted) {
            Ok(()) => {}
            // It was emptied meanwhile.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(error),
        }
        earlier.append(&mut end.tail);
        end.tail = earlier;
    }
    Ok(end)
}
