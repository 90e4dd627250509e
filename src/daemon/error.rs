//! Why a daemon cannot begin or go on, with the exit code and what to do about it.

use std::io;

use thiserror::Error;

use super::batch::BatchError;
use crate::config::ConfigError;
use crate::journal::JournalError;
use crate::store::{LockError, StoreError};

/// The journal or the machine is not what it must be: `EX_SOFTWARE`, a bug of ours.
const EXIT_BUG: u8 = 70;
/// `EX_DATAERR`
const EXIT_DATA: u8 = 65;
/// `EX_NOINPUT`
const EXIT_NO_DIRECTORY: u8 = 66;
/// `EX_OSERR`
const EXIT_SYSTEM: u8 = 71;
/// `EX_IOERR`
const EXIT_IO: u8 = 74;
/// `EX_TEMPFAIL`
const EXIT_TRY_LATER: u8 = 75;
/// `EX_CONFIG`
const EXIT_CONFIG: u8 = 78;

/// Says why a daemon cannot begin or go on.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// There is no such directory, or it cannot be used.
    #[error("cannot open the coordination directory")]
    Directory(#[source] StoreError),
    /// Another process has it.
    #[error("cannot take the coordination directory")]
    Locked(#[source] LockError),
    /// It was removed, or another one stands in its place.
    #[error("cannot go on: the coordination directory is not the one that was opened")]
    DirectoryGone(#[source] StoreError),
    /// The settings are refused.
    #[error("cannot use the configuration")]
    Config(#[source] ConfigError),
    /// The journal cannot be read.
    #[error("cannot start from the journal")]
    Journal(#[source] JournalError),
    /// A batch of decisions could not be made or kept.
    #[error(transparent)]
    Batch(BatchError),
    /// There is no room for the journal, and the daemon is to stop.
    #[error("cannot write the journal: there is no room; what was not written is not done")]
    NoRoom,
    /// The system gives no thread, no runtime or no signals.
    #[error("cannot start")]
    Start(#[source] io::Error),
}

impl DaemonError {
    /// Returns the exit code of a program that ends with this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Directory(_) => EXIT_NO_DIRECTORY,
            Self::Locked(_)
            | Self::DirectoryGone(_)
            | Self::Batch(BatchError::DirectoryGone(_)) => EXIT_TRY_LATER,
            Self::Config(_) => EXIT_CONFIG,
            Self::Journal(_) => EXIT_DATA,
            Self::NoRoom
            | Self::Batch(BatchError::Append(_) | BatchError::Sync(_) | BatchError::NoSyncer) => {
                EXIT_IO
            }
            Self::Batch(BatchError::Illegal { .. } | BatchError::Restless) => EXIT_BUG,
            Self::Start(_) => EXIT_SYSTEM,
        }
    }

    /// Returns what the operator can do, where there is something to say beyond the error itself.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Directory(_) => Some("make one with `baton init`"),
            Self::Locked(_) => Some("one daemon serves a directory; stop that one, or use it"),
            Self::DirectoryGone(_) | Self::Batch(BatchError::DirectoryGone(_)) => {
                Some("put the directory back where it was, and start again")
            }
            Self::Config(_) => Some("correct baton.toml; `baton doctor` checks it"),
            Self::Journal(_) => Some("`baton doctor` says what can be done"),
            Self::NoRoom | Self::Batch(BatchError::Append(_)) => {
                Some("make room on the disk, and start again")
            }
            Self::Batch(BatchError::Sync(_) | BatchError::NoSyncer) => {
                Some("look at the disk; the next start trusts only what it reads back")
            }
            Self::Batch(BatchError::Illegal { .. } | BatchError::Restless) => {
                Some("this is an error in baton: nothing wrong was written; please report it")
            }
            Self::Start(_) => None,
        }
    }
}

impl From<BatchError> for DaemonError {
    fn from(error: BatchError) -> Self {
        Self::Batch(error)
    }
}

/// Shows an error with everything that led to it, each once.
pub(super) struct Chain<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut said = self.0.to_string();
        write!(f, "{said}")?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            source = error.source();
        }
        Ok(())
    }
}
