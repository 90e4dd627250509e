//! What a plan is made of, for people: routing, figures, parts, gates, risks and outline.

use super::page::{Page, Tone, plain, span};
use super::text;
use crate::client::documents::EstimateDocument;
use crate::domain::plan::Range;
use crate::domain::plan::anatomy::{Anatomy, Gate};
use crate::domain::plan::outline::{Level, Node};

/// Gates, risks and the like beyond this many are counted.
const LISTED_MAX: usize = 6;

/// Puts on the page how a request is dealt with (S2-12).
pub(crate) fn routing(
    page: &mut Page,
    anatomy: &Anatomy,
    complexity: &str,
    workflow: &str,
    confidence: f64,
) {
    page.field("complexity", &format!("{complexity}, {}", anatomy.size.as_str()));
    let mut agents: Vec<String> = Vec::new();
    for agent in &anatomy.agent_sequence {
        if agents.last() != Some(agent) {
            agents.push(agent.clone());
        }
    }
    page.field("workflow", &format!("{workflow}: {}", agents.join(" → ")));
    page.field("confidence", &format!("{:.0} %", confidence * 100.0));
    page.field("coordination", &anatomy.coordination);
    if let Some(hand_to) = &anatomy.analysis.hand_to {
        page.field("suited", &format!("{hand_to}: there is nothing to coordinate"));
    }
}

/// Puts the seven figures of an estimate on the page (S4-38), what it costs, and its longest chain.
pub(crate) fn figures(page: &mut Page, estimate: &EstimateDocument, widest: usize) {
    page.field("subtasks", &estimate.total_subtasks.to_string());
    page.field("duration", &estimate.duration_estimate);
    page.field("tokens", &estimate.token_estimate.to_string());
    if estimate.cost_tokens != estimate.token_estimate {
        let cost = format!(
            "as of {} tokens of a standard model, {} % less than a strong one for all",
            estimate.cost_tokens, estimate.saving_percent
        );
        page.field("cost", &cost);
    }
    page.field("masters", &estimate.masters.join(", "));
    page.field("workers", &estimate.workers.to_string());
    let parallel = match (estimate.parallelization_possible, widest) {
        (false, _) => "no".to_owned(),
        (true, widest) => format!("yes, {widest} side by side at most"),
    };
    page.field("parallel", &parallel);
    if !estimate.critical_path.is_empty() {
        page.field("critical path", &estimate.critical_path.join(" → "));
    }
    for bottleneck in &estimate.bottlenecks {
        page.field("bottleneck", bottleneck);
    }
}

/// Puts on the page what was found out about a request, and what follows from its graph.
pub(crate) fn analysis(page: &mut Page, anatomy: &Anatomy) {
    let found = &anatomy.analysis;
    let is_bare = found.is_empty() && anatomy.phases.is_empty();
    if is_bare {
        return;
    }
    page.heading("Analysis");
    if !found.intent.is_empty() {
        page.field("intent", &found.intent);
    }
    let names: Vec<String> =
        found.entities.iter().map(|e| format!("{} ({})", e.name, e.kind)).collect();
    if !names.is_empty() {
        page.field("entities", &names.join(", "));
    }
    for area in &anatomy.areas {
        page.field(&area.area.to_lowercase(), &area.parts.join(", "));
    }
    if anatomy.phases.len() > 1 {
        let phases = anatomy.phases.iter();
        let phases =
            phases.map(|group| format!("{} {}", group.phase.as_str(), group.subtasks.len()));
        page.field("phases", &phases.collect::<Vec<_>>().join(" → "));
    }
    capped(page, "gate", anatomy.gates.iter().filter_map(gate));
    capped(page, "risk", found.risks.iter().map(|r| format!("{}; {}", r.risk, r.answer)));
    let modes: Vec<&str> = found.failure_modes.iter().map(|f| f.mode.as_str()).collect();
    if !modes.is_empty() {
        page.field("may fail", &modes.join("; "));
    }
    let patterns = found.research.iter().map(|p| format!("{} ({})", p.pattern, p.source));
    let patterns: Vec<String> = patterns.collect();
    if !patterns.is_empty() {
        page.field("patterns", &patterns.join(", "));
    }
    capped(page, "workspace", found.workspace.iter().cloned());
}

/// Puts the outline of a huge plan on the page.
pub(crate) fn outline(page: &mut Page, anatomy: &Anatomy) {
    let Some(outline) = &anatomy.outline else { return };
    page.heading("Outline");
    let counts = outline.counts;
    let counts = [
        text::count(counts.epics, "epic"),
        format!("{} stories", counts.stories),
        text::count(counts.tasks, "task"),
        text::count(counts.subtasks, "subtask"),
    ];
    page.line(&[span(Tone::Dim, counts.join(", "))]);
    node(page, &outline.epic);
}

/// Says what a step may take.
pub(crate) fn minutes(range: Range) -> String {
    match range {
        Range { low, high } if low == high => format!("{high} min"),
        Range { low, high } => format!("{low}-{high} min"),
    }
}

fn node(page: &mut Page, node: &Node) {
    let indent = match node.level {
        Level::Epic => 0,
        Level::Story => 2,
        Level::Task => 4,
        Level::Subtask => 6,
    };
    let title = node.subtask_id.as_ref().map_or(node.title.as_str(), |id| id.as_str());
    let duration = match node.level {
        Level::Subtask => node.duration.clone(),
        Level::Epic | Level::Story | Level::Task => {
            format!("{} ({})", node.duration, minutes(node.minutes))
        }
    };
    let room = page.room(page.width().saturating_sub(indent + duration.len() + 2));
    page.line(&[
        plain(" ".repeat(indent)),
        span(
            if node.level < Level::Task { Tone::Strong } else { Tone::Plain },
            text::cut(title, room),
        ),
        span(Tone::Dim, format!("  {duration}")),
    ]);
    for child in &node.children {
        self::node(page, child);
    }
}

fn gate(gate: &Gate) -> Option<String> {
    let id = gate.subtask_id.as_ref()?;
    let held: Vec<&str> = gate.holds_back.iter().map(|id| id.as_str()).collect();
    Some(format!("{id} before {}", held.join(", ")))
}

/// Adds one field for each, and counts those that are too many.
fn capped(page: &mut Page, name: &str, values: impl Iterator<Item = String>) {
    let values: Vec<String> = values.collect();
    for value in values.iter().take(LISTED_MAX) {
        page.field(name, value);
    }
    if values.len() > LISTED_MAX {
        page.field(name, &format!("and {} more; --json has them all", values.len() - LISTED_MAX));
    }
}
