//! Reads the source tree and complains about whatever breaks the rules of the house.
//!
//! Each rule is a function from a [`Tree`] to complaints, so that it is tested on small trees made
//! up in memory; one test runs all of them on the real one. The rules and where they are:
//! who may import whom (`layers`), which file belongs where (`files`), what stands in them
//! (`words`), and what the package promises (`package`).

#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/package.rs"]
mod package;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

/// Every file that is looked at, by its path relative to the root. A file that is only known to
/// be there has an empty text.
#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<String, String>,
}

/// One broken rule and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    file: String,
    /// From 1; 0 where the file as a whole is meant.
    line: usize,
    what: String,
}

type Rule = fn(&Tree) -> Vec<Complaint>;

const RULES: &[Rule] = &[
    layers::imports_point_down,
    layers::pure_rooms_touch_nothing,
    layers::the_map_shows_the_layers,
    files::every_extension_is_on_its_roster,
    files::no_file_is_long,
    files::no_file_is_forgotten,
    files::the_top_level_is_small,
    files::links_lead_somewhere,
    files::named_files_are_there,
    words::only_output_prints,
    words::tests_wait_for_events,
    words::no_test_is_left_out,
    words::lints_are_expected_not_allowed,
    package::dependencies_say_why,
    package::the_crates_of_the_card_are_used,
];

#[test]
fn the_house_is_tidy() {
    let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut complaints: Vec<_> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    complaints.sort();
    let list: Vec<_> = complaints.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} complaints:\n{}", list.len(), list.join("\n"));
}

impl Tree {
    /// Reads sources and documentation; of other files it only notes that they are there. What
    /// tools, builds and a running daemon leave behind is not looked at.
    fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(root.join(&folder))? {
                let entry = entry?;
                let path = format!("{folder}{}", entry.file_name().to_string_lossy());
                if entry.file_type()?.is_dir() {
                    if !is_left_behind(&path) {
                        folders.push(format!("{path}/"));
                    }
                    continue;
                }
                let is_text = [".rs", ".md", ".toml"].iter().any(|ending| path.ends_with(ending));
                let text = if is_text { std::fs::read_to_string(entry.path())? } else { "".into() };
                tree.files.insert(path, text);
            }
        }
        Ok(tree)
    }

    /// Makes up a tree.
    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        let own = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self { files: files.iter().map(own).collect() }
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    fn exists(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&below))
    }

    /// Returns the Rust files below `src`, `tests` and `benches`.
    fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all(".rs").filter(|(path, _)| {
            ["src/", "tests/", "benches/"].iter().any(|room| path.starts_with(room))
        })
    }

    /// Returns the Rust files below `src`.
    fn src(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rust().filter(|(path, _)| path.starts_with("src/"))
    }

    fn all(&self, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(move |(path, _)| path.ends_with(ending))
    }
}

impl Complaint {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line.max(1), self.what)
    }
}

fn is_left_behind(folder: &str) -> bool {
    let of_daemon = folder
        .strip_prefix("coordination/")
        .is_some_and(|folder| !["examples", "schemas"].contains(&folder));
    let top_level = !folder.contains('/');
    of_daemon || (top_level && (folder == "target" || folder.starts_with('.')))
}

/// Checks that a rule complains about exactly these places of a made-up tree: `file:line`.
#[cfg(test)]
fn assert_complaints(rule: Rule, files: &[(&str, &str)], places: &[&str]) {
    let complaints = rule(&Tree::of(files));
    let found: Vec<_> = complaints.iter().map(|c| format!("{}:{}", c.file, c.line)).collect();
    assert_eq!(found, places, "{complaints:#?}");
}
