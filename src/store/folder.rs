//! A directory that is looked at again and again: its names are read once, its files as often as
//! somebody asks.

use std::fs::File;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, OFlags};

use super::Store;
use super::beneath;
use super::read::{Entry, modified_ms};

/// A directory that is kept open.
#[derive(Debug)]
pub struct Folder {
    directory: File,
}

impl Store {
    /// Opens a directory; `None` when it is not there, lies behind a link, or may not be opened.
    pub fn folder(&self, dir: &str) -> Option<Folder> {
        beneath::check_path(dir).ok()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        self.open_below(dir, flags, 0).ok().map(|directory| Folder { directory })
    }
}

impl Folder {
    /// Returns what differs when names came or went, and when that was last, in milliseconds since
    /// 1970 by the file system's clock. Of two changes in one step of that clock it shows one.
    pub fn version(&self) -> Option<(u64, i64)> {
        let stat = rustix::fs::fstat(&self.directory).ok()?;
        Some((stat.st_ino, modified_ms(&stat)))
    }

    /// Returns at most `limit` of the names that are wanted, sorted; none where it cannot be read.
    pub fn names(&self, limit: usize, is_wanted: &dyn Fn(&str) -> bool) -> Vec<String> {
        // What was opened to look at files cannot itself be read.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let opened = beneath::open_at(self.directory.as_fd(), ".", flags, 0);
        let Ok(directory) = opened.and_then(rustix::fs::Dir::new) else { return Vec::new() };
        let mut names: Vec<String> = directory
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().to_str().ok()?;
                (!matches!(name, "." | "..") && is_wanted(name)).then(|| name.to_owned())
            })
            .take(limit)
            .collect();
        names.sort();
        names
    }

    /// Returns what a name in it stands for; `None` when there is no such name.
    pub fn entry(&self, name: &str) -> Option<Entry> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let is_name = !name.contains('/') && name != "..";
        let stat = rustix::fs::statat(self.directory.as_fd(), name, flags).ok()?;
        is_name.then(|| Entry {
            name: name.to_owned(),
            kind: beneath::kind_of(&stat),
            len: u64::try_from(stat.st_size).unwrap_or(0),
            modified_ms: modified_ms(&stat),
            inode: stat.st_ino,
        })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files as workers do")]
mod tests {
    use super::*;

    #[test]
    fn names_and_files_are_seen_and_nothing_outside() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("c/w")).unwrap();
        std::os::unix::fs::symlink("w", root.path().join("c/link")).unwrap();
        let store = Store::open(&root.path().join("c")).unwrap();
        assert!(store.folder("nowhere").is_none());
        assert!(store.folder("link").is_none());
        assert!(store.folder("../c").is_none());
        // Two changes within one tick of the kernel's clock would have the same time.
        let earlier = std::time::SystemTime::UNIX_EPOCH;
        File::open(root.path().join("c/w")).unwrap().set_modified(earlier).unwrap();
        let folder = store.folder("w").unwrap();
        let empty = folder.version();
        assert!(folder.names(9, &|_| true).is_empty());
        for name in ["b", "a", "c"] {
            std::fs::write(root.path().join("c/w").join(name), name).unwrap();
        }
        assert_ne!(folder.version(), empty);
        assert_eq!(folder.names(9, &|name| name != "c"), ["a", "b"]);
        assert_eq!(folder.names(2, &|_| true).len(), 2);
        assert_eq!(folder.entry("a").map(|entry| entry.len), Some(1));
        assert_eq!(folder.entry("../w/a"), None);
        assert_eq!(folder.entry("missing"), None);
    }
}
