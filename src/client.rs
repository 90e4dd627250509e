//! Reads documents, drops tasks and commands, waits for their outcome.
//!
//! The daemon is spoken to by files alone, so most of this works while it is down.

pub mod agents;
pub mod batch;
pub mod checkup;
pub mod documents;
pub mod explain;
pub mod find;
pub mod follow;
pub mod handoffs;
pub mod history;
pub mod make;
pub mod outside;
pub mod preview;
pub mod progress;
pub mod reports;
pub mod request;
pub mod same;
pub mod stats;
pub mod story;
pub mod survey;
pub mod tail;
pub mod wait;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thiserror::Error;

use crate::clock;
use crate::domain::ids::CommandId;
use crate::domain::moment::Timestamp;
use crate::domain::{Record, State};
use crate::journal::{self, JournalError};
use crate::store::{EntryKind, Published, ReadError, Store, StoreError, layout};

/// One coordination directory, as its users see it.
#[derive(Debug, Clone)]
pub struct Client {
    store: Store,
}

/// Why something in the directory could not be read or dropped.
#[derive(Debug, Error)]
pub enum ClientError {
    /// There is no such directory.
    #[error("there is no coordination directory at {}", path.display())]
    NoDirectory {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The directory, or writing in it, failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A document is not what it should be.
    #[error("cannot understand {path}: {problem}")]
    NotADocument {
        /// Which, relative to the directory.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file of that name is there already.
    #[error("cannot drop {path}: a file of that name is there already")]
    NameTaken {
        /// Which, relative to the directory.
        path: String,
    },
    /// The events could not be followed.
    #[error("cannot read {}: {source}", layout::DASHBOARD_EVENTS)]
    Events {
        /// What the system said.
        source: std::io::Error,
    },
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The directory could not be made.
    #[error("cannot make {}: {problem}", path.display())]
    CannotMake {
        /// Where it was to be.
        path: PathBuf,
        /// What is in the way.
        problem: String,
    },
}

/// What sort of failure it is, for an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The directory is not there.
    NoDirectory,
    /// Something cannot be made: there is no room, or something is in the way.
    CannotCreate,
    /// Reading or writing failed.
    Io,
}

impl ClientError {
    /// Returns what sort of failure it is.
    pub fn fault(&self) -> Fault {
        match self {
            ClientError::NoDirectory { .. }
            | ClientError::Store(StoreError::Open { .. } | StoreError::Gone { .. }) => {
                Fault::NoDirectory
            }
            ClientError::NameTaken { .. }
            | ClientError::CannotMake { .. }
            | ClientError::Store(StoreError::Full { .. }) => Fault::CannotCreate,
            ClientError::Store(_)
            | ClientError::Read(_)
            | ClientError::NotADocument { .. }
            | ClientError::Journal(_)
            | ClientError::Events { .. } => Fault::Io,
        }
    }

    /// Returns what can be done about it.
    pub fn remedy(&self) -> String {
        match self {
            ClientError::NoDirectory { .. } => {
                "`baton init` makes one; --coordination DIR names another".into()
            }
            ClientError::NameTaken { .. } => "try again".into(),
            ClientError::CannotMake { .. } => {
                "choose a place that you may write to: `baton init DIR`".into()
            }
            ClientError::Read(error) => error.problem().remedy,
            ClientError::Store(_)
            | ClientError::NotADocument { .. }
            | ClientError::Journal(_)
            | ClientError::Events { .. } => {
                "`baton doctor` says what is wrong with the directory".into()
            }
        }
    }
}

/// No document is longer; a plan of 10,000 subtasks has about 20 MiB.
const DOCUMENT_BYTES_MAX: u64 = 256 << 20;

/// How long a command may wait for a daemon before it must not be carried out any more.
pub const COMMAND_EXPIRES_MS: u64 = 3_600_000;

/// Returns the coordination directory that belongs to `here`: its own `coordination/`, else that
/// of the nearest parent that has one, else its own although it is not there.
pub fn locate(here: &Path) -> PathBuf {
    here.ancestors()
        .map(|dir| dir.join("coordination"))
        .find(|dir| dir.is_dir())
        .unwrap_or_else(|| here.join("coordination"))
}

impl Client {
    /// Opens the coordination directory at `dir`.
    ///
    /// # Errors
    /// It is not there, is no directory, or may not be entered.
    pub fn open(dir: &Path) -> Result<Self, ClientError> {
        if !dir.is_dir() {
            return Err(ClientError::NoDirectory { path: dir.to_path_buf() });
        }
        Ok(Self { store: Store::open(dir)? })
    }

    /// Returns the absolute path of the directory.
    pub fn root(&self) -> &Path {
        self.store.root()
    }

    /// Returns the store beneath.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Reads a JSON document; `None` when it is not there.
    ///
    /// # Errors
    /// It cannot be read, or is not JSON.
    pub fn value(&self, path: &str) -> Result<Option<Value>, ClientError> {
        self.document(path)
    }

    /// Reads a JSON document of a known kind; `None` when it is not there.
    ///
    /// # Errors
    /// It cannot be read, or is not of that kind.
    pub fn document<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ClientError> {
        let Some(content) = self.store.read(path, DOCUMENT_BYTES_MAX)? else { return Ok(None) };
        serde_json::from_slice(&content.bytes).map(Some).map_err(|e| ClientError::NotADocument {
            path: path.to_owned(),
            problem: e.to_string(),
        })
    }

    /// Reads every decision that the journal still has, oldest first; none where no daemon was yet.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn records(
        &self,
    ) -> Result<impl Iterator<Item = Result<Record, JournalError>> + use<>, ClientError> {
        let has_journal = self.store.exists(layout::JOURNAL);
        let dir = self.root().join(layout::JOURNAL);
        let reader = has_journal.then(|| journal::read(&dir, 0)).transpose()?;
        Ok(reader.into_iter().flatten())
    }

    /// Returns all that the journal says, as the daemon knows it; nothing where no daemon was yet.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn state(&self) -> Result<State, ClientError> {
        if !self.store.exists(layout::JOURNAL) {
            return Ok(State::default());
        }
        Ok(journal::fold(&self.root().join(layout::JOURNAL))?)
    }

    /// Reads a text file; `None` when it is not there. Bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn text(&self, path: &str) -> Result<Option<String>, ClientError> {
        let content = self.store.read(path, DOCUMENT_BYTES_MAX)?;
        Ok(content.map(|content| String::from_utf8_lossy(&content.bytes).into_owned()))
    }

    /// Lists the files of a directory whose names end in `ending`, sorted; dot-files are left out.
    ///
    /// # Errors
    /// The directory is there and cannot be read.
    pub fn files(&self, dir: &str, ending: &str) -> Result<Vec<String>, ClientError> {
        let is_shown = |name: &str| name.ends_with(ending) && !name.starts_with('.');
        let entries = self.store.list(dir)?.into_iter();
        Ok(entries
            .filter(|entry| entry.kind == EntryKind::File && is_shown(&entry.name))
            .map(|entry| entry.name)
            .collect())
    }

    /// Returns where the events of the dashboard are.
    pub fn events_path(&self) -> PathBuf {
        self.root().join(layout::DASHBOARD_EVENTS)
    }

    /// Returns the process id of the daemon that has this directory, `None` when there is none.
    ///
    /// It looks who has the lock on the directory and takes none itself, so that a daemon that
    /// starts at the same time is not in its way.
    pub fn daemon(&self) -> Option<u32> {
        flock_holder(self.root())
    }

    /// Returns the process id of whoever has the lock file at `path`, `None` when nobody has.
    pub fn lock_holder(&self, path: &str) -> Option<u32> {
        flock_holder(&self.root().join(path))
    }

    /// Returns where a daemon that was started beside a command logs to; the directory of the log is
    /// made.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn daemon_log(&self) -> Result<PathBuf, ClientError> {
        self.store.create_dirs("orchestrator")?;
        Ok(self.root().join(layout::DAEMON_LOG))
    }

    /// Checks that the directory is still the one that was opened.
    ///
    /// # Errors
    /// It was removed, or another one is in its place.
    pub fn still_there(&self) -> Result<(), ClientError> {
        Ok(self.store.still_there()?)
    }

    /// Returns the directories whose change may be what a wait for work waits for; those that no
    /// daemon has made yet are made, since only what is there can be watched.
    ///
    /// # Errors
    /// One of them cannot be made.
    pub fn watched(&self) -> Result<Vec<PathBuf>, ClientError> {
        let dirs = [
            layout::TASKS,
            layout::SUBTASKS,
            layout::COMPLETIONS,
            layout::REJECTED,
            layout::ANSWERS,
        ];
        let mut paths = vec![self.root().to_path_buf()];
        for dir in dirs {
            self.store.create_dirs(dir)?;
            paths.push(self.root().join(dir));
        }
        Ok(paths)
    }

    /// Puts a file into the drop box under a name that is not taken.
    ///
    /// # Errors
    /// The name is taken, or the drop box cannot be written.
    pub fn drop_file(&self, name: &str, bytes: &[u8]) -> Result<(), ClientError> {
        self.store.create_dirs(layout::INBOX)?;
        let path = format!("{}/{name}", layout::INBOX);
        match self.store.publish(&path, bytes, true)? {
            Published::New => Ok(()),
            Published::AlreadyThere => Err(ClientError::NameTaken { path }),
        }
    }

    /// Drops a command and returns its id; the answer comes under that id. Of `args` there may be
    /// none.
    ///
    /// # Errors
    /// As [`Client::drop_file`].
    pub fn drop_command(
        &self,
        verb: &str,
        target: &str,
        args: &[(&str, &str)],
    ) -> Result<Commanded, ClientError> {
        let now = clock::now();
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let id = format!("{verb}-{}", &unique[..12]);
        let command_id = CommandId::parse(&id).map_err(|e| ClientError::NotADocument {
            path: layout::INBOX.to_owned(),
            problem: e.to_string(),
        })?;
        let expires_at = now.plus_ms(COMMAND_EXPIRES_MS).wall;
        let mut command = json!({
            "schema": "baton/command@1",
            "command_id": command_id,
            "verb": verb,
            "target": target,
            "created_at": now.wall,
            "expires_at": expires_at,
        });
        if !args.is_empty() {
            command["args"] = args.iter().map(|(name, value)| (*name, json!(value))).collect();
        }
        self.drop_file(&format!("{command_id}.json"), format!("{command:#}\n").as_bytes())?;
        Ok(Commanded { command_id, expires_at })
    }
}

/// A command that was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commanded {
    /// Its id.
    pub command_id: CommandId,
    /// From when on it must not be carried out.
    pub expires_at: Timestamp,
}

fn flock_holder(path: &Path) -> Option<u32> {
    let stat = rustix::fs::stat(path).ok()?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let (major, minor) = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    lock_holder(&locks, major, minor, stat.st_ino)
}

/// Finds who has an exclusive `flock` on a file, in the text of `/proc/locks`.
fn lock_holder(locks: &str, major: u32, minor: u32, inode: u64) -> Option<u32> {
    let wanted = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, file, ..] = fields.as_slice() else { return None };
        (*file == wanted).then(|| pid.parse().ok())?
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write the documents that are read")]
pub(crate) mod tests {
    use super::*;

    /// Makes an empty coordination directory and opens it.
    pub(crate) fn directory() -> (tempfile::TempDir, Client) {
        let dir = tempfile::tempdir().unwrap();
        let client = Client::open(dir.path()).unwrap();
        (dir, client)
    }

    /// Writes a file below a coordination directory.
    pub(crate) fn write(client: &Client, path: &str, text: &str) {
        let path = client.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_nearest_coordination_directory_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(locate(&deep), deep.join("coordination"));
        std::fs::create_dir(dir.path().join("coordination")).unwrap();
        assert_eq!(locate(&deep), dir.path().join("coordination"));
        std::fs::create_dir(deep.join("coordination")).unwrap();
        assert_eq!(locate(&deep), deep.join("coordination"));
    }

    #[test]
    fn the_daemon_is_known_by_its_lock() {
        let (_dir, client) = directory();
        assert_eq!(client.daemon(), None);
        let _lock = client.store().lock_directory().unwrap();
        assert_eq!(client.daemon(), Some(std::process::id()));
        let locks =
            "1: FLOCK  ADVISORY  WRITE 77 fd:01:5 0 EOF\n2: POSIX ADVISORY WRITE 9 fd:01:6 0 EOF\n";
        assert_eq!(lock_holder(locks, 0xfd, 1, 5), Some(77));
        assert_eq!(lock_holder(locks, 0xfd, 1, 6), None);
    }

    #[test]
    fn commands_are_dropped_whole_with_an_end() {
        let (_dir, client) = directory();
        let dropped = client.drop_command("cancel", "orch-task-1", &[]).unwrap();
        let path = format!("inbox/{}.json", dropped.command_id);
        let command = client.value(&path).unwrap().unwrap();
        assert_eq!(command["schema"], "baton/command@1");
        assert_eq!(
            (&command["verb"], &command["target"]),
            (&json!("cancel"), &json!("orch-task-1"))
        );
        assert_eq!(command["expires_at"], json!(dropped.expires_at));
        assert_eq!(command.get("args"), None);
        let dropped = client.drop_command("assign", "a-1", &[("to", "security")]).unwrap();
        let command = client.value(&format!("inbox/{}.json", dropped.command_id)).unwrap().unwrap();
        assert_eq!(command["args"], json!({"to": "security"}));
        assert!(matches!(
            client.drop_file(&format!("{}.json", dropped.command_id), b"{}"),
            Err(ClientError::NameTaken { .. })
        ));
    }

    #[test]
    fn a_missing_directory_and_a_broken_document_are_told() {
        let (dir, client) = directory();
        let error = Client::open(&dir.path().join("none")).unwrap_err();
        assert!(error.to_string().starts_with("there is no coordination directory at "));
        write(&client, "orchestrator/state/current.json", "{");
        let error = client.value("orchestrator/state/current.json").unwrap_err().to_string();
        assert!(error.starts_with("cannot understand orchestrator/state/current.json: EOF"));
        assert_eq!(client.value("orchestrator/none.json").unwrap(), None);
    }
}
