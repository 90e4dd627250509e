//! From a directory to a daemon: take it, read the journal, write what is behind, find out what
//! became of the workers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::batch::Ledger;
use super::carry_out::Holder;
use super::documents::{Documents, complete_dashboard};
use super::drafting;
use super::effects::{Effects, Means};
use super::error::Chain;
use super::intakes::Intakes;
use super::knowledge;
use super::looks::Looks;
use super::monitor::{self, Folder, Monitor, Worker};
use super::signals::{Orders, Shutdown};
use super::systemd::Systemd;
use super::watch::Watch;
use super::{Daemon, DaemonError, Options, Wake};
use crate::clock;
use crate::config::Config;
use crate::domain::document::{Document, DocumentKey};
use crate::domain::worker::Execution;
use crate::domain::{Event, Input, Policy, Record, State};
use crate::journal::{Journal, Opened};
use crate::projection;
use crate::store::{Store, layout, queue};

/// Ends of workers that may wait to be heard of; all are looked at with every tick anyway.
const HOLDER_EVENTS_MAX: usize = 1_024;

/// Takes a directory and does the first pass: afterwards everything that was known is written, and
/// what is owed is under way.
///
/// # Errors
/// See [`super::run`].
pub(super) async fn boot(options: Options, shutdown: Shutdown) -> Result<Daemon, DaemonError> {
    let mut daemon = take(options, shutdown)?;
    let now = clock::now();
    let started = Input::DaemonStarted {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        suspended_ms: clock::suspended_ms(),
    };
    daemon.decide_all(&[started], now)?;
    let crashed = drafting::crashed(&daemon.means.store);
    daemon.decide_all(&crashed, now)?;
    daemon.adopt().await?;
    daemon.gather(Wake::Time, now)?;
    daemon.commit(now).await?;
    tracing::info!(
        directory = %daemon.means.store.root().display(),
        seq = daemon.ledger.state().seq,
        "serving"
    );
    daemon.systemd.ready();
    Ok(daemon)
}

/// Reads the settings that apply.
///
/// # Errors
/// They are refused.
pub(super) fn load_config(options: &Options) -> Result<Config, DaemonError> {
    let env = |name: &str| std::env::var(name).ok();
    Config::load(&options.coordination, &env, &options.overrides).map_err(DaemonError::Config)
}

/// Does everything up to the first decision.
fn take(options: Options, shutdown: Shutdown) -> Result<Daemon, DaemonError> {
    let store = Store::open(&options.coordination).map_err(DaemonError::Directory)?;
    let lock = store.lock_directory().map_err(DaemonError::Locked)?;
    let config = Arc::new(load_config(&options)?);
    for directory in [layout::JOURNAL, layout::INBOX] {
        store.create_dirs(directory).map_err(DaemonError::Directory)?;
    }
    let (ledger, documents) = read_journal(&store, &config.policy)?;
    let executable = match &options.executable {
        Some(executable) => executable.clone(),
        None => std::env::current_exe().map_err(DaemonError::Start)?,
    };
    let (events, holder_events) = mpsc::channel(HOLDER_EVENTS_MAX);
    let intakes = Intakes::new();
    let watch = Watch::start(store.root(), intakes.interests());
    let holder = Arc::new(Holder::new(events));
    let (stop_asking, stopping) = watch::channel(false);
    let knowledge = knowledge::Shared::default();
    let means = Means { store, config, executable, holder, knowledge, stopping };
    Ok(Daemon {
        options,
        means,
        ledger,
        documents,
        effects: Effects::default(),
        monitor: Monitor::default(),
        looks: Looks::default(),
        intakes,
        watch,
        holder_events,
        shutdown,
        orders: Orders::default(),
        systemd: Systemd::from_environment(),
        tick_at_ms: 0,
        held_until_ms: None,
        drain_until_ms: None,
        stop_asking,
        _lock: lock,
    })
}

/// Reads the journal, and marks every document that may not show all of it.
fn read_journal(store: &Store, policy: &Policy) -> Result<(Ledger, Documents), DaemonError> {
    let mut recent = Vec::new();
    let mut keep = |_: &State, record: &Record| {
        recent.push(record.clone());
        forget_synced(&mut recent, record);
    };
    let directory = store.root().join(layout::JOURNAL);
    let Opened { journal, state, notes } =
        Journal::open(&directory, &mut keep).map_err(DaemonError::Journal)?;
    for note in notes {
        tracing::warn!(note, "the journal was mended");
    }
    let mut documents = Documents::default();
    for record in &recent {
        documents.touch(&state, record);
    }
    if let Err(error) = complete_dashboard(store, state.seq, &recent) {
        tracing::warn!(error = %Chain(&error), "cannot complete the event lines; trying again");
        documents.dashboard_is_behind();
    }
    documents.touch_keys(missing(store, &state, policy), 0);
    documents.keep(0, queue::leftovers(store));
    Ok((Ledger::new(state, journal).map_err(DaemonError::Start)?, documents))
}

/// Drops records whose documents are durable once `record` says which.
fn forget_synced(recent: &mut Vec<Record>, record: &Record) {
    let synced = record.events.iter().filter_map(|event| {
        if let Event::DocumentsSynced { seq } = event { Some(*seq) } else { None }
    });
    if let Some(seq) = synced.max() {
        recent.retain(|record| record.last_seq() > seq);
    }
}

/// Returns the documents whose file is not there. Each directory is listed once.
fn missing(store: &Store, state: &State, policy: &Policy) -> Vec<DocumentKey> {
    let mut listed: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    let mut is_there = |directory: &'static str, name: &str| {
        let names = listed.entry(directory).or_insert_with(|| match store.list(directory) {
            Ok(entries) => entries.into_iter().map(|entry| entry.name).collect(),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "cannot see which documents are there");
                BTreeSet::new()
            }
        });
        names.contains(name)
    };
    let specs =
        [layout::SPECS_ACTIVE, layout::SPECS_COMPLETED, layout::SPECS_FAILED, layout::SPECS_ZOMBIE];
    let mut is_missing = |key: &DocumentKey| match key {
        DocumentKey::Plan(id) => !is_there(layout::TASKS, &format!("{id}.json")),
        DocumentKey::Subtask(id) => !is_there(layout::SUBTASKS, &format!("{id}.json")),
        DocumentKey::Completion(id) => ["json", "md"]
            .iter()
            .any(|ending| !is_there(layout::COMPLETIONS, &format!("{id}.{ending}"))),
        DocumentKey::Answer(id) => !is_there(layout::ANSWERS, &format!("{id}.json")),
        DocumentKey::WorkerSpec(id) => {
            let name = format!("{id}.json");
            !specs.iter().any(|directory| is_there(directory, &name))
        }
        // The queue is others' file: what is not in it was removed on purpose.
        DocumentKey::QueueEntry(_) => false,
        DocumentKey::Overview => !store.exists(layout::OVERVIEW),
    };
    // Some have no file as long as there is nothing to say.
    let should_be_there = |key: &DocumentKey| {
        projection::render(state, policy, key).iter().any(|document| match document {
            Document::Replace { path, .. } => !store.exists(path),
            Document::Absent { .. } | Document::QueuePatch(_) => false,
        })
    };
    projection::keys(state)
        .into_iter()
        .filter(|key| is_missing(key) && should_be_there(key))
        .collect()
}

impl Daemon {
    /// Finds out what became of every worker that was launched in an earlier life, before anything
    /// is launched again. One that lives is heard of from its holder.
    async fn adopt(&mut self) -> Result<(), DaemonError> {
        let state = self.ledger.state();
        let launched: Vec<Worker> = state
            .live_attempts()
            .filter_map(|id| Worker::of(state, id))
            .filter(|worker| worker.attempt.execution != Execution::External)
            .collect();
        let mut alive = Vec::new();
        for worker in launched {
            let worker_id = &worker.attempt.worker_id;
            match monitor::look(&self.means.store, &worker.attempt) {
                Ok(folder) => {
                    if matches!(folder, Folder::Alive(_)) {
                        alive.push(worker_id.clone());
                    }
                    let told = monitor::told(&self.means, &worker, folder);
                    self.decide_all(&told, clock::now())?;
                }
                Err(problem) => {
                    tracing::error!(worker = %worker_id, problem,
                        "cannot find out what became of a worker");
                }
            }
        }
        if !alive.is_empty() {
            match self.means.holder.client(&self.means).await {
                Ok(client) => {
                    for worker_id in &alive {
                        client.watch(worker_id).await;
                    }
                }
                Err(error) => tracing::warn!(error = %Chain(&error),
                    "cannot reach the holder; workers are looked at with every tick"),
            }
        }
        Ok(())
    }
}
