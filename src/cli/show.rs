//! `baton show`: whatever an id names, whole.

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::handoff;
use super::output::{CliError, Exit, Page, Tone, View, design, text, tree};
use crate::client::Client;
use crate::client::documents::{PlanDocument, SubtaskDocument};
use crate::client::find::{Found, Kind};
use crate::client::follow::Follower;
use crate::client::progress::Progress;
use crate::domain::ids::TaskId;

/// Arguments of `baton show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A task, orchestration, subtask, worker, handoff or command
    #[arg(value_name = "ID")]
    id: String,
}

/// What an id names: the document for programs, what matters of it for people.
#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    #[serde(flatten)]
    found: Found,
    /// How far a run is; null for everything else.
    progress: Option<Progress>,
    /// The end of what a worker printed; null for everything else.
    output_tail: Option<Vec<String>>,
}

/// Lines of a worker's output that are shown.
const OUTPUT_LINES: usize = 20;

impl ShowArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        let Some(found) = client.find(&self.id)? else {
            return Err(not_found(&client, &self.id)?);
        };
        context.out.show(&Shown::of(&client, found)?)?;
        Ok(Exit::Done)
    }
}

/// Says that an id names nothing, and what may have been meant.
pub(crate) fn not_found(client: &Client, id: &str) -> Result<CliError, CliError> {
    let near = client.near(id)?;
    let hint = if client.has_master(id) {
        "that is a master: `baton masters` shows it, `baton handoff list` what it is given".into()
    } else if near.is_empty() {
        "`baton status` lists what is under way".to_owned()
    } else {
        format!("did you mean {}?", near.join(" or "))
    };
    Ok(CliError::new(Exit::NotFound, format!("nothing here is called {id:?}")).hint(hint))
}

impl Shown {
    fn of(client: &Client, found: Found) -> Result<Self, CliError> {
        let progress = match found.kind {
            Kind::Orchestration | Kind::Subtask => progress(client, &found)?,
            Kind::Task | Kind::Worker | Kind::Handoff | Kind::Answer | Kind::Refusal => None,
        };
        let output_tail = match found.kind {
            Kind::Worker => Some(client.output_tail(&found.id, OUTPUT_LINES)),
            Kind::Orchestration
            | Kind::Subtask
            | Kind::Task
            | Kind::Handoff
            | Kind::Answer
            | Kind::Refusal => None,
        };
        Ok(Self { schema: "baton/show@1", found, progress, output_tail })
    }
}

/// Reads how far the run is that a plan or the subtask of a routed task stands for.
fn progress(client: &Client, found: &Found) -> Result<Option<Progress>, CliError> {
    let task = found.id.strip_prefix("orch-").unwrap_or(&found.id);
    let Ok(task) = TaskId::parse(task) else { return Ok(None) };
    let is_own = found.kind == Kind::Orchestration
        || found.document.get("parent_task_id").and_then(Value::as_str) == Some(task.as_str());
    if !is_own {
        return Ok(None);
    }
    Ok(match Follower::new(client, &task)?.look()? {
        crate::client::follow::Standing::Run(progress) => Some(*progress),
        crate::client::follow::Standing::Dropped
        | crate::client::follow::Standing::Planning
        | crate::client::follow::Standing::Rejected { .. }
        | crate::client::follow::Standing::Cancelled { .. } => None,
    })
}

impl View for Shown {
    fn human(&self, page: &mut Page) {
        page.path(&self.found.path);
        match self.found.kind {
            Kind::Orchestration => self.run(page),
            Kind::Subtask => self.subtask(page),
            Kind::Handoff => handoff::handoff(page, &self.found.document),
            Kind::Task | Kind::Worker | Kind::Answer | Kind::Refusal => {
                page.heading(&self.found.id);
                fields(page, &self.found.document);
            }
        }
        if let Some(lines) = self.output_tail.as_ref().filter(|lines| !lines.is_empty()) {
            page.heading("Output");
            page.verbatim(&lines.join("\n"));
        }
    }
}

impl Shown {
    fn run(&self, page: &mut Page) {
        let plan: PlanDocument =
            serde_json::from_value(self.found.document.clone()).unwrap_or_default();
        page.gap();
        if let Some(progress) = &self.progress {
            tree::print(page, progress, usize::MAX);
            if let Some(trouble) = &progress.trouble {
                page.gap();
                page.field_toned("reason", &trouble.reason, Tone::Bad);
                if let Some(escalation) = &trouble.escalation {
                    page.field("asked", escalation);
                }
                for option in &trouble.options {
                    page.field("answer", option);
                }
            }
        }
        page.gap();
        page.field("goal", &plan.goal);
        if let Some(created_at) = plan.created_at {
            page.field("since", &created_at.to_string());
        }
        let anatomy = plan.anatomy();
        // Plan files of others may say nothing of it.
        if !plan.workflow.is_empty() {
            design::routing(page, &anatomy, &plan.complexity, &plan.workflow, plan.confidence);
        }
        if plan.resource_estimate.total_subtasks > 0 {
            let widest = plan.stages().iter().map(|stage| stage.len()).max().unwrap_or(0);
            design::figures(page, &plan.resource_estimate, widest);
        }
        for constraint in &plan.constraints {
            page.field("constraint", constraint);
        }
        design::outline(page, &anatomy);
        design::analysis(page, &anatomy);
        if !plan.explanation.verdict.is_empty() {
            page.heading("Why");
            page.paragraph(0, &plan.explanation.verdict);
        }
        for why in &plan.explanation.reasons {
            page.point(Tone::Dim, "•", &format!("{}: {}", why.rule, why.evidence));
        }
        for warning in &plan.explanation.warnings {
            page.point(Tone::Warn, "!", warning);
        }
    }

    fn subtask(&self, page: &mut Page) {
        let subtask: SubtaskDocument =
            serde_json::from_value(self.found.document.clone()).unwrap_or_default();
        page.heading(&subtask.title);
        page.field_toned("status", &subtask.status, Tone::of_status(&subtask.status));
        for (name, value) in [
            ("subtask", subtask.subtask_id.as_str()),
            ("part of", &subtask.parent_task_id),
            ("given to", &subtask.assigned_to),
            ("kind", &subtask.worker_type),
            ("model", if subtask.nature.is_default() { "" } else { subtask.nature.model.as_str() }),
            ("depends on", &subtask.dependencies.join(", ")),
            ("done when", &subtask.success_criteria),
            ("files", &subtask.files_affected.join(", ")),
            ("deliver", &subtask.deliverables.join(", ")),
        ] {
            if !value.is_empty() {
                page.field(name, value);
            }
        }
        if !subtask.description.is_empty() && subtask.description != subtask.title {
            page.gap();
            page.paragraph(0, &subtask.description);
        }
        if !subtask.attempts.is_empty() {
            page.heading("Attempts");
        }
        for attempt in &subtask.attempts {
            let outcome = attempt.outcome.as_deref().unwrap_or("under way");
            let reason = attempt.reason.as_deref().map(|why| format!(": {why}"));
            let since = attempt.started_at.map(|at| format!(", since {at}")).unwrap_or_default();
            let said = format!(
                "{} {} by {}{since}{}",
                attempt.attempt,
                outcome,
                attempt.worker_id,
                reason.unwrap_or_default()
            );
            page.point(Tone::of_status(outcome), "•", &said);
        }
        if let Some(result) = &subtask.result {
            page.heading(if result.kind == "work_order" { "Work order" } else { "Result" });
            page.paragraph(0, &result.summary);
            for deliverable in &result.deliverables {
                page.point(Tone::Good, "✓", deliverable);
            }
        }
    }
}

/// Puts every field of an object on the page: texts wrapped, everything else as JSON.
fn fields(page: &mut Page, document: &Value) {
    let Value::Object(fields) = document else {
        page.verbatim(&document.to_string());
        return;
    };
    let names = fields.keys().map(|name| text::columns(name) + 2);
    page.name_columns(names.max().unwrap_or(0).clamp(14, 24));
    for (name, value) in fields.iter().filter(|(name, _)| *name != "schema") {
        let shown = match value {
            Value::String(text) => text::clean_lines(text),
            Value::Null => continue,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                value.to_string()
            }
        };
        page.field(name, &shown);
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::seen;
    use super::*;
    use crate::client::progress::tests::example;
    use crate::client::tests::{directory, write};
    use serde_json::json;

    fn shown(client: &Client, id: &str) -> String {
        seen(&Shown::of(client, client.find(id).unwrap().unwrap()).unwrap())
    }

    #[test]
    fn a_blocked_run_says_why_and_what_answers_it() {
        let (_dir, client) = directory();
        let mut plan = example();
        plan.status = "blocked".into();
        plan.subtasks[1].status = "blocked".into();
        plan.subtasks[1].attempts.clear();
        plan.failure_reason = Some("implementation worker failed 3 times: exit code 2".into());
        plan.options = vec!["baton retry auth-002-backend".into(), "baton cancel task-1".into()];
        plan.goal = "People can log in".into();
        write(&client, "orchestrator/tasks/orch-task-1.json", &json!(plan).to_string());
        insta::assert_snapshot!(shown(&client, "task-1"), @r"
        orchestrator/tasks/orch-task-1.json

        Add authentication system with security audit and documentation
        orch-task-1  blocked  staged  [██░░░░░░░░] 25%
        stage 1 of 3
          ✓ auth-001-design    [██████████] 100% (3s)  development
        stage 2 of 3
          ✗ auth-002-backend   blocked  development
          ● auth-003-frontend  handed off to development
        stage 3 of 3
          ○ auth-004-tests     waiting (depends on auth-002-backend, auth-003-frontend)

        reason        implementation worker failed 3 times: exit code 2
        answer        baton retry auth-002-backend
        answer        baton cancel task-1

        goal          People can log in
        ");
    }

    #[test]
    fn a_subtask_shows_its_attempts_and_what_it_delivered() {
        let (_dir, client) = directory();
        let document = json!({"subtask_id": "auth-001-design", "title": "Design the login",
            "status": "completed", "assigned_to": "development", "parent_task_id": "task-1",
            "description": "Decide how people prove who they are.\u{1b}[2J",
            "attempts": [
                {"attempt": 1, "worker_id": "auth-001-design-attempt-1", "outcome": "failed",
                 "reason": "exit code 2", "started_at": "2025-11-05T18:00:00Z"},
                {"attempt": 2, "worker_id": "auth-001-design-attempt-2", "outcome": "completed"}],
            "result": {"kind": "work_order", "summary": "Wrote the work order",
                "deliverables": ["workers/auth-001-design-attempt-2/brief.md"]}});
        write(&client, "orchestrator/subtasks/auth-001-design.json", &document.to_string());
        insta::assert_snapshot!(shown(&client, "auth-001-design"), @r"
        orchestrator/subtasks/auth-001-design.json

        Design the login
        status        completed
        subtask       auth-001-design
        part of       task-1
        given to      development

        Decide how people prove who they are.\u{1b}[2J

        Attempts
        • 1 failed by auth-001-design-attempt-1, since 2025-11-05T18:00:00Z: exit code 2
        • 2 completed by auth-001-design-attempt-2

        Work order
        Wrote the work order
        ✓ workers/auth-001-design-attempt-2/brief.md
        ");
    }

    #[test]
    fn a_worker_shows_the_end_of_its_output() {
        let (_dir, client) = directory();
        let spec = json!({"schema": "baton/worker@1", "worker_id": "w-1", "status": "failed",
            "pid": 7, "resources": {"token_allocation": 20000}});
        write(&client, "worker-specs/failed/w-1.json", &spec.to_string());
        write(&client, "workers/w-1/output.log", "one\ntwo\u{1b}[31m\n");
        insta::assert_snapshot!(shown(&client, "w-1"), @r#"
        worker-specs/failed/w-1.json

        w-1
        worker_id     w-1
        status        failed
        pid           7
        resources     {"token_allocation":20000}

        Output
        one
        two\u{1b}[31m
        "#);
    }

    #[test]
    fn an_unknown_id_names_its_neighbours() {
        let (_dir, client) = directory();
        write(&client, "orchestrator/subtasks/auth-001-design.json", "{}");
        let error = not_found(&client, "auth-001-desing").unwrap();
        assert_eq!(error.hint.as_deref(), Some("did you mean auth-001-design?"));
        assert_eq!(error.exit, Exit::NotFound);
    }
}
