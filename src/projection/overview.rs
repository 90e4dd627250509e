//! `orchestrator/state/current.json`: how all planned runs stand. It says what the plan files say.

use serde::Serialize;

use crate::domain::document::{Document, DocumentKey};
use crate::domain::ids::{OrchestrationId, SubtaskId};
use crate::domain::plan::{Orchestration, OrchestrationPhase, RunKind, SubtaskPhase, SubtaskRun};
use crate::domain::worker::Attempt;
use crate::domain::{Event, Policy, State, Timestamp};

use super::plans::{active_subtasks, status_word};
use super::{Projection, Subject, json_file};

/// The one overview.
pub const OVERVIEW: Projection =
    Projection { name: "overview", touches, render, keys: |_| vec![DocumentKey::Overview] };

fn touches(state: &State, event: &Event) -> Vec<DocumentKey> {
    let of_daemon = matches!(event, Event::DaemonStarted { .. } | Event::DaemonStopped { .. });
    let of_plan = || Subject::of(event).run(state).is_some_and(|run| run.kind == RunKind::Planned);
    if of_daemon || of_plan() { vec![DocumentKey::Overview] } else { Vec::new() }
}

fn render(state: &State, _: &Policy, key: &DocumentKey) -> Option<Vec<Document>> {
    let DocumentKey::Overview = key else { return None };
    let counts = state.run_counts();
    let current: Vec<CurrentRun> =
        state.open_runs().filter(|run| run.kind == RunKind::Planned).map(CurrentRun::of).collect();
    let file = OverviewFile {
        schema: "baton/state@1",
        active_orchestrations: current.len(),
        total_orchestrations: counts.total,
        completed_orchestrations: counts.completed,
        failed_orchestrations: counts.failed,
        cancelled_orchestrations: counts.cancelled,
        current_orchestrations: current,
        last_update: state.at.map(|at| at.wall),
    };
    Some(vec![json_file("orchestrator/state/current.json".into(), &file)])
}

#[derive(Serialize)]
struct OverviewFile<'a> {
    schema: &'static str,
    active_orchestrations: usize,
    total_orchestrations: usize,
    completed_orchestrations: usize,
    failed_orchestrations: usize,
    cancelled_orchestrations: usize,
    current_orchestrations: Vec<CurrentRun<'a>>,
    last_update: Option<Timestamp>,
}

#[derive(Serialize)]
struct CurrentRun<'a> {
    orchestration_id: &'a OrchestrationId,
    status: &'static str,
    current_stage: usize,
    progress_percent: u32,
    active_subtasks: Vec<&'a SubtaskId>,
    health: &'static str,
    phase: &'static str,
}

impl<'a> CurrentRun<'a> {
    fn of(run: &'a Orchestration) -> Self {
        Self {
            orchestration_id: &run.id,
            status: status_word(&run.phase),
            current_stage: run.current_stage,
            progress_percent: run.progress_percent(),
            active_subtasks: active_subtasks(run),
            health: health(run),
            phase: run.operation_phase(),
        }
    }
}

/// Says how a run does: `stalled` while a worker of it makes no progress or is gone, `degraded`
/// while something in it is being tried again.
fn health(run: &Orchestration) -> &'static str {
    match run.phase {
        OrchestrationPhase::Blocked(_) => "blocked",
        OrchestrationPhase::Compensating { .. } => "degraded",
        OrchestrationPhase::InProgress
        | OrchestrationPhase::Paused { .. }
        | OrchestrationPhase::RolledBack { .. }
        | OrchestrationPhase::Completed { .. }
        | OrchestrationPhase::Failed { .. }
        | OrchestrationPhase::Cancelled { .. } => {
            let attempts = || run.runs.iter().filter_map(|run| run.attempts.last());
            if attempts().any(Attempt::is_zombie) {
                "stalled"
            } else if run.runs.iter().any(is_retried) {
                "degraded"
            } else {
                "healthy"
            }
        }
    }
}

fn is_retried(run: &SubtaskRun) -> bool {
    match run.phase {
        SubtaskPhase::BackingOff { .. }
        | SubtaskPhase::Revising { .. }
        | SubtaskPhase::Undoing { .. }
        | SubtaskPhase::NotCompensated { .. }
        | SubtaskPhase::Blocked { .. } => true,
        SubtaskPhase::Pending | SubtaskPhase::InAttempt => run.failures > 0,
        SubtaskPhase::Completed { .. }
        | SubtaskPhase::Replaced { .. }
        | SubtaskPhase::Compensated { .. }
        | SubtaskPhase::Skipped { .. }
        | SubtaskPhase::Cancelled { .. } => false,
    }
}
