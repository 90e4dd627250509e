//! What a heartbeat says, and what of it is more than "I am here".

use serde_json::Value;

use crate::domain::Timestamp;
use crate::domain::watch::HeartbeatMark;
use crate::store::digest;

/// Characters at most that are kept of what a heartbeat says its time is.
const CLAIM_LENGTH_MAX: usize = 64;
/// The fields in which workers write their time, the most usual first.
const CLAIMS: [&str; 5] = ["last_heartbeat", "timestamp", "updated_at", "last_seen", "time"];
/// Words in the names of fields that change by themselves: the time, the number of the beat, how
/// long it is there, what it takes of the machine. What is counted otherwise (tokens, files,
/// percent) tells of work.
const BY_ITSELF: [&str; 28] = [
    "age",
    "at",
    "beat",
    "beats",
    "counter",
    "cpu",
    "date",
    "duration",
    "elapsed",
    "heartbeat",
    "heartbeats",
    "hours",
    "load",
    "mem",
    "memory",
    "minutes",
    "missed",
    "ms",
    "pid",
    "rss",
    "seconds",
    "seq",
    "sequence",
    "time",
    "timestamp",
    "ts",
    "uptime",
    "uuid",
];

/// Reads a heartbeat, or a spec that holds one. What is no JSON is a sign of life as well when its
/// bytes change; `before` says what it told when it could be read last.
pub(super) fn mark(bytes: &[u8], before: Option<&HeartbeatMark>) -> HeartbeatMark {
    let content = format!("{}:{}", bytes.len(), digest(bytes));
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        return HeartbeatMark {
            content,
            progress: before.map_or_else(String::new, |before| before.progress.clone()),
            claimed: None,
        };
    };
    let mut told = String::new();
    tell(&value, &mut told);
    HeartbeatMark { content, progress: digest(told.as_bytes()), claimed: claimed(&value) }
}

/// Joins what several files say of one worker.
pub(super) fn unite(marks: Vec<HeartbeatMark>) -> Option<HeartbeatMark> {
    marks.into_iter().reduce(|mut all, one| {
        for (all, one) in [(&mut all.content, one.content), (&mut all.progress, one.progress)] {
            all.push('+');
            all.push_str(&one);
        }
        all.claimed = all.claimed.or(one.claimed);
        all
    })
}

/// Writes down all that does not change by itself, the same for the same.
fn tell(value: &Value, told: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            for (name, value) in fields {
                let is_part = value.is_object() || value.is_array();
                if is_part || !changes_by_itself(name) {
                    told.push_str(name);
                    told.push('=');
                    tell(value, told);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| tell(item, told)),
        Value::String(text) if is_time(text) => {}
        Value::String(text) => told.push_str(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => told.push_str(&value.to_string()),
    }
    told.push(';');
}

fn changes_by_itself(name: &str) -> bool {
    name.split(|char: char| !char.is_ascii_alphanumeric())
        .flat_map(humps)
        .any(|word| BY_ITSELF.contains(&word.to_ascii_lowercase().as_str()))
}

/// Splits `lastSeenAt` into its words.
fn humps(name: &str) -> impl Iterator<Item = &str> {
    let bytes = name.as_bytes();
    let is_start = |at: usize| {
        at == 0 || (bytes[at].is_ascii_uppercase() && bytes[at - 1].is_ascii_lowercase())
    };
    let mut starts: Vec<usize> = (0..bytes.len()).filter(|at| is_start(*at)).collect();
    starts.push(bytes.len());
    let pairs: Vec<(usize, usize)> = starts.windows(2).map(|pair| (pair[0], pair[1])).collect();
    pairs.into_iter().map(move |(from, to)| &name[from..to])
}

fn is_time(text: &str) -> bool {
    text.len() <= CLAIM_LENGTH_MAX && text.contains(':') && Timestamp::parse(text).is_ok()
}

/// Finds the time that it says of itself, at the top or under `heartbeat`.
fn claimed(value: &Value) -> Option<String> {
    let places = [value.get("heartbeat"), Some(value)];
    let found = places.into_iter().flatten().find_map(|place| {
        CLAIMS.iter().find_map(|name| match place.get(*name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        })
    });
    found.map(|text| text.chars().take(CLAIM_LENGTH_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: &Value) -> HeartbeatMark {
        mark(value.to_string().as_bytes(), None)
    }

    /// A spec as the masters of the real system write them.
    fn spec(time: &str, sequence: u32, health: &Value) -> Value {
        json!({
            "worker_id": "w", "status": "running", "execution": {"started_at": "2025-11-20T20:20:21-0600"},
            "heartbeat": {"last_heartbeat": time, "heartbeat_sequence": sequence, "health": health,
                "missed_count": sequence},
        })
    }

    #[test]
    fn time_and_number_alone_are_no_progress() {
        let health = |seconds: u32, activity: &str| {
            json!({"status": "healthy", "cpu_usage_percent": seconds % 7, "memory_usage_mb": seconds,
                "tokens_used": 5, "active_for_seconds": seconds, "last_activity": activity,
                "checked_at": format!("2025-11-20 20:21:{:02}", seconds % 60)})
        };
        let first = of(&spec("2025-11-20T20:20:21-0600", 1, &health(1, "reads")));
        let beat = of(&spec("2025-11-20T20:21:21-0600", 2, &health(61, "reads")));
        let work = of(&spec("2025-11-20T20:22:21-0600", 3, &health(121, "writes")));
        assert_ne!(first.content, beat.content);
        assert_eq!(first.progress, beat.progress);
        assert_ne!(beat.progress, work.progress);
        assert_eq!(beat.claimed.as_deref(), Some("2025-11-20T20:21:21-0600"));
    }

    #[test]
    fn flat_ones_are_read_too() {
        let flat = |time: Value, progress: &str| {
            of(
                &json!({"timestamp": time, "status": "at work", "progress": progress, "worker_id": "w",
                "lastSeenAt": progress.len(), "elapsedMs": 5}),
            )
        };
        let first = flat(json!(1_762_366_071), "40 %");
        assert_eq!(first.claimed.as_deref(), Some("1762366071"));
        let order = of(&json!({"progress": "40 %", "worker_id": "w", "status": "at work",
            "timestamp": null, "lastSeenAt": 99, "elapsedMs": 6}));
        assert_eq!(order.progress, first.progress, "nor is the order of its fields");
        assert_ne!(flat(json!(1_762_366_071), "41 %").progress, first.progress);
    }

    #[test]
    fn torn_ones_are_signs_and_never_errors() {
        let whole = of(&json!({"timestamp": "x", "progress": "40 %"}));
        let torn = mark(b"{\"timestamp\": \"y\", \"progr", Some(&whole));
        assert_ne!(torn.content, whole.content);
        assert_eq!(torn.progress, whole.progress);
        for bytes in [&b""[..], b"\xff\xfe", b"[1, \"\xff\"]", b"null", b"7"] {
            let mark = mark(bytes, None);
            assert_eq!(mark.claimed, None);
        }
    }

    #[test]
    fn several_files_speak_for_one_worker() {
        let mark = |text: &str| HeartbeatMark {
            content: text.into(),
            progress: text.into(),
            claimed: (text == "b").then(|| "now".into()),
        };
        let both = unite(vec![mark("a"), mark("b")]).unwrap();
        assert_eq!(both.claimed.as_deref(), Some("now"));
        assert_ne!(both.content, unite(vec![mark("a"), mark("c")]).unwrap().content);
        assert_eq!(unite(Vec::new()), None);
    }
}
