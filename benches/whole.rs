//! Measures Baton as a whole, beside what the disk of this machine takes in the same run.
//!
//! `cargo bench` runs everything; `cargo bench -- replay idle` runs the parts that are named.
//! Figures are ratios of one run: compare them with the `fdatasync` line above them.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench times from outside, prints figures and ends where it is surprised"
)]

#[path = "../tests/it/served.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod served;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use baton::domain::ids::{AttemptId, SubtaskId, WorkerId};
use baton::domain::report::{ResultKind, SubtaskResult};
use baton::domain::worker::{Execution, Exit, ProcessIdentity};
use baton::domain::{Effect, report::Outcome};
use baton::domain::{Event, Moment, Policy, Record, State, decide::decide, input::Input, outbox};
use baton::journal::Journal;
use served::{Served, write_whole};

type Part = (&'static str, fn());

const PARTS: [Part; 8] = [
    ("fdatasync", fdatasync),
    ("handoff", first_handoff),
    ("life", full_life),
    ("queue", queued_tasks),
    ("replay", replay),
    ("snapshot", snapshot),
    ("idle", idle),
    ("watch", watched),
];

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|part| part == name) || name == "fdatasync" {
            part();
        }
    }
}

fn fdatasync() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(dir.path().join("journal")).unwrap();
    let line = [b'x'; 300];
    let times: Vec<Duration> = (0..300)
        .map(|_| {
            let start = Instant::now();
            file.write_all(&line).unwrap();
            file.sync_data().unwrap();
            start.elapsed()
        })
        .collect();
    report("append of 300 bytes and fdatasync", times);
}

fn first_handoff() {
    let root = tempfile::tempdir().unwrap();
    let mut served = Served::new(&root.path().join("coordination"), &external());
    served.start();
    let dir = served.dir().to_owned();
    let dropped = |n: usize| {
        let task = format!(r#"{{"id":"t{n}","title":"Fix the typo in src/f{n}.rs"}}"#);
        let handoff = dir.join(format!("masters/development/handoffs/to-development-t{n}.json"));
        let start = Instant::now();
        write_whole(&dir.join("inbox"), &format!("t{n}.json"), task.as_bytes());
        spin_until(|| handoff.exists());
        start.elapsed()
    };
    dropped(0);
    report("task dropped to first handoff on disk", (1..=200).map(dropped).collect());
    served.stop();
}

fn full_life() {
    let root = tempfile::tempdir().unwrap();
    let settings = launched("[\"/bin/echo\", \"done\"]");
    let mut served = Served::new(&root.path().join("coordination"), &settings);
    served.start();
    let dir = served.dir().to_owned();
    let lived = |n: usize| {
        let completion = dir.join(format!("orchestrator/completions/orch-p{n}.json"));
        let start = Instant::now();
        write_whole(&dir.join("inbox"), &format!("p{n}.json"), plan(n).as_bytes());
        spin_until(|| completion.exists());
        start.elapsed()
    };
    lived(0);
    report("full life of a 5-subtask chain with a no-op command", (1..=40).map(lived).collect());
    served.stop();
}

fn queued_tasks() {
    let root = tempfile::tempdir().unwrap();
    let mut served = Served::new(&root.path().join("coordination"), &external());
    let tasks: Vec<String> = (0..10_000)
        .map(|n| {
            format!(r#"{{"id":"t{n}","title":"Fix the typo in src/f{n}.rs","status":"pending"}}"#)
        })
        .collect();
    let queue = format!("{{\"tasks\":[\n{}\n]}}\n", tasks.join(",\n"));
    write_whole(served.dir(), "task-queue.json", queue.as_bytes());
    let start = Instant::now();
    served.start();
    let path = served.dir().join("task-queue.json");
    served.wait_for(|| {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        text.matches("\"assigned\"").count() == 10_000
    });
    println!("10,000 queued tasks until all are assigned: {:.2} s", start.elapsed().as_secs_f64());
    served.stop();
}

fn replay() {
    let root = tempfile::tempdir().unwrap();
    let (events, _) = write_journal(root.path(), 300_000, false);
    let start = Instant::now();
    let opened = Journal::open(root.path(), &mut |_, _| {}).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(opened.state.seq, events);
    println!(
        "full replay: {events} events in {seconds:.2} s, {:.0} events/s",
        events as f64 / seconds
    );
}

fn snapshot() {
    let root = tempfile::tempdir().unwrap();
    let (events, _) = write_journal(root.path(), 1_000_000, true);
    let start = Instant::now();
    let opened = Journal::open(root.path(), &mut |_, _| {}).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(opened.state.seq, events);
    println!("start from a snapshot with {events} events behind it: {seconds:.2} s");
}

fn idle() {
    let root = tempfile::tempdir().unwrap();
    let mut served = Served::new(&root.path().join("coordination"), &external());
    served.start();
    let state = served.dir().join("orchestrator/state/current.json");
    served.wait_for(|| state.exists());
    let pid = daemon_pid(served.dir());
    let before = processor_ms(pid);
    let minute = Duration::from_secs(60);
    served.exits_within(minute);
    let used = processor_ms(pid) - before;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    println!(
        "idle for a minute: {used} ms of processor time ({:.3} ms/s), {resident}",
        used as f64 / 60.0
    );
    served.stop();
}

/// Workers that print a line, beat once and then sleep, looked at once a second.
fn watched() {
    const WORKERS: usize = 1_000;
    const LOOKS: u64 = 20;
    const LOOK_MS: u64 = 1_000;
    let root = tempfile::tempdir().unwrap();
    let begin = r#"echo begins; echo '{\"progress\": 1}' > $(dirname $BATON_REPORT)/heartbeat.json; exec sleep 3600"#;
    let settings = format!(
        "{}max_active = {WORKERS}\n[limits]\nmax_active = {WORKERS}\n[supervision]\nlook_ms = {LOOK_MS}\n\
         [daemon]\ntick_ms = 86400000\n",
        launched(&format!("[\"/bin/sh\", \"-c\", {begin:?}]"))
    );
    let mut served = Served::new(&root.path().join("coordination"), &settings);
    let tasks: Vec<String> = (0..WORKERS)
        .map(|n| {
            format!(r#"{{"id":"t{n}","title":"Fix the typo in src/f{n}.rs","status":"pending"}}"#)
        })
        .collect();
    let queue = format!("{{\"tasks\":[\n{}\n]}}\n", tasks.join(",\n"));
    write_whole(served.dir(), "task-queue.json", queue.as_bytes());
    served.start();
    let dir = served.dir().to_owned();
    let beats = || {
        let workers = std::fs::read_dir(dir.join("workers")).unwrap().flatten();
        workers.filter(|worker| worker.path().join("heartbeat.json").exists()).count()
    };
    served.wait_for(|| beats() == WORKERS);
    // What follows from their starts is over by then.
    served.exits_within(Duration::from_millis(5 * LOOK_MS));
    let pid = daemon_pid(&dir);
    let (all_before, loop_before) = (processor_ms(pid), loop_ms(pid));
    served.exits_within(Duration::from_millis(LOOKS * LOOK_MS));
    let each = |ms: u64| ms as f64 / LOOKS as f64;
    let (all, of_loop) = (processor_ms(pid) - all_before, loop_ms(pid) - loop_before);
    println!(
        "a look at {WORKERS} workers: {:.1} ms of processor time, and {:.1} ms of the loop to \
         judge them",
        each(all - of_loop),
        each(of_loop)
    );
    served.stop();
    // They outlive a daemon that is only asked to end.
    for started in events(&dir, "worker_started") {
        let pid = i32::try_from(started["identity"]["pid"].as_i64().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

/// Writes a journal of about `events` events as the daemon would: plans of five subtasks that all
/// complete.
fn write_journal(dir: &Path, events: u64, with_snapshot: bool) -> (u64, State) {
    let mut journal = Journal::open(dir, &mut |_, _| {}).unwrap().journal;
    let mut state = State::default();
    let mut policy = Policy::default();
    for master in policy.masters.values_mut() {
        master.execution = Execution::Launched { backend: "command".into() };
    }
    let now = baton::clock::now();
    let mut n = 0;
    tell(
        &mut journal,
        &mut state,
        &policy,
        now,
        &Input::DaemonStarted { version: "bench".into(), pid: 1, suspended_ms: 0 },
    );
    while state.seq < events {
        n += 1;
        live_one(&mut journal, &mut state, &policy, now, n);
    }
    journal.sync().unwrap();
    if with_snapshot {
        journal.snapshot(&state).unwrap();
    }
    (state.seq, state)
}

fn live_one(journal: &mut Journal, state: &mut State, policy: &Policy, now: Moment, n: usize) {
    let value: serde_json::Value = serde_json::from_str(&plan(n)).unwrap();
    let spec = baton::domain::read::task(&value, "p.json", "").unwrap();
    let source = baton::domain::task::TaskSource::Queue {
        index: n,
        fingerprint: format!("{n:08x}"),
        has_id: true,
    };
    tell(journal, state, policy, now, &Input::TaskObserved { source, spec: Box::new(spec) });
    loop {
        let owed: Vec<Input> =
            outbox(state).iter().filter_map(|effect| done(state, policy, effect)).collect();
        let mut inputs = owed;
        inputs.extend(running(state));
        let mut went_on = false;
        for input in &inputs {
            went_on |= tell(journal, state, policy, now, input);
        }
        while tell(journal, state, policy, now, &Input::Tick) {
            went_on = true;
        }
        if !went_on {
            return;
        }
    }
}

fn done(state: &State, policy: &Policy, effect: &Effect) -> Option<Input> {
    match effect {
        Effect::DraftPlan(task_id) => {
            let task = &state.tasks[task_id].spec;
            let outcome = baton::planner::draft(
                &baton::planner::Request {
                    task,
                    surroundings: &baton::planner::Surroundings::default(),
                },
                policy,
            );
            Some(Input::Drafted { task_id: task_id.clone(), outcome })
        }
        Effect::PublishHandoff(id) => Some(Input::HandoffPublished { attempt_id: id.clone() }),
        Effect::LaunchWorker(id) => Some(Input::WorkerStarted {
            attempt_id: id.clone(),
            identity: ProcessIdentity {
                host: "bench".into(),
                boot_id: baton::clock::now().boot,
                pid: 4_000,
                start_ticks: 1,
                pidfd_inode: None,
            },
        }),
        Effect::SettleClaim(_)
        | Effect::WithdrawHandoff(_)
        | Effect::StopWorker(_)
        | Effect::RevisePlan(_)
        | Effect::MoveSpec(_) => None,
    }
}

fn running(state: &State) -> Vec<Input> {
    state
        .live_attempts()
        .filter(|id| state.attempt(id).is_some_and(|(_, _, attempt)| attempt.has_begun()))
        .map(|id| Input::WorkerExited {
            attempt_id: id.clone(),
            exit: Exit::Code(0),
            outcome: Outcome::Success(SubtaskResult {
                kind: ResultKind::Work,
                summary: "done".into(),
                deliverables: Vec::new(),
                worker_id: worker(id),
                tokens_used: None,
                cost_usd: None,
                items: None,
            }),
        })
        .collect()
}

fn worker(id: &AttemptId) -> WorkerId {
    WorkerId::of(id)
}

fn tell(
    journal: &mut Journal,
    state: &mut State,
    policy: &Policy,
    now: Moment,
    input: &Input,
) -> bool {
    let events: Vec<Event> = decide(state, policy, input, now);
    if events.is_empty() {
        return false;
    }
    let record = Record {
        seq: state.seq + 1,
        at: now,
        epoch: state.epoch.max(1),
        schema: baton::domain::event::JOURNAL_SCHEMA,
        cause: "bench".into(),
        events,
    };
    state.apply(&record).unwrap();
    journal.append(&[record]).unwrap();
    true
}

/// A plan of five subtasks, one after the other.
fn plan(n: usize) -> String {
    let step = |at: usize| {
        let needs = if at == 0 { String::new() } else { format!("\"p{n}-{}\"", at - 1) };
        let id = SubtaskId::parse(&format!("p{n}-{at}")).unwrap();
        format!(
            r#"{{"subtask_id":"{id}","title":"Do part {at}","description":"part {at}",
            "assigned_to":"development","worker_type":"implementation","dependencies":[{needs}],
            "estimated_duration_minutes":5,"estimated_tokens":100,"files_affected":[],
            "success_criteria":"it is done"}}"#
        )
    };
    let steps: Vec<String> = (0..5).map(step).collect();
    format!(
        r#"{{"schema":"baton/plan@1","id":"p{n}","title":"Plan {n}","subtasks":[{}]}}"#,
        steps.join(",")
    )
}

fn external() -> String {
    ["development", "security", "inventory", "cicd"]
        .map(|name| {
            format!("[masters.{name}]\nbackend = \"external\"\nmax_active = 4096\ndomains = [\"{name}\"]\n")
        })
        .concat()
}

fn launched(argv: &str) -> String {
    format!(
        "[masters.development]\nbackend = \"command\"\nargv = {argv}\ndomains = [\"development\"]\n"
    )
}

fn spin_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        std::thread::yield_now();
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain");
    }
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("{what}: p50 {:.2} ms, p99 {:.2} ms, n = {}", at(0.5), at(0.99), times.len());
}

/// Reads who serves a directory out of its events.
fn daemon_pid(dir: &Path) -> u64 {
    events(dir, "daemon_started").last().unwrap()["pid"].as_u64().unwrap()
}

/// Returns the events of one type, the oldest first.
fn events(dir: &Path, kind: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(dir.join("dashboard-events.jsonl")).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events.filter(|event| event["type"] == kind).collect()
}

/// What a process took of the processor, with all its threads.
fn processor_ms(pid: u64) -> u64 {
    taken_ms(&format!("/proc/{pid}/stat"))
}

/// What the thread of its loop took.
fn loop_ms(pid: u64) -> u64 {
    taken_ms(&format!("/proc/{pid}/task/{pid}/stat"))
}

fn taken_ms(stat: &str) -> u64 {
    let stat = std::fs::read_to_string(stat).unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks * 10
}
