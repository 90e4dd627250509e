//! The one validator of every draft, whoever drafted it.
//!
//! A [`Plan`] exists only if it passed here: no cycle, nothing unknown, nothing unreachable, one
//! known master and checkable criteria for every subtask, sizes and stages within the policy.
//! Every [`PlanError`] names the subtask and what its author can do.

mod estimate;
mod graph;
mod naming;
mod revision;
mod subtask;
pub mod suggest;

pub(crate) use naming::replacement_ids;
pub(crate) use revision::{Change, revise};
pub(crate) use subtask::inside_workspace;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::{SubtaskId, TaskId};
use super::plan::{Draft, Plan, Subtask};
use super::policy::Policy;

/// Errors beyond this many are counted, not listed.
const ERRORS_MAX: usize = 50;

/// Names that one message lists before it counts the rest.
const NAMES_MAX: usize = 5;

/// Why a draft is no plan: where, what, and what its author can do.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{}{field}: {message}; {remedy}", subtask.as_ref().map(|id| format!("subtask {id}: ")).unwrap_or_default())]
pub struct PlanError {
    /// The id of the subtask as drafted; `None` when it concerns the plan as a whole.
    pub subtask: Option<String>,
    /// The field that is wrong, e.g. `dependencies`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// What its author can do.
    pub remedy: String,
}

impl PlanError {
    fn plan(field: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            subtask: None,
            field: field.to_owned(),
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    fn subtask(
        id: &str,
        field: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { subtask: Some(id.to_owned()), ..Self::plan(field, message, remedy) }
    }
}

/// Turns a draft into a plan. `taken` tells whether a subtask id is in use in the directory.
///
/// Subtasks come out in the order of their stages; within a stage in the order of the author's own
/// stages, or of the draft.
///
/// # Errors
/// Everything that is wrong with the draft, at most 50 errors and a last one that counts the rest.
pub fn validate(
    draft: &Draft,
    task_id: &TaskId,
    policy: &Policy,
    taken: &dyn Fn(&SubtaskId) -> bool,
) -> Result<Plan, Vec<PlanError>> {
    check_count(draft, policy)?;
    let mut errors = Vec::new();
    let ids = naming::subtask_ids(draft, taken, &mut errors);
    let index = naming::index(draft, &mut errors);
    let mut graph = graph::resolve(draft, &index, &mut errors);
    let lists = graph::lists(draft, &index, &mut graph, &mut errors);
    let stages = if draft.stages.is_empty() {
        graph::levels(draft, &graph, &mut errors)
    } else {
        graph::author_stages(draft, &graph, &index, &mut errors)
    };
    graph::check_stage_count(stages.len(), policy, &mut errors);
    let checked = subtask::check_all(draft, policy, subtask::Mode::Split, &mut errors);
    if !errors.is_empty() {
        return Err(capped(errors));
    }
    let mut warnings = count_warnings(draft, policy);
    warnings.extend(subtask::warnings(draft, &ids, policy));
    let in_order = stages.iter().flatten();
    let subtasks = in_order
        .map(|&at| {
            let dependencies = graph[at].iter().map(|&on| ids[on].clone()).collect();
            let drafted = &draft.subtasks[at];
            let mut subtask = checked[at].to_subtask(drafted, &ids[at], task_id, dependencies);
            subtask.for_each = lists[at].map(|on| ids[on].clone());
            // The draft's reasons name what it waits for by the ids of the draft.
            for &on in &graph[at] {
                let (drafted, id) = (&draft.subtasks[on].subtask_id, ids[on].as_str());
                if drafted != id {
                    for why in &mut subtask.why {
                        why.evidence = why.evidence.replace(drafted, id);
                    }
                }
            }
            subtask
        })
        .collect();
    let stages = stages.iter().map(|s| s.iter().map(|&at| ids[at].clone()).collect()).collect();
    Ok(assemble(draft, subtasks, stages, warnings))
}

/// Turns the draft of a task that one worker does whole into a plan of one subtask, which bears the
/// task's id. Sizes beyond the limits of a subtask are warned about: there is nobody else to split
/// it for.
///
/// # Errors
/// Everything that is wrong with the draft.
pub fn validate_routed(
    draft: &Draft,
    task_id: &TaskId,
    policy: &Policy,
) -> Result<Plan, Vec<PlanError>> {
    let [whole] = draft.subtasks.as_slice() else {
        return Err(vec![PlanError::plan(
            "subtasks",
            format!("a task routed whole is one subtask, not {}", draft.subtasks.len()),
            "draft exactly one",
        )]);
    };
    let mut errors = Vec::new();
    if whole.for_each.is_some() {
        errors.push(PlanError::subtask(
            task_id.as_str(),
            "for_each",
            "a task routed whole has no other subtask to take items from",
            "leave it out",
        ));
    }
    if !whole.dependencies.is_empty() {
        errors.push(PlanError::subtask(
            task_id.as_str(),
            "dependencies",
            "a task routed whole waits for nothing",
            "leave them out",
        ));
    }
    if whole.for_each.is_some() {
        errors.push(PlanError::subtask(
            task_id.as_str(),
            "for_each",
            "a task routed whole has no list to go through",
            "leave it out",
        ));
    }
    let checked = subtask::check_all(draft, policy, subtask::Mode::Whole, &mut errors);
    let [checked] = checked.as_slice() else { return Err(errors) };
    if !errors.is_empty() {
        return Err(errors);
    }
    let id = SubtaskId::of_routed(task_id);
    let subtask = checked.to_subtask(whole, &id, task_id, Vec::new());
    let warnings = subtask::warnings_whole(draft, policy);
    Ok(assemble(draft, vec![subtask], vec![vec![id]], warnings))
}

fn assemble(
    draft: &Draft,
    subtasks: Vec<Subtask>,
    stages: Vec<Vec<SubtaskId>>,
    warnings: Vec<String>,
) -> Plan {
    let mut explanation = draft.explanation.clone();
    for warning in warnings {
        if !explanation.warnings.contains(&warning) {
            explanation.warnings.push(warning);
        }
    }
    let in_order: Vec<&Subtask> = subtasks.iter().collect();
    let estimate = estimate::of(&in_order, &stages, draft.strategy);
    Plan {
        goal: draft.goal.clone(),
        domains: draft.domains.clone(),
        constraints: draft.constraints.clone(),
        success_criteria: draft.success_criteria.clone(),
        complexity: draft.complexity,
        strategy: draft.strategy,
        workflow: draft.workflow,
        // JSON has no word for what is not a number.
        confidence: if draft.confidence.is_finite() {
            draft.confidence.clamp(0.0, 1.0)
        } else {
            0.0
        },
        subtasks,
        stages,
        estimate,
        analysis: draft.analysis.clone(),
        explanation,
    }
}

fn check_count(draft: &Draft, policy: &Policy) -> Result<(), Vec<PlanError>> {
    let (count, limit) = (draft.subtasks.len(), policy.plan.subtasks_limit);
    let refuse =
        |message: String, remedy: &str| Err(vec![PlanError::plan("subtasks", message, remedy)]);
    if count == 0 {
        return refuse("the plan is empty".into(), "name at least one subtask");
    }
    if count > limit {
        return refuse(
            format!("{count} subtasks, at most {limit} are allowed"),
            "break it down: submit several tasks",
        );
    }
    Ok(())
}

fn count_warnings(draft: &Draft, policy: &Policy) -> Vec<String> {
    let (count, plan) = (draft.subtasks.len(), &policy.plan);
    if count < plan.subtasks_min {
        let advice = "perhaps one worker can do it whole";
        vec![format!("{count} subtasks are fewer than {}: {advice}", plan.subtasks_min)]
    } else if count > plan.subtasks_max {
        let advice = "perhaps it is several tasks";
        vec![format!("{count} subtasks are more than {}: {advice}", plan.subtasks_max)]
    } else {
        Vec::new()
    }
}

fn capped(mut errors: Vec<PlanError>) -> Vec<PlanError> {
    if errors.len() > ERRORS_MAX {
        let rest = errors.len() - ERRORS_MAX;
        errors.truncate(ERRORS_MAX);
        errors.push(PlanError::plan(
            "subtasks",
            format!("{rest} more errors are not listed"),
            "mend these first",
        ));
    }
    errors
}

/// Lists names for a message, the first few whole and the rest counted.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let rest = names.len().saturating_sub(NAMES_MAX);
    let shown: Vec<&str> = names.take(NAMES_MAX).collect();
    match rest {
        0 => shown.join(", "),
        _ => format!("{} and {rest} more", shown.join(", ")),
    }
}
