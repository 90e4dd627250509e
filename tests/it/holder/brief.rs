//! The built-in worker, as a real process of the holder.

use std::path::{Path, PathBuf};

use baton::backend::{self, BackendSettings, Finished, LaunchRequest};
use baton::daemon::folder::Folder;
use baton::domain::handoff::Handoff;
use baton::domain::report::{Outcome, Report, ReportFinding, ResultKind};
use baton::domain::worker::{Attempt, Exit};
use serde_json::json;

use super::place::{BATON, Place, id};

const WORKER: &str = "auth-002-backend-attempt-1";
const HANDOFF: &str = include_str!("../../data/handoff.json");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_brief_is_an_order_for_the_work_and_says_so() {
    let place = Place::new();
    let workspace = place.root.parent().unwrap().to_owned();
    let exit = run(&place, &workspace, HANDOFF).await;
    assert_eq!(exit, Exit::Code(0));
    let order = place.read(WORKER, "brief.md");
    insta::assert_snapshot!(order);

    let report: Report = serde_json::from_value(place.json(WORKER, "report.json")).unwrap();
    let path = format!("coordination/workers/{WORKER}/brief.md");
    assert_eq!(report.deliverables, std::slice::from_ref(&path));
    assert!(workspace.join(path).exists());
    let printed = place.read(WORKER, "output.log");
    assert_eq!(printed.trim_end(), report.summary);
    let finding = ReportFinding {
        report,
        path: String::new(),
        digest: String::new(),
        // What the work itself would leave behind.
        missing: vec!["src/auth.rs".into()],
    };
    let outcome = (backend::find("brief").unwrap().interpret)(&Finished {
        exit,
        report: Some(&finding),
        report_problem: None,
        output_bytes: printed.len() as u64,
        output_tail: &printed,
        result_kind: ResultKind::Work,
        worker_id: &id(WORKER),
    });
    let Outcome::Success(result) = outcome else { panic!("{outcome:?}") };
    assert_eq!(result.kind, ResultKind::WorkOrder);
    assert!(result.summary.contains("the work itself is not done"), "{}", result.summary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_outside_the_workspace_is_named_in_the_summary() {
    let place = Place::new();
    let workspace = tempfile::TempDir::new().unwrap();
    assert_eq!(run(&place, workspace.path(), HANDOFF).await, Exit::Code(0));
    let report = place.json(WORKER, "report.json");
    assert_eq!(report["deliverables"], json!([]));
    let path = place.path(WORKER, "brief.md");
    assert!(report["summary"].as_str().unwrap().contains(path.to_str().unwrap()), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handoff_that_cannot_be_used_is_reported() {
    for bad in ["", "{", "[]", "{\"subtask_id\": \"x\"}", "\u{0}"] {
        let place = Place::new();
        let exit = run(&place, &place.root.clone(), bad).await;
        assert_eq!(exit, Exit::Code(65), "{bad}");
        let report: Report = serde_json::from_value(place.json(WORKER, "report.json")).unwrap();
        let message = report.error.unwrap().message;
        assert!(message.contains("cannot read the handoff"), "{message}");
        assert!(place.read(WORKER, "output.log").contains("cannot read the handoff"));
        assert!(!place.path(WORKER, "brief.md").exists());
    }
}

/// Runs the worker on a handoff to its end.
async fn run(place: &Place, workspace: &Path, handoff_text: &str) -> Exit {
    let handoffs = place.root.join("masters/development/handoffs");
    std::fs::create_dir_all(&handoffs).unwrap();
    let handoff_path: PathBuf = handoffs.join("to-development.json.processed");
    std::fs::write(&handoff_path, handoff_text).unwrap();
    let handoff: Handoff = serde_json::from_str(HANDOFF).unwrap();
    let attempt: Attempt = serde_json::from_value(json!({
        "id": WORKER, "number": 1, "agent": "development", "worker_id": WORKER,
        "execution": {"by": "launched", "backend": "brief"}, "nonce": "n",
        "phase": {"phase": "issued"},
        "issued_at": {"boot": "0", "up": 0, "wall": "2025-11-05T18:00:00Z"},
    }))
    .unwrap();
    let launch = (backend::find("brief").unwrap().launch)(&LaunchRequest {
        handoff: &handoff,
        attempt: &attempt,
        coordination: &place.root,
        handoff_path: &handoff_path,
        workspace,
        executable: Path::new(BATON),
        settings: &BackendSettings::default(),
    })
    .unwrap();
    let mut client = place.connect().await;
    client.start(WORKER, launch).await;
    client.exited(WORKER).await;
    client.client.shut_down().await;
    let Folder::Done { exit, .. } = place.folder(WORKER) else { panic!("it is over") };
    exit
}
