//! One look at workers: what can be seen of each from outside, without asking it. What that adds
//! up to is for the rules of [`crate::domain::watch`] to say.
//!
//! A look is made beside the loop, from a copy of what there is to look at. It opens no file that
//! has not changed since the last one, and what is missing or cannot be read is no sign and no
//! error.

mod files;
mod heartbeat;
mod processes;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::effects::Means;
use super::folder::{self, Marker};
use super::monitor::Worker;
use crate::clock;
use crate::domain::evidence::Watched;
use crate::domain::ids::{AttemptId, WorkerId};
use crate::domain::read;
use crate::domain::spec::{SpecSeen, SpecWorker};
use crate::domain::watch::{HeartbeatMark, Probe, attempt_of, watched};
use crate::domain::worker::{AttemptPhase, Execution, ProcessIdentity};
use crate::domain::{Moment, Policy, State, handoff};
use crate::intake;
use crate::intake::worker_specs::AGENT_FOLDERS;
use crate::store::Store;
use crate::store::layout::{self, WorkerFile};
use files::{Names, Version, Workspace};
use processes::{Carrier, Processes};

/// No more of a heartbeat or of a spec is read.
const HEARTBEAT_BYTES_MAX: u64 = 1 << 20;
/// No more of a report is read that no attempt of ours asked for.
const REPORT_BYTES_MAX: u64 = 16 << 20;

/// A worker to look at, with all that a look needs to know of it.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    watched: Watched,
    /// Its folder, and those of specs that say that they carry out the same.
    folders: Vec<WorkerId>,
    /// Those specs, by the names of their files.
    specs: Vec<String>,
    carriers: Vec<ProcessIdentity>,
    /// Specs of which nobody knows for certain which process they mean.
    unpinned: Vec<SpecSeen>,
    is_launched: bool,
    /// How much memory it may hold; 0: any.
    memory_bytes_max: u64,
    /// The files that its subtask names.
    files: Vec<String>,
    report: ReportOf,
}

/// Whose report is waited for.
#[derive(Debug, Clone)]
enum ReportOf {
    /// That of an attempt.
    Attempt {
        worker: Box<Worker>,
        /// The digest of one that was read and refused.
        refused: Option<String>,
    },
    /// That of a worker who works at nothing of ours.
    Stranger(WorkerId),
}

/// What is kept from one look to the next, so that no file is read twice that did not change.
#[derive(Debug, Default)]
pub(super) struct Memory {
    names: Names,
    heartbeats: BTreeMap<String, (Version, HeartbeatMark)>,
    reports: BTreeMap<String, (Version, bool)>,
    keepers: BTreeMap<AttemptId, Option<ProcessIdentity>>,
}

/// What a look saw.
#[derive(Debug)]
pub(super) struct Look {
    /// When it began.
    pub(super) at: Moment,
    /// How long it took.
    pub(super) took_ms: u64,
    /// Of each worker.
    pub(super) probes: Vec<Probe>,
    /// For the next one.
    pub(super) memory: Memory,
}

/// Copies what has to be known of these workers.
pub(super) fn subjects(state: &State, policy: &Policy) -> Vec<Subject> {
    let links = links(state);
    watched(state, policy)
        .filter_map(|watched| Subject::of(state, policy, &links, watched))
        .collect()
}

/// Looks at workers. It may take long where a disk does.
///
/// # Errors
/// The processes of the host cannot be looked at; what is kept from one look to the next comes back
/// with the reason.
pub(super) fn look(
    means: &Means,
    subjects: &[Subject],
    memory: Memory,
) -> Result<Look, (Memory, io::Error)> {
    let at = clock::now();
    let mut eyes = Eyes::new(means, subjects, memory, at);
    let carriers: Vec<Vec<Carrier>> = subjects.iter().map(|one| eyes.carriers(one)).collect();
    let processes = match processes::look_at(&carriers) {
        Ok(processes) => processes,
        Err(error) => return Err((eyes.memory, error)),
    };
    let pairs = subjects.iter().zip(processes);
    let probes = pairs
        .map(|(subject, found)| {
            let pinned = Some(found).filter(|_| !subject.carriers.is_empty());
            eyes.probe(subject, Processes::of_unpinned(&subject.unpinned, pinned))
        })
        .collect();
    eyes.forget_others(subjects);
    let took_ms = clock::now().since_ms(&at).unwrap_or(0);
    Ok(Look { at, took_ms, probes, memory: eyes.memory })
}

/// The specs of masters that say which attempt they carry out.
type Links<'a> = BTreeMap<&'a AttemptId, Vec<&'a SpecWorker>>;

fn links(state: &State) -> Links<'_> {
    let mut links = Links::new();
    for worker in state.specs.values().filter(|worker| worker.settled.is_none()) {
        if let Some(attempt) = attempt_of(state, worker) {
            links.entry(&attempt.id).or_default().push(worker);
        }
    }
    links
}

impl Subject {
    fn of(state: &State, policy: &Policy, links: &Links<'_>, watched: &Watched) -> Option<Self> {
        match watched {
            Watched::Attempt(id) => {
                let worker = Worker::of(state, id)?;
                let path = handoff::report_path(&worker.attempt);
                let limits =
                    policy.supervision_of(&worker.attempt.agent, &worker.subtask.worker_type);
                let mut subject = Self {
                    folders: vec![worker.attempt.worker_id.clone()],
                    specs: Vec::new(),
                    carriers: Vec::new(),
                    unpinned: Vec::new(),
                    is_launched: worker.attempt.execution != Execution::External,
                    memory_bytes_max: limits.memory_bytes_max,
                    files: worker.subtask.files_affected.clone(),
                    watched: watched.clone(),
                    report: ReportOf::Stranger(worker.attempt.worker_id.clone()),
                };
                if subject.is_launched {
                    subject.carriers.extend(identity(&worker.attempt.phase).cloned());
                } else {
                    links.get(id).into_iter().flatten().for_each(|spec| subject.add(spec));
                }
                let refused = state.reports_seen.get(&path).cloned();
                subject.report = ReportOf::Attempt { worker: Box::new(worker), refused };
                Some(subject)
            }
            Watched::Spec(id) => {
                let worker = state.specs.get(id)?;
                let mut subject = Self {
                    folders: Vec::new(),
                    specs: Vec::new(),
                    carriers: Vec::new(),
                    unpinned: Vec::new(),
                    is_launched: false,
                    memory_bytes_max: worker.spec.supervision(policy).memory_bytes_max,
                    files: Vec::new(),
                    report: ReportOf::Stranger(id.clone()),
                    watched: watched.clone(),
                };
                subject.add(worker);
                Some(subject)
            }
        }
    }

    /// Adds what the spec of a master says of the same work.
    fn add(&mut self, worker: &SpecWorker) {
        let spec = &worker.spec;
        if !self.folders.contains(&spec.worker_id) {
            self.folders.push(spec.worker_id.clone());
        }
        if let Some(name) = spec_name(&spec.path) {
            self.specs.push(name.to_owned());
        }
        match &spec.identity {
            Some(identity) => self.carriers.push(identity.clone()),
            None => self.unpinned.push(spec.clone()),
        }
    }
}

fn identity(phase: &AttemptPhase) -> Option<&ProcessIdentity> {
    match phase {
        AttemptPhase::Running { identity, .. } => Some(identity),
        AttemptPhase::Ending { identity, .. } => identity.as_ref(),
        AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Taken { .. }
        | AttemptPhase::Ended { .. } => None,
    }
}

/// Returns the name of a spec in the folder of living workers.
fn spec_name(path: &str) -> Option<&str> {
    path.strip_prefix(layout::SPECS_ACTIVE)?.strip_prefix('/')
}

/// What a look is made with.
struct Eyes<'a> {
    at: Moment,
    means: &'a Means,
    workspace: Workspace,
    /// Where real masters keep the folders of their workers, if they do.
    agents: Option<Store>,
    /// The versions of the specs that are asked for.
    specs: BTreeMap<String, Version>,
    memory: Memory,
}

impl<'a> Eyes<'a> {
    fn new(means: &'a Means, subjects: &[Subject], memory: Memory, at: Moment) -> Self {
        let wanted: BTreeSet<&str> =
            subjects.iter().flat_map(|subject| &subject.specs).map(String::as_str).collect();
        let workspace = Workspace::open(&means.config.workspace);
        let folder =
            if wanted.is_empty() { None } else { means.store.folder(layout::SPECS_ACTIVE) };
        let entry = |name: &&str| folder.as_ref()?.entry(name);
        let specs = wanted.iter().filter_map(entry);
        let specs = specs.map(|entry| (entry.name.clone(), files::version(&entry))).collect();
        let is_there = |root: &Path| root.join(AGENT_FOLDERS).is_dir();
        let root =
            Some(&means.config.workspace).filter(|root| !wanted.is_empty() && is_there(root));
        let agents = root.and_then(|root| Store::open(root).ok());
        Self { at, means, workspace, agents, specs, memory }
    }

    fn store(&self) -> &'a Store {
        &self.means.store
    }

    fn carriers(&mut self, subject: &Subject) -> Vec<Carrier> {
        let keeper = match &subject.watched {
            Watched::Attempt(id) if subject.is_launched && !subject.carriers.is_empty() => {
                self.keeper(id, &subject.folders)
            }
            Watched::Attempt(_) | Watched::Spec(_) => None,
        };
        let carrier = |identity: &ProcessIdentity| Carrier {
            identity: identity.clone(),
            keeper: keeper.clone(),
            memory_bytes_max: subject.memory_bytes_max,
        };
        subject.carriers.iter().map(carrier).collect()
    }

    /// Returns who keeps a worker of ours; that never changes.
    fn keeper(&mut self, id: &AttemptId, folders: &[WorkerId]) -> Option<ProcessIdentity> {
        if let Some(keeper) = self.memory.keepers.get(id) {
            return keeper.clone();
        }
        let marker = folder::marker(self.store(), folders.first()?);
        let Ok(Marker::Begun(begun)) = marker else { return None };
        self.memory.keepers.insert(id.clone(), begun.keeper.clone());
        begun.keeper
    }

    fn probe(&mut self, subject: &Subject, processes: Processes) -> Probe {
        let (mut folders, mut beats) = (Vec::new(), Vec::new());
        let theirs = self.agents.clone().filter(|_| !subject.is_launched);
        let places =
            [Some((self.store().clone(), layout::WORKERS)), theirs.map(|s| (s, AGENT_FOLDERS))];
        for (store, place) in places.into_iter().flatten() {
            for id in &subject.folders {
                let folder = format!("{place}/{id}");
                let seen = self.memory.names.look_into(&store, &folder, self.at.wall);
                let path = format!("{folder}/{}", WorkerFile::Heartbeat.name());
                let version = seen.heartbeat;
                beats.extend(version.and_then(|version| self.heartbeat(&store, path, version)));
                folders.push(seen);
            }
        }
        for name in &subject.specs {
            let Some(version) = self.specs.get(name).copied() else { continue };
            let path = format!("{}/{name}", layout::SPECS_ACTIVE);
            beats.extend(self.heartbeat(self.store(), path, version));
        }
        let report = folders.first().and_then(|folder| folder.report);
        let report = report.is_some_and(|version| self.has_report(&subject.report, version));
        Probe {
            worker: subject.watched.clone(),
            process: processes.state,
            cpu_ms: processes.cpu_ms,
            memory_bytes: processes.memory_bytes,
            processes: processes.count,
            output: files::output(&folders),
            heartbeat: heartbeat::unite(beats),
            files: files::work(&self.workspace, &subject.files, &folders),
            report,
        }
    }

    fn heartbeat(
        &mut self,
        store: &Store,
        path: String,
        version: Version,
    ) -> Option<HeartbeatMark> {
        let known = self.memory.heartbeats.get(&path);
        if let Some((seen, mark)) = known
            && *seen == version
        {
            return Some(mark.clone());
        }
        let before = known.map(|(_, mark)| mark);
        let mark = match store.read(&path, HEARTBEAT_BYTES_MAX) {
            Ok(Some(content)) => heartbeat::mark(&content.bytes, before),
            Ok(None) => return None,
            // That somebody changes it is seen all the same.
            Err(_) => heartbeat::mark(format!("{version:?}").as_bytes(), before),
        };
        self.memory.heartbeats.insert(path, (version, mark.clone()));
        Some(mark)
    }

    fn has_report(&mut self, whose: &ReportOf, version: Version) -> bool {
        let path = match whose {
            ReportOf::Attempt { worker, .. } => handoff::report_path(&worker.attempt),
            ReportOf::Stranger(id) => layout::worker_file(id, WorkerFile::Report),
        };
        let known = self.memory.reports.get(&path);
        // What was refused becomes known only after it was seen.
        let may_be_refused = matches!(whose, ReportOf::Attempt { refused: Some(_), .. });
        if let Some((seen, is_there)) = known
            && *seen == version
            && !may_be_refused
        {
            return *is_there;
        }
        let is_there = is_report(self.means, whose, &path);
        self.memory.reports.insert(path, (version, is_there));
        is_there
    }

    /// Forgets what nobody asks for any more.
    fn forget_others(&mut self, subjects: &[Subject]) {
        let folders: BTreeSet<&str> =
            subjects.iter().flat_map(|subject| &subject.folders).map(WorkerId::as_str).collect();
        let specs: BTreeSet<&str> =
            subjects.iter().flat_map(|subject| &subject.specs).map(String::as_str).collect();
        let is_asked_for = |path: &str| match spec_name(path) {
            Some(name) => specs.contains(name),
            None => path.rsplit('/').nth(1).is_some_and(|id| folders.contains(id)),
        };
        self.memory.heartbeats.retain(|path, _| is_asked_for(path));
        self.memory
            .names
            .retain(|folder| folder.rsplit('/').next().is_some_and(|id| folders.contains(id)));
        self.memory.reports.retain(|path, _| is_asked_for(path));
        let attempts: BTreeSet<&AttemptId> = subjects
            .iter()
            .filter_map(|subject| match &subject.watched {
                Watched::Attempt(id) => Some(id),
                Watched::Spec(_) => None,
            })
            .collect();
        self.memory.keepers.retain(|id, _| attempts.contains(id));
    }
}

/// Tells whether a report is there that can be read and was not refused.
fn is_report(means: &Means, whose: &ReportOf, path: &str) -> bool {
    match whose {
        ReportOf::Attempt { worker, refused } => {
            let (store, workspace) = (&means.store, &means.config.workspace);
            let found =
                intake::reports::read_report(store, workspace, &worker.attempt, &worker.subtask);
            let is_refused = |found: &str| refused.as_deref() == Some(found);
            found.ok().flatten().is_some_and(|finding| !is_refused(&finding.digest))
        }
        ReportOf::Stranger(_) => {
            let content = means.store.read(path, REPORT_BYTES_MAX).ok().flatten();
            let report = content.and_then(|content| read::parse_json(&content.bytes, path).ok());
            report.is_some_and(|report| report.get("status").is_some())
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write what masters and workers do")]
mod tests;
