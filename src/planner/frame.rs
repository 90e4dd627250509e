//! One step as the author worded it: what kind of work, about what, in which field.

use super::files;
use super::lexicon::{Kind, Verb, lexicon};
use super::text::{self, Token};

/// Letters that a title may have.
pub(super) const TITLE_MAX: usize = 100;

/// Words that an object's name may have.
const OBJECT_WORDS_MAX: usize = 9;

/// Words of a clause that say what it asks for.
const WORDS_MAX: usize = 200;

/// Words after which nothing more belongs to the name of an object.
const ASIDES: &[&str] = &[
    "so",
    "because",
    "which",
    "that",
    "since",
    "while",
    "by",
    "until",
    "if",
    "takes",
    "taking",
    "estimated",
];

/// What a clause asks for.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// What kind of work it is.
    pub(super) kind: &'static Kind,
    /// Why it was taken for that.
    pub(super) evidence: String,
    /// The clause as an order.
    pub(super) title: String,
    /// Its verb, as one says it in an order.
    pub(super) lemma: Option<&'static str>,
    /// What it is about; empty when it does not say.
    pub(super) object: String,
    /// The last word of the object's name, without what follows it.
    pub(super) head: String,
    /// Work that is asked for in passing: `... with tests and documentation`.
    pub(super) facets: Vec<&'static Kind>,
    /// The field of work, if the words speak for one.
    pub(super) domain: Option<&'static str>,
    /// Files that it names.
    pub(super) files: Vec<String>,
    /// False when no word of it was recognised.
    pub(super) known: bool,
}

impl Frame {
    /// Frames a clause.
    pub(super) fn of(clause: &str) -> Frame {
        let mut tokens = text::tokens(clause);
        tokens.truncate(WORDS_MAX);
        let front = lexicon().verb(&lower(&tokens));
        let last = tokens.last().filter(|_| front.is_none() && tokens.len() > 1);
        let last = last.and_then(|token| lexicon().last_verb(&token.word));
        if last.is_some() {
            tokens.rotate_right(1);
        }
        let words = lower(&tokens);
        let verb = front.or(last);
        let (kept, facets) = without_facets(&tokens[verb.map_or(0, |v| v.length)..]);
        let phrase = head_phrase(&kept, verb.is_some());
        let phrase_words = text::words(phrase);
        // Where the head of a name stands first, what kind of work it is stands first as well.
        let head_first = || {
            let is_article = |word: &&&str| !lexicon().words.articles.contains(**word);
            let words: Vec<&str> = phrase_words.iter().filter(is_article).copied().collect();
            words.first().and_then(|word| lexicon().whole_noun(word))
        };
        let noun = lexicon().noun(&phrase_words);
        let noun = noun.or_else(|| verb.filter(|verb| verb.foreign).and_then(|_| head_first()));
        let (kind, evidence) = kind_of(&words, verb, noun);
        let from_noun = noun.is_some_and(|noun| std::ptr::eq(noun, kind));
        let object = if from_noun && verb.is_none_or(|verb| verb.light) {
            object_beside_noun(&kept, phrase)
        } else {
            object_text(&kept)
        };
        Frame {
            kind,
            title: match last {
                Some(_) => text::line(&text::capitalised(text::trimmed(clause)), TITLE_MAX),
                None => title_of(clause, &tokens, verb, &kept, kind, &object),
            },
            domain: domain_of(kind, &phrase_words, &asked_words(&tokens, verb, &kept)),
            head: phrase_words.last().map(|word| (*word).to_owned()).unwrap_or_default(),
            lemma: verb.map(|verb| verb.lemma),
            object,
            evidence,
            facets,
            files: files::named_in(clause),
            known: verb.is_some() || noun.is_some() || is_question(&words),
        }
    }

    /// Tells whether it says what to do and leaves open to what.
    pub(super) fn is_bare(&self) -> bool {
        self.object.is_empty()
    }
}

fn lower<'a>(tokens: &'a [Token<'_>]) -> Vec<&'a str> {
    tokens.iter().map(|token| token.word.as_str()).collect()
}

/// Returns the words of a text that can stand in a name: lower-case ASCII, no articles.
pub(super) fn telling_words(text: &str) -> Vec<String> {
    let words = &lexicon().words;
    let is_name = |word: &&str| !words.stop.contains(*word) && !word.contains('/');
    let lower = text.to_lowercase();
    let parts =
        lower.split(|c: char| !(c.is_alphanumeric() || matches!(c, '/' | '\'' | '_' | '.')));
    parts
        .map(|word| word.trim_end_matches("'s").trim_end_matches('.'))
        .filter(is_name)
        .map(|word| word.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>())
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()))
        .collect()
}

/// Tells whether a clause asks to be told something.
pub(super) fn is_question(words: &[&str]) -> bool {
    const ASKING: &[&str] = &[
        "what", "why", "how", "who", "where", "when", "which", "whose", "what's", "who's", "how's",
        "where's",
    ];
    words.first().is_some_and(|word| ASKING.contains(word)) && words.len() > 1
}

fn kind_of(
    words: &[&str],
    verb: Option<Verb>,
    noun: Option<&'static Kind>,
) -> (&'static Kind, String) {
    match (verb, noun) {
        (Some(verb), Some(noun)) if verb.light => {
            (noun, format!("what \"{}\" has for its object is {} work", verb.lemma, noun.name))
        }
        (Some(verb), _) => {
            (verb.kind, format!("the verb \"{}\" asks for {} work", verb.lemma, verb.kind.name))
        }
        (None, _) if is_question(words) => {
            (lexicon().kind("research"), "it asks a question".to_owned())
        }
        (None, Some(noun)) => (noun, format!("it names {} work", noun.name)),
        // `dark mode` alone: something of that size is there to be built.
        (None, None) if words.len() > 1 && is_buildable(words) => {
            (lexicon().kind("implement"), "it names something that is built".to_owned())
        }
        (None, None) => {
            (lexicon().kind("general"), "no word of it names a kind of work".to_owned())
        }
    }
}

/// Tells whether the name that words begin with is that of something large to be built.
fn is_buildable(words: &[&str]) -> bool {
    let lists = &lexicon().words;
    let end = words.iter().position(|word| lists.ends.contains(*word)).unwrap_or(words.len());
    let is_name = |word: &&str| !lists.closed.contains(*word) && !lists.vague.contains(*word);
    let name = &words[..end];
    name.len() <= 4
        && name.iter().all(is_name)
        && name.last().is_some_and(|w| lists.large.contains(*w))
}

/// Returns the tokens without those that ask for work in passing, and that work.
fn without_facets<'a>(tokens: &[Token<'a>]) -> (Vec<Token<'a>>, Vec<&'static Kind>) {
    let mut kept: Vec<Token<'a>> = Vec::with_capacity(tokens.len());
    let mut facets: Vec<&'static Kind> = Vec::new();
    let mut from = 0;
    while from < tokens.len() {
        let joins = |token: &Token<'_>| {
            matches!(token.word.as_str(), "with" | "including" | "plus" | "and" | "incl")
                || token.raw == "&"
                || token.raw == "+"
        };
        let mut begin = from;
        while begin < tokens.len() && joins(&tokens[begin]) {
            begin += 1;
        }
        let mut end = begin;
        while end < tokens.len() && !joins(&tokens[end]) {
            end += 1;
            if tokens[end - 1].comma() {
                break;
            }
        }
        let facet = if from == 0 { None } else { facet(&tokens[begin..end]) };
        match facet {
            Some(kind) => {
                if !facets.iter().any(|known| known.name == kind.name) {
                    facets.push(kind);
                }
            }
            None => kept.extend_from_slice(&tokens[from..end]),
        }
        from = end.max(from + 1);
    }
    (kept, facets)
}

/// Returns the kind that a chunk names and nothing else: `a full security audit`.
fn facet(chunk: &[Token<'_>]) -> Option<&'static Kind> {
    const FACET_RANK_MIN: u32 = 50;
    // What a report or an announcement is about belongs to the step itself.
    const FACET_RANK_END: u32 = 85;
    let stop = &lexicon().words.stop;
    let words: Vec<&str> =
        chunk.iter().map(|t| t.word.as_str()).filter(|word| !stop.contains(*word)).collect();
    let ranks = FACET_RANK_MIN..FACET_RANK_END;
    lexicon().whole_noun(&words.join(" ")).filter(|kind| ranks.contains(&kind.rank))
}

/// Returns the noun phrase at the front, up to a preposition, a comma or a second verb.
fn head_phrase<'a, 'b>(tokens: &'a [Token<'b>], after_verb: bool) -> &'a [Token<'b>] {
    let ends = &lexicon().words.ends;
    for (at, token) in tokens.iter().enumerate() {
        let is_end = ends.contains(token.word.as_str())
            || token.raw.starts_with('(')
            || after_verb && lexicon().verb(&[token.word.as_str()]).is_some_and(|verb| verb.gerund);
        if is_end && at > 0 {
            return &tokens[..at];
        }
        if token.comma() || token.colon() {
            return &tokens[..=at];
        }
    }
    tokens
}

fn object_text(tokens: &[Token<'_>]) -> String {
    let is_article = |token: &&Token<'_>| {
        matches!(token.word.as_str(), "a" | "an" | "the" | "our" | "my" | "your" | "some" | "this")
    };
    let from = tokens.iter().take_while(is_article).count();
    let tokens = &tokens[from..];
    let aside = |token: &Token<'_>| ASIDES.contains(&token.word.as_str());
    let mut to = tokens.iter().position(aside).unwrap_or(tokens.len()).min(OBJECT_WORDS_MAX);
    let lists = &lexicon().words;
    let is_loose = |token: &Token<'_>| {
        lists.ends.contains(token.word.as_str()) || lists.articles.contains(token.word.as_str())
    };
    // What was cut off must not leave half a tie behind.
    while to < tokens.len() && to > 0 && is_loose(&tokens[to - 1]) {
        to -= 1;
    }
    text::join(&tokens[..to])
}

/// Returns what a noun such as `tests` is for: what follows it, or else what stands before it.
fn object_beside_noun(kept: &[Token<'_>], phrase: &[Token<'_>]) -> String {
    let mut rest = &kept[phrase.len()..];
    while let Some((first, others)) = rest.split_first() {
        if !lexicon().words.ends.contains(first.word.as_str()) {
            break;
        }
        rest = others;
    }
    let behind = object_text(rest);
    if !behind.is_empty() {
        return behind;
    }
    let words = text::words(phrase);
    let noun_from = (words.len().saturating_sub(3)..words.len())
        .find(|&from| lexicon().whole_noun(&words[from..].join(" ")).is_some());
    // Signs such as arrows are no words, but stand in the name.
    let noun_words = words.len() - noun_from.unwrap_or_default();
    object_text(&phrase[..phrase.len().saturating_sub(noun_words)])
}

fn title_of(
    clause: &str,
    tokens: &[Token<'_>],
    verb: Option<Verb>,
    kept: &[Token<'_>],
    kind: &Kind,
    object: &str,
) -> String {
    let title = match verb {
        Some(verb) if verb.length > 1 || !verb.gerund => {
            let spoken = text::join(&tokens[..verb.length]);
            format!("{spoken} {}", text::join(kept))
        }
        Some(verb) => format!("{} {}", verb.lemma, text::join(kept)),
        None if is_question(&text::words(tokens)) => {
            format!("Answer: {}", text::line(clause, TITLE_MAX))
        }
        None if kind.name == "general" => clause.to_owned(),
        // A noun such as "memory leak in the worker": the kind supplies the verb.
        None if kind.rank <= 20 => kind.title.replace("{object}", &text::join(kept)),
        None if object.is_empty() => clause.to_owned(),
        None => kind.title.replace("{object}", object),
    };
    text::line(&text::capitalised(text::trimmed(&title)), TITLE_MAX)
}

/// Returns the words that speak of the step itself, without what it asks for in passing.
fn asked_words<'a>(
    tokens: &'a [Token<'_>],
    verb: Option<Verb>,
    kept: &'a [Token<'_>],
) -> Vec<&'a str> {
    let spoken = &tokens[..verb.map_or(0, |verb| verb.length)];
    text::words(spoken).into_iter().chain(text::words(kept)).collect()
}

fn domain_of(kind: &Kind, phrase: &[&str], words: &[&str]) -> Option<&'static str> {
    if kind.fixed {
        return lexicon().domain_named(&kind.domain);
    }
    let mut scores: Vec<(&'static str, u32)> = Vec::new();
    let mut vote = |domain: &'static str, weight: u32| match scores
        .iter_mut()
        .find(|(name, _)| *name == domain)
    {
        Some((_, score)) => *score += weight,
        None => scores.push((domain, weight)),
    };
    for word in words {
        if let Some(domain) = lexicon().domain_of(word) {
            vote(domain, if phrase.contains(word) { 2 } else { 1 });
        }
        if let Some(domain) = files::as_path(word).and_then(|path| files::domain(&path)) {
            vote(domain, 2);
        }
    }
    let own = scores.iter().find(|(name, _)| *name == kind.domain).map_or(0, |(_, score)| *score);
    let most = scores.iter().map(|(_, score)| *score).max()?;
    if own == most {
        return lexicon().domain_named(&kind.domain);
    }
    scores.iter().find(|(_, score)| *score == most).map(|(name, _)| *name)
}
