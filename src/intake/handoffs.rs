//! `masters/*/handoffs/`: what masters elsewhere do with the handoffs that are out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Intake, Look, Patience, Seen, Verdict};
use crate::domain::ids::AttemptId;
use crate::domain::read;
use crate::domain::worker::{AttemptPhase, Execution};
use crate::domain::{Input, Moment, Problem, handoff};
use crate::store::{Entry, EntryKind, ReadError, digest, layout};

/// A longer handoff is not read: 16 MiB.
const LENGTH_MAX: u64 = 16 << 20;
/// A rename may be seen half-way by a listing: gone is what is gone this long.
const GONE_MS: u64 = 1_000;
/// What stands where the digest of a folder would into which nothing can be put.
const READ_ONLY: &str = "read-only";
/// How the path of a folder ends.
const FOLDER: &str = "/handoffs";

/// Looks at handoffs that were published for masters elsewhere.
#[derive(Debug, Default)]
pub struct Handoffs {
    /// Handoffs that are gone, and since when.
    gone: BTreeMap<AttemptId, Moment>,
    /// Files that were read and not taken: inode, length and time of change.
    untaken: BTreeMap<AttemptId, (u64, u64, i64)>,
    patience: Patience,
}

impl Intake for Handoffs {
    fn name(&self) -> &'static str {
        "handoffs"
    }

    fn watches(&self) -> &'static [&'static str] {
        &["masters/*/handoffs"]
    }

    fn look(&mut self, look: &Look<'_>) -> Seen {
        let mut seen = Seen::default();
        let mut folders = Folders::new();
        look_at_folders(look, &mut seen, &mut folders);
        let mut out: BTreeSet<&AttemptId> = BTreeSet::new();
        for id in look.state.live_attempts() {
            let Some((run, position, attempt)) = look.state.attempt(id) else { continue };
            let is_out = matches!(attempt.phase, AttemptPhase::Published { .. });
            if !is_out || attempt.execution != Execution::External {
                continue;
            }
            out.insert(id);
            let agent = &attempt.agent;
            let path = layout::handoffs(agent);
            let folder =
                folders.entry(path).or_insert_with_key(|path| list_folder(look, &mut seen, path));
            // A folder that cannot be listed says nothing about what is in it.
            let Some(folder) = folder else { continue };
            let subtask_id = &run.plan.subtasks[position].subtask_id;
            let path = handoff::handoff_path(run.kind, attempt, subtask_id);
            self.look_at(look, &mut seen, id, &path, folder);
        }
        self.gone.retain(|id, _| out.contains(id));
        self.untaken.retain(|id, _| out.contains(id));
        // Without a byte to read it is only asked whether it is there.
        let is_gone = |path: &str| match path.ends_with(FOLDER) {
            true => !folders.contains_key(path),
            false => matches!(look.store.read(path, 0), Ok(None)),
        };
        seen.restore_gone(look, layout::MASTERS, is_gone);
        seen
    }
}

/// What is in every folder that was looked at, by its path; `None` where that cannot be told.
type Folders = BTreeMap<String, Option<Vec<Entry>>>;

/// Looks whether handoffs can be put into every folder that is there, before one has to be.
fn look_at_folders(look: &Look<'_>, seen: &mut Seen, folders: &mut Folders) {
    // Where this cannot be listed, the folders below are looked at one by one.
    let masters = look.store.list(layout::MASTERS).unwrap_or_default();
    let could_be =
        |entry: &&Entry| entry.kind == EntryKind::Dir || entry.kind == EntryKind::Symlink;
    for master in masters.iter().filter(could_be) {
        let path = format!("{}/{}{FOLDER}", layout::MASTERS, master.name);
        let folder = list_folder(look, seen, &path);
        folders.insert(path, folder);
    }
}

fn list_folder(look: &Look<'_>, seen: &mut Seen, path: &str) -> Option<Vec<Entry>> {
    let entries = match look.store.list(path) {
        Ok(entries) => entries,
        Err(error) => {
            seen.refuse_directory(look, path, &error);
            return None;
        }
    };
    if look.store.may_write_into(path) {
        seen.restore(look, path);
    } else {
        let problem = Problem {
            file: path.to_owned(),
            field: String::new(),
            message: "no handoff can be put into it: the daemon's user may not write there".into(),
            remedy: "let the daemon's user write into it".into(),
        };
        seen.refuse(look, problem, READ_ONLY, None);
    }
    Some(entries)
}

impl Handoffs {
    fn look_at(
        &mut self,
        look: &Look<'_>,
        seen: &mut Seen,
        id: &AttemptId,
        path: &str,
        folder: &[Entry],
    ) {
        let name = path.rsplit('/').next().unwrap_or(path);
        let find = |ending: &str| {
            let name = format!("{name}{ending}");
            folder.binary_search_by(|entry| entry.name.cmp(&name)).ok().map(|at| &folder[at])
        };
        let attempt_id = id.clone();
        if find(".processed").is_some() {
            seen.inputs.push(Input::HandoffTaken { attempt_id });
        } else if let Some(entry) = find("") {
            self.gone.remove(id);
            if self.is_marked_as_taken(look, seen, id, path, entry) {
                seen.inputs.push(Input::HandoffTaken { attempt_id });
            }
        } else if find(".withdrawn").is_some() {
            self.gone.remove(id);
        } else {
            let since = *self.gone.entry(id.clone()).or_insert(look.now);
            if look.now.is_past(&since, GONE_MS) {
                seen.inputs.push(Input::HandoffLost { attempt_id });
            } else {
                seen.again_in(GONE_MS);
            }
        }
    }

    /// Reads a handoff that still has its name, unless it is as it was at the last look.
    fn is_marked_as_taken(
        &mut self,
        look: &Look<'_>,
        seen: &mut Seen,
        id: &AttemptId,
        path: &str,
        entry: &Entry,
    ) -> bool {
        let mark = (entry.inode, entry.len, entry.modified_ms);
        if self.untaken.get(id) == Some(&mark) {
            return false;
        }
        let Some(is_taken) = self.read(look, seen, path) else { return false };
        // One that was changed just now may change again without its time showing it.
        if !is_taken && look.now.wall.as_ms() - entry.modified_ms >= 2_000 {
            self.untaken.insert(id.clone(), mark);
        }
        is_taken
    }

    /// Reads whether a handoff says that it is taken; `None` when it has to be read again.
    fn read(&mut self, look: &Look<'_>, seen: &mut Seen, path: &str) -> Option<bool> {
        let content = match look.store.read(path, LENGTH_MAX) {
            Ok(content) => content?,
            // A second name is how some take a file: the first goes in a moment.
            Err(ReadError::HardLinked { .. }) => return None,
            Err(error) => {
                seen.refuse(look, error.problem(), error.word(), None);
                return Some(false);
            }
        };
        match read::parse_json(&content.bytes, path) {
            Ok(handoff) => {
                self.patience.forget(path);
                seen.restore(look, path);
                let status = handoff.get("status").and_then(Value::as_str).unwrap_or_default();
                Some(status.trim().eq_ignore_ascii_case("processed"))
            }
            Err(problem) => {
                let mark = digest(&content.bytes);
                match self.patience.judge(path, &mark, content.modified_ms, look.now) {
                    Verdict::Wait(ms) => {
                        seen.again_in(ms);
                        None
                    }
                    Verdict::Damaged => {
                        seen.refuse(look, problem, &mark, Some(&content.bytes));
                        Some(false)
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
