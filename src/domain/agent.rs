//! Agents: who can be given work, and what they say of themselves.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One agent that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Agent {
    /// Unique in a registry, and the same whatever else is in it.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is for, in its author's words.
    pub description: String,
    /// The group that it is filed under.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// Words that its author wants it to be found by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Fields of work that it takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// The tools that it may use; all of them where nothing is said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// The model that it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// A command that its file names. It is shown and never run: only `baton.toml` names programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Where it was found.
    pub source: AgentSource,
    /// Its file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Files that hold the same agent again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
    /// What else its file says of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, String>,
    /// What it is told before it begins.
    #[serde(skip_serializing)]
    pub body: String,
}

/// Where an agent was found; an earlier one hides a later one of the same name.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum AgentSource {
    /// A master of `baton.toml`.
    #[default]
    Master,
    /// An agent file of the project.
    Project,
    /// An agent file of the user.
    User,
    /// An entry of an index or of a list.
    Listed,
}

impl AgentSource {
    /// Returns its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            AgentSource::Master => "master",
            AgentSource::Project => "project",
            AgentSource::User => "user",
            AgentSource::Listed => "listed",
        }
    }
}

impl fmt::Display for AgentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something about an agent's file that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Oddity {
    /// The file.
    pub path: String,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// How bad it is.
    pub severity: Severity,
    /// The field that it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What is odd.
    pub message: String,
    /// What can be done about it.
    pub remedy: String,
}

/// How bad an oddity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something is not used.
    Error,
    /// It is used, but others may not take it, or take it for something else.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// Returns its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// How an agent did at a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// What was asked for.
    pub request: String,
    /// Who got it: the name of the agent.
    pub agent: String,
    /// How it went.
    #[serde(default)]
    pub outcome: Outcome,
    /// The kind of work, where it is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The minutes that it took, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// The tokens that it took, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// When, milliseconds since 1970, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<i64>,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The work was done, or the choice was accepted.
    #[default]
    #[serde(alias = "accepted", alias = "completed", alias = "ok")]
    Success,
    /// Somebody gave it to another agent, or changed the plan.
    #[serde(alias = "reassigned")]
    Edited,
    /// The work failed.
    #[serde(alias = "failed", alias = "rejected")]
    Failure,
}

impl Outcome {
    /// Returns its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Edited => "edited",
            Outcome::Failure => "failure",
        }
    }
}
