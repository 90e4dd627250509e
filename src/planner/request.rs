//! What a task says, read once: text, hints, files, limits.

use std::collections::BTreeSet;

use serde_json::Value;

use super::files;
use super::frame::telling_words;
use super::lexicon::lexicon;
use super::segment::{self, Clause, Segments};
use super::text;
use crate::domain::task::TaskSpec;
use crate::domain::validate::inside_workspace;
use crate::domain::workspace::{Sides, Workspace};

/// Bytes of a request that are looked at; the rest is handed on, not planned.
const TEXT_MAX: usize = 64 * 1024;

/// Words that a plan in the workspace has to share with the request that it is for.
const LAID_DOWN_WORDS_MIN: usize = 2;

/// Words of a request that is only a name.
const NAMES_MAX: usize = 3;

/// A hint from this on, of 10, counts as a sign of a complex task.
pub(super) const HINT_MIN: u64 = 7;

/// What a task says.
pub(super) struct Reading {
    /// What is wanted, in one line.
    pub(super) goal: String,
    /// The steps in the author's words.
    pub(super) segments: Segments,
    /// Lower-case words of the title.
    pub(super) title_words: Vec<String>,
    /// Lower-case words of everything.
    pub(super) words: Vec<String>,
    /// Files that are named anywhere, and deliverables.
    pub(super) files: Vec<String>,
    /// Files that must be there in the end.
    pub(super) deliverables: Vec<String>,
    /// How the author says one can tell that it is done.
    pub(super) acceptance: Vec<String>,
    /// Things outside the workspace that the author names as such.
    pub(super) external: Vec<String>,
    /// Other tasks that the author wants done before.
    pub(super) other_tasks: Vec<String>,
    /// Minutes that the author gives it, and where.
    pub(super) minutes: Option<u32>,
    /// Tokens that the author gives it.
    pub(super) tokens: Option<u32>,
    /// The author's measure of difficulty, of 10.
    pub(super) hint: Option<u64>,
    /// The field of work that the author's `type` names.
    pub(super) domain: Option<&'static str>,
    /// True when only the beginning was looked at.
    pub(super) cut: bool,
    /// Which sides of a product the workspace has, where that is known.
    pub(super) sides: Option<Sides>,
    /// A plan for it that somebody laid down in the workspace.
    pub(super) laid_down: Option<String>,
}

/// Why nothing can be read from a task.
pub(super) struct Unreadable {
    pub(super) reason: &'static str,
    pub(super) remedy: &'static str,
}

impl Reading {
    /// Reads a task.
    pub(super) fn of(task: &TaskSpec) -> Result<Reading, Unreadable> {
        let (title, details, cut) = texts(task);
        let mut words = lower_words(&title);
        let title_words = words.clone();
        words.extend(lower_words(&details));
        check_meaning(&title, &details, &words)?;
        let segments = segment::segment(&title, &details);
        let deliverables = deliverables(task);
        let mut acceptance = strings(task, "acceptance_criteria");
        acceptance.extend(strings(task, "success_criteria"));
        acceptance.extend(segments.criteria.iter().cloned());
        Ok(Reading {
            goal: text::line(title.trim_end_matches(':'), 200),
            files: all_files(task, &title, &details, &deliverables),
            minutes: number(task, &["estimated_duration_minutes", "estimated_minutes"])
                .or_else(|| stated(&words, &["minutes", "minute", "min", "mins"], 1))
                .or_else(|| stated(&words, &["hours", "hour", "h", "hrs"], 60)),
            tokens: number(task, &["estimated_tokens", "token_estimate"])
                .or_else(|| stated(&words, &["tokens"], 1)),
            hint: hint(&task.complexity).or_else(|| task.context.get("complexity").and_then(hint)),
            domain: task
                .kind
                .as_deref()
                .and_then(|kind| lexicon().domain_named(kind.trim().to_lowercase().as_str())),
            external: strings(task, "external_dependencies"),
            other_tasks: strings(task, "dependencies"),
            segments,
            title_words,
            words,
            deliverables,
            acceptance,
            cut,
            sides: None,
            laid_down: None,
        })
    }

    /// Takes in what is known of the workspace.
    pub(super) fn placed_in(mut self, workspace: &Workspace) -> Reading {
        self.sides = workspace.sides();
        let asked: BTreeSet<String> = telling_words(&self.goal).into_iter().collect();
        let is_for = |goal: &str| {
            let goal: BTreeSet<String> = telling_words(goal).into_iter().collect();
            let both = goal.intersection(&asked).count();
            both >= LAID_DOWN_WORDS_MIN && both * 2 >= goal.len()
        };
        let plan = workspace.plans.iter().find(|plan| is_for(&plan.goal));
        self.laid_down = plan.map(|plan| plan.path.clone());
        self
    }

    /// Returns the vague words of a request that has hardly any others.
    pub(super) fn vague_words(&self) -> Vec<&str> {
        let lists = &lexicon().words;
        let is_vague = |word: &str| lists.vague.contains(word) || lists.stop.contains(word);
        let (vague, clear): (Vec<&str>, Vec<&str>) =
            self.words.iter().map(String::as_str).partition(|word| is_vague(word));
        let named: Vec<&str> =
            vague.into_iter().filter(|word| lists.vague.contains(*word)).collect();
        if clear.len() <= 1 && self.files.is_empty() { named } else { Vec::new() }
    }

    /// Returns the question that has to be answered before this can be planned.
    pub(super) fn question(&self) -> Option<String> {
        let lists = &lexicon().words;
        let spoken = || self.words.iter().map(String::as_str);
        let is_empty = |word: &&str| {
            lists.vague.contains(*word) || lists.stop.contains(*word) || lists.empty.contains(*word)
        };
        let clear: Vec<&str> = spoken().filter(|word| !is_empty(word)).collect();
        let asks_vaguely = spoken().any(|word| lists.vague.contains(word));
        let is_one = self.segments.clauses.len() <= 1;
        if self.files.is_empty() && asks_vaguely && is_one {
            match clear.as_slice() {
                [] => {
                    return Some(format!(
                        "what does \"{}\" speak of: which part, file or behaviour?",
                        self.goal
                    ));
                }
                [only] if lists.abstract_things.contains(*only) => {
                    return Some(format!(
                        "of what, and how will one tell that the {only} is right?"
                    ));
                }
                [only] if self.segments.clauses.iter().all(|c| c.frame.lemma == Some(*only)) => {
                    return Some(format!("{only} what, and when is it done?"));
                }
                _ => {}
            }
        }
        let is_bare = |clause: &Clause| clause.frame.lemma.is_none() && !clause.frame.known;
        let [only] = self.segments.clauses.as_slice() else { return None };
        let has_blanks = !self.goal.chars().any(super::languages::is_unspaced);
        let names = has_blanks && clear.len() == self.words.len() && self.words.len() <= NAMES_MAX;
        (names && is_bare(only) && self.files.is_empty())
            .then(|| format!("what is to be done with \"{}\"?", self.goal))
    }

    /// Tells whether not one word of a short request is known: it is no language that is spoken here.
    pub(super) fn is_gibberish(&self) -> bool {
        let lists = &lexicon().words;
        let is_known = |word: &String| {
            let word = word.as_str();
            lists.stop.contains(word)
                || lists.vague.contains(word)
                || lists.closed.contains(word)
                || lexicon().domain_of(word).is_some()
                || lexicon().verb(&[word]).is_some()
                || lexicon().noun(&[word]).is_some()
                || lists.external.iter().any(|name| name == word)
                || lists.large.contains(word)
        };
        let ascii = self.words.iter().all(|word| word.is_ascii());
        // Who chains names means them, whatever they are.
        self.segments.clauses.len() <= 1
            && ascii
            && self.words.len() <= NAMES_MAX
            && self.files.is_empty()
            && !self.words.iter().any(is_known)
            && self.words.iter().all(|word| !is_pronounceable(word))
    }
}

/// Tells whether a word could be one: it has vowels, and no long row of consonants.
fn is_pronounceable(word: &str) -> bool {
    let is_vowel = |c: char| "aeiouy".contains(c);
    let longest = word.split(is_vowel).map(|row| row.chars().count()).max().unwrap_or_default();
    word.chars().any(is_vowel) && longest <= 4
}

/// Returns title and details, without repeating one in the other; and whether they were cut.
fn texts(task: &TaskSpec) -> (String, String, bool) {
    let (title, description) = (task.title.trim(), task.description.trim());
    let (title, details) = if title.is_empty() {
        description.split_once('\n').unwrap_or((description, ""))
    } else {
        match description.strip_prefix(title) {
            // The title is the first line of the description, or was cut out of its first sentence.
            Some(rest) if rest.is_empty() || rest.starts_with('\n') => (title, rest),
            Some(_) => description.split_once('\n').unwrap_or((description, "")),
            None => (title, description),
        }
    };
    let (title, details) = (title.trim(), details.trim());
    let head = within(title, TEXT_MAX);
    let rest = within(details, TEXT_MAX - head.len());
    let cut = head.len() < title.len() || rest.len() < details.len();
    (head.to_owned(), rest.to_owned(), cut)
}

fn within(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn check_meaning(title: &str, details: &str, words: &[String]) -> Result<(), Unreadable> {
    const REMEDY: &str = "say in a sentence what is to be done and to what, \
                          e.g. \"Fix the login test in tests/login.test.js\"";
    if !title.chars().chain(details.chars()).any(char::is_alphabetic) {
        return Err(Unreadable { reason: "the request is empty", remedy: REMEDY });
    }
    if words.iter().all(|word| lexicon().words.empty.contains(word)) {
        let reason = "the request does not say what is to be done";
        return Err(Unreadable { reason, remedy: REMEDY });
    }
    Ok(())
}

fn lower_words(text: &str) -> Vec<String> {
    let tokens = text::tokens(text);
    tokens.into_iter().map(|token| token.word).filter(|word| !word.is_empty()).collect()
}

/// Returns a list of texts from the task's context; one text counts as a list of one.
fn strings(task: &TaskSpec, key: &str) -> Vec<String> {
    let text = |value: &Value| {
        value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(|t| text::line(t, 500))
    };
    match task.context.get(key) {
        Some(Value::Array(values)) => values.iter().take(100).filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Returns the deliverables that are clean relative paths of files.
fn deliverables(task: &TaskSpec) -> Vec<String> {
    let is_clean = |path: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
        path.chars().all(plain)
            && !path.ends_with('/')
            && path.contains(['/', '.'])
            && inside_workspace(path).is_ok()
    };
    strings(task, "deliverables").into_iter().filter(is_clean).collect()
}

fn all_files(task: &TaskSpec, title: &str, details: &str, deliverables: &[String]) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    let named = strings(task, "files").into_iter().chain(strings(task, "files_affected"));
    let named = named.chain(strings(task, "deliverables"));
    let in_context = named.filter_map(|name| files::as_path(name.split_whitespace().next()?));
    let in_text = files::named_in(title).into_iter().chain(files::named_in(details));
    for file in in_context.chain(deliverables.iter().cloned()).chain(in_text) {
        // A bare name stands for the path that ends in it.
        let stands_for_known = |known: &String| {
            *known == file || known.strip_suffix(&file).is_some_and(|rest| rest.ends_with('/'))
        };
        if !files.iter().any(stands_for_known) {
            files.push(file);
        }
    }
    files
}

fn number(task: &TaskSpec, keys: &[&str]) -> Option<u32> {
    let value = keys.iter().find_map(|key| task.context.get(*key))?;
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    u32::try_from(number).ok().filter(|number| *number > 0)
}

/// Finds `estimated 45 minutes`, `takes ~2 hours`, `needs 25k tokens` or `90 minutes of work`.
fn stated(words: &[String], units: &[&str], factor: u32) -> Option<u32> {
    const LEADS: &[&str] = &[
        "takes",
        "take",
        "estimated",
        "estimate",
        "estimation",
        "needs",
        "need",
        "effort",
        "duration",
        "budget",
        "about",
        "approximately",
        "around",
        "roughly",
        "approx",
        "est",
        "at",
        "should",
        "is",
        "of",
        "costs",
    ];
    const SURE: &[&str] = &[
        "takes",
        "take",
        "estimated",
        "estimate",
        "estimation",
        "needs",
        "effort",
        "duration",
        "budget",
        "est",
        "costs",
    ];
    (0..words.len()).find_map(|at| {
        let (amount, after) = amount(words, at, units)?;
        let mut before = words[..at].iter().rev().map(String::as_str);
        let led =
            before.by_ref().take(4).take_while(|w| LEADS.contains(w)).any(|w| SURE.contains(&w));
        let of_work = words.get(after).is_some_and(|word| word == "of")
            && words.get(after + 1).is_some_and(|word| word == "work");
        if led || of_work { amount.checked_mul(factor) } else { None }
    })
}

/// Reads `45 minutes`, `45min` or `25k tokens` at a position; returns where it ends, too.
fn amount(words: &[String], at: usize, units: &[&str]) -> Option<(u32, usize)> {
    let word = words[at].replace([',', '_', '~'], "");
    // Of `20-30` the higher end counts.
    let word = word.rsplit(['-', '–']).next().unwrap_or_default();
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let amount: u32 = word[..digits].parse().ok()?;
    match &word[digits..] {
        "" if words.get(at + 1).is_some_and(|w| units.contains(&w.as_str())) => {
            Some((amount, at + 2))
        }
        "k" if words.get(at + 1).is_some_and(|w| units.contains(&w.as_str())) => {
            Some((amount.checked_mul(1_000)?, at + 2))
        }
        unit if units.contains(&unit) => Some((amount, at + 1)),
        _ => None,
    }
}

/// Reads the author's measure of difficulty as a number of 10.
fn hint(value: &Value) -> Option<u64> {
    let text = match value {
        Value::Number(number) => return number.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64),
        Value::String(text) => text.trim().to_lowercase(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    match text.as_str() {
        "high" | "complex" | "hard" | "huge" | "epic" | "very high" | "large" => Some(8),
        "medium" | "moderate" | "normal" => Some(5),
        "low" | "simple" | "easy" | "trivial" | "small" => Some(2),
        number => number.split('/').next()?.trim().parse().ok(),
    }
}
