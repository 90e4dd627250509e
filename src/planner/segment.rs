//! A request as steps: what is to be done, in which order its words put it, and what is no step.

mod alternatives;
mod asks;
mod chain;
mod clauses;
mod limits;
mod links;
mod lists;
mod lists_of_things;
mod objects;
mod sentence;

use super::frame::Frame;
use super::lexicon::{Kind, lexicon};
use super::text;

/// Steps beyond this many make the request too long to plan.
const CLAUSES_MAX: usize = 500;

/// Words such as "please" that are taken off the front of one clause.
const FILLERS_MAX: usize = 12;

/// Groups of more steps than this are not searched for their last ones.
const GROUP_MAX: usize = 32;

/// One step in the author's words.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    /// What it asks for.
    pub(super) frame: Frame,
    /// The words.
    pub(super) text: String,
    /// Which sentence or item it is a part of.
    pub(super) sentence: usize,
    /// What it comes after.
    pub(super) after: Vec<Link>,
}

/// That one step comes after another.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// The one before.
    pub(super) before: usize,
    /// The words that say so.
    pub(super) evidence: String,
    /// True when the words only tell two lookups one after the other, of which neither needs the
    /// other: a plan keeps to it, but nothing flows from one to the other.
    pub(super) loose: bool,
}

/// How the author wrote the steps down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// As sentences.
    Prose,
    /// As a numbered list: one after the other.
    Numbered,
    /// As bullets or boxes: in no order.
    Bullets,
    /// As words joined by arrows: one after the other.
    Arrows,
}

/// A request, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Segments {
    /// The steps.
    pub(super) clauses: Vec<Clause>,
    /// The sentences read so far.
    sentences: usize,
    /// What the steps are for, in the author's words.
    pub(super) context: Option<String>,
    /// The sentence above the steps, if there is one.
    pub(super) goal: Option<Frame>,
    /// Kinds of work that its author names as what has to come of it, in the author's words.
    pub(super) deliverables: Vec<(&'static Kind, String)>,
    /// What must be respected and is no step.
    pub(super) constraints: Vec<String>,
    /// How the author says one can tell that it is done.
    pub(super) criteria: Vec<String>,
    /// True when the author says that the steps do not depend on each other.
    pub(super) independent: bool,
    /// How the steps were written down.
    pub(super) shape: Shape,
    /// True when there are more steps than are read.
    pub(super) overflow: bool,
}

/// Takes a request apart. `title` is the request in one line or sentence, `details` what follows.
pub(super) fn segment(title: &str, details: &str) -> Segments {
    let mut parts = Segments {
        clauses: Vec::new(),
        sentences: 0,
        context: None,
        goal: None,
        deliverables: Vec::new(),
        constraints: Vec::new(),
        criteria: Vec::new(),
        independent: false,
        shape: Shape::Prose,
        overflow: false,
    };
    let languages = &lexicon().languages;
    let (title, details) = (&*languages.spaced(title), &*languages.spaced(details));
    let lines: Vec<&str> = title.lines().chain(details.lines()).collect();
    let is_chain = chain::read(&mut parts, &lines);
    if !is_chain && !lists::read(&mut parts, title, details) {
        sentence::read_all(&mut parts, title);
        if parts.clauses.len() <= 1 && !details.is_empty() {
            sentence::read_details(&mut parts, details);
        }
    }
    links::join(&mut parts);
    name_pronouns(&mut parts.clauses);
    parts
}

impl Segments {
    /// Adds a step; returns its position. Beyond the limit everything falls on the last one.
    fn push(&mut self, text: &str) -> usize {
        if self.clauses.len() >= CLAUSES_MAX {
            self.overflow = true;
            return self.clauses.len() - 1;
        }
        let text = text::trimmed(text).to_owned();
        self.clauses.push(Clause {
            frame: Frame::of(&text),
            text,
            sentence: self.sentences,
            after: Vec::new(),
        });
        self.clauses.len() - 1
    }

    /// Puts all of `later` after all of `earlier`.
    fn order(&mut self, earlier: &[usize], later: &[usize], evidence: &str) {
        let is_last = |at: &&usize| {
            earlier.len() > GROUP_MAX
                || !earlier.iter().any(|other| other != *at && self.comes_after(*other, **at))
        };
        let last: Vec<usize> = earlier.iter().filter(is_last).copied().collect();
        for &at in later {
            for &before in &last {
                let known = self.clauses[at].after.iter().any(|link| link.before == before);
                if at != before && !known && !self.comes_after(before, at) {
                    let evidence = evidence.to_owned();
                    self.clauses[at].after.push(Link { before, evidence, loose: false });
                }
            }
        }
    }

    /// Puts the steps of a migration and the like after each other, unless their words do it.
    fn order_as_process(&mut self, steps: &[usize]) {
        let is_process = self.goal.as_ref().is_some_and(|goal| {
            matches!(goal.kind.name.as_str(), "migrate" | "deploy" | "data" | "cutover")
        });
        let is_told = steps.iter().any(|&at| !self.clauses[at].after.is_empty());
        if !is_process || is_told || self.independent {
            return;
        }
        for pair in steps.windows(2) {
            self.order(&pair[..1], &pair[1..], "the steps of such a goal follow each other");
        }
    }

    /// Tells whether `at` waits for `other`, directly or not.
    pub(super) fn comes_after(&self, at: usize, other: usize) -> bool {
        let mut seen = vec![false; self.clauses.len()];
        let mut open = vec![at];
        while let Some(at) = open.pop() {
            if at == other {
                return true;
            }
            if !std::mem::replace(&mut seen[at], true) {
                open.extend(self.clauses[at].after.iter().map(|link| link.before));
            }
        }
        false
    }
}

/// Takes words such as "please" and "then" off the front. Returns the rest, and the order word.
fn without_fillers<'a, 'b>(
    mut tokens: &'a [text::Token<'b>],
) -> (&'a [text::Token<'b>], Option<String>) {
    let lists = &lexicon().words;
    let mut order = None;
    for _ in 0..FILLERS_MAX {
        let front = &tokens[..tokens.len().min(6)];
        let words: Vec<&str> = front.iter().map(|t| t.word.as_str()).collect();
        let then = text::starts_with_any(&words, &lists.then);
        let then = then.max(text::starts_with_any(&words, &lists.last));
        let length = if then > 0 {
            then
        } else {
            let first = text::starts_with_any(&words, &lists.first);
            first.max(text::starts_with_any(&words, &lists.fillers))
        };
        // An empty word is punctuation on its own, such as a bullet.
        let length = if length == 0 && words.first() == Some(&"") { 1 } else { length };
        if length == 0 || length >= tokens.len() {
            return (tokens, order);
        }
        if then > 0 && order.is_none() {
            order = Some(words[..then].join(" "));
        }
        tokens = &tokens[length..];
    }
    (tokens, order)
}

/// Replaces "it" and "them" at the end of a title by what an earlier clause is about.
fn name_pronouns(clauses: &mut [Clause]) {
    let mut object = String::new();
    for clause in clauses {
        let frame = &mut clause.frame;
        let is_pronoun = matches!(frame.object.as_str(), "it" | "them" | "this" | "that");
        if is_pronoun && !object.is_empty() {
            if let Some(verb) = frame.title.strip_suffix(frame.object.as_str()) {
                frame.title = text::line(&format!("{verb}{object}"), super::frame::TITLE_MAX);
            }
            frame.object.clone_from(&object);
        } else if is_pronoun {
            frame.object.clear();
        } else if !frame.object.is_empty() {
            object.clone_from(&frame.object);
        }
    }
}
