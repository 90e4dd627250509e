//! One segment: its name, and what its bytes say line by line.

use crate::domain::Record;

use super::line::{self, LineError};

const PREFIX: &str = "segment-";
const ENDING: &str = ".jsonl";

/// Returns the name of the segment whose first event has this number.
pub(super) fn name(first_seq: u64) -> String {
    format!("{PREFIX}{first_seq:020}{ENDING}")
}

/// Returns the number in the name of a segment; `None` when it is not exactly such a name.
pub(super) fn first_seq(file: &str) -> Option<u64> {
    let number = file.strip_prefix(PREFIX)?.strip_suffix(ENDING)?.parse().ok()?;
    (name(number) == file).then_some(number)
}

/// Reads the lines of a segment in order.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    /// Where the next line begins.
    pub(super) offset: usize,
    /// Number of the line that was read last, from 1.
    pub(super) line: u64,
}

/// What comes next in a segment.
#[derive(Debug)]
pub(super) enum Next {
    /// A whole record.
    Record(Record),
    /// The last record is whole, and only its newline is missing or damaged. It ends here.
    Unterminated(Record, usize),
    /// The beginning of a line, or nothing but zeros: what a write that stopped early leaves.
    Torn,
    /// A line that has its newline and is wrong.
    Wrong(LineError),
    /// Nothing.
    End,
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Lines { bytes, offset: 0, line: 0 }
    }

    /// Goes on behind lines that were read before.
    pub(super) fn resume(bytes: &'a [u8], offset: usize, line: u64) -> Self {
        Lines { bytes, offset, line }
    }

    /// Reads the next line. After anything but a record the offset stays where it is.
    pub(super) fn next(&mut self) -> Next {
        let rest = &self.bytes[self.offset..];
        if rest.is_empty() {
            return Next::End;
        }
        self.line += 1;
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return self.last(rest);
        };
        match line::decode(&rest[..end]) {
            Ok(record) => {
                self.offset += end + 1;
                Next::Record(record)
            }
            Err(error) => Next::Wrong(error),
        }
    }

    /// Judges what is behind the last newline. Bytes whose checksum is right are no accident: if
    /// they are no record of ours they are refused, not cut.
    fn last(&self, rest: &[u8]) -> Next {
        for end in [rest.len(), rest.len() - 1] {
            match line::decode(&rest[..end]) {
                Ok(record) => return Next::Unterminated(record, self.offset + end),
                Err(LineError::Form | LineError::Checksum) => {}
                Err(error) => return Next::Wrong(error),
            }
        }
        Next::Torn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_segments() {
        assert_eq!(first_seq(&name(42)), Some(42));
        for other in ["segment-42.jsonl", "segment-00000000000000000042.json", "segment-.jsonl"] {
            assert_eq!(first_seq(other), None, "{other}");
        }
    }
}
