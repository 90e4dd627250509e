//! Follows one task from the inbox to its end, by its documents and events.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::clock;
use crate::domain::ids::{OrchestrationId, SubtaskId, TaskId};
use crate::domain::moment::Timestamp;
use crate::store::layout;

use super::documents::{PlanDocument, SubtaskDocument};
use super::progress::Progress;
use super::tail::Tail;
use super::{Client, ClientError};

/// Where a task stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It lies in the inbox.
    Dropped,
    /// A daemon took it and plans it.
    Planning,
    /// It was refused.
    Rejected {
        /// Why, and what to do.
        reason: String,
    },
    /// It was ended by a person before it had a run.
    Cancelled {
        /// By whose wish.
        reason: String,
    },
    /// It runs or has run.
    Run(Box<Progress>),
}

impl Standing {
    /// Tells whether nothing more will happen by itself.
    pub fn is_over(&self) -> bool {
        match self {
            Standing::Dropped | Standing::Planning => false,
            Standing::Rejected { .. } | Standing::Cancelled { .. } => true,
            Standing::Run(progress) => progress.is_over(),
        }
    }
}

/// Looks where one task stands.
#[derive(Debug)]
pub struct Follower {
    client: Client,
    task_id: TaskId,
    /// The name it was dropped as.
    file: String,
    events: Tail,
    /// What the events said last.
    told: Standing,
    /// Subtasks that cannot change any more.
    done: BTreeMap<String, SubtaskDocument>,
}

impl Follower {
    /// Begins to follow what is about to be dropped: call it before the file is there.
    ///
    /// # Errors
    /// The events cannot be read.
    pub fn new(client: &Client, task_id: &TaskId) -> Result<Self, ClientError> {
        let events = Tail::from_end(&client.events_path()).map_err(events_error)?;
        Ok(Self {
            client: client.clone(),
            task_id: task_id.clone(),
            file: String::new(),
            events,
            told: Standing::Dropped,
            done: BTreeMap::new(),
        })
    }

    /// Returns the task that is followed.
    pub fn task_id(&self) -> &TaskId {
        &self.task_id
    }

    /// Says under which name it was dropped.
    pub fn dropped_as(&mut self, file: &str) {
        file.clone_into(&mut self.file);
    }

    /// Looks where it stands now.
    ///
    /// # Errors
    /// A document or the events cannot be read.
    pub fn look(&mut self) -> Result<Standing, ClientError> {
        self.read_events()?;
        if let Some(progress) = self.progress()? {
            return Ok(Standing::Run(Box::new(progress)));
        }
        if let Some(reason) = self.refusal()? {
            return Ok(Standing::Rejected { reason });
        }
        Ok(self.told.clone())
    }

    fn progress(&mut self) -> Result<Option<Progress>, ClientError> {
        let now = clock::now().wall;
        if let Some(mut plan) = self.client.plan(&OrchestrationId::of(&self.task_id))? {
            for subtask in &mut plan.subtasks {
                if let Some(whole) = self.whole(subtask)? {
                    let status = std::mem::take(&mut subtask.status);
                    *subtask = SubtaskDocument { status, ..whole };
                }
            }
            return Ok(Some(self.client.progress_of(&plan, now)));
        }
        let routed = SubtaskId::of_routed(&self.task_id);
        let subtask = self.client.document::<SubtaskDocument>(&layout::subtask(&routed))?;
        Ok(subtask.map(|s| Progress::of_routed(&s, now, &|worker| self.client.heartbeat(worker))))
    }

    /// Reads what a subtask's own file says beyond the plan; nothing is there to be said before
    /// its first attempt.
    fn whole(&mut self, subtask: &SubtaskDocument) -> Result<Option<SubtaskDocument>, ClientError> {
        if matches!(subtask.status.as_str(), "pending" | "cancelled") {
            return Ok(None);
        }
        let id = subtask.subtask_id.clone();
        if let Some(done) = self.done.get(&id) {
            return Ok(Some(done.clone()));
        }
        let whole = self.client.subtask(&id)?;
        if let Some(done) = whole.as_ref().filter(|s| s.status == "completed") {
            self.done.insert(id, done.clone());
        }
        Ok(whole)
    }

    fn refusal(&self) -> Result<Option<String>, ClientError> {
        if self.file.is_empty() {
            return Ok(None);
        }
        let path = format!("{}/{}{}", layout::REJECTED, self.file, layout::REASON_ENDING);
        Ok(self.client.text(&path)?.map(|text| refusal_text(&text)))
    }

    fn read_events(&mut self) -> Result<(), ClientError> {
        loop {
            let lines = self.events.lines().map_err(events_error)?;
            if lines.is_empty() {
                return Ok(());
            }
            for line in lines {
                if let Ok(event) = serde_json::from_str::<Value>(&line) {
                    self.hear(&event);
                }
            }
        }
    }

    fn hear(&mut self, event: &Value) {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        if text("task_id") != Some(self.task_id.as_str()) {
            return;
        }
        let reason =
            || text("error").or(text("reason")).or(text("remedy")).unwrap_or("").to_owned();
        match text("type") {
            Some("task_accepted" | "task_retried") => self.told = Standing::Planning,
            Some("task_rejected" | "task_repeated") => {
                self.told = Standing::Rejected { reason: reason() };
            }
            Some("task_cancelled") => self.told = Standing::Cancelled { reason: reason() },
            Some(_) | None => {}
        }
    }
}

impl Client {
    /// Reads a plan file; `None` when there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn plan(&self, id: &OrchestrationId) -> Result<Option<PlanDocument>, ClientError> {
        self.document(&layout::plan(id))
    }

    /// Reads a subtask file; `None` when there is none, or the id cannot be one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn subtask(&self, id: &str) -> Result<Option<SubtaskDocument>, ClientError> {
        match SubtaskId::parse(id) {
            Ok(id) => self.document(&layout::subtask(&id)),
            Err(_) => Ok(None),
        }
    }

    /// Reads the progress of a plan whose subtasks are whole.
    pub fn progress_of(&self, plan: &PlanDocument, now: Timestamp) -> Progress {
        Progress::of_plan(plan, now, &|worker| self.heartbeat(worker))
    }

    /// Tells whether a task of this id has been taken up before.
    pub fn knows_task(&self, id: &TaskId) -> bool {
        self.store().exists(&layout::plan(&OrchestrationId::of(id)))
            || self.store().exists(&layout::subtask(&SubtaskId::of_routed(id)))
    }

    /// Reads what a worker says of its progress, in per hundred.
    pub(super) fn heartbeat(&self, worker_id: &str) -> Option<u32> {
        let heartbeat: Value =
            self.document(&format!("{}/{worker_id}/heartbeat.json", layout::WORKERS)).ok()??;
        percent(heartbeat.get("progress")?)
    }
}

/// Reads `0.4`, `40`, `"40%"`: up to 1 with a point it is a share, else per hundred.
fn percent(progress: &Value) -> Option<u32> {
    let text = progress.as_str().map_or_else(|| progress.to_string(), str::to_owned);
    let text = text.trim().trim_end_matches('%').trim();
    let number: f64 = text.parse().ok()?;
    let per_hundred = if number <= 1.0 && text.contains('.') { number * 100.0 } else { number };
    (0.0..=100.0).contains(&per_hundred).then(|| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        let whole = per_hundred as u32;
        whole
    })
}

fn refusal_text(reason: &str) -> String {
    let Ok(reason_object) = serde_json::from_str::<Value>(reason) else {
        return reason.trim().to_owned();
    };
    let text =
        |name: &str| reason_object.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
    let said = ["error", "reason", "message", "problem"].iter().find_map(|name| text(name));
    match (said, text("remedy")) {
        (Some(said), Some(remedy)) if !said.contains(remedy) => format!("{said}; {remedy}"),
        (Some(said), _) => said.to_owned(),
        (None, _) => reason.trim().to_owned(),
    }
}

fn events_error(source: std::io::Error) -> ClientError {
    ClientError::Events { source }
}

#[cfg(test)]
mod tests {
    use super::super::progress::tests::example;
    use super::super::tests::{directory, write};
    use super::*;
    use serde_json::json;

    fn task() -> TaskId {
        TaskId::parse("task-1").unwrap()
    }

    #[test]
    fn a_task_is_followed_from_the_inbox_to_its_run() {
        let (_dir, client) = directory();
        let mut follower = Follower::new(&client, &task()).unwrap();
        assert_eq!(follower.look().unwrap(), Standing::Dropped);
        let event = json!({"type": "task_accepted", "task_id": "task-1", "seq": 1});
        write(&client, "dashboard-events.jsonl", &format!("{event}\n"));
        assert_eq!(follower.look().unwrap(), Standing::Planning);

        let mut plan = example();
        let whole = plan.subtasks[0].clone();
        plan.subtasks[0].attempts.clear();
        write(&client, "orchestrator/tasks/orch-task-1.json", &json!(plan).to_string());
        write(&client, "orchestrator/subtasks/auth-001-design.json", &json!(whole).to_string());
        write(&client, "workers/w/heartbeat.json", r#"{"progress": 0.4}"#);
        let Standing::Run(progress) = follower.look().unwrap() else { panic!("it runs") };
        assert_eq!(progress.stages[0][0].seconds, Some(3));
        assert_eq!(progress.stages[1][0].percent, Some(40));
    }

    #[test]
    fn a_refusal_is_found_beside_the_file_and_in_the_events() {
        let (_dir, client) = directory();
        let mut follower = Follower::new(&client, &task()).unwrap();
        follower.dropped_as("task-1.ab.json");
        let event = json!({"type": "task_rejected", "task_id": "task-1", "error": "too big"});
        write(&client, "dashboard-events.jsonl", &format!("{event}\n"));
        assert_eq!(follower.look().unwrap(), Standing::Rejected { reason: "too big".into() });
        let reason = json!({"message": "no title", "remedy": "give it one"});
        write(&client, "inbox/rejected/task-1.ab.json.reason.json", &reason.to_string());
        let reason = "no title; give it one".to_owned();
        assert_eq!(follower.look().unwrap(), Standing::Rejected { reason });
    }

    #[test]
    fn progress_is_read_in_every_form() {
        for (value, expected) in [
            (json!(0.25), Some(25)),
            (json!(45), Some(45)),
            (json!("60%"), Some(60)),
            (json!(1), Some(1)),
            (json!(1.0), Some(100)),
            (json!(1e9), None),
            (json!("soon"), None),
        ] {
            assert_eq!(percent(&value), expected, "{value}");
        }
    }
}
