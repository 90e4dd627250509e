use super::*;
use crate::config::{Config, Overrides};
use crate::daemon::carry_out::Holder;
use crate::daemon::process;
use crate::domain::evidence::ProcessState;
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A master's worker `w`, known by its spec alone.
struct Place {
    root: tempfile::TempDir,
    means: Means,
    state: State,
    memory: Memory,
}

impl Place {
    fn new(spec: &Value) -> Self {
        let root = tempfile::tempdir().unwrap();
        let coordination = root.path().join("coordination");
        for folder in ["coordination/worker-specs/active", "agents/workers/w"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let config = Config::load(&coordination, &|_| None, &Overrides::default()).unwrap();
        let means = Means {
            store: Store::open(&coordination).unwrap(),
            config: Arc::new(config),
            executable: "/proc/self/exe".into(),
            holder: Arc::new(Holder::new(mpsc::channel(1).0)),
            stopping: tokio::sync::watch::channel(false).1,
            knowledge: Default::default(),
        };
        let mut seen = json!({"worker_id": "w", "path": "worker-specs/active/w.json"});
        seen.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let worker = json!({"spec": seen, "seen_at": clock::now()});
        let worker: SpecWorker = serde_json::from_value(worker).unwrap();
        let mut state = State::default();
        state.specs.insert(worker.spec.worker_id.clone(), worker);
        state.reindex();
        Self { root, means, state, memory: Memory::default() }
    }

    fn write(&self, path: &str, value: &Value) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value.to_string()).unwrap();
    }

    fn look(&mut self) -> Probe {
        let subjects = subjects(&self.state, &self.means.config.policy);
        let look = look(&self.means, &subjects, std::mem::take(&mut self.memory)).unwrap();
        self.memory = look.memory;
        let [probe] = look.probes.try_into().unwrap();
        probe
    }

    /// Looks and compares with what was seen before: names what is another by now.
    fn changed(&mut self, before: &mut Probe) -> Vec<&'static str> {
        let now = self.look();
        let beat = |probe: &Probe| probe.heartbeat.clone().map(|beat| beat.content);
        let progress = |probe: &Probe| probe.heartbeat.clone().map(|beat| beat.progress);
        let differences = [
            ("heartbeat", beat(&now) != beat(before)),
            ("progress", progress(&now) != progress(before)),
            ("output", now.output != before.output),
            ("files", now.files != before.files),
            ("report", now.report != before.report),
        ];
        *before = now;
        differences.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
    }
}

fn spec_file(sequence: u32, activity: &str) -> Value {
    json!({"worker_id": "w", "status": "running", "heartbeat": {
        "last_heartbeat": format!("2025-11-20T20:20:{sequence:02}-0600"),
        "heartbeat_sequence": sequence, "health": {"last_activity": activity}}})
}

#[test]
fn everything_that_a_masters_worker_leaves_is_seen_once() {
    let mut place = Place::new(&json!({}));
    let mut seen = place.look();
    assert_eq!(seen.worker, Watched::Spec("w".parse().unwrap()));
    assert_eq!((seen.process, seen.cpu_ms), (ProcessState::Unverifiable, None));
    assert_eq!(seen.heartbeat, None);

    let mut check = |path: &str, value: Value, expected: &[&str]| {
        place.write(path, &value);
        assert_eq!(place.changed(&mut seen), expected, "{path} {value}");
        assert!(place.changed(&mut seen).is_empty(), "nothing happened after {path}");
    };
    let spec = "coordination/worker-specs/active/w.json";
    check(spec, spec_file(1, "reads"), &["heartbeat", "progress"]);
    check(spec, spec_file(22, "reads"), &["heartbeat"]);
    check(spec, spec_file(33, "writes"), &["heartbeat", "progress"]);
    let beat = "coordination/workers/w/heartbeat.json";
    check(beat, json!({"timestamp": 1, "progress": 1}), &["heartbeat", "progress"]);
    check(beat, json!({"timestamp": 22, "progress": 1}), &["heartbeat"]);
    check("coordination/workers/w/output.log", json!("x"), &["output"]);
    check("coordination/workers/w/worker.pid", json!(7), &[]);
    check("coordination/workers/w/plan.md", json!("x"), &["files"]);
    check("agents/workers/w/heartbeat.json", json!({"progress": 7}), &["heartbeat", "progress"]);
    check("agents/workers/w/notes.md", json!("x"), &["files"]);
    check("coordination/workers/w/report.json", json!("no report"), &[]);
    check("coordination/workers/w/report.json", json!({"status": "success"}), &["report"]);
}

#[test]
fn its_process_is_seen_where_it_is_known_for_certain() {
    let this = process::identify(std::process::id()).unwrap();
    let mut place = Place::new(&json!({"pid": this.pid, "identity": this}));
    let seen = place.look();
    assert_eq!(seen.process, ProcessState::Running);
    assert!(seen.cpu_ms.is_some() && seen.memory_bytes > 0 && seen.processes >= 1);
    // A number alone proves nothing, and one that nobody bears is a process that is gone.
    let unpinned = Place::new(&json!({"pid": this.pid})).look();
    assert_eq!(unpinned.process, ProcessState::Unverifiable);
    let gone = Place::new(&json!({"pid": u32::MAX})).look();
    assert_eq!(gone.process, ProcessState::Gone);
}

#[test]
fn what_is_gone_is_forgotten() {
    let mut place = Place::new(&json!({}));
    place.write("coordination/workers/w/heartbeat.json", &json!({"progress": 1}));
    place.write("coordination/workers/w/report.json", &json!({"status": "success"}));
    place.look();
    assert_eq!((place.memory.heartbeats.len(), place.memory.reports.len()), (1, 1));
    place.state.specs.clear();
    place.state.reindex();
    let memory = look(&place.means, &[], std::mem::take(&mut place.memory)).unwrap().memory;
    assert!(memory.heartbeats.is_empty() && memory.reports.is_empty());
}
