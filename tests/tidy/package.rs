//! What the package promises.

use crate::source::{is_test_file, line_of, without_tests, words};
use crate::{Complaint, Tree};

/// The crates that the daemon is asked to be built on, by the names that code uses.
const CARD: [(&str, &str); 8] = [
    ("notify", "notify"),
    ("tokio", "tokio"),
    ("serde_json", "serde_json"),
    ("fs2", "fs2"),
    ("chrono", "chrono"),
    ("sysinfo", "sysinfo"),
    ("tracing-subscriber", "tracing_subscriber"),
    ("signal-hook", "signal_hook"),
];
/// The one file that knows the crate of the locks.
const LOCKS: &str = "src/store/lock.rs";

/// Every dependency says on its line what it is for.
pub(crate) fn dependencies_say_why(tree: &Tree) -> Vec<Complaint> {
    let manifest = tree.text("Cargo.toml").unwrap_or_default();
    let mut complaints = Vec::new();
    let mut in_dependencies = false;
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            in_dependencies = line.trim_end_matches(']').ends_with("dependencies");
            continue;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| in_dependencies) else {
            continue;
        };
        let is_comment = |at: &usize| value[..*at].matches('"').count() % 2 == 0;
        let why = value.match_indices('#').map(|(at, _)| at).find(is_comment);
        if !line.starts_with('#') && why.is_none_or(|at| value[at + 1..].trim().len() < 5) {
            let what = format!("say why {} is needed, as a comment on its line", name.trim());
            complaints.push(Complaint::new("Cargo.toml", index + 1, what));
        }
    }
    complaints
}

/// The crates of the card are dependencies and are used, fs2 by the locks alone.
pub(crate) fn the_crates_of_the_card_are_used(tree: &Tree) -> Vec<Complaint> {
    let manifest = tree.text("Cargo.toml").unwrap_or_default();
    let mut complaints = Vec::new();
    let sources: Vec<(&str, String)> = tree
        .src()
        .filter(|(path, _)| !is_test_file(path))
        .map(|(path, text)| (path, without_tests(text)))
        .collect();
    for (package, name) in CARD {
        let path = format!("{name}::");
        let at = manifest.find(&format!("\n{package} ="));
        let line = at.map_or(0, |at| line_of(manifest, at + 1));
        if at.is_none() || !sources.iter().any(|(_, code)| words(code, &path).next().is_some()) {
            let what = format!("{package} is not used anywhere in src");
            complaints.push(Complaint::new("Cargo.toml", line, what));
        }
    }
    for (path, code) in sources.iter().filter(|(path, _)| *path != LOCKS) {
        for (line, _) in words(code, "fs2") {
            complaints.push(Complaint::new(path, line, format!("fs2 is used in {LOCKS} only")));
        }
    }
    complaints
}

#[test]
fn a_dependency_without_a_reason_is_named() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na = \"1\"  # counts things\nb = \"1\"\n\
                    c = { version = \"1\", features = [\"#1\"] }\n[lints.rust]\nd = \"deny\"\n\
                    [dev-dependencies]\ne = \"1\" #\n";
    let places = ["Cargo.toml:5", "Cargo.toml:6", "Cargo.toml:10"];
    crate::assert_complaints(dependencies_say_why, &[("Cargo.toml", manifest)], &places);
}

#[test]
fn a_crate_of_the_card_that_is_not_used_is_named() {
    let manifest = CARD.map(|(package, _)| format!("{package} = \"1\"\n")).concat();
    let manifest = format!("[dependencies]\n{manifest}");
    let used = CARD.map(|(_, name)| format!("use {name}::X;\n")).concat().replace("fs2::X", "x::Y");
    let lock = (LOCKS, "fn f() { fs2::FileExt::lock_exclusive(&f) }");
    let all = [("Cargo.toml", manifest.as_str()), ("src/a.rs", &used), lock];
    crate::assert_complaints(the_crates_of_the_card_are_used, &all, &[]);

    let less =
        used.replace("use sysinfo::X;", "// sysinfo::X").replace("use notify", "use re_notify");
    let files =
        [("Cargo.toml", manifest.as_str()), ("src/a.rs", &less), lock, ("src/b.rs", "use fs2;")];
    let places = ["Cargo.toml:2", "Cargo.toml:7", "src/b.rs:1"];
    crate::assert_complaints(the_crates_of_the_card_are_used, &files, &places);
}
