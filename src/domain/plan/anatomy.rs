//! What follows from the graph of a plan: phases, what runs side by side, gates, and its outline.
//!
//! Nothing of it is kept: it is made anew from the plan as it stands, so that it is true after every
//! change of the plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::outline::Outline;
use super::{Analysis, Complexity, Orchestration, Plan, Strategy, Subtask, SubtaskRun, Workflow};
use crate::domain::ids::SubtaskId;

/// Subtasks from which on a plan counts as huge (S2-31).
const HUGE_SUBTASKS_MIN: usize = 9;

/// Minutes of work from which on a plan counts as huge (S2-31).
const HUGE_MINUTES_MIN: u64 = 180;

/// How big a piece of work is (S2-31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// One worker does it.
    #[default]
    Simple,
    /// A few steps.
    Complex,
    /// So much that it is shown as epic, stories and tasks.
    Huge,
}

impl Size {
    /// Measures by the count of steps and by the minutes that they take together.
    pub fn of(steps: usize, minutes: u64) -> Self {
        if steps <= 1 {
            Size::Simple
        } else if steps >= HUGE_SUBTASKS_MIN || minutes >= HUGE_MINUTES_MIN {
            Size::Huge
        } else {
            Size::Complex
        }
    }

    /// Returns the word that files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Size::Simple => "simple",
            Size::Complex => "complex",
            Size::Huge => "huge",
        }
    }
}

/// The phases that work goes through (S1-12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WorkPhase {
    /// It finds out.
    Discovery,
    /// It decides.
    Design,
    /// It makes.
    Implementation,
    /// It checks what was made.
    Testing,
    /// It brings into use and describes.
    Deployment,
}

impl WorkPhase {
    /// Returns the phase of a sort of worker.
    pub fn of(worker_type: &str) -> Self {
        match worker_type {
            "research" => WorkPhase::Discovery,
            "planner" => WorkPhase::Design,
            "test" | "audit" | "review" => WorkPhase::Testing,
            "documentation" | "deploy" => WorkPhase::Deployment,
            _ => WorkPhase::Implementation,
        }
    }

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkPhase::Discovery => "Discovery",
            WorkPhase::Design => "Design",
            WorkPhase::Implementation => "Implementation",
            WorkPhase::Testing => "Testing",
            WorkPhase::Deployment => "Deployment",
        }
    }
}

/// What follows from the graph of a plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Anatomy {
    /// What the planner made of the request.
    #[serde(flatten)]
    pub analysis: Analysis,
    /// What must be respected and is no step.
    pub constraints: Vec<String>,
    /// low, medium, high
    pub complexity: Complexity,
    /// How big it is.
    pub size: Size,
    /// Sequential, Parallel or Adaptive (S1-24).
    pub coordination: String,
    /// Which sorts of agents have a turn, in that order (S2-04 to S2-07).
    pub agent_sequence: Vec<String>,
    /// The phases that it has, and what belongs to each.
    pub phases: Vec<PhaseGroup>,
    /// The parts of a product that it works on, and which subtasks on each (S1-11).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<AreaGroup>,
    /// What has to wait for something else.
    pub sequential: Vec<SubtaskId>,
    /// What can run side by side: one list for each stage of several.
    pub independent: Vec<Vec<SubtaskId>>,
    /// The chain that takes longest.
    pub critical_path: Vec<SubtaskId>,
    /// What has to be passed before others go on.
    pub gates: Vec<Gate>,
    /// Where a state is reached that can be gone back to: the end of each stage.
    pub checkpoints: Vec<String>,
    /// Epic, stories, tasks and subtasks, where the size calls for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outline: Option<Outline>,
}

/// A phase and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseGroup {
    /// Which.
    pub phase: WorkPhase,
    /// In the order of the plan.
    pub subtasks: Vec<SubtaskId>,
}

/// A part of a product and what works on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AreaGroup {
    /// Frontend, Backend or Infrastructure.
    pub area: String,
    /// Its parts that are worked on.
    pub parts: Vec<String>,
    /// In the order of the plan.
    pub subtasks: Vec<SubtaskId>,
}

/// What has to be passed before others go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// The subtask that checks; none for the last gate, which is passed by the whole.
    pub subtask_id: Option<SubtaskId>,
    /// Those that it holds back.
    pub holds_back: Vec<SubtaskId>,
    /// What is checked.
    pub check: String,
}

impl Plan {
    /// Takes the plan apart.
    pub fn anatomy(&self) -> Anatomy {
        let minutes: u64 =
            self.subtasks.iter().map(|s| u64::from(s.estimated_duration_range.high)).sum();
        let size = Size::of(self.subtasks.len(), minutes);
        let waits = |subtask: &&Subtask| !subtask.dependencies.is_empty();
        Anatomy {
            analysis: self.analysis.clone(),
            constraints: self.constraints.clone(),
            complexity: self.complexity,
            size,
            coordination: self.coordination().to_owned(),
            agent_sequence: self.agent_sequence().into_iter().map(str::to_owned).collect(),
            phases: phases(&self.subtasks),
            areas: areas(&self.subtasks),
            sequential: self.subtasks.iter().filter(waits).map(|s| s.subtask_id.clone()).collect(),
            independent: self.stages.iter().filter(|stage| stage.len() > 1).cloned().collect(),
            critical_path: self.estimate.critical_path.clone(),
            gates: gates(self),
            checkpoints: (1..=self.stages.len()).map(|stage| format!("stage_{stage}")).collect(),
            outline: (size == Size::Huge).then(|| Outline::of(self)),
        }
    }

    /// Returns how its subtasks are coordinated, in the words of the skill it comes from (S1-24).
    pub fn coordination(&self) -> &'static str {
        match self.strategy {
            Strategy::Sequential => "Sequential",
            Strategy::Adaptive => "Adaptive",
            Strategy::Staged if self.stages.iter().any(|stage| stage.len() > 1) => "Parallel",
            Strategy::Staged => "Sequential",
        }
    }

    fn agent_sequence(&self) -> Vec<&'static str> {
        match self.workflow {
            Workflow::BuildOnly => vec!["builder"],
            Workflow::PlanThenBuild => vec!["planner", "builder"],
            Workflow::MultiTask => vec!["builder"; self.subtasks.len().min(HUGE_SUBTASKS_MIN)],
            Workflow::DecomposeFirst => vec!["architect", "planner", "builder"],
        }
    }
}

impl Orchestration {
    /// Returns which of the five phases of an orchestration it is in (S1-02): finding out and deciding
    /// belong to research and decomposing, what follows is execution, and what is left when nothing
    /// is left to do is integration.
    pub fn operation_phase(&self) -> &'static str {
        let is_open = |run: &SubtaskRun| !self.is_over() && !run.is_satisfied();
        let all = self.plan.subtasks.iter().zip(&self.runs);
        let open = all.filter(|(_, run)| is_open(run));
        match open.map(|(subtask, _)| WorkPhase::of(&subtask.worker_type)).min() {
            Some(WorkPhase::Discovery) => "research",
            Some(WorkPhase::Design) => "decompose",
            Some(WorkPhase::Implementation | WorkPhase::Testing | WorkPhase::Deployment) => {
                "execute"
            }
            None => "integrate",
        }
    }
}

fn phases(subtasks: &[Subtask]) -> Vec<PhaseGroup> {
    let mut phases: BTreeMap<WorkPhase, Vec<SubtaskId>> = BTreeMap::new();
    for subtask in subtasks {
        let phase = WorkPhase::of(&subtask.worker_type);
        phases.entry(phase).or_default().push(subtask.subtask_id.clone());
    }
    phases.into_iter().map(|(phase, subtasks)| PhaseGroup { phase, subtasks }).collect()
}

fn areas(subtasks: &[Subtask]) -> Vec<AreaGroup> {
    let mut areas: Vec<AreaGroup> = Vec::new();
    for subtask in subtasks {
        for name in &subtask.nature.areas {
            let (area, part) = name.split_once('/').unwrap_or((name, ""));
            let at = areas.iter().position(|known| known.area == area).unwrap_or_else(|| {
                areas.push(AreaGroup {
                    area: area.to_owned(),
                    parts: Vec::new(),
                    subtasks: Vec::new(),
                });
                areas.len() - 1
            });
            let group = &mut areas[at];
            if !part.is_empty() && !group.parts.iter().any(|known| known == part) {
                group.parts.push(part.to_owned());
            }
            if group.subtasks.last() != Some(&subtask.subtask_id) {
                group.subtasks.push(subtask.subtask_id.clone());
            }
        }
    }
    areas
}

fn gates(plan: &Plan) -> Vec<Gate> {
    let mut held_back: BTreeMap<&SubtaskId, Vec<SubtaskId>> = BTreeMap::new();
    for subtask in &plan.subtasks {
        for on in &subtask.dependencies {
            held_back.entry(on).or_default().push(subtask.subtask_id.clone());
        }
    }
    let checks = |subtask: &&Subtask| WorkPhase::of(&subtask.worker_type) == WorkPhase::Testing;
    let mut gates: Vec<Gate> = plan
        .subtasks
        .iter()
        .filter(checks)
        .filter_map(|subtask| {
            Some(Gate {
                holds_back: held_back.remove(&subtask.subtask_id)?,
                subtask_id: Some(subtask.subtask_id.clone()),
                check: subtask.success_criteria.clone(),
            })
        })
        .collect();
    gates.push(Gate {
        subtask_id: None,
        holds_back: Vec::new(),
        check: plan.success_criteria.join("; "),
    });
    gates
}
