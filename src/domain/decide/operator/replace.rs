//! What becomes of the attempt that is under way at a subtask whose work is given out anew.

use crate::domain::decide::liveness::unstopped;
use crate::domain::event::Event;
use crate::domain::plan::Orchestration;
use crate::domain::policy::Policy;
use crate::domain::recovery::recall;
use crate::domain::state::State;
use crate::domain::watch::spec_of;
use crate::domain::worker::{Attempt, AttemptPhase, Recall};

/// Calls back what is under way at the subtask at `position`, and says as the end of a sentence what
/// that means for whoever gets the work next. A worker of a master is stopped only where that is
/// allowed; where it is not, the person who decided so is told that two may be at work.
pub(super) fn replaced(
    (state, policy): (&State, &Policy),
    run: &Orchestration,
    position: usize,
    reason: &str,
) -> (Option<Event>, String) {
    let Some(attempt) = run.runs[position].attempts.last().filter(|last| last.is_live()) else {
        return (None, String::new());
    };
    let Attempt { id, agent, .. } = attempt;
    let mut recalled = recall(run, position, reason);
    let when_gone = format!(" when {id}, which is called back, is gone");
    if attempt.is_launched() {
        return (recalled, when_gone);
    }
    let when = match &attempt.phase {
        AttemptPhase::Taken { .. } => match unstopped(state, policy, attempt) {
            None => {
                if let Some(Event::AttemptRecalled { cause, .. }) = &mut recalled {
                    *cause = Recall::Replaced;
                }
                when_gone
            }
            Some(why) => {
                let known = spec_of(state, attempt).map(|worker| &worker.spec.worker_id);
                let worker = known.unwrap_or(&attempt.worker_id);
                format!(
                    "; {worker} of {agent} may still be at work on {id} and is not \
                     stopped, since {why}: what it delivers counts until the new attempt has \
                     delivered"
                )
            }
        },
        AttemptPhase::Issued | AttemptPhase::Published { .. } => {
            format!(" when the handoff of {id} to {agent} is taken back")
        }
        AttemptPhase::Running { .. } | AttemptPhase::Ending { .. } | AttemptPhase::Ended { .. } => {
            format!(" when {id} is gone")
        }
    };
    (recalled, when)
}
