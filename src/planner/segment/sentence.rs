//! Steps that are written as sentences: orders joined by commas, `and`, and words of order.

use super::Segments;
use crate::planner::frame::Frame;
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

/// Events within one sentence that are told apart.
const EVENTS_MAX: usize = 6;

/// Words of an event that are looked at.
const EVENT_WORDS_MAX: usize = 40;

/// Verbs whose several objects are several steps: `check encryption, access and logging`.
const SHARED_VERBS: &[&str] = &[
    "check", "handle", "support", "cover", "verify", "audit", "assess", "review", "test", "compare",
];

/// Reads every sentence of the request itself.
pub(super) fn read_all(parts: &mut Segments, text: &str) {
    let mut so_far: Vec<usize> = Vec::new();
    for line in text.lines() {
        let tokens = text::tokens(line);
        for sentence in sentences(&tokens) {
            let (group, order) = read(parts, sentence, so_far.is_empty());
            if let Some(word) = order
                && !group.is_empty()
            {
                let evidence = format!("the word \"{word}\" puts it after what is said before");
                parts.order(&so_far, &group, &evidence);
                so_far.clear();
            }
            so_far.extend(group);
        }
    }
    lift_heading(parts);
}

/// Reads what follows the request: it is detail, unless its words put steps in an order.
pub(super) fn read_details(parts: &mut Segments, details: &str) {
    let mut apart = parts.clone();
    apart.clauses.clear();
    read_all(&mut apart, details);
    if apart.clauses.iter().any(|clause| !clause.after.is_empty()) {
        apart.goal = parts.clauses.pop().map(|clause| clause.frame).or(apart.goal);
        *parts = apart;
    } else {
        parts.constraints = apart.constraints;
        parts.criteria = apart.criteria;
    }
}

/// Tells whether a clause says what not to do, or what must stay as it is.
pub(super) fn is_constraint(tokens: &[Token<'_>]) -> bool {
    let words: Vec<&str> = tokens.iter().map(|t| t.word.as_str()).take(4).collect();
    text::starts_with_any(&words, &lexicon().words.constraints) > 0
        || tokens.windows(2).any(|pair| pair[0].word == "is" && pair[1].word == "excluded")
        || (words.first() == Some(&"we") && words.get(1).is_some_and(|word| *word == "can't"))
}

fn sentences<'a, 'b>(tokens: &'a [Token<'b>]) -> Vec<&'a [Token<'b>]> {
    let mut sentences = Vec::new();
    let mut begin = 0;
    for at in 0..tokens.len() {
        let next_begins = tokens.get(at + 1).is_none_or(|next| {
            !next.raw.starts_with(|c: char| c.is_lowercase() || c.is_ascii_digit())
        });
        if tokens[at].stop() || (tokens[at].full_stop() && next_begins) {
            sentences.push(&tokens[begin..=at]);
            begin = at + 1;
        }
    }
    sentences.push(&tokens[begin..]);
    sentences.retain(|sentence| sentence.iter().any(|token| !token.word.is_empty()));
    sentences
}

/// Reads one sentence. Returns its steps, and the word that puts them after all before.
fn read(
    parts: &mut Segments,
    sentence: &[Token<'_>],
    is_first: bool,
) -> (Vec<usize>, Option<String>) {
    let (tokens, order) = super::without_fillers(sentence);
    let words = text::words(tokens);
    if words.iter().any(|word| matches!(*word, "independent" | "parallel" | "independently"))
        && !is_first
    {
        parts.independent = true;
        return (Vec::new(), None);
    }
    if is_constraint(tokens) {
        parts.constraints.push(text::join(tokens));
        return (Vec::new(), None);
    }
    if let Some(at) = tokens.iter().position(Token::colon)
        && text::starts_with_any(&words, &lexicon().words.criteria_headings) == at + 1
    {
        parts.criteria.push(text::join(&tokens[at + 1..]));
        return (Vec::new(), None);
    }
    if !is_first
        && words.first().is_some_and(|word| matches!(*word, "provide" | "return" | "deliver"))
    {
        parts.criteria.push(text::join(tokens));
        return (Vec::new(), None);
    }
    let tokens = without_limits(parts, tokens);
    let tokens = below_heading(parts, &tokens);
    let asks = begins_with_order(tokens) || begins_with_event(tokens);
    if !is_first && !asks && order.is_none() {
        return (Vec::new(), None);
    }
    (clauses(parts, tokens, EVENTS_MAX), order)
}

/// Cuts `by Friday`, `under 500 EUR` and `without downtime` out of a sentence and keeps them.
fn without_limits<'a>(parts: &mut Segments, tokens: &[Token<'a>]) -> Vec<Token<'a>> {
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
    ];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let word = |offset: usize| tokens.get(at + offset).map_or("", |t| t.word.as_str());
        let amount = word(1).starts_with(|c: char| c.is_ascii_digit())
            && matches!(word(2), "eur" | "usd" | "euro" | "euros" | "dollars" | "gbp");
        let length = match word(0) {
            "by" if DAYS.contains(&word(1)) => 2,
            "under" | "below" | "within" if amount => 3,
            "with" if matches!(word(1), "zero" | "no") => 3,
            "without" => {
                let rest = &tokens[at..];
                rest.iter().position(Token::comma).map_or(rest.len(), |comma| comma + 1)
            }
            _ => 0,
        };
        let length = length.min(tokens.len() - at);
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

/// Returns what follows `Build it:` or `Modernize all of it -` if that is a list of orders; the
/// words before become the goal. A short label that is no order is dropped.
fn below_heading<'a, 'b>(parts: &mut Segments, tokens: &'a [Token<'b>]) -> &'a [Token<'b>] {
    let is_mark = |token: &Token<'_>| token.colon() || matches!(token.raw, "-");
    let Some(at) = tokens.iter().position(is_mark) else { return tokens };
    let (head, tail) = (&tokens[..=at], &tokens[at + 1..]);
    let (tail, _) = super::without_fillers(tail);
    if tail.is_empty() || !begins_with_order(tail) {
        return tokens;
    }
    let is_label = !begins_with_order(head);
    let several = pieces(tail).len() > 1;
    if is_label && head.len() <= 6 || several {
        if !is_label && parts.goal.is_none() {
            parts.goal = Some(Frame::of(&text::join(head)));
        }
        return tail;
    }
    tokens
}

/// Reads the steps of one sentence and the order that its words put them in; events within events
/// only so deep.
fn clauses(parts: &mut Segments, tokens: &[Token<'_>], depth: usize) -> Vec<usize> {
    if depth == 0 {
        return coordinated(parts, tokens);
    }
    if let Some((word, event, rest)) = leading_event(tokens) {
        let rest_group =
            |parts: &mut Segments| clauses(parts, super::without_fillers(rest).0, depth - 1);
        let evidence = format!("the word \"{word}\" says so");
        let Some(event) = event_text(event) else { return rest_group(parts) };
        let earlier_steps = parts.clauses.len();
        return if word == "before" {
            let first = rest_group(parts);
            let later = event_steps(parts, &event, earlier_steps);
            parts.order(&first, &later, &evidence);
            [first, later].concat()
        } else {
            let first = event_steps(parts, &event, earlier_steps);
            let later = rest_group(parts);
            parts.order(&first, &later, &evidence);
            [first, later].concat()
        };
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
    let word = order_word(tokens.first()?)?;
    let comma = tokens.iter().position(Token::comma)?;
    let rest = &tokens[comma + 1..];
    if rest.is_empty() { None } else { Some((word, &tokens[1..=comma], rest)) }
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
    if pieces.len() > 1 && !is_named(&pieces[0]) && pieces[1..].iter().any(is_order) {
        // What is said before the first order is the situation: `I have a file, and want to ...`.
        pieces.remove(0);
    }
    let evidence = pieces.iter().find_map(|piece| piece.order.clone());
    let mut group: Vec<usize> = Vec::new();
    for piece in pieces {
        let steps = shared_verb(&piece.text).unwrap_or_else(|| vec![piece.text.clone()]);
        let added: Vec<usize> = steps.iter().map(|text| parts.push(text)).collect();
        if let (Some(word), Some(&last)) = (&evidence, group.last()) {
            let evidence = format!("the word \"{word}\" makes this a sequence");
            parts.order(&[last], &added, &evidence);
        }
        group.extend(added);
    }
    group
}

/// One order of a sentence.
struct Piece {
    text: String,
    /// The word that puts it after what is before.
    order: Option<String>,
}

fn pieces(tokens: &[Token<'_>]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    let mut order = None;
    let mut at = 1;
    while at < tokens.len() {
        match boundary(tokens, at) {
            Some((next, word)) => {
                pieces.push(Piece { text: text::join(&tokens[begin..at]), order: order.take() });
                order = word;
                begin = next;
                at = next + 1;
            }
            None => at += 1,
        }
    }
    pieces.push(Piece { text: text::join(&tokens[begin.min(tokens.len())..]), order });
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

/// Tells whether a new order begins at `at`: where its verb is, and its word of order.
fn boundary(tokens: &[Token<'_>], at: usize) -> Option<(usize, Option<String>)> {
    let comma = tokens[at - 1].comma();
    let joins = matches!(tokens[at].word.as_str(), "and" | "then" | "und" | "et" | "y");
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
    let verb = lexicon().verb(&words).filter(|verb| !verb.gerund)?;
    let base = verb.length > 1 || words.first() == Some(&verb.lemma);
    let followed = words.get(verb.length).is_none_or(|word| {
        matches!(
            *word,
            "the"
                | "a"
                | "an"
                | "it"
                | "them"
                | "all"
                | "our"
                | "each"
                | "every"
                | "and"
                | "one"
                | "its"
        )
    });
    let clear = comma || followed || !lexicon().is_noun_too(verb.lemma);
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
        if words.len() > verb.length {
            let own = pieces[at].text.split_whitespace().skip(verb.length);
            object = Some(own.collect::<Vec<_>>().join(" "));
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
    let short = objects.iter().all(|object| object.len() <= 6);
    let texts = objects.iter().map(|object| format!("{} {}", verb.raw, text::join(object)));
    (objects.len() >= objects_min && short).then(|| texts.collect())
}

/// What is said before the orders, and is none itself, is their heading.
fn lift_heading(parts: &mut Segments) {
    let is_heading = parts.clauses.len() > 1
        && !parts.clauses[0].frame.known
        && parts.clauses.iter().all(|c| c.after.iter().all(|(before, _)| *before != 0));
    if is_heading {
        let heading = parts.clauses.remove(0);
        parts.goal.get_or_insert(heading.frame);
        for clause in &mut parts.clauses {
            for (before, _) in &mut clause.after {
                *before -= 1;
            }
        }
    }
}

fn begins_with_order(tokens: &[Token<'_>]) -> bool {
    let words: Vec<&str> = tokens.iter().map(|t| t.word.as_str()).take(3).collect();
    lexicon().verb(&words).is_some_and(|verb| !verb.gerund)
}

fn begins_with_event(tokens: &[Token<'_>]) -> bool {
    leading_event(tokens).is_some()
}
