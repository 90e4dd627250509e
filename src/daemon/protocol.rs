//! What daemon and holder say to each other: JSON lines over a socket in the directory.
//!
//! `ping` and `retire` are understood by holders of every version, so that a newer daemon can
//! always put an older holder into retirement: it keeps its workers until they end, records their
//! exits, and makes room for a new one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use super::cgroup::Cgroups;
use super::holder_client::Limits;
use crate::backend::Launch;
use crate::domain::ids::{AttemptId, WorkerId};
use crate::domain::worker::ProcessIdentity;
use crate::store::{Store, layout};

/// The version of this protocol.
pub(super) const PROTOCOL: u32 = 2;
/// No line is longer: the arguments and variables of one process have to fit.
pub(super) const LINE_BYTES_MAX: u64 = 8 << 20;

/// One line: what answers which question. Number 0 answers none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line<T> {
    /// Chosen by the asker, from 1.
    pub(super) id: u64,
    /// What is said.
    #[serde(flatten)]
    pub(super) body: T,
}

/// What a daemon asks of the holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(super) enum Ask {
    /// Who are you? Answered by `Pong`.
    Ping,
    /// What runs? Answered by `Running`; ends that nobody was told of follow as `Exited`.
    List,
    /// Start a worker. Answered by `Started`, `NotStarted` or `Refused`.
    Launch {
        /// What to start.
        order: Box<Order>,
    },
    /// End a worker and everything it started. Answered by `Stopped` or `Unknown`.
    Stop {
        /// Which.
        worker_id: WorkerId,
        /// How long it may take to end by itself.
        grace_ms: u64,
    },
    /// Make room for another holder and end after the last worker. Answered by `Done`.
    Retire,
    /// End now. Answered by `Done`, or by `Running` when there are workers.
    Shutdown,
}

/// What the holder says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub(super) enum Say {
    /// Who it is.
    Pong {
        /// What it speaks.
        protocol: u32,
        /// Of which Baton.
        version: String,
        /// Its process.
        pid: u32,
    },
    /// Which workers are not over.
    Running {
        /// In no order that means anything.
        workers: Vec<WorkerId>,
    },
    /// A worker runs; `Exited` will follow.
    Started {
        /// Its process.
        identity: ProcessIdentity,
    },
    /// A worker could not be started; nothing ran.
    NotStarted {
        /// Why.
        error: String,
        /// Whether the same again may work.
        transient: bool,
    },
    /// A worker was not started because it was or is being started already: look at its folder.
    Refused {
        /// What was in the way.
        reason: String,
    },
    /// A worker was stopped.
    Stopped {
        /// Processes that could not be ended.
        survivors: Vec<u32>,
    },
    /// A worker is over, and its exit is recorded.
    Exited {
        /// Which.
        worker_id: WorkerId,
    },
    /// It is done.
    Done,
    /// There is no such worker, or the question was not understood.
    Unknown {
        /// What was not understood.
        problem: String,
    },
}

/// One worker to start: what the daemon asks for, and the step before exec becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    /// The worker.
    pub(super) worker_id: WorkerId,
    /// Its attempt.
    pub(super) attempt_id: AttemptId,
    /// See [`crate::domain::worker::Attempt::nonce`].
    pub(super) nonce: String,
    /// The program.
    pub(super) launch: Launch,
    /// What it may use.
    #[serde(flatten)]
    pub(super) limits: Limits,
}

/// What keeper and step before exec are told beside the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StepInput {
    /// The coordination directory, absolute.
    pub(super) coordination: PathBuf,
    /// The parent of the keeper.
    pub(super) holder: ProcessIdentity,
    /// The parent of the step; without one it is the holder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keeper: Option<ProcessIdentity>,
    /// Where workers have control groups, when they may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cgroups: Option<Cgroups>,
    /// What to become.
    pub(super) order: Order,
}

/// What the step before exec says, a line each. After `Begun` the pipe closes by itself when the
/// program is executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum StepSays {
    /// The marker is in place; the program is executed next.
    Begun {
        /// This process.
        identity: ProcessIdentity,
    },
    /// Somebody else has the lock or placed the marker.
    Refused {
        /// What was in the way.
        reason: String,
    },
    /// It cannot go on.
    Failed {
        /// Why.
        error: String,
        /// Whether the same again may work.
        transient: bool,
    },
}

/// Writes a message as one line.
pub(super) fn to_line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message)
        .expect("messages hold text, numbers and UTF-8 paths and always become JSON");
    line.push(b'\n');
    line
}

/// Reads the next line into `line`; false at the end.
pub(super) async fn read_line(
    from: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    line.clear();
    from.take(LINE_BYTES_MAX).read_until(b'\n', line).await?;
    // A last line without an end was cut off: what it says does not count.
    Ok(line.ends_with(b"\n"))
}

/// The way to the holder's socket. It leads through a directory that is held open, because the
/// path of a socket may have 107 bytes at most.
pub(super) struct SocketPath {
    directory: OwnedFd,
}

impl SocketPath {
    /// Opens the directory of the socket.
    pub(super) fn of(store: &Store) -> io::Result<Self> {
        let (directory, _) = split(layout::HOLDER_SOCKET);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::open(store.root().join(directory), flags, Mode::empty())?;
        Ok(Self { directory })
    }

    /// Returns a short path that is valid in this process while `self` lives.
    pub(super) fn path(&self) -> PathBuf {
        let (_, name) = split(layout::HOLDER_SOCKET);
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.directory.as_fd().as_raw_fd()))
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or((".", path))
}
