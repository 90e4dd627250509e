//! The daemon as it goes about things: decide several, sync once, then carry out what is owed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use baton::domain::ids::{AttemptId, ClaimId};
use baton::domain::watch::{Probe, Watch};
use baton::domain::worker::{AttemptPhase, Execution, Exit};
use baton::domain::{Effect, Input, Moment, Record, State};

use super::laws::Broken;
use super::life::{Due, Life, Stop};
use super::workers::{Place, Process};

/// How often everything is looked at, whatever was heard.
const TICK_MS: u64 = 120_000;
/// When a deadline has passed and nothing came of it, the domain is asked again after this.
const DEADLINE_AGAIN_MS: u64 = 100;
/// So many decisions without time going by are no decisions.
const TICKS_MAX: u32 = 500;

pub(super) struct Daemon {
    pub(super) state: State,
    pub(super) epoch: u64,
    pending: Vec<Record>,
    pub(super) running: BTreeSet<Effect>,
    pub(super) not_before: BTreeMap<Effect, u64>,
    pub(super) answers: Vec<(Effect, Vec<Input>)>,
    /// Workers that are said to be over.
    pub(super) noted: BTreeSet<AttemptId>,
    pub(super) is_hinted: bool,
    pub(super) watch: Watch,
    /// It or the whole machine stood still.
    pub(super) was_away: bool,
    tick_at_ms: u64,
    woke_at_ms: u64,
    /// When the domain next wants a tick, as it said at the end of the last turn.
    pub(super) deadline: Option<Moment>,
    /// Since when nothing kept it from looking, on the clock that stands still in sleep.
    pub(super) fresh_since_ms: u64,
    /// How long the machine slept in this boot, as far as it has said.
    suspended_ms: u64,
    /// It is stopped until then, and knows nothing of it.
    pub(super) frozen_until_ms: u64,
}

impl Daemon {
    /// Tells whether it had its turn just now.
    pub(super) fn is_awake(&self, life: &Life) -> bool {
        self.woke_at_ms == life.clock.total_ms
    }

    /// Returns when it goes on by itself.
    pub(super) fn wakes_at(&self, life: &Life) -> u64 {
        let now = life.clock.now();
        let deadline = self
            .deadline
            .map(|moment| life.clock.total_of(&moment).max(self.woke_at_ms + DEADLINE_AGAIN_MS));
        let look = life.brain.look_due(&self.watch, &self.state, &life.policy, now).map(|ms| {
            (life.clock.total_ms + ms.saturating_sub(now.boottime_ms))
                .max(self.woke_at_ms + DEADLINE_AGAIN_MS)
        });
        let effects = life
            .brain
            .outbox(&self.state)
            .into_iter()
            .filter(|effect| !life.brain.is_busy(&self.running, effect))
            .map(|effect| self.not_before.get(effect).copied().unwrap_or(0))
            .min();
        let soonest = [Some(self.tick_at_ms), deadline, look, effects].into_iter().flatten().min();
        soonest.unwrap_or(self.tick_at_ms).max(life.clock.total_ms).max(self.frozen_until_ms)
    }
}

impl Life {
    /// Takes the directory: replays, says that it is there, finds out what became of workers.
    pub(super) fn boot(&mut self, records: &[Record]) -> Result<(), Stop> {
        let state =
            self.brain.replay(records).map_err(|error| self.broken("replay_equals_live", error))?;
        // Where nothing was lost, the same is true as before.
        let same = self.last_state.take().is_none_or(|last| last.seq != state.seq || last == state);
        if !same {
            return Err(self.broken("replay_equals_live", "after a start".to_owned()));
        }
        let crashed_draft = self.drafting.take();
        let (now_ms, suspended_ms) = (self.clock.total_ms, self.clock.suspended_ms);
        self.daemon = Some(Daemon {
            suspended_ms,
            epoch: state.epoch + 1,
            state,
            pending: Vec::new(),
            running: BTreeSet::new(),
            not_before: BTreeMap::new(),
            answers: Vec::new(),
            noted: BTreeSet::new(),
            is_hinted: true,
            watch: Watch::default(),
            was_away: false,
            tick_at_ms: now_ms,
            woke_at_ms: now_ms,
            deadline: None,
            fresh_since_ms: self.clock.awake_ms,
            frozen_until_ms: 0,
        });
        self.tell(&Input::DaemonStarted { version: "1".into(), pid: 7, suspended_ms })?;
        if let Some(task_id) = crashed_draft {
            self.tell(&Input::DraftCrashed { task_id })?;
        }
        let daemon = self.daemon.as_ref().expect("it was just started");
        let live: Vec<AttemptId> = daemon.state.live_attempts().cloned().collect();
        for id in &live {
            let found = if self.brain.adopts(id) { self.found(id) } else { Vec::new() };
            for input in &found {
                self.tell(input)?;
            }
        }
        self.wake()
    }

    /// One turn of the loop.
    pub(super) fn wake(&mut self) -> Result<(), Stop> {
        let (now, now_ms) = (self.clock.now(), self.clock.total_ms);
        let Some(daemon) = &mut self.daemon else { return Ok(()) };
        if daemon.frozen_until_ms > now_ms {
            return Ok(());
        }
        daemon.woke_at_ms = now_ms;
        if std::mem::take(&mut daemon.was_away) {
            daemon.fresh_since_ms = self.clock.awake_ms;
        }
        let total_ms = self.clock.suspended_ms;
        if std::mem::replace(&mut daemon.suspended_ms, total_ms) < total_ms {
            self.tell(&Input::HostSuspended { total_ms })?;
        }
        let Some(daemon) = &mut self.daemon else { return Ok(()) };
        let answers = std::mem::take(&mut daemon.answers);
        let mut inputs: Vec<Input> = answers.iter().flat_map(|(_, said)| said.clone()).collect();
        if daemon.tick_at_ms <= now_ms {
            daemon.tick_at_ms = now_ms + TICK_MS;
            daemon.is_hinted = true;
            let live: Vec<AttemptId> = daemon.state.live_attempts().cloned().collect();
            daemon.noted.extend(live);
        }
        // Before anybody is judged, results are looked for.
        if self.is_look_due(now)
            && let Some(daemon) = &mut self.daemon
        {
            daemon.is_hinted = true;
            let live: Vec<AttemptId> = daemon.state.live_attempts().cloned().collect();
            daemon.noted.extend(live);
        }
        inputs.extend(self.ends());
        if self.daemon.as_mut().is_some_and(|daemon| std::mem::take(&mut daemon.is_hinted)) {
            inputs.extend(self.seen());
        }
        inputs.extend(self.looked(now));
        self.disturb(&mut inputs);
        for input in &inputs {
            self.tell(input)?;
        }
        self.settle()?;
        self.note_deadline();
        self.answered(&answers);
        self.commit()?;
        self.begin_effects()
    }

    /// Asks when the domain next wants a tick.
    pub(super) fn note_deadline(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            daemon.deadline = self.brain.deadline(&daemon.state, &self.policy);
        }
    }

    /// What is heard comes twice, or in another order.
    fn disturb(&mut self, inputs: &mut Vec<Input>) {
        if inputs.is_empty() || self.is_calm || !self.dice.happens(100) {
            return;
        }
        let (one, other) = (self.dice.place(inputs.len()), self.dice.place(inputs.len()));
        if self.dice.happens(500) {
            inputs.push(inputs[one].clone());
        } else {
            inputs.swap(one, other);
        }
    }

    /// Decides on one input; tells whether anything follows.
    pub(super) fn tell(&mut self, input: &Input) -> Result<bool, Stop> {
        let now = self.clock.now();
        let Some(daemon) = &mut self.daemon else { return Ok(false) };
        self.steps += u64::from(!matches!(input, Input::Tick));
        let events = self.brain.decide(&daemon.state, &self.policy, input, now);
        if events.is_empty() {
            return Ok(false);
        }
        let cause = cause(input);
        let record = Record {
            seq: daemon.state.seq + 1,
            at: now,
            epoch: daemon.epoch,
            schema: 1,
            cause,
            events,
        };
        self.trace.record(self.clock.total_ms, &record);
        self.check_record(&record, input).map_err(Stop::Broken)?;
        let Some(daemon) = &mut self.daemon else { return Ok(false) };
        if let Err(error) = self.brain.apply(&mut daemon.state, &record) {
            return Err(self.broken("decisions_can_be_applied", error.to_string()));
        }
        daemon.pending.push(record);
        let may_repeat = matches!(
            input,
            Input::DaemonStarted { .. }
                | Input::Tick
                | Input::DraftCrashed { .. }
                | Input::WorkersProbed { held: Some(_), .. }
        );
        if !may_repeat && self.dice.happens(200) {
            let Some(daemon) = &self.daemon else { return Ok(false) };
            let again = self.brain.decide(&daemon.state, &self.policy, input, now);
            if !again.is_empty() {
                let what = format!("{input:?} told again gives {again:?}");
                return Err(self.broken("told_twice_changes_nothing", what));
            }
        }
        Ok(true)
    }

    pub(super) fn settle(&mut self) -> Result<(), Stop> {
        for _ in 0..TICKS_MAX {
            if !self.tell(&Input::Tick)? {
                return Ok(());
            }
        }
        Err(self.broken("ticks_come_to_an_end", format!("{TICKS_MAX} ticks and more follow")))
    }

    /// What an answered effect changed nothing about is tried again, later.
    fn answered(&mut self, answers: &[(Effect, Vec<Input>)]) {
        let now_ms = self.clock.total_ms;
        let Some(daemon) = &mut self.daemon else { return };
        let owed = self.brain.outbox(&daemon.state);
        for (effect, _) in answers {
            daemon.running.remove(effect);
            if owed.contains(&effect) {
                daemon.not_before.insert(effect.clone(), now_ms + 5_000);
            } else {
                daemon.not_before.remove(effect);
            }
        }
    }

    /// Writes and syncs the batch. Nothing may follow from it before.
    fn commit(&mut self) -> Result<(), Stop> {
        if self.brain.acts_before_the_sync() {
            self.begin_effects()?;
            let begun: Vec<u64> = self.in_flight.keys().copied().collect();
            begun.into_iter().try_for_each(|id| self.arrives(id))?;
            self.check_deeds().map_err(Stop::Broken)?;
        }
        let Some(daemon) = &mut self.daemon else { return Ok(()) };
        if daemon.pending.is_empty() {
            return Ok(());
        }
        let last_seq = daemon.state.seq;
        let dice = &mut self.dice;
        let rate = if self.is_calm { 0 } else { 8 };
        if dice.happens(rate) {
            return Err(Stop::Crash("before the write"));
        }
        let pending = std::mem::take(&mut daemon.pending);
        pending.iter().for_each(|record| self.journal.append(record));
        if dice.happens(rate) {
            return Err(Stop::Crash("before the sync"));
        }
        if dice.happens(rate / 2) {
            return Err(Stop::Crash("as a sync failed"));
        }
        self.journal.sync(last_seq);
        if dice.happens(rate) {
            return Err(Stop::Crash("after the sync"));
        }
        Ok(())
    }

    /// Says what became of the workers that were noted.
    fn ends(&mut self) -> Vec<Input> {
        let Some(daemon) = &mut self.daemon else { return Vec::new() };
        let noted = std::mem::take(&mut daemon.noted);
        let mut inputs = Vec::new();
        for id in &noted {
            let is_there = self.process_of(id).is_some();
            let Some(daemon) = &mut self.daemon else { break };
            let Some((_, _, attempt)) = daemon.state.attempt(id) else { continue };
            match attempt.phase {
                AttemptPhase::Running { .. } | AttemptPhase::Ending { .. } => {
                    inputs.extend(self.found(id));
                }
                // Its start is not known to the domain yet.
                AttemptPhase::Issued | AttemptPhase::Published { .. } if is_there => {
                    daemon.noted.insert(id.clone());
                }
                AttemptPhase::Issued
                | AttemptPhase::Published { .. }
                | AttemptPhase::Taken { .. }
                | AttemptPhase::Ended { .. } => {}
            }
        }
        inputs
    }

    pub(super) fn process_of(&self, id: &AttemptId) -> Option<usize> {
        let nonce = &self.told.attempts.get(id.as_str())?.nonce;
        self.processes.iter().position(|p| p.job.attempt_id == *id && p.job.nonce == *nonce)
    }

    /// Looks into the folder of a launched worker.
    pub(super) fn found(&self, id: &AttemptId) -> Vec<Input> {
        let Some(daemon) = &self.daemon else { return Vec::new() };
        let Some((_, _, attempt)) = daemon.state.attempt(id) else { return Vec::new() };
        if attempt.execution == Execution::External {
            return Vec::new();
        }
        self.process_of(id).map_or(Vec::new(), |nth| told(&self.processes[nth]))
    }

    /// Says what can be seen in the directory: tasks, commands, handoffs that were taken, reports.
    fn seen(&self) -> Vec<Input> {
        let Some(daemon) = &self.daemon else { return Vec::new() };
        let mut inputs = Vec::new();
        for (nth, order) in self.orders.iter().enumerate() {
            if self.is_dropped[nth] && !self.told.tasks.contains_key(order.task_id.as_str()) {
                let (source, spec) = (order.source.clone(), Box::new(order.spec.clone()));
                inputs.push(Input::TaskObserved { source, spec });
            }
        }
        for dropped in self.commands.iter().filter(|dropped| !dropped.is_settled) {
            inputs.push(Input::CommandObserved {
                claim: ClaimId::parse(&dropped.claim).unwrap(),
                file: "c.json".into(),
                owner: 1000,
                command: dropped.command.clone(),
            });
        }
        for paper in &self.papers {
            let id = &paper.job.attempt_id;
            let attempt = daemon.state.attempt(id).map(|(_, _, attempt)| attempt);
            let waits = attempt.is_some_and(|a| matches!(a.phase, AttemptPhase::Published { .. }));
            let attempt_id = id.clone();
            match paper.place {
                Place::Taken if waits => inputs.push(Input::HandoffTaken { attempt_id }),
                Place::Lost if waits => inputs.push(Input::HandoffLost { attempt_id }),
                Place::There | Place::Taken | Place::Lost | Place::Withdrawn => {}
            }
        }
        inputs.extend(self.specs_seen());
        for (nth, letter) in self.letters.iter().enumerate() {
            let finding = letter.finding.clone();
            let is_seen = daemon.state.reports_seen.get(&finding.path) == Some(&finding.digest);
            // A later one in the same place has taken its place.
            let is_gone = self.letters[nth + 1..].iter().any(|l| l.finding.path == finding.path);
            if !is_seen && !is_gone {
                let claim =
                    letter.by_inbox.then(|| ClaimId::parse(&format!("claim-r{nth}")).unwrap());
                inputs.push(Input::ReportObserved { claim, finding });
            }
        }
        inputs
    }

    fn is_look_due(&self, now: Moment) -> bool {
        let Some(daemon) = &self.daemon else { return false };
        let due = self.brain.look_due(&daemon.watch, &daemon.state, &self.policy, now);
        due.is_some_and(|due_ms| due_ms <= now.boottime_ms)
    }

    /// Looks at every worker, when the watch wants that.
    fn looked(&mut self, now: Moment) -> Vec<Input> {
        if !self.is_look_due(now) {
            return Vec::new();
        }
        let mut probes = Vec::new();
        for (id, attempt) in self.told.live() {
            if attempt.is_launched {
                let of =
                    |p: &&Process| p.job.attempt_id.as_str() == id && p.job.nonce == attempt.nonce;
                probes.extend(self.processes.iter().find(of).map(Process::probe));
            } else {
                let paper = self.papers.iter().find(|p| p.job.attempt_id.as_str() == id);
                let is_reported = self.letters.iter().any(|letter| letter.from.as_str() == id);
                let stranger = self.stranger_at(id).map(|nth| &self.strange[nth]);
                probes.extend(paper.map(|paper| {
                    let probe = paper.probe(is_reported);
                    match stranger {
                        Some(s) => Probe { process: s.process(), ..probe },
                        None => probe,
                    }
                }));
            }
        }
        probes.extend(self.probes_of_strangers());
        let Some(daemon) = &mut self.daemon else { return Vec::new() };
        let found = self.brain.look(&mut daemon.watch, &daemon.state, &self.policy, probes, now);
        if let Some(input) = &found {
            self.trace.say(self.clock.total_ms, || format!("look: {input:?}"));
        }
        found.into_iter().collect()
    }

    /// Begins every effect that is owed and not under way.
    fn begin_effects(&mut self) -> Result<(), Stop> {
        let now_ms = self.clock.total_ms;
        let Some(daemon) = &self.daemon else { return Ok(()) };
        let owed: Vec<Effect> = self.brain.outbox(&daemon.state).into_iter().cloned().collect();
        for effect in owed {
            let Some(daemon) = &mut self.daemon else { return Ok(()) };
            let is_early = daemon.not_before.get(&effect).is_some_and(|at| *at > now_ms);
            if is_early || self.brain.is_busy(&daemon.running, &effect) {
                continue;
            }
            daemon.running.insert(effect.clone());
            self.begin_effect(effect);
            if !self.is_calm && self.dice.happens(3) {
                return Err(Stop::Crash("between effects"));
            }
        }
        Ok(())
    }

    pub(super) fn broken(&self, law: &'static str, message: String) -> Stop {
        Stop::Broken(Broken::of(law, message))
    }

    /// An outcome is on its way to the daemon.
    pub(super) fn answer(&mut self, epoch: u64, effect: &Effect, inputs: Vec<Input>) {
        let delay_ms = self.dice.between(1, 200);
        self.after(delay_ms, Due::Answer(epoch, effect.clone(), inputs));
    }
}

/// Says what a worker's folder means.
pub(super) fn told(process: &Process) -> Vec<Input> {
    let attempt_id = process.job.attempt_id.clone();
    let started =
        Input::WorkerStarted { attempt_id: attempt_id.clone(), identity: process.identity.clone() };
    if process.lives() {
        return vec![started];
    }
    match process.exit {
        Some(exit) => {
            let outcome = process.outcome(exit);
            vec![started, Input::WorkerExited { attempt_id, exit, outcome }]
        }
        None if process.report.is_some() => {
            let outcome = process.outcome(Exit::Unknown);
            vec![Input::WorkerExited { attempt_id, exit: Exit::Unknown, outcome }]
        }
        None => vec![Input::WorkerInterrupted { attempt_id, reason: "it ended unseen".into() }],
    }
}

/// Returns the first word of what an input looks like.
fn cause(input: &Input) -> String {
    struct FirstWord(String);
    impl Write for FirstWord {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            let word: String = text.chars().take_while(|c| c.is_alphanumeric()).collect();
            self.0.push_str(&word);
            if word.len() < text.len() { Err(std::fmt::Error) } else { Ok(()) }
        }
    }
    let mut word = FirstWord(String::new());
    // It ends with an error where the word ends.
    let _ = write!(word, "{input:?}");
    word.0
}
