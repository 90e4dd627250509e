//! Files and directories: who may, what is left over, what cannot be used.

use std::os::unix::fs::MetadataExt;

use crate::clock;
use crate::domain::read::parse_json;
use crate::store::{EntryKind, layout};

use super::super::Client;
use super::{Finding, some};

/// Directories that only the daemon's user may enter.
const PRIVATE: [&str; 4] = [layout::JOURNAL, layout::ANSWERS, layout::CLAIMED, layout::QUARANTINE];

/// Directories from which something is taken.
const TRUSTED: [&str; 4] = ["", layout::INBOX, layout::SPECS_ACTIVE, layout::WORKERS];

/// A temporary file of ours that is older belongs to nobody any more.
const LEFTOVER_MS: i64 = 3_600_000;

/// Less free room is wrong; less than ten times as much is worth a note.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// No queue and no spec is longer.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Looks who may read and write.
pub(super) fn access(client: &Client) -> Vec<Finding> {
    const CHECK: &str = "access";
    let mut findings = Vec::new();
    let writable = rustix::fs::access(client.root(), rustix::fs::Access::WRITE_OK);
    if let Err(error) = writable {
        findings.push(Finding::wrong(
            CHECK,
            format!("{} cannot be written: {error}", client.root().display()),
            "run as the user that owns it, or `chown` it",
        ));
    }
    for dir in TRUSTED.iter().filter(|dir| client.store().is_world_writable(dir)) {
        let path = if dir.is_empty() { client.root().into() } else { client.root().join(dir) };
        findings.push(Finding::wrong(
            CHECK,
            format!("everybody may write into {}: nothing is taken from it", path.display()),
            format!("chmod o-w {}", path.display()),
        ));
    }
    for dir in PRIVATE {
        let Ok(meta) = std::fs::symlink_metadata(client.root().join(dir)) else { continue };
        if meta.mode() & 0o077 != 0 {
            findings.push(Finding::wrong(
                CHECK,
                format!("others may look into {dir} (mode {:04o})", meta.mode() & 0o7777),
                format!("chmod 700 {}", client.root().join(dir).display()),
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::good(CHECK, "the directory is ours to write, and not everybody's"));
    }
    findings
}

/// Looks how much room there is.
pub(super) fn space(client: &Client) -> Vec<Finding> {
    const CHECK: &str = "disk";
    let Ok(disk) = rustix::fs::statvfs(client.root()) else { return Vec::new() };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let message = format!("{} MiB are free", free >> 20);
    vec![if free < FREE_BYTES_MIN || (disk.f_files > 0 && disk.f_favail < 1_000) {
        let message = format!("{message}, and {} files can still be made", disk.f_favail);
        Finding::wrong(CHECK, message, "make room: a full disk stops the daemon")
    } else if free < FREE_BYTES_MIN * 10 {
        Finding::note(CHECK, message)
    } else {
        Finding::good(CHECK, message)
    }]
}

/// Looks whether the queue can be read.
pub(super) fn queue(client: &Client) -> Vec<Finding> {
    const CHECK: &str = "queue";
    match client.store().read(layout::TASK_QUEUE, FILE_BYTES_MAX) {
        Ok(None) => Vec::new(),
        Ok(Some(content)) => vec![match parse_json(&content.bytes, layout::TASK_QUEUE) {
            Ok(_) => match client.queue() {
                Ok(tasks) if tasks.len() == 1 => Finding::good(CHECK, "1 task is readable"),
                Ok(tasks) => Finding::good(CHECK, format!("{} tasks are readable", tasks.len())),
                Err(error) => Finding::wrong(CHECK, error.to_string(), "correct the file"),
            },
            Err(problem) => {
                let message = format!("{}: {}", problem.file, problem.message);
                Finding::wrong(CHECK, message, problem.remedy)
            }
        }],
        Err(error) => {
            let problem = error.problem();
            let message = format!("{}: {}", problem.file, problem.message);
            vec![Finding::wrong(CHECK, message, problem.remedy)]
        }
    }
}

/// Looks for temporary files that a crash left, where documents are put in place.
pub(super) fn leftovers(client: &Client) -> Vec<Finding> {
    let now_ms = clock::now().wall.as_ms();
    let mut old = Vec::new();
    for dir in ["", layout::INBOX, "orchestrator", layout::TASKS, layout::SUBTASKS] {
        let Ok(entries) = client.store().list(dir) else { continue };
        old.extend(
            entries
                .into_iter()
                .filter(|e| e.kind == EntryKind::File && e.name.ends_with(".tmp"))
                .filter(|e| now_ms - e.modified_ms > LEFTOVER_MS)
                .map(|e| if dir.is_empty() { e.name } else { format!("{dir}/{}", e.name) }),
        );
    }
    if old.is_empty() {
        return Vec::new();
    }
    vec![
        Finding::note("leftovers", format!("unfinished files lie around: {}", some(&old)))
            .remedy("remove them, if nobody is still writing them"),
    ]
}

/// Looks for worker specs that are not JSON.
pub(super) fn specs(client: &Client) -> Vec<Finding> {
    const CHECK: &str = "specs";
    let Ok(names) = client.files(layout::SPECS_ACTIVE, ".json") else { return Vec::new() };
    let mut broken = Vec::new();
    for name in &names {
        let path = format!("{}/{name}", layout::SPECS_ACTIVE);
        match client.store().read(&path, FILE_BYTES_MAX) {
            Ok(Some(content)) => {
                if let Err(problem) = parse_json(&content.bytes, name) {
                    broken.push(format!("{name} ({})", problem.message));
                }
            }
            Ok(None) => {}
            Err(error) => broken.push(format!("{name} ({})", error.word())),
        }
    }
    if broken.is_empty() {
        return Vec::new();
    }
    let (count, all) = (broken.len(), names.len());
    vec![Finding::wrong(
        CHECK,
        format!("{count} of {all} active worker specs cannot be used: {}", some(&broken)),
        format!("correct or remove them in {}/; everything else goes on", layout::SPECS_ACTIVE),
    )]
}

/// Counts what was refused or set aside: it is told once, and stays until somebody removes it.
pub(super) fn refused(client: &Client) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut rejected = client.files(layout::REJECTED, layout::REASON_ENDING).unwrap_or_default();
    // Whoever gave a command has its answer.
    let answers = client.files(layout::ANSWERS, ".json").unwrap_or_default();
    rejected.retain(|name| {
        let file = name.trim_end_matches(layout::REASON_ENDING);
        !answers.contains(&format!("{}.json", file.trim_end_matches(".json")))
    });
    if !rejected.is_empty() {
        let names: Vec<String> =
            rejected.iter().map(|n| n.trim_end_matches(layout::REASON_ENDING).into()).collect();
        let message = format!("dropped files were refused: {}", some(&names));
        let remedy = format!(
            "each has its reason beside it in {}/; correct it, drop it again, remove both",
            layout::REJECTED
        );
        findings.push(Finding::note("inbox", message).remedy(remedy));
    }
    let set_aside = client.files(layout::QUARANTINE, "").unwrap_or_default();
    if !set_aside.is_empty() {
        let message = format!("copies of unusable files are kept: {}", some(&set_aside));
        let remedy = format!("look at {}/ and remove what is settled", layout::QUARANTINE);
        findings.push(Finding::note("quarantine", message).remedy(remedy));
    }
    findings
}
