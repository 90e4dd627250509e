//! The pure functions of the domain, and where bugs are planted around them.

use baton::domain::deadline::deadline;
use std::collections::BTreeSet;

use baton::domain::decide::decide;
use baton::domain::event::{Decided, Record};
use baton::domain::ids::AttemptId;
use baton::domain::moment::Timestamp;
use baton::domain::plan::{OrchestrationPhase, Strategy, SubtaskPhase, Why};
use baton::domain::report::{Category, Failure, Outcome, ResultKind, SubtaskResult};
use baton::domain::spec::SpecFolder;
use baton::domain::state::IllegalTransition;
use baton::domain::watch::{Probe, Watch};
use baton::domain::worker::{Execution, Exit};
use baton::domain::{Effect, Event, Input, Moment, Policy, State, outbox};

use super::sabotage::Bug;

pub(super) struct Brain {
    bug: Option<Bug>,
}

impl Brain {
    pub(super) fn new(bug: Option<Bug>) -> Self {
        Self { bug }
    }

    pub(super) fn decide(
        &self,
        state: &State,
        policy: &Policy,
        input: &Input,
        now: Moment,
    ) -> Vec<Event> {
        match self.bug {
            None => decide(state, policy, input, now),
            Some(bug) => self.decide_badly(bug, state, policy, input, now),
        }
    }

    fn decide_badly(
        &self,
        bug: Bug,
        state: &State,
        policy: &Policy,
        input: &Input,
        now: Moment,
    ) -> Vec<Event> {
        let is_tick = matches!(input, Input::Tick);
        if is_tick && let Some(altered) = altered(bug, state) {
            return decide(&altered, policy, input, now);
        }
        let mut policy = policy.clone();
        match bug {
            Bug::IgnoresLimits => {
                policy.attempts_active_max = 1_000;
                policy.masters.values_mut().for_each(|master| master.attempts_active_max = 1_000);
            }
            Bug::RetriesForEver => {
                policy.retry.attempts_max = 1_000;
                policy.recovery.same_failure_max = 1_000;
            }
            Bug::StopsOthers => {
                policy.masters.values_mut().for_each(|master| master.may_stop = true);
            }
            Bug::ReplansForEver => policy.recovery.replans_max = 1_000,
            Bug::NeverRestsMasters => policy.circuit.failures_max = 0,
            Bug::IgnoresRates => {
                policy.masters.values_mut().for_each(|master| master.starts_per_minute_max = 0);
            }
            Bug::IgnoresTimeBoxes => policy.supervision.time_box_ms = 0,
            _ => {}
        }
        let mut input = input.clone();
        mislead(bug, &mut input);
        let mut events = decide(state, &policy, &input, now);
        distort(bug, state, &input, &mut events);
        events
    }

    pub(super) fn apply(
        &self,
        state: &mut State,
        record: &Record,
    ) -> Result<(), IllegalTransition> {
        state.apply(record)
    }

    pub(super) fn replay(&self, records: &[Record]) -> Result<State, String> {
        let mut state = State::default();
        for record in records {
            let mut record = record.clone();
            if self.bug == Some(Bug::DropsEventsOnReplay) {
                // The number stays, so that only what it says is lost.
                let is_lost = |event: &Event| matches!(event, Event::OrchestrationPaused { .. });
                for event in record.events.iter_mut().filter(|event| is_lost(event)) {
                    *event = Event::DocumentsSynced { seq: 0 };
                }
            }
            state.apply(&record).map_err(|error| error.to_string())?;
        }
        Ok(state)
    }

    pub(super) fn outbox<'a>(&self, state: &'a State) -> Vec<&'a Effect> {
        let is_lost = |effect: &Effect| match effect {
            Effect::StopWorker(_) => self.bug == Some(Bug::ForgetsStops),
            Effect::DraftPlan(_) => self.bug == Some(Bug::ForgetsDrafts),
            _ => false,
        };
        outbox(state).iter().filter(|effect| !is_lost(effect)).collect()
    }

    pub(super) fn deadline(&self, state: &State, policy: &Policy) -> Option<Moment> {
        if self.bug == Some(Bug::HasNoDeadline) { None } else { deadline(state, policy) }
    }

    pub(super) fn look(
        &self,
        watch: &mut Watch,
        state: &State,
        policy: &Policy,
        mut probes: Vec<Probe>,
        now: Moment,
    ) -> Option<Input> {
        if self.bug == Some(Bug::CondemnsByHeartbeat) {
            for probe in &mut probes {
                (probe.cpu_ms, probe.output, probe.files) = (None, None, None);
            }
        }
        if self.bug == Some(Bug::LooksAway) {
            probes.clear();
        }
        watch.look(state, policy, &probes, self.time(now))
    }

    pub(super) fn look_due(
        &self,
        watch: &Watch,
        state: &State,
        policy: &Policy,
        now: Moment,
    ) -> Option<u64> {
        let time = self.time(now);
        let due_ms = watch.due_ms(state, policy, time)?;
        // In milliseconds of the real clock.
        Some((due_ms + now.boottime_ms).saturating_sub(time.boottime_ms))
    }

    /// Returns the time that liveness is measured by.
    fn time(&self, now: Moment) -> Moment {
        if self.bug == Some(Bug::TimesLivenessByTheWall) {
            let boottime_ms = now.wall.as_ms().unsigned_abs();
            Moment { boottime_ms, wall: Timestamp::from_ms(0), ..now }
        } else {
            now
        }
    }

    /// Tells whether something is under way that excludes an effect: publishing, withdrawing,
    /// launching and stopping one attempt do.
    pub(super) fn is_busy(&self, running: &BTreeSet<Effect>, effect: &Effect) -> bool {
        let Some(attempt_id) = attempt_of(effect).filter(|_| self.bug != Some(Bug::DoesAllAtOnce))
        else {
            return running.contains(effect);
        };
        running.iter().any(|other| attempt_of(other) == Some(attempt_id))
    }

    /// Tells whether a start looks for workers of an earlier life.
    pub(super) fn adopts(&self, _: &AttemptId) -> bool {
        self.bug != Some(Bug::LaunchesAgain)
    }

    pub(super) fn launches_again(&self) -> bool {
        self.bug == Some(Bug::LaunchesAgain)
    }

    pub(super) fn acts_before_the_sync(&self) -> bool {
        self.bug == Some(Bug::ActsBeforeTheSync)
    }

    pub(super) fn signals_by_number(&self) -> bool {
        self.bug == Some(Bug::SignalsByNumber)
    }
}

/// Returns the attempt that an effect acts on.
fn attempt_of(effect: &Effect) -> Option<&AttemptId> {
    match effect {
        Effect::WithdrawHandoff(id)
        | Effect::StopWorker(id)
        | Effect::PublishHandoff(id)
        | Effect::LaunchWorker(id) => Some(id),
        Effect::SettleClaim(_)
        | Effect::DraftPlan(_)
        | Effect::RevisePlan(_)
        | Effect::MoveSpec(_) => None,
    }
}

/// Returns the state as a scheduler with this bug takes it to be.
fn altered(bug: Bug, state: &State) -> Option<State> {
    let is_seen = matches!(
        bug,
        Bug::HandsOutTooEarly
            | Bug::HandsOutWhilePaused
            | Bug::IgnoresFiles
            | Bug::IgnoresCircuits
            | Bug::EndsBackoffsEarly
    );
    if !is_seen {
        return None;
    }
    let mut altered = state.clone();
    if bug == Bug::IgnoresCircuits {
        altered.circuits.clear();
    }
    for run in altered.orchestrations.values_mut() {
        for subtask in &mut run.plan.subtasks {
            match bug {
                Bug::HandsOutTooEarly => subtask.dependencies.clear(),
                Bug::IgnoresFiles => subtask.files_affected.clear(),
                _ => {}
            }
        }
        if bug == Bug::HandsOutTooEarly {
            run.plan.strategy = Strategy::Adaptive;
        }
        if bug == Bug::HandsOutWhilePaused && matches!(run.phase, OrchestrationPhase::Paused { .. })
        {
            run.phase = OrchestrationPhase::InProgress;
        }
        for subtask in &mut run.runs {
            if bug == Bug::EndsBackoffsEarly
                && let SubtaskPhase::BackingOff { delay_ms, .. } = &mut subtask.phase
            {
                *delay_ms = 0;
            }
        }
    }
    altered.reindex();
    Some(altered)
}

/// Tells the domain something that is not so.
fn mislead(bug: Bug, input: &mut Input) {
    if let (Bug::CountsInterruptions, Input::WorkerInterrupted { attempt_id, reason }) =
        (bug, &*input)
    {
        let failure = Failure::new(Category::Transient, reason.clone());
        *input = Input::WorkerExited {
            attempt_id: attempt_id.clone(),
            exit: Exit::Unknown,
            outcome: Outcome::Failure(failure),
        };
    }
    match (bug, input) {
        (Bug::CountsSleep, Input::HostSuspended { total_ms }) => *total_ms = 0,
        (Bug::CountsSleep, Input::DaemonStarted { suspended_ms, .. }) => *suspended_ms = 0,
        (Bug::WithdrawsAlwaysInTime, Input::HandoffWithdrawn { in_time, .. }) => *in_time = true,
        (Bug::BelievesLies, Input::ReportObserved { finding, .. }) => finding.missing.clear(),
        (Bug::BelievesLies, Input::WorkerExited { outcome, .. }) => {
            if let Outcome::Failure(failure) = outcome
                && failure.message.contains("not there")
            {
                *outcome = Outcome::Success(result());
            }
        }
        (Bug::LosesDeliveries, Input::WorkerExited { outcome, .. }) => {
            if let Outcome::Success(_) = outcome {
                *outcome = Outcome::Failure(Failure::new(Category::Transient, "it is a zombie"));
            }
        }
        _ => {}
    }
}

/// Makes something else of what was decided.
fn distort(bug: Bug, state: &State, input: &Input, events: &mut Vec<Event>) {
    match bug {
        Bug::ForgetsRetries => {
            events.retain(|event| !matches!(event, Event::SubtaskRetried(_)));
        }
        Bug::SkipsDecisions => {
            events.retain(|event| !matches!(event, Event::RecoveryDecided(_)));
        }
        Bug::SwallowsCommands if matches!(input, Input::CommandObserved { .. }) => events.clear(),
        Bug::NeverRests if matches!(input, Input::Tick) => {
            events.push(Event::DocumentsSynced { seq: 0 });
        }
        Bug::GivesWorkAwayEarly => give_away(state, events),
        Bug::ForgetsUntakenHandoffs => {
            events.retain(|event| !matches!(event, Event::HandoffUntaken(_)));
        }
        _ => events.iter_mut().for_each(|event| distort_one(bug, state, event)),
    }
}

fn distort_one(bug: Bug, state: &State, event: &mut Event) {
    let changed = match (bug, &mut *event) {
        (Bug::LosesBackoffs, Event::SubtaskRetried(told)) => {
            told.delay_ms = 0;
            None
        }
        (
            Bug::TakesLateReports,
            Event::ReportRefused { subtask_id, attempt_id, path, digest, .. },
        ) => late(state, subtask_id, attempt_id.as_ref(), path, digest),
        (Bug::AnswersTwice, Event::CommandRepeated { claim, command_id }) => {
            let command = baton::domain::input::Command {
                command_id: command_id.clone(),
                verb: "cancel".into(),
                target: "anything".into(),
                args: serde_json::Value::Null,
                created_at: None,
                expires_at: None,
            };
            let (claim, error) = (claim.clone(), "said before".to_owned());
            Some(Event::CommandRefused { claim, command, owner: 1000, error })
        }
        (Bug::BlocksWithoutReason, Event::OrchestrationBlocked(told)) => {
            told.failure_reason.clear();
            None
        }
        (Bug::BuriesTheLiving, Event::WorkerSpecSettled(told)) => {
            told.folder = SpecFolder::Zombie;
            None
        }
        (Bug::UndoesInOrder, Event::CompensationStarted(told)) => {
            told.subtasks.reverse();
            None
        }
        (Bug::ForgetsToUndo, Event::CompensationStarted(told)) => {
            Some(Event::OrchestrationRolledBack {
                orchestration_id: told.orchestration_id.clone(),
                task_id: told.task_id.clone(),
                reason: told.reason.clone(),
            })
        }
        (Bug::HidesOptions, Event::OrchestrationBlocked(told)) => {
            told.options.clear();
            None
        }
        (Bug::CondemnsAtFirstSight, Event::WorkerSuspected(found)) => {
            Some(Event::WorkerStalled(found.clone()))
        }
        (Bug::HandsOutWithoutWhy, Event::SubtaskHandedOff(told)) => {
            told.why = Why::default();
            None
        }
        (Bug::SkipsDecisions, Event::RecoveryDecided(Decided { why, .. })) => {
            why.rule.clear();
            None
        }
        _ => None,
    };
    if let Some(changed) = changed {
        *event = changed;
    }
}

/// Cancels what is called back without a look whether it is gone.
fn give_away(state: &State, events: &mut Vec<Event>) {
    let gone: Vec<Event> = events
        .iter()
        .filter_map(|event| {
            let Event::AttemptRecalled { attempt_id, subtask_id, reason, .. } = event else {
                return None;
            };
            let (_, _, attempt) = state.attempt(attempt_id)?;
            let (attempt_id, subtask_id) = (attempt_id.clone(), subtask_id.clone());
            let cancelled =
                Event::AttemptCancelled { attempt_id, subtask_id, reason: reason.clone() };
            (attempt.execution != Execution::External).then_some(cancelled)
        })
        .collect();
    events.extend(gone);
}

/// Takes a report of an attempt whose successor has delivered.
fn late(
    state: &State,
    subtask_id: &baton::domain::ids::SubtaskId,
    attempt_id: Option<&AttemptId>,
    path: &str,
    digest: &str,
) -> Option<Event> {
    let (run, position) = state.subtask(subtask_id)?;
    let SubtaskPhase::Completed { attempt_id: done_by, .. } = &run.runs[position].phase else {
        return None;
    };
    let attempt_id = attempt_id.filter(|id| *id != done_by)?;
    let report = serde_json::json!({"subtask_id": subtask_id, "status": "success"});
    let finding = baton::domain::report::ReportFinding {
        report: serde_json::from_value(report).ok()?,
        path: path.to_owned(),
        digest: digest.to_owned(),
        missing: Vec::new(),
    };
    let (attempt_id, subtask_id) = (attempt_id.clone(), subtask_id.clone());
    Some(Event::ReportAccepted { attempt_id, subtask_id, finding, claim: None })
}

fn result() -> SubtaskResult {
    SubtaskResult {
        kind: ResultKind::Work,
        summary: "believe me".into(),
        deliverables: Vec::new(),
        worker_id: "w".parse().unwrap(),
        tokens_used: None,
        cost_usd: None,
        items: None,
    }
}
