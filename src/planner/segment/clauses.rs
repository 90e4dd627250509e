//! One sentence that asks as its clauses: orders joined by commas, `and`, and words of order.

use super::asks;
use super::{Segments, alternatives, lists_of_things, objects};
use crate::planner::frame::{Frame, telling_words};
use crate::planner::lexicon::lexicon;
use crate::planner::text::{self, Token};

/// Words that end a clause about something that has happened: `once the scan passes`.
const FINISHED: &[&str] = &[
    "passes",
    "pass",
    "passed",
    "succeeds",
    "succeed",
    "succeeded",
    "finishes",
    "finished",
    "completes",
    "completed",
    "complete",
    "done",
    "green",
    "merged",
    "deployed",
    "approved",
    "ready",
];

/// Verbs whose two objects are two errands already: `book flights and hotels`.
const ERRANDS: &[&str] = &["book", "buy", "order", "hire", "invite", "rent"];

/// Steps among which an event looks for what it speaks of.
const MENTIONED_MAX: usize = 40;

/// Words of an event that are looked at.
const EVENT_WORDS_MAX: usize = 40;

/// Words that show what stands before them to be a verb.
const FOLLOWERS: &[&str] = &[
    "the", "a", "an", "it", "them", "all", "our", "my", "your", "their", "each", "every", "and",
    "one", "its", "me", "us", "if", "whether", "that", "this", "these", "those", "any", "some",
    "how", "what", "which", "why", "him", "her", "for",
];

/// Verbs whose objects are often lists of nouns.
const TELLING: &[&str] = &[
    "retrieve", "get", "fetch", "obtain", "gather", "know", "learn", "see", "tell", "list", "show",
    "give", "provide", "perform", "view", "have", "include", "display",
];

/// Words that say where, not what: `lint, then deploy to staging` lints no staging.
const BEFORE_PLACES: &[&str] =
    &["to", "on", "in", "into", "from", "with", "by", "at", "via", "it", "them"];

/// Words that lists of names follow.
const LISTING: &[&str] =
    &["including", "include", "includes", "such", "like", "namely", "e.g", "containing"];

/// Verbs whose several objects are several steps: `check encryption, access and logging`.
const SHARED_VERBS: &[&str] = &[
    "check", "handle", "support", "cover", "verify", "audit", "assess", "review", "test", "compare",
];

/// Reads the steps of one sentence and the order that its words put them in; events within events
/// only so deep.
pub(super) fn clauses(parts: &mut Segments, tokens: &[Token<'_>], depth: usize) -> Vec<usize> {
    if depth == 0 {
        return coordinated(parts, tokens);
    }
    if let Some((word, event, rest)) = leading_event(tokens) {
        return tied(parts, word, event, rest, depth);
    }
    if let Some((at, word)) = inner_event(tokens)
        && let Some(event) = event_text(&tokens[at + 1..])
    {
        let earlier_steps = parts.clauses.len();
        let main = clauses(parts, &tokens[..at], depth - 1);
        let other = event_steps(parts, &event, earlier_steps + main.len());
        let evidence = format!("the word \"{word}\" says so");
        if word == "before" {
            parts.order(&main, &other, &evidence);
        } else {
            parts.order(&other, &main, &evidence);
        }
        return [main, other].concat();
    }
    coordinated(parts, tokens)
}

/// Reads `Once the scan passes, deploy`: a step that waits for what its sentence begins with.
fn tied(
    parts: &mut Segments,
    word: &str,
    event: &[Token<'_>],
    rest: &[Token<'_>],
    depth: usize,
) -> Vec<usize> {
    let evidence = format!("the word \"{word}\" says so");
    let known = mentioned(parts, event);
    let (rest, _) = asks::without_also(rest);
    let rest_group =
        |parts: &mut Segments| clauses(parts, asks::open(&rest, false).tokens, depth - 1);
    let is_condition = matches!(word, "if" | "unless");
    let earlier_steps = parts.clauses.len();
    let refers =
        |token: &Token<'_>| matches!(token.word.as_str(), "one" | "it" | "that" | "this" | "them");
    let points_back = earlier_steps > 0 && event.iter().any(refers);
    let text = if is_condition || points_back { None } else { event_text(event) };
    if word == "before" {
        let first = rest_group(parts);
        let Some(event) = text else { return first };
        let later = event_steps(parts, &event, earlier_steps);
        parts.order(&first, &later, &evidence);
        return [first, later].concat();
    }
    let (first, is_new) = match (known, text) {
        (Some(at), _) => (vec![at], false),
        (None, Some(event)) => (event_steps(parts, &event, earlier_steps), true),
        // `Once I choose one, ...`: what it speaks of is what was said last.
        (None, None) => (earlier_steps.checked_sub(1).into_iter().collect(), false),
    };
    let later = rest_group(parts);
    parts.order(&first, &later, &evidence);
    if is_new { [first, later].concat() } else { later }
}

/// Returns the step so far that an event speaks of, by the words they share.
fn mentioned(parts: &Segments, event: &[Token<'_>]) -> Option<usize> {
    let event = &event[..event.len().min(EVENT_WORDS_MAX)];
    let words: Vec<String> = telling_words(&text::join(event))
        .into_iter()
        .filter(|word| !FINISHED.contains(&word.as_str()))
        .collect();
    let shared = |at: &usize| {
        let known = telling_words(&parts.clauses[*at].text);
        words.iter().filter(|word| known.contains(word)).count()
    };
    let from = parts.clauses.len().saturating_sub(MENTIONED_MAX);
    let best = (from..parts.clauses.len()).max_by_key(|at| (shared(at), *at))?;
    (shared(&best) > 0).then_some(best)
}

/// Returns the position of a step that the event speaks of, or adds one.
fn event_steps(parts: &mut Segments, event: &str, known: usize) -> Vec<usize> {
    let frame = Frame::of(event);
    let is_it = |at: &usize| {
        let other = &parts.clauses[*at].frame;
        other.kind.name == frame.kind.name && frame.kind.name != "general"
    };
    let known = known.min(parts.clauses.len());
    match (0..known).rev().find(is_it) {
        Some(at) => vec![at],
        None => vec![parts.push(event)],
    }
}

/// Splits `Before refactoring, add tests` into word, event and rest.
fn leading_event<'a, 'b>(
    tokens: &'a [Token<'b>],
) -> Option<(&'static str, &'a [Token<'b>], &'a [Token<'b>])> {
    let words: Vec<&str> = tokens.iter().take(3).map(|token| token.word.as_str()).collect();
    let (word, from) = match words.as_slice() {
        ["as", "soon", "as"] => ("once", 3),
        ["if", ..] => ("if", 1),
        ["unless", ..] => ("unless", 1),
        _ => (order_word(tokens.first()?)?, 1),
    };
    let comma = tokens.iter().position(Token::comma)?;
    let rest = &tokens[comma + 1..];
    let event = tokens.get(from..=comma)?;
    if rest.is_empty() { None } else { Some((word, event, rest)) }
}

/// Splits `Before launch, audit it` where nothing that is done is named before the comma.
pub(super) fn leading_milestone<'a, 'b>(
    tokens: &'a [Token<'b>],
) -> Option<(String, &'a [Token<'b>])> {
    let (word, event, rest) = leading_event(tokens)?;
    let is_milestone = word == "before" && event_text(event).is_none();
    is_milestone.then(|| (format!("before {}", text::join(event)), rest))
}

/// Finds the `before` of `add tests before refactoring`.
fn inner_event(tokens: &[Token<'_>]) -> Option<(usize, &'static str)> {
    (1..tokens.len()).find_map(|at| {
        let word = order_word(&tokens[at])?;
        event_text(&tokens[at + 1..]).map(|_| (at, word))
    })
}

fn order_word(token: &Token<'_>) -> Option<&'static str> {
    ["before", "after", "once", "when"].into_iter().find(|word| token.word == *word)
}

/// Returns the step that an event stands for: `you merge`, `refactoring it`, `the scan passes`.
fn event_text(event: &[Token<'_>]) -> Option<String> {
    let words = text::words(&event[..event.len().min(EVENT_WORDS_MAX)]);
    let person = words.first().is_some_and(|w| matches!(*w, "you" | "we" | "i" | "they"));
    let inner = if person { event.get(1..)? } else { event };
    let inner_words = text::words(&inner[..inner.len().min(2)]);
    let verb = lexicon().verb(&inner_words);
    if verb.is_some_and(|verb| verb.gerund || person) {
        return Some(text::join(inner));
    }
    let end = event
        .iter()
        .take(EVENT_WORDS_MAX)
        .position(|token| FINISHED.contains(&token.word.as_str()))?;
    let subject = &event[..end];
    let is_filler = |token: &&Token<'_>| {
        matches!(
            token.word.as_str(),
            "is" | "are" | "has" | "have" | "been" | "all" | "was" | "were"
        )
    };
    let subject: Vec<Token<'_>> = subject.iter().filter(|t| !is_filler(t)).cloned().collect();
    let noun = lexicon().noun(&text::words(&subject))?;
    let subject = text::join(&subject);
    if subject.is_empty() || noun.name == "general" { None } else { Some(format!("Run {subject}")) }
}

/// Reads orders joined by commas and `and`. One word of order makes all of them a sequence.
fn coordinated(parts: &mut Segments, tokens: &[Token<'_>]) -> Vec<usize> {
    let mut pieces = with_shared_objects(pieces(tokens));
    let is_order = |piece: &Piece| begins_with_order(&text::tokens(&piece.text));
    let is_named = |piece: &Piece| Frame::of(&piece.text).known;
    let is_statement = asks::is_statement(tokens) || tokens.first().is_some_and(Token::comma);
    if pieces.len() > 1 && is_statement && !is_named(&pieces[0]) && pieces[1..].iter().any(is_order)
    {
        // What is said before the first order is the situation: `I have a file, and want to ...`.
        pieces.remove(0);
    }
    let evidence = pieces.iter().find_map(|piece| piece.order.clone());
    let side_by_side = ends_side_by_side(tokens);
    let mut forked: Vec<usize> = Vec::new();
    // What is done to both of two things finds them side by side.
    let joins = tokens.iter().any(|token| token.word == "both");
    let mut last: Vec<usize> = Vec::new();
    let mut group: Vec<usize> = Vec::new();
    let mut looks_before = false;
    for piece in pieces {
        let words = text::tokens(&piece.text);
        if looks_before && piece.order.is_none() && !piece.also && objects::only_delivers(&words) {
            parts.criteria.push(piece.text);
            continue;
        }
        looks_before = asks::looks(&words);
        let is_join = group.len() > 1 && alternatives::compares(&words);
        let steps = is_join
            .then(|| vec![piece.text.clone()])
            .or_else(|| alternatives::each(&words))
            .or_else(|| shared_verb(&piece.text))
            .or_else(|| objects::several(&words))
            .or_else(|| lists_of_things::each_in_its_place(&words))
            .or_else(|| lists_of_things::each_half(&words))
            .unwrap_or_else(|| vec![piece.text.clone()]);
        let added: Vec<usize> = steps.iter().map(|text| parts.push(text)).collect();
        if !group.is_empty() && alternatives::compares(&words) {
            parts.order(&group, &added, "what is compared has to be there");
        }
        if piece.order.is_some() {
            forked.clone_from(&last);
        }
        let is_beside = joins && piece.order.is_none();
        if let Some(word) = evidence.as_ref().filter(|_| !is_beside) {
            let evidence = format!("the word \"{word}\" makes this a sequence");
            parts.order(if side_by_side { &forked } else { &last }, &added, &evidence);
        }
        if !is_beside {
            last.clear();
        }
        last.extend(&added);
        let event = words.iter().position(|t| matches!(t.word.as_str(), "after" | "once"));
        if let Some(at) = event.filter(|at| *at > 0)
            && let Some(before) = mentioned(parts, &words[at + 1..]).filter(|b| !added.contains(b))
        {
            let evidence = format!("the word \"{}\" says so", words[at].word);
            parts.order(&[before], &added, &evidence);
        }
        group.extend(added);
    }
    group
}

/// Tells whether a sentence ends with `in parallel`: what its last word of order begins is done so.
fn ends_side_by_side(tokens: &[Token<'_>]) -> bool {
    let words = text::words(&tokens[tokens.len().saturating_sub(4)..]);
    let ends = |end: &[&str]| words.ends_with(end);
    ends(&["in", "parallel"])
        || ends(&["at", "the", "same", "time"])
        || ends(&["simultaneously"])
        || ends(&["concurrently"])
        || ends(&["side", "by", "side"])
}

/// One order of a sentence.
pub(super) struct Piece {
    pub(super) text: String,
    /// The word that puts it after what is before.
    order: Option<String>,
    /// True when it is said to be one more.
    also: bool,
}

/// Splits a sentence where a new order begins.
pub(super) fn pieces(tokens: &[Token<'_>]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    let (mut order, mut also) = (None, false);
    let mut at = 1;
    while at < tokens.len() {
        match boundary(tokens, begin, at) {
            Some((next, word)) => {
                let text = text::join(&tokens[begin..at]);
                pieces.push(Piece { text, order: order.take(), also });
                also = tokens[at..next].iter().any(|t| matches!(t.word.as_str(), "also" | "plus"));
                order = word;
                begin = next;
                at = next + 1;
            }
            None => at += 1,
        }
    }
    pieces.push(Piece { text: text::join(&tokens[begin.min(tokens.len())..]), order, also });
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

/// Tells whether a new order begins at `at`: where its verb is, and its word of order. The order
/// before it began at `begin`.
fn boundary(tokens: &[Token<'_>], begin: usize, at: usize) -> Option<(usize, Option<String>)> {
    const QUESTIONS: &[&str] = &["what", "how", "why", "when", "where", "who"];
    let comma = tokens[at - 1].comma();
    let joins = matches!(tokens[at].word.as_str(), "and" | "then" | "und" | "et" | "y" | "e" | "и");
    let joins = joins || text::starts_with_any(&[&tokens[at].word], &["followed".to_owned()]) > 0;
    if !(comma || joins) {
        return None;
    }
    let (rest, order) = super::without_fillers(&tokens[at..]);
    let next = tokens.len() - rest.len();
    let words: Vec<&str> = rest.iter().take(3).map(|t| t.word.as_str()).collect();
    if order.is_some() {
        return Some((next, order));
    }
    let ends_in_verb = |token: &Token<'_>| lexicon().last_verb(&token.word).is_some();
    if ends_in_verb(&tokens[at - 1]) && rest.iter().any(ends_in_verb) {
        return Some((next, None));
    }
    let looks = asks::looks(&tokens[begin..at]);
    if joins
        && looks
        && words.first().is_some_and(|word| QUESTIONS.contains(word))
        && words.get(1) != Some(&"to")
    {
        return Some((next, None));
    }
    let verb = lexicon().verb(&words).filter(|verb| !verb.gerund)?;
    let base = words.first().is_some_and(|word| asks::is_base(word, &verb));
    let quoted = rest.get(verb.length).is_some_and(|token| token.raw.starts_with(['\'', '"', '`']));
    let followed = quoted || words.get(verb.length).is_none_or(|word| FOLLOWERS.contains(word));
    // What is looked up may be a list of nouns, some of which are spelled like verbs.
    let is_noun = !verb.foreign && lexicon().is_noun_too(verb.lemma);
    let tells = asks::verb(&tokens[begin..at]).is_some_and(|verb| TELLING.contains(&verb.lemma));
    let in_list =
        tells || tokens[begin..at].iter().any(|token| LISTING.contains(&token.word.as_str()));
    let clear = if in_list && !joins {
        followed && !words.is_empty() && rest.len() > verb.length
    } else {
        comma || followed || !is_noun
    };
    let clear = clear && !(in_list && is_noun && !followed);
    // Of `fix login, search and upload pages` the middle is no order.
    let ends = rest.get(verb.length - 1).is_some_and(Token::comma)
        || rest.get(verb.length).is_none_or(|next| next.word == "and");
    let clear = clear && !(is_noun && ends && at - begin > 1);
    (base && clear).then_some((next, None))
}

/// Gives `design, implement and test the parser` its object three times.
fn with_shared_objects(mut pieces: Vec<Piece>) -> Vec<Piece> {
    let mut object: Option<String> = None;
    for at in (0..pieces.len()).rev() {
        let words = pieces[at].text.to_lowercase();
        let words: Vec<&str> = words.split_whitespace().collect();
        let verb = lexicon().verb(&words);
        let Some(verb) = verb else { continue };
        let shares = words.get(verb.length).is_some_and(|word| !BEFORE_PLACES.contains(word));
        if words.len() > verb.length && !shares {
            object = None;
        } else if words.len() > verb.length {
            let own = pieces[at].text.split_whitespace().skip(verb.length);
            object = Some(own.collect::<Vec<_>>().join(" "));
        } else if at + 1 < pieces.len() && asks::both_look(&pieces[at].text, &pieces[at + 1].text) {
            // `Detect and identify any intruder` is one look.
            let second = pieces.remove(at + 1);
            pieces[at].text = format!("{} and {}", pieces[at].text, second.text);
        } else if let Some(object) = &object
            && at + 1 < pieces.len()
        {
            pieces[at].text = format!("{} {object}", pieces[at].text);
        }
    }
    pieces
}

/// Splits `check encryption, access controls, and logging` into one text an object.
fn shared_verb(piece: &str) -> Option<Vec<String>> {
    let tokens = text::tokens(piece);
    let verb = tokens.first()?;
    let objects_min = if SHARED_VERBS.contains(&verb.word.as_str()) {
        3
    } else if ERRANDS.contains(&verb.word.as_str()) {
        2
    } else {
        return None;
    };
    let and = tokens.iter().rposition(|token| token.word == "and")?;
    if and + 1 == tokens.len() {
        return None;
    }
    let mut objects: Vec<Vec<Token<'_>>> = vec![Vec::new()];
    for (at, token) in tokens.iter().enumerate().skip(1) {
        let before = at > 1 && tokens[at - 1].comma();
        if (before || at == and) && objects.last().is_some_and(|object| !object.is_empty()) {
            objects.push(Vec::new());
        }
        if at != and
            && let Some(object) = objects.last_mut()
        {
            object.push(token.clone());
        }
    }
    objects.retain(|object| !object.is_empty());
    let short = objects.iter().all(|object| object.len() <= 6)
        && !objects[0].iter().any(|token| token.word == "of" || token.word == "between");
    let texts = objects.iter().map(|object| format!("{} {}", verb.raw, text::join(object)));
    (objects.len() >= objects_min && short).then(|| texts.collect())
}

/// Tells whether a text begins with an order.
pub(super) fn begins_with_order(tokens: &[Token<'_>]) -> bool {
    asks::verb(tokens).is_some_and(|verb| !verb.gerund)
}

/// Tells whether a text begins with an event and goes on with something else.
pub(super) fn begins_with_event(tokens: &[Token<'_>]) -> bool {
    leading_event(tokens).is_some()
}
