//! A subtask that is too big for its worker is replaced by two smaller ones (S4-53).

use super::{Answer, Situation, Strategy};
use crate::domain::event::{Event, RevisionRequested};
use crate::domain::plan::{Orchestration, Revision, RunKind, Why};
use crate::domain::policy::Policy;
use crate::domain::report::{Category, Failure, PARTLY_DONE};
use crate::domain::worker::{Attempt, AttemptPhase, Recall};

pub(super) const STRATEGY: Strategy = Strategy { name: "split", answer };

/// Halves of less are not worth a worker each.
const MINUTES_MIN: u32 = 4;

/// What a failure says whose work was too much at once.
const SIGNS: &[&str] = &[
    PARTLY_DONE,
    "time box",
    "time limit",
    "context length",
    "context limit",
    "context window",
    "token limit",
    "token budget",
    "too many tokens",
    "max_tokens",
    "maximum tokens",
    "too big",
    "too large",
    "prompt is too long",
    "without a sign",
    "silence",
];

fn answer(situation: &Situation<'_>, policy: &Policy) -> Option<Answer> {
    let Situation { run, position, attempt, failure, .. } = situation;
    let may_help = match failure.category {
        Category::Transient | Category::CodeError => true,
        Category::DesignFlaw | Category::Blocker | Category::Critical => false,
    };
    let subtask = &run.plan.subtasks[*position];
    let is_possible = policy.recovery.splits
        && may_help
        && is_revisable(run)
        && subtask.estimated_duration_minutes >= MINUTES_MIN
        && !is_made_by_failure(run, *position);
    let sign = sign(attempt, failure).filter(|_| is_possible)?;
    let why = Why {
        rule: "S4-53 too big for one worker".to_owned(),
        evidence: format!("{sign}; it may take {} minutes", subtask.estimated_duration_minutes),
        alternatives: vec!["replan".to_owned(), "escalate".to_owned()],
    };
    Some(Answer { why, events: vec![requested(situation, Revision::Split)] })
}

/// Returns what says that the work was too much at once.
fn sign(attempt: &Attempt, failure: &Failure) -> Option<String> {
    if let AttemptPhase::Ending { cause: Recall::TimeBox | Recall::Silence, reason, .. } =
        &attempt.phase
    {
        return Some(reason.clone());
    }
    let said = failure.message.to_lowercase();
    SIGNS.iter().any(|sign| said.contains(sign)).then(|| failure.message.clone())
}

/// Tells whether the plan of a run can be changed at all.
pub(super) fn is_revisable(run: &Orchestration) -> bool {
    run.kind == RunKind::Planned && !run.is_over() && !run.is_compensating()
}

/// Tells whether a subtask took the place of another that had failed: it is not divided further.
fn is_made_by_failure(run: &Orchestration, position: usize) -> bool {
    run.replaces(position).is_some_and(|before| run.plan.subtasks[before].for_each.is_none())
}

/// Asks for others in the place of the subtask that failed.
pub(super) fn requested(situation: &Situation<'_>, revision: Revision) -> Event {
    Event::RevisionRequested(RevisionRequested {
        orchestration_id: situation.run.id.clone(),
        subtask_id: situation.run.plan.subtasks[situation.position].subtask_id.clone(),
        revision,
        reason: situation.failure.message.clone(),
    })
}
