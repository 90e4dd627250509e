//! What is done about a failure: the first strategy on the roster that answers.

mod compensate;
mod escalate;
mod replan;
mod retry;
mod split;

pub(super) use compensate::roll_back;
pub(super) use escalate::blocked;

use super::event::{Decided, Event};
use super::moment::Moment;
use super::plan::{Orchestration, Why};
use super::policy::Policy;
use super::report::Failure;
use super::state::State;
use super::worker::Attempt;

/// A failed attempt and what surrounds it, as it was before the failure is applied.
pub struct Situation<'a> {
    /// Everything else that is known.
    pub state: &'a State,
    /// The run.
    pub run: &'a Orchestration,
    /// The subtask's position in it.
    pub position: usize,
    /// The attempt that failed.
    pub attempt: &'a Attempt,
    /// How it failed.
    pub failure: &'a Failure,
    /// When that became known.
    pub now: Moment,
}

/// One way to go on after a failure.
pub struct Strategy {
    /// Its name, as events and explanations show it.
    pub name: &'static str,
    /// Answers, or leaves it to the next strategy.
    pub answer: fn(&Situation<'_>, &Policy) -> Option<Answer>,
}

/// What a strategy does, and why.
pub struct Answer {
    /// The rule, the evidence and what else was possible.
    pub why: Why,
    /// What follows.
    pub events: Vec<Event>,
}

/// Every strategy, in the order in which they are asked. The last always answers.
pub const ROSTER: &[&Strategy] = &[
    &retry::STRATEGY,
    &split::STRATEGY,
    &replan::STRATEGY,
    &compensate::STRATEGY,
    &escalate::STRATEGY,
];

/// Returns what follows from a failure: why it was decided so, then the events of that decision.
pub fn recover(situation: &Situation<'_>, policy: &Policy) -> Vec<Event> {
    asked(ROSTER, situation, policy)
}

/// Returns what follows when what a strategy had decided for the subtask at `position` cannot be:
/// those after it are asked about the same failure.
pub(super) fn go_on(
    state: &State,
    policy: &Policy,
    (run, position): (&Orchestration, usize),
    after: &str,
    now: Moment,
) -> Vec<Event> {
    let rest = ROSTER.iter().position(|strategy| strategy.name == after).map_or(0, |at| at + 1);
    // As it was before the failure was applied.
    let mut before = run.clone();
    let subtask = &mut before.runs[position];
    subtask.failures = subtask.failures.saturating_sub(1);
    let attempts = &run.runs[position].attempts;
    let Some((attempt, failure)) = attempts.last().and_then(|last| Some((last, last.failure()?)))
    else {
        return vec![blocked(run, position, format!("{after} is not possible"))];
    };
    let situation = Situation { state, run: &before, position, attempt, failure, now };
    asked(&ROSTER[rest..], &situation, policy)
}

fn asked(roster: &[&Strategy], situation: &Situation<'_>, policy: &Policy) -> Vec<Event> {
    let Some((strategy, answer)) =
        roster.iter().find_map(|strategy| Some((strategy, (strategy.answer)(situation, policy)?)))
    else {
        return Vec::new();
    };
    let decided = Event::RecoveryDecided(Decided {
        orchestration_id: situation.run.id.clone(),
        subtask_id: situation.run.plan.subtasks[situation.position].subtask_id.clone(),
        strategy: strategy.name.to_owned(),
        why: answer.why,
    });
    [decided].into_iter().chain(answer.events).collect()
}

impl Situation<'_> {
    /// Returns how often the subtask has failed, this time included.
    pub fn failures(&self) -> u32 {
        self.run.runs[self.position].failures + 1
    }
}
