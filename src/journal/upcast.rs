//! Records of older formats, as the current format would have written them.
//!
//! Each format that was ever released has one step here, from its JSON to that of the next; a
//! fixture of it stays in `tests/data/journal-v{n}/`.

use serde_json::Value;

use super::line::{LineError, schema_of};
use crate::domain::Record;
use crate::domain::event::JOURNAL_SCHEMA;

/// Turns the JSON of a record of format `index + 1` into that of format `index + 2`.
type Step = fn(&mut Value);

/// One step for each format before the current one.
const STEPS: [Step; JOURNAL_SCHEMA as usize - 1] = [];

/// Reads the JSON of a record of any format up to the current one.
///
/// # Errors
/// The format is newer than this program, unknown, or the JSON is no record of it.
pub fn record(json: &[u8]) -> Result<Record, LineError> {
    upcast(json, &STEPS)
}

fn upcast(json: &[u8], steps: &[Step]) -> Result<Record, LineError> {
    let current = steps.len() as u64 + 1;
    let schema = schema_of(json)?;
    if schema > current {
        return Err(LineError::Newer { schema });
    }
    let mut value: Value = serde_json::from_slice(json)?;
    let skip = usize::try_from(schema.saturating_sub(1)).unwrap_or(usize::MAX);
    for step in steps.iter().skip(skip) {
        step(&mut value);
    }
    value["schema"] = JOURNAL_SCHEMA.into();
    Ok(serde_json::from_value(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(schema: u64) -> Vec<u8> {
        let at = json!({"boot": "1", "up": 5, "wall": "2025-11-05T18:00:00Z"});
        let event = json!({"type": "daemon_stopped", "reason": "drained"});
        json!({"seq": 7, "at": at, "epoch": 1, "schema": schema, "cause": "stop", "events": [event]})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn the_steps_from_its_own_format_on_are_taken() {
        let steps: [Step; 2] = [
            |value| value["cause"] = json!(format!("{}, then", value["cause"].as_str().unwrap())),
            |value| value["cause"] = json!(format!("{} now", value["cause"].as_str().unwrap())),
        ];
        let cause = |schema| upcast(&line(schema), &steps).unwrap().cause;
        assert_eq!(cause(1), "stop, then now");
        assert_eq!(cause(2), "stop now");
        assert_eq!(cause(3), "stop");
        assert!(matches!(upcast(&line(4), &steps), Err(LineError::Newer { schema: 4 })));
    }

    #[test]
    fn what_is_newer_than_this_program_is_refused() {
        let newer = u64::from(JOURNAL_SCHEMA) + 1;
        assert!(
            matches!(record(&line(newer)), Err(LineError::Newer { schema }) if schema == newer)
        );
    }
}
