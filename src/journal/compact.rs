//! Snapshots: the state as it was after one event, so that a start need not read all of history.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::files::Dir;
use super::line::{self, LineError};
use super::{JournalError, segment};
use crate::domain::State;

/// The version of the snapshot's own format, which changes whenever the state does.
const SNAPSHOT_SCHEMA: u64 = 1;
/// How many snapshots are kept.
const KEPT: usize = 2;
const NAME_PREFIX: &str = "snapshot-";
const NAME_ENDING: &str = ".json";

#[derive(Serialize)]
struct Written<'a> {
    schema: u64,
    seq: u64,
    state: &'a State,
}

#[derive(Deserialize)]
struct Snapshot {
    seq: u64,
    state: State,
}

/// Returns the name of the snapshot after this event.
pub(super) fn name(seq: u64) -> String {
    format!("{NAME_PREFIX}{seq:020}{NAME_ENDING}")
}

/// Returns the number in the name of a snapshot; `None` when it is not exactly such a name.
pub(super) fn seq_of(file: &str) -> Option<u64> {
    let number = file.strip_prefix(NAME_PREFIX)?.strip_suffix(NAME_ENDING)?.parse().ok()?;
    (name(number) == file).then_some(number)
}

/// Writes a snapshot, durably.
pub(super) fn write(dir: &Dir, state: &State) -> Result<(), JournalError> {
    let content = Written { schema: SNAPSHOT_SCHEMA, seq: state.seq, state };
    dir.put(&name(state.seq), |file| fill(file, &content))
}

/// Writes a checksummed line without holding it in memory: the checksum is put in last.
fn fill(file: &File, content: &Written<'_>) -> io::Result<()> {
    let mut out = Summed { out: BufWriter::with_capacity(1 << 16, file), crc: 0 };
    out.out.write_all(b"00000000 ")?;
    serde_json::to_writer(&mut out, content)?;
    let Summed { mut out, crc } = out;
    out.write_all(b"\n")?;
    out.flush()?;
    file.write_all_at(format!("{crc:08x}").as_bytes(), 0)
}

struct Summed<W> {
    out: W,
    crc: u32,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, &bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads the newest snapshot that can be read; notes say which could not, and why.
pub(super) fn newest(
    dir: &Dir,
    names: &[String],
    notes: &mut Vec<String>,
) -> Result<State, JournalError> {
    let mut seqs: Vec<u64> = names.iter().filter_map(|name| seq_of(name)).collect();
    seqs.sort_unstable_by(|a, b| b.cmp(a));
    for seq in seqs {
        let name = name(seq);
        let Some(bytes) = dir.read(&name)? else { continue };
        match decode(&bytes, seq) {
            Ok(mut state) => {
                state.reindex();
                return Ok(state);
            }
            Err(LineError::Newer { schema }) => {
                return Err(JournalError::Newer { file: dir.path(&name), line: 1, schema });
            }
            Err(error @ (LineError::Form | LineError::Checksum | LineError::Empty)) => {
                let kept = dir.set_aside(&name, &bytes)?;
                notes.push(format!(
                    "{} is damaged: {error}; it was moved to {} and the state was built from \
                     what is older",
                    dir.path(&name).display(),
                    kept.display()
                ));
            }
            Err(error @ LineError::Json(_)) => notes.push(format!(
                "{} is of another version ({error}); the state was built from what is older",
                dir.path(&name).display()
            )),
        }
    }
    Ok(State::default())
}

fn decode(bytes: &[u8], seq: u64) -> Result<State, LineError> {
    let text = bytes.strip_suffix(b"\n").ok_or(LineError::Form)?;
    let json = line::checked(text)?;
    match line::schema_of(json)? {
        schema if schema > SNAPSHOT_SCHEMA => Err(LineError::Newer { schema }),
        _ => {
            let snapshot: Snapshot = serde_json::from_slice(json)?;
            // Bytes that are right, under a name that is not.
            let is_named_right = snapshot.seq == seq && snapshot.state.seq == seq;
            if is_named_right { Ok(snapshot.state) } else { Err(LineError::Form) }
        }
    }
}

/// Removes all snapshots but the newest.
pub(super) fn prune(dir: &Dir) -> Result<(), JournalError> {
    let names = dir.names()?;
    let snapshots: Vec<&String> = names.iter().filter(|name| seq_of(name).is_some()).collect();
    let surplus = snapshots.len().saturating_sub(KEPT);
    snapshots[..surplus].iter().try_for_each(|name| dir.remove(name))
}

/// Removes segments that lie wholly behind the oldest of the kept snapshots.
pub(super) fn gc(dir: &Dir) -> Result<Vec<String>, JournalError> {
    let names = dir.names()?;
    let snapshots: Vec<u64> = names.iter().filter_map(|name| seq_of(name)).collect();
    if snapshots.len() < KEPT {
        return Ok(Vec::new());
    }
    let behind = snapshots[0];
    let segments: Vec<u64> = names.iter().filter_map(|name| segment::first_seq(name)).collect();
    let removed: Vec<String> = segments
        .windows(2)
        .filter(|pair| pair[1] <= behind + 1)
        .map(|pair| segment::name(pair[0]))
        .collect();
    if !removed.is_empty() {
        dir.sync_file_system()?;
        removed.iter().try_for_each(|name| dir.remove(name))?;
        dir.sync()?;
    }
    Ok(removed)
}
