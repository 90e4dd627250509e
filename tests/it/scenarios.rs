//! Runs `tests/scenarios/*.json`: given limits, when things happen, then events and documents.
//!
//! The world around the domain is played by [`World`]: it drafts with the real planner, publishes,
//! and starts workers that do only what a step says. Each file is an array of scenarios:
//!
//! - `given`: `masters` (name to `external` or `launched`), `domains` and `fallbacks` (name to
//!   list), `attempts_max`, `backoff`, `jitter_percent`, `same_failure_max`, `fallbacks_max`,
//!   `replans_max` and `splits` (none when not said), `attempts_active_max`, `max_active` and
//!   `starts_per_minute_max` (per master), `orchestration`, `circuit` (none that is met when not
//!   said; failures, cool-down and longest cool-down in milliseconds).
//! - `steps`: one of `drop` (a task of the queue), `plan` (one with subtasks, of which only what
//!   matters is said), `inbox` (a task file), `input` (any input as JSON), `events` (what happened,
//!   as JSON), `worker` with `does`, `report` with `missing`, `command`, `advance_ms`, `crash`; each
//!   with `then`: every event that follows, in order, as its type or as an object of which all
//!   fields must be there. Events of mere bookkeeping are left out.
//! - `handoffs`: attempt to fields that must be in its handoff.
//! - `documents`: path to fields that must be there; `null` for a document that must not exist.

use std::collections::BTreeMap;
use std::path::Path;

use baton::domain::decide::decide;
use baton::domain::document::Document;
use baton::domain::handoff::Handoff;
use baton::domain::ids::{AgentName, AttemptId, ClaimId, CommandId, SubtaskId};
use baton::domain::input::Command;
use baton::domain::moment::{BootId, Moment, Timestamp};
use baton::domain::policy::{Backoff, CircuitPolicy, MasterPolicy};
use baton::domain::report::{Category, Failure, Outcome, ReportFinding, ResultKind, SubtaskResult};
use baton::domain::task::TaskSource;
use baton::domain::worker::{AttemptPhase, Execution, Exit, ProcessIdentity};
use baton::domain::{Effect, Event, Input, Policy, Record, State, outbox, read};
use baton::{planner, projection};
use serde::Deserialize;
use serde_json::{Value, json};

/// Events that say no more than that an effect was carried out.
const BOOKKEEPING: [&str; 4] =
    ["handoff_published", "worker_started", "claim_settled", "orchestration_started"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    #[serde(default)]
    given: Given,
    steps: Vec<Value>,
    #[serde(default)]
    documents: BTreeMap<String, Value>,
    #[serde(default)]
    handoffs: BTreeMap<AttemptId, Value>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Given {
    masters: Option<BTreeMap<AgentName, String>>,
    #[serde(default)]
    domains: BTreeMap<AgentName, Vec<String>>,
    #[serde(default)]
    fallbacks: BTreeMap<AgentName, Vec<AgentName>>,
    attempts_max: Option<u32>,
    backoff: Option<Backoff>,
    #[serde(default)]
    jitter_percent: u32,
    same_failure_max: Option<u32>,
    fallbacks_max: Option<u32>,
    attempts_active_max: Option<usize>,
    max_active: Option<usize>,
    orchestration: Option<bool>,
    starts_per_minute_max: Option<u32>,
    circuit: Option<[u64; 3]>,
    #[serde(default)]
    replans_max: u32,
    #[serde(default)]
    splits: bool,
}

#[test]
fn every_scenario_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut names = Vec::new();
    let mut paths: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let scenarios: Vec<Scenario> =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for scenario in scenarios {
            names.push(scenario.name.clone());
            World::play(&scenario);
        }
    }
    assert!(names.len() >= 25, "only {} scenarios: {names:?}", names.len());
}

struct World {
    name: String,
    state: State,
    policy: Policy,
    journal: Vec<Record>,
    now: Moment,
    dropped: usize,
}

impl World {
    fn play(scenario: &Scenario) {
        let mut world = World {
            name: scenario.name.clone(),
            state: State::default(),
            policy: policy(&scenario.given),
            journal: Vec::new(),
            now: Moment {
                boot: BootId(7),
                boottime_ms: 1_000,
                wall: Timestamp::parse("2025-11-05T18:00:00Z").unwrap(),
            },
            dropped: 0,
        };
        for (number, step) in scenario.steps.iter().enumerate() {
            let before = world.journal.len();
            world.take(step);
            let events: Vec<Value> = world.journal[before..]
                .iter()
                .flat_map(|record| &record.events)
                .filter(|event| !BOOKKEEPING.contains(&event.kind()))
                .map(|event| serde_json::to_value(event).unwrap())
                .collect();
            if let Some(then) = step.get("then") {
                let at = format!("{}: step {} {step}", scenario.name, number + 1);
                compare_events(&at, then.as_array().expect("`then` is an array"), &events);
            }
            world.replay_gives_the_same();
        }
        world.compare_documents(&scenario.documents);
        world.compare_handoffs(&scenario.handoffs);
    }

    fn take(&mut self, step: &Value) {
        if let Some(ms) = step.get("advance_ms") {
            self.now = self.now.plus_ms(ms.as_u64().unwrap());
            self.settle();
        } else if step.get("crash").is_some() {
            let mut again = State::default();
            self.journal.iter().for_each(|record| again.apply(record).unwrap());
            self.state = again;
            self.settle();
        } else if let Some(events) = step.get("events") {
            self.record(serde_json::from_value(events.clone()).unwrap());
            self.settle();
        } else {
            let input = self.input(step);
            self.tell(&input);
            self.settle();
        }
    }

    fn input(&mut self, step: &Value) -> Input {
        if let Some(input) = step.get("input") {
            return serde_json::from_value(input.clone()).unwrap();
        }
        let planned = step.get("plan").map(plan);
        if let Some(task) = planned.as_ref().or(step.get("drop")).or(step.get("inbox")) {
            self.dropped += 1;
            let n = self.dropped;
            let spec = Box::new(read::task(task, "task-queue.json", "").unwrap());
            let source = if step.get("inbox").is_none() {
                let has_id = task.get("id").is_some();
                TaskSource::Queue { index: n - 1, fingerprint: format!("{n:08x}"), has_id }
            } else {
                let claim = ClaimId::parse(&format!("claim-{n}")).unwrap();
                TaskSource::Inbox { claim, file: format!("task-{n}.json"), owner: 1000 }
            };
            return Input::TaskObserved { source, spec };
        }
        if let Some(command) = step.get("command") {
            self.dropped += 1;
            let id = format!("command-{}", self.dropped);
            return Input::CommandObserved {
                claim: ClaimId::parse(&format!("claim-{}", self.dropped)).unwrap(),
                file: format!("{id}.json"),
                owner: 1000,
                command: Command {
                    command_id: CommandId::parse(&id).unwrap(),
                    verb: command["verb"].as_str().unwrap().to_owned(),
                    target: command["target"].as_str().unwrap().to_owned(),
                    args: command.get("args").cloned().unwrap_or(Value::Null),
                    created_at: Some(self.now.wall),
                    expires_at: None,
                },
            };
        }
        if let Some(report) = step.get("report") {
            self.dropped += 1;
            let missing = step.get("missing").cloned().unwrap_or(json!([]));
            return Input::ReportObserved {
                claim: None,
                finding: ReportFinding {
                    report: read::report(report, "report.json").unwrap(),
                    path: "workers/w/report.json".into(),
                    digest: format!("{:08x}", self.dropped),
                    missing: serde_json::from_value(missing).unwrap(),
                },
            };
        }
        let Some(subtask) = step.get("worker") else { panic!("{}: no step: {step}", self.name) };
        self.worker(subtask.as_str().unwrap(), &step["does"])
    }

    /// What the newest worker at a subtask does: `success`, `work_order`, `interrupted`,
    /// `take` (a master takes the handoff), `lose` (its file is gone),
    /// `{"items": [TEXTS]}` (a success with a list), `{"fails": CATEGORY, "message": TEXT}` or `{"not_started": TEXT, "transient": BOOL}`.
    fn worker(&self, subtask: &str, does: &Value) -> Input {
        let id = SubtaskId::parse(subtask).unwrap();
        let (run, position) = self.state.subtask(&id).expect("the step names a subtask");
        let attempt = run.runs[position].attempts.last().expect("it was handed out");
        let attempt_id = attempt.id.clone();
        let exited = |code, outcome| Input::WorkerExited {
            attempt_id: attempt_id.clone(),
            exit: Exit::Code(code),
            outcome,
        };
        let items: Option<Vec<String>> = serde_json::from_value(does["items"].clone()).unwrap();
        let success = |kind| {
            exited(
                0,
                Outcome::Success(SubtaskResult {
                    kind,
                    summary: format!("{subtask} done"),
                    deliverables: vec![format!("out/{subtask}.md")],
                    worker_id: attempt.worker_id.clone(),
                    tokens_used: Some(1_000),
                    cost_usd: None,
                    items: items.clone(),
                }),
            )
        };
        match does.as_str() {
            Some("success") => success(ResultKind::Work),
            Some("work_order") => success(ResultKind::WorkOrder),
            Some("interrupted") => {
                Input::WorkerInterrupted { attempt_id, reason: "the machine went down".into() }
            }
            Some("take") => Input::HandoffTaken { attempt_id },
            Some("lose") => Input::HandoffLost { attempt_id },
            Some(other) => panic!("{}: no such thing to do: {other}", self.name),
            None if items.is_some() => success(ResultKind::Work),
            None if does.get("not_started").is_some() => Input::WorkerNotStarted {
                attempt_id,
                error: does["not_started"].as_str().unwrap().into(),
                transient: does["transient"].as_bool().unwrap(),
            },
            None => {
                let category: Category = serde_json::from_value(does["fails"].clone()).unwrap();
                let message = does["message"].as_str().unwrap_or("it broke");
                exited(1, Outcome::Failure(Failure::new(category, message)))
            }
        }
    }

    fn tell(&mut self, input: &Input) -> bool {
        let events = decide(&self.state, &self.policy, input, self.now);
        if events.is_empty() {
            return false;
        }
        self.record(events);
        // an observation told again changes nothing
        if !matches!(input, Input::Tick) {
            let again = decide(&self.state, &self.policy, input, self.now);
            assert!(again.is_empty(), "{}: told twice: {input:?}\n{again:?}", self.name);
        }
        true
    }

    fn record(&mut self, events: Vec<Event>) {
        let record = Record {
            seq: self.state.seq + 1,
            at: self.now,
            epoch: self.state.epoch,
            schema: 1,
            cause: "step".into(),
            events,
        };
        self.state.apply(&record).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        self.journal.push(record);
    }

    /// Carries out what is owed until nothing follows any more.
    fn settle(&mut self) {
        loop {
            let owed: Vec<Input> =
                outbox(&self.state).iter().filter_map(|effect| self.carry_out(effect)).collect();
            let mut went_on = false;
            for input in owed {
                went_on |= self.tell(&input);
            }
            while self.tell(&Input::Tick) {
                went_on = true;
            }
            if !went_on {
                return;
            }
        }
    }

    fn carry_out(&self, effect: &Effect) -> Option<Input> {
        Some(match effect {
            Effect::DraftPlan(task_id) => {
                let task = &self.state.tasks[task_id].spec;
                let outcome = planner::draft(
                    &planner::Request { task, surroundings: &planner::Surroundings::default() },
                    &self.policy,
                );
                Input::Drafted { task_id: task_id.clone(), outcome }
            }
            Effect::PublishHandoff(id) => Input::HandoffPublished { attempt_id: id.clone() },
            Effect::LaunchWorker(id) => Input::WorkerStarted {
                attempt_id: id.clone(),
                identity: ProcessIdentity {
                    host: "test".into(),
                    boot_id: BootId(7),
                    pid: 4_000,
                    start_ticks: 1,
                    pidfd_inode: None,
                },
            },
            Effect::SettleClaim(claim) => Input::ClaimSettled { claim: claim.clone() },
            Effect::MoveSpec(id) => Input::SpecMoved { worker_id: id.clone() },
            Effect::RevisePlan(id) => Input::Revised {
                subtask_id: id.clone(),
                revision: self.state.revising(id)?,
                outcome: planner::revise(&self.state, id, &self.policy),
            },
            Effect::WithdrawHandoff(id) => {
                let (_, _, attempt) = self.state.attempt(id)?;
                let AttemptPhase::Ending { .. } = attempt.phase else { return None };
                Input::HandoffWithdrawn { attempt_id: id.clone(), in_time: true }
            }
            Effect::StopWorker(id) => Input::WorkerInterrupted {
                attempt_id: id.clone(),
                reason: "stopped as asked".into(),
            },
        })
    }

    fn replay_gives_the_same(&self) {
        let mut again = State::default();
        for record in &self.journal {
            again.apply(record).unwrap();
        }
        assert!(again == self.state, "{}: replay differs from live", self.name);
        let snapshot = serde_json::to_string(&self.state).unwrap();
        let mut read: State = serde_json::from_str(&snapshot).unwrap();
        read.reindex();
        assert!(read == self.state, "{}: a snapshot differs from the state", self.name);
    }

    fn compare_handoffs(&self, expected: &BTreeMap<AttemptId, Value>) {
        for (id, wanted) in expected {
            let handoff = Handoff::of(&self.state, id, ResultKind::Work).expect("an attempt");
            let handoff = serde_json::to_value(handoff).unwrap();
            assert!(contains(&handoff, wanted), "{}: {id}: {handoff:#}", self.name);
        }
    }

    fn compare_documents(&self, expected: &BTreeMap<String, Value>) {
        let mut found: BTreeMap<String, Value> = BTreeMap::new();
        for key in projection::keys(&self.state) {
            for document in projection::render(&self.state, &self.policy, &key) {
                match document {
                    Document::Replace { path, body } => {
                        let value =
                            serde_json::from_str(&body).unwrap_or_else(|_| Value::String(body));
                        found.insert(path, value);
                    }
                    Document::Absent { .. } => {}
                    Document::QueuePatch(patch) => {
                        let path = format!("task-queue.json {:?}", patch.entry);
                        found.insert(path, Value::Object(patch.fields));
                    }
                }
            }
        }
        for (path, wanted) in expected {
            match (found.get(path), wanted) {
                (None, Value::Null) => {}
                (Some(value), wanted) if contains(value, wanted) => {}
                (value, _) => panic!(
                    "{}: {path} lacks {wanted:#}\nit is {:#}\nthere are {:?}",
                    self.name,
                    value.unwrap_or(&Value::Null),
                    found.keys()
                ),
            }
        }
    }
}

/// Completes a plan: `{"id", "strategy", "subtasks": [{"id", "to", "after", ...}]}`.
fn plan(short: &Value) -> Value {
    let id = short["id"].as_str().unwrap();
    let subtask = |short: &Value| {
        let id = short["id"].as_str().unwrap();
        let mut whole = json!({
            "subtask_id": id, "title": format!("Do {id}"), "description": format!("Do {id}"),
            "assigned_to": short.get("to").unwrap_or(&json!("development")),
            "worker_type": "implementation", "dependencies": short.get("after").unwrap_or(&json!([])),
            "estimated_duration_minutes": 10, "estimated_tokens": 1000, "files_affected": [],
            "success_criteria": format!("{id} is there"),
        });
        for (name, value) in short.as_object().unwrap() {
            if !["id", "to", "after"].contains(&name.as_str()) {
                whole[name] = value.clone();
            }
        }
        whole
    };
    json!({
        "id": id, "title": format!("Plan {id}"), "description": "a plan of its author",
        "status": "pending", "orchestration_required": true,
        "strategy": short.get("strategy").unwrap_or(&json!("staged")),
        "subtasks": short["subtasks"].as_array().unwrap().iter().map(subtask).collect::<Vec<_>>(),
    })
}

fn policy(given: &Given) -> Policy {
    let mut policy = Policy::default();
    let how = |word: &str| match word {
        "external" => Execution::External,
        "launched" => Execution::Launched { backend: "command".into() },
        other => panic!("{other} is neither external nor launched"),
    };
    for master in policy.masters.values_mut() {
        master.execution = how("launched");
        master.attempts_active_max = given.max_active.unwrap_or(8);
    }
    for (name, word) in given.masters.iter().flatten() {
        let domain = name.as_str();
        let master =
            policy.masters.entry(name.clone()).or_insert_with(|| MasterPolicy::external(&[domain]));
        master.execution = how(word);
    }
    for (name, domains) in &given.domains {
        policy.masters.get_mut(name).expect("a master").domains.clone_from(domains);
    }
    for (name, fallbacks) in &given.fallbacks {
        policy.masters.get_mut(name).expect("a master").fallbacks.clone_from(fallbacks);
    }
    policy.retry.jitter_percent_max = given.jitter_percent;
    policy.retry.backoff = given.backoff.unwrap_or(policy.retry.backoff);
    let recovery = &mut policy.recovery;
    recovery.same_failure_max = given.same_failure_max.unwrap_or(recovery.same_failure_max);
    recovery.fallbacks_max = given.fallbacks_max.unwrap_or(recovery.fallbacks_max);
    policy.recovery.replans_max = given.replans_max;
    policy.recovery.splits = given.splits;
    policy.retry.attempts_max = given.attempts_max.unwrap_or(policy.retry.attempts_max);
    policy.attempts_active_max = given.attempts_active_max.unwrap_or(policy.attempts_active_max);
    policy.orchestration_enabled = given.orchestration.unwrap_or(true);
    for master in policy.masters.values_mut() {
        master.starts_per_minute_max = given.starts_per_minute_max.unwrap_or(0);
    }
    // A story about failures is not to be broken off by a breaker that it does not mention.
    let [failures, cool_down_ms, cool_down_ms_max] =
        given.circuit.unwrap_or([1_000, 60_000, 600_000]);
    let failures_max = u32::try_from(failures).unwrap();
    policy.circuit = CircuitPolicy { failures_max, cool_down_ms, cool_down_ms_max };
    policy
}

fn compare_events(at: &str, wanted: &[Value], events: &[Value]) {
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let fits = wanted.len() == events.len()
        && wanted.iter().zip(events).all(|(wanted, event)| match wanted.as_str() {
            Some(kind) => event["type"] == kind,
            None => contains(event, wanted),
        });
    assert!(fits, "{at}\ngave {kinds:?}\nwanted {}\nin full {events:#?}", json!(wanted));
}

/// Tells whether every field of `wanted` is in `value`; arrays must be equal in length, texts that
/// begin with `~` need only be contained.
fn contains(value: &Value, wanted: &Value) -> bool {
    if let (Some(value), Some(wanted)) = (value.as_object(), wanted.as_object()) {
        return wanted
            .iter()
            .all(|(key, wanted)| contains(value.get(key).unwrap_or(&Value::Null), wanted));
    }
    if let (Some(value), Some(wanted)) = (value.as_array(), wanted.as_array()) {
        return value.len() == wanted.len()
            && value.iter().zip(wanted).all(|(value, wanted)| contains(value, wanted));
    }
    match (value.as_str(), wanted.as_str().and_then(|text| text.strip_prefix('~'))) {
        (Some(value), Some(part)) => value.contains(part),
        (None, Some(_)) => false,
        (_, None) => value == wanted,
    }
}
