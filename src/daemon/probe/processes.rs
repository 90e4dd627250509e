//! What is known of the processes of workers: whether they are there, and what they use.

use std::io;

use crate::clock;
use crate::daemon::process::{self, Stat};
use crate::daemon::process_usage::{self, Usage, Watched};
use crate::daemon::spec_process;
use crate::domain::evidence::ProcessState;
use crate::domain::spec::SpecSeen;
use crate::domain::worker::ProcessIdentity;

/// A process that carries out a worker's task, as far as anybody says which.
#[derive(Debug, Clone)]
pub(super) struct Carrier {
    /// The process itself.
    pub(super) identity: ProcessIdentity,
    /// The keeper above it, where it is one of ours.
    pub(super) keeper: Option<ProcessIdentity>,
    /// How much memory its worker may hold; 0: any.
    pub(super) memory_bytes_max: u64,
}

/// What all processes of one worker come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Processes {
    pub(super) state: ProcessState,
    /// `None` where no process could be looked at.
    pub(super) cpu_ms: Option<u64>,
    pub(super) memory_bytes: u64,
    /// How many there are, each counted with its threads as the kernel does.
    pub(super) count: u64,
}

/// Looks at all processes of the host once and says how those of each worker are, in the order
/// given. A worker may have several carriers, or none that anybody knows of.
///
/// # Errors
/// They cannot be looked at now.
pub(super) fn look_at<'a>(workers: &'a [Vec<Carrier>]) -> io::Result<Vec<Processes>> {
    let carriers: Vec<&'a Carrier> = workers.iter().flatten().collect();
    if carriers.is_empty() {
        return Ok(vec![Processes::default(); workers.len()]);
    }
    let watched = |carrier: &&'a Carrier| Watched {
        leader: &carrier.identity,
        keeper: carrier.keeper.as_ref(),
        memory_bytes_max: carrier.memory_bytes_max,
    };
    let watched: Vec<Watched<'_>> = carriers.iter().map(watched).collect();
    let mut usage = process_usage::usage(&watched)?.into_iter();
    let mut of_worker = |carriers: &Vec<Carrier>| {
        let each = carriers.iter().map(|carrier| {
            let usage = usage.next().flatten();
            one(carrier, usage)
        });
        each.reduce(Processes::with).unwrap_or_default()
    };
    Ok(workers.iter().map(&mut of_worker).collect())
}

impl Processes {
    /// Says what can be said of specs that name no process for certain, beside those of the same
    /// worker that do.
    pub(super) fn of_unpinned(specs: &[SpecSeen], pinned: Option<Self>) -> Self {
        let unpinned = specs
            .iter()
            .map(|spec| Self { state: spec_process::state_of(spec), ..Self::default() });
        pinned.into_iter().chain(unpinned).reduce(Self::with).unwrap_or_default()
    }

    /// Adds another carrier of the same worker: one that lives proves that the worker does, and
    /// one that nobody can see keeps it from being gone.
    fn with(self, other: Self) -> Self {
        let rank = |state: ProcessState| match state {
            ProcessState::Running => 4,
            ProcessState::Uninterruptible => 3,
            ProcessState::Stopped => 2,
            ProcessState::Unverifiable => 1,
            ProcessState::Gone => 0,
        };
        let cpu_ms = match (self.cpu_ms, other.cpu_ms) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        };
        let is_stronger = rank(self.state) >= rank(other.state);
        Self {
            state: if is_stronger { self.state } else { other.state },
            cpu_ms,
            memory_bytes: self.memory_bytes + other.memory_bytes,
            count: self.count + other.count,
        }
    }
}

fn one(carrier: &Carrier, usage: Option<Usage>) -> Processes {
    let identity = &carrier.identity;
    let is_here = identity.host == process::host();
    // Only of what would be seen here it means something that it is not.
    let unseen = if is_here { ProcessState::Gone } else { ProcessState::Unverifiable };
    let nobody = Processes { state: unseen, ..Processes::default() };
    if identity.boot_id != clock::boot_id() {
        return nobody;
    }
    // Whoever is missing on a list is asked for by itself before it counts as gone.
    let missed = || if is_here { process::state(identity) } else { unseen };
    let Some(usage) = usage else { return Processes { state: missed(), ..nobody } };
    // Whoever is below its keeper is no twin; of others the number may be that of one.
    let inode = || identity.pidfd_inode.and_then(|_| process::inode_of(identity.pid));
    let found = if carrier.keeper.is_some() { None } else { inode() };
    let is_it = match (identity.pidfd_inode, found) {
        (Some(known), Some(found)) => known == found,
        (Some(_) | None, Some(_) | None) => is_here,
    };
    let state = match usage.state {
        Some(letter) if is_it => state_of(identity.pid, letter),
        Some(_) => return nobody,
        None => missed(),
    };
    Processes {
        state,
        cpu_ms: Some(usage.cpu_ms),
        memory_bytes: usage.memory_bytes,
        count: usage.threads,
    }
}

fn state_of(pid: u32, letter: char) -> ProcessState {
    match letter {
        'T' | 't' => ProcessState::Stopped,
        'D' => ProcessState::Uninterruptible,
        // Its first thread may have ended before the others.
        'Z' | 'X' | 'x' => match Stat::of(pid) {
            Ok(Some(stat)) if !stat.is_over() => ProcessState::Running,
            Ok(_) => ProcessState::Gone,
            Err(_) => ProcessState::Unverifiable,
        },
        _ => ProcessState::Running,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "these tests start processes of their own")]

    use super::*;
    use crate::domain::moment::BootId;
    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
    use std::io::{Read, Write};
    use std::process::{Child, Command, Stdio};

    /// A process that is up and waits for its standard input to close.
    fn waiting() -> (Child, ProcessIdentity) {
        let mut cat = Command::new("cat");
        let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let identity = process::identify(child.id()).unwrap();
        (child, identity)
    }

    fn carrier(identity: &ProcessIdentity) -> Carrier {
        Carrier { identity: identity.clone(), keeper: None, memory_bytes_max: 0 }
    }

    fn state(identity: &ProcessIdentity) -> ProcessState {
        look_at(&[vec![carrier(identity)]]).unwrap()[0].state
    }

    #[test]
    fn a_process_is_seen_to_run_to_stop_and_to_be_gone() {
        let (mut child, identity) = waiting();
        let pid = Pid::from_child(&child);
        let seen = look_at(&[Vec::new(), vec![carrier(&identity)]]).unwrap();
        assert_eq!(seen[0], Processes::default());
        assert_eq!((seen[1].state, seen[1].count), (ProcessState::Running, 1));
        assert!(seen[1].memory_bytes > 0 && seen[1].cpu_ms.is_some());

        kill_process(pid, Signal::STOP).unwrap();
        waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT).unwrap();
        assert_eq!(state(&identity), ProcessState::Stopped);

        kill_process(pid, Signal::KILL).unwrap();
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        assert_eq!(state(&identity), ProcessState::Gone, "nobody has asked how it ended yet");
        child.wait().unwrap();
        assert_eq!(look_at(&[vec![carrier(&identity)]]).unwrap()[0].cpu_ms, None);
        assert_eq!(state(&identity), ProcessState::Gone);
    }

    #[test]
    fn what_is_elsewhere_cannot_be_seen_and_what_was_is_gone() {
        let (mut child, identity) = waiting();
        let elsewhere = || "elsewhere".to_owned();
        let other_boot = BootId(identity.boot_id.0 ^ 1);
        let of = |change: &dyn Fn(&mut ProcessIdentity)| {
            let mut identity = identity.clone();
            change(&mut identity);
            state(&identity)
        };
        assert_eq!(of(&|id| id.start_ticks += 1), ProcessState::Gone);
        assert_eq!(of(&|id| id.boot_id = other_boot), ProcessState::Gone, "a reboot ended it");
        for far in [
            of(&|id| (id.host, id.boot_id) = (elsewhere(), other_boot)),
            of(&|id| (id.host, id.pidfd_inode) = (elsewhere(), None)),
            of(&|id| (id.host, id.start_ticks) = (elsewhere(), 1)),
        ] {
            assert_eq!(far, ProcessState::Unverifiable);
        }
        if identity.pidfd_inode.is_some() {
            let twin = of(&|id| id.pidfd_inode = Some(1));
            assert_eq!(twin, ProcessState::Gone, "same number, same tick, another process");
            assert_eq!(of(&|id| id.host = elsewhere()), ProcessState::Running, "it was renamed");
        }
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn one_living_process_keeps_the_worker_alive_and_an_unseen_one_from_being_gone() {
        let with = |state, cpu_ms| Processes { state, cpu_ms, memory_bytes: 1, count: 1 };
        let gone = with(ProcessState::Gone, Some(1));
        let stopped = with(ProcessState::Stopped, Some(2));
        let unseen = with(ProcessState::Unverifiable, None);
        let both = |a: Processes, b: Processes| {
            assert_eq!(a.with(b), b.with(a));
            a.with(b)
        };
        assert_eq!(both(gone, stopped).state, ProcessState::Stopped);
        assert_eq!(both(gone, stopped).cpu_ms, Some(3));
        assert_eq!(both(gone, unseen).state, ProcessState::Unverifiable);
        assert_eq!(both(unseen, stopped).state, ProcessState::Stopped);
        assert_eq!(both(gone, gone).state, ProcessState::Gone);
    }
}
