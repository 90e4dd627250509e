//! What is written into `task-queue.json`.

use serde_json::{Value, json};

use super::busy;
use super::drive::{Drive, chain};
use crate::domain::document::{QueueEntryRef, QueuePatch};
use crate::domain::input::Input;
use crate::domain::plan::Strategy;
use crate::domain::task::TaskSource;

fn patch<'a>(drive: &'a Drive, id: &str) -> &'a QueuePatch {
    &drive.queue[&format!("{:?}", QueueEntryRef::Id(id.into()))]
}

fn fields(drive: &Drive, id: &str) -> Value {
    Value::Object(patch(drive, id).fields.clone())
}

#[test]
fn each_phase_has_its_words() {
    let drive = busy();
    assert_eq!(
        fields(&drive, "task-auth"),
        json!({
            "orchestration_id": "orch-task-auth",
            "status": "orchestrating",
            "updated_at": "2025-11-05T18:00:03Z",
        })
    );
    assert_eq!(
        fields(&drive, "task-scan"),
        json!({
            "assigned_to": "security",
            "status": "assigned",
            "updated_at": "2025-11-05T18:14:49Z",
        })
    );
    assert_eq!(fields(&drive, "task-import")["status"], "blocked");
    assert_eq!(
        fields(&drive, "task-prune"),
        json!({
            "orchestration_id": "orch-task-prune",
            "status": "cancelled",
            "completed_at": "2025-11-05T18:14:44Z",
            "error": "command cmd-cancel",
            "updated_at": "2025-11-05T18:14:44Z",
        })
    );
    assert_eq!(
        fields(&drive, "task-vague"),
        json!({
            "status": "rejected",
            "error": "it names no work; say what is to be done",
            "updated_at": "2025-11-05T18:14:53Z",
        })
    );
}

#[test]
fn an_entry_without_an_id_gets_one_and_a_result() {
    let drive = busy();
    let entry = QueueEntryRef::Position { index: 1, fingerprint: "00000001".into() };
    let patch = &drive.queue[&format!("{entry:?}")];
    assert_eq!(
        Value::Object(patch.fields.clone()),
        json!({
            "id": "fix-the-bug-at-once-00000001",
            "assigned_to": "development",
            "status": "completed",
            "completed_at": "2025-11-05T18:03:16Z",
            "result": {
                "kind": "work_order",
                "summary": "A work order, not the work itself: \
                            work order for fix-the-bug-at-once-00000001",
                "report": "orchestrator/completions/orch-fix-the-bug-at-once-00000001.json",
            },
            "updated_at": "2025-11-05T18:03:16Z",
        })
    );
}

#[test]
fn a_second_entry_of_the_same_id_is_refused_by_its_place() {
    let drive = busy();
    let entry = QueueEntryRef::Position { index: 7, fingerprint: "deadbeef".into() };
    let patch = &drive.queue[&format!("{entry:?}")];
    assert_eq!(patch.fields["status"], "rejected");
    assert_eq!(fields(&drive, "task-auth")["status"], "orchestrating");
}

#[test]
fn a_task_that_waits_for_its_plan_is_left_alone() {
    let mut drive = Drive::new();
    drive.queue_task(0, Some("t"), "T");
    assert!(drive.queue.is_empty());
    drive.queue_task(1, None, "Other");
    let fields: Vec<&String> = drive.queue.values().flat_map(|p| p.fields.keys()).collect();
    assert_eq!(fields, ["id", "updated_at"]);
}

#[test]
fn a_task_of_the_inbox_has_no_entry() {
    let mut drive = Drive::new();
    let task = drive.drop_task("t", "T");
    drive.route(&task, "development");
    assert!(drive.queue.is_empty());
}

#[test]
fn a_removed_task_is_put_back_whole_once() {
    let mut drive = Drive::new();
    let task = drive.queue_task(0, Some("t"), "T");
    drive.plan(&task, chain(Strategy::Staged, "t"));
    assert_eq!(patch(&drive, "t").put_back, None);
    drive.tell(Input::TaskVanished { task_id: task.clone() });
    assert_eq!(
        patch(&drive, "t").put_back,
        Some(json!({
            "id": "t",
            "title": "T",
            "type": "development",
            "priority": "medium",
            "status": "orchestrating",
            "orchestration_id": "orch-t",
            "updated_at": "2025-11-05T18:00:03Z",
        }))
    );
    drive.tell(Input::TaskReturned { task_id: task.clone() });
    assert_eq!(patch(&drive, "t").put_back, None);
    drive.tell(Input::TaskVanished { task_id: task });
    assert_eq!(patch(&drive, "t").put_back, None);
}

#[test]
fn unknown_fields_are_put_back_too() {
    let mut drive = Drive::new();
    let entry = json!({
        "id": "t", "title": "T", "status": "pending", "moe": {"expert": [1, null]}, "created_at": "soon",
    });
    let spec = crate::domain::read::task(&entry, "task-queue.json", "tasks[0]").unwrap();
    let source = TaskSource::Queue { index: 0, fingerprint: "00000000".into(), has_id: true };
    drive.tell(Input::TaskObserved { source, spec: Box::new(spec) });
    drive.tell(Input::TaskVanished { task_id: "t".parse().unwrap() });
    let put_back = patch(&drive, "t").put_back.clone().unwrap();
    for field in ["id", "title", "status", "moe", "created_at"] {
        assert_eq!(put_back[field], entry[field], "{put_back:#}");
    }
}

#[test]
fn what_an_author_says_about_failures_is_put_back_as_it_is_read() {
    let mut drive = Drive::new();
    let subtask = |id: &str, more: Value| {
        let mut subtask = json!({"subtask_id": id, "title": id, "assigned_to": "development",
            "worker_type": "implementation", "estimated_duration_minutes": 10,
            "estimated_tokens": 1000, "success_criteria": "it is there"});
        subtask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        subtask
    };
    let entry = json!({"id": "t", "title": "T", "status": "pending", "subtasks": [
        subtask("t-list", json!({})),
        subtask("t-each", json!({"dependencies": ["t-list"], "for_each": "t-list", "critical": true,
            "retry": {"backoff": "fixed", "max_attempts": 5}, "compensation": "put it back"})),
    ]});
    let spec = crate::domain::read::task(&entry, "task-queue.json", "tasks[0]").unwrap();
    let source = TaskSource::Queue { index: 0, fingerprint: "00000000".into(), has_id: true };
    drive.tell(Input::TaskObserved { source, spec: Box::new(spec.clone()) });
    drive.tell(Input::TaskVanished { task_id: "t".parse().unwrap() });
    let put_back = patch(&drive, "t").put_back.clone().unwrap();
    let again = crate::domain::read::task(&put_back, "task-queue.json", "tasks[0]").unwrap();
    assert_eq!(again.subtasks, spec.subtasks);
    assert_eq!(put_back["subtasks"][0].get("handling"), None, "nothing was said");
    super::schemas::check(&super::schemas::schema("plan"), "entry", &put_back);
}

#[test]
fn what_an_ending_left_is_taken_back_when_it_goes_on() {
    let mut drive = busy();
    drive.command("cmd-again", "retry", "task-import");
    assert_eq!(
        fields(&drive, "task-import"),
        json!({
            "completed_at": null,
            "result": null,
            "error": null,
            "orchestration_id": "orch-task-import",
            "status": "orchestrating",
            "updated_at": "2025-11-05T18:14:56Z",
        })
    );
    drive.command("cmd-again-2", "retry", "task-vague");
    assert_eq!(fields(&drive, "task-vague")["status"], "pending");
    assert_eq!(fields(&drive, "task-vague")["error"], Value::Null);
}
