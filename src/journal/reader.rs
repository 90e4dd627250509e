//! Reading a journal that another process may be writing.

use std::path::Path;

use super::files::Dir;
use super::segment::{Lines, Next};
use super::{JournalError, compact, line, segment};
use crate::domain::{Record, State};

/// The records of a journal in order; see [`read`].
#[derive(Debug)]
pub struct Reader {
    dir: Dir,
    /// Records that end before this event are left out.
    from_seq: u64,
    /// The segment that is read, by its first event.
    first_seq: u64,
    bytes: Vec<u8>,
    offset: usize,
    line: u64,
    /// Number of the event that comes next; `None` before the first record.
    next: Option<u64>,
    done: bool,
}

/// Reads the records from the one that holds event `from_seq` on, or from the oldest that is left.
/// It changes nothing, and ends at a last line that is not whole yet.
///
/// # Errors
/// The directory cannot be read. Damage is an item of the iterator, and its last.
pub fn read(dir: &Path, from_seq: u64) -> Result<Reader, JournalError> {
    let dir = Dir::open(dir)?;
    let segments: Vec<u64> =
        dir.names()?.iter().filter_map(|name| segment::first_seq(name)).collect();
    let start = segments.iter().rfind(|first| **first <= from_seq).or(segments.first()).copied();
    let first_seq = start.unwrap_or(0);
    let bytes = dir.read(&segment::name(first_seq))?.unwrap_or_default();
    let done = start.is_none();
    Ok(Reader { dir, from_seq, first_seq, bytes, offset: 0, line: 0, next: start, done })
}

/// Folds a journal that another process may be writing: the newest snapshot that can be read, and
/// every record since. It changes nothing.
///
/// # Errors
/// The directory cannot be read, or the journal is damaged.
pub fn fold(dir: &Path) -> Result<State, JournalError> {
    let mut state = compact::readable(&Dir::open(dir)?)?;
    let mut reader = read(dir, state.seq + 1)?;
    while let Some(record) = reader.next() {
        state.apply(&record?).map_err(|cause| JournalError::Illegal {
            file: reader.dir.path(&segment::name(reader.first_seq)),
            line: reader.line,
            cause,
        })?;
    }
    Ok(state)
}

impl Iterator for Reader {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.step() {
                Ok(Some(record)) if record.last_seq() < self.from_seq => {}
                Ok(Some(record)) => return Some(Ok(record)),
                Ok(None) => self.done = true,
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Reader {
    fn step(&mut self) -> Result<Option<Record>, JournalError> {
        loop {
            let mut lines = Lines::resume(&self.bytes, self.offset, self.line);
            let next = lines.next();
            (self.offset, self.line) = (lines.offset, lines.line);
            match next {
                Next::Record(record) => return self.in_order(record).map(Some),
                // Its newline may be on its way, and it will be read once it is there.
                Next::Unterminated(..) | Next::Torn => return Ok(None),
                Next::Wrong(line::LineError::Newer { schema }) => {
                    let file = self.dir.path(&segment::name(self.first_seq));
                    return Err(JournalError::Newer { file, line: self.line, schema });
                }
                Next::Wrong(error) => return Err(self.damaged(error.to_string())),
                Next::End => {
                    if !self.open_next()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Goes on to the segment that follows, if there is one.
    fn open_next(&mut self) -> Result<bool, JournalError> {
        let Some(next) = self.next.filter(|next| *next != self.first_seq) else { return Ok(false) };
        let Some(bytes) = self.dir.read(&segment::name(next))? else {
            let later = self.dir.names()?.iter().filter_map(|name| segment::first_seq(name)).max();
            return match later.filter(|later| *later > next) {
                None => Ok(false),
                Some(later) => Err(JournalError::Missing {
                    dir: self.dir.path(""),
                    from: next,
                    to: later - 1,
                    problem: format!("there is no {}", segment::name(next)),
                    remedy: "restore it from a backup".into(),
                }),
            };
        };
        (self.first_seq, self.bytes, self.offset, self.line) = (next, bytes, 0, 0);
        Ok(true)
    }

    fn in_order(&mut self, record: Record) -> Result<Record, JournalError> {
        if self.next.is_some_and(|next| next != record.seq) {
            let next = self.next.unwrap_or(0);
            return Err(self
                .damaged(format!("it begins with event {} where {next} comes next", record.seq)));
        }
        self.next = Some(record.last_seq() + 1);
        Ok(record)
    }

    fn damaged(&self, problem: String) -> JournalError {
        let file = self.dir.path(&segment::name(self.first_seq));
        JournalError::Damaged { file, line: self.line, problem, copy: None }
    }
}
