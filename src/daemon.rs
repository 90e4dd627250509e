//! The one loop, and everything that touches processes, signals and the watcher.

pub mod brief_worker;
mod descriptors;
pub mod folder;
pub mod holder;
pub mod holder_client;
mod holder_link;
pub mod launch;
pub mod process;
pub mod process_tree;
mod protocol;
mod work_order;
mod worker_life;
