//! The end of a worker: what it left running is ended, what it came to is recorded.
//!
//! Done by its keeper; by the holder where the keeper was killed.

use std::time::Duration;

use tokio::time::sleep;

use super::cgroup;
use super::folder::{self, Begun, Ended, FolderError, Marker};
use super::holder::log;
use super::process;
use super::process_tree::{self, Stopped, Tree};
use crate::clock;
use crate::domain::ids::WorkerId;
use crate::domain::worker::Exit;
use crate::store::{ReadError, Store};

/// How long a worker's left-over processes have to end by themselves once it is over.
pub(super) const LEFTOVER_GRACE_MS: u64 = 2_000;
/// How often what is left is ended before it is recorded that it has ended.
const STOPS_MAX: u32 = 50;
/// How soon an exit that could not be recorded is tried again: the disk may be full.
const RECORD_AGAIN_MS: u64 = 1_000;

/// Returns what tells the processes of a worker.
pub(super) fn tree_of(store: &Store, begun: &Begun) -> Tree {
    Tree::of_worker(
        begun.process.clone(),
        begun.keeper.clone(),
        &begun.nonce,
        &folder::lock_path(store, &begun.worker_id),
        begun.cgroup.clone(),
    )
}

/// Returns the marker if this process placed it. It tries until that can be told: while we live
/// and have not said how it ended, everybody waits for it.
pub(super) async fn begun_as(
    store: &Store,
    worker_id: &WorkerId,
    is_ours: impl Fn(&Begun) -> bool,
) -> Option<Begun> {
    loop {
        let problem = match folder::marker(store, worker_id) {
            Ok(Marker::Begun(begun)) => return is_ours(&begun).then_some(*begun),
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

/// Ends what a worker left running, so that its work is never done by two at once, and records how
/// it ended. `is_alone` says, as well as this process can see it, that nothing was left.
pub(super) async fn end(
    store: &Store,
    begun: &Begun,
    exit: Exit,
    error: Option<String>,
    tree: &Tree,
    is_alone: impl Fn() -> bool,
) {
    let mut survivors = Vec::new();
    for _ in 0..STOPS_MAX {
        if is_alone() {
            break;
        }
        // What starts another one and ends, again and again, may slip through a look.
        if let Stopped::Survivors(left) = process_tree::stop(tree, LEFTOVER_GRACE_MS).await {
            let worker_id = &begun.worker_id;
            log(format_args!("{worker_id} left processes that cannot be ended: {left:?}"));
            survivors = left;
            break;
        }
    }
    if let Some(leaf) = begun.cgroup.as_deref().filter(|_| survivors.is_empty()) {
        cgroup::remove(leaf).await;
    }
    record(store, begun, exit, error, survivors).await;
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
        surviving: survivors.iter().filter_map(|pid| process::identify(*pid)).collect(),
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
