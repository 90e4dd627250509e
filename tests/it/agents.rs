//! Agents at the command line: files in, a ranking with its reasons out.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs `baton` with a home of its own; returns the exit code and what it printed.
fn baton(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_baton"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir.join("home"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn json(dir: &Path, args: &[&str]) -> Value {
    let (_, out) = baton(dir, args);
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e} in {out:?}"))
}

/// A project with two agents, a user with one, and a coordination directory.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        (
            ".claude/agents/indexer.md",
            "---\nname: indexer\ndescription: Makes slow database queries fast: by indexes.\n\
             model: sonnet\n---\nLook at execution plans.\n",
        ),
        (
            ".claude/agents/web/painter.md",
            "---\nname: painter\ndescription: Draws web pages and their styles.\n---\nDraw.\n",
        ),
        ("home/.claude/agents/poet.md", "---\nname: poet\ndescription: Rhymes.\n---\nRhyme.\n"),
        ("coordination/baton.toml", "[masters.development]\n"),
    ];
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

#[test]
fn agents_of_project_and_user_are_listed_shown_and_looked_through() {
    let dir = project();
    let list = json(dir.path(), &["agents", "list", "--json"]);
    let names: Vec<&str> =
        list["agents"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["development", "indexer", "painter", "poet"]);
    let (code, out) = baton(dir.path(), &["agents", "list"]);
    assert_eq!(code, Some(0));
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    let (code, out) = baton(dir.path(), &["agents", "show", "indexer"]);
    assert!(code == Some(0) && out.contains("Look at execution plans."), "{out}");
    let missing = json(dir.path(), &["agents", "show", "indexr", "--json"]);
    let message = missing["error"]["message"].as_str().unwrap();
    assert!(message.contains("did you mean indexer"), "{message}");
    let (code, out) = baton(dir.path(), &["agents", "lint"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("a colon in a value without quotes is not valid YAML"), "{out}");
    assert!(out.contains("put the value in double quotes"), "{out}");
}

#[test]
fn a_match_has_figures_reasons_and_an_end() {
    let dir = project();
    let text = "our database queries are slow";
    let found = json(dir.path(), &["agents", "match", text, "--json"]);
    assert_eq!(
        (&found["agents"][0]["name"], &found["verdict"]),
        (&"indexer".into(), &"clear".into())
    );
    let (_, out) = baton(dir.path(), &["agents", "match", text]);
    assert!(out.contains("capability: 0."), "{out}");
    assert!(out.contains("it says \"queries\""), "{out}");
    let (code, out) = baton(dir.path(), &["agents", "match", "xyzzy plugh"]);
    assert!(code == Some(0) && out.contains("nobody is suitable"), "{out}");
}

#[test]
fn what_is_remembered_decides_next_time_until_it_is_forgotten() {
    let dir = project();
    let text = "prepare the spring collection";
    let first =
        |dir: &Path| json(dir, &["agents", "match", text, "--json"])["agents"][0]["name"].clone();
    assert_eq!(first(dir.path()), Value::Null);
    let outcome = "{\"request\": \"prepare the winter collection\", \"agent\": \"painter\"}\n";
    std::fs::write(dir.path().join("outcomes.jsonl"), outcome.repeat(3)).unwrap();
    let (code, out) = baton(dir.path(), &["agents", "history", "--add", "outcomes.jsonl"]);
    assert!(code == Some(0) && out.contains("3 (100%)"), "{out}");
    assert_eq!(first(dir.path()), "painter");
    let history = json(dir.path(), &["agents", "history", "--json"]);
    assert_eq!(history["agents"][0]["success"], 3);
    // It can be switched off, and then nothing is added either.
    let settings = dir.path().join("coordination/baton.toml");
    std::fs::write(&settings, "learning = false\n[masters.development]\n").unwrap();
    assert_eq!(first(dir.path()), Value::Null);
    let (code, _) = baton(dir.path(), &["agents", "history", "--add", "outcomes.jsonl"]);
    assert_eq!(code, Some(78));
    std::fs::write(&settings, "[masters.development]\n").unwrap();
    let (_, out) = baton(dir.path(), &["agents", "history", "--forget"]);
    assert!(out.contains("Nothing is remembered yet"), "{out}");
    assert_eq!(first(dir.path()), Value::Null);
}

#[test]
fn a_batch_names_agents_for_the_request_and_for_each_step() {
    let dir = project();
    let list = r#"[{"name": "chess", "description": "Plays chess"},
        {"name": "weather", "description": "Forecasts rain and sun"}]"#;
    std::fs::write(dir.path().join("list.json"), list).unwrap();
    let lines = "{\"id\": 1, \"query\": \"Fix the rain forecast\", \"candidates\": [\"chess\", \
        \"weather\"]}\n{\"id\": 2, \"query\": \"Fix the rain forecast\", \"candidates\": [\"chess\"]}\n";
    std::fs::write(dir.path().join("lines.jsonl"), lines).unwrap();
    let args = ["plan", "--batch", "lines.jsonl", "--registry", "list.json"];
    let (code, out) = baton(dir.path(), &args);
    assert_eq!(code, Some(0), "{out}");
    let answers: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let best = &answers[0]["agents"][0];
    assert_eq!(best["name"], "weather");
    assert!(["score", "capability", "load", "perf"].iter().all(|key| best.get(key).is_some()));
    assert_eq!(answers[0]["subtasks"][0]["agent"], "weather");
    assert_eq!(answers[1]["agents"], Value::Array(Vec::new()));
    assert_eq!(answers[1]["selection"]["verdict"], "nobody");
}

#[test]
fn a_registry_that_cannot_be_read_is_named_with_a_remedy() {
    let dir = project();
    std::fs::write(dir.path().join("broken.json"), "[{]").unwrap();
    for (file, code) in [("nowhere", 66), ("broken.json", 65)] {
        let (found, out) = baton(dir.path(), &["agents", "list", "--json", "--registry", file]);
        assert_eq!(found, Some(code), "{out}");
        assert!(out.contains(file) && out.contains("hint"), "{out}");
    }
}

/// Where real agent files lie beside the project; the test is skipped with a message where they do
/// not.
fn real() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = ["../shared/data/agents", "../../shared/data/agents"].map(|path| here.join(path));
    beside.into_iter().find(|path| path.is_dir())
}

#[test]
fn every_real_agent_file_is_an_agent_or_a_copy() {
    let Some(real) = real() else {
        println!("skipped: ../shared/data/agents is not there");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&real)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    for folder in folders {
        let from = ["--registry", folder.to_str().unwrap()];
        let list = json(dir.path(), &[&["agents", "list", "--json"], &from[..]].concat());
        let agents = list["agents"].as_array().unwrap();
        let copies: usize =
            agents.iter().map(|agent| agent["copies"].as_array().map_or(0, Vec::len)).sum();
        let index = std::fs::read(folder.join("index.json")).ok();
        let expected = match index {
            Some(bytes) => {
                let index: Value = serde_json::from_slice(&bytes).unwrap();
                index["agents"].as_array().unwrap().len()
            }
            None => markdown(&folder),
        };
        assert_eq!(agents.len() + copies, expected, "{}", folder.display());
        let ids: std::collections::BTreeSet<&str> =
            agents.iter().map(|agent| agent["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), agents.len(), "ids are unique");
        assert!(agents.iter().all(|agent| agent["description"] != ""), "{}", folder.display());
        let lint = json(dir.path(), &[&["agents", "lint", "--json"], &from[..]].concat());
        let oddities = lint["oddities"].as_array().unwrap();
        assert!(oddities.iter().all(|oddity| oddity["severity"] != "error"), "{oddities:?}");
    }
}

/// Counts the Markdown files of a folder that begin as an agent file does.
fn markdown(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += markdown(&path);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            count += usize::from(std::fs::read(&path).unwrap().starts_with(b"---"));
        }
    }
    count
}
