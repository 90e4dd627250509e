//! Which shape of work a request asks for: the signals of its words, and what decides between them.

use super::expand::Step;
use super::lexicon::lexicon;
use super::request::Reading;
use super::text;
use crate::domain::plan::{Why, Workflow};

/// Steps from which on a plan counts as huge (S2-31).
const HUGE_STEPS_MIN: usize = 9;

/// Minutes from which on a plan counts as huge (S2-31).
const HUGE_MINUTES_MIN: u32 = 240;

/// Returns the shape of the work of a request that goes whole to one worker.
pub(super) fn whole(reading: &Reading) -> Why {
    let signals = signals(reading);
    let evidence = format!("build_only: one worker does it{}", listed(&signals));
    Why::new("S2-05 workflow", evidence)
}

/// Returns the shape of the work of a plan, and why.
///
/// Where signals disagree, the first of these wins: several tasks that do not wait for each other,
/// wording of a whole project, a step that plans, and then decomposing first.
pub(super) fn split(reading: &Reading, steps: &[Step]) -> (Workflow, Why) {
    let signals = signals(reading);
    let named = steps.iter().filter(|step| !step.inferred).count();
    let independent = steps.iter().all(|step| step.after.is_empty());
    let is_whole = signals.iter().any(|(name, _)| *name == "project");
    let plans = steps.iter().any(|step| step.kind.worker == "planner" && step.after.is_empty());
    let (workflow, reason) = if independent {
        (Workflow::MultiTask, format!("multi_task: {named} steps wait for nothing"))
    } else if is_whole && named <= 1 {
        (Workflow::DecomposeFirst, "decompose_first: it speaks of a whole project".to_owned())
    } else if plans {
        (Workflow::PlanThenBuild, "plan_then_build: a step plans what is built".to_owned())
    } else {
        (Workflow::DecomposeFirst, "decompose_first: its steps follow each other".to_owned())
    };
    (workflow, Why::new("S2-26 workflow", format!("{reason}{}", listed(&signals))))
}

/// Says how big it is: simple, complex or huge.
pub(super) fn size(steps: &[Step], minutes: u32, is_split: bool) -> Why {
    let count = steps.len();
    let word = if !is_split {
        "simple"
    } else if count >= HUGE_STEPS_MIN || minutes >= HUGE_MINUTES_MIN {
        "huge"
    } else {
        "complex"
    };
    Why::new("S2-31 size", format!("{word}: {count} steps, about {minutes} minutes"))
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
