//! What was done is undone, the last first, when the run cannot reach its goal (S1-40, S0-52).

use super::halt::recall;
use super::{Answer, Situation, Strategy};
use crate::domain::event::{CompensationStarted, Event};
use crate::domain::ids::SubtaskId;
use crate::domain::plan::{Orchestration, SubtaskPhase, Why};
use crate::domain::policy::Policy;
use crate::domain::report::Category;

pub(super) const STRATEGY: Strategy = Strategy { name: "compensate", answer };

fn answer(situation: &Situation<'_>, _: &Policy) -> Option<Answer> {
    let Situation { run, position, failure, .. } = situation;
    match failure.category {
        Category::Transient | Category::CodeError | Category::DesignFlaw => {}
        // A person can supply what is missing, and has to look before anything else is done.
        Category::Blocker | Category::Critical => return None,
    }
    let id = &run.plan.subtasks[*position].subtask_id;
    let reason = format!("{id} failed and nothing helped: {}", failure.message);
    let events = roll_back(run, Some(*position), &reason)?;
    let why = Why {
        rule: "S1-40 nothing helped, and what was done can be undone".to_owned(),
        evidence: failure.message.clone(),
        alternatives: vec!["escalate".to_owned()],
    };
    Some(Answer { why, events })
}

/// Returns how the undoing of a run begins: what is under way is called back, but for the subtask
/// at `but`, whose attempt is over. Nothing where nothing that is done says how it is undone.
pub(in crate::domain) fn roll_back(
    run: &Orchestration,
    but: Option<usize>,
    reason: &str,
) -> Option<Vec<Event>> {
    let subtasks = in_reverse(run);
    if subtasks.is_empty() {
        return None;
    }
    let recalled = (0..run.runs.len()).filter(|at| Some(*at) != but);
    let mut events: Vec<Event> = recalled.filter_map(|at| recall(run, at, reason)).collect();
    events.push(Event::CompensationStarted(CompensationStarted {
        orchestration_id: run.id.clone(),
        task_id: run.task_id.clone(),
        subtasks,
        reason: reason.to_owned(),
    }));
    Some(events)
}

/// Lists what is done and can be undone, the last that was done first. Clocks that were set back
/// cannot put a subtask before one that waited for it.
fn in_reverse(run: &Orchestration) -> Vec<SubtaskId> {
    let mut done_after_ms = vec![0; run.runs.len()];
    for at in run.order.sequence() {
        let own = match &run.runs[*at].phase {
            SubtaskPhase::Completed { at: done, .. } => done.elapsed_ms(&run.created_at),
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
            | SubtaskPhase::Cancelled { .. } => 0,
        };
        let needed = run.order.dependencies(*at).iter().map(|on| done_after_ms[*on]);
        done_after_ms[*at] = needed.chain([own]).max().unwrap_or(own);
    }
    let can_be_undone = |at: &usize| {
        run.runs[*at].phase.result().is_some()
            && run.plan.subtasks[*at].handling.compensation.is_some()
    };
    let mut order: Vec<usize> =
        run.order.sequence().iter().copied().filter(can_be_undone).collect();
    // The order of the plan decides between those that were done at the same time.
    order.sort_by_key(|at| done_after_ms[*at]);
    order.reverse();
    order.into_iter().map(|at| run.plan.subtasks[at].subtask_id.clone()).collect()
}
