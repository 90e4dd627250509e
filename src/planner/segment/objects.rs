//! One verb and several things that are looked up: `find the schools here and the crime rates there`.

use super::asks;
use crate::planner::lexicon::lexicon;
use crate::planner::text::{self, Token};

/// Words that begin the name of a thing of its own.
const DETERMINERS: &[&str] =
    &["the", "a", "an", "any", "some", "information", "details", "data", "another"];

/// Words that tie a place, a time or a topic to a thing.
const TIES: &[&str] = &[
    "in", "at", "for", "of", "about", "from", "on", "based", "during", "near", "between", "inside",
];

/// Words after which what is listed belongs together.
const BINDING: &[&str] = &[
    "including",
    "include",
    "includes",
    "such",
    "like",
    "between",
    "both",
    "with",
    "using",
    "whose",
    "where",
    "that",
    "which",
    "who",
    "as",
];

/// Things beyond this many are one list.
const THINGS_MAX: usize = 6;

/// Returns one text for each thing that a look asks for, if each stands on its own.
pub(super) fn several(tokens: &[Token<'_>]) -> Option<Vec<String>> {
    let verb = asks::verb(tokens)?;
    if !lexicon().words.lookups.contains(verb.lemma) {
        return None;
    }
    let mut from = verb.length;
    while tokens.get(from).is_some_and(|token| matches!(token.word.as_str(), "me" | "us" | "with"))
    {
        from += 1;
    }
    let things = things(&tokens[from..]);
    if !(2..=THINGS_MAX).contains(&things.len()) {
        return None;
    }
    let alike = things.iter().all(|thing| matches!(thing[0].word.as_str(), "a" | "an" | "any"));
    let placed = things.iter().all(|thing| is_placed(thing));
    let named = things.iter().all(|thing| thing.len() > 2 && asks::names_something(thing));
    if !(alike || placed || named) {
        return None;
    }
    let spoken = text::join(&tokens[..from]);
    Some(things.iter().map(|thing| format!("{spoken} {}", text::join(thing))).collect())
}

/// Splits an object where a new thing begins.
fn things<'a, 'b>(tokens: &'a [Token<'b>]) -> Vec<&'a [Token<'b>]> {
    let mut things = Vec::new();
    let mut begin = 0;
    let mut at = 1;
    while at < tokens.len() {
        let bound = tokens[begin..at].iter().any(|t| BINDING.contains(&t.word.as_str()));
        let joins = tokens[at].word == "and";
        let next = if joins { at + 1 } else { at };
        let parted = joins || tokens[at - 1].comma();
        let begins = tokens.get(next).is_some_and(|token| {
            let rest = &tokens[next..];
            DETERMINERS.contains(&token.word.as_str())
                || (joins && !token.raw.starts_with(['\'', '"']) && asks::names_something(rest))
        });
        if parted && begins && !bound && at - begin >= 2 && tokens.len() - next >= 2 {
            things.push(&tokens[begin..at]);
            begin = next;
            at = next + 1;
        } else {
            at += 1;
        }
    }
    things.push(&tokens[begin.min(tokens.len())..]);
    things.retain(|thing| !thing.is_empty());
    things
}

/// Tells whether a thing says of what, where or when it is.
fn is_placed(thing: &[Token<'_>]) -> bool {
    thing.len() >= 4 && thing.iter().skip(1).any(|token| TIES.contains(&token.word.as_str()))
}

/// Tells whether an order only says what to hand over of what was looked up before.
pub(super) fn only_delivers(tokens: &[Token<'_>]) -> bool {
    const DELIVER: &[&str] = &["provide", "give", "return", "include", "specify"];
    const BACK: &[&str] = &["their", "its", "them", "it", "each", "these", "those"];
    let delivers = asks::verb(tokens).is_some_and(|verb| DELIVER.contains(&verb.lemma));
    let back = tokens.iter().take(5).any(|token| BACK.contains(&token.word.as_str()));
    let placed = tokens.iter().any(|t| matches!(t.word.as_str(), "for" | "in" | "from" | "at"));
    delivers && !back && !placed && !asks::names_something(tokens)
}
