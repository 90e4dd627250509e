//! Runs whose plan is changed: what hangs on its order is taken out before and put in again after.

use super::Index;
use crate::domain::effect::Effect;
use crate::domain::plan::Orchestration;

impl Index {
    /// Takes everything about a run out that depends on the order of its plan.
    pub(in crate::domain::state) fn leave_turns(&mut self, run: &Orchestration) {
        for position in 0..run.runs.len() {
            self.end_backoff(run, position);
            let id = &run.plan.subtasks[position].subtask_id;
            self.owed.remove(&Effect::RevisePlan(id.clone()));
            self.fan_outs.remove(id);
            self.leave_line(run, position);
        }
    }

    /// Takes in subtasks that a revision added.
    pub(in crate::domain::state) fn add_subtasks(&mut self, run: &Orchestration, from: usize) {
        for (position, subtask) in run.plan.subtasks.iter().enumerate().skip(from) {
            self.subtasks.insert(subtask.subtask_id.clone(), (run.id.clone(), position));
        }
    }
}
