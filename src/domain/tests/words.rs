//! What a machine without a world is told: plans, words about attempts, looks at workers.

use super::handling::handling;
use crate::domain::Input;
use crate::domain::evidence::{Breach, Evidence, Finding, Liveness, Seen, Sign, Watched};
use crate::domain::ids::{AttemptId, ClaimId, SubtaskId, WorkerId};
use crate::domain::input::Problem;
use crate::domain::moment::BootId;
use crate::domain::plan::{
    Complexity, Draft, DraftIds, DraftSubtask, Explanation, Handling, Range, RevisionOutcome,
    Strategy, Why, Workflow,
};
use crate::domain::report::{
    Category, Failure, Outcome, Report, ReportError, ReportFinding, ReportStatus, ResultKind,
    SubtaskResult,
};
use crate::domain::worker::{Exit, ProcessIdentity};

pub(super) const MASTERS: [&str; 4] = ["cicd", "development", "inventory", "security"];

/// Three numbers that a step makes its choices by.
pub(super) type Dice = [usize; 3];

/// A plan of a few steps that wait for some of those before them and share a few files.
pub(super) fn draft(count: usize, b: usize, c: usize) -> Draft {
    let bit = |value: usize, nth: usize| value >> (nth % 16) & 1 == 1;
    let id = |nth: usize| format!("auth-{:03}-step", nth + 1);
    let subtask = |nth: usize| DraftSubtask {
        subtask_id: id(nth),
        title: "a step".into(),
        description: "do it".into(),
        assigned_to: vec![MASTERS[(c / 3 + nth * (1 + b % 3)) % MASTERS.len()].into()],
        worker_type: "implementation".into(),
        dependencies: (0..nth)
            .filter(|on| bit(c, nth * 3 + on) && bit(b, nth + on))
            .map(id)
            .collect(),
        minutes: Range { low: 5, high: 10 },
        tokens: 1_000,
        files_affected: (0..3)
            .filter(|file| bit(b, nth + file * 2 + 3))
            .map(|file| ["src/a", "src/a/b.rs", "src/c.rs"][file].to_owned())
            .collect(),
        success_criteria: "it is done".into(),
        deliverables: Vec::new(),
        for_each: (0..nth).find(|on| c.is_multiple_of(5) && bit(b, nth * 5 + on)).map(id),
        handling: Handling {
            compensation: bit(b, nth * 3 + 1).then(|| "undo it".to_owned()),
            ..handling(b + nth)
        },
        nature: Default::default(),
        choice: Default::default(),
        why: Vec::new(),
    };
    Draft {
        goal: "all of it".into(),
        domains: Vec::new(),
        constraints: Vec::new(),
        success_criteria: vec!["it is done".into()],
        complexity: Complexity::Medium,
        strategy: [Strategy::Staged, Strategy::Adaptive, Strategy::Sequential][c % 3],
        workflow: Workflow::DecomposeFirst,
        confidence: 0.5,
        ids: if c.is_multiple_of(7) { DraftIds::Explicit } else { DraftIds::Slug("auth".into()) },
        subtasks: (0..count).map(subtask).collect(),
        stages: Vec::new(),
        explanation: Explanation::default(),
    }
}

/// Says anything about an attempt, whether or not it can be so.
pub(super) fn word_of_attempt(id: &AttemptId, [_, b, c]: Dice) -> Input {
    let attempt_id = id.clone();
    match c % 10 {
        0 => Input::HandoffPublished { attempt_id },
        1 => Input::HandoffTaken { attempt_id },
        2 => Input::HandoffLost { attempt_id },
        3 => Input::HandoffWithdrawn { attempt_id, in_time: b.is_multiple_of(2) },
        4 => Input::WorkerStarted { attempt_id, identity: identity() },
        5 => Input::WorkerNotStarted {
            attempt_id,
            error: "no program".into(),
            transient: b.is_multiple_of(2),
        },
        6 => Input::WorkerInterrupted { attempt_id, reason: "reboot".into() },
        7 => exited(attempt_id, Outcome::Failure(failure(b))),
        _ => exited(attempt_id, Outcome::Success(result(b))),
    }
}

pub(super) fn exited(attempt_id: AttemptId, outcome: Outcome) -> Input {
    Input::WorkerExited { attempt_id, exit: Exit::Unknown, outcome }
}

pub(super) fn reported(
    claim: Option<ClaimId>,
    subtask_id: SubtaskId,
    attempt_id: Option<AttemptId>,
    number: u32,
    status: ReportStatus,
    c: usize,
) -> Input {
    let newest = AttemptId::of(&subtask_id, number);
    let folder = WorkerId::of(attempt_id.as_ref().unwrap_or(&newest));
    let path = format!("workers/{folder}/report.json");
    let error = ReportError { category: Some(failure(c).category), message: "it broke".into() };
    let report = Report {
        subtask_id,
        attempt_id,
        status,
        summary: "said".into(),
        deliverables: Vec::new(),
        tokens_used: None,
        cost_usd: None,
        items: items(c),
        error: (status != ReportStatus::Success).then_some(error),
    };
    let missing = if c.is_multiple_of(9) { vec!["out.md".to_owned()] } else { Vec::new() };
    Input::ReportObserved {
        claim,
        finding: ReportFinding { report, path, digest: format!("{c}"), missing },
    }
}

pub(super) fn failure(c: usize) -> Failure {
    if c.is_multiple_of(13) {
        return Failure::new(Category::CodeError, "its time box is over");
    }
    let categories = [
        Category::Transient,
        Category::Transient,
        Category::CodeError,
        Category::DesignFlaw,
        Category::Blocker,
        Category::Critical,
    ];
    Failure::new(categories[c % categories.len()], "it broke")
}

/// A list of items, of none, or none at all.
pub(super) fn items(c: usize) -> Option<Vec<String>> {
    let item = |nth: usize| [" one ", "../two", "", "three\n3"][nth % 4].to_owned();
    (!c.is_multiple_of(3)).then(|| (0..c % 5).map(|nth| item(nth + c / 5)).collect())
}

/// What takes the place of a subtask, whether or not it can.
pub(super) fn revision(old: &SubtaskId, b: usize) -> RevisionOutcome {
    if b.is_multiple_of(4) {
        return RevisionOutcome::Refuse { reason: "no idea".into() };
    }
    let mut new = draft(1 + b % 3, b, b / 7).subtasks;
    for subtask in &mut new {
        // Now and then they bear ids that are taken.
        if !b.is_multiple_of(11) {
            let ids = std::iter::once(&mut subtask.subtask_id).chain(&mut subtask.dependencies);
            ids.for_each(|id| *id = format!("{old}-{}", &id[5..]));
        }
        subtask.for_each = None;
    }
    RevisionOutcome::Replace { subtasks: new, why: Why::new("test", "said so") }
}

pub(super) fn result(c: usize) -> SubtaskResult {
    SubtaskResult {
        kind: ResultKind::Work,
        summary: "done".into(),
        deliverables: Vec::new(),
        worker_id: "w".parse().unwrap(),
        tokens_used: None,
        cost_usd: None,
        items: items(c),
    }
}

pub(super) fn identity() -> ProcessIdentity {
    let host = "test".into();
    ProcessIdentity { host, boot_id: BootId(5), pid: 77, start_ticks: 9, pidfd_inode: None }
}

pub(super) fn problem(file: &str) -> Problem {
    Problem {
        file: file.into(),
        field: String::new(),
        message: "it is broken".into(),
        remedy: "mend it".into(),
    }
}

/// Says that a worker is some way, with or without a report, within limits or not.
pub(super) fn finding(id: AttemptId, b: usize, c: usize) -> Finding {
    let all =
        [Liveness::Healthy, Liveness::Quiet, Liveness::Suspect, Liveness::Stalled, Liveness::Gone];
    let breaches = [
        Breach::Silence { for_ms: 1 },
        Breach::Memory { bytes: 1 },
        Breach::Processes { count: 1 },
        Breach::Lingering { for_ms: 1 },
    ];
    let sign = if c.is_multiple_of(5) { Sign::Report } else { Sign::Output };
    let signs = vec![Seen { sign, ago_ms: 5, what: String::new() }];
    let evidence = Evidence { signs, verdict: "so it seems".into(), ..Evidence::default() };
    let breach = breaches.get(b / 5 % 9).copied();
    Finding { worker: Watched::Attempt(id), liveness: all[b % all.len()], evidence, breach }
}
