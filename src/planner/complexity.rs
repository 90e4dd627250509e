//! Simple or complex: every rule is looked at, and every one that fired is told (S4-05 to S4-14).

use std::collections::{BTreeMap, BTreeSet};

use super::expand::Step;
use super::lexicon::lexicon;
use super::request::{HINT_MIN, Reading};
use super::{files, phrasing, text};
use crate::domain::Policy;
use crate::domain::ids::AgentName;
use crate::domain::plan::Why;
use crate::domain::task::TaskSpec;

/// What the rules say together.
pub(super) struct Verdict {
    /// True when the task is to be split.
    pub(super) complex: bool,
    /// Every rule that fired, in the order of the rules.
    pub(super) reasons: Vec<Why>,
    /// What the author may want to change.
    pub(super) warnings: Vec<String>,
}

/// Judges a task by the steps its words name. `masters` are those who would get the steps.
pub(super) fn judge(
    task: &TaskSpec,
    reading: &Reading,
    steps: &[Step],
    masters: &BTreeSet<AgentName>,
    policy: &Policy,
) -> Verdict {
    let mut fired: Vec<Why> = [
        domains(steps, policy),
        file_count(reading, policy),
        trigger(reading),
        scope(reading, steps),
        external(reading, steps),
        order(reading),
        several(steps),
        minutes(reading, steps, policy),
        tokens(reading, steps, policy),
        coordination(masters),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut warnings = Vec::new();
    hint(reading, &mut fired, &mut warnings);
    let vague = reading.vague_words();
    if !vague.is_empty() {
        warnings.push(format!(
            "the request is vague ({}): say what is to be done, to what, and when it is done",
            vague.join(", ")
        ));
    }
    let known = reading.segments.clauses.iter().any(|clause| clause.frame.known);
    if !known {
        warnings.push(
            "no word of it names a kind of work: begin with a verb, such as add, fix or review"
                .to_owned(),
        );
    }
    let clear = vague.is_empty() && known;
    let by_rules = !fired.is_empty();
    let complex = match task.orchestration_required {
        Some(wanted) => {
            let evidence = format!("the task says orchestration_required: {wanted}");
            fired.insert(0, Why::new("S4-03 author's word", evidence));
            wanted
        }
        None => by_rules,
    };
    if complex || by_rules {
        return Verdict { complex, reasons: fired, warnings };
    }
    fired.extend(simple_reasons(reading, steps, policy, clear));
    Verdict { complex, reasons: fired, warnings }
}

/// Returns the limits that the rules compare with, by name.
pub(super) fn thresholds(policy: &Policy) -> BTreeMap<String, u64> {
    let (complexity, plan) = (&policy.complexity, &policy.plan);
    let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    [
        ("domains_max", wide(complexity.domains_max)),
        ("files_max", wide(complexity.files_max)),
        ("minutes_max", u64::from(complexity.minutes_max)),
        ("tokens_max", u64::from(complexity.tokens_max)),
        ("confidence_percent_min", u64::from(complexity.confidence_percent_min)),
        ("hint_min", HINT_MIN),
        ("stages_max", wide(plan.stages_max)),
        ("subtasks_min", wide(plan.subtasks_min)),
        ("subtasks_max", wide(plan.subtasks_max)),
        ("subtask_minutes_max", u64::from(plan.subtask_minutes_max)),
        ("subtask_minutes_limit", u64::from(plan.subtask_minutes_limit)),
        ("subtask_tokens_max", u64::from(plan.subtask_tokens_max)),
        ("subtask_files_max", wide(plan.subtask_files_max)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// Returns the fields of work of the steps, in order of first use.
pub(super) fn domains_of(steps: &[Step]) -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    steps.iter().map(|step| step.domain).filter(|domain| seen.insert(*domain)).collect()
}

/// Returns the minutes that the task may take as a whole: the author's word, or the steps'.
pub(super) fn minutes_estimate(reading: &Reading, steps: &[Step]) -> u32 {
    reading.minutes.unwrap_or_else(|| match steps {
        [one] => one.goal_minutes.unwrap_or(one.minutes.high),
        several => several.iter().map(|s| s.minutes.high).fold(0, u32::saturating_add),
    })
}

fn domains(steps: &[Step], policy: &Policy) -> Option<Why> {
    // What belongs to no field needs no specialist either.
    let mut found = domains_of(steps);
    found.retain(|domain| *domain != "general");
    let limit = policy.complexity.domains_max;
    (found.len() > limit).then(|| {
        let evidence = format!("{} (more than {limit})", found.join(", "));
        Why::new("S4-10 several domains", evidence)
    })
}

fn file_count(reading: &Reading, policy: &Policy) -> Option<Why> {
    let (count, limit) = (reading.files.len(), policy.complexity.files_max);
    (count > limit).then(|| {
        Why::new("S4-11 many files", format!("{count} files are named, more than {limit}"))
    })
}

/// Whoever asks for coordination gets it, however small the rest looks (S1-03).
fn trigger(reading: &Reading) -> Option<Why> {
    let words: Vec<&str> = reading.title_words.iter().map(String::as_str).collect();
    let orders = text::starts_with_any(&words, &lexicon().words.orders);
    let found = text::starts_with_any(&words[orders..], &lexicon().words.triggers);
    (found > 0).then(|| {
        let word = words[orders..orders + found].join(" ");
        Why::new("S1-03 trigger word", format!("\"{word}\" asks for coordination"))
    })
}

fn scope(reading: &Reading, steps: &[Step]) -> Option<Why> {
    if is_quick(steps) {
        return None;
    }
    let lists = &lexicon().words;
    let lower = reading.goal.to_lowercase();
    if let Some(word) = lists.scope_elsewhere.iter().find(|word| phrasing::has_words(&lower, word))
    {
        let evidence = format!("\"{word}\" speaks of a whole system");
        return Some(Why::new("S4-11 entire systems", evidence));
    }
    let words: Vec<&str> =
        reading.title_words.iter().map(String::as_str).filter(|w| !w.contains('/')).collect();
    (0..words.len()).find_map(|at| {
        let found = text::starts_with_any(&words[at..], &lists.scope);
        let around = &words[at.saturating_sub(1)..];
        let harmless = text::starts_with_any(&words[at..], &lists.scope_not) > 0
            || (at > 0 && text::starts_with_any(around, &lists.scope_not) > 1);
        (found > 0 && !harmless).then(|| {
            let evidence =
                format!("\"{}\" speaks of a whole system", words[at..at + found].join(" "));
            Why::new("S4-11 entire systems", evidence)
        })
    })
}

fn external(reading: &Reading, steps: &[Step]) -> Option<Why> {
    const JOINING: &[&str] = &[
        "with",
        "via",
        "using",
        "through",
        "from",
        "to",
        "into",
        "against",
        "on",
        "and",
        "or",
        "the",
        "integrate",
        "call",
        "use",
        "support",
        "add",
        "by",
        "in",
    ];
    let builds = |step: &Step| matches!(step.kind.name.as_str(), "implement" | "migrate" | "setup");
    if let Some(name) = reading.external.first() {
        let evidence = format!("the context names {name}");
        return Some(Why::new("S4-07 external dependency", evidence));
    }
    if !steps.iter().any(builds) {
        return None;
    }
    let words: Vec<&str> = reading.title_words.iter().map(String::as_str).collect();
    (0..words.len()).find_map(|at| {
        let found = text::starts_with_any(&words[at..], &lexicon().words.external);
        let joined = at.checked_sub(1).is_some_and(|before| JOINING.contains(&words[before]));
        (found > 0 && joined).then(|| {
            let evidence = format!("{} is outside the workspace", words[at..at + found].join(" "));
            Why::new("S4-07 external dependency", evidence)
        })
    })
}

fn order(reading: &Reading) -> Option<Why> {
    let clauses = &reading.segments.clauses;
    clauses.iter().find_map(|clause| {
        let link = clause.after.first()?;
        let evidence = &link.evidence;
        let (first, then) = (&clauses[link.before].frame.title, &clause.frame.title);
        let evidence = format!("\"{first}\" before \"{then}\": {evidence}");
        Some(Why::new("S4-12 sequential dependencies", evidence))
    })
}

fn several(steps: &[Step]) -> Option<Why> {
    const STEPS_MIN: usize = 3;
    let named = steps.iter().filter(|step| !step.inferred).count();
    (named >= STEPS_MIN)
        .then(|| Why::new("S2-25 several tasks", format!("{named} steps are named")))
}

fn minutes(reading: &Reading, steps: &[Step], policy: &Policy) -> Option<Why> {
    let (minutes, limit) = (minutes_estimate(reading, steps), policy.complexity.minutes_max);
    (minutes > limit)
        .then(|| Why::new("S4-13 time", format!("about {minutes} minutes, more than {limit}")))
}

fn tokens(reading: &Reading, steps: &[Step], policy: &Policy) -> Option<Why> {
    let (tokens, limit) = (tokens_estimate(reading, steps), policy.complexity.tokens_max);
    (tokens > limit)
        .then(|| Why::new("S4-13 tokens", format!("about {tokens} tokens, more than {limit}")))
}

/// Returns the tokens that the task may take as a whole: the author's word, or the steps'.
pub(super) fn tokens_estimate(reading: &Reading, steps: &[Step]) -> u32 {
    let of_steps = || steps.iter().map(|s| s.tokens).fold(0, u32::saturating_add);
    reading.tokens.unwrap_or_else(of_steps)
}

fn coordination(masters: &BTreeSet<AgentName>) -> Option<Why> {
    (masters.len() > 1).then(|| {
        let names: Vec<&str> = masters.iter().map(AgentName::as_str).collect();
        Why::new("S4-14 several masters", names.join(", "))
    })
}

/// The author's measure of difficulty counts only beside another sign.
fn hint(reading: &Reading, fired: &mut Vec<Why>, warnings: &mut Vec<String>) {
    let Some(hint) = reading.hint.filter(|hint| *hint >= HINT_MIN) else { return };
    let deliverables: BTreeSet<&str> = reading
        .deliverables
        .iter()
        .map(|path| files::domain(path).unwrap_or("development"))
        .collect();
    let sign = if let Some(why) = fired.first() {
        Some(why.rule.clone())
    } else if deliverables.len() > 1 {
        let kinds: Vec<&str> = deliverables.into_iter().collect();
        Some(format!("deliverables of several kinds: {}", kinds.join(", ")))
    } else {
        None
    };
    match sign {
        Some(sign) => {
            let evidence = format!("the author says {hint} of 10 (from {HINT_MIN}), and: {sign}");
            fired.push(Why::new("S4-04 author's complexity", evidence));
        }
        None => warnings.push(format!(
            "the author says {hint} of 10, but nothing else asks for a split: \
             orchestration_required: true would force one"
        )),
    }
}

fn is_quick(steps: &[Step]) -> bool {
    steps.len() == 1 && steps[0].kind.quick
}

fn simple_reasons(reading: &Reading, steps: &[Step], policy: &Policy, clear: bool) -> Vec<Why> {
    let limits = &policy.complexity;
    let (minutes, files) = (minutes_estimate(reading, steps), reading.files.len());
    let mut reasons = vec![
        Why::new("S4-05 single domain", domains_of(steps).join(", ")),
        Why::new("S4-06 few files", format!("{files} named, at most {}", limits.files_max)),
        Why::new("S4-07 no external dependency", "none is named"),
        Why::new("S4-08 short", format!("about {minutes} minutes, at most {}", limits.minutes_max)),
    ];
    if clear {
        reasons.push(Why::new("S4-09 clear instruction", "it says what to do and to what"));
    }
    reasons
}
