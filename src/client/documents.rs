//! The documents of the protocol as far as people are shown them; what is missing has a default,
//! what is unknown is left alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::evidence::{ProcessState, Sign};
use crate::domain::ids::SubtaskId;
use crate::domain::moment::Timestamp;
use crate::domain::plan::anatomy::Anatomy;
use crate::domain::plan::{Explanation, Nature, ResourceEstimate};

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
    /// What it will probably take.
    pub resource_estimate: EstimateDocument,
    /// What was found out about it, and what follows from its graph.
    pub analysis: Value,
    /// It as epic, stories, tasks and subtasks.
    pub outline: Value,
    /// What must be respected and is no step.
    pub constraints: Vec<String>,
    /// How sure the planner was, 0 to 1.
    pub confidence: f64,
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

/// What a plan will probably take.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EstimateDocument {
    /// How many subtasks.
    pub total_subtasks: usize,
    /// Along the critical path.
    pub duration_estimate: String,
    /// All subtasks together.
    pub token_estimate: u64,
    /// Every master that gets a subtask.
    pub masters: Vec<String>,
    /// How many workers will be started if nothing fails.
    pub workers: usize,
    /// Whether any stage holds more than one subtask.
    pub parallelization_possible: bool,
    /// Where several wait for one.
    pub bottlenecks: Vec<String>,
    /// The chain that takes longest.
    pub critical_path: Vec<String>,
    /// What the tokens cost, in tokens of a standard model.
    pub cost_tokens: u64,
    /// How much less that is than a strong model for everything, in percent.
    pub saving_percent: u64,
}

impl From<&ResourceEstimate> for EstimateDocument {
    fn from(estimate: &ResourceEstimate) -> Self {
        let names = |ids: &[SubtaskId]| ids.iter().map(ToString::to_string).collect();
        Self {
            total_subtasks: estimate.total_subtasks,
            duration_estimate: estimate.duration_estimate.clone(),
            token_estimate: estimate.token_estimate,
            masters: estimate.masters.iter().map(ToString::to_string).collect(),
            workers: estimate.workers,
            parallelization_possible: estimate.parallelization_possible,
            bottlenecks: estimate.bottlenecks.clone(),
            critical_path: names(&estimate.critical_path),
            cost_tokens: estimate.cost_tokens,
            saving_percent: estimate.saving_percent,
        }
    }
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
    /// What kind of step it is.
    pub nature: Nature,
    /// What must be complete first.
    pub dependencies: Vec<String>,
    /// Its time box.
    pub estimated_duration_minutes: u64,
    /// How many tokens it may take.
    pub estimated_tokens: u64,
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
    /// research, decompose, execute, integrate
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
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
    /// Returns what follows from the graph, as far as the document says it.
    pub fn anatomy(&self) -> Anatomy {
        let anatomy: Anatomy = serde_json::from_value(self.analysis.clone()).unwrap_or_default();
        let outline = serde_json::from_value(self.outline.clone()).unwrap_or_default();
        Anatomy { outline, ..anatomy }
    }

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
