use super::*;
use serde_json::json;

#[expect(clippy::needless_pass_by_value, reason = "reads better where a literal is passed")]
fn read(value: Value) -> SpecFile {
    spec(&value, "worker-specs/active/w-7.json").unwrap()
}

#[test]
fn a_flat_spec_is_read_as_the_protocol_says() {
    let found = read(json!({
        "worker_id": "w-7", "worker_type": "implementation", "parent_master": "development",
        "task_id": "job-1", "subtask_id": "job-001-build", "attempt_id": "job-001-build-attempt-1",
        "pid": 4711, "started_at": "2025-11-05T18:00:00Z", "status": "running",
        "last_heartbeat": "2025-11-05T18:01:00Z", "host": "box",
        "resources": {"token_allocation": 9000, "time_limit_minutes": 20},
    }));
    let spec = found.spec;
    assert_eq!(spec.worker_id.as_str(), "w-7");
    assert_eq!(spec.master.unwrap().as_str(), "development");
    assert_eq!(spec.worker_type, "implementation");
    assert_eq!(spec.task_id.as_deref(), Some("job-1"));
    assert_eq!(spec.subtask_id.unwrap().as_str(), "job-001-build");
    assert_eq!(spec.attempt_id.unwrap().as_str(), "job-001-build-attempt-1");
    assert_eq!((spec.pid, spec.host.as_deref()), (Some(4711), Some("box")));
    assert!(!spec.is_waiting && spec.ended.is_none() && found.said.is_empty());
    assert_eq!(found.created_at, Some(Timestamp::parse("2025-11-05T18:00:00Z").unwrap()));
}

#[test]
fn a_nested_spec_is_read_too() {
    let found = read(json!({
        "worker_id": "w-7", "worker_type": "scan-worker", "created_by": "security-master",
        "execution_manager": null, "created_at": "2025-11-05T12:00:00-0600", "task_id": 1762,
        "status": "running", "context": {"subtask_id": "scan-002-audit", "priority": "high"},
        "resources": {"token_budget": "8000", "timeout_minutes": "15"},
        "execution": {"started_at": "2025-11-05T12:00:09-0600", "pid": "4711", "hostname": "box"},
        "results": {"status": null, "artifacts": []},
        "heartbeat": {"last_heartbeat": "2025-11-05T12:03:00-0600", "heartbeat_sequence": 3,
                      "health": {"status": "healthy", "health_score": 100}, "missed_count": 0},
    }));
    let spec = found.spec;
    assert_eq!(spec.master.unwrap().as_str(), "security-master");
    assert_eq!((spec.worker_type.as_str(), spec.task_id.as_deref()), ("scan", Some("1762")));
    assert_eq!(spec.subtask_id.unwrap().as_str(), "scan-002-audit");
    assert_eq!((spec.pid, spec.host.as_deref()), (Some(4711), Some("box")));
    assert!(found.said.is_empty(), "being healthy is not being over");
    assert_eq!(found.began_at, Some(Timestamp::parse("2025-11-05T18:00:09Z").unwrap()));
    assert_eq!(found.created_at, Some(Timestamp::parse("2025-11-05T18:00:00Z").unwrap()));
}

#[test]
fn a_heartbeat_alone_changes_nothing_of_what_is_told() {
    let spec = |sequence: u32| {
        let beat = format!("2025-11-05T12:{sequence:02}:00-0600");
        let nested = json!({"last_heartbeat": beat, "heartbeat_sequence": sequence});
        read(json!({"worker_id": "w-7", "status": "running", "last_heartbeat": beat,
                    "heartbeat": nested, "progress": sequence}))
    };
    assert_eq!(spec(1), spec(2));
}

#[test]
fn a_field_that_makes_no_sense_is_as_good_as_missing() {
    let found = read(json!({
        "worker_id": " w-7 ", "worker_type": [], "parent_master": "../etc", "task_id": {},
        "subtask_id": "a/b", "attempt_id": "", "pid": "soon", "host": 7.5, "status": 3,
        "created_at": "yesterday", "execution": [1], "results": "none",
    }));
    let blank = SpecSeen {
        host: Some("7.5".into()),
        ..SpecSeen::new(WorkerId::parse("w-7").unwrap(), "worker-specs/active/w-7.json".into())
    };
    assert_eq!(found, SpecFile { spec: blank, created_at: None, began_at: None, said: Vec::new() });
    for no_process in [json!(0), json!(-4), json!("0"), json!(4.5), json!(1_u64 << 40)] {
        assert_eq!(read(json!({"worker_id": "w-7", "pid": no_process})).spec.pid, None);
    }
    assert_eq!(read(json!({"worker_id": "w-7", "pid": " 12 "})).spec.pid, Some(12));
}

#[test]
fn without_a_usable_id_it_is_no_spec() {
    for (value, said) in [
        (json!([]), "a worker spec is expected as an object"),
        (json!({}), "worker_id: the spec names no worker"),
        (json!({"worker_id": " "}), "worker_id: the spec names no worker"),
        (json!({"worker_id": "../w"}), "worker id \"../w\" is refused"),
    ] {
        let problem = spec(&value, "w.json").unwrap_err().to_string();
        assert!(problem.contains(said), "{problem}");
    }
}

#[test]
fn one_that_was_made_and_has_not_begun_is_waiting() {
    for (status, pid, waiting) in [
        ("pending", None, true),
        ("Queued", None, true),
        ("pending", Some(12), false),
        ("running", None, false),
        ("", None, false),
    ] {
        let found = read(json!({"worker_id": "w-7", "status": status, "pid": pid}));
        assert_eq!(found.spec.is_waiting, waiting, "{status} {pid:?}");
    }
}

#[test]
fn a_delivered_result_beats_every_other_word() {
    let end = |value: Value| verdict(read(value).said).map(|said| (said.folder, said.by));
    for (value, folder) in [
        (json!({"status": "completed"}), Some(SpecFolder::Completed)),
        (json!({"status": "DONE"}), Some(SpecFolder::Completed)),
        (json!({"status": "cancelled"}), Some(SpecFolder::Failed)),
        (json!({"status": "zombie"}), Some(SpecFolder::Zombie)),
        (
            json!({"status": "zombie", "results": {"status": "SUCCESS"}}),
            Some(SpecFolder::Completed),
        ),
        (json!({"status": "zombie", "execution": {"outcome": "error"}}), Some(SpecFolder::Failed)),
        (json!({"status": "running", "execution": {"status": "completed"}}), None),
        (json!({"status": "in_progress"}), None),
    ] {
        let mut spec = value.clone();
        spec["worker_id"] = json!("w-7");
        assert_eq!(end(spec).map(|(folder, _)| folder), folder, "{value}");
    }
    let (_, by) = end(json!({"worker_id": "w-7", "status": "failed",
                             "results": {"status": "success"}}))
    .unwrap();
    assert_eq!(by, "its results says success");
}

#[test]
fn files_of_a_worker_are_statements_about_it_or_about_another() {
    let spec = read(json!({"worker_id": "w-7", "task_id": "job-1"})).spec;
    for (value, folder, about) in [
        (json!({"status": "success", "summary": "x"}), Some(SpecFolder::Completed), true),
        (json!({"status": "failed", "exit_code": 1}), Some(SpecFolder::Failed), true),
        (json!({"exit_code": 3}), Some(SpecFolder::Failed), true),
        (json!({"exit_code": 0}), None, true),
        (json!({"status": "working", "progress": "50%"}), None, true),
        (json!({"status": "done", "worker_id": "w-8"}), Some(SpecFolder::Completed), false),
        (json!({"status": "done", "task_id": "job-2"}), Some(SpecFolder::Completed), false),
        (json!({"status": "done", "subtask_id": "any"}), Some(SpecFolder::Completed), true),
        (json!(7), None, true),
    ] {
        let found = statement(&value, "workers/w-7/report.json");
        assert_eq!(found.said.as_ref().map(|said| said.folder), folder, "{value}");
        assert_eq!(found.is_about(&spec), about, "{value}");
    }
    let found = statement(
        &json!({"status": "completed", "timestamp": "2025-11-16T16:37:58Z"}),
        "workers/w-7/heartbeat.json",
    );
    assert_eq!(found.said.unwrap().by, "workers/w-7/heartbeat.json says completed");
    assert_eq!(found.claimed_at, Some(Timestamp::parse("2025-11-16T16:37:58Z").unwrap()));
}

#[test]
fn the_first_line_of_a_pid_file_counts() {
    for (text, pid) in [("4711\n", Some(4711)), (" 4711 \nsince 9\n", Some(4711)), ("", None)] {
        assert_eq!(pid_file(text), pid);
    }
    assert_eq!(pid_file("pid: 4711"), None);
}
