//! Requests of each kind, in words of our own, and the graphs that they become.

use serde_json::json;

use super::{check, planned, rules, spec, with_context};
use crate::domain::Policy;
use crate::domain::plan::{ModelTier, Workflow};

#[test]
fn every_language_that_is_read_is_planned() {
    for (request, kinds) in [
        ("Añade un filtro, escribe las pruebas y publica la versión", "implement tests deploy"),
        ("Crie um filtro, escreva os testes e depois publique a versão", "implement tests deploy"),
        ("Corrige le filtre, puis écris les tests et enfin publie la version", "fix tests deploy"),
        (
            "Den Filter reparieren, danach Tests schreiben und zum Schluss deployen",
            "fix tests deploy",
        ),
        ("Исправь фильтр, затем напиши тесты и опубликуй версию", "fix tests deploy"),
        ("修复过滤器，编写测试，然后发布", "fix tests deploy"),
    ] {
        let (plan, split) = planned(&spec(request), &Policy::default()).unwrap();
        let found: Vec<&str> = plan.subtasks.iter().map(|s| s.nature.kind.as_str()).collect();
        assert_eq!(found.join(" "), kinds, "{request}");
        assert!(split && plan.stages.len() == 3, "{request}: {:?}", plan.stages);
    }
}

#[test]
fn alternatives_are_looked_at_side_by_side_and_joined() {
    check(
        &spec("Evaluate two parsers (hand-written, generated) and recommend one"),
        "hand-written-001-research(development)
         hand-written-002-research(development)
         hand-written-003-aggregate(development) < hand-written-001-research hand-written-002-research",
    );
    let (plan, _) = planned(&spec("Compare maps vs lists vs trees"), &Policy::default()).unwrap();
    let last = plan.subtasks.last().unwrap();
    assert!(last.nature.inferred && last.dependencies.len() == 3, "{last:?}");
}

#[test]
fn bare_goals_unfold_and_say_what_was_inferred() {
    for (request, kinds) in [
        ("memory leak in the importer", "research fix tests"),
        ("Release version 9.1", "verify docs deploy"),
        ("Audit the importer", "scan security aggregate"),
        ("Add caching", "design backend frontend tests"),
    ] {
        let (plan, _) = planned(&spec(request), &Policy::default()).unwrap();
        let found: Vec<&str> = plan.subtasks.iter().map(|s| s.nature.kind.as_str()).collect();
        assert_eq!(found.join(" "), kinds, "{request}");
        assert!(plan.subtasks.iter().any(|subtask| subtask.nature.inferred), "{request}");
    }
}

#[test]
fn docs_are_written_while_tests_are_and_a_release_waits_for_both() {
    check(
        &spec("Add a filter to src/a.rs, write tests, update the docs and deploy it"),
        "filter-001-implement(development)
         filter-002-tests(development) < filter-001-implement
         filter-003-docs(development) < filter-001-implement
         filter-004-deploy(cicd) < filter-002-tests filter-003-docs",
    );
}

#[test]
fn steps_that_change_one_file_follow_each_other() {
    let request = "Rename the flag in src/a.rs and remove the dead code in src/a.rs, and list the \
                   owners of src/b.rs";
    let (plan, _) = planned(&spec(request), &Policy::default()).unwrap();
    let shared = |why: &&crate::domain::plan::Why| why.rule == "S1-25 shared file";
    let found: Vec<_> = plan.subtasks.iter().flat_map(|s| s.why.iter()).filter(shared).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].evidence.ends_with("both change src/a.rs"), "{}", found[0].evidence);
}

#[test]
fn plans_say_their_shape_size_path_and_models() {
    let (plan, _) = planned(&spec("Build a chat platform"), &Policy::default()).unwrap();
    assert_eq!(plan.workflow, Workflow::DecomposeFirst);
    for rule in ["S2-26 workflow", "S2-31 size"] {
        assert!(rules(&plan).contains(&rule), "{rule}: {:?}", rules(&plan));
    }
    let path: Vec<&str> = plan.estimate.critical_path.iter().map(|id| id.as_str()).collect();
    assert_eq!(path, ["chat-001-design", "chat-003-frontend", "chat-004-tests"]);
    assert_eq!(plan.subtasks[0].nature.model, ModelTier::Strong);
    assert!(plan.subtasks[0].why.iter().any(|why| why.rule == "S3-20 model"));
    assert!((1..100).contains(&plan.estimate.saving_percent));
}

#[test]
fn what_is_understood_too_little_is_asked_about() {
    let mut policy = Policy::default();
    policy.complexity.confidence_percent_min = 95;
    let request = spec("Paint the fence");
    let (reason, _) = planned(&request, &policy).unwrap_err();
    assert!(reason.contains("confidence 0.90, at least 0.95"), "{reason}");
    policy.complexity.confidence_percent_min = 0;
    assert!(planned(&request, &policy).is_ok());
    // What the author insists on is planned all the same.
    policy.complexity.confidence_percent_min = 100;
    let mut forced = with_context("Paint the fence", &json!({}));
    forced.orchestration_required = Some(true);
    assert!(planned(&forced, &policy).is_ok());
}
