//! `baton stats`: how well it goes.

use clap::Args;
use serde::Serialize;

use super::Context;
use super::output::{CliError, Exit, Page, View, text};
use crate::client::stats::{Share, Statistics};

/// Arguments of `baton stats`.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {}

/// What the journal says, counted.
#[derive(Debug, Serialize)]
struct Stats {
    schema: &'static str,
    #[serde(flatten)]
    counted: Statistics,
}

impl StatsArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let counted = context.client()?.statistics()?;
        context.out.show(&Stats { schema: "baton/stats@1", counted })?;
        Ok(Exit::Done)
    }
}

impl View for Stats {
    fn human(&self, page: &mut Page) {
        let Statistics { runs, recovery, compensation, strategies, workers } = &self.counted;
        page.field(
            "runs",
            &format!(
                "{}: {} open, {} completed, {} failed, {} rolled back, {} cancelled",
                runs.total,
                runs.open,
                runs.completed,
                runs.failed,
                runs.rolled_back,
                runs.cancelled
            ),
        );
        page.field("success", &format!("{} of those that ended", per_cent(runs.success_percent)));
        page.field(
            "unattended",
            &format!("{} ended without a person", per_cent(runs.unattended_percent)),
        );
        page.field("recovery", &share(recovery, "that failed were completed without a person"));
        page.field("undone", &share(compensation, "that were to be undone are"));
        if !strategies.is_empty() {
            let counts: Vec<String> =
                strategies.iter().map(|(name, count)| format!("{name} {count}")).collect();
            page.field("answers", &counts.join(", "));
        }
        page.field(
            "attempts",
            &format!("{}, {} interrupted", workers.attempts, workers.interrupted),
        );
        page.field(
            "workers",
            &format!(
                "found quiet {}, stalled {}, gone {}; alive again {}; doubted and delivered {}",
                workers.heartbeats_missed,
                workers.stalled,
                workers.gone,
                workers.recovered,
                workers.doubted_and_delivered
            ),
        );
    }
}

fn share(share: &Share, what: &str) -> String {
    let of = text::count(share.total, "subtask");
    format!("{}: {} of {of} {what}", per_cent(share.percent), share.succeeded)
}

fn per_cent(percent: Option<u32>) -> String {
    percent.map_or_else(|| "none yet".to_owned(), |percent| format!("{percent} %"))
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::seen;
    use super::*;
    use crate::client::stats::{Runs, Workers};

    #[test]
    fn nothing_yet_is_said_as_such() {
        let counted = Statistics {
            runs: Runs { total: 3, completed: 2, failed: 1, ..Runs::default() },
            recovery: Share { total: 1, succeeded: 1, percent: Some(100) },
            workers: Workers { attempts: 9, stalled: 1, ..Workers::default() },
            ..Statistics::default()
        };
        insta::assert_snapshot!(seen(&Stats { schema: "baton/stats@1", counted }), @r"
        runs          3: 0 open, 2 completed, 1 failed, 0 rolled back, 0 cancelled
        success       none yet of those that ended
        unattended    none yet ended without a person
        recovery      100 %: 1 of 1 subtask that failed were completed without a person
        undone        none yet: 0 of 0 subtasks that were to be undone are
        attempts      9, 0 interrupted
        workers       found quiet 0, stalled 1, gone 0; alive again 0; doubted and
                      delivered 0
        ");
    }
}
