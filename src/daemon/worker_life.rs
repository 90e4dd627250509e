//! One worker's life as the holder sees it: launched by a keeper, and recorded where the keeper
//! cannot.
#![expect(clippy::disallowed_methods, reason = "this is where the holder starts the keepers")]

use std::io;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::children::{self, Child};
use super::folder::{self, Begun, Marker};
use super::holder::{Holder, log};
use super::keeper::STEP_MS_MAX;
use super::output::Rotation;
use super::process;
use super::process_tree::{self, Stopped, Tree};
use super::protocol::{self, Order, Say, StepInput, StepSays};
use super::worker_end;
use crate::clock;
use crate::domain::ids::WorkerId;
use crate::domain::worker::{Exit, ProcessIdentity};
use crate::store::layout::{self, WorkerFile};

/// How long a keeper may take to start a worker, or to say why not: as long as the step, twice.
const KEEPER_MS_MAX: u64 = 2 * STEP_MS_MAX;
/// How soon it is looked again whether a step without a keeper goes on.
const LOOK_AGAIN_MS: u64 = 20;

/// A worker that is not over.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// Its keeper.
    keeper: ProcessIdentity,
    /// The worker, once it has begun.
    worker: Option<ProcessIdentity>,
}

/// Launches a worker, answers as soon as it is known whether it runs, and sees it to its end.
pub(super) async fn live(holder: &Holder, order: Order, answer: impl FnOnce(Say)) {
    let worker_id = order.worker_id.clone();
    if holder.workers.borrow().contains_key(&worker_id) {
        return answer(Say::Refused { reason: "it is running".into() });
    }
    let nonce = order.nonce.clone();
    let output_bytes_max = order.limits.output_bytes_max;
    let mut keeper = match Keeper::start(holder) {
        Ok(keeper) => keeper,
        Err(error) => {
            let transient = super::launch::is_transient(&error);
            let error = format!("cannot start its keeper: {error}");
            return answer(Say::NotStarted { error, transient });
        }
    };
    let held = Held { keeper: keeper.identity.clone(), worker: None };
    holder.workers.borrow_mut().insert(worker_id.clone(), held.clone());
    let begins = |identity: &ProcessIdentity| {
        let held = Held { worker: Some(identity.clone()), ..held.clone() };
        holder.workers.borrow_mut().insert(worker_id.clone(), held);
        Say::Started { identity: identity.clone() }
    };
    let end = keeper.talk(holder, order).await;
    if let StepEnd::Executed(identity) = &end {
        answer(begins(identity));
        // An error means that it was asked already, which nobody else does.
        let _ = keeper.ended.await;
        if let Some(begun) = begun_by(holder, &worker_id, &nonce, &keeper.identity).await {
            stand_in(holder, &begun, output_bytes_max).await;
        }
        return holder.tell_exited(worker_id);
    }
    let _ = keeper.ended.await;
    let begun = begun_by(holder, &worker_id, &nonce, &keeper.identity).await;
    if let (StepEnd::Killed, Some(begun)) = (&end, &begun) {
        // Either of both was killed before the keeper said that it began.
        answer(begins(&begun.process));
        stand_in(holder, begun, output_bytes_max).await;
        return holder.tell_exited(worker_id);
    }
    if let Some(begun) = &begun {
        stand_in(holder, begun, output_bytes_max).await;
    }
    answer(end.said());
    holder.forget(&worker_id);
}

/// Ends a worker of this holder and everything it started.
pub(super) async fn stop(holder: &Holder, worker_id: &WorkerId, grace_ms: u64) -> Say {
    let is_ours = holder.workers.borrow().get(worker_id).is_some_and(|held| held.worker.is_some());
    let begun = match folder::marker(&holder.store, worker_id) {
        Ok(Marker::Begun(begun)) if is_ours => begun,
        Ok(Marker::Begun(_) | Marker::Absent | Marker::Damaged(_)) | Err(_) => {
            return Say::Unknown { problem: format!("{worker_id} is no worker of this holder") };
        }
    };
    match process_tree::stop(&tree_of(holder, &begun), grace_ms).await {
        Stopped::Gone => Say::Stopped { survivors: Vec::new() },
        Stopped::Survivors(survivors) => Say::Stopped { survivors },
    }
}

/// How the step before exec ended.
enum StepEnd {
    /// It executed the program, unless it was killed within a moment.
    Executed(ProcessIdentity),
    /// Somebody else had the lock or had placed the marker.
    Refused(String),
    /// It could not go on.
    Failed { error: String, transient: bool },
    /// It ended without a word.
    Killed,
}

impl StepEnd {
    fn said(self) -> Say {
        match self {
            StepEnd::Executed(identity) => Say::Started { identity },
            StepEnd::Refused(reason) => Say::Refused { reason },
            StepEnd::Failed { error, transient } => Say::NotStarted { error, transient },
            StepEnd::Killed => {
                let error = "the step before exec was killed".to_owned();
                Say::NotStarted { error, transient: true }
            }
        }
    }
}

/// A keeper that was started.
struct Keeper {
    identity: ProcessIdentity,
    order: Option<ChildStdin>,
    said: Option<ChildStdout>,
    ended: oneshot::Receiver<Exit>,
}

impl Keeper {
    fn start(holder: &Holder) -> io::Result<Self> {
        let mut process = Command::new("/proc/self/exe")
            .args(["worker", "keep"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        // Nobody has asked how it ended, so that the number is its own.
        let known = Child::of(process.id()).zip(process::identify(process.id()));
        let Some((child, identity)) = known else {
            let _ = process.kill();
            // What was killed once may not be killed again.
            return Err(io::Error::new(io::ErrorKind::Interrupted, "it ended at once"));
        };
        let ended = holder.children.end_of(child);
        Ok(Self { identity, order: process.stdin.take(), said: process.stdout.take(), ended })
    }

    /// Gives the order and listens until the program is executed or the keeper has ended.
    async fn talk(&mut self, holder: &Holder, order: Order) -> StepEnd {
        let input = StepInput {
            coordination: holder.store.root().to_owned(),
            holder: holder.identity.clone(),
            keeper: None,
            cgroups: holder.cgroups.clone(),
            order,
        };
        let (give, said) = (self.order.take(), self.said.take());
        let talked = timeout(Duration::from_millis(KEEPER_MS_MAX), talk(give, said, &input)).await;
        talked.unwrap_or_else(|_| {
            log(format_args!("kills the keeper of {}: it hangs", input.order.worker_id));
            process::signal(&self.identity, Signal::KILL);
            StepEnd::Killed
        })
    }
}

async fn talk(give: Option<ChildStdin>, said: Option<ChildStdout>, input: &StepInput) -> StepEnd {
    let mut end = StepEnd::Killed;
    let give = give.and_then(|give| tokio::process::ChildStdin::from_std(give).ok());
    let said = said.and_then(|said| tokio::process::ChildStdout::from_std(said).ok());
    let (Some(mut give), Some(said)) = (give, said) else { return end };
    // If it does not take it all, it says why, or ends without a word.
    let _ = give.write_all(&protocol::to_line(input)).await;
    drop(give);
    let mut said = BufReader::new(said);
    let mut line = Vec::new();
    while let Ok(true) = protocol::read_line(&mut said, &mut line).await {
        match serde_json::from_slice(&line) {
            Ok(StepSays::Begun { identity }) => end = StepEnd::Executed(identity),
            Ok(StepSays::Refused { reason }) => end = StepEnd::Refused(reason),
            Ok(StepSays::Failed { error, transient }) => {
                end = StepEnd::Failed { error, transient };
            }
            Err(error) => log(format_args!("cannot understand a keeper: {error}")),
        }
    }
    end
}

/// Returns the marker of a keeper that has ended, if its step placed it.
async fn begun_by(
    holder: &Holder,
    worker_id: &WorkerId,
    nonce: &str,
    keeper: &ProcessIdentity,
) -> Option<Begun> {
    let is_ours = |begun: &Begun| begun.nonce == nonce && begun.keeper.as_ref() == Some(keeper);
    let marker = || worker_end::begun_as(&holder.store, worker_id, is_ours);
    let until_ms = clock::now().boottime_ms + STEP_MS_MAX;
    loop {
        if let Some(begun) = marker().await {
            return Some(begun);
        }
        // A step that lost its keeper begins nothing, unless it looked for it just before. From
        // then on it has the lock, and lets go of it only after it has begun. Without a process
        // that came to us, or with another's marker, the lock is another's.
        let may_begin = matches!(folder::is_locked(&holder.store, worker_id), Ok(true))
            && matches!(folder::marker(&holder.store, worker_id), Ok(Marker::Absent))
            && !orphans(holder).is_empty();
        if !may_begin {
            return marker().await;
        }
        if clock::now().boottime_ms >= until_ms {
            log(format_args!("kills the step before exec of {worker_id}: it hangs"));
            let lock = folder::lock_path(&holder.store, worker_id);
            let step = Tree::of_worker(keeper.clone(), None, nonce, &lock, None);
            process_tree::stop(&step, 0).await;
        }
        sleep(Duration::from_millis(LOOK_AGAIN_MS)).await;
    }
}

/// Does what a keeper that has ended had left to do: nothing, unless it was killed.
async fn stand_in(holder: &Holder, begun: &Begun, output_bytes_max: u64) {
    let worker_id = &begun.worker_id;
    if folder::is_recorded(&holder.store, worker_id, &begun.nonce) {
        return;
    }
    log(format_args!("the keeper of {worker_id} was killed; the holder waits for its worker"));
    let identity = &begun.process;
    let worker = Child { pid: identity.pid, start_ticks: identity.start_ticks };
    // It became our child the moment its keeper ended.
    let ended = holder.children.end_of(worker);
    let rotation = Rotation::new(&holder.store, worker_id, output_bytes_max);
    let exit = watched(ended, rotation).await.unwrap_or(Exit::Unknown);
    let tree = tree_of(holder, begun);
    let is_alone = || !process_tree::remains(&tree);
    worker_end::end(&holder.store, begun, exit, None, &tree, is_alone).await;
}

/// Waits for a worker and keeps its output near its limit meanwhile.
async fn watched(
    mut ended: oneshot::Receiver<Exit>,
    mut rotation: Option<Rotation>,
) -> Result<Exit, oneshot::error::RecvError> {
    while let Some(mut turned) = rotation.take() {
        // It copies as much as the limit allows: nobody else is to wait for that.
        let looked = tokio::task::spawn_blocking(move || (turned.look(), turned)).await;
        let Ok((pause_ms, turned)) = looked else { break };
        rotation = Some(turned);
        if let Ok(exit) = timeout(Duration::from_millis(pause_ms), &mut ended).await {
            if let Some(mut turned) = rotation.take() {
                // What it printed last is kept near the limit too.
                let _ = tokio::task::spawn_blocking(move || turned.look()).await;
            }
            return exit;
        }
    }
    ended.await
}

/// Returns what tells the processes of a worker. Where its keeper is gone, what it left alone has
/// become ours.
fn tree_of(holder: &Holder, begun: &Begun) -> Tree {
    let mut tree = worker_end::tree_of(&holder.store, begun);
    let is_kept = |worker_id: &WorkerId, held: &Held| {
        let exit = layout::worker_file(worker_id, WorkerFile::Exit);
        process::is_alive(&held.keeper) || holder.store.exists(&exit)
    };
    let workers = holder.workers.borrow();
    let mut others = workers.iter().filter(|(id, _)| **id != begun.worker_id);
    // With another worker that lost its keeper, nobody can tell whose they are.
    if others.all(|(worker_id, held)| is_kept(worker_id, held)) {
        tree.add(orphans(holder));
    }
    tree
}

/// Finds processes that came to the holder by the death of a keeper.
fn orphans(holder: &Holder) -> Vec<Child> {
    let workers = holder.workers.borrow();
    let keepers: Vec<u32> = workers.values().map(|held| held.keeper.pid).collect();
    let strangers = children::all().into_iter().filter(|pid| !keepers.contains(pid));
    strangers.filter_map(Child::of).collect()
}
