//! The agents that work can be given to, and who is chosen.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Client, ClientError};
use crate::domain::Policy;

pub use crate::planner::{Selection, Suitable, Surroundings, Wanted};
pub use crate::registry::{Registry, RegistryError};

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
) -> Result<Registry, RegistryError> {
    match given {
        Some(path) => Registry::open(path),
        None => Ok(Registry::of_project(policy, workspace, home)),
    }
}
