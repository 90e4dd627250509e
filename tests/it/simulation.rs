//! A deterministic simulation of the domain: random lives of a directory, each the same for the
//! same seed.
//!
//! A life is a world (two clocks of which one lies, workers and masters of every kind, operators,
//! a disk that loses what was not synced) and a daemon that goes about the real pure functions as
//! the real one does, and crashes. After every step the laws of [`laws`] are looked at; they share
//! nothing with what they check. `SEEDS` says how many lives are lived (5,000 when not said),
//! `BATON_SEED` repeats one and tells it line by line.

mod brain;
mod chronicle;
mod clock;
mod daemon;
mod dice;
mod effects;
mod habits;
mod journal;
mod laws;
mod life;
mod orders;
mod sabotage;
mod strangers;
mod trace;
mod trouble;
mod workers;

use std::sync::atomic::{AtomicU64, Ordering};

use laws::{Broken, LAWS};
use life::{Life, Lived, Setting};
use sabotage::{BUGS, Bug};

/// Lives in an ordinary run of the tests.
const SEEDS: u64 = 5_000;
/// Steps that a life has on average, at least.
const STEPS_MIN: u64 = 300;
/// A planted bug is caught within so many lives.
const BUG_SEEDS: u64 = 1_000;

fn setting(seed: u64) -> Setting {
    Setting { seed, bug: None, honest_wall: false, is_told: false }
}

/// Lives one life after another on every processor, until one is broken. Returns the steps.
fn live(seeds: u64, each: &(dyn Fn(u64) -> Lived + Sync)) -> Result<u64, (u64, String)> {
    let (next, steps) = (AtomicU64::new(1), AtomicU64::new(0));
    let first_broken = std::sync::Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > seeds || first_broken.lock().unwrap().is_some() {
                        return;
                    }
                    let lived = each(seed);
                    steps.fetch_add(lived.steps, Ordering::Relaxed);
                    if let Some(broken) = lived.broken {
                        *first_broken.lock().unwrap() = Some((seed, broken.to_string()));
                    }
                }
            });
        }
    });
    match first_broken.into_inner().unwrap() {
        Some(broken) => Err(broken),
        None => Ok(steps.into_inner()),
    }
}

#[test]
fn every_life_keeps_the_laws() {
    let seeds = std::env::var("SEEDS").ok().map_or(SEEDS, |text| text.parse().unwrap());
    match live(seeds, &|seed| Life::live(setting(seed))) {
        Ok(steps) => {
            let mean = steps / seeds.max(1);
            println!("{seeds} lives of {mean} steps on average keep {} laws", LAWS.len());
            assert!(mean >= STEPS_MIN, "a life has only {mean} steps on average");
        }
        Err((seed, broken)) => panic!(
            "seed {seed}: {broken}\nrepeat it with\n  BATON_SEED={seed} cargo test --test it \
             simulation::replay -- --nocapture"
        ),
    }
}

/// Tells one life line by line.
#[test]
fn replay() {
    let Some(seed) = std::env::var("BATON_SEED").ok().map(|text| text.parse().unwrap()) else {
        return;
    };
    let bug = std::env::var("BATON_BUG").ok().map(|name| {
        let is_it = |(bug, _): &&(Bug, &[&str])| format!("{bug:?}") == name;
        BUGS.iter().find(is_it).expect("BATON_BUG names a planted bug").0
    });
    let lived = Life::live(Setting { is_told: true, bug, ..setting(seed) });
    for line in lived.trace.lines.iter().flatten() {
        println!("{line}");
    }
    assert!(lived.broken.is_none(), "seed {seed}: {}", lived.broken.unwrap());
}

#[test]
fn the_same_seed_is_the_same_life() {
    for seed in 1..=100 {
        let (one, other) = (Life::live(setting(seed)), Life::live(setting(seed)));
        assert_eq!(one.journal_digest, other.journal_digest, "same_seed_same_life: {seed}");
        assert_eq!(one.trace.digest, other.trace.digest, "same_seed_same_life: {seed}");
    }
}

#[test]
fn the_wall_clock_decides_nothing() {
    for seed in 1..=200 {
        let lies = Life::live(setting(seed));
        let honest = Life::live(Setting { honest_wall: true, ..setting(seed) });
        assert_eq!(lies.trace.digest, honest.trace.digest, "seed {seed}");
    }
}

#[test]
fn every_planted_bug_is_caught() {
    assert!(BUGS.len() >= 20, "only {} bugs are planted", BUGS.len());
    let escaped: Vec<String> = std::thread::scope(|scope| {
        let halves = BUGS.chunks(BUGS.len().div_ceil(2));
        let hunts: Vec<_> = halves
            .map(|bugs| scope.spawn(|| bugs.iter().filter_map(escapes).collect::<Vec<String>>()))
            .collect();
        hunts.into_iter().flat_map(|hunt| hunt.join().unwrap()).collect()
    });
    assert!(escaped.is_empty(), "{}", escaped.join("\n"));
}

/// Lives with a planted bug until a law catches it; says what is wrong if none does, or another
/// than should.
fn escapes((bug, laws): &(Bug, &[&str])) -> Option<String> {
    let found = (1..=BUG_SEEDS).find_map(|seed| {
        let with_bug = Setting { bug: Some(*bug), ..setting(seed) };
        let lived = Life::live(with_bug);
        let honest = || Life::live(Setting { honest_wall: true, ..with_bug });
        if *bug == Bug::TimesLivenessByTheWall && lived.trace.digest != honest().trace.digest {
            let message = "another life with an honest clock".to_owned();
            return Some((seed, Broken::of("the_wall_clock_decides_nothing", message)));
        }
        Some((seed, lived.broken?))
    });
    let Some((seed, broken)) = found else {
        return Some(format!("{bug:?} is not caught in {BUG_SEEDS} lives"));
    };
    println!("{bug:?} is caught in life {seed} by {}", broken.law);
    (!laws.contains(&broken.law)).then(|| format!("{bug:?} is caught in life {seed} by {broken}"))
}

#[test]
fn survey() {
    let Some(seeds) = std::env::var("SURVEY").ok().map(|text| text.parse().unwrap()) else {
        return;
    };
    let seen = std::sync::Mutex::new(std::collections::BTreeMap::new());
    let _ = live(seeds, &|seed| {
        let result = std::panic::catch_unwind(|| Life::live(setting(seed)));
        let mut lived = match result {
            Ok(lived) => lived,
            Err(_) => {
                seen.lock().unwrap().entry("panic").or_insert((0, seed, String::new())).0 += 1;
                return Lived {
                    steps: 0,
                    trace: trace::Trace::new(false),
                    journal_digest: 0,
                    broken: None,
                };
            }
        };
        if let Some(broken) = lived.broken.take() {
            let mut seen = seen.lock().unwrap();
            let entry = seen.entry(broken.law).or_insert((0, seed, broken.to_string()));
            entry.0 += 1;
        }
        lived
    })
    .map(|steps| println!("mean {}", steps / seeds));
    for (law, (count, seed, what)) in seen.into_inner().unwrap() {
        println!("{count:>6} {law} first {seed}: {}", what.chars().take(1500).collect::<String>());
    }
}
