//! Steps that are written as sentences: which of them ask for something, and in which order.

use super::asks::{self, Ask, Firmness, Marker};
use super::clauses::{begins_with_event, begins_with_order, clauses, leading_milestone, pieces};
use super::{Segments, limits, lists_of_things};
use crate::planner::frame::Frame;
use crate::planner::lexicon::lexicon;
use crate::planner::text::{self, Token};

/// Words of one sentence that are read; who writes more writes no sentence.
const WORDS_MAX: usize = 600;

/// Events within one sentence that are told apart.
const EVENTS_MAX: usize = 6;

/// Reads every sentence of the request itself.
pub(super) fn read_all(parts: &mut Segments, text: &str) {
    let mut heard: Vec<Heard<'_>> = Vec::new();
    for line in text.lines() {
        let tokens = text::tokens(line);
        for sentence in sentences(&tokens) {
            heard.extend(hear(parts, sentence, heard.is_empty()));
        }
    }
    tell(parts, &heard);
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
    const KEPT: &[&str] =
        &["stable", "unchanged", "intact", "compatible", "working", "untouched", "green", "alive"];
    let keeps = matches!(words.first(), Some(&("keep" | "preserve" | "maintain" | "leave")));
    let stays = || tokens.iter().any(|token| KEPT.contains(&token.word.as_str()));
    (keeps && stays())
        || text::starts_with_any(&words, &lexicon().words.constraints) > 0
        || tokens.windows(2).any(|pair| pair[0].word == "is" && pair[1].word == "excluded")
        || (words.first() == Some(&"we") && words.get(1).is_some_and(|word| *word == "can't"))
}

fn sentences<'a, 'b>(tokens: &'a [Token<'b>]) -> Vec<&'a [Token<'b>]> {
    let mut sentences = Vec::new();
    let mut begin = 0;
    let mut quoted_until = 0;
    for at in 0..tokens.len() {
        quoted_until = quoted_until.max(end_of_quote(tokens, at));
        if at < quoted_until {
            continue;
        }
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

/// Returns where a quotation ends that begins at `at` and takes several words.
fn end_of_quote(tokens: &[Token<'_>], at: usize) -> usize {
    const QUOTED_MAX: usize = 16;
    const PAIRS: &[(char, char)] = &[('\'', '\''), ('"', '"'), ('“', '”'), ('‘', '’'), ('«', '»')];
    let raw = tokens[at].raw.trim_start_matches('(');
    let Some((open, close)) = PAIRS.iter().find(|(open, _)| raw.starts_with(*open)) else {
        return at;
    };
    let closes =
        |raw: &str| raw.trim_end_matches(|c: char| ",.;:!?)".contains(c)).ends_with(*close);
    if closes(&raw[open.len_utf8()..]) {
        return at;
    }
    let rest = tokens[at + 1..].iter().take(QUOTED_MAX);
    rest.enumerate().find(|(_, token)| closes(token.raw)).map_or(at, |(more, _)| at + 1 + more)
}

/// A sentence that may be a step.
struct Heard<'a> {
    tokens: Vec<Token<'a>>,
    marker: Option<Marker>,
    firmness: Firmness,
    /// True when it begins with an event or a condition: `once it is there, ...`.
    is_tied: bool,
    /// True when it states something instead of asking for it.
    is_statement: bool,
}

/// Reads one sentence; one that is a limit, a criterion or a courtesy is no step.
fn hear<'a>(parts: &mut Segments, sentence: &[Token<'a>], is_first: bool) -> Option<Heard<'a>> {
    let sentence = match leading_milestone(sentence) {
        Some((milestone, rest)) => {
            parts.constraints.push(milestone);
            rest
        }
        None => sentence,
    };
    let sentence = &sentence[..sentence.len().min(WORDS_MAX)];
    let (sentence, also) = asks::without_also(sentence);
    let is_statement = asks::is_statement(&sentence);
    let Ask { tokens, marker, firmness } = asks::open(&sentence, also);
    let words = text::words(tokens);
    let parallel = |word: &&str| matches!(*word, "independent" | "parallel" | "independently");
    if !is_first && words.iter().any(parallel) && firmness != Firmness::Wish {
        parts.independent = true;
        return None;
    }
    if let Some(at) = tokens.iter().position(Token::colon)
        && text::starts_with_any(&words, &lexicon().words.constraint_headings) == at + 1
    {
        parts.constraints.push(text::join(&tokens[at + 1..]));
        return None;
    }
    let (tokens, firmness) = match limits::behind_exclusion(tokens) {
        Some((exclusion, rest)) => {
            parts.constraints.push(exclusion);
            (rest, Firmness::Order)
        }
        None => (tokens, firmness),
    };
    if is_constraint(tokens) {
        parts.constraints.push(text::join(tokens));
        return None;
    }
    if let Some(at) = tokens.iter().position(Token::colon)
        && text::starts_with_any(&words, &lexicon().words.criteria_headings) == at + 1
    {
        parts.criteria.push(text::join(&tokens[at + 1..]));
        return None;
    }
    if let Some(at) = tokens.iter().position(Token::colon)
        && at == 0
        && matches!(words.first(), Some(&("deliverable" | "deliverables" | "output" | "outcome")))
    {
        let list = &tokens[at + 1..];
        parts.criteria.push(text::join(list));
        parts.deliverables.extend(super::alternatives::kinds_in(list));
        return None;
    }
    if asks::is_courtesy(&sentence) {
        return None;
    }
    let tokens = limits::without_exclusion(parts, tokens);
    let tokens = limits::without_limits(parts, tokens);
    if tokens.iter().all(|token| token.word.is_empty()) {
        return None;
    }
    let is_tied = begins_with_event(&tokens) || asks::is_conditional(&tokens);
    let firmness = if is_tied { firmness.max(Firmness::Order) } else { firmness };
    let is_statement = is_statement && firmness == Firmness::None;
    Some(Heard { tokens, marker, firmness, is_tied, is_statement })
}

/// What becomes of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Step,
    Topic,
    Detail,
}

/// Tells steps, topics and details apart.
fn roles(heard: &[Heard<'_>]) -> Vec<Role> {
    let mut roles: Vec<Role> = Vec::with_capacity(heard.len());
    for (at, sentence) in heard.iter().enumerate() {
        let before = roles.iter().rev().find(|role| **role != Role::Detail).copied();
        let next = heard[at + 1..].iter().find(|next| next.firmness != Firmness::None);
        roles.push(sentence.role(before, next, at == 0));
    }
    let is_first = |sentence: &Heard<'_>| sentence.marker == Some(Marker::First);
    if let Some(first) = heard.iter().position(is_first) {
        // What is said before `first` is what the steps are for.
        roles[..first].fill(Role::Topic);
    }
    if !roles.contains(&Role::Step)
        && let Some(first) = roles.iter().position(|role| *role == Role::Topic)
    {
        roles[first] = Role::Step;
    }
    roles
}

impl Heard<'_> {
    fn role(&self, before: Option<Role>, next: Option<&Heard<'_>>, is_first: bool) -> Role {
        let follows_step = before == Some(Role::Step) && self.marker.is_none() && !self.is_tied;
        let elaborates = asks::elaborates(&self.tokens);
        match self.firmness {
            Firmness::Order if elaborates && follows_step => Role::Detail,
            Firmness::Order => Role::Step,
            Firmness::Wish if next.is_some_and(|next| next.is_introduced_by(self)) => Role::Topic,
            Firmness::Wish if follows_step && (elaborates || !self.has_own_matter()) => {
                Role::Detail
            }
            Firmness::Wish => Role::Step,
            Firmness::None
                if is_first
                    && asks::reports(&self.tokens)
                    && next
                        .is_some_and(|next| next.firmness == Firmness::Order && !next.is_tied) =>
            {
                Role::Topic
            }
            Firmness::None if is_first && !self.is_statement => Role::Step,
            Firmness::None if self.marker.as_ref().is_some_and(Marker::puts_after) => Role::Step,
            Firmness::None if is_first => Role::Topic,
            Firmness::None => Role::Detail,
        }
    }

    /// Tells whether a wish before this order only named the topic of it.
    fn is_introduced_by(&self, wish: &Heard<'_>) -> bool {
        let names = |sentence: &Heard<'_>| asks::names_something(&sentence.tokens);
        self.firmness == Firmness::Order
            && self.marker.is_none()
            && !self.is_tied
            && !asks::elaborates(&self.tokens)
            && (names(self) || !names(wish))
    }

    /// Tells whether a wish asks for something new: it says what to do, and not to what was named.
    fn has_own_matter(&self) -> bool {
        let refers = |token: &Token<'_>| matches!(token.word.as_str(), "it" | "them" | "these");
        let points_back = self.tokens.iter().take(4).any(refers);
        asks::names_something(&self.tokens) || asks::verb(&self.tokens).is_some() && !points_back
    }
}

/// Makes steps of the sentences that are some.
fn tell(parts: &mut Segments, heard: &[Heard<'_>]) {
    let roles = roles(heard);
    let mut so_far: Vec<usize> = Vec::new();
    let mut is_sequence = false;
    for (sentence, role) in heard.iter().zip(roles) {
        parts.sentences += 1;
        if matches!(role, Role::Topic) || sentence.is_statement && parts.clauses.is_empty() {
            parts.context.get_or_insert_with(|| text::join(&sentence.tokens));
        }
        match role {
            Role::Step => {}
            Role::Topic => {
                parts.goal.get_or_insert_with(|| Frame::of(&text::join(&sentence.tokens)));
                continue;
            }
            Role::Detail if sentence.firmness == Firmness::Order => {
                parts.criteria.push(text::join(&sentence.tokens));
                continue;
            }
            Role::Detail => continue,
        }
        if let Some(things) = lists_of_things::under_heading(&sentence.tokens) {
            let added: Vec<usize> = things.iter().map(|thing| parts.push(thing)).collect();
            so_far.extend(added);
            continue;
        }
        let goals = parts.goal.is_some();
        let tokens = below_heading(parts, &sentence.tokens);
        let group = clauses(parts, tokens, EVENTS_MAX);
        if !goals && tokens.len() < sentence.tokens.len() {
            parts.order_as_process(&group);
        }
        let order = match &sentence.marker {
            Some(Marker::Then(word)) => Some(word),
            Some(Marker::Last(word)) if is_sequence => Some(word),
            Some(Marker::Last(_) | Marker::First | Marker::Also) | None => None,
        };
        if let Some(word) = order
            && !group.is_empty()
        {
            is_sequence = true;
            let evidence = format!("the word \"{word}\" puts it after what is said before");
            if parts.tell_after(&so_far, &group, &evidence) {
                so_far.clear();
            }
        } else if sentence.marker == Some(Marker::First) {
            is_sequence = true;
        }
        so_far.extend(group);
    }
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

/// What is said before the orders, and is none itself, is their heading.
fn lift_heading(parts: &mut Segments) {
    let is_heading = parts.clauses.len() > 1
        && !parts.clauses[0].frame.known
        && parts.clauses.iter().all(|c| c.after.iter().all(|link| link.before != 0));
    if is_heading {
        let heading = parts.clauses.remove(0);
        parts.goal.get_or_insert(heading.frame);
        for clause in &mut parts.clauses {
            for link in &mut clause.after {
                link.before -= 1;
            }
        }
    }
}
