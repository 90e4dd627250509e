//! `task-queue.json` under many writers while the daemon writes it all the time.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use baton::domain::State;
use baton::journal;
use serde_json::Value;

use crate::served::{Served, write_whole};

/// Every master is elsewhere, so that tasks are routed and nothing runs.
const SETTINGS: &str = "";

#[test]
fn fifty_locking_writers_lose_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut served = begin(root.path());
    let path = served.dir().join("task-queue.json");
    std::thread::scope(|scope| {
        for writer in 0..50 {
            let path = &path;
            scope.spawn(move || {
                for batch in 0..10 {
                    let tasks: Vec<String> =
                        (0..10).map(|n| task(&format!("w{writer}-b{batch}-t{n}"))).collect();
                    locked(path, || replace(path, &with_tasks(path, &tasks).unwrap()));
                }
            });
        }
    });
    check_all_are_taken(&mut served, 5_000);
}

#[test]
fn a_single_writer_that_renames_without_a_lock_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut served = begin(root.path());
    let path = served.dir().join("task-queue.json");
    for n in 0..200 {
        let text = with_tasks(&path, &[task(&format!("t{n}"))]).unwrap();
        replace(&path, &text);
    }
    check_all_are_taken(&mut served, 200);
}

#[test]
fn a_single_writer_that_rewrites_in_place_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut served = begin(root.path());
    let path = served.dir().join("task-queue.json");
    for n in 0..200 {
        let text = with_tasks(&path, &[task(&format!("t{n}"))]).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    check_all_are_taken(&mut served, 200);
}

/// With locking writers beside an unlocked one, they can overwrite each other before anybody has
/// read: what the daemon has read stays.
#[test]
fn with_both_kinds_of_writers_nothing_that_was_read_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let mut served = begin(root.path());
    let path = served.dir().join("task-queue.json");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for n in 0..25 {
                    let one = [task(&format!("locked-{writer}-{n}"))];
                    locked(path, || {
                        if let Some(text) = with_tasks(path, &one) {
                            replace(path, &text);
                        }
                    });
                }
            });
        }
        scope.spawn(|| {
            for n in 0..100 {
                if let Some(text) = with_tasks(&path, &[task(&format!("rude-{n}"))]) {
                    replace(&path, &text);
                }
            }
        });
    });
    let last = [task("last")];
    locked(&path, || replace(&path, &with_tasks(&path, &last).unwrap()));
    served.wait_for(|| status_in_queue(&path, "last").as_deref() == Some("assigned"));
    // every task that was read is in the queue again, once removals have been answered
    served.wait_for(|| {
        let queue = statuses(&path);
        let state = replayed(served.dir());
        state.tasks.values().all(|task| task.removals > 1 || queue.contains_key(task.id.as_str()))
    });
    served.stop();
}

fn begin(root: &Path) -> Served {
    let mut served = Served::new(&root.join("coordination"), SETTINGS);
    write_whole(served.dir(), "task-queue.json", b"{\n  \"tasks\": [\n  ]\n}\n");
    served.start();
    served
}

fn task(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","title":"Fix the typo in src/{id}.rs","status":"pending","kept":1.50}}"#
    )
}

/// Returns the queue with these tasks at its end; `None` when somebody is writing it.
fn with_tasks(path: &Path, tasks: &[String]) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    serde_json::from_str::<Value>(&text).ok()?;
    let end = text.rfind(']')?;
    let comma = if text[..end].trim_end().ends_with('[') { "" } else { "," };
    Some(format!(
        "{}{comma}\n    {}\n  {}",
        text[..end].trim_end(),
        tasks.join(",\n    "),
        &text[end..]
    ))
}

fn replace(path: &Path, text: &str) {
    let name = format!(".other-{:?}.tmp", std::thread::current().id());
    let temp = path.with_file_name(name);
    std::fs::write(&temp, text).unwrap();
    std::fs::rename(&temp, path).unwrap();
}

fn locked(path: &Path, act: impl FnOnce()) {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.with_file_name("task-queue.json.lock"))
        .unwrap();
    lock.lock().unwrap();
    act();
    lock.unlock().unwrap();
}

fn check_all_are_taken(served: &mut Served, wanted: usize) {
    let path = served.dir().join("task-queue.json");
    served.wait_for(|| {
        let queue = statuses(&path);
        queue.len() >= wanted && queue.values().all(|status| status == "assigned")
    });
    served.stop();
    assert_eq!(statuses(&path).len(), wanted);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("\"kept\":1.50").count(), wanted, "foreign fields are kept as written");
    let state = replayed(served.dir());
    assert_eq!(state.tasks.len(), wanted);
}

/// Reads every entry's status; asserts that no id stands twice.
fn statuses(path: &Path) -> BTreeMap<String, String> {
    let Ok(text) = std::fs::read_to_string(path) else { return BTreeMap::new() };
    let Ok(queue) = serde_json::from_str::<Value>(&text) else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for entry in queue["tasks"].as_array().unwrap() {
        let id = entry["id"].as_str().unwrap().to_owned();
        let status = entry["status"].as_str().unwrap().to_owned();
        assert!(found.insert(id.clone(), status).is_none(), "{id} stands twice");
    }
    found
}

fn status_in_queue(path: &Path, id: &str) -> Option<String> {
    statuses(path).remove(id)
}

fn replayed(dir: &Path) -> State {
    let mut state = State::default();
    for record in journal::read(&dir.join("orchestrator/journal"), 1).unwrap() {
        state.apply(&record.unwrap()).unwrap();
    }
    state
}
