//! Reads documents, drops tasks and commands, waits for their outcome.

pub mod documents;
pub mod progress;
pub mod tail;
pub mod wait;

use std::path::{Path, PathBuf};

/// Returns the coordination directory that belongs to `here`: its own `coordination/`, else that
/// of the nearest parent that has one, else its own although it is not there.
pub fn locate(here: &Path) -> PathBuf {
    here.ancestors()
        .map(|dir| dir.join("coordination"))
        .find(|dir| dir.is_dir())
        .unwrap_or_else(|| here.join("coordination"))
}
