//! Putting a new version in place without losing what others do at the same moment.

use super::late::Kept;
use super::merge::{Baseline, Carry, carry};
use super::{LENGTH_MAX, QueueError, busy, decode, like, parse, patched};
use crate::domain::document::QueuePatch;
use crate::store::{Exchanged, Store, layout};

/// After so many writers were faster, the rest is left to [`super::collect_late`].
const ROUNDS_MAX: u32 = 8;

/// What a new version has that the version before had not.
pub(super) enum Change<'a> {
    /// Our fields; they can be set in any version.
    Ours(&'a [QueuePatch]),
    /// What another writer did.
    Carried,
}

/// Puts `want` in place of `expected`, and then whatever follows from what others did meanwhile.
/// Returns the versions that were replaced.
pub(super) fn put(
    store: &Store,
    mut expected: Vec<u8>,
    mut want: Vec<u8>,
    change: &Change<'_>,
) -> Result<Vec<Kept>, QueueError> {
    let mut kept: Vec<Kept> = Vec::new();
    for round in 0..ROUNDS_MAX {
        let step = match exchange(store, &expected, &want) {
            Ok(step) => step,
            // What came out before is still to be merged, so it must not be forgotten.
            Err(_) if !kept.is_empty() => break,
            Err(error) => return Err(error),
        };
        let Step::Out { place, bytes: out } = step else { break };
        if let Some(before) = kept.last_mut() {
            before.is_merged();
        }
        if out == expected {
            kept.push(Kept::merged(place, &out));
            break;
        }
        let is_first = round == 0;
        let Ok(next) = merged(&expected, &want, &out, change, is_first) else {
            // A writer is in the middle of it.
            kept.push(Kept::unmerged(place, &expected, &out));
            break;
        };
        kept.push(Kept::unmerged(place, &expected, &out));
        expected = std::mem::replace(&mut want, next);
        if want == expected {
            if let Some(last) = kept.last_mut() {
                last.is_merged();
            }
            break;
        }
    }
    store.sync_parent(layout::TASK_QUEUE)?;
    Ok(kept)
}

/// Returns `out` with everything that `want` has beyond `expected`.
fn merged(
    expected: &[u8],
    want: &[u8],
    out: &[u8],
    change: &Change<'_>,
    is_first: bool,
) -> Result<Vec<u8>, QueueError> {
    let carried = match change {
        Change::Ours(_) if is_first => out.to_vec(),
        Change::Ours(_) | Change::Carried => {
            let (base, from) = (parse(decode(expected)?)?, parse(decode(want)?)?);
            let text = decode(out)?;
            let onto = parse(text)?;
            let carried = carry(&Baseline::of(&base), &from, &onto, Carry::Older)
                .map_err(|error| busy(error, text))?;
            like(out, &carried)
        }
    };
    match change {
        Change::Ours(patches) => patched(&carried, patches),
        Change::Carried => Ok(carried),
    }
}

/// What came of one exchange.
enum Step {
    /// What was there has this other name now.
    Out { place: Place, bytes: Vec<u8> },
    /// The queue was removed: there is nothing to put a version in place of.
    Gone,
}

/// Where a version is that was replaced.
#[derive(Debug)]
pub(super) enum Place {
    /// In a file of this name.
    Path(String),
    /// In a file without a name.
    Open(std::fs::File),
}

fn exchange(store: &Store, expected: &[u8], want: &[u8]) -> Result<Step, QueueError> {
    let path = Kept::path(expected);
    store.stage(&path, layout::TASK_QUEUE, want)?;
    match store.exchange(&path, layout::TASK_QUEUE) {
        Ok(Exchanged::Done) => {}
        Ok(Exchanged::Missing) => {
            store.remove(&path)?;
            return Ok(Step::Gone);
        }
        Ok(Exchanged::Unsupported) => {
            store.remove(&path)?;
            return replace(store, expected, want);
        }
        Err(error) => {
            store.remove(&path)?;
            return Err(error.into());
        }
    }
    match store.read(&path, LENGTH_MAX) {
        Ok(Some(out)) => Ok(Step::Out { place: Place::Path(path), bytes: out.bytes }),
        Ok(None) => Ok(Step::Gone),
        // Something that is no queue was put there just now: it goes back to its place.
        Err(error) => {
            if store.exchange(&path, layout::TASK_QUEUE)? == Exchanged::Done {
                store.remove(&path)?;
            }
            Err(error.into())
        }
    }
}

/// Replaces the queue where files cannot be exchanged: looks just before, and holds on to the file
/// that loses its name.
fn replace(store: &Store, expected: &[u8], want: &[u8]) -> Result<Step, QueueError> {
    let Some(file) = store.open_file(layout::TASK_QUEUE)? else { return Ok(Step::Gone) };
    let Some(now) = store.read(layout::TASK_QUEUE, LENGTH_MAX)? else { return Ok(Step::Gone) };
    if now.bytes == expected {
        store.replace_durable(layout::TASK_QUEUE, want)?;
        return Ok(Step::Out { place: Place::Open(file), bytes: now.bytes });
    }
    Err(QueueError::Busy { problem: "another writer was faster".into() })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests are the other writers")]

    use std::io::Write;

    use super::super::collect_late;
    use super::*;
    use crate::domain::moment::BootId;
    use crate::domain::{Moment, Timestamp};

    #[test]
    fn where_files_cannot_be_exchanged_late_bytes_are_found_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let queue = dir.path().join(layout::TASK_QUEUE);
        let before = br#"[{"id":"a"}]"#;
        std::fs::write(&queue, br#"[{"id":"b"}]"#).unwrap();
        let refused = replace(&store, before, b"[]");
        assert!(matches!(refused, Err(QueueError::Busy { .. })), "another was faster");
        assert_eq!(std::fs::read(&queue).unwrap(), br#"[{"id":"b"}]"#);
        std::fs::write(&queue, before).unwrap();
        let mut late = std::fs::OpenOptions::new().write(true).open(&queue).unwrap();
        let want = br#"[{"id":"a","s":1}]"#;
        let Step::Out { place, bytes } = replace(&store, before, want).unwrap() else {
            panic!("it is there")
        };
        let mut kept = vec![Kept::merged(place, &bytes)];
        late.write_all(br#"[{"id":"a"},{"id":"c"}]"#).unwrap();
        let now = Moment { boot: BootId(1), boottime_ms: 0, wall: Timestamp::from_ms(0) };
        assert_eq!(collect_late(&store, &mut kept, now).unwrap(), 1);
        let text = std::fs::read_to_string(&queue).unwrap();
        assert_eq!(text, r#"[{"id":"a","s":1},{"id":"c"}]"#);
        std::fs::remove_file(&queue).unwrap();
        assert!(matches!(replace(&store, want, b"[]"), Ok(Step::Gone)));
    }
}
