//! Drafts plans: a request in, a draft with its reasons out. Pure.
//!
//! A planner decides whether a task goes whole to one master or is split, and never the last word:
//! whatever it drafts passes [`crate::domain::validate`] before anything follows from it.

mod actuals;
mod analysis;
mod author;
mod complexity;
mod expand;
mod files;
mod frame;
mod languages;
mod lessons;
mod lexicon;
mod order;
pub mod outside;
mod phrasing;
mod project;
mod repeat;
mod request;
mod revise;
mod routing;
mod rules;
mod said;
mod segment;
mod select;
mod strategy;
mod surroundings;
mod text;

#[cfg(test)]
mod tests;

pub use actuals::Actuals;
pub use lessons::Lessons;
pub use order::levels;
pub use said::Said;
pub use select::{Chosen, Selection, Selector, Suitable, Wanted};
pub use surroundings::Surroundings;

use crate::domain::ids::SubtaskId;
use crate::domain::plan::{Analysis, DraftOutcome, DraftSubtask, RevisionOutcome};
use crate::domain::task::TaskSpec;
use crate::domain::{Policy, State};

/// What a planner is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The task as its author wrote it.
    pub task: &'a TaskSpec,
    /// What is known beside it.
    pub surroundings: &'a Surroundings,
}

/// One way to draft a plan.
pub struct Planner {
    /// Its name in explanations.
    pub name: &'static str,
    /// Drafts, or refuses with a remedy. Never panics, whatever the request.
    pub draft: fn(&Request<'_>, &Policy) -> DraftOutcome,
}

/// The planners, most trusted first.
pub const ROSTER: &[&Planner] = &[&rules::PLANNER];

/// Who drafted, where the plan of the same request is used again that a person mended.
pub const REPEATED: &str = repeat::NAME;

/// Drafts a plan: the author's own where the task has subtasks; else what a person made of the same
/// request before; else the first planner's.
pub fn draft(request: &Request<'_>, policy: &Policy) -> DraftOutcome {
    if !request.task.subtasks.is_empty() {
        return (author::PLANNER.draft)(request, policy);
    }
    let repeated = repeat::draft(request, policy);
    let mut outcome = repeated.unwrap_or_else(|| (ROSTER[0].draft)(request, policy));
    if let DraftOutcome::Plan(draft) | DraftOutcome::Route(draft) = &mut outcome {
        draft.explanation.warnings.extend(request.surroundings.lessons.warning(request.task));
    }
    outcome
}

/// Says of steps that somebody else drafted what may go wrong and which patterns they follow.
pub fn analyze(subtasks: &[DraftSubtask]) -> Analysis {
    analysis::of_subtasks(subtasks, &[])
}

/// Drafts what takes the place of a subtask that asks for a revision. Never panics, whatever it is.
pub fn revise(state: &State, subtask_id: &SubtaskId, policy: &Policy) -> RevisionOutcome {
    revise::outcome(state, subtask_id, policy)
}
