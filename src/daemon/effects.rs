//! Carries out what the world is owed. Every outcome comes back as an input; what fails for want
//! of something is tried again, less and less often, and never forgotten.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use super::asking;
use super::carry_out::{self, Holder, Work, blocking};
use super::knowledge;
use super::monitor::Worker;
use super::probe::{self, Look, Memory, Subject};
use crate::config::Config;
use crate::domain::document::QueuePatch;
use crate::domain::ids::AttemptId;
use crate::domain::worker::AttemptPhase;
use crate::domain::{Effect, Input, State, outbox};
use crate::store::Store;
use crate::store::queue::Kept;

/// So many jobs are under way at the same time.
const RUNNING_MAX: usize = 32;
/// Delay before the first repetition; each further one is twice as long.
const RETRY_FIRST_MS: u64 = 1_000;
/// How often a repetition that is due but has no place looks for one.
const LOOK_AGAIN_MS: u64 = 50;
/// No delay is longer.
const RETRY_MS_MAX: u64 = 60_000;
/// Nor is the delay of a launch: nobody tells when a machine has processes again.
const LAUNCH_MS_MAX: u64 = 5_000;

/// One thing that is done beside the loop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Job {
    /// Owed by the outbox.
    Effect(Effect),
    /// Put our fields into the queue.
    PatchQueue,
    /// Merge what was written into replaced versions of the queue.
    CollectLate,
    /// Stop a worker because the daemon was asked to leave none.
    StopForShutdown(AttemptId),
    /// Look at workers.
    Look,
}

/// What came of a job.
#[derive(Debug)]
pub(super) enum Answer {
    /// It was carried out.
    Inputs(Vec<Input>),
    /// It could not be carried out now, and why.
    Again(String),
    /// The queue was patched.
    Patched {
        /// How long it took.
        took_ms: u64,
        /// Versions that were replaced and may still be written into.
        kept: Vec<Kept>,
    },
    /// Replaced versions of the queue were looked into.
    Collected {
        /// Those that may still be written into.
        kept: Vec<Kept>,
        /// Why not all could be merged.
        problem: Option<String>,
    },
    /// Workers were looked at.
    Looked(Box<Look>),
    /// They could not be, and why; with what is kept from one look to the next.
    NotLooked(Memory, String),
}

/// What jobs work with; a copy for each.
#[derive(Clone)]
pub(super) struct Means {
    /// The directory.
    pub(super) store: Store,
    /// The configuration.
    pub(super) config: Arc<Config>,
    /// The program that Baton itself is.
    pub(super) executable: PathBuf,
    /// The way to the holder.
    pub(super) holder: Arc<Holder>,
    /// Turns true when nobody outside is waited for any more, because the daemon stops.
    pub(super) stopping: watch::Receiver<bool>,
    /// What plans are drafted with.
    pub(super) knowledge: knowledge::Shared,
}

/// The jobs that are under way or will be tried again.
#[derive(Default)]
pub(super) struct Effects {
    running: JoinSet<Answer>,
    jobs: HashMap<Id, Job>,
    /// Those of them that wait for somebody outside: they take no place of the others.
    asking: HashSet<Id>,
    failures: BTreeMap<Job, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    not_before_ms: u64,
}

impl Effects {
    /// Returns how many jobs are under way.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Tells whether this job is under way.
    pub(super) fn is_running(&self, job: &Job) -> bool {
        self.jobs.values().any(|running| running == job)
    }

    /// Returns effects that are owed, may be started now and find a place, most urgent first.
    pub(super) fn startable(
        &self,
        state: &State,
        config: &Config,
        now_ms: u64,
        may: fn(&Effect) -> bool,
    ) -> Vec<Effect> {
        let busy = self.running.len() - self.asking.len();
        let places = RUNNING_MAX.saturating_sub(busy);
        if places == 0 {
            return Vec::new();
        }
        let mut asking = self.asking.len();
        let mut may_ask = |effect: &&Effect| match asking::asked(effect, state, config) {
            Some(asked) => {
                asking += 1;
                asking <= asked.settings.active_max
            }
            None => true,
        };
        let waits = |effect: &Effect| {
            self.failures
                .get(&Job::Effect(effect.clone()))
                .is_some_and(|failures| failures.not_before_ms > now_ms)
        };
        // Publishing, withdrawing, launching and stopping one attempt exclude each other.
        let is_taken = |effect: &Effect| {
            self.jobs.values().any(|job| match job {
                Job::Effect(running) => subject(running) == subject(effect),
                Job::PatchQueue | Job::CollectLate | Job::StopForShutdown(_) | Job::Look => false,
            })
        };
        let may_start = |effect: &&Effect| may(effect) && !waits(effect) && !is_taken(effect);
        let is_suspect = |effect: &Effect| is_suspect_draft(state, effect);
        let own = self.jobs.iter().filter(|(id, _)| !self.asking.contains(id));
        let running = || own.clone().filter_map(|(_, job)| draft_of(job));
        // While one is drafted that may end the daemon, no other draft gets into its company.
        let is_held = running().any(is_suspect);
        let startable: Vec<Effect> = outbox(state)
            .iter()
            .filter(may_start)
            .filter(|effect| !(is_suspect(effect) || is_held && is_draft(effect)))
            .filter(&mut may_ask)
            .take(places)
            .cloned()
            .collect();
        if startable.iter().any(is_draft) || running().next().is_some() {
            return startable;
        }
        let suspect = outbox(state).iter().find(|effect| is_suspect(effect) && may_start(effect));
        let mut startable = startable;
        if let Some(suspect) = suspect {
            startable.truncate(places - 1);
            startable.push(suspect.clone());
        }
        startable
    }

    /// Starts an effect; what it needs is taken from `state` now.
    pub(super) fn start(&mut self, effect: Effect, state: &State, means: &Means) {
        let is_asking = asking::asked(&effect, state, &means.config).is_some();
        let work = carry_out::work(&effect, state, means)
            .unwrap_or_else(|problem| Box::pin(std::future::ready(Answer::Again(problem))));
        let id = self.spawn(Job::Effect(effect), work);
        if is_asking {
            self.asking.insert(id);
        }
    }

    /// Starts to put changes into the queue.
    pub(super) fn start_patch(&mut self, patches: Vec<QueuePatch>, means: &Means) {
        let store = means.store.clone();
        self.spawn(Job::PatchQueue, blocking(move || carry_out::patch_queue(&store, &patches)));
    }

    /// Starts to look into replaced versions of the queue.
    pub(super) fn start_collect(&mut self, kept: Vec<Kept>, means: &Means) {
        let store = means.store.clone();
        self.spawn(Job::CollectLate, blocking(move || carry_out::collect_late(&store, kept)));
    }

    /// Starts to stop a worker for good, because the daemon was asked to leave none.
    /// After a failure it waits like any other job.
    pub(super) fn start_stop(&mut self, worker: Worker, means: &Means, now_ms: u64) {
        let job = Job::StopForShutdown(worker.attempt.id.clone());
        let waits = self.failures.get(&job).is_some_and(|failed| failed.not_before_ms > now_ms);
        if !waits && !self.is_running(&job) {
            let means = means.clone();
            self.spawn(
                job,
                Box::pin(async move { carry_out::stop_for_shutdown(&means, &worker).await }),
            );
        }
    }

    /// Starts to look at workers.
    pub(super) fn start_look(&mut self, subjects: Vec<Subject>, memory: Memory, means: &Means) {
        let means = means.clone();
        let look = move || match probe::look(&means, &subjects, memory) {
            Ok(look) => Answer::Looked(Box::new(look)),
            Err((memory, error)) => {
                Answer::NotLooked(memory, format!("cannot look at processes: {error}"))
            }
        };
        self.spawn(Job::Look, blocking(look));
    }

    /// Waits for a job to end. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> (Job, Answer) {
        loop {
            match self.running.join_next_with_id().await {
                Some(ended) => {
                    if let Some(done) = self.ended(ended) {
                        return done;
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Returns a job that has ended, if there is one.
    pub(super) fn try_next(&mut self) -> Option<(Job, Answer)> {
        while let Some(ended) = self.running.try_join_next_with_id() {
            if let Some(done) = self.ended(ended) {
                return Some(done);
            }
        }
        None
    }

    /// Notes that a job was carried out and its outcome applied. Where one worker could be
    /// launched, the others that could not may be launched as well.
    pub(super) fn succeeded(&mut self, job: &Job) {
        self.failures.remove(job);
        if is_launch(job) {
            let others = self.failures.iter_mut().filter(|(job, _)| is_launch(job));
            others.for_each(|(_, failures)| failures.not_before_ms = 0);
        }
    }

    /// Notes that a job could not be carried out, says so, and returns when it may be tried again.
    pub(super) fn failed(&mut self, job: Job, problem: &str, now_ms: u64) -> u64 {
        let count = self.failures.get(&job).map_or(1, |failures| failures.count.saturating_add(1));
        let delay_ms = RETRY_FIRST_MS.saturating_mul(1 << count.min(16).saturating_sub(1));
        let delay_ms_max = if is_launch(&job) { LAUNCH_MS_MAX } else { RETRY_MS_MAX };
        let not_before_ms = now_ms.saturating_add(delay_ms.min(delay_ms_max));
        // What is in the way for a night is not to fill the log.
        if count.is_power_of_two() {
            tracing::warn!(?job, problem, count, "cannot carry out an effect; trying again");
        }
        self.failures.insert(job, Failures { count, not_before_ms });
        not_before_ms
    }

    /// Returns when the next repetition is due, on the boot-time clock. What could be started by
    /// now has been: the rest waits for a place or for what it excludes.
    pub(super) fn due_ms(
        &self,
        state: &State,
        now_ms: u64,
        may: fn(&Effect) -> bool,
    ) -> Option<u64> {
        let is_waited_for = |job: &Job| match job {
            Job::Effect(effect) => {
                may(effect) && outbox(state).contains(effect) && !self.is_running(job)
            }
            Job::StopForShutdown(id) => is_at_work(state, id) && !self.is_running(job),
            // Documents have times of their own.
            Job::PatchQueue | Job::CollectLate | Job::Look => false,
        };
        let due = self.failures.iter().filter(|(job, _)| is_waited_for(job));
        due.map(|(_, failures)| failures.not_before_ms.max(now_ms + LOOK_AGAIN_MS)).min()
    }

    /// Forgets failures of what is not owed any more.
    pub(super) fn forget_settled(&mut self, state: &State) {
        self.failures.retain(|job, _| match job {
            Job::Effect(effect) => outbox(state).contains(effect),
            Job::PatchQueue | Job::CollectLate | Job::StopForShutdown(_) | Job::Look => true,
        });
    }

    fn spawn(&mut self, job: Job, work: Work) -> Id {
        let id = self.running.spawn(work).id();
        self.jobs.insert(id, job);
        id
    }

    fn ended(&mut self, ended: Result<(Id, Answer), JoinError>) -> Option<(Job, Answer)> {
        let (id, answer) = match ended {
            Ok(done) => done,
            Err(error) => (error.id(), Answer::Again(format!("an internal error: {error}"))),
        };
        self.asking.remove(&id);
        Some((self.jobs.remove(&id)?, answer))
    }
}

/// Tells whether a process of ours is known to carry out an attempt.
pub(super) fn is_at_work(state: &State, id: &AttemptId) -> bool {
    state
        .attempt(id)
        .is_some_and(|(_, _, attempt)| matches!(attempt.phase, AttemptPhase::Running { .. }))
}

/// Tells whether the daemon died before while it drafted this plan: it is drafted alone and after
/// all others, so that they are not suspected with it.
fn is_suspect_draft(state: &State, effect: &Effect) -> bool {
    let Effect::DraftPlan(id) = effect else { return false };
    state.tasks.get(id).is_some_and(|task| task.draft_crashes > 0)
}

fn is_launch(job: &Job) -> bool {
    matches!(job, Job::Effect(Effect::LaunchWorker(_)))
}

fn is_draft(effect: &Effect) -> bool {
    matches!(effect, Effect::DraftPlan(_))
}

fn draft_of(job: &Job) -> Option<&Effect> {
    match job {
        Job::Effect(effect) => is_draft(effect).then_some(effect),
        Job::PatchQueue | Job::CollectLate | Job::StopForShutdown(_) | Job::Look => None,
    }
}

/// Names what an effect acts on.
fn subject(effect: &Effect) -> &str {
    match effect {
        Effect::SettleClaim(id) => id.as_str(),
        Effect::WithdrawHandoff(id)
        | Effect::StopWorker(id)
        | Effect::PublishHandoff(id)
        | Effect::LaunchWorker(id) => id.as_str(),
        Effect::DraftPlan(id) => id.as_str(),
        Effect::RevisePlan(id) => id.as_str(),
        Effect::MoveSpec(id) => id.as_str(),
    }
}

/// Any effect may be started.
pub(super) fn may_always(_: &Effect) -> bool {
    true
}

/// Tells whether an effect ends something; what begins something waits for the next start.
pub(super) fn may_while_draining(effect: &Effect) -> bool {
    match effect {
        Effect::SettleClaim(_)
        | Effect::WithdrawHandoff(_)
        | Effect::StopWorker(_)
        | Effect::MoveSpec(_) => true,
        Effect::PublishHandoff(_)
        | Effect::LaunchWorker(_)
        | Effect::DraftPlan(_)
        | Effect::RevisePlan(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{AttemptId, SubtaskId};

    fn attempt(name: &str) -> AttemptId {
        AttemptId::of(&SubtaskId::parse(name).unwrap(), 1)
    }

    #[test]
    fn launches_wait_for_seconds_and_go_on_together() {
        let mut effects = Effects::default();
        let launch = |name| Job::Effect(Effect::LaunchWorker(attempt(name)));
        let stop = Job::Effect(Effect::StopWorker(attempt("c")));
        let delays = |effects: &mut Effects, job: &Job| -> Vec<u64> {
            (0..8).map(|_| effects.failed(job.clone(), "no", 0)).collect()
        };
        let launched = delays(&mut effects, &launch("a"));
        assert_eq!(launched, [1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000, 5_000]);
        let stopped = delays(&mut effects, &stop);
        assert_eq!(stopped[5..], [32_000, 60_000, 60_000]);
        effects.succeeded(&launch("b"));
        assert_eq!(effects.failures[&launch("a")].not_before_ms, 0);
        assert_eq!(effects.failures[&stop].not_before_ms, 60_000);
    }
}
