//! How a planner outside was asked for a draft, and what came of it.

use serde::{Deserialize, Serialize};

/// The course of a draft that somebody outside was asked for, e.g. a model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Asked {
    /// Its name in the settings.
    pub planner: String,
    /// Each answer, in order.
    #[serde(default)]
    pub rounds: Vec<AskedRound>,
    /// Why its plan was not taken; none where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// One question and what came back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AskedRound {
    /// How long it took.
    pub ms: u64,
    /// How long the answer was.
    pub bytes: u64,
    /// What was wrong with it, the first few only; nothing where it was taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}
