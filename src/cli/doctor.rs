//! `baton doctor`: what is wrong with this directory, and what to do about it.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::Context;
use super::output::{CliError, Exit, Page, Tone, View, plain, span, text};
use crate::client::checkup::{Finding, Level, examine};
use crate::client::outside::lacks;
use crate::config::{Config, ConfigSource, Overrides};

/// Arguments of `baton doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {}

/// Everything that was looked at, the worst first.
#[derive(Debug, Serialize)]
struct Checkup {
    schema: &'static str,
    coordination: PathBuf,
    wrong: usize,
    findings: Vec<Finding>,
}

impl DoctorArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        let env = |name: &str| std::env::var(name).ok();
        let config = Config::load(client.root(), &env, &Overrides::default());
        let mut findings = examine(&client, config.as_ref().ok().map(|config| &config.policy));
        findings.extend(config.iter().flat_map(planners));
        findings.push(settings(config));
        findings.sort_by_key(|finding| finding.level);
        let checkup = Checkup::new(client.root().to_path_buf(), findings);
        context.out.show(&checkup)?;
        Ok(if checkup.wrong == 0 { Exit::Done } else { Exit::Failed })
    }
}

/// Says which planners outside can be asked. What the daemon is to ask is wrong if it cannot be.
fn planners(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "planner";
    let finding = |name: &String| {
        let is_used = config.planner == *name;
        match config.planners.get(name).and_then(lacks) {
            Some([problem, remedy]) if is_used => {
                let message = format!(
                    "{name} cannot be asked: {problem}; the embedded planner plans instead"
                );
                Finding::wrong(CHECK, message, remedy)
            }
            Some([problem, remedy]) => {
                Finding::note(CHECK, format!("{name} cannot be asked: {problem}")).remedy(remedy)
            }
            None => {
                let use_of_it =
                    if is_used { "is asked for plans" } else { "can be asked for plans" };
                Finding::good(CHECK, format!("{name} {use_of_it}"))
            }
        }
    };
    config.planners.keys().map(finding).collect()
}

fn settings(config: Result<Config, crate::config::ConfigError>) -> Finding {
    const CHECK: &str = "settings";
    match config {
        Ok(config) => {
            let masters = text::count(config.policy.masters.len(), "master");
            match config.source {
                ConfigSource::File(_) => {
                    Finding::good(CHECK, format!("baton.toml names {masters}"))
                }
                ConfigSource::Defaults => {
                    Finding::note(CHECK, "there is no baton.toml: every master is external")
                        .remedy("`baton init` writes one")
                }
            }
        }
        Err(error) => Finding::wrong(
            CHECK,
            super::output::failure::chain(&error),
            "correct it; README.md beside it explains every key",
        ),
    }
}

impl Checkup {
    fn new(coordination: PathBuf, findings: Vec<Finding>) -> Self {
        let wrong = findings.iter().filter(|f| f.level == Level::Wrong).count();
        Self { schema: "baton/checkup@1", coordination, wrong, findings }
    }
}

impl View for Checkup {
    fn human(&self, page: &mut Page) {
        page.line(&[span(Tone::Dim, "coordination  "), plain(self.coordination.to_string_lossy())]);
        page.gap();
        for finding in &self.findings {
            let (tone, mark) = match finding.level {
                Level::Wrong => (Tone::Bad, "✗"),
                Level::Note => (Tone::Warn, "–"),
                Level::Good => (Tone::Good, "✓"),
            };
            page.point(tone, mark, &format!("{}: {}", finding.check, finding.message));
            if let Some(remedy) = &finding.remedy {
                page.point(Tone::Busy, "    →", remedy);
            }
        }
        page.gap();
        match self.wrong {
            0 => page.line(&[span(Tone::Good, "nothing is wrong")]),
            wrong => {
                let things = text::count(wrong, "thing");
                let verb = if wrong == 1 { "is" } else { "are" };
                page.line(&[span(Tone::Bad, format!("{things} {verb} wrong"))]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::seen;
    use super::*;

    #[test]
    fn findings_come_with_their_remedies() {
        let checkup = Checkup::new(
            "/home/coordination".into(),
            vec![
                Finding::wrong(
                    "specs",
                    "11 of 20 active worker specs cannot be used: a.json (line 3 column 20: expected \
                     a value), b.json and 9 more",
                    "correct or remove them in worker-specs/active/; everything else goes on",
                ),
                Finding::note("daemon", "no daemon is running here").remedy("`baton daemon`"),
                Finding::good("journal", "12 decisions up to event 40 are readable"),
            ],
        );
        insta::assert_snapshot!(seen(&checkup), @r"
        coordination  /home/coordination

        ✗ specs: 11 of 20 active worker specs cannot be used: a.json (line 3 column 20:
          expected a value), b.json and 9 more
            → correct or remove them in worker-specs/active/; everything else goes on
        – daemon: no daemon is running here
            → `baton daemon`
        ✓ journal: 12 decisions up to event 40 are readable

        1 thing is wrong
        ");
    }
}
