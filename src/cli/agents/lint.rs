//! `baton agents lint`: what is odd about agent files.

use serde::Serialize;

use super::super::Context;
use super::super::output::{CliError, Exit, Page, Tone, View, text};
use super::Known;
use crate::domain::agent::{Oddity, Severity};

#[derive(Debug, Serialize)]
struct Lint<'a> {
    schema: &'static str,
    agents: usize,
    oddities: &'a [Oddity],
}

/// Says what is odd; it fails where an agent cannot be used as it is.
pub(super) fn run(context: &Context, known: &Known) -> Result<Exit, CliError> {
    let oddities = known.registry.oddities.as_slice();
    let agents = known.registry.agents.len();
    context.out.show(&Lint { schema: "baton/agents-lint@1", agents, oddities })?;
    let is_bad = oddities.iter().any(|oddity| oddity.severity == Severity::Error);
    Ok(if is_bad { Exit::Failed } else { Exit::Done })
}

impl View for Lint<'_> {
    fn human(&self, page: &mut Page) {
        let mut path = "";
        for oddity in self.oddities {
            if oddity.path != path {
                path = &oddity.path;
                page.gap();
                page.path(path);
            }
            let (tone, mark) = match oddity.severity {
                Severity::Error => (Tone::Bad, "✗"),
                Severity::Warning => (Tone::Warn, "!"),
                Severity::Note => (Tone::Dim, "•"),
            };
            let line = if oddity.line > 0 { format!("{}: ", oddity.line) } else { String::new() };
            let field =
                if oddity.field.is_empty() { "".into() } else { format!("{}: ", oddity.field) };
            page.point(tone, mark, &format!("{line}{field}{}", oddity.message));
            page.point(Tone::Dim, " →", &oddity.remedy);
        }
        let count =
            |severity| self.oddities.iter().filter(|oddity| oddity.severity == severity).count();
        page.gap();
        page.paragraph(
            0,
            &format!(
                "{}: {}, {}, {}",
                text::count(self.agents, "agent"),
                text::count(count(Severity::Error), "error"),
                text::count(count(Severity::Warning), "warning"),
                text::count(count(Severity::Note), "note"),
            ),
        );
    }
}
