//! Moves the specs of workers that masters started, once they are over. Their bytes stay as they
//! are: what was decided is in the journal.

use super::effects::Answer;
use super::error::Chain;
use crate::domain::Input;
use crate::domain::spec::{SpecFolder, SpecSeen, SpecWorker};
use crate::intake::worker_specs;
use crate::store::{Renamed, Store, layout};

/// Specs of one name that are kept in one folder.
const TWINS_MAX: u32 = 99;
/// A longer file is no spec: 16 MiB.
const LENGTH_MAX: u64 = 16 << 20;

/// Moves a spec to where it was decided that it goes. Whatever has the name there keeps it. Gone is
/// as good as moved: a crash came in between, or its master was faster.
pub(super) fn move_spec(store: &Store, worker: &SpecWorker, folder: SpecFolder) -> Answer {
    let spec = &worker.spec;
    let moved = || Answer::Inputs(vec![Input::SpecMoved { worker_id: spec.worker_id.clone() }]);
    if is_of_another_life(store, spec) {
        return moved();
    }
    let folder = layout::specs(folder);
    let name = spec.path.rsplit('/').next().unwrap_or(&spec.path);
    let stem = name.strip_suffix(".json").unwrap_or(name);
    for nth in 1..=TWINS_MAX {
        let to = match nth {
            1 => format!("{folder}/{stem}.json"),
            _ => format!("{folder}/{stem}-{nth}.json"),
        };
        let renamed = store.rename(&spec.path, &to).and_then(|renamed| match renamed {
            // Lost in a power cut, it would be found in the old place and moved again.
            Renamed::Done => store.sync_parent(&to).map(|()| renamed),
            Renamed::SourceGone | Renamed::TargetExists => Ok(renamed),
        });
        match renamed {
            Ok(Renamed::Done | Renamed::SourceGone) => return moved(),
            Ok(Renamed::TargetExists) => {}
            Err(error) => return Answer::Again(Chain(&error).to_string()),
        }
    }
    Answer::Again(format!("{TWINS_MAX} specs named {stem} are in {folder}; move them away"))
}

/// Tells whether the master wrote a new spec under the old name, for another worker or another
/// process, since it was decided what becomes of the old one.
fn is_of_another_life(store: &Store, spec: &SpecSeen) -> bool {
    let Ok(Some(content)) = store.read(&spec.path, LENGTH_MAX) else { return false };
    let Ok(found) = worker_specs::read_spec(&content.bytes, &spec.path) else { return false };
    let found = found.spec;
    let is_other_process = found.pid.is_some() && found.pid != spec.pid;
    is_other_process || found.worker_id != spec.worker_id || found.attempt_id != spec.attempt_id
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests are the other writers")]
mod tests {
    use super::*;
    use crate::clock;
    use crate::domain::ids::WorkerId;

    const PATH: &str = "worker-specs/active/w-1.json";

    struct World {
        dir: tempfile::TempDir,
        store: Store,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path()).unwrap();
            store.create_dirs(layout::SPECS_ACTIVE).unwrap();
            Self { dir, store }
        }

        fn write(&self, text: &str) {
            std::fs::write(self.dir.path().join(PATH), text).unwrap();
        }

        fn moves(&self, folder: SpecFolder) -> bool {
            let id = WorkerId::parse("w-1").unwrap();
            let spec = SpecSeen { pid: Some(7), ..SpecSeen::new(id, PATH.into()) };
            let seen_at = clock::now();
            let worker =
                SpecWorker { spec, seen_at, attempt: None, standing: None, settled: Some(folder) };
            match move_spec(&self.store, &worker, folder) {
                Answer::Inputs(inputs) => {
                    assert!(matches!(&inputs[..], [Input::SpecMoved { .. }]), "{inputs:?}");
                    true
                }
                Answer::Again(_) => false,
                Answer::Patched { .. }
                | Answer::Collected { .. }
                | Answer::Looked(_)
                | Answer::NotLooked(..) => panic!("it is no answer to this"),
            }
        }

        fn text(&self, path: &str) -> String {
            std::fs::read_to_string(self.dir.path().join(path)).unwrap_or_default()
        }
    }

    #[test]
    fn a_spec_is_moved_as_it_is_and_only_once() {
        let world = World::new();
        let text = "{\"worker_id\" :\"w-1\", \"odd\": 1.50}";
        world.write(text);
        assert!(world.moves(SpecFolder::Zombie));
        assert_eq!(world.text("worker-specs/zombie/w-1.json"), text);
        assert!(!world.store.exists(PATH));
        assert!(world.moves(SpecFolder::Zombie), "asked again after a crash");
        assert_eq!(world.store.list("worker-specs/zombie").unwrap().len(), 1);
    }

    #[test]
    fn what_has_the_name_already_keeps_it() {
        let world = World::new();
        for nth in 1..=3 {
            world.write(&format!("{{\"worker_id\":\"w-1\",\"nth\":{nth}}}"));
            assert!(world.moves(SpecFolder::Completed));
        }
        let names = world.store.list("worker-specs/completed").unwrap();
        let names: Vec<&str> = names.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["w-1-2.json", "w-1-3.json", "w-1.json"]);
        assert!(world.text("worker-specs/completed/w-1.json").contains("\"nth\":1"));
        for nth in 4..=TWINS_MAX {
            world.write(&format!("{{\"worker_id\":\"w-1\",\"nth\":{nth}}}"));
            assert!(world.moves(SpecFolder::Completed));
        }
        world.write("{\"worker_id\":\"w-1\"}");
        assert!(!world.moves(SpecFolder::Completed), "that is no master's intention");
        assert!(world.store.exists(PATH));
    }

    #[test]
    fn a_new_spec_under_the_old_name_stays() {
        let world = World::new();
        for text in [
            r#"{"worker_id":"w-1","pid":8}"#,
            r#"{"worker_id":"w-2"}"#,
            r#"{"worker_id":"w-1","attempt_id":"a-attempt-2"}"#,
        ] {
            world.write(text);
            assert!(world.moves(SpecFolder::Failed));
            assert_eq!(world.text(PATH), text);
        }
        world.write(r#"{"worker_id":"w-1","pid":7}"#);
        assert!(world.moves(SpecFolder::Failed));
        assert!(!world.store.exists(PATH));
    }
}
