//! The journal against cuts, flipped bits, crashes and other writers.

use std::collections::BTreeMap;
use std::fs;

use tempfile::TempDir;

use super::*;
use crate::domain::event::JOURNAL_SCHEMA;
use crate::domain::ids::TaskId;
use crate::domain::moment::BootId;
use crate::domain::task::{TaskSource, TaskSpec};
use crate::domain::{Event, Moment, Problem, Timestamp};

mod damage;
mod fixture;

/// Where syncs cost nothing, if there is such a place.
fn fresh() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn record(seq: u64, epoch: u64, events: Vec<Event>) -> Record {
    let wall = Timestamp::from_ms(1_762_365_600_000 + i64::try_from(seq).unwrap());
    let at = Moment { boot: BootId(1), boottime_ms: seq, wall };
    Record { seq, at, epoch, schema: JOURNAL_SCHEMA, cause: "test".into(), events }
}

fn started(seq: u64, epoch: u64) -> Record {
    record(
        seq,
        epoch,
        vec![Event::DaemonStarted { version: "1".into(), pid: 7, epoch, suspended_ms: None }],
    )
}

fn refused(file: String) -> Event {
    let problem =
        Problem { file, field: String::new(), message: "?".into(), remedy: String::new() };
    Event::FileQuarantined { problem, digest: "fifo".into(), copy: None }
}

/// A record of one or two events that follows on `seq`.
fn next(seq: u64, epoch: u64) -> Record {
    let events = (0..1 + seq % 2).map(|n| refused(format!("{}", seq + n))).collect();
    record(seq, epoch, events)
}

fn open(dir: &Path) -> Result<Opened, JournalError> {
    Journal::open(dir, &mut |_, _| {})
}

/// A journal and the states it has gone through, by the number of the last event.
struct Told {
    journal: Journal,
    state: State,
    states: BTreeMap<u64, State>,
}

impl Told {
    fn begin(dir: &Path) -> Told {
        let Opened { journal, state, notes } = open(dir).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        let mut told =
            Told { journal, states: BTreeMap::from([(state.seq, state.clone())]), state };
        let epoch = told.state.epoch + 1;
        told.tell(&[started(told.state.seq + 1, epoch)]);
        told
    }

    fn tell(&mut self, records: &[Record]) {
        self.journal.append(records).unwrap();
        for record in records {
            self.state.apply(record).unwrap();
            self.states.insert(self.state.seq, self.state.clone());
        }
    }

    fn tell_more(&mut self, count: usize) {
        for _ in 0..count {
            self.tell(&[next(self.state.seq + 1, self.state.epoch)]);
        }
    }

    fn snapshot(&mut self) {
        self.journal.snapshot(&self.state).unwrap();
    }
}

#[test]
fn what_was_appended_is_replayed() {
    let dir = fresh();
    let journal = dir.path().join("orchestrator/journal");
    let mut told = Told::begin(&journal);
    told.tell_more(5);
    let batch = [next(told.state.seq + 1, 1)];
    told.tell(&batch);
    told.journal.sync().unwrap();
    let mut seen = Vec::new();
    let opened =
        Journal::open(&journal, &mut |state, record| seen.push((state.seq, record.clone())))
            .unwrap();
    assert_eq!(opened.state, told.state);
    assert_eq!(opened.journal.last_seq(), told.state.seq);
    assert_eq!(seen.len(), 7);
    assert!(seen.iter().all(|(seq, record)| *seq == record.last_seq()));
    let read: Vec<Record> = read(&journal, 0).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, seen.into_iter().map(|(_, record)| record).collect::<Vec<_>>());
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs::metadata(&journal).unwrap().mode() & 0o777, 0o700);
    let modes = fs::read_dir(&journal).unwrap().map(|e| e.unwrap().metadata().unwrap().mode());
    assert!(modes.into_iter().all(|mode| mode & 0o777 == 0o600));
}

#[test]
fn a_start_goes_on_from_the_newest_snapshot() {
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    for _ in 0..3 {
        told.tell_more(4);
        told.snapshot();
    }
    told.snapshot();
    told.tell_more(2);
    told.journal.sync().unwrap();
    let mut replayed = 0;
    let opened = Journal::open(dir.path(), &mut |_, _| replayed += 1).unwrap();
    assert_eq!((replayed, opened.notes.len()), (2, 0));
    assert_eq!(opened.state, told.state);
    let names = files::Dir::open(dir.path()).unwrap().names().unwrap();
    assert_eq!(names.iter().filter(|name| compact::seq_of(name).is_some()).count(), 2);
    assert_eq!(names.iter().filter(|name| segment::first_seq(name).is_some()).count(), 4);
    let read: Vec<u64> = read(dir.path(), 9).unwrap().map(|r| r.unwrap().last_seq()).collect();
    assert!(read[0] >= 9 && read.is_sorted() && read.last() == Some(&told.state.seq), "{read:?}");
}

#[test]
fn a_large_snapshot_is_put_together_from_its_parts() {
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    for n in 0..600 {
        let spec = TaskSpec { title: format!("Task {n}"), ..TaskSpec::default() };
        let source = TaskSource::Queue { index: n, fingerprint: format!("{n:08x}"), has_id: true };
        let task_id = TaskId::parse(&format!("t{n}")).unwrap();
        let event = Event::TaskAccepted { task_id, source, spec: Box::new(spec) };
        told.tell(&[record(told.state.seq + 1, 1, vec![event])]);
    }
    told.snapshot();
    let path = dir.path().join(compact::name(told.state.seq));
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole.iter().filter(|byte| **byte == b'\n').count(), 4);
    let replayed = |dir: &Path| {
        let mut count = 0;
        let opened = Journal::open(dir, &mut |_, _| count += 1).unwrap();
        assert_eq!(opened.state, told.state);
        count
    };
    assert_eq!(replayed(dir.path()), 0);
    // Any part that is wrong or missing makes it useless, and history takes its place.
    let last_line = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let mut flipped = whole.clone();
    flipped[last_line + 100] ^= 1;
    for damaged in [&whole[..last_line], &flipped, &[&whole[..], &whole[last_line..]].concat()] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(replayed(dir.path()), 601);
    }
}

#[test]
fn a_crash_between_snapshot_and_new_segment_loses_nothing() {
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    told.tell_more(3);
    compact::write(&told.journal.dir, &told.state).unwrap();
    fs::write(dir.path().join("snapshot-00000000000000000099.json.tmp"), "half").unwrap();
    told.tell_more(2);
    told.journal.sync().unwrap();
    let mut replayed = 0;
    let mut opened = Journal::open(dir.path(), &mut |_, _| replayed += 1).unwrap();
    assert_eq!((replayed, &opened.state), (2, &told.state));
    assert!(!dir.path().join("snapshot-00000000000000000099.json.tmp").exists());
    opened.journal.append(&[next(told.state.seq + 1, 1)]).unwrap();
}

#[test]
fn segments_are_removed_only_behind_the_older_snapshot() {
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    assert!(told.journal.gc().unwrap().is_empty());
    for _ in 0..3 {
        told.tell_more(3);
        told.snapshot();
        told.tell_more(1);
    }
    told.journal.sync().unwrap();
    assert_eq!(told.journal.gc().unwrap().len(), 2);
    assert!(told.journal.gc().unwrap().is_empty());
    assert_eq!(open(dir.path()).unwrap().state, told.state);
    // The newest snapshot is not the only way back.
    let names = told.journal.dir.names().unwrap();
    let newest = names.iter().rfind(|name| compact::seq_of(name).is_some()).unwrap();
    fs::write(dir.path().join(newest), "damaged\n").unwrap();
    let opened = open(dir.path()).unwrap();
    assert_eq!((opened.state, opened.notes.len()), (told.state, 1));
    assert!(!dir.path().join(newest).exists());
    let first = read(dir.path(), 1).unwrap().next().unwrap().unwrap();
    assert!(first.seq > 1, "what is gone is left out");
}

#[test]
fn a_snapshot_is_wanted_when_the_segment_is_large_and_not_again_at_once() {
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    assert!(!told.journal.wants_snapshot());
    told.journal.snapshot_at = told.journal.len;
    assert!(told.journal.wants_snapshot());
    // A directory has the snapshot's name.
    fs::create_dir(dir.path().join(compact::name(1))).unwrap();
    assert!(!told.journal.snapshot(&told.state).unwrap_err().is_fatal());
    assert!(!told.journal.wants_snapshot());
    told.tell_more(1);
    told.snapshot();
    assert_eq!(open(dir.path()).unwrap().state, told.state);
}

#[test]
fn records_that_do_not_follow_are_not_written() {
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    told.tell(&[started(2, 2)]);
    let len = told.journal.len;
    for wrong in [next(4, 2), next(2, 2), next(3, 1), record(3, 2, Vec::new())] {
        let error = told.journal.append(&[wrong]).unwrap_err();
        assert!(matches!(error, JournalError::OutOfOrder { expected: 3, .. }), "{error}");
    }
    assert!(told.journal.append(&[next(3, 2), next(3, 2)]).is_err());
    assert_eq!(told.journal.len, len);
    assert!(told.journal.snapshot(&State::default()).is_err());
    told.tell_more(1);
    assert_eq!(open(dir.path()).unwrap().state, told.state);
}

#[test]
fn an_older_daemon_that_wakes_up_cannot_append() {
    let dir = fresh();
    let mut older = Told::begin(dir.path());
    older.journal.sync().unwrap();
    let newer = Told::begin(dir.path());
    let error = older.journal.append(&[next(2, 1)]).unwrap_err();
    assert!(matches!(error, JournalError::Foreign { .. }) && error.is_fatal(), "{error}");
    assert_eq!(open(dir.path()).unwrap().state, newer.state);
}

#[test]
fn after_a_failed_sync_nothing_more_is_written() {
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    let (pipe, _other_end) = rustix::pipe::pipe().unwrap();
    let shared = Arc::clone(&told.journal.shared);
    let failing = SyncHandle::new(Arc::new(File::from(pipe)), "pipe".into(), 1, shared);
    assert!(matches!(failing.sync(), Err(JournalError::Sync { .. })));
    assert!(matches!(told.journal.sync(), Err(JournalError::Broken { .. })));
    let len = told.journal.len;
    assert!(matches!(told.journal.append(&[next(2, 1)]), Err(JournalError::Broken { .. })));
    assert!(matches!(told.journal.snapshot(&told.state), Err(JournalError::Broken { .. })));
    assert_eq!(fs::metadata(dir.path().join(segment::name(1))).unwrap().len(), len);
}

#[test]
fn a_sync_in_another_thread_acknowledges_what_was_there_when_it_was_asked_for() {
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    let handle = told.journal.sync_handle();
    told.tell_more(1);
    std::thread::spawn(move || handle.sync()).join().unwrap().unwrap();
    assert_eq!(acknowledged::read(&told.journal.dir).unwrap().unwrap(), 1);
    told.journal.sync().unwrap();
    assert_eq!(acknowledged::read(&told.journal.dir).unwrap().unwrap(), told.state.seq);
}

#[test]
fn a_full_disk_is_told_from_other_failures() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (written, cause) = files::append(&full, b"x").unwrap_err();
    assert_eq!(written, 0);
    assert!(files::error("write", "f".into(), cause).is_full());
    let other = io::Error::from(io::ErrorKind::PermissionDenied);
    assert!(!files::error("write", "f".into(), other).is_full());
}

/// Runs in a process of its own, since the limit holds for all threads of one.
#[test]
fn a_write_that_stops_part_way_leaves_no_trace_and_can_be_repeated() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const CHILD: &str = "BATON_TEST_FILE_SIZE_LIMIT";
    if std::env::var_os(CHILD).is_none() {
        let name =
            "journal::tests::a_write_that_stops_part_way_leaves_no_trace_and_can_be_repeated";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", name]).env(CHILD, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        return;
    }
    let hit = Arc::new(std::sync::atomic::AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::clone(&hit)).unwrap();
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    let hard = getrlimit(Resource::Fsize).maximum;
    let limit = |current| setrlimit(Resource::Fsize, Rlimit { current, maximum: hard }).unwrap();
    let path = dir.path().join(segment::name(1));
    let large = record(2, 1, vec![refused("x".repeat(5000))]);
    let len = told.journal.len;
    limit(Some(len + 1000));
    for _ in 0..2 {
        let error = told.journal.append(std::slice::from_ref(&large)).unwrap_err();
        assert!(error.is_full(), "{error}");
        assert_eq!(fs::metadata(&path).unwrap().len(), len);
    }
    limit(hard);
    told.tell(&[large]);
    told.tell_more(1);
    assert_eq!(open(dir.path()).unwrap().state, told.state);
}

#[test]
fn what_a_failed_write_left_is_taken_back_before_the_next() {
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    files::append(&told.journal.segment, b"0000").unwrap();
    told.journal.size += 4;
    told.tell_more(1);
    assert_eq!(open(dir.path()).unwrap().state, told.state);
}

#[test]
fn a_reader_beside_the_writer_ends_at_a_line_that_is_not_whole() {
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    told.tell_more(2);
    told.snapshot();
    let mut reader = read(dir.path(), 1).unwrap();
    assert_eq!(reader.by_ref().take(3).map(Result::unwrap).count(), 3);
    told.tell_more(1);
    assert_eq!(reader.next().unwrap().unwrap().last_seq(), told.state.seq);
    files::append(&told.journal.segment, b"0123abcd {\"seq\":").unwrap();
    assert!(reader.next().is_none());
    assert_eq!(read(dir.path(), 1).unwrap().map(Result::unwrap).count(), 4);
    assert!(read(&dir.path().join("none"), 1).is_err());
}

#[test]
fn links_and_pipes_in_place_of_files_are_refused() {
    let dir = fresh();
    drop(Told::begin(dir.path()));
    let segment = dir.path().join(segment::name(1));
    let away = dir.path().join("away");
    fs::rename(&segment, &away).unwrap();
    std::os::unix::fs::symlink(&away, &segment).unwrap();
    assert!(matches!(open(dir.path()), Err(JournalError::Io { .. })));
    fs::remove_file(&segment).unwrap();
    fs::hard_link(&away, &segment).unwrap();
    assert!(matches!(open(dir.path()), Err(JournalError::Io { .. })));
    fs::remove_file(&segment).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &segment, mode).unwrap();
    assert!(matches!(open(dir.path()), Err(JournalError::Io { .. })));
    let linked = dir.path().join("linked");
    std::os::unix::fs::symlink(dir.path(), &linked).unwrap();
    assert!(matches!(open(&linked), Err(JournalError::Io { .. })));
}
