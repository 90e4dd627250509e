//! The names of events.

use super::Event;

impl Event {
    /// Returns its type as files show it: the tag of its JSON.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of event, nothing else")]
    pub fn kind(&self) -> &'static str {
        match self {
            Event::DaemonStarted { .. } => "daemon_started",
            Event::HostResumed(..) => "host_resumed",
            Event::DaemonStopped { .. } => "daemon_stopped",
            Event::TaskAccepted { .. } => "task_accepted",
            Event::TaskRejected { .. } => "task_rejected",
            Event::TaskRepeated { .. } => "task_repeated",
            Event::TaskRemoved { .. } => "task_removed",
            Event::TaskReturned { .. } => "task_returned",
            Event::TaskRetried { .. } => "task_retried",
            Event::TaskRouted { .. } => "task_routed",
            Event::PlanAccepted { .. } => "plan_accepted",
            Event::OrchestrationStarted { .. } => "orchestration_started",
            Event::SubtaskHandedOff(..) => "subtask_handed_off",
            Event::HandoffPublished { .. } => "handoff_published",
            Event::HandoffTaken { .. } => "handoff_taken",
            Event::HandoffLost { .. } => "handoff_lost",
            Event::HandoffWithdrawn { .. } => "handoff_withdrawn",
            Event::WorkerStarted { .. } => "worker_started",
            Event::WorkerNotStarted { .. } => "worker_not_started",
            Event::WorkerExited { .. } => "worker_exited",
            Event::AttemptRecalled { .. } => "attempt_recalled",
            Event::WorkerHeartbeatMissed(..) => "worker_heartbeat_missed",
            Event::WorkerSuspected(..) => "worker_suspected",
            Event::WorkerStalled(..) => "worker_stalled",
            Event::WorkerGone(..) => "worker_gone",
            Event::WorkerRecovered(..) => "worker_recovered",
            Event::WorkerUnstoppable(..) => "worker_unstoppable",
            Event::VerdictsHeld(..) => "verdicts_held",
            Event::HandoffUntaken(..) => "handoff_untaken",
            Event::WorkerSpecSeen(..) => "worker_spec_seen",
            Event::WorkerSpecSettled(..) => "worker_spec_settled",
            Event::WorkerSpecMoved { .. } => "worker_spec_moved",
            Event::AttemptInterrupted { .. } => "attempt_interrupted",
            Event::AttemptCancelled { .. } => "attempt_cancelled",
            Event::ReportAccepted { .. } => "report_accepted",
            Event::ReportRefused { .. } => "report_refused",
            Event::SubtaskCompleted { .. } => "subtask_completed",
            Event::SubtaskFailed { .. } => "subtask_failed",
            Event::RecoveryDecided(..) => "recovery_decided",
            Event::SubtaskRetried(..) => "subtask_retried",
            Event::SubtaskReassigned(..) => "subtask_reassigned",
            Event::RevisionRequested(..) => "revision_requested",
            Event::PlanRevised(..) => "plan_revised",
            Event::RevisionRefused(..) => "revision_refused",
            Event::CompensationStarted(..) => "compensation_started",
            Event::SubtaskCompensated(..) => "subtask_compensated",
            Event::CompensationFailed(..) => "compensation_failed",
            Event::OrchestrationRolledBack { .. } => "orchestration_rolled_back",
            Event::CircuitOpened(..) => "circuit_opened",
            Event::CircuitHalfOpened(..) => "circuit_half_opened",
            Event::CircuitClosed(..) => "circuit_closed",
            Event::DraftCrashed { .. } => "draft_crashed",
            Event::EscalationOverdue(..) => "escalation_overdue",
            Event::BackoffEnded { .. } => "backoff_ended",
            Event::SubtaskSkipped { .. } => "subtask_skipped",
            Event::StageCompleted { .. } => "stage_completed",
            Event::OrchestrationCompleted { .. } => "orchestration_completed",
            Event::OrchestrationFailed { .. } => "orchestration_failed",
            Event::OrchestrationBlocked(..) => "orchestration_blocked",
            Event::OrchestrationPaused { .. } => "orchestration_paused",
            Event::OrchestrationResumed { .. } => "orchestration_resumed",
            Event::OrchestrationRetried { .. } => "orchestration_retried",
            Event::OrchestrationCancelled { .. } => "orchestration_cancelled",
            Event::TaskCancelled { .. } => "task_cancelled",
            Event::CommandAccepted { .. } => "command_accepted",
            Event::CommandRefused { .. } => "command_refused",
            Event::CommandRepeated { .. } => "command_repeated",
            Event::MessageReceived { .. } => "message_received",
            Event::DropRejected { .. } => "drop_rejected",
            Event::FileQuarantined { .. } => "file_quarantined",
            Event::FileRestored { .. } => "file_restored",
            Event::ClaimSettled { .. } => "claim_settled",
            Event::DocumentsSynced { .. } => "documents_synced",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_tag() {
        for event in [
            Event::DaemonStopped { reason: "done".into() },
            Event::DocumentsSynced { seq: 3 },
            Event::FileRestored { path: "task-queue.json".into() },
        ] {
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!(json["type"], event.kind());
        }
    }
}
