//! What may stand in a file.

use crate::source::{code, is_test_file, only_tests, without_tests, words};
use crate::{Complaint, Tree};

/// Where the command line prints.
const PRINTERS: [&str; 2] = ["src/cli/output.rs", "src/cli/output/"];

/// Only `cli/output` prints.
pub(crate) fn only_output_prints(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let others = tree.src().filter(|(path, _)| {
        !is_test_file(path) && !PRINTERS.iter().any(|printer| path.starts_with(printer))
    });
    for (path, text) in others {
        let what = "only src/cli/output.rs prints";
        let prints = ["println!", "eprintln!", "print!", "eprint!"];
        complaints.extend(find(path, &without_tests(text), &prints, what));
    }
    complaints
}

/// No test sleeps.
pub(crate) fn tests_wait_for_events(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, text) in tree.rust() {
        let code = if is_test_file(path) { code(text) } else { only_tests(text) };
        let what = "a test waits for an event, or drives time by argument";
        complaints.extend(find(path, &code, &["thread::sleep", "time::sleep"], what));
    }
    complaints
}

/// No test is ignored.
pub(crate) fn no_test_is_left_out(tree: &Tree) -> Vec<Complaint> {
    let what = "a test that is not run is none";
    everywhere(tree, &["#[ignore"], what)
}

/// Lints are expected with a reason, not allowed: an expectation that is not met is told.
pub(crate) fn lints_are_expected_not_allowed(tree: &Tree) -> Vec<Complaint> {
    everywhere(tree, &["#[allow(", "#![allow("], "write #[expect(.., reason = \"..\")]")
}

fn everywhere(tree: &Tree, banned: &[&str], what: &str) -> Vec<Complaint> {
    tree.rust().flat_map(|(path, text)| find(path, &code(text), banned, what)).collect()
}

fn find(path: &str, code: &str, banned: &[&str], what: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for word in banned {
        for (line, _) in words(code, word) {
            complaints.push(Complaint::new(path, line, format!("{word}: {what}")));
        }
    }
    complaints
}

#[test]
fn who_prints_is_named() {
    let files = [
        ("src/cli/output.rs", "println!()"),
        ("src/cli/output/table.rs", "anstream::println!()"),
        ("src/cli/run.rs", "// println!\nlet a = \"println!\";\nanstream::eprintln!(a);"),
        ("src/store.rs", "fn f() {}\n#[cfg(test)]\nmod tests { println!() }"),
        ("tests/it/main.rs", "println!()"),
    ];
    crate::assert_complaints(only_output_prints, &files, &["src/cli/run.rs:3"]);
}

#[test]
fn a_test_that_sleeps_is_named() {
    let files = [
        ("src/daemon.rs", "tokio::time::sleep(x).await"),
        ("src/store.rs", "#[cfg(test)]\nmod tests {\n std::thread::sleep(x) }"),
        ("src/store/tests.rs", "tokio::time::sleep(x)"),
        ("tests/it/main.rs", "// thread::sleep\nuse std::thread;\nthread::sleep(x)"),
    ];
    let places = ["src/store.rs:3", "src/store/tests.rs:1", "tests/it/main.rs:3"];
    crate::assert_complaints(tests_wait_for_events, &files, &places);
}

#[test]
fn an_ignored_test_is_named() {
    let files = [("tests/it/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() {}"), ("src/a.rs", "")];
    crate::assert_complaints(no_test_is_left_out, &files, &["tests/it/a.rs:2"]);
}

#[test]
fn an_allowed_lint_is_named() {
    let files = [("src/a.rs", "#![allow(dead_code)]\n#[expect(x)]\n#[allow(y)]"), ("src/b.rs", "")];
    crate::assert_complaints(lints_are_expected_not_allowed, &files, &["src/a.rs:3", "src/a.rs:1"]);
}
