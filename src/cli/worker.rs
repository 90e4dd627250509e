//! `baton worker`: what runs inside a worker's process; started by the holder, not by people.

use clap::{Args, Subcommand};

use super::Context;
use super::output::{CliError, Exit, failure};
use crate::daemon::{brief_worker, keeper, launch};

/// Arguments of `baton worker`.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// The parent of one worker, which sees it to its end
    Keep,
    /// The step before a worker's own program runs
    Exec,
    /// The built-in worker that writes a work order
    Brief,
}

impl WorkerArgs {
    /// Takes the step; returns its exit code, which the holder reads and which is its own.
    pub(crate) fn run(&self, context: &Context) -> u8 {
        match self.step {
            Step::Keep => keeper::keep(),
            Step::Exec => launch::exec_worker(),
            Step::Brief => match brief_worker::run(&|name| std::env::var(name).ok()) {
                Ok(line) => match context.out.print(&format!("{line}\n")) {
                    Ok(()) => Exit::Done.code(),
                    Err(error) => error.exit.code(),
                },
                Err(error) => {
                    let code = error.exit_code();
                    context.out.fail(&CliError::new(Exit::of_code(code), failure::chain(&error)));
                    code
                }
            },
        }
    }
}
