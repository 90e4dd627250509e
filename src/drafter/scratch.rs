//! Files that exist while a question is asked, in a folder that nobody else may enter.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

/// A folder that is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// Makes a folder whose name holds the mark.
    pub(super) fn new(mark: &str) -> io::Result<Self> {
        let folder = place(mark);
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    /// Writes a file into it and returns its path.
    pub(super) fn write(&self, name: &str, text: &str) -> io::Result<String> {
        let path = self.folder.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path.to_string_lossy().into_owned())
    }
}

/// Removes the folder of a mark, which whoever was ended in the midst of a question left.
pub(super) fn remove(mark: &str) {
    // A mark that was read from a file leads nowhere else.
    if mark.is_empty() || !mark.chars().all(|c| c.is_ascii_alphanumeric()) {
        return;
    }
    let folder = place(mark);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, folder = %folder.display(), "cannot remove a folder");
        }
        Ok(()) | Err(_) => {}
    }
}

fn place(mark: &str) -> PathBuf {
    std::env::temp_dir().join(format!("baton-draft-{mark}"))
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::debug!(%error, folder = %self.folder.display(), "cannot remove a folder");
        }
    }
}
