//! `dashboard-events.jsonl`: one flat line for each event, appended and never rewritten.
//!
//! The file is shared: others append lines of their own. Ours are those with a `seq`.

use serde::Deserialize;

use crate::domain::{Event, Record};

use super::escape_unseen;

/// Returns the lines of a record's events, each with its newline.
pub fn lines(record: &Record) -> String {
    let timestamp = record.at.wall.to_string();
    let mut lines = String::new();
    for (seq, event) in (record.seq..).zip(&record.events) {
        push_line(&mut lines, &timestamp, seq, event);
    }
    lines
}

/// What the end of the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail<'a> {
    /// The number of the last event of ours whose line stands whole; `None` when there is none
    /// among these bytes: read more of them, or start at 1 when they are the whole file.
    pub seq: Option<u64>,
    /// What stands after the last newline: the beginning of a line, ours or somebody else's.
    pub torn: &'a [u8],
}

/// Looks for the last whole line of ours in the last bytes of the file.
///
/// Lines of others (without a `seq`) and lines that are no JSON are passed over.
pub fn last_seq(tail: &[u8]) -> Tail<'_> {
    last_seq_up_to(tail, u64::MAX)
}

/// The same, passing over lines with a number above `seq_max` too: what the journal does not know
/// is no line of ours, whatever it looks like.
pub fn last_seq_up_to(tail: &[u8], seq_max: u64) -> Tail<'_> {
    let end = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let (whole, torn) = tail.split_at(end);
    let seq = whole.rsplit(|byte| *byte == b'\n').filter_map(own_seq).find(|seq| *seq <= seq_max);
    Tail { seq, torn }
}

impl Tail<'_> {
    /// Returns what has to be appended so that the file holds `missing` whole: the lines of every
    /// event after [`Tail::seq`].
    ///
    /// A torn line that is the beginning of `missing` is completed; any other is ended, so that it
    /// spoils nothing that follows.
    pub fn append(&self, missing: &str) -> Vec<u8> {
        match missing.as_bytes().strip_prefix(self.torn) {
            Some(rest) => rest.to_vec(),
            None => [b"\n", missing.as_bytes()].concat(),
        }
    }
}

/// What every line of ours has.
#[derive(Deserialize)]
struct OwnLine {
    seq: u64,
    #[serde(rename = "timestamp")]
    _timestamp: String,
    #[serde(rename = "type")]
    _kind: String,
}

fn own_seq(line: &[u8]) -> Option<u64> {
    serde_json::from_slice::<OwnLine>(line).ok().map(|line| line.seq)
}

/// Returns the phase of an orchestration that an event belongs to (S1-02), for the events that begin or
/// end one; that of a plan has the keys that everybody knows and no more.
fn operation_phase(event: &Event) -> Option<&'static str> {
    if let Event::TaskAccepted { .. } = event {
        Some("analyze")
    } else if let Event::PlanRevised(..) = event {
        Some("decompose")
    } else if let Event::SubtaskHandedOff(..) | Event::StageCompleted { .. } = event {
        Some("execute")
    } else if let Event::OrchestrationCompleted { .. } | Event::OrchestrationFailed { .. } = event {
        Some("integrate")
    } else {
        None
    }
}

/// Puts `timestamp` before and `seq` behind the `type` that every event begins with.
fn push_line(lines: &mut String, timestamp: &str, seq: u64, event: &Event) {
    let text = if let Event::DocumentsSynced { seq } = event {
        // It has a number of its own that must not be taken for that of the line.
        format!(r#"{{"type":"documents_synced","documents_seq":{seq}}}"#)
    } else {
        escape_unseen(serde_json::to_string(event).unwrap_or_default())
    };
    let kind_ends = text.match_indices('"').nth(3).map_or(0, |(at, _)| at + 1);
    let (kind, fields) = text.split_at(kind_ends);
    lines.push_str(r#"{"timestamp":""#);
    lines.push_str(timestamp);
    lines.push_str("\",");
    lines.push_str(kind.strip_prefix('{').unwrap_or(kind));
    lines.push_str(",\"seq\":");
    lines.push_str(&seq.to_string());
    if let Some(phase) = operation_phase(event) {
        lines.push_str(r#","phase":""#);
        lines.push_str(phase);
        lines.push('"');
    }
    lines.push_str(fields);
    lines.push('\n');
}
