//! One verb and a list of things that each make a step: `set up the cloud: network, cluster, database`.

use super::asks;
use crate::planner::lexicon::lexicon;
use crate::planner::text::{self, Token};

/// Words that tie a thing to where it belongs.
const PLACES: &[&str] = &["to", "for", "on", "in", "into", "of", "from", "at"];

/// Words after which what is listed belongs together.
const BINDING: &[&str] =
    &["between", "both", "including", "such", "like", "from", "either", "with", "that", "which"];

/// Words that one thing below a heading may have.
const WORDS_MAX: usize = 6;

/// Things beyond this many are one list.
const THINGS_MAX: usize = 12;

/// Returns a text for each thing that is listed behind a colon: the verb before it is done to each.
pub(super) fn under_heading(tokens: &[Token<'_>]) -> Option<Vec<String>> {
    let at = tokens.iter().position(Token::colon)?;
    let (head, tail) = (&tokens[..=at], &tokens[at + 1..]);
    let verb = asks::verb(head).filter(|verb| !verb.gerund)?;
    if head.len() <= verb.length || asks::verb(tail).is_some_and(|verb| !verb.gerund) {
        return None;
    }
    let things = split(tail);
    let fits = |thing: &&[Token<'_>]| {
        thing.len() <= WORDS_MAX && thing.iter().all(|token| !token.arrow() && !token.colon())
    };
    if !(2..=THINGS_MAX).contains(&things.len()) || !things.iter().all(fits) {
        return None;
    }
    let spoken = text::join(&head[..verb.length]);
    let step = |thing: &&[Token<'_>]| {
        let names_work = lexicon().noun(&text::words(thing)).is_some();
        let text = text::join(thing);
        if names_work { text } else { format!("{spoken} {text}") }
    };
    Some(things.iter().map(step).collect())
}

/// Returns a text for each thing of an order that is tied to a place of its own: `add logs to the
/// worker and metrics to the gateway`.
pub(super) fn each_in_its_place(tokens: &[Token<'_>]) -> Option<Vec<String>> {
    let verb = asks::verb(tokens).filter(|verb| !verb.gerund)?;
    if asks::looks(tokens) || tokens.len() <= verb.length {
        return None;
    }
    let object = &tokens[verb.length..];
    if object.iter().any(|token| BINDING.contains(&token.word.as_str())) {
        return None;
    }
    let things = split(object);
    let placed = |thing: &&[Token<'_>]| {
        let at = thing.iter().position(|token| PLACES.contains(&token.word.as_str()));
        at.is_some_and(|at| at > 0 && at + 1 < thing.len())
    };
    if !(2..=THINGS_MAX).contains(&things.len()) || !things.iter().all(placed) {
        return None;
    }
    let spoken = text::join(&tokens[..verb.length]);
    Some(things.iter().map(|thing| format!("{spoken} {}", text::join(thing))).collect())
}

/// Returns a text for each thing that is to be built, where one is what people see and another what
/// is behind it: `build a settings page and an endpoint that keeps the settings`.
pub(super) fn each_half(tokens: &[Token<'_>]) -> Option<Vec<String>> {
    let verb = asks::verb(tokens).filter(|verb| !verb.gerund)?;
    if tokens.len() <= verb.length || verb.kind.name != "implement" {
        return None;
    }
    let things = split(&tokens[verb.length..]);
    let is_one =
        |thing: &&[Token<'_>]| thing.len() > 1 && matches!(thing[0].word.as_str(), "a" | "an");
    if !(2..=THINGS_MAX).contains(&things.len()) || !things.iter().all(is_one) {
        return None;
    }
    let lists = &lexicon().words;
    // The first word that tells is of the thing itself; what is told of it comes behind.
    let is_seen = |thing: &[Token<'_>]| {
        thing.iter().find_map(|token| {
            let seen = lists.ui.contains(&token.word);
            (seen || lists.server.contains(&token.word)).then_some(seen)
        })
    };
    let sides: Vec<bool> = things.iter().filter_map(|thing| is_seen(thing)).collect();
    if sides.len() < things.len() || sides.iter().all(|side| *side == sides[0]) {
        return None;
    }
    let spoken = text::join(&tokens[..verb.length]);
    Some(things.iter().map(|thing| format!("{spoken} {}", text::join(thing))).collect())
}

/// Splits a list at its commas and at `and`.
fn split<'a, 'b>(tokens: &'a [Token<'b>]) -> Vec<&'a [Token<'b>]> {
    let mut things = Vec::new();
    let mut begin = 0;
    for at in 0..tokens.len() {
        let joins = matches!(tokens[at].word.as_str(), "and" | "und" | "et" | "y" | "e" | "и");
        if joins {
            things.push(&tokens[begin..at]);
            begin = at + 1;
        } else if tokens[at].comma() {
            things.push(&tokens[begin..=at]);
            begin = at + 1;
        }
    }
    things.push(&tokens[begin..]);
    things.retain(|thing| !thing.is_empty());
    things
}
