//! The integration tests: one binary.

mod daemon;
mod env;
mod scenarios;
