//! Trying again what has failed, ended or come to a stop.

use std::collections::BTreeSet;

use super::replace::replaced;
use super::target::Target;
use super::{Done, count};
use crate::domain::decide::{fan_out, next_question, still_blocked};
use crate::domain::event::Event;
use crate::domain::evidence::Liveness;
use crate::domain::ids::SubtaskId;
use crate::domain::plan::{Orchestration, OrchestrationPhase, RunKind, SubtaskPhase};
use crate::domain::policy::Policy;
use crate::domain::state::State;
use crate::domain::task::Phase;
use crate::domain::worker::Attempt;

/// What is known, and the rules.
type World<'a> = (&'a State, &'a Policy);

pub(super) fn retry(world: World<'_>, target: &Target<'_>, reason: &str) -> Done {
    match target {
        Target::Task(task) => match task.phase {
            Phase::Rejected { .. } | Phase::Cancelled { .. } => {
                let (task_id, reason) = (task.id.clone(), reason.to_owned());
                Ok((
                    format!("task {task_id} is planned again"),
                    vec![Event::TaskRetried { task_id, reason }],
                ))
            }
            Phase::Planning | Phase::Routed { .. } | Phase::Orchestrating { .. } => {
                Err(format!("task {} is being planned", task.id))
            }
        },
        Target::Run(run) => retry_run(world, run, reason),
        Target::Subtask(run, position) => {
            match (run.kind, has_given_up(run, *position)) {
                (RunKind::Routed, _) => retry_run(world, run, reason),
                (RunKind::Planned, false) => again_now(world, run, *position, reason),
                // What ended with the run has to go on with it, or the run could never end.
                (RunKind::Planned, true) if run.is_over() => retry_run(world, run, reason),
                (RunKind::Planned, true) => run_again(world, run, &[*position], reason),
            }
        }
    }
}

/// Does again what has given up; all of it where nothing has.
fn retry_run(world: World<'_>, run: &Orchestration, reason: &str) -> Done {
    // What others took the place of is never done again.
    let all: Vec<usize> = (0..run.runs.len()).filter(|at| !run.runs[*at].is_replaced()).collect();
    let given_up: Vec<usize> = all.iter().copied().filter(|at| has_given_up(run, *at)).collect();
    match run.phase {
        OrchestrationPhase::InProgress if run.kind == RunKind::Routed => {
            again_now(world, run, 0, reason)
        }
        OrchestrationPhase::InProgress
        | OrchestrationPhase::Paused { .. }
        | OrchestrationPhase::Compensating { .. } => {
            Err(format!("{} is not over, and nothing of it has given up", run.task_id))
        }
        // What is still done was built on what was undone.
        OrchestrationPhase::RolledBack { .. } => run_again(world, run, &all, reason),
        OrchestrationPhase::Completed { .. }
        | OrchestrationPhase::Failed { .. }
        | OrchestrationPhase::Cancelled { .. }
        | OrchestrationPhase::Blocked(_) => {
            run_again(world, run, if given_up.is_empty() { &all } else { &given_up }, reason)
        }
    }
}

/// Tries a subtask again that has not given up: at once where it waits for its back-off, and with
/// another attempt where nothing is seen of the one that is under way. That one is called back.
fn again_now(world: World<'_>, run: &Orchestration, position: usize, reason: &str) -> Done {
    let id = &run.plan.subtasks[position].subtask_id;
    let subtask = &run.runs[position];
    if let SubtaskPhase::BackingOff { .. } = subtask.phase {
        let (orchestration_id, subtask_id) = (run.id.clone(), id.clone());
        let ended = Event::BackoffEnded { orchestration_id, subtask_id };
        return Ok((format!("subtask {id} waits no longer and is tried again"), vec![ended]));
    }
    let Some(attempt) = subtask.attempts.last().filter(|attempt| attempt.is_live()) else {
        return Err(format!(
            "subtask {id} has not given up; when all of it is over, `baton retry {}` does it again",
            run.task_id
        ));
    };
    if attempt.is_ending() {
        return Err(format!("{} is being ended already; what follows comes after it", attempt.id));
    }
    if !is_doubted(attempt) {
        return Err(format!(
            "{} is under way and not known to be stalled; `baton fallback {id}` gives it to \
             another agent all the same",
            attempt.id
        ));
    }
    let (recalled, when) = replaced(world, run, position, reason);
    Ok((format!("subtask {id} is given out anew{when}"), recalled.into_iter().collect()))
}

/// Tells whether a worker was found to be anything but healthy, or nobody took its handoff in time.
fn is_doubted(attempt: &Attempt) -> bool {
    let standing = attempt.standing.as_ref();
    attempt.untaken_told || standing.is_some_and(|standing| standing.liveness != Liveness::Healthy)
}

/// Begins subtasks anew that nobody is at.
pub(super) fn run_again(
    world: World<'_>,
    run: &Orchestration,
    positions: &[usize],
    reason: &str,
) -> Done {
    if run.is_compensating() {
        return Err(format!("{} is being rolled back; try again when it is", run.task_id));
    }
    // One that lacks a list of items needs it said before anything else can come of it.
    let lists = positions.iter().flat_map(|at| fan_out::sources_without_list(run, *at));
    let positions: Vec<usize> =
        positions.iter().copied().chain(lists).collect::<BTreeSet<usize>>().into_iter().collect();
    let positions = positions.as_slice();
    let ids: Vec<SubtaskId> =
        positions.iter().map(|at| run.plan.subtasks[*at].subtask_id.clone()).collect();
    // A worker that a person was asked about is called back; what is ending by itself is not yet.
    let is_in_the_way =
        |attempt: &Attempt| attempt.is_live() && (attempt.is_ending() || !is_doubted(attempt));
    let busy = positions.iter().find(|at| run.runs[**at].attempts.iter().any(is_in_the_way));
    if let Some(at) = busy {
        let id = &run.plan.subtasks[*at].subtask_id;
        return Err(format!("an attempt at {id} is still ending; try again when it is gone"));
    }
    let replaced = positions.iter().map(|at| replaced(world, run, *at, reason));
    let (recalls, whens): (Vec<Option<Event>>, Vec<String>) = replaced.unzip();
    let begin = if ids.len() == 1 { "begins" } else { "begin" };
    let mut message = format!("{} of {} {begin} anew", count(ids.len(), "subtask"), run.task_id);
    if let Some(other) = still_blocked(run, positions).filter(|_| !run.is_over()) {
        let other = &run.plan.subtasks[other].subtask_id;
        message += &format!(" when {other}, which is blocked too, is answered");
    }
    whens.iter().for_each(|when| message += when);
    let again = Event::OrchestrationRetried {
        orchestration_id: run.id.clone(),
        subtasks: ids,
        reason: reason.to_owned(),
    };
    let recalls = recalls.into_iter().flatten();
    Ok((message, recalls.chain([again]).chain(next_question(run, positions)).collect()))
}

fn has_given_up(run: &Orchestration, position: usize) -> bool {
    match run.runs[position].phase {
        SubtaskPhase::Blocked { .. }
        | SubtaskPhase::Cancelled { .. }
        | SubtaskPhase::Compensated { .. }
        | SubtaskPhase::NotCompensated { .. } => true,
        SubtaskPhase::InAttempt => run.is_over(),
        SubtaskPhase::Pending
        | SubtaskPhase::BackingOff { .. }
        | SubtaskPhase::Revising { .. }
        | SubtaskPhase::Replaced { .. }
        | SubtaskPhase::Undoing { .. }
        | SubtaskPhase::Completed { .. }
        | SubtaskPhase::Skipped { .. } => false,
    }
}
