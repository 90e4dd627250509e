//! `orchestrator/subtasks/{subtask_id}.json`: one subtask, of a plan or routed whole.

use serde::Serialize;

use crate::domain::document::{Document, DocumentKey};
use crate::domain::event::Blocked;
use crate::domain::ids::{AgentName, AttemptId, SubtaskId, TaskId, WorkerId};
use crate::domain::plan::{
    Choice, Handling, Nature, Orchestration, Strategy, SubtaskPhase, SubtaskStatus, Why,
};
use crate::domain::report::{Failure, SubtaskResult};
use crate::domain::worker::{Attempt, AttemptEnd, AttemptPhase, Purpose};
use crate::domain::{Event, Policy, State, Timestamp};

use super::{Projection, Subject, json_file};

/// The subtask files.
pub const SUBTASKS: Projection = Projection {
    name: "subtasks",
    touches,
    render,
    keys: |state| state.orchestrations.values().flat_map(keys_of).collect(),
};

fn touches(state: &State, event: &Event) -> Vec<DocumentKey> {
    let about = Subject::of(event);
    let Some(run) = about.run(state) else { return Vec::new() };
    let mut keys: Vec<DocumentKey> = about.subtask.into_iter().map(key).collect();
    if let Event::TaskRouted { .. }
    | Event::PlanAccepted { .. }
    | Event::PlanRevised(..)
    | Event::CompensationStarted(..)
    | Event::OrchestrationRolledBack { .. }
    | Event::OrchestrationFailed { .. }
    | Event::OrchestrationCancelled { .. }
    | Event::OrchestrationRetried { .. } = event
    {
        keys.extend(keys_of(run));
    }
    if let Event::StageCompleted { stage, .. } = event {
        keys.extend(run.plan.stages.iter().skip(*stage).take(1).flatten().map(key));
    }
    if let Event::SubtaskCompleted { subtask_id, .. } | Event::SubtaskSkipped { subtask_id, .. } =
        event
    {
        keys.extend(made_ready(run, subtask_id));
    }
    if let Event::OrchestrationBlocked(Blocked { blocking_subtask, .. }) = event {
        keys.push(key(blocking_subtask));
    }
    keys
}

/// Lists the subtasks whose status word may change because one is done; of a staged plan that
/// comes with the end of the stage.
fn made_ready(run: &Orchestration, done: &SubtaskId) -> Vec<DocumentKey> {
    let key_at = |position: usize| key(&run.plan.subtasks[position].subtask_id);
    match run.plan.strategy {
        Strategy::Staged => Vec::new(),
        Strategy::Adaptive => run
            .position(done)
            .into_iter()
            .flat_map(|position| run.order.dependents(position))
            .map(|position| key_at(*position))
            .collect(),
        Strategy::Sequential => {
            let mut order = run.order.sequence().iter().copied();
            order.find(|at| !run.runs[*at].is_satisfied()).map(key_at).into_iter().collect()
        }
    }
}

fn keys_of(run: &Orchestration) -> impl Iterator<Item = DocumentKey> + '_ {
    run.plan.subtasks.iter().map(|s| key(&s.subtask_id))
}

fn key(id: &SubtaskId) -> DocumentKey {
    DocumentKey::Subtask(id.clone())
}

fn render(state: &State, _: &Policy, key: &DocumentKey) -> Option<Vec<Document>> {
    let DocumentKey::Subtask(id) = key else { return None };
    let Some((run, position)) = state.subtask(id) else { return Some(Vec::new()) };
    let path = format!("orchestrator/subtasks/{id}.json");
    Some(vec![json_file(path, &SubtaskFile::of(run, position))])
}

#[derive(Serialize)]
struct SubtaskFile<'a> {
    schema: &'static str,
    #[serde(flatten)]
    head: SubtaskHead<'a>,
    attempts: Vec<AttemptEntry<'a>>,
    retry_count: u32,
    retry_reason: Option<&'a str>,
    retry_modifications: Option<&'a str>,
    result: Option<ResultEntry<'a>>,
    orchestration_id: &'a str,
    stage: usize,
    /// The one whose place it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<&'a SubtaskId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip_reason: Option<&'a str>,
    why: &'a [Why],
}

impl<'a> SubtaskFile<'a> {
    fn of(run: &'a Orchestration, position: usize) -> Self {
        let subtask_run = &run.runs[position];
        let retry = subtask_run.retry.as_ref();
        let (result, failure, skip_reason) = match &subtask_run.phase {
            SubtaskPhase::Completed { attempt_id, result, .. } => {
                (Some(ResultEntry { result, attempt_id }), None, None)
            }
            SubtaskPhase::Blocked { failure, .. }
            | SubtaskPhase::NotCompensated { failure, .. } => (None, Some(failure), None),
            SubtaskPhase::Skipped { reason, .. } => (None, None, Some(reason.as_str())),
            SubtaskPhase::Pending
            | SubtaskPhase::BackingOff { .. }
            | SubtaskPhase::InAttempt
            | SubtaskPhase::Revising { .. }
            | SubtaskPhase::Replaced { .. }
            | SubtaskPhase::Undoing { .. }
            | SubtaskPhase::Compensated { .. }
            | SubtaskPhase::Cancelled { .. } => (None, None, None),
        };
        Self {
            schema: "baton/subtask@1",
            head: SubtaskHead::of(run, position),
            orchestration_id: run.id.as_str(),
            stage: run.stage_of(position),
            replaces: run.replaces(position).map(|at| &run.plan.subtasks[at].subtask_id),
            attempts: subtask_run.attempts.iter().map(AttemptEntry::of).collect(),
            retry_count: retry.map_or(0, |r| r.retry_count),
            retry_reason: retry.map(|r| r.retry_reason.as_str()),
            retry_modifications: retry.map(|r| r.retry_modifications.as_str()),
            result,
            completed_at: completed_at(&subtask_run.phase),
            failure,
            skip_reason,
            why: &run.plan.subtasks[position].why,
        }
    }
}

/// The fields of S4-26, which a plan file holds too.
#[derive(Serialize)]
pub(super) struct SubtaskHead<'a> {
    subtask_id: &'a SubtaskId,
    parent_task_id: &'a TaskId,
    title: &'a str,
    description: &'a str,
    assigned_to: &'a AgentName,
    worker_type: &'a str,
    dependencies: &'a [SubtaskId],
    estimated_duration_minutes: u32,
    estimated_tokens: u32,
    files_affected: &'a [String],
    success_criteria: &'a str,
    deliverables: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    for_each: Option<&'a SubtaskId>,
    #[serde(skip_serializing_if = "Handling::is_default")]
    handling: &'a Handling,
    #[serde(skip_serializing_if = "Nature::is_default")]
    nature: &'a Nature,
    #[serde(skip_serializing_if = "Choice::is_empty")]
    choice: &'a Choice,
    status: SubtaskStatus,
    /// Those that took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<&'a [SubtaskId]>,
    created_at: Timestamp,
}

impl<'a> SubtaskHead<'a> {
    pub(super) fn of(run: &'a Orchestration, position: usize) -> Self {
        let subtask = &run.plan.subtasks[position];
        Self {
            subtask_id: &subtask.subtask_id,
            parent_task_id: &subtask.parent_task_id,
            title: &subtask.title,
            description: &subtask.description,
            assigned_to: run.agent_of(position),
            worker_type: &subtask.worker_type,
            dependencies: &subtask.dependencies,
            estimated_duration_minutes: subtask.estimated_duration_minutes,
            estimated_tokens: subtask.estimated_tokens,
            files_affected: &subtask.files_affected,
            success_criteria: &subtask.success_criteria,
            deliverables: &subtask.deliverables,
            for_each: subtask.for_each.as_ref(),
            handling: &subtask.handling,
            nature: &subtask.nature,
            choice: &subtask.choice,
            status: run.status(position),
            replaced_by: run.runs[position].replaced_by(),
            created_at: run.created_at.wall,
        }
    }
}

#[derive(Serialize)]
pub(super) struct AttemptEntry<'a> {
    pub(super) attempt: u32,
    attempt_id: &'a AttemptId,
    pub(super) agent: &'a AgentName,
    worker_id: &'a WorkerId,
    handed_off_at: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    pub(super) outcome: Option<&'static str>,
    reason: Option<&'a str>,
    /// Left out where it was to do the work.
    #[serde(skip_serializing_if = "Purpose::is_work")]
    purpose: Purpose,
}

impl<'a> AttemptEntry<'a> {
    pub(super) fn of(attempt: &'a Attempt) -> Self {
        let (ended_at, outcome, reason) = match &attempt.phase {
            AttemptPhase::Ended { at, end } => {
                let (outcome, reason) = end_words(end);
                (Some(at.wall), Some(outcome), reason)
            }
            AttemptPhase::Ending { reason, .. } => (None, None, Some(reason.as_str())),
            AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. } => (None, None, None),
        };
        Self {
            attempt: attempt.number,
            attempt_id: &attempt.id,
            agent: &attempt.agent,
            worker_id: &attempt.worker_id,
            handed_off_at: attempt.issued_at.wall,
            started_at: attempt.started.map(|started| started.at.wall),
            ended_at,
            outcome,
            reason,
            purpose: attempt.purpose,
        }
    }
}

/// Returns the word for how an attempt ended, and why where it did not deliver.
pub(super) fn end_words(end: &AttemptEnd) -> (&'static str, Option<&str>) {
    match end {
        AttemptEnd::Completed => ("completed", None),
        AttemptEnd::Failed { failure } => ("failed", Some(&failure.message)),
        AttemptEnd::Interrupted { reason } => ("interrupted", Some(reason)),
        AttemptEnd::Cancelled { reason } => ("cancelled", Some(reason)),
    }
}

#[derive(Serialize)]
struct ResultEntry<'a> {
    #[serde(flatten)]
    result: &'a SubtaskResult,
    attempt_id: &'a AttemptId,
}

fn completed_at(phase: &SubtaskPhase) -> Option<Timestamp> {
    match phase {
        SubtaskPhase::Completed { at, .. }
        | SubtaskPhase::Skipped { at, .. }
        | SubtaskPhase::Replaced { at, .. }
        | SubtaskPhase::Compensated { at }
        | SubtaskPhase::NotCompensated { at, .. }
        | SubtaskPhase::Cancelled { at } => Some(at.wall),
        SubtaskPhase::Pending
        | SubtaskPhase::BackingOff { .. }
        | SubtaskPhase::InAttempt
        | SubtaskPhase::Revising { .. }
        | SubtaskPhase::Undoing { .. }
        | SubtaskPhase::Blocked { .. } => None,
    }
}
