//! Who gets a piece of work: the agent that says most of what the work is about.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::details;
use super::examples;
use super::index::{Field, Index, Query};
use super::memory::{self, Memory};
use super::sense::Sense;
use crate::domain::agent::{Agent, Remembered};

/// Name, description, what else its author says, and what it is told.
const FIELDS: [Field; 4] = [
    Field { weight: 2.0, topic_weight: 2.0, length_loss: 0.3 },
    Field { weight: 1.2, topic_weight: 1.2, length_loss: 0.6 },
    Field { weight: 0.6, topic_weight: 0.4, length_loss: 0.6 },
    Field { weight: 1.5, topic_weight: 0.0, length_loss: 0.6 },
];
/// What requests that are remembered or given as examples count for at the most.
const MEMORY: f64 = 40.0;
/// What an agent whose name and whose description mean the same as the request counts for, beside
/// its words. Of a name that means nothing, nothing can be told.
const SENSES: [f64; 2] = [4.0, 12.0];
/// How much the details of a request count beside what it asks for.
const DETAILS: f64 = 0.5;
/// How much kind and field of the work count beside its words.
const PRIOR: f64 = 0.25;
/// A score at which an agent is thought to be rather able.
const ABLE: f64 = 12.0;
/// A lower score says nothing; to take a field of work says as much as this.
const SCORE_MIN: f64 = 4.5;
/// Below this part of the best score of all agents, nobody among the candidates is suitable.
const PART_MIN: f64 = 0.2;
/// Added to the best score of all before it is compared, so that weak scores decide nothing.
const PART_BASE: f64 = 4.0;
/// Whoever is within this part of the best score is as good, and load and past decide.
const MARGIN: f64 = 0.08;
/// A margin at which the first one is rather sure: so that of the choices with a confidence of one
/// half and more about nine in ten are right.
const APART: f64 = 0.25;
/// How much of a score a full load and a bad past can take, within the margin.
const LOAD_LOSS: f64 = 0.06;
const PAST_LOSS: f64 = 0.10;
/// How bad the past of somebody is thought to be of whom nothing is known.
const PAST_UNKNOWN: f64 = 0.10;
/// How much of what the first one says already is taken off those behind it.
const AGAIN: f64 = 0.4;
/// So many agents are named at the most.
const RANKED_MAX: usize = 10;
/// So many reasons are given for each.
const REASONS_MAX: usize = 4;

/// Finds agents for work.
#[derive(Debug, Clone)]
pub struct Selector {
    agents: Vec<Known>,
    index: Index,
    memory: Memory,
    /// What their names and their descriptions mean.
    senses: Vec<[Sense; 2]>,
}

#[derive(Debug, Clone)]
struct Known {
    id: String,
    name: String,
    domains: Vec<String>,
}

/// A piece of work that somebody is wanted for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// What is to be done, in words.
    pub text: &'a str,
    /// What kind of work it is, where that is known.
    pub kind: &'a str,
    /// The field of work, where that is known.
    pub domain: &'a str,
    /// The names of those who may be chosen; anybody where nothing is said.
    pub candidates: Option<&'a [String]>,
    /// How busy agents are, by name, in percent.
    pub loads: Option<&'a BTreeMap<String, u32>>,
}

/// Who is suitable, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Selection {
    /// How clear the choice is.
    pub verdict: Suitable,
    /// How sure the choice of the first one is, 0 to 1.
    pub confidence: f64,
    /// How far the second one is behind, as a part of the first one's score.
    pub margin: f64,
    /// Who comes next where nobody is suitable, or why one was preferred.
    pub reasons: Vec<String>,
    /// The best first; empty where nobody is suitable.
    pub agents: Vec<Chosen>,
}

/// How clear a choice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Suitable {
    /// One is clearly better than the others.
    Clear,
    /// Several are about as good.
    Close,
    /// Nobody is suitable.
    Nobody,
}

/// An agent that could do it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chosen {
    /// Its name.
    pub name: String,
    /// Its id in the registry.
    pub id: String,
    /// What decides: capability, and within the margin load and past.
    pub score: f64,
    /// How well it says that it can do it, 0 to 1.
    pub capability: f64,
    /// How busy it is, in percent, where that is known.
    pub load: Option<u32>,
    /// How often it did well, in percent, where that is known.
    pub perf: Option<u32>,
    /// The words, topics and outcomes that speak for it.
    pub reasons: Vec<String>,
}

impl Chosen {
    /// Returns the three numbers as people read them.
    pub fn figures(&self) -> String {
        let percent = |part: Option<u32>| part.map_or("unknown".to_owned(), |p| format!("{p}%"));
        format!(
            "capability: {:.2}, load: {}, perf: {}",
            self.capability,
            percent(self.load),
            percent(self.perf)
        )
    }
}

impl Selector {
    /// Makes a selector for some agents that has learned from what is remembered, all of it as if
    /// it were new.
    pub fn of(agents: &[Agent], remembered: &[Remembered]) -> Self {
        Self::learned(agents, remembered, &|_| 1.0)
    }

    /// Makes a selector as of a time: an outcome counts less the older it is, and one without a time
    /// counts as if it were new.
    pub fn at(agents: &[Agent], remembered: &[Remembered], now_ms: i64) -> Self {
        let age = |one: &Remembered| one.at_ms.map(|at_ms| now_ms.saturating_sub(at_ms));
        Self::learned(agents, remembered, &|one| age(one).map_or(1.0, memory::fresh))
    }

    fn learned(
        agents: &[Agent],
        remembered: &[Remembered],
        fresh: &dyn Fn(&Remembered) -> f64,
    ) -> Self {
        let texts: Vec<Vec<String>> = agents
            .iter()
            .map(|agent| {
                let said = [&agent.keywords, &agent.domains].map(|list| list.join(" ")).join(" ");
                vec![
                    agent.name.clone(),
                    agent.description.clone(),
                    format!("{} {said}", agent.category),
                    agent.body.clone(),
                ]
            })
            .collect();
        let mut place = HashMap::new();
        for (at, agent) in agents.iter().enumerate() {
            for name in [&agent.name, &agent.id] {
                place.entry(name.to_lowercase()).or_insert(at);
            }
        }
        let examples = agents.iter().enumerate().flat_map(|(at, agent)| {
            let found = examples::of(&agent.description, &agent.body).into_iter();
            found.map(move |request| memory::Known {
                agent: at,
                request,
                outcome: None,
                fresh: 1.0,
            })
        });
        let learned = remembered.iter().filter_map(|one| {
            let agent = *place.get(&one.agent.to_lowercase())?;
            Some(memory::Known {
                agent,
                request: &one.request,
                outcome: Some(one.outcome),
                fresh: fresh(one),
            })
        });
        let requests: Vec<memory::Known<'_>> = examples.chain(learned).collect();
        let known = |agent: &Agent| Known {
            id: agent.id.clone(),
            name: agent.name.clone(),
            domains: agent.domains.clone(),
        };
        let short: Vec<String> =
            texts.iter().map(|texts| format!("{} {}", texts[0], texts[1])).collect();
        Self {
            agents: agents.iter().map(known).collect(),
            index: Index::of(&FIELDS, &texts),
            senses: texts.iter().map(|texts| meaning(&texts[0], &texts[1])).collect(),
            memory: Memory::of(&requests, &short),
        }
    }

    /// Returns how many agents can be chosen.
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Tells whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// Returns how often one did well, in percent, where that is known.
    pub fn performance(&self, name: &str) -> Option<u32> {
        let at = self.agents.iter().position(|agent| agent.name == name)?;
        self.memory.performance(at).map(|part| (part * 100.0).round() as u32)
    }

    /// Chooses.
    pub fn select(&self, wanted: &Wanted<'_>) -> Selection {
        let query = Query::of(wanted.text);
        let scores = self.scores(&query, wanted);
        let best_of_all = scores.iter().copied().fold(0.0, f64::max);
        let ranked = self.ranked(&scores, wanted.candidates);
        let Some((first, top)) = ranked.first().copied() else {
            return nobody("there is nobody to choose from");
        };
        if query.is_empty() || best_of_all < SCORE_MIN {
            return nobody("no agent says anything of this");
        }
        if top < SCORE_MIN.max(PART_MIN * (best_of_all + PART_BASE)) {
            let better = self.ranked(&scores, None).first().map_or(first, |(at, _)| *at);
            let better = &self.agents[better].name;
            return nobody(&format!("none of the candidates is for this; {better} would be"));
        }
        let second = ranked.get(1).map_or(0.0, |(_, score)| *score);
        let margin = (top - second) / top;
        let mut agents: Vec<Chosen> = ranked
            .iter()
            .take(RANKED_MAX)
            .map(|(at, score)| self.choice(*at, *score, &query, wanted))
            .collect();
        let reasons = settle(&mut agents, top);
        self.spread(&mut agents, &query);
        let verdict = if margin >= MARGIN { Suitable::Clear } else { Suitable::Close };
        Selection { verdict, confidence: confidence(top, margin), margin, reasons, agents }
    }

    /// Compares the candidates by what they say of themselves, whether any is suitable or not. What
    /// they did before is left out: of equals the one that began would get everything.
    pub(super) fn compare(&self, wanted: &Wanted<'_>) -> Vec<Chosen> {
        let query = Query::of(wanted.text);
        let scores = self.said(&query, wanted);
        let ranked = self.ranked(&scores, wanted.candidates).into_iter();
        ranked.map(|(at, score)| self.choice(at, score, &query, wanted)).collect()
    }

    /// Scores every agent.
    fn scores(&self, query: &Query, wanted: &Wanted<'_>) -> Vec<f64> {
        let mut scores = self.said(query, wanted);
        let near = with_details(wanted.text, |text| self.memory.nearness(text));
        for (score, near) in scores.iter_mut().zip(near) {
            *score += MEMORY * near;
        }
        scores
    }

    /// Scores every agent by what it says of itself.
    fn said(&self, query: &Query, wanted: &Wanted<'_>) -> Vec<f64> {
        let mut scores = with_details(wanted.text, |text| match text == wanted.text {
            true => self.by_text(query, text),
            false => self.by_text(&Query::of(text), text),
        });
        if !wanted.kind.is_empty() || !wanted.domain.is_empty() {
            let prior = Query::of(&format!("{} {}", wanted.kind, wanted.domain));
            for (score, part) in scores.iter_mut().zip(self.index.scores(&prior)) {
                *score += PRIOR * part;
            }
            for (score, agent) in scores.iter_mut().zip(&self.agents) {
                if agent.domains.iter().any(|domain| domain == wanted.domain) {
                    *score += SCORE_MIN;
                }
            }
        }
        scores
    }

    /// Scores every agent by its words and by what they mean.
    fn by_text(&self, query: &Query, text: &str) -> Vec<f64> {
        let mut scores = self.index.scores(query);
        let sense = Sense::of(text);
        for (score, said) in scores.iter_mut().zip(&self.senses) {
            for (counts, part) in SENSES.iter().zip(said) {
                *score += counts * sense.likeness(part).max(0.0);
            }
        }
        scores
    }

    /// Returns agents and scores, the best first, each name once.
    fn ranked(&self, scores: &[f64], candidates: Option<&[String]>) -> Vec<(usize, f64)> {
        let may = |agent: &Known| {
            let is = |name: &String| *name == agent.name || *name == agent.id;
            candidates.is_none_or(|names| names.iter().any(is))
        };
        let mut order: Vec<usize> = (0..self.agents.len())
            .filter(|at| may(&self.agents[*at]) && (candidates.is_some() || scores[*at] > 0.0))
            .collect();
        order.sort_by(|a, b| {
            scores[*b]
                .total_cmp(&scores[*a])
                .then_with(|| self.agents[*a].id.cmp(&self.agents[*b].id))
        });
        let mut seen = HashSet::new();
        order.retain(|at| seen.insert(self.agents[*at].name.as_str()));
        order.into_iter().map(|at| (at, scores[at])).collect()
    }

    /// Puts that one second which adds most to the first one: who says the same again as the first
    /// one is of less use beside it than who speaks of another part of the request.
    fn spread(&self, agents: &mut [Chosen], query: &Query) {
        let hits = |chosen: &Chosen| -> BTreeMap<(bool, String), f64> {
            let at = self.agents.iter().position(|agent| agent.id == chosen.id);
            let hits = at.map(|at| self.index.hits(query, at)).unwrap_or_default();
            hits.into_iter().map(|hit| ((hit.is_topic, hit.what), hit.score)).collect()
        };
        let Some((first, others)) = agents.split_first_mut() else { return };
        let said = hits(first);
        let adds = |other: &Chosen| {
            let again = hits(other).into_iter();
            let again = again.filter_map(|(what, score)| Some(said.get(&what)?.min(score)));
            other.score - AGAIN * again.sum::<f64>()
        };
        let added = others.iter().map(adds).enumerate();
        // Of equals the one that was before.
        let most = added.reduce(|most, other| if other.1 > most.1 { other } else { most });
        if let Some((at, _)) = most {
            others[..=at].rotate_right(1);
        }
    }

    fn choice(&self, at: usize, score: f64, query: &Query, wanted: &Wanted<'_>) -> Chosen {
        let agent = &self.agents[at];
        let load = wanted.loads.and_then(|loads| loads.get(&agent.name).copied());
        let perf = self.memory.performance(at);
        let hits = self.index.hits(query, at).into_iter().take(REASONS_MAX);
        let mut reasons: Vec<String> = hits
            .map(|hit| match hit.is_topic {
                true => format!("it is about {}", hit.what),
                false => format!("it says {:?}", hit.what),
            })
            .collect();
        let outcomes = self.memory.outcomes(at);
        if outcomes > 0 {
            let are = if outcomes == 1 { "is" } else { "are" };
            reasons.push(format!("{outcomes} of its outcomes {are} remembered"));
        }
        if agent.domains.iter().any(|domain| domain == wanted.domain) {
            reasons.push(format!("it takes {} work", wanted.domain));
        }
        let percent = |part: f64| (part * 100.0).round() as u32;
        Chosen {
            name: agent.name.clone(),
            id: agent.id.clone(),
            score: score.max(0.0),
            capability: 1.0 - (-score.max(0.0) / ABLE).exp(),
            load,
            perf: perf.map(percent),
            reasons,
        }
    }
}

/// Lets load and past decide among those within the margin, and says so.
pub(super) fn settle(agents: &mut [Chosen], top: f64) -> Vec<String> {
    let lost = |choice: &Chosen| {
        let load = f64::from(choice.load.unwrap_or(0).min(100)) / 100.0;
        let past = choice.perf.map_or(PAST_UNKNOWN, |perf| 1.0 - f64::from(perf.min(100)) / 100.0);
        1.0 - LOAD_LOSS * load - PAST_LOSS * past
    };
    let close = agents.iter().take_while(|choice| choice.score >= top * (1.0 - MARGIN)).count();
    let before = agents.first().map(|choice| choice.name.clone());
    for choice in &mut *agents {
        choice.score *= lost(choice);
    }
    agents[..close].sort_by(|a, b| b.score.total_cmp(&a.score));
    match (before, agents.first()) {
        (Some(before), Some(first)) if before != first.name => {
            vec![format!("{} is as able as {before}, and load and past speak for it", first.name)]
        }
        _ => Vec::new(),
    }
}

/// What name and description mean; a name alone has to stand for both.
fn meaning(name: &str, description: &str) -> [Sense; 2] {
    let described = if description.trim().is_empty() { name } else { description };
    [Sense::of(name), Sense::of(described)]
}

/// Scores a text so that its details count only in part.
fn with_details(text: &str, score: impl Fn(&str) -> Vec<f64>) -> Vec<f64> {
    let mut scores = score(text);
    if let Some(asked) = details::left_out(text) {
        for (score, part) in scores.iter_mut().zip(score(&asked)) {
            *score = DETAILS * *score + (1.0 - DETAILS) * part;
        }
    }
    scores
}

fn nobody(reason: &str) -> Selection {
    Selection {
        verdict: Suitable::Nobody,
        confidence: 0.0,
        margin: 0.0,
        reasons: vec![reason.to_owned()],
        agents: Vec::new(),
    }
}

/// How sure a choice is, by how much speaks for it and how far the next one is behind.
fn confidence(top: f64, margin: f64) -> f64 {
    let able = 1.0 - (-top / ABLE).exp();
    let apart = 1.0 - (-margin / APART).exp();
    (0.2 + 0.8 * apart) * able
}

#[cfg(test)]
mod tests;
