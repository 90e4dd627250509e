//! What is said: whole, once, and with reasons.

use baton::domain::plan::Why;
use baton::domain::{Event, Record};

use super::super::chronicle::RunPhase;
use super::{Verdict, unless};
use crate::simulation::life::Life;

/// Events are numbered without a gap, and a daemon never writes for one before it.
pub(super) fn numbers_have_no_gap(life: &Life, record: &Record) -> Verdict {
    let is_next = record.seq == life.told.seq + 1 && !record.events.is_empty();
    unless(is_next && record.epoch >= life.told.epoch, || {
        format!("{} of {} after {} of {}", record.seq, record.epoch, life.told.seq, life.told.epoch)
    })
}

/// Whatever fails is followed by a decision that says why.
pub(super) fn failures_are_decided_on(_: &Life, record: &Record) -> Verdict {
    for (nth, event) in record.events.iter().enumerate() {
        let Event::SubtaskFailed { subtask_id, .. } = event else { continue };
        let decided = record.events[nth..].iter().any(|event| match event {
            Event::RecoveryDecided(told) => {
                told.subtask_id == *subtask_id
                    && !told.why.rule.is_empty()
                    && !told.strategy.is_empty()
            }
            _ => false,
        });
        unless(decided, || format!("nothing is decided about {subtask_id}"))?;
    }
    Ok(())
}

/// What was decided about a failure is done, unless its run is over or is undone.
pub(super) fn decisions_are_carried_out(life: &Life, record: &Record) -> Verdict {
    for (nth, event) in record.events.iter().enumerate() {
        let Event::RecoveryDecided(told) = event else { continue };
        let run = life.told.runs.get(told.orchestration_id.as_str());
        let is_unwanted = run.is_none_or(|run| run.is_over() || run.phase == RunPhase::RollingBack);
        unless(is_unwanted || nth + 1 < record.events.len(), || {
            format!("{} is decided for {} and nothing follows", told.strategy, told.subtask_id)
        })?;
    }
    Ok(())
}

/// When an older attempt delivers after all, the newer one is called back.
pub(super) fn late_success_calls_back_the_newer(life: &Life, record: &Record) -> Verdict {
    for event in &record.events {
        let Event::SubtaskCompleted { subtask_id, attempt_id, .. } = event else { continue };
        let newer = life.told.live().find(|(id, attempt)| {
            attempt.subtask == subtask_id.as_str()
                && *id != attempt_id.as_str()
                && attempt.recalled.is_none()
        });
        let Some((newer, _)) = newer else { continue };
        let is_recalled = record.events.iter().any(|event| match event {
            Event::AttemptRecalled { attempt_id, .. } => attempt_id.as_str() == newer,
            _ => false,
        });
        unless(is_recalled, || format!("{newer} goes on although {attempt_id} has delivered"))?;
    }
    Ok(())
}

/// Whatever was chosen says by which rule.
pub(super) fn choices_say_why(_: &Life, _: &Record, event: &Event) -> Verdict {
    let why = match event {
        Event::SubtaskHandedOff(told) => &told.why,
        Event::PlanAccepted { why, .. } | Event::TaskRouted { why, .. } => why,
        Event::SubtaskReassigned(told) => &told.why,
        Event::PlanRevised(told) => &told.why,
        Event::RecoveryDecided(told) => &told.why,
        _ => return Ok(()),
    };
    let Why { rule, evidence, .. } = why;
    unless(!rule.is_empty() && !evidence.is_empty(), || format!("{} for no reason", event.kind()))
}

/// Whoever is asked knows what is wrong and which commands answer it, and these name what exists.
pub(super) fn questions_say_what_is_asked(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::OrchestrationBlocked(told) = event else { return Ok(()) };
    let has_reason = !told.failure_reason.trim().is_empty() && !told.escalation.trim().is_empty();
    unless(has_reason, || format!("{} is blocked without a reason", told.orchestration_id))?;
    let is_known = |option: &String| {
        let mut commands = option.split("baton ").skip(1).peekable();
        // What cannot be stopped by us is ended by hand.
        let is_by_hand = option.starts_with("kill -KILL ");
        (is_by_hand || commands.peek().is_some())
            && commands.all(|command| {
                let command = command.strip_prefix("handoff ").unwrap_or(command);
                let target = command.split([' ', ';']).nth(1).unwrap_or_default();
                life.told.tasks.contains_key(target) || life.told.places.contains_key(target)
            })
    };
    let all = told.options.len() >= 2 && told.options.iter().all(is_known);
    unless(all, || format!("these answer nothing: {:?}", told.options))
}

/// A command is answered once, however often it comes.
pub(super) fn a_command_has_one_answer(life: &Life, _: &Record, event: &Event) -> Verdict {
    let id = match event {
        Event::CommandAccepted { command, .. } | Event::CommandRefused { command, .. } => {
            &command.command_id
        }
        _ => return Ok(()),
    };
    let before = life.told.answers.get(id.as_str()).copied().unwrap_or(0);
    unless(before == 0, || format!("{id} was answered {before} times before"))
}

/// Every command that was dropped got its answer.
pub(super) fn every_command_is_answered(life: &Life) -> Verdict {
    for dropped in &life.commands {
        let id = dropped.command.command_id.as_str();
        let count = life.told.answers.get(id).copied().unwrap_or(0);
        unless(count == 1, || format!("{id} has {count} answers"))?;
    }
    Ok(())
}
