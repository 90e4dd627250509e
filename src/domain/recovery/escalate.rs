//! A person is asked: the run is blocked until somebody answers (S4-54, S2-48, S2-53).

use super::{Answer, Situation, Strategy};
use crate::domain::event::{Blocked, Event};
use crate::domain::plan::{OnFailure, Orchestration, RunKind, Why};
use crate::domain::policy::Policy;
use crate::domain::report::{Category, Failure};

pub(super) const STRATEGY: Strategy = Strategy { name: "escalate", answer };

fn answer(situation: &Situation<'_>, policy: &Policy) -> Option<Answer> {
    let Situation { run, position, failure, .. } = situation;
    let rule = match failure.category {
        Category::Blocker => "a blocker: no worker can supply what is missing".to_owned(),
        Category::Critical => "critical: stop before more harm is done".to_owned(),
        Category::DesignFlaw => "a design flaw: the same again cannot help".to_owned(),
        Category::Transient | Category::CodeError => {
            situation.used_up(policy).unwrap_or_else(|| "nothing else is left to try".to_owned())
        }
    };
    let options = choices(run, *position).into_iter().map(|choice| choice.verb.to_owned());
    let why = Why { rule, evidence: failure.message.clone(), alternatives: options.collect() };
    let events = vec![asked(run, *position, failure, situation.failures())];
    Some(Answer { why, events })
}

/// Asks a person what becomes of the subtask at `position`, which failed like this `failures`
/// times, and says what was tried.
pub(in crate::domain) fn asked(
    run: &Orchestration,
    position: usize,
    failure: &Failure,
    failures: u32,
) -> Event {
    let worker_type = &run.plan.subtasks[position].worker_type;
    let times = count(failures, "time");
    let failure_reason = format!("{worker_type} worker failed {times}: {}", failure.message);
    let kind = capitalised(worker_type);
    let said = match failure.category {
        Category::Critical => format!("halted: critical: {kind} stopped everything of this run"),
        Category::Blocker => format!("{kind} lacks what no worker can supply"),
        Category::Transient | Category::CodeError | Category::DesignFlaw => {
            format!("{kind} failed {}", tried(run, position))
        }
    };
    let escalation = format!("{said}. Last error: {}", failure.message);
    ask(run, position, failure_reason, escalation, None)
}

/// Asks a person what becomes of the subtask at `position`, for a reason that is no failure of a
/// worker.
pub(in crate::domain) fn blocked(
    run: &Orchestration,
    position: usize,
    failure_reason: String,
) -> Event {
    ask(run, position, failure_reason, "waiting for a person to decide".to_owned(), None)
}

/// Asks a person what becomes of the subtask at `position`. Where something has to be done `by_hand`
/// first, nothing can be tried again before.
pub(in crate::domain) fn ask(
    run: &Orchestration,
    position: usize,
    failure_reason: String,
    escalation: String,
    by_hand: Option<String>,
) -> Event {
    let can_retry = by_hand.is_none();
    let choices = choices(run, position).into_iter();
    let choices = choices.filter(|choice| can_retry || choice.verb != RETRY);
    let options = by_hand.into_iter().chain(choices.map(|choice| choice.text())).collect();
    Event::OrchestrationBlocked(Blocked {
        orchestration_id: run.id.clone(),
        task_id: run.task_id.clone(),
        blocking_subtask: run.plan.subtasks[position].subtask_id.clone(),
        failure_reason,
        escalation,
        options,
    })
}

const RETRY: &str = "retry";

/// One answer that a person can give.
struct Choice {
    letter: char,
    meaning: &'static str,
    verb: &'static str,
    target: String,
}

impl Choice {
    fn text(&self) -> String {
        format!("[{}] {}: baton {} {}", self.letter, self.meaning, self.verb, self.target)
    }
}

/// Tells whether skipping the subtask at `position` is offered. What its run cannot do without is
/// not to be skipped lightly: `baton skip` still does it, but nobody is led to it.
pub(in crate::domain) fn may_skip(run: &Orchestration, position: usize) -> bool {
    let on_failure = run.plan.subtasks[position].handling.on_failure;
    run.kind == RunKind::Planned
        && match on_failure {
            OnFailure::Ask | OnFailure::Skip => true,
            OnFailure::FailParent => false,
        }
}

/// Lists what a person can answer, as `[r] retry differently: baton retry ID`, about a task that was
/// routed whole or of whose plan no more is known than its id.
pub fn options_about(task_id: &str) -> Vec<String> {
    choices_about(task_id, task_id, false).iter().map(Choice::text).collect()
}

/// Lists what a person can answer.
fn choices(run: &Orchestration, position: usize) -> Vec<Choice> {
    let id = &run.plan.subtasks[position].subtask_id;
    choices_about(id.as_str(), run.task_id.as_str(), may_skip(run, position))
}

fn choices_about(id: &str, task_id: &str, may_skip: bool) -> Vec<Choice> {
    let retry = ('r', "retry differently", RETRY, id.to_owned());
    let skip = may_skip.then_some(('s', "skip, it is not critical", "skip", id.to_owned()));
    let cancel = ('a', "abort and review the plan", "cancel", task_id.to_owned());
    let choice = |(letter, meaning, verb, target)| Choice { letter, meaning, verb, target };
    [Some(retry), skip, Some(cancel)].into_iter().flatten().map(choice).collect()
}

/// Says what was tried, e.g. `after 5 retries and 1 replan attempt`.
fn tried(run: &Orchestration, position: usize) -> String {
    let subtask = &run.runs[position];
    let retries = match subtask.retry.as_ref().map_or(0, |retry| retry.retry_count) {
        1 => "1 retry".to_owned(),
        more => format!("{more} retries"),
    };
    let agents = u32::try_from(subtask.agents_before.len()).unwrap_or(u32::MAX);
    let steps = [retries, count(agents, "other agent"), count(run.replans, "replan attempt")];
    let steps: Vec<String> = steps.into_iter().filter(|step| !step.starts_with("0 ")).collect();
    match steps.split_last() {
        None => "at the first attempt".to_owned(),
        Some((only, [])) => format!("after {only}"),
        Some((last, rest)) => format!("after {} and {last}", rest.join(", ")),
    }
}

fn count(n: u32, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
