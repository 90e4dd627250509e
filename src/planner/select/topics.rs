//! What a text is about: topics that are known by their words.
//!
//! A request and an agent often speak of one thing in different words. Each word of the lists gives
//! its topics a part of itself, so that a word of many topics says little about any of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use super::words;

/// Topics by the stems of a word or a phrase, joined by blanks.
static TOPICS: LazyLock<Topics> = LazyLock::new(|| Topics::read(include_str!("topics.txt")));

/// The longest phrase, in words.
const PHRASE_MAX: usize = 3;
/// How much a weak word says of a topic.
const WEAK: f64 = 0.3;
/// How fast a word loses strength with the number of its topics.
const SHARED: f64 = 0.7;

struct Topics {
    names: Vec<&'static str>,
    by_words: HashMap<String, Vec<u16>>,
}

/// How much a text speaks of each topic.
pub(super) type About = BTreeMap<u16, f64>;

/// Returns what the stems of a text speak of.
pub(super) fn about(stems: &[String]) -> About {
    let mut about = About::new();
    let mut seen = std::collections::HashSet::new();
    let mut is_used = vec![false; stems.len()];
    for length in (1..=PHRASE_MAX).rev() {
        for (at, phrase) in stems.windows(length).enumerate() {
            let phrase = phrase.join(" ");
            let Some(topics) = TOPICS.by_words.get(&phrase) else { continue };
            let strength = words::strength(&phrase);
            if (length == 1 && (strength <= 0.0 || is_used[at])) || !seen.insert(phrase) {
                continue;
            }
            if length > 1 {
                is_used[at..at + length].fill(true);
            }
            let whole = if length == 1 && strength < 1.0 { WEAK } else { 1.0 };
            let part = whole / (topics.len() as f64).powf(SHARED);
            for topic in topics {
                *about.entry(*topic).or_default() += part;
            }
        }
    }
    about
}

/// Returns the name of a topic.
pub(super) fn name(topic: u16) -> &'static str {
    TOPICS.names.get(usize::from(topic)).copied().unwrap_or_default()
}

impl Topics {
    fn read(text: &'static str) -> Self {
        let mut topics = Self { names: Vec::new(), by_words: HashMap::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, listed)) = line.split_once(':') else { continue };
            let topic = topics.names.len() as u16;
            topics.names.push(name);
            for phrase in listed.split_whitespace() {
                let phrase = words::stems(&phrase.replace('_', " ")).join(" ");
                let known = topics.by_words.entry(phrase).or_default();
                if known.last() != Some(&topic) {
                    known.push(topic);
                }
            }
        }
        topics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        about(&words::stems(text)).into_keys().map(name).collect()
    }

    #[test]
    fn different_words_speak_of_one_topic() {
        assert!(names("what shall I wear").contains(&"fashion"));
        assert!(names("a nice outfit").contains(&"fashion"));
        assert!(names("move to Kubernetes").contains(&"kubernetes"));
        assert!(names("our pods restart").contains(&"kubernetes"));
        assert!(names("xyzzy").is_empty());
    }

    #[test]
    fn a_phrase_stands_for_its_words() {
        assert!(names("smart contracts").contains(&"blockchain"));
        assert!(!names("smart contracts").contains(&"law"));
    }

    #[test]
    fn no_topic_is_named_twice_or_empty() {
        let mut names = TOPICS.names.clone();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TOPICS.names.len());
        let listed: std::collections::BTreeSet<u16> =
            TOPICS.by_words.values().flatten().copied().collect();
        assert_eq!(listed.len(), TOPICS.names.len());
    }
}
