//! Putting files in place: whole or not at all.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one file that renames and replaces below coordination/"
)]

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::beneath::{self, DirUse};
use super::read::EntryKind;
use super::temp::{self, Temp, sync_dir};
use super::{Store, StoreError, layout};

/// What came of publishing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is there now.
    New,
    /// The name was taken; what is there stays as it is.
    AlreadyThere,
}

/// What came of renaming a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renamed {
    /// It has the new name.
    Done,
    /// Nothing has the old name.
    SourceGone,
    /// Something has the new name, and keeps it.
    TargetExists,
}

/// What came of exchanging two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchanged {
    /// Each has the other's name.
    Done,
    /// Nothing has one of the names.
    Missing,
    /// This file system cannot exchange.
    Unsupported,
}

/// How often a write is begun anew when its temporary file was swept away.
const TRIES_MAX: u32 = 64;
/// How many contents with one digest and one name are kept apart.
const QUARANTINE_TWINS_MAX: u32 = 16;
/// So that the longest name of a copy still is a file name.
const QUARANTINE_NAME_MAX: usize = 180;

impl Store {
    /// Replaces a file that can be derived again: readers see the old one or the new one, and a
    /// power cut may leave either. Makes its directory; keeps the mode and owner of a file that
    /// is there.
    ///
    /// # Errors
    /// A directory has the name, the disk is full, or the system refuses; nothing is changed then.
    pub fn replace(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(path, path, bytes, DirUse::Act)
    }

    /// Replaces a file that cannot be derived again: as [`Store::replace`], and on disk when it
    /// returns.
    ///
    /// # Errors
    /// As [`Store::replace`], and [`StoreError::Sync`].
    pub fn replace_durable(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(path, path, bytes, DirUse::ReadOrSync)
    }

    /// Writes `path` durably with the mode and owner of `like`, to be exchanged with it.
    ///
    /// # Errors
    /// As [`Store::replace_durable`].
    pub fn stage(&self, path: &str, like: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(path, like, bytes, DirUse::ReadOrSync)
    }

    /// Puts a file in place unless the name is taken. With `durable`, whichever file has the name
    /// is on disk when it returns.
    ///
    /// # Errors
    /// The disk is full or the system refuses; nothing is changed then.
    pub fn publish(
        &self,
        path: &str,
        bytes: &[u8],
        durable: bool,
    ) -> Result<Published, StoreError> {
        const ACTION: &str = "publish";
        let purpose = if durable { DirUse::ReadOrSync } else { DirUse::Act };
        let (dir, name) = self.parent(path, purpose, true, ACTION)?;
        let fail = |errno| beneath::system_error(ACTION, path, errno);
        for _ in 0..TRIES_MAX {
            if beneath::stat_in(&dir, name).map_err(fail)?.is_some() {
                if durable {
                    self.sync_file(path)?;
                    sync_dir(&dir, path)?;
                }
                return Ok(Published::AlreadyThere);
            }
            let temp = Temp::write(&dir, path, bytes, None, durable, ACTION)?;
            match rename_new(dir.as_fd(), &temp.name, dir.as_fd(), name) {
                Ok(()) => {
                    temp.placed();
                    if durable {
                        sync_dir(&dir, path)?;
                    }
                    return Ok(Published::New);
                }
                // Taken meanwhile, or our temporary file was swept away: look again.
                Err(Errno::EXIST | Errno::NOENT) => {}
                Err(errno) => return Err(fail(errno)),
            }
        }
        Err(fail(Errno::AGAIN))
    }

    /// Renames a file and replaces nothing. Makes the directory of the new name.
    ///
    /// # Errors
    /// A link is in the way, or the system refuses.
    pub fn rename(&self, from: &str, to: &str) -> Result<Renamed, StoreError> {
        const ACTION: &str = "rename";
        let (source, source_name) = match self.parent(from, DirUse::Act, false, ACTION) {
            Ok(found) => found,
            Err(error) if is_missing(&error) => return Ok(Renamed::SourceGone),
            Err(error) => return Err(error),
        };
        let fail = |errno| beneath::system_error(ACTION, from, errno);
        if beneath::stat_in(&source, source_name).map_err(fail)?.is_none() {
            return Ok(Renamed::SourceGone);
        }
        let (target, target_name) = self.parent(to, DirUse::Act, true, ACTION)?;
        match rename_new(source.as_fd(), source_name, target.as_fd(), target_name) {
            Ok(()) => Ok(Renamed::Done),
            Err(Errno::NOENT) => Ok(Renamed::SourceGone),
            Err(Errno::EXIST) => Ok(Renamed::TargetExists),
            Err(errno) => Err(fail(errno)),
        }
    }

    /// Gives each of two files the other's name in one step.
    ///
    /// # Errors
    /// A link is in the way, or the system refuses.
    pub fn exchange(&self, a: &str, b: &str) -> Result<Exchanged, StoreError> {
        const ACTION: &str = "exchange";
        let (dir_a, name_a) = self.parent(a, DirUse::Act, false, ACTION)?;
        let (dir_b, name_b) = self.parent(b, DirUse::Act, false, ACTION)?;
        match rustix::fs::renameat_with(&dir_a, name_a, &dir_b, name_b, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(Exchanged::Done),
            Err(Errno::NOENT) => Ok(Exchanged::Missing),
            Err(errno) if is_unsupported(errno) => Ok(Exchanged::Unsupported),
            Err(errno) => Err(beneath::system_error(ACTION, a, errno)),
        }
    }

    /// Syncs the directory `path` is in: the names in it are on disk when it returns.
    ///
    /// # Errors
    /// [`StoreError::Sync`], or it cannot be opened.
    pub fn sync_parent(&self, path: &str) -> Result<(), StoreError> {
        let (dir, _) = self.parent(path, DirUse::ReadOrSync, false, "sync the directory of")?;
        sync_dir(&dir, path)
    }

    /// Appends in one write, so that appenders do not tear each other's lines. Makes the file.
    ///
    /// # Errors
    /// It is no regular file, has a second name, the disk is full, or the system refuses. The
    /// first part of the bytes may then be there: others append too, so it is not taken back.
    pub fn append(&self, path: &str, bytes: &[u8]) -> Result<(), StoreError> {
        const ACTION: &str = "append to";
        beneath::check_path(path)?;
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK;
        let open = || self.open_below(path, flags, temp::file_mode(path));
        let mut file = match open() {
            Err(Errno::NOENT) => {
                let (above, _) = path.rsplit_once('/').unwrap_or(("", path));
                self.create_dirs(above)?;
                open()
            }
            done => done,
        }
        .map_err(|errno| match errno {
            Errno::NXIO => {
                StoreError::NotAFile { action: ACTION, path: path.into(), kind: EntryKind::Fifo }
            }
            other => beneath::open_error(ACTION, path, other),
        })?;
        beneath::check_writable(&file, path, ACTION)?;
        // One write(2); the rest of a short one follows at once.
        file.write_all(bytes).map_err(|cause| beneath::io_error(ACTION, path, cause))
    }

    /// Removes a file; one that is not there is removed already.
    ///
    /// # Errors
    /// It is a directory, or the system refuses.
    pub fn remove(&self, path: &str) -> Result<(), StoreError> {
        const ACTION: &str = "remove";
        let (dir, name) = match self.parent(path, DirUse::Act, false, ACTION) {
            Ok(found) => found,
            Err(error) if is_missing(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        match rustix::fs::unlinkat(&dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(beneath::open_error(ACTION, path, errno)),
        }
    }

    /// Keeps a copy of a file that cannot be used and returns where, relative to the coordination
    /// directory. The same content under the same name is kept once.
    ///
    /// # Errors
    /// As [`Store::publish`].
    pub fn quarantine(&self, path: &str, bytes: &[u8]) -> Result<String, StoreError> {
        let digest = super::digest(bytes);
        let flat = flat_name(path);
        let mut copy = format!("{}/{digest}-{flat}", layout::QUARANTINE);
        for twin in 2..=QUARANTINE_TWINS_MAX {
            if self.publish(&copy, bytes, true)? == Published::New {
                return Ok(copy);
            }
            let there = self.read(&copy, bytes.len() as u64);
            if there.is_ok_and(|there| there.is_some_and(|there| there.bytes == bytes)) {
                return Ok(copy);
            }
            copy = format!("{}/{digest}-{twin}-{flat}", layout::QUARANTINE);
        }
        Err(beneath::system_error("quarantine", path, Errno::EXIST))
    }

    fn put(&self, path: &str, like: &str, bytes: &[u8], purpose: DirUse) -> Result<(), StoreError> {
        const ACTION: &str = "write";
        let durable = purpose == DirUse::ReadOrSync;
        let (dir, name) = self.parent(path, purpose, true, ACTION)?;
        let model = self.model(like)?;
        for _ in 0..TRIES_MAX {
            let temp = Temp::write(&dir, path, bytes, model.as_ref(), durable, ACTION)?;
            match rustix::fs::renameat(&dir, &temp.name, &dir, name) {
                Ok(()) => {
                    temp.placed();
                    return if durable { sync_dir(&dir, path) } else { Ok(()) };
                }
                // Swept away between being made and being marked: once more.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(beneath::open_error(ACTION, path, errno)),
            }
        }
        Err(beneath::system_error(ACTION, path, Errno::NOENT))
    }

    /// Returns the stat of the regular file whose mode and owner are to be kept.
    fn model(&self, like: &str) -> Result<Option<Stat>, StoreError> {
        const ACTION: &str = "look at";
        let (dir, name) = match self.parent(like, DirUse::Act, false, ACTION) {
            Ok(found) => found,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let stat = beneath::stat_in(&dir, name)
            .map_err(|errno| beneath::system_error(ACTION, like, errno))?;
        Ok(stat.filter(|stat| beneath::kind_of(stat) == EntryKind::File))
    }

    fn sync_file(&self, path: &str) -> Result<(), StoreError> {
        let file = self
            .open_below(path, OFlags::RDONLY | OFlags::NONBLOCK, 0)
            .map_err(|errno| beneath::open_error("sync", path, errno))?;
        beneath::check_writable(&file, path, "sync")?;
        file.sync_data().map_err(|cause| StoreError::Sync { path: path.to_owned(), cause })
    }
}

/// Renames without replacing; where the file system has no such rename, by a second link.
fn rename_new(
    from: BorrowedFd<'_>,
    from_name: &str,
    to: BorrowedFd<'_>,
    to_name: &str,
) -> Result<(), Errno> {
    match rustix::fs::renameat_with(from, from_name, to, to_name, RenameFlags::NOREPLACE) {
        Err(errno) if is_unsupported(errno) => link_new(from, from_name, to, to_name),
        done => done,
    }
}

fn link_new(
    from: BorrowedFd<'_>,
    from_name: &str,
    to: BorrowedFd<'_>,
    to_name: &str,
) -> Result<(), Errno> {
    rustix::fs::linkat(from, from_name, to, to_name, AtFlags::empty())?;
    match rustix::fs::unlinkat(from, from_name, AtFlags::empty()) {
        Err(Errno::NOENT) => {
            // Another renamed it between our two steps: it is theirs.
            rustix::fs::unlinkat(to, to_name, AtFlags::empty())?;
            Err(Errno::NOENT)
        }
        done => done,
    }
}

fn is_unsupported(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::NOTSUP)
}

fn is_missing(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound)
}

/// Returns a path as one file name, its end kept where it is too long.
fn flat_name(path: &str) -> String {
    let flat: String = path
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' })
        .collect();
    flat[flat.len().saturating_sub(QUARANTINE_NAME_MAX)..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_names_are_file_names() {
        assert_eq!(flat_name("inbox/a b/ü.json"), "inbox_a_b__.json");
        assert_eq!(flat_name(&"x/".repeat(200)).len(), QUARANTINE_NAME_MAX);
    }

    #[test]
    fn where_renaming_cannot_refuse_to_replace_links_do() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.replace("a", b"a").unwrap();
        store.replace("b", b"b").unwrap();
        let root = store.open_dir("", DirUse::Act).unwrap();
        let link = |from, to| link_new(root.as_fd(), from, root.as_fd(), to);
        assert_eq!(link("a", "b"), Err(Errno::EXIST));
        assert_eq!(link("none", "c"), Err(Errno::NOENT));
        assert_eq!(link("a", "c"), Ok(()));
        assert!(!store.exists("a"));
        assert_eq!(store.read("c", 9).unwrap().unwrap().bytes, b"a");
        assert_eq!(store.read("b", 9).unwrap().unwrap().bytes, b"b");
    }
}
