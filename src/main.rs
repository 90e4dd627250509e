//! Parses the command line, runs it, and returns its exit code.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use baton::daemon::{brief_worker, holder, launch};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // The processes that Baton starts of itself.
    match args.as_slice() {
        ["hold", "--coordination", directory] => match holder::hold(Path::new(directory)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, 1),
        },
        ["worker", "exec"] => ExitCode::from(launch::exec_worker()),
        ["worker", "brief"] => match brief_worker::run(&|name| std::env::var(name).ok()) {
            Ok(line) => {
                let _ = writeln!(io::stdout(), "{line}");
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error, error.exit_code()),
        },
        _ => baton::cli::main(),
    }
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::from(code)
}
