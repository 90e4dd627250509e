//! A deterministic simulation of the domain: random lives of a directory, each the same for the
//! same seed.
//!
//! A life is a world (two clocks of which one lies, workers and masters of every kind, operators,
//! a disk that loses what was not synced) and a daemon that goes about the real pure functions as
//! the real one does, and crashes. After every step the laws of [`laws`] are looked at; they share
//! nothing with what they check. `SEEDS` says how many lives are lived (5,000 when not said),
//! `BATON_SEED` repeats one and tells it line by line, with the bug that `BATON_BUG` names planted.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a law looks at the events that it is about, and a bug at those that it spoils"
)]

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

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use laws::{Broken, LAWS};
use life::{Life, Setting};
use sabotage::{BUGS, Bug};

/// Lives in an ordinary run of the tests.
const SEEDS: u64 = 5_000;
/// Steps that a life has on average, at least.
const STEPS_MIN: u64 = 300;
/// When so many lives are broken, the shortest of them is short enough to read.
const WRECKS_MAX: usize = 20;
/// A planted bug is caught within so many lives.
const BUG_SEEDS: u64 = 1_000;

fn setting(seed: u64) -> Setting {
    Setting { seed, bug: None, honest_wall: false, is_told: false }
}

/// A life that broke a law, and after how many steps.
struct Wreck {
    steps: u64,
    seed: u64,
    broken: Broken,
}

/// Lives one life after another on every processor. Returns the steps of all, and the lives that
/// broke a law, the shortest first.
fn live(seeds: u64) -> (u64, Vec<Wreck>) {
    let (next, steps) = (AtomicU64::new(1), AtomicU64::new(0));
    let wrecks: Mutex<Vec<Wreck>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > seeds || wrecks.lock().unwrap().len() >= WRECKS_MAX {
                        return;
                    }
                    let lived = Life::live(setting(seed));
                    steps.fetch_add(lived.steps, Ordering::Relaxed);
                    let wreck =
                        lived.broken.map(|broken| Wreck { steps: lived.steps, seed, broken });
                    wrecks.lock().unwrap().extend(wreck);
                }
            });
        }
    });
    let mut wrecks = wrecks.into_inner().unwrap();
    wrecks.sort_by_key(|wreck| (wreck.steps, wreck.seed));
    (steps.into_inner(), wrecks)
}

#[test]
fn every_life_keeps_the_laws() {
    let seeds = std::env::var("SEEDS").ok().map_or(SEEDS, |text| text.parse().unwrap());
    let (steps, wrecks) = live(seeds);
    if let Some(Wreck { seed, broken, .. }) = wrecks.first() {
        panic!(
            "seed {seed}, the shortest of {} broken lives: {broken}\nrepeat it, told line by line, \
             with\n  BATON_SEED={seed} cargo test --test it simulation::replay -- --nocapture\n\
             all of them: {:?}",
            wrecks.len(),
            wrecks.iter().map(|wreck| (wreck.seed, wreck.broken.law)).collect::<Vec<_>>()
        );
    }
    let mean = steps / seeds.max(1);
    println!("{seeds} lives of {mean} steps on average keep {} laws", LAWS.len());
    assert!(mean >= STEPS_MIN, "a life has only {mean} steps on average");
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
    let hunted: Vec<Result<String, String>> = std::thread::scope(|scope| {
        let halves = BUGS.chunks(BUGS.len().div_ceil(2));
        let hunts: Vec<_> =
            halves.map(|bugs| scope.spawn(|| bugs.iter().map(hunt).collect::<Vec<_>>())).collect();
        hunts.into_iter().flat_map(|hunt| hunt.join().unwrap()).collect()
    });
    for caught in hunted.iter().flatten() {
        println!("{caught}");
    }
    let escaped: Vec<String> = hunted.into_iter().filter_map(Result::err).collect();
    assert!(escaped.is_empty(), "{}", escaped.join("\n"));
}

/// Lives with a planted bug until a law catches it; says what is wrong if none does, or another
/// than should.
fn hunt((bug, laws): &(Bug, &[&str])) -> Result<String, String> {
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
        return Err(format!("{bug:?} is not caught in {BUG_SEEDS} lives"));
    };
    if !laws.contains(&broken.law) {
        return Err(format!("{bug:?} is caught in life {seed} by {broken}"));
    }
    Ok(format!("{bug:?} is caught in life {seed} by {}", broken.law))
}
