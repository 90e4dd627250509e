//! What the world still owes: effects whose outcome is not journalled yet.

use std::collections::BTreeSet;

use super::ids::{AttemptId, ClaimId, SubtaskId, TaskId, WorkerId};
use super::state::State;

/// One thing to be done outside. Asking for the same one twice is harmless: each is keyed by what
/// it acts on, and whoever carries it out looks first whether it was done before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Put a claimed file into `inbox/accepted/` or `inbox/rejected/`; answered by `ClaimSettled`.
    SettleClaim(ClaimId),
    /// Withdraw a handoff by renaming it; answered by `HandoffWithdrawn`.
    WithdrawHandoff(AttemptId),
    /// Stop a worker's process tree; answered by `WorkerExited` or `WorkerInterrupted`.
    StopWorker(AttemptId),
    /// Put a handoff in place; answered by `HandoffPublished`.
    PublishHandoff(AttemptId),
    /// Start a worker; answered by `WorkerStarted` or `WorkerNotStarted`.
    LaunchWorker(AttemptId),
    /// Draft a plan; answered by `Drafted`.
    DraftPlan(TaskId),
    /// Find out what takes the place of a subtask; answered by `Revised`.
    RevisePlan(SubtaskId),
    /// Move the spec of a worker that is over; answered by `SpecMoved`.
    MoveSpec(WorkerId),
}

/// Returns every effect that is owed, the same live and after a crash.
pub fn outbox(state: &State) -> &BTreeSet<Effect> {
    state.owed()
}
