//! What is known beside a request when it is planned: gathered outside, and given as data.

use std::collections::BTreeMap;

use super::{Actuals, Selection, Selector, Wanted};
use crate::domain::workspace::Workspace;

/// What is known of a directory, its agents and its workspace.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Who can be chosen; nothing where masters are chosen by their fields of work alone.
    pub agents: Option<Selector>,
    /// How busy masters are, by name, in percent of what they may do at the same time.
    pub loads: BTreeMap<String, u32>,
    /// What work of each kind really took here.
    pub actuals: Actuals,
    /// What is in the workspace.
    pub workspace: Workspace,
}

impl Surroundings {
    /// Chooses for a piece of work among all who are known.
    pub fn select(&self, wanted: &Wanted<'_>) -> Selection {
        let wanted = Wanted { loads: Some(&self.loads), ..*wanted };
        match &self.agents {
            Some(agents) => agents.select(&wanted),
            None => Selector::of(&[], &[]).select(&wanted),
        }
    }
}
