//! How a command ends: the exit codes, and the error that says what to do.

use thiserror::Error;

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
    /// Something could not be made.
    CannotCreate = 73,
    /// Reading or writing failed.
    Io = 74,
    /// Somebody else has it, or time ran out: try later.
    Busy = 75,
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
            Exit::CannotCreate => "cannot_create",
            Exit::Io => "io",
            Exit::Busy => "busy",
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
