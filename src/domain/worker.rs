//! Attempts, and the processes that carry them out.

use serde::{Deserialize, Serialize};

use super::evidence::{Liveness, Standing};
use super::ids::{AgentName, AttemptId, WorkerId};
use super::moment::{BootId, Moment, is_no_time};
use super::report::Failure;

/// One attempt at one subtask: the unit that is launched at most once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its id: names the handoff, the worker and the worker's folder.
    pub id: AttemptId,
    /// From 1.
    pub number: u32,
    /// The master it was given to.
    pub agent: AgentName,
    /// The worker that carries it out.
    pub worker_id: WorkerId,
    /// Who runs it.
    pub execution: Execution,
    /// Told to the worker's folder before anything starts there, so that a folder left over from
    /// another life of the directory is recognised.
    pub nonce: String,
    /// When the handoff was decided.
    pub issued_at: Moment,
    /// When somebody was first known to work at it; it stays when the attempt is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Started>,
    /// Whether it does the work or undoes it.
    #[serde(default, skip_serializing_if = "Purpose::is_work")]
    pub purpose: Purpose,
    /// How its worker was found to be; `None` while nothing was ever wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Box<Standing>>,
    /// Whether it was told that nobody takes its handoff.
    #[serde(default)]
    pub untaken_told: bool,
    /// For how long the host was suspended while the limit ran that it has now: that time counts
    /// against nobody.
    #[serde(default, skip_serializing_if = "is_no_time")]
    pub paused_ms: u64,
    /// Why its worker could not be started yet, though the same may work later: the machine was
    /// short of something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hindrance: Option<String>,
    /// How far it is.
    pub phase: AttemptPhase,
}

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To do what the subtask says.
    #[default]
    Work,
    /// To undo what the subtask did, because its run cannot reach its goal.
    Compensation,
}

impl Purpose {
    /// Tells whether it does the work.
    pub fn is_work(&self) -> bool {
        *self == Purpose::Work
    }
}

/// Why an attempt is called back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recall {
    /// Nobody wants its result any more.
    #[default]
    Unwanted,
    /// A person gave its work to another attempt, and its worker, one of a master, may be stopped.
    Replaced,
    /// Nobody took its handoff in time.
    Untaken,
    /// Its time box is over.
    TimeBox,
    /// Nothing outward was seen of it for too long.
    Silence,
    /// It made no progress.
    Stalled,
    /// It holds too much memory.
    Memory,
    /// It has too many processes.
    Processes,
    /// Its result is in, and its process stays.
    Lingering,
}

impl Recall {
    /// Tells whether a result that it delivers after all is taken.
    pub fn takes_result(self) -> bool {
        match self {
            Recall::Unwanted | Recall::Replaced => false,
            Recall::Untaken
            | Recall::TimeBox
            | Recall::Silence
            | Recall::Stalled
            | Recall::Memory
            | Recall::Processes
            | Recall::Lingering => true,
        }
    }
}

/// The beginning of the work at an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// When a process was started or a master was seen to have taken the handoff.
    pub at: Moment,
    /// The process, when it is one of ours; it names nothing once the attempt is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// Who runs an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Execution {
    /// Baton launches a process by this backend.
    Launched {
        /// A name on the backend roster.
        backend: String,
    },
    /// A master elsewhere takes the handoff file and reports by file.
    External,
}

/// How far an attempt is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum AttemptPhase {
    /// Decided; its handoff is not known to be on disk.
    Issued,
    /// Its handoff is on disk. Launched: a launch is owed. External: somebody may take it.
    Published {
        /// Since when.
        at: Moment,
    },
    /// A master took the handoff and has not reported.
    Taken {
        /// When we saw it.
        at: Moment,
    },
    /// A process of ours is at it.
    Running {
        /// Which.
        identity: ProcessIdentity,
        /// Since when.
        at: Moment,
    },
    /// Nobody wants its result any more; what it left in the world has to go: a process is to be
    /// stopped or a handoff withdrawn.
    Ending {
        /// The process to stop; `None` where only a handoff is to be withdrawn.
        identity: Option<ProcessIdentity>,
        /// When that was decided.
        at: Moment,
        /// Why, for a person.
        reason: String,
        /// Why, by its kind.
        #[serde(default)]
        cause: Recall,
        /// Processes of it that could not be ended: until they are gone nobody else gets its work.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        survivors: Vec<u32>,
    },
    /// Over.
    Ended {
        /// When.
        at: Moment,
        /// How.
        end: AttemptEnd,
    },
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum AttemptEnd {
    /// It delivered.
    Completed,
    /// It failed and counts against the limit.
    Failed {
        /// How.
        failure: Failure,
    },
    /// It was cut off from outside (a crash, a reboot, a launch that never came about) and counts
    /// against nothing.
    Interrupted {
        /// By what.
        reason: String,
    },
    /// It was ended by a decision of ours or of a person.
    Cancelled {
        /// Why.
        reason: String,
    },
}

/// What tells one process from every other that ever was. A PID alone does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The host's name.
    pub host: String,
    /// The boot it lives in.
    pub boot_id: BootId,
    /// Its process id.
    pub pid: u32,
    /// Its start time in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_ticks: u64,
    /// The inode of its pidfd where the kernel gives one (pidfs, Linux 6.9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pidfd_inode: Option<u64>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", content = "code", rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// It is gone and nobody saw how: its parent was killed too.
    Unknown,
}

impl Attempt {
    /// Tells whether a process of ours carries it out: of one that a master elsewhere has nothing
    /// about processes can be known for certain.
    pub fn is_launched(&self) -> bool {
        match self.execution {
            Execution::Launched { .. } => true,
            Execution::External => false,
        }
    }

    /// Tells whether somebody is known to work at it.
    pub fn has_begun(&self) -> bool {
        match self.phase {
            AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. }
            | AttemptPhase::Ending { identity: Some(_), .. }
            | AttemptPhase::Ended { .. } => true,
            AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Ending { identity: None, .. } => false,
        }
    }

    /// Returns how it failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.phase {
            AttemptPhase::Ended { end: AttemptEnd::Failed { failure }, .. } => Some(failure),
            AttemptPhase::Ended { .. }
            | AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. }
            | AttemptPhase::Ending { .. } => None,
        }
    }

    /// Tells whether its worker is stalled or gone and nothing was delivered.
    pub fn is_zombie(&self) -> bool {
        let liveness = self.standing.as_ref().map(|standing| standing.liveness);
        self.is_live() && matches!(liveness, Some(Liveness::Stalled | Liveness::Gone))
    }

    /// Tells whether it is over without a result and was found stalled or gone before.
    pub fn is_given_up(&self) -> bool {
        let is_without_result = match &self.phase {
            AttemptPhase::Ended { end, .. } => *end != AttemptEnd::Completed,
            AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. }
            | AttemptPhase::Ending { .. } => false,
        };
        let liveness = self.standing.as_ref().map(|standing| standing.liveness);
        is_without_result && matches!(liveness, Some(Liveness::Stalled | Liveness::Gone))
    }

    /// Tells whether it is called back and not known to have ended.
    pub fn is_ending(&self) -> bool {
        matches!(self.phase, AttemptPhase::Ending { .. })
    }

    /// Tells whether it still holds anything: a place under the limits, a process, a handoff.
    pub fn is_live(&self) -> bool {
        match self.phase {
            AttemptPhase::Ended { .. } => false,
            AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. }
            | AttemptPhase::Ending { .. } => true,
        }
    }
}
