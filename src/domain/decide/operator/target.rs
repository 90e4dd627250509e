//! What a command is about.

use crate::domain::ids::{OrchestrationId, SubtaskId, TaskId};
use crate::domain::plan::Orchestration;
use crate::domain::state::State;
use crate::domain::task::Task;

/// What a command is about.
pub(super) enum Target<'a> {
    /// A task that has no run.
    Task(&'a Task),
    /// A run, by its own id or its task's.
    Run(&'a Orchestration),
    /// A subtask of a run of several, or of one when it was named as an attempt or handoff.
    Subtask(&'a Orchestration, usize),
}

/// Finds what a command is about.
pub(super) fn find<'a>(state: &'a State, target: &str) -> Result<Target<'a>, String> {
    let by_task = || {
        let task = state.tasks.get(&TaskId::parse(target).ok()?)?;
        match task.orchestration_id().and_then(|id| state.orchestrations.get(id)) {
            Some(run) => Some(Target::Run(run)),
            None => Some(Target::Task(task)),
        }
    };
    let by_run = || {
        let id = OrchestrationId::parse(target).ok()?;
        state.orchestrations.get(&id).map(Target::Run)
    };
    let by_subtask = || subtask(state, target);
    by_task().or_else(by_run).or_else(by_subtask).ok_or_else(|| {
        format!("there is no task, run, subtask or handoff {target:?}; see `baton status`")
    })
}

/// Finds a subtask by its id, an attempt's, a handoff's or the name of a handoff's file.
fn subtask<'a>(state: &'a State, target: &str) -> Option<Target<'a>> {
    let name = target.rsplit('/').next().unwrap_or(target);
    let endings = [".processed", ".withdrawn"];
    let name = endings.into_iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let name = name.strip_suffix(".json").unwrap_or(name);
    let name = match name.rsplit_once("-attempt-") {
        Some((stem, number)) if number.bytes().all(|b| b.is_ascii_digit()) => stem,
        Some(_) | None => name,
    };
    let after_master = name
        .strip_prefix("to-")
        .into_iter()
        .flat_map(|rest| rest.match_indices('-').map(|(at, _)| &rest[at + 1..]))
        .map(|rest| rest.strip_prefix("subtask-").unwrap_or(rest));
    std::iter::once(name)
        .chain(after_master)
        .filter_map(|id| SubtaskId::parse(id).ok())
        .find_map(|id| state.subtask(&id))
        .map(|(run, position)| Target::Subtask(run, position))
}

/// Returns the run that a command is about.
pub(super) fn run_of<'a>(target: &Target<'a>) -> Result<&'a Orchestration, String> {
    match target {
        Target::Run(run) | Target::Subtask(run, _) => Ok(run),
        Target::Task(task) => Err(format!("task {} has no run", task.id)),
    }
}

/// Returns the one subtask that a command is about; `what` is what its author has to name.
pub(super) fn subtask_of<'a>(
    target: &Target<'a>,
    what: &str,
) -> Result<(&'a Orchestration, usize), String> {
    match target {
        Target::Subtask(run, position) => Ok((run, *position)),
        Target::Run(run) if run.runs.len() == 1 => Ok((run, 0)),
        Target::Run(run) => Err(format!("{} has several subtasks; name the {what}", run.task_id)),
        Target::Task(task) => Err(format!("task {} has no {what}", task.id)),
    }
}
