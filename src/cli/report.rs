//! `baton report`: the completion report of a run, as Markdown or JSON.

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::output::{CliError, Exit, Page, View};
use crate::client::Client;
use crate::domain::ids::{OrchestrationId, TaskId};
use crate::domain::moment::Timestamp;
use crate::store::layout;

/// Arguments of `baton report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// A task or orchestration [default: the one that ended last]
    #[arg(value_name = "ID")]
    id: Option<String>,
}

/// A completion report: the JSON document for programs, the Markdown file for people.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Report {
    document: Value,
    #[serde(skip)]
    markdown: String,
}

impl ReportArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        let run = match &self.id {
            Some(id) => named(&client, id)?,
            None => latest(&client)?,
        };
        let document = client.value(&layout::completion(&run))?.unwrap_or_default();
        let markdown = client.text(&layout::completion_markdown(&run))?.unwrap_or_default();
        context.out.show(&Report { document, markdown })?;
        Ok(Exit::Done)
    }
}

fn named(client: &Client, id: &str) -> Result<OrchestrationId, CliError> {
    let of_task = TaskId::parse(id).ok().map(|task| OrchestrationId::of(&task));
    let candidates = OrchestrationId::parse(id).into_iter().chain(of_task);
    let has_report = |run: &OrchestrationId| client.store().exists(&layout::completion(run));
    if let Some(run) = candidates.into_iter().find(has_report) {
        return Ok(run);
    }
    if client.find(id)?.is_some() {
        return Err(CliError::new(
            Exit::NotFound,
            format!("{id} is not over: it has no report yet"),
        )
        .hint(format!("`baton show {id}` says how far it is")));
    }
    Err(super::show::not_found(client, id)?)
}

/// Finds the run that ended last; the file's time decides where the report says nothing.
fn latest(client: &Client) -> Result<OrchestrationId, CliError> {
    let entries = client.store().list(layout::COMPLETIONS)?;
    let reports = entries.iter().filter_map(|entry| {
        let run = OrchestrationId::parse(entry.name.strip_suffix(".json")?).ok()?;
        Some((entry.modified_ms, run))
    });
    let mut newest: Vec<(i64, OrchestrationId)> = reports.collect();
    newest.sort();
    // Files written in one go have times that say little; what ended last is among the last few.
    const LOOKED_INTO_MAX: usize = 64;
    newest
        .into_iter()
        .rev()
        .take(LOOKED_INTO_MAX)
        .max_by_key(|(modified_ms, run)| ended_at(client, run).unwrap_or(*modified_ms))
        .map(|(_, run)| run)
        .ok_or_else(|| {
            CliError::new(Exit::NotFound, "no run has ended yet: there is no report")
                .hint("`baton status` says what is under way")
        })
}

fn ended_at(client: &Client, run: &OrchestrationId) -> Option<i64> {
    let document: Value = client.document(&layout::completion(run)).ok()??;
    let time = document.get("completed_at").or(document.get("ended_at"))?;
    Timestamp::try_from(time.clone()).ok().map(Timestamp::as_ms)
}

impl View for Report {
    fn human(&self, page: &mut Page) {
        page.verbatim(&self.markdown);
    }
}
