//! What sort of failure a text tells of, where nobody says so (S2-50 to S2-53).

use super::Category;

/// How many of the last lines of an output are looked at: what made a program give up is said last.
const LINES_MAX: usize = 40;

/// Words of a line, in lower case, and what a failure is that says them. The first that is found
/// decides: what names the wire or the machine is more telling than the error that follows from it.
const TABLE: &[(Category, &[&str])] = &[
    (
        Category::Transient,
        &[
            "rate limit",
            "rate-limit",
            "rate_limit_error",
            "rate_limit_exceeded",
            "ratelimiterror",
            "too many requests",
            "overloaded_error",
            "is overloaded",
            "currently overloaded",
            "server overloaded",
            "service unavailable",
            "temporarily unavailable",
            "internal server error",
            "bad gateway",
            "gateway timeout",
            "gateway time-out",
            "connection reset",
            "connection refused",
            "connection aborted",
            "connection timed out",
            "connection closed by",
            "connectionreseterror",
            "connectionrefusederror",
            "broken pipe",
            "econnreset",
            "econnrefused",
            "econnaborted",
            "etimedout",
            "eai_again",
            "enetunreach",
            "ehostunreach",
            "socket hang up",
            "network is unreachable",
            "network error",
            "no route to host",
            "temporary failure in name resolution",
            "could not resolve host",
            "request timed out",
            "operation timed out",
            "read timed out",
            "request timeout",
            "network timeout",
            "i/o timeout",
            "tls handshake timeout",
            "deadline exceeded",
            "timed out waiting for",
            "timeout after",
            "timed out after",
            // What the machine is short of at this moment.
            "out of memory",
            "cannot allocate memory",
            "std::bad_alloc",
            "heap limit",
            "oom-kill",
            "too many open files",
            "resource temporarily unavailable",
        ],
    ),
    (
        Category::Blocker,
        &[
            "command not found",
            "executable file not found",
            "no module named",
            "modulenotfounderror",
            "cannot find module",
            "cannot find package",
            "could not find a version that satisfies",
            "unable to locate package",
            "missing dependency",
            "missing dependencies",
            "dependency not found",
            "shared libraries: lib",
            "permission denied",
            "eacces",
            "eperm:",
            "operation not permitted",
            "access denied",
            "invalid api key",
            "invalid x-api-key",
            "api key not",
            "no api key",
            "missing api key",
            "missing credentials",
            "no credentials",
            "invalid credentials",
            "could not load credentials",
            "authentication failed",
            "authentication_error",
            "not logged in",
            "please run /login",
            "unauthorized",
            "permission_error",
            "credit balance is too low",
            "insufficient_quota",
            "usage limit reached",
            // No worker makes room, and the same again only fills it further.
            "no space left on device",
            "enospc",
            "disk quota exceeded",
            "read-only file system",
        ],
    ),
    (
        Category::CodeError,
        &[
            "syntax error",
            "syntaxerror",
            "typeerror",
            "type error",
            "nameerror",
            "referenceerror",
            "indentationerror",
            "attributeerror",
            "parse error",
            "compilation failed",
            "compilation error",
            "could not compile",
            "error[e",
            "error ts",
            "undefined reference to",
            "mismatched types",
            "cannot find symbol",
            "assertionerror",
            "assertion failed",
            "assertion `",
            "test result: failed",
            "tests failed",
            "test failed",
            "failing tests",
            "--- fail:",
            "panicked at",
            "build failed",
            "lint error",
        ],
    ),
];

/// Words of what a worker reports in its own words that say that the plan is wrong. What a program
/// prints is not asked for them: it knows nothing of plans.
const WRONG_PLAN: &[&str] = &[
    "wrong approach",
    "design flaw",
    "flaw in the design",
    "design is wrong",
    "the plan is wrong",
    "architecture does not",
    "needs a redesign",
    "needs to be redesigned",
    "cannot work as designed",
    "cannot work as planned",
];

/// Words directly before the number of an answer of the web.
const BEFORE_CODES: &[&str] =
    &["http", "status", "code", "error", "http/1.1", "http/2", "returned"];

impl Category {
    /// Recognises the sort of failure from what a worker says in its report, where it names none.
    /// What says nothing of it may be mended with the error in hand.
    pub fn of_report(message: &str) -> Self {
        let lower = message.to_lowercase();
        if WRONG_PLAN.iter().any(|words| lower.contains(words)) {
            return Category::DesignFlaw;
        }
        Self::of_output(message).unwrap_or(Category::CodeError)
    }

    /// Recognises the sort of failure from the end of what a program printed: the last line that
    /// says anything of it decides.
    pub fn of_output(output: &str) -> Option<Self> {
        output.lines().rev().take(LINES_MAX).find_map(|line| Self::of_line(&line.to_lowercase()))
    }

    fn of_line(line: &str) -> Option<Self> {
        if is_answer_of_a_busy_server(line) {
            return Some(Category::Transient);
        }
        let says = |words: &&[&str]| words.iter().any(|words| line.contains(words));
        TABLE.iter().find(|(_, words)| says(words)).map(|(category, _)| *category)
    }
}

/// Finds `HTTP 429`, `status: 503`, `error 529` and the like: a number alone says nothing.
fn is_answer_of_a_busy_server(line: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.');
    let mut before = "";
    for word in line.split(|c| !is_part(c)).filter(|word| !word.is_empty()) {
        let is_busy = matches!(word, "408" | "425" | "429")
            || word.len() == 3 && word.starts_with('5') && word.bytes().all(|b| b.is_ascii_digit());
        if is_busy && BEFORE_CODES.contains(&before) {
            return true;
        }
        before = word;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sort_of_failure_is_recognised_from_what_is_printed() {
        use Category::{Blocker, CodeError, Transient};
        for (output, category) in [
            ("Error: connect ECONNREFUSED 127.0.0.1:5432", Some(Transient)),
            ("read ETIMEDOUT", Some(Transient)),
            ("curl: (56) Recv failure: Connection reset by peer", Some(Transient)),
            ("API Error: 529 {\"type\":\"overloaded_error\"}", Some(Transient)),
            ("HTTP 429", Some(Transient)),
            ("request failed with status code 503", Some(Transient)),
            ("HTTP/1.1 502 Bad Gateway", Some(Transient)),
            ("status: 500", Some(Transient)),
            ("Rate limit reached, try again in 20s", Some(Transient)),
            ("fork: Resource temporarily unavailable", Some(Transient)),
            ("FATAL ERROR: Reached heap limit Allocation failed", Some(Transient)),
            ("timeout after 30 s", Some(Transient)),
            ("error[E0308]: mismatched types", Some(CodeError)),
            ("SyntaxError: invalid syntax", Some(CodeError)),
            ("src/a.ts(3,1): error TS2304: Cannot find name 'x'.", Some(CodeError)),
            ("test result: FAILED. 3 passed; 1 failed", Some(CodeError)),
            ("E   AssertionError: 1 != 2", Some(CodeError)),
            ("bash: cargo: command not found", Some(Blocker)),
            ("ModuleNotFoundError: No module named 'requests'", Some(Blocker)),
            ("Error: Cannot find module 'express'", Some(Blocker)),
            ("fatal: Authentication failed for 'https://example.org'", Some(Blocker)),
            ("open /etc/shadow: permission denied", Some(Blocker)),
            ("write error: No space left on device", Some(Blocker)),
            ("Invalid API key · Please run /login", Some(Blocker)),
            // nothing is said by a number alone, nor by names that only look alike
            ("processed 503 files in 429 ms", None),
            ("test rate_limit_is_kept ... ok", None),
            ("no matching overloaded function for call", None),
            ("it broke", None),
            ("", None),
        ] {
            assert_eq!(Category::of_output(output), category, "{output}");
        }
    }

    #[test]
    fn what_is_said_last_decides() {
        let output =
            "connection refused, trying again\nconnected\nerror: could not compile `a`\n\nbye";
        assert_eq!(Category::of_output(output), Some(Category::CodeError));
        let long_ago = format!("connection refused\n{}", "fine\n".repeat(LINES_MAX));
        assert_eq!(Category::of_output(&long_ago), None);
    }

    #[test]
    fn only_a_report_can_say_that_the_plan_is_wrong() {
        let said = "This is the wrong approach: sessions cannot be shared";
        assert_eq!(Category::of_report(said), Category::DesignFlaw);
        assert_eq!(Category::of_output(said), None);
        assert_eq!(Category::of_report("it broke"), Category::CodeError);
        assert_eq!(Category::of_report("got HTTP 503 from the registry"), Category::Transient);
        assert_eq!(Category::of_report("no credentials for the registry"), Category::Blocker);
    }
}
