//! How far a run is, for people: stages, steps, bars, and what waits for what.

use std::collections::BTreeMap;

use serde::Serialize;

use super::documents::{AttemptDocument, PlanDocument, SubtaskDocument, number};
use crate::domain::moment::Timestamp;
use crate::domain::recovery::options_about;

/// How far one run is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// The task.
    pub task_id: String,
    /// Its run.
    pub orchestration_id: String,
    /// The task's title.
    pub title: String,
    /// A status word of the protocol.
    pub status: String,
    /// staged, adaptive, sequential; empty for a task routed whole.
    pub strategy: String,
    /// From 1.
    pub current_stage: u64,
    /// Completed and skipped steps per hundred.
    pub percent: u32,
    /// The steps of each stage.
    pub stages: Vec<Vec<Step>>,
    /// Set while it waits for a person, or when it ended without its goal.
    pub trouble: Option<Trouble>,
}

/// How far one subtask is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its id.
    pub subtask_id: String,
    /// One line.
    pub title: String,
    /// Who has it.
    pub master: String,
    /// A status word of the protocol.
    pub status: String,
    /// How far it is in per hundred, while it is under way or done: what its worker says, else the
    /// share of its time box that is over, at most 90.
    pub percent: Option<u32>,
    /// How long its newest attempt took so far.
    pub seconds: Option<u64>,
    /// What has to be complete first and is not.
    pub waits_for: Vec<String>,
    /// The attempt that is under way or was the last.
    pub attempt: u64,
    /// Whoever had it, in that order.
    pub masters_before: Vec<String>,
    /// Its worker, once there is one.
    pub worker_id: Option<String>,
    /// work, work_order; what was delivered.
    pub result_kind: Option<String>,
    /// What its worker reported.
    pub summary: Option<String>,
    /// Files it left behind.
    pub deliverables: Vec<String>,
    /// Why it failed or is tried again.
    pub reason: Option<String>,
}

/// What went wrong, and what can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The subtask that cannot go on.
    pub subtask_id: Option<String>,
    /// What went wrong.
    pub reason: String,
    /// What is asked of whom.
    pub escalation: Option<String>,
    /// The commands that answer it.
    pub options: Vec<String>,
}

impl Progress {
    /// Reads the progress of a planned run; `heartbeat` returns what a worker says of itself.
    pub fn of_plan(
        plan: &PlanDocument,
        now: Timestamp,
        heartbeat: &dyn Fn(&str) -> Option<u32>,
    ) -> Self {
        let by_id: BTreeMap<&str, &SubtaskDocument> =
            plan.subtasks.iter().map(|s| (s.subtask_id.as_str(), s)).collect();
        let staged: Vec<Vec<&SubtaskDocument>> = match plan.stages() {
            stages if stages.is_empty() => vec![plan.subtasks.iter().collect()],
            stages => stages
                .into_iter()
                .map(|ids| ids.iter().filter_map(|id| by_id.get(id.as_str()).copied()).collect())
                .collect(),
        };
        let counted = || plan.subtasks.iter().filter(|s| s.replaced_by.is_empty());
        let done = counted().filter(|s| is_satisfied(&s.status)).count();
        Self {
            task_id: plan.parent_task_id.clone(),
            orchestration_id: plan.orchestration_id.clone(),
            title: plan.task_title.clone(),
            status: plan.status.clone(),
            strategy: plan.strategy.clone(),
            current_stage: number(&plan.progress.current_stage).max(1),
            percent: u32::try_from(done * 100 / counted().count().max(1)).unwrap_or(100),
            stages: staged
                .into_iter()
                .map(|stage| stage.iter().map(|s| Step::of(s, &by_id, now, heartbeat)).collect())
                .collect(),
            trouble: trouble(plan),
        }
    }

    /// Reads the progress of a task that was routed whole from its one subtask.
    pub fn of_routed(
        subtask: &SubtaskDocument,
        now: Timestamp,
        heartbeat: &dyn Fn(&str) -> Option<u32>,
    ) -> Self {
        let step = Step::of(subtask, &BTreeMap::new(), now, heartbeat);
        let (status, trouble) = match step.status.as_str() {
            "completed" | "failed" | "cancelled" | "blocked" => (step.status.clone(), &step.reason),
            "skipped" => ("completed".to_owned(), &None),
            _ => ("in_progress".to_owned(), &None),
        };
        Self {
            task_id: subtask.subtask_id.clone(),
            orchestration_id: format!("orch-{}", subtask.subtask_id),
            title: subtask.title.clone(),
            percent: if status == "completed" { 100 } else { 0 },
            strategy: String::new(),
            current_stage: 1,
            trouble: trouble.as_ref().filter(|_| status != "completed").map(|reason| Trouble {
                subtask_id: Some(subtask.subtask_id.clone()),
                reason: reason.clone(),
                escalation: None,
                options: options_about(&subtask.subtask_id),
            }),
            status,
            stages: vec![vec![step]],
        }
    }

    /// Returns every step in stage order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.stages.iter().flatten()
    }

    /// Tells whether nothing more will happen by itself.
    pub fn is_over(&self) -> bool {
        is_over(&self.status) || self.status == "blocked"
    }
}

/// Tells whether a run with this status word has ended for good.
pub fn is_over(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "cancelled" | "rolled_back")
}

impl Step {
    fn of(
        subtask: &SubtaskDocument,
        by_id: &BTreeMap<&str, &SubtaskDocument>,
        now: Timestamp,
        heartbeat: &dyn Fn(&str) -> Option<u32>,
    ) -> Self {
        let last = subtask.attempts.last();
        let seconds = last.and_then(|attempt| seconds_of(attempt, now));
        let worker_id = last.map(|a| a.worker_id.clone()).filter(|id| !id.is_empty());
        let percent = match subtask.status.as_str() {
            "completed" => Some(100),
            "active" => {
                let told = worker_id.as_deref().and_then(heartbeat).map(|percent| percent.min(99));
                Some(told.unwrap_or_else(|| time_box_share(subtask, seconds)))
            }
            _ => None,
        };
        let unmet = |id: &&String| !by_id.get(id.as_str()).is_some_and(|s| is_satisfied(&s.status));
        let waits_for = match subtask.status.as_str() {
            "pending" => subtask.dependencies.iter().filter(unmet).cloned().collect(),
            _ => Vec::new(),
        };
        let result = subtask.result.as_ref();
        Self {
            subtask_id: subtask.subtask_id.clone(),
            title: subtask.title.clone(),
            master: subtask.assigned_to.clone(),
            status: subtask.status.clone(),
            percent,
            seconds,
            waits_for,
            attempt: last.map_or(0, |attempt| attempt.attempt),
            masters_before: masters_before(subtask),
            worker_id,
            result_kind: result.map(|r| r.kind.clone()),
            summary: result.map(|r| r.summary.clone()),
            deliverables: result.map(|r| r.deliverables.clone()).unwrap_or_default(),
            reason: last
                .and_then(|attempt| attempt.reason.clone())
                .or_else(|| subtask.retry_reason.clone())
                .filter(|_| !is_satisfied(&subtask.status)),
        }
    }
}

/// Returns the masters of its attempts but the one that has it.
fn masters_before(subtask: &SubtaskDocument) -> Vec<String> {
    let mut masters: Vec<String> = Vec::new();
    for AttemptDocument { agent, .. } in &subtask.attempts {
        if !agent.is_empty() && *agent != subtask.assigned_to && !masters.contains(agent) {
            masters.push(agent.clone());
        }
    }
    masters
}

fn is_satisfied(status: &str) -> bool {
    matches!(status, "completed" | "skipped")
}

fn seconds_of(attempt: &AttemptDocument, now: Timestamp) -> Option<u64> {
    let elapsed_ms = attempt.ended_at.unwrap_or(now).as_ms() - attempt.started_at?.as_ms();
    Some(u64::try_from(elapsed_ms.max(0)).unwrap_or(0) / 1000)
}

fn time_box_share(subtask: &SubtaskDocument, seconds: Option<u64>) -> u32 {
    let box_seconds = subtask.estimated_duration_minutes.max(1) * 60;
    u32::try_from(seconds.unwrap_or(0) * 100 / box_seconds).unwrap_or(90).min(90)
}

fn trouble(plan: &PlanDocument) -> Option<Trouble> {
    let escalation = match &plan.escalation {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Object(fields) => ["escalation", "message", "question"]
            .iter()
            .find_map(|name| fields.get(*name)?.as_str().map(str::to_owned)),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_) => None,
    };
    let reason = plan.failure_reason.clone()?;
    let options = plan.options.clone();
    Some(Trouble { subtask_id: plan.blocking_subtask.clone(), reason, escalation, options })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Returns the instant at which the example plan is looked at.
    pub(crate) fn now() -> Timestamp {
        Timestamp::parse("2025-11-05T18:01:00Z").unwrap()
    }

    /// Returns a plan that is being worked on: stage 1 done, 2 under way, 3 waiting.
    pub(crate) fn example() -> PlanDocument {
        let subtask = |id: &str, master: &str, status: &str, after: &[&str], attempts: Value| {
            json!({"subtask_id": id, "title": format!("Title of {id}"), "assigned_to": master,
                "status": status, "dependencies": after, "estimated_duration_minutes": 1,
                "attempts": attempts})
        };
        let attempt = |started: &str, ended: Option<&str>| {
            json!([{"attempt": 1, "worker_id": "w", "agent": "development",
                "started_at": started, "ended_at": ended}])
        };
        serde_json::from_value(json!({
            "orchestration_id": "orch-task-1", "parent_task_id": "task-1",
            "task_title": "Add authentication system with security audit and documentation",
            "status": "in_progress", "strategy": "staged",
            "execution_plan": {"stage_1": ["auth-001-design"],
                "stage_2": ["auth-002-backend", "auth-003-frontend"], "stage_3": ["auth-004-tests"]},
            "progress": {"current_stage": 2},
            "subtasks": [
                subtask("auth-001-design", "development", "completed", &[],
                    attempt("2025-11-05T18:00:00Z", Some("2025-11-05T18:00:03Z"))),
                subtask("auth-002-backend", "development", "active", &["auth-001-design"],
                    attempt("2025-11-05T18:00:05Z", None)),
                subtask("auth-003-frontend", "development", "handed_off", &["auth-001-design"],
                    json!([])),
                subtask("auth-004-tests", "security", "pending",
                    &["auth-002-backend", "auth-003-frontend"], json!([])),
            ],
        }))
        .unwrap()
    }

    #[test]
    fn a_run_says_what_is_done_what_runs_and_what_waits() {
        let progress = Progress::of_plan(&example(), now(), &|_| None);
        let seen: Vec<(Option<u32>, Option<u64>, usize)> =
            progress.steps().map(|s| (s.percent, s.seconds, s.waits_for.len())).collect();
        assert_eq!(
            seen,
            [(Some(100), Some(3), 0), (Some(90), Some(55), 0), (None, None, 0), (None, None, 2)]
        );
        assert_eq!((progress.percent, progress.current_stage, progress.is_over()), (25, 2, false));
        let told = Progress::of_plan(&example(), now(), &|_| Some(40));
        assert_eq!(told.stages[1][0].percent, Some(40));
    }

    #[test]
    fn a_routed_task_is_a_run_of_one_step() {
        let subtask: SubtaskDocument = serde_json::from_value(json!({
            "subtask_id": "task-9", "title": "Fix the typo", "status": "blocked",
            "assigned_to": "development",
            "attempts": [{"attempt": 3, "reason": "exit code 2"}],
        }))
        .unwrap();
        let progress = Progress::of_routed(&subtask, now(), &|_| None);
        assert_eq!(progress.orchestration_id, "orch-task-9");
        assert!(progress.is_over());
        let trouble = progress.trouble.unwrap();
        assert_eq!(trouble.reason, "exit code 2");
        let options = [
            "[r] retry differently: baton retry task-9",
            "[a] abort and review the plan: baton cancel task-9",
        ];
        assert_eq!(trouble.options, options);
    }
}
