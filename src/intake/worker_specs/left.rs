//! What workers and their launchers leave in a worker's folder.

use std::collections::BTreeMap;

use super::super::{Look, Patience, Seen, Verdict};
use crate::domain::Moment;
use crate::domain::ids::WorkerId;
use crate::domain::read::{self, Said, SpecFile, Statement};
use crate::domain::spec::SpecWorker;
use crate::store::layout::{self, WorkerFile};
use crate::store::{FileContent, ReadError, Store, digest};

/// Where real masters keep the folders of their workers, below the workspace.
pub const AGENT_FOLDERS: &str = "agents/workers";

/// A longer file is not read: 16 MiB.
const LENGTH_MAX: u64 = 16 << 20;
/// File systems round times.
const TIME_STEP_MS: i64 = 2_000;
/// A time that somebody wrote may be that of another zone.
const ZONES_MS: i64 = 15 * 3_600_000;
const PID_FILE: &str = "worker.pid";
const STATUS_FILE: &str = "status.json";

/// Files up to this length are kept as they were read.
const KEPT_BYTES_MAX: usize = 16 << 10;

/// Small files that need no reading until they change, by path.
#[derive(Debug, Default)]
pub(super) struct Kept {
    files: BTreeMap<String, (Version, FileContent)>,
}

/// Inode, length and time of change.
type Version = (u64, u64, i64);

impl Kept {
    /// Reads a file of a worker's folder, unless it is as it was.
    fn read(&mut self, file: &Where<'_>, now: Moment) -> Result<Option<FileContent>, ReadError> {
        let path = file.path();
        let Some(folder) = file.place.store.folder(&file.folder()) else {
            return file.place.store.read(&path, LENGTH_MAX);
        };
        let Some(entry) = folder.entry(file.name) else {
            self.files.remove(&path);
            return Ok(None);
        };
        let version = (entry.inode, entry.len, entry.modified_ms);
        if let Some((known, content)) = self.files.get(&path)
            && *known == version
        {
            return Ok(Some(content.clone()));
        }
        let read = file.place.store.read(&path, LENGTH_MAX)?;
        let is_old = now.wall.as_ms().saturating_sub(entry.modified_ms) >= TIME_STEP_MS;
        match &read {
            Some(content) if is_old && content.bytes.len() <= KEPT_BYTES_MAX => {
                self.files.insert(path, (version, content.clone()));
            }
            Some(_) | None => {
                self.files.remove(&path);
            }
        }
        Ok(read)
    }

    /// Counts the files that need no reading.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.files.len()
    }

    /// Keeps only what lies in folders of these workers.
    pub(super) fn retain(&mut self, is_followed: impl Fn(&str) -> bool) {
        self.files.retain(|path, _| path.rsplit('/').nth(1).is_some_and(&is_followed));
    }
}

/// One file of a worker's folder.
struct Where<'a> {
    place: &'a Place<'a>,
    worker_id: &'a WorkerId,
    name: &'a str,
}

impl Where<'_> {
    fn folder(&self) -> String {
        format!("{}/{}", self.place.directory, self.worker_id)
    }

    fn path(&self) -> String {
        format!("{}/{}", self.folder(), self.name)
    }
}

/// A directory with a folder for each worker.
pub(super) struct Place<'a> {
    store: &'a Store,
    directory: &'static str,
    /// Whether reports lie there by the contract, so that a broken one is told of.
    is_ours: bool,
}

/// The folders of one worker, as far as they can be about the life that its spec is about: ids are
/// used again, and folders stay.
pub(super) struct Left<'a> {
    pub(super) look: &'a Look<'a>,
    pub(super) file: &'a SpecFile,
    pub(super) spec_modified_ms: i64,
}

/// Returns where folders of workers are looked for.
pub(super) fn places<'a>(
    store: &'a Store,
    workspace: Option<&'a Store>,
) -> impl Iterator<Item = Place<'a>> {
    let ours = Place { store, directory: layout::WORKERS, is_ours: true };
    let theirs = |store| Place { store, directory: AGENT_FOLDERS, is_ours: false };
    std::iter::once(ours).chain(workspace.map(theirs))
}

impl Left<'_> {
    /// Returns the number in a `worker.pid` and when it was written. One that was taken before
    /// stays, however often the spec is written again.
    pub(super) fn pid(
        &self,
        place: &Place<'_>,
        known: Option<&SpecWorker>,
        kept: &mut Kept,
    ) -> Option<(u32, i64)> {
        let content = kept.read(&self.file_in(place, PID_FILE), self.look.now).ok()??;
        let pid = read::pid_file(std::str::from_utf8(&content.bytes).ok()?)?;
        let is_known = known.is_some_and(|known| known.spec.pid == Some(pid));
        let is_its = is_known || self.is_young_enough(content.modified_ms);
        is_its.then_some((pid, content.modified_ms))
    }

    /// Says how the worker ended: its report first, then what is best of all that is said. The
    /// report of one that carries out an attempt of ours is read as that.
    pub(super) fn said<'p>(
        &self,
        places: impl Iterator<Item = Place<'p>>,
        seen: &mut Seen,
        (patience, kept): (&mut Patience, &mut Kept),
        is_linked: bool,
    ) -> Option<Said> {
        let mut all = self.file.said.clone();
        for place in places.filter(|place| place.has(self.worker_id())) {
            if !is_linked && let Some(said) = self.report(&place, seen, (patience, kept)) {
                return Some(said);
            }
            for name in [WorkerFile::Heartbeat.name(), STATUS_FILE] {
                all.extend(self.statement(&place, name, kept).and_then(|found| found.said));
            }
        }
        read::verdict(all)
    }

    fn report(
        &self,
        place: &Place<'_>,
        seen: &mut Seen,
        (patience, kept): (&mut Patience, &mut Kept),
    ) -> Option<Said> {
        let file = self.file_in(place, WorkerFile::Report.name());
        let path = file.path();
        let content = match kept.read(&file, self.look.now) {
            Ok(content) => content?,
            Err(error) if place.is_ours => {
                seen.refuse(self.look, error.problem(), error.word(), None);
                return None;
            }
            Err(_) => return None,
        };
        if !self.is_young_enough(content.modified_ms) {
            return None;
        }
        match self.read(&content, &path) {
            Ok(found) => {
                patience.forget(&path);
                if place.is_ours {
                    seen.restore(self.look, &path);
                }
                found?.said
            }
            Err(problem) if place.is_ours => {
                let mark = digest(&content.bytes);
                match patience.judge(&path, &mark, content.modified_ms, self.look.now) {
                    Verdict::Wait(ms) => seen.again_in(ms),
                    Verdict::Damaged => {
                        seen.refuse(self.look, problem, &mark, Some(&content.bytes));
                    }
                }
                None
            }
            Err(_) => None,
        }
    }

    fn statement(&self, place: &Place<'_>, name: &str, kept: &mut Kept) -> Option<Statement> {
        let file = self.file_in(place, name);
        let path = file.path();
        let content = kept.read(&file, self.look.now).ok()??;
        if !self.is_young_enough(content.modified_ms) {
            return None;
        }
        // Broken ones say nothing: they are no result, and signs of life are looked at elsewhere.
        self.read(&content, &path).ok()?
    }

    fn read(
        &self,
        content: &FileContent,
        path: &str,
    ) -> Result<Option<Statement>, crate::domain::Problem> {
        let found = read::statement(&read::parse_json(&content.bytes, path)?, path);
        let is_of_this_life = match (found.claimed_at, self.file.created_at) {
            (Some(claimed), Some(created)) => claimed.as_ms() + ZONES_MS >= created.as_ms(),
            (_, None) | (None, _) => true,
        };
        Ok(Some(found).filter(|found| is_of_this_life && found.is_about(&self.file.spec)))
    }

    /// Tells whether a file is not older than the spec: neither than its last change nor than the
    /// time at which it says that it was made.
    fn is_young_enough(&self, modified_ms: i64) -> bool {
        let created_ms = self.file.created_at.map_or(i64::MAX, |at| at.as_ms());
        modified_ms + TIME_STEP_MS >= self.spec_modified_ms.min(created_ms)
    }

    fn file_in<'a>(&'a self, place: &'a Place<'a>, name: &'a str) -> Where<'a> {
        Where { place, worker_id: self.worker_id(), name }
    }

    fn worker_id(&self) -> &WorkerId {
        &self.file.spec.worker_id
    }
}

impl Place<'_> {
    fn has(&self, worker_id: &WorkerId) -> bool {
        self.store.exists(&format!("{}/{worker_id}", self.directory))
    }
}
