//! Follows `dashboard-events.jsonl`: whole lines only, and on when the file is replaced or cut.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Reads a growing file line by line.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    inode: u64,
    offset: u64,
    /// The beginning of a line whose end is not written yet.
    partial: Vec<u8>,
}

/// A longer line is cut into pieces of this size.
const LINE_BYTES_MAX: usize = 4 << 20;
const CHUNK_BYTES: usize = 64 << 10;

impl Tail {
    /// Begins at the first line of the file at `path`, which need not be there yet.
    pub fn from_start(path: &Path) -> Self {
        Self { path: path.to_path_buf(), open: None }
    }

    /// Begins at what is appended from now on.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn from_end(path: &Path) -> io::Result<Self> {
        let mut tail = Self::from_start(path);
        tail.reopen()?;
        if let Some(open) = &mut tail.open {
            open.offset = open.file.seek(SeekFrom::End(0))?;
        }
        Ok(tail)
    }

    /// Returns the lines that were completed since the last call, at most about 1 MiB of them;
    /// none when there is nothing new.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn lines(&mut self) -> io::Result<Vec<String>> {
        const BATCH_BYTES: usize = 1 << 20;
        let mut lines = Vec::new();
        let mut taken = 0;
        loop {
            if self.open.is_none() {
                self.reopen()?;
            }
            let Some(open) = &mut self.open else { return Ok(lines) };
            let read = open.read_chunk(&mut lines)?;
            taken += read;
            if read > 0 && taken < BATCH_BYTES {
                continue;
            }
            if read > 0 || !self.was_replaced() {
                return Ok(lines);
            }
            self.open = None;
        }
    }

    /// Tells whether another file stands at the path now, or the same one was cut.
    fn was_replaced(&self) -> bool {
        let Some(open) = &self.open else { return false };
        match std::fs::symlink_metadata(&self.path) {
            Ok(now) => now.ino() != open.inode || now.len() < open.offset,
            Err(_) => false,
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let opened =
            File::options().read(true).custom_flags(flags.bits().cast_signed()).open(&self.path);
        self.open = match opened {
            Ok(file) => {
                let inode = file.metadata()?.ino();
                Some(Open { file, inode, offset: 0, partial: Vec::new() })
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        Ok(())
    }
}

/// Returns the last `lines_max` whole lines of the file at `path`, oldest first.
///
/// # Errors
/// The file is there and cannot be read.
pub fn last_lines(path: &Path, lines_max: usize) -> io::Result<Vec<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut from = file.metadata()?.len();
    let mut bytes = Vec::new();
    while from > 0 && bytes.iter().filter(|b| **b == b'\n').count() <= lines_max {
        let step = from.min(CHUNK_BYTES as u64);
        from -= step;
        let mut chunk = vec![0; usize::try_from(step).unwrap_or(CHUNK_BYTES)];
        file.read_exact_at(&mut chunk, from)?;
        chunk.extend_from_slice(&bytes);
        bytes = chunk;
        if bytes.len() > lines_max.saturating_mul(LINE_BYTES_MAX) {
            break;
        }
    }
    file.seek(SeekFrom::End(0))?;
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let text = String::from_utf8_lossy(&bytes[..whole]);
    let lines: Vec<&str> = text.lines().collect();
    let skip = lines.len().saturating_sub(lines_max);
    Ok(lines[skip..].iter().map(|line| (*line).to_owned()).collect())
}

impl Open {
    fn read_chunk(&mut self, lines: &mut Vec<String>) -> io::Result<usize> {
        let mut chunk = vec![0; CHUNK_BYTES];
        self.file.seek(SeekFrom::Start(self.offset))?;
        let read = self.file.read(&mut chunk)?;
        self.offset += read as u64;
        for piece in chunk[..read].split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.partial.len() >= LINE_BYTES_MAX {
                let line = String::from_utf8_lossy(&self.partial).trim_end().to_owned();
                self.partial.clear();
                if !line.is_empty() {
                    lines.push(line);
                }
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test writes the file that is followed")]
mod tests {
    use super::*;
    use std::io::Write;

    fn append(path: &Path, text: &str) {
        File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    #[test]
    fn lines_come_whole_and_rotation_is_survived() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut tail = Tail::from_start(&path);
        assert!(tail.lines().unwrap().is_empty());
        append(&path, "one\ntw");
        assert_eq!(tail.lines().unwrap(), ["one"]);
        append(&path, "o\n\nthree\n");
        assert_eq!(tail.lines().unwrap(), ["two", "three"]);
        append(&path, "last of the old\n");
        std::fs::rename(&path, dir.path().join("events.jsonl.1")).unwrap();
        append(&path, "first of the new\n");
        let mut seen = tail.lines().unwrap();
        seen.extend(tail.lines().unwrap());
        assert_eq!(seen, ["last of the old", "first of the new"]);
        std::fs::write(&path, "x\n").unwrap();
        assert_eq!(tail.lines().unwrap(), ["x"]);
    }

    #[test]
    fn the_end_of_a_long_file_is_found_without_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let text: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
        append(&path, &(text + "torn"));
        assert_eq!(last_lines(&path, 2).unwrap(), ["line 19998", "line 19999"]);
        assert_eq!(last_lines(&path, 0).unwrap().len(), 0);
        assert!(Tail::from_end(&path).unwrap().lines().unwrap().is_empty());
        assert!(last_lines(&dir.path().join("none"), 5).unwrap().is_empty());
    }
}
