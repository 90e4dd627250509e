//! Turns what others put into `coordination/` into inputs.
//!
//! Each intake looks at one place and compares what is there with the [`State`]: what the state
//! knows already is not told again, so looking is harmless at any time, also after a restart.

use std::path::Path;

use crate::domain::document::DocumentKey;
use crate::domain::{Input, Moment, Problem, State};
use crate::store::Store;

pub mod handoffs;
pub mod inbox;
pub mod reports;
pub mod task_queue;
pub mod worker_specs;

mod patience;

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
        Box::new(inbox::Inbox::default()),
        Box::new(handoffs::Handoffs::default()),
        Box::new(reports::Reports::default()),
        Box::new(worker_specs::WorkerSpecs::default()),
    ]
}
