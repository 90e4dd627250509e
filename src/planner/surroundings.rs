//! What is known beside a request when it is planned: gathered outside, and given as data.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Actuals, Lessons, Selection, Selector, Wanted};
use crate::domain::agent::{Agent, AgentSource};
use crate::domain::experience::Experience;
use crate::domain::workspace::Workspace;

/// What is known of a directory, its agents and its workspace.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The masters; where there is nothing, they are chosen by their fields of work alone.
    pub masters: Option<Arc<Selector>>,
    /// The agents of the registry: who can carry a step out within a master.
    pub agents: Option<Arc<Selector>>,
    /// How busy masters are, by name, in percent of what they may do at the same time.
    pub loads: BTreeMap<String, u32>,
    /// What work of each kind really took here.
    pub actuals: Arc<Actuals>,
    /// Who asks, by number of the user; nothing where the request stands in the queue.
    pub owner: Option<u32>,
    /// How plans fared here.
    pub lessons: Arc<Lessons>,
    /// What is in the workspace.
    pub workspace: Workspace,
}

impl Surroundings {
    /// Makes agents choosable, and learns from what was before, as of a time: what is old counts
    /// less.
    pub fn of(agents: &[Agent], experience: &Experience, now_ms: i64) -> Self {
        let (masters, others): (Vec<Agent>, Vec<Agent>) =
            agents.iter().cloned().partition(|agent| agent.source == AgentSource::Master);
        let selector = |agents: &[Agent]| {
            let some = (!agents.is_empty()).then_some(agents)?;
            Some(Arc::new(Selector::at(some, &experience.outcomes, now_ms)))
        };
        Self {
            masters: selector(&masters),
            agents: selector(&others),
            actuals: Arc::new(Actuals::of(&experience.outcomes)),
            lessons: Arc::new(Lessons::of(&experience.plans)),
            ..Self::default()
        }
    }

    /// Chooses for a request as a whole: among the agents of the registry, and where there are
    /// none, among the masters.
    pub fn select(&self, wanted: &Wanted<'_>) -> Selection {
        let wanted = Wanted { loads: Some(&self.loads), ..*wanted };
        match self.agents.as_ref().or(self.masters.as_ref()) {
            Some(agents) => agents.select(&wanted),
            None => Selector::of(&[], &[]).select(&wanted),
        }
    }

    /// Returns how often a master did well, in percent, where that is known.
    pub fn performance(&self, master: &str) -> Option<u32> {
        self.masters.as_ref()?.performance(master)
    }
}
