//! `baton init`: makes a coordination directory; what is there already stays as it is.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Context;
use super::output::{CliError, Exit, Page, Tone, View};
use crate::{client, config};

/// Arguments of `baton init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The directory to make [default: ./coordination]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What was made.
#[derive(Debug, Serialize)]
pub(crate) struct Made {
    schema: &'static str,
    coordination: PathBuf,
    written: Vec<&'static str>,
    kept: Vec<&'static str>,
    agents_found: Vec<&'static str>,
}

impl InitArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let named = self.dir.as_ref().or(context.coordination.as_ref());
        let dir = named.cloned().unwrap_or_else(|| PathBuf::from("coordination"));
        context.out.show(&make(&dir)?)?;
        Ok(Exit::Done)
    }
}

/// Makes a coordination directory with external masters; agents that are installed become
/// commented entries of its `baton.toml`.
pub(crate) fn make(dir: &Path) -> Result<Made, CliError> {
    let agents = config::find_agents(&std::env::var_os("PATH").unwrap_or_default());
    let files = config::init_files(&agents);
    let files: Vec<(&'static str, &str)> =
        files.iter().map(|file| (file.path, file.body.as_str())).collect();
    let made = client::make::make(dir, &files)?;
    Ok(Made {
        schema: "baton/init@1",
        coordination: made.root,
        written: made.written,
        kept: made.kept,
        agents_found: agents.iter().map(|agent| agent.name).collect(),
    })
}

impl View for Made {
    fn human(&self, page: &mut Page) {
        let place = self.coordination.display();
        if self.written.is_empty() {
            page.point(Tone::Good, "✓", &format!("{place} was set up already; nothing is changed"));
        } else {
            page.point(Tone::Good, "✓", &format!("{place} is ready"));
        }
        for path in &self.written {
            page.field("  wrote", path);
        }
        for path in &self.kept {
            page.field("  kept", path);
        }
        let masters = if self.agents_found.is_empty() {
            "every master is external: somebody takes its handoffs and reports by file".to_owned()
        } else {
            format!(
                "every master is external; {} found, its entry in baton.toml is ready to uncomment",
                self.agents_found.join(" and ")
            )
        };
        if self.written.contains(&config::FILE_NAME) {
            page.field("  masters", &masters);
        }
        page.heading("Next");
        page.point(Tone::Dim, " 1.", "look at baton.toml: who does the work?");
        page.point(Tone::Dim, " 2.", "baton run \"Add a login page with tests\"");
        page.point(Tone::Dim, " 3.", "baton doctor, if something is not as it should be");
    }
}
