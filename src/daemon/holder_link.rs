//! One connection of the daemon to the holder: questions, answers, and what is told unasked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::holder::HolderError;
use super::protocol::{self, Ask, Line, PROTOCOL, Say, SocketPath};
use crate::domain::ids::WorkerId;
use crate::store::Store;

/// How long the holder may take to answer what needs no waiting.
pub(super) const ANSWER_MS_MAX: u64 = 5_000;

/// What comes over a connection unasked.
#[derive(Debug)]
pub(super) enum Heard {
    /// A worker is over.
    Exited(WorkerId),
    /// The connection ended.
    End {
        /// Whether it was the connection of the daemon.
        was_taken_up: bool,
        /// Workers whose ends will not be told over it any more.
        orphans: BTreeSet<WorkerId>,
    },
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    writer: tokio::sync::Mutex<OwnedWriteHalf>,
    talk: Mutex<Talk>,
    /// Told when this connection is given up from our side.
    given_up: Notify,
}

/// What goes on over one connection.
#[derive(Debug, Default)]
struct Talk {
    last_id: u64,
    /// Questions that are not answered.
    waiting: BTreeMap<u64, Waiting>,
    /// Workers whose ends the holder will tell.
    held: BTreeSet<WorkerId>,
    /// Whether this is, or was, the connection of the daemon.
    is_taken_up: bool,
    is_lost: bool,
}

#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Say>,
    /// The worker that is held by the holder once it says `Started`.
    launches: Option<WorkerId>,
}

impl Link {
    /// Connects to the holder of a directory, if there is one, and listens to it in a task of its
    /// own. `heard` is told what was not asked for.
    pub(super) async fn open(
        store: &Store,
        heard: impl Fn(Heard) + Send + 'static,
    ) -> Option<Arc<Self>> {
        let socket = SocketPath::of(store).ok()?;
        let stream = UnixStream::connect(socket.path()).await.ok()?;
        // Only our own user may tell us what became of our workers.
        if stream.peer_cred().ok()?.uid() != rustix::process::geteuid().as_raw() {
            return None;
        }
        let (reader, writer) = stream.into_split();
        let link = Arc::new(Self {
            writer: tokio::sync::Mutex::new(writer),
            talk: Mutex::default(),
            given_up: Notify::new(),
        });
        tokio::spawn(listen(Arc::clone(&link), reader, heard));
        Some(link)
    }

    /// Tells whether nothing can be asked any more.
    pub(super) fn is_lost(&self) -> bool {
        self.talk().is_lost
    }

    /// Tells whether the holder will say when this worker is over.
    pub(super) fn holds(&self, worker_id: &WorkerId) -> bool {
        self.talk().held.contains(worker_id)
    }

    /// Makes this the connection of the daemon, to a holder that has these workers.
    pub(super) fn take_up(&self, workers: Vec<WorkerId>) {
        let mut talk = self.talk();
        talk.held.extend(workers);
        talk.is_taken_up = true;
    }

    /// Ends the connection from this side.
    pub(super) fn give_up(&self) {
        self.given_up.notify_one();
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        // Whoever panicked left no half-made change: every change is one call.
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks and waits for the answer.
    pub(super) async fn ask(
        &self,
        ask: Ask,
        patience_ms: u64,
        launches: Option<&WorkerId>,
    ) -> Result<Say, HolderError> {
        let (answer, answered) = oneshot::channel();
        let id = {
            let mut talk = self.talk();
            if talk.is_lost {
                return Err(HolderError::Lost);
            }
            talk.last_id += 1;
            let id = talk.last_id;
            talk.waiting.insert(id, Waiting { answer, launches: launches.cloned() });
            id
        };
        let line = protocol::to_line(&Line { id, body: ask });
        let exchange = async {
            self.writer.lock().await.write_all(&line).await.map_err(|_| HolderError::Lost)?;
            answered.await.map_err(|_| HolderError::Lost)
        };
        timeout(Duration::from_millis(patience_ms), exchange).await.unwrap_or_else(|_| {
            // Half a question may be on its way: nothing more can be asked over this connection.
            self.give_up();
            Err(HolderError::Answer(format!("it has not answered within {patience_ms} ms")))
        })
    }

    /// Takes one line.
    fn hear(&self, line: &[u8], heard: &impl Fn(Heard)) {
        let Ok(Line { id, body }) = serde_json::from_slice::<Line<Say>>(line) else {
            tracing::warn!(line = %String::from_utf8_lossy(line), "cannot understand the holder");
            return;
        };
        let mut talk = self.talk();
        if let Say::Exited { worker_id } = body {
            talk.held.remove(&worker_id);
            heard(Heard::Exited(worker_id));
            return;
        }
        let Some(Waiting { answer, launches }) = talk.waiting.remove(&id) else { return };
        if let (Say::Started { .. }, Some(worker_id)) = (&body, launches) {
            // Before its end can be heard.
            talk.held.insert(worker_id);
        }
        // Whoever asked may have lost patience.
        let _ = answer.send(body);
    }

    /// Tells whether this holder speaks as we do; one that does not is asked to make room.
    pub(super) async fn is_current(&self) -> Result<bool, HolderError> {
        match self.ask(Ask::Ping, ANSWER_MS_MAX, None).await {
            Ok(Say::Pong { protocol: PROTOCOL, .. }) => Ok(true),
            Ok(_) => {
                // Whether it has made room shows at the next look.
                let _ = self.ask(Ask::Retire, ANSWER_MS_MAX, None).await;
                self.give_up();
                Ok(false)
            }
            // It was about to end.
            Err(HolderError::Lost) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Takes what the holder says until the connection ends.
async fn listen(link: Arc<Link>, reader: OwnedReadHalf, heard: impl Fn(Heard) + Send) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        tokio::select! {
            more = protocol::read_line(&mut reader, &mut line) => match more {
                Ok(true) => link.hear(&line, &heard),
                Ok(false) | Err(_) => break,
            },
            () = link.given_up.notified() => break,
        }
    }
    let ended = {
        let mut talk = link.talk();
        talk.is_lost = true;
        // Whoever waits hears that nothing will come.
        talk.waiting.clear();
        Heard::End { was_taken_up: talk.is_taken_up, orphans: std::mem::take(&mut talk.held) }
    };
    heard(ended);
}
