//! The order of a plan as numbers, so that no rule searches for ids.

use std::collections::HashMap;

use super::ids::SubtaskId;
use super::plan::Plan;

/// Positions, stages and dependencies of a plan. Derived from it and never written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Order {
    positions: HashMap<SubtaskId, usize>,
    /// The stage of each position, from 1.
    stages: Vec<usize>,
    dependencies: Vec<Vec<usize>>,
    dependents: Vec<Vec<usize>>,
}

impl Order {
    /// Reads the order out of a plan.
    pub fn of(plan: &Plan) -> Self {
        let positions: HashMap<SubtaskId, usize> = plan
            .subtasks
            .iter()
            .enumerate()
            .map(|(position, subtask)| (subtask.subtask_id.clone(), position))
            .collect();
        let mut stages = vec![1; plan.subtasks.len()];
        for (stage, ids) in plan.stages.iter().enumerate() {
            for position in ids.iter().filter_map(|id| positions.get(id)) {
                stages[*position] = stage + 1;
            }
        }
        let dependencies: Vec<Vec<usize>> = plan
            .subtasks
            .iter()
            .map(|s| s.dependencies.iter().filter_map(|id| positions.get(id).copied()).collect())
            .collect();
        let mut dependents = vec![Vec::new(); plan.subtasks.len()];
        for (position, needed) in dependencies.iter().enumerate() {
            for dependency in needed {
                dependents[*dependency].push(position);
            }
        }
        Self { positions, stages, dependencies, dependents }
    }

    /// Returns where a subtask is in `plan.subtasks`.
    pub fn position(&self, id: &SubtaskId) -> Option<usize> {
        self.positions.get(id).copied()
    }

    /// Returns the stage, from 1, of a position.
    pub fn stage(&self, position: usize) -> usize {
        self.stages.get(position).copied().unwrap_or(1)
    }

    /// Returns the positions that must be satisfied before this one.
    pub fn dependencies(&self, position: usize) -> &[usize] {
        self.dependencies.get(position).map_or(&[], Vec::as_slice)
    }

    /// Returns the positions that wait for this one.
    pub fn dependents(&self, position: usize) -> &[usize] {
        self.dependents.get(position).map_or(&[], Vec::as_slice)
    }
}
