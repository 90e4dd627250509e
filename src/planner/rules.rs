//! The rule planner: word lists, templates and the rules S4-05 to S4-17. No model.

use std::collections::BTreeSet;

use super::complexity::{self, Verdict};
use super::expand::{self, Step};
use super::order;
use super::request::Reading;
use super::select::{self, Chose, Masters, Share, Work};
use super::{Planner, Request, Surroundings, analysis, project, routing, strategy, text};
use crate::domain::Policy;
use crate::domain::experience::said;
use crate::domain::ids::AgentName;
use crate::domain::plan::{
    Complexity, Draft, DraftIds, DraftOutcome, DraftSubtask, Explanation, Handling, Range, Why,
    Workflow,
};
use crate::domain::task::TaskSpec;

/// Plans by rules.
pub(super) const PLANNER: Planner = Planner { name: "rules", draft };

fn draft(request: &Request<'_>, policy: &Policy) -> DraftOutcome {
    let task = request.task;
    let reading = match Reading::of(task) {
        Ok(reading) => reading.placed_in(&request.surroundings.workspace),
        Err(nothing) => return refuse(nothing.reason, nothing.remedy),
    };
    let wanted = match task.assigned_to.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => match select::named(name, policy) {
            Ok(master) => Some(master),
            Err((reason, remedy)) => return refuse(&reason, &remedy),
        },
        None => None,
    };
    if reading.is_gibberish() {
        return refuse("no word of the request is known", "say in a sentence what is to be done");
    }
    let is_forced = task.orchestration_required.is_some() || wanted.is_some();
    if let Some(question) = reading.question().filter(|_| !is_forced) {
        return DraftOutcome::Refuse {
            reason: "the request leaves open what is to be done".to_owned(),
            remedy: "say what is to be done, to what, and when it is done".to_owned(),
            question: Some(question),
        };
    }
    if reading.segments.overflow {
        return break_down("it names more steps than one plan can hold");
    }
    let mut named = expand::named_steps(&reading);
    let Some(main) = named.iter().max_by_key(|step| (step.is_goal, step.kind.rank == 20)) else {
        return refuse("the request names no step", "say what is to be done and to what");
    };
    let mut masters = Masters::new(policy, request.surroundings, wanted);
    let text = said(&task.title, &task.description);
    let domain = main_domain(&named, main);
    let kind = main.kind.name.as_str();
    let work = Work { text: &text, kind, domain, stage: 0, share: Share::Whole };
    let Some(whole) = masters.choose(&work) else {
        return refuse("there is no master to give it to", "name one in coordination/baton.toml");
    };
    let masters = masters_of(&named, wanted, policy);
    let verdict = complexity::judge(task, &reading, &named, &masters, policy);
    // Whether it is complex is judged by the work, not by who was slow at the like of it.
    request.surroundings.actuals.correct(&mut named);
    let whole = asked_for(whole, wanted);
    let surroundings = request.surroundings;
    let mut drafting = Drafting { task, reading, policy, surroundings, wanted, verdict };
    if let Some(why) = drafting.must_stay_whole(&whole) {
        drafting.verdict.reasons.push(why);
        drafting.verdict.complex = false;
    }
    if let Some(question) = drafting.doubt().filter(|_| !is_forced) {
        return question;
    }
    if drafting.verdict.complex { drafting.plan(named) } else { drafting.route(&named, &whole) }
}

/// What is known while a draft is written.
struct Drafting<'a> {
    task: &'a TaskSpec,
    reading: Reading,
    policy: &'a Policy,
    surroundings: &'a Surroundings,
    wanted: Option<&'a AgentName>,
    verdict: Verdict,
}

impl Drafting<'_> {
    /// Tells why a complex task is not split after all.
    fn must_stay_whole(&self, whole: &Chose) -> Option<Why> {
        if !self.verdict.complex {
            return None;
        }
        if !self.policy.orchestration_enabled {
            return Some(Why::new("S0-94 orchestration off", "it is switched off for all tasks"));
        }
        let settings = self.policy.masters.get(&whole.master)?;
        (!settings.orchestration_enabled).then(|| {
            let evidence = format!("{} is not given parts of tasks", whole.master);
            Why::new("S0-94 orchestration off", evidence)
        })
    }

    /// Asks, where the planner is less sure than it has to be (S2-14).
    fn doubt(&self) -> Option<DraftOutcome> {
        let least = f64::from(self.policy.complexity.confidence_percent_min) / 100.0;
        let confidence = self.confidence();
        (confidence < least).then(|| DraftOutcome::Refuse {
            reason: format!(
                "the request is not clear enough to be planned (confidence {confidence:.2}, \
                 at least {least:.2} is needed)"
            ),
            remedy: "say what is to be done, to what, and when it is done".to_owned(),
            question: Some(format!("what exactly is to be done: \"{}\"?", self.reading.goal)),
        })
    }

    /// Gives the task whole to one master.
    fn route(self, named: &[Step], whole: &Chose) -> DraftOutcome {
        let reading = &self.reading;
        let step = main_step(named);
        let minutes = whole_minutes(reading, named);
        let subtask = DraftSubtask {
            subtask_id: format!("{}-001-{}", self.slug(named), step.kind.name),
            title: self.whole_title(step),
            description: self.whole_description(step),
            assigned_to: vec![whole.master.to_string()],
            worker_type: step.kind.worker.clone(),
            dependencies: Vec::new(),
            minutes,
            tokens: complexity::tokens_estimate(reading, named).max(1),
            files_affected: reading.files.clone(),
            success_criteria: self.criteria(step, &reading.acceptance),
            deliverables: reading.deliverables.clone(),
            for_each: None,
            handling: Handling::default(),
            nature: step.nature(),
            choice: whole.choice.clone(),
            why: [step.why.clone(), whole.why.clone(), step.why_model()]
                .into_iter()
                .chain(whole.why_specialist())
                .chain(step.corrected.clone())
                .collect(),
        };
        let count = self.verdict.reasons.len();
        let verdict = format!("simple: goes whole to {} ({count} reasons)", whole.master);
        let mut draft = self.frame_of_draft(verdict, named, Complexity::Low, Workflow::BuildOnly);
        draft.explanation.reasons.extend([
            whole.why.clone(),
            routing::whole(reading),
            routing::size(named, minutes.high, false),
        ]);
        draft.subtasks.push(subtask);
        self.analyze(&mut draft, named);
        DraftOutcome::Route(Box::new(draft))
    }

    /// Splits the task.
    fn plan(self, named: Vec<Step>) -> DraftOutcome {
        let (steps, learned) = self.steps(named);
        let after = |step: &Step| step.after.iter().map(|(before, _)| *before).collect();
        let levels = order::levels(&steps.iter().map(after).collect::<Vec<_>>());
        let stages = levels.iter().max().map_or(0, |deepest| deepest + 1);
        let (limits, count) = (&self.policy.plan, steps.len());
        if stages > limits.stages_max {
            return break_down(&format!(
                "{stages} stages, at most {} are allowed",
                limits.stages_max
            ));
        }
        if count > limits.subtasks_limit {
            return break_down(&format!(
                "{count} steps, at most {} are allowed",
                limits.subtasks_limit
            ));
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|&at| (levels[at], at));
        let slug = self.slug(&steps);
        let mut ids = vec![String::new(); count];
        for (number, &at) in order.iter().enumerate() {
            ids[at] = format!("{slug}-{:03}-{}", number + 1, steps[at].kind.name);
        }
        let mut subtasks = Vec::with_capacity(count);
        let mut masters = Masters::new(self.policy, self.surroundings, self.wanted);
        for &at in &order {
            let step = &steps[at];
            let text = format!("{}. {}", step.title, step.task);
            let (kind, domain, stage) = (step.kind.name.as_str(), step.domain, levels[at]);
            let work = Work { text: &text, kind, domain, stage, share: Share::Part };
            let Some(chose) = masters.choose(&work) else {
                return refuse(
                    "no master takes parts of tasks",
                    "set orchestration_required: false, or enable orchestration for a master",
                );
            };
            subtasks.push(self.subtask(step, at, &ids, chose));
        }
        let domains = complexity::domains_of(&steps).len();
        let high = domains > 2 || stages > 3 || count > 5;
        let complexity = if high { Complexity::High } else { Complexity::Medium };
        let fired = self.verdict.reasons.len();
        let verdict = format!(
            "complex: split into {count} subtasks in {stages} stages ({fired} rules fired)"
        );
        let minutes = steps.iter().map(|step| step.minutes.high).fold(0, u32::saturating_add);
        let (workflow, why) = routing::split(&self.reading, &steps, minutes);
        let (strategy, chosen) = strategy::choose(self.task, self.policy, &subtasks, stages);
        let mut draft = self.frame_of_draft(verdict, &steps, complexity, workflow);
        draft.strategy = strategy;
        draft.explanation.reasons.extend([why, chosen, routing::size(&steps, minutes, true)]);
        draft.explanation.reasons.extend(learned);
        draft.ids = DraftIds::Slug(slug);
        draft.subtasks = subtasks;
        self.analyze(&mut draft, &steps);
        DraftOutcome::Plan(Box::new(draft))
    }

    /// Says what was found out beside the steps.
    fn analyze(&self, draft: &mut Draft, steps: &[Step]) {
        let workspace = &self.surroundings.workspace;
        draft.explanation.reasons.extend(analysis::why_workspace(workspace));
        let reasons = &draft.explanation.reasons;
        draft.analysis = analysis::of(&self.reading, steps, &draft.subtasks, reasons, workspace);
    }

    fn criteria(&self, step: &Step, acceptance: &[String]) -> String {
        let done = criteria(step, acceptance);
        analysis::checked_there(done, &step.kind.worker, &self.surroundings.workspace)
    }

    /// Returns the steps of the plan: those named, or what a bare goal unfolds into; and what was
    /// left out of that because of plans of before.
    fn steps(&self, named: Vec<Step>) -> (Vec<Step>, Vec<Why>) {
        let parts = &self.reading.segments;
        let steps_max = self.policy.plan.subtasks_max;
        if let Some(mut steps) = project::unfolded(&self.reading, &named, steps_max) {
            self.surroundings.actuals.correct(&mut steps);
            return (self.settled(steps), Vec::new());
        }
        let goal = match parts.clauses.as_slice() {
            [only] => Some(&only.frame),
            [first, ..] if named.len() == 1 => Some(&first.frame),
            _ => None,
        };
        let Some(goal) = goal else { return (self.settled(named), Vec::new()) };
        let mut steps = expand::unfolded(goal, &self.reading);
        self.surroundings.actuals.correct(&mut steps);
        let learned = self.surroundings.lessons.leave_out(goal, &mut steps);
        (self.settled(steps), learned)
    }

    /// Puts no more into a step than it may hold, and what shares files into a row.
    fn settled(&self, steps: Vec<Step>) -> Vec<Step> {
        let steps = match &self.reading.laid_down {
            Some(plan) => project::without_planning(steps, plan),
            None => steps,
        };
        let mut steps = expand::split_wide(steps, self.policy.plan.subtask_files_max);
        order::by_shared_files(&mut steps);
        steps
    }

    fn slug(&self, steps: &[Step]) -> String {
        expand::slug(steps, self.reading.segments.goal.as_ref())
    }

    fn subtask(&self, step: &Step, at: usize, ids: &[String], chose: Chose) -> DraftSubtask {
        let limits = &self.policy.plan;
        let high = step.minutes.high.min(limits.subtask_minutes_limit);
        let specialist = chose.why_specialist();
        let mut why = vec![step.why.clone(), chose.why, step.why_model()];
        why.extend(specialist);
        why.extend(step.corrected.clone());
        for (before, reason) in &step.after {
            let evidence = format!("waits for {}: {}", ids[*before], reason.evidence);
            why.push(Why::new(reason.rule.clone(), evidence));
        }
        let delivers = |path: &&String| step.files.contains(path);
        DraftSubtask {
            subtask_id: ids[at].clone(),
            title: step.title.clone(),
            description: step.task.clone(),
            assigned_to: vec![chose.master.to_string()],
            worker_type: step.kind.worker.clone(),
            dependencies: step.after.iter().map(|(before, _)| ids[*before].clone()).collect(),
            minutes: Range { low: step.minutes.low.min(high), high },
            tokens: step.tokens.min(limits.subtask_tokens_max),
            files_affected: step.files.clone(),
            success_criteria: self.criteria(step, &self.acceptance_for(step)),
            deliverables: self.reading.deliverables.iter().filter(delivers).cloned().collect(),
            for_each: None,
            handling: Handling::default(),
            nature: step.nature(),
            choice: chose.choice,
            why,
        }
    }

    /// The author's criteria belong to the step that carries the goal, and to its tests.
    fn acceptance_for(&self, step: &Step) -> Vec<String> {
        let one_goal = self.reading.segments.clauses.len() == 1;
        let carries = step.is_goal || step.kind.name == "tests" || step.kind.name == "verify";
        if one_goal && carries { self.reading.acceptance.clone() } else { Vec::new() }
    }

    /// The author's own title, unless limits are mixed into it.
    fn whole_title(&self, step: &Step) -> String {
        let parts = &self.reading.segments;
        let mixed = parts.clauses.len() == 1 && !parts.constraints.is_empty();
        if mixed { step.title.clone() } else { text::line(&self.reading.goal, 200) }
    }

    fn whole_description(&self, step: &Step) -> String {
        let said = self.task.description.trim();
        if said.is_empty() { step.task.clone() } else { said.to_owned() }
    }

    /// Returns a draft without subtasks.
    fn frame_of_draft(
        &self,
        verdict: String,
        steps: &[Step],
        complexity: Complexity,
        workflow: Workflow,
    ) -> Draft {
        let reading = &self.reading;
        let mut constraints = reading.segments.constraints.clone();
        constraints.extend(reading.other_tasks.iter().map(|id| format!("after task {id}")));
        let mut warnings = self.verdict.warnings.clone();
        if !reading.other_tasks.is_empty() {
            warnings.push(format!(
                "it names other tasks to be done first ({}), which is not waited for",
                reading.other_tasks.join(", ")
            ));
        }
        if reading.cut {
            warnings.push("the request is so long that only its beginning was planned".to_owned());
        }
        let mut success_criteria = reading.acceptance.clone();
        if success_criteria.is_empty() {
            success_criteria = vec![format!("Everything asked for is done: {}", reading.goal)];
        }
        Draft {
            goal: reading.goal.clone(),
            domains: complexity::domains_of(steps).into_iter().map(str::to_owned).collect(),
            constraints,
            success_criteria,
            complexity,
            strategy: self.task.strategy.unwrap_or(self.policy.strategy),
            workflow,
            confidence: self.confidence(),
            ids: DraftIds::Explicit,
            subtasks: Vec::new(),
            stages: Vec::new(),
            analysis: Default::default(),
            explanation: Explanation {
                verdict,
                reasons: self.verdict.reasons.clone(),
                warnings,
                thresholds: complexity::thresholds(self.policy),
                planner: PLANNER.name.to_owned(),
                asked: None,
            },
        }
    }

    /// What the author wrote down is surer than what a template adds; vague or unknown words are
    /// neither.
    fn confidence(&self) -> f64 {
        let clauses = &self.reading.segments.clauses;
        let inferred = clauses.len() == 1 && self.verdict.complex;
        let vague = !self.reading.vague_words().is_empty();
        let unknown = clauses.iter().filter(|clause| !clause.frame.known).count();
        let mut confidence = if inferred { 0.75 } else { 0.9 };
        if vague {
            confidence -= 0.35;
        }
        if unknown * 2 > clauses.len() {
            confidence -= 0.2;
        }
        confidence
    }
}

fn refuse(reason: &str, remedy: &str) -> DraftOutcome {
    DraftOutcome::Refuse { reason: reason.to_owned(), remedy: remedy.to_owned(), question: None }
}

fn break_down(reason: &str) -> DraftOutcome {
    refuse(reason, "break it down: submit it as several tasks")
}

/// Gives a whole task to whom its author asks for.
fn asked_for(chose: Chose, wanted: Option<&AgentName>) -> Chose {
    let Some(master) = wanted else { return chose };
    let why = Why::new("author's assigned_to", format!("the task asks for {master}"));
    let mut choice = chose.choice;
    choice.masters.retain(|ranked| ranked.agent == master.as_str());
    Chose { master: master.clone(), why, choice }
}

/// Returns the step that stands for the whole: the first that builds, or the first.
fn main_step(steps: &[Step]) -> &Step {
    steps.iter().find(|step| step.kind.rank == 20).unwrap_or(&steps[0])
}

/// A task of several fields is its builders' task.
fn main_domain<'a>(steps: &'a [Step], main: &'a Step) -> &'a str {
    if steps.len() == 1 { main.domain } else { main_step(steps).domain }
}

fn masters_of(steps: &[Step], wanted: Option<&AgentName>, policy: &Policy) -> BTreeSet<AgentName> {
    steps.iter().filter_map(|step| select::master_of(step.domain, wanted, policy)).collect()
}

fn whole_minutes(reading: &Reading, steps: &[Step]) -> Range {
    let high = complexity::minutes_estimate(reading, steps).max(1);
    let low = match reading.minutes {
        Some(minutes) => minutes,
        None => steps.iter().map(|step| step.minutes.low).fold(0, u32::saturating_add),
    };
    Range { low: low.min(high), high }
}

fn criteria(step: &Step, acceptance: &[String]) -> String {
    let object = if step.object.is_empty() { "the result" } else { &step.object };
    let done = text::capitalised(&step.kind.done.replace("{object}", object));
    if acceptance.is_empty() {
        done
    } else {
        format!("{done} Accepted when: {}.", acceptance.join("; "))
    }
}
