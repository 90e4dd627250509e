//! Kills at every point of the launch window, and the step before exec by itself.

use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;

use baton::backend::Launch;
use baton::daemon::folder::Folder;
use baton::daemon::holder_client::{HolderEvent, Launched};
use baton::daemon::process;
use baton::domain::worker::{Exit, ProcessIdentity};
use rustix::fs::FlockOperation;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::place::{self, BATON, Client, Gate, Place, kill, patiently, there};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_killed_before_the_marker_leaves_an_empty_folder() {
    let place = Place::new();
    let mut client = place.connect().await;
    let holder = holder_of(&place, &mut client).await;
    let launching = client.launch("w-1", stuck(&place));
    let killing = async {
        there(&place.path("w-1", "output.log")).await;
        kill(&child_of(&child_of(&holder))).await;
    };
    let (launched, ()) = tokio::join!(launching, killing);
    let Launched::Failed { error, transient: true } = launched else { panic!("{launched:?}") };
    assert!(error.contains("was killed"), "{error}");
    assert_eq!(place.folder("w-1"), Folder::Empty);

    client.start("w-1", place.script("echo ran")).await;
    client.exited("w-1").await;
    assert_eq!(place.read("w-1", "output.log"), "ran\n");
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_killed_before_the_marker_is_replaced_and_the_program_runs_once() {
    let place = Place::new();
    let mut client = place.connect().await;
    let holder = holder_of(&place, &mut client).await;
    let launching = client.launch("w-1", stuck(&place));
    let killing = async {
        there(&place.path("w-1", "output.log")).await;
        let step = child_of(&child_of(&holder));
        kill(&holder).await;
        assert!(process::is_alive(&step), "it still waits for its standard input");
        place::open_fifo(&place.sign("stdin"))
    };
    let (launched, stdin) = tokio::join!(launching, killing);
    drop(stdin);
    let (Launched::Started(identity) | Launched::Already(identity)) = launched else {
        panic!("{launched:?}")
    };
    client.exited("w-1").await;
    assert_eq!(place.folder("w-1"), Folder::Done { identity, exit: Exit::Code(0) });
    assert_eq!(place.read("w-1", "output.log"), "ran\n");
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_killed_before_the_marker_leaves_an_empty_folder() {
    let place = Place::new();
    let mut client = place.connect().await;
    let holder = holder_of(&place, &mut client).await;
    let launching = client.launch("w-1", stuck(&place));
    let killing = async {
        there(&place.path("w-1", "output.log")).await;
        let keeper = child_of(&holder);
        let step = child_of(&keeper);
        kill(&keeper).await;
        assert!(process::is_alive(&step), "it still waits for its standard input");
        place::open_fifo(&place.sign("stdin"))
    };
    let (launched, stdin) = tokio::join!(launching, killing);
    drop(stdin);
    let Launched::Failed { error, transient: true } = launched else { panic!("{launched:?}") };
    assert!(error.contains("was killed"), "{error}");
    assert_eq!(place.folder("w-1"), Folder::Empty);

    client.start("w-1", place.script("echo ran")).await;
    client.exited("w-1").await;
    assert_eq!(place.read("w-1", "output.log"), "ran\n");
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_as_soon_as_the_marker_is_there_is_recorded() {
    let place = Place::new();
    let mut client = place.connect().await;
    for round in 0..15 {
        let worker = format!("w-{round}");
        let launching = client.launch(&worker, place.script("echo ran; exec tail -f /dev/null"));
        let (launched, identity) = tokio::join!(launching, kill_begun(&place, &worker));
        assert_eq!(launched, Launched::Started(identity.clone()));
        client.exited(&worker).await;
        assert_eq!(place.folder(&worker), Folder::Done { identity, exit: Exit::Signal(9) });
        assert!(["", "ran\n"].contains(&place.read(&worker, "output.log").as_str()));
    }
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_outlives_a_holder_killed_as_soon_as_the_marker_is_there() {
    for _ in 0..8 {
        let place = Place::new();
        let mut client = place.connect().await;
        let holder = holder_of(&place, &mut client).await;
        let launching =
            client.launch("w-1", place.script("echo ran; echo > ready; exec tail -f /dev/null"));
        let killing = async {
            there(&place.path("w-1", "identity.json")).await;
            kill(&holder).await;
        };
        let (launched, ()) = tokio::join!(launching, killing);
        let (Launched::Started(identity) | Launched::Already(identity)) = launched else {
            panic!("{launched:?}")
        };
        there(&place.sign("ready")).await;
        assert_eq!(place.folder("w-1"), Folder::Alive(identity.clone()));
        kill(&identity).await;
        client.exited("w-1").await;
        let done = Folder::Done { identity: identity.clone(), exit: Exit::Signal(9) };
        assert_eq!(place.folder("w-1"), done);
        let again = client.launch("w-1", place.script("echo twice")).await;
        assert_eq!(again, Launched::Already(identity));
        assert_eq!(place.read("w-1", "output.log"), "ran\n");
        client.client.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_keeper_is_killed_as_soon_as_the_marker_is_there_is_recorded() {
    let place = Place::new();
    let mut client = place.connect().await;
    let mut gate = Gate::of(&place);
    for round in 0..15 {
        let worker = format!("w-{round}");
        let launching = client.launch(&worker, place.script("echo ran; read line < gate; exit 5"));
        let killing = async {
            there(&place.path(&worker, "identity.json")).await;
            kill(&place.keeper_of(&worker)).await;
        };
        let (launched, ()) = tokio::join!(launching, killing);
        let Launched::Started(identity) = launched else { panic!("{launched:?}") };
        gate.open();
        client.exited(&worker).await;
        assert_eq!(place.folder(&worker), Folder::Done { identity, exit: Exit::Code(5) });
        assert_eq!(place.read(&worker, "output.log"), "ran\n");
    }
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_killed_before_its_record_leaves_it_to_the_holder() {
    let place = Place::new();
    let mut client = place.connect().await;
    let worker = client.start("w-1", place.script("exec tail -f /dev/null")).await;
    let keeper = place.keeper_of("w-1");
    // A stopped keeper sees nothing of what comes.
    assert!(process::signal(&keeper, Signal::STOP));
    kill(&worker).await;
    assert_eq!(place.folder("w-1"), Folder::Alive(worker.clone()), "its keeper may yet say how");
    kill(&keeper).await;
    client.exited("w-1").await;
    assert_eq!(place.folder("w-1"), Folder::Done { identity: worker, exit: Exit::Signal(9) });
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_keeper_and_holder_runs_on_and_is_an_interruption_in_the_end() {
    let place = Place::new();
    let mut client = place.connect().await;
    let mut gate = Gate::of(&place);
    let holder = holder_of(&place, &mut client).await;
    let worker = client.start("w-1", place.script("read line < gate; echo done")).await;
    kill(&holder).await;
    kill(&place.keeper_of("w-1")).await;
    assert_eq!(client.event().await, HolderEvent::Lost);
    assert_eq!(place.folder("w-1"), Folder::Alive(worker.clone()));
    gate.open();
    client.exited("w-1").await;
    assert_eq!(place.folder("w-1"), Folder::Interrupted(worker));
    assert_eq!(place.read("w-1", "output.log"), "done\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_killed_together_are_an_interruption() {
    let place = Place::new();
    let mut client = place.connect().await;
    let holder = holder_of(&place, &mut client).await;
    let worker = client.start("w-1", place.script("exec tail -f /dev/null")).await;
    let keeper = place.keeper_of("w-1");
    for watcher in [&holder, &keeper] {
        assert!(process::signal(watcher, Signal::STOP));
    }
    kill(&worker).await;
    assert_eq!(place.folder("w-1"), Folder::Alive(worker.clone()), "its keeper may yet say how");
    kill(&keeper).await;
    assert_eq!(place.folder("w-1"), Folder::Alive(worker.clone()), "its holder may yet say how");
    kill(&holder).await;
    assert_eq!(place.folder("w-1"), Folder::Interrupted(worker.clone()));
    assert_eq!(client.event().await, HolderEvent::Lost);
    client.exited("w-1").await;

    let exit = |nonce: String| {
        json!({"schema": "baton/exit@1", "nonce": nonce, "exit": {"how": "code", "code": 0},
               "ended_at": "2025-11-05T18:00:00Z"})
        .to_string()
    };
    std::fs::write(place.path("w-1", "exit.json"), exit("another".into())).unwrap();
    assert_eq!(place.folder("w-1"), Folder::Interrupted(worker.clone()), "not of this attempt");
    std::fs::write(place.path("w-1", "exit.json"), "{").unwrap();
    assert_eq!(place.folder("w-1"), Folder::Interrupted(worker.clone()), "torn by a power cut");
    std::fs::write(place.path("w-1", "exit.json"), exit(place.nonce("w-1"))).unwrap();
    assert_eq!(place.folder("w-1"), Folder::Done { identity: worker, exit: Exit::Code(0) });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_started_says_why() {
    let place = Place::new();
    let client = place.connect().await;
    let failed = |launched| {
        let Launched::Failed { error, transient } = launched else { panic!("{launched:?}") };
        (error, transient)
    };
    let missing = Launch { program: "/no/such/program".into(), ..place.script("") };
    let (error, transient) = failed(client.launch("missing", missing).await);
    assert!(error.contains("/no/such/program") && !transient, "{error}");
    let identity =
        serde_json::from_value(place.json("missing", "identity.json")["process"].clone());
    let done = Folder::Done { identity: identity.unwrap(), exit: Exit::Code(127) };
    assert_eq!(place.folder("missing"), done);
    assert!(place.json("missing", "exit.json")["error"].as_str().unwrap().contains("no/such"));
    assert!(place.read("missing", "output.log").contains("cannot run /no/such/program"));

    let directory = Launch { program: "/".into(), ..place.script("") };
    failed(client.launch("directory", directory).await);
    assert_eq!(place.json("directory", "exit.json")["exit"]["code"], 126);

    let nowhere = Launch { cwd: "/no/such/directory".into(), ..place.script("") };
    let (error, transient) = failed(client.launch("nowhere", nowhere).await);
    assert!(error.contains("cannot enter /no/such/directory") && !transient, "{error}");
    assert_eq!(place.folder("nowhere"), Folder::Empty, "nothing was begun");

    std::fs::create_dir_all(place.root.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.root.join("elsewhere"), place.root.join("workers/link"))
        .unwrap();
    failed(client.launch("link", place.script("echo ran")).await);
    assert_eq!(std::fs::read_dir(place.root.join("elsewhere")).unwrap().count(), 0);
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_signal_but_kill_ends_a_keeper_before_its_worker() {
    let place = Place::new();
    let mut client = place.connect().await;
    let mut gate = Gate::of(&place);
    let worker = client.start("w-1", place.script("trap : TERM; read line < gate; exit 4")).await;
    let keeper = place.keeper_of("w-1");
    let raw = rustix::process::Pid::from_raw(i32::try_from(keeper.pid).unwrap());
    assert_eq!(rustix::process::getsid(raw).unwrap(), raw.unwrap(), "no terminal reaches it");
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        assert!(process::signal(&keeper, signal));
    }
    gate.open();
    client.exited("w-1").await;
    assert_eq!(place.folder("w-1"), Folder::Done { identity: worker, exit: Exit::Code(4) });
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marker_from_before_there_were_keepers_names_the_holder_alone() {
    let place = Place::new();
    let mut client = place.connect().await;
    client.start("w-1", place.script("exit 0")).await;
    client.exited("w-1").await;
    let holder = place.holder_of("w-1");
    let mut marker = place.json("w-1", "identity.json");
    for field in ["keeper", "cgroup"] {
        marker.as_object_mut().unwrap().remove(field);
    }
    std::fs::write(place.path("w-1", "identity.json"), marker.to_string()).unwrap();
    let Folder::Done { identity, .. } = place.folder("w-1") else { panic!("it is over") };
    std::fs::remove_file(place.path("w-1", "exit.json")).unwrap();
    assert_eq!(place.folder("w-1"), Folder::Alive(identity.clone()), "its holder may yet say how");
    kill(&holder).await;
    assert_eq!(place.folder("w-1"), Folder::Interrupted(identity));
}

#[test]
fn a_marker_that_a_power_cut_emptied_means_begun() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("w-1", "")).unwrap();
    assert_eq!(place.folder("w-1"), Folder::Empty, "a folder alone is nothing");
    std::fs::write(place.path("w-1", "identity.json"), "").unwrap();
    let Folder::Interrupted(nobody) = place.folder("w-1") else { panic!("it may not run again") };
    assert!(!process::is_alive(&nobody) && !process::signal(&nobody, Signal::KILL));

    let lock = std::fs::File::create(place.path("w-1", "attempt.lock")).unwrap();
    rustix::fs::flock(lock.as_fd(), FlockOperation::LockExclusive).unwrap();
    let folder = baton::daemon::folder::inspect(&place.store, &place::id("w-1"), "n");
    assert!(folder.unwrap_err().to_string().contains("cannot tell which worker holds the lock"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_with_half_an_order_begins_nothing() {
    let place = Place::new();
    let order = order(&place, "w-1", &process::identify(std::process::id()).unwrap());
    for cut in [0, 1, order.len() / 2, order.len() - 1] {
        let said = talk_to("keep", &order.as_bytes()[..cut]).await;
        assert_eq!(said[0]["step"], "failed", "{cut}: {said:?}");
        assert_eq!(place.folder("w-1"), Folder::Empty);
    }
    // With all of it, it needs no holder.
    assert_eq!(talk_to("keep", order.as_bytes()).await[0]["step"], "begun");
    let Folder::Done { exit, .. } = place.folder("w-1") else { panic!("it ran to its end") };
    assert_eq!(exit, Exit::Code(0));
    let said = talk_to("keep", order.as_bytes()).await;
    assert_eq!(said, [json!({"step": "refused", "reason": "it was begun before"})]);
    assert_eq!(place.read("w-1", "output.log"), "ran\n");
}

/// The step before exec with this test for a holder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_with_half_an_order_or_another_parent_begins_nothing() {
    let place = Place::new();
    let order = order(&place, "w-1", &process::identify(std::process::id()).unwrap());
    for cut in [0, 1, order.len() / 2, order.len() - 1] {
        let said = step(&order.as_bytes()[..cut]).await;
        assert_eq!(said[0]["step"], "failed", "{cut}: {said:?}");
        assert_eq!(place.folder("w-1"), Folder::Empty);
        assert!(!place.path("w-1", "").exists());
    }
    let parent = process::identify(rustix::process::getppid().unwrap().as_raw_pid().unsigned_abs());
    let said = step(self::order(&place, "w-1", &parent.unwrap()).as_bytes()).await;
    assert_eq!(said, [json!({"step": "refused", "reason": "its holder is gone"})]);
    assert_eq!(place.folder("w-1"), Folder::Empty);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_refuses_a_held_lock_and_a_begun_attempt() {
    let place = Place::new();
    let order = order(&place, "w-1", &process::identify(std::process::id()).unwrap());
    std::fs::create_dir_all(place.path("w-1", "")).unwrap();
    let lock = std::fs::File::create(place.path("w-1", "attempt.lock")).unwrap();
    rustix::fs::flock(lock.as_fd(), FlockOperation::LockExclusive).unwrap();
    let said = step(order.as_bytes()).await;
    assert_eq!(said, [json!({"step": "refused", "reason": "its lock is held"})]);
    assert_eq!(place.folder("w-1"), Folder::Empty);
    drop(lock);

    let said = step(order.as_bytes()).await;
    assert_eq!(said[0]["step"], "begun");
    let identity: ProcessIdentity = serde_json::from_value(said[0]["identity"].clone()).unwrap();
    assert_eq!(place.folder("w-1"), Folder::Alive(identity), "this test has not said how it ended");
    let said = step(order.as_bytes()).await;
    assert_eq!(said, [json!({"step": "refused", "reason": "it was begun before"})]);
    assert_eq!(place.read("w-1", "output.log"), "ran\n");
}

async fn step(order: &[u8]) -> Vec<Value> {
    talk_to("exec", order).await
}

/// Writes an order to a process of our own, waits for its end and returns what it said.
async fn talk_to(role: &str, order: &[u8]) -> Vec<Value> {
    let mut step = tokio::process::Command::new(BATON)
        .args(["worker", role])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    step.stdin.take().unwrap().write_all(order).await.unwrap();
    let output = patiently(step.wait_with_output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn order(place: &Place, worker: &str, holder: &ProcessIdentity) -> String {
    json!({
        "coordination": place.root,
        "holder": holder,
        "order": {
            "worker_id": worker,
            "attempt_id": worker,
            "nonce": place.nonce(worker),
            "launch": Launch { program: "/bin/sh".into(), ..place.script("echo ran") },
        },
    })
    .to_string()
}

/// A worker whose step before exec waits, with the lock and without the marker, until somebody
/// opens the other end of its standard input.
fn stuck(place: &Place) -> Launch {
    place::make_fifo(&place.sign("stdin"));
    Launch { stdin: Some(place.sign("stdin")), ..place.script("echo ran") }
}

/// Finds out who the holder is by having a worker launched.
async fn holder_of(place: &Place, client: &mut Client) -> ProcessIdentity {
    client.start("first", place.script("exit 0")).await;
    client.exited("first").await;
    place.holder_of("first")
}

/// Finds the one child of a process: the keeper of the holder, the step of the keeper.
fn child_of(parent: &ProcessIdentity) -> ProcessIdentity {
    let children = format!("/proc/{0}/task/{0}/children", parent.pid);
    let children = std::fs::read_to_string(Path::new(&children)).unwrap();
    process::identify(children.trim().parse().unwrap()).unwrap()
}

/// Kills a worker the moment its marker is there.
async fn kill_begun(place: &Place, worker: &str) -> ProcessIdentity {
    there(&place.path(worker, "identity.json")).await;
    let identity = place.json(worker, "identity.json")["process"].clone();
    let identity = serde_json::from_value(identity).unwrap();
    kill(&identity).await;
    identity
}
