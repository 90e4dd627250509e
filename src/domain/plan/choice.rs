//! Who a subtask was given to, and who else could do it.

use serde::{Deserialize, Serialize};

/// The choice that a planner made for one subtask, with the figures that decided (S0-24, S0-26).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Choice {
    /// The masters that could do it, the best first; the first one has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masters: Vec<Ranked>,
    /// The agents of the registry that are most suitable to carry it out within that master, the
    /// best first; empty where none is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub specialists: Vec<Ranked>,
}

/// Somebody who could do a subtask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranked {
    /// Its name.
    pub agent: String,
    /// How well it says that it can do it, in percent.
    pub capability_percent: u32,
    /// How busy it is, in percent of what it may do at the same time, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_percent: Option<u32>,
    /// How often it did well, in percent, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perf_percent: Option<u32>,
    /// What speaks for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl Choice {
    /// Tells whether nothing was chosen.
    pub fn is_empty(&self) -> bool {
        self.masters.is_empty() && self.specialists.is_empty()
    }

    /// Returns the agent of the registry that is to carry it out, if one is suitable.
    pub fn specialist(&self) -> Option<&str> {
        self.specialists.first().map(|ranked| ranked.agent.as_str())
    }

    /// Returns how far behind the first one a master was ranked, from 0; nothing if it was not.
    pub fn place_of(&self, master: &str) -> Option<usize> {
        self.masters.iter().position(|ranked| ranked.agent == master)
    }
}

impl Ranked {
    /// Returns the three figures as people read them: `capability: 0.95, load: 20%, perf: 98%`.
    pub fn figures(&self) -> String {
        let percent = |part: Option<u32>| part.map_or("unknown".to_owned(), |p| format!("{p}%"));
        format!(
            "capability: {}.{:02}, load: {}, perf: {}",
            self.capability_percent / 100,
            self.capability_percent % 100,
            percent(self.load_percent),
            percent(self.perf_percent)
        )
    }

    /// Returns its name and how able it is, as people read them: `security (0.95)`.
    pub fn text(&self) -> String {
        let Self { agent, capability_percent: percent, .. } = self;
        format!("{agent} ({}.{:02})", percent / 100, percent % 100)
    }
}
