//! What becomes of workers when those who watch over them are killed, restarted or replaced.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use baton::daemon::process;
use baton::domain::worker::ProcessIdentity;
use rustix::fs::{FileType, Mode};
use rustix::process::Signal;
use serde_json::Value;

use crate::env::TestEnv;

/// Where the worker of task `t` is.
const WORKER: &str = "workers/t-attempt-1";

#[test]
fn an_end_is_noticed_at_once_when_the_holder_was_killed() {
    let (env, gate) = with_a_worker_at_a_gate("exit 7");
    let daemon = env.serve();
    env.wait_for("worker_started", &[]);
    kill(&named(&env, "holder"));
    open(&gate);
    assert_eq!(exit(&env), serde_json::json!({"how": "code", "code": 7}));
    daemon.drain();
}

#[test]
fn an_end_is_noticed_at_once_when_the_keeper_was_killed() {
    let (env, gate) = with_a_worker_at_a_gate("exit 7");
    let daemon = env.serve();
    env.wait_for("worker_started", &[]);
    kill(&named(&env, "keeper"));
    open(&gate);
    assert_eq!(exit(&env), serde_json::json!({"how": "code", "code": 7}));
    daemon.drain();
}

#[test]
fn a_worker_is_taken_up_again_though_daemon_and_holder_are_gone() {
    let (env, gate) = with_a_worker_at_a_gate("exit 7");
    let daemon = env.serve();
    env.wait_for("worker_started", &[]);
    daemon.drain();
    kill(&named(&env, "holder"));
    let daemon = env.serve();
    env.wait_until("the second start", || {
        (env.kinds().iter().filter(|kind| *kind == "daemon_started").count() == 2).then_some(())
    });
    assert!(process::is_alive(&named(&env, "process")));
    open(&gate);
    assert_eq!(exit(&env), serde_json::json!({"how": "code", "code": 7}));
    daemon.drain();
}

#[test]
fn what_ended_while_nobody_was_there_is_judged_by_its_record() {
    let (env, gate) = with_a_worker_at_a_gate("exit 7");
    let daemon = env.serve();
    env.wait_for("worker_started", &[]);
    daemon.drain();
    kill(&named(&env, "holder"));
    open(&gate);
    env.wait_until("the record", || env.exists(&format!("{WORKER}/exit.json")).then_some(()));
    let daemon = env.serve();
    assert_eq!(exit(&env), serde_json::json!({"how": "code", "code": 7}));
    daemon.drain();
}

#[test]
fn a_worker_stays_with_its_holder_when_the_next_daemon_takes_a_new_one() {
    let (env, gate) = with_a_worker_at_a_gate("exit 7");
    let daemon = env.serve();
    env.wait_for("worker_started", &[]);
    let old = named(&env, "holder");
    daemon.drain();
    // What a newer daemon says to a holder that speaks another protocol.
    say(&env, r#"{"id":1,"ask":"retire"}"#);
    let daemon = env.serve();
    env.put("inbox/u.json", r#"{"id": "u", "title": "Fix a typo"}"#);
    env.wait_for("worker_started", &[("attempt_id", "u-attempt-1")]);
    let new: Value = env.json("workers/u-attempt-1/identity.json")["holder"].clone();
    assert_ne!(new, serde_json::to_value(&old).unwrap());
    assert!(process::is_alive(&old));
    open(&gate);
    assert_eq!(exit(&env), serde_json::json!({"how": "code", "code": 7}));
    daemon.stop_with_workers();
}

#[test]
fn what_was_delivered_counts_though_everybody_was_killed() {
    let report = r#"{"subtask_id": "t", "status": "success", "summary": "done"}"#;
    let script = format!(
        "echo '{report}' > $BATON_REPORT.tmp; mv $BATON_REPORT.tmp $BATON_REPORT; \
         exec tail -f /dev/null"
    );
    let (env, gate) = with_a_worker_at_a_gate(&script);
    let daemon = env.serve();
    env.wait_for("worker_started", &[]);
    daemon.drain();
    open(&gate);
    env.wait_until("the report", || {
        env.exists(&format!("{WORKER}/report.json"))
            .then(|| env.json(&format!("{WORKER}/report.json")))
    });
    for role in ["holder", "keeper", "process"] {
        kill(&named(&env, role));
    }
    let daemon = env.serve();
    env.wait_for("subtask_completed", &[("subtask_id", "t")]);
    daemon.drain();
}

#[test]
fn what_delivered_nothing_is_interrupted_when_everybody_was_killed() {
    let (env, _gate) = with_a_worker_at_a_gate("exit 7");
    let daemon = env.serve();
    env.wait_for("worker_started", &[]);
    let everybody = ["holder", "keeper", "process"].map(|role| named(&env, role));
    everybody.iter().for_each(kill);
    env.wait_for("attempt_interrupted", &[("attempt_id", "t-attempt-1")]);
    env.wait_for("worker_started", &[("attempt_id", "t-attempt-2")]);
    assert!(!env.kinds().contains(&"subtask_failed".to_owned()));
    daemon.stop_with_workers();
}

/// A directory with task `t`, whose worker waits for a line before it does the rest. Nothing but
/// the end of a worker wakes the daemon within the time that a test waits.
fn with_a_worker_at_a_gate(rest: &str) -> (TestEnv, PathBuf) {
    let env = TestEnv::new(&format!(
        "[masters.development]\nbackend = \"command\"\n\
         argv = [\"/bin/sh\", \"-c\", '''case $BATON_SUBTASK_ID in t) read line < gate;; esac; {rest}''']\n\
         [daemon]\ntick_ms = 60000\n",
    ));
    let gate = env.coordination().with_file_name("gate");
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &gate, FileType::Fifo, mode, 0).unwrap();
    env.put("inbox/t.json", r#"{"id": "t", "title": "Fix a typo"}"#);
    (env, gate)
}

/// Lets one worker go on; it waits until there is one.
fn open(gate: &PathBuf) {
    std::fs::write(gate, "go\n").unwrap();
}

fn named(env: &TestEnv, role: &str) -> ProcessIdentity {
    let identity = env.json(&format!("{WORKER}/identity.json"))[role].clone();
    serde_json::from_value(identity).unwrap()
}

fn kill(identity: &ProcessIdentity) {
    assert!(process::signal(identity, Signal::KILL), "{identity:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(process::ended(identity));
}

/// Waits for the end of the worker of task `t` and returns how it ended.
fn exit(env: &TestEnv) -> Value {
    env.wait_for("worker_exited", &[("attempt_id", "t-attempt-1")])["exit"].clone()
}

fn say(env: &TestEnv, line: &str) {
    let mut stream = UnixStream::connect(env.path("orchestrator/holder.sock")).unwrap();
    stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    assert!(answer.contains("\"say\":\"done\""), "{answer}");
}
