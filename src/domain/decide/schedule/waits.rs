//! What holds subtasks back that could go on, for people. Asked are the same places by which
//! handoffs are given out, so that what is said is what is done.

use super::{Places, lines};
use crate::domain::ids::{AgentName, OrchestrationId, SubtaskId};
use crate::domain::moment::Moment;
use crate::domain::plan::{BackingOff, Orchestration, Revision, SubtaskPhase};
use crate::domain::policy::Policy;
use crate::domain::state::{State, Turn};
use crate::domain::worker::{AttemptPhase, Execution};

/// A subtask that could go on, and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Its run.
    pub orchestration_id: OrchestrationId,
    /// Which.
    pub subtask_id: SubtaskId,
    /// Who has it.
    pub agent: AgentName,
    /// What holds it back.
    pub hold: Hold,
}

/// What holds a subtask back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Nobody of that name is configured.
    Unmanned,
    /// Its master failed in a row and rests.
    Circuit {
        /// Until then.
        until: Moment,
    },
    /// Its master has the one attempt that shows whether it can be given work again.
    Trial,
    /// Its master has as much as it may have at the same time.
    Master {
        /// How much that is.
        attempts_max: usize,
    },
    /// Baton runs as many workers as it may.
    Workers {
        /// How many that are.
        attempts_max: usize,
    },
    /// Its master began as much within a minute as it may.
    Rate {
        /// How much that is.
        starts_max: u32,
        /// Until then.
        until: Moment,
    },
    /// Somebody else may be changing a file that it touches.
    File {
        /// Which, as the plan spells it.
        path: String,
    },
    /// It failed, and is not tried again before.
    Retry {
        /// Until then.
        until: Moment,
    },
    /// Its plan is being changed.
    Revision {
        /// Since when.
        since: Moment,
        /// Into what.
        revision: Revision,
    },
    /// Its handoff lies there for its master to be taken.
    Untaken {
        /// Since when.
        since: Moment,
        /// Whether that was told already, since it lies there for so long.
        is_overdue: bool,
    },
    /// Nothing but that it is given out.
    Turn,
}

/// Returns every subtask that is held back by anything else than what it depends on, by master in
/// the order in which they go; then those whose time has to come, and those that somebody has to
/// take.
pub fn waits(state: &State, policy: &Policy, now: Moment) -> Vec<Wait> {
    let mut waits = ready(state, policy, now);
    let delayed = state.index.backoffs.iter().filter_map(|(.., id)| state.subtask(id));
    waits.extend(delayed.filter_map(|(run, position)| {
        let BackingOff { since, delay_ms } = run.runs[position].backoff()?;
        Some(wait(run, position, Hold::Retry { until: since.plus_ms(delay_ms) }))
    }));
    let open = state.open_runs().flat_map(|run| (0..run.runs.len()).map(move |at| (run, at)));
    waits.extend(open.filter_map(|(run, position)| {
        let SubtaskPhase::Revising { since, revision, .. } = run.runs[position].phase else {
            return None;
        };
        Some(wait(run, position, Hold::Revision { since, revision }))
    }));
    let live = state.live_attempts().filter_map(|id| state.attempt(id));
    waits.extend(live.filter_map(|(run, position, attempt)| {
        let AttemptPhase::Published { at: since } = attempt.phase else { return None };
        let is_elsewhere = attempt.execution == Execution::External;
        let hold = Hold::Untaken { since, is_overdue: attempt.untaken_told };
        is_elsewhere.then(|| wait(run, position, hold))
    }));
    waits
}

fn ready(state: &State, policy: &Policy, now: Moment) -> Vec<Wait> {
    let places = Places::of(state, policy);
    let of = |turn: &Turn| {
        let run = state.orchestrations.get(&turn.orchestration_id)?;
        Some((run, turn.position))
    };
    let unmanned =
        state.index.ready.iter().filter(|(agent, _)| !policy.masters.contains_key(*agent));
    let mut waits: Vec<Wait> = unmanned
        .flat_map(|(_, line)| line.iter().filter_map(of))
        .map(|(run, position)| wait(run, position, Hold::Unmanned))
        .collect();
    for line in lines(state, policy) {
        let (agent, master) = (line.agent, line.master);
        let all = places.room(agent, master).or_else(|| places.rate(agent, master, now));
        for (run, position) in [line.first].into_iter().chain(line.rest).filter_map(of) {
            let own =
                || places.file(run, position).map(|path| Hold::File { path: path.to_owned() });
            waits.push(wait(run, position, all.clone().or_else(own).unwrap_or(Hold::Turn)));
        }
    }
    waits
}

fn wait(run: &Orchestration, position: usize, hold: Hold) -> Wait {
    Wait {
        orchestration_id: run.id.clone(),
        subtask_id: run.plan.subtasks[position].subtask_id.clone(),
        agent: run.agent_of(position).clone(),
        hold,
    }
}
