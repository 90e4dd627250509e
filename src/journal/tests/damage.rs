//! Cuts and flipped bits: recovered or refused, never silently wrong.

use super::*;

/// All files of a journal, to be put back after each experiment.
struct Image(BTreeMap<String, Vec<u8>>);

impl Image {
    fn of(dir: &Path) -> Image {
        let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
        let file = |entry: fs::DirEntry| {
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        };
        Image(entries.map(file).collect())
    }

    fn restore(&self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            if !self.0.contains_key(entry.file_name().to_str().unwrap()) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        for (name, bytes) in &self.0 {
            let path = dir.join(name);
            if fs::read(&path).ok().as_ref() != Some(bytes) {
                fs::write(path, bytes).unwrap();
            }
        }
    }

    fn without(&self, gone: impl Fn(&str) -> bool) -> Image {
        Image(
            self.0
                .iter()
                .filter(|(name, _)| !gone(name))
                .map(|(n, b)| (n.clone(), b.clone()))
                .collect(),
        )
    }

    fn segments(&self) -> Vec<String> {
        self.0.keys().filter(|name| segment::first_seq(name).is_some()).cloned().collect()
    }
}

/// A journal of three segments and two snapshots, all of it acknowledged.
fn image() -> (Image, BTreeMap<u64, State>) {
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    for _ in 0..2 {
        told.tell_more(1);
        told.snapshot();
    }
    told.tell_more(2);
    told.journal.sync().unwrap();
    (Image::of(dir.path()), told.states)
}

fn is_snapshot(name: &str) -> bool {
    compact::seq_of(name).is_some()
}

fn is_acknowledged(name: &str) -> bool {
    name == acknowledged::NAME
}

#[test]
fn every_flipped_bit_is_recovered_or_refused() {
    let (image, states) = image();
    let (_, full) = states.last_key_value().unwrap();
    let segments = image.segments();
    let (newest, sealed) = segments.split_last().unwrap();
    // With all that guards it; then where no snapshot, and no note of what was acknowledged helps.
    let (bare, unguarded) = (image.without(is_snapshot), image.without(is_acknowledged));
    let all = image.0.keys().map(|name| (name, &image));
    let sealed = sealed.iter().map(|name| (name, &bare));
    let cases: Vec<_> = all.chain(sealed).chain([(newest, &unguarded)]).collect();
    let (recovered, refused) = std::thread::scope(|scope| {
        let threads: Vec<_> = cases
            .iter()
            .map(|(name, image)| scope.spawn(move || flip_every_bit(image, name, full)))
            .collect();
        let counts = threads.into_iter().map(|thread| thread.join().unwrap());
        counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    });
    assert!(recovered > 1000 && refused > 1000, "{recovered} recovered, {refused} refused");
}

/// Returns how often the journal was recovered and how often it was refused.
fn flip_every_bit(image: &Image, name: &str, full: &State) -> (u32, u32) {
    let dir = fresh();
    let (mut recovered, mut refused) = (0, 0);
    for bit in 0..image.0[name].len() * 8 {
        image.restore(dir.path());
        let mut flipped = image.0[name].clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(dir.path().join(name), flipped).unwrap();
        match open(dir.path()) {
            Ok(opened) => {
                assert_eq!(&opened.state, full, "{name}, bit {bit}");
                recovered += 1;
            }
            Err(JournalError::Damaged { file, copy, .. }) => {
                assert_eq!(file, dir.path().join(name));
                assert!(copy.unwrap().exists());
                refused += 1;
            }
            Err(error) => panic!("{name}, bit {bit}: {error}"),
        }
    }
    (recovered, refused)
}

#[test]
fn a_cut_at_every_byte_leaves_a_prefix() {
    let (image, states) = image();
    let image = image.without(is_acknowledged);
    let newest = image.segments().pop().unwrap();
    let bytes = &image.0[&newest];
    let dir = fresh();
    for cut in 0..=bytes.len() {
        image.restore(dir.path());
        fs::write(dir.path().join(&newest), &bytes[..cut]).unwrap();
        let mut opened = open(dir.path()).unwrap();
        let seq = opened.state.seq;
        assert_eq!(opened.state, states[&seq], "cut at {cut}");
        let whole = bytes[..cut].ends_with(b"\n") || cut == 0;
        assert_eq!(opened.notes.is_empty(), whole, "cut at {cut}: {:?}", opened.notes);
        // It goes on from there, and the next start finds nothing to say.
        opened.journal.append(&[next(seq + 1, 1)]).unwrap();
        let again = open(dir.path()).unwrap();
        assert!(again.notes.is_empty() && again.state.seq > seq);
    }
}

#[test]
fn a_cut_of_what_was_acknowledged_is_refused() {
    let (image, states) = image();
    let newest = image.segments().pop().unwrap();
    let bytes = &image.0[&newest];
    let (last, full) = states.last_key_value().unwrap();
    let dir = fresh();
    for cut in 0..bytes.len() {
        image.restore(dir.path());
        fs::write(dir.path().join(&newest), &bytes[..cut]).unwrap();
        match open(dir.path()) {
            // Nothing but the last newline.
            Ok(opened) => assert_eq!((cut, &opened.state), (bytes.len() - 1, full)),
            Err(JournalError::Missing { to, .. }) => assert_eq!(to, *last),
            Err(error) => panic!("cut at {cut}: {error}"),
        }
        assert!(
            cut == bytes.len() - 1 || fs::read(dir.path().join(&newest)).unwrap() == bytes[..cut]
        );
    }
    // What was not acknowledged yet may go.
    let dir = fresh();
    let mut told = Told::begin(dir.path());
    told.journal.sync().unwrap();
    told.tell_more(1);
    let segment = dir.path().join(segment::name(1));
    let len = fs::metadata(&segment).unwrap().len();
    fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(len - 5).unwrap();
    let opened = open(dir.path()).unwrap();
    assert_eq!((&opened.state, opened.notes.len()), (&told.states[&1], 1));
    assert!(opened.notes[0].contains("cut"), "{}", opened.notes[0]);
}

#[test]
fn a_damaged_note_of_what_was_acknowledged_is_said_once_and_mended() {
    let (image, states) = image();
    let dir = fresh();
    image.restore(dir.path());
    fs::write(dir.path().join(acknowledged::NAME), "x".repeat(100)).unwrap();
    let opened = open(dir.path()).unwrap();
    assert_eq!((&opened.state, opened.notes.len()), (states.values().last().unwrap(), 1));
    assert!(open(dir.path()).unwrap().notes.is_empty());
}

#[test]
fn a_segment_that_is_gone_or_cut_is_missed() {
    let (image, _) = image();
    let dir = fresh();
    for name in image.segments() {
        let bare = image.without(is_snapshot);
        bare.without(|other| other == name).restore(dir.path());
        assert!(matches!(open(dir.path()), Err(JournalError::Missing { .. })), "{name}");
        let read: Result<Vec<_>, _> = read(dir.path(), 1).unwrap().collect();
        let newest = image.segments().pop().unwrap() == name;
        let oldest = segment::first_seq(&name) == Some(1);
        assert_eq!(read.is_ok(), newest || oldest, "a gap is an error to readers, too");
        if !newest {
            bare.restore(dir.path());
            let bytes = &image.0[&name];
            fs::write(dir.path().join(&name), &bytes[..bytes.len() - 20]).unwrap();
            assert!(matches!(open(dir.path()), Err(JournalError::Damaged { .. })), "{name}");
        }
    }
    // With snapshots but no segment at all, the note of what was acknowledged tells.
    image.without(|name| segment::first_seq(name).is_some()).restore(dir.path());
    assert!(matches!(open(dir.path()), Err(JournalError::Missing { .. })));
}

/// Opens a journal that consists of exactly these lines.
fn open_lines(lines: &[String]) -> Result<Opened, JournalError> {
    let dir = fresh();
    fs::write(dir.path().join(segment::name(1)), lines.concat()).unwrap();
    open(dir.path())
}

#[test]
fn lines_that_are_right_and_in_the_wrong_place_are_refused() {
    let line = |record: &Record| line::encode(record);
    let good = [line(&started(1, 1)), line(&next(2, 1)), line(&next(3, 1))];
    assert_eq!(open_lines(&good).unwrap().state.seq, 4);
    let swapped = [good[0].clone(), good[2].clone(), good[1].clone()];
    let gap = [good[0].clone(), good[2].clone()];
    let repeat = [good[0].clone(), good[1].clone(), good[1].clone()];
    let older = [line(&started(1, 1)), line(&started(2, 2)), line(&next(3, 1))];
    let wrong_start = [line(&next(2, 1))];
    let empty_line = [good[0].clone(), "\n".into()];
    let wrong_last = [good[0].clone(), good[1].to_uppercase()];
    for (name, lines, number) in [
        ("swapped", &swapped[..], 2),
        ("gap", &gap, 2),
        ("repeat", &repeat, 3),
        ("older epoch", &older, 3),
        ("wrong start", &wrong_start, 1),
        ("empty line", &empty_line, 2),
        ("last line wrong", &wrong_last, 2),
    ] {
        match open_lines(lines) {
            Err(JournalError::Damaged { line, .. }) => assert_eq!(line, number, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_record_that_cannot_follow_names_its_line() {
    let illegal = record(
        2,
        1,
        vec![Event::DaemonStarted { version: "1".into(), pid: 1, epoch: 1, suspended_ms: None }],
    );
    let lines = [line::encode(&started(1, 1)), line::encode(&illegal)];
    assert!(matches!(open_lines(&lines), Err(JournalError::Illegal { line: 2, .. })));
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let mut newer = next(2, 1);
    newer.schema = JOURNAL_SCHEMA + 1;
    let lines = [line::encode(&started(1, 1)), line::encode(&newer)];
    for count in [lines.len(), 1] {
        let text = lines[lines.len() - count..].concat();
        let dir = fresh();
        let path = dir.path().join(segment::name(if count == 1 { 2 } else { 1 }));
        // A last line that lacks its newline is no less newer.
        fs::write(&path, text.trim_end()).unwrap();
        if count == 1 {
            fs::write(dir.path().join(segment::name(1)), &lines[0]).unwrap();
        }
        assert!(matches!(open(dir.path()), Err(JournalError::Newer { schema: 2, .. })));
        assert_eq!(fs::read_to_string(path).unwrap(), text.trim_end());
    }
    let dir = fresh();
    let mut text = Vec::new();
    line::encode_into(&serde_json::json!({"schema": 2, "seq": 5, "world": {}}), &mut text);
    fs::write(dir.path().join(compact::name(5)), text).unwrap();
    assert!(matches!(open(dir.path()), Err(JournalError::Newer { schema: 2, line: 1, .. })));
}

#[test]
fn snapshots_of_another_shape_or_name_are_passed_over() {
    let (image, states) = image();
    let (_, full) = states.last_key_value().unwrap();
    let newest = image.0.keys().rfind(|name| is_snapshot(name)).unwrap().clone();
    let dir = fresh();
    image.restore(dir.path());
    let mut text = Vec::new();
    let other = serde_json::json!({"schema": 1, "seq": 5, "parts": 0, "state": {"tasks": 3}});
    line::encode_into(&other, &mut text);
    fs::write(dir.path().join(&newest), text).unwrap();
    let opened = open(dir.path()).unwrap();
    assert_eq!((&opened.state, opened.notes.len()), (full, 1));
    assert!(opened.notes[0].contains("another version"), "{}", opened.notes[0]);
    image.restore(dir.path());
    fs::rename(dir.path().join(&newest), dir.path().join(compact::name(99))).unwrap();
    let opened = open(dir.path()).unwrap();
    assert_eq!((&opened.state, opened.notes.len()), (full, 1));
}

#[test]
fn a_tail_of_zeros_is_cut_and_a_line_after_it_is_not() {
    let lines = [line::encode(&started(1, 1)), line::encode(&next(2, 1))];
    let opened = open_lines(&[lines[0].clone(), "\0".repeat(4096)]).unwrap();
    assert_eq!((opened.state.seq, opened.notes.len()), (1, 1));
    let hole = open_lines(&[lines[0].clone(), "\0".repeat(4096), lines[1].clone()]);
    assert!(matches!(hole, Err(JournalError::Damaged { line: 2, .. })));
}
