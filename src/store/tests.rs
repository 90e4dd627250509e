//! The store against what may be dropped into its directory, and against other writers.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::Barrier;
use std::time::Duration;

use rustix::fs::{CWD, Mode};
use tempfile::TempDir;

use super::*;

const LIMIT: u64 = 1 << 20;

fn fresh() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn text(store: &Store, path: &str) -> Option<String> {
    store.read(path, LIMIT).unwrap().map(|file| String::from_utf8(file.bytes).unwrap())
}

fn mode(dir: &TempDir, path: &str) -> u32 {
    fs::metadata(dir.path().join(path)).unwrap().mode() & 0o777
}

fn names(store: &Store, dir: &str) -> Vec<String> {
    store.list(dir).unwrap().into_iter().map(|entry| entry.name).collect()
}

#[test]
fn what_is_no_plain_file_is_refused_with_a_word_and_a_remedy_and_without_a_hang() {
    let (dir, store) = fresh();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "s").unwrap();
    let at = |name: &str| dir.path().join(name);
    rustix::fs::mkfifoat(CWD, at("fifo"), Mode::from_raw_mode(0o600)).unwrap();
    fs::create_dir_all(at("dir/sub")).unwrap();
    fs::write(at("dir/file"), "f").unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    fs::hard_link(at("dir/file"), at("hard")).unwrap();
    symlink(outside.path().join("secret"), at("absolute")).unwrap();
    symlink("dir/file", at("relative")).unwrap();
    symlink("../x", at("upwards")).unwrap();
    symlink("nothing", at("dangling")).unwrap();
    symlink(outside.path(), at("middle")).unwrap();
    symlink("dir", at("middle-inside")).unwrap();
    fs::File::create(at("sparse")).unwrap().set_len(100 << 20).unwrap();
    for (path, word) in [
        ("fifo", "fifo"),
        ("dir", "directory"),
        ("socket", "special"),
        ("hard", "hard-link"),
        ("absolute", "symlink"),
        ("relative", "symlink"),
        ("upwards", "symlink"),
        ("dangling", "symlink"),
        ("middle/secret", "symlink"),
        ("middle-inside/file", "symlink"),
        ("sparse", "too-large"),
        ("../x", "bad-path"),
        ("dir/../dir/file", "bad-path"),
        ("/etc/passwd", "bad-path"),
        ("dir//file", "bad-path"),
        ("dir/file/deeper", "unreadable"),
    ] {
        let error = store.read(path, LIMIT).unwrap_err();
        assert_eq!(error.word(), word, "{path}: {error}");
        let problem = error.problem();
        assert_eq!(problem.file, path);
        assert!(!problem.message.is_empty() && !problem.remedy.is_empty(), "{path}");
    }
    assert!(store.read("none", LIMIT).unwrap().is_none());
    assert!(store.read("none/none", LIMIT).unwrap().is_none());
}

#[test]
fn a_file_is_read_up_to_its_limit_with_who_owns_it() {
    let (dir, store) = fresh();
    fs::write(dir.path().join("f"), "12345").unwrap();
    fs::set_permissions(dir.path().join("f"), fs::Permissions::from_mode(0o640)).unwrap();
    let file = store.read("f", 5).unwrap().unwrap();
    let real = fs::metadata(dir.path().join("f")).unwrap();
    assert_eq!(file.bytes, b"12345");
    assert_eq!((file.owner, file.mode, file.inode), (real.uid(), 0o640, real.ino()));
    assert_eq!(file.modified_ms, real.mtime() * 1000 + real.mtime_nsec() / 1_000_000);
    assert!(matches!(store.read("f", 4), Err(ReadError::TooLarge { len: 5, limit: 4, .. })));
}

#[test]
fn lists_are_sorted_and_tell_what_each_name_is() {
    use std::os::unix::ffi::OsStrExt;
    let (dir, store) = fresh();
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::write(dir.path().join(".b"), "12").unwrap();
    symlink("d", dir.path().join("a")).unwrap();
    rustix::fs::mkfifoat(CWD, dir.path().join("p"), Mode::from_raw_mode(0o600)).unwrap();
    fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"x\xff")), "").unwrap();
    let seen: Vec<_> =
        store.list("").unwrap().into_iter().map(|e| (e.name, e.kind, e.len)).take(5).collect();
    let kinds: Vec<_> = seen.iter().map(|(name, kind, _)| (name.as_str(), *kind)).collect();
    assert_eq!(
        kinds,
        [
            (".b", EntryKind::File),
            ("a", EntryKind::Symlink),
            ("d", EntryKind::Dir),
            ("p", EntryKind::Fifo),
            ("x\\xff", EntryKind::Other)
        ]
    );
    assert_eq!(seen[0].2, 2);
    assert!(store.list("none").unwrap().is_empty());
    assert!(matches!(store.list("a"), Err(StoreError::Link { .. })));
    assert!(store.list(".b").is_err());
    assert!(store.exists("a") && store.exists("p") && !store.exists("none"));
}

#[test]
fn replacing_is_whole_keeps_the_mode_and_leaves_nothing_behind() {
    let (dir, store) = fresh();
    store.replace("a/b/new.json", b"1").unwrap();
    assert_eq!(text(&store, "a/b/new.json").unwrap(), "1");
    fs::set_permissions(dir.path().join("a/b/new.json"), fs::Permissions::from_mode(0o664))
        .unwrap();
    store.replace("a/b/new.json", b"2").unwrap();
    store.replace_durable("a/b/new.json", b"3").unwrap();
    assert_eq!(text(&store, "a/b/new.json").unwrap(), "3");
    assert_eq!(mode(&dir, "a/b/new.json"), 0o664);
    assert_eq!(names(&store, "a/b"), ["new.json"]);
    store.stage("a/b/.staged", "a/b/new.json", b"4").unwrap();
    assert_eq!(mode(&dir, "a/b/.staged"), 0o664);
    fs::create_dir(dir.path().join("taken")).unwrap();
    assert!(store.replace("taken", b"x").is_err());
    assert_eq!(names(&store, ""), ["a", "taken"]);
}

#[test]
fn a_link_in_the_way_is_never_written_through() {
    let (dir, store) = fresh();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("f"), "theirs").unwrap();
    symlink(outside.path(), dir.path().join("out")).unwrap();
    symlink(outside.path().join("f"), dir.path().join("f")).unwrap();
    fs::hard_link(outside.path().join("f"), dir.path().join("hard")).unwrap();
    for refused in [
        store.replace("out/f", b"x"),
        store.replace_durable("out/new/f", b"x"),
        store.publish("out/g", b"x", true).map(|_| ()),
        store.append("out/f", b"x"),
        store.append("f", b"x"),
        store.append("hard", b"x"),
        store.remove("out/f"),
        store.rename("out/f", "g").map(|_| ()),
        store.create_dirs("out/d"),
    ] {
        assert!(
            matches!(refused, Err(StoreError::Link { .. } | StoreError::HardLinked { .. })),
            "{refused:?}"
        );
    }
    // A link in place of the file itself is replaced, not followed.
    store.replace("f", b"ours").unwrap();
    store.replace("hard", b"ours").unwrap();
    assert_eq!(text(&store, "f").unwrap(), "ours");
    assert_eq!(fs::read_to_string(outside.path().join("f")).unwrap(), "theirs");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn a_directory_that_turns_into_a_link_and_back_never_lets_a_write_out() {
    use rustix::fs::{RenameFlags, renameat_with};
    let (dir, store) = fresh();
    let outside = tempfile::tempdir().unwrap();
    store.create_dirs("d").unwrap();
    symlink(outside.path(), dir.path().join("link")).unwrap();
    let (from, to) = (dir.path().join("d"), dir.path().join("link"));
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                renameat_with(CWD, &from, CWD, &to, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for n in 0..2000 {
            let _ = store.replace("d/f", b"x");
            let _ = store.publish(&format!("d/p{n}"), b"x", false);
            let _ = store.append("d/a", b"x");
            let _ = store.create_dirs("d/sub/sub");
        }
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn what_is_private_is_open_to_its_owner_only() {
    let (dir, store) = fresh();
    store.replace("orchestrator/answers/c.json", b"{}").unwrap();
    store.create_dirs("inbox/.claimed").unwrap();
    let copy = store.quarantine("inbox/x.json", b"x").unwrap();
    for private in ["orchestrator/answers", "inbox/.claimed", "orchestrator/quarantine"] {
        assert_eq!(mode(&dir, private), 0o700, "{private}");
    }
    for private in ["orchestrator/answers/c.json", &copy] {
        assert_eq!(mode(&dir, private), 0o600, "{private}");
    }
    assert_ne!(mode(&dir, "inbox"), 0o700);
}

#[test]
fn of_many_publishers_of_one_name_one_wins() {
    const PUBLISHERS: usize = 20;
    let (_dir, store) = fresh();
    let start = Barrier::new(PUBLISHERS);
    let wins: Vec<usize> = std::thread::scope(|scope| {
        let publish = |who: usize| {
            let (store, start) = (store.clone(), &start);
            scope.spawn(move || {
                start.wait();
                let body = format!("{who}").repeat(5000);
                (who, store.publish("h/one.json", body.as_bytes(), who.is_multiple_of(2)).unwrap())
            })
        };
        let threads: Vec<_> = (0..PUBLISHERS).map(publish).collect();
        let done = threads.into_iter().map(|thread| thread.join().unwrap());
        done.filter(|(_, published)| *published == Published::New).map(|(who, _)| who).collect()
    });
    assert_eq!(wins.len(), 1);
    assert_eq!(text(&store, "h/one.json").unwrap(), format!("{}", wins[0]).repeat(5000));
    assert_eq!(names(&store, "h"), ["one.json"]);
}

#[test]
fn renaming_never_replaces_and_says_what_it_found() {
    let (_dir, store) = fresh();
    store.replace("in/a", b"a").unwrap();
    store.replace("in/b", b"b").unwrap();
    assert_eq!(store.rename("in/a", "in/b").unwrap(), Renamed::TargetExists);
    assert_eq!(store.rename("in/a", "out/deep/a").unwrap(), Renamed::Done);
    assert_eq!(store.rename("in/a", "out/deep/a2").unwrap(), Renamed::SourceGone);
    assert_eq!(store.rename("none/a", "never/a").unwrap(), Renamed::SourceGone);
    assert!(!store.exists("never"));
    assert_eq!(text(&store, "in/b").unwrap(), "b");
    assert_eq!(text(&store, "out/deep/a").unwrap(), "a");
}

#[test]
fn two_files_change_names_in_one_step() {
    let (_dir, store) = fresh();
    store.replace("a", b"a").unwrap();
    assert_eq!(store.exchange("a", "b").unwrap(), Exchanged::Missing);
    store.replace("b", b"b").unwrap();
    if store.exchange("a", "b").unwrap() == Exchanged::Done {
        assert_eq!(
            (text(&store, "a").unwrap(), text(&store, "b").unwrap()),
            ("b".into(), "a".into())
        );
    }
}

#[test]
fn lines_of_many_appenders_stay_whole() {
    let (_dir, store) = fresh();
    std::thread::scope(|scope| {
        for who in 0..4 {
            let store = store.clone();
            scope.spawn(move || {
                for _ in 0..200 {
                    store
                        .append(
                            "log/e.jsonl",
                            format!("{}\n", who.to_string().repeat(300)).as_bytes(),
                        )
                        .unwrap();
                }
            });
        }
    });
    let all = text(&store, "log/e.jsonl").unwrap();
    assert_eq!(all.lines().count(), 800);
    assert!(
        all.lines().all(|line| line.len() == 300 && line.bytes().all(|b| b == line.as_bytes()[0]))
    );
}

#[test]
fn appending_to_what_is_no_file_neither_hangs_nor_writes() {
    let (dir, store) = fresh();
    rustix::fs::mkfifoat(CWD, dir.path().join("fifo"), Mode::from_raw_mode(0o600)).unwrap();
    fs::create_dir(dir.path().join("dir")).unwrap();
    for path in ["fifo", "dir"] {
        assert!(matches!(store.append(path, b"x"), Err(StoreError::NotAFile { .. })), "{path}");
    }
}

#[test]
fn copies_in_quarantine_are_kept_once_each() {
    let (_dir, store) = fresh();
    let first = store.quarantine("worker-specs/active/a b.json", b"one").unwrap();
    assert_eq!(store.quarantine("worker-specs/active/a b.json", b"one").unwrap(), first);
    assert_eq!(
        first,
        format!("orchestrator/quarantine/{}-worker-specs_active_a_b.json", digest(b"one"))
    );
    let second = store.quarantine("worker-specs/active/a b.json", b"two").unwrap();
    assert_ne!(first, second);
    // The same digest with other bytes does not count as the same.
    store.replace(&second, b"2wo").unwrap();
    let twin = store.quarantine("worker-specs/active/a b.json", b"two").unwrap();
    assert_ne!(twin, second);
    assert_eq!(text(&store, &twin).unwrap(), "two");
    assert_eq!(text(&store, &second).unwrap(), "2wo");
}

#[test]
fn a_directory_that_was_replaced_is_noticed() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("coordination");
    fs::create_dir(&path).unwrap();
    let store = Store::open(&path).unwrap();
    store.still_there().unwrap();
    fs::rename(&path, above.path().join("away")).unwrap();
    assert!(matches!(store.still_there(), Err(StoreError::Gone { .. })));
    fs::create_dir(&path).unwrap();
    assert!(matches!(store.still_there(), Err(StoreError::Gone { .. })));
    store.replace("f", b"x").unwrap();
    assert!(!path.join("f").exists(), "what was opened is written, whatever bears its name");
}

#[test]
fn a_read_only_directory_is_an_error_and_stays_as_it_is() {
    let (dir, store) = fresh();
    fs::create_dir(dir.path().join("ro")).unwrap();
    fs::write(dir.path().join("ro/f"), "old").unwrap();
    fs::set_permissions(dir.path().join("ro"), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(dir.path().join("ro/probe"), "").is_ok() {
        return; // This user may write anywhere: there is no read-only directory.
    }
    assert!(matches!(store.replace("ro/f", b"new"), Err(StoreError::Io { .. })));
    assert_eq!(text(&store, "ro/f").unwrap(), "old");
}

#[test]
fn the_directory_has_one_owner_who_is_named() {
    let (dir, store) = fresh();
    let lock = store.lock_directory().unwrap();
    let other = Store::open(dir.path()).unwrap();
    let Err(LockError::Held { holder_pid, .. }) = other.lock_directory() else {
        panic!("two owners")
    };
    assert_eq!(holder_pid, Some(std::process::id()));
    drop(lock);
    other.lock_directory().unwrap();
}

#[test]
fn taking_the_directory_removes_what_a_crash_left_and_nothing_else() {
    let (dir, store) = fresh();
    store.create_dirs("orchestrator/tasks").unwrap();
    store.create_dirs("masters/security/handoffs").unwrap();
    let left = ["orchestrator/tasks/.baton-1-1.tmp", "masters/security/handoffs/.baton-1-2.tmp"];
    let kept = ["orchestrator/tasks/.other-1-1.tmp", ".baton-1-9.tmp"];
    for name in left.iter().chain(&kept) {
        fs::write(dir.path().join(name), "half").unwrap();
    }
    let in_use = fs::File::open(dir.path().join(kept[1])).unwrap();
    fs2::FileExt::lock_exclusive(&in_use).unwrap();
    let _lock = store.lock_directory().unwrap();
    assert!(left.iter().all(|name| !store.exists(name)));
    assert!(kept.iter().all(|name| store.exists(name)));
}

#[test]
fn a_lock_has_one_holder_and_the_next_waits_or_gives_up() {
    let (dir, store) = fresh();
    let other = Store::open(dir.path()).unwrap();
    let none = Duration::ZERO;
    let lock = store.lock("q.lock", none).unwrap();
    for contender in [&store, &other] {
        let Err(LockError::Held { holder_pid, .. }) = contender.lock("q.lock", none) else {
            panic!("two holders")
        };
        assert_eq!(holder_pid, Some(std::process::id()));
    }
    // One that gave up does not get the lock later and keep it.
    assert!(other.lock("q.lock", Duration::from_millis(20)).is_err());
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| other.lock("q.lock", Duration::from_secs(30)).map(drop));
        drop(lock);
        waits.join().unwrap().unwrap();
    });
    store.lock("q.lock", Duration::from_secs(30)).unwrap();
    assert!(store.inner.turns.lock().unwrap().is_empty());
}

#[test]
fn a_counter_under_the_lock_loses_nothing() {
    let (dir, store) = fresh();
    store.replace("n", b"0").unwrap();
    std::thread::scope(|scope| {
        for who in 0..6 {
            // Half share a store and take turns in this process; half meet in the kernel.
            let mine = if who % 2 == 0 { store.clone() } else { Store::open(dir.path()).unwrap() };
            scope.spawn(move || {
                for _ in 0..30 {
                    let _lock = mine.lock("n.lock", Duration::from_secs(60)).unwrap();
                    let n: u32 = text(&mine, "n").unwrap().parse().unwrap();
                    mine.replace("n", (n + 1).to_string().as_bytes()).unwrap();
                }
            });
        }
    });
    assert_eq!(text(&store, "n").unwrap(), "180");
}

#[test]
fn a_lock_on_a_file_that_lost_its_name_does_not_count() {
    let (dir, store) = fresh();
    let other = Store::open(dir.path()).unwrap();
    let lock = store.lock("q.lock", Duration::ZERO).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| other.lock("q.lock", Duration::from_secs(30)).unwrap());
        fs::remove_file(dir.path().join("q.lock")).unwrap();
        drop(lock);
        let got = waits.join().unwrap();
        assert_eq!(
            rustix::fs::fstat(&got).unwrap().st_ino,
            fs::metadata(dir.path().join("q.lock")).unwrap().ino()
        );
    });
}

#[test]
fn a_lock_that_is_handed_out_lasts_as_long_as_the_descriptor() {
    let (_dir, store) = fresh();
    let file = store.lock("a.lock", Duration::ZERO).unwrap().into_file().unwrap();
    assert!(matches!(store.lock("a.lock", Duration::ZERO), Err(LockError::Held { .. })));
    drop(file);
    store.lock("a.lock", Duration::from_secs(30)).unwrap();
}

#[test]
fn a_lock_file_is_a_plain_file() {
    let (dir, store) = fresh();
    symlink("elsewhere", dir.path().join("l.lock")).unwrap();
    fs::create_dir(dir.path().join("d.lock")).unwrap();
    for path in ["l.lock", "d.lock"] {
        assert!(matches!(store.lock(path, Duration::ZERO), Err(LockError::Store(_))), "{path}");
    }
}

#[test]
fn a_missing_root_is_named() {
    let error = Store::open(Path::new("/nonexistent/coordination")).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/coordination"), "{error}");
}
