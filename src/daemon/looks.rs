//! When workers are looked at, and what follows from a look.
//!
//! What ends is heard of from its holder and from its files; a look is for what says nothing. One
//! look is under way at a time, beside the loop, and the rules of the watch are asked with the
//! time at which it was made.

use std::collections::BTreeMap;

use super::monitor::{self, Worker};
use super::probe::{self, Look, Memory, Subject};
use super::{Daemon, DaemonError};
use crate::domain::document::DocumentKey;
use crate::domain::evidence::{Breach, Finding, Liveness, ProcessState, Watched};
use crate::domain::ids::AttemptId;
use crate::domain::watch::Watch;
use crate::domain::worker::Execution;
use crate::domain::{Input, Moment, Policy, State};
use crate::projection::worker_specs::Sample;

/// After a look nobody looks for so many times as long as it took, up to a limit, however many
/// workers are new meanwhile.
const REST_FACTOR: u64 = 20;
const REST_MS_MAX: u64 = 5_000;
/// Where results lie that beat every verdict.
const RESULTS: [&str; 2] = ["reports", "worker_specs"];

/// The watch over workers, and when it wants the next look.
#[derive(Default)]
pub(super) struct Looks {
    watch: Watch,
    /// When the last look was made.
    last: Option<Moment>,
    memory: Memory,
    is_under_way: bool,
    /// For which state the next look was planned, and when it is due.
    planned: Option<(u64, Option<u64>)>,
    /// What the specs of our workers show.
    shown: BTreeMap<AttemptId, Shown>,
    /// Not before this, so that looking does not take all the time there is.
    not_before_ms: u64,
}

/// What a spec shows that no event tells: it is written again when that changed.
type Shown = (Option<Moment>, Liveness, ProcessState);

impl Looks {
    /// Returns when the next look is due, on the boot-time clock.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let (_, due_ms) = self.planned?;
        due_ms.filter(|_| !self.is_under_way).map(|due_ms| due_ms.max(self.not_before_ms))
    }

    /// Forgets when the next look is due: limits may be others now.
    pub(super) fn plan_again(&mut self) {
        self.planned = None;
    }

    /// Takes what a look is made with, if one is due.
    fn begin(
        &mut self,
        state: &State,
        policy: &Policy,
        now: Moment,
    ) -> Option<(Vec<Subject>, Memory)> {
        if self.is_under_way {
            return None;
        }
        if self.planned.is_none_or(|(seq, _)| seq != state.seq) {
            self.planned = Some((state.seq, self.watch.due_ms(state, policy, now)));
        }
        if self.due_ms()? > now.boottime_ms {
            return None;
        }
        self.is_under_way = true;
        let subjects = probe::subjects(state, policy);
        Some((subjects, std::mem::take(&mut self.memory)))
    }

    /// Takes back what a look was made with that came to nothing.
    pub(super) fn keep(&mut self, memory: Memory) {
        self.memory = memory;
    }

    /// Notes that a look came to nothing.
    pub(super) fn failed(&mut self, not_before_ms: u64) {
        self.is_under_way = false;
        self.planned = None;
        self.not_before_ms = not_before_ms;
    }

    /// Takes in a look and returns what is new by it.
    fn take(&mut self, look: Look, state: &State, policy: &Policy) -> Option<Input> {
        self.is_under_way = false;
        self.planned = None;
        self.memory = look.memory;
        self.last = Some(look.at);
        let rest_ms = look.took_ms.saturating_mul(REST_FACTOR).min(REST_MS_MAX);
        self.not_before_ms = look.at.boottime_ms.saturating_add(rest_ms);
        self.watch.look(state, policy, &look.probes, look.at)
    }

    /// Returns the specs of our workers that are to show something else after a look at them.
    fn changed(&mut self, state: &State, seen: &[Watched]) -> Vec<DocumentKey> {
        let of = |worker: &Watched| {
            let Watched::Attempt(id) = worker else { return None };
            let (_, _, attempt) = state.attempt(id)?;
            let is_ours = attempt.execution != Execution::External && attempt.is_live();
            let sign = self.watch.last_sign(worker);
            let shown = (sign, self.watch.liveness(worker)?, self.watch.process(worker)?);
            is_ours.then(|| (id.clone(), shown))
        };
        let shown: BTreeMap<AttemptId, Shown> = seen.iter().filter_map(of).collect();
        let is_news = |(id, shown): &(&AttemptId, &Shown)| self.shown.get(*id) != Some(*shown);
        let changed = shown.iter().filter(is_news);
        let keys = changed.map(|(id, _)| DocumentKey::WorkerSpec(id.clone())).collect();
        self.shown = shown;
        keys
    }

    /// Returns what is known of the worker of a live attempt since it was looked at last.
    pub(super) fn sample(&self, state: &State, id: &AttemptId) -> Option<Sample> {
        let (_, _, attempt) = state.attempt(id)?;
        let worker = Watched::Attempt(id.clone());
        let at = self.last.filter(|_| attempt.is_live())?;
        Some(Sample {
            at,
            last_sign: self.watch.last_sign(&worker),
            liveness: self.watch.liveness(&worker)?,
            evidence: self.watch.evidence(&worker, at)?,
        })
    }
}

impl Daemon {
    /// Begins to look at workers if it is time.
    pub(super) fn look_at_workers(&mut self, now: Moment) {
        let (state, policy) = (self.ledger.state(), &self.means.config.policy);
        if let Some((subjects, memory)) = self.looks.begin(state, policy, now) {
            self.effects.start_look(subjects, memory, &self.means);
        }
    }

    /// Decides on what a look found, and shows it in the specs of our workers.
    pub(super) fn take_look(&mut self, look: Look, now: Moment) -> Result<(), DaemonError> {
        let seen: Vec<Watched> = look.probes.iter().map(|probe| probe.worker.clone()).collect();
        let told = self.looks.take(look, self.ledger.state(), &self.means.config.policy);
        if self.is_draining() {
            // Whoever comes next looks again, and gives everybody a fresh period of grace.
            return Ok(());
        }
        if let Some(told) = told {
            let told = self.results_first(told, now)?;
            self.decide_all(&[told], now)?;
        }
        let specs = self.looks.changed(self.ledger.state(), &seen);
        self.documents.touch_keys(specs, now.boottime_ms);
        Ok(())
    }

    /// Reads once more what those left that are about to be condemned, and decides on that first:
    /// a delivered result beats every verdict. Returns what of the verdicts is left to tell.
    fn results_first(&mut self, told: Input, now: Moment) -> Result<Input, DaemonError> {
        let Input::WorkersProbed { mut findings, held } = told else { return Ok(told) };
        let condemned: Vec<&Finding> = findings.iter().filter(|one| is_verdict(one)).collect();
        if condemned.is_empty() {
            return Ok(Input::WorkersProbed { findings, held });
        }
        let state = self.ledger.state();
        let of = |finding: &Finding| match &finding.worker {
            Watched::Attempt(id) => Worker::of(state, id),
            Watched::Spec(_) => None,
        };
        let launched = condemned
            .into_iter()
            .filter_map(of)
            .filter(|worker| worker.attempt.execution != Execution::External);
        launched.for_each(|worker| self.monitor.is_over(worker.attempt.worker_id));
        let ends = self.monitor.gather(self.ledger.state(), &self.means);
        self.decide_all(&ends, now)?;
        self.intakes.look_now(&RESULTS);
        self.look(now)?;
        findings.retain(|finding| !self.has_delivered(finding));
        Ok(Input::WorkersProbed { findings, held })
    }

    /// Tells whether a worker that is called idle has left its report since it was looked at.
    fn has_delivered(&self, finding: &Finding) -> bool {
        let is_idle = match (finding.breach, finding.liveness) {
            (Some(Breach::Silence { .. }), _) => true,
            (
                Some(Breach::Memory { .. } | Breach::Processes { .. } | Breach::Lingering { .. }),
                _,
            ) => false,
            (None, Liveness::Stalled | Liveness::Gone) => true,
            (None, Liveness::Healthy | Liveness::Quiet | Liveness::Suspect) => false,
        };
        let Watched::Attempt(id) = &finding.worker else { return false };
        is_idle
            && Worker::of(self.ledger.state(), id)
                .filter(|worker| worker.attempt.execution != Execution::External)
                .is_some_and(|worker| monitor::has_reported(&self.means, &worker))
    }
}

fn is_verdict(finding: &Finding) -> bool {
    let is_condemned = match finding.liveness {
        Liveness::Stalled | Liveness::Gone => true,
        Liveness::Healthy | Liveness::Quiet | Liveness::Suspect => false,
    };
    is_condemned || finding.breach.is_some()
}
