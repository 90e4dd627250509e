//! Giving a subtask to another agent.

use super::Done;
use super::replace::replaced;
use super::retry::run_again;
use super::target::{Target, subtask_of};
use crate::domain::event::{Event, Reassigned};
use crate::domain::ids::AgentName;
use crate::domain::plan::{Orchestration, OrchestrationPhase, RunKind, SubtaskPhase, Why};
use crate::domain::policy::Policy;
use crate::domain::recovery::{Candidate, candidates, reassigned};
use crate::domain::state::{CircuitPhase, State};

/// Gives a subtask to the master of a person's choice.
pub(super) fn assign(
    state: &State,
    policy: &Policy,
    target: &Target<'_>,
    to: &str,
    reason: &str,
) -> Done {
    let (run, position) = subtask_of(target, "subtask")?;
    let id = &run.plan.subtasks[position].subtask_id;
    let Some((agent, master)) = policy.masters.get_key_value(to) else {
        let known: Vec<&str> = policy.masters.keys().map(AgentName::as_str).collect();
        return Err(format!(
            "there is no master {to:?}; those that exist are {}",
            known.join(", ")
        ));
    };
    if agent == run.agent_of(position) {
        return Err(format!("{agent} has {id} already; `baton retry {id}` tries it again"));
    }
    if run.kind == RunKind::Planned && !master.orchestration_enabled {
        return Err(format!("{agent} takes no part in plans (orchestration is off in baton.toml)"));
    }
    let others = candidates(state, policy, run, position);
    let others = others.iter().filter(|candidate| candidate.agent != *agent);
    let told = Reassigned {
        orchestration_id: run.id.clone(),
        subtask_id: id.clone(),
        from: run.agent_of(position).clone(),
        assigned_to: agent.clone(),
        why: Why {
            rule: "a person's choice".to_owned(),
            evidence: reason.to_owned(),
            alternatives: others.map(Candidate::text).collect(),
        },
    };
    let circuit = state.circuits.get(agent).map(|circuit| &circuit.phase);
    let (mut message, events) = hand_over((state, policy), run, position, told, reason)?;
    if let Some(CircuitPhase::Open { .. }) = circuit {
        message += "; it is given nothing until its circuit breaker closes";
    }
    Ok((message, events))
}

/// Gives a subtask to the next candidate, however many had it before.
pub(super) fn fallback(state: &State, policy: &Policy, target: &Target<'_>, reason: &str) -> Done {
    let (run, position) = subtask_of(target, "subtask")?;
    let id = &run.plan.subtasks[position].subtask_id;
    let candidates = candidates(state, policy, run, position);
    let Some(told) = reassigned(run, position, &candidates, reason.to_owned()) else {
        let known: Vec<&str> = policy.masters.keys().map(AgentName::as_str).collect();
        return Err(format!(
            "nobody else takes the work of {}; `baton assign {id} --to MASTER` gives it to any of {}",
            run.agent_of(position),
            known.join(", ")
        ));
    };
    hand_over((state, policy), run, position, told, reason)
}

/// Changes who has a subtask. What is under way is called back first.
fn hand_over(
    world: (&State, &Policy),
    run: &Orchestration,
    position: usize,
    told: Reassigned,
    reason: &str,
) -> Done {
    let id = &run.plan.subtasks[position].subtask_id;
    let goes = format!("subtask {id} goes from {} to {}", told.from, told.assigned_to);
    if run.is_over() || matches!(run.phase, OrchestrationPhase::Compensating { .. }) {
        let task = &run.task_id;
        return Err(format!("task {task} is over; `baton retry {task}` makes it go on"));
    }
    let told = Event::SubtaskReassigned(told);
    match run.runs[position].phase {
        SubtaskPhase::Pending => Ok((goes, vec![told])),
        SubtaskPhase::BackingOff { .. } => {
            let (orchestration_id, subtask_id) = (run.id.clone(), id.clone());
            Ok((goes, vec![told, Event::BackoffEnded { orchestration_id, subtask_id }]))
        }
        SubtaskPhase::InAttempt => {
            let (recalled, when) = replaced(world, run, position, reason);
            Ok((format!("{goes}{when}"), recalled.into_iter().chain([told]).collect()))
        }
        SubtaskPhase::Blocked { .. } => {
            let (message, again) = run_again(world, run, &[position], reason)?;
            Ok((format!("{goes}; {message}"), [told].into_iter().chain(again).collect()))
        }
        SubtaskPhase::Revising { .. } => {
            Err(format!("subtask {id} is being planned again; wait for what takes its place"))
        }
        SubtaskPhase::Completed { .. }
        | SubtaskPhase::Replaced { .. }
        | SubtaskPhase::Undoing { .. }
        | SubtaskPhase::Compensated { .. }
        | SubtaskPhase::NotCompensated { .. }
        | SubtaskPhase::Skipped { .. }
        | SubtaskPhase::Cancelled { .. } => Err(format!("subtask {id} is over")),
    }
}
