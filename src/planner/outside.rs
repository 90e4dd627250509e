//! What a draft from outside this room lacks, and what whoever drafts there has to know.

use super::frame::Frame;
use super::lexicon::lexicon;
use super::select::{self, Masters, Share, Work};
use super::{Surroundings, complexity, expand, files, text};
use crate::domain::Policy;
use crate::domain::experience::said;
use crate::domain::ids::AgentName;
use crate::domain::plan::{DraftSubtask, Range, Why};
use crate::domain::task::TaskSpec;
use crate::domain::validate::inside_workspace;
use std::collections::BTreeMap;

/// Words that turn what follows into its contrary.
const NEGATING: [&str; 11] = [
    "not", "don't", "dont", "never", "avoid", "without", "except", "no", "nothing", "cannot",
    "mustn't",
];
/// Beginnings of words for what is done to a file.
const TOUCHING: [&str; 12] = [
    "touch", "chang", "modif", "edit", "alter", "rewrit", "delet", "remov", "renam", "mov",
    "overwrit", "writ",
];
/// Words that forbid what they name without any other.
const SPARING: [&str; 5] = ["except", "avoid", "untouched", "unchanged", "alone"];
/// Words that take a negation back: `do not forget to change it`.
const URGING: [&str; 4] = ["forget", "hesitate", "fail", "only"];
/// A longer pattern is none that somebody would write.
const PATTERN_BYTES_MAX: usize = 512;

/// Fills in what the subtasks of one draft from outside lack.
pub struct Completion<'a> {
    masters: Masters<'a>,
    surroundings: &'a Surroundings,
    policy: &'a Policy,
    wanted: Option<&'a AgentName>,
    is_whole: bool,
}

impl<'a> Completion<'a> {
    /// Begins; `wanted` is the master that the task asks for, and `is_whole` says that one worker
    /// does all of it.
    pub fn new(
        policy: &'a Policy,
        surroundings: &'a Surroundings,
        wanted: Option<&'a AgentName>,
        is_whole: bool,
    ) -> Self {
        let masters = Masters::new(policy, surroundings, wanted);
        Self { masters, surroundings, policy, wanted, is_whole }
    }

    /// Fills in what a subtask lacks: kind, field of work, master, specialists, worker type,
    /// minutes, tokens and model tier, each with its reason where it is not said. `stage` tells
    /// what goes on at the same time.
    pub fn complete(&mut self, subtask: &mut DraftSubtask, stage: usize) {
        let frame = Frame::of(&subtask.title);
        let said_kind = subtask.nature.kind.trim().to_lowercase();
        let (kind, evidence) = match lexicon().kind_named(&said_kind) {
            Some(kind) => (kind, format!("the draft calls it {said_kind}")),
            None => (frame.kind, frame.evidence),
        };
        let said_domain = subtask.nature.domain.trim().to_lowercase();
        let domain = lexicon().domain_named(&said_domain).or(frame.domain);
        let domain = domain.unwrap_or(&kind.domain);
        subtask.why.push(Why::new(format!("kind {}", kind.name), evidence));
        subtask.nature.kind.clone_from(&kind.name);
        domain.clone_into(&mut subtask.nature.domain);
        subtask.nature.model = kind.model;
        self.assign(subtask, stage);
        if subtask.worker_type.trim().is_empty() {
            subtask.worker_type.clone_from(&kind.worker);
        }
        let limits = &self.policy.plan;
        if subtask.minutes == Range::default() {
            let [low, high] = kind.minutes;
            let usual = self.surroundings.actuals.corrected(&kind.name, Range { low, high });
            let high = usual.high.min(limits.subtask_minutes_limit);
            subtask.minutes = Range { low: usual.low.min(high), high };
            let evidence = format!("as {} usually takes", kind.name);
            subtask.why.push(Why::new("minutes filled in", evidence));
        }
        if subtask.tokens == 0 {
            subtask.tokens = kind.tokens.min(limits.subtask_tokens_max).max(1);
        }
    }

    /// Chooses who gets it: the author's word wins over whoever drafted.
    fn assign(&mut self, subtask: &mut DraftSubtask, stage: usize) {
        let text = said(&subtask.title, &subtask.description);
        let nature = &subtask.nature;
        let share = if self.is_whole { Share::Whole } else { Share::Part };
        let work = Work { text: &text, kind: &nature.kind, domain: &nature.domain, stage, share };
        let asked_for = self.wanted.filter(|_| self.is_whole);
        if let Some(master) = asked_for {
            let evidence = format!("the task asks for {master}");
            subtask.choice.specialists = self.masters.specialists(&work);
            subtask.assigned_to = vec![master.to_string()];
            subtask.why.push(Why::new("author's assigned_to", evidence));
        } else if self.wanted.is_none() && !subtask.assigned_to.is_empty() {
            subtask.choice.specialists = self.masters.specialists(&work);
        } else if let Some(chose) = self.masters.choose(&work) {
            subtask.assigned_to = vec![chose.master.to_string()];
            subtask.why.push(chose.why);
            subtask.choice = chose.choice;
        }
    }
}

/// Returns the kinds of work that are known, with the minutes that they usually take.
pub fn kinds() -> impl Iterator<Item = (&'static str, [u32; 2])> {
    lexicon().kinds().iter().map(|kind| (kind.name.as_str(), kind.minutes))
}

/// Returns the fields of work that are known.
pub fn domains() -> impl Iterator<Item = &'static str> {
    lexicon().domains.iter().map(|domain| domain.name.as_str())
}

/// Returns the limits that drafts are compared with, by name.
pub fn thresholds(policy: &Policy) -> BTreeMap<String, u64> {
    complexity::thresholds(policy)
}

/// Returns what the ids of the subtasks of a goal begin with.
pub fn slug(goal: &str) -> String {
    expand::slug(&[], Some(&Frame::of(goal)))
}

/// Looks up the master that a task asks for.
///
/// # Errors
/// Nobody has that name.
pub fn wanted<'a>(task: &TaskSpec, policy: &'a Policy) -> Result<Option<&'a AgentName>, String> {
    let name = task.assigned_to.as_deref().map(str::trim).filter(|name| !name.is_empty());
    name.map(|name| select::named(name, policy)).transpose().map_err(|(reason, _)| reason)
}

/// Files and folders that English sentences forbid to change, by name.
#[derive(Debug, Clone)]
pub struct Limits<'a> {
    /// Each with what it names, in lower case.
    named: Vec<(&'a str, Vec<String>)>,
}

impl<'a> Limits<'a> {
    /// Finds what is named in `constraints`.
    pub fn of(constraints: &'a [String]) -> Self {
        let forbidding = constraints.iter().map(String::as_str).filter(|text| forbids(text));
        let named = forbidding.map(|text| (text, paths(text))).filter(|(_, all)| !all.is_empty());
        Self { named: named.collect() }
    }

    /// Returns the sentence that forbids to change a path: one that it names, one below a folder
    /// that it names, or a folder or a pattern that holds what it names.
    pub fn forbids(&self, path: &str) -> Option<&'a str> {
        let path = inside_workspace(path).unwrap_or_else(|_| path.trim().to_owned());
        let path = path.to_lowercase();
        let covers = |(_, names): &&(&str, Vec<String>)| names.iter().any(|name| meet(&path, name));
        self.named.iter().find(covers).map(|(text, _)| *text)
    }
}

fn forbids(sentence: &str) -> bool {
    let sentence = sentence.replace('\u{2019}', "'");
    let tokens = text::tokens(&sentence);
    let has = |words: &[&str]| tokens.iter().any(|token| words.contains(&token.word.as_str()));
    let touches = || {
        let is_touching = |word: &str| TOUCHING.iter().any(|begin| word.starts_with(begin));
        tokens.iter().any(|token| is_touching(&token.word))
    };
    let keeps = has(&["leave", "keep"]) && has(&["as", "intact"]);
    !has(&URGING) && (has(&SPARING) || keeps || has(&NEGATING) && touches())
}

/// Returns the files and the folders that a sentence names.
fn paths(sentence: &str) -> Vec<String> {
    let folder = |word: &str| {
        let word = word.trim_matches(|c: char| !(c.is_alphanumeric() || "/_.-*".contains(c)));
        let word = word.trim_end_matches('.').trim_end_matches(['/', '*']);
        inside_workspace(word).ok()
    };
    let words = text::tokens(sentence);
    let words = words.iter().map(|token| token.raw).filter(|raw| raw.contains('/'));
    let folders = words.filter_map(folder);
    let mut all: Vec<String> = files::named_in(sentence).into_iter().chain(folders).collect();
    all.iter_mut().for_each(|path| *path = path.to_lowercase());
    all.dedup();
    all
}

/// Tells whether a path and a name are the same, one is below the other, or the path is a pattern
/// that may stand for the name or for something below it.
fn meet(path: &str, name: &str) -> bool {
    let below = |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
    if path == name || below(path, name) || below(name, path) {
        return true;
    }
    let Some(first) = path.find(['*', '?', '[', '{']) else { return false };
    // What stands in brackets is not read: it may be anything.
    let end = path.find(['[', '{']).unwrap_or(path.len());
    let literal = &path[..first];
    let starts_alike = literal.starts_with(name) || name.starts_with(literal);
    if !starts_alike {
        return false;
    }
    if path.len() > PATTERN_BYTES_MAX || name.len() > PATTERN_BYTES_MAX {
        return true;
    }
    let pattern = if end < path.len() { format!("{}*", &path[..end]) } else { path.to_owned() };
    let is_file = name.rsplit('/').next().is_some_and(|last| last.contains('.'));
    overlap(&pattern, name) || !is_file && overlap(&pattern, &format!("{name}/*"))
}

/// Tells whether two patterns stand for one text in common. `*` stands for any letters, also for
/// `/`: what may be meant is as forbidden as what is meant.
fn overlap(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // `row[j]` says whether what is left of `a` and `b[j..]` have a text in common.
    let mut row = vec![false; b.len() + 1];
    for i in (0..=a.len()).rev() {
        let before = std::mem::replace(&mut row, vec![false; b.len() + 1]);
        for j in (0..=b.len()).rev() {
            let (left, right) = (a.get(i), b.get(j));
            row[j] = match (left, right) {
                (None, None) => true,
                (Some('*'), _) => before[j] || j < b.len() && row[j + 1],
                (_, Some('*')) => row[j + 1] || i < a.len() && before[j],
                (Some(x), Some(y)) => (x == y || *x == '?') && before[j + 1],
                (Some(_), None) | (None, Some(_)) => false,
            };
        }
    }
    row[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(title: &str, kind: &str, domain: &str, wanted: Option<&str>) -> DraftSubtask {
        let mut subtask = DraftSubtask { title: title.into(), ..DraftSubtask::default() };
        subtask.nature.kind = kind.into();
        subtask.nature.domain = domain.into();
        let policy = Policy::default();
        let wanted = wanted.map(|name| AgentName::parse(name).unwrap());
        let surroundings = Surroundings::default();
        let wanted = wanted.as_ref();
        Completion::new(&policy, &surroundings, wanted, false).complete(&mut subtask, 0);
        subtask
    }

    #[test]
    fn what_a_draft_says_stands_and_what_it_leaves_out_is_filled_in() {
        let said = filled("Look into it", "tests", "security", None);
        assert_eq!(
            (said.nature.kind.as_str(), said.assigned_to[0].as_str()),
            ("tests", "security")
        );
        assert!(said.minutes.high > 0 && said.tokens > 0 && !said.worker_type.is_empty());
        let unsaid = filled("Write tests for the parser", "surgery", "", None);
        assert_eq!(unsaid.nature.kind, "tests", "an unknown kind is taken from the title");
        let wanted = filled("Write the parser", "implement", "", Some("inventory"));
        assert!(!wanted.assigned_to.is_empty());
    }

    #[test]
    fn a_file_is_forbidden_by_its_name_or_by_its_folder_however_it_is_spelled() {
        let constraints = ["do not touch src/old.rs".to_owned(), "never change vendor/".to_owned()];
        let limits = Limits::of(&constraints);
        for path in [
            "src/old.rs",
            "src/./old.rs",
            concat!("src/", "/old.rs"),
            " src/old.rs",
            "SRC/old.rs",
            "src/",
            "src",
            "src/*.rs",
            "src/**",
            "s?c/old.rs",
            "*.rs",
            "src/{old,new}.rs",
            "src/[a-z]*",
        ] {
            assert_eq!(limits.forbids(path), Some("do not touch src/old.rs"), "{path}");
        }
        for path in ["./vendor/a/b.c", "vendor", "vendor/", "vend*", "*/b.c", "vendor/*.c"] {
            assert_eq!(limits.forbids(path), Some("never change vendor/"), "{path}");
        }
        let long = format!("src/{}*", "a".repeat(PATTERN_BYTES_MAX));
        for free in ["src/new.rs", "vendored/a.c", "src/old.rs.md", "src/n*.rs", "docs/*", &long] {
            assert_eq!(limits.forbids(free), None, "{free}");
        }
    }

    #[test]
    fn only_sentences_that_forbid_a_change_forbid_files() {
        for (sentence, is_forbidden) in [
            ("no changes to src/a.rs", true),
            ("don\u{2019}t edit src/a.rs", true),
            ("leave src/a.rs alone", true),
            ("keep src/a.rs as it is", true),
            ("everything except src/a.rs", true),
            ("without modifying src/a.rs", true),
            ("only change src/a.rs", false),
            ("Do not forget to update src/a.rs", false),
            ("do not forget to change src/a.rs", false),
            ("without breaking src/a.rs", false),
            ("keep src/a.rs fast", false),
        ] {
            let constraints = [sentence.to_owned()];
            assert_eq!(
                Limits::of(&constraints).forbids("src/a.rs").is_some(),
                is_forbidden,
                "{sentence}"
            );
        }
    }

    #[test]
    fn a_slug_begins_with_a_letter_whatever_the_goal() {
        for goal in ["Add OAuth login", "", "日本語だけ", "!!!"] {
            let slug = slug(goal);
            assert!(!slug.is_empty(), "{goal}");
            let id = format!("{slug}-001-tests");
            crate::domain::ids::SubtaskId::parse(&id).unwrap();
        }
    }
}
