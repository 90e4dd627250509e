//! `baton init`: makes a coordination directory; what is there already stays as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Context;
use super::output::{CliError, Exit, Page, Tone, View, text};
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
        if !self.written.is_empty() {
            page.field("  wrote", &in_short(&self.written));
            if !self.kept.is_empty() {
                page.field("  kept", &in_short(&self.kept));
            }
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

/// Names files, and counts those in directories.
fn in_short(paths: &[&str]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut said: Vec<String> = Vec::new();
    for path in paths {
        match path.split_once('/') {
            Some((dir, _)) => *counts.entry(dir).or_default() += 1,
            None => said.push((*path).to_owned()),
        }
    }
    said.extend(
        counts.iter().map(|(dir, count)| format!("{dir}/ ({})", text::count(*count, "file"))),
    );
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::seen;
    use super::*;

    #[test]
    fn what_was_made_fits_a_small_screen() {
        let made = Made {
            schema: "baton/init@1",
            coordination: "/home/coordination".into(),
            written: vec!["README.md", "examples/task.json", "schemas/a.json", "schemas/b.json"],
            kept: vec!["baton.toml"],
            agents_found: Vec::new(),
        };
        insta::assert_snapshot!(seen(&made), @r#"
        ✓ /home/coordination is ready
          wrote       README.md, examples/ (1 file), schemas/ (2 files)
          kept        baton.toml

        Next
         1. look at baton.toml: who does the work?
         2. baton run "Add a login page with tests"
         3. baton doctor, if something is not as it should be
        "#);
    }
}
