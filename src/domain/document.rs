//! Documents: files below `coordination/` that are derived from the journal.

use serde_json::{Map, Value};

use super::ids::{AttemptId, CommandId, OrchestrationId, SubtaskId, TaskId};

/// Names one derived thing; a projection renders it from the state at any time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKey {
    /// `orchestrator/tasks/{id}.json`
    Plan(OrchestrationId),
    /// `orchestrator/subtasks/{id}.json`
    Subtask(SubtaskId),
    /// `worker-specs/{active,completed,failed,zombie}/{id}.json`
    WorkerSpec(AttemptId),
    /// `orchestrator/completions/{id}.json` and `.md`
    Completion(OrchestrationId),
    /// `orchestrator/answers/{id}.json`
    Answer(CommandId),
    /// Our fields of one task's entry in `task-queue.json`.
    QueueEntry(QueueTarget),
    /// `orchestrator/state/current.json`
    Overview,
}

/// Names one entry of the queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueTarget {
    /// The entry of an accepted task.
    Task(TaskId),
    /// An entry that was refused and has no usable id.
    Position {
        /// Where it was read, from 0.
        index: usize,
        /// CRC-32C of its bytes in hex when it was read.
        fingerprint: String,
    },
}

/// One rendered file or change of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// The file holds exactly this.
    Replace {
        /// Its path relative to `coordination/`.
        path: String,
        /// Its bytes.
        body: String,
    },
    /// There is no such file.
    Absent {
        /// Its path relative to `coordination/`.
        path: String,
    },
    /// These fields of one entry of `task-queue.json` have these values; nothing else is touched.
    QueuePatch(QueuePatch),
}

/// Our fields of one entry of the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuePatch {
    /// How the entry is found.
    pub entry: QueueEntryRef,
    /// Fields to set, in order. `updated_at` is always among them.
    pub fields: Map<String, Value>,
    /// When it is not there: the whole entry, to be put back at the end. `None`: leave it out.
    pub put_back: Option<Value>,
}

/// How an entry of the queue is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueEntryRef {
    /// By its `id`; where several bear it, the first.
    Id(String),
    /// By position and content, while it has no id of its own; once the `id` among our fields
    /// stands there, by that.
    Position {
        /// From 0.
        index: usize,
        /// CRC-32C of its bytes in hex.
        fingerprint: String,
    },
}
