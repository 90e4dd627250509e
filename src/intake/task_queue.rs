//! `task-queue.json`: pending entries that are new, entries that cannot be tasks, tasks of ours
//! that somebody removed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use super::{Intake, Look, Patience, Seen, Verdict};
use crate::domain::document::{DocumentKey, QueueTarget};
use crate::domain::ids::TaskId;
use crate::domain::plan::OrchestrationPhase;
use crate::domain::read::{self, json};
use crate::domain::state::{State, entry_key, repeat_key};
use crate::domain::task::{PUT_BACK_MAX, Phase, Task, TaskSource, TaskSpec};
use crate::domain::{Input, Moment, Problem};
use crate::store::queue::{Entry, LENGTH_MAX, QueueText};
use crate::store::{EntryKind, FileContent, LockError, digest, layout};

/// So many entries are taken up in one look; the rest follows in the next.
const OBSERVED_MAX: usize = 4_096;
/// A lock is waited for this long, and a look put off for its sake this long.
const LOCK_WAIT: Duration = Duration::from_millis(5);
const LOCKED_AGAIN_MS: u64 = 20;
const LOCKED_MS_MAX: u64 = 1_000;
/// A file that was changed less long ago may change again without its time showing it.
const TIME_STEP_MS: i64 = 2_000;
/// So long after its end a task's entry may still be unpatched.
const ENDED_MS: i64 = 60_000;
/// So long an entry may stay as it is although it was said to be stale.
const STALE_MS: u64 = 5_000;

/// Looks at `task-queue.json`.
#[derive(Debug, Default)]
pub struct TaskQueue {
    patience: Patience,
    /// What the file was when there was nothing to tell.
    quiet: Option<Mark>,
    /// Since when a writer has the lock.
    locked_since: Option<Moment>,
    /// Tasks whose entry was seen with our fields in it.
    patched: HashSet<TaskId>,
    /// Ended tasks whose entry is pending, and since when.
    unpatched: BTreeMap<TaskId, Moment>,
}

/// Inode, length and time of change.
type Mark = (u64, u64, i64);

impl Intake for TaskQueue {
    fn name(&self) -> &'static str {
        "task_queue"
    }

    fn watches(&self) -> &'static [&'static str] {
        &[""]
    }

    fn look(&mut self, look: &Look<'_>) -> Seen {
        let mut seen = Seen::default();
        let Some(mark) = self.mark(look, &mut seen) else { return seen };
        if self.quiet == Some(mark) {
            return seen;
        }
        self.quiet = None;
        let Some(content) = self.read(look, &mut seen) else { return seen };
        let text = match json::decode(&content.bytes, layout::TASK_QUEUE) {
            Ok(text) => text,
            Err(problem) => {
                self.unreadable(look, &mut seen, &content, problem);
                return seen;
            }
        };
        let queue = QueueText::read(text);
        let queue = match queue.and_then(|queue| queue.objection().map_or(Ok(queue), Err)) {
            Ok(queue) => queue,
            Err(error) => {
                let problem = error.problem(layout::TASK_QUEUE, text);
                self.unreadable(look, &mut seen, &content, problem);
                return seen;
            }
        };
        self.patience.forget(layout::TASK_QUEUE);
        seen.restore(look, layout::TASK_QUEUE);
        Comparison::new(look, &queue, text, self).tell(&mut seen);
        let is_settled = look.now.wall.as_ms() - content.modified_ms >= TIME_STEP_MS;
        if is_settled && seen.inputs.is_empty() && seen.stale.is_empty() {
            self.quiet = Some(mark);
        }
        seen
    }
}

impl TaskQueue {
    /// Returns what the file looks like from outside; `None` when there is none to be read.
    fn mark(&mut self, look: &Look<'_>, seen: &mut Seen) -> Option<Mark> {
        // A directory that cannot be listed is told by whoever cannot write to it.
        let entries = look.store.list("").ok()?;
        let entry = entries.into_iter().find(|entry| entry.name == layout::TASK_QUEUE);
        let Some(entry) = entry else {
            self.patience.forget(layout::TASK_QUEUE);
            seen.restore(look, layout::TASK_QUEUE);
            return None;
        };
        if entry.kind != EntryKind::File {
            let _ = self.read(look, seen);
            return None;
        }
        Some((entry.inode, entry.len, entry.modified_ms))
    }

    fn read(&mut self, look: &Look<'_>, seen: &mut Seen) -> Option<FileContent> {
        let lock = look.store.lock(layout::TASK_QUEUE_LOCK, LOCK_WAIT);
        if let Err(LockError::Held { .. }) = lock {
            let since = *self.locked_since.get_or_insert(look.now);
            if !look.now.is_past(&since, LOCKED_MS_MAX) {
                seen.again_in(LOCKED_AGAIN_MS);
                return None;
            }
        }
        self.locked_since = None;
        // Where there can be no lock, one reads without.
        match look.store.read(layout::TASK_QUEUE, LENGTH_MAX) {
            Ok(content) => content,
            Err(error) => {
                seen.refuse(look, error.problem(), error.word(), None);
                None
            }
        }
    }

    /// Says that the file cannot be read, once it is sure that nobody is writing it.
    fn unreadable(
        &mut self,
        look: &Look<'_>,
        seen: &mut Seen,
        content: &FileContent,
        problem: Problem,
    ) {
        let digest = digest(&content.bytes);
        let (path, modified_ms) = (layout::TASK_QUEUE, content.modified_ms);
        match self.patience.judge(path, &digest, modified_ms, look.now) {
            Verdict::Wait(ms) => seen.again_in(ms),
            Verdict::Damaged => seen.refuse(look, problem, &digest, Some(&content.bytes)),
        }
    }
}

/// One version of the queue beside the state.
struct Comparison<'a> {
    look: &'a Look<'a>,
    state: &'a State,
    queue: &'a QueueText<'a>,
    text: &'a str,
    memory: &'a mut TaskQueue,
    /// The first entry of every id.
    ids: HashMap<&'a str, usize>,
    /// Refused entries that are known, by fingerprint.
    refused: Option<HashMap<&'a str, Vec<usize>>>,
    observed: usize,
}

impl<'a> Comparison<'a> {
    fn new(
        look: &'a Look<'a>,
        queue: &'a QueueText<'a>,
        text: &'a str,
        memory: &'a mut TaskQueue,
    ) -> Self {
        let mut ids = HashMap::with_capacity(queue.entries().len());
        for (index, entry) in queue.entries().iter().enumerate() {
            if let Some(id) = &entry.id {
                ids.entry(id.as_str()).or_insert(index);
            }
        }
        Self { look, state: look.state, queue, text, memory, ids, refused: None, observed: 0 }
    }

    fn tell(mut self, seen: &mut Seen) {
        let mut without_id = Vec::new();
        for (index, entry) in self.queue.entries().iter().enumerate() {
            if !entry.is_pending {
                self.note_patched(index, entry);
                continue;
            }
            let fingerprint = digest(self.queue.bytes(entry).as_bytes());
            if self.state.refused_entries.contains_key(&entry_key(index, &fingerprint)) {
                stale(seen, QueueTarget::Position { index, fingerprint });
                continue;
            }
            match &entry.id {
                Some(id) => self.tell_known_by_id(seen, index, entry, id, fingerprint),
                None => without_id.push((index, entry, fingerprint)),
            }
        }
        let matched = self.tell_without_id(seen, without_id);
        self.tell_removals(seen, &matched);
        if self.observed > OBSERVED_MAX {
            seen.again_in(0);
        }
    }

    /// Remembers that our fields are in the entry of a task.
    fn note_patched(&mut self, index: usize, entry: &Entry) {
        let Some(id) = entry.id.as_deref().filter(|id| self.ids.get(id) == Some(&index)) else {
            return;
        };
        if let Some((id, _)) = self.state.tasks.get_key_value(id) {
            self.memory.unpatched.remove(id);
            if !self.memory.patched.contains(id) {
                self.memory.patched.insert(id.clone());
            }
        }
    }

    fn tell_known_by_id(
        &mut self,
        seen: &mut Seen,
        index: usize,
        entry: &Entry,
        id: &str,
        fingerprint: String,
    ) {
        let first = self.ids.get(id).copied().unwrap_or(index);
        let problem = |message: String, remedy: &str| Problem {
            file: layout::TASK_QUEUE.into(),
            field: self.queue.path(index),
            message,
            remedy: remedy.into(),
        };
        if first != index {
            let message = format!("the id {id:?} stands in {} already", self.queue.path(first));
            let problem = problem(message, "give it an id of its own");
            self.refuse(seen, index, entry, fingerprint, problem);
            return;
        }
        match TaskId::parse(id) {
            Err(error) => {
                let problem = problem(error.to_string(), "give it another id");
                self.refuse(seen, index, entry, fingerprint, problem);
            }
            Ok(id) => match self.state.tasks.get(&id) {
                Some(task) => self.tell_again(seen, index, entry, task, fingerprint),
                None => self.observe(seen, index, entry, fingerprint),
            },
        }
    }

    /// Tells of an entry whose task is known, unless it is only not patched yet.
    fn tell_again(
        &mut self,
        seen: &mut Seen,
        index: usize,
        entry: &Entry,
        task: &Task,
        fingerprint: String,
    ) {
        let is_told =
            self.state.refused_entries.contains_key(&repeat_key(task.id.as_str(), &fingerprint));
        let is_its_own = matches!(task.source, TaskSource::Queue { .. });
        let is_open = self.state.is_open(&task.id);
        let is_unpatched = is_its_own && !is_open && !self.was_patched(entry, task);
        if is_told || is_unpatched {
            stale(seen, QueueTarget::Task(task.id.clone()));
        } else if is_its_own && is_open {
            // While it is planned its entry stays pending.
            if !matches!(task.phase, Phase::Planning) {
                stale(seen, QueueTarget::Task(task.id.clone()));
            }
        } else {
            self.observe(seen, index, entry, fingerprint);
        }
    }

    /// Tells whether somebody set the entry of an ended task back to pending, and it is not just
    /// that our own change did not come about.
    fn was_patched(&mut self, entry: &Entry, task: &Task) -> bool {
        if self.memory.patched.contains(&task.id) || has_ending(self.queue.bytes(entry)) {
            return true;
        }
        let age_ms = |at: &Moment| self.look.now.wall.as_ms() - at.wall.as_ms();
        let is_long_over = ended_at(self.state, task).is_some_and(|at| age_ms(at) >= ENDED_MS);
        let now = self.look.now;
        let since = self.memory.unpatched.entry(task.id.clone()).or_insert(now);
        is_long_over || now.is_past(since, STALE_MS)
    }

    /// Tells of entries without an id, but for those that are accepted and whose new id is not
    /// there yet. Returns the tasks of these.
    fn tell_without_id(
        &mut self,
        seen: &mut Seen,
        entries: Vec<(usize, &Entry, String)>,
    ) -> BTreeSet<TaskId> {
        let mut matched: BTreeSet<TaskId> = BTreeSet::new();
        let mut waiting: HashMap<String, Vec<&Task>> = HashMap::new();
        let mut left = Vec::new();
        for (index, entry, fingerprint) in entries {
            let tasks = waiting
                .entry(fingerprint.clone())
                .or_insert_with(|| self.waiting_for_id(&fingerprint));
            let is_there = |task: &&Task| matches!(&task.source, TaskSource::Queue { index: at, .. } if *at == index);
            match tasks.iter().position(is_there) {
                Some(at) => drop(matched.insert(tasks.swap_remove(at).id.clone())),
                None => left.push((index, entry, fingerprint)),
            }
        }
        for (index, entry, fingerprint) in left {
            match waiting.get_mut(&fingerprint).and_then(Vec::pop) {
                Some(task) => drop(matched.insert(task.id.clone())),
                None => self.observe(seen, index, entry, fingerprint),
            }
        }
        for id in &matched {
            stale(seen, QueueTarget::Task(id.clone()));
        }
        matched
    }

    /// Returns the tasks that were accepted from such an entry and whose id is not in the file.
    fn waiting_for_id(&self, fingerprint: &str) -> Vec<&'a Task> {
        let age_ms = |at: &Moment| self.look.now.wall.as_ms() - at.wall.as_ms();
        let is_waiting = |task: &&Task| {
            let is_recent = || ended_at(self.state, task).is_some_and(|at| age_ms(at) < ENDED_MS);
            !self.ids.contains_key(task.id.as_str())
                && (self.state.is_open(&task.id)
                    || (!self.memory.patched.contains(&task.id) && is_recent()))
        };
        let ids = self.state.queued_without_id(fingerprint).iter();
        ids.filter_map(|id| self.state.tasks.get(id)).filter(is_waiting).collect()
    }

    fn tell_removals(&self, seen: &mut Seen, matched: &BTreeSet<TaskId>) {
        for task in self.state.open_tasks() {
            if !matches!(task.source, TaskSource::Queue { .. }) {
                continue;
            }
            let id = &task.id;
            let is_there = self.ids.contains_key(id.as_str()) || matched.contains(id);
            match (is_there, task.missing) {
                (true, true) => seen.inputs.push(Input::TaskReturned { task_id: id.clone() }),
                (false, true) => stale(seen, QueueTarget::Task(id.clone())),
                // One more than is undone is told: it is its owner's decision.
                (false, false) if task.removals <= PUT_BACK_MAX => {
                    seen.inputs.push(Input::TaskVanished { task_id: id.clone() });
                }
                (true | false, false) => {}
            }
        }
    }

    fn observe(&mut self, seen: &mut Seen, index: usize, entry: &Entry, fingerprint: String) {
        self.observed += 1;
        if self.observed > OBSERVED_MAX {
            return;
        }
        match self.spec(index, entry) {
            Ok(spec) => {
                let source = self.source(index, entry, fingerprint);
                seen.inputs.push(Input::TaskObserved { source, spec: Box::new(spec) });
            }
            Err(problem) => self.refuse(seen, index, entry, fingerprint, problem),
        }
    }

    fn refuse(
        &mut self,
        seen: &mut Seen,
        index: usize,
        entry: &Entry,
        fingerprint: String,
        problem: Problem,
    ) {
        if let Some(index) = self.refused_elsewhere(&fingerprint) {
            stale(seen, QueueTarget::Position { index, fingerprint });
            return;
        }
        let title = match json::Scanner::at(self.text, entry.span.start).value() {
            Ok(value) => value.get("title").and_then(|t| t.as_str()).unwrap_or_default().into(),
            Err(_) => String::new(),
        };
        let source = self.source(index, entry, fingerprint);
        seen.inputs.push(Input::TaskRefused { source, id: entry.id.clone(), title, problem });
    }

    /// Returns where an entry was refused that has moved since: its old place holds another.
    fn refused_elsewhere(&mut self, fingerprint: &str) -> Option<usize> {
        let state = self.state;
        let refused = self.refused.get_or_insert_with(|| {
            let mut refused: HashMap<&str, Vec<usize>> = HashMap::new();
            for key in state.refused_entries.keys() {
                if let Some((index, fingerprint)) = key.split_once(':')
                    && let Ok(index) = index.parse()
                {
                    refused.entry(fingerprint).or_default().push(index);
                }
            }
            refused
        });
        let queue = self.queue;
        let moved = |at: &usize| {
            let there = queue.entries().get(*at);
            there.is_none_or(|there| digest(queue.bytes(there).as_bytes()) != fingerprint)
        };
        let places = refused.get_mut(fingerprint)?;
        let at = places.iter().position(moved)?;
        Some(places.swap_remove(at))
    }

    fn spec(&self, index: usize, entry: &Entry) -> Result<TaskSpec, Problem> {
        let path = self.queue.path(index);
        let value = json::Scanner::at(self.text, entry.span.start)
            .value()
            .map_err(|error| error.within(&path).problem(layout::TASK_QUEUE, self.text))?;
        read::task(&value, layout::TASK_QUEUE, &path)
    }

    fn source(&self, index: usize, entry: &Entry, fingerprint: String) -> TaskSource {
        TaskSource::Queue { index, fingerprint, has_id: entry.id.is_some() }
    }
}

fn stale(seen: &mut Seen, target: QueueTarget) {
    seen.stale.push(DocumentKey::QueueEntry(target));
}

/// Tells whether an entry says when it was completed, as one does that we patched.
fn has_ending(entry: &str) -> bool {
    let mut has_ending = false;
    let read = json::Scanner::new(entry).object(&mut |scanner, key| {
        has_ending |= key.name == "completed_at" && scanner.peek() != Some(b'n');
        scanner.skip().map(drop)
    });
    read.is_ok() && has_ending
}

/// Returns when a task ended.
fn ended_at<'a>(state: &'a State, task: &'a Task) -> Option<&'a Moment> {
    match &task.phase {
        Phase::Rejected { at, .. } | Phase::Cancelled { at, .. } => Some(at),
        Phase::Planning => None,
        Phase::Routed { orchestration_id, .. } | Phase::Orchestrating { orchestration_id } => {
            match &state.orchestrations.get(orchestration_id)?.phase {
                OrchestrationPhase::Completed { at }
                | OrchestrationPhase::RolledBack { at, .. }
                | OrchestrationPhase::Failed { at, .. }
                | OrchestrationPhase::Cancelled { at, .. } => Some(at),
                OrchestrationPhase::InProgress
                | OrchestrationPhase::Paused { .. }
                | OrchestrationPhase::Compensating { .. }
                | OrchestrationPhase::Blocked(_) => None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
