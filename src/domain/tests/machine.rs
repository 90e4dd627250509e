//! A machine without a world: whatever is told goes through `decide` and `apply`.

use serde_json::json;

use super::laws;
use super::narrow::{execution, policy};
use super::words::{
    Dice, MASTERS, draft, exited, failure, finding, identity, problem, reported, result, revision,
    word_of_attempt,
};
use crate::domain::decide::decide;
use crate::domain::ids::{AttemptId, ClaimId, CommandId, SubtaskId, TaskId};
use crate::domain::input::Command;
use crate::domain::moment::{BootId, Timestamp};
use crate::domain::plan::{Draft, DraftIds, DraftOutcome};
use crate::domain::report::{Outcome, ReportStatus};
use crate::domain::task::{Priority, TaskSource, TaskSpec};
use crate::domain::worker::Execution;
use crate::domain::{Effect, Event, Input, Moment, Policy, Record, State, outbox};

/// Ticks after which something goes on for ever.
const TICKS_MAX: usize = 200;
const TASKS: [&str; 6] = ["a", "b", "c", "d", "auth-001-step", "not an id"];

pub(super) struct Machine {
    state: State,
    policy: Policy,
    now: Moment,
    journal: Vec<Record>,
    claims: usize,
    tally: laws::Tally,
}

impl Machine {
    pub(super) fn new() -> Self {
        let wall = Timestamp::parse("2025-11-05T18:00:00Z").unwrap();
        let mut machine = Self {
            state: State::default(),
            policy: policy(),
            now: Moment { boot: BootId(5), boottime_ms: 1_000, wall },
            journal: Vec::new(),
            claims: 0,
            tally: laws::Tally::default(),
        };
        machine.tell(&Input::DaemonStarted { version: "0".into(), pid: 1, suspended_ms: 0 });
        machine
    }

    /// Takes up a task and its plan of three subtasks or more.
    pub(super) fn plan(&mut self, nth: usize, b: usize, c: usize) {
        let task = self.task([nth, 0, 1]);
        self.tell(&task);
        let task_id = TaskId::parse(TASKS[nth]).unwrap();
        let draft = Draft { ids: DraftIds::Slug("auth".into()), ..draft(3 + b % 4, b, c) };
        self.tell(&Input::Drafted { task_id, outcome: DraftOutcome::Plan(Box::new(draft)) });
        self.settle();
    }

    /// Does one thing of a kind, then lets everything follow that follows by itself.
    pub(super) fn step(&mut self, kind: u8, dice: Dice) {
        let input = match kind {
            0 => Some(self.task(dice)),
            1 => Some(self.known_task(dice)),
            2..5 => self.drafted(dice),
            5..9 => self.effect_carried_out(dice),
            9 => self.attempt(dice).map(|id| word_of_attempt(&id, dice)),
            10..16 => self.likely_word(dice),
            16 => self.report(dice),
            17..23 => Some(self.command(dice)),
            23 => Some(self.file(dice)),
            24 => {
                self.change_policy(dice);
                None
            }
            25..29 => self.probed(dice),
            29 => self.survivors(dice),
            _ => self.time(dice),
        };
        if let Some(input) = input {
            self.tell(&input);
        }
        self.settle();
        laws::hold(&self.state, &self.policy, self.now);
        self.a_snapshot_gives_the_same();
    }

    fn tell(&mut self, input: &Input) -> bool {
        let events = decide(&self.state, &self.policy, input, self.now);
        if events.is_empty() {
            return false;
        }
        let starts = matches!(input, Input::DaemonStarted { .. });
        let record = Record {
            seq: self.state.seq + 1,
            at: self.now,
            epoch: self.state.epoch + u64::from(starts),
            schema: 1,
            cause: "test".into(),
            events,
        };
        laws::may_happen(&self.state, &self.policy, input, &record);
        if let Err(error) = self.state.apply(&record) {
            panic!("{error}\n{input:#?}\n{record:#?}");
        }
        self.tally.note(&record, &self.state);
        self.journal.push(record);
        let may_repeat = matches!(
            input,
            Input::DaemonStarted { .. }
                | Input::DaemonStopped { .. }
                | Input::Tick
                | Input::WorkersProbed { held: Some(_), .. }
        );
        if !may_repeat {
            let again = decide(&self.state, &self.policy, input, self.now);
            assert!(again.is_empty(), "told twice: {input:#?}\ngives {again:#?}");
        }
        true
    }

    fn settle(&mut self) {
        let ticks = (0..TICKS_MAX).take_while(|_| self.tell(&Input::Tick)).count();
        assert!(ticks < TICKS_MAX, "ticks go on for ever: {:#?}", self.journal.last());
    }

    /// Returns the types of all events that ever happened.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.journal.iter().flat_map(|record| &record.events).map(Event::kind)
    }

    pub(super) fn replay_gives_the_same(&self) {
        let mut again = State::default();
        for record in &self.journal {
            let line = serde_json::to_string(record).unwrap();
            again.apply(&serde_json::from_str(&line).unwrap()).unwrap();
        }
        assert!(again == self.state, "replay differs: {again:#?}\n{:#?}", self.state);
    }

    fn a_snapshot_gives_the_same(&self) {
        let snapshot = serde_json::to_string(&self.state).unwrap();
        let mut read: State = serde_json::from_str(&snapshot).unwrap();
        read.reindex();
        assert!(
            read == self.state,
            "a snapshot differs after {:#?}: {:#?}\n{:#?}",
            self.journal.last(),
            read.index,
            self.state.index
        );
    }

    fn claim(&mut self, again: bool) -> ClaimId {
        self.claims += usize::from(!again || self.claims == 0);
        ClaimId::parse(&format!("claim-{}", self.claims)).unwrap()
    }

    fn task(&mut self, [a, b, c]: Dice) -> Input {
        let id = TASKS.get(a % (TASKS.len() + 1)).map(|id| (*id).to_owned());
        let source = if b.is_multiple_of(2) {
            let fingerprint = format!("{:08x}", b / 4 % 3);
            TaskSource::Queue { index: b / 4 % 3, fingerprint, has_id: id.is_some() }
        } else {
            let claim = self.claim(b.is_multiple_of(5));
            TaskSource::Inbox { claim, file: "t.json".into(), owner: 1000 }
        };
        if c.is_multiple_of(8) {
            let title = "broken".to_owned();
            return Input::TaskRefused { source, id, title, problem: problem("inbox/t.json") };
        }
        let priority = [Priority::Critical, Priority::High, Priority::Medium, Priority::Low][c % 4];
        let spec = TaskSpec { id, title: "do it".into(), priority, ..TaskSpec::default() };
        Input::TaskObserved { source, spec: Box::new(spec) }
    }

    fn known_task(&self, [a, b, _]: Dice) -> Input {
        let task_id = TaskId::parse(TASKS[a % 5]).unwrap();
        if b.is_multiple_of(2) {
            Input::TaskVanished { task_id }
        } else {
            Input::TaskReturned { task_id }
        }
    }

    fn drafted(&self, [a, b, c]: Dice) -> Option<Input> {
        let planning: Vec<&TaskId> = outbox(&self.state)
            .iter()
            .filter_map(|effect| if let Effect::DraftPlan(id) = effect { Some(id) } else { None })
            .collect();
        let task_id = match planning.get(a % (planning.len() + 1)) {
            Some(id) => (*id).clone(),
            None => TaskId::parse(TASKS[a % 5]).unwrap(),
        };
        let outcome = match b % 8 {
            0 => DraftOutcome::Refuse {
                reason: "unclear".into(),
                remedy: "say more".into(),
                question: None,
            },
            1 | 2 => DraftOutcome::Route(Box::new(draft(1, b, c))),
            _ => DraftOutcome::Plan(Box::new(draft(1 + b / 8 % 5, b, c))),
        };
        Some(Input::Drafted { task_id, outcome })
    }

    fn effect_carried_out(&self, [a, b, _]: Dice) -> Option<Input> {
        let owed: Vec<&Effect> = outbox(&self.state)
            .iter()
            .filter(|effect| !matches!(effect, Effect::DraftPlan(_)))
            .collect();
        let effect = *owed.get(a % owed.len().max(1))?;
        Some(match effect.clone() {
            Effect::SettleClaim(claim) => Input::ClaimSettled { claim },
            Effect::WithdrawHandoff(attempt_id) => {
                Input::HandoffWithdrawn { attempt_id, in_time: b.is_multiple_of(2) }
            }
            Effect::StopWorker(attempt_id) => match b % 4 {
                0 => exited(attempt_id, Outcome::Success(result(a))),
                1 => exited(attempt_id, Outcome::Failure(failure(b))),
                2 => Input::WorkerUnstoppable { attempt_id, survivors: vec![7] },
                _ => Input::WorkerInterrupted { attempt_id, reason: "stopped".into() },
            },
            Effect::PublishHandoff(attempt_id) => Input::HandoffPublished { attempt_id },
            Effect::LaunchWorker(attempt_id) if b.is_multiple_of(9) => Input::WorkerNotStarted {
                attempt_id,
                error: "no memory".into(),
                transient: b.is_multiple_of(2),
            },
            Effect::LaunchWorker(attempt_id) => {
                Input::WorkerStarted { attempt_id, identity: identity() }
            }
            Effect::MoveSpec(worker_id) => Input::SpecMoved { worker_id },
            Effect::RevisePlan(subtask_id) => {
                let outcome = revision(&subtask_id, b);
                let revision = self.state.revising(&subtask_id)?;
                Input::Revised { subtask_id, revision, outcome }
            }
            Effect::DraftPlan(_) => return None,
        })
    }

    /// Returns any attempt that ever was, or one that never was.
    fn attempt(&self, [a, b, _]: Dice) -> Option<AttemptId> {
        let runs = self.state.orchestrations.values().flat_map(|run| &run.runs);
        let attempts: Vec<AttemptId> =
            runs.flat_map(|run| &run.attempts).map(|attempt| attempt.id.clone()).collect();
        if b.is_multiple_of(16) {
            let subtask = self.subtask(a)?;
            return Some(AttemptId::of(&subtask, 90));
        }
        attempts.get(a % attempts.len().max(1)).cloned()
    }

    fn subtask(&self, a: usize) -> Option<SubtaskId> {
        let runs = self.state.orchestrations.values();
        let ids: Vec<&SubtaskId> =
            runs.flat_map(|run| run.plan.subtasks.iter().map(|s| &s.subtask_id)).collect();
        ids.get(a % ids.len().max(1)).map(|id| (*id).clone())
    }

    /// Says something that the world could say about an attempt that is under way.
    fn likely_word(&mut self, [a, b, c]: Dice) -> Option<Input> {
        let live: Vec<AttemptId> = self.state.live_attempts().cloned().collect();
        let attempt_id = live.get(a % live.len().max(1))?.clone();
        let (run, position, attempt) = self.state.attempt(&attempt_id)?;
        let subtask_id = run.plan.subtasks[position].subtask_id.clone();
        let (number, launched) = (attempt.number, attempt.execution != Execution::External);
        Some(match (launched, b % 6) {
            (true, 0) => Input::WorkerInterrupted { attempt_id, reason: "reboot".into() },
            (true, 1 | 2) => exited(attempt_id, Outcome::Failure(failure(c))),
            (true, _) => exited(attempt_id, Outcome::Success(result(c))),
            (false, 0) => Input::HandoffTaken { attempt_id },
            (false, 1) => Input::HandoffLost { attempt_id },
            (false, 2) => {
                reported(None, subtask_id, Some(attempt_id), number, ReportStatus::Failure, c)
            }
            (false, _) => {
                let claim = b.is_multiple_of(7).then(|| self.claim(false));
                reported(claim, subtask_id, None, number, ReportStatus::Success, c)
            }
        })
    }

    /// Looks at some of the workers that are at work, and at one that may not be.
    fn probed(&self, [a, b, c]: Dice) -> Option<Input> {
        let live: Vec<AttemptId> = self.state.live_attempts().cloned().collect();
        let looked =
            live.iter().filter(|_| a.is_multiple_of(3)).chain(live.get(a % live.len().max(1)));
        let mut findings: Vec<_> =
            looked.enumerate().map(|(nth, id)| finding(id.clone(), b / (nth + 1), c)).collect();
        findings.extend(self.attempt([b, a, c]).map(|id| finding(id, c, b)));
        findings.sort_by(|one, other| one.worker.cmp(&other.worker));
        findings.dedup_by(|one, other| one.worker == other.worker);
        let held = c.is_multiple_of(11).then(|| "many at once".to_owned());
        (!findings.is_empty()).then_some(Input::WorkersProbed { findings, held })
    }

    fn survivors(&self, [a, b, _]: Dice) -> Option<Input> {
        let live: Vec<&AttemptId> = self.state.live_attempts().collect();
        let attempt_id = (*live.get(a % live.len().max(1))?).clone();
        let survivors = (0..u32::try_from(b % 3).unwrap()).collect();
        Some(Input::WorkerUnstoppable { attempt_id, survivors })
    }

    fn report(&mut self, [a, b, c]: Dice) -> Option<Input> {
        let attempt_id = self.attempt([a, b, c]);
        let subtask_id = match &attempt_id {
            Some(id) if !c.is_multiple_of(5) => {
                SubtaskId::parse(id.as_str().rsplit_once("-attempt-")?.0).unwrap()
            }
            Some(_) | None => self.subtask(b)?,
        };
        let claim = b.is_multiple_of(3).then(|| self.claim(c.is_multiple_of(4)));
        let status = [ReportStatus::Success, ReportStatus::Failure, ReportStatus::Partial][c % 3];
        Some(reported(claim, subtask_id, attempt_id, 1 + u32::try_from(a % 3).unwrap(), status, c))
    }

    fn command(&mut self, [a, b, c]: Dice) -> Input {
        let verbs = [
            "cancel", "retry", "retry", "skip", "pause", "resume", "withdraw", "rollback", "dance",
            "assign", "fallback", "answer",
        ];
        let answer = ["r", "s", "a"][c % 3];
        let subtask = || self.subtask(b).map(|id| id.as_str().to_owned());
        let attempt = || self.attempt([b, 1, c]).map(|id| id.as_str().to_owned());
        let tasks: Vec<&TaskId> = self.state.tasks.keys().collect();
        let task = tasks.get(b % (tasks.len() + 1)).map_or("nothing", |id| id.as_str()).to_owned();
        let target = match c % 6 {
            0 | 1 => Some(task.clone()),
            2 => Some(format!("orch-{task}")),
            3 => attempt(),
            _ => subtask(),
        };
        let claim = self.claim(a.is_multiple_of(11));
        let command = Command {
            command_id: CommandId::parse(&format!("{claim}-{}", a % 2)).unwrap(),
            verb: verbs[a % verbs.len()].to_owned(),
            target: target.unwrap_or(task),
            args: json!({"to": MASTERS[b % MASTERS.len()], "answer": answer}),
            created_at: Some(self.now.wall),
            expires_at: None,
        };
        Input::CommandObserved { claim, file: "c.json".into(), owner: 1000, command }
    }

    fn file(&mut self, [a, b, _]: Dice) -> Input {
        let path = ["workers/x/heartbeat.json", "worker-specs/active/y.json"][a % 2];
        match b % 5 {
            0 => Input::FileRestored { path: path.into() },
            1 => Input::DropRefused { claim: self.claim(false), problem: problem("inbox/x") },
            2 => Input::MessageObserved {
                claim: self.claim(false),
                file: "m.json".into(),
                message: json!({"text": "hello"}),
            },
            3 => Input::ClaimSettled { claim: self.claim(true) },
            _ => Input::FileRefused { digest: format!("{b}"), problem: problem(path), copy: None },
        }
    }

    fn change_policy(&mut self, [a, b, c]: Dice) {
        let name = MASTERS[a % MASTERS.len()];
        match b % 4 {
            0 => drop(self.policy.masters.remove(name)),
            1 => self.policy = policy(),
            2 => {
                self.policy.attempts_active_max = 1 + c % 4;
                self.policy.supervision.untaken_alert_ms = [600_000, 0][c % 2];
                self.policy.supervision.time_box_ms = [7_200_000, 0, 1][c % 3];
            }
            _ => {
                if let Some(master) = self.policy.masters.get_mut(name) {
                    master.execution = execution(c.is_multiple_of(2));
                }
            }
        }
    }

    fn time(&mut self, [a, b, _]: Dice) -> Option<Input> {
        const HOUR: u64 = 3_600_000;
        let steps =
            [1, 999, 1_000, 2_000, 60_000, HOUR / 6, HOUR / 2, 2 * HOUR, 24 * HOUR, 200 * HOUR];
        self.now = self.now.plus_ms(steps[a % steps.len()]);
        match b % 8 {
            0 => {
                self.now.boot = BootId(6 + self.journal.len() as u128);
                self.now.boottime_ms = 1;
                Some(Input::DaemonStarted { version: "1".into(), pid: 2, suspended_ms: 0 })
            }
            3 => {
                let known = self.state.suspended.filter(|known| known.boot == self.now.boot);
                let total_ms = known.map_or(0, |known| known.total_ms) + steps[a % steps.len()];
                Some(Input::HostSuspended { total_ms })
            }
            1 => Some(Input::DaemonStopped { reason: "asked".into() }),
            2 => Some(Input::DocumentsSynced { seq: self.state.seq }),
            _ => None,
        }
    }
}
