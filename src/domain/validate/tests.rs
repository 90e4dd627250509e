//! What the validator refuses, in which words, and what it makes of the rest.

use std::collections::BTreeSet;

use super::*;
use crate::domain::ids::AgentName;
use crate::domain::plan::{
    Complexity, DraftIds, DraftSubtask, Explanation, Handling, OnFailure, Range, Strategy, Why,
    Workflow,
};

/// A valid subtask.
pub(super) fn subtask(id: &str, dependencies: &[&str]) -> DraftSubtask {
    DraftSubtask {
        subtask_id: id.into(),
        title: format!("Do {id}"),
        description: String::new(),
        assigned_to: vec!["development".into()],
        worker_type: "implementation".into(),
        dependencies: dependencies.iter().map(|on| (*on).into()).collect(),
        minutes: Range { low: 5, high: 10 },
        tokens: 1_000,
        files_affected: Vec::new(),
        success_criteria: "it is done".into(),
        deliverables: Vec::new(),
        for_each: None,
        handling: Handling::default(),
        nature: Default::default(),
        choice: Default::default(),
        why: Vec::new(),
    }
}

/// A draft of the author's.
pub(super) fn explicit(subtasks: Vec<DraftSubtask>) -> Draft {
    Draft {
        goal: "goal".into(),
        domains: vec!["development".into()],
        constraints: Vec::new(),
        success_criteria: Vec::new(),
        complexity: Complexity::Medium,
        strategy: Strategy::Staged,
        workflow: Workflow::DecomposeFirst,
        confidence: 0.5,
        ids: DraftIds::Explicit,
        subtasks,
        stages: Vec::new(),
        explanation: Explanation::default(),
    }
}

pub(super) fn task() -> TaskId {
    TaskId::parse("task-1").unwrap()
}

fn plan(draft: &Draft) -> Result<Plan, Vec<PlanError>> {
    validate(draft, &task(), &Policy::default(), &|_| false)
}

fn graph(edges: &[(&str, &[&str])]) -> Draft {
    explicit(edges.iter().map(|(id, on)| subtask(id, on)).collect())
}

fn with_stages(mut draft: Draft, stages: &[&[&str]]) -> Draft {
    draft.stages =
        stages.iter().map(|stage| stage.iter().map(|id| (*id).to_owned()).collect()).collect();
    draft
}

fn stages(plan: &Plan) -> Vec<Vec<&str>> {
    plan.stages.iter().map(|stage| stage.iter().map(SubtaskId::as_str).collect()).collect()
}

/// Checks that exactly these errors come out, by a part of each.
#[track_caller]
fn refused(draft: &Draft, expected: &[&str]) {
    let errors: Vec<String> = plan(draft).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, part) in errors.iter().zip(expected) {
        assert!(error.contains(part), "{error} does not say {part}");
    }
}

#[test]
fn graphs_that_cannot_run_are_refused() {
    refused(
        &graph(&[("a", &["c"]), ("b", &["a"]), ("c", &["b"]), ("d", &["a"])]),
        &[
            "subtask a: dependencies: a cycle, each waiting for the next: a -> c -> b -> a; leave out",
        ],
    );
    refused(
        &graph(&[("a", &["b"]), ("b", &["a"]), ("c", &["d"]), ("d", &["c"])]),
        &["a -> b -> a", "c -> d -> c"],
    );
    refused(&graph(&[("a", &["a"])]), &["subtask a: dependencies: it depends on itself"]);
    refused(
        &graph(&[("auth-001-design", &[]), ("b", &["auth-001-desing"])]),
        &["subtask b: dependencies: \"auth-001-desing\" is no subtask of this plan \
           (did you mean auth-001-design?); the subtasks are auth-001-design, b"],
    );
    refused(&graph(&[("a", &[]), ("a", &[])]), &["subtasks 1 and 2 of the plan both have this id"]);
    refused(&graph(&[]), &["the plan is empty; name at least one subtask"]);
    let names: Vec<String> = (0..11).map(|n| format!("s{n}")).collect();
    let chain = (0..11).map(|n| {
        let on: Vec<&str> = if n == 0 { Vec::new() } else { vec![&names[n - 1]] };
        subtask(&names[n], &on)
    });
    refused(
        &explicit(chain.collect()),
        &["stages: 11 stages, at most 10 are allowed; break it down"],
    );
}

#[test]
fn long_cycles_and_many_errors_are_cut_short() {
    let names: Vec<String> = (0..100).map(|n| format!("s{n}")).collect();
    let ring = (0..100).map(|n| subtask(&names[n], &[&names[(n + 1) % 100]]));
    refused(&explicit(ring.collect()), &["s0 -> s1 ->"]);
    let ring = (0..100).map(|n| subtask(&names[n], &[&names[(n + 1) % 100]]));
    let errors = plan(&explicit(ring.collect())).unwrap_err();
    assert!(errors[0].message.ends_with("-> s19 -> (80 more) -> s0"), "{}", errors[0].message);
    let bad = (0..100).map(|n| subtask(&names[n], &["?"]));
    let errors = plan(&explicit(bad.collect())).unwrap_err();
    assert_eq!(errors.len(), 51);
    assert_eq!(errors[50].message, "50 more errors are not listed");
}

#[test]
fn the_authors_stages_are_checked_and_kept() {
    let draft = || graph(&[("a", &[]), ("b", &[]), ("c", &["a"]), ("d", &["c", "b"])]);
    let kept = with_stages(draft(), &[&["b", "a"], &["c"], &["d"]]);
    assert_eq!(stages(&plan(&kept).unwrap()), [vec!["b", "a"], vec!["c"], vec!["d"]]);
    for (bad, expected) in [
        (
            &[&["a", "b"][..], &["c", "d"]][..],
            "subtask d: stages: it depends on c, which is in the same stage 2; move d to a later stage than c",
        ),
        (
            &[&["a", "b"], &["d"], &["c"]],
            "subtask d: stages: in stage 2 it depends on c of stage 3",
        ),
        (
            &[&["a"], &["c", "b"], &["d"]],
            "subtask b: stages: it waits for nothing and is in stage 2; move it to stage 1",
        ),
        (&[&["a", "b"], &["c"]], "subtask d: stages: it is in no stage"),
        (
            &[&["a", "b"], &["c", "a"], &["d"]],
            "subtask a: stages: it is in stage 1 and again in stage 2",
        ),
        (&[&["a", "b"], &["c"], &[], &["d"]], "stages: stage 3 is empty"),
        (
            &[&["a", "b"], &["c"], &["d", "cc"]],
            "stage 3 names \"cc\", which is no subtask of this plan (did you mean c?)",
        ),
    ] {
        refused(&with_stages(draft(), bad), &[expected]);
    }
    let cycle = graph(&[("a", &["b"]), ("b", &["a"])]);
    let errors = plan(&with_stages(cycle, &[&["a"], &["b"]])).unwrap_err();
    assert!(errors[0].message.contains("a -> b -> a"), "{errors:?}");
}

#[test]
fn every_subtask_is_checked() {
    type Spoil = fn(&mut DraftSubtask);
    let cases: &[(Spoil, &str)] = &[
        (|s| s.success_criteria = " ".into(), "subtask a: success_criteria: it is empty; say how"),
        (|s| s.title.clear(), "title: it is empty"),
        (|s| s.worker_type.clear(), "worker_type: it is empty"),
        (|s| s.assigned_to.clear(), "assigned_to: it has no master; name exactly one of cicd, dev"),
        (
            |s| s.assigned_to.push("security".into()),
            "it has several masters: development, security",
        ),
        (|s| s.assigned_to = vec!["secruity".into()], "no known master (did you mean security?)"),
        (|s| s.minutes.high = 31, "31 minutes, at most 30 are allowed; split it"),
        (|s| s.minutes = Range::default(), "it has no time box"),
        (|s| s.minutes = Range { low: 9, high: 8 }, "9-8 minutes run backwards"),
        (|s| s.tokens = 20_001, "20001 tokens, at most 20000 are allowed"),
        (|s| s.tokens = 0, "it has no token budget"),
        (
            |s| s.files_affected = ["a", "b", "c", "d"].map(String::from).into(),
            "4 files, at most 3",
        ),
        (|s| s.files_affected = vec!["../x".into()], "\"../x\" may leave the workspace"),
        (|s| s.files_affected = vec!["/etc/passwd".into()], "\"/etc/passwd\" leaves the workspace"),
        (|s| s.deliverables = vec!["~/x".into()], "deliverables: \"~/x\" leaves the workspace"),
        (|s| s.deliverables = vec!["a/../../b".into()], "may leave the workspace"),
        (|s| s.deliverables = vec!["a\0b".into()], "is no portable path"),
        (|s| s.deliverables = vec!["./".into()], "is the workspace itself"),
        (|s| s.deliverables = vec![String::new()], "is empty"),
    ];
    for (spoil, expected) in cases {
        let mut bad = subtask("a", &[]);
        spoil(&mut bad);
        refused(&explicit(vec![bad]), &[expected]);
    }
    let mut good = subtask("a", &[]);
    good.minutes.high = 30;
    good.tokens = 20_000;
    good.files_affected = ["./a", "a", "b//c", "d"].map(String::from).into();
    let plan = plan(&explicit(vec![good])).unwrap();
    assert_eq!(plan.subtasks[0].files_affected, ["a", "b/c", "d"]);
    assert_eq!(plan.subtasks[0].estimated_duration_minutes, 30);
}

#[test]
fn masters_that_take_no_parts_take_whole_tasks() {
    let mut policy = Policy::default();
    policy.masters.get_mut("development").unwrap().orchestration_enabled = false;
    let draft = explicit(vec![subtask("a", &[])]);
    let errors = validate(&draft, &task(), &policy, &|_| false).unwrap_err();
    assert!(errors[0].message.contains("orchestration is off for it"), "{errors:?}");
    assert!(validate_routed(&draft, &task(), &policy).is_ok());
}

#[test]
fn ids_are_unique_in_the_directory() {
    for (bad, expected) in [
        ("", "it is empty"),
        ("../x", "it must begin with a letter or a digit"),
        ("subtask-1", "the prefix `subtask-` is reserved"),
        ("a-attempt-2", "the ending `-attempt-N` is reserved"),
    ] {
        refused(&explicit(vec![subtask(bad, &[])]), &[expected]);
    }
    let taken = |ids: &[&str]| -> BTreeSet<String> { ids.iter().map(|id| (*id).into()).collect() };
    let named = |draft: &Draft, taken: &BTreeSet<String>| {
        validate(draft, &task(), &Policy::default(), &|id| taken.contains(id.as_str()))
    };
    let mut draft = graph(&[("auth-001-a", &[]), ("auth-002-b", &["auth-001-a"])]);
    let errors = named(&draft, &taken(&["auth-002-b"])).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "subtask auth-002-b: subtask_id: this id is in use in the directory; \
         choose another, e.g. auth-002-b-2"
    );
    draft.ids = DraftIds::Slug("auth".into());
    for (used, slug) in [
        (&[][..], "auth"),
        (&["auth-002-b"], "auth-2"),
        (&["auth-001-a", "auth-2-002-b"], "auth-3"),
    ] {
        let plan = named(&draft, &taken(used)).unwrap();
        let expected = [format!("{slug}-001-a"), format!("{slug}-002-b")];
        let ids: Vec<&str> = plan.subtasks.iter().map(|s| s.subtask_id.as_str()).collect();
        assert_eq!(ids, expected);
        assert_eq!(plan.subtasks[1].dependencies[0].as_str(), expected[0]);
    }
    draft.ids = DraftIds::Slug("other".into());
    let errors = named(&draft, &taken(&[])).unwrap_err();
    assert!(errors[0].message.contains("does not begin with the plan's slug other-"));
}

#[test]
fn subtasks_come_in_the_order_of_their_stages() {
    let draft = graph(&[("d", &["b"]), ("c", &[]), ("b", &["a"]), ("a", &[])]);
    let plan = plan(&draft).unwrap();
    assert_eq!(stages(&plan), [vec!["c", "a"], vec!["b"], vec!["d"]]);
    let order: Vec<&str> = plan.subtasks.iter().map(|s| s.subtask_id.as_str()).collect();
    assert_eq!(order, ["c", "a", "b", "d"]);
}

#[test]
fn oddities_are_warned_about() {
    let mut two = graph(&[("a", &[]), ("b", &[])]);
    two.subtasks[0].title = "Build and test it".into();
    two.subtasks[1].minutes.high = 21;
    two.confidence = f64::NAN;
    let plan_of_two = plan(&two).unwrap();
    assert_eq!(
        plan_of_two.explanation.warnings,
        [
            "2 subtasks are fewer than 3: perhaps one worker can do it whole",
            "more than 20 minutes may be too much for one subtask: b",
            "the title joins two things by \"and\", perhaps two subtasks: a",
        ]
    );
    assert_eq!(plan_of_two.confidence.to_bits(), 0);
    let eleven: Vec<DraftSubtask> = (0..11).map(|n| subtask(&format!("s{n}"), &[])).collect();
    let warnings = plan(&explicit(eleven)).unwrap().explanation.warnings;
    assert_eq!(warnings, ["11 subtasks are more than 10: perhaps it is several tasks"]);
}

#[test]
fn warnings_and_reasons_name_the_ids_of_the_plan() {
    let mut draft = graph(&[("auth-1", &[]), ("auth-2", &["auth-1"])]);
    draft.ids = DraftIds::Slug("auth".into());
    draft.subtasks[0].minutes.high = 21;
    draft.subtasks[1].why = vec![Why::new("order", "waits for auth-1: it says then")];
    let is_taken = |id: &SubtaskId| id.as_str() == "auth-1";
    let task_id = TaskId::parse("t").unwrap();
    let plan = validate(&draft, &task_id, &Policy::default(), &is_taken).unwrap();
    assert!(plan.explanation.warnings[1].ends_with(": auth-2-1"), "{:?}", plan.explanation);
    assert_eq!(plan.subtasks[1].why[0].evidence, "waits for auth-2-1: it says then");
}

#[test]
fn estimates_follow_the_strategy() {
    let mut draft =
        graph(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b"]), ("e", &["d", "c"])]);
    for (at, high) in [(1, 20), (2, 30), (3, 10)] {
        draft.subtasks[at].minutes = Range { low: high - 5, high };
    }
    draft.subtasks[2].assigned_to = vec!["security".into()];
    for (strategy, expected) in [
        (Strategy::Staged, "40-60 minutes"),
        (Strategy::Adaptive, "35-50 minutes"),
        (Strategy::Sequential, "55-80 minutes"),
    ] {
        draft.strategy = strategy;
        assert_eq!(plan(&draft).unwrap().estimate.duration_estimate, expected);
    }
    let estimate = plan(&draft).unwrap().estimate;
    let masters: Vec<&str> = estimate.masters.iter().map(AgentName::as_str).collect();
    assert_eq!(masters, ["development", "security"]);
    assert_eq!((estimate.total_subtasks, estimate.workers), (5, 5));
    assert_eq!(estimate.token_estimate, 5_000);
    assert!(estimate.parallelization_possible);
    assert_eq!(
        estimate.bottlenecks,
        ["stage_1: b, c must wait for a", "stage_3: d must wait for b, c"]
    );
}

#[test]
fn a_whole_task_is_one_subtask_with_its_id() {
    let mut draft = explicit(vec![subtask("whatever", &[])]);
    draft.subtasks[0].minutes.high = 90;
    let plan = validate_routed(&draft, &task(), &Policy::default()).unwrap();
    assert_eq!(stages(&plan), [vec!["task-1"]]);
    assert_eq!(plan.subtasks[0].subtask_id.as_str(), "task-1");
    assert_eq!(plan.estimate.duration_estimate, "5-90 minutes");
    assert_eq!(plan.explanation.warnings, ["90 minutes are more than the 30 of one worker"]);
    draft.subtasks[0].dependencies.push("x".into());
    assert!(validate_routed(&draft, &task(), &Policy::default()).is_err());
    draft.subtasks.clear();
    assert!(validate_routed(&draft, &task(), &Policy::default()).is_err());
}

#[test]
fn what_is_said_about_failures_and_items_survives_under_the_ids_of_the_directory() {
    let mut draft = graph(&[("x-a", &[]), ("x-b", &[]), ("x-c", &["x-b"])]);
    draft.ids = DraftIds::Slug("x".into());
    draft.subtasks[2].for_each = Some("x-a".into());
    draft.subtasks[2].handling.on_failure = OnFailure::Skip;
    let taken = |id: &SubtaskId| id.as_str() == "x-b";
    let plan = validate(&draft, &task(), &Policy::default(), &taken).unwrap();
    let last = &plan.subtasks[2];
    assert_eq!(last.for_each.as_ref().map(SubtaskId::as_str), Some("x-2-a"));
    let needed: Vec<&str> = last.dependencies.iter().map(SubtaskId::as_str).collect();
    assert_eq!(needed, ["x-2-b", "x-2-a"], "it waits for what its items come from");
    assert_eq!(last.handling.on_failure, OnFailure::Skip);

    let mut bad = |at: usize, items_from: &str| {
        draft.subtasks[at].for_each = Some(items_from.into());
        refused_with(&draft)
    };
    assert!(bad(2, "x-d").contains("subtask x-c: for_each: \"x-d\" is no subtask of this plan"));
    assert!(bad(2, "x-c").contains("subtask x-c: for_each: it depends on itself"));
    assert!(bad(2, "x-a").is_empty());
    assert!(bad(1, "x-c").contains("a cycle, each waiting for the next: x-b -> x-c -> x-b"));
    draft.subtasks[1].for_each = None;
    draft.subtasks[0].handling.attempts_max = Some(0);
    assert!(refused_with(&draft).contains("subtask x-a: max_attempts: it may never be tried"));
    let mut whole = explicit(vec![subtask("whatever", &[])]);
    whole.subtasks[0].for_each = Some("other".into());
    let errors = validate_routed(&whole, &task(), &Policy::default()).unwrap_err();
    assert_eq!(errors[0].field, "for_each");
}

fn refused_with(draft: &Draft) -> String {
    let errors = plan(draft).err().unwrap_or_default();
    errors.iter().map(ToString::to_string).collect::<Vec<String>>().join("\n")
}

#[test]
fn five_thousand_subtasks_are_no_trouble() {
    let names: Vec<String> = (0..5_000).map(|n| format!("big-{n:04}")).collect();
    let wide = (0..5_000).map(|n| {
        // Ten levels of five hundred; each waits for three of the level above.
        let on: Vec<&str> = (0..3)
            .filter_map(|k| Some(names[(n as usize).checked_sub(500 + k)?].as_str()))
            .filter(|_| n >= 510)
            .collect();
        subtask(&names[n as usize], &on)
    });
    let mut draft = explicit(wide.collect());
    draft.ids = DraftIds::Slug("big".into());
    let taken = |id: &SubtaskId| id.as_str() == "big-4999" || id.as_str() == "big-2-4999";
    let plan = validate(&draft, &task(), &Policy::default(), &taken).unwrap();
    assert_eq!(plan.subtasks.len(), 5_000);
    assert!(plan.subtasks.iter().all(|s| s.subtask_id.as_str().starts_with("big-3-")));
    assert_eq!(plan.stages.len(), 10);
}
