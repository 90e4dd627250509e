//! The rule planner.
use super::{Planner, Request};
use crate::domain::Policy;
use crate::domain::plan::DraftOutcome;
pub(super) const PLANNER: Planner = Planner { name: "rules", draft };
fn draft(_request: &Request<'_>, _policy: &Policy) -> DraftOutcome {
    DraftOutcome::Refuse {
        reason: "no rule planner yet".into(),
        remedy: "name the subtasks".into(),
    }
}
