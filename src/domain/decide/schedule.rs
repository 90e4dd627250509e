//! What time and free places allow: back-offs that end, handoffs that are given out.

mod places;
mod waits;

use std::collections::{BTreeSet, btree_set};

use crate::domain::event::{Event, HandedOff};
use crate::domain::ids::{AgentName, AttemptId, WorkerId};
use crate::domain::moment::Moment;
use crate::domain::plan::{Orchestration, OrchestrationPhase, Why};
use crate::domain::policy::{MasterPolicy, Policy};
use crate::domain::recovery::blocked;
use crate::domain::report::{Category, Failure};
use crate::domain::state::{CircuitPhase, State, Turn};
use crate::domain::worker::Purpose;

use super::circuit;
use places::Places;
pub use waits::{Hold, Wait, waits};

use super::overdue::overdue;
use super::{fan_out, saga};

/// Handoffs that one decision gives out at the most; the next tick goes on.
const HANDOFFS_MAX: usize = 64;

pub(super) fn tick(state: &State, policy: &Policy, now: Moment) -> Vec<Event> {
    let ended = state
        .index
        .backoffs
        .iter()
        .filter(|(boot, due_ms, _)| *boot != now.boot || *due_ms <= now.boottime_ms)
        .filter_map(|(_, _, subtask_id)| {
            let (run, _) = state.subtask(subtask_id)?;
            let (orchestration_id, subtask_id) = (run.id.clone(), subtask_id.clone());
            Some(Event::BackoffEnded { orchestration_id, subtask_id })
        });
    let due: Vec<Event> = circuit::due(state, policy, now).into_iter().chain(ended).collect();
    if !due.is_empty() {
        return due;
    }
    let overdue = overdue(state, policy, now);
    if !overdue.is_empty() {
        return overdue;
    }
    let fanned_out = fan_out::due(state, policy, now);
    if !fanned_out.is_empty() {
        return fanned_out;
    }
    let unmanned = unmanned(state, policy);
    if unmanned.is_empty() { hand_out(state, policy, now) } else { unmanned }
}

/// Asks a person about ready subtasks whose master is no longer configured: nobody would ever take
/// them, and nothing would say so.
fn unmanned(state: &State, policy: &Policy) -> Vec<Event> {
    let lines = state.index.ready.iter().filter(|(agent, _)| !policy.masters.contains_key(*agent));
    let turns = lines.flat_map(|(agent, line)| line.iter().map(move |turn| (agent, turn)));
    let asked = |(agent, turn): (&AgentName, &Turn)| {
        let run = state.orchestrations.get(&turn.orchestration_id)?;
        let reason =
            format!("there is no master {agent} any more: add it to baton.toml, or skip its work");
        if run.is_compensating() {
            let failure = Failure::new(Category::Blocker, reason);
            return Some(saga::stays_done(run, turn.position, &failure));
        }
        Some(vec![blocked(run, turn.position, reason)])
    };
    turns.filter_map(asked).take(HANDOFFS_MAX).flatten().collect()
}

/// Gives ready subtasks to their masters: by priority and age, whoever the master is, as far as the
/// limits go, and never two that touch the same file.
fn hand_out(state: &State, policy: &Policy, now: Moment) -> Vec<Event> {
    let mut places = Places::of(state, policy);
    let mut events = Vec::new();
    let mut lines = lines(state, policy);
    while events.len() < HANDOFFS_MAX {
        lines.retain(|Line { agent, master, .. }| {
            places.has_room(agent, master) && places.is_in_time(agent, master, now)
        });
        let Some(nth) = (0..lines.len()).min_by_key(|nth| lines[*nth].first) else { break };
        let Line { first: Turn { orchestration_id, position, .. }, agent, master, .. } = lines[nth];
        if let Some(run) = state.orchestrations.get(orchestration_id)
            && places.are_files_free(run, *position)
        {
            places.take(run, *position, agent, master);
            events.push(handed_off(state, run, *position, master, now, events.len()));
        }
        match lines[nth].rest.next() {
            Some(next) => lines[nth].first = next,
            None => drop(lines.remove(nth)),
        }
    }
    events
}

/// Returns when the first master may begin something again that is only held by how many may begin
/// within a minute.
pub(in crate::domain) fn next_start(state: &State, policy: &Policy) -> Option<Moment> {
    let places = Places::of(state, policy);
    let is_free = |turn: &&Turn| {
        let run = state.orchestrations.get(&turn.orchestration_id);
        run.is_some_and(|run| places.are_files_free(run, turn.position))
    };
    let room =
        lines(state, policy).into_iter().filter_map(|Line { first, rest, agent, master }| {
            let room = state.room_to_start_at(agent, master.starts_per_minute_max)?;
            let mut waiting = [first].into_iter().chain(rest);
            (places.has_room(agent, master) && waiting.any(|turn| is_free(&turn))).then_some(room)
        });
    room.min_by_key(|room| room.boottime_ms)
}

/// Returns the masters for which anything is ready.
fn lines<'a>(state: &'a State, policy: &'a Policy) -> Vec<Line<'a>> {
    let ready = state.index.ready.iter();
    let line = |(agent, line): (&'a AgentName, &'a BTreeSet<Turn>)| {
        let (master, mut rest) = (policy.masters.get(agent)?, line.iter());
        Some(Line { first: rest.next()?, rest, agent, master })
    };
    ready.filter_map(line).collect()
}

/// The ready subtasks of one master that are not looked at yet.
struct Line<'a> {
    first: &'a Turn,
    rest: btree_set::Iter<'a, Turn>,
    agent: &'a AgentName,
    master: &'a MasterPolicy,
}

fn handed_off(
    state: &State,
    run: &Orchestration,
    position: usize,
    master: &MasterPolicy,
    now: Moment,
    nth: usize,
) -> Event {
    let subtask = &run.plan.subtasks[position];
    let number = run.runs[position].attempts.last().map_or(0, |attempt| attempt.number) + 1;
    let attempt_id = AttemptId::of(&subtask.subtask_id, number);
    Event::SubtaskHandedOff(HandedOff {
        orchestration_id: run.id.clone(),
        subtask_id: subtask.subtask_id.clone(),
        worker_id: WorkerId::of(&attempt_id),
        attempt_id,
        attempt: number,
        assigned_to: run.agent_of(position).clone(),
        execution: master.execution.clone(),
        purpose: if run.is_compensating() { Purpose::Compensation } else { Purpose::Work },
        nonce: format!("{:x}-{:x}-{nth:x}", now.wall.as_ms(), state.seq),
        why: why(state, run, position),
    })
}

fn why(state: &State, run: &Orchestration, position: usize) -> Why {
    if let OrchestrationPhase::Compensating { reason, .. } = &run.phase {
        return Why::new("S1-40 the last that was done is undone first", reason.clone());
    }
    let needed: Vec<&str> = run
        .order
        .dependencies(position)
        .iter()
        .map(|at| run.plan.subtasks[*at].subtask_id.as_str())
        .collect();
    let mut evidence = if needed.is_empty() {
        "it depends on nothing".to_owned()
    } else {
        format!("complete: {}", needed.join(", "))
    };
    let agent = run.agent_of(position);
    if let Some(circuit) = state.circuits.get(agent)
        && let CircuitPhase::HalfOpen { .. } = circuit.phase
    {
        evidence += &format!("; a trial: {agent} failed {} times in a row", circuit.failures);
    }
    Why::new(format!("stage {} may run", run.stage_of(position)), evidence)
}
