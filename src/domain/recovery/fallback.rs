//! Another agent: who was configured for it, else whoever takes most of the same fields of work
//! (S0-55, S0-84).

use std::cmp::Reverse;

use super::{Answer, Situation, Strategy};
use crate::domain::event::{Event, Reassigned};
use crate::domain::ids::AgentName;
use crate::domain::plan::{Orchestration, RunKind, Why};
use crate::domain::policy::{MasterPolicy, Policy};
use crate::domain::report::Category;
use crate::domain::state::{CircuitPhase, State};

pub(super) const STRATEGY: Strategy = Strategy { name: "fallback", answer };

/// An agent that could take a subtask over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub agent: AgentName,
    /// Of the fields of work of the master that the plan names, so many percent are its own too.
    pub score_percent: u32,
    /// What speaks for it.
    pub reasons: Vec<String>,
}

impl Candidate {
    /// Returns its name and score as people read them: `code-reviewer (0.75)`.
    pub fn text(&self) -> String {
        format!("{} ({}.{:02})", self.agent, self.score_percent / 100, self.score_percent % 100)
    }
}

fn answer(situation: &Situation<'_>, policy: &Policy) -> Option<Answer> {
    let Situation { state, run, position, failure, .. } = situation;
    let is_answer = match failure.category {
        Category::Transient | Category::CodeError => true,
        // Where it never began nothing is known to be missing for another agent.
        Category::Blocker => situation.attempt.started.is_none(),
        Category::DesignFlaw | Category::Critical => false,
    };
    let given = run.runs[*position].agents_before.len();
    if !is_answer || given >= usize::try_from(policy.recovery.fallbacks_max).unwrap_or(usize::MAX) {
        return None;
    }
    let candidates = candidates(state, policy, run, *position);
    let times = situation.failures_here();
    let evidence = format!(
        "failed {times} time{} on {}: {}",
        if times == 1 { "" } else { "s" },
        run.agent_of(*position),
        failure.message
    );
    let reassigned = reassigned(run, *position, &candidates, evidence)?;
    let why = reassigned.why.clone();
    Some(Answer { why, events: vec![Event::SubtaskReassigned(reassigned)] })
}

/// Gives a subtask to the best of the candidates.
pub(in crate::domain) fn reassigned(
    run: &Orchestration,
    position: usize,
    candidates: &[Candidate],
    evidence: String,
) -> Option<Reassigned> {
    let (best, others) = candidates.split_first()?;
    let why = Why {
        rule: format!("fallback {}: {}", best.text(), best.reasons.join("; ")),
        evidence,
        alternatives: others.iter().map(Candidate::text).collect(),
    };
    Some(Reassigned {
        orchestration_id: run.id.clone(),
        subtask_id: run.plan.subtasks[position].subtask_id.clone(),
        from: run.agent_of(position).clone(),
        assigned_to: best.agent.clone(),
        why,
    })
}

/// Returns who could take a subtask over, the best first: those that the configuration of the
/// master that has it by the plan names, in their order; where it names none, every master that
/// takes any of the same fields of work: in the order in which the plan ranked them (S0-26), then by
/// how many of the fields, then by how little it has to do, then by name. Left out are those who had it, who are given nothing at present, and who take no part
/// in plans.
pub fn candidates(
    state: &State,
    policy: &Policy,
    run: &Orchestration,
    position: usize,
) -> Vec<Candidate> {
    let present = run.agent_of(position);
    let planned = &run.plan.subtasks[position].assigned_to;
    let Some(model) = model(policy, planned, present) else { return Vec::new() };
    let before = &run.runs[position].agents_before;
    let is_free = |agent: &AgentName, master: &MasterPolicy| {
        let circuit = state.circuits.get(agent).map(|circuit| &circuit.phase);
        agent != present
            && !before.contains(agent)
            && !matches!(circuit, Some(CircuitPhase::Open { .. }))
            && master.attempts_active_max > 0
            && (run.kind == RunKind::Routed || master.orchestration_enabled)
    };
    let mut found = takers(policy, planned, model, &is_free);
    if model.fallbacks.is_empty() {
        let choice = &run.plan.subtasks[position].choice;
        let place = |agent: &AgentName| choice.place_of(agent.as_str());
        found.sort_by_key(|c| {
            let place = place(&c.agent).unwrap_or(usize::MAX);
            (place, Reverse(c.score_percent), state.attempts_of(&c.agent), c.agent.clone())
        });
        for candidate in &mut found {
            if let Some(place) = place(&candidate.agent) {
                let figures = choice.masters[place].figures();
                candidate.reasons.push(format!("number {} of the plan: {figures}", place + 1));
            }
        }
    }
    found
}

/// Tells whether the configuration lets anybody take over what the plan gives to `planned` and
/// `present` has, whoever had it before and however they are now.
pub(in crate::domain) fn may_go_on(
    policy: &Policy,
    planned: &AgentName,
    present: &AgentName,
) -> bool {
    let is_other = |agent: &AgentName, _: &MasterPolicy| agent != present;
    let model = model(policy, planned, present);
    model.is_some_and(|model| !takers(policy, planned, model, &is_other).is_empty())
}

/// Returns the master whose work is taken over: whom the plan names, or who has it where there is
/// no such master any more.
fn model<'a>(
    policy: &'a Policy,
    planned: &AgentName,
    present: &AgentName,
) -> Option<&'a MasterPolicy> {
    policy.masters.get(planned).or_else(|| policy.masters.get(present))
}

/// Returns those of the masters that are free who take the work that the plan gives to `planned`.
fn takers(
    policy: &Policy,
    planned: &AgentName,
    model: &MasterPolicy,
    is_free: &dyn Fn(&AgentName, &MasterPolicy) -> bool,
) -> Vec<Candidate> {
    let candidate = |agent: &AgentName, configured: Option<usize>| {
        let master = policy.masters.get(agent).filter(|master| is_free(agent, master))?;
        let shared: Vec<&str> = model
            .domains
            .iter()
            .filter(|d| master.domains.contains(d))
            .map(String::as_str)
            .collect();
        let score_percent = percent(shared.len(), model.domains.len());
        let named = configured.map(|nth| format!("named as fallback {} of {planned}", nth + 1));
        let shares = (!shared.is_empty()).then(|| {
            let all = model.domains.len();
            format!("takes {} of {all} fields of {planned}: {}", shared.len(), shared.join(", "))
        });
        let reasons: Vec<String> = named.into_iter().chain(shares).collect();
        (!reasons.is_empty()).then(|| Candidate { agent: agent.clone(), score_percent, reasons })
    };
    if model.fallbacks.is_empty() {
        policy.masters.keys().filter_map(|agent| candidate(agent, None)).collect()
    } else {
        let named = model.fallbacks.iter().enumerate();
        named.filter_map(|(nth, agent)| candidate(agent, Some(nth))).collect()
    }
}

fn percent(part: usize, whole: usize) -> u32 {
    let whole = whole.max(1);
    u32::try_from((part * 100 + whole / 2) / whole).unwrap_or(100)
}
