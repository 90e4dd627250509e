//! Asks children how they ended: those that were started here, and those that came to this process
//! by the death of one in between.
//!
//! Keeper and holder are subreapers: what loses its parent below them becomes their child, and a
//! child that nobody asks stays in the table of processes for ever.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fs;

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};
use tokio::sync::oneshot;

use super::holder::log;
use super::process::{self, Stat};
use crate::domain::worker::Exit;

/// Ends that nobody has asked for yet; older ones are forgotten.
const UNCLAIMED_MAX: usize = 256;

/// What tells a child from every other this process ever had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Child {
    pub(super) pid: u32,
    pub(super) start_ticks: u64,
}

impl Child {
    /// Finds a child that nobody has asked how it ended: its number is nobody else's.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let stat = Stat::of(pid).ok()??;
        (stat.parent == std::process::id()).then_some(Self { pid, start_ticks: stat.start_ticks })
    }
}

/// The children of this process whose ends somebody wants to know.
#[derive(Debug, Default)]
pub(super) struct Children {
    waiting: RefCell<BTreeMap<Child, oneshot::Sender<Exit>>>,
    unclaimed: RefCell<VecDeque<(Child, Exit)>>,
}

impl Children {
    /// Returns how a child ends, now or later. An error means that nobody will say: it is no child
    /// of this process, or was asked before.
    pub(super) fn end_of(&self, child: Child) -> oneshot::Receiver<Exit> {
        let (tell, told) = oneshot::channel();
        let mut unclaimed = self.unclaimed.borrow_mut();
        if let Some(at) = unclaimed.iter().position(|(ended, _)| *ended == child) {
            let (_, exit) = unclaimed.remove(at).expect("it was found just now");
            let _ = tell.send(exit);
        } else if Child::of(child.pid) == Some(child) {
            self.waiting.borrow_mut().insert(child, tell);
        }
        told
    }

    /// Asks every child that has ended, and tells who waits for it.
    pub(super) fn reap(&self) {
        for (child, exit) in reap(None) {
            if let Some(tell) = self.waiting.borrow_mut().remove(&child) {
                // Whoever asked may have lost interest.
                let _ = tell.send(exit);
                continue;
            }
            let mut unclaimed = self.unclaimed.borrow_mut();
            if unclaimed.len() == UNCLAIMED_MAX {
                unclaimed.pop_front();
            }
            unclaimed.push_back((child, exit));
        }
    }
}

/// Asks every child that has ended, and so removes it; the one that is spared stays.
pub(super) fn reap(spared: Option<u32>) -> Vec<(Child, Exit)> {
    let mut ended = Vec::new();
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while let Ok(Some(_)) = waitid(WaitId::All, look) {
        let before = ended.len();
        ended.extend(listed().into_iter().filter(|pid| Some(*pid) != spared).filter_map(asked));
        if ended.len() == before {
            // The list may lack some when others end at the same time; a whole look does not.
            ended.extend(all().into_iter().filter(|pid| Some(*pid) != spared).filter_map(asked));
        }
        if ended.len() == before {
            break;
        }
    }
    ended
}

/// Returns how a child ended, without asking it for good; `None` while it runs.
pub(super) fn peek(pid: u32) -> Option<Exit> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(raw(pid)?), options).ok()??;
    Some(exit_of(&status))
}

/// Lists the children of this process, ended ones too; none while the system lacks what a look
/// takes, which the log tells.
pub(super) fn all() -> Vec<u32> {
    let own = std::process::id();
    let all = process::all().unwrap_or_else(|error| {
        log(format_args!("cannot look at its children: {error}"));
        Vec::new()
    });
    all.into_iter().filter(|(_, stat)| stat.parent == own).map(|(pid, _)| pid).collect()
}

/// As [`all`], for less; some may be missing while others end.
pub(super) fn listed() -> Vec<u32> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

fn asked(pid: u32) -> Option<(Child, Exit)> {
    // Most have not ended, and that is told for less than who they are.
    peek(pid)?;
    let child = Child::of(pid)?;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let status = waitid(WaitId::Pid(raw(pid)?), options).ok()??;
    Some((child, exit_of(&status)))
}

fn raw(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

fn exit_of(status: &WaitIdStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}
