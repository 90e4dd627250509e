//! What is true of every plan that was changed, and of every run that is rolled back.

use std::collections::BTreeSet;

use crate::domain::Policy;
use crate::domain::ids::SubtaskId;
use crate::domain::plan::{Orchestration, OrchestrationPhase, SubtaskPhase};
use crate::domain::worker::AttemptPhase;

/// Each subtask is in one stage, behind all that it waits for; nobody waits for one whose place
/// others took.
pub(super) fn the_plan_is_whole(run: &Orchestration, policy: &Policy) {
    let plan = &run.plan;
    assert!(plan.subtasks.len() == run.runs.len(), "{run:#?}");
    assert!(plan.stages.len() <= policy.plan.stages_max, "{run:#?}");
    assert!(plan.stages.iter().all(|stage| !stage.is_empty()), "an empty stage: {run:#?}");
    let staged: Vec<&SubtaskId> = plan.stages.iter().flatten().collect();
    let ids: BTreeSet<&SubtaskId> = plan.subtasks.iter().map(|s| &s.subtask_id).collect();
    assert!(staged.len() == ids.len() && staged.len() == plan.subtasks.len(), "{run:#?}");
    assert!(ids == staged.iter().copied().collect(), "{run:#?}");
    let stage = |id: &SubtaskId| plan.stages.iter().position(|ids| ids.contains(id)).unwrap();
    let phase = |id: &SubtaskId| &run.runs[staged_at(run, id)].phase;
    for subtask in &plan.subtasks {
        for on in &subtask.dependencies {
            assert!(stage(on) < stage(&subtask.subtask_id), "{subtask:#?} too early in {run:#?}");
            let is_gone = matches!(phase(on), SubtaskPhase::Replaced { .. });
            assert!(!is_gone, "{subtask:#?} waits for nothing that comes");
        }
    }
    let mut new: Vec<&SubtaskId> = Vec::new();
    for subtask in &run.runs {
        if let SubtaskPhase::Replaced { by, .. } = &subtask.phase {
            new.extend(by);
        }
    }
    assert!(new.iter().all(|id| ids.contains(id)), "{run:#?}");
    let gone = run.runs.iter().filter(|run| matches!(run.phase, SubtaskPhase::Replaced { .. }));
    assert!(gone.count() == run.revision as usize, "{run:#?}");
    assert!(run.replans <= policy.recovery.replans_max, "planned again and again: {run:#?}");
}

pub(super) fn staged_at(run: &Orchestration, id: &SubtaskId) -> usize {
    run.plan.subtasks.iter().position(|subtask| subtask.subtask_id == *id).unwrap()
}

pub(super) fn undoing(run: &Orchestration) -> impl Iterator<Item = usize> {
    let is_undoing = |at: &usize| matches!(run.runs[*at].phase, SubtaskPhase::Undoing { .. });
    (0..run.runs.len()).filter(is_undoing)
}

/// The one that may be undone now: nobody is at work any more, and nothing that was built on it is
/// still to be undone.
pub(super) fn undone_next(run: &Orchestration) -> Option<usize> {
    let OrchestrationPhase::Compensating { order, .. } = &run.phase else { return None };
    if run
        .runs
        .iter()
        .flat_map(|run| &run.attempts)
        .any(|attempt| !matches!(attempt.phase, AttemptPhase::Ended { .. }))
    {
        return None;
    }
    let open: Vec<usize> = undoing(run).collect();
    let next = order.iter().map(|id| staged_at(run, id)).find(|at| open.contains(at))?;
    let id = &run.plan.subtasks[next].subtask_id;
    let is_built_on_it = |at: &&usize| run.plan.subtasks[**at].dependencies.contains(id);
    assert!(!open.iter().any(|at| is_built_on_it(&at)), "{id} before its time: {run:#?}");
    let waits = matches!(run.runs[next].phase, SubtaskPhase::Undoing { backoff: Some(_), .. });
    (!waits).then_some(next)
}
