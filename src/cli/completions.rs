//! `baton completions`: a script that completes `baton` in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::output::{CliError, Exit};
use super::{Cli, Context};

/// Arguments of `baton completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

impl CompletionsArgs {
    /// Prints the script; it is the same with `--json`, since a shell reads it.
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "baton", &mut script);
        context.out.print(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Done)
    }
}
