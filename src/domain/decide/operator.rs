//! What a person asks for: one arm per verb.

mod answer;
mod hand_over;
mod replace;
mod retry;
mod target;

use crate::domain::event::Event;
use crate::domain::ids::{ClaimId, TaskId};
use crate::domain::input::Command;
use crate::domain::moment::{Moment, Timestamp};
use crate::domain::plan::{Orchestration, OrchestrationPhase, RunKind};
use crate::domain::policy::Policy;
use crate::domain::recovery::recall;
use crate::domain::state::State;
use crate::domain::task::Phase;
use crate::domain::worker::{AttemptPhase, Execution};

use super::{saga, satisfied};
use target::{Target, find, run_of, subtask_of};

/// How long a command stands that does not say when it expires.
const EXPIRES_AFTER_MS: i64 = 3_600_000;
/// Every verb, for the error that lists them.
const VERBS: &str =
    "cancel, retry, skip, assign, fallback, answer, pause, resume, withdraw, rollback";

/// What a command does, in words and in events; or why not.
type Done = Result<(String, Vec<Event>), String>;

pub(super) fn command(
    state: &State,
    policy: &Policy,
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
    match carried_out(state, policy, &command, now) {
        Ok((message, events)) => {
            let accepted = Event::CommandAccepted { claim, command, owner, message };
            [accepted].into_iter().chain(events).collect()
        }
        Err(error) => vec![Event::CommandRefused { claim, command, owner, error }],
    }
}

fn carried_out(state: &State, policy: &Policy, command: &Command, now: Moment) -> Done {
    if let Some(expired_at) = expiry(command).filter(|at| *at < now.wall) {
        return Err(format!("it expired at {expired_at}; give it again if it is still wanted"));
    }
    let reason = format!("command {}", command.command_id);
    let target = || find(state, &command.target);
    match command.verb.as_str() {
        "cancel" => cancel(state, &target()?, &reason),
        "retry" => retry::retry((state, policy), &target()?, &reason),
        "skip" => skip(&target()?, &reason, now),
        "assign" => hand_over::assign(state, policy, &target()?, argument(command, "to")?, &reason),
        "fallback" => hand_over::fallback(state, policy, &target()?, &reason),
        "answer" => {
            let letter = argument(command, "answer")?;
            answer::answer((state, policy), &target()?, letter, &reason, now)
        }
        "pause" => pause(&target()?, &reason),
        "resume" => resume(&target()?, &reason),
        "withdraw" => withdraw(&target()?, &reason),
        "rollback" => saga::begin(run_of(&target()?)?, &reason),
        other => Err(format!("{other:?} is no verb; the verbs are {VERBS}")),
    }
}

fn argument<'a>(command: &'a Command, name: &str) -> Result<&'a str, String> {
    command
        .args
        .get(name)
        .and_then(serde_json::Value::as_str)
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("`{}` wants `args.{name}`", command.verb))
}

fn expiry(command: &Command) -> Option<Timestamp> {
    let after = |at: Timestamp| Timestamp::from_ms(at.as_ms().saturating_add(EXPIRES_AFTER_MS));
    command.expires_at.or_else(|| command.created_at.map(after))
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
    let (run, position) = subtask_of(target, "handoff")?;
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
