//! `baton hold`: the parent of all workers; started by the daemon, not by people.

use clap::Args;

use super::Context;
use super::output::{CliError, Exit, failure};
use crate::daemon::holder;

/// Arguments of `baton hold`.
#[derive(Debug, Args)]
pub(crate) struct HoldArgs {}

impl HoldArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        match holder::hold(&context.directory()?) {
            Ok(()) => Ok(Exit::Done),
            Err(error) => Err(CliError::new(Exit::Failed, failure::chain(&error))),
        }
    }
}
