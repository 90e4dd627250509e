//! Limits that only looks can find exceeded.

use super::*;

type Set = fn(&mut Bench);

/// Looks at a worker as often as is wanted while it does something, and compares the limits that it
/// was found to exceed. Who is not ours exceeds none of them.
fn check(name: &str, set: Set, does: Does, ms: u64, expected: Option<Breach>) {
    for (agent, expected) in [("cicd", expected), ("development", None)] {
        let mut bench = Bench::of(agent);
        set(&mut bench);
        bench.look();
        let found = bench.pass(does, ms).into_iter().filter_map(|finding| finding.breach);
        let found: Vec<Breach> = found.collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{name}, {agent}");
    }
}

#[test]
fn silence_is_a_limit_of_its_own() {
    let half_an_hour: Set = |bench| bench.world.policy.supervision.silence_ms = 30 * MINUTE;
    let off: Set = |bench| bench.world.policy.supervision.silence_ms = 0;
    let silent = Some(Breach::Silence { for_ms: 30 * MINUTE + 5 * SECOND + 1 });
    check("busy and silent", half_an_hour, Computes(900), 31 * MINUTE, silent);
    check("not yet", half_an_hour, Computes(900), 30 * MINUTE, None);
    check("off", off, Computes(900), 99 * MINUTE, None);
    check("heard", half_an_hour, Prints, 99 * MINUTE, None);
}

#[test]
fn memory_and_processes_are_counted_twice() {
    let memory: Set = |bench| {
        bench.world.policy.supervision.memory_bytes_max = 100;
        bench.probes[0].memory_bytes = 101;
    };
    let processes: Set = |bench| {
        bench.world.policy.supervision.processes_max = 4;
        bench.probes[0].processes = 5;
    };
    let as_many_as_may_be: Set = |bench| {
        bench.world.policy.supervision.processes_max = 5;
        bench.probes[0].processes = 5;
    };
    check("memory", memory, Prints, 10 * SECOND, Some(Breach::Memory { bytes: 101 }));
    check("memory, once", memory, Prints, 4 * SECOND, None);
    check("processes", processes, Prints, 10 * SECOND, Some(Breach::Processes { count: 5 }));
    check("as many as may be", as_many_as_may_be, Prints, 10 * MINUTE, None);
}

#[test]
fn who_has_reported_is_to_leave() {
    let reported: Set = |bench| bench.probes[0].report = true;
    let off: Set = |bench| {
        bench.world.policy.supervision.linger_ms = 0;
        bench.probes[0].report = true;
    };
    let lingers = Some(Breach::Lingering { for_ms: MINUTE });
    check("stays", reported, Nothing, MINUTE + SECOND, lingers);
    check("is on its way out", reported, Nothing, 59 * SECOND, None);
    check("may stay", off, Nothing, 30 * MINUTE, None);
}

#[test]
fn a_peak_is_no_breach() {
    let mut bench = Bench::of("cicd");
    bench.world.policy.supervision.memory_bytes_max = 100;
    bench.look();
    for bytes in [500, 50, 500, 50] {
        bench.world.pass(MINUTE);
        bench.probes[0].memory_bytes = bytes;
        bench.does(0, Prints, MINUTE);
        assert_eq!(bench.look(), None);
    }
}
