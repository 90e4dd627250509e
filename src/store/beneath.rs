//! Paths below the coordination directory, resolved without ever leaving it.

use std::borrow::Cow;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{Store, StoreError, layout, read::EntryKind};

/// Never leave, never follow.
const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
/// `openat2` says EAGAIN when a rename elsewhere raced with it.
const RACES_MAX: u32 = 32;
const DIR_MODE: u32 = 0o755;
const DIR_MODE_PRIVATE: u32 = 0o700;

/// A directory to act in: the root itself, or one below it.
pub(super) enum Dir<'a> {
    Root(BorrowedFd<'a>),
    Below(OwnedFd),
}

impl AsFd for Dir<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Dir::Root(fd) => *fd,
            Dir::Below(fd) => fd.as_fd(),
        }
    }
}

/// How a directory is opened: to act in it, or also to list or sync it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DirUse {
    Act,
    ReadOrSync,
}

/// Opens the root and proves that the kernel can open beneath it.
pub(super) fn open_root(path: &Path) -> Result<(OwnedFd, (u64, u64)), StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = || {
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&root)?;
        Ok((root, (stat.st_dev, stat.st_ino)))
    };
    let (root, identity) = open()
        .map_err(|errno: Errno| StoreError::Open { path: path.to_owned(), cause: errno.into() })?;
    open_at(root.as_fd(), ".", OFlags::PATH | OFlags::DIRECTORY, 0)
        .map_err(|errno| StoreError::NoOpenat2 { path: path.to_owned(), cause: errno.into() })?;
    Ok((root, identity))
}

/// Opens `path` beneath `dir`; links of any kind on the way are an error.
pub(super) fn open_at(
    dir: BorrowedFd<'_>,
    path: &str,
    flags: OFlags,
    mode: u32,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::CLOEXEC;
    // openat2 refuses a mode where nothing can be created.
    let mode =
        if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(mode) } else { Mode::empty() };
    let mut races = 0;
    loop {
        match rustix::fs::openat2(dir, path, flags, mode, RESOLVE) {
            Err(Errno::AGAIN) if races < RACES_MAX => races += 1,
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// Returns what `name` in `dir` is, `None` when nothing is there. Never follows.
pub(super) fn stat_in(dir: impl AsFd, name: &str) -> Result<Option<Stat>, Errno> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

impl Store {
    /// Opens a file below the root.
    pub(super) fn open_below(&self, path: &str, flags: OFlags, mode: u32) -> Result<File, Errno> {
        open_at(self.inner.root.as_fd(), path, flags, mode).map(File::from)
    }

    /// Opens a directory; `""` and `"."` are the root.
    pub(super) fn open_dir(&self, dir: &str, purpose: DirUse) -> Result<Dir<'_>, Errno> {
        if matches!(dir, "" | ".") {
            return Ok(Dir::Root(self.inner.root.as_fd()));
        }
        let flags = match purpose {
            DirUse::Act => OFlags::PATH,
            DirUse::ReadOrSync => OFlags::RDONLY,
        };
        open_at(self.inner.root.as_fd(), dir, flags | OFlags::DIRECTORY, 0).map(Dir::Below)
    }

    /// Opens the directory `path` is in, making it if `create`; returns it with the last name.
    pub(super) fn parent<'a, 'p>(
        &'a self,
        path: &'p str,
        purpose: DirUse,
        create: bool,
        action: &'static str,
    ) -> Result<(Dir<'a>, &'p str), StoreError> {
        check_path(path)?;
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let opened = match self.open_dir(dir, purpose) {
            Err(Errno::NOENT) if create => {
                self.make_dirs(dir, purpose == DirUse::ReadOrSync)?;
                self.open_dir(dir, purpose)
            }
            done => done,
        };
        opened.map(|dir| (dir, name)).map_err(|errno| open_error(action, path, errno))
    }

    /// Makes a directory and those above it: 0755 by the umask, and 0700 what [`layout`] calls
    /// private. One that is there stays as it is.
    ///
    /// # Errors
    /// Something else has one of the names, or the system refuses.
    pub fn create_dirs(&self, dir: &str) -> Result<(), StoreError> {
        self.make_dirs(dir, false)
    }

    fn make_dirs(&self, dir: &str, durable: bool) -> Result<(), StoreError> {
        const ACTION: &str = "make the directory";
        if matches!(dir, "" | ".") {
            return Ok(());
        }
        check_path(dir)?;
        let mut at = Dir::Root(self.inner.root.as_fd());
        let mut so_far = String::with_capacity(dir.len());
        for name in dir.split('/') {
            if !so_far.is_empty() {
                so_far.push('/');
            }
            so_far.push_str(name);
            let private = layout::is_private(&so_far);
            let mode = if private { DIR_MODE_PRIVATE } else { DIR_MODE };
            match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(mode)) {
                // What is to survive a power cut needs the directories above it to survive, too.
                Ok(()) if durable => self.sync_made(&so_far)?,
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(system_error(ACTION, &so_far, errno)),
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            at = open_at(at.as_fd(), name, flags, 0)
                .map(Dir::Below)
                .map_err(|errno| open_error(ACTION, &so_far, errno))?;
        }
        Ok(())
    }

    fn sync_made(&self, made: &str) -> Result<(), StoreError> {
        let above = made.rsplit_once('/').map_or("", |(above, _)| above);
        let dir = self
            .open_dir(above, DirUse::ReadOrSync)
            .map_err(|errno| open_error("make the directory", made, errno))?;
        super::temp::sync_dir(&dir, above)
    }
}

/// Says which rule a path below the coordination directory breaks.
pub(super) fn check_path(path: &str) -> Result<(), StoreError> {
    let bad = |problem| Err(StoreError::BadPath { path: path.escape_debug().to_string(), problem });
    if path.is_empty() {
        return bad("it is empty");
    }
    if path.contains('\0') {
        return bad("it holds a NUL");
    }
    if path.starts_with('/') {
        return bad("it is absolute");
    }
    match path.split('/').find(|part| matches!(*part, "" | "." | "..")) {
        Some("..") => bad("it holds `..`"),
        Some(_) => bad("it holds an empty part or `.`"),
        None => Ok(()),
    }
}

/// Tells what opening beneath the root failed of.
pub(super) fn open_error(action: &'static str, path: &str, errno: Errno) -> StoreError {
    match errno {
        Errno::LOOP | Errno::XDEV => StoreError::Link { action, path: path.to_owned() },
        Errno::ISDIR => {
            StoreError::NotAFile { action, path: path.to_owned(), kind: EntryKind::Dir }
        }
        other => system_error(action, path, other),
    }
}

/// Tells what anything else failed of.
pub(super) fn system_error(action: &'static str, path: &str, errno: Errno) -> StoreError {
    io_error(action, path, errno.into())
}

/// As [`system_error`], from the standard library's error.
pub(super) fn io_error(action: &'static str, path: &str, cause: std::io::Error) -> StoreError {
    let path = path.to_owned();
    let kind = cause.kind();
    if matches!(kind, std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) {
        StoreError::Full { action, path, cause }
    } else {
        StoreError::Io { action, path, cause }
    }
}

/// Returns the kind of what a stat describes.
pub(super) fn kind_of(stat: &Stat) -> EntryKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Dir,
        FileType::Symlink => EntryKind::Symlink,
        FileType::Fifo => EntryKind::Fifo,
        FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => EntryKind::Other,
    }
}

/// Checks that what was opened to be written is a regular file with one name.
pub(super) fn check_writable(
    file: &File,
    path: &str,
    action: &'static str,
) -> Result<Stat, StoreError> {
    let stat = rustix::fs::fstat(file).map_err(|errno| system_error(action, path, errno))?;
    match kind_of(&stat) {
        EntryKind::File if stat.st_nlink > 1 => {
            Err(StoreError::HardLinked { action, path: path.to_owned() })
        }
        EntryKind::File => Ok(stat),
        kind @ (EntryKind::Dir | EntryKind::Symlink | EntryKind::Fifo | EntryKind::Other) => {
            Err(StoreError::NotAFile { action, path: path.to_owned(), kind })
        }
    }
}

/// Returns a file name as text; `None` when it is not UTF-8.
pub(super) fn name_of(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    match std::str::from_utf8(bytes) {
        Ok(name) => (Cow::Borrowed(name), true),
        Err(_) => (Cow::Owned(bytes.escape_ascii().to_string()), false),
    }
}
