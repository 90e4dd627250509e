//! `baton plan --batch`: one line in, one line out; a bad line is answered too, and stops nothing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use super::super::Context;
use super::super::agents::RegistryArgs;
use super::super::output::{CliError, Exit};
use crate::client::batch::{self, Line, LineError};
use crate::client::request::REQUEST_BYTES_MAX;

/// Plans every line of a file, or of stdin for `-`.
pub(super) fn run(
    context: &Context,
    file: &Path,
    from: &RegistryArgs,
    planner: Option<&str>,
) -> Result<Exit, CliError> {
    let known = from.known(context)?;
    let outside = known.outside(planner)?;
    let surroundings = known.surroundings();
    let policy = &known.policy;
    let mut lines = open(file)?;
    let (mut number, mut bad) = (0, 0_usize);
    loop {
        let mut bytes = Vec::new();
        let limit = REQUEST_BYTES_MAX + 1;
        let unreadable = |e: io::Error| {
            CliError::new(Exit::Io, format!("cannot read {}: {e}", file.display()))
                .hint("check the file and its permissions")
        };
        let count = lines.by_ref().take(limit).read_until(b'\n', &mut bytes).map_err(unreadable)?;
        if count == 0 {
            break;
        }
        number += 1;
        let is_whole = bytes.ends_with(b"\n") || (count as u64) < limit;
        if !is_whole {
            skip_line(&mut lines).map_err(unreadable)?;
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line = if is_whole { Line::read(number, &bytes) } else { Err(too_long(number)) };
        match line {
            Ok(line) => {
                let planned = batch::plan(&line, policy, &surroundings, outside.as_ref())?;
                print(context, &planned)?;
            }
            Err(error) => {
                bad += 1;
                print(context, &json!({ "id": number, "verdict": "error", "error": error }))?;
            }
        }
        if context.out.is_closed() {
            break;
        }
    }
    if bad > 0 {
        context.out.note(&format!("{bad} of {number} lines could not be planned"));
        return Ok(Exit::BadInput);
    }
    Ok(Exit::Done)
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, CliError> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let opened = File::open(file).map_err(|e| {
        CliError::new(Exit::NoInput, format!("cannot open {}: {e}", file.display()))
            .hint("name a file with one JSON object a line, or - for stdin")
    })?;
    Ok(Box::new(BufReader::new(opened)))
}

fn print(context: &Context, answer: &impl Serialize) -> Result<(), CliError> {
    let line = serde_json::to_string(answer)
        .map_err(|e| CliError::new(Exit::Bug, format!("cannot write JSON: {e}")))?;
    context.out.print(&format!("{line}\n"))
}

/// Reads on to the end of a line without keeping it.
fn skip_line(lines: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let held = lines.fill_buf()?;
        let (length, ended) = match held.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (held.len(), held.is_empty()),
        };
        lines.consume(length);
        if ended {
            return Ok(());
        }
    }
}

fn too_long(line: usize) -> LineError {
    LineError {
        line,
        field: None,
        message: format!("it has more than {} MiB", REQUEST_BYTES_MAX >> 20),
        remedy: "keep the request short and name long material as a file",
    }
}
