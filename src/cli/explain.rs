//! `baton explain`: every decision about an id, and why it was made.

use clap::Args;
use serde::Serialize;

use super::Context;
use super::output::{CliError, Exit, Page, Tone, View, design, plain, span, text};
use super::show::not_found;
use crate::client::explain::Decision;
use crate::domain::Timestamp;
use crate::domain::evidence::Evidence;
use crate::domain::ids::OrchestrationId;
use crate::domain::plan::anatomy::Anatomy;

/// Arguments of `baton explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A task, orchestration, subtask, attempt or worker
    #[arg(value_name = "ID")]
    id: String,
}

/// Every decision about an id.
#[derive(Debug, Serialize)]
struct Explained {
    schema: &'static str,
    id: String,
    decisions: Vec<Decision>,
    /// What was found out about the request and its graph, where the id is that of a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    analysis: Option<Anatomy>,
}

/// How far what belongs to a decision is moved in.
const INDENT: usize = 10;

impl ExplainArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        let decisions = client.explain(&self.id)?;
        if decisions.is_empty() {
            return Err(not_found(&client, &self.id)?);
        }
        let id = self.id.clone();
        let task = id.strip_prefix("orch-").unwrap_or(&id);
        let analysis = match OrchestrationId::parse(&format!("orch-{task}")) {
            Ok(run) => client.plan(&run)?.map(|plan| plan.anatomy()),
            Err(_) => None,
        };
        context.out.show(&Explained { schema: "baton/explain@1", id, decisions, analysis })?;
        Ok(Exit::Done)
    }
}

impl View for Explained {
    fn human(&self, page: &mut Page) {
        if let Some(anatomy) = &self.analysis {
            design::analysis(page, anatomy);
        }
        let mut day = String::new();
        page.name_columns(INDENT + 12);
        for decision in &self.decisions {
            let at = Timestamp::from_ms(decision.at.as_ms().div_euclid(1000) * 1000).to_string();
            let (date, time) = at.trim_end_matches('Z').split_once('T').unwrap_or((&at, ""));
            if day != date {
                date.clone_into(&mut day);
                page.heading(date);
            }
            head(page, decision, time);
            for why in &decision.why {
                field(page, "because", &why.rule);
                field(page, "evidence", &why.evidence);
                if !why.alternatives.is_empty() {
                    field(page, "instead", &why.alternatives.join(", "));
                }
            }
            if let Some(evidence) = &decision.evidence {
                field(page, "signs", &signs(evidence));
            }
        }
    }
}

/// Adds the sentence of a decision, wrapped beneath itself.
fn head(page: &mut Page, decision: &Decision, time: &str) {
    let subject =
        if decision.subject.is_empty() { String::new() } else { format!("{}: ", decision.subject) };
    let what = text::clean(&format!("{subject}{}", decision.what));
    let room = page.width().saturating_sub(INDENT).max(20);
    for (position, line) in text::wrap(&what, room).iter().enumerate() {
        let time = if position == 0 { time } else { "" };
        page.line(&[span(Tone::Dim, format!("{time:<INDENT$}")), plain(line)]);
    }
}

fn field(page: &mut Page, name: &str, value: &str) {
    if !value.trim().is_empty() {
        page.field(&format!("{:INDENT$}{name}", ""), &text::clean(value));
    }
}

/// Says what was seen of a worker, and when last.
fn signs(evidence: &Evidence) -> String {
    let process = serde_json::to_value(evidence.process).ok();
    let process = process.as_ref().and_then(|word| word.as_str()).unwrap_or("?");
    let seen = evidence.signs.iter().map(|seen| {
        let ago = text::duration(seen.ago_ms / 1_000);
        let what = if seen.what.is_empty() { String::new() } else { format!(" ({})", seen.what) };
        format!("{} {ago} ago{what}", seen.sign.as_str())
    });
    let watched = format!("watched for {}", text::duration(evidence.watched_ms / 1_000));
    let claimed = evidence.claimed_heartbeat.iter().map(|at| format!("it says it beat at {at}"));
    let process = std::iter::once(format!("process {process}"));
    process.chain(seen).chain([watched]).chain(claimed).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::seen;
    use super::*;
    use crate::domain::evidence::{ProcessState, Seen, Sign};
    use crate::domain::plan::Why;

    fn decision(at: &str, subject: &str, what: &str) -> Decision {
        Decision {
            seq: 1,
            at: Timestamp::parse(at).unwrap(),
            kind: "recovery_decided",
            subject: subject.into(),
            what: what.into(),
            why: Vec::new(),
            evidence: None,
        }
    }

    #[test]
    fn every_decision_says_why_and_what_else_was_possible() {
        let stalled = Evidence {
            process: ProcessState::Running,
            signs: vec![Seen { sign: Sign::Output, ago_ms: 1_201_000, what: "412 bytes".into() }],
            watched_ms: 1_300_000,
            claimed_heartbeat: None,
            verdict: "no progress for 20 minutes".into(),
        };
        let decisions = vec![
            decision("2025-11-05T18:00:00.200Z", "", "split into 5 subtasks in 3 stages"),
            Decision {
                evidence: Some(stalled),
                ..decision("2025-11-05T18:21:01Z", "auth-001-design", "worker is stalled")
            },
            Decision {
                why: vec![Why {
                    rule: "failure 1 of 3 allowed".into(),
                    evidence: "it made no progress\u{1b}[2J".into(),
                    alternatives: vec!["fallback".into(), "escalate".into()],
                }],
                ..decision("2025-11-06T00:00:01Z", "auth-001-design", "recovery: retry")
            },
        ];
        let explained =
            Explained { schema: "baton/explain@1", id: "auth".into(), decisions, analysis: None };
        insta::assert_snapshot!(seen(&explained), @r"
        2025-11-05
        18:00:00  split into 5 subtasks in 3 stages
        18:21:01  auth-001-design: worker is stalled
                  signs       process running, output 20m 01s ago (412 bytes), watched
                              for 21m 40s

        2025-11-06
        00:00:01  auth-001-design: recovery: retry
                  because     failure 1 of 3 allowed
                  evidence    it made no progress\u{1b}[2J
                  instead     fallback, escalate
        ");
    }
}
