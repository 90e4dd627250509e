//! One batch of decisions: decided and applied in memory, appended, synced. Nothing may follow
//! from a decision before [`Ledger::commit`] gave its record back.

use std::io;
use std::sync::mpsc;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::domain::decide::decide;
use crate::domain::event::JOURNAL_SCHEMA;
use crate::domain::state::IllegalTransition;
use crate::domain::{Input, Moment, Policy, Record, State};
use crate::journal::{Journal, JournalError, SyncHandle};
use crate::store::{Store, StoreError};

/// So many rounds of [`Ledger::settle`] are a decision that contradicts itself.
const SETTLE_ROUNDS_MAX: usize = 1_000_000;

/// The state, and the journal it follows from.
pub(super) struct Ledger {
    state: State,
    journal: Journal,
    /// The number of this daemon among all that had the directory.
    epoch: u64,
    /// Applied in memory, not yet on disk.
    pending: Vec<Record>,
    /// Whether `pending` is written and only has to be synced.
    appended: bool,
    syncer: Syncer,
}

/// What became of a batch.
pub(super) enum Commit {
    /// Its records are on disk for certain, in order; none when nothing was decided.
    Done(Vec<Record>),
    /// There is no room for them. They are kept, and nothing may follow from them; ask again.
    Full(JournalError),
}

/// Says that the daemon cannot go on.
#[derive(Debug, Error)]
pub enum BatchError {
    /// A decision that the state refuses: a bug.
    #[error("cannot apply what was decided on `{cause}`")]
    Illegal {
        /// The kind of input.
        cause: String,
        /// What the state says.
        source: IllegalTransition,
    },
    /// Ticks went on to give events: a bug.
    #[error("cannot settle: {SETTLE_ROUNDS_MAX} rounds were decided and more follow")]
    Restless,
    /// The directory is gone, or another one stands in its place.
    #[error("cannot write the journal: the directory is not the one that was opened")]
    DirectoryGone(#[source] StoreError),
    /// The journal cannot be written.
    #[error("cannot write the journal")]
    Append(#[source] JournalError),
    /// The journal may or may not be on disk; only a new start can tell.
    #[error("cannot make the journal durable")]
    Sync(#[source] JournalError),
    /// The thread that syncs is gone.
    #[error("cannot make the journal durable: the thread that does it is gone")]
    NoSyncer,
}

impl Ledger {
    /// Takes what was read at the start; `state` is the fold of `journal`.
    ///
    /// # Errors
    /// The system gives no thread to sync on.
    pub(super) fn new(state: State, journal: Journal) -> io::Result<Self> {
        let epoch = state.epoch + 1;
        let syncer = Syncer::start()?;
        Ok(Self { state, journal, epoch, pending: Vec::new(), appended: false, syncer })
    }

    /// Returns what is true now, decisions that are not on disk included.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Decides on one input and applies what follows. Returns the record, when something follows,
    /// and the state right after it.
    ///
    /// # Errors
    /// The state refuses the decision; then nothing of the batch may be written.
    pub(super) fn decide(
        &mut self,
        policy: &Policy,
        input: &Input,
        now: Moment,
    ) -> Result<Option<(&State, &Record)>, BatchError> {
        let events = decide(&self.state, policy, input, now);
        if events.is_empty() {
            return Ok(None);
        }
        let record = Record {
            seq: self.state.seq + 1,
            at: now,
            epoch: self.epoch,
            schema: JOURNAL_SCHEMA,
            cause: cause(input).to_owned(),
            events,
        };
        self.state
            .apply(&record)
            .map_err(|source| BatchError::Illegal { cause: record.cause.clone(), source })?;
        self.pending.push(record);
        self.appended = false;
        Ok(self.pending.last().map(|record| (&self.state, record)))
    }

    /// Decides on ticks until nothing follows: here handoffs are issued and runs completed. Each
    /// record is shown to `on_record` with the state right after it.
    ///
    /// # Errors
    /// As [`Ledger::decide`]; or there is no end.
    pub(super) fn settle(
        &mut self,
        policy: &Policy,
        now: Moment,
        on_record: &mut dyn FnMut(&State, &Record),
    ) -> Result<(), BatchError> {
        for _ in 0..SETTLE_ROUNDS_MAX {
            match self.decide(policy, &Input::Tick, now)? {
                Some((state, record)) => on_record(state, record),
                None => return Ok(()),
            }
        }
        Err(BatchError::Restless)
    }

    /// Appends the batch and syncs it, once, on a thread of its own.
    ///
    /// # Errors
    /// The daemon has to end at once: the sync failed, the directory is another one, or the
    /// journal cannot be written for another reason than want of room.
    pub(super) async fn commit(&mut self, store: &Store) -> Result<Commit, BatchError> {
        if self.pending.is_empty() {
            return Ok(Commit::Done(Vec::new()));
        }
        store.still_there().map_err(BatchError::DirectoryGone)?;
        if !self.appended {
            match self.journal.append(&self.pending) {
                Ok(()) => self.appended = true,
                Err(error @ JournalError::Full { .. }) => return Ok(Commit::Full(error)),
                Err(error) => return Err(BatchError::Append(error)),
            }
        }
        self.syncer.sync(self.journal.sync_handle()).await?;
        self.appended = false;
        Ok(Commit::Done(std::mem::take(&mut self.pending)))
    }

    /// Tells whether the journal is long enough for a snapshot to be worth it.
    pub(super) fn wants_snapshot(&self) -> bool {
        self.pending.is_empty() && self.journal.wants_snapshot()
    }

    /// Writes a snapshot, so that the next start is fast. One that cannot be written is said and
    /// tried again later.
    ///
    /// # Errors
    /// The journal itself cannot go on.
    pub(super) fn snapshot(&mut self) -> Result<(), BatchError> {
        match self.journal.snapshot(&self.state) {
            Ok(()) => Ok(()),
            Err(error @ (JournalError::Sync { .. } | JournalError::Broken { .. })) => {
                Err(BatchError::Sync(error))
            }
            Err(error @ JournalError::Foreign { .. }) => Err(BatchError::Append(error)),
            Err(error) => {
                tracing::warn!(%error, "cannot write a snapshot; the journal goes on");
                Ok(())
            }
        }
    }
}

/// Names the kind of an input, for the journal.
fn cause(input: &Input) -> &'static str {
    match input {
        Input::DaemonStarted { .. } => "daemon_started",
        Input::HostSuspended { .. } => "host_suspended",
        Input::DaemonStopped { .. } => "daemon_stopped",
        Input::TaskObserved { .. } => "task_observed",
        Input::TaskRefused { .. } => "task_refused",
        Input::TaskVanished { .. } => "task_vanished",
        Input::TaskReturned { .. } => "task_returned",
        Input::CommandObserved { .. } => "command_observed",
        Input::DropRefused { .. } => "drop_refused",
        Input::MessageObserved { .. } => "message_observed",
        Input::FileRefused { .. } => "file_refused",
        Input::FileRestored { .. } => "file_restored",
        Input::Drafted { .. } => "drafted",
        Input::HandoffPublished { .. } => "handoff_published",
        Input::HandoffTaken { .. } => "handoff_taken",
        Input::HandoffLost { .. } => "handoff_lost",
        Input::HandoffWithdrawn { .. } => "handoff_withdrawn",
        Input::WorkerStarted { .. } => "worker_started",
        Input::WorkerNotStarted { .. } => "worker_not_started",
        Input::WorkerExited { .. } => "worker_exited",
        Input::WorkerInterrupted { .. } => "worker_interrupted",
        Input::WorkerUnstoppable { .. } => "worker_unstoppable",
        Input::WorkersProbed { .. } => "workers_probed",
        Input::SpecObserved { .. } => "spec_observed",
        Input::SpecVanished { .. } => "spec_vanished",
        Input::SpecMoved { .. } => "spec_moved",
        Input::Revised { .. } => "revised",
        Input::DraftCrashed { .. } => "draft_crashed",
        Input::ReportObserved { .. } => "report_observed",
        Input::ClaimSettled { .. } => "claim_settled",
        Input::DocumentsSynced { .. } => "documents_synced",
        Input::Tick => "tick",
    }
}

/// What to sync, and whom to tell.
type SyncJob = (SyncHandle, oneshot::Sender<Result<(), JournalError>>);

/// A thread that does nothing but sync, so that inputs gather while the disk is at work.
struct Syncer {
    jobs: mpsc::Sender<SyncJob>,
}

impl Syncer {
    fn start() -> io::Result<Self> {
        let (jobs, todo) = mpsc::channel::<SyncJob>();
        std::thread::Builder::new().name("journal-sync".into()).spawn(move || {
            for (journal, done) in todo {
                // Whoever asked may be gone: then nobody acts on it either.
                let _ = done.send(journal.sync());
            }
        })?;
        Ok(Self { jobs })
    }

    async fn sync(&self, journal: SyncHandle) -> Result<(), BatchError> {
        let (done, answer) = oneshot::channel();
        self.jobs.send((journal, done)).map_err(|_| BatchError::NoSyncer)?;
        answer.await.map_err(|_| BatchError::NoSyncer)?.map_err(BatchError::Sync)
    }
}
