//! Knows the agents: reads what describes them, wherever that is and however it is written. And what
//! they work in: [`look_at`] says what is in a workspace.
//!
//! Nothing that is read here is run. An oddity is noted and stops nothing; of two agents with one
//! name it is known which one stands.

mod agent_files;
mod frontmatter;
mod index;
mod list;
mod masters;
mod merge;
mod workspace;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

use crate::domain::Policy;
use crate::domain::agent::{Agent, AgentSource, Oddity, Severity};

pub use workspace::look_at;

/// The agents that are known, and what is odd about their files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry {
    /// Sorted by source, then by id.
    pub agents: Vec<Agent>,
    /// Sorted by file and line.
    pub oddities: Vec<Oddity>,
}

/// A place where agents are described.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// The masters of the settings.
    Masters(&'a Policy),
    /// A folder of agent files, or one such file.
    Files {
        /// Where.
        path: &'a Path,
        /// Whose.
        source: AgentSource,
    },
    /// A JSON document.
    Json {
        /// Where it was read.
        path: &'a Path,
        /// What it says.
        value: &'a Value,
    },
}

/// One way to describe agents.
pub struct Reader {
    /// What it is called in messages.
    pub name: &'static str,
    /// Returns what it finds; nothing if the place is not described its way.
    pub read: fn(Place<'_>) -> Option<Registry>,
}

/// The readers; the first one that takes a place reads it.
pub const ROSTER: &[&Reader] =
    &[&masters::READER, &agent_files::READER, &index::READER, &list::READER];

/// Why a registry could not be read.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// There is no such file, or it may not be read.
    #[error("cannot read agents from {}: {cause}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// It is not JSON.
    #[error("cannot read agents from {}: line {line} is not JSON: {problem}", path.display())]
    NotJson {
        /// Which.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Nobody knows its form.
    #[error("cannot read agents from {}: it is JSON, but no list of agents", path.display())]
    UnknownForm {
        /// Which.
        path: PathBuf,
    },
}

impl RegistryError {
    /// Returns what can be done about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            RegistryError::Read { .. } => "name a folder of agent files, an index or a JSON list",
            RegistryError::NotJson { .. } => "a list is [{\"name\": .., \"description\": ..}, ..]",
            RegistryError::UnknownForm { .. } => {
                "write [{\"name\": .., \"description\": ..}, ..], or {\"agents\": [..]}"
            }
        }
    }
}

/// No list of agents is longer.
const JSON_BYTES_MAX: u64 = 64 << 20;

impl Registry {
    /// Reads the masters, the agent files of a project and those of its user.
    pub fn of_project(policy: &Policy, workspace: &Path, home: Option<&Path>) -> Registry {
        let mut registry = read(Place::Masters(policy)).unwrap_or_default();
        let folders = [(AgentSource::Project, Some(workspace)), (AgentSource::User, home)];
        for (source, folder) in folders {
            let Some(path) = folder.map(|folder| folder.join(".claude/agents")) else { continue };
            if path.is_dir() {
                let found = read(Place::Files { path: &path, source }).unwrap_or_default();
                registry.agents.extend(found.agents);
                registry.oddities.extend(found.oddities);
            }
        }
        merge::merged(registry)
    }

    /// Reads a folder of agent files, an agent file, an index or a list.
    ///
    /// # Errors
    /// It cannot be read, or nobody knows its form.
    pub fn open(path: &Path) -> Result<Registry, RegistryError> {
        let cannot = |cause| RegistryError::Read { path: path.to_owned(), cause };
        let metadata = std::fs::metadata(path).map_err(cannot)?;
        let index = path.join("index.json");
        let source = AgentSource::Project;
        if metadata.is_dir() {
            let found = read(Place::Files { path, source }).unwrap_or_default();
            let is_bare = found.agents.is_empty() && index.is_file();
            return if is_bare { Self::open_json(&index) } else { Ok(merge::merged(found)) };
        }
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("md")) {
            let found = read(Place::Files { path, source }).unwrap_or_default();
            return Ok(merge::merged(found));
        }
        Self::open_json(path)
    }

    fn open_json(path: &Path) -> Result<Registry, RegistryError> {
        let cannot = |cause| RegistryError::Read { path: path.to_owned(), cause };
        let bytes = bytes_of(path, JSON_BYTES_MAX).map_err(cannot)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let value: Value = serde_json::from_slice(bytes).map_err(|e| RegistryError::NotJson {
            path: path.to_owned(),
            line: e.line(),
            problem: e.to_string(),
        })?;
        let found = read(Place::Json { path, value: &value });
        found.map(merge::merged).ok_or_else(|| RegistryError::UnknownForm { path: path.to_owned() })
    }

    /// Finds an agent by its id, else by its name, else by either without regard to case.
    pub fn find(&self, wanted: &str) -> Option<&Agent> {
        let by = |is: &dyn Fn(&Agent) -> bool| self.agents.iter().find(|agent| is(agent));
        by(&|agent| agent.id == wanted).or_else(|| by(&|agent| agent.name == wanted)).or_else(
            || {
                by(&|agent| {
                    agent.id.eq_ignore_ascii_case(wanted) || agent.name.eq_ignore_ascii_case(wanted)
                })
            },
        )
    }
}

/// Asks the readers, one after the other.
fn read(place: Place<'_>) -> Option<Registry> {
    ROSTER.iter().find_map(|reader| (reader.read)(place))
}

/// Reads a regular file up to a limit; what is no file is refused and never waited for.
fn bytes_of(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    use std::io::{Error, ErrorKind, Read as _};
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is no file"));
    }
    if metadata.len() > limit {
        let problem = format!("it has {} bytes, and {limit} is the limit", metadata.len());
        return Err(Error::new(ErrorKind::FileTooLarge, problem));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An oddity of a file as a whole.
fn oddity(path: &str, severity: Severity, message: String, remedy: &str) -> Oddity {
    let (path, remedy) = (path.to_owned(), remedy.to_owned());
    Oddity { path, line: 0, severity, field: String::new(), message, remedy }
}
