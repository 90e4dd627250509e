//! `baton init`: makes a coordination directory; what is there already stays as it is.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Context;
use super::output::{CliError, Exit, Page, Tone, View};
use crate::config;
use crate::store::{Published, Store, layout};

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
    std::fs::create_dir_all(dir).map_err(|e| {
        CliError::new(Exit::CannotCreate, format!("cannot make {}: {e}", dir.display()))
            .hint("choose a place that you may write to: `baton init DIR`")
    })?;
    let cannot = |e: crate::store::StoreError| CliError {
        exit: Exit::CannotCreate,
        ..CliError::from(e).hint("check who owns the directory, and what lies in the way")
    };
    let store = Store::open(dir)?;
    let agents = config::find_agents(&std::env::var_os("PATH").unwrap_or_default());
    let (mut written, mut kept) = (Vec::new(), Vec::new());
    for file in config::init_files(&agents) {
        match store.publish(file.path, file.body.as_bytes(), true).map_err(cannot)? {
            Published::New => written.push(file.path),
            Published::AlreadyThere => kept.push(file.path),
        }
    }
    store.create_dirs(layout::INBOX).map_err(cannot)?;
    Ok(Made {
        schema: "baton/init@1",
        coordination: store.root().to_path_buf(),
        written,
        kept,
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
