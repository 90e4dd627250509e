//! A person is asked: the run is blocked until somebody answers (S4-54, S2-48, S2-53).

use super::{Answer, Situation, Strategy};
use crate::domain::event::{Blocked, Event};
use crate::domain::plan::{Orchestration, RunKind, Why};
use crate::domain::policy::Policy;
use crate::domain::report::Category;

pub(super) const STRATEGY: Strategy = Strategy { name: "escalate", answer };

fn answer(situation: &Situation<'_>, policy: &Policy) -> Option<Answer> {
    let Situation { run, position, failure, .. } = situation;
    if run.is_over() {
        return Some(Answer {
            why: Why::new("the run is over", failure.message.clone()),
            events: Vec::new(),
        });
    }
    let subtask = &run.plan.subtasks[*position];
    let failures = situation.failures();
    let rule = match failure.category {
        Category::Blocker => "a blocker: no worker can supply what is missing".to_owned(),
        Category::Critical => "critical: stop before more harm is done".to_owned(),
        Category::Transient | Category::CodeError | Category::DesignFlaw => {
            format!("failure {failures} of {} allowed", policy.retry.attempts_max)
        }
    };
    let failure_reason = format!(
        "{} worker failed {failures} time{}: {}",
        subtask.worker_type,
        if failures == 1 { "" } else { "s" },
        failure.message
    );
    let blocked = blocked(run, *position, failure_reason);
    let why = Why {
        rule,
        evidence: failure.message.clone(),
        alternatives: ["retry", "skip", "cancel"].map(str::to_owned).to_vec(),
    };
    Some(Answer { why, events: vec![blocked] })
}

/// Asks a person what becomes of the subtask at `position`, with the commands that answer.
pub(in crate::domain) fn blocked(
    run: &Orchestration,
    position: usize,
    failure_reason: String,
) -> Event {
    let id = &run.plan.subtasks[position].subtask_id;
    let skip = (run.kind == RunKind::Planned).then(|| format!("baton skip {id}"));
    let retry = format!("baton retry {id}");
    let cancel = format!("baton cancel {}", run.task_id);
    Event::OrchestrationBlocked(Blocked {
        orchestration_id: run.id.clone(),
        task_id: run.task_id.clone(),
        blocking_subtask: id.clone(),
        failure_reason,
        escalation: "waiting for a person to decide".to_owned(),
        options: [Some(retry), skip, Some(cancel)].into_iter().flatten().collect(),
    })
}
