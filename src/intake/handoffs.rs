//! `masters/*/handoffs/`: what masters elsewhere do with the handoffs that are out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Intake, Look, Seen};
use crate::domain::ids::{AgentName, AttemptId};
use crate::domain::read;
use crate::domain::worker::{AttemptPhase, Execution};
use crate::domain::{Input, Moment, handoff};
use crate::store::{Entry, layout};

/// A longer handoff is not read: 16 MiB.
const LENGTH_MAX: u64 = 16 << 20;
/// A rename may be seen half-way by a listing: gone is what is gone this long.
const GONE_MS: u64 = 1_000;

/// Looks at handoffs that were published for masters elsewhere.
#[derive(Debug, Default)]
pub struct Handoffs {
    /// Handoffs that are gone, and since when.
    gone: BTreeMap<AttemptId, Moment>,
    /// Files that were read and not taken: inode, length and time of change.
    untaken: BTreeMap<AttemptId, (u64, u64, i64)>,
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
        let mut folders: BTreeMap<AgentName, Option<Vec<Entry>>> = BTreeMap::new();
        let mut out: BTreeSet<&AttemptId> = BTreeSet::new();
        for id in look.state.live_attempts() {
            let Some((run, position, attempt)) = look.state.attempt(id) else { continue };
            let is_out = matches!(attempt.phase, AttemptPhase::Published { .. });
            if !is_out || attempt.execution != Execution::External {
                continue;
            }
            out.insert(id);
            let agent = &attempt.agent;
            let folder = folders
                .entry(agent.clone())
                .or_insert_with(|| look.store.list(&layout::handoffs(agent)).ok());
            // A folder that cannot be listed says nothing about what is in it.
            let Some(folder) = folder else { continue };
            let subtask_id = &run.plan.subtasks[position].subtask_id;
            let path = handoff::handoff_path(run.kind, attempt, subtask_id);
            self.look_at(look, &mut seen, id, &path, folder);
        }
        self.gone.retain(|id, _| out.contains(id));
        self.untaken.retain(|id, _| out.contains(id));
        seen
    }
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
            if self.is_marked_as_taken(look, id, path, entry) {
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
        id: &AttemptId,
        path: &str,
        entry: &Entry,
    ) -> bool {
        let mark = (entry.inode, entry.len, entry.modified_ms);
        if self.untaken.get(id) == Some(&mark) {
            return false;
        }
        let Ok(Some(content)) = look.store.read(path, LENGTH_MAX) else { return false };
        let Ok(handoff) = read::parse_json(&content.bytes, path) else { return false };
        let status = handoff.get("status").and_then(Value::as_str).unwrap_or_default();
        let is_taken = status.trim().eq_ignore_ascii_case("processed");
        // One that was changed just now may change again without its time showing it.
        if !is_taken && look.now.wall.as_ms() - entry.modified_ms >= 2_000 {
            self.untaken.insert(id.clone(), mark);
        }
        is_taken
    }
}

#[cfg(test)]
mod tests;
