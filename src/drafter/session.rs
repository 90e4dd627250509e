//! The course of one draft: question, answer, complaint, answer, and what comes of it. Nothing is
//! waited for here.

use super::answer::{Answer, Unusable};
use super::convert::Wishes;
use super::prompt::{Question, short};
use super::{Answered, PlannerSettings};
use crate::domain::Policy;
use crate::domain::plan::{Asked, AskedRound, DraftOutcome, Explanation, Why};
use crate::planner::{self, Request};

/// So many errors of a round are kept.
const ERRORS_KEPT_MAX: usize = 10;

/// What stands for an answer that cannot be shown.
const NO_TEXT: &str = "(no text)";

/// A draft that is under way.
#[derive(Debug, Clone)]
pub struct Session {
    wishes: Wishes,
    embedded: DraftOutcome,
    question: Question,
    settings: PlannerSettings,
    rounds: Vec<AskedRound>,
}

/// How a draft goes on.
#[derive(Debug)]
pub enum Course {
    /// Something has to be asked.
    Ask(Box<Session>),
    /// This came of it.
    Done(DraftOutcome),
}

impl Course {
    /// Begins a draft by the planner of this name. The embedded planner drafts in any case; nothing
    /// is asked where the author's own words decide: subtasks of their own, no words at all, or a
    /// master that nobody knows.
    pub fn begin(
        name: &str,
        settings: &PlannerSettings,
        request: &Request<'_>,
        policy: &Policy,
    ) -> Self {
        let embedded = planner::draft(request, policy);
        match Wishes::of(name, request, policy, &embedded) {
            None => Course::Done(embedded),
            Some(wishes) => Course::Ask(Box::new(Session {
                question: Question::of(request, policy, &wishes, &embedded),
                wishes,
                embedded,
                settings: settings.clone(),
                rounds: Vec::new(),
            })),
        }
    }
}

impl Session {
    /// Returns the name of whoever is asked.
    pub fn planner(&self) -> &str {
        &self.wishes.planner
    }

    /// Returns how it is asked.
    pub fn settings(&self) -> &PlannerSettings {
        &self.settings
    }

    /// Returns what is to be asked now.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Takes what came of the question.
    pub fn take(mut self: Box<Self>, answered: &Answered) -> Course {
        let (answer, errors) = match &answered.answer {
            Ok(text) => match Answer::read(text) {
                Ok(answer) => match self.wishes.outcome(&answer, self.rounds.len()) {
                    Ok(outcome) => {
                        self.note(answered, &[]);
                        return Course::Done(self.accepted(outcome));
                    }
                    Err(errors) => (text.as_str(), errors),
                },
                Err(Unusable::Wrong(why)) => (text.as_str(), vec![why]),
                Err(error @ Unusable::Failed(_)) => {
                    return self.failed(answered, &error.to_string());
                }
            },
            Err(error) if error.is_mendable() => (NO_TEXT, vec![error.to_string()]),
            Err(error) => return self.failed(answered, &error.to_string()),
        };
        let errors: Vec<String> = errors.iter().map(|error| answered.secrets.hide(error)).collect();
        self.note(answered, &errors);
        let repairs = u32::try_from(self.rounds.len()).unwrap_or(u32::MAX).saturating_sub(1);
        if repairs < self.settings.repairs_max {
            self.question.complain(answer, &errors);
            return Course::Ask(self);
        }
        let first = errors.first().map(String::as_str).unwrap_or_default();
        let why = format!("its answer cannot be used{}: {first}", after(repairs));
        Course::Done(self.fall_back(&why))
    }

    /// Gives up on an answer that ended whoever read it.
    pub fn give_up(self, why: &str) -> DraftOutcome {
        self.fall_back(why)
    }

    /// Ends with what nobody can mend by asking again.
    fn failed(mut self: Box<Self>, answered: &Answered, why: &str) -> Course {
        let why = answered.secrets.hide(why);
        self.note(answered, std::slice::from_ref(&why));
        Course::Done(self.fall_back(&why))
    }

    fn note(&mut self, answered: &Answered, errors: &[String]) {
        let bytes = answered.answer.as_ref().map_or(0, String::len);
        self.rounds.push(AskedRound {
            ms: answered.ms,
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
            errors: errors.iter().take(ERRORS_KEPT_MAX).map(|error| short(error)).collect(),
        });
    }

    fn accepted(self, mut outcome: DraftOutcome) -> DraftOutcome {
        let repairs = self.rounds.len().saturating_sub(1);
        let ms: u64 = self.rounds.iter().map(|round| round.ms).sum();
        let mended: Vec<&str> = self
            .rounds
            .iter()
            .filter_map(|round| round.errors.first())
            .map(String::as_str)
            .collect();
        let evidence = match repairs {
            0 => format!("accepted at once, after {ms} ms"),
            1 => format!("accepted after 1 repair and {ms} ms: {}", mended.join("; ")),
            _ => format!("accepted after {repairs} repairs and {ms} ms: {}", mended.join("; ")),
        };
        if let DraftOutcome::Refuse { reason, .. } = &mut outcome
            && repairs > 0
        {
            let repairs = u32::try_from(repairs).unwrap_or(u32::MAX);
            reason.push_str(&format!(", asked again{}", after(repairs)));
        }
        let why = Why::new(format!("drafted by {}", self.wishes.planner), evidence);
        if let Some(explanation) = explanation(&mut outcome) {
            explanation.reasons.insert(0, why);
            explanation.asked = Some(Box::new(Asked {
                planner: self.wishes.planner,
                rounds: self.rounds,
                failure: None,
            }));
        }
        outcome
    }

    fn fall_back(self, failure: &str) -> DraftOutcome {
        let name = self.wishes.planner;
        let failure = short(failure);
        let mut outcome = self.embedded;
        if let DraftOutcome::Refuse { reason, .. } = &mut outcome {
            reason.push_str(&format!(" ({name} was asked as well and failed: {failure})"));
        }
        if let Some(explanation) = explanation(&mut outcome) {
            let stands = format!("{failure}; the embedded planner's plan stands");
            explanation.reasons.insert(0, Why::new(format!("{name} failed"), stands));
            explanation.asked = Some(Box::new(Asked {
                planner: name,
                rounds: self.rounds,
                failure: Some(failure),
            }));
        }
        outcome
    }
}

fn explanation(outcome: &mut DraftOutcome) -> Option<&mut Explanation> {
    match outcome {
        DraftOutcome::Plan(draft) | DraftOutcome::Route(draft) => Some(&mut draft.explanation),
        DraftOutcome::Refuse { .. } => None,
    }
}

fn after(repairs: u32) -> String {
    match repairs {
        0 => String::new(),
        1 => " after 1 repair".to_owned(),
        more => format!(" after {more} repairs"),
    }
}
