//! Workers that masters started themselves and made known by a spec in `worker-specs/active/`.

use serde::{Deserialize, Serialize};

use super::evidence::Standing;
use super::ids::{AgentName, AttemptId, SubtaskId, WorkerId};
use super::moment::Moment;
use super::policy::{MasterPolicy, Policy, Supervision};
use super::worker::ProcessIdentity;

/// A spec as it was read, leniently.
///
/// It holds nothing that a heartbeat changes: what is told of it is journalled, and heartbeats are
/// looked at by whoever watches its worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecSeen {
    /// The worker it is about.
    pub worker_id: WorkerId,
    /// Its file, relative to `coordination/`.
    pub path: String,
    /// Who started it, as the spec says (`parent_master`, `created_by`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<AgentName>,
    /// What sort of worker it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub worker_type: String,
    /// The task it names, whether it is ours or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The subtask it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtask_id: Option<SubtaskId>,
    /// The attempt it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_id: Option<AttemptId>,
    /// The process id that the spec or `worker.pid` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The machine that the process is said to run on: elsewhere its number says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The process, if one of that number runs that may be it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<ProcessIdentity>,
    /// Whether it is said not to have begun: then it owes nobody a sign of life.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_waiting: bool,
    /// How it ended, if its spec or something in its folder says that it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<SpecFolder>,
    /// What says so, and in which word: `workers/w-7/report.json says success`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ended_by: String,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl SpecSeen {
    /// Begins a spec that names a worker and nothing else.
    pub fn new(worker_id: WorkerId, path: String) -> Self {
        Self {
            worker_id,
            path,
            master: None,
            worker_type: String::new(),
            task_id: None,
            subtask_id: None,
            attempt_id: None,
            pid: None,
            host: None,
            identity: None,
            is_waiting: false,
            ended: None,
            ended_by: String::new(),
        }
    }

    /// Returns what `policy` says of its master; real writers also say `development-master`.
    pub fn master_policy<'a>(&self, policy: &'a Policy) -> Option<&'a MasterPolicy> {
        let name = self.master.as_ref()?;
        policy.masters.get(name).or_else(|| {
            let short = name.as_str().strip_suffix("-master")?;
            policy.masters.get(short)
        })
    }

    /// Tells whether its worker can be one of this master: it names that master or none.
    pub fn is_of(&self, agent: &AgentName) -> bool {
        self.master.as_ref().is_none_or(|master| {
            master == agent || master.as_str().strip_suffix("-master") == Some(agent.as_str())
        })
    }

    /// Returns the limits of its worker.
    pub fn supervision(&self, policy: &Policy) -> Supervision {
        let by_type = policy.worker_types.get(&self.worker_type).copied().unwrap_or_default();
        let by_master = self.master_policy(policy).map(|master| master.supervision);
        policy.supervision.with(&by_type).with(&by_master.unwrap_or_default())
    }

    /// Tells whether the operator lets its worker be stopped; nobody else can.
    pub fn may_stop(&self, policy: &Policy) -> bool {
        self.master_policy(policy).is_some_and(|master| master.may_stop)
    }

    /// Takes over the process that was found when its number was first told: one that bears the
    /// number later proves nothing.
    #[must_use]
    pub fn keeping_identity_of(self, known: &SpecSeen) -> Self {
        if self.pid.is_some() && self.pid == known.pid && self.host == known.host {
            Self { identity: known.identity.clone(), ..self }
        } else {
            self
        }
    }
}

/// Where the spec of a worker goes that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpecFolder {
    /// It delivered.
    Completed,
    /// It failed, or was ended.
    Failed,
    /// It is gone, and left no result.
    Zombie,
}

impl SpecFolder {
    /// Returns the name of the folder below `worker-specs/`.
    pub fn as_str(self) -> &'static str {
        match self {
            SpecFolder::Completed => "completed",
            SpecFolder::Failed => "failed",
            SpecFolder::Zombie => "zombie",
        }
    }
}

/// A worker that is followed by its spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecWorker {
    /// What its spec says.
    pub spec: SpecSeen,
    /// Since when it is followed.
    pub seen_at: Moment,
    /// The attempt of ours that it carries out for a master elsewhere, as was found when it was
    /// first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
    /// How it was found to be; `None` while nothing was ever wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// Where its spec goes, once that is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<SpecFolder>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_found_also_by_the_name_that_real_writers_give_it() {
        let mut policy = Policy::default();
        let development = AgentName::parse("development").unwrap();
        let master = policy.masters.get_mut(&development).unwrap();
        master.may_stop = true;
        master.supervision.stall_after_ms = Some(7);
        let mut spec = SpecSeen::new(WorkerId::parse("w-1").unwrap(), "w-1.json".into());
        assert!(!spec.may_stop(&policy), "nobody owns it");
        for (name, found) in [("development", true), ("development-master", true), ("dev", false)] {
            spec.master = Some(AgentName::parse(name).unwrap());
            assert_eq!(spec.may_stop(&policy), found, "{name}");
            assert_eq!(spec.supervision(&policy).stall_after_ms == 7, found, "{name}");
        }
    }
}
