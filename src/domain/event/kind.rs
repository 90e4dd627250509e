//! The names of events.

use super::Event;

impl Event {
    /// Returns its type as files show it: the tag of its JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::DaemonStarted { .. } => "daemon_started",
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
            Event::SubtaskHandedOff { .. } => "subtask_handed_off",
            Event::HandoffPublished { .. } => "handoff_published",
            Event::HandoffTaken { .. } => "handoff_taken",
            Event::HandoffLost { .. } => "handoff_lost",
            Event::HandoffWithdrawn { .. } => "handoff_withdrawn",
            Event::WorkerStarted { .. } => "worker_started",
            Event::WorkerNotStarted { .. } => "worker_not_started",
            Event::WorkerExited { .. } => "worker_exited",
            Event::AttemptRecalled { .. } => "attempt_recalled",
            Event::AttemptInterrupted { .. } => "attempt_interrupted",
            Event::AttemptCancelled { .. } => "attempt_cancelled",
            Event::ReportAccepted { .. } => "report_accepted",
            Event::ReportRefused { .. } => "report_refused",
            Event::SubtaskCompleted { .. } => "subtask_completed",
            Event::SubtaskFailed { .. } => "subtask_failed",
            Event::RecoveryDecided { .. } => "recovery_decided",
            Event::SubtaskRetried { .. } => "subtask_retried",
            Event::BackoffEnded { .. } => "backoff_ended",
            Event::SubtaskSkipped { .. } => "subtask_skipped",
            Event::StageCompleted { .. } => "stage_completed",
            Event::OrchestrationCompleted { .. } => "orchestration_completed",
            Event::OrchestrationFailed { .. } => "orchestration_failed",
            Event::OrchestrationBlocked { .. } => "orchestration_blocked",
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
