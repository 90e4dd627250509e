//! What sort of failure an exit status and an output tell of.

use crate::domain::report::Category;
use crate::domain::worker::Exit;

/// Exit codes that other programs use for "try again": `EX_TEMPFAIL`, `timeout`, KILL and TERM as
/// shells report them.
const TRANSIENT_CODES: [i32; 4] = [75, 124, 137, 143];
/// What a shell says when a program cannot be run, or is not there; `EX_NOPERM`, `EX_CONFIG`.
const BLOCKER_CODES: [i32; 4] = [126, 127, 77, 78];

/// Signals by which the kernel ends a program that went wrong, or by which it ends itself: `SIGILL`,
/// `SIGTRAP`, `SIGABRT`, `SIGBUS`, `SIGFPE`, `SIGSEGV`.
const CRASH_SIGNALS: [i32; 6] = [4, 5, 6, 7, 8, 11];

/// Classifies a worker that ended without success and without a report. An exit code that has a
/// meaning says more than the output. A signal comes from outside (the kernel out of memory, a
/// person, a limit), so that the same again may work; but a crash is the program's own.
pub(super) fn classify(exit: Exit, output_tail: &str) -> Category {
    match exit {
        Exit::Code(code) if TRANSIENT_CODES.contains(&code) => Category::Transient,
        Exit::Code(code) if BLOCKER_CODES.contains(&code) => Category::Blocker,
        Exit::Code(_) => Category::of_output(output_tail).unwrap_or(Category::CodeError),
        Exit::Signal(signal) if CRASH_SIGNALS.contains(&signal) => {
            Category::of_output(output_tail).unwrap_or(Category::CodeError)
        }
        Exit::Signal(_) | Exit::Unknown => Category::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_means_something_wins_over_the_output() {
        let refused = "connection refused";
        let denied = "permission denied";
        for (exit, output, category) in [
            (Exit::Code(1), "", Category::CodeError),
            (Exit::Code(1), refused, Category::Transient),
            (Exit::Code(2), denied, Category::Blocker),
            (Exit::Code(101), "error[E0308]: mismatched types", Category::CodeError),
            (Exit::Code(75), denied, Category::Transient),
            (Exit::Code(124), "", Category::Transient),
            (Exit::Code(127), refused, Category::Blocker),
            (Exit::Code(78), "", Category::Blocker),
            (Exit::Signal(9), denied, Category::Transient),
            (Exit::Signal(15), "", Category::Transient),
            (Exit::Signal(11), "", Category::CodeError),
            (Exit::Signal(6), "assertion failed: n > 0", Category::CodeError),
            (Exit::Signal(6), refused, Category::Transient),
            (Exit::Unknown, denied, Category::Transient),
        ] {
            assert_eq!(classify(exit, output), category, "{exit:?} {output}");
        }
    }
}
