//! What a draft from outside this room lacks, and what whoever drafts there has to know.

use super::frame::{Frame, telling_words};
use super::lexicon::lexicon;
use super::select::{self, Share};
use super::{complexity, files, text};
use crate::domain::Policy;
use crate::domain::ids::AgentName;
use crate::domain::plan::{DraftSubtask, Range, Why};
use crate::domain::task::TaskSpec;
use std::collections::BTreeMap;

/// Words by which a limit forbids something.
const FORBIDDING: [&str; 10] =
    ["not", "don't", "dont", "never", "no", "avoid", "without", "except", "leave", "keep"];

/// What is the same for all subtasks of a draft from outside.
#[derive(Debug, Clone, Copy)]
pub struct Frames<'a> {
    /// The master that the task asks for.
    pub wanted: Option<&'a AgentName>,
    /// Whether one worker does it whole.
    pub is_whole: bool,
    /// The limits.
    pub policy: &'a Policy,
}

/// Fills in what a subtask from outside lacks: kind, field of work, master, worker type, minutes,
/// tokens and model tier, each with its reason where it is not said.
pub fn complete(subtask: &mut DraftSubtask, frames: &Frames<'_>) {
    let frame = Frame::of(&subtask.title);
    let said = subtask.nature.kind.trim().to_lowercase();
    let (kind, evidence) = match lexicon().kind_named(&said) {
        Some(kind) => (kind, format!("the draft calls it {said}")),
        None => (frame.kind, frame.evidence),
    };
    let said = subtask.nature.domain.trim().to_lowercase();
    let domain = lexicon().domain_named(&said).or(frame.domain).unwrap_or(&kind.domain);
    subtask.why.push(Why::new(format!("kind {}", kind.name), evidence));
    subtask.nature.kind.clone_from(&kind.name);
    domain.clone_into(&mut subtask.nature.domain);
    subtask.nature.model = kind.model;
    let share = if frames.is_whole { Share::Whole } else { Share::Part };
    // The author's word wins over whoever drafted.
    let asked_for = frames.wanted.filter(|_| frames.is_whole);
    if let Some(master) = asked_for {
        subtask.assigned_to = vec![master.to_string()];
        subtask.why.push(Why::new("author's assigned_to", format!("the task asks for {master}")));
    } else if (frames.wanted.is_some() || subtask.assigned_to.is_empty())
        && let Some(choice) = select::master(domain, frames.wanted, share, frames.policy)
    {
        subtask.assigned_to = vec![choice.master.to_string()];
        subtask.why.push(choice.why);
    }
    if subtask.worker_type.trim().is_empty() {
        subtask.worker_type.clone_from(&kind.worker);
    }
    let limits = &frames.policy.plan;
    if subtask.minutes == Range::default() {
        let high = kind.minutes[1].min(limits.subtask_minutes_limit);
        subtask.minutes = Range { low: kind.minutes[0].min(high), high };
        subtask.why.push(Why::new("minutes filled in", format!("as {} usually takes", kind.name)));
    }
    if subtask.tokens == 0 {
        subtask.tokens = kind.tokens.min(limits.subtask_tokens_max).max(1);
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
    super::expand::slug_of(&telling_words(&Frame::of(goal).object))
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
        let words = text::tokens(constraint);
        let forbids = words.iter().any(|token| FORBIDDING.contains(&token.word.as_str()));
        let folders = words.iter().map(|token| token.word.as_str()).filter(|w| w.contains('/'));
        let below = |folder: &str| {
            let folder = folder.trim_end_matches(['/', '*']);
            path.to_lowercase().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        let is_named = files::named_in(constraint).iter().any(|file| file == path);
        forbids && (is_named || folders.into_iter().any(below))
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
        let frames = Frames { wanted: wanted.as_ref(), is_whole: false, policy: &policy };
        complete(&mut subtask, &frames);
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
