//! How much there may be of something, and how long it is waited.

use baton::domain::plan::Revision;
use baton::domain::policy::Backoff;
use baton::domain::report::Category;
use baton::domain::worker::Recall;
use baton::domain::{Event, Moment, Record};

use super::{Verdict, unless};
use crate::simulation::chronicle::{RunPhase, SubtaskPhase, is_wished};
use crate::simulation::life::Life;

/// The time in which starts are counted.
pub(super) const MINUTE_MS: u64 = 60_000;

/// What is cut off again and again is not begun again for ever.
pub(super) fn interruptions_have_a_budget(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let Some((run, at)) = life.told.find(told.subtask_id.as_str()) else { return Ok(()) };
    let (times, max) = (run.subtasks[at].interruptions, life.policy.recovery.interruptions_max);
    unless(times < max, || {
        format!("{} begins after {times} of {max} were cut off", told.attempt_id)
    })
}

/// A master has no more attempts at a time than it may.
pub(super) fn a_master_has_its_limit(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let Some(master) = life.policy.masters.get(&told.assigned_to) else {
        return Err(format!("{} is no master", told.assigned_to));
    };
    let busy = life.told.live().filter(|(_, a)| a.agent == told.assigned_to.as_str()).count();
    unless(busy < master.attempts_active_max, || {
        format!("{} has {busy} of {} already", told.assigned_to, master.attempts_active_max)
    })
}

/// Baton has no more workers of its own at a time than it may.
pub(super) fn all_have_a_limit(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    if told.execution == baton::domain::worker::Execution::External {
        return Ok(());
    }
    let busy = life.told.live().filter(|(_, a)| a.is_launched).count();
    unless(busy < life.policy.attempts_active_max, || {
        format!("there are {busy} of {} already", life.policy.attempts_active_max)
    })
}

/// Nobody fails at a subtask more often than the policy says.
pub(super) fn attempts_have_a_budget(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let Some((run, _)) = life.told.find(told.subtask_id.as_str()) else { return Ok(()) };
    if run.phase == RunPhase::RollingBack {
        return Ok(());
    }
    let max = attempts_max(life, told.subtask_id.as_str());
    let failed = failures(life, told.subtask_id.as_str(), told.assigned_to.as_str());
    unless(failed < max, || {
        format!("{} failed {failed} of {max} times at {}", told.assigned_to, told.subtask_id)
    })
}

/// A subtask goes to others no more often than the policy says, unless a person says so.
pub(super) fn fallbacks_have_a_budget(life: &Life, record: &Record, event: &Event) -> Verdict {
    let Event::SubtaskReassigned(told) = event else { return Ok(()) };
    if is_wished(record) {
        return Ok(());
    }
    let Some((run, at)) = life.told.find(told.subtask_id.as_str()) else { return Ok(()) };
    let before = run.subtasks[at].fallbacks;
    // A handoff that nobody takes goes round once.
    let has_failed = record.events.iter().any(|e| matches!(e, Event::SubtaskFailed { .. }));
    let masters = u32::try_from(life.policy.masters.len()).unwrap_or(u32::MAX);
    let max = if has_failed { life.policy.recovery.fallbacks_max } else { masters };
    unless(before < max, || format!("{} went to {before} others already", told.subtask_id))
}

/// A run is planned again no more often than the policy says.
pub(super) fn replans_have_a_budget(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::PlanRevised(told) = event else { return Ok(()) };
    let Some(run) = life.told.runs.get(told.orchestration_id.as_str()) else { return Ok(()) };
    let max = life.policy.recovery.replans_max;
    unless(told.revision != Revision::Replan || run.replans < max, || {
        format!("{} was planned again {} times already", told.orchestration_id, run.replans)
    })
}

/// What waits is not given out before its time.
pub(super) fn backoffs_are_waited_for(life: &Life, record: &Record, event: &Event) -> Verdict {
    if let Event::SubtaskHandedOff(told) = event {
        let Some((run, at)) = life.told.find(told.subtask_id.as_str()) else { return Ok(()) };
        let phase = &run.subtasks[at].phase;
        let waits = matches!(phase, SubtaskPhase::BackingOff(..) | SubtaskPhase::Undoing(Some(_)));
        return unless(!waits, || format!("{} is backing off", told.subtask_id));
    }
    let Event::BackoffEnded { subtask_id, .. } = event else { return Ok(()) };
    let Some((run, at)) = life.told.find(subtask_id.as_str()) else { return Ok(()) };
    let (SubtaskPhase::BackingOff(since, delay_ms)
    | SubtaskPhase::Undoing(Some((since, delay_ms)))) = run.subtasks[at].phase
    else {
        return Err(format!("{subtask_id} is not backing off"));
    };
    if is_wished(record) {
        return Ok(());
    }
    let waited = waited_ms(&record.at, &since);
    unless(waited.is_none_or(|ms| ms >= delay_ms), || {
        format!("{subtask_id} waited {waited:?} of {delay_ms} ms")
    })
}

/// A delay is one that the policy can give, with no more jitter than it allows.
pub(super) fn delays_are_as_configured(life: &Life, record: &Record, event: &Event) -> Verdict {
    let Event::SubtaskRetried(told) = event else { return Ok(()) };
    let retry = &life.policy.retry;
    let longest = retry.delay_ms_max;
    unless(told.delay_ms <= longest, || format!("{} ms are too long", told.delay_ms))?;
    let is_failure = record.events.iter().any(|event| matches!(event, Event::SubtaskFailed { .. }));
    let shortest = match retry.backoff {
        Backoff::Immediate => 0,
        Backoff::Fixed | Backoff::Exponential => retry.initial_delay_ms.min(retry.delay_ms_max),
    };
    unless(!is_failure || told.delay_ms >= shortest, || {
        format!("{} ms are too short", told.delay_ms)
    })
}

/// A master whose attempts fail in a row is given nothing before its time is over.
pub(super) fn open_circuits_get_nothing(life: &Life, record: &Record, event: &Event) -> Verdict {
    let agent = match event {
        Event::SubtaskHandedOff(told) => &told.assigned_to,
        Event::CircuitHalfOpened(told) => &told.agent,
        _ => return Ok(()),
    };
    let Some(circuit) = life.told.circuits.get(agent.as_str()) else { return Ok(()) };
    let open_ms = waited_ms(&record.at, &circuit.since);
    let is_over = open_ms.is_none_or(|ms| ms >= circuit.cool_down_ms);
    if let Event::CircuitHalfOpened(_) = event {
        return unless(is_over, || format!("{agent} is tried after {open_ms:?} ms"));
    }
    let busy = life.told.live().any(|(_, attempt)| attempt.agent == agent.as_str());
    unless(circuit.is_half_open && !busy, || {
        format!("{agent} is given work with {circuit:?}, other work under way: {busy}")
    })
}

/// A master that failed too often in a row has a circuit breaker that is open, or tries it.
pub(super) fn failing_masters_rest(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let agent = told.assigned_to.as_str();
    let (count, max) =
        (life.told.failures_of.get(agent).copied().unwrap_or(0), life.policy.circuit.failures_max);
    let is_known = max == 0 || count < max || life.told.circuits.contains_key(agent);
    unless(is_known, || format!("{agent} failed {count} times in a row and is given more"))
}

/// A master begins no more within a minute than it may.
pub(super) fn starts_have_a_rate(life: &Life, record: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let Some(master) = life.policy.masters.get(&told.assigned_to) else { return Ok(()) };
    let max = master.starts_per_minute_max as usize;
    let count = starts(life, told.assigned_to.as_str(), &record.at, MINUTE_MS);
    unless(max == 0 || count < max, || format!("{} began {count} already", told.assigned_to))
}

/// Counts what a master was given lately.
pub(super) fn starts(life: &Life, agent: &str, now: &Moment, within_ms: u64) -> usize {
    let is_recent = |at: &Moment| waited_ms(now, at).is_some_and(|ms| ms < within_ms);
    let attempts = life.told.attempts.values().filter(|attempt| attempt.agent == agent);
    attempts.filter(|attempt| is_recent(&attempt.issued_at)).count()
}

/// A person is asked when nothing else is left: the attempts are used up, or more of them cannot
/// help.
pub(super) fn nobody_gives_up_early(life: &Life, record: &Record) -> Verdict {
    let mut failed: Option<(&str, &str, Category)> = None;
    for event in &record.events {
        if let Event::SubtaskFailed { subtask_id, attempt_id, failure, .. } = event {
            failed = Some((subtask_id.as_str(), attempt_id.as_str(), failure.category));
        }
        let Event::OrchestrationBlocked(told) = event else { continue };
        let Some((subtask, attempt, category)) = failed else { continue };
        let is_hopeless = match category {
            Category::Blocker | Category::Critical | Category::DesignFlaw => true,
            Category::Transient | Category::CodeError => false,
        };
        let Some((run, at)) = life.told.find(subtask) else { continue };
        let Some(attempt) = life.told.attempts.get(attempt) else { continue };
        let count = failures(life, subtask, &attempt.agent) + 1;
        let same = run.subtasks[at].same_failures + 1;
        let is_used_up =
            count >= attempts_max(life, subtask) || same >= life.policy.recovery.same_failure_max;
        unless(is_hopeless || is_used_up || told.blocking_subtask.as_str() != subtask, || {
            format!("{subtask} is given up after {count} failures")
        })?;
    }
    Ok(())
}

/// No worker of ours runs longer than it may while the daemon is there to see it.
pub(super) fn time_boxes_end(life: &Life) -> Verdict {
    const LATE_MS: u64 = 10_000;
    let Some(daemon) = &life.daemon else { return Ok(()) };
    let box_ms = life.policy.supervision.time_box_ms;
    if box_ms == 0 || daemon.frozen_until_ms > life.clock.total_ms || !daemon.is_awake(life) {
        return Ok(());
    }
    let now = life.clock.now();
    for (id, attempt) in life.told.live().filter(|(_, attempt)| attempt.is_launched) {
        let Some(started) = attempt.started_at else { continue };
        let age = waited_ms(&now, &started).unwrap_or(0).saturating_sub(attempt.paused_ms);
        unless(attempt.recalled.is_some() || age <= box_ms + LATE_MS, || {
            format!("{id} runs for {age} of {box_ms} ms")
        })?;
    }
    Ok(())
}

/// Time in which the machine slept is told as it was, and uses up nobody's time box.
pub(super) fn sleep_uses_up_no_time_box(life: &Life, _: &Record, event: &Event) -> Verdict {
    if let Event::HostResumed(told) = event {
        let slept_ms = life.clock.suspended_ms;
        return unless(told.total_ms == slept_ms && told.for_ms <= slept_ms, || {
            format!("the machine slept {slept_ms} ms in this boot")
        });
    }
    let Event::AttemptRecalled { attempt_id, cause: Recall::TimeBox, .. } = event else {
        return Ok(());
    };
    let box_ms = life.policy.supervision.time_box_ms;
    let process = life.processes.iter().rfind(|p| p.job.attempt_id == *attempt_id);
    let worked_ms = process.map(|process| life.clock.awake_ms - process.begun_ms);
    unless(worked_ms.is_none_or(|ms| ms >= box_ms), || {
        format!("{attempt_id} had {worked_ms:?} of {box_ms} ms")
    })
}

/// A worker of ours that does nothing is called back, or said to be stalled, when it may not stand
/// still any longer and we were there to see it.
pub(super) fn who_stands_still_is_noticed(life: &Life) -> Verdict {
    let Some(daemon) = life.daemon.as_ref().filter(|daemon| daemon.is_awake(life)) else {
        return Ok(());
    };
    let limits = &life.policy.supervision;
    let longest_ms = limits.stall_after_ms + 4 * limits.look_ms;
    // Whoever is suspended cannot get on, and may go on.
    for process in life.processes.iter().filter(|p| p.is_main_alive && !p.is_stopped) {
        let got_on_ms = process.traces.got_on_ms.max(process.resumed_ms);
        let since_ms = got_on_ms.max(daemon.fresh_since_ms);
        if life.clock.awake_ms <= since_ms + longest_ms {
            continue;
        }
        let id = process.job.attempt_id.as_str();
        let attempt = life.told.attempts.get(id);
        // One that is suspended may go on, so that a doubt is all that may be said of it.
        let is_noticed = attempt.is_none_or(|a| {
            let is_doubted = process.is_stopped && a.suspected_seq.is_some();
            a.nonce != process.job.nonce || a.is_condemned || a.recalled.is_some() || is_doubted
        });
        unless(is_noticed, || format!("nobody notices that {id} does nothing: {attempt:?}"))?;
    }
    Ok(())
}

/// A handoff that nobody takes in time is told of.
pub(super) fn what_nobody_takes_is_told(life: &Life) -> Verdict {
    const LATE_MS: u64 = 10_000;
    let Some(_) = life.daemon.as_ref().filter(|daemon| daemon.is_awake(life)) else {
        return Ok(());
    };
    let alert_ms = life.policy.supervision.untaken_alert_ms;
    let now = life.clock.now();
    for (id, attempt) in life.told.live().filter(|(_, a)| !a.is_launched && a.is_published) {
        let is_settled = attempt.is_taken || attempt.is_untaken || attempt.recalled.is_some();
        let waited = attempt.published_at.and_then(|at| waited_ms(&now, &at)).unwrap_or(0);
        let waited = waited.saturating_sub(attempt.paused_ms);
        unless(is_settled || waited <= alert_ms + LATE_MS, || {
            format!("nobody says that nobody takes {id} for {waited} ms")
        })?;
    }
    Ok(())
}

/// Returns how often an agent failed at a subtask since a person began it anew.
fn failures(life: &Life, subtask: &str, agent: &str) -> u32 {
    let found = life.told.find(subtask);
    found.and_then(|(run, at)| run.subtasks[at].failures_on.get(agent).copied()).unwrap_or(0)
}

fn attempts_max(life: &Life, subtask: &str) -> u32 {
    let found = life.told.find(subtask);
    let own = found.and_then(|(run, at)| run.plan.subtasks[at].handling.attempts_max);
    own.unwrap_or(life.policy.retry.attempts_max)
}

/// Returns the time between two moments of one boot.
pub(super) fn waited_ms(now: &Moment, since: &Moment) -> Option<u64> {
    (now.boot == since.boot).then(|| now.boottime_ms.saturating_sub(since.boottime_ms))
}
