//! The step before exec: `baton worker exec`, which becomes the worker.
//!
//! The holder starts a keeper, the keeper starts the step with an order on its standard input. It
//! 1. takes `attempt.lock` (held: refuse),
//! 2. opens everything the program needs, so that what can fail fails while nothing is begun,
//! 3. puts `identity.json` in place, which happens once (there is one: refuse),
//! 4. tells the keeper, which tells the holder, and
//! 5. executes the program in its own process, which keeps the lock open.
//!
//! # What a kill leaves behind
//! Whoever is killed, and when, the program is executed at most once for each folder, since only
//! whoever placed the marker executes, and nobody places it twice. And nothing of a worker runs
//! any more when its folder says `Done` or `Interrupted`.
//!
//! | killed | when | the folder says |
//! | --- | --- | --- |
//! | holder | before the whole order is written | `Empty`: half an order is no JSON, the keeper ends |
//! | holder | later | nothing changes: the keeper goes on and records the end; a second launch meanwhile finds the lock or the marker |
//! | keeper | before the whole order is passed on | `Empty`: half an order is no JSON, the step ends |
//! | keeper | before 3 | `Empty`: the step sees that its parent is gone, and ends. If it looked just before, it goes on as below; the holder waits until it has let go of the lock, so that it knows |
//! | keeper | after 3 | `Alive`: the worker becomes a child of the holder, which records its end: `Done` |
//! | keeper | between the worker's end and `exit.json` | the same: the keeper asks the worker how it ended only when that is recorded |
//! | step | before 3 | `Empty`: the kernel lets the lock go with the process |
//! | step | after 3 | `Done` with the signal, by the keeper |
//! | worker | any time | the same |
//! | keeper and holder | after 3 | `Alive` while anything of it runs, then `Interrupted`: nobody saw how it ended. What it left running is ended by the daemon |
//! | all | after 3 | `Interrupted` as soon as nothing of it runs |
//! | daemon | any time | nothing changes: it is not part of this |
//!
//! Two holders (one retired, or one whose lock was removed by hand) given the same order: the
//! lock decides while both are between 1 and 5, the marker afterwards. Keeper and holder record an
//! exit only if the marker names the process that they waited for.
//!
//! A daemon that calls an attempt back which has not begun places the marker itself, in nobody's
//! name: a launch that is on its way, asked for by the daemon before, is refused then.
//!
//! PR_SET_PDEATHSIG is not set: workers outlive keeper and holder.
#![expect(clippy::disallowed_methods, reason = "this process becomes the program by exec")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::stdio;

use super::cgroup::Cgroups;
use super::folder::{self, Begun, NONCE_VARIABLE};
use super::holder::log;
use super::holder_client::Limits;
use super::process;
use super::protocol::{self, StepInput, StepSays};
use crate::clock;
use crate::domain::worker::ProcessIdentity;
use crate::store::Store;
use crate::store::layout::WorkerFile;

/// What a shell exits with when it cannot run a program.
pub(super) const CANNOT_RUN: u8 = 126;
/// What a shell exits with when there is no such program.
pub(super) const NOT_FOUND: u8 = 127;
/// The exit code of a step that never began.
const NOT_BEGUN: u8 = 1;

/// Reads an order from standard input and becomes its worker. It returns only when it does not:
/// the exit code of the step.
pub fn exec_worker() -> u8 {
    // The way back to the holder must not reach the program, and descriptor 1 becomes its output.
    let Ok(back) = fcntl_dupfd_cloexec(stdio::stdout(), 3) else { return NOT_BEGUN };
    let mut back = File::from(back);
    // Without a holder to hear it, it is said in vain.
    let mut say = |what: StepSays| drop(back.write_all(&protocol::to_line(&what)));
    let prepared = match prepare() {
        Ok(prepared) => prepared,
        Err(what) => {
            say(what);
            return NOT_BEGUN;
        }
    };
    let mut ready = match begin(prepared) {
        Ok(ready) => ready,
        Err(what) => {
            say(what);
            return NOT_BEGUN;
        }
    };
    say(StepSays::Begun { identity: ready.identity });
    let error = ready.command.exec();
    let program = ready.command.get_program().display();
    let message = format!("cannot run {program}: {error}");
    // By now this is the worker's output.
    let _ = writeln!(io::stderr(), "baton: {message}");
    say(StepSays::Failed { error: message, transient: is_transient(&error) });
    if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN }
}

/// Everything the program needs, before anything is begun.
struct Prepared {
    store: Store,
    begun: Begun,
    lock: File,
    stdin: File,
    output: File,
    command: Command,
    cgroups: Option<Cgroups>,
    limits: Limits,
}

/// The marker is in place.
struct Ready {
    command: Command,
    identity: ProcessIdentity,
    /// Open until the program is executed, and from then on in the program.
    _lock: File,
}

fn prepare() -> Result<Prepared, StepSays> {
    let mut order = Vec::new();
    io::stdin().read_to_end(&mut order).map_err(|e| failed("read the order", &e))?;
    let StepInput { coordination, holder, keeper, cgroups, order } =
        serde_json::from_slice(&order).map_err(|e| failed("read the order", &e.into()))?;
    // A session of its own: no terminal reaches it, and its processes can be told.
    rustix::process::setsid().map_err(|e| failed("start a session", &e.into()))?;
    let identity = process::identify(std::process::id())
        .ok_or_else(|| failed("identify this process", &io::ErrorKind::Unsupported.into()))?;

    let store = Store::open(&coordination).map_err(|e| failed_by(&e))?;
    let Some(lock) = folder::take_lock(&store, &order.worker_id).map_err(|e| failed_by(&e))? else {
        return Err(StepSays::Refused { reason: "its lock is held".into() });
    };
    let launch = order.launch;
    let output = folder::open_output(&store, &order.worker_id, WorkerFile::Output)
        .map_err(|e| failed_by(&e))?;
    let stdin = launch.stdin.as_deref().unwrap_or("/dev/null".as_ref());
    let stdin = OpenOptions::new()
        .read(true)
        .open(stdin)
        .map_err(|e| failed(&format!("open {}", stdin.display()), &e))?;
    std::env::set_current_dir(&launch.cwd)
        .map_err(|e| failed(&format!("enter {}", launch.cwd.display()), &e))?;
    let mut command = Command::new(&launch.program);
    command.args(&launch.args).env_clear().envs(&launch.env);
    command.env(NONCE_VARIABLE, folder::mark(&order.nonce, &identity));
    let leaf = cgroups.as_ref().map(|cgroups| cgroups.leaf(&order.worker_id, &order.nonce));
    let begun = Begun {
        schema: folder::IDENTITY_SCHEMA.into(),
        worker_id: order.worker_id,
        attempt_id: order.attempt_id,
        nonce: order.nonce,
        process: identity,
        keeper,
        holder,
        cgroup: leaf,
        started_at: clock::now().wall,
    };
    Ok(Prepared { store, begun, lock, stdin, output, command, cgroups, limits: order.limits })
}

/// Places the marker and puts everything where the program expects it.
fn begin(prepared: Prepared) -> Result<Ready, StepSays> {
    let Prepared { store, begun, lock, stdin, output, command, cgroups, limits } = prepared;
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_pid().unsigned_abs());
    let (keeper, who) = begun.keeper.as_ref().map_or((&begun.holder, "holder"), |k| (k, "keeper"));
    if parent != Some(keeper.pid) {
        return Err(StepSays::Refused { reason: format!("its {who} is gone") });
    }
    if !folder::begin(&store, &begun).map_err(|e| failed_by(&e))? {
        return Err(StepSays::Refused { reason: "it was begun before".into() });
    }
    if let (Some(cgroups), Some(leaf)) = (&cgroups, &begun.cgroup)
        && let Err(error) = cgroups.enter(leaf, &limits)
    {
        // Its keeper holds it together all the same.
        log(format_args!("{} has no control group: {error}", begun.worker_id));
    }
    let arrange = || -> rustix::io::Result<()> {
        stdio::dup2_stdin(&stdin)?;
        stdio::dup2_stdout(&output)?;
        stdio::dup2_stderr(&output)?;
        // The lock is held for as long as the program, or what it starts, keeps the file open.
        fcntl_setfd(&lock, FdFlags::empty())
    };
    arrange().map_err(|e| failed("arrange its files", &e.into()))?;
    Ok(Ready { command, identity: begun.process, _lock: lock })
}

fn failed(what: &str, error: &io::Error) -> StepSays {
    StepSays::Failed { error: format!("cannot {what}: {error}"), transient: is_transient(error) }
}

fn failed_by(error: &(dyn std::error::Error + 'static)) -> StepSays {
    StepSays::Failed { error: error.to_string(), transient: is_shortage(error) }
}

/// As [`is_transient`], for an error that has one among its causes.
pub(super) fn is_shortage(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_transient)
}

/// Tells whether the machine is short of something that it may have again later.
pub(super) fn is_transient(error: &io::Error) -> bool {
    const OUT_OF_DESCRIPTORS: [Errno; 2] = [Errno::MFILE, Errno::NFILE];
    matches!(
        error.kind(),
        io::ErrorKind::OutOfMemory
            | io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::ExecutableFileBusy
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::StaleNetworkFileHandle
            | io::ErrorKind::Interrupted
    ) || Errno::from_io_error(error).is_some_and(|errno| OUT_OF_DESCRIPTORS.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::folder::FolderError;
    use crate::store::StoreError;

    #[test]
    fn what_a_machine_is_short_of_is_told_from_what_will_never_work() {
        let of = |cause: io::Error| {
            let (action, path) = ("write", "workers/w/identity.json".to_owned());
            FolderError::Store(StoreError::Io { action, path, cause })
        };
        for (errno, expected) in [
            (Errno::AGAIN, true),
            (Errno::NOMEM, true),
            (Errno::NOSPC, true),
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::TXTBSY, true),
            (Errno::NOENT, false),
            (Errno::ACCESS, false),
            (Errno::NOEXEC, false),
        ] {
            let error = io::Error::from(errno);
            assert_eq!(is_transient(&error), expected, "{errno}");
            assert_eq!(is_shortage(&of(error)), expected, "{errno} in a store");
            let in_io = io::Error::other(of(errno.into()));
            assert_eq!(is_shortage(&in_io), expected, "{errno} in a store in another error");
        }
    }
}
