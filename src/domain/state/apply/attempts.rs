//! Events about attempts.

use crate::domain::event::{Event, HandedOff};
use crate::domain::ids::{AttemptId, OrchestrationId, SubtaskId};
use crate::domain::moment::Moment;
use crate::domain::plan::{Orchestration, SubtaskPhase};
use crate::domain::report::{Failure, SubtaskResult};
use crate::domain::state::State;
use crate::domain::watch::spec_of;
use crate::domain::worker::{
    Attempt, AttemptEnd, AttemptPhase, Execution, ProcessIdentity, Purpose, Recall, Started,
};

use super::Applied;
use super::circuits::speaks_of_its_agent;

impl State {
    pub(super) fn hand_off(&mut self, event: &Event, at: &Moment) -> Applied {
        let Event::SubtaskHandedOff(HandedOff {
            subtask_id,
            attempt_id,
            attempt,
            assigned_to,
            worker_id,
            execution,
            nonce,
            purpose,
            ..
        }) = event
        else {
            return Err("it is no handoff".into());
        };
        let new = Attempt {
            id: attempt_id.clone(),
            number: *attempt,
            agent: assigned_to.clone(),
            worker_id: worker_id.clone(),
            execution: execution.clone(),
            nonce: nonce.clone(),
            issued_at: *at,
            started: None,
            purpose: *purpose,
            standing: None,
            untaken_told: false,
            paused_ms: 0,
            hindrance: None,
            phase: AttemptPhase::Issued,
        };
        self.index.note_start(assigned_to, at);
        self.with_run(subtask_id, |run, position| {
            let subtask = &mut run.runs[position];
            let is_ready = match purpose {
                Purpose::Work => matches!(subtask.phase, SubtaskPhase::Pending),
                Purpose::Compensation => {
                    matches!(subtask.phase, SubtaskPhase::Undoing { backoff: None, .. })
                }
            };
            if !is_ready {
                return Err(format!("subtask {subtask_id} is not ready"));
            }
            if subtask.attempts.iter().any(Attempt::is_live) {
                return Err(format!("subtask {subtask_id} has a live attempt"));
            }
            let last = subtask.attempts.last().map_or(0, |attempt| attempt.number);
            if new.number != last + 1 {
                return Err(format!("attempt {} does not follow {last}", new.number));
            }
            if new.purpose.is_work() {
                subtask.phase = SubtaskPhase::InAttempt;
            }
            subtask.attempts.push(new);
            Ok(())
        })
    }

    pub(super) fn published(&mut self, id: &AttemptId, at: &Moment) -> Applied {
        self.with_attempt(id, |attempt| match attempt.phase {
            AttemptPhase::Issued => {
                attempt.paused_ms = 0;
                attempt.phase = AttemptPhase::Published { at: *at };
                Ok(())
            }
            AttemptPhase::Ending { .. } => Ok(()),
            AttemptPhase::Published { .. }
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. }
            | AttemptPhase::Ended { .. } => Err("its handoff was published before".into()),
        })
    }

    pub(super) fn taken(&mut self, id: &AttemptId, at: &Moment) -> Applied {
        self.with_attempt(id, |attempt| {
            if attempt.execution != Execution::External {
                return Err("it is run by Baton itself".into());
            }
            match attempt.phase {
                AttemptPhase::Issued | AttemptPhase::Published { .. } => {
                    attempt.started = Some(Started { at: *at, pid: None });
                    attempt.paused_ms = 0;
                    attempt.phase = AttemptPhase::Taken { at: *at };
                    Ok(())
                }
                // Of two renames the first wins: the attempt goes on.
                AttemptPhase::Ending { cause: Recall::Untaken, .. } => {
                    attempt.started = Some(Started { at: *at, pid: None });
                    attempt.paused_ms = 0;
                    attempt.phase = AttemptPhase::Taken { at: *at };
                    Ok(())
                }
                // It is over all the same, and the master may go on.
                AttemptPhase::Ending { .. } => {
                    attempt.started = Some(Started { at: *at, pid: None });
                    Ok(())
                }
                AttemptPhase::Taken { .. }
                | AttemptPhase::Running { .. }
                | AttemptPhase::Ended { .. } => Err("its handoff was taken before".into()),
            }
        })
    }

    /// A lost handoff is never written again: somebody may have it. It counts as taken.
    pub(super) fn lost(&mut self, id: &AttemptId, at: &Moment) -> Applied {
        self.taken(id, at)
    }

    pub(super) fn started(
        &mut self,
        id: &AttemptId,
        identity: &ProcessIdentity,
        at: &Moment,
    ) -> Applied {
        let started = Started { at: *at, pid: Some(identity.pid) };
        self.with_attempt(id, |attempt| match &mut attempt.phase {
            AttemptPhase::Issued | AttemptPhase::Published { .. } => {
                attempt.started = Some(started);
                attempt.paused_ms = 0;
                attempt.hindrance = None;
                attempt.phase = AttemptPhase::Running { identity: identity.clone(), at: *at };
                Ok(())
            }
            AttemptPhase::Ending { identity: known, .. } => {
                attempt.started = Some(started);
                *known = Some(identity.clone());
                Ok(())
            }
            AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. }
            | AttemptPhase::Ended { .. } => Err("it has begun before".into()),
        })
    }

    /// Notes why a worker could not be started; what follows from it, other events say.
    pub(super) fn hindered(&mut self, id: &AttemptId, error: &str) -> Applied {
        self.live_attempt(id)?;
        self.with_attempt(id, |attempt| {
            attempt.hindrance = Some(error.to_owned());
            Ok(())
        })
    }

    pub(super) fn recalled(
        &mut self,
        id: &AttemptId,
        reason: &str,
        cause: Recall,
        at: &Moment,
    ) -> Applied {
        // Only one that may be stopped is called back for these reasons.
        let stops = matches!(cause, Recall::Stalled | Recall::Replaced);
        let theirs = self.attempt(id).filter(|_| stops).and_then(|found| {
            spec_of(self, found.2).and_then(|worker| worker.spec.identity.clone())
        });
        if cause == Recall::Untaken {
            let agent = self.live_attempt(id)?.agent.clone();
            self.agent_failed(agent);
        }
        self.with_attempt(id, |attempt| {
            let identity = match &attempt.phase {
                AttemptPhase::Running { identity, .. } => Some(identity.clone()),
                AttemptPhase::Taken { .. } => theirs,
                AttemptPhase::Issued | AttemptPhase::Published { .. } => None,
                AttemptPhase::Ending { .. } | AttemptPhase::Ended { .. } => {
                    return Err("it is ending already".into());
                }
            };
            let reason = reason.to_owned();
            attempt.phase =
                AttemptPhase::Ending { identity, at: *at, reason, cause, survivors: Vec::new() };
            Ok(())
        })
    }

    pub(super) fn interrupted(&mut self, id: &AttemptId, reason: &str, at: &Moment) -> Applied {
        let frees = self.was_unstoppable(id);
        self.end_attempt(id, AttemptEnd::Interrupted { reason: reason.to_owned() }, at)?;
        let subtask_id = self.subtask_of(id)?;
        self.with_run(&subtask_id, |run, position| {
            run.runs[position].interruptions += 1;
            Ok(())
        })?;
        self.leave_attempt(id, frees)
    }

    pub(super) fn attempt_cancelled(
        &mut self,
        id: &AttemptId,
        reason: &str,
        at: &Moment,
    ) -> Applied {
        let frees = self.was_unstoppable(id);
        self.end_attempt(id, AttemptEnd::Cancelled { reason: reason.to_owned() }, at)?;
        self.leave_attempt(id, frees)
    }

    pub(super) fn completed(
        &mut self,
        subtask_id: &SubtaskId,
        attempt_id: &AttemptId,
        result: &SubtaskResult,
        at: &Moment,
    ) -> Applied {
        if let Some((_, _, attempt)) = self.attempt(attempt_id) {
            let agent = attempt.agent.clone();
            self.agent_succeeded(&agent);
        }
        if self.live_attempt(attempt_id).is_ok() {
            self.end_attempt(attempt_id, AttemptEnd::Completed, at)?;
        }
        self.with_run(subtask_id, |run, position| {
            if run.is_compensating() {
                return Err(format!("{} is being rolled back", run.id));
            }
            let subtask = &mut run.runs[position];
            if subtask.is_satisfied() {
                return Err(format!("subtask {subtask_id} is done"));
            }
            let result = result.clone();
            subtask.interruptions = 0;
            subtask.phase =
                SubtaskPhase::Completed { at: *at, attempt_id: attempt_id.clone(), result };
            Ok(())
        })
    }

    pub(super) fn failed(&mut self, id: &AttemptId, failure: &Failure, at: &Moment) -> Applied {
        let attempt = self.live_attempt(id)?;
        let is_work = attempt.purpose.is_work();
        let agent = attempt.agent.clone();
        if speaks_of_its_agent(attempt, failure) {
            self.agent_failed(agent.clone());
        }
        self.end_attempt(id, AttemptEnd::Failed { failure: failure.clone() }, at)?;
        let subtask_id = self.subtask_of(id)?;
        self.with_run(&subtask_id, |run, position| {
            // Whoever has it since has not failed at it.
            let is_before = is_work && *run.agent_of(position) != agent;
            run.runs[position].failures += u32::from(is_work);
            run.runs[position].failures_before += u32::from(is_before);
            run.runs[position].interruptions = 0;
            Ok(())
        })?;
        self.leave_attempt(id, true)
    }

    /// Tells whether a person was asked because it could not be ended.
    fn was_unstoppable(&self, id: &AttemptId) -> bool {
        let phase = self.attempt(id).map(|found| &found.2.phase);
        matches!(phase, Some(AttemptPhase::Ending { survivors, .. }) if !survivors.is_empty())
    }

    /// Tells that an attempt still holds something.
    pub(super) fn live_attempt(&self, id: &AttemptId) -> Result<&Attempt, String> {
        match self.attempt(id) {
            Some((_, _, attempt)) if attempt.is_live() => Ok(attempt),
            Some(_) => Err(format!("attempt {id} is over")),
            None => Err(format!("there is no attempt {id}")),
        }
    }

    pub(super) fn end_attempt(&mut self, id: &AttemptId, end: AttemptEnd, at: &Moment) -> Applied {
        self.live_attempt(id)?;
        self.with_attempt(id, |attempt| {
            attempt.phase = AttemptPhase::Ended { at: *at, end };
            Ok(())
        })
    }

    /// A subtask whose attempt is over without a result waits again; what follows is decided by
    /// the events after this one. One that a person was asked about while somebody was at it waits
    /// again if that answers the question.
    fn leave_attempt(&mut self, id: &AttemptId, answers: bool) -> Applied {
        let subtask_id = self.subtask_of(id)?;
        self.with_run(&subtask_id, |run, position| {
            let is_over = run.is_over() || run.is_compensating();
            let subtask = &mut run.runs[position];
            let was_in_attempt = match subtask.phase {
                SubtaskPhase::InAttempt => true,
                SubtaskPhase::Blocked { .. } => answers,
                SubtaskPhase::Pending
                | SubtaskPhase::BackingOff { .. }
                | SubtaskPhase::Completed { .. }
                | SubtaskPhase::Revising { .. }
                | SubtaskPhase::Replaced { .. }
                | SubtaskPhase::Undoing { .. }
                | SubtaskPhase::Compensated { .. }
                | SubtaskPhase::NotCompensated { .. }
                | SubtaskPhase::Skipped { .. }
                | SubtaskPhase::Cancelled { .. } => false,
            };
            if was_in_attempt && !subtask.attempts.iter().any(Attempt::is_live) {
                subtask.phase = SubtaskPhase::Pending;
                if is_over && let Some(at) = ended_at(subtask.attempts.last()) {
                    subtask.phase = SubtaskPhase::Cancelled { at };
                }
            }
            Ok(())
        })
    }

    fn subtask_of(&self, id: &AttemptId) -> Result<SubtaskId, String> {
        let (run, position, _) =
            self.attempt(id).ok_or_else(|| format!("there is no attempt {id}"))?;
        Ok(run.plan.subtasks[position].subtask_id.clone())
    }

    pub(super) fn with_attempt(
        &mut self,
        id: &AttemptId,
        change: impl FnOnce(&mut Attempt) -> Applied,
    ) -> Applied {
        let subtask_id = self.subtask_of(id)?;
        self.with_run(&subtask_id, |run, position| {
            let found = run.runs[position].attempts.iter_mut().find(|attempt| attempt.id == *id);
            found.map_or_else(|| Err(format!("there is no attempt {id}")), change)
        })
    }

    /// Changes the run of a subtask and looks at everything that hangs on it again.
    pub(super) fn with_run(
        &mut self,
        id: &SubtaskId,
        change: impl FnOnce(&mut Orchestration, usize) -> Applied,
    ) -> Applied {
        let (orchestration_id, position) = self.place(id)?;
        let run = self
            .orchestrations
            .get_mut(&orchestration_id)
            .ok_or_else(|| format!("there is no run {orchestration_id}"))?;
        self.index.end_backoff(run, position);
        self.index.leave_line(run, position);
        change(run, position)?;
        self.index.refresh_turn(run, position);
        self.index.refresh_followers(run, position);
        self.index.refresh_answered(run);
        if let Some(attempt) = run.runs[position].attempts.last() {
            self.index.refresh_attempt(run, position, attempt);
        }
        Ok(())
    }

    /// Finds a subtask.
    pub(super) fn place(&self, id: &SubtaskId) -> Result<(OrchestrationId, usize), String> {
        self.index.subtasks.get(id).cloned().ok_or_else(|| format!("there is no subtask {id}"))
    }
}

fn ended_at(attempt: Option<&Attempt>) -> Option<Moment> {
    match &attempt?.phase {
        AttemptPhase::Ended { at, .. } => Some(*at),
        AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Taken { .. }
        | AttemptPhase::Running { .. }
        | AttemptPhase::Ending { .. } => None,
    }
}
