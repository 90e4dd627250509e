//! `baton plan`: what would become of a request, with every rule that fired; nothing is written.

use clap::Args;

use super::Context;
use super::output::{CliError, Exit, Page, Tone, View, plain, span, text, tree};
use super::submit::RequestArgs;
use crate::client::Client;
use crate::client::preview::{Preview, Verdict, preview};
use crate::config::{Config, Overrides};
use crate::domain::plan::{Explanation, Plan};

/// Arguments of `baton plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    request: RequestArgs,
}

impl PlanArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let request = self.request.read()?;
        let client = Client::open(&context.directory()?).ok();
        let env = |name: &str| std::env::var(name).ok();
        let policy = match &client {
            Some(client) => Config::load(client.root(), &env, &Overrides::default())?.policy,
            None => crate::domain::Policy::default(),
        };
        let preview = preview(&request, &policy, client.as_ref());
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
            Verdict::Refuse { reason, remedy } => {
                page.point(Tone::Bad, "refused:", reason);
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
