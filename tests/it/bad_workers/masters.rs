//! Workers of masters elsewhere: those that never begin, vanish, and report late, twice or for
//! others.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{BAD, Case};
use crate::env::TestEnv;

/// Masters that take handoff files; the second may stand in for the first.
const EXTERNAL: &str = r#"untaken_alert_ms = 1000
untaken_max_ms = 2000
[masters.development]
backend = "external"
domains = ["development"]
[masters.stand-in]
backend = "external"
domains = ["development"]
[masters.elsewhere]
backend = "external"
domains = ["elsewhere"]
"#;
/// The same, with nobody to stand in.
const ALONE: &str = r#"
[masters.development]
backend = "external"
domains = ["development"]
[masters.elsewhere]
backend = "external"
domains = ["elsewhere"]
"#;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "is never taken",
        settings: EXTERNAL,
        then: &[
            ("handoff_untaken", &[("assigned_to", "development")]),
            ("attempt_recalled", &[("cause", "untaken")]),
            ("handoff_withdrawn", &[]),
            ("subtask_reassigned", &[("assigned_to", "stand-in")]),
            ("handoff_published", &[("attempt_id", "t-work-attempt-2")]),
        ],
        never: &["subtask_failed"],
        ..BAD
    },
    Case {
        name: "is taken, and its worker dies",
        settings: ALONE,
        meanwhile: |env| {
            take(env, "development");
            let worker = sleeper();
            spec(env, "w-dies", Some(worker.id()));
            env.wait_for("worker_spec_seen", &[]);
            end(worker);
        },
        then: &[
            ("worker_gone", &[]),
            ("subtask_failed", &[("failure.message", "gone")]),
            ("handoff_published", &[("attempt_id", "t-work-attempt-2")]),
        ],
        ..BAD
    },
    Case {
        name: "is taken and nobody can say by whom",
        settings: ALONE,
        meanwhile: |env| {
            take(env, "development");
            spec(env, "w-unknown", None);
        },
        then: &[
            ("worker_stalled", &[("evidence.process", "unverifiable")]),
            ("orchestration_blocked", &[]),
        ],
        never: &["worker_gone", "subtask_failed", "attempt_recalled"],
        ..BAD
    },
    Case {
        name: "reports late, after it was doubted",
        settings: ALONE,
        meanwhile: |env| {
            take(env, "development");
            env.wait_for("orchestration_blocked", &[]);
            report(env, "t-work-attempt-1", "t-work");
        },
        then: &[
            ("worker_stalled", &[]),
            ("report_accepted", &[]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-1")]),
            ("orchestration_resumed", &[]),
        ],
        never: &["subtask_failed"],
        ..BAD
    },
    Case {
        name: "reports twice",
        settings: ALONE,
        meanwhile: |env| {
            take(env, "development");
            report(env, "t-work-attempt-1", "t-work");
            env.wait_for("subtask_completed", &[("subtask_id", "t-work")]);
            drop_report(env, "t-work-attempt-1", "t-work");
        },
        then: &[
            ("subtask_completed", &[("attempt_id", "t-work-attempt-1")]),
            ("report_refused", &[("reason", "completed")]),
        ],
        finally: |env| {
            let done = |event: &&Value| {
                event["type"] == "subtask_completed" && event["subtask_id"] == "t-work"
            };
            assert_eq!(env.events().iter().filter(done).count(), 1);
        },
        ..BAD
    },
    Case {
        name: "reports where it was told to, when another has its work",
        settings: ALONE,
        meanwhile: |env| {
            take(env, "development");
            let worker = sleeper();
            spec(env, "w-late", Some(worker.id()));
            env.wait_for("worker_spec_seen", &[]);
            end(worker);
            env.wait_for("handoff_published", &[("attempt_id", "t-work-attempt-2")]);
            report(env, "t-work-attempt-1", "t-work");
            env.wait_for("subtask_completed", &[("subtask_id", "t-work")]);
            let again = said("t-work-attempt-1", "t-work").replace("after all", "once more");
            env.put("workers/t-work-attempt-1/report.json", &again);
        },
        then: &[
            ("worker_gone", &[]),
            ("handoff_published", &[("attempt_id", "t-work-attempt-2")]),
            ("report_accepted", &[("attempt_id", "t-work-attempt-1")]),
            ("attempt_recalled", &[("attempt_id", "t-work-attempt-2")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-1")]),
            ("report_refused", &[("reason", "completed")]),
        ],
        ..BAD
    },
    Case {
        name: "reports for an attempt that never was",
        settings: ALONE,
        meanwhile: |env| {
            take(env, "development");
            drop_report(env, "t-work-attempt-7", "t-work");
        },
        then: &[("report_refused", &[("reason", "no attempt")])],
        never: &["subtask_completed"],
        ..BAD
    },
    Case {
        name: "works elsewhere and only its heartbeat shows it",
        settings: ALONE,
        meanwhile: |env| {
            take(env, "development");
            let folder = env.path("workers/t-work-attempt-1");
            let beats = "n=0; while [ $n -lt 14 ]; do n=$((n+1)); printf '{\"status\":\"step %s\",\
                \"timestamp\":\"1999-01-01T00:00:00\"}' $n > hb && mv hb heartbeat.json; sleep 0.5; done";
            let mut worker = Command::new("/bin/sh");
            let mut worker = worker.args(["-c", beats]).current_dir(folder).spawn().unwrap();
            worker.wait().unwrap();
            report(env, "t-work-attempt-1", "t-work");
        },
        then: &[("subtask_completed", &[("attempt_id", "t-work-attempt-1")])],
        never: &["worker_stalled", "orchestration_blocked"],
        ..BAD
    },
];

/// Takes the handoff of the bad worker's subtask as masters do.
fn take(env: &TestEnv, master: &str) {
    let path = format!("masters/{master}/handoffs/to-{master}-subtask-t-work.json");
    env.wait_until("the handoff", || env.exists(&path).then_some(()));
    std::fs::rename(env.path(&path), env.path(&format!("{path}.processed"))).unwrap();
    env.wait_for("handoff_taken", &[("subtask_id", "t-work")]);
}

fn spec(env: &TestEnv, id: &str, pid: Option<u32>) {
    let mut spec = json!({
        "worker_id": id, "worker_type": "implementation-worker", "created_by": "development",
        "task_id": "t", "subtask_id": "t-work", "status": "active",
        "execution": {"started_at": "2025-11-05T10:00:00-0600"},
        "heartbeat": {"last_heartbeat": "2025-11-05T10:00:00-0600", "heartbeat_sequence": 1},
    });
    if let Some(pid) = pid {
        spec["pid"] = json!(pid);
    }
    env.put(&format!("worker-specs/active/{id}.json"), &spec.to_string());
}

fn said(attempt: &str, subtask: &str) -> String {
    json!({
        "schema": "baton/report@1", "subtask_id": subtask, "attempt_id": attempt,
        "status": "success", "summary": "done after all",
    })
    .to_string()
}

/// Reports where the handoff says.
fn report(env: &TestEnv, attempt: &str, subtask: &str) {
    env.put(&format!("workers/{attempt}/report.json"), &said(attempt, subtask));
}

/// Reports by the inbox.
fn drop_report(env: &TestEnv, attempt: &str, subtask: &str) {
    env.put("inbox/report.json", &said(attempt, subtask));
}

fn sleeper() -> std::process::Child {
    Command::new("/bin/sleep").arg("600").stdin(Stdio::null()).spawn().unwrap()
}

fn end(mut child: std::process::Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
