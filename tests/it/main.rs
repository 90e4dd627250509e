//! The integration tests: one binary.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests play the part of everybody else, and end where they are surprised"
)]

mod agents;
mod bad_input;
mod bad_workers;
mod batch;
mod cli;
mod crash;
mod daemon;
mod drafting;
mod env;
mod freeze;
mod holder;
mod learning;
mod models;
mod monitor;
mod planning;
mod queue;
mod real_data;
mod real_tasks;
mod restart;
mod scenarios;
mod served;
mod simulation;
mod specs;
mod systemd;
