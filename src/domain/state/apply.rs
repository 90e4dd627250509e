//! What each event changes, and what must be true before it.

mod attempts;
mod circuits;
mod inbox;
mod recovery;
mod runs;
mod supervision;
mod suspension;

use crate::domain::effect::Effect;
use crate::domain::event::{Decided, Event};
use crate::domain::evidence::Liveness;
use crate::domain::moment::Moment;
use crate::domain::plan::{Orchestration, OrchestrationPhase, Plan, RunKind};
use crate::domain::task::{Phase, Task, TaskSource};
use crate::domain::{ids::TaskId, task::TaskSpec};

use super::{RefusedEntry, State, entry_key, repeat_key};

/// Says what is in the way of an event.
type Applied = Result<(), String>;

impl State {
    /// Applies one event: one arm per event, each is one call.
    #[expect(clippy::too_many_lines, reason = "one arm for each event, each a single call")]
    pub(super) fn apply_event(&mut self, event: &Event, seq: u64, at: &Moment) -> Applied {
        match event {
            Event::DaemonStarted { epoch, suspended_ms, .. } => {
                self.begin_epoch(*epoch)?;
                self.note_suspended(*suspended_ms, at);
                Ok(())
            }
            Event::HostResumed(told) => self.host_resumed(told, at),
            Event::DaemonStopped { .. } => Ok(()),
            Event::TaskAccepted { task_id, source, spec } => {
                self.accept_task(task_id, source, spec, at)
            }
            Event::TaskRejected { task_id, source, error, .. } => {
                self.reject_task(task_id.as_deref(), source, error, at)
            }
            Event::TaskRepeated { task_id, source, remedy } => {
                self.note_repeat(task_id, source, remedy, at);
                Ok(())
            }
            Event::TaskRemoved { task_id, times, put_back } => {
                let task = self.task_mut(task_id)?;
                task.removals = *times;
                task.missing = *put_back;
                Ok(())
            }
            Event::TaskReturned { task_id } => {
                self.task_mut(task_id)?.missing = false;
                Ok(())
            }
            Event::TaskRetried { task_id, .. } => self.plan_again(task_id, at),
            Event::TaskCancelled { task_id, reason } => {
                self.end_task(task_id, Phase::Cancelled { at: *at, reason: reason.clone() })
            }
            Event::TaskRouted { task_id, plan, .. } => {
                self.begin_run(task_id, RunKind::Routed, plan, seq, at)
            }
            Event::PlanAccepted { task_id, plan, .. } => {
                self.begin_run(task_id, RunKind::Planned, plan, seq, at)
            }
            Event::OrchestrationStarted { orchestration_id, .. } => {
                self.run(orchestration_id).map(|_| ())
            }
            Event::SubtaskHandedOff(..) => self.hand_off(event, at),
            Event::HandoffPublished { attempt_id, .. } => self.published(attempt_id, at),
            Event::HandoffTaken { attempt_id, .. } => self.taken(attempt_id, at),
            Event::HandoffLost { attempt_id, .. } => self.lost(attempt_id, at),
            Event::HandoffWithdrawn { attempt_id, .. } => self.live_attempt(attempt_id).map(|_| ()),
            Event::WorkerStarted { attempt_id, identity, .. } => {
                self.started(attempt_id, identity, at)
            }
            Event::WorkerNotStarted { attempt_id, error, .. } => self.hindered(attempt_id, error),
            Event::WorkerExited { attempt_id, .. } => self.live_attempt(attempt_id).map(|_| ()),
            Event::AttemptRecalled { attempt_id, reason, cause, .. } => {
                self.recalled(attempt_id, reason, *cause, at)
            }
            Event::WorkerHeartbeatMissed(found) => self.found(found, Liveness::Quiet, at),
            Event::WorkerSuspected(found) => self.found(found, Liveness::Suspect, at),
            Event::WorkerStalled(found) => self.found(found, Liveness::Stalled, at),
            Event::WorkerGone(found) => self.found(found, Liveness::Gone, at),
            Event::WorkerRecovered(found) => self.found(found, Liveness::Healthy, at),
            Event::WorkerUnstoppable(told) => self.unstoppable(told),
            Event::VerdictsHeld(..) => Ok(()),
            Event::HandoffUntaken(told) => self.untaken(told),
            Event::WorkerSpecSeen(spec) => {
                self.spec_seen(spec, at);
                Ok(())
            }
            Event::WorkerSpecSettled(settled) => self.spec_settled(settled),
            Event::WorkerSpecMoved(told) => self.spec_moved(&told.worker_id),
            Event::AttemptInterrupted { attempt_id, reason, .. } => {
                self.interrupted(attempt_id, reason, at)
            }
            Event::AttemptCancelled { attempt_id, reason, .. } => {
                self.attempt_cancelled(attempt_id, reason, at)
            }
            Event::ReportAccepted { finding, claim, .. } => {
                self.note_report(&finding.path, &finding.digest, claim.as_ref(), None);
                Ok(())
            }
            Event::ReportRefused { path, digest, reason, claim, .. } => {
                self.note_report(path, digest, claim.as_ref(), Some(reason));
                Ok(())
            }
            Event::SubtaskCompleted { subtask_id, attempt_id, result, .. } => {
                self.completed(subtask_id, attempt_id, result, at)
            }
            Event::SubtaskFailed { attempt_id, failure, .. } => {
                self.failed(attempt_id, failure, at)
            }
            Event::RecoveryDecided(Decided { subtask_id, .. }) => {
                self.place(subtask_id).map(|_| ())
            }
            Event::SubtaskRetried(..) => self.retried(event, at),
            Event::SubtaskReassigned(told) => self.reassigned(told),
            Event::RevisionRequested(told) => self.revision_requested(told, at),
            Event::PlanRevised(told) => self.plan_revised(told, at),
            Event::RevisionRefused(told) => self.revision_refused(told),
            Event::CompensationStarted(told) => self.compensation_started(told, at),
            Event::SubtaskCompensated(told) => self.compensated(told, at),
            Event::CompensationFailed(told) => self.compensation_failed(told, at),
            Event::OrchestrationRolledBack { orchestration_id, reason, .. } => {
                self.rolled_back(orchestration_id, reason, at)
            }
            Event::CircuitOpened(told) => {
                self.circuit_opened(told, at);
                Ok(())
            }
            Event::CircuitHalfOpened(told) => self.circuit_half_opened(told),
            Event::CircuitClosed(told) => {
                self.circuit_closed(told);
                Ok(())
            }
            Event::DraftCrashed { task_id, times } => self.draft_crashed(task_id, *times),
            Event::EscalationOverdue(told) => self.overdue(told),
            Event::BackoffEnded { subtask_id, .. } => self.backoff_ended(subtask_id),
            Event::SubtaskSkipped { subtask_id, reason, .. } => {
                self.skipped(subtask_id, reason, at)
            }
            Event::StageCompleted { orchestration_id, stage } => {
                self.stage_completed(orchestration_id, *stage)
            }
            Event::OrchestrationBlocked(..) => self.blocked(event, at),
            Event::OrchestrationCompleted { orchestration_id, .. } => {
                self.change_phase(orchestration_id, OrchestrationPhase::Completed { at: *at })
            }
            Event::OrchestrationFailed { orchestration_id, reason, .. } => {
                let phase = OrchestrationPhase::Failed { at: *at, reason: reason.clone() };
                self.change_phase(orchestration_id, phase)
            }
            Event::OrchestrationCancelled { orchestration_id, reason, .. } => {
                let phase = OrchestrationPhase::Cancelled { at: *at, reason: reason.clone() };
                self.change_phase(orchestration_id, phase)
            }
            Event::OrchestrationPaused { orchestration_id, reason } => {
                let phase = OrchestrationPhase::Paused { since: *at, reason: reason.clone() };
                self.change_phase(orchestration_id, phase)
            }
            Event::OrchestrationResumed { orchestration_id, .. } => {
                self.note_reopening(orchestration_id, at);
                self.change_phase(orchestration_id, OrchestrationPhase::InProgress)
            }
            Event::OrchestrationRetried { orchestration_id, subtasks, reason } => {
                self.note_reopening(orchestration_id, at);
                self.run_again(orchestration_id, subtasks, reason)
            }
            Event::CommandAccepted { claim, command, message, .. } => {
                self.answer(claim, command, true, message, at);
                Ok(())
            }
            Event::CommandRefused { claim, command, error, .. } => {
                self.answer(claim, command, false, error, at);
                Ok(())
            }
            Event::CommandRepeated { claim, command_id } => {
                self.claim(claim, command_id.as_str(), None);
                Ok(())
            }
            Event::MessageReceived { claim, file, .. } => {
                self.claim(claim, file, None);
                Ok(())
            }
            Event::DropRejected { claim, problem } => {
                self.claim(claim, &problem.file, Some(&problem.to_string()));
                Ok(())
            }
            Event::FileQuarantined { problem, digest, copy } => {
                self.quarantine(problem, digest, copy.as_deref(), at);
                Ok(())
            }
            Event::FileRestored { path } => {
                self.quarantined.remove(path);
                Ok(())
            }
            Event::ClaimSettled { claim } => self.settled(claim),
            Event::DocumentsSynced { seq } => {
                self.documents_synced = *seq;
                Ok(())
            }
        }
    }

    fn begin_epoch(&mut self, epoch: u64) -> Applied {
        if epoch <= self.epoch {
            return Err(format!("epoch {epoch} does not follow {}", self.epoch));
        }
        self.epoch = epoch;
        Ok(())
    }

    fn accept_task(
        &mut self,
        id: &TaskId,
        source: &TaskSource,
        spec: &TaskSpec,
        at: &Moment,
    ) -> Applied {
        if self.tasks.contains_key(id) {
            return Err(format!("task {id} exists"));
        }
        let task = Task {
            id: id.clone(),
            spec: spec.clone(),
            source: source.clone(),
            accepted_at: *at,
            phase: Phase::Planning,
            removals: 0,
            draft_crashes: 0,
            missing: false,
            reopened_at: None,
        };
        if let TaskSource::Inbox { claim, file, .. } = source {
            self.claim(claim, file, None);
        }
        self.index.hold_claim(source);
        self.index.add_task(&task);
        self.index.refresh_task(&task, None);
        self.tasks.insert(id.clone(), task);
        Ok(())
    }

    fn reject_task(
        &mut self,
        id: Option<&str>,
        source: &TaskSource,
        error: &str,
        at: &Moment,
    ) -> Applied {
        let planned = id
            .and_then(|id| self.tasks.get(id))
            .filter(|task| task.source == *source && matches!(task.phase, Phase::Planning))
            .map(|task| task.id.clone());
        match source {
            TaskSource::Inbox { claim, file, .. } => self.claim(claim, file, Some(error)),
            TaskSource::Queue { index, fingerprint, .. } if planned.is_none() => {
                self.refuse_entry(entry_key(*index, fingerprint), error, at);
            }
            TaskSource::Queue { .. } => {}
        }
        match planned {
            Some(id) => self.end_task(&id, Phase::Rejected { at: *at, error: error.to_owned() }),
            None => Ok(()),
        }
    }

    fn note_repeat(&mut self, id: &TaskId, source: &TaskSource, remedy: &str, at: &Moment) {
        match source {
            TaskSource::Inbox { claim, file, .. } => self.claim(claim, file, Some(remedy)),
            TaskSource::Queue { fingerprint, .. } => {
                self.refuse_entry(repeat_key(id.as_str(), fingerprint), remedy, at);
            }
        }
    }

    fn refuse_entry(&mut self, key: String, error: &str, at: &Moment) {
        self.refused_entries.insert(key, RefusedEntry { at: *at, error: error.to_owned() });
    }

    /// Ends a task that has no run.
    fn end_task(&mut self, id: &TaskId, phase: Phase) -> Applied {
        let task = self.task_mut(id)?;
        if !matches!(task.phase, Phase::Planning) {
            return Err(format!("task {id} is not being planned"));
        }
        task.phase = phase;
        self.phase_changed(id);
        Ok(())
    }

    fn plan_again(&mut self, id: &TaskId, at: &Moment) -> Applied {
        let task = self.task_mut(id)?;
        if !matches!(task.phase, Phase::Rejected { .. } | Phase::Cancelled { .. }) {
            return Err(format!("task {id} did not end without a run"));
        }
        task.phase = Phase::Planning;
        task.draft_crashes = 0;
        task.reopened_at = Some(*at);
        let source = task.source.clone();
        self.index.hold_claim(&source);
        if let TaskSource::Inbox { claim, .. } = &source
            && let Some(claim) = self.claims.get_mut(claim)
        {
            claim.refused = None;
        }
        self.phase_changed(id);
        Ok(())
    }

    fn begin_run(
        &mut self,
        id: &TaskId,
        kind: RunKind,
        plan: &Plan,
        seq: u64,
        at: &Moment,
    ) -> Applied {
        let task = self.task_mut(id)?;
        if !matches!(task.phase, Phase::Planning) {
            return Err(format!("task {id} is not being planned"));
        }
        let run = Orchestration::new(task, kind, plan.clone(), *at, seq);
        task.phase = match (kind, run.plan.subtasks.first()) {
            (RunKind::Planned, _) => Phase::Orchestrating { orchestration_id: run.id.clone() },
            (RunKind::Routed, Some(only)) => {
                Phase::Routed { orchestration_id: run.id.clone(), master: only.assigned_to.clone() }
            }
            (RunKind::Routed, None) => return Err("its plan is empty".into()),
        };
        if let Some(taken) =
            run.plan.subtasks.iter().find(|s| self.index.subtasks.contains_key(&s.subtask_id))
        {
            return Err(format!("subtask {} exists", taken.subtask_id));
        }
        self.index.add_run(&run);
        self.orchestrations.insert(run.id.clone(), run);
        self.phase_changed(id);
        Ok(())
    }

    /// Looks at a task again whose phase has changed; once it is planned its file can be put away.
    fn phase_changed(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let run = task.orchestration_id().and_then(|id| self.orchestrations.get(id));
        self.index.refresh_task(task, run);
        if let TaskSource::Inbox { claim, .. } = &task.source
            && self.claims.contains_key(claim)
            && !matches!(task.phase, Phase::Planning)
        {
            let claim = claim.clone();
            self.index.owed.insert(Effect::SettleClaim(claim));
        }
    }

    fn task_mut(&mut self, id: &TaskId) -> Result<&mut Task, String> {
        self.tasks.get_mut(id).ok_or_else(|| format!("there is no task {id}"))
    }
}
