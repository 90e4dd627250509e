#![expect(clippy::disallowed_methods, reason = "these tests start processes of their own")]

use super::*;
use crate::config::Overrides;
use crate::daemon::process;
use serde_json::json;
use std::process::{Command, Stdio};
use std::sync::Arc;

fn means(root: &std::path::Path, may_stop: bool) -> Means {
    let coordination = root.join("coordination");
    std::fs::create_dir_all(coordination.join("worker-specs/active")).unwrap();
    let settings = format!(
        "[masters.development]\nbackend = \"external\"\ndomains = [\"development\"]\nmay_stop = {may_stop}\n"
    );
    std::fs::write(coordination.join("baton.toml"), settings).unwrap();
    let config = Config::load(&coordination, &|_| None, &Overrides::default()).unwrap();
    Means {
        store: Store::open(&coordination).unwrap(),
        config: Arc::new(config),
        executable: "/proc/self/exe".into(),
        holder: Arc::new(Holder::new(mpsc::channel(1).0)),
        stopping: tokio::sync::watch::channel(false).1,
        knowledge: Default::default(),
    }
}

#[tokio::test]
async fn a_masters_worker_that_may_not_be_stopped_is_left_to_a_person() {
    let root = tempfile::tempdir().unwrap();
    let mut child =
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let identity = process::identify(child.id()).unwrap();
    let now = clock::now();
    let attempt = json!({
        "id": "job-attempt-1", "number": 1, "agent": "development", "worker_id": "job-attempt-1",
        "execution": {"by": "external"}, "nonce": "n", "issued_at": now,
        "phase": {"phase": "ending", "identity": identity, "at": now, "reason": "it is stalled"},
    });
    let subtask = json!({
        "subtask_id": "job", "parent_task_id": "job", "title": "Do it", "description": "all",
        "assigned_to": "development", "worker_type": "implementation", "dependencies": [],
        "estimated_duration_minutes": 5, "estimated_duration_range": {"low": 5, "high": 5},
        "estimated_tokens": 1, "files_affected": [], "success_criteria": "done", "deliverables": [],
    });
    let worker = Worker {
        attempt: serde_json::from_value(attempt).unwrap(),
        subtask: serde_json::from_value(subtask).unwrap(),
    };
    let path = "worker-specs/active/w.json";
    let spec = json!({"worker_id": "w", "path": path, "identity": identity});
    let specs: [SpecWorker; 1] =
        [serde_json::from_value(json!({"spec": spec, "seen_at": now})).unwrap()];
    let write = |began: crate::domain::Timestamp| {
        let spec = json!({"worker_id": "w", "started_at": began}).to_string();
        std::fs::write(root.path().join("coordination").join(path), spec).unwrap();
    };
    let is_asked = |answer: Answer| {
        let Answer::Inputs(inputs) = answer else { panic!("{answer:?}") };
        matches!(&inputs[..], [Input::WorkerUnstoppable { survivors, .. }] if *survivors == [child.id()])
    };

    let permitted = means(root.path(), true);
    let refused = means(root.path(), false);
    write(now.wall);
    assert!(
        is_asked(stop_worker(&refused, &worker, &specs).await),
        "the permission was taken back"
    );
    write(crate::domain::Timestamp::from_ms(now.wall.as_ms() - 3_600_000));
    assert!(is_asked(stop_worker(&permitted, &worker, &specs).await), "its number is another's");
    assert!(process::is_alive(&identity));

    write(now.wall);
    let answer = stop_worker(&permitted, &worker, &specs).await;
    let Answer::Inputs(inputs) = answer else { panic!("{answer:?}") };
    assert!(matches!(&inputs[..], [Input::WorkerInterrupted { .. }]), "{inputs:?}");
    assert!(!process::is_alive(&identity));
    child.wait().unwrap();
    let answer = stop_worker(&refused, &worker, &specs).await;
    let Answer::Inputs(inputs) = answer else { panic!("{answer:?}") };
    assert!(matches!(&inputs[..], [Input::WorkerInterrupted { .. }]), "it is gone anyway");
}
