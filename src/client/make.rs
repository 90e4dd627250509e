//! Makes a coordination directory; what is there already stays as it is.

use std::path::{Path, PathBuf};

use crate::store::{Published, Store, StoreError, layout};

use super::ClientError;

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The absolute path of the directory.
    pub root: PathBuf,
    /// Files that were written, relative to the directory.
    pub written: Vec<&'static str>,
    /// Files that were there and are as they were.
    pub kept: Vec<&'static str>,
}

/// Makes the directory `dir` with these files, each a path below it and what it holds, and an inbox.
///
/// # Errors
/// [`ClientError::CannotMake`].
pub fn make(dir: &Path, files: &[(&'static str, &str)]) -> Result<Made, ClientError> {
    let cannot = |problem: String| ClientError::CannotMake { path: dir.to_path_buf(), problem };
    std::fs::create_dir_all(dir).map_err(|e| cannot(e.to_string()))?;
    let refused = |e: StoreError| cannot(e.to_string());
    let store = Store::open(dir).map_err(refused)?;
    let mut made = Made { root: store.root().to_path_buf(), written: Vec::new(), kept: Vec::new() };
    for (path, body) in files {
        match store.publish(path, body.as_bytes(), true).map_err(refused)? {
            Published::New => made.written.push(path),
            Published::AlreadyThere => made.kept.push(path),
        }
    }
    store.create_dirs(layout::INBOX).map_err(refused)?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_ever_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a/coordination");
        let first = make(&target, &[("baton.toml", "one"), ("README.md", "read me")]).unwrap();
        assert_eq!(first.written, ["baton.toml", "README.md"]);
        let second = make(&target, &[("baton.toml", "two"), ("more", "")]).unwrap();
        assert_eq!((second.written, second.kept), (vec!["more"], vec!["baton.toml"]));
        assert_eq!(std::fs::read_to_string(target.join("baton.toml")).unwrap(), "one");
        let in_the_way = make(&target.join("README.md"), &[]).unwrap_err();
        assert!(in_the_way.to_string().starts_with("cannot make "), "{in_the_way}");
    }
}
