//! The journal's directory on disk.
#![expect(
    clippy::disallowed_methods,
    reason = "the journal owns its directory; this is the one file of it that renames"
)]

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::JournalError;

/// The directory, held open; links in it are never followed.
#[derive(Debug)]
pub(super) struct Dir {
    path: PathBuf,
    fd: OwnedFd,
}

const TEMP_ENDING: &str = ".tmp";
const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// More than ever waits for a sync: what is before it was synced.
const REREAD_BYTES: u64 = 16 << 20;

impl Dir {
    /// Opens the directory, and makes it if there is none.
    pub(super) fn open_or_make(path: &Path) -> Result<Dir, JournalError> {
        match Dir::open(path) {
            Err(JournalError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
        let fail = |cause| error("make", path.to_owned(), cause);
        let above = path.parent().unwrap_or(Path::new(""));
        if !above.as_os_str().is_empty() {
            DirBuilder::new().recursive(true).create(above).map_err(fail)?;
        }
        match DirBuilder::new().mode(DIR_MODE).create(path) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
                return Err(fail(cause));
            }
            Ok(()) | Err(_) => {}
        }
        let dir = Dir::open(path)?;
        if let Some(above) = path.parent() {
            Dir::open(above)?.sync()?;
        }
        Ok(dir)
    }

    /// Opens the directory.
    pub(super) fn open(path: &Path) -> Result<Dir, JournalError> {
        // `a/b/..` has no parent to speak of, and "" is where we are.
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| error("open", path.to_owned(), errno.into()))?;
        Ok(Dir { path: path.to_owned(), fd })
    }

    /// Returns the path of a file in it, for messages; `""` is the directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path.clone() } else { self.path.join(name) }
    }

    /// Returns all names in it, sorted; such as are not UTF-8 are not ours.
    pub(super) fn names(&self) -> Result<Vec<String>, JournalError> {
        let fail = |errno: Errno| error("list", self.path.clone(), errno.into());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(fail)? {
            if let Ok(name) = entry.map_err(fail)?.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Opens a regular file with one name.
    fn open_file(&self, name: &str, flags: OFlags) -> Result<File, JournalError> {
        let fail = |cause| error("open", self.path(name), cause);
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(FILE_MODE);
        let file = rustix::fs::openat(&self.fd, name, flags, mode)
            .map(File::from)
            .map_err(|errno| fail(errno.into()))?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| fail(errno.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(fail(io::Error::other("it is not a regular file")));
        }
        if stat.st_nlink > 1 {
            return Err(fail(io::Error::other("it is a hard link to another file")));
        }
        Ok(file)
    }

    /// Reads a whole file; `None` when there is none.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        match self.open_file(name, OFlags::RDONLY) {
            Ok(file) => self.read_all(name, &file).map(Some),
            Err(JournalError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn read_all(&self, name: &str, mut file: &File) -> Result<Vec<u8>, JournalError> {
        let fail = |cause| error("read", self.path(name), cause);
        let len = file.metadata().map_err(fail)?.len();
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0) + 1);
        file.read_to_end(&mut bytes).map_err(fail)?;
        Ok(bytes)
    }

    /// Opens the newest segment to append to it, and reads back what is on disk: what was only in
    /// memory is written first, and a copy in memory that the disk may not have is dropped.
    pub(super) fn open_segment(&self, name: &str) -> Result<(File, Vec<u8>), JournalError> {
        let file = self.open_file(name, OFlags::RDWR | OFlags::APPEND)?;
        sync_file(&file, self.path(name))?;
        // A hint: a file system that ignores it has nothing better to offer.
        let len = file.metadata().map_err(|cause| error("look at", self.path(name), cause))?.len();
        let from = len.saturating_sub(REREAD_BYTES);
        let _ = rustix::fs::fadvise(&file, from, None, Advice::DontNeed);
        let bytes = self.read_all(name, &file)?;
        Ok((file, bytes))
    }

    /// Makes an empty segment to append to, durably.
    pub(super) fn create_segment(&self, name: &str) -> Result<File, JournalError> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
        let file = self.open_file(name, flags)?;
        self.sync()?;
        Ok(file)
    }

    /// Opens a small file that is written in place, and makes it if there is none.
    pub(super) fn open_in_place(&self, name: &str) -> Result<File, JournalError> {
        self.open_file(name, OFlags::RDWR | OFlags::CREATE)
    }

    /// Puts a file in place durably; `fill` writes it.
    pub(super) fn put(
        &self,
        name: &str,
        fill: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        let temp = format!("{name}{TEMP_ENDING}");
        let path = || self.path(name);
        let file = self.open_file(&temp, OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC)?;
        let put = fill(&file)
            .map_err(|cause| error("write", path(), cause))
            .and_then(|()| sync_file(&file, path()))
            .and_then(|()| {
                rustix::fs::renameat(&self.fd, &temp, &self.fd, name)
                    .map_err(|errno| error("put in place", path(), errno.into()))
            });
        if put.is_err() {
            // It is removed at the next start otherwise.
            let _ = self.remove(&temp);
        }
        put.and_then(|()| self.sync())
    }

    /// Keeps a copy of damaged bytes beside the file and returns where.
    pub(super) fn keep_copy(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, JournalError> {
        let copy = aside(name, bytes);
        if self.read(&copy)?.is_none_or(|there| there != bytes) {
            self.put(&copy, |mut file| file.write_all(bytes))?;
        }
        Ok(self.path(&copy))
    }

    /// Moves a damaged file out of the way and returns where.
    pub(super) fn set_aside(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, JournalError> {
        let copy = aside(name, bytes);
        rustix::fs::renameat(&self.fd, name, &self.fd, &copy)
            .map_err(|errno| error("set aside", self.path(name), errno.into()))?;
        Ok(self.path(&copy))
    }

    /// Removes a file; one that is not there is removed already.
    pub(super) fn remove(&self, name: &str) -> Result<(), JournalError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(error("remove", self.path(name), errno.into())),
        }
    }

    /// Removes what a crash left half-written.
    pub(super) fn sweep(&self, names: &[String]) -> Result<(), JournalError> {
        names
            .iter()
            .filter(|name| name.ends_with(TEMP_ENDING))
            .try_for_each(|name| self.remove(name))
    }

    /// Syncs the names in the directory; a file system that cannot is left at that.
    pub(super) fn sync(&self) -> Result<(), JournalError> {
        match rustix::fs::fsync(&self.fd) {
            Ok(()) => Ok(()),
            Err(Errno::INVAL | Errno::NOTSUP) => {
                tracing::warn!(journal = %self.path.display(), "this file system syncs no directories");
                Ok(())
            }
            Err(errno) => Err(JournalError::Sync { file: self.path.clone(), cause: errno.into() }),
        }
    }

    /// Syncs the whole file system the journal is on.
    pub(super) fn sync_file_system(&self) -> Result<(), JournalError> {
        rustix::fs::syncfs(self.fd.as_fd())
            .map_err(|errno| JournalError::Sync { file: self.path.clone(), cause: errno.into() })
    }
}

/// Appends all bytes; on failure says how many were written.
pub(super) fn append(mut file: &File, bytes: &[u8]) -> Result<(), (u64, io::Error)> {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return Err((written as u64, io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err((written as u64, cause)),
        }
    }
    Ok(())
}

/// Puts the data of a file on disk.
pub(super) fn sync_file(file: &File, path: PathBuf) -> Result<(), JournalError> {
    file.sync_data().map_err(|cause| JournalError::Sync { file: path, cause })
}

/// Tells a full disk from anything else.
pub(super) fn error(action: &'static str, file: PathBuf, cause: io::Error) -> JournalError {
    let full = matches!(
        cause.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    );
    if full { JournalError::Full { file, cause } } else { JournalError::Io { action, file, cause } }
}

fn aside(name: &str, bytes: &[u8]) -> String {
    format!("damaged-{:08x}-{name}", crc32c::crc32c(bytes))
}
