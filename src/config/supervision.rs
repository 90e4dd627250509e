//! Reads what is set otherwise for the workers of one master or of one type.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::layers::Source;
use super::problem::{Place, SettingError, suggestion};
use super::settings::{Given, SETTINGS, shown};
use crate::domain::Policy;
use crate::domain::policy::{Supervision, SupervisionChanges};

/// The table whose keys these are too, with the dot.
const TABLE: &str = "supervision.";

/// Reads the `[worker_types.NAME]` tables.
pub(super) fn read_types(
    policy: &mut Policy,
    types: &DeTable<'_>,
    source: &Source<'_>,
) -> Vec<SettingError> {
    let mut errors = Vec::new();
    for (key, value) in types {
        let name = key.get_ref().trim();
        let place = format!("worker_types.{name}");
        if name.is_empty() {
            errors.push(SettingError {
                place: source.at(key.span().start),
                key: place,
                problem: "the name of the type is empty".into(),
                remedy: "name one, e.g. [worker_types.implementation]".into(),
            });
            continue;
        }
        let changes = changes(key.span().start, value, &place, source, &mut errors);
        policy.worker_types.insert(name.to_owned(), changes);
    }
    errors
}

/// Reads one table of the keys of `[supervision]`; `prefix` is the path of the table, `at` where
/// it begins.
pub(super) fn changes(
    at: usize,
    value: &Spanned<DeValue<'_>>,
    prefix: &str,
    source: &Source<'_>,
    errors: &mut Vec<SettingError>,
) -> SupervisionChanges {
    let mut changes = SupervisionChanges::default();
    let mut error = |at: usize, key: String, [problem, remedy]: [String; 2]| {
        errors.push(SettingError { place: source.at(at), key, problem, remedy });
    };
    let Some(table) = value.get_ref().as_table() else {
        let problem = format!("{} is not a table", shown(value.get_ref()));
        error(at, prefix.to_owned(), [problem, format!("write it as [{prefix}]")]);
        return changes;
    };
    for (key, value) in table {
        let (at, name) = (key.span().start, key.get_ref().as_ref());
        let path = format!("{prefix}.{name}");
        match ends(name).zip(slot(&mut changes, name)) {
            Some(((min, max), slot)) => match Given::Toml(value.get_ref()).within(min, max) {
                Ok(value) => *slot = Some(value),
                Err(wrong) => error(at, path, wrong),
            },
            None => {
                let known = SETTINGS.iter().filter_map(|setting| setting.key.strip_prefix(TABLE));
                let wrong = ["there is no such setting".into(), suggestion(name, known)];
                error(at, path, wrong);
            }
        }
    }
    changes
}

/// Finds limits that contradict each other once everything is put together: for the directory,
/// for each type of worker, for each master, and for each type with each master. `places` says
/// where keys and tables were written.
pub(super) fn check(policy: &Policy, places: &BTreeMap<String, Place>) -> Vec<SettingError> {
    let mut errors = Vec::new();
    let mut check = |limits: Supervision, prefix: &str, table: Option<&str>, whose: &str| {
        let Some([(low, low_value), (high, high_value)]) = contradiction(&limits) else {
            return true;
        };
        let place_of = |name: &str| places.get(table.unwrap_or(&format!("{TABLE}{name}"))).cloned();
        errors.push(SettingError {
            place: place_of(low).max(place_of(high)).unwrap_or(Place::Default),
            key: format!("{prefix}.{low}"),
            problem: format!("{low_value} is more than {high}, which is {high_value}{whose}"),
            remedy: format!("raise {high} or lower {low}"),
        });
        false
    };
    if !check(policy.supervision, "supervision", None, "") {
        return errors;
    }
    let by_type: Vec<_> = policy
        .worker_types
        .iter()
        .filter(|(name, changes)| {
            let table = format!("worker_types.{name}");
            check(policy.supervision.with(changes), &table, Some(&table), "")
        })
        .collect();
    for (name, master) in &policy.masters {
        let table = format!("masters.{name}");
        let prefix = format!("{table}.supervision");
        if !check(policy.supervision.with(&master.supervision), &prefix, Some(&table), "") {
            continue;
        }
        for (worker_type, changes) in &by_type {
            let limits = policy.supervision.with(changes).with(&master.supervision);
            let whose = format!(" for workers of type {worker_type}");
            check(limits, &prefix, Some(&table), &whose);
        }
    }
    errors
}

/// Returns two limits of which the first is more than the second; 0 turns a limit off.
fn contradiction(limits: &Supervision) -> Option<[(&'static str, u64); 2]> {
    [
        [
            ("heartbeat_stale_ms", limits.heartbeat_stale_ms),
            ("stall_after_ms", limits.stall_after_ms),
        ],
        [("untaken_alert_ms", limits.untaken_alert_ms), ("untaken_max_ms", limits.untaken_max_ms)],
    ]
    .into_iter()
    .find(|[(_, low), (_, high)]| *high > 0 && low > high)
}

fn ends(name: &str) -> Option<(u64, u64)> {
    let is_it = |key: &str| key.strip_prefix(TABLE) == Some(name);
    SETTINGS.iter().find(|setting| is_it(setting.key))?.ends()
}

fn slot<'a>(changes: &'a mut SupervisionChanges, name: &str) -> Option<&'a mut Option<u64>> {
    match name {
        "look_ms" => Some(&mut changes.look_ms),
        "heartbeat_stale_ms" => Some(&mut changes.heartbeat_stale_ms),
        "stall_after_ms" => Some(&mut changes.stall_after_ms),
        "silence_ms" => Some(&mut changes.silence_ms),
        "time_box_ms" => Some(&mut changes.time_box_ms),
        "linger_ms" => Some(&mut changes.linger_ms),
        "stop_grace_ms" => Some(&mut changes.stop_grace_ms),
        "output_bytes_max" => Some(&mut changes.output_bytes_max),
        "memory_bytes_max" => Some(&mut changes.memory_bytes_max),
        "processes_max" => Some(&mut changes.processes_max),
        "untaken_alert_ms" => Some(&mut changes.untaken_alert_ms),
        "untaken_max_ms" => Some(&mut changes.untaken_max_ms),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_supervision_table_can_be_set_otherwise() {
        let mut changes = SupervisionChanges::default();
        let names = SETTINGS.iter().filter_map(|setting| setting.key.strip_prefix(TABLE));
        for (nth, name) in (1..).zip(names) {
            assert!(ends(name).is_some(), "{name}");
            let slot = slot(&mut changes, name).unwrap_or_else(|| panic!("{name} has no place"));
            assert_eq!(slot.replace(nth), None, "{name} has the place of another");
        }
        let Supervision { look_ms, untaken_max_ms, .. } = Supervision::default().with(&changes);
        assert_eq!((look_ms, untaken_max_ms), (1, 12));
    }
}
