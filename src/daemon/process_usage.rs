//! What workers use, all of them in one look: processor time, memory, processes.
//!
//! Every process of the host is read once, whoever it belongs to; then each is given to the worker
//! that it descends from, or whose session it is in. A look at a thousand workers costs little more
//! than one at a single worker, so there is no reason to look at one alone.

use std::collections::{BTreeSet, HashMap};
use std::fs;
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
    /// From how many bytes of memory on it is looked at closely what it shares; 0: never.
    pub memory_bytes_max: u64,
}

/// What a worker uses with everything that it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in milliseconds: of its living processes, and of those that were waited for.
    /// It shrinks when a process ends that nobody waits for.
    pub cpu_ms: u64,
    /// Resident memory in bytes. What processes share counts for each of them up to the limit, and
    /// beyond it for each its part.
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
    Ok(usage_among(&process::all()?, watched, &own_memory_of))
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

fn usage_among(
    processes: &[(u32, Stat)],
    watched: &[Watched<'_>],
    own_memory_of: &dyn Fn(u32) -> Option<u64>,
) -> Vec<Option<Usage>> {
    let page_bytes = rustix::param::page_size() as u64;
    let all = All::of(processes);
    let firsts = all.firsts(watched);
    let owners = all.owners(watched, &firsts);
    let mut usage: Vec<Option<Usage>> = vec![None; watched.len()];
    for (at, worker) in owners.iter().enumerate() {
        if let Some(worker) = *worker {
            usage[worker].get_or_insert_with(Usage::none).add(&processes[at].1, page_bytes);
        }
    }
    for (Watched { leader, keeper, .. }, first) in watched.iter().zip(&firsts) {
        if let Some(at) = all.find(leader) {
            usage[*first].get_or_insert_with(Usage::none).state =
                Some(char::from(processes[at].1.state));
        }
        if let (Some(usage), Some(at)) = (&mut usage[*first], keeper.and_then(|k| all.find(k))) {
            // What was left alone ended as a child of the keeper.
            usage.cpu_ms += processes[at].1.waited_ms;
        }
    }
    let is_over = |watched: &Watched<'_>, usage: Option<Usage>| {
        let max = watched.memory_bytes_max;
        max > 0 && usage.is_some_and(|usage| usage.memory_bytes > max)
    };
    let over = watched.iter().zip(&firsts).filter(|(one, first)| is_over(one, usage[**first]));
    let over: BTreeSet<usize> = over.map(|(_, first)| *first).collect();
    for worker in over {
        let own = owners.iter().enumerate().filter(|(_, owner)| **owner == Some(worker));
        let living = own.map(|(at, _)| &processes[at]).filter(|(_, stat)| !stat.is_over());
        let bytes = living.map(|(pid, stat)| {
            own_memory_of(*pid).unwrap_or_else(|| stat.resident_pages.saturating_mul(page_bytes))
        });
        let bytes = bytes.sum();
        if let Some(usage) = &mut usage[worker] {
            usage.memory_bytes = bytes;
        }
    }
    firsts.iter().map(|first| usage[*first]).collect()
}

/// Returns the memory of a process in bytes, of what it shares its part only (PSS); `None` where
/// the kernel does not say.
fn own_memory_of(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Every process of the host.
struct All<'a> {
    processes: &'a [(u32, Stat)],
    by_pid: HashMap<u32, usize>,
}

impl<'a> All<'a> {
    fn of(processes: &'a [(u32, Stat)]) -> Self {
        let by_pid = processes.iter().enumerate().map(|(at, (pid, _))| (*pid, at)).collect();
        Self { processes, by_pid }
    }

    fn find(&self, identity: &ProcessIdentity) -> Option<usize> {
        let at = *self.by_pid.get(&identity.pid)?;
        let is_it = identity.boot_id == clock::boot_id()
            && self.processes[at].1.start_ticks == identity.start_ticks;
        is_it.then_some(at)
    }

    /// Returns for each worker the first one with the same process: what that uses is used for all
    /// of them.
    fn firsts(&self, watched: &[Watched<'_>]) -> Vec<usize> {
        let mut known = HashMap::new();
        let first = |(worker, watched): (usize, &Watched<'_>)| match self.find(watched.leader) {
            Some(at) => *known.entry(at).or_insert(worker),
            None => worker,
        };
        watched.iter().enumerate().map(first).collect()
    }

    /// Returns which worker each process belongs to.
    fn owners(&self, watched: &[Watched<'_>], firsts: &[usize]) -> Vec<Option<usize>> {
        // As far as that is known by now.
        let mut owners = vec![Owner::Unknown; self.processes.len()];
        let mut sessions = HashMap::new();
        for (Watched { leader, keeper, .. }, first) in watched.iter().zip(firsts) {
            if let Some(at) = self.find(leader) {
                owners[at] = Owner::Worker(*first);
                sessions.insert(leader.pid, *first);
            }
            if let Some(at) = keeper.and_then(|keeper| self.find(keeper)) {
                owners[at] = Owner::KeeperOf(*first);
            }
        }
        let mut found = Vec::with_capacity(owners.len());
        let mut path = Vec::new();
        for start in 0..self.processes.len() {
            let mut at = start;
            let owner = loop {
                match owners[at] {
                    Owner::Unknown => {}
                    Owner::KeeperOf(worker) if at != start => break Some(worker),
                    Owner::Worker(worker) => break Some(worker),
                    Owner::KeeperOf(_) | Owner::Nobody => break None,
                }
                let stat = &self.processes[at].1;
                if let Some(worker) = sessions.get(&stat.session) {
                    break Some(*worker);
                }
                path.push(at);
                // Nobody is younger than its child; a number that was given away meanwhile may be.
                let parent = self.by_pid.get(&stat.parent).copied();
                let is_older = |up: &usize| self.processes[*up].1.start_ticks <= stat.start_ticks;
                match parent.filter(is_older) {
                    Some(parent) if path.len() <= self.processes.len() => at = parent,
                    Some(_) | None => break None,
                }
            };
            for passed in path.drain(..) {
                owners[passed] = owner.map_or(Owner::Nobody, Owner::Worker);
            }
            found.push(owner);
        }
        found
    }
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

    fn one<'a>(leader: &'a ProcessIdentity, keeper: Option<&'a ProcessIdentity>) -> Watched<'a> {
        Watched { leader, keeper, memory_bytes_max: 0 }
    }

    #[test]
    fn what_several_workers_name_is_used_for_all_of_them() {
        let processes = [(60, stat(b'R', 1, 60, 6)), (61, stat(b'R', 60, 60, 7))];
        let leader = identity(60, 6);
        let found = usage_among(&processes, &[one(&leader, None), one(&leader, None)], &|_| None);
        assert_eq!(found[0].unwrap().cpu_ms, 2 * 11);
        assert_eq!(found[0], found[1]);
    }

    #[test]
    fn beyond_the_limit_what_is_shared_counts_once() {
        let processes = [(60, stat(b'R', 1, 60, 6)), (61, stat(b'R', 60, 60, 7))];
        let leader = identity(60, 6);
        let rough = 4 * rustix::param::page_size() as u64;
        let memory = |memory_bytes_max| {
            let watched = Watched { memory_bytes_max, ..one(&leader, None) };
            let found = usage_among(&processes, &[watched], &|pid| (pid == 60).then_some(7));
            found[0].unwrap().memory_bytes
        };
        assert_eq!(memory(0), rough, "there is no limit");
        assert_eq!(memory(rough), rough, "it is kept");
        assert_eq!(memory(rough - 1), 7 + rough / 2, "of one of them the kernel says nothing");
        assert!(own_memory_of(std::process::id()).unwrap() > 0);
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
                one(&leader, Some(&keeper)),
                one(&stranger, None),
                one(&reused, None),
                one(&gone, Some(&left)),
            ],
            &|_| None,
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
