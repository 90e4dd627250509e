//! The folder of one worker, `workers/{worker_id}/`: what it says about its attempt.
//!
//! Three files decide, and each is written once:
//! - `attempt.lock` is held by the worker and by what it started that keeps the file open. It is
//!   never removed.
//! - `identity.json` is there from just before the program is executed. Whoever puts it there may
//!   execute; it is put there by a rename that never replaces, so that there is one at most.
//! - `exit.json` is there from when its keeper, or else the holder, saw how the worker ended and
//!   had ended what it left running.
//!
//! None is synced: after a power cut nothing runs. A file that a power cut emptied counts as
//! "begun" (`identity.json`) and as "nobody saw the end" (`exit.json`).

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::process;
use super::process_tree;
use super::worker_end;
use crate::clock;
use crate::domain::Timestamp;
use crate::domain::ids::{AttemptId, WorkerId};
use crate::domain::moment::BootId;
use crate::domain::worker::{Attempt, Exit, ProcessIdentity};
use crate::store::layout::{self, WorkerFile};
use crate::store::{LockError, Published, ReadError, Store, StoreError};

/// The name of the lock.
pub(super) const LOCK_NAME: &str = "attempt.lock";
/// The variable that tells the processes of one attempt from all others; see [`mark`].
pub(super) const NONCE_VARIABLE: &str = "BATON_NONCE";
/// What `identity.json` says that it is.
pub(super) const IDENTITY_SCHEMA: &str = "baton/identity@1";
/// No file of ours in the folder is longer.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Returns what the environment of a worker holds: its nonce and its own process. Two directories
/// may come up with the same nonce in the same millisecond, and neither may end the other's workers.
pub(super) fn mark(nonce: &str, process: &ProcessIdentity) -> String {
    format!("{nonce}@{}.{}", process.pid, process.start_ticks)
}

/// What a worker's folder says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Folder {
    /// Nothing was executed: it may be launched.
    Empty,
    /// It is not over: the worker or something it started runs, or its keeper or the holder is
    /// about to say how it ended.
    Alive(ProcessIdentity),
    /// It is over.
    Done {
        /// The process it was.
        identity: ProcessIdentity,
        /// How it ended.
        exit: Exit,
    },
    /// It was begun, nothing of it runs, and nobody will say how it ended.
    Interrupted(ProcessIdentity),
    /// It belongs to an attempt with another nonce: to another life of the directory.
    Foreign,
}

/// Says why nothing can be said about a folder, or why nothing could be put there.
#[derive(Debug, Error)]
pub enum FolderError {
    /// A file is not one that we would write.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file could not be put in place.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lock could not be tried.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file could not be opened or locked.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Relative to the coordination directory.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The marker is damaged while the lock is held.
    #[error("cannot tell which worker holds the lock beside {path}: {problem}")]
    Damaged {
        /// The marker, relative to the coordination directory.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Says what became of the attempt with this nonce.
///
/// # Errors
/// A file cannot be read, or the marker is damaged while something holds the lock.
pub fn inspect(store: &Store, worker_id: &WorkerId, nonce: &str) -> Result<Folder, FolderError> {
    let begun = match marker(store, worker_id)? {
        Marker::Absent => return Ok(Folder::Empty),
        Marker::Damaged(problem) => {
            let path = layout::worker_file(worker_id, WorkerFile::Identity);
            return if is_locked(store, worker_id)? {
                Err(FolderError::Damaged { path, problem })
            } else {
                Ok(Folder::Interrupted(nobody()))
            };
        }
        Marker::Begun(begun) if begun.nonce != nonce => return Ok(Folder::Foreign),
        Marker::Begun(begun) => begun,
    };
    if let Some(ended) = end_of(store, worker_id, nonce)? {
        return Ok(ended.folder(begun.process));
    }
    // Keeper and holder give the record after the lock was let go.
    let is_watched = || begun.watchers().any(process::is_alive);
    if is_locked(store, worker_id)? || is_watched() {
        return Ok(Folder::Alive(begun.process));
    }
    // One of them may have given it between the two looks, as its last deed.
    if let Some(ended) = end_of(store, worker_id, nonce)? {
        return Ok(ended.folder(begun.process));
    }
    // What let go of the lock may work on all the same: two must not be at it.
    Ok(if process_tree::remains(&worker_end::tree_of(store, &begun)) {
        Folder::Alive(begun.process)
    } else {
        Folder::Interrupted(begun.process)
    })
}

/// `identity.json`: the one that may execute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// `baton/identity@1`
    pub(super) schema: String,
    pub(super) worker_id: WorkerId,
    pub(super) attempt_id: AttemptId,
    pub(super) nonce: String,
    /// The worker: the step before exec and its program are one process.
    pub(super) process: ProcessIdentity,
    /// Its parent, which will say how it ended. Markers from before there were keepers have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keeper: Option<ProcessIdentity>,
    /// The parent of the keeper, which will say it where the keeper is killed.
    pub(super) holder: ProcessIdentity,
    /// The control group that holds it and nothing else, absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cgroup: Option<PathBuf>,
    pub(super) started_at: Timestamp,
}

/// `exit.json`: how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    /// `baton/exit@1`
    pub(super) schema: String,
    pub(super) nonce: String,
    pub(super) exit: Exit,
    pub(super) ended_at: Timestamp,
    /// Why the program could not be executed, when it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// Processes it left behind that could not be ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) survivors: Vec<u32>,
    /// Who these are: the worker is not over before they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) surviving: Vec<ProcessIdentity>,
}

impl Begun {
    /// Returns those who will say how it ended.
    pub(super) fn watchers(&self) -> impl Iterator<Item = &ProcessIdentity> {
        self.keeper.iter().chain([&self.holder])
    }
}

impl Ended {
    fn folder(self, identity: ProcessIdentity) -> Folder {
        if self.surviving.iter().any(process::is_alive) {
            return Folder::Alive(identity);
        }
        Folder::Done { identity, exit: self.exit }
    }
}

/// What `identity.json` is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Absent,
    Begun(Box<Begun>),
    Damaged(String),
}

/// Reads `identity.json`.
pub(super) fn marker(store: &Store, worker_id: &WorkerId) -> Result<Marker, FolderError> {
    let Some(content) =
        store.read(&layout::worker_file(worker_id, WorkerFile::Identity), FILE_BYTES_MAX)?
    else {
        return Ok(Marker::Absent);
    };
    Ok(match serde_json::from_slice(&content.bytes) {
        Ok(begun) => Marker::Begun(begun),
        Err(error) => Marker::Damaged(error.to_string()),
    })
}

/// Puts `identity.json` in place; false when there was one.
pub(super) fn begin(store: &Store, begun: &Begun) -> Result<bool, FolderError> {
    let path = layout::worker_file(&begun.worker_id, WorkerFile::Identity);
    Ok(match store.publish(&path, &to_json(begun), false)? {
        Published::New => true,
        Published::AlreadyThere => false,
    })
}

/// Makes sure that an attempt that has not begun never will: a launch that is still on its way
/// finds the marker of nobody. False when it has begun.
pub(super) fn forbid(store: &Store, attempt: &Attempt) -> Result<bool, FolderError> {
    let nobody_begun = Begun {
        schema: IDENTITY_SCHEMA.into(),
        worker_id: attempt.worker_id.clone(),
        attempt_id: attempt.id.clone(),
        nonce: attempt.nonce.clone(),
        process: nobody(),
        keeper: None,
        holder: nobody(),
        cgroup: None,
        started_at: clock::now().wall,
    };
    begin(store, &nobody_begun)
}

/// Puts `exit.json` in place.
pub(super) fn end(store: &Store, worker_id: &WorkerId, ended: &Ended) -> Result<(), FolderError> {
    Ok(store.replace(&layout::worker_file(worker_id, WorkerFile::Exit), &to_json(ended))?)
}

/// Takes the lock for as long as the file stays open anywhere; `None` when it is held.
pub(super) fn take_lock(store: &Store, worker_id: &WorkerId) -> Result<Option<File>, FolderError> {
    let path = layout::worker_file(worker_id, WorkerFile::AttemptLock);
    match store.lock(&path, Duration::ZERO) {
        Ok(lock) => lock.into_file().map(Some).map_err(|source| FolderError::Io {
            what: "keep the lock",
            path,
            source,
        }),
        Err(LockError::Held { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Tells whether the worker or something it started holds the lock. It looks by taking a shared
/// lock for a moment, which disturbs nobody who looks as well; and it is asked only once the
/// marker is there, when nobody may take the lock for real any more.
pub(super) fn is_locked(store: &Store, worker_id: &WorkerId) -> Result<bool, FolderError> {
    let path = layout::worker_file(worker_id, WorkerFile::AttemptLock);
    let lock = match open(store, &path, OFlags::RDONLY) {
        Ok(lock) => lock,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(FolderError::Io { what: "open", path, source: error.into() }),
    };
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(FolderError::Io { what: "lock", path, source: error.into() }),
    }
}

/// Returns the keeper of a worker: all that descends from it is the worker's. `None` where there
/// is no worker, or one from before there were keepers.
pub fn keeper_of(store: &Store, worker_id: &WorkerId) -> Option<ProcessIdentity> {
    match marker(store, worker_id) {
        Ok(Marker::Begun(begun)) => begun.keeper,
        Ok(Marker::Absent | Marker::Damaged(_)) | Err(_) => None,
    }
}

/// Tells whether the end of an attempt is recorded.
pub(super) fn is_recorded(store: &Store, worker_id: &WorkerId, nonce: &str) -> bool {
    matches!(end_of(store, worker_id, nonce), Ok(Some(_)))
}

/// Opens a file of the output, where what the worker prints is appended.
pub(super) fn open_output(
    store: &Store,
    worker_id: &WorkerId,
    file: WorkerFile,
) -> Result<File, FolderError> {
    let path = layout::worker_file(worker_id, file);
    let open = || {
        let output = open(store, &path, OFlags::RDWR | OFlags::CREATE | OFlags::APPEND)?;
        let stat = rustix::fs::fstat(&output)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
            return Err(Errno::EXIST);
        }
        // The worker must not inherit that nothing waits.
        rustix::fs::fcntl_setfl(&output, OFlags::APPEND)?;
        Ok(File::from(output))
    };
    open().map_err(|error| FolderError::Io {
        what: "open",
        path: path.clone(),
        source: error.into(),
    })
}

/// Returns the path of the lock for those who compare files, absolute.
pub(super) fn lock_path(store: &Store, worker_id: &WorkerId) -> PathBuf {
    store.root().join(layout::worker_file(worker_id, WorkerFile::AttemptLock))
}

fn end_of(store: &Store, worker_id: &WorkerId, nonce: &str) -> Result<Option<Ended>, FolderError> {
    let content = store.read(&layout::worker_file(worker_id, WorkerFile::Exit), FILE_BYTES_MAX)?;
    let ended = content.and_then(|content| serde_json::from_slice::<Ended>(&content.bytes).ok());
    Ok(ended.filter(|ended| ended.nonce == nonce))
}

/// Opens a file beneath the coordination directory without following links, and without waiting
/// for anything.
fn open(store: &Store, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(store.root(), directory, Mode::empty())?;
    let mode =
        if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o644) } else { Mode::empty() };
    rustix::fs::openat2(
        root,
        path,
        flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY,
        mode,
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )
}

/// A process that never was, for a marker that does not say which it was or that keeps all away.
fn nobody() -> ProcessIdentity {
    ProcessIdentity {
        host: String::new(),
        boot_id: BootId(0),
        pid: 0,
        start_ticks: 0,
        pidfd_inode: None,
    }
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(value)
        .expect("records of ours hold text and numbers and always become JSON");
    json.push(b'\n');
    json
}
