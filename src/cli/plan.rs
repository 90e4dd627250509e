//! `baton plan`: what would become of a request, with every rule that fired; nothing is written.

mod batch;
mod steps;

use std::path::PathBuf;

use clap::Args;

use super::Context;
use super::agents::RegistryArgs;
use super::output::{CliError, Exit, Page, Tone, View, design, plain, span, text};
use super::submit::RequestArgs;
use crate::client::documents::EstimateDocument;
use crate::client::preview::{Preview, Verdict, preview};
use crate::domain::plan::anatomy::Anatomy;
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
                steps::print(page, &self.title, plan);
                details(page, plan, self.analysis.as_ref());
            }
            Verdict::Route { plan } => {
                page.line(&[span(Tone::Strong, &self.title)]);
                if let Some(subtask) = plan.subtasks.first() {
                    page.field("goes to", &format!("{}, whole", subtask.assigned_to));
                }
                details(page, plan, self.analysis.as_ref());
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

fn details(page: &mut Page, plan: &Plan, anatomy: Option<&Anatomy>) {
    page.gap();
    if let Some(anatomy) = anatomy {
        let complexity = plan.complexity.as_str();
        design::routing(page, anatomy, complexity, plan.workflow.as_str(), plan.confidence);
    }
    let widest = plan.stages.iter().map(Vec::len).max().unwrap_or(0);
    design::figures(page, &EstimateDocument::from(&plan.estimate), widest);
    for constraint in &plan.constraints {
        page.field("constraint", constraint);
    }
    if let Some(anatomy) = anatomy {
        design::outline(page, anatomy);
        design::analysis(page, anatomy);
    }
    explanation(page, &plan.explanation);
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

#[cfg(test)]
mod tests {
    use super::super::output::tests::seen;
    use super::*;
    use crate::client::agents::Surroundings;
    use crate::client::request::{Request, Wishes};
    use crate::domain::Policy;

    fn shown(text: &str) -> String {
        let request = Request::read(&[text.to_owned()], &mut &b""[..], &Wishes::default()).unwrap();
        let here = Surroundings::default();
        seen(&preview(&request, &Policy::default(), &here, None, None).unwrap())
    }

    #[test]
    fn a_plan_fits_eighty_columns_and_says_what_each_step_takes() {
        let text = shown(
            "Create a clinic system from scratch: patients, calendars, prescriptions, billing, \
             messaging with the families of the patients and reports",
        );
        for part in [
            "inferred: 10-15 min, 5000 tokens that cost as 25000, strong model: it",
            "◆ on the critical path",
            "workflow      decompose_first: architect → planner → builder",
            "parallel      yes, 6 side by side at most",
            "1 epic, 8 stories, 8 tasks, 8 subtasks",
            "% less than a strong",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_goes_whole_says_to_whom_and_for_whom_it_is() {
        let text = shown("Run the test suite");
        assert!(text.contains("goes to       development, whole"), "{text}");
        assert!(text.contains("suited        test: there is nothing to coordinate"), "{text}");
    }
}
