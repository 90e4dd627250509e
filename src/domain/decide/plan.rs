//! What comes of a draft.

use crate::domain::event::Event;
use crate::domain::ids::{OrchestrationId, SubtaskId, TaskId};
use crate::domain::plan::{Draft, DraftOutcome, Why};
use crate::domain::policy::Policy;
use crate::domain::state::State;
use crate::domain::task::{Phase, Task};
use crate::domain::validate::{validate, validate_routed};

use super::revision::listed;

pub(super) fn drafted(
    state: &State,
    policy: &Policy,
    id: &TaskId,
    outcome: &DraftOutcome,
) -> Vec<Event> {
    let Some(task) = state.tasks.get(id).filter(|task| matches!(task.phase, Phase::Planning))
    else {
        return Vec::new();
    };
    match outcome {
        DraftOutcome::Plan(draft) => split(state, policy, task, draft),
        DraftOutcome::Route(draft) => route(policy, task, draft),
        DraftOutcome::Refuse { reason, remedy, question } => {
            let said = question.as_ref().map(|question| format!("{reason}; {question} ({remedy})"));
            vec![rejected(task, said.unwrap_or_else(|| format!("{reason}; {remedy}")))]
        }
    }
}

/// How often drafting the plan of one task may end the daemon before the task is set aside.
const DRAFT_CRASHES_MAX: u32 = 3;

/// A task whose draft ended the daemon again and again is set aside, so that the others go on.
pub(super) fn draft_crashed(state: &State, id: &TaskId) -> Vec<Event> {
    let Some(task) = state.tasks.get(id).filter(|task| matches!(task.phase, Phase::Planning))
    else {
        return Vec::new();
    };
    let times = task.draft_crashes + 1;
    let mut events = vec![Event::DraftCrashed { task_id: id.clone(), times }];
    if times >= DRAFT_CRASHES_MAX {
        let error = format!(
            "drafting its plan ended the daemon {times} times, so it is set aside; say it \
             differently, or try once more with `baton retry {id}`"
        );
        events.push(rejected(task, error));
    }
    events
}

fn split(state: &State, policy: &Policy, task: &Task, draft: &Draft) -> Vec<Event> {
    let taken = |id: &SubtaskId| state.is_taken(id);
    match validate(draft, &task.id, policy, &taken) {
        Err(errors) => vec![rejected(task, listed(&errors))],
        Ok(plan) => {
            let orchestration_id = OrchestrationId::of(&task.id);
            let subtasks = plan.subtasks.len();
            let why = why(draft);
            vec![
                Event::PlanAccepted {
                    task_id: task.id.clone(),
                    orchestration_id: orchestration_id.clone(),
                    plan: Box::new(plan),
                    why,
                },
                Event::OrchestrationStarted { orchestration_id, subtasks },
            ]
        }
    }
}

fn route(policy: &Policy, task: &Task, draft: &Draft) -> Vec<Event> {
    let plan = match validate_routed(draft, &task.id, policy) {
        Ok(plan) => plan,
        Err(errors) => return vec![rejected(task, listed(&errors))],
    };
    let Some(only) = plan.subtasks.first() else {
        return vec![rejected(task, "its plan is empty; say what is to be done".to_owned())];
    };
    vec![Event::TaskRouted {
        task_id: task.id.clone(),
        orchestration_id: OrchestrationId::of(&task.id),
        assigned_to: only.assigned_to.clone(),
        plan: Box::new(plan),
        why: why(draft),
    }]
}

fn why(draft: &Draft) -> Why {
    let evidence: Vec<String> = draft
        .explanation
        .reasons
        .iter()
        .map(|reason| format!("{}: {}", reason.rule, reason.evidence))
        .collect();
    Why::new(draft.explanation.verdict.clone(), evidence.join("; "))
}

fn rejected(task: &Task, error: String) -> Event {
    Event::TaskRejected {
        task_id: Some(task.id.as_str().to_owned()),
        source: task.source.clone(),
        title: task.spec.title.clone(),
        error,
    }
}
