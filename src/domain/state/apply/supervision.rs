//! Events about the life of workers, and about workers of others.

use crate::domain::event::{Found, SpecSettled, Unstoppable, Untaken};
use crate::domain::evidence::{Liveness, Standing};
use crate::domain::ids::{AttemptId, SubtaskId, WorkerId};
use crate::domain::moment::Moment;
use crate::domain::plan::SubtaskPhase;
use crate::domain::spec::{SpecSeen, SpecWorker};
use crate::domain::state::State;
use crate::domain::watch::is_at_work;
use crate::domain::worker::{Attempt, AttemptPhase, Execution};

use super::Applied;

impl State {
    /// Notes how a worker was found to be.
    pub(super) fn found(&mut self, found: &Found, liveness: Liveness, at: &Moment) -> Applied {
        let standing = Standing { liveness, since: *at, evidence: found.evidence.clone() };
        let Some(attempt_id) = &found.attempt_id else {
            let worker = self
                .specs
                .get_mut(&found.worker_id)
                .ok_or_else(|| format!("worker {} is not followed", found.worker_id))?;
            worker.standing = Some(standing);
            return Ok(());
        };
        self.live_attempt(attempt_id)?;
        self.with_attempt(attempt_id, |attempt| {
            attempt.standing = Some(Box::new(standing));
            Ok(())
        })?;
        match liveness {
            Liveness::Healthy | Liveness::Quiet => self.goes_on(attempt_id),
            Liveness::Suspect | Liveness::Stalled | Liveness::Gone => Ok(()),
        }
    }

    /// Nobody has to decide about a subtask any more whose worker goes on.
    fn goes_on(&mut self, id: &AttemptId) -> Applied {
        let (run, position, attempt) =
            self.attempt(id).ok_or_else(|| format!("there is no attempt {id}"))?;
        let is_blocked = matches!(run.runs[position].phase, SubtaskPhase::Blocked { .. });
        if !(is_blocked && is_at_work(attempt)) {
            return Ok(());
        }
        let subtask_id = run.plan.subtasks[position].subtask_id.clone();
        self.with_run(&subtask_id, |run, position| {
            run.runs[position].phase = SubtaskPhase::InAttempt;
            Ok(())
        })
    }

    pub(super) fn unstoppable(&mut self, told: &Unstoppable) -> Applied {
        self.with_attempt(&told.attempt_id, |attempt| match &mut attempt.phase {
            AttemptPhase::Ending { survivors, .. } => {
                survivors.clone_from(&told.survivors);
                Ok(())
            }
            AttemptPhase::Issued
            | AttemptPhase::Published { .. }
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. }
            | AttemptPhase::Ended { .. } => Err("it is not ending".into()),
        })
    }

    pub(super) fn untaken(&mut self, told: &Untaken) -> Applied {
        self.with_attempt(&told.attempt_id, |attempt| match attempt.phase {
            AttemptPhase::Published { .. } => {
                attempt.untaken_told = true;
                Ok(())
            }
            AttemptPhase::Issued
            | AttemptPhase::Taken { .. }
            | AttemptPhase::Running { .. }
            | AttemptPhase::Ending { .. }
            | AttemptPhase::Ended { .. } => Err("its handoff does not wait for a master".into()),
        })
    }

    pub(super) fn spec_seen(&mut self, spec: &SpecSeen, at: &Moment) {
        let attempt = self.attempt_of_spec(spec);
        let spec = spec.clone();
        let worker = match self.specs.remove(&spec.worker_id) {
            Some(known) => {
                self.index.end_spec(&known);
                SpecWorker { spec, attempt, ..known }
            }
            None => SpecWorker { spec, seen_at: *at, attempt, standing: None, settled: None },
        };
        self.index.refresh_spec(&worker);
        self.specs.insert(worker.spec.worker_id.clone(), worker);
    }

    /// Finds the attempt that a master's worker carries out: the one it names, else the one under
    /// way at the subtask or at the task routed whole that it names when it is first seen. It is
    /// never another master's, and what Baton launches itself is carried out by nobody else.
    pub(in crate::domain) fn attempt_of_spec(&self, spec: &SpecSeen) -> Option<AttemptId> {
        let names = |spec: &SpecSeen| {
            (spec.attempt_id.clone(), spec.subtask_id.clone(), spec.task_id.clone())
        };
        let known = self.specs.get(&spec.worker_id);
        if let Some(known) = known.filter(|known| names(&known.spec) == names(spec))
            && known.attempt.is_some()
        {
            return known.attempt.clone();
        }
        let is_its = |it: &Attempt| it.execution == Execution::External && spec.is_of(&it.agent);
        let is_external = |id: &AttemptId| self.attempt(id).is_some_and(|(_, _, it)| is_its(it));
        let by_worker = AttemptId::parse(spec.worker_id.as_str()).ok();
        let named = spec.attempt_id.iter().chain(&by_worker).find(|id| is_external(id));
        if named.is_some() {
            return named.cloned();
        }
        let by_task = spec.task_id.as_ref().and_then(|id| SubtaskId::parse(id).ok());
        spec.subtask_id.iter().chain(&by_task).find_map(|id| {
            let (run, position) = self.subtask(id)?;
            let newest = run.runs[position].attempts.last()?;
            (newest.is_live() && is_its(newest)).then(|| newest.id.clone())
        })
    }

    pub(super) fn spec_settled(&mut self, settled: &SpecSettled) -> Applied {
        let worker = self
            .specs
            .get_mut(&settled.worker_id)
            .ok_or_else(|| format!("worker {} is not followed", settled.worker_id))?;
        if worker.settled.is_some() {
            return Err(format!("the spec of {} is settled", settled.worker_id));
        }
        worker.settled = Some(settled.folder);
        self.index.refresh_spec(worker);
        Ok(())
    }

    pub(super) fn spec_moved(&mut self, worker_id: &WorkerId) -> Applied {
        let worker = self
            .specs
            .remove(worker_id)
            .ok_or_else(|| format!("worker {worker_id} is not followed"))?;
        self.index.end_spec(&worker);
        Ok(())
    }
}
