//! The work: what waits for a person, and what waits for a master.

use crate::domain::ids::OrchestrationId;
use crate::domain::recovery::options_about;
use crate::store::layout;

use super::super::Client;
use super::super::documents::{OverviewDocument, SubtaskDocument};
use super::super::handoffs::HandoffState;
use super::{Finding, some};

/// Looks for runs that wait for a person.
pub(super) fn blocked(client: &Client) -> Vec<Finding> {
    let overview = match client.document::<OverviewDocument>(layout::OVERVIEW) {
        Ok(overview) => overview.unwrap_or_default(),
        Err(error) => {
            let remedy = "remove it; the daemon writes it anew at its next start";
            return vec![Finding::wrong("overview", error.to_string(), remedy)];
        }
    };
    let runs = overview.current_orchestrations.iter().filter(|run| run.status == "blocked");
    let planned = runs.map(|run| {
        let id = OrchestrationId::parse(&run.orchestration_id).ok();
        let plan = id.and_then(|id| client.plan(&id).ok().flatten()).unwrap_or_default();
        let task = run.orchestration_id.trim_start_matches("orch-");
        waits_for_a_person(task, plan.blocking_subtask, plan.failure_reason, plan.options)
    });
    let routed = blocked_routed(client).into_iter().map(|subtask| {
        let reason = subtask.attempts.last().and_then(|attempt| attempt.reason.clone());
        waits_for_a_person(&subtask.subtask_id, None, reason, Vec::new())
    });
    planned.chain(routed).collect()
}

fn waits_for_a_person(
    task: &str,
    at: Option<String>,
    why: Option<String>,
    mut options: Vec<String>,
) -> Finding {
    if options.is_empty() {
        options = options_about(task);
    }
    let at = at.map(|id| format!(" at {id}")).unwrap_or_default();
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Finding::wrong("blocked", format!("{task} waits for a person{at}{why}"), options.join(", or "))
}

/// Finds the blocked ones among the tasks that were routed whole: they have no plan, and their one
/// subtask bears the task's id.
fn blocked_routed(client: &Client) -> Vec<SubtaskDocument> {
    const LOOKED_INTO_MAX: usize = 100_000;
    let names = client.files(layout::SUBTASKS, ".json").unwrap_or_default();
    names
        .iter()
        .take(LOOKED_INTO_MAX)
        .filter_map(|name| client.subtask(name.trim_end_matches(".json")).ok().flatten())
        .filter(|subtask| subtask.status == "blocked")
        .filter(|subtask| subtask.subtask_id == subtask.parent_task_id)
        .collect()
}

/// Looks for handoffs that nobody has taken, and for such that cannot be read.
pub(super) fn waiting(client: &Client) -> Vec<Finding> {
    const CHECK: &str = "handoffs";
    let files = match client.handoff_files() {
        Ok(files) => files,
        Err(error) => {
            let remedy = "correct its permissions";
            return vec![Finding::wrong(CHECK, error.to_string(), remedy)];
        }
    };
    let mut waiting = Vec::new();
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.state == HandoffState::Waiting) {
        match client.handoff(file) {
            Ok(Some(handoff)) if handoff.status.as_deref() == Some("processed") => {}
            Ok(Some(_)) => waiting.push(file.name.clone()),
            Ok(None) => {}
            Err(_) => broken.push(file.path.clone()),
        }
    }
    let mut findings = Vec::new();
    if !broken.is_empty() {
        findings.push(Finding::wrong(
            CHECK,
            format!("handoffs cannot be read: {}", some(&broken)),
            "correct or remove them",
        ));
    }
    if !waiting.is_empty() {
        findings.push(
            Finding::note(CHECK, format!("handoffs wait for their master: {}", some(&waiting)))
                .remedy("`baton handoff take ID` takes one; its `report_to` says where to report"),
        );
    }
    findings
}
