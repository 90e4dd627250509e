//! Why a planner outside gave no answer, and what is not to be told of that.

use std::{fmt, io};

use thiserror::Error;

/// A shorter value is no secret, and would be found in words that have nothing to do with it.
const BYTES_MIN: usize = 8;

/// Says why there is no answer, in words that follow its name: `claude failed: timed out`.
#[derive(Debug, Error)]
pub enum AskError {
    /// It took too long.
    #[error("timed out after {} s", seconds(*after_ms))]
    TimedOut {
        /// The limit.
        after_ms: u64,
    },
    /// This build has no such kind of planner.
    #[error("this build cannot ask planners of kind {kind:?}")]
    UnknownKind {
        /// The kind.
        kind: String,
    },
    /// Its program cannot be started.
    #[error("cannot run {program}: {source}")]
    NotStarted {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something that the question takes could not be done.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Its program failed.
    #[error("{program} {how}{}", quoted(.said))]
    Failed {
        /// The program.
        program: String,
        /// How it ended: `exited with code 1`.
        how: String,
        /// The end of what it said on standard error.
        said: String,
    },
    /// It said more than it may.
    #[error("its answer is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It answered with something that is no text.
    #[error("its answer is no text: byte {at} is not UTF-8")]
    NotText {
        /// The first byte that is wrong, from 0.
        at: usize,
    },
    /// The variable with the key is not set.
    #[error("the environment variable {variable} with its key is not set")]
    NoKey {
        /// The variable.
        variable: String,
    },
    /// Nobody answered at its address.
    #[error("cannot reach {address}: {problem}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What went wrong.
        problem: String,
    },
    /// Its address answered with an error.
    #[error("{address} answered {status}{}", quoted(.said))]
    Refused {
        /// Where it is.
        address: String,
        /// The status of HTTP.
        status: u16,
        /// The beginning of what it said.
        said: String,
    },
    /// What came back holds no answer.
    #[error("what came back holds no answer: {problem}")]
    NoAnswer {
        /// Why not.
        problem: String,
    },
}

impl AskError {
    /// Tells whether asking again with this error can help.
    pub fn is_mendable(&self) -> bool {
        match self {
            AskError::NotText { .. } => true,
            AskError::TimedOut { .. }
            | AskError::UnknownKind { .. }
            | AskError::NotStarted { .. }
            | AskError::Io { .. }
            | AskError::Failed { .. }
            | AskError::TooLong { .. }
            | AskError::NoKey { .. }
            | AskError::Unreachable { .. }
            | AskError::Refused { .. }
            | AskError::NoAnswer { .. } => false,
        }
    }
}

/// Shows whole seconds without a fraction.
fn seconds(ms: u64) -> String {
    if ms.is_multiple_of(1_000) {
        (ms / 1_000).to_string()
    } else {
        format!("{}.{:03}", ms / 1_000, ms % 1_000).trim_end_matches('0').to_owned()
    }
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

/// Values that were given to whoever is asked, and that nothing told of it may hold.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Hides these values.
    pub fn of(values: impl IntoIterator<Item = String>) -> Self {
        let values = values.into_iter().map(|value| value.trim().to_owned());
        let mut values: Vec<String> = values.filter(|value| value.len() >= BYTES_MIN).collect();
        // One that holds another goes first.
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Self(values)
    }

    /// Returns a text without them.
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, value| text.replace(value, "(hidden)"))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hidden", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_enough_is_hidden_wherever_it_stands() {
        let secrets = Secrets::of(["sk-12345678", "sk-12345678-more", "fast"].map(str::to_owned));
        let text = "fast: xsk-12345678-more and sk-12345678.";
        assert_eq!(secrets.hide(text), "fast: x(hidden) and (hidden).");
        assert!(!format!("{secrets:?}").contains("sk-"));
    }
}
