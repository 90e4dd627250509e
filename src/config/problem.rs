//! What can be wrong with the settings, told so that the operator can act.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Says why there are no settings.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The directory itself cannot be used.
    #[error(
        "cannot use {} as the coordination directory: {source}; \
         make one with `baton init`, or name another with --coordination",
        path.display()
    )]
    Directory {
        /// As it was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is there and cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file names programs to run, and somebody else than the operator may have written it.
    #[error("{} is refused: {problem}; {remedy}", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What the operator can do.
        remedy: String,
    },
    /// Settings that cannot be used: at least one, in the order of their places.
    #[error("{}", lines(.0))]
    Settings(Vec<SettingError>),
}

/// Says what is wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    /// Where it was set.
    pub place: Place,
    /// Its key, e.g. `masters.security.backend`; empty where the file as a whole is meant.
    pub key: String,
    /// What is wrong, lower case, without a full stop.
    pub problem: String,
    /// What the operator can do.
    pub remedy: String,
}

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nowhere: it has its default.
    Default,
    /// In the file, on this line (from 1).
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// In this variable.
    Environment(String),
    /// By this flag.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => f.write_str("default settings"),
            Place::File { path, line } => write!(f, "{}:{line}", path.display()),
            Place::Environment(name) => write!(f, "environment variable {name}"),
            Place::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.problem, self.remedy)
    }
}

/// Returns the one of `known` that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let slips_max = (word.chars().count() / 3).max(1);
    known
        .map(|candidate| (strsim::damerau_levenshtein(&lower, candidate), candidate))
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Returns `did you mean "x"?`, or what there is to choose from.
pub(super) fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(candidate) => format!("did you mean \"{candidate}\"?"),
        None => format!("known here: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

fn lines(errors: &[SettingError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_only_when_it_is_near() {
        let known = ["backend", "argv", "env", "env_allow"];
        let cases = [
            ("bakend", Some("backend")),
            ("Backend", Some("backend")),
            ("envallow", Some("env_allow")),
            ("agrv", Some("argv")),
            ("timeout", None),
        ];
        for (word, want) in cases {
            assert_eq!(nearest(word, known.into_iter()), want, "{word}");
        }
        assert_eq!(
            suggestion("timeout", known.into_iter()),
            "known here: backend, argv, env, env_allow"
        );
    }
}
