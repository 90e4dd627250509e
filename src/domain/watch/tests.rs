mod breaches;

use super::*;
use crate::domain::evidence::Sign;
use crate::domain::moment::Timestamp;
use crate::domain::spec::SpecSeen;
use crate::domain::tests::world::{World, spec};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;
const YEAR: i64 = 365 * 24 * 3_600_000;

/// What the worker does between two looks.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Nothing,
    Beats,
    BeatsProgress,
    Prints,
    Writes,
    /// Computes for so many thousandths of the time.
    Computes(u64),
}
use Does::{Beats, BeatsProgress, Computes, Nothing, Prints, Writes};

/// One worker and the watch on it.
struct Bench {
    world: World,
    watch: Watch,
    probes: Vec<Probe>,
    steps: u64,
}

impl Bench {
    fn of(agent: &str) -> Self {
        let mut bench = Self::empty();
        bench.add("a", agent);
        bench
    }

    fn empty() -> Self {
        let watch = Watch::default();
        Self { world: World::new(), watch, probes: Vec::new(), steps: 0 }
    }

    fn add(&mut self, task: &str, agent: &str) {
        let worker = Watched::Attempt(self.world.at_work(task, agent));
        self.add_probe(worker);
    }

    fn add_probe(&mut self, worker: Watched) {
        let beat = HeartbeatMark { content: "0".into(), progress: "0".into(), claimed: None };
        self.probes.push(Probe {
            worker,
            process: ProcessState::Running,
            cpu_ms: Some(10),
            memory_bytes: 1,
            processes: 1,
            output: Some(mark("0")),
            heartbeat: Some(beat),
            files: Some(mark("0")),
            report: false,
        });
    }

    fn does(&mut self, nth: usize, does: Does, ms: u64) {
        self.steps += 1;
        let (probe, now) = (&mut self.probes[nth], self.steps.to_string());
        let beat = probe.heartbeat.as_mut().unwrap();
        match does {
            Nothing => {}
            Beats => beat.content = now,
            BeatsProgress => (beat.content, beat.progress) = (now.clone(), now),
            Prints => probe.output = Some(mark(&now)),
            Writes => probe.files = Some(mark(&now)),
            Computes(thousandths) => {
                probe.cpu_ms = probe.cpu_ms.map(|cpu_ms| cpu_ms + ms * thousandths / 1000);
            }
        }
    }

    fn look(&mut self) -> Option<Input> {
        let Self { world, watch, probes, .. } = self;
        let input = watch.look(&world.state, &world.policy, probes, world.now)?;
        // What is told becomes known.
        let Input::WorkersProbed { findings, .. } = &input else { panic!("{input:#?}") };
        assert!(!findings.is_empty());
        Some(input)
    }

    /// Lets time pass with looks whenever they are wanted, and tells what it came to be.
    fn pass(&mut self, does: Does, ms: u64) -> Vec<Finding> {
        let until = self.world.now.boottime_ms + ms;
        let mut findings = Vec::new();
        while self.world.now.boottime_ms < until {
            let now_ms = self.world.now.boottime_ms;
            let World { state, policy, now, .. } = &self.world;
            let due_ms = self.watch.due_ms(state, policy, *now).unwrap().min(until).max(now_ms + 1);
            self.world.pass(due_ms - now_ms);
            for nth in 0..self.probes.len() {
                self.does(nth, does, due_ms - now_ms);
            }
            if let Some(Input::WorkersProbed { findings: found, .. }) = self.look() {
                findings.extend(found);
            }
        }
        findings
    }

    fn liveness(&self) -> Liveness {
        self.watch.liveness(&self.probes[0].worker).unwrap()
    }

    fn evidence(&self) -> Evidence {
        self.watch.evidence(&self.probes[0].worker, self.world.now).unwrap()
    }
}

fn mark(mark: &str) -> Mark {
    Mark { mark: mark.into(), what: format!("{mark} bytes") }
}

fn is_condemned(liveness: Liveness) -> bool {
    liveness >= Liveness::Suspect
}

/// Begins with a look that finds a sign of each kind, then looks once more after a silence.
fn after(agent: &str, still_ms: u64, does: Does) -> Bench {
    let mut bench = Bench::of(agent);
    bench.look();
    bench.world.pass(SECOND);
    for sign in [BeatsProgress, Prints, Writes, Computes(1000)] {
        bench.does(0, sign, SECOND);
    }
    bench.look();
    bench.pass(does, still_ms);
    bench
}

#[test]
fn the_limits_are_exact() {
    for (still_ms, expected) in [
        (2 * MINUTE + 59 * SECOND, Liveness::Healthy),
        (3 * MINUTE - 1, Liveness::Healthy),
        (3 * MINUTE, Liveness::Quiet),
        (3 * MINUTE + SECOND, Liveness::Quiet),
        (20 * MINUTE, Liveness::Quiet),
        (20 * MINUTE + SECOND, Liveness::Suspect),
        (20 * MINUTE + 5 * SECOND + 1, Liveness::Stalled),
    ] {
        for agent in ["cicd", "development"] {
            let bench = after(agent, still_ms, Nothing);
            assert_eq!(bench.liveness(), expected, "{agent} after {}", span(still_ms));
        }
    }
}

#[test]
fn what_a_worker_does_decides_and_not_how_long_it_does_it() {
    for (does, expected) in [
        (Nothing, Liveness::Stalled),
        (Beats, Liveness::Stalled),
        (BeatsProgress, Liveness::Healthy),
        (Prints, Liveness::Healthy),
        (Writes, Liveness::Healthy),
        // Keeping still, and starved to 2 % of a processor.
        (Computes(1), Liveness::Stalled),
        (Computes(4), Liveness::Stalled),
        (Computes(20), Liveness::Healthy),
    ] {
        for process in [ProcessState::Running, ProcessState::Unverifiable] {
            let mut bench = Bench::of("development");
            bench.probes[0].process = process;
            bench.look();
            let mut findings = bench.pass(does, 55 * MINUTE);
            assert_eq!(bench.liveness(), expected, "{findings:#?}");
            let last = findings.pop().map(|finding| finding.liveness).unwrap_or_default();
            assert_eq!(last, expected);
        }
    }
}

#[test]
fn a_heartbeat_keeps_a_worker_from_being_quiet_and_from_nothing_else() {
    let bench = after("development", 19 * MINUTE, Beats);
    assert_eq!(bench.liveness(), Liveness::Healthy);
    let bench = after("development", 21 * MINUTE, Beats);
    assert_eq!(bench.liveness(), Liveness::Stalled);
    assert!(bench.evidence().signs.iter().any(|seen| seen.sign == Sign::Heartbeat));
}

#[test]
fn who_never_beats_and_works_is_healthy() {
    let mut bench = Bench::of("cicd");
    bench.probes[0].heartbeat = None;
    bench.look();
    for _ in 0..60 {
        bench.world.pass(MINUTE);
        bench.probes[0].cpu_ms = bench.probes[0].cpu_ms.map(|cpu_ms| cpu_ms + 40_000);
        assert_eq!(bench.look(), None);
    }
    assert_eq!(bench.liveness(), Liveness::Healthy);
}

#[test]
fn what_was_there_before_the_first_look_is_no_sign() {
    let mut bench = Bench::of("cicd");
    bench.look();
    assert_eq!(bench.watch.last_sign(&bench.probes[0].worker), None);
    let signs: Vec<Sign> = bench.evidence().signs.iter().map(|seen| seen.sign).collect();
    assert_eq!(signs, [Sign::Process]);
    bench.world.pass(MINUTE);
    bench.does(0, Prints, MINUTE);
    bench.look();
    assert_eq!(bench.watch.last_sign(&bench.probes[0].worker), Some(bench.world.now));
}

#[test]
fn who_is_gone_is_believed_gone_when_two_looks_agree() {
    let mut bench = Bench::of("development");
    bench.look();
    bench.world.pass(MINUTE);
    bench.probes[0].process = ProcessState::Gone;
    bench.look();
    assert_eq!(bench.liveness(), Liveness::Suspect);
    // A look a moment later is no second look.
    bench.world.pass(SECOND);
    bench.look();
    assert_eq!(bench.liveness(), Liveness::Suspect);
    bench.world.pass(4 * SECOND);
    bench.look();
    assert_eq!(bench.liveness(), Liveness::Suspect, "it may work under another number");
    bench.pass(Nothing, 3 * MINUTE);
    assert_eq!(bench.liveness(), Liveness::Gone);
    bench.world.pass(SECOND);
    bench.does(0, Beats, SECOND);
    bench.look();
    assert_eq!(bench.liveness(), Liveness::Healthy);
}

#[test]
fn what_the_dying_left_behind_is_waited_for() {
    let mut bench = Bench::of("development");
    bench.look();
    bench.world.pass(MINUTE);
    bench.probes[0].process = ProcessState::Gone;
    bench.does(0, Prints, MINUTE);
    bench.look();
    assert_eq!(bench.liveness(), Liveness::Healthy);
    bench.world.pass(MINUTE);
    bench.look();
    bench.probes[0].report = true;
    bench.world.pass(MINUTE);
    bench.look();
    assert_eq!(bench.liveness(), Liveness::Healthy, "a result is the end of all doubts");
    bench.pass(Nothing, 90 * MINUTE);
    assert_eq!(bench.liveness(), Liveness::Healthy);
}

#[test]
fn who_beats_under_another_number_is_not_gone() {
    let mut bench = Bench::of("development");
    bench.probes[0].process = ProcessState::Gone;
    bench.look();
    let findings = bench.pass(Beats, 15 * MINUTE);
    assert!(findings.iter().all(|finding| finding.liveness != Liveness::Gone), "{findings:?}");
}

#[test]
fn who_is_suspended_is_not_stalled_and_begins_anew_when_it_goes_on() {
    let mut bench = Bench::of("development");
    bench.look();
    bench.pass(Prints, 10 * MINUTE);
    for held in [ProcessState::Stopped, ProcessState::Uninterruptible] {
        bench.probes[0].process = held;
        bench.pass(Nothing, 10 * 60 * MINUTE);
        assert_eq!(bench.liveness(), Liveness::Suspect);
        bench.probes[0].process = ProcessState::Running;
        bench.pass(Nothing, 19 * MINUTE);
        assert!(bench.liveness() < Liveness::Suspect, "{:?}", bench.liveness());
        bench.does(0, Prints, MINUTE);
        bench.look();
    }
}

#[test]
fn stopped_waiting_and_unverifiable_is_never_gone() {
    for process in
        [ProcessState::Stopped, ProcessState::Uninterruptible, ProcessState::Unverifiable]
    {
        let mut bench = Bench::of("development");
        bench.probes[0].process = process;
        bench.look();
        bench.pass(Nothing, 4 * MINUTE);
        assert_eq!(bench.liveness(), Liveness::Quiet);
        let findings = bench.pass(Nothing, 100 * MINUTE);
        let verdict = if process.is_held() { Liveness::Suspect } else { Liveness::Stalled };
        assert_eq!(bench.liveness(), verdict);
        assert!(findings.iter().all(|finding| finding.liveness != Liveness::Gone));
        let says_so = bench.evidence().verdict.contains("cannot be verified");
        assert_eq!(says_so, process == ProcessState::Unverifiable);
    }
}

#[test]
fn a_pause_of_ours_counts_for_nobody() {
    for pause_ms in [10 * MINUTE, 60 * MINUTE] {
        let mut bench = after("cicd", 19 * MINUTE, Nothing);
        bench.world.pass(pause_ms);
        bench.look();
        assert!(!is_condemned(bench.liveness()), "{}", span(pause_ms));
        bench.pass(Nothing, 20 * MINUTE);
        assert!(!is_condemned(bench.liveness()));
        bench.pass(Nothing, MINUTE);
        assert_eq!(bench.liveness(), Liveness::Stalled, "but it does count again after it");
    }
    let mut bench = after("cicd", 19 * MINUTE, Nothing);
    bench.world.now.boot = crate::domain::moment::BootId(6);
    bench.world.now.boottime_ms += 2 * MINUTE;
    bench.look();
    assert_eq!(bench.liveness(), Liveness::Healthy, "another boot");
}

#[test]
fn a_look_that_comes_a_little_late_is_no_pause() {
    let mut bench = after("cicd", 0, Nothing);
    for _ in 0..7 {
        bench.world.pass(4 * MINUTE);
        bench.look();
    }
    assert_eq!(bench.liveness(), Liveness::Stalled);
}

#[test]
fn the_wall_clock_changes_nothing() {
    let lived = |jump: i64| {
        let mut bench = Bench::of("cicd");
        let mut lives = Vec::new();
        for step in 0..120 {
            let does = if step < 40 { Prints } else { Nothing };
            bench.does(0, does, MINUTE);
            let wall = bench.world.now.wall.as_ms() + jump * i64::from(step % 3 - 1);
            bench.world.now.wall = Timestamp::from_ms(wall);
            let beat = bench.probes[0].heartbeat.as_mut().unwrap();
            beat.claimed = Some(bench.world.now.wall.to_string());
            bench.look();
            lives.push(bench.liveness());
            bench.world.pass(MINUTE);
        }
        lives
    };
    let as_it_is = lived(0);
    assert_eq!(as_it_is.last(), Some(&Liveness::Stalled));
    assert_eq!(lived(40 * YEAR), as_it_is);
    assert_eq!(lived(-40 * YEAR), as_it_is);
}

#[test]
fn many_dead_at_once_are_held_for_a_look() {
    for (all, dead, is_held) in [(5, 3, true), (6, 3, false), (3, 2, false), (4, 4, true)] {
        let mut bench = Bench::empty();
        for task in ["a", "b", "c", "d", "e", "f"].into_iter().take(all) {
            bench.add(task, "development");
        }
        bench.look();
        bench.world.pass(MINUTE);
        for nth in 0..all {
            bench.does(nth, Beats, MINUTE);
        }
        bench.look();
        bench.world.pass(MINUTE);
        for probe in bench.probes.iter_mut().take(dead) {
            probe.process = ProcessState::Gone;
        }
        let Some(Input::WorkersProbed { held, findings }) = bench.look() else {
            panic!("nothing is told of {dead} of {all}")
        };
        assert_eq!((held.is_some(), findings.len()), (is_held, dead), "{dead} of {all}");
        bench.world.pass(10 * SECOND);
        let early = bench.look();
        assert_eq!(early.is_none(), is_held, "{dead} of {all}: {early:#?}");
        if !is_held {
            continue;
        }
        // One of them shows that it lives; the others are believed to be dead.
        bench.world.pass(2 * MINUTE);
        bench.does(0, Prints, MINUTE);
        (dead..all).for_each(|nth| bench.does(nth, Beats, MINUTE));
        let Some(Input::WorkersProbed { held, findings }) = bench.look() else {
            panic!("the others are not told")
        };
        let gone = findings.iter().filter(|finding| finding.liveness == Liveness::Gone).count();
        assert_eq!((held, gone, findings.len()), (None, dead - 1, dead - 1));
    }
}

#[test]
fn many_dead_by_looks_that_follow_each_other_are_held_too() {
    let mut bench = Bench::empty();
    ["a", "b", "c", "d", "e"].into_iter().for_each(|task| bench.add(task, "development"));
    bench.look();
    for dead in [0..2, 2..4] {
        bench.world.pass(10 * SECOND);
        bench.probes[dead].iter_mut().for_each(|probe| probe.process = ProcessState::Gone);
        let Some(Input::WorkersProbed { held, .. }) = bench.look() else { panic!("none is told") };
        let count = bench.probes.iter().filter(|probe| !probe.process.is_alive()).count();
        assert_eq!(held.is_some(), count == 4, "{count} are gone");
    }
}

#[test]
fn workers_of_others_are_watched_once() {
    let mut bench = Bench::of("development");
    let Watched::Attempt(attempt_id) = bench.probes[0].worker.clone() else { panic!() };
    bench.world.follow(spec("theirs", None));
    bench.world.follow(spec("ours", Some(&attempt_id)));
    bench.world.follow(SpecSeen { is_waiting: true, ..spec("not-begun", None) });
    let World { state, policy, .. } = &bench.world;
    let workers: Vec<&Watched> = watched(state, policy).collect();
    let theirs = Watched::Spec("theirs".parse().unwrap());
    assert_eq!(workers, [&bench.probes[0].worker, &theirs]);
    let behind = spec_of(state, bench.world.attempt(&attempt_id)).unwrap();
    assert_eq!(behind.spec.worker_id.as_str(), "ours");
    bench.add_probe(theirs.clone());
    bench.look();
    bench.pass(Nothing, 4 * MINUTE);
    assert_eq!(bench.watch.liveness(&theirs), Some(Liveness::Quiet));
}

#[test]
fn a_look_is_wanted_as_soon_as_somebody_is_new() {
    let mut bench = Bench::empty();
    let due = |bench: &Bench| {
        let World { state, policy, now, .. } = &bench.world;
        Some(bench.watch.due_ms(state, policy, *now)? - now.boottime_ms)
    };
    assert_eq!(due(&bench), None);
    bench.add("a", "cicd");
    assert_eq!(due(&bench), Some(0));
    bench.look();
    assert_eq!(due(&bench), Some(2 * MINUTE));
    bench.world.pass(SECOND);
    bench.add("b", "development");
    assert_eq!(due(&bench), Some(0));
    bench.look();
    // The first is quiet when nothing was seen of it for three minutes.
    assert_eq!(due(&bench), Some(2 * MINUTE));
    bench.world.pass(2 * MINUTE);
    bench.look();
    assert_eq!(due(&bench), Some(59 * SECOND));
}
