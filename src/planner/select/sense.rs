//! What words mean, as directions: texts that mean something alike point the same way.
//!
//! `senses.txt` has the words in order, `senses.bin` a row for each: one byte for its length, then
//! two numbers a byte. The rows were fitted so that the sum of a text's rows points where the
//! sentence encoder all-mpnet-base-v2 (Apache License 2.0) puts the text. Nothing of that encoder is
//! needed here, and a text costs one addition a word. `benches/planner/senses/build.sh` makes both files.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::words;

/// Rows by word.
static SENSES: LazyLock<HashMap<&'static str, &'static [u8]>> = LazyLock::new(|| {
    let rows = include_bytes!("senses.bin").chunks_exact(1 + DIMENSIONS / 2);
    include_str!("senses.txt").lines().zip(rows).collect()
});

/// How many numbers a direction has.
const DIMENSIONS: usize = 128;
/// What stands for 0 in a row.
const ZERO: f32 = 8.0;

/// Where a text points; of length 1, or 0 where none of its words is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sense([f32; DIMENSIONS]);

impl Sense {
    pub(super) fn of(text: &str) -> Self {
        let mut sum = [0.0; DIMENSIONS];
        for word in words::split(text) {
            let singular = || word.strip_suffix('s').and_then(|word| SENSES.get(word));
            let Some(row) = SENSES.get(word.as_str()).or_else(singular) else { continue };
            let length = f32::from(row[0]) / 255.0;
            for (pair, byte) in sum.chunks_exact_mut(2).zip(&row[1..]) {
                pair[0] += (f32::from(byte >> 4) - ZERO) * length * length;
                pair[1] += (f32::from(byte & 15) - ZERO) * length * length;
            }
        }
        let length = sum.iter().map(|part| part * part).sum::<f32>().sqrt();
        if length > 0.0 {
            sum.iter_mut().for_each(|part| *part /= length);
        }
        Self(sum)
    }

    /// Returns how alike two texts are: 1 if they point the same way, 0 if nothing is known.
    pub(super) fn likeness(&self, other: &Self) -> f64 {
        f64::from(self.0.iter().zip(&other.0).map(|(one, other)| one * other).sum::<f32>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_one_meaning_point_the_same_way() {
        let alike = |one, other| Sense::of(one).likeness(&Sense::of(other));
        assert!(alike("buy a car", "purchase vehicles") > alike("buy a car", "bake bread") + 0.2);
        assert!(alike("slow queries", "database latency") > alike("slow queries", "chess"));
        assert!((alike("rain tomorrow", "rain tomorrow") - 1.0).abs() < 1e-3);
        assert_eq!(alike("xyzzyq", "rain"), 0.0);
    }

    #[test]
    fn every_word_has_a_row() {
        let words = include_str!("senses.txt").lines().count();
        assert_eq!(include_bytes!("senses.bin").len(), words * (1 + DIMENSIONS / 2));
        assert_eq!(SENSES.len(), words);
    }
}
