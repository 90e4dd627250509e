//! The processes of workers that masters started themselves: a spec names a number, and whether
//! the process of that number is the worker has to be shown.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use super::process;
use crate::clock;
use crate::domain::evidence::ProcessState;
use crate::domain::ids::WorkerId;
use crate::domain::spec::{SpecSeen, SpecWorker};
use crate::domain::worker::ProcessIdentity;
use crate::domain::{Input, Moment, State, Timestamp};
use crate::intake::worker_specs;
use crate::store::Store;

/// Writers round times, and so does the kernel.
const SLACK_MS: u64 = 2_000;
/// So long before or after its process a worker may be said to have begun that is to be ended.
const BEGAN_SLACK_MS: u64 = 60_000;
/// No more of a spec is read.
const SPEC_BYTES_MAX: u64 = 16 << 20;

/// Names the process of every observed worker whose number is new. A number that is known already
/// keeps the process that was found then, or none: one that bears it later proves nothing.
pub(super) fn identify_all(
    inputs: &mut [Input],
    written_ms: &BTreeMap<WorkerId, i64>,
    state: &State,
) {
    for input in inputs {
        let Input::SpecObserved { spec } = input else { continue };
        let known = state.specs.get(&spec.worker_id).map(|known| &known.spec);
        if known.is_some_and(|known| known.pid == spec.pid && known.host == spec.host) {
            continue;
        }
        spec.identity = written_ms.get(&spec.worker_id).and_then(|at| identify(spec, *at));
    }
}

/// Says what is known of a worker's process.
///
/// A process that was pinned is compared with itself. Where none was, a number that nobody bears
/// belongs to a process that is gone, and one that somebody bears proves nothing. Of a process on
/// another machine nothing can be said; a spec that names none is taken to be of this one.
pub fn state_of(spec: &SpecSeen) -> ProcessState {
    let Some(pid) = spec.pid.filter(|_| is_here(spec)) else { return ProcessState::Unverifiable };
    match &spec.identity {
        Some(identity) => {
            let state = process::state(identity);
            let is_foreign = identity.host != process::host() && !state.is_alive();
            if is_foreign { ProcessState::Unverifiable } else { state }
        }
        None if process::is_unused(pid) => ProcessState::Gone,
        None => ProcessState::Unverifiable,
    }
}

/// Says what speaks against ending a process as the worker of these specs; `None` when nothing does.
///
/// To follow a process it is enough that it was there when its number was written down. But a spec
/// may be written again long after its worker died and somebody else got the number: what is to be
/// ended must also have begun when a spec says that its worker did, and belong to our user.
pub(super) fn doubt(
    store: &Store,
    identity: &ProcessIdentity,
    specs: &[SpecWorker],
) -> Option<String> {
    let pid = identity.pid;
    let own = rustix::process::geteuid().as_raw();
    if !std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == own) {
        return Some(format!("process {pid} is not of the user that the daemon runs as"));
    }
    let now = clock::now();
    let is_named = |worker: &&SpecWorker| worker.spec.identity.as_ref() == Some(identity);
    let mut named = specs.iter().filter(is_named).peekable();
    if named.peek().is_none() {
        return Some(format!("no spec names process {pid} any more"));
    }
    let is_it = |worker: &SpecWorker| {
        said_begun(store, &worker.spec).is_some_and(|at| began_at(identity, at, now))
    };
    let none = !named.any(is_it);
    none.then(|| format!("no spec says that its worker began when process {pid} did"))
}

/// Returns when a spec says now that its worker began, or else that it was made.
fn said_begun(store: &Store, spec: &SpecSeen) -> Option<Timestamp> {
    let content = store.read(&spec.path, SPEC_BYTES_MAX).ok()??;
    let found = worker_specs::read_spec(&content.bytes, &spec.path).ok()?;
    let is_about_it = found.spec.worker_id == spec.worker_id;
    found.began_at.or(found.created_at).filter(|_| is_about_it)
}

/// Tells whether a process began at about this time.
fn began_at(identity: &ProcessIdentity, at: Timestamp, now: Moment) -> bool {
    let ms_ago = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let started = ms_ago(now.boottime_ms.saturating_sub(process::started_ms(identity)));
    let said = now.wall.as_ms().saturating_sub(at.as_ms());
    said.saturating_sub(started).unsigned_abs() <= BEGAN_SLACK_MS
}

/// Returns the process of a spec's number, unless it began after the number was written down.
fn identify(spec: &SpecSeen, written_ms: i64) -> Option<ProcessIdentity> {
    let identity = process::identify(spec.pid.filter(|_| is_here(spec))?)?;
    may_be_it(&identity, written_ms, clock::now()).then_some(identity)
}

/// Compares ages, not times: what the wall clock says is only used for how long ago a file was
/// written.
fn may_be_it(identity: &ProcessIdentity, written_ms: i64, now: Moment) -> bool {
    let started_ms_ago = now.boottime_ms.saturating_sub(process::started_ms(identity));
    let written_ms_ago = now.wall.as_ms().saturating_sub(written_ms);
    // A file of the future was written by a clock that nothing can be concluded from.
    let written_ms_ago = u64::try_from(written_ms_ago).unwrap_or(0);
    started_ms_ago.saturating_add(SLACK_MS) >= written_ms_ago
}

/// Tells whether a spec's process is said to be on this machine. Names may be written in full.
fn is_here(spec: &SpecSeen) -> bool {
    let first = |name: &str| name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    spec.host.as_deref().is_none_or(|host| {
        first(host.trim()) == first(process::host()) || host.eq_ignore_ascii_case("localhost")
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "these tests start processes of their own")]

    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A process that waits for its standard input to close, and a spec that names it.
    fn worker() -> (Child, SpecSeen) {
        let child =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let id = WorkerId::parse("w-1").unwrap();
        let path = "worker-specs/active/w-1.json".to_owned();
        let spec = SpecSeen { pid: Some(child.id()), ..SpecSeen::new(id, path) };
        (child, spec)
    }

    fn observe(spec: &SpecSeen, written_ms: i64, state: &State) -> SpecSeen {
        let mut inputs = [Input::SpecObserved { spec: Box::new(spec.clone()) }];
        let written_ms = BTreeMap::from([(spec.worker_id.clone(), written_ms)]);
        identify_all(&mut inputs, &written_ms, state);
        let [Input::SpecObserved { spec }] = inputs else { panic!("it stays what it is") };
        *spec
    }

    #[test]
    fn a_pinned_process_is_followed_to_its_end() {
        let (mut child, spec) = worker();
        let seen = observe(&spec, clock::now().wall.as_ms(), &State::default());
        assert!(seen.identity.is_some());
        assert_eq!(state_of(&seen), ProcessState::Running);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(state_of(&seen), ProcessState::Gone);
        assert_eq!(state_of(&spec), ProcessState::Gone, "nobody bears the number any more");
    }

    #[test]
    fn a_process_that_began_after_its_number_was_written_is_not_taken_for_the_worker() {
        let (mut child, spec) = worker();
        let hour_ago_ms = clock::now().wall.as_ms() - 3_600_000;
        let seen = observe(&spec, hour_ago_ms, &State::default());
        assert_eq!(seen.identity, None);
        assert_eq!(state_of(&seen), ProcessState::Unverifiable, "neither alive nor dead");
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn ages_decide_and_not_what_the_wall_clock_says() {
        let identity = process::identify(std::process::id()).unwrap();
        let now = clock::now();
        let started_ms_ago = now.boottime_ms - process::started_ms(&identity);
        let started_ms_ago = i64::try_from(started_ms_ago).unwrap();
        for years in [-50, 0, 50_i64] {
            let wall_ms = now.wall.as_ms() + years * 31_536_000_000;
            let wall = Timestamp::from_ms(wall_ms);
            let now = Moment { wall, ..now };
            let written = |ms_before_start: i64| wall_ms - started_ms_ago - ms_before_start;
            assert!(may_be_it(&identity, written(-1_000), now));
            assert!(may_be_it(&identity, written(1_000), now));
            assert!(!may_be_it(&identity, written(60_000), now));
        }
        assert!(may_be_it(&identity, now.wall.as_ms() + 60_000, now), "a clock that was set back");
    }

    #[test]
    fn only_what_began_when_its_spec_says_is_ended() {
        let (mut child, spec) = worker();
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join(&spec.path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let store = Store::open(root.path()).unwrap();
        let now = clock::now();
        let seen = observe(&spec, now.wall.as_ms(), &State::default());
        let identity = seen.identity.clone().unwrap();
        let specs =
            [SpecWorker { spec: seen, seen_at: now, attempt: None, standing: None, settled: None }];
        let doubt_of = |fields: &str| {
            std::fs::write(&file, format!("{{\"worker_id\": \"w-1\"{fields}}}")).unwrap();
            doubt(&store, &identity, &specs)
        };
        let at = |ms_ago: i64| Timestamp::from_ms(now.wall.as_ms() - ms_ago);
        let just_now = at(0);
        let long_ago = at(3_600_000);
        assert_eq!(doubt_of(&format!(", \"created_at\": \"{just_now}\"")), None);
        let began = format!(
            ", \"created_at\": \"{long_ago}\", \"execution\": {{\"started_at\": \"{just_now}\"}}"
        );
        assert_eq!(doubt_of(&began), None, "it waited for its turn");
        for fields in ["", &format!(", \"started_at\": \"{long_ago}\"")] {
            assert!(doubt_of(fields).unwrap().contains("began"), "{fields}");
        }
        assert!(doubt(&store, &identity, &[]).unwrap().contains("no spec"));
        let first = ProcessIdentity { pid: 1, ..identity.clone() };
        if rustix::process::geteuid().as_raw() != 0 {
            assert!(doubt(&store, &first, &specs).unwrap().contains("user"));
        }
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn what_is_known_of_a_number_stays() {
        let (mut child, spec) = worker();
        let (seen_at, mut state) = (clock::now(), State::default());
        let known = SpecWorker {
            spec: spec.clone(),
            seen_at,
            attempt: None,
            standing: None,
            settled: None,
        };
        state.specs.insert(spec.worker_id.clone(), known);
        let now_ms = seen_at.wall.as_ms();
        assert_eq!(observe(&spec, now_ms, &state).identity, None, "it was another's before");
        let other = SpecSeen { pid: Some(std::process::id()), ..spec };
        assert!(observe(&other, now_ms, &state).identity.is_some(), "another number is news");
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn of_a_process_elsewhere_nothing_is_said() {
        let (mut child, spec) = worker();
        let on = |host: &str| SpecSeen { host: Some(host.into()), ..spec.clone() };
        let now_ms = clock::now().wall.as_ms();
        let seen = |host: &str| observe(&on(host), now_ms, &State::default());
        assert!(seen("localhost").identity.is_some());
        assert!(
            seen(&format!("{}.example.org", process::host().to_uppercase())).identity.is_some()
        );
        assert_eq!(seen("some-other-box").identity, None);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(state_of(&on("some-other-box")), ProcessState::Unverifiable);
        assert_eq!(state_of(&SpecSeen { pid: None, ..spec }), ProcessState::Unverifiable);
    }
}
