//! Ends a worker together with everything it started, and proves that nothing of it remains.
//!
//! A worker leads a session of its own. While its leader can be seen (running, or ended and not
//! waited for) its number is nobody else's, and whoever is in the session or group of that number
//! belongs to it. What left the session is recognised by what it inherited: the worker's lock,
//! opened for writing, or the nonce in its environment; and children of any of these
//! belong to it too. Only a process that left the session, closed its files, changed its
//! environment and lost its parent escapes; keeping such a one takes a cgroup.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};
use tokio::time::{sleep, timeout};

use super::folder::{LOCK_NAME, NONCE_VARIABLE};
use super::process::{self, Stat};
use crate::clock;
use crate::domain::worker::ProcessIdentity;

/// How long the kernel may take to carry out a KILL.
const KILL_MS_MAX: u64 = 5_000;
/// How soon processes are looked for again when none could be waited for.
const LOOK_AGAIN_MS: u64 = 10;
/// `O_ACCMODE` and `O_RDWR` as `/proc/PID/fdinfo` prints them in octal. Whoever only looks whether
/// the lock is held opens it for reading.
const ACCESS_MODE: u32 = 0o3;
const READ_AND_WRITE: u32 = 0o2;

/// What tells the processes of one worker from all others.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The worker's own process.
    pub leader: ProcessIdentity,
    /// The nonce of its attempt, which its environment holds.
    pub nonce: String,
    /// The lock that it holds.
    pub lock_path: PathBuf,
}

/// What came of stopping a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// No process of it remains.
    Gone,
    /// These processes of it could not be ended.
    Survivors(Vec<u32>),
}

/// Ends every process of a worker: TERM, after `grace_ms` KILL. It comes back as soon as nothing
/// remains, and at the latest 5 s after the KILL.
pub async fn stop(tree: &Tree, grace_ms: u64) -> Stopped {
    let gently = rounds(tree, Signal::TERM);
    if timeout(Duration::from_millis(grace_ms), gently).await.is_ok() {
        return Stopped::Gone;
    }
    let for_certain = rounds(tree, Signal::KILL);
    if timeout(Duration::from_millis(KILL_MS_MAX), for_certain).await.is_ok() {
        return Stopped::Gone;
    }
    match members(tree) {
        left if left.is_empty() => Stopped::Gone,
        left => Stopped::Survivors(left.into_keys().collect()),
    }
}

/// Signals every process of a worker, waits until they have ended, and looks for what they
/// started meanwhile, until nothing is left.
async fn rounds(tree: &Tree, signal: Signal) {
    loop {
        let members = members(tree);
        if members.is_empty() {
            return;
        }
        let mut pidfds = Vec::with_capacity(members.len());
        for (pid, start_ticks) in members {
            let Some(pidfd) = process::open_started_at(pid, start_ticks) else { continue };
            // A failure shows in the next round: the process is still there.
            let _ = pidfd_send_signal(&pidfd, signal);
            if signal != Signal::KILL {
                // One that was stopped hears of it only when it goes on.
                let _ = pidfd_send_signal(&pidfd, Signal::CONT);
            }
            pidfds.push(pidfd);
        }
        if pidfds.is_empty() {
            // They ended just now, or this process is out of file descriptors for a while.
            sleep(Duration::from_millis(LOOK_AGAIN_MS)).await;
        }
        for pidfd in pidfds {
            process::until_ended(pidfd).await;
        }
    }
}

/// Finds the living processes of a worker: their numbers and start ticks.
fn members(tree: &Tree) -> BTreeMap<u32, u64> {
    let leader = &tree.leader;
    if leader.boot_id != clock::boot_id() {
        return BTreeMap::new();
    }
    let is_there =
        || Stat::of(leader.pid).is_some_and(|stat| stat.start_ticks == leader.start_ticks);
    let was_there = is_there();
    let later: BTreeMap<u32, Stat> = process::all()
        .filter(|(pid, stat)| stat.start_ticks >= leader.start_ticks && *pid != std::process::id())
        .collect();
    let marks = Marks::of(tree);
    let mut found: BTreeSet<u32> = later.keys().copied().filter(|pid| marks.are_on(*pid)).collect();

    let is_inside = |stat: &Stat| stat.session == leader.pid || stat.group == leader.pid;
    // Somebody inside keeps the leader's number from being given away as well as the leader does.
    if (was_there && is_there()) || found.iter().any(|pid| is_inside(&later[pid])) {
        found.extend(later.iter().filter(|(_, stat)| is_inside(stat)).map(|(pid, _)| *pid));
    }
    loop {
        let children: Vec<u32> = later
            .iter()
            .filter(|(pid, stat)| found.contains(&stat.parent) && !found.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if children.is_empty() {
            break;
        }
        found.extend(children);
    }
    later
        .into_iter()
        .filter(|(pid, stat)| found.contains(pid) && !stat.is_over())
        .map(|(pid, stat)| (pid, stat.start_ticks))
        .collect()
}

/// What the processes of a worker inherit from it.
struct Marks {
    owner: u32,
    variable: Vec<u8>,
    /// Device and inode of its lock.
    lock: Option<(u64, u64)>,
}

impl Marks {
    fn of(tree: &Tree) -> Self {
        Self {
            owner: rustix::process::geteuid().as_raw(),
            variable: format!("{NONCE_VARIABLE}={}", tree.nonce).into_bytes(),
            lock: fs::symlink_metadata(&tree.lock_path).ok().map(|lock| (lock.dev(), lock.ino())),
        }
    }

    fn are_on(&self, pid: u32) -> bool {
        fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == self.owner)
            && (self.are_in_environment(pid) || self.is_lock_held_by(pid))
    }

    fn are_in_environment(&self, pid: u32) -> bool {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
            environment.split(|byte| *byte == 0).any(|variable| variable == self.variable)
        })
    }

    fn is_lock_held_by(&self, pid: u32) -> bool {
        let Some(lock) = self.lock else { return false };
        let is_open = |number: &OsStr| {
            let descriptor = Path::new("/proc").join(pid.to_string()).join("fd").join(number);
            // The name is looked at first: what lies behind another one may hang.
            fs::read_link(&descriptor).is_ok_and(|file| file.ends_with(LOCK_NAME))
                && fs::metadata(&descriptor).is_ok_and(|file| (file.dev(), file.ino()) == lock)
                && is_for_writing(pid, number)
        };
        fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| is_open(&entry.file_name()))
    }
}

fn is_for_writing(pid: u32, descriptor: &OsStr) -> bool {
    let info = Path::new("/proc").join(pid.to_string()).join("fdinfo").join(descriptor);
    fs::read_to_string(info).is_ok_and(|info| {
        info.lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
            .is_some_and(|flags| flags & ACCESS_MODE == READ_AND_WRITE)
    })
}
