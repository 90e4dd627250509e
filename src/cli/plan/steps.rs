//! The steps of a plan that has not begun: who does what, by what means, and what it waits for.

use std::collections::BTreeMap;

use crate::cli::output::{Page, Tone, design, plain, span, text};
use crate::domain::ids::SubtaskId;
use crate::domain::plan::{ModelTier, Plan, Subtask};

/// How far what is said of a step is moved in.
const INDENT: usize = 6;

/// Puts the stages of a plan on the page.
pub(super) fn print(page: &mut Page, title: &str, plan: &Plan) {
    page.line(&[span(Tone::Strong, title)]);
    let steps = text::count(plan.subtasks.len(), "subtask");
    let stages = text::count(plan.stages.len(), "stage");
    page.line(&[span(Tone::Dim, format!("{steps} in {stages}, {}", plan.strategy.as_str()))]);
    let by_id: BTreeMap<&SubtaskId, &Subtask> =
        plan.subtasks.iter().map(|subtask| (&subtask.subtask_id, subtask)).collect();
    let critical = &plan.estimate.critical_path;
    for (position, stage) in plan.stages.iter().enumerate() {
        page.line(&[span(Tone::Strong, format!("stage {}", position + 1))]);
        for subtask in stage.iter().filter_map(|id| by_id.get(id)) {
            step(page, subtask, critical.contains(&subtask.subtask_id));
        }
    }
    if !critical.is_empty() {
        page.line(&[span(Tone::Dim, "◆ on the critical path: the whole takes as long as these")]);
    }
}

fn step(page: &mut Page, subtask: &Subtask, is_critical: bool) {
    page.line(&[
        span(Tone::Dim, if is_critical { "  ◆ " } else { "  ○ " }),
        plain(format!("{}  ", subtask.subtask_id)),
        span(Tone::Busy, format!("{}  ", subtask.assigned_to)),
        span(Tone::Dim, &subtask.title),
    ]);
    page.paragraph(INDENT, &means(subtask));
    if !subtask.dependencies.is_empty() {
        let names: Vec<&str> = subtask.dependencies.iter().map(|id| id.as_str()).collect();
        page.paragraph(INDENT, &format!("depends on {}", names.join(", ")));
    }
}

/// Says how long it takes, by what model, why by that one, and what that costs.
fn means(subtask: &Subtask) -> String {
    let model = subtask.nature.model;
    let minutes = design::minutes(subtask.estimated_duration_range);
    let tokens = u64::from(subtask.estimated_tokens);
    let cost = match model {
        ModelTier::Standard => String::new(),
        ModelTier::Light | ModelTier::Strong => {
            format!(" that cost as {}", tokens * model.cost_percent() / 100)
        }
    };
    let tier = model.as_str();
    let why = subtask.why.iter().find(|why| why.rule == "S3-20 model");
    let why = why.map(|why| why.evidence.trim_start_matches(tier).trim_start_matches([':', ' ']));
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let inferred = if subtask.nature.inferred { "inferred: " } else { "" };
    format!("{inferred}{minutes}, {tokens} tokens{cost}, {tier} model{why}")
}
