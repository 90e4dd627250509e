//! Bare goals, chains, projects, workspaces, strategies and what is said beside the steps.

use super::*;
use crate::domain::plan::anatomy::{Anatomy, Size, WorkPhase};
use crate::domain::workspace::{FoundPlan, FoundWorkflow, Tool, Workspace};

/// Plans a request as one for such a workspace.
fn placed(text: &str, workspace: &Workspace) -> Plan {
    let surroundings = Surroundings { workspace: workspace.clone(), ..Surroundings::default() };
    let task = spec(text);
    let task_id = TaskId::parse("task-1").unwrap();
    let policy = Policy::default();
    match draft(&Request { task: &task, surroundings: &surroundings }, &policy) {
        DraftOutcome::Plan(draft) => validate(&draft, &task_id, &policy, &|_| false).unwrap(),
        DraftOutcome::Route(draft) => validate_routed(&draft, &task_id, &policy).unwrap(),
        DraftOutcome::Refuse { reason, .. } => panic!("{text}: {reason}"),
    }
}

fn plan(text: &str) -> Plan {
    placed(text, &Workspace::default())
}

/// The kinds of the steps, `+` between those of one stage.
fn stages(plan: &Plan) -> String {
    let kind = |id: &SubtaskId| {
        let subtask = plan.subtasks.iter().find(|s| s.subtask_id == *id).unwrap();
        subtask.nature.kind.clone()
    };
    let stages = plan.stages.iter().map(|s| s.iter().map(kind).collect::<Vec<_>>().join("+"));
    stages.collect::<Vec<_>>().join(" > ")
}

#[test]
fn every_bare_goal_unfolds_into_what_such_work_consists_of() {
    for (request, expected) in [
        ("Add single sign-on with SAML to the staff portal", "design > backend+frontend > tests"),
        ("Memory leak in the thumbnail worker", "research > fix > tests"),
        ("Restructure the entire invoice module", "design > refactor > tests"),
        ("Migrate the ledger from Oracle to Postgres", "research > migrate > verify > cutover"),
        ("Audit the checkout service for compliance", "scan > security > aggregate"),
        (
            "Perform comprehensive code review of auth module",
            "style > security+performance > aggregate",
        ),
        ("Code review of the whole queue library", "style > security+performance > aggregate"),
        ("Release version 3.1 of the client library", "verify > docs > deploy"),
        ("Compare Lua, Wasm and JavaScript for our plugins", "compare+compare+compare > aggregate"),
        ("Backfill the entire events warehouse", "research > data > verify"),
        ("Provision the whole staging infrastructure", "design > setup > verify > docs"),
        ("Write the handbook for the entire operations platform", "design > docs > review"),
        ("Research message formats for the entire platform", "design > research > aggregate"),
        ("Build a full-stack recipe application", "design > backend+frontend+setup > tests"),
    ] {
        assert_eq!(stages(&plan(request)), expected, "{request}");
    }
}

#[test]
fn bare_goals_are_planned_in_other_languages_too() {
    let (feature, bug) = ("design > backend+frontend > tests", "research > fix > tests");
    let move_it = "research > migrate > verify > cutover";
    for (request, expected) in [
        ("Agregar autenticación con OAuth al panel", feature),
        ("Reparar la fuga de memoria del servidor", bug),
        ("Adicionar autenticação com OAuth ao painel", feature),
        ("Corrigir o vazamento de memória do servidor", bug),
        ("OAuth-Anmeldung zum Verwaltungsbereich hinzufügen", feature),
        ("Speicherleck im Druckdienst beheben", bug),
        ("Ajouter l'authentification OAuth à l'espace client", feature),
        ("Corriger la fuite de mémoire du serveur", bug),
        ("把整个订单库从MySQL迁移到Postgres", move_it),
        ("修复图片服务的内存泄漏", bug),
        ("把测试补上并且把缓存层重构一下", "tests > refactor"),
        ("Добавить аутентификацию OAuth в кабинет", feature),
        ("Исправить утечку памяти на сервере", bug),
    ] {
        assert_eq!(stages(&plan(request)), expected, "{request}");
    }
}

#[test]
fn chains_are_kept_as_they_are_written() {
    check(
        &spec("fetch_rates >> convert_prices >> run_tests"),
        "rates-001-lookup(development)
         rates-002-change(development) < rates-001-lookup
         rates-003-tests(development) < rates-002-change",
    );
    let fan = plan("Nightly: extract >> [clean sales, clean returns] >> load >> report");
    assert_eq!(stages(&fan), "data > data+data > data > aggregate");
    let lines = plan("Nightly run\na >> b\na >> c\nd.set_upstream([b, c])");
    assert_eq!(lines.stages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 1]);
    let circle = plan("x >> y\ny >> x\ny >> z");
    assert_eq!(circle.stages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
    // Neither a redirection nor a shift of bits is a chain.
    for request in ["Fix the script that runs echo x >> log.txt", "Fix the bug in 1 >> 3"] {
        assert_eq!(plan(request).subtasks.len(), 1, "{request}");
    }
}

#[test]
fn projects_are_their_parts_on_one_foundation() {
    let few = plan("Build a booking platform with rooms, payments and reviews of guests");
    assert_eq!(stages(&few), "design > implement+implement+implement > tests+tests+tests > verify");
    assert_eq!(few.workflow, Workflow::DecomposeFirst);
    let aside = plan(
        "Build a booking platform with rooms, payments, reviews of guests, with documentation",
    );
    assert_eq!(stages(&aside), format!("{} > docs", stages(&few)));
    let many = "Create a clinic system from scratch: patients, calendars, prescriptions, billing, \
                messaging and reports";
    let plan = plan(many);
    assert_eq!(stages(&plan), format!("design > {} > tests", ["implement"; 6].join("+")));
    let outline = plan.anatomy().outline.unwrap();
    let counts = outline.counts;
    assert_eq!((counts.epics, counts.stories, counts.tasks, counts.subtasks), (1, 8, 8, 8));
    let stories: Vec<&str> = outline.epic.children.iter().map(|s| s.title.as_str()).collect();
    assert_eq!(stories[..3], ["Foundation", "Patients", "Calendars"]);
    assert!(outline.epic.duration.ends_with(" weeks"), "{}", outline.epic.duration);
    assert!(outline.epic.children[1].duration.ends_with(" days"));
    let task = &outline.epic.children[1].children[0];
    assert_eq!(
        (task.title.as_str(), task.duration.as_str()),
        ("Implementation", "0.33-0.50 hours")
    );
    assert_eq!(task.children[0].duration, "20-30 minutes");
    assert_eq!(
        outline.epic.minutes.high,
        plan.subtasks.iter().map(|s| s.estimated_duration_range.high).sum::<u32>()
    );
    // A list of orders is none of parts.
    let orders = planned(
        &spec("Implement the login, test the search, update the docs and deploy the app"),
        &Policy::default(),
    );
    assert!(!orders.unwrap().0.subtasks[0].title.contains("architecture"));
}

#[test]
fn signals_choose_the_shape_of_the_work() {
    for (request, workflow) in [
        ("Fix the typo in the footer", Workflow::BuildOnly),
        ("Fix the race condition in the mail queue", Workflow::BuildOnly),
        ("Add caching", Workflow::PlanThenBuild),
        ("Implement rate limiting", Workflow::PlanThenBuild),
        ("Restructure the entire mail queue", Workflow::DecomposeFirst),
        ("Refactor the mail queue, adapt its tests and deploy it", Workflow::PlanThenBuild),
        ("Build a hotel platform", Workflow::DecomposeFirst),
        // What speaks of a whole project comes before the fault in it.
        ("Fix the project platform", Workflow::DecomposeFirst),
        (
            "Fix the footer and add a filter to the list. These are independent.",
            Workflow::MultiTask,
        ),
        ("1. Fix the footer\n2. Add a filter\n3. Rename the list", Workflow::MultiTask),
        ("Compare Redis, Hazelcast and Memcached for sessions", Workflow::PlanThenBuild),
    ] {
        assert_eq!(plan(request).workflow, workflow, "{request}");
    }
}

#[test]
fn whoever_asks_for_coordination_gets_it() {
    for (request, expected) in [
        ("Orchestrate the migration of invoices", "research > migrate > verify > cutover"),
        ("Please coordinate the release of the parser", "verify > docs > deploy"),
        ("Break down the work on the parser", "design > general > verify"),
    ] {
        let plan = plan(request);
        assert_eq!(stages(&plan), expected, "{request}");
        assert!(rules(&plan).contains(&"S1-03 trigger word"), "{request}");
    }
    // Elsewhere it is a word like any other.
    assert_eq!(plan("Rename the function that coordinates workers").subtasks.len(), 1);
}

#[test]
fn a_plan_that_is_there_is_built_and_not_planned_again() {
    let at = ".studio/tasks/task_7/plan.json".to_owned();
    let workspace = |goal: &str| Workspace {
        plans: vec![FoundPlan { path: at.clone(), goal: goal.to_owned() }],
        ..Workspace::default()
    };
    let plan = placed("Add login with OAuth to the shop", &workspace("Add OAuth login"));
    assert_eq!(plan.workflow, Workflow::BuildOnly);
    assert_eq!(stages(&plan), "backend+frontend > tests");
    assert!(plan.subtasks[0].description.contains(&at));
    assert!(plan.explanation.reasons.iter().any(|why| why.evidence.contains("S2-24")));
    // One that says nothing of what it is for, or shares a word with what is asked, is for another.
    for goal in ["", "Remove the login limit from the billing service"] {
        let plan = placed("Add login with OAuth to the shop", &workspace(goal));
        assert_eq!(plan.workflow, Workflow::PlanThenBuild, "{goal:?}");
    }
    let other = placed("Add login with OAuth to the shop", &workspace("Paint the fence green"));
    assert_eq!(other.workflow, Workflow::PlanThenBuild);
    assert!(other.analysis.workspace[0].contains("Paint the fence"));
}

#[test]
fn what_is_in_the_workspace_is_used_and_told() {
    let workspace = Workspace {
        files: 41,
        languages: vec![("Go", 40)],
        tools: vec![Tool {
            name: "go",
            file: "go.mod".into(),
            language: "Go",
            test: Some("go test ./..."),
        }],
        ci: vec![".gitlab-ci.yml".into()],
        workflows: vec![FoundWorkflow { path: "jobs/dag.py".into(), sign: "named dag".into() }],
        ..Workspace::default()
    };
    let plan = placed("Add caching", &workspace);
    // Nothing in there is seen by users.
    assert_eq!(stages(&plan), "design > implement > tests");
    let criteria = &plan.subtasks[2].success_criteria;
    assert!(criteria.ends_with("Here that is checked with `go test ./...`."), "{criteria}");
    assert!(!plan.subtasks[0].success_criteria.contains("go test"));
    let why = plan.explanation.reasons.iter().find(|why| why.rule == "S1-06 workspace").unwrap();
    assert_eq!(
        why.evidence,
        "41 files: Go (40); go (go.mod), tests with `go test ./...`; checked elsewhere by \
         .gitlab-ci.yml; workflow jobs/dag.py: named dag"
    );
    assert_eq!(plan.analysis.workspace.len(), 4);
    // Whoever speaks of what users see means it.
    assert!(stages(&placed("Build a portal", &workspace)).contains("frontend"));
    let auth = placed("Add authentication system with security audit", &workspace);
    assert!(stages(&auth).contains("backend+frontend"), "{}", stages(&auth));
}

#[test]
fn a_strategy_is_chosen_where_nobody_names_one() {
    let of = |text: &str, policy: &Policy, own: Option<Strategy>| {
        let task = TaskSpec { strategy: own, ..spec(text) };
        let plan = planned(&task, policy).unwrap().0;
        let why = plan.explanation.reasons.iter().find(|why| why.rule == "S1-25 strategy");
        (plan.strategy, plan.coordination(), why.unwrap().evidence.clone())
    };
    let (chain, wide) = ("Memory leak in the thumbnail worker", "Build a chat platform");
    let mut policy = Policy::default();
    let (strategy, word, why) = of(chain, &policy, None);
    assert_eq!((strategy, word), (Strategy::Sequential, "Sequential"));
    assert!(why.contains("each of the 3 steps needs the one before it"), "{why}");
    let (strategy, word, why) = of(wide, &policy, None);
    assert_eq!((strategy, word), (Strategy::Staged, "Parallel"), "{why}");
    assert_eq!(of(chain, &policy, Some(Strategy::Adaptive)).1, "Adaptive");
    policy.strategy_by_rules = false;
    assert!(of(chain, &policy, None).2.contains("the settings say so"));
    assert_eq!(of(chain, &policy, Some(Strategy::Adaptive)).0, Strategy::Adaptive);
    policy.strategy_by_rules = true;
    policy.attempts_active_max = 1;
    assert_eq!(of(wide, &policy, None).0, Strategy::Sequential);
}

#[test]
fn a_single_step_says_whose_it_is() {
    for (request, hand_to) in [
        ("Rename the flag in src/cli.rs", "implement"),
        ("Run the test suite", "test"),
        ("Review src/store.rs", "analyze"),
        ("Analyze why the nightly build is slow", "analyze"),
        ("Design the schema for invoices", "design"),
        ("Profile the export endpoint", "performance"),
    ] {
        let plan = plan(request);
        assert_eq!(plan.analysis.hand_to.as_deref(), Some(hand_to), "{request}");
    }
    assert_eq!(plan("Build a chat platform").analysis.hand_to, None);
}

fn anatomy(text: &str) -> Anatomy {
    plan(text).anatomy()
}

#[test]
fn a_plan_answers_what_follows_from_its_graph() {
    let anatomy = anatomy("Add authentication system with security audit and documentation");
    assert_eq!(anatomy.analysis.intent, "implement: authentication system");
    assert_eq!(anatomy.size, Size::Complex);
    let phases: Vec<(WorkPhase, usize)> =
        anatomy.phases.iter().map(|group| (group.phase, group.subtasks.len())).collect();
    assert_eq!(
        phases,
        [
            (WorkPhase::Design, 1),
            (WorkPhase::Implementation, 2),
            (WorkPhase::Testing, 2),
            (WorkPhase::Deployment, 1)
        ]
    );
    assert_eq!(anatomy.sequential.len(), 5);
    assert_eq!(anatomy.independent.len(), 1);
    assert_eq!(anatomy.checkpoints.len(), 5);
    assert!(anatomy.critical_path.len() == 5 && anatomy.outline.is_none());
    let gates: Vec<_> = anatomy.gates.iter().map(|gate| gate.subtask_id.as_ref()).collect();
    assert_eq!(gates.iter().flatten().count(), 2);
    assert_eq!(gates.last(), Some(&None));
    let areas: Vec<&str> = anatomy.areas.iter().map(|area| area.area.as_str()).collect();
    assert_eq!(areas, ["Backend", "Frontend"]);
    assert_eq!(anatomy.areas[1].parts, ["Components", "State management", "API integration"]);
    assert!(!anatomy.analysis.risks.is_empty() && !anatomy.analysis.failure_modes.is_empty());
    let sources: Vec<&str> =
        anatomy.analysis.research.iter().map(|pattern| pattern.source.as_str()).collect();
    assert_eq!(sources, ["Apache Airflow", "XState", "BullMQ", "Restate", "Temporal", "Celery"]);
    let full = anatomy_areas("Build a full-stack recipe application");
    assert_eq!(full, ["Backend", "Frontend", "Infrastructure"]);
}

fn anatomy_areas(text: &str) -> Vec<String> {
    anatomy(text).areas.into_iter().map(|area| area.area).collect()
}

#[test]
fn entities_and_limits_are_told_apart_from_steps() {
    let request = "Migrate src/store.rs to S3 with Redis as a cache; do not touch the public API";
    let plan = plan(request);
    let names: Vec<(&str, &str)> =
        plan.analysis.entities.iter().map(|e| (e.kind.as_str(), e.name.as_str())).collect();
    assert!(names.contains(&("file", "src/store.rs")), "{names:?}");
    assert!(names.contains(&("external", "s3")) && names.contains(&("external", "redis")));
    assert_eq!(plan.anatomy().constraints, ["do not touch the public API"]);
}

#[test]
fn an_author_can_nest_a_plan_and_is_told_what_follows_from_it() {
    let subtask = |number: usize| {
        json!({
            "subtask_id": format!("shop-{number:03}-build"),
            "title": format!("Build part {number}"),
            "success_criteria": "it works",
            "part_of": if number < 5 { json!(["Catalog", "Listing"]) } else { json!("Cart") },
        })
    };
    let task = json!({"id": "shop", "title": "Build the shop", "subtasks": (0..9).map(subtask).collect::<Vec<_>>()});
    let task = crate::domain::read::task(&task, "t.json", "").unwrap();
    let (plan, _) = planned(&task, &Policy::default()).unwrap();
    let anatomy = plan.anatomy();
    assert!(!anatomy.analysis.failure_modes.is_empty());
    let outline = anatomy.outline.unwrap();
    let counts = outline.counts;
    assert_eq!((counts.stories, counts.tasks, counts.subtasks), (2, 2, 9));
    assert_eq!(outline.epic.children[0].children[0].title, "Listing");
    assert_eq!(outline.epic.children[1].children[0].title, "Implementation");
}
