//! The closed list of settings.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::problem::suggestion;
use super::{Config, LogForm};
use crate::domain::plan::Strategy;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its key in `baton.toml`, the table before the dot: `plan.stages_max`.
    pub key: &'static str,
    /// What it means, in one sentence.
    pub what: &'static str,
    kind: Kind,
    show: fn(&Config) -> String,
}

/// What a setting takes and where it goes.
#[derive(Debug)]
enum Kind {
    Whole { min: u64, max: u64, set: fn(&mut Config, u64) },
    Switch { set: fn(&mut Config, bool) },
    Word { words: &'static [Word] },
    Directory,
    Filter,
}

/// A word, and what it sets.
type Word = (&'static str, fn(&mut Config));

/// A value as it was given.
pub(super) enum Given<'a> {
    Toml(&'a DeValue<'a>),
    Text(&'a str),
}

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

/// Every setting but the `[masters.NAME]` tables.
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
    "Attempts that may be under way at the same time." },
    whole! { "complexity.files_max", 0..=10_000, policy.complexity.files_max,
    "A task that names more files is split." },
    whole! { "complexity.minutes_max", 1..=100_000, policy.complexity.minutes_max,
    "A task that takes longer is split; one that takes exactly as long is not." },
    whole! { "complexity.tokens_max", 1..=1_000_000_000, policy.complexity.tokens_max,
    "A task that needs more tokens is split." },
    whole! { "complexity.domains_max", 1..=100, policy.complexity.domains_max,
    "A task in more fields of work is split." },
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
    "Failures of one subtask after which a person is asked." },
    whole! { "retry.initial_delay_ms", 0..=86_400_000, policy.retry.initial_delay_ms,
    "Wait before the first retry." },
    whole! { "retry.backoff_factor", 1..=100, policy.retry.backoff_factor,
    "Each wait is this many times the one before." },
    whole! { "retry.delay_ms_max", 0..=86_400_000, policy.retry.delay_ms_max,
    "No wait is longer." },
    whole! { "daemon.tick_ms", 100..=86_400_000, daemon.tick_ms,
    "Longest time between two looks at everything." },
    whole! { "daemon.overview_delay_ms", 0..=60_000, daemon.overview_delay_ms,
    "Longest time that a plan, subtask, queue or state document lags behind." },
    whole! { "daemon.drain_grace_ms", 0..=86_400_000, daemon.drain_grace_ms,
    "How long a drain waits for what the daemon itself has begun; workers live on." },
    whole! { "daemon.stop_grace_ms", 0..=3_600_000, daemon.stop_grace_ms,
    "Time between asking a worker to stop and killing it." },
    whole! { "daemon.batch_max", 1..=1_000_000, daemon.batch_max,
    "Inputs that are decided before their records are synced." },
];

impl Setting {
    /// Returns the environment variable that sets it: `BATON_PLAN_STAGES_MAX`.
    pub fn variable(&self) -> String {
        format!("BATON_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// Returns what it takes, for people: `1 to 100`.
    pub fn takes(&self) -> String {
        match &self.kind {
            Kind::Whole { min, max, .. } => format!("{min} to {max}"),
            Kind::Switch { .. } => "true, false".into(),
            Kind::Word { words } => words.iter().map(|(w, _)| *w).collect::<Vec<_>>().join(", "),
            Kind::Directory => "a directory".into(),
            Kind::Filter => "a level or directives".into(),
        }
    }

    /// Returns its value in `config` as text that sets it again.
    pub fn value(&self, config: &Config) -> String {
        (self.show)(config)
    }

    /// Sets it, or says what is wrong: problem and remedy.
    ///
    /// A relative path starts from `base`.
    pub(super) fn apply(
        &self,
        config: &mut Config,
        given: &Given<'_>,
        base: &Path,
    ) -> Result<(), [String; 2]> {
        let wanted = || [format!("{} is not {}", given.shown(), self.kind.noun()), self.remedy()];
        match &self.kind {
            Kind::Whole { min, max, set } => {
                let value = given.whole().ok_or_else(wanted)?;
                let value = u64::try_from(value)
                    .ok()
                    .filter(|value| (min..=max).contains(&value))
                    .ok_or_else(|| [format!("{value} is out of range"), self.remedy()])?;
                set(config, value);
            }
            Kind::Switch { set } => set(config, given.switch().ok_or_else(wanted)?),
            Kind::Word { words } => {
                let word = given.text().ok_or_else(wanted)?;
                let (_, set) = words.iter().find(|(known, _)| *known == word).ok_or_else(|| {
                    let known = words.iter().map(|(known, _)| *known);
                    [format!("{word:?} is unknown"), suggestion(word, known)]
                })?;
                set(config);
            }
            Kind::Directory => {
                config.workspace = directory(base, given.text().ok_or_else(wanted)?)?;
            }
            Kind::Filter => config.log.filter = filter(given.text().ok_or_else(wanted)?)?,
        }
        Ok(())
    }

    fn remedy(&self) -> String {
        format!("it takes {}", self.takes())
    }
}

impl Kind {
    fn noun(&self) -> &'static str {
        match self {
            Kind::Whole { .. } => "a whole number",
            Kind::Switch { .. } => "true or false",
            Kind::Word { .. } | Kind::Directory | Kind::Filter => "a text",
        }
    }
}

impl Given<'_> {
    fn whole(&self) -> Option<i128> {
        match self {
            Given::Toml(value) => {
                let integer = value.as_integer()?;
                i128::from_str_radix(integer.as_str(), integer.radix()).ok()
            }
            Given::Text(text) => text.trim().parse().ok(),
        }
    }

    fn switch(&self) -> Option<bool> {
        match self {
            Given::Toml(value) => value.as_bool(),
            Given::Text(text) => text.trim().parse().ok(),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Given::Toml(value) => value.as_str(),
            Given::Text(text) => Some(text),
        }
    }

    fn shown(&self) -> String {
        match self {
            Given::Toml(value) => shown(value),
            Given::Text(text) => format!("{text:?}"),
        }
    }
}

/// Returns a value for an error message: short ones as they are, others by what they are.
pub(super) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.chars().count() <= 60 => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::String(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            format!("the {}", value.type_str())
        }
    }
}

fn directory(base: &Path, text: &str) -> Result<PathBuf, [String; 2]> {
    existing(&base.join(text))
}

/// Returns a directory that is there as an absolute path without links.
pub(super) fn existing(path: &Path) -> Result<PathBuf, [String; 2]> {
    let remedy = || "name a directory that is there".to_owned();
    let real = std::fs::canonicalize(path)
        .map_err(|error| [format!("cannot use {}: {error}", path.display()), remedy()])?;
    if real.is_dir() {
        Ok(real)
    } else {
        Err([format!("{} is not a directory", path.display()), remedy()])
    }
}

fn filter(text: &str) -> Result<String, [String; 2]> {
    match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) if !text.trim().is_empty() => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err([
            format!("{text:?} is no log filter"),
            "it takes error, warn, info, debug or trace, or directives such as \
             \"info,baton::intake=debug\""
                .to_owned(),
        ]),
    }
}

/// Stores a number that its range lets fit.
fn put<T: TryFrom<u64>>(slot: &mut T, value: u64) {
    if let Ok(value) = T::try_from(value) {
        *slot = value;
    }
}
