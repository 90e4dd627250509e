//! `baton status`: what is under way in this directory.

mod standing;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::output::{CliError, Exit, Page, Table, Tone, View, failure, plain, span, text, tree};
use crate::client::documents::OverviewDocument;
use crate::client::handoffs::HandoffState;
use crate::client::survey::Survey;
use crate::client::{Client, ClientError};
use crate::config::{Config, Overrides};
use crate::domain::Policy;

/// Arguments of `baton status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {}

/// What is under way.
#[derive(Debug, Serialize)]
struct Status {
    schema: &'static str,
    coordination: PathBuf,
    /// The process id of the daemon; null when there is none.
    daemon_pid: Option<u32>,
    /// Tasks of the queue by status; null when there is none.
    queue: Option<BTreeMap<String, usize>>,
    /// Why the queue cannot be read.
    queue_problem: Option<String>,
    /// Files in the inbox that nobody has taken yet.
    inbox: usize,
    /// Handoffs that wait for a master elsewhere.
    handoffs_waiting: usize,
    overview: OverviewDocument,
    /// Workers, masters that rest, what waits and what is asked; nothing of it when the journal
    /// cannot be read.
    #[serde(flatten)]
    survey: Option<Survey>,
    /// Why the journal cannot be read.
    journal_problem: Option<String>,
    /// Why the settings cannot be read, by which it is known what waits.
    settings_problem: Option<String>,
}

impl StatusArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        let env = |name: &str| std::env::var(name).ok();
        let settings = Config::load(client.root(), &env, &Overrides::default());
        let settings = settings.map(|config| config.policy).map_err(|e| failure::chain(&e));
        context.out.show(&Status::of(&client, settings)?)?;
        Ok(Exit::Done)
    }
}

impl Status {
    fn of(client: &Client, settings: Result<Policy, String>) -> Result<Self, CliError> {
        let waiting =
            client.handoff_files()?.iter().filter(|f| f.state == HandoffState::Waiting).count();
        let (queue, queue_problem) = match queue(client) {
            Ok(queue) => (queue, None),
            Err(problem) => (None, Some(problem.to_string())),
        };
        let (survey, journal_problem) = match client.survey(settings.as_ref().ok()) {
            Ok(survey) => (Some(survey), None),
            Err(problem @ ClientError::Journal(_)) => (None, Some(problem.to_string())),
            Err(problem) => return Err(problem.into()),
        };
        Ok(Self {
            schema: "baton/status@1",
            coordination: client.root().to_path_buf(),
            daemon_pid: client.daemon(),
            queue,
            queue_problem,
            inbox: client.inbox()?.len(),
            handoffs_waiting: waiting,
            overview: client.overview()?,
            survey,
            journal_problem,
            settings_problem: settings.err(),
        })
    }

    fn queue_text(&self) -> String {
        let queue = match (&self.queue, &self.queue_problem) {
            (_, Some(problem)) => return format!("{problem}; see `baton doctor`"),
            (None, None) => return "there is no task-queue.json".into(),
            (Some(queue), None) => queue,
        };
        let parts: Vec<String> =
            queue.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let all = text::count(queue.values().sum(), "task");
        if parts.is_empty() { all } else { format!("{all}: {}", parts.join(", ")) }
    }
}

fn queue(client: &Client) -> Result<Option<BTreeMap<String, usize>>, ClientError> {
    if !client.has_queue() {
        return Ok(None);
    }
    let mut by_status = BTreeMap::new();
    for task in client.queue()? {
        let status = task.get("status").and_then(Value::as_str).unwrap_or("without status");
        *by_status.entry(status.to_owned()).or_insert(0) += 1;
    }
    Ok(Some(by_status))
}

impl View for Status {
    fn human(&self, page: &mut Page) {
        page.field("coordination", &self.coordination.to_string_lossy());
        match self.daemon_pid {
            Some(pid) => page.field_toned("daemon", &format!("running (pid {pid})"), Tone::Good),
            None => {
                page.field_toned("daemon", "not running; `baton daemon` starts one", Tone::Warn);
            }
        }
        page.field("queue", &self.queue_text());
        page.field("inbox", &format!("{} waiting", text::count(self.inbox, "file")));
        if self.handoffs_waiting > 0 {
            let waiting = text::count(self.handoffs_waiting, "handoff");
            page.field("masters", &format!("{waiting} waiting; `baton handoff list`"));
        }
        let OverviewDocument {
            active_orchestrations: active,
            total_orchestrations: total,
            completed_orchestrations: completed,
            failed_orchestrations: failed,
            cancelled_orchestrations: cancelled,
            ..
        } = self.overview;
        let runs = format!(
            "{total}: {active} active, {completed} completed, {failed} failed, {cancelled} cancelled"
        );
        page.field("plans", &runs);
        for (name, problem) in
            [("journal", &self.journal_problem), ("settings", &self.settings_problem)]
        {
            if let Some(problem) = problem {
                page.field_toned(name, &format!("{problem}; see `baton doctor`"), Tone::Bad);
            }
        }
        if !self.overview.current_orchestrations.is_empty() {
            page.gap();
            self.runs(page);
        }
        if let Some(survey) = &self.survey {
            standing::print(page, survey);
        }
    }
}

impl Status {
    fn runs(&self, page: &mut Page) {
        let mut table = Table::new(&["TASK", "STATUS", "STAGE", "PROGRESS", "HEALTH"], 0);
        for run in &self.overview.current_orchestrations {
            let percent = u32::try_from(run.progress_percent).unwrap_or(100);
            table.row(vec![
                plain(run.orchestration_id.trim_start_matches("orch-")),
                span(Tone::of_status(&run.status), &run.status),
                plain(run.current_stage.as_str().map_or_else(
                    || format!("{} {}", run.current_stage, run.phase).trim_end().to_owned(),
                    |stage| stage.trim_start_matches("stage_").to_owned(),
                )),
                plain(tree::bar(percent)),
                span(Tone::of_status(&run.health), &run.health),
            ]);
        }
        table.print(page);
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::seen;
    use super::*;
    use crate::client::tests::{directory, write};

    fn status(client: &Client) -> Status {
        Status::of(client, Ok(Policy::default())).unwrap()
    }

    #[test]
    fn a_directory_that_was_never_served_has_a_status_too() {
        let (_dir, client) = directory();
        let status = Status { coordination: "/home/coordination".into(), ..status(&client) };
        insta::assert_snapshot!(seen(&status), @r"
        coordination  /home/coordination
        daemon        not running; `baton daemon` starts one
        queue         there is no task-queue.json
        inbox         0 files waiting
        plans         0: 0 active, 0 completed, 0 failed, 0 cancelled
        ");
    }

    #[test]
    fn runs_fit_the_terminal_however_long_their_names_are() {
        let (_dir, client) = directory();
        write(
            &client,
            "task-queue.json",
            r#"{"tasks": [{"id": "a", "status": "pending"},
            {"id": "b", "status": "completed"}, {"id": "c", "status": "pending"}, 7]}"#,
        );
        write(&client, "inbox/note.txt", "x");
        write(&client, "masters/x/handoffs/to-x-subtask-y.json", "{}");
        let spec = r#"{"worker_id": "fix-1-attempt-1", "parent_master": "development",
            "status": "active", "started_at": "2025-11-05T18:00:00Z"}"#;
        write(&client, "worker-specs/active/fix-1-attempt-1.json", spec);
        let long = format!("orch-{}", "very-long-".repeat(9));
        write(
            &client,
            "orchestrator/state/current.json",
            &format!(
                r#"{{"active_orchestrations": 2, "total_orchestrations": 5,
            "completed_orchestrations": 2, "failed_orchestrations": 1, "current_orchestrations": [
            {{"orchestration_id": "orch-task-1", "status": "in_progress", "current_stage": 2,
              "progress_percent": 25, "health": "healthy", "active_subtasks": ["a"]}},
            {{"orchestration_id": "{long}", "status": "blocked", "current_stage": "stage_3",
              "progress_percent": 66, "health": "blocked"}}]}}"#
            ),
        );
        let status = Status { coordination: "/home/coordination".into(), ..status(&client) };
        insta::assert_snapshot!(seen(&status), @r"
        coordination  /home/coordination
        daemon        not running; `baton daemon` starts one
        queue         4 tasks: 1 completed, 2 pending, 1 without status
        inbox         1 file waiting
        masters       1 handoff waiting; `baton handoff list`
        plans         5: 2 active, 2 completed, 1 failed, 0 cancelled

        TASK                               STATUS       STAGE  PROGRESS          HEALTH
        task-1                             in_progress  2      [██░░░░░░░░] 25%  healthy
        very-long-very-long-very-long-ve…  blocked      3      [██████░░░░] 66%  blocked

        OF A MASTER      MASTER       HEALTH  PROCESS        LAST SIGN
        fix-1-attempt-1  development  active  not looked at  none so far
        ");
    }
}
