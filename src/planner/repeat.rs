//! The same request again: the plan that a person mended, and that came to its goal, is used again.

use super::expand;
use super::frame::Frame;
use super::select::{Masters, Share, Work};
use super::{Request, Said, analysis, author, complexity, text};
use crate::domain::Policy;
use crate::domain::experience::{Fate, PastPlan, said};
use crate::domain::ids::{AgentName, TaskId};
use crate::domain::moment::Timestamp;
use crate::domain::plan::{
    Complexity, Draft, DraftIds, DraftOutcome, DraftSubtask, Explanation, Why, Workflow,
};
use crate::domain::validate::validate;

/// Its name in explanations.
pub(super) const NAME: &str = "repeat";

/// Returns the draft of a request whose last plan was mended by a person, or was such a repetition;
/// nothing where there is none, where somebody else asked for it, where anything beside the request
/// is otherwise, and where the steps would make no plan any more.
pub(super) fn draft(request: &Request<'_>, policy: &Policy) -> Option<DraftOutcome> {
    let task = request.task;
    let is_asked_for = |name: &String| !name.trim().is_empty();
    let is_bound = task.orchestration_required == Some(false)
        || task.assigned_to.as_ref().is_some_and(is_asked_for);
    let past = request.surroundings.lessons.last_plan_for(&said(&task.title, &task.description))?;
    let is_mended =
        past.fate == Fate::Edited || past.fate == Fate::Accepted && past.planner == NAME;
    let is_same = past.kind == task.kind
        && past.context == task.context
        && past.owner == request.surroundings.owner;
    if is_bound || !policy.orchestration_enabled || !is_mended || !is_same {
        return None;
    }
    let subtasks = steps(past, request, policy)?;
    let mut domains: Vec<String> = Vec::new();
    for subtask in &subtasks {
        if !subtask.nature.domain.is_empty() && !domains.contains(&subtask.nature.domain) {
            domains.push(subtask.nature.domain.clone());
        }
    }
    let told = Said::of(task);
    let ended = Timestamp::from_ms(past.at_ms);
    let evidence = format!(
        "the same request as task {}, whose plan a person mended and which came to its goal at {ended}",
        past.task_id
    );
    let goal = [&task.title, &task.description].into_iter().find(|text| !text.trim().is_empty());
    let count = subtasks.len();
    let reasons = vec![Why::new("plan of before", evidence)];
    let mut analysis = analysis::of_subtasks(&subtasks, &reasons);
    analysis.workspace = request.surroundings.workspace.facts();
    let draft = Draft {
        goal: goal.map(|goal| text::line(goal, 200)).unwrap_or_default(),
        complexity: if count > 5 { Complexity::High } else { Complexity::Medium },
        domains,
        constraints: told.constraints,
        success_criteria: author::acceptance(task).into_iter().chain(told.criteria).collect(),
        strategy: task.strategy.unwrap_or(past.strategy),
        workflow: Workflow::DecomposeFirst,
        confidence: 0.95,
        ids: DraftIds::Slug(slug(&task.title)),
        subtasks,
        stages: Vec::new(),
        analysis,
        explanation: Explanation {
            verdict: format!("complex: split into {count} subtasks as it was before"),
            reasons,
            warnings: Vec::new(),
            thresholds: complexity::thresholds(policy),
            planner: NAME.to_owned(),
            asked: None,
        },
    };
    // Limits and masters may be others today.
    let task_id = TaskId::parse("repeat").expect("it is a valid id");
    validate(&draft, &task_id, policy, &|_| false).ok()?;
    Some(DraftOutcome::Plan(Box::new(draft)))
}

fn slug(title: &str) -> String {
    expand::slug(&[], Some(&Frame::of(title)))
}

/// Returns the steps that were not left out, with new ids; what waited for one that was left out
/// waits for what that had waited for.
fn steps(past: &PastPlan, request: &Request<'_>, policy: &Policy) -> Option<Vec<DraftSubtask>> {
    let slug = slug(&request.task.title);
    let kept: Vec<&DraftSubtask> =
        past.steps.iter().filter(|step| !step.skipped).map(|step| &step.draft).collect();
    let new_id = |old: &str| {
        let at = kept.iter().position(|step| step.subtask_id == old)?;
        Some(format!("{slug}-{:03}-{}", at + 1, ending(kept[at])))
    };
    let mut masters = Masters::new(policy, request.surroundings, None);
    let mut steps = Vec::with_capacity(kept.len());
    for step in &kept {
        let mut again = (*step).clone();
        again.subtask_id = new_id(&step.subtask_id)?;
        again.dependencies =
            waits_for(past, &step.dependencies).iter().filter_map(|id| new_id(id)).collect();
        again.for_each = step.for_each.as_deref().and_then(new_id);
        let text = said(&step.title, &step.description);
        let (kind, domain) = (step.nature.kind.as_str(), step.nature.domain.as_str());
        let work = Work { text: &text, kind, domain, stage: 0, share: Share::Part };
        let chose = masters.choose(&work)?;
        let still = |name: &String| {
            let name = AgentName::parse(name).ok();
            let settings = name.and_then(|name| policy.masters.get(&name));
            settings.is_some_and(|master| master.orchestration_enabled)
        };
        let evidence = format!("as {} of task {}", step.subtask_id, past.task_id);
        again.why = vec![Why::new("plan of before", evidence)];
        again.why.extend(chose.why_specialist());
        again.choice.specialists = chose.choice.specialists;
        again.choice.masters = Vec::new();
        if step.assigned_to.iter().any(|name| !still(name)) {
            again.assigned_to = vec![chose.master.to_string()];
            again.why.push(chose.why);
            again.choice.masters = chose.choice.masters;
        }
        steps.push(again);
    }
    (!steps.is_empty()).then_some(steps)
}

/// Returns what the id of a step ends with: its kind, which an author writes as he likes.
fn ending(step: &DraftSubtask) -> String {
    const LETTERS_MAX: usize = 20;
    let said = if step.nature.kind.is_empty() { &step.worker_type } else { &step.nature.kind };
    let letters = said.chars().filter(char::is_ascii_alphanumeric).take(LETTERS_MAX);
    let ending: String = letters.collect::<String>().to_lowercase();
    if ending.is_empty() { "step".to_owned() } else { ending }
}

/// Returns what is waited for, through steps that were left out.
fn waits_for(past: &PastPlan, ids: &[String]) -> Vec<String> {
    let mut open: Vec<&String> = ids.iter().rev().collect();
    let (mut found, mut seen): (Vec<String>, Vec<&String>) = (Vec::new(), Vec::new());
    while let Some(id) = open.pop() {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        let left_out = past.steps.iter().find(|step| step.skipped && step.draft.subtask_id == *id);
        match left_out {
            Some(step) => open.extend(step.draft.dependencies.iter().rev()),
            None => found.push(id.clone()),
        }
    }
    found
}
