//! `decide`: one match over every input; each arm is one call.

mod handoff;
mod operator;
mod plan;
mod queue;
mod report;
mod schedule;
mod worker;

use super::event::Event;
use super::input::Input;
use super::moment::Moment;
use super::plan::Orchestration;
use super::policy::Policy;
use super::state::State;

/// Decides what follows from an input. What is known already gives nothing.
///
/// After every input that gave something, and whenever time has gone by, the caller asks with
/// [`Input::Tick`] until nothing follows any more: that is when back-offs end and handoffs are
/// given out.
pub fn decide(state: &State, policy: &Policy, input: &Input, now: Moment) -> Vec<Event> {
    match input {
        Input::DaemonStarted { version, pid } => vec![Event::DaemonStarted {
            version: version.clone(),
            pid: *pid,
            epoch: state.epoch + 1,
        }],
        Input::DaemonStopped { reason } => vec![Event::DaemonStopped { reason: reason.clone() }],
        Input::TaskObserved { source, spec } => queue::observed(state, source, spec),
        Input::TaskRefused { source, id, title, problem } => {
            queue::refused(state, source, id.as_deref(), title, problem)
        }
        Input::TaskVanished { task_id } => queue::vanished(state, task_id),
        Input::TaskReturned { task_id } => queue::returned(state, task_id),
        Input::CommandObserved { claim, file: _, owner, command } => {
            operator::command(state, claim, *owner, command, now)
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
            handoff::withdrawn(state, attempt_id, *in_time)
        }
        Input::WorkerStarted { attempt_id, identity } => {
            worker::started(state, attempt_id, identity)
        }
        Input::WorkerNotStarted { attempt_id, error, transient } => {
            worker::not_started(state, policy, attempt_id, error, *transient)
        }
        Input::WorkerExited { attempt_id, exit, outcome } => {
            worker::exited(state, policy, attempt_id, *exit, outcome, now)
        }
        Input::WorkerInterrupted { attempt_id, reason } => {
            worker::interrupted(state, policy, attempt_id, reason)
        }
        Input::ReportObserved { claim, finding } => {
            report::observed(state, policy, claim.as_ref(), finding, now)
        }
        Input::ClaimSettled { claim } => queue::settled(state, claim),
        Input::DocumentsSynced { seq } if *seq > state.documents_synced => {
            vec![Event::DocumentsSynced { seq: *seq }]
        }
        Input::DocumentsSynced { .. } => Vec::new(),
        Input::Tick => schedule::tick(state, policy, now),
    }
}

/// Says what follows for a run when the subtask at `position` is satisfied: the stages that are
/// complete thereby, and the end of the run when it was the last.
fn satisfied(run: &Orchestration, position: usize, now: Moment) -> Vec<Event> {
    let open = run.first_open_stage(Some(position));
    let is_all = open > run.plan.stages.len();
    let first = run.first_open_stage(None);
    let mut events: Vec<Event> = (first..open)
        .map(|stage| Event::StageCompleted { orchestration_id: run.id.clone(), stage })
        .collect();
    if is_all {
        events.push(Event::OrchestrationCompleted {
            orchestration_id: run.id.clone(),
            task_id: run.task_id.clone(),
            duration_ms: duration_ms(&run.created_at, &now),
        });
    }
    events
}

/// Returns the time between two moments, on the boot-time clock where one boot saw both.
fn duration_ms(from: &Moment, to: &Moment) -> u64 {
    let by_wall = || u64::try_from(to.wall.as_ms() - from.wall.as_ms()).unwrap_or(0);
    to.since_ms(from).unwrap_or_else(by_wall)
}
