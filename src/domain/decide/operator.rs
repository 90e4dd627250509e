//! What a person asks for: one arm per verb.

use std::collections::BTreeSet;

use crate::domain::event::Event;
use crate::domain::ids::{ClaimId, OrchestrationId, SubtaskId, TaskId};
use crate::domain::input::Command;
use crate::domain::moment::{Moment, Timestamp};
use crate::domain::plan::{Orchestration, OrchestrationPhase, RunKind, SubtaskPhase};
use crate::domain::state::State;
use crate::domain::task::{Phase, Task};
use crate::domain::worker::{Attempt, AttemptPhase, Execution, Recall};

use super::{fan_out, next_question, saga, satisfied, still_blocked};

/// How long a command stands that does not say when it expires.
const EXPIRES_AFTER_MS: i64 = 3_600_000;
/// Every verb, for the error that lists them.
const VERBS: &str = "cancel, retry, skip, pause, resume, withdraw, rollback";

/// What a command does, in words and in events; or why not.
type Done = Result<(String, Vec<Event>), String>;

pub(super) fn command(
    state: &State,
    claim: &ClaimId,
    owner: u32,
    command: &Command,
    now: Moment,
) -> Vec<Event> {
    if state.claims.contains_key(claim) {
        return Vec::new();
    }
    if state.answers.contains_key(&command.command_id) {
        let command_id = command.command_id.clone();
        return vec![Event::CommandRepeated { claim: claim.clone(), command_id }];
    }
    let (claim, command) = (claim.clone(), command.clone());
    match carried_out(state, &command, now) {
        Ok((message, events)) => {
            let accepted = Event::CommandAccepted { claim, command, owner, message };
            [accepted].into_iter().chain(events).collect()
        }
        Err(error) => vec![Event::CommandRefused { claim, command, owner, error }],
    }
}

fn carried_out(state: &State, command: &Command, now: Moment) -> Done {
    if let Some(expired_at) = expiry(command).filter(|at| *at < now.wall) {
        return Err(format!("it expired at {expired_at}; give it again if it is still wanted"));
    }
    let reason = format!("command {}", command.command_id);
    match command.verb.as_str() {
        "cancel" => cancel(state, &find(state, &command.target)?, &reason),
        "retry" => retry(&find(state, &command.target)?, &reason),
        "skip" => skip(&find(state, &command.target)?, &reason, now),
        "pause" => pause(&find(state, &command.target)?, &reason),
        "resume" => resume(&find(state, &command.target)?, &reason),
        "withdraw" => withdraw(&find(state, &command.target)?, &reason),
        "rollback" => saga::begin(run_of(&find(state, &command.target)?)?, &reason),
        other => Err(format!("{other:?} is no verb; the verbs are {VERBS}")),
    }
}

fn expiry(command: &Command) -> Option<Timestamp> {
    let after = |at: Timestamp| Timestamp::from_ms(at.as_ms().saturating_add(EXPIRES_AFTER_MS));
    command.expires_at.or_else(|| command.created_at.map(after))
}

/// What a command is about.
enum Target<'a> {
    /// A task that has no run.
    Task(&'a Task),
    /// A run, by its own id or its task's.
    Run(&'a Orchestration),
    /// A subtask of a run of several, or of one when it was named as an attempt or handoff.
    Subtask(&'a Orchestration, usize),
}

fn find<'a>(state: &'a State, target: &str) -> Result<Target<'a>, String> {
    let by_task = || {
        let task = state.tasks.get(&TaskId::parse(target).ok()?)?;
        match task.orchestration_id().and_then(|id| state.orchestrations.get(id)) {
            Some(run) => Some(Target::Run(run)),
            None => Some(Target::Task(task)),
        }
    };
    let by_run = || {
        let id = OrchestrationId::parse(target).ok()?;
        state.orchestrations.get(&id).map(Target::Run)
    };
    let by_subtask = || subtask(state, target);
    by_task().or_else(by_run).or_else(by_subtask).ok_or_else(|| {
        format!("there is no task, run, subtask or handoff {target:?}; see `baton status`")
    })
}

/// Finds a subtask by its id, an attempt's, a handoff's or the name of a handoff's file.
fn subtask<'a>(state: &'a State, target: &str) -> Option<Target<'a>> {
    let name = target.rsplit('/').next().unwrap_or(target);
    let endings = [".processed", ".withdrawn"];
    let name = endings.into_iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let name = name.strip_suffix(".json").unwrap_or(name);
    let name = match name.rsplit_once("-attempt-") {
        Some((stem, number)) if number.bytes().all(|b| b.is_ascii_digit()) => stem,
        Some(_) | None => name,
    };
    let after_master = name
        .strip_prefix("to-")
        .into_iter()
        .flat_map(|rest| rest.match_indices('-').map(|(at, _)| &rest[at + 1..]))
        .map(|rest| rest.strip_prefix("subtask-").unwrap_or(rest));
    std::iter::once(name)
        .chain(after_master)
        .filter_map(|id| SubtaskId::parse(id).ok())
        .find_map(|id| state.subtask(&id))
        .map(|(run, position)| Target::Subtask(run, position))
}

fn cancel(state: &State, target: &Target<'_>, reason: &str) -> Done {
    match target {
        Target::Task(task) => match task.phase {
            Phase::Planning => {
                let (task_id, reason) = (task.id.clone(), reason.to_owned());
                Ok((
                    format!("task {task_id} is cancelled"),
                    vec![Event::TaskCancelled { task_id, reason }],
                ))
            }
            Phase::Rejected { .. } | Phase::Cancelled { .. } => Err(over(&task.id)),
            Phase::Routed { .. } | Phase::Orchestrating { .. } => {
                Err(format!("task {} has lost its run", task.id))
            }
        },
        Target::Run(run) => cancel_run(run, reason),
        Target::Subtask(run, position) => {
            let id = &run.plan.subtasks[*position].subtask_id;
            match state.tasks.get(id.as_str()) {
                Some(_) => cancel_run(run, reason),
                None => Err(format!(
                    "subtask {id} is part of {}: cancel that, or skip the subtask with `baton skip {id}`",
                    run.task_id
                )),
            }
        }
    }
}

fn cancel_run(run: &Orchestration, reason: &str) -> Done {
    if run.is_over() {
        return Err(over(&run.task_id));
    }
    let mut events: Vec<Event> =
        (0..run.runs.len()).filter_map(|position| recall(run, position, reason)).collect();
    let recalled = events.len();
    events.push(Event::OrchestrationCancelled {
        orchestration_id: run.id.clone(),
        task_id: run.task_id.clone(),
        reason: reason.to_owned(),
    });
    let called_back = if recalled == 0 {
        "nothing was under way".to_owned()
    } else {
        format!("called back: {}", count(recalled, "attempt"))
    };
    Ok((format!("{} is cancelled; {called_back}", run.task_id), events))
}

fn retry(target: &Target<'_>, reason: &str) -> Done {
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
        Target::Run(run) => retry_run(run, reason),
        Target::Subtask(run, position) => {
            let id = &run.plan.subtasks[*position].subtask_id;
            match (run.kind, has_given_up(run, *position)) {
                (RunKind::Routed, _) => retry_run(run, reason),
                (RunKind::Planned, false) => Err(format!(
                    "subtask {id} has not given up; when all of it is over, `baton retry {}` does \
                     it again",
                    run.task_id
                )),
                // What ended with the run has to go on with it, or the run could never end.
                (RunKind::Planned, true) if run.is_over() => retry_run(run, reason),
                (RunKind::Planned, true) => run_again(run, &[*position], reason),
            }
        }
    }
}

/// Does again what has given up; all of it where nothing has.
fn retry_run(run: &Orchestration, reason: &str) -> Done {
    // What others took the place of is never done again.
    let all: Vec<usize> = (0..run.runs.len()).filter(|at| !run.runs[*at].is_replaced()).collect();
    let given_up: Vec<usize> = all.iter().copied().filter(|at| has_given_up(run, *at)).collect();
    match run.phase {
        OrchestrationPhase::InProgress
        | OrchestrationPhase::Paused { .. }
        | OrchestrationPhase::Compensating { .. } => {
            Err(format!("{} is not over, and nothing of it has given up", run.task_id))
        }
        // What is still done was built on what was undone.
        OrchestrationPhase::RolledBack { .. } => run_again(run, &all, reason),
        OrchestrationPhase::Completed { .. }
        | OrchestrationPhase::Failed { .. }
        | OrchestrationPhase::Cancelled { .. }
        | OrchestrationPhase::Blocked(_) => {
            run_again(run, if given_up.is_empty() { &all } else { &given_up }, reason)
        }
    }
}

fn run_again(run: &Orchestration, positions: &[usize], reason: &str) -> Done {
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
    let busy = positions.iter().find(|at| run.runs[**at].attempts.iter().any(Attempt::is_live));
    if let Some(at) = busy {
        let id = &run.plan.subtasks[*at].subtask_id;
        return Err(format!("an attempt at {id} is still ending; try again when it is gone"));
    }
    let begin = if ids.len() == 1 { "begins" } else { "begin" };
    let mut message = format!("{} of {} {begin} anew", count(ids.len(), "subtask"), run.task_id);
    if let Some(other) = still_blocked(run, positions).filter(|_| !run.is_over()) {
        let other = &run.plan.subtasks[other].subtask_id;
        message += &format!(" when {other}, which is blocked too, is answered");
    }
    let again = Event::OrchestrationRetried {
        orchestration_id: run.id.clone(),
        subtasks: ids,
        reason: reason.to_owned(),
    };
    Ok((message, [again].into_iter().chain(next_question(run, positions)).collect()))
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

fn skip(target: &Target<'_>, reason: &str, now: Moment) -> Done {
    let (run, position) = match target {
        Target::Subtask(run, position) if run.kind == RunKind::Planned => (*run, *position),
        Target::Task(_) | Target::Run(_) | Target::Subtask(..) => {
            let said = "only a subtask of a plan can be skipped; `baton cancel` ends a task";
            return Err(said.to_owned());
        }
    };
    let id = &run.plan.subtasks[position].subtask_id;
    if run.is_over() || run.runs[position].is_satisfied() {
        return Err(format!("subtask {id} is over"));
    }
    if run.is_compensating() {
        let task = &run.task_id;
        return Err(format!("{task} is being rolled back; `baton cancel {task}` ends that"));
    }
    let mut events: Vec<Event> = recall(run, position, reason).into_iter().collect();
    events.push(Event::SubtaskSkipped {
        orchestration_id: run.id.clone(),
        subtask_id: id.clone(),
        reason: reason.to_owned(),
    });
    events.extend(satisfied(run, position, false, reason, now));
    Ok((format!("subtask {id} is skipped"), events))
}

fn pause(target: &Target<'_>, reason: &str) -> Done {
    let run = run_of(target)?;
    if run.phase != OrchestrationPhase::InProgress {
        return Err(format!("{} is {}, not in progress", run.task_id, standing(run)));
    }
    let paused =
        Event::OrchestrationPaused { orchestration_id: run.id.clone(), reason: reason.to_owned() };
    Ok((format!("{} gives no new handoffs; what runs, runs on", run.task_id), vec![paused]))
}

fn resume(target: &Target<'_>, reason: &str) -> Done {
    let run = run_of(target)?;
    if !matches!(run.phase, OrchestrationPhase::Paused { .. }) {
        return Err(match &run.phase {
            OrchestrationPhase::Blocked(asked) => format!(
                "{} is not paused but blocked by {}: {}",
                run.task_id,
                asked.blocking_subtask,
                asked.options.join(", ")
            ),
            OrchestrationPhase::InProgress
            | OrchestrationPhase::Paused { .. }
            | OrchestrationPhase::Compensating { .. }
            | OrchestrationPhase::RolledBack { .. }
            | OrchestrationPhase::Completed { .. }
            | OrchestrationPhase::Failed { .. }
            | OrchestrationPhase::Cancelled { .. } => {
                format!("{} is {}, not paused", run.task_id, standing(run))
            }
        });
    }
    let resumed =
        Event::OrchestrationResumed { orchestration_id: run.id.clone(), reason: reason.to_owned() };
    Ok((format!("{} goes on", run.task_id), vec![resumed]))
}

/// Takes a handoff back and holds its run, so that it is not given out again at once. One that a
/// master has taken can be called back too: it may have been lost.
fn withdraw(target: &Target<'_>, reason: &str) -> Done {
    let (run, position) = match target {
        Target::Subtask(run, position) => (*run, *position),
        Target::Run(run) if run.runs.len() == 1 => (*run, 0),
        Target::Run(run) => {
            return Err(format!("{} has several subtasks; name the handoff", run.task_id));
        }
        Target::Task(task) => return Err(format!("task {} has no handoff", task.id)),
    };
    let id = &run.plan.subtasks[position].subtask_id;
    let newest = run.runs[position].attempts.last();
    let Some(attempt) = newest.filter(|attempt| attempt.execution == Execution::External) else {
        return Err(format!("no handoff of {id} is out"));
    };
    let Some(recalled) = recall(run, position, reason) else {
        return Err(format!("the handoff of {id} is over or being taken back already"));
    };
    let mut events = vec![recalled];
    if run.phase == OrchestrationPhase::InProgress {
        events.push(Event::OrchestrationPaused {
            orchestration_id: run.id.clone(),
            reason: reason.to_owned(),
        });
    }
    let taken = match attempt.phase {
        AttemptPhase::Taken { .. } => ", although a master may be at work on it,",
        AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Running { .. }
        | AttemptPhase::Ending { .. }
        | AttemptPhase::Ended { .. } => "",
    };
    let task = &run.task_id;
    let message = if let OrchestrationPhase::Blocked(asked) = &run.phase {
        let by = &asked.blocking_subtask;
        format!("the handoff is taken back{taken} and goes out again when {by} is answered")
    } else if run.is_compensating() {
        format!("the handoff is taken back{taken} and goes out again: {task} is being rolled back")
    } else {
        format!(
            "the handoff is taken back{taken} and {task} is paused; `baton resume {task}` hands it \
             out again"
        )
    };
    Ok((message, events))
}

fn run_of<'a>(target: &Target<'a>) -> Result<&'a Orchestration, String> {
    match target {
        Target::Run(run) | Target::Subtask(run, _) => Ok(run),
        Target::Task(task) => Err(format!("task {} has no run", task.id)),
    }
}

/// Calls the live attempt of a subtask back, if it has one.
fn recall(run: &Orchestration, position: usize, reason: &str) -> Option<Event> {
    let attempt = run.runs[position].attempts.last().filter(|attempt| attempt.is_live())?;
    if let AttemptPhase::Ending { .. } = attempt.phase {
        return None;
    }
    Some(Event::AttemptRecalled {
        worker_id: attempt.worker_id.clone(),
        attempt_id: attempt.id.clone(),
        subtask_id: run.plan.subtasks[position].subtask_id.clone(),
        reason: reason.to_owned(),
        cause: Recall::Unwanted,
    })
}

/// Says how a run stands, as the end of a sentence.
fn standing(run: &Orchestration) -> &'static str {
    match run.phase {
        OrchestrationPhase::InProgress => "in progress",
        OrchestrationPhase::Paused { .. } => "paused",
        OrchestrationPhase::Blocked(_) => "blocked",
        OrchestrationPhase::Compensating { .. } => "being rolled back",
        OrchestrationPhase::RolledBack { .. } => "rolled back",
        OrchestrationPhase::Completed { .. } => "completed",
        OrchestrationPhase::Failed { .. } => "failed",
        OrchestrationPhase::Cancelled { .. } => "cancelled",
    }
}

fn over(id: &TaskId) -> String {
    format!("task {id} is over")
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
