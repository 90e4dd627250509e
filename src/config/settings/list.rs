//! Every setting: its key, its range, where it goes and what it means.

use super::{Kind, Setting, put};
use crate::config::LogForm;
use crate::domain::plan::Strategy;
use crate::domain::policy::Backoff;

macro_rules! whole {
    ($key:literal, $min:literal..=$max:literal, $($field:ident).+, $what:literal) => {
        Setting {
            key: $key,
            what: $what,
            kind: Kind::Whole { min: $min, max: $max, set: |c, v| put(&mut c.$($field).+, v) },
            show: |c| c.$($field).+.to_string(),
        }
    };
}

/// Every setting but the `[masters.NAME]`, `[planners.NAME]` and `[worker_types.NAME]` tables.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "workspace",
        what: "Working directory of workers and root of the files that tasks name; \
               in the file it is relative to the file's directory. Default: the directory above it.",
        kind: Kind::Directory,
        show: |c| c.workspace.display().to_string(),
    },
    Setting {
        key: "strategy",
        what: "How the subtasks of a plan follow each other when its author does not say.",
        kind: Kind::Word {
            words: &[
                ("staged", |c| c.policy.strategy = Strategy::Staged),
                ("adaptive", |c| c.policy.strategy = Strategy::Adaptive),
                ("sequential", |c| c.policy.strategy = Strategy::Sequential),
            ],
        },
        show: |c| match c.policy.strategy {
            Strategy::Staged => "staged".into(),
            Strategy::Adaptive => "adaptive".into(),
            Strategy::Sequential => "sequential".into(),
        },
    },
    Setting {
        key: "orchestration",
        what: "false turns splitting off: every task goes whole to one master.",
        kind: Kind::Switch { set: |c, v| c.policy.orchestration_enabled = v },
        show: |c| c.policy.orchestration_enabled.to_string(),
    },
    Setting {
        key: "planner",
        what: "Who drafts plans: the embedded planner, or one that a table below names. When that one \
               fails, the embedded planner's plan stands.",
        kind: Kind::Planner,
        show: |c| c.planner.clone(),
    },
    Setting {
        key: "learning",
        what: "false: how agents did before is neither used nor added to. `baton agents history` \
               shows it, and forgets it with `--forget`.",
        kind: Kind::Switch { set: |c, v| c.learning = v },
        show: |c| c.learning.to_string(),
    },
    Setting {
        key: "log",
        what: "A level (error, warn, info, debug, trace) or directives per module.",
        kind: Kind::Filter,
        show: |c| c.log.filter.clone(),
    },
    Setting {
        key: "log_form",
        what: "How log lines look: for people or as JSON.",
        kind: Kind::Word {
            words: &[
                ("human", |c| c.log.form = LogForm::Human),
                ("json", |c| c.log.form = LogForm::Json),
            ],
        },
        show: |c| match c.log.form {
            LogForm::Human => "human".into(),
            LogForm::Json => "json".into(),
        },
    },
    whole! { "limits.max_active", 1..=4_096, policy.attempts_active_max,
    "Workers that Baton may have at work at the same time; each master has a limit of its own \
     besides." },
    whole! { "limits.run_ms_max", 0..=31_536_000_000, policy.run_ms_max,
    "A run that takes longer is ended, and its report says what it waited for; 0: none is." },
    whole! { "complexity.files_max", 0..=10_000, policy.complexity.files_max,
    "A task that names more files is split." },
    whole! { "complexity.minutes_max", 1..=100_000, policy.complexity.minutes_max,
    "A task that takes longer is split; one that takes exactly as long is not." },
    whole! { "complexity.tokens_max", 1..=1_000_000_000, policy.complexity.tokens_max,
    "A task that needs more tokens is split." },
    whole! { "complexity.domains_max", 1..=100, policy.complexity.domains_max,
    "A task in more fields of work is split." },
    whole! { "complexity.confidence_percent_min", 0..=100, policy.complexity.confidence_percent_min,
    "A request that is understood less surely is answered with a question." },
    whole! { "plan.stages_max", 1..=100, policy.plan.stages_max,
    "A plan with more stages is refused." },
    whole! { "plan.subtasks_min", 1..=10_000, policy.plan.subtasks_min,
    "A plan with fewer subtasks gets a warning." },
    whole! { "plan.subtasks_max", 1..=10_000, policy.plan.subtasks_max,
    "A plan with more subtasks gets a warning." },
    whole! { "plan.subtasks_limit", 1..=10_000, policy.plan.subtasks_limit,
    "A plan with more subtasks is refused." },
    whole! { "plan.subtask_minutes_max", 1..=100_000, policy.plan.subtask_minutes_max,
    "A subtask that takes longer gets a warning." },
    whole! { "plan.subtask_minutes_limit", 1..=100_000, policy.plan.subtask_minutes_limit,
    "A subtask that takes longer is refused." },
    whole! { "plan.subtask_tokens_max", 1..=1_000_000_000, policy.plan.subtask_tokens_max,
    "A subtask that needs more tokens is refused." },
    whole! { "plan.subtask_files_max", 1..=10_000, policy.plan.subtask_files_max,
    "A subtask that changes more files is refused." },
    whole! { "retry.attempts_max", 1..=100, policy.retry.attempts_max,
    "Failures of one subtask on one agent after which something else is done (MaximumAttempts)." },
    Setting {
        key: "retry.backoff",
        what: "How the waits before retries follow each other, where a plan does not say.",
        kind: Kind::Word {
            words: &[
                ("immediate", |c| c.policy.retry.backoff = Backoff::Immediate),
                ("fixed", |c| c.policy.retry.backoff = Backoff::Fixed),
                ("exponential", |c| c.policy.retry.backoff = Backoff::Exponential),
            ],
        },
        show: |c| match c.policy.retry.backoff {
            Backoff::Immediate => "immediate".into(),
            Backoff::Fixed => "fixed".into(),
            Backoff::Exponential => "exponential".into(),
        },
    },
    whole! { "retry.initial_delay_ms", 0..=86_400_000, policy.retry.initial_delay_ms,
    "Wait before the first retry (InitialInterval)." },
    whole! { "retry.backoff_factor", 1..=100, policy.retry.backoff_factor,
    "Each exponential wait is this many times the one before (BackoffCoefficient)." },
    whole! { "retry.delay_ms_max", 0..=86_400_000, policy.retry.delay_ms_max,
    "No wait is longer (MaximumInterval)." },
    whole! { "retry.jitter_percent_max", 0..=100, policy.retry.jitter_percent_max,
    "So many percent are added to a wait at the most, so that what failed together is not tried \
     again together." },
    whole! { "recovery.same_failure_max", 1..=100, policy.recovery.same_failure_max,
    "The same failure so many times in a row goes on to the next step early." },
    whole! { "recovery.fallbacks_max", 0..=100, policy.recovery.fallbacks_max,
    "Other masters that one subtask is given to at the most." },
    whole! { "recovery.replans_max", 0..=100, policy.recovery.replans_max,
    "How often a plan is drafted again because of failures." },
    whole! { "recovery.interruptions_max", 0..=1_000, policy.recovery.interruptions_max,
    "So many attempts of one subtask in a row that are cut off from outside, and a person is asked; \
     0: nobody is." },
    Setting {
        key: "recovery.splits",
        what: "Whether a subtask that is too big for its worker is replaced by smaller ones.",
        kind: Kind::Switch { set: |c, v| c.policy.recovery.splits = v },
        show: |c| c.policy.recovery.splits.to_string(),
    },
    whole! { "recovery.overdue_ms", 0..=31_536_000_000, policy.recovery.overdue_ms,
    "From when on a question that nobody answered is told of again; 0: never." },
    whole! { "circuit.failures_max", 0..=1_000, policy.circuit.failures_max,
    "So many failures of a master in a row, and it is given no work for a while; 0: never." },
    whole! { "circuit.cool_down_ms", 100..=86_400_000, policy.circuit.cool_down_ms,
    "How long it is given none the first time; twice as long after each trial that failed." },
    whole! { "circuit.cool_down_ms_max", 100..=604_800_000, policy.circuit.cool_down_ms_max,
    "It is never given none for longer before the next trial." },
    whole! { "supervision.look_ms", 100..=86_400_000, policy.supervision.look_ms,
    "Longest time between two looks at a worker." },
    whole! { "supervision.heartbeat_stale_ms", 0..=604_800_000,
    policy.supervision.heartbeat_stale_ms,
    "From when on a worker without a sign of life is quiet; 0: never." },
    whole! { "supervision.stall_after_ms", 0..=604_800_000, policy.supervision.stall_after_ms,
    "From when on a worker without progress is stalled; 0: never." },
    whole! { "supervision.silence_ms", 0..=604_800_000, policy.supervision.silence_ms,
    "From when on a worker of which nothing outward is seen is stopped, however busy it is, \
     unless it is suspended; \
     0: never." },
    whole! { "supervision.time_box_ms", 0..=604_800_000, policy.supervision.time_box_ms,
    "The longest that an attempt may run while the host is awake; 0: any time." },
    whole! { "supervision.linger_ms", 0..=86_400_000, policy.supervision.linger_ms,
    "How long a worker may stay whose report is in; 0: as long as it likes." },
    whole! { "supervision.stop_grace_ms", 0..=3_600_000, policy.supervision.stop_grace_ms,
    "Time between asking a worker to stop and killing it." },
    whole! { "supervision.output_bytes_max", 0..=1_099_511_627_776,
    policy.supervision.output_bytes_max,
    "How many bytes of a worker's output are kept; 0: all." },
    whole! { "supervision.memory_bytes_max", 0..=1_125_899_906_842_624,
    policy.supervision.memory_bytes_max,
    "How much memory the processes of a worker may hold together; 0: any." },
    whole! { "supervision.processes_max", 0..=1_000_000, policy.supervision.processes_max,
    "How many processes a worker may have, each counted with its threads; 0: any number." },
    whole! { "supervision.untaken_alert_ms", 0..=2_592_000_000, policy.supervision.untaken_alert_ms,
    "From when on a handoff that no master takes is told of; 0: never." },
    whole! { "supervision.untaken_max_ms", 0..=2_592_000_000, policy.supervision.untaken_max_ms,
    "From when on it goes to the next candidate; 0: never." },
    whole! { "daemon.tick_ms", 100..=86_400_000, daemon.tick_ms,
    "Longest time between two looks at everything." },
    whole! { "daemon.overview_delay_ms", 0..=60_000, daemon.overview_delay_ms,
    "Longest time that a plan, subtask, queue or state document lags behind." },
    whole! { "daemon.drain_grace_ms", 0..=86_400_000, daemon.drain_grace_ms,
    "How long a drain waits for what the daemon itself has begun; workers live on." },
    whole! { "daemon.batch_max", 1..=1_000_000, daemon.batch_max,
    "Inputs that are decided before their records are synced." },
];
