//! What this directory has learned: which agent did well at requests like this one.
//!
//! An agent whose own file gives examples of requests has learned those, too.

use std::collections::HashMap;

use super::sense::Sense;
use super::topics;
use super::words;
use crate::domain::agent::Outcome;

/// So many of the nearest requests of an agent speak for it.
const NEAREST: usize = 3;
/// How much of the nearest one counts, beside the mean of the nearest.
const FIRST: f64 = 0.5;
/// With so many requests an agent is known half as well as can be.
const KNOWN: f64 = 2.0;
/// How much a topic counts beside a word.
const TOPIC: f64 = 0.6;
/// How much of nearness is meaning; the rest is words.
const MEANING: f64 = 0.25;
/// What an agent is thought to be able to do before anything is known, in outcomes.
const PRIOR: (f64, f64) = (3.6, 4.0);

/// Requests that are known, and who did what at them.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    terms: HashMap<String, Vec<(u32, f64)>>,
    worth: HashMap<String, f64>,
    /// For each request the agent, whether it speaks for or against it, and its length.
    requests: Vec<(usize, f64, f64)>,
    senses: Vec<Sense>,
    /// Successes and all outcomes, by agent.
    done: Vec<(f64, f64)>,
}

/// A request that an agent knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) agent: usize,
    pub(super) request: &'a str,
    /// How it went; nothing for an example.
    pub(super) outcome: Option<Outcome>,
}

impl Memory {
    /// Remembers requests of so many agents.
    pub(super) fn of(known: &[Known<'_>], agents: usize) -> Self {
        let mut memory = Self { done: vec![(0.0, 0.0); agents], ..Self::default() };
        let said: Vec<HashMap<String, f64>> = known.iter().map(|one| terms(one.request)).collect();
        let mut having: HashMap<&str, u32> = HashMap::new();
        for term in said.iter().flat_map(HashMap::keys) {
            *having.entry(term).or_default() += 1;
        }
        let count = known.len() as f64;
        let worth = |having: u32| (1.0 + count / f64::from(having)).ln();
        memory.worth =
            having.into_iter().map(|(term, having)| (term.to_owned(), worth(having))).collect();
        for (one, said) in known.iter().zip(said) {
            let request = memory.requests.len() as u32;
            let mut square = 0.0;
            for (term, times) in said {
                let weight = times * memory.worth.get(&term).copied().unwrap_or_default();
                square += weight * weight;
                memory.terms.entry(term).or_default().push((request, weight));
            }
            memory.requests.push((one.agent, speaks(one.outcome), square.sqrt()));
            memory.senses.push(Sense::of(one.request));
            if let (Some(outcome), Some(done)) = (one.outcome, memory.done.get_mut(one.agent)) {
                done.0 += f64::from(u8::from(outcome == Outcome::Success));
                done.1 += 1.0;
            }
        }
        memory
    }

    /// Returns how near the requests of each agent are, 0 to 1; less than 0 where they speak against
    /// it.
    pub(super) fn nearness(&self, text: &str) -> Vec<f64> {
        let unknown = (1.0 + self.requests.len() as f64).ln();
        let mut products = vec![0.0; self.requests.len()];
        let mut square = 0.0;
        for (term, times) in terms(text) {
            let weight = times * self.worth.get(&term).copied().unwrap_or(unknown);
            square += weight * weight;
            for (request, other) in self.terms.get(&term).into_iter().flatten() {
                products[*request as usize] += weight * other;
            }
        }
        let mut near: Vec<Vec<(f64, f64)>> = vec![Vec::new(); self.done.len()];
        let sense = Sense::of(text);
        for (((agent, speaks, length), product), other) in
            self.requests.iter().zip(products).zip(&self.senses)
        {
            let both = length * square.sqrt();
            let by_words = if both > 0.0 { product / both } else { 0.0 };
            let by_meaning = sense.likeness(other).max(0.0);
            let nearness = (1.0 - MEANING) * by_words + MEANING * by_meaning;
            near[*agent].push((nearness, *speaks));
        }
        near.into_iter().map(nearest).collect()
    }

    /// Returns how often an agent did well, drawn towards what is usual where little is known;
    /// nothing where nothing is known.
    pub(super) fn performance(&self, agent: usize) -> Option<f64> {
        let (well, all) = self.done.get(agent).copied().filter(|(_, all)| *all > 0.0)?;
        Some((well + PRIOR.0) / (all + PRIOR.1))
    }

    /// Returns how many outcomes of an agent are remembered.
    pub(super) fn outcomes(&self, agent: usize) -> usize {
        self.done.get(agent).map_or(0, |(_, all)| *all as usize)
    }
}

/// Weighs the nearest requests of one agent.
fn nearest(mut requests: Vec<(f64, f64)>) -> f64 {
    requests.sort_by(|a, b| b.0.total_cmp(&a.0));
    let spoken: Vec<f64> =
        requests.iter().take(NEAREST).map(|(near, speaks)| near * speaks).collect();
    let Some(first) = spoken.first() else { return 0.0 };
    let near = FIRST * first + (1.0 - FIRST) * spoken.iter().sum::<f64>() / NEAREST as f64;
    let known = requests.len() as f64;
    near * known / (known + KNOWN)
}

/// Returns the words and topics of a request, and how much each says.
fn terms(text: &str) -> HashMap<String, f64> {
    let stems = words::stems(text);
    let mut terms = HashMap::new();
    for stem in &stems {
        let strength = words::strength(stem);
        if strength > 0.0 {
            terms.insert(stem.clone(), strength);
        }
    }
    for (topic, part) in topics::about(&stems) {
        terms.insert(format!("#{}", topics::name(topic)), TOPIC * part.min(2.0).sqrt());
    }
    terms
}

fn speaks(outcome: Option<Outcome>) -> f64 {
    match outcome {
        None | Some(Outcome::Success) => 1.0,
        Some(Outcome::Edited) => -0.3,
        Some(Outcome::Failure) => -0.5,
    }
}
