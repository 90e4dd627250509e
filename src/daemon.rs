//! The one loop, and everything that touches processes, signals and the watcher.
