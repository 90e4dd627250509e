//! A catalogue of bad workers, as real processes: for each the verdict, and the recovery that must
//! follow. Its table is in `bad_workers/`.
//!
//! Limits are scaled down to seconds; what is compared are events, never times. The time that each
//! verdict took is printed: `cargo test --test it bad_workers -- --nocapture`.

mod endings;
mod limits;
mod lives;
mod masters;

use std::collections::VecDeque;
use std::sync::Mutex;

use baton::domain::Timestamp;
use serde_json::{Value, json};

use crate::env::{Served, TestEnv};

/// One bad worker and what must come of it.
struct Case {
    name: &'static str,
    /// What the worker does: a script for `sh`, which finds its orders in `BATON_*`. `$first` is
    /// true in the first attempt alone; `$good` does the work.
    script: &'static str,
    /// Further lines of `baton.toml`.
    settings: &'static str,
    /// Further fields of the subtask.
    subtask: fn() -> Value,
    /// What the test does beside, as masters and operators do.
    meanwhile: fn(&TestEnv),
    /// The events that must come in this order, each with what it must hold: fields by their path,
    /// and a text that the value must contain.
    then: &'static [(&'static str, &'static [(&'static str, &'static str)])],
    /// Types of events that must not come at all.
    never: &'static [&'static str],
    /// What else must be so when it is over.
    finally: fn(&TestEnv),
}

const BAD: Case = Case {
    name: "",
    script: "",
    settings: "",
    subtask: || json!({}),
    meanwhile: |_| {},
    then: &[],
    never: &[],
    finally: |_| {},
};

/// Limits that can be waited for.
const SETTINGS: &str = r#"
[retry]
initial_delay_ms = 20
jitter_percent_max = 0
[supervision]
look_ms = 300
heartbeat_stale_ms = 1500
stall_after_ms = 4000
silence_ms = 0
time_box_ms = 0
linger_ms = 60000
stop_grace_ms = 500
"#;

/// What every script begins with.
const PRELUDE: &str = r#"
report() { printf '%s' "$1" > "$BATON_REPORT.tmp" && mv "$BATON_REPORT.tmp" "$BATON_REPORT"; }
good() { report '{"subtask_id":"t-work","status":"success","summary":"the work is done"}'; exit 0; }
first() { case $BATON_ATTEMPT_ID in *-attempt-1) return 0;; *) return 1;; esac; }
beat() { printf '{"timestamp":"%s","status":"%s","worker_id":"w"}' "$1" "${2:-working}" > "${BATON_REPORT%/*}/.hb" \
    && mv "${BATON_REPORT%/*}/.hb" "${BATON_REPORT%/*}/heartbeat.json"; }
"#;

/// So many at the same time: they mostly wait.
const SIDE_BY_SIDE: usize = 6;

#[test]
fn every_bad_worker_gets_its_verdict_and_its_recovery() {
    let cases: Vec<&Case> = [lives::CASES, endings::CASES, limits::CASES, masters::CASES]
        .into_iter()
        .flatten()
        .collect();
    assert!(cases.len() >= 25, "only {}", cases.len());
    let waiting: Mutex<VecDeque<&Case>> = Mutex::new(cases.into());
    let took: Mutex<Vec<String>> = Mutex::default();
    let failed: Mutex<Vec<&str>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(case) = next(&waiting) {
                    // The others are played to their end, so that one run shows all that is wrong.
                    match std::panic::catch_unwind(|| play(case)) {
                        Ok(line) => took.lock().unwrap().push(line),
                        Err(_) => failed.lock().unwrap().push(case.name),
                    }
                }
            });
        }
    });
    let mut took = took.into_inner().unwrap();
    took.sort();
    println!("{}", took.join("\n"));
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "wrong: {failed:?}");
}

fn next<'a>(waiting: &Mutex<VecDeque<&'a Case>>) -> Option<&'a Case> {
    waiting.lock().unwrap().pop_front()
}

/// Plays one case to its end and says what came of it when.
fn play(case: &Case) -> String {
    let env = TestEnv::new(&format!("{}{}", masters_of(case), limits_of(case)));
    std::fs::write(env.path("../worker.sh"), format!("{PRELUDE}\n{}", case.script)).unwrap();
    let mut subtask = json!({
        "subtask_id": "t-work", "title": "Do the work", "description": "all of it",
        "assigned_to": "development", "worker_type": "implementation", "dependencies": [],
        "estimated_duration_minutes": 20, "estimated_tokens": 100, "files_affected": ["src/a.rs"],
        "success_criteria": "it is done",
    });
    let further = (case.subtask)();
    for (name, value) in further.as_object().unwrap() {
        subtask[name] = value.clone();
    }
    let other = json!({
        "subtask_id": "t-other", "title": "Do something else", "description": "beside it",
        "assigned_to": "elsewhere", "worker_type": "implementation", "dependencies": [],
        "estimated_duration_minutes": 5, "estimated_tokens": 100, "files_affected": [],
        "success_criteria": "it is done",
    });
    let plan = json!({
        "schema": "baton/plan@1", "id": "t", "title": "Task", "strategy": "adaptive",
        "subtasks": [subtask, other],
    });
    std::fs::create_dir_all(env.path("../src")).unwrap();
    env.put("inbox/t.json", &plan.to_string());
    let daemon: Served = env.serve();
    (case.meanwhile)(&env);
    let mut lines = Vec::new();
    let mut after = 0;
    for (kind, fields) in case.then {
        let wanted = format!("{}: {kind} {fields:?} after event {after}", case.name);
        let event = env.wait_until(&wanted, || {
            env.events().into_iter().find(|event| {
                event["seq"].as_u64().unwrap() > after
                    && event["type"] == *kind
                    && holds(event, fields)
            })
        });
        after = event["seq"].as_u64().unwrap();
        lines.push(format!("{kind} {}", since_start(&env, &event)));
    }
    for event in env.events().iter().filter(|event| is_about_it(event)) {
        let kind = event["type"].as_str().unwrap();
        assert!(!case.never.contains(&kind), "{}: {event:#}", case.name);
    }
    (case.finally)(&env);
    daemon.stop_with_workers();
    format!("{:<44} {}", case.name, lines.join(", "))
}

/// The master that has the bad worker, one that is good, and one elsewhere that nobody is.
fn masters_of(case: &Case) -> String {
    if case.settings.contains("[masters.development]") {
        return String::new();
    }
    let program = "backend = \"command\"\nargv = [\"/bin/sh\", \"{workspace}/worker.sh\"]\n";
    format!(
        "[masters.development]\n{program}domains = [\"development\", \"testing\"]\n\
         [masters.elsewhere]\nbackend = \"external\"\ndomains = [\"elsewhere\"]\n"
    )
}

/// The common limits with those of the case, which stand before its first table.
fn limits_of(case: &Case) -> String {
    let own: Vec<&str> = case
        .settings
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('=').map(|(key, _)| key.trim()))
        .collect();
    let is_common =
        |line: &&str| line.split_once('=').is_none_or(|(key, _)| !own.contains(&key.trim()));
    let common: Vec<&str> = SETTINGS.lines().filter(is_common).collect();
    format!("{}\n{}", common.join("\n"), case.settings)
}

fn is_about_it(event: &Value) -> bool {
    event["subtask_id"] == "t-work" || event["blocking_subtask"] == "t-work"
}

fn holds(event: &Value, fields: &[(&str, &str)]) -> bool {
    let is_it = is_about_it(event) || event["subtask_id"].is_null();
    is_it
        && fields.iter().all(|(path, wanted)| {
            let value = event.pointer(&format!("/{}", path.replace('.', "/")));
            match value {
                Some(Value::String(text)) => text.contains(wanted),
                Some(other) => other.to_string().contains(wanted),
                None => false,
            }
        })
}

/// Says how long after the first start of the worker an event came.
fn since_start(env: &TestEnv, event: &Value) -> String {
    let at = |event: &Value| Timestamp::try_from(event["timestamp"].clone()).unwrap().as_ms();
    let started = env.events().into_iter().find(|event| {
        (event["type"] == "worker_started" || event["type"] == "handoff_published")
            && event["subtask_id"] == "t-work"
    });
    started.map_or_else(String::new, |started| {
        format!("+{:.1}s", (at(event) - at(&started)) as f64 / 1000.0)
    })
}

/// Tells whether a process of this number runs.
fn runs(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Reads a process id that a script wrote down.
fn pid_in(env: &TestEnv, name: &str) -> u64 {
    std::fs::read_to_string(env.path(&format!("../{name}"))).unwrap().trim().parse().unwrap()
}
