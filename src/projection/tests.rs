//! Everything that is derived, from a machine that is driven without a world.

mod drive;
mod lines;
mod queue;
mod random;
mod schemas;

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;
use crate::domain::evidence::{Evidence, Finding, Liveness, ProcessState, Watched};
use crate::domain::input::{Input, Problem};
use crate::domain::plan::{DraftOutcome, Strategy};
use crate::domain::task::TaskSource;
use drive::{Drive, auth, chain, draft};

/// A directory in which everything that can happen has.
fn busy() -> Drive {
    static BUSY: LazyLock<Drive> = LazyLock::new(make_busy);
    BUSY.clone()
}

fn make_busy() -> Drive {
    let mut drive = Drive::new();
    // One that is under way, with a retry.
    let task = drive.queue_task(0, Some("task-auth"), "Add authentication with an audit");
    drive.plan(&task, auth());
    drive.finish("auth-001-design", None);
    drive.finish("auth-002-backend", Some("exit code 2"));
    drive.begin("auth-003-frontend");
    // One routed whole and done, whose entry had no id.
    let task = drive.queue_task(1, None, "Fix the | bug\n# at once");
    drive.route(&task, "development");
    drive.finish(task.as_str(), None);
    // One that is blocked.
    let task = drive.queue_task(2, Some("task-import"), "Import the old data");
    drive.plan(&task, chain(Strategy::Sequential, "import"));
    for _ in 0..3 {
        drive.finish("import-001-build", Some("no such table: \u{1b}[31musers | \u{202e}x"));
        drive.wait();
    }
    // One of the inbox that is done, with a subtask left out.
    let task = drive.drop_task("export", "Export the data");
    drive.plan(&task, chain(Strategy::Adaptive, "export"));
    drive.finish("export-001-build", None);
    drive.command("cmd-skip", "skip", "export-002-test");
    drive.finish("export-003-document", None);
    // One that was ended while a worker was at it.
    let task = drive.queue_task(3, Some("task-prune"), "Prune the archive");
    drive.plan(&task, chain(Strategy::Staged, "prune"));
    drive.begin("prune-001-build");
    drive.command("cmd-cancel", "cancel", "task-prune");
    // One that is paused, one external, one that cannot be planned, and a command that fails.
    let task = drive.queue_task(4, Some("task-later"), "Do it later");
    drive.plan(&task, chain(Strategy::Staged, "later"));
    drive.command("cmd-pause", "pause", "task-later");
    let task = drive.queue_task(5, Some("task-scan"), "Scan the dependencies");
    drive.route(&task, "security");
    drive.begin("task-scan");
    let task = drive.queue_task(6, Some("task-vague"), "Everything");
    let (reason, remedy) = ("it names no work".into(), "say what is to be done".into());
    drive.tell(Input::Drafted {
        task_id: task,
        outcome: DraftOutcome::Refuse { reason, remedy, question: None },
    });
    drive.command("cmd-wrong", "explode", "task-auth");
    drive.tell(Input::TaskRefused {
        source: TaskSource::Queue { index: 7, fingerprint: "deadbeef".into(), has_id: true },
        id: Some("task-auth".into()),
        title: "twice".into(),
        problem: Problem {
            file: "task-queue.json".into(),
            field: "tasks[7].id".into(),
            message: "is there twice".into(),
            remedy: "give it another".into(),
        },
    });
    drive
}

fn json_of(drive: &Drive, path: &str) -> Value {
    let text = drive.disk.get(path).unwrap_or_else(|| panic!("no {path}"));
    assert!(text.ends_with("}\n"), "{path} has no final newline");
    serde_json::from_str(text).unwrap()
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_plan_has_the_names_of_the_protocol_in_its_order() {
    let plan = json_of(&busy(), "orchestrator/tasks/orch-task-auth.json");
    let protocol = [
        "schema",
        "orchestration_id",
        "parent_task_id",
        "task_title",
        "complexity",
        "created_at",
        "status",
        "goal",
        "domains",
        "constraints",
        "success_criteria",
        "strategy",
        "workflow",
        "confidence",
        "subtasks",
        "execution_plan",
        "resource_estimate",
        "progress",
        "explanation",
        "phase",
        "analysis",
        "revision",
    ];
    assert_eq!(names(&plan), protocol);
    assert_eq!(plan["status"], "in_progress");
    assert_eq!(plan["execution_plan"]["stage_2"], json!(["auth-002-backend", "auth-003-frontend"]));
    let estimate = [
        "total_subtasks",
        "duration_estimate",
        "total_estimated_duration",
        "token_estimate",
        "total_estimated_tokens",
        "masters",
        "masters_involved",
        "workers",
        "workers_to_spawn",
        "parallelization_possible",
        "bottlenecks",
        "critical_path",
        "cost_tokens",
        "saving_percent",
    ];
    assert_eq!(names(&plan["resource_estimate"]), estimate);
    assert_eq!(
        plan["progress"],
        json!({
            "current_stage": 2,
            "progress_percent": 16,
            "completed_subtasks": ["auth-001-design"],
            "active_subtasks": ["auth-002-backend", "auth-003-frontend"],
            "failed_subtasks": [],
            "zombie_subtasks": [],
            "skipped_subtasks": [],
        })
    );
}

#[test]
fn a_plan_says_what_stopped_it_and_what_it_took() {
    let drive = busy();
    let blocked = json_of(&drive, "orchestrator/tasks/orch-task-import.json");
    assert_eq!(blocked["status"], "blocked");
    assert_eq!(blocked["orchestration_status"], "blocked");
    assert_eq!(blocked["blocking_subtask"], "import-001-build");
    assert!(blocked["failure_reason"].as_str().unwrap().contains("failed 3 times"));
    assert!(!blocked["escalation"].as_str().unwrap().is_empty());
    assert_eq!(blocked["options"][0], "[r] retry differently: baton retry import-001-build");
    assert_eq!(blocked["progress"]["failed_subtasks"], json!(["import-001-build"]));
    assert!(blocked.get("resource_actual").is_none());
    let done = json_of(&drive, "orchestrator/tasks/orch-export.json");
    assert_eq!(done["status"], "completed");
    assert_eq!(done["progress"]["skipped_subtasks"], json!(["export-002-test"]));
    assert_eq!(
        done["resource_actual"],
        json!({
            "duration_ms": 127_000,
            "duration": "2 min 7 s",
            "tokens_used": 1_200,
            "workers_started": 2,
        })
    );
    let statuses: Vec<Value> = ["later", "prune"]
        .map(|name| json_of(&drive, &format!("orchestrator/tasks/orch-task-{name}.json")))
        .map(|plan| plan["status"].clone())
        .into();
    assert_eq!(statuses, ["paused", "cancelled"]);
    let has_plan = |path: &String| path.starts_with("orchestrator/tasks/");
    assert_eq!(drive.disk.keys().filter(|p| has_plan(p)).count(), 5, "routed tasks have none");
}

#[test]
fn a_subtask_has_its_thirteen_fields_and_every_attempt() {
    let subtask = json_of(&busy(), "orchestrator/subtasks/auth-002-backend.json");
    let protocol = [
        "schema",
        "subtask_id",
        "parent_task_id",
        "title",
        "description",
        "assigned_to",
        "worker_type",
        "dependencies",
        "estimated_duration_minutes",
        "estimated_tokens",
        "files_affected",
        "success_criteria",
        "deliverables",
        "status",
        "created_at",
        "attempts",
        "retry_count",
        "retry_reason",
        "retry_modifications",
        "result",
        "orchestration_id",
        "stage",
        "why",
    ];
    assert_eq!(names(&subtask), protocol);
    assert_eq!(subtask["status"], "handed_off");
    assert_eq!(subtask["retry_count"], 1);
    assert_eq!(subtask["retry_reason"], "exit code 2");
    assert_eq!(
        subtask["attempts"][0],
        json!({
            "attempt": 1,
            "attempt_id": "auth-002-backend-attempt-1",
            "agent": "development",
            "worker_id": "auth-002-backend-attempt-1",
            "handed_off_at": "2025-11-05T18:01:06Z",
            "started_at": "2025-11-05T18:01:08Z",
            "ended_at": "2025-11-05T18:02:09Z",
            "outcome": "failed",
            "reason": "exit code 2",
        })
    );
    assert_eq!(subtask["attempts"][1]["outcome"], Value::Null);
}

#[test]
fn a_subtask_that_could_start_says_so() {
    let steps: [(&str, &str, &[&str]); 3] = [
        ("t-001-build", "development", &[]),
        ("t-002-test", "development", &[]),
        ("t-003-document", "development", &["t-001-build"]),
    ];
    for (strategy, first_done) in [
        (Strategy::Staged, ["ready", "pending"]),
        (Strategy::Adaptive, ["ready", "ready"]),
        (Strategy::Sequential, ["ready", "pending"]),
    ] {
        let mut drive = Drive::new();
        drive.policy.attempts_active_max = 1;
        let task = drive.queue_task(0, Some("t"), "T");
        drive.plan(&task, draft(strategy, "t", &steps));
        drive.command("cmd-pause", "pause", "t");
        drive.finish("t-001-build", None);
        let status = |drive: &Drive, id: &str| {
            json_of(drive, &format!("orchestrator/subtasks/{id}.json"))["status"].clone()
        };
        let statuses = ["t-002-test", "t-003-document"].map(|id| status(&drive, id));
        assert_eq!(statuses, first_done, "{strategy:?}");
        drive.command("cmd-skip", "skip", "t-002-test");
        assert_eq!(status(&drive, "t-003-document"), "ready", "{strategy:?}");
    }
}

#[test]
fn a_routed_task_is_a_subtask_with_a_result() {
    let drive = busy();
    let subtask = json_of(&drive, "orchestrator/subtasks/fix-the-bug-at-once-00000001.json");
    assert_eq!(subtask["result"]["kind"], "work_order");
    assert_eq!(subtask["result"]["tokens_used"], 1_200);
    assert_eq!(subtask["completed_at"], "2025-11-05T18:03:16Z");
}

#[test]
fn the_spec_of_a_worker_is_in_one_place() {
    let mut drive = Drive::new();
    let task = drive.queue_task(0, Some("t"), "T");
    drive.route(&task, "development");
    let place = |drive: &Drive| -> Vec<String> {
        drive.disk.keys().filter(|path| path.starts_with("worker-specs/")).cloned().collect()
    };
    let status = |drive: &Drive| json_of(drive, &place(drive)[0])["status"].clone();
    assert_eq!(place(&drive), ["worker-specs/active/t-attempt-1.json"]);
    assert_eq!(status(&drive), "pending");
    let attempt_id = drive.begin("t");
    assert_eq!(status(&drive), "running");
    let spec = json_of(&drive, "worker-specs/active/t-attempt-1.json");
    assert_eq!(spec["pid"], 4711);
    assert_eq!(spec["resources"], json!({"token_allocation": 8000, "time_limit_minutes": 15}));
    drive.end("t", &attempt_id, None);
    assert_eq!(place(&drive), ["worker-specs/completed/t-attempt-1.json"]);
    let key = DocumentKey::WorkerSpec(attempt_id);
    let absent: Vec<Document> = render(&drive.state, &drive.policy, &key).split_off(1);
    assert_eq!(
        absent,
        ["active", "failed", "zombie"].map(|folder| Document::Absent {
            path: format!("worker-specs/{folder}/t-attempt-1.json"),
        })
    );
}

#[test]
fn the_spec_of_a_worker_that_was_given_up_is_with_the_dead() {
    let mut drive = Drive::new();
    let task = drive.queue_task(0, Some("t"), "T");
    drive.route(&task, "development");
    let attempt_id = drive.begin("t");
    let finding = Finding {
        worker: Watched::Attempt(attempt_id.clone()),
        liveness: Liveness::Gone,
        evidence: Evidence { process: ProcessState::Gone, ..Evidence::default() },
        breach: None,
    };
    drive.tell(Input::WorkersProbed { findings: vec![finding], held: None });
    drive.tell(Input::WorkerInterrupted { attempt_id, reason: "it ended unseen".into() });
    let places: Vec<&String> =
        drive.disk.keys().filter(|path| path.ends_with("t-attempt-1.json")).collect();
    assert_eq!(places, ["worker-specs/zombie/t-attempt-1.json"]);
    assert_eq!(json_of(&drive, places[0])["status"], "zombie");
}

#[test]
fn the_overview_says_what_the_plan_files_say() {
    let drive = busy();
    let overview = json_of(&drive, "orchestrator/state/current.json");
    let plans: Vec<Value> = drive
        .disk
        .keys()
        .filter(|path| path.starts_with("orchestrator/tasks/"))
        .map(|path| json_of(&drive, path))
        .collect();
    let count = |words: &[&str]| {
        plans.iter().filter(|plan| words.contains(&plan["status"].as_str().unwrap())).count()
    };
    assert_eq!(overview["total_orchestrations"], plans.len());
    assert_eq!(overview["active_orchestrations"], count(&["in_progress", "paused", "blocked"]));
    assert_eq!(overview["completed_orchestrations"], count(&["completed"]));
    assert_eq!(overview["failed_orchestrations"], count(&["failed"]));
    assert_eq!(overview["cancelled_orchestrations"], count(&["cancelled"]));
    for current in overview["current_orchestrations"].as_array().unwrap() {
        let plan = plans.iter().find(|p| p["orchestration_id"] == current["orchestration_id"]);
        let progress = &plan.unwrap()["progress"];
        assert_eq!(current["status"], plan.unwrap()["status"]);
        for field in ["current_stage", "progress_percent", "active_subtasks"] {
            assert_eq!(current[field], progress[field], "{field}");
        }
    }
    let health: Vec<&Value> = overview["current_orchestrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|current| &current["health"])
        .collect();
    assert_eq!(health, ["degraded", "blocked", "healthy"]);
}

#[test]
fn a_report_names_everything_and_the_five_conditions() {
    let drive = busy();
    let done = json_of(&drive, "orchestrator/completions/orch-export.json");
    assert_eq!(
        done["conditions"],
        json!({
            "all_subtasks_done": true,
            "stages_in_order": true,
            "no_zombie_or_failed": true,
            "request_satisfied": true,
            "results_aggregated": true,
        })
    );
    assert_eq!(done["result"]["kind"], "work_order");
    assert!(done["result"]["summary"].as_str().unwrap().contains("work orders, not code"));
    assert_eq!(done["agents_coordinated"], json!(["development", "security"]));
    assert_eq!(done["gaps"], json!(["export-002-test was left out: command cmd-skip"]));
    assert_eq!(done["subtasks"][2]["done_by"], "security");
    let blocked = json_of(&drive, "orchestrator/completions/orch-task-import.json");
    assert_eq!(blocked["conditions"]["all_subtasks_done"], false);
    assert_eq!(blocked["conditions"]["no_zombie_or_failed"], false);
    assert_eq!(blocked["retries"], 2);
    assert!(
        drive.disk.contains_key("orchestrator/completions/orch-fix-the-bug-at-once-00000001.md")
    );
}

#[test]
fn the_report_for_people_holds_foreign_text_in_its_place() {
    let drive = busy();
    let report = |id: &str| drive.disk[&format!("orchestrator/completions/orch-{id}.md")].clone();
    insta::assert_snapshot!("report_completed", report("export"));
    insta::assert_snapshot!("report_blocked", report("task-import"));
}

#[test]
fn no_document_holds_what_a_terminal_would_obey() {
    let drive = busy();
    for (path, text) in drive.disk.iter().map(|(path, text)| (path.as_str(), text)) {
        let bad = text.chars().find(|c| *c != '\n' && (c.is_control() || is_unseen(*c)));
        assert_eq!(bad, None, "{path}");
    }
    let json = json_of(&drive, "orchestrator/tasks/orch-task-import.json");
    assert!(json["failure_reason"].as_str().unwrap().contains("\u{1b}[31musers | \u{202e}x"));
}

#[test]
fn a_run_that_goes_on_has_no_report() {
    let mut drive = busy();
    let path = "orchestrator/completions/orch-task-import.json";
    assert!(drive.disk.contains_key(path));
    drive.command("cmd-again", "retry", "import-001-build");
    assert!(!drive.disk.contains_key(path));
    assert!(!drive.disk.contains_key("orchestrator/completions/orch-task-import.md"));
    for subtask in ["import-001-build", "import-002-test", "import-003-document"] {
        drive.finish(subtask, None);
    }
    let report = json_of(&drive, path);
    assert_eq!(report["status"], "completed");
    assert_eq!(report["conditions"]["stages_in_order"], true);
}

#[test]
fn a_task_given_out_too_early_breaks_the_order() {
    let mut drive = busy();
    let run = drive.state.orchestrations.get_mut("orch-export").unwrap();
    let needed_at = run.runs[0].attempts[0].issued_at;
    run.plan.strategy = Strategy::Staged;
    run.runs[2].attempts[0].issued_at = needed_at;
    let key = DocumentKey::Completion(run.id.clone());
    let documents = render(&drive.state, &drive.policy, &key);
    let Document::Replace { body, .. } = &documents[0] else { panic!("{documents:?}") };
    let report: Value = serde_json::from_str(body).unwrap();
    assert_eq!(report["conditions"]["stages_in_order"], false);
}

#[test]
fn a_command_has_one_answer() {
    let answer = json_of(&busy(), "orchestrator/answers/cmd-wrong.json");
    let protocol = ["schema", "command_id", "verb", "target", "ok", "message", "answered_at"];
    assert_eq!(names(&answer), protocol);
    assert_eq!(answer["ok"], false);
}
