//! Snapshots: the state as it was after one event, so that a start need not read all of history.

//!
//! The first line holds all but tasks and runs, and how many parts follow; each part is a line of
//! a few hundred tasks and runs. All have checksums, and parts are read by all processors at once.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::panic::resume_unwind;

use serde::{Deserialize, Serialize};

use super::files::Dir;
use super::line::{self, LineError};
use super::{JournalError, segment};
use crate::domain::State;
use crate::domain::ids::{OrchestrationId, TaskId};
use crate::domain::plan::Orchestration;
use crate::domain::task::Task;

/// The version of the snapshot's own format, which changes whenever the state does.
const SNAPSHOT_SCHEMA: u64 = 1;
/// How many snapshots are kept.
const KEPT: usize = 2;
const NAME_PREFIX: &str = "snapshot-";
const NAME_ENDING: &str = ".json";
/// Tasks, or runs, in one part.
const PART_ENTRIES: usize = 256;
/// More threads than this wait for memory, not for each other.
const READERS_MAX: usize = 8;

#[derive(Serialize, Deserialize)]
struct Head {
    schema: u64,
    seq: u64,
    parts: usize,
    state: State,
}

#[derive(Serialize, Default)]
struct WrittenPart<'a> {
    tasks: Vec<(&'a TaskId, &'a Task)>,
    runs: Vec<(&'a OrchestrationId, &'a Orchestration)>,
}

#[derive(Deserialize)]
struct Part {
    tasks: Vec<(TaskId, Task)>,
    runs: Vec<(OrchestrationId, Orchestration)>,
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
    dir.put(&name(state.seq), |file| fill(file, state))
}

fn fill(file: &File, state: &State) -> io::Result<()> {
    let parts = [state.tasks.len(), state.orchestrations.len()]
        .map(|n| n.div_ceil(PART_ENTRIES))
        .iter()
        .sum();
    let head = state.without_tasks_and_runs();
    let mut out = Lines { out: BufWriter::new(file), line: Vec::new() };
    out.write(&Head { schema: SNAPSHOT_SCHEMA, seq: state.seq, parts, state: head })?;
    let tasks: Vec<_> = state.tasks.iter().collect();
    for tasks in tasks.chunks(PART_ENTRIES) {
        out.write(&WrittenPart { tasks: tasks.to_vec(), ..WrittenPart::default() })?;
    }
    let runs: Vec<_> = state.orchestrations.iter().collect();
    for runs in runs.chunks(PART_ENTRIES) {
        out.write(&WrittenPart { runs: runs.to_vec(), ..WrittenPart::default() })?;
    }
    out.out.flush()
}

/// Writes checksummed lines.
struct Lines<W: Write> {
    out: BufWriter<W>,
    line: Vec<u8>,
}

impl<W: Write> Lines<W> {
    fn write(&mut self, content: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        line::encode_into(content, &mut self.line);
        self.out.write_all(&self.line)
    }
}

/// Reads the newest snapshot that can be read; notes say which could not, and why.
pub(super) fn newest(
    dir: &Dir,
    names: &[String],
    notes: &mut Vec<String>,
) -> Result<State, JournalError> {
    first_readable(dir, names, |name, bytes, error| {
        let path = dir.path(name);
        notes.push(match error {
            LineError::Form | LineError::Checksum | LineError::Empty => format!(
                "{} is damaged: {error}; it was moved to {} and the state was built from what is \
                 older",
                path.display(),
                dir.set_aside(name, bytes)?.display()
            ),
            LineError::Json(_) | LineError::Newer { .. } => format!(
                "{} is of another version ({error}); the state was built from what is older",
                path.display()
            ),
        });
        Ok(())
    })
}

/// Reads the newest snapshot that can be read, and leaves everything as it is.
pub(super) fn readable(dir: &Dir) -> Result<State, JournalError> {
    first_readable(dir, &dir.names()?, |_, _, _| Ok(()))
}

/// Reads the newest snapshot that can be read, and says of each newer one why it cannot; one of a
/// newer version of Baton ends the search.
fn first_readable(
    dir: &Dir,
    names: &[String],
    mut unreadable: impl FnMut(&str, &[u8], &LineError) -> Result<(), JournalError>,
) -> Result<State, JournalError> {
    for seq in newest_first(names) {
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
            Err(error) => unreadable(&name, &bytes, &error)?,
        }
    }
    Ok(State::default())
}

fn newest_first(names: &[String]) -> Vec<u64> {
    let mut seqs: Vec<u64> = names.iter().filter_map(|name| seq_of(name)).collect();
    seqs.sort_unstable_by(|a, b| b.cmp(a));
    seqs
}

fn decode(bytes: &[u8], seq: u64) -> Result<State, LineError> {
    let text = bytes.strip_suffix(b"\n").ok_or(LineError::Form)?;
    let mut lines = text.split(|byte| *byte == b'\n');
    let json = line::checked(lines.next().unwrap_or_default())?;
    let schema = line::schema_of(json)?;
    if schema > SNAPSHOT_SCHEMA {
        return Err(LineError::Newer { schema });
    }
    let Head { seq: head_seq, parts: parts_count, mut state, .. } = serde_json::from_slice(json)?;
    let parts: Vec<&[u8]> = lines.collect();
    // Bytes that are right under a name that is not, or an end that is missing.
    if head_seq != seq || state.seq != seq || parts.len() != parts_count {
        return Err(LineError::Form);
    }
    let (mut tasks, mut runs) = (Vec::new(), Vec::new());
    for part in decode_parts(&parts) {
        let part = part?;
        tasks.extend(part.tasks);
        runs.extend(part.runs);
    }
    state.tasks = tasks.into_iter().collect();
    state.orchestrations = runs.into_iter().collect();
    Ok(state)
}

/// Decodes parts on all processors and returns them in order.
fn decode_parts(parts: &[&[u8]]) -> Vec<Result<Part, LineError>> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let share = parts.len().div_ceil(processors.min(READERS_MAX)).max(1);
    let decode =
        |parts: &[&[u8]]| -> Vec<_> { parts.iter().map(|part| line::decode_as(part)).collect() };
    let Some((own, others)) = parts.split_at_checked(share) else { return decode(parts) };
    std::thread::scope(|scope| {
        let threads: Vec<_> = others
            .chunks(share)
            .map(|parts| {
                let thread = std::thread::Builder::new().name("snapshot-decode".into());
                (parts, thread.spawn_scoped(scope, move || decode(parts)))
            })
            .collect();
        let mut decoded = decode(own);
        for (parts, thread) in threads {
            decoded.extend(match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // The system gives no thread: then here.
                Err(_) => decode(parts),
            });
        }
        decoded
    })
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
