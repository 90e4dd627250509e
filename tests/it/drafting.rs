//! A task whose draft takes the daemon down, again and again.

use baton::clock;
use baton::domain::event::JOURNAL_SCHEMA;
use baton::domain::ids::TaskId;
use baton::domain::task::TaskSource;
use baton::domain::{Input, Policy, Record, State, decide::decide};
use baton::journal::Journal;
use serde_json::json;

use crate::env::TestEnv;

/// Writes the journal of daemons that died `deaths` times while they drafted the plan of `t`.
fn died_drafting(env: &TestEnv, deaths: usize) {
    let dir = env.path("orchestrator/journal");
    std::fs::create_dir_all(&dir).unwrap();
    let mut journal = Journal::open(&dir, &mut |_, _| {}).unwrap().journal;
    let mut state = State::default();
    let task_id = TaskId::parse("t").unwrap();
    let spec = json!({"id": "t", "title": "Fix the typo in README.md"});
    let spec = baton::domain::read::task(&spec, "task-queue.json", "").unwrap();
    let source = TaskSource::Queue { index: 0, fingerprint: "00000000".into(), has_id: true };
    let mut inputs = vec![
        Input::DaemonStarted { version: "1".into(), pid: 1, suspended_ms: 0 },
        Input::TaskObserved { source, spec: Box::new(spec) },
    ];
    inputs.extend((0..deaths).map(|_| Input::DraftCrashed { task_id: task_id.clone() }));
    for input in &inputs {
        let events = decide(&state, &Policy::default(), input, clock::now());
        let record = Record {
            seq: state.seq + 1,
            at: clock::now(),
            epoch: 1,
            schema: JOURNAL_SCHEMA,
            cause: "test".into(),
            events,
        };
        state.apply(&record).unwrap();
        journal.append(&[record]).unwrap();
    }
    journal.sync().unwrap();
}

/// Leaves the mark that a daemon leaves that dies in a draft of `t`.
fn leave_mark(env: &TestEnv, boot_id: &str) {
    let mark =
        json!({"schema": "baton/drafting@1", "task_id": "t", "boot_id": boot_id, "epoch": 1});
    env.put("orchestrator/drafting/t", &mark.to_string());
}

#[test]
fn the_third_death_in_a_draft_sets_the_task_aside() {
    let env = TestEnv::new("");
    died_drafting(&env, 2);
    leave_mark(&env, &clock::boot_id().to_string());
    let daemon = env.serve();
    let rejected = env.wait_for("task_rejected", &[("task_id", "t")]);
    assert!(rejected.to_string().contains("baton retry t"), "{rejected}");
    daemon.drain();
    assert!(!env.kinds().contains(&"subtask_handed_off".to_owned()));
    assert!(!env.exists("orchestrator/drafting/t"));
}

#[test]
fn a_task_that_did_so_less_often_is_drafted_once_more() {
    for (deaths, boot_id, told) in [
        (1, clock::boot_id().to_string(), 2),
        // Nobody's fault but the power's.
        (2, "00000000000000000000000000000007".to_owned(), 2),
    ] {
        let env = TestEnv::new("");
        died_drafting(&env, deaths);
        leave_mark(&env, &boot_id);
        let daemon = env.serve();
        env.wait_for("task_routed", &[("task_id", "t")]);
        daemon.drain();
        let crashes = env.kinds().iter().filter(|kind| *kind == "draft_crashed").count();
        assert_eq!(crashes, told);
        assert!(!env.exists("orchestrator/drafting/t"), "a draft that is answered leaves no mark");
    }
}
