//! What the planner makes of requests: one table a question, one `check` for all.

mod kinds;
mod properties;
mod said;
mod shapes;

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{Request, Surroundings, draft};
use crate::domain::Policy;
use crate::domain::ids::{AgentName, SubtaskId, TaskId};
use crate::domain::plan::{
    Complexity, DraftOutcome, DraftSubtask, Plan, Range, Strategy, Subtask, Workflow,
};
use crate::domain::task::TaskSpec;
use crate::domain::validate::{validate, validate_routed};

fn spec(text: &str) -> TaskSpec {
    let (title, description) = text.split_once('\n').unwrap_or((text, ""));
    TaskSpec { title: title.into(), description: description.into(), ..TaskSpec::default() }
}

fn with_context(title: &str, context: &Value) -> TaskSpec {
    TaskSpec { context: context.as_object().unwrap().clone(), ..spec(title) }
}

/// A request of which nothing else is known.
fn request(task: &TaskSpec) -> Request<'_> {
    static NOTHING: LazyLock<Surroundings> = LazyLock::new(Surroundings::default);
    Request { task, surroundings: &NOTHING }
}

/// Drafts and validates: whatever is drafted must be a plan.
#[track_caller]
fn planned(task: &TaskSpec, policy: &Policy) -> Result<(Plan, bool), (String, String)> {
    let task_id = TaskId::parse("task-1").unwrap();
    match draft(&request(task), policy) {
        DraftOutcome::Plan(draft) => match validate(&draft, &task_id, policy, &|_| false) {
            Ok(plan) => Ok((plan, true)),
            Err(errors) => panic!("{}: {errors:#?}", task.title),
        },
        DraftOutcome::Route(draft) => match validate_routed(&draft, &task_id, policy) {
            Ok(plan) => Ok((plan, false)),
            Err(errors) => panic!("{}: {errors:#?}", task.title),
        },
        DraftOutcome::Refuse { reason, remedy, .. } => Err((reason, remedy)),
    }
}

/// Checks the graph: one `id(master) < dependencies` a line, in order; `-> master` if routed whole.
#[track_caller]
fn check(task: &TaskSpec, expected: &str) -> Plan {
    let (plan, split) = planned(task, &Policy::default()).unwrap();
    let line = |subtask: &Subtask| {
        let on: Vec<&str> = subtask.dependencies.iter().map(SubtaskId::as_str).collect();
        format!("{}({}) < {}", subtask.subtask_id, subtask.assigned_to, on.join(" "))
            .trim_end_matches([' ', '<'])
            .to_owned()
    };
    let actual = if split {
        plan.subtasks.iter().map(line).collect::<Vec<_>>().join("\n")
    } else {
        format!("-> {}", plan.subtasks[0].assigned_to)
    };
    let expected: Vec<&str> = expected.trim().lines().map(str::trim).collect();
    assert_eq!(actual, expected.join("\n"), "{}", task.title);
    plan
}

fn rules(plan: &Plan) -> Vec<&str> {
    plan.explanation.reasons.iter().map(|why| why.rule.as_str()).collect()
}

#[test]
fn simple_requests_go_whole_to_the_master_of_their_field() {
    for (request, master) in [
        ("Scan repository for security vulnerabilities", "security"),
        ("Fix bug in dashboard/server/index.js line 42", "development"),
        ("List all repositories in the portfolio", "inventory"),
        ("Deploy the app to staging", "cicd"),
        ("fix typo in README", "development"),
        ("Rename getUser to fetchUser in src/api.ts", "development"),
        ("What does the scheduler module do?", "development"),
        ("Show me the system status", "inventory"),
        ("Review pull request #12", "development"),
        ("Update login and test pages", "development"),
        ("Run a basic security scan on package.json and create a report at a/b.txt", "security"),
    ] {
        let plan = check(&spec(request), &format!("-> {master}"));
        assert_eq!(plan.complexity, Complexity::Low);
        assert!(rules(&plan).contains(&"S4-05 single domain"), "{request}: {:?}", rules(&plan));
    }
    let plan = check(&spec("Fix bug in dashboard/server/index.js line 42"), "-> development");
    let subtask = &plan.subtasks[0];
    assert_eq!(subtask.subtask_id.as_str(), "task-1");
    assert_eq!(subtask.files_affected, ["dashboard/server/index.js"]);
    assert_eq!(subtask.worker_type, "implementation");
}

#[test]
fn the_authentication_example_has_the_shape_of_the_seed() {
    for (request, audit, docs) in [
        ("Add authentication system with security audit and documentation", true, true),
        ("Add authentication system with security audit and docs", true, true),
        ("Add authentication system with security audit", true, false),
    ] {
        let mut expected = "auth-001-design(development)
            auth-002-backend(development) < auth-001-design
            auth-003-frontend(development) < auth-001-design
            auth-004-tests(development) < auth-002-backend auth-003-frontend"
            .to_owned();
        if audit {
            expected += "\nauth-005-security(security) < auth-004-tests";
        }
        if docs {
            expected += "\nauth-006-docs(development) < auth-005-security";
        }
        check(&spec(request), &expected);
    }
    let request = "Add authentication system with security audit and documentation";
    let (plan, _) = planned(&spec(request), &Policy::default()).unwrap();
    let stages: Vec<usize> = plan.stages.iter().map(Vec::len).collect();
    assert_eq!(stages, [1, 2, 1, 1, 1]);
    assert_eq!(plan.estimate.duration_estimate, "65-90 minutes");
    assert_eq!(plan.estimate.token_estimate, 75_000);
    let masters: Vec<&str> = plan.estimate.masters.iter().map(AgentName::as_str).collect();
    assert_eq!(masters, ["development", "security"]);
    assert_eq!(plan.domains, ["development", "testing", "security", "docs"]);
    assert_eq!((plan.complexity, plan.workflow), (Complexity::High, Workflow::PlanThenBuild));
    let kinds: Vec<(&str, usize)> =
        plan.subtasks.iter().map(|s| (s.worker_type.as_str(), s.files_affected.len())).collect();
    let (implementation, audit) = (("implementation", 2), ("audit", 0));
    let ends = [("test", 1), audit, ("documentation", 1)];
    assert_eq!(kinds[..3], [("planner", 1), implementation, implementation]);
    assert_eq!(kinds[3..], ends);
    for rule in
        ["S4-10 several domains", "S4-11 entire systems", "S4-13 time", "S4-14 several masters"]
    {
        assert!(rules(&plan).contains(&rule), "{rule}: {:?}", rules(&plan));
    }
    assert_eq!(plan.explanation.thresholds["files_max"], 3);
    assert!(plan.subtasks.iter().all(|s| s.why.len() >= 2 + s.dependencies.len()));
}

#[test]
fn complex_examples_become_the_graphs_of_the_seeds() {
    check(
        &spec("Perform comprehensive code review of auth module"),
        "auth-001-style(development)
         auth-002-security(security) < auth-001-style
         auth-003-performance(development) < auth-001-style
         auth-004-aggregate(development) < auth-002-security auth-003-performance",
    );
    check(
        &spec("Refactor API layer, update tests, and deploy"),
        "api-001-refactor(development)
         api-002-tests(development) < api-001-refactor
         api-003-deploy(cicd) < api-002-tests",
    );
    check(
        &spec("Build new feature: design → implement → test → audit → document"),
        "feature-001-design(development)
         feature-002-implement(development) < feature-001-design
         feature-003-tests(development) < feature-002-implement
         feature-004-security(security) < feature-003-tests
         feature-005-docs(development) < feature-004-security",
    );
    check(
        &spec("Build a chat platform"),
        "chat-001-design(development)
         chat-002-backend(development) < chat-001-design
         chat-003-frontend(development) < chat-001-design
         chat-004-tests(development) < chat-002-backend chat-003-frontend",
    );
}

#[test]
fn words_of_order_become_dependencies() {
    let before = "parser-001-tests(development)
                  parser-002-refactor(development) < parser-001-tests";
    for request in [
        "Add tests for the parser before refactoring it",
        "Before refactoring the parser, add tests",
        "After adding tests, refactor the parser",
        "Refactor the parser after the tests pass",
        "First add tests for the parser, then refactor it",
        "Add tests for the parser. Then refactor it.",
        "Add tests for the parser -> refactor it",
    ] {
        let task = spec(request);
        let (plan, _) = planned(&task, &Policy::default()).unwrap();
        let slug = plan.subtasks[0].subtask_id.as_str().split('-').next().unwrap().to_owned();
        check(&task, &before.replace("parser-", &format!("{slug}-")));
        assert!(rules(&plan).contains(&"S4-12 sequential dependencies"), "{request}");
    }
    check(
        &spec("Run the security scan. Once the scan passes, deploy to staging"),
        "staging-001-scan(security)
         staging-002-deploy(cicd) < staging-001-scan",
    );
    check(
        &spec("Fix the flaky login test and bump the CI node version. These are independent."),
        "auth-001-fix(development)
         auth-002-change(cicd)",
    );
}

#[test]
fn lists_become_steps() {
    check(
        &spec("Release 1.2\n1. Bump version\n2. Update changelog\n3. Tag\n4. Publish"),
        "version-001-change(development)
         version-002-docs(development) < version-001-change
         version-003-merge(cicd) < version-002-docs
         version-004-deploy(cicd) < version-003-merge",
    );
    let boxes = "Parser work\n- [ ] Write unit tests\n- [x] Remove old code\n- [ ] Fix the parser\n\
                 Acceptance criteria:\n- every test passes";
    let plan = check(
        &spec(boxes),
        "parser-work-001-fix(development)
         parser-work-002-tests(development) < parser-work-001-fix",
    );
    assert_eq!(plan.success_criteria, ["every test passes"]);
    check(
        &spec(
            "Check the data (1) check for duplicates. (2) replace bad values (3) export the rest",
        ),
        "data-001-verify(development)
         data-002-change(development) < data-001-verify
         data-003-data(development) < data-002-change",
    );
}

#[test]
fn arrows_between_things_are_no_sequence() {
    let (plan, _) = planned(&spec("migrate REST -> GraphQL"), &Policy::default()).unwrap();
    let titles: Vec<&str> = plan.subtasks.iter().map(|s| s.title.as_str()).collect();
    assert!(titles.contains(&"Migrate REST -> GraphQL"), "{titles:?}");
    check(&spec("Scale the limits 1-3 → 25, 4-6 → 50"), "-> development");
}

#[test]
fn limits_are_no_steps() {
    let request = "Upgrade Django from 3.2 to 5.0 by Friday; don't break the public REST API; \
                   run the full test suite before you merge";
    let plan = check(
        &spec(request),
        "django-001-change(development)
         django-002-tests(development) < django-001-change
         django-003-merge(cicd) < django-002-tests",
    );
    assert_eq!(plan.constraints, ["by Friday", "don't break the public REST API"]);
    let request = "Do not touch the database; only update the docs for the /orders endpoint";
    let plan = check(&spec(request), "-> development");
    assert_eq!(plan.subtasks[0].title, "Update the docs for the /orders endpoint");
}

#[test]
fn thresholds_hold_on_both_sides() {
    for (text, fires) in [
        ("Fix the parser (estimated 29 minutes)", None),
        ("Fix the parser (estimated 30 minutes)", None),
        ("Fix the parser (estimated 31 minutes)", Some("S4-13 time")),
        ("Fix the parser, it takes 1 hour", Some("S4-13 time")),
        ("Fix the parser, estimated 20k tokens", None),
        ("Fix the parser, estimated 20,001 tokens", Some("S4-13 tokens")),
        ("Fix logs older than 90 minutes", None),
        ("Fix src/a.rs, src/b.rs and src/c.rs", None),
        ("Fix src/a.rs, src/b.rs, src/c.rs and src/d.rs", Some("S4-11 many files")),
        ("Fix the entire parser", Some("S4-11 entire systems")),
        ("Fix the file system test", None),
        ("Add a button with Stripe", Some("S4-07 external dependency")),
    ] {
        let (plan, split) = planned(&spec(text), &Policy::default()).unwrap();
        assert_eq!(split, fires.is_some(), "{text}: {:?}", rules(&plan));
        if let Some(rule) = fires {
            assert!(rules(&plan).contains(&rule), "{text}: {:?}", rules(&plan));
        }
    }
    let in_context = with_context("Fix the parser", &json!({"estimated_duration_minutes": "31"}));
    assert!(planned(&in_context, &Policy::default()).unwrap().1);
    let mut strict = Policy::default();
    strict.complexity.minutes_max = 10;
    assert!(planned(&spec("Fix the parser"), &strict).unwrap().1);
}

#[test]
fn the_authors_word_is_honoured() {
    let auth = "Add authentication system with security audit and documentation";
    let whole = TaskSpec { orchestration_required: Some(false), ..spec(auth) };
    let plan = check(&whole, "-> development");
    assert!(rules(&plan).contains(&"S4-03 author's word"));
    let split = TaskSpec { orchestration_required: Some(true), ..spec("Fix the parser") };
    check(
        &split,
        "parser-001-research(development)
         parser-002-fix(development) < parser-001-research
         parser-003-tests(development) < parser-002-fix",
    );
    let given = TaskSpec { assigned_to: Some(" security ".into()), ..spec("Fix the parser") };
    check(&given, "-> security");
    let long = TaskSpec { assigned_to: Some("security-master".into()), ..spec("Fix the parser") };
    check(&long, "-> security");
    let unknown = TaskSpec { assigned_to: Some("develop".into()), ..spec("Fix the parser") };
    let (reason, _) = planned(&unknown, &Policy::default()).unwrap_err();
    assert!(reason.contains("did you mean development?"), "{reason}");
    let typed = TaskSpec { kind: Some("Security".into()), ..spec("Fix the parser") };
    check(&typed, "-> security");
    let adaptive = TaskSpec { strategy: Some(Strategy::Adaptive), ..spec(auth) };
    assert_eq!(planned(&adaptive, &Policy::default()).unwrap().0.strategy, Strategy::Adaptive);
}

#[test]
fn a_high_complexity_counts_only_beside_another_sign() {
    let alone = TaskSpec { complexity: json!(9), ..spec("Fix the parser") };
    let plan = check(&alone, "-> development");
    assert!(plan.explanation.warnings[0].contains("9 of 10"), "{:?}", plan.explanation.warnings);
    for complexity in [json!(7), json!("high"), json!("8/10")] {
        let deliverables = json!({"deliverables": ["lib/a.sh", "tests/a.test.sh", "x.sh (new)"]});
        let task = TaskSpec { complexity, ..with_context("Build a tracker core", &deliverables) };
        let plan = check(
            &task,
            "tracker-001-design(development)
             tracker-002-implement(development) < tracker-001-design
             tracker-003-tests(development) < tracker-002-implement",
        );
        assert_eq!(plan.subtasks[1].deliverables, ["lib/a.sh"]);
        assert_eq!(plan.subtasks[1].files_affected, ["lib/a.sh", "x.sh"]);
        assert_eq!(plan.subtasks[2].deliverables, ["tests/a.test.sh"]);
    }
}

#[test]
fn acceptance_criteria_travel_with_the_goal() {
    let context = json!({"acceptance_criteria": ["a is b", "c is d"], "dependencies": ["t-0"]});
    let task = with_context("Fix the parser", &context);
    let plan = check(&task, "-> development");
    assert_eq!(plan.success_criteria, ["a is b", "c is d"]);
    assert!(plan.subtasks[0].success_criteria.ends_with("Accepted when: a is b; c is d."));
    assert_eq!(plan.constraints, ["after task t-0"]);
}

#[test]
fn switched_off_orchestration_routes_everything() {
    let auth = spec("Add authentication system with security audit and documentation");
    let off = Policy { orchestration_enabled: false, ..Policy::default() };
    let (plan, split) = planned(&auth, &off).unwrap();
    assert!(!split && rules(&plan).contains(&"S0-94 orchestration off"));
    let mut one_off = Policy::default();
    one_off.masters.get_mut("development").unwrap().orchestration_enabled = false;
    assert!(!planned(&auth, &one_off).unwrap().1);
    // Where only a specialist takes no parts, others do its part.
    let mut one_off = Policy::default();
    one_off.masters.get_mut("security").unwrap().orchestration_enabled = false;
    let (plan, split) = planned(&auth, &one_off).unwrap();
    assert!(split && plan.estimate.masters.len() == 1);
    let nobody = Policy { masters: [].into(), ..Policy::default() };
    assert!(planned(&auth, &nobody).unwrap_err().0.contains("no master"));
}

#[test]
fn what_says_nothing_is_refused_and_what_says_little_is_doubted() {
    for text in ["", "   ", "?!", "...", "hello", "do it", "thanks", "12345", "Do not deploy"] {
        let (reason, remedy) = planned(&spec(text), &Policy::default()).unwrap_err();
        assert!(reason.contains("request") && remedy.starts_with("say"), "{text}: {reason}");
    }
    let (clear, _) = planned(&spec("Fix the login test"), &Policy::default()).unwrap();
    for text in ["The server room smells of smoke today", "让登录页面好看一点"] {
        let (plan, _) = planned(&spec(text), &Policy::default()).unwrap();
        assert!(plan.confidence < clear.confidence, "{text}");
        assert!(!plan.explanation.warnings.is_empty(), "{text}");
        assert!(!rules(&plan).contains(&"S4-09 clear instruction"), "{text}");
    }
    for text in ["Improve things", "fix it", "make it better", "Improve performance", "Kubernetes"]
    {
        let task = spec(text);
        let outcome = draft(&request(&task), &Policy::default());
        let asks = |outcome: &DraftOutcome| match outcome {
            DraftOutcome::Refuse { question, .. } => question.is_some(),
            DraftOutcome::Plan(_) | DraftOutcome::Route(_) => false,
        };
        assert!(asks(&outcome), "{text}: {outcome:?}");
    }
    let steps: Vec<String> = (1..=11).map(|n| format!("{n}. Change part {n}")).collect();
    let (reason, remedy) = planned(&spec(&steps.join("\n")), &Policy::default()).unwrap_err();
    assert_eq!(reason, "11 stages, at most 10 are allowed");
    assert!(remedy.starts_with("break it down"));
}

#[test]
fn an_explicit_plan_is_the_authors_and_only_gaps_that_follow_are_filled() {
    let subtask = |id: &str, title: &str, on: &[&str], done: &str| DraftSubtask {
        subtask_id: id.into(),
        title: title.into(),
        dependencies: on.iter().map(|on| (*on).into()).collect(),
        success_criteria: done.into(),
        ..DraftSubtask::default()
    };
    let subtasks =
        vec![subtask("a", "Scan the code", &[], "ok"), subtask("b", "Write docs", &["a"], "ok")];
    let stages = vec![vec!["a".to_owned()], vec!["b".to_owned()]];
    let mut task = TaskSpec { subtasks, stages, ..spec("A plan") };
    let plan = check(&task, "a(security)\nb(development) < a");
    assert_eq!(plan.explanation.planner, "author");
    assert_eq!(plan.subtasks[1].worker_type, "documentation");
    assert_eq!(plan.subtasks[1].estimated_duration_range, Range { low: 10, high: 10 });
    assert!(plan.subtasks[1].why.iter().any(|why| why.rule == "worker_type filled in"));
    task.subtasks[0].success_criteria.clear();
    let DraftOutcome::Plan(draft) = draft(&request(&task), &Policy::default()) else {
        panic!("an author's plan is never routed");
    };
    let task_id = TaskId::parse("task-1").unwrap();
    let errors = validate(&draft, &task_id, &Policy::default(), &|_| false).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].field, "success_criteria");
    let off = Policy { orchestration_enabled: false, ..Policy::default() };
    assert!(planned(&task, &off).unwrap_err().0.contains("switched off"));
}

#[test]
fn wide_steps_are_split_into_parts_side_by_side() {
    let files: Vec<String> = (0..7).map(|n| format!("src/f{n}.rs")).collect();
    let task = with_context("Refactor the parser", &json!({ "files": files }));
    check(
        &task,
        "parser-001-design(development)
         parser-002-refactor(development) < parser-001-design
         parser-003-refactor(development) < parser-001-design
         parser-004-refactor(development) < parser-001-design
         parser-005-tests(development) < parser-002-refactor parser-003-refactor parser-004-refactor",
    );
}

#[test]
fn drafts_are_the_same_every_time() {
    let task = spec("Add authentication system with security audit and documentation");
    let again = || draft(&request(&task), &Policy::default());
    assert!(matches!(again(), DraftOutcome::Plan(_)));
    assert_eq!(again(), again());
}
