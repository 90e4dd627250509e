//! Looks at the folder that work is done in: languages, tools, and what coordinates work there already.
//!
//! It looks and runs nothing. Links are not followed, so that it never leaves the folder; how much is
//! looked at has limits, and the caller can end it early.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use super::bytes_of;
use crate::domain::workspace::{FoundPlan, FoundWorkflow, Tool, Workspace};

/// Names beyond this many are not looked at.
const NAMES_MAX: usize = 20_000;
/// Folders are looked through so many levels deep.
const DEPTH_MAX: usize = 10;
/// So many files are searched for words that speak of coordination.
const SEARCHED_MAX: usize = 60;
/// No longer file is searched.
const SEARCHED_BYTES_MAX: u64 = 64 << 10;
/// So many workflows, tools, plans and files of checks are told of.
const TOLD_MAX: usize = 12;

/// Folders of what was made or brought by tools.
const MADE: [&str; 12] = [
    "node_modules",
    "target",
    "vendor",
    "dist",
    "build",
    "out",
    "venv",
    "__pycache__",
    "coverage",
    "Pods",
    "bower_components",
    "site-packages",
];

/// Hidden folders that say something about a workspace.
const HIDDEN: [&str; 5] = [".github", ".gitlab", ".circleci", ".studio", ".ci"];

/// Endings of source files, and their languages.
const LANGUAGES: [(&str, &str); 42] = [
    ("rs", "Rust"),
    ("py", "Python"),
    ("js", "JavaScript"),
    ("mjs", "JavaScript"),
    ("cjs", "JavaScript"),
    ("ts", "TypeScript"),
    ("jsx", "React"),
    ("tsx", "React"),
    ("vue", "Vue"),
    ("svelte", "Svelte"),
    ("html", "HTML"),
    ("css", "CSS"),
    ("scss", "CSS"),
    ("go", "Go"),
    ("java", "Java"),
    ("kt", "Kotlin"),
    ("swift", "Swift"),
    ("c", "C"),
    ("h", "C"),
    ("cc", "C++"),
    ("cpp", "C++"),
    ("hpp", "C++"),
    ("cs", "C#"),
    ("rb", "Ruby"),
    ("php", "PHP"),
    ("sh", "Shell"),
    ("bash", "Shell"),
    ("lua", "Lua"),
    ("ex", "Elixir"),
    ("exs", "Elixir"),
    ("erl", "Erlang"),
    ("hs", "Haskell"),
    ("ml", "OCaml"),
    ("scala", "Scala"),
    ("clj", "Clojure"),
    ("sql", "SQL"),
    ("tf", "Terraform"),
    ("dart", "Dart"),
    ("zig", "Zig"),
    ("nix", "Nix"),
    ("r", "R"),
    ("jl", "Julia"),
];

/// Files that speak for a tool: what it is called, its language, and how it runs the tests.
const TOOLS: [(&str, &str, &str, Option<&str>); 19] = [
    ("Cargo.toml", "cargo", "Rust", Some("cargo test")),
    ("package.json", "npm", "JavaScript", None),
    ("pyproject.toml", "python", "Python", Some("pytest")),
    ("setup.py", "setuptools", "Python", Some("pytest")),
    ("tox.ini", "tox", "Python", Some("tox")),
    ("go.mod", "go", "Go", Some("go test ./...")),
    ("pom.xml", "maven", "Java", Some("mvn test")),
    ("build.gradle", "gradle", "Java", Some("gradle test")),
    ("build.gradle.kts", "gradle", "Kotlin", Some("gradle test")),
    ("mix.exs", "mix", "Elixir", Some("mix test")),
    ("Gemfile", "bundler", "Ruby", None),
    ("composer.json", "composer", "PHP", None),
    ("CMakeLists.txt", "cmake", "C++", Some("ctest")),
    ("build.zig", "zig", "Zig", Some("zig build test")),
    ("Package.swift", "swift", "Swift", Some("swift test")),
    ("deno.json", "deno", "TypeScript", Some("deno test")),
    ("Makefile", "make", "", None),
    ("justfile", "just", "", None),
    ("Dockerfile", "docker", "", None),
];

/// Files, and folders of files, that say what is checked elsewhere on every change.
const CHECKS: [&str; 8] = [
    ".github/workflows/",
    ".gitlab-ci.yml",
    ".circleci/config.yml",
    "Jenkinsfile",
    "azure-pipelines.yml",
    ".travis.yml",
    "bitbucket-pipelines.yml",
    ".drone.yml",
];

/// Folders whose files coordinate work (S1-06).
const FOLDERS: [&str; 3] = ["tasks", "workflows", "pipelines"];

/// Words, whole or as the beginning of one, that speak of coordination (S1-06).
const WORDS: [&str; 3] = ["workflow", "orchestrat", "pipeline"];

/// Endings of files that are searched for such words.
const SEARCHED: [&str; 8] = ["yml", "yaml", "toml", "json", "py", "js", "ts", "sh"];

/// Looks at a workspace, until everything was seen or `is_late` says so.
///
/// A folder that cannot be read is left out; what is not there at all is an empty workspace.
pub fn look_at(root: &Path, is_late: &dyn Fn() -> bool) -> Workspace {
    let mut look = Look { root, is_late, found: Workspace::default(), files: Vec::new() };
    let mut languages: BTreeMap<&'static str, u32> = BTreeMap::new();
    look.names(&mut languages);
    let mut languages: Vec<(&'static str, u32)> = languages.into_iter().collect();
    languages.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    look.found.languages = languages;
    look.tools();
    look.workflows();
    look.plans();
    look.found
}

/// A look that is under way.
struct Look<'a> {
    root: &'a Path,
    is_late: &'a dyn Fn() -> bool,
    found: Workspace,
    /// Relative to the root, those nearest to it first, then by name.
    files: Vec<String>,
}

impl Look<'_> {
    /// Gathers the names of files, level by level.
    fn names(&mut self, languages: &mut BTreeMap<&'static str, u32>) {
        let mut folders = vec![String::new()];
        let mut seen = 0;
        for _ in 0..DEPTH_MAX {
            let mut below = Vec::new();
            for folder in folders {
                if self.found.cut || (self.is_late)() {
                    self.found.cut = true;
                    return;
                }
                let entries = std::fs::read_dir(self.root.join(&folder)).into_iter().flatten();
                let mut names: Vec<(String, bool)> = Vec::new();
                for entry in entries.flatten() {
                    seen += 1;
                    if seen > NAMES_MAX || (self.is_late)() {
                        self.found.cut = true;
                        break;
                    }
                    let Ok(name) = entry.file_name().into_string() else { continue };
                    if name.chars().any(char::is_control) {
                        continue;
                    }
                    // What is neither is a link, and leads away, or a pipe, and never ends.
                    match entry.file_type() {
                        Ok(kind) if kind.is_dir() => names.push((name, true)),
                        Ok(kind) if kind.is_file() => names.push((name, false)),
                        Ok(_) | Err(_) => {}
                    }
                }
                names.sort();
                if !folder.is_empty() && is_our_own(&names) {
                    continue;
                }
                for (name, is_folder) in names {
                    let path = format!("{folder}{name}");
                    if !is_folder {
                        self.file(path, languages);
                    } else if is_entered(&name) {
                        below.push(format!("{path}/"));
                    }
                }
            }
            folders = below;
            if folders.is_empty() || self.found.cut {
                return;
            }
        }
        self.found.cut = true;
    }

    fn file(&mut self, path: String, languages: &mut BTreeMap<&'static str, u32>) {
        self.found.files += 1;
        let ending = ending_of(&path);
        let language = LANGUAGES.iter().find(|(known, _)| *known == ending);
        if let Some((_, language)) = language {
            *languages.entry(language).or_default() += 1;
        }
        self.files.push(path);
    }

    fn tools(&mut self) {
        let mut tools: Vec<Tool> = Vec::new();
        let mut ci = Vec::new();
        for path in &self.files {
            let is_check =
                |check: &&str| path == *check || check.ends_with('/') && path.starts_with(*check);
            if ci.len() < TOLD_MAX && CHECKS.iter().any(&is_check) {
                ci.push(path.clone());
            }
            let name = path.rsplit('/').next().unwrap_or_default();
            let known = TOOLS.iter().find(|(file, ..)| *file == name);
            let Some((_, tool, language, test)) = known else { continue };
            if tools.len() < TOLD_MAX && !tools.iter().any(|other| other.name == *tool) {
                let test = test.or_else(|| self.scripted_test(path, name));
                tools.push(Tool { name: tool, file: path.clone(), language, test });
            }
        }
        // Where JavaScript is written with types, it is the same tool.
        let typed = |wanted: &str| self.found.languages.iter().any(|(name, _)| *name == wanted);
        for tool in tools.iter_mut().filter(|tool| tool.language == "JavaScript") {
            let written = ["JavaScript", "TypeScript", "React", "Vue", "Svelte"];
            tool.language = written.into_iter().find(|name| typed(name)).unwrap_or("JavaScript");
        }
        (self.found.tools, self.found.ci) = (tools, ci);
    }

    /// Returns how tests are run where only the file itself says whether they are.
    fn scripted_test(&self, path: &str, name: &str) -> Option<&'static str> {
        let bytes = bytes_of(&self.root.join(path), SEARCHED_BYTES_MAX).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let has_rule = || text.lines().any(|line| line.starts_with("test:"));
        match name {
            "package.json" => {
                let value: Value = serde_json::from_slice(&bytes).ok()?;
                let script = value.get("scripts")?.get("test")?.as_str()?;
                // What a new package begins with is no test.
                (!script.contains("no test specified")).then_some("npm test")
            }
            "Makefile" => has_rule().then_some("make test"),
            "justfile" => has_rule().then_some("just test"),
            "Gemfile" => text.contains("rspec").then_some("bundle exec rspec"),
            "composer.json" => text.contains("phpunit").then_some("vendor/bin/phpunit"),
            _ => None,
        }
    }

    fn workflows(&mut self) {
        let mut found: Vec<FoundWorkflow> = Vec::new();
        let mut searched = 0;
        for path in &self.files {
            if found.len() >= TOLD_MAX || (self.is_late)() {
                break;
            }
            // Those are plans, and told of as such.
            if path.starts_with(".studio/") {
                continue;
            }
            let lower = path.to_lowercase();
            let (folder, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
            let place = folder.split('/').find_map(|part| {
                FOLDERS.iter().find(|known| **known == part).map(|known| format!("in {known}/"))
            });
            let sign = place.or_else(|| word_in(name).map(|word| format!("named {word}")));
            let sign = sign.or_else(|| {
                let is_searched = searched < SEARCHED_MAX && SEARCHED.contains(&ending_of(path));
                if !is_searched {
                    return None;
                }
                searched += 1;
                let bytes = bytes_of(&self.root.join(path), SEARCHED_BYTES_MAX).ok()?;
                let text = String::from_utf8_lossy(&bytes).to_lowercase();
                word_in(&text).map(|word| format!("speaks of {word}"))
            });
            found.extend(sign.map(|sign| FoundWorkflow { path: path.clone(), sign }));
        }
        self.found.workflows = found;
    }

    /// Finds the plans that STUDIO keeps (S2-24).
    fn plans(&mut self) {
        let is_plan = |path: &&String| {
            path.starts_with(".studio/tasks/") && matches!(ending_of(path), "json" | "md")
        };
        // Beside a plan lie its logs and notes.
        let named = |path: &&String| path.rsplit('/').next().is_some_and(|n| n.contains("plan"));
        let plans = self.files.iter().filter(is_plan).filter(named).take(TOLD_MAX).map(|path| {
            let bytes = bytes_of(&self.root.join(path), SEARCHED_BYTES_MAX).unwrap_or_default();
            FoundPlan { path: path.clone(), goal: goal_of(&bytes) }
        });
        self.found.plans = plans.collect();
    }
}

/// Returns what a plan is for: what it says in JSON, else its first heading.
fn goal_of(bytes: &[u8]) -> String {
    const FIELDS: [&str; 5] = ["goal", "title", "name", "summary", "description"];
    const CHARS_MAX: usize = 200;
    let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let stated = FIELDS.iter().find_map(|field| value.get(field)?.as_str());
    let text = String::from_utf8_lossy(bytes);
    let heading = || text.lines().find_map(|line| line.strip_prefix("# "));
    stated.or_else(heading).unwrap_or_default().trim().chars().take(CHARS_MAX).collect()
}

/// Tells whether these are the names in a directory that Baton itself works in: what lies there is
/// about the work and no part of the workspace.
fn is_our_own(names: &[(String, bool)]) -> bool {
    let has = |wanted: &str| names.iter().any(|(name, _)| name == wanted);
    has("baton.toml") || has("orchestrator") && (has("inbox") || has("task-queue.json"))
}

fn is_entered(name: &str) -> bool {
    let is_hidden = name.starts_with('.') && !HIDDEN.contains(&name);
    !is_hidden && !MADE.contains(&name)
}

fn ending_of(path: &str) -> &str {
    Path::new(path).extension().and_then(OsStr::to_str).unwrap_or_default()
}

/// Returns the first of the words that a lower-case text has, at the beginning of a word; `dag` only
/// as a whole one.
fn word_in(text: &str) -> Option<&'static str> {
    let begins = |at: usize| !text[..at].chars().next_back().is_some_and(char::is_alphanumeric);
    let is_whole = |at: usize, length: usize| {
        begins(at) && !text[at + length..].chars().next().is_some_and(char::is_alphanumeric)
    };
    let word = WORDS.into_iter().find(|word| text.match_indices(word).any(|(at, _)| begins(at)));
    word.or_else(|| text.match_indices("dag").any(|(at, _)| is_whole(at, 3)).then_some("dag"))
}

#[cfg(test)]
mod tests;
