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
use std::collections::BTreeMap;

/// Words by which a limit forbids something.
const FORBIDDING: [&str; 9] =
    ["not", "don't", "dont", "never", "avoid", "without", "except", "leave", "keep"];

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

/// Returns the limit that forbids to change a file, if one of `constraints` does by name.
pub fn forbids<'a>(constraints: &'a [String], path: &str) -> Option<&'a str> {
    let path = path.trim_start_matches("./");
    let names_it = |constraint: &&String| {
        let tokens = text::tokens(constraint);
        let forbids = tokens.iter().any(|token| FORBIDDING.contains(&token.word.as_str()));
        let bare = |word: &str| {
            let word = word.trim_matches(|c: char| !(c.is_alphanumeric() || "/_.-*".contains(c)));
            word.trim_end_matches('.').to_lowercase()
        };
        let mut folders = tokens.iter().map(|token| bare(token.raw)).filter(|w| w.contains('/'));
        let below = |folder: String| {
            let folder = folder.trim_end_matches(['/', '*']);
            path.to_lowercase().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        let is_named = files::named_in(constraint).iter().any(|file| file == path);
        forbids && (is_named || folders.any(below))
    };
    constraints.iter().find(names_it).map(String::as_str)
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
    fn a_file_is_forbidden_by_its_name_or_by_its_folder() {
        let constraints = ["do not touch src/old.rs".to_owned(), "never change vendor/".to_owned()];
        let constraints = &constraints[..];
        assert_eq!(forbids(constraints, "src/old.rs"), Some("do not touch src/old.rs"));
        assert_eq!(forbids(constraints, "./vendor/a/b.c"), Some("never change vendor/"));
        for free in ["src/new.rs", "vendored/a.c"] {
            assert_eq!(forbids(constraints, free), None, "{free}");
        }
        assert_eq!(forbids(&["only change src/a.rs".to_owned()], "src/a.rs"), None);
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
