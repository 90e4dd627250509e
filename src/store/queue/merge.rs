//! What one writer changed, carried over into the version of another.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

use super::text::{EntryKey, QueueText};
use crate::domain::read::json::{JsonError, Scanner};

/// The fields that Baton sets; in its entries they are nobody else's.
const OUR_FIELDS: [&str; 8] = [
    "id",
    "status",
    "assigned_to",
    "orchestration_id",
    "completed_at",
    "result",
    "error",
    "updated_at",
];

/// What is remembered of a version: which entries it had, and a checksum of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Baseline {
    /// By hash of what identifies the entry.
    entries: Vec<(u64, u32)>,
}

/// How a version is carried over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carry {
    /// It is the older one: where both changed an entry, the version that is there is right.
    Older,
    /// It is the newer one: where both changed an entry its fields are right, but for ours.
    Newer,
    /// It was carried over before, and what is there may come from a version that lacked it.
    /// Entries without an id are left out: they may be there under an id by now.
    Again,
}

impl Baseline {
    /// Remembers a version.
    pub(super) fn of(queue: &QueueText<'_>) -> Self {
        let mut entries: Vec<(u64, u32)> = queue
            .keyed()
            .iter()
            .map(|(key, entry)| (hash(key), crc32c::crc32c(queue.bytes(entry).as_bytes())))
            .collect();
        entries.sort_unstable();
        Self { entries }
    }

    fn get(&self, key: &EntryKey<'_>) -> Option<u32> {
        let hash = hash(key);
        let at = self.entries.binary_search_by_key(&hash, |(hash, _)| *hash).ok()?;
        Some(self.entries[at].1)
    }
}

/// Carries what `from` has beyond `base` over into `onto`, and returns the text that makes.
///
/// Entries that `from` lacks stay: whoever wrote `onto` saw them.
pub(super) fn carry(
    base: &Baseline,
    from: &QueueText<'_>,
    onto: &QueueText<'_>,
    how: Carry,
) -> Result<String, JsonError> {
    let there: std::collections::HashMap<_, _> = onto.keyed().into_iter().collect();
    let (mut new, mut instead, mut fields) = (Vec::new(), Vec::new(), Vec::new());
    for (key, entry) in from.keyed() {
        let text = from.bytes(entry);
        let before = base.get(&key);
        if before == Some(crc32c::crc32c(text.as_bytes())) {
            continue;
        }
        match there.get(&key) {
            None if how == Carry::Again && entry.id.is_none() => {}
            None if before.is_none() => new.push(text),
            // It was there, and whoever wrote `onto` removed it.
            None => {}
            Some(theirs) => {
                let now = crc32c::crc32c(onto.bytes(theirs).as_bytes());
                if before == Some(now) {
                    instead.push((theirs.span.clone(), text));
                } else if how == Carry::Newer {
                    fields.push((theirs.span.start, foreign_fields(text)?));
                }
            }
        }
    }
    onto.carrying(&new, &instead, &fields)
}

fn foreign_fields(entry: &str) -> Result<Map<String, Value>, JsonError> {
    let mut fields = Map::new();
    Scanner::new(entry).object(&mut |scanner, key| {
        if OUR_FIELDS.contains(&key.name.as_ref()) {
            scanner.skip()?;
        } else {
            let value = scanner.value()?;
            fields.insert(key.name.clone().into_owned(), value);
        }
        Ok(())
    })?;
    Ok(fields)
}

fn hash(key: &EntryKey<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
