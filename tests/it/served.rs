//! A daemon as a process of its own, on a temporary directory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use notify::{RecursiveMode, Watcher};

/// How long anything is waited for before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A daemon that can be started, killed and started again.
pub(crate) struct Served {
    dir: PathBuf,
    child: Option<Child>,
}

impl Served {
    /// Makes a coordination directory with these settings; nothing runs yet.
    pub(crate) fn new(dir: &Path, settings: &str) -> Self {
        for folder in ["inbox", "orchestrator", "masters", "workers"] {
            std::fs::create_dir_all(dir.join(folder)).unwrap();
        }
        std::fs::write(dir.join("baton.toml"), settings).unwrap();
        Self { dir: dir.to_owned(), child: None }
    }

    /// Takes a directory as it is.
    pub(crate) fn on(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), child: None }
    }

    /// Returns its directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts the daemon.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.parent().unwrap().join("daemon.log"))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_baton"))
            .arg("--coordination")
            .arg(&self.dir)
            .arg("daemon")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Waits for its end, at most this long; tells whether it ended.
    pub(crate) fn exits_within(&mut self, time: Duration) -> bool {
        let child = self.child.as_mut().expect("it runs");
        let pid = rustix::process::Pid::from_child(child);
        let Ok(pidfd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
        else {
            return true;
        };
        let mut polled = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
        let time = rustix::time::Timespec::try_from(time).unwrap();
        rustix::event::poll(&mut polled, Some(&time)).unwrap() > 0
    }

    /// Kills it without a warning.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to drain and returns its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        assert!(self.exits_within(PATIENCE), "it does not drain\n{}", self.log());
        self.child.take().expect("it runs").wait().unwrap().code()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(self.child.as_ref().expect("it runs"));
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Kills the holder of this directory, if there is one: the process that has
    /// `orchestrator/holder.lock` locked.
    pub(crate) fn kill_holder(&self) {
        for pid in self.holders() {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }

    /// Finds the holders of this directory by their command line.
    pub(crate) fn holders(&self) -> Vec<i32> {
        let dir = self.dir.as_os_str().as_encoded_bytes();
        std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
                words.contains(&b"hold".as_slice()) && words.contains(&dir)
            })
            .collect()
    }

    /// Waits until `is_so`, looking whenever something below the directory changes.
    pub(crate) fn wait_for(&self, is_so: impl Fn() -> bool) {
        let (changed, changes) = mpsc::channel();
        let mut watcher = notify::recommended_watcher(move |_| {
            let _ = changed.send(());
        })
        .unwrap();
        watcher.watch(&self.dir, RecursiveMode::Recursive).unwrap();
        let start = Instant::now();
        while !is_so() {
            let _ = changes.recv_timeout(Duration::from_millis(500));
            while changes.try_recv().is_ok() {}
            assert!(start.elapsed() < PATIENCE, "waited in vain\n{}", self.log());
        }
    }

    /// Returns the end of what the daemon logged.
    pub(crate) fn log(&self) -> String {
        let path = self.dir.parent().unwrap().join("daemon.log");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.kill_holder();
    }
}

/// Puts a file into a folder as the protocol asks: written elsewhere, then renamed in.
pub(crate) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) {
    let temp = folder.join(format!(".{name}.tmp"));
    std::fs::write(&temp, bytes).unwrap();
    std::fs::rename(&temp, folder.join(name)).unwrap();
}

/// A small random number generator (SplitMix64), so that a failing run can be run again.
pub(crate) struct Random(u64);

impl Random {
    /// Begins at a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
