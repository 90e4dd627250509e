//! A copy of a real coordination directory is served.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::served::Served;

/// Where real files lie beside the project; the test is skipped with a message where they do not.
pub(crate) fn real() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["../shared/data/cortex/coordination", "../../shared/data/cortex/coordination"]
        .map(|path| here.join(path))
        .into_iter()
        .find(|path| path.is_dir())
}

#[test]
fn a_real_directory_is_served_and_nothing_else_in_it_changes() {
    let Some(real) = real() else {
        println!("skipped: ../shared/data/cortex is not there");
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("coordination");
    copy(&real, &dir);
    // Folders of workers whose ids were used again.
    copy(&real.parent().unwrap().join("agents"), &root.path().join("agents"));
    let before = files(&dir);
    let queue_before = before["task-queue.json"].clone();
    let mut served = Served::on(&dir);
    served.start();
    let taken =
        |entry: &Value| matches!(entry["status"].as_str(), Some("assigned" | "orchestrating"));
    served.wait_for(|| {
        let queue = queue(&dir);
        queue.iter().all(|entry| entry["status"] != "pending")
            && queue
                .iter()
                .filter(|entry| taken(entry) && entry.get("updated_at").is_some())
                .count()
                == 14
    });
    served.wait_for(|| quarantined(&dir).len() >= 11 && followed(&dir).len() >= 9);
    served.stop();
    // Nobody knows their processes, and none of them has begun: none is dead, and none is moved.
    assert_eq!(followed(&dir), readable_specs(&dir));
    let verdicts = ["worker_suspected", "worker_stalled", "worker_gone", "worker_spec_settled"];
    let told = events(&dir);
    assert!(!told.iter().any(|kind| verdicts.contains(&kind.as_str())), "{told:?}");
    assert_eq!(quarantined(&dir).len(), 11, "{:?}", quarantined(&dir));
    check_only_our_fields_changed(
        &queue_before,
        &std::fs::read(dir.join("task-queue.json")).unwrap(),
    );
    for (path, bytes) in &before {
        if path != "task-queue.json" && path != "dashboard-events.jsonl" {
            let now = std::fs::read(dir.join(path)).unwrap_or_default();
            assert_eq!(&now, bytes, "{path} was changed");
        }
    }
    let after_first = events(&dir);
    served.start();
    served.wait_for(|| events(&dir).iter().filter(|kind| *kind == "daemon_started").count() == 2);
    served.stop();
    let news: Vec<String> = events(&dir).split_off(after_first.len());
    assert_eq!(news, ["daemon_started", "daemon_stopped"], "a second start tells nothing new");
}

#[test]
fn every_real_spec_goes_where_its_words_send_it_and_only_once() {
    let Some(real) = real() else {
        println!("skipped: ../shared/data/cortex is not there");
        return;
    };
    let root = tempfile::tempdir().unwrap();
    copy(&real.parent().unwrap().join("agents"), &root.path().join("agents"));
    let dir = root.path().join("coordination");
    let settings = "[supervision]\nlook_ms = 100\nheartbeat_stale_ms = 300\nstall_after_ms = 600\n";
    let mut served = Served::new(&dir, settings);
    std::fs::create_dir_all(dir.join("worker-specs/active")).unwrap();
    let mut expected: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut running = 0;
    for (_, bytes) in files(&real.join("worker-specs")) {
        let Ok(spec) = serde_json::from_slice::<Value>(&bytes) else { continue };
        let (Some(id), Some(status)) = (spec["worker_id"].as_str(), spec["status"].as_str()) else {
            continue;
        };
        let path = dir.join(format!("worker-specs/active/{id}.json"));
        if path.exists() {
            continue;
        }
        let folder = match (id, status) {
            // It was killed as dead, and its heartbeat says that it is done.
            ("worker-implementation-038", "failed") => "completed",
            // Their launcher saw how they ended.
            (_, "zombie") if root.path().join(format!("agents/workers/{id}")).exists() => "failed",
            (_, "completed" | "zombie" | "failed") => status,
            (_, "cancelled") => "failed",
            _ => "active",
        };
        running += usize::from(status == "running");
        expected.insert(format!("worker-specs/{folder}/{id}.json"), bytes.clone());
        std::fs::write(path, bytes).unwrap();
    }
    let ended = expected.keys().filter(|path| !path.contains("/active/")).count();
    assert!(ended > 40 && running > 10, "{ended} {running}");
    let told = |kind: &str| events(&dir).iter().filter(|told| *told == kind).count();
    served.start();
    served.wait_for(|| told("worker_spec_moved") >= ended);
    // Of those that are said to run nothing was ever seen; where they are all alike, it may be us.
    served.wait_for(|| told("worker_heartbeat_missed") >= running);
    served.stop();
    let specs = |dir: &Path| -> BTreeMap<String, Vec<u8>> {
        files(dir).into_iter().filter(|(path, _)| path.starts_with("worker-specs/")).collect()
    };
    let found = specs(&dir);
    let names = |specs: &BTreeMap<String, Vec<u8>>| specs.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    assert!(found == expected, "their bytes stay as they are");
    assert_eq!((told("worker_spec_moved"), told("worker_gone")), (ended, 0));
    served.start();
    served.wait_for(|| told("daemon_started") == 2);
    served.stop();
    assert_eq!(told("worker_spec_moved"), ended, "a second start moves nothing");
    assert_eq!(names(&specs(&dir)), names(&expected));
}

/// Every line of the queue as it was is there still, in order, but for those that hold a field of
/// ours.
fn check_only_our_fields_changed(before: &[u8], after: &[u8]) {
    let ours = ["status", "assigned_to", "orchestration_id", "updated_at", "error", "result"];
    let is_ours =
        |line: &str| ours.iter().any(|field| line.trim().starts_with(&format!("\"{field}\"")));
    let foreign = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        // a field added at the end of an entry gives the one before it a comma
        text.lines()
            .filter(|line| !is_ours(line))
            .map(|line| line.trim_end_matches(',').to_owned())
            .collect()
    };
    assert_eq!(foreign(before), foreign(after));
}

fn queue(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("task-queue.json")).unwrap();
    let queue: Value = serde_json::from_str(&text).unwrap();
    queue["tasks"].as_array().unwrap().clone()
}

fn events(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("dashboard-events.jsonl")).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["seq"].is_u64())
        .filter_map(|event| event["type"].as_str().map(str::to_owned))
        .collect()
}

/// Whoever is followed by a spec.
fn followed(dir: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(dir.join("dashboard-events.jsonl")).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["type"] == "worker_spec_seen")
        .map(|event| event["worker_id"].as_str().unwrap().to_owned())
        .collect()
}

/// The workers whose spec can be read.
fn readable_specs(dir: &Path) -> BTreeSet<String> {
    let specs = std::fs::read_dir(dir.join("worker-specs/active")).unwrap();
    specs
        .filter_map(|spec| {
            let text = std::fs::read_to_string(spec.unwrap().path()).unwrap();
            let spec: Value = serde_json::from_str(&text).ok()?;
            Some(spec["worker_id"].as_str().unwrap().to_owned())
        })
        .collect()
}

fn quarantined(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("dashboard-events.jsonl")).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["type"] == "file_quarantined")
        .filter_map(|event| event["problem"]["file"].as_str().map(str::to_owned))
        .collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::write(&target, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}
