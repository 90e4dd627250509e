//! What goes wrong with a task while somebody watches, and what is done about it.

use super::explain::{Wanted, is_trouble};
use super::tail::Tail;
use super::{Client, ClientError};
use crate::domain::Event;
use crate::domain::ids::TaskId;

/// Follows the events about one task.
#[derive(Debug)]
pub struct Story {
    tail: Tail,
    wanted: Wanted,
}

impl Story {
    /// Begins with what happens from now on. `is_known` says that the task was given before: then
    /// the journal is asked what belongs to it.
    ///
    /// # Errors
    /// The events cannot be read.
    pub fn begin(client: &Client, task_id: &TaskId, is_known: bool) -> Result<Self, ClientError> {
        let unreadable = |source| ClientError::Events { source };
        let tail = Tail::from_end(&client.events_path()).map_err(unreadable)?;
        let mut wanted = Wanted::of(task_id.as_str());
        // A journal that only its owner may read is no reason not to go on.
        let records = is_known.then(|| client.records().ok()).flatten();
        for record in records.into_iter().flatten().map_while(Result::ok) {
            record.events.iter().for_each(|event| wanted.learn(event));
        }
        Ok(Self { tail, wanted })
    }

    /// Returns a sentence for each trouble and each answer to one that is new, in order. What
    /// cannot be read is left out: the task does not depend on it.
    pub fn news(&mut self) -> Vec<String> {
        let lines = self.tail.lines().unwrap_or_default();
        let events = lines.iter().filter_map(|line| serde_json::from_str::<Event>(line).ok());
        let mut news = Vec::new();
        for event in events {
            self.wanted.learn(&event);
            news.extend(self.wanted.sentence(&event).filter(|_| is_trouble(&event)));
        }
        news
    }
}
