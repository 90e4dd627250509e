//! The order that the kinds of the steps ask for where no word of their author does.

use super::expand::Step;
use crate::domain::plan::Why;

/// The rank from which on a step closes the work: it merges, deploys, announces or sums up.
const CLOSING_RANK_MIN: u32 = 75;

/// The rank of a comparison of what other steps bring about.
const COMPARING_RANK: u32 = 88;

/// The rank of what builds or changes something.
const BUILDING_RANK: u32 = 20;

/// The rank from which on a step works on what others have built.
const FINISHING_RANK_MIN: u32 = 50;

/// Lets each step without words of order wait for those of the next lower rank.
pub(super) fn by_rank(steps: &mut [Step]) {
    let builds = |step: &Step| step.kind.rank == 20 && step.kind.name != "general";
    let first_build = steps.iter().position(builds);
    let ranks: Vec<u32> = steps
        .iter()
        .enumerate()
        .map(|(at, step)| {
            // What looks before anything is built looks for work; afterwards it checks it.
            let looks = matches!(step.kind.rank, 51..=65) && step.kind.name != "performance";
            // What is compared is built, and measured, before.
            if step.kind.name == "compare" && !step.after.is_empty() {
                return COMPARING_RANK;
            }
            if looks && first_build.is_some_and(|first| at < first) { 8 } else { step.kind.rank }
        })
        .collect();
    let mut order: Vec<usize> = (0..steps.len()).collect();
    order.sort_by_key(|&at| (ranks[at], at));
    for at in order {
        // What closes the work waits for all of it, whatever it points back to.
        if !steps[at].after.is_empty() && ranks[at] < CLOSING_RANK_MIN {
            continue;
        }
        let waiting = waiting_for(steps, at);
        // What stands behind it in the text comes before it only if it is what is tested or shown.
        let comes_before = |other: usize| {
            other < at
                || ranks[at] >= FINISHING_RANK_MIN && steps[other].kind.rank <= BUILDING_RANK
                || ranks[at] >= CLOSING_RANK_MIN && !steps[other].is_goal
        };
        let describes = steps[at].kind.name == "docs";
        let lower =
            |other: &usize| ranks[*other] < ranks[at] && !waiting[*other] && comes_before(*other);
        let mut lower: Vec<usize> = (0..steps.len()).filter(lower).collect();
        if describes && lower.iter().any(|&other| ranks[other] <= BUILDING_RANK) {
            // What is built can be described while it is tested.
            lower.retain(|&other| ranks[other] <= BUILDING_RANK);
        }
        let last = last_of(steps, &lower);
        for other in last {
            if waiting_for(steps, other)[at] {
                continue;
            }
            let (later, earlier) = (&steps[at].kind.name, &steps[other].kind.name);
            let why = Why::new("kind order", format!("{later} work comes after {earlier} work"));
            steps[at].after.push((other, why));
        }
        steps[at].after.sort_by_key(|(before, _)| *before);
    }
}

/// Returns those of some steps that none of the others waits for.
fn last_of(steps: &[Step], some: &[usize]) -> Vec<usize> {
    let mut awaited = vec![false; steps.len()];
    let mut open: Vec<usize> = some.to_vec();
    while let Some(at) = open.pop() {
        for (before, _) in &steps[at].after {
            if !std::mem::replace(&mut awaited[*before], true) {
                open.push(*before);
            }
        }
    }
    some.iter().copied().filter(|&at| !awaited[at]).collect()
}

/// Tells of each step whether it waits for the one at `to`, directly or not.
fn waiting_for(steps: &[Step], to: usize) -> Vec<bool> {
    let mut followers = vec![Vec::new(); steps.len()];
    for (at, step) in steps.iter().enumerate() {
        for (before, _) in &step.after {
            followers[*before].push(at);
        }
    }
    let mut waiting = vec![false; steps.len()];
    let mut open = vec![to];
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut waiting[at], true) {
            open.extend(&followers[at]);
        }
    }
    waiting
}

/// Returns the stage, from 0, of each step: the longest path to it. `after` has the places of what
/// each step waits for; what a cycle holds up stays in the first stage, for the validator to refuse.
pub fn levels(after: &[Vec<usize>]) -> Vec<usize> {
    let mut waiting: Vec<usize> = after.iter().map(Vec::len).collect();
    let mut followers = vec![Vec::new(); after.len()];
    for (at, before) in after.iter().enumerate() {
        before.iter().for_each(|&before| followers[before].push(at));
    }
    let mut levels = vec![0; after.len()];
    let mut ready: Vec<usize> = (0..after.len()).filter(|&at| waiting[at] == 0).collect();
    while let Some(at) = ready.pop() {
        for &next in &followers[at] {
            levels[next] = levels[next].max(levels[at] + 1);
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(next);
            }
        }
    }
    levels
}

/// Steps that are compared with each other: in longer plans only neighbours are.
const COMPARED_MAX: usize = 64;

/// Lets steps that change the same file follow each other (S1-25): side by side they would undo
/// each other's work.
pub(super) fn by_shared_files(steps: &mut [Step]) {
    for at in 0..steps.len() {
        for before in at.saturating_sub(COMPARED_MAX)..at {
            let shared = steps[at].files.iter().find(|file| steps[before].files.contains(file));
            let Some(file) = shared.cloned() else { continue };
            let is_ordered = waiting_for(steps, before)[at] || waiting_for(steps, at)[before];
            if !is_ordered {
                let why = Why::new("S1-25 shared file", format!("both change {file}"));
                steps[at].after.push((before, why));
            }
        }
    }
}
