//! How each effect is carried out. Whoever does it looks first whether it was done before.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::{Mutex, mpsc};

use super::asking::Drafting;
use super::effects::{Answer, Means};
use super::error::Chain;
use super::folder;
use super::holder::HolderError;
use super::holder_client::{HolderClient, HolderEvent, Launched, Limits};
use super::monitor::{self, Folder, Worker};
use super::move_spec::move_spec;
use super::process_tree::{self, Stopped, Tree};
use super::spec_process;
use crate::backend::{self, LaunchRequest};
use crate::clock;
use crate::config::Config;
use crate::domain::document::QueuePatch;
use crate::domain::handoff::{Handoff, handoff_path};
use crate::domain::ids::{AttemptId, ClaimId};
use crate::domain::spec::SpecWorker;
use crate::domain::state::Claim;
use crate::domain::worker::{Attempt, AttemptPhase, Execution};
use crate::domain::{Effect, Input, State};
use crate::intake;
use crate::planner;
use crate::store::queue::{self, Kept};
use crate::store::{Published, Renamed, Store, layout};

/// A handoff is not read beyond this.
const HANDOFF_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Work that needs nothing of the loop any more.
pub(super) type Work = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Prepares an effect; an error is a contradiction within the state.
pub(super) fn work(effect: &Effect, state: &State, means: &Means) -> Result<Work, String> {
    let means = means.clone();
    Ok(match effect {
        Effect::DraftPlan(id) => {
            let drafting = Drafting::of(id, state, &means)?;
            let task = state.tasks.get(id).ok_or_else(|| format!("there is no task {id}"))?;
            let harvest = means.knowledge.harvest(state, task, &means.config);
            Box::pin(
                drafting.run(|means| {
                    means.knowledge.surroundings(harvest, &means.store, &means.config)
                }),
            )
        }
        Effect::RevisePlan(id) => {
            // A few texts put together, and it needs the state: no work for another thread.
            let outcome = planner::revise(state, id, &means.config.policy);
            let revision = state.revising(id).ok_or_else(|| format!("{id} is not revised"))?;
            let revised = Input::Revised { subtask_id: id.clone(), revision, outcome };
            Box::pin(async { Answer::Inputs(vec![revised]) })
        }
        Effect::MoveSpec(id) => {
            let worker = state.specs.get(id).ok_or_else(|| format!("{id} is not followed"))?;
            let folder = worker.settled.ok_or_else(|| format!("{id} is not over"))?;
            let worker = worker.clone();
            blocking(move || move_spec(&means.store, &worker, folder))
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
            let worker =
                Worker::of(state, id).ok_or_else(|| format!("there is no attempt {id}"))?;
            let specs: Vec<SpecWorker> = state.specs_of(id).cloned().collect();
            Box::pin(async move { stop_worker(&means, &worker, &specs).await })
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

fn settle_claim(store: &Store, id: ClaimId, claim: &Claim) -> Answer {
    match intake::inbox::settle(store, &id, claim, clock::now().wall) {
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
            // Its name may not be on disk yet, if a crash cut the publishing off.
            store.sync_parent(&order.path).map(|()| Published::AlreadyThere)
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
    let limits = limits(means, &order);
    match client.launch(&attempt.worker_id, &attempt.id, &attempt.nonce, launch, limits).await {
        Ok(Launched::Started(identity) | Launched::Already(identity)) => {
            Answer::Inputs(vec![Input::WorkerStarted { attempt_id, identity }])
        }
        Ok(Launched::Failed { error, transient: true }) => {
            match folder::inspect(&means.store, &attempt.worker_id, &attempt.nonce) {
                Ok(Folder::Empty) => refused(error, true),
                // Its folder is used up, and the next one needs another.
                Ok(Folder::Done { .. } | Folder::Interrupted(_)) => {
                    Answer::Inputs(vec![Input::WorkerInterrupted { attempt_id, reason: error }])
                }
                Ok(Folder::Alive(_) | Folder::Foreign) => Answer::Again(error),
                Err(error) => again(&error),
            }
        }
        Ok(Launched::Failed { error, transient: false }) => refused(error, false),
        Err(error) => again(&error),
    }
}

fn limits(means: &Means, order: &Order) -> Limits {
    let worker_type = &order.handoff.subtask.worker_type;
    let limits = means.config.policy.supervision_of(&order.attempt.agent, worker_type);
    Limits {
        output_bytes_max: limits.output_bytes_max,
        memory_bytes_max: limits.memory_bytes_max,
        processes_max: limits.processes_max,
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
async fn stop_worker(means: &Means, worker: &Worker, specs: &[SpecWorker]) -> Answer {
    if worker.attempt.execution == Execution::External {
        return stop_stranger(means, worker, specs).await;
    }
    match stop(means, worker).await {
        Ok(Stop::Over(Folder::Empty)) => Answer::Inputs(vec![Input::WorkerNotStarted {
            attempt_id: worker.attempt.id.clone(),
            error: "it was called back before it was started".into(),
            transient: true,
        }]),
        Ok(Stop::Over(folder)) => Answer::Inputs(monitor::told(means, worker, folder)),
        Ok(Stop::Survived(survivors)) => unstoppable(worker, &survivors),
        Err(problem) => Answer::Again(problem),
    }
}

/// Stops a worker because no process of ours is to remain. What it has not delivered counts as
/// interrupted, not as failed.
pub(super) async fn stop_for_shutdown(means: &Means, worker: &Worker) -> Answer {
    match stop(means, worker).await {
        Ok(Stop::Over(Folder::Done { .. } | Folder::Interrupted(_))) => {
            let attempt_id = worker.attempt.id.clone();
            let reason = "it was stopped with the daemon".to_owned();
            let interrupted = Input::WorkerInterrupted { attempt_id, reason };
            Answer::Inputs(monitor::delivered(means, worker).unwrap_or(vec![interrupted]))
        }
        Ok(Stop::Over(folder)) => Answer::Inputs(monitor::told(means, worker, folder)),
        // Nobody called it back: it is the next start that may have to ask.
        Ok(Stop::Survived(survivors)) => {
            let worker_id = &worker.attempt.worker_id;
            Answer::Again(format!("{worker_id} cannot be stopped: {survivors:?} are still there"))
        }
        Err(problem) => Answer::Again(problem),
    }
}

/// Says that processes of a worker could not be ended: nobody else may be given its work before
/// they are gone.
fn unstoppable(worker: &Worker, survivors: &[u32]) -> Answer {
    let attempt_id = worker.attempt.id.clone();
    Answer::Inputs(vec![Input::WorkerUnstoppable { attempt_id, survivors: survivors.to_vec() }])
}

/// Stops a worker that a master started, where the operator lets us and nothing speaks against its
/// being that worker, and tells what it left. Otherwise a person is asked to end it.
async fn stop_stranger(means: &Means, worker: &Worker, specs: &[SpecWorker]) -> Answer {
    let attempt = &worker.attempt;
    let AttemptPhase::Ending { identity: Some(identity), .. } = &attempt.phase else {
        return Answer::Again(format!("nobody knows which process carries out {}", attempt.id));
    };
    let tree = Tree::of_stranger(identity.clone());
    let master = means.config.policy.masters.get(&attempt.agent);
    let doubt = if master.is_some_and(|master| master.may_stop) {
        spec_process::doubt(&means.store, identity, specs)
    } else {
        Some(format!("masters.{}.may_stop is not set any more", attempt.agent))
    };
    let stopped = match doubt {
        None => process_tree::stop(&tree, grace_ms(means, worker)).await,
        Some(doubt) => {
            let stopped = process_tree::look(&tree);
            if let Stopped::Survivors(pids) = &stopped {
                tracing::warn!(attempt = %attempt.id, ?pids, doubt, "a worker is not stopped");
            }
            stopped
        }
    };
    match stopped {
        Stopped::Gone => Answer::Inputs(monitor::left_by_stranger(means, worker)),
        Stopped::Survivors(survivors) => unstoppable(worker, &survivors),
    }
}

/// Returns how long a worker has to end by itself.
fn grace_ms(means: &Means, worker: &Worker) -> u64 {
    let worker_type = &worker.subtask.worker_type;
    means.config.policy.supervision_of(&worker.attempt.agent, worker_type).stop_grace_ms
}

/// What came of stopping a worker.
enum Stop {
    /// Nothing of it runs; its folder says this.
    Over(Folder),
    /// These processes run on after KILL.
    Survived(Vec<u32>),
}

/// Ends a worker if it lives, and returns what its folder says then.
async fn stop(means: &Means, worker: &Worker) -> Result<Stop, String> {
    let attempt = &worker.attempt;
    let look = || monitor::look(&means.store, attempt);
    let mut folder = look()?;
    if folder == Folder::Empty {
        // A launch that an earlier daemon asked for may be on its way: of the two, the one whose
        // marker is first decides.
        let forbidden = folder::forbid(&means.store, attempt);
        if forbidden.map_err(|error| Chain(&error).to_string())? {
            return Ok(Stop::Over(Folder::Empty));
        }
        folder = look()?;
    }
    let Folder::Alive(identity) = folder else { return Ok(Stop::Over(folder)) };
    let grace_ms = grace_ms(means, worker);
    let client = means.holder.client(means).await.map_err(|error| Chain(&error).to_string())?;
    match client.stop(&attempt.worker_id, &identity, grace_ms).await {
        Ok(Stopped::Gone) => Ok(Stop::Over(look()?)),
        Ok(Stopped::Survivors(survivors)) => Ok(Stop::Survived(survivors)),
        Err(error) => Err(Chain(&error).to_string()),
    }
}

pub(super) fn patch_queue(store: &Store, patches: &[QueuePatch]) -> Answer {
    let begun = clock::now();
    match queue::patch(store, patches) {
        Ok(patched) => {
            let took_ms = clock::now().since_ms(&begun).unwrap_or(0);
            Answer::Patched { took_ms, kept: patched.kept }
        }
        Err(error) => again(&error),
    }
}

pub(super) fn collect_late(store: &Store, mut kept: Vec<Kept>) -> Answer {
    let collected = queue::collect_late(store, &mut kept, clock::now());
    Answer::Collected { kept, problem: collected.err().map(|error| Chain(&error).to_string()) }
}

pub(super) fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Work {
    // Begun now, not when the loop next rests.
    let done = tokio::task::spawn_blocking(work);
    Box::pin(async {
        done.await.unwrap_or_else(|error| Answer::Again(format!("an internal error: {error}")))
    })
}

fn again(error: &dyn std::error::Error) -> Answer {
    Answer::Again(Chain(error).to_string())
}

/// The way to the holder, opened when it is first needed: a directory whose masters are all
/// external has none.
pub(super) struct Holder {
    client: Mutex<Option<HolderClient>>,
    events: mpsc::Sender<HolderEvent>,
}

impl Holder {
    /// Tells of workers' ends through `events`.
    pub(super) fn new(events: mpsc::Sender<HolderEvent>) -> Self {
        Self { client: Mutex::new(None), events }
    }

    /// Returns the client, and starts a holder if there is none.
    ///
    /// # Errors
    /// None answers and none can be started.
    pub(super) async fn client(&self, means: &Means) -> Result<HolderClient, HolderError> {
        let mut place = self.client.lock().await;
        if let Some(client) = &*place {
            return Ok(client.clone());
        }
        let (client, mut heard) =
            HolderClient::connect_or_start(&means.store, &means.executable).await?;
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

#[cfg(test)]
mod tests;
