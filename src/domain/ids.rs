//! Identifiers: one newtype and one parser each, so that an id that exists is a valid one.
//!
//! The rules are those of the protocol: `[A-Za-z0-9][A-Za-z0-9._-]*`, a length per kind, and
//! endings that other files of the directory need for themselves.

use std::borrow::Borrow;
use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Says why a text is no identifier of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} id {value:?} is refused: {problem}")]
pub struct IdError {
    /// What the text was meant to name: `task`, `subtask`, ...
    pub kind: &'static str,
    /// The text as given, cut to 120 characters.
    pub value: String,
    /// The rule it breaks.
    pub problem: String,
}

/// Prefix and endings that belong to the protocol's own file names.
const RESERVED_PREFIX: &str = "subtask-";
const RESERVED_ENDINGS: [&str; 5] = [".json", ".lock", ".tmp", ".processed", ".withdrawn"];

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(ParsedVisitor {
                    wanted: concat!("a ", $kind, " id"),
                    parse: $name::parse,
                })
            }
        }

        impl $name {
            /// Parses an identifier.
            ///
            /// # Errors
            /// Names the rule that the text breaks.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check_shape(text, $max)
                    .and_then(|()| $check(text))
                    .map(|()| Self(text.into()))
                    .map_err(|problem| IdError {
                        kind: $kind,
                        value: text.chars().take(120).collect(),
                        problem,
                    })
            }

            /// Returns the identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// Names a task of the queue or the inbox; at most 96 characters.
    TaskId, "task", 96, check_reserved
);
id!(
    /// Names the run of one task: `orch-` and the task's id.
    OrchestrationId, "orchestration", 101, no_further_rule
);
id!(
    /// Names one subtask, unique in a directory; at most 112 characters.
    SubtaskId, "subtask", 112, check_reserved
);
id!(
    /// Names one attempt at one subtask: `{subtask_id}-attempt-{n}`.
    AttemptId, "attempt", 140, no_further_rule
);
id!(
    /// Names a worker; one that Baton launches bears the id of its attempt.
    WorkerId, "worker", 140, no_file_ending
);
id!(
    /// Names a master (an agent that takes handoffs); at most 32 characters.
    AgentName, "master", 32, no_file_ending
);
id!(
    /// Names a command dropped in the inbox; the same id gets the same answer.
    CommandId, "command", 96, no_file_ending
);
id!(
    /// Names the claim on one inbox file: the name it has under `inbox/.claimed/`.
    ClaimId, "claim", 64, no_file_ending
);

impl OrchestrationId {
    /// Returns the id of the run of `task`.
    pub fn of(task: &TaskId) -> Self {
        Self(format!("orch-{task}").into())
    }
}

impl SubtaskId {
    /// Returns the subtask that a task routed whole is to the machine: it bears the task's id.
    pub fn of_routed(task: &TaskId) -> Self {
        Self(task.as_str().into())
    }
}

impl AttemptId {
    /// Returns the id of attempt `number` (from 1) at `subtask`.
    pub fn of(subtask: &SubtaskId, number: u32) -> Self {
        Self(format!("{subtask}-attempt-{number}").into())
    }
}

impl WorkerId {
    /// Returns the id of the worker that carries out `attempt`.
    pub fn of(attempt: &AttemptId) -> Self {
        Self(attempt.as_str().into())
    }
}

/// Reads a text in place: a replay parses millions.
struct ParsedVisitor<T> {
    wanted: &'static str,
    parse: fn(&str) -> Result<T, IdError>,
}

impl<T> Visitor<'_> for ParsedVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }
}

fn check_shape(text: &str, length_max: usize) -> Result<(), String> {
    let Some(first) = text.bytes().next() else {
        return Err("it is empty".into());
    };
    if text.len() > length_max {
        return Err(format!("it has {} characters, at most {length_max} are allowed", text.len()));
    }
    if !first.is_ascii_alphanumeric() {
        return Err("it must begin with a letter or a digit".into());
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
        Some(bad) => Err(format!("{bad:?} is not among A-Z a-z 0-9 . _ -")),
        None => Ok(()),
    }
}

fn check_reserved(text: &str) -> Result<(), String> {
    if text.starts_with(RESERVED_PREFIX) {
        return Err(format!("the prefix `{RESERVED_PREFIX}` is reserved"));
    }
    let is_attempt = text
        .rsplit_once("-attempt-")
        .is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if is_attempt {
        return Err("the ending `-attempt-N` is reserved".into());
    }
    no_file_ending(text)
}

fn no_file_ending(text: &str) -> Result<(), String> {
    match RESERVED_ENDINGS.iter().find(|ending| text.ends_with(**ending)) {
        Some(ending) => Err(format!("the ending `{ending}` is reserved")),
        None => Ok(()),
    }
}

fn no_further_rule(_: &str) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_follow_the_protocol() {
        for good in ["a", "task-1", "self-opt.timeout_003", "9", &"x".repeat(96)] {
            assert!(TaskId::parse(good).is_ok(), "{good}");
        }
        for (bad, problem) in [
            ("", "it is empty"),
            ("-a", "must begin with"),
            ("../etc", "must begin with"),
            ("a/b", "'/' is not among"),
            ("a\u{202e}b", "is not among"),
            ("subtask-1", "prefix `subtask-` is reserved"),
            ("a-attempt-2", "ending `-attempt-N` is reserved"),
            ("a.json", "ending `.json` is reserved"),
            (&"x".repeat(97), "at most 96"),
        ] {
            let error = TaskId::parse(bad).unwrap_err();
            assert!(error.to_string().contains(problem), "{bad}: {error}");
        }
    }

    #[test]
    fn derived_ids_are_valid_of_their_kind() {
        let task = TaskId::parse(&"x".repeat(96)).unwrap();
        let subtask = SubtaskId::parse(&"y".repeat(112)).unwrap();
        let attempt = AttemptId::of(&subtask, u32::MAX);
        OrchestrationId::parse(OrchestrationId::of(&task).as_str()).unwrap();
        AttemptId::parse(attempt.as_str()).unwrap();
        WorkerId::parse(WorkerId::of(&attempt).as_str()).unwrap();
    }
}
