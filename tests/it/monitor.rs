//! Workers that say nothing are looked at: real processes, real files, limits of a second or so.
#![expect(clippy::disallowed_methods, reason = "tests act as masters and workers do")]

use std::path::Path;

use serde_json::{Value, json};

use crate::env::TestEnv;

/// Settings whose only master runs `script`, with limits of a second or so.
fn launched(script: &str, limits: &str) -> TestEnv {
    let argv = json!(["/bin/sh", "-c", script]);
    TestEnv::new(&format!(
        "[masters.development]\nbackend = \"command\"\nargv = {argv}\n\
         [supervision]\nlook_ms = 100\nstop_grace_ms = 300\n{limits}\n\
         [retry]\nattempts_max = 1\n"
    ))
}

fn drop_task(env: &TestEnv) {
    let task =
        json!({"id": "t", "title": "Fix a typo in README.md", "files_affected": ["README.md"]});
    env.put("inbox/t.json", &task.to_string());
}

fn is_running(pid: &Value) -> bool {
    Path::new(&format!("/proc/{pid}/exe")).exists()
}

#[test]
fn who_makes_no_progress_is_stopped_with_the_evidence_told() {
    let env =
        launched("echo begins; exec sleep 600", "heartbeat_stale_ms = 300\nstall_after_ms = 600");
    drop_task(&env);
    let daemon = env.serve();
    let started = env.wait_for("worker_started", &[]);
    env.wait_for("worker_suspected", &[("attempt_id", "t-attempt-1")]);
    let stalled = env.wait_for("worker_stalled", &[("attempt_id", "t-attempt-1")]);
    assert_eq!(stalled["evidence"]["process"], "running");
    assert!(
        stalled["evidence"]["verdict"].as_str().is_some_and(|why| !why.is_empty()),
        "{stalled}"
    );
    env.wait_for("subtask_failed", &[("attempt_id", "t-attempt-1")]);
    assert!(!is_running(&started["identity"]["pid"]), "it is over before anything follows");
    daemon.stop_with_workers();
}

#[test]
fn who_shows_any_progress_is_left_alone() {
    for progress in [
        "echo $i",
        "echo $i > $BATON_WORKSPACE/README.md",
        "echo \"{\\\"timestamp\\\": \\\"x\\\", \\\"progress\\\": $i}\" > $BATON_WORKER_DIR/heartbeat.json",
        "echo $i > $BATON_WORKER_DIR/notes.txt",
    ] {
        let script = format!(
            "BATON_WORKSPACE=$PWD; BATON_WORKER_DIR=$PWD/coordination/workers/t-attempt-1; \
             i=0; while [ $i -lt 16 ]; do i=$((i+1)); {progress}; sleep 0.2; done; \
             echo '{{\"status\": \"success\", \"summary\": \"done\"}}' > $BATON_WORKER_DIR/report.json"
        );
        let env = launched(&script, "heartbeat_stale_ms = 0\nstall_after_ms = 1500");
        drop_task(&env);
        let daemon = env.serve();
        env.wait_for("subtask_completed", &[("subtask_id", "t")]);
        daemon.drain();
        let doubts: Vec<String> =
            env.kinds().into_iter().filter(|kind| kind.starts_with("worker_s")).collect();
        assert_eq!(doubts, ["worker_started"], "{progress}");
    }
}

#[test]
fn who_beats_and_does_nothing_is_stalled() {
    let beat =
        "echo \"{\\\"timestamp\\\": $i, \\\"sequence\\\": $i, \\\"status\\\": \\\"busy\\\"}\"";
    // Once a second: to start a program takes processor time, and that is progress.
    let script = format!(
        "cd coordination/workers/t-attempt-1; i=0; while :; do i=$((i+1)); \
         {beat} > heartbeat.json; sleep 1; done"
    );
    let env = launched(&script, "heartbeat_stale_ms = 4000\nstall_after_ms = 4000");
    drop_task(&env);
    let daemon = env.serve();
    let stalled = env.wait_for("worker_stalled", &[("attempt_id", "t-attempt-1")]);
    let signs = stalled["evidence"]["signs"].as_array().unwrap();
    assert!(signs.iter().any(|seen| seen["sign"] == "heartbeat"), "{stalled}");
    assert!(!env.kinds().contains(&"worker_heartbeat_missed".to_owned()));
    daemon.stop_with_workers();
}

#[test]
fn who_has_reported_and_stays_is_ended_and_has_delivered() {
    let report = "echo '{\"status\": \"success\", \"summary\": \"done\"}' \
                  > coordination/workers/t-attempt-1/report.json";
    let env = launched(
        &format!("{report}; exec sleep 600"),
        "linger_ms = 300\nheartbeat_stale_ms = 0\nstall_after_ms = 900",
    );
    drop_task(&env);
    let daemon = env.serve();
    let started = env.wait_for("worker_started", &[]);
    env.wait_for("subtask_completed", &[("attempt_id", "t-attempt-1")]);
    assert!(!is_running(&started["identity"]["pid"]));
    daemon.drain();
    let recalled = env.wait_for("attempt_recalled", &[("attempt_id", "t-attempt-1")]);
    assert!(recalled["reason"].as_str().unwrap().contains("result is in"), "{recalled}");
    assert!(!env.kinds().contains(&"worker_stalled".to_owned()));
}

#[test]
fn who_takes_too_much_is_stopped() {
    for (script, limits) in [
        ("for i in 1 2 3 4 5 6; do sleep 600 & done; wait", "processes_max = 4"),
        ("exec sleep 600", "memory_bytes_max = 4096"),
    ] {
        let env = launched(script, limits);
        drop_task(&env);
        let daemon = env.serve();
        let failed = env.wait_for("subtask_failed", &[("subtask_id", "t")]);
        assert!(!failed["failure"].is_null(), "{failed}");
        daemon.stop_with_workers();
    }
}

#[test]
fn a_spec_shows_what_the_last_look_saw() {
    let env = launched("i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done", "");
    drop_task(&env);
    let daemon = env.serve();
    let spec = |is_so: &dyn Fn(&Value) -> bool| {
        env.wait_until("the spec", || {
            let path = env.path("worker-specs/active/t-attempt-1.json");
            let text = std::fs::read_to_string(path).ok()?;
            serde_json::from_str(&text).ok().filter(|spec| is_so(spec))
        })
    };
    // A look may find it while it waits for the disk.
    let is_running = |spec: &Value| spec["health"]["process"] == "running";
    let first = spec(&|spec| !spec["health"]["last_progress"].is_null() && is_running(spec));
    assert_eq!(first["health"]["status"], "healthy");
    let later = spec(&|spec| spec["last_heartbeat"].as_str() > first["last_heartbeat"].as_str());
    let signs = later["health"]["signs"].as_array().unwrap();
    let output = signs.iter().find(|seen| seen["sign"] == "output").unwrap();
    assert!(output["what"].as_str().unwrap().ends_with("bytes"), "{output}");
    daemon.stop_with_workers();
    let ended = env.wait_until("its end", || {
        let path = env.path("worker-specs/failed/t-attempt-1.json");
        let spec: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
        Some(spec)
    });
    assert!(ended["health"].is_null(), "{ended}");
}

#[test]
fn a_master_elsewhere_is_judged_by_what_it_leaves() {
    let env = TestEnv::new(
        "[masters.development]\nbackend = \"external\"\n\
         [supervision]\nlook_ms = 100\nheartbeat_stale_ms = 400\nstall_after_ms = 1000\n",
    );
    drop_task(&env);
    let daemon = env.serve();
    env.wait_for("handoff_published", &[]);
    let handoff = env.path("masters/development/handoffs/to-development-t.json");
    std::fs::rename(&handoff, handoff.with_extension("json.processed")).unwrap();
    env.wait_for("handoff_taken", &[]);
    // Each time it is thought to be quiet it says something: that is no matter of time.
    for percent in 1..=3 {
        let missed = |env: &TestEnv| {
            env.kinds().iter().filter(|kind| *kind == "worker_heartbeat_missed").count() >= percent
        };
        env.wait_until("the quiet", || missed(&env).then_some(()));
        let beat = json!({"worker_id": "t-attempt-1", "timestamp": "2001-01-01T00:00:00-0600",
            "progress": format!("{percent} %")});
        env.put("workers/t-attempt-1/heartbeat.json", &beat.to_string());
        let recovered = |env: &TestEnv| {
            env.kinds().iter().filter(|kind| *kind == "worker_recovered").count() >= percent
        };
        env.wait_until("the recovery", || recovered(&env).then_some(()));
    }
    let stalled = env.wait_for("worker_stalled", &[("attempt_id", "t-attempt-1")]);
    assert_eq!(stalled["evidence"]["process"], "unverifiable");
    assert_eq!(stalled["evidence"]["claimed_heartbeat"], "2001-01-01T00:00:00-0600");
    // What it delivers after all is taken.
    let report = json!({"subtask_id": "t", "status": "success", "summary": "done after all"});
    env.put("workers/t-attempt-1/report.json", &report.to_string());
    env.wait_for("subtask_completed", &[("attempt_id", "t-attempt-1")]);
    daemon.drain();
}
