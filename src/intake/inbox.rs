//! `inbox/`: the drop box. Files are claimed by renaming them, read, and told.

use super::{Intake, Look, Patience, STABLE_MS, Seen, Verdict};
use crate::domain::ids::ClaimId;
use crate::domain::read;
use crate::domain::{Input, Problem};
use crate::store::{
    Entry, EntryKind, FileContent, ReadError, Renamed, Store, StoreError, digest, layout,
};

mod classify;
mod settle;

use classify::{Form, classify};
pub use settle::{SettleError, settle};

/// A longer file is refused unread: 16 MiB.
pub const LENGTH_MAX: u64 = 16 << 20;
/// So many files are taken in one look; the rest follows in the next.
const BATCH_MAX: usize = 1_000;
/// A text shows not whether it is whole: it is taken when it was left alone this long.
const TEXT_STABLE_MS: u64 = 100;
/// When the directory itself cannot be used it is tried again after this: no change in it would tell
/// that a descriptor or a block is free again.
const TROUBLE_AGAIN_MS: u64 = 2_000;
/// Ending of the file beside a claimed one that holds the name it was dropped as.
const NAME_ENDING: &str = ".name";
const NAME_LENGTH_MAX: u64 = 4_096;
/// Names of files that are still being written by somebody.
const TEMPORARY_ENDINGS: [&str; 7] =
    [".tmp", ".lock", ".swp", ".part", ".partial", ".crdownload", "~"];
/// What stands where the digest of an `inbox/` that cannot be used would.
const WORLD_WRITABLE: &str = "world-writable";
const CANNOT_CLAIM: &str = "cannot-claim";

/// Looks into `inbox/`.
#[derive(Debug, Default)]
pub struct Inbox {
    patience: Patience,
}

impl Intake for Inbox {
    fn name(&self) -> &'static str {
        "inbox"
    }

    fn watches(&self) -> &'static [&'static str] {
        &[layout::INBOX]
    }

    fn look(&mut self, look: &Look<'_>) -> Seen {
        let mut seen = Seen::default();
        let told = look.state.quarantined.get(layout::INBOX).map(|told| told.digest.as_str());
        if look.store.is_world_writable(layout::INBOX) {
            let problem = directory_problem(
                "everybody may write into it, so nothing is taken from it".into(),
                "take that right away: chmod o-w inbox",
            );
            seen.refuse(look, problem, WORLD_WRITABLE, None);
            return seen;
        }
        let entries = match look.store.list(layout::INBOX) {
            Ok(entries) => entries,
            Err(error) => {
                seen.refuse_directory(look, layout::INBOX, &error);
                seen.again_in(TROUBLE_AGAIN_MS);
                return seen;
            }
        };
        if told.is_some_and(|told| told != CANNOT_CLAIM) {
            seen.restore(look, layout::INBOX);
        }
        tell_claimed(look, &mut seen);
        let is_there = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or_default();
            entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).is_ok()
        };
        seen.restore_gone(look, layout::INBOX, |path| !is_there(path));
        self.patience.retain(is_there);
        for entry in &entries {
            if seen.inputs.len() >= BATCH_MAX {
                seen.again_in(0);
                break;
            }
            if !self.take(look, &mut seen, entry) {
                break;
            }
        }
        seen
    }
}

impl Inbox {
    /// Claims and tells one file if it is ready. False when nothing can be claimed at all.
    fn take(&mut self, look: &Look<'_>, seen: &mut Seen, entry: &Entry) -> bool {
        let name = &entry.name;
        let path = format!("{}/{name}", layout::INBOX);
        let is_ours = entry.kind == EntryKind::Dir
            && [layout::ACCEPTED, layout::REJECTED].contains(&path.as_str());
        let is_temporary = TEMPORARY_ENDINGS.iter().any(|ending| name.ends_with(ending));
        if name.starts_with('.') || is_temporary || is_ours {
            return true;
        }
        if entry.kind != EntryKind::File {
            let error = match entry.kind {
                EntryKind::Symlink => ReadError::Symlink { path },
                kind @ (EntryKind::File | EntryKind::Dir | EntryKind::Fifo | EntryKind::Other) => {
                    ReadError::NotAFile { path, kind }
                }
            };
            seen.refuse(look, error.problem(), error.word(), None);
            return true;
        }
        let (mark, stable_ms) = match look.store.read(&path, LENGTH_MAX) {
            Ok(None) => return true,
            Ok(Some(content)) => {
                seen.restore(look, &path);
                (digest(&content.bytes), stable_after_ms(name, &content))
            }
            Err(ReadError::TooLarge { len, .. }) => (len.to_string(), Some(STABLE_MS)),
            Err(error) => {
                seen.refuse(look, error.problem(), error.word(), None);
                return true;
            }
        };
        if let Some(stable_ms) = stable_ms {
            let modified_ms = entry.modified_ms;
            let verdict = self.patience.judge_after(stable_ms, &path, &mark, modified_ms, look.now);
            if let Verdict::Wait(ms) = verdict {
                seen.again_in(ms.min(stable_ms));
                return true;
            }
        }
        self.patience.forget(&path);
        match claim(look.store, name, &path) {
            Ok(Some(claim)) => {
                let told = look.state.quarantined.get(layout::INBOX);
                if told.is_some_and(|told| told.digest == CANNOT_CLAIM) {
                    seen.restore(look, layout::INBOX);
                }
                seen.inputs.extend(read_claimed(look, claim, name));
                true
            }
            Ok(None) => true,
            Err(error) => {
                let problem = directory_problem(
                    format!("nothing can be taken from it: {error}"),
                    "let the daemon's user write into it",
                );
                seen.refuse(look, problem, CANNOT_CLAIM, None);
                seen.again_in(TROUBLE_AGAIN_MS);
                false
            }
        }
    }
}

/// Returns for how long a file must be left alone before it is taken; `None` when it is whole
/// beyond doubt.
fn stable_after_ms(name: &str, content: &FileContent) -> Option<u64> {
    match Form::of(name) {
        Form::Json => match read::parse_json(&content.bytes, name) {
            Ok(_) => None,
            Err(_) => Some(STABLE_MS),
        },
        Form::Text if content.bytes.iter().all(u8::is_ascii_whitespace) => Some(STABLE_MS),
        Form::Text => Some(TEXT_STABLE_MS),
        Form::Unknown => Some(STABLE_MS),
    }
}

/// Renames a file to a claim of its own. `None` when it is gone.
fn claim(store: &Store, name: &str, path: &str) -> Result<Option<ClaimId>, StoreError> {
    let claim = uuid::Uuid::new_v4().simple().to_string();
    let claim = ClaimId::parse(&claim).expect("32 hex digits are a claim id");
    let claimed = layout::claimed(&claim);
    // The name first: after a crash between the two it would be lost.
    store.publish(&format!("{claimed}{NAME_ENDING}"), name.as_bytes(), false)?;
    match store.rename(path, &claimed) {
        Ok(Renamed::Done) => Ok(Some(claim)),
        other => {
            store.remove(&format!("{claimed}{NAME_ENDING}"))?;
            other.map(|_| None)
        }
    }
}

/// Tells files again that were claimed and of which nothing is known: there was a crash between.
fn tell_claimed(look: &Look<'_>, seen: &mut Seen) {
    let entries = look.store.list(layout::CLAIMED).unwrap_or_default();
    for entry in &entries {
        if let Some(claim) = entry.name.strip_suffix(NAME_ENDING) {
            let is_alone =
                entries.binary_search_by(|other| other.name.as_str().cmp(claim)).is_err();
            if is_alone {
                // A leftover is in nobody's way.
                let _ = look.store.remove(&format!("{}/{}", layout::CLAIMED, entry.name));
            }
            continue;
        }
        let Ok(claim) = ClaimId::parse(&entry.name) else { continue };
        if look.state.claims.contains_key(&claim) {
            continue;
        }
        if seen.inputs.len() >= BATCH_MAX {
            seen.again_in(0);
            return;
        }
        let name = settle::dropped_name(look.store, &claim);
        let name = name.unwrap_or_else(|| entry.name.clone());
        seen.inputs.extend(read_claimed(look, claim, base_name(&name)));
    }
}

/// Reads a claimed file. `None` when it is gone.
fn read_claimed(look: &Look<'_>, claim: ClaimId, name: &str) -> Option<Input> {
    let file = format!("{}/{name}", layout::INBOX);
    match look.store.read(&layout::claimed(&claim), LENGTH_MAX) {
        Ok(None) => None,
        Ok(Some(content)) => Some(classify(look, claim, name, &file, &content)),
        Err(error) => {
            let problem = Problem { file, ..error.problem() };
            Some(Input::DropRefused { claim, problem })
        }
    }
}

/// Returns the last part of a path, so that no name leads elsewhere.
fn base_name(name: &str) -> &str {
    match name.rsplit('/').next() {
        None | Some("" | "." | "..") => "unnamed",
        Some(base) => base,
    }
}

fn directory_problem(message: String, remedy: &str) -> Problem {
    let (file, field) = (layout::INBOX.to_owned(), String::new());
    Problem { file, field, message, remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests;
