//! The completion report for people (S1-44).

use crate::domain::plan::outline::Outline;
use crate::domain::plan::{Orchestration, RunKind, Strategy, SubtaskStatus};

use super::super::{duration_text, is_unseen};
use super::{Completion, SubtaskEntry};

/// Texts of others are cut after so many characters; the JSON beside has them whole.
const TEXT_CHARS_MAX: usize = 2_000;

/// Writes the report.
pub(super) fn write(run: &Orchestration, report: &Completion<'_>) -> String {
    let sections = [
        format!("# Orchestration Report: {}\n\n{}", text(&run.title), text(&report.result.summary)),
        format!("## Operation Summary\n\n{}", operation_summary(run, report)),
        format!("## Research Applied\n\n{}", research_applied(run)),
        format!("## Task Hierarchy\n\n{}", task_hierarchy(run, report)),
        format!("## Execution Timeline\n\n{}", execution_timeline(report)),
        format!("## Outcomes\n\n{}", outcomes(report, run)),
        format!("## Next Steps\n\n{}", next_steps(report)),
    ];
    sections.map(|section| section.trim_end().to_owned() + "\n").join("\n")
}

fn operation_summary(run: &Orchestration, report: &Completion<'_>) -> String {
    let stages = run.plan.stages.len();
    let total = match run.kind {
        RunKind::Planned => match run.plan.anatomy().outline {
            Some(Outline { counts, .. }) => format!(
                "{} epic, {} stories, {} tasks, {} subtasks in {stages} stages",
                counts.epics, counts.stories, counts.tasks, report.results.total
            ),
            None => format!("{} subtasks in {stages} stages", report.results.total),
        },
        RunKind::Routed => "1, given whole to one master".to_owned(),
    };
    let kind = report.result.kind.map_or("none", |kind| kind.as_str());
    let agents: Vec<&str> = report.agents_coordinated.iter().map(|a| a.as_str()).collect();
    let rows = [
        ("Operation", text(report.goal)),
        ("Status", status_text(report.status)),
        ("Domains", text(&or_none(report.domains.join(", ")))),
        ("Strategy", strategy_text(run.plan.strategy).to_owned()),
        ("Total Tasks", total),
        ("Duration", report.duration.clone()),
        ("Agents coordinated", or_none(agents.join(", "))),
        ("Results", format!("{} of {} ({kind})", report.results.completed, report.results.total)),
    ];
    let rows = rows.map(|(aspect, details)| format!("| {aspect} | {details} |\n"));
    format!("| Aspect | Details |\n| --- | --- |\n{}", rows.concat())
}

fn research_applied(run: &Orchestration) -> String {
    let coordination = match run.plan.strategy {
        Strategy::Staged => "a stage starts when all of the one before is complete",
        Strategy::Adaptive => "a subtask starts when its own dependencies are complete",
        Strategy::Sequential => "one subtask at a time",
    };
    let patterns = run.plan.analysis.research.iter().map(|applied| {
        let (pattern, source) = (text(&applied.pattern), text(&applied.source));
        format!(
            "- Pattern of the local catalogue: {pattern} ({source}): {}\n",
            text(&applied.because)
        )
    });
    let patterns: String = patterns.collect();
    format!(
        "- Workflow pattern: {}\n- Coordination strategy: {coordination}\n- Failure handling: retry \
         with growing delays, another master, a change of the plan, then a person\n- Planned by: {}\n{patterns}",
        run.plan.workflow.as_str(),
        text(&or_none(run.plan.explanation.planner.clone())),
    )
}

fn task_hierarchy(run: &Orchestration, report: &Completion<'_>) -> String {
    let mut out = String::new();
    for stage in 1..=run.plan.stages.len() {
        out += &format!("### Stage {stage}\n\n");
        for entry in report.subtasks.iter().filter(|entry| entry.stage == stage) {
            let done = if entry.status == SubtaskStatus::Completed { 'x' } else { ' ' };
            let waits = match entry.dependencies {
                [] => String::new(),
                _ => format!(" (depends on {})", dependencies(entry)),
            };
            out += &format!(
                "- [{done}] {} {} - {}{waits}\n",
                entry.subtask_id,
                text(entry.title),
                standing(entry),
            );
        }
        out.push('\n');
    }
    out
}

fn execution_timeline(report: &Completion<'_>) -> String {
    let row = |entry: &SubtaskEntry<'_>| {
        format!(
            "| {} | {} | {} | {} |\n",
            entry.subtask_id,
            standing(entry),
            entry.duration_ms.map_or("-".to_owned(), duration_text),
            or_none(dependencies(entry)),
        )
    };
    let rows: String = report.subtasks.iter().map(row).collect();
    format!("| Task | Status | Duration | Dependencies |\n| --- | --- | --- | --- |\n{rows}")
}

/// Says how often what was done about failures.
fn handled(report: &Completion<'_>, run: &Orchestration) -> String {
    let moved = run.runs.iter().map(|subtask| subtask.agents_before.len()).sum();
    let retries = usize::try_from(report.retries).unwrap_or(usize::MAX);
    let replans = usize::try_from(run.replans).unwrap_or(usize::MAX);
    let count = |n: usize, one: &str, more: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {more}"),
    };
    let others =
        [(moved, "move", "moves", " to another master"), (replans, "new plan", "new plans", "")];
    let others = others.into_iter().filter(|(n, ..)| *n > 0);
    let parts = others.map(|(n, one, more, rest)| format!("{}{rest}", count(n, one, more)));
    [count(retries, "retry", "retries")].into_iter().chain(parts).collect::<Vec<_>>().join(", ")
}

fn outcomes(report: &Completion<'_>, run: &Orchestration) -> String {
    let efficiency = report
        .parallel_efficiency_percent
        .map_or("not measured".to_owned(), |percent| format!("{percent}%"));
    let mut out = format!(
        "- Tasks completed: {}/{}\n- Parallel efficiency: {efficiency}\n- Failures handled: \
         {}\n",
        report.results.completed,
        report.results.total,
        handled(report, run)
    );
    for (holds, what) in report.conditions.list() {
        out += &format!("- [{}] {what}\n", if holds { 'x' } else { ' ' });
    }
    out += "\n| Task | Done by | Attempts | Output |\n| --- | --- | --- | --- |\n";
    out.extend(report.subtasks.iter().map(output_row));
    if !report.gaps.is_empty() {
        out += "\nGaps:\n\n";
        out.extend(report.gaps.iter().map(|gap| format!("- {}\n", text(gap))));
    }
    out
}

fn output_row(entry: &SubtaskEntry<'_>) -> String {
    let output = entry.output.as_ref().map_or("none".to_owned(), |output| {
        let files = match output.deliverables {
            [] => String::new(),
            files => format!(" ({})", text(&files.join(", "))),
        };
        format!("{}: {}{files}", output.kind.as_str(), text(output.summary))
    });
    let attempt = |attempt: &super::AttemptEntry<'_>| {
        format!("{} {} {}", attempt.attempt, attempt.agent, attempt.outcome.unwrap_or("under way"))
    };
    let attempts: Vec<String> = entry.attempts.iter().map(attempt).collect();
    format!(
        "| {} | {} | {} | {output} |\n",
        entry.subtask_id,
        entry.done_by.map_or("nobody", |agent| agent.as_str()),
        or_none(attempts.join(", ")),
    )
}

fn next_steps(report: &Completion<'_>) -> String {
    if report.next_steps.is_empty() {
        return "None.\n".to_owned();
    }
    let steps = (1..).zip(&report.next_steps);
    steps.map(|(number, step)| format!("{number}. {}\n", text(step))).collect()
}

fn dependencies(entry: &SubtaskEntry<'_>) -> String {
    let ids: Vec<&str> = entry.dependencies.iter().map(|id| id.as_str()).collect();
    ids.join(", ")
}

fn or_none(text: String) -> String {
    if text.is_empty() { "None".to_owned() } else { text }
}

fn standing(entry: &SubtaskEntry<'_>) -> String {
    match entry.replaced_by {
        None => subtask_status_text(entry.status).to_owned(),
        Some(by) => {
            let by: Vec<&str> = by.iter().map(|id| id.as_str()).collect();
            format!("replaced by {}", by.join(", "))
        }
    }
}

/// The words of C-05 for a subtask.
fn subtask_status_text(status: SubtaskStatus) -> &'static str {
    match status {
        SubtaskStatus::Pending | SubtaskStatus::Ready => "Not Started",
        SubtaskStatus::HandedOff | SubtaskStatus::Active => "In Progress",
        SubtaskStatus::Completed => "Completed",
        SubtaskStatus::Failed | SubtaskStatus::Zombie => "Failed",
        SubtaskStatus::Blocked => "Blocked",
        SubtaskStatus::Skipped => "skipped",
        SubtaskStatus::Cancelled => "cancelled",
        SubtaskStatus::Compensated => "compensated",
    }
}

fn status_text(status: &str) -> String {
    match status {
        "completed" => "Completed".into(),
        "blocked" => "Blocked".into(),
        "failed" => "Failed".into(),
        other => other.into(),
    }
}

fn strategy_text(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Staged => "Parallel (staged)",
        Strategy::Adaptive => "Adaptive",
        Strategy::Sequential => "Sequential",
    }
}

/// Writes a text of others so that it can neither leave its line or cell nor mean anything to a
/// Markdown reader; control and direction marks are shown as escapes.
fn text(foreign: &str) -> String {
    let foreign = foreign.trim();
    let mut out = String::new();
    if foreign.starts_with(['#', '-', '+', '=', '~']) {
        out.push('\\');
    }
    for (count, char) in foreign.chars().enumerate() {
        if count == TEXT_CHARS_MAX {
            out += " [...]";
            break;
        }
        match char {
            '\n' | '\t' => out.push(' '),
            '\r' => {}
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '&' => {
                out.push('\\');
                out.push(char);
            }
            char if char.is_control() || is_unseen(char) => out.extend(char.escape_unicode()),
            char => out.push(char),
        }
    }
    out
}
