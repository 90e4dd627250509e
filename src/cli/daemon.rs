//! `baton daemon`: serves a coordination directory in the foreground.

#![expect(
    clippy::disallowed_methods,
    reason = "the one place that starts a daemon beside the command that needs it"
)]

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::Sender;

use clap::Args;
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::Serialize;

use super::Context;
use super::output::{CliError, Exit, Page, View, failure};
use crate::client::wait::Wake;
use crate::client::{Client, tail};
use crate::config::{Config, LogForm, Overrides};
use crate::daemon::{self, DaemonError, Ended, Options};
use crate::telemetry;

/// Arguments of `baton daemon`.
#[derive(Debug, Args)]
pub(crate) struct DaemonArgs {
    /// The working directory of workers [default: the parent of the coordination directory]
    #[arg(long, value_name = "DIR")]
    workspace: Option<std::path::PathBuf>,
    /// A setting of baton.toml, e.g. --set log=debug; may be given again
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Drain when the process that started this one ends
    #[arg(long, value_name = "PID", hide = true)]
    until_parent_ends: Option<u32>,
}

/// How the daemon ended; people have read it in the log.
#[derive(Debug, Serialize)]
struct Farewell {
    schema: &'static str,
    ended: &'static str,
}

impl View for Farewell {
    fn human(&self, _: &mut Page) {}
}

impl DaemonArgs {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, CliError> {
        let client = context.client()?;
        if let Some(parent) = self.until_parent_ends {
            end_with_parent(parent)?;
        }
        let overrides = Overrides { workspace: self.workspace, set: self.settings };
        let env = |name: &str| std::env::var(name).ok();
        let config = Config::load(client.root(), &env, &overrides)?;
        let is_json = context.out.is_json() || config.log.form == LogForm::Json;
        let form = telemetry::Form::detect(is_json, &env);
        telemetry::start(&telemetry::Settings { filter: config.log.filter, form })
            .map_err(|e| CliError::new(Exit::Config, failure::chain(&e)))?;
        let options = Options {
            coordination: client.root().to_path_buf(),
            overrides,
            handle_signals: true,
            executable: None,
        };
        let (_handle, shutdown) = daemon::shutdown();
        match daemon::run_blocking(options, shutdown) {
            Ok(ended) => {
                let ended = match ended {
                    Ended::Drained => "drained",
                    Ended::AtOnce => "at_once",
                };
                context.out.show(&Farewell { schema: "baton/daemon-ended@1", ended })?;
                Ok(Exit::Done)
            }
            Err(error) => Err(refused(&error)),
        }
    }
}

/// A daemon that this process started for itself, and ends again.
#[derive(Debug)]
pub(crate) struct OwnDaemon {
    pidfd: std::sync::Arc<rustix::fd::OwnedFd>,
    /// The number of requests to end so far.
    asked: u32,
    ended: bool,
}

/// A log that has grown beyond this is begun anew.
const LOG_BYTES_MAX: u64 = 16 << 20;

impl OwnDaemon {
    /// Starts a daemon in a process group of its own, so that a Ctrl-C reaches only us and we
    /// decide; it logs to `orchestrator/daemon.log` and drains when we end. Its own end is told to
    /// `ended` as [`Wake::DaemonEnded`].
    pub(crate) fn start(client: &Client, ended: Sender<Wake>) -> Result<Self, CliError> {
        let cannot = |what: &str, e: std::io::Error| {
            CliError::new(Exit::System, format!("cannot start a daemon: {what}: {e}"))
                .hint("start one yourself with `baton daemon`, and say it again")
        };
        let path = client.daemon_log()?;
        let log = open_log(&path).map_err(|e| cannot("its log", e))?;
        let errors = log.try_clone().map_err(|e| cannot("its log", e))?;
        let program = std::env::current_exe().map_err(|e| cannot("the program", e))?;
        let mut child = Command::new(program)
            .arg("daemon")
            .arg("--coordination")
            .arg(client.root())
            .arg("--until-parent-ends")
            .arg(std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|e| cannot("the process", e))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| CliError::new(Exit::System, "a process has no number"))?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())
            .map_err(|e| cannot("its pidfd", e.into()))?;
        std::thread::spawn(move || {
            let code = child.wait().ok().and_then(|status| status.code());
            let _nobody_waits = ended.send(Wake::DaemonEnded(code));
        });
        Ok(Self { pidfd: std::sync::Arc::new(pidfd), asked: 0, ended: false })
    }

    /// Asks it to end because nobody needs it any more: it leaves its workers running.
    pub(crate) fn let_go(&mut self) {
        self.ask_to_end(Signal::TERM);
    }

    /// Asks it to end for a person: the first time it gives its workers time to end, the second it
    /// stops them, the third it ends at once. Returns how often it was asked.
    pub(crate) fn interrupt(&mut self) -> u32 {
        self.ask_to_end(if self.asked > 2 { Signal::KILL } else { Signal::INT })
    }

    fn ask_to_end(&mut self, signal: Signal) -> u32 {
        self.asked += 1;
        // It may have ended by itself.
        let _gone = rustix::process::pidfd_send_signal(&self.pidfd, signal);
        self.asked
    }

    /// Notes that it has ended.
    pub(crate) fn has_ended(&mut self) {
        self.ended = true;
    }
}

impl Drop for OwnDaemon {
    fn drop(&mut self) {
        if !self.ended && self.asked == 0 {
            self.let_go();
        }
    }
}

/// Returns the last words of a daemon that ended: its error, or else the last line of its log.
pub(crate) fn last_words(client: &Client) -> String {
    const LINES: usize = 5;
    let lines = client.daemon_log().ok().and_then(|path| tail::last_lines(&path, LINES).ok());
    let lines = lines.unwrap_or_default();
    let error = lines.iter().rev().find_map(|line| line.strip_prefix("error: "));
    error.or(lines.last().map(String::as_str)).unwrap_or("it said nothing").to_owned()
}

fn open_log(path: &Path) -> std::io::Result<File> {
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let log =
        File::options().append(true).create(true).mode(0o600).custom_flags(nofollow).open(path)?;
    if log.metadata()?.len() > LOG_BYTES_MAX {
        log.set_len(0)?;
    }
    Ok(log)
}

/// Arranges for a TERM when the process that started this one ends, unless it already has.
fn end_with_parent(parent: u32) -> Result<(), CliError> {
    let cannot = |e: rustix::io::Errno| {
        CliError::new(Exit::System, format!("cannot ask for a signal when the parent ends: {e}"))
    };
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM)).map_err(cannot)?;
    let is_there = rustix::process::getppid()
        .is_some_and(|pid| u32::try_from(pid.as_raw_nonzero().get()) == Ok(parent));
    if is_there {
        Ok(())
    } else {
        Err(CliError::new(Exit::Interrupted, "the process that started this daemon has ended"))
    }
}

fn refused(error: &DaemonError) -> CliError {
    let exit = Exit::of_code(error.exit_code());
    let refused = CliError::new(exit, failure::chain(error));
    match error.hint() {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        Some(_) | None => Err("write it as KEY=VALUE".into()),
    }
}
