//! What a sentence is for: it asks for something, names a topic, adds a detail, or is only polite.

use crate::planner::frame::is_question;
use crate::planner::lexicon::{Verb, lexicon};
use crate::planner::text::{self, Token};

/// Phrases that are taken off the front of one sentence.
const OPENERS_MAX: usize = 12;

/// Words of a sentence among which "also" is looked for.
const ALSO_WITHIN: usize = 9;

/// How a sentence is tied to what is said before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Marker {
    /// `Then`, `after that`: it comes after.
    Then(String),
    /// `Finally`, `lastly`: it is the last of them.
    Last(String),
    /// `First`: more will follow.
    First,
    /// `Also`, `additionally`: one more, in no order.
    Also,
}

/// How firmly a sentence asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Firmness {
    /// It states something.
    None,
    /// `I am interested in ...`: it may be the topic of what follows.
    Wish,
    /// `Retrieve ...`, `can you ...`, a question.
    Order,
}

/// A sentence without what stands before its matter.
#[derive(Debug)]
pub(super) struct Ask<'a, 'b> {
    /// What is left.
    pub(super) tokens: &'a [Token<'b>],
    /// How it is tied to what is said before.
    pub(super) marker: Option<Marker>,
    /// How firmly it asks.
    pub(super) firmness: Firmness,
}

/// Drops the "also" of `I would also like`; tells whether it was there.
pub(super) fn without_also<'b>(tokens: &[Token<'b>]) -> (Vec<Token<'b>>, bool) {
    const BEFORE: &[&str] = &[
        "i", "we", "i'm", "i'd", "would", "could", "can", "you", "am", "is", "are", "it's", "to",
        "need", "want", "please",
    ];
    let front = &tokens[..tokens.len().min(ALSO_WITHIN)];
    let at = front.iter().position(|token| token.word == "also").filter(|at| *at > 0);
    match at.filter(|at| BEFORE.contains(&tokens[at - 1].word.as_str())) {
        Some(at) => {
            let rest = tokens.iter().enumerate().filter(|(other, _)| *other != at);
            (rest.map(|(_, token)| token.clone()).collect(), true)
        }
        None => (tokens.to_vec(), false),
    }
}

/// Takes marker and opener off the front of a sentence.
pub(super) fn open<'a, 'b>(sentence: &'a [Token<'b>], also: bool) -> Ask<'a, 'b> {
    let lists = &lexicon().words;
    let mut tokens = sentence;
    let mut marker = also.then_some(Marker::Also);
    let mut opener = Firmness::None;
    for _ in 0..OPENERS_MAX {
        let front = &tokens[..tokens.len().min(8)];
        let words: Vec<&str> = front.iter().map(|t| t.word.as_str()).collect();
        let length = |list: &[String]| text::starts_with_any(&words, list);
        let (then, last) = (length(&lists.then), length(&lists.last));
        let (first, also) = (length(&lists.first), length(&lists.also));
        let (wish, order) = (length(&lists.wishes), length(&lists.orders));
        let filler = length(&lists.fillers);
        let empty = usize::from(words.first() == Some(&""));
        let most = [then, last, first, also, wish, order, filler, empty].into_iter().max();
        let most = most.unwrap_or_default();
        if most == 0 || most >= tokens.len() {
            break;
        }
        if most == then {
            marker = Some(Marker::Then(words[..then].join(" ")));
        } else if most == last {
            marker.get_or_insert(Marker::Last(words[..last].join(" ")));
        } else if most == first {
            marker.get_or_insert(Marker::First);
        } else if most == also {
            marker.get_or_insert(Marker::Also);
        } else if most == order {
            opener = Firmness::Order;
        } else if most == wish {
            opener = opener.max(Firmness::Wish);
        }
        tokens = &tokens[most..];
    }
    let firmness = firmness(tokens, opener);
    if firmness == Firmness::None
        && let Some(rest) = behind_aside(tokens)
    {
        let inner = open(rest, false);
        if inner.firmness != Firmness::None {
            return Ask { marker: marker.or(inner.marker), ..inner };
        }
    }
    Ask { tokens, marker, firmness }
}

/// Returns what follows `As part of our audit,` or `It would be great if you could`.
fn behind_aside<'a, 'b>(tokens: &'a [Token<'b>]) -> Option<&'a [Token<'b>]> {
    const ASIDE_MAX: usize = 16;
    let first = tokens.first()?.word.as_str();
    let is_tied = matches!(first, "once" | "after" | "before" | "when" | "if" | "unless");
    if is_tied || super::sentence::is_constraint(tokens) {
        return None;
    }
    let front = &tokens[..tokens.len().min(ASIDE_MAX)];
    let could = |three: &[Token<'_>]| {
        three[0].word == "if"
            && three[1].word == "you"
            && matches!(three[2].word.as_str(), "could" | "can")
    };
    let from = match front.windows(3).position(could) {
        Some(at) => at + 3,
        None => front.iter().position(Token::comma)? + 1,
    };
    tokens.get(from..).filter(|rest| !rest.is_empty())
}

fn firmness(tokens: &[Token<'_>], opener: Firmness) -> Firmness {
    let words: Vec<&str> = tokens.iter().take(4).map(|t| t.word.as_str()).collect();
    let Some(first) = words.first() else { return Firmness::None };
    if opener == Firmness::Wish {
        return Firmness::Wish;
    }
    let verb = verb(tokens);
    let is_order = verb.is_some_and(|verb| !verb.gerund && is_base(first, &verb));
    let after_order = opener == Firmness::Order && !lexicon().words.closed.contains(*first);
    let ends_in_verb = tokens.iter().any(|token| lexicon().last_verb(&token.word).is_some());
    if is_order || after_order || ends_in_verb || asks(tokens) {
        Firmness::Order
    } else {
        Firmness::None
    }
}

/// Tells whether a sentence is a question for something.
fn asks(tokens: &[Token<'_>]) -> bool {
    const INVERTED: &[&str] =
        &["is", "are", "does", "do", "did", "was", "were", "will", "has", "have", "should"];
    let words: Vec<&str> = tokens.iter().take(3).map(|t| t.word.as_str()).collect();
    let marked = tokens.iter().any(Token::question);
    let inverted = words.first().is_some_and(|word| INVERTED.contains(word));
    marked && (is_question(&words) || inverted)
}

/// Returns the verb that a text begins with.
pub(super) fn verb(tokens: &[Token<'_>]) -> Option<Verb> {
    let words: Vec<&str> = tokens.iter().take(3).map(|t| t.word.as_str()).collect();
    lexicon().verb(&words)
}

/// Tells whether a text begins with a verb that only looks: nothing is different afterwards.
pub(super) fn looks(tokens: &[Token<'_>]) -> bool {
    verb(tokens).is_some_and(|verb| lexicon().words.lookups.contains(verb.lemma))
}

/// Tells whether two texts begin with verbs that only look.
pub(super) fn both_look(one: &str, other: &str) -> bool {
    looks(&text::tokens(one)) && looks(&text::tokens(other))
}

/// Tells whether a verb stands there as one says it in an order.
pub(super) fn is_base(word: &str, verb: &Verb) -> bool {
    verb.length > 1 || word == verb.lemma || verb.foreign
}

/// Tells whether a sentence begins with a condition: `if it is valid, ...`.
pub(super) fn is_conditional(tokens: &[Token<'_>]) -> bool {
    let first = tokens.first().map(|token| token.word.as_str());
    matches!(first, Some("if" | "unless")) && tokens.iter().any(Token::comma)
}

/// Tells whether a sentence only thanks, greets or comments.
pub(super) fn is_courtesy(tokens: &[Token<'_>]) -> bool {
    let words = text::words(&tokens[..tokens.len().min(8)]);
    text::starts_with_any(&words, &lexicon().words.courtesies) > 0
}

/// Tells whether a sentence has somebody or something do or be something: it states, asks nothing.
pub(super) fn is_statement(tokens: &[Token<'_>]) -> bool {
    let first = tokens.first().map_or("", |token| token.word.as_str());
    lexicon().words.subjects.contains(first)
}

/// Tells whether a sentence reports something: who or what is first, and then what it does.
pub(super) fn reports(tokens: &[Token<'_>]) -> bool {
    const FINITE: &[&str] = &[
        "is",
        "are",
        "was",
        "were",
        "has",
        "have",
        "had",
        "report",
        "reports",
        "reported",
        "fails",
        "fail",
        "keeps",
        "keep",
        "crashes",
        "takes",
        "says",
        "complain",
        "complains",
        "wants",
        "want",
        "needs",
        "can't",
        "cannot",
        "doesn't",
        "don't",
        "shows",
        "seems",
        "broke",
        "stopped",
        "does",
        "uses",
        "runs",
        "returns",
        "became",
        "gets",
    ];
    tokens.iter().take(6).skip(1).any(|token| FINITE.contains(&token.word.as_str()))
}

/// Tells whether an order only says more about what is asked for before it.
pub(super) fn elaborates(tokens: &[Token<'_>]) -> bool {
    let lists = &lexicon().words;
    let words: Vec<&str> = tokens.iter().map(|t| t.word.as_str()).collect();
    let front = &words[..words.len().min(4)];
    if text::starts_with_any(front, &lists.elaborations) == 0 {
        return false;
    }
    !has_name(tokens)
}

/// Tells whether a text names a thing of its own, and be it only by a capital letter.
pub(super) fn has_name(tokens: &[Token<'_>]) -> bool {
    let capital = |token: &Token<'_>| {
        token.raw.starts_with(char::is_uppercase)
            && !token.word.starts_with("i'")
            && token.word != "i"
    };
    names_something(tokens) || tokens.iter().skip(1).any(capital)
}

/// Tells whether a text names a thing of its own: in quotes, by number or by address.
pub(super) fn names_something(tokens: &[Token<'_>]) -> bool {
    tokens.iter().any(|token| {
        let inner = token.raw.trim_start_matches(['(', '[']);
        inner.starts_with(['\'', '"', '“', '‘', '`'])
            || inner.contains("://")
            || token.word.chars().any(|c| c.is_ascii_digit())
    })
}

impl Marker {
    /// Tells whether it puts its sentence after others.
    pub(super) fn puts_after(&self) -> bool {
        matches!(self, Marker::Then(_) | Marker::Last(_))
    }
}
