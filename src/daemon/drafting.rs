//! `orchestrator/drafting/{task_id}`: there while the plan of a task is being drafted.
//!
//! A planner that takes the whole process down leaves no word behind but this file: the next
//! start knows by it whose draft that was, and sets a task aside that did so again and again. What
//! ends in an orderly way removes the files; those from before a reboot tell of no crash of ours, and
//! neither do those of drafts that only waited for somebody outside.

use serde::{Deserialize, Serialize};

use super::error::Chain;
use crate::clock;
use crate::domain::Input;
use crate::domain::ids::TaskId;
use crate::domain::moment::BootId;
use crate::drafter;
use crate::store::{Store, layout};

/// Nothing that we write there is longer.
const FILE_BYTES_MAX: u64 = 4 * 1024;

/// What a marker says.
#[derive(Debug, Serialize, Deserialize)]
struct Drafting {
    /// `baton/drafting@1`
    schema: String,
    task_id: TaskId,
    /// The boot in which the draft was begun.
    boot_id: BootId,
    /// The epoch of the daemon that began it.
    epoch: u64,
    /// While an answer from outside is waited for: what marks the processes that are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
}

/// Marks that a draft is being made. Without the mark, for want of room, it is made all the same.
pub(super) fn begin(store: &Store, task_id: &TaskId, epoch: u64) {
    mark(store, task_id, epoch, None);
}

/// Marks that somebody outside is asked, by processes that bear the mark `waits_for`.
pub(super) fn wait(store: &Store, task_id: &TaskId, epoch: u64, waits_for: &str) {
    mark(store, task_id, epoch, Some(waits_for.to_owned()));
}

fn mark(store: &Store, task_id: &TaskId, epoch: u64, waits_for: Option<String>) {
    let drafting = Drafting {
        schema: "baton/drafting@1".into(),
        task_id: task_id.clone(),
        boot_id: clock::boot_id(),
        epoch,
        waits_for,
    };
    let json = serde_json::to_vec(&drafting)
        .expect("records of ours hold text and numbers and always become JSON");
    if let Err(error) = store.replace(&layout::drafting(task_id), &json) {
        tracing::debug!(error = %Chain(&error), %task_id, "cannot mark a draft");
    }
}

/// Takes the mark away, whatever came of the draft.
pub(super) fn end(store: &Store, task_id: &TaskId) {
    if let Err(error) = store.remove(&layout::drafting(task_id)) {
        tracing::warn!(error = %Chain(&error), %task_id, "cannot remove the mark of a draft");
    }
}

/// Takes every mark away: this daemon ends in an orderly way.
pub(super) fn end_all(store: &Store) {
    take(store, |_| {});
}

/// Takes what an earlier daemon left and says which drafts it died in. What it only waited for is
/// ended: it is asked anew.
pub(super) fn crashed(store: &Store) -> Vec<Input> {
    // Ended first: a start that is cut off here finds the mark again.
    let end_asked = |drafting: &Drafting| {
        if let Some(mark) = &drafting.waits_for {
            drafter::end_marked(mark);
        }
    };
    let is_crash =
        |drafting: &Drafting| drafting.boot_id == clock::boot_id() && drafting.waits_for.is_none();
    take(store, end_asked)
        .into_iter()
        .filter(is_crash)
        .map(|drafting| Input::DraftCrashed { task_id: drafting.task_id })
        .collect()
}

/// Removes every marker, once `before` has seen it, and returns what they say. One that cannot be removed is told of again at
/// the next start, which is why it does not count.
fn take(store: &Store, before: impl Fn(&Drafting)) -> Vec<Drafting> {
    let entries = match store.list(layout::DRAFTING) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "cannot look for drafts that were cut off");
            return Vec::new();
        }
    };
    let take_one = |name: &str| {
        let path = format!("{}/{name}", layout::DRAFTING);
        let content = store.read(&path, FILE_BYTES_MAX).ok().flatten();
        let drafting = content.and_then(|content| serde_json::from_slice(&content.bytes).ok());
        drafting.iter().for_each(&before);
        if let Err(error) = store.remove(&path) {
            tracing::warn!(error = %Chain(&error), "cannot remove the mark of a draft");
            return None;
        }
        let drafting: Drafting = drafting?;
        (drafting.task_id.as_str() == name).then_some(drafting)
    };
    entries.iter().filter_map(|entry| take_one(&entry.name)).collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests leave files and processes as a crash does")]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    fn id(text: &str) -> TaskId {
        TaskId::parse(text).unwrap()
    }

    #[test]
    fn what_was_cut_off_is_told_once() {
        let (_dir, store) = store();
        assert!(crashed(&store).is_empty(), "there is no such directory yet");
        begin(&store, &id("t-1"), 3);
        begin(&store, &id("t-2"), 3);
        end(&store, &id("t-2"));
        assert_eq!(crashed(&store), [Input::DraftCrashed { task_id: id("t-1") }]);
        assert!(crashed(&store).is_empty());
        begin(&store, &id("t-1"), 4);
        end_all(&store);
        assert!(crashed(&store).is_empty());
    }

    #[test]
    fn waiting_for_somebody_outside_is_no_crash_and_what_was_asked_is_ended() {
        let (_dir, store) = store();
        let mark = drafter::new_mark();
        let mut asked = std::process::Command::new("sleep")
            .arg("1000")
            .env("BATON_DRAFT", &mark)
            .spawn()
            .unwrap();
        let folder = std::env::temp_dir().join(format!("baton-draft-{mark}"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("prompt.txt"), "private").unwrap();
        begin(&store, &id("t-1"), 1);
        wait(&store, &id("t-1"), 1, &mark);
        wait(&store, &id("t-2"), 1, "nobody");
        begin(&store, &id("t-2"), 1);
        assert_eq!(crashed(&store), [Input::DraftCrashed { task_id: id("t-2") }]);
        assert!(!asked.wait().unwrap().success(), "it was killed");
        assert!(!folder.exists(), "and its files are gone");
    }

    #[test]
    fn power_cuts_and_torn_files_are_no_crashes_of_ours() {
        let (dir, store) = store();
        begin(&store, &id("t-1"), 1);
        let path = dir.path().join(layout::drafting(&id("t-1")));
        let text = std::fs::read_to_string(&path).unwrap();
        let boot = clock::boot_id().to_string();
        std::fs::write(&path, text.replace(&boot, &BootId(7).to_string())).unwrap();
        std::fs::write(path.with_file_name("t-2"), "").unwrap();
        std::fs::write(path.with_file_name("t-3"), &text).unwrap();
        assert!(crashed(&store).is_empty());
        assert!(store.list(layout::DRAFTING).unwrap().is_empty());
    }
}
