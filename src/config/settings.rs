//! The closed list of settings.

mod list;

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::Config;
use super::problem::suggestion;

pub use list::SETTINGS;

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
    Planner,
}

/// A word, and what it sets.
type Word = (&'static str, fn(&mut Config));

/// A value as it was given.
pub(super) enum Given<'a> {
    Toml(&'a DeValue<'a>),
    Text(&'a str),
}

impl Setting {
    /// Returns the environment variable that sets it: `BATON_PLAN_STAGES_MAX`.
    pub fn variable(&self) -> String {
        variable(self.key)
    }

    /// Returns what it takes, for people: `1 to 100`.
    pub fn takes(&self) -> String {
        match &self.kind {
            Kind::Whole { min, max, .. } => range(*min, *max),
            Kind::Switch { .. } => "true, false".into(),
            Kind::Word { words } => words.iter().map(|(w, _)| *w).collect::<Vec<_>>().join(", "),
            Kind::Directory => "a directory".into(),
            Kind::Filter => "a level or directives".into(),
            Kind::Planner => "rules, or a name of `[planners.NAME]`".into(),
        }
    }

    /// Returns the least and the most that it takes, where it is a number.
    pub(super) fn ends(&self) -> Option<(u64, u64)> {
        match self.kind {
            Kind::Whole { min, max, .. } => Some((min, max)),
            Kind::Switch { .. }
            | Kind::Word { .. }
            | Kind::Directory
            | Kind::Filter
            | Kind::Planner => None,
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
            Kind::Whole { min, max, set } => set(config, given.within(*min, *max)?),
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
            // Whether there is one of that name shows when the whole file is read.
            Kind::Planner => config.planner = given.text().ok_or_else(wanted)?.trim().to_owned(),
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
            Kind::Word { .. } | Kind::Directory | Kind::Filter | Kind::Planner => "a text",
        }
    }
}

impl Given<'_> {
    /// Returns a whole number within these ends, or says what is wrong: problem and remedy.
    pub(super) fn within(&self, min: u64, max: u64) -> Result<u64, [String; 2]> {
        let remedy = || format!("it takes {}", range(min, max));
        let value = self
            .whole()
            .ok_or_else(|| [format!("{} is not a whole number", self.shown()), remedy()])?;
        u64::try_from(value)
            .ok()
            .filter(|value| (min..=max).contains(value))
            .ok_or_else(|| [format!("{value} is out of range"), remedy()])
    }

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

/// Returns the environment variable that sets this key.
pub(super) fn variable(key: &str) -> String {
    format!("BATON_{}", key.replace('.', "_").to_uppercase())
}

fn range(min: u64, max: u64) -> String {
    format!("{min} to {max}")
}

/// Stores a number that its range lets fit.
pub(super) fn put<T: TryFrom<u64>>(slot: &mut T, value: u64) {
    if let Ok(value) = T::try_from(value) {
        *slot = value;
    }
}
