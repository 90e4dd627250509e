//! `decide`: one match over every input; each arm is one call.

pub(super) mod circuit;
mod fan_out;
mod handoff;
mod liveness;
mod operator;
mod overdue;
mod plan;
mod queue;
mod report;
mod revision;
mod saga;
pub(super) mod schedule;
mod spec;
mod worker;

use super::event::{Event, HostResumed};
use super::input::Input;
use super::moment::Moment;
use super::plan::{Orchestration, OrchestrationPhase, SubtaskPhase, SubtaskRun};
use super::policy::Policy;
use super::recovery::{asked, blocked};
use super::state::State;
use super::worker::Attempt;
pub(super) use overdue::due_ms;
pub use schedule::{Hold, Wait, waits};

/// Decides what follows from an input. What is known already gives nothing.
///
/// After every input that gave something, and whenever time has gone by, the caller asks with
/// [`Input::Tick`] until nothing follows any more: that is when back-offs end and handoffs are
/// given out.
pub fn decide(state: &State, policy: &Policy, input: &Input, now: Moment) -> Vec<Event> {
    match input {
        Input::DaemonStarted { version, pid, suspended_ms } => {
            let started = started(state, version, *pid, *suspended_ms);
            [started].into_iter().chain(resumed(state, *suspended_ms, now)).collect()
        }
        Input::HostSuspended { total_ms } => resumed(state, *total_ms, now).into_iter().collect(),
        Input::DaemonStopped { reason } => vec![Event::DaemonStopped { reason: reason.clone() }],
        Input::TaskObserved { source, spec } => queue::observed(state, source, spec),
        Input::TaskRefused { source, id, title, problem } => {
            queue::refused(state, source, id.as_deref(), title, problem)
        }
        Input::TaskVanished { task_id } => queue::vanished(state, task_id),
        Input::TaskReturned { task_id } => queue::returned(state, task_id),
        Input::CommandObserved { claim, file: _, owner, command } => {
            operator::command(state, policy, claim, *owner, command, now)
        }
        Input::DropRefused { claim, problem } => queue::drop_refused(state, claim, problem),
        Input::MessageObserved { claim, file, message } => {
            queue::message(state, claim, file, message)
        }
        Input::FileRefused { digest, problem, copy } => {
            queue::file_refused(state, digest, problem, copy.as_deref())
        }
        Input::FileRestored { path } => queue::file_restored(state, path),
        Input::Drafted { task_id, outcome } => plan::drafted(state, policy, task_id, outcome),
        Input::HandoffPublished { attempt_id } => handoff::published(state, attempt_id),
        Input::HandoffTaken { attempt_id } => handoff::taken(state, attempt_id),
        Input::HandoffLost { attempt_id } => handoff::lost(state, attempt_id),
        Input::HandoffWithdrawn { attempt_id, in_time } => {
            handoff::withdrawn(state, policy, attempt_id, *in_time)
        }
        Input::WorkerStarted { attempt_id, identity } => {
            worker::started(state, attempt_id, identity)
        }
        Input::WorkerNotStarted { attempt_id, error, transient } => {
            worker::not_started(state, policy, attempt_id, error, *transient, now)
        }
        Input::WorkerExited { attempt_id, exit, outcome } => {
            worker::exited(state, policy, attempt_id, *exit, outcome, now)
        }
        Input::WorkerInterrupted { attempt_id, reason } => {
            worker::interrupted(state, policy, attempt_id, reason, now)
        }
        Input::WorkerUnstoppable { attempt_id, survivors } => {
            liveness::unstoppable(state, attempt_id, survivors)
        }
        Input::WorkersProbed { findings, held } => {
            liveness::probed(state, policy, findings, held.as_deref())
        }
        Input::SpecObserved { spec } => spec::observed(state, spec),
        Input::SpecVanished { worker_id } => spec::vanished(state, worker_id),
        Input::SpecMoved { worker_id } => spec::moved(state, worker_id),
        Input::Revised { subtask_id, revision, outcome } => {
            revision::revised(state, policy, (subtask_id, *revision), outcome, now)
        }
        Input::DraftCrashed { task_id } => plan::draft_crashed(state, task_id),
        Input::ReportObserved { claim, finding } => {
            report::observed(state, policy, claim.as_ref(), finding, now)
        }
        Input::ClaimSettled { claim } => queue::settled(state, claim),
        Input::DocumentsSynced { seq } if *seq > state.documents_synced => {
            vec![Event::DocumentsSynced { seq: *seq }]
        }
        Input::DocumentsSynced { .. } => Vec::new(),
        Input::Tick => match spec::settle_linked(state) {
            none if none.is_empty() => schedule::tick(state, policy, now),
            settled => settled,
        },
    }
}

fn started(state: &State, version: &str, pid: u32, suspended_ms: u64) -> Event {
    Event::DaemonStarted {
        version: version.to_owned(),
        pid,
        epoch: state.epoch + 1,
        suspended_ms: Some(suspended_ms),
    }
}

/// Says for how long the host was suspended, where that is news.
fn resumed(state: &State, total_ms: u64, now: Moment) -> Option<Event> {
    let for_ms = state.suspended_beyond(total_ms, &now)?;
    Some(Event::HostResumed(HostResumed { for_ms, total_ms }))
}

/// Says what follows for a run when the subtask at `position` is satisfied, because it delivered
/// or because it is left out: what it blocked goes on, stages are complete thereby, and the run
/// ends when it was the last. A run of which everything was left out delivered nothing, and that
/// is no success (S4-68).
pub(in crate::domain) fn satisfied(
    run: &Orchestration,
    position: usize,
    is_delivered: bool,
    reason: &str,
    now: Moment,
) -> Vec<Event> {
    let (orchestration_id, task_id) = (run.id.clone(), run.task_id.clone());
    let is_blocked = matches!(run.phase, OrchestrationPhase::Blocked(_));
    let mut events: Vec<Event> = next_question(run, &[position]).into_iter().collect();
    if is_blocked && still_blocked(run, &[position]).is_none() {
        let (orchestration_id, reason) = (orchestration_id.clone(), reason.to_owned());
        events.push(Event::OrchestrationResumed { orchestration_id, reason });
    }
    let open = run.first_open_stage(Some(position));
    let first = run.first_open_stage(None);
    events.extend(
        (first..open).map(|stage| Event::StageCompleted {
            orchestration_id: orchestration_id.clone(),
            stage,
        }),
    );
    let is_completed = |run: &SubtaskRun| matches!(run.phase, SubtaskPhase::Completed { .. });
    let is_last = open > run.plan.stages.len();
    if is_last && (is_delivered || run.runs.iter().any(is_completed)) {
        let duration_ms = now.elapsed_ms(&run.created_at);
        events.push(Event::OrchestrationCompleted { orchestration_id, task_id, duration_ms });
    } else if is_last {
        let reason = format!("every subtask was left out, the last one by {reason}");
        events.push(Event::OrchestrationCancelled { orchestration_id, task_id, reason });
    }
    events
}

/// Returns the first blocked subtask of a run apart from those that were just answered.
fn still_blocked(run: &Orchestration, answered: &[usize]) -> Option<usize> {
    let is_blocked = |at: &usize| matches!(run.runs[*at].phase, SubtaskPhase::Blocked { .. });
    (0..run.runs.len()).filter(|at| !answered.contains(at)).find(is_blocked)
}

/// What a person was asked is answered, but another subtask is blocked too: now that is asked.
fn next_question(run: &Orchestration, answered: &[usize]) -> Option<Event> {
    let OrchestrationPhase::Blocked(before) = &run.phase else { return None };
    if !answered.iter().any(|at| run.plan.subtasks[*at].subtask_id == before.blocking_subtask) {
        return None;
    }
    question(run, still_blocked(run, answered)?)
}

/// Asks about a subtask that is blocked.
fn question(run: &Orchestration, position: usize) -> Option<Event> {
    let subtask = &run.runs[position];
    let SubtaskPhase::Blocked { failure, .. } = &subtask.phase else { return None };
    let is_of_its_worker = subtask.attempts.last().and_then(Attempt::failure) == Some(failure);
    Some(if is_of_its_worker {
        asked(run, position, failure, subtask.failures)
    } else {
        blocked(run, position, failure.message.clone())
    })
}
