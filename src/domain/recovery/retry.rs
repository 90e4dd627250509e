//! The same agent once more, after a back-off (S0-50, S1-35 to S1-38, S2-46, S2-51).

use super::{Answer, Situation, Strategy};
use crate::domain::event::{Event, Retried};
use crate::domain::ids::AttemptId;
use crate::domain::plan::{Handling, Why};
use crate::domain::policy::{Policy, RetryPolicy};
use crate::domain::report::Category;

pub(super) const STRATEGY: Strategy = Strategy { name: "retry", answer };

fn answer(situation: &Situation<'_>, policy: &Policy) -> Option<Answer> {
    let Situation { run, position, attempt, failure, .. } = situation;
    let modifications = match failure.category {
        Category::Transient => "none: the same again",
        Category::CodeError => "the error travels in the handoff, to be mended",
        // A wrong plan does not get better by being tried again, and nor does what is missing.
        Category::DesignFlaw | Category::Blocker | Category::Critical => return None,
    };
    if situation.used_up(policy).is_some() {
        return None;
    }
    let subtask = &run.plan.subtasks[*position];
    let before = run.runs[*position].retry.as_ref();
    let failures = situation.failures_here();
    let delay_ms = delay_ms(&policy.retry, &subtask.handling, failures, &attempt.id);
    let retried = Event::SubtaskRetried(Retried {
        orchestration_id: run.id.clone(),
        subtask_id: subtask.subtask_id.clone(),
        retry_count: before.map_or(0, |retry| retry.retry_count) + 1,
        retry_reason: failure.message.clone(),
        retry_modifications: modifications.to_owned(),
        delay_ms,
    });
    let why = Why::new(
        format!("failure {failures} of {} allowed", situation.attempts_max(policy)),
        failure.message.clone(),
    );
    Some(Answer { why, events: vec![retried] })
}

/// Returns how long is waited before the next attempt after failure number `failures` (from 1):
/// the delay of the policy, or of the subtask where it says otherwise, and up to
/// `jitter_percent_max` of it on top, never above the cap. The jitter is drawn from the name of
/// the attempt, so that replay and simulation see the same.
pub fn delay_ms(
    retry: &RetryPolicy,
    handling: &Handling,
    failures: u32,
    attempt: &AttemptId,
) -> u64 {
    let delay_ms = retry.delay_ms(handling.backoff.unwrap_or(retry.backoff), failures);
    let room_ms = delay_ms.saturating_mul(u64::from(retry.jitter_percent_max)) / 100;
    let jitter_ms = fnv1a(attempt.as_str()) % room_ms.saturating_add(1);
    delay_ms.saturating_add(jitter_ms).min(retry.delay_ms_max)
}

/// Spreads names over numbers: the 64-bit FNV-1a hash, which is the same on every machine.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
