//! Workers that masters start themselves, and the specs by which they make them known.

use baton::domain::evidence::{ProcessState, Watched};
use baton::domain::ids::{AttemptId, WorkerId};
use baton::domain::spec::{SpecFolder, SpecSeen};
use baton::domain::watch::Probe;
use baton::domain::worker::ProcessIdentity;
use baton::domain::{Effect, Input};

use super::life::{Due, Life};
use super::orders;
use super::workers::Traces;

/// A worker of a master, and its spec.
pub(super) struct Stranger {
    pub(super) spec: SpecSeen,
    /// The attempt of ours that it carries out, if it does.
    pub(super) attempt_id: Option<AttemptId>,
    pub(super) is_alive: bool,
    pub(super) traces: Traces,
    acts_left: u64,
    pace_ms: u64,
    ending: Ending,
    /// Whether its spec lies where those of the living lie.
    is_active: bool,
    /// Where it was moved to by us.
    pub(super) moved: Vec<SpecFolder>,
}

/// How it comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Its spec says that it is done.
    Says(SpecFolder),
    /// Its process is gone, and nothing says so.
    Dies,
    /// It stays and does nothing.
    Hangs,
    /// Somebody takes its spec away.
    Vanishes,
}

impl Life {
    /// A master starts a worker: for a handoff that it took, or for something of its own.
    pub(super) fn start_stranger(&mut self, attempt_id: Option<AttemptId>) {
        let nth = self.strange.len();
        let dice = &mut self.dice;
        let worker_id = WorkerId::parse(&format!("worker-{nth}")).unwrap();
        let path = format!("worker-specs/active/{worker_id}.json");
        let mut spec = SpecSeen::new(worker_id, path);
        spec.attempt_id.clone_from(&attempt_id);
        let told = attempt_id.as_ref().and_then(|id| self.told.attempts.get(id.as_str()));
        spec.master = match told {
            Some(attempt) => attempt.agent.parse().ok(),
            None => Some(orders::name(dice.place(self.policy.masters.len()))),
        };
        if dice.happens(600) {
            let pid = 50_000 + u32::try_from(nth).unwrap();
            spec.pid = Some(pid);
            spec.identity = Some(ProcessIdentity {
                host: "here".into(),
                boot_id: self.clock.now().boot,
                pid,
                start_ticks: self.clock.total_ms,
                pidfd_inode: None,
            });
        }
        let pace_ms = dice.pick(&[20_000, 240_000]);
        let endings = [
            Ending::Says(SpecFolder::Completed),
            Ending::Says(SpecFolder::Failed),
            Ending::Dies,
            Ending::Hangs,
            Ending::Vanishes,
        ];
        let awake_ms = self.clock.awake_ms;
        self.strange.push(Stranger {
            spec,
            attempt_id,
            is_alive: true,
            traces: Traces { got_on_ms: awake_ms, outward_ms: awake_ms, ..Traces::default() },
            acts_left: dice.between(1, 12),
            pace_ms,
            ending: dice.pick(&endings),
            is_active: true,
            moved: Vec::new(),
        });
        self.after(pace_ms, Due::Stranger(nth));
        self.hint();
    }

    pub(super) fn stranger_acts(&mut self, nth: usize) {
        let awake_ms = self.clock.awake_ms;
        let stranger = &mut self.strange[nth];
        if !stranger.is_alive {
            return;
        }
        if stranger.acts_left > 0 {
            stranger.acts_left -= 1;
            stranger.traces.files += 1;
            stranger.traces.got_on_ms = awake_ms;
            let pace_ms = stranger.pace_ms;
            self.after(pace_ms, Due::Stranger(nth));
            return;
        }
        match stranger.ending {
            Ending::Says(folder) => {
                stranger.is_alive = false;
                stranger.spec.ended = Some(folder);
                stranger.spec.ended_by = "its spec says so".into();
            }
            Ending::Dies => stranger.is_alive = false,
            Ending::Hangs => {}
            Ending::Vanishes => {
                stranger.is_alive = false;
                stranger.is_active = false;
            }
        }
        let (id, ending) = (stranger.spec.worker_id.clone(), stranger.ending);
        self.trace.say(self.clock.total_ms, || format!("{id} of a master: {ending:?}"));
        self.hint();
    }

    /// Says what can be read in `worker-specs/active/`.
    pub(super) fn specs_seen(&self) -> Vec<Input> {
        let Some(daemon) = &self.daemon else { return Vec::new() };
        let mut inputs = Vec::new();
        for stranger in &self.strange {
            let id = &stranger.spec.worker_id;
            let is_awaited =
                daemon.state.specs.get(id).is_some_and(|known| known.settled.is_none());
            if stranger.is_active {
                let mut spec = stranger.spec.clone();
                // A process that is gone cannot be found any more.
                spec.identity = spec.identity.filter(|_| stranger.is_alive);
                inputs.push(Input::SpecObserved { spec: Box::new(spec) });
            } else if is_awaited {
                inputs.push(Input::SpecVanished { worker_id: id.clone() });
            }
        }
        inputs
    }

    /// Looks at workers of masters that carry out no attempt of ours.
    pub(super) fn probes_of_strangers(&self) -> Vec<Probe> {
        let free = self.strange.iter().filter(|s| s.attempt_id.is_none() && s.is_active);
        free.map(|stranger| {
            let worker = Watched::Spec(stranger.spec.worker_id.clone());
            stranger.probe(worker, stranger.spec.ended.is_some())
        })
        .collect()
    }

    /// Finds the worker by which a master carries out an attempt of ours.
    pub(super) fn stranger_at(&self, id: &str) -> Option<usize> {
        let is_it = |s: &Stranger| s.attempt_id.as_ref().is_some_and(|at| at.as_str() == id);
        self.strange.iter().position(is_it)
    }

    /// Moves a spec to where the decision says, once.
    pub(super) fn move_spec(&mut self, effect: &Effect) -> Vec<Input> {
        let Effect::MoveSpec(worker_id) = effect else { return Vec::new() };
        let settled = self
            .daemon
            .as_ref()
            .and_then(|daemon| daemon.state.specs.get(worker_id))
            .and_then(|worker| worker.settled);
        let stranger = self.strange.iter_mut().find(|s| s.spec.worker_id == *worker_id);
        if let (Some(stranger), Some(folder)) = (stranger, settled)
            && stranger.is_active
        {
            stranger.is_active = false;
            stranger.moved.push(folder);
        }
        vec![Input::SpecMoved { worker_id: worker_id.clone() }]
    }
}

impl Stranger {
    pub(super) fn process(&self) -> ProcessState {
        match (&self.spec.identity, self.is_alive) {
            (Some(_), true) => ProcessState::Running,
            (Some(_), false) => ProcessState::Gone,
            (None, _) => ProcessState::Unverifiable,
        }
    }

    pub(super) fn probe(&self, worker: Watched, is_reported: bool) -> Probe {
        Probe {
            worker,
            process: self.process(),
            cpu_ms: None,
            memory_bytes: 0,
            processes: 0,
            output: None,
            heartbeat: None,
            files: Some(super::workers::mark(self.traces.files)),
            report: is_reported,
        }
    }
}
