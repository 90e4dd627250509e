//! The one validator of every draft, whoever drafted it.

use super::ids::{SubtaskId, TaskId};
use super::plan::{Draft, Plan};
use super::policy::Policy;
/// Placeholder until the planner branch is merged.
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct PlanError;
/// Placeholder.
/// # Errors
/// none
pub fn validate(
    _: &Draft,
    _: &TaskId,
    _: &Policy,
    _: &dyn Fn(&SubtaskId) -> bool,
) -> Result<Plan, Vec<PlanError>> {
    Err(vec![])
}
/// Placeholder.
/// # Errors
/// none
pub fn validate_routed(_: &Draft, _: &TaskId, _: &Policy) -> Result<Plan, Vec<PlanError>> {
    Err(vec![])
}
