//! Reports that no process of ours vouches for.

use crate::domain::event::Event;
use crate::domain::handoff::report_path;
use crate::domain::ids::{AttemptId, ClaimId, SubtaskId};
use crate::domain::moment::Moment;
use crate::domain::plan::{Orchestration, SubtaskPhase};
use crate::domain::policy::Policy;
use crate::domain::report::{
    Category, Failure, Outcome, Report, ReportFinding, ReportStatus, ResultKind, SubtaskResult,
};
use crate::domain::state::State;
use crate::domain::worker::{Attempt, AttemptEnd, AttemptPhase, Execution, Purpose, Recall};

use super::worker::{delivered, failed};

/// A report counts once, for the attempt it names (see [`speaker`] when it names none), and while no
/// newer attempt has completed. A late success of an older attempt counts and calls the newer one
/// back; a late failure does not.
pub(super) fn observed(
    state: &State,
    policy: &Policy,
    claim: Option<&ClaimId>,
    finding: &ReportFinding,
    now: Moment,
) -> Vec<Event> {
    let is_told = match claim {
        Some(claim) => state.claims.contains_key(claim),
        None => state.report_was_told(&finding.path, &finding.digest),
    };
    if is_told {
        return Vec::new();
    }
    match judge(state, policy, finding) {
        Err(reason) => vec![Event::ReportRefused {
            subtask_id: finding.report.subtask_id.clone(),
            attempt_id: finding.report.attempt_id.clone(),
            path: finding.path.clone(),
            digest: finding.digest.clone(),
            reason,
            claim: claim.cloned(),
        }],
        Ok(Judged { run, position, attempt, outcome }) => {
            let accepted = Event::ReportAccepted {
                attempt_id: attempt.id.clone(),
                subtask_id: finding.report.subtask_id.clone(),
                finding: finding.clone(),
                claim: claim.cloned(),
            };
            let mut events = vec![accepted];
            events.extend(recall_newer(run, position, attempt));
            events.extend(match outcome {
                Outcome::Success(result) => delivered(run, position, attempt, result, now),
                Outcome::Failure(failure) => {
                    failed(state, policy, (run, position, attempt), failure, now)
                }
            });
            events
        }
    }
}

struct Judged<'a> {
    run: &'a Orchestration,
    position: usize,
    attempt: &'a Attempt,
    outcome: Outcome,
}

fn judge<'a>(
    state: &'a State,
    policy: &Policy,
    finding: &ReportFinding,
) -> Result<Judged<'a>, String> {
    let report = &finding.report;
    let id = &report.subtask_id;
    let (run, position) = state.subtask(id).ok_or_else(|| format!("there is no subtask {id}"))?;
    let subtask = &run.runs[position];
    let attempt = match &report.attempt_id {
        Some(wanted) => subtask.attempts.iter().find(|attempt| attempt.id == *wanted),
        None => speaker(&subtask.attempts),
    }
    .ok_or_else(|| match &report.attempt_id {
        Some(wanted) => format!("subtask {id} has no attempt {wanted}"),
        None => format!("subtask {id} was not handed out yet"),
    })?;
    if let Some(other) = owner_of(state, &finding.path).filter(|other| other.id != attempt.id) {
        return Err(format!("{} is where attempt {} reports", finding.path, other.id));
    }
    if attempt.execution != Execution::External && attempt.is_live() {
        return Err(format!(
            "attempt {} is run by Baton itself: its report is read from {} when its process ends",
            attempt.id,
            report_path(attempt)
        ));
    }
    if let SubtaskPhase::Replaced { by, .. } = &subtask.phase {
        let by: Vec<&str> = by.iter().map(SubtaskId::as_str).collect();
        return Err(format!("others took the place of subtask {id}: {}", by.join(", ")));
    }
    if run.is_compensating() && attempt.purpose.is_work() {
        return Err(format!("{} is being rolled back: nobody waits for subtask {id}", run.task_id));
    }
    if !attempt.purpose.is_work() && report.attempt_id.is_none() {
        // It may be a late word on the work itself.
        let id = &attempt.id;
        return Err(format!("it is being undone: name attempt_id {id} in a report on that"));
    }
    if run.is_over() || !is_waited_for(&subtask.phase, attempt.purpose) {
        return Err(match &subtask.phase {
            SubtaskPhase::Completed { attempt_id, .. } => {
                format!("subtask {id} was completed by {attempt_id}")
            }
            SubtaskPhase::Pending
            | SubtaskPhase::BackingOff { .. }
            | SubtaskPhase::InAttempt
            | SubtaskPhase::Revising { .. }
            | SubtaskPhase::Replaced { .. }
            | SubtaskPhase::Undoing { .. }
            | SubtaskPhase::Compensated { .. }
            | SubtaskPhase::NotCompensated { .. }
            | SubtaskPhase::Blocked { .. }
            | SubtaskPhase::Skipped { .. }
            | SubtaskPhase::Cancelled { .. } => {
                format!("nobody waits for subtask {id} any more")
            }
        });
    }
    let kind = policy.masters.get(&attempt.agent).map_or(ResultKind::Work, |m| m.result_kind);
    let outcome = outcome(attempt, finding, kind);
    if !may_count(attempt, &outcome) {
        return Err(format!("attempt {} is over", attempt.id));
    }
    Ok(Judged { run, position, attempt, outcome })
}

/// Returns the attempt that a report speaks of which names none: the newest. Where nobody is known to
/// have begun that one, and the master of an earlier one may be at work still, it is the earlier.
fn speaker(attempts: &[Attempt]) -> Option<&Attempt> {
    let newest = attempts.last()?;
    let may_be_at_work = |attempt: &&Attempt| {
        let is_called_back = match &attempt.phase {
            AttemptPhase::Ending { .. } => true,
            AttemptPhase::Ended { end, .. } => matches!(end, AttemptEnd::Cancelled { .. }),
            AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. } => false,
        };
        is_called_back && !attempt.is_launched() && attempt.started.is_some()
    };
    let earlier = attempts.iter().rev().skip(1).find(may_be_at_work);
    earlier
        .filter(|earlier| newest.started.is_none() && earlier.purpose == newest.purpose)
        .or(Some(newest))
}

/// Returns the attempt whose worker has this folder: it speaks for nobody else.
fn owner_of<'a>(state: &'a State, path: &str) -> Option<&'a Attempt> {
    let worker = path.strip_prefix("workers/")?.strip_suffix("/report.json")?;
    let (_, _, attempt) = state.attempt(&AttemptId::parse(worker).ok()?)?;
    (report_path(attempt) == path).then_some(attempt)
}

/// Tells whether a subtask still waits for an attempt of this purpose to deliver.
fn is_waited_for(phase: &SubtaskPhase, purpose: Purpose) -> bool {
    match phase {
        SubtaskPhase::Pending
        | SubtaskPhase::BackingOff { .. }
        | SubtaskPhase::InAttempt
        | SubtaskPhase::Revising { .. }
        | SubtaskPhase::Blocked { .. } => purpose == Purpose::Work,
        SubtaskPhase::Undoing { .. } => purpose == Purpose::Compensation,
        SubtaskPhase::Completed { .. }
        | SubtaskPhase::Replaced { .. }
        | SubtaskPhase::Compensated { .. }
        | SubtaskPhase::NotCompensated { .. }
        | SubtaskPhase::Skipped { .. }
        | SubtaskPhase::Cancelled { .. } => false,
    }
}

/// A live attempt is told by any report. One that failed, was interrupted, or was called back from a
/// master who had it, only by a success.
fn may_count(attempt: &Attempt, outcome: &Outcome) -> bool {
    match &attempt.phase {
        AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Taken { .. }
        | AttemptPhase::Running { .. } => true,
        // Somebody had taken it after all.
        AttemptPhase::Ending { cause: Recall::Untaken, .. } => true,
        AttemptPhase::Ending { .. } => matches!(outcome, Outcome::Success(_)),
        AttemptPhase::Ended { end, .. } => match end {
            AttemptEnd::Failed { .. } | AttemptEnd::Interrupted { .. } => {
                matches!(outcome, Outcome::Success(_))
            }
            // A worker that could not be stopped may have gone on.
            AttemptEnd::Cancelled { .. } => {
                let was_taken = !attempt.is_launched() && attempt.started.is_some();
                was_taken && matches!(outcome, Outcome::Success(_))
            }
            AttemptEnd::Completed => false,
        },
    }
}

fn outcome(attempt: &Attempt, finding: &ReportFinding, kind: ResultKind) -> Outcome {
    let report = &finding.report;
    match report.status {
        ReportStatus::Success if !finding.missing.is_empty() => Outcome::Failure(Failure::new(
            Category::CodeError,
            format!("reported success, but these are not there: {}", finding.missing.join(", ")),
        )),
        ReportStatus::Success
            if report.summary.trim().is_empty() && report.deliverables.is_empty() =>
        {
            Outcome::Failure(Failure::new(
                Category::CodeError,
                "reported success and delivered nothing: neither a summary nor a deliverable",
            ))
        }
        ReportStatus::Success => Outcome::Success(SubtaskResult {
            kind,
            summary: report.summary.clone(),
            deliverables: report.deliverables.clone(),
            worker_id: attempt.worker_id.clone(),
            tokens_used: report.tokens_used,
            cost_usd: report.cost_usd,
            items: report.items.clone(),
        }),
        ReportStatus::Failure | ReportStatus::Partial => Outcome::Failure(reported(report)),
    }
}

/// Reads the failure out of a report.
fn reported(report: &Report) -> Failure {
    let error = report.error.clone().unwrap_or_default();
    let message =
        report.complaint().unwrap_or_else(|| "reported failure without a word".to_owned());
    let category = error.category.unwrap_or_else(|| Category::of_report(&message));
    Failure::new(category, message)
}

/// When an older attempt delivers after all, nobody wants the newer one.
fn recall_newer(run: &Orchestration, position: usize, attempt: &Attempt) -> Option<Event> {
    let newest = run.runs[position].attempts.last()?;
    let is_wanted = newest.id == attempt.id
        || !newest.is_live()
        || matches!(newest.phase, AttemptPhase::Ending { .. });
    (!is_wanted).then(|| Event::AttemptRecalled {
        worker_id: newest.worker_id.clone(),
        attempt_id: newest.id.clone(),
        subtask_id: run.plan.subtasks[position].subtask_id.clone(),
        reason: format!("{} delivered after all", attempt.id),
        cause: Recall::Unwanted,
    })
}
