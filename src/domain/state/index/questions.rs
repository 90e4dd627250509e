//! What persons were asked.

use super::{Index, put};
use crate::domain::plan::{Orchestration, OrchestrationPhase, SubtaskPhase};

impl Index {
    /// Looks again at whether what a person was asked about a run is still the question.
    pub(in crate::domain::state) fn refresh_answered(&mut self, run: &Orchestration) {
        let is_answered = match &run.phase {
            OrchestrationPhase::Blocked(asked) => {
                let at = run.position(&asked.blocking_subtask);
                let phase = at.map(|at| &run.runs[at].phase);
                !matches!(phase, Some(SubtaskPhase::Blocked { .. }))
            }
            OrchestrationPhase::InProgress
            | OrchestrationPhase::Paused { .. }
            | OrchestrationPhase::Compensating { .. }
            | OrchestrationPhase::RolledBack { .. }
            | OrchestrationPhase::Completed { .. }
            | OrchestrationPhase::Failed { .. }
            | OrchestrationPhase::Cancelled { .. } => false,
        };
        put(&mut self.answered, run.id.clone(), is_answered);
    }

    /// Forgets what a person was asked about a run.
    pub(in crate::domain::state) fn end_question(&mut self, run: &Orchestration) {
        if let OrchestrationPhase::Blocked(asked) = &run.phase {
            self.asked.remove(&asked.since, run.id.clone());
        }
    }
}
