//! `baton submit`: drops a task into the inbox, and waits for its end if asked to.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::Context;
use super::output::live::Live;
use super::output::summary::Summary;
use super::output::{CliError, Exit, Page, Tone, View};
use crate::client::Client;
use crate::client::follow::{Follower, Standing};
use crate::client::request::{Request, Wishes};
use crate::client::wait::{Waiter, Wake};
use crate::clock;
use crate::domain::ids::{AgentName, TaskId};
use crate::domain::task::Priority;

/// What is asked for, and how.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// What is to be done: words, the name of a text, Markdown or JSON file, or - for stdin
    #[arg(value_name = "TEXT|FILE|-", required = true, allow_hyphen_values = false)]
    request: Vec<String>,
    /// The title, if not the first line
    #[arg(long)]
    title: Option<String>,
    /// critical, high, medium or low
    #[arg(long, value_parser = priority)]
    priority: Option<Priority>,
    /// The kind of work, e.g. development
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// The master that is to have it
    #[arg(long, value_parser = AgentName::parse)]
    master: Option<AgentName>,
}

/// Arguments of `baton submit`.
#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    request: RequestArgs,
    /// Wait until it is completed, failed, blocked or refused
    #[arg(long)]
    wait: bool,
    /// Seconds to wait at most [default: for ever]
    #[arg(long, value_name = "SECONDS", requires = "wait")]
    timeout: Option<u64>,
}

/// What was dropped.
#[derive(Debug, Serialize)]
struct Submitted {
    schema: &'static str,
    task_id: TaskId,
    file: String,
    /// True when a daemon is there to take it.
    daemon_running: bool,
}

impl RequestArgs {
    /// Reads what is asked for.
    pub(crate) fn read(&self) -> Result<Request, CliError> {
        let wishes = Wishes {
            title: self.title.clone(),
            priority: self.priority,
            kind: self.kind.clone(),
            master: self.master.clone(),
        };
        Ok(Request::read(&self.request, &mut std::io::stdin().lock(), &wishes)?)
    }
}

impl SubmitArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        let request = self.request.read()?;
        let daemon_running = client.daemon().is_some();
        if self.wait && !daemon_running {
            let message = "no daemon is running here that could do it; nothing was dropped";
            return Err(CliError::new(Exit::NoDaemon, message)
                .hint("start one with `baton daemon`, or use `baton run`, which does"));
        }
        let waiter = Waiter::new(&client.watched()?);
        let mut follower = Follower::new(&client, &request.task_id)?;
        let began = clock::now();
        let file = request.submit(&client)?;
        follower.dropped_as(&file);
        if !self.wait {
            context.out.show(&Submitted {
                schema: "baton/submitted@1",
                task_id: request.task_id,
                file: format!("inbox/{file}"),
                daemon_running,
            })?;
            return Ok(Exit::Done);
        }
        let mut live = Live::new(&context.out, &request.spec.title);
        let standing = self.wait_for_end(&client, &mut follower, &waiter, &mut live)?;
        drop(live);
        let duration_ms = clock::now().since_ms(&began).unwrap_or(0);
        let summary = Summary::of(&client, &request, &standing, duration_ms)?;
        context.out.show(&summary)?;
        Ok(summary.exit())
    }

    fn wait_for_end(
        &self,
        client: &Client,
        follower: &mut Follower,
        waiter: &Waiter,
        live: &mut Live,
    ) -> Result<Standing, CliError> {
        const TICK: Duration = Duration::from_secs(1);
        let began = clock::now();
        let mut settling_ticks = 0;
        loop {
            let standing = follower.look()?;
            live.show(client, &standing);
            if standing.is_over()
                && !is_settling(client, follower.task_id(), &standing, settling_ticks)
            {
                return Ok(standing);
            }
            let limit_ms = self.timeout.map(|seconds| seconds.saturating_mul(1000));
            if limit_ms.is_some_and(|limit_ms| clock::now().is_past(&began, limit_ms)) {
                let id = follower.task_id();
                return Err(CliError::new(Exit::Busy, format!("time ran out; {id} goes on"))
                    .hint(format!("`baton show {id}` says how far it is")));
            }
            if client.daemon().is_none() {
                let id = follower.task_id();
                let message = format!("the daemon ended while {id} was under way");
                return Err(CliError::new(Exit::NoDaemon, message)
                    .hint("`baton daemon` starts one, and the work goes on where it was"));
            }
            if waiter.wait(TICK) == Wake::Tick {
                settling_ticks += u32::from(standing.is_over());
            }
        }
    }
}

/// Tells whether more of a completed task is worth waiting for: its report and its last results are
/// written a moment after its status, and are not looked for for ever.
pub(crate) fn is_settling(
    client: &Client,
    task_id: &TaskId,
    standing: &Standing,
    ticks: u32,
) -> bool {
    const TICKS_MAX: u32 = 5;
    let Standing::Run(progress) = standing else { return false };
    let has_all_results =
        progress.steps().all(|step| step.status != "completed" || step.result_kind.is_some());
    let has_all = has_all_results && client.report_path(task_id).is_some();
    progress.status == "completed" && ticks < TICKS_MAX && !has_all
}

fn priority(word: &str) -> Result<Priority, String> {
    let value = serde_json::json!({ "priority": word });
    crate::domain::read::priority(&value, "--priority", "").map_err(|problem| problem.remedy)
}

impl View for Submitted {
    fn human(&self, page: &mut Page) {
        page.point(Tone::Good, "✓", &format!("{} is in the inbox", self.task_id));
        if self.daemon_running {
            page.point(Tone::Dim, " ", &format!("follow it with `baton show {}`", self.task_id));
        } else {
            page.point(
                Tone::Warn,
                "–",
                "no daemon is running: it waits until one is started with `baton daemon`",
            );
        }
    }
}
