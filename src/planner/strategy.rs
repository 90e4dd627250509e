//! How the steps of a plan follow each other, where neither author nor operator says (S1-25).

use crate::domain::Policy;
use crate::domain::plan::{DraftSubtask, Strategy, Why};
use crate::domain::task::TaskSpec;

/// Chooses a strategy, and says why. `stages` is how many stages the steps make up.
///
/// What the author says wins, then what the operator says (S1-51). Then: one after the other where
/// the order is strict or workers are scarce, side by side where steps need nothing of each other.
pub(super) fn choose(
    task: &TaskSpec,
    policy: &Policy,
    subtasks: &[DraftSubtask],
    stages: usize,
) -> (Strategy, Why) {
    let why = |evidence: String| Why::new("S1-25 strategy", evidence);
    if let Some(strategy) = task.strategy {
        return (strategy, why(format!("{}: the task says so", strategy.as_str())));
    }
    if !policy.strategy_by_rules || policy.strategy != Strategy::default() {
        let word = policy.strategy.as_str();
        return (policy.strategy, why(format!("{word}: the settings say so")));
    }
    let count = subtasks.len();
    // What is split into as many as a list has runs side by side, whatever it is among.
    let unfolds = subtasks.iter().any(|subtask| subtask.for_each.is_some());
    let (strategy, reason) = if policy.attempts_active_max == 1 {
        (Strategy::Sequential, "only one worker may run at a time".to_owned())
    } else if count > 1 && stages == count && !unfolds && task.stages.is_empty() {
        (Strategy::Sequential, format!("each of the {count} steps needs the one before it"))
    } else if stages <= 1 {
        let reason = "in parallel, as nothing waits for anything and no file is shared";
        (Strategy::Staged, reason.to_owned())
    } else {
        (Strategy::Staged, format!("{stages} stages, in parallel within each"))
    };
    (strategy, why(format!("{}: {reason}", strategy.as_str())))
}
