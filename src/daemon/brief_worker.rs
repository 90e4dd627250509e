//! `baton worker brief`: writes the work order of its subtask.
//!
//! It is a worker like any other: a process of its own that reads its handoff and hands back a
//! report. What it delivers is an order for the work and never the work, and it says so.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use thiserror::Error;

use super::work_order;
use crate::domain::handoff::Handoff;
use crate::domain::ids::WorkerId;
use crate::store::layout::{self, WorkerFile};
use crate::store::{Store, StoreError};

/// No handoff is longer.
const HANDOFF_BYTES_MAX: u64 = 64 << 20;
/// `EX_DATAERR`: what was handed over is wrong.
const BAD_HANDOFF_CODE: u8 = 65;
/// `EX_TEMPFAIL`: it may work later.
const CANNOT_WRITE_CODE: u8 = 75;

/// Says why there is no work order.
#[derive(Debug, Error)]
pub enum BriefError {
    /// It was not started as a worker.
    #[error(
        "cannot tell what to write: {variable} is not set; `baton worker brief` is started by the daemon"
    )]
    Variable {
        /// What is missing.
        variable: &'static str,
    },
    /// The worker's id is none.
    #[error("cannot tell whose order to write: {0}")]
    Worker(#[from] crate::domain::ids::IdError),
    /// The handoff cannot be read.
    #[error("cannot read the handoff {path}: {source}")]
    Handoff {
        /// The handoff.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The order or the report could not be put in place.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BriefError {
    /// Returns what the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            BriefError::Variable { .. } | BriefError::Worker(_) | BriefError::Handoff { .. } => {
                BAD_HANDOFF_CODE
            }
            BriefError::Store(_) => CANNOT_WRITE_CODE,
        }
    }
}

/// Writes `workers/{worker_id}/brief.md` and `report.json`, and returns the one line to print.
/// `env` gives the worker's variables.
///
/// # Errors
/// The handoff cannot be used, which is also reported where possible, or a file cannot be written.
pub fn run(env: &dyn Fn(&str) -> Option<String>) -> Result<String, BriefError> {
    let variable = |name| env(name).ok_or(BriefError::Variable { variable: name });
    let coordination = PathBuf::from(variable("BATON_COORDINATION")?);
    let worker_id = WorkerId::parse(&variable("BATON_WORKER_ID")?)?;
    let path = PathBuf::from(variable("BATON_HANDOFF")?);
    let workspace = env("BATON_WORKSPACE").map_or_else(|| PathBuf::from("."), PathBuf::from);

    let store = Store::open(&coordination)?;
    let report = |report: Value| {
        let mut text = format!("{report:#}");
        text.push('\n');
        store.replace(&layout::worker_file(&worker_id, WorkerFile::Report), text.as_bytes())
    };
    let handoff = match read(&path) {
        Ok(handoff) => handoff,
        Err(source) => {
            let error = BriefError::Handoff { path, source };
            // Without a subtask it is no report, and the exit code has to do.
            if let Some(subtask_id) = env("BATON_SUBTASK_ID") {
                report(json!({
                    "schema": "baton/report@1",
                    "subtask_id": subtask_id,
                    "attempt_id": env("BATON_ATTEMPT_ID"),
                    "status": "failure",
                    "summary": "",
                    "deliverables": [],
                    "error": {"category": "blocker", "message": error.to_string()},
                }))?;
            }
            return Err(error);
        }
    };
    let order = layout::worker_file(&worker_id, WorkerFile::Brief);
    store.replace(&order, work_order::text(&handoff).as_bytes())?;

    let delivered = beneath(&store.root().join(&order), &workspace);
    let place = delivered.clone().unwrap_or_else(|| store.root().join(&order));
    let summary = format!(
        "Wrote the work order of {} to {}: an order for the work; the work itself is not done.",
        handoff.subtask_id,
        place.display()
    );
    report(json!({
        "schema": "baton/report@1",
        "subtask_id": handoff.subtask_id,
        "attempt_id": handoff.attempt_id,
        "status": "success",
        "summary": summary,
        "deliverables": delivered.into_iter().collect::<Vec<_>>(),
    }))?;
    Ok(summary)
}

fn read(path: &Path) -> io::Result<Handoff> {
    let mut bytes = Vec::new();
    File::open(path)?.take(HANDOFF_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Returns `file` relative to `directory` if it lies there.
fn beneath(file: &Path, directory: &Path) -> Option<PathBuf> {
    let (file, directory) = (fs::canonicalize(file).ok()?, fs::canonicalize(directory).ok()?);
    file.strip_prefix(directory).ok().map(Path::to_path_buf)
}
