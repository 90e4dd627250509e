//! Who may begin, and when something is over.

use baton::domain::plan::Strategy;
use baton::domain::{Event, Record};

use super::{Verdict, unless};
use crate::simulation::chronicle::{RunPhase, SubtaskPhase};
use crate::simulation::life::Life;

/// A handoff is given out when all that its subtask depends on is done or left out.
pub(super) fn dependencies_first(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let Some((run, at)) = life.told.find(told.subtask_id.as_str()) else {
        return Err(format!("there is no subtask {}", told.subtask_id));
    };
    if run.phase == RunPhase::RollingBack {
        return Ok(());
    }
    for needed in &run.plan.subtasks[at].dependencies {
        let done = life.told.find(needed.as_str()).is_some_and(|(run, at)| run.is_satisfied(at));
        unless(done, || format!("{} begins before {needed} is done", told.subtask_id))?;
    }
    Ok(())
}

/// A stage begins when the one before is complete; a sequence goes one by one.
pub(super) fn stages_follow_each_other(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let Some((run, at)) = life.told.find(told.subtask_id.as_str()) else { return Ok(()) };
    if run.is_routed || run.phase == RunPhase::RollingBack {
        return Ok(());
    }
    let is_before = |other: usize| match run.plan.strategy {
        Strategy::Staged => run.stage(other) < run.stage(at),
        Strategy::Sequential => run.turn(other) < run.turn(at),
        Strategy::Adaptive => false,
    };
    let open = (0..run.subtasks.len()).find(|other| is_before(*other) && !run.is_satisfied(*other));
    unless(open.is_none(), || {
        let before = open.map(|at| &run.plan.subtasks[at].subtask_id);
        let (id, stages) = (&told.subtask_id, &run.plan.stages);
        format!("{id} begins while {before:?} before it is open: {stages:?}")
    })
}

/// A subtask has at most one attempt that still holds anything.
pub(super) fn one_live_attempt(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let mut live = life.told.live().filter(|(_, a)| a.subtask == told.subtask_id.as_str());
    let other = live.next();
    unless(other.is_none(), || format!("{} begins beside {other:?}", told.attempt_id))
}

/// No two attempts that hold anything may change the same file.
pub(super) fn a_file_has_one_writer(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let Some((run, at)) = life.told.find(told.subtask_id.as_str()) else { return Ok(()) };
    let files = &run.plan.subtasks[at].files_affected;
    for (id, attempt) in life.told.live() {
        let Some((run, at)) = life.told.find(&attempt.subtask) else { continue };
        let theirs = &run.plan.subtasks[at].files_affected;
        let shared = files.iter().find(|file| theirs.contains(file));
        unless(shared.is_none(), || {
            format!("{} and {id} both may change {shared:?}", told.attempt_id)
        })?;
    }
    Ok(())
}

/// Attempts are numbered from 1 without a gap, and a number is never given twice.
pub(super) fn attempts_are_numbered(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let Some((run, at)) = life.told.find(told.subtask_id.as_str()) else { return Ok(()) };
    let before = run.subtasks[at].attempts.len();
    let is_new = !life.told.attempts.contains_key(told.attempt_id.as_str());
    unless(is_new && told.attempt as usize == before + 1, || {
        format!("{} is number {} after {before}", told.attempt_id, told.attempt)
    })
}

/// A run that is paused, blocked or over gives nothing out, and a subtask that is done or left out
/// is not given out again.
pub(super) fn what_rests_hands_nothing_out(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let Some((run, at)) = life.told.find(told.subtask_id.as_str()) else { return Ok(()) };
    let subtask = &run.subtasks[at].phase;
    let may = match run.phase {
        RunPhase::Going => !matches!(
            subtask,
            SubtaskPhase::Done(_)
                | SubtaskPhase::Skipped
                | SubtaskPhase::Replaced
                | SubtaskPhase::Revising
                | SubtaskPhase::Blocked
                | SubtaskPhase::Cancelled
        ),
        RunPhase::RollingBack => *subtask == SubtaskPhase::Undoing(None),
        RunPhase::Paused | RunPhase::Blocked(_) | RunPhase::Completed | RunPhase::Over => false,
    };
    unless(may, || {
        format!("{} is given out: {subtask:?} of a run that is {:?}", told.subtask_id, run.phase)
    })
}

/// What is done is not done a second time.
pub(super) fn a_subtask_is_done_once(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskCompleted { subtask_id, attempt_id, .. } = event else { return Ok(()) };
    let Some((run, at)) = life.told.find(subtask_id.as_str()) else { return Ok(()) };
    unless(!run.is_satisfied(at) && !run.is_over(), || {
        format!("{attempt_id} completes {subtask_id}, which is {:?}", run.subtasks[at].phase)
    })
}

/// A run is complete when every subtask is done or left out, and at least one was done.
pub(super) fn completed_runs_are_complete(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::OrchestrationCompleted { orchestration_id, .. } = event else { return Ok(()) };
    let Some(run) = life.told.runs.get(orchestration_id.as_str()) else {
        return Err(format!("there is no run {orchestration_id}"));
    };
    let all = (0..run.subtasks.len()).all(|at| run.is_satisfied(at));
    let some = run.subtasks.iter().any(|s| matches!(s.phase, SubtaskPhase::Done(_)));
    unless(all && some && !run.is_over(), || format!("{orchestration_id} is {:?}", run.subtasks))
}

/// What was done is undone in reverse: nothing while something that needed it is still done.
pub(super) fn undone_in_reverse(life: &Life, _: &Record, event: &Event) -> Verdict {
    if let Event::CompensationStarted(told) = event {
        let Some(run) = life.told.runs.get(told.orchestration_id.as_str()) else { return Ok(()) };
        for (nth, later) in told.subtasks.iter().enumerate() {
            let Some((_, at)) = life.told.find(later.as_str()) else { return Ok(()) };
            let is_done = matches!(run.subtasks[at].phase, SubtaskPhase::Done(_));
            unless(is_done, || format!("{later} was not done"))?;
            let needed = &run.plan.subtasks[at].dependencies;
            let before = told.subtasks[..nth].iter().find(|earlier| needed.contains(earlier));
            unless(before.is_none(), || format!("{before:?} is undone before {later}"))?;
        }
        return Ok(());
    }
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let Some((run, _)) = life.told.find(told.subtask_id.as_str()) else { return Ok(()) };
    if run.phase != RunPhase::RollingBack {
        return Ok(());
    }
    let before = run.undone.iter().take_while(|id| *id != told.subtask_id.as_str());
    let mut open = before.filter(|id| {
        let found = life.told.find(id);
        found.is_none_or(|(run, at)| run.subtasks[at].phase != SubtaskPhase::Undone)
    });
    let open = open.next();
    unless(open.is_none(), || format!("{} is undone before {open:?}", told.subtask_id))
}

/// A run is rolled back when nothing of it is left to be undone.
pub(super) fn rolled_back_means_undone(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::OrchestrationRolledBack { orchestration_id, .. } = event else { return Ok(()) };
    let Some(run) = life.told.runs.get(orchestration_id.as_str()) else { return Ok(()) };
    let is_open = |id: &&String| {
        let found = life.told.find(id);
        found.is_none_or(|(run, at)| run.subtasks[at].phase != SubtaskPhase::Undone)
    };
    let open = run.undone.iter().find(is_open);
    unless(run.phase == RunPhase::RollingBack && open.is_none(), || {
        format!("{orchestration_id} is {:?}, and {open:?} is not undone", run.phase)
    })
}

/// What waited for a subtask waits for what took its place.
pub(super) fn replacements_are_waited_for(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::PlanRevised(told) = event else { return Ok(()) };
    let Some(run) = life.told.runs.get(told.orchestration_id.as_str()) else { return Ok(()) };
    for (at, before) in run.plan.subtasks.iter().enumerate() {
        let Some(after) = told.plan.subtasks.get(at) else {
            return Err(format!("{} is gone from the plan", before.subtask_id));
        };
        let is_same = after.subtask_id == before.subtask_id;
        unless(is_same, || format!("{} stands elsewhere", before.subtask_id))?;
        let waits = before.dependencies.contains(&told.subtask_id) && !run.is_satisfied(at);
        let still = after.dependencies.iter().any(|id| told.replaced_by.contains(id));
        unless(!waits || still || told.replaced_by.is_empty(), || {
            format!("{} waits for nothing of {:?}", before.subtask_id, told.replaced_by)
        })?;
    }
    Ok(())
}
