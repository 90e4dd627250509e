//! `baton completions`: a script that completes `baton` in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde::Serialize;

use super::output::{CliError, Exit, Page, View};
use super::{Cli, Context};

/// Arguments of `baton completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    /// Prints the script as it is, or as a text in JSON.
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "baton", &mut script);
        context.out.show(&Script {
            schema: "baton/completions@1",
            shell: self.shell.to_string(),
            script: String::from_utf8_lossy(&script).into_owned(),
        })?;
        Ok(Exit::Done)
    }
}

/// A script for a shell.
#[derive(Debug, Serialize)]
struct Script {
    schema: &'static str,
    shell: String,
    script: String,
}

impl View for Script {
    fn human(&self, page: &mut Page) {
        page.verbatim(&self.script);
    }
}
