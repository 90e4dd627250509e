//! A machine without a world: inputs go through `decide` and `apply`, and what the projections say
//! is kept as files in memory. After each input everything is rendered afresh and compared, so
//! that no event can change a document without touching it.

use std::collections::BTreeMap;

use crate::domain::decide::decide;
use crate::domain::document::{Document, QueuePatch};
use crate::domain::event::JOURNAL_SCHEMA;
use crate::domain::ids::{AttemptId, ClaimId, CommandId, SubtaskId, TaskId};
use crate::domain::input::Command;
use crate::domain::moment::BootId;
use crate::domain::plan::{Draft, DraftIds, DraftOutcome, DraftSubtask, Handling, Range, Strategy};
use crate::domain::policy::MasterPolicy;
use crate::domain::report::{
    Category, Failure, Outcome, Report, ReportFinding, ReportStatus, ResultKind, SubtaskResult,
};
use crate::domain::task::{TaskSource, TaskSpec};
use crate::domain::worker::{Execution, Exit, ProcessIdentity};
use crate::domain::{Input, Moment, Policy, Record, State, Timestamp};
use crate::projection::{dashboard_events, keys, render, touches};

#[derive(Clone)]
pub(super) struct Drive {
    pub(super) state: State,
    pub(super) policy: Policy,
    pub(super) now: Moment,
    pub(super) records: Vec<Record>,
    /// Path and text of every file.
    pub(super) disk: BTreeMap<String, String>,
    /// The last patch of every entry of the queue, by how it is found.
    pub(super) queue: BTreeMap<String, QueuePatch>,
    pub(super) lines: String,
}

impl Drive {
    /// A directory in which `development` is run as `brief` and `security` is external.
    pub(super) fn new() -> Self {
        let mut policy = Policy::default();
        let brief = MasterPolicy {
            execution: Execution::Launched { backend: "brief".into() },
            result_kind: ResultKind::WorkOrder,
            ..MasterPolicy::external(&["development", "docs"])
        };
        // What fails for good asks a person at once.
        policy.recovery.replans_max = 0;
        policy.masters.insert("development".parse().unwrap(), brief);
        let wall = Timestamp::parse("2025-11-05T18:00:00Z").unwrap();
        let mut drive = Self {
            state: State::default(),
            policy,
            now: Moment { boot: BootId(1), boottime_ms: 1_000_000, wall },
            records: Vec::new(),
            disk: BTreeMap::new(),
            queue: BTreeMap::new(),
            lines: String::new(),
        };
        drive.tell(Input::DaemonStarted { version: "0.1.0".into(), pid: 77, suspended_ms: 0 });
        drive
    }

    /// Tells an input one second after the last, and ticks until nothing follows. Returns whether
    /// anything did.
    #[expect(clippy::needless_pass_by_value, reason = "an input is told and gone")]
    pub(super) fn tell(&mut self, input: Input) -> bool {
        self.now = self.now.plus_ms(1_000);
        let is_news = self.step(&input);
        while self.step(&Input::Tick) {}
        self.check_nothing_is_stale();
        is_news
    }

    fn step(&mut self, input: &Input) -> bool {
        let events = decide(&self.state, &self.policy, input, self.now);
        if events.is_empty() {
            return false;
        }
        let started = matches!(input, Input::DaemonStarted { .. });
        let record = Record {
            seq: self.state.seq + 1,
            at: self.now,
            epoch: self.state.epoch + u64::from(started),
            schema: JOURNAL_SCHEMA,
            cause: "test".into(),
            events,
        };
        self.state.apply(&record).unwrap();
        for key in touches(&self.state, &record) {
            let documents = render(&self.state, &self.policy, &key);
            put(documents, &mut self.disk, &mut self.queue);
        }
        self.lines += &dashboard_events::lines(&record);
        self.records.push(record);
        true
    }

    /// The one field that is allowed to be behind is when the overview was last written.
    fn check_nothing_is_stale(&self) {
        let (mut disk, mut queue) = (BTreeMap::new(), BTreeMap::new());
        for key in keys(&self.state) {
            put(render(&self.state, &self.policy, &key), &mut disk, &mut queue);
        }
        let without_time = |disk: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let is_kept = |line: &&str| !line.starts_with("  \"last_update\"");
            let strip = |text: &String| text.lines().filter(is_kept).collect::<Vec<_>>().join("\n");
            disk.iter().map(|(path, text)| (path.clone(), strip(text))).collect()
        };
        let (ours, fresh) = (without_time(&self.disk), without_time(&disk));
        let event = self.records.last();
        assert_eq!(ours, fresh, "a document is stale after {event:#?}");
        for (entry, patch) in &queue {
            assert_eq!(self.queue.get(entry), Some(patch), "stale after {event:#?}");
        }
    }

    /// Takes up a task of the queue.
    pub(super) fn queue_task(&mut self, index: usize, id: Option<&str>, title: &str) -> TaskId {
        let source = TaskSource::Queue {
            index,
            fingerprint: format!("0000000{index}"),
            has_id: id.is_some(),
        };
        let spec = TaskSpec {
            id: id.map(str::to_owned),
            title: title.into(),
            kind: Some("development".into()),
            ..TaskSpec::default()
        };
        let known = self.state.tasks.len();
        self.tell(Input::TaskObserved { source, spec: Box::new(spec) });
        assert_eq!(self.state.tasks.len(), known + 1);
        let newest = self.state.tasks.values().max_by_key(|task| task.accepted_at.boottime_ms);
        newest.unwrap().id.clone()
    }

    /// Takes up a task of the inbox.
    pub(super) fn drop_task(&mut self, id: &str, title: &str) -> TaskId {
        let claim = ClaimId::parse(&format!("claim-{id}")).unwrap();
        let source = TaskSource::Inbox { claim, file: format!("{id}.json"), owner: 1000 };
        let spec = TaskSpec { id: Some(id.into()), title: title.into(), ..TaskSpec::default() };
        self.tell(Input::TaskObserved { source, spec: Box::new(spec) });
        TaskId::parse(id).unwrap()
    }

    pub(super) fn plan(&mut self, task_id: &TaskId, draft: Draft) {
        let outcome = DraftOutcome::Plan(Box::new(draft));
        assert!(self.tell(Input::Drafted { task_id: task_id.clone(), outcome }));
        assert!(self.state.tasks[task_id].orchestration_id().is_some(), "{:?}", self.state.tasks);
    }

    pub(super) fn route(&mut self, task_id: &TaskId, master: &str) {
        let draft = draft(Strategy::Staged, "x", &[("x-001-implement", master, &[])]);
        let outcome = DraftOutcome::Route(Box::new(draft));
        assert!(self.tell(Input::Drafted { task_id: task_id.clone(), outcome }));
        assert!(self.state.tasks[task_id].orchestration_id().is_some(), "{:?}", self.state.tasks);
    }

    /// Brings the newest attempt of a subtask under way.
    pub(super) fn begin(&mut self, subtask: &str) -> AttemptId {
        let attempt_id = self.newest(subtask);
        self.tell(Input::HandoffPublished { attempt_id: attempt_id.clone() });
        let (_, _, attempt) = self.state.attempt(&attempt_id).unwrap();
        match attempt.execution {
            Execution::External => {
                self.tell(Input::HandoffTaken { attempt_id: attempt_id.clone() })
            }
            Execution::Launched { .. } => self.tell(Input::WorkerStarted {
                attempt_id: attempt_id.clone(),
                identity: identity(4711),
            }),
        };
        attempt_id
    }

    pub(super) fn newest(&self, subtask: &str) -> AttemptId {
        let id = SubtaskId::parse(subtask).unwrap();
        let (run, position) = self.state.subtask(&id).unwrap();
        run.runs[position].attempts.last().unwrap().id.clone()
    }

    /// Brings the newest attempt of a subtask under way and to its end.
    pub(super) fn finish(&mut self, subtask: &str, error: Option<&str>) {
        let attempt_id = self.begin(subtask);
        self.now = self.now.plus_ms(60_000);
        self.end(subtask, &attempt_id, error);
    }

    pub(super) fn end(&mut self, subtask: &str, attempt_id: &AttemptId, error: Option<&str>) {
        let (_, _, attempt) = self.state.attempt(attempt_id).unwrap();
        let input = match attempt.execution {
            Execution::External => {
                Input::ReportObserved { claim: None, finding: finding(subtask, attempt_id, error) }
            }
            Execution::Launched { .. } => Input::WorkerExited {
                attempt_id: attempt_id.clone(),
                exit: Exit::Code(i32::from(error.is_some())),
                outcome: match error {
                    None => Outcome::Success(SubtaskResult {
                        kind: ResultKind::WorkOrder,
                        summary: format!("work order for {subtask}"),
                        deliverables: Vec::new(),
                        worker_id: attempt.worker_id.clone(),
                        tokens_used: Some(1_200),
                        cost_usd: None,
                        items: None,
                    }),
                    Some(message) => Outcome::Failure(Failure::new(Category::Transient, message)),
                },
            },
        };
        assert!(self.tell(input));
    }

    /// The same, where it may be that nobody wants to hear of it any more.
    pub(super) fn finish_if_possible(
        &mut self,
        subtask: &str,
        attempt_id: &AttemptId,
        error: Option<&str>,
    ) {
        let (_, _, attempt) = self.state.attempt(attempt_id).unwrap();
        let has_begun = attempt.has_begun();
        self.now = self.now.plus_ms(60_000);
        if has_begun {
            self.end(subtask, attempt_id, error);
        }
    }

    /// Lets every back-off end.
    pub(super) fn wait(&mut self) {
        self.now = self.now.plus_ms(120_000);
        self.tell(Input::Tick);
    }

    pub(super) fn command(&mut self, id: &str, verb: &str, target: &str) {
        self.tell(Input::CommandObserved {
            claim: ClaimId::parse(&format!("claim-{id}")).unwrap(),
            file: format!("{id}.json"),
            owner: 1000,
            command: Command {
                command_id: CommandId::parse(id).unwrap(),
                verb: verb.into(),
                target: target.into(),
                args: serde_json::Value::Null,
                created_at: None,
                expires_at: None,
            },
        });
    }
}

fn put(
    documents: Vec<Document>,
    disk: &mut BTreeMap<String, String>,
    queue: &mut BTreeMap<String, QueuePatch>,
) {
    for document in documents {
        match document {
            Document::Replace { path, body } => {
                disk.insert(path, body);
            }
            Document::Absent { path } => {
                disk.remove(&path);
            }
            Document::QueuePatch(patch) => {
                queue.insert(format!("{:?}", patch.entry), patch);
            }
        }
    }
}

pub(super) fn identity(pid: u32) -> ProcessIdentity {
    let host = "testhost".into();
    ProcessIdentity { host, boot_id: BootId(1), pid, start_ticks: 5, pidfd_inode: None }
}

fn finding(subtask: &str, attempt_id: &AttemptId, error: Option<&str>) -> ReportFinding {
    let report = Report {
        subtask_id: SubtaskId::parse(subtask).unwrap(),
        attempt_id: Some(attempt_id.clone()),
        status: if error.is_some() { ReportStatus::Failure } else { ReportStatus::Success },
        summary: format!("audited {subtask}"),
        deliverables: vec![format!("reports/{subtask}.md")],
        tokens_used: None,
        cost_usd: None,
        items: None,
        error: error.map(|message| crate::domain::report::ReportError {
            category: None,
            message: message.into(),
        }),
    };
    let path = format!("workers/{attempt_id}/report.json");
    ReportFinding { report, path, digest: "0badcafe".into(), missing: Vec::new() }
}

/// A draft of subtasks given as id, master and dependencies.
pub(super) fn draft(strategy: Strategy, slug: &str, steps: &[(&str, &str, &[&str])]) -> Draft {
    let subtask = |(id, master, needs): &(&str, &str, &[&str])| DraftSubtask {
        subtask_id: (*id).into(),
        title: format!("Step {id}"),
        description: format!("Do what {id} says"),
        assigned_to: vec![(*master).into()],
        worker_type: "implementation".into(),
        dependencies: needs.iter().map(|id| (*id).to_owned()).collect(),
        minutes: Range { low: 10, high: 15 },
        tokens: 8_000,
        files_affected: vec![format!("src/{id}.rs")],
        success_criteria: "the tests pass".into(),
        deliverables: Vec::new(),
        for_each: None,
        handling: Handling::default(),
        nature: Default::default(),
        choice: Default::default(),
        why: Vec::new(),
    };
    Draft {
        goal: format!("Have {slug} done"),
        domains: vec!["development".into()],
        constraints: Vec::new(),
        success_criteria: vec![format!("{slug} works")],
        complexity: crate::domain::plan::Complexity::High,
        strategy,
        workflow: crate::domain::plan::Workflow::DecomposeFirst,
        confidence: 0.9,
        ids: DraftIds::Slug(slug.into()),
        subtasks: steps.iter().map(subtask).collect(),
        stages: Vec::new(),
        explanation: crate::domain::plan::Explanation {
            verdict: "complex: several steps".into(),
            planner: "rules".into(),
            ..Default::default()
        },
    }
}

/// The authentication example: six subtasks in five stages.
pub(super) fn auth() -> Draft {
    draft(
        Strategy::Staged,
        "auth",
        &[
            ("auth-001-design", "development", &[]),
            ("auth-002-backend", "development", &["auth-001-design"]),
            ("auth-003-frontend", "development", &["auth-001-design"]),
            ("auth-004-tests", "development", &["auth-002-backend", "auth-003-frontend"]),
            ("auth-005-security", "security", &["auth-004-tests"]),
            ("auth-006-docs", "development", &["auth-005-security"]),
        ],
    )
}

/// Three steps in a row.
pub(super) fn chain(strategy: Strategy, slug: &str) -> Draft {
    let [a, b, c] = ["001-build", "002-test", "003-document"].map(|end| format!("{slug}-{end}"));
    draft(
        strategy,
        slug,
        &[(&a, "development", &[]), (&b, "development", &[&a]), (&c, "security", &[&b])],
    )
}
