//! The only door to `coordination/`.
//!
//! Every path is taken relative to the coordination directory and opened beneath a directory that
//! is held open for life, without following any link, so that nothing dropped there can lead a
//! read or a write elsewhere. Files are put in place whole, and never through a lock's own file.
//!
//! - [`Store::read`], [`Store::list`]: what others wrote, with limits and without ever hanging;
//! - [`Store::replace`], [`Store::publish`], [`Store::rename`], [`Store::append`]: what we write;
//! - [`Store::lock`], [`Store::lock_directory`]: who may;
//! - [`layout`]: every path, named once.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use thiserror::Error;

mod atomic;
mod beneath;
mod folder;
pub mod layout;
mod lock;
pub mod queue;
mod read;
mod temp;

pub use atomic::{Exchanged, Published, Renamed};
pub use folder::Folder;
pub use lock::{DirectoryLock, FileLock, LockError};
pub use read::{Entry, EntryKind, FileContent, ReadError};

/// The coordination directory, held open. Clones share it and are cheap.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Absolute, for messages and for others who need a real path.
    path: PathBuf,
    root: OwnedFd,
    /// Device and inode of `root`.
    identity: (u64, u64),
    /// Who in this process has or wants which lock file.
    turns: Mutex<BTreeMap<String, Arc<lock::Turn>>>,
}

/// Says what could not be done in the coordination directory. The text already holds its cause.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The path cannot be one below the coordination directory.
    #[error("cannot use {path:?} as a path below the coordination directory: {problem}")]
    BadPath {
        /// As given.
        path: String,
        /// Which rule it breaks.
        problem: &'static str,
    },
    /// A symbolic link stands where a directory or a file of ours belongs.
    #[error(
        "cannot {action} {path}: a symbolic link is in the way; remove it or put what it points to in its place"
    )]
    Link {
        /// What was tried.
        action: &'static str,
        /// Relative to the coordination directory.
        path: String,
    },
    /// Something else stands where a file of ours belongs.
    #[error("cannot {action} {path}: {kind} is in the way; move it away")]
    NotAFile {
        /// What was tried.
        action: &'static str,
        /// Relative to the coordination directory.
        path: String,
        /// What is there.
        kind: EntryKind,
    },
    /// The file has a second name, perhaps outside.
    #[error("cannot {action} {path}: it is a hard link to another file; put a copy in its place")]
    HardLinked {
        /// What was tried.
        action: &'static str,
        /// Relative to the coordination directory.
        path: String,
    },
    /// The disk or the owner's share of it is full: it may work later.
    #[error("cannot {action} {path}: {cause}; make room on the disk")]
    Full {
        /// What was tried.
        action: &'static str,
        /// Relative to the coordination directory.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Bytes that were written may not be on the disk; it must not be tried again on this file.
    #[error("cannot sync {path}: {cause}; look at the disk before the next start")]
    Sync {
        /// Relative to the coordination directory.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The directory that was opened is no longer at its place.
    #[error("cannot go on in {}: {problem}; start again where it belongs", path.display())]
    Gone {
        /// The coordination directory.
        path: PathBuf,
        /// Whether it is gone or another one is there.
        problem: &'static str,
    },
    /// There is no such directory, or it cannot be opened.
    #[error("cannot open the coordination directory {}: {cause}", path.display())]
    Open {
        /// The coordination directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The kernel cannot open files beneath a directory.
    #[error(
        "cannot open files safely in {}: openat2 failed ({cause}); \
         Linux 5.6 or later is needed, and a container must permit openat2",
        path.display()
    )]
    NoOpenat2 {
        /// The coordination directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Anything else the system refused.
    #[error("cannot {action} {path}: {cause}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Relative to the coordination directory.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

impl Store {
    /// Opens an existing coordination directory and keeps it open. The path may itself lead
    /// through links: it is the operator's.
    ///
    /// # Errors
    /// It is not there or no directory, or the kernel lacks `openat2`.
    pub fn open(root: &Path) -> Result<Store, StoreError> {
        let path = std::path::absolute(root)
            .map_err(|cause| StoreError::Open { path: root.to_owned(), cause })?;
        let (root, identity) = beneath::open_root(&path)?;
        let inner = Inner { path, root, identity, turns: Mutex::default() };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// Returns the absolute path of the coordination directory.
    pub fn root(&self) -> &Path {
        &self.inner.path
    }

    /// Checks that the directory that was opened is still the one at its path.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when it was removed, moved or covered.
    pub fn still_there(&self) -> Result<(), StoreError> {
        let gone = |problem| StoreError::Gone { path: self.inner.path.clone(), problem };
        let now = rustix::fs::stat(&self.inner.path).map_err(|_| gone("it is gone"))?;
        if (now.st_dev, now.st_ino) == self.inner.identity {
            Ok(())
        } else {
            Err(gone("another directory is in its place"))
        }
    }

    /// Syncs the whole file system the directory is on: everything replaced so far is on disk.
    ///
    /// # Errors
    /// [`StoreError::Sync`].
    pub fn sync_all(&self) -> Result<(), StoreError> {
        rustix::fs::syncfs(&self.inner.root).map_err(|errno| StoreError::Sync {
            path: "the file system of the coordination directory".into(),
            cause: errno.into(),
        })
    }
}

/// Returns the CRC-32C of `bytes` as 8 lower-case hex digits: which content it is, not who wrote it.
pub fn digest(bytes: &[u8]) -> String {
    format!("{:08x}", crc32c::crc32c(bytes))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay out files by hand")]
mod tests;
