//! Who gets a step: the master of its field of work; where several are, the one that is most able,
//! and within a margin the one that has less to do and did better.

use std::collections::BTreeMap;

use super::rank::{Chosen, Wanted, settle};
use crate::domain::Policy;
use crate::domain::ids::AgentName;
use crate::domain::plan::{Choice, Ranked, Why};
use crate::domain::policy::MasterPolicy;
use crate::domain::validate::suggest::did_you_mean;
use crate::planner::Surroundings;
use crate::planner::lexicon::lexicon;

/// How much less able a master is for each field that it names before this one.
const PLACE_LOSS: f64 = 0.1;
/// The least that one can be who takes the field.
const FIELD_MIN: f64 = 0.5;
/// What one can be who stands in for the first of the substitutes, and what each further one loses.
const SUBSTITUTE: f64 = 0.45;
/// What one is thought to be who takes nothing like it.
const STRANGER: f64 = 0.1;
/// How much of being able is what a master says of itself and did before; the rest is its fields.
const SAID_PART: f64 = 0.3;
/// So many are kept beside the one that is chosen.
const FALLBACKS_MAX: usize = 3;
/// Whoever is less than this part as able as the first specialist cannot stand in for it.
const FALLBACK_PART_MIN: f64 = 0.5;
/// A specialist that is less sure than this is none.
const SPECIALIST_CONFIDENCE_MIN: f64 = 0.25;

/// Whether the work is a whole task or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::planner) enum Share {
    /// A whole task: any master.
    Whole,
    /// A part of a plan: only masters that take parts.
    Part,
}

/// A master that was chosen, and why.
#[derive(Debug, Clone)]
pub(in crate::planner) struct Chose {
    pub(in crate::planner) master: AgentName,
    pub(in crate::planner) why: Why,
    /// Who else could do it.
    pub(in crate::planner) choice: Choice,
}

impl Chose {
    /// Says why the specialist was chosen, where one was.
    pub(in crate::planner) fn why_specialist(&self) -> Option<Why> {
        specialist(&self.choice)
    }
}

/// Says why the first of the specialists was chosen.
pub(in crate::planner) fn specialist(choice: &Choice) -> Option<Why> {
    let (first, others) = choice.specialists.split_first()?;
    let mut evidence = format!("{} ({})", first.agent, first.figures());
    if !first.reasons.is_empty() {
        evidence = format!("{evidence}: {}", first.reasons.join("; "));
    }
    let mut why = Why::new("S0-24 specialist", evidence);
    why.alternatives = others.iter().map(Ranked::text).collect();
    Some(why)
}

/// A piece of work that a master is wanted for.
#[derive(Debug, Clone, Copy)]
pub(in crate::planner) struct Work<'a> {
    /// What is to be done, in words.
    pub(in crate::planner) text: &'a str,
    /// What kind of work it is.
    pub(in crate::planner) kind: &'a str,
    /// The field of work.
    pub(in crate::planner) domain: &'a str,
    /// What goes on at the same time, as the number of its stage.
    pub(in crate::planner) stage: usize,
    pub(in crate::planner) share: Share,
}

/// Chooses masters for the steps of one plan.
pub(in crate::planner) struct Masters<'a> {
    policy: &'a Policy,
    surroundings: &'a Surroundings,
    /// Whom the author asks for.
    wanted: Option<&'a AgentName>,
    /// How many steps of a stage each was given: what goes on at the same time is shared out (S0-25).
    given: BTreeMap<(usize, AgentName), usize>,
}

impl<'a> Masters<'a> {
    pub(in crate::planner) fn new(
        policy: &'a Policy,
        surroundings: &'a Surroundings,
        wanted: Option<&'a AgentName>,
    ) -> Self {
        Self { policy, surroundings, wanted, given: BTreeMap::new() }
    }

    /// Chooses the master for a step, and the specialists; nothing if there is no master at all.
    ///
    /// The author's own choice comes first where it fits the field. Otherwise those that take the
    /// field come first, then those of the fields that can stand in, then any.
    pub(in crate::planner) fn choose(&mut self, work: &Work<'_>) -> Option<Chose> {
        let tiers = self.tiers(work);
        let (fields, first) = tiers.iter().find(|(_, tier)| !tier.is_empty())?;
        let mut ranked = self.ranked(work, first);
        let mut preferred = settle_masters(&mut ranked);
        let is_wanted = |chosen: &Chosen| self.wanted.is_some_and(|w| w.as_str() == chosen.name);
        if let Some(at) = ranked.iter().position(is_wanted) {
            ranked[..=at].rotate_right(1);
            preferred = Some("its author asks for it".to_owned());
        }
        let master = AgentName::parse(&ranked.first()?.name).ok()?;
        *self.given.entry((work.stage, master.clone())).or_default() += 1;
        let competed = ranked.len() > 1;
        let best = tiers.iter().skip_while(|(at, _)| at <= fields).flat_map(|(_, tier)| tier);
        ranked.extend(self.ranked(work, &best.copied().collect::<Vec<_>>()));
        ranked.truncate(1 + FALLBACKS_MAX);
        let masters: Vec<Ranked> = ranked.into_iter().map(kept).collect();
        let mut evidence = self.evidence(work.domain, *fields, &master);
        let is_known = masters[0].load_percent.is_some_and(|load| load > 0)
            || masters[0].perf_percent.is_some();
        if competed || is_known {
            evidence = format!("{evidence} ({})", masters[0].figures());
        }
        if let Some(preferred) = preferred {
            evidence = format!("{evidence}; {preferred}");
        }
        let mut why = Why::new("S4-18 master by domain", evidence);
        why.alternatives = masters[1..].iter().map(Ranked::text).collect();
        let specialists = self.specialists(work);
        Some(Chose { master, why, choice: Choice { masters, specialists } })
    }

    /// Returns the agents of the registry that are suitable to carry a step out.
    pub(in crate::planner) fn specialists(&self, work: &Work<'_>) -> Vec<Ranked> {
        let Some(agents) = self.surroundings.agents.as_ref() else { return Vec::new() };
        let Work { text, kind, domain, .. } = *work;
        let selection = agents.select(&Wanted { text, kind, domain, ..Wanted::default() });
        if selection.confidence < SPECIALIST_CONFIDENCE_MIN {
            return Vec::new();
        }
        let mut ranked = selection.agents;
        // Whoever stands in has to do the same, and not to add to it.
        if let Some((_, others)) = ranked.split_first_mut() {
            others.sort_by(|a, b| b.score.total_cmp(&a.score));
        }
        let least = ranked.first().map_or(0.0, |first| first.capability * FALLBACK_PART_MIN);
        ranked.retain(|chosen| chosen.capability >= least);
        ranked.truncate(1 + FALLBACKS_MAX);
        ranked.into_iter().map(kept).collect()
    }

    /// Returns the masters by how near their fields are: own, substitutes, none; the number of a
    /// tier is that of the substitute, from 1.
    fn tiers(&self, work: &Work<'_>) -> Vec<(usize, Vec<(&'a AgentName, f64)>)> {
        let open =
            |settings: &MasterPolicy| work.share == Share::Whole || settings.orchestration_enabled;
        let fields = with_substitutes(work.domain);
        let mut tiers = vec![(0, Vec::new()); fields.len() + 1];
        for (number, tier) in tiers.iter_mut().enumerate() {
            tier.0 = number;
        }
        for (name, settings) in self.policy.masters.iter().filter(|(_, s)| open(s)) {
            let place = |field: &str| settings.domains.iter().position(|own| own == field);
            let found = fields.iter().enumerate().find_map(|(at, field)| Some((at, place(field)?)));
            let (tier, able) = match found {
                Some((0, place)) => (0, (1.0 - PLACE_LOSS * place as f64).max(FIELD_MIN)),
                Some((at, place)) => {
                    let lost = PLACE_LOSS / 2.0 * (at - 1 + place) as f64;
                    (at, (SUBSTITUTE - lost).max(STRANGER))
                }
                None => (fields.len(), STRANGER),
            };
            tiers[tier].1.push((name, able));
        }
        tiers
    }

    /// Returns masters of one tier, the most able first.
    fn ranked(&self, work: &Work<'_>, tier: &[(&AgentName, f64)]) -> Vec<Chosen> {
        let said = self.said(work, tier);
        let mut ranked: Vec<Chosen> = tier
            .iter()
            .map(|(name, by_field)| {
                let own = said.iter().find(|chosen| chosen.name == name.as_str());
                let able = match (own, said.is_empty()) {
                    (_, true) => *by_field,
                    (own, false) => {
                        let said = own.map_or(0.0, |chosen| chosen.capability);
                        by_field * (1.0 - SAID_PART) + said * SAID_PART * by_field
                    }
                };
                Chosen {
                    name: name.to_string(),
                    id: name.to_string(),
                    score: able,
                    capability: able,
                    load: self.load(work.stage, name),
                    perf: self.surroundings.performance(name.as_str()),
                    reasons: own.map(|chosen| chosen.reasons.clone()).unwrap_or_default(),
                }
            })
            .collect();
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.name.cmp(&b.name)));
        ranked
    }

    /// Returns how well masters fit by what they say of themselves; nothing where they say nothing.
    fn said(&self, work: &Work<'_>, tier: &[(&AgentName, f64)]) -> Vec<Chosen> {
        let describes = |name: &AgentName| {
            self.policy.masters.get(name).is_some_and(|master| !master.description.is_empty())
        };
        let Some(masters) = self.surroundings.masters.as_ref().filter(|_| tier.len() > 1) else {
            return Vec::new();
        };
        if !tier.iter().any(|(name, _)| describes(name)) {
            return Vec::new();
        }
        let names: Vec<String> = tier.iter().map(|(name, _)| name.to_string()).collect();
        let Work { text, kind, domain, .. } = *work;
        let candidates = Some(names.as_slice());
        masters.compare(&Wanted { text, kind, domain, candidates, ..Wanted::default() })
    }

    /// Returns how busy a master would be with what it got already.
    fn load(&self, stage: usize, name: &AgentName) -> Option<u32> {
        let now = self.surroundings.loads.get(name.as_str()).copied();
        let given = self.given.get(&(stage, name.clone())).copied().unwrap_or_default();
        let places = self.policy.masters.get(name).map_or(1, |m| m.attempts_active_max.max(1));
        let more = u32::try_from((given * 100).div_ceil(places)).unwrap_or(100);
        (now.is_some() || given > 0).then(|| now.unwrap_or(0).saturating_add(more).min(100))
    }

    fn evidence(&self, domain: &str, tier: usize, master: &AgentName) -> String {
        let fields = with_substitutes(domain);
        match fields.get(tier) {
            Some(field) if tier > 0 => {
                format!("no master takes {domain} work, {master} takes {field}")
            }
            Some(_) => format!("{master} takes {domain} work"),
            None => format!("no master takes {domain} work, {master} is the first there is"),
        }
    }
}

/// Lets load and past decide among the masters that are about as able, and says so.
fn settle_masters(ranked: &mut [Chosen]) -> Option<String> {
    let top = ranked.first().map_or(0.0, |first| first.score);
    settle(ranked, top).into_iter().next()
}

fn kept(chosen: Chosen) -> Ranked {
    let percent = (chosen.capability.clamp(0.0, 1.0) * 100.0).round() as u32;
    Ranked {
        agent: chosen.name,
        capability_percent: percent,
        load_percent: chosen.load,
        perf_percent: chosen.perf,
        reasons: chosen.reasons,
    }
}

/// Returns the master that takes a field of work, whatever else is known of the masters.
pub(in crate::planner) fn master_of(
    domain: &str,
    wanted: Option<&AgentName>,
    policy: &Policy,
) -> Option<AgentName> {
    let nothing = Surroundings::default();
    let work = Work { text: "", kind: "", domain, stage: 0, share: Share::Whole };
    Masters::new(policy, &nothing, wanted).choose(&work).map(|chose| chose.master)
}

/// Looks up the master that an author asks for; real writers also say `development-master`.
///
/// # Errors
/// Reason and remedy, if nobody has that name.
pub(in crate::planner) fn named<'a>(
    name: &str,
    policy: &'a Policy,
) -> Result<&'a AgentName, (String, String)> {
    let names = || policy.masters.keys().map(AgentName::as_str);
    let short = name.strip_suffix("-master").unwrap_or(name);
    let known = policy.masters.get_key_value(name).or_else(|| policy.masters.get_key_value(short));
    known.map(|(name, _)| name).ok_or_else(|| {
        let all: Vec<&str> = names().take(10).collect();
        (
            format!("assigned_to: {name:?} is no known master{}", did_you_mean(name, names())),
            format!("name one of {}, or leave it out", all.join(", ")),
        )
    })
}

/// Returns a field and those whose masters can stand in for it, nearest first.
fn with_substitutes(domain: &str) -> Vec<&str> {
    let known = lexicon().domains.iter().find(|known| known.name == domain);
    let instead = known.map(|known| known.instead.as_slice()).unwrap_or_default();
    std::iter::once(domain).chain(instead.iter().map(String::as_str)).collect()
}

#[cfg(test)]
mod tests;
