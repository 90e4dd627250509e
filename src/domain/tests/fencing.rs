//! Reports that come late, twice, in vain or about somebody else's work.

use super::world::{World, exited, failure, kinds, reported, success};
use crate::domain::ids::{AttemptId, ClaimId};
use crate::domain::plan::SubtaskStatus;
use crate::domain::report::ReportStatus::{self, Failure, Success};
use crate::domain::worker::AttemptPhase;
use crate::domain::{Effect, Event, Input, outbox};

/// A first attempt that failed and a second that somebody works at.
fn two_attempts(agent: &str) -> (World, AttemptId, AttemptId) {
    let mut world = World::new();
    let first = world.at_work("a", agent);
    if agent == "development" {
        world.tell(&reported(&first, Failure, "1"));
    } else {
        world.tell(&exited(&first, failure("it exited with code 1")));
    }
    world.wait(100_000);
    let second = world.last("a").id.clone();
    assert_ne!(first, second);
    world.tell(&Input::HandoffPublished { attempt_id: second.clone() });
    world.begin_work(&second);
    (world, first, second)
}

fn refusal(events: &[Event]) -> &str {
    match events {
        [Event::ReportRefused { reason, .. }] => reason,
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_late_success_counts_and_calls_the_newer_back() {
    for (agent, owed) in [
        ("development", Effect::WithdrawHandoff as fn(AttemptId) -> Effect),
        ("cicd", Effect::StopWorker),
    ] {
        let (mut world, first, second) = two_attempts(agent);
        let events = world.tell(&reported(&first, Success, "2"));
        let begins = ["report_accepted", "attempt_recalled", "subtask_completed"];
        assert_eq!(kinds(&events)[..3], begins);
        assert!(outbox(&world.state).contains(&owed(second.clone())));
        assert_eq!(world.run("a").status(0), SubtaskStatus::Completed);
        let end = match agent {
            "cicd" => exited(&second, success()),
            _ => Input::HandoffWithdrawn { attempt_id: second.clone(), in_time: false },
        };
        world.tell(&end);
        assert!(kinds(&world.wait(100_000)).is_empty());
        let result = world.run("a").runs[0].phase.result().unwrap();
        assert_eq!(result.summary, "said", "the newer one changed nothing");
    }
}

#[test]
fn a_late_success_while_a_retry_waits_counts() {
    let mut world = World::new();
    let first = world.at_work("a", "cicd");
    world.tell(&exited(&first, failure("it exited with code 1")));
    world.tell(&reported(&first, Success, "2"));
    assert_eq!(world.run("a").status(0), SubtaskStatus::Completed);
    assert!(world.wait(100_000).is_empty());
}

#[test]
fn once_a_newer_one_has_completed_a_late_one_is_only_recorded() {
    for agent in ["development", "cicd"] {
        let (mut world, first, second) = two_attempts(agent);
        let end = if agent == "cicd" {
            exited(&second, success())
        } else {
            reported(&second, Success, "3")
        };
        world.tell(&end);
        let events = world.tell(&reported(&first, Success, "2"));
        assert_eq!(refusal(&events), format!("subtask a was completed by {second}"));
    }
}

#[test]
fn a_late_failure_changes_nothing() {
    let (mut world, first, second) = two_attempts("development");
    let events = world.tell(&reported(&first, Failure, "2"));
    assert_eq!(refusal(&events), format!("attempt {first} is over"));
    assert!(matches!(world.attempt(&second).phase, AttemptPhase::Taken { .. }));
}

#[test]
fn the_end_of_its_process_decides_about_one_of_ours() {
    let mut world = World::new();
    let id = world.at_work("a", "cicd");
    let events = world.tell(&reported(&id, Success, "1"));
    assert!(refusal(&events).contains("is run by Baton itself"));
    assert_eq!(world.run("a").status(0), SubtaskStatus::Active);
}

#[test]
fn the_same_is_told_once_whatever_came_between() {
    let mut world = World::new();
    let id = world.at_work("a", "cicd");
    for (digest, is_news) in [("A", true), ("B", true), ("A", false), ("B", false), ("C", true)] {
        let events = world.tell(&reported(&id, Failure, digest));
        assert_eq!(!events.is_empty(), is_news, "{digest}");
    }
    for nth in 0..100 {
        world.tell(&reported(&id, Failure, &nth.to_string()));
    }
    let known: usize = world.state.reports_before.values().map(Vec::len).sum();
    assert_eq!(known, 16, "what is remembered is bounded");
}

#[test]
fn one_that_comes_twice_counts_once() {
    let mut world = World::new();
    let id = world.at_work("a", "development");
    world.tell(&reported(&id, Success, "1"));
    assert!(world.tell(&reported(&id, Success, "1")).is_empty());
    let mut again = reported(&id, Success, "1");
    if let Input::ReportObserved { claim, finding } = &mut again {
        *claim = Some(ClaimId::parse("claim-1").unwrap());
        finding.path = "inbox/report.json".into();
    }
    let events = world.tell(&again);
    assert!(refusal(&events).contains("was completed by"));
}

#[test]
fn nobody_reports_for_somebody_else() {
    let mut world = World::new();
    let mine = world.at_work("a", "development");
    let theirs = world.at_work("b", "development");
    let lie = |change: fn(&mut crate::domain::report::ReportFinding, &AttemptId)| {
        let mut input = reported(&mine, Success, "1");
        if let Input::ReportObserved { finding, .. } = &mut input {
            change(finding, &theirs);
        }
        input
    };
    for (input, reason) in [
        (
            lie(|finding, _| finding.report.subtask_id = "nothing".parse().unwrap()),
            "there is no subtask nothing",
        ),
        (
            lie(|finding, theirs| finding.report.attempt_id = Some(theirs.clone())),
            "subtask a has no attempt b-attempt-1",
        ),
        (
            lie(|finding, theirs| {
                finding.report.subtask_id = "b".parse().unwrap();
                finding.report.attempt_id = Some(theirs.clone());
            }),
            "workers/a-attempt-1/report.json is where attempt a-attempt-1 reports",
        ),
        (
            lie(|finding, _| {
                finding.report.subtask_id = "b".parse().unwrap();
                finding.report.attempt_id = None;
            }),
            "workers/a-attempt-1/report.json is where attempt a-attempt-1 reports",
        ),
    ] {
        let events = World { state: world.state.clone(), policy: world.policy.clone(), ..world }
            .tell(&input);
        assert!(refusal(&events).contains(reason), "{}", refusal(&events));
    }
    for task in ["a", "b"] {
        assert_eq!(world.run(task).status(0), SubtaskStatus::Active);
    }
}

/// A report that is dropped in the inbox and names no attempt.
fn unnamed(id: &AttemptId, status: ReportStatus, digest: &str) -> Input {
    let Input::ReportObserved { claim, mut finding } = reported(id, status, digest) else {
        panic!("it is a report");
    };
    finding.report.attempt_id = None;
    finding.path = "inbox/report.json".into();
    Input::ReportObserved { claim, finding }
}

#[test]
fn a_report_that_names_no_attempt_is_of_whoever_is_at_work() {
    let mut world = World::new();
    let first = world.at_work("a", "development");
    world.command("fallback", "a");
    world.tell(&Input::HandoffWithdrawn { attempt_id: first.clone(), in_time: false });
    let second = world.last("a").id.clone();
    assert_ne!(first, second, "another master has it now");
    // Its handoff is not even out: only the first can have failed, and that is no news.
    assert!(refusal(&world.tell(&unnamed(&first, Failure, "8"))).contains("is over"));
    assert!(world.attempt(&second).is_live());
    let events = world.tell(&unnamed(&first, Success, "9"));
    assert_eq!(kinds(&events)[..2], ["report_accepted", "attempt_recalled"]);
    assert!(matches!(&events[0], Event::ReportAccepted { attempt_id, .. } if *attempt_id == first));
}

#[test]
fn what_the_one_before_failed_at_counts_for_nobody_who_got_it_since() {
    let mut world = World::new();
    world.policy.retry.attempts_max = 2;
    let fields = world.policy.masters["cicd"].domains.clone();
    world.policy.masters.get_mut("security").unwrap().domains.extend(fields);
    let first = world.at_work("a", "cicd");
    world.command("fallback", "a");
    world.tell(&exited(&first, failure("it was stopped")));
    world.wait(100_000);
    let second = world.last("a");
    let agent = second.agent.as_str().to_owned();
    assert_ne!(agent, "cicd");
    let run = &world.run("a").runs[0];
    assert_eq!(run.failures.saturating_sub(run.failures_before), 0, "{run:#?}");
}
