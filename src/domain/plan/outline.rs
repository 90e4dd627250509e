//! A huge plan as epic, stories, tasks and subtasks (S1-10, S2-08).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::anatomy::WorkPhase;
use super::{Plan, Range, Subtask};
use crate::domain::ids::SubtaskId;

/// Minutes of a working day.
const DAY_MINUTES: u32 = 8 * 60;

/// Minutes of a working week.
const WEEK_MINUTES: u32 = 5 * DAY_MINUTES;

/// A plan as a tree, and how much is on each level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// How many there are on each level.
    pub counts: LevelCounts,
    /// The whole.
    pub epic: Node,
}

/// How many nodes there are on each level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelCounts {
    /// Always one.
    pub epics: usize,
    /// What a user gets, or a field of work.
    pub stories: usize,
    /// What is done for each.
    pub tasks: usize,
    /// What one worker does.
    pub subtasks: usize,
}

/// A level of the tree, and how long what stands on it takes people (S1-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Weeks.
    Epic,
    /// Days.
    Story,
    /// Hours.
    Task,
    /// Minutes.
    Subtask,
}

impl Level {
    /// Returns the unit in which its durations are told, and the minutes of one.
    pub fn unit(self) -> (&'static str, u32) {
        match self {
            Level::Epic => ("weeks", WEEK_MINUTES),
            Level::Story => ("days", DAY_MINUTES),
            Level::Task => ("hours", 60),
            Level::Subtask => ("minutes", 1),
        }
    }
}

/// One node of the tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Which level it stands on.
    pub level: Level,
    /// One line.
    pub title: String,
    /// What all below it takes together, in minutes of work.
    pub minutes: Range,
    /// The same in the unit of its level, e.g. `0.5-0.8 days`.
    pub duration: String,
    /// The subtask that it is; for a node on the lowest level only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtask_id: Option<SubtaskId>,
    /// What it consists of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

impl Outline {
    /// Groups the subtasks of a plan: by what they are said to be a part of, else by the part of the
    /// product that they work on, else by phase.
    pub fn of(plan: &Plan) -> Self {
        let stories = grouped(&plan.subtasks.iter().collect::<Vec<_>>(), story_of);
        let stories: Vec<Node> = stories
            .into_iter()
            .map(|(title, subtasks)| {
                let tasks = grouped(&subtasks, task_of).into_iter().map(|(title, subtasks)| {
                    Node::above(Level::Task, title, subtasks.into_iter().map(Node::leaf).collect())
                });
                Node::above(Level::Story, title, tasks.collect())
            })
            .collect();
        let counts = LevelCounts {
            epics: 1,
            stories: stories.len(),
            tasks: stories.iter().map(|story| story.children.len()).sum(),
            subtasks: plan.subtasks.len(),
        };
        Self { counts, epic: Node::above(Level::Epic, plan.goal.clone(), stories) }
    }
}

impl Node {
    fn leaf(subtask: &Subtask) -> Self {
        Self {
            subtask_id: Some(subtask.subtask_id.clone()),
            ..Self::new(Level::Subtask, subtask.title.clone(), subtask.estimated_duration_range)
        }
    }

    fn above(level: Level, title: String, children: Vec<Node>) -> Self {
        let sum = |side: fn(&Range) -> u32| {
            children.iter().map(|node| side(&node.minutes)).fold(0, u32::saturating_add)
        };
        let minutes = Range { low: sum(|range| range.low), high: sum(|range| range.high) };
        Self { children, ..Self::new(level, title, minutes) }
    }

    fn new(level: Level, title: String, minutes: Range) -> Self {
        let (unit, size) = level.unit();
        let amount = |minutes: u32| match size {
            1 => minutes.to_string(),
            _ => format!("{:.2}", f64::from(minutes) / f64::from(size)),
        };
        let (low, high) = (amount(minutes.low), amount(minutes.high));
        let amount = if low == high { high } else { format!("{low}-{high}") };
        let duration = format!("{amount} {unit}");
        Self { level, title, minutes, duration, subtask_id: None, children: Vec::new() }
    }
}

fn story_of(subtask: &Subtask) -> String {
    let named = subtask.nature.part_of.first().cloned();
    let area = || {
        let area = subtask.nature.areas.first()?;
        Some(area.split('/').next().unwrap_or(area).to_owned())
    };
    named.or_else(area).unwrap_or_else(|| match WorkPhase::of(&subtask.worker_type) {
        WorkPhase::Discovery | WorkPhase::Design => "Foundation".to_owned(),
        WorkPhase::Implementation => "Product".to_owned(),
        WorkPhase::Testing => "Quality".to_owned(),
        WorkPhase::Deployment => "Delivery".to_owned(),
    })
}

fn task_of(subtask: &Subtask) -> String {
    let phase = || WorkPhase::of(&subtask.worker_type).as_str().to_owned();
    subtask.nature.part_of.get(1).cloned().unwrap_or_else(phase)
}

/// Puts together what has the same name, in order of first use.
fn grouped<'a>(
    subtasks: &[&'a Subtask],
    name_of: fn(&Subtask) -> String,
) -> Vec<(String, Vec<&'a Subtask>)> {
    let mut groups: Vec<(String, Vec<&Subtask>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for subtask in subtasks {
        let name = name_of(subtask);
        let at = *places.entry(name.clone()).or_insert(groups.len());
        if at == groups.len() {
            groups.push((name, Vec::new()));
        }
        groups[at].1.push(subtask);
    }
    groups
}
