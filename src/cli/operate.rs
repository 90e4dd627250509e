//! `baton cancel`, `retry`, `skip`, `assign`, `fallback`, `answer`, `pause`, `resume`: commands of a
//! person, dropped as files.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::Context;
use super::output::{CliError, Exit, Page, Tone, View};
use crate::client::documents::AnswerDocument;
use crate::client::wait::Waiter;
use crate::client::{Client, Commanded};
use crate::clock;
use crate::domain::moment::Timestamp;

/// Arguments of every command of a person.
#[derive(Debug, Args)]
pub(crate) struct OperateArgs {
    /// A task, orchestration, subtask or handoff
    #[arg(value_name = "ID")]
    id: String,
    /// Seconds to wait for the answer; 0 does not wait
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
}

/// What became of a command, as far as that is known.
#[derive(Debug, PartialEq, Serialize)]
struct Outcome {
    schema: &'static str,
    command_id: String,
    verb: String,
    target: String,
    /// done, refused, queued
    state: &'static str,
    message: String,
    expires_at: Timestamp,
}

impl OperateArgs {
    pub(crate) fn run(&self, context: &Context, verb: &str) -> Result<Exit, CliError> {
        let wish = Wish { verb, target: &self.id, args: &[] };
        operate(context, &context.client()?, &wish, self.timeout)
    }
}

/// Arguments of `baton assign`.
#[derive(Debug, Args)]
pub(crate) struct AssignArgs {
    #[command(flatten)]
    what: OperateArgs,
    /// Who gets it
    #[arg(long, value_name = "MASTER")]
    to: String,
}

impl AssignArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let wish = Wish { verb: "assign", target: &self.what.id, args: &[("to", &self.to)] };
        operate(context, &context.client()?, &wish, self.what.timeout)
    }
}

/// Arguments of `baton answer`.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    #[command(flatten)]
    what: OperateArgs,
    /// r retries differently, s skips what is not critical, a aborts
    #[arg(value_name = "r|s|a", value_parser = ["r", "s", "a"])]
    answer: String,
}

impl AnswerArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let args = [("answer", self.answer.as_str())];
        let wish = Wish { verb: "answer", target: &self.what.id, args: &args };
        operate(context, &context.client()?, &wish, self.what.timeout)
    }
}

/// What a person wants done.
pub(crate) struct Wish<'a> {
    /// What is to be done.
    pub(crate) verb: &'a str,
    /// To what.
    pub(crate) target: &'a str,
    /// Further arguments by name.
    pub(crate) args: &'a [(&'a str, &'a str)],
}

/// Drops a command, waits for its answer while a daemon is there to give one, and shows it.
pub(crate) fn operate(
    context: &Context,
    client: &Client,
    &Wish { verb, target, args }: &Wish<'_>,
    timeout_s: u64,
) -> Result<Exit, CliError> {
    let waiter = Waiter::new(&client.watched()?);
    let dropped = client.drop_command(verb, target, args)?;
    let is_served = client.daemon().is_some();
    let answer = if is_served { wait(client, &waiter, &dropped, timeout_s)? } else { None };
    let (exit, state, message) = match answer {
        Some(answer) if answer.ok => (Exit::Done, "done", answer.message),
        Some(answer) => {
            let is_known = client.find(target)?.is_some();
            let exit = if is_known { Exit::Failed } else { Exit::NotFound };
            (exit, "refused", answer.message)
        }
        None if is_served => {
            let message = format!(
                "the daemon has not answered yet; look again with `baton show {}`",
                dropped.command_id
            );
            (Exit::Busy, "queued", message)
        }
        None => {
            let message = format!(
                "no daemon is running: it takes effect when one starts, until {}",
                dropped.expires_at
            );
            (Exit::Done, "queued", message)
        }
    };
    context.out.show(&Outcome {
        schema: "baton/command-outcome@1",
        command_id: dropped.command_id.to_string(),
        verb: verb.to_owned(),
        target: target.to_owned(),
        state,
        message,
        expires_at: dropped.expires_at,
    })?;
    Ok(exit)
}

fn wait(
    client: &Client,
    waiter: &Waiter,
    dropped: &Commanded,
    timeout_s: u64,
) -> Result<Option<AnswerDocument>, CliError> {
    const TICK: Duration = Duration::from_millis(500);
    let began = clock::now();
    loop {
        if let Some(answer) = client.answer(&dropped.command_id)? {
            return Ok(Some(answer));
        }
        if clock::now().is_past(&began, timeout_s.saturating_mul(1000)) {
            return Ok(None);
        }
        waiter.wait(TICK);
    }
}

impl View for Outcome {
    fn human(&self, page: &mut Page) {
        let (tone, mark) = match self.state {
            "done" => (Tone::Good, "✓"),
            "refused" => (Tone::Bad, "✗"),
            _ => (Tone::Warn, "…"),
        };
        let said = if self.message.contains(&self.target) {
            format!("{}: {}", self.verb, self.message)
        } else {
            format!("{} {}: {}", self.verb, self.target, self.message)
        };
        page.point(tone, mark, &said);
        if self.state == "queued" {
            page.field("  command", &self.command_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::seen;
    use super::*;

    #[test]
    fn an_outcome_says_what_happened_or_when_it_will() {
        let mut outcome = Outcome {
            schema: "baton/command-outcome@1",
            command_id: "cancel-0123456789ab".into(),
            verb: "cancel".into(),
            target: "orch-task-1".into(),
            state: "done",
            message: "task-1 is cancelled; called back: 2 attempts".into(),
            expires_at: Timestamp::from_ms(0),
        };
        insta::assert_snapshot!(seen(&outcome), @r"
        ✓ cancel orch-task-1: task-1 is cancelled; called back: 2 attempts
        ");
        outcome.state = "queued";
        outcome.message = "no daemon is running: it takes effect when one starts, until \
            2025-11-05T19:00:00Z"
            .into();
        insta::assert_snapshot!(seen(&outcome), @r"
        … cancel orch-task-1: no daemon is running: it takes effect when one starts,
          until 2025-11-05T19:00:00Z
          command     cancel-0123456789ab
        ");
    }
}
