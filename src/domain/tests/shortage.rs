//! A machine that is short of something: it is waited for, and nobody pays for it.

use super::world::{World, exited, failure, kinds, success};
use crate::domain::event::Retried;
use crate::domain::ids::AttemptId;
use crate::domain::plan::SubtaskStatus;
use crate::domain::policy::Backoff;
use crate::domain::worker::AttemptPhase;
use crate::domain::{Effect, Event, Input, outbox};

const SHORT: &str = "cannot start its keeper: Resource temporarily unavailable (os error 11)";

fn not_started(attempt_id: &AttemptId, error: &str) -> Input {
    let (attempt_id, error) = (attempt_id.clone(), error.to_owned());
    Input::WorkerNotStarted { attempt_id, error, transient: true }
}

#[test]
fn the_same_attempt_waits_until_it_can_be_started() {
    let mut world = World::new();
    world.policy.retry.attempts_max = 1;
    world.policy.circuit.failures_max = 1;
    let id = world.published("a", "cicd");
    assert_eq!(kinds(&world.tell(&not_started(&id, SHORT))), ["worker_not_started"]);
    for _ in 0..1_000 {
        let events = world.tell(&not_started(&id, SHORT));
        assert!(events.is_empty(), "told once is told: {events:?}");
    }
    assert_eq!(kinds(&world.tell(&not_started(&id, "no room"))), ["worker_not_started"]);
    assert_eq!(world.last("a").hindrance.as_deref(), Some("no room"));
    assert!(outbox(&world.state).contains(&Effect::LaunchWorker(id.clone())));
    assert!(world.state.circuits.is_empty(), "the agent had no part in it");
    world.begin_work(&id);
    assert_eq!(world.attempt(&id).hindrance, None);
    world.tell(&exited(&id, success()));
    assert_eq!(world.run("a").status(0), SubtaskStatus::Completed);
    assert_eq!(world.run("a").runs[0].attempts.len(), 1);
}

#[test]
fn what_could_not_be_started_can_be_called_back() {
    let mut world = World::new();
    let id = world.published("a", "cicd");
    world.tell(&not_started(&id, SHORT));
    world.command("cancel", "a");
    assert!(world.attempt(&id).is_ending());
    let ended = world.tell(&not_started(&id, SHORT));
    assert!(kinds(&ended).contains(&"attempt_cancelled"), "{ended:?}");
}

#[test]
fn who_runs_is_not_ended_by_a_start_that_failed() {
    let mut world = World::new();
    let id = world.at_work("a", "cicd");
    assert!(world.tell(&not_started(&id, SHORT)).is_empty());
    assert!(matches!(world.attempt(&id).phase, AttemptPhase::Running { .. }));
}

#[test]
fn what_is_interrupted_again_and_again_waits_longer_each_time() {
    for backoff in [Backoff::Immediate, Backoff::Fixed, Backoff::Exponential] {
        let mut world = World::new();
        world.policy.retry.backoff = backoff;
        world.policy.retry.jitter_percent_max = 0;
        let mut id = world.at_work("a", "cicd");
        let mut delays = Vec::new();
        for _ in 0..5 {
            let interrupted =
                Input::WorkerInterrupted { attempt_id: id.clone(), reason: "killed".into() };
            let events = world.tell(&interrupted);
            delays.push(events.iter().find_map(|event| {
                let Event::SubtaskRetried(Retried { delay_ms, .. }) = event else { return None };
                Some(*delay_ms)
            }));
            world.wait(delays.last().copied().flatten().unwrap_or(0));
            id = world.last("a").id.clone();
            world.tell(&Input::HandoffPublished { attempt_id: id.clone() });
            world.begin_work(&id);
        }
        let expected = [None, Some(1_000), Some(2_000), Some(4_000), Some(8_000)];
        assert_eq!(delays, expected, "{backoff:?}");
    }
}

/// The worker of a task is cut off, and whatever follows by itself does; returns what happened.
fn cut_off(world: &mut World, task: &str) -> Vec<Event> {
    let attempt_id = world.last(task).id.clone();
    world.tell(&Input::HandoffPublished { attempt_id: attempt_id.clone() });
    let reason = "its holder is gone".to_owned();
    let mut events = world.tell(&Input::WorkerInterrupted { attempt_id, reason });
    events.extend(world.wait(3_600_000));
    events
}

#[test]
fn what_is_cut_off_again_and_again_is_asked_about_and_begins_anew_with_an_answer() {
    let mut world = World::new();
    world.policy.recovery.interruptions_max = 3;
    world.published("a", "cicd");
    for round in 1..=2 {
        for _ in 1..3 {
            assert!(kinds(&cut_off(&mut world, "a")).ends_with(&["subtask_handed_off"]), "{round}");
        }
        let events = cut_off(&mut world, "a");
        assert_eq!(kinds(&events)[..2], ["attempt_interrupted", "orchestration_blocked"]);
        let Event::OrchestrationBlocked(asked) = &events[1] else { panic!() };
        assert!(asked.failure_reason.contains("3 times in a row"), "{}", asked.failure_reason);
        assert!(asked.options[0].ends_with("baton retry a"), "{:?}", asked.options);
        assert_eq!(world.run("a").runs[0].failures, 0);
        world.command("retry", "a");
    }
    assert_eq!(world.last("a").number, 7);
}

#[test]
fn a_worker_that_failed_in_between_was_not_cut_off_each_time() {
    let mut world = World::new();
    world.policy.recovery.interruptions_max = 2;
    world.published("a", "cicd");
    cut_off(&mut world, "a");
    let id = world.last("a").id.clone();
    world.tell(&Input::HandoffPublished { attempt_id: id.clone() });
    world.begin_work(&id);
    world.tell(&exited(&id, failure("it exited with code 1")));
    world.wait(3_600_000);
    assert!(kinds(&cut_off(&mut world, "a")).ends_with(&["subtask_handed_off"]));
    assert!(kinds(&cut_off(&mut world, "a")).contains(&"orchestration_blocked"));
}
