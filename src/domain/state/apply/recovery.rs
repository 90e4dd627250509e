//! Events about recovery: other agents, changed plans, roll-backs, circuit breakers.

use crate::domain::event::{
    Compensated, CompensationFailed, CompensationStarted, Overdue, PlanRevised, Reassigned,
    RevisionRefused, RevisionRequested,
};
use crate::domain::ids::{OrchestrationId, TaskId};
use crate::domain::moment::Moment;
use crate::domain::plan::{OrchestrationPhase, RetryRecord, SubtaskPhase};
use crate::domain::state::State;
use crate::domain::worker::Attempt;

use super::Applied;

impl State {
    pub(super) fn reassigned(&mut self, told: &Reassigned) -> Applied {
        let id = &told.subtask_id;
        self.with_run(id, |run, position| {
            let from = run.agent_of(position).clone();
            let subtask = &mut run.runs[position];
            let is_free = match &subtask.phase {
                SubtaskPhase::Pending
                | SubtaskPhase::BackingOff { .. }
                | SubtaskPhase::Blocked { .. } => true,
                // It is given out anew when what is called back is proven to have ended.
                SubtaskPhase::InAttempt => subtask.attempts.last().is_some_and(Attempt::is_ending),
                SubtaskPhase::Completed { .. }
                | SubtaskPhase::Revising { .. }
                | SubtaskPhase::Replaced { .. }
                | SubtaskPhase::Undoing { .. }
                | SubtaskPhase::Compensated { .. }
                | SubtaskPhase::NotCompensated { .. }
                | SubtaskPhase::Skipped { .. }
                | SubtaskPhase::Cancelled { .. } => false,
            };
            if !is_free {
                return Err(format!("subtask {id} is not free"));
            }
            subtask.retry = Some(RetryRecord {
                retry_count: subtask.retry.as_ref().map_or(0, |retry| retry.retry_count),
                retry_reason: told.why.evidence.clone(),
                retry_modifications: format!("given to {} instead of {from}", told.assigned_to),
            });
            subtask.agents_before.push(from);
            subtask.agent = Some(told.assigned_to.clone());
            subtask.failures_before = subtask.failures;
            Ok(())
        })
    }

    pub(super) fn revision_requested(&mut self, told: &RevisionRequested, at: &Moment) -> Applied {
        let id = &told.subtask_id;
        self.with_run(id, |run, position| {
            let subtask = &mut run.runs[position];
            if !matches!(subtask.phase, SubtaskPhase::Pending) {
                return Err(format!("subtask {id} is not free"));
            }
            subtask.phase = SubtaskPhase::Revising {
                since: *at,
                revision: told.revision,
                reason: told.reason.clone(),
            };
            Ok(())
        })
    }

    pub(super) fn plan_revised(&mut self, told: &PlanRevised, at: &Moment) -> Applied {
        Err(format!("plan_revised {} {at:?}", told.subtask_id))
    }

    pub(super) fn revision_refused(&mut self, told: &RevisionRefused) -> Applied {
        let id = &told.subtask_id;
        self.with_run(id, |run, position| {
            let subtask = &mut run.runs[position];
            if !matches!(subtask.phase, SubtaskPhase::Revising { .. }) {
                return Err(format!("subtask {id} is not being revised"));
            }
            subtask.phase = SubtaskPhase::Pending;
            Ok(())
        })
    }

    pub(super) fn compensation_started(
        &mut self,
        told: &CompensationStarted,
        at: &Moment,
    ) -> Applied {
        Err(format!("compensation_started {} {at:?}", told.orchestration_id))
    }

    pub(super) fn compensated(&mut self, told: &Compensated, at: &Moment) -> Applied {
        Err(format!("compensated {} {at:?}", told.subtask_id))
    }

    pub(super) fn compensation_failed(
        &mut self,
        told: &CompensationFailed,
        at: &Moment,
    ) -> Applied {
        Err(format!("compensation_failed {} {at:?}", told.subtask_id))
    }

    pub(super) fn rolled_back(
        &mut self,
        id: &OrchestrationId,
        reason: &str,
        at: &Moment,
    ) -> Applied {
        self.change_phase(id, OrchestrationPhase::RolledBack { at: *at, reason: reason.to_owned() })
    }

    pub(super) fn draft_crashed(&mut self, id: &TaskId, times: u32) -> Applied {
        self.task_mut(id)?.draft_crashes = times;
        Ok(())
    }

    pub(super) fn overdue(&mut self, told: &Overdue) -> Applied {
        self.change_run(&told.orchestration_id, |run| match &mut run.phase {
            OrchestrationPhase::Blocked(escalation) => {
                escalation.overdue = true;
                Ok(())
            }
            OrchestrationPhase::InProgress
            | OrchestrationPhase::Paused { .. }
            | OrchestrationPhase::Compensating { .. }
            | OrchestrationPhase::RolledBack { .. }
            | OrchestrationPhase::Completed { .. }
            | OrchestrationPhase::Failed { .. }
            | OrchestrationPhase::Cancelled { .. } => Err("it waits for nobody".into()),
        })
    }
}
