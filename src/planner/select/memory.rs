//! What this directory has learned: which agent did well at requests like this one.
//!
//! An agent whose own file gives examples of requests has learned those, too.

use std::collections::{BTreeMap, HashMap};

use super::sense::Sense;
use super::topics;
use super::words;
use crate::domain::agent::Outcome;

/// How much nearer a request has to be to count e times as much.
const NEARER: f64 = 0.15;
/// How much of nearness is meaning; the rest is words and topics.
const MEANING: f64 = 0.5;
/// How much a topic counts beside a word.
const TOPIC: f64 = 0.6;
/// What an agent says of itself counts as so many requests.
const OWN: f64 = 1.0;
/// The most that an agent can lose because its requests are of another kind: that it has done other
/// work is no proof that it cannot do this.
const ELSEWHERE: f64 = 0.05;
/// The most that an agent can lose by requests that went badly.
const BADLY: f64 = 0.4;
/// What an agent is thought to be able to do before anything is known, in outcomes.
const PRIOR: (f64, f64) = (3.6, 4.0);
/// After so many days an outcome counts half as much.
const HALF_LIFE_DAYS: f64 = 90.0;
const DAY_MS: f64 = 24.0 * 60.0 * 60.0 * 1000.0;

/// Requests that are known, and who did what at them.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    terms: HashMap<String, Vec<(u32, f64)>>,
    worth: HashMap<String, f64>,
    /// What each agent says of itself, and behind that the requests.
    texts: Vec<Text>,
    /// Nobody has done anything.
    is_empty: bool,
    done: Vec<Done>,
}

#[derive(Debug, Clone)]
struct Text {
    agent: usize,
    /// How much it counts, and less than 0 where it speaks against the agent.
    counts: f64,
    length: f64,
    sense: Sense,
}

/// What an agent has done.
#[derive(Debug, Clone, Copy, Default)]
struct Done {
    well: f64,
    all: f64,
    outcomes: usize,
}

/// How likely a request is among those of one agent.
#[derive(Debug, Clone, Copy, Default)]
struct Likelihood {
    well: f64,
    badly: f64,
    count: f64,
    /// How near it is to what the agent says of itself.
    own: f64,
}

/// A request that an agent knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) agent: usize,
    pub(super) request: &'a str,
    /// How it went; nothing for an example.
    pub(super) outcome: Option<Outcome>,
    /// How much of it is left, 0 to 1.
    pub(super) fresh: f64,
}

/// Returns how much an outcome of that age still counts, 0 to 1.
pub(super) fn fresh(age_ms: i64) -> f64 {
    0.5_f64.powf(age_ms.max(0) as f64 / DAY_MS / HALF_LIFE_DAYS)
}

impl Memory {
    /// Remembers requests of agents that say something of themselves.
    pub(super) fn of(known: &[Known<'_>], agents: &[String]) -> Self {
        let mut memory =
            Self { done: vec![Done::default(); agents.len()], is_empty: true, ..Self::default() };
        if known.is_empty() {
            return memory;
        }
        memory.is_empty = false;
        let own = agents.iter().enumerate().map(|(agent, text)| (agent, text.as_str(), OWN));
        let done =
            known.iter().map(|one| (one.agent, one.request, speaks(one.outcome) * one.fresh));
        let all: Vec<(usize, &str, f64)> = own.chain(done).collect();
        let said: Vec<BTreeMap<String, f64>> = all.iter().map(|(_, text, _)| terms(text)).collect();
        let mut having: HashMap<&str, u32> = HashMap::new();
        for term in said.iter().flat_map(BTreeMap::keys) {
            *having.entry(term).or_default() += 1;
        }
        let worth = |having: u32| (1.0 + all.len() as f64 / f64::from(having)).ln();
        memory.worth =
            having.into_iter().map(|(term, having)| (term.to_owned(), worth(having))).collect();
        for (at, ((agent, text, counts), said)) in all.into_iter().zip(said).enumerate() {
            let mut square = 0.0;
            for (term, times) in said {
                let weight = times * memory.worth.get(&term).copied().unwrap_or_default();
                square += weight * weight;
                memory.terms.entry(term).or_default().push((at as u32, weight));
            }
            let length = square.sqrt();
            memory.texts.push(Text { agent, counts, length, sense: Sense::of(text) });
        }
        for one in known {
            let Some(done) = memory.done.get_mut(one.agent) else { continue };
            let Some(outcome) = one.outcome else { continue };
            done.well += one.fresh * f64::from(u8::from(outcome == Outcome::Success));
            done.all += one.fresh;
            done.outcomes += 1;
        }
        memory
    }

    /// Returns how much nearer the requests of each agent are than what it says of itself; less than
    /// 0 where they speak against it.
    ///
    /// It is the likelihood of the request among those of one agent, so that whoever did much is
    /// not nearer to everything: nearness is averaged, and only the near ones weigh.
    pub(super) fn nearness(&self, text: &str) -> Vec<f64> {
        let mut gained = vec![0.0; self.done.len()];
        if self.is_empty {
            return gained;
        }
        let mut known = vec![Likelihood::default(); self.done.len()];
        for (at, (one, near)) in self.texts.iter().zip(self.near(text)).enumerate() {
            let known = &mut known[one.agent];
            let likely = (near / NEARER).exp();
            if one.counts > 0.0 {
                known.well += one.counts * likely;
                known.count += one.counts;
            } else {
                // What is far away went badly for its own reasons.
                known.badly -= one.counts * (likely - 1.0).max(0.0);
            }
            if at < gained.len() {
                known.own = near;
            }
        }
        for (gained, known) in gained.iter_mut().zip(known) {
            let likely = NEARER * (known.well / known.count).ln() - known.own;
            let left = 1.0 - known.badly / known.well;
            let lost = NEARER * left.max((-BADLY / NEARER).exp()).ln();
            *gained = likely.max(-ELSEWHERE) + lost;
        }
        gained
    }

    /// Returns how near each text is, 0 to 1.
    fn near(&self, text: &str) -> Vec<f64> {
        let unknown = (1.0 + self.texts.len() as f64).ln();
        let mut products = vec![0.0; self.texts.len()];
        let mut square = 0.0;
        for (term, times) in terms(text) {
            let weight = times * self.worth.get(&term).copied().unwrap_or(unknown);
            square += weight * weight;
            for (at, other) in self.terms.get(&term).into_iter().flatten() {
                products[*at as usize] += weight * other;
            }
        }
        let length: f64 = square.sqrt();
        let sense = Sense::of(text);
        let near = self.texts.iter().zip(products).map(|(one, product)| {
            let both = length * one.length;
            let by_words = if both > 0.0 { product / both } else { 0.0 };
            let by_meaning = sense.likeness(&one.sense);
            (1.0 - MEANING) * by_words + MEANING * by_meaning
        });
        near.collect()
    }

    /// Returns how often an agent did well, drawn towards what is usual where little is known;
    /// nothing where nothing is known.
    pub(super) fn performance(&self, agent: usize) -> Option<f64> {
        let done = self.done.get(agent).filter(|done| done.outcomes > 0)?;
        Some((done.well + PRIOR.0) / (done.all + PRIOR.1))
    }

    /// Returns how many outcomes of an agent are remembered.
    pub(super) fn outcomes(&self, agent: usize) -> usize {
        self.done.get(agent).map_or(0, |done| done.outcomes)
    }
}

/// Returns the words and topics of a request, and how much each says.
fn terms(text: &str) -> BTreeMap<String, f64> {
    let stems = words::stems(text);
    let mut terms = BTreeMap::new();
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
