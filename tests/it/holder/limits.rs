//! What a worker may use, and what it uses.

use baton::daemon::folder::Folder;
use baton::daemon::holder_client::{Launched, Limits};
use baton::daemon::output;
use baton::daemon::process;
use baton::daemon::process_usage::{Watched, usage};
use baton::domain::worker::Exit;
use rustix::process::Signal;

use super::place::{Gate, Place, id, patiently, there};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_is_kept_near_its_limit_and_its_end_is_read_across_both_files() {
    const LIMIT: u64 = 64 << 10;
    let place = Place::new();
    let mut client = place.connect().await;
    let mut gate = Gate::of(&place);
    let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done; \
                  read line < gate; echo the end";
    let limits = Limits { output_bytes_max: LIMIT, ..Limits::default() };
    let launched = client.launch_within("w-1", place.script(script), limits).await;
    let Launched::Started(identity) = launched else { panic!("{launched:?}") };
    there(&place.path("w-1", "output.log.1")).await;
    gate.open();
    client.exited("w-1").await;
    assert_eq!(place.folder("w-1"), Folder::Done { identity, exit: Exit::Code(0) });

    let size = |name| std::fs::metadata(place.path("w-1", name)).unwrap().len();
    let [now, earlier] = ["output.log", "output.log.1"].map(size);
    assert!(now <= LIMIT, "{now} bytes");
    assert!(0 < earlier && earlier <= LIMIT, "{earlier} bytes earlier");
    let end = output::end_of(&place.store, &id("w-1"), 64).unwrap();
    assert_eq!(end.bytes, now + earlier);
    let tail = String::from_utf8(end.tail).unwrap();
    assert!(tail.ends_with("line 20000\nthe end\n"), "{tail}");
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_without_a_limit_is_left_alone() {
    let place = Place::new();
    let mut client = place.connect().await;
    let limits = Limits { output_bytes_max: 0, ..Limits::default() };
    client.launch_within("w-1", place.script("head -c 100000 /dev/zero; echo end"), limits).await;
    client.exited("w-1").await;
    assert_eq!(place.read("w-1", "output.log").len(), 100_004);
    assert!(!place.path("w-1", "output.log.1").exists());
    let end = output::end_of(&place.store, &id("w-1"), 4).unwrap();
    assert_eq!((end.bytes, end.tail.as_slice()), (100_004, b"end\n".as_slice()));
    client.client.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_uses_is_counted_with_what_it_started() {
    let place = Place::new();
    let mut client = place.connect().await;
    let busy = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
    // One is waited for, one is left alone and has ended, one has left the session.
    let script = format!(
        "sh -c '{busy}'; setsid -f sh -c '{busy}; echo > ended'; setsid tail -f /dev/null & \
         while [ ! -e ended ]; do sleep 0.01; done; echo > ready; kill -STOP $$"
    );
    let leader = client.start("w-1", place.script(&script)).await;
    there(&place.sign("ready")).await;
    let keeper = place.keeper_of("w-1");
    let watched = [Watched { leader: &leader, keeper: Some(&keeper), memory_bytes_max: 0 }];
    // It stops itself right after it said that it is ready, and what said that it has ended still
    // has to.
    let settled = async {
        loop {
            let found = usage(&watched).unwrap()[0].unwrap();
            if (found.state, found.processes) == (Some('T'), 2) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = patiently(settled).await;
    assert!(found.cpu_ms > 0 && found.cpu_ms < 60_000, "{found:?}");
    assert!(found.memory_bytes > 0, "{found:?}");
    client.client.stop(&id("w-1"), &leader, 5_000).await.unwrap();
    client.exited("w-1").await;
    assert_eq!(usage(&watched).unwrap(), [None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_is_kept_near_its_limit_also_when_the_keeper_was_killed() {
    const LIMIT: u64 = 64 << 10;
    let place = Place::new();
    let mut client = place.connect().await;
    let mut gate = Gate::of(&place);
    let script = "read line < gate; i=0; while [ $i -lt 40000 ]; do i=$((i+1)); echo line $i; done; \
                  echo the end";
    let limits = Limits { output_bytes_max: LIMIT, ..Limits::default() };
    let launched = client.launch_within("w-1", place.script(script), limits).await;
    let Launched::Started(identity) = launched else { panic!("{launched:?}") };
    let keeper = place.keeper_of("w-1");
    assert!(process::signal(&keeper, Signal::KILL));
    patiently(process::ended(&keeper)).await;
    gate.open();
    client.exited("w-1").await;
    assert_eq!(place.folder("w-1"), Folder::Done { identity, exit: Exit::Code(0) });
    let size = |name| std::fs::metadata(place.path("w-1", name)).unwrap().len();
    assert!(size("output.log") <= LIMIT && size("output.log.1") <= LIMIT);
    let end = output::end_of(&place.store, &id("w-1"), 64).unwrap();
    let tail = String::from_utf8(end.tail).unwrap();
    assert!(tail.ends_with("line 40000\nthe end\n"), "{tail}");
    client.client.shut_down().await;
}
