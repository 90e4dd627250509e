//! The command line as people and programs meet it: arguments in, text and exit code out.

mod status;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::env::TestEnv;
use crate::served::{PATIENCE, Served};

/// What a command printed and how it ended.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e} in {:?}", self.out))
    }

    #[track_caller]
    fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
    command
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn ended(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn baton(dir: &Path, args: &[&str]) -> Said {
    ended(command(dir, args).spawn().unwrap())
}

fn baton_told(dir: &Path, args: &[&str], stdin: &[u8]) -> Said {
    let mut child = command(dir, args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    ended(child)
}

fn workspace(env: &TestEnv) -> std::path::PathBuf {
    env.coordination().parent().unwrap().to_path_buf()
}

/// Masters that take handoff files and report by file.
const EXTERNAL: &str = "[masters.development]\nbackend = \"external\"\n\
    domains = [\"development\", \"docs\", \"testing\"]\n\
    [masters.security]\nbackend = \"external\"\ndomains = [\"security\"]\n";

#[test]
fn run_does_a_task_from_beginning_to_end() {
    let env = TestEnv::with_brief_workers();
    let dir = workspace(&env);
    let said = baton(&dir, &["run", "Fix the typo in README.md"]).ends(0);
    for part in ["completed", "Duration", "Agents coordinated", "1 work order", "Report"] {
        assert!(said.out.contains(part), "{part} is not in {}", said.out);
    }
    assert!(said.err.contains("started by") || said.err.contains("100%"), "{}", said.err);
    let report = said.out.lines().rfind(|line| line.ends_with(".md")).unwrap();
    let report = report.split_whitespace().last().unwrap();
    assert!(dir.join(report).is_file(), "{report}");
    let status = baton(&dir, &["status", "--json"]).ends(0).json();
    assert_eq!(status["daemon_pid"], Value::Null, "the daemon it started is gone");
    assert_eq!(status["workers"], Value::Array(vec![]));

    let task = baton(&dir, &["report", "--json"]).ends(0).json()["task_id"].clone();
    let again = baton(&dir, &["run", "--json", "Fix the typo in docs/guide.md"]).ends(0).json();
    assert_eq!((&again["status"], &again["work_orders"]), (&"completed".into(), &1.into()));
    assert_ne!(again["task_id"], task);
}

#[test]
fn what_was_decided_is_explained_and_counted() {
    let env = TestEnv::with_brief_workers();
    let dir = workspace(&env);
    let request = "Add authentication with security audit and documentation";
    let run = baton(&dir, &["run", "--json", request]).ends(0).json();
    let task = run["task_id"].as_str().unwrap().to_owned();

    let whole = baton(&dir, &["explain", &task]).ends(0).out;
    for part in ["accepted", "split into", "because", "given to", "completed"] {
        assert!(whole.contains(part), "{part} is not in {whole}");
    }
    let explained = baton(&dir, &["explain", &task, "--json"]).ends(0).json();
    let decisions = explained["decisions"].as_array().unwrap();
    let handed_off: Vec<&Value> =
        decisions.iter().filter(|d| d["type"] == "subtask_handed_off").collect();
    assert!(handed_off.iter().all(|d| d["why"][0]["rule"].is_string()), "{handed_off:?}");
    let subtask = handed_off[0]["subject"].as_str().unwrap();
    let part = baton(&dir, &["explain", subtask]).ends(0).out;
    assert!(part.contains("planned as") && part.contains("attempt 1 given to"), "{part}");
    let worker = format!("{subtask}-attempt-1");
    assert!(baton(&dir, &["explain", &worker]).ends(0).out.contains("given to"));
    baton(&dir, &["explain", "no-such-thing"]).ends(3);

    let stats = baton(&dir, &["stats", "--json"]).ends(0).json();
    assert_eq!(stats["runs"]["success_percent"], 100);
    assert_eq!(stats["runs"]["unattended_percent"], 100);
    assert_eq!(stats["recovery"]["percent"], Value::Null, "nothing failed");
    assert!(stats["workers"]["attempts"].as_u64().unwrap() >= 3);
}

#[test]
fn run_that_is_interrupted_loses_nothing() {
    let env = TestEnv::new(EXTERNAL);
    let dir = workspace(&env);
    let child = command(&dir, &["run", "Fix the typo in README.md"]).spawn().unwrap();
    let handoffs = env.path("masters/development/handoffs");
    let name = env.wait_until("a handoff", || {
        let name = std::fs::read_dir(&handoffs).ok()?.flatten().next()?.file_name();
        name.to_str()?.strip_suffix(".json").map(str::to_owned)
    });
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let said = ended(child).ends(130);
    let subtask = name.strip_prefix("to-development-").unwrap();
    assert!(said.err.contains(&format!("baton handoff take {subtask}")), "{}", said.err);
    assert!(said.err.contains("nothing is lost"), "{}", said.err);

    let listed = baton(&dir, &["handoff", "list", "--json"]).ends(0).json();
    assert_eq!(listed["handoffs"][0]["name"], name.as_str());
    let taken = baton(&dir, &["handoff", "take", &name, "--json"]).ends(0).json();
    assert_eq!(taken["document"]["handoff_id"], name.as_str());
    assert!(handoffs.join(format!("{name}.json.processed")).is_file());
    let late = baton(&dir, &["handoff", "take", &name]).ends(75);
    assert!(late.err.starts_with("error: somebody else has"), "{}", late.err);
    assert!(late.err.contains("\n hint: "), "{}", late.err);
}

/// An agent that works until it is told to stop, and says when it has begun.
const PATIENT: &str = "[masters.development]\nbackend = \"command\"\n\
    argv = [\"/bin/sh\", \"-c\", \"echo begun; while [ ! -e done ]; do sleep 0.05; done\"]\n";

fn tell(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

#[test]
fn run_gives_workers_time_to_end_and_stops_them_when_asked_again() {
    use rustix::process::Signal;
    let env = TestEnv::new(PATIENT);
    let dir = workspace(&env);
    let args = ["run", "Fix the typo in README.md"];
    let child = command(&dir, &args).spawn().unwrap();
    env.wait_for("worker_started", &[]);
    tell(&child, Signal::INT);
    env.wait_until("the drain", || {
        let log = std::fs::read_to_string(env.path("orchestrator/daemon.log")).ok()?;
        log.contains("workers may end").then_some(())
    });
    std::fs::write(dir.join("done"), "").unwrap();
    let said = ended(child).ends(0);
    assert!(said.err.contains("Ctrl-C again"), "{}", said.err);
    assert!(said.out.contains("completed"), "it ended in the time it was given: {}", said.out);
    std::fs::remove_file(dir.join("done")).unwrap();

    let child = command(&dir, &["run", "Fix the typo in docs/guide.md"]).spawn().unwrap();
    let started = || env.events().iter().filter(|e| e["type"] == "worker_started").count();
    env.wait_until("the second worker", || (started() == 2).then_some(()));
    tell(&child, Signal::INT);
    env.wait_until("the drain", || {
        let log = std::fs::read_to_string(env.path("orchestrator/daemon.log")).ok()?;
        (log.matches("workers may end").count() == 2).then_some(())
    });
    tell(&child, Signal::INT);
    let said = ended(child).ends(130);
    assert!(said.err.contains("stopping the workers"), "{}", said.err);
    let status = baton(&dir, &["status", "--json"]).ends(0).json();
    assert_eq!(status["workers"], Value::Array(vec![]), "nothing runs on");
}

#[test]
fn the_same_command_again_goes_on_with_what_is_not_over() {
    let env = TestEnv::new(PATIENT);
    let dir = workspace(&env);
    let args = ["run", "Fix the typo in README.md"];
    let mut child = command(&dir, &args).spawn().unwrap();
    env.wait_for("worker_started", &[]);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut child = command(&dir, &args).spawn().unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap());
    let mut note = String::new();
    notes.read_line(&mut note).unwrap();
    assert!(note.contains("asks for the same and is not over"), "{note}");
    // Only now: the daemon of the first may live long enough to see its worker end.
    std::fs::write(dir.join("done"), "").unwrap();
    let mut more = String::new();
    notes.read_to_string(&mut more).unwrap();
    let said = ended(child);
    assert_eq!(said.code, Some(0), "{}{note}{more}", said.out);
    let accepted = env.events().iter().filter(|e| e["type"] == "task_accepted").count();
    let started = env.events().iter().filter(|e| e["type"] == "worker_started").count();
    assert_eq!((accepted, started), (1, 1), "{}", env.text("dashboard-events.jsonl"));
    let again = baton(&dir, &args).ends(0);
    assert!(!again.err.contains("asks for the same"), "that one is over: {}", again.err);
}

#[test]
fn run_goes_on_when_the_daemon_that_it_found_was_on_its_way_out() {
    use rustix::process::Signal;
    let env = TestEnv::new(PATIENT);
    let dir = workspace(&env);
    baton(&dir, &["submit", "Fix the typo in README.md"]).ends(0);
    let mut other = Served::on(&env.coordination());
    other.start();
    env.wait_for("worker_started", &[]);
    other.signal(Signal::INT);
    other.wait_for(|| other.log().contains("workers may end"));
    let child = command(&dir, &["run", "Fix the typo in docs/guide.md"]).spawn().unwrap();
    // Who drains takes nothing in: this shows that the run has found that one.
    env.wait_until("the second task", || {
        let mut dropped = std::fs::read_dir(env.path("inbox")).ok()?.flatten();
        dropped.any(|entry| entry.path().extension().is_some_and(|e| e == "json")).then_some(())
    });
    std::fs::write(dir.join("done"), "").unwrap();
    let said = ended(child).ends(0);
    assert!(said.err.contains("going on with one of our own"), "{}", said.err);
    assert!(other.exits_within(PATIENCE), "{}", other.log());
    let started = env.events().iter().filter(|e| e["type"] == "daemon_started").count();
    assert_eq!(started, 2, "the one that was there and the one of the run");
}

#[test]
fn run_takes_over_from_a_daemon_that_ends_under_way() {
    let env = TestEnv::new(EXTERNAL);
    let dir = workspace(&env);
    let mut other = Served::on(&env.coordination());
    other.start();
    env.wait_for("daemon_started", &[]);
    let child = command(&dir, &["run", "Fix the typo in README.md"]).spawn().unwrap();
    env.wait_for("handoff_published", &[]);
    assert_eq!(other.stop(), Some(0));
    let started = || env.events().iter().filter(|e| e["type"] == "daemon_started").count();
    env.wait_until("a daemon of its own", || (started() == 2).then_some(()));
    tell(&child, rustix::process::Signal::INT);
    ended(child).ends(130);
}

#[test]
fn a_mistake_in_the_settings_is_told_before_anything_is_dropped() {
    let env = TestEnv::new("[masters.x]\nbackend = \"brief\"\nbad = 1\n");
    let dir = workspace(&env);
    let said = baton(&dir, &["run", "Fix the typo in README.md"]).ends(78);
    assert!(said.err.contains("baton.toml:3: masters.x.bad"), "{}", said.err);
    assert_eq!(said.err.lines().count(), 2, "a log has one line for each: {}", said.err);
    let status = baton(&dir, &["status", "--json"]).ends(0).json();
    assert_eq!(status["inbox"], 0);
}

#[test]
fn submit_waits_for_the_end_only_where_one_can_come() {
    let env = TestEnv::with_brief_workers();
    let dir = workspace(&env);
    baton(&dir, &["submit", "--wait", "Fix the typo in README.md"]).ends(4);
    assert!(!env.exists("inbox"), "nothing was dropped");
    let dropped = baton(&dir, &["submit", "--json", "Fix the typo in README.md"]).ends(0).json();
    assert_eq!(dropped["daemon_running"], false);
    assert!(env.exists(dropped["file"].as_str().unwrap()));

    let _served = env.serve();
    let id = dropped["task_id"].as_str().unwrap();
    env.wait_for("orchestration_completed", &[("task_id", id)]);
    let said = baton(&dir, &["submit", "--wait", "--priority", "high", "Fix a typo"]).ends(0);
    assert!(said.out.contains("completed"), "{}", said.out);
    let cycle = r#"{"title": "Go round", "subtasks": [
        {"subtask_id": "a", "title": "a", "assigned_to": "development", "dependencies": ["b"],
         "success_criteria": "done"},
        {"subtask_id": "b", "title": "b", "assigned_to": "development", "dependencies": ["a"],
         "success_criteria": "done"}]}"#;
    let said = baton_told(&dir, &["submit", "--wait", "-"], cycle.as_bytes()).ends(65);
    assert!(said.out.contains("rejected") && said.out.contains("cycle"), "{}", said.out);
}

#[test]
fn commands_are_answered_by_a_daemon_and_kept_without_one() {
    let env = TestEnv::new(EXTERNAL);
    let dir = workspace(&env);
    let kept = baton(&dir, &["pause", "orch-x", "--json"]).ends(0).json();
    assert_eq!(kept["state"], "queued");
    assert!(env.exists(&format!("inbox/{}.json", kept["command_id"].as_str().unwrap())));
    let _served = env.serve();
    env.wait_for("command_refused", &[]);
    let refused = baton(&dir, &["cancel", "nothing"]).ends(3);
    assert!(refused.out.contains("there is no task"), "{}", refused.out);
    let found = baton(&dir, &["doctor"]).ends(0);
    assert!(!found.out.contains("refused"), "its answer was given: {}", found.out);
    let id = baton(&dir, &["submit", "--json", "Fix the typo in README.md"]).ends(0).json();
    let id = id["task_id"].as_str().unwrap().to_owned();
    env.wait_for("handoff_published", &[]);
    let shown = baton(&dir, &["show", &id, "--json"]).ends(0).json();
    assert_eq!(shown["progress"]["stages"][0][0]["status"], "handed_off");
    baton(&dir, &["handoff", "withdraw", &id]).ends(0);
    env.wait_for("handoff_withdrawn", &[]);
    baton(&dir, &["resume", &id]).ends(0);
    baton(&dir, &["cancel", &id]).ends(0);
    env.wait_for("orchestration_cancelled", &[("task_id", &id)]);
}

#[test]
fn bad_input_is_one_clear_error_with_a_remedy() {
    let env = TestEnv::with_brief_workers();
    let dir = workspace(&env);
    let deep = format!("{{\"title\": {}", "[".repeat(100_000));
    let cases: [(&[&str], &[u8], i32); 15] = [
        (&["submit", ""], b"", 65),
        (&["submit", "-"], b"  \n", 65),
        (&["submit", "-"], b"caf\xe9", 65),
        (&["submit", "-"], b"a\0b", 65),
        (&["submit", "-"], b"{\"title\": ", 65),
        (&["submit", "-"], b"{\"title\": \"x\", \"id\": \"../x\"}", 65),
        (&["submit", "-"], b"{\"titel\": 1}", 65),
        (&["submit", "./none.md"], b"", 66),
        (&["submit", "."], b"", 0),
        (&["submit", "coordination/"], b"", 65),
        (&["plan", "-"], deep.as_bytes(), 65),
        (&["--coordination", "none", "status"], b"", 66),
        (&["show", "nothing"], b"", 3),
        (&["report"], b"", 3),
        (&["events", "--since", "soon"], b"", 2),
    ];
    for (args, stdin, code) in cases {
        let said = baton_told(&dir, args, stdin);
        assert_eq!(said.code, Some(code), "{args:?} {}", said.err);
        if code == 0 {
            continue;
        }
        assert_eq!(said.err.matches("error: ").count(), 1, "{args:?} {}", said.err);
        assert!(said.err.contains("hint: ") || code == 2, "{args:?} {}", said.err);
        let with_json: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let said = baton_told(&dir, &with_json, stdin).ends(code);
        assert_eq!(
            (said.json()["error"]["code"].as_i64(), said.err.as_str()),
            (Some(code.into()), "")
        );
    }
}

#[test]
fn events_are_listed_chosen_and_end_quietly_with_their_reader() {
    let env = TestEnv::with_brief_workers();
    let dir = workspace(&env);
    baton(&dir, &["run", "Fix the typo in README.md"]).ends(0);
    let all = baton(&dir, &["events", "--json"]).ends(0);
    let events: Vec<Value> =
        all.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events, env.events());
    let last = baton(&dir, &["events", "--json", "--since", &events.len().to_string()]).ends(0);
    assert_eq!(last.json(), *events.last().unwrap());
    let started = baton(&dir, &["events", "--type", "daemon_started"]).ends(0);
    assert_eq!(started.out.lines().count(), 1);

    let mut child = command(&dir, &["events", "--follow"]).spawn().unwrap();
    drop(child.stdout.take());
    ended(child).ends(0);
}

#[test]
fn a_directory_is_made_once_examined_and_found_from_below() {
    let workspace = tempfile::tempdir().unwrap();
    let dir = workspace.path();
    let made = baton(dir, &["init", "--json"]).ends(0).json();
    assert!(made["written"].as_array().unwrap().contains(&"baton.toml".into()));
    let again = baton(dir, &["init", "--json"]).ends(0).json();
    assert_eq!((&again["written"], &again["kept"]), (&Value::Array(vec![]), &made["written"]));
    let below = dir.join("src/deep");
    std::fs::create_dir_all(&below).unwrap();
    let found = baton(&below, &["doctor", "--json"]).ends(0).json();
    assert_eq!(found["coordination"], dir.join("coordination").to_str().unwrap());
    let masters = baton(&below, &["masters", "--json"]).ends(0).json();
    assert!(masters["masters"].as_array().unwrap().iter().all(|m| m["execution"] == "external"));

    std::fs::create_dir_all(dir.join("coordination/worker-specs/active")).unwrap();
    std::fs::write(dir.join("coordination/worker-specs/active/w.json"), "{").unwrap();
    std::fs::write(dir.join("coordination/baton.toml"), "mastres = 1\n").unwrap();
    let wrong = baton(&below, &["doctor"]).ends(1);
    for part in ["w.json", "mastres", "2 things are wrong"] {
        assert!(wrong.out.contains(part), "{part} is not in {}", wrong.out);
    }
    baton(&below, &["plan", "Fix a typo"]).ends(78);
}

#[test]
fn a_plan_is_explained_and_nothing_is_written() {
    let env = TestEnv::with_brief_workers();
    let dir = workspace(&env);
    let before: Vec<_> = std::fs::read_dir(env.coordination()).unwrap().flatten().collect();
    let said = baton(&dir, &["plan", "Add authentication system with security audit"]).ends(0);
    for part in ["stage 1", "depends on", "Why", "development"] {
        assert!(said.out.contains(part), "{part} is not in {}", said.out);
    }
    let json = baton(&dir, &["plan", "--json", "Fix the typo in README.md"]).ends(0).json();
    assert_eq!(json["outcome"], "route");
    assert!(!json["plan"]["explanation"]["reasons"].as_array().unwrap().is_empty());
    assert_eq!(std::fs::read_dir(env.coordination()).unwrap().count(), before.len());
}

#[test]
fn every_help_fits_eighty_columns_and_names_the_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let help = baton(dir.path(), &["help"]).ends(0);
    assert!(help.out.contains("Exit codes:"), "{}", help.out);
    let commands: Vec<&str> = help
        .out
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() > 15, "{commands:?}");
    for name in commands {
        let help = baton(dir.path(), &["help", name]).ends(0);
        for line in help.out.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = baton(dir.path(), &["completions", shell]).ends(0).out;
        assert!(script.contains("baton"), "{shell}");
        let json = baton(dir.path(), &["completions", shell, "--json"]).ends(0).json();
        assert_eq!((&json["shell"], &json["script"]), (&shell.into(), &script.into()));
    }
}
