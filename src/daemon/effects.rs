//! Carries out what the world is owed. Every outcome comes back as an input; what fails for want
//! of something is tried again, less and less often, and never forgotten.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};
use tokio::task::{Id, JoinError, JoinSet};

use super::documents::Chain;
use super::holder_client::{HolderClient, HolderError, HolderEvent, Launched, Stopped};
use super::monitor::{self, Folder};
use crate::backend::{self, LaunchRequest};
use crate::clock;
use crate::config::Config;
use crate::domain::document::QueuePatch;
use crate::domain::handoff::{Handoff, handoff_path};
use crate::domain::ids::{AttemptId, ClaimId, TaskId};
use crate::domain::plan::DraftOutcome;
use crate::domain::state::Claim;
use crate::domain::task::TaskSpec;
use crate::domain::worker::{Attempt, Execution};
use crate::domain::{Effect, Input, State, outbox};
use crate::intake;
use crate::planner;
use crate::store::{Published, Renamed, Store, layout, queue};

/// So many jobs are under way at the same time.
const RUNNING_MAX: usize = 32;
/// Delay before the first repetition; each further one is twice as long.
const RETRY_FIRST_MS: u64 = 1_000;
/// How often a repetition that is due but has no place looks for one.
const LOOK_AGAIN_MS: u64 = 50;
/// No delay is longer.
const RETRY_MS_MAX: u64 = 60_000;
/// A handoff is not read beyond this.
const HANDOFF_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// One thing that is done beside the loop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// Owed by the outbox.
    Effect(Effect),
    /// Put our fields into the queue.
    PatchQueue,
    /// Stop a worker because the daemon was asked to leave none.
    StopForShutdown(AttemptId),
}

/// What came of a job.
#[derive(Debug)]
pub enum Answer {
    /// It was carried out.
    Inputs(Vec<Input>),
    /// It could not be carried out now, and why.
    Again(String),
    /// The queue was patched; how long it took.
    Patched {
        /// In milliseconds.
        took_ms: u64,
    },
}

/// What jobs work with; a copy for each.
#[derive(Clone)]
pub struct Means {
    /// The directory.
    pub store: Store,
    /// The configuration.
    pub config: Arc<Config>,
    /// The program that Baton itself is.
    pub executable: PathBuf,
    /// The way to the holder.
    pub holder: Arc<Holder>,
}

/// The jobs that are under way or will be tried again.
#[derive(Default)]
pub struct Effects {
    running: JoinSet<Answer>,
    jobs: HashMap<Id, Job>,
    failures: BTreeMap<Job, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    not_before_ms: u64,
}

type Work = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Effects {
    /// Returns how many jobs are under way.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Tells whether this job is under way.
    pub fn is_running(&self, job: &Job) -> bool {
        self.jobs.values().any(|running| running == job)
    }

    /// Returns effects that are owed, may be started now and find a place, most urgent first.
    pub fn startable(&self, state: &State, now_ms: u64, may: fn(&Effect) -> bool) -> Vec<Effect> {
        let places = RUNNING_MAX.saturating_sub(self.running.len());
        if places == 0 {
            return Vec::new();
        }
        let waits = |effect: &Effect| {
            self.failures
                .get(&Job::Effect(effect.clone()))
                .is_some_and(|failures| failures.not_before_ms > now_ms)
        };
        // Publishing, withdrawing, launching and stopping one attempt exclude each other.
        let is_taken = |effect: &Effect| {
            self.jobs.values().any(|job| match job {
                Job::Effect(running) => subject(running) == subject(effect),
                Job::PatchQueue | Job::StopForShutdown(_) => false,
            })
        };
        outbox(state)
            .iter()
            .filter(|effect| may(effect) && !waits(effect) && !is_taken(effect))
            .take(places)
            .cloned()
            .collect()
    }

    /// Starts an effect; what it needs is taken from `state` now.
    pub fn start(&mut self, effect: Effect, state: &State, means: &Means) {
        let work = work(&effect, state, means).unwrap_or_else(|problem| {
            Box::pin(std::future::ready(Answer::Again(problem)))
        });
        self.spawn(Job::Effect(effect), work);
    }

    /// Starts to put changes into the queue.
    pub fn start_patch(&mut self, patches: Vec<QueuePatch>, means: &Means) {
        let store = means.store.clone();
        self.spawn(Job::PatchQueue, blocking(move || patch_queue(&store, &patches)));
    }

    /// Starts to stop a worker for good, because the daemon was asked to leave none.
    pub fn start_stop(&mut self, attempt: Attempt, means: &Means) {
        let job = Job::StopForShutdown(attempt.id.clone());
        if !self.is_running(&job) {
            let means = means.clone();
            self.spawn(job, Box::pin(async move { stop_for_shutdown(&means, &attempt).await }));
        }
    }

    /// Waits for a job to end. Cancelling it loses nothing.
    pub async fn next(&mut self) -> (Job, Answer) {
        loop {
            match self.running.join_next_with_id().await {
                Some(ended) => {
                    if let Some(done) = self.ended(ended) {
                        return done;
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Returns a job that has ended, if there is one.
    pub fn try_next(&mut self) -> Option<(Job, Answer)> {
        while let Some(ended) = self.running.try_join_next_with_id() {
            if let Some(done) = self.ended(ended) {
                return Some(done);
            }
        }
        None
    }

    /// Notes that a job was carried out and its outcome applied.
    pub fn succeeded(&mut self, job: &Job) {
        self.failures.remove(job);
    }

    /// Notes that a job could not be carried out, says so, and returns when it may be tried again.
    pub fn failed(&mut self, job: Job, problem: &str, now_ms: u64) -> u64 {
        let count = self.failures.get(&job).map_or(1, |failures| failures.count.saturating_add(1));
        let delay_ms = RETRY_FIRST_MS.saturating_mul(1 << count.min(16).saturating_sub(1));
        let not_before_ms = now_ms.saturating_add(delay_ms.min(RETRY_MS_MAX));
        tracing::warn!(?job, problem, count, "cannot carry out an effect; trying again");
        self.failures.insert(job, Failures { count, not_before_ms });
        not_before_ms
    }

    /// Returns when the next repetition is due, on the boot-time clock. What could be started by
    /// now has been: the rest waits for a place or for what it excludes.
    pub fn due_ms(&self, state: &State, now_ms: u64, may: fn(&Effect) -> bool) -> Option<u64> {
        let is_waited_for = |job: &Job| match job {
            Job::Effect(effect) => {
                may(effect) && outbox(state).contains(effect) && !self.is_running(job)
            }
            // Documents and the drain have times of their own.
            Job::PatchQueue | Job::StopForShutdown(_) => false,
        };
        let due = self.failures.iter().filter(|(job, _)| is_waited_for(job));
        due.map(|(_, failures)| failures.not_before_ms.max(now_ms + LOOK_AGAIN_MS)).min()
    }

    /// Forgets failures of what is not owed any more.
    pub fn forget_settled(&mut self, state: &State) {
        self.failures.retain(|job, _| match job {
            Job::Effect(effect) => outbox(state).contains(effect),
            Job::PatchQueue | Job::StopForShutdown(_) => true,
        });
    }

    fn spawn(&mut self, job: Job, work: Work) {
        let id = self.running.spawn(work).id();
        self.jobs.insert(id, job);
    }

    fn ended(&mut self, ended: Result<(Id, Answer), JoinError>) -> Option<(Job, Answer)> {
        let (id, answer) = match ended {
            Ok(done) => done,
            Err(error) => (error.id(), Answer::Again(format!("an internal error: {error}"))),
        };
        Some((self.jobs.remove(&id)?, answer))
    }
}

/// The way to the holder, opened when it is first needed: a directory whose masters are all
/// external has none.
pub struct Holder {
    client: Mutex<Option<HolderClient>>,
    events: mpsc::Sender<HolderEvent>,
}

impl Holder {
    /// Tells of workers' ends through `events`.
    pub fn new(events: mpsc::Sender<HolderEvent>) -> Self {
        Self { client: Mutex::new(None), events }
    }

    /// Returns the client, and starts a holder if there is none.
    ///
    /// # Errors
    /// None answers and none can be started.
    pub async fn client(&self, means: &Means) -> Result<HolderClient, HolderError> {
        let mut place = self.client.lock().await;
        if let Some(client) = &*place {
            return Ok(client.clone());
        }
        let (client, mut heard) =
            HolderClient::connect_or_start(means.store.root(), &means.executable).await?;
        let events = self.events.clone();
        tokio::spawn(async move {
            while let Some(event) = heard.recv().await {
                if events.send(event).await.is_err() {
                    return;
                }
            }
        });
        *place = Some(client.clone());
        Ok(client)
    }
}

/// Names what an effect acts on.
fn subject(effect: &Effect) -> &str {
    match effect {
        Effect::SettleClaim(id) => id.as_str(),
        Effect::WithdrawHandoff(id)
        | Effect::StopWorker(id)
        | Effect::PublishHandoff(id)
        | Effect::LaunchWorker(id) => id.as_str(),
        Effect::DraftPlan(id) => id.as_str(),
    }
}

/// Prepares an effect; an error is a contradiction within the state.
fn work(effect: &Effect, state: &State, means: &Means) -> Result<Work, String> {
    let means = means.clone();
    Ok(match effect {
        Effect::DraftPlan(id) => {
            let task = state.tasks.get(id).ok_or_else(|| format!("there is no task {id}"))?;
            let (id, spec) = (id.clone(), task.spec.clone());
            Box::pin(draft_plan(means, id, spec))
        }
        Effect::SettleClaim(id) => {
            let claim = state.claims.get(id).ok_or_else(|| format!("there is no claim {id}"))?;
            let (id, claim) = (id.clone(), claim.clone());
            blocking(move || settle_claim(&means.store, id, &claim))
        }
        Effect::PublishHandoff(id) => {
            let order = Order::of(state, id, &means.config)?;
            blocking(move || publish_handoff(&means.store, &order))
        }
        Effect::WithdrawHandoff(id) => {
            let order = Order::of(state, id, &means.config)?;
            blocking(move || withdraw_handoff(&means.store, &order))
        }
        Effect::LaunchWorker(id) => {
            let order = Order::of(state, id, &means.config)?;
            Box::pin(async move { launch_worker(&means, order).await })
        }
        Effect::StopWorker(id) => {
            let attempt = Order::of(state, id, &means.config)?.attempt;
            Box::pin(async move { stop_worker(&means, &attempt).await })
        }
    })
}

/// Everything that effects on an attempt need to know.
struct Order {
    attempt: Attempt,
    handoff: Handoff,
    /// Relative to `coordination/`, without the ending that says who took it.
    path: String,
}

impl Order {
    fn of(state: &State, id: &AttemptId, config: &Config) -> Result<Self, String> {
        let missing = || format!("there is no attempt {id}");
        let (run, position, attempt) = state.attempt(id).ok_or_else(missing)?;
        let result_kind = monitor::result_kind(config, &attempt.agent);
        let handoff = Handoff::of(state, id, result_kind).ok_or_else(missing)?;
        let path = handoff_path(run.kind, attempt, &run.plan.subtasks[position].subtask_id);
        Ok(Self { attempt: attempt.clone(), handoff, path })
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        let mut bytes = serde_json::to_vec_pretty(&self.handoff)
            .map_err(|error| format!("cannot write the handoff as JSON: {error}"))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

async fn draft_plan(means: Means, task_id: TaskId, spec: TaskSpec) -> Answer {
    let drafted = tokio::task::spawn_blocking(move || {
        planner::draft(&planner::Request { task: &spec }, &means.config.policy)
    });
    let outcome = drafted.await.unwrap_or_else(|error| {
        tracing::error!(%error, %task_id, "the planner failed");
        DraftOutcome::Refuse {
            reason: "an internal error of the planner".into(),
            remedy: "word the task differently or give its subtasks, and report the error".into(),
        }
    });
    Answer::Inputs(vec![Input::Drafted { task_id, outcome }])
}

fn settle_claim(store: &Store, id: ClaimId, claim: &Claim) -> Answer {
    match intake::inbox::settle(store, &id, claim) {
        Ok(()) => Answer::Inputs(vec![Input::ClaimSettled { claim: id }]),
        Err(error) => again(&error),
    }
}

fn publish_handoff(store: &Store, order: &Order) -> Answer {
    let bytes = match order.bytes() {
        Ok(bytes) => bytes,
        Err(problem) => return Answer::Again(problem),
    };
    let published = match &order.attempt.execution {
        // Nobody but ourselves takes it, and it can be written again at any time.
        Execution::Launched { .. } => store.publish(&order.taken(), &bytes, false),
        // Under one of its names it was published before, and may be taken already.
        Execution::External if order.names().iter().any(|name| store.exists(name)) => {
            Ok(Published::AlreadyThere)
        }
        Execution::External => store
            .create_dirs(&layout::worker(&order.attempt.worker_id))
            .and_then(|()| store.publish(&order.path, &bytes, true)),
    };
    match published {
        Ok(Published::New | Published::AlreadyThere) => {
            let attempt_id = order.attempt.id.clone();
            Answer::Inputs(vec![Input::HandoffPublished { attempt_id }])
        }
        Err(error) => again(&error),
    }
}

impl Order {
    fn taken(&self) -> String {
        format!("{}.processed", self.path)
    }

    fn withdrawn(&self) -> String {
        format!("{}.withdrawn", self.path)
    }

    fn names(&self) -> [String; 3] {
        [self.path.clone(), self.taken(), self.withdrawn()]
    }
}

/// Of two renames, ours and the master's, the one that succeeds decides.
fn withdraw_handoff(store: &Store, order: &Order) -> Answer {
    let in_time = match store.rename(&order.path, &order.withdrawn()) {
        Ok(Renamed::Done) => true,
        Ok(Renamed::SourceGone) => !store.exists(&order.taken()),
        Ok(Renamed::TargetExists) => {
            return Answer::Again(format!("{} is in the way; move it away", order.withdrawn()));
        }
        Err(error) => return again(&error),
    };
    let attempt_id = order.attempt.id.clone();
    Answer::Inputs(vec![Input::HandoffWithdrawn { attempt_id, in_time }])
}

async fn launch_worker(means: &Means, order: Order) -> Answer {
    let attempt_id = order.attempt.id.clone();
    let refused = |error: String, transient: bool| {
        let attempt_id = attempt_id.clone();
        Answer::Inputs(vec![Input::WorkerNotStarted { attempt_id, error, transient }])
    };
    // It was not synced when it was published.
    if let Err(problem) = restore_handoff(&means.store, &order) {
        return Answer::Again(problem);
    }
    let launch = match describe_launch(means, &order) {
        Ok(launch) => launch,
        Err(problem) => return refused(problem, false),
    };
    let attempt = &order.attempt;
    let client = match means.holder.client(means).await {
        Ok(client) => client,
        Err(error) => return again(&error),
    };
    match client.launch(&attempt.worker_id, &attempt.id, &attempt.nonce, launch).await {
        Ok(Launched::Started(identity) | Launched::Already(identity)) => {
            Answer::Inputs(vec![Input::WorkerStarted { attempt_id, identity }])
        }
        Ok(Launched::Failed { error, transient }) => refused(error, transient),
        Err(error) => again(&error),
    }
}

fn restore_handoff(store: &Store, order: &Order) -> Result<(), String> {
    let (path, bytes) = (order.taken(), order.bytes()?);
    let there = store.read(&path, HANDOFF_BYTES_MAX).map_err(|error| error.to_string())?;
    if there.is_some_and(|file| file.bytes == bytes) {
        return Ok(());
    }
    store.replace(&path, &bytes).map_err(|error| Chain(&error).to_string())
}

fn describe_launch(means: &Means, order: &Order) -> Result<backend::Launch, String> {
    let attempt = &order.attempt;
    let Execution::Launched { backend: name } = &attempt.execution else {
        return Err(format!("{} is external: it starts its own workers", attempt.agent));
    };
    let backend = backend::find(name).ok_or_else(|| format!("there is no backend {name:?}"))?;
    let settings = means.config.backends.get(&attempt.agent).cloned().unwrap_or_default();
    (backend.launch)(&LaunchRequest {
        handoff: &order.handoff,
        attempt,
        coordination: means.store.root(),
        handoff_path: &means.store.root().join(order.taken()),
        workspace: &means.config.workspace,
        executable: &means.executable,
        settings: &settings,
    })
}

/// Stops a worker that nobody needs any more and tells what became of it.
async fn stop_worker(means: &Means, attempt: &Attempt) -> Answer {
    match stop(means, attempt).await {
        Ok(Folder::Empty) => Answer::Inputs(vec![Input::WorkerNotStarted {
            attempt_id: attempt.id.clone(),
            error: "it was called back before it was started".into(),
            transient: true,
        }]),
        Ok(folder) => Answer::Inputs(monitor::told(means, attempt, folder)),
        Err(problem) => Answer::Again(problem),
    }
}

/// Stops a worker because no process of ours is to remain. What it has not delivered counts as
/// interrupted, not as failed.
async fn stop_for_shutdown(means: &Means, attempt: &Attempt) -> Answer {
    match stop(means, attempt).await {
        Ok(Folder::Done { .. } | Folder::Interrupted(_)) => {
            let attempt_id = attempt.id.clone();
            let reason = "it was stopped with the daemon".to_owned();
            let interrupted = Input::WorkerInterrupted { attempt_id, reason };
            Answer::Inputs(monitor::delivered(means, attempt).unwrap_or(vec![interrupted]))
        }
        Ok(folder) => Answer::Inputs(monitor::told(means, attempt, folder)),
        Err(problem) => Answer::Again(problem),
    }
}

/// Ends a worker if it lives, and returns what its folder says then.
async fn stop(means: &Means, attempt: &Attempt) -> Result<Folder, String> {
    let look = || monitor::look(&means.store, attempt);
    let Folder::Alive(identity) = look()? else { return look() };
    let grace_ms = means.config.daemon.stop_grace_ms;
    let client = means.holder.client(means).await.map_err(|error| Chain(&error).to_string())?;
    match client.stop(&attempt.worker_id, &identity, grace_ms).await {
        Ok(Stopped::Gone) => look(),
        Ok(Stopped::Survivors(pids)) => {
            Err(format!("processes {pids:?} of worker {} cannot be ended", attempt.worker_id))
        }
        Err(error) => Err(Chain(&error).to_string()),
    }
}

fn patch_queue(store: &Store, patches: &[QueuePatch]) -> Answer {
    let begun = clock::now();
    match queue::patch(store, patches) {
        Ok(_) => Answer::Patched { took_ms: clock::now().since_ms(&begun).unwrap_or(0) },
        Err(error) => again(&error),
    }
}

fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Work {
    Box::pin(async {
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Answer::Again(format!("an internal error: {error}")))
    })
}

fn again(error: &dyn std::error::Error) -> Answer {
    Answer::Again(Chain(error).to_string())
}
