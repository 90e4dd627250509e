//! What a life begins with: limits, masters, and tasks with their plans.

use baton::domain::Policy;
use baton::domain::ids::{AgentName, TaskId};
use baton::domain::plan::{
    Choice, Complexity, Draft, DraftIds, DraftOutcome, DraftSubtask, Explanation, Handling,
    OnFailure, Range, Ranked, Strategy, Why, Workflow,
};
use baton::domain::policy::{
    Backoff, CircuitPolicy, MasterPolicy, RecoveryPolicy, RetryPolicy, Supervision,
};
use baton::domain::report::ResultKind;
use baton::domain::task::{Priority, TaskSource, TaskSpec};
use baton::domain::worker::Execution;

use super::dice::Dice;

pub(super) const MASTERS: [&str; 5] = ["anna", "bert", "carl", "dora", "emil"];
const MINUTE_MS: u64 = 60_000;

/// A task, and what a planner makes of it.
pub(super) struct Order {
    pub(super) task_id: TaskId,
    pub(super) source: TaskSource,
    pub(super) spec: TaskSpec,
    pub(super) draft: DraftOutcome,
    /// Drafting it ends the daemon.
    pub(super) is_poison: bool,
    pub(super) dropped_at_ms: u64,
}

/// Limits that are reached often: few places, few attempts, short patience.
pub(super) fn policy(dice: &mut Dice) -> Policy {
    let mut policy =
        Policy { attempts_active_max: dice.between(1, 4) as usize, ..Policy::default() };
    let count = dice.between(3, 5) as usize;
    let launched = dice.between(1, count as u64 - 1) as usize;
    policy.masters =
        (0..count).map(|nth| (name(nth), master(dice, nth < launched, count))).collect();
    policy.retry = RetryPolicy {
        attempts_max: dice.between(1, 4) as u32,
        backoff: dice.pick(&[Backoff::Immediate, Backoff::Fixed, Backoff::Exponential]),
        initial_delay_ms: dice.pick(&[500, 1_000, 20_000]),
        backoff_factor: dice.between(2, 3) as u32,
        delay_ms_max: 60_000,
        jitter_percent_max: dice.pick(&[0, 10, 50]),
    };
    policy.recovery = RecoveryPolicy {
        same_failure_max: dice.between(2, 4) as u32,
        fallbacks_max: dice.below(3) as u32,
        replans_max: dice.below(2) as u32,
        interruptions_max: 2,
        splits: dice.happens(500),
        overdue_ms: 10 * MINUTE_MS,
    };
    policy.circuit = CircuitPolicy {
        failures_max: dice.pick(&[0, 2, 5]),
        cool_down_ms: MINUTE_MS,
        cool_down_ms_max: 10 * MINUTE_MS,
    };
    policy.supervision = Supervision {
        look_ms: dice.pick(&[MINUTE_MS, 2 * MINUTE_MS]),
        stall_after_ms: dice.pick(&[10, 20]) * MINUTE_MS,
        silence_ms: dice.pick(&[0, 30, 60]) * MINUTE_MS,
        time_box_ms: dice.pick(&[45, 120]) * MINUTE_MS,
        ..Supervision::default()
    };
    policy
}

pub(super) fn name(nth: usize) -> AgentName {
    AgentName::parse(MASTERS[nth % MASTERS.len()]).unwrap()
}

fn master(dice: &mut Dice, is_launched: bool, count: usize) -> MasterPolicy {
    MasterPolicy {
        execution: if is_launched {
            Execution::Launched { backend: "command".into() }
        } else {
            Execution::External
        },
        domains: vec!["development".into()],
        description: String::new(),
        attempts_active_max: dice.between(1, 3) as usize,
        result_kind: ResultKind::Work,
        orchestration_enabled: true,
        fallbacks: (0..dice.below(3)).map(|_| name(dice.place(count))).collect(),
        may_stop: dice.happens(300),
        starts_per_minute_max: if dice.happens(200) { dice.between(1, 4) as u32 } else { 0 },
        supervision: baton::domain::policy::SupervisionChanges::default(),
    }
}

/// One to four tasks, most of them plans of three to eight subtasks.
pub(super) fn orders(dice: &mut Dice, masters: usize) -> Vec<Order> {
    (0..dice.between(1, 4)).map(|nth| order(dice, nth as usize, masters)).collect()
}

fn order(dice: &mut Dice, nth: usize, masters: usize) -> Order {
    let id = format!("task-{}", ["a", "b", "c", "d"][nth]);
    let draft = match dice.below(10) {
        0 => DraftOutcome::Route(Box::new(draft(dice, &id, 1, masters))),
        1 if nth > 0 => DraftOutcome::Refuse {
            reason: "unclear".into(),
            remedy: "say more".into(),
            question: None,
        },
        _ => {
            let count = dice.between(3, 8) as usize;
            DraftOutcome::Plan(Box::new(draft(dice, &id, count, masters)))
        }
    };
    let priorities = [Priority::Critical, Priority::High, Priority::Medium, Priority::Low];
    let spec = TaskSpec {
        id: Some(id.clone()),
        title: format!("do {id}"),
        priority: dice.pick(&priorities),
        ..TaskSpec::default()
    };
    Order {
        task_id: TaskId::parse(&id).unwrap(),
        source: TaskSource::Queue { index: nth, fingerprint: format!("{nth:08x}"), has_id: true },
        spec,
        draft,
        is_poison: nth > 0 && dice.happens(60),
        dropped_at_ms: dice.below(5) * 20_000,
    }
}

/// A plan of a few steps that wait for some of those before them and share a few files.
fn draft(dice: &mut Dice, slug: &str, count: usize, masters: usize) -> Draft {
    let density = dice.pick(&[150, 350]);
    let subtasks = (0..count).map(|nth| subtask(dice, slug, nth, density, masters)).collect();
    Draft {
        goal: "all of it".into(),
        domains: Vec::new(),
        constraints: Vec::new(),
        success_criteria: vec!["it is done".into()],
        complexity: Complexity::Medium,
        strategy: dice.pick(&[Strategy::Staged, Strategy::Adaptive, Strategy::Sequential]),
        workflow: Workflow::DecomposeFirst,
        confidence: 0.5,
        ids: DraftIds::Slug(slug.to_owned()),
        subtasks,
        stages: Vec::new(),
        explanation: Explanation {
            verdict: "complex: it is split".into(),
            reasons: vec![Why::new("several steps", "it names several")],
            ..Explanation::default()
        },
    }
}

fn subtask(dice: &mut Dice, slug: &str, nth: usize, density: u64, masters: usize) -> DraftSubtask {
    let id = |nth: usize| format!("{slug}-{:03}-step", nth + 1);
    let on_failure = match dice.below(6) {
        0 => OnFailure::FailParent,
        1 => OnFailure::Skip,
        _ => OnFailure::Ask,
    };
    let dependencies: Vec<String> = (0..nth).filter(|_| dice.happens(density)).map(id).collect();
    let each = dependencies.first().filter(|_| dice.happens(150)).cloned();
    DraftSubtask {
        subtask_id: id(nth),
        title: "a step".into(),
        description: "do it".into(),
        assigned_to: vec![name(dice.place(masters)).as_str().to_owned()],
        worker_type: dice.pick(&["implementation", "test"]).into(),
        dependencies,
        minutes: Range { low: 5, high: 10 },
        tokens: 1_000,
        files_affected: (0..4)
            .filter(|_| dice.happens(200))
            .take(3)
            .map(|file| format!("src/{file}.rs"))
            .collect(),
        success_criteria: "it is done".into(),
        deliverables: if dice.happens(500) { vec![format!("out/{}.md", id(nth))] } else { vec![] },
        for_each: each,
        handling: Handling {
            on_failure,
            backoff: None,
            attempts_max: dice.happens(100).then(|| dice.between(1, 3) as u32),
            compensation: dice.happens(400).then(|| "undo it".to_owned()),
        },
        nature: Default::default(),
        choice: ranking(dice, masters),
        why: Vec::new(),
    }
}

/// Some plans rank masters, whoever has the step in the end.
fn ranking(dice: &mut Dice, masters: usize) -> Choice {
    let count = if dice.happens(300) { dice.between(1, 3) } else { 0 };
    let ranked = |dice: &mut Dice| Ranked {
        agent: name(dice.place(masters)).to_string(),
        capability_percent: 80,
        load_percent: None,
        perf_percent: None,
        reasons: Vec::new(),
    };
    Choice { masters: (0..count).map(|_| ranked(dice)).collect(), specialists: Vec::new() }
}
