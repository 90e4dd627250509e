//! Opening a journal: the newest good snapshot, and every record since.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, mpsc};

use super::acknowledged::{self, Shared};
use super::files::{self, Dir};
use super::line::LineError;
use super::segment::{Lines, Next};
use super::{Journal, JournalError, Opened, SEGMENT_BYTES, compact, segment};
use crate::domain::{Record, State};

/// See [`Journal::open`].
pub(super) fn open(
    path: &Path,
    on_record: &mut dyn FnMut(&State, &Record),
) -> Result<Opened, JournalError> {
    let dir = Dir::open_or_make(path)?;
    let names = dir.names()?;
    dir.sweep(&names)?;
    let mut notes = Vec::new();
    let state = compact::newest(&dir, &names, &mut notes)?;
    let known = acknowledged::read(&dir)?.unwrap_or_else(|error| {
        notes.push(format!(
            "{} is damaged: {error}; whether acknowledged events are missing was not checked",
            dir.path(acknowledged::NAME).display()
        ));
        0
    });
    let segments = segments_since(&dir, &names, state.seq)?;
    let next = segments.first().copied().unwrap_or(state.seq + 1);
    let mut replay = Replay { dir, state, next, epoch: 0, on_record };
    let newest = replay.run(&segments)?;
    replay.check_acknowledged(known)?;
    finish(replay, newest, notes)
}

/// Returns the segments from the one that holds the event after `seq`, or would, in order.
fn segments_since(dir: &Dir, names: &[String], seq: u64) -> Result<Vec<u64>, JournalError> {
    let all: Vec<u64> = names.iter().filter_map(|name| segment::first_seq(name)).collect();
    match all.iter().rposition(|first| *first <= seq + 1) {
        Some(from) => Ok(all[from..].to_vec()),
        None => match all.first() {
            None => Ok(all),
            Some(first) => Err(JournalError::Missing {
                dir: dir.path(""),
                from: seq + 1,
                to: first - 1,
                problem: format!("{} is the oldest segment", segment::name(*first)),
                remedy: "restore older segments, or a snapshot after them, from a backup".into(),
            }),
        },
    }
}

/// Records that are decoded and not applied yet: this many batches of that many.
const DECODED_BATCHES_MAX: usize = 8;
const BATCH_RECORDS: usize = 256;

/// What stands at one place of a segment.
struct Step {
    next: Next,
    line: u64,
    /// Where the next line begins.
    offset: usize,
}

/// Decodes a segment up to the first thing that is no record, or until nobody listens.
fn decode_ahead(bytes: &[u8], steps: &mpsc::SyncSender<Vec<Step>>) {
    let mut lines = Lines::new(bytes);
    let mut is_over = false;
    while !is_over {
        let mut batch = Vec::with_capacity(BATCH_RECORDS);
        while batch.len() < BATCH_RECORDS && !is_over {
            let next = lines.next();
            is_over = !matches!(next, Next::Record(_));
            batch.push(Step { next, line: lines.line, offset: lines.offset });
        }
        if steps.send(batch).is_err() {
            return;
        }
    }
}

struct Replay<'a> {
    dir: Dir,
    state: State,
    /// Number of the event that comes next in the segments.
    next: u64,
    /// Epoch of the record before.
    epoch: u64,
    on_record: &'a mut dyn FnMut(&State, &Record),
}

/// The newest segment as it was found.
struct Newest {
    file: File,
    first_seq: u64,
    len: u64,
    tail: Tail,
}

/// What is behind the last line of the newest segment.
enum Tail {
    Clean,
    /// This many bytes of a line that was never whole.
    Torn(usize),
    /// The last line ends at the length and lacks its newline.
    Unterminated,
}

impl Replay<'_> {
    fn run(&mut self, segments: &[u64]) -> Result<Option<Newest>, JournalError> {
        let Some((newest, sealed)) = segments.split_last() else { return Ok(None) };
        for first_seq in sealed {
            let bytes = self.dir.read(&segment::name(*first_seq))?.unwrap_or_default();
            let (offset, tail) = self.segment(*first_seq, &bytes)?;
            if !matches!(tail, Tail::Clean) {
                let line = 1 + bytes[..offset].iter().filter(|byte| **byte == b'\n').count() as u64;
                let problem = "it is not whole, and a later segment follows".to_owned();
                return Err(self.damaged(*first_seq, line, problem, &bytes));
            }
        }
        let (file, bytes) = self.dir.open_segment(&segment::name(*newest))?;
        let (offset, tail) = self.segment(*newest, &bytes)?;
        Ok(Some(Newest { file, first_seq: *newest, len: offset as u64, tail }))
    }

    /// Applies one segment and returns where its whole lines end, and what is behind them.
    fn segment(&mut self, first_seq: u64, bytes: &[u8]) -> Result<(usize, Tail), JournalError> {
        if first_seq != self.next {
            return Err(JournalError::Missing {
                dir: self.dir.path(""),
                from: self.next.min(first_seq),
                to: self.next.max(first_seq) - 1,
                problem: format!(
                    "{} follows on event {}",
                    segment::name(first_seq),
                    self.next.saturating_sub(1)
                ),
                remedy: "restore the segments from a backup".into(),
            });
        }
        std::thread::scope(|scope| {
            let (sender, steps) = mpsc::sync_channel(DECODED_BATCHES_MAX);
            // A start waits for nothing but this, and decoding is the larger half of it.
            std::thread::Builder::new()
                .name("journal-decode".into())
                .spawn_scoped(scope, move || decode_ahead(bytes, &sender))
                .map_err(|cause| {
                    let path = self.dir.path(&segment::name(first_seq));
                    files::error("start a thread to read", path, cause)
                })?;
            for Step { next, line, offset } in steps.into_iter().flatten() {
                match next {
                    Next::Record(record) => self.record(first_seq, line, &record, bytes)?,
                    Next::Unterminated(record, end) => {
                        self.record(first_seq, line, &record, bytes)?;
                        return Ok((end, Tail::Unterminated));
                    }
                    Next::Torn => return Ok((offset, Tail::Torn(bytes.len() - offset))),
                    Next::End => return Ok((offset, Tail::Clean)),
                    Next::Wrong(LineError::Newer { schema }) => {
                        let file = self.dir.path(&segment::name(first_seq));
                        return Err(JournalError::Newer { file, line, schema });
                    }
                    Next::Wrong(error) => {
                        return Err(self.damaged(first_seq, line, error.to_string(), bytes));
                    }
                }
            }
            unreachable!("what comes after the last record is a step, too")
        })
    }

    fn record(
        &mut self,
        first_seq: u64,
        line: u64,
        record: &Record,
        bytes: &[u8],
    ) -> Result<(), JournalError> {
        if record.seq != self.next {
            let problem =
                format!("it begins with event {} where {} comes next", record.seq, self.next);
            return Err(self.damaged(first_seq, line, problem, bytes));
        }
        if record.epoch < self.epoch {
            let problem = format!(
                "a daemon of epoch {} wrote it after one of epoch {} had the directory",
                record.epoch, self.epoch
            );
            return Err(self.damaged(first_seq, line, problem, bytes));
        }
        self.next = record.last_seq() + 1;
        self.epoch = record.epoch;
        if record.last_seq() <= self.state.seq {
            return Ok(());
        }
        self.state.apply(record).map_err(|cause| JournalError::Illegal {
            file: self.dir.path(&segment::name(first_seq)),
            line,
            cause,
        })?;
        (self.on_record)(&self.state, record);
        Ok(())
    }

    fn damaged(&self, first_seq: u64, line: u64, problem: String, bytes: &[u8]) -> JournalError {
        let name = segment::name(first_seq);
        // The damage matters more than why it could not be copied.
        let copy = self.dir.keep_copy(&name, bytes).ok();
        JournalError::Damaged { file: self.dir.path(&name), line, problem, copy }
    }

    /// What is acknowledged or in a snapshot must be in the segments, too.
    fn check_acknowledged(&self, known: u64) -> Result<(), JournalError> {
        let last = self.next - 1;
        let (to, problem) = if self.state.seq > last {
            (self.state.seq, "a snapshot was taken after them".to_owned())
        } else if known > last {
            let file = self.dir.path(acknowledged::NAME);
            (known, format!("{} says that they were on disk", file.display()))
        } else {
            return Ok(());
        };
        Err(JournalError::Missing {
            dir: self.dir.path(""),
            from: last + 1,
            to,
            problem,
            remedy: format!(
                "restore the journal from a backup, or remove {} to go on without them",
                if known > last { acknowledged::NAME } else { "the snapshots" }
            ),
        })
    }
}

/// Mends the end of the newest segment and makes the journal ready to be appended to.
fn finish(
    replay: Replay<'_>,
    newest: Option<Newest>,
    mut notes: Vec<String>,
) -> Result<Opened, JournalError> {
    let Replay { dir, state, epoch, .. } = replay;
    let newest = match newest {
        Some(newest) => mend(&dir, newest, &mut notes)?,
        None => {
            let first_seq = state.seq + 1;
            let file = dir.create_segment(&segment::name(first_seq))?;
            Newest { file, first_seq, len: 0, tail: Tail::Clean }
        }
    };
    let shared = Shared::begin(&dir, state.seq)?;
    let journal = Journal {
        dir,
        segment: Arc::new(newest.file),
        first_seq: newest.first_seq,
        len: newest.len,
        size: newest.len,
        last_seq: state.seq,
        epoch: epoch.max(state.epoch),
        snapshot_at: SEGMENT_BYTES,
        shared: Arc::new(shared),
    };
    Ok(Opened { journal, state, notes })
}

fn mend(dir: &Dir, newest: Newest, notes: &mut Vec<String>) -> Result<Newest, JournalError> {
    let path = dir.path(&segment::name(newest.first_seq));
    let fail = |cause| files::error("mend", path.clone(), cause);
    let mut len = newest.len;
    match newest.tail {
        Tail::Clean => return Ok(newest),
        Tail::Torn(bytes) => {
            newest.file.set_len(len).map_err(fail)?;
            notes.push(format!(
                "{}: cut {bytes} bytes of a last line that was never whole; nobody had been told \
                 of what it said",
                path.display()
            ));
        }
        Tail::Unterminated => {
            newest.file.set_len(len).map_err(fail)?;
            files::append(&newest.file, b"\n").map_err(|(_, cause)| fail(cause))?;
            len += 1;
            notes.push(format!("{}: ended a last line that lacked its newline", path.display()));
        }
    }
    files::sync_file(&newest.file, path.clone())?;
    Ok(Newest { len, tail: Tail::Clean, ..newest })
}
