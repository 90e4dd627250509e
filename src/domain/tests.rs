//! Random lives of a directory: inputs of every kind, in any order, again and again, with ids that
//! are there and ids that are not. After each, everything that must always be true is checked by
//! code that shares nothing with what it checks.

mod ageing;
mod changes;
mod experience;
mod fencing;
mod handling;
mod laws;
mod limits;
mod looks;
mod machine;
mod narrow;
mod shortage;
mod times;
mod waits;
mod words;
pub(in crate::domain) mod world;

use std::cell::RefCell;
use std::collections::BTreeSet;

use machine::Machine;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// What some life in the test has to come to, or the laws about it were never put to the test.
const MET: &[&str] =
    &["revision_requested", "plan_revised", "compensation_started", "orchestration_completed"];

#[test]
fn no_input_breaks_a_law() {
    let config = ProptestConfig {
        cases: 120,
        source_file: Some(file!()),
        test_name: Some("domain::tests::no_input_breaks_a_law"),
        ..ProptestConfig::default()
    };
    let plans = prop::collection::vec((any::<u16>(), any::<u16>()), 0..3);
    let step = (0u8..34, any::<u16>(), any::<u16>(), any::<u16>());
    let met = RefCell::new(BTreeSet::new());
    let lives = (plans, prop::collection::vec(step, 1..90));
    let result = TestRunner::new(config).run(&lives, |(plans, steps)| {
        let mut machine = Machine::new();
        for (nth, (b, c)) in plans.into_iter().enumerate() {
            machine.plan(nth, usize::from(b), usize::from(c));
        }
        for (kind, a, b, c) in steps {
            machine.step(kind, [a, b, c].map(usize::from));
        }
        machine.replay_gives_the_same();
        met.borrow_mut().extend(machine.kinds());
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let missed: Vec<&&str> = MET.iter().filter(|kind| !met.borrow().contains(**kind)).collect();
    assert!(missed.is_empty(), "no life came to {missed:?}");
}
