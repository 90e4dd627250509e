//! `orchestrator/tasks/{orchestration_id}.json`: a plan and its progress. A task that was routed
//! whole has none.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::document::{Document, DocumentKey};
use crate::domain::ids::{AgentName, OrchestrationId, SubtaskId, TaskId};
use crate::domain::plan::anatomy::Anatomy;
use crate::domain::plan::outline::Outline;
use crate::domain::plan::{
    Complexity, Escalation, Explanation, Orchestration, OrchestrationPhase, Plan, ResourceEstimate,
    RunKind, Strategy, SubtaskPhase, SubtaskStatus, Workflow,
};
use crate::domain::{Event, Moment, Policy, State, Timestamp};

use super::subtasks::SubtaskHead;
use super::{Projection, Subject, duration_text, json_file};

/// The plan files.
pub const PLANS: Projection = Projection {
    name: "plans",
    touches,
    render,
    keys: |state| state.orchestrations.values().filter_map(key).collect(),
};

fn touches(state: &State, event: &Event) -> Vec<DocumentKey> {
    // What these say stands elsewhere; a long plan is not written again for them.
    if let Event::HandoffPublished { .. }
    | Event::ReportRefused { .. }
    | Event::RecoveryDecided(..) = event
    {
        return Vec::new();
    }
    Subject::of(event).run(state).and_then(key).into_iter().collect()
}

fn key(run: &Orchestration) -> Option<DocumentKey> {
    (run.kind == RunKind::Planned).then(|| DocumentKey::Plan(run.id.clone()))
}

fn render(state: &State, _: &Policy, key: &DocumentKey) -> Option<Vec<Document>> {
    let DocumentKey::Plan(id) = key else { return None };
    let run = state.orchestrations.get(id).filter(|run| run.kind == RunKind::Planned);
    let path = format!("orchestrator/tasks/{id}.json");
    Some(run.map(|run| json_file(path, &PlanFile::of(run))).into_iter().collect())
}

#[derive(Serialize)]
struct PlanFile<'a> {
    schema: &'static str,
    orchestration_id: &'a OrchestrationId,
    parent_task_id: &'a TaskId,
    task_title: &'a str,
    complexity: Complexity,
    created_at: Timestamp,
    status: &'static str,
    #[serde(flatten)]
    ending: Ending<'a>,
    goal: &'a str,
    domains: &'a [String],
    constraints: &'a [String],
    success_criteria: &'a [String],
    strategy: Strategy,
    workflow: Workflow,
    confidence: f64,
    subtasks: Vec<SubtaskHead<'a>>,
    execution_plan: Map<String, Value>,
    resource_estimate: EstimateEntry<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_actual: Option<Actual>,
    progress: Progress<'a>,
    explanation: &'a Explanation,
    phase: &'static str,
    analysis: Anatomy,
    #[serde(skip_serializing_if = "Option::is_none")]
    outline: Option<Outline>,
    /// How often the plan was changed since it began.
    revision: u32,
}

impl<'a> PlanFile<'a> {
    fn of(run: &'a Orchestration) -> Self {
        let plan = &run.plan;
        let mut analysis = plan.anatomy();
        let outline = analysis.outline.take();
        let stage_names = (1..).map(|number| format!("stage_{number}"));
        Self {
            schema: "baton/orchestration@1",
            orchestration_id: &run.id,
            parent_task_id: &run.task_id,
            task_title: &run.title,
            complexity: plan.complexity,
            created_at: run.created_at.wall,
            status: status_word(&run.phase),
            ending: Ending::of(&run.phase),
            goal: &plan.goal,
            domains: &plan.domains,
            constraints: &plan.constraints,
            success_criteria: &plan.success_criteria,
            strategy: plan.strategy,
            workflow: plan.workflow,
            confidence: plan.confidence,
            subtasks: (0..run.runs.len()).map(|at| SubtaskHead::of(run, at)).collect(),
            execution_plan: stage_names.zip(plan.stages.iter().map(|ids| json!(ids))).collect(),
            resource_estimate: EstimateEntry::of(&plan.estimate),
            resource_actual: run.is_over().then(|| Actual::of(run)),
            progress: Progress::of(run, plan),
            explanation: &plan.explanation,
            phase: run.operation_phase(),
            analysis,
            outline,
            revision: run.revision,
        }
    }
}

/// Returns the status word of a run in files.
pub(super) fn status_word(phase: &OrchestrationPhase) -> &'static str {
    match phase {
        OrchestrationPhase::InProgress => "in_progress",
        OrchestrationPhase::Paused { .. } => "paused",
        OrchestrationPhase::Blocked(_) => "blocked",
        OrchestrationPhase::Compensating { .. } => "compensating",
        OrchestrationPhase::RolledBack { .. } => "rolled_back",
        OrchestrationPhase::Completed { .. } => "completed",
        OrchestrationPhase::Failed { .. } => "failed",
        OrchestrationPhase::Cancelled { .. } => "cancelled",
    }
}

/// Returns when a run came to its end or to a stop that only a person can undo.
pub(super) fn stopped_at(phase: &OrchestrationPhase) -> Option<&Moment> {
    match phase {
        OrchestrationPhase::InProgress
        | OrchestrationPhase::Paused { .. }
        | OrchestrationPhase::Compensating { .. } => None,
        OrchestrationPhase::Blocked(escalation) => Some(&escalation.since),
        OrchestrationPhase::Completed { at }
        | OrchestrationPhase::RolledBack { at, .. }
        | OrchestrationPhase::Failed { at, .. }
        | OrchestrationPhase::Cancelled { at, .. } => Some(at),
    }
}

/// Why a run does not go on, as far as that is so.
#[derive(Serialize, Default)]
pub(super) struct Ending<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orchestration_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocking_subtask: Option<&'a SubtaskId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    escalation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<&'a [String]>,
}

impl<'a> Ending<'a> {
    pub(super) fn of(phase: &'a OrchestrationPhase) -> Self {
        let none = Self::default();
        match phase {
            OrchestrationPhase::InProgress => none,
            OrchestrationPhase::Paused { since, reason } => {
                Self { paused_at: Some(since.wall), pause_reason: Some(reason), ..none }
            }
            OrchestrationPhase::Blocked(Escalation {
                since,
                blocking_subtask,
                failure_reason,
                escalation,
                options,
                overdue: _,
            }) => Self {
                blocked_at: Some(since.wall),
                orchestration_status: Some("blocked"),
                blocking_subtask: Some(blocking_subtask),
                failure_reason: Some(failure_reason),
                escalation: Some(escalation),
                options: Some(options),
                ..none
            },
            OrchestrationPhase::Completed { at } => Self { completed_at: Some(at.wall), ..none },
            OrchestrationPhase::Compensating { reason, .. } => {
                Self { failure_reason: Some(reason), ..none }
            }
            OrchestrationPhase::Failed { at, reason }
            | OrchestrationPhase::RolledBack { at, reason }
            | OrchestrationPhase::Cancelled { at, reason } => {
                Self { completed_at: Some(at.wall), failure_reason: Some(reason), ..none }
            }
        }
    }
}

/// What was expected, under the names of S4-39 and of S4-38.
#[derive(Serialize)]
struct EstimateEntry<'a> {
    total_subtasks: usize,
    duration_estimate: &'a str,
    total_estimated_duration: &'a str,
    token_estimate: u64,
    total_estimated_tokens: u64,
    masters: &'a [AgentName],
    masters_involved: &'a [AgentName],
    workers: usize,
    workers_to_spawn: usize,
    parallelization_possible: bool,
    bottlenecks: &'a [String],
    critical_path: &'a [SubtaskId],
    cost_tokens: u64,
    saving_percent: u64,
}

impl<'a> EstimateEntry<'a> {
    fn of(estimate: &'a ResourceEstimate) -> Self {
        Self {
            total_subtasks: estimate.total_subtasks,
            duration_estimate: &estimate.duration_estimate,
            total_estimated_duration: &estimate.duration_estimate,
            token_estimate: estimate.token_estimate,
            total_estimated_tokens: estimate.token_estimate,
            masters: &estimate.masters,
            masters_involved: &estimate.masters,
            workers: estimate.workers,
            workers_to_spawn: estimate.workers,
            parallelization_possible: estimate.parallelization_possible,
            bottlenecks: &estimate.bottlenecks,
            critical_path: &estimate.critical_path,
            cost_tokens: estimate.cost_tokens,
            saving_percent: estimate.saving_percent,
        }
    }
}

/// What it really took (S4-40).
#[derive(Serialize)]
pub(super) struct Actual {
    duration_ms: u64,
    duration: String,
    /// As far as workers said.
    tokens_used: u64,
    workers_started: usize,
}

impl Actual {
    pub(super) fn of(run: &Orchestration) -> Self {
        let duration_ms = duration_ms(run).unwrap_or(0);
        let used = |phase: &SubtaskPhase| phase.result().and_then(|result| result.tokens_used);
        let attempts = run.runs.iter().flat_map(|run| &run.attempts);
        Self {
            duration_ms,
            duration: duration_text(duration_ms),
            tokens_used: run.runs.iter().filter_map(|run| used(&run.phase)).sum(),
            workers_started: attempts.filter(|attempt| attempt.started.is_some()).count(),
        }
    }
}

/// Returns how long a run took from its plan to its end, once it has one.
pub(super) fn duration_ms(run: &Orchestration) -> Option<u64> {
    stopped_at(&run.phase).map(|end| end.elapsed_ms(&run.created_at))
}

/// How far a run is (S4-43).
#[derive(Serialize)]
struct Progress<'a> {
    current_stage: usize,
    progress_percent: u32,
    completed_subtasks: Vec<&'a SubtaskId>,
    active_subtasks: Vec<&'a SubtaskId>,
    failed_subtasks: Vec<&'a SubtaskId>,
    zombie_subtasks: Vec<&'a SubtaskId>,
    skipped_subtasks: Vec<&'a SubtaskId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replaced_subtasks: Vec<&'a SubtaskId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    compensated_subtasks: Vec<&'a SubtaskId>,
}

impl<'a> Progress<'a> {
    fn of(run: &'a Orchestration, plan: &'a Plan) -> Self {
        let mut progress = Self {
            current_stage: run.current_stage,
            progress_percent: run.progress_percent(),
            completed_subtasks: Vec::new(),
            active_subtasks: Vec::new(),
            failed_subtasks: Vec::new(),
            zombie_subtasks: Vec::new(),
            skipped_subtasks: Vec::new(),
            replaced_subtasks: Vec::new(),
            compensated_subtasks: Vec::new(),
        };
        for (position, subtask) in plan.subtasks.iter().enumerate() {
            let list = match run.status(position) {
                SubtaskStatus::Completed => &mut progress.completed_subtasks,
                SubtaskStatus::HandedOff | SubtaskStatus::Active => &mut progress.active_subtasks,
                SubtaskStatus::Failed | SubtaskStatus::Blocked => &mut progress.failed_subtasks,
                SubtaskStatus::Zombie => &mut progress.zombie_subtasks,
                SubtaskStatus::Skipped if run.runs[position].is_replaced() => {
                    &mut progress.replaced_subtasks
                }
                SubtaskStatus::Skipped => &mut progress.skipped_subtasks,
                SubtaskStatus::Compensated => &mut progress.compensated_subtasks,
                SubtaskStatus::Pending | SubtaskStatus::Ready | SubtaskStatus::Cancelled => {
                    continue;
                }
            };
            list.push(&subtask.subtask_id);
        }
        progress
    }
}

/// Returns the subtasks that somebody has.
pub(super) fn active_subtasks(run: &Orchestration) -> Vec<&SubtaskId> {
    Progress::of(run, &run.plan).active_subtasks
}
