//! What the journal says is so in the world, and what happens in the world was decided before.

use baton::domain::event::Found;
use baton::domain::evidence::ProcessState;
use baton::domain::spec::SpecFolder;
use baton::domain::worker::{Exit, Recall};
use baton::domain::{Event, Record};

use super::{Verdict, unless};
use crate::simulation::chronicle::{End, RunPhase, SubtaskPhase};
use crate::simulation::habits::Ending;
use crate::simulation::life::{Deed, Life};
use crate::simulation::strangers::Stranger;
use crate::simulation::workers::{Paper, Place, Process, Traces};

/// An attempt is carried out by one process at the most.
pub(super) fn launched_at_most_once(life: &Life, deed: &Deed) -> Verdict {
    let Deed::Launched(nth) = deed else { return Ok(()) };
    let id = &life.processes[*nth].job.attempt_id;
    let count = life.processes.iter().filter(|process| process.job.attempt_id == *id).count();
    unless(count == 1, || format!("{id} was launched {count} times"))
}

/// Nothing is put into the world whose intent is not on disk.
pub(super) fn the_intent_comes_first(life: &Life, deed: &Deed) -> Verdict {
    let job = match deed {
        Deed::Launched(nth) => &life.processes[*nth].job,
        Deed::Published(nth) => &life.papers[*nth].job,
        Deed::Signalled { .. } => return Ok(()),
    };
    let attempt = life.told.attempts.get(job.attempt_id.as_str());
    let is_on_disk =
        attempt.is_some_and(|a| a.nonce == job.nonce && a.seq <= life.journal.synced_seq);
    let is_over = attempt.is_some_and(|attempt| !attempt.is_live());
    unless(!is_over, || format!("{} is begun although it is over", job.attempt_id))?;
    unless(is_on_disk, || format!("{} is begun and was not decided: {attempt:?}", job.attempt_id))
}

/// A signal reaches only what was started by us.
pub(super) fn signals_reach_nobody_else(_: &Life, deed: &Deed) -> Verdict {
    let Deed::Signalled { attempt_id, pid, is_its_own } = deed else { return Ok(()) };
    unless(*is_its_own, || format!("{pid} is not a process of {attempt_id} any more"))
}

/// Work goes to another when nothing is left of whoever had it before.
pub(super) fn the_tree_is_gone_first(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::SubtaskHandedOff(told) = event else { return Ok(()) };
    let lives = life.processes.iter().find(|p| p.job.subtask_id == told.subtask_id && p.lives());
    unless(lives.is_none(), || {
        format!("{} begins while {:?} lives", told.attempt_id, lives.map(|p| &p.job.attempt_id))
    })?;
    let lies =
        |paper: &&Paper| paper.job.subtask_id == told.subtask_id && paper.place == Place::There;
    let paper = life.papers.iter().find(lies);
    unless(paper.is_none(), || {
        format!("{} begins while {:?} can be taken", told.attempt_id, paper.map(|p| &p.job))
    })
}

/// An attempt is over when nothing is left of it, and its exit is the real one.
pub(super) fn nobody_is_left_running(life: &Life, record: &Record, event: &Event) -> Verdict {
    let id = match event {
        Event::AttemptCancelled { attempt_id, .. }
        | Event::AttemptInterrupted { attempt_id, .. }
        | Event::SubtaskFailed { attempt_id, .. }
        | Event::SubtaskCompleted { attempt_id, .. }
        | Event::WorkerExited { attempt_id, .. } => attempt_id.as_str(),
        _ => return Ok(()),
    };
    let Some(process) = process(life, id) else { return Ok(()) };
    unless(!process.lives(), || format!("{id} is over and still runs"))?;
    let Event::WorkerExited { exit, .. } = event else { return Ok(()) };
    let is_real = *exit == process.exit.unwrap_or(Exit::Unknown);
    unless(is_real, || format!("{id} ended with {:?}, not {exit:?}: {record:?}", process.exit))
}

/// What was delivered counts, whatever else is known of who delivered it.
pub(super) fn delivered_is_never_lost(life: &Life, _: &Record, event: &Event) -> Verdict {
    let (id, is_verdict) = match event {
        Event::SubtaskFailed { attempt_id, .. } | Event::AttemptInterrupted { attempt_id, .. } => {
            (attempt_id.as_str(), true)
        }
        Event::WorkerGone(Found { attempt_id: Some(id), .. })
        | Event::WorkerStalled(Found { attempt_id: Some(id), .. }) => (id.as_str(), true),
        Event::AttemptCancelled { attempt_id, .. } => (attempt_id.as_str(), false),
        _ => return Ok(()),
    };
    let Some(attempt) = life.told.attempts.get(id) else { return Ok(()) };
    let is_wanted = attempt
        .recalled
        .is_none_or(|(cause, _)| !matches!(cause, Recall::Unwanted | Recall::Replaced));
    let Some(process) = process(life, id) else { return Ok(()) };
    let is_awaited = life.told.find(&attempt.subtask).is_some_and(|(run, at)| {
        let goes_on = !run.is_over() && run.phase != RunPhase::RollingBack;
        goes_on && run.subtasks[at].phase == SubtaskPhase::Live
    });
    let is_condemned = is_verdict || attempt.recalled.is_some();
    let is_lost = process.has_delivered && is_wanted && is_awaited && is_condemned;
    unless(!is_lost, || format!("{id} has delivered"))
}

/// What is done was delivered: by a report that is true, or where none is there by exit 0 and a
/// word.
pub(super) fn completed_means_delivered(life: &Life, _: &Record, event: &Event) -> Verdict {
    let (subtask_id, attempt_id) = match event {
        Event::SubtaskCompleted { subtask_id, attempt_id, .. } => (subtask_id, attempt_id),
        Event::SubtaskCompensated(told) => (&told.subtask_id, &told.attempt_id),
        _ => return Ok(()),
    };
    let Some(attempt) = life.told.attempts.get(attempt_id.as_str()) else {
        return Err(format!("there is no attempt {attempt_id}"));
    };
    // A report that names no attempt is taken for the newest, whoever carries that one out.
    let mut papers = life.papers.iter().filter(|paper| paper.job.subtask_id == *subtask_id);
    let is_reported = papers.any(|paper| paper.has_delivered);
    let is_true = is_reported
        || attempt.is_launched
            && process(life, attempt_id.as_str()).is_some_and(|process| {
                process.has_delivered
                    || process.report.is_none()
                        && !process.is_report_foreign
                        && process.habit.ending != Ending::Nothing
                        && process.traces.output > 0
                        && process.exit == Some(Exit::Code(0))
            });
    unless(is_true, || format!("{attempt_id} has delivered nothing"))
}

/// Whoever gets on is not called back for standing still.
pub(super) fn progress_is_never_condemned(life: &Life, _: &Record, event: &Event) -> Verdict {
    let limits = &life.policy.supervision;
    let (id, limit_ms) = match event {
        Event::WorkerStalled(Found { attempt_id: Some(id), .. })
        | Event::AttemptRecalled { attempt_id: id, cause: Recall::Stalled, .. } => {
            (id.as_str(), limits.stall_after_ms)
        }
        Event::AttemptRecalled { attempt_id: id, cause: Recall::Silence, .. } => {
            (id.as_str(), limits.silence_ms)
        }
        // What still gets on under another number than it said is not gone.
        Event::WorkerGone(Found { attempt_id: Some(id), .. }) => {
            (id.as_str(), limits.heartbeat_stale_ms)
        }
        _ => return Ok(()),
    };
    let is_silence = matches!(event, Event::AttemptRecalled { cause: Recall::Silence, .. });
    let Some(traces) = traces(life, id) else { return Ok(()) };
    let since_ms = if is_silence { traces.outward_ms } else { traces.got_on_ms };
    let still_ms = life.clock.awake_ms - since_ms;
    // A sleep that is shorter than the time between two looks cannot be told from standing still.
    let shortest_ms = limit_ms.saturating_sub(2 * limits.look_ms);
    unless(still_ms >= shortest_ms, || {
        format!("{id} is condemned {still_ms} ms after it last got on; it may take {limit_ms}")
    })
}

/// Who is said to be gone is gone: of a worker of a master, the process that it named.
pub(super) fn gone_means_gone(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::WorkerGone(Found { worker_id, attempt_id, .. }) = event else { return Ok(()) };
    if let Some(process) = attempt_id.as_ref().and_then(|id| process(life, id.as_str())) {
        return unless(!process.lives(), || format!("{worker_id} lives"));
    }
    let nth = match attempt_id {
        Some(id) if life.told.attempts.get(id.as_str()).is_some_and(|a| a.is_launched) => {
            return Ok(());
        }
        Some(id) => life.stranger_at(id.as_str()),
        None => life.strange.iter().position(|s| s.spec.worker_id == *worker_id),
    };
    let is_proven = nth.is_some_and(|nth| life.strange[nth].process() == ProcessState::Gone);
    unless(is_proven, || format!("nothing proves that {worker_id} is gone"))
}

/// Nobody is condemned by one look alone.
pub(super) fn two_looks_agree(life: &Life, record: &Record, event: &Event) -> Verdict {
    let id = match event {
        Event::WorkerStalled(Found { attempt_id: Some(id), .. })
        | Event::WorkerGone(Found { attempt_id: Some(id), .. }) => id.as_str(),
        _ => return Ok(()),
    };
    let Some(attempt) = life.told.attempts.get(id) else { return Ok(()) };
    let held = life.told.held_seq.filter(|seq| *seq > attempt.seq);
    let suspected = attempt.suspected_seq;
    unless(suspected.or(held).is_some_and(|seq| seq < record.seq), || {
        format!("{id} is condemned and was not suspected before: {suspected:?}")
    })
}

/// Who was cut off from outside has not failed, unless that happened as often as is allowed while it
/// was to undo something: nobody is asked then.
pub(super) fn interruptions_cost_nothing(life: &Life, record: &Record, event: &Event) -> Verdict {
    let Event::SubtaskFailed { attempt_id, .. } = event else { return Ok(()) };
    let Some(attempt) = life.told.attempts.get(attempt_id.as_str()) else { return Ok(()) };
    if !attempt.is_launched || attempt.recalled.is_some() {
        return Ok(());
    }
    let did_not_start = |event: &Event| matches!(event, Event::WorkerNotStarted { .. });
    let is_judged = match process(life, attempt_id.as_str()) {
        Some(process) => process.exit.is_some() || process.report.is_some(),
        None => record.events.iter().any(did_not_start),
    };
    let max = life.policy.recovery.interruptions_max;
    let is_given_up = life.told.find(&attempt.subtask).is_some_and(|(run, at)| {
        let times = run.subtasks[at].interruptions + 1;
        run.phase == RunPhase::RollingBack && max > 0 && times >= max
    });
    unless(is_judged || is_given_up, || format!("{attempt_id} was cut off and counts as failed"))
}

/// A handoff that is taken back can be taken by nobody, and what was taken back is not done.
pub(super) fn withdrawn_means_withdrawn(life: &Life, _: &Record, event: &Event) -> Verdict {
    let (id, is_withdrawal) = match event {
        Event::HandoffWithdrawn { attempt_id, .. } => (attempt_id, true),
        // One that names no attempt is from whoever did the work; it is put to the newest.
        Event::ReportAccepted { attempt_id, finding, .. }
            if finding.report.attempt_id.is_some() =>
        {
            (attempt_id, false)
        }
        _ => return Ok(()),
    };
    let is_told = life.told.attempts.get(id.as_str()).map(|attempt| attempt.end);
    if !is_withdrawal {
        return unless(is_told != Some(Some(End::Withdrawn)), || format!("{id} was taken back"));
    }
    let paper = life.papers.iter().find(|paper| paper.job.attempt_id == *id);
    let is_back = paper.is_none_or(|p| matches!(p.place, Place::Withdrawn | Place::Lost));
    unless(is_back, || format!("{id} is {:?}", paper.map(|paper| paper.place)))
}

/// A report counts only while no newer attempt has delivered.
pub(super) fn late_reports_undo_nothing(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::ReportAccepted { attempt_id, subtask_id, .. } = event else { return Ok(()) };
    let Some((run, at)) = life.told.find(subtask_id.as_str()) else {
        return Err(format!("there is no subtask {subtask_id}"));
    };
    let SubtaskPhase::Done(by) = &run.subtasks[at].phase else { return Ok(()) };
    Err(format!("{attempt_id} counts although {by} has delivered"))
}

/// A worker that a master started is called back only where the operator lets us.
pub(super) fn others_are_left_alone(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::AttemptRecalled { attempt_id, cause, .. } = event else { return Ok(()) };
    let Some(attempt) = life.told.attempts.get(attempt_id.as_str()) else { return Ok(()) };
    let is_free = matches!(cause, Recall::Unwanted | Recall::Untaken);
    let may_stop =
        life.policy.masters.get(attempt.agent.as_str()).is_some_and(|master| master.may_stop);
    unless(attempt.is_launched || is_free || may_stop, || {
        format!("{attempt_id} of {} is called back: {cause:?}", attempt.agent)
    })
}

/// A spec goes where its worker belongs: nobody is called dead who lives, or whom nobody can tell
/// from the living, or who said how it ended.
pub(super) fn specs_go_where_they_belong(life: &Life, _: &Record, event: &Event) -> Verdict {
    let Event::WorkerSpecSettled(told) = event else { return Ok(()) };
    let is_it = |s: &&Stranger| s.spec.worker_id == told.worker_id;
    let Some(stranger) = life.strange.iter().find(is_it) else {
        return Err(format!("there is no worker {}", told.worker_id));
    };
    unless(stranger.moved.is_empty(), || format!("{} was moved before", told.worker_id))?;
    let is_dead = told.folder == SpecFolder::Zombie;
    let has_said = stranger.spec.ended.is_some();
    unless(!(is_dead && has_said), || format!("{} said how it ended", told.worker_id))?;
    let is_free = stranger.attempt_id.is_none();
    let is_proven = stranger.spec.identity.is_some() && !stranger.is_alive;
    unless(!(is_dead && is_free) || is_proven, || format!("{} may live", told.worker_id))
}

/// Finds the process of an attempt as it was decided now.
fn process<'a>(life: &'a Life, id: &str) -> Option<&'a Process> {
    let nonce = &life.told.attempts.get(id)?.nonce;
    life.processes.iter().find(|p| p.job.attempt_id.as_str() == id && p.job.nonce == *nonce)
}

fn traces<'a>(life: &'a Life, id: &str) -> Option<&'a Traces> {
    let paper = || life.papers.iter().find(|paper| paper.job.attempt_id.as_str() == id);
    process(life, id).map(|p| &p.traces).or_else(|| paper().map(|paper| &paper.traces))
}
