//! What one step needs of another: words that point back, and things that are made and then used.

use super::{Clause, Link, Segments};
use crate::planner::lexicon::lexicon;
use crate::planner::text;

/// Words after the verb among which a word that points back is looked for.
const POINTER_WITHIN: usize = 5;

/// Steps that are compared with each other; longer requests are lists, not talk.
const LINKED_MAX: usize = 60;

impl Segments {
    /// Puts all of `later` after all of `earlier`, as their author tells them; of two lookups that
    /// share nothing, neither needs the other.
    ///
    /// Returns whether one of them does need another.
    pub(super) fn tell_after(
        &mut self,
        earlier: &[usize],
        later: &[usize],
        evidence: &str,
    ) -> bool {
        self.order(earlier, later, evidence);
        let mut is_firm = false;
        for &at in later {
            let loose: Vec<bool> = self.clauses[at]
                .after
                .iter()
                .map(|link| {
                    link.evidence == evidence
                        && are_unrelated(&self.clauses[link.before], &self.clauses[at])
                })
                .collect();
            for (link, loose) in self.clauses[at].after.iter_mut().zip(loose) {
                link.loose = loose;
                is_firm |= !loose;
            }
        }
        is_firm
    }
}

/// Adds what the words of the steps themselves tie together.
pub(super) fn join(parts: &mut Segments) {
    for at in 1..parts.clauses.len().min(LINKED_MAX) {
        let within = if parts.clauses[at].sentence == parts.clauses[at - 1].sentence {
            usize::MAX
        } else {
            POINTER_WITHIN
        };
        if let Some(word) = points_back(&parts.clauses[at], within) {
            let evidence = format!("the word \"{word}\" points back to it");
            link(parts, at - 1, at, evidence);
            continue;
        }
        let speaks = (0..at).rev().find_map(|before| {
            let verb = parts.clauses[before].frame.lemma?;
            Some((before, outcome_of(verb, &parts.clauses[at])?))
        });
        if let Some((before, word)) = speaks {
            link(parts, before, at, format!("it uses the {word} that comes of it"));
            continue;
        }
        let (before, here) = (&parts.clauses[at - 1], &parts.clauses[at]);
        let flows = before.frame.kind.name == "data" && here.frame.kind.name == "data";
        if flows && before.sentence == here.sentence && here.frame.lemma != before.frame.lemma {
            link(parts, at - 1, at, "what is processed there flows on".to_owned());
            continue;
        }
        let made = (0..at).rev().find_map(|before| {
            let thing = made_thing(&parts.clauses[before])?;
            uses(&parts.clauses[at], &thing).then_some((before, thing))
        });
        if let Some((before, thing)) = made {
            link(parts, before, at, format!("it uses the {thing} that is made there"));
        }
    }
}

fn link(parts: &mut Segments, before: usize, at: usize, evidence: String) {
    let is_cycle = parts.comes_after(before, at);
    let after = &mut parts.clauses[at].after;
    match after.iter_mut().find(|link| link.before == before) {
        Some(known) => known.loose = false,
        None if is_cycle => {}
        None => after.push(Link { before, evidence, loose: false }),
    }
}

fn are_unrelated(one: &Clause, other: &Clause) -> bool {
    let looks = |clause: &Clause| {
        clause.frame.lemma.is_some_and(|lemma| lexicon().words.lookups.contains(lemma))
    };
    looks(one) && looks(other) && points_back(other, POINTER_WITHIN).is_none()
}

/// Returns the word of a step that stands for something said before it.
fn points_back(clause: &Clause, within: usize) -> Option<&'static str> {
    const NEAR: &[&str] = &[
        "these",
        "those",
        "this",
        "that",
        "previous",
        "obtained",
        "retrieved",
        "resulting",
        "same",
    ];
    const POINTERS: &[&str] = &[
        "it", "its", "them", "their", "they", "sie", "ihn", "lo", "los", "las", "его", "её", "их",
    ];
    let lower = clause.text.to_lowercase();
    let words = words_of(&lower);
    if text::starts_with_any(&words, &["if".to_owned()]) > 0 {
        return Some("if");
    }
    let near = &words[..words.len().min(within)];
    let next = &words[..words.len().min(POINTER_WITHIN)];
    let pointer = POINTERS.iter().find(|pointer| near.contains(pointer));
    let points = |word: &&&str| {
        next.iter().enumerate().any(|(at, said)| said == *word && !tells_more(&words, at))
    };
    pointer.or_else(|| NEAR.iter().find(points)).copied()
}

/// Tells whether the word at a place is the `that` of `an endpoint that keeps them`: behind it stands
/// what something does, and nothing that it could point at.
fn tells_more(words: &[&str], at: usize) -> bool {
    let does = |word: &&&str| {
        word.len() > 3
            && word.ends_with('s')
            && !["ss", "us", "is"].iter().any(|end| word.ends_with(end))
    };
    at > 0 && words[at] == "that" && words.get(at + 1).as_ref().is_some_and(does)
}

/// Returns the head of what a step makes: `playlist` of `create a new playlist named X`.
fn made_thing(clause: &Clause) -> Option<String> {
    let frame = &clause.frame;
    let makes = frame.lemma.is_some_and(|lemma| lexicon().words.makers.contains(lemma));
    let head = frame.head.as_str();
    (makes && head.len() > 2 && head.chars().all(char::is_alphabetic)).then(|| head.to_owned())
}

/// Tells whether a step speaks of `the playlist` or `this playlist`.
fn uses(clause: &Clause, thing: &str) -> bool {
    let lower = clause.text.to_lowercase();
    let words = words_of(&lower);
    words.iter().enumerate().any(|(at, word)| {
        let definite = words[at.saturating_sub(3)..at]
            .iter()
            .any(|before| matches!(*before, "the" | "this" | "that" | "created" | "new" | "each"));
        *word == thing && definite
    })
}

/// Returns the word by which a step names what came of a verb: `translation` of `translate`.
fn outcome_of(verb: &str, clause: &Clause) -> Option<String> {
    /// Letters that verb and noun have to share: `translat-e`, `translat-ion`.
    const SHARED_MIN: usize = 5;
    let lower = clause.text.to_lowercase();
    let words = words_of(&lower);
    let named = words.windows(2).find(|pair| {
        let definite = matches!(pair[0], "the" | "this" | "these" | "those" | "from");
        let letters = pair[1].chars().zip(verb.chars());
        let shared = letters.take_while(|(one, other)| one == other).count();
        let least = SHARED_MIN.max(verb.chars().count().saturating_sub(3));
        definite && shared >= least && pair[1] != verb
    });
    named.map(|pair| pair[1].to_owned())
}

fn words_of(lower: &str) -> Vec<&str> {
    lower.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric())).collect()
}
