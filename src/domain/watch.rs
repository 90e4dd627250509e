//! The watch: what looks at workers add up to, by rules that count only what we saw change.
//!
//! It lives in memory and is never journalled: after a start every worker gets a fresh period of
//! grace. What is new by its rules becomes [`Input::WorkersProbed`].

mod track;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::evidence::{Breach, Evidence, Finding, Liveness, ProcessState, Watched};
use super::input::Input;
use super::moment::{Moment, span};
use super::policy::{Policy, Supervision};
use super::spec::SpecWorker;
use super::state::State;
use super::worker::{Attempt, AttemptPhase, Execution};
use track::Track;

/// What one look sees of one worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Whose life it is.
    pub worker: Watched,
    /// What is known of its process.
    pub process: ProcessState,
    /// The processor time of its processes together, those that ended included where that is known.
    pub cpu_ms: Option<u64>,
    /// The memory that its processes hold together.
    pub memory_bytes: u64,
    /// How many processes it has.
    pub processes: u64,
    /// What it printed.
    pub output: Option<Mark>,
    /// Its heartbeat.
    pub heartbeat: Option<HeartbeatMark>,
    /// The files that its subtask names, and those in its folder.
    pub files: Option<Mark>,
    /// Whether its report is there. One that was read and refused is none.
    pub report: bool,
}

/// What stands for something that may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Differs when what it stands for has changed.
    pub mark: String,
    /// The same for a person: `412 bytes`.
    pub what: String,
}

/// What stands for a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatMark {
    /// A digest of all of it.
    pub content: String,
    /// A digest of what it says beside its time and number.
    pub progress: String,
    /// Its time as it says itself; shown, and compared with nothing.
    pub claimed: Option<String>,
}

/// What was seen of all workers so far.
#[derive(Debug, Default)]
pub struct Watch {
    tracks: BTreeMap<Watched, Track>,
    /// The last look.
    looked: Option<Looked>,
    /// Since when no verdict counts, and for how long.
    hold: Option<(Moment, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Looked {
    at: Moment,
    /// When the next is wanted by what it found; `None` when nobody was there.
    next_ms: Option<u64>,
}

/// So many workers that look dead at once may mean that something is wrong with us.
const SUSPECTS_MIN: usize = 3;

impl Watch {
    /// Takes in a look at workers and returns what is new by it, `None` when nothing is. Workers
    /// that are not among the probes stay as they were.
    pub fn look(
        &mut self,
        state: &State,
        policy: &Policy,
        probes: &[Probe],
        now: Moment,
    ) -> Option<Input> {
        self.tracks.retain(|worker, _| limits_of(state, policy, worker).is_some());
        let looked: Vec<(&Probe, Supervision)> = probes
            .iter()
            .filter_map(|probe| Some((probe, limits_of(state, policy, &probe.worker)?)))
            .collect();
        let mut turned: BTreeSet<&Watched> = BTreeSet::new();
        for (probe, limits) in &looked {
            let track = self.tracks.get_mut(&probe.worker);
            let had_doubts = track.as_ref().is_some_and(|track| track.doubts());
            let track = match track {
                Some(track) => {
                    track.look(probe, limits, now);
                    track
                }
                None => self
                    .tracks
                    .entry(probe.worker.clone())
                    .or_insert_with(|| Track::new(probe, limits, now)),
            };
            if !had_doubts && track.doubts() {
                turned.insert(&probe.worker);
            }
        }
        let held = self.suspect_ourselves(&turned, &looked, now);
        let findings: Vec<Finding> = looked
            .iter()
            .filter_map(|(probe, _)| {
                let is_told = held.is_some() && turned.contains(&probe.worker);
                self.finding(state, &probe.worker, is_told, now)
            })
            .collect();
        let due = self.tracks.values().map(Track::due_ms).min();
        let hold = self.hold.map(|(since, for_ms)| since.plus_ms(for_ms).boottime_ms);
        self.looked = Some(Looked { at: now, next_ms: due.into_iter().chain(hold).min() });
        let is_news = !findings.is_empty() || held.is_some();
        is_news.then_some(Input::WorkersProbed { findings, held })
    }

    /// Holds all verdicts for the distance of a look when many workers look dead at once, and says
    /// why; ends that when it is over.
    fn suspect_ourselves(
        &mut self,
        turned: &BTreeSet<&Watched>,
        looked: &[(&Probe, Supervision)],
        now: Moment,
    ) -> Option<String> {
        self.hold = self.hold.filter(|(since, for_ms)| !now.is_past(since, *for_ms));
        // What goes wrong with us shows in one look after the other, not in a single one.
        let dead = self.tracks.values().filter(|track| track.doubts_lately(now)).count();
        let all = self.tracks.len();
        if turned.is_empty() || dead < SUSPECTS_MIN || dead * 2 <= all {
            return None;
        }
        let is_new = self.hold.is_none();
        let for_ms = looked.iter().map(|(_, limits)| limits.look_ms).max().unwrap_or(0);
        self.hold = Some((now, for_ms));
        is_new.then(|| {
            format!(
                "{dead} of {all} workers look dead at once, which may be us: our clock, our disk \
                 or a pause; no verdict counts for {}",
                span(for_ms)
            )
        })
    }

    fn finding(
        &mut self,
        state: &State,
        worker: &Watched,
        is_told_of_hold: bool,
        now: Moment,
    ) -> Option<Finding> {
        let is_held = self.hold.is_some();
        let track = self.tracks.get_mut(worker)?;
        let (known, is_ours) = standing(state, worker);
        let breach = track
            .breach(now)
            .filter(|breach| is_ours && !(is_held && matches!(breach, Breach::Silence { .. })));
        let is_doubt = match track.liveness {
            Liveness::Suspect | Liveness::Stalled | Liveness::Gone => true,
            Liveness::Healthy | Liveness::Quiet => false,
        };
        let is_withheld = is_held && is_doubt;
        let is_news = track.is_news(known) && !is_withheld;
        if !is_news && breach.is_none() && !is_told_of_hold {
            return None;
        }
        if !is_withheld {
            track.told();
        }
        if let Some(breach) = &breach {
            track.told_breach(breach);
        }
        let liveness = if is_news || is_told_of_hold { track.liveness } else { known };
        let evidence = track.evidence(now);
        Some(Finding { worker: worker.clone(), liveness, evidence, breach })
    }

    /// Returns when the next look is wanted, in milliseconds of the boot-time clock; `None` while
    /// there is nobody to look at. Who is new is wanted to be seen at once; else it is the shortest
    /// distance of a look, or when a verdict may fall due, and a moment later when one has to be
    /// agreed with.
    pub fn due_ms(&self, state: &State, policy: &Policy, now: Moment) -> Option<u64> {
        if state.index.begun.is_empty() {
            return None;
        }
        let Some(looked) = self.looked.filter(|looked| looked.at.boot == now.boot) else {
            return Some(now.boottime_ms);
        };
        let mut since_look = state.index.begun.since(&looked.at);
        let has_new = since_look.any(|worker| !self.tracks.contains_key(worker));
        let look_ms = policy.supervision.look_ms;
        let next_ms = || looked.next_ms.unwrap_or(looked.at.boottime_ms.saturating_add(look_ms));
        Some(if has_new { now.boottime_ms } else { next_ms() })
    }

    /// Returns when a sign of life was last seen of a worker; `None` when none was since the watch
    /// began.
    pub fn last_sign(&self, worker: &Watched) -> Option<Moment> {
        self.tracks.get(worker)?.last_sign()
    }

    /// Returns how a worker is by the last look, whether or not that was told.
    pub fn liveness(&self, worker: &Watched) -> Option<Liveness> {
        Some(self.tracks.get(worker)?.liveness)
    }

    /// Returns what the last look knows of a worker's process.
    pub fn process(&self, worker: &Watched) -> Option<ProcessState> {
        Some(self.tracks.get(worker)?.process)
    }

    /// Returns what is known of a worker's life, as of `now`.
    pub fn evidence(&self, worker: &Watched, now: Moment) -> Option<Evidence> {
        Some(self.tracks.get(worker)?.evidence(now))
    }
}

/// Returns every worker that is to be looked at: those at work on an attempt, and those of masters
/// that carry out none and whose spec is not settled.
pub fn watched<'a>(state: &'a State, policy: &'a Policy) -> impl Iterator<Item = &'a Watched> {
    state.index.begun.all().filter(|worker| limits_of(state, policy, worker).is_some())
}

/// Returns the limits of a worker; `None` for one that is not to be looked at.
pub fn limits_of(state: &State, policy: &Policy, worker: &Watched) -> Option<Supervision> {
    match worker {
        Watched::Attempt(id) => {
            let (run, position, attempt) = state.attempt(id)?;
            let worker_type = &run.plan.subtasks[position].worker_type;
            is_at_work(attempt).then(|| policy.supervision_of(&attempt.agent, worker_type))
        }
        Watched::Spec(id) => {
            let worker = state.specs.get(id).filter(|worker| worker.settled.is_none())?;
            // One that has not begun owes nobody a sign of life.
            if worker.spec.is_waiting || attempt_of(state, worker).is_some_and(is_at_work) {
                return None;
            }
            Some(worker.spec.supervision(policy))
        }
    }
}

/// Returns the attempt that a worker of a master carries out.
pub fn attempt_of<'a>(state: &'a State, worker: &SpecWorker) -> Option<&'a Attempt> {
    state.attempt(worker.attempt.as_ref()?).map(|(_, _, attempt)| attempt)
}

/// Returns the worker that a master made known for an attempt, the newest first to be proven to run.
pub fn spec_of<'a>(state: &'a State, attempt: &Attempt) -> Option<&'a SpecWorker> {
    state
        .specs_of(&attempt.id)
        .min_by_key(|worker| (worker.spec.identity.is_none(), Reverse(worker.seen_at.boottime_ms)))
}

/// Tells whether somebody works at an attempt who may be looked at.
pub(super) fn is_at_work(attempt: &Attempt) -> bool {
    match attempt.phase {
        AttemptPhase::Running { .. } | AttemptPhase::Taken { .. } => true,
        AttemptPhase::Issued
        | AttemptPhase::Published { .. }
        | AttemptPhase::Ending { .. }
        | AttemptPhase::Ended { .. } => false,
    }
}

/// Returns how the state takes a worker to be, and whether Baton launched it.
fn standing(state: &State, worker: &Watched) -> (Liveness, bool) {
    match worker {
        Watched::Attempt(id) => state.attempt(id).map_or((Liveness::Healthy, false), |found| {
            let known = found.2.standing.as_ref().map(|standing| standing.liveness);
            (known.unwrap_or_default(), found.2.execution != Execution::External)
        }),
        Watched::Spec(id) => {
            let standing = state.specs.get(id).and_then(|worker| worker.standing.as_ref());
            (standing.map(|standing| standing.liveness).unwrap_or_default(), false)
        }
    }
}

#[cfg(test)]
mod tests;
