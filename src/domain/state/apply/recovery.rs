//! Events about recovery: other agents, changed plans, roll-backs, circuit breakers.

use crate::domain::event::{
    Compensated, CompensationFailed, CompensationStarted, Overdue, PlanRevised, Reassigned,
    RevisionRefused, RevisionRequested,
};
use crate::domain::ids::{OrchestrationId, SubtaskId, TaskId};
use crate::domain::moment::Moment;
use crate::domain::plan::{
    Orchestration, OrchestrationPhase, Plan, RetryRecord, Revision, SubtaskPhase, SubtaskRun,
};
use crate::domain::state::State;
use crate::domain::worker::{Attempt, AttemptEnd};

use super::Applied;
use super::runs::end_open_subtasks;

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
            subtask.interruptions = 0;
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

    /// Puts others in the place of a subtask; everything that hangs on positions is derived anew.
    pub(super) fn plan_revised(&mut self, told: &PlanRevised, at: &Moment) -> Applied {
        let id = &told.subtask_id;
        let run = self
            .orchestrations
            .get_mut(&told.orchestration_id)
            .ok_or_else(|| format!("there is no run {}", told.orchestration_id))?;
        let position = run.position(id).ok_or_else(|| format!("there is no subtask {id}"))?;
        let retry = follows(run, position, told)?;
        if let Some(taken) =
            told.replaced_by.iter().find(|new| self.index.subtasks.contains_key(*new))
        {
            return Err(format!("subtask {taken} exists"));
        }
        self.index.leave_turns(run);
        let from = run.runs.len();
        run.plan = (*told.plan).clone();
        run.reorder();
        run.runs[position].phase = SubtaskPhase::Replaced { at: *at, by: told.replaced_by.clone() };
        let new = SubtaskRun { retry, ..SubtaskRun::new() };
        run.runs.resize(run.plan.subtasks.len(), new);
        run.revision += 1;
        run.replans += u32::from(told.revision == Revision::Replan);
        run.current_stage = run.first_open_stage(None).min(run.plan.stages.len());
        self.index.add_subtasks(run, from);
        self.index.refresh_run(run);
        Ok(())
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

    /// From here on nothing of a run goes forward: what waits ends, what is done and can be undone
    /// is undone by whoever did it.
    pub(super) fn compensation_started(
        &mut self,
        told: &CompensationStarted,
        at: &Moment,
    ) -> Applied {
        self.note_reopening(&told.orchestration_id, at);
        self.change_run(&told.orchestration_id, |run| {
            let is_rolled_back = matches!(run.phase, OrchestrationPhase::RolledBack { .. });
            if run.is_compensating() || is_rolled_back || told.subtasks.is_empty() {
                return Err(format!("run {} is {:?}", run.id, run.phase));
            }
            end_open_subtasks(&mut run.runs, at, &told.reason);
            for id in &told.subtasks {
                let position = run.position(id).ok_or_else(|| format!("there is no {id}"))?;
                let Some(result) = run.runs[position].phase.result().cloned() else {
                    return Err(format!("subtask {id} is not done"));
                };
                let did = run.runs[position]
                    .attempts
                    .iter()
                    .rfind(|attempt| attempt.worker_id == result.worker_id)
                    .map(|attempt| &attempt.agent)
                    .filter(|agent| *agent != run.agent_of(position))
                    .cloned();
                let subtask = &mut run.runs[position];
                subtask.agent = did.or(subtask.agent.take());
                subtask.phase = SubtaskPhase::Undoing { since: *at, result, backoff: None };
            }
            run.phase = OrchestrationPhase::Compensating {
                since: *at,
                reason: told.reason.clone(),
                order: told.subtasks.clone(),
            };
            run.current_stage = run.first_open_stage(None).min(run.plan.stages.len());
            Ok(())
        })
    }

    pub(super) fn compensated(&mut self, told: &Compensated, at: &Moment) -> Applied {
        if self.live_attempt(&told.attempt_id).is_ok() {
            self.end_attempt(&told.attempt_id, AttemptEnd::Completed, at)?;
        }
        self.undone(&told.subtask_id, SubtaskPhase::Compensated { at: *at })
    }

    pub(super) fn compensation_failed(
        &mut self,
        told: &CompensationFailed,
        at: &Moment,
    ) -> Applied {
        let failure = told.failure.clone();
        self.undone(&told.subtask_id, SubtaskPhase::NotCompensated { at: *at, failure })
    }

    fn undone(&mut self, id: &SubtaskId, phase: SubtaskPhase) -> Applied {
        self.with_run(id, |run, position| {
            let subtask = &mut run.runs[position];
            if !matches!(subtask.phase, SubtaskPhase::Undoing { .. }) {
                return Err(format!("subtask {id} is not being undone"));
            }
            subtask.phase = phase;
            Ok(())
        })
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

/// Tells that a revised plan is the one before with others in the place of a subtask; returns what
/// those have to know of the failure that led to it.
fn follows(
    run: &Orchestration,
    position: usize,
    told: &PlanRevised,
) -> Result<Option<RetryRecord>, String> {
    let id = &told.subtask_id;
    let subtask = &run.runs[position];
    let reason = match &subtask.phase {
        SubtaskPhase::Pending if told.revision == Revision::FanOut => None,
        SubtaskPhase::Revising { revision, reason, .. } if *revision == told.revision => {
            Some(reason)
        }
        SubtaskPhase::Pending
        | SubtaskPhase::Revising { .. }
        | SubtaskPhase::BackingOff { .. }
        | SubtaskPhase::InAttempt
        | SubtaskPhase::Completed { .. }
        | SubtaskPhase::Replaced { .. }
        | SubtaskPhase::Undoing { .. }
        | SubtaskPhase::Compensated { .. }
        | SubtaskPhase::NotCompensated { .. }
        | SubtaskPhase::Blocked { .. }
        | SubtaskPhase::Skipped { .. }
        | SubtaskPhase::Cancelled { .. } => {
            return Err(format!("subtask {id} is not being revised"));
        }
    };
    let before = subtask.retry.as_ref().map_or(0, |retry| retry.retry_count);
    let retry = reason.map(|reason| RetryRecord {
        retry_count: before + 1,
        retry_reason: reason.clone(),
        retry_modifications: match told.revision {
            Revision::Split => format!("split into {} smaller subtasks", told.replaced_by.len()),
            Revision::Replan => "planned again with what went wrong".to_owned(),
            Revision::FanOut => "one for each item".to_owned(),
        },
    });
    if run.is_over() || run.is_compensating() || subtask.has_live_attempt() {
        return Err(format!("subtask {id} is not free"));
    }
    let ids = |plan: &Plan| plan.subtasks.iter().map(|s| s.subtask_id.clone()).collect::<Vec<_>>();
    let (before, after) = (ids(&run.plan), ids(&told.plan));
    if told.replaced_by.is_empty() || after != [before, told.replaced_by.clone()].concat() {
        return Err("it does not keep the plan before it".to_owned());
    }
    Ok(retry)
}
