//! What a request adds to what it asks for: "find a restaurant, preferably one with a garden".
//!
//! Details say much about the thing and little about whose work it is: the garden is no work for a
//! gardener.

/// What begins the details of a sentence, up to its end.
const MARKS: [&str; 26] = [
    "preferably",
    "including",
    "such as",
    "specifically",
    "especially",
    "particularly",
    "for example",
    "for instance",
    "e.g.",
    "considering",
    "taking into consideration",
    "taking into account",
    "keeping in mind",
    "in terms of",
    "ensuring",
    "allowing",
    "featuring",
    "that",
    "which",
    "who",
    "where",
    "whose",
    "so that",
    "because",
    "since",
    "while",
];
/// A sentence says what it asks for before its details begin, and not in fewer letters than this.
const ASKED_MIN: usize = 15;

/// Returns what is asked for, without details; nothing where there are none.
pub(super) fn left_out(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let mut kept = String::new();
    let mut begin = 0;
    while begin < text.len() {
        let end = begin + sentence_end(&text[begin..]);
        let details = MARKS.iter().filter_map(|mark| begins(&lower[begin..end], mark)).min();
        kept.push_str(&text[begin..details.map_or(end, |at| begin + at)]);
        kept.push(' ');
        begin = end;
    }
    (kept.trim_end().len() < text.trim_end().len()).then_some(kept)
}

/// Returns where the first sentence ends.
fn sentence_end(text: &str) -> usize {
    let is_end = |c: char| matches!(c, '.' | '?' | '!' | '\n');
    let mut from = 0;
    while let Some(at) = text[from..].find(is_end) {
        let end = from + at + 1;
        if text[end - 1..].starts_with('\n') || text[end..].starts_with(char::is_whitespace) {
            return end;
        }
        from = end;
    }
    text.len()
}

/// Returns where a mark stands as a word of its own, behind what is asked for.
fn begins(sentence: &str, mark: &str) -> Option<usize> {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    sentence.match_indices(mark).map(|(at, _)| at).find(|at| {
        let before = sentence[..*at].chars().next_back();
        let after = sentence[at + mark.len()..].chars().next();
        *at >= ASKED_MIN && !is_word(before) && !is_word(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let found = left_out(text);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(found.as_deref().map(words).as_deref(), expected);
    }

    #[test]
    fn details_end_with_their_sentence() {
        check("Write a letter", None);
        check(
            "Find a quiet room, preferably with a garden. Book it.",
            Some("Find a quiet room, Book it."),
        );
        check("Write a long report\nthat nobody reads", None);
        check("Compare engines such as A and B for version 1.2 of it", Some("Compare engines"));
        check(
            "Sort the letters while I wait! Then burn them",
            Some("Sort the letters Then burn them"),
        );
    }

    #[test]
    fn a_mark_is_a_word_and_stands_behind_something() {
        check("While I wait, plan my house", None);
        check("Paint the whole thatched roof", None);
        check("", None);
        check("é🦀 …… that that é. é", Some("é🦀 …… that é"));
    }
}
