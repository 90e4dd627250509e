//! `baton plan`: what would become of a request, with every rule that fired; nothing is written.

mod batch;

use std::path::PathBuf;

use clap::Args;

use super::Context;
use super::agents::RegistryArgs;
use super::output::{CliError, Exit, Page, Tone, View, plain, span, text, tree};
use super::submit::RequestArgs;
use crate::client::preview::{Preview, Verdict, preview};
use crate::domain::plan::{Explanation, Plan};

/// Arguments of `baton plan`.
#[derive(Debug, Args)]
#[command(mut_arg("request", |arg| arg.required(false).required_unless_present("batch")))]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    request: RequestArgs,
    /// Plan many requests, one JSON object a line ({"id", "text"}), and answer with one line each
    #[arg(long, value_name = "FILE|-", conflicts_with_all = ["request", "title", "priority", "kind", "master"])]
    batch: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Let this planner draft: rules, or a name of [planners.NAME] in baton.toml
    /// [default: the setting `planner`, as the daemon does]
    #[arg(long, value_name = "NAME")]
    planner: Option<String>,
}

impl PlanArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        if let Some(file) = &self.batch {
            return batch::run(context, file, &self.registry, self.planner.as_deref());
        }
        let request = self.request.read()?;
        let known = self.registry.known(context)?;
        let outside = known.outside(self.planner.as_deref())?;
        if let Some(outside) = &outside {
            context.out.note(&format!("asking {}, which may take a while", outside.name()));
        }
        let (surroundings, outside) = (known.surroundings(), outside.as_ref());
        let preview = preview(&request, &known.policy, &surroundings, outside, known.client())?;
        context.out.show(&preview)?;
        Ok(match preview.verdict {
            Verdict::Plan { .. } | Verdict::Route { .. } => Exit::Done,
            Verdict::Refuse { .. } | Verdict::Invalid { .. } => Exit::BadInput,
        })
    }
}

impl View for Preview {
    fn human(&self, page: &mut Page) {
        match &self.verdict {
            Verdict::Plan { plan } => {
                if let Some(progress) = self.progress() {
                    tree::print_plan(page, &progress);
                }
                estimate(page, plan);
                explanation(page, &plan.explanation);
            }
            Verdict::Route { plan } => {
                page.line(&[span(Tone::Strong, &self.title)]);
                if let Some(subtask) = plan.subtasks.first() {
                    page.field("goes to", &format!("{}, whole", subtask.assigned_to));
                }
                estimate(page, plan);
                explanation(page, &plan.explanation);
            }
            Verdict::Refuse { reason, remedy, question } => {
                page.point(Tone::Bad, "refused:", reason);
                if let Some(question) = question {
                    page.point(Tone::Strong, "question:", question);
                }
                page.point(Tone::Busy, "     →", remedy);
            }
            Verdict::Invalid { errors, explanation: why } => {
                let count = text::count(errors.len(), "error");
                page.line(&[span(Tone::Bad, format!("this is no plan: {count}"))]);
                for error in errors {
                    let at = error.subtask.as_deref().map(|id| format!("{id}: "));
                    let at = at.unwrap_or_default();
                    page.point(Tone::Bad, "✗", &format!("{at}{}: {}", error.field, error.message));
                    page.point(Tone::Busy, "    →", &error.remedy);
                }
                explanation(page, why);
            }
        }
    }
}

fn estimate(page: &mut Page, plan: &Plan) {
    let estimate = &plan.estimate;
    page.gap();
    page.field("duration", &estimate.duration_estimate);
    page.field("tokens", &estimate.token_estimate.to_string());
    let masters: Vec<&str> = estimate.masters.iter().map(|master| master.as_str()).collect();
    let workers = text::count(estimate.workers, "worker");
    page.field("agents", &format!("{workers} for {}", masters.join(", ")));
    let unmixed = plan.subtasks.iter().all(|s| s.nature.model == Default::default());
    if !unmixed {
        page.field(
            "cost",
            &format!(
                "as of {} tokens of a standard model, {} % less than a strong one for all",
                estimate.cost_tokens, estimate.saving_percent
            ),
        );
    }
    if !estimate.critical_path.is_empty() {
        let names: Vec<&str> = estimate.critical_path.iter().map(|id| id.as_str()).collect();
        page.field("critical path", &names.join(" → "));
    }
    for bottleneck in &estimate.bottlenecks {
        page.field("bottleneck", bottleneck);
    }
    for constraint in &plan.constraints {
        page.field("constraint", constraint);
    }
}

fn explanation(page: &mut Page, explanation: &Explanation) {
    page.heading("Why");
    if !explanation.verdict.is_empty() {
        page.paragraph(0, &explanation.verdict);
    }
    for why in &explanation.reasons {
        let evidence = if why.evidence.is_empty() { String::new() } else { ": ".to_owned() };
        page.point(Tone::Dim, "•", &format!("{}{evidence}{}", why.rule, why.evidence));
    }
    for warning in &explanation.warnings {
        page.point(Tone::Warn, "!", warning);
    }
    if !explanation.thresholds.is_empty() {
        let limits: Vec<String> =
            explanation.thresholds.iter().map(|(name, limit)| format!("{name} {limit}")).collect();
        page.field("limits", &limits.join(", "));
    }
    if !explanation.planner.is_empty() {
        page.line(&[span(Tone::Dim, format!("{:<14}", "planner")), plain(&explanation.planner)]);
    }
}
