//! What was seen of one worker, and what that adds up to.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use crate::domain::evidence::{Breach, Evidence, Liveness, ProcessState, Seen, Sign};
use crate::domain::moment::{Moment, span};
use crate::domain::policy::Supervision;

use super::{Mark, Probe};

/// A pause of ours is at least so much longer than what was asked for.
const PAUSE_MS_MIN: u64 = 5_000;
/// Less processor time than this is no sign, however short the time.
const CPU_MS_MIN: u64 = 50;
/// Keeping still takes less than one part in so many of the time.
const CPU_SHARE: u64 = 200;

/// One worker, as the watch remembers it.
#[derive(Debug)]
pub(super) struct Track {
    limits: Supervision,
    /// From when its timers count.
    since: Moment,
    /// When it was looked at last.
    looked: Moment,
    /// How long after that look the next is wanted.
    wanted_ms: u64,
    pub(super) process: ProcessState,
    signs: BTreeMap<Sign, (Moment, String)>,
    known: Known,
    /// What the last look found against it.
    suspicion: Option<Suspicion>,
    /// The limit that the last look found exceeded, and when that was found first.
    over: Option<(Breach, Moment)>,
    pub(super) liveness: Liveness,
    /// Whether a doubt was told since `since`.
    doubted: bool,
    breach_told: Option<Discriminant<Breach>>,
}

/// What changes are told from.
#[derive(Debug, Default)]
struct Known {
    output: Option<String>,
    files: Option<String>,
    heartbeat: Option<String>,
    progress: Option<String>,
    claimed: Option<String>,
    /// The processor time that counted last, and when.
    cpu: Option<(u64, Moment)>,
}

#[derive(Debug, Clone, Copy)]
struct Suspicion {
    cause: Cause,
    /// When it was found first.
    at: Moment,
    /// Whether a second look agreed.
    agreed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    NoProgress,
    Gone,
}

/// How long after a look that found something the next has to agree: a look's distance by 24, at
/// least a second, and never longer than a look's distance.
pub(super) fn again_ms(limits: &Supervision) -> u64 {
    limits.look_ms.min((limits.look_ms / 24).max(1_000))
}

impl Track {
    /// Begins with a first look: what is there by then is no change.
    pub(super) fn new(probe: &Probe, limits: &Supervision, now: Moment) -> Self {
        let mut track = Self {
            limits: *limits,
            since: now,
            looked: now,
            wanted_ms: limits.look_ms,
            process: probe.process,
            signs: BTreeMap::new(),
            known: Known::default(),
            suspicion: None,
            over: None,
            liveness: Liveness::Healthy,
            doubted: false,
            breach_told: None,
        };
        track.observe(probe, now);
        track.signs.retain(|sign, _| matches!(sign, Sign::Report | Sign::Process));
        track.conclude(probe, now, false);
        track
    }

    /// Takes in a further look.
    pub(super) fn look(&mut self, probe: &Probe, limits: &Supervision, now: Moment) {
        if self.was_paused(now) || (self.process.is_held() && !probe.process.is_held()) {
            self.begin_anew(now);
        }
        self.limits = *limits;
        let lives = self.observe(probe, now);
        self.conclude(probe, now, lives);
    }

    fn conclude(&mut self, probe: &Probe, now: Moment, lives: bool) {
        self.suspect(now, lives);
        self.measure(probe, now);
        self.liveness = self.judge(now);
        self.looked = now;
        self.wanted_ms = self.next_ms(now);
    }

    /// Tells whether there is anything against it that looks at others may explain.
    pub(super) fn doubts(&self) -> bool {
        self.doubted_at().is_some()
    }

    /// Tells whether that was found within the distance of a look.
    pub(super) fn doubts_lately(&self, now: Moment) -> bool {
        self.doubted_at().is_some_and(|at| !is_past(now, at, self.limits.look_ms))
    }

    fn doubted_at(&self) -> Option<Moment> {
        let silent = match self.over {
            Some((Breach::Silence { .. }, at)) => Some(at),
            Some(_) | None => None,
        };
        self.suspicion.map(|doubt| doubt.at).or(silent)
    }

    /// We were suspended, stopped or starved: nobody knows what the workers could do meanwhile. (One
    /// that was itself held up gets the same grace.)
    fn was_paused(&self, now: Moment) -> bool {
        let Supervision { look_ms, stall_after_ms, silence_ms, .. } = self.limits;
        let timers = [stall_after_ms, silence_ms].into_iter().filter(|limit_ms| *limit_ms > 0);
        let wanted_ms = timers.fold(look_ms, u64::min);
        let most_ms = wanted_ms.saturating_mul(2).max(wanted_ms.saturating_add(PAUSE_MS_MIN));
        now.since_ms(&self.looked).is_none_or(|gap_ms| gap_ms > most_ms)
    }

    fn begin_anew(&mut self, now: Moment) {
        self.since = now;
        self.suspicion = None;
        self.over = None;
        self.doubted = false;
        self.known.cpu = self.known.cpu.map(|(cpu_ms, _)| (cpu_ms, now));
        self.signs.retain(|_, (at, _)| at.boot == now.boot);
    }

    /// Notes what changed; tells whether any of it is a sign of life.
    fn observe(&mut self, probe: &Probe, now: Moment) -> bool {
        self.process = probe.process;
        if probe.process.is_alive() {
            self.see(Sign::Process, now, "it exists");
        }
        let Known { output, files, heartbeat, progress, claimed, .. } = &mut self.known;
        let mut changes: Vec<(Sign, String)> = Vec::new();
        let marked = |known: &mut Option<String>, mark: &Option<Mark>| {
            let mark = mark.as_ref()?;
            renew(known, &mark.mark).then(|| mark.what.clone())
        };
        changes.extend(marked(output, &probe.output).map(|what| (Sign::Output, what)));
        changes.extend(marked(files, &probe.files).map(|what| (Sign::Files, what)));
        if let Some(beat) = &probe.heartbeat {
            claimed.clone_from(&beat.claimed);
            if renew(heartbeat, &beat.content) {
                changes.push((Sign::Heartbeat, "its content changed".to_owned()));
            }
            if renew(progress, &beat.progress) {
                changes.push((Sign::Progress, "its heartbeat says something new".to_owned()));
            }
        }
        changes.extend(self.computed(probe.cpu_ms, now).map(|what| (Sign::Processor, what)));
        if probe.report && !self.signs.contains_key(&Sign::Report) {
            changes.push((Sign::Report, "it is there".to_owned()));
        } else if !probe.report {
            self.signs.remove(&Sign::Report);
        }
        let lives = !changes.is_empty();
        for (sign, what) in changes {
            self.see(sign, now, &what);
        }
        lives
    }

    /// Says what the processes computed since their processor time last counted, if it is more
    /// than keeping still takes.
    fn computed(&mut self, cpu_ms: Option<u64>, now: Moment) -> Option<String> {
        let cpu_ms = cpu_ms?;
        let Some((counted_ms, at)) = self.known.cpu.filter(|(_, at)| at.boot == now.boot) else {
            self.known.cpu = Some((cpu_ms, now));
            return None;
        };
        if cpu_ms < counted_ms {
            // Processes ended and took their time with them.
            self.known.cpu = Some((cpu_ms, at));
            return None;
        }
        let (more_ms, within_ms) = (cpu_ms - counted_ms, now.since_ms(&at).unwrap_or(0));
        let counts = more_ms >= CPU_MS_MIN && more_ms.saturating_mul(CPU_SHARE) >= within_ms;
        counts.then(|| {
            self.known.cpu = Some((cpu_ms, now));
            format!("{more_ms} ms of processor time in {}", span(within_ms))
        })
    }

    fn see(&mut self, sign: Sign, now: Moment, what: &str) {
        self.signs.insert(sign, (now, what.to_owned()));
    }

    fn suspect(&mut self, now: Moment, lives: bool) {
        let stalls = exceeds(self.limits.stall_after_ms, self.age_ms(Sign::is_progress, now));
        let cause = match self.process {
            ProcessState::Gone if !lives => Some(Cause::Gone),
            ProcessState::Gone
            | ProcessState::Running
            | ProcessState::Stopped
            | ProcessState::Uninterruptible
            | ProcessState::Unverifiable => stalls.then_some(Cause::NoProgress),
        };
        self.suspicion = cause.filter(|_| !self.has_report()).map(|cause| match self.suspicion {
            Some(known) if known.cause == cause => {
                let agrees =
                    is_past(now, known.at, again_ms(&self.limits)) && self.confirms(cause, now);
                Suspicion { agreed: known.agreed || agrees, ..known }
            }
            Some(_) | None => Suspicion { cause, at: now, agreed: false },
        });
    }

    /// Tells whether nothing speaks against the verdict that a second look is about to agree with.
    fn confirms(&self, cause: Cause, now: Moment) -> bool {
        match cause {
            // Whoever is suspended cannot make progress, and may go on.
            Cause::NoProgress => !self.process.is_held(),
            // The number may be that of a launcher, or of another name space; what works under
            // another number beats, prints or writes within the time of a heartbeat.
            Cause::Gone => self.age_ms(is_life, now) >= self.limits.heartbeat_stale_ms,
        }
    }

    fn judge(&self, now: Moment) -> Liveness {
        let stale_ms = self.limits.heartbeat_stale_ms;
        let is_quiet = stale_ms > 0 && self.age_ms(is_life, now) >= stale_ms;
        match self.suspicion {
            Some(Suspicion { cause: Cause::Gone, agreed: true, .. }) => Liveness::Gone,
            Some(Suspicion { cause: Cause::NoProgress, agreed: true, .. }) => Liveness::Stalled,
            // What is stalled does not get better by its process ending.
            Some(Suspicion { cause: Cause::Gone, .. }) if self.liveness == Liveness::Stalled => {
                Liveness::Stalled
            }
            Some(_) => Liveness::Suspect,
            None if is_quiet && !self.has_report() => Liveness::Quiet,
            None => Liveness::Healthy,
        }
    }

    /// Compares with the limits that only looks can find exceeded.
    fn measure(&mut self, probe: &Probe, now: Moment) {
        let silent_ms = self.age_ms(Sign::is_outward, now);
        let over = |limit: u64, is: u64| limit > 0 && is > limit;
        let found = if !probe.process.is_alive() {
            None
        } else if let Some(for_ms) = self.lingers_ms(now) {
            Some(Breach::Lingering { for_ms })
        } else if over(self.limits.memory_bytes_max, probe.memory_bytes) {
            Some(Breach::Memory { bytes: probe.memory_bytes })
        } else if over(self.limits.processes_max, probe.processes) {
            Some(Breach::Processes { count: probe.processes })
        } else if exceeds(self.limits.silence_ms, silent_ms) && !probe.process.is_held() {
            Some(Breach::Silence { for_ms: silent_ms })
        } else {
            None
        };
        self.over = found.map(|breach| match &self.over {
            Some((known, at)) if discriminant(known) == discriminant(&breach) => (breach, *at),
            Some(_) | None => (breach, now),
        });
    }

    fn lingers_ms(&self, now: Moment) -> Option<u64> {
        let (reported, _) = self.signs.get(&Sign::Report)?;
        let for_ms = elapsed_ms(now, *reported).min(elapsed_ms(now, self.since));
        (self.limits.linger_ms > 0 && for_ms >= self.limits.linger_ms).then_some(for_ms)
    }

    /// Returns the limit that it exceeds by two looks, where that was not told before.
    pub(super) fn breach(&self, now: Moment) -> Option<Breach> {
        let (breach, at) = self.over.as_ref()?;
        let is_new = self.breach_told != Some(discriminant(breach));
        let agreed = match breach {
            // That the report was there and that the process stays are two looks.
            Breach::Lingering { .. } => true,
            Breach::Silence { .. } | Breach::Memory { .. } | Breach::Processes { .. } => {
                is_past(now, *at, again_ms(&self.limits))
            }
        };
        (is_new && agreed).then_some(*breach)
    }

    /// Tells whether its liveness is news to somebody who takes it to be `known`: it is worse, or
    /// it is better and we saw why. What was doubted before the watch began is not believed to
    /// live because nothing is known yet.
    pub(super) fn is_news(&self, known: Liveness) -> bool {
        let seen = |counts: fn(Sign) -> bool| {
            let after = |at: &Moment| elapsed_ms(*at, self.since) > 0;
            self.signs.iter().any(|(sign, (at, _))| counts(*sign) && after(at))
        };
        let is_believed = match known {
            Liveness::Healthy | Liveness::Quiet => seen(is_life),
            Liveness::Suspect | Liveness::Stalled | Liveness::Gone => seen(Sign::is_progress),
        };
        let is_better = self.liveness < known && (self.doubted || is_believed || self.has_report());
        self.liveness > known || is_better
    }

    /// Notes that how it is was told.
    pub(super) fn told(&mut self) {
        self.doubted |= self.liveness != Liveness::Healthy;
    }

    /// Notes that a limit which it exceeds was told.
    pub(super) fn told_breach(&mut self, breach: &Breach) {
        self.breach_told = Some(discriminant(breach));
    }

    /// Returns when it is to be looked at next, on the boot-time clock of the last look.
    pub(super) fn due_ms(&self) -> u64 {
        self.looked.boottime_ms.saturating_add(self.wanted_ms)
    }

    fn next_ms(&self, now: Moment) -> u64 {
        let again_ms = again_ms(&self.limits);
        let to_agree = |at: Moment| again_ms.saturating_sub(elapsed_ms(now, at));
        let doubt = self.suspicion.filter(|doubt| !doubt.agreed).map(|doubt| to_agree(doubt.at));
        let over = self.over.as_ref().map(|(_, at)| to_agree(*at));
        // One that is off has passed, which no look is wanted for.
        let until =
            |limit: u64, counts: fn(Sign) -> bool| limit.saturating_sub(self.age_ms(counts, now));
        let after = |limit: u64, counts| until(limit.saturating_add(u64::from(limit > 0)), counts);
        let quiet = Some(until(self.limits.heartbeat_stale_ms, is_life));
        let stalled = Some(after(self.limits.stall_after_ms, Sign::is_progress));
        let silent = Some(after(self.limits.silence_ms, Sign::is_outward));
        let reported = self.signs.get(&Sign::Report);
        let lingering =
            reported.map(|(at, _)| self.limits.linger_ms.saturating_sub(elapsed_ms(now, *at)));
        [doubt, over, quiet, stalled, silent, lingering]
            .into_iter()
            .flatten()
            .filter(|ms| *ms > 0)
            .fold(self.limits.look_ms, u64::min)
    }

    /// Returns when a sign of life was last seen to change.
    pub(super) fn last_sign(&self) -> Option<Moment> {
        let alive = self.signs.iter().filter(|(sign, _)| is_life(**sign));
        alive.map(|(_, (at, _))| *at).max_by_key(|at| at.boottime_ms)
    }

    fn has_report(&self) -> bool {
        self.signs.contains_key(&Sign::Report)
    }

    /// Returns how long none of these signs was seen, on the timers of this track.
    fn age_ms(&self, counts: fn(Sign) -> bool, now: Moment) -> u64 {
        let seen = self.signs.iter().filter(|(sign, _)| counts(**sign));
        seen.map(|(_, (at, _))| elapsed_ms(now, *at)).fold(elapsed_ms(now, self.since), u64::min)
    }

    /// Returns everything that its liveness rests on.
    pub(super) fn evidence(&self, now: Moment) -> Evidence {
        let seen = |(sign, (at, what)): (&Sign, &(Moment, String))| Seen {
            sign: *sign,
            ago_ms: elapsed_ms(now, *at),
            what: what.clone(),
        };
        Evidence {
            process: self.process,
            signs: self.signs.iter().map(seen).collect(),
            watched_ms: elapsed_ms(now, self.since),
            claimed_heartbeat: self.known.claimed.clone(),
            verdict: self.verdict(now),
        }
    }

    fn verdict(&self, now: Moment) -> String {
        let still_ms = self.age_ms(Sign::is_progress, now);
        let stalled = || {
            let (still, allowed) = (span(still_ms), span(self.limits.stall_after_ms));
            format!("no progress for {still}, {allowed} are allowed")
        };
        let said = match (self.suspicion, self.liveness) {
            (Some(Suspicion { cause: Cause::Gone, .. }), _) => {
                "its process is gone, and it left no report".to_owned()
            }
            (Some(Suspicion { cause: Cause::NoProgress, .. }), _) => stalled(),
            (None, Liveness::Quiet) => {
                format!("no sign of life for {}", span(self.age_ms(is_life, now)))
            }
            (None, _) if self.has_report() => "its report is there".to_owned(),
            (None, _) => "it shows signs of life".to_owned(),
        };
        let looks = match self.suspicion {
            Some(Suspicion { agreed: true, .. }) => "; two looks agree",
            Some(Suspicion { agreed: false, .. }) => "; the next look has to agree",
            None => "",
        };
        let process = match self.process {
            ProcessState::Stopped => "; its process is stopped, not dead",
            ProcessState::Uninterruptible => "; its process waits for a device",
            ProcessState::Unverifiable => "; which process it is cannot be verified",
            ProcessState::Running | ProcessState::Gone => "",
        };
        format!("{said}{looks}{process}")
    }
}

fn is_life(sign: Sign) -> bool {
    match sign {
        Sign::Report
        | Sign::Files
        | Sign::Output
        | Sign::Progress
        | Sign::Processor
        | Sign::Heartbeat => true,
        Sign::Process => false,
    }
}

fn renew(known: &mut Option<String>, mark: &str) -> bool {
    let is_new = known.as_deref() != Some(mark);
    if is_new {
        *known = Some(mark.to_owned());
    }
    is_new
}

/// Compares with a limit that is off when it is 0.
fn exceeds(limit_ms: u64, age_ms: u64) -> bool {
    limit_ms > 0 && age_ms > limit_ms
}

/// What another boot saw is over for ever.
fn elapsed_ms(now: Moment, earlier: Moment) -> u64 {
    now.since_ms(&earlier).unwrap_or(u64::MAX)
}

fn is_past(now: Moment, start: Moment, delay_ms: u64) -> bool {
    elapsed_ms(now, start) >= delay_ms
}
