//! What a worker leaves in files: in its folder and in the workspace. Nothing here reads them.

use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use crate::domain::watch::Mark;
use crate::store::layout::WorkerFile;
use crate::store::{Entry, EntryKind, Store, digest};

/// So many files of a worker's folder are looked at.
const FOLDER_FILES_MAX: usize = 256;
/// What Baton, or a part of it, writes there, and what says only which process it is.
const NOT_ITS_WORK: [&str; 6] = [
    WorkerFile::AttemptLock.name(),
    WorkerFile::Identity.name(),
    WorkerFile::Exit.name(),
    WorkerFile::Launch.name(),
    WorkerFile::Brief.name(),
    "worker.pid",
];

/// What tells one version of a file from another without reading it: inode, length and time of
/// change.
pub(super) type Version = (u64, u64, i64);

/// What a worker's folder holds.
#[derive(Debug, Default)]
pub(super) struct FolderSeen {
    /// What it printed, newest part first.
    output: Vec<Entry>,
    /// Its heartbeat.
    pub(super) heartbeat: Option<Version>,
    /// Its report.
    pub(super) report: Option<Version>,
    /// Whatever else it put there.
    others: Vec<Entry>,
}

/// Looks into a worker's folder; one that is missing or cannot be listed is empty.
pub(super) fn look_into(store: &Store, folder: &str) -> FolderSeen {
    let is_wanted = |name: &str| !name.starts_with('.') && !NOT_ITS_WORK.contains(&name);
    let entries = store.list_some(folder, FOLDER_FILES_MAX, &is_wanted).unwrap_or_else(|error| {
        tracing::debug!(%error, folder, "cannot look into the folder of a worker");
        Vec::new()
    });
    let mut seen = FolderSeen::default();
    for entry in entries {
        let is_output = |file: WorkerFile| entry.name == file.name();
        if is_output(WorkerFile::Output) || is_output(WorkerFile::EarlierOutput) {
            seen.output.push(entry);
        } else if entry.name == WorkerFile::Heartbeat.name() {
            seen.heartbeat = Some(version(&entry));
        } else if entry.name == WorkerFile::Report.name() {
            seen.report = Some(version(&entry));
        } else {
            seen.others.push(entry);
        }
    }
    seen.output.sort_by(|a, b| a.name.cmp(&b.name));
    seen.others.sort_by(|a, b| a.name.cmp(&b.name));
    seen
}

pub(super) fn version(entry: &Entry) -> Version {
    (entry.inode, entry.len, entry.modified_ms)
}

/// Says what these folders hold of output; `None` where nobody ever printed anything.
pub(super) fn output(folders: &[FolderSeen]) -> Option<Mark> {
    let entries = || folders.iter().flat_map(|folder| &folder.output);
    let bytes: u64 = entries().map(|entry| entry.len).sum();
    let marks: Vec<String> =
        entries().map(|entry| format!("{}:{}", entry.len, entry.modified_ms)).collect();
    (bytes > 0).then(|| Mark { mark: marks.join("+"), what: format!("{bytes} bytes") })
}

/// The root of the files that subtasks name.
pub(super) struct Workspace(Option<OwnedFd>);

impl Workspace {
    pub(super) fn open(path: &Path) -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self(rustix::fs::open(path, flags, Mode::empty()).ok())
    }

    /// Returns the version of a file beneath it. Links are followed within it, never out of it.
    fn version(&self, name: &str) -> Option<Version> {
        let root = self.0.as_ref()?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = rustix::fs::openat2(root, name, flags, Mode::empty(), resolve).ok()?;
        let stat = rustix::fs::statat(&file, "", AtFlags::EMPTY_PATH).ok()?;
        let modified_ms = stat.st_mtime.saturating_mul(1000)
            + i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or(0);
        Some((stat.st_ino, u64::try_from(stat.st_size).unwrap_or(0), modified_ms))
    }
}

/// Says how the files stand that a subtask names, with those of the worker's folders; `None` when
/// there are none to look at. One that is missing is a state like any other.
pub(super) fn work(
    workspace: &Workspace,
    named: &[String],
    folders: &[FolderSeen],
) -> Option<Mark> {
    let named = named.iter().map(|name| (name.as_str(), workspace.version(name)));
    let own = folders.iter().flat_map(|folder| &folder.others).map(|entry| {
        // What a directory or a link in it does is not looked at.
        let is_file = entry.kind == EntryKind::File;
        (entry.name.as_str(), is_file.then(|| version(entry)))
    });
    let all: Vec<(&str, Option<Version>)> = named.chain(own).collect();
    if all.is_empty() {
        return None;
    }
    let newest = all
        .iter()
        .filter_map(|(name, version)| version.map(|(_, _, modified_ms)| (modified_ms, *name)))
        .max();
    let what = newest.map_or_else(|| "none yet".to_owned(), |(_, name)| name.to_owned());
    Some(Mark { mark: digest(format!("{all:?}").as_bytes()), what })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files as workers do")]
mod tests {
    use super::*;
    use std::fs;

    struct Place {
        root: tempfile::TempDir,
        store: Store,
    }

    impl Place {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            fs::create_dir_all(root.path().join("coordination/workers/w")).unwrap();
            let store = Store::open(&root.path().join("coordination")).unwrap();
            Self { root, store }
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.root.path().join(name), text).unwrap();
        }

        fn own(&self, name: &str, text: &str) {
            self.write(&format!("coordination/workers/w/{name}"), text);
        }

        fn folder(&self) -> [FolderSeen; 1] {
            [look_into(&self.store, "workers/w")]
        }

        fn work(&self, named: &[&str]) -> Option<Mark> {
            let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            work(&Workspace::open(self.root.path()), &named, &self.folder())
        }
    }

    #[test]
    fn a_missing_folder_says_nothing_and_is_no_error() {
        let place = Place::new();
        let nobody = [look_into(&place.store, "workers/nobody")];
        assert_eq!(output(&nobody), None);
        assert_eq!(nobody[0].heartbeat.or(nobody[0].report), None);
        assert_eq!(work(&Workspace::open(Path::new("/nowhere")), &[], &nobody), None);
    }

    #[test]
    fn output_is_seen_to_grow_also_across_rotation() {
        let place = Place::new();
        place.own("output.log", "");
        assert_eq!(output(&place.folder()), None, "an empty file was printed by nobody");
        place.own("output.log", "one\n");
        let first = output(&place.folder()).unwrap();
        assert_eq!(first.what, "4 bytes");
        place.own("output.log.1", "one\n");
        place.own("output.log", "");
        let rotated = output(&place.folder()).unwrap();
        assert_ne!(rotated.mark, first.mark);
        place.own("output.log", "two\n");
        assert_ne!(output(&place.folder()).unwrap().mark, rotated.mark);
    }

    #[test]
    fn files_that_come_change_and_go_are_seen() {
        let place = Place::new();
        let missing = place.work(&["src/a.rs"]).unwrap();
        assert_eq!(missing.what, "none yet");
        fs::create_dir(place.root.path().join("src")).unwrap();
        place.write("src/a.rs", "1");
        let there = place.work(&["src/a.rs"]).unwrap();
        assert_eq!(there.what, "src/a.rs");
        place.write("src/a.rs", "22");
        let changed = place.work(&["src/a.rs"]).unwrap();
        assert_eq!(place.work(&["src/a.rs"]).unwrap(), changed, "nothing happened");
        fs::remove_file(place.root.path().join("src/a.rs")).unwrap();
        let gone = place.work(&["src/a.rs"]).unwrap();
        place.own("notes.md", "thinks");
        let notes = place.work(&["src/a.rs"]).unwrap();
        assert_eq!(gone.mark, missing.mark);
        let marks = [&missing, &there, &changed, &notes].map(|mark| &mark.mark);
        let different: std::collections::BTreeSet<_> = marks.into_iter().collect();
        assert_eq!(different.len(), 4);
    }

    #[test]
    fn what_is_ours_and_what_lies_outside_is_not_its_work() {
        let place = Place::new();
        for name in NOT_ITS_WORK.iter().chain(&["output.log", "heartbeat.json", ".x.tmp"]) {
            place.own(name, "x");
        }
        assert_eq!(place.work(&[]), None);
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("f"), "1").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), place.root.path().join("out")).unwrap();
        std::os::unix::fs::symlink("real", place.root.path().join("link")).unwrap();
        let before = place.work(&["out/f", "../f", "/etc/passwd", "link"]).unwrap();
        fs::write(elsewhere.path().join("f"), "22").unwrap();
        assert_eq!(place.work(&["out/f", "../f", "/etc/passwd", "link"]).unwrap(), before);
        place.write("real", "1");
        assert_ne!(place.work(&["out/f", "../f", "/etc/passwd", "link"]).unwrap(), before);
    }
}
