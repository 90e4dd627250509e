//! Who may import whom.

use std::collections::BTreeSet;

use crate::source::{is_test_file, line_of, without_tests, words};
use crate::{Complaint, Tree};

/// A room, and the rooms that it may import. The map in `src/lib.rs` shows the same.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("planner", &["domain"]),
    ("clock", &["domain"]),
    ("telemetry", &[]),
    ("config", &["domain", "backend", "drafter"]),
    ("drafter", &["domain", "planner", "backend", "clock"]),
    ("journal", &["domain"]),
    ("store", &["domain"]),
    ("projection", &["domain"]),
    ("backend", &["domain"]),
    ("registry", &["domain"]),
    ("intake", &["domain", "store"]),
    (
        "daemon",
        &[
            "domain",
            "planner",
            "clock",
            "telemetry",
            "config",
            "journal",
            "store",
            "projection",
            "backend",
            "drafter",
            "registry",
            "intake",
        ],
    ),
    ("client", &["domain", "clock", "journal", "store", "planner", "drafter", "registry"]),
    ("tui", &["domain", "client"]),
    ("mcp", &["domain", "client"]),
    ("web", &["domain", "client"]),
    ("cli", &["domain", "clock", "client", "config", "telemetry", "daemon", "tui", "mcp", "web"]),
    ("main", &["cli", "daemon"]),
];

/// Rooms that return data and touch nothing.
const PURE: [&str; 4] = ["domain", "planner", "projection", "backend"];
/// What touches something.
const IMPURE: [&str; 12] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time",
    "rustix",
    "tokio",
    "fs2",
    "notify",
    "sysinfo",
    "Uuid",
];

/// Every `crate::room`, `baton::room` and `super::room` is in the table.
pub(crate) fn imports_point_down(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, text) in tree.src().filter(|(path, _)| *path != "src/lib.rs" && !is_test_file(path))
    {
        let room = room_of(path);
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == room) else {
            let what = format!("room `{room}` is not in the table of tests/tidy/layers.rs");
            complaints.push(Complaint::new(path, 0, what));
            continue;
        };
        for (line, import) in imports(path, &without_tests(text)) {
            if import != room && !allowed.contains(&import.as_str()) {
                let may =
                    if allowed.is_empty() { "nothing of ours".into() } else { allowed.join(", ") };
                let what = format!("`{room}` imports `{import}`, but may import {may}");
                complaints.push(Complaint::new(path, line, what));
            }
        }
    }
    complaints
}

/// Pure rooms name no file, clock, process, thread or runtime.
pub(crate) fn pure_rooms_touch_nothing(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, text) in tree.src().filter(|(path, _)| !is_test_file(path)) {
        let room = room_of(path);
        if !PURE.contains(&room) {
            continue;
        }
        let code = without_tests(text);
        for impure in IMPURE {
            for (line, _) in words(&code, impure) {
                let what = format!("`{room}` is pure, but uses {impure}");
                complaints.push(Complaint::new(path, line, what));
            }
        }
    }
    complaints
}

/// The table in `src/lib.rs` names every room and says of each what [`LAYERS`] says.
pub(crate) fn the_map_shows_the_layers(tree: &Tree) -> Vec<Complaint> {
    let path = "src/lib.rs";
    let text = tree.text(path).unwrap_or_default();
    let mut complaints = Vec::new();
    let mut rows = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let Some(row) = line.strip_prefix("//! | [`") else { continue };
        let mut cells = row.split('|').map(str::trim);
        let room = cells.next().unwrap_or_default().trim_end_matches("`]").to_owned();
        let shown: BTreeSet<&str> = names(cells.next().unwrap_or_default()).collect();
        let (file, folder) = (format!("src/{room}.rs"), format!("src/{room}/mod.rs"));
        if !tree.exists(&file) && !tree.exists(&folder) {
            let what = format!("the map names `{room}`, which is not there");
            complaints.push(Complaint::new(path, index + 1, what));
        }
        let layers = LAYERS.iter().find(|(name, _)| *name == room);
        let there = |name: &&str| tree.exists(&format!("src/{name}.rs"));
        let right: BTreeSet<&str> =
            layers.iter().flat_map(|(_, may)| may.iter().copied()).filter(there).collect();
        if shown != right {
            let what = format!("the map says `{room}` may import {shown:?}, tidy says {right:?}");
            complaints.push(Complaint::new(path, index + 1, what));
        }
        rows.insert(room);
    }
    for (index, line) in text.lines().enumerate() {
        let declared = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "));
        let Some(room) = declared.and_then(|rest| rest.strip_suffix(';')) else { continue };
        if !rows.contains(room) {
            let what = format!("`{room}` is missing in the layer table of the map");
            complaints.push(Complaint::new(path, index + 1, what));
        }
    }
    complaints
}

/// Returns the names between backquotes.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Returns the first part of a file's module path.
fn room_of(path: &str) -> &str {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs")
}

/// Returns the line and room of every import, its own room included.
fn imports(path: &str, code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, from) in code.match_indices("crate::").chain(code.match_indices("baton::")) {
        let whole = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        if whole {
            let rooms = heads(&code[at + from.len()..]);
            found.extend(rooms.into_iter().map(|room| (line_of(code, at), room)));
        }
    }
    // Room and name of the file: `super` leads out of the file, the second one out of the room.
    let depth = path.matches('/').count();
    let up = "super::".repeat(depth);
    for (at, _) in code.match_indices(&up).filter(|_| depth > 0) {
        let longer =
            code[at + up.len()..].starts_with("super::") || code[..at].ends_with("super::");
        if !longer {
            let rooms = heads(&code[at + up.len()..]).into_iter();
            let known = rooms.filter(|room| LAYERS.iter().any(|(name, _)| name == room));
            found.extend(known.map(|room| (line_of(code, at), room)));
        }
    }
    found
}

/// Returns the first names of a path, or of each path of a `{...}` group.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = rest.strip_prefix('{') else {
        return vec![name(rest)];
    };
    let (mut depth, mut start, mut heads) = (1, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (c == ',' && depth == 1) || depth == 0 {
            heads.push(name(&group[start..at]));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

#[test]
fn an_import_that_points_up_is_named() {
    let files = [
        ("src/domain.rs", "use std::fmt;\nuse crate::store::Store;\n"),
        ("src/domain/plan.rs", "use super::ids::A;\nuse super::super::journal::B;\n"),
        ("src/intake.rs", "use crate::{\n    domain::{State, Event}, daemon::Daemon, store,\n};\n"),
        (
            "src/store.rs",
            "// crate::daemon\n/// [`crate::daemon`]\nfn f() { crate::intake::x(); }\n",
        ),
        ("src/store/tests.rs", "use crate::daemon::Daemon;\n"),
        ("src/cellar.rs", ""),
        ("src/main.rs", "fn main() { baton::cli::run(); baton::store::x(); }\n"),
        ("src/projection.rs", "#[cfg(test)]\nmod tests {\n use crate::store::Store;\n}\n"),
    ];
    let places = [
        "src/cellar.rs:0",
        "src/domain.rs:2",
        "src/domain/plan.rs:2",
        "src/intake.rs:1",
        "src/main.rs:1",
        "src/store.rs:3",
    ];
    crate::assert_complaints(imports_point_down, &files, &places);
}

#[test]
fn a_pure_room_that_touches_something_is_named() {
    let files = [
        ("src/domain/plan.rs", "//! No std::fs here.\nuse std::fmt;\nuse std::fs;\n"),
        ("src/planner.rs", "fn f() { tokio::spawn(x) }"),
        ("src/store.rs", "use std::fs;"),
    ];
    crate::assert_complaints(
        pure_rooms_touch_nothing,
        &files,
        &["src/domain/plan.rs:3", "src/planner.rs:1"],
    );
}

#[test]
fn a_map_that_is_wrong_is_named() {
    let map = "//! | [`domain`] | nothing |\n//! | [`store`] | nothing |\n\
               //! | [`cellar`] | `domain` |\npub mod domain;\npub mod store;\npub mod clock;\n";
    let files =
        [("src/lib.rs", map), ("src/domain.rs", ""), ("src/store.rs", ""), ("src/clock.rs", "")];
    let places = ["src/lib.rs:2", "src/lib.rs:3", "src/lib.rs:3", "src/lib.rs:6"];
    crate::assert_complaints(the_map_shows_the_layers, &files, &places);
}
