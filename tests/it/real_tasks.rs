//! What real people and programs asked for is planned without a crash, and every plan is one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use baton::domain::Policy;
use baton::domain::ids::TaskId;
use baton::domain::plan::DraftOutcome;
use baton::domain::read;
use baton::domain::task::TaskSpec;
use baton::domain::validate::{validate, validate_routed};
use baton::planner::{Request, Surroundings, draft};
use serde_json::Value;

use crate::real_data::real;

/// The entries of the real queue.
const QUEUED: usize = 28;

/// The fields of a real task in which it is said what is to be done.
const TEXTS: [&str; 6] = ["title", "description", "task", "request", "prompt", "message"];

#[test]
fn real_queue_entries_and_task_texts_are_planned_or_refused_with_a_reason() {
    let Some(real) = real() else {
        println!("skipped: ../shared/data/cortex is not there");
        return;
    };
    let queue = json(&real.join("task-queue.json")).unwrap();
    let queued: Vec<TaskSpec> = entries(&queue);
    assert_eq!(queued.len(), QUEUED);
    let mut tasks: BTreeMap<String, TaskSpec> = BTreeMap::new();
    for (at, spec) in queued.into_iter().enumerate() {
        tasks.insert(format!("task-queue.json, entry {at}"), spec);
    }
    for path in files(&real) {
        let Some(value) = json(&path) else { continue };
        let name = path.strip_prefix(&real).unwrap().display().to_string();
        let mut texts = Vec::new();
        gather(&value, &mut texts);
        for (at, text) in texts.into_iter().enumerate() {
            if let Ok(spec) = read::text_task("text", &text) {
                tasks.insert(format!("{name}, text {at}"), spec);
            }
        }
    }
    assert!(tasks.len() > 100, "{}", tasks.len());
    let planned = tasks.iter().filter(|(name, spec)| is_planned(name, spec)).count();
    assert!(planned * 2 > tasks.len(), "only {planned} of {} are planned", tasks.len());
    let of_queue = |name: &String| name.starts_with("task-queue.json, entry");
    let refused: Vec<&String> =
        tasks.keys().filter(|name| of_queue(name) && !is_planned(name, &tasks[*name])).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// Plans it, and tells whether that was possible; what is drafted has to be a plan.
fn is_planned(name: &str, spec: &TaskSpec) -> bool {
    let policy = Policy::default();
    let id = TaskId::parse("real").unwrap();
    let request = Request { task: spec, surroundings: &Surroundings::default() };
    match draft(&request, &policy) {
        DraftOutcome::Plan(draft) => {
            let plan = validate(&draft, &id, &policy, &|_| false);
            assert!(plan.is_ok(), "{name}: {plan:?}");
            true
        }
        DraftOutcome::Route(draft) => {
            let plan = validate_routed(&draft, &id, &policy);
            assert!(plan.is_ok(), "{name}: {plan:?}");
            true
        }
        DraftOutcome::Refuse { reason, .. } => {
            assert!(!reason.is_empty(), "{name}");
            false
        }
    }
}

fn entries(queue: &Value) -> Vec<TaskSpec> {
    let entries = queue["tasks"].as_array().unwrap().iter();
    entries.map(|entry| read::task(entry, "task-queue.json", "").unwrap()).collect()
}

/// Collects what is said under the names of [`TEXTS`], wherever that is.
fn gather(value: &Value, texts: &mut Vec<String>) {
    if let Some(object) = value.as_object() {
        for (name, value) in object {
            match value.as_str() {
                Some(text) if TEXTS.contains(&name.as_str()) => texts.push(text.to_owned()),
                _ => gather(value, texts),
            }
        }
    }
    value.as_array().into_iter().flatten().for_each(|item| gather(item, texts));
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// The queues and the tasks.
fn files(real: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut folders = vec![real.join("tasks"), real.join("orchestrator")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    let queues = ["task-queue-test.json", "task-queue-backup-20251107-141724.json"];
    found.extend(queues.map(|name| real.join(name)));
    found
}
