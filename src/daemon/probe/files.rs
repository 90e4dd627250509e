//! What a worker leaves in files: in its folder and in the workspace. Nothing here reads them.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use crate::domain::Timestamp;
use crate::domain::watch::Mark;
use crate::store::layout::WorkerFile;
use crate::store::{Entry, EntryKind, Folder, Store, digest};

/// So many files of a worker's folder are looked at beside those that have a meaning.
const FOLDER_FILES_MAX: usize = 256;
/// File systems round times.
const TIME_STEP_MS: i64 = 2_000;
/// What Baton, or a part of it, writes there, and what says only which process it is.
const NOT_ITS_WORK: [&str; 6] = [
    WorkerFile::AttemptLock.name(),
    WorkerFile::Identity.name(),
    WorkerFile::Exit.name(),
    WorkerFile::Launch.name(),
    WorkerFile::Brief.name(),
    "worker.pid",
];

/// What has a meaning of its own.
const SIGNS: [&str; 4] = [
    WorkerFile::Output.name(),
    WorkerFile::EarlierOutput.name(),
    WorkerFile::Heartbeat.name(),
    WorkerFile::Report.name(),
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

/// The names in folders, so that these are read again only when names came or went.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<String, ((u64, i64), Vec<String>)>,
}

impl Names {
    /// Looks into a worker's folder; one that is missing or cannot be read is empty.
    pub(super) fn look_into(&mut self, store: &Store, path: &str, now: Timestamp) -> FolderSeen {
        let mut seen = FolderSeen::default();
        let Some(folder) = store.folder(path) else { return seen };
        // However many files there are, these are looked at.
        let printed = [WorkerFile::Output, WorkerFile::EarlierOutput];
        seen.output.extend(printed.iter().filter_map(|file| folder.entry(file.name())));
        let version_of = |file: WorkerFile| folder.entry(file.name()).as_ref().map(version);
        seen.heartbeat = version_of(WorkerFile::Heartbeat);
        seen.report = version_of(WorkerFile::Report);
        let others = self.of(&folder, path, now).iter().filter_map(|name| folder.entry(name));
        seen.others.extend(others);
        seen
    }

    fn of(&mut self, folder: &Folder, path: &str, now: Timestamp) -> &[String] {
        let version = folder.version().unwrap_or_default();
        let is_known = self.known.get(path).is_some_and(|(known, _)| *known == version);
        if !is_known {
            let is_wanted = |name: &str| {
                let is_known = SIGNS.contains(&name) || NOT_ITS_WORK.contains(&name);
                !name.starts_with('.') && !is_known
            };
            let names = folder.names(FOLDER_FILES_MAX, &is_wanted);
            // What changed just now may change once more without its time showing it.
            let is_settled = now.as_ms().saturating_sub(version.1) >= TIME_STEP_MS;
            let version = if is_settled { version } else { (0, 0) };
            self.known.insert(path.to_owned(), (version, names));
        }
        self.known.get(path).map_or(&[], |(_, names)| names)
    }

    /// Keeps only those of these folders.
    pub(super) fn retain(&mut self, is_asked_for: impl Fn(&str) -> bool) {
        self.known.retain(|path, _| is_asked_for(path));
    }
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
    use crate::clock;
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
            [Names::default().look_into(&self.store, "workers/w", clock::now().wall)]
        }

        fn work(&self, named: &[&str]) -> Option<Mark> {
            let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
            work(&Workspace::open(self.root.path()), &named, &self.folder())
        }
    }

    #[test]
    fn a_missing_folder_says_nothing_and_is_no_error() {
        let place = Place::new();
        let nobody =
            [Names::default().look_into(&place.store, "workers/nobody", clock::now().wall)];
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
    fn what_has_a_meaning_is_seen_among_any_number_of_files() {
        let place = Place::new();
        for number in 0..2 * FOLDER_FILES_MAX {
            place.own(&format!("note-{number}"), "");
        }
        for name in SIGNS {
            place.own(name, "x");
        }
        let [seen] = place.folder();
        assert_eq!(seen.output.len(), 2);
        assert!(seen.heartbeat.is_some() && seen.report.is_some());
        assert_eq!(seen.others.len(), FOLDER_FILES_MAX);
    }

    #[test]
    fn names_are_read_again_when_one_came_or_went_and_for_a_while_after() {
        let place = Place::new();
        let (now, later) = (clock::now(), clock::now().plus_ms(10_000).wall);
        let mut names = Names::default();
        let mut count = |at| names.look_into(&place.store, "workers/w", at).others.len();
        assert_eq!(count(now.wall), 0);
        place.own("a", "x");
        assert_eq!(count(now.wall), 1);
        // As if a while went by: what changes from now on has another time.
        let folder = place.root.path().join("coordination/workers/w");
        let rest = || {
            let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
            fs::File::open(&folder).unwrap().set_modified(long_ago).unwrap();
        };
        rest();
        assert_eq!((count(later), count(later)), (1, 1));
        place.own("b", "x");
        assert_eq!(count(later), 2);
        rest();
        assert_eq!(count(later), 2);
        fs::remove_file(folder.join("a")).unwrap();
        assert_eq!(count(later), 1);
        names.retain(|_| false);
        assert!(names.known.is_empty());
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
