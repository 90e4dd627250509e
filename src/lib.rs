//! Baton conducts AI coding agents through a directory of plain JSON files.

pub mod backend;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod intake;
pub mod journal;
pub mod planner;
pub mod projection;
pub mod store;
pub mod telemetry;
