//! How workers live: hanging, spinning, beating, stopped, working in silence.

use serde_json::json;

use super::{BAD, Case};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "hangs",
        script: "first && exec sleep 600; good",
        then: &[
            ("worker_suspected", &[]),
            ("worker_stalled", &[("evidence.process", "running")]),
            ("attempt_recalled", &[("cause", "stalled")]),
            ("worker_exited", &[]),
            ("subtask_failed", &[("failure.category", "transient")]),
            ("recovery_decided", &[("strategy", "retry")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        never: &["worker_gone"],
        ..BAD
    },
    Case {
        name: "spins without a word",
        script: "if first; then while :; do :; done; fi; good",
        settings: "silence_ms = 6000\n",
        then: &[
            ("attempt_recalled", &[("cause", "silence")]),
            ("subtask_failed", &[("failure.category", "transient")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        never: &["worker_stalled", "worker_gone"],
        ..BAD
    },
    Case {
        name: "beats but does nothing",
        script: "if first; then n=0; while :; do n=$((n+1)); beat $n; sleep 1; done; fi; good",
        settings: "stall_after_ms = 6000\n",
        then: &[
            ("worker_stalled", &[]),
            ("attempt_recalled", &[("cause", "stalled")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        never: &["worker_heartbeat_missed"],
        ..BAD
    },
    Case {
        name: "works but never beats",
        script: "n=0; while [ $n -lt 40 ]; do n=$((n+1)); echo step $n; sleep 0.2; done; good",
        then: &[("subtask_completed", &[("attempt_id", "t-work-attempt-1")])],
        never: &["worker_heartbeat_missed", "worker_suspected", "worker_stalled", "subtask_failed"],
        ..BAD
    },
    Case {
        name: "works in its files and says nothing",
        script: "n=0; while [ $n -lt 20 ]; do n=$((n+1)); echo $n >> src/a.rs; sleep 0.4; done; good",
        then: &[("subtask_completed", &[("attempt_id", "t-work-attempt-1")])],
        never: &["worker_suspected", "worker_stalled", "subtask_failed"],
        ..BAD
    },
    Case {
        name: "lets a child work while it waits",
        script: "sh -c 'i=0; while [ $i -lt 9000000 ]; do i=$((i+1)); [ -e stop ] && break; done' &\n\
            n=0; while [ $n -lt 32 ]; do n=$((n+1)); sleep 0.25; done; : > stop; wait; good",
        then: &[("subtask_completed", &[("attempt_id", "t-work-attempt-1")])],
        never: &["worker_stalled", "subtask_failed"],
        ..BAD
    },
    Case {
        name: "stops itself",
        script: "first && kill -STOP $$; good",
        settings: "time_box_ms = 8000\n",
        then: &[
            ("worker_suspected", &[("evidence.process", "stopped")]),
            ("attempt_recalled", &[("cause", "time_box")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        never: &["worker_stalled", "worker_gone"],
        ..BAD
    },
    Case {
        name: "is stopped for a while and goes on",
        script: "echo begun; (sleep 2; kill -CONT $$) & kill -STOP $$; echo again; good",
        then: &[("subtask_completed", &[("attempt_id", "t-work-attempt-1")])],
        never: &["worker_stalled", "worker_gone", "subtask_failed"],
        ..BAD
    },
    Case {
        name: "has a wrong clock",
        script: "n=0; while [ $n -lt 20 ]; do n=$((n+1)); beat 1970-01-01T00:00:$n \"step $n\"; \
            sleep 0.3; done; beat 2199-01-01T00:00:00Z later; good",
        then: &[("subtask_completed", &[("attempt_id", "t-work-attempt-1")])],
        never: &["worker_stalled", "worker_gone", "subtask_failed"],
        ..BAD
    },
    Case {
        name: "is in a wrong time zone",
        script: "n=10; while [ $n -lt 30 ]; do n=$((n+1)); beat 2025-11-05T12:00:$n-0600 \"at $n\"; \
            sleep 0.3; done; good",
        then: &[("subtask_completed", &[("attempt_id", "t-work-attempt-1")])],
        never: &["worker_stalled", "worker_gone", "subtask_failed"],
        ..BAD
    },
    Case {
        name: "writes a heartbeat that is no JSON",
        script: "n=0; while [ $n -lt 20 ]; do n=$((n+1)); echo \"{broken $n\" > \
            \"${BATON_REPORT%/*}/heartbeat.json\"; echo $n; sleep 0.3; done; good",
        then: &[("subtask_completed", &[("attempt_id", "t-work-attempt-1")])],
        never: &["worker_stalled", "worker_gone", "subtask_failed"],
        ..BAD
    },
    Case {
        name: "is quiet for long and then delivers",
        script: "sleep 6; good",
        settings: "stall_after_ms = 30000\n",
        then: &[
            ("worker_heartbeat_missed", &[]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-1")]),
        ],
        never: &["worker_stalled", "worker_gone", "subtask_failed"],
        ..BAD
    },
    Case {
        name: "works for long in many small steps",
        script: "n=0; while [ $n -lt 30 ]; do n=$((n+1)); beat $n \"step $n\"; sleep 0.3; done; good",
        subtask: || json!({"estimated_duration_minutes": 1}),
        then: &[("subtask_completed", &[("attempt_id", "t-work-attempt-1")])],
        never: &["worker_suspected", "worker_stalled", "attempt_recalled", "subtask_failed"],
        ..BAD
    },
];
