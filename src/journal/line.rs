//! One record, one line: CRC-32C of the JSON in 8 lower-case hex digits, a space, the JSON, a
//! newline. There is one way to write a record, so a checksum in capitals is damage, too.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::upcast;
use crate::domain::Record;
use crate::domain::event::JOURNAL_SCHEMA;

/// Says why a line is no record.
#[derive(Debug, Error)]
pub enum LineError {
    /// It does not begin with a checksum and a space.
    #[error("it does not begin with a checksum")]
    Form,
    /// Its checksum is not that of what follows.
    #[error("its checksum is wrong")]
    Checksum,
    /// Its checksum is right, and it is no record.
    #[error("it is no record: {0}")]
    Json(serde_json::Error),
    /// It has no event.
    #[error("it has no event")]
    Empty,
    /// A newer Baton wrote it.
    #[error("it has format {schema}, and {JOURNAL_SCHEMA} is the newest known here")]
    Newer {
        /// Its format.
        schema: u64,
    },
}

impl From<serde_json::Error> for LineError {
    fn from(error: serde_json::Error) -> Self {
        LineError::Json(error)
    }
}

/// Returns the line of a record, newline included.
pub fn encode(record: &Record) -> String {
    let mut line = Vec::with_capacity(512);
    encode_into(record, &mut line);
    String::from_utf8_lossy(&line).into_owned()
}

/// Reads the line of a record, without its newline. Older formats are turned into the current one.
///
/// # Errors
/// It is damaged, or newer than this program.
pub fn decode(line: &[u8]) -> Result<Record, LineError> {
    let json = checked(line)?;
    let record = match serde_json::from_slice::<Record>(json) {
        Ok(record) if record.schema == JOURNAL_SCHEMA => record,
        Ok(_) => upcast::record(json)?,
        // What another format calls by another name is no record of ours.
        Err(error) => match schema_of(json)? {
            schema if schema == u64::from(JOURNAL_SCHEMA) => return Err(error.into()),
            _ => upcast::record(json)?,
        },
    };
    if record.events.is_empty() { Err(LineError::Empty) } else { Ok(record) }
}

/// Length of the checksum and the space behind it.
const PREFIX: usize = 9;

/// Appends the line of a record to `out`.
pub(super) fn encode_into(record: &impl Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(b"00000000 ");
    serde_json::to_writer(&mut *out, record)
        .expect("only maps with keys that are no text cannot be written, and there are none");
    let crc = format!("{:08x}", crc32c::crc32c(&out[start + PREFIX..]));
    out[start..start + 8].copy_from_slice(crc.as_bytes());
    out.push(b'\n');
}

/// Returns the JSON of a line whose checksum is right.
pub(super) fn checked(line: &[u8]) -> Result<&[u8], LineError> {
    let (prefix, json) = line.split_at_checked(PREFIX).ok_or(LineError::Form)?;
    let mut expected = 0_u32;
    for digit in &prefix[..8] {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return Err(LineError::Form),
        };
        expected = expected << 4 | u32::from(value);
    }
    if prefix[8] != b' ' {
        return Err(LineError::Form);
    }
    if crc32c::crc32c(json) == expected { Ok(json) } else { Err(LineError::Checksum) }
}

/// Reads a checksummed line that is something else than a record.
pub(super) fn decode_as<T: DeserializeOwned>(line: &[u8]) -> Result<T, LineError> {
    Ok(serde_json::from_slice(checked(line)?)?)
}

/// Returns the format a line says it has.
pub(super) fn schema_of(json: &[u8]) -> Result<u64, LineError> {
    #[derive(Deserialize)]
    struct Schema {
        schema: u64,
    }
    Ok(serde_json::from_slice::<Schema>(json)?.schema)
}
