//! Makes one registry of what several places say: every id once, and who stands for a name.

use std::collections::{BTreeMap, HashMap};

use super::{Registry, oddity};
use crate::domain::agent::{Agent, Oddity, Severity};

/// No name of an agent is longer.
const NAME_CHARS_MAX: usize = 100;

/// Drops what is there again, and makes ids unique.
pub(super) fn merged(registry: Registry) -> Registry {
    let Registry { mut agents, mut oddities } = registry;
    agents.iter_mut().for_each(|agent| shorten(agent, &mut oddities));
    agents.sort_by(|a, b| (a.source, &a.id).cmp(&(b.source, &b.id)));
    let mut kept: Vec<Agent> = Vec::with_capacity(agents.len());
    let mut by_text: HashMap<(String, String), usize> = HashMap::new();
    let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for agent in agents {
        let text = (agent.name.to_lowercase(), format!("{}\n{}", agent.description, agent.body));
        let first = by_text.get(&text).copied().filter(|_| !agent.body.is_empty());
        if let Some(first) = first {
            let first: &mut Agent = &mut kept[first];
            let message = format!("it is the same agent as {}", first.path);
            oddities.push(oddity(&agent.path, Severity::Note, message, "keep one of them"));
            first.copies.push(agent.path);
            continue;
        }
        by_text.insert(text, kept.len());
        let namesakes = by_name.entry(agent.name.to_lowercase()).or_default();
        if let Some(hidden_by) = namesakes
            .iter()
            .map(|at| &kept[*at])
            .find(|other| other.source < agent.source && !agent.name.is_empty())
        {
            let message = format!(
                "{} is hidden by the {} at {}",
                agent.name, hidden_by.source, hidden_by.path
            );
            oddities.push(oddity(&agent.path, Severity::Warning, message, "rename one of them"));
            continue;
        }
        if let Some(other) = namesakes.first().map(|at| &kept[*at]) {
            let message = format!("{} is also the name of {}", agent.name, other.path);
            let remedy = format!("rename one of them, or say {} and {}", other.id, agent.id);
            oddities.push(oddity(&agent.path, Severity::Warning, message, &remedy));
        }
        namesakes.push(kept.len());
        kept.push(agent);
    }
    unique(&mut kept, &mut oddities);
    oddities.sort();
    oddities.dedup();
    Registry { agents: kept, oddities }
}

/// Of agents with one id the first keeps it; the others get a number.
fn unique(agents: &mut [Agent], oddities: &mut Vec<Oddity>) {
    let mut taken: HashMap<String, usize> = HashMap::new();
    for agent in agents {
        let count = taken.entry(agent.id.clone()).or_default();
        *count += 1;
        if *count > 1 {
            let message = format!("the id {} is taken", agent.id);
            let id = format!("{}#{count}", agent.id);
            let remedy = format!("give it an id of its own; until then it is {id}");
            oddities.push(oddity(&agent.path, Severity::Error, message, &remedy));
            agent.id = id;
        }
    }
}

/// Cuts a name that nobody could read out, and takes out what no name has.
fn shorten(agent: &mut Agent, oddities: &mut Vec<Oddity>) {
    for (field, text) in [("name", &mut agent.name), ("id", &mut agent.id)] {
        let is_plain = |c: &char| !c.is_control();
        if text.chars().all(|c| is_plain(&c)) && text.chars().count() <= NAME_CHARS_MAX {
            continue;
        }
        *text = text.chars().filter(is_plain).take(NAME_CHARS_MAX).collect();
        let message =
            format!("its {field} is longer than {NAME_CHARS_MAX} letters, or holds others");
        let remedy = "give it a short name of letters, digits and dashes";
        oddities.push(oddity(&agent.path, Severity::Warning, message, remedy));
    }
}
