//! `baton report`: the completion report of a run, as Markdown or JSON.

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::output::{CliError, Exit, Page, View};
use crate::client::Client;
use crate::client::reports::Report;

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
struct Shown {
    document: Value,
    #[serde(skip)]
    markdown: String,
}

impl ReportArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        let id = match &self.id {
            Some(id) => id.clone(),
            None => client.newest_report()?.ok_or_else(|| {
                CliError::new(Exit::NotFound, "no run has ended yet: there is no report")
                    .hint("`baton status` says what is under way")
            })?,
        };
        let Some(Report { document, markdown }) = client.report(&id)? else {
            return Err(missing(&client, &id)?);
        };
        context.out.show(&Shown { document, markdown })?;
        Ok(Exit::Done)
    }
}

fn missing(client: &Client, id: &str) -> Result<CliError, CliError> {
    if client.find(id)?.is_none() {
        return super::show::not_found(client, id);
    }
    let message = format!("{id} is not over: it has no report yet");
    Ok(CliError::new(Exit::NotFound, message).hint(format!("`baton show {id}` says how far it is")))
}

impl View for Shown {
    fn human(&self, page: &mut Page) {
        page.verbatim(&self.markdown);
    }
}
