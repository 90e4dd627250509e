//! What limits the work and is no step: what must not be touched, by when, and for how much.

use super::Segments;
use super::asks;
use super::sentence::is_constraint;
use crate::planner::text::{self, Token};

/// Days and the like that something may be due by.
const DAYS: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "tomorrow",
    "today",
    "tonight",
    "eod",
    "eow",
    "noon",
    "midnight",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "q1",
    "q2",
    "q3",
    "q4",
    "christmas",
    "easter",
];

/// Units of time that something may have to be done within.
const SPANS: &[&str] = &[
    "minute", "minutes", "hour", "hours", "day", "days", "week", "weeks", "month", "months",
    "sprint", "sprints",
];

/// What money is counted in.
const MONEY: &[&str] =
    &["eur", "usd", "euro", "euros", "dollar", "dollars", "gbp", "pounds", "chf", "yen"];

/// Words that a limit begins with, in every language that is read.
const WITHOUT: &[&str] = &["without", "ohne", "sin", "sem", "sans", "без"];

/// Cuts `but do not change the code` out of a sentence and keeps it.
pub(super) fn without_exclusion<'a, 'b>(
    parts: &mut Segments,
    tokens: &'a [Token<'b>],
) -> &'a [Token<'b>] {
    let joins =
        |token: &Token<'_>| matches!(token.word.as_str(), "but" | "and" | "however" | "while");
    let negates = |at: usize| {
        let words: Vec<&str> = tokens[at..].iter().take(3).map(|t| t.word.as_str()).collect();
        matches!(
            words.as_slice(),
            ["do", "not", ..] | ["don't" | "dont" | "never" | "not", ..] | ["leave" | "keep", _, _]
        )
    };
    let found = (1..tokens.len()).find(|&at| {
        let begins = joins(&tokens[at - 1]) || tokens[at - 1].comma();
        begins && negates(at)
    });
    let Some(at) = found else { return tokens };
    parts.constraints.push(text::join(&tokens[at..]));
    let end = if joins(&tokens[at - 1]) { at - 1 } else { at };
    &tokens[..end]
}

/// Splits `Do not touch the database, only update the docs` into limit and order.
pub(super) fn behind_exclusion<'a, 'b>(
    tokens: &'a [Token<'b>],
) -> Option<(String, &'a [Token<'b>])> {
    if !is_constraint(tokens) {
        return None;
    }
    let commas = (1..tokens.len()).filter(|at| tokens[at - 1].comma());
    let orders = commas.filter_map(|at| {
        let (rest, _) = super::without_fillers(&tokens[at..]);
        let verb = asks::verb(rest).filter(|verb| !verb.gerund)?;
        let is_order = rest.first().is_some_and(|first| asks::is_base(&first.word, &verb));
        // A list of what must not be done goes on after its commas.
        let turns = rest.len() < tokens.len() - at;
        (is_order && turns && !is_constraint(rest)).then(|| (text::join(&tokens[..at]), rest))
    });
    orders.into_iter().next()
}

/// Cuts `by Friday`, `under 500 EUR` and `without downtime` out of a sentence and keeps them.
pub(super) fn without_limits<'a>(parts: &mut Segments, tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let length = limit(&tokens[at..]).min(tokens.len() - at);
        if length == 0 || kept.is_empty() {
            kept.push(tokens[at].clone());
            at += 1;
        } else {
            parts.constraints.push(text::join(&tokens[at..at + length]));
            at += length;
            // The punctuation still belongs to the sentence.
            if tokens[at - 1].colon() {
                kept.push(Token { raw: ":", word: String::new() });
            } else if tokens[at - 1].comma() {
                kept.push(Token { raw: ",", word: String::new() });
            }
        }
    }
    kept
}

/// Returns how many words a limit takes that a text begins with; 0 for none.
fn limit(tokens: &[Token<'_>]) -> usize {
    let word = |at: usize| tokens.get(at).map_or("", |token| token.word.as_str());
    let raw = |at: usize| tokens.get(at).map_or("", |token| token.raw);
    let number = |at: usize| word(at).starts_with(|c: char| c.is_ascii_digit());
    let is_money = |at: usize| {
        raw(at).starts_with(['$', '€', '£']) || number(at) && MONEY.contains(&word(at + 1))
    };
    let money = |at: usize| match (is_money(at), raw(at).starts_with(['$', '€', '£'])) {
        (true, true) => 1,
        (true, false) => 2,
        (false, _) => 0,
    };
    let from = |length: usize, more: usize| if more == 0 { 0 } else { length + more };
    match (word(0), word(1)) {
        ("by", day) if DAYS.contains(&day) => {
            if number(2) {
                3
            } else {
                2
            }
        }
        ("by", _) if number(1) && DAYS.contains(&word(2)) => 3,
        ("by", "end") if word(2) == "of" => 4,
        ("by", "the") if word(2) == "end" => 5,
        ("by", "next" | "this" | "tomorrow") => 3,
        ("within" | "in", _) if number(1) && SPANS.contains(&word(2)) && word(0) == "within" => 3,
        ("under" | "below" | "within", _) => from(1, money(1)),
        ("with", "a") if word(2) == "budget" => from(4, money(4)),
        ("for", "less") | ("for", "under") => from(3, money(3)).max(from(2, money(2))),
        ("budget", _) => from(1, money(1)),
        ("with", "zero" | "no") => 3,
        (first, _) if WITHOUT.contains(&first) => {
            tokens.iter().position(Token::comma).map_or(tokens.len(), |comma| comma + 1)
        }
        _ => 0,
    }
}
