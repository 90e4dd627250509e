//! Random lives of a directory: inputs of every kind, in any order, again and again, with ids that
//! are there and ids that are not. After each, everything that must always be true is checked by
//! code that shares nothing with what it checks.

mod ageing;
mod fencing;
mod handling;
mod laws;
mod limits;
mod looks;
mod machine;
mod narrow;
mod words;
pub(in crate::domain) mod world;

use machine::Machine;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]
    #[test]
    fn no_input_breaks_a_law(
        plans in prop::collection::vec((any::<u16>(), any::<u16>()), 0..3),
        steps in prop::collection::vec((0u8..34, any::<u16>(), any::<u16>(), any::<u16>()), 1..90),
    ) {
        let mut machine = Machine::new();
        for (nth, (b, c)) in plans.into_iter().enumerate() {
            machine.plan(nth, usize::from(b), usize::from(c));
        }
        for (kind, a, b, c) in steps {
            machine.step(kind, [a, b, c].map(usize::from));
        }
        machine.replay_gives_the_same();
    }
}
