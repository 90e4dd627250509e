//! What is done about a failure: the first strategy on the roster that answers.
//!
//! What may still help comes first: the same again, another agent. What became of the subtask when
//! nothing helped, as its author wished (`on_failure`), comes after everything that may. Whatever
//! is critical comes before all, since going on may do harm.

mod compensate;
mod escalate;
mod fail_parent;
mod fallback;
mod halt;
mod replan;
mod retry;
mod skip;
mod split;

pub(super) use compensate::roll_back;
pub use escalate::options_about;
pub(super) use escalate::{ask, asked, blocked, may_skip};
pub use fallback::{Candidate, candidates};
pub(super) use fallback::{may_go_on, reassigned};
pub(super) use halt::recall;
pub use retry::delay_ms;

use super::event::{Decided, Event};
use super::moment::Moment;
use super::plan::{Orchestration, OrchestrationPhase, SubtaskPhase, Why};
use super::policy::Policy;
use super::report::Failure;
use super::state::State;
use super::worker::{Attempt, AttemptPhase, Recall};

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
    /// The rule, the evidence and what else was possible. The strategies after it that would have
    /// answered too are added to the alternatives.
    pub why: Why,
    /// What follows.
    pub events: Vec<Event>,
}

/// Every strategy, in the order in which they are asked. The last always answers.
pub const ROSTER: &[&Strategy] = &[
    &halt::STRATEGY,
    &retry::STRATEGY,
    &fallback::STRATEGY,
    &split::STRATEGY,
    &replan::STRATEGY,
    &skip::STRATEGY,
    &fail_parent::STRATEGY,
    &compensate::STRATEGY,
    &escalate::STRATEGY,
];

/// Returns what follows from a failure: why it was decided so, then the events of that decision.
pub fn recover(situation: &Situation<'_>, policy: &Policy) -> Vec<Event> {
    answered(ROSTER, situation, policy)
}

/// Returns what follows when what the strategy `after` had decided for the subtask at `position`
/// cannot be: those after it on the roster are asked about the same failure, which is applied.
pub fn go_on(
    state: &State,
    policy: &Policy,
    (run, position): (&Orchestration, usize),
    after: &str,
    now: Moment,
) -> Vec<Event> {
    let rest = ROSTER.iter().position(|strategy| strategy.name == after).map_or(0, |at| at + 1);
    let last = run.runs[position].attempts.last();
    let Some((attempt, failure)) = last.and_then(|last| Some((last, last.failure()?))) else {
        return vec![blocked(run, position, format!("{after} is not possible"))];
    };
    let situation = Situation { state, run, position, attempt, failure, now };
    answered(&ROSTER[rest..], &situation, policy)
}

fn answered(roster: &[&Strategy], situation: &Situation<'_>, policy: &Policy) -> Vec<Event> {
    if let Some(rule) = situation.unwanted() {
        let why = Why::new(rule, situation.failure.message.clone());
        return vec![situation.decided("none", why)];
    }
    let mut answers = roster.iter().filter_map(|strategy| {
        (strategy.answer)(situation, policy).map(|answer| (strategy.name, answer))
    });
    let Some((name, Answer { mut why, events })) = answers.next() else { return Vec::new() };
    for (next, _) in answers {
        if !why.alternatives.iter().any(|named| named == next) {
            why.alternatives.push(next.to_owned());
        }
    }
    [situation.decided(name, why)].into_iter().chain(events).collect()
}

impl Situation<'_> {
    /// Returns how often the subtask has failed, this time included.
    pub fn failures(&self) -> u32 {
        // A failure that is applied is counted already.
        self.run.runs[self.position].failures + u32::from(self.attempt.is_live())
    }

    /// Returns how often it has failed on the agent that has it, this time included.
    pub fn failures_here(&self) -> u32 {
        let run = &self.run.runs[self.position];
        // A failure of whoever had it before counts for nobody who got it since.
        let is_here = self.attempt.agent == *self.run.agent_of(self.position);
        let failures = run.failures + u32::from(is_here && self.attempt.is_live());
        failures.saturating_sub(run.failures_before)
    }

    /// Returns how often it may fail on one agent.
    pub fn attempts_max(&self, policy: &Policy) -> u32 {
        let own = self.run.plan.subtasks[self.position].handling.attempts_max;
        own.unwrap_or(policy.retry.attempts_max)
    }

    /// Returns how often in a row, this time included, it failed in the same way on the agent that
    /// has it. What another agent ran into says nothing about this one, and what was before a
    /// person's retry is forgiven; interruptions in between change nothing.
    pub fn same_in_a_row(&self) -> u32 {
        let earlier = self.run.runs[self.position]
            .attempts
            .iter()
            .rev()
            .filter(|attempt| attempt.id != self.attempt.id)
            .filter_map(Attempt::failure)
            .take(usize::try_from(self.failures_here().saturating_sub(1)).unwrap_or(usize::MAX))
            .take_while(|failure| failure.fingerprint == self.failure.fingerprint)
            .count();
        u32::try_from(earlier).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Says why the same agent is not tried once more, if that is so (S0-50, S2-70).
    pub fn used_up(&self, policy: &Policy) -> Option<String> {
        if let AttemptPhase::Ending { cause: Recall::Untaken, .. } = self.attempt.phase {
            return Some("nobody took its handoff".to_owned());
        }
        let (failures, max) = (self.failures_here(), self.attempts_max(policy));
        let (same, same_max) = (self.same_in_a_row(), policy.recovery.same_failure_max);
        if failures >= max {
            Some(format!("failure {failures} of {max} allowed"))
        } else if same_max > 0 && same >= same_max {
            Some(format!("the same failure {same} times in a row"))
        } else {
            None
        }
    }

    /// Says why nothing follows from the failure, if that is so.
    fn unwanted(&self) -> Option<&'static str> {
        if self.run.is_over() {
            return Some("the run is over");
        }
        if let OrchestrationPhase::Compensating { .. } = self.run.phase
            && self.attempt.purpose.is_work()
        {
            return Some("the run is rolled back");
        }
        match self.run.runs[self.position].phase {
            SubtaskPhase::Completed { .. }
            | SubtaskPhase::Replaced { .. }
            | SubtaskPhase::Skipped { .. }
            | SubtaskPhase::Cancelled { .. } => Some("nobody waits for it any more"),
            SubtaskPhase::Pending
            | SubtaskPhase::BackingOff { .. }
            | SubtaskPhase::InAttempt
            | SubtaskPhase::Revising { .. }
            | SubtaskPhase::Undoing { .. }
            | SubtaskPhase::Compensated { .. }
            | SubtaskPhase::NotCompensated { .. }
            | SubtaskPhase::Blocked { .. } => None,
        }
    }

    fn decided(&self, strategy: &str, why: Why) -> Event {
        Event::RecoveryDecided(Decided {
            orchestration_id: self.run.id.clone(),
            subtask_id: self.run.plan.subtasks[self.position].subtask_id.clone(),
            strategy: strategy.to_owned(),
            why,
        })
    }
}

#[cfg(test)]
mod tests;
