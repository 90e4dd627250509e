//! From what the author said to the steps of a plan.

use super::files;
use super::frame::{Frame, telling_words};
use super::lexicon::{Kind, Template, TemplateStep, lexicon};
use super::order;
use super::request::Reading;
use super::segment::Shape;
use super::text;
use crate::domain::plan::{ModelTier, Nature, Range, Why};

/// Letters of the author's words that are repeated in a step.
const WORDS_MAX: usize = 1_000;

/// The rule by which what its author wants to hold in hand makes a step.
const DELIVERABLE: &str = "named as a deliverable";

/// Minutes of a fault whose cause has to be found first.
const SYMPTOM_MINUTES: u32 = 60;

/// One step of a plan in the making; positions are those of the list it is in.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) kind: &'static Kind,
    pub(super) title: String,
    pub(super) object: String,
    /// What to do, the author's words included.
    pub(super) task: String,
    pub(super) domain: &'static str,
    pub(super) minutes: Range,
    /// Minutes of the whole goal, if this is one that unfolds.
    pub(super) goal_minutes: Option<u32>,
    pub(super) tokens: u32,
    pub(super) files: Vec<String>,
    /// What it waits for, and why.
    pub(super) after: Vec<(usize, Why)>,
    /// Why it is there.
    pub(super) why: Why,
    /// True when it carries the goal itself, and so the author's criteria.
    pub(super) is_goal: bool,
    /// True when the author did not name it.
    pub(super) inferred: bool,
    /// Why its estimate is not that of its kind.
    pub(super) corrected: Option<Why>,
}

/// Returns the steps that the author's words name, in the order that they are put in.
pub(super) fn named_steps(reading: &Reading) -> Vec<Step> {
    let parts = &reading.segments;
    let goal = parts.goal.as_ref().map_or("", |goal| goal.object.as_str());
    let objects = parts.goal.iter().chain(parts.clauses.iter().map(|clause| &clause.frame));
    let fallback = objects.map(|frame| frame.object.as_str()).find(|object| !object.is_empty());
    let fallback = fallback.unwrap_or_default().to_owned();
    let audited = parts.clauses.iter().any(|clause| clause.frame.kind.name == "security");
    let mut steps: Vec<Step> = Vec::with_capacity(parts.clauses.len());
    for clause in &parts.clauses {
        let mut step = Step::named(&clause.frame, &clause.text, &fallback, reading.domain);
        if clause.frame.is_bare() && !goal.is_empty() && !step.title.contains(' ') {
            step.title = with_object(&step, goal);
        }
        if audited && step.kind.name == "verify" {
            step.domain = "security";
        }
        step.after = clause
            .after
            .iter()
            .map(|link| (link.before, Why::new("S4-12 words of order", link.evidence.clone())))
            .collect();
        steps.push(step);
    }
    merge_report(&mut steps);
    add_facets(&mut steps, reading);
    if !parts.independent {
        order::by_rank(&mut steps);
    }
    steps
}

/// Returns the steps that a bare goal unfolds into.
pub(super) fn unfolded(frame: &Frame, reading: &Reading) -> Vec<Step> {
    let template = lexicon().template(&frame.kind.name);
    let object = if frame.object.is_empty() { reading.goal.as_str() } else { &frame.object };
    let mut object = text::line(object, 80);
    if matches!(frame.kind.name.as_str(), "scan" | "security" | "review")
        && let Some((place, _what_for)) = object.split_once(" for ")
    {
        object = place.to_owned();
    }
    let whole = Step::named(frame, &reading.goal, &object, reading.domain);
    let mut steps: Vec<Step> = Vec::new();
    let mut keys: Vec<&str> = Vec::new();
    for part in chosen_parts(template, frame, reading) {
        let mut step = Step::inferred(part, frame, &object, &whole, template);
        step.after = keys
            .iter()
            .enumerate()
            .filter(|(_, key)| part.after.iter().any(|after| after == *key))
            .map(|(at, _)| {
                (at, Why::new("template order", format!("as in every {}", template.name)))
            })
            .collect();
        keys.push(&part.kind);
        steps.push(step);
    }
    join_halves(&mut steps);
    for facet in facets_beyond(template, frame, reading) {
        let mut step = Step::of(facet, &object, whole.domain);
        step.why = Why::new("asked for beside the goal", facet.name.clone());
        step.inferred = false;
        let last = sinks(&steps);
        step.after = last
            .into_iter()
            .map(|at| (at, Why::new("kind order", format!("{} comes after the rest", facet.name))))
            .collect();
        steps.push(step);
    }
    place_files(&mut steps, frame, reading);
    steps
}

/// Splits steps of more files than allowed into parts side by side.
pub(super) fn split_wide(steps: Vec<Step>, files_max: usize) -> Vec<Step> {
    let files_max = files_max.max(1);
    let mut split: Vec<Step> = Vec::with_capacity(steps.len());
    let mut parts_of: Vec<Vec<usize>> = Vec::with_capacity(steps.len());
    for step in steps {
        let count = step.files.len().div_ceil(files_max).max(1);
        let first = split.len();
        for part in 0..count {
            let mut copy = step.clone();
            copy.files =
                step.files.iter().skip(part * files_max).take(files_max).cloned().collect();
            if count > 1 {
                copy.title = format!("{} (part {} of {count})", step.title, part + 1);
                let limit = format!("{} files, at most {files_max} a subtask", step.files.len());
                copy.why.alternatives.push(format!("one subtask: {limit}"));
            }
            split.push(copy);
        }
        parts_of.push((first..split.len()).collect());
    }
    for step in &mut split {
        let after = std::mem::take(&mut step.after);
        for (at, why) in after {
            step.after.extend(parts_of[at].iter().map(|part| (*part, why.clone())));
        }
    }
    split
}

/// Returns the name of the plan's subjects: short, lower case, `[a-z0-9-]`.
pub(super) fn slug(steps: &[Step], goal: Option<&Frame>) -> String {
    const LETTERS_MAX: usize = 24;
    let objects = goal.into_iter().map(|goal| goal.object.as_str());
    let objects = objects.chain(steps.iter().map(|step| step.object.as_str()));
    let words = objects.map(telling_words).find(|words| !words.is_empty()).unwrap_or_default();
    let lists = &lexicon().words;
    if let Some(object) = lexicon().object(&words) {
        return object.slug.clone();
    }
    let telling: Vec<&String> = words.iter().filter(|w| !lists.generic.contains(*w)).collect();
    let chosen = if telling.is_empty() { words.iter().collect() } else { telling };
    let mut slug = String::new();
    for word in chosen.into_iter().take(2) {
        let word = lists.synonyms.get(word).unwrap_or(word);
        let room = LETTERS_MAX.saturating_sub(slug.len() + 1);
        if !slug.is_empty() && word.len() <= room {
            slug.push('-');
            slug.push_str(word);
        } else if slug.is_empty() {
            slug.extend(word.chars().take(LETTERS_MAX));
        }
    }
    // The protocol keeps the prefix `subtask-` for itself.
    if slug.is_empty() || slug == "subtask" || slug.starts_with("subtask-") {
        "task".to_owned()
    } else {
        slug
    }
}

impl Step {
    /// Says what kind of step it is, in the words of a plan.
    pub(super) fn nature(&self) -> Nature {
        Nature {
            kind: self.kind.name.clone(),
            domain: self.domain.to_owned(),
            inferred: self.inferred,
            model: self.kind.model,
        }
    }

    /// Says why it needs a model of that strength.
    pub(super) fn why_model(&self) -> Why {
        let reason = match self.kind.model {
            ModelTier::Light => "only looks something up or follows a recipe",
            ModelTier::Standard => "builds, tests or describes",
            ModelTier::Strong => "decides what others build on, or has to find what is hidden",
        };
        let tier = self.kind.model.as_str();
        Why::new("S3-20 model", format!("{tier}: {} work {reason}", self.kind.name))
    }

    fn of(kind: &'static Kind, object: &str, domain: &'static str) -> Step {
        let filled = |text: &str| fill(text, object);
        let own = lexicon().domain_named(&kind.domain).unwrap_or(domain);
        // What is not bound to a field stays in that of the goal.
        let domain = if kind.fixed || own != "development" { own } else { domain };
        Step {
            kind,
            title: text::line(&filled(&kind.title), super::frame::TITLE_MAX),
            object: object.to_owned(),
            task: filled(&kind.task),
            domain,
            minutes: Range { low: kind.minutes[0], high: kind.minutes[1] },
            goal_minutes: None,
            tokens: kind.tokens,
            files: Vec::new(),
            after: Vec::new(),
            why: Why::default(),
            is_goal: false,
            inferred: true,
            corrected: None,
        }
    }

    /// A step in the author's own words.
    fn named(
        frame: &Frame,
        words: &str,
        fallback: &str,
        author_domain: Option<&'static str>,
    ) -> Step {
        let bare = frame.is_bare();
        let object = if bare { fallback } else { &frame.object };
        let own = lexicon().domain_named(&frame.kind.domain).unwrap_or("general");
        let hint = author_domain.filter(|_| !frame.kind.fixed);
        let domain = hint.or(frame.domain).unwrap_or(own);
        let mut step = Step::of(frame.kind, object, domain);
        step.domain = domain;
        step.is_goal = true;
        step.inferred = false;
        step.title.clone_from(&frame.title);
        step.task = format!("{}\nAs asked: {}", step.task, text::line(words, WORDS_MAX));
        step.files.clone_from(&frame.files);
        step.why = Why::new("named in the request", frame.evidence.clone());
        let lists = &lexicon().words;
        step.goal_minutes = frame.kind.goal_minutes;
        if matches!(frame.lemma, Some("release" | "launch")) {
            step.goal_minutes = Some(60);
        }
        if frame.kind.name == "implement" && lists.large.contains(&frame.head) {
            step.goal_minutes = Some(60);
        }
        let lower = words.to_lowercase();
        if frame.kind.name == "fix" && lists.symptoms.iter().any(|name| has_words(&lower, name)) {
            step.goal_minutes = Some(SYMPTOM_MINUTES);
        }
        if lists.small.contains(&frame.head) {
            step.minutes = Range { low: 5, high: 10 };
            step.goal_minutes = None;
        }
        step
    }

    /// A step that a template adds.
    fn inferred(
        part: &TemplateStep,
        frame: &Frame,
        object: &str,
        whole: &Step,
        template: &Template,
    ) -> Step {
        let is_own = part.kind == frame.kind.name;
        let mut step = if part.goal {
            whole.clone()
        } else {
            Step::of(lexicon().kind(&part.kind), object, whole.domain)
        };
        if let Some(title) = &part.title {
            step.title = text::line(&fill(title, object), super::frame::TITLE_MAX);
        }
        step.is_goal =
            part.goal || is_own || step.kind.name == "backend" || step.kind.name == "frontend";
        step.inferred = !(part.goal || is_own);
        step.goal_minutes = None;
        step.files.clear();
        step.why = if part.goal {
            whole.why.clone()
        } else {
            Why::new("inferred from template", format!("{}: {}", template.name, part.kind))
        };
        step
    }
}

/// Tells whether a text has these words, whole.
fn has_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, found)| {
        let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        !is_letter(text[..at].chars().next_back())
            && !is_letter(text[at + found.len()..].chars().next())
    })
}

/// Says to what, where the author named a list of verbs below a goal.
fn with_object(step: &Step, object: &str) -> String {
    let word = step.title.to_lowercase();
    let is_verb = lexicon().verb(&[word.as_str()]).is_some();
    let title = match step.kind.name.as_str() {
        "data" | "general" | "change" => format!("{} for {object}", step.title),
        _ if is_verb => format!("{} {object}", step.title),
        _ => fill(&step.kind.title, object),
    };
    text::line(&title, super::frame::TITLE_MAX)
}

fn fill(text: &str, object: &str) -> String {
    let object = if object.is_empty() { "the result" } else { object };
    text::capitalised(&text.replace("{object}", object))
}

/// Leaves the half of a feature out that the object is not about.
fn chosen_parts<'a>(
    template: &'a Template,
    frame: &Frame,
    reading: &Reading,
) -> Vec<&'a TemplateStep> {
    let lists = &lexicon().words;
    let words: Vec<String> =
        frame.object.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let code = || reading.files.iter().filter(|file| files::domain(file).is_none());
    let ui = words.iter().any(|w| lists.ui.contains(w)) || code().any(|f| files::is_ui(f));
    let server = words.iter().any(|w| lists.server.contains(w)) || code().any(|f| !files::is_ui(f));
    let both = ui == server || lexicon().object(&telling_words(&frame.object)).is_some();
    let fits = |part: &&TemplateStep| match part.when.as_deref() {
        Some("ui") => both || ui,
        Some("server") => both || server,
        Some(_) | None => true,
    };
    template.steps.iter().filter(fits).collect()
}

/// With one half of a feature left out, the other is simply its implementation.
fn join_halves(steps: &mut [Step]) {
    let halves = |step: &Step| matches!(step.kind.name.as_str(), "backend" | "frontend");
    if steps.iter().filter(|step| halves(step)).count() == 1 {
        for step in steps.iter_mut().filter(|step| halves(step)) {
            let whole = Step::of(lexicon().kind("implement"), &step.object, step.domain);
            step.kind = whole.kind;
            step.title = whole.title;
            step.task = whole.task;
        }
    }
}

/// Returns the kinds asked for in passing, and those of named files, that the template lacks.
fn facets_beyond(template: &Template, frame: &Frame, reading: &Reading) -> Vec<&'static Kind> {
    let mut facets: Vec<&'static Kind> = frame.facets.clone();
    let has_docs = reading.files.iter().any(|file| files::domain(file) == Some("docs"));
    if has_docs && frame.kind.rank < 70 {
        facets.push(lexicon().kind("docs"));
    }
    let known = |kind: &&'static Kind| {
        template.extend.contains(&kind.name)
            || template.steps.iter().any(|step| step.kind == kind.name)
    };
    facets.retain(|kind| !known(kind));
    facets.sort_by_key(|kind| kind.rank);
    facets.dedup_by_key(|kind| kind.name.clone());
    facets
}

/// Gives each file to the step that is about its kind.
fn place_files(steps: &mut [Step], frame: &Frame, reading: &Reading) {
    if reading.files.is_empty() {
        let words = telling_words(&frame.object);
        let Some(object) = lexicon().object(&words).filter(|_| is_feature(steps)) else { return };
        for step in steps {
            step.files = object.files.get(&step.kind.name).cloned().unwrap_or_default();
        }
        return;
    }
    for file in &reading.files {
        let suits = |step: &Step| match files::domain(file) {
            Some("testing") => step.kind.name == "tests",
            Some("docs") => step.kind.name == "docs",
            Some(_) | None => match step.kind.name.as_str() {
                "frontend" => files::is_ui(file),
                "backend" => !files::is_ui(file),
                _ => step.is_goal,
            },
        };
        let at = steps.iter().position(suits).or_else(|| steps.iter().position(|s| s.is_goal));
        let at = at.unwrap_or_default();
        steps[at].files.push(file.clone());
    }
}

fn is_feature(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.kind.name == "backend")
}

/// A report on what a single step found is its result, not a step of its own.
fn merge_report(steps: &mut Vec<Step>) {
    let [first, second] = steps.as_slice() else { return };
    let finds = matches!(
        first.kind.name.as_str(),
        "scan" | "security" | "review" | "research" | "inventory" | "verify" | "performance"
    );
    if !finds || second.kind.name != "aggregate" || second.title.starts_with("Recommend") {
        return;
    }
    let Some(second) = steps.pop() else { return };
    for first in steps {
        first.task = format!("{}\nThen: {}", first.task, second.title);
        first.files.extend(second.files.iter().cloned());
    }
}

/// Adds what several clauses ask for in passing, and tests where features are built in no order.
fn add_facets(steps: &mut Vec<Step>, reading: &Reading) {
    let clauses = &reading.segments.clauses;
    let compares = steps.len() > 2 && steps.iter().any(|step| step.kind.name == "compare");
    let first = || steps.first().map(|step| step.object.clone()).unwrap_or_default();
    let object = if compares { "each alternative".to_owned() } else { first() };
    let domain = steps.first().map_or("development", |step| step.domain);
    let facets = clauses.iter().flat_map(|clause| clause.frame.facets.iter().copied());
    let mut wanted: Vec<(&'static Kind, Why)> =
        facets.map(|kind| (kind, Why::new("asked for in passing", kind.name.clone()))).collect();
    let named = reading.segments.deliverables.iter();
    wanted.extend(named.map(|(kind, words)| (*kind, Why::new(DELIVERABLE, words.clone()))));
    let builds = steps.iter().filter(|step| step.kind.name == "implement").count();
    let in_order = clauses.iter().any(|clause| !clause.after.is_empty());
    if builds >= 2 && !in_order && reading.segments.shape == Shape::Prose {
        let why = Why::new("inferred", format!("{builds} things are built and nothing tests them"));
        wanted.push((lexicon().kind("tests"), why));
    }
    let compared = steps.iter().filter(|step| step.kind.name == "compare").count();
    if compared >= 2 {
        let why =
            Why::new("inferred", format!("{compared} things are compared: a result joins them"));
        wanted.push((lexicon().kind("aggregate"), why));
    }
    for (kind, why) in wanted {
        if !steps.iter().any(|step| step.kind.name == kind.name) {
            let mut step = Step::of(kind, &object, domain);
            if why.rule == DELIVERABLE {
                step.title = text::line(&text::capitalised(&why.evidence), super::frame::TITLE_MAX);
            }
            step.inferred = why.rule == "inferred";
            step.why = why;
            steps.push(step);
        }
    }
}

/// Returns the steps that nothing waits for.
fn sinks(steps: &[Step]) -> Vec<usize> {
    let awaited = |at: usize| steps.iter().any(|step| step.after.iter().any(|(on, _)| *on == at));
    (0..steps.len()).filter(|&at| !awaited(at)).collect()
}
