//! `worker-specs/active/`: whether what stands there can be read.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Intake, Look, Patience, Seen, Verdict};
use crate::domain::Problem;
use crate::domain::read::json;
use crate::store::{Entry, EntryKind, ReadError, digest, layout};

/// A longer spec is refused unread: 16 MiB.
const LENGTH_MAX: u64 = 16 << 20;
/// A file that was changed less long ago may change again without its time showing it.
const TIME_STEP_MS: i64 = 2_000;

/// Looks at the specs of live workers.
#[derive(Debug, Default)]
pub struct WorkerSpecs {
    patience: Patience,
    /// Files about which there was nothing more to tell: inode, length and time of change.
    told: BTreeMap<String, (u64, u64, i64)>,
}

impl Intake for WorkerSpecs {
    fn name(&self) -> &'static str {
        "worker_specs"
    }

    fn watches(&self) -> &'static [&'static str] {
        &[layout::SPECS_ACTIVE]
    }

    fn look(&mut self, look: &Look<'_>) -> Seen {
        let mut seen = Seen::default();
        let entries = match look.store.list(layout::SPECS_ACTIVE) {
            Ok(entries) => entries,
            Err(error) => {
                seen.refuse_directory(look, layout::SPECS_ACTIVE, &error);
                return seen;
            }
        };
        seen.restore(look, layout::SPECS_ACTIVE);
        let is_spec = |entry: &&Entry| {
            let name = &entry.name;
            name.ends_with(".json") && !name.starts_with('.')
        };
        let specs: BTreeMap<String, &Entry> = entries
            .iter()
            .filter(is_spec)
            .map(|entry| (format!("{}/{}", layout::SPECS_ACTIVE, entry.name), entry))
            .collect();
        seen.restore_gone(look, layout::SPECS_ACTIVE, |path| !specs.contains_key(path));
        self.patience.retain(|path| specs.contains_key(path));
        self.told.retain(|path, _| specs.contains_key(path));
        for (path, entry) in &specs {
            let mark = (entry.inode, entry.len, entry.modified_ms);
            if self.told.get(path) == Some(&mark) {
                continue;
            }
            self.told.remove(path);
            let before = (seen.inputs.len(), seen.look_again_ms);
            self.look_at(look, &mut seen, path, entry);
            let is_settled = look.now.wall.as_ms() - entry.modified_ms >= TIME_STEP_MS;
            if is_settled && before == (seen.inputs.len(), seen.look_again_ms) {
                self.told.insert(path.clone(), mark);
            }
        }
        seen
    }
}

impl WorkerSpecs {
    fn look_at(&mut self, look: &Look<'_>, seen: &mut Seen, path: &str, entry: &Entry) {
        // A pipe or a socket is not opened at all.
        let read = match entry.kind {
            EntryKind::File => look.store.read(path, LENGTH_MAX),
            EntryKind::Symlink => Err(ReadError::Symlink { path: path.to_owned() }),
            kind @ (EntryKind::Dir | EntryKind::Fifo | EntryKind::Other) => {
                Err(ReadError::NotAFile { path: path.to_owned(), kind })
            }
        };
        let content = match read {
            Ok(Some(content)) => content,
            Ok(None) => return,
            Err(error) => {
                seen.refuse(look, error.problem(), error.word(), None);
                return;
            }
        };
        match check(&content.bytes, path) {
            Ok(()) => {
                self.patience.forget(path);
                seen.restore(look, path);
            }
            Err(problem) => {
                let mark = digest(&content.bytes);
                match self.patience.judge(path, &mark, content.modified_ms, look.now) {
                    Verdict::Wait(ms) => seen.again_in(ms),
                    Verdict::Damaged => seen.refuse(look, problem, &mark, Some(&content.bytes)),
                }
            }
        }
    }
}

fn check(bytes: &[u8], path: &str) -> Result<(), Problem> {
    let spec = json::parse_json(bytes, path)?;
    let named = spec.get("worker_id").and_then(Value::as_str);
    if named.is_some_and(|id| !id.trim().is_empty()) {
        return Ok(());
    }
    Err(Problem {
        file: path.to_owned(),
        field: "worker_id".to_owned(),
        message: "the spec names no worker".to_owned(),
        remedy: "add a `worker_id`".to_owned(),
    })
}

#[cfg(test)]
mod tests;
