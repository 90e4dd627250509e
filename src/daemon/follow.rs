//! What follows from a batch once it is on disk.

use super::batch::Commit;
use super::error::Chain;
use super::{Daemon, DaemonError, world};
use crate::domain::worker::Execution;
use crate::domain::{Effect, Event, Moment, Record};

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
                let world = world(&self.means, &self.ledger);
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
        let world = world(&self.means, &self.ledger);
        for effect in self.effects.startable(world.state, now_ms, self.may()) {
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
        if records.iter().any(hands_out_to_others) {
            self.extend_watch();
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

/// Tells whether a handoff for a master elsewhere follows.
fn hands_out_to_others(record: &Record) -> bool {
    let is_external = |event: &Event| {
        matches!(event, Event::SubtaskHandedOff { execution: Execution::External, .. })
    };
    record.events.iter().any(is_external)
}

/// Logs what happened: the operator's story, and the rest for who wants to know.
fn tell(record: &Record) {
    for (seq, event) in (record.seq..).zip(&record.events) {
        let kind = event.kind();
        let shown = || serde_json::to_string(event).unwrap_or_default();
        if STORY.contains(&kind) {
            tracing::info!(seq, event = shown(), "{kind}");
        } else {
            tracing::debug!(seq, event = shown(), "{kind}");
        }
    }
}
