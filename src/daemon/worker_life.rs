//! One worker's life as its parent sees it: launched, waited for, cleaned up after, recorded.
#![expect(clippy::disallowed_methods, reason = "this is where the holder starts the workers")]

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, test_kill_process_group};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::folder::{self, Begun, Ended, FolderError, Marker};
use super::holder::{Holder, log};
use super::process_tree::{self, Stopped, Tree};
use super::protocol::{self, Order, Say, StepInput, StepSays};
use crate::clock;
use crate::domain::ids::WorkerId;
use crate::domain::worker::{Exit, ProcessIdentity};
use crate::store::{ReadError, Store};

/// How long the step before exec may take; it opens a few files.
const STEP_MS_MAX: u64 = 20_000;
/// How long a worker's left-over processes have to end by themselves once it is over.
const LEFTOVER_GRACE_MS: u64 = 2_000;
/// How soon an exit that could not be recorded is tried again: the disk may be full.
const RECORD_AGAIN_MS: u64 = 1_000;

/// Launches a worker, answers as soon as it is known whether it runs, and sees it to its end.
pub(super) async fn live(holder: &Holder, order: Order, answer: impl FnOnce(Say)) {
    let worker_id = order.worker_id.clone();
    if holder.workers.borrow().contains_key(&worker_id) {
        return answer(Say::Refused { reason: "it is running".into() });
    }
    holder.workers.borrow_mut().insert(worker_id.clone(), None);
    let nonce = order.nonce.clone();
    let Step { mut child, said } = match start_step(holder, order).await {
        Ok(step) => step,
        Err(error) => {
            let transient = super::launch::is_transient(&error);
            let error = format!("cannot start the step before exec: {error}");
            holder.forget(&worker_id);
            return answer(Say::NotStarted { error, transient });
        }
    };
    let pid = child.id();
    if let StepEnd::Executed(identity) = &said {
        holder.workers.borrow_mut().insert(worker_id.clone(), Some(identity.clone()));
        answer(Say::Started { identity: identity.clone() });
        let exit = how_it_ended(child.wait().await);
        if let Some(begun) = begun_as(&holder.store, &worker_id, &nonce, pid).await {
            let survivors = end_leftovers(&holder.store, &begun).await;
            record(&holder.store, &begun, exit, None, survivors).await;
        }
        return holder.tell_exited(worker_id);
    }
    let exit = how_it_ended(child.wait().await);
    let begun = begun_as(&holder.store, &worker_id, &nonce, pid).await;
    let mut is_over = false;
    let said = match said {
        StepEnd::Executed(identity) => Say::Started { identity },
        StepEnd::Refused(reason) => Say::Refused { reason },
        StepEnd::Failed { error, transient } => {
            if let Some(begun) = &begun {
                record(&holder.store, begun, exit, Some(error.clone()), Vec::new()).await;
            }
            Say::NotStarted { error, transient }
        }
        StepEnd::Killed => match begun {
            Some(begun) => {
                record(&holder.store, &begun, exit, None, Vec::new()).await;
                is_over = true;
                Say::Started { identity: begun.process }
            }
            None => {
                let error = "the step before exec was killed".to_owned();
                Say::NotStarted { error, transient: true }
            }
        },
    };
    answer(said);
    if is_over { holder.tell_exited(worker_id) } else { holder.forget(&worker_id) }
}

/// Ends a worker of this holder and everything it started.
pub(super) async fn stop(holder: &Holder, worker_id: &WorkerId, grace_ms: u64) -> Say {
    let is_ours = matches!(holder.workers.borrow().get(worker_id), Some(Some(_)));
    let begun = match folder::marker(&holder.store, worker_id) {
        Ok(Marker::Begun(begun)) if is_ours => begun,
        Ok(Marker::Begun(_) | Marker::Absent | Marker::Damaged(_)) | Err(_) => {
            return Say::Unknown { problem: format!("{worker_id} is no worker of this holder") };
        }
    };
    match process_tree::stop(&tree_of(&holder.store, &begun), grace_ms).await {
        Stopped::Gone => Say::Stopped { survivors: Vec::new() },
        Stopped::Survivors(survivors) => Say::Stopped { survivors },
    }
}

/// Returns what tells the processes of a worker.
pub(super) fn tree_of(store: &Store, begun: &Begun) -> Tree {
    Tree {
        leader: begun.process.clone(),
        nonce: begun.nonce.clone(),
        lock_path: folder::lock_path(store, &begun.worker_id),
    }
}

/// The step before exec, which is the worker from then on.
struct Step {
    child: Child,
    said: StepEnd,
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

async fn start_step(holder: &Holder, order: Order) -> std::io::Result<Step> {
    let mut child = Command::new("/proc/self/exe")
        .args(["worker", "exec"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let input = StepInput {
        coordination: holder.store.root().to_owned(),
        holder: holder.identity.clone(),
        order,
    };
    let talked = timeout(Duration::from_millis(STEP_MS_MAX), talk(&mut child, &input)).await;
    let said = talked.unwrap_or_else(|_| {
        log(format_args!("kills the step before exec of {}: it hangs", input.order.worker_id));
        // It is our child and nobody has waited for it: this is no other process.
        let _ = child.start_kill();
        StepEnd::Killed
    });
    Ok(Step { child, said })
}

/// Gives the order and listens until the step closes its end, by executing the program or by
/// ending.
async fn talk(child: &mut Child, input: &StepInput) -> StepEnd {
    if let Some(mut stdin) = child.stdin.take() {
        // If it does not take it all, it says why, or ends without a word.
        let _ = stdin.write_all(&protocol::to_line(input)).await;
    }
    let mut end = StepEnd::Killed;
    let Some(stdout) = child.stdout.take() else { return end };
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    while let Ok(true) = protocol::read_line(&mut stdout, &mut line).await {
        match serde_json::from_slice(&line) {
            Ok(StepSays::Begun { identity }) => end = StepEnd::Executed(identity),
            Ok(StepSays::Refused { reason }) => end = StepEnd::Refused(reason),
            Ok(StepSays::Failed { error, transient }) => {
                end = StepEnd::Failed { error, transient };
            }
            Err(error) => log(format_args!("cannot understand the step before exec: {error}")),
        }
    }
    end
}

/// Returns the marker if our child placed it. It tries until that can be told: while we live and
/// have not said how our child ended, everybody waits for it.
async fn begun_as(
    store: &Store,
    worker_id: &WorkerId,
    nonce: &str,
    pid: Option<u32>,
) -> Option<Begun> {
    loop {
        let problem = match folder::marker(store, worker_id) {
            Ok(Marker::Begun(begun)) => {
                let is_ours = begun.nonce == nonce && Some(begun.process.pid) == pid;
                return is_ours.then_some(*begun);
            }
            Ok(Marker::Absent) => return None,
            Ok(Marker::Damaged(problem)) => {
                log(format_args!("cannot record the end of {worker_id}: {problem}"));
                return None;
            }
            Err(error) => error,
        };
        log(format_args!("cannot tell whether {worker_id} began: {problem}"));
        // Anything but a disk or a system in need is in the way for good, and is no marker of ours.
        let may_pass = matches!(problem, FolderError::Read(ReadError::Io { .. }));
        if !may_pass || store.still_there().is_err() {
            return None;
        }
        sleep(Duration::from_millis(RECORD_AGAIN_MS)).await;
    }
}

/// Ends what a worker left running, so that its work is never done by two at once. Most leave
/// nothing, which two system calls tell.
async fn end_leftovers(store: &Store, begun: &Begun) -> Vec<u32> {
    let group = i32::try_from(begun.process.pid).ok().and_then(Pid::from_raw);
    let is_group_empty = group.is_none_or(|group| test_kill_process_group(group).is_err());
    if is_group_empty && matches!(folder::is_locked(store, &begun.worker_id), Ok(false)) {
        return Vec::new();
    }
    match process_tree::stop(&tree_of(store, begun), LEFTOVER_GRACE_MS).await {
        Stopped::Gone => Vec::new(),
        Stopped::Survivors(survivors) => {
            log(format_args!(
                "{} left processes that cannot be ended: {survivors:?}",
                begun.worker_id
            ));
            survivors
        }
    }
}

/// Writes `exit.json`, and tries until it is there: without it the work would be done again.
async fn record(
    store: &Store,
    begun: &Begun,
    exit: Exit,
    error: Option<String>,
    survivors: Vec<u32>,
) {
    let ended = Ended {
        schema: "baton/exit@1".into(),
        nonce: begun.nonce.clone(),
        exit,
        ended_at: clock::now().wall,
        error,
        survivors,
    };
    while let Err(error) = folder::end(store, &begun.worker_id, &ended) {
        log(format_args!("cannot record the end of {}: {error}", begun.worker_id));
        if store.still_there().is_err() {
            return;
        }
        sleep(Duration::from_millis(RECORD_AGAIN_MS)).await;
    }
}

fn how_it_ended(status: std::io::Result<ExitStatus>) -> Exit {
    match status.ok().map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => Exit::Code(code),
        Some((None, Some(signal))) => Exit::Signal(signal),
        Some((None, None)) | None => Exit::Unknown,
    }
}
