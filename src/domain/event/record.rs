//! Lines of the journal.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::domain::moment::Moment;

/// One line of the journal: everything one decision led to, whole or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The number of its first event; events are numbered from 1 without a gap.
    pub seq: u64,
    /// When it was decided.
    pub at: Moment,
    /// How many daemons had the directory before, plus one: an older daemon's line is recognised.
    pub epoch: u64,
    /// The version of this format.
    pub schema: u32,
    /// The kind of input that led to it, for people.
    pub cause: String,
    /// What follows from it; never empty.
    pub events: Vec<Event>,
}

/// The version of the journal's format that is written.
pub const JOURNAL_SCHEMA: u32 = 1;

impl Record {
    /// Returns the number of its last event.
    pub fn last_seq(&self) -> u64 {
        self.seq + self.events.len() as u64 - 1
    }
}
