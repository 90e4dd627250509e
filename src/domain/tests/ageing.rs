//! Under an endless inflow of urgent work the rest still gets its turn, and no earlier than it may.

use super::words::{draft, reported};
use crate::domain::decide::decide;
use crate::domain::event::{Event, HandedOff};
use crate::domain::ids::{AgentName, OrchestrationId, SubtaskId, TaskId};
use crate::domain::moment::{BootId, Timestamp};
use crate::domain::plan::DraftOutcome;
use crate::domain::report::ReportStatus;
use crate::domain::state::AGEING_EVENTS;
use crate::domain::task::{Priority, TaskSource, TaskSpec};
use crate::domain::{Input, Moment, Policy, Record, State};

/// A master with one place, and more work than it can do.
struct Busy {
    state: State,
    policy: Policy,
    tasks: usize,
}

impl Busy {
    fn new() -> Self {
        let mut policy = Policy::default();
        let master = AgentName::parse("cicd").unwrap();
        policy.masters.get_mut(&master).unwrap().attempts_active_max = 1;
        Self { state: State::default(), policy, tasks: 0 }
    }

    fn tell(&mut self, input: &Input) -> Vec<Event> {
        let wall = Timestamp::parse("2025-11-05T18:00:00Z").unwrap();
        let at = Moment { boot: BootId(1), boottime_ms: self.state.seq, wall };
        let events = decide(&self.state, &self.policy, input, at);
        if !events.is_empty() {
            self.apply(at, events.clone());
        }
        events
    }

    fn apply(&mut self, at: Moment, events: Vec<Event>) {
        let (seq, cause) = (self.state.seq + 1, "test".to_owned());
        self.state.apply(&Record { seq, at, epoch: 1, schema: 1, cause, events }).unwrap();
    }

    /// Lets things happen that have nothing to do with it.
    fn time_goes_by(&mut self) {
        let at = self.state.at.unwrap();
        self.apply(at, vec![Event::DaemonStopped { reason: "other things".into() }; 200]);
    }

    /// Takes up a task and returns the number under which it waits.
    fn accept(&mut self, id: &str, priority: Priority) -> u64 {
        self.tasks += 1;
        let fingerprint = format!("{:08x}", self.tasks);
        let source = TaskSource::Queue { index: self.tasks, fingerprint, has_id: true };
        let (id, title) = (id.to_owned(), "do it".to_owned());
        let spec = TaskSpec { id: Some(id.clone()), title, priority, ..TaskSpec::default() };
        self.tell(&Input::TaskObserved { source, spec: Box::new(spec) });
        let task_id = TaskId::parse(&id).unwrap();
        let outcome = DraftOutcome::Route(Box::new(draft(1, 0, 0)));
        self.tell(&Input::Drafted { task_id: task_id.clone(), outcome });
        self.state.orchestrations[&OrchestrationId::of(&task_id)].accepted_seq
    }

    /// Returns what is handed out next and does it.
    fn next(&mut self) -> SubtaskId {
        let events = self.tell(&Input::Tick);
        let [Event::SubtaskHandedOff(HandedOff { subtask_id, .. })] = events.as_slice() else {
            panic!("{events:#?}")
        };
        let report = reported(None, subtask_id.clone(), None, 1, ReportStatus::Success, 1);
        assert!(!self.tell(&report).is_empty());
        subtask_id.clone()
    }
}

#[test]
fn a_task_is_overtaken_by_more_urgent_ones_only_for_so_long() {
    for (priority, steps) in [(Priority::High, 1), (Priority::Medium, 2), (Priority::Low, 3)] {
        let mut busy = Busy::new();
        let waits_since = busy.accept("patient", priority);
        let mut accepted = Vec::new();
        for nth in 0.. {
            let id = format!("urgent-{nth}");
            accepted.push(busy.accept(&id, Priority::Critical));
            let next = busy.next();
            if next.as_str() == "patient" {
                break;
            }
            assert_eq!(next.as_str(), id, "nobody else waits");
            busy.time_goes_by();
            let waited = busy.state.seq - waits_since;
            assert!(waited < (steps + 1) * AGEING_EVENTS, "{priority:?} starves");
        }
        let [.., before, last] = accepted.as_slice() else { panic!("{accepted:?}") };
        let turn = waits_since + steps * AGEING_EVENTS;
        assert!(*before < turn && turn <= *last, "{before} {last} {turn}");
    }
}

#[test]
fn in_the_short_run_priority_rules_and_then_age() {
    let mut busy = Busy::new();
    for (id, priority) in [
        ("low-1", Priority::Low),
        ("medium-1", Priority::Medium),
        ("low-2", Priority::Low),
        ("critical-1", Priority::Critical),
        ("medium-2", Priority::Medium),
        ("high-1", Priority::High),
        ("critical-2", Priority::Critical),
    ] {
        busy.accept(id, priority);
    }
    let order: Vec<SubtaskId> = (0..7).map(|_| busy.next()).collect();
    let order: Vec<&str> = order.iter().map(SubtaskId::as_str).collect();
    assert_eq!(
        order,
        ["critical-1", "critical-2", "high-1", "medium-1", "medium-2", "low-1", "low-2"]
    );
}
