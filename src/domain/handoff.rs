//! The contract given to one worker for one attempt at one subtask.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::{AgentName, AttemptId, OrchestrationId, SubtaskId, TaskId};
use super::moment::Timestamp;
use super::plan::{
    Orchestration, OrchestrationPhase, RetryRecord, RunKind, Strategy, Subtask, SubtaskPhase,
    SubtaskRun,
};
use super::report::{Category, ResultKind, SubtaskResult};
use super::state::State;
use super::task::Priority;
use super::worker::{Attempt, AttemptEnd, AttemptPhase, Purpose};

/// A handoff as it stands in its file. It holds all that a worker needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Handoff {
    /// `baton/handoff@1`
    pub schema: String,
    /// `to-{master}-subtask-{subtask_id}`, or `to-{master}-{task_id}` for a task routed whole.
    pub handoff_id: String,
    /// Always `orchestrator`.
    pub from: String,
    /// The master it is for.
    pub to: AgentName,
    /// The subtask.
    pub subtask_id: SubtaskId,
    /// The task it is a part of.
    pub parent_task_id: TaskId,
    /// The run it is a part of.
    pub parent_orchestration: OrchestrationId,
    /// Left out where the subtask is to be done; `compensation` where it is to be undone.
    #[serde(default, skip_serializing_if = "Purpose::is_work")]
    pub purpose: Purpose,
    /// From 1.
    pub attempt: u32,
    /// Names this attempt in the report.
    pub attempt_id: AttemptId,
    /// Inherited from the task.
    pub priority: Priority,
    /// What surrounds the subtask.
    pub context: HandoffContext,
    /// The whole subtask.
    pub subtask: Subtask,
    /// Where the report goes, relative to `coordination/`.
    pub report_to: String,
    /// What it may use.
    pub limits: HandoffLimits,
    /// What kind of result is expected: the work, or an order for it.
    pub result_kind: ResultKind,
    /// When it was decided.
    pub created_at: Timestamp,
}

/// What surrounds a subtask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandoffContext {
    /// The whole that it is a part of, in a sentence or more.
    pub orchestration_context: String,
    /// What the author of the task said, whole.
    pub task_description: String,
    /// What must be respected.
    pub constraints: Vec<String>,
    /// Free context of the task.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub task_context: Map<String, Value>,
    /// Its dependencies, all complete.
    pub dependencies_completed: Vec<SubtaskId>,
    /// What waits for it: `auth-004-tests (waits for this)`.
    pub next_subtasks: Vec<String>,
    /// What goes on beside it: `auth-003-frontend (parallel)`.
    pub related_subtasks: Vec<String>,
    /// What the dependencies reported.
    pub dependency_results: Vec<DependencyResult>,
    /// Set when this is not the first attempt: what failed and what to do differently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryRecord>,
    /// What became of the attempts before this one, oldest first; of many, the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous_attempts: Vec<PreviousAttempt>,
}

/// What became of an earlier attempt at the same subtask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousAttempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// Who had it.
    pub agent: AgentName,
    /// failed, interrupted, cancelled, completed
    pub outcome: String,
    /// What sort of failure it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// What went wrong, with the end of its output where there was any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// How many earlier attempts a handoff tells of.
const PREVIOUS_ATTEMPTS_MAX: usize = 10;
/// How many characters of the reason of each.
const REASON_CHARS_MAX: usize = 4_000;

/// What one dependency reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DependencyResult {
    /// Which.
    pub subtask_id: SubtaskId,
    /// Its title.
    pub title: String,
    /// What it delivered; `None` for one that was skipped.
    pub result: Option<SubtaskResult>,
}

/// What a worker may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoffLimits {
    /// Minutes.
    pub duration_minutes: u32,
    /// Tokens.
    pub tokens: u32,
}

impl Handoff {
    /// Builds the handoff of an attempt from the state; `None` when there is no such attempt.
    ///
    /// The same state gives the same bytes: every dependency is final when a handoff is decided.
    pub fn of(state: &State, attempt_id: &AttemptId, result_kind: ResultKind) -> Option<Self> {
        let (run, position, attempt) = state.attempt(attempt_id)?;
        let task = state.tasks.get(&run.task_id)?;
        let subtask = &run.plan.subtasks[position];
        let undone = (!attempt.purpose.is_work()).then(|| undoing(run, position));
        Some(Self {
            schema: "baton/handoff@1".into(),
            handoff_id: handoff_id(run.kind, &attempt.agent, &subtask.subtask_id),
            from: "orchestrator".into(),
            to: attempt.agent.clone(),
            subtask_id: subtask.subtask_id.clone(),
            parent_task_id: run.task_id.clone(),
            parent_orchestration: run.id.clone(),
            purpose: attempt.purpose,
            attempt: attempt.number,
            attempt_id: attempt.id.clone(),
            priority: run.priority,
            context: HandoffContext {
                orchestration_context: orchestration_context(run, position),
                task_description: describe(&task.spec.title, &task.spec.description),
                constraints: run.plan.constraints.clone(),
                task_context: task.spec.context.clone(),
                dependencies_completed: subtask.dependencies.clone(),
                next_subtasks: next_subtasks(run, position),
                related_subtasks: related_subtasks(run, position),
                dependency_results: dependency_results(run, subtask),
                retry: match attempt.purpose {
                    Purpose::Work => run.runs[position].retry.clone(),
                    Purpose::Compensation => undone_again(&run.runs[position]),
                },
                previous_attempts: previous_attempts(&run.runs[position], attempt.number),
            },
            // Who has it need not be whom the plan names.
            subtask: Subtask {
                assigned_to: attempt.agent.clone(),
                ..undone.unwrap_or_else(|| subtask.clone())
            },
            report_to: report_path(attempt),
            limits: HandoffLimits {
                duration_minutes: subtask.estimated_duration_minutes,
                tokens: subtask.estimated_tokens,
            },
            result_kind,
            created_at: attempt.issued_at.wall,
        })
    }
}

/// Returns a subtask as whoever undoes it has to see it: what undoes it, and what there is to undo.
fn undoing(run: &Orchestration, position: usize) -> Subtask {
    let done = &run.plan.subtasks[position];
    let how = done.handling.compensation.as_deref().unwrap_or("Undo what it did.");
    let mut description = format!("{how}\n\nThis undoes {}: {}", done.subtask_id, done.title);
    if let SubtaskPhase::Undoing { result, .. } = &run.runs[position].phase {
        description += &format!("\nIt reported: {}", result.summary);
        if !result.deliverables.is_empty() {
            description += &format!("\nIt left behind: {}", result.deliverables.join(", "));
        }
    }
    if let OrchestrationPhase::Compensating { reason, .. } = &run.phase {
        description += &format!("\nIt is undone because {reason}");
    }
    if !done.description.is_empty() {
        description += &format!("\n\nWhat it had been asked to do:\n{}", done.description);
    }
    Subtask {
        title: format!("Undo: {}", done.title),
        description,
        success_criteria: format!("what {} did is undone: {how}", done.subtask_id),
        deliverables: Vec::new(),
        ..done.clone()
    }
}

/// Says what went wrong with the last attempt at undoing a subtask.
fn undone_again(run: &SubtaskRun) -> Option<RetryRecord> {
    let failures = run.undo_failures();
    let last = failures.last()?;
    Some(RetryRecord {
        retry_count: u32::try_from(failures.len()).unwrap_or(u32::MAX),
        retry_reason: last.message.clone(),
        retry_modifications: "the error travels in the handoff".to_owned(),
    })
}

/// Returns the `handoff_id`.
pub fn handoff_id(kind: RunKind, to: &AgentName, subtask_id: &SubtaskId) -> String {
    match kind {
        RunKind::Planned => format!("to-{to}-subtask-{subtask_id}"),
        RunKind::Routed => format!("to-{to}-{subtask_id}"),
    }
}

/// Returns the path of a handoff relative to `coordination/`, without the ending that says who
/// took it.
pub fn handoff_path(kind: RunKind, attempt: &Attempt, subtask_id: &SubtaskId) -> String {
    let id = handoff_id(kind, &attempt.agent, subtask_id);
    let again =
        if attempt.number > 1 { format!("-attempt-{}", attempt.number) } else { String::new() };
    format!("masters/{}/handoffs/{id}{again}.json", attempt.agent)
}

/// Returns where the report of an attempt goes, relative to `coordination/`.
pub fn report_path(attempt: &Attempt) -> String {
    format!("workers/{}/report.json", attempt.worker_id)
}

fn describe(title: &str, description: &str) -> String {
    if description.is_empty() || description == title {
        title.to_owned()
    } else {
        format!("{title}\n\n{description}")
    }
}

fn orchestration_context(run: &Orchestration, position: usize) -> String {
    match run.kind {
        RunKind::Routed => format!("The whole of the task: {}", run.title),
        RunKind::Planned => format!(
            "Step {} of {} (stage {} of {}) of: {}",
            position + 1,
            run.plan.subtasks.len(),
            run.stage_of(position),
            run.plan.stages.len(),
            run.plan.goal
        ),
    }
}

fn next_subtasks(run: &Orchestration, position: usize) -> Vec<String> {
    let told = |at: &usize| {
        let id = &run.plan.subtasks[*at].subtask_id;
        if run.list_sources(*at).contains(&position) {
            format!("{id} (waits for this, and is done for each of the `items` in its report)")
        } else {
            format!("{id} (waits for this)")
        }
    };
    run.order.dependents(position).iter().map(told).collect()
}

/// Lists what may run beside it: its stage, unless the plan is run one by one.
fn related_subtasks(run: &Orchestration, position: usize) -> Vec<String> {
    match run.plan.strategy {
        Strategy::Sequential => Vec::new(),
        Strategy::Staged | Strategy::Adaptive => run.plan.stages[run.stage_of(position) - 1]
            .iter()
            .filter(|id| **id != run.plan.subtasks[position].subtask_id)
            .map(|id| format!("{id} (parallel)"))
            .collect(),
    }
}

fn dependency_results(run: &Orchestration, subtask: &Subtask) -> Vec<DependencyResult> {
    let result_of = |id: &SubtaskId| {
        let position = run.position(id)?;
        let result = run.runs[position].phase.result().cloned();
        let title = run.plan.subtasks[position].title.clone();
        Some(DependencyResult { subtask_id: id.clone(), title, result })
    };
    subtask.dependencies.iter().filter_map(result_of).collect()
}

/// Lists what became of the attempts before number `before`: all are over when another is decided.
fn previous_attempts(run: &SubtaskRun, before: u32) -> Vec<PreviousAttempt> {
    let ended = |attempt: &Attempt| match &attempt.phase {
        AttemptPhase::Ended { end, .. } => Some(PreviousAttempt::of(attempt, end)),
        AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Taken { .. }
        | AttemptPhase::Running { .. }
        | AttemptPhase::Ending { .. } => None,
    };
    let earlier: Vec<PreviousAttempt> =
        run.attempts.iter().filter(|attempt| attempt.number < before).filter_map(ended).collect();
    let first = earlier.len().saturating_sub(PREVIOUS_ATTEMPTS_MAX);
    earlier.into_iter().skip(first).collect()
}

impl PreviousAttempt {
    fn of(attempt: &Attempt, end: &AttemptEnd) -> Self {
        let (outcome, category, reason) = match end {
            AttemptEnd::Completed => ("completed", None, ""),
            AttemptEnd::Failed { failure } => {
                ("failed", Some(failure.category), failure.message.as_str())
            }
            AttemptEnd::Interrupted { reason } => ("interrupted", None, reason.as_str()),
            AttemptEnd::Cancelled { reason } => ("cancelled", None, reason.as_str()),
        };
        let mut short: String = reason.chars().take(REASON_CHARS_MAX).collect();
        if short.len() < reason.len() {
            short.push('…');
        }
        Self {
            attempt: attempt.number,
            agent: attempt.agent.clone(),
            outcome: outcome.to_owned(),
            category,
            reason: short,
        }
    }
}
