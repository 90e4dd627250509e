//! The closing summary of a task: duration, agents, results, report.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::page::{Page, Tone, span};
use super::{CliError, Exit, View, text};
use crate::client::Client;
use crate::client::follow::Standing;
use crate::client::progress::{Progress, Trouble};
use crate::client::request::Request;

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    schema: &'static str,
    task_id: String,
    title: String,
    /// completed, failed, blocked, cancelled, rejected
    status: String,
    duration_ms: u64,
    /// The masters that worked.
    agents: Vec<String>,
    /// How many workers there were, retries included.
    workers: u64,
    /// How many results are orders for somebody else and not the work itself.
    work_orders: usize,
    results: Vec<Delivered>,
    /// The completion report, once there is one.
    report: Option<String>,
    reason: Option<String>,
    trouble: Option<Trouble>,
}

/// What one subtask delivered.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Delivered {
    subtask_id: String,
    status: String,
    /// work, work_order
    kind: Option<String>,
    summary: Option<String>,
    deliverables: Vec<String>,
}

/// Columns of `Agents coordinated` and a gap.
const LABEL_COLUMNS: usize = 20;

/// Results that are listed at most.
const RESULTS_MAX: usize = 30;

impl Summary {
    /// Sums up how `request` ended after `duration_ms`.
    pub(crate) fn of(
        client: &Client,
        request: &Request,
        standing: &Standing,
        duration_ms: u64,
    ) -> Result<Self, CliError> {
        let (status, reason, progress) = match standing {
            Standing::Run(progress) => (progress.status.as_str(), None, Some(progress.as_ref())),
            Standing::Rejected { reason } => ("rejected", Some(reason.clone()), None),
            Standing::Cancelled { reason } => ("cancelled", Some(reason.clone()), None),
            Standing::Dropped => ("in the inbox", None, None),
            Standing::Planning => ("planning", None, None),
        };
        Ok(Self {
            schema: "baton/summary@1",
            task_id: request.task_id.to_string(),
            title: request.spec.title.clone(),
            status: status.to_owned(),
            duration_ms,
            reason,
            report: client
                .report_path(&request.task_id)
                .map(|path| near_path(&client.root().join(path))),
            ..Self::of_progress(progress)
        })
    }

    /// Tells how the command ends that waited for it.
    pub(crate) fn exit(&self) -> Exit {
        match self.status.as_str() {
            "completed" => Exit::Done,
            "rejected" => Exit::BadInput,
            _ => Exit::Failed,
        }
    }

    fn of_progress(progress: Option<&Progress>) -> Self {
        let steps = || progress.into_iter().flat_map(Progress::steps);
        let worked = || steps().filter(|step| step.attempt > 0);
        let agents: BTreeSet<&str> = worked()
            .flat_map(|step| step.masters_before.iter().chain([&step.master]))
            .map(String::as_str)
            .collect();
        let orders = |kind: &Option<String>| kind.as_deref() == Some("work_order");
        Self {
            schema: "baton/summary@1",
            task_id: String::new(),
            title: String::new(),
            status: String::new(),
            duration_ms: 0,
            agents: agents.into_iter().map(str::to_owned).collect(),
            workers: worked().map(|step| step.attempt).sum(),
            work_orders: steps().filter(|step| orders(&step.result_kind)).count(),
            results: steps()
                .map(|step| Delivered {
                    subtask_id: step.subtask_id.clone(),
                    status: step.status.clone(),
                    kind: step.result_kind.clone(),
                    summary: step.summary.clone(),
                    deliverables: step.deliverables.clone(),
                })
                .collect(),
            report: None,
            reason: None,
            trouble: progress.and_then(|progress| progress.trouble.clone()),
        }
    }

    /// Says in a few words what was delivered.
    fn results_text(&self) -> String {
        let done = self.results.iter().filter(|r| r.status == "completed").count();
        let all = self.results.len();
        match (done, self.work_orders) {
            (done, 0) => format!("{done} of {} done", text::count(all, "subtask")),
            (done, orders) if orders == done => format!(
                "{}: orders for work, not the work itself (the built-in `brief` worker writes no \
                 code)",
                text::count(orders, "work order")
            ),
            (done, orders) => format!(
                "{done} of {} done, of which {} and not the work itself",
                text::count(all, "subtask"),
                text::count(orders, "work order")
            ),
        }
    }
}

/// Returns a path as one would type it here.
fn near_path(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let near = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    near.as_deref().unwrap_or(path).to_string_lossy().into_owned()
}

impl View for Summary {
    fn human(&self, page: &mut Page) {
        let (tone, mark) = match self.status.as_str() {
            "completed" => (Tone::Good, "✓"),
            "cancelled" => (Tone::Warn, "–"),
            _ => (Tone::Bad, "✗"),
        };
        page.line(&[
            span(tone, format!("{mark} {}", self.status)),
            span(Tone::Strong, format!("  {}", self.title)),
        ]);
        page.name_columns(LABEL_COLUMNS);
        if let Some(reason) = &self.reason {
            page.field_toned("Reason", reason, Tone::Bad);
        }
        if let Some(trouble) = &self.trouble {
            let at = trouble.subtask_id.as_deref().map(|id| format!("{id}: ")).unwrap_or_default();
            page.field_toned("Reason", &format!("{at}{}", trouble.reason), Tone::Bad);
            for (position, option) in trouble.options.iter().enumerate() {
                page.field(if position == 0 { "To go on" } else { "" }, option);
            }
        }
        page.field("Duration", &text::duration_ms(self.duration_ms));
        if !self.results.is_empty() {
            let workers = text::count(usize::try_from(self.workers).unwrap_or(0), "worker");
            let agents = format!("{workers} for {}", self.agents.join(", "));
            page.field("Agents coordinated", &agents);
            page.field("Results", &self.results_text());
        }
        let shown = self.results.iter().take(RESULTS_MAX);
        let ids = shown.clone().map(|result| text::columns(&result.subtask_id));
        let id_columns = ids.max().unwrap_or(0).min(page.room(page.width() / 2));
        for result in shown {
            let tone = Tone::of_status(&result.status);
            let said = match (result.kind.as_deref(), result.deliverables.first()) {
                (Some("work_order"), Some(order)) => order,
                (Some(_) | None, _) => result.summary.as_ref().unwrap_or(&result.status),
            };
            let id = text::cut(&result.subtask_id, id_columns);
            let blank = id_columns - text::columns(&id).min(id_columns) + 2;
            page.line(&[
                span(tone, format!("  {} ", tone.mark())),
                span(Tone::Plain, format!("{id}{}", " ".repeat(blank))),
                span(Tone::Dim, said),
            ]);
        }
        if self.results.len() > RESULTS_MAX {
            let more = self.results.len() - RESULTS_MAX;
            page.line(&[span(Tone::Dim, format!("    and {more} more"))]);
        }
        if let Some(report) = &self.report {
            // A path has to be whole to be of use, however long it is.
            let fits = LABEL_COLUMNS + text::columns(report) <= page.width();
            if fits {
                page.field("Report", report);
            } else {
                page.line(&[span(Tone::Dim, "Report")]);
                page.verbatim(report);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::seen;
    use super::*;
    use crate::client::documents::ResultDocument;
    use crate::client::progress::tests::{example, now};

    fn summary(change: impl Fn(&mut crate::client::documents::PlanDocument)) -> Summary {
        let mut plan = example();
        change(&mut plan);
        let progress = Progress::of_plan(&plan, now(), &|_| None);
        Summary {
            task_id: progress.task_id.clone(),
            title: progress.title.clone(),
            status: progress.status.clone(),
            duration_ms: 65_000,
            report: Some("/home/coordination/orchestrator/completions/orch-task-1.md".into()),
            ..Summary::of_progress(Some(&progress))
        }
    }

    #[test]
    fn work_orders_are_not_called_work() {
        let done = summary(|plan| {
            plan.status = "completed".into();
            for subtask in &mut plan.subtasks {
                subtask.status = "completed".into();
                subtask.attempts = example().subtasks[0].attempts.clone();
                subtask.result = Some(ResultDocument {
                    kind: "work_order".into(),
                    summary: "Wrote the work order of this subtask to its brief.md".into(),
                    deliverables: Vec::new(),
                });
            }
        });
        assert_eq!((done.exit(), done.work_orders), (Exit::Done, 4));
        insta::assert_snapshot!(seen(&done), @r"
        ✓ completed  Add authentication system with security audit and documentation
        Duration            1m 05s
        Agents coordinated  4 workers for development, security
        Results             4 work orders: orders for work, not the work itself (the
                            built-in `brief` worker writes no code)
          ✓ auth-001-design    Wrote the work order of this subtask to its brief.md
          ✓ auth-002-backend   Wrote the work order of this subtask to its brief.md
          ✓ auth-003-frontend  Wrote the work order of this subtask to its brief.md
          ✓ auth-004-tests     Wrote the work order of this subtask to its brief.md
        Report              /home/coordination/orchestrator/completions/orch-task-1.md
        ");
    }

    #[test]
    fn whoever_had_a_part_is_named_although_another_finished_it() {
        let passed_on = summary(|plan| {
            plan.subtasks[1].attempts[0].agent = "auditor".into();
            plan.subtasks[2].attempts.clear();
        });
        assert_eq!(passed_on.agents, ["auditor", "development"]);
    }

    #[test]
    fn a_blocked_task_says_what_a_person_can_do() {
        let blocked = summary(|plan| {
            plan.status = "blocked".into();
            plan.subtasks[1].status = "blocked".into();
            plan.subtasks[1].attempts[0].attempt = 3;
            plan.blocking_subtask = Some("auth-002-backend".into());
            plan.failure_reason = Some("implementation worker failed 3 times: exit code 2".into());
            plan.options =
                vec!["baton retry auth-002-backend".into(), "baton cancel task-1".into()];
        });
        assert_eq!(blocked.exit(), Exit::Failed);
        insta::assert_snapshot!(seen(&blocked), @r"
        ✗ blocked  Add authentication system with security audit and documentation
        Reason              auth-002-backend: implementation worker failed 3 times: exit
                            code 2
        To go on            baton retry auth-002-backend
                            baton cancel task-1
        Duration            1m 05s
        Agents coordinated  4 workers for development
        Results             1 of 4 subtasks done
          ✓ auth-001-design    completed
          ✗ auth-002-backend   blocked
          ● auth-003-frontend  handed_off
          ○ auth-004-tests     pending
        Report              /home/coordination/orchestrator/completions/orch-task-1.md
        ");
    }
}
