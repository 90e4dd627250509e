//! `baton agents history`: what is remembered, what is added to it, and forgetting it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::Context;
use super::super::output::{CliError, Exit, Page, Table, Tone, View, plain, span, text};
use super::{RegistryArgs, imported};
use crate::clock;
use crate::domain::agent::{Outcome, Remembered};
use crate::domain::experience::{Experience, Fate, PastPlan};
use crate::domain::moment::Timestamp;

/// Arguments of `baton agents history`.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Add outcomes from a file, one {"request", "agent", "outcome"} a line
    #[arg(long, value_name = "FILE", conflicts_with = "forget")]
    add: Option<PathBuf>,
    /// Forget everything that was until now
    #[arg(long)]
    forget: bool,
    /// Show so many of the latest outcomes
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
}

#[derive(Debug, Serialize)]
struct History<'a> {
    schema: &'static str,
    /// False where the settings say that nothing is learned.
    learning: bool,
    agents: Vec<Record>,
    latest: &'a [Remembered],
    /// How plans fared, the oldest first.
    plans: Vec<Plan>,
}

/// A plan that is over.
#[derive(Debug, Serialize)]
struct Plan {
    task_id: String,
    request: String,
    fate: Fate,
    steps: usize,
    /// The titles of those that a person left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<String>,
    at: Timestamp,
}

impl Plan {
    fn of(past: &PastPlan) -> Self {
        let skipped = past.steps.iter().filter(|step| step.skipped);
        Self {
            task_id: past.task_id.clone(),
            request: past.request.clone(),
            fate: past.fate,
            steps: past.steps.len(),
            skipped: skipped.map(|step| step.draft.title.clone()).collect(),
            at: Timestamp::from_ms(past.at_ms),
        }
    }
}

/// What is remembered of one agent.
#[derive(Debug, Default, Serialize)]
struct Record {
    agent: String,
    success: usize,
    edited: usize,
    failure: usize,
    /// Successes per hundred.
    success_percent: u32,
    /// The middle one of the minutes that are known.
    minutes_median: Option<f64>,
}

impl HistoryArgs {
    pub(super) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        let known = RegistryArgs::default().known(context)?;
        if self.forget {
            client.forget(clock::now().wall.as_ms())?;
            context.out.note("everything that was remembered of agents is forgotten");
        }
        if let Some(path) = &self.add {
            let hint = "set `learning = true` in baton.toml, or leave it out";
            if !known.learning {
                let message = "baton.toml says that nothing is learned";
                return Err(CliError::new(Exit::Config, message).hint(hint));
            }
            let mut outcomes = imported(context, path)?;
            let now_ms = clock::now().wall.as_ms();
            outcomes.iter_mut().for_each(|one| one.at_ms = one.at_ms.or(Some(now_ms)));
            client.remember(&outcomes)?;
            let count = text::count(outcomes.len(), "outcome");
            context.out.note(&format!("{count} added"));
        }
        let Experience { outcomes: all, plans } = client.experience()?;
        let latest = &all[all.len().saturating_sub(self.last)..];
        let plans = plans[plans.len().saturating_sub(self.last)..].iter().map(Plan::of).collect();
        let learning = known.learning;
        let schema = "baton/agents-history@1";
        context.out.show(&History { schema, learning, agents: records(&all), latest, plans })?;
        Ok(Exit::Done)
    }
}

fn records(all: &[Remembered]) -> Vec<Record> {
    let mut by_agent: BTreeMap<&str, (Record, Vec<f64>)> = BTreeMap::new();
    for one in all {
        let (record, minutes) = by_agent.entry(&one.agent).or_default();
        match one.outcome {
            Outcome::Success => record.success += 1,
            Outcome::Edited => record.edited += 1,
            Outcome::Failure => record.failure += 1,
        }
        minutes.extend(one.minutes);
    }
    let whole = |(agent, (record, mut minutes)): (&str, (Record, Vec<f64>))| {
        let total = record.success + record.edited + record.failure;
        minutes.sort_by(f64::total_cmp);
        Record {
            agent: agent.to_owned(),
            success_percent: u32::try_from(record.success * 100 / total.max(1)).unwrap_or(100),
            minutes_median: minutes.get(minutes.len() / 2).copied(),
            ..record
        }
    };
    by_agent.into_iter().map(whole).collect()
}

impl View for History<'_> {
    fn human(&self, page: &mut Page) {
        if !self.learning {
            page.point(Tone::Warn, "!", "`learning = false`: nothing of this is used");
        }
        if self.agents.is_empty() && self.plans.is_empty() {
            page.paragraph(0, "Nothing is remembered yet.");
            return;
        }
        let mut table = Table::new(&["AGENT", "DONE WELL", "EDITED", "FAILED", "MEDIAN"], 0);
        for record in &self.agents {
            let minutes = record.minutes_median.map(|minutes| format!("{minutes:.1} min"));
            table.row(vec![
                plain(&record.agent),
                plain(format!("{} ({}%)", record.success, record.success_percent)),
                plain(record.edited.to_string()),
                plain(record.failure.to_string()),
                span(Tone::Dim, minutes.unwrap_or_default()),
            ]);
        }
        table.print(page);
        page.heading("Latest");
        let mut table = Table::new(&["WHEN", "AGENT", "OUTCOME", "REQUEST"], 3);
        for one in self.latest.iter().rev() {
            let tone = match one.outcome {
                Outcome::Success => Tone::Good,
                Outcome::Edited => Tone::Warn,
                Outcome::Failure => Tone::Bad,
            };
            let when = one.at_ms.map(|at_ms| Timestamp::from_ms(at_ms).to_string());
            table.row(vec![
                span(Tone::Dim, when.unwrap_or_default()),
                plain(&one.agent),
                span(tone, one.outcome.as_str()),
                plain(&one.request),
            ]);
        }
        table.print(page);
        if self.plans.is_empty() {
            return;
        }
        page.heading("Plans");
        let mut table = Table::new(&["WHEN", "FATE", "STEPS", "REQUEST"], 3);
        for plan in self.plans.iter().rev() {
            let tone = match plan.fate {
                Fate::Accepted => Tone::Good,
                Fate::Edited => Tone::Warn,
                Fate::Failed => Tone::Bad,
            };
            let left_out = match plan.skipped.len() {
                0 => String::new(),
                count => format!(" ({count} left out)"),
            };
            table.row(vec![
                span(Tone::Dim, plan.at.to_string()),
                span(tone, plan.fate.as_str()),
                plain(format!("{}{left_out}", plan.steps)),
                plain(&plan.request),
            ]);
        }
        table.print(page);
    }
}
