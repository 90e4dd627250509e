//! Finds what an id names, and the ids that are near one that names nothing.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::domain::ids::{CommandId, OrchestrationId, TaskId, WorkerId};
use crate::domain::validate::suggest::closest;
use crate::store::layout;

use super::{Client, ClientError};

/// What an id names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// What sort of thing it is.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// Where it stands, relative to the directory.
    pub path: String,
    /// The document, whole.
    pub document: Value,
}

/// What sort of thing an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The run of a plan.
    Orchestration,
    /// A subtask, or a task that was routed whole.
    Subtask,
    /// A task of the queue, or one that waits in the inbox.
    Task,
    /// A worker.
    Worker,
    /// A handoff.
    Handoff,
    /// What became of a command.
    Answer,
    /// A file of the inbox that was refused.
    Refusal,
}

/// Where workers' specs are, living ones first.
const SPECS: [&str; 4] =
    [layout::SPECS_ACTIVE, layout::SPECS_COMPLETED, layout::SPECS_FAILED, layout::SPECS_ZOMBIE];

/// Names that are suggested at most.
const NEAR_MAX: usize = 3;

impl Client {
    /// Finds what `id` names: run, task, subtask, worker, handoff, command, refused file.
    ///
    /// # Errors
    /// A document that may be it cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<Found>, ClientError> {
        if let Some(found) = self.run_or_subtask(id)? {
            return Ok(Some(found));
        }
        for dir in SPECS {
            if WorkerId::parse(id).is_ok()
                && let Some(found) = self.at(Kind::Worker, id, format!("{dir}/{id}.json"))?
            {
                return Ok(Some(found));
            }
        }
        if let Some(file) = self.handoff_files()?.into_iter().rfind(|file| file.is_meant_by(id)) {
            return self.at(Kind::Handoff, &file.name, file.path);
        }
        if let Ok(command) = CommandId::parse(id)
            && let Some(found) = self.at(Kind::Answer, id, layout::answer(&command))?
        {
            return Ok(Some(found));
        }
        self.task(id)
    }

    /// Returns ids that `id` may have been meant to be, the nearest first.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn near(&self, id: &str) -> Result<Vec<String>, ClientError> {
        let mut known = BTreeSet::new();
        for dir in [layout::TASKS, layout::SUBTASKS, layout::ANSWERS].iter().chain(&SPECS) {
            let files = self.files(dir, ".json")?;
            known.extend(files.iter().map(|name| name.trim_end_matches(".json").to_owned()));
        }
        known.extend(self.handoff_files()?.into_iter().map(|file| file.name));
        known
            .extend(self.queue()?.iter().filter_map(|task| Some(task.get("id")?.as_str()?.into())));
        let mut near: Vec<String> = Vec::new();
        near.extend(closest(id, known.iter().map(String::as_str)).map(str::to_owned));
        let contains = |name: &&String| id.len() >= 3 && name.contains(id);
        for name in known.iter().filter(contains) {
            if !near.contains(name) {
                near.push(name.clone());
            }
        }
        near.truncate(NEAR_MAX);
        Ok(near)
    }

    /// Reads the tasks of the queue as they stand; none when there is no queue.
    ///
    /// # Errors
    /// It cannot be read or is not JSON.
    pub fn queue(&self) -> Result<Vec<Value>, ClientError> {
        let queue = self.value(layout::TASK_QUEUE)?;
        Ok(match queue {
            Some(Value::Array(tasks)) => tasks,
            Some(Value::Object(mut fields)) => match fields.remove("tasks") {
                Some(Value::Array(tasks)) => tasks,
                Some(_) | None if fields.contains_key("title") || fields.contains_key("id") => {
                    vec![Value::Object(fields)]
                }
                Some(_) | None => Vec::new(),
            },
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
                Vec::new()
            }
        })
    }

    fn run_or_subtask(&self, id: &str) -> Result<Option<Found>, ClientError> {
        let run_of_task = TaskId::parse(id).ok().map(|task| OrchestrationId::of(&task));
        let runs = OrchestrationId::parse(id).into_iter().chain(run_of_task);
        for run in runs {
            let found = self.at(Kind::Orchestration, run.as_str(), layout::plan(&run))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        let names = [Some(id), id.strip_prefix("orch-")];
        for name in names.into_iter().flatten() {
            if TaskId::parse(name).is_ok() || name.len() <= 112 && WorkerId::parse(name).is_ok() {
                let path = format!("{}/{name}.json", layout::SUBTASKS);
                if let Some(found) = self.at(Kind::Subtask, name, path)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Looks for a task that has no run: in the queue, in the inbox, among the refused.
    fn task(&self, id: &str) -> Result<Option<Found>, ClientError> {
        let queue = self.queue()?;
        let of_id = |task: &Value| task.get("id").and_then(Value::as_str) == Some(id);
        if let Some(document) = queue.into_iter().find(of_id) {
            let path = layout::TASK_QUEUE.to_owned();
            return Ok(Some(Found { kind: Kind::Task, id: id.to_owned(), path, document }));
        }
        let is_ours = |name: &str| {
            name == id || name.strip_prefix(id).is_some_and(|rest| rest.starts_with('.'))
        };
        for (dir, ending, kind) in [
            (layout::REJECTED, layout::REASON_ENDING, Kind::Refusal),
            (layout::INBOX, ".json", Kind::Task),
            (layout::ACCEPTED, ".json", Kind::Task),
        ] {
            if let Some(name) = self.files(dir, ending)?.into_iter().find(|name| is_ours(name)) {
                return self.at(kind, id, format!("{dir}/{name}"));
            }
        }
        Ok(None)
    }

    fn at(&self, kind: Kind, id: &str, path: String) -> Result<Option<Found>, ClientError> {
        let document = self.value(&path)?;
        Ok(document.map(|document| Found { kind, id: id.to_owned(), path, document }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{directory, write};
    use super::*;

    #[test]
    fn every_kind_of_id_is_found() {
        let (_dir, client) = directory();
        for path in [
            "orchestrator/tasks/orch-task-1.json",
            "orchestrator/subtasks/auth-001-design.json",
            "orchestrator/subtasks/task-2.json",
            "worker-specs/failed/auth-001-design-attempt-1.json",
            "masters/security/handoffs/to-security-subtask-auth-005-audit.json.processed",
            "orchestrator/answers/cancel-1.json",
            "inbox/task-4.ab12cd.json",
            "inbox/rejected/task-5.ab12cd.json.reason.json",
        ] {
            write(&client, path, "{}");
        }
        write(
            &client,
            "task-queue.json",
            r#"{"tasks": [{"id": "task-3", "status": "completed"}]}"#,
        );
        for (id, kind, path) in [
            ("orch-task-1", Kind::Orchestration, "orchestrator/tasks/orch-task-1.json"),
            ("task-1", Kind::Orchestration, "orchestrator/tasks/orch-task-1.json"),
            ("task-2", Kind::Subtask, "orchestrator/subtasks/task-2.json"),
            ("orch-task-2", Kind::Subtask, "orchestrator/subtasks/task-2.json"),
            ("auth-001-design", Kind::Subtask, "orchestrator/subtasks/auth-001-design.json"),
            (
                "auth-001-design-attempt-1",
                Kind::Worker,
                "worker-specs/failed/auth-001-design-attempt-1.json",
            ),
            (
                "to-security-subtask-auth-005-audit",
                Kind::Handoff,
                "masters/security/handoffs/to-security-subtask-auth-005-audit.json.processed",
            ),
            ("cancel-1", Kind::Answer, "orchestrator/answers/cancel-1.json"),
            ("task-3", Kind::Task, "task-queue.json"),
            ("task-4", Kind::Task, "inbox/task-4.ab12cd.json"),
            ("task-5", Kind::Refusal, "inbox/rejected/task-5.ab12cd.json.reason.json"),
        ] {
            let found = client.find(id).unwrap().unwrap_or_else(|| panic!("{id} is not found"));
            assert_eq!((found.kind, found.path.as_str()), (kind, path), "{id}");
        }
        assert_eq!(client.find("../../etc/passwd").unwrap(), None);
        assert_eq!(client.near("auth-001-desing").unwrap(), ["auth-001-design"]);
        assert_eq!(
            client.near("audit").unwrap(),
            ["to-security-subtask-auth-005-audit"],
            "a part of a name is enough"
        );
        assert!(client.near("nothing like it").unwrap().is_empty());
    }
}
