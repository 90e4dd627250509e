//! Puts what an event decided into a sentence.

use crate::domain::Event;
use crate::domain::event::{
    Blocked, Compensated, CompensationFailed, CompensationStarted, Decided, Found, HandedOff,
    Overdue, PlanRevised, Reassigned, Retried, RevisionRefused, RevisionRequested, Unstoppable,
    Untaken,
};
use crate::domain::evidence::Evidence;
use crate::domain::moment::span;
use crate::domain::plan::{Revision, Why};
use crate::domain::worker::Exit;

/// An event in words.
pub(super) struct Told<'a> {
    /// Whatever it is about.
    pub(super) ids: Vec<&'a str>,
    /// The subtask or worker; empty for a task or run as a whole.
    pub(super) subject: &'a str,
    /// What was decided or seen.
    pub(super) what: String,
    /// Why.
    pub(super) why: Vec<Why>,
    /// The signs that it rests on.
    pub(super) evidence: Option<&'a Evidence>,
}

/// Tells an event that decided something or that a decision rests on; `None` for one that only
/// says that something was carried out.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of event, nothing else")]
pub(super) fn tell(event: &Event) -> Option<Told<'_>> {
    Some(match event {
        Event::TaskAccepted { task_id, .. } => Told::new(&[task_id.as_str()], "", "accepted"),
        Event::TaskRejected { task_id, error, .. } => {
            Told::new(&[task_id.as_deref()?], "", format!("refused: {error}"))
        }
        Event::TaskRepeated { task_id, remedy, .. } => {
            Told::new(&[task_id.as_str()], "", format!("came again and is not run again: {remedy}"))
        }
        Event::TaskRemoved { task_id, put_back, .. } => {
            let then = if *put_back { "it is put back" } else { "that stands" };
            let what = format!("removed from the queue by somebody: {then}");
            Told::new(&[task_id.as_str()], "", what)
        }
        Event::TaskRetried { task_id, reason } => {
            Told::new(&[task_id.as_str()], "", format!("planned again by {reason}"))
        }
        Event::TaskCancelled { task_id, reason } => {
            Told::new(&[task_id.as_str()], "", format!("cancelled by {reason}"))
        }
        Event::DraftCrashed { task_id, times } => {
            let what = format!("drafting its plan ended the daemon; {times} times so far");
            Told::new(&[task_id.as_str()], "", what)
        }
        Event::TaskRouted { task_id, orchestration_id, assigned_to, why, .. } => {
            let ids = [task_id.as_str(), orchestration_id.as_str()];
            Told::new(&ids, "", format!("goes whole to {assigned_to}")).because(why)
        }
        Event::PlanAccepted { task_id, orchestration_id, plan, why } => {
            let ids = [task_id.as_str(), orchestration_id.as_str()];
            let (subtasks, stages) = (plan.subtasks.len(), plan.stages.len());
            let what = format!("split into {subtasks} subtasks in {stages} stages");
            Told::new(&ids, "", what).because(why)
        }
        Event::OrchestrationCompleted { orchestration_id: id, task_id, .. } => {
            of_run(id.as_str(), task_id.as_str(), "completed".into())
        }
        Event::OrchestrationFailed { orchestration_id: id, task_id, reason } => {
            of_run(id.as_str(), task_id.as_str(), format!("failed: {reason}"))
        }
        Event::OrchestrationRolledBack { orchestration_id: id, task_id, reason } => {
            of_run(id.as_str(), task_id.as_str(), format!("rolled back: {reason}"))
        }
        Event::OrchestrationCancelled { orchestration_id: id, task_id, reason } => {
            of_run(id.as_str(), task_id.as_str(), format!("cancelled by {reason}"))
        }
        Event::OrchestrationBlocked(told) => blocked(told),
        Event::OrchestrationPaused { orchestration_id, reason } => {
            Told::new(&[orchestration_id.as_str()], "", format!("paused by {reason}"))
        }
        Event::OrchestrationResumed { orchestration_id, reason } => {
            Told::new(&[orchestration_id.as_str()], "", format!("goes on: {reason}"))
        }
        Event::OrchestrationRetried { orchestration_id, subtasks, reason } => {
            let what = format!("{} subtasks begin anew by {reason}", subtasks.len());
            Told::new(&[orchestration_id.as_str()], "", what)
        }
        Event::EscalationOverdue(Overdue { orchestration_id, subtask_id, waited_ms }) => {
            let what = format!("nobody answered for {} s", waited_ms / 1_000);
            let ids = [orchestration_id.as_str(), subtask_id.as_str()];
            Told::new(&ids, subtask_id.as_str(), what)
        }
        Event::CompensationStarted(told) => compensation(told),
        Event::SubtaskHandedOff(told) => handed_off(told),
        Event::HandoffLost { subtask_id, attempt_id, remedy } => {
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), format!("lost: {remedy}"))
        }
        Event::HandoffWithdrawn { subtask_id, attempt_id, reason } => {
            let what = format!("handoff withdrawn: {reason}");
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), what)
        }
        Event::HandoffUntaken(Untaken {
            subtask_id, attempt_id, assigned_to, waited_ms, ..
        }) => {
            let what = format!("{assigned_to} has not taken it for {} s", waited_ms / 1_000);
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), what)
        }
        Event::WorkerNotStarted { subtask_id, attempt_id, error, .. } => {
            let what = format!("worker could not be started: {error}");
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), what)
        }
        Event::WorkerExited { subtask_id, attempt_id, exit, .. } => {
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), exited(*exit))
        }
        Event::AttemptRecalled { subtask_id, attempt_id, reason, .. } => {
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), format!("called back: {reason}"))
        }
        Event::AttemptInterrupted { subtask_id, attempt_id, reason } => {
            let what = format!("interrupted, which counts against nothing: {reason}");
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), what)
        }
        Event::AttemptCancelled { subtask_id, attempt_id, reason } => {
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), format!("ended: {reason}"))
        }
        Event::WorkerHeartbeatMissed(told) => found(told, "worker is quiet"),
        Event::WorkerSuspected(told) => found(told, "worker is suspected"),
        Event::WorkerStalled(told) => found(told, "worker is stalled"),
        Event::WorkerGone(told) => found(told, "worker is gone"),
        Event::WorkerRecovered(told) => found(told, "worker shows signs of life again"),
        Event::WorkerUnstoppable(Unstoppable { subtask_id, attempt_id, survivors, .. }) => {
            let what = format!("worker cannot be ended; left are {survivors:?}");
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), what)
        }
        Event::WorkerSpecSettled(told) => {
            let what = format!("spec goes to {}", told.folder.as_str());
            Told::new(&[told.worker_id.as_str()], told.worker_id.as_str(), what).because(&told.why)
        }
        Event::ReportAccepted { subtask_id, attempt_id, .. } => {
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), "report accepted".into())
        }
        Event::ReportRefused { subtask_id, path, reason, .. } => {
            let what = format!("report {path} refused: {reason}");
            Told::new(&[subtask_id.as_str()], subtask_id.as_str(), what)
        }
        Event::SubtaskCompleted { subtask_id, attempt_id, result, .. } => {
            let what = format!("completed: {}", result.summary);
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), what)
        }
        Event::SubtaskFailed { subtask_id, attempt_id, failure, .. } => {
            let what = format!("failed ({}): {}", failure.category.as_str(), failure.message);
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), what)
        }
        Event::RecoveryDecided(Decided { subtask_id, strategy, why, .. }) => {
            let id = subtask_id.as_str();
            Told::new(&[id], id, format!("recovery: {strategy}")).because(why)
        }
        Event::SubtaskRetried(Retried { subtask_id, retry_modifications, delay_ms, .. }) => {
            let what =
                format!("tried again in {}; changes: {retry_modifications}", span(*delay_ms));
            Told::new(&[subtask_id.as_str()], subtask_id.as_str(), what)
        }
        Event::SubtaskReassigned(Reassigned { subtask_id, from, assigned_to, why, .. }) => {
            let what = format!("goes from {from} to {assigned_to}");
            Told::new(&[subtask_id.as_str()], subtask_id.as_str(), what).because(why)
        }
        Event::RevisionRequested(RevisionRequested { subtask_id, revision, reason, .. }) => {
            let what = format!("to be {}: {reason}", revised(*revision));
            Told::new(&[subtask_id.as_str()], subtask_id.as_str(), what)
        }
        Event::PlanRevised(PlanRevised { subtask_id, revision, replaced_by, why, .. }) => {
            let by: Vec<&str> = replaced_by.iter().map(|id| id.as_str()).collect();
            let what = format!("{}: {} take its place", revised(*revision), by.join(", "));
            let ids: Vec<&str> = by.into_iter().chain([subtask_id.as_str()]).collect();
            Told::new(&ids, subtask_id.as_str(), what).because(why)
        }
        Event::RevisionRefused(RevisionRefused { subtask_id, revision, reason, .. }) => {
            let what = format!("cannot be {}: {reason}", revised(*revision));
            Told::new(&[subtask_id.as_str()], subtask_id.as_str(), what)
        }
        Event::SubtaskCompensated(Compensated { subtask_id, attempt_id, summary, .. }) => {
            of_attempt(subtask_id.as_str(), attempt_id.as_str(), format!("undone: {summary}"))
        }
        Event::CompensationFailed(CompensationFailed { subtask_id, failure, .. }) => {
            let what = format!("could not be undone: {}", failure.message);
            Told::new(&[subtask_id.as_str()], subtask_id.as_str(), what)
        }
        Event::SubtaskSkipped { subtask_id, reason, .. } => {
            Told::new(&[subtask_id.as_str()], subtask_id.as_str(), format!("left out: {reason}"))
        }
        Event::CircuitOpened(told) => {
            let what =
                format!("given nothing for {} s: {}", told.cool_down_ms / 1_000, told.reason);
            Told::new(&[told.agent.as_str()], told.agent.as_str(), what)
        }
        Event::CircuitHalfOpened(told) | Event::CircuitClosed(told) => {
            Told::new(&[told.agent.as_str()], told.agent.as_str(), told.reason.clone())
        }
        Event::CommandAccepted { command, message, .. } => {
            Told::new(&[command.target.as_str()], "", format!("{}: {message}", command.verb))
        }
        Event::CommandRefused { command, error, .. } => {
            let what = format!("{} was refused: {error}", command.verb);
            Told::new(&[command.target.as_str()], "", what)
        }
        Event::DaemonStarted { .. }
        | Event::HostResumed(_)
        | Event::DaemonStopped { .. }
        | Event::TaskReturned { .. }
        | Event::OrchestrationStarted { .. }
        | Event::HandoffPublished { .. }
        | Event::HandoffTaken { .. }
        | Event::WorkerStarted { .. }
        | Event::VerdictsHeld(_)
        | Event::WorkerSpecSeen(_)
        | Event::WorkerSpecMoved { .. }
        | Event::BackoffEnded { .. }
        | Event::StageCompleted { .. }
        | Event::CommandRepeated { .. }
        | Event::MessageReceived { .. }
        | Event::DropRejected { .. }
        | Event::FileQuarantined { .. }
        | Event::FileRestored { .. }
        | Event::ClaimSettled { .. }
        | Event::DocumentsSynced { .. } => return None,
    })
}

/// Tells whether an event says that something goes wrong, or what is done about it. A suspicion is
/// of one look, and does not count before the next agrees.
pub(in crate::client) fn is_trouble(event: &Event) -> bool {
    matches!(
        event,
        Event::HandoffUntaken(_)
            | Event::HandoffLost { .. }
            | Event::WorkerStalled(_)
            | Event::WorkerGone(_)
            | Event::WorkerRecovered(_)
            | Event::WorkerUnstoppable(_)
            | Event::WorkerNotStarted { .. }
            | Event::AttemptRecalled { .. }
            | Event::AttemptInterrupted { .. }
            | Event::SubtaskFailed { .. }
            | Event::SubtaskRetried(_)
            | Event::SubtaskReassigned(_)
            | Event::SubtaskSkipped { .. }
            | Event::PlanRevised(_)
            | Event::RevisionRefused(_)
            | Event::CompensationStarted(_)
            | Event::SubtaskCompensated(_)
            | Event::CompensationFailed(_)
            | Event::ReportRefused { .. }
            | Event::OrchestrationBlocked(_)
    )
}

impl<'a> Told<'a> {
    fn new(ids: &[&'a str], subject: &'a str, what: impl Into<String>) -> Self {
        let (ids, what) = (ids.to_vec(), what.into());
        Self { ids, subject, what, why: Vec::new(), evidence: None }
    }

    fn because(mut self, why: &Why) -> Self {
        self.why.push(why.clone());
        self
    }
}

fn of_run<'a>(orchestration_id: &'a str, task_id: &'a str, what: String) -> Told<'a> {
    Told::new(&[orchestration_id, task_id], "", what)
}

fn of_attempt<'a>(subtask_id: &'a str, attempt_id: &'a str, what: String) -> Told<'a> {
    Told::new(&[subtask_id, attempt_id], subtask_id, what)
}

fn handed_off(told: &HandedOff) -> Told<'_> {
    let HandedOff { subtask_id, attempt_id, attempt, assigned_to, why, .. } = told;
    let what = format!("attempt {attempt} given to {assigned_to}");
    of_attempt(subtask_id.as_str(), attempt_id.as_str(), what).because(why)
}

fn found<'a>(told: &'a Found, what: &str) -> Told<'a> {
    let subtask = told.subtask_id.as_ref().map(|id| id.as_str());
    let worker = told.worker_id.as_str();
    let attempt = told.attempt_id.as_ref().map(|id| id.as_str());
    let ids: Vec<&str> = subtask.into_iter().chain(attempt).chain([worker]).collect();
    let verdict = &told.evidence.verdict;
    let what = if verdict.is_empty() { what.to_owned() } else { format!("{what}: {verdict}") };
    Told { evidence: Some(&told.evidence), ..Told::new(&ids, subtask.unwrap_or(worker), what) }
}

fn blocked(told: &Blocked) -> Told<'_> {
    let subtask = told.blocking_subtask.as_str();
    let ids = [told.orchestration_id.as_str(), told.task_id.as_str(), subtask];
    let what = format!("{}; {}", told.failure_reason, told.escalation);
    let why = Why {
        rule: "a person is asked".to_owned(),
        evidence: told.failure_reason.clone(),
        alternatives: told.options.clone(),
    };
    Told::new(&ids, subtask, what).because(&why)
}

fn compensation(told: &CompensationStarted) -> Told<'_> {
    let subtasks: Vec<&str> = told.subtasks.iter().map(|id| id.as_str()).collect();
    let what = format!("undoes {}: {}", subtasks.join(", "), told.reason);
    of_run(told.orchestration_id.as_str(), told.task_id.as_str(), what)
}

fn revised(revision: Revision) -> &'static str {
    match revision {
        Revision::Split => "split",
        Revision::Replan => "planned again",
        Revision::FanOut => "done for each item",
    }
}

fn exited(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("worker exited with code {code}"),
        Exit::Signal(signal) => format!("worker was ended by signal {signal}"),
        Exit::Unknown => "worker ended unseen".to_owned(),
    }
}
