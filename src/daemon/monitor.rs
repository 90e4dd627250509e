//! Finds out what became of workers that were launched: a delivered report beats every other sign.

use std::collections::BTreeSet;

use super::effects::Means;
use super::error::Chain;
use super::folder;
pub(super) use super::folder::Folder;
use super::output::{self, OutputEnd};
use super::process;
use crate::backend::{self, Finished};
use crate::config::Config;
use crate::domain::ids::{AgentName, AttemptId, WorkerId};
use crate::domain::plan::Subtask;
use crate::domain::report::{Category, Failure, Outcome, ReportFinding, ResultKind};
use crate::domain::worker::{Attempt, AttemptPhase, Execution, Exit};
use crate::domain::{Input, State};
use crate::intake;
use crate::store::Store;
use crate::store::layout;

/// So much of the end of a worker's output is looked at.
const OUTPUT_TAIL_BYTES: u64 = 4 * 1024;

/// Workers that are said to be over and are not told to the domain yet.
#[derive(Default)]
pub(super) struct Monitor {
    over: BTreeSet<WorkerId>,
}

impl Monitor {
    /// Notes that a worker is said to be over.
    pub(super) fn is_over(&mut self, worker_id: WorkerId) {
        self.over.insert(worker_id);
    }

    /// Looks at every worker that should run, because ends may have been missed. One whose process
    /// lives is not over: its folder need not be looked into.
    pub(super) fn suspect_all(&mut self, state: &State) {
        let launched = state.live_attempts().filter_map(|id| state.attempt(id));
        self.over.extend(
            launched
                .filter(|(_, _, attempt)| runs(attempt) && !lives(attempt))
                .map(|(_, _, attempt)| attempt.worker_id.clone()),
        );
    }

    /// Returns what has to be told about those that were noted. One whose start is not known to
    /// the domain yet is looked at again.
    pub(super) fn gather(&mut self, state: &State, means: &Means) -> Vec<Input> {
        let mut inputs = Vec::new();
        if self.over.is_empty() {
            return inputs;
        }
        let noted = std::mem::take(&mut self.over);
        for (run, position, attempt) in state.live_attempts().filter_map(|id| state.attempt(id)) {
            let subtask = &run.plan.subtasks[position];
            if !noted.contains(&attempt.worker_id) {
                continue;
            }
            if !runs(attempt) {
                self.over.insert(attempt.worker_id.clone());
                continue;
            }
            match look(&means.store, attempt) {
                Ok(folder) => {
                    let worker = Worker { attempt: attempt.clone(), subtask: subtask.clone() };
                    inputs.extend(told(means, &worker, folder));
                }
                Err(problem) => {
                    tracing::warn!(worker = %attempt.worker_id, problem, "cannot look at a worker");
                }
            }
        }
        inputs
    }
}

/// A worker that was launched, with all that its end is judged by.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    /// What it carries out.
    pub(super) attempt: Attempt,
    /// What it is to deliver.
    pub(super) subtask: Subtask,
}

impl Worker {
    /// Finds the worker of an attempt.
    pub(super) fn of(state: &State, id: &AttemptId) -> Option<Self> {
        let (run, position, attempt) = state.attempt(id)?;
        Some(Self { attempt: attempt.clone(), subtask: run.plan.subtasks[position].clone() })
    }
}

/// Looks into the folder of an attempt's worker.
///
/// # Errors
/// It cannot be read; the text is for a person.
pub(super) fn look(store: &Store, attempt: &Attempt) -> Result<Folder, String> {
    folder::inspect(store, &attempt.worker_id, &attempt.nonce)
        .map_err(|error| Chain(&error).to_string())
}

/// Says what a worker's folder means for the attempt. Facts that the domain has already may be
/// among it.
pub(super) fn told(means: &Means, worker: &Worker, folder: Folder) -> Vec<Input> {
    let attempt = &worker.attempt;
    let attempt_id = attempt.id.clone();
    match folder {
        Folder::Empty => match &attempt.phase {
            // Nothing in the folder is synced: a power cut may take what the journal knows of.
            AttemptPhase::Running { identity, .. } if !process::is_alive(identity) => {
                interrupted(means, worker, "its folder is gone and it runs no more")
            }
            AttemptPhase::Running { .. }
            | AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Ending { .. }
            | AttemptPhase::Ended { .. } => Vec::new(),
        },
        Folder::Alive(identity) => vec![Input::WorkerStarted { attempt_id, identity }],
        Folder::Done { identity, exit } => {
            let outcome = judge(means, attempt, exit, &Reported::read(means, worker));
            vec![
                Input::WorkerStarted { attempt_id: attempt_id.clone(), identity },
                Input::WorkerExited { attempt_id, exit, outcome },
            ]
        }
        Folder::Interrupted(_) => interrupted(means, worker, "it ended unseen and left no report"),
        Folder::Foreign => vec![Input::WorkerNotStarted {
            attempt_id,
            error: format!(
                "{} is left over from another life of this directory; move it away",
                layout::worker(&attempt.worker_id)
            ),
            transient: false,
        }],
    }
}

/// Says what became of a worker whose end nobody saw.
fn interrupted(means: &Means, worker: &Worker, reason: &str) -> Vec<Input> {
    delivered(means, worker).unwrap_or_else(|| {
        let attempt_id = worker.attempt.id.clone();
        vec![Input::WorkerInterrupted { attempt_id, reason: reason.to_owned() }]
    })
}

/// Says what a worker delivered whose end nobody saw; `None` when it left no report.
pub(super) fn delivered(means: &Means, worker: &Worker) -> Option<Vec<Input>> {
    let attempt = &worker.attempt;
    let reported = Reported::read(means, worker);
    reported.finding.as_ref()?;
    let outcome = judge(means, attempt, Exit::Unknown, &reported);
    let attempt_id = attempt.id.clone();
    Some(vec![Input::WorkerExited { attempt_id, exit: Exit::Unknown, outcome }])
}

/// Says what a worker of a master left that was stopped: what it had reported counts first.
pub(super) fn left_by_stranger(means: &Means, worker: &Worker) -> Vec<Input> {
    let reported = Reported::read(means, worker).finding;
    let attempt_id = worker.attempt.id.clone();
    let reason = "it was stopped".to_owned();
    let reported = reported.map(|finding| Input::ReportObserved { claim: None, finding });
    reported.into_iter().chain([Input::WorkerInterrupted { attempt_id, reason }]).collect()
}

/// Tells whether a worker left a report that can be read.
pub(super) fn has_reported(means: &Means, worker: &Worker) -> bool {
    Reported::read(means, worker).finding.is_some()
}

/// Returns what the successes of a master deliver.
pub(super) fn result_kind(config: &Config, agent: &AgentName) -> ResultKind {
    config.policy.masters.get(agent).map_or(ResultKind::Work, |master| master.result_kind)
}

fn runs(attempt: &Attempt) -> bool {
    match attempt.phase {
        AttemptPhase::Running { .. } => true,
        AttemptPhase::Ending { .. } => attempt.execution != Execution::External,
        AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Taken { .. }
        | AttemptPhase::Ended { .. } => false,
    }
}

fn lives(attempt: &Attempt) -> bool {
    match &attempt.phase {
        AttemptPhase::Running { identity, .. } => process::is_alive(identity),
        AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Taken { .. }
        | AttemptPhase::Ending { .. }
        | AttemptPhase::Ended { .. } => false,
    }
}

/// What a worker left to be judged by.
struct Reported {
    finding: Option<ReportFinding>,
    problem: Option<String>,
}

impl Reported {
    fn read(means: &Means, worker: &Worker) -> Self {
        let (store, workspace) = (&means.store, &means.config.workspace);
        match intake::reports::read_report(store, workspace, &worker.attempt, &worker.subtask) {
            Ok(finding) => Self { finding, problem: None },
            Err(problem) => Self { finding: None, problem: Some(problem.to_string()) },
        }
    }
}

fn judge(means: &Means, attempt: &Attempt, exit: Exit, reported: &Reported) -> Outcome {
    let Execution::Launched { backend: name } = &attempt.execution else {
        return unknown_backend("external");
    };
    let Some(backend) = backend::find(name) else { return unknown_backend(name) };
    let (output_bytes, output_tail) = output(&means.store, &attempt.worker_id);
    (backend.interpret)(&Finished {
        exit,
        report: reported.finding.as_ref(),
        report_problem: reported.problem.as_deref(),
        output_bytes,
        output_tail: &output_tail,
        result_kind: result_kind(&means.config, &attempt.agent),
        worker_id: &attempt.worker_id,
    })
}

fn unknown_backend(name: &str) -> Outcome {
    Outcome::Failure(Failure::new(
        Category::Blocker,
        format!("there is no backend {name:?} to judge its worker by"),
    ))
}

/// Returns how much a worker printed, and the end of it, also where it was printed before the last
/// rotation.
fn output(store: &Store, worker_id: &WorkerId) -> (u64, String) {
    let end = output::end_of(store, worker_id, OUTPUT_TAIL_BYTES).unwrap_or_else(|error| {
        tracing::warn!(worker = %worker_id, %error, "cannot read what a worker printed");
        OutputEnd::default()
    });
    (end.bytes, String::from_utf8_lossy(&end.tail).into_owned())
}
