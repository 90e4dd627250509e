//! Effects as they reach the world: each looks first whether it was done before.

use baton::domain::ids::AttemptId;
use baton::domain::plan::RevisionOutcome;
use baton::domain::worker::{Execution, Exit, ProcessIdentity};
use baton::domain::{Effect, Input, State};
use baton::planner;

use super::daemon::told;
use super::habits::{self, OnTerm};
use super::life::{Deed, Due, Life, Stop};
use super::workers::{Job, Paper, Place, Process};

/// How long a worker has to end by itself, and how long the proof takes that it is gone.
const GRACE_MS: u64 = 10_000;
const PROOF_MS: u64 = 5_000;

/// An effect on its way.
pub(super) struct InFlight {
    pub(super) effect: Effect,
    epoch: u64,
    /// What it needs of the state, taken when it began.
    job: Option<Job>,
    /// For a stop: TERM was sent.
    is_termed: bool,
}

impl Life {
    pub(super) fn begin_effect(&mut self, effect: Effect) {
        let Some(daemon) = &self.daemon else { return };
        let job = job(&daemon.state, &effect);
        let flight = InFlight { effect, epoch: daemon.epoch, job, is_termed: false };
        let delay_ms = match self.dice.below(20) {
            0 => self.dice.between(1_000, 60_000),
            _ => self.dice.between(1, 500),
        };
        self.fly(flight, delay_ms);
    }

    fn fly(&mut self, flight: InFlight, delay_ms: u64) {
        self.due_count += 1;
        let id = self.due_count;
        self.in_flight.insert(id, flight);
        self.after(delay_ms, Due::Arrives(id));
    }

    pub(super) fn arrives(&mut self, id: u64) -> Result<(), Stop> {
        let Some(flight) = self.in_flight.remove(&id) else { return Ok(()) };
        let effect = flight.effect.clone();
        self.trace.say(self.clock.total_ms, || format!("effect {effect:?}"));
        // Whoever carries it out cannot for now.
        let stops = matches!(effect, Effect::StopWorker(_));
        if !self.is_calm && !stops && self.dice.happens(30) {
            self.answer(flight.epoch, &effect, Vec::new());
            return Ok(());
        }
        let inputs = match &effect {
            Effect::SettleClaim(claim) => {
                for dropped in self.commands.iter_mut().filter(|d| d.claim == claim.as_str()) {
                    dropped.is_settled = true;
                }
                vec![Input::ClaimSettled { claim: claim.clone() }]
            }
            Effect::DraftPlan(task_id) => {
                let order = self.orders.iter().find(|order| order.task_id == *task_id);
                let Some(order) = order else { return Ok(()) };
                if order.is_poison && self.daemon.is_some() {
                    self.drafting = Some(task_id.clone());
                    return Err(Stop::Crash("drafting a plan"));
                }
                let outcome = order.draft.clone();
                vec![Input::Drafted { task_id: task_id.clone(), outcome }]
            }
            Effect::PublishHandoff(attempt_id) => self.publish(attempt_id, &flight),
            Effect::WithdrawHandoff(attempt_id) => self.withdraw(attempt_id),
            Effect::LaunchWorker(attempt_id) => self.launch(attempt_id, &flight),
            Effect::StopWorker(attempt_id) => {
                let epoch = flight.epoch;
                if let Some(inputs) = self.stop(attempt_id, flight) {
                    self.answer(epoch, &effect, inputs);
                }
                return Ok(());
            }
            Effect::RevisePlan(subtask_id) => self.revise(subtask_id),
            Effect::MoveSpec(_) => self.move_spec(&effect),
        };
        self.answer(flight.epoch, &effect, inputs);
        Ok(())
    }

    fn revise(&mut self, subtask_id: &baton::domain::ids::SubtaskId) -> Vec<Input> {
        let asked = self.daemon.as_ref().and_then(|daemon| daemon.state.revising(subtask_id));
        let Some(revision) = asked else { return Vec::new() };
        let outcome = match &self.daemon {
            Some(daemon) if !self.dice.happens(150) => {
                planner::revise(&daemon.state, subtask_id, &self.policy)
            }
            Some(_) | None => RevisionOutcome::Refuse { reason: "nobody knows how".into() },
        };
        vec![Input::Revised { subtask_id: subtask_id.clone(), revision, outcome }]
    }

    fn publish(&mut self, attempt_id: &AttemptId, flight: &InFlight) -> Vec<Input> {
        let is_there = self.papers.iter().any(|paper| paper.job.attempt_id == *attempt_id);
        let is_launched =
            self.told.attempts.get(attempt_id.as_str()).is_some_and(|a| a.is_launched);
        if !is_there
            && !is_launched
            && let Some(job) = flight.job.clone()
        {
            let good = if self.is_calm { 1000 } else { 550 };
            let custom = habits::custom(&mut self.dice, good);
            let takes_after_ms = custom.takes_after_ms;
            self.papers.push(Paper::publish(job, custom, self.clock.awake_ms));
            let nth = self.papers.len() - 1;
            if let Some(ms) = takes_after_ms {
                self.after(ms, Due::Paper(nth));
            }
            self.deeds.push(Deed::Published(nth));
        }
        vec![Input::HandoffPublished { attempt_id: attempt_id.clone() }]
    }

    /// Of two renames, ours and the master's, the one that succeeds decides.
    fn withdraw(&mut self, attempt_id: &AttemptId) -> Vec<Input> {
        let Some(nth) = self.papers.iter().position(|p| p.job.attempt_id == *attempt_id) else {
            // It was never published, and never will be: its name is taken by the withdrawal.
            return vec![Input::HandoffWithdrawn { attempt_id: attempt_id.clone(), in_time: true }];
        };
        if self.papers[nth].place == Place::There && self.dice.happens(200) {
            self.papers[nth].place = Place::Taken;
            self.after(1_000, Due::Paper(nth));
        }
        let in_time = match self.papers[nth].place {
            Place::There => {
                self.papers[nth].place = Place::Withdrawn;
                true
            }
            Place::Withdrawn | Place::Lost => true,
            Place::Taken => false,
        };
        vec![Input::HandoffWithdrawn { attempt_id: attempt_id.clone(), in_time }]
    }

    fn launch(&mut self, attempt_id: &AttemptId, flight: &InFlight) -> Vec<Input> {
        let attempt_id = attempt_id.clone();
        let Some(job) = flight.job.clone() else { return Vec::new() };
        // A holder takes requests in the order in which they came: what an earlier daemon had asked
        // for is there by now, or never will be.
        self.in_flight
            .retain(|_, other| other.effect != flight.effect || other.epoch > flight.epoch);
        let not_started = |error: &str, transient| {
            let (attempt_id, error) = (attempt_id.clone(), error.to_owned());
            vec![Input::WorkerNotStarted { attempt_id, error, transient }]
        };
        if self.forbidden.contains(&attempt_id) {
            return not_started("it was called back", true);
        }
        let is_this = |p: &Process| p.job.attempt_id == attempt_id && p.job.nonce == job.nonce;
        if let Some(process) = self.processes.iter().find(|p| is_this(p))
            && !self.brain.launches_again()
        {
            let identity = process.identity.clone();
            return vec![Input::WorkerStarted { attempt_id, identity }];
        }
        if !self.is_calm && self.dice.happens(60) {
            return not_started("no memory", self.dice.happens(700));
        }
        let nth = self.processes.len();
        let identity = ProcessIdentity {
            host: "here".into(),
            boot_id: self.clock.now().boot,
            pid: 100 + nth as u32,
            start_ticks: self.clock.total_ms,
            pidfd_inode: None,
        };
        let good = if self.is_calm { 1000 } else { 550 };
        let habit = habits::habit(&mut self.dice, good);
        let pace_ms = habit.pace_ms;
        let awake_ms = self.clock.awake_ms;
        self.processes.push(Process::start(job, identity.clone(), habit, (self.holder, awake_ms)));
        self.after(pace_ms, Due::Process(nth));
        self.deeds.push(Deed::Launched(nth));
        vec![Input::WorkerStarted { attempt_id, identity }]
    }

    /// TERM, grace, KILL, and a look whether anything is left. `None` while that goes on.
    fn stop(&mut self, attempt_id: &AttemptId, mut flight: InFlight) -> Option<Vec<Input>> {
        if let Some(nth) = self.stranger_at(attempt_id.as_str()) {
            return Some(self.stop_stranger(nth, attempt_id));
        }
        let Some(nth) = self.process_of(attempt_id) else {
            self.forbidden.insert(attempt_id.clone());
            let (attempt_id, error) = (attempt_id.clone(), "it was never started".to_owned());
            return Some(vec![Input::WorkerNotStarted { attempt_id, error, transient: true }]);
        };
        self.signal(nth);
        if !self.processes[nth].lives() {
            return Some(told(&self.processes[nth]));
        }
        let (awake_ms, holder) = (self.clock.awake_ms, self.holder);
        let process = &mut self.processes[nth];
        let is_held = process.holder == holder;
        if flight.is_termed {
            let is_stuck = process.outlives_until_ms > self.clock.total_ms;
            if is_stuck {
                let survivors = vec![process.identity.pid];
                let attempt_id = attempt_id.clone();
                return Some(vec![Input::WorkerUnstoppable { attempt_id, survivors }]);
            }
            if process.is_main_alive {
                process.habit.leaves_child = false;
                process.end(Exit::Signal(9), is_held);
            }
            process.children = 0;
            return Some(told(&self.processes[nth]));
        }
        flight.is_termed = true;
        if process.termed_at_ms.is_none() {
            process.termed_at_ms = Some(self.clock.total_ms);
            if let OnTerm::Outlives(ms) = process.habit.on_term {
                process.outlives_until_ms = self.clock.total_ms + ms;
            }
        }
        if process.is_main_alive && !process.is_stopped {
            match process.habit.on_term {
                OnTerm::Ends => process.end(Exit::Signal(15), is_held),
                OnTerm::Delivers => process.deliver_and_end(awake_ms, is_held),
                OnTerm::Ignores | OnTerm::Outlives(_) => {}
            }
        }
        if process.lives() {
            self.fly(flight, GRACE_MS + PROOF_MS);
            return None;
        }
        Some(told(&self.processes[nth]))
    }

    /// Stops a worker of a master; what it had reported counts first.
    fn stop_stranger(&mut self, nth: usize, attempt_id: &AttemptId) -> Vec<Input> {
        self.strange[nth].is_alive = false;
        if let Some(paper) = self.papers.iter_mut().find(|p| p.job.attempt_id == *attempt_id) {
            paper.is_over = true;
        }
        let letters = self.letters.iter().filter(|l| l.from == *attempt_id && !l.by_inbox);
        let finding = letters.into_iter().next_back().map(|letter| letter.finding.clone());
        let reported = finding.map(|finding| Input::ReportObserved { claim: None, finding });
        let (attempt_id, reason) = (attempt_id.clone(), "it was stopped".to_owned());
        reported.into_iter().chain([Input::WorkerInterrupted { attempt_id, reason }]).collect()
    }

    /// A signal is sent to a process only if it is proven to be the one that was started.
    fn signal(&mut self, nth: usize) {
        let process = &self.processes[nth];
        let (attempt_id, pid) = (process.job.attempt_id.clone(), process.identity.pid);
        if process.lives() {
            self.deeds.push(Deed::Signalled { attempt_id, pid, is_its_own: true });
        } else if self.brain.signals_by_number() && self.strangers.contains(&pid) {
            self.deeds.push(Deed::Signalled { attempt_id, pid, is_its_own: false });
        }
    }
}

/// Takes out of the state what an effect needs.
fn job(state: &State, effect: &Effect) -> Option<Job> {
    let id = match effect {
        Effect::PublishHandoff(id) | Effect::LaunchWorker(id) => id,
        Effect::SettleClaim(_)
        | Effect::WithdrawHandoff(_)
        | Effect::StopWorker(_)
        | Effect::DraftPlan(_)
        | Effect::RevisePlan(_)
        | Effect::MoveSpec(_) => return None,
    };
    let (run, position, attempt) = state.attempt(id)?;
    let subtask = &run.plan.subtasks[position];
    debug_assert!(attempt.execution != Execution::External || attempt.is_live());
    Some(Job {
        attempt_id: attempt.id.clone(),
        subtask_id: subtask.subtask_id.clone(),
        worker_id: attempt.worker_id.clone(),
        nonce: attempt.nonce.clone(),
        deliverables: subtask.deliverables.clone(),
    })
}
