//! Workers that take too much: time, memory, processes, disk.

use super::{BAD, Case};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "works past its time box",
        script: "if first; then while :; do echo more; sleep 0.2; done; fi; good",
        settings: "time_box_ms = 2000\n",
        then: &[
            ("attempt_recalled", &[("cause", "time_box")]),
            ("subtask_failed", &[("failure.message", "time box")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        never: &["worker_stalled"],
        ..BAD
    },
    Case {
        name: "delivers and stays",
        script: "report '{\"subtask_id\":\"t-work\",\"status\":\"success\",\"summary\":\"done\"}'; exec sleep 600",
        settings: "linger_ms = 1000\n",
        then: &[
            ("attempt_recalled", &[("cause", "lingering")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-1")]),
        ],
        never: &["subtask_failed", "worker_stalled"],
        ..BAD
    },
    Case {
        name: "writes a million lines",
        script: "seq -f 'line number %.0f' 500000; sleep 2; seq -f 'line number %.0f' 500000; sleep 1; good",
        settings: "output_bytes_max = 1048576\n",
        then: &[("subtask_completed", &[("attempt_id", "t-work-attempt-1")])],
        never: &["worker_stalled", "subtask_failed"],
        finally: |env| {
            let len = |name: &str| {
                let path = env.path(&format!("workers/t-work-attempt-1/{name}"));
                std::fs::metadata(path).map_or(0, |file| file.len())
            };
            assert!(len("output.log.1") > 0, "it was not rotated");
            let kept = len("output.log") + len("output.log.1");
            // What a worker writes between two looks comes on top.
            assert!(kept < 18 << 20, "{kept} bytes are kept");
        },
        ..BAD
    },
    Case {
        name: "prints past its limit and is gone at once",
        script: "seq -f 'line number %.0f' 100000; echo all of it is done; exit 0",
        settings: "output_bytes_max = 4096\n",
        then: &[(
            "subtask_completed",
            &[("attempt_id", "t-work-attempt-1"), ("result.summary", "all of it is done")],
        )],
        never: &["subtask_failed"],
        ..BAD
    },
    Case {
        name: "prints past its limit and fails",
        script: "if first; then seq -f 'line number %.0f' 100000; \
            echo 'connect ETIMEDOUT 10.0.0.1:443'; exit 1; fi; good",
        settings: "output_bytes_max = 4096\n",
        then: &[
            (
                "subtask_failed",
                &[("failure.category", "transient"), ("failure.message", "ETIMEDOUT")],
            ),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        ..BAD
    },
    Case {
        name: "eats memory",
        script: "if first; then x=xxxxxxxx; while [ ${#x} -lt 100000000 ]; do x=$x$x; done; sleep 600; fi; good",
        settings: "memory_bytes_max = 50000000\n",
        then: &[
            ("attempt_recalled", &[("cause", "memory")]),
            ("subtask_failed", &[("failure.message", "memory")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        ..BAD
    },
    Case {
        name: "starts too many processes",
        script: "if first; then for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 600 & done; wait; fi; good",
        settings: "processes_max = 10\n",
        then: &[
            ("attempt_recalled", &[("cause", "processes")]),
            ("subtask_failed", &[("failure.message", "processes")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        ..BAD
    },
    Case {
        name: "never begins, and another can",
        settings: r#"
[masters.development]
backend = "command"
argv = ["/no/such/program"]
domains = ["development"]
[masters.stand-in]
backend = "command"
argv = ["/bin/sh", "{workspace}/worker.sh"]
domains = ["development"]
[masters.elsewhere]
backend = "external"
domains = ["elsewhere"]
"#,
        script: "good",
        then: &[
            ("worker_not_started", &[]),
            ("recovery_decided", &[("strategy", "fallback")]),
            ("subtask_reassigned", &[("assigned_to", "stand-in")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-2")]),
        ],
        ..BAD
    },
    Case {
        name: "fails until another gets it",
        settings: r#"
[masters.development]
backend = "command"
argv = ["/bin/sh", "-c", "echo no; exit 1"]
domains = ["development", "testing", "docs", "review"]
[masters.code-reviewer]
backend = "command"
argv = ["/bin/sh", "{workspace}/worker.sh"]
domains = ["development", "testing", "docs"]
[masters.elsewhere]
backend = "external"
domains = ["elsewhere"]
"#,
        script: "good",
        then: &[
            ("subtask_retried", &[("retry_count", "1")]),
            ("subtask_retried", &[("retry_count", "2")]),
            ("subtask_reassigned", &[("assigned_to", "code-reviewer"), ("why", "0.75")]),
            ("subtask_completed", &[("attempt_id", "t-work-attempt-4")]),
        ],
        ..BAD
    },
];
