//! What is learned from a life: who did well, who did not, and what says nothing of anybody.

use super::world::{World, exited, failure, success};
use crate::domain::agent::Outcome as Went;
use crate::domain::experience::{Experience, Fate};
use crate::domain::plan::{Choice, Ranked};
use crate::domain::report::{Category, Failure, Outcome};

const MINUTE_MS: u64 = 60_000;

/// A launched subtask is carried out in so many minutes.
fn carried_out(world: &mut World, task: &str, minutes: u64, outcome: Outcome) {
    let attempt_id = world.last(task).id.clone();
    world.begin_work(&attempt_id);
    world.pass(minutes * MINUTE_MS);
    world.tell(&exited(&attempt_id, outcome));
}

fn told(world: &World) -> Vec<(String, Went, Option<f64>)> {
    let outcomes = Experience::of(&world.state).outcomes.into_iter();
    outcomes.map(|one| (one.agent, one.outcome, one.minutes)).collect()
}

#[test]
fn what_was_done_and_what_failed_is_told_of_master_and_specialist() {
    let mut world = World::new();
    let specialist = Ranked {
        agent: "prober".into(),
        capability_percent: 90,
        load_percent: None,
        perf_percent: None,
        reasons: Vec::new(),
    };
    world.plan_with("t", &["security"], |subtasks| {
        subtasks[0].choice = Choice { masters: Vec::new(), specialists: vec![specialist] };
    });
    carried_out(&mut world, "t", 3, failure("no"));
    world.wait(MINUTE_MS);
    carried_out(&mut world, "t", 7, success());
    let both = |went, minutes| ["security", "prober"].map(|name| (name.to_owned(), went, minutes));
    let expected: Vec<_> =
        both(Went::Failure, None).into_iter().chain(both(Went::Success, Some(7.0))).collect();
    assert_eq!(told(&world), expected);
}

#[test]
fn a_disturbance_from_outside_says_nothing_of_whoever_met_it() {
    let mut world = World::new();
    world.plan("t", &["security"]);
    let outage = Outcome::Failure(Failure::new(Category::Transient, "503"));
    carried_out(&mut world, "t", 3, outage);
    assert_eq!(told(&world), []);
}

#[test]
fn a_plan_of_which_something_was_left_out_counts_as_edited() {
    let mut world = World::new();
    world.plan("whole", &["security"]);
    carried_out(&mut world, "whole", 1, success());
    world.plan("less", &["security", "cicd"]);
    carried_out(&mut world, "less", 1, success());
    let left_out = world.run("less").plan.subtasks[1].subtask_id.to_string();
    world.command("skip", &left_out);
    world.plan("open", &["security"]);
    let plans = Experience::of(&world.state).plans;
    let fates: Vec<(&str, Fate)> =
        plans.iter().map(|plan| (plan.task_id.as_str(), plan.fate)).collect();
    assert_eq!(fates, [("whole", Fate::Accepted), ("less", Fate::Edited)]);
    let skipped: Vec<bool> = plans[1].steps.iter().map(|step| step.skipped).collect();
    assert_eq!(skipped, [false, true]);
}

#[test]
fn what_is_forgotten_stays_forgotten_and_what_is_added_later_counts() {
    let mut world = World::new();
    world.plan("t", &["security"]);
    carried_out(&mut world, "t", 1, success());
    let experience = || Experience::of(&world.state);
    let at_ms = world.now.wall.as_ms();
    let forget = |before_ms: i64| format!("{{\"forgotten_before_ms\": {before_ms}}}\n");
    let added = "{\"request\": \"x\", \"agent\": \"y\", \"at_ms\": 5}\n";
    let early = experience().with(&forget(at_ms));
    assert_eq!((early.outcomes.len(), early.plans.len()), (1, 1));
    let late = experience().with(&format!("{added}{}torn{{\n{added}", forget(at_ms + 1)));
    assert_eq!((late.outcomes.len(), late.plans.len()), (1, 0));
    assert_eq!(late.outcomes[0].agent, "y");
}
