//! What waits for what, in words.

use serde::Serialize;

use crate::domain::decide::{Hold, Wait, waits};
use crate::domain::moment::{Timestamp, span};
use crate::domain::{Moment, Policy, State};

/// A subtask that could go on but for what it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Which.
    pub subtask_id: String,
    /// Its run.
    pub orchestration_id: String,
    /// Who has it.
    pub master: String,
    /// What holds it back: unmanned, circuit, trial, master, workers, rate, file, retry, revision,
    /// untaken, turn.
    pub hold: &'static str,
    /// The same in words.
    pub waits_for: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// Until when, where that is known.
    pub until: Option<Timestamp>,
    /// Whether it was told already that it waits for too long.
    pub is_overdue: bool,
}

/// Lists what waits, in the order of [`waits`].
pub(super) fn waiting(state: &State, policy: &Policy, now: Moment) -> Vec<Waiting> {
    waits(state, policy, now).iter().map(|wait| Waiting::of(wait, now)).collect()
}

impl Waiting {
    fn of(wait: &Wait, now: Moment) -> Self {
        let master = &wait.agent;
        let left = |until: &Moment| match until.since_ms(&now) {
            Some(0) | None => "now".to_owned(),
            Some(ms) => format!("in {}", span(ms)),
        };
        let ago = |since: &Moment| format!("for {}", span(now.elapsed_ms(since)));
        let (hold, waits_for) = match &wait.hold {
            Hold::Unmanned => ("unmanned", format!("a master {master}: baton.toml names none")),
            Hold::Circuit { until } => {
                ("circuit", format!("{master} to be tried again, {}", left(until)))
            }
            Hold::Trial => ("trial", format!("the attempt that shows how {master} does now")),
            Hold::Master { attempts_max } => {
                ("master", format!("a free place at {master}, which has all {attempts_max}"))
            }
            Hold::Workers { attempts_max } => {
                ("workers", format!("a free place: all {attempts_max} workers are at work"))
            }
            Hold::Rate { starts_max, until } => (
                "rate",
                format!("the next start of {master}, {} ({starts_max} a minute)", left(until)),
            ),
            Hold::File { path } => ("file", format!("{path}, in use by another")),
            Hold::Retry { until } => ("retry", format!("its retry, {}", left(until))),
            Hold::Revision { since, revision } => {
                ("revision", format!("its new plan ({}), {}", revision.as_str(), ago(since)))
            }
            Hold::Untaken { since, .. } => {
                ("untaken", format!("{master} to take its handoff, {}", ago(since)))
            }
            Hold::Turn => ("turn", "a daemon to give it out".to_owned()),
        };
        let (since, until, is_overdue) = times(&wait.hold);
        Self {
            subtask_id: wait.subtask_id.to_string(),
            orchestration_id: wait.orchestration_id.to_string(),
            master: master.to_string(),
            hold,
            waits_for,
            since: since.map(|since| since.wall),
            until: until.map(|until| until.wall),
            is_overdue,
        }
    }
}

/// Returns since when and until when something is held back, and whether that was told.
fn times(hold: &Hold) -> (Option<Moment>, Option<Moment>, bool) {
    match hold {
        Hold::Circuit { until } | Hold::Rate { until, .. } | Hold::Retry { until } => {
            (None, Some(*until), false)
        }
        Hold::Revision { since, .. } => (Some(*since), None, false),
        Hold::Untaken { since, is_overdue } => (Some(*since), None, *is_overdue),
        Hold::Unmanned
        | Hold::Trial
        | Hold::Master { .. }
        | Hold::Workers { .. }
        | Hold::File { .. }
        | Hold::Turn => (None, None, false),
    }
}
