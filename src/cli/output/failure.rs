//! How a command ends: the exit codes, and the error that says what to do.

use thiserror::Error;

use crate::client::outside::OutsideError;
use crate::client::request::RequestError;
use crate::client::{ClientError, Fault};
use crate::config::ConfigError;

/// How a command ends; the numbers are fixed and documented in [`crate::cli`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It did what it was asked to.
    Done = 0,
    /// The work failed, is blocked or was cancelled; a check found something wrong.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// There is no such id.
    NotFound = 3,
    /// No daemon is running where one is needed.
    NoDaemon = 4,
    /// What was handed in cannot be used.
    BadInput = 65,
    /// There is no such directory or file.
    NoInput = 66,
    /// Baton itself is wrong.
    Bug = 70,
    /// The system refused a thread, a signal or a process.
    System = 71,
    /// Something could not be made.
    CannotCreate = 73,
    /// Reading or writing failed.
    Io = 74,
    /// Somebody else has it, or time ran out: try later.
    Busy = 75,
    /// `baton.toml` cannot be used.
    Config = 78,
    /// Interrupted by a signal.
    Interrupted = 130,
}

/// An expected failure: what happened, and what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub(crate) struct CliError {
    /// How the command ends.
    pub(crate) exit: Exit,
    /// What happened, lower case, in one sentence.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// True when results went before it: it is then one line of their stream.
    pub(crate) in_stream: bool,
}

impl Exit {
    /// Returns the number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// Returns what a daemon's exit code means.
    pub(crate) fn of_code(code: u8) -> Self {
        const ALL: [Exit; 14] = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::NotFound,
            Exit::NoDaemon,
            Exit::BadInput,
            Exit::NoInput,
            Exit::Bug,
            Exit::System,
            Exit::CannotCreate,
            Exit::Io,
            Exit::Busy,
            Exit::Config,
            Exit::Interrupted,
        ];
        ALL.into_iter().find(|exit| exit.code() == code).unwrap_or(Exit::Bug)
    }

    /// Returns the word for programs.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "failed",
            Exit::Usage => "usage",
            Exit::NotFound => "not_found",
            Exit::NoDaemon => "no_daemon",
            Exit::BadInput => "bad_input",
            Exit::NoInput => "no_input",
            Exit::Bug => "bug",
            Exit::System => "system",
            Exit::CannotCreate => "cannot_create",
            Exit::Io => "io",
            Exit::Busy => "busy",
            Exit::Config => "config",
            Exit::Interrupted => "interrupted",
        }
    }
}

impl CliError {
    /// Says what happened.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, in_stream: false }
    }

    /// Adds what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Marks it as coming after results.
    #[must_use]
    pub(crate) fn in_stream(mut self) -> Self {
        self.in_stream = true;
        self
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let exit = match error.fault() {
            Fault::NoDirectory => Exit::NoInput,
            Fault::CannotCreate => Exit::CannotCreate,
            Fault::Io => Exit::Io,
        };
        Self::new(exit, error.to_string()).hint(error.remedy())
    }
}

impl From<OutsideError> for CliError {
    fn from(error: OutsideError) -> Self {
        let exit = match &error {
            OutsideError::Interrupted { .. } => Exit::Interrupted,
            OutsideError::System(_) => Exit::System,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<RequestError> for CliError {
    fn from(error: RequestError) -> Self {
        let remedy = error.remedy();
        let exit = match error {
            RequestError::Client(error) => return error.into(),
            RequestError::Missing { .. } => Exit::NoInput,
            RequestError::Unreadable { .. } => Exit::Io,
            RequestError::Empty { .. }
            | RequestError::Directory { .. }
            | RequestError::TooLarge { .. }
            | RequestError::NotText { .. }
            | RequestError::NotATask(_)
            | RequestError::Known { .. } => Exit::BadInput,
        };
        Self::new(exit, error.to_string()).hint(remedy)
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Config, chain(&error))
            .hint("correct it there; README.md in the directory explains every key")
    }
}

/// Returns an error with everything that led to it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
