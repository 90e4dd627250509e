//! Ids of a draft become ids of the directory.

use std::collections::HashMap;

use super::PlanError;
use crate::domain::ids::SubtaskId;
use crate::domain::plan::{Draft, DraftIds};

/// The most characters of a subtask's id.
const SUBTASK_ID_MAX: usize = 112;

/// Slugs that are tried before giving up.
const SLUGS_MAX: u32 = 1_000_000;

/// Maps each drafted id to its position; reports those that are there twice.
pub(super) fn index<'a>(draft: &'a Draft, errors: &mut Vec<PlanError>) -> HashMap<&'a str, usize> {
    let mut index = HashMap::with_capacity(draft.subtasks.len());
    for (at, subtask) in draft.subtasks.iter().enumerate() {
        let id = subtask.subtask_id.as_str();
        if let Some(first) = index.get(id) {
            errors.push(PlanError::subtask(
                id,
                "subtask_id",
                format!("subtasks {} and {} of the plan both have this id", first + 1, at + 1),
                "give each its own",
            ));
        } else {
            index.insert(id, at);
        }
    }
    index
}

/// Returns the id of each subtask, in the order of the draft; empty if there were errors.
pub(super) fn subtask_ids(
    draft: &Draft,
    taken: &dyn Fn(&SubtaskId) -> bool,
    errors: &mut Vec<PlanError>,
) -> Vec<SubtaskId> {
    let ids = match &draft.ids {
        DraftIds::Explicit => explicit(draft, taken),
        DraftIds::Slug(slug) => with_free_slug(draft, slug, taken),
    };
    ids.unwrap_or_else(|found| {
        errors.extend(found);
        Vec::new()
    })
}

/// Returns free ids for what takes the place of a subtask: its own, cut where it is too long, and
/// one of the endings each; nothing when none are free.
pub(crate) fn replacement_ids(
    old: &SubtaskId,
    endings: &[String],
    taken: &dyn Fn(&SubtaskId) -> bool,
) -> Option<Vec<SubtaskId>> {
    let longest = endings.iter().map(String::len).max()?;
    (1..=SLUGS_MAX).find_map(|number| {
        let again = if number == 1 { String::new() } else { format!("-{number}") };
        let room = SUBTASK_ID_MAX.checked_sub(longest + 1 + again.len())?;
        let stem = old.as_str().get(..room).unwrap_or(old.as_str());
        let id = |ending: &String| SubtaskId::parse(&format!("{stem}{again}-{ending}")).ok();
        endings.iter().map(|ending| id(ending).filter(|id| !taken(id))).collect()
    })
}

fn explicit(
    draft: &Draft,
    taken: &dyn Fn(&SubtaskId) -> bool,
) -> Result<Vec<SubtaskId>, Vec<PlanError>> {
    let mut errors = Vec::new();
    let mut ids = Vec::with_capacity(draft.subtasks.len());
    for drafted in &draft.subtasks {
        let id = drafted.subtask_id.as_str();
        match SubtaskId::parse(id) {
            Err(error) => errors.push(PlanError::subtask(
                id,
                "subtask_id",
                error.problem,
                "use an id such as auth-001-design",
            )),
            Ok(id) if taken(&id) => errors.push(PlanError::subtask(
                id.as_str(),
                "subtask_id",
                "this id is in use in the directory",
                format!("choose another, e.g. {id}-2"),
            )),
            Ok(id) => ids.push(id),
        }
    }
    if errors.is_empty() { Ok(ids) } else { Err(errors) }
}

fn with_free_slug(
    draft: &Draft,
    slug: &str,
    taken: &dyn Fn(&SubtaskId) -> bool,
) -> Result<Vec<SubtaskId>, Vec<PlanError>> {
    let endings = endings(draft, slug)?;
    for number in 1..=SLUGS_MAX {
        let slug = if number == 1 { slug.to_owned() } else { format!("{slug}-{number}") };
        if let Some(ids) = named(&endings, &slug, taken)? {
            return Ok(ids);
        }
    }
    Err(vec![PlanError::plan(
        "subtask_id",
        format!("{slug} and every {slug}-N up to {SLUGS_MAX} is in use"),
        "name the subtasks yourself",
    )])
}

/// Returns the ids under one slug, or nothing if one of them is taken.
fn named(
    endings: &[&str],
    slug: &str,
    taken: &dyn Fn(&SubtaskId) -> bool,
) -> Result<Option<Vec<SubtaskId>>, Vec<PlanError>> {
    let mut ids = Vec::with_capacity(endings.len());
    for ending in endings {
        let id = SubtaskId::parse(&format!("{slug}-{ending}")).map_err(|error| {
            let remedy = "choose a shorter slug of letters, digits and dashes";
            vec![PlanError::subtask(&error.value, "subtask_id", error.problem, remedy)]
        })?;
        if taken(&id) {
            return Ok(None);
        }
        ids.push(id);
    }
    Ok(Some(ids))
}

fn endings<'a>(draft: &'a Draft, slug: &str) -> Result<Vec<&'a str>, Vec<PlanError>> {
    let mut errors = Vec::new();
    let mut endings = Vec::with_capacity(draft.subtasks.len());
    for subtask in &draft.subtasks {
        let id = subtask.subtask_id.as_str();
        match id.strip_prefix(slug).and_then(|rest| rest.strip_prefix('-')) {
            Some(ending) => endings.push(ending),
            None => errors.push(PlanError::subtask(
                id,
                "subtask_id",
                format!("it does not begin with the plan's slug {slug}-"),
                format!("name it {slug}-NNN-kind"),
            )),
        }
    }
    if errors.is_empty() { Ok(endings) } else { Err(errors) }
}
