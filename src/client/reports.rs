//! Completion reports, the overview, and the other documents that are looked up by what they say.

use serde_json::Value;

use crate::domain::ids::{CommandId, OrchestrationId, TaskId};
use crate::domain::moment::Timestamp;
use crate::store::layout::{self, WorkerFile};

use super::documents::{AnswerDocument, OverviewDocument, WorkerDocument};
use super::{Client, ClientError, tail};

/// A completion report in both its forms.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// For programs.
    pub document: Value,
    /// For people.
    pub markdown: String,
}

impl Client {
    /// Reads the overview; an empty one when no daemon has written any.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn overview(&self) -> Result<OverviewDocument, ClientError> {
        Ok(self.document(layout::OVERVIEW)?.unwrap_or_default())
    }

    /// Reads the specs of all living workers; those that cannot be read are for `doctor`.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn workers(&self) -> Result<Vec<WorkerDocument>, ClientError> {
        let names = self.files(layout::SPECS_ACTIVE, ".json")?;
        let read = |name: String| {
            self.document(&format!("{}/{name}", layout::SPECS_ACTIVE)).ok().flatten()
        };
        Ok(names.into_iter().filter_map(read).collect())
    }

    /// Lists the files of the inbox that nobody has taken yet.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn inbox(&self) -> Result<Vec<String>, ClientError> {
        self.files(layout::INBOX, "")
    }

    /// Tells whether there is a queue, readable or not.
    pub fn has_queue(&self) -> bool {
        self.store().exists(layout::TASK_QUEUE)
    }

    /// Reads what became of a command; `None` while nobody has answered it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn answer(&self, id: &CommandId) -> Result<Option<AnswerDocument>, ClientError> {
        self.document(&layout::answer(id))
    }

    /// Returns where the report of a run is for people, relative to the directory, once it is
    /// there.
    pub fn report_path(&self, task_id: &TaskId) -> Option<String> {
        let path = layout::completion_markdown(&OrchestrationId::of(task_id));
        self.store().exists(&path).then_some(path)
    }

    /// Reads the report of a run, named by itself or by its task; `None` when there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn report(&self, id: &str) -> Result<Option<Report>, ClientError> {
        let of_task = TaskId::parse(id).ok().map(|task| OrchestrationId::of(&task));
        for run in OrchestrationId::parse(id).into_iter().chain(of_task) {
            if let Some(document) = self.value(&layout::completion(&run))? {
                let markdown = self.text(&layout::completion_markdown(&run))?.unwrap_or_default();
                return Ok(Some(Report { document, markdown }));
            }
        }
        Ok(None)
    }

    /// Names the run that ended last; `None` when none has ended.
    ///
    /// # Errors
    /// The reports cannot be listed.
    pub fn newest_report(&self) -> Result<Option<String>, ClientError> {
        // Files written in one go have times that say little, so the last few are looked into.
        const LOOKED_INTO_MAX: usize = 64;
        let entries = self.store().list(layout::COMPLETIONS)?;
        let mut reports: Vec<(i64, String)> = entries
            .into_iter()
            .filter_map(|e| Some((e.modified_ms, e.name.strip_suffix(".json")?.to_owned())))
            .filter(|(_, name)| !name.starts_with('.'))
            .collect();
        reports.sort();
        let newest = reports.into_iter().rev().take(LOOKED_INTO_MAX);
        Ok(newest
            .max_by_key(|(modified_ms, run)| self.ended_at_ms(run).unwrap_or(*modified_ms))
            .map(|(_, run)| run))
    }

    /// Reads the end of what a worker printed, at most `lines_max` lines.
    pub fn output_tail(&self, worker_id: &str, lines_max: usize) -> Vec<String> {
        let folder = self.root().join(layout::WORKERS).join(worker_id);
        let read = |file: WorkerFile, lines_max: usize| {
            tail::last_lines(&folder.join(file.name()), lines_max).unwrap_or_default()
        };
        let lines = read(WorkerFile::Output, lines_max);
        // A long output is cut: what was printed earlier is in a file of its own.
        let mut earlier = match lines_max.saturating_sub(lines.len()) {
            0 => Vec::new(),
            missing => read(WorkerFile::EarlierOutput, missing),
        };
        earlier.extend(lines);
        earlier
    }

    fn ended_at_ms(&self, run: &str) -> Option<i64> {
        let run = OrchestrationId::parse(run).ok()?;
        let document = self.value(&layout::completion(&run)).ok()??;
        let time = document.get("completed_at").or(document.get("ended_at"))?;
        Timestamp::try_from(time.clone()).ok().map(Timestamp::as_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{directory, write};

    #[test]
    fn the_end_of_an_output_reaches_back_into_what_was_cut() {
        let (_dir, client) = directory();
        assert!(client.output_tail("w-1", 3).is_empty());
        write(&client, "workers/w-1/output.log", "three\nfour\n");
        assert_eq!(client.output_tail("w-1", 3), ["three", "four"]);
        write(&client, "workers/w-1/output.log.1", "one\ntwo\n");
        assert_eq!(client.output_tail("w-1", 3), ["two", "three", "four"]);
        assert_eq!(client.output_tail("w-1", 1), ["four"]);
    }

    #[test]
    fn the_newest_report_is_the_one_that_ended_last() {
        let (_dir, client) = directory();
        assert_eq!(client.newest_report().unwrap(), None);
        let completions = "orchestrator/completions";
        for (run, at) in [("orch-a", "2025-11-05T19:00:00Z"), ("orch-b", "2025-11-05T18:00:00Z")] {
            let text = format!(r#"{{"completed_at": "{at}"}}"#);
            write(&client, &format!("{completions}/{run}.json"), &text);
            write(&client, &format!("{completions}/{run}.md"), "# Report\n");
        }
        assert_eq!(client.newest_report().unwrap().as_deref(), Some("orch-a"));
        for id in ["a", "orch-a"] {
            assert_eq!(client.report(id).unwrap().unwrap().markdown, "# Report\n");
        }
        assert_eq!(client.report("c").unwrap(), None);
    }
}
