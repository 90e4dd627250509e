//! What happened, line by line for a reader, and as one number for comparison.

use baton::domain::Record;

use super::laws::Broken;

pub(super) struct Trace {
    pub(super) lines: Option<Vec<String>>,
    /// Everything that was decided and when, without the wall clock.
    pub(super) digest: u64,
}

impl Trace {
    pub(super) fn new(is_told: bool) -> Self {
        Self { lines: is_told.then(Vec::new), digest: 0xcbf2_9ce4_8422_2325 }
    }

    pub(super) fn say(&mut self, total_ms: u64, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!(
                "{:>12} {}",
                format!("{}.{:03}", total_ms / 1000, total_ms % 1000),
                line()
            ));
        }
    }

    pub(super) fn record(&mut self, total_ms: u64, record: &Record) {
        self.mix(total_ms);
        for event in &record.events {
            event.kind().bytes().for_each(|byte| self.mix(u64::from(byte)));
        }
        self.say(total_ms, || {
            let events: Vec<String> = record.events.iter().map(brief).collect();
            format!("{} {}: {}", record.seq, record.cause, events.join("; "))
        });
    }

    fn mix(&mut self, value: u64) {
        self.digest = (self.digest ^ value).wrapping_mul(0x0100_0000_01b3);
    }

    pub(super) fn finish(&mut self, broken: Option<&Broken>) {
        if let (Some(lines), Some(broken)) = (&mut self.lines, broken) {
            lines.push(format!("BROKEN {broken}"));
        }
    }
}

/// An event in a line: its type and its plain fields.
fn brief(event: &baton::domain::Event) -> String {
    let json = serde_json::to_value(event).unwrap();
    let mut line = event.kind().to_owned();
    let wanted = [
        "task_id",
        "subtask_id",
        "attempt_id",
        "assigned_to",
        "blocking_subtask",
        "reason",
        "error",
        "delay_ms",
        "stage",
        "strategy",
        "failure",
        "failure_reason",
        "exit",
        "cause",
        "message",
        "survivors",
        "subtasks",
        "options",
    ];
    for name in wanted {
        if let Some(value) = json.get(name) {
            line += &format!(" {name}={value}");
        }
    }
    line
}
