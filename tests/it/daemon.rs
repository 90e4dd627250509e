//! The daemon as a whole: real files, real workers, real ends.
#![expect(clippy::disallowed_methods, reason = "tests act as masters and operators do")]

use std::path::PathBuf;

use baton::daemon::{Ended, process};
use baton::domain::worker::ProcessIdentity;
use rustix::fs::{FileType, Mode};
use serde_json::{Value, json};

use crate::env::TestEnv;

const AUTHENTICATION: &str = "Add authentication system with security audit and documentation";

#[test]
fn a_dropped_text_goes_all_the_way() {
    let env = TestEnv::with_brief_workers();
    let daemon = env.serve();
    env.put("inbox/auth.txt", AUTHENTICATION);
    let done = env.wait_for("orchestration_completed", &[]);
    let id = done["orchestration_id"].as_str().unwrap();
    assert_eq!(daemon.drain(), Ended::Drained);

    let plan = env.json(&format!("orchestrator/tasks/{id}.json"));
    assert_eq!(plan["status"], "completed");
    for subtask in plan["subtasks"].as_array().unwrap() {
        assert_eq!(subtask["status"], "completed", "{subtask}");
        let id = subtask["subtask_id"].as_str().unwrap();
        assert_eq!(env.json(&format!("orchestrator/subtasks/{id}.json"))["status"], "completed");
        let order = env.text(&format!("workers/{id}-attempt-1/brief.md"));
        assert!(order.to_lowercase().contains("work order"), "{order}");
    }
    assert!(env.exists(&format!("orchestrator/completions/{id}.json")));
    assert!(env.exists(&format!("orchestrator/completions/{id}.md")));
    assert!(env.exists("inbox/accepted/auth.txt"));
    let overview = env.json("orchestrator/state/current.json");
    assert_eq!(overview["completed_orchestrations"], 1);
    assert_eq!(overview["active_orchestrations"], 0);
    check_numbers(&env);
}

#[test]
fn a_work_order_owes_none_of_the_files_that_the_work_would_leave() {
    let env = TestEnv::with_brief_workers();
    let subtask = |id: &str, needs: &[&str]| {
        json!({
            "subtask_id": id, "title": "Write it", "description": "x", "assigned_to": "development",
            "worker_type": "implementation", "dependencies": needs,
            "estimated_duration_minutes": 5, "estimated_tokens": 100, "files_affected": ["src/a.rs"],
            "deliverables": ["src/a.rs", "docs/a.md"], "success_criteria": "it is written",
        })
    };
    let plan = json!({
        "schema": "baton/plan@1", "id": "p", "title": "Plan",
        "subtasks": [subtask("p-a", &[]), subtask("p-b", &["p-a"])],
    });
    env.put("inbox/p.json", &plan.to_string());
    let daemon = env.serve();
    env.wait_for("orchestration_completed", &[]);
    daemon.drain();
    assert!(!env.kinds().contains(&"subtask_failed".to_owned()));
    assert_eq!(env.json("orchestrator/subtasks/p-b.json")["result"]["kind"], "work_order");
}

#[test]
fn a_worker_whose_folder_a_power_cut_took_is_not_waited_for() {
    let env = TestEnv::new(
        "[masters.development]\nbackend = \"command\"\nargv = [\"/bin/sleep\", \"60\"]\n",
    );
    env.put("inbox/t.json", r#"{"id": "t", "title": "Fix a typo"}"#);
    let daemon = env.serve();
    let started = env.wait_for("worker_started", &[]);
    assert_eq!(daemon.drain(), Ended::Drained);
    let pid = started["identity"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    env.wait_until("the record of its end", || {
        env.exists("workers/t-attempt-1/exit.json").then_some(())
    });
    // Nothing in it is synced; the journal is.
    std::fs::remove_dir_all(env.path("workers/t-attempt-1")).unwrap();
    let daemon = env.serve();
    env.wait_for("attempt_interrupted", &[("attempt_id", "t-attempt-1")]);
    env.wait_for("worker_started", &[("attempt_id", "t-attempt-2")]);
    cancel(&env, "t");
    env.wait_for("attempt_cancelled", &[("attempt_id", "t-attempt-2")]);
    daemon.drain();
}

#[test]
fn a_worker_that_ignores_term_is_cancelled_with_all_that_it_started() {
    let env = TestEnv::new(
        r#"[masters.development]
backend = "command"
argv = ["/bin/sh", "-c", "trap '' TERM; setsid sh -c 'echo $$ > grandchild; exec sleep 60' & while :; do sleep 1; done"]
[supervision]
stop_grace_ms = 200
"#,
    );
    env.put("inbox/t.json", r#"{"id": "t", "title": "Fix a typo"}"#);
    let daemon = env.serve();
    let started = env.wait_for("worker_started", &[]);
    let note = env.coordination().with_file_name("grandchild");
    let grandchild = env.wait_until("the grandchild", || {
        // It is not below the directory that is watched: the wait looks now and then as well.
        std::fs::read_to_string(&note).ok()?.trim().parse::<u32>().ok()
    });
    cancel(&env, "t");
    env.wait_for("attempt_cancelled", &[("attempt_id", "t-attempt-1")]);
    for pid in [started["identity"]["pid"].as_u64().unwrap(), u64::from(grandchild)] {
        assert!(!std::path::Path::new(&format!("/proc/{pid}/exe")).exists(), "{pid} runs");
    }
    daemon.drain();
}

/// Drops a command to cancel a task.
fn cancel(env: &TestEnv, task: &str) {
    let now = baton::clock::now().wall;
    let command = json!({
        "schema": "baton/command@1", "command_id": format!("cancel-{task}"), "verb": "cancel",
        "target": task, "args": {}, "created_at": now,
    });
    env.put("inbox/cancel.json", &command.to_string());
}

#[test]
fn a_task_of_the_queue_is_marked_and_nothing_else_of_it_changes() {
    let env = TestEnv::new("");
    let queue = json!({"tasks": [
        {"id": "t-1", "title": "Fix a typo", "status": "pending", "assigned_to": "development", "mine": 1.50},
        {"id": "t-2", "title": "Not yet", "status": "draft", "big": 18446744073709551616_f64},
    ]});
    env.put("task-queue.json", &queue.to_string());
    let daemon = env.serve();
    env.wait_for("subtask_handed_off", &[]);
    let marked = env.wait_until("the mark", || {
        let queue = env.json("task-queue.json");
        (queue["tasks"][0]["status"] == "assigned").then_some(queue)
    });
    assert_eq!(marked["tasks"][0]["mine"], json!(1.5));
    assert_eq!(marked["tasks"][1], queue["tasks"][1]);
    let handoff = "masters/development/handoffs/to-development-t-1.json";
    let handoff = env.wait_until("the handoff", || env.exists(handoff).then(|| env.json(handoff)));
    assert_eq!(handoff["attempt_id"], "t-1-attempt-1");
    drop(daemon);
}

#[test]
fn a_run_goes_on_after_a_restart_where_it_was() {
    let env = TestEnv::new("");
    env.put("inbox/auth.txt", AUTHENTICATION);
    let daemon = env.serve();
    env.wait_for("handoff_published", &[]);
    assert_eq!(daemon.drain(), Ended::Drained);
    let before = env.kinds();

    // What is derived may be lost; what is true may not.
    std::fs::remove_dir_all(env.path("orchestrator/tasks")).unwrap();
    std::fs::remove_dir_all(env.path("orchestrator/subtasks")).unwrap();
    std::fs::remove_file(env.path("dashboard-events.jsonl")).unwrap();
    let daemon = env.serve();
    let mut done = 0;
    while !env.kinds().contains(&"orchestration_completed".to_owned()) {
        done += 1;
        let id = env.wait_until("a handoff that waits or the end", || {
            if env.kinds().contains(&"orchestration_completed".to_owned()) {
                return Some(None);
            }
            waiting_handoff(&env).map(Some)
        });
        let Some(path) = id else { break };
        take_and_report(&env, &path);
    }
    assert!(done > 3, "{done} handoffs");
    assert_eq!(daemon.drain(), Ended::Drained);
    let after = env.kinds();
    assert_eq!(after[..before.len()], before, "what was told is told again from the journal");
    assert_eq!(after[before.len()], "daemon_started");
    let plans = std::fs::read_dir(env.path("orchestrator/tasks")).unwrap().count();
    assert_eq!(plans, 1);
    check_numbers(&env);
}

#[test]
fn a_start_with_nothing_new_says_only_that_it_started() {
    let env = TestEnv::with_brief_workers();
    env.put("inbox/auth.txt", AUTHENTICATION);
    env.put("task-queue.json", "{\"tasks\": [{\"title\": ");
    let daemon = env.serve();
    env.wait_for("orchestration_completed", &[]);
    env.wait_for("file_quarantined", &[]);
    daemon.drain();
    let before = env.kinds();
    let daemon = env.serve();
    env.wait_until("the start", || {
        (env.kinds().iter().filter(|kind| *kind == "daemon_started").count() == 2).then_some(())
    });
    daemon.drain();
    assert_eq!(env.kinds()[before.len()..], ["daemon_started", "daemon_stopped"]);
    check_numbers(&env);
}

#[test]
fn a_directory_has_one_daemon() {
    let env = TestEnv::new("");
    let daemon = env.serve();
    env.wait_for("daemon_started", &[]);
    let refused = env.serve().fails();
    assert_eq!(refused.exit_code(), 75, "{refused}");
    daemon.drain();
}

#[test]
fn a_queue_that_is_broken_is_told_once_and_holds_nothing_else_up() {
    let env = TestEnv::new("");
    env.put("task-queue.json", "{\"tasks\": [{\"id\": \"t-1\", \"title\": ");
    let daemon = env.serve();
    env.wait_for("file_quarantined", &[]);
    env.put("inbox/typo.json", r#"{"title": "Fix a typo", "assigned_to": "development"}"#);
    env.wait_for("handoff_published", &[]);
    env.put(
        "task-queue.json",
        r#"{"tasks": [{"id": "t-1", "title": "Fix it", "status": "pending"}]}"#,
    );
    env.wait_for("task_accepted", &[("task_id", "t-1")]);
    daemon.drain();
    let told = env.kinds().iter().filter(|kind| *kind == "file_quarantined").count();
    assert_eq!(told, 1);
}

#[test]
fn a_worker_lives_on_through_a_drain_and_is_not_launched_twice() {
    let (env, gate) = with_a_worker_at_a_gate();
    let daemon = env.serve();
    env.wait_for("worker_started", &[]);
    assert_eq!(daemon.drain(), Ended::Drained);
    assert!(!env.kinds().contains(&"worker_exited".to_owned()));

    let daemon = env.serve();
    // Opening waits for the worker to read: so it lives.
    std::fs::write(&gate, "go\n").unwrap();
    env.wait_for("orchestration_completed", &[]);
    daemon.drain();
    let begun = std::fs::read_to_string(gate.with_file_name("begun.txt")).unwrap();
    assert_eq!(begun, "begun\n");
    assert_eq!(env.json("task-queue.json")["tasks"][0]["status"], "completed");
    check_numbers(&env);
}

#[test]
fn a_worker_whose_launch_is_on_its_way_is_stopped_too() {
    let env = TestEnv::new(
        r#"[masters.development]
backend = "command"
argv = ["/bin/sleep", "600"]
domains = ["development"]
"#,
    );
    env.put(
        "task-queue.json",
        r#"{"tasks": [{"id": "t-1", "title": "Fix a typo", "status": "pending", "assigned_to": "development"}]}"#,
    );
    let daemon = env.serve();
    // The holder has to be started before the worker is.
    env.wait_for("handoff_published", &[]);
    assert_eq!(daemon.stop_with_workers(), Ended::Drained);
    let identity = env.path("workers/t-1-attempt-1/identity.json");
    let Ok(identity) = std::fs::read_to_string(identity) else { return };
    let identity: Value = serde_json::from_str(&identity).unwrap();
    let process: ProcessIdentity = serde_json::from_value(identity["process"].clone()).unwrap();
    assert!(!process::is_alive(&process), "{process:?} was left");
}

#[test]
fn a_second_request_stops_the_workers_and_counts_no_failure() {
    let (env, gate) = with_a_worker_at_a_gate();
    let daemon = env.serve();
    env.wait_for("worker_started", &[]);
    assert_eq!(daemon.stop_with_workers(), Ended::Drained);
    let kinds = env.kinds();
    assert!(kinds.contains(&"attempt_interrupted".to_owned()), "{kinds:?}");
    assert!(!kinds.contains(&"subtask_failed".to_owned()), "{kinds:?}");

    let daemon = env.serve();
    env.wait_for("worker_started", &[("attempt_id", "t-1-attempt-2")]);
    std::fs::write(&gate, "go\n").unwrap();
    env.wait_for("orchestration_completed", &[]);
    daemon.drain();
    check_numbers(&env);
}

#[test]
fn a_configuration_is_read_again_and_a_bad_one_changes_nothing() {
    let env = TestEnv::new("[masters.development]\nbackend = \"external\"\n");
    let daemon = env.serve();
    env.wait_for("daemon_started", &[]);
    env.put("baton.toml", "nonsense = 1\n");
    daemon.reload();
    let task =
        |id: &str| format!(r#"{{"id":"{id}","title":"Fix it","assigned_to":"development"}}"#);
    env.put("inbox/one.json", &task("one"));
    env.wait_for("handoff_published", &[("subtask_id", "one")]);
    env.put("baton.toml", "[masters.development]\nbackend = \"brief\"\n");
    daemon.reload();
    env.put("inbox/two.json", &task("two"));
    env.wait_for("subtask_completed", &[("subtask_id", "two")]);
    daemon.drain();
}

#[test]
fn a_directory_that_is_taken_away_ends_the_daemon_and_is_not_made_again() {
    let env = TestEnv::new("[daemon]\ntick_ms = 100\n");
    let daemon = env.serve();
    env.wait_for("daemon_started", &[]);
    let away = env.coordination().with_file_name("away");
    std::fs::rename(env.coordination(), &away).unwrap();
    assert_eq!(daemon.fails().exit_code(), 75);
    assert!(!env.coordination().exists());
    std::fs::rename(away, env.coordination()).unwrap();
}

/// A directory with one task, whose worker waits for a line through the pipe that is returned.
fn with_a_worker_at_a_gate() -> (TestEnv, PathBuf) {
    let env = TestEnv::new(
        r#"[masters.development]
backend = "command"
argv = ["/bin/sh", "-c", "echo begun >> begun.txt; read line < gate; echo '{\"subtask_id\":\"t-1\",\"status\":\"success\",\"summary\":\"done\"}' > \"$BATON_REPORT\""]
domains = ["development"]
"#,
    );
    let gate = env.coordination().with_file_name("gate");
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &gate, FileType::Fifo, mode, 0).unwrap();
    env.put(
        "task-queue.json",
        r#"{"tasks": [{"id": "t-1", "title": "Fix a typo", "status": "pending", "assigned_to": "development"}]}"#,
    );
    (env, gate)
}

/// Event numbers begin at 1 and have neither gap nor repetition.
fn check_numbers(env: &TestEnv) {
    let numbers: Vec<u64> = env.events().iter().filter_map(|event| event["seq"].as_u64()).collect();
    let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, expected);
}

/// Finds a handoff that no master has taken.
fn waiting_handoff(env: &TestEnv) -> Option<String> {
    let masters = std::fs::read_dir(env.path("masters")).ok()?;
    masters.flatten().find_map(|master| {
        let name = master.file_name().into_string().ok()?;
        std::fs::read_dir(master.path().join("handoffs")).ok()?.flatten().find_map(|file| {
            let file = file.file_name().into_string().ok()?;
            file.ends_with(".json").then(|| format!("masters/{name}/handoffs/{file}"))
        })
    })
}

/// Does what a master does: takes a handoff and reports success.
fn take_and_report(env: &TestEnv, path: &str) {
    std::fs::rename(env.path(path), env.path(&format!("{path}.processed"))).unwrap();
    let handoff = env.json(&format!("{path}.processed"));
    let deliverables = handoff["subtask"]["deliverables"].as_array().unwrap();
    for file in deliverables {
        let file = env.coordination().parent().unwrap().join(file.as_str().unwrap());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "done").unwrap();
    }
    let report = json!({
        "subtask_id": handoff["subtask_id"], "attempt_id": handoff["attempt_id"],
        "status": "success", "summary": "done", "deliverables": deliverables,
    });
    env.put(handoff["report_to"].as_str().unwrap(), &report.to_string());
}
