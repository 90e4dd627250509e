//! `orchestrator/completions/{orchestration_id}.json` and `.md`: what came of a run that is over or
//! waits for a person, of a plan or routed whole.

mod conditions;
mod markdown;

use serde::Serialize;

use crate::domain::document::{Document, DocumentKey};
use crate::domain::ids::{AgentName, OrchestrationId, SubtaskId, TaskId, WorkerId};
use crate::domain::plan::{
    Orchestration, OrchestrationPhase, RunKind, Strategy, SubtaskPhase, SubtaskRun, SubtaskStatus,
};
use crate::domain::report::{ResultKind, SubtaskResult};
use crate::domain::worker::{Attempt, AttemptPhase};
use crate::domain::{Event, Moment, Policy, State, Timestamp};

use super::plans::{Actual, Ending, duration_ms, status_word, stopped_at};
use super::subtasks::AttemptEntry;
use super::{Projection, Subject, duration_text, json_file};
use conditions::Conditions;

/// The completion reports.
pub const COMPLETIONS: Projection = Projection {
    name: "completions",
    touches,
    render,
    keys: |state| state.orchestrations.values().filter(|run| is_reported(run)).map(key).collect(),
};

/// Returns where the report of a run is, relative to `coordination/`.
pub fn json_path(id: &OrchestrationId) -> String {
    format!("orchestrator/completions/{id}.json")
}

/// Returns where the same is for people, relative to `coordination/`.
pub fn markdown_path(id: &OrchestrationId) -> String {
    format!("orchestrator/completions/{id}.md")
}

fn touches(state: &State, event: &Event) -> Vec<DocumentKey> {
    let Some(run) = Subject::of(event).run(state) else { return Vec::new() };
    let goes_on = matches!(
        event,
        Event::OrchestrationResumed { .. }
            | Event::OrchestrationRetried { .. }
            | Event::CompensationStarted(..)
    );
    // While a run is blocked, and even when it is over, its last workers may still come to an end.
    if goes_on || is_reported(run) { vec![key(run)] } else { Vec::new() }
}

fn key(run: &Orchestration) -> DocumentKey {
    DocumentKey::Completion(run.id.clone())
}

fn is_reported(run: &Orchestration) -> bool {
    run.is_over() || matches!(run.phase, OrchestrationPhase::Blocked(_))
}

fn render(state: &State, _: &Policy, key: &DocumentKey) -> Option<Vec<Document>> {
    let DocumentKey::Completion(id) = key else { return None };
    let (json, markdown) = (json_path(id), markdown_path(id));
    let Some(run) = state.orchestrations.get(id).filter(|run| is_reported(run)) else {
        return Some(vec![Document::Absent { path: json }, Document::Absent { path: markdown }]);
    };
    let report = Completion::of(run);
    let body = markdown::write(run, &report);
    Some(vec![json_file(json, &report), Document::Replace { path: markdown, body }])
}

#[derive(Serialize)]
struct Completion<'a> {
    schema: &'static str,
    orchestration_id: &'a OrchestrationId,
    parent_task_id: &'a TaskId,
    task_title: &'a str,
    kind: RunKind,
    goal: &'a str,
    domains: &'a [String],
    strategy: Strategy,
    status: &'static str,
    created_at: Timestamp,
    #[serde(flatten)]
    ending: Ending<'a>,
    duration_ms: u64,
    duration: String,
    agents_coordinated: Vec<&'a AgentName>,
    result: RunResult,
    results: Results<'a>,
    conditions: Conditions,
    gaps: Vec<String>,
    retries: u32,
    parallel_efficiency_percent: Option<u64>,
    resource_actual: Actual,
    subtasks: Vec<SubtaskEntry<'a>>,
    next_steps: Vec<String>,
}

impl<'a> Completion<'a> {
    fn of(run: &'a Orchestration) -> Self {
        let subtasks: Vec<SubtaskEntry> =
            (0..run.runs.len()).map(|position| SubtaskEntry::of(run, position)).collect();
        let duration_ms = duration_ms(run).unwrap_or(0);
        Self {
            schema: "baton/completion@1",
            orchestration_id: &run.id,
            parent_task_id: &run.task_id,
            task_title: &run.title,
            kind: run.kind,
            goal: &run.plan.goal,
            domains: &run.plan.domains,
            strategy: run.plan.strategy,
            status: status_word(&run.phase),
            created_at: run.created_at.wall,
            ending: Ending::of(&run.phase),
            duration_ms,
            duration: duration_text(duration_ms),
            agents_coordinated: agents(run),
            result: result_of(run),
            results: Results::of(run),
            conditions: Conditions::of(run),
            gaps: gaps(run),
            retries: run.retries,
            parallel_efficiency_percent: parallel_efficiency_percent(run),
            resource_actual: Actual::of(run),
            next_steps: next_steps(run, &subtasks),
            subtasks,
        }
    }
}

/// What a run delivered as a whole.
#[derive(Debug, Serialize)]
pub(super) struct RunResult {
    /// `None` when nothing was delivered.
    pub(super) kind: Option<ResultKind>,
    pub(super) summary: String,
}

/// Sums up what was delivered; where any of it is an order for work, the whole is one.
pub(super) fn result_of(run: &Orchestration) -> RunResult {
    let results: Vec<&SubtaskResult> =
        run.runs.iter().filter_map(|run| run.phase.result()).collect();
    let orders = results.iter().filter(|result| result.kind == ResultKind::WorkOrder).count();
    let kind = match (results.is_empty(), orders) {
        (true, _) => None,
        (false, 0) => Some(ResultKind::Work),
        (false, 1..) => Some(ResultKind::WorkOrder),
    };
    let summary = match (run.kind, results.as_slice()) {
        (RunKind::Routed, [only]) if orders == 0 => only.summary.clone(),
        (RunKind::Routed, [only]) => {
            format!("A work order, not the work itself: {}", only.summary)
        }
        (RunKind::Routed | RunKind::Planned, _) => {
            let mut text = format!("{} of {} subtasks completed.", results.len(), total(run));
            if orders > 0 {
                let all = if orders == results.len() { "All" } else { "Some" };
                text += &format!(
                    " {all} of them ({orders}) delivered work orders, not code: the work itself \
                     is still to be done."
                );
            }
            text
        }
    };
    RunResult { kind, summary }
}

/// Counts the subtasks of a run without those whose place others took.
pub(super) fn total(run: &Orchestration) -> usize {
    run.runs.iter().filter(|run| !run.is_replaced()).count()
}

#[derive(Serialize)]
struct Results<'a> {
    total: usize,
    completed: usize,
    skipped: usize,
    /// Those whose place others took; they are not among the total.
    replaced: usize,
    compensated: usize,
    /// Those that could not be undone.
    not_compensated: usize,
    deliverables: Vec<&'a str>,
}

impl<'a> Results<'a> {
    fn of(run: &'a Orchestration) -> Self {
        let delivered = || run.runs.iter().filter_map(|run| run.phase.result());
        let is_skipped = |run: &&SubtaskRun| matches!(run.phase, SubtaskPhase::Skipped { .. });
        let is_undone = |run: &&SubtaskRun| matches!(run.phase, SubtaskPhase::Compensated { .. });
        let is_kept = |run: &&SubtaskRun| matches!(run.phase, SubtaskPhase::NotCompensated { .. });
        Self {
            total: total(run),
            completed: delivered().count(),
            skipped: run.runs.iter().filter(is_skipped).count(),
            replaced: run.runs.len() - total(run),
            compensated: run.runs.iter().filter(is_undone).count(),
            not_compensated: run.runs.iter().filter(is_kept).count(),
            deliverables: delivered()
                .flat_map(|result| &result.deliverables)
                .map(String::as_str)
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct SubtaskEntry<'a> {
    subtask_id: &'a SubtaskId,
    title: &'a str,
    stage: usize,
    status: SubtaskStatus,
    assigned_to: &'a AgentName,
    /// Who delivered it.
    done_by: Option<&'a AgentName>,
    worker_id: Option<&'a WorkerId>,
    dependencies: &'a [SubtaskId],
    /// Those that took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<&'a [SubtaskId]>,
    duration_ms: Option<u64>,
    retries: u32,
    output: Option<Output<'a>>,
    attempts: Vec<AttemptEntry<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    kind: ResultKind,
    summary: &'a str,
    deliverables: &'a [String],
}

impl<'a> SubtaskEntry<'a> {
    fn of(run: &'a Orchestration, position: usize) -> Self {
        let subtask = &run.plan.subtasks[position];
        let subtask_run = &run.runs[position];
        let result = subtask_run.phase.result();
        let worker_id = result.map(|result| &result.worker_id);
        let by = |attempt: &&Attempt| Some(&attempt.worker_id) == worker_id;
        Self {
            subtask_id: &subtask.subtask_id,
            title: &subtask.title,
            stage: run.stage_of(position),
            status: run.status(position),
            assigned_to: run.agent_of(position),
            done_by: subtask_run.attempts.iter().find(by).map(|attempt| &attempt.agent),
            worker_id,
            dependencies: &subtask.dependencies,
            replaced_by: subtask_run.replaced_by(),
            duration_ms: span(run, &subtask_run.attempts).map(|(from, to)| to - from),
            retries: subtask_run.retry.as_ref().map_or(0, |retry| retry.retry_count),
            output: result.map(|result| Output {
                kind: result.kind,
                summary: &result.summary,
                deliverables: &result.deliverables,
            }),
            attempts: subtask_run.attempts.iter().map(AttemptEntry::of).collect(),
        }
    }
}

/// Lists every agent that was given anything, in order of first use.
fn agents(run: &Orchestration) -> Vec<&AgentName> {
    let mut attempts: Vec<&Attempt> = run.runs.iter().flat_map(|run| &run.attempts).collect();
    attempts.sort_by_key(|attempt| attempt.issued_at.elapsed_ms(&run.created_at));
    let mut agents = Vec::new();
    for attempt in attempts {
        if !agents.contains(&&attempt.agent) {
            agents.push(&attempt.agent);
        }
    }
    agents
}

/// Returns from when to when an attempt was worked at, in milliseconds since the run began.
fn interval(run: &Orchestration, attempt: &Attempt) -> Option<(u64, u64)> {
    let AttemptPhase::Ended { at, .. } = &attempt.phase else { return None };
    let from = attempt.started.map_or(attempt.issued_at, |started| started.at);
    let since_start = |moment: &Moment| moment.elapsed_ms(&run.created_at);
    Some((since_start(&from), since_start(at).max(since_start(&from))))
}

/// Returns from when to when any of these attempts was worked at.
fn span<'a>(
    run: &Orchestration,
    attempts: impl IntoIterator<Item = &'a Attempt>,
) -> Option<(u64, u64)> {
    attempts
        .into_iter()
        .filter_map(|attempt| interval(run, attempt))
        .reduce(|(from, to), (next_from, next_to)| (from.min(next_from), to.max(next_to)))
}

/// Returns the time workers were busy per hundred of what they could have been: the time from the
/// first start to the last end, times the widest stage. `None` when nothing was timed.
fn parallel_efficiency_percent(run: &Orchestration) -> Option<u64> {
    let attempts = || run.runs.iter().flat_map(|run| &run.attempts);
    let busy_ms: u64 =
        attempts().filter_map(|attempt| interval(run, attempt)).map(|(from, to)| to - from).sum();
    let (from, to) = span(run, attempts())?;
    let width = match run.plan.strategy {
        Strategy::Sequential => 1,
        Strategy::Staged | Strategy::Adaptive => {
            run.plan.stages.iter().map(Vec::len).max().unwrap_or(1) as u64
        }
    };
    let possible_ms = (to - from).saturating_mul(width.max(1));
    (possible_ms > 0).then(|| (busy_ms.saturating_mul(100) / possible_ms).min(100))
}

/// Says of every subtask without an output why there is none.
fn gaps(run: &Orchestration) -> Vec<String> {
    let gap = |position: usize| {
        let id = &run.plan.subtasks[position].subtask_id;
        let subtask_run = &run.runs[position];
        match &subtask_run.phase {
            SubtaskPhase::Completed { result, .. } => {
                (!result.has_output()).then(|| format!("{id} reported neither a summary nor files"))
            }
            SubtaskPhase::Skipped { reason, .. } => Some(format!("{id} was left out: {reason}")),
            SubtaskPhase::Blocked { failure, .. } => {
                Some(format!("{id} is not done: {}", failure.message))
            }
            SubtaskPhase::Cancelled { .. } if !subtask_run.attempts.is_empty() => {
                Some(format!("{id} is not done: it ended with the run"))
            }
            SubtaskPhase::Cancelled { .. } => Some(format!("{id} was never begun")),
            SubtaskPhase::Pending | SubtaskPhase::BackingOff { .. } => {
                Some(format!("{id} is not done: it waits"))
            }
            SubtaskPhase::InAttempt => Some(format!("{id} is not done: it is under way")),
            SubtaskPhase::Revising { .. } => Some(format!("{id} is not done: it is planned again")),
            SubtaskPhase::Replaced { .. } => None,
            SubtaskPhase::Undoing { .. } => Some(format!("{id} is being undone")),
            SubtaskPhase::Compensated { .. } => Some(format!("{id} was undone")),
            SubtaskPhase::NotCompensated { failure, .. } => {
                Some(format!("{id} could not be undone: {}", failure.message))
            }
        }
    };
    (0..run.runs.len()).filter_map(gap).collect()
}

fn next_steps(run: &Orchestration, subtasks: &[SubtaskEntry<'_>]) -> Vec<String> {
    let mut steps = Vec::new();
    match &run.phase {
        OrchestrationPhase::Blocked(escalation) => {
            steps.push(escalation.escalation.clone());
            steps.extend(escalation.options.iter().cloned());
        }
        OrchestrationPhase::Failed { .. }
        | OrchestrationPhase::RolledBack { .. }
        | OrchestrationPhase::Cancelled { .. } => {
            steps.push(format!("To run what is not done again: baton retry {}", run.task_id));
        }
        OrchestrationPhase::Completed { .. }
        | OrchestrationPhase::InProgress
        | OrchestrationPhase::Compensating { .. }
        | OrchestrationPhase::Paused { .. } => {}
    }
    let is_order = |entry: &&SubtaskEntry| {
        entry.output.as_ref().is_some_and(|output| output.kind == ResultKind::WorkOrder)
    };
    let orders = subtasks.iter().filter(is_order).filter_map(|entry| entry.worker_id);
    steps
        .extend(orders.map(|worker| format!("Carry out the work order workers/{worker}/brief.md")));
    let is_skipped = |entry: &&SubtaskEntry| {
        entry.status == SubtaskStatus::Skipped && entry.replaced_by.is_none()
    };
    let skipped = subtasks.iter().filter(is_skipped);
    steps.extend(
        skipped.map(|entry| format!("Decide what becomes of {}, left out", entry.subtask_id)),
    );
    if stopped_at(&run.phase).is_some() && run.is_over() {
        let criteria = run.plan.success_criteria.iter();
        steps.extend(criteria.map(|criterion| format!("Check: {criterion}")));
    }
    steps
}
