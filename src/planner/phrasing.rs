//! How the steps that are added speak of what the author named.

use super::expand::Step;
use super::frame::{Frame, TITLE_MAX};
use super::languages::is_unspaced;
use super::lexicon::lexicon;
use super::request::Reading;
use super::text;

/// Returns an object as the steps that a template adds speak of it.
pub(super) fn spoken_of(frame: &Frame, reading: &Reading, object: String) -> String {
    match (frame.kind.name.as_str(), frame.lemma) {
        // `memory leak in the worker`: the fault is what it is about.
        ("fix", None) => text::line(&uncapitalised(&reading.goal), 80),
        // `deploy the shop to production`: what is deployed is the shop.
        ("deploy", Some(_)) => match object.split_once(" to ") {
            Some((thing, _)) => thing.to_owned(),
            None => object,
        },
        // `add a mode to the page`: the mode is for the page.
        (_, Some("add")) => object.replacen(" to ", " for ", 1),
        // `Payment webhooks` alone: within a title it stands further back.
        (_, None) => uncapitalised(&object),
        _ => object,
    }
}

/// Writes the first letter small, unless the word is an abbreviation or a name of its own form.
fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let word: Vec<char> = letters.clone().take_while(|c| c.is_alphanumeric()).collect();
    if word.is_empty() || word.iter().any(|c| !c.is_lowercase()) {
        return text.to_owned();
    }
    first.to_lowercase().chain(letters).collect()
}

/// Says to what, where the author named a list of verbs below a goal.
pub(super) fn with_object(step: &Step, object: &str) -> String {
    let word = step.title.to_lowercase();
    let is_verb = lexicon().verb(&[word.as_str()]).is_some();
    let title = match step.kind.name.as_str() {
        "data" | "general" | "change" => format!("{} for {object}", step.title),
        _ if is_verb => format!("{} {object}", step.title),
        _ => fill(&step.kind.title, object),
    };
    text::line(&title, TITLE_MAX)
}

pub(super) fn fill(text: &str, object: &str) -> String {
    let object = if object.is_empty() { "the result" } else { object };
    text::capitalised(&text.replace("{object}", object))
}

/// Tells whether a text has these words, whole.
pub(super) fn has_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, found)| {
        let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        // Between words of a writing without blanks stands nothing.
        found.chars().any(is_unspaced)
            || !is_letter(text[..at].chars().next_back())
                && !is_letter(text[at + found.len()..].chars().next())
    })
}
