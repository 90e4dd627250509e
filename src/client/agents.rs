//! The agents that work can be given to, and who is chosen.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Client, ClientError};
use crate::domain::Policy;
use crate::domain::agent::{Agent, Remembered};
use crate::planner::{Selection, Selector, Wanted};
use crate::registry::Registry;

/// Agents, what is remembered of them, and how busy they are.
#[derive(Debug, Clone)]
pub struct Agents {
    selector: Selector,
    loads: BTreeMap<String, u32>,
}

impl Agents {
    /// Makes agents choosable.
    pub fn of(agents: &[Agent], remembered: &[Remembered], loads: BTreeMap<String, u32>) -> Self {
        Self { selector: Selector::of(agents, remembered), loads }
    }

    /// Chooses for a request.
    pub fn select(&self, wanted: &Wanted<'_>) -> Selection {
        self.selector.select(&Wanted { loads: Some(&self.loads), ..*wanted })
    }
}

impl Client {
    /// Returns how busy the masters are, in percent of what they may do at the same time.
    ///
    /// # Errors
    /// The workers cannot be listed.
    pub fn loads(&self, policy: &Policy) -> Result<BTreeMap<String, u32>, ClientError> {
        let mut active: BTreeMap<String, usize> = BTreeMap::new();
        for worker in self.workers()? {
            *active.entry(worker.parent_master).or_default() += 1;
        }
        let percent = |name: &str, max: usize| {
            let busy = active.get(name).copied().unwrap_or(0) * 100;
            u32::try_from(busy.checked_div(max).unwrap_or(100).min(100)).unwrap_or(100)
        };
        let masters = policy.masters.iter().map(|(name, settings)| {
            (name.to_string(), percent(name.as_str(), settings.attempts_active_max))
        });
        Ok(masters.collect())
    }
}

/// Reads a registry from a file or a folder; without one, that of the project.
///
/// # Errors
/// The file or the folder cannot be read.
pub fn registry(
    given: Option<&Path>,
    policy: &Policy,
    workspace: &Path,
    home: Option<&Path>,
) -> Result<Registry, crate::registry::RegistryError> {
    match given {
        Some(path) => Registry::open(path),
        None => Ok(Registry::of_project(policy, workspace, home)),
    }
}
