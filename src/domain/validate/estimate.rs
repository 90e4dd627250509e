//! What a plan will probably take.

use std::collections::{BTreeSet, HashMap};

use super::listed;
use crate::domain::ids::SubtaskId;
use crate::domain::plan::{ModelTier, Range, ResourceEstimate, Strategy, Subtask};

/// Estimates a valid plan: `subtasks` in stage order, `stages` covering each exactly once.
pub(super) fn of(
    subtasks: &[&Subtask],
    stages: &[Vec<SubtaskId>],
    strategy: Strategy,
) -> ResourceEstimate {
    let (low, high) = duration(subtasks, stages, strategy);
    let mut seen = BTreeSet::new();
    let tokens: u64 = subtasks.iter().map(|s| u64::from(s.estimated_tokens)).sum();
    let cost = |s: &&Subtask| u64::from(s.estimated_tokens) * s.nature.model.cost_percent() / 100;
    let cost_tokens: u64 = subtasks.iter().map(cost).sum();
    let strong_tokens = tokens.saturating_mul(ModelTier::Strong.cost_percent()) / 100;
    let masters = subtasks.iter().map(|s| &s.assigned_to).filter(|m| seen.insert(*m)).cloned();
    ResourceEstimate {
        total_subtasks: subtasks.len(),
        duration_estimate: if low == high {
            format!("{high} minutes")
        } else {
            format!("{low}-{high} minutes")
        },
        token_estimate: tokens,
        masters: masters.collect(),
        workers: subtasks.len(),
        parallelization_possible: stages.iter().any(|stage| stage.len() > 1),
        bottlenecks: bottlenecks(stages),
        critical_path: critical_path(subtasks),
        cost_tokens,
        saving_percent: (strong_tokens.saturating_sub(cost_tokens) * 100)
            .checked_div(strong_tokens)
            .unwrap_or_default(),
    }
}

/// Returns the chain of dependencies that takes longest; nothing where no subtask waits for another.
fn critical_path(subtasks: &[&Subtask]) -> Vec<SubtaskId> {
    let mut ends: HashMap<&SubtaskId, (u64, Option<&SubtaskId>)> = HashMap::new();
    for subtask in subtasks {
        let end_of = |on: &&SubtaskId| ends.get(on).map_or(0, |(end, _)| *end);
        let last = subtask.dependencies.iter().max_by_key(end_of);
        let begins = last.as_ref().map_or(0, end_of);
        let end = begins + u64::from(subtask.estimated_duration_range.high);
        ends.insert(&subtask.subtask_id, (end, last));
    }
    let latest = subtasks.iter().rev().max_by_key(|s| ends.get(&s.subtask_id).map(|(end, _)| *end));
    let mut path: Vec<SubtaskId> = Vec::new();
    let mut next = latest.map(|subtask| &subtask.subtask_id);
    while let Some(id) = next {
        path.push(id.clone());
        next = ends.get(id).and_then(|(_, before)| *before);
    }
    path.reverse();
    if path.len() > 1 { path } else { Vec::new() }
}

/// Returns the least and the most minutes of the path that everything else fits beside.
fn duration(subtasks: &[&Subtask], stages: &[Vec<SubtaskId>], strategy: Strategy) -> (u64, u64) {
    let side = |of: fn(&Range) -> u32| {
        let minutes = subtasks.iter().map(|s| u64::from(of(&s.estimated_duration_range)));
        match strategy {
            Strategy::Sequential => minutes.sum(),
            Strategy::Staged => {
                let minutes: Vec<u64> = minutes.collect();
                let mut rest = minutes.as_slice();
                let longest = stages.iter().map(|stage| {
                    let (now, later) = rest.split_at(stage.len().min(rest.len()));
                    rest = later;
                    now.iter().max().copied().unwrap_or_default()
                });
                longest.sum()
            }
            Strategy::Adaptive => {
                let mut ends: HashMap<&SubtaskId, u64> = HashMap::with_capacity(subtasks.len());
                for (subtask, minutes) in subtasks.iter().zip(minutes) {
                    let begins = subtask.dependencies.iter().filter_map(|on| ends.get(on)).max();
                    let end = begins.copied().unwrap_or_default() + minutes;
                    ends.insert(&subtask.subtask_id, end);
                }
                ends.into_values().max().unwrap_or_default()
            }
        }
    };
    (side(|range| range.low), side(|range| range.high))
}

/// Names the stages of one subtask beside wider ones: there, several workers wait for one.
fn bottlenecks(stages: &[Vec<SubtaskId>]) -> Vec<String> {
    let mut found = Vec::new();
    let names = |stage: &[SubtaskId]| listed(stage.iter().map(SubtaskId::as_str));
    for (at, stage) in stages.iter().enumerate() {
        let [only] = stage.as_slice() else { continue };
        let before = at.checked_sub(1).map(|before| stages[before].as_slice());
        let after = stages.get(at + 1).map(Vec::as_slice);
        let stage = at + 1;
        if let Some(before) = before.filter(|before| before.len() > 1) {
            found.push(format!("stage_{stage}: {only} must wait for {}", names(before)));
        }
        if let Some(after) = after.filter(|after| after.len() > 1) {
            found.push(format!("stage_{stage}: {} must wait for {only}", names(after)));
        }
    }
    found
}
