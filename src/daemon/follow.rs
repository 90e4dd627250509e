//! What follows from a batch once it is on disk.

use super::batch::Commit;
use super::error::Chain;
use super::{Daemon, DaemonError, world};
use crate::domain::event::HandedOff;
use crate::domain::ids::WorkerId;
use crate::domain::worker::Execution;
use crate::domain::{Effect, Event, Moment, Record};
use crate::store::layout;

/// How long to wait before the journal is tried again when there was no room for it.
const HELD_RETRY_MS: u64 = 1_000;
/// The events that make up the operator's story.
const STORY: [&str; 12] = [
    "task_rejected",
    "task_removed",
    "orchestration_started",
    "orchestration_completed",
    "orchestration_failed",
    "orchestration_blocked",
    "orchestration_cancelled",
    "handoff_lost",
    "worker_not_started",
    "subtask_failed",
    "drop_rejected",
    "file_quarantined",
];

impl Daemon {
    /// Makes the batch durable, and lets follow what follows from it.
    pub(super) async fn commit(&mut self, now: Moment) -> Result<(), DaemonError> {
        if self.held_until_ms.is_some_and(|until_ms| now.boottime_ms < until_ms) {
            return Ok(());
        }
        let Some(records) = self.commit_records(now).await? else { return Ok(()) };
        self.follow(&records, now);
        self.keep_short(now).await
    }

    /// Makes the batch durable, and says what is in it to those who read along. `None`: there is
    /// no room for it, and nothing may follow.
    pub(super) async fn commit_records(
        &mut self,
        now: Moment,
    ) -> Result<Option<Vec<Record>>, DaemonError> {
        match self.ledger.commit(&self.means.store).await? {
            Commit::Done(records) => {
                if self.held_until_ms.take().is_some() {
                    tracing::info!("there is room for the journal again; going on");
                }
                records.iter().for_each(tell);
                let world = world(&self.means, &self.ledger, &self.looks);
                self.documents.publish(&world, &records, now.boottime_ms);
                Ok(Some(records))
            }
            Commit::Full(error) => {
                if self.held_until_ms.is_none() {
                    tracing::warn!(error = %Chain(&error),
                        "there is no room for the journal; nothing goes on until there is");
                }
                self.held_until_ms = Some(now.boottime_ms + HELD_RETRY_MS);
                Ok(None)
            }
        }
    }

    /// Carries out what follows from records that are on disk, and from those before them.
    fn follow(&mut self, records: &[Record], now: Moment) {
        let now_ms = now.boottime_ms;
        self.expect_reports(records);
        let world = world(&self.means, &self.ledger, &self.looks);
        for effect in self.effects.startable(world.state, &self.means.config, now_ms, self.may()) {
            if let Effect::PublishHandoff(id) = &effect
                && let Some((run, position, _)) = world.state.attempt(id)
            {
                let subtask = &run.plan.subtasks[position].subtask_id;
                self.documents.before_handoff(&world, subtask, now_ms);
            }
            self.effects.start(effect, world.state, &self.means);
        }
        let due_ms = self.documents.due_ms(self.is_idle(), self.overview_delay_ms());
        if due_ms.is_some_and(|due_ms| due_ms <= now_ms) {
            self.documents.render(&world, now_ms);
            let patches = self.documents.take_patches(&world, now_ms);
            if !patches.is_empty() {
                self.effects.start_patch(patches, &self.means);
            }
        }
        let kept = self.documents.take_kept(now_ms);
        if !kept.is_empty() {
            self.effects.start_collect(kept, &self.means);
        }
    }

    /// Makes and watches the folders in which masters elsewhere will report, before they can have
    /// the handoff. One that cannot be made is made when the handoff is published.
    fn expect_reports(&mut self, records: &[Record]) {
        for worker in records.iter().flat_map(workers_elsewhere) {
            match self.means.store.create_dirs(&layout::worker(worker)) {
                Ok(()) => self.watch.add_worker(worker),
                Err(error) => tracing::debug!(%error, %worker, "cannot make a worker's folder yet"),
            }
        }
    }

    /// Writes a snapshot when the journal has grown long; documents that it no longer tells how to
    /// derive are made durable first.
    async fn keep_short(&mut self, now: Moment) -> Result<(), DaemonError> {
        if !self.ledger.wants_snapshot() || !self.sync_documents(now).await? {
            return Ok(());
        }
        Ok(self.ledger.snapshot()?)
    }
}

/// Returns the workers of masters elsewhere that a record hands something out to.
fn workers_elsewhere(record: &Record) -> impl Iterator<Item = &WorkerId> {
    record.events.iter().filter_map(|event| {
        if let Event::SubtaskHandedOff(HandedOff {
            execution: Execution::External,
            worker_id,
            ..
        }) = event
        {
            Some(worker_id)
        } else {
            None
        }
    })
}

/// Logs what happened: the operator's story, and the rest for who wants to know.
fn tell(record: &Record) {
    for (seq, event) in (record.seq..).zip(&record.events) {
        let kind = event.kind();
        if STORY.contains(&kind) {
            let told = Told::of(event);
            tracing::info!(
                seq,
                task = told.task,
                orchestration = told.orchestration,
                subtask = told.subtask,
                attempt = told.attempt,
                file = told.file,
                reason = told.reason,
                remedy = told.remedy,
                "{kind}"
            );
        } else if tracing::enabled!(tracing::Level::DEBUG) {
            let event = serde_json::to_string(event).unwrap_or_default();
            tracing::debug!(seq, event, "{kind}");
        }
    }
}

/// The parts of an event that an operator's line has room for; the event is in the journal, whole.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    task: Option<String>,
    orchestration: Option<String>,
    subtask: Option<String>,
    attempt: Option<u64>,
    file: Option<String>,
    reason: Option<String>,
    remedy: Option<String>,
}

/// Characters of foreign text in a line at most.
const TEXT_LENGTH_MAX: usize = 300;

impl Told {
    fn of(event: &Event) -> Self {
        let event = serde_json::to_value(event).unwrap_or_default();
        let text = |pointers: &[&str]| {
            let found = pointers.iter().find_map(|pointer| event.pointer(pointer)?.as_str());
            found.filter(|text| !text.is_empty()).map(short)
        };
        // An id that holds the others needs them no more.
        let subtask = text(&["/subtask_id", "/blocking_subtask"]);
        let task = text(&["/task_id"]);
        let orchestration = text(&["/orchestration_id"]).filter(|_| task.is_none());
        let attempt_id = event.pointer("/attempt_id").and_then(serde_json::Value::as_str);
        Self {
            task,
            orchestration,
            subtask,
            attempt: attempt_id.and_then(|id| id.rsplit('-').next()?.parse().ok()),
            file: text(&["/problem/file"]),
            reason: text(&[
                "/reason",
                "/error",
                "/failure_reason",
                "/failure/message",
                "/problem/message",
            ]),
            remedy: text(&["/remedy", "/problem/remedy"]),
        }
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(TEXT_LENGTH_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Problem;
    use crate::domain::report::{Category, Failure};

    #[test]
    fn a_line_names_ids_reason_and_remedy_and_stays_short() {
        let failed: Event = serde_json::from_value(serde_json::json!({
            "type": "subtask_failed",
            "orchestration_id": "orch-task-1",
            "subtask_id": "auth-001-design",
            "attempt_id": "auth-001-design-attempt-2",
            "failure": Failure::new(Category::CodeError, "x".repeat(1000)),
        }))
        .unwrap();
        let told = Told::of(&failed);
        assert_eq!(told.subtask.as_deref(), Some("auth-001-design"));
        assert_eq!(told.orchestration.as_deref(), Some("orch-task-1"));
        assert_eq!(told.attempt, Some(2));
        assert_eq!(told.reason.map(|reason| reason.chars().count()), Some(TEXT_LENGTH_MAX + 1));

        let problem = Problem {
            file: "worker-specs/active/w.json".into(),
            field: String::new(),
            message: "it is empty".into(),
            remedy: "write it again".into(),
        };
        let set_aside = Event::FileQuarantined { problem, digest: "0".into(), copy: None };
        let expected = Told {
            file: Some("worker-specs/active/w.json".into()),
            reason: Some("it is empty".into()),
            remedy: Some("write it again".into()),
            ..Told::default()
        };
        assert_eq!(Told::of(&set_aside), expected);
    }
}
