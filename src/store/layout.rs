//! Every path below `coordination/`, named once, with who writes it.

use crate::domain::ids::{
    AgentName, AttemptId, ClaimId, CommandId, OrchestrationId, SubtaskId, TaskId, WorkerId,
};
use crate::domain::spec::SpecFolder;

/// The operator's configuration.
pub const CONFIG: &str = "baton.toml";

/// The queue; shared with every producer.
pub const TASK_QUEUE: &str = "task-queue.json";
/// What writers of the queue lock; never replaced, never removed.
pub const TASK_QUEUE_LOCK: &str = "task-queue.json.lock";

/// The drop box; anyone drops, Baton takes.
pub const INBOX: &str = "inbox";
/// Files taken from the drop box, by claim; Baton alone.
pub const CLAIMED: &str = "inbox/.claimed";
/// Files that were accepted; Baton puts them there.
pub const ACCEPTED: &str = "inbox/accepted";
/// Files that were refused, each with a [`REASON_ENDING`] beside it; Baton puts them there.
pub const REJECTED: &str = "inbox/rejected";
/// Ending of the file that says why its neighbour was refused.
pub const REASON_ENDING: &str = ".reason.json";

/// Plans and their progress; derived by Baton.
pub const TASKS: &str = "orchestrator/tasks";
/// Subtasks; derived by Baton.
pub const SUBTASKS: &str = "orchestrator/subtasks";
/// Where the overview is.
pub const STATE: &str = "orchestrator/state";
/// The overview; derived by Baton.
pub const OVERVIEW: &str = "orchestrator/state/current.json";
/// Completion reports; derived by Baton.
pub const COMPLETIONS: &str = "orchestrator/completions";
/// What became of commands; derived by Baton.
pub const ANSWERS: &str = "orchestrator/answers";
/// Outcomes that people and programs added; each appends whole lines.
pub const MEMORY: &str = "orchestrator/memory.jsonl";
/// The truth; Baton's journal alone.
pub const JOURNAL: &str = "orchestrator/journal";
/// Copies of files that could not be used; Baton alone.
pub const QUARANTINE: &str = "orchestrator/quarantine";
/// Held by the one holder of this directory.
pub const HOLDER_LOCK: &str = "orchestrator/holder.lock";
/// Where the holder listens.
pub const HOLDER_SOCKET: &str = "orchestrator/holder.sock";
/// What the holder has to say.
pub const HOLDER_LOG: &str = "orchestrator/holder.log";
/// What it had logged before that became too long.
pub const EARLIER_HOLDER_LOG: &str = "orchestrator/holder.log.1";
/// Marks of drafts that are being made, by task; Baton alone.
pub const DRAFTING: &str = "orchestrator/drafting";
/// What a daemon in the background has to say.
pub const DAEMON_LOG: &str = "orchestrator/daemon.log";

/// One directory per master.
pub const MASTERS: &str = "masters";
/// Specs of workers that live, and below its siblings of those that ended.
pub const SPECS_ACTIVE: &str = "worker-specs/active";
/// Specs of workers that did their work.
pub const SPECS_COMPLETED: &str = "worker-specs/completed";
/// Specs of workers that failed.
pub const SPECS_FAILED: &str = "worker-specs/failed";
/// Specs of workers that were given up.
pub const SPECS_ZOMBIE: &str = "worker-specs/zombie";
/// One directory per worker.
pub const WORKERS: &str = "workers";
/// One line per event; Baton appends, others may.
pub const DASHBOARD_EVENTS: &str = "dashboard-events.jsonl";

/// Directories that only their owner may enter, with all below them.
const PRIVATE: [&str; 4] = [CLAIMED, ANSWERS, JOURNAL, QUARANTINE];

/// Directories in which files are put in place, and so may be left half-written by a crash.
/// Workers' own directories are not among them: what is left there goes when they go.
pub(super) const SWEPT: [&str; 17] = [
    "",
    INBOX,
    ACCEPTED,
    REJECTED,
    CLAIMED,
    "orchestrator",
    TASKS,
    SUBTASKS,
    STATE,
    COMPLETIONS,
    ANSWERS,
    QUARANTINE,
    DRAFTING,
    SPECS_ACTIVE,
    SPECS_COMPLETED,
    SPECS_FAILED,
    SPECS_ZOMBIE,
];

/// Tells whether `path` is a private directory or below one.
pub fn is_private(path: &str) -> bool {
    PRIVATE.iter().any(|private| {
        path.strip_prefix(private).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// `inbox/.claimed/{claim}`
pub fn claimed(claim: &ClaimId) -> String {
    format!("{CLAIMED}/{claim}")
}

/// `orchestrator/tasks/{id}.json`
pub fn plan(id: &OrchestrationId) -> String {
    format!("{TASKS}/{id}.json")
}

/// `orchestrator/subtasks/{id}.json`
pub fn subtask(id: &SubtaskId) -> String {
    format!("{SUBTASKS}/{id}.json")
}

/// `orchestrator/completions/{id}.json`
pub fn completion(id: &OrchestrationId) -> String {
    format!("{COMPLETIONS}/{id}.json")
}

/// `orchestrator/completions/{id}.md`
pub fn completion_markdown(id: &OrchestrationId) -> String {
    format!("{COMPLETIONS}/{id}.md")
}

/// `orchestrator/answers/{id}.json`
pub fn answer(id: &CommandId) -> String {
    format!("{ANSWERS}/{id}.json")
}

/// `orchestrator/drafting/{id}`
pub fn drafting(id: &TaskId) -> String {
    format!("{DRAFTING}/{id}")
}

/// `masters/{master}/handoffs`
pub fn handoffs(master: &AgentName) -> String {
    format!("{MASTERS}/{master}/handoffs")
}

/// The spec of the worker of `attempt` while it lives.
pub fn active_spec(attempt: &AttemptId) -> String {
    format!("{SPECS_ACTIVE}/{attempt}.json")
}

/// Where the specs of workers go that are over.
pub fn specs(folder: SpecFolder) -> &'static str {
    match folder {
        SpecFolder::Completed => SPECS_COMPLETED,
        SpecFolder::Failed => SPECS_FAILED,
        SpecFolder::Zombie => SPECS_ZOMBIE,
    }
}

/// `workers/{id}`
pub fn worker(id: &WorkerId) -> String {
    format!("{WORKERS}/{id}")
}

/// One file of a worker's directory.
pub fn worker_file(id: &WorkerId, file: WorkerFile) -> String {
    format!("{WORKERS}/{id}/{}", file.name())
}

/// What a worker's directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerFile {
    /// Held by the worker, and by what it started, while it lives.
    AttemptLock,
    /// Who the process is; written by itself before it becomes its program.
    Identity,
    /// How it ended; written by its keeper, or by the holder where the keeper was killed.
    Exit,
    /// What it printed.
    Output,
    /// What it printed before that, as far as its limit lets us keep it.
    EarlierOutput,
    /// What it reports; written by the worker.
    Report,
    /// The work order; written by the built-in `brief` worker.
    Brief,
    /// What is run and how; written by the daemon.
    Launch,
    /// Signs of life; written by the worker.
    Heartbeat,
}

impl WorkerFile {
    /// Returns its name in the directory.
    pub const fn name(self) -> &'static str {
        match self {
            WorkerFile::AttemptLock => "attempt.lock",
            WorkerFile::Identity => "identity.json",
            WorkerFile::Exit => "exit.json",
            WorkerFile::Output => "output.log",
            WorkerFile::EarlierOutput => "output.log.1",
            WorkerFile::Report => "report.json",
            WorkerFile::Brief => "brief.md",
            WorkerFile::Launch => "launch.json",
            WorkerFile::Heartbeat => "heartbeat.json",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_directories_are_private_with_all_below_and_nothing_beside() {
        for (path, private) in [
            ("orchestrator/journal", true),
            ("orchestrator/answers/c-1.json", true),
            ("inbox/.claimed", true),
            ("inbox/.claimed-not", false),
            ("inbox", false),
            ("orchestrator", false),
            ("", false),
        ] {
            assert_eq!(is_private(path), private, "{path}");
        }
    }
}
