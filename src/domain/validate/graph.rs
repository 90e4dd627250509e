//! Dependencies and stages: what waits for what, and what that puts side by side.

use std::collections::HashMap;

use super::suggest::did_you_mean;
use super::{PlanError, listed};
use crate::domain::plan::Draft;
use crate::domain::policy::Policy;

/// For each subtask, by its position in the draft, the positions of what it waits for.
pub(super) type Graph = Vec<Vec<usize>>;

/// Suggestions cost a look at every name, so that only the first unknown names get one.
const SUGGESTIONS_MAX: usize = 8;

/// Nodes of a cycle that are printed.
const CYCLE_MAX: usize = 20;

/// Looks every dependency up; repeated ones count once.
pub(super) fn resolve(
    draft: &Draft,
    index: &HashMap<&str, usize>,
    errors: &mut Vec<PlanError>,
) -> Graph {
    let mut suggestions = SUGGESTIONS_MAX;
    let mut graph = Vec::with_capacity(draft.subtasks.len());
    // The subtask that named a dependency last: a set that needs no clearing.
    let mut named_by = vec![usize::MAX; draft.subtasks.len()];
    for (at, subtask) in draft.subtasks.iter().enumerate() {
        let mut edges = Vec::with_capacity(subtask.dependencies.len());
        let waits_for = subtask.dependencies.iter().map(|name| ("dependencies", name));
        // What the items come from has to be complete first.
        let items_from = subtask.for_each.iter().map(|name| ("for_each", name));
        for (field, name) in waits_for.chain(items_from) {
            let id = &subtask.subtask_id;
            match index.get(name.as_str()) {
                Some(_) if name == id => errors.push(PlanError::subtask(
                    id,
                    field,
                    "it depends on itself",
                    "leave that dependency out",
                )),
                Some(&on) if named_by[on] == at => {}
                Some(&on) => {
                    named_by[on] = at;
                    edges.push(on);
                }
                None => errors.push(unknown(draft, id, field, name, &mut suggestions)),
            }
        }
        graph.push(edges);
    }
    graph
}

/// Looks up whose items each subtask is done for, and lets it wait for that one.
pub(super) fn lists(
    draft: &Draft,
    index: &HashMap<&str, usize>,
    graph: &mut Graph,
    errors: &mut Vec<PlanError>,
) -> Vec<Option<usize>> {
    let mut suggestions = SUGGESTIONS_MAX;
    let mut lists = vec![None; draft.subtasks.len()];
    for (at, subtask) in draft.subtasks.iter().enumerate() {
        let Some(name) = &subtask.for_each else { continue };
        match index.get(name.as_str()) {
            Some(_) if *name == subtask.subtask_id => errors.push(PlanError::subtask(
                &subtask.subtask_id,
                "for_each",
                "it would list its own items",
                "name the subtask whose report lists them",
            )),
            Some(&on) => {
                lists[at] = Some(on);
                if !graph[at].contains(&on) {
                    graph[at].push(on);
                }
            }
            None => {
                let hint = suggestion(draft, &subtask.subtask_id, name, &mut suggestions);
                errors.push(PlanError::subtask(
                    &subtask.subtask_id,
                    "for_each",
                    format!("{name:?} is no subtask of this plan{hint}"),
                    format!("the subtasks are {}", names(draft)),
                ));
            }
        }
    }
    lists
}

/// Returns the stages as levels of the longest path; without those that a cycle holds up.
pub(super) fn levels(draft: &Draft, graph: &Graph, errors: &mut Vec<PlanError>) -> Vec<Vec<usize>> {
    let levels = longest_paths(graph);
    report_cycles(draft, graph, &levels, errors);
    let count = levels.iter().flatten().max().map_or(0, |deepest| deepest + 1);
    let mut stages = vec![Vec::new(); count];
    for (at, level) in levels.iter().enumerate() {
        if let Some(level) = level {
            stages[*level].push(at);
        }
    }
    stages
}

/// Checks the author's own stages and returns them as positions.
pub(super) fn author_stages(
    draft: &Draft,
    graph: &Graph,
    index: &HashMap<&str, usize>,
    errors: &mut Vec<PlanError>,
) -> Vec<Vec<usize>> {
    report_cycles(draft, graph, &longest_paths(graph), errors);
    let mut stage_of: Vec<Option<usize>> = vec![None; graph.len()];
    let mut stages = Vec::with_capacity(draft.stages.len());
    let mut suggestions = SUGGESTIONS_MAX;
    for (number, named) in draft.stages.iter().enumerate() {
        let mut stage = Vec::with_capacity(named.len());
        for name in named {
            let Some(&at) = index.get(name.as_str()) else {
                errors.push(unknown_in_stage(draft, number, name, &mut suggestions));
                continue;
            };
            match stage_of[at] {
                Some(first) => errors.push(PlanError::subtask(
                    name,
                    "stages",
                    format!("it is in stage {} and again in stage {}", first + 1, number + 1),
                    "name it in exactly one stage",
                )),
                None => {
                    stage_of[at] = Some(number);
                    stage.push(at);
                }
            }
        }
        if named.is_empty() {
            let message = format!("stage {} is empty", number + 1);
            errors.push(PlanError::plan("stages", message, "leave it out"));
        }
        stages.push(stage);
    }
    for at in 0..graph.len() {
        check_place(draft, graph, &stage_of, at, errors);
    }
    stages
}

/// Refuses more stages than the policy allows (S4-34).
pub(super) fn check_stage_count(count: usize, policy: &Policy, errors: &mut Vec<PlanError>) {
    let limit = policy.plan.stages_max;
    if count > limit {
        errors.push(PlanError::plan(
            "stages",
            format!("{count} stages, at most {limit} are allowed"),
            "break it down: submit it as several tasks",
        ));
    }
}

fn check_place(
    draft: &Draft,
    graph: &Graph,
    stage_of: &[Option<usize>],
    at: usize,
    errors: &mut Vec<PlanError>,
) {
    let id = draft.subtasks[at].subtask_id.as_str();
    let Some(stage) = stage_of[at] else {
        let message = "it is in no stage, so that it would never start";
        errors.push(PlanError::subtask(id, "stages", message, "add it to exactly one stage"));
        return;
    };
    let names_none =
        draft.subtasks[at].dependencies.is_empty() && draft.subtasks[at].for_each.is_none();
    if graph[at].is_empty() && stage > 0 && names_none {
        errors.push(PlanError::subtask(
            id,
            "stages",
            format!("it waits for nothing and is in stage {}", stage + 1),
            "move it to stage 1, or name what it waits for",
        ));
    }
    for &on in &graph[at] {
        let other = draft.subtasks[on].subtask_id.as_str();
        let Some(place) = stage_of[on] else { continue };
        if place == stage {
            errors.push(PlanError::subtask(
                id,
                "stages",
                format!("it depends on {other}, which is in the same stage {}", stage + 1),
                format!("move {id} to a later stage than {other}"),
            ));
        } else if place > stage {
            errors.push(PlanError::subtask(
                id,
                "stages",
                format!("in stage {} it depends on {other} of stage {}", stage + 1, place + 1),
                format!("move {id} to a later stage than {other}"),
            ));
        }
    }
}

/// Returns the length of the longest path to each subtask; none for those behind a cycle.
fn longest_paths(graph: &Graph) -> Vec<Option<usize>> {
    let mut waiting: Vec<usize> = graph.iter().map(Vec::len).collect();
    let mut followers = vec![Vec::new(); graph.len()];
    for (at, edges) in graph.iter().enumerate() {
        for &on in edges {
            followers[on].push(at);
        }
    }
    let mut level = vec![0; graph.len()];
    let mut done = vec![false; graph.len()];
    let mut ready: Vec<usize> = (0..graph.len()).filter(|&at| waiting[at] == 0).collect();
    while let Some(at) = ready.pop() {
        done[at] = true;
        for &next in &followers[at] {
            level[next] = level[next].max(level[at] + 1);
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(next);
            }
        }
    }
    level.into_iter().zip(done).map(|(level, done)| done.then_some(level)).collect()
}

/// Prints the cycles that hold up everything without a level.
///
/// Whatever is held up waits for something that is held up too, so that following the first such
/// dependency must come back to where it has been.
fn report_cycles(
    draft: &Draft,
    graph: &Graph,
    levels: &[Option<usize>],
    errors: &mut Vec<PlanError>,
) {
    let mut walked_from = vec![usize::MAX; graph.len()];
    for start in 0..graph.len() {
        let mut at = start;
        while levels[at].is_none() && walked_from[at] == usize::MAX {
            walked_from[at] = start;
            match graph[at].iter().find(|&&on| levels[on].is_none()) {
                Some(&on) => at = on,
                None => break,
            }
        }
        if levels[at].is_none() && walked_from[at] == start {
            errors.push(cycle(draft, graph, levels, at));
        }
    }
}

fn cycle(draft: &Draft, graph: &Graph, levels: &[Option<usize>], at: usize) -> PlanError {
    let mut nodes = vec![at];
    let mut next = at;
    while let Some(&on) = graph[next].iter().find(|&&on| levels[on].is_none()) {
        if on == at {
            break;
        }
        nodes.push(on);
        next = on;
    }
    let first = nodes.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(n, _)| n);
    nodes.rotate_left(first);
    let name = |at: &usize| draft.subtasks[*at].subtask_id.as_str();
    let mut names: Vec<&str> = nodes.iter().take(CYCLE_MAX).map(name).collect();
    let more = format!("({} more)", nodes.len().saturating_sub(CYCLE_MAX));
    if nodes.len() > CYCLE_MAX {
        names.push(&more);
    }
    names.push(name(&nodes[0]));
    PlanError::subtask(
        name(&nodes[0]),
        "dependencies",
        format!("a cycle, each waiting for the next: {}", names.join(" -> ")),
        "leave out one of these dependencies",
    )
}

fn unknown(
    draft: &Draft,
    subtask: &str,
    field: &str,
    name: &str,
    suggestions: &mut usize,
) -> PlanError {
    let hint = suggestion(draft, subtask, name, suggestions);
    PlanError::subtask(
        subtask,
        field,
        format!("{name:?} is no subtask of this plan{hint}"),
        format!("the subtasks are {}", names(draft)),
    )
}

fn unknown_in_stage(draft: &Draft, stage: usize, name: &str, suggestions: &mut usize) -> PlanError {
    let hint = suggestion(draft, "", name, suggestions);
    PlanError::plan(
        "stages",
        format!("stage {} names {name:?}, which is no subtask of this plan{hint}", stage + 1),
        format!("the subtasks are {}", names(draft)),
    )
}

fn suggestion(draft: &Draft, own: &str, name: &str, left: &mut usize) -> String {
    if *left == 0 {
        return String::new();
    }
    *left -= 1;
    let others = draft.subtasks.iter().map(|s| s.subtask_id.as_str()).filter(|id| *id != own);
    did_you_mean(name, others)
}

fn names(draft: &Draft) -> String {
    listed(draft.subtasks.iter().map(|s| s.subtask_id.as_str()))
}
