//! Subtasks that are done for each item of a list which another one reports (S1-22).

use crate::domain::event::Event;
use crate::domain::ids::SubtaskId;
use crate::domain::moment::Moment;
use crate::domain::plan::{DraftSubtask, Orchestration, Revision, SubtaskPhase, Why};
use crate::domain::policy::Policy;
use crate::domain::recovery::blocked;
use crate::domain::state::State;
use crate::domain::validate::replacement_ids;

use super::revision::{listed, replaced};
use super::satisfied;

/// Stands for the item in the texts and paths of such a subtask.
const PLACE: &str = "{item}";
/// An item is not shown beyond this many characters in a title.
const TITLE_ITEM_MAX: usize = 80;

/// Replaces the first subtask whose list is there by one for each item.
pub(super) fn due(state: &State, policy: &Policy, now: Moment) -> Vec<Event> {
    let first = state.index.fan_outs.first();
    let Some((run, position)) = first.and_then(|id| state.subtask(id)) else { return Vec::new() };
    let Some(source) = run.plan.subtasks[position].for_each.as_ref() else { return Vec::new() };
    match listed_items(run, position, source) {
        Listed::Nothing(reason) => left_out(run, position, &reason, now),
        Listed::NoList => vec![blocked(run, position, no_list(run, position, source))],
        Listed::Items(items) => one_each(state, policy, (run, position), source, &items)
            .unwrap_or_else(|problem| {
                let count = items.len();
                let reason =
                    format!("{source} listed {count} items, and that gives no plan: {problem}");
                vec![blocked(run, position, reason)]
            }),
    }
}

/// Returns where the list of a subtask was to come from that has none: doing it again needs those
/// done again too.
pub(super) fn sources_without_list(run: &Orchestration, position: usize) -> Vec<usize> {
    let Some(source) = run.plan.subtasks[position].for_each.as_ref() else { return Vec::new() };
    match listed_items(run, position, source) {
        Listed::NoList => run.list_sources(position),
        Listed::Nothing(_) | Listed::Items(_) => Vec::new(),
    }
}

/// What the list of a subtask came to.
enum Listed {
    Items(Vec<String>),
    /// Nothing is to be done, and why.
    Nothing(String),
    /// Nobody said anything of a list.
    NoList,
}

fn listed_items(run: &Orchestration, position: usize, source: &SubtaskId) -> Listed {
    let sources = run.list_sources(position);
    let phases = || sources.iter().map(|at| &run.runs[*at].phase);
    let results = || phases().filter_map(SubtaskPhase::result);
    let lists: Vec<&Vec<String>> = results().filter_map(|result| result.items.as_ref()).collect();
    if lists.is_empty() && results().next().is_some() {
        return Listed::NoList;
    }
    let items: Vec<String> =
        lists.into_iter().flatten().map(|item| one_line(item)).filter(|i| !i.is_empty()).collect();
    if !items.is_empty() {
        return Listed::Items(items);
    }
    let said = if results().next().is_some() { "listed no items" } else { "was left out" };
    Listed::Nothing(format!("{source} {said}: there is nothing to do it for"))
}

fn left_out(run: &Orchestration, position: usize, reason: &str, now: Moment) -> Vec<Event> {
    let mut events = vec![Event::SubtaskSkipped {
        orchestration_id: run.id.clone(),
        subtask_id: run.plan.subtasks[position].subtask_id.clone(),
        reason: reason.to_owned(),
    }];
    events.extend(satisfied(run, position, false, reason, now));
    events
}

fn no_list(run: &Orchestration, position: usize, source: &SubtaskId) -> String {
    let id = &run.plan.subtasks[position].subtask_id;
    format!(
        "{id} is to be done for each item of {source}, whose report names no `items`: have it done \
         again with a list of them, or leave {id} out"
    )
}

fn one_each(
    state: &State,
    policy: &Policy,
    (run, position): (&Orchestration, usize),
    source: &SubtaskId,
    items: &[String],
) -> Result<Vec<Event>, String> {
    let limit = policy.plan.subtasks_limit;
    if run.plan.subtasks.len() + items.len() > limit {
        return Err(format!("a plan has at most {limit} subtasks"));
    }
    let old = &run.plan.subtasks[position].subtask_id;
    let endings: Vec<String> = (1..=items.len()).map(|nth| nth.to_string()).collect();
    let ids = replacement_ids(old, &endings, &|id| state.is_taken(id))
        .ok_or_else(|| format!("there are no free ids that begin with {old}"))?;
    let whole = run.plan.subtasks[position].to_draft(run.agent_of(position));
    let count = items.len();
    let by: Vec<DraftSubtask> = (1..)
        .zip(ids.iter().zip(items))
        .map(|(nth, (id, item))| {
            let mut one = filled(&whole, id, item);
            let evidence = format!("item {nth} of {count} that {source} listed");
            one.why.push(Why::new("S1-22 one for each item", evidence));
            one
        })
        .collect();
    let why = Why::new("S1-22 one for each item", format!("{source} listed {count}"));
    replaced(state, policy, (run, position), Revision::FanOut, &by, &why)
        .map(|event| vec![event])
        .map_err(|errors| listed(&errors))
}

/// Puts an item into a subtask: where its texts have a place for it, else at their end.
fn filled(whole: &DraftSubtask, id: &SubtaskId, item: &str) -> DraftSubtask {
    let short: String = item.chars().take(TITLE_ITEM_MAX).collect();
    let put = |text: &str, item: &str, joint: &str| {
        if text.contains(PLACE) {
            text.replace(PLACE, item)
        } else {
            format!("{text}{joint}{item}")
        }
    };
    let paths = |paths: &[String]| paths.iter().map(|path| path.replace(PLACE, item)).collect();
    DraftSubtask {
        subtask_id: id.as_str().to_owned(),
        title: put(&whole.title, &short, ": "),
        description: put(&whole.description, item, "\n\nThe item to do it for: "),
        success_criteria: whole.success_criteria.replace(PLACE, item),
        files_affected: paths(&whole.files_affected),
        deliverables: paths(&whole.deliverables),
        ..whole.clone()
    }
}

/// An item is foreign text: it becomes one line without control characters.
fn one_line(item: &str) -> String {
    let plain: String = item.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}
