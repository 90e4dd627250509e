//! `baton agents`: who can be given work, who is suitable, what is odd about their files, and what
//! is remembered of them.

mod history;
mod lint;
mod matching;
mod shown;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Context;
use super::output::{CliError, Exit};
use crate::client::Client;
use crate::client::agents::{Registry, RegistryError, Surroundings, registry, workspace};
use crate::client::history as remembered_outcomes;
use crate::client::outside::Outside;
use crate::clock;
use crate::config::{Config, EMBEDDED, Overrides};
use crate::domain::Policy;
use crate::domain::agent::Remembered;
use crate::domain::experience::Experience;

/// Arguments of `baton agents`.
#[derive(Debug, Args)]
pub(crate) struct AgentsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the agents that are known
    List {
        #[command(flatten)]
        from: RegistryArgs,
    },
    /// Show one
    Show {
        /// Its name or its id
        #[arg(value_name = "AGENT")]
        agent: String,
        #[command(flatten)]
        from: RegistryArgs,
    },
    /// Say who is suitable for a request, and why
    Match {
        /// What is to be done
        #[arg(value_name = "TEXT")]
        request: String,
        /// The kind of work
        #[arg(long, default_value = "")]
        kind: String,
        /// The field of work
        #[arg(long, default_value = "")]
        domain: String,
        #[command(flatten)]
        from: RegistryArgs,
    },
    /// Say what is odd about their files
    Lint {
        #[command(flatten)]
        from: RegistryArgs,
    },
    /// Show what is remembered of them, add to it, or forget it
    History(history::HistoryArgs),
}

/// Where agents and what is remembered of them are read.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RegistryArgs {
    /// Read agents from a folder of agent files, an index or a JSON list
    /// [default: baton.toml and .claude/agents of the project and of the user]
    #[arg(long, value_name = "FILE|DIR")]
    registry: Option<PathBuf>,
    /// Read what is remembered of them from a file, one {"request", "agent", "outcome"} a line
    /// [default: what the directory remembers]
    #[arg(long, value_name = "FILE")]
    memory: Option<PathBuf>,
}

/// The agents that are known, and what belongs to them.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) policy: Policy,
    client: Option<Client>,
    registry: Registry,
    experience: Experience,
    learning: bool,
    /// The settings, where there is a directory.
    config: Option<Config>,
    workspace: PathBuf,
}

impl AgentsArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        match &self.action {
            Action::List { from } => shown::list(context, &from.known(context)?),
            Action::Show { agent, from } => shown::show(context, &from.known(context)?, agent),
            Action::Match { request, kind, domain, from } => {
                matching::run(context, &from.known(context)?, request, kind, domain)
            }
            Action::Lint { from } => lint::run(context, &from.known(context)?),
            Action::History(args) => args.run(context),
        }
    }
}

impl RegistryArgs {
    /// Reads agents, settings and what is remembered.
    pub(crate) fn known(&self, context: &Context) -> Result<Known, CliError> {
        let env = |name: &str| std::env::var(name).ok();
        let client = Client::open(&context.directory()?).ok();
        let config = client
            .as_ref()
            .map(|client| Config::load(client.root(), &env, &Overrides::default()))
            .transpose()?;
        let here = || std::env::current_dir().unwrap_or_default();
        let workspace = config.as_ref().map_or_else(here, |config| config.workspace.clone());
        let learning = config.as_ref().is_none_or(|config| config.learning);
        let policy = config.as_ref().map_or_else(Policy::default, |config| config.policy.clone());
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let registry = registry(self.registry.as_deref(), &policy, &workspace, home.as_deref())?;
        let experience = match (&self.memory, &client) {
            (Some(path), _) => Experience { outcomes: imported(context, path)?, plans: Vec::new() },
            (None, Some(client)) if learning => client.experience()?,
            (None, _) => Experience::default(),
        };
        Ok(Known { policy, client, registry, experience, learning, config, workspace })
    }
}

impl Known {
    pub(crate) fn client(&self) -> Option<&Client> {
        self.client.as_ref()
    }

    /// Returns the planner outside that is to be asked, if one is: the one that is named, or else
    /// the one of the settings.
    pub(crate) fn outside(&self, named: Option<&str>) -> Result<Option<Outside>, CliError> {
        let config = self.config.as_ref();
        let set = config.map_or(EMBEDDED, |config| config.planner.as_str());
        let name = named.unwrap_or(set);
        if name == EMBEDDED {
            return Ok(None);
        }
        let Some(settings) = config.and_then(|config| config.planners.get(name)) else {
            let hint = config.map_or_else(
                || "there is no directory here with a baton.toml that names planners".to_owned(),
                |config| config.suggest_planner(name),
            );
            let message = format!("there is no planner {name:?}");
            return Err(CliError::new(Exit::Usage, message).hint(hint));
        };
        Ok(Some(Outside::new(name, settings.clone(), self.workspace.clone())?))
    }

    /// Returns what a planner is told beside a request for this workspace.
    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings { workspace: workspace(&self.workspace), ..self.surroundings_elsewhere() }
    }

    /// Returns what a planner is told beside a request for a workspace that is not known.
    pub(crate) fn surroundings_elsewhere(&self) -> Surroundings {
        let loads = self.client.as_ref().and_then(|client| client.loads(&self.policy).ok());
        Surroundings {
            loads: loads.unwrap_or_default(),
            // Whose file a request would be that is dropped from here.
            owner: Some(rustix::process::getuid().as_raw()),
            ..Surroundings::of(&self.registry.agents, &self.experience, clock::now().wall.as_ms())
        }
    }
}

/// Reads outcomes from a file, and notes which lines cannot be read.
fn imported(context: &Context, path: &std::path::Path) -> Result<Vec<Remembered>, CliError> {
    let imported = remembered_outcomes::import(path).map_err(|e| {
        CliError::new(Exit::NoInput, format!("cannot read {}: {e}", path.display()))
            .hint("name a file with one {\"request\", \"agent\", \"outcome\"} a line")
    })?;
    for (line, problem) in imported.bad.iter().take(5) {
        context.out.note(&format!("{}:{line}: left out: {problem}", path.display()));
    }
    Ok(imported.remembered)
}

impl From<RegistryError> for CliError {
    fn from(error: RegistryError) -> Self {
        let exit = match &error {
            RegistryError::Read { .. } => Exit::NoInput,
            RegistryError::NotJson { .. } | RegistryError::UnknownForm { .. } => Exit::BadInput,
        };
        Self::new(exit, error.to_string()).hint(error.remedy())
    }
}
