//! When the first thing is due that time alone brings about.

use super::changes::undone_next;
use super::laws::{ended, is_held, live, may_start};
use crate::domain::deadline::deadline;
use crate::domain::decide::{Hold, Wait, waits};
use crate::domain::ids::AgentName;
use crate::domain::moment::BootId;
use crate::domain::plan::{BackingOff, Orchestration, OrchestrationPhase, SubtaskPhase};
use crate::domain::state::CircuitPhase;
use crate::domain::worker::{AttemptPhase, Execution};
use crate::domain::{Moment, Policy, State};

/// Works out when the first thing is due that time alone brings about.
fn due(state: &State, policy: &Policy) -> Option<(BootId, u64)> {
    let at = state.at?;
    let boot = state.boot_seen.unwrap_or(Moment { boottime_ms: 0, ..at });
    let after = |at: &Moment, ms: u64| {
        let began_ms = if at.boot == boot.boot { at.boottime_ms } else { boot.boottime_ms };
        (boot.boot, began_ms + ms)
    };
    // A time in which the host was suspended is in no limit.
    let beside = |at: &Moment, paused_ms: u64, ms: u64| after(&at.plus_ms(paused_ms), ms);
    let mut all: Vec<(BootId, u64)> = Vec::new();
    for run in state.orchestrations.values().filter(|run| !ended(run)) {
        let task = &state.tasks[&run.task_id];
        if let OrchestrationPhase::Blocked(asked) = &run.phase
            && !asked.overdue
        {
            all.push(after(&asked.since, policy.recovery.overdue_ms));
        }
        if matches!(run.phase, OrchestrationPhase::InProgress | OrchestrationPhase::Blocked(_)) {
            let began = task.reopened_at.unwrap_or(run.created_at);
            all.push(beside(&began, run.paused_ms, policy.run_ms_max));
        }
        for subtask in &run.runs {
            if let SubtaskPhase::BackingOff { since, delay_ms }
            | SubtaskPhase::Undoing { backoff: Some(BackingOff { since, delay_ms }), .. } =
                &subtask.phase
            {
                all.push((since.boot, since.boottime_ms + delay_ms));
            }
        }
    }
    for (run, at, attempt) in live(state) {
        let limits = policy.supervision_of(&attempt.agent, &run.plan.subtasks[at].worker_type);
        let is_ours = attempt.execution != Execution::External;
        match &attempt.phase {
            AttemptPhase::Running { at, .. } if limits.time_box_ms > 0 => {
                all.push(beside(at, attempt.paused_ms, limits.time_box_ms));
            }
            AttemptPhase::Published { at: published } if !is_ours => {
                if limits.untaken_alert_ms > 0 && !attempt.untaken_told {
                    all.push(beside(published, attempt.paused_ms, limits.untaken_alert_ms));
                } else if limits.untaken_max_ms > 0 && has_others(state, policy, run, at) {
                    all.push(beside(published, attempt.paused_ms, limits.untaken_max_ms));
                }
            }
            AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. }
            | AttemptPhase::Ending { .. }
            | AttemptPhase::Ended { .. } => {}
        }
    }
    for circuit in state.circuits.values() {
        if let CircuitPhase::Open { since, cool_down_ms } = &circuit.phase {
            all.push((since.boot, since.boottime_ms + cool_down_ms));
        }
    }
    all.into_iter().min_by_key(|(its, due_ms)| (*its == boot.boot, *due_ms))
}

/// Tells whether anybody else takes the work of a subtask who did not have it before and is given
/// work at present.
fn has_others(state: &State, policy: &Policy, run: &Orchestration, at: usize) -> bool {
    let Some(master) = policy.masters.get(&run.plan.subtasks[at].assigned_to) else { return false };
    let rests = |name: &AgentName| {
        let circuit = state.circuits.get(name);
        circuit.is_some_and(|circuit| matches!(circuit.phase, CircuitPhase::Open { .. }))
    };
    policy.masters.iter().any(|(name, other)| {
        name != run.agent_of(at)
            && !run.runs[at].agents_before.contains(name)
            && !rests(name)
            && other.domains.iter().any(|domain| master.domains.contains(domain))
    })
}

/// The deadline is the first of what time alone brings about, and nothing of it is left over. Only
/// when a rate allows the next start is not worked out again here.
pub(super) fn the_deadline_is_the_first(state: &State, policy: &Policy, now: Moment) {
    let found = deadline(state, policy).map(|due| (due.boot, due.boottime_ms));
    let first = due(state, policy);
    let waits_for_a_start = |run: &Orchestration| {
        let is_free = |at: usize| !is_held(state, policy, run, at);
        let waits = |at: usize| may_start(run, at) && is_free(at);
        run.phase == OrchestrationPhase::InProgress && (0..run.runs.len()).any(waits)
            || undone_next(run).is_some_and(is_free)
    };
    if state.orchestrations.values().any(waits_for_a_start) {
        assert!(found.is_some(), "a start waits and nothing wakes: {state:#?}");
    } else {
        assert_eq!(found, first, "{state:#?}");
    }
    let is_unheld = |wait: &Wait| wait.hold == Hold::Turn;
    let unheld = waits(state, policy, now).into_iter().find(is_unheld);
    assert_eq!(unheld, None, "nothing holds it back, and it is not given out: {state:#?}");
    let is_left = first.is_some_and(|(boot, due_ms)| boot == now.boot && due_ms <= now.boottime_ms);
    assert!(!is_left, "something is due and nothing follows: {state:#?}");
}
