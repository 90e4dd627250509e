//! Parses the command line, runs it, and returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    baton::cli::main()
}
