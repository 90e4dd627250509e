//! An index of texts with weighted fields, scored by BM25F over words and over topics.

use std::collections::{BTreeMap, HashMap};

use super::topics::{self, About};
use super::words;

/// How fast more of the same word stops counting.
const SATURATION: f64 = 1.2;
/// How fast more of the same topic stops counting.
const TOPIC_SATURATION: f64 = 1.5;
/// How much topics count beside words.
const TOPICS: f64 = 1.0;

/// One field of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// How much its words count.
    pub(super) weight: f64,
    /// How much its topics count; 0: it is not looked at for them.
    pub(super) topic_weight: f64,
    /// How much a long field loses, 0 to 1.
    pub(super) length_loss: f64,
}

/// Texts that can be asked which of them speak most of what a request speaks of.
#[derive(Debug, Clone)]
pub(super) struct Index {
    count: usize,
    words: HashMap<String, Postings>,
    topics: HashMap<u16, Postings>,
}

/// Which texts have a word, how often, and what it is worth.
#[derive(Debug, Clone, Default)]
struct Postings {
    worth: f64,
    texts: Vec<(u32, f64)>,
}

/// A request, taken apart once.
#[derive(Debug, Clone)]
pub(super) struct Query {
    words: Vec<Said>,
    topics: About,
}

/// A word of a request.
#[derive(Debug, Clone)]
struct Said {
    stem: String,
    word: String,
    times: f64,
}

/// Why a text was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hit {
    /// The word as the request has it, or the name of the topic.
    pub(super) what: String,
    pub(super) is_topic: bool,
    pub(super) score: f64,
}

impl Query {
    pub(super) fn of(text: &str) -> Self {
        let spoken = words::split(text);
        let stems: Vec<String> = spoken.iter().map(|word| words::stem(word)).collect();
        let mut counts: BTreeMap<&str, (&str, u32)> = BTreeMap::new();
        for (stem, word) in stems.iter().zip(&spoken) {
            counts.entry(stem).or_insert((word, 0)).1 += 1;
        }
        let said: Vec<Said> = counts
            .into_iter()
            .filter(|(stem, _)| words::strength(stem) > 0.0)
            .map(|(stem, (word, count))| Said {
                stem: stem.to_owned(),
                word: word.to_owned(),
                times: f64::from(count.min(2)).sqrt(),
            })
            .collect();
        Self { words: said, topics: topics::about(&stems) }
    }

    /// Tells whether it says nothing that could be looked for.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.topics.is_empty()
    }
}

impl Index {
    /// Makes an index; each text has as many parts as there are fields.
    pub(super) fn of(fields: &[Field], texts: &[Vec<String>]) -> Self {
        let stems: Vec<Vec<Vec<String>>> = texts
            .iter()
            .map(|parts| parts.iter().map(|part| words::stems(part)).collect())
            .collect();
        let count = texts.len();
        let said = |stems: &[String]| {
            stems.iter().filter(|stem| words::strength(stem) > 0.0).count() as f64
        };
        let mean_length: Vec<f64> = (0..fields.len())
            .map(|field| {
                let total: f64 = stems.iter().map(|parts| said(&parts[field])).sum();
                (total / count.max(1) as f64).max(1.0)
            })
            .collect();
        let mut index = Self { count, words: HashMap::new(), topics: HashMap::new() };
        for (text, parts) in stems.iter().enumerate() {
            let mut by_word: HashMap<&str, f64> = HashMap::new();
            let mut by_topic = About::new();
            for ((field, part), mean) in fields.iter().zip(parts).zip(&mean_length) {
                let length = 1.0 - field.length_loss + field.length_loss * said(part) / mean;
                for stem in part {
                    *by_word.entry(stem).or_default() += field.weight / length;
                }
                if field.topic_weight > 0.0 {
                    for (topic, part) in topics::about(part) {
                        *by_topic.entry(topic).or_default() += part * field.topic_weight;
                    }
                }
            }
            for (word, often) in by_word {
                if words::strength(word) > 0.0 {
                    let postings = index.words.entry(word.to_owned()).or_default();
                    postings.texts.push((text as u32, often));
                }
            }
            for (topic, often) in by_topic {
                index.topics.entry(topic).or_default().texts.push((text as u32, often));
            }
        }
        for (word, postings) in &mut index.words {
            postings.worth = worth(count, postings.texts.len()) * words::strength(word);
        }
        for postings in index.topics.values_mut() {
            postings.worth = worth(count, postings.texts.len());
        }
        index
    }

    /// Scores every text.
    pub(super) fn scores(&self, query: &Query) -> Vec<f64> {
        let mut scores = vec![0.0; self.count];
        for (postings, times, saturation) in self.matching(query) {
            for (text, often) in &postings.texts {
                scores[*text as usize] += score(postings.worth, times, *often, saturation);
            }
        }
        scores
    }

    /// Returns what one text was found by, the strongest first.
    pub(super) fn hits(&self, query: &Query, text: usize) -> Vec<Hit> {
        let often = |postings: &Postings| {
            postings.texts.iter().find(|(found, _)| *found as usize == text).map(|found| found.1)
        };
        let words = query.words.iter().filter_map(|said| {
            let postings = self.words.get(&said.stem)?;
            let score = score(postings.worth, said.times, often(postings)?, SATURATION);
            Some(Hit { what: said.word.clone(), is_topic: false, score })
        });
        let topics = query.topics.iter().filter_map(|(topic, times)| {
            let postings = self.topics.get(topic)?;
            let often = often(postings)?;
            let score =
                TOPICS * score(postings.worth, topic_times(*times), often, TOPIC_SATURATION);
            Some(Hit { what: topics::name(*topic).to_owned(), is_topic: true, score })
        });
        let mut hits: Vec<Hit> = words.chain(topics).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.what.cmp(&b.what)));
        hits
    }

    /// Returns the postings of a request's words and topics, how often it has each, and how fast
    /// more of it stops counting.
    fn matching<'a>(
        &'a self,
        query: &'a Query,
    ) -> impl Iterator<Item = (&'a Postings, f64, f64)> + 'a {
        let words = query
            .words
            .iter()
            .filter_map(|said| Some((self.words.get(&said.stem)?, said.times, SATURATION)));
        let topics = query.topics.iter().filter_map(|(topic, times)| {
            Some((self.topics.get(topic)?, TOPICS * topic_times(*times), TOPIC_SATURATION))
        });
        words.chain(topics)
    }
}

/// What a word is worth that so many of all texts have.
fn worth(count: usize, having: usize) -> f64 {
    let (count, having) = (count as f64, having as f64);
    (1.0 + (count - having + 0.5) / (having + 0.5)).ln()
}

fn score(worth: f64, times: f64, often: f64, saturation: f64) -> f64 {
    worth * times * often * (saturation + 1.0) / (often + saturation)
}

fn topic_times(times: f64) -> f64 {
    times.min(3.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [Field; 2] = [
        Field { weight: 2.0, topic_weight: 2.0, length_loss: 0.0 },
        Field { weight: 1.0, topic_weight: 1.0, length_loss: 0.7 },
    ];

    fn index(texts: &[(&str, &str)]) -> Index {
        let own = |(name, text): &(&str, &str)| vec![(*name).to_owned(), (*text).to_owned()];
        Index::of(&FIELDS, &texts.iter().map(own).collect::<Vec<_>>())
    }

    #[test]
    fn rare_words_and_names_weigh_more() {
        let index = index(&[
            ("reviewer", "reviews code of teams"),
            ("painter", "code code code"),
            ("builder", "compiles code"),
        ]);
        let scores = index.scores(&Query::of("compile the code"));
        assert!(scores[2] > scores[1] && scores[1] > scores[0], "{scores:?}");
        let scores = index.scores(&Query::of("painter"));
        assert_eq!((scores[0], scores[2]), (0.0, 0.0));
        assert!(scores[1] > 0.0);
    }

    #[test]
    fn hits_say_why_and_add_up() {
        let index = index(&[("chef", "cooks dinner"), ("driver", "drives cars")]);
        let query = Query::of("recipe for a dinner with eggs");
        let hits = index.hits(&query, 0);
        let total: f64 = hits.iter().map(|hit| hit.score).sum();
        assert!((total - index.scores(&query)[0]).abs() < 1e-9);
        assert!(hits.iter().any(|hit| hit.what == "dinner"), "{hits:?}");
        assert!(hits.iter().any(|hit| hit.is_topic && hit.what == "food"), "{hits:?}");
        assert!(index.hits(&query, 1).is_empty());
    }

    #[test]
    fn nothing_is_found_where_nothing_is_said() {
        assert!(Query::of("could you please").is_empty());
        let empty = Index::of(&FIELDS, &[]);
        assert!(empty.scores(&Query::of("anything")).is_empty());
    }
}
