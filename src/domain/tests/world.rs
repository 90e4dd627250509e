//! A small world for tests of single rules: whatever is told goes through `decide` and `apply`, and
//! the clock is moved by hand.

use crate::domain::decide::decide;
use crate::domain::evidence::{Evidence, Finding, Liveness, Watched};
use crate::domain::ids::{AgentName, AttemptId, ClaimId, CommandId, TaskId, WorkerId};
use crate::domain::input::Command;
use crate::domain::moment::{BootId, Timestamp};
use crate::domain::plan::{
    Complexity, Draft, DraftIds, DraftOutcome, DraftSubtask, Explanation, Handling, Orchestration,
    Range, Strategy, Workflow,
};
use crate::domain::report::{
    Category, Failure, Outcome, Report, ReportFinding, ReportStatus, ResultKind, SubtaskResult,
};
use crate::domain::spec::SpecSeen;
use crate::domain::task::{TaskSource, TaskSpec};
use crate::domain::worker::{Attempt, Execution, Exit, ProcessIdentity};
use crate::domain::{Event, Input, Moment, Policy, Record, State};

pub(in crate::domain) struct World {
    pub(in crate::domain) state: State,
    pub(in crate::domain) policy: Policy,
    pub(in crate::domain) now: Moment,
}

impl World {
    /// `cicd` and `security` are launched by Baton, `development` and `inventory` are elsewhere;
    /// `development` and `inventory` take the same work.
    pub(in crate::domain) fn new() -> Self {
        let mut policy = Policy::default();
        for name in ["cicd", "security"] {
            let master = policy.masters.get_mut(name).unwrap();
            master.execution = Execution::Launched { backend: "command".into() };
        }
        policy.masters.get_mut("inventory").unwrap().domains.push("development".into());
        let wall = Timestamp::parse("2025-11-05T18:00:00Z").unwrap();
        let now = Moment { boot: BootId(5), boottime_ms: 1_000_000, wall };
        let mut world = Self { state: State::default(), policy, now };
        world.tell(&Input::DaemonStarted { version: "0".into(), pid: 1, suspended_ms: 0 });
        world
    }

    pub(in crate::domain) fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// Lets time pass and everything follow that follows by itself.
    pub(in crate::domain) fn wait(&mut self, ms: u64) -> Vec<Event> {
        self.pass(ms);
        self.tick()
    }

    /// Tells something and lets everything follow; returns all that happened.
    pub(in crate::domain) fn tell(&mut self, input: &Input) -> Vec<Event> {
        let mut events = self.once(input);
        events.extend(self.tick());
        events
    }

    fn tick(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..100 {
            let more = self.once(&Input::Tick);
            if more.is_empty() {
                return events;
            }
            events.extend(more);
        }
        panic!("ticks go on for ever: {events:#?}");
    }

    fn once(&mut self, input: &Input) -> Vec<Event> {
        let events = decide(&self.state, &self.policy, input, self.now);
        if !events.is_empty() {
            let starts = matches!(input, Input::DaemonStarted { .. });
            let record = Record {
                seq: self.state.seq + 1,
                at: self.now,
                epoch: self.state.epoch + u64::from(starts),
                schema: 1,
                cause: "test".into(),
                events: events.clone(),
            };
            self.state.apply(&record).unwrap_or_else(|error| panic!("{error}\n{record:#?}"));
            let mut again = self.state.clone();
            again.reindex();
            assert!(again == self.state, "an index is wrong after {record:#?}");
        }
        events
    }

    /// Gives a task whole to a master and returns its first attempt.
    pub(in crate::domain) fn handed(&mut self, task: &str, agent: &str) -> AttemptId {
        self.begin_routed(task, agent);
        self.last(task).id.clone()
    }

    /// Gives a task whole to a master, which may have to wait.
    pub(in crate::domain) fn begin_routed(&mut self, task: &str, agent: &str) {
        self.begin(task, DraftOutcome::Route(Box::new(draft(&[agent]))));
    }

    /// Takes up a task and a plan of one stage, one subtask for each of these masters.
    pub(in crate::domain) fn plan(&mut self, task: &str, agents: &[&str]) {
        self.plan_with(task, agents, |_| {});
    }

    /// As [`World::plan`], with subtasks that were changed before.
    pub(in crate::domain) fn plan_with(
        &mut self,
        task: &str,
        agents: &[&str],
        change: impl FnOnce(&mut [DraftSubtask]),
    ) {
        let mut draft = draft(agents);
        change(&mut draft.subtasks);
        self.begin(task, DraftOutcome::Plan(Box::new(draft)));
    }

    fn begin(&mut self, task: &str, outcome: DraftOutcome) {
        let spec = TaskSpec { id: Some(task.into()), title: "do it".into(), ..TaskSpec::default() };
        let source = TaskSource::Queue { index: 0, fingerprint: task.into(), has_id: true };
        self.tell(&Input::TaskObserved { source, spec: Box::new(spec) });
        let events = self.tell(&Input::Drafted { task_id: TaskId::parse(task).unwrap(), outcome });
        assert!(!matches!(events[0], Event::TaskRejected { .. }), "{events:#?}");
    }

    pub(in crate::domain) fn published(&mut self, task: &str, agent: &str) -> AttemptId {
        let attempt_id = self.handed(task, agent);
        self.tell(&Input::HandoffPublished { attempt_id: attempt_id.clone() });
        attempt_id
    }

    /// Somebody works at a task: a process of ours, or a master elsewhere that took its handoff.
    pub(in crate::domain) fn at_work(&mut self, task: &str, agent: &str) -> AttemptId {
        let attempt_id = self.published(task, agent);
        self.begin_work(&attempt_id);
        attempt_id
    }

    pub(in crate::domain) fn begin_work(&mut self, attempt_id: &AttemptId) {
        let attempt_id = attempt_id.clone();
        let is_elsewhere = self.attempt(&attempt_id).execution == Execution::External;
        self.tell(&if is_elsewhere {
            Input::HandoffTaken { attempt_id }
        } else {
            Input::WorkerStarted { attempt_id, identity: identity(77) }
        });
    }

    /// A person asks for something.
    pub(in crate::domain) fn command(&mut self, verb: &str, target: &str) -> Vec<Event> {
        self.ask(verb, target, serde_json::Value::Null)
    }

    /// A person asks for something and says how.
    pub(in crate::domain) fn ask(
        &mut self,
        verb: &str,
        target: &str,
        args: serde_json::Value,
    ) -> Vec<Event> {
        let name = format!("{verb}-{}", self.state.seq);
        let command = Command {
            command_id: CommandId::parse(&name).unwrap(),
            verb: verb.into(),
            target: target.into(),
            args,
            created_at: Some(self.now.wall),
            expires_at: None,
        };
        let claim = ClaimId::parse(&name).unwrap();
        let events = self.tell(&Input::CommandObserved {
            claim,
            file: "c.json".into(),
            owner: 1000,
            command,
        });
        assert!(matches!(events[0], Event::CommandAccepted { .. }), "{events:#?}");
        events
    }

    pub(in crate::domain) fn run(&self, task: &str) -> &Orchestration {
        &self.state.orchestrations[format!("orch-{task}").as_str()]
    }

    /// Returns the newest attempt at the first subtask of a task.
    pub(in crate::domain) fn last(&self, task: &str) -> &Attempt {
        self.run(task).runs[0].attempts.last().unwrap()
    }

    pub(in crate::domain) fn attempt(&self, id: &AttemptId) -> &Attempt {
        self.state.attempt(id).unwrap().2
    }

    /// A worker of a master makes itself known.
    pub(in crate::domain) fn follow(&mut self, spec: SpecSeen) {
        let record = Record {
            seq: self.state.seq + 1,
            at: self.now,
            epoch: self.state.epoch,
            schema: 1,
            cause: "test".into(),
            events: vec![Event::WorkerSpecSeen(spec)],
        };
        self.state.apply(&record).unwrap();
    }
}

pub(in crate::domain) fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

pub(in crate::domain) fn spec(worker: &str, attempt: Option<&AttemptId>) -> SpecSeen {
    let path = format!("worker-specs/active/{worker}.json");
    SpecSeen {
        worker_type: "implementation".into(),
        attempt_id: attempt.cloned(),
        ..SpecSeen::new(worker.parse().unwrap(), path)
    }
}

pub(in crate::domain) fn identity(pid: u32) -> ProcessIdentity {
    let host = "test".into();
    ProcessIdentity { host, boot_id: BootId(5), pid, start_ticks: 9, pidfd_inode: None }
}

pub(in crate::domain) fn success() -> Outcome {
    Outcome::Success(SubtaskResult {
        kind: ResultKind::Work,
        summary: "done".into(),
        deliverables: Vec::new(),
        worker_id: "w".parse().unwrap(),
        tokens_used: None,
        cost_usd: None,
        items: None,
    })
}

pub(in crate::domain) fn failure(message: &str) -> Outcome {
    Outcome::Failure(Failure::new(Category::CodeError, message))
}

pub(in crate::domain) fn exited(attempt_id: &AttemptId, outcome: Outcome) -> Input {
    Input::WorkerExited { attempt_id: attempt_id.clone(), exit: Exit::Code(0), outcome }
}

/// What a look found out about the worker of an attempt.
pub(in crate::domain) fn found(id: &AttemptId, liveness: Liveness) -> Finding {
    let evidence = Evidence { verdict: "so it seems".into(), ..Evidence::default() };
    Finding { worker: Watched::Attempt(id.clone()), liveness, evidence, breach: None }
}

pub(in crate::domain) fn probed(findings: &[Finding]) -> Input {
    Input::WorkersProbed { findings: findings.to_vec(), held: None }
}

/// A report about an attempt, read in the folder of its worker.
pub(in crate::domain) fn reported(id: &AttemptId, status: ReportStatus, digest: &str) -> Input {
    let (subtask_id, _) = id.as_str().rsplit_once("-attempt-").unwrap();
    let report = Report {
        subtask_id: subtask_id.parse().unwrap(),
        attempt_id: Some(id.clone()),
        status,
        summary: "said".into(),
        deliverables: Vec::new(),
        tokens_used: None,
        cost_usd: None,
        items: None,
        error: None,
    };
    let path = format!("workers/{}/report.json", WorkerId::of(id));
    let finding = ReportFinding { report, path, digest: digest.into(), missing: Vec::new() };
    Input::ReportObserved { claim: None, finding }
}

fn draft(agents: &[&str]) -> Draft {
    let subtask = |(nth, agent): (usize, &&str)| DraftSubtask {
        subtask_id: format!("plan-{:03}-step", nth + 1),
        title: "a step".into(),
        description: "do it".into(),
        assigned_to: vec![AgentName::parse(agent).unwrap().as_str().into()],
        worker_type: "implementation".into(),
        dependencies: Vec::new(),
        minutes: Range { low: 5, high: 10 },
        tokens: 1_000,
        files_affected: Vec::new(),
        success_criteria: "it is done".into(),
        deliverables: Vec::new(),
        for_each: None,
        handling: Handling::default(),
        nature: Default::default(),
        choice: Default::default(),
        why: Vec::new(),
    };
    Draft {
        goal: "all of it".into(),
        domains: Vec::new(),
        constraints: Vec::new(),
        success_criteria: vec!["it is done".into()],
        complexity: Complexity::Medium,
        strategy: Strategy::Adaptive,
        workflow: Workflow::DecomposeFirst,
        confidence: 0.5,
        ids: DraftIds::Slug("plan".into()),
        subtasks: agents.iter().enumerate().map(subtask).collect(),
        stages: Vec::new(),
        explanation: Explanation::default(),
    }
}
