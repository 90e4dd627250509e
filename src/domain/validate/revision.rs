//! Plans that are changed while they run: others take the place of one subtask.

use std::collections::BTreeSet;

use super::{PlanError, capped, estimate, graph, naming, subtask};
use crate::domain::ids::SubtaskId;
use crate::domain::plan::{Draft, DraftIds, DraftSubtask, Plan, Subtask};
use crate::domain::policy::Policy;

/// What is to take whose place.
pub(crate) struct Change<'a> {
    /// The plan as it is.
    pub(crate) plan: &'a Plan,
    /// Subtasks whose place was taken before: they count for nothing any more.
    pub(crate) replaced: &'a BTreeSet<SubtaskId>,
    /// The position of the subtask whose place is taken.
    pub(crate) position: usize,
    /// By these; their dependencies name each other.
    pub(crate) by: &'a [DraftSubtask],
}

/// Returns the plan with others in the place of one subtask, and their ids.
///
/// What it had stands where it stood, what is new comes after. Those that wait for none of the new
/// ones wait for what the old one waited for; what waited for the old one waits for those that no
/// other new one waits for. Every subtask keeps its stage unless it has to move behind what it
/// waits for.
///
/// # Errors
/// Everything that is wrong with the new ones, or with the plan that they make.
pub(crate) fn revise(
    change: &Change<'_>,
    policy: &Policy,
    taken: &dyn Fn(&SubtaskId) -> bool,
) -> Result<(Plan, Vec<SubtaskId>), Vec<PlanError>> {
    let Change { plan, position, by, .. } = change;
    let Some(old) = plan.subtasks.get(*position) else {
        return Err(vec![PlanError::plan("subtasks", "there is no such subtask", "name another")]);
    };
    check_count(plan.subtasks.len(), by.len(), policy)?;
    let mut errors = Vec::new();
    let draft = draft_of(plan, by);
    let ids = naming::subtask_ids(&draft, taken, &mut errors);
    let index = naming::index(&draft, &mut errors);
    let edges = graph::resolve(&draft, &index, &mut errors);
    graph::levels(&draft, &edges, &mut errors);
    let checked = subtask::check_all(&draft, policy, subtask::Mode::Split, &mut errors);
    if !errors.is_empty() {
        return Err(capped(errors));
    }
    let awaited: BTreeSet<usize> = edges.iter().flatten().copied().collect();
    let is_last = |at: &usize| !awaited.contains(at);
    let last: Vec<SubtaskId> = (0..ids.len()).filter(is_last).map(|at| ids[at].clone()).collect();
    let mut subtasks = plan.subtasks.clone();
    for other in subtasks.iter_mut().filter(|other| other.subtask_id != old.subtask_id) {
        put_in_place(&mut other.dependencies, &old.subtask_id, &last);
    }
    for (at, drafted) in by.iter().enumerate() {
        let dependencies = match edges[at].as_slice() {
            [] => old.dependencies.clone(),
            inner => inner.iter().map(|on| ids[*on].clone()).collect(),
        };
        let task_id = &old.parent_task_id;
        subtasks.push(checked[at].to_subtask(drafted, &ids[at], task_id, dependencies));
    }
    let stages = stages(plan, &subtasks, *position);
    graph::check_stage_count(stages.len(), policy, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok((assemble(change, subtasks, stages), ids))
}

fn check_count(had: usize, new: usize, policy: &Policy) -> Result<(), Vec<PlanError>> {
    let (count, limit) = (had + new, policy.plan.subtasks_limit);
    let refuse = |message: String, remedy| Err(vec![PlanError::plan("subtasks", message, remedy)]);
    if new == 0 {
        return refuse("nothing would take its place".into(), "name at least one subtask");
    }
    if count > limit {
        let message = format!("{count} subtasks, at most {limit} are allowed");
        return refuse(message, "break it down: submit several tasks");
    }
    Ok(())
}

/// Returns the new ones as a draft of their own, so that they are checked like any other.
fn draft_of(plan: &Plan, by: &[DraftSubtask]) -> Draft {
    Draft {
        goal: String::new(),
        domains: Vec::new(),
        constraints: Vec::new(),
        success_criteria: Vec::new(),
        complexity: plan.complexity,
        strategy: plan.strategy,
        workflow: plan.workflow,
        confidence: plan.confidence,
        ids: DraftIds::Explicit,
        subtasks: by.to_vec(),
        stages: Vec::new(),
        analysis: Default::default(),
        explanation: plan.explanation.clone(),
    }
}

fn put_in_place(dependencies: &mut Vec<SubtaskId>, old: &SubtaskId, new: &[SubtaskId]) {
    if let Some(at) = dependencies.iter().position(|on| on == old) {
        dependencies.splice(at..=at, new.iter().cloned());
    }
}

/// Returns the stages: each subtask keeps its own, new ones begin in that of the old one, and
/// whatever waits for something in the same stage or a later one moves behind it.
///
/// None gets empty by that: what moves to a stage does so behind one that is in the stage before.
fn stages(before: &Plan, subtasks: &[Subtask], position: usize) -> Vec<Vec<SubtaskId>> {
    let plan = Plan { subtasks: subtasks.to_vec(), ..before.clone() };
    let order = crate::domain::order::Order::of(&plan);
    let had = before.subtasks.len();
    let own = |at: usize| order.stage(if at < had { at } else { position });
    let mut stages: Vec<usize> = (0..subtasks.len()).map(own).collect();
    // A subtask is looked at once all that it waits for were.
    let mut left: Vec<usize> = (0..subtasks.len()).map(|at| order.dependencies(at).len()).collect();
    let mut next: Vec<usize> = (0..subtasks.len()).filter(|at| left[*at] == 0).collect();
    while let Some(at) = next.pop() {
        for follower in order.dependents(at) {
            stages[*follower] = stages[*follower].max(stages[at] + 1);
            left[*follower] -= 1;
            if left[*follower] == 0 {
                next.push(*follower);
            }
        }
    }
    let mut lists = vec![Vec::new(); stages.iter().copied().max().unwrap_or(0)];
    // Those that were in a stage before stand before those that are new there.
    let in_order = before.stages.iter().flatten().filter_map(|id| order.position(id));
    for at in in_order.chain(had..subtasks.len()) {
        lists[stages[at] - 1].push(subtasks[at].subtask_id.clone());
    }
    lists
}

fn assemble(change: &Change<'_>, subtasks: Vec<Subtask>, stages: Vec<Vec<SubtaskId>>) -> Plan {
    let old = &change.plan.subtasks[change.position].subtask_id;
    let counts = |id: &SubtaskId| id != old && !change.replaced.contains(id);
    let by_id: std::collections::HashMap<&SubtaskId, &Subtask> =
        subtasks.iter().map(|subtask| (&subtask.subtask_id, subtask)).collect();
    let counted: Vec<Vec<SubtaskId>> = stages
        .iter()
        .map(|stage| stage.iter().filter(|id| counts(id)).cloned().collect())
        .collect();
    let in_order: Vec<&Subtask> =
        counted.iter().flatten().filter_map(|id| by_id.get(id).copied()).collect();
    let estimate = estimate::of(&in_order, &counted, change.plan.strategy);
    Plan { subtasks, stages, estimate, ..change.plan.clone() }
}
