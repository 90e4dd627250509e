//! The layers that set settings, one after the other, and what is wrong with them.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ConfigError, Place, SettingError, suggestion};
use super::settings::{self, Given, SETTINGS, existing, shown};
use super::{Config, Overrides, masters, planners, supervision};

/// Pairs of which the first may not exceed the second.
const ORDERED: [(&str, &str); 5] = [
    ("plan.subtasks_min", "plan.subtasks_max"),
    ("plan.subtasks_max", "plan.subtasks_limit"),
    ("plan.subtask_minutes_max", "plan.subtask_minutes_limit"),
    ("retry.initial_delay_ms", "retry.delay_ms_max"),
    ("circuit.cool_down_ms", "circuit.cool_down_ms_max"),
];

/// Keys that had another name before, and the one they have now.
const RENAMED: [(&str, &str); 1] = [("daemon.stop_grace_ms", "supervision.stop_grace_ms")];

/// Tables of tables, whose names the operator chooses.
const NAMED: [&str; 3] = ["masters", "planners", "worker_types"];

/// Applies the layers one after the other and collects what is wrong with them.
pub(super) struct Layers<'a> {
    config: &'a mut Config,
    directory: &'a Path,
    places: BTreeMap<String, Place>,
    errors: Vec<SettingError>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(config: &'a mut Config, directory: &'a Path) -> Self {
        Self { config, directory, places: BTreeMap::new(), errors: Vec::new() }
    }

    /// Applies the text of `baton.toml`.
    pub(super) fn file(&mut self, path: &Path, text: &str) {
        let source = Source { path, text };
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let remedy = "see coordination/README.md for the format".to_owned();
                let problem = format!("not TOML: {}", error.message().replace('\n', ", "));
                self.errors.push(SettingError {
                    place: source.at(at),
                    key: String::new(),
                    problem,
                    remedy,
                });
                return;
            }
        };
        for (key, value) in table.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("masters", DeValue::Table(masters)) => {
                    self.note_places("masters", masters, &source);
                    self.errors.extend(masters::read(self.config, masters, &source));
                }
                ("planners", DeValue::Table(planners)) => {
                    self.errors.extend(planners::read(self.config, planners, &source));
                }
                ("worker_types", DeValue::Table(types)) => {
                    self.note_places("worker_types", types, &source);
                    let policy = &mut self.config.policy;
                    self.errors.extend(supervision::read_types(policy, types, &source));
                }
                (name, DeValue::Table(inner)) if is_table(name) => {
                    for (key, value) in inner {
                        let full = format!("{name}.{}", key.get_ref());
                        self.set_toml(&source, &full, key.span().start, value);
                    }
                }
                (name, other) if is_table(name) || NAMED.contains(&name) => {
                    let problem = format!("{} is not a table", shown(other));
                    let remedy = format!("write it as [{name}] with its keys below");
                    let place = source.at(key.span().start);
                    self.errors.push(SettingError { place, key: name.into(), problem, remedy });
                }
                (name, _) => self.set_toml(&source, name, key.span().start, value),
            }
        }
        self.errors.sort_by(|a, b| a.place.cmp(&b.place));
    }

    fn note_places(&mut self, table: &str, inner: &DeTable<'_>, source: &Source<'_>) {
        let place = |key: &Spanned<_>| source.at(key.span().start);
        let named = inner.iter().map(|(key, _)| (format!("{table}.{}", key.get_ref()), place(key)));
        self.places.extend(named);
    }

    fn set_toml(
        &mut self,
        source: &Source<'_>,
        key: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
    ) {
        self.set(source.at(at), key, &Given::Toml(value.get_ref()), self.directory);
    }

    /// Applies the environment variables that are set and not empty.
    pub(super) fn environment(&mut self, env: &dyn Fn(&str) -> Option<String>) {
        for setting in SETTINGS {
            let variable = setting.variable();
            if let Some(text) = env(&variable).filter(|text| !text.is_empty()) {
                let place = Place::Environment(variable);
                self.set(place, setting.key, &Given::Text(&text), Path::new(""));
            }
        }
        for (before, _) in RENAMED {
            let variable = settings::variable(before);
            if env(&variable).is_some_and(|text| !text.is_empty()) {
                self.set(Place::Environment(variable), before, &Given::Text(""), Path::new(""));
            }
        }
    }

    /// Applies the flags.
    pub(super) fn flags(&mut self, overrides: &Overrides) {
        for (key, text) in &overrides.set {
            let place = Place::Flag(format!("--set {key}"));
            self.set(place, key, &Given::Text(text), Path::new(""));
        }
        if let Some(workspace) = &overrides.workspace {
            match existing(workspace) {
                Ok(workspace) => self.config.workspace = workspace,
                Err([problem, remedy]) => self.errors.push(SettingError {
                    place: Place::Flag("--workspace".into()),
                    key: String::new(),
                    problem,
                    remedy,
                }),
            }
        }
    }

    /// Checks what only shows when all layers are there.
    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        if self.errors.is_empty() {
            self.check_order();
            self.errors.extend(supervision::check(&self.config.policy, &self.places));
            let place = self.places.get("planner").cloned().unwrap_or(Place::Default);
            self.errors.extend(planners::check(self.config, place));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(ConfigError::Settings(self.errors)) }
    }

    fn check_order(&mut self) {
        for (low, high) in ORDERED {
            let value = |key: &str| -> Option<u64> {
                SETTINGS.iter().find(|s| s.key == key)?.value(self.config).parse().ok()
            };
            if value(low) > value(high) {
                let low_place = self.places.get(low).cloned();
                let place = low_place.max(self.places.get(high).cloned()).unwrap_or(Place::Default);
                let shown = |key| value(key).map_or_else(String::new, |value| value.to_string());
                self.errors.push(SettingError {
                    place,
                    key: low.to_owned(),
                    problem: format!(
                        "{} is more than {high}, which is {}",
                        shown(low),
                        shown(high)
                    ),
                    remedy: format!("raise {high} or lower {low}"),
                });
            }
        }
    }

    fn set(&mut self, place: Place, key: &str, given: &Given<'_>, base: &Path) {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let problem = "there is no such setting".to_owned();
            let remedy = unknown_remedy(key);
            self.errors.push(SettingError { place, key: key.into(), problem, remedy });
            return;
        };
        match setting.apply(self.config, given, base) {
            Ok(()) => {
                self.places.insert(setting.key.to_owned(), place);
            }
            Err([problem, remedy]) => {
                self.errors.push(SettingError { place, key: key.into(), problem, remedy });
            }
        }
    }
}

/// The file that is being read: turns positions into lines.
pub(super) struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    /// Returns the place of byte `at`.
    pub(super) fn at(&self, at: usize) -> Place {
        let before = self.text.as_bytes().iter().take(at);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Place::File { path: self.path.to_path_buf(), line }
    }
}

fn tables() -> impl Iterator<Item = &'static str> + Clone {
    SETTINGS.iter().filter_map(|setting| Some(setting.key.split_once('.')?.0))
}

fn is_table(name: &str) -> bool {
    tables().any(|table| table == name)
}

/// Suggests among the keys of the same table, or among the tables and the keys outside of them.
fn unknown_remedy(key: &str) -> String {
    if let Some((_, now)) = RENAMED.iter().find(|(before, _)| *before == key) {
        return format!("it is {now} now");
    }
    let in_table = key.split_once('.').filter(|(table, _)| is_table(table));
    let siblings: Vec<&str> = match in_table {
        Some((table, _)) => SETTINGS
            .iter()
            .filter_map(|s| s.key.split_once('.').filter(|(t, _)| *t == table))
            .map(|(_, name)| name)
            .collect(),
        None => {
            let outside = SETTINGS.iter().map(|s| s.key).filter(|key| !key.contains('.'));
            let mut names: Vec<&str> = outside.chain(tables()).chain(NAMED).collect();
            names.dedup();
            names
        }
    };
    suggestion(in_table.map_or(key, |(_, name)| name), siblings.into_iter())
}
