//! How workers end: killed, silent, lying, reporting what they should not.

use serde_json::json;

use super::{BAD, Case, pid_in, runs};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "dies before its report",
        script: "first && kill -9 $$; good",
        then: &[
            ("worker_exited", &[("exit", "9")]),
            ("subtask_failed", &[("failure.category", "transient")]),
            ("subtask_retried", &[("delay_ms", "20")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        ..BAD
    },
    Case {
        name: "dies after its report",
        script: "report '{\"subtask_id\":\"t-work\",\"status\":\"success\",\"summary\":\"done\"}'; kill -9 $$",
        then: &[("subtask_completed", &[("attempt_id", "t-work-attempt-1")])],
        never: &["subtask_failed", "subtask_retried"],
        ..BAD
    },
    Case {
        name: "exits 0 in silence",
        script: "first && exit 0; good",
        then: &[
            ("subtask_failed", &[("failure.message", "delivered nothing")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        ..BAD
    },
    Case {
        name: "fails with an error that can be mended",
        script: "if first; then echo 'error[E0425]: cannot find value x'; exit 101; fi\n\
            grep -q E0425 \"$BATON_HANDOFF\" && good; exit 3",
        then: &[
            ("subtask_failed", &[("failure.category", "code_error")]),
            ("subtask_retried", &[("retry_modifications", "error")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        ..BAD
    },
    Case {
        name: "cannot reach the network",
        script: "if first; then echo 'connect ETIMEDOUT 10.0.0.1:443'; exit 1; fi; good",
        then: &[
            ("subtask_failed", &[("failure.category", "transient")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        ..BAD
    },
    Case {
        name: "forks away and leaves",
        script: "if first; then setsid sh -c 'setsid sleep 600 & echo $! > away' ; \
            echo gone; exit 7; fi; good",
        then: &[
            ("worker_exited", &[("exit", "7")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        finally: |env| assert!(!runs(pid_in(env, "away")), "it lives on"),
        ..BAD
    },
    Case {
        name: "forks away without a trace",
        script: "if first; then setsid sh -c 'env -i setsid sleep 600 </dev/null >/dev/null 2>&1 \
            3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&- & echo $! > away'; exit 7; fi; good",
        then: &[
            ("worker_exited", &[("exit", "7")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        finally: |env| assert!(!runs(pid_in(env, "away")), "it lives on"),
        ..BAD
    },
    Case {
        name: "ignores TERM",
        script: "if first; then trap '' TERM; echo $$ > stubborn; while :; do sleep 100; done; fi; good",
        then: &[
            ("attempt_recalled", &[("cause", "stalled")]),
            ("worker_exited", &[("exit", "9")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        finally: |env| assert!(!runs(pid_in(env, "stubborn")), "it lives on"),
        ..BAD
    },
    Case {
        name: "delivers when it is told to stop",
        script: "trap good TERM; while :; do sleep 0.1; done",
        settings: "silence_ms = 5000\n",
        then: &[
            ("attempt_recalled", &[]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-1")]),
        ],
        never: &["subtask_failed"],
        ..BAD
    },
    Case {
        name: "claims files that are not there",
        script: "first && { report '{\"subtask_id\":\"t-work\",\"status\":\"success\",\"summary\":\"done\",\
            \"deliverables\":[\"docs/none.md\"]}'; exit 0; }; good",
        then: &[
            ("subtask_failed", &[("failure.message", "docs/none.md")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        ..BAD
    },
    Case {
        name: "reports another's subtask",
        script: "first && { report '{\"subtask_id\":\"t-other\",\"status\":\"success\",\"summary\":\"done\"}'; \
            exit 0; }; good",
        then: &[
            ("subtask_failed", &[("failure.message", "t-other")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        finally: |env| {
            let other = env.json("orchestrator/subtasks/t-other.json");
            assert_ne!(other["status"], "completed", "a lie was believed");
        },
        ..BAD
    },
    Case {
        name: "writes half a report",
        script: "first && { printf '{\"subtask_id\":\"t-work\",\"sta' > \"$BATON_REPORT\"; exit 0; }; good",
        then: &[
            ("subtask_failed", &[("failure.message", "report")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        ..BAD
    },
    Case {
        name: "removes its own folder",
        script: "first && { rm -rf \"${BATON_REPORT%/*}\"; exit 4; }; good",
        then: &[("subtask_completed", &[("attempt_id", "t-work-attempt-2")])],
        ..BAD
    },
    Case {
        name: "meets what no worker can supply",
        script: "report '{\"subtask_id\":\"t-work\",\"status\":\"failure\",\"error\":\
            {\"category\":\"blocker\",\"message\":\"no access to the repository\"}}'",
        then: &[
            ("subtask_failed", &[("failure.category", "blocker")]),
            ("recovery_decided", &[("strategy", "escalate")]),
            ("orchestration_blocked", &[("failure_reason", "no access")]),
        ],
        never: &["subtask_retried", "subtask_reassigned"],
        ..BAD
    },
    Case {
        name: "does harm",
        script: "report '{\"subtask_id\":\"t-work\",\"status\":\"failure\",\"error\":\
            {\"category\":\"critical\",\"message\":\"it dropped a table\"}}'",
        then: &[("recovery_decided", &[("strategy", "halt")]), ("orchestration_blocked", &[])],
        never: &["subtask_retried"],
        finally: |env| {
            let recalled = |event: &serde_json::Value| {
                event["type"] == "attempt_recalled" && event["subtask_id"] == "t-other"
            };
            assert!(env.events().iter().any(recalled), "the other one runs on");
        },
        ..BAD
    },
    Case {
        name: "finds the plan wrong",
        script: "case $BATON_SUBTASK_ID in t-work) report '{\"subtask_id\":\"t-work\",\"status\":\"failure\",\
            \"error\":{\"category\":\"design_flaw\",\"message\":\"that cannot work\"}}';; *) echo done;; esac",
        then: &[
            ("recovery_decided", &[("strategy", "replan")]),
            ("plan_revised", &[("revision", "replan")]),
        ],
        never: &["subtask_retried"],
        ..BAD
    },
    Case {
        name: "fails in the same way again and again",
        script: "echo 'error: expected one of two things'; exit 1",
        settings: "[recovery]\nsame_failure_max = 2\nreplans_max = 0\nsplits = false\n",
        subtask: || json!({"max_attempts": 9}),
        then: &[
            ("subtask_retried", &[("retry_count", "1")]),
            ("subtask_failed", &[]),
            ("orchestration_blocked", &[]),
        ],
        finally: |env| {
            let failures = env.kinds().iter().filter(|kind| *kind == "subtask_failed").count();
            assert_eq!(failures, 2, "the same twice is enough");
        },
        ..BAD
    },
    Case {
        name: "is optional and fails",
        script: "exit 1",
        subtask: || json!({"optional": true, "max_attempts": 1}),
        settings: "[recovery]\nreplans_max = 0\nsplits = false\n",
        then: &[("subtask_failed", &[]), ("subtask_skipped", &[])],
        never: &["orchestration_blocked"],
        ..BAD
    },
];
