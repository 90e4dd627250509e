//! What comes of revisions of plans that run.

use std::collections::BTreeSet;

use crate::domain::event::{Event, PlanRevised, RevisionRefused};
use crate::domain::ids::SubtaskId;
use crate::domain::moment::Moment;
use crate::domain::plan::{DraftSubtask, Orchestration, Revision, RevisionOutcome, Why};
use crate::domain::policy::Policy;
use crate::domain::recovery::go_on;
use crate::domain::state::State;
use crate::domain::validate::{Change, PlanError, revise};

/// Others take the place of a subtask; where that cannot be, the next strategy is asked about the
/// failure that led to it.
pub(super) fn revised(
    state: &State,
    policy: &Policy,
    (id, revision): (&SubtaskId, Revision),
    outcome: &RevisionOutcome,
    now: Moment,
) -> Vec<Event> {
    let Some((run, position)) = state.subtask(id).filter(|(run, _)| !run.is_over()) else {
        return Vec::new();
    };
    if run.runs[position].phase.revision() != Some(revision) {
        return Vec::new();
    }
    let reason = match outcome {
        RevisionOutcome::Replace { subtasks, why } => {
            match replaced(state, policy, (run, position), revision, subtasks, why) {
                Ok(event) => return vec![event],
                Err(errors) => listed(&errors),
            }
        }
        RevisionOutcome::Refuse { reason } => reason.clone(),
    };
    let refused = Event::RevisionRefused(RevisionRefused {
        orchestration_id: run.id.clone(),
        subtask_id: id.clone(),
        revision,
        reason,
    });
    [refused]
        .into_iter()
        .chain(go_on(state, policy, (run, position), revision.as_str(), now))
        .collect()
}

/// Returns the event by which others take the place of the subtask at `position`.
///
/// # Errors
/// Everything that is wrong with them, or with the plan that they would make.
pub(super) fn replaced(
    state: &State,
    policy: &Policy,
    (run, position): (&Orchestration, usize),
    revision: Revision,
    by: &[DraftSubtask],
    why: &Why,
) -> Result<Event, Vec<PlanError>> {
    let gone: BTreeSet<SubtaskId> = (0..run.runs.len())
        .filter(|at| run.runs[*at].is_replaced())
        .map(|at| run.plan.subtasks[at].subtask_id.clone())
        .collect();
    let change = Change { plan: &run.plan, replaced: &gone, position, by };
    let (plan, replaced_by) = revise(&change, policy, &|id| state.is_taken(id))?;
    Ok(Event::PlanRevised(PlanRevised {
        orchestration_id: run.id.clone(),
        subtask_id: run.plan.subtasks[position].subtask_id.clone(),
        replaced_by,
        revision,
        plan: Box::new(plan),
        why: why.clone(),
    }))
}

pub(super) fn listed(errors: &[PlanError]) -> String {
    errors.iter().map(PlanError::to_string).collect::<Vec<_>>().join("\n")
}
