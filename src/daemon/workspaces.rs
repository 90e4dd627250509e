//! What is in the workspace, looked at when a plan is drafted and remembered for a while.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::clock;
use crate::domain::workspace::Workspace;
use crate::registry::look_at;

/// Longest look: what was not seen by then is left out, and said to be.
const LOOK_MS_MAX: u64 = 250;

/// How long what was seen is taken for true: many tasks that come at once are not held up by it.
const KEPT_MS: u64 = 30_000;

/// What all drafts of this process share.
static SHARED: Seen = Seen { last: Mutex::new(None) };

/// Returns what is in a workspace. May wait for the disk: no work for the loop.
pub(super) fn seen(root: &Path) -> Workspace {
    SHARED.at(root)
}

/// What was seen last, where, and when.
struct Seen {
    last: Mutex<Option<(PathBuf, u64, Workspace)>>,
}

impl Seen {
    fn at(&self, root: &Path) -> Workspace {
        let now_ms = clock::precisely_ns() / 1_000_000;
        // Nobody leaves it half changed: it is replaced whole.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((path, at_ms, workspace)) = last.as_ref()
            && path == root
            && now_ms.saturating_sub(*at_ms) < KEPT_MS
        {
            return workspace.clone();
        }
        let is_late = || (clock::precisely_ns() / 1_000_000).saturating_sub(now_ms) > LOOK_MS_MAX;
        let workspace = look_at(root, &is_late);
        *last = Some((root.to_owned(), now_ms, workspace.clone()));
        workspace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test lays out a file as others would")]
    fn what_was_seen_is_remembered_and_another_workspace_is_looked_at() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(one.path().join("a.rs"), "").unwrap();
        let seen = Seen { last: Mutex::new(None) };
        let seen = |root: &Path| seen.at(root);
        assert_eq!(seen(one.path()).files, 1);
        std::fs::write(one.path().join("b.rs"), "").unwrap();
        assert_eq!(seen(one.path()).files, 1);
        assert_eq!(seen(other.path()).files, 0);
        assert_eq!(seen(one.path()).files, 2);
    }
}
