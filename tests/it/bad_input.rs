//! Bad input of every kind: one clear error and one event each, and all else goes on.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;

use crate::served::{Served, write_whole};

/// A file as it is dropped, and a word that its error must contain.
type Bad = (&'static str, Vec<u8>, &'static str);

fn bad_files() -> Vec<Bad> {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    vec![
        ("empty.json", Vec::new(), "empty"),
        ("truncated.json", br#"{"title":"Fix the bug in src/a.rs""#.to_vec(), "line 1"),
        ("deep.json", format!(r#"{{"title":"x","context":{deep}}}"#).into_bytes(), "levels"),
        ("utf8.json", b"{\"title\":\"a\xff\"}".to_vec(), "UTF-8"),
        ("twice.json", br#"{"title":"one","title":"two"}"#.to_vec(), "title"),
        ("list.json", b"[1,2,3]".to_vec(), ""),
        ("number.json", b"18446744073709551616".to_vec(), ""),
        ("no-task.json", br#"{"colour":"blue"}"#.to_vec(), "title"),
        ("schema.json", br#"{"schema":"baton/nonsense@1","title":"x"}"#.to_vec(), "schema"),
        ("newer.json", br#"{"schema":"baton/task@99","title":"x"}"#.to_vec(), "schema"),
        ("wrong-type.json", br#"{"title":{"a":"b"}}"#.to_vec(), "title"),
        ("bad-id.json", br#"{"id":"../../x","title":"Fix the bug in src/a.rs"}"#.to_vec(), "id"),
        (
            "long-id.json",
            format!(r#"{{"id":"{}","title":"Fix it"}}"#, "x".repeat(97)).into_bytes(),
            "96",
        ),
        ("huge.json", vec![b' '; 100 << 20], "bytes"),
        ("empty.md", b"\n \n".to_vec(), "empty"),
        ("binary.txt", vec![0, 159, 146, 150], "UTF-8"),
        ("command.json", br#"{"schema":"baton/command@1","verb":"cancel"}"#.to_vec(), "command_id"),
    ]
}

#[test]
fn each_bad_file_of_the_inbox_is_refused_beside_its_reason() {
    let root = tempfile::tempdir().unwrap();
    let mut served = Served::new(&root.path().join("coordination"), "");
    let inbox = served.dir().join("inbox");
    for (name, bytes, _) in bad_files() {
        write_whole(&inbox, name, &bytes);
    }
    served.start();
    write_whole(&inbox, "good.json", br#"{"id":"good","title":"Fix the typo in src/good.rs"}"#);
    write_whole(
        &inbox,
        "bom.json",
        b"\xef\xbb\xbf{\"id\":\"bom\",\"title\":\"Fix the typo in src/bom.rs\"}",
    );
    write_whole(
        &inbox,
        "big-number.json",
        br#"{"id":"big","title":"Fix the typo in src/big.rs","n":18446744073709551616}"#,
    );
    let rejected = inbox.join("rejected");
    for (name, bytes, word) in bad_files() {
        let reason_path = rejected.join(format!("{name}.reason.json"));
        served.wait_for(|| reason_path.exists() && rejected.join(name).exists());
        let reason: Value = serde_json::from_slice(&std::fs::read(&reason_path).unwrap()).unwrap();
        let error = reason["error"].as_str().unwrap();
        assert!(error.contains(word), "{name}: {error:?} lacks {word:?}");
        assert_eq!(std::fs::read(rejected.join(name)).unwrap(), bytes, "{name} is kept as it was");
    }
    for id in ["good", "bom", "big"] {
        let handoff = format!("masters/development/handoffs/to-development-{id}.json");
        served.wait_for(|| served.dir().join(&handoff).exists());
    }
    served.stop();
    let told = refusals(served.dir());
    assert_eq!(told.values().sum::<usize>(), bad_files().len(), "{told:#?}");
    served.start();
    served.stop();
    assert_eq!(refusals(served.dir()), told, "a second start tells nothing new");
}

#[test]
fn things_that_are_no_files_are_told_once_and_never_block() {
    let root = tempfile::tempdir().unwrap();
    let mut served = Served::new(&root.path().join("coordination"), "");
    let inbox = served.dir().join("inbox");
    let secret = root.path().join("secret.json");
    std::fs::write(&secret, br#"{"title":"Fix the secret in src/s.rs"}"#).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        inbox.join("pipe.json"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    symlink(&secret, inbox.join("link.json")).unwrap();
    std::fs::create_dir(inbox.join("folder.json")).unwrap();
    std::fs::hard_link(&secret, inbox.join("hard.json")).unwrap();
    let specs = served.dir().join("worker-specs/active");
    std::fs::create_dir_all(&specs).unwrap();
    std::fs::write(specs.join("broken.json"), br#"{"worker_id":"w","resources":{"n": ,}}"#)
        .unwrap();
    std::fs::create_dir(served.dir().join("task-queue.json")).unwrap();
    served.start();
    write_whole(&inbox, "good.json", br#"{"id":"good","title":"Fix the typo in src/good.rs"}"#);
    let handoff = served.dir().join("masters/development/handoffs/to-development-good.json");
    served.wait_for(|| handoff.exists());
    let names =
        ["pipe.json", "link.json", "folder.json", "hard.json", "broken.json", "task-queue.json"];
    served.wait_for(|| {
        let told = refusals(served.dir());
        names.iter().all(|name| told.keys().any(|file| file.ends_with(name)))
    });
    served.stop();
    let told = refusals(served.dir());
    assert!(told.values().all(|times| *times == 1), "{told:#?}");
    assert!(secret.exists() && inbox.join("hard.json").exists(), "nothing is moved or lost");
    served.start();
    served.stop();
    assert_eq!(refusals(served.dir()), told, "a second start tells nothing new");
}

#[test]
fn a_queue_that_is_half_written_is_waited_for_and_a_broken_one_told_once() {
    let root = tempfile::tempdir().unwrap();
    let mut served = Served::new(&root.path().join("coordination"), "");
    let queue = served.dir().join("task-queue.json");
    let broken = br#"{"tasks":[{"id":"a","title":"Fix the typo in src/a.rs","status":"pending"}"#;
    std::fs::write(&queue, broken).unwrap();
    served.start();
    served.wait_for(|| refusals(served.dir()).len() == 1);
    assert_eq!(std::fs::read(&queue).unwrap(), broken, "a broken queue is never written");
    std::fs::write(&queue, [broken.as_slice(), b"]}"].concat()).unwrap();
    let handoff = served.dir().join("masters/development/handoffs/to-development-a.json");
    served.wait_for(|| handoff.exists());
    served.wait_for(|| std::fs::read_to_string(&queue).unwrap().contains("assigned"));
    served.stop();
    assert_eq!(refusals(served.dir()).values().sum::<usize>(), 1);
}

#[test]
fn what_is_put_right_or_taken_away_is_forgotten_at_once() {
    let root = tempfile::tempdir().unwrap();
    let mut served = Served::new(&root.path().join("coordination"), "");
    let inbox = served.dir().join("inbox");
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    let specs = served.dir().join("worker-specs/active");
    std::fs::create_dir_all(&specs).unwrap();
    std::fs::write(specs.join("broken.json"), b"{").unwrap();
    std::fs::create_dir(served.dir().join("task-queue.json")).unwrap();
    write_whole(&inbox, "good.json", br#"{"id":"good","title":"Fix the typo in src/good.rs"}"#);
    std::fs::set_permissions(&inbox, mode(0o777)).unwrap();
    served.start();
    served.wait_for(|| refusals(served.dir()).len() == 3);
    // Well before the next look at everything.
    let begun = std::time::Instant::now();
    std::fs::set_permissions(&inbox, mode(0o755)).unwrap();
    std::fs::remove_file(specs.join("broken.json")).unwrap();
    std::fs::remove_dir(served.dir().join("task-queue.json")).unwrap();
    let handoff = served.dir().join("masters/development/handoffs/to-development-good.json");
    served.wait_for(|| handoff.exists() && count(served.dir(), "file_restored") == 3);
    assert!(begun.elapsed().as_secs() < 60, "it waited for the next look at everything");
    served.stop();
    assert!(refusals(served.dir()).values().all(|times| *times == 1));
}

#[test]
fn an_inbox_that_is_removed_and_made_again_is_served() {
    let root = tempfile::tempdir().unwrap();
    let mut served = Served::new(&root.path().join("coordination"), "");
    served.start();
    let begun = std::time::Instant::now();
    let handoff = |id: &str| {
        served.dir().join(format!("masters/development/handoffs/to-development-{id}.json"))
    };
    let inbox = served.dir().join("inbox");
    for id in ["one", "two", "three"] {
        let task = format!(r#"{{"id":"{id}","title":"Fix the typo in src/{id}.rs"}}"#);
        write_whole(&inbox, &format!("{id}.json"), task.as_bytes());
        served.wait_for(|| handoff(id).exists());
        served.wait_for(|| inbox.join(format!("accepted/{id}.json")).exists());
        std::fs::rename(&inbox, root.path().join(format!("old-{id}"))).unwrap();
        std::fs::create_dir(&inbox).unwrap();
    }
    assert!(begun.elapsed().as_secs() < 60, "it waited for the next look at everything");
    served.stop();
}

fn count(dir: &Path, kind: &str) -> usize {
    let text = std::fs::read_to_string(dir.join("dashboard-events.jsonl")).unwrap_or_default();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["type"] == kind).count()
}

/// Counts the events that refuse a file, by the file they name.
fn refusals(dir: &Path) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(dir.join("dashboard-events.jsonl")).unwrap_or_default();
    let mut found = BTreeMap::new();
    for event in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let file = match event["type"].as_str() {
            Some("file_quarantined" | "drop_rejected") => event["problem"]["file"].as_str(),
            Some("task_rejected") => event["source"]["file"].as_str(),
            Some(_) | None => None,
        };
        if let Some(file) = file {
            *found.entry(file.to_owned()).or_default() += 1;
        }
    }
    found
}
