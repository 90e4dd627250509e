//! Letting go: what runs in the daemon is finished, everything is written, workers live on.

use super::effects::Job;
use super::error::Chain;
use super::monitor::Worker;
use super::signals::Urgency;
use super::{Daemon, DaemonError, Ended};
use crate::clock;
use crate::domain::report::Outcome;
use crate::domain::worker::{AttemptPhase, Execution, Exit};
use crate::domain::{Input, Moment};

/// So many times documents are tried that cannot be written at the end; the next start derives
/// them again.
const LAST_RENDERS_MAX: usize = 10_000;

/// A worker that we stop because we stop ourselves did not fail: what a signal ended without a
/// result was interrupted.
pub(super) fn as_interruption(end: &mut Input) {
    if let Input::WorkerExited { attempt_id, exit: Exit::Signal(_), outcome: Outcome::Failure(_) } =
        end
    {
        *end = Input::WorkerInterrupted {
            attempt_id: attempt_id.clone(),
            reason: "stopped together with the daemon".into(),
        };
    }
}

impl Daemon {
    /// Begins to stop, or does so with more urgency.
    pub(super) fn begin_to_stop(&mut self, urgency: Urgency) {
        let now_ms = clock::now().boottime_ms;
        let settings = self.means.config.daemon;
        // A draft that waits for somebody outside is made anew by the next start.
        self.stop_asking.send_replace(urgency > Urgency::Run);
        match urgency {
            Urgency::Run | Urgency::Now => {}
            Urgency::Finish => {
                let grace_s = settings.drain_grace_ms / 1000;
                let running = self.running_workers().count();
                tracing::info!(
                    running,
                    grace_s,
                    "draining: nothing new is begun, workers may end; ask again to stop them"
                );
                self.systemd.stopping();
                self.drain_until_ms = Some(now_ms.saturating_add(settings.drain_grace_ms));
            }
            Urgency::Drain => {
                tracing::info!("draining: nothing new is begun, workers live on");
                self.systemd.stopping();
                self.drain_until_ms = Some(now_ms.saturating_add(settings.drain_grace_ms));
            }
            Urgency::StopWorkers => {
                tracing::info!("stopping workers");
                // KILL follows after the grace, and then the proof.
                let longest_ms = settings.drain_grace_ms.max(self.stop_grace_ms() * 2);
                self.drain_until_ms = Some(now_ms.saturating_add(longest_ms));
            }
        }
    }

    /// Tells whether nothing is left to wait for.
    pub(super) fn is_drained(&self, now: Moment) -> bool {
        let Some(until_ms) = self.drain_until_ms else { return false };
        let jobs = self.effects.running();
        let workers = match self.orders.urgency {
            Urgency::Finish => self.running_workers().count(),
            Urgency::StopWorkers => self.workers_left().count(),
            Urgency::Run | Urgency::Drain | Urgency::Now => 0,
        };
        let is_done = jobs == 0 && workers == 0;
        if !is_done && now.boottime_ms >= until_ms {
            tracing::warn!(
                jobs,
                workers,
                "not everything was finished in time; the next start goes on with it"
            );
            return true;
        }
        is_done
    }

    /// Stops the workers that run, also those whose launch was on its way when that was asked for.
    pub(super) fn stop_workers(&mut self, now: Moment) {
        if self.orders.urgency < Urgency::StopWorkers {
            return;
        }
        let running: Vec<Worker> = self.running_workers().collect();
        for worker in running {
            self.effects.start_stop(worker, &self.means, now.boottime_ms);
        }
    }

    /// Writes everything and says goodbye.
    pub(super) async fn finish(&mut self) -> Result<Ended, DaemonError> {
        if self.held_until_ms.is_some() {
            return Err(DaemonError::NoRoom);
        }
        let now = clock::now();
        // Batches before this one may have left something to write.
        if self.documents.has_news() {
            self.sync_documents(now).await?;
        }
        let reason = match self.orders.urgency {
            Urgency::Run | Urgency::Finish | Urgency::Drain | Urgency::Now => {
                "asked to drain".to_owned()
            }
            Urgency::StopWorkers => self.reason_to_stop(),
        };
        self.decide_all(&[Input::DaemonStopped { reason }], now)?;
        if self.commit_records(now).await?.is_none() {
            return Err(DaemonError::NoRoom);
        }
        self.write_documents(now).await?;
        tracing::info!("stopped");
        Ok(Ended::Drained)
    }

    /// Writes every document, makes them durable and journals that. Returns false when some cannot
    /// be written.
    pub(super) async fn sync_documents(&mut self, now: Moment) -> Result<bool, DaemonError> {
        if !self.write_documents(now).await? {
            return Ok(false);
        }
        let seq = self.ledger.state().seq;
        let store = self.means.store.clone();
        let synced = tokio::task::spawn_blocking(move || store.sync_all()).await;
        match synced {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %Chain(&error), "cannot make documents durable");
                return Ok(false);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot make documents durable");
                return Ok(false);
            }
        }
        self.decide_all(&[Input::DocumentsSynced { seq }], now)?;
        let is_told = self.commit_records(now).await?.is_some();
        if is_told {
            self.documents.are_durable();
        }
        Ok(is_told)
    }

    /// Writes every document that is not up to date. Returns false when some file of ours cannot be
    /// written. A queue that is busy does not count: what it lacks is seen when it is read again.
    async fn write_documents(&mut self, now: Moment) -> Result<bool, DaemonError> {
        for _ in 0..LAST_RENDERS_MAX {
            while self.effects.is_running(&Job::PatchQueue) {
                let (job, answer) = self.effects.next().await;
                self.take_answer(job, answer, now)?;
            }
            if self.commit_records(now).await?.is_none() {
                return Ok(false);
            }
            let may_patch = self.documents.may_patch();
            if self.documents.are_files_clean() && !may_patch {
                return Ok(true);
            }
            let now_ms = clock::now().boottime_ms;
            if !may_patch && self.documents.is_failing(now_ms) {
                return Ok(false);
            }
            let world = super::world(&self.means, &self.ledger, &self.looks);
            self.documents.render(&world, now_ms);
            let patches = self.documents.take_patches(&world, now_ms);
            if !patches.is_empty() {
                self.effects.start_patch(patches, &self.means);
            }
        }
        Ok(false)
    }

    /// Returns the longest time that a running worker has to end by itself.
    fn stop_grace_ms(&self) -> u64 {
        let policy = &self.means.config.policy;
        self.running_workers()
            .map(|w| policy.supervision_of(&w.attempt.agent, &w.subtask.worker_type).stop_grace_ms)
            .max()
            .unwrap_or(0)
    }

    /// Says that workers were stopped too, and which could not be.
    fn reason_to_stop(&self) -> String {
        let left: Vec<String> =
            self.workers_left().map(|w| w.attempt.worker_id.to_string()).collect();
        let asked = "asked to stop with its workers";
        if left.is_empty() {
            return asked.to_owned();
        }
        tracing::error!(workers = ?left, "these workers could not be stopped and may run on");
        format!("{asked}; could not stop {}", left.join(", "))
    }

    /// Returns workers of ours of which something may run.
    fn workers_left(&self) -> impl Iterator<Item = Worker> {
        let state = self.ledger.state();
        let may_run = |worker: &Worker| match &worker.attempt.phase {
            AttemptPhase::Running { .. } => true,
            AttemptPhase::Ending { identity, .. } => {
                identity.is_some() && worker.attempt.execution != Execution::External
            }
            AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Ended { .. } => false,
        };
        state.live_attempts().filter_map(|id| Worker::of(state, id)).filter(may_run)
    }

    fn running_workers(&self) -> impl Iterator<Item = Worker> {
        let state = self.ledger.state();
        state
            .live_attempts()
            .filter_map(|id| Worker::of(state, id))
            .filter(|worker| matches!(worker.attempt.phase, AttemptPhase::Running { .. }))
    }
}
