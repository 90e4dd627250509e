//! The words of a text, by their stems, and how much a word says.

use std::collections::HashMap;
use std::sync::LazyLock;

/// How much a common word says beside one that is not; words that say nothing have 0.
static COMMON: LazyLock<HashMap<String, f64>> = LazyLock::new(|| {
    let mut strengths = HashMap::new();
    for line in include_str!("common.txt").lines() {
        let Some((list, words)) = line.split_once(':') else { continue };
        let strength = match list {
            "stop" => 0.0,
            "weak" => WEAK,
            _ => continue,
        };
        for word in words.split_whitespace().flat_map(split) {
            strengths.entry(stem(&word)).or_insert(strength);
        }
    }
    strengths
});

/// How much a weak word says.
const WEAK: f64 = 0.4;
/// More words of one text are not looked at.
const WORDS_MAX: usize = 20_000;
/// A longer word is cut.
const WORD_CHARS_MAX: usize = 40;

/// Returns the stems of a text's words in their order.
pub(super) fn stems(text: &str) -> Vec<String> {
    split(text).iter().map(|word| stem(word)).collect()
}

/// Returns how much a stem says, 0 to 1.
pub(super) fn strength(stem: &str) -> f64 {
    COMMON.get(stem).copied().unwrap_or(1.0)
}

/// Splits a text into words in lower case; `camelCase` is two, and `c++` and `c#` are words.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut chars = 0;
    let mut before = ' ';
    let end = |word: &mut String, chars: &mut usize, words: &mut Vec<String>| {
        *chars = 0;
        if !word.is_empty() && words.len() < WORDS_MAX {
            words.push(std::mem::take(word));
        } else {
            word.clear();
        }
    };
    for c in text.chars() {
        if c == '\'' || c == '’' {
            continue;
        }
        let is_part = c.is_alphanumeric()
            || (matches!(c, '+' | '#') && before.is_alphanumeric())
            || (c == '+' && before == '+');
        let is_hump = c.is_uppercase() && before.is_lowercase();
        if !is_part || is_hump || chars >= WORD_CHARS_MAX {
            end(&mut word, &mut chars, &mut words);
        }
        if is_part && words.len() < WORDS_MAX {
            word.extend(c.to_lowercase());
            chars += 1;
        }
        before = c;
    }
    end(&mut word, &mut chars, &mut words);
    words
}

/// Takes the commonest endings off a word, so that its forms meet. What is left need not be a word.
pub(super) fn stem(word: &str) -> String {
    const ENDINGS: [(&str, &str); 17] = [
        ("ations", "at"),
        ("ation", "at"),
        ("ings", ""),
        ("ing", ""),
        ("edly", ""),
        ("ied", "y"),
        ("ed", ""),
        ("ies", "y"),
        ("ers", "er"),
        ("ments", ""),
        ("es", ""),
        ("ss", "ss"),
        ("s", ""),
        ("ly", ""),
        ("ment", ""),
        ("er", ""),
        ("e", ""),
    ];
    let found = ENDINGS.iter().find_map(|(ending, instead)| {
        let rest = word.strip_suffix(ending)?;
        (rest.chars().count() >= 3).then(|| format!("{rest}{instead}"))
    });
    let stem = found.unwrap_or_else(|| word.to_owned());
    // `planning` and `plan`, `running` and `run`.
    let mut ends = stem.chars().rev();
    match (ends.next(), ends.next()) {
        (Some(last), Some(other)) if last == other && stem.len() > 3 && !"sl".contains(last) => {
            stem[..stem.len() - last.len_utf8()].to_owned()
        }
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_where_people_see_them_end() {
        assert_eq!(split("PDF&URLTool, it's C++!"), ["pdf", "urltool", "its", "c++"]);
        assert_eq!(split("airQuality_now C# f#x"), ["air", "quality", "now", "c#", "f#x"]);
        assert!(split(" -- ## ").is_empty());
    }

    #[test]
    fn forms_of_a_word_meet() {
        for (one, other) in [
            ("plan", "planning"),
            ("optimize", "optimizing"),
            ("recipe", "recipes"),
            ("story", "stories"),
            ("migrate", "migration"),
            ("deploy", "deployments"),
            ("crash", "crashes"),
        ] {
            assert_eq!(stem(one), stem(other), "{one} {other}");
        }
        assert_ne!(stem("class"), stem("clan"));
    }

    #[test]
    fn common_words_say_little() {
        let strengths: Vec<f64> =
            ["the", "providing", "kubernetes"].map(|word| strength(&stem(word))).to_vec();
        assert_eq!(strengths, [0.0, WEAK, 1.0]);
    }

    #[test]
    fn a_text_without_end_has_an_end() {
        assert_eq!(split(&"a ".repeat(WORDS_MAX * 2)).len(), WORDS_MAX);
        assert!(split(&"a".repeat(1000)).iter().all(|word| word.len() <= WORD_CHARS_MAX));
    }
}
