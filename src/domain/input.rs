//! Everything that may reach the domain: a closed list.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::evidence::Finding;
use super::ids::{AttemptId, ClaimId, CommandId, SubtaskId, TaskId, WorkerId};
use super::moment::Timestamp;
use super::plan::{DraftOutcome, Revision, RevisionOutcome};
use super::report::{Outcome, ReportFinding};
use super::spec::SpecSeen;
use super::task::{TaskSource, TaskSpec};
use super::worker::{Exit, ProcessIdentity};

/// One thing that happened outside. Observations may be told again at any time: what is known
/// already changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "input", rename_all = "snake_case")]
pub enum Input {
    /// A daemon took the directory.
    DaemonStarted {
        /// Its version.
        version: String,
        /// Its process id.
        pid: u32,
        /// How long the host was suspended in this boot.
        #[serde(default)]
        suspended_ms: u64,
    },
    /// The host was suspended and goes on.
    HostSuspended {
        /// How long it was suspended in this boot, all times together.
        total_ms: u64,
    },
    /// The daemon lets the directory go.
    DaemonStopped {
        /// Why.
        reason: String,
    },
    /// A pending task of the queue or a task file of the inbox was read.
    TaskObserved {
        /// Where.
        source: TaskSource,
        /// What it says.
        spec: Box<TaskSpec>,
    },
    /// An entry of the queue or a file of the inbox cannot be a task, whatever its author does
    /// elsewhere.
    TaskRefused {
        /// Where.
        source: TaskSource,
        /// Its id, as far as one can be read.
        id: Option<String>,
        /// Its title, as far as one can be read.
        title: String,
        /// What is wrong with it.
        problem: Problem,
    },
    /// An open task of ours is no longer in the queue.
    TaskVanished {
        /// Which.
        task_id: TaskId,
    },
    /// A task that was missing from the queue is there again.
    TaskReturned {
        /// Which.
        task_id: TaskId,
    },
    /// A command file was claimed from the inbox.
    CommandObserved {
        /// The claim.
        claim: ClaimId,
        /// The name it was dropped as.
        file: String,
        /// Numeric owner of the file.
        owner: u32,
        /// What it says.
        command: Command,
    },
    /// A file was claimed from the inbox that is neither task, plan, command, report nor message.
    DropRefused {
        /// The claim.
        claim: ClaimId,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A message was claimed from the inbox.
    MessageObserved {
        /// The claim.
        claim: ClaimId,
        /// The name it was dropped as.
        file: String,
        /// The message as it is.
        message: Value,
    },
    /// A file that stays where it is cannot be used.
    FileRefused {
        /// CRC-32C of its bytes in hex, or a word for what it is when it has none (`fifo`).
        digest: String,
        /// What is wrong with it.
        problem: Problem,
        /// Where a copy was put, relative to `coordination/`.
        copy: Option<String>,
    },
    /// A file that was refused can be used again, or is gone.
    FileRestored {
        /// Its path relative to `coordination/`.
        path: String,
    },
    /// Effect `DraftPlan` was carried out.
    Drafted {
        /// For which task.
        task_id: TaskId,
        /// What came of it.
        outcome: DraftOutcome,
    },
    /// Effect `PublishHandoff` was carried out, now or in an earlier life.
    HandoffPublished {
        /// Which.
        attempt_id: AttemptId,
    },
    /// A master took a handoff.
    HandoffTaken {
        /// Which.
        attempt_id: AttemptId,
    },
    /// A published handoff is gone under every name it may have.
    HandoffLost {
        /// Which.
        attempt_id: AttemptId,
    },
    /// Effect `WithdrawHandoff` was carried out.
    HandoffWithdrawn {
        /// Which.
        attempt_id: AttemptId,
        /// False when a master had taken it before.
        in_time: bool,
    },
    /// Effect `LaunchWorker` was carried out, now or in an earlier life.
    WorkerStarted {
        /// For which attempt.
        attempt_id: AttemptId,
        /// The process.
        identity: ProcessIdentity,
    },
    /// A worker could not be started: nothing ran.
    WorkerNotStarted {
        /// For which attempt.
        attempt_id: AttemptId,
        /// Why.
        error: String,
        /// Whether the same again may work (the machine is short of something: the launch stays
        /// owed) or not (there is no such program).
        transient: bool,
    },
    /// A worker is gone; its report was looked for once more before this was said.
    WorkerExited {
        /// Which attempt it carried out.
        attempt_id: AttemptId,
        /// How the process ended.
        exit: Exit,
        /// What its backend makes of exit status, report and output together.
        outcome: Outcome,
    },
    /// A worker is gone without exit record and without report: a crash or a reboot cut it off,
    /// or it never came to run its program.
    WorkerInterrupted {
        /// Which attempt it carried out.
        attempt_id: AttemptId,
        /// What is known.
        reason: String,
    },
    /// A worker was to be stopped, and these processes of it cannot be ended.
    WorkerUnstoppable {
        /// Which attempt it carries out.
        attempt_id: AttemptId,
        /// Their numbers.
        survivors: Vec<u32>,
    },
    /// Workers were looked at; told is what the rules of the watch make of it, where that is new.
    WorkersProbed {
        /// What was found, for each worker.
        findings: Vec<Finding>,
        /// Why no verdict counts this time, if none does: it may be us that something is wrong
        /// with.
        held: Option<String>,
    },
    /// A spec was read that a master wrote, and says something new.
    SpecObserved {
        /// What it says.
        spec: Box<SpecSeen>,
    },
    /// The spec of a worker that is followed is gone, and not by us.
    SpecVanished {
        /// Whose.
        worker_id: WorkerId,
    },
    /// Effect `MoveSpec` was carried out.
    SpecMoved {
        /// Whose.
        worker_id: WorkerId,
    },
    /// Effect `RevisePlan` was carried out.
    Revised {
        /// The subtask that was to be replaced.
        subtask_id: SubtaskId,
        /// The change that was asked for; another may be by the time this comes.
        revision: Revision,
        /// What came of it.
        outcome: RevisionOutcome,
    },
    /// The daemon before ended in the middle of drafting a plan.
    DraftCrashed {
        /// Of which task.
        task_id: TaskId,
    },
    /// A report was read that no process of ours vouches for: in a worker's folder or the inbox.
    ReportObserved {
        /// The claim, when it came by the inbox.
        claim: Option<ClaimId>,
        /// What it says and what was found.
        finding: ReportFinding,
    },
    /// Effect `SettleClaim` was carried out.
    ClaimSettled {
        /// Which.
        claim: ClaimId,
    },
    /// Documents up to this event are on disk for certain.
    DocumentsSynced {
        /// The last event they show.
        seq: u64,
    },
    /// Nothing happened; time went by, or limits may have made room.
    Tick,
}

/// One thing that is wrong: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, relative to `coordination/`.
    pub file: String,
    /// The field in it, as a path such as `tasks[3].title`; empty for the file as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What is wrong, lower case, without a full stop.
    pub message: String,
    /// What its author can do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}; {}", self.message, self.remedy)
    }
}

/// A command as it was dropped (`baton/command@1`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Its id: the same id gets the same answer.
    pub command_id: CommandId,
    /// What to do: `cancel`, `retry`, `skip`, `pause`, `resume`, `withdraw`, `rollback`.
    pub verb: String,
    /// A task, orchestration, subtask or handoff.
    pub target: String,
    /// Further arguments by name.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub args: Value,
    /// When it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// From when on it must not be carried out; one hour after `created_at` when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}
