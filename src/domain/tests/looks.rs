//! What follows from looks at workers, for workers of ours and of others.

use super::world::{
    World, exited, failure, found, identity, kinds, probed, reported, spec, success,
};
use crate::domain::evidence::{Breach, Finding, Liveness, Seen, Sign, Watched};
use crate::domain::ids::AttemptId;
use crate::domain::plan::{OrchestrationPhase, SubtaskPhase, SubtaskStatus};
use crate::domain::report::{Category, Failure, ReportStatus};
use crate::domain::spec::SpecFolder;
use crate::domain::worker::{AttemptEnd, AttemptPhase};
use crate::domain::{Effect, Event, Input, outbox};

fn failure_of(world: &World, id: &AttemptId) -> Failure {
    let phase = &world.attempt(id).phase;
    let AttemptPhase::Ended { end: AttemptEnd::Failed { failure }, .. } = phase else {
        panic!("{phase:#?}")
    };
    failure.clone()
}

fn interrupted(id: &AttemptId) -> Input {
    Input::WorkerInterrupted { attempt_id: id.clone(), reason: "nobody saw it".into() }
}

#[test]
fn a_worker_of_ours_that_stalls_is_stopped_before_anybody_else_gets_its_work() {
    let mut world = World::new();
    let id = world.at_work("a", "cicd");
    assert_eq!(kinds(&world.tell(&probed(&[found(&id, Liveness::Suspect)]))), ["worker_suspected"]);
    let events = world.tell(&probed(&[found(&id, Liveness::Stalled)]));
    assert_eq!(kinds(&events), ["worker_stalled", "attempt_recalled"]);
    assert!(outbox(&world.state).contains(&Effect::StopWorker(id.clone())));
    assert!(world.wait(600_000).is_empty(), "nothing before its end is proven");
    let killed = failure("signal 15 killed it; its last output: thinking");
    let events = world.tell(&exited(&id, killed));
    assert_eq!(kinds(&events)[..2], ["worker_exited", "subtask_failed"]);
    let failure = failure_of(&world, &id);
    let expected = "it made no progress for 20 min; its last output: thinking";
    assert_eq!((failure.message.as_str(), failure.category), (expected, Category::Transient));
    assert_eq!(kinds(&world.wait(100_000)), ["backoff_ended", "subtask_handed_off"]);
}

#[test]
fn every_limit_says_what_it_is_and_takes_a_result() {
    let limits = [
        (Breach::Silence { for_ms: 1 }, "it neither printed, wrote nor said anything for 1 h"),
        (Breach::Memory { bytes: 900 }, "its processes held more than 800 bytes of memory"),
        (Breach::Processes { count: 9 }, "it had more than 8 processes"),
    ];
    for (breach, message) in limits {
        for delivers in [false, true] {
            let mut world = World::new();
            world.policy.supervision.memory_bytes_max = 800;
            world.policy.supervision.processes_max = 8;
            let id = world.at_work("a", "cicd");
            let finding = Finding { breach: Some(breach), ..found(&id, Liveness::Healthy) };
            assert_eq!(kinds(&world.tell(&probed(&[finding]))), ["attempt_recalled"]);
            if delivers {
                world.tell(&exited(&id, success()));
                assert_eq!(world.run("a").status(0), SubtaskStatus::Completed);
            } else {
                world.tell(&interrupted(&id));
                assert_eq!(failure_of(&world, &id).message, message);
            }
        }
    }
}

#[test]
fn who_lingers_is_judged_by_its_report_alone() {
    for (outcome, status) in
        [(success(), SubtaskStatus::Completed), (failure("no such library"), SubtaskStatus::Ready)]
    {
        let mut world = World::new();
        let id = world.at_work("a", "cicd");
        let breach = Some(Breach::Lingering { for_ms: 60_000 });
        world.tell(&probed(&[Finding { breach, ..found(&id, Liveness::Healthy) }]));
        world.tell(&exited(&id, outcome));
        assert_eq!(world.run("a").status(0), status);
        if status == SubtaskStatus::Ready {
            assert_eq!(failure_of(&world, &id).message, "no such library");
        }
    }
}

#[test]
fn limits_on_workers_of_ours_stop_nobody_elsewhere() {
    let mut world = World::new();
    let id = world.at_work("a", "development");
    let breach = Some(Breach::Memory { bytes: 1 });
    let finding = Finding { breach, ..found(&id, Liveness::Healthy) };
    assert!(world.tell(&probed(&[finding])).is_empty());
}

#[test]
fn a_result_is_the_end_of_all_doubts() {
    for agent in ["cicd", "development"] {
        for liveness in [Liveness::Suspect, Liveness::Stalled, Liveness::Gone] {
            let mut world = World::new();
            let id = world.at_work("a", agent);
            let mut finding = found(&id, liveness);
            finding.evidence.signs =
                vec![Seen { sign: Sign::Report, ago_ms: 0, what: String::new() }];
            assert!(world.tell(&probed(&[finding])).is_empty(), "{agent} {liveness:?}");
        }
    }
}

#[test]
fn a_worker_elsewhere_that_stalls_is_asked_about_and_may_still_answer() {
    let stalled = || {
        let mut world = World::new();
        let id = world.at_work("a", "development");
        let events = world.tell(&probed(&[found(&id, Liveness::Stalled)]));
        assert_eq!(kinds(&events), ["worker_stalled", "orchestration_blocked"]);
        let Some(Event::OrchestrationBlocked(asked)) = events.last() else { panic!() };
        let options = [
            "[r] retry differently: baton retry a",
            "[a] abort and review the plan: baton cancel a",
        ];
        assert_eq!(asked.options, options);
        assert!(matches!(world.last("a").phase, AttemptPhase::Taken { .. }));
        assert!(outbox(&world.state).iter().all(|e| !matches!(e, Effect::StopWorker(_))));
        (world, id)
    };
    let (mut world, id) = stalled();
    assert!(world.tell(&probed(&[found(&id, Liveness::Stalled)])).is_empty(), "told once");
    let events = world.tell(&probed(&[found(&id, Liveness::Healthy)]));
    assert_eq!(kinds(&events), ["worker_recovered", "orchestration_resumed"]);
    assert_eq!(world.run("a").status(0), SubtaskStatus::Active);

    let (mut world, id) = stalled();
    world.tell(&reported(&id, ReportStatus::Success, "1"));
    assert!(matches!(world.run("a").phase, OrchestrationPhase::Completed { .. }));

    let (mut world, id) = stalled();
    let events = world.tell(&reported(&id, ReportStatus::Failure, "1"));
    let kinds = kinds(&events);
    assert_eq!(kinds[..2], ["report_accepted", "subtask_failed"]);
    assert_eq!(kinds.last(), Some(&"orchestration_resumed"), "{kinds:?}");
    assert_eq!(world.run("a").phase, OrchestrationPhase::InProgress);
}

#[test]
fn what_a_person_decides_about_a_stalled_worker_elsewhere_is_done() {
    let mut world = World::new();
    let id = world.at_work("a", "development");
    world.tell(&probed(&[found(&id, Liveness::Stalled)]));
    world.command("withdraw", "a");
    world.tell(&Input::HandoffWithdrawn { attempt_id: id, in_time: false });
    assert_eq!(world.run("a").status(0), SubtaskStatus::Blocked, "until it is told what to do");
    let events = world.command("retry", "a");
    assert!(
        kinds(&events).ends_with(&["orchestration_retried", "subtask_handed_off"]),
        "{events:#?}"
    );

    let mut world = World::new();
    let id = world.at_work("a", "development");
    world.tell(&probed(&[found(&id, Liveness::Stalled)]));
    world.command("cancel", "a");
    world.tell(&Input::HandoffWithdrawn { attempt_id: id, in_time: false });
    assert_eq!(world.run("a").status(0), SubtaskStatus::Cancelled);
}

/// Returns what the newest answer to a command says.
fn answer(world: &World) -> &str {
    let newest = world.state.answers.values().max_by_key(|answer| answer.at.boottime_ms);
    &newest.unwrap().message
}

#[test]
fn one_answer_replaces_a_stalled_worker_elsewhere_and_says_that_it_may_go_on() {
    for (verb, may_stop) in [("retry", false), ("retry", true), ("fallback", false)] {
        let mut world = World::new();
        world.policy.masters.get_mut("development").unwrap().may_stop = may_stop;
        let id = world.at_work("a", "development");
        world.tell(&probed(&[found(&id, Liveness::Stalled)]));
        world.pass(1);
        world.command(verb, "a");
        let said = answer(&world);
        let why = if may_stop { "which process" } else { "`may_stop` of development" };
        assert!(said.contains("a-attempt-1 of development may still be at work"), "{said}");
        assert!(said.contains(why) && said.contains("what it delivers counts"), "{said}");
        world.tell(&Input::HandoffWithdrawn { attempt_id: id.clone(), in_time: false });
        let newer = world.last("a").id.clone();
        assert_ne!(newer, id, "it is given out anew");
        // A worker that was not stopped delivers after all: the newer one is called back.
        world.tell(&Input::HandoffPublished { attempt_id: newer.clone() });
        let events = world.tell(&reported(&id, ReportStatus::Failure, "1"));
        assert_eq!(kinds(&events), ["report_refused"], "its failure says nothing any more");
        let events = world.tell(&reported(&id, ReportStatus::Success, "2"));
        assert_eq!(kinds(&events)[..2], ["report_accepted", "attempt_recalled"]);
        assert_eq!(world.run("a").status(0), SubtaskStatus::Completed);
    }
}

#[test]
fn a_master_who_took_it_before_it_was_taken_back_may_deliver_all_the_same() {
    let mut world = World::new();
    let id = world.published("a", "development");
    world.command("fallback", "a");
    let events = world.tell(&Input::HandoffWithdrawn { attempt_id: id.clone(), in_time: false });
    assert_eq!(kinds(&events)[..2], ["handoff_taken", "attempt_cancelled"]);
    assert_eq!(world.last("a").agent.as_str(), "inventory");
    let events = world.tell(&reported(&id, ReportStatus::Success, "1"));
    assert_eq!(kinds(&events)[..2], ["report_accepted", "attempt_recalled"]);
    assert_eq!(world.run("a").status(0), SubtaskStatus::Completed);
}

#[test]
fn a_worker_elsewhere_that_may_be_stopped_is_before_somebody_else_gets_its_work() {
    for verb in ["retry", "fallback"] {
        let mut world = World::new();
        let id = world.at_work("a", "development");
        let mut theirs = spec("theirs", Some(&id));
        theirs.identity = Some(identity(99));
        world.follow(theirs);
        world.tell(&probed(&[found(&id, Liveness::Stalled)]));
        // It could not be stopped when it was found; that was allowed since.
        world.policy.masters.get_mut("development").unwrap().may_stop = true;
        world.pass(1);
        world.command(verb, "a");
        assert!(answer(&world).contains("when a-attempt-1"), "{}", answer(&world));
        assert!(outbox(&world.state).contains(&Effect::StopWorker(id.clone())), "{verb}");
        assert_eq!(world.last("a").id, id, "nobody else has it yet");
        let reason = "it was stopped".to_owned();
        let events = world.tell(&Input::WorkerInterrupted { attempt_id: id.clone(), reason });
        assert_eq!(kinds(&events)[0], "attempt_cancelled");
        assert_ne!(world.last("a").id, id);
        assert_eq!(world.run("a").runs[0].failures, 0, "a decision is no failure");
    }
}

#[test]
fn who_is_proven_gone_elsewhere_has_failed() {
    let mut world = World::new();
    let id = world.at_work("a", "development");
    let events = world.tell(&probed(&[found(&id, Liveness::Gone)]));
    assert_eq!(kinds(&events)[..2], ["worker_gone", "subtask_failed"]);
    let failure = failure_of(&world, &id);
    assert_eq!(failure.category, Category::Transient);
    assert_eq!(failure.message, "its worker is gone without a result");
    // One that was asked about before is not asked about any longer.
    let mut world = World::new();
    let id = world.at_work("a", "development");
    world.tell(&probed(&[found(&id, Liveness::Stalled)]));
    let events = world.tell(&probed(&[found(&id, Liveness::Gone)]));
    assert_eq!(kinds(&events).last(), Some(&"orchestration_resumed"));
}

#[test]
fn a_worker_elsewhere_that_may_be_stopped_is_if_it_is_known() {
    for (may_stop, is_known) in [(true, true), (true, false), (false, true)] {
        let mut world = World::new();
        world.policy.masters.get_mut("development").unwrap().may_stop = may_stop;
        let id = world.at_work("a", "development");
        let mut theirs = spec("theirs", Some(&id));
        theirs.identity = is_known.then(|| identity(99));
        world.follow(theirs);
        world.tell(&probed(&[found(&id, Liveness::Stalled)]));
        let owed = outbox(&world.state);
        let stops = owed.contains(&Effect::StopWorker(id.clone()));
        assert_eq!(stops, may_stop && is_known);
        assert!(!owed.contains(&Effect::WithdrawHandoff(id.clone())));
        if !stops {
            assert!(matches!(world.run("a").phase, OrchestrationPhase::Blocked(_)));
            continue;
        }
        let AttemptPhase::Ending { identity: Some(known), .. } = &world.attempt(&id).phase else {
            panic!("{:#?}", world.attempt(&id))
        };
        assert_eq!(known.pid, 99);
        world.tell(&interrupted(&id));
        assert_eq!(failure_of(&world, &id).message, "it made no progress for 20 min");
    }
}

#[test]
fn a_process_of_ours_that_is_gone_ends_as_it_did() {
    let gone = || {
        let mut world = World::new();
        let id = world.at_work("a", "cicd");
        let events = world.tell(&probed(&[found(&id, Liveness::Gone)]));
        assert_eq!(kinds(&events), ["worker_gone", "attempt_recalled"]);
        (world, id)
    };
    let (mut world, id) = gone();
    world.tell(&exited(&id, failure("it exited with code 3")));
    assert_eq!(failure_of(&world, &id).message, "it exited with code 3");
    let (mut world, id) = gone();
    world.tell(&interrupted(&id));
    assert_eq!(world.run("a").runs[0].failures, 0, "who was cut off did not fail");
    let (mut world, id) = gone();
    world.tell(&exited(&id, success()));
    assert_eq!(world.run("a").status(0), SubtaskStatus::Completed);
}

#[test]
fn verdicts_that_are_held_change_nothing() {
    let mut world = World::new();
    let ids = ["a", "b", "c"].map(|task| world.at_work(task, "development"));
    let findings: Vec<Finding> = ids.iter().map(|id| found(id, Liveness::Suspect)).collect();
    let held = Some("many at once".to_owned());
    let events = world.tell(&Input::WorkersProbed { findings: findings.clone(), held });
    assert_eq!(kinds(&events), ["verdicts_held"]);
    let Event::VerdictsHeld(held) = &events[0] else { panic!() };
    assert_eq!(held.workers, 3);
    assert_eq!(kinds(&world.tell(&probed(&findings))), ["worker_suspected"; 3]);
}

#[test]
fn many_that_are_gone_are_recovered_one_by_one() {
    let mut world = World::new();
    world.plan("a", &["development", "development", "inventory"]);
    let ids: Vec<AttemptId> =
        world.run("a").runs.iter().map(|run| run.attempts[0].id.clone()).collect();
    for attempt_id in &ids {
        world.tell(&Input::HandoffPublished { attempt_id: attempt_id.clone() });
        world.begin_work(attempt_id);
    }
    let findings: Vec<Finding> = ids.iter().map(|id| found(id, Liveness::Gone)).collect();
    let events = world.tell(&probed(&findings));
    let failed = kinds(&events).iter().filter(|kind| **kind == "subtask_failed").count();
    assert_eq!(failed, 3, "{:?}", kinds(&events));
}

#[test]
fn who_cannot_be_ended_is_told_once_and_nobody_else_gets_its_work() {
    let mut world = World::new();
    world.plan("a", &["cicd", "development", "development"]);
    let id = world.last("a").id.clone();
    world.tell(&Input::HandoffPublished { attempt_id: id.clone() });
    world.begin_work(&id);
    world.tell(&probed(&[found(&id, Liveness::Stalled)]));
    let left = |survivors: &[u32]| Input::WorkerUnstoppable {
        attempt_id: id.clone(),
        survivors: survivors.to_vec(),
    };
    let events = world.tell(&left(&[12, 13]));
    assert_eq!(kinds(&events), ["worker_unstoppable", "orchestration_blocked"]);
    let Some(Event::OrchestrationBlocked(asked)) = events.last() else { panic!() };
    assert_eq!(asked.options[0], "kill -KILL 12 13");
    assert!(asked.options.iter().all(|option| !option.starts_with("[r]")), "{:?}", asked.options);
    assert!(world.tell(&left(&[12, 13])).is_empty());
    assert_eq!(kinds(&world.tell(&left(&[12]))), ["worker_unstoppable"]);
    assert!(outbox(&world.state).contains(&Effect::StopWorker(id.clone())), "the stop stays owed");
    let events = world.tell(&interrupted(&id));
    assert_eq!(kinds(&events)[0], "subtask_failed");
    assert_eq!(kinds(&events).last(), Some(&"orchestration_resumed"));
    assert!(kinds(&world.wait(100_000)).contains(&"subtask_handed_off"));
}

#[test]
fn a_worker_that_is_only_followed_goes_where_the_dead_lie() {
    let mut world = World::new();
    world.follow(spec("theirs", None));
    let finding = |liveness| Finding {
        worker: Watched::Spec("theirs".parse().unwrap()),
        ..found(&AttemptId::of(&"s".parse().unwrap(), 1), liveness)
    };
    assert_eq!(kinds(&world.tell(&probed(&[finding(Liveness::Stalled)]))), ["worker_stalled"]);
    assert_eq!(kinds(&world.tell(&probed(&[finding(Liveness::Healthy)]))), ["worker_recovered"]);
    let events = world.tell(&probed(&[finding(Liveness::Gone)]));
    assert_eq!(kinds(&events), ["worker_gone", "worker_spec_settled"]);
    assert_eq!(world.state.specs["theirs"].settled, Some(SpecFolder::Zombie));
    assert!(world.tell(&probed(&[finding(Liveness::Healthy)])).is_empty());
}

#[test]
fn what_is_delivered_is_never_a_zombie() {
    let mut world = World::new();
    let id = world.at_work("a", "development");
    world.tell(&probed(&[found(&id, Liveness::Stalled)]));
    world.tell(&reported(&id, ReportStatus::Success, "1"));
    assert!(!world.attempt(&id).is_zombie());
    assert!(matches!(world.run("a").runs[0].phase, SubtaskPhase::Completed { .. }));
    assert!(world.tell(&probed(&[found(&id, Liveness::Gone)])).is_empty());
}
