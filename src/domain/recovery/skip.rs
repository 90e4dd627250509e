//! An optional subtask that nothing helped is left out, and its run goes on (S1-41).

use super::{Answer, Situation, Strategy};
use crate::domain::decide::satisfied;
use crate::domain::event::Event;
use crate::domain::plan::{OnFailure, RunKind, Why};
use crate::domain::policy::Policy;

pub(super) const STRATEGY: Strategy = Strategy { name: "skip", answer };

fn answer(situation: &Situation<'_>, _: &Policy) -> Option<Answer> {
    let Situation { run, position, failure, now, .. } = situation;
    let subtask = &run.plan.subtasks[*position];
    // A run of one has nothing that could go on without it.
    if subtask.handling.on_failure != OnFailure::Skip || run.kind == RunKind::Routed {
        return None;
    }
    let reason = format!("it is optional and failed: {}", failure.message);
    let mut events = vec![Event::SubtaskSkipped {
        orchestration_id: run.id.clone(),
        subtask_id: subtask.subtask_id.clone(),
        reason: reason.clone(),
    }];
    events.extend(satisfied(run, *position, false, &reason, *now));
    let why = Why::new("optional (on_failure: skip), and nothing helped", failure.message.clone());
    Some(Answer { why, events })
}
