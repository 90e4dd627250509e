//! What the daemon knows beside a request: who there is, how busy they are, and what was learned.
//!
//! It is gathered when a plan is drafted, and kept for a while: whoever changes an agent's file sees
//! it used a moment later, and a queue of thousands does not read all files for each task.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::Chain;
use crate::clock;
use crate::config::Config;
use crate::domain::State;
use crate::domain::experience::Experience;
use crate::domain::ids::AgentName;
use crate::domain::task::Task;
use crate::planner::Surroundings;
use crate::registry::{Registry, look_at};
use crate::store::{Store, layout};

/// What was gathered is kept at least so long.
const KEPT_MS_MIN: u64 = 2_000;
/// Gathering takes at most this part of the time, as one in so many.
const PART_OF_TIME: u64 = 20;
/// Longest look at the workspace: what was not seen by then is left out, and said to be.
const LOOK_NS_MAX: u64 = 250_000_000;
/// More of the file of what was learned is not read; whoever adds to it keeps it shorter.
const MEMORY_BYTES_MAX: u64 = 16 << 20;

/// Gathers what is known, and keeps it for a while.
#[derive(Default)]
pub(super) struct Knowledge {
    kept: Mutex<Option<Kept>>,
    /// Held by whoever gathers.
    gathering: Mutex<()>,
    /// Whether somebody gathers or is about to.
    is_gathered: AtomicBool,
}

#[derive(Clone)]
struct Kept {
    surroundings: Surroundings,
    /// On the boot-time clock.
    until_ms: u64,
}

/// What the state says, taken from it where the state is.
pub(super) struct Harvest {
    loads: Vec<(AgentName, u32)>,
    owner: Option<u32>,
    /// Nothing while what is kept may be used, or somebody else gathers.
    turn: Option<Turn>,
    began_ms: u64,
}

impl Knowledge {
    /// Takes from the state what it says, for the plan of a task.
    pub(super) fn harvest(
        self: &Arc<Self>,
        state: &State,
        task: &Task,
        config: &Config,
    ) -> Harvest {
        let began_ms = clock::now().boottime_ms;
        let masters = config.policy.masters.iter();
        let loads = masters.map(|(name, settings)| {
            let busy = state.attempts_of(name) * 100 / settings.attempts_active_max.max(1);
            (name.clone(), u32::try_from(busy.min(100)).unwrap_or(100))
        });
        let is_due = self.place().as_ref().is_none_or(|kept| kept.until_ms <= began_ms)
            && !self.is_gathered.swap(true, Ordering::AcqRel);
        let learned =
            || if config.learning { Experience::of(state) } else { Experience::default() };
        let turn = || Turn { knowledge: Arc::clone(self), experience: learned() };
        let turn = is_due.then(turn);
        Harvest { loads: loads.collect(), owner: task.owner(), turn, began_ms }
    }

    /// Returns what is known; reads files, and is for a thread that may wait. While one gathers, the
    /// others go on with what was known before; only where there is nothing yet do they wait.
    pub(super) fn surroundings(
        &self,
        harvest: Harvest,
        store: &Store,
        config: &Config,
    ) -> Surroundings {
        let Harvest { loads, owner, mut turn, began_ms } = harvest;
        let before = if turn.is_none() { self.kept() } else { None };
        let known = before.map(|kept| kept.surroundings).unwrap_or_else(|| {
            let _gathering = self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
            if let (None, Some(kept)) = (&turn, self.kept()) {
                return kept.surroundings;
            }
            let experience = turn.as_mut().map(|turn| std::mem::take(&mut turn.experience));
            let known = gather(experience.unwrap_or_default(), store, config);
            let now_ms = clock::now().boottime_ms;
            let until_ms = now_ms + KEPT_MS_MIN.max(now_ms.saturating_sub(began_ms) * PART_OF_TIME);
            let kept = Kept { surroundings: known.clone(), until_ms };
            *self.place() = Some(kept);
            known
        });
        let loads = loads.into_iter().map(|(name, load)| (name.to_string(), load));
        Surroundings { loads: loads.collect(), owner, ..known }
    }

    fn kept(&self) -> Option<Kept> {
        self.place().clone()
    }

    fn place(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of whoever gathers; it is over when this goes, however that comes about.
struct Turn {
    knowledge: Arc<Knowledge>,
    experience: Experience,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.knowledge.is_gathered.store(false, Ordering::Release);
    }
}

/// Reads agents and what was added to memory. What cannot be read is not known, and the log says so.
fn gather(experience: Experience, store: &Store, config: &Config) -> Surroundings {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let registry = Registry::of_project(&config.policy, &config.workspace, home.as_deref());
    let experience = if config.learning {
        match store.read(layout::MEMORY, MEMORY_BYTES_MAX) {
            Ok(added) => {
                let text = added.map(|file| String::from_utf8_lossy(&file.bytes).into_owned());
                experience.with(&text.unwrap_or_default())
            }
            // It may say that all of it is forgotten.
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "what was learned cannot be read");
                Experience::default()
            }
        }
    } else {
        experience
    };
    let began_ns = clock::precisely_ns();
    let is_late = || clock::precisely_ns().saturating_sub(began_ns) > LOOK_NS_MAX;
    let workspace = look_at(&config.workspace, &is_late);
    let now_ms = clock::now().wall.as_ms();
    Surroundings { workspace, ..Surroundings::of(&registry.agents, &experience, now_ms) }
}

/// The one of a daemon, shared by its jobs.
pub(super) type Shared = Arc<Knowledge>;
