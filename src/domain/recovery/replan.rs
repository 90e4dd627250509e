//! The planner is asked for another approach, with what went wrong in hand (S2-47, S2-52).

use super::split::{is_revisable, requested};
use super::{Answer, Situation, Strategy};
use crate::domain::plan::{Orchestration, Revision, SubtaskPhase, Why};
use crate::domain::policy::Policy;
use crate::domain::report::Category;

pub(super) const STRATEGY: Strategy = Strategy { name: "replan", answer };

fn answer(situation: &Situation<'_>, policy: &Policy) -> Option<Answer> {
    let Situation { run, failure, .. } = situation;
    let (limit, begun) = (policy.recovery.replans_max, replans(run));
    if begun >= limit || !is_revisable(run) {
        return None;
    }
    let rule = match failure.category {
        Category::DesignFlaw => "S2-52 the approach is wrong: the same again cannot help",
        Category::Transient | Category::CodeError => "S2-47 trying again did not help",
        Category::Blocker | Category::Critical => return None,
    };
    let why = Why {
        rule: rule.to_owned(),
        evidence: format!("{}; replan {} of {limit}", failure.message, begun + 1),
        alternatives: vec!["escalate".to_owned()],
    };
    Some(Answer { why, events: vec![requested(situation, Revision::Replan)] })
}

/// Counts how often the plan of a run was drafted again or is about to be.
fn replans(run: &Orchestration) -> u32 {
    let is_asked = |phase: &SubtaskPhase| {
        matches!(phase, SubtaskPhase::Revising { revision: Revision::Replan, .. })
    };
    let asked = run.runs.iter().filter(|run| is_asked(&run.phase)).count();
    run.replans.saturating_add(u32::try_from(asked).unwrap_or(u32::MAX))
}
