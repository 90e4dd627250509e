//! A subtask without which its run is worth nothing takes the run and the task with it (S1-41).

use super::halt::recall_others;
use super::{Answer, Situation, Strategy};
use crate::domain::event::Event;
use crate::domain::plan::{OnFailure, Why};
use crate::domain::policy::Policy;

pub(super) const STRATEGY: Strategy = Strategy { name: "fail_parent", answer };

fn answer(situation: &Situation<'_>, _: &Policy) -> Option<Answer> {
    let Situation { run, position, failure, .. } = situation;
    let subtask = &run.plan.subtasks[*position];
    if subtask.handling.on_failure != OnFailure::FailParent {
        return None;
    }
    let id = &subtask.subtask_id;
    let mut events = recall_others(run, *position, &format!("{id} failed, and the run with it"));
    events.push(Event::OrchestrationFailed {
        orchestration_id: run.id.clone(),
        task_id: run.task_id.clone(),
        reason: format!("{id} failed, and the run cannot do without it: {}", failure.message),
    });
    let why = Why::new(
        "the run fails with it (on_failure: fail_parent), and nothing helped",
        failure.message.clone(),
    );
    Some(Answer { why, events })
}
