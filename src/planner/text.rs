//! Text as words: what a rule needs to see of a sentence.

/// One word of a text, with the punctuation that follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// As written, punctuation included.
    pub(super) raw: &'a str,
    /// Lower case, without punctuation around it.
    pub(super) word: String,
}

impl Token<'_> {
    /// Tells whether a comma follows.
    pub(super) fn comma(&self) -> bool {
        self.closing().ends_with([',', '，', '、'])
    }

    /// Tells whether a colon follows.
    pub(super) fn colon(&self) -> bool {
        self.closing().ends_with([':', '：'])
    }

    /// Tells whether it ends a question.
    pub(super) fn question(&self) -> bool {
        self.closing().ends_with(['?', '？'])
    }

    /// Tells whether the sentence certainly ends here.
    pub(super) fn stop(&self) -> bool {
        self.closing().ends_with(['!', '?', ';', '。', '；', '？', '！']) || self.dash()
    }

    /// Tells whether a full stop follows, which may be that of an abbreviation.
    pub(super) fn full_stop(&self) -> bool {
        const ABBREVIATIONS: &[&str] = &["e.g", "i.e", "etc", "vs", "cf", "approx", "no", "incl"];
        self.closing().ends_with('.') && !ABBREVIATIONS.contains(&self.word.as_str())
    }

    /// Tells whether it is a long dash on its own.
    pub(super) fn dash(&self) -> bool {
        matches!(self.raw, "—" | "–" | "--")
    }

    /// Tells whether it points from one step to the next.
    pub(super) fn arrow(&self) -> bool {
        matches!(self.raw, "→" | "->" | "=>" | "»" | "-->" | "==>" | "⟶" | "➔" | "➜" | "⇒")
    }

    fn closing(&self) -> &str {
        self.raw.trim_end_matches([')', ']', '"', '\'', '”', '’', '*', '_', '`'])
    }
}

/// Splits a text into words.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    text.split_whitespace().map(|raw| Token { raw, word: word_of(raw) }).collect()
}

/// Returns the lower-case words of some tokens.
pub(super) fn words<'a>(tokens: &'a [Token<'_>]) -> Vec<&'a str> {
    tokens.iter().map(|token| token.word.as_str()).filter(|word| !word.is_empty()).collect()
}

/// Writes tokens as text again, without the punctuation at both ends.
pub(super) fn join(tokens: &[Token<'_>]) -> String {
    let raw: Vec<&str> = tokens.iter().map(|token| token.raw).collect();
    trimmed(&raw.join(" ")).to_owned()
}

/// Cuts punctuation off both ends, but never one half of a pair of brackets.
pub(super) fn trimmed(text: &str) -> &str {
    let text = text.trim_matches(|c: char| {
        c.is_whitespace()
            || matches!(
                c,
                ',' | ';'
                    | ':'
                    | '.'
                    | '!'
                    | '?'
                    | '*'
                    | '—'
                    | '–'
                    | '"'
                    | '，'
                    | '。'
                    | '、'
                    | '；'
            )
    });
    let text =
        if text.ends_with(')') && !text.contains('(') { text.trim_end_matches(')') } else { text };
    if text.starts_with('(') && !text.contains(')') { text.trim_start_matches('(') } else { text }
}

/// Returns how many words the first phrase of a list takes that `words` begin with; 0 for none.
pub(super) fn starts_with_any(words: &[&str], phrases: &[String]) -> usize {
    let Some(first) = words.first() else { return 0 };
    let length = |phrase: &String| {
        if !phrase.starts_with(first) {
            return 0;
        }
        let mut rest = words.iter();
        let mut length = 0;
        for part in phrase.split(' ') {
            if rest.next().is_none_or(|word| *word != part) {
                return 0;
            }
            length += 1;
        }
        length
    };
    phrases.iter().map(length).max().unwrap_or_default()
}

/// Makes the first letter a capital one, unless the word has an inner one or looks like a name.
pub(super) fn capitalised(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_plain = first.chars().all(|c| c.is_lowercase() || c == '-' || c == '\'');
    let mut letters = text.chars();
    match letters.next() {
        Some(letter) if is_plain => letter.to_uppercase().chain(letters).collect(),
        Some(_) | None => text.to_owned(),
    }
}

/// Cuts a text to one line of at most `letters_max` letters.
pub(super) fn line(text: &str, letters_max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= letters_max {
        return line;
    }
    let cut: String = line.chars().take(letters_max.saturating_sub(1)).collect();
    let cut = cut.rsplit_once(' ').map_or(cut.as_str(), |(whole_words, _)| whole_words);
    format!("{cut}…")
}

fn word_of(raw: &str) -> String {
    let inner = raw.trim_matches(|c: char| !c.is_alphanumeric());
    inner.replace('’', "'").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_their_punctuation_and_keep_their_meaning() {
        let tokens = tokens("Fix (the) bug, e.g. in `src/a.rs`: now; don’t — wait.");
        let words: Vec<&str> = tokens.iter().map(|t| t.word.as_str()).collect();
        let expected = ["fix", "the", "bug", "e.g", "in", "src/a.rs", "now", "don't", "", "wait"];
        assert_eq!(words, expected);
        assert!(tokens[2].comma() && tokens[5].colon() && tokens[6].stop() && tokens[8].dash());
        assert!(!tokens[3].full_stop() && tokens[9].full_stop());
    }

    #[test]
    fn one_line_is_cut_between_words() {
        assert_eq!(line("a  b\nc", 10), "a b c");
        assert_eq!(line("one two three", 9), "one two…");
        assert_eq!(capitalised("fix it"), "Fix it");
        assert_eq!(capitalised("getUser is slow"), "getUser is slow");
        assert_eq!(capitalised("src/a.rs is slow"), "src/a.rs is slow");
        assert_eq!(trimmed(" (a) b), "), "(a) b)");
        assert_eq!(trimmed("scrape)"), "scrape");
    }
}
