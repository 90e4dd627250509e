//! Which file belongs where.

use std::collections::BTreeSet;

use crate::source::{code, words};
use crate::{Complaint, Tree};

/// A front door with a roster: where the roster begins, and the files beside it that are no
/// extensions but help those that are.
struct Roster {
    front: &'static str,
    begins: &'static str,
    helpers: &'static [&'static str],
}

const ROSTERS: &[Roster] = &[
    Roster { front: "src/backend.rs", begins: "const ROSTER", helpers: &["classify"] },
    Roster { front: "src/intake.rs", begins: "fn roster", helpers: &["patience"] },
    Roster { front: "src/projection.rs", begins: "const ROSTER", helpers: &["dashboard_events"] },
    Roster {
        front: "src/planner.rs",
        begins: "const ROSTER",
        helpers: &[
            "actuals",
            "author",
            "complexity",
            "expand",
            "files",
            "frame",
            "languages",
            "lessons",
            "lexicon",
            "order",
            "outside",
            "repeat",
            "request",
            "revise",
            "routing",
            "said",
            "segment",
            "select",
            "surroundings",
            "text",
        ],
    },
    Roster {
        front: "src/drafter.rs",
        begins: "const ROSTER",
        helpers: &[
            "answer", "convert", "errors", "process", "prompt", "schema", "scratch", "session",
        ],
    },
    Roster { front: "src/registry.rs", begins: "const ROSTER", helpers: &["frontmatter", "merge"] },
    Roster { front: "src/domain/recovery.rs", begins: "const ROSTER", helpers: &[] },
    Roster { front: "src/cli.rs", begins: "enum Command", helpers: &["output"] },
];

const LINES_MAX: usize = 500;

/// What the root shows; files that begin with a dot are tools.
const TOP_LEVEL: [&str; 12] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "coordination",
    "docs",
    "skills",
    "src",
    "systemd",
];

/// A file beside a roster is on it, or is known to be a helper.
pub(crate) fn every_extension_is_on_its_roster(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for roster in ROSTERS {
        let room = roster.front.trim_end_matches(".rs");
        let front = code(tree.text(roster.front).unwrap_or_default());
        let entries = body(&front, roster.begins);
        for (path, _) in tree.src() {
            let Some(name) = path.strip_prefix(room).and_then(|rest| rest.strip_prefix('/')) else {
                continue;
            };
            let Some(name) = name.strip_suffix(".rs").filter(|name| !name.contains('/')) else {
                continue;
            };
            let known = name == "tests" || roster.helpers.contains(&name);
            if !known && words(entries, &format!("{name}::")).next().is_none() {
                let what =
                    format!("is not on the roster in {} (`{}`)", roster.front, roster.begins);
                complaints.push(Complaint::new(path, 0, what));
            }
        }
    }
    complaints
}

/// No Rust file is longer than one can see through.
pub(crate) fn no_file_is_long(tree: &Tree) -> Vec<Complaint> {
    let long = |(path, text): (&str, &str)| {
        let lines = text.lines().count();
        let what = format!("{lines} lines; a file has at most {LINES_MAX}");
        (lines > LINES_MAX).then(|| Complaint::new(path, lines, what))
    };
    tree.rust().filter_map(long).collect()
}

/// Every Rust file is reached by `mod` from a root.
pub(crate) fn no_file_is_forgotten(tree: &Tree) -> Vec<Complaint> {
    let is_root = |path: &str| {
        let in_folder = |room: &str| {
            path.strip_prefix(room)
                .is_some_and(|rest| !rest.contains('/') || rest.ends_with("/main.rs"))
        };
        ["src/lib.rs", "src/main.rs"].contains(&path)
            || in_folder("tests/")
            || in_folder("benches/")
    };
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut next: Vec<String> =
        tree.rust().map(|(path, _)| path.to_owned()).filter(|path| is_root(path)).collect();
    while let Some(path) = next.pop() {
        let modules = tree.text(&path).map(|text| modules(&path, text, is_root(&path)));
        next.extend(modules.into_iter().flatten().filter(|path| tree.text(path).is_some()));
        reached.insert(path.clone());
        next.retain(|path| !reached.contains(path));
    }
    let forgotten = tree.rust().filter(|(path, _)| !reached.contains(*path));
    forgotten.map(|(path, _)| Complaint::new(path, 0, "no `mod` line leads to this file")).collect()
}

/// The root shows what a visitor needs and nothing else.
pub(crate) fn the_top_level_is_small(tree: &Tree) -> Vec<Complaint> {
    let shown: BTreeSet<&str> =
        tree.files.keys().filter_map(|path| path.split('/').next()).collect();
    let extra = shown
        .iter()
        .filter(|name| !name.starts_with('.') && **name != "tests" && !TOP_LEVEL.contains(*name));
    let extra = extra.map(|name| Complaint::new(name, 0, "does not belong on the top level"));
    let needed = TOP_LEVEL
        .iter()
        .chain(&["tests"])
        .filter(|name| !["benches", "docs", "skills"].contains(*name) && !shown.contains(*name));
    extra.chain(needed.map(|name| Complaint::new(name, 0, "is missing on the top level"))).collect()
}

/// Relative links of the documentation lead to files that are there.
pub(crate) fn links_lead_somewhere(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, text) in tree.all(".md") {
        let base = path.rsplit_once('/').map_or("", |(base, _)| base);
        for (line, text) in text.lines().enumerate() {
            for rest in text.split("](").skip(1) {
                let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
                let elsewhere = target.contains("://") || target.starts_with("mailto:");
                if !target.is_empty() && !elsewhere && !tree.exists(&joined(base, target)) {
                    let what = format!("the link to {target} leads nowhere");
                    complaints.push(Complaint::new(path, line + 1, what));
                }
            }
        }
    }
    complaints
}

/// A Rust file that a comment names is there, below the root, below `src` or beside it.
pub(crate) fn named_files_are_there(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    // Here made-up trees name made-up files.
    for (path, text) in tree.rust().filter(|(path, _)| !path.starts_with("tests/tidy")) {
        for (line, text) in text.lines().enumerate() {
            let Some((_, comment)) = text.split_once("//") else { continue };
            let outside = |c: char| !(c.is_alphanumeric() || "_/.-".contains(c));
            for name in comment.split(outside).map(|name| name.trim_matches(['.', '/'])) {
                let ending = format!("/{name}");
                let there = || tree.exists(name) || tree.files.keys().any(|f| f.ends_with(&ending));
                if name.ends_with(".rs") && name.len() > 3 && !there() {
                    let what = format!("names {name}, which is not there");
                    complaints.push(Complaint::new(path, line + 1, what));
                }
            }
        }
    }
    complaints
}

/// Returns what stands between the brackets that open after `begins`.
fn body<'a>(code: &'a str, begins: &str) -> &'a str {
    let Some(at) = code.find(begins) else { return "" };
    let rest = &code[at..];
    // The first brackets of a constant belong to its type.
    let from = if begins.starts_with("const") { rest.find('=') } else { rest.find('{') };
    let rest = &rest[from.unwrap_or(0)..];
    let mut depth = 0;
    for (at, c) in rest.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' if depth == 1 => return &rest[..at],
            '}' | ']' => depth -= 1,
            _ => {}
        }
    }
    rest
}

/// Returns the files that the `mod` lines of a file may mean.
fn modules(path: &str, text: &str, is_root: bool) -> Vec<String> {
    let folder = match path.rsplit_once('/') {
        Some((folder, name)) if is_root || name == "mod.rs" => folder.to_owned(),
        Some(_) | None => path.trim_end_matches(".rs").to_owned(),
    };
    let beside = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut files = Vec::new();
    let mut named: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            named = rest.split('"').next().map(|file| joined(beside, file));
        }
        let declared = line
            .rsplit_once("mod ")
            .filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        let Some(name) = declared.and_then(|(_, rest)| rest.strip_suffix(';')) else { continue };
        match named.take() {
            Some(file) => files.push(file),
            None => {
                files.push(format!("{folder}/{name}.rs"));
                files.push(format!("{folder}/{name}/mod.rs"));
            }
        }
    }
    files
}

/// Joins a relative path to a folder, `..` included.
fn joined(folder: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[test]
fn a_file_that_is_not_on_its_roster_is_named() {
    let backend = "mod brief;\nmod command;\nmod extra;\n\
                   pub const ROSTER: &[&Backend] = &[&brief::BRIEF, // &extra::EXTRA\n];\nextra::x()";
    let files = [
        ("src/backend.rs", backend),
        ("src/backend/brief.rs", ""),
        ("src/backend/extra.rs", ""),
        ("src/backend/brief/order.rs", ""),
        ("src/intake.rs", "fn roster() -> Vec<X> {\n vec![Box::new(inbox::Inbox { a: 1 })]\n}"),
        ("src/intake/inbox.rs", ""),
        ("src/intake/queue.rs", ""),
        ("src/cli.rs", "enum Command {\n Run(run::RunArgs),\n}"),
        ("src/cli/run.rs", ""),
        ("src/cli/show.rs", ""),
        ("src/cli/output.rs", ""),
    ];
    let places = ["src/backend/extra.rs:0", "src/intake/queue.rs:0", "src/cli/show.rs:0"];
    crate::assert_complaints(every_extension_is_on_its_roster, &files, &places);
}

#[test]
fn a_long_file_is_named() {
    let (right, long) = ("x\n".repeat(LINES_MAX), "x\n".repeat(LINES_MAX + 1));
    let files = [("src/a.rs", right.as_str()), ("src/b.rs", &long), ("README.md", &long)];
    crate::assert_complaints(no_file_is_long, &files, &["src/b.rs:501"]);
}

#[test]
fn a_forgotten_file_is_named() {
    let files = [
        ("src/lib.rs", "pub mod a;\n// mod d;\n"),
        ("src/main.rs", "fn main() {}"),
        ("src/a.rs", "pub(crate) mod b;\n#[cfg(test)]\nmod tests;\n"),
        ("src/a/b.rs", ""),
        ("src/a/c.rs", ""),
        ("src/a/tests.rs", ""),
        ("src/d.rs", ""),
        ("tests/tidy.rs", "#[path = \"tidy/x.rs\"]\nmod x;\n"),
        ("tests/tidy/x.rs", ""),
        ("tests/tidy/y.rs", ""),
        ("tests/it/main.rs", "mod env;"),
        ("tests/it/env.rs", ""),
    ];
    let places = ["src/a/c.rs:0", "src/d.rs:0", "tests/tidy/y.rs:0"];
    crate::assert_complaints(no_file_is_forgotten, &files, &places);
}

#[test]
fn the_top_level_is_complete_and_nothing_more() {
    let mut files: Vec<(&str, &str)> = TOP_LEVEL.iter().map(|name| (*name, "")).collect();
    files.extend([("tests/tidy.rs", ""), (".ci/run", "")]);
    crate::assert_complaints(the_top_level_is_small, &files, &[]);
    files.retain(|(path, _)| *path != "docs" && *path != "README.md");
    files.push(("notes/todo.txt", ""));
    crate::assert_complaints(the_top_level_is_small, &files, &["notes:0", "README.md:0"]);
}

#[test]
fn a_dead_link_is_named() {
    let text = "[a](coordination/README.md#x) [b](https://x.y/z) [c](#here)\n[d](docs/gone.md)\n";
    let files = [
        ("README.md", text),
        ("coordination/README.md", "[up](../README.md) [schemas](schemas/)\n[no](README.txt)"),
        ("coordination/schemas/task.json", ""),
    ];
    crate::assert_complaints(
        links_lead_somewhere,
        &files,
        &["README.md:2", "coordination/README.md:2"],
    );
}

#[test]
fn a_file_that_a_comment_names_has_to_be_there() {
    let files = [
        (
            "src/a.rs",
            "// see store/lock.rs and `src/a.rs`.\n/// As b.rs says.\nlet x = \"c.rs\";\n",
        ),
        ("src/store/lock.rs", ""),
    ];
    crate::assert_complaints(named_files_are_there, &files, &["src/a.rs:2"]);
}
