//! What revisions and roll-backs make of a run.

use super::run::{BackingOff, Orchestration, OrchestrationPhase, SubtaskPhase, SubtaskRun};
use super::{DraftSubtask, Subtask};
use crate::domain::ids::{AgentName, SubtaskId};
use crate::domain::report::Failure;
use crate::domain::worker::Attempt;

impl Orchestration {
    /// Returns the position of the subtask that the one at `position` took the place of.
    pub fn replaces(&self, position: usize) -> Option<usize> {
        let id = &self.plan.subtasks[position].subtask_id;
        let is_by = |run: &SubtaskRun| matches!(&run.phase, SubtaskPhase::Replaced { by, .. } if by.contains(id));
        self.runs.iter().position(is_by)
    }

    /// Returns the subtasks whose lists the one at `position` is done for: the one that it names, or
    /// those that took its place.
    pub fn list_sources(&self, position: usize) -> Vec<usize> {
        let Some(source) = self.plan.subtasks[position].for_each.as_ref() else {
            return Vec::new();
        };
        let is_source = |at: &usize| {
            let before = |at: &usize| self.replaces(*at);
            std::iter::successors(Some(*at), before)
                .any(|at| self.plan.subtasks[at].subtask_id == *source)
        };
        self.order.dependencies(position).iter().copied().filter(is_source).collect()
    }

    /// Returns the subtask that is to be undone next, while it is rolled back and nobody is at
    /// work on it any more.
    pub fn next_to_undo(&self) -> Option<usize> {
        let OrchestrationPhase::Compensating { order, .. } = &self.phase else { return None };
        if self.runs.iter().any(SubtaskRun::has_live_attempt) {
            return None;
        }
        let is_open = |at: &usize| matches!(self.runs[*at].phase, SubtaskPhase::Undoing { .. });
        order.iter().filter_map(|id| self.position(id)).find(is_open)
    }

    /// Tells whether it is being rolled back.
    pub fn is_compensating(&self) -> bool {
        matches!(self.phase, OrchestrationPhase::Compensating { .. })
    }
}

impl SubtaskRun {
    /// Tells whether an attempt at it still holds anything.
    pub fn has_live_attempt(&self) -> bool {
        self.attempts.last().is_some_and(Attempt::is_live)
    }

    /// Tells whether others took its place.
    pub fn is_replaced(&self) -> bool {
        self.replaced_by().is_some()
    }

    /// Returns those that took its place.
    pub fn replaced_by(&self) -> Option<&[SubtaskId]> {
        match &self.phase {
            SubtaskPhase::Replaced { by, .. } => Some(by),
            SubtaskPhase::Pending
            | SubtaskPhase::BackingOff { .. }
            | SubtaskPhase::InAttempt
            | SubtaskPhase::Completed { .. }
            | SubtaskPhase::Revising { .. }
            | SubtaskPhase::Undoing { .. }
            | SubtaskPhase::Compensated { .. }
            | SubtaskPhase::NotCompensated { .. }
            | SubtaskPhase::Blocked { .. }
            | SubtaskPhase::Skipped { .. }
            | SubtaskPhase::Cancelled { .. } => None,
        }
    }

    /// Returns the time that has to go by before it is tried again.
    pub fn backoff(&self) -> Option<BackingOff> {
        match self.phase {
            SubtaskPhase::BackingOff { since, delay_ms } => Some(BackingOff { since, delay_ms }),
            SubtaskPhase::Undoing { backoff, .. } => backoff,
            SubtaskPhase::Pending
            | SubtaskPhase::InAttempt
            | SubtaskPhase::Completed { .. }
            | SubtaskPhase::Revising { .. }
            | SubtaskPhase::Replaced { .. }
            | SubtaskPhase::Compensated { .. }
            | SubtaskPhase::NotCompensated { .. }
            | SubtaskPhase::Blocked { .. }
            | SubtaskPhase::Skipped { .. }
            | SubtaskPhase::Cancelled { .. } => None,
        }
    }

    /// Returns how the attempts at undoing it failed that were made since it was last done.
    pub fn undo_failures(&self) -> Vec<&Failure> {
        let undoing = self.attempts.iter().rev().take_while(|attempt| !attempt.purpose.is_work());
        let mut failures: Vec<&Failure> = undoing.filter_map(Attempt::failure).collect();
        failures.reverse();
        failures
    }
}

impl Subtask {
    /// Returns it as it may be drafted, for whoever has it: what takes its place begins from that.
    pub fn to_draft(&self, agent: &AgentName) -> DraftSubtask {
        DraftSubtask {
            subtask_id: self.subtask_id.as_str().to_owned(),
            title: self.title.clone(),
            description: self.description.clone(),
            assigned_to: vec![agent.as_str().to_owned()],
            worker_type: self.worker_type.clone(),
            dependencies: Vec::new(),
            minutes: self.estimated_duration_range,
            tokens: self.estimated_tokens,
            files_affected: self.files_affected.clone(),
            success_criteria: self.success_criteria.clone(),
            deliverables: self.deliverables.clone(),
            for_each: None,
            handling: self.handling.clone(),
            nature: self.nature.clone(),
            choice: self.choice.clone(),
            why: self.why.clone(),
        }
    }
}
