//! The words that files use for what is said of a plan.

use super::{Complexity, Strategy, Workflow};

impl Strategy {
    /// Returns the word that files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Staged => "staged",
            Strategy::Adaptive => "adaptive",
            Strategy::Sequential => "sequential",
        }
    }
}

impl Complexity {
    /// Returns the word that files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Complexity::Low => "low",
            Complexity::Medium => "medium",
            Complexity::High => "high",
        }
    }
}

impl Workflow {
    /// Returns the word that files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Workflow::BuildOnly => "build_only",
            Workflow::PlanThenBuild => "plan_then_build",
            Workflow::MultiTask => "multi_task",
            Workflow::DecomposeFirst => "decompose_first",
        }
    }
}
