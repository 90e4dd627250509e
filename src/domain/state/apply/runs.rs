//! Events about runs and about subtasks as parts of them.

use crate::domain::event::{Blocked, Event, Retried};
use crate::domain::ids::{OrchestrationId, SubtaskId};
use crate::domain::moment::Moment;
use crate::domain::plan::{
    BackingOff, Escalation, Orchestration, OrchestrationPhase, RetryRecord, SubtaskPhase,
    SubtaskRun,
};
use crate::domain::report::{Category, Failure};
use crate::domain::state::State;
use crate::domain::worker::Attempt;

use super::Applied;

impl State {
    pub(super) fn retried(&mut self, event: &Event, at: &Moment) -> Applied {
        let Event::SubtaskRetried(Retried {
            subtask_id,
            retry_count,
            retry_reason,
            retry_modifications,
            delay_ms,
            ..
        }) = event
        else {
            return Err("it is no retry".into());
        };
        self.with_run(subtask_id, |run, position| {
            let subtask = &mut run.runs[position];
            let (since, delay_ms) = (*at, *delay_ms);
            match &mut subtask.phase {
                SubtaskPhase::Pending => {
                    subtask.phase = SubtaskPhase::BackingOff { since, delay_ms };
                }
                // What failed is no attempt at the work: its retries are no retries of it.
                SubtaskPhase::Undoing { backoff, .. } => {
                    *backoff = Some(BackingOff { since, delay_ms });
                    return Ok(());
                }
                SubtaskPhase::BackingOff { .. }
                | SubtaskPhase::InAttempt
                | SubtaskPhase::Completed { .. }
                | SubtaskPhase::Revising { .. }
                | SubtaskPhase::Replaced { .. }
                | SubtaskPhase::Compensated { .. }
                | SubtaskPhase::NotCompensated { .. }
                | SubtaskPhase::Blocked { .. }
                | SubtaskPhase::Skipped { .. }
                | SubtaskPhase::Cancelled { .. } => {
                    return Err(format!("subtask {subtask_id} has not failed"));
                }
            }
            // The same count again: nothing failed, the attempt was interrupted.
            let counted = subtask.retry.as_ref().map_or(0, |retry| retry.retry_count);
            run.retries += u32::from(*retry_count > counted);
            subtask.retry = Some(RetryRecord {
                retry_count: *retry_count,
                retry_reason: retry_reason.clone(),
                retry_modifications: retry_modifications.clone(),
            });
            Ok(())
        })
    }

    pub(super) fn backoff_ended(&mut self, subtask_id: &SubtaskId) -> Applied {
        self.with_run(subtask_id, |run, position| {
            let subtask = &mut run.runs[position];
            if subtask.backoff().is_none() {
                return Err(format!("subtask {subtask_id} is not backing off"));
            }
            if let SubtaskPhase::Undoing { backoff, .. } = &mut subtask.phase {
                *backoff = None;
            } else {
                subtask.phase = SubtaskPhase::Pending;
            }
            Ok(())
        })
    }

    pub(super) fn skipped(&mut self, subtask_id: &SubtaskId, reason: &str, at: &Moment) -> Applied {
        self.with_run(subtask_id, |run, position| {
            let is_rolled_back = run.is_compensating();
            let subtask = &mut run.runs[position];
            if subtask.is_satisfied() || is_rolled_back {
                return Err(format!("subtask {subtask_id} is done, or being undone"));
            }
            subtask.phase = SubtaskPhase::Skipped { at: *at, reason: reason.to_owned() };
            Ok(())
        })
    }

    pub(super) fn stage_completed(&mut self, id: &OrchestrationId, stage: usize) -> Applied {
        self.change_run(id, |run| {
            if stage < run.current_stage || run.first_open_stage(None) <= stage {
                return Err(format!("stage {stage} is not the one that is complete"));
            }
            run.current_stage = (stage + 1).min(run.plan.stages.len());
            Ok(())
        })
    }

    pub(super) fn blocked(&mut self, event: &Event, at: &Moment) -> Applied {
        let Event::OrchestrationBlocked(Blocked {
            orchestration_id,
            blocking_subtask,
            failure_reason,
            escalation,
            options,
            ..
        }) = event
        else {
            return Err("it is no escalation".into());
        };
        self.with_run(blocking_subtask, |run, position| {
            if run.is_compensating() {
                return Err(format!("{orchestration_id} is being rolled back"));
            }
            let subtask = &mut run.runs[position];
            // What blocks it need not be what its last attempt failed with.
            let failure = last_failure(subtask.attempts.last())
                .filter(|failure| failure_reason.ends_with(&failure.message))
                .unwrap_or_else(|| Failure::new(Category::Blocker, failure_reason.clone()));
            subtask.phase = SubtaskPhase::Blocked { at: *at, failure };
            Ok(())
        })?;
        let escalation = Escalation {
            since: *at,
            blocking_subtask: blocking_subtask.clone(),
            failure_reason: failure_reason.clone(),
            escalation: escalation.clone(),
            options: options.clone(),
            overdue: false,
        };
        self.change_run(orchestration_id, |run| {
            if !run.is_over() {
                run.phase = OrchestrationPhase::Blocked(escalation);
            }
            Ok(())
        })
    }

    /// Changes the phase of a run, by this table: completed (when every subtask is), failed and
    /// cancelled from anything that is not over; paused from in progress; in progress from paused
    /// or blocked; rolled back from compensating, when nothing is left to be undone.
    pub(super) fn change_phase(
        &mut self,
        id: &OrchestrationId,
        next: OrchestrationPhase,
    ) -> Applied {
        self.change_run(id, |run| {
            let goes_on = run.phase == OrchestrationPhase::InProgress;
            let is_legal = !run.is_over()
                && match &next {
                    OrchestrationPhase::Blocked(_) | OrchestrationPhase::Compensating { .. } => {
                        false
                    }
                    OrchestrationPhase::InProgress => !goes_on && !run.is_compensating(),
                    OrchestrationPhase::Paused { .. } => goes_on,
                    OrchestrationPhase::Completed { .. } => {
                        run.runs.iter().all(SubtaskRun::is_satisfied)
                    }
                    OrchestrationPhase::Failed { at, reason }
                    | OrchestrationPhase::Cancelled { at, reason } => {
                        end_open_subtasks(&mut run.runs, at, reason);
                        true
                    }
                    OrchestrationPhase::RolledBack { .. } => {
                        // An attempt may still be ending: an older one has undone it after all.
                        let is_left =
                            |run: &SubtaskRun| matches!(run.phase, SubtaskPhase::Undoing { .. });
                        run.is_compensating() && !run.runs.iter().any(is_left)
                    }
                };
            if !is_legal {
                return Err(format!("run {id} is {:?}", run.phase));
            }
            run.phase = next;
            Ok(())
        })
    }

    /// Notes when a run that was blocked or over goes on.
    pub(super) fn note_reopening(&mut self, id: &OrchestrationId, at: &Moment) {
        let Some(run) = self.orchestrations.get_mut(id) else { return };
        let was_stopped = run.is_over() || matches!(run.phase, OrchestrationPhase::Blocked(_));
        if was_stopped && let Some(task) = self.tasks.get_mut(&run.task_id) {
            task.reopened_at = Some(*at);
            run.paused_ms = 0;
        }
    }

    pub(super) fn run_again(
        &mut self,
        id: &OrchestrationId,
        subtasks: &[SubtaskId],
        reason: &str,
    ) -> Applied {
        self.change_run(id, |run| {
            if run.is_compensating() {
                return Err(format!("run {id} is being rolled back"));
            }
            for subtask_id in subtasks {
                let position = run
                    .position(subtask_id)
                    .ok_or_else(|| format!("run {id} has no subtask {subtask_id}"))?;
                let subtask = &mut run.runs[position];
                let live = || subtask.attempts.iter().filter(|attempt| attempt.is_live());
                if !live().all(Attempt::is_ending) {
                    return Err(format!("subtask {subtask_id} has a live attempt"));
                }
                // What was called back for it has to be gone first.
                let is_ending = live().next().is_some();
                if subtask.is_replaced() {
                    return Err(format!("others took the place of subtask {subtask_id}"));
                }
                subtask.phase =
                    if is_ending { SubtaskPhase::InAttempt } else { SubtaskPhase::Pending };
                subtask.failures = 0;
                subtask.interruptions = 0;
                // Whoever has it keeps it; those who had it may be asked again.
                subtask.failures_before = 0;
                subtask.agents_before.clear();
                // The next worker is told what failed, as after any failure.
                subtask.retry = last_failure(subtask.attempts.last()).map(|failure| RetryRecord {
                    retry_count: subtask.retry.as_ref().map_or(0, |retry| retry.retry_count),
                    retry_reason: failure.message,
                    retry_modifications: format!("none: begun anew by {reason}"),
                });
            }
            let blocked = |run: &SubtaskRun| matches!(run.phase, SubtaskPhase::Blocked { .. });
            if run.is_over() || !run.runs.iter().any(blocked) {
                run.phase = OrchestrationPhase::InProgress;
            }
            run.current_stage = run.first_open_stage(None).min(run.plan.stages.len());
            Ok(())
        })
    }

    /// Finds a run.
    pub(super) fn run(&self, id: &OrchestrationId) -> Result<&Orchestration, String> {
        self.orchestrations.get(id).ok_or_else(|| format!("there is no run {id}"))
    }

    /// Changes a run and looks at everything about it and its task again.
    pub(super) fn change_run(
        &mut self,
        id: &OrchestrationId,
        change: impl FnOnce(&mut Orchestration) -> Applied,
    ) -> Applied {
        let run = self.orchestrations.get_mut(id).ok_or_else(|| format!("there is no run {id}"))?;
        self.index.count(run, -1);
        self.index.end_question(run);
        for position in 0..run.runs.len() {
            self.index.end_backoff(run, position);
            self.index.leave_line(run, position);
        }
        let changed = change(run);
        self.index.count(run, 1);
        self.index.refresh_run(run);
        if let Some(task) = self.tasks.get(&run.task_id) {
            self.index.refresh_task(task, Some(run));
        }
        changed
    }
}

/// Every subtask that has neither ended nor a live attempt ends with its run, and what is not
/// undone yet stays as it is.
pub(super) fn end_open_subtasks(runs: &mut [SubtaskRun], at: &Moment, reason: &str) {
    for subtask in runs {
        match subtask.phase {
            SubtaskPhase::Pending
            | SubtaskPhase::BackingOff { .. }
            | SubtaskPhase::Revising { .. }
            | SubtaskPhase::Blocked { .. } => {
                let is_live = subtask.attempts.last().is_some_and(Attempt::is_live);
                subtask.phase = if is_live {
                    SubtaskPhase::InAttempt
                } else {
                    SubtaskPhase::Cancelled { at: *at }
                };
            }
            SubtaskPhase::Undoing { .. } => {
                let message = format!("the run ended before it was undone: {reason}");
                let failure = Failure::new(Category::Blocker, message);
                subtask.phase = SubtaskPhase::NotCompensated { at: *at, failure };
            }
            SubtaskPhase::InAttempt
            | SubtaskPhase::Completed { .. }
            | SubtaskPhase::Replaced { .. }
            | SubtaskPhase::Compensated { .. }
            | SubtaskPhase::NotCompensated { .. }
            | SubtaskPhase::Skipped { .. }
            | SubtaskPhase::Cancelled { .. } => {}
        }
    }
}

fn last_failure(attempt: Option<&Attempt>) -> Option<Failure> {
    attempt?.failure().cloned()
}
