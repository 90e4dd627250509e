//! The short answers to what a blocked run asks (S2-48).

use super::retry::retry;
use super::target::{Target, run_of};
use super::{Done, cancel_run, skip};
use crate::domain::moment::Moment;
use crate::domain::plan::{Orchestration, OrchestrationPhase, SubtaskPhase};
use crate::domain::policy::Policy;
use crate::domain::recovery::may_skip;
use crate::domain::state::State;

/// Carries out the answer to what a run waits for: `r` retries, `s` skips, `a` aborts.
pub(super) fn answer(
    world: (&State, &Policy),
    target: &Target<'_>,
    letter: &str,
    reason: &str,
    now: Moment,
) -> Done {
    let run = run_of(target)?;
    let position = asked_about(run, target)?;
    let subtask = Target::Subtask(run, position);
    let id = &run.plan.subtasks[position].subtask_id;
    match letter.to_ascii_lowercase().as_str() {
        "r" | "retry" => retry(world, &subtask, reason),
        "s" | "skip" if may_skip(run, position) => skip(&subtask, reason, now),
        "s" | "skip" if run.runs.len() == 1 => {
            Err(format!("{id} is all there is to do: answer r to retry or a to abort"))
        }
        "s" | "skip" => Err(format!(
            "{id} is critical to its run; `baton skip {id}` leaves it out all the same"
        )),
        "a" | "abort" | "cancel" => cancel_run(run, reason),
        other => Err(format!("{other:?} is no answer: r retries, s skips, a aborts")),
    }
}

/// Returns the subtask that is asked about: the one that was named if it is blocked itself, else
/// the one that the run says.
fn asked_about(run: &Orchestration, target: &Target<'_>) -> Result<usize, String> {
    if let Target::Subtask(_, position) = target
        && matches!(run.runs[*position].phase, SubtaskPhase::Blocked { .. })
    {
        return Ok(*position);
    }
    let nothing = || format!("{} waits for no answer; see `baton show {0}`", run.task_id);
    let OrchestrationPhase::Blocked(asked) = &run.phase else { return Err(nothing()) };
    run.position(&asked.blocking_subtask).ok_or_else(nothing)
}
