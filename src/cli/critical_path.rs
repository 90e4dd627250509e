//! `baton critical-path`: the chain of subtasks that a run cannot be faster than (S1-05).

use clap::Args;
use serde::Serialize;

use super::Context;
use super::output::{CliError, Exit, Page, Tone, View, plain, span, text};
use super::show::not_found;
use crate::client::documents::PlanDocument;
use crate::domain::ids::OrchestrationId;

/// Arguments of `baton critical-path`.
#[derive(Debug, Args)]
pub(crate) struct CriticalPathArgs {
    /// A task or an orchestration
    #[arg(value_name = "ID")]
    id: String,
}

/// The chain, in order.
#[derive(Debug, Serialize)]
struct CriticalPath {
    schema: &'static str,
    orchestration_id: String,
    /// Minutes of all of it, at most.
    minutes: u64,
    /// Those of it that are not done yet.
    minutes_left: u64,
    steps: Vec<Link>,
}

/// One subtask of the chain.
#[derive(Debug, Serialize)]
struct Link {
    subtask_id: String,
    title: String,
    status: String,
    minutes: u64,
}

impl CriticalPathArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        let id = self.id.strip_prefix("orch-").unwrap_or(&self.id);
        let plan = match OrchestrationId::parse(&format!("orch-{id}")) {
            Ok(id) => client.plan(&id)?,
            Err(_) => None,
        };
        let Some(plan) = plan else { return Err(not_found(&client, &self.id)?) };
        context.out.show(&CriticalPath::of(&plan))?;
        Ok(Exit::Done)
    }
}

impl CriticalPath {
    fn of(plan: &PlanDocument) -> Self {
        let link = |id: &String| {
            let subtask = plan.subtasks.iter().find(|subtask| subtask.subtask_id == *id)?;
            Some(Link {
                subtask_id: id.clone(),
                title: subtask.title.clone(),
                status: subtask.status.clone(),
                minutes: subtask.estimated_duration_minutes,
            })
        };
        let steps: Vec<Link> =
            plan.resource_estimate.critical_path.iter().filter_map(link).collect();
        let is_open = |step: &&Link| !matches!(step.status.as_str(), "completed" | "skipped");
        Self {
            schema: "baton/critical-path@1",
            orchestration_id: plan.orchestration_id.clone(),
            minutes: steps.iter().map(|step| step.minutes).sum(),
            minutes_left: steps.iter().filter(is_open).map(|step| step.minutes).sum(),
            steps,
        }
    }
}

impl View for CriticalPath {
    fn human(&self, page: &mut Page) {
        if self.steps.is_empty() {
            page.paragraph(0, "no subtask waits for another: all can begin at once");
            return;
        }
        let columns = self.steps.iter().map(|step| text::columns(&step.subtask_id)).max();
        let columns = columns.unwrap_or(0);
        for step in &self.steps {
            let tone = Tone::of_status(&step.status);
            page.line(&[
                span(tone, format!("{} ", tone.mark())),
                plain(format!("{:columns$}  ", step.subtask_id)),
                span(Tone::Dim, format!("{:>3} min  {}", step.minutes, step.title)),
            ]);
        }
        page.gap();
        page.field("minutes", &format!("{}, {} of them left", self.minutes, self.minutes_left));
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::seen;
    use super::*;
    use crate::client::documents::{EstimateDocument, SubtaskDocument};

    #[test]
    fn the_chain_is_told_with_what_is_left_of_it() {
        let step = |id: &str, status: &str| SubtaskDocument {
            subtask_id: id.into(),
            title: format!("Do {id}"),
            status: status.into(),
            estimated_duration_minutes: 15,
            ..SubtaskDocument::default()
        };
        let plan = PlanDocument {
            subtasks: vec![step("a", "completed"), step("b", "active"), step("beside", "pending")],
            resource_estimate: EstimateDocument {
                critical_path: vec!["a".into(), "b".into()],
                ..EstimateDocument::default()
            },
            ..PlanDocument::default()
        };
        insta::assert_snapshot!(seen(&CriticalPath::of(&plan)), @r"
        ✓ a   15 min  Do a
        ● b   15 min  Do b

        minutes       30, 15 of them left
        ");
        let flat = PlanDocument::default();
        assert!(seen(&CriticalPath::of(&flat)).contains("all can begin at once"));
    }
}
