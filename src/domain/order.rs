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
    /// Every position, by stage and within a stage by position.
    sequence: Vec<usize>,
    /// Where each position is in `sequence`.
    ranks: Vec<usize>,
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
        let mut sequence: Vec<usize> = (0..plan.subtasks.len()).collect();
        sequence.sort_by_key(|position| (stages[*position], *position));
        let mut ranks = vec![0; sequence.len()];
        for (rank, position) in sequence.iter().enumerate() {
            ranks[*position] = rank;
        }
        Self { positions, stages, dependencies, dependents, sequence, ranks }
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

    /// Returns the positions that come before this one when one is done after the other.
    pub fn before(&self, position: usize) -> &[usize] {
        self.ranks.get(position).map_or(&[], |rank| &self.sequence[..*rank])
    }

    /// Returns the positions that come after this one when one is done after the other.
    pub fn after(&self, position: usize) -> &[usize] {
        self.ranks.get(position).map_or(&[], |rank| &self.sequence[rank + 1..])
    }

    /// Returns every position in the order in which they are done one after the other.
    pub fn sequence(&self) -> &[usize] {
        &self.sequence
    }

    /// Returns the positions that wait for this one.
    pub fn dependents(&self, position: usize) -> &[usize] {
        self.dependents.get(position).map_or(&[], Vec::as_slice)
    }
}
