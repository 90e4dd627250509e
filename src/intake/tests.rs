//! A directory with a state that follows it, and the tests of what all intakes share.
#![expect(clippy::disallowed_methods, reason = "tests are the other writers")]

use std::path::PathBuf;

use super::*;
use crate::domain::event::{Event, JOURNAL_SCHEMA, Record};
use crate::domain::ids::{AttemptId, TaskId};
use crate::domain::moment::BootId;
use crate::domain::plan::{
    Complexity, Draft, DraftIds, DraftOutcome, DraftSubtask, Explanation, Range, Strategy, Workflow,
};
use crate::domain::{Policy, Timestamp, decide};

/// A coordination directory, the state that its intakes led to, and a clock.
pub(super) struct World {
    pub(super) store: Store,
    pub(super) state: State,
    /// Long before the files were written, so that none of them looks old.
    pub(super) now: Moment,
    dir: tempfile::TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let wall = Timestamp::parse("2020-01-01T00:00:00Z").unwrap();
        let now = Moment { boot: BootId(1), boottime_ms: 1_000, wall };
        Self { store, state: State::default(), now, dir }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(super) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), bytes).unwrap();
    }

    pub(super) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    pub(super) fn names(&self, dir: &str) -> Vec<String> {
        self.store.list(dir).unwrap().into_iter().map(|entry| entry.name).collect()
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    pub(super) fn look(&self, intake: &mut dyn Intake) -> Seen {
        let workspace = self.path("work");
        intake.look(&Look {
            store: &self.store,
            state: &self.state,
            workspace: &workspace,
            now: self.now,
        })
    }

    /// Decides and applies inputs, and returns the events.
    pub(super) fn decide(&mut self, inputs: Vec<Input>) -> Vec<Event> {
        let mut all = Vec::new();
        for input in inputs {
            let events = decide::decide(&self.state, &Policy::default(), &input, self.now);
            if events.is_empty() {
                continue;
            }
            let record = Record {
                seq: self.state.seq + 1,
                at: self.now,
                epoch: self.state.epoch,
                schema: JOURNAL_SCHEMA,
                cause: "test".into(),
                events: events.clone(),
            };
            self.state.apply(&record).unwrap();
            all.extend(events);
        }
        all
    }

    /// Looks until nothing more is waiting, and returns what was decided.
    pub(super) fn step(&mut self, intake: &mut dyn Intake) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..100 {
            let seen = self.look(intake);
            events.extend(self.decide(seen.inputs));
            if seen.look_again_ms != Some(0) {
                return events;
            }
        }
        panic!("it never comes to an end");
    }
}

impl World {
    /// Lets a task be routed whole to a master elsewhere, and its handoff be published.
    pub(super) fn hand_out(&mut self, deliverables: &[&str]) -> AttemptId {
        self.write("inbox/.claimed/c1", r#"{"id":"job","title":"Do it"}"#);
        self.step(&mut inbox::Inbox::default());
        let task_id = TaskId::parse("job").unwrap();
        let subtask = DraftSubtask {
            subtask_id: "job".into(),
            title: "Do it".into(),
            description: "Do it".into(),
            assigned_to: vec!["development".into()],
            worker_type: "implementation".into(),
            minutes: Range { low: 5, high: 10 },
            tokens: 1_000,
            success_criteria: "it is done".into(),
            deliverables: deliverables.iter().map(|path| (*path).to_owned()).collect(),
            ..DraftSubtask::default()
        };
        let draft = Draft {
            goal: "Do it".into(),
            domains: vec!["development".into()],
            constraints: Vec::new(),
            success_criteria: vec!["it is done".into()],
            complexity: Complexity::Low,
            strategy: Strategy::Staged,
            workflow: Workflow::BuildOnly,
            confidence: 1.0,
            ids: DraftIds::Explicit,
            subtasks: vec![subtask],
            stages: Vec::new(),
            analysis: Default::default(),
            explanation: Explanation::default(),
        };
        let outcome = DraftOutcome::Route(Box::new(draft));
        self.decide(vec![Input::Drafted { task_id, outcome }, Input::Tick]);
        let attempt_id = self.state.live_attempts().next().expect("it was handed out").clone();
        self.decide(vec![Input::HandoffPublished { attempt_id: attempt_id.clone() }]);
        attempt_id
    }
}

/// Real data, where it is at hand.
pub(super) fn real_data() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = ["../shared", "../../shared"]
        .iter()
        .map(|shared| root.join(shared).join("data/cortex/coordination"))
        .find(|path| path.is_dir());
    if found.is_none() {
        println!("skipped: there is no ../shared/data/cortex");
    }
    found
}

#[test]
fn a_changing_file_is_waited_for_and_a_stable_one_is_not() {
    let start = Moment { boot: BootId(1), boottime_ms: 5, wall: Timestamp::from_ms(1_000_000_000) };
    let mut patience = Patience::default();
    let mut judge = |mark: &str, after_ms: u64| {
        patience.judge("a", mark, 1_000_000_000 + 60_000, start.plus_ms(after_ms))
    };
    assert_eq!(judge("1", 0), Verdict::Wait(50));
    assert_eq!(judge("1", 50), Verdict::Wait(100));
    assert_eq!(judge("2", 1_999), Verdict::Wait(50));
    let delays = (0..6).map(|_| judge("2", 2_100)).collect::<Vec<_>>();
    assert_eq!(delays[3..], [Verdict::Wait(800), Verdict::Wait(1_000), Verdict::Wait(1_000)]);
    assert_eq!(judge("2", 3_998), Verdict::Wait(1_000));
    assert_eq!(judge("2", 3_999), Verdict::Damaged);
    patience.forget("a");
    assert_eq!(patience.judge("a", "2", 999_998_000, start), Verdict::Damaged);
    patience.retain(|_| false);
    assert!(patience.waiting.is_empty());
}

#[test]
fn an_empty_directory_and_one_where_all_is_told_say_nothing() {
    let world = World::new();
    for mut intake in roster() {
        let seen = world.look(intake.as_mut());
        assert!(seen.inputs.is_empty() && seen.stale.is_empty(), "{}", intake.name());
        assert_eq!(seen.look_again_ms, None, "{}", intake.name());
    }
}
