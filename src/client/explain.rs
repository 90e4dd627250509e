//! Why things are as they are: every decision about an id, read from the journal.

mod tell;

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Client, ClientError};
use crate::domain::event::PlanRevised;
use crate::domain::evidence::Evidence;
use crate::domain::moment::Timestamp;
use crate::domain::plan::{Plan, Subtask, Why};
use crate::domain::{Event, Record};
pub(super) use tell::is_trouble;
use tell::{Told, tell};

/// One decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// The number of its event.
    pub seq: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The type of its event.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The subtask or worker that it is about; empty for a task or run as a whole.
    pub subject: String,
    /// What was decided or seen, in a sentence.
    pub what: String,
    /// Why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Why>,
    /// The signs of life that a verdict about a worker rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

impl Client {
    /// Reads every decision about a task, run, subtask, attempt or worker, oldest first; nothing
    /// when the journal knows no such id.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn explain(&self, id: &str) -> Result<Vec<Decision>, ClientError> {
        let mut wanted = Wanted::of(id);
        let mut decisions = Vec::new();
        for record in self.records()? {
            decisions.extend(wanted.decisions(&record?));
        }
        Ok(decisions)
    }
}

/// What an id stands for, as far as the events have said.
#[derive(Debug)]
pub(super) struct Wanted {
    id: String,
    /// Every id that belongs to it: of a task also its run and that run's subtasks.
    ids: BTreeSet<String>,
}

impl Wanted {
    /// Begins with an id of which nothing is known.
    pub(super) fn of(id: &str) -> Self {
        Self { id: id.to_owned(), ids: BTreeSet::from([id.to_owned()]) }
    }

    /// Puts an event into a sentence if it is about what is asked for and decided something.
    pub(super) fn sentence(&self, event: &Event) -> Option<String> {
        let told = self.told(event)?;
        let subject = if told.subject.is_empty() { "" } else { told.subject };
        let gap = if subject.is_empty() { "" } else { ": " };
        Some(format!("{subject}{gap}{}", told.what))
    }

    fn told<'a>(&self, event: &'a Event) -> Option<Told<'a>> {
        tell(event).filter(|told| told.ids.iter().any(|id| self.ids.contains(*id)))
    }

    fn decisions(&mut self, record: &Record) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for (seq, event) in (record.seq..).zip(&record.events) {
            self.learn(event);
            let told = self.told(event).or_else(|| self.origin(event));
            let Some(Told { ids: _, subject, what, why, evidence }) = told else { continue };
            let (kind, evidence) = (event.kind(), evidence.cloned());
            let subject = subject.to_owned();
            decisions.push(Decision {
                seq,
                at: record.at.wall,
                kind,
                subject,
                what,
                why,
                evidence,
            });
        }
        decisions
    }

    /// Notes what else belongs to what is asked for.
    pub(super) fn learn(&mut self, event: &Event) {
        if let Event::PlanAccepted { task_id, orchestration_id, plan, .. }
        | Event::TaskRouted { task_id, orchestration_id, plan, .. } = event
            && (self.id == task_id.as_str() || self.id == orchestration_id.as_str())
        {
            let parts = plan.subtasks.iter().map(|subtask| subtask.subtask_id.as_str());
            let whole = [task_id.as_str(), orchestration_id.as_str()];
            self.ids.extend(whole.into_iter().chain(parts).map(str::to_owned));
        }
        if let Event::PlanRevised(PlanRevised { orchestration_id, replaced_by, .. }) = event
            && self.ids.contains(orchestration_id.as_str())
        {
            self.ids.extend(replaced_by.iter().map(|id| id.as_str().to_owned()));
        }
    }

    /// Tells the decision that made the subtask that is asked for.
    fn origin<'a>(&self, event: &'a Event) -> Option<Told<'a>> {
        let made = |plan: &'a Plan| {
            let mut subtasks = plan.subtasks.iter();
            subtasks.find(|subtask| subtask.subtask_id.as_str() == self.id)
        };
        if let Event::PlanAccepted { plan, .. } | Event::TaskRouted { plan, .. } = event {
            return made(plan).map(origin);
        }
        if let Event::PlanRevised(PlanRevised { plan, replaced_by, .. }) = event
            && replaced_by.iter().any(|id| id.as_str() == self.id)
        {
            return made(plan).map(origin);
        }
        None
    }
}

fn origin(subtask: &Subtask) -> Told<'_> {
    Told {
        ids: Vec::new(),
        subject: subtask.subtask_id.as_str(),
        what: format!("planned as {:?} for {}", subtask.title, subtask.assigned_to),
        why: subtask.why.clone(),
        evidence: None,
    }
}
