//! Handoffs as masters see them: what waits, what was taken, and taking one.

use serde::Serialize;

use crate::domain::ids::AgentName;
use crate::store::{EntryKind, Renamed, layout};

use super::documents::HandoffDocument;
use super::{Client, ClientError};

/// One handoff file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HandoffFile {
    /// Where it is, relative to the directory.
    pub path: String,
    /// The master it is for.
    pub master: String,
    /// Its file's name without any ending.
    pub name: String,
    /// Whether it can be taken.
    pub state: HandoffState,
}

/// Whether a handoff can be taken; its file's ending says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HandoffState {
    /// It waits for its master.
    Waiting,
    /// Somebody has it.
    Taken,
    /// Baton took it back.
    Withdrawn,
}

/// What came of taking a handoff.
#[derive(Debug, Clone, PartialEq)]
pub enum Take {
    /// It is ours; this is where it is now.
    Taken {
        /// Relative to the directory.
        path: String,
    },
    /// Somebody else was faster, or it was taken back.
    Gone,
}

impl HandoffState {
    /// Returns the word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            HandoffState::Waiting => "waiting",
            HandoffState::Taken => "taken",
            HandoffState::Withdrawn => "withdrawn",
        }
    }
}

impl Client {
    /// Tells whether `name` is a master that was ever given work.
    pub fn has_master(&self, name: &str) -> bool {
        AgentName::parse(name)
            .is_ok_and(|master| self.root().join("masters").join(master.as_str()).is_dir())
    }

    /// Lists the handoff files of all masters, sorted by master and name.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn handoff_files(&self) -> Result<Vec<HandoffFile>, ClientError> {
        let masters = self.store().list(layout::MASTERS)?;
        let mut files = Vec::new();
        for entry in masters.iter().filter(|entry| entry.kind == EntryKind::Dir) {
            let Ok(master) = AgentName::parse(&entry.name) else { continue };
            let dir = layout::handoffs(&master);
            let entries = self.store().list(&dir)?.into_iter();
            let named = entries
                .filter(|entry| entry.kind == EntryKind::File && !entry.name.starts_with('.'));
            files.extend(named.filter_map(|entry| {
                let (name, state) = state_of(&entry.name)?;
                Some(HandoffFile {
                    path: format!("{dir}/{}", entry.name),
                    master: master.to_string(),
                    name: name.to_owned(),
                    state,
                })
            }));
        }
        Ok(files)
    }

    /// Reads a handoff; `None` when its file is gone.
    ///
    /// # Errors
    /// It cannot be read or is no handoff.
    pub fn handoff(&self, file: &HandoffFile) -> Result<Option<HandoffDocument>, ClientError> {
        self.document(&file.path)
    }

    /// Takes a handoff by renaming its file; of two who try, one succeeds.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn take(&self, file: &HandoffFile) -> Result<Take, ClientError> {
        let path = format!("{}.processed", file.path);
        match self.store().rename(&file.path, &path)? {
            Renamed::Done => Ok(Take::Taken { path }),
            Renamed::SourceGone | Renamed::TargetExists => Ok(Take::Gone),
        }
    }
}

impl HandoffFile {
    /// Tells whether a person means this file: by its name, its path, its subtask or its attempt.
    pub fn is_meant_by(&self, target: &str) -> bool {
        let name = target.rsplit('/').next().unwrap_or(target);
        let name = state_of(name).map_or(name, |(name, _)| name);
        let own = without_attempt(&self.name);
        let subtask = own.strip_prefix(&format!("to-{}-", self.master)).unwrap_or(own);
        let subtask = subtask.strip_prefix("subtask-").unwrap_or(subtask);
        let is_same_attempt = without_attempt(name) == name || attempt(name) == attempt(&self.name);
        self.name == name || own == name || (without_attempt(name) == subtask && is_same_attempt)
    }
}

fn state_of(file: &str) -> Option<(&str, HandoffState)> {
    [
        (".json", HandoffState::Waiting),
        (".json.processed", HandoffState::Taken),
        (".json.withdrawn", HandoffState::Withdrawn),
    ]
    .into_iter()
    .find_map(|(ending, state)| Some((file.strip_suffix(ending)?, state)))
}

fn without_attempt(name: &str) -> &str {
    match name.rsplit_once("-attempt-") {
        Some((stem, number)) if number.bytes().all(|b| b.is_ascii_digit()) => stem,
        Some(_) | None => name,
    }
}

/// The first attempt bears no number in the name of its handoff.
fn attempt(name: &str) -> &str {
    name.strip_prefix(without_attempt(name))
        .and_then(|ending| ending.strip_prefix("-attempt-"))
        .unwrap_or("1")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{directory, write};
    use super::*;

    #[test]
    fn one_of_two_takers_has_it() {
        let (_dir, client) = directory();
        let path = "masters/development/handoffs/to-development-subtask-auth-001-design.json";
        write(&client, path, r#"{"to": "development"}"#);
        write(&client, "masters/development/handoffs/.baton-1-1.tmp", "");
        write(&client, "masters/not a master/handoffs/to-x.json", "{}");
        let files = client.handoff_files().unwrap();
        let [file] = files.as_slice() else { panic!("{files:?}") };
        assert_eq!(file.state, HandoffState::Waiting);
        let taken = client.take(file).unwrap();
        assert_eq!(taken, Take::Taken { path: format!("{path}.processed") });
        assert_eq!(client.take(file).unwrap(), Take::Gone);
        assert_eq!(client.handoff_files().unwrap()[0].state, HandoffState::Taken);
    }

    #[test]
    fn handoffs_are_known_by_every_name_they_have() {
        let file = |name: &str| HandoffFile {
            path: format!("masters/security/handoffs/{name}.json"),
            master: "security".into(),
            name: name.into(),
            state: HandoffState::Waiting,
        };
        let first = file("to-security-subtask-auth-005-audit");
        let second = file("to-security-subtask-auth-005-audit-attempt-2");
        for (target, means_first, means_second) in [
            ("to-security-subtask-auth-005-audit", true, true),
            ("to-security-subtask-auth-005-audit-attempt-2", false, true),
            ("masters/security/handoffs/to-security-subtask-auth-005-audit.json", true, true),
            ("auth-005-audit", true, true),
            ("auth-005-audit-attempt-1", true, false),
            ("auth-005-audit-attempt-2", false, true),
            ("auth-005", false, false),
        ] {
            assert_eq!(first.is_meant_by(target), means_first, "{target}");
            assert_eq!(second.is_meant_by(target), means_second, "{target}");
        }
        assert!(file("to-security-task-7").is_meant_by("task-7"));
    }
}
