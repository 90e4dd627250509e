//! The same agent once more, after a back-off (S0-50, S1-36, S2-46).

use super::{Answer, Situation, Strategy};
use crate::domain::event::{Event, Retried};
use crate::domain::plan::Why;
use crate::domain::policy::Policy;
use crate::domain::report::Category;

pub(super) const STRATEGY: Strategy = Strategy { name: "retry", answer };

fn answer(situation: &Situation<'_>, policy: &Policy) -> Option<Answer> {
    let modifications = match situation.failure.category {
        Category::Transient => "none: the same again",
        Category::CodeError => "the error travels in the handoff",
        Category::DesignFlaw | Category::Blocker | Category::Critical => return None,
    };
    let failures = situation.failures();
    if failures >= policy.retry.attempts_max || situation.run.is_over() {
        return None;
    }
    let delay_ms = policy.retry.delay_ms(policy.retry.backoff, failures);
    let before = situation.run.runs[situation.position].retry.as_ref();
    let retried = Event::SubtaskRetried(Retried {
        orchestration_id: situation.run.id.clone(),
        subtask_id: situation.run.plan.subtasks[situation.position].subtask_id.clone(),
        retry_count: before.map_or(0, |retry| retry.retry_count) + 1,
        retry_reason: situation.failure.message.clone(),
        retry_modifications: modifications.to_owned(),
        delay_ms,
    });
    let why = Why {
        rule: format!("failure {failures} of {} allowed", policy.retry.attempts_max),
        evidence: situation.failure.message.clone(),
        alternatives: vec!["escalate".to_owned()],
    };
    Some(Answer { why, events: vec![retried] })
}
