//! What is known of a worker's life: signs, each with when we saw it last, and what they add up to.
//!
//! Times that others write down lie. What counts is what we saw change, timed by the boot-time
//! clock; what a worker says of its own time is kept as text and compared with nothing.

use serde::{Deserialize, Serialize};

use super::ids::{AttemptId, WorkerId};
use super::moment::Moment;

/// One kind of sign, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// Its report is there.
    Report,
    /// Files that its subtask names, or files in its folder, changed.
    Files,
    /// It printed something.
    Output,
    /// Its heartbeat says something new beside its time and number: a status, a progress.
    Progress,
    /// The processor time of its processes advanced by more than keeping still takes.
    Processor,
    /// The content of its heartbeat changed. It is alive, which is not to say that it gets on.
    Heartbeat,
    /// Its process exists.
    Process,
}

impl Sign {
    /// Tells whether it shows that the work gets on.
    pub fn is_progress(self) -> bool {
        match self {
            Sign::Report | Sign::Files | Sign::Output | Sign::Progress | Sign::Processor => true,
            Sign::Heartbeat | Sign::Process => false,
        }
    }

    /// Tells whether anybody outside can see it: what a worker only computes cannot be.
    pub fn is_outward(self) -> bool {
        match self {
            Sign::Report | Sign::Files | Sign::Output | Sign::Progress => true,
            Sign::Processor | Sign::Heartbeat | Sign::Process => false,
        }
    }

    /// Returns the word that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Sign::Report => "report",
            Sign::Files => "files",
            Sign::Output => "output",
            Sign::Progress => "progress",
            Sign::Processor => "processor",
            Sign::Heartbeat => "heartbeat",
            Sign::Process => "process",
        }
    }
}

/// A sign and when we saw it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which.
    pub sign: Sign,
    /// How long before the look it was seen to change last, on the boot-time clock; since the
    /// watch began when it never was.
    pub ago_ms: u64,
    /// What was seen, for a person: `412 bytes`, `sequence 17`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
}

/// What is known of a worker's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// It runs, sleeps or waits for its turn.
    Running,
    /// It is stopped (T): by a signal or a debugger, and goes on when it is told to.
    Stopped,
    /// It waits for a device and cannot be interrupted (D).
    Uninterruptible,
    /// It is proven to exist no more.
    Gone,
    /// Nobody says which process it is, or the one that bears its number cannot be proven to be it.
    #[default]
    Unverifiable,
}

impl ProcessState {
    /// Tells whether the process is proven to exist.
    pub fn is_alive(self) -> bool {
        match self {
            ProcessState::Running | ProcessState::Stopped | ProcessState::Uninterruptible => true,
            ProcessState::Gone | ProcessState::Unverifiable => false,
        }
    }

    /// Tells whether the process exists and is kept from running: it can make no progress until
    /// somebody lets it go on.
    pub fn is_held(self) -> bool {
        match self {
            ProcessState::Stopped | ProcessState::Uninterruptible => true,
            ProcessState::Running | ProcessState::Gone | ProcessState::Unverifiable => false,
        }
    }
}

/// Everything that a verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// What is known of its process.
    pub process: ProcessState,
    /// Every sign that was ever seen, in the order of [`Sign`].
    #[serde(default)]
    pub signs: Vec<Seen>,
    /// When we began to watch it, or gave it a fresh period of grace, before the look.
    #[serde(default)]
    pub watched_ms: u64,
    /// The time of its last heartbeat as it says itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_heartbeat: Option<String>,
    /// What was decided from it, and by which rule, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub verdict: String,
}

/// How a worker is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// It shows signs of life.
    #[default]
    Healthy,
    /// It has shown none for the time in which a heartbeat is due.
    Quiet,
    /// One look found it stalled or gone; the next has to agree.
    Suspect,
    /// It made no progress for the time that it may take, and two looks agree.
    Stalled,
    /// Its process is proven to exist no more, it shows no sign of life, and two looks agree.
    Gone,
}

impl Liveness {
    /// Returns the word that files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Liveness::Healthy => "healthy",
            Liveness::Quiet => "quiet",
            Liveness::Suspect => "suspect",
            Liveness::Stalled => "stalled",
            Liveness::Gone => "gone",
        }
    }
}

/// How a worker was found to be, and since when. What is healthy and always was has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// How it is.
    pub liveness: Liveness,
    /// Since when.
    pub since: Moment,
    /// What that rests on.
    pub evidence: Evidence,
}

/// Whose life it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watched {
    /// The worker of an attempt, ours or a master's.
    Attempt(AttemptId),
    /// A worker that a master made known by a spec and that carries out no attempt of ours.
    Spec(WorkerId),
}

/// A limit that looks, and not time alone, find exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "limit", rename_all = "snake_case")]
pub enum Breach {
    /// Nothing outward was seen of it for too long, whatever its processor does.
    Silence {
        /// For how long.
        for_ms: u64,
    },
    /// Its processes hold too much memory.
    Memory {
        /// How much, in bytes.
        bytes: u64,
    },
    /// It has too many processes.
    Processes {
        /// How many.
        count: u64,
    },
    /// Its report is in, and its process stays.
    Lingering {
        /// For how long.
        for_ms: u64,
    },
}

/// What a look found out about one worker: only what is new is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Whose life it is.
    pub worker: Watched,
    /// How it is, by the rules of the watch.
    pub liveness: Liveness,
    /// What that rests on.
    pub evidence: Evidence,
    /// The limit that it exceeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breach: Option<Breach>,
}
