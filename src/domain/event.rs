//! What was decided or seen to have happened: past tense, and never taken back.

mod course;
mod kind;
mod record;
mod recovery;
mod supervision;

use serde::{Deserialize, Serialize};

use super::ids::{
    AgentName, AttemptId, ClaimId, CommandId, OrchestrationId, SubtaskId, TaskId, WorkerId,
};
use super::input::{Command, Problem};
use super::plan::{Plan, Why};
use super::report::{Failure, ReportFinding, SubtaskResult};
use super::spec::SpecSeen;
use super::task::{TaskSource, TaskSpec};
use super::worker::{Exit, ProcessIdentity, Recall};

pub use course::{Blocked, Decided, HandedOff, Overdue, Retried};
pub use record::{JOURNAL_SCHEMA, Record};
pub use recovery::{
    CircuitChanged, Compensated, CompensationFailed, CompensationStarted, PlanRevised, Reassigned,
    RevisionRefused, RevisionRequested,
};
pub use supervision::{Found, Held, HostResumed, SpecMoved, SpecSettled, Unstoppable, Untaken};

/// One fact. The tag is the `type` of its line in `dashboard-events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A daemon took the directory.
    DaemonStarted {
        /// Its version.
        version: String,
        /// Its process id.
        pid: u32,
        /// Its epoch.
        epoch: u64,
        /// How long the host was suspended in this boot, where the daemon said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        suspended_ms: Option<u64>,
    },
    /// The host goes on after it was suspended: no worker could use that time.
    HostResumed(HostResumed),
    /// The daemon let the directory go.
    DaemonStopped {
        /// Why.
        reason: String,
    },
    /// A task is ours now; a draft of its plan is owed.
    TaskAccepted {
        /// Its id, the author's or ours.
        task_id: TaskId,
        /// Where it came from.
        source: TaskSource,
        /// What was asked.
        spec: Box<TaskSpec>,
    },
    /// A task is refused and kept: in the queue with `status: "rejected"`, or in `inbox/rejected/`.
    TaskRejected {
        /// Its id, when it had been accepted or could be read.
        task_id: Option<String>,
        /// Where it came from.
        source: TaskSource,
        /// Its title.
        title: String,
        /// Why, and what to do.
        error: String,
    },
    /// A task that is known came again under the same id and is not run again.
    TaskRepeated {
        /// Its id.
        task_id: TaskId,
        /// Where it came from this time.
        source: TaskSource,
        /// What its author can do.
        remedy: String,
    },
    /// An open task was removed from the queue by somebody else.
    TaskRemoved {
        /// Its id.
        task_id: TaskId,
        /// How often, this time included.
        times: u32,
        /// True when it is put back: only after the first time.
        put_back: bool,
    },
    /// A task that was missing from the queue is there again.
    TaskReturned {
        /// Its id.
        task_id: TaskId,
    },
    /// A task that ended without a run is planned again by a person's wish.
    TaskRetried {
        /// Its id.
        task_id: TaskId,
        /// By whose wish.
        reason: String,
    },
    /// A task goes whole to one master.
    TaskRouted {
        /// Its id.
        task_id: TaskId,
        /// Its run.
        orchestration_id: OrchestrationId,
        /// Who gets it.
        assigned_to: AgentName,
        /// The plan of its one subtask.
        plan: Box<Plan>,
        /// Why it is not split, and why this master.
        why: Why,
    },
    /// A task was split and its plan is valid.
    PlanAccepted {
        /// Its id.
        task_id: TaskId,
        /// Its run.
        orchestration_id: OrchestrationId,
        /// The plan.
        plan: Box<Plan>,
        /// Why it is split.
        why: Why,
    },
    /// The run of a plan begins.
    OrchestrationStarted {
        /// Which.
        orchestration_id: OrchestrationId,
        /// How many subtasks it has.
        subtasks: usize,
    },
    /// A subtask is given to a master: the intent, before anything is on disk or started.
    SubtaskHandedOff(HandedOff),
    /// A handoff is on disk.
    HandoffPublished {
        /// Which.
        attempt_id: AttemptId,
        /// Its subtask.
        subtask_id: SubtaskId,
    },
    /// A master took a handoff.
    HandoffTaken {
        /// Which.
        attempt_id: AttemptId,
        /// Its subtask.
        subtask_id: SubtaskId,
    },
    /// A published handoff is gone under every name; the operator has to look.
    HandoffLost {
        /// Which.
        attempt_id: AttemptId,
        /// Its subtask.
        subtask_id: SubtaskId,
        /// What the operator can do.
        remedy: String,
    },
    /// A handoff was taken back before anybody had taken it.
    HandoffWithdrawn {
        /// Which.
        attempt_id: AttemptId,
        /// Its subtask.
        subtask_id: SubtaskId,
        /// Why.
        reason: String,
    },
    /// A worker runs.
    WorkerStarted {
        /// Which.
        worker_id: WorkerId,
        /// The attempt it carries out.
        attempt_id: AttemptId,
        /// Its subtask.
        subtask_id: SubtaskId,
        /// The process.
        identity: ProcessIdentity,
    },
    /// A worker could not be started; nothing ran. Where no other event says what follows, the same
    /// attempt waits until it can be started.
    WorkerNotStarted {
        /// Which.
        worker_id: WorkerId,
        /// The attempt it was for.
        attempt_id: AttemptId,
        /// Its subtask.
        subtask_id: SubtaskId,
        /// Why.
        error: String,
    },
    /// A worker's process is gone.
    WorkerExited {
        /// Which.
        worker_id: WorkerId,
        /// The attempt it carried out.
        attempt_id: AttemptId,
        /// Its subtask.
        subtask_id: SubtaskId,
        /// How it ended.
        exit: Exit,
    },
    /// An attempt is called back because nobody wants its result: its worker is to be stopped, or
    /// its handoff withdrawn.
    AttemptRecalled {
        /// Which.
        worker_id: WorkerId,
        /// The attempt it carries out.
        attempt_id: AttemptId,
        /// Its subtask.
        subtask_id: SubtaskId,
        /// Why, for a person.
        reason: String,
        /// Why, by its kind.
        #[serde(default)]
        cause: Recall,
    },
    /// A worker shows no sign of life for the time in which a heartbeat is due.
    WorkerHeartbeatMissed(Found),
    /// One look found a worker stalled or gone; the next has to agree.
    WorkerSuspected(Found),
    /// A worker makes no progress.
    WorkerStalled(Found),
    /// A worker's process is gone without a result.
    WorkerGone(Found),
    /// A worker that was doubted shows signs of life again.
    WorkerRecovered(Found),
    /// A worker cannot be ended; nobody else gets its work before it is gone.
    WorkerUnstoppable(Unstoppable),
    /// Many workers look dead at once: no verdict counts until the next look.
    VerdictsHeld(Held),
    /// Nobody takes a handoff.
    HandoffUntaken(Untaken),
    /// A master made a worker of its own known, or said something new of it.
    WorkerSpecSeen(SpecSeen),
    /// A worker of a master is over: its spec is to be moved.
    WorkerSpecSettled(SpecSettled),
    /// The spec of a worker was moved, or is gone.
    WorkerSpecMoved(SpecMoved),
    /// An attempt was cut off from outside; a new one follows and no retry is used up.
    AttemptInterrupted {
        /// Which.
        attempt_id: AttemptId,
        /// Its subtask.
        subtask_id: SubtaskId,
        /// By what.
        reason: String,
    },
    /// An attempt was ended by a decision.
    AttemptCancelled {
        /// Which.
        attempt_id: AttemptId,
        /// Its subtask.
        subtask_id: SubtaskId,
        /// Why.
        reason: String,
    },
    /// A report counts.
    ReportAccepted {
        /// The attempt it is about.
        attempt_id: AttemptId,
        /// Its subtask.
        subtask_id: SubtaskId,
        /// What it says and what was found.
        finding: ReportFinding,
        /// The claim, when it came by the inbox.
        claim: Option<ClaimId>,
    },
    /// A report does not count, and is recorded.
    ReportRefused {
        /// The subtask it names.
        subtask_id: SubtaskId,
        /// The attempt it names.
        attempt_id: Option<AttemptId>,
        /// Where it was read.
        path: String,
        /// Its digest, so that it is told once.
        digest: String,
        /// Why.
        reason: String,
        /// The claim, when it came by the inbox.
        claim: Option<ClaimId>,
    },
    /// A subtask is done.
    SubtaskCompleted {
        /// Which run.
        orchestration_id: OrchestrationId,
        /// Which.
        subtask_id: SubtaskId,
        /// The attempt that did it.
        attempt_id: AttemptId,
        /// What it delivered.
        result: SubtaskResult,
    },
    /// An attempt at a subtask failed.
    SubtaskFailed {
        /// Which run.
        orchestration_id: OrchestrationId,
        /// Which.
        subtask_id: SubtaskId,
        /// The attempt that failed.
        attempt_id: AttemptId,
        /// How.
        failure: Failure,
    },
    /// What is done about a failure, and why.
    RecoveryDecided(Decided),
    /// A subtask is tried again when its back-off is over.
    SubtaskRetried(Retried),
    /// A subtask goes to another agent.
    SubtaskReassigned(Reassigned),
    /// A subtask is to be replaced by others.
    RevisionRequested(RevisionRequested),
    /// A plan was changed while it ran.
    PlanRevised(PlanRevised),
    /// A plan could not be changed.
    RevisionRefused(RevisionRefused),
    /// What a run did is undone, the last first.
    CompensationStarted(CompensationStarted),
    /// A subtask is undone.
    SubtaskCompensated(Compensated),
    /// A subtask could not be undone; those before it still are.
    CompensationFailed(CompensationFailed),
    /// Everything of a run that could be undone is.
    OrchestrationRolledBack {
        /// Which.
        orchestration_id: OrchestrationId,
        /// Its task.
        task_id: TaskId,
        /// Why.
        reason: String,
    },
    /// A master whose attempts fail in a row is given nothing for a while.
    CircuitOpened(CircuitChanged),
    /// It is given one attempt, to see.
    CircuitHalfOpened(CircuitChanged),
    /// It is given work as before.
    CircuitClosed(CircuitChanged),
    /// Drafting the plan of a task ended the daemon.
    DraftCrashed {
        /// Which.
        task_id: TaskId,
        /// How often, this time included.
        times: u32,
    },
    /// Nobody answered what a run waits for.
    EscalationOverdue(Overdue),
    /// The back-off of a subtask is over: it may start as soon as limits allow.
    BackoffEnded {
        /// Which run.
        orchestration_id: OrchestrationId,
        /// Which.
        subtask_id: SubtaskId,
    },
    /// A subtask is left out.
    SubtaskSkipped {
        /// Which run.
        orchestration_id: OrchestrationId,
        /// Which.
        subtask_id: SubtaskId,
        /// By whose wish.
        reason: String,
    },
    /// A stage is complete.
    StageCompleted {
        /// Which run.
        orchestration_id: OrchestrationId,
        /// Which stage, from 1.
        stage: usize,
    },
    /// A run reached its goal: all five conditions of S4-68 hold.
    OrchestrationCompleted {
        /// Which.
        orchestration_id: OrchestrationId,
        /// Its task.
        task_id: TaskId,
        /// From the plan to the last result, on the boot-time clock where one boot saw both.
        duration_ms: u64,
    },
    /// A run ended without its goal.
    OrchestrationFailed {
        /// Which.
        orchestration_id: OrchestrationId,
        /// Its task.
        task_id: TaskId,
        /// Why.
        reason: String,
    },
    /// A run waits for a person.
    OrchestrationBlocked(Blocked),
    /// A run gives no new handoffs.
    OrchestrationPaused {
        /// Which.
        orchestration_id: OrchestrationId,
        /// By whose wish.
        reason: String,
    },
    /// A run goes on.
    OrchestrationResumed {
        /// Which.
        orchestration_id: OrchestrationId,
        /// By whose wish.
        reason: String,
    },
    /// Subtasks of a run are done again by a person's wish, with all their attempts before them.
    OrchestrationRetried {
        /// Which.
        orchestration_id: OrchestrationId,
        /// Its subtasks that begin anew.
        subtasks: Vec<SubtaskId>,
        /// By whose wish.
        reason: String,
    },
    /// A run was ended by a person; what runs is stopped.
    OrchestrationCancelled {
        /// Which.
        orchestration_id: OrchestrationId,
        /// Its task.
        task_id: TaskId,
        /// By whose wish.
        reason: String,
    },
    /// A task was ended by a person before it had a run.
    TaskCancelled {
        /// Which.
        task_id: TaskId,
        /// By whose wish.
        reason: String,
    },
    /// A command was carried out.
    CommandAccepted {
        /// The claim on its file.
        claim: ClaimId,
        /// The command.
        command: Command,
        /// Numeric owner of the file.
        owner: u32,
        /// What it did, for its author.
        message: String,
    },
    /// A command was not carried out.
    CommandRefused {
        /// The claim on its file.
        claim: ClaimId,
        /// The command.
        command: Command,
        /// Numeric owner of the file.
        owner: u32,
        /// Why, and what to do.
        error: String,
    },
    /// A command came again under the same id; its answer stands.
    CommandRepeated {
        /// The claim on its file.
        claim: ClaimId,
        /// The id.
        command_id: CommandId,
    },
    /// A message was dropped.
    MessageReceived {
        /// The claim on its file.
        claim: ClaimId,
        /// The name it was dropped as.
        file: String,
        /// The message as it is.
        message: serde_json::Value,
    },
    /// A dropped file is of no use to us and is in `inbox/rejected/`.
    DropRejected {
        /// The claim on it.
        claim: ClaimId,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A file that stays where it is cannot be used; said once for each content.
    FileQuarantined {
        /// What is wrong with it.
        problem: Problem,
        /// CRC-32C of its bytes in hex, or a word for what it is.
        digest: String,
        /// Where a copy was put, relative to `coordination/`.
        copy: Option<String>,
    },
    /// A file that was refused can be used again, or is gone.
    FileRestored {
        /// Its path relative to `coordination/`.
        path: String,
    },
    /// A claimed file is in `inbox/accepted/` or `inbox/rejected/`.
    ClaimSettled {
        /// The claim.
        claim: ClaimId,
    },
    /// Documents up to this event are on disk for certain.
    DocumentsSynced {
        /// The last event they show.
        seq: u64,
    },
}
