//! Reading what others wrote: bounded, never through a link, and never waiting for anyone.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use rustix::fs::{OFlags, Stat};
use rustix::io::Errno;
use thiserror::Error;

use super::beneath::{self, DirUse};
use super::{Store, StoreError};
use crate::domain::Problem;

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContent {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Numeric owner.
    pub owner: u32,
    /// Permission bits.
    pub mode: u32,
    /// When it was last changed, milliseconds since 1970 by the file system's clock.
    pub modified_ms: i64,
    /// Its inode: another number is another file.
    pub inode: u64,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name; where it is not UTF-8, an escaped form of it, and `kind` is `Other`.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes, for a file.
    pub len: u64,
    /// When it was last changed, milliseconds since 1970 by the file system's clock.
    pub modified_ms: i64,
    /// Its inode.
    pub inode: u64,
}

/// What a name in a directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link, wherever it points.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket, a device, or a name that is not UTF-8.
    Other,
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EntryKind::File => "a file",
            EntryKind::Dir => "a directory",
            EntryKind::Symlink => "a symbolic link",
            EntryKind::Fifo => "a named pipe",
            EntryKind::Other => "a socket or a device, or its name is not UTF-8",
        })
    }
}

/// Says why a file was not read. Paths are relative to the coordination directory.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is a symbolic link, or lies behind one.
    #[error("cannot read {path}: it is a symbolic link or lies behind one")]
    Symlink {
        /// Which file.
        path: String,
    },
    /// It is no file.
    #[error("cannot read {path}: it is {kind}, not a file")]
    NotAFile {
        /// Which name.
        path: String,
        /// What it is.
        kind: EntryKind,
    },
    /// It has a second name, perhaps one its dropper could not have read.
    #[error("cannot read {path}: it is a hard link to another file")]
    HardLinked {
        /// Which file.
        path: String,
    },
    /// It holds more than is read.
    #[error("cannot read {path}: it holds {len} bytes, and {limit} is the limit")]
    TooLarge {
        /// Which file.
        path: String,
        /// Its length in bytes, as far as it is known.
        len: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// We may not.
    #[error("cannot read {path}: {cause}")]
    Denied {
        /// Which file.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The path cannot be one below the coordination directory.
    #[error("cannot read {path:?}: {problem}")]
    BadPath {
        /// As given.
        path: String,
        /// Which rule it breaks.
        problem: &'static str,
    },
    /// Anything else the system refused.
    #[error("cannot read {path}: {cause}")]
    Io {
        /// Which file.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

impl ReadError {
    /// Returns what is wrong and what the author of the file can do, for an event.
    pub fn problem(&self) -> Problem {
        let (path, message, remedy) = match self {
            ReadError::Symlink { path } => (
                path,
                "it is a symbolic link or lies behind one".to_owned(),
                "put the file itself there".to_owned(),
            ),
            ReadError::NotAFile { path, kind } => {
                (path, format!("it is {kind}"), "put a regular file there".to_owned())
            }
            ReadError::HardLinked { path } => (
                path,
                "it is a hard link to another file".to_owned(),
                "put a copy there".to_owned(),
            ),
            ReadError::TooLarge { path, len, limit } => (
                path,
                format!("it holds {len} bytes, and {limit} is the limit"),
                "make it smaller or split it".to_owned(),
            ),
            ReadError::Denied { path, cause } => (
                path,
                format!("it must not be read: {cause}"),
                "let the daemon's user read it".to_owned(),
            ),
            ReadError::BadPath { path, problem } => {
                (path, format!("its path is refused: {problem}"), "rename it".to_owned())
            }
            ReadError::Io { path, cause } => {
                (path, format!("it cannot be read: {cause}"), "look at the disk".to_owned())
            }
        };
        Problem { file: path.clone(), field: String::new(), message, remedy }
    }

    /// Returns one word for what it is: it stands where the digest of a readable file would.
    pub fn word(&self) -> &'static str {
        match self {
            ReadError::Symlink { .. } => "symlink",
            ReadError::NotAFile { kind, .. } => match kind {
                EntryKind::File => "file",
                EntryKind::Dir => "directory",
                EntryKind::Symlink => "symlink",
                EntryKind::Fifo => "fifo",
                EntryKind::Other => "special",
            },
            ReadError::HardLinked { .. } => "hard-link",
            ReadError::TooLarge { .. } => "too-large",
            ReadError::Denied { .. } => "denied",
            ReadError::BadPath { .. } => "bad-path",
            ReadError::Io { .. } => "unreadable",
        }
    }
}

impl Store {
    /// Reads a whole file of at most `limit` bytes; `None` when there is none.
    ///
    /// # Errors
    /// It is no regular file, has a second name, lies behind a link, is too large, or the system
    /// refuses. It never waits: not for the other end of a pipe either.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<FileContent>, ReadError> {
        let Some((file, stat)) = self.open_to_read(path)? else { return Ok(None) };
        let io = |cause| ReadError::Io { path: path.to_owned(), cause };
        let too_large = |len| ReadError::TooLarge { path: path.to_owned(), len, limit };
        let len = u64::try_from(stat.st_size).unwrap_or(0);
        if len > limit {
            return Err(too_large(len));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1);
        // It may grow while it is read.
        (&file).take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > limit {
            return Err(too_large(bytes.len() as u64));
        }
        Ok(Some(FileContent {
            bytes,
            owner: stat.st_uid,
            mode: stat.st_mode & 0o7777,
            modified_ms: modified_ms(&stat),
            inode: stat.st_ino,
        }))
    }

    /// Opens a file for reading as [`Store::read`] does, and leaves it open: what is written to it
    /// after it was renamed away can still be seen.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn open_file(&self, path: &str) -> Result<Option<File>, ReadError> {
        Ok(self.open_to_read(path)?.map(|(file, _)| file))
    }

    /// Lists a directory, sorted by name, dot-files included; `""` is the coordination directory
    /// itself, and a missing one is empty.
    ///
    /// # Errors
    /// It is no directory, lies behind a link, or the system refuses.
    pub fn list(&self, dir: &str) -> Result<Vec<Entry>, StoreError> {
        const ACTION: &str = "list";
        if !matches!(dir, "" | ".") {
            beneath::check_path(dir)?;
        }
        let fail = |errno| beneath::open_error(ACTION, dir, errno);
        let opened = match self.open_dir(dir, DirUse::ReadOrSync) {
            Ok(opened) => opened,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(fail(errno)),
        };
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&opened).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let raw = entry.file_name();
            if matches!(raw.to_bytes(), b"." | b"..") {
                continue;
            }
            let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            let stat = match rustix::fs::statat(opened.as_fd(), raw, flags) {
                Ok(stat) => stat,
                // Gone since it was listed.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(fail(errno)),
            };
            let (name, is_text) = beneath::name_of(raw.to_bytes());
            entries.push(Entry {
                name: name.into_owned(),
                kind: if is_text { beneath::kind_of(&stat) } else { EntryKind::Other },
                len: u64::try_from(stat.st_size).unwrap_or(0),
                modified_ms: modified_ms(&stat),
                inode: stat.st_ino,
            });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Tells whether anything has this name, whatever it is.
    pub fn exists(&self, path: &str) -> bool {
        self.open_below(path, OFlags::PATH | OFlags::NOFOLLOW, 0).is_ok()
    }

    /// Tells whether everybody may write into a directory: then nothing in it can be trusted.
    pub fn is_world_writable(&self, dir: &str) -> bool {
        self.open_dir(dir, DirUse::Act)
            .and_then(|opened| rustix::fs::fstat(&opened))
            .is_ok_and(|stat| stat.st_mode & 0o002 != 0)
    }

    /// Tells whether names may be made and removed in a directory; one that is not there can be.
    pub fn may_write_into(&self, dir: &str) -> bool {
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        let may = self.open_dir(dir, DirUse::Act).and_then(|opened| {
            rustix::fs::accessat(opened.as_fd(), ".", access, rustix::fs::AtFlags::EACCESS)
        });
        !matches!(may, Err(Errno::ACCESS | Errno::PERM | Errno::ROFS))
    }

    fn open_to_read(&self, path: &str) -> Result<Option<(File, Stat)>, ReadError> {
        if let Err(StoreError::BadPath { path, problem }) = beneath::check_path(path) {
            return Err(ReadError::BadPath { path, problem });
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match self.open_below(path, flags, 0) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(read_error(path, errno)),
        };
        let stat = rustix::fs::fstat(&file).map_err(|errno| read_error(path, errno))?;
        match beneath::kind_of(&stat) {
            EntryKind::File if stat.st_nlink > 1 => {
                Err(ReadError::HardLinked { path: path.to_owned() })
            }
            EntryKind::File => Ok(Some((file, stat))),
            kind @ (EntryKind::Dir | EntryKind::Symlink | EntryKind::Fifo | EntryKind::Other) => {
                Err(ReadError::NotAFile { path: path.to_owned(), kind })
            }
        }
    }
}

fn read_error(path: &str, errno: Errno) -> ReadError {
    let owned = path.to_owned();
    match errno {
        Errno::LOOP | Errno::XDEV => ReadError::Symlink { path: owned },
        Errno::ACCESS | Errno::PERM => ReadError::Denied { path: owned, cause: errno.into() },
        // What opening a socket or a device without a driver says.
        Errno::NXIO | Errno::NODEV => ReadError::NotAFile { path: owned, kind: EntryKind::Other },
        other => ReadError::Io { path: owned, cause: other.into() },
    }
}

pub(super) fn modified_ms(stat: &Stat) -> i64 {
    stat.st_mtime.saturating_mul(1000) + i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or(0)
}
