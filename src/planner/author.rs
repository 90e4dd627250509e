//! The author's own plan: kept as it is, and only what can be derived is filled in.

use super::expand::Step;
use super::frame::Frame;
use super::lexicon::lexicon;
use super::select::{self, Masters, Share, Work};
use super::{Planner, Request, text};
use super::{analysis, complexity};
use crate::domain::Policy;
use crate::domain::experience::said;
use crate::domain::plan::{
    Complexity, Draft, DraftIds, DraftOutcome, DraftSubtask, Explanation, Range, Why, Workflow,
};
use crate::domain::task::TaskSpec;

/// Takes the subtasks of the task as they are.
///
/// Master, worker type, title, minutes and tokens are filled in where they are missing, each with
/// its reason. Success criteria never are: only the author knows them.
pub(super) const PLANNER: Planner = Planner { name: "author", draft };

fn draft(request: &Request<'_>, policy: &Policy) -> DraftOutcome {
    let task = request.task;
    if !policy.orchestration_enabled {
        return DraftOutcome::Refuse {
            reason: "the task brings a plan, and orchestration is switched off".to_owned(),
            remedy: "submit it without subtasks, or switch orchestration on".to_owned(),
            question: None,
        };
    }
    let wanted = task.assigned_to.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let wanted = match wanted.map(|name| select::named(name, policy)) {
        Some(Ok(master)) => Some(master),
        Some(Err((reason, remedy))) => {
            return DraftOutcome::Refuse { reason, remedy, question: None };
        }
        None => None,
    };
    let mut domains: Vec<String> = Vec::new();
    let mut subtasks = task.subtasks.clone();
    let mut masters = Masters::new(policy, request.surroundings, wanted);
    for subtask in &mut subtasks {
        complete(subtask, task, &mut masters, policy, &mut domains);
    }
    let mut warnings = Vec::new();
    if task.orchestration_required == Some(false) {
        let said = "the task brings a plan, so that orchestration_required: false is not heeded";
        warnings.push(said.to_owned());
    }
    let count = subtasks.len();
    let independent = subtasks.iter().all(|subtask| subtask.dependencies.is_empty());
    let goal = [&task.title, &task.description].into_iter().find(|text| !text.trim().is_empty());
    let reasons = vec![Why::new("author's plan", format!("the task names {count} subtasks"))];
    let strategy = task.strategy.unwrap_or(policy.strategy);
    let mut analysis = analysis::of_subtasks(&subtasks, &reasons);
    analysis.workspace = request.surroundings.workspace.facts();
    DraftOutcome::Plan(Box::new(Draft {
        goal: goal.map(|goal| text::line(goal, 200)).unwrap_or_default(),
        complexity: if domains.len() > 2 || count > 5 {
            Complexity::High
        } else {
            Complexity::Medium
        },
        domains,
        constraints: Vec::new(),
        success_criteria: acceptance(task),
        strategy,
        workflow: if independent { Workflow::MultiTask } else { Workflow::DecomposeFirst },
        confidence: 1.0,
        ids: DraftIds::Explicit,
        subtasks,
        stages: task.stages.clone(),
        analysis,
        explanation: Explanation {
            verdict: format!("complex: its author split it into {count} subtasks"),
            reasons,
            warnings,
            thresholds: complexity::thresholds(policy),
            planner: PLANNER.name.to_owned(),
            asked: None,
        },
    }))
}

/// Fills in what follows from the words of the subtask.
fn complete(
    subtask: &mut DraftSubtask,
    task: &TaskSpec,
    masters: &mut Masters<'_>,
    policy: &Policy,
    domains: &mut Vec<String>,
) {
    if subtask.title.trim().is_empty() {
        subtask.title = text::line(&subtask.description, super::frame::TITLE_MAX);
    }
    let frame = Frame::of(&subtask.title);
    let named = task.kind.as_deref().map(|kind| kind.trim().to_lowercase());
    let by_author = named.as_deref().and_then(|kind| lexicon().domain_named(kind));
    let domain = frame.domain.or(by_author).unwrap_or(&frame.kind.domain);
    if !domains.iter().any(|known| known == domain) {
        domains.push(domain.to_owned());
    }
    let kind = frame.kind;
    let part_of = std::mem::take(&mut subtask.nature.part_of);
    subtask.nature = Step { part_of, ..Step::of(kind, &frame.object, domain) }.nature();
    subtask.nature.inferred = false;
    let text = said(&subtask.title, &subtask.description);
    // Which of an author's steps go on at the same time is not known yet: all count as one stage.
    let work = Work { text: &text, kind: &kind.name, domain, stage: 0, share: Share::Part };
    if subtask.assigned_to.iter().any(|name| !name.trim().is_empty()) {
        subtask.choice.specialists = masters.specialists(&work);
        subtask.why.extend(select::specialist(&subtask.choice));
    } else if let Some(chose) = masters.choose(&work) {
        subtask.assigned_to = vec![chose.master.to_string()];
        subtask.why.extend(chose.why_specialist());
        subtask.why.push(chose.why);
        subtask.choice = chose.choice;
    }
    let mut fill = |field: &str, value: String| {
        subtask
            .why
            .push(Why::new(format!("{field} filled in"), format!("{value}: {}", frame.evidence)));
    };
    if subtask.worker_type.trim().is_empty() {
        subtask.worker_type.clone_from(&kind.worker);
        fill("worker_type", kind.worker.clone());
    }
    if subtask.minutes == Range::default() {
        let high = kind.minutes[1].min(policy.plan.subtask_minutes_limit);
        subtask.minutes = Range { low: kind.minutes[0].min(high), high };
        fill("estimated_duration_minutes", high.to_string());
    }
    if subtask.tokens == 0 {
        subtask.tokens = kind.tokens.min(policy.plan.subtask_tokens_max);
        fill("estimated_tokens", subtask.tokens.to_string());
    }
}

pub(super) fn acceptance(task: &TaskSpec) -> Vec<String> {
    let list = task.context.get("acceptance_criteria").or(task.context.get("success_criteria"));
    let values = list.and_then(|list| list.as_array()).map(Vec::as_slice).unwrap_or_default();
    values.iter().filter_map(|value| value.as_str()).map(|text| text::line(text, 500)).collect()
}
