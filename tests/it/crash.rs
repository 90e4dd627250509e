//! `kill -9` at random moments under load, on one directory.
//!
//! Nothing accepted is lost, no attempt is launched twice, replay gives the state that was, and
//! every document comes back when it is deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use baton::domain::document::Document;
use baton::domain::plan::OrchestrationPhase;
use baton::domain::task::Phase;
use baton::domain::{Policy, State};
use baton::{journal, projection};
use serde_json::Value;

use crate::served::{Random, Served, write_whole};

const KILLS: usize = 200;
/// Tasks that are dropped while the daemon is killed: one simple task and one plan in turn.
const TASKS: usize = 120;

/// Says its attempt once, works for a moment, so that kills find it at work, and delivers. It is
/// `mkdir` that waits for nothing and fails when the same attempt was begun before.
const WORKER: &str = r#"
mkdir "$BEGUN/$BATON_ATTEMPT_ID" 2>/dev/null || echo "$BATON_ATTEMPT_ID" >> "$BEGUN/../twice"
echo "working at $BATON_SUBTASK_ID"
sleep 0.06
printf '{"subtask_id":"%s","attempt_id":"%s","status":"success","summary":"done"}' \
  "$BATON_SUBTASK_ID" "$BATON_ATTEMPT_ID" > "$BATON_REPORT.tmp"
mv "$BATON_REPORT.tmp" "$BATON_REPORT"
"#;

#[test]
fn killed_at_random_moments_it_loses_nothing_and_launches_nothing_twice() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("coordination");
    let begun = root.path().join("begun");
    std::fs::create_dir_all(&begun).unwrap();
    let script = root.path().join("worker.sh");
    std::fs::write(&script, WORKER).unwrap();
    let mut served = Served::new(&dir, &settings(&script, &begun));
    let mut random = Random::new(0x5eed_0001);
    let mut dropped = 0;
    let (mut at_work, mut holders, mut starts_seen) = (0, 0, 0);
    for kill in 0..KILLS {
        served.start();
        while dropped < TASKS * (kill + 1) / KILLS {
            drop_task(&dir, dropped);
            dropped += 1;
        }
        // One in four hits the boot, and one in four finds somebody at work, however slow the
        // machine is.
        let is_at_boot = kill.is_multiple_of(4);
        if !is_at_boot {
            served.wait_for(|| count_starts(&dir) > starts_seen);
        }
        if kill % 4 == 2 {
            served.wait_for(|| is_somebody_at_work(&dir) || count_over(&dir) >= dropped);
        }
        starts_seen = count_starts(&dir);
        let is_soon = is_at_boot || kill % 4 == 2;
        let moment = random.below(if is_soon { 60_000 } else { 120_000 });
        let ended = served.exits_within(Duration::from_micros(moment));
        assert!(!ended, "it ended by itself\n{}", served.log());
        at_work += usize::from(is_somebody_at_work(&dir));
        if kill % 5 == 4 {
            holders += usize::from(!served.holders().is_empty());
            served.kill_holder();
        }
        served.kill();
    }
    served.start();
    try_drafts_again(&dir);
    served.wait_for(|| count_over(&dir) >= dropped);
    served.stop();
    let twice = std::fs::read_to_string(root.path().join("twice")).unwrap_or_default();
    assert_eq!(twice, "", "these attempts began twice");
    let state = replayed(&dir);
    // Otherwise this is a test of idle daemons. A slow machine gets less done between kills.
    assert!(at_work > KILLS / 20, "only {at_work} of {KILLS} kills found a worker at work");
    assert!(holders > KILLS / 50, "only {holders} holders were killed");
    assert!(state.seq > 3 * KILLS as u64, "only {} events between {KILLS} kills", state.seq);
    check_nothing_is_lost(&state, dropped);
    check_documents_come_back(&mut served, &dir, &state);
}

fn settings(script: &Path, begun: &Path) -> String {
    let masters = ["development", "security", "inventory", "cicd"].map(|name| {
        format!(
            "[masters.{name}]\nbackend = \"command\"\nargv = [\"/bin/sh\", \"{}\"]\nmax_active = 4\n\
             env = {{ BEGUN = \"{}\" }}\n",
            script.display(),
            begun.display()
        )
    });
    masters.concat()
}

fn drop_task(dir: &Path, n: usize) {
    let task = if n.is_multiple_of(2) {
        format!(r#"{{"id":"task-{n}","title":"Fix the typo in src/file{n}.rs"}}"#)
    } else {
        let step = |id: &str, needs: &str| {
            format!(
                r#"{{"subtask_id":"t{n}-{id}","title":"Do {id}","description":"part {id}",
                "assigned_to":"development","worker_type":"implementation","dependencies":[{needs}],
                "estimated_duration_minutes":5,"estimated_tokens":100,"files_affected":[],
                "success_criteria":"it is done"}}"#
            )
        };
        let first = format!(r#""t{n}-a""#);
        format!(
            r#"{{"id":"task-{n}","title":"Plan {n}","schema":"baton/plan@1","subtasks":[{},{},{}]}}"#,
            step("a", ""),
            step("b", &first),
            step("c", &first)
        )
    };
    write_whole(&dir.join("inbox"), &format!("task-{n}.json"), task.as_bytes());
}

/// Counts the starts that the event lines tell of.
fn count_starts(dir: &Path) -> usize {
    let lines = std::fs::read_to_string(dir.join("dashboard-events.jsonl")).unwrap_or_default();
    lines.matches(r#""type":"daemon_started""#).count()
}

/// Tells whether a worker has begun and nobody saw its end.
fn is_somebody_at_work(dir: &Path) -> bool {
    let Ok(workers) = std::fs::read_dir(dir.join("workers")) else { return false };
    workers.flatten().any(|worker| {
        let has = |name: &str| worker.path().join(name).exists();
        has("identity.json") && !has("exit.json") && !has("report.json")
    })
}

/// A task whose draft was cut off three times is set aside, though it had no part in that here.
fn try_drafts_again(dir: &Path) {
    let lines = std::fs::read_to_string(dir.join("dashboard-events.jsonl")).unwrap_or_default();
    let events = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for event in events.filter(|event| event["type"] == "task_rejected") {
        let task = event["task_id"].as_str().unwrap();
        let retried = Command::new(env!("CARGO_BIN_EXE_baton"))
            .arg("--coordination")
            .arg(dir)
            .args(["retry", task])
            .output()
            .unwrap();
        assert!(retried.status.success(), "{task}: {}", String::from_utf8_lossy(&retried.stderr));
    }
}

/// Counts the runs that have their report.
fn count_over(dir: &Path) -> usize {
    let Ok(reports) = std::fs::read_dir(dir.join("orchestrator/completions")) else { return 0 };
    let names = reports.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.ends_with(".json")).count()
}

fn replayed(dir: &Path) -> State {
    let mut state = State::default();
    for record in journal::read(&dir.join("orchestrator/journal"), 1).unwrap() {
        state.apply(&record.unwrap()).unwrap();
    }
    state
}

fn check_nothing_is_lost(state: &State, dropped: usize) {
    let accepted: BTreeSet<&str> = state.tasks.keys().map(|id| id.as_str()).collect();
    for n in 0..dropped {
        assert!(accepted.contains(format!("task-{n}").as_str()), "task-{n} is lost");
    }
    for task in state.tasks.values() {
        let run = task.orchestration_id().map(|id| &state.orchestrations[id]);
        let is_done =
            run.is_some_and(|run| matches!(run.phase, OrchestrationPhase::Completed { .. }));
        assert!(is_done, "{} is {:?}: {:?}", task.id, task.phase, run.map(|run| &run.phase));
        assert!(!matches!(task.phase, Phase::Planning));
    }
}

/// Deletes every document, starts once more, and compares.
fn check_documents_come_back(served: &mut Served, dir: &Path, state: &State) {
    let before = documents(dir, state);
    assert!(before.len() > TASKS, "only {} documents", before.len());
    for path in before.keys() {
        std::fs::remove_file(dir.join(path)).unwrap();
    }
    served.start();
    served.wait_for(|| before.keys().all(|path| dir.join(path).exists()));
    served.stop();
    let after = documents(dir, &replayed(dir));
    for (path, body) in &before {
        assert_eq!(after.get(path), Some(body), "{path} came back otherwise");
    }
}

/// Reads every document that the state asks for, and asserts that it says what is rendered.
fn documents(dir: &Path, state: &State) -> BTreeMap<String, String> {
    let policy = Policy::default();
    let mut found = BTreeMap::new();
    for key in projection::keys(state) {
        for document in projection::render(state, &policy, &key) {
            match document {
                Document::Replace { path, body } => {
                    let on_disk = std::fs::read_to_string(dir.join(&path))
                        .unwrap_or_else(|e| panic!("{path}: {e}"));
                    if path != "orchestrator/state/current.json" {
                        assert_eq!(on_disk, body, "{path} does not say what the journal says");
                        found.insert(path, on_disk);
                    }
                }
                Document::Absent { path } => assert!(!dir.join(&path).exists(), "{path} is there"),
                Document::QueuePatch(_) => {}
            }
        }
    }
    found
}
