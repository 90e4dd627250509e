//! Ends a worker together with everything it started, and proves that nothing of it remains.
//!
//! Every worker has a keeper, which is a subreaper: whoever descends from the keeper is the
//! worker's, whatever it did to get away. Where the kernel lets us, a control group says the same.
//! Where the keeper was killed and there is no such group, others signs are left. A worker leads a
//! session of its own: while its leader can be seen (running, or ended and not waited for) its
//! number is nobody else's, and whoever is in the session or group of that number belongs to it.
//! What left the session is recognised by what it inherited: the worker's lock, opened for
//! writing, or the nonce in its environment. Children of any of these belong to it too.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};
use tokio::time::{sleep, timeout};

use super::cgroup;
use super::children::Child;
use super::folder::{self, LOCK_NAME, NONCE_VARIABLE};
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
    leader: ProcessIdentity,
    /// Everything below it is the worker's, except itself.
    keeper: Option<ProcessIdentity>,
    marks: Option<Marks>,
    cgroup: Option<PathBuf>,
    /// Processes that are known to belong to it, by their numbers.
    known: BTreeMap<u32, Known>,
}

/// What tells a process that was found from one that gets its number later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    start_ticks: u64,
    /// The inode of its pidfd, where the kernel gives one and it was opened.
    inode: Option<u64>,
}

impl Known {
    /// Tells whether the process of this number is still the one that was found.
    fn is_still(self, pid: u32, stat: &Stat) -> bool {
        let is_twin = || {
            let found = self.inode.and_then(|_| process::inode_of(pid));
            found.is_some_and(|found| Some(found) != self.inode)
        };
        stat.start_ticks == self.start_ticks && !is_twin()
    }
}

impl Tree {
    /// Describes a worker of ours: by its keeper, by the nonce in its environment and the lock it
    /// holds, and by its control group.
    pub(super) fn of_worker(
        leader: ProcessIdentity,
        keeper: Option<ProcessIdentity>,
        nonce: &str,
        lock_path: &Path,
        cgroup: Option<PathBuf>,
    ) -> Self {
        let marks = Some(Marks::of(nonce, &leader, lock_path));
        Self { leader, keeper, marks, cgroup, known: BTreeMap::new() }
    }

    /// Describes a process that Baton did not start: itself, what descends from it, and the
    /// session that it leads, if it leads one.
    pub fn of_stranger(leader: ProcessIdentity) -> Self {
        Self { leader, keeper: None, marks: None, cgroup: None, known: BTreeMap::new() }
    }

    /// Adds processes that are known to belong to it.
    pub(super) fn add(&mut self, children: Vec<Child>) {
        let known = |child: Child| Known { start_ticks: child.start_ticks, inode: None };
        self.known.extend(children.into_iter().map(|child| (child.pid, known(child))));
    }
}

/// What came of stopping a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// No process of it remains.
    Gone,
    /// These processes of it could not be ended.
    Survivors(Vec<u32>),
}

/// Ends every process of a tree: TERM, after `grace_ms` KILL. It comes back as soon as nothing
/// remains, and at the latest 5 s after the KILL. Whether it may is the caller's to know.
pub async fn stop(tree: &Tree, grace_ms: u64) -> Stopped {
    let mut tree = tree.clone();
    let gently = rounds(&mut tree, Signal::TERM);
    if timeout(Duration::from_millis(grace_ms), gently).await.is_ok() {
        return Stopped::Gone;
    }
    let for_certain = rounds(&mut tree, Signal::KILL);
    if timeout(Duration::from_millis(KILL_MS_MAX), for_certain).await.is_ok() {
        return Stopped::Gone;
    }
    look(&tree)
}

/// Says which processes of a tree live, and signals none.
pub(super) fn look(tree: &Tree) -> Stopped {
    match members(tree) {
        Ok(left) if left.is_empty() => Stopped::Gone,
        Ok(left) => Stopped::Survivors(left.into_keys().collect()),
        // What nobody can look at is not proven gone.
        Err(_) => Stopped::Survivors(vec![tree.leader.pid]),
    }
}

/// Tells whether any process of a tree lives, or may live because nobody can look now.
pub(super) fn remains(tree: &Tree) -> bool {
    look(tree) != Stopped::Gone
}

/// Signals every process of a tree, waits until they have ended, and looks for what they started
/// meanwhile, until nothing is left.
async fn rounds(tree: &mut Tree, signal: Signal) {
    loop {
        if let Some(leaf) = tree.cgroup.as_deref().filter(|_| signal == Signal::KILL) {
            // It reaches all at once, so that none can start another one meanwhile.
            cgroup::kill(leaf);
        }
        let Ok(members) = members(tree) else {
            sleep(Duration::from_millis(LOOK_AGAIN_MS)).await;
            continue;
        };
        if members.is_empty() {
            return;
        }
        let mut pidfds = Vec::with_capacity(members.len());
        for (pid, start_ticks) in members {
            // Whoever loses its parent now is known all the same.
            let known = tree.known.entry(pid).or_insert(Known { start_ticks, inode: None });
            if known.start_ticks != start_ticks {
                *known = Known { start_ticks, inode: None };
            }
            let Ok(Some(pidfd)) = process::open_started_at(pid, start_ticks) else { continue };
            known.inode = process::pidfd_inode(&pidfd);
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

/// Finds the living processes of a tree: their numbers and start ticks. An error means that nobody
/// can tell now.
fn members(tree: &Tree) -> io::Result<BTreeMap<u32, u64>> {
    let leader = &tree.leader;
    if leader.boot_id != clock::boot_id() {
        return Ok(BTreeMap::new());
    }
    let is_there = || -> io::Result<bool> {
        let Some(stat) = Stat::of(leader.pid)? else { return Ok(false) };
        let is_it = stat.start_ticks == leader.start_ticks;
        Ok(is_it && (stat.is_over() || process::runs(leader)?))
    };
    let keeps = || -> io::Result<Option<&ProcessIdentity>> {
        let Some(keeper) = &tree.keeper else { return Ok(None) };
        Ok(process::runs(keeper)?.then_some(keeper))
    };
    let (was_there, was_kept) = (is_there()?, keeps()?.is_some());
    let later: BTreeMap<u32, Stat> = process::all()?
        .into_iter()
        .filter(|(_, stat)| stat.start_ticks >= leader.start_ticks)
        .filter(|(pid, _)| *pid != std::process::id())
        .collect();
    let is_there = was_there && is_there()?;
    let keeper = keeps()?.filter(|_| was_kept);

    let mut found: BTreeSet<u32> = tree
        .known
        .iter()
        .filter(|(pid, known)| later.get(pid).is_some_and(|stat| known.is_still(**pid, stat)))
        .map(|(pid, _)| *pid)
        .collect();
    if is_there {
        found.insert(leader.pid);
    }
    if let Some(keeper) = keeper {
        let children = later.iter().filter(|(_, stat)| stat.parent == keeper.pid);
        found.extend(children.map(|(pid, _)| *pid));
    }
    if let Some(leaf) = &tree.cgroup {
        found.extend(cgroup::members(leaf)?.into_iter().filter(|pid| later.contains_key(pid)));
    }
    add_descendants(&mut found, &later);
    if let Some(marks) = &tree.marks {
        let marked = later.keys().copied().filter(|pid| !found.contains(pid) && marks.are_on(*pid));
        let marked: Vec<u32> = marked.collect();
        found.extend(marked);
    }
    let is_inside = |stat: &Stat| {
        // A group may hold others' processes where we did not make it.
        stat.session == leader.pid || (tree.marks.is_some() && stat.group == leader.pid)
    };
    // Somebody inside keeps the leader's number from being given away as well as the leader does.
    let is_inhabited = found.iter().filter_map(|pid| later.get(pid)).any(is_inside);
    if is_there || is_inhabited {
        found.extend(later.iter().filter(|(_, stat)| is_inside(stat)).map(|(pid, _)| *pid));
    }
    add_descendants(&mut found, &later);
    if let Some(keeper) = &tree.keeper {
        found.remove(&keeper.pid);
    }
    let left = later.into_iter().filter(|(pid, stat)| found.contains(pid) && !stat.is_over());
    Ok(left.map(|(pid, stat)| (pid, stat.start_ticks)).collect())
}

/// Adds all that descends from what was found. Nobody is younger than its child: where it seems
/// so, its number was given to another one while we looked.
fn add_descendants(found: &mut BTreeSet<u32>, all: &BTreeMap<u32, Stat>) {
    loop {
        let is_child = |pid: &u32, stat: &Stat| {
            let parent = all.get(&stat.parent).filter(|_| found.contains(&stat.parent));
            parent.is_some_and(|parent| parent.start_ticks <= stat.start_ticks)
                && !found.contains(pid)
        };
        let children: Vec<u32> =
            all.iter().filter(|(pid, stat)| is_child(pid, stat)).map(|(pid, _)| *pid).collect();
        if children.is_empty() {
            return;
        }
        found.extend(children);
    }
}

/// What the processes of a worker inherit from it.
#[derive(Debug, Clone)]
struct Marks {
    owner: u32,
    variable: Vec<u8>,
    /// Device and inode of its lock.
    lock: Option<(u64, u64)>,
}

impl Marks {
    fn of(nonce: &str, leader: &ProcessIdentity, lock_path: &Path) -> Self {
        Self {
            owner: rustix::process::geteuid().as_raw(),
            variable: format!("{NONCE_VARIABLE}={}", folder::mark(nonce, leader)).into_bytes(),
            lock: fs::symlink_metadata(lock_path).ok().map(|lock| (lock.dev(), lock.ino())),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_given_away_within_a_tick_is_another_process() {
        let pid = std::process::id();
        let stat = Stat::of(pid).unwrap().unwrap();
        let inode = process::inode_of(pid);
        let known = |start_ticks, inode| Known { start_ticks, inode };
        assert!(known(stat.start_ticks, inode).is_still(pid, &stat));
        assert!(known(stat.start_ticks, None).is_still(pid, &stat));
        assert!(!known(stat.start_ticks + 1, inode).is_still(pid, &stat));
        if let Some(inode) = inode {
            assert!(!known(stat.start_ticks, Some(inode + 1)).is_still(pid, &stat));
        }
    }
}
