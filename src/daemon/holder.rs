//! `baton hold`: the one small process that is behind all workers of a directory.
//!
//! It outlives the daemon. It decides nothing: it starts a keeper for each worker that it is asked
//! to launch, waits for its end, and tells whoever is connected. Where a keeper is killed, its
//! worker becomes a child of the holder, which does then what the keeper would have done. It ends
//! by itself when it has neither workers nor connections for a while.
//!
//! There is one for each directory: it holds `orchestrator/holder.lock` for life, and whoever has
//! the lock owns the name of the socket. It runs on one thread and does nothing while nothing
//! happens.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{getpid, set_child_subreaper};
use rustix::stdio;
use thiserror::Error;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, LocalSet};
use tokio::time::sleep;

use super::cgroup::Cgroups;
use super::children::Children;
use super::protocol::{self, Ask, Line, PROTOCOL, Say, SocketPath};
use super::worker_life::{self, Held};
use crate::domain::ids::WorkerId;
use crate::domain::worker::ProcessIdentity;
use crate::store::{FileLock, LockError, Store, StoreError, layout};

/// How long it stays without workers and connections.
const IDLE_MS_MAX: u64 = 5_000;
/// A longer log is put aside by the next holder.
const LOG_BYTES_MAX: u64 = 4 << 20;
/// Lines that may wait for a connection that does not read; then it is closed.
const WAITING_LINES_MAX: usize = 1_024;
/// Ends that are remembered for the next connection. More are not needed: every folder says how
/// its worker ended.
const UNTOLD_MAX: usize = 1_024;
/// What whoever started the holder reads when it can be connected to.
pub(super) const READY: &str = "ready";
/// What it reads instead when another holder has the directory.
pub(super) const HELD: &str = "held";

/// Who this process is in the log.
static ROLE: OnceLock<&str> = OnceLock::new();

/// Says why there is no holder, or why it did not answer.
#[derive(Debug, Error)]
pub enum HolderError {
    /// Something in the directory could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another holder has the directory, or its lock cannot be taken.
    #[error("cannot hold the workers of this directory: {0}")]
    Lock(#[from] LockError),
    /// Something could not be done in the holder's own files.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It was started and did not come up.
    #[error("cannot start {executable} hold: {problem}; see orchestrator/holder.log")]
    NotStarted {
        /// What was started.
        executable: PathBuf,
        /// What it said.
        problem: String,
    },
    /// An earlier launch of the same attempt is not over.
    #[error("cannot launch it yet: {0}")]
    HeldUp(String),
    /// The connection ended before the answer.
    #[error("cannot hear the holder any more: it ended or closed the connection")]
    Lost,
    /// It says something that its version should not.
    #[error("cannot understand the holder: {0}")]
    Answer(String),
}

/// Holds the workers of a directory until there are none and nobody is connected.
///
/// Writes one line to standard output when it can be connected to, and from then on only to its
/// log.
///
/// # Errors
/// Another holder has the directory, or its files cannot be used.
pub fn hold(coordination: &Path) -> Result<(), HolderError> {
    log_as("holder");
    super::descriptors::close_inherited();
    let store = Store::open(coordination)?;
    // Fails only where this process leads a session or group already: that does as well.
    let _ = rustix::process::setsid();
    // Where a keeper is killed, its worker becomes a child of this process. Kernels that cannot do
    // that lose an exit status then.
    let _ = set_child_subreaper(Some(getpid()));
    let lock = store.lock(layout::HOLDER_LOCK, Duration::ZERO).inspect_err(|error| {
        if matches!(error, LockError::Held { .. }) {
            announce(HELD);
        }
    })?;
    let failed = |what, path: &str, source| {
        let path = store.root().join(path);
        HolderError::Io { what, path, source }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| failed("start a runtime in", "", e))?;
    let listener = {
        let _context = runtime.enter();
        listen(&store).map_err(|e| failed("listen on", layout::HOLDER_SOCKET, e))?
    };
    let identity = super::process::identify(std::process::id())
        .ok_or_else(|| failed("find this process in", "", io::ErrorKind::Unsupported.into()))?;
    // A working directory would keep its file system from being unmounted.
    std::env::set_current_dir("/").map_err(|e| failed("leave", "", e))?;
    announce_and_detach(&store).map_err(|e| failed("log to", layout::HOLDER_LOG, e))?;

    let child_ended = {
        let _context = runtime.enter();
        signal(SignalKind::child()).map_err(|e| failed("hear of children in", "", e))?
    };
    let holder = Rc::new(Holder {
        cgroups: Cgroups::find(store.root()),
        store,
        identity,
        workers: RefCell::default(),
        children: Children::default(),
        connections: RefCell::default(),
        untold: RefCell::default(),
        changed: Notify::new(),
        leaving: Cell::new(None),
        retired_by: RefCell::default(),
    });
    log(format_args!("{} holds the workers", env!("CARGO_PKG_VERSION")));
    let tasks = LocalSet::new();
    tasks.spawn_local(reap(Rc::clone(&holder), child_ended));
    tasks.block_on(&runtime, run(holder, listener, lock));
    log(format_args!("has no workers and ends"));
    Ok(())
}

/// Everything the holder knows.
pub(super) struct Holder {
    pub(super) store: Store,
    pub(super) identity: ProcessIdentity,
    /// Where workers have control groups, when they may.
    pub(super) cgroups: Option<Cgroups>,
    /// Workers that are not over.
    pub(super) workers: RefCell<BTreeMap<WorkerId, Held>>,
    /// Their keepers, and what a killed keeper leaves.
    pub(super) children: Children,
    connections: RefCell<BTreeMap<u64, Connection>>,
    /// Workers whose end nobody was connected to hear of.
    untold: RefCell<VecDeque<WorkerId>>,
    changed: Notify,
    leaving: Cell<Option<Leaving>>,
    /// Who asked it to make room, and is told when there is room.
    retired_by: RefCell<Vec<(u64, mpsc::Sender<Vec<u8>>)>>,
}

/// One that is connected.
struct Connection {
    /// What it will be told.
    lines: mpsc::Sender<Vec<u8>>,
    /// Listens to it.
    listener: AbortHandle,
}

/// How a holder was told to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// After the last worker; another holder may take the directory at once.
    Retire,
    /// Now.
    Shutdown,
}

/// Asks every child that ends how it ended.
async fn reap(holder: Rc<Holder>, mut child_ended: Signal) {
    while child_ended.recv().await.is_some() {
        holder.children.reap();
    }
}

async fn run(holder: Rc<Holder>, listener: UnixListener, lock: FileLock) {
    let mut post = Some((listener, lock));
    let mut connections = 0;
    loop {
        let idle = holder.workers.borrow().is_empty() && holder.connections.borrow().is_empty();
        if let Some(how) = holder.leaving.get() {
            if post.take().is_some() {
                log(format_args!("makes room for another holder"));
            }
            // From now on nobody reaches this holder who has not reached it before.
            for (id, to) in holder.retired_by.borrow_mut().drain(..) {
                let _ = to.try_send(protocol::to_line(&Line { id, body: Say::Done }));
            }
            if how == Leaving::Shutdown || holder.workers.borrow().is_empty() {
                return;
            }
        }
        tokio::select! {
            accepted = accept(post.as_ref()) => match accepted {
                Ok(stream) => {
                    connections += 1;
                    connect(&holder, connections, stream);
                }
                Err(error) => {
                    log(format_args!("cannot take a connection: {error}"));
                    sleep(Duration::from_secs(1)).await;
                }
            },
            () = holder.changed.notified() => {}
            () = sleep(Duration::from_millis(IDLE_MS_MAX)), if idle => return,
        }
    }
}

/// Takes the next connection of our own user; never comes back once the socket is given up.
async fn accept(post: Option<&(UnixListener, FileLock)>) -> io::Result<UnixStream> {
    let Some((listener, _lock)) = post else { return std::future::pending().await };
    loop {
        let (stream, _) = listener.accept().await?;
        let peer = stream.peer_cred()?.uid();
        if peer == rustix::process::geteuid().as_raw() {
            return Ok(stream);
        }
        log(format_args!("turned user {peer} away"));
    }
}

/// Serves one connection, in tasks of its own.
fn connect(holder: &Rc<Holder>, number: u64, stream: UnixStream) {
    let (reader, mut writer) = stream.into_split();
    let (lines, mut waiting) = mpsc::channel::<Vec<u8>>(WAITING_LINES_MAX);
    // Ends when it cannot write, and when nobody is left who has something to say.
    tokio::task::spawn_local(async move {
        while let Some(line) = waiting.recv().await {
            if writer.write_all(&line).await.is_err() {
                return;
            }
        }
    });
    let (listening, to) = (Rc::clone(holder), lines.clone());
    let listener = tokio::task::spawn_local(async move {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while let Ok(true) = protocol::read_line(&mut reader, &mut line).await {
            if !answer(&listening, &line, &to) {
                break;
            }
        }
        listening.connections.borrow_mut().remove(&number);
        listening.changed.notify_one();
    });
    let connection = Connection { lines, listener: listener.abort_handle() };
    holder.connections.borrow_mut().insert(number, connection);
}

/// Answers one question; false when the connection does not take the answer.
fn answer(holder: &Rc<Holder>, line: &[u8], to: &mpsc::Sender<Vec<u8>>) -> bool {
    let say = |id, body| to.try_send(protocol::to_line(&Line { id, body })).is_ok();
    let Line { id, body } = match serde_json::from_slice::<Line<Ask>>(line) {
        Ok(asked) => asked,
        Err(error) => {
            // A newer daemon may ask what we do not know; its number is all that is needed.
            let id = serde_json::from_slice::<Line<serde_json::Value>>(line).map_or(0, |l| l.id);
            return say(id, Say::Unknown { problem: error.to_string() });
        }
    };
    match body {
        Ask::Ping => {
            let version = env!("CARGO_PKG_VERSION").to_owned();
            say(id, Say::Pong { protocol: PROTOCOL, version, pid: std::process::id() })
        }
        Ask::List => {
            let untold: Vec<WorkerId> = holder.untold.borrow_mut().drain(..).collect();
            say(id, holder.running())
                && untold.into_iter().all(|worker_id| say(0, Say::Exited { worker_id }))
        }
        Ask::Launch { order } => {
            let (holder, to) = (Rc::clone(holder), to.clone());
            tokio::task::spawn_local(async move {
                worker_life::live(&holder, *order, |said| {
                    // Whoever asked may be gone; the folder says what became of it.
                    let _ = to.try_send(protocol::to_line(&Line { id, body: said }));
                })
                .await;
            });
            true
        }
        Ask::Stop { worker_id, grace_ms } => {
            let (holder, to) = (Rc::clone(holder), to.clone());
            tokio::task::spawn_local(async move {
                let said = worker_life::stop(&holder, &worker_id, grace_ms).await;
                let _ = to.try_send(protocol::to_line(&Line { id, body: said }));
            });
            true
        }
        Ask::Retire => {
            holder.retired_by.borrow_mut().push((id, to.clone()));
            holder.leave(Leaving::Retire);
            true
        }
        Ask::Shutdown if holder.workers.borrow().is_empty() => {
            holder.leave(Leaving::Shutdown);
            say(id, Say::Done)
        }
        Ask::Shutdown => say(id, holder.running()),
    }
}

impl Holder {
    /// Tells everyone that a worker is over.
    pub(super) fn tell_exited(&self, worker_id: WorkerId) {
        self.workers.borrow_mut().remove(&worker_id);
        let line =
            protocol::to_line(&Line { id: 0, body: Say::Exited { worker_id: worker_id.clone() } });
        let mut connections = self.connections.borrow_mut();
        // Whoever does not read is cut off, and has to look and to ask again.
        connections.retain(|_, connection| {
            let heard = connection.lines.try_send(line.clone()).is_ok();
            if !heard {
                connection.listener.abort();
            }
            heard
        });
        if connections.is_empty() {
            let mut untold = self.untold.borrow_mut();
            if untold.len() == UNTOLD_MAX {
                untold.pop_front();
            }
            untold.push_back(worker_id);
        }
        self.changed.notify_one();
    }

    /// Drops a worker that nobody needs to be told of: it never ran.
    pub(super) fn forget(&self, worker_id: &WorkerId) {
        self.workers.borrow_mut().remove(worker_id);
        self.changed.notify_one();
    }

    fn running(&self) -> Say {
        Say::Running { workers: self.workers.borrow().keys().cloned().collect() }
    }

    fn leave(&self, how: Leaving) {
        self.leaving.set(Some(how));
        self.changed.notify_one();
    }
}

/// Takes the name of the socket. Whoever has it without the lock is gone or has retired.
fn listen(store: &Store) -> io::Result<UnixListener> {
    let socket = SocketPath::of(store)?;
    let path = socket.path();
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let listener = UnixListener::bind(path);
    rustix::process::umask(umask);
    listener
}

/// Says that it can be connected to, and turns standard output and error to the log.
fn announce_and_detach(store: &Store) -> io::Result<()> {
    let kept = put_log_aside(store);
    let path = store.root().join(layout::HOLDER_LOG);
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let log = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?;
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    announce(READY);
    stdio::dup2_stdin(&null)?;
    stdio::dup2_stdout(&log)?;
    stdio::dup2_stderr(&log)?;
    if let Err(problem) = kept {
        self::log(format_args!("cannot put a long log aside: {problem}"));
    }
    Ok(())
}

/// Begins a new log where the one that is there is long; the one before that is forgotten. Keepers
/// of earlier holders go on in the one they have open.
fn put_log_aside(store: &Store) -> Result<(), StoreError> {
    let path = store.root().join(layout::HOLDER_LOG);
    let bytes = std::fs::symlink_metadata(path).map_or(0, |log| log.len());
    if bytes > LOG_BYTES_MAX {
        store.remove(layout::EARLIER_HOLDER_LOG)?;
        store.rename(layout::HOLDER_LOG, layout::EARLIER_HOLDER_LOG)?;
    }
    Ok(())
}

fn announce(word: &str) {
    let mut stdout = io::stdout();
    // Nobody may be there to read it.
    let _ = writeln!(stdout, "{word}").and_then(|()| stdout.flush());
}

/// Writes one line to the log, which keepers and steps before exec share with their holder.
pub(super) fn log(what: std::fmt::Arguments<'_>) {
    let at = crate::clock::now().wall;
    let role = ROLE.get().unwrap_or(&"step");
    let _ = writeln!(io::stderr(), "{at} {role} {} {what}", std::process::id());
}

/// Says who writes into the log from here on.
pub(super) fn log_as(role: &'static str) {
    // Nobody is two.
    let _ = ROLE.set(role);
}
