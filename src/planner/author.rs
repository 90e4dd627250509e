//! The author's own plan.
use super::{Planner, Request};
use crate::domain::Policy;
use crate::domain::plan::DraftOutcome;
pub(super) const PLANNER: Planner = Planner { name: "author", draft };
fn draft(_request: &Request<'_>, _policy: &Policy) -> DraftOutcome {
    DraftOutcome::Refuse {
        reason: "no author planner yet".into(),
        remedy: "name no subtasks".into(),
    }
}
