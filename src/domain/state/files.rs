//! Which files may be changed by somebody now: two that touch the same never run at once.

use std::collections::BTreeMap;

/// Paths in use. A directory is in use by whoever uses anything below it, and the other way round.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::domain) struct FilesInUse {
    /// By path in its shortest spelling, how many use it.
    users: BTreeMap<String, usize>,
}

impl FilesInUse {
    /// Tells whether nobody uses this path, a directory above it, or anything below it.
    pub(in crate::domain) fn is_free(&self, path: &str) -> bool {
        let path = shortest(path);
        if path.is_empty() {
            return self.users.is_empty();
        }
        let is_above_used = || {
            let ends = path.match_indices('/').map(|(end, _)| end);
            ends.chain([path.len()]).any(|end| self.users.contains_key(&path[..end]))
        };
        let is_below_used = || {
            let below = format!("{path}/");
            let first = self.users.range(below.clone()..).next();
            first.is_some_and(|(used, _)| used.starts_with(&below))
        };
        !self.users.contains_key("") && !is_above_used() && !is_below_used()
    }

    /// Notes that somebody uses these.
    pub(in crate::domain) fn take(&mut self, paths: &[String]) {
        for path in paths {
            *self.users.entry(shortest(path)).or_default() += 1;
        }
    }

    /// Notes that somebody uses these no more.
    pub(in crate::domain) fn release(&mut self, paths: &[String]) {
        for path in paths {
            let path = shortest(path);
            let Some(users) = self.users.get_mut(&path) else { continue };
            *users -= 1;
            if *users == 0 {
                self.users.remove(&path);
            }
        }
    }
}

/// Plans from before paths were checked may spell one path in several ways.
fn shortest(path: &str) -> String {
    let parts = path.trim().split('/').filter(|part| !matches!(*part, "" | "."));
    parts.collect::<Vec<&str>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_in_use_with_all_above_and_all_below_it() {
        let mut files = FilesInUse::default();
        let used = ["src/lib", "docs", "src/b/c/d.rs"].map(str::to_owned);
        files.take(&used);
        for (path, is_free) in [
            ("src/lib", false),
            ("./src//lib", false),
            ("src/lib/", false),
            ("src/lib.orig", true),
            ("src/li", true),
            ("src", false),
            ("src/b", false),
            ("src/b/c", false),
            ("src/b/c/e.rs", true),
            ("src/b-side", true),
            ("docs/deep/down.md", false),
            ("docs", false),
            ("docs2", true),
            (".", false),
            ("", false),
        ] {
            assert_eq!(files.is_free(path), is_free, "{path:?}");
        }
        files.take(&["./docs/".into()]);
        files.release(&used);
        assert!(!files.is_free("docs/a.md"), "one of two users is left");
        files.release(&["docs".into()]);
        assert_eq!(files, FilesInUse::default());
        assert!(files.is_free("."));
    }
}
