//! What time and free places allow: back-offs that end, handoffs that are given out.

use std::collections::BTreeMap;

use crate::domain::event::Event;
use crate::domain::ids::{AgentName, AttemptId, WorkerId};
use crate::domain::moment::Moment;
use crate::domain::plan::{Orchestration, Why};
use crate::domain::policy::{MasterPolicy, Policy};
use crate::domain::state::State;
use crate::domain::worker::Execution;

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
    if due.is_empty() { hand_out(state, policy, now) } else { due }
}

/// Gives ready subtasks to their masters: by priority, then by age, as far as the limits go, and
/// never two that touch the same file.
fn hand_out(state: &State, policy: &Policy, now: Moment) -> Vec<Event> {
    let mut places = Places::of(state, policy);
    let mut events = Vec::new();
    for (agent, line) in &state.index.ready {
        let Some(master) = policy.masters.get(agent) else { continue };
        for turn in line {
            if events.len() >= HANDOFFS_MAX || !places.has_room(state, agent, master) {
                break;
            }
            let Some(run) = state.orchestrations.get(&turn.orchestration_id) else { continue };
            if places.are_files_free(state, run, turn.position) {
                places.take(run, turn.position, agent, master);
                events.push(handed_off(state, run, turn.position, master, now, events.len()));
            }
        }
    }
    events
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
    Event::SubtaskHandedOff {
        orchestration_id: run.id.clone(),
        subtask_id: subtask.subtask_id.clone(),
        worker_id: WorkerId::of(&attempt_id),
        attempt_id,
        attempt: number,
        assigned_to: subtask.assigned_to.clone(),
        execution: master.execution.clone(),
        nonce: format!("{:x}-{:x}-{nth:x}", now.wall.as_ms(), state.seq),
        why: why(run, position),
    }
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
