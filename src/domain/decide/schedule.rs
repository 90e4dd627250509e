//! What time and free places allow: back-offs that end, handoffs that are given out.

use std::collections::{BTreeMap, btree_set};

use crate::domain::event::{Event, HandedOff};
use crate::domain::ids::{AgentName, AttemptId, WorkerId};
use crate::domain::moment::Moment;
use crate::domain::plan::{Orchestration, Why};
use crate::domain::policy::{MasterPolicy, Policy};
use crate::domain::recovery::blocked;
use crate::domain::state::{State, Turn};
use crate::domain::worker::Execution;

use super::overdue::overdue;

/// Handoffs that one decision gives out at the most; the next tick goes on.
const HANDOFFS_MAX: usize = 64;

pub(super) fn tick(state: &State, policy: &Policy, now: Moment) -> Vec<Event> {
    let due: Vec<Event> = state
        .index
        .backoffs
        .iter()
        .filter(|(boot, due_ms, _)| *boot != now.boot || *due_ms <= now.boottime_ms)
        .filter_map(|(_, _, subtask_id)| {
            let (run, _) = state.subtask(subtask_id)?;
            let (orchestration_id, subtask_id) = (run.id.clone(), subtask_id.clone());
            Some(Event::BackoffEnded { orchestration_id, subtask_id })
        })
        .collect();
    if !due.is_empty() {
        return due;
    }
    let overdue = overdue(state, policy, now);
    if !overdue.is_empty() {
        return overdue;
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
        Some(blocked(run, turn.position, reason))
    };
    turns.filter_map(asked).take(HANDOFFS_MAX).collect()
}

/// Gives ready subtasks to their masters: by priority, then by age, whoever the master is, as far
/// as the limits go, and never two that touch the same file.
fn hand_out(state: &State, policy: &Policy, now: Moment) -> Vec<Event> {
    let mut places = Places::of(state, policy);
    let mut events = Vec::new();
    let ready = state.index.ready.iter();
    let mut lines: Vec<Line> = ready
        .filter_map(|(agent, line)| {
            let (master, mut rest) = (policy.masters.get(agent)?, line.iter());
            Some(Line { first: rest.next()?, rest, agent, master })
        })
        .collect();
    while events.len() < HANDOFFS_MAX {
        lines.retain(|line| places.has_room(state, line.agent, line.master));
        let Some(nth) = (0..lines.len()).min_by_key(|nth| lines[*nth].first) else { break };
        let Line { first: Turn { orchestration_id, position, .. }, agent, master, .. } = lines[nth];
        if let Some(run) = state.orchestrations.get(orchestration_id)
            && places.are_files_free(state, run, *position)
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

/// The ready subtasks of one master that are not looked at yet.
struct Line<'a> {
    first: &'a Turn,
    rest: btree_set::Iter<'a, Turn>,
    agent: &'a AgentName,
    master: &'a MasterPolicy,
}

/// The places that are free, with those that this decision gives away.
struct Places {
    launched_max: usize,
    launched: usize,
    by_agent: BTreeMap<AgentName, usize>,
    files: BTreeMap<String, ()>,
}

impl Places {
    fn of(state: &State, policy: &Policy) -> Self {
        Self {
            launched_max: policy.attempts_active_max,
            launched: state.index.live_launched,
            by_agent: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    fn has_room(&self, state: &State, agent: &AgentName, master: &MasterPolicy) -> bool {
        let given = self.by_agent.get(agent).copied().unwrap_or(0);
        let has_room_here = state.attempts_of(agent) + given < master.attempts_active_max;
        let is_ours = master.execution != Execution::External;
        has_room_here && (!is_ours || self.launched < self.launched_max)
    }

    fn are_files_free(&self, state: &State, run: &Orchestration, position: usize) -> bool {
        run.plan.subtasks[position].files_affected.iter().all(|file| {
            !state.index.files_in_use.contains_key(file) && !self.files.contains_key(file)
        })
    }

    fn take(
        &mut self,
        run: &Orchestration,
        position: usize,
        agent: &AgentName,
        master: &MasterPolicy,
    ) {
        *self.by_agent.entry(agent.clone()).or_default() += 1;
        self.launched += usize::from(master.execution != Execution::External);
        let files = &run.plan.subtasks[position].files_affected;
        self.files.extend(files.iter().map(|file| (file.clone(), ())));
    }
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
        nonce: format!("{:x}-{:x}-{nth:x}", now.wall.as_ms(), state.seq),
        why: why(run, position),
    })
}

fn why(run: &Orchestration, position: usize) -> Why {
    let needed: Vec<&str> = run
        .order
        .dependencies(position)
        .iter()
        .map(|at| run.plan.subtasks[*at].subtask_id.as_str())
        .collect();
    let evidence = if needed.is_empty() {
        "it depends on nothing".to_owned()
    } else {
        format!("complete: {}", needed.join(", "))
    };
    Why::new(format!("stage {} may run", run.stage_of(position)), evidence)
}
