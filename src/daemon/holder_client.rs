//! The daemon's side of the holder: asks it to launch and to stop workers, and hears of their
//! ends.
//!
//! What the holder says is a hint; what became of an attempt is in its folder. A holder that dies
//! costs nothing: its workers run on, their keepers record how they end, the daemon watches both,
//! and the next launch starts a new holder.
#![expect(clippy::disallowed_methods, reason = "this is the one place that starts the holder")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{sleep, timeout};

use super::folder::{self, Folder, FolderError, Marker};
use super::holder::{HELD, HolderError, READY};
use super::holder_link::{ANSWER_MS_MAX, Heard, Link};
use super::launch;
use super::process;
use super::process_tree::{self, Stopped};
use super::protocol::{self, Ask, Order, Say};
use super::worker_end::{self, LEFTOVER_GRACE_MS};
use crate::backend::Launch;
use crate::domain::ids::{AttemptId, WorkerId};
use crate::domain::worker::ProcessIdentity;
use crate::store::Store;

/// Events that may wait for the daemon to take them; the holder's lines wait behind them.
const EVENTS_MAX: usize = 1_024;
/// How long a new holder may take to come up, and one that goes to make room.
const UP_MS_MAX: u64 = 10_000;
/// How soon a holder that comes up or goes is looked for again.
const UP_AGAIN_MS: u64 = 10;
/// How long it may take to launch a worker or to say why not.
const LAUNCH_MS_MAX: u64 = 60_000;
/// How often a launch is asked for when the holder dies of it or something holds it up.
const LAUNCH_TRIES: u32 = 20;
/// How soon a launch that something holds up is asked for again.
const LAUNCH_AGAIN_MS: u64 = 100;
/// How much of a worker's output is kept where nothing else is said.
const OUTPUT_BYTES_MAX: u64 = 64 << 20;
/// How much is quoted of what a holder that does not come up says.
const PROBLEM_BYTES_MAX: u64 = 4_096;
/// How often what a worker left behind is looked at once the worker itself is gone and the holder
/// too: from here, doubling, up to here.
const ORPHAN_AGAIN_MS_MIN: u64 = 20;
const ORPHAN_AGAIN_MS_MAX: u64 = 1_000;

/// A connection to the holder of one directory. Clones share it and are cheap; a holder that is
/// lost is replaced at the next launch.
#[derive(Debug, Clone)]
pub struct HolderClient {
    shared: Arc<Shared>,
}

/// What the holder tells unasked. These are hints: [`inspect`](folder::inspect) says what is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HolderEvent {
    /// A worker is over; its folder says how.
    Exited {
        /// Which.
        worker_id: WorkerId,
    },
    /// The holder is gone. Its workers run on and are watched; each still ends in `Exited`.
    Lost,
}

/// What a worker may use; 0 stands for as much as there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// How much of its output is kept, about.
    pub output_bytes_max: u64,
    /// How much memory all its processes may have together. The kernel sees to it where it can.
    pub memory_bytes_max: u64,
    /// How many processes and threads it may have. The kernel sees to it where it can.
    pub processes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { output_bytes_max: OUTPUT_BYTES_MAX, memory_bytes_max: 0, processes_max: 0 }
    }
}

/// What came of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launched {
    /// It runs; an `Exited` follows.
    Started(ProcessIdentity),
    /// It was started before, by this daemon or an earlier one; an `Exited` follows, at once when
    /// it is over.
    Already(ProcessIdentity),
    /// Nothing ran.
    Failed {
        /// Why.
        error: String,
        /// Whether the same again may work.
        transient: bool,
    },
}

#[derive(Debug)]
struct Shared {
    store: Store,
    executable: PathBuf,
    events: mpsc::Sender<HolderEvent>,
    /// The connection; locked while a holder is looked for or started.
    link: tokio::sync::Mutex<Option<Arc<Link>>>,
    /// Workers whose folders are watched by a task of ours.
    watched: Mutex<BTreeSet<WorkerId>>,
}

impl HolderClient {
    /// Takes up the living holder of a directory, or starts one. Ends that an earlier daemon was
    /// not told of follow as events.
    ///
    /// # Errors
    /// No holder answers and none can be started.
    pub async fn connect_or_start(
        store: &Store,
        executable: &Path,
    ) -> Result<(Self, mpsc::Receiver<HolderEvent>), HolderError> {
        let (events, heard) = mpsc::channel(EVENTS_MAX);
        let client = Self {
            shared: Arc::new(Shared {
                store: store.clone(),
                executable: executable.to_path_buf(),
                events,
                link: tokio::sync::Mutex::default(),
                watched: Mutex::default(),
            }),
        };
        client.link().await?;
        Ok((client, heard))
    }

    /// Starts a worker, at most once for each nonce, whoever asks and however often.
    ///
    /// # Errors
    /// No holder answers and none can be started; asking again is harmless.
    pub async fn launch(
        &self,
        worker_id: &WorkerId,
        attempt_id: &AttemptId,
        nonce: &str,
        mut launch: Launch,
        limits: Limits,
    ) -> Result<Launched, HolderError> {
        pass_on(&mut launch, std::env::vars_os());
        let order = Order {
            worker_id: worker_id.clone(),
            attempt_id: attempt_id.clone(),
            nonce: nonce.to_owned(),
            launch,
            limits,
        };
        let mut held_up = String::new();
        for _ in 0..LAUNCH_TRIES {
            let link = self.link().await?;
            let ask = Ask::Launch { order: Box::new(order.clone()) };
            held_up = match link.ask(ask, LAUNCH_MS_MAX, Some(worker_id)).await {
                Ok(Say::Started { identity }) => return Ok(Launched::Started(identity)),
                Ok(Say::NotStarted { error, transient }) => {
                    return Ok(Launched::Failed { error, transient });
                }
                Ok(Say::Refused { reason }) => reason,
                Ok(other) => return Err(HolderError::Answer(format!("{other:?} to a launch"))),
                Err(HolderError::Lost) => "the holder ended".to_owned(),
                Err(error) => return Err(error),
            };
            match folder::inspect(&self.shared.store, worker_id, nonce) {
                Ok(Folder::Empty) => sleep(Duration::from_millis(LAUNCH_AGAIN_MS)).await,
                Ok(
                    Folder::Alive(identity)
                    | Folder::Done { identity, .. }
                    | Folder::Interrupted(identity),
                ) => {
                    self.watch(worker_id).await;
                    return Ok(Launched::Already(identity));
                }
                Ok(Folder::Foreign) => {
                    let error = format!(
                        "workers/{worker_id} belongs to another attempt; move the folder away"
                    );
                    return Ok(Launched::Failed { error, transient: false });
                }
                Err(error) => {
                    let transient = launch::is_shortage(&error);
                    return Ok(Launched::Failed { error: error.to_string(), transient });
                }
            }
        }
        // What holds it up may be a step that is slow: as long as it may still begin, this attempt
        // must not be given up for another.
        Err(HolderError::HeldUp(held_up))
    }

    /// Ends a worker and everything it started: TERM, after `grace_ms` KILL, then proof. A worker
    /// whose holder is gone is ended from here.
    ///
    /// # Errors
    /// Its folder cannot be read, so that its processes cannot be told from others.
    pub async fn stop(
        &self,
        worker_id: &WorkerId,
        identity: &ProcessIdentity,
        grace_ms: u64,
    ) -> Result<Stopped, FolderError> {
        let Marker::Begun(begun) = folder::marker(&self.shared.store, worker_id)? else {
            return Ok(Stopped::Gone);
        };
        if begun.process != *identity {
            // The folder is another's by now, who placed the marker after this one was gone.
            return Ok(Stopped::Gone);
        }
        let stopped = self.ask_to_stop(worker_id, grace_ms).await;
        let stopped = match stopped {
            Some(stopped) => stopped,
            None => {
                let tree = worker_end::tree_of(&self.shared.store, &begun);
                process_tree::stop(&tree, grace_ms).await
            }
        };
        if let (Stopped::Gone, Some(keeper)) = (&stopped, &begun.keeper) {
            // The record follows at once; whoever asked will look for it.
            let _ = timeout(Duration::from_millis(ANSWER_MS_MAX), process::ended(keeper)).await;
        }
        Ok(stopped)
    }

    /// Has the holder end a worker; `None` where it is not the holder's.
    async fn ask_to_stop(&self, worker_id: &WorkerId, grace_ms: u64) -> Option<Stopped> {
        let link = self.shared.link.lock().await.clone()?;
        let ask = Ask::Stop { worker_id: worker_id.clone(), grace_ms };
        let patience_ms = grace_ms.saturating_add(2 * ANSWER_MS_MAX);
        let Ok(Say::Stopped { survivors }) = link.ask(ask, patience_ms, None).await else {
            return None;
        };
        Some(if survivors.is_empty() { Stopped::Gone } else { Stopped::Survivors(survivors) })
    }

    /// Makes sure that an `Exited` follows for a worker that was started by an earlier daemon: by
    /// the holder, or else by watching its folder. For one that never began none follows.
    pub async fn watch(&self, worker_id: &WorkerId) {
        let link = self.shared.link.lock().await.clone();
        let is_held = link.is_some_and(|link| link.holds(worker_id));
        if !is_held {
            Shared::watch_folder(&self.shared, worker_id);
        }
    }

    /// Ends the holder if it has no workers; true when it does. One that has stays.
    pub async fn shut_down(&self) -> bool {
        let link = self.shared.link.lock().await.clone();
        let Some(link) = link else { return false };
        match link.ask(Ask::Shutdown, ANSWER_MS_MAX, None).await {
            // It may be gone before its answer is on its way.
            Ok(Say::Done) | Err(HolderError::Lost) => true,
            Ok(_) | Err(_) => false,
        }
    }

    /// Returns the connection, or makes one: to the holder that is there, or to a new one.
    async fn link(&self) -> Result<Arc<Link>, HolderError> {
        let mut place = self.shared.link.lock().await;
        if let Some(link) = place.as_ref().filter(|link| !link.is_lost()) {
            return Ok(Arc::clone(link));
        }
        let link = Shared::open_link(&self.shared).await?;
        *place = Some(Arc::clone(&link));
        Ok(link)
    }
}

impl Shared {
    fn tell(&self, event: HolderEvent) {
        // A daemon that does not listen any more is about to end.
        if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
            // Answers must not wait behind events: the daemon may take none before its answer.
            let events = self.events.clone();
            tokio::spawn(async move { events.send(event).await });
        }
    }

    /// Connects to the holder that is there, or starts one.
    async fn open_link(shared: &Arc<Self>) -> Result<Arc<Link>, HolderError> {
        let comes_up = async {
            loop {
                // The connection must not keep alive what it is to end with.
                let listener = Arc::downgrade(shared);
                let heard = move |heard| {
                    if let Some(shared) = listener.upgrade() {
                        Self::hear(&shared, heard);
                    }
                };
                match Link::open(&shared.store, heard).await {
                    Some(link) if link.is_current().await? => return Ok(link),
                    Some(_) => {}
                    None if shared.start().await? => continue,
                    // Another one has the lock: it comes up, or it goes.
                    None => {}
                }
                sleep(Duration::from_millis(UP_AGAIN_MS)).await;
            }
        };
        let link: Arc<Link> =
            timeout(Duration::from_millis(UP_MS_MAX), comes_up).await.unwrap_or_else(|_| {
                Err(shared.not_started("it did not come up, or an older one does not make room"))
            })?;
        let said = link.ask(Ask::List, ANSWER_MS_MAX, None).await?;
        let Say::Running { workers } = said else {
            return Err(HolderError::Answer(format!("{said:?} to a list")));
        };
        link.take_up(workers);
        Ok(link)
    }

    /// Starts a holder and waits until it can be connected to; false when another one has the
    /// directory.
    async fn start(&self) -> Result<bool, HolderError> {
        let failed = |error: &dyn std::fmt::Display| self.not_started(&error.to_string());
        let mut holder = Command::new(&self.executable)
            .arg("hold")
            .arg("--coordination")
            .arg(self.store.root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error))?;
        let (stdout, stderr) = (holder.stdout.take(), holder.stderr.take());
        // It is our child for as long as both live.
        tokio::spawn(async move { holder.wait().await });
        let mut said = Vec::new();
        if let Some(stdout) = stdout {
            let mut stdout = BufReader::new(stdout);
            protocol::read_line(&mut stdout, &mut said).await.map_err(|error| failed(&error))?;
        }
        match said.trim_ascii() {
            word if word == READY.as_bytes() => Ok(true),
            word if word == HELD.as_bytes() => Ok(false),
            _ => {
                let mut problem = Vec::new();
                if let Some(stderr) = stderr {
                    let _ = stderr.take(PROBLEM_BYTES_MAX).read_to_end(&mut problem).await;
                }
                Err(failed(&String::from_utf8_lossy(&problem)))
            }
        }
    }

    fn not_started(&self, problem: &str) -> HolderError {
        let problem = match problem.trim() {
            "" => "it ended without a word",
            problem => problem,
        };
        HolderError::NotStarted { executable: self.executable.clone(), problem: problem.to_owned() }
    }

    fn hear(shared: &Arc<Self>, heard: Heard) {
        match heard {
            Heard::Exited(worker_id) => shared.tell(HolderEvent::Exited { worker_id }),
            Heard::End { was_taken_up, orphans } => {
                if was_taken_up {
                    shared.tell(HolderEvent::Lost);
                }
                for worker_id in orphans {
                    Self::watch_folder(shared, &worker_id);
                }
            }
        }
    }

    fn watch_folder(shared: &Arc<Self>, worker_id: &WorkerId) {
        if !lock(&shared.watched).insert(worker_id.clone()) {
            return;
        }
        let (store, worker_id) = (shared.store.clone(), worker_id.clone());
        let shared = Arc::downgrade(shared);
        tokio::spawn(async move {
            let has_begun = until_over(&store, &worker_id).await;
            let Some(shared) = shared.upgrade() else { return };
            lock(&shared.watched).remove(&worker_id);
            if has_begun {
                shared.tell(HolderEvent::Exited { worker_id });
            }
        });
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(link) = self.link.get_mut() {
            link.give_up();
        }
    }
}

/// Waits until a worker is over; false when it never began. What it left where nobody is left to
/// end it is ended from here.
async fn until_over(store: &Store, worker_id: &WorkerId) -> bool {
    let mut again_ms = ORPHAN_AGAIN_MS_MIN;
    loop {
        let begun = match folder::marker(store, worker_id) {
            Ok(Marker::Begun(begun)) => begun,
            Ok(Marker::Absent) => return false,
            Ok(Marker::Damaged(_)) | Err(_) => return true,
        };
        match folder::inspect(store, worker_id, &begun.nonce) {
            Ok(Folder::Alive(identity)) => {
                process::ended(&identity).await;
                // The record is the last that a keeper does.
                if let Some(keeper) = &begun.keeper {
                    process::ended(keeper).await;
                }
                if !begun.watchers().any(process::is_alive) {
                    let tree = worker_end::tree_of(store, &begun);
                    process_tree::stop(&tree, LEFTOVER_GRACE_MS).await;
                }
                if matches!(folder::inspect(store, worker_id, &begun.nonce), Ok(Folder::Alive(_))) {
                    sleep(Duration::from_millis(again_ms)).await;
                    again_ms = (again_ms * 2).min(ORPHAN_AGAIN_MS_MAX);
                }
            }
            Ok(Folder::Empty | Folder::Done { .. } | Folder::Interrupted(_) | Folder::Foreign)
            | Err(_) => return true,
        }
    }
}

/// Adds the variables that are passed on; those that the launch sets itself win.
fn pass_on(launch: &mut Launch, variables: impl Iterator<Item = (OsString, OsString)>) {
    let is_passed_on = |name: &str| {
        launch.inherit.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        })
    };
    let passed_on: Vec<(String, String)> = variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| is_passed_on(name))
        .collect();
    for (name, value) in passed_on {
        launch.env.entry(name).or_insert(value);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked left no half-made change: every change is one call.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn only_what_is_on_the_list_is_passed_on() {
        let mut launch = Launch {
            program: "/bin/true".into(),
            args: Vec::new(),
            env: BTreeMap::from([("LANG".to_owned(), "C".to_owned())]),
            inherit: vec!["PATH".into(), "LANG".into(), "LC_*".into()],
            cwd: "/".into(),
            stdin: None,
        };
        let variables = [
            ("PATH", "/bin"),
            ("PATHS", "x"),
            ("LANG", "de"),
            ("LC_ALL", "de"),
            ("LC", "x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
        ];
        pass_on(&mut launch, variables.into_iter().map(|(n, v)| (n.into(), v.into())));
        let passed: Vec<(&str, &str)> =
            launch.env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(passed, [("LANG", "C"), ("LC_ALL", "de"), ("PATH", "/bin")]);
    }
}
