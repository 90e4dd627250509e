//! Events about the life of workers, and about workers of others.

use crate::domain::event::{Found, SpecSettled, Unstoppable, Untaken};
use crate::domain::evidence::{Liveness, Standing};
use crate::domain::ids::{AttemptId, WorkerId};
use crate::domain::moment::Moment;
use crate::domain::plan::SubtaskPhase;
use crate::domain::spec::{SpecSeen, SpecWorker};
use crate::domain::state::State;
use crate::domain::watch::is_at_work;
use crate::domain::worker::AttemptPhase;

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
        let known = self.specs.remove(&spec.worker_id);
        let worker = match known {
            Some(known) => SpecWorker { spec: spec.clone(), ..known },
            None => SpecWorker { spec: spec.clone(), seen_at: *at, standing: None, settled: None },
        };
        self.index.refresh_spec(&worker);
        self.specs.insert(spec.worker_id.clone(), worker);
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
