//! Whose turn it is: priority, and age that makes up for it.

use crate::domain::ids::OrchestrationId;
use crate::domain::plan::Orchestration;
use crate::domain::task::Priority;

/// A task goes before one of the next higher priority that was accepted so many events later.
///
/// Age is counted in the journal's own numbers: a clock would lie across boots and jumps. What
/// starves something is an inflow of other tasks, and each of them is events, so that its turn
/// always comes; where nothing flows in, nothing has to be overtaken. Some thousands of subtasks
/// are done in so many events: in the short run priority alone decides.
pub(in crate::domain) const AGEING_EVENTS: u64 = 10_000;

/// The place of a ready subtask in its master's line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::domain) struct Turn {
    /// Its age, with the ages that its priority lets it overtake.
    rank: u64,
    accepted_seq: u64,
    pub(in crate::domain) position: usize,
    pub(in crate::domain) orchestration_id: OrchestrationId,
}

impl Turn {
    pub(super) fn of(run: &Orchestration, position: usize) -> Self {
        let steps = match run.priority {
            Priority::Critical => 0,
            Priority::High => 1,
            Priority::Medium => 2,
            Priority::Low => 3,
        };
        Self {
            rank: run.accepted_seq.saturating_add(steps * AGEING_EVENTS),
            accepted_seq: run.accepted_seq,
            position,
            orchestration_id: run.id.clone(),
        }
    }
}
