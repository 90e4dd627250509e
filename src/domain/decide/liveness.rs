//! What follows from looks at workers.
//!
//! A look changes how a worker stands; what follows from that is decided by the ticks after it, one
//! worker at a time where recovery may follow, so that each is decided on what the one before left.

use std::collections::BTreeSet;

use crate::domain::event::{Event, Found, Held, Unstoppable};
use crate::domain::evidence::{Breach, Finding, Liveness, Sign, Standing, Watched};
use crate::domain::ids::{AttemptId, WorkerId};
use crate::domain::moment::{Moment, span};
use crate::domain::plan::{Orchestration, OrchestrationPhase, SubtaskPhase};
use crate::domain::policy::Policy;
use crate::domain::recovery::ask;
use crate::domain::report::{Category, Failure};
use crate::domain::state::State;
use crate::domain::watch::{is_at_work, spec_of};
use crate::domain::worker::{Attempt, AttemptPhase, Recall};

use super::worker::failed;
use super::{question, spec, still_blocked};

/// So many workers are called back by one decision at the most; the next tick goes on.
const RECALLS_MAX: usize = 64;

pub(super) fn probed(
    state: &State,
    policy: &Policy,
    findings: &[Finding],
    held: Option<&str>,
) -> Vec<Event> {
    let mut events = Vec::new();
    if let Some(reason) = held {
        let workers = findings.iter().filter(|finding| is_doubt(finding.liveness)).count();
        events.push(Event::VerdictsHeld(Held { workers, reason: reason.to_owned() }));
    }
    let mut told: BTreeSet<&Watched> = BTreeSet::new();
    for finding in findings.iter().filter(|finding| told.insert(&finding.worker)) {
        let is_held = held.is_some() && is_doubt(finding.liveness);
        events.extend(match &finding.worker {
            Watched::Attempt(id) => of_attempt(state, policy, id, finding, is_held),
            Watched::Spec(id) => of_spec(state, id, finding, is_held),
        });
    }
    events
}

fn is_doubt(liveness: Liveness) -> bool {
    match liveness {
        Liveness::Healthy | Liveness::Quiet => false,
        Liveness::Suspect | Liveness::Stalled | Liveness::Gone => true,
    }
}

fn of_attempt(
    state: &State,
    policy: &Policy,
    id: &AttemptId,
    finding: &Finding,
    is_held: bool,
) -> Vec<Event> {
    let Some((run, position, attempt)) = state.attempt(id).filter(|found| is_at_work(found.2))
    else {
        return Vec::new();
    };
    let subtask_id = &run.plan.subtasks[position].subtask_id;
    let found = Found {
        worker_id: attempt.worker_id.clone(),
        attempt_id: Some(id.clone()),
        subtask_id: Some(subtask_id.clone()),
        evidence: finding.evidence.clone(),
    };
    let known = attempt.standing.as_ref().map(|standing| standing.liveness);
    let verdict = stands(known.unwrap_or_default(), finding, found).filter(|_| !is_held);
    let cause = finding.breach.as_ref().filter(|_| attempt.is_launched()).map(cause);
    let breach = cause.map(|cause| recalled(state, policy, id, cause));
    verdict.into_iter().chain(breach.flatten()).collect()
}

/// A worker of a master that carries out no attempt of ours is only told of; its spec goes where
/// the dead lie when it is one of them.
fn of_spec(state: &State, id: &WorkerId, finding: &Finding, is_held: bool) -> Vec<Event> {
    let followed = state.specs.get(id).filter(|worker| worker.settled.is_none());
    let Some(worker) = followed.filter(|_| !is_held) else {
        return Vec::new();
    };
    let found = Found {
        worker_id: id.clone(),
        attempt_id: None,
        subtask_id: worker.spec.subtask_id.clone(),
        evidence: finding.evidence.clone(),
    };
    let known = worker.standing.as_ref().map(|standing| standing.liveness).unwrap_or_default();
    let Some(event) = stands(known, finding, found) else { return Vec::new() };
    let mut events = vec![event];
    if finding.liveness == Liveness::Gone {
        events.extend(spec::gone(worker, &finding.evidence));
    }
    events
}

/// Says how a worker stands from now on, where that is new. A result that is in is the end of all
/// doubts.
fn stands(known: Liveness, finding: &Finding, found: Found) -> Option<Event> {
    let is_delivered = finding.evidence.signs.iter().any(|seen| seen.sign == Sign::Report);
    if finding.liveness == known || (is_doubt(finding.liveness) && is_delivered) {
        return None;
    }
    Some(match finding.liveness {
        Liveness::Healthy => Event::WorkerRecovered(found),
        Liveness::Quiet => Event::WorkerHeartbeatMissed(found),
        Liveness::Suspect => Event::WorkerSuspected(found),
        Liveness::Stalled => Event::WorkerStalled(found),
        Liveness::Gone => Event::WorkerGone(found),
    })
}

fn cause(breach: &Breach) -> Recall {
    match breach {
        Breach::Silence { .. } => Recall::Silence,
        Breach::Memory { .. } => Recall::Memory,
        Breach::Processes { .. } => Recall::Processes,
        Breach::Lingering { .. } => Recall::Lingering,
    }
}

/// Calls an attempt back that is under way, because of a limit: its worker is stopped first, and
/// what it delivers until then is taken.
pub(super) fn recalled(
    state: &State,
    policy: &Policy,
    id: &AttemptId,
    cause: Recall,
) -> Option<Event> {
    let (run, position, attempt) = state.attempt(id)?;
    let subtask = &run.plan.subtasks[position];
    let limits = policy.supervision_of(&attempt.agent, &subtask.worker_type);
    let reason = match cause {
        Recall::Unwanted => "its run is over".to_owned(),
        Recall::Replaced => "its work is given out anew".to_owned(),
        Recall::Untaken => format!("nobody took it within {}", span(limits.untaken_max_ms)),
        Recall::TimeBox => {
            format!("it ran longer than its time box of {}", span(limits.time_box_ms))
        }
        Recall::Silence => {
            format!("it neither printed, wrote nor said anything for {}", span(limits.silence_ms))
        }
        Recall::Stalled if is_gone(attempt) => "its process is gone without a result".to_owned(),
        Recall::Stalled => format!("it made no progress for {}", span(limits.stall_after_ms)),
        Recall::Memory => {
            format!("its processes held more than {} bytes of memory", limits.memory_bytes_max)
        }
        Recall::Processes => format!("it had more than {} processes", limits.processes_max),
        Recall::Lingering => {
            format!("its result is in, and its process stayed for {}", span(limits.linger_ms))
        }
    };
    Some(Event::AttemptRecalled {
        worker_id: attempt.worker_id.clone(),
        attempt_id: id.clone(),
        subtask_id: subtask.subtask_id.clone(),
        reason,
        cause,
    })
}

/// Draws the consequence for workers that are stalled or gone: who may be stopped is; who is proven
/// gone has failed; about anybody else a person is asked, and what it delivers after all counts.
pub(super) fn condemned(state: &State, policy: &Policy, now: Moment) -> Vec<Event> {
    let condemned = || state.index.condemned.iter().filter_map(|id| state.attempt(id));
    let recalls: Vec<Event> = condemned()
        .filter_map(|(run, _, attempt)| {
            let cause = may_recall(state, policy, run, attempt)?;
            recalled(state, policy, &attempt.id, cause)
        })
        .take(RECALLS_MAX)
        .collect();
    if !recalls.is_empty() {
        return recalls;
    }
    let Some((run, position, attempt)) = condemned().next() else { return Vec::new() };
    if is_gone(attempt) {
        let failure = Failure::new(Category::Transient, "its worker is gone without a result");
        return failed(state, policy, (run, position, attempt), failure, now);
    }
    if run.is_compensating() {
        // A roll-back asks nobody: what cannot be undone is told when it is over.
        let verdict = attempt.standing.as_ref().map_or("", |s| s.evidence.verdict.as_str());
        let message = format!("its worker is stalled, and not ours to stop: {verdict}");
        let failure = Failure::new(Category::Blocker, message);
        return failed(state, policy, (run, position, attempt), failure, now);
    }
    vec![ask_about_stalled(state, policy, (run, position, attempt))]
}

fn may_recall(
    state: &State,
    policy: &Policy,
    run: &Orchestration,
    attempt: &Attempt,
) -> Option<Recall> {
    if run.is_over() {
        return Some(Recall::Unwanted);
    }
    let stops =
        attempt.is_launched() || (!is_gone(attempt) && unstopped(state, policy, attempt).is_none());
    stops.then_some(Recall::Stalled)
}

/// Says why the worker of a master is not stopped, unless it may be and we know which process it is.
pub(super) fn unstopped(state: &State, policy: &Policy, attempt: &Attempt) -> Option<String> {
    let agent = &attempt.agent;
    if !policy.masters.get(agent).is_some_and(|master| master.may_stop) {
        return Some(format!("it is not ours to stop (`may_stop` of {agent} would allow it)"));
    }
    let is_known = spec_of(state, attempt).is_some_and(|worker| worker.spec.identity.is_some());
    (!is_known).then(|| format!("nothing that {agent} wrote says which process it is"))
}

pub(super) fn is_gone(attempt: &Attempt) -> bool {
    let gone = |standing: &Standing| standing.liveness == Liveness::Gone;
    attempt.standing.as_deref().is_some_and(gone)
}

fn ask_about_stalled(
    state: &State,
    policy: &Policy,
    (run, position, attempt): (&Orchestration, usize, &Attempt),
) -> Event {
    let Attempt { worker_id, agent, .. } = attempt;
    let verdict = attempt.standing.as_ref().map_or("", |s| s.evidence.verdict.as_str());
    let why = unstopped(state, policy, attempt).unwrap_or_else(|| "it may be stopped".to_owned());
    let escalation = format!(
        "waiting for a person to decide, or for {worker_id} to go on: {why}, and what it delivers \
         still counts"
    );
    let failure_reason = format!("{worker_id} of {agent} is stalled: {verdict}");
    ask(run, position, failure_reason, escalation, None)
}

/// Once for each set of processes that cannot be ended. The stop stays owed; nobody else gets the
/// work before they are gone.
pub(super) fn unstoppable(state: &State, id: &AttemptId, survivors: &[u32]) -> Vec<Event> {
    let Some((run, position, attempt)) = state.attempt(id) else { return Vec::new() };
    let AttemptPhase::Ending { survivors: known, .. } = &attempt.phase else { return Vec::new() };
    if survivors.is_empty() || known == survivors {
        return Vec::new();
    }
    let listed = survivors.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    let remedy = format!(
        "end what is left of it by hand: `kill -KILL {listed}`; one that waits for a device ends \
         with the device or the machine; when all are gone the work goes on by itself"
    );
    let told = Event::WorkerUnstoppable(Unstoppable {
        worker_id: attempt.worker_id.clone(),
        attempt_id: id.clone(),
        subtask_id: run.plan.subtasks[position].subtask_id.clone(),
        survivors: survivors.to_vec(),
        remedy: remedy.clone(),
    });
    let is_open = !run.is_over() && !run.is_compensating();
    let waits = is_open && matches!(run.runs[position].phase, SubtaskPhase::InAttempt);
    let asked = waits.then(|| {
        let failure_reason =
            format!("{} cannot be stopped: {listed} are still there", attempt.worker_id);
        ask(run, position, failure_reason, remedy, Some(format!("kill -KILL {listed}")))
    });
    [told].into_iter().chain(asked).collect()
}

/// A question that answered itself, because its worker goes on or is over, is asked no more: the
/// next one is, or the run goes on.
pub(super) fn answered(state: &State) -> Vec<Event> {
    let runs = state.index.answered.iter().filter_map(|id| state.orchestrations.get(id));
    let goes_on = |run: &Orchestration| {
        let OrchestrationPhase::Blocked(asked) = &run.phase else { return None };
        let id = &asked.blocking_subtask;
        Some(match still_blocked(run, &[]) {
            Some(next) => question(run, next)?,
            None => Event::OrchestrationResumed {
                orchestration_id: run.id.clone(),
                reason: format!("what {id} waited for has come about"),
            },
        })
    };
    runs.filter_map(goes_on).collect()
}
