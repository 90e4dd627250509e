//! What an author says about failures of a subtask: `critical`, `optional`, `failParentOnFailure`,
//! `retry`, `max_attempts`, `compensation`; also together below `handling`, as documents show it.

use serde_json::Value;

use super::fields::{Fields, plain_text, whole_number};
use crate::domain::Problem;
use crate::domain::plan::{Handling, OnFailure};
use crate::domain::policy::Backoff;

/// More attempts than any policy allows are a slip of the pen.
const ATTEMPTS_MAX: u64 = 100;

/// Reads what is said about failures in a subtask and below its `handling`.
pub(super) fn read(fields: &Fields<'_>) -> Result<Handling, Problem> {
    let path = fields.path("handling");
    let below = match fields.get(&["handling"]) {
        Some((_, value)) => Some(Fields::of(value, fields.file(), &path, "what becomes of it")?),
        None => None,
    };
    let mut said = Said::default();
    for place in [Some(fields), below.as_ref()].into_iter().flatten() {
        said.on_failure(place)?;
        said.retry(place)?;
        said.compensation(place)?;
    }
    let on_failure = said.on_failure.decided(fields)?.unwrap_or_default();
    Ok(Handling {
        on_failure,
        backoff: said.backoff.map(|(_, backoff)| backoff),
        attempts_max: said.attempts_max.map(|(_, attempts)| attempts),
        compensation: said.compensation,
    })
}

#[derive(Default)]
struct Said {
    on_failure: Wishes,
    backoff: Option<(String, Backoff)>,
    attempts_max: Option<(String, u32)>,
    compensation: Option<String>,
}

/// What is wanted after a failure and what is not, with the fields that say so.
#[derive(Default)]
struct Wishes(Vec<(String, OnFailure, bool)>);

impl Wishes {
    /// Returns what all of them agree on.
    fn decided(&self, fields: &Fields<'_>) -> Result<Option<OnFailure>, Problem> {
        let Wishes(wishes) = self;
        let wanted = wishes.iter().find(|(.., is_wanted)| *is_wanted);
        let Some((name, on_failure, _)) = wanted else { return Ok(None) };
        let contradicts = |(_, other, is_wanted): &&(String, OnFailure, bool)| {
            (other == on_failure) != *is_wanted
        };
        match wishes.iter().find(contradicts) {
            None => Ok(Some(*on_failure)),
            Some((other, ..)) => Err(fields.problem(
                other,
                format!("it contradicts {name}"),
                "leave one of them out: critical fails the run with it, optional leaves it out, \
                 and without either a person is asked",
            )),
        }
    }
}

impl Said {
    fn on_failure(&mut self, place: &Fields<'_>) -> Result<(), Problem> {
        let Wishes(wishes) = &mut self.on_failure;
        for (name, meant) in [("critical", OnFailure::FailParent), ("optional", OnFailure::Skip)] {
            if let Some(is_so) = place.flag(&[name])? {
                wishes.push((name.to_owned(), meant, is_so));
            }
        }
        for name in ["failParentOnFailure", "fail_parent_on_failure"] {
            if let Some(is_so) = place.flag(&[name])? {
                let meant = if is_so { OnFailure::FailParent } else { OnFailure::Skip };
                wishes.push((name.to_owned(), meant, true));
            }
        }
        if let Some(word) = place.word(&["on_failure"])? {
            let meant = match word.to_ascii_lowercase().as_str() {
                "ask" => OnFailure::Ask,
                "fail_parent" => OnFailure::FailParent,
                "skip" => OnFailure::Skip,
                _ => {
                    let remedy = "write ask, fail_parent or skip";
                    return Err(place.wrong("on_failure", "a way to go on", &word.into(), remedy));
                }
            };
            wishes.push(("on_failure".to_owned(), meant, true));
        }
        Ok(())
    }

    fn retry(&mut self, place: &Fields<'_>) -> Result<(), Problem> {
        let path = place.path("retry");
        match place.get(&["retry"]) {
            Some((_, value @ Value::Object(_))) => {
                let retry = Fields::of(value, place.file(), &path, "retry")?;
                self.backoff(&retry, "backoff")?;
                self.attempts(&retry)?;
            }
            Some(_) => self.backoff(place, "retry")?,
            None => {}
        }
        self.backoff(place, "backoff")?;
        self.attempts(place)
    }

    fn backoff<'a>(&mut self, place: &Fields<'a>, name: &'a str) -> Result<(), Problem> {
        let Some((_, value)) = place.get(&[name]) else { return Ok(()) };
        let word = value.as_str().map(|word| word.trim().to_ascii_lowercase());
        let backoff = match word.as_deref() {
            Some("immediate") => Backoff::Immediate,
            Some("fixed") => Backoff::Fixed,
            Some("exponential") => Backoff::Exponential,
            _ => {
                let remedy = "write immediate, fixed or exponential";
                return Err(place.wrong(name, "a way to wait before a retry", value, remedy));
            }
        };
        agree(&mut self.backoff, place, name, backoff)
    }

    fn attempts(&mut self, place: &Fields<'_>) -> Result<(), Problem> {
        for name in ["max_attempts", "attempts_max"] {
            let Some((_, value)) = place.get(&[name]) else { continue };
            let attempts = whole_number(value).filter(|n| (1..=ATTEMPTS_MAX).contains(n));
            let Some(attempts) = attempts.and_then(|attempts| u32::try_from(attempts).ok()) else {
                let what = format!("a whole number from 1 to {ATTEMPTS_MAX}");
                return Err(place.wrong(name, &what, value, "write it as 3"));
            };
            agree(&mut self.attempts_max, place, name, attempts)?;
        }
        Ok(())
    }

    fn compensation(&mut self, place: &Fields<'_>) -> Result<(), Problem> {
        let Some((name, value)) = place.get(&["compensation"]) else { return Ok(()) };
        let Some(text) = plain_text(value.get("description").unwrap_or(value)) else {
            let remedy = "say in words what undoes it";
            return Err(place.wrong(name, "a text", value, remedy));
        };
        let text = text.trim();
        if !text.is_empty() {
            self.compensation = Some(text.to_owned());
        }
        Ok(())
    }
}

/// Keeps the first value; another that differs is a contradiction.
fn agree<T: Copy + PartialEq>(
    slot: &mut Option<(String, T)>,
    place: &Fields<'_>,
    name: &str,
    value: T,
) -> Result<(), Problem> {
    match slot {
        Some((first, known)) if *known != value => {
            Err(place.problem(name, format!("it contradicts {first}"), "leave one of them out"))
        }
        Some(_) => Ok(()),
        None => {
            *slot = Some((place.path(name), value));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn handling(value: &Value) -> Result<Handling, String> {
        let fields = Fields::of(value, "inbox/p.json", "subtasks[0]", "a subtask").unwrap();
        read(&fields).map_err(|problem| problem.to_string())
    }

    #[test]
    fn what_follows_a_failure_can_be_said_in_several_ways() {
        for (value, on_failure) in [
            (json!({}), OnFailure::Ask),
            (json!({"critical": true}), OnFailure::FailParent),
            (json!({"critical": "yes", "optional": false}), OnFailure::FailParent),
            (json!({"critical": false, "optional": false}), OnFailure::Ask),
            (json!({"critical": false}), OnFailure::Ask),
            (json!({"optional": true}), OnFailure::Skip),
            (json!({"optional": true, "failParentOnFailure": false}), OnFailure::Skip),
            (json!({"failParentOnFailure": true, "critical": true}), OnFailure::FailParent),
            (json!({"fail_parent_on_failure": false}), OnFailure::Skip),
            (json!({"on_failure": "skip", "optional": true}), OnFailure::Skip),
            (json!({"handling": {"on_failure": "fail_parent"}}), OnFailure::FailParent),
        ] {
            assert_eq!(
                handling(&value).map(|handling| handling.on_failure),
                Ok(on_failure),
                "{value}"
            );
        }
    }

    #[test]
    fn retries_and_compensation_are_read() {
        let all = Handling {
            on_failure: OnFailure::Ask,
            backoff: Some(Backoff::Fixed),
            attempts_max: Some(5),
            compensation: Some("drop the table".into()),
        };
        for value in [
            json!({"retry": "Fixed", "max_attempts": "5", "compensation": " drop the table\n"}),
            json!({"retry": {"backoff": "fixed", "max_attempts": 5},
                   "compensation": {"description": "drop the table"}}),
            json!({"retry": {"backoff": "fixed"}, "attempts_max": 5, "max_attempts": 5,
                   "compensation": "drop the table"}),
            json!({"handling": {"backoff": "fixed", "attempts_max": 5,
                                "compensation": "drop the table"}}),
        ] {
            assert_eq!(handling(&value), Ok(all.clone()), "{value}");
        }
        let shown = serde_json::to_value(&all).unwrap();
        assert_eq!(handling(&json!({"handling": shown})), Ok(all), "as documents show it");
        assert_eq!(handling(&json!({"compensation": " "})), Ok(Handling::default()));
    }

    #[test]
    fn contradictions_and_slips_name_the_field() {
        for (value, said) in [
            (
                json!({"critical": true, "optional": true}),
                "subtasks[0].optional: it contradicts critical;",
            ),
            (
                json!({"critical": true, "failParentOnFailure": false}),
                "subtasks[0].failParentOnFailure: it contradicts critical;",
            ),
            (
                json!({"critical": false, "failParentOnFailure": true}),
                "subtasks[0].critical: it contradicts failParentOnFailure;",
            ),
            (
                json!({"optional": false, "fail_parent_on_failure": "no"}),
                "subtasks[0].optional: it contradicts fail_parent_on_failure;",
            ),
            (
                json!({"failParentOnFailure": true, "fail_parent_on_failure": false}),
                "subtasks[0].fail_parent_on_failure: it contradicts failParentOnFailure;",
            ),
            (
                json!({"optional": true, "handling": {"on_failure": "ask"}}),
                "subtasks[0].on_failure: it contradicts optional;",
            ),
            (json!({"on_failure": "shrug"}), "subtasks[0].on_failure: a way to go on is expected"),
            (json!({"critical": 7}), "subtasks[0].critical: true or false is expected, found 7"),
            (json!({"retry": "often"}), "subtasks[0].retry: a way to wait before a retry is"),
            (json!({"retry": 3}), "subtasks[0].retry: a way to wait before a retry is expected"),
            (json!({"retry": {"backoff": 2}}), "subtasks[0].retry.backoff: a way to wait before"),
            (json!({"max_attempts": 0}), "subtasks[0].max_attempts: a whole number from 1 to 100"),
            (
                json!({"retry": {"max_attempts": 2}, "max_attempts": 3}),
                "subtasks[0].max_attempts: it contradicts subtasks[0].retry.max_attempts;",
            ),
            (json!({"compensation": ["x"]}), "subtasks[0].compensation: a text is expected"),
            (json!({"handling": "gently"}), "subtasks[0].handling: what becomes of it is expected"),
        ] {
            let problem = handling(&value).unwrap_err();
            assert!(problem.contains(said), "{value}\nwanted {said}\ngot {problem}");
        }
    }
}
