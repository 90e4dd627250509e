//! The command line: one file per subcommand.
//!
//! Every command speaks to the daemon through files alone, takes `--json`, and ends with one of
//! these exit codes:
//!
//! | code | kind | meaning |
//! | ---: | --- | --- |
//! | 0 | `done` | it did what it was asked to |
//! | 1 | `failed` | the work failed, is blocked or was cancelled; `doctor` found something wrong |
//! | 2 | `usage` | the command line is wrong |
//! | 3 | `not_found` | there is no such id |
//! | 4 | `no_daemon` | no daemon is running where one is needed |
//! | 65 | `bad_input` | what was handed in cannot be used, or the request was refused |
//! | 66 | `no_input` | there is no such directory or file |
//! | 70 | `bug` | Baton itself is wrong: please report it |
//! | 71 | `system` | the system refused a thread, a signal or a process |
//! | 73 | `cannot_create` | something could not be made |
//! | 74 | `io` | reading or writing failed |
//! | 75 | `busy` | somebody else has it, or time ran out: try later |
//! | 78 | `config` | `baton.toml` cannot be used |
//! | 130 | `interrupted` | a signal ended it |
//!
//! A failure is `error: ...` and `hint: ...` on stderr. With `--json` it is one object on stdout,
//! `{"schema": "baton/error@1", "error": {"code", "kind", "message", "hint"}}`.

mod agents;
mod completions;
mod critical_path;
mod daemon;
mod doctor;
mod events;
mod explain;
mod handoff;
mod hold;
mod init;
mod masters;
mod operate;
pub(crate) mod output;
mod plan;
mod report;
mod run;
mod show;
mod stats;
mod status;
mod submit;
mod worker;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::client::{Client, locate};
use output::{CliError, Exit, Output};

/// Conducts AI coding agents through a directory of plain JSON files.
#[derive(Debug, Parser)]
#[command(name = "baton", version, propagate_version = true, after_help = AFTER_HELP)]
#[command(max_term_width = 80, arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Globals {
    /// The coordination directory [default: ./coordination, or the nearest parent that has one]
    #[arg(long, global = true, value_name = "DIR", env = "BATON_COORDINATION", hide_env = true)]
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    coordination: Option<PathBuf>,
    /// Print JSON on stdout, errors too
    #[arg(long, global = true)]
    json: bool,
}

const AFTER_HELP: &str = "\
Exit codes:
    0  done                       65  the input cannot be used
    1  failed, blocked, or wrong  66  no such directory or file
    2  wrong usage                73  cannot create
    3  no such id                 74  reading or writing failed
    4  no daemon is running       75  somebody else has it, or time ran out
   70  a bug in baton             78  baton.toml cannot be used
   71  the system refused        130  interrupted
Environment:
    BATON_COORDINATION  the coordination directory
    NO_COLOR            no colours";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a coordination directory
    Init(init::InitArgs),
    /// Do a task from beginning to end, and show how it goes
    Run(run::RunArgs),
    /// Serve a coordination directory
    Daemon(daemon::DaemonArgs),
    /// Drop a task into the inbox
    Submit(submit::SubmitArgs),
    /// Show what would become of a task, and why; nothing is written
    Plan(plan::PlanArgs),
    /// Show what an id names
    Show(show::ShowArgs),
    /// Show the chain of subtasks that a run cannot be faster than
    CriticalPath(critical_path::CriticalPathArgs),
    /// Show what is under way
    Status(status::StatusArgs),
    /// Show who can be given work, and how busy they are
    Masters(masters::MastersArgs),
    /// Show agents, who suits a request, and how they did
    Agents(agents::AgentsArgs),
    /// List, show, take or withdraw handoffs
    Handoff(handoff::HandoffArgs),
    /// Print the completion report of a task
    Report(report::ReportArgs),
    /// Say what was decided about an id, and why
    Explain(explain::ExplainArgs),
    /// Print what happened, and what happens
    Events(events::EventsArgs),
    /// Count how runs, recoveries and workers went
    Stats(stats::StatsArgs),
    /// Say what is wrong with the directory, and what to do
    Doctor(doctor::DoctorArgs),
    /// End a task; what runs is stopped
    Cancel(operate::OperateArgs),
    /// Begin anew what has given up
    Retry(operate::OperateArgs),
    /// Leave a subtask out; what depends on it goes on
    Skip(operate::OperateArgs),
    /// Give a subtask to another master
    Assign(operate::AssignArgs),
    /// Give a subtask to the next candidate that takes the same work
    Fallback(operate::OperateArgs),
    /// Answer what a blocked task asks
    Answer(operate::AnswerArgs),
    /// Give no new handoffs; what runs, runs on
    Pause(operate::OperateArgs),
    /// Go on with what was paused
    Resume(operate::OperateArgs),
    /// Undo what a task did, the last first
    Rollback(operate::OperateArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Be the parent of all workers
    #[command(hide = true)]
    Hold(hold::HoldArgs),
    /// Be a worker
    #[command(hide = true)]
    Worker(worker::WorkerArgs),
}

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Context {
    coordination: Option<PathBuf>,
    /// Where it prints to.
    pub(crate) out: Output,
}

/// Parses the process's arguments, runs the command, reports its failure, returns its exit code.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    ExitCode::from(run(&args))
}

fn run(args: &[OsString]) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return say_usage(args, &error).code(),
    };
    let context = Context {
        coordination: cli.globals.coordination.filter(|dir| !dir.as_os_str().is_empty()),
        out: Output::new(cli.globals.json),
    };
    match cli.command.run(&context) {
        Ok(code) => code,
        Err(error) => {
            context.out.fail(&error);
            error.exit.code()
        }
    }
}

impl Command {
    fn run(self, context: &Context) -> Result<u8, CliError> {
        let exit = match self {
            Command::Init(args) => args.run(context),
            Command::Run(args) => args.run(context),
            Command::Daemon(args) => args.run(context),
            Command::Submit(args) => args.run(context),
            Command::Plan(args) => args.run(context),
            Command::Show(args) => args.run(context),
            Command::CriticalPath(args) => args.run(context),
            Command::Status(args) => args.run(context),
            Command::Masters(args) => args.run(context),
            Command::Agents(args) => args.run(context),
            Command::Handoff(args) => args.run(context),
            Command::Report(args) => args.run(context),
            Command::Explain(args) => args.run(context),
            Command::Events(args) => args.run(context),
            Command::Stats(args) => args.run(context),
            Command::Doctor(args) => args.run(context),
            Command::Cancel(args) => args.run(context, "cancel"),
            Command::Retry(args) => args.run(context, "retry"),
            Command::Skip(args) => args.run(context, "skip"),
            Command::Assign(args) => args.run(context),
            Command::Fallback(args) => args.run(context, "fallback"),
            Command::Answer(args) => args.run(context),
            Command::Pause(args) => args.run(context, "pause"),
            Command::Resume(args) => args.run(context, "resume"),
            Command::Rollback(args) => args.run(context, "rollback"),
            Command::Completions(args) => args.run(context),
            Command::Hold(args) => args.run(context),
            // The holder reads the code of a worker's step: it is not one of ours.
            Command::Worker(args) => return Ok(args.run(context)),
        };
        exit.map(Exit::code)
    }
}

impl Context {
    /// Returns the coordination directory, whether or not it is there.
    pub(crate) fn directory(&self) -> Result<PathBuf, CliError> {
        match &self.coordination {
            Some(dir) => Ok(dir.clone()),
            None => std::env::current_dir().map(|here| locate(&here)).map_err(|e| {
                CliError::new(Exit::NoInput, format!("cannot tell the current directory: {e}"))
                    .hint("go to a directory that is there, or pass --coordination DIR")
            }),
        }
    }

    /// Opens the coordination directory.
    pub(crate) fn client(&self) -> Result<Client, CliError> {
        Ok(Client::open(&self.directory()?)?)
    }
}

/// Prints help, the version, or what is wrong with the arguments.
fn say_usage(args: &[OsString], error: &clap::Error) -> Exit {
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let out = Output::new(args.iter().any(|arg| arg == "--json") && !is_help);
    let text = error.render();
    if is_help {
        return match out.print(&text.ansi().to_string()) {
            Ok(()) => Exit::Done,
            Err(error) => error.exit,
        };
    }
    if out.is_json() {
        let text = text.to_string();
        let said = text.split("\n\n").next().unwrap_or_default();
        let message = said.trim_start_matches("error: ").split_whitespace();
        let message = message.collect::<Vec<_>>().join(" ");
        let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: "));
        let hint = tip.unwrap_or("`baton help` shows the usage");
        out.fail(&CliError::new(Exit::Usage, message).hint(hint));
    } else {
        out.usage(&text.ansi().to_string());
    }
    Exit::Usage
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
