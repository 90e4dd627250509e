//! Control groups (cgroup v2), where the holder may make some: one leaf for each worker.
//!
//! Nothing leaves a control group by itself, so that a leaf tells for certain who belongs to a
//! worker, and all of it is killed at once. Where the controllers are delegated too, the kernel
//! holds a worker to its limits. Without any of this keepers and marks have to do.
//!
//! A group whose children have limits may hold no process itself. So limits take a delegated group
//! whose processes are all in a subgroup (`Delegate=` and `DelegateSubgroup=` of systemd); leaves
//! are made beside that subgroup then, and inside the holder's own group otherwise.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Access;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::holder::log;
use super::holder_client::Limits;
use crate::domain::ids::WorkerId;
use crate::store::digest;

/// What systemd writes on a group that it has given away.
const DELEGATED: [&str; 2] = ["user.delegate", "trusted.delegate"];
/// Controllers that limits need.
const MEMORY: &str = "memory";
const PIDS: &str = "pids";
/// How often a leaf is removed whose last process is just going, and how soon again.
const REMOVE_TRIES: u32 = 20;
const REMOVE_AGAIN_MS: u64 = 5;
/// No worker makes more groups below its own.
const DEPTH_MAX: u32 = 16;

/// Where the workers of a directory have their groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cgroups {
    base: PathBuf,
    /// How the leaves of this directory begin.
    prefix: String,
    /// Whether the kernel limits memory there.
    limits_memory: bool,
    /// Whether the kernel limits the number of processes there.
    limits_processes: bool,
}

impl Cgroups {
    /// Finds a group in which this process may make others, and removes what a crash left there.
    /// Says in the log what the kernel does not do here.
    pub(super) fn find(coordination: &Path) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let Some(own) = own_group(&groups, &mounts) else {
            log(format_args!(
                "there are no control groups (cgroup v2) here, and no limits by them"
            ));
            return None;
        };
        let prefix = format!("baton-{}-", digest(coordination.as_os_str().as_encoded_bytes()));
        let (base, limits) = match own.parent().filter(|parent| is_delegated(parent)) {
            Some(parent) => (parent.to_owned(), [MEMORY, PIDS].map(|name| enable(parent, name))),
            None => (own, [false, false]),
        };
        let [limits_memory, limits_processes] = limits;
        let cgroups = Self { base, prefix, limits_memory, limits_processes };
        if let Err(error) = cgroups.try_out() {
            log(format_args!("cannot use control groups in {}: {error}", cgroups.base.display()));
            return None;
        }
        cgroups.sweep();
        for (name, is_limited) in [("memory", limits_memory), ("processes", limits_processes)] {
            if !is_limited {
                log(format_args!("the kernel does not limit the {name} of workers here"));
            }
        }
        Some(cgroups)
    }

    /// Names the leaf of a worker; it is the leaf of no other life of the directory.
    pub(super) fn leaf(&self, worker_id: &WorkerId, nonce: &str) -> PathBuf {
        self.base.join(format!("{}{worker_id}-{}", self.prefix, digest(nonce.as_bytes())))
    }

    /// Makes a leaf with its limits and moves this process there.
    pub(super) fn enter(&self, leaf: &Path, limits: &Limits) -> io::Result<()> {
        fs::create_dir(leaf)?;
        let limit = |name: &str, max: u64| match max {
            0 => put(&leaf.join(name), "max"),
            max => put(&leaf.join(name), &max.to_string()),
        };
        if self.limits_memory {
            limit("memory.max", limits.memory_bytes_max)?;
        }
        if self.limits_processes {
            limit("pids.max", limits.processes_max)?;
        }
        // 0 is whoever writes it.
        put(&leaf.join("cgroup.procs"), "0")
    }

    /// Makes a group and removes it.
    fn try_out(&self) -> io::Result<()> {
        let trial = self.base.join(format!("{}.{}", self.prefix, std::process::id()));
        fs::create_dir(&trial)?;
        fs::remove_dir(&trial)?;
        // Moving a process takes this right too.
        rustix::fs::access(self.base.join("cgroup.procs"), Access::WRITE_OK)?;
        Ok(())
    }

    /// Removes leaves without processes.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.base).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&self.prefix) {
                // One that has processes stays: the kernel refuses.
                let _ = remove_all(&entry.path(), DEPTH_MAX);
            }
        }
    }
}

/// Lists the processes of a leaf and of the groups below it; none where there is no such leaf.
///
/// # Errors
/// A list cannot be read now.
pub(super) fn members(leaf: &Path) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    collect(leaf, DEPTH_MAX, &mut found)?;
    Ok(found)
}

/// Kills every process of a leaf at once. Kernels before 5.14 cannot; their processes are killed
/// one by one anyway.
pub(super) fn kill(leaf: &Path) {
    let _ = put(&leaf.join("cgroup.kill"), "1");
}

/// Removes the leaf of a worker that is over. What cannot be removed is left for the next holder.
pub(super) async fn remove(leaf: &Path) {
    for _ in 0..REMOVE_TRIES {
        match remove_all(leaf, DEPTH_MAX) {
            // A process that has ended is counted for a moment longer.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                sleep(Duration::from_millis(REMOVE_AGAIN_MS)).await;
            }
            Ok(()) | Err(_) => return,
        }
    }
}

fn collect(group: &Path, depth: u32, found: &mut Vec<u32>) -> io::Result<()> {
    let processes = match fs::read_to_string(group.join("cgroup.procs")) {
        Ok(processes) => processes,
        // It was removed, before this or while it was read.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) =>
        {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    // 0 stands for one that this process cannot see.
    let processes = processes.lines().filter_map(|pid| pid.parse::<u32>().ok());
    found.extend(processes.filter(|pid| *pid != 0));
    if depth > 0 {
        for inner in below(group) {
            collect(&inner, depth - 1, found)?;
        }
    }
    Ok(())
}

fn remove_all(group: &Path, depth: u32) -> io::Result<()> {
    if depth > 0 {
        for inner in below(group) {
            remove_all(&inner, depth - 1)?;
        }
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn below(group: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries.filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

/// Tells whether systemd, or whoever runs this process, has given it this group to divide.
fn is_delegated(group: &Path) -> bool {
    DELEGATED.into_iter().any(|name| {
        let mut value = [0_u8; 8];
        rustix::fs::getxattr(group, name, &mut value).is_ok_and(|len| value[..len] == *b"1")
    })
}

/// Lets the children of a group have limits of one kind.
fn enable(group: &Path, controller: &str) -> bool {
    let control = group.join("cgroup.subtree_control");
    let is_on = || {
        fs::read_to_string(&control)
            .is_ok_and(|on| on.split_ascii_whitespace().any(|name| name == controller))
    };
    is_on() || (put(&control, &format!("+{controller}")).is_ok() && is_on())
}

/// Writes into a file of the kernel's: at once, and never making one.
fn put(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;

    fs::File::options().write(true).open(path)?.write_all(text.as_bytes())
}

/// Finds the directory of the own group, where cgroup v2 is mounted: alone or beside v1.
fn own_group(groups: &str, mounts: &str) -> Option<PathBuf> {
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        if kind.split(' ').next()? != "cgroup2" {
            return None;
        }
        let mut fields = place.split(' ').skip(3);
        let (root, mount) = (fields.next()?, fields.next()?);
        // A mount may show a part of the tree only.
        let inside = Path::new(group).strip_prefix(root).ok()?;
        Some(Path::new(mount).join(inside))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_with_and_without_v1_and_in_containers() {
        let v2 = "25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        let both = "33 24 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                    34 24 0:29 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw";
        let part = "25 1 0:22 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw";
        let unit = "0::/system.slice/baton.service/daemon\n";
        for (groups, mounts, own) in [
            (unit, v2, Some("/sys/fs/cgroup/system.slice/baton.service/daemon")),
            ("8:pids:/x\n0::/\n", both, Some("/sys/fs/cgroup/unified/")),
            ("0::/docker/abc/inner\n", part, Some("/sys/fs/cgroup/inner")),
            ("0::/elsewhere\n", part, None),
            ("8:pids:/x\n", both, None),
            (unit, "33 24 0:30 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids", None),
            ("", "", None),
        ] {
            assert_eq!(own_group(groups, mounts), own.map(PathBuf::from), "{groups} {mounts}");
        }
    }
}
