//! The lines of `dashboard-events.jsonl`, and what is read back from their end.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::busy;
use super::drive::Drive;
use crate::domain::input::Input;
use crate::projection::dashboard_events::{Tail, last_seq, last_seq_up_to, lines};

#[test]
fn lines_are_flat_and_numbered_without_a_gap() {
    let mut drive = busy();
    drive.tell(Input::DocumentsSynced { seq: 12 });
    let lines: Vec<Value> =
        drive.lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, drive.state.seq);
    for (line, seq) in lines.iter().zip(1u64..) {
        let names: Vec<&String> = line.as_object().unwrap().keys().take(3).collect();
        assert_eq!(names, ["timestamp", "type", "seq"], "{line}");
        assert_eq!(line["seq"], seq);
    }
    let is_start = |line: &&Value| line["type"] == "orchestration_started";
    let started = lines.iter().find(is_start).unwrap();
    assert_eq!(
        *started,
        json!({
            "timestamp": "2025-11-05T18:00:03Z",
            "type": "orchestration_started",
            "seq": 4,
            "orchestration_id": "orch-task-auth",
            "subtasks": 6,
        })
    );
    let synced = lines.last().unwrap();
    assert_eq!(
        (&synced["type"], &synced["documents_seq"]),
        (&json!("documents_synced"), &json!(12))
    );
}

#[test]
fn the_last_whole_line_of_ours_is_found_among_others() {
    let ours = |seq: u64| format!(r#"{{"timestamp":"t","type":"x","seq":{seq}}}"#) + "\n";
    let others = [
        "{\"id\":\"e\",\"timestamp\":\"t\",\"type\":\"x\",\"data\":{\"seq\":9},\"source\":\"s\"}\n",
        "{\"timestamp\":\"t\",\"type\":\"x\",\"seq\":\"9\"}\n",
        "{\"timestamp\":\"t\",\"seq\":9}\n",
        "\u{0}\u{0}garbage {\n",
        "\n",
    ];
    let file = ours(7) + &ours(8) + &others.concat();
    assert_eq!(last_seq(file.as_bytes()), Tail { seq: Some(8), torn: b"" });
    assert_eq!(last_seq_up_to(file.as_bytes(), 7).seq, Some(7));
    assert_eq!(last_seq(others.concat().as_bytes()).seq, None);
    assert_eq!(last_seq(b""), Tail { seq: None, torn: b"" });
    assert_eq!(last_seq(b"{\"half\":"), Tail { seq: None, torn: b"{\"half\":" });
}

/// Our part of a file: its whole lines that are ours, as text.
fn own_lines(file: &[u8]) -> String {
    let is_ours = |line: &&[u8]| last_seq(&[line, &b"\n"[..]].concat()).seq.is_some();
    let ours: Vec<&[u8]> = file.split(|byte| *byte == b'\n').filter(is_ours).collect();
    ours.iter().map(|line| String::from_utf8(line.to_vec()).unwrap() + "\n").collect()
}

#[test]
fn a_file_cut_at_any_byte_is_completed() {
    let mut drive = Drive::new();
    drive.drop_task("t", "Näher, bitte \u{1f3c3}");
    drive.tell(Input::DaemonStopped { reason: "done".into() });
    let whole: String = drive.records.iter().map(lines).collect();
    let after = |seq: u64| -> String {
        drive.records.iter().filter(|record| record.seq > seq).map(lines).collect()
    };
    for cut in 0..=whole.len() {
        let mut file = whole.as_bytes()[..cut].to_vec();
        let tail = last_seq(&file);
        let rest = tail.append(&after(tail.seq.unwrap_or(0)));
        file.extend(rest);
        assert_eq!(file, whole.as_bytes(), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn whatever_others_left_is_ended_and_ours_stands_whole(
        before in "[ -~\n]{0,60}",
        torn in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let drive = Drive::new();
        let ours = &drive.lines;
        let mut file = before.into_bytes();
        file.extend(torn);
        prop_assume!(last_seq(&file).seq.is_none());
        let rest = last_seq(&file).append(ours);
        file.extend(rest);
        prop_assert_eq!(&own_lines(&file), ours);
    }
}
