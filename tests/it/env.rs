//! A directory of its own for every test, and a daemon that serves it.
#![expect(clippy::disallowed_methods, reason = "tests drop files and wait as other programs do")]

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use baton::config::Overrides;
use baton::daemon::{DaemonError, Ended, Options, ShutdownHandle, run_blocking, shutdown};
use notify::{RecursiveMode, Watcher};
use serde_json::Value;

/// So long a test waits for something that should come within milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// A temporary `coordination/` with its workspace around it.
pub(crate) struct TestEnv {
    workspace: tempfile::TempDir,
}

/// A daemon that runs in a thread of the test.
pub(crate) struct Served {
    shutdown: ShutdownHandle,
    thread: Option<JoinHandle<Result<Ended, DaemonError>>>,
}

impl TestEnv {
    /// Makes a directory whose `baton.toml` is `config`.
    pub(crate) fn new(config: &str) -> Self {
        let workspace = tempfile::tempdir().unwrap();
        let env = Self { workspace };
        std::fs::create_dir(env.coordination()).unwrap();
        env.put("baton.toml", config);
        env
    }

    /// Makes a directory whose masters all run `brief`.
    pub(crate) fn with_brief_workers() -> Self {
        let masters = ["development", "security", "inventory", "cicd"];
        let table = |name: &&str| {
            format!("[masters.{name}]\nbackend = \"brief\"\ndomains = [\"{name}\"]\n")
        };
        Self::new(&masters.iter().map(table).collect::<String>())
    }

    pub(crate) fn coordination(&self) -> PathBuf {
        self.workspace.path().join("coordination")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.coordination().join(path)
    }

    /// Puts a file in place at once, as careful writers do.
    pub(crate) fn put(&self, path: &str, text: &str) {
        let target = self.path(path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let temporary = self.workspace.path().join(format!("{}.tmp", text.len()));
        std::fs::write(&temporary, text).unwrap();
        std::fs::rename(temporary, target).unwrap();
    }

    pub(crate) fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Starts a daemon here.
    pub(crate) fn serve(&self) -> Served {
        let (handle, listener) = shutdown();
        let options = self.options();
        let thread = std::thread::spawn(move || run_blocking(options, listener));
        Served { shutdown: handle, thread: Some(thread) }
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            coordination: self.coordination(),
            overrides: Overrides::default(),
            handle_signals: false,
            executable: Some(PathBuf::from(env!("CARGO_BIN_EXE_baton"))),
        }
    }

    /// Every line of `dashboard-events.jsonl`.
    pub(crate) fn events(&self) -> Vec<Value> {
        let Ok(text) = std::fs::read_to_string(self.path("dashboard-events.jsonl")) else {
            return Vec::new();
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The types of all events so far.
    pub(crate) fn kinds(&self) -> Vec<String> {
        self.events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until an event of this type is there whose fields hold these values.
    pub(crate) fn wait_for(&self, kind: &str, fields: &[(&str, &str)]) -> Value {
        let is_it = |event: &Value| {
            event["type"] == kind && fields.iter().all(|(name, value)| event[*name] == *value)
        };
        self.wait_until(&format!("{kind} {fields:?}"), || self.events().into_iter().find(is_it))
    }

    /// Waits until `look` finds something, looking whenever a file below the directory changes.
    pub(crate) fn wait_until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let (sender, changes) = mpsc::channel();
        let tell = move |event: notify::Result<notify::Event>| {
            // Our own reads are told too.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = sender.send(());
            }
        };
        let mut watcher = notify::recommended_watcher(tell).unwrap();
        watcher.watch(&self.coordination(), RecursiveMode::Recursive).unwrap();
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            let left = give_up_at.saturating_duration_since(Instant::now());
            // Directories that come while we watch may be missed: look now and then all the same.
            if left.is_zero() {
                panic!(
                    "waited in vain for {what}; events:\n{}",
                    self.text("dashboard-events.jsonl")
                );
            }
            let _ = changes.recv_timeout(left.min(Duration::from_millis(200)));
            changes.try_iter().for_each(drop);
        }
    }
}

impl Served {
    /// Asks it to drain and waits for its end.
    pub(crate) fn drain(mut self) -> Ended {
        self.shutdown.request();
        self.join().unwrap()
    }

    /// Asks it to stop its workers too and waits for its end.
    pub(crate) fn stop_with_workers(mut self) -> Ended {
        // Who asks as at a terminal leaves time to ask again.
        self.shutdown.interrupt();
        self.shutdown.interrupt();
        self.join().unwrap()
    }

    /// Asks it to read its configuration again.
    pub(crate) fn reload(&self) {
        self.shutdown.reload();
    }

    /// Waits for an end that nobody asked for.
    pub(crate) fn fails(mut self) -> DaemonError {
        self.join().expect_err("the daemon must not begin")
    }

    fn join(&mut self) -> Result<Ended, DaemonError> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.shutdown.interrupt();
            self.shutdown.interrupt();
            let _ = thread.join();
        }
    }
}
