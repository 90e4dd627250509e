//! Every format that was ever written stays readable: its fixture is never changed and never
//! removed.

use super::*;

/// Copies a fixture to where it may be opened, since opening writes.
fn copy_of(fixture: &str, is_wanted: impl Fn(&str) -> bool) -> TempDir {
    let dir = fresh();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(fixture);
    for entry in fs::read_dir(source).unwrap().map(Result::unwrap) {
        if is_wanted(entry.file_name().to_str().unwrap()) {
            fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
        }
    }
    dir
}

#[test]
fn format_1_is_read() {
    let whole = copy_of("journal-v1", |_| true);
    let opened = open(whole.path()).unwrap();
    let gate = &opened.state.tasks[&TaskId::parse("gate").unwrap()];
    assert_eq!(gate.spec.title, "Mend the garden gate");
    assert_eq!(opened.state.orchestrations.len(), 1);
    assert_eq!(opened.state.quarantined.len(), 1);

    let unaided = copy_of("journal-v1", |name| segment::first_seq(name).is_some());
    let replayed = open(unaided.path()).unwrap();
    // The indexes are no part of the format.
    let json = |state: &State| serde_json::to_string(state).unwrap();
    assert_eq!(json(&replayed.state), json(&opened.state));
    assert!(replayed.notes.is_empty(), "{:?}", replayed.notes);
    assert_eq!(replayed.state.seq, acknowledged::read(&opened.journal.dir).unwrap().unwrap());

    let records = read(unaided.path(), 1).unwrap().map(Result::unwrap);
    let kinds: Vec<&str> =
        records.flat_map(|r| r.events.iter().map(Event::kind).collect::<Vec<_>>()).collect();
    assert_eq!(kinds.len() as u64, opened.state.seq);
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("daemon_started", "daemon_stopped"));
}
