//! Words of other languages than English: which English word each of them means.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

/// Words that one verb may take.
const VERB_WORDS_MAX: usize = 4;

/// Letters that one word of an unspaced language may have.
const UNSPACED_LETTERS_MAX: usize = 6;

/// What the data file says of one language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Language {
    /// True where an order may end in its verb.
    #[serde(default)]
    verb_last: bool,
    /// True where no blanks stand between words.
    #[serde(default)]
    unspaced: bool,
    pub(super) then: Vec<String>,
    pub(super) last: Vec<String>,
    pub(super) first: Vec<String>,
    pub(super) fillers: Vec<String>,
    pub(super) constraints: Vec<String>,
    verbs: BTreeMap<String, Vec<String>>,
    nouns: BTreeMap<String, Vec<String>>,
}

/// All of them, by word.
#[derive(Debug)]
pub(super) struct Languages {
    /// Verb to English verb, and whether it may stand last.
    verbs: HashMap<String, (String, bool)>,
    /// Noun to English noun.
    pub(super) nouns: Vec<(String, String)>,
    /// Words of unspaced languages, longest first.
    unspaced: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    language: Vec<Language>,
}

/// Reads the data file.
pub(super) fn read() -> Vec<Language> {
    let file: File = toml::from_str(include_str!("templates/languages.toml"))
        .expect("the lists are constants, and a test reads them");
    file.language
}

impl Languages {
    /// Puts the words of all languages together.
    pub(super) fn of(languages: &[Language]) -> Self {
        let mut all = Languages { verbs: HashMap::new(), nouns: Vec::new(), unspaced: Vec::new() };
        for language in languages {
            for (english, forms) in &language.verbs {
                for form in forms {
                    let known = (english.clone(), language.verb_last);
                    all.verbs.entry(form.clone()).or_insert(known);
                }
            }
            for (english, forms) in &language.nouns {
                all.nouns.extend(forms.iter().map(|form| (form.clone(), english.clone())));
            }
            if language.unspaced {
                let verbs = language.verbs.values().flatten();
                let words =
                    verbs.chain(&language.then).chain(&language.last).chain(&language.first);
                let words = words.chain(&language.fillers).chain(&language.constraints);
                all.unspaced.extend(words.cloned());
            }
        }
        all.unspaced.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
        all
    }

    /// Returns the English verb that `words` begin with in another language, and its length.
    pub(super) fn verb(&self, words: &[&str]) -> Option<(&str, usize)> {
        (1..=words.len().min(VERB_WORDS_MAX)).rev().find_map(|length| {
            let (english, _) = match length {
                1 => self.verbs.get(words[0]).or_else(|| {
                    // Spanish hangs what it is done to on the verb: `envíalo`.
                    let stem = ["lo", "la", "los", "las", "le", "les"].iter().find_map(|end| {
                        words[0].strip_suffix(end).filter(|s| s.chars().count() > 3)
                    });
                    self.verbs.get(stem?)
                })?,
                _ => self.verbs.get(&words[..length].join(" "))?,
            };
            Some((english.as_str(), length))
        })
    }

    /// Returns the English verb for a word that may stand at the end of an order.
    pub(super) fn last_verb(&self, word: &str) -> Option<&str> {
        let (english, is_last) = self.verbs.get(word)?;
        is_last.then_some(english.as_str())
    }

    /// Puts blanks between the words of an unspaced text that matter: verbs and words of order.
    pub(super) fn spaced(&self, text: &str) -> String {
        if !text.chars().any(is_unspaced) {
            return text.to_owned();
        }
        let text = &*self.verb_first(text);
        let mut spaced = String::with_capacity(text.len() * 2);
        let mut at_start = true;
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let word = at_start.then(|| self.unspaced_word(rest)).flatten();
            if let Some(word) = word {
                spaced.push_str(word);
                spaced.push(' ');
                rest = &rest[word.len()..];
                continue;
            }
            spaced.push(letter);
            rest = &rest[letter.len_utf8()..];
            let ends = matches!(letter, '，' | '、' | '；' | '。' | '：' | '！' | '？' | ',' | ';');
            if ends {
                spaced.push(' ');
            }
            at_start = ends || (letter.is_whitespace() && !is_latin_next(rest));
        }
        spaced
    }

    /// Puts the verb of `把登录模块改成…` before what it is done to, as in every other order.
    fn verb_first(&self, text: &str) -> String {
        // Nobody puts so much between the two.
        const LETTERS_MAX: usize = 40;
        const BREAKS: [&str; 8] = ["并且", "然后", "接着", "并", "再", "最后", "同时", "以及"];
        const ENDINGS: [&str; 6] = ["一下", "完成", "好", "掉", "完", "了"];
        let mut written = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('把') {
            let is_break = |at: usize| {
                let rest = &behind[at..];
                rest.starts_with(|c: char| c.is_ascii_punctuation() || "，、；。！？：".contains(c))
                    || BREAKS.iter().any(|word| rest.starts_with(word))
            };
            let places = || behind.char_indices().map(|(at, _)| at);
            let mut near = places().chain([behind.len()]).skip(1).take(LETTERS_MAX);
            let last = near.clone().last().unwrap_or(behind.len());
            let end = near.find(|at| is_break(*at)).unwrap_or(last);
            let verb = places().skip(1).take_while(|at| *at < end).filter_map(|at| {
                let word = self.unspaced_word(&behind[at..])?;
                self.verbs.contains_key(word).then_some((at, word))
            });
            // The last one: what stands before it may be part of a name.
            let Some((at, verb)) = verb.last() else {
                written.push_str(before);
                written.push('把');
                rest = behind;
                continue;
            };
            let ending = behind[at + verb.len()..end].trim();
            let ending =
                ENDINGS.iter().find_map(|word| ending.strip_prefix(word)).unwrap_or(ending);
            written.push_str(before);
            written.push_str(verb);
            written.push_str(&behind[..at]);
            written.push_str(ending);
            rest = &behind[end..];
            // What follows is an order of its own.
            if BREAKS.iter().any(|word| rest.starts_with(word)) {
                written.push('，');
            }
        }
        written.push_str(rest);
        written
    }

    fn unspaced_word<'a>(&'a self, text: &str) -> Option<&'a str> {
        let front: String = text.chars().take(UNSPACED_LETTERS_MAX).collect();
        self.unspaced.iter().find(|word| front.starts_with(word.as_str())).map(String::as_str)
    }
}

/// Tells whether a letter belongs to a writing that has no blanks.
pub(super) fn is_unspaced(letter: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&letter) || ('\u{3040}'..='\u{30ff}').contains(&letter)
}

fn is_latin_next(text: &str) -> bool {
    text.chars().next().is_some_and(|letter| letter.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::lexicon::lexicon;

    #[test]
    fn every_word_means_a_known_one() {
        for language in read() {
            for english in language.verbs.keys() {
                assert!(lexicon().verb(&[english]).is_some(), "{english}");
            }
            for english in language.nouns.keys() {
                assert!(lexicon().noun(&[english]).is_some(), "{english}");
            }
        }
    }

    #[test]
    fn unspaced_text_gets_blanks_where_it_matters() {
        let all = Languages::of(&read());
        assert_eq!(all.spaced("先备份数据库，然后验证结果"), "先 备份 数据库， 然后 验证 结果");
        assert_eq!(all.spaced("no change"), "no change");
        for (said, read) in [
            ("把登录模块改成使用密钥", "改成 登录模块使用密钥"),
            ("把测试补上并且把解析器重构一下", "补上 测试 ， 并且 重构 解析器"),
            ("先把接口文档写好，再上线", "先 写 接口文档， 再 上线 "),
            ("把手", "把 手"),
        ] {
            assert_eq!(all.spaced(said), read, "{said}");
        }
    }
}
