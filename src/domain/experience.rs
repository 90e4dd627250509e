//! What a directory has learned: who did what and how it went, and how plans fared.
//!
//! The state says it of work that Baton gave out; a plain file holds what people and programs
//! added, one JSON object a line. Only the latest are kept.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::agent::{Outcome, Remembered};
use super::plan::{
    DraftSubtask, Orchestration, OrchestrationPhase, RunKind, Strategy, Subtask, SubtaskPhase,
};
use super::report::{Category, ResultKind};
use super::state::State;
use super::task::Task;
use super::worker::{Attempt, AttemptEnd, AttemptPhase};

/// So many outcomes are kept in mind.
pub const OUTCOMES_MAX: usize = 20_000;
/// So many plans are kept in mind.
pub const PLANS_MAX: usize = 1_000;

/// Outcomes and plans, the oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Experience {
    /// Who did what, and how it went.
    pub outcomes: Vec<Remembered>,
    /// How plans fared.
    pub plans: Vec<PastPlan>,
}

/// A plan that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct PastPlan {
    /// The task that it was for.
    pub task_id: String,
    /// What was asked for: title and description of the task.
    pub request: String,
    /// How it fared.
    pub fate: Fate,
    /// Who asked for it, by number of the user, where it came as a file.
    pub owner: Option<u32>,
    /// The author's word for the kind of work.
    pub kind: Option<String>,
    /// What the author said beside the request.
    pub context: Map<String, Value>,
    /// Who drafted it.
    pub planner: String,
    /// How its steps followed each other.
    pub strategy: Strategy,
    /// Its steps.
    pub steps: Vec<PastStep>,
    /// When it ended, milliseconds since 1970.
    pub at_ms: i64,
}

/// One step of a plan that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct PastStep {
    /// The step as it could be drafted again, its dependencies by their ids.
    pub draft: DraftSubtask,
    /// Whether a person left it out.
    pub skipped: bool,
}

/// How a plan fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It was carried out as it was drafted.
    Accepted,
    /// Its author wrote it, or a person left a part of it out; it came to its goal.
    Edited,
    /// It did not come to its goal.
    Failed,
}

impl Fate {
    /// Returns its name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Fate::Accepted => "accepted",
            Fate::Edited => "edited",
            Fate::Failed => "failed",
        }
    }
}

/// A line of the file of what is added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// From when on things are remembered; what was before is forgotten.
    Forgotten {
        /// Milliseconds since 1970.
        forgotten_before_ms: i64,
    },
    /// An outcome.
    Remembered(Remembered),
}

impl Experience {
    /// Gathers what the state says.
    pub fn of(state: &State) -> Self {
        let mut runs: Vec<&Orchestration> = state.orchestrations.values().collect();
        runs.sort_unstable_by_key(|run| std::cmp::Reverse(run.accepted_seq));
        let latest = || runs.iter().copied();
        let outcomes = latest().flat_map(outcomes_of).take(OUTCOMES_MAX).collect();
        let past = |run: &Orchestration| past_plan(state.tasks.get(&run.task_id)?, run);
        let plans = latest().filter_map(past).take(PLANS_MAX).collect();
        Self { outcomes, plans }.latest()
    }

    /// Adds what the text of the file says, and forgets what it says is to be forgotten. A torn line
    /// costs only itself.
    pub fn with(mut self, file: &str) -> Self {
        let mut added = Vec::new();
        let mut since_ms = i64::MIN;
        for line in file.lines() {
            match serde_json::from_str(line) {
                Ok(Line::Forgotten { forgotten_before_ms }) => {
                    added.clear();
                    since_ms = forgotten_before_ms;
                }
                Ok(Line::Remembered(one)) => added.push(one),
                Err(_) => {}
            }
        }
        self.outcomes.retain(|one| one.at_ms.is_none_or(|at_ms| at_ms >= since_ms));
        self.plans.retain(|plan| plan.at_ms >= since_ms);
        self.outcomes.append(&mut added);
        self.latest()
    }

    fn latest(mut self) -> Self {
        self.outcomes.sort_by_key(|one| one.at_ms.unwrap_or(i64::MIN));
        self.plans.sort_by_key(|plan| plan.at_ms);
        keep_latest(&mut self.outcomes, OUTCOMES_MAX);
        keep_latest(&mut self.plans, PLANS_MAX);
        self
    }
}

fn keep_latest<T>(list: &mut Vec<T>, limit: usize) {
    let surplus = list.len().saturating_sub(limit);
    list.drain(..surplus);
}

/// Returns how the attempts of a run went: of its master, and of the specialist within it.
fn outcomes_of(run: &Orchestration) -> impl Iterator<Item = Remembered> + '_ {
    run.plan.subtasks.iter().enumerate().flat_map(move |(position, subtask)| {
        let attempts = run.runs[position].attempts.iter();
        attempts.flat_map(move |attempt| outcomes_of_attempt(run, position, subtask, attempt))
    })
}

fn outcomes_of_attempt(
    run: &Orchestration,
    position: usize,
    subtask: &Subtask,
    attempt: &Attempt,
) -> Vec<Remembered> {
    let AttemptPhase::Ended { at, end } = &attempt.phase else { return Vec::new() };
    let outcome = match end {
        AttemptEnd::Completed => Outcome::Success,
        // A disturbance from outside says nothing of whoever met it.
        AttemptEnd::Failed { failure } if failure.category == Category::Transient => {
            return Vec::new();
        }
        AttemptEnd::Failed { .. } => Outcome::Failure,
        // Somebody gave it to another one.
        AttemptEnd::Cancelled { .. } if run.agent_of(position) != &attempt.agent => Outcome::Edited,
        AttemptEnd::Cancelled { .. } | AttemptEnd::Interrupted { .. } => return Vec::new(),
    };
    if !attempt.purpose.is_work() {
        return Vec::new();
    }
    let phase = &run.runs[position].phase;
    // An order for the work is not the work.
    if phase.result().is_some_and(|result| result.kind == ResultKind::WorkOrder) {
        return Vec::new();
    }
    let tokens = if let SubtaskPhase::Completed { attempt_id, result, .. } = phase
        && *attempt_id == attempt.id
    {
        result.tokens_used
    } else {
        None
    };
    let at_ms = at.wall.as_ms();
    // Where nobody said when it began, it may have waited for most of the time.
    let minutes = attempt
        .started
        .filter(|_| outcome == Outcome::Success)
        .map(|started| (at_ms - started.at.wall.as_ms()).max(0) as f64 / 60_000.0);
    let one = |agent: &str| Remembered {
        request: said(&subtask.title, &subtask.description),
        agent: agent.to_owned(),
        outcome,
        kind: kind_of(subtask).to_owned(),
        minutes,
        tokens,
        at_ms: Some(at_ms),
    };
    let specialist = subtask.choice.specialist().filter(|name| *name != attempt.agent.as_str());
    std::iter::once(attempt.agent.as_str()).chain(specialist).map(one).collect()
}

/// Returns the kind of work of a subtask; its type of worker where nobody said.
fn kind_of(subtask: &Subtask) -> &str {
    if subtask.nature.kind.is_empty() { &subtask.worker_type } else { &subtask.nature.kind }
}

/// Puts title and description together, without saying the same twice.
pub fn said(title: &str, description: &str) -> String {
    if description.is_empty() || description == title {
        title.to_owned()
    } else {
        format!("{title}. {description}")
    }
}

fn past_plan(task: &Task, run: &Orchestration) -> Option<PastPlan> {
    let spec = &task.spec;
    let skipped =
        |position: usize| matches!(run.runs[position].phase, SubtaskPhase::Skipped { .. });
    let is_edited = || !spec.subtasks.is_empty() || (0..run.runs.len()).any(skipped);
    let (fate, at) = match &run.phase {
        OrchestrationPhase::Completed { at } if is_edited() => (Fate::Edited, at),
        OrchestrationPhase::Completed { at } => (Fate::Accepted, at),
        OrchestrationPhase::Failed { at, .. } | OrchestrationPhase::RolledBack { at, .. } => {
            (Fate::Failed, at)
        }
        OrchestrationPhase::InProgress
        | OrchestrationPhase::Paused { .. }
        | OrchestrationPhase::Compensating { .. }
        | OrchestrationPhase::Blocked(_)
        | OrchestrationPhase::Cancelled { .. } => return None,
    };
    // What was changed while it ran was changed for what went wrong then.
    if run.kind != RunKind::Planned || run.revision > 0 && fate != Fate::Failed {
        return None;
    }
    let step = |(position, subtask): (usize, &Subtask)| PastStep {
        draft: DraftSubtask {
            for_each: subtask.for_each.as_ref().map(ToString::to_string),
            dependencies: subtask.dependencies.iter().map(ToString::to_string).collect(),
            ..subtask.to_draft(&subtask.assigned_to)
        },
        skipped: skipped(position),
    };
    Some(PastPlan {
        task_id: run.task_id.to_string(),
        request: said(&spec.title, &spec.description),
        fate,
        owner: task.owner(),
        kind: spec.kind.clone(),
        context: spec.context.clone(),
        planner: run.plan.explanation.planner.clone(),
        strategy: run.plan.strategy,
        steps: run.plan.subtasks.iter().enumerate().map(step).collect(),
        at_ms: at.wall.as_ms(),
    })
}
