//! Tells processes apart for certain, and signals none that is not the one that was meant.
//!
//! A process is opened as a pidfd first and compared afterwards: whatever its number is given to
//! next, the pidfd stays with the one that was compared. Kernels without pidfds (before 5.3) are
//! not supported: there nothing is alive and nothing is signalled.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::clock;
use crate::domain::evidence::ProcessState;
use crate::domain::worker::ProcessIdentity;

/// `PIDFS_MAGIC`: pidfds have inodes of their own (Linux 6.9).
const PIDFS_MAGIC: u64 = 0x5049_4446;
/// Clock ticks a second in `/proc`, the same on every Linux that Rust runs on.
const TICKS_PER_SECOND: u64 = 100;

/// How soon a process is opened again that could not be.
const LOOK_AGAIN_MS: u64 = 100;
/// No line of `/proc/PID/stat` is longer: 50 numbers and a name.
const LINE_BYTES_MAX: usize = 2_048;
/// How many fields of it are read, from the state to the resident memory.
const FIELDS: usize = 22;

/// Returns the identity of a process; `None` when there is none of that number or it has ended.
pub fn identify(pid: u32) -> Option<ProcessIdentity> {
    let pidfd = open(pid).ok()??;
    let stat = Stat::of(pid).ok()??;
    let identity = ProcessIdentity {
        host: host().to_owned(),
        boot_id: clock::boot_id(),
        pid,
        start_ticks: stat.start_ticks,
        pidfd_inode: pidfd_inode(&pidfd),
    };
    // What was read belongs to the pidfd only if its process lived until now.
    (!has_ended(&pidfd)).then_some(identity)
}

/// Tells whether exactly this process runs. One that has ended and waits for its parent (a
/// zombie) does not; one that cannot be looked at, because the system is out of something, counts
/// as running.
pub fn is_alive(identity: &ProcessIdentity) -> bool {
    !matches!(open_exactly(identity), Ok(None))
}

/// Tells whether exactly this process runs.
///
/// # Errors
/// The system lacks what a look takes.
pub(super) fn runs(identity: &ProcessIdentity) -> io::Result<bool> {
    Ok(open_exactly(identity)?.is_some())
}

/// Says how exactly this process is: unverifiable while the system lacks what a look takes.
pub fn state(identity: &ProcessIdentity) -> ProcessState {
    match open_exactly(identity) {
        Ok(Some(_pidfd)) => {}
        Ok(None) => return ProcessState::Gone,
        Err(_) => return ProcessState::Unverifiable,
    }
    match Stat::of(identity.pid) {
        Ok(Some(stat)) if stat.is_over() => ProcessState::Gone,
        Ok(Some(stat)) => match stat.state {
            b'T' | b't' => ProcessState::Stopped,
            b'D' => ProcessState::Uninterruptible,
            _ => ProcessState::Running,
        },
        Ok(None) => ProcessState::Gone,
        Err(_) => ProcessState::Unverifiable,
    }
}

/// Tells whether no process has this number.
pub fn is_unused(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return true };
    matches!(pidfd_open(pid, PidfdFlags::empty()), Err(Errno::SRCH))
}

/// Returns when a process started, in milliseconds since boot.
pub fn started_ms(identity: &ProcessIdentity) -> u64 {
    identity.start_ticks.saturating_mul(1_000 / TICKS_PER_SECOND)
}

/// Sends a signal to exactly this process; false when it runs no more or is not ours to signal.
pub fn signal(identity: &ProcessIdentity, signal: Signal) -> bool {
    let pidfd = open_exactly(identity).ok().flatten();
    pidfd.is_some_and(|pidfd| pidfd_send_signal(pidfd, signal).is_ok())
}

/// Waits until exactly this process runs no more.
pub async fn ended(identity: &ProcessIdentity) {
    loop {
        match open_exactly(identity) {
            Ok(Some(pidfd)) => return until_ended(pidfd).await,
            Ok(None) => return,
            Err(_) => tokio::time::sleep(Duration::from_millis(LOOK_AGAIN_MS)).await,
        }
    }
}

/// Waits until the process of a pidfd has ended.
pub(super) async fn until_ended(pidfd: OwnedFd) {
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

/// Opens exactly this process if it runs. An error means that nobody can tell now.
fn open_exactly(identity: &ProcessIdentity) -> io::Result<Option<OwnedFd>> {
    if identity.boot_id != clock::boot_id() {
        return Ok(None);
    }
    let Some(pidfd) = open_started_at(identity.pid, identity.start_ticks)? else {
        return Ok(None);
    };
    let is_same = match (identity.pidfd_inode, pidfd_inode(&pidfd)) {
        // Never given twice within a boot, whatever the machine or container is called by now.
        (Some(theirs), Some(found)) => theirs == found,
        (Some(_) | None, Some(_) | None) => identity.host == host(),
    };
    Ok(is_same.then_some(pidfd))
}

/// Opens the process of this number if it runs and started in this tick of the running boot. An
/// error means that nobody can tell now.
pub(super) fn open_started_at(pid: u32, start_ticks: u64) -> io::Result<Option<OwnedFd>> {
    let Some(pidfd) = open(pid)? else { return Ok(None) };
    let Some(stat) = Stat::of(pid)? else { return Ok(None) };
    Ok((stat.start_ticks == start_ticks && !has_ended(&pidfd)).then_some(pidfd))
}

/// Lists every process that can be seen, in no order.
///
/// # Errors
/// The system lacks what a look takes: whoever is not on a list that was cut off is not gone.
pub(super) fn all() -> io::Result<Vec<(u32, Stat)>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty())?;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = Stat::below(&proc, &format!("{pid}/stat"))?;
        found.extend(stat.map(|stat| (pid, stat)));
    }
    Ok(found)
}

/// Tells a process that is not there, or not ours to see, from a system that is out of something.
fn unless_in_want<T>(found: Result<T, Errno>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(
            want @ (Errno::MFILE
            | Errno::NFILE
            | Errno::NOMEM
            | Errno::NOBUFS
            | Errno::INTR
            | Errno::AGAIN
            | Errno::IO),
        ) => Err(want.into()),
        Err(_) => Ok(None),
    }
}

/// What `/proc/PID/stat` says of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    /// `R`, `S`, `Z`, ...
    pub(super) state: u8,
    /// Its parent.
    pub(super) parent: u32,
    /// Its process group.
    pub(super) group: u32,
    /// Its session.
    pub(super) session: u32,
    /// Its own processor time.
    pub(super) own_ms: u64,
    /// Processor time of children it waited for.
    pub(super) waited_ms: u64,
    /// How many threads it has.
    pub(super) threads: u64,
    /// When it started, in ticks since boot.
    pub(super) start_ticks: u64,
    /// Its resident memory in pages.
    pub(super) resident_pages: u64,
}

impl Stat {
    /// Reads that of one process; `None` where there is none. An error means that nobody can tell
    /// now.
    pub(super) fn of(pid: u32) -> io::Result<Option<Self>> {
        Self::below(rustix::fs::CWD, &format!("/proc/{pid}/stat"))
    }

    fn below(directory: impl AsFd, path: &str) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(directory, path, flags, Mode::empty());
        let Some(file) = unless_in_want(file)? else { return Ok(None) };
        // The kernel gives the whole line at once, and it is never as long as this.
        let mut line = [0_u8; LINE_BYTES_MAX];
        let length = unless_in_want(rustix::io::read(&file, &mut line))?;
        Ok(length.and_then(|length| Self::parse(&line[..length])))
    }

    /// Reads the line. The second field is the name of the program in brackets; it may hold
    /// blanks, brackets and newlines, so that the fields are counted from its last bracket.
    fn parse(line: &[u8]) -> Option<Self> {
        let name_end = line.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(&line[name_end + 1..]).ok()?;
        let mut fields = [""; FIELDS];
        let mut found = 0;
        for (place, field) in fields.iter_mut().zip(rest.split_ascii_whitespace()) {
            *place = field;
            found += 1;
        }
        if found < FIELDS {
            return None;
        }
        // Field 3 of the manual is the first one here.
        let number = |field: usize| fields[field - 3].parse::<u64>().ok();
        let pid = |field: usize| u32::try_from(number(field)?).ok();
        let ms = |ticks: u64| ticks * 1_000 / TICKS_PER_SECOND;
        Some(Self {
            state: *fields[0].as_bytes().first()?,
            parent: pid(4)?,
            group: pid(5)?,
            session: pid(6)?,
            own_ms: ms(number(14)? + number(15)?),
            waited_ms: ms(number(16)? + number(17)?),
            threads: number(20)?,
            start_ticks: number(22)?,
            // It may be negative for a moment.
            resident_pages: number(24).unwrap_or(0),
        })
    }

    /// Tells whether it has ended and only waits to be asked how. A process whose first thread
    /// ended before the others looks like that too, but has more than one.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }
}

/// Returns the host's name.
pub(super) fn host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// Returns the inode of the pidfd of whoever has this number now, where the kernel gives one.
pub(super) fn inode_of(pid: u32) -> Option<u64> {
    pidfd_inode(&open(pid).ok()??)
}

fn open(pid: u32) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    unless_in_want(pidfd_open(pid, PidfdFlags::empty()))
}

fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// Returns the inode of a pidfd, where the kernel gives one.
pub(super) fn pidfd_inode(pidfd: &impl AsFd) -> Option<u64> {
    let is_pidfs = rustix::fs::fstatfs(pidfd)
        .is_ok_and(|fs| u64::try_from(fs.f_type).is_ok_and(|magic| magic == PIDFS_MAGIC));
    is_pidfs.then(|| rustix::fs::fstat(pidfd).map(|stat| stat.st_ino).ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "these tests start processes of their own")]

    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A process that waits for its standard input to close.
    fn waiting() -> Child {
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn names_with_brackets_blanks_and_newlines_do_not_shift_the_fields() {
        let line =
            b"77 (a) R 9 (b\n) S 12 77 70 0 -1 4194560 1 2 3 4 50 60 7 8 20 0 1 0 4242 99 33 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(
            stat,
            Stat {
                state: b'S',
                parent: 12,
                group: 77,
                session: 70,
                own_ms: 1_100,
                waited_ms: 150,
                threads: 1,
                start_ticks: 4242,
                resident_pages: 33
            }
        );
        for torn in ["", "77 (cat", "77 (cat)", "77 (cat) S 1 2", "77 (cat) S x 2 3 4 5"] {
            assert_eq!(Stat::parse(torn.as_bytes()), None, "{torn}");
        }
    }

    #[test]
    fn a_process_is_itself_and_no_other() {
        let mut child = waiting();
        let identity = identify(child.id()).unwrap();
        assert!(is_alive(&identity));
        assert_eq!(identify(child.id()).unwrap(), identity);

        let boot_id = crate::domain::moment::BootId(identity.boot_id.0 ^ 1);
        let others = [
            ProcessIdentity { start_ticks: identity.start_ticks + 1, ..identity.clone() },
            ProcessIdentity { boot_id, ..identity.clone() },
            ProcessIdentity { pidfd_inode: Some(1), ..identity.clone() },
            ProcessIdentity { pid: std::process::id(), ..identity.clone() },
            ProcessIdentity { pidfd_inode: None, host: "elsewhere".into(), ..identity.clone() },
            ProcessIdentity { pid: 0, ..identity.clone() },
            ProcessIdentity { pid: u32::MAX, ..identity.clone() },
        ];
        for other in &others[usize::from(identity.pidfd_inode.is_none())..] {
            // Without pidfs the inode says nothing, and the third stands for the process itself.
            if identity.pidfd_inode.is_none() && other.pidfd_inode == Some(1) {
                continue;
            }
            assert!(!is_alive(other), "{other:?}");
            assert!(!signal(other, Signal::KILL), "{other:?}");
        }
        assert!(is_alive(&identity), "none of the signals reached it");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!is_alive(&identity));
    }

    #[tokio::test]
    async fn a_zombie_is_not_alive() {
        let mut child = waiting();
        let identity = identify(child.id()).unwrap();
        drop(child.stdin.take());
        ended(&identity).await;
        let stat = Stat::of(child.id()).unwrap();
        assert!(stat.unwrap().is_over(), "nobody has asked how it ended yet");
        assert!(!is_alive(&identity));
        assert_eq!(identify(child.id()), None);
        child.wait().unwrap();
    }

    #[test]
    fn a_system_in_want_is_told_from_a_process_that_is_not_there() {
        for want in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert!(unless_in_want::<()>(Err(want)).is_err(), "{want}");
        }
        for absent in [Errno::NOENT, Errno::SRCH, Errno::INVAL, Errno::NOSYS, Errno::ACCESS] {
            assert_eq!(unless_in_want::<()>(Err(absent)).unwrap(), None, "{absent}");
        }
    }
}
