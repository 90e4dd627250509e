//! `baton agents list` and `baton agents show`.

use serde::Serialize;

use super::super::Context;
use super::super::output::{CliError, Exit, Page, Table, Tone, View, plain, span, text};
use super::Known;
use crate::domain::agent::{Agent, Severity};
use crate::domain::validate::suggest::did_you_mean;

#[derive(Debug, Serialize)]
struct List<'a> {
    schema: &'static str,
    agents: &'a [Agent],
    /// How many oddities `baton agents lint` tells of.
    oddities: usize,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    schema: &'static str,
    #[serde(flatten)]
    agent: &'a Agent,
    /// What it is told before it begins.
    body: &'a str,
}

pub(super) fn list(context: &Context, known: &Known) -> Result<Exit, CliError> {
    let worth_telling =
        known.registry.oddities.iter().filter(|oddity| oddity.severity != Severity::Note);
    let oddities = worth_telling.count();
    let agents = &known.registry.agents;
    context.out.show(&List { schema: "baton/agents@1", agents, oddities })?;
    Ok(Exit::Done)
}

pub(super) fn show(context: &Context, known: &Known, wanted: &str) -> Result<Exit, CliError> {
    let Some(agent) = known.registry.find(wanted) else {
        let names = known.registry.agents.iter().map(|agent| agent.name.as_str());
        let message = format!("there is no agent {wanted:?}{}", did_you_mean(wanted, names));
        return Err(CliError::new(Exit::NotFound, message).hint("`baton agents list` names them"));
    };
    context.out.show(&Shown { schema: "baton/agent@1", agent, body: &agent.body })?;
    Ok(Exit::Done)
}

impl View for List<'_> {
    fn human(&self, page: &mut Page) {
        if self.agents.is_empty() {
            page.paragraph(0, "No agent is known.");
            return;
        }
        let mut table = Table::new(&["AGENT", "FROM", "MODEL", "DESCRIPTION"], 3);
        for agent in self.agents {
            let description = agent.description.split_whitespace().collect::<Vec<_>>().join(" ");
            table.row(vec![
                plain(&agent.name),
                span(Tone::Dim, agent.source.as_str()),
                span(Tone::Dim, agent.model.as_deref().unwrap_or_default()),
                plain(&description),
            ]);
        }
        table.print(page);
        if self.oddities > 0 {
            page.gap();
            let count = text::count(self.oddities, "oddity").replace("odditys", "oddities");
            page.point(Tone::Warn, "!", &format!("{count}: `baton agents lint` tells them"));
        }
    }
}

impl View for Shown<'_> {
    fn human(&self, page: &mut Page) {
        let agent = self.agent;
        page.line(&[span(Tone::Strong, &agent.name)]);
        page.paragraph(0, &agent.description);
        page.gap();
        page.field("id", &agent.id);
        page.field("from", agent.source.as_str());
        let lists = [
            ("category", agent.category.clone()),
            ("domains", agent.domains.join(", ")),
            ("keywords", agent.keywords.join(", ")),
            ("tools", agent.tools.join(", ")),
            ("model", agent.model.clone().unwrap_or_default()),
            ("command", agent.command.clone().unwrap_or_default()),
        ];
        for (name, value) in lists.iter().filter(|(_, value)| !value.is_empty()) {
            page.field(name, value);
        }
        for (name, value) in &agent.other {
            page.field(name, value);
        }
        if !agent.path.is_empty() {
            page.path(&agent.path);
        }
        for copy in &agent.copies {
            page.field("copy", copy);
        }
        if !self.body.is_empty() {
            page.heading("What it is told");
            page.verbatim(self.body);
        }
    }
}
