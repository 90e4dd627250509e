//! What is done about a failure: the first strategy on the roster that answers.

mod escalate;
mod retry;

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
pub const ROSTER: &[&Strategy] = &[&retry::STRATEGY, &escalate::STRATEGY];

/// Returns what follows from a failure: why it was decided so, then the events of that decision.
pub fn recover(situation: &Situation<'_>, policy: &Policy) -> Vec<Event> {
    let Some((strategy, answer)) =
        ROSTER.iter().find_map(|strategy| Some((strategy, (strategy.answer)(situation, policy)?)))
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
