//! What settings files are refused for, and in which words.

use super::refusal;

/// Texts of the file, and how the refusal of each begins.
const MISTAKES: &[(&str, &str)] = &[
    (
        "\n[masters.security]\nbakend = \"brief\"",
        "baton.toml:3: masters.security.bakend: there is no such setting; \
             did you mean \"backend\"?",
    ),
    (
        "[masters.security]\nbackend = \"breif\"",
        "baton.toml:2: masters.security.backend: there is no backend \"breif\"; \
             did you mean \"brief\"?",
    ),
    (
        "[masters.security]\nbackend = 3",
        "baton.toml:2: masters.security.backend: 3 is not a text; it takes a text",
    ),
    (
        "[masters.coder]\nbackend = \"command\"",
        "baton.toml:1: masters.coder.argv: backend \"command\" has no program; \
             set it to [\"/path/to/program\", \"argument\", ...]",
    ),
    (
        "[masters.coder]\nbackend = \"command\"\nargv = \"agent -x\"",
        "baton.toml:3: masters.coder.argv: \"agent -x\" is not a list of texts; \
             it takes a list of texts",
    ),
    (
        "[masters.coder]\nargv = [\"agent\"]",
        "baton.toml:2: masters.coder.argv: backend \"external\" does not use it; \
             remove it, or set backend = \"command\"",
    ),
    (
        "[masters.coder]\nmax_active = 0",
        "baton.toml:2: masters.coder.max_active: 0 is out of range; it takes 1 to 4096",
    ),
    ("[masters.\"a b\"]\n", "baton.toml:1: masters.a b: master id \"a b\" is refused: "),
    (
        "[masters.coder]\nbackend=\"command\"\nargv=[\"a\"]\nenv = { \"A=B\" = \"x\" }",
        "baton.toml:4: masters.coder.env.A=B: \"A=B\" names no variable; \
             a name is letters, digits and underscores",
    ),
    (
        "[masters.coder]\nbackend=\"command\"\nargv=[\"a\"]\nenv_allow = [\"*\"]",
        "baton.toml:4: masters.coder.env_allow: \"\" names no variable; \
             a name is letters, digits and underscores",
    ),
    ("masters = 1", "baton.toml:1: masters: 1 is not a table; write it as [masters] with"),
    (
        "stratgy = \"staged\"",
        "baton.toml:1: stratgy: there is no such setting; did you mean \"strategy\"?",
    ),
    (
        "strategy = \"stagd\"",
        "baton.toml:1: strategy: \"stagd\" is unknown; did you mean \"staged\"?",
    ),
    (
        "[limit]\nmax_active = 2",
        "baton.toml:1: limit: there is no such setting; did you mean \"limits\"?",
    ),
    (
        "[plan]\nstages = 3",
        "baton.toml:2: plan.stages: there is no such setting; known here: stages_max,",
    ),
    (
        "[plan]\nstages_max = 0",
        "baton.toml:2: plan.stages_max: 0 is out of range; it takes 1 to 100",
    ),
    (
        "[plan]\nstages_max = -5",
        "baton.toml:2: plan.stages_max: -5 is out of range; it takes 1 to 100",
    ),
    (
        "[plan]\nstages_max = \"ten\"",
        "baton.toml:2: plan.stages_max: \"ten\" is not a whole number; it takes 1 to 100",
    ),
    (
        "[plan]\nstages_max = 18446744073709551616",
        "baton.toml:2: plan.stages_max: 18446744073709551616 is out of range",
    ),
    (
        "[plan]\nsubtasks_min = 11",
        "baton.toml:2: plan.subtasks_min: 11 is more than plan.subtasks_max, which is 10; \
             raise plan.subtasks_max or lower plan.subtasks_min",
    ),
    (
        "orchestration = \"no\"",
        "baton.toml:1: orchestration: \"no\" is not true or false; it takes true, false",
    ),
    (
        "workspace = \"nowhere\"",
        "baton.toml:1: workspace: cannot use nowhere: No such file or directory",
    ),
    ("workspace = \"baton.toml\"", "baton.toml:1: workspace: baton.toml is not a directory; "),
    ("log = \"loud=very\"", "baton.toml:1: log: \"loud=very\" is no log filter; it takes error,"),
    ("a = 1\nb = [", "baton.toml:2: not TOML: "),
    ("[plan]\nstages_max = 1\nstages_max = 2", "baton.toml:3: not TOML: duplicate key"),
    (
        "[daemon]\nstop_grace_ms = 5",
        "baton.toml:2: daemon.stop_grace_ms: there is no such setting; \
             it is supervision.stop_grace_ms now",
    ),
    (
        "[retry]\nbackoff = \"exponental\"",
        "baton.toml:2: retry.backoff: \"exponental\" is unknown; did you mean \"exponential\"?",
    ),
    (
        "[circuit]\ncool_down_ms = 600001",
        "baton.toml:2: circuit.cool_down_ms: 600001 is more than circuit.cool_down_ms_max, which",
    ),
    (
        "[supervision]\nstall_after_ms = 1000",
        "baton.toml:2: supervision.heartbeat_stale_ms: 180000 is more than stall_after_ms, which \
             is 1000; raise stall_after_ms or lower heartbeat_stale_ms",
    ),
    (
        "[worker_types.test]\nlok_ms = 1",
        "baton.toml:2: worker_types.test.lok_ms: there is no such setting; \
             did you mean \"look_ms\"?",
    ),
    (
        "[worker_types.test]\nlook_ms = \"2 min\"",
        "baton.toml:2: worker_types.test.look_ms: \"2 min\" is not a whole number; \
             it takes 100 to 86400000",
    ),
    (
        "[worker_types]\ntest = 5",
        "baton.toml:2: worker_types.test: 5 is not a table; write it as [worker_types.test]",
    ),
    ("worker_type = 5", "baton.toml:1: worker_type: there is no such setting; did you mean \"wor"),
    (
        "[worker_types.test]\nuntaken_alert_ms = 3000000",
        "baton.toml:1: worker_types.test.untaken_alert_ms: 3000000 is more than untaken_max_ms, \
             which is 1800000;",
    ),
    (
        "[worker_types.test]\nstall_after_ms = 400000\n[masters.a.supervision]\n\
             heartbeat_stale_ms = 500000",
        "baton.toml:3: masters.a.supervision.heartbeat_stale_ms: 500000 is more than \
             stall_after_ms, which is 400000 for workers of type test;",
    ),
    (
        "[masters.a.supervision]\nstop_grace = 1",
        "baton.toml:2: masters.a.supervision.stop_grace: there is no such setting; \
             did you mean \"stop_grace_ms\"?",
    ),
    (
        "[masters.coder]\nfallbacks = [\"writr\"]\n[masters.writer]",
        "baton.toml:2: masters.coder.fallbacks: there is no master \"writr\"; \
             did you mean \"writer\"?",
    ),
    (
        "[masters.coder]\nfallbacks = [\"coder\"]",
        "baton.toml:2: masters.coder.fallbacks: coder cannot stand in for itself; name other",
    ),
    (
        "[masters.coder]\nfallbacks = [\"w\", \"w\"]\n[masters.w]",
        "baton.toml:2: masters.coder.fallbacks: w is named twice; name it once",
    ),
    (
        "[masters.coder]\nbackend = \"brief\"\nmay_stop = true",
        "baton.toml:3: masters.coder.may_stop: Baton starts its workers itself and may always",
    ),
    (
        "[masters.coder]\nstarts_per_minute_max = -1",
        "baton.toml:2: masters.coder.starts_per_minute_max: -1 is out of range; it takes 0 to",
    ),
];

#[test]
fn each_mistake_is_named_with_its_line_its_key_and_a_remedy() {
    for (text, want) in MISTAKES {
        let got = refusal(text);
        assert!(got.starts_with(want), "for {text:?}\nwant {want}\ngot  {got}");
        assert_eq!(got.lines().count(), 1, "one mistake is told once: {got}");
    }
}
