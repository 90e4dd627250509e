//! Everything that is derived, from a machine that is driven without a world.

mod drive;

use serde_json::{Value, json};

use super::*;
use crate::domain::input::{Input, Problem};
use crate::domain::plan::{DraftOutcome, Strategy};
use crate::domain::task::TaskSource;
use drive::{Drive, auth, chain};

/// A directory in which everything that can happen has.
fn busy() -> Drive {
    let mut drive = Drive::new();
    // One that is under way, with a retry.
    let task = drive.queue_task(0, Some("task-auth"), "Add authentication with an audit");
    drive.plan(&task, auth());
    drive.finish("auth-001-design", None);
    drive.finish("auth-002-backend", Some("exit code 2"));
    drive.begin("auth-003-frontend");
    // One routed whole and done, whose entry had no id.
    let task = drive.queue_task(1, None, "Fix the | bug\n# at once");
    drive.route(&task, "development");
    drive.finish(task.as_str(), None);
    // One that is blocked.
    let task = drive.queue_task(2, Some("task-import"), "Import the old data");
    drive.plan(&task, chain(Strategy::Sequential, "import"));
    for _ in 0..3 {
        drive.finish("import-001-build", Some("no such table: \u{1b}[31musers | \u{202e}x"));
        drive.wait();
    }
    // One of the inbox that is done, with a subtask left out.
    let task = drive.drop_task("export", "Export the data");
    drive.plan(&task, chain(Strategy::Adaptive, "export"));
    drive.finish("export-001-build", None);
    drive.command("cmd-skip", "skip", "export-002-test");
    drive.finish("export-003-document", None);
    // One that was ended while a worker was at it.
    let task = drive.queue_task(3, Some("task-prune"), "Prune the archive");
    drive.plan(&task, chain(Strategy::Staged, "prune"));
    drive.begin("prune-001-build");
    drive.command("cmd-cancel", "cancel", "task-prune");
    // One that is paused, one external, one that cannot be planned, and a command that fails.
    let task = drive.queue_task(4, Some("task-later"), "Do it later");
    drive.plan(&task, chain(Strategy::Staged, "later"));
    drive.command("cmd-pause", "pause", "task-later");
    let task = drive.queue_task(5, Some("task-scan"), "Scan the dependencies");
    drive.route(&task, "security");
    drive.begin("task-scan");
    let task = drive.queue_task(6, Some("task-vague"), "Everything");
    let (reason, remedy) = ("it names no work".into(), "say what is to be done".into());
    drive.tell(Input::Drafted { task_id: task, outcome: DraftOutcome::Refuse { reason, remedy } });
    drive.command("cmd-wrong", "explode", "task-auth");
    drive.tell(Input::TaskRefused {
        source: TaskSource::Queue { index: 7, fingerprint: "deadbeef".into(), has_id: true },
        id: Some("task-auth".into()),
        title: "twice".into(),
        problem: Problem {
            file: "task-queue.json".into(),
            field: "tasks[7].id".into(),
            message: "is there twice".into(),
            remedy: "give it another".into(),
        },
    });
    drive
}

fn json_of(drive: &Drive, path: &str) -> Value {
    let text = drive.disk.get(path).unwrap_or_else(|| panic!("no {path}"));
    assert!(text.ends_with("}\n"), "{path} has no final newline");
    serde_json::from_str(text).unwrap()
}

#[test]
fn dbg_busy() {
    let drive = busy();
    for (path, text) in &drive.disk {
        println!("==== {path}\n{text}");
    }
    for (entry, patch) in &drive.queue {
        println!("==== {entry} {}", serde_json::to_string(&patch.fields).unwrap());
    }
    println!("{}", drive.lines);
}
