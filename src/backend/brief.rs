//! The built-in worker that writes the work order of a subtask: an order for the work, not the
//! work.

use std::path::Path;

use super::{Backend, Finished, Launch, LaunchRequest};
use crate::domain::report::{Outcome, ReportFinding, ResultKind};

/// Runs `baton worker brief`.
pub(super) const BRIEF: Backend = Backend { name: "brief", launch, interpret };

fn launch(request: &LaunchRequest<'_>) -> Result<Launch, String> {
    Ok(Launch {
        program: request.executable.to_path_buf(),
        args: vec!["worker".into(), "brief".into()],
        env: super::environment(request),
        inherit: super::inherited(request.settings),
        cwd: Path::to_path_buf(request.workspace),
        stdin: None,
    })
}

/// Judges like any other worker, but an order owes none of the files that the work itself would
/// leave behind: only what the report names has to be there.
fn interpret(finished: &Finished<'_>) -> Outcome {
    let named = finished.report.map(|finding| ReportFinding {
        missing: finding
            .missing
            .iter()
            .filter(|path| finding.report.deliverables.contains(path))
            .cloned()
            .collect(),
        ..finding.clone()
    });
    super::judge(&Finished {
        report: named.as_ref(),
        result_kind: ResultKind::WorkOrder,
        ..*finished
    })
}
