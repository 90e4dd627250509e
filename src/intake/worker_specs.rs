//! `worker-specs/active/`: workers that masters started themselves, and what of their specs cannot
//! be read.
//!
//! Told is only what changes rarely: who the worker is, its process, and that it is over.
//! Heartbeats change all the time; whoever watches the workers looks at those.

use std::collections::{BTreeMap, BTreeSet};

use super::{Intake, Look, Patience, Seen, Verdict};
use crate::domain::ids::WorkerId;
use crate::domain::read::{self, SpecFile};
use crate::domain::{Input, Moment, Problem};
use crate::store::{Entry, EntryKind, ReadError, Store, digest, layout};

mod left;

pub use left::AGENT_FOLDERS;
use left::{Kept, Left};

/// A longer spec is refused unread: 16 MiB.
const LENGTH_MAX: u64 = 16 << 20;
/// A file that was changed less long ago may change again without its time showing it.
const TIME_STEP_MS: i64 = 2_000;
/// A rename may be seen half-way by a listing: gone is what is gone this long.
const GONE_MS: u64 = 1_000;
/// Endings of files that lie beside specs and are none, though they name a worker.
const BESIDE: [&str; 3] = ["heartbeat", "report", "status"];

/// Looks at the specs of live workers.
#[derive(Debug, Default)]
pub struct WorkerSpecs {
    patience: Patience,
    /// Files that need no reading until they change.
    files: BTreeMap<String, File>,
    /// What lies in workers' folders.
    kept: Kept,
    /// Followed workers whose spec is gone, and since when.
    gone: BTreeMap<WorkerId, Moment>,
    /// Where real workers have their folders, once it could be opened.
    workspace: Option<Store>,
}

/// A file as it was when it was read.
#[derive(Debug)]
struct File {
    /// Inode, length and time of change.
    mark: (u64, u64, i64),
    /// Whether it is to be read again though nothing shows that it changed.
    is_young: bool,
    /// Which content it is.
    digest: String,
    /// What it says; `None` when it cannot be used.
    spec: Option<SpecFile>,
}

impl Intake for WorkerSpecs {
    fn name(&self) -> &'static str {
        "worker_specs"
    }

    fn watches(&self) -> &'static [&'static str] {
        &[layout::SPECS_ACTIVE, "workers/*"]
    }

    fn look(&mut self, look: &Look<'_>) -> Seen {
        let mut seen = Seen::default();
        let entries = match look.store.list(layout::SPECS_ACTIVE) {
            Ok(entries) => entries,
            Err(error) => {
                seen.refuse_directory(look, layout::SPECS_ACTIVE, &error);
                return seen;
            }
        };
        seen.restore(look, layout::SPECS_ACTIVE);
        let is_spec = |entry: &&Entry| {
            let name = &entry.name;
            name.ends_with(".json") && !name.starts_with('.')
        };
        let specs: BTreeMap<String, &Entry> = entries
            .iter()
            .filter(is_spec)
            .map(|entry| (format!("{}/{}", layout::SPECS_ACTIVE, entry.name), entry))
            .filter(|(path, _)| !look.state.launched(stem(path)))
            .collect();
        seen.restore_gone(look, layout::SPECS_ACTIVE, |path| !specs.contains_key(path));
        self.patience
            .retain(|path| specs.contains_key(path) || !path.starts_with(layout::SPECS_ACTIVE));
        self.files.retain(|path, _| specs.contains_key(path));
        for (path, entry) in &specs {
            self.look_at(look, &mut seen, path, entry);
        }
        let workers = self.sort_out(look, &mut seen);
        let followed: BTreeSet<&str> = workers.keys().map(WorkerId::as_str).collect();
        self.kept.retain(|id| followed.contains(id));
        for (worker_id, path) in &workers {
            self.follow(look, &mut seen, worker_id, path);
        }
        self.miss(look, &mut seen, &workers);
        seen
    }
}

impl WorkerSpecs {
    /// Reads a file, unless it is as it was.
    fn look_at(&mut self, look: &Look<'_>, seen: &mut Seen, path: &str, entry: &Entry) {
        let mark = (entry.inode, entry.len, entry.modified_ms);
        if self.files.get(path).is_some_and(|file| file.mark == mark && !file.is_young) {
            return;
        }
        let before = (seen.inputs.len(), seen.look_again_ms);
        let Some((digest, spec)) = self.read(look, seen, path, entry) else {
            self.files.remove(path);
            return;
        };
        let is_told = before == (seen.inputs.len(), seen.look_again_ms);
        let age_ms = look.now.wall.as_ms() - entry.modified_ms;
        let is_young = !is_told || age_ms < TIME_STEP_MS;
        self.files.insert(path.to_owned(), File { mark, is_young, digest, spec });
    }

    /// Returns which content a file has and what it says; `None` when it is gone.
    fn read(
        &mut self,
        look: &Look<'_>,
        seen: &mut Seen,
        path: &str,
        entry: &Entry,
    ) -> Option<(String, Option<SpecFile>)> {
        // A pipe or a socket is not opened at all.
        let read = match entry.kind {
            EntryKind::File => look.store.read(path, LENGTH_MAX),
            EntryKind::Symlink => Err(ReadError::Symlink { path: path.to_owned() }),
            kind @ (EntryKind::Dir | EntryKind::Fifo | EntryKind::Other) => {
                Err(ReadError::NotAFile { path: path.to_owned(), kind })
            }
        };
        let content = match read {
            Ok(content) => content?,
            Err(error) => {
                seen.refuse(look, error.problem(), error.word(), None);
                return Some((error.word().to_owned(), None));
            }
        };
        let mark = digest(&content.bytes);
        match read_spec(&content.bytes, path) {
            Ok(spec) => {
                self.patience.forget(path);
                Some((mark, Some(spec)))
            }
            Err(problem) => {
                match self.patience.judge(path, &mark, content.modified_ms, look.now) {
                    Verdict::Wait(ms) => seen.again_in(ms),
                    Verdict::Damaged => seen.refuse(look, problem, &mark, Some(&content.bytes)),
                }
                Some((mark, None))
            }
        }
    }

    /// Returns the file that counts for each worker. Of several the one that bears its name counts,
    /// else the one that is followed already, else the first; the others are told of.
    fn sort_out(&self, look: &Look<'_>, seen: &mut Seen) -> BTreeMap<WorkerId, String> {
        let mut workers: BTreeMap<WorkerId, Vec<&String>> = BTreeMap::new();
        for (path, file) in &self.files {
            let Some(SpecFile { spec, .. }) = &file.spec else { continue };
            let (id, stem) = (spec.worker_id.as_str(), stem(path));
            if stem != id && BESIDE.iter().any(|ending| stem.ends_with(ending)) {
                seen.restore(look, path);
            } else if look.state.launched(id) {
                let message = format!("worker {id} is launched by Baton, and this is not its spec");
                refuse_id(look, seen, path, &file.digest, message);
            } else {
                workers.entry(spec.worker_id.clone()).or_default().push(path);
            }
        }
        let mut counts = BTreeMap::new();
        for (id, paths) in workers {
            let followed = look.state.specs.get(&id).map(|known| &known.spec.path);
            let rank = |path: &&&String| (stem(path) != id.as_str(), Some(**path) != followed);
            let Some(first) = paths.iter().min_by_key(rank) else { continue };
            for path in paths.iter().filter(|path| *path != first) {
                let message = format!("worker {id} is followed by {first} already");
                refuse_id(look, seen, path, &self.files[*path].digest, message);
            }
            seen.restore(look, first);
            counts.insert(id, (*first).clone());
        }
        counts
    }

    /// Tells what a spec says, with what lies in its worker's folder, where that is new.
    fn follow(&mut self, look: &Look<'_>, seen: &mut Seen, worker_id: &WorkerId, path: &str) {
        self.gone.remove(worker_id);
        let known = look.state.specs.get(worker_id);
        if known.is_some_and(|known| known.settled.is_some()) {
            return;
        }
        let Some(File { spec: Some(file), mark, .. }) = self.files.get(path) else { return };
        let left = Left { look, file, spec_modified_ms: mark.2 };
        let is_linked = known.is_some_and(|known| known.attempt.is_some());
        let mut spec = file.spec.clone();
        let mut pid_written_ms = mark.2;
        if self.workspace.as_ref().is_none_or(|store| store.root() != look.workspace) {
            self.workspace = Store::open(look.workspace).ok();
        }
        for place in left::places(look.store, self.workspace.as_ref()) {
            if spec.pid.is_none()
                && let Some((pid, written_ms)) = left.pid(&place, known, &mut self.kept)
            {
                (spec.pid, pid_written_ms) = (Some(pid), written_ms);
                spec.is_waiting = false;
            }
        }
        let places = left::places(look.store, self.workspace.as_ref());
        if let Some(said) = left.said(places, seen, (&mut self.patience, &mut self.kept), is_linked)
        {
            (spec.ended, spec.ended_by) = (Some(said.folder), said.by);
        }
        let news = match known {
            Some(known) => spec.clone().keeping_identity_of(&known.spec) != known.spec,
            None => true,
        };
        if news {
            seen.pids_written_ms.insert(worker_id.clone(), pid_written_ms);
            seen.inputs.push(Input::SpecObserved { spec: Box::new(spec) });
        }
    }

    /// Tells of specs that are followed and gone; one whose file cannot be read is still there.
    fn miss(&mut self, look: &Look<'_>, seen: &mut Seen, workers: &BTreeMap<WorkerId, String>) {
        let state = look.state;
        self.gone.retain(|worker_id, _| state.specs.contains_key(worker_id));
        for (worker_id, known) in &state.specs {
            let is_about_another = |file: &File| file.spec.is_some();
            let is_there = match self.files.get(&known.spec.path) {
                Some(file) => !is_about_another(file),
                None => false,
            };
            if known.settled.is_some() || is_there || workers.contains_key(worker_id) {
                continue;
            }
            let since = *self.gone.entry(worker_id.clone()).or_insert(look.now);
            if look.now.is_past(&since, GONE_MS) {
                seen.inputs.push(Input::SpecVanished { worker_id: worker_id.clone() });
            } else {
                seen.again_in(GONE_MS);
            }
        }
    }
}

/// Reads the bytes of a spec.
///
/// # Errors
/// They are no spec.
pub fn read_spec(bytes: &[u8], path: &str) -> Result<SpecFile, Problem> {
    read::spec(&read::parse_json(bytes, path)?, path)
}

fn refuse_id(look: &Look<'_>, seen: &mut Seen, path: &str, digest: &str, message: String) {
    let problem = Problem {
        file: path.to_owned(),
        field: "worker_id".to_owned(),
        message,
        remedy: "give each worker an id of its own".to_owned(),
    };
    seen.refuse(look, problem, digest, None);
}

/// Returns the name of a spec's file without its ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".json").unwrap_or(name)
}

#[cfg(test)]
mod tests;
