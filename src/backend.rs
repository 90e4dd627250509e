//! Says how a worker is launched and what its end means. Pure: programs are described, not started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::handoff::Handoff;
use crate::domain::ids::WorkerId;
use crate::domain::report::{
    Category, Failure, Outcome, ReportFinding, ReportStatus, ResultKind, SubtaskResult,
};
use crate::domain::worker::{Attempt, Exit};

mod brief;
mod classify;
mod command;

use classify::classify;
pub use command::fill_in;

/// One way to run a worker. `external` is none of them: it has no process.
#[derive(Debug)]
pub struct Backend {
    /// The name that `baton.toml` uses.
    pub name: &'static str,
    /// Describes the process to start, or says what is wrong with the settings.
    pub launch: fn(&LaunchRequest<'_>) -> Result<Launch, String>,
    /// Judges a worker that ended.
    pub interpret: fn(&Finished<'_>) -> Outcome,
}

/// Every backend.
pub const ROSTER: &[&Backend] = &[&brief::BRIEF, &command::COMMAND];

/// Finds a backend by its name.
pub fn find(name: &str) -> Option<&'static Backend> {
    ROSTER.iter().copied().find(|backend| backend.name == name)
}

/// What a backend may know about the worker to launch.
#[derive(Debug, Clone, Copy)]
pub struct LaunchRequest<'a> {
    /// The contract of the attempt.
    pub handoff: &'a Handoff,
    /// The attempt.
    pub attempt: &'a Attempt,
    /// The coordination directory, absolute.
    pub coordination: &'a Path,
    /// The handoff's file, absolute (`*.json.processed`).
    pub handoff_path: &'a Path,
    /// The working directory of the worker, absolute.
    pub workspace: &'a Path,
    /// The program that Baton itself is.
    pub executable: &'a Path,
    /// What the operator configured for the master.
    pub settings: &'a BackendSettings,
}

/// What the operator configured for one master.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackendSettings {
    /// Program and arguments; `{handoff}`, `{workspace}`, `{report}`, `{worker_id}` and
    /// `{coordination}` are filled in. Never given to a shell.
    pub argv: Vec<String>,
    /// Variables to set, over what is passed on.
    pub env: BTreeMap<String, String>,
    /// Further variables of the daemon to pass on; a name may end in `*`.
    pub env_allow: Vec<String>,
    /// Whether the worker reads the handoff on its standard input.
    pub stdin: bool,
}

/// A process to start, as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// A path, or a name to be looked for in the worker's `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables to set; they win over what is passed on.
    pub env: BTreeMap<String, String>,
    /// Names of variables that are passed on from the daemon; one may end in `*`. Nothing else is.
    #[serde(default)]
    pub inherit: Vec<String>,
    /// Its working directory.
    pub cwd: PathBuf,
    /// The file it reads as its standard input; `None`: it reads nothing.
    pub stdin: Option<PathBuf>,
}

/// A worker that ended, with everything that was found after it.
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a> {
    /// How the process ended.
    pub exit: Exit,
    /// Its report.
    pub report: Option<&'a ReportFinding>,
    /// What is wrong with the report, when there is one that cannot be used.
    pub report_problem: Option<&'a str>,
    /// Bytes it printed.
    pub output_bytes: u64,
    /// The end of what it printed.
    pub output_tail: &'a str,
    /// What its successes deliver.
    pub result_kind: ResultKind,
    /// The worker.
    pub worker_id: &'a WorkerId,
}

/// Variables of the daemon that every worker gets.
pub const PASSED_ON: [&str; 10] =
    ["HOME", "LANG", "LC_*", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];
/// How many last lines of the output a failure quotes.
const QUOTED_LINES_MAX: usize = 5;
/// How many characters of a line are quoted.
const QUOTED_CHARS_MAX: usize = 300;

/// Returns the variables that tell a worker what it is to do, over those of the settings.
fn environment(request: &LaunchRequest<'_>) -> BTreeMap<String, String> {
    let mut env = request.settings.env.clone();
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let subtask = &request.handoff.subtask;
    let told = [
        ("BATON_HANDOFF", path(request.handoff_path)),
        ("BATON_COORDINATION", path(request.coordination)),
        ("BATON_WORKSPACE", path(request.workspace)),
        ("BATON_REPORT", path(&report_path(request))),
        ("BATON_WORKER_ID", request.attempt.worker_id.to_string()),
        ("BATON_ATTEMPT_ID", request.attempt.id.to_string()),
        ("BATON_SUBTASK_ID", request.handoff.subtask_id.to_string()),
        ("BATON_SPECIALIST", subtask.choice.specialist().unwrap_or_default().to_owned()),
        ("BATON_MODEL_TIER", subtask.nature.model.as_str().to_owned()),
        ("BATON_ORCHESTRATION_ID", request.handoff.parent_orchestration.to_string()),
    ];
    env.extend(told.map(|(name, value)| (name.to_owned(), value)));
    env
}

fn inherited(settings: &BackendSettings) -> Vec<String> {
    PASSED_ON.iter().map(|name| (*name).to_owned()).chain(settings.env_allow.clone()).collect()
}

fn report_path(request: &LaunchRequest<'_>) -> PathBuf {
    request.coordination.join(&request.handoff.report_to)
}

/// Judges a worker by its report, and where there is none by exit status and output.
fn judge(finished: &Finished<'_>) -> Outcome {
    if let Some(problem) = finished.report_problem {
        return failure(Category::CodeError, format!("its report cannot be used: {problem}"));
    }
    match finished.report {
        Some(finding) => judge_report(finished, finding),
        None => judge_exit(finished),
    }
}

fn judge_report(finished: &Finished<'_>, finding: &ReportFinding) -> Outcome {
    let report = &finding.report;
    match report.status {
        ReportStatus::Success => {
            if !finding.missing.is_empty() {
                let missing = finding.missing.join(", ");
                return failure(
                    Category::CodeError,
                    format!("it reported success, but these are not there: {missing}"),
                );
            }
            let summary = plain(report.summary.trim());
            match Some(summary).filter(|s| !s.is_empty()).or_else(|| last_line(finished)) {
                Some(summary) => Outcome::Success(SubtaskResult {
                    kind: finished.result_kind,
                    summary,
                    deliverables: report.deliverables.clone(),
                    worker_id: finished.worker_id.clone(),
                    tokens_used: report.tokens_used,
                    cost_usd: report.cost_usd,
                    items: report.items.clone(),
                }),
                None => failure(
                    Category::CodeError,
                    "it reported success with neither a summary nor an output".to_owned(),
                ),
            }
        }
        ReportStatus::Failure | ReportStatus::Partial => {
            let error = report.error.clone().unwrap_or_default();
            let message = report
                .complaint()
                .unwrap_or_else(|| "it reported a failure without saying what failed".to_owned());
            // The worker's own judgement always wins.
            let category = error.category.unwrap_or_else(|| Category::of_report(&message));
            failure(category, plain(&message))
        }
    }
}

fn judge_exit(finished: &Finished<'_>) -> Outcome {
    match finished.exit {
        Exit::Code(0) => match last_line(finished) {
            Some(summary) => Outcome::Success(SubtaskResult {
                kind: finished.result_kind,
                summary,
                deliverables: Vec::new(),
                worker_id: finished.worker_id.clone(),
                tokens_used: None,
                cost_usd: None,
                items: None,
            }),
            None => failure(Category::CodeError, "it exited 0 and delivered nothing".to_owned()),
        },
        Exit::Code(code) => failed(finished, &format!("it exited with code {code}")),
        Exit::Signal(signal) => failed(finished, &format!("signal {signal} killed it")),
        Exit::Unknown => failed(finished, "nobody saw how it ended"),
    }
}

fn failed(finished: &Finished<'_>, what: &str) -> Outcome {
    let category = classify(finished.exit, finished.output_tail);
    failure(category, with_output(what.to_owned(), finished))
}

fn failure(category: Category, message: String) -> Outcome {
    Outcome::Failure(Failure::new(category, message))
}

fn with_output(what: String, finished: &Finished<'_>) -> String {
    let mut lines: Vec<String> =
        lines_from_the_end(finished.output_tail).take(QUOTED_LINES_MAX).collect();
    if lines.is_empty() {
        return what;
    }
    lines.reverse();
    format!("{what}; its last output: {}", lines.join("\n"))
}

fn last_line(finished: &Finished<'_>) -> Option<String> {
    lines_from_the_end(finished.output_tail).next()
}

fn lines_from_the_end(output: &str) -> impl Iterator<Item = String> + '_ {
    output
        .lines()
        .rev()
        .map(|line| plain(line).trim().chars().take(QUOTED_CHARS_MAX).collect::<String>())
        .filter(|line| !line.is_empty())
}

/// Takes terminal colours and other control characters out of foreign text.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' && chars.peek() == Some(&'[') {
            chars.next();
            while chars.next_if(|c| !c.is_ascii_alphabetic()).is_some() {}
            chars.next();
        } else if c == '\n' || c == '\t' || !c.is_control() {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::report::{Report, ReportError};
    use serde_json::{Value, json};

    /// What of a finished worker differs from one that exited 0 in silence.
    struct Case<'a> {
        exit: Exit,
        output: &'a str,
        report: Option<Value>,
        missing: &'a [&'a str],
        problem: Option<&'a str>,
    }

    const SILENT: Case<'_> =
        Case { exit: Exit::Code(0), output: "", report: None, missing: &[], problem: None };

    /// Returns `done: {summary}` or `{category}: {message}`.
    fn judged(backend: &str, case: &Case<'_>) -> String {
        let finding = case.report.clone().map(|report| ReportFinding {
            report: serde_json::from_value::<Report>(report).unwrap(),
            path: "workers/w/report.json".into(),
            digest: "00000000".into(),
            missing: case.missing.iter().map(|path| (*path).to_owned()).collect(),
        });
        let outcome = (find(backend).unwrap().interpret)(&Finished {
            exit: case.exit,
            report: finding.as_ref(),
            report_problem: case.problem,
            output_bytes: case.output.len() as u64,
            output_tail: case.output,
            result_kind: ResultKind::Work,
            worker_id: &WorkerId::parse("w").unwrap(),
        });
        match outcome {
            Outcome::Success(result) => format!("{}: {}", result.kind.as_str(), result.summary),
            Outcome::Failure(failure) => {
                let category = serde_json::to_value(failure.category).unwrap();
                format!("{}: {}", category.as_str().unwrap(), failure.message)
            }
        }
    }

    #[test]
    fn without_a_report_exit_status_and_output_decide() {
        let output = "first\n\u{1b}[31mred\u{1b}[0m \u{7}last\n  \n";
        for (exit, output, verdict) in [
            (Exit::Code(0), output, "work: red last"),
            (Exit::Code(0), "", "code_error: it exited 0 and delivered nothing"),
            (Exit::Code(0), " \n\t\n", "code_error: it exited 0 and delivered nothing"),
            (Exit::Code(1), "", "code_error: it exited with code 1"),
            (
                Exit::Code(2),
                output,
                "code_error: it exited with code 2; its last output: first\nred last",
            ),
            (
                Exit::Code(2),
                "1\n2\n3\n4\n5\n6",
                "code_error: it exited with code 2; its last output: 2\n3\n4\n5\n6",
            ),
            (Exit::Code(75), "", "transient: it exited with code 75"),
            (Exit::Code(124), "", "transient: it exited with code 124"),
            (Exit::Code(137), "", "transient: it exited with code 137"),
            (Exit::Code(143), "", "transient: it exited with code 143"),
            (Exit::Code(126), "", "blocker: it exited with code 126"),
            (Exit::Code(127), "", "blocker: it exited with code 127"),
            (Exit::Signal(9), "", "transient: signal 9 killed it"),
            (Exit::Signal(11), "x", "code_error: signal 11 killed it; its last output: x"),
            (Exit::Unknown, "", "transient: nobody saw how it ended"),
        ] {
            assert_eq!(judged("command", &Case { exit, output, ..SILENT }), verdict);
        }
    }

    #[test]
    fn a_report_decides_over_the_exit_status() {
        let report = |status: &str, summary: &str, error: Option<(Option<&str>, &str)>| {
            let error = error.map(|(category, message)| ReportError {
                category: category.map(|c| serde_json::from_value(json!(c)).unwrap()),
                message: message.into(),
            });
            Some(json!({"subtask_id": "s", "status": status, "summary": summary, "error": error}))
        };
        let cases = [
            (report("success", "did it", None), "", &[][..], "work: did it"),
            (report("success", " ", None), "printed\n", &[], "work: printed"),
            (
                report("success", "", None),
                "",
                &[],
                "code_error: it reported success with neither a summary nor an output",
            ),
            (
                report("success", "did it", None),
                "",
                &["a.rs", "b.rs"],
                "code_error: it reported success, but these are not there: a.rs, b.rs",
            ),
            (report("failure", "s", Some((Some("blocker"), "no key"))), "", &[], "blocker: no key"),
            (report("failure", "s", Some((None, "broke"))), "", &[], "code_error: broke"),
            (
                report("partial", "half of it", None),
                "",
                &[],
                "code_error: only a part is done: half of it",
            ),
            (
                report("failure", "", None),
                "",
                &[],
                "code_error: it reported a failure without saying what failed",
            ),
        ];
        for (report, output, missing, verdict) in cases {
            for exit in [Exit::Code(0), Exit::Code(1), Exit::Signal(9), Exit::Unknown] {
                let case = Case { exit, output, report: report.clone(), missing, problem: None };
                assert_eq!(judged("command", &case), verdict);
            }
        }
        let case = Case { problem: Some("line 3: no status"), output: "fine", ..SILENT };
        let verdict = "code_error: its report cannot be used: line 3: no status";
        assert_eq!(judged("command", &case), verdict);
    }

    #[test]
    fn an_order_owes_only_the_files_that_its_report_names() {
        let report = |deliverables: Value| {
            Some(json!({
                "subtask_id": "s", "status": "success", "summary": "ordered",
                "deliverables": deliverables,
            }))
        };
        let missing = &["src/auth.rs"][..];
        let case = Case { report: report(json!(["brief.md"])), missing, ..SILENT };
        assert_eq!(judged("brief", &case), "work_order: ordered");
        assert!(judged("command", &case).contains("not there: src/auth.rs"));
        let case = Case { report: report(json!(["src/auth.rs"])), missing, ..SILENT };
        assert!(judged("brief", &case).contains("not there: src/auth.rs"));
    }

    fn launched(backend: &str, settings: &BackendSettings) -> Result<Launch, String> {
        let handoff: Handoff =
            serde_json::from_str(include_str!("../tests/data/handoff.json")).unwrap();
        let attempt: Attempt = serde_json::from_value(json!({
            "id": "auth-002-backend-attempt-1", "number": 1, "agent": "development",
            "worker_id": "auth-002-backend-attempt-1", "execution": {"by": "launched", "backend": backend},
            "nonce": "n", "phase": {"phase": "issued"},
            "issued_at": {"boot": "0", "up": 0, "wall": "2025-11-05T18:00:00Z"},
        }))
        .unwrap();
        (find(backend).unwrap().launch)(&LaunchRequest {
            handoff: &handoff,
            attempt: &attempt,
            coordination: Path::new("/w/coordination"),
            handoff_path: Path::new(
                "/w/coordination/masters/development/handoffs/h.json.processed",
            ),
            workspace: Path::new("/w"),
            executable: Path::new("/bin/baton"),
            settings,
        })
    }

    #[test]
    fn a_command_gets_its_placeholders_and_nothing_goes_through_a_shell() {
        let argv = [
            "agent",
            "--file={handoff}",
            "{workspace}:{report}",
            "{worker_id}",
            "{coordination}",
            "{\"json\": {unknown}}",
            "{handoff",
            "$HOME; rm -rf {}",
        ];
        let settings = BackendSettings {
            argv: argv.map(str::to_owned).to_vec(),
            env: BTreeMap::from([
                ("MODE".to_owned(), "fast".to_owned()),
                ("BATON_WORKER_ID".to_owned(), "somebody else".to_owned()),
            ]),
            env_allow: vec!["ANTHROPIC_*".into()],
            stdin: true,
        };
        let launch = launched("command", &settings).unwrap();
        assert_eq!(launch.program, Path::new("agent"));
        assert_eq!(
            launch.args,
            [
                "--file=/w/coordination/masters/development/handoffs/h.json.processed",
                "/w:/w/coordination/workers/auth-002-backend-attempt-1/report.json",
                "auth-002-backend-attempt-1",
                "/w/coordination",
                "{\"json\": {unknown}}",
                "{handoff",
                "$HOME; rm -rf {}",
            ]
        );
        assert_eq!(launch.env["MODE"], "fast");
        assert_eq!(launch.env["BATON_WORKER_ID"], "auth-002-backend-attempt-1");
        assert_eq!(launch.env["BATON_SUBTASK_ID"], "auth-002-backend");
        assert_eq!(launch.env["BATON_ORCHESTRATION_ID"], "orch-task-auth");
        assert_eq!(launch.inherit.last().unwrap(), "ANTHROPIC_*");
        assert!(!launch.inherit.contains(&"LD_PRELOAD".to_owned()));
        assert_eq!(launch.cwd, Path::new("/w"));
        assert!(launch.stdin.unwrap().ends_with("h.json.processed"));
    }

    #[test]
    fn a_command_without_a_program_says_what_to_do_and_brief_runs_baton_itself() {
        for argv in [vec![], vec![String::new()]] {
            let settings = BackendSettings { argv, ..BackendSettings::default() };
            let error = launched("command", &settings).unwrap_err();
            assert!(error.contains("set `argv`") && error.contains("development"), "{error}");
        }
        let launch = launched("brief", &BackendSettings::default()).unwrap();
        assert_eq!(launch.program, Path::new("/bin/baton"));
        assert_eq!(launch.args, ["worker", "brief"]);
        assert_eq!(launch.stdin, None);
        assert!(find("external").is_none(), "it has no process");
    }
}
