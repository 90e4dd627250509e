//! Something critical: everything of the run is called back and nothing new starts until a person
//! has looked.

use super::escalate::asked;
use super::{Answer, Situation, Strategy};
use crate::domain::event::Event;
use crate::domain::plan::{Orchestration, Why};
use crate::domain::policy::Policy;
use crate::domain::report::Category;
use crate::domain::worker::{AttemptPhase, Recall};

pub(super) const STRATEGY: Strategy = Strategy { name: "halt", answer };

fn answer(situation: &Situation<'_>, _: &Policy) -> Option<Answer> {
    let Situation { run, position, failure, .. } = situation;
    if failure.category != Category::Critical {
        return None;
    }
    let id = &run.plan.subtasks[*position].subtask_id;
    let mut events = recall_others(run, *position, &format!("{id} failed critically"));
    let why = Why {
        rule: "critical: stop before more harm is done".to_owned(),
        evidence: format!("{}; attempts called back: {}", failure.message, events.len()),
        alternatives: Vec::new(),
    };
    events.push(asked(run, *position, failure, situation.failures()));
    Some(Answer { why, events })
}

/// Calls back every live attempt of a run but that of the subtask at `position`.
pub(super) fn recall_others(run: &Orchestration, position: usize, reason: &str) -> Vec<Event> {
    let others = (0..run.runs.len()).filter(|at| *at != position);
    others.filter_map(|at| recall(run, at, reason)).collect()
}

/// Calls the live attempt of a subtask back, if it has one.
pub(in crate::domain) fn recall(
    run: &Orchestration,
    position: usize,
    reason: &str,
) -> Option<Event> {
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
