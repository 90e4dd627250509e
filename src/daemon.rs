//! The one loop, and everything that touches processes, signals and the watcher.

pub mod holder_client;
