//! Watches directories, never files: a change is only a hint to look, and the tick looks too.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::clock;
use crate::domain::ids::WorkerId;
use crate::store::{EntryKind, Store, layout};

/// What one intake wants to hear of: its name and a directory relative to `coordination/`, in
/// which `*` stands for every subdirectory.
pub(super) type Interest = (&'static str, &'static str);

/// The pattern of which only the folders of awaited workers are watched: finished ones pile up.
const WORKERS: &str = "workers/*";

/// Names that nobody but Baton writes, or that nothing follows from.
const NOISE: [&str; 10] = [
    "attempt.lock",
    "brief.md",
    "dashboard-events.jsonl",
    "exit.json",
    "identity.json",
    "launch.json",
    "output.log",
    "output.log.1",
    "task-queue.json.lock",
    "baton.toml",
];

/// What workers write again and again. The looks at workers read it when they want to; the intakes,
/// to which it can only say that a worker has ended, are told of it once in a while.
const BEATS: [&str; 2] = ["heartbeat.json", "status.json"];
/// How soon after a heartbeat the intakes look; others meanwhile wake nobody.
pub(super) const BEATS_MS: u64 = 5_000;

/// The directories that are watched, and what was heard.
pub(super) struct Watch {
    root: PathBuf,
    interests: Vec<Interest>,
    watcher: Option<RecommendedWatcher>,
    /// Relative to `root`: long sets of whole paths are slow to compare.
    watched: BTreeSet<String>,
    /// Whether the system refused to watch a directory.
    is_refused: bool,
    heard: Arc<Heard>,
}

/// What was heard since somebody asked.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Hints {
    /// Intakes that should look.
    pub(super) intakes: BTreeSet<&'static str>,
    /// Intakes that should look [`BEATS_MS`] from now.
    pub(super) later: BTreeSet<&'static str>,
    /// Something may have been missed: every intake should look.
    pub(super) everywhere: bool,
    /// Directories came or went: [`Watch::extend`] should be called.
    pub(super) directories: bool,
    /// What the watcher complained about.
    pub(super) complaint: Option<String>,
    gone: BTreeSet<String>,
}

#[derive(Default)]
struct Heard {
    hints: Mutex<Hints>,
    /// Until when heartbeats need not be told, on the boot-time clock: the look that the last one
    /// asked for is not before that.
    quiet_until_ms: AtomicU64,
    wake: Notify,
}

impl Watch {
    /// Starts to watch below `root` (absolute) for `interests`; nothing is watched before
    /// [`Watch::extend`].
    ///
    /// Where the system gives no watcher, only the tick looks; a warning says so.
    pub(super) fn start(root: &Path, interests: Vec<Interest>) -> Self {
        let heard = Arc::new(Heard::default());
        let teller = {
            let (heard, root, interests) = (heard.clone(), root.to_owned(), interests.clone());
            move |event| heard.tell(&root, &interests, event, clock::now().boottime_ms)
        };
        let watcher = match notify::recommended_watcher(teller) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "cannot watch directories; only looking at intervals");
                None
            }
        };
        Self {
            root: root.to_owned(),
            interests,
            watcher,
            watched: BTreeSet::new(),
            is_refused: false,
            heard,
        }
    }

    /// Watches what is there now and was not watched, and forgets what is gone; of `workers/*`
    /// only the folders of `workers`. Returns true when something new is watched: what was created
    /// in it before is heard of by nobody, so every intake should look.
    pub(super) fn extend(&mut self, store: &Store, workers: &BTreeSet<WorkerId>) -> bool {
        let wanted = self.wanted(store, workers);
        let Some(watcher) = &mut self.watcher else { return false };
        for gone in self.watched.difference(&wanted) {
            // It is gone already or nobody needs it: then there is nothing to take away.
            let _ = watcher.unwatch(&self.root.join(gone));
        }
        self.watched.retain(|directory| wanted.contains(directory));
        let before = self.watched.len();
        let was_refused = std::mem::take(&mut self.is_refused);
        for directory in wanted {
            if self.watched.contains(&directory) {
                continue;
            }
            let path = self.root.join(&directory);
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(directory);
                }
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
                Err(error) => {
                    self.is_refused = true;
                    if !was_refused {
                        tracing::warn!(%error, path = %path.display(),
                            "cannot watch a directory; looking at short intervals instead");
                    }
                    break;
                }
            }
        }
        self.watched.len() > before
    }

    /// Watches the folder of one more worker, which has just been made.
    pub(super) fn add_worker(&mut self, worker: &WorkerId) {
        let directory = layout::worker(worker);
        let path = self.root.join(&directory);
        let Some(watcher) = &mut self.watcher else { return };
        match watcher.watch(&path, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(directory);
            }
            // The next look at everything tries again, and says what is in the way.
            Err(error) => tracing::debug!(%error, path = %path.display(), "cannot watch a folder"),
        }
    }

    /// Tells whether something was heard that nobody took.
    pub(super) fn has_hints(&self) -> bool {
        *self.heard.hints.lock().unwrap_or_else(PoisonError::into_inner) != Hints::default()
    }

    /// Tells whether every directory of interest could be watched.
    pub(super) fn is_whole(&self) -> bool {
        self.watcher.is_some() && !self.is_refused
    }

    /// Waits until something was heard. Cancelling it loses nothing.
    pub(super) async fn heard(&self) {
        self.heard.wake.notified().await;
    }

    /// Takes what was heard since the last call.
    pub(super) fn take(&mut self) -> Hints {
        let hints =
            std::mem::take(&mut *self.heard.hints.lock().unwrap_or_else(PoisonError::into_inner));
        for gone in &hints.gone {
            self.watched.remove(gone);
        }
        hints
    }

    fn wanted(&self, store: &Store, workers: &BTreeSet<WorkerId>) -> BTreeSet<String> {
        let mut wanted = BTreeSet::new();
        for (_, pattern) in &self.interests {
            let mut level = vec![String::new()];
            for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
                wanted.extend(level.iter().cloned());
                level = level
                    .iter()
                    .flat_map(|dir| match part {
                        "*" if *pattern == WORKERS => {
                            workers.iter().map(|id| join(dir, id.as_str())).collect()
                        }
                        "*" => subdirectories(store, dir),
                        name => vec![join(dir, name)],
                    })
                    .collect();
            }
            wanted.extend(level);
        }
        // Of one that is watched it is heard when it goes: thousands need not be looked at again.
        let is_there = |directory: &String| {
            self.watched.contains(directory) || self.root.join(directory).is_dir()
        };
        wanted.into_iter().filter(is_there).collect()
    }
}

impl Heard {
    fn tell(&self, root: &Path, interests: &[Interest], event: notify::Result<Event>, now_ms: u64) {
        let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        let before = hints.clone();
        match event {
            Ok(event) if event.need_rescan() => {
                hints.everywhere = true;
                hints.directories = true;
            }
            Ok(event) => {
                for path in event.paths.iter().filter_map(|path| path.strip_prefix(root).ok()) {
                    if is_beat(path) {
                        self.take_beat(&mut hints, interests, event.kind, path, now_ms);
                    } else {
                        take_hint(&mut hints, interests, event.kind, path);
                    }
                }
            }
            Err(error) => {
                hints.everywhere = true;
                hints.complaint = Some(error.to_string());
            }
        }
        if *hints != before {
            self.wake.notify_one();
        }
    }
}

impl Heard {
    /// Notes a heartbeat, unless the intakes will look after it anyway.
    fn take_beat(
        &self,
        hints: &mut Hints,
        interests: &[Interest],
        kind: EventKind,
        path: &Path,
        now_ms: u64,
    ) {
        if now_ms < self.quiet_until_ms.load(Ordering::Relaxed) {
            return;
        }
        let mut beat = Hints::default();
        take_hint(&mut beat, interests, kind, path);
        if !beat.intakes.is_empty() {
            self.quiet_until_ms.store(now_ms + BEATS_MS, Ordering::Relaxed);
            hints.later.extend(beat.intakes);
        }
    }
}

/// Tells whether a path, relative to the root, is one that a worker writes again and again.
fn is_beat(path: &Path) -> bool {
    let mut parts = path.iter();
    let is_workers = parts.next().is_some_and(|part| part == layout::WORKERS);
    let name = parts.nth(1).and_then(|name| name.to_str());
    is_workers && parts.next().is_none() && name.is_some_and(|name| BEATS.contains(&name))
}

/// Notes what a change of kind `kind` at `path`, relative to `root`, is a hint for.
fn take_hint(hints: &mut Hints, interests: &[Interest], kind: EventKind, path: &Path) {
    let (comes, goes) = match kind {
        // Our own reads are told too.
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => (false, false),
        EventKind::Access(_) => return,
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => (true, false),
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
            (false, true)
        }
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Any => (true, true),
        EventKind::Modify(_) | EventKind::Other => (false, false),
    };
    let is_attribute = matches!(kind, EventKind::Modify(ModifyKind::Metadata(_)));
    let parts: Vec<&str> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            Component::Prefix(_)
            | Component::RootDir
            | Component::CurDir
            | Component::ParentDir => None,
        })
        .collect();
    let Some((name, directory)) = parts.split_last() else { return };
    if NOISE.contains(name) || name.starts_with('.') {
        return;
    }
    for (intake, pattern) in interests {
        let pattern: Vec<&str> =
            pattern.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
        if matches(&pattern, directory) {
            hints.intakes.insert(intake);
        }
        // Rights may have been given that were missing: to look into it, and to watch it.
        if is_attribute && matches(&pattern, &parts) {
            hints.directories = true;
            hints.intakes.insert(intake);
        }
        let leads_there = parts.len() <= pattern.len() && matches(&pattern[..parts.len()], &parts);
        // The folders of workers that matter are made by ourselves, and watched from then on.
        let is_worker = pattern.len() == parts.len() && pattern.join("/") == WORKERS;
        if leads_there && comes && !is_worker {
            hints.directories = true;
            hints.intakes.insert(intake);
        }
        if leads_there && goes {
            hints.directories = true;
            hints.gone.insert(parts.join("/"));
        }
    }
}

fn matches(pattern: &[&str], parts: &[&str]) -> bool {
    pattern.len() == parts.len()
        && pattern.iter().zip(parts).all(|(want, is)| *want == "*" || want == is)
}

fn subdirectories(store: &Store, directory: &str) -> Vec<String> {
    let entries = store.list(directory).unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list a directory to watch what is in it");
        Vec::new()
    });
    entries
        .into_iter()
        .filter(|entry| entry.kind == EntryKind::Dir && !entry.name.starts_with('.'))
        .map(|entry| join(directory, &entry.name))
        .collect()
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, DataChange, Flag, MetadataKind, RemoveKind};

    const INTERESTS: [Interest; 4] = [
        ("task_queue", ""),
        ("inbox", "inbox"),
        ("handoffs", "masters/*/handoffs"),
        ("reports", "workers/*"),
    ];

    fn hints(kind: EventKind, path: &str) -> Hints {
        let heard = Heard::default();
        heard.tell(
            Path::new("/c"),
            &INTERESTS,
            Ok(Event::new(kind).add_path(Path::new("/c").join(path))),
            0,
        );
        heard.hints.into_inner().unwrap()
    }

    #[test]
    fn a_change_is_a_hint_for_who_asked_for_its_directory() {
        let modified = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        let rights = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        for (kind, path, intakes, directories) in [
            (modified, "task-queue.json", &["task_queue"][..], false),
            (renamed, "task-queue.json", &["task_queue"], false),
            (modified, "dashboard-events.jsonl", &[], false),
            (modified, "task-queue.json.lock", &[], false),
            (modified, "inbox/.hidden.json", &[], false),
            (renamed, "inbox/a.json", &["inbox"], false),
            (rights, "inbox", &["inbox"], true),
            (rights, "masters/dev/handoffs", &["handoffs"], true),
            (rights, "masters/dev", &[], false),
            (modified, "masters/dev/handoffs/x.json", &["handoffs"], false),
            (modified, "workers/w1/report.json", &["reports"], false),
            (modified, "workers/w1/output.log", &[], false),
            (EventKind::Create(CreateKind::Folder), "workers/w1", &[], false),
            (EventKind::Create(CreateKind::Folder), "masters/dev", &["handoffs"], true),
            (EventKind::Remove(RemoveKind::Folder), "inbox", &["task_queue"], true),
            (EventKind::Access(AccessKind::Open(AccessMode::Read)), "inbox/a.json", &[], false),
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), "inbox/a", &["inbox"], false),
        ] {
            let got = hints(kind, path);
            let without_root: Vec<_> = got
                .intakes
                .iter()
                .copied()
                // Folders at the top come and go in the directory of the queue.
                .filter(|i| *i != "task_queue" || intakes.contains(i))
                .collect();
            assert_eq!(without_root, intakes, "{kind:?} {path}");
            assert_eq!(got.directories, directories, "{kind:?} {path}");
        }
    }

    #[test]
    fn an_overflow_means_look_everywhere() {
        let heard = Heard::default();
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        heard.tell(Path::new("/c"), &INTERESTS, Ok(overflow), 0);
        let hints = heard.hints.into_inner().unwrap();
        assert!(hints.everywhere && hints.directories, "folders may have come unheard too");
    }

    #[test]
    fn a_directory_that_went_is_forgotten() {
        let got = hints(EventKind::Remove(RemoveKind::Folder), "workers/w1");
        assert_eq!(got.gone, BTreeSet::from(["workers/w1".to_owned()]));
    }

    #[test]
    fn heartbeats_are_told_once_in_a_while_and_what_else_changes_at_once() {
        let heard = Heard::default();
        let tell = |path: &str, now_ms| {
            let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
            let event = Event::new(renamed).add_path(Path::new("/c").join(path));
            heard.tell(Path::new("/c"), &INTERESTS, Ok(event), now_ms);
            std::mem::take(&mut *heard.hints.lock().unwrap())
        };
        let reports = BTreeSet::from(["reports"]);
        let later = Hints { later: reports.clone(), ..Hints::default() };
        assert_eq!(tell("workers/w1/heartbeat.json", 1_000), later);
        // The look that the first one asked for comes after these.
        assert_eq!(tell("workers/w2/heartbeat.json", 1_001), Hints::default());
        assert_eq!(tell("workers/w1/heartbeat.json", 999 + BEATS_MS), Hints::default());
        assert_eq!(tell("workers/w1/report.json", 1_002).intakes, reports);
        assert_eq!(tell("workers/w1/heartbeat.json", 1_000 + BEATS_MS), later);
        assert_eq!(tell("inbox/heartbeat.json", 1_003).intakes, BTreeSet::from(["inbox"]));
    }
}
