//! What stands still for a while is not dead: the daemon, while its workers go on; workers, while
//! the daemon goes on. Limits are a second or so, and each pause is longer than one of them.
#![expect(clippy::disallowed_methods, reason = "tests act as workers and operators do")]

use std::path::PathBuf;

use rustix::fs::{FileType, Mode};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::served::Served;

/// Beats twice a second and counts, until it may end.
const BEATS: &str = "n=0; while [ ! -e $W/let-go ]; do n=$((n+1)); beat; sleep 0.5; done; good";
/// Says nothing, until somebody writes to the gate that bears its name.
const SILENT: &str = "read line < $W/$BATON_SUBTASK_ID; good";
/// What no worker deserves that did not do anything wrong.
const VERDICTS: [&str; 6] = [
    "worker_stalled",
    "worker_gone",
    "attempt_recalled",
    "attempt_interrupted",
    "subtask_failed",
    "worker_unstoppable",
];

/// A directory whose workers do what `does` says for each task, and those tasks in the inbox.
fn with_workers(does: &[(&str, &str)], limits: &str) -> TestEnv {
    let cases: String = does.iter().map(|(task, script)| format!("{task}) {script};;\n")).collect();
    let script = format!(
        "W=$PWD; cd coordination/workers/$BATON_ATTEMPT_ID\nbeat() {{ \
           printf '{{\"timestamp\":\"%s\",\"status\":\"busy\"}}' $n > .beat; mv .beat heartbeat.json; \
           printf $n > $W/count; }}\n\
         good() {{ echo '{{\"status\": \"success\", \"summary\": \"done\"}}' > .report; \
           mv .report report.json; }}\n\
         case $BATON_SUBTASK_ID in\n{cases}esac"
    );
    let argv = json!(["/bin/sh", "-c", script]);
    let env = TestEnv::new(&format!(
        "[masters.development]\nbackend = \"command\"\nargv = {argv}\nmax_active = 4\n\
         [supervision]\nlook_ms = 300\n{limits}\n"
    ));
    for (task, script) in does {
        if *script == SILENT {
            let mode = Mode::RUSR | Mode::WUSR;
            let gate = gate(&env, task);
            rustix::fs::mknodat(rustix::fs::CWD, &gate, FileType::Fifo, mode, 0).unwrap();
        }
        env.put(
            &format!("inbox/{task}.json"),
            &json!({"id": task, "title": "Fix a typo"}).to_string(),
        );
    }
    env
}

fn gate(env: &TestEnv, task: &str) -> PathBuf {
    env.coordination().with_file_name(task)
}

/// Lets a silent worker deliver.
fn open(env: &TestEnv, task: &str) {
    std::fs::write(gate(env, task), "go\n").unwrap();
}

/// How often the beating worker has beaten.
fn count(env: &TestEnv) -> u64 {
    let count =
        std::fs::read_to_string(env.coordination().with_file_name("count")).unwrap_or_default();
    count.trim().parse().unwrap_or(0)
}

fn wait_for_beats(env: &TestEnv, more: u64) {
    let before = count(env);
    env.wait_until("heartbeats", || (count(env) >= before + more).then_some(()));
}

/// Waits until a look shows this of a worker.
fn wait_for_look(env: &TestEnv, task: &str, shows: impl Fn(&Value) -> bool) -> Value {
    env.wait_until("a look", || {
        let path = env.path(&format!("worker-specs/active/{task}-attempt-1.json"));
        let spec: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
        shows(&spec).then_some(spec)
    })
}

fn assert_nobody_is_condemned(env: &TestEnv) {
    for event in env.events() {
        assert!(!VERDICTS.contains(&event["type"].as_str().unwrap()), "{event:#}");
    }
}

#[test]
fn nobody_is_condemned_for_a_pause_of_the_daemon() {
    let does = [("beats", BEATS), ("silent", SILENT), ("ends", SILENT)];
    let env = with_workers(&does, "heartbeat_stale_ms = 1000\nstall_after_ms = 6000");
    let mut daemon = Served::on(&env.coordination());
    daemon.start();
    for (task, _) in does {
        env.wait_for("worker_started", &[("subtask_id", task)]);
        wait_for_look(&env, task, |spec| spec["health"]["process"] == "running");
    }
    daemon.signal(Signal::STOP);
    open(&env, "ends");
    // Eight seconds: longer than anybody may be silent.
    wait_for_beats(&env, 16);
    let events_before = env.events().len();
    daemon.signal(Signal::CONT);
    env.wait_for("subtask_completed", &[("attempt_id", "ends-attempt-1")]);
    // Two looks agree on a verdict: here are three, and the silent one is as silent as before.
    let mut last = Value::Null;
    for _ in 0..3 {
        let spec = wait_for_look(&env, "beats", |spec| spec["last_heartbeat"] != last);
        last = spec["last_heartbeat"].clone();
    }
    assert_nobody_is_condemned(&env);
    assert!(env.events().len() > events_before, "it was asleep and goes on");
    open(&env, "silent");
    std::fs::write(env.coordination().with_file_name("let-go"), "").unwrap();
    for (task, _) in does {
        env.wait_for("subtask_completed", &[("attempt_id", &format!("{task}-attempt-1"))]);
    }
    assert_eq!(daemon.stop(), Some(0));
    assert_nobody_is_condemned(&env);
}

#[test]
fn a_suspended_worker_is_stopped_and_not_dead() {
    let env =
        with_workers(&[("beats", BEATS)], "heartbeat_stale_ms = 1000\nstall_after_ms = 60000");
    let daemon = env.serve();
    let started = env.wait_for("worker_started", &[]);
    wait_for_look(&env, "beats", |spec| spec["health"]["process"] == "running");
    // It leads a group of its own.
    let pid = started["identity"]["pid"].as_i64().unwrap();
    let group = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process_group(group, Signal::STOP).unwrap();
    wait_for_look(&env, "beats", |spec| spec["health"]["process"] == "stopped");
    env.wait_for("worker_heartbeat_missed", &[("attempt_id", "beats-attempt-1")]);
    kill_process_group(group, Signal::CONT).unwrap();
    env.wait_for("worker_recovered", &[("attempt_id", "beats-attempt-1")]);
    std::fs::write(env.coordination().with_file_name("let-go"), "").unwrap();
    env.wait_for("subtask_completed", &[("attempt_id", "beats-attempt-1")]);
    daemon.drain();
    assert_nobody_is_condemned(&env);
}
