//! Events about the host itself.

use crate::domain::event::HostResumed;
use crate::domain::ids::{AttemptId, OrchestrationId};
use crate::domain::moment::Moment;
use crate::domain::state::{State, Suspended};

use super::Applied;

impl State {
    /// Notes from where on time in which the host is suspended is counted, where that is not known:
    /// what was before it is in no limit, or in one of a boot that is over.
    pub(super) fn note_suspended(&mut self, total_ms: Option<u64>, at: &Moment) {
        let is_known = self.suspended.is_some_and(|known| known.boot == at.boot);
        if let Some(total_ms) = total_ms.filter(|_| !is_known) {
            self.suspended = Some(Suspended { boot: at.boot, total_ms });
        }
    }

    /// Gives everybody the time in which nobody could do anything.
    pub(super) fn host_resumed(&mut self, told: &HostResumed, at: &Moment) -> Applied {
        self.suspended = Some(Suspended { boot: at.boot, total_ms: told.total_ms });
        let live: Vec<AttemptId> = self.index.live.keys().cloned().collect();
        for id in &live {
            self.with_attempt(id, |attempt| {
                attempt.paused_ms = attempt.paused_ms.saturating_add(told.for_ms);
                Ok(())
            })?;
        }
        let open: Vec<OrchestrationId> = self.index.open_runs.iter().cloned().collect();
        for id in &open {
            let Some(run) = self.orchestrations.get_mut(id) else { continue };
            run.paused_ms = run.paused_ms.saturating_add(told.for_ms);
            if let Some(task) = self.tasks.get(&run.task_id) {
                self.index.refresh_task(task, Some(run));
            }
        }
        Ok(())
    }
}
