//! `baton events`: what happened, and what happens.

use std::collections::VecDeque;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::output::{CliError, Exit, Output, Page, Tone, View, plain, span};
use crate::client::tail::Tail;
use crate::client::wait::Waiter;
use crate::client::{Client, ClientError};
use crate::clock;
use crate::domain::moment::Timestamp;

/// Arguments of `baton events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Stay and print what happens, until interrupted
    #[arg(long, short)]
    follow: bool,
    /// From this event number, time (2025-11-05T18:00:00Z) or age (90s, 10m, 2h, 1d) on
    #[arg(long, value_name = "SEQ|TIME|AGE", value_parser = since)]
    since: Option<Since>,
    /// Only events of this type; may be given again
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only the last so many [default: all; 10 with --follow and no --since]
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

/// From where on events are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Seq(u64),
    Time(Timestamp),
    AgeMs(i64),
}

/// One line of the file.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Event {
    value: Value,
}

impl EventsArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        let out = &context.out;
        let waiter = self.follow.then(|| Waiter::new(&[client.root().to_path_buf()]));
        let mut tail = Tail::from_start(&client.events_path());
        let since = self.since.map(|since| since.resolved(clock::now().wall));
        let last = match (self.last, self.follow, since) {
            (Some(last), _, _) => Some(last),
            (None, true, None) => Some(10),
            (None, _, _) => None,
        };
        let mut kept: VecDeque<Event> = VecDeque::new();
        self.each_new(&mut tail, since, &mut |event| match last {
            Some(last) => {
                kept.push_back(event);
                if kept.len() > last {
                    kept.pop_front();
                }
                Ok(())
            }
            None => out.stream(&event),
        })?;
        kept.iter().try_for_each(|event| out.stream(event))?;
        match waiter {
            Some(waiter) => self.follow(&client, out, &waiter, &mut tail, since),
            None => Ok(Exit::Done),
        }
    }

    fn follow(
        &self,
        client: &Client,
        out: &Output,
        waiter: &Waiter,
        tail: &mut Tail,
        since: Option<Since>,
    ) -> Result<Exit, CliError> {
        const TICK: Duration = Duration::from_secs(1);
        while !out.is_closed() {
            waiter.wait(TICK);
            self.each_new(tail, since, &mut |event| out.stream(&event))?;
            client.still_there().map_err(|e| CliError::from(e).in_stream())?;
        }
        Ok(Exit::Done)
    }

    fn each_new(
        &self,
        tail: &mut Tail,
        since: Option<Since>,
        print: &mut dyn FnMut(Event) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        loop {
            let lines = tail.lines().map_err(|source| ClientError::Events { source })?;
            if lines.is_empty() {
                return Ok(());
            }
            for line in lines {
                let event = Event::of(&line);
                if since.is_none_or(|since| event.is_since(since)) && self.wants(&event) {
                    print(event)?;
                }
            }
        }
    }

    fn wants(&self, event: &Event) -> bool {
        self.types.is_empty() || self.types.iter().any(|t| event.text("type") == Some(t))
    }
}

impl Since {
    fn resolved(self, now: Timestamp) -> Self {
        match self {
            Since::AgeMs(age_ms) => {
                Since::Time(Timestamp::from_ms(now.as_ms().saturating_sub(age_ms)))
            }
            Since::Seq(_) | Since::Time(_) => self,
        }
    }
}

impl Event {
    /// A line that is no JSON object is of somebody else and is shown as it is.
    fn of(line: &str) -> Self {
        let value = serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.to_owned()));
        Self { value }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.value.get(name).and_then(Value::as_str)
    }

    fn is_since(&self, since: Since) -> bool {
        match since {
            Since::Seq(seq) => self.value.get("seq").and_then(Value::as_u64) >= Some(seq),
            Since::Time(time) => {
                let own = self.value.get("timestamp").cloned();
                own.and_then(|own| Timestamp::try_from(own).ok()).is_some_and(|own| own >= time)
            }
            Since::AgeMs(_) => true,
        }
    }

    /// Says in a few words what the event is about: its ids, then its reasons.
    fn about(&self) -> String {
        const IDS: [&str; 7] = [
            "subtask_id",
            "task_id",
            "orchestration_id",
            "worker_id",
            "attempt_id",
            "command_id",
            "claim",
        ];
        const REASONS: [&str; 8] = [
            "assigned_to",
            "stage",
            "subtasks",
            "message",
            "error",
            "reason",
            "failure_reason",
            "retry_reason",
        ];
        let shown = |name: &&str| match self.value.get(*name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(format!("{name} {number}")),
            Value::Null
            | Value::Bool(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        };
        let id = IDS.iter().find_map(shown);
        let failure = self.value.pointer("/failure/message").and_then(Value::as_str);
        let problem = self.value.pointer("/problem/message").and_then(Value::as_str);
        let reason = REASONS.iter().find_map(shown);
        let reason = reason.or(failure.or(problem).map(str::to_owned));
        id.into_iter().chain(reason).collect::<Vec<_>>().join("  ")
    }
}

impl View for Event {
    fn human(&self, page: &mut Page) {
        if !self.value.is_object() {
            page.line(&[span(Tone::Dim, self.value.as_str().unwrap_or("(no object)"))]);
            return;
        }
        let time = self.value.get("timestamp").cloned();
        let time = time.and_then(|time| Timestamp::try_from(time).ok());
        let time = time.map_or_else(|| " ".repeat(20), seconds);
        let seq = self.value.get("seq").map(ToString::to_string).unwrap_or_default();
        let kind = self.text("type").unwrap_or("?");
        let about = self.about();
        let gap = if about.is_empty() { "" } else { "  " };
        page.line(&[
            span(Tone::Dim, format!("{time} {seq:>6} ")),
            span(tone(kind), format!("{kind}{gap}")),
            plain(about),
        ]);
    }
}

/// Returns the time without its milliseconds, so that columns stand.
fn seconds(time: Timestamp) -> String {
    Timestamp::from_ms(time.as_ms().div_euclid(1000) * 1000).to_string()
}

fn tone(kind: &str) -> Tone {
    let ends = |endings: &[&str]| endings.iter().any(|ending| kind.ends_with(ending));
    if ends(&["_completed", "_accepted", "_recovered"]) {
        Tone::Good
    } else if ends(&["_failed", "_blocked", "_rejected", "_refused", "_lost", "_quarantined"]) {
        Tone::Bad
    } else if ends(&["_started", "_handed_off", "_resumed"]) {
        Tone::Busy
    } else if ends(&["_stalled", "_retried", "_paused", "_cancelled", "_missed", "_interrupted"]) {
        Tone::Warn
    } else {
        Tone::Plain
    }
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(seq) = text.parse() {
        return Ok(Since::Seq(seq));
    }
    let (number, unit) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
    let unit_ms = match unit {
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    if let (Some(unit_ms), Ok(number)) = (unit_ms, number.parse::<u32>()) {
        return Ok(Since::AgeMs(i64::from(number) * unit_ms));
    }
    Timestamp::parse(text)
        .map(Since::Time)
        .map_err(|e| format!("{e}, an age as 10m, or the number of an event"))
}

#[cfg(test)]
mod tests {
    use super::super::output::tests::seen;
    use super::*;

    #[test]
    fn since_is_a_number_a_time_or_an_age() {
        assert_eq!(since("40"), Ok(Since::Seq(40)));
        assert_eq!(since("10m"), Ok(Since::AgeMs(600_000)));
        assert_eq!(
            since("2025-11-05T18:00:00Z"),
            Ok(Since::Time(Timestamp::parse("2025-11-05T18:00:00Z").unwrap()))
        );
        for bad in ["", "soon", "10y", "é", "-3m"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn events_are_chosen_by_number_and_by_time() {
        let event = Event::of(r#"{"timestamp":"2025-11-05T18:00:00.120Z","seq":7,"type":"x"}"#);
        assert!(event.is_since(since("7").unwrap()) && !event.is_since(since("8").unwrap()));
        assert!(event.is_since(since("2025-11-05T18:00:00Z").unwrap()));
        assert!(!event.is_since(since("2025-11-05T18:00:01Z").unwrap()));
    }

    #[test]
    fn lines_of_baton_and_of_others_are_readable() {
        let lines = [
            r#"{"timestamp":"2025-11-05T18:00:00.120Z","type":"subtask_handed_off","seq":12,
                "orchestration_id":"orch-task-1","subtask_id":"auth-001-design",
                "assigned_to":"development"}"#,
            r#"{"timestamp":"2025-11-05T18:00:01Z","type":"subtask_failed","seq":130,
                "subtask_id":"auth-001-design","failure":{"message":"exit code 2\u001b[2J"}}"#,
            r#"{"id":"e1","timestamp":"2025-11-05T18:00:01Z","type":"theirs","data":{}}"#,
            "no json at all",
        ];
        let text: String = lines.iter().map(|line| seen(&Event::of(line))).collect();
        insta::assert_snapshot!(text, @r"
        2025-11-05T18:00:00Z     12 subtask_handed_off  auth-001-design  development
        2025-11-05T18:00:01Z    130 subtask_failed  auth-001-design  exit code 2\u{1b}[…
        2025-11-05T18:00:01Z        theirs
        no json at all
        ");
    }
}
