//! Turns what others put into `coordination/` into inputs.
//!
//! Each intake looks at one place and compares what is there with the [`State`]: what the state
//! knows already is not told again, so looking is harmless at any time, also after a restart.

use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::document::DocumentKey;
use crate::domain::ids::WorkerId;
use crate::domain::{Input, Moment, Problem, State};
use crate::store::{Store, StoreError};

pub mod handoffs;
pub mod inbox;
pub mod reports;
pub mod task_queue;
pub mod worker_specs;

/// What a look may use.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The directory.
    pub store: &'a Store,
    /// Everything that is known.
    pub state: &'a State,
    /// The root of deliverables.
    pub workspace: &'a Path,
    /// The time of the look.
    pub now: Moment,
}

/// What a look came to.
#[derive(Debug, Default)]
pub struct Seen {
    /// What is new, in the order in which it has to be decided.
    pub inputs: Vec<Input>,
    /// Documents whose file no longer shows what the state says, because another writer put an
    /// older version back or because our change is not there yet: to be rendered again.
    pub stale: Vec<DocumentKey>,
    /// When the number of each observed worker's process was written down, milliseconds since 1970
    /// by the file system's clock: a process that began after it is another one.
    pub pids_written_ms: BTreeMap<WorkerId, i64>,
    /// Set when a writer is busy or more is waiting: look again after so many milliseconds.
    pub look_again_ms: Option<u64>,
}

impl Seen {
    /// Asks for another look after `ms` at the latest.
    fn again_in(&mut self, ms: u64) {
        self.look_again_ms = Some(self.look_again_ms.map_or(ms, |before| before.min(ms)));
    }

    /// Tells that a file cannot be used, once for each `digest`, and keeps a copy of `bytes`.
    fn refuse(&mut self, look: &Look<'_>, problem: Problem, digest: &str, bytes: Option<&[u8]>) {
        let known = look.state.quarantined.get(&problem.file);
        if known.is_some_and(|known| known.digest == digest) {
            return;
        }
        // Without a copy the file itself is still there: a full disk must not hide the problem.
        let copy = bytes.and_then(|bytes| look.store.quarantine(&problem.file, bytes).ok());
        self.inputs.push(Input::FileRefused { digest: digest.to_owned(), problem, copy });
    }

    /// Tells that a directory cannot be listed, once.
    fn refuse_directory(&mut self, look: &Look<'_>, dir: &str, error: &StoreError) {
        let problem = Problem {
            file: dir.to_owned(),
            field: String::new(),
            message: error.to_string(),
            remedy: "make it a directory that the daemon's user may list and write into".to_owned(),
        };
        self.refuse(look, problem, CANNOT_LIST, None);
    }

    /// Tells of files below `dir` that were refused and are not there any more.
    fn restore_gone(&mut self, look: &Look<'_>, dir: &str, is_gone: impl Fn(&str) -> bool) {
        let below = format!("{dir}/");
        let refused = look.state.quarantined.range(below.clone()..).map(|(path, _)| path);
        for path in refused.take_while(|path| path.starts_with(&below)) {
            if is_gone(path) {
                self.inputs.push(Input::FileRestored { path: path.clone() });
            }
        }
    }

    /// Tells that a file can be used again, if it was refused.
    fn restore(&mut self, look: &Look<'_>, path: &str) {
        if look.state.quarantined.contains_key(path) {
            self.inputs.push(Input::FileRestored { path: path.to_owned() });
        }
    }
}

/// One place that others write to.
pub trait Intake: Send {
    /// Returns its name, for the log.
    fn name(&self) -> &'static str;

    /// Returns the directories whose changes are a reason to look, relative to `coordination/`
    /// (empty for itself), not recursive; `*` stands for every subdirectory.
    fn watches(&self) -> &'static [&'static str];

    /// Looks. Never waits for a writer: it asks to be called again instead.
    fn look(&mut self, look: &Look<'_>) -> Seen;
}

/// Every intake, in the order in which they look.
pub fn roster() -> Vec<Box<dyn Intake>> {
    vec![
        Box::new(task_queue::TaskQueue::default()),
        // Before reports: a worker is linked to an attempt only while that is under way.
        Box::new(worker_specs::WorkerSpecs::default()),
        Box::new(inbox::Inbox::default()),
        Box::new(handoffs::Handoffs::default()),
        Box::new(reports::Reports::default()),
    ]
}

/// What stands where the digest of a directory that cannot be listed would.
const CANNOT_LIST: &str = "cannot-list";
/// So long the bytes of a file that cannot be read must stay the same before that is said.
const STABLE_MS: u64 = 2_000;
const FIRST_DELAY_MS: u64 = 50;
const DELAY_MS_MAX: u64 = 1_000;

/// What is known of files that could not be read, by path.
#[derive(Debug, Default)]
struct Patience {
    waiting: BTreeMap<String, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// Which bytes.
    mark: String,
    since: Moment,
    delay_ms: u64,
}

/// What to do about a file that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Its writer may be busy: look again after so many milliseconds.
    Wait(u64),
    /// It has been so for long enough.
    Damaged,
}

impl Patience {
    /// Notes that the file cannot be read as it is now; `mark` tells one content from another.
    fn judge(&mut self, path: &str, mark: &str, modified_ms: i64, now: Moment) -> Verdict {
        self.judge_after(STABLE_MS, path, mark, modified_ms, now)
    }

    /// As [`Patience::judge`], with another time for which the bytes must stay the same.
    fn judge_after(
        &mut self,
        stable_ms: u64,
        path: &str,
        mark: &str,
        modified_ms: i64,
        now: Moment,
    ) -> Verdict {
        // One that was left alone for long needs no further watching.
        let age_ms = now.wall.as_ms().saturating_sub(modified_ms);
        let is_old = u64::try_from(age_ms).is_ok_and(|age_ms| age_ms >= stable_ms);
        match self.waiting.get_mut(path) {
            Some(waiting) if waiting.mark == mark => {
                if is_old || now.is_past(&waiting.since, stable_ms) {
                    return Verdict::Damaged;
                }
                let delay_ms = waiting.delay_ms;
                waiting.delay_ms = (delay_ms * 2).min(DELAY_MS_MAX);
                Verdict::Wait(delay_ms)
            }
            Some(_) | None if is_old => Verdict::Damaged,
            Some(_) | None => {
                let delay_ms = FIRST_DELAY_MS * 2;
                let waiting = Waiting { mark: mark.to_owned(), since: now, delay_ms };
                self.waiting.insert(path.to_owned(), waiting);
                Verdict::Wait(FIRST_DELAY_MS)
            }
        }
    }

    /// Notes that the file is fine, or gone.
    fn forget(&mut self, path: &str) {
        self.waiting.remove(path);
    }

    /// Keeps only what is waited for among these files.
    fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.waiting.retain(|path, _| is_there(path));
    }
}

#[cfg(test)]
mod tests;
