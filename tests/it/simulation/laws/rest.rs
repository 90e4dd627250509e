//! Nothing stands still that should go on, and nothing goes round in circles.

use std::collections::BTreeSet;

use baton::domain::plan::SubtaskPhase as Phase;
use baton::domain::plan::{OrchestrationPhase, Strategy};
use baton::domain::{Effect, Moment, State, outbox};

use super::limits::{MINUTE_MS, starts, waited_ms};
use super::{Verdict, unless};
use crate::simulation::chronicle::{
    AttemptTold, Chronicle, RunPhase, RunTold, SubtaskPhase, TaskTold,
};
use crate::simulation::life::Life;

/// The state says of every task, run, subtask and attempt what the journal says.
pub(super) fn facts_agree(life: &Life) -> Verdict {
    let Some(daemon) = life.daemon.as_ref().filter(|_| life.is_news) else { return Ok(()) };
    same_facts(&life.told, &daemon.state)
}

fn same_facts(told: &Chronicle, state: &State) -> Verdict {
    unless(told.seq == state.seq, || format!("{} events, not {}", told.seq, state.seq))?;
    for (id, run) in &told.runs {
        let Some(other) = state.orchestrations.get(id.as_str()) else {
            return Err(format!("run {id} is unknown"));
        };
        unless(run_word(run) == state_run_word(&other.phase), || {
            format!("run {id} is {:?}, not {:?}", run.phase, other.phase)
        })?;
        for (at, subtask) in run.subtasks.iter().enumerate() {
            let theirs = &other.runs[at];
            unless(subtask_word(&subtask.phase) == state_subtask_word(&theirs.phase), || {
                let id = &run.plan.subtasks[at].subtask_id;
                format!("{id} is {:?}, not {:?}", subtask.phase, theirs.phase)
            })?;
            let live = |id: &&String| told.attempts[*id].is_live();
            let live = subtask.attempts.iter().filter(live).count();
            let same = theirs.attempts.iter().filter(|attempt| attempt.is_live()).count() == live
                && theirs.attempts.len() == subtask.attempts.len();
            unless(same, || format!("attempts differ: {subtask:?}, not {theirs:?}"))?;
        }
    }
    Ok(())
}

fn run_word(run: &RunTold) -> &'static str {
    match run.phase {
        RunPhase::Going => "going",
        RunPhase::Paused => "paused",
        RunPhase::Blocked(_) => "blocked",
        RunPhase::RollingBack => "rolling back",
        RunPhase::Completed => "completed",
        RunPhase::Over => "over",
    }
}

fn state_run_word(phase: &OrchestrationPhase) -> &'static str {
    match phase {
        OrchestrationPhase::InProgress => "going",
        OrchestrationPhase::Paused { .. } => "paused",
        OrchestrationPhase::Blocked(_) => "blocked",
        OrchestrationPhase::Compensating { .. } => "rolling back",
        OrchestrationPhase::Completed { .. } => "completed",
        OrchestrationPhase::RolledBack { .. }
        | OrchestrationPhase::Failed { .. }
        | OrchestrationPhase::Cancelled { .. } => "over",
    }
}

fn subtask_word(phase: &SubtaskPhase) -> &'static str {
    match phase {
        SubtaskPhase::Free => "free",
        SubtaskPhase::BackingOff(..) => "backing off",
        SubtaskPhase::Live => "live",
        SubtaskPhase::Done(_) => "done",
        SubtaskPhase::Skipped => "skipped",
        SubtaskPhase::Revising => "revising",
        SubtaskPhase::Replaced => "replaced",
        SubtaskPhase::Undoing(_) => "undoing",
        SubtaskPhase::Undone => "undone",
        SubtaskPhase::Blocked => "blocked",
        SubtaskPhase::Cancelled => "cancelled",
    }
}

fn state_subtask_word(phase: &Phase) -> &'static str {
    match phase {
        Phase::Pending => "free",
        Phase::BackingOff { .. } => "backing off",
        Phase::InAttempt => "live",
        Phase::Completed { .. } => "done",
        Phase::Skipped { .. } => "skipped",
        Phase::Revising { .. } => "revising",
        Phase::Replaced { .. } => "replaced",
        Phase::Undoing { .. } => "undoing",
        Phase::Compensated { .. } | Phase::NotCompensated { .. } => "undone",
        Phase::Blocked { .. } => "blocked",
        Phase::Cancelled { .. } => "cancelled",
    }
}

/// Everything that has to be done in the world is owed, and nothing else.
pub(super) fn what_is_owed_is_owed(life: &Life) -> Verdict {
    let Some(daemon) = life.daemon.as_ref().filter(|_| life.is_news) else { return Ok(()) };
    let owed: BTreeSet<String> = life
        .brain
        .outbox(&daemon.state)
        .into_iter()
        .filter(|effect| !matches!(effect, Effect::SettleClaim(_) | Effect::MoveSpec(_)))
        .filter(|effect| match effect {
            Effect::StopWorker(id) | Effect::WithdrawHandoff(id) => {
                life.stranger_at(id.as_str()).is_none()
            }
            _ => true,
        })
        .map(|effect| format!("{effect:?}"))
        .collect();
    let mut wanted = BTreeSet::new();
    for (id, task) in &life.told.tasks {
        if *task == TaskTold::Planning {
            wanted.insert(format!("DraftPlan({id:?})"));
        }
    }
    for run in life.told.runs.values().filter(|run| !run.is_over()) {
        for (at, subtask) in run.subtasks.iter().enumerate() {
            if subtask.phase == SubtaskPhase::Revising {
                let id = run.plan.subtasks[at].subtask_id.as_str();
                wanted.insert(format!("RevisePlan({id:?})"));
            }
        }
    }
    for (id, attempt) in life.told.live() {
        let effect = match (attempt.recalled.is_some(), attempt.is_published) {
            (true, _) if attempt.is_launched => "StopWorker",
            // Which process it is may be known by its spec.
            (true, _) if life.stranger_at(id).is_some() => continue,
            (true, _) => "WithdrawHandoff",
            (false, _) if attempt.started_at.is_some() => continue,
            (false, false) => "PublishHandoff",
            (false, true) if attempt.is_launched => "LaunchWorker",
            (false, true) => continue,
        };
        wanted.insert(format!("{effect}({id:?})"));
    }
    unless(owed == wanted, || format!("{owed:?} are owed, not {wanted:?}"))
}

/// What waits for time alone is looked at again when its time has come.
pub(super) fn what_waits_has_a_deadline(life: &Life) -> Verdict {
    let awake = life.daemon.as_ref().filter(|daemon| life.is_news && daemon.is_awake(life));
    let Some(daemon) = awake else { return Ok(()) };
    let now = life.clock.now();
    let deadline = daemon.deadline;
    for run in life.told.runs.values().filter(|run| !run.is_over()) {
        for (at, subtask) in run.subtasks.iter().enumerate() {
            let live = subtask.attempts.last().map(|id| &life.told.attempts[id]);
            let (since, delay_ms) = match (&subtask.phase, live) {
                (
                    SubtaskPhase::BackingOff(since, delay_ms)
                    | SubtaskPhase::Undoing(Some((since, delay_ms))),
                    _,
                ) => (*since, *delay_ms),
                (SubtaskPhase::Live, Some(attempt)) => match time_box(life, attempt) {
                    Some(time_box) => time_box,
                    None => continue,
                },
                _ => continue,
            };
            let left_ms = delay_ms.saturating_sub(waited_ms(&now, &since).unwrap_or(delay_ms));
            let is_in_time = deadline.is_some_and(|deadline| {
                deadline.boot != now.boot || deadline.boottime_ms <= now.boottime_ms + left_ms
            });
            unless(is_in_time, || {
                let id = &run.plan.subtasks[at].subtask_id;
                format!("{id} waits for {left_ms} ms more, the deadline is {deadline:?}")
            })?;
        }
    }
    Ok(())
}

/// Returns since when a worker of ours runs and how long it may.
fn time_box(life: &Life, attempt: &AttemptTold) -> Option<(Moment, u64)> {
    let box_ms = life.policy.supervision.time_box_ms;
    let counts = attempt.is_launched && attempt.recalled.is_none() && attempt.is_live();
    // Who began under another boot is gone, which is found out otherwise.
    let is_of_this_boot = |at: &Moment| at.boot == life.clock.now().boot;
    let since = attempt.started_at.filter(|_| counts && box_ms > 0).filter(is_of_this_boot)?;
    Some((since, box_ms + attempt.paused_ms))
}

/// A deadline that has come leads to something: otherwise the daemon would ask again and again.
pub(super) fn nobody_waits_busily(life: &Life) -> Verdict {
    let Some(daemon) = life.daemon.as_ref().filter(|daemon| daemon.is_awake(life)) else {
        return Ok(());
    };
    let now = life.clock.now();
    let Some(deadline) = daemon.deadline else { return Ok(()) };
    let is_to_come = deadline.boot == now.boot && deadline.boottime_ms > now.boottime_ms;
    unless(is_to_come, || format!("the deadline {deadline:?} has passed"))
}

/// In a run that goes on, whatever may start is held by a limit or by a file that is in use.
pub(super) fn what_may_start_is_held(life: &Life) -> Verdict {
    let Some(_) = life.daemon.as_ref().filter(|daemon| life.is_news && daemon.is_awake(life))
    else {
        return Ok(());
    };
    for (id, run) in life.told.runs.iter().filter(|(_, run)| run.phase == RunPhase::Going) {
        let mut moves = false;
        for at in 0..run.subtasks.len() {
            let may = may_start(life, run, at);
            moves |= may
                || matches!(
                    run.subtasks[at].phase,
                    SubtaskPhase::Live | SubtaskPhase::BackingOff(..) | SubtaskPhase::Revising
                );
            unless(!may || is_held(life, run, at), || {
                format!("{} waits for nothing", run.plan.subtasks[at].subtask_id)
            })?;
        }
        unless(moves, || format!("nothing moves in {id}: {:?}", run.subtasks))?;
    }
    Ok(())
}

fn may_start(life: &Life, run: &RunTold, at: usize) -> bool {
    let subtask = &run.plan.subtasks[at];
    let done = |id: &baton::domain::ids::SubtaskId| {
        life.told.find(id.as_str()).is_some_and(|(run, at)| run.is_satisfied(at))
    };
    let is_turn = match run.plan.strategy {
        _ if run.is_routed => true,
        Strategy::Adaptive => true,
        Strategy::Staged => (0..run.subtasks.len())
            .all(|other| run.stage(other) >= run.stage(at) || run.is_satisfied(other)),
        Strategy::Sequential => (0..run.subtasks.len())
            .all(|other| run.turn(other) >= run.turn(at) || run.is_satisfied(other)),
    };
    run.subtasks[at].phase == SubtaskPhase::Free && is_turn && subtask.dependencies.iter().all(done)
}

fn is_held(life: &Life, run: &RunTold, at: usize) -> bool {
    let agent = run.agent(at);
    let Some((_, master)) = life.policy.masters.iter().find(|(name, _)| name.as_str() == agent)
    else {
        return false;
    };
    let is_ours = master.execution != baton::domain::worker::Execution::External;
    let busy = life.told.live().filter(|(_, a)| a.agent == agent).count();
    let launched = life.told.live().filter(|(_, a)| a.is_launched).count();
    // Starts that are close to each other are counted as one, a little late.
    let begun = starts(life, agent, &life.clock.now(), MINUTE_MS + 1_000);
    let files = &run.plan.subtasks[at].files_affected;
    let in_use = life.told.live().any(|(_, attempt)| {
        life.told.find(&attempt.subtask).is_some_and(|(run, at)| {
            run.plan.subtasks[at].files_affected.iter().any(|file| files.contains(file))
        })
    });
    let is_last_live =
        run.subtasks[at].attempts.last().is_some_and(|id| life.told.attempts[id].is_live());
    busy >= master.attempts_active_max
        || is_ours && launched >= life.policy.attempts_active_max
        || in_use
        || is_last_live
        || life.told.circuits.get(agent).is_some_and(|c| !c.is_half_open || busy > 0)
        || master.starts_per_minute_max > 0 && begun >= master.starts_per_minute_max as usize
}

/// When everything has come to rest no process of ours is left and no handoff can be taken.
pub(super) fn nothing_is_left_in_the_world(life: &Life) -> Verdict {
    let lives = life.processes.iter().find(|process| process.lives());
    unless(lives.is_none(), || format!("{:?} still runs", lives.map(|p| &p.job.attempt_id)))?;
    let owed = life.daemon.as_ref().map(|daemon| outbox(&daemon.state).len());
    unless(owed.is_none_or(|count| count == 0), || format!("{owed:?} effects are owed"))
}

/// What is read back from the journal is what was true when the daemon ended.
pub(super) fn replay_equals_live(life: &Life) -> Verdict {
    let Some(daemon) = &life.daemon else { return Ok(()) };
    let replayed = life.brain.replay(&life.journal.all())?;
    unless(replayed == daemon.state, || "the state read back is another one".to_owned())?;
    let json = serde_json::to_string(&daemon.state).map_err(|error| error.to_string())?;
    let mut read: State = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    read.reindex();
    unless(read == daemon.state, || "the state of a snapshot is another one".to_owned())
}
