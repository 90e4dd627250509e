//! The vocabulary and the rules. Pure: no file, clock, process, thread or randomness.

pub mod ids;
pub mod moment;

pub mod agent;
pub mod evidence;
pub mod handoff;
pub mod order;
pub mod plan;
pub mod read;
pub mod report;
pub mod spec;
pub mod task;
pub mod worker;

pub mod deadline;
pub mod decide;
pub mod document;
pub mod effect;
pub mod event;
pub mod experience;
pub mod input;
pub mod policy;
pub mod recovery;
pub mod state;
pub mod validate;
pub mod watch;

pub use effect::{Effect, outbox};
pub use event::{Event, Record};
pub use input::{Input, Problem};
pub use moment::{Moment, Timestamp};
pub use policy::Policy;
pub use state::State;

#[cfg(test)]
mod tests;
