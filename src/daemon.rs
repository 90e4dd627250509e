//! The one loop, and everything that touches processes, signals and the watcher.

pub mod brief_worker;
pub mod folder;
pub mod holder;
pub mod holder_client;
pub mod launch;
pub mod process;
pub mod process_tree;
mod protocol;
mod work_order;
mod worker_life;
