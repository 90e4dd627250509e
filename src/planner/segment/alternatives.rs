//! Several ways to the same end: `evaluate three queues (this, that, the other)`.

use super::asks;
use crate::planner::lexicon::{Kind, lexicon};
use crate::planner::text::{self, Token};

/// Words that one alternative may have.
const WORDS_MAX: usize = 5;

/// Alternatives beyond this many are a list of something else.
const ALTERNATIVES_MAX: usize = 12;

/// Verbs that put several things side by side.
const COMPARING: &[&str] = &["compare", "contrast", "benchmark"];

/// Verbs that are done once for each alternative.
const EACH: &[&str] = &[
    "compare",
    "contrast",
    "benchmark",
    "evaluate",
    "assess",
    "implement",
    "prototype",
    "test",
    "build",
    "research",
    "investigate",
    "try",
    "review",
    "analyze",
];

/// Tells whether a clause puts things side by side.
pub(super) fn compares(tokens: &[Token<'_>]) -> bool {
    asks::verb(tokens).is_some_and(|verb| COMPARING.contains(&verb.lemma))
}

/// Returns one text for each alternative that a clause lists in brackets or with `vs`.
pub(super) fn each(tokens: &[Token<'_>]) -> Option<Vec<String>> {
    let verb = asks::verb(tokens).filter(|verb| EACH.contains(&verb.lemma))?;
    let spoken = text::join(&tokens[..verb.length]);
    let (items, tail) = in_brackets(tokens).or_else(|| versus(&tokens[verb.length..]))?;
    let fits = |item: &String| (1..=WORDS_MAX).contains(&item.split_whitespace().count());
    if !(2..=ALTERNATIVES_MAX).contains(&items.len()) || !items.iter().all(fits) {
        return None;
    }
    let text = |item: &String| text::trimmed(&format!("{spoken} {item} {tail}")).to_owned();
    Some(items.iter().map(text).collect())
}

fn in_brackets(tokens: &[Token<'_>]) -> Option<(Vec<String>, String)> {
    let begin = tokens.iter().position(|token| token.raw.starts_with('('))?;
    let length = tokens[begin..].iter().position(|token| token.raw.contains(')'))? + 1;
    let inner: Vec<&str> = tokens[begin..begin + length].iter().map(|token| token.raw).collect();
    let inner = inner.join(" ");
    let inner = inner.trim_start_matches('(');
    let inner = &inner[..inner.rfind(')')?];
    if inner.contains("e.g") || inner.contains("i.e") || !inner.contains([',', '/']) {
        return None;
    }
    let items = inner.split([',', '/']).map(|item| {
        let item = item.trim();
        let item = item.strip_prefix("and ").or_else(|| item.strip_prefix("or ")).unwrap_or(item);
        text::trimmed(item).to_owned()
    });
    let items = items.filter(|item| !item.is_empty()).collect();
    Some((items, text::join(&tokens[begin + length..])))
}

fn versus(tokens: &[Token<'_>]) -> Option<(Vec<String>, String)> {
    let is_versus = |token: &Token<'_>| matches!(token.word.as_str(), "vs" | "versus");
    if !tokens.iter().any(is_versus) {
        return None;
    }
    let ends = &lexicon().words.ends;
    let end = tokens.iter().position(|token| ends.contains(token.word.as_str()));
    let (list, tail) = tokens.split_at(end.unwrap_or(tokens.len()));
    let items = list.split(is_versus).map(text::join).filter(|item| !item.is_empty()).collect();
    Some((items, text::join(tail)))
}

/// Returns the kinds of work that a list of deliverables names, each with its words.
pub(super) fn kinds_in(tokens: &[Token<'_>]) -> Vec<(&'static Kind, String)> {
    let mut kinds: Vec<(&'static Kind, String)> = Vec::new();
    let joins = |token: &Token<'_>| matches!(token.word.as_str(), "with" | "and" | "plus");
    let mut begin = 0;
    for at in 0..=tokens.len() {
        let ends = at == tokens.len() || joins(&tokens[at]) || at > 0 && tokens[at - 1].comma();
        if !ends {
            continue;
        }
        let chunk = &tokens[begin.min(at)..at];
        let stop = chunk.iter().position(|t| lexicon().words.ends.contains(t.word.as_str()));
        let words = text::words(&chunk[..stop.unwrap_or(chunk.len())]);
        if let Some(kind) = lexicon().noun(&words).filter(|kind| kind.rank >= 50)
            && !kinds.iter().any(|(known, _)| known.name == kind.name)
        {
            kinds.push((kind, text::join(chunk)));
        }
        begin = if at < tokens.len() && joins(&tokens[at]) { at + 1 } else { at };
    }
    kinds
}
