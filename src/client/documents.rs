//! The documents of the protocol as far as people are shown them; what is missing has a default,
//! what is unknown is left alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::evidence::{ProcessState, Sign};
use crate::domain::moment::Timestamp;
use crate::domain::plan::Explanation;

/// `orchestrator/tasks/{orchestration_id}.json`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanDocument {
    /// `orch-` and the task's id.
    pub orchestration_id: String,
    /// The task.
    pub parent_task_id: String,
    /// Its title.
    pub task_title: String,
    /// low, medium, high
    pub complexity: String,
    /// When the plan was accepted.
    pub created_at: Option<Timestamp>,
    /// A status word of the protocol.
    pub status: String,
    /// What is wanted in the end.
    pub goal: String,
    /// staged, adaptive, sequential
    pub strategy: String,
    /// build_only, plan_then_build, multi_task, decompose_first
    pub workflow: String,
    /// The steps, as far as they got.
    pub subtasks: Vec<SubtaskDocument>,
    /// `stage_1`, `stage_2`, ... and the ids in each.
    pub execution_plan: BTreeMap<String, Vec<String>>,
    /// Where it is.
    pub progress: ProgressDocument,
    /// What led to it.
    pub explanation: Explanation,
    /// Set when it is blocked: the subtask that cannot go on.
    pub blocking_subtask: Option<String>,
    /// Set when it is blocked or failed.
    pub failure_reason: Option<String>,
    /// Set when it is blocked: what is asked of whom.
    pub escalation: Value,
    /// Set when it is blocked: the commands that answer it.
    pub options: Vec<String>,
}

/// Where a plan is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressDocument {
    /// The stage that is being worked on: a number, or `stage_N`.
    pub current_stage: Value,
    /// Completed subtasks.
    pub completed_subtasks: Value,
}

/// `orchestrator/subtasks/{subtask_id}.json`, and one of a plan's `subtasks`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubtaskDocument {
    /// Its id.
    pub subtask_id: String,
    /// The task it is a part of.
    pub parent_task_id: String,
    /// One line.
    pub title: String,
    /// What to do.
    pub description: String,
    /// Who has it.
    pub assigned_to: String,
    /// What sort of worker it wants.
    pub worker_type: String,
    /// What must be complete first.
    pub dependencies: Vec<String>,
    /// Its time box.
    pub estimated_duration_minutes: u64,
    /// The files it will change.
    pub files_affected: Vec<String>,
    /// How one can tell that it is done.
    pub success_criteria: String,
    /// Files it must leave behind.
    pub deliverables: Vec<String>,
    /// A status word of the protocol.
    pub status: String,
    /// Those that took its place.
    pub replaced_by: Vec<String>,
    /// Every attempt, oldest first.
    pub attempts: Vec<AttemptDocument>,
    /// How many retries so far.
    pub retry_count: u64,
    /// Why it was tried again.
    pub retry_reason: Option<String>,
    /// What it delivered.
    pub result: Option<ResultDocument>,
    /// When the last thing about it happened, where that is written.
    pub completed_at: Option<Timestamp>,
}

/// One attempt at a subtask.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttemptDocument {
    /// Its number, from 1.
    pub attempt: u64,
    /// The master that had it.
    pub agent: String,
    /// The worker that carried it out.
    pub worker_id: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// completed, failed, interrupted, cancelled
    pub outcome: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// What a subtask delivered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResultDocument {
    /// work, work_order
    pub kind: String,
    /// What was done.
    pub summary: String,
    /// Files that are there.
    pub deliverables: Vec<String>,
}

/// `orchestrator/state/current.json`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OverviewDocument {
    /// Runs that are not over.
    pub active_orchestrations: u64,
    /// Runs that ever were.
    pub total_orchestrations: u64,
    /// Runs that reached their goal.
    pub completed_orchestrations: u64,
    /// Runs that ended without it.
    pub failed_orchestrations: u64,
    /// Runs that a person ended.
    pub cancelled_orchestrations: u64,
    /// The runs that are not over.
    pub current_orchestrations: Vec<CurrentOrchestration>,
    /// When this was written.
    pub last_update: Option<Timestamp>,
}

/// One run in the overview.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CurrentOrchestration {
    /// Which.
    pub orchestration_id: String,
    /// A status word of the protocol.
    pub status: String,
    /// The stage that is being worked on.
    pub current_stage: Value,
    /// Completed subtasks per hundred.
    pub progress_percent: u64,
    /// The subtasks that are under way.
    pub active_subtasks: Value,
    /// healthy, degraded, stalled, blocked
    pub health: String,
}

/// `orchestrator/answers/{command_id}.json`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerDocument {
    /// The command.
    pub command_id: String,
    /// What was to be done.
    pub verb: String,
    /// To what.
    pub target: String,
    /// Whether it was done.
    pub ok: bool,
    /// What was done, or why not and what to do.
    pub message: String,
}

/// `worker-specs/active/{worker_id}.json`, of Baton or of a master's own worker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerDocument {
    /// Its id.
    pub worker_id: String,
    /// The master it works for.
    pub parent_master: String,
    /// The subtask it carries out; a task's own id where that was routed whole.
    pub subtask_id: String,
    /// A word of its author's.
    pub status: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// What the last look at it saw, where it is one of ours and lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthDocument>,
}

/// What the last look at a worker saw.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthDocument {
    /// When that was.
    pub checked_at: Option<Timestamp>,
    /// What is known of its process.
    pub process: ProcessState,
    /// Its signs of life.
    pub signs: Vec<SignDocument>,
    /// The time of its last heartbeat as it says itself.
    pub claimed_heartbeat: Option<String>,
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignDocument {
    /// Which.
    pub sign: Sign,
    /// When it was seen to change last.
    pub last_seen: Timestamp,
    /// What was seen.
    #[serde(default)]
    pub what: String,
}

/// A handoff, as far as a list of them shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HandoffDocument {
    /// Its id.
    pub handoff_id: String,
    /// The master it is for.
    pub to: String,
    /// The subtask.
    pub subtask_id: String,
    /// The run it is a part of.
    pub parent_orchestration: String,
    /// From 1.
    pub attempt: u64,
    /// Names this attempt in the report.
    pub attempt_id: String,
    /// critical, high, medium, low
    pub priority: String,
    /// The whole subtask.
    pub subtask: SubtaskDocument,
    /// Where the report goes, relative to `coordination/`.
    pub report_to: String,
    /// When it was decided.
    pub created_at: Option<Timestamp>,
    /// `processed` is another way to say that it is taken.
    pub status: Option<String>,
}

impl PlanDocument {
    /// Returns the stages in their order, each a list of subtask ids.
    pub fn stages(&self) -> Vec<&[String]> {
        let number = |name: &str| -> usize {
            name.rsplit('_').next().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX)
        };
        let mut stages: Vec<(&String, &[String])> =
            self.execution_plan.iter().map(|(name, ids)| (name, ids.as_slice())).collect();
        stages.sort_by_key(|(name, _)| number(name));
        stages.into_iter().map(|(_, ids)| ids).collect()
    }
}

/// Returns the number in `3`, `"3"` or `"stage_3"`; 0 when there is none.
pub(crate) fn number(value: &Value) -> u64 {
    match value {
        Value::Number(number) => number.as_u64().unwrap_or(0),
        Value::String(text) => {
            text.rsplit('_').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
        }
        Value::Array(items) => items.len() as u64,
        Value::Null | Value::Bool(_) | Value::Object(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn stages_follow_their_numbers() {
        let plan: PlanDocument = serde_json::from_value(json!({
            "execution_plan": {"stage_10": ["c"], "stage_2": ["b"], "stage_1": ["a"]},
            "something_new": true,
        }))
        .unwrap();
        assert_eq!(plan.stages().concat(), ["a", "b", "c"]);
    }

    #[test]
    fn numbers_are_read_in_every_form() {
        for (value, expected) in [
            (json!(3), 3),
            (json!("4"), 4),
            (json!("stage_5"), 5),
            (json!(["a"]), 1),
            (json!({}), 0),
        ] {
            assert_eq!(number(&value), expected);
        }
    }
}
