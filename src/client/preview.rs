//! What would become of a request: planned and validated, with nothing written.

use serde::Serialize;

use crate::domain::Policy;
use crate::domain::ids::{SubtaskId, TaskId};
use crate::domain::plan::{Draft, DraftOutcome, Explanation, Plan};
use crate::domain::validate::{PlanError, validate, validate_routed};
use crate::planner;

use super::Client;
use super::outside::{Outside, OutsideError};
use super::progress::{Progress, Step};
use super::request::Request;

/// What would become of a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preview {
    /// `baton/preview@1`
    schema: &'static str,
    /// The id it would have.
    pub task_id: String,
    /// Its title.
    pub title: String,
    /// What the planner says.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What the planner and the validator say.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Verdict {
    /// It would be split so.
    Plan {
        /// The plan.
        plan: Box<Plan>,
    },
    /// It would go whole to one master.
    Route {
        /// The plan of its one subtask.
        plan: Box<Plan>,
    },
    /// It cannot be planned.
    Refuse {
        /// What is wrong with the request.
        reason: String,
        /// What its author can do.
        remedy: String,
        /// What its author is asked, where an answer would do.
        #[serde(skip_serializing_if = "Option::is_none")]
        question: Option<String>,
    },
    /// It was drafted, and the draft is no plan.
    Invalid {
        /// Everything that is wrong with it.
        errors: Vec<PlanError>,
        /// What led to the draft.
        explanation: Explanation,
    },
}

/// Plans a request; ids that are taken in the directory of `client` are avoided.
///
/// # Errors
/// A planner outside is asked, and a person ended that.
pub fn preview(
    request: &Request,
    policy: &Policy,
    surroundings: &planner::Surroundings,
    outside: Option<&Outside>,
    client: Option<&Client>,
) -> Result<Preview, OutsideError> {
    let taken = |id: &SubtaskId| {
        client.is_some_and(|client| client.store().exists(&crate::store::layout::subtask(id)))
    };
    let asked = planner::Request { task: &request.spec, surroundings };
    let outcome = draft(&asked, policy, outside)?;
    Ok(Preview {
        schema: "baton/preview@1",
        task_id: request.task_id.to_string(),
        title: request.spec.title.clone(),
        verdict: verdict(outcome, &request.task_id, policy, &taken),
    })
}

/// Drafts, by the planner outside if one is to be asked.
pub(super) fn draft(
    request: &planner::Request<'_>,
    policy: &Policy,
    outside: Option<&Outside>,
) -> Result<DraftOutcome, OutsideError> {
    match outside {
        Some(outside) => outside.draft(request, policy),
        None => Ok(planner::draft(request, policy)),
    }
}

/// Says what the validator makes of a draft; `taken` tells ids that are in use.
pub(super) fn verdict(
    outcome: DraftOutcome,
    task_id: &TaskId,
    policy: &Policy,
    taken: &dyn Fn(&SubtaskId) -> bool,
) -> Verdict {
    let invalid =
        |draft: Draft, errors| Verdict::Invalid { errors, explanation: draft.explanation };
    match outcome {
        DraftOutcome::Plan(draft) => match validate(&draft, task_id, policy, taken) {
            Ok(plan) => Verdict::Plan { plan: Box::new(plan) },
            Err(errors) => invalid(*draft, errors),
        },
        DraftOutcome::Route(draft) => match validate_routed(&draft, task_id, policy) {
            Ok(plan) => Verdict::Route { plan: Box::new(plan) },
            Err(errors) => invalid(*draft, errors),
        },
        DraftOutcome::Refuse { reason, remedy, question } => {
            Verdict::Refuse { reason, remedy, question }
        }
    }
}

impl Preview {
    /// Returns the stages of a plan as a run that has not begun.
    pub fn progress(&self) -> Option<Progress> {
        let plan = match &self.verdict {
            Verdict::Plan { plan } | Verdict::Route { plan } => plan,
            Verdict::Refuse { .. } | Verdict::Invalid { .. } => return None,
        };
        let step = |id: &SubtaskId| {
            let subtask = plan.subtasks.iter().find(|subtask| subtask.subtask_id == *id)?;
            Some(Step {
                subtask_id: id.to_string(),
                title: subtask.title.clone(),
                master: subtask.assigned_to.to_string(),
                status: "pending".into(),
                percent: None,
                seconds: None,
                waits_for: subtask.dependencies.iter().map(ToString::to_string).collect(),
                attempt: 0,
                masters_before: Vec::new(),
                worker_id: None,
                result_kind: None,
                summary: None,
                deliverables: Vec::new(),
                reason: None,
            })
        };
        Some(Progress {
            task_id: self.task_id.clone(),
            orchestration_id: format!("orch-{}", self.task_id),
            title: self.title.clone(),
            status: "planning".into(),
            strategy: format!("{:?}", plan.strategy).to_lowercase(),
            current_stage: 1,
            percent: 0,
            stages: plan
                .stages
                .iter()
                .map(|stage| stage.iter().filter_map(step).collect())
                .collect(),
            trouble: None,
        })
    }
}
