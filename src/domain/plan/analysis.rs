//! What a planner made of a request beside its steps: what is meant, what may go wrong, what is known.

use serde::{Deserialize, Serialize};

/// What was found out about a request before it was split.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Analysis {
    /// What is wanted: the kind of work and what it is about (S0-21).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub intent: String,
    /// What the request speaks of by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<Entity>,
    /// What may keep it from going well as a whole (S1-07).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<Risk>,
    /// How steps of the kinds that it has fail, and what is done then (S1-07, S1-09).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failure_modes: Vec<FailureMode>,
    /// Patterns of a catalogue that this plan follows (S1-08).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub research: Vec<AppliedPattern>,
    /// What was found in the workspace (S1-06), a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workspace: Vec<String>,
    /// Who does such work where nothing has to be coordinated (S1-50): implement, analyze, test,
    /// design or performance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hand_to: Option<String>,
}

/// Something that a request names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entity {
    /// object, file, external, task
    pub kind: String,
    /// As its author calls it.
    pub name: String,
}

/// Something that may keep a plan from going well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// What may happen.
    pub risk: String,
    /// What in the request speaks for it.
    pub because: String,
    /// What the plan does about it, or its author can.
    pub answer: String,
}

/// How steps of some kinds fail, and what is done then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureMode {
    /// The kinds of steps of this plan that fail so.
    pub kinds: Vec<String>,
    /// What goes wrong.
    pub mode: String,
    /// By what it is noticed, and what follows.
    pub response: String,
}

/// A pattern of the local catalogue that a plan follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedPattern {
    /// What it is called.
    pub pattern: String,
    /// The library whose documentation describes it.
    pub source: String,
    /// Under which id that documentation is kept.
    pub library_id: String,
    /// How many pieces of it there were when the catalogue was made.
    pub snippets: u32,
    /// What in the plan it stands for.
    pub because: String,
}

impl Analysis {
    /// Tells whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
