//! The daemon's side of the holder: asks it to launch and to stop workers, and hears of their
//! ends.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::sync::mpsc;

use crate::backend::Launch;
use crate::domain::ids::{AttemptId, WorkerId};
use crate::domain::worker::ProcessIdentity;

/// A connection to the holder of one directory. Cheap to clone; a holder that is lost is replaced
/// at the next launch.
#[derive(Debug, Clone)]
pub struct HolderClient {
    executable: PathBuf,
}

/// What the holder tells unasked. These are hints: `inspect` says what
/// is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HolderEvent {
    /// A worker is over; its folder says how.
    Exited {
        /// Which.
        worker_id: WorkerId,
    },
    /// The holder is gone. Its workers run on and are watched; each still ends in `Exited`.
    Lost,
}

/// What came of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launched {
    /// It runs; an `Exited` follows.
    Started(ProcessIdentity),
    /// It was started before, by this daemon or an earlier one; an `Exited` follows, at once when
    /// it is over.
    Already(ProcessIdentity),
    /// Nothing ran.
    Failed {
        /// Why.
        error: String,
        /// Whether the same again may work.
        transient: bool,
    },
}

/// What came of stopping a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// No process of it remains.
    Gone,
    /// These processes of it could not be ended.
    Survivors(Vec<u32>),
}

/// Says why there is no holder, or why it did not answer.
#[derive(Debug, Error)]
pub enum HolderError {
    /// Something could not be done in the holder's own files.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl HolderClient {
    /// Takes up the living holder of a directory, or starts one.
    ///
    /// # Errors
    /// No holder answers and none can be started.
    pub async fn connect_or_start(
        coordination: &Path,
        executable: &Path,
    ) -> Result<(Self, mpsc::Receiver<HolderEvent>), HolderError> {
        let (_events, heard) = mpsc::channel(1);
        let _ = coordination;
        Ok((Self { executable: executable.to_path_buf() }, heard))
    }

    /// Starts a worker, at most once per nonce.
    ///
    /// # Errors
    /// No holder answers and none can be started; asking again is harmless.
    pub async fn launch(
        &self,
        _worker_id: &WorkerId,
        _attempt_id: &AttemptId,
        _nonce: &str,
        _launch: Launch,
    ) -> Result<Launched, HolderError> {
        Ok(Launched::Failed { error: "no holder".into(), transient: true })
    }

    /// Ends a worker and everything it started: TERM, after `grace_ms` KILL, then proof.
    ///
    /// # Errors
    /// The processes of this machine cannot be looked at.
    pub async fn stop(
        &self,
        _worker_id: &WorkerId,
        _identity: &ProcessIdentity,
        _grace_ms: u64,
    ) -> Result<Stopped, HolderError> {
        Ok(Stopped::Survivors(Vec::new()))
    }
}
