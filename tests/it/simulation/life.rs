//! One life of a directory: a world, a daemon that crashes, and what happens one after another.

use std::collections::{BTreeMap, BTreeSet};

use baton::domain::ids::{AttemptId, CommandId};
use baton::domain::input::Command;
use baton::domain::{Effect, Input, Policy, Record, State};

use super::brain::Brain;
use super::chronicle::Chronicle;
use super::clock::Clock;
use super::daemon::Daemon;
use super::dice::Dice;
use super::effects::InFlight;
use super::journal::Journal;
use super::laws::Broken;
use super::orders::{self, Order};
use super::sabotage::Bug;
use super::strangers::Stranger;
use super::trace::Trace;
use super::workers::{Letter, Next, Paper, Place, Process};

/// How a life is set up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) bug: Option<Bug>,
    /// Nobody ever sets the wall clock.
    pub(super) honest_wall: bool,
    /// Whether every line of the trace is kept.
    pub(super) is_told: bool,
}

/// What a life came to.
pub(super) struct Lived {
    pub(super) steps: u64,
    pub(super) trace: Trace,
    pub(super) journal_digest: u32,
    pub(super) broken: Option<Broken>,
}

/// Why nothing more can be done just now.
pub(super) enum Stop {
    /// The daemon is dead.
    Crash(&'static str),
    /// A law is broken.
    Broken(Broken),
}

/// What happens when its time comes.
#[derive(Debug, Clone)]
pub(super) enum Due {
    Process(usize),
    /// What a process left behind is swept up by its holder.
    Sweep(usize),
    Paper(usize),
    Stranger(usize),
    /// An effect reaches the world.
    Arrives(u64),
    /// Its outcome reaches the daemon of that epoch.
    Answer(u64, Effect, Vec<Input>),
    Drop(usize),
    Operator,
    Trouble,
    Wake,
    Restart,
}

/// A command in the inbox.
pub(super) struct Dropped {
    pub(super) command: Command,
    pub(super) claim: String,
    pub(super) is_settled: bool,
}

/// What somebody did in the world just now, for the laws that are about it.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    Launched(usize),
    Published(usize),
    /// A signal was sent to the process that bears this number.
    Signalled {
        attempt_id: AttemptId,
        pid: u32,
        is_its_own: bool,
    },
}

pub(super) struct Life {
    pub(super) dice: Dice,
    pub(super) clock: Clock,
    pub(super) policy: Policy,
    pub(super) orders: Vec<Order>,
    pub(super) processes: Vec<Process>,
    pub(super) papers: Vec<Paper>,
    pub(super) strange: Vec<Stranger>,
    pub(super) letters: Vec<Letter>,
    pub(super) commands: Vec<Dropped>,
    pub(super) is_dropped: Vec<bool>,
    /// Attempts that must not be launched any more.
    pub(super) forbidden: BTreeSet<AttemptId>,
    /// Numbers of dead processes of ours that somebody else bears now.
    pub(super) strangers: BTreeSet<u32>,
    /// How many holders there were: one knows the ends of those that it started itself.
    pub(super) holder: u64,
    pub(super) in_flight: BTreeMap<u64, InFlight>,
    pub(super) due: BTreeMap<(u64, u64), Due>,
    pub(super) due_count: u64,
    pub(super) daemon: Option<Daemon>,
    pub(super) brain: Brain,
    pub(super) journal: Journal,
    pub(super) told: Chronicle,
    pub(super) deeds: Vec<Deed>,
    pub(super) trace: Trace,
    pub(super) steps: u64,
    /// Nobody makes trouble any more, and whoever is new is honest.
    pub(super) is_calm: bool,
    pub(super) calm_since_ms: u64,
    /// The task whose draft ended the daemon, as its marker says that is written before.
    pub(super) drafting: Option<baton::domain::ids::TaskId>,
    /// Something was decided since the laws were last looked at.
    pub(super) is_news: bool,
    /// The state in which the last daemon ended.
    pub(super) last_state: Option<State>,
}

/// How long trouble is made.
const CHAOS_MS: u64 = 90 * 60_000;
/// Everything that was accepted has come to an end so long after the last trouble.
const CALM_MS_MAX: u64 = 20 * 24 * 3_600_000;
/// No life has more steps.
const STEPS_MAX: u64 = 30_000;

impl Life {
    pub(super) fn live(setting: Setting) -> Lived {
        let mut life = Self::begin(setting);
        let broken = life.run().err();
        life.trace.finish(broken.as_ref());
        let journal_digest = life.journal.digest();
        Lived { steps: life.steps, trace: life.trace, journal_digest, broken }
    }

    fn begin(setting: Setting) -> Self {
        let mut dice = Dice::new(setting.seed);
        let policy = orders::policy(&mut dice);
        let orders = orders::orders(&mut dice, policy.masters.len());
        let mut life = Self {
            clock: Clock::new(setting.seed, setting.honest_wall),
            is_dropped: vec![false; orders.len()],
            processes: Vec::new(),
            papers: Vec::new(),
            strange: Vec::new(),
            letters: Vec::new(),
            commands: Vec::new(),
            forbidden: BTreeSet::new(),
            strangers: BTreeSet::new(),
            holder: 0,
            in_flight: BTreeMap::new(),
            due: BTreeMap::new(),
            due_count: 0,
            daemon: None,
            brain: Brain::new(setting.bug),
            journal: Journal::default(),
            told: Chronicle::default(),
            deeds: Vec::new(),
            trace: Trace::new(setting.is_told),
            steps: 0,
            is_calm: false,
            calm_since_ms: 0,
            drafting: None,
            is_news: false,
            last_state: None,
            dice,
            policy,
            orders,
        };
        life.plan_ahead();
        life
    }

    fn plan_ahead(&mut self) {
        self.after(0, Due::Restart);
        for nth in 0..self.orders.len() {
            self.after(self.orders[nth].dropped_at_ms, Due::Drop(nth));
        }
        self.after(60_000, Due::Trouble);
        self.after(30_000, Due::Operator);
    }

    fn run(&mut self) -> Result<(), Broken> {
        while !self.is_at_rest() {
            if self.steps > STEPS_MAX {
                let said = self.why_awake();
                return Err(Broken::of("comes_to_rest", format!("it goes on and on: {said}")));
            }
            if self.is_calm && self.clock.total_ms > self.calm_since_ms + CALM_MS_MAX {
                return Err(Broken::of("comes_to_rest", self.what_is_left()));
            }
            match self.step() {
                Ok(()) => {}
                Err(Stop::Crash(at)) => self.crash(at),
                Err(Stop::Broken(broken)) => return Err(broken),
            }
            if self.is_news {
                self.change_mind();
            }
            self.check_step()?;
        }
        self.check_end()
    }

    /// Something happens at some time from now.
    pub(super) fn after(&mut self, delay_ms: u64, due: Due) {
        self.due_count += 1;
        self.due.insert((self.clock.total_ms + delay_ms, self.due_count), due);
    }

    /// Says what the daemon is about to do next.
    fn why_awake(&self) -> String {
        let next = self.due.first_key_value().map(|((at, _), _)| *at);
        let Some(daemon) = &self.daemon else { return format!("no daemon, next {next:?}") };
        let now = self.clock.now();
        format!(
            "at {} ms, next {next:?}, wakes at {}, deadline {:?}, look {:?} of {}, outbox {:?}, {}",
            self.clock.total_ms,
            daemon.wakes_at(self),
            daemon.deadline.map(|moment| self.clock.total_of(&moment)),
            self.brain.look_due(&daemon.watch, &daemon.state, &self.policy, now),
            now.boottime_ms,
            self.brain.outbox(&daemon.state),
            self.what_is_left()
        )
    }

    /// Lets the next thing happen.
    fn step(&mut self) -> Result<(), Stop> {
        self.steps += 1;
        let next = self.due.first_key_value().map(|(at, _)| *at);
        let wakes_at = self.daemon.as_ref().map(|daemon| daemon.wakes_at(self));
        match (next, wakes_at) {
            (Some((at, _)), Some(wakes_at)) if wakes_at < at => {
                self.clock.reach(wakes_at);
                self.wake()
            }
            (None, Some(wakes_at)) => {
                self.clock.reach(wakes_at);
                self.wake()
            }
            (Some(key), _) => {
                self.clock.reach(key.0);
                let Some(due) = self.due.remove(&key) else { return Ok(()) };
                self.happen(due)
            }
            (None, None) => {
                self.after(1_000, Due::Restart);
                Ok(())
            }
        }
    }

    fn happen(&mut self, due: Due) -> Result<(), Stop> {
        if !self.is_calm && self.clock.total_ms > CHAOS_MS {
            self.calm_down();
        }
        match due {
            Due::Process(nth) => {
                self.process_acts(nth);
                Ok(())
            }
            Due::Sweep(nth) => {
                self.processes[nth].children = 0;
                self.tell_end(nth);
                Ok(())
            }
            Due::Paper(nth) => {
                self.paper_acts(nth);
                Ok(())
            }
            Due::Stranger(nth) => {
                self.stranger_acts(nth);
                Ok(())
            }
            Due::Arrives(id) => self.arrives(id),
            Due::Answer(epoch, effect, inputs) => {
                if let Some(daemon) = self.daemon.as_mut().filter(|d| d.epoch == epoch) {
                    daemon.answers.push((effect, inputs));
                    return self.wake();
                }
                Ok(())
            }
            Due::Drop(nth) => {
                self.is_dropped[nth] = true;
                self.hint();
                Ok(())
            }
            Due::Operator => {
                self.operate();
                Ok(())
            }
            Due::Trouble => self.trouble(),
            Due::Wake => self.wake(),
            Due::Restart => self.restart(),
        }
    }

    /// Something changed in the directory; most of the time the daemon hears of it.
    pub(super) fn hint(&mut self) {
        if self.dice.happens(850)
            && let Some(daemon) = &mut self.daemon
        {
            daemon.is_hinted = true;
            let delay_ms = self.dice.below(50);
            self.after(delay_ms, Due::Wake);
        }
    }

    fn process_acts(&mut self, nth: usize) {
        let (awake_ms, holder) = (self.clock.awake_ms, self.holder);
        let process = &mut self.processes[nth];
        let is_held = process.holder == holder;
        let lived = process.is_main_alive;
        let had_report = process.has_delivered;
        match process.act(awake_ms, is_held) {
            Next::After(ms) => self.after(ms, Due::Process(nth)),
            Next::Over => {}
        }
        let process = &self.processes[nth];
        if lived && (!process.is_main_alive || process.has_delivered != had_report) {
            self.trace.say(self.clock.total_ms, || format!("worker {}", describe(process)));
        }
        if lived && !self.processes[nth].is_main_alive {
            self.ended(nth);
        }
    }

    /// The first process of a worker is gone.
    pub(super) fn ended(&mut self, nth: usize) {
        if self.processes[nth].children > 0 {
            self.after(2_000, Due::Sweep(nth));
        } else {
            self.tell_end(nth);
        }
        let pid = self.processes[nth].identity.pid;
        if self.dice.happens(500) {
            self.strangers.insert(pid);
        }
    }

    /// The holder tells the daemon, if both are there.
    fn tell_end(&mut self, nth: usize) {
        if self.processes[nth].lives()
            || self.processes[nth].holder != self.holder
            || !self.dice.happens(850)
        {
            return;
        }
        let id = self.processes[nth].job.attempt_id.clone();
        if let Some(daemon) = &mut self.daemon {
            daemon.noted.insert(id);
            let delay_ms = self.dice.below(50);
            self.after(delay_ms, Due::Wake);
        }
    }

    fn paper_acts(&mut self, nth: usize) {
        let (awake_ms, letters) = (self.clock.awake_ms, self.letters.len());
        let (place, paper) = (self.papers[nth].place, &mut self.papers[nth]);
        match paper.act(awake_ms, &mut self.letters) {
            Next::After(ms) => self.after(ms, Due::Paper(nth)),
            Next::Over => {}
        }
        let paper = &self.papers[nth];
        let is_new = paper.place == Place::Taken && place == Place::There;
        let attempt_id = paper.job.attempt_id.clone();
        if paper.place != place || self.letters.len() != letters {
            let reported = if self.letters.len() == letters { "" } else { " and reports" };
            self.trace.say(self.clock.total_ms, || {
                format!("master of {}: {:?}{reported}", paper.job.attempt_id, paper.place)
            });
            self.hint();
        }
        if is_new && self.dice.happens(300) {
            self.start_stranger(Some(attempt_id));
        }
    }

    /// Drops a command into the inbox.
    pub(super) fn command(&mut self, verb: &str, target: &str, args: serde_json::Value) {
        let nth = self.commands.len();
        let again = nth > 0 && !self.is_calm && self.dice.happens(60);
        let command = if again {
            self.commands[self.dice.place(nth)].command.clone()
        } else {
            Command {
                command_id: CommandId::parse(&format!("command-{nth}")).unwrap(),
                verb: verb.to_owned(),
                target: target.to_owned(),
                args,
                created_at: None,
                expires_at: None,
            }
        };
        self.trace.say(self.clock.total_ms, || {
            format!("operator: {} {} ({})", command.verb, command.target, command.command_id)
        });
        let claim = format!("claim-c{nth}");
        self.commands.push(Dropped { command, claim, is_settled: false });
        self.hint();
    }

    /// The daemon is gone, and with it all that was not on disk.
    pub(super) fn crash(&mut self, at: &'static str) {
        self.trace.say(self.clock.total_ms, || format!("CRASH {at}"));
        if let Some(daemon) = self.daemon.take() {
            self.last_state = Some(daemon.state);
        }
        self.journal.crash(&mut self.dice);
        // What was on its way to the holder may still get there, nothing else does.
        let dice = &mut self.dice;
        self.in_flight.retain(|_, flight| {
            matches!(flight.effect, Effect::LaunchWorker(_)) && dice.happens(500)
        });
        let delay_ms = self.dice.pick(&[10, 2_000, 40 * 60_000]);
        self.after(delay_ms, Due::Restart);
    }

    fn calm_down(&mut self) {
        self.is_calm = true;
        self.calm_since_ms = self.clock.total_ms;
        self.trace.say(self.clock.total_ms, || "CALM".to_owned());
    }

    fn restart(&mut self) -> Result<(), Stop> {
        if self.daemon.is_some() {
            return Ok(());
        }
        let records: Vec<Record> = self.journal.open().to_vec();
        self.told = Chronicle::of(&records);
        self.boot(&records)
    }
}

fn describe(process: &Process) -> String {
    format!(
        "{} {:?}: alive {}, exit {:?}, delivered {}",
        process.job.attempt_id,
        process.habit.ending,
        process.is_main_alive,
        process.exit,
        process.has_delivered
    )
}
