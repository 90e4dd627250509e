//! Who may: advisory locks that other languages' lockers respect.
//!
//! `fs2` is used in this file only, and its functions are written out in full: the standard
//! library has methods of the same names. A lock file is never replaced and never removed, since a
//! lock on a file that lost its name guards nothing.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use thiserror::Error;

use super::beneath::{self, DirUse};
use super::{Store, StoreError};

/// How soon a directory is tried again that is locked by nobody who runs, and how often: where
/// who had it is known to be gone, and where nobody is named.
const DYING_AGAIN: Duration = Duration::from_millis(10);
const DYING_LOOKS_MAX: u32 = 2_000;
const NAMELESS_LOOKS_MAX: u32 = 200;

/// The coordination directory is ours for as long as this lives.
#[derive(Debug)]
pub struct DirectoryLock {
    file: File,
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // A child between fork and exec has a copy: closing ours alone would not unlock.
        let _ = fs2::FileExt::unlock(&self.file);
    }
}

/// A lock file is ours for as long as this lives.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    /// False once the descriptor was handed out: then closing every copy unlocks.
    unlocks: bool,
    _place: Place,
}

/// Says why a lock was not had. Paths are relative to the coordination directory.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "cannot lock {path}: {} has it; wait for it or end it",
        holder_pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Held {
        /// What was to be locked; `.` is the coordination directory itself.
        path: String,
        /// Who has it, where the kernel tells.
        holder_pid: Option<u32>,
    },
    /// The lock file was removed or replaced again and again while we waited for it.
    #[error("cannot lock {path}: it is replaced all the time; no program may replace a lock file")]
    Unstable {
        /// The lock file.
        path: String,
    },
    /// The lock file cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system refused.
    #[error("cannot lock {path}: {cause}")]
    Io {
        /// What was to be locked.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Others may have to read it to lock it, and nobody writes to it.
const LOCK_MODE: u32 = 0o644;
/// How often a lock file may be replaced under us before we give up.
const REPLACED_MAX: u32 = 8;

impl Store {
    /// Takes the coordination directory for this process, or says who has it; never waits. What a
    /// crashed predecessor left half-written is removed.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process has it. One that was killed has it until what it was
    /// just starting has dropped its copy: that is waited for.
    pub fn lock_directory(&self) -> Result<DirectoryLock, LockError> {
        let path = ".";
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let file = self
            .open_below(path, flags, 0)
            .map_err(|errno| beneath::open_error("lock", path, errno))?;
        let mut looks = 0;
        while !try_lock(&file, path)? {
            let by_whom = holder_of(&file);
            // Nobody is named when it was let go of just now, too.
            let looks_max = if by_whom.is_some() { DYING_LOOKS_MAX } else { NAMELESS_LOOKS_MAX };
            if by_whom.is_some_and(runs) || looks >= looks_max {
                return Err(LockError::Held { path: path.to_owned(), holder_pid: by_whom });
            }
            looks += 1;
            rest();
        }
        let swept = self.sweep();
        if swept > 0 {
            tracing::info!(swept, "removed files that a crash left half-written");
        }
        Ok(DirectoryLock { file })
    }

    /// Locks a file that exists for nothing else, making it if need be. Waits up to `wait` for
    /// others in this process, and then up to `wait` for other processes.
    ///
    /// # Errors
    /// [`LockError::Held`] when the time is over; the file is no regular one, or the system refuses.
    pub fn lock(&self, path: &str, wait: Duration) -> Result<FileLock, LockError> {
        beneath::check_path(path)?;
        let place = Place::take(self, path, wait)?;
        for _ in 0..REPLACED_MAX {
            let file = place.wait_for_lock(wait)?;
            if self.is_at(&file, path)? {
                return Ok(FileLock { file, unlocks: true, _place: place });
            }
        }
        Err(LockError::Unstable { path: path.to_owned() })
    }

    fn open_lock_file(&self, path: &str) -> Result<File, LockError> {
        const ACTION: &str = "lock";
        let (dir, name) = self.parent(path, DirUse::Act, true, ACTION)?;
        let open = |access| {
            let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY;
            beneath::open_at(dir.as_fd(), name, flags, LOCK_MODE)
        };
        let fd = match open(OFlags::RDWR | OFlags::CREATE) {
            // Somebody else's: reading is enough to lock it.
            Err(Errno::ACCESS) => match open(OFlags::RDONLY) {
                // There is none, and it is making one that we may not.
                Err(Errno::NOENT) => Err(Errno::ACCESS),
                done => done,
            },
            done => done,
        }
        .map_err(|errno| beneath::open_error(ACTION, path, errno))?;
        let file = File::from(fd);
        beneath::check_writable(&file, path, ACTION)?;
        Ok(file)
    }

    /// Tells whether the open file still is the one that bears the name.
    fn is_at(&self, file: &File, path: &str) -> Result<bool, LockError> {
        let fail = |errno: Errno| LockError::Io { path: path.to_owned(), cause: errno.into() };
        let ours = rustix::fs::fstat(file).map_err(fail)?;
        let (dir, name) = self.parent(path, DirUse::Act, false, "lock")?;
        let there = beneath::stat_in(&dir, name).map_err(fail)?;
        Ok(ours.st_nlink != 0
            && there.is_some_and(|t| (t.st_dev, t.st_ino) == (ours.st_dev, ours.st_ino)))
    }
}

impl FileLock {
    /// Gives out the file without unlocking it: it stays locked while any copy of the descriptor
    /// is open, in this process or in one that inherits it.
    ///
    /// # Errors
    /// The process has no descriptor left; the lock is given up then.
    pub fn into_file(mut self) -> io::Result<File> {
        let file = self.file.try_clone()?;
        self.unlocks = false;
        Ok(file)
    }
}

impl AsFd for FileLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if self.unlocks {
            // A child between fork and exec has a copy: closing ours alone would not unlock.
            let _ = fs2::FileExt::unlock(&self.file);
        }
    }
}

/// Marks a file as being written, for as long as it is open.
pub(super) fn mark_in_use(file: &File) {
    let _ = fs2::FileExt::try_lock_exclusive(file);
}

/// Tells whether a living process marks the file as being written.
pub(super) fn is_in_use(file: &File) -> bool {
    fs2::FileExt::try_lock_exclusive(file).is_err()
}

/// The front of this process's queue for one lock file.
#[derive(Debug)]
struct Place {
    store: Store,
    path: String,
    turn: Arc<Turn>,
}

impl Place {
    fn take(store: &Store, path: &str, wait: Duration) -> Result<Place, LockError> {
        let turn = Arc::clone(lock_mutex(&store.inner.turns).entry(path.to_owned()).or_default());
        if turn.take(wait) {
            return Ok(Place { store: store.clone(), path: path.to_owned(), turn });
        }
        let holder_pid = Some(std::process::id());
        Err(LockError::Held { path: path.to_owned(), holder_pid })
    }

    /// Waits for other processes. A thread waits in the kernel, where waiters are served in turn;
    /// when the time is over it stays, and serves whoever asks next.
    fn wait_for_lock(&self, wait: Duration) -> Result<File, LockError> {
        let mut state = lock_mutex(&self.turn.state);
        if !state.waiter {
            let file = self.store.open_lock_file(&self.path)?;
            if try_lock(&file, &self.path)? {
                return Ok(file);
            }
            if wait.is_zero() {
                return Err(held(&file, &self.path));
            }
            let turn = Arc::clone(&self.turn);
            std::thread::Builder::new()
                .name("lock".into())
                .spawn(move || turn.wait_in_kernel(file))
                .map_err(|cause| LockError::Io { path: self.path.clone(), cause })?;
            state.waiter = true;
        }
        state.wanted = true;
        let (mut state, _) = self
            .turn
            .changed
            .wait_timeout_while(state, wait, |state| state.got.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.wanted = false;
        match state.got.take() {
            Some(got) => got.map_err(|cause| LockError::Io { path: self.path.clone(), cause }),
            None => {
                drop(state);
                let file = self.store.open_lock_file(&self.path)?;
                Err(held(&file, &self.path))
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turn.give_back();
        let mut turns = lock_mutex(&self.store.inner.turns);
        // The list and we.
        if Arc::strong_count(&self.turn) == 2 {
            turns.remove(&self.path);
        }
    }
}

/// Who in this process has or wants one lock file.
#[derive(Debug, Default)]
pub(super) struct Turn {
    state: Mutex<TurnState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct TurnState {
    /// Somebody has the lock file or is at the front of the queue for it.
    taken: bool,
    /// That somebody still waits for the kernel.
    wanted: bool,
    /// A thread waits in the kernel.
    waiter: bool,
    /// What that thread got.
    got: Option<io::Result<File>>,
}

impl Turn {
    fn take(&self, wait: Duration) -> bool {
        let state = lock_mutex(&self.state);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, wait, |state| state.taken)
            .unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut state.taken, true)
    }

    fn give_back(&self) {
        lock_mutex(&self.state).taken = false;
        self.changed.notify_all();
    }

    fn wait_in_kernel(&self, file: File) {
        let result = loop {
            match fs2::FileExt::lock_exclusive(&file) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done,
            }
        };
        let mut state = lock_mutex(&self.state);
        state.waiter = false;
        if state.wanted {
            state.got = Some(result.map(|()| file));
            self.changed.notify_all();
        }
    }
}

fn try_lock(file: &File, path: &str) -> Result<bool, LockError> {
    match fs2::FileExt::try_lock_exclusive(file) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
            Ok(false)
        }
        Err(cause) => Err(LockError::Io { path: path.to_owned(), cause }),
    }
}

fn held(file: &File, path: &str) -> LockError {
    LockError::Held { path: path.to_owned(), holder_pid: holder_of(file) }
}

#[expect(clippy::disallowed_methods, reason = "a copy of a lock that is dropped tells nobody")]
fn rest() {
    std::thread::sleep(DYING_AGAIN);
}

/// Tells whether a process runs: one that is gone or only waits to be buried has no program.
fn runs(pid: u32) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe"))
        .map_or_else(|error| error.kind() == io::ErrorKind::PermissionDenied, |_| true)
}

/// Looks up in `/proc/locks` who has a lock on an open file.
fn holder_of(file: &File) -> Option<u32> {
    let stat = rustix::fs::fstat(file).ok()?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let (major, minor) = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    let wanted = format!("{major:02x}:{minor:02x}:{}", stat.st_ino);
    holder_in(&locks, &wanted)
}

/// A line is `1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF`; one that waits has `->` after `1:`.
fn holder_in(locks: &str, wanted: &str) -> Option<u32> {
    locks
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .find(|fields| fields.get(1) == Some(&"FLOCK") && fields.get(5) == Some(&wanted))
        .and_then(|fields| fields[4].parse().ok())
}

fn lock_mutex<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these mutexes is a single assignment: a panic leaves nothing half-done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
