//! What is written, and what may be dropped, is what `coordination/schemas/` says.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::busy;
use super::drive::{Drive, chain};
use crate::domain::document::Document;
use crate::domain::evidence::{Evidence, Finding, Liveness, ProcessState, Seen, Sign, Watched};
use crate::domain::handoff::Handoff;
use crate::domain::ids::AttemptId;
use crate::domain::input::Input;
use crate::domain::plan::{Handling, OnFailure, Strategy};
use crate::domain::policy::Backoff;
use crate::domain::report::ResultKind;
use crate::domain::{Moment, Timestamp};
use crate::projection::worker_specs::{self, Sample};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("coordination")
}

pub(super) fn schema(name: &str) -> Validator {
    let path = directory().join(format!("schemas/{name}.schema.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let schema: Value = serde_json::from_str(&text).unwrap();
    jsonschema::options().should_validate_formats(false).build(&schema).unwrap()
}

#[track_caller]
pub(super) fn check(schema: &Validator, what: &str, value: &Value) {
    let errors: Vec<String> =
        schema.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{value:#}");
}

fn schema_of(path: &str) -> Option<&'static str> {
    let of_folder = [
        ("orchestrator/tasks/", "orchestration"),
        ("orchestrator/subtasks/", "subtask"),
        ("orchestrator/state/", "state"),
        ("orchestrator/completions/", "completion"),
        ("orchestrator/answers/", "answer"),
        ("worker-specs/", "worker-spec"),
    ];
    let found = of_folder.iter().find(|(folder, _)| path.starts_with(folder));
    found.filter(|_| path.ends_with(".json")).map(|(_, name)| *name)
}

#[test]
fn every_document_is_what_its_schema_says() {
    let drive = busy();
    let mut checked = std::collections::BTreeSet::new();
    for (path, text) in &drive.disk {
        let Some(name) = schema_of(path) else {
            assert!(path.ends_with(".md"), "{path} has no schema");
            continue;
        };
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value["schema"], format!("baton/{name}@1"), "{path}");
        check(&schema(name), path, &value);
        checked.insert(name);
    }
    assert_eq!(checked.len(), 6);
}

#[test]
fn a_document_that_lacks_anything_required_is_refused() {
    let drive = busy();
    for path in [
        "orchestrator/tasks/orch-task-import.json",
        "orchestrator/subtasks/auth-002-backend.json",
        "orchestrator/state/current.json",
        "orchestrator/completions/orch-task-import.json",
        "orchestrator/answers/cmd-skip.json",
        "worker-specs/active/auth-003-frontend-attempt-1.json",
    ] {
        let schema = schema(schema_of(path).unwrap());
        let whole: Value = serde_json::from_str(&drive.disk[path]).unwrap();
        for name in ["schema", "status", "blocking_subtask", "escalation", "ok", "last_update"] {
            let mut value = whole.clone();
            if value.as_object_mut().unwrap().remove(name).is_some() {
                assert!(!schema.is_valid(&value), "{path} without {name}");
            }
        }
    }
}

#[test]
fn a_spec_says_what_was_seen_last_and_a_stalled_worker_shows_everywhere() {
    let mut drive = busy();
    let id = AttemptId::parse("auth-003-frontend-attempt-1").unwrap();
    let now = drive.state.at.unwrap();
    let seen = |sign, ago_ms| Seen { sign, ago_ms, what: String::new() };
    let evidence = Evidence {
        process: ProcessState::Running,
        signs: vec![seen(Sign::Output, 90_000), seen(Sign::Heartbeat, 1_000)],
        watched_ms: 100_000,
        claimed_heartbeat: Some("yesterday".into()),
        verdict: "no progress for 90 s".into(),
    };
    let sample = Sample {
        at: now,
        last_sign: Some(now.plus_ms(5_000)),
        liveness: Liveness::Suspect,
        evidence: evidence.clone(),
    };
    let documents = worker_specs::render_sampled(&drive.state, &id, &sample);
    let Document::Replace { path, body } = &documents[0] else { panic!("{documents:?}") };
    let spec: Value = serde_json::from_str(body).unwrap();
    check(&schema("worker-spec"), path, &spec);
    assert_eq!(spec["health"]["status"], "suspect");
    let time = |moment: Moment| serde_json::to_value(moment.wall).unwrap();
    assert_eq!(spec["last_heartbeat"], time(now.plus_ms(5_000)));
    assert_eq!(spec["health"]["checked_at"], time(now));
    let progress_ms = now.wall.as_ms() - 90_000;
    assert_eq!(spec["health"]["last_progress"], Timestamp::from_ms(progress_ms).to_string());

    let worker = Watched::Attempt(id);
    let finding = Finding { worker, liveness: Liveness::Stalled, evidence, breach: None };
    drive.tell(Input::WorkersProbed { findings: vec![finding], held: None });
    let on_disk = |path: &str| serde_json::from_str::<Value>(&drive.disk[path]).unwrap();
    let spec = on_disk("worker-specs/active/auth-003-frontend-attempt-1.json");
    check(&schema("worker-spec"), "stalled", &spec);
    assert_eq!(spec["health"]["status"], "stalled");
    let overview = on_disk("orchestrator/state/current.json");
    check(&schema("state"), "overview", &overview);
    let runs = overview["current_orchestrations"].as_array().unwrap();
    let run = runs.iter().find(|run| run["orchestration_id"] == "orch-task-auth").unwrap();
    assert_eq!(run["health"], "stalled");
    let plan = on_disk("orchestrator/tasks/orch-task-auth.json");
    assert_eq!(plan["progress"]["zombie_subtasks"], json!(["auth-003-frontend"]));
    assert_eq!(on_disk("orchestrator/subtasks/auth-003-frontend.json")["status"], "zombie");
}

#[test]
fn every_line_is_an_event() {
    let schema = schema("dashboard-event");
    for line in busy().lines.lines() {
        check(&schema, "line", &serde_json::from_str(line).unwrap());
    }
    let started = json!({"timestamp": "2025-11-05T18:00:00Z", "type": "orchestration_started",
        "seq": 1, "orchestration_id": "orch-t", "subtasks": 6, "more": true});
    assert!(!schema.is_valid(&started));
}

#[test]
fn every_handoff_is_a_handoff() {
    let drive = busy();
    let schema = schema("handoff");
    let attempts: Vec<AttemptId> = drive
        .state
        .orchestrations
        .values()
        .flat_map(|run| &run.runs)
        .flat_map(|run| &run.attempts)
        .map(|attempt| attempt.id.clone())
        .collect();
    assert!(attempts.len() > 5);
    for id in attempts {
        let handoff = Handoff::of(&drive.state, &id, ResultKind::WorkOrder).unwrap();
        check(&schema, id.as_str(), &serde_json::to_value(handoff).unwrap());
    }
}

#[test]
fn what_is_to_become_of_failures_is_shown() {
    let mut drive = Drive::new();
    let task = drive.queue_task(0, Some("t"), "T");
    let mut draft = chain(Strategy::Staged, "t");
    let handling = Handling {
        on_failure: OnFailure::FailParent,
        backoff: Some(Backoff::Fixed),
        attempts_max: Some(5),
        compensation: Some("put it back".into()),
    };
    let last = draft.subtasks.last_mut().unwrap();
    last.handling = handling;
    last.for_each = last.dependencies.first().cloned();
    drive.plan(&task, draft);
    let run = drive.state.orchestrations.values().next().unwrap();
    let last = run.plan.subtasks.last().unwrap();
    let path = format!("orchestrator/subtasks/{}.json", last.subtask_id);
    let shown: Value = serde_json::from_str(&drive.disk[&path]).unwrap();
    check(&schema("subtask"), "subtask", &shown);
    assert_eq!(
        shown["handling"],
        json!({"on_failure": "fail_parent", "backoff": "fixed", "attempts_max": 5,
            "compensation": "put it back"})
    );
    assert_eq!(shown["for_each"], json!(last.dependencies[0]));
    let plan: Value = serde_json::from_str(&drive.disk["orchestrator/tasks/orch-t.json"]).unwrap();
    check(&schema("orchestration"), "plan", &plan);
    let shown_last = plan["subtasks"].as_array().unwrap().last().unwrap();
    assert_eq!(shown_last["handling"], shown["handling"]);
    assert_eq!(plan["subtasks"][0].get("handling"), None, "nothing was said");
}

#[test]
fn an_author_may_say_what_becomes_of_failures() {
    let schema = schema("plan");
    let plan = |field: &str, value: Value| {
        let mut subtask =
            json!({"subtask_id": "a", "assigned_to": "development", "success_criteria": "it is"});
        subtask[field] = value;
        json!({"title": "T", "subtasks": [subtask]})
    };
    for (field, good, bad) in [
        ("critical", json!(true), json!("very")),
        ("optional", json!(false), json!(3)),
        ("failParentOnFailure", json!(true), json!([])),
        ("fail_parent_on_failure", json!(false), json!("x")),
        ("retry", json!("immediate"), json!("often")),
        ("retry", json!({"backoff": "exponential", "max_attempts": 5}), json!({"backoff": "x"})),
        ("max_attempts", json!(3), json!(0)),
        ("compensation", json!("put it back"), json!(7)),
        ("compensation", json!({"description": "put it back"}), json!({"text": "x"})),
        ("for_each", json!("b"), json!(["b"])),
        ("handling", json!({"on_failure": "skip", "attempts_max": 2}), json!("gently")),
        ("handling", json!({"backoff": "fixed"}), json!({"backoff": "x"})),
    ] {
        check(&schema, field, &plan(field, good));
        assert!(!schema.is_valid(&plan(field, bad)), "{field}");
    }
}

#[test]
fn an_entry_that_is_put_back_is_a_task() {
    let mut drive = Drive::new();
    let task = drive.queue_task(0, Some("t"), "T");
    drive.plan(&task, chain(Strategy::Staged, "t"));
    drive.tell(Input::TaskVanished { task_id: task });
    let entries: Vec<Value> =
        drive.queue.values().map(|patch| patch.put_back.clone().unwrap()).collect();
    check(&schema("task"), "entry", &entries[0]);
    check(&schema("task-queue"), "queue", &json!({"tasks": entries}));
    check(&schema("task-queue"), "bare list", &json!(entries));
    check(&schema("task-queue"), "bare task", &entries[0]);
    assert!(!schema("task-queue").is_valid(&json!({"tasks": 3})));
}

#[test]
fn the_examples_are_what_they_say() {
    let mut names: Vec<String> = std::fs::read_dir(directory().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["command.json", "note.md", "plan.json", "report.json", "task.json"]);
    for name in names.iter().filter_map(|name| name.strip_suffix(".json")) {
        let path = directory().join(format!("examples/{name}.json"));
        let value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(value["schema"], format!("baton/{name}@1"));
        check(&schema(name), name, &value);
    }
}

#[test]
fn every_schema_is_one_and_refuses_nonsense() {
    let mut names: Vec<String> = std::fs::read_dir(directory().join("schemas"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let names: Vec<&str> =
        names.iter().map(|name| name.strip_suffix(".schema.json").unwrap()).collect();
    assert_eq!(
        names,
        [
            "answer",
            "command",
            "completion",
            "dashboard-event",
            "draft",
            "handoff",
            "heartbeat",
            "message",
            "orchestration",
            "plan",
            "reason",
            "report",
            "state",
            "subtask",
            "task-queue",
            "task",
            "worker-spec",
        ]
    );
    for name in names {
        assert!(!schema(name).is_valid(&json!("nonsense")), "{name}");
        assert!(!schema(name).is_valid(&json!({})), "{name}");
    }
    let beat = json!({"timestamp": "2025-11-25T12:12:24-0600", "status": "working",
        "progress": 40, "worker_id": "w-1"});
    check(&schema("heartbeat"), "heartbeat", &beat);
    let message = json!({"schema": "baton/message@1", "from": "security", "message": "look here"});
    check(&schema("message"), "message", &message);
}
