//! The holder and the launch window, with real processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests are no tests to clippy")]

mod brief;
mod limits;
mod place;
mod tree;
mod window;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use baton::daemon::folder::{self, Folder};
use baton::daemon::holder_client::{HolderEvent, Launched, Limits};
use baton::daemon::process;
use baton::daemon::process_tree::Stopped;
use baton::domain::worker::Exit;
use place::{Gate, Place, id, kill, patiently, there};

/// Never ends by itself, and takes no time.
const FOR_EVER: &str = "exec tail -f /dev/null";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_launched_heard_of_and_recorded() {
    let place = Place::new();
    let mut client = place.connect().await;
    let identity = client.start("w-1", place.script("echo out; echo err >&2; exit 3")).await;
    client.exited("w-1").await;

    assert_eq!(
        place.folder("w-1"),
        Folder::Done { identity: identity.clone(), exit: Exit::Code(3) }
    );
    assert_eq!(place.read("w-1", "output.log"), "out\nerr\n");
    let exit = place.json("w-1", "exit.json");
    assert_eq!(exit["schema"], "baton/exit@1");
    assert_eq!(exit["nonce"], place.nonce("w-1"));
    assert_eq!(exit["exit"], serde_json::json!({"how": "code", "code": 3}));
    assert!(exit["ended_at"].as_str().unwrap().ends_with('Z'));
    let begun = place.json("w-1", "identity.json");
    assert_eq!(begun["process"], serde_json::to_value(&identity).unwrap());
    assert_eq!(begun["attempt_id"], "w-1");
    assert!(client.client.shut_down().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_is_never_launched_twice_and_another_life_is_recognised() {
    let place = Place::new();
    let mut client = place.connect().await;
    let script = "echo ran; read line < gate";
    let mut gate = Gate::of(&place);
    let identity = client.start("w-1", place.script(script)).await;

    let again = client.launch("w-1", place.script(script)).await;
    assert_eq!(again, Launched::Already(identity.clone()), "while it runs");
    gate.open();
    client.exited("w-1").await;

    let again = client.launch("w-1", place.script(script)).await;
    assert_eq!(again, Launched::Already(identity.clone()), "after its end");
    client.exited("w-1").await;
    assert_eq!(place.read("w-1", "output.log"), "ran\n");

    let attempt = baton::domain::ids::AttemptId::parse("w-1").unwrap();
    let other = client
        .client
        .launch(&id("w-1"), &attempt, "other", place.script("echo ran"), Limits::default())
        .await;
    let Launched::Failed { error, transient: false } = other.unwrap() else { panic!("it ran") };
    assert!(error.contains("another attempt"), "{error}");
    assert_eq!(folder::inspect(&place.store, &id("w-1"), "other").unwrap(), Folder::Foreign);
    assert_eq!(place.read("w-1", "output.log"), "ran\n");
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_put_aside_by_the_next_holder() {
    let place = Place::new();
    let orchestrator = place.root.join("orchestrator");
    std::fs::create_dir_all(&orchestrator).unwrap();
    let [log, earlier] = ["holder.log", "holder.log.1"].map(|name| orchestrator.join(name));
    std::fs::write(&earlier, "long ago\n").unwrap();
    let long = "a line\n".repeat(700_000);
    std::fs::write(&log, &long).unwrap();
    let client = place.connect().await;
    assert!(std::fs::metadata(&log).unwrap().len() < 100_000);
    assert_eq!(std::fs::read_to_string(&earlier).unwrap(), long);
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_outlive_the_daemon_and_the_next_one_hears_of_them() {
    let place = Place::new();
    let mut gate = Gate::of(&place);
    let first = place.connect().await;
    let long = first.start("long", place.script("read line < gate; exit 4")).await;
    let brief = first.start("brief", place.script("read line < gate; exit 5")).await;
    let holder = place.holder_of("long");
    drop(first);

    assert!(process::is_alive(&long));
    kill(&brief).await;
    let mut second = place.connect().await;
    second.client.watch(&id("long")).await;
    second.client.watch(&id("brief")).await;
    second.exited("brief").await;
    assert_eq!(place.folder("brief"), Folder::Done { identity: brief, exit: Exit::Signal(9) });
    assert_eq!(place.folder("long"), Folder::Alive(long.clone()));
    gate.open();
    second.exited("long").await;
    assert_eq!(place.folder("long"), Folder::Done { identity: long, exit: Exit::Code(4) });
    assert!(process::is_alive(&holder), "the same holder all the time");
    second.client.shut_down().await;
    patiently(process::ended(&holder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_holder_costs_its_workers_nothing() {
    let place = Place::new();
    let mut gate = Gate::of(&place);
    let mut client = place.connect().await;
    let worker = client.start("w-1", place.script("read line < gate; echo done; exit 3")).await;
    let first = place.holder_of("w-1");
    kill(&first).await;
    assert_eq!(client.event().await, HolderEvent::Lost);
    assert_eq!(place.folder("w-1"), Folder::Alive(worker.clone()));

    client.start("w-2", place.script("exit 0")).await;
    client.exited("w-2").await;
    assert_ne!(place.holder_of("w-2"), first, "a new one");

    gate.open();
    client.exited("w-1").await;
    let done = Folder::Done { identity: worker.clone(), exit: Exit::Code(3) };
    assert_eq!(place.folder("w-1"), done);
    assert_eq!(place.read("w-1", "output.log"), "done\n");
    assert_eq!(
        client.launch("w-1", place.script("echo twice")).await,
        Launched::Already(worker),
        "it was begun, and is not begun again"
    );
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retired_holder_keeps_its_workers_and_makes_room() {
    let place = Place::new();
    let mut gate = Gate::of(&place);
    let mut old = place.connect().await;
    let worker = old.start("w-1", place.script("read line < gate; exit 7")).await;
    let retired = place.holder_of("w-1");
    say_to_holder(&place, r#"{"id":1,"ask":"retire"}"#, "done").await;

    let mut new = place.connect().await;
    new.client.watch(&id("w-1")).await;
    new.start("w-2", place.script("exit 0")).await;
    new.exited("w-2").await;
    assert_ne!(place.holder_of("w-2"), retired);
    assert!(process::is_alive(&retired));

    gate.open();
    old.exited("w-1").await;
    new.exited("w-1").await;
    assert_eq!(place.folder("w-1"), Folder::Done { identity: worker, exit: Exit::Code(7) });
    patiently(process::ended(&retired)).await;
    new.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_holders_given_the_same_order_execute_it_once() {
    let place = Place::new();
    let old = place.connect().await;
    old.start("keeps-it", place.script(FOR_EVER)).await;
    say_to_holder(&place, r#"{"id":1,"ask":"retire"}"#, "done").await;
    let new = place.connect().await;
    for round in 0..20 {
        let worker = format!("w-{round}");
        let script = || place.script("echo ran");
        let (one, other) =
            tokio::join!(old.launch(&worker, script()), new.launch(&worker, script()));
        let outcome = match (&one, &other) {
            (Launched::Started(a), Launched::Already(b))
            | (Launched::Already(a), Launched::Started(b)) => Some((a, b)),
            _ => None,
        };
        let (started, already) = outcome.unwrap_or_else(|| panic!("{one:?}, {other:?}"));
        assert_eq!(started, already);
        patiently(process::ended(started)).await;
        assert_eq!(place.read(&worker, "output.log"), "ran\n");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_gets_a_clean_environment_and_nothing_else() {
    let place = Place::new();
    // Whoever starts the daemon may have left files open for it.
    let leaky = place.sign("leaky-baton");
    let script = format!("#!/bin/sh\nexec 8</dev/zero 9>/dev/full {} \"$@\"\n", place::BATON);
    std::fs::write(&leaky, script).unwrap();
    std::fs::set_permissions(&leaky, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut client = place.connect_with(&leaky).await;
    let mut launch = place.script("cat; env -0 | tr '\\0' '\\n' | sort; ls -l /proc/self/fd");
    launch.env = BTreeMap::from([("BATON_SUBTASK_ID".to_owned(), "s 'quoted' $HOME".to_owned())]);
    client.start("w-1", launch).await;
    client.exited("w-1").await;

    let output = place.read("w-1", "output.log");
    let names: Vec<&str> = output
        .lines()
        .take_while(|line| !line.starts_with("total"))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        // A shell sets these itself.
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    assert_eq!(names, ["BATON_NONCE", "BATON_SUBTASK_ID", "PATH"]);
    assert!(output.contains("BATON_SUBTASK_ID=s 'quoted' $HOME\n"), "no shell had its way");
    let open: BTreeMap<&str, &str> = output
        .lines()
        .filter_map(|line| line.split_once(" -> "))
        .map(|(line, file)| (line.rsplit(' ').next().unwrap(), file))
        // This one is how `ls` looks.
        .filter(|(_, file)| !file.starts_with("/proc/"))
        .collect();
    let files = ["output.log", "attempt.lock"].map(|name| place.path("w-1", name));
    let [log, lock] = files.each_ref().map(|path| path.to_str().unwrap());
    let standard = [open["0"], open["1"], open["2"]];
    assert_eq!(standard, ["/dev/null", log, log]);
    let further: Vec<&&str> = open.range("3"..).map(|(_, file)| file).collect();
    assert_eq!(further, [&lock], "nothing is passed on but the lock: {open:?}");
    assert_eq!(open.len(), 4, "{open:?}");
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_wants_its_handoff_reads_it_on_standard_input() {
    let place = Place::new();
    let mut client = place.connect().await;
    std::fs::write(place.sign("handoff.json"), "{\"a\": 1}\n").unwrap();
    let mut launch = place.script("cat");
    launch.stdin = Some(place.sign("handoff.json"));
    client.start("w-1", launch).await;
    client.exited("w-1").await;
    assert_eq!(place.read("w-1", "output.log"), "{\"a\": 1}\n");
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_ignores_term_is_killed_with_all_it_started() {
    let place = Place::new();
    let mut client = place.connect().await;
    let script = "trap '' TERM; echo > ready; while :; do tail -f /dev/null; done";
    let identity = client.start("w-1", place.script(script)).await;
    there(&place.sign("ready")).await;
    let stopped = patiently(client.client.stop(&id("w-1"), &identity, 100)).await.unwrap();
    assert_eq!(stopped, Stopped::Gone);
    client.exited("w-1").await;
    assert_eq!(place.folder("w-1"), Folder::Done { identity, exit: Exit::Signal(9) });
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_hears_term_is_not_killed_and_an_orphan_is_stopped_as_well() {
    let place = Place::new();
    let mut client = place.connect().await;
    let held = client.start("held", place.script(FOR_EVER)).await;
    let stopped = patiently(client.client.stop(&id("held"), &held, 20_000)).await.unwrap();
    assert_eq!(stopped, Stopped::Gone);
    client.exited("held").await;
    assert_eq!(place.folder("held"), Folder::Done { identity: held, exit: Exit::Signal(15) });

    let orphan = client.start("orphan", place.script(FOR_EVER)).await;
    kill(&place.holder_of("orphan")).await;
    let stopped = patiently(client.client.stop(&id("orphan"), &orphan, 20_000)).await.unwrap();
    assert_eq!(stopped, Stopped::Gone);
    client.exited("orphan").await;
    let done = Folder::Done { identity: orphan, exit: Exit::Signal(15) };
    assert_eq!(place.folder("orphan"), done);
}

/// What a worker leaves in a session of its own, and how it can hide: by nothing, or by closing
/// the lock.
const HIDES: [&str; 2] = ["", "for f in 3 4 5 6 7 8 9; do eval \"exec $f>&-\"; done;"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_leaves_the_session_is_found_when_a_worker_is_stopped() {
    for (round, hides) in HIDES.into_iter().enumerate() {
        let place = Place::new();
        let mut client = place.connect().await;
        let script =
            format!("setsid sh -c '{hides} echo $$ > escaped; exec tail -f /dev/null' & wait");
        let worker = format!("w-{round}");
        let identity = client.start(&worker, place.script(&script)).await;
        there(&place.sign("escaped")).await;
        let escaped = escaped(&place).await;
        let stopped = patiently(client.client.stop(&id(&worker), &identity, 5_000)).await.unwrap();
        assert_eq!(stopped, Stopped::Gone);
        assert!(!process::is_alive(&escaped), "{hides}");
        client.exited(&worker).await;
        client.client.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_leaves_behind_is_ended_before_its_exit_counts() {
    let place = Place::new();
    let mut client = place.connect().await;
    let mut gate = Gate::of(&place);
    let script =
        "setsid sh -c 'echo $$ > escaped; exec tail -f /dev/null' & read line < gate; exit 6";
    let identity = client.start("w-1", place.script(script)).await;
    let escaped = escaped(&place).await;
    gate.open();
    client.exited("w-1").await;
    assert!(!process::is_alive(&escaped));
    assert_eq!(place.folder("w-1"), Folder::Done { identity, exit: Exit::Code(6) });
    client.client.shut_down().await;
}

/// Waits for the escaped process and returns who it is.
async fn escaped(place: &Place) -> baton::domain::worker::ProcessIdentity {
    let path = place.sign("escaped");
    let root = place.root.clone();
    let pid = tokio::task::spawn_blocking(move || {
        let pid = || std::fs::read_to_string(&path).ok()?.trim().parse::<u32>().ok();
        place::until(&root, || pid().is_some());
        pid().unwrap()
    });
    process::identify(pid.await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_may_lie_deeper_than_a_socket_path_is_long() {
    let place = Place::named(&format!("{}/{}/coordination", "d".repeat(100), "e".repeat(100)));
    let mut client = place.connect().await;
    client.start("w-1", place.script("exit 0")).await;
    client.exited("w-1").await;
    let socket = std::fs::metadata(place.root.join("orchestrator/holder.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_holder_gives_way_and_an_idle_one_ends() {
    let place = Place::new();
    let mut client = place.connect().await;
    client.start("w-1", place.script("exit 0")).await;
    client.exited("w-1").await;
    let holder = place.holder_of("w-1");

    let mut second = tokio::process::Command::new(place::BATON);
    second.arg("hold").arg("--coordination").arg(&place.root);
    let second = patiently(second.output()).await.unwrap();
    assert_eq!(second.stdout, b"held\n");
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(error.contains(&format!("process {} has it", holder.pid)), "{error}");
    assert_eq!(second.status.code(), Some(1));

    assert!(process::is_alive(&holder));
    drop(client);
    patiently(process::ended(&holder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_holder_can_be_started_by_what_is_none() {
    let place = Place::new();
    for (program, problem) in
        [("/bin/false", "without a word"), ("/no/such/program", "No such file")]
    {
        let refused = baton::daemon::holder_client::HolderClient::connect_or_start(
            &place.store,
            Path::new(program),
        );
        let error = patiently(refused).await.unwrap_err().to_string();
        assert!(error.contains(program) && error.contains(problem), "{error}");
    }
}

/// Says one line to the holder over a connection of its own and waits for the answer.
async fn say_to_holder(place: &Place, line: &str, wanted: &str) {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    let socket = place.root.join("orchestrator/holder.sock");
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    patiently(BufReader::new(stream).read_line(&mut answer)).await.unwrap();
    assert!(answer.contains(&format!("\"say\":\"{wanted}\"")), "{answer}");
}
