//! The journal as bytes that can be lost: what was not synced may be there in part after a crash.

use baton::domain::Record;

use super::dice::Dice;

/// A file of lines, and how much of it is on disk for certain.
#[derive(Default)]
pub(super) struct Journal {
    bytes: Vec<u8>,
    synced: usize,
    /// The records of the first lines, each read back from its line once.
    read: Vec<Record>,
    /// Where the lines end that are in `read`.
    read_bytes: usize,
    /// The number of the last event that is on disk for certain.
    pub(super) synced_seq: u64,
}

impl Journal {
    pub(super) fn append(&mut self, record: &Record) {
        let json = serde_json::to_vec(record).unwrap();
        self.bytes.extend(format!("{:08x} ", crc32c::crc32c(&json)).into_bytes());
        self.bytes.extend(json);
        self.bytes.push(b'\n');
    }

    pub(super) fn sync(&mut self, last_seq: u64) {
        self.synced = self.bytes.len();
        self.synced_seq = last_seq;
    }

    /// What was not synced is there up to some byte, as it was left or after zeros of a file that
    /// grew.
    pub(super) fn crash(&mut self, dice: &mut Dice) {
        let unsynced = self.bytes.len() - self.synced;
        let kept = match dice.below(3) {
            0 => 0,
            1 => unsynced,
            _ => dice.place(unsynced + 1),
        };
        self.bytes.truncate(self.synced + kept);
        if kept > 0 && dice.happens(200) {
            let from = self.bytes.len() - dice.place(kept);
            self.bytes[from..].fill(0);
        }
    }

    /// Reads every line that is whole; what comes after is cut off.
    pub(super) fn open(&mut self) -> &[Record] {
        let mut at = self.read_bytes;
        while let Some(len) = self.bytes[at..].iter().position(|byte| *byte == b'\n') {
            let Some(record) = line(&self.bytes[at..at + len]) else { break };
            self.read.push(record);
            at += len + 1;
        }
        self.bytes.truncate(at);
        self.read_bytes = at;
        self.sync(self.read.last().map_or(0, Record::last_seq));
        &self.read
    }

    /// Returns every record, each as it was read back from its line.
    pub(super) fn all(&self) -> Vec<Record> {
        let rest = self.bytes[self.read_bytes..].split(|byte| *byte == b'\n').filter_map(line);
        self.read.iter().cloned().chain(rest).collect()
    }

    /// Returns a number that differs where the bytes do.
    pub(super) fn digest(&self) -> u32 {
        crc32c::crc32c(&self.bytes)
    }
}

fn line(line: &[u8]) -> Option<Record> {
    let (sum, json) = line.split_at_checked(9)?;
    let sum = u32::from_str_radix(std::str::from_utf8(&sum[..8]).ok()?, 16).ok()?;
    if crc32c::crc32c(json) != sum {
        return None;
    }
    serde_json::from_slice(json).ok()
}
