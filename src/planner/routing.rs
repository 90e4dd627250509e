//! Which shape of work a request asks for: the signals of its words, and what decides between them.

use super::expand::Step;
use super::lexicon::lexicon;
use super::request::Reading;
use super::segment::Shape;
use super::text;
use crate::domain::plan::anatomy::Size;
use crate::domain::plan::{Why, Workflow};

/// Returns the shape of the work of a request that goes whole to one worker.
pub(super) fn whole(reading: &Reading) -> Why {
    let signals = signals(reading);
    let reason = match &reading.laid_down {
        Some(plan) => format!("{plan} is there already (S2-24)"),
        None => "one worker does it".to_owned(),
    };
    let evidence = format!("build_only: {reason}{}", listed(&signals));
    Why::new("S2-05 workflow", evidence)
}

/// Returns the shape of the work of a plan, and why.
///
/// Where signals disagree, the first of these wins: a plan that is there already, several tasks that
/// do not wait for each other or stand in a list of their own, wording of a whole project or a huge
/// size, a fault to be mended, and then planning before building. So `fix the project platform` is
/// decomposed first.
pub(super) fn split(reading: &Reading, steps: &[Step], minutes: u32) -> (Workflow, Why) {
    let signals = signals(reading);
    let speaks_of = |wanted: &str| signals.iter().any(|(name, _)| *name == wanted);
    let named = steps.iter().filter(|step| !step.inferred).count();
    let parts = &reading.segments;
    let is_list = matches!(parts.shape, Shape::Numbered | Shape::Bullets) && parts.goal.is_none();
    let is_backlog = steps.iter().all(|step| step.after.is_empty()) || is_list && named > 1;
    let is_project = named <= 1 || steps.iter().any(|step| !step.part_of.is_empty());
    let is_huge = size_of(steps, minutes) == Size::Huge;
    let main = steps.iter().find(|step| !step.inferred).or(steps.first());
    let mends = main.is_some_and(|step| step.kind.name == "fix");
    let plans = steps.iter().any(|step| step.kind.worker == "planner" && step.after.is_empty());
    let (workflow, reason) = if let Some(plan) = &reading.laid_down {
        (Workflow::BuildOnly, format!("build_only: {plan} is there already (S2-24)"))
    } else if is_backlog {
        (Workflow::MultiTask, format!("multi_task: {named} tasks are named (S2-25)"))
    } else if speaks_of("project") && is_project {
        (Workflow::DecomposeFirst, "decompose_first: it speaks of a whole project".to_owned())
    } else if is_huge {
        (Workflow::DecomposeFirst, "decompose_first: it is huge".to_owned())
    } else if mends && speaks_of("fix") {
        (Workflow::BuildOnly, "build_only: it mends a fault (S2-20)".to_owned())
    } else if plans {
        (Workflow::PlanThenBuild, "plan_then_build: a step plans what is built".to_owned())
    } else {
        (Workflow::PlanThenBuild, "plan_then_build: nothing else is said (S2-04)".to_owned())
    };
    (workflow, Why::new("S2-26 workflow", format!("{reason}{}", listed(&signals))))
}

/// Says how big it is: simple, complex or huge.
pub(super) fn size(steps: &[Step], minutes: u32, is_split: bool) -> Why {
    let count = steps.len();
    let word = if is_split { size_of(steps, minutes) } else { Size::Simple }.as_str();
    Why::new("S2-31 size", format!("{word}: {count} steps, about {minutes} minutes"))
}

fn size_of(steps: &[Step], minutes: u32) -> Size {
    Size::of(steps.len(), u64::from(minutes))
}

/// Returns the signals in the words of a request: what they speak for, and the word.
fn signals(reading: &Reading) -> Vec<(&'static str, String)> {
    let words: Vec<&str> = reading.title_words.iter().map(String::as_str).collect();
    let lists = &lexicon().words.signals;
    let mut found = Vec::new();
    for (name, list) in [
        ("fix", &lists.fix),
        ("add", &lists.add),
        ("refactor", &lists.refactor),
        ("project", &lists.project),
    ] {
        let first = (0..words.len()).find_map(|at| {
            let length = text::starts_with_any(&words[at..], list);
            (length > 0).then(|| words[at..at + length].join(" "))
        });
        found.extend(first.map(|word| (name, word)));
    }
    found
}

fn listed(signals: &[(&'static str, String)]) -> String {
    if signals.is_empty() {
        return String::new();
    }
    let signals: Vec<String> =
        signals.iter().map(|(name, word)| format!("\"{word}\" ({name})")).collect();
    format!("; signals: {}", signals.join(", "))
}
