//! The integration tests: one binary.
#![expect(clippy::disallowed_methods, reason = "tests play the part of everybody else")]

mod bad_input;
mod crash;
mod daemon;
mod env;
mod queue;
mod real_data;
mod scenarios;
mod served;
