//! `baton worker keep`: the one process that is the parent of one worker and sees it to its end.
//!
//! It outlives daemon and holder, so that a worker's exit status does too. It is a subreaper:
//! whatever the worker starts stays below it, through `setsid` and double forks, with another
//! environment and without a file in common. When the worker has ended, it ends whatever still
//! descends from it, writes `exit.json` and ends as well. It decides nothing else.
//!
//! Until then it waits, on one thread and without a runtime. It wakes when a child ends, and once
//! a second where the output has a limit. The worker is not asked how it ended before that is
//! recorded: were the keeper killed meanwhile, the holder can still ask.
#![expect(clippy::disallowed_methods, reason = "this is where a worker's process is started")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{getpid, set_child_subreaper};
use rustix::stdio;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::children;
use super::folder::{self, Begun};
use super::holder::{log, log_as};
use super::output::Rotation;
use super::process;
use super::protocol::{self, StepInput, StepSays};
use super::worker_end;
use crate::clock;
use crate::domain::worker::Exit;
use crate::store::Store;

/// How long the step before exec may take; it opens a few files.
pub(super) const STEP_MS_MAX: u64 = 20_000;
/// Nothing that the step says is longer.
const SAID_BYTES_MAX: usize = 64 << 10;
/// The exit code of a keeper that could not keep anything.
const NOT_KEPT: u8 = 1;

/// Reads an order from standard input, starts its worker and sees it to its end. Returns the exit
/// code, which nobody needs: the folder says what became of the worker.
pub fn keep() -> u8 {
    log_as("keeper");
    super::descriptors::close_inherited();
    // No signal to the group or from the terminal of whoever started the daemon reaches it. It
    // fails only where this process leads a session already.
    let _ = rustix::process::setsid();
    let said = match take_order() {
        Ok(keeper) => return keeper.run(),
        Err(error) => StepSays::Failed {
            error: format!("cannot keep a worker: {error}"),
            transient: super::launch::is_shortage(&error),
        },
    };
    // Without a holder to hear it, it is said in vain.
    let _ = io::stdout().write_all(&protocol::to_line(&said));
    NOT_KEPT
}

/// A keeper that has its order.
struct Keeper {
    store: Store,
    input: StepInput,
    wake: Wake,
}

/// Tells when a child ended.
struct Wake {
    told: UnixStream,
}

/// The step before exec: a child, and what is known of it.
struct Step {
    pid: u32,
    /// Whether it executed the program.
    executed: bool,
    /// Why it could not, when it could not.
    error: Option<String>,
}

fn take_order() -> io::Result<Keeper> {
    set_child_subreaper(Some(getpid()))?;
    let mut order = Vec::new();
    io::stdin().read_to_end(&mut order)?;
    let mut input: StepInput = serde_json::from_slice(&order)?;
    let identity = process::identify(std::process::id());
    input.keeper = Some(identity.ok_or(io::ErrorKind::Unsupported)?);
    let store = Store::open(&input.coordination).map_err(io::Error::other)?;
    let wake = Wake::new()?;
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
        // It ends with its worker. A handler, unlike an ignored signal, is not passed on to it.
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    // A working directory would keep its file system from being unmounted.
    std::env::set_current_dir("/")?;
    Ok(Keeper { store, input, wake })
}

impl Keeper {
    fn run(self) -> u8 {
        let step = match self.start_step() {
            Ok(step) => step,
            Err(error) => {
                let transient = super::launch::is_transient(&error);
                let error = format!("cannot start the step before exec: {error}");
                let said = StepSays::Failed { error, transient };
                let _ = io::stdout().write_all(&protocol::to_line(&said));
                return NOT_KEPT;
            }
        };
        if step.executed {
            // The end of this line tells the holder that the program runs.
            let _ = hang_up();
        }
        let Self { store, input, wake } = self;
        let StepInput { order, .. } = input;
        let mut rotation = step
            .executed
            .then(|| Rotation::new(&store, &order.worker_id, order.limits.output_bytes_max))
            .flatten();
        let (worker_id, nonce) = (order.worker_id, order.nonce);
        // What the program was given has served its purpose: this process may be there for days.
        drop(order.launch);
        let exit = wait_for(step.pid, &wake, rotation.as_mut());
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            log(format_args!("cannot record the end of {worker_id}: there is no runtime"));
            return NOT_KEPT;
        };
        runtime.block_on(async {
            let is_ours = |begun: &Begun| begun.nonce == nonce && begun.process.pid == step.pid;
            if let Some(begun) = worker_end::begun_as(&store, &worker_id, is_ours).await {
                let tree = worker_end::tree_of(&store, &begun);
                let is_alone = || is_alone(&store, &begun);
                worker_end::end(&store, &begun, exit, step.error, &tree, is_alone).await;
            }
        });
        children::reap(None);
        0
    }

    /// Starts the step before exec and passes on what it says, until it executes the program or
    /// ends.
    fn start_step(&self) -> io::Result<Step> {
        let mut child = Command::new("/proc/self/exe")
            .args(["worker", "exec"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        if let Some(mut stdin) = stdin {
            // If it does not take it all, it says why, or ends without a word.
            let _ = stdin.write_all(&protocol::to_line(&self.input));
        }
        let mut step = Step { pid: child.id(), executed: false, error: None };
        let Some(stdout) = stdout else { return Ok(step) };
        if !self.listen(stdout, &mut step) {
            log(format_args!(
                "kills the step before exec of {}: it hangs",
                self.input.order.worker_id
            ));
            // It is our child and nobody has asked how it ended: this is no other process.
            let _ = child.kill();
        }
        Ok(step)
    }

    /// Passes on what the step says; false when it hangs.
    fn listen(&self, mut from: ChildStdout, step: &mut Step) -> bool {
        let until_ms = clock::now().boottime_ms + STEP_MS_MAX;
        let mut to_holder = io::stdout();
        let mut line = Vec::new();
        loop {
            let left_ms = until_ms.saturating_sub(clock::now().boottime_ms);
            if left_ms == 0 {
                return false;
            }
            if !is_readable(&from, left_ms) {
                continue;
            }
            let mut bytes = [0; 4096];
            let count = match from.read(&mut bytes) {
                Ok(0) => return true,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return true,
            };
            let _ = to_holder.write_all(&bytes[..count]).and_then(|()| to_holder.flush());
            line.extend_from_slice(&bytes[..count]);
            while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
                let rest = line.split_off(end + 1);
                step.hear(&line);
                line = rest;
            }
            line.truncate(SAID_BYTES_MAX);
        }
    }
}

impl Step {
    fn hear(&mut self, line: &[u8]) {
        match serde_json::from_slice(line) {
            Ok(StepSays::Begun { .. }) => self.executed = true,
            Ok(StepSays::Failed { error, .. }) => {
                self.executed = false;
                self.error = Some(error);
            }
            Ok(StepSays::Refused { .. }) => self.executed = false,
            Err(error) => log(format_args!("cannot understand the step before exec: {error}")),
        }
    }
}

/// Waits for the worker and asks everybody else who ends here.
fn wait_for(pid: u32, wake: &Wake, mut rotation: Option<&mut Rotation>) -> Exit {
    loop {
        wake.clear();
        if let Some(exit) = children::peek(pid) {
            if let Some(rotation) = rotation {
                rotation.look();
            }
            return exit;
        }
        children::reap(Some(pid));
        let pause_ms = rotation.as_mut().map(|rotation| rotation.look());
        wake.wait(pause_ms);
    }
}

/// Tells whether a worker that has ended left nothing. Most leave nothing.
fn is_alone(store: &Store, begun: &Begun) -> bool {
    let is_listed_alone = || children::listed() == [begun.process.pid];
    let is_childless = || {
        is_listed_alone() || {
            children::reap(Some(begun.process.pid));
            is_listed_alone()
        }
    };
    let is_free = || matches!(folder::is_locked(store, &begun.worker_id), Ok(false));
    // The list may lack a child while another one ends; not two times while none does.
    is_childless() && is_childless() && is_free()
}

impl Wake {
    fn new() -> io::Result<Self> {
        let (told, tell) = UnixStream::pair()?;
        told.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGCHLD, tell)?;
        Ok(Self { told })
    }

    /// Waits until a child has ended since the last look, or the time is over.
    fn wait(&self, pause_ms: Option<u64>) {
        let mut fds = [PollFd::new(&self.told, PollFlags::IN)];
        // A signal ends it too; then it is looked at once more in vain.
        let _ = poll(&mut fds, pause_ms.map(timespec).as_ref());
    }

    fn clear(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.told).read(&mut bytes), Ok(count) if count > 0) {}
    }
}

/// Lets go of standard input and output.
fn hang_up() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    stdio::dup2_stdin(&null)?;
    Ok(stdio::dup2_stdout(&null)?)
}

fn is_readable(from: &impl AsFd, within_ms: u64) -> bool {
    let mut fds = [PollFd::new(from, PollFlags::IN)];
    poll(&mut fds, Some(&timespec(within_ms))).is_ok_and(|ready| ready > 0)
}

fn timespec(ms: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(ms / 1_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(ms % 1_000 * 1_000_000).expect("less than a second"),
    }
}
