//! Limits on time: of workers, of handoffs that nobody takes, of questions, of runs.

use serde_json::json;

use super::world::{World, exited, failure, kinds, reported, success};
use crate::domain::deadline::deadline;
use crate::domain::ids::AttemptId;
use crate::domain::moment::BootId;
use crate::domain::plan::{OrchestrationPhase, SubtaskStatus};
use crate::domain::report::{Category, ReportStatus};
use crate::domain::state::{Circuit, CircuitPhase};
use crate::domain::worker::{AttemptEnd, AttemptPhase};
use crate::domain::{Event, Input};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Returns in how many milliseconds something is due.
fn due_in(world: &World) -> Option<u64> {
    let due = deadline(&world.state, &world.policy)?;
    assert_eq!(due.boot, world.now.boot);
    Some(due.boottime_ms.saturating_sub(world.now.boottime_ms))
}

fn withdrawn(attempt_id: &AttemptId, in_time: bool) -> Input {
    Input::HandoffWithdrawn { attempt_id: attempt_id.clone(), in_time }
}

#[test]
fn a_time_box_is_exact() {
    let mut world = World::new();
    world.policy.supervision.time_box_ms = 30 * SECOND;
    let id = world.at_work("a", "cicd");
    assert_eq!(due_in(&world), Some(30 * SECOND));
    assert!(world.wait(30 * SECOND - 1).is_empty());
    assert_eq!(kinds(&world.wait(1)), ["attempt_recalled"]);
    let words = failure("signal 15 killed it; its last output: still at it");
    world.tell(&exited(&id, words));
    let AttemptPhase::Ended { end: AttemptEnd::Failed { failure }, .. } = &world.attempt(&id).phase
    else {
        panic!()
    };
    let message = "it ran longer than its time box of 30 s; its last output: still at it";
    assert_eq!((failure.message.as_str(), failure.category), (message, Category::Transient));
}

#[test]
fn a_time_box_takes_what_was_delivered_and_nothing_empty() {
    for (outcome, expected) in [
        (success(), SubtaskStatus::Completed),
        (failure("it exited 0 and delivered nothing"), SubtaskStatus::Ready),
    ] {
        let mut world = World::new();
        let id = world.at_work("a", "cicd");
        world.wait(2 * HOUR);
        world.tell(&exited(&id, outcome));
        assert_eq!(world.run("a").status(0), expected);
    }
}

#[test]
fn a_time_box_is_for_workers_of_ours_and_may_be_off() {
    let mut world = World::new();
    world.at_work("a", "development");
    assert!(world.wait(3 * HOUR).is_empty(), "elsewhere");
    let mut world = World::new();
    world.policy.supervision.time_box_ms = 0;
    world.at_work("a", "cicd");
    assert!(world.wait(3 * HOUR).is_empty(), "off");
}

#[test]
fn a_master_may_have_its_own_limits() {
    let mut world = World::new();
    let master = world.policy.masters.get_mut("security").unwrap();
    master.supervision.time_box_ms = Some(MINUTE);
    world.at_work("a", "cicd");
    world.at_work("b", "security");
    assert_eq!(kinds(&world.wait(MINUTE)), ["attempt_recalled"]);
    assert!(matches!(world.last("b").phase, AttemptPhase::Ending { .. }));
    assert_eq!(due_in(&world), Some(2 * HOUR - MINUTE));
}

#[test]
fn a_handoff_that_nobody_takes_is_told_of_and_passed_on() {
    let mut world = World::new();
    let id = world.published("a", "development");
    assert_eq!(due_in(&world), Some(10 * MINUTE));
    assert!(world.wait(10 * MINUTE - 1).is_empty());
    let events = world.wait(1);
    assert_eq!(kinds(&events), ["handoff_untaken"]);
    let Event::HandoffUntaken(told) = &events[0] else { panic!() };
    assert!(told.remedy.ends_with("after 30 min it goes to inventory"), "{}", told.remedy);
    assert_eq!(due_in(&world), Some(20 * MINUTE));
    assert!(world.wait(20 * MINUTE - 1).is_empty(), "told once");
    assert_eq!(kinds(&world.wait(1)), ["attempt_recalled"]);
    let events = world.tell(&withdrawn(&id, true));
    let expected =
        ["handoff_withdrawn", "attempt_cancelled", "subtask_reassigned", "subtask_handed_off"];
    assert_eq!(kinds(&events), expected);
    assert_eq!(world.last("a").agent.as_str(), "inventory");
    assert_eq!(world.run("a").runs[0].failures, 0);
    // It does not go back to who had it.
    let id = world.last("a").id.clone();
    world.tell(&Input::HandoffPublished { attempt_id: id });
    assert_eq!(kinds(&world.wait(DAY)), ["handoff_untaken"]);
    assert!(world.wait(DAY).is_empty());
}

#[test]
fn of_two_renames_the_first_wins() {
    let mut world = World::new();
    let id = world.published("a", "development");
    world.wait(10 * MINUTE);
    world.wait(20 * MINUTE);
    assert_eq!(kinds(&world.tell(&withdrawn(&id, false))), ["handoff_taken"]);
    assert!(matches!(world.attempt(&id).phase, AttemptPhase::Taken { .. }));
    world.tell(&reported(&id, ReportStatus::Success, "1"));
    assert_eq!(world.run("a").status(0), SubtaskStatus::Completed);
}

#[test]
fn what_a_master_reports_while_its_handoff_is_taken_back_counts() {
    for (status, failures) in [(ReportStatus::Success, 0), (ReportStatus::Failure, 1)] {
        let mut world = World::new();
        let id = world.published("a", "development");
        world.wait(10 * MINUTE);
        world.wait(20 * MINUTE);
        world.tell(&reported(&id, status, "1"));
        assert_eq!(world.run("a").runs[0].failures, failures);
        let is_completed = world.run("a").status(0) == SubtaskStatus::Completed;
        assert_eq!(is_completed, status == ReportStatus::Success);
    }
}

#[test]
fn without_a_candidate_the_alert_stands() {
    let mut world = World::new();
    world.policy.masters.get_mut("inventory").unwrap().domains.clear();
    world.published("a", "development");
    let events = world.wait(10 * MINUTE);
    let Event::HandoffUntaken(told) = &events[0] else { panic!("{events:#?}") };
    assert!(told.remedy.contains("nobody else can take it"), "{}", told.remedy);
    assert!(world.wait(DAY).is_empty());
    assert_eq!(due_in(&world), Some(6 * DAY - 10 * MINUTE), "only the run has a limit");
    // One that is configured later gets it.
    let fallbacks = vec!["security".parse().unwrap()];
    world.policy.masters.get_mut("development").unwrap().fallbacks = fallbacks;
    assert_eq!(kinds(&world.wait(0)), ["attempt_recalled"]);
}

#[test]
fn who_gets_what_nobody_takes_is_who_would_get_it_after_a_failure() {
    let mut world = World::new();
    world.policy.masters.get_mut("security").unwrap().domains.push("testing".into());
    let id = world.published("a", "development");
    let rests =
        Circuit { failures: 5, phase: CircuitPhase::Open { since: world.now, cool_down_ms: DAY } };
    world.state.circuits.insert("inventory".parse().unwrap(), rests);
    let events = world.wait(10 * MINUTE);
    let Event::HandoffUntaken(told) = &events[0] else { panic!("{events:#?}") };
    assert!(told.remedy.ends_with("after 30 min it goes to security"), "{}", told.remedy);
    world.wait(20 * MINUTE);
    let events = world.tell(&withdrawn(&id, true));
    let Some(Event::SubtaskReassigned(told)) = events.get(2) else { panic!("{events:#?}") };
    let rule = "fallback security (0.33): takes 1 of 3 fields of development: testing";
    assert_eq!((told.assigned_to.as_str(), told.why.rule.as_str()), ("security", rule));
    assert_eq!(told.why.evidence, "nobody took it within 30 min");
}

#[test]
fn whom_a_person_gave_it_to_keeps_what_nobody_took() {
    let mut world = World::new();
    let id = world.published("a", "development");
    world.wait(10 * MINUTE);
    world.wait(20 * MINUTE);
    assert!(matches!(world.attempt(&id).phase, AttemptPhase::Ending { .. }));
    world.ask("assign", "a", json!({"to": "security"}));
    let events = world.tell(&withdrawn(&id, true));
    assert_eq!(kinds(&events), ["handoff_withdrawn", "attempt_cancelled", "subtask_handed_off"]);
    assert_eq!(world.last("a").agent.as_str(), "security");
}

#[test]
fn what_is_cut_off_together_does_not_come_back_together() {
    let mut world = World::new();
    world.policy.masters.get_mut("cicd").unwrap().attempts_active_max = 99;
    let delays = |world: &mut World, task: &str| {
        let mut delays = Vec::new();
        for _ in 0..3 {
            let id = world.last(task).id.clone();
            if world.attempt(&id).phase == AttemptPhase::Issued {
                world.tell(&Input::HandoffPublished { attempt_id: id.clone() });
                world.begin_work(&id);
            }
            let reason = "the machine went down".to_owned();
            let events = world.tell(&Input::WorkerInterrupted { attempt_id: id, reason });
            let Some(Event::SubtaskRetried(retried)) = events.get(1) else { continue };
            delays.push(retried.delay_ms);
            world.wait(retried.delay_ms);
        }
        delays
    };
    world.at_work("a", "cicd");
    world.at_work("b", "cicd");
    let (a, b) = (delays(&mut world, "a"), delays(&mut world, "b"));
    for (first, second) in [(a[0], a[1]), (b[0], b[1])] {
        assert!(
            (1_000..=1_100).contains(&first) && (2_000..=2_200).contains(&second),
            "{a:?} {b:?}"
        );
    }
    assert_ne!(a, b);
}

#[test]
fn without_an_alert_a_handoff_is_only_passed_on() {
    let mut world = World::new();
    world.policy.supervision.untaken_alert_ms = 0;
    world.published("a", "development");
    assert_eq!(due_in(&world), Some(30 * MINUTE));
    assert_eq!(kinds(&world.wait(30 * MINUTE)), ["attempt_recalled"]);
}

#[test]
fn nobody_is_late_for_what_the_machine_slept_through() {
    let mut world = World::new();
    world.published("a", "development");
    world.now.boot = BootId(6);
    world.now.boottime_ms = 5 * SECOND;
    let events = world.tell(&Input::DaemonStarted { version: "0".into(), pid: 2, suspended_ms: 0 });
    assert_eq!(kinds(&events), ["daemon_started"]);
    assert_eq!(due_in(&world), Some(10 * MINUTE), "it counts from when this boot was seen");
    assert!(world.wait(10 * MINUTE - 1).is_empty());
    assert_eq!(kinds(&world.wait(1)), ["handoff_untaken"]);
}

#[test]
fn who_is_asked_is_reminded_once() {
    let mut world = World::new();
    let id = world.at_work("a", "development");
    let blocker = Input::WorkersProbed {
        findings: vec![super::world::found(&id, crate::domain::evidence::Liveness::Stalled)],
        held: None,
    };
    world.tell(&blocker);
    assert_eq!(due_in(&world), Some(10 * MINUTE));
    let events = world.wait(10 * MINUTE);
    assert_eq!(kinds(&events), ["escalation_overdue"]);
    let Event::EscalationOverdue(overdue) = &events[0] else { panic!() };
    assert_eq!(overdue.waited_ms, 10 * MINUTE);
    assert!(world.wait(DAY).is_empty());
}

#[test]
fn a_run_that_goes_on_for_ever_ends_and_says_what_it_waited_for() {
    let mut world = World::new();
    world.policy.supervision.time_box_ms = 0;
    world.policy.supervision.untaken_alert_ms = 0;
    world.policy.supervision.untaken_max_ms = 0;
    world.policy.run_ms_max = DAY;
    world.plan("a", &["cicd", "development", "inventory"]);
    let id = world.last("a").id.clone();
    world.tell(&Input::HandoffPublished { attempt_id: id.clone() });
    world.begin_work(&id);
    assert!(world.wait(DAY - 1).is_empty());
    let events = world.wait(1);
    let recalls = ["attempt_recalled"; 3];
    assert_eq!(kinds(&events), [&recalls[..], &["orchestration_failed"]].concat());
    let Some(Event::OrchestrationFailed { reason, .. }) = events.last() else { panic!() };
    assert!(reason.starts_with("it was not over within 1 d, and waited for "), "{reason}");
    for part in [
        "plan-001-step: plan-001-step-attempt-1 of cicd",
        "plan-002-step: development to take its handoff",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    world.tell(&exited(&id, success()));
    assert_eq!(world.run("a").status(0), SubtaskStatus::Cancelled);
}

#[test]
fn a_run_that_a_person_holds_or_begins_anew_has_time() {
    let mut world = World::new();
    world.policy.run_ms_max = DAY;
    world.at_work("a", "development");
    world.command("pause", "a");
    assert!(world.wait(3 * DAY).is_empty());
    world.command("resume", "a");
    assert!(matches!(world.run("a").phase, OrchestrationPhase::Failed { .. }), "its time is over");
    let id = world.last("a").id.clone();
    world.tell(&withdrawn(&id, false));
    world.command("retry", "a");
    assert_eq!(world.run("a").phase, OrchestrationPhase::InProgress);
    assert!(!kinds(&world.wait(DAY - 1)).contains(&"orchestration_failed"));
    assert!(kinds(&world.wait(1)).contains(&"orchestration_failed"));
}

#[test]
fn what_the_host_slept_through_is_in_no_limit() {
    let mut world = World::new();
    world.policy.run_ms_max = 6 * HOUR;
    world.at_work("a", "cicd");
    world.published("b", "development");
    world.pass(8 * HOUR);
    let events = world.tell(&Input::HostSuspended { total_ms: 8 * HOUR - MINUTE });
    assert_eq!(kinds(&events), ["host_resumed"], "a minute is used up, and no more");
    assert!(world.tell(&Input::HostSuspended { total_ms: 8 * HOUR - MINUTE }).is_empty());
    assert_eq!(due_in(&world), Some(9 * MINUTE));
    let events = world.wait(9 * MINUTE);
    let Event::HandoffUntaken(told) = &events[0] else { panic!("{events:#?}") };
    assert_eq!(told.waited_ms, 10 * MINUTE);
    assert!(!world.last("a").is_ending());
    let events = world.wait(2 * HOUR - 10 * MINUTE);
    assert!(kinds(&events).contains(&"attempt_recalled"), "{events:#?}");
    assert!(world.last("a").is_ending());
    assert!(kinds(&world.wait(4 * HOUR)).contains(&"orchestration_failed"), "the run has its time");
}

#[test]
fn a_handoff_that_is_taken_begins_anew_with_what_was_slept_through() {
    let mut world = World::new();
    let id = world.handed("a", "cicd");
    world.tell(&Input::HandoffPublished { attempt_id: id.clone() });
    world.pass(3 * HOUR);
    world.tell(&Input::HostSuspended { total_ms: 3 * HOUR });
    assert_eq!(world.attempt(&id).paused_ms, 3 * HOUR);
    world.begin_work(&id);
    assert_eq!(world.attempt(&id).paused_ms, 0);
    assert!(world.wait(2 * HOUR - 1).is_empty());
    assert_eq!(kinds(&world.wait(1)), ["attempt_recalled"]);
}

#[test]
fn a_host_that_slept_while_no_daemon_ran_is_told_of_at_the_start() {
    let started = |suspended_ms| Input::DaemonStarted { version: "0".into(), pid: 2, suspended_ms };
    let mut world = World::new();
    world.at_work("a", "cicd");
    world.pass(9 * HOUR);
    let events = world.tell(&started(9 * HOUR));
    assert_eq!(kinds(&events), ["daemon_started", "host_resumed"]);
    assert_eq!(due_in(&world), Some(2 * HOUR));
    // In another boot the count begins anew, and what is less than a second is kept for later.
    world.now.boot = BootId(6);
    assert_eq!(kinds(&world.tell(&started(HOUR))), ["daemon_started"]);
    assert!(world.tell(&Input::HostSuspended { total_ms: HOUR + 999 }).is_empty());
    let events = world.tell(&Input::HostSuspended { total_ms: HOUR + 1_001 });
    let Event::HostResumed(told) = &events[0] else { panic!("{events:#?}") };
    assert_eq!((told.for_ms, told.total_ms), (1_001, HOUR + 1_001));
}
