//! Settings: defaults, then `coordination/baton.toml`, then environment, then flags.
//!
//! A setting that is not understood is an error with its place and a remedy, never a guess:
//! [`settings::SETTINGS`] is the closed list, `masters` reads the `[masters.NAME]` tables, `planners`
//! the `[planners.NAME]` tables and `supervision` what is set otherwise for the workers of a master or of a type.

mod file;
mod init;
mod layers;
mod masters;
mod planners;
mod problem;
pub mod settings;
mod supervision;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::backend::BackendSettings;
use crate::domain::Policy;
use crate::domain::ids::AgentName;
use crate::drafter::PlannerSettings;

pub use init::{AgentProgram, InitFile, find_agents, init_files};
pub use planners::EMBEDDED;
pub use problem::{ConfigError, Place, SettingError};

/// The file below `coordination/` that the operator writes.
pub const FILE_NAME: &str = "baton.toml";

/// Every setting, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What the domain compares with.
    pub policy: Policy,
    /// How the workers of each master that Baton launches are started. A master that is not in
    /// here is external.
    pub backends: BTreeMap<AgentName, BackendSettings>,
    /// Working directory of workers and root of `files_affected` and `deliverables`: absolute,
    /// without links, and there.
    pub workspace: PathBuf,
    /// The daemon's own pace.
    pub daemon: DaemonSettings,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Planners beside the embedded one, by name. Only the file names them.
    pub planners: BTreeMap<String, PlannerSettings>,
    /// Who drafts plans: [`EMBEDDED`], or one of `planners`.
    pub planner: String,
    /// Whether what was remembered of agents is used.
    pub learning: bool,
    /// Whether there was a file.
    pub source: ConfigSource,
}

/// The daemon's own pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaemonSettings {
    /// Longest time between two looks at everything.
    pub tick_ms: u64,
    /// Longest time that an overview document may lag behind the journal.
    pub overview_delay_ms: u64,
    /// How long a drain waits for what the daemon itself has begun; workers live on.
    pub drain_grace_ms: u64,
    /// Inputs that are decided before their records are synced.
    pub batch_max: usize,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// A level (`info`) or directives per module (`info,baton::intake=debug`).
    pub filter: String,
    /// For people or for programs.
    pub form: LogForm,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// One readable line.
    Human,
    /// One JSON object a line.
    Json,
}

/// Where the settings came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigSource {
    /// There is no `baton.toml`: every master is external.
    Defaults,
    /// This file.
    File(PathBuf),
}

/// Settings given as flags; they win over everything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--workspace DIR`, relative to the current directory.
    pub workspace: Option<PathBuf>,
    /// Keys of [`settings::SETTINGS`] and their values as text, the last one of a key winning.
    pub set: Vec<(String, String)>,
}

impl Config {
    /// Reads the settings of the directory `coordination`; `env` looks up an environment variable.
    ///
    /// # Errors
    /// `baton.toml` cannot be read, may have been written by somebody else than the operator, or
    /// holds something that is unknown, of the wrong type, out of range or contradictory; or a
    /// variable or a flag does.
    pub fn load(
        coordination: &Path,
        env: &dyn Fn(&str) -> Option<String>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let directory = std::fs::canonicalize(coordination).map_err(|source| {
            ConfigError::Directory { path: coordination.to_path_buf(), source }
        })?;
        let path = directory.join(FILE_NAME);
        let text = file::read_trusted(&path)?;
        let mut config = Self::defaults(&directory);
        if text.is_some() {
            config.source = ConfigSource::File(path.clone());
        }
        let mut layers = layers::Layers::new(&mut config, &directory);
        if let Some(text) = &text {
            layers.file(&path, text);
        }
        layers.environment(env);
        layers.flags(overrides);
        layers.finish()?;
        Ok(config)
    }

    /// What a directory without any setting has: external masters, the workspace beside it.
    fn defaults(directory: &Path) -> Self {
        Self {
            policy: Policy::default(),
            backends: BTreeMap::new(),
            workspace: directory.parent().unwrap_or(directory).to_path_buf(),
            daemon: DaemonSettings {
                tick_ms: 10_000,
                overview_delay_ms: 100,
                drain_grace_ms: 30_000,
                batch_max: 4_096,
            },
            log: LogSettings { filter: "info".into(), form: LogForm::Human },
            planners: BTreeMap::new(),
            planner: EMBEDDED.to_owned(),
            learning: true,
            source: ConfigSource::Defaults,
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay out files as an operator would")]
mod tests;
