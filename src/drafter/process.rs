//! Runs a program that answers on its standard output, and leaves nothing of it behind.
//!
//! It leads a process group of its own, and bears a mark in its environment that whatever it starts
//! inherits. Whoever has neither (a program that leaves the group and clears its environment) gets
//! away: it is the operator's own program that is asked, and no enemy.
#![expect(clippy::disallowed_methods, reason = "this file starts the programs that are asked")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, Interest};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::runtime::Handle;

use super::{AskError, Secrets};

/// The variable that whatever is begun for a question has.
const MARK: &str = "BATON_DRAFT";
/// So much of the end of standard error is kept.
const SAID_BYTES_MAX: usize = 4 << 10;
/// So many letters of it are told.
const SAID_LETTERS_MAX: usize = 300;
/// So often processes are looked for that were started meanwhile.
const SWEEPS_MAX: usize = 20;
/// How long one sweep waits for those it killed.
const SWEEP_MS_MAX: i64 = 50;
/// No environment that is looked at is longer.
const ENVIRONMENT_BYTES_MAX: u64 = 4 << 20;

/// What is to be run.
#[derive(Debug)]
pub(super) struct Order<'a> {
    /// A path, or a name to be looked for in `PATH`.
    pub(super) program: String,
    /// Its arguments.
    pub(super) args: Vec<String>,
    /// All of its environment, but for the mark.
    pub(super) env: BTreeMap<OsString, OsString>,
    /// Its working directory.
    pub(super) directory: &'a Path,
    /// The mark.
    pub(super) mark: &'a str,
    /// What it reads.
    pub(super) input: &'a str,
    /// It may say so much.
    pub(super) output_bytes_max: usize,
    /// What is not told of what it says.
    pub(super) secrets: Secrets,
}

/// Runs it to its end and returns what it said.
pub(super) async fn run(order: &Order<'_>) -> Result<Vec<u8>, AskError> {
    let program = shown(&order.program);
    let failed = |what: &str| {
        let what = format!("{what} {program}");
        move |source: io::Error| AskError::Io { what, source }
    };
    let mut running = Running::start(order)?;
    let pidfd = running.pidfd().map_err(failed("watch"))?;
    let (stdin, stdout, stderr) = running.pipes().map_err(failed("talk to"))?;
    let feed = feed(stdin, order.input.as_bytes());
    let output = async {
        let output = read(stdout, order.output_bytes_max).await;
        if !matches!(output, Ok(Some(_))) {
            // It would wait for ever for somebody to read the rest.
            running.sweep().await;
        }
        output
    };
    let end = async {
        until_ended(pidfd).await;
        // It is not waited for yet, so that its number is still its own. What it left behind may
        // hold on to its output.
        running.sweep().await;
    };
    let ((), output, said, ()) = tokio::join!(feed, output, tail(stderr), end);
    let status = running.wait().await.map_err(failed("wait for"))?;
    let Some(output) = output.map_err(failed("read the answer of"))? else {
        return Err(AskError::TooLong { limit: order.output_bytes_max });
    };
    if !status.success() {
        let said = if said.trim_ascii().is_empty() { &output } else { &said };
        return Err(AskError::Failed {
            program,
            how: how(status),
            said: last_line(said, &order.secrets),
        });
    }
    Ok(output)
}

/// Ends every process that bears this mark.
pub(super) fn end_marked(mark: &str) {
    for _ in 0..SWEEPS_MAX {
        if kill_marked(mark) == 0 {
            return;
        }
    }
}

/// A program that runs. Dropping it ends it, in a thread of its own where there is a runtime.
struct Running {
    child: Option<Child>,
    pid: Pid,
    mark: String,
}

impl Running {
    fn start(order: &Order<'_>) -> Result<Self, AskError> {
        let not_started = |source| AskError::NotStarted { program: shown(&order.program), source };
        let child = Command::new(&order.program)
            .args(&order.args)
            .env_clear()
            .envs(&order.env)
            .env(MARK, order.mark)
            .current_dir(order.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(not_started)?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| not_started(io::ErrorKind::Other.into()))?;
        Ok(Self { child: Some(child), pid, mark: order.mark.to_owned() })
    }

    fn pidfd(&self) -> io::Result<OwnedFd> {
        Ok(pidfd_open(self.pid, PidfdFlags::empty())?)
    }

    fn pipes(&mut self) -> io::Result<(ChildStdin, ChildStdout, ChildStderr)> {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        let child = self.child.as_mut().ok_or_else(closed)?;
        let stdin = child.stdin.take().ok_or_else(closed)?;
        let stdout = child.stdout.take().ok_or_else(closed)?;
        Ok((stdin, stdout, child.stderr.take().ok_or_else(closed)?))
    }

    /// Ends all that it is and began, without keeping anybody waiting.
    async fn sweep(&self) {
        let (pid, mark) = (self.pid, self.mark.clone());
        // A thread that fails is made up for when this is dropped.
        let _ = tokio::task::spawn_blocking(move || end_all(pid, &mark)).await;
    }

    async fn wait(&mut self) -> io::Result<ExitStatus> {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        let status = self.child.as_mut().ok_or_else(closed)?.wait().await?;
        self.child = None;
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(child) = self.child.take() else { return };
        let left = Left { _child: child, pid: self.pid, mark: std::mem::take(&mut self.mark) };
        match Handle::try_current() {
            // A runtime that goes down drops what it does not run any more, which does the same.
            Ok(runtime) if !std::thread::panicking() => {
                runtime.spawn_blocking(move || drop(left));
            }
            Ok(_) | Err(_) => drop(left),
        }
    }
}

/// What is left of a program that nobody waits for. Dropping it ends it, and waits for that.
struct Left {
    /// While it is held it was not waited for, and its number is nobody else's.
    _child: Child,
    pid: Pid,
    mark: String,
}

impl Drop for Left {
    fn drop(&mut self) {
        end_all(self.pid, &self.mark);
    }
}

/// Ends a group whose leader was not waited for, and everybody who bears the mark.
fn end_all(leader: Pid, mark: &str) {
    for _ in 0..SWEEPS_MAX {
        // It fails when there is nobody left in it, which is what is wanted.
        let _ = kill_process_group(leader, Signal::KILL);
        if kill_marked(mark) == 0 {
            return;
        }
    }
}

/// Kills everybody who bears the mark, waits for them a little, and says how many there were. One
/// that has ended has no environment any more.
fn kill_marked(mark: &str) -> usize {
    let needle = format!("{MARK}={mark}");
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut killed = Vec::new();
    for pid in numbers.filter_map(Pid::from_raw) {
        // Opened before it is looked at: whoever gets its number later is another one.
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if bears(pid, needle.as_bytes()) && pidfd_send_signal(&pidfd, Signal::KILL).is_ok() {
            killed.push(pidfd);
        }
    }
    for pidfd in &killed {
        let limit = Timespec { tv_sec: 0, tv_nsec: SWEEP_MS_MAX * 1_000_000 };
        // One that takes longer is met again by the next sweep.
        let _ = poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&limit));
    }
    killed.len()
}

fn bears(pid: Pid, needle: &[u8]) -> bool {
    let mut environment = Vec::new();
    let path = PathBuf::from(format!("/proc/{}/environ", pid.as_raw_nonzero()));
    let read = File::open(path)
        .and_then(|file| file.take(ENVIRONMENT_BYTES_MAX).read_to_end(&mut environment));
    read.is_ok() && environment.split(|byte| *byte == 0).any(|variable| variable == needle)
}

async fn until_ended(pidfd: OwnedFd) {
    #[expect(
        deprecated,
        reason = "what replaces it is unsafe, and owning the descriptor is enough"
    )]
    let pidfd = AsyncFd::with_interest(pidfd, Interest::READABLE);
    if let Ok(pidfd) = pidfd {
        // An error means that the runtime goes down, and whoever waits goes with it.
        let _ = pidfd.readable().await;
    }
}

/// Writes what it is to read. It may end, or close its input, without having read it.
async fn feed(mut stdin: impl AsyncWriteExt + Unpin, input: &[u8]) {
    let _ = stdin.write_all(input).await;
    let _ = stdin.shutdown().await;
}

/// Reads what it says; nothing if that is more than it may say.
async fn read(stdout: impl AsyncRead + Unpin, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut said = Vec::new();
    stdout.take(limit.saturating_add(1)).read_to_end(&mut said).await?;
    Ok((said.len() <= bytes_max).then_some(said))
}

/// Reads all that it says and keeps the end.
async fn tail(mut stderr: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0_u8; 4_096];
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..length]);
        let surplus = kept.len().saturating_sub(SAID_BYTES_MAX);
        kept.drain(..surplus);
    }
    kept
}

fn last_line(said: &[u8], secrets: &Secrets) -> String {
    let text = secrets.hide(&String::from_utf8_lossy(said));
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(SAID_LETTERS_MAX).collect()
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended unseen".to_owned(),
    }
}

/// Names a program by the last part of its path.
fn shown(program: &str) -> String {
    Path::new(program)
        .file_name()
        .map_or(program.into(), |name| name.to_string_lossy())
        .into_owned()
}
