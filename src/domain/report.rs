//! What a worker hands back, and what becomes of it.

mod category;

use serde::{Deserialize, Serialize};

use super::ids::{AttemptId, SubtaskId, WorkerId};

/// A report as a worker wrote it, read leniently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The subtask it is about.
    pub subtask_id: SubtaskId,
    /// The attempt it is about; without one it is about the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_id: Option<AttemptId>,
    /// How it went.
    pub status: ReportStatus,
    /// What was done, in a sentence or more.
    #[serde(default)]
    pub summary: String,
    /// Files it left behind, relative to the workspace.
    #[serde(default)]
    pub deliverables: Vec<String>,
    /// Tokens it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_used: Option<u64>,
    /// Money it used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// A list that a subtask after it wants to be done for each of; `None` when it names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<String>>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ReportError>,
}

impl Report {
    /// Returns what it says went wrong, in its own words; nothing where it says none.
    pub fn complaint(&self) -> Option<String> {
        let message = self.error.as_ref().map_or("", |error| &error.message);
        let said =
            [message, &self.summary].into_iter().map(str::trim).find(|said| !said.is_empty())?;
        Some(match self.status {
            ReportStatus::Partial => format!("{PARTLY_DONE}: {said}"),
            ReportStatus::Success | ReportStatus::Failure => said.to_owned(),
        })
    }
}

/// How the message of a failure begins whose worker says that some of the work is done.
pub const PARTLY_DONE: &str = "only a part is done";

/// How a worker says it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportStatus {
    /// Done.
    Success,
    /// Not done.
    Failure,
    /// Some of it is done; counts as a failure that left something behind.
    Partial,
}

/// What a worker says went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReportError {
    /// The worker's own judgement of what helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// In its words.
    #[serde(default)]
    pub message: String,
}

/// What sort of failure it is, which decides what can help (S2-50 to S2-54).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// The same again may work.
    Transient,
    /// The same again with the error in hand may work.
    CodeError,
    /// The plan is wrong.
    DesignFlaw,
    /// Something is missing that no worker can supply.
    Blocker,
    /// Stop everything.
    Critical,
}

impl Category {
    /// Returns the word that files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Category::Transient => "transient",
            Category::CodeError => "code_error",
            Category::DesignFlaw => "design_flaw",
            Category::Blocker => "blocker",
            Category::Critical => "critical",
        }
    }
}

/// A report together with what was found on disk when it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportFinding {
    /// The report.
    pub report: Report,
    /// Where it was read, relative to `coordination/`.
    pub path: String,
    /// CRC-32C of its bytes in hex, so that the same report is told once.
    pub digest: String,
    /// Files that the report or the subtask names as delivered and that are not there, or not
    /// beneath the workspace.
    #[serde(default)]
    pub missing: Vec<String>,
}

/// What kind of thing was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultKind {
    /// The work itself.
    Work,
    /// An order for somebody else to do the work.
    WorkOrder,
}

impl ResultKind {
    /// Returns the word that files use.
    pub fn as_str(self) -> &'static str {
        match self {
            ResultKind::Work => "work",
            ResultKind::WorkOrder => "work_order",
        }
    }
}

/// What a completed subtask delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubtaskResult {
    /// The work, or an order for it.
    pub kind: ResultKind,
    /// What was done.
    pub summary: String,
    /// Files that are there, relative to the workspace.
    #[serde(default)]
    pub deliverables: Vec<String>,
    /// The worker that delivered it.
    pub worker_id: WorkerId,
    /// Tokens it used, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_used: Option<u64>,
    /// Money it used, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// The list it came up with; `None` when it named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<String>>,
}

impl SubtaskResult {
    /// Tells whether it says or left behind anything.
    pub fn has_output(&self) -> bool {
        !self.summary.trim().is_empty() || !self.deliverables.is_empty()
    }
}

/// Why an attempt did not deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort of failure.
    pub category: Category,
    /// What happened, for a person.
    pub message: String,
    /// Equal for failures that look the same: digits and paths of the message are left out.
    pub fingerprint: String,
}

impl Failure {
    /// Describes a failure; the fingerprint is derived from the message.
    pub fn new(category: Category, message: impl Into<String>) -> Self {
        let message = message.into();
        let fingerprint = fingerprint(&message);
        Self { category, message, fingerprint }
    }
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It delivered.
    Success(SubtaskResult),
    /// It did not.
    Failure(Failure),
}

/// Returns what two messages of the same failure have in common: lower case letters and words,
/// without digits, paths and anything after 200 characters.
fn fingerprint(message: &str) -> String {
    message
        .to_lowercase()
        .split_whitespace()
        .filter(|word| !word.contains('/'))
        .map(|word| word.chars().filter(|c| !c.is_ascii_digit()).collect::<String>())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_failure_has_the_same_fingerprint() {
        let one = Failure::new(Category::Transient, "Timeout after 31 s on /tmp/a1");
        let two = Failure::new(Category::Transient, "timeout after 7 s on /tmp/b2");
        let other = Failure::new(Category::Transient, "exit code 2");
        assert_eq!(one.fingerprint, two.fingerprint);
        assert_ne!(one.fingerprint, other.fingerprint);
    }
}
