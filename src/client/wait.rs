//! Waiting without polling: a hint from the file system, a message, or a tick as a fallback.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Something changed in a watched directory; look again.
    Files,
    /// Nothing was heard for as long as was asked; look again all the same.
    Tick,
    /// The process got this signal.
    Signal(i32),
    /// The daemon that this process started has ended, with this exit code if it had one.
    DaemonEnded(Option<i32>),
}

/// Collects everything that may end a wait.
#[derive(Debug)]
pub struct Waiter {
    receiver: Receiver<Wake>,
    sender: Sender<Wake>,
    files_told: Arc<AtomicBool>,
    watcher: Option<RecommendedWatcher>,
}

impl Waiter {
    /// Watches the directories among `dirs` that are there; a file system that tells nothing is
    /// made up for by the ticks.
    pub fn new(dirs: &[PathBuf]) -> Self {
        let (sender, receiver) = channel();
        let files_told = Arc::new(AtomicBool::new(false));
        let (told, hints) = (Arc::clone(&files_told), sender.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let only_read = event.as_ref().is_ok_and(|event| event.kind.is_access());
            if !only_read && !told.swap(true, Ordering::AcqRel) {
                let _waiter_is_gone = hints.send(Wake::Files);
            }
        });
        let mut waiter = Self { receiver, sender, files_told, watcher: watcher.ok() };
        for dir in dirs {
            waiter.watch(dir);
        }
        waiter
    }

    /// Returns a handle by which another thread can end a wait.
    pub fn sender(&self) -> Sender<Wake> {
        self.sender.clone()
    }

    /// Waits, at most `longest`.
    pub fn wait(&self, longest: Duration) -> Wake {
        match self.receiver.recv_timeout(longest) {
            Ok(wake) => {
                if wake == Wake::Files {
                    self.files_told.store(false, Ordering::Release);
                }
                wake
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Wake::Tick,
        }
    }

    fn watch(&mut self, dir: &Path) {
        if let Some(watcher) = &mut self.watcher {
            // A directory that cannot be watched is looked at on every tick.
            let _unwatched = watcher.watch(dir, RecursiveMode::NonRecursive);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes the change that is waited for")]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_a_message_and_silence_each_end_a_wait() {
        let dir = tempfile::tempdir().unwrap();
        let waiter = Waiter::new(&[dir.path().to_path_buf(), dir.path().join("not-there")]);
        assert_eq!(waiter.wait(Duration::ZERO), Wake::Tick);
        std::fs::write(dir.path().join("a"), "x").unwrap();
        assert_eq!(waiter.wait(Duration::from_secs(10)), Wake::Files);
        let other = Waiter::new(&[]);
        other.sender().send(Wake::Signal(15)).unwrap();
        assert_eq!(other.wait(Duration::from_secs(10)), Wake::Signal(15));
    }
}
