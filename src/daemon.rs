//! The one loop, and everything that touches processes, signals and the watcher.
//!
//! [`run`] takes a directory and holds it until it is asked to stop. Whatever reaches it becomes an
//! input, is decided on in memory, and is made durable by one sync for many; only then does
//! anything follow from it.

mod asking;
mod batch;
mod boot;
pub mod brief_worker;
mod carry_out;
mod cgroup;
mod children;
mod descriptors;
mod documents;
mod drafting;
mod effects;
mod error;
pub mod folder;
mod follow;
pub mod holder;
pub mod holder_client;
mod holder_link;
mod intakes;
pub mod keeper;
mod knowledge;
pub mod launch;
mod looks;
mod monitor;
mod move_spec;
pub mod output;
mod probe;
pub mod process;
pub mod process_tree;
pub mod process_usage;
mod protocol;
mod signals;
pub mod spec_process;
mod stop;
mod systemd;
mod watch;
mod work_order;
mod worker_end;
mod worker_life;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock;
use crate::config::Overrides;
use crate::domain::deadline::deadline;
use crate::domain::worker::Execution;
use crate::domain::{Effect, Input, Moment, State, outbox};
use crate::intake;
use crate::store::DirectoryLock;
use batch::Ledger;
use documents::{Documents, World};
use effects::{Answer, Effects, Job, Means};
use error::Chain;
use holder_client::HolderEvent;
use intakes::Intakes;
use looks::Looks;
use monitor::Monitor;
use signals::{Orders, SignalListener};
use systemd::Systemd;
use watch::{BEATS_MS, Watch};

pub use batch::BatchError;
pub use error::DaemonError;
pub use signals::{Shutdown, ShutdownHandle, Urgency, shutdown};

/// When a deadline has passed and nothing came of it, the domain is asked again after this.
const DEADLINE_AGAIN_MS: u64 = 100;
/// How often everything is looked at where directories cannot be watched.
const POLL_MS: u64 = 2_000;
/// How long the first delay after a queue that could not be patched is at the most.
const QUEUE_RETRY_MS_MAX: u64 = 5_000;

/// What a daemon is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The coordination directory; it must exist.
    pub coordination: PathBuf,
    /// Settings that win over the file and the environment.
    pub overrides: Overrides,
    /// Whether TERM, INT and HUP are taken as requests.
    pub handle_signals: bool,
    /// The program to start holders and built-in workers with; `None`: the one that is running.
    pub executable: Option<PathBuf>,
}

/// How a daemon ended that was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything is written.
    Drained,
    /// It was asked to end at once; the next start goes on where the journal ends.
    AtOnce,
}

/// Takes a directory and serves it until `shutdown` asks to stop.
///
/// # Errors
/// The directory cannot be taken, or going on would do harm; see [`DaemonError::exit_code`].
pub async fn run(options: Options, shutdown: Shutdown) -> Result<Ended, DaemonError> {
    let _signals = if options.handle_signals {
        Some(SignalListener::start(shutdown.handle()).map_err(DaemonError::Start)?)
    } else {
        None
    };
    let mut daemon = boot::boot(options, shutdown).await?;
    let ended = daemon.serve().await;
    // A draft that is under way is cut off by us and not the other way round.
    drafting::end_all(&daemon.means.store);
    if let Err(error) = &ended {
        tracing::error!(error = %Chain(error), "the daemon has to end");
    }
    ended
}

/// As [`run`], on a runtime of its own in this thread.
///
/// # Errors
/// As [`run`], or there is no runtime.
pub fn run_blocking(options: Options, shutdown: Shutdown) -> Result<Ended, DaemonError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(DaemonError::Start)?
        .block_on(run(options, shutdown))
}

/// A daemon that has its directory.
struct Daemon {
    options: Options,
    means: Means,
    ledger: Ledger,
    documents: Documents,
    effects: Effects,
    monitor: Monitor,
    looks: Looks,
    intakes: Intakes,
    watch: Watch,
    holder_events: mpsc::Receiver<HolderEvent>,
    shutdown: Shutdown,
    orders: Orders,
    systemd: Systemd,
    /// When everything is looked at, on the boot-time clock.
    tick_at_ms: u64,
    /// Set while there is no room for the journal: when to try again.
    held_until_ms: Option<u64>,
    /// Set when a drain began.
    drain_until_ms: Option<u64>,
    /// Says that nobody outside is waited for any more.
    stop_asking: tokio::sync::watch::Sender<bool>,
    /// For life.
    _lock: DirectoryLock,
}

/// What ended the waiting.
enum Wake {
    Hint,
    Answer(Job, Answer),
    Holder(HolderEvent),
    Asked,
    Time,
}

impl Daemon {
    async fn serve(&mut self) -> Result<Ended, DaemonError> {
        loop {
            let wake = self.wait().await;
            let now = clock::now();
            self.systemd.ping(now.boottime_ms);
            self.obey();
            if self.orders.urgency == Urgency::Now {
                return Ok(Ended::AtOnce);
            }
            self.gather(wake, now)?;
            self.commit(now).await?;
            if self.is_drained(now) {
                return self.finish().await;
            }
            // Where hints never end, jobs want to go on too.
            tokio::task::yield_now().await;
        }
    }

    /// Waits for anything: this is the one place that does.
    async fn wait(&mut self) -> Wake {
        let now_ms = clock::now().boottime_ms;
        let pause = Duration::from_millis(self.due_ms(now_ms).saturating_sub(now_ms));
        // While there is no room nothing is taken in: it waits where it is.
        let takes = self.held_until_ms.is_none();
        tokio::select! {
            biased;
            () = self.shutdown.changed() => Wake::Asked,
            (job, answer) = self.effects.next(), if takes => Wake::Answer(job, answer),
            Some(event) = self.holder_events.recv(), if takes => Wake::Holder(event),
            () = self.watch.heard(), if takes => Wake::Hint,
            () = tokio::time::sleep(pause) => Wake::Time,
        }
    }

    /// Returns when something is due though nothing happens, on the boot-time clock.
    fn due_ms(&self, now_ms: u64) -> u64 {
        let ping = self.systemd.next_ping_ms();
        if let Some(held_ms) = self.held_until_ms {
            return ping.map_or(held_ms, |ping| ping.min(held_ms));
        }
        let documents = self.documents.due_ms(self.is_idle(), self.overview_delay_ms());
        let effects = self.effects.due_ms(self.ledger.state(), now_ms, self.may());
        let collect = self.documents.collect_due_ms();
        let always = [ping, documents, effects, collect, self.drain_until_ms];
        let while_serving = [
            Some(self.tick_at_ms),
            self.intakes.due_ms(),
            self.deadline_ms(now_ms),
            self.looks.due_ms(),
        ];
        let serving = while_serving.into_iter().filter(|_| self.drain_until_ms.is_none());
        always.into_iter().chain(serving).flatten().min().unwrap_or(self.tick_at_ms)
    }

    fn deadline_ms(&self, now_ms: u64) -> Option<u64> {
        let due = deadline(self.ledger.state(), &self.means.config.policy)?;
        let is_of_this_boot = due.boot == clock::boot_id();
        let due_ms = if is_of_this_boot { due.boottime_ms } else { 0 };
        // It was asked in this turn already.
        Some(if due_ms <= now_ms { now_ms + DEADLINE_AGAIN_MS } else { due_ms })
    }

    fn overview_delay_ms(&self) -> u64 {
        self.means.config.daemon.overview_delay_ms
    }

    /// Tells whether nothing is under way whose outcome will change documents in a moment.
    fn is_idle(&self) -> bool {
        self.effects.running() == 0 && !self.watch.has_hints()
    }

    fn is_draining(&self) -> bool {
        self.drain_until_ms.is_some()
    }

    /// Says which effects may be started.
    fn may(&self) -> fn(&Effect) -> bool {
        if self.is_draining() { effects::may_while_draining } else { effects::may_always }
    }

    /// Takes what is ready, up to a bound, and decides on it in memory.
    fn gather(&mut self, wake: Wake, now: Moment) -> Result<(), DaemonError> {
        if self.held_until_ms.is_some() {
            return Ok(());
        }
        self.note_suspension(now)?;
        let mut left = self.means.config.daemon.batch_max;
        let mut next = match wake {
            Wake::Answer(job, answer) => Some((job, answer)),
            Wake::Holder(event) => {
                self.hear(event);
                None
            }
            Wake::Hint | Wake::Asked | Wake::Time => None,
        }
        .or_else(|| self.effects.try_next());
        while let Some((job, answer)) = next {
            self.take_answer(job, answer, now)?;
            left = left.saturating_sub(1);
            next = if left > 0 { self.effects.try_next() } else { None };
        }
        while let Ok(event) = self.holder_events.try_recv() {
            self.hear(event);
        }
        let mut ends = self.monitor.gather(self.ledger.state(), &self.means);
        if self.orders.urgency >= Urgency::StopWorkers {
            ends.iter_mut().for_each(stop::as_interruption);
        }
        self.decide_all(&ends, now)?;
        if self.is_draining() {
            self.stop_workers(now);
            return Ok(());
        }
        self.tick(now)?;
        self.look(now)?;
        self.settle(now)?;
        self.look_at_workers(now);
        Ok(())
    }

    /// Says so where the host was suspended, before any limit on time is looked at.
    fn note_suspension(&mut self, now: Moment) -> Result<(), DaemonError> {
        let total_ms = clock::suspended_ms();
        match self.ledger.state().suspended_beyond(total_ms, &now) {
            Some(_) => self.decide_all(&[Input::HostSuspended { total_ms }], now),
            None => Ok(()),
        }
    }

    fn hear(&mut self, event: HolderEvent) {
        match event {
            HolderEvent::Exited { worker_id } => self.monitor.is_over(worker_id),
            HolderEvent::Lost => {
                tracing::warn!("the holder is gone; its workers run on and are watched");
                self.monitor.suspect_all(self.ledger.state());
            }
        }
    }

    fn take_answer(&mut self, job: Job, answer: Answer, now: Moment) -> Result<(), DaemonError> {
        match answer {
            Answer::Inputs(inputs) => {
                self.decide_all(&inputs, now)?;
                let is_owed = match &job {
                    Job::Effect(effect) => outbox(self.ledger.state()).contains(effect),
                    Job::StopForShutdown(id) => effects::is_at_work(self.ledger.state(), id),
                    Job::PatchQueue | Job::CollectLate | Job::Look => false,
                };
                if is_owed {
                    let problem = hindrance(self.ledger.state(), &job);
                    self.effects.failed(job, &problem, now.boottime_ms);
                } else {
                    self.effects.succeeded(&job);
                }
            }
            Answer::Patched { took_ms, kept } => {
                self.documents.patched(now.boottime_ms, took_ms, kept);
                self.effects.succeeded(&job);
            }
            Answer::Collected { kept, problem } => {
                self.documents.keep(now.boottime_ms, kept);
                match problem {
                    Some(problem) => {
                        self.effects.failed(job, &problem, now.boottime_ms);
                    }
                    None => self.effects.succeeded(&job),
                }
            }
            Answer::Looked(look) => {
                self.effects.succeeded(&job);
                self.take_look(*look, now)?;
            }
            Answer::NotLooked(memory, problem) => {
                self.looks.keep(memory);
                let not_before_ms = self.effects.failed(job, &problem, now.boottime_ms);
                self.looks.failed(not_before_ms);
            }
            Answer::Again(problem) => {
                let is_queue = job == Job::PatchQueue;
                let is_look = job == Job::Look;
                let not_before_ms = self.effects.failed(job, &problem, now.boottime_ms);
                if is_look {
                    self.looks.failed(not_before_ms);
                }
                if is_queue {
                    let after_ms = not_before_ms.saturating_sub(now.boottime_ms);
                    let after_ms = after_ms.min(QUEUE_RETRY_MS_MAX);
                    self.documents.not_patched(now.boottime_ms, after_ms);
                }
            }
        }
        Ok(())
    }

    /// Looks at everything when it is time, whatever was heard.
    fn tick(&mut self, now: Moment) -> Result<(), DaemonError> {
        if now.boottime_ms < self.tick_at_ms {
            return Ok(());
        }
        let every_ms = self.means.config.daemon.tick_ms;
        let every_ms = if self.watch.is_whole() { every_ms } else { every_ms.min(POLL_MS) };
        self.tick_at_ms = now.boottime_ms.saturating_add(every_ms);
        self.means.store.still_there().map_err(DaemonError::DirectoryGone)?;
        self.monitor.suspect_all(self.ledger.state());
        self.effects.forget_settled(self.ledger.state());
        self.extend_watch();
        self.intakes.look_everywhere(now.boottime_ms);
        self.systemd.status(self.status());
        Ok(())
    }

    fn status(&self) -> String {
        let state = self.ledger.state();
        format!(
            "{} open tasks, {} attempts under way",
            state.open_tasks().count(),
            state.live_attempts().count()
        )
    }

    /// Looks where a hint points to and where it is time.
    fn look(&mut self, now: Moment) -> Result<(), DaemonError> {
        let hints = self.watch.take();
        if let Some(complaint) = &hints.complaint {
            tracing::warn!(complaint, "the watcher complains; looking everywhere");
        }
        if hints.directories {
            self.extend_watch();
        }
        if hints.everywhere {
            self.intakes.look_everywhere(now.boottime_ms);
        }
        self.intakes.look_at(&hints.intakes, now.boottime_ms);
        // Not `now`, which is from before the hint: until this look others are not told.
        self.intakes.look_later(&hints.later, clock::now().boottime_ms.saturating_add(BEATS_MS));
        while let Some(seen) = self.intakes.look(self.ledger.state(), &self.means, now) {
            self.decide_all(&seen.inputs, now)?;
            self.documents.touch_keys(seen.stale, now.boottime_ms);
        }
        Ok(())
    }

    /// Watches directories that are new; what is in them already is looked at.
    fn extend_watch(&mut self) {
        let state = self.ledger.state();
        let awaited = state
            .live_attempts()
            .filter_map(|id| state.attempt(id))
            .filter(|(_, _, attempt)| attempt.execution == Execution::External)
            .map(|(_, _, attempt)| &attempt.worker_id)
            .chain(state.specs.keys())
            .chain(intake::reports::late(state).map(|(attempt, _)| &attempt.worker_id))
            .cloned()
            .collect();
        if self.watch.extend(&self.means.store, &awaited) {
            self.intakes.look_everywhere(clock::now().boottime_ms);
        }
    }

    fn decide_all(&mut self, inputs: &[Input], now: Moment) -> Result<(), DaemonError> {
        for input in inputs {
            tracing::trace!(?input);
            let decided = self.ledger.decide(&self.means.config.policy, input, now)?;
            if let Some((state, record)) = decided {
                self.documents.touch(state, record);
            }
        }
        Ok(())
    }

    fn settle(&mut self, now: Moment) -> Result<(), DaemonError> {
        let documents = &mut self.documents;
        self.ledger.settle(&self.means.config.policy, now, &mut |state, record| {
            documents.touch(state, record);
        })?;
        Ok(())
    }

    /// Reads the configuration again when that was asked for; a bad one changes nothing.
    fn obey(&mut self) {
        let orders = self.shutdown.orders();
        if orders.reloads != self.orders.reloads {
            match boot::load_config(&self.options) {
                Ok(config) => {
                    tracing::info!("the configuration was read again");
                    self.means.config = Arc::new(config);
                    self.looks.plan_again();
                }
                Err(error) => tracing::warn!(error = %Chain(&error),
                    "the new configuration is refused; the old one stays"),
            }
        }
        if orders.urgency > self.orders.urgency {
            self.begin_to_stop(orders.urgency);
        }
        self.orders = orders;
    }
}

/// Says why an effect that was carried out is still owed.
fn hindrance(state: &State, job: &Job) -> String {
    let launched = match job {
        Job::Effect(Effect::LaunchWorker(id)) => state.attempt(id),
        Job::Effect(_)
        | Job::PatchQueue
        | Job::CollectLate
        | Job::StopForShutdown(_)
        | Job::Look => None,
    };
    let hindrance = launched.and_then(|(_, _, attempt)| attempt.hindrance.clone());
    hindrance.unwrap_or_else(|| "it is owed all the same".to_owned())
}

/// What documents are rendered from and written to.
fn world<'a>(means: &'a Means, ledger: &'a Ledger, looks: &'a Looks) -> World<'a> {
    World { store: &means.store, state: ledger.state(), policy: &means.config.policy, looks }
}
