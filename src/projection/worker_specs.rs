//! `worker-specs/{active,completed,failed,zombie}/{worker_id}.json`: one worker that Baton
//! launches. Masters elsewhere write those of their own workers themselves.

use serde::Serialize;

use crate::domain::document::{Document, DocumentKey};
use crate::domain::evidence::{Evidence, Liveness, ProcessState, Seen, Sign, Standing};
use crate::domain::handoff::{handoff_path, report_path};
use crate::domain::ids::{AgentName, AttemptId, SubtaskId, TaskId, WorkerId};
use crate::domain::plan::{Orchestration, SubtaskRun};
use crate::domain::worker::{Attempt, AttemptEnd, AttemptPhase, Execution};
use crate::domain::{Event, Moment, Policy, State, Timestamp};

use super::subtasks::end_words;
use super::{Projection, Subject, json_file};

/// The specs of launched workers.
pub const WORKER_SPECS: Projection = Projection { name: "worker_specs", touches, render, keys };

/// The folders among which a spec moves.
const FOLDERS: [&str; 4] = ["active", "completed", "failed", "zombie"];

fn touches(state: &State, event: &Event) -> Vec<DocumentKey> {
    let Some(id) = Subject::of(event).attempt else { return Vec::new() };
    let attempt = state.attempt(id).map(|(_, _, attempt)| attempt);
    attempt.and_then(key).into_iter().collect()
}

fn keys(state: &State) -> Vec<DocumentKey> {
    let of_run = |run: &SubtaskRun| run.attempts.iter().filter_map(key).collect::<Vec<_>>();
    state.orchestrations.values().flat_map(|run| &run.runs).flat_map(of_run).collect()
}

fn key(attempt: &Attempt) -> Option<DocumentKey> {
    match attempt.execution {
        Execution::Launched { .. } => Some(DocumentKey::WorkerSpec(attempt.id.clone())),
        Execution::External => None,
    }
}

/// What is known of a living worker and not journalled, since it changes all the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// When it was looked at.
    pub at: Moment,
    /// When a sign of life was seen last, if one was.
    pub last_sign: Option<Moment>,
    /// How it is.
    pub liveness: Liveness,
    /// What that rests on.
    pub evidence: Evidence,
}

fn render(state: &State, _: &Policy, key: &DocumentKey) -> Option<Vec<Document>> {
    let DocumentKey::WorkerSpec(id) = key else { return None };
    Some(documents(state, id, None))
}

/// Returns the spec of a worker as [`render`](super::render) does, with what was seen of it last.
pub fn render_sampled(state: &State, id: &AttemptId, sample: &Sample) -> Vec<Document> {
    documents(state, id, Some(sample))
}

fn documents(state: &State, id: &AttemptId, sample: Option<&Sample>) -> Vec<Document> {
    let documents = state.attempt(id).and_then(|(run, position, attempt)| {
        let spec = WorkerSpec::of(run, position, attempt, sample)?;
        let path_in = |folder: &str| format!("worker-specs/{folder}/{}.json", attempt.worker_id);
        let folder = folder(attempt);
        let elsewhere = FOLDERS.iter().filter(|other| **other != folder);
        let absent = elsewhere.map(|other| Document::Absent { path: path_in(other) });
        Some(std::iter::once(json_file(path_in(folder), &spec)).chain(absent).collect())
    });
    documents.unwrap_or_default()
}

fn folder(attempt: &Attempt) -> &'static str {
    match &attempt.phase {
        AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Taken { .. }
        | AttemptPhase::Running { .. }
        | AttemptPhase::Ending { .. } => "active",
        AttemptPhase::Ended { end: AttemptEnd::Completed, .. } => "completed",
        AttemptPhase::Ended { .. } if attempt.is_given_up() => "zombie",
        AttemptPhase::Ended {
            end:
                AttemptEnd::Failed { .. }
                | AttemptEnd::Interrupted { .. }
                | AttemptEnd::Cancelled { .. },
            ..
        } => "failed",
    }
}

#[derive(Serialize)]
struct WorkerSpec<'a> {
    schema: &'static str,
    worker_id: &'a WorkerId,
    worker_type: &'a str,
    parent_master: &'a AgentName,
    task_id: &'a TaskId,
    subtask_id: &'a SubtaskId,
    attempt_id: &'a AttemptId,
    pid: Option<u32>,
    started_at: Option<Timestamp>,
    status: &'static str,
    last_heartbeat: Option<Timestamp>,
    resources: Resources,
    created_by: &'static str,
    created_at: Timestamp,
    backend: &'a str,
    handoff: String,
    report_to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Health<'a>>,
}

#[derive(Serialize)]
struct Resources {
    token_allocation: u32,
    time_limit_minutes: u32,
}

impl<'a> WorkerSpec<'a> {
    /// Describes a worker; `None` when a master elsewhere runs it.
    fn of(
        run: &'a Orchestration,
        position: usize,
        attempt: &'a Attempt,
        sample: Option<&'a Sample>,
    ) -> Option<Self> {
        let Execution::Launched { backend } = &attempt.execution else { return None };
        let subtask = &run.plan.subtasks[position];
        let (status, ended_at, reason) = match &attempt.phase {
            AttemptPhase::Issued | AttemptPhase::Published { .. } | AttemptPhase::Taken { .. } => {
                ("pending", None, None)
            }
            AttemptPhase::Running { .. } => ("running", None, None),
            AttemptPhase::Ending { reason, .. } => ("stopping", None, Some(reason.as_str())),
            AttemptPhase::Ended { at, end } => {
                let (status, reason) = end_words(end);
                let status = if attempt.is_given_up() { "zombie" } else { status };
                (status, Some(at.wall), reason)
            }
        };
        Some(Self {
            schema: "baton/worker-spec@1",
            worker_id: &attempt.worker_id,
            worker_type: &subtask.worker_type,
            parent_master: &attempt.agent,
            task_id: &run.task_id,
            subtask_id: &subtask.subtask_id,
            attempt_id: &attempt.id,
            pid: attempt.started.and_then(|started| started.pid),
            started_at: attempt.started.map(|started| started.at.wall),
            status,
            last_heartbeat: last_sign(attempt, sample),
            resources: Resources {
                token_allocation: subtask.estimated_tokens,
                time_limit_minutes: subtask.estimated_duration_minutes,
            },
            created_by: "orchestrator",
            created_at: attempt.issued_at.wall,
            backend,
            handoff: format!("{}.processed", handoff_path(run.kind, attempt, &subtask.subtask_id)),
            report_to: report_path(attempt),
            ended_at,
            reason,
            health: Health::of(attempt, sample),
        })
    }
}

/// Returns when a sign of life was seen last: by a sample, or else as far as the journal tells.
fn last_sign(attempt: &Attempt, sample: Option<&Sample>) -> Option<Timestamp> {
    let seen = sample.and_then(|sample| Some(sample.last_sign?.wall));
    let started = attempt.started.map(|started| started.at.wall);
    let judged = attempt.standing.as_deref().and_then(|standing| {
        let signs = standing.evidence.signs.iter();
        signs.map(|seen| before(standing.since, seen.ago_ms)).max()
    });
    // Whatever it ended with, it was there until then.
    let ended = match &attempt.phase {
        AttemptPhase::Ended { at, end: AttemptEnd::Completed } => Some(at.wall),
        AttemptPhase::Ended {
            end:
                AttemptEnd::Failed { .. }
                | AttemptEnd::Interrupted { .. }
                | AttemptEnd::Cancelled { .. },
            ..
        }
        | AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Taken { .. }
        | AttemptPhase::Running { .. }
        | AttemptPhase::Ending { .. } => None,
    };
    seen.into_iter().chain(started).chain(judged).chain(ended).max()
}

fn before(at: Moment, ago_ms: u64) -> Timestamp {
    let ago_ms = i64::try_from(ago_ms).unwrap_or(i64::MAX);
    Timestamp::from_ms(at.wall.as_ms().saturating_sub(ago_ms))
}

/// How a living worker is, and what that rests on.
#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    checked_at: Timestamp,
    last_progress: Option<Timestamp>,
    process: ProcessState,
    signs: Vec<SignEntry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_heartbeat: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    verdict: &'a str,
}

#[derive(Serialize)]
struct SignEntry<'a> {
    sign: Sign,
    last_seen: Timestamp,
    #[serde(skip_serializing_if = "str::is_empty")]
    what: &'a str,
}

impl<'a> Health<'a> {
    fn of(attempt: &'a Attempt, sample: Option<&'a Sample>) -> Option<Self> {
        if !attempt.is_live() {
            return None;
        }
        let judged =
            |standing: &'a Standing| (standing.since, standing.liveness, &standing.evidence);
        let (at, liveness, evidence) = sample
            .map(|sample| (sample.at, sample.liveness, &sample.evidence))
            .or_else(|| attempt.standing.as_deref().map(judged))?;
        let entry = |seen: &'a Seen| SignEntry {
            sign: seen.sign,
            last_seen: before(at, seen.ago_ms),
            what: &seen.what,
        };
        let signs: Vec<SignEntry<'_>> = evidence.signs.iter().map(entry).collect();
        let progress = signs.iter().filter(|seen| seen.sign.is_progress());
        Some(Self {
            status: liveness.as_str(),
            checked_at: at.wall,
            last_progress: progress.map(|seen| seen.last_seen).max(),
            process: evidence.process,
            signs,
            claimed_heartbeat: evidence.claimed_heartbeat.as_deref(),
            verdict: &evidence.verdict,
        })
    }
}
