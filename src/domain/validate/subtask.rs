//! What holds for one subtask, whatever surrounds it.

use std::collections::BTreeSet;

use super::suggest::did_you_mean;
use super::{PlanError, listed};
use crate::domain::ids::{AgentName, SubtaskId, TaskId};
use crate::domain::plan::{Draft, DraftSubtask, Handling, Subtask};
use crate::domain::policy::Policy;

/// Whether the subtask is a part of a plan, or the whole of a task that one worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A part: its sizes are limited and its master must take parts.
    Split,
    /// The whole: nobody is there to split it for.
    Whole,
}

/// What the checks made of one drafted subtask.
pub(super) struct Checked {
    master: AgentName,
    files_affected: Vec<String>,
    deliverables: Vec<String>,
}

impl Checked {
    /// Puts the checked parts and the drafted ones together.
    pub(super) fn to_subtask(
        &self,
        draft: &DraftSubtask,
        id: &SubtaskId,
        task_id: &TaskId,
        dependencies: Vec<SubtaskId>,
    ) -> Subtask {
        Subtask {
            subtask_id: id.clone(),
            parent_task_id: task_id.clone(),
            title: draft.title.trim().to_owned(),
            description: draft.description.trim().to_owned(),
            assigned_to: self.master.clone(),
            worker_type: draft.worker_type.trim().to_owned(),
            dependencies,
            estimated_duration_minutes: draft.minutes.high,
            estimated_duration_range: draft.minutes,
            estimated_tokens: draft.tokens,
            files_affected: self.files_affected.clone(),
            success_criteria: draft.success_criteria.trim().to_owned(),
            deliverables: self.deliverables.clone(),
            for_each: None,
            handling: handling(&draft.handling),
            nature: draft.nature.clone(),
            choice: draft.choice.clone(),
            why: draft.why.clone(),
        }
    }
}

/// An author's empty words are none.
fn handling(drafted: &Handling) -> Handling {
    let text = drafted.compensation.as_deref().map(str::trim).filter(|text| !text.is_empty());
    Handling { compensation: text.map(str::to_owned), ..drafted.clone() }
}

/// Checks every subtask. Only when no error was added does the result hold one entry for each.
pub(super) fn check_all(
    draft: &Draft,
    policy: &Policy,
    mode: Mode,
    errors: &mut Vec<PlanError>,
) -> Vec<Checked> {
    draft.subtasks.iter().filter_map(|subtask| check(subtask, policy, mode, errors)).collect()
}

/// Returns what the author of a plan may want to change in its subtasks, by the ids that they have
/// in the plan.
pub(super) fn warnings(draft: &Draft, ids: &[SubtaskId], policy: &Policy) -> Vec<String> {
    let limit = policy.plan.subtask_minutes_max;
    let long = |s: &&DraftSubtask| s.minutes.high > limit;
    let double = |s: &&DraftSubtask| names_two_things(&s.title);
    let mut warnings = Vec::new();
    if let Some(ids) = ids_where(draft, ids, long) {
        warnings.push(format!("more than {limit} minutes may be too much for one subtask: {ids}"));
    }
    if let Some(ids) = ids_where(draft, ids, double) {
        warnings
            .push(format!("the title joins two things by \"and\", perhaps two subtasks: {ids}"));
    }
    warnings
}

/// Returns what the author of a task routed whole may want to change.
pub(super) fn warnings_whole(draft: &Draft, policy: &Policy) -> Vec<String> {
    let plan = &policy.plan;
    let mut warnings = Vec::new();
    for whole in &draft.subtasks {
        let beyond = [
            (whole.minutes.high, plan.subtask_minutes_limit, "minutes"),
            (whole.tokens, plan.subtask_tokens_max, "tokens"),
        ];
        for (value, limit, unit) in beyond {
            if value > limit {
                warnings.push(format!("{value} {unit} are more than the {limit} of one worker"));
            }
        }
        let (files, limit) = (whole.files_affected.len(), plan.subtask_files_max);
        if files > limit {
            warnings.push(format!("{files} files are more than the {limit} of one worker"));
        }
    }
    warnings
}

fn check(
    subtask: &DraftSubtask,
    policy: &Policy,
    mode: Mode,
    errors: &mut Vec<PlanError>,
) -> Option<Checked> {
    let before = errors.len();
    for (field, text, remedy) in [
        ("title", &subtask.title, "say in one line what is to be done"),
        ("success_criteria", &subtask.success_criteria, "say how one can tell that it is done"),
        ("worker_type", &subtask.worker_type, "name one, e.g. implementation, test or audit"),
    ] {
        if text.trim().is_empty() {
            errors.push(PlanError::subtask(&subtask.subtask_id, field, "it is empty", remedy));
        }
    }
    if subtask.handling.attempts_max == Some(0) {
        let remedy = "allow at least one, or leave it to the policy";
        let message = "it may never be tried";
        errors.push(PlanError::subtask(&subtask.subtask_id, "max_attempts", message, remedy));
    }
    let master = check_master(subtask, policy, mode, errors);
    check_sizes(subtask, policy, mode, errors);
    let files_affected = check_paths(subtask, "files_affected", &subtask.files_affected, errors);
    let deliverables = check_paths(subtask, "deliverables", &subtask.deliverables, errors);
    let limit = policy.plan.subtask_files_max;
    if mode == Mode::Split && files_affected.len() > limit {
        errors.push(PlanError::subtask(
            &subtask.subtask_id,
            "files_affected",
            format!("{} files, at most {limit} are allowed", files_affected.len()),
            "split it into subtasks of fewer files",
        ));
    }
    let master = master.filter(|_| errors.len() == before)?;
    Some(Checked { master, files_affected, deliverables })
}

fn check_master(
    subtask: &DraftSubtask,
    policy: &Policy,
    mode: Mode,
    errors: &mut Vec<PlanError>,
) -> Option<AgentName> {
    let known = || policy.masters.keys().map(AgentName::as_str);
    let mut refuse = |message: String, remedy: String| {
        errors.push(PlanError::subtask(&subtask.subtask_id, "assigned_to", message, remedy));
    };
    let name = match subtask.assigned_to.as_slice() {
        [name] => name.trim(),
        [] => {
            refuse("it has no master".into(), format!("name exactly one of {}", listed(known())));
            return None;
        }
        several => {
            let named = listed(several.iter().map(String::as_str));
            refuse(format!("it has several masters: {named}"), "keep exactly one".into());
            return None;
        }
    };
    let Some((master, settings)) = policy.masters.get_key_value(name) else {
        let hint = did_you_mean(name, known());
        refuse(
            format!("{name:?} is no known master{hint}"),
            format!("name exactly one of {}", listed(known())),
        );
        return None;
    };
    if mode == Mode::Split && !settings.orchestration_enabled {
        refuse(
            format!("{name} is not given parts of a plan: orchestration is off for it"),
            "name another master, or submit this as a task of its own".into(),
        );
        return None;
    }
    Some(master.clone())
}

fn check_sizes(subtask: &DraftSubtask, policy: &Policy, mode: Mode, errors: &mut Vec<PlanError>) {
    let (minutes, plan) = (subtask.minutes, &policy.plan);
    let mut refuse = |field: &str, message: String, remedy: &str| {
        errors.push(PlanError::subtask(&subtask.subtask_id, field, message, remedy));
    };
    if minutes.high == 0 {
        let remedy = "say how many minutes it may take";
        refuse("estimated_duration_minutes", "it has no time box".into(), remedy);
    } else if minutes.low > minutes.high {
        let message = format!("{}-{} minutes run backwards", minutes.low, minutes.high);
        refuse("estimated_duration_minutes", message, "put the smaller number first");
    }
    if subtask.tokens == 0 {
        let remedy = "say how many tokens it may take";
        refuse("estimated_tokens", "it has no token budget".into(), remedy);
    }
    if mode == Mode::Whole {
        return;
    }
    let limit = plan.subtask_minutes_limit;
    if minutes.high > limit {
        let message = format!("{} minutes, at most {limit} are allowed", minutes.high);
        refuse("estimated_duration_minutes", message, "split it into smaller subtasks");
    }
    let limit = plan.subtask_tokens_max;
    if subtask.tokens > limit {
        let message = format!("{} tokens, at most {limit} are allowed", subtask.tokens);
        refuse("estimated_tokens", message, "split it into smaller subtasks");
    }
}

/// Returns the paths in their shortest spelling, each once.
fn check_paths(
    subtask: &DraftSubtask,
    field: &str,
    paths: &[String],
    errors: &mut Vec<PlanError>,
) -> Vec<String> {
    let mut clean = Vec::with_capacity(paths.len());
    let mut seen = BTreeSet::new();
    for path in paths {
        match inside_workspace(path) {
            Ok(path) => {
                if seen.insert(path.clone()) {
                    clean.push(path);
                }
            }
            Err(problem) => errors.push(PlanError::subtask(
                &subtask.subtask_id,
                field,
                format!("{path:?} {problem}"),
                "name a path beneath the workspace, e.g. src/main.rs",
            )),
        }
    }
    clean
}

/// Returns a path in its shortest spelling if it stays beneath the workspace.
///
/// # Errors
/// Says what is wrong with the path.
pub(crate) fn inside_workspace(path: &str) -> Result<String, &'static str> {
    let path = path.trim();
    if path.is_empty() {
        return Err("is empty");
    }
    if path.len() > 4096 || path.chars().any(|c| c.is_control() || c == '\\') {
        return Err("is no portable path");
    }
    if path.starts_with('/') || path.starts_with('~') {
        return Err("leaves the workspace");
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err("may leave the workspace: it contains ..");
    }
    if parts.is_empty() { Err("is the workspace itself") } else { Ok(parts.join("/")) }
}

fn ids_where(
    draft: &Draft,
    ids: &[SubtaskId],
    holds: impl Fn(&&DraftSubtask) -> bool,
) -> Option<String> {
    let subtasks = draft.subtasks.iter().zip(ids);
    let ids: Vec<&str> = subtasks.filter(|(s, _)| holds(s)).map(|(_, id)| id.as_str()).collect();
    if ids.is_empty() { None } else { Some(listed(ids.into_iter())) }
}

fn names_two_things(title: &str) -> bool {
    let title = title.to_lowercase();
    [" and ", " & "].iter().any(|word| title.contains(word))
}
