//! From an answer to a draft like any other: filled in, with the author's wishes kept, and checked.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{Answer, Step, Verdict};
use crate::domain::Policy;
use crate::domain::ids::AgentName;
use crate::domain::plan::{
    Complexity, Draft, DraftIds, DraftOutcome, DraftSubtask, Explanation, Nature, Range, Strategy,
    Why, Workflow,
};
use crate::domain::task::TaskSpec;
use crate::domain::validate::{validate, validate_routed};
use crate::planner::outside::{self, Completion};
use crate::planner::{self, Request, Said, Surroundings};

/// Letters that one line has at the most.
const LINE_LETTERS_MAX: usize = 200;
/// Letters of a reason.
const REASON_LETTERS_MAX: usize = 600;
/// Letters of an id in an answer.
const ID_LETTERS_MAX: usize = 64;
/// Letters of a description, and of what tells that a step is done.
const DESCRIPTION_LETTERS_MAX: usize = 8_000;
const CRITERIA_LETTERS_MAX: usize = 2_000;
/// Constraints or criteria of an answer, and files of one of its steps.
const LIST_MAX: usize = 50;
const FILES_MAX: usize = 200;
/// Ends of confidence: at first, and for each time that an answer had to be mended.
const CONFIDENCE: f64 = 0.9;
const CONFIDENCE_LOSS: f64 = 0.1;

/// What holds whoever drafts: what the author asks for and what the embedded planner found.
#[derive(Debug, Clone)]
pub(super) struct Wishes {
    /// The name of whoever drafts.
    pub(super) planner: String,
    /// What has to be respected.
    pub(super) constraints: Vec<String>,
    /// How the author says one can tell that it is done.
    pub(super) criteria: Vec<String>,
    /// The master that the author asks for.
    wanted: Option<AgentName>,
    /// How the subtasks follow each other.
    strategy: Strategy,
    /// Why it must not be split.
    whole: Option<String>,
    /// Why it must be split.
    split: Option<String>,
    /// Whether the author has said how it is to be done: then nothing is asked.
    is_decided: bool,
    slug: String,
    policy: Policy,
    surroundings: Surroundings,
}

impl Wishes {
    /// Gathers them; nothing if a person has decided already what becomes of it.
    pub(super) fn of(
        name: &str,
        request: &Request<'_>,
        policy: &Policy,
        embedded: &DraftOutcome,
    ) -> Option<Self> {
        let task = request.task;
        let says_nothing =
            [&task.title, &task.description].iter().all(|text| text.trim().is_empty());
        if !task.subtasks.is_empty() || says_nothing || policy.masters.is_empty() {
            return None;
        }
        let wanted = outside::wanted(task, policy).ok()?;
        let draft = match embedded {
            DraftOutcome::Plan(draft) | DraftOutcome::Route(draft) => Some(draft),
            DraftOutcome::Refuse { .. } => None,
        };
        if draft.is_some_and(|draft| draft.explanation.planner == planner::REPEATED) {
            return None;
        }
        let said = Said::of(task);
        let planned = draft.filter(|_| matches!(embedded, DraftOutcome::Plan(_)));
        let found = draft.map(|draft| draft.constraints.clone()).unwrap_or_default();
        Some(Self {
            planner: name.to_owned(),
            constraints: union(found, said.constraints),
            criteria: said.criteria,
            whole: must_stay_whole(task, wanted, policy),
            split: (task.orchestration_required == Some(true))
                .then(|| "its author wants a plan (orchestration_required: true)".to_owned()),
            is_decided: task.orchestration_required.is_some() || wanted.is_some(),
            wanted: wanted.cloned(),
            strategy: task
                .strategy
                .or(planned.map(|draft| draft.strategy))
                .unwrap_or(policy.strategy),
            slug: match planned.map(|draft| &draft.ids) {
                Some(DraftIds::Slug(slug)) => slug.clone(),
                Some(DraftIds::Explicit) | None => outside::slug(&task.title),
            },
            policy: policy.clone(),
            surroundings: request.surroundings.clone(),
        })
    }

    /// Says them in sentences, for whoever drafts.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if let Some(why) = &self.whole {
            sentences.push(format!("The verdict has to be single: {why}."));
        }
        if let Some(why) = self.split.as_ref().filter(|_| self.whole.is_none()) {
            sentences.push(format!("The verdict has to be plan: {why}."));
        }
        if let Some(master) = &self.wanted {
            sentences
                .push(format!("The author asks for the master {master}: it gets what it takes."));
        }
        if self.is_decided {
            sentences.push("The author has said how it is to be done: do not ask.".to_owned());
        }
        sentences
    }

    /// Turns an answer into a draft; `mended` is how many answers before it could not be used.
    ///
    /// # Errors
    /// Everything that is wrong with it, in words for whoever gave it.
    pub(super) fn outcome(
        &self,
        answer: &Answer,
        mended: usize,
    ) -> Result<DraftOutcome, Vec<String>> {
        let only = |problem: &str| Err(vec![problem.to_owned()]);
        match answer.verdict {
            Verdict::Ask if self.is_decided => {
                only("verdict: the author has said how it is to be done; answer plan or single")
            }
            Verdict::Ask if answer.question.trim().is_empty() => only("question: it is empty"),
            Verdict::Refuse if answer.reason.trim().is_empty() => only("reason: it is empty"),
            Verdict::Ask | Verdict::Refuse => Ok(self.refusal(answer)),
            Verdict::Plan | Verdict::Single => {
                let errors = self.sizes(answer);
                if errors.is_empty() { self.draft(answer, mended) } else { Err(errors) }
            }
        }
    }

    /// Says what there is too much of, before anybody goes through all of it.
    fn sizes(&self, answer: &Answer) -> Vec<String> {
        let plan = &self.policy.plan;
        let subtasks_max = plan.subtasks_limit;
        let mut errors = Vec::new();
        let mut at_most = |what: String, count: usize, limit: usize| {
            if count > limit {
                errors.push(format!("{what}: {count} are too many, give at most {limit}"));
            }
        };
        at_most("subtasks".to_owned(), answer.subtasks.len(), subtasks_max);
        at_most("constraints".to_owned(), answer.constraints.len(), LIST_MAX);
        at_most("success_criteria".to_owned(), answer.success_criteria.len(), LIST_MAX);
        for step in answer.subtasks.iter().take(subtasks_max) {
            let id = line(&step.id, ID_LETTERS_MAX);
            at_most(format!("subtask {id}: files"), step.files.len(), FILES_MAX);
            at_most(format!("subtask {id}: depends_on"), step.depends_on.len(), subtasks_max);
        }
        if answer.verdict == Verdict::Single || answer.subtasks.len() == 1 {
            // The validator leaves the time of a whole task to whoever drafts it.
            let limit = plan.subtask_minutes_limit;
            let long = answer.subtasks.iter().filter(|step| step.minutes.high > limit);
            errors.extend(long.take(1).map(|step| {
                let id = line(&step.id, ID_LETTERS_MAX);
                let high = step.minutes.high;
                format!("subtask {id}: minutes: {high} are too many: say at most {limit}, or null")
            }));
        }
        errors
    }

    fn refusal(&self, answer: &Answer) -> DraftOutcome {
        let or = |text: &str, instead: &str| {
            let text = line(text, REASON_LETTERS_MAX);
            if text.is_empty() { instead.to_owned() } else { text }
        };
        let reason = or(&answer.reason, "the request leaves open what is to be done");
        let remedy = "say what is to be done, to what, and when it is done";
        DraftOutcome::Refuse {
            reason: format!("{reason} (says {})", self.planner),
            remedy: or(&answer.remedy, remedy),
            question: (answer.verdict == Verdict::Ask)
                .then(|| line(&answer.question, REASON_LETTERS_MAX)),
        }
    }

    fn draft(&self, answer: &Answer, mended: usize) -> Result<DraftOutcome, Vec<String>> {
        let count = answer.subtasks.len();
        let is_whole = match (answer.verdict, count) {
            (Verdict::Single, 1) => true,
            (Verdict::Single, _) => {
                return Err(vec![format!(
                    "subtasks: verdict single has exactly one, and here are {count}"
                )]);
            }
            // One step alone is no plan, unless its author wants one.
            (Verdict::Plan, _) => count == 1 && self.split.is_none(),
            (Verdict::Ask | Verdict::Refuse, _) => false,
        };
        let against = if is_whole {
            self.split.as_ref().filter(|_| self.whole.is_none()).map(|why| ("plan", why))
        } else {
            self.whole.as_ref().map(|why| ("single", why))
        };
        if let Some((verdict, why)) = against {
            return Err(vec![format!("verdict: it has to be {verdict}: {why}")]);
        }
        let mut draft = self.frame(answer, is_whole, mended);
        let forbidden = self.forbidden(&draft);
        let checked = check(&draft, is_whole, &self.policy);
        let errors: Vec<String> = forbidden.into_iter().chain(checked).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        if is_whole {
            return Ok(DraftOutcome::Route(Box::new(draft)));
        }
        self.rename(&mut draft);
        let errors = check(&draft, false, &self.policy);
        if errors.is_empty() { Ok(DraftOutcome::Plan(Box::new(draft))) } else { Err(errors) }
    }

    fn frame(&self, answer: &Answer, is_whole: bool, mended: usize) -> Draft {
        let mut subtasks: Vec<DraftSubtask> =
            answer.subtasks.iter().map(|step| subtask(step, is_whole)).collect();
        let levels = levels(&subtasks);
        let wanted = self.wanted.as_ref();
        let mut completion = Completion::new(&self.policy, &self.surroundings, wanted, is_whole);
        for (at, (subtask, step)) in subtasks.iter_mut().zip(&answer.subtasks).enumerate() {
            let why = line(&step.why, REASON_LETTERS_MAX);
            subtask.why.push(Why::new(format!("drafted by {}", self.planner), why));
            completion.complete(subtask, levels[at]);
        }
        let mut domains: Vec<String> = Vec::new();
        for subtask in &subtasks {
            if !domains.contains(&subtask.nature.domain) {
                domains.push(subtask.nature.domain.clone());
            }
        }
        let goal = line(&answer.goal, LINE_LETTERS_MAX);
        let goal = match goal.is_empty() {
            true => subtasks.first().map(|first| first.title.clone()).unwrap_or_default(),
            false => goal,
        };
        let mut success_criteria = union(self.criteria.clone(), lines(&answer.success_criteria));
        if success_criteria.is_empty() {
            success_criteria = vec![format!("Everything asked for is done: {goal}")];
        }
        let independent = subtasks.iter().all(|subtask| subtask.dependencies.is_empty());
        let complexity = match (is_whole, domains.len() > 2 || subtasks.len() > 5) {
            (true, _) => Complexity::Low,
            (false, true) => Complexity::High,
            (false, false) => Complexity::Medium,
        };
        Draft {
            success_criteria,
            domains,
            constraints: union(self.constraints.clone(), lines(&answer.constraints)),
            complexity,
            strategy: self.strategy,
            workflow: match (is_whole, independent) {
                (true, _) => Workflow::BuildOnly,
                (false, true) => Workflow::MultiTask,
                (false, false) => Workflow::DecomposeFirst,
            },
            confidence: (0..mended).fold(CONFIDENCE, |left, _| left - CONFIDENCE_LOSS),
            ids: DraftIds::Explicit,
            stages: Vec::new(),
            analysis: planner::analyze(&subtasks),
            explanation: self.explanation(answer, &subtasks, is_whole),
            goal,
            subtasks,
        }
    }

    fn explanation(&self, answer: &Answer, subtasks: &[DraftSubtask], whole: bool) -> Explanation {
        let verdict = match (whole, subtasks) {
            (true, [only, ..]) => {
                let master = only.assigned_to.first().map(String::as_str).unwrap_or_default();
                format!("simple: goes whole to {master}, says {}", self.planner)
            }
            (true | false, all) => {
                format!("complex: split into {} subtasks by {}", all.len(), self.planner)
            }
        };
        let mut reasons = Vec::new();
        let reason = line(&answer.reason, REASON_LETTERS_MAX);
        if !reason.is_empty() {
            reasons.push(Why::new(format!("{}'s reason", self.planner), reason));
        }
        let said: BTreeSet<String> = answer.constraints.iter().map(|said| bare(said)).collect();
        let left_out: Vec<&str> = self
            .constraints
            .iter()
            .filter(|kept| !said.contains(&bare(kept)))
            .map(String::as_str)
            .collect();
        if !left_out.is_empty() {
            reasons.push(Why::new("constraints of the author are kept", left_out.join("; ")));
        }
        Explanation {
            verdict,
            reasons,
            warnings: Vec::new(),
            thresholds: outside::thresholds(&self.policy),
            planner: self.planner.clone(),
            asked: None,
        }
    }

    /// Finds files that are to be changed although the author forbids it.
    fn forbidden(&self, draft: &Draft) -> Vec<String> {
        let limits = outside::Limits::of(&self.constraints);
        let of = |subtask: &DraftSubtask| -> Vec<String> {
            let found = subtask.files_affected.iter().filter_map(|path| {
                let limit = limits.forbids(path)?;
                let id = &subtask.subtask_id;
                Some(format!("subtask {id}: files: {path} must not be changed: \"{limit}\""))
            });
            found.collect()
        };
        draft.subtasks.iter().flat_map(of).collect()
    }

    /// Gives the subtasks ids as the embedded planner does, in the order of their stages.
    fn rename(&self, draft: &mut Draft) {
        let levels = levels(&draft.subtasks);
        let mut order: Vec<usize> = (0..draft.subtasks.len()).collect();
        order.sort_by_key(|&at| (levels[at], at));
        let named = order.iter().enumerate().map(|(number, &at)| {
            let subtask = &draft.subtasks[at];
            let id = format!("{}-{:03}-{}", self.slug, number + 1, subtask.nature.kind);
            (subtask.subtask_id.clone(), id)
        });
        let new: BTreeMap<String, String> = named.collect();
        let mut subtasks: Vec<DraftSubtask> =
            order.into_iter().map(|at| draft.subtasks[at].clone()).collect();
        for subtask in &mut subtasks {
            for id in std::iter::once(&mut subtask.subtask_id).chain(&mut subtask.dependencies) {
                if let Some(new) = new.get(id) {
                    new.clone_into(id);
                }
            }
        }
        draft.subtasks = subtasks;
        draft.ids = DraftIds::Slug(self.slug.clone());
    }
}

/// Says why one worker has to do it.
fn must_stay_whole(task: &TaskSpec, wanted: Option<&AgentName>, policy: &Policy) -> Option<String> {
    if task.orchestration_required == Some(false) {
        return Some("its author wants one worker (orchestration_required: false)".to_owned());
    }
    if !policy.orchestration_enabled {
        return Some("orchestration is switched off".to_owned());
    }
    let settings = policy.masters.get(wanted?)?;
    (!settings.orchestration_enabled)
        .then(|| format!("{} is not given parts of tasks", wanted.map_or("", AgentName::as_str)))
}

fn subtask(step: &Step, is_whole: bool) -> DraftSubtask {
    let title = line(&step.title, LINE_LETTERS_MAX);
    let description = text(&step.description, DESCRIPTION_LETTERS_MAX);
    DraftSubtask {
        subtask_id: line(&step.id, ID_LETTERS_MAX),
        description: if description.trim().is_empty() { title.clone() } else { description },
        title,
        assigned_to: step
            .assigned_to
            .iter()
            .map(|name| line(name, ID_LETTERS_MAX))
            .filter(|n| !n.is_empty())
            .collect(),
        dependencies: if is_whole {
            Vec::new()
        } else {
            step.depends_on.iter().map(|id| line(id, ID_LETTERS_MAX)).collect()
        },
        minutes: Range { low: step.minutes.low, high: step.minutes.high },
        files_affected: step.files.clone(),
        success_criteria: text(&step.success_criteria, CRITERIA_LETTERS_MAX),
        nature: Nature {
            kind: line(&step.kind, ID_LETTERS_MAX),
            domain: line(&step.domain, ID_LETTERS_MAX),
            inferred: step.inferred,
            ..Nature::default()
        },
        ..DraftSubtask::default()
    }
}

/// Says what the validator finds.
fn check(draft: &Draft, is_whole: bool, policy: &Policy) -> Vec<String> {
    let task = crate::domain::ids::TaskId::parse("draft").expect("it is a valid id");
    let checked = if is_whole {
        validate_routed(draft, &task, policy)
    } else {
        validate(draft, &task, policy, &|_| false)
    };
    checked.err().into_iter().flatten().map(|error| error.to_string()).collect()
}

/// Returns the stage, from 0, of each subtask.
fn levels(subtasks: &[DraftSubtask]) -> Vec<usize> {
    let ids = subtasks.iter().enumerate().map(|(at, subtask)| (subtask.subtask_id.as_str(), at));
    let place: BTreeMap<&str, usize> = ids.collect();
    let after = |subtask: &DraftSubtask| {
        subtask.dependencies.iter().filter_map(|id| place.get(id.as_str()).copied()).collect()
    };
    planner::levels(&subtasks.iter().map(after).collect::<Vec<_>>())
}

/// Adds what is not there yet.
fn union(mut all: Vec<String>, more: Vec<String>) -> Vec<String> {
    let mut known: BTreeSet<String> = all.iter().map(|text| bare(text)).collect();
    all.extend(more.into_iter().filter(|text| !text.is_empty() && known.insert(bare(text))));
    all
}

/// Returns what two spellings of one sentence have in common.
fn bare(text: &str) -> String {
    text.trim().trim_end_matches(['.', '!']).to_lowercase()
}

fn lines(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| line(text, REASON_LETTERS_MAX)).collect()
}

/// Returns a foreign text as one line without control characters.
fn line(text: &str, letters_max: usize) -> String {
    let words: Vec<String> = text.split_whitespace().map(plain).collect();
    let line = words.join(" ");
    cut(line.trim(), letters_max)
}

/// Returns a foreign text of several lines, cut where it is too long.
fn text(text: &str, letters_max: usize) -> String {
    cut(&plain(text), letters_max)
}

fn cut(text: &str, letters_max: usize) -> String {
    if text.chars().count() <= letters_max {
        return text.to_owned();
    }
    let cut: String = text.chars().take(letters_max.saturating_sub(1)).collect();
    format!("{cut}…")
}

/// Takes control characters out of a foreign text, but for line breaks and tabs.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}
