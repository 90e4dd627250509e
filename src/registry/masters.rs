//! The masters of `baton.toml`.

use super::{Place, Reader, Registry};
use crate::domain::agent::{Agent, AgentSource};

/// Reads the masters of the settings.
pub(super) const READER: Reader = Reader { name: "masters", read };

fn read(place: Place<'_>) -> Option<Registry> {
    let Place::Masters(policy) = place else { return None };
    let agents = policy.masters.iter().map(|(name, master)| Agent {
        id: name.to_string(),
        name: name.to_string(),
        description: match master.description.as_str() {
            "" => format!("Takes {} work.", master.domains.join(", ")),
            said => said.to_owned(),
        },
        domains: master.domains.clone(),
        source: AgentSource::Master,
        path: "baton.toml".to_owned(),
        ..Agent::default()
    });
    Some(Registry { agents: agents.collect(), oddities: Vec::new() })
}
