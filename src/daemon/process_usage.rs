//! What workers use, all of them in one look: processor time, memory, processes.
//!
//! Every process of the host is read once, whoever it belongs to; then each is given to the worker
//! that it descends from, or whose session it is in. A look at a thousand workers costs little more
//! than one at a single worker, so there is no reason to look at one alone.

use std::collections::HashMap;
use std::io;

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::process::{self, Stat};
use crate::clock;
use crate::domain::worker::ProcessIdentity;

/// A worker to look at.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// Its process.
    pub leader: &'a ProcessIdentity,
    /// The keeper it is below, where it is one of ours: all below that is the worker's too.
    pub keeper: Option<&'a ProcessIdentity>,
}

/// What a worker uses with everything that it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in milliseconds: of its living processes, and of those that were waited for.
    /// It shrinks when a process ends that nobody waits for.
    pub cpu_ms: u64,
    /// Resident memory in bytes. What processes share counts for each of them.
    pub memory_bytes: u64,
    /// How many processes it has; those that have ended do not count.
    pub processes: u32,
    /// How many threads these have together.
    pub threads: u64,
    /// The state letter of the worker's own process: `R` and `S`, `T` (stopped), `D` (waits for a
    /// device and hears no signal), `Z` (ended, and nobody has asked how), ...; `None` when it is
    /// gone and only something that it started is left.
    pub state: Option<char>,
}

/// Returns what each worker uses, in the order given; `None` for those of which nothing is left.
///
/// # Errors
/// The processes of the host cannot be looked at now: nothing can be said of any worker.
pub fn usage(watched: &[Watched<'_>]) -> io::Result<Vec<Option<Usage>>> {
    Ok(usage_among(&process::all()?, watched))
}

/// What the host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Memory in bytes that can still be given out without swapping.
    pub memory_available_bytes: u64,
}

/// Returns what the host has now; `None` where that cannot be told. When there is next to no
/// memory left, everybody is slow, and that is nobody's fault.
pub fn host() -> Option<Host> {
    let memory = MemoryRefreshKind::nothing().with_ram();
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(memory)).ok()?;
    Some(Host {
        memory_bytes: system.total_memory(),
        memory_available_bytes: system.available_memory(),
    })
}

fn usage_among(processes: &[(u32, Stat)], watched: &[Watched<'_>]) -> Vec<Option<Usage>> {
    let page_bytes = rustix::param::page_size() as u64;
    let by_pid: HashMap<u32, usize> =
        processes.iter().enumerate().map(|(at, (pid, _))| (*pid, at)).collect();
    let find = |identity: &ProcessIdentity| {
        let at = *by_pid.get(&identity.pid)?;
        let is_it = identity.boot_id == clock::boot_id()
            && processes[at].1.start_ticks == identity.start_ticks;
        is_it.then_some(at)
    };
    let mut usage: Vec<Option<Usage>> = vec![None; watched.len()];
    // Which worker each process belongs to, as far as that is known by now.
    let mut owners = vec![Owner::Unknown; processes.len()];
    let mut sessions = HashMap::new();
    for (worker, Watched { leader, keeper }) in watched.iter().enumerate() {
        if let Some(at) = find(leader) {
            owners[at] = Owner::Worker(worker);
            sessions.insert(leader.pid, worker);
            usage[worker].get_or_insert_with(Usage::none).state =
                Some(char::from(processes[at].1.state));
        }
        if let Some(at) = keeper.and_then(find) {
            owners[at] = Owner::KeeperOf(worker);
        }
    }
    let mut path = Vec::new();
    for start in 0..processes.len() {
        let mut at = start;
        let owner = loop {
            match owners[at] {
                Owner::Unknown => {}
                Owner::KeeperOf(worker) if at != start => break Some(worker),
                Owner::Worker(worker) => break Some(worker),
                Owner::KeeperOf(_) | Owner::Nobody => break None,
            }
            let stat = &processes[at].1;
            if let Some(worker) = sessions.get(&stat.session) {
                break Some(*worker);
            }
            path.push(at);
            // Nobody is younger than its child; a number that was given away meanwhile may be.
            let parent = by_pid.get(&stat.parent).copied();
            match parent.filter(|up| processes[*up].1.start_ticks <= stat.start_ticks) {
                Some(parent) if path.len() <= processes.len() => at = parent,
                Some(_) | None => break None,
            }
        };
        for passed in path.drain(..) {
            owners[passed] = owner.map_or(Owner::Nobody, Owner::Worker);
        }
        if let Some(worker) = owner {
            usage[worker].get_or_insert_with(Usage::none).add(&processes[start].1, page_bytes);
        }
    }
    for (usage, Watched { keeper, .. }) in usage.iter_mut().zip(watched) {
        if let (Some(usage), Some(at)) = (usage, keeper.and_then(find)) {
            // What was left alone ended as a child of the keeper.
            usage.cpu_ms += processes[at].1.waited_ms;
        }
    }
    usage
}

/// Whose a process is.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Unknown,
    Nobody,
    Worker(usize),
    KeeperOf(usize),
}

impl Usage {
    fn none() -> Self {
        Self { cpu_ms: 0, memory_bytes: 0, processes: 0, threads: 0, state: None }
    }

    fn add(&mut self, stat: &Stat, page_bytes: u64) {
        self.cpu_ms += stat.own_ms + stat.waited_ms;
        if !stat.is_over() {
            self.memory_bytes += stat.resident_pages * page_bytes;
            self.processes += 1;
            self.threads += stat.threads;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(state: u8, parent: u32, session: u32, start_ticks: u64) -> Stat {
        Stat {
            state,
            parent,
            group: session,
            session,
            own_ms: 10,
            waited_ms: 1,
            threads: 1,
            start_ticks,
            resident_pages: 2,
        }
    }

    fn identity(pid: u32, start_ticks: u64) -> ProcessIdentity {
        let (host, boot_id) = (String::new(), clock::boot_id());
        ProcessIdentity { host, boot_id, pid, start_ticks, pidfd_inode: None }
    }

    #[test]
    fn each_process_counts_once_for_the_worker_it_belongs_to() {
        let processes = [
            (1, stat(b'S', 0, 1, 0)),
            // A keeper, its worker, a child, a grandchild in a session of its own, one left alone.
            (50, stat(b'S', 1, 50, 5)),
            (60, stat(b'T', 50, 60, 6)),
            (61, stat(b'R', 60, 60, 7)),
            (62, stat(b'Z', 61, 62, 8)),
            (63, stat(b'R', 50, 63, 9)),
            // Seems to descend from 61, but is older.
            (70, stat(b'R', 61, 70, 3)),
            // Somebody else's worker without a session, and its child.
            (80, stat(b'D', 1, 1, 6)),
            (81, stat(b'R', 80, 1, 7)),
            // A worker that is gone has left somebody below its keeper.
            (90, stat(b'S', 1, 90, 5)),
            (92, stat(b'S', 90, 92, 6)),
        ];
        let [leader, keeper] = [identity(60, 6), identity(50, 5)];
        let [stranger, reused] = [identity(80, 6), identity(81, 99)];
        let [gone, left] = [identity(91, 6), identity(90, 5)];
        let found = usage_among(
            &processes,
            &[
                Watched { leader: &leader, keeper: Some(&keeper) },
                Watched { leader: &stranger, keeper: None },
                Watched { leader: &reused, keeper: None },
                Watched { leader: &gone, keeper: Some(&left) },
            ],
        );
        let pages = |count: u64| count * 2 * rustix::param::page_size() as u64;
        let usage = |cpu_ms, living: u32, state| {
            let threads = u64::from(living);
            Some(Usage { cpu_ms, memory_bytes: pages(threads), processes: living, threads, state })
        };
        assert_eq!(found[0], usage(4 * 11 + 1, 3, Some('T')), "and what the keeper waited for");
        assert_eq!(found[1], usage(2 * 11, 2, Some('D')));
        assert_eq!(found[2], None, "another process has its number");
        assert_eq!(found[3], usage(11 + 1, 1, None));
    }

    #[test]
    fn the_host_has_memory() {
        let host = host().unwrap();
        assert!(host.memory_bytes > 0 && host.memory_available_bytes <= host.memory_bytes);
    }
}
