//! `workers/*/report.json`: what workers hand back.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::{Intake, Look, Patience, Seen, Verdict};
use crate::domain::plan::Subtask;
use crate::domain::read;
use crate::domain::report::{Report, ReportFinding};
use crate::domain::worker::{Attempt, AttemptPhase, Execution};
use crate::domain::{Input, Moment, Problem, State, handoff};
use crate::store::layout::{self, WorkerFile};
use crate::store::{FileContent, Store, digest};

/// A longer report is refused unread: 16 MiB.
const LENGTH_MAX: u64 = 16 << 20;

/// A file that was changed less long ago may change again without its time showing it.
const TIME_STEP_MS: i64 = 2_000;
/// Attempts that are over are looked at so often at the most: there may be many of them.
const LATE_MS: u64 = 1_000;

/// Looks for reports of workers that no process of ours vouches for.
#[derive(Debug, Default)]
pub struct Reports {
    patience: Patience,
    /// When attempts that are over were looked at last.
    late_at: Option<Moment>,
    /// What they left that need not be read again before it changes.
    read: BTreeMap<String, Version>,
}

/// Inode, length and time of change.
type Version = (u64, u64, i64);

/// Lists the attempts elsewhere that are over, of runs that are not: what they report late still
/// counts, or is refused for all to see. What a worker of ours reports is read when its process
/// ends.
pub fn late(state: &State) -> impl Iterator<Item = (&Attempt, &Subtask)> {
    let subtasks = state.open_runs().flat_map(|run| run.runs.iter().zip(&run.plan.subtasks));
    let attempts = subtasks
        .flat_map(|(run, subtask)| run.attempts.iter().map(move |attempt| (attempt, subtask)));
    attempts.filter(|(attempt, _)| !attempt.is_live() && attempt.execution == Execution::External)
}

/// Reads the report of a worker that has ended; `None` when there is none.
///
/// # Errors
/// The file is there and cannot be a report, or it is about another's work.
pub fn read_report(
    store: &Store,
    workspace: &Path,
    attempt: &Attempt,
    subtask: &Subtask,
) -> Result<Option<ReportFinding>, Problem> {
    let path = handoff::report_path(attempt);
    let content = store.read(&path, LENGTH_MAX).map_err(|error| error.problem())?;
    let found = content.map(|content| finding(workspace, attempt, subtask, &path, &content));
    let Some(finding) = found.transpose()? else { return Ok(None) };
    match speaks_of_another(&finding.report, attempt, subtask) {
        Some((field, named, own)) => Err(Problem {
            file: path,
            field: field.to_owned(),
            message: format!("the report is about {named}, and its worker was at {own}"),
            remedy: "write it where the handoff of that one says".to_owned(),
        }),
        None => Ok(Some(finding)),
    }
}

/// Says which field of a worker's report names another's work, what it names, and what is its own.
fn speaks_of_another<'a>(
    report: &'a Report,
    attempt: &'a Attempt,
    subtask: &'a Subtask,
) -> Option<(&'static str, &'a str, &'a str)> {
    if report.subtask_id != subtask.subtask_id {
        return Some(("subtask_id", report.subtask_id.as_str(), subtask.subtask_id.as_str()));
    }
    let named = report.attempt_id.as_ref().filter(|id| **id != attempt.id)?;
    Some(("attempt_id", named.as_str(), attempt.id.as_str()))
}

/// Lists what a report or its subtask names as delivered and what is not there, beneath the
/// workspace and without following links out of it. Each once, in the order of naming.
pub fn missing_deliverables(
    workspace: &Path,
    report: &Report,
    subtask: Option<&Subtask>,
) -> Vec<String> {
    let declared = subtask.map_or(&[][..], |subtask| &subtask.deliverables);
    let mut named: Vec<&String> = Vec::new();
    for name in report.deliverables.iter().chain(declared) {
        if !named.contains(&name) {
            named.push(name);
        }
    }
    named.into_iter().filter_map(|name| missing(workspace, name)).collect()
}

impl Intake for Reports {
    fn name(&self) -> &'static str {
        "reports"
    }

    fn watches(&self) -> &'static [&'static str] {
        &["workers/*"]
    }

    fn look(&mut self, look: &Look<'_>) -> Seen {
        let mut seen = Seen::default();
        for id in look.state.live_attempts() {
            let Some((run, position, attempt)) = look.state.attempt(id) else { continue };
            // What an attempt delivers that is called back may still count.
            let may_report = match attempt.phase {
                AttemptPhase::Issued
                | AttemptPhase::Published { .. }
                | AttemptPhase::Taken { .. }
                | AttemptPhase::Running { .. }
                | AttemptPhase::Ending { .. } => true,
                AttemptPhase::Ended { .. } => false,
            };
            if may_report && attempt.execution == Execution::External {
                self.look_at(look, &mut seen, attempt, &run.plan.subtasks[position]);
            }
        }
        self.look_at_late(look, &mut seen);
        // Without a byte to read it is only asked whether it is there.
        let is_gone = |path: &str| matches!(look.store.read(path, 0), Ok(None));
        seen.restore_gone(look, layout::WORKERS, is_gone);
        seen
    }
}

impl Reports {
    /// Looks for reports of attempts that are over.
    fn look_at_late(&mut self, look: &Look<'_>, seen: &mut Seen) {
        let mut late = late(look.state).peekable();
        if late.peek().is_none() {
            self.read.clear();
            return;
        }
        let rested_ms = self.late_at.map_or(LATE_MS, |at| look.now.elapsed_ms(&at));
        if rested_ms < LATE_MS {
            return seen.again_in(LATE_MS - rested_ms);
        }
        self.late_at = Some(look.now);
        let mut read = BTreeMap::new();
        for (attempt, subtask) in late {
            let Some(version) = version(look.store, attempt) else { continue };
            let path = handoff::report_path(attempt);
            if self.read.get(&path) != Some(&version) {
                let before = (seen.inputs.len(), seen.look_again_ms);
                self.look_at(look, seen, attempt, subtask);
                let is_news = before != (seen.inputs.len(), seen.look_again_ms);
                let age_ms = look.now.wall.as_ms().saturating_sub(version.2);
                if is_news || age_ms < TIME_STEP_MS {
                    continue;
                }
            }
            read.insert(path, version);
        }
        self.read = read;
    }

    fn look_at(&mut self, look: &Look<'_>, seen: &mut Seen, attempt: &Attempt, subtask: &Subtask) {
        let path = handoff::report_path(attempt);
        let content = match look.store.read(&path, LENGTH_MAX) {
            Ok(Some(content)) => content,
            Ok(None) => {
                self.patience.forget(&path);
                return;
            }
            Err(error) => {
                seen.refuse(look, error.problem(), error.word(), None);
                return;
            }
        };
        let mark = digest(&content.bytes);
        if look.state.report_was_told(&path, &mark) {
            return;
        }
        match finding(look.workspace, attempt, subtask, &path, &content) {
            Ok(finding) => {
                self.patience.forget(&path);
                seen.restore(look, &path);
                seen.inputs.push(Input::ReportObserved { claim: None, finding });
            }
            Err(problem) => {
                match self.patience.judge(&path, &mark, content.modified_ms, look.now) {
                    Verdict::Wait(ms) => seen.again_in(ms),
                    Verdict::Damaged => seen.refuse(look, problem, &mark, Some(&content.bytes)),
                }
            }
        }
    }
}

fn version(store: &Store, attempt: &Attempt) -> Option<Version> {
    let folder = store.folder(&layout::worker(&attempt.worker_id))?;
    let entry = folder.entry(WorkerFile::Report.name())?;
    Some((entry.inode, entry.len, entry.modified_ms))
}

fn finding(
    workspace: &Path,
    attempt: &Attempt,
    subtask: &Subtask,
    path: &str,
    content: &FileContent,
) -> Result<ReportFinding, Problem> {
    let value = read::parse_json(&content.bytes, path)?;
    let report = read::report_of(&value, path, &subtask.subtask_id, &attempt.id)?;
    // What is undone leaves nothing behind.
    let declared = attempt.purpose.is_work().then_some(subtask);
    let missing = missing_deliverables(workspace, &report, declared);
    Ok(ReportFinding { report, path: path.to_owned(), digest: digest(&content.bytes), missing })
}

/// Returns how a deliverable that is not there is named, `None` for one that is.
fn missing(workspace: &Path, name: &str) -> Option<String> {
    let outside = || Some(format!("{name} (outside the workspace)"));
    let path = Path::new(name);
    let leaves = path.is_absolute() || path.components().any(|part| part.as_os_str() == "..");
    if leaves {
        return outside();
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let opened = rustix::fs::open(workspace, flags | OFlags::DIRECTORY, Mode::empty()).and_then(
        |workspace| {
            let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
            rustix::fs::openat2(workspace, path, flags, Mode::empty(), within)
        },
    );
    match opened {
        Ok(_) => None,
        Err(rustix::io::Errno::XDEV) => outside(),
        Err(_) => Some(name.to_owned()),
    }
}

#[cfg(test)]
mod tests;
