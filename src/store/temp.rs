//! Temporary files: where bytes wait until they are whole.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use super::beneath::{self, Dir, DirUse};
use super::{Store, StoreError, layout, lock};

const FILE_MODE: u32 = 0o644;
const FILE_MODE_PRIVATE: u32 = 0o600;
const PERMISSIONS: u32 = 0o777;
/// How often a name for a temporary file is looked for.
const TRIES_MAX: u32 = 64;

/// A file that has no name of its own yet; removed unless it is placed.
pub(super) struct Temp<'a> {
    dir: &'a Dir<'a>,
    pub(super) name: String,
    /// Held open, and so marked as in use, until it is placed.
    file: File,
    placed: bool,
}

impl<'a> Temp<'a> {
    pub(super) fn write(
        dir: &'a Dir<'a>,
        path: &str,
        bytes: &[u8],
        model: Option<&Stat>,
        durable: bool,
        action: &'static str,
    ) -> Result<Temp<'a>, StoreError> {
        let mode = model.map_or_else(|| file_mode(path), |stat| stat.st_mode & PERMISSIONS);
        let mut temp =
            Temp::create(dir, mode).map_err(|errno| beneath::system_error(action, path, errno))?;
        if let Some(model) = model {
            temp.take_after(model).map_err(|errno| beneath::system_error(action, path, errno))?;
        }
        temp.file.write_all(bytes).map_err(|cause| beneath::io_error(action, path, cause))?;
        if durable {
            temp.file
                .sync_data()
                .map_err(|cause| StoreError::Sync { path: path.to_owned(), cause })?;
        }
        Ok(temp)
    }

    fn create(dir: &'a Dir<'a>, mode: u32) -> Result<Temp<'a>, Errno> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        for _ in 0..TRIES_MAX {
            let name = temp_name(NEXT.fetch_add(1, Ordering::Relaxed));
            match beneath::open_at(dir.as_fd(), &name, flags, mode) {
                Ok(fd) => {
                    let temp = Temp { dir, name, file: File::from(fd), placed: false };
                    lock::mark_in_use(&temp.file);
                    return Ok(temp);
                }
                // Left by an earlier process with our number.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::EXIST)
    }

    /// Takes over owner, as far as we may, and mode.
    fn take_after(&self, model: &Stat) -> Result<(), Errno> {
        let own = rustix::fs::fstat(&self.file)?;
        if (own.st_uid, own.st_gid) != (model.st_uid, model.st_gid) {
            let (owner, group) = (Uid::from_raw(model.st_uid), Gid::from_raw(model.st_gid));
            if rustix::fs::fchown(&self.file, Some(owner), Some(group)).is_err() {
                // Only root gives files away; the group may still be one of ours.
                let _ = rustix::fs::fchown(&self.file, None, Some(group));
            }
        }
        if own.st_mode & PERMISSIONS != model.st_mode & PERMISSIONS {
            rustix::fs::fchmod(&self.file, Mode::from_raw_mode(model.st_mode & PERMISSIONS))?;
        }
        Ok(())
    }

    pub(super) fn placed(mut self) {
        self.placed = true;
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        if !self.placed {
            // What cannot be removed now is swept at the next start.
            let _ = rustix::fs::unlinkat(self.dir, &self.name, AtFlags::empty());
        }
    }
}

impl Store {
    /// Removes what crashed writers left half-written, and returns how many files that were. A
    /// file that a living process is writing is marked by a lock and stays.
    pub(super) fn sweep(&self) -> usize {
        let mut dirs: Vec<String> = layout::SWEPT.iter().map(|dir| (*dir).to_owned()).collect();
        for master in self.list(layout::MASTERS).unwrap_or_default() {
            dirs.push(format!("{}/{}/handoffs", layout::MASTERS, master.name));
        }
        dirs.iter().map(|dir| self.sweep_dir(dir).unwrap_or(0)).sum()
    }

    fn sweep_dir(&self, path: &str) -> Result<usize, Errno> {
        let dir = self.open_dir(path, DirUse::ReadOrSync)?;
        let mut removed = 0;
        for entry in rustix::fs::Dir::read_from(&dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !is_temp_name(name) {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::NONBLOCK;
            let Ok(file) = beneath::open_at(dir.as_fd(), name, flags, 0) else { continue };
            if !lock::is_in_use(&File::from(file)) {
                rustix::fs::unlinkat(&dir, name, AtFlags::empty())?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Syncs a directory; a file system that cannot is only worth a warning.
pub(super) fn sync_dir(dir: &Dir<'_>, path: &str) -> Result<(), StoreError> {
    static WARNED: AtomicBool = AtomicBool::new(false);
    match rustix::fs::fsync(dir) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::NOTSUP) => {
            if !WARNED.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    path,
                    "this file system syncs no directories: a power cut may undo renames"
                );
            }
            Ok(())
        }
        Err(errno) => Err(StoreError::Sync { path: path.to_owned(), cause: errno.into() }),
    }
}

/// Returns the mode of a new file.
pub(super) fn file_mode(path: &str) -> u32 {
    if layout::is_private(path) { FILE_MODE_PRIVATE } else { FILE_MODE }
}

fn temp_name(number: u64) -> String {
    format!(".baton-{}-{number}.tmp", std::process::id())
}

fn is_temp_name(name: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    name.strip_prefix(".baton-")
        .and_then(|rest| rest.strip_suffix(".tmp"))
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(pid, number)| digits(pid) && digits(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_swept() {
        assert!(is_temp_name(&temp_name(7)));
        for other in [".baton-1.tmp", ".baton-1-x.tmp", "baton-1-2.tmp", ".baton-1-2.json", ".tmp"]
        {
            assert!(!is_temp_name(other), "{other}");
        }
    }
}
