//! `baton handoff`: what waits for masters elsewhere, and taking it.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::operate::{Wish, operate};
use super::output::{CliError, Exit, Page, Table, Tone, View, plain, span};
use crate::client::Client;
use crate::client::documents::HandoffDocument;
use crate::client::handoffs::{HandoffFile, HandoffState, Take};
use crate::domain::ids::AgentName;

/// Arguments of `baton handoff`.
#[derive(Debug, Args)]
pub(crate) struct HandoffArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what waits to be taken
    List {
        /// Only for this master
        #[arg(long, value_parser = AgentName::parse)]
        master: Option<AgentName>,
        /// Taken and withdrawn ones too
        #[arg(long)]
        all: bool,
    },
    /// Show one
    Show {
        /// A handoff or its subtask
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Take one, so that nobody else does, and print it
    Take {
        /// A handoff or its subtask [default: the most urgent one of --master]
        #[arg(value_name = "ID", required_unless_present = "master")]
        id: Option<String>,
        /// Only for this master
        #[arg(long, value_parser = AgentName::parse)]
        master: Option<AgentName>,
    },
    /// Have Baton take one back that nobody has taken; its run pauses
    Withdraw {
        /// A handoff or its subtask
        #[arg(value_name = "ID")]
        id: String,
        /// Seconds to wait for the answer; 0 does not wait
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        timeout: u64,
    },
}

impl HandoffArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        match &self.action {
            Action::List { master, all } => {
                context.out.show(&Listing::of(&client, master.as_ref(), *all)?)?;
                Ok(Exit::Done)
            }
            Action::Show { id } => {
                let file = find(&client, id)?;
                context.out.show(&Shown::of(&client, &file.path, file.state.as_str())?)?;
                Ok(Exit::Done)
            }
            Action::Take { id, master } => {
                let path = match id {
                    Some(id) => take_named(&client, id)?,
                    None => take_next(&client, master.as_ref())?,
                };
                context.out.show(&Shown::of(&client, &path, "taken")?)?;
                Ok(Exit::Done)
            }
            Action::Withdraw { id, timeout } => {
                let file = find(&client, id)?;
                let wish = Wish { verb: "withdraw", target: &file.name, args: &[] };
                operate(context, &client, &wish, *timeout)
            }
        }
    }
}

/// Finds the handoff that is meant; of several attempts the one that waits, else the newest.
fn find(client: &Client, id: &str) -> Result<HandoffFile, CliError> {
    let mut meant: Vec<HandoffFile> =
        client.handoff_files()?.into_iter().filter(|file| file.is_meant_by(id)).collect();
    meant.sort_by_key(|file| (file.state == HandoffState::Waiting, file.name.clone()));
    match meant.pop() {
        Some(file) => Ok(file),
        None => Err(super::show::not_found(client, id)?),
    }
}

fn take_named(client: &Client, id: &str) -> Result<String, CliError> {
    let file = find(client, id)?;
    match file.state {
        HandoffState::Waiting => match client.take(&file)? {
            Take::Taken { path } => Ok(path),
            Take::Gone => Err(taken(&file.name)),
        },
        HandoffState::Taken => Err(taken(&file.name)),
        HandoffState::Withdrawn => {
            Err(CliError::new(Exit::NotFound, format!("{} was withdrawn", file.name))
                .hint("`baton handoff list` shows what waits"))
        }
    }
}

fn taken(name: &str) -> CliError {
    CliError::new(Exit::Busy, format!("somebody else has {name} already"))
        .hint("`baton handoff list` shows what waits")
}

/// Takes the most urgent handoff of a master; who is slower takes the next.
fn take_next(client: &Client, master: Option<&AgentName>) -> Result<String, CliError> {
    for entry in Listing::of(client, master, false)?.handoffs {
        if entry.problem.is_some() {
            continue;
        }
        if let Take::Taken { path } = client.take(&entry.file)? {
            return Ok(path);
        }
    }
    let whom = master.map(|master| format!(" for {master}")).unwrap_or_default();
    Err(CliError::new(Exit::NotFound, format!("no handoff waits{whom}"))
        .hint("`baton status` says what is under way"))
}

/// Handoffs, the most urgent first.
#[derive(Debug, Serialize)]
struct Listing {
    schema: &'static str,
    handoffs: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    #[serde(flatten)]
    file: HandoffFile,
    priority: String,
    subtask_id: String,
    attempt: u64,
    title: String,
    /// Set when the file cannot be read.
    problem: Option<String>,
}

impl Listing {
    fn of(client: &Client, master: Option<&AgentName>, all: bool) -> Result<Self, CliError> {
        let is_wanted = |file: &HandoffFile| {
            (all || file.state == HandoffState::Waiting)
                && master.is_none_or(|master| file.master == master.as_str())
        };
        let mut handoffs = Vec::new();
        for file in client.handoff_files()?.into_iter().filter(is_wanted) {
            handoffs.extend(Entry::of(client, file, all));
        }
        handoffs.sort_by_key(|entry| {
            let urgency = ["critical", "high", "medium", "low"];
            let urgency = urgency.iter().position(|word| *word == entry.priority);
            (entry.file.state != HandoffState::Waiting, urgency.unwrap_or(usize::MAX))
        });
        Ok(Self { schema: "baton/handoffs@1", handoffs })
    }
}

impl Entry {
    /// Reads one entry; `None` when it is gone, or was marked as taken from within.
    fn of(client: &Client, mut file: HandoffFile, all: bool) -> Option<Self> {
        let (document, problem) = match client.handoff(&file) {
            Ok(Some(document)) => (document, None),
            Ok(None) => return None,
            Err(error) => (HandoffDocument::default(), Some(error.to_string())),
        };
        if document.status.as_deref() == Some("processed") && file.state == HandoffState::Waiting {
            file.state = HandoffState::Taken;
            if !all {
                return None;
            }
        }
        Some(Self {
            file,
            priority: document.priority,
            subtask_id: document.subtask_id,
            attempt: document.attempt,
            title: document.subtask.title,
            problem,
        })
    }
}

impl View for Listing {
    fn human(&self, page: &mut Page) {
        if self.handoffs.is_empty() {
            page.line(&[span(Tone::Dim, "no handoff waits")]);
            return;
        }
        let heads = ["SUBTASK", "TRY", "MASTER", "PRIORITY", "STATE", "TITLE"];
        let mut table = Table::new(&heads, 5);
        for entry in &self.handoffs {
            let (title, tone) = match &entry.problem {
                Some(problem) => (problem.as_str(), Tone::Bad),
                None => (entry.title.as_str(), Tone::Plain),
            };
            let state = match entry.file.state {
                HandoffState::Waiting => Tone::Busy,
                HandoffState::Taken | HandoffState::Withdrawn => Tone::Dim,
            };
            let is_named = !entry.subtask_id.is_empty();
            table.row(vec![
                plain(if is_named { &entry.subtask_id } else { &entry.file.name }),
                plain(if is_named { entry.attempt.to_string() } else { String::new() }),
                plain(&entry.file.master),
                plain(&entry.priority),
                span(state, entry.file.state.as_str()),
                span(tone, title),
            ]);
        }
        table.print(page);
    }
}

/// One handoff: the document for programs, what a worker needs for people.
#[derive(Debug, Serialize)]
struct Shown {
    schema: &'static str,
    path: String,
    state: &'static str,
    /// Where its report goes, absolute.
    report: String,
    document: Value,
}

impl Shown {
    fn of(client: &Client, path: &str, state: &'static str) -> Result<Self, CliError> {
        let document = client.value(path)?.ok_or_else(|| taken(path))?;
        let absolute = |path: &str| client.root().join(path).to_string_lossy().into_owned();
        let report = document.get("report_to").and_then(Value::as_str).unwrap_or_default();
        let (path, report) = (absolute(path), absolute(report));
        Ok(Self { schema: "baton/handoff-file@1", path, state, report, document })
    }
}

impl View for Shown {
    fn human(&self, page: &mut Page) {
        page.line(&[span(Tone::Dim, self.state)]);
        page.path(&self.path);
        handoff(page, &self.document);
        if self.state == "taken" {
            self.how_to_report(page);
        }
    }
}

impl Shown {
    /// Says how what was taken is reported: the file, whole, and what has to be in it.
    fn how_to_report(&self, page: &mut Page) {
        let known: HandoffDocument =
            serde_json::from_value(self.document.clone()).unwrap_or_default();
        page.heading("When it is done");
        page.paragraph(
            0,
            "Make the folder, write report.json.tmp there like this, and rename it to:",
        );
        page.path(&self.report);
        let report = serde_json::json!({
            "subtask_id": known.subtask_id,
            "attempt_id": known.attempt_id,
            "status": "success",
            "summary": "what was done",
            "deliverables": known.subtask.deliverables,
        });
        page.verbatim(&format!("{report:#}"));
        page.paragraph(
            0,
            "If it cannot be done: \"failure\", and \"error\": {\"message\": \"why\"}.",
        );
    }
}

/// Puts what a worker needs on the page.
pub(crate) fn handoff(page: &mut Page, document: &Value) {
    let known: HandoffDocument = serde_json::from_value(document.clone()).unwrap_or_default();
    let subtask = &known.subtask;
    page.heading(&subtask.title);
    for (name, value) in [
        ("handoff", known.handoff_id.as_str()),
        ("for", &known.to),
        ("priority", &known.priority),
        ("part of", &known.parent_orchestration),
        ("kind", &subtask.worker_type),
        ("done when", &subtask.success_criteria),
        ("files", &subtask.files_affected.join(", ")),
        ("deliver", &subtask.deliverables.join(", ")),
        ("attempt", &known.attempt_id),
        ("report to", &known.report_to),
    ] {
        if !value.is_empty() {
            page.field(name, value);
        }
    }
    if !subtask.description.is_empty() {
        page.gap();
        page.paragraph(0, &subtask.description);
    }
    let results = document.pointer("/context/dependency_results").and_then(Value::as_array);
    for result in results.into_iter().flatten() {
        let text = |pointer: &str| result.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let said = format!("{}: {}", text("/subtask_id"), text("/result/summary"));
        page.point(Tone::Good, "✓", &said);
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::human;
    use super::super::output::tests::seen;
    use super::*;
    use crate::client::tests::{directory, write};
    use serde_json::json;

    fn with_handoffs() -> (tempfile::TempDir, Client) {
        let (dir, client) = directory();
        let file = |name: &str, priority: &str, title: &str| {
            let document = json!({"handoff_id": name, "to": "security", "priority": priority,
                "subtask_id": "auth-005-audit", "attempt": 1, "report_to": "workers/w/report.json",
                "subtask": {"title": title, "success_criteria": "no finding is open"}});
            write(
                &client,
                &format!("masters/security/handoffs/{name}.json"),
                &document.to_string(),
            );
        };
        file("to-security-subtask-auth-005-audit", "high", "Audit what was built");
        file("to-security-task-9", "critical", "Rotate the keys that leaked, everywhere, today");
        write(&client, "masters/security/handoffs/to-security-x.json", "{");
        (dir, client)
    }

    #[test]
    fn the_most_urgent_is_listed_first_and_the_broken_last() {
        let (_dir, client) = with_handoffs();
        insta::assert_snapshot!(seen(&Listing::of(&client, None, false).unwrap()), @r"
        SUBTASK         TRY  MASTER    PRIORITY  STATE    TITLE
        auth-005-audit  1    security  critical  waiting  Rotate the keys that leaked,…
        auth-005-audit  1    security  high      waiting  Audit what was built
        to-security-x        security            waiting  cannot understand masters/sec…
        ");
        let none = Listing::of(&client, AgentName::parse("cicd").ok().as_ref(), false).unwrap();
        assert_eq!(seen(&none), "no handoff waits\n");
    }

    #[test]
    fn taking_prints_what_a_worker_needs_and_the_second_is_late() {
        let (_dir, client) = with_handoffs();
        let path = take_named(&client, "auth-005-audit").unwrap();
        let text = human(&Shown::of(&client, &path, "taken").unwrap(), 80);
        let text = anstream::adapter::strip_str(&text).to_string();
        assert!(text.contains("report to     workers/w/report.json"), "{text}");
        let report = client.root().join("workers/w/report.json");
        assert!(text.contains(&format!("\n{}\n", report.display())), "{text}");
        let late = take_named(&client, "auth-005-audit").unwrap_err();
        assert_eq!(late.exit, Exit::Busy);
        let next = take_next(&client, AgentName::parse("security").ok().as_ref()).unwrap();
        assert_eq!(next, "masters/security/handoffs/to-security-task-9.json.processed");
        assert_eq!(find(&client, "nothing").unwrap_err().exit, Exit::NotFound);
    }
}
