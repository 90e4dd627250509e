//! What is wrong with a coordination directory, and what to do about it.

mod files;
mod life;
mod work;

use serde::Serialize;

use crate::domain::Policy;
use crate::journal;
use crate::store::layout;

use super::Client;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in one word.
    pub check: &'static str,
    /// Whether it is as it should be.
    pub level: Level,
    /// What was found.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Something has to be done.
    Wrong,
    /// Good to know.
    Note,
    /// As it should be.
    Good,
}

impl Finding {
    /// Says that something is as it should be.
    pub fn good(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, level: Level::Good, message: message.into(), remedy: None }
    }

    /// Says what is good to know.
    pub fn note(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, level: Level::Note, message: message.into(), remedy: None }
    }

    /// Says what is wrong and what to do about it.
    pub fn wrong(
        check: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { remedy: Some(remedy.into()), ..Self::note(check, message) }.at(Level::Wrong)
    }

    /// Adds what can be done about a note.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    fn at(mut self, level: Level) -> Self {
        self.level = level;
        self
    }
}

/// Names that one finding lists before it counts the rest.
const NAMES_MAX: usize = 5;

/// Looks at everything in the directory; the settings are for the caller to look at. Without any
/// it is not known what waits for what.
pub fn examine(client: &Client, policy: Option<&Policy>) -> Vec<Finding> {
    let mut findings = daemon(client);
    findings.extend(files::access(client));
    findings.extend(files::space(client));
    findings.extend(journal_health(client));
    findings.extend(files::queue(client));
    findings.extend(files::leftovers(client));
    findings.extend(files::specs(client));
    findings.extend(files::refused(client));
    findings.extend(work::blocked(client));
    findings.extend(work::waiting(client));
    findings.extend(life::life(client, policy));
    findings
}

fn daemon(client: &Client) -> Vec<Finding> {
    let mut findings = vec![match client.daemon() {
        Some(pid) => Finding::good("daemon", format!("a daemon has this directory (pid {pid})")),
        None => Finding::note("daemon", "no daemon is running here")
            .remedy("`baton daemon` starts one; what is dropped meanwhile waits in the inbox"),
    }];
    if let Some(pid) = client.lock_holder(layout::HOLDER_LOCK) {
        findings.push(Finding::good("holder", format!("workers have a parent (pid {pid})")));
    }
    if let Some(pid) = client.lock_holder(layout::TASK_QUEUE_LOCK) {
        let message = format!("process {pid} has the lock of {} right now", layout::TASK_QUEUE);
        findings.push(Finding::note("lock", message).remedy(format!(
            "nothing, unless it stays so: then look at `ps -p {pid}`, which keeps the queue from \
             everybody"
        )));
    }
    findings
}

fn journal_health(client: &Client) -> Vec<Finding> {
    const CHECK: &str = "journal";
    if !client.store().exists(layout::JOURNAL) {
        return vec![Finding::note(CHECK, "there is no journal: no daemon has been here yet")];
    }
    let broken = |error: String| {
        Finding::wrong(
            CHECK,
            error,
            format!(
                "keep a copy of {} and put a good one back; without it, what was decided is lost",
                layout::JOURNAL
            ),
        )
    };
    let records = match journal::read(&client.root().join(layout::JOURNAL), 0) {
        Ok(records) => records,
        Err(error) => return vec![broken(error.to_string())],
    };
    let mut decisions = 0_u64;
    let mut events = 0;
    for record in records {
        match record {
            Ok(record) => {
                decisions += 1;
                events = record.last_seq();
            }
            Err(error) => return vec![broken(error.to_string())],
        }
    }
    let message = match decisions {
        1 => format!("1 decision up to event {events} is readable"),
        _ => format!("{decisions} decisions up to event {events} are readable"),
    };
    vec![Finding::good(CHECK, message)]
}

/// Lists some names and counts the rest: `a, b and 3 more`.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{directory, write};
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn wrong(client: &Client) -> Vec<Finding> {
        examine(client, None).into_iter().filter(|f| f.level == Level::Wrong).collect()
    }

    fn set_mode(client: &Client, path: &str, mode: u32) {
        let path = client.root().join(path);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn an_empty_directory_has_nothing_wrong() {
        let (_dir, client) = directory();
        assert_eq!(wrong(&client), []);
        assert!(
            examine(&client, None).iter().any(|f| f.check == "daemon" && f.level == Level::Note)
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_a_remedy() {
        type Spoil = fn(&Client);
        let cases: [(&str, &str, Spoil); 9] = [
            ("blocked", "[r] retry differently: baton retry task-2, or [a] abort", |c| {
                let subtask = r#"{"subtask_id": "task-2", "parent_task_id": "task-2",
                    "status": "blocked", "attempts": [{"reason": "exit code 2"}]}"#;
                write(c, "orchestrator/subtasks/task-2.json", subtask);
            }),
            ("queue", "task-queue.json", |c| write(c, "task-queue.json", "{\"tasks\": [")),
            ("queue", "symbolic link", |c| {
                symlink("/etc/passwd", c.root().join("task-queue.json")).unwrap();
            }),
            ("access", "everybody may write", |c| set_mode(c, "inbox", 0o777)),
            ("access", "others may look into", |c| set_mode(c, "orchestrator/journal", 0o755)),
            ("specs", "worker-1.json", |c| {
                write(c, "worker-specs/active/worker-1.json", "{\"a\": ,}");
            }),
            ("journal", "segment-00000000000000000001.jsonl", |c| {
                let text = "00000000 {}\n00000000 {}\n";
                write(c, "orchestrator/journal/segment-00000000000000000001.jsonl", text);
                set_mode(c, "orchestrator/journal", 0o700);
            }),
            ("blocked", "baton retry x", |c| {
                let plan = r#"{"status": "blocked", "orchestration_id": "orch-t",
                    "blocking_subtask": "x", "failure_reason": "exit code 2",
                    "options": ["baton retry x"]}"#;
                write(c, "orchestrator/tasks/orch-t.json", plan);
                let overview = r#"{"current_orchestrations":
                    [{"orchestration_id": "orch-t", "status": "blocked", "health": "blocked"}]}"#;
                write(c, "orchestrator/state/current.json", overview);
            }),
            ("handoffs", "to-x-subtask-y.json", |c| {
                write(c, "masters/x/handoffs/to-x-subtask-y.json", "no json");
            }),
        ];
        for (check, says, spoil) in cases {
            let (_dir, client) = directory();
            spoil(&client);
            let findings = wrong(&client);
            let [finding] = findings.as_slice() else { panic!("{check} {says}: {findings:?}") };
            assert_eq!(finding.check, check);
            let text = format!("{} {:?}", finding.message, finding.remedy);
            assert!(text.contains(says), "{says} is not in {text}");
            assert!(finding.remedy.is_some());
        }
    }

    #[test]
    fn long_lists_are_counted() {
        let names: Vec<String> = (1..=7).map(|n| n.to_string()).collect();
        assert_eq!(some(&names), "1, 2, 3, 4, 5 and 2 more");
        assert_eq!(some(&names[..2]), "1, 2");
    }
}
