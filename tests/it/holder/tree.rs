//! What belongs to a worker: nothing of it escapes, and nothing else is touched.

use std::path::Path;
use std::process::Stdio;

use baton::daemon::folder::Folder;
use baton::daemon::process;
use baton::daemon::process_tree::{self, Stopped, Tree};
use baton::domain::worker::{Exit, ProcessIdentity};

use super::place::{Gate, Place, id, kill, patiently, there, until};

/// Starts a process that keeps nothing of the worker: another session, another parent, no file in
/// common, an empty environment, and where it may, another control group.
const ESCAPE: &str = r#"
( { echo 0 > /sys/fs/cgroup/unified/cgroup.procs; } 2>/dev/null
  exec env -i PATH="$PATH" setsid -f sh -c '
    for f in 3 4 5 6 7 8 9; do eval "exec $f>&-"; done
    echo $$ > escaped.tmp; mv escaped.tmp escaped; exec tail -f /dev/null
  ' </dev/null >/dev/null 2>&1 )
"#;
/// The same within the worker's control group.
const HIDE: &str = r#"
( exec env -i PATH="$PATH" setsid -f sh -c '
    for f in 3 4 5 6 7 8 9; do eval "exec $f>&-"; done
    echo $$ > escaped.tmp; mv escaped.tmp escaped; exec tail -f /dev/null
  ' </dev/null >/dev/null 2>&1 )
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_forks_away_twice_is_ended_with_its_worker() {
    let place = Place::new();
    let mut client = place.connect().await;
    let mut gate = Gate::of(&place);
    let script = format!("{ESCAPE} read line < gate; exit 6");
    let identity = client.start("w-1", place.script(&script)).await;
    let escaped = escaped(&place).await;
    gate.open();
    client.exited("w-1").await;
    assert!(!process::is_alive(&escaped));
    assert_eq!(place.folder("w-1"), Folder::Done { identity, exit: Exit::Code(6) });
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_forks_away_twice_is_stopped_with_its_worker_by_whoever_is_left() {
    for is_holder_gone in [false, true] {
        let place = Place::new();
        let mut client = place.connect().await;
        let script = format!("{ESCAPE} exec tail -f /dev/null");
        let identity = client.start("w-1", place.script(&script)).await;
        let escaped = escaped(&place).await;
        if is_holder_gone {
            kill(&place.holder_of("w-1")).await;
        }
        let stopped = patiently(client.client.stop(&id("w-1"), &identity, 5_000)).await.unwrap();
        assert_eq!(stopped, Stopped::Gone);
        assert!(!process::is_alive(&escaped));
        client.exited("w-1").await;
        assert_eq!(place.folder("w-1"), Folder::Done { identity, exit: Exit::Signal(15) });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_starts_another_one_and_ends_again_and_again_is_ended() {
    let place = Place::new();
    let mut client = place.connect().await;
    let mut gate = Gate::of(&place);
    let mark = place.root.display().to_string();
    let script = format!(
        r#"( {{ echo 0 > /sys/fs/cgroup/unified/cgroup.procs; }} 2>/dev/null
           exec env -i PATH="$PATH" setsid -f sh -c '
             for f in 3 4 5 6 7 8 9; do eval "exec $f>&-"; done
             flee() {{ flee & }}
             flee' 'fleeing from {mark}' </dev/null >/dev/null 2>&1 )
           read line < gate; exit 6"#
    );
    let identity = client.start("w-1", place.script(&script)).await;
    let is_fleeing = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok()).any(
            |line| {
                let line = String::from_utf8_lossy(&line).into_owned();
                line.starts_with("sh") && line.contains(&format!("fleeing from {mark}"))
            },
        )
    };
    let begins = async {
        while !is_fleeing() {
            tokio::task::yield_now().await;
        }
    };
    patiently(begins).await;
    gate.open();
    client.exited("w-1").await;
    assert_eq!(place.folder("w-1"), Folder::Done { identity, exit: Exit::Code(6) });
    for _ in 0..20 {
        assert!(!is_fleeing());
    }
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_keeper_leaves_is_ended_by_the_holder() {
    let place = Place::new();
    let mut client = place.connect().await;
    let mut gate = Gate::of(&place);
    let bystander = client.start("w-2", place.script("exec tail -f /dev/null")).await;
    let script = format!("{ESCAPE} read line < gate; exit 6");
    let identity = client.start("w-1", place.script(&script)).await;
    let escaped = escaped(&place).await;
    kill(&place.keeper_of("w-1")).await;
    assert!(process::is_alive(&escaped));
    gate.open();
    client.exited("w-1").await;
    assert!(!process::is_alive(&escaped));
    assert_eq!(place.folder("w-1"), Folder::Done { identity, exit: Exit::Code(6) });
    assert_eq!(place.folder("w-2"), Folder::Alive(bystander));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interruption_is_told_only_when_nothing_works_on() {
    let place = Place::new();
    let mut client = place.connect().await;
    // Without a control group this one cannot be told any more: then it keeps its environment.
    let in_group = place.has_cgroups(&mut client).await;
    let script = if in_group {
        HIDE.to_owned()
    } else {
        eprintln!("skipped in part: there are no control groups here");
        HIDE.replace("env -i", "env")
    };
    let script = format!("{script} exec tail -f /dev/null");
    let identity = client.start("w-1", place.script(&script)).await;
    let escaped = escaped(&place).await;
    // Without a daemon nobody ends what is left.
    drop(client);
    for watcher in [place.holder_of("w-1"), place.keeper_of("w-1"), identity.clone()] {
        kill(&watcher).await;
    }
    let folder = place.folder("w-1");
    assert_eq!(folder, Folder::Alive(identity.clone()), "two must not be at the same work");
    let mut client = place.connect().await;
    client.client.watch(&id("w-1")).await;
    client.exited("w-1").await;
    assert!(!process::is_alive(&escaped));
    assert_eq!(place.folder("w-1"), Folder::Interrupted(identity));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_group_goes_with_its_worker_and_an_empty_one_with_the_next_holder() {
    let place = Place::new();
    let mut client = place.connect().await;
    if !place.has_cgroups(&mut client).await {
        eprintln!("skipped: there are no control groups here");
        return;
    }
    let leaf = |worker: &str| place.json(worker, "identity.json")["cgroup"].clone();
    assert!(!Path::new(leaf("first").as_str().unwrap()).exists());
    let identity = client.start("w-1", place.script("exec tail -f /dev/null")).await;
    let processes = Path::new(leaf("w-1").as_str().unwrap()).join("cgroup.procs");
    assert_eq!(std::fs::read_to_string(&processes).unwrap(), format!("{}\n", identity.pid));
    for process in [place.holder_of("w-1"), place.keeper_of("w-1"), identity] {
        kill(&process).await;
    }
    assert!(processes.exists());
    client.start("w-2", place.script("exit 0")).await;
    assert!(!processes.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_worker_is_not_dead_and_hears_term() {
    let place = Place::new();
    let mut client = place.connect().await;
    // The one that has ended is never waited for.
    let script = "sh -c 'exit 1' & echo > ready; kill -STOP $$; exec tail -f /dev/null";
    let identity = client.start("w-1", place.script(script)).await;
    there(&place.sign("ready")).await;
    assert_eq!(place.folder("w-1"), Folder::Alive(identity.clone()));
    let stopped = patiently(client.client.stop(&id("w-1"), &identity, 20_000)).await.unwrap();
    assert_eq!(stopped, Stopped::Gone);
    client.exited("w-1").await;
    assert_eq!(place.folder("w-1"), Folder::Done { identity, exit: Exit::Signal(15) });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_signal_reaches_is_a_survivor_and_the_worker_is_not_over() {
    // Frozen in this way (cgroup v1) a process is uninterruptible, and even KILL has to wait.
    let freezer = format!("/sys/fs/cgroup/freezer/baton-test-{}", std::process::id());
    let freezer = Path::new(&freezer);
    if std::fs::create_dir(freezer).is_err() || !freezer.join("freezer.state").exists() {
        eprintln!("skipped: there is no freezer here");
        return;
    }
    let place = Place::new();
    let client = place.connect().await;
    let mut gate = Gate::of(&place);
    let script = "tail -f /dev/null & echo $! > escaped.tmp; mv escaped.tmp escaped; \
                  read line < gate; exit 3";
    let identity = client.start("w-1", place.script(script)).await;
    let frozen = escaped(&place).await;
    std::fs::write(freezer.join("cgroup.procs"), frozen.pid.to_string()).unwrap();
    let set = |state: &str| std::fs::write(freezer.join("freezer.state"), state).unwrap();
    set("FROZEN");
    assert!(process::is_alive(&frozen));

    gate.open();
    patiently(process::ended(&identity)).await;
    let stopped = patiently(client.client.stop(&id("w-1"), &identity, 10)).await.unwrap();
    assert_eq!(stopped, Stopped::Survivors(vec![frozen.pid]));
    assert_eq!(place.folder("w-1"), Folder::Alive(identity.clone()));
    patiently(process::ended(&place.keeper_of("w-1"))).await;
    assert_eq!(place.json("w-1", "exit.json")["survivors"], serde_json::json!([frozen.pid]));
    assert_eq!(place.folder("w-1"), Folder::Alive(identity.clone()), "its end is recorded");
    set("THAWED");
    patiently(process::ended(&frozen)).await;
    assert_eq!(place.folder("w-1"), Folder::Done { identity, exit: Exit::Code(3) });
    std::fs::remove_dir(freezer).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_stranger_only_what_is_its_own_is_stopped() {
    let place = Place::new();
    let start = |program: &str, script: &str| {
        let mut command = tokio::process::Command::new(program);
        let words: &[&str] = if program == "setsid" { &["sh", "-c"] } else { &["-c"] };
        command.args(words).arg(script).current_dir(&place.root).stdin(Stdio::null());
        command.process_group(0).spawn().unwrap()
    };
    // In our session, and so without one of its own; its neighbour must not be touched.
    let neighbour = start("sh", "exec tail -f /dev/null");
    let neighbour = process::identify(neighbour.id().unwrap()).unwrap();
    let child = "sh -c 'echo $$ > escaped.tmp; mv escaped.tmp escaped; exec tail -f /dev/null' &";
    let stranger = start("sh", &format!("{child} wait"));
    let stranger = process::identify(stranger.id().unwrap()).unwrap();
    let child_of_it = escaped(&place).await;
    let mistaken = ProcessIdentity { start_ticks: stranger.start_ticks + 1, ..stranger.clone() };
    assert_eq!(process_tree::stop(&Tree::of_stranger(mistaken), 0).await, Stopped::Gone);
    assert!(process::is_alive(&stranger) && process::is_alive(&child_of_it));
    let tree = Tree::of_stranger(stranger.clone());
    assert_eq!(patiently(process_tree::stop(&tree, 5_000)).await, Stopped::Gone);
    assert!(!process::is_alive(&stranger) && !process::is_alive(&child_of_it));
    assert!(process::is_alive(&neighbour));
    kill(&neighbour).await;

    // The leader of a session: all of it goes, and who lost its parent too.
    std::fs::remove_file(place.sign("escaped")).unwrap();
    let leader = start("setsid", &format!("( {child} ); exec tail -f /dev/null"));
    let orphan = escaped(&place).await;
    let session = rustix::process::getsid(raw(&orphan)).unwrap().as_raw_pid().unsigned_abs();
    assert_ne!(session, std::process::id());
    let leader_identity = process::identify(session).unwrap();
    let tree = Tree::of_stranger(leader_identity.clone());
    assert_eq!(patiently(process_tree::stop(&tree, 5_000)).await, Stopped::Gone);
    assert!(!process::is_alive(&leader_identity) && !process::is_alive(&orphan));
    drop(leader);
}

fn raw(identity: &ProcessIdentity) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(identity.pid).unwrap())
}

/// Waits for the process that says its number in `escaped` and returns who it is.
async fn escaped(place: &Place) -> ProcessIdentity {
    let path = place.sign("escaped");
    let root = place.root.clone();
    let pid = tokio::task::spawn_blocking(move || {
        until(&root, || path.exists());
        std::fs::read_to_string(&path).unwrap().trim().parse().unwrap()
    });
    process::identify(pid.await.unwrap()).unwrap()
}
