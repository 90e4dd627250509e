//! A directory of its own with a holder, and ways to wait for what happens there.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use baton::backend::Launch;
use baton::daemon::folder::{self, Folder};
use baton::daemon::holder_client::{HolderClient, HolderEvent, Launched, Limits};
use baton::daemon::process;
use baton::domain::ids::{AttemptId, WorkerId};
use baton::domain::worker::ProcessIdentity;
use baton::store::Store;
use notify::{RecursiveMode, Watcher};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Nothing here takes longer, unless it never ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program under test.
pub(crate) const BATON: &str = env!("CARGO_BIN_EXE_baton");

/// A coordination directory. When it is dropped, every worker and holder that ever left its name
/// there is ended.
pub(crate) struct Place {
    _temp: TempDir,
    pub(crate) root: PathBuf,
    pub(crate) store: Store,
    /// Nonces are unique, as they are in life: processes of other tests are not ours.
    tag: String,
}

/// A client and what it hears.
pub(crate) struct Client {
    pub(crate) client: HolderClient,
    tag: String,
    pub(crate) events: mpsc::Receiver<HolderEvent>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::named("coordination")
    }

    /// `name` may hold several directories.
    pub(crate) fn named(name: &str) -> Self {
        let temp = TempDir::new().unwrap();
        let root = temp.path().canonicalize().unwrap().join(name);
        std::fs::create_dir_all(&root).unwrap();
        let store = Store::open(&root).unwrap();
        let tag = temp.path().file_name().unwrap().to_string_lossy().into_owned();
        Self { _temp: temp, root, store, tag }
    }

    pub(crate) async fn connect(&self) -> Client {
        self.connect_with(Path::new(BATON)).await
    }

    pub(crate) async fn connect_with(&self, executable: &Path) -> Client {
        let connected = HolderClient::connect_or_start(&self.store, executable).await;
        let (client, events) = connected.unwrap();
        Client { client, tag: self.tag.clone(), events }
    }

    pub(crate) fn path(&self, worker: &str, file: &str) -> PathBuf {
        self.root.join("workers").join(worker).join(file)
    }

    pub(crate) fn read(&self, worker: &str, file: &str) -> String {
        std::fs::read_to_string(self.path(worker, file)).unwrap_or_default()
    }

    pub(crate) fn json(&self, worker: &str, file: &str) -> Value {
        serde_json::from_str(&self.read(worker, file)).unwrap_or(Value::Null)
    }

    pub(crate) fn folder(&self, worker: &str) -> Folder {
        folder::inspect(&self.store, &id(worker), &self.nonce(worker)).unwrap()
    }

    pub(crate) fn nonce(&self, worker: &str) -> String {
        nonce(&self.tag, worker)
    }

    /// Who launched a worker.
    pub(crate) fn holder_of(&self, worker: &str) -> ProcessIdentity {
        self.named_as("holder", worker)
    }

    /// Who sees a worker to its end.
    pub(crate) fn keeper_of(&self, worker: &str) -> ProcessIdentity {
        self.named_as("keeper", worker)
    }

    fn named_as(&self, role: &str, worker: &str) -> ProcessIdentity {
        serde_json::from_value(self.json(worker, "identity.json")[role].clone()).unwrap()
    }

    /// Finds out, by having a worker launched, whether workers have control groups here.
    pub(crate) async fn has_cgroups(&self, client: &mut Client) -> bool {
        client.start("first", self.script("exit 0")).await;
        client.exited("first").await;
        !self.json("first", "identity.json")["cgroup"].is_null()
    }

    /// A shell script as a worker, run in the directory above `coordination/`.
    pub(crate) fn script(&self, script: &str) -> Launch {
        Launch {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            env: BTreeMap::new(),
            inherit: vec!["PATH".into()],
            cwd: self.root.clone(),
            stdin: None,
        }
    }

    /// A path for the worker to say something to the test.
    pub(crate) fn sign(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let workers = std::fs::read_dir(self.root.join("workers"));
        for entry in workers.into_iter().flatten().flatten() {
            let identity = self.json(&entry.file_name().to_string_lossy(), "identity.json");
            for role in ["holder", "keeper", "process"] {
                let identity = serde_json::from_value::<ProcessIdentity>(identity[role].clone());
                // A test may have been the holder itself.
                if let Some(identity) = identity.ok().filter(|i| i.pid != std::process::id()) {
                    process::signal(&identity, Signal::KILL);
                }
            }
            if let Some(leaf) = identity["cgroup"].as_str() {
                let _ = std::fs::write(format!("{leaf}/cgroup.kill"), "1");
                // It can go once they are gone, which is now.
                for _ in 0..10_000 {
                    if std::fs::remove_dir(leaf).is_ok() || !Path::new(leaf).exists() {
                        break;
                    }
                    std::thread::yield_now();
                }
            }
        }
    }
}

impl Client {
    pub(crate) async fn launch(&self, worker: &str, launch: Launch) -> Launched {
        self.launch_within(worker, launch, Limits::default()).await
    }

    pub(crate) async fn launch_within(
        &self,
        worker: &str,
        launch: Launch,
        limits: Limits,
    ) -> Launched {
        let attempt = AttemptId::parse(worker).unwrap();
        let (id, nonce) = (id(worker), nonce(&self.tag, worker));
        let launching = self.client.launch(&id, &attempt, &nonce, launch, limits);
        patiently(launching).await.unwrap()
    }

    pub(crate) async fn start(&self, worker: &str, launch: Launch) -> ProcessIdentity {
        let launched = self.launch(worker, launch).await;
        let Launched::Started(identity) = launched else { panic!("{worker}: {launched:?}") };
        identity
    }

    pub(crate) async fn event(&mut self) -> HolderEvent {
        patiently(self.events.recv()).await.unwrap()
    }

    /// Waits until a worker is said to be over.
    pub(crate) async fn exited(&mut self, worker: &str) {
        let wanted = HolderEvent::Exited { worker_id: id(worker) };
        while self.event().await != wanted {}
    }
}

pub(crate) fn id(worker: &str) -> WorkerId {
    WorkerId::parse(worker).unwrap()
}

fn nonce(tag: &str, worker: &str) -> String {
    format!("{tag}-{worker}")
}

/// Waits for something that comes soon if it comes at all.
pub(crate) async fn patiently<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it comes in time")
}

/// Waits until a file is there.
pub(crate) async fn there(path: &Path) {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        until(path.parent().unwrap(), || path.exists());
    })
    .await
    .unwrap();
}

/// Waits until something holds that can only change with a file in `directory`, which is made if
/// need be.
pub(crate) fn until(directory: &Path, holds: impl Fn() -> bool) {
    std::fs::create_dir_all(directory).unwrap();
    let (changed, changes) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |_| {
        let _ = changed.send(());
    })
    .unwrap();
    watcher.watch(directory, RecursiveMode::NonRecursive).unwrap();
    while !holds() {
        changes.recv_timeout(PATIENCE).expect("it comes in time");
    }
}

/// Ends a process for certain.
pub(crate) async fn kill(identity: &ProcessIdentity) {
    assert!(process::signal(identity, Signal::KILL), "{identity:?}");
    patiently(process::ended(identity)).await;
}

/// Makes a named pipe: whoever opens it waits for the other end.
pub(crate) fn make_fifo(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

/// Opens both ends of a named pipe, so that nobody waits for the other one any more.
pub(crate) fn open_fifo(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// Where workers wait with `read line < gate`.
pub(crate) struct Gate {
    fifo: File,
}

impl Gate {
    pub(crate) fn of(place: &Place) -> Self {
        let path = place.sign("gate");
        make_fifo(&path);
        Self { fifo: open_fifo(&path) }
    }

    /// Lets one worker go on, whether it waits already or comes later.
    pub(crate) fn open(&mut self) {
        self.fifo.write_all(b"\n").unwrap();
    }
}
