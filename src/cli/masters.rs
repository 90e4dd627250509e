//! `baton masters`: who can be given work, how it is run, and how busy they are.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::Context;
use super::output::{CliError, Exit, Page, Table, Tone, View, plain, span};
use crate::client::Client;
use crate::client::handoffs::HandoffState;
use crate::config::{Config, Overrides};
use crate::domain::Policy;
use crate::domain::worker::Execution;

/// Arguments of `baton masters`.
#[derive(Debug, Args)]
pub(crate) struct MastersArgs {}

/// Who can be given work.
#[derive(Debug, Serialize)]
struct Masters {
    schema: &'static str,
    masters: Vec<Master>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Master {
    name: String,
    /// `external`, or the backend that Baton launches.
    execution: String,
    domains: Vec<String>,
    /// What its successes deliver: work, work_order.
    result_kind: String,
    /// Workers that live.
    active: usize,
    /// Subtasks that may be under way at the same time.
    active_max: usize,
    /// Handoffs that wait to be taken.
    handoffs_waiting: usize,
    /// False for a directory below `masters/` that `baton.toml` does not name.
    configured: bool,
}

impl MastersArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        let env = |name: &str| std::env::var(name).ok();
        let config = Config::load(client.root(), &env, &Overrides::default())?;
        context.out.show(&Masters::of(&client, &config.policy)?)?;
        Ok(Exit::Done)
    }
}

impl Masters {
    fn of(client: &Client, policy: &Policy) -> Result<Self, CliError> {
        let mut masters: BTreeMap<String, Master> = policy
            .masters
            .iter()
            .map(|(name, master)| {
                let execution = match &master.execution {
                    Execution::External => "external".to_owned(),
                    Execution::Launched { backend } => backend.clone(),
                };
                let master = Master {
                    name: name.to_string(),
                    execution,
                    domains: master.domains.clone(),
                    result_kind: master.result_kind.as_str().to_owned(),
                    active_max: master.attempts_active_max,
                    configured: true,
                    ..Master::default()
                };
                (name.to_string(), master)
            })
            .collect();
        for file in client.handoff_files()? {
            if file.state == HandoffState::Waiting {
                known(&mut masters, &file.master).handoffs_waiting += 1;
            }
        }
        for worker in client.workers()?.iter().filter(|worker| !worker.parent_master.is_empty()) {
            known(&mut masters, &worker.parent_master).active += 1;
        }
        Ok(Self { schema: "baton/masters@1", masters: masters.into_values().collect() })
    }
}

fn known<'a>(masters: &'a mut BTreeMap<String, Master>, name: &str) -> &'a mut Master {
    masters
        .entry(name.to_owned())
        .or_insert_with(|| Master { name: name.to_owned(), ..Master::default() })
}

impl View for Masters {
    fn human(&self, page: &mut Page) {
        let mut table = Table::new(&["MASTER", "RUN BY", "ACTIVE", "WAITING", "DOMAINS"], 4);
        for master in &self.masters {
            let busy = if master.active > 0 { Tone::Busy } else { Tone::Dim };
            let waiting = if master.handoffs_waiting > 0 { Tone::Warn } else { Tone::Dim };
            let execution = if master.configured {
                plain(&master.execution)
            } else {
                span(Tone::Warn, "nobody (not in baton.toml)")
            };
            table.row(vec![
                plain(&master.name),
                execution,
                span(busy, format!("{} of {}", master.active, master.active_max)),
                span(waiting, master.handoffs_waiting.to_string()),
                span(Tone::Dim, master.domains.join(", ")),
            ]);
        }
        table.print(page);
        if self.masters.iter().any(|master| master.result_kind == "work_order") {
            page.gap();
            page.paragraph(0, "A master run by `brief` writes work orders, not the work itself.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::seen;
    use super::*;
    use crate::client::tests::{directory, write};

    #[test]
    fn masters_show_how_they_are_run_and_how_busy_they_are() {
        let (_dir, client) = directory();
        write(&client, "masters/security/handoffs/to-security-subtask-a-1-x.json", "{}");
        write(&client, "masters/stranger/handoffs/to-stranger-subtask-a-2-x.json", "{}");
        let spec = r#"{"worker_id": "a-3-x-attempt-1", "parent_master": "development"}"#;
        write(&client, "worker-specs/active/a-3-x-attempt-1.json", spec);
        write(&client, "worker-specs/active/broken.json", "{");
        let masters = Masters::of(&client, &Policy::default()).unwrap();
        insta::assert_snapshot!(seen(&masters), @r"
        MASTER       RUN BY                      ACTIVE    WAITING  DOMAINS
        cicd         external                    0 of 256  0        cicd
        development  external                    1 of 256  0        development, docs,…
        inventory    external                    0 of 256  0        inventory
        security     external                    0 of 256  1        security
        stranger     nobody (not in baton.toml)  0 of 0    1
        ");
    }
}
