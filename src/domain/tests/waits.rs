//! What holds subtasks back, as people are told.

use super::world::{World, exited, failure, success};
use crate::domain::Input;
use crate::domain::decide::{Hold, waits};
use crate::domain::ids::AgentName;
use crate::domain::state::{Circuit, CircuitPhase};

const SECOND: u64 = 1_000;

fn agent(name: &str) -> AgentName {
    AgentName::parse(name).unwrap()
}

/// Returns what each subtask waits for, by its id.
fn held(world: &World) -> Vec<(String, Hold)> {
    let waits = waits(&world.state, &world.policy, world.now).into_iter();
    waits.map(|wait| (wait.subtask_id.to_string(), wait.hold)).collect()
}

fn one(task: &str, hold: Hold) -> Vec<(String, Hold)> {
    vec![(task.to_owned(), hold)]
}

#[test]
fn a_full_master_and_a_full_house_are_told_apart() {
    let mut world = World::new();
    world.policy.masters.get_mut("cicd").unwrap().attempts_active_max = 1;
    world.at_work("a", "cicd");
    assert_eq!(held(&world), []);
    world.begin_routed("b", "cicd");
    assert_eq!(held(&world), one("b", Hold::Master { attempts_max: 1 }));
    world.policy.masters.get_mut("cicd").unwrap().attempts_active_max = 9;
    world.policy.attempts_active_max = 1;
    assert_eq!(held(&world), one("b", Hold::Workers { attempts_max: 1 }));
    world.policy.attempts_active_max = 2;
    assert_eq!(held(&world), one("b", Hold::Turn), "nobody has been asked yet");
    world.policy.masters.remove("cicd");
    assert_eq!(held(&world), one("b", Hold::Unmanned));
}

#[test]
fn a_rate_says_when_the_next_may_begin() {
    let mut world = World::new();
    world.policy.masters.get_mut("cicd").unwrap().starts_per_minute_max = 1;
    let id = world.at_work("a", "cicd");
    let until = world.now.plus_ms(60 * SECOND);
    world.pass(10 * SECOND);
    world.tell(&exited(&id, success()));
    world.begin_routed("b", "cicd");
    let waits = held(&world);
    let [(_, Hold::Rate { starts_max: 1, until: told })] = waits.as_slice() else {
        panic!("{waits:?}")
    };
    assert_eq!(told.boottime_ms, until.boottime_ms);
}

#[test]
fn a_master_that_rests_says_until_when_and_then_that_it_is_tried() {
    let mut world = World::new();
    let since = world.now;
    let open = CircuitPhase::Open { since, cool_down_ms: 30 * SECOND };
    world.state.circuits.insert(agent("cicd"), Circuit { failures: 5, phase: open });
    world.begin_routed("a", "cicd");
    world.begin_routed("b", "cicd");
    let until = since.plus_ms(30 * SECOND);
    let rests = Hold::Circuit { until };
    assert_eq!(held(&world), [("a".to_owned(), rests.clone()), ("b".to_owned(), rests)]);
    world.wait(30 * SECOND);
    assert_eq!(held(&world), one("b", Hold::Trial));
}

#[test]
fn what_time_or_somebody_else_has_to_bring_is_named() {
    let mut world = World::new();
    let id = world.at_work("a", "cicd");
    world.tell(&exited(&id, failure("it broke")));
    let waits = held(&world);
    let [(_, Hold::Retry { until })] = waits.as_slice() else { panic!("{waits:?}") };
    assert!(until.boottime_ms > world.now.boottime_ms);
    let mut world = World::new();
    world.published("a", "development");
    let since = world.now;
    assert_eq!(held(&world), one("a", Hold::Untaken { since, is_overdue: false }));
    world.wait(600 * SECOND);
    assert_eq!(held(&world), one("a", Hold::Untaken { since, is_overdue: true }));
    let id = world.last("a").id.clone();
    world.tell(&Input::HandoffTaken { attempt_id: id });
    assert_eq!(held(&world), []);
}

#[test]
fn a_file_in_use_is_named_as_the_plan_spells_it() {
    let mut world = World::new();
    world.plan_with("a", &["cicd", "security"], |subtasks| {
        subtasks[0].files_affected = vec!["src/web".into()];
        subtasks[1].files_affected = vec!["docs".into(), "./src/web/page.html".into()];
    });
    let waits = held(&world);
    let [(_, Hold::File { path })] = waits.as_slice() else { panic!("{waits:?}") };
    assert!(path.ends_with("src/web/page.html"), "{path}");
}
