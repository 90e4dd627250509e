//! What the journal says, told in our own words: a second fold that shares nothing with the first.

mod told;

use std::collections::BTreeMap;

use baton::domain::Event;
use baton::domain::event::{HandedOff, Record, Retried};
use baton::domain::plan::{Plan, Revision};
use baton::domain::report::Category;
use baton::domain::worker::{Execution, Recall};

pub(super) use told::{
    AttemptTold, CircuitTold, End, RunPhase, RunTold, SubtaskPhase, SubtaskTold, TaskTold,
};

#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Chronicle {
    pub(super) seq: u64,
    pub(super) epoch: u64,
    pub(super) tasks: BTreeMap<String, TaskTold>,
    pub(super) runs: BTreeMap<String, RunTold>,
    pub(super) places: BTreeMap<String, (String, usize)>,
    pub(super) attempts: BTreeMap<String, AttemptTold>,
    /// How often each command was answered.
    pub(super) answers: BTreeMap<String, u32>,
    /// The record in which verdicts were held last: that was a look too.
    pub(super) held_seq: Option<u64>,
    /// Masters that are given nothing, since when and for how long.
    pub(super) circuits: BTreeMap<String, CircuitTold>,
    /// How often in a row each master failed at what it was to do.
    pub(super) failures_of: BTreeMap<String, u32>,
}

impl Chronicle {
    /// Tells the whole of a journal.
    pub(super) fn of(records: &[Record]) -> Self {
        let mut chronicle = Self::default();
        for record in records {
            for event in &record.events {
                chronicle.note(event, record);
            }
        }
        chronicle
    }

    /// Notes the next event.
    pub(super) fn note(&mut self, event: &Event, record: &Record) {
        self.seq += 1;
        self.note_tasks(event);
        self.note_subtasks(event, record);
        self.note_recovery(event, record);
        self.note_attempts(event, record);
        self.note_workers(event, record);
    }

    fn note_tasks(&mut self, event: &Event) {
        match event {
            Event::DaemonStarted { epoch, .. } => self.epoch = *epoch,
            Event::TaskAccepted { task_id, .. } | Event::TaskRetried { task_id, .. } => {
                self.tasks.insert(task_id.to_string(), TaskTold::Planning);
            }
            Event::TaskRejected { task_id: Some(id), .. } if self.tasks.contains_key(id) => {
                self.tasks.insert(id.clone(), TaskTold::Ended);
            }
            Event::TaskCancelled { task_id, .. } => {
                self.tasks.insert(task_id.to_string(), TaskTold::Ended);
            }
            Event::TaskRouted { task_id, orchestration_id, plan, .. } => {
                self.begin(task_id.as_str(), orchestration_id.as_str(), plan, true);
            }
            Event::PlanAccepted { task_id, orchestration_id, plan, .. } => {
                self.begin(task_id.as_str(), orchestration_id.as_str(), plan, false);
            }
            Event::CommandAccepted { command, .. } | Event::CommandRefused { command, .. } => {
                *self.answers.entry(command.command_id.to_string()).or_default() += 1;
            }
            Event::OrchestrationPaused { orchestration_id, .. } => {
                self.run(orchestration_id.as_str()).phase = RunPhase::Paused;
            }
            Event::OrchestrationResumed { orchestration_id, .. } => {
                self.run(orchestration_id.as_str()).phase = RunPhase::Going;
            }
            Event::OrchestrationBlocked(told) => {
                let subtask = self.subtask(told.blocking_subtask.as_str());
                subtask.phase = SubtaskPhase::Blocked;
                let run = self.run(told.orchestration_id.as_str());
                if !run.is_over() {
                    run.phase = RunPhase::Blocked(told.failure_reason.clone());
                }
            }
            Event::OrchestrationCompleted { orchestration_id, .. } => {
                self.run(orchestration_id.as_str()).phase = RunPhase::Completed;
            }
            Event::OrchestrationFailed { orchestration_id, .. }
            | Event::OrchestrationRolledBack { orchestration_id, .. }
            | Event::OrchestrationCancelled { orchestration_id, .. } => {
                self.end_run(orchestration_id.as_str());
            }
            Event::OrchestrationRetried { orchestration_id, subtasks, .. } => {
                let names: Vec<String> = subtasks.iter().map(ToString::to_string).collect();
                self.run_again(orchestration_id.as_str(), &names);
            }
            _ => {}
        }
    }

    fn note_subtasks(&mut self, event: &Event, record: &Record) {
        match event {
            Event::SubtaskHandedOff(told) => self.hand_off(told, record),
            Event::SubtaskCompleted { subtask_id, attempt_id, .. } => {
                self.failures_of.remove(&self.attempts[attempt_id.as_str()].agent);
                self.end(attempt_id.as_str(), End::Completed);
                let subtask = self.subtask(subtask_id.as_str());
                subtask.interruptions = 0;
                subtask.phase = SubtaskPhase::Done(attempt_id.to_string());
            }
            Event::SubtaskFailed { subtask_id, attempt_id, failure, .. } => {
                let attempt = &self.attempts[attempt_id.as_str()];
                let agent = attempt.agent.clone();
                let is_its_fault = match failure.category {
                    Category::Transient | Category::CodeError => true,
                    Category::Blocker => attempt.is_launched && attempt.started_at.is_none(),
                    Category::DesignFlaw | Category::Critical => false,
                };
                *self.failures_of.entry(agent.clone()).or_default() += u32::from(is_its_fault);
                self.end(attempt_id.as_str(), End::Failed);
                let subtask = self.subtask(subtask_id.as_str());
                *subtask.failures_on.entry(agent).or_default() += 1;
                subtask.interruptions = 0;
                let is_same = subtask
                    .last_failure
                    .as_ref()
                    .is_some_and(|last| last.fingerprint == failure.fingerprint);
                subtask.same_failures = if is_same { subtask.same_failures + 1 } else { 1 };
                subtask.last_failure = Some(failure.clone());
            }
            Event::SubtaskRetried(Retried { subtask_id, delay_ms, .. }) => {
                let subtask = self.subtask(subtask_id.as_str());
                subtask.phase = match subtask.phase {
                    SubtaskPhase::Undoing(_) => SubtaskPhase::Undoing(Some((record.at, *delay_ms))),
                    _ => SubtaskPhase::BackingOff(record.at, *delay_ms),
                };
            }
            Event::BackoffEnded { subtask_id, .. } => {
                let subtask = self.subtask(subtask_id.as_str());
                subtask.phase = match subtask.phase {
                    SubtaskPhase::Undoing(_) => SubtaskPhase::Undoing(None),
                    _ => SubtaskPhase::Free,
                };
            }
            Event::SubtaskSkipped { subtask_id, .. } => {
                self.subtask(subtask_id.as_str()).phase = SubtaskPhase::Skipped;
            }
            _ => {}
        }
    }

    fn note_recovery(&mut self, event: &Event, record: &Record) {
        match event {
            Event::SubtaskReassigned(told) => {
                let subtask = self.subtask(told.subtask_id.as_str());
                subtask.agent = Some(told.assigned_to.to_string());
                subtask.interruptions = 0;
                if is_wished(record) {
                    // A person's choice begins anew.
                    subtask.failures_on.remove(told.assigned_to.as_str());
                } else {
                    subtask.fallbacks += 1;
                }
            }
            Event::RevisionRequested(told) => {
                self.subtask(told.subtask_id.as_str()).phase = SubtaskPhase::Revising;
            }
            Event::RevisionRefused(told) => {
                self.subtask(told.subtask_id.as_str()).phase = SubtaskPhase::Free;
            }
            Event::PlanRevised(told) => {
                let run_id = told.orchestration_id.to_string();
                self.run(&run_id).replans += u32::from(told.revision == Revision::Replan);
                self.revise(&run_id, &told.plan, told.subtask_id.as_str());
            }
            Event::CompensationStarted(told) => {
                self.end_run(told.orchestration_id.as_str());
                let run = self.run(told.orchestration_id.as_str());
                run.phase = RunPhase::RollingBack;
                run.undone = told.subtasks.iter().map(ToString::to_string).collect();
                for id in &told.subtasks {
                    // Whoever did it undoes it, and has it from then on.
                    let phase = self.subtask(id.as_str()).phase.clone();
                    let did = self.attempts.iter().find(
                        |(attempt, _)| matches!(&phase, SubtaskPhase::Done(by) if by == *attempt),
                    );
                    let did = did.map(|(_, attempt)| attempt.agent.clone());
                    let subtask = self.subtask(id.as_str());
                    subtask.agent = did.or(subtask.agent.take());
                    subtask.phase = SubtaskPhase::Undoing(None);
                    subtask.failures_on.clear();
                }
            }
            Event::SubtaskCompensated(told) => {
                self.failures_of.remove(&self.attempts[told.attempt_id.as_str()].agent);
                self.end(told.attempt_id.as_str(), End::Completed);
                self.subtask(told.subtask_id.as_str()).phase = SubtaskPhase::Undone;
            }
            Event::CompensationFailed(told) => {
                self.subtask(told.subtask_id.as_str()).phase = SubtaskPhase::Undone;
            }
            Event::CircuitOpened(told) => {
                let circuit = CircuitTold {
                    since: record.at,
                    cool_down_ms: told.cool_down_ms,
                    is_half_open: false,
                };
                self.circuits.insert(told.agent.to_string(), circuit);
            }
            Event::CircuitHalfOpened(told) => {
                if let Some(circuit) = self.circuits.get_mut(told.agent.as_str()) {
                    circuit.is_half_open = true;
                }
            }
            Event::CircuitClosed(told) => {
                self.circuits.remove(told.agent.as_str());
            }
            _ => {}
        }
    }

    fn note_attempts(&mut self, event: &Event, record: &Record) {
        match event {
            Event::HandoffPublished { attempt_id, .. } => {
                let attempt = self.attempt(attempt_id.as_str());
                attempt.is_published = true;
                attempt.paused_ms = 0;
                attempt.published_at = Some(record.at);
            }
            Event::HandoffTaken { attempt_id, .. } | Event::HandoffLost { attempt_id, .. } => {
                let attempt = self.attempt(attempt_id.as_str());
                attempt.is_taken = true;
                attempt.started_at = Some(record.at);
                // Of two renames the master's won: it has what was to go to somebody else.
                attempt.recalled = attempt.recalled.filter(|(cause, _)| *cause != Recall::Untaken);
            }
            Event::WorkerStarted { attempt_id, .. } => {
                let attempt = self.attempt(attempt_id.as_str());
                attempt.started_at = Some(record.at);
                attempt.paused_ms = 0;
            }
            Event::HostResumed(told) => {
                self.attempts.values_mut().for_each(|attempt| attempt.paused_ms += told.for_ms);
            }
            Event::AttemptRecalled { attempt_id, cause, .. } => {
                self.attempt(attempt_id.as_str()).recalled = Some((*cause, record.at));
            }
            Event::AttemptInterrupted { attempt_id, subtask_id, .. } => {
                self.subtask(subtask_id.as_str()).interruptions += 1;
                self.end(attempt_id.as_str(), End::Interrupted);
            }
            Event::HandoffWithdrawn { attempt_id, .. } => {
                self.attempt(attempt_id.as_str()).end = Some(End::Withdrawn);
            }
            Event::AttemptCancelled { attempt_id, .. } => {
                let is_withdrawn = self.attempts[attempt_id.as_str()].end == Some(End::Withdrawn);
                let end = if is_withdrawn { End::Withdrawn } else { End::Cancelled };
                self.end(attempt_id.as_str(), end);
            }
            _ => {}
        }
    }

    fn note_workers(&mut self, event: &Event, record: &Record) {
        if let Event::VerdictsHeld(_) = event {
            self.held_seq = Some(record.seq);
        }
        if let Event::WorkerUnstoppable(told) = event {
            self.attempt(told.attempt_id.as_str()).is_unstoppable = !told.survivors.is_empty();
        }
        if let Event::HandoffUntaken(told) = event {
            self.attempt(told.attempt_id.as_str()).is_untaken = true;
        }
        let (found, is_suspected) = match event {
            Event::WorkerSuspected(found) => (found, true),
            Event::WorkerStalled(found) | Event::WorkerGone(found) => {
                if let Some(id) = &found.attempt_id {
                    self.attempt(id.as_str()).is_condemned = true;
                }
                return;
            }
            Event::WorkerRecovered(found) | Event::WorkerHeartbeatMissed(found) => (found, false),
            _ => return,
        };
        let Some(id) = &found.attempt_id else { return };
        let attempt = self.attempt(id.as_str());
        attempt.suspected_seq = is_suspected.then_some(record.seq);
        // What a person was asked about goes on by itself.
        let goes_on = !is_suspected && attempt.is_live() && attempt.recalled.is_none();
        let subtask = attempt.subtask.clone();
        let subtask = self.subtask(&subtask);
        if goes_on && subtask.phase == SubtaskPhase::Blocked {
            subtask.phase = SubtaskPhase::Live;
        }
    }

    fn begin(&mut self, task: &str, run: &str, plan: &Plan, is_routed: bool) {
        self.tasks.insert(task.to_owned(), TaskTold::Running);
        for (at, subtask) in plan.subtasks.iter().enumerate() {
            self.places.insert(subtask.subtask_id.to_string(), (run.to_owned(), at));
        }
        let told = RunTold {
            task_id: task.to_owned(),
            is_routed,
            plan: plan.clone(),
            phase: RunPhase::Going,
            subtasks: vec![SubtaskTold::default(); plan.subtasks.len()],
            replans: 0,
            undone: Vec::new(),
        };
        self.runs.insert(run.to_owned(), told);
    }

    fn revise(&mut self, run_id: &str, plan: &Plan, replaced: &str) {
        for (at, subtask) in plan.subtasks.iter().enumerate() {
            self.places.insert(subtask.subtask_id.to_string(), (run_id.to_owned(), at));
        }
        let run = self.run(run_id);
        run.plan = plan.clone();
        run.subtasks.resize(plan.subtasks.len(), SubtaskTold::default());
        self.subtask(replaced).phase = SubtaskPhase::Replaced;
    }

    fn hand_off(&mut self, told: &HandedOff, record: &Record) {
        let id = told.attempt_id.to_string();
        let seq = self.seq;
        let subtask = self.subtask(told.subtask_id.as_str());
        subtask.attempts.push(id.clone());
        if !matches!(subtask.phase, SubtaskPhase::Undoing(_)) {
            subtask.phase = SubtaskPhase::Live;
        }
        let attempt = AttemptTold {
            subtask: told.subtask_id.to_string(),
            agent: told.assigned_to.to_string(),
            is_launched: told.execution != Execution::External,
            number: told.attempt,
            nonce: told.nonce.clone(),
            seq,
            issued_at: record.at,
            is_published: false,
            published_at: None,
            is_taken: false,
            started_at: None,
            paused_ms: 0,
            recalled: None,
            suspected_seq: None,
            is_condemned: false,
            is_untaken: false,
            is_unstoppable: false,
            end: None,
        };
        self.attempts.insert(id, attempt);
    }

    /// An attempt is over; its subtask is free unless more was said of it.
    fn end(&mut self, id: &str, end: End) {
        let attempt = self.attempt(id);
        if attempt.is_live() || attempt.end == Some(End::Withdrawn) {
            attempt.end = Some(end);
        }
        // A question about a worker that failed, or is gone at last, has answered itself.
        let answers = end == End::Failed || attempt.is_unstoppable;
        let subtask = attempt.subtask.clone();
        let run = &self.runs[&self.places[&subtask].0];
        let is_over = run.is_over() || run.phase == RunPhase::RollingBack;
        let subtask = self.subtask(&subtask);
        let was_at_it = subtask.phase == SubtaskPhase::Live
            || answers && subtask.phase == SubtaskPhase::Blocked;
        if was_at_it && subtask.attempts.last().is_some_and(|a| a == id) {
            subtask.phase = if is_over { SubtaskPhase::Cancelled } else { SubtaskPhase::Free };
        }
    }

    fn end_run(&mut self, id: &str) {
        let live = self.live().map(|(id, _)| id.clone()).collect();
        self.run(id).end(&live);
    }

    fn run_again(&mut self, run_id: &str, subtasks: &[String]) {
        for id in subtasks {
            let last = self.subtask(id).attempts.last().cloned();
            // What was called back for it has to be gone first.
            let is_live = last.is_some_and(|last| self.attempts[&last].is_live());
            let subtask = self.subtask(id);
            subtask.phase = if is_live { SubtaskPhase::Live } else { SubtaskPhase::Free };
            subtask.failures_on.clear();
            subtask.fallbacks = 0;
            subtask.same_failures = 0;
            subtask.interruptions = 0;
            subtask.last_failure = None;
        }
        let run = self.run(run_id);
        let is_blocked = |subtask: &SubtaskTold| subtask.phase == SubtaskPhase::Blocked;
        if run.is_over() || !run.subtasks.iter().any(is_blocked) {
            run.phase = RunPhase::Going;
        }
    }

    fn run(&mut self, id: &str) -> &mut RunTold {
        self.runs.get_mut(id).unwrap_or_else(|| panic!("the journal names a run {id}"))
    }

    fn attempt(&mut self, id: &str) -> &mut AttemptTold {
        self.attempts.get_mut(id).unwrap_or_else(|| panic!("the journal names an attempt {id}"))
    }

    fn subtask(&mut self, id: &str) -> &mut SubtaskTold {
        let (run, at) = self.places[id].clone();
        &mut self.run(&run).subtasks[at]
    }

    /// Finds a subtask: its run and its place there.
    pub(super) fn find(&self, id: &str) -> Option<(&RunTold, usize)> {
        let (run, at) = self.places.get(id)?;
        Some((self.runs.get(run)?, *at))
    }

    pub(super) fn live(&self) -> impl Iterator<Item = (&String, &AttemptTold)> {
        self.attempts.iter().filter(|(_, attempt)| attempt.is_live())
    }
}

/// Tells whether a person asked for what a record says.
pub(super) fn is_wished(record: &Record) -> bool {
    record.events.iter().any(|event| matches!(event, Event::CommandAccepted { .. }))
}
