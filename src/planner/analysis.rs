//! What is said about a plan beside its steps: intent, entities, risks, how steps fail, which patterns
//! it follows, and what the workspace adds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::expand::Step;
use super::lexicon::lexicon;
use super::request::Reading;
use super::text;
use crate::domain::plan::analysis::{Analysis, AppliedPattern, Entity, FailureMode, Risk};
use crate::domain::plan::{DraftSubtask, Why};
use crate::domain::workspace::Workspace;

/// Names beyond this many are not listed.
const ENTITIES_MAX: usize = 12;

/// Words of a request in which things outside are looked for.
const WORDS_MAX: usize = 2_000;

/// Facts about a workspace that one reason names; the analysis has all of them.
const FACTS_MAX: usize = 4;

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    toml::from_str(include_str!("templates/analysis.toml"))
        .expect("the rules are constants, and a test reads them")
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    hand: Vec<HandRule>,
    area: Vec<AreaRule>,
    risk: Vec<RiskRule>,
    failure: Vec<FailureRule>,
    pattern: Vec<PatternRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HandRule {
    to: String,
    kinds: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AreaRule {
    name: String,
    words: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RiskRule {
    risk: String,
    answer: String,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    rule: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FailureRule {
    kinds: Vec<String>,
    mode: String,
    response: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PatternRule {
    name: String,
    source: String,
    library_id: String,
    snippets: u32,
    when: Shape,
}

/// What of a plan a pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    /// Some step waits for another.
    Waits,
    /// Some step waits for several.
    Join,
    /// Several wait for the same one.
    FanOut,
    /// It has several steps.
    Many,
    /// Whatever it is.
    Always,
    /// Its steps are of several fields.
    SeveralFields,
    /// It needs something outside the workspace.
    External,
}

/// One step as far as the rules see it.
struct Seen<'a> {
    id: &'a str,
    title: &'a str,
    kind: &'a str,
    domain: &'a str,
    after: &'a [String],
    reasons: &'a [Why],
}

/// Analyzes a request that was drafted as these subtasks for these reasons.
pub(super) fn of(
    reading: &Reading,
    steps: &[Step],
    subtasks: &[DraftSubtask],
    reasons: &[Why],
    workspace: &Workspace,
) -> Analysis {
    let mut analysis = of_subtasks(subtasks, reasons);
    analysis.intent = intent(reading, steps);
    analysis.entities = entities(reading, steps);
    analysis.workspace = workspace.facts();
    analysis.hand_to = match subtasks {
        [only] => RULES.hand.iter().find(|rule| rule.kinds.contains(&only.nature.kind)),
        _ => None,
    }
    .map(|rule| rule.to.clone());
    analysis
}

/// Analyzes subtasks alone, as those that their author wrote.
pub(super) fn of_subtasks(subtasks: &[DraftSubtask], reasons: &[Why]) -> Analysis {
    let steps: Vec<Seen<'_>> = subtasks
        .iter()
        .map(|subtask| Seen {
            id: &subtask.subtask_id,
            title: &subtask.title,
            kind: &subtask.nature.kind,
            domain: &subtask.nature.domain,
            after: &subtask.dependencies,
            reasons: &subtask.why,
        })
        .collect();
    Analysis {
        risks: RULES.risk.iter().filter_map(|rule| risk(rule, &steps, reasons)).collect(),
        failure_modes: RULES.failure.iter().filter_map(|rule| failure(rule, &steps)).collect(),
        research: RULES.pattern.iter().filter_map(|rule| pattern(rule, &steps, reasons)).collect(),
        ..Analysis::default()
    }
}

/// Says what was found in the workspace, if anything was.
pub(super) fn why_workspace(workspace: &Workspace) -> Option<Why> {
    let facts = workspace.facts();
    let more = facts.len().saturating_sub(FACTS_MAX);
    let shown = facts.iter().take(FACTS_MAX).cloned().collect::<Vec<_>>().join("; ");
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    (!facts.is_empty()).then(|| Why::new("S1-06 workspace", format!("{shown}{more}")))
}

/// Says how tests are run in this workspace, where a step has to pass them.
pub(super) fn checked_there(criteria: String, worker: &str, workspace: &Workspace) -> String {
    match workspace.test_command() {
        Some(command) if matches!(worker, "test" | "implementation") => {
            format!("{criteria} Here that is checked with `{command}`.")
        }
        Some(_) | None => criteria,
    }
}

/// Returns the parts of a product that a step works on.
pub(super) fn areas(step: &Step) -> Vec<String> {
    let side = match step.kind.name.as_str() {
        "frontend" => "Frontend/",
        "backend" => "Backend/",
        _ => "",
    };
    let builds = matches!(step.kind.worker.as_str(), "implementation" | "deploy");
    if !builds || matches!(step.kind.name.as_str(), "general" | "data") {
        return Vec::new();
    }
    let words: BTreeSet<String> = text::tokens(&format!("{} {}", step.title, step.object))
        .into_iter()
        .map(|token| token.word)
        .collect();
    let fits = |rule: &&AreaRule| rule.name.starts_with(side) && !rule.words.is_disjoint(&words);
    let named: Vec<String> = RULES.area.iter().filter(fits).map(|rule| rule.name.clone()).collect();
    if step.inferred && !side.is_empty() {
        // What a template adds is that side as a whole.
        let whole = RULES.area.iter().filter(|rule| rule.name.starts_with(side));
        return whole.map(|rule| rule.name.clone()).collect();
    }
    match (named.is_empty(), step.domain) {
        (true, "cicd") => vec!["Infrastructure/Configuration".to_owned()],
        (true, _) | (false, _) => named,
    }
}

fn intent(reading: &Reading, steps: &[Step]) -> String {
    let clauses = &reading.segments.clauses;
    match (clauses.as_slice(), &reading.segments.goal) {
        ([only], _) if !only.frame.object.is_empty() => {
            format!("{}: {}", only.frame.kind.name, text::line(&only.frame.object, 120))
        }
        (_, Some(goal)) if !goal.object.is_empty() => {
            format!("{}: {}", goal.kind.name, text::line(&goal.object, 120))
        }
        _ => {
            let mut kinds: Vec<&str> = Vec::new();
            for step in steps.iter().filter(|step| !step.inferred) {
                if !kinds.contains(&step.kind.name.as_str()) {
                    kinds.push(&step.kind.name);
                }
            }
            format!("{}: {}", kinds.join(", "), text::line(&reading.goal, 120))
        }
    }
}

fn entities(reading: &Reading, steps: &[Step]) -> Vec<Entity> {
    let mut entities: Vec<Entity> = Vec::new();
    let mut add = |kind: &str, name: &str| {
        let known = entities.iter().any(|e: &Entity| e.name.eq_ignore_ascii_case(name));
        if !name.is_empty() && !known && entities.len() < ENTITIES_MAX {
            entities.push(Entity { kind: kind.to_owned(), name: name.to_owned() });
        }
    };
    for step in steps.iter().filter(|step| !step.inferred) {
        add("object", &text::line(&step.object, 80));
    }
    for file in &reading.files {
        add("file", file);
    }
    let words: Vec<&str> = reading.words.iter().take(WORDS_MAX).map(String::as_str).collect();
    for at in 0..words.len() {
        let length = text::starts_with_any(&words[at..], &lexicon().words.external);
        add("external", &words[at..at + length].join(" "));
    }
    for name in &reading.external {
        add("external", name);
    }
    for task in &reading.other_tasks {
        add("task", task);
    }
    entities
}

fn risk(rule: &RiskRule, steps: &[Seen<'_>], reasons: &[Why]) -> Option<Risk> {
    let of_steps = steps.iter().flat_map(|step| step.reasons);
    let fired = reasons.iter().chain(of_steps).find(|why| {
        !rule.rule.is_empty() && why.rule.starts_with(&rule.rule) && !why.rule.contains("no ")
    });
    let step = steps.iter().find(|step| {
        rule.kinds.iter().any(|kind| kind == step.kind)
            || rule.domains.iter().any(|domain| domain == step.domain)
    });
    let because = match (fired, step) {
        (Some(why), _) => why.evidence.clone(),
        (None, Some(step)) => format!("\"{}\" is {} work", step.title, step.kind),
        (None, None) => return None,
    };
    Some(Risk { risk: rule.risk.clone(), because, answer: rule.answer.clone() })
}

fn failure(rule: &FailureRule, steps: &[Seen<'_>]) -> Option<FailureMode> {
    let has = |kind: &&String| steps.iter().any(|step| step.kind == kind.as_str());
    let kinds: Vec<String> = rule.kinds.iter().filter(has).cloned().collect();
    (!kinds.is_empty()).then(|| FailureMode {
        kinds,
        mode: rule.mode.clone(),
        response: rule.response.clone(),
    })
}

fn pattern(rule: &PatternRule, steps: &[Seen<'_>], reasons: &[Why]) -> Option<AppliedPattern> {
    let because = match rule.when {
        Shape::Waits => {
            let edges: usize = steps.iter().map(|step| step.after.len()).sum();
            (edges > 0).then(|| format!("{edges} dependencies between {} steps", steps.len()))
        }
        Shape::Join => {
            let join = steps.iter().find(|step| step.after.len() > 1);
            join.map(|step| format!("\"{}\" joins {} steps", step.title, step.after.len()))
        }
        Shape::FanOut => {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for on in steps.iter().flat_map(|step| step.after) {
                *counts.entry(on).or_default() += 1;
            }
            let count = |step: &Seen<'_>| counts.get(step.id).copied().unwrap_or(0);
            let fan = steps.iter().find(|step| count(step) > 1);
            fan.map(|step| format!("{} steps follow \"{}\"", count(step), step.title))
        }
        Shape::Many => (steps.len() > 1)
            .then(|| "what is done is kept and never done again after a crash".to_owned()),
        Shape::Always => Some("a failed attempt is tried again after 1 s, 2 s, 4 s".to_owned()),
        Shape::SeveralFields => {
            let domains: BTreeSet<&str> = steps.iter().map(|step| step.domain).collect();
            let several = domains.len() > 1;
            several.then(|| "each master takes what is its own from its folder".to_owned())
        }
        Shape::External => {
            let external = |why: &&Why| why.rule.starts_with("S4-07") && !why.rule.contains("no ");
            reasons.iter().find(external).map(|why| why.evidence.clone())
        }
    }?;
    Some(AppliedPattern {
        pattern: rule.name.clone(),
        source: rule.source.clone(),
        library_id: rule.library_id.clone(),
        snippets: rule.snippets,
        because,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_handed_to_somebody_and_can_fail() {
        for kind in ["implement", "research", "tests", "design", "performance", "general"] {
            assert!(RULES.hand.iter().any(|rule| rule.kinds.iter().any(|k| k == kind)), "{kind}");
        }
        let known = |kind: &String| lexicon().kind(kind).name == *kind;
        assert!(RULES.hand.iter().flat_map(|rule| &rule.kinds).all(known));
        assert!(RULES.failure.iter().flat_map(|rule| &rule.kinds).all(known));
        assert!(RULES.risk.iter().flat_map(|rule| &rule.kinds).all(known));
        assert_eq!(RULES.pattern.len(), 7);
    }
}
