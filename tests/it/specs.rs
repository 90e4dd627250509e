//! Workers that masters start themselves: real processes, made known by a spec.
#![expect(clippy::disallowed_methods, reason = "tests act as masters and their workers do")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::env::TestEnv;

/// Masters elsewhere, and a look at everything soon.
const CONFIG: &str = "[daemon]\ntick_ms = 300\n[masters.development]\nbackend = \"external\"\n";

/// The same, with looks and limits of a moment.
fn watched() -> TestEnv {
    let limits = "look_ms = 100\nheartbeat_stale_ms = 400\nstall_after_ms = 600000\n";
    TestEnv::new(&format!("{CONFIG}[supervision]\n{limits}"))
}

/// A worker that waits for its standard input to close.
fn worker() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

fn end(mut worker: Child) {
    drop(worker.stdin.take());
    worker.wait().unwrap();
}

fn active(id: &str) -> String {
    format!("worker-specs/active/{id}.json")
}

fn put(env: &TestEnv, id: &str, fields: &Value) {
    let mut spec = json!({"worker_id": id, "parent_master": "development", "status": "running"});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    env.put(&active(id), &format!("{spec}\n"));
}

fn count(env: &TestEnv, kind: &str) -> usize {
    env.kinds().iter().filter(|found| *found == kind).count()
}

#[test]
fn a_worker_that_ends_well_has_its_spec_moved_once_as_it_was_written() {
    let env = TestEnv::new(CONFIG);
    let daemon = env.serve();
    let child = worker();
    let pid = child.id();
    put(&env, "w-1", &json!({"pid": pid}));
    let seen = env.wait_for("worker_spec_seen", &[("worker_id", "w-1")]);
    assert_eq!(seen["identity"]["pid"], pid, "its process is pinned: {seen}");
    for beat in 0..3 {
        put(&env, "w-1", &json!({"pid": pid, "heartbeat": {"heartbeat_sequence": beat}}));
    }
    end(child);
    put(&env, "w-1", &json!({"pid": pid, "status": "completed", "note": 1.50}));
    let written = env.text(&active("w-1"));
    let settled = env.wait_for("worker_spec_settled", &[("worker_id", "w-1")]);
    assert_eq!(settled["folder"], "completed");
    assert_eq!(settled["why"]["evidence"], "its spec says completed");
    env.wait_for("worker_spec_moved", &[("worker_id", "w-1")]);
    assert_eq!(env.text("worker-specs/completed/w-1.json"), written);
    assert!(!env.exists(&active("w-1")));
    assert_eq!(count(&env, "worker_spec_seen"), 2, "heartbeats are not journalled");
    daemon.drain();
    let before = env.kinds().len();
    let daemon = env.serve();
    env.wait_until("a second start", || (count(&env, "daemon_started") == 2).then_some(()));
    daemon.drain();
    assert_eq!(env.kinds()[before..], ["daemon_started", "daemon_stopped"]);
}

#[test]
fn a_worker_that_is_killed_is_put_with_the_dead_once() {
    let env = watched();
    let daemon = env.serve();
    let mut child = worker();
    put(&env, "w-1", &json!({"pid": child.id()}));
    env.wait_for("worker_spec_seen", &[("worker_id", "w-1")]);
    child.kill().unwrap();
    child.wait().unwrap();
    let gone = env.wait_for("worker_gone", &[("worker_id", "w-1")]);
    assert_eq!(gone["evidence"]["process"], "gone", "{gone}");
    let settled = env.wait_for("worker_spec_settled", &[("worker_id", "w-1")]);
    assert_eq!(settled["folder"], "zombie");
    assert!(!settled["why"]["evidence"].as_str().unwrap().is_empty(), "{settled}");
    env.wait_for("worker_spec_moved", &[("worker_id", "w-1")]);
    assert!(env.exists("worker-specs/zombie/w-1.json") && !env.exists(&active("w-1")));
    daemon.drain();
    let before = env.kinds().len();
    let daemon = env.serve();
    env.wait_until("a second start", || (count(&env, "daemon_started") == 2).then_some(()));
    daemon.drain();
    assert_eq!(env.kinds()[before..], ["daemon_started", "daemon_stopped"]);
}

#[test]
fn a_worker_that_was_killed_before_anybody_looked_is_found_by_its_number() {
    let env = watched();
    let child = worker();
    let pid = child.id();
    end(child);
    put(&env, "here", &json!({"pid": pid}));
    put(&env, "elsewhere", &json!({"pid": pid, "host": "some-other-box"}));
    put(&env, "beats", &json!({"pid": pid}));
    let daemon = env.serve();
    // What shows signs of life is alive, whatever its number says.
    let beat = |nth: u32| {
        let text = json!({"worker_id": "beats", "progress": nth}).to_string();
        let folder = env.coordination().parent().unwrap().join("agents/workers/beats");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(".beat"), text).unwrap();
        std::fs::rename(folder.join(".beat"), folder.join("heartbeat.json")).unwrap();
    };
    let beats = std::cell::Cell::new(0);
    let is_missed = |event: &Value| {
        event["type"] == "worker_heartbeat_missed" && event["worker_id"] == "elsewhere"
    };
    // It beats until nothing is waited for any more.
    env.wait_until("the end of one and a doubt about another", || {
        beats.set(beats.get() + 1);
        beat(beats.get());
        let is_settled = env.exists("worker-specs/zombie/here.json");
        (is_settled && env.events().iter().any(is_missed)).then_some(())
    });
    daemon.drain();
    let of = |kind: &str| -> Vec<String> {
        let events = env.events().into_iter().filter(|event| event["type"] == kind);
        events.map(|event| event["worker_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of("worker_spec_settled"), ["here"]);
    assert_eq!(of("worker_gone"), ["here"]);
}

#[test]
fn who_delivered_is_never_put_with_the_dead() {
    let env = watched();
    let mut child = worker();
    put(&env, "w-1", &json!({"pid": child.id()}));
    let daemon = env.serve();
    env.wait_for("worker_spec_seen", &[("worker_id", "w-1")]);
    daemon.drain();
    env.put("workers/w-1/report.json", r#"{"status": "success", "summary": "done"}"#);
    child.kill().unwrap();
    child.wait().unwrap();
    let daemon = env.serve();
    env.wait_for("worker_spec_moved", &[("worker_id", "w-1")]);
    assert!(env.exists("worker-specs/completed/w-1.json"));
    assert_eq!(count(&env, "worker_gone"), 0);
    daemon.drain();
}

#[test]
fn a_process_that_took_over_a_number_is_not_taken_for_the_worker() {
    let env = TestEnv::new(CONFIG);
    let child = worker();
    put(&env, "w-1", &json!({"execution": {"pid": child.id().to_string()}}));
    set_age(&env.path(&active("w-1")), Duration::from_secs(3_600));
    let daemon = env.serve();
    let seen = env.wait_for("worker_spec_seen", &[("worker_id", "w-1")]);
    assert_eq!((&seen["pid"], &seen["identity"]), (&json!(child.id()), &Value::Null), "{seen}");
    put(&env, "w-1", &json!({"execution": {"pid": child.id()}, "task_id": "t"}));
    let again = env.wait_for("worker_spec_seen", &[("task_id", "t")]);
    assert_eq!(again["identity"], Value::Null, "a spec written again proves nothing: {again}");
    daemon.drain();
    end(child);
}

#[test]
fn a_worker_without_a_number_is_followed_until_its_report_is_there() {
    let env = TestEnv::new(CONFIG);
    let daemon = env.serve();
    let nested = json!({
        "created_by": "development-master", "created_at": "2025-11-05T12:00:00-0600",
        "execution": {"started_at": "2025-11-05T12:00:01-0600", "session_id": null},
        "heartbeat": {"last_heartbeat": "2025-11-05T12:01:00-0600", "heartbeat_sequence": 1,
                      "health": {"status": "healthy", "health_score": 100}, "missed_count": 0},
    });
    put(&env, "w-1", &nested);
    let seen = env.wait_for("worker_spec_seen", &[("worker_id", "w-1")]);
    assert_eq!(seen["pid"], Value::Null);
    env.put("workers/w-1/report.json", r#"{"status": "failure", "error": "no key"}"#);
    let settled = env.wait_for("worker_spec_settled", &[("worker_id", "w-1")]);
    assert_eq!(settled["folder"], "failed");
    env.wait_for("worker_spec_moved", &[("worker_id", "w-1")]);
    assert!(env.exists("worker-specs/failed/w-1.json"));
    // The same id again is a new life, and the report of the old one is none of it.
    set_age(&env.path("workers/w-1/report.json"), Duration::from_secs(60));
    put(&env, "w-1", &json!({"task_id": "again"}));
    env.wait_for("worker_spec_seen", &[("task_id", "again")]);
    env.put("workers/w-1/report.json", r#"{"status": "success", "summary": "found the key"}"#);
    env.wait_for("worker_spec_settled", &[("folder", "completed")]);
    env.wait_until("both lives put away", || (count(&env, "worker_spec_moved") == 2).then_some(()));
    assert!(env.exists("worker-specs/completed/w-1.json"));
    daemon.drain();
}

#[test]
fn a_worker_of_a_handoff_is_put_away_with_it() {
    let env = TestEnv::new(CONFIG);
    let daemon = env.serve();
    let task = json!({"id": "job", "title": "Fix a typo", "assigned_to": "development"});
    env.put("inbox/job.json", &task.to_string());
    env.wait_for("handoff_published", &[]);
    put(&env, "dev-7", &json!({"task_id": "job", "created_by": "development"}));
    env.wait_for("worker_spec_seen", &[("worker_id", "dev-7")]);
    let report = json!({"subtask_id": "job", "status": "success", "summary": "done"});
    env.put("workers/job-attempt-1/report.json", &report.to_string());
    let settled = env.wait_for("worker_spec_settled", &[("worker_id", "dev-7")]);
    assert_eq!(settled["folder"], "completed");
    assert_eq!(settled["why"]["evidence"], "job-attempt-1 delivered");
    env.wait_for("worker_spec_moved", &[("worker_id", "dev-7")]);
    assert!(env.exists("worker-specs/completed/dev-7.json"));
    daemon.drain();
}

#[test]
fn a_spec_that_went_while_nobody_looked_is_missed_and_not_called_dead() {
    let env = TestEnv::new(CONFIG);
    let daemon = env.serve();
    put(&env, "w-1", &json!({}));
    env.wait_for("worker_spec_seen", &[("worker_id", "w-1")]);
    daemon.drain();
    std::fs::remove_file(env.path(&active("w-1"))).unwrap();
    let daemon = env.serve();
    let moved = env.wait_for("worker_spec_moved", &[("worker_id", "w-1")]);
    assert_eq!(moved["vanished"], true);
    assert_eq!(count(&env, "worker_spec_settled"), 0);
    daemon.drain();
}

#[test]
fn what_baton_launches_is_no_masters_worker() {
    let env = TestEnv::with_brief_workers();
    let daemon = env.serve();
    env.put("inbox/t.json", r#"{"id": "t", "title": "Fix a typo"}"#);
    env.wait_for("subtask_completed", &[]);
    put(&env, "marker", &json!({}));
    env.wait_for("worker_spec_seen", &[("worker_id", "marker")]);
    env.wait_until("its spec", || {
        env.exists("worker-specs/completed/t-attempt-1.json").then_some(())
    });
    daemon.drain();
    assert_eq!(count(&env, "worker_spec_seen"), 1);
    assert_eq!(count(&env, "file_quarantined"), 0);
}

/// Lets a file have been changed so long ago.
fn set_age(path: &Path, age: Duration) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}
