//! Plans: what a planner drafts, what the validator lets through, and the run of one.

mod asked;
mod changed;
mod choice;
mod run;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::{AgentName, SubtaskId, TaskId};
use super::policy::Backoff;

pub use asked::{Asked, AskedRound};
pub use choice::{Choice, Ranked};
pub use run::{
    BackingOff, Escalation, Orchestration, OrchestrationPhase, RetryRecord, RunKind, SubtaskPhase,
    SubtaskRun, SubtaskStatus,
};

/// How the subtasks of a plan follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// A stage starts when all of the one before is complete.
    #[default]
    Staged,
    /// A subtask starts when its own dependencies are complete.
    Adaptive,
    /// One subtask at a time, in stage order.
    Sequential,
}

/// How hard a plan looks as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Complexity {
    /// One worker does it.
    Low,
    /// A few steps.
    #[default]
    Medium,
    /// Several domains or long chains.
    High,
}

/// The shape of the work (S2 names them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workflow {
    /// A builder alone.
    BuildOnly,
    /// Plan, then build: what is done when nothing else matches.
    #[default]
    PlanThenBuild,
    /// Several independent tasks in one request.
    MultiTask,
    /// Decompose, then plan, then build.
    #[serde(alias = "custom", alias = "decompose_then_plan")]
    DecomposeFirst,
}

/// Why something was chosen: the rule, what made it fire, and what else was possible.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Why {
    /// The rule's name, with the requirement id where there is one.
    pub rule: String,
    /// What was seen that made it apply.
    pub evidence: String,
    /// What was possible instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<String>,
}

impl Why {
    /// Names a rule and its evidence, with no alternatives.
    pub fn new(rule: impl Into<String>, evidence: impl Into<String>) -> Self {
        Self { rule: rule.into(), evidence: evidence.into(), alternatives: Vec::new() }
    }
}

/// Everything that led to a plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Explanation {
    /// One sentence: simple or complex, and what follows from it.
    pub verdict: String,
    /// Every rule that fired, in the order it was looked at.
    #[serde(default)]
    pub reasons: Vec<Why>,
    /// What the author may want to change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The limits that were compared with, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, u64>,
    /// Who drafted it: a planner's name, or `author` for an explicit plan.
    #[serde(default)]
    pub planner: String,
    /// How a planner outside was asked, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Box<Asked>>,
}

/// A range of minutes or tokens, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Range {
    /// The least it may take.
    pub low: u32,
    /// The most it should take.
    pub high: u32,
}

/// What a step is: what kind of work, in which field, and whether its author said so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Nature {
    /// The kind of work, e.g. `tests`; empty when nobody said.
    #[serde(default)]
    pub kind: String,
    /// The field of work, e.g. `security`; empty when nobody said.
    #[serde(default)]
    pub domain: String,
    /// True when the request does not name it: a rule or a template added it.
    #[serde(default)]
    pub inferred: bool,
    /// How strong a model it needs.
    #[serde(default)]
    pub model: ModelTier,
}

/// How strong a model a step needs (S3-20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelTier {
    /// It looks something up or follows a recipe.
    Light,
    /// It builds, tests or describes.
    #[default]
    Standard,
    /// It decides what others build on, or has to find what is hidden.
    Strong,
}

impl ModelTier {
    /// Returns the word that files use.
    pub fn as_str(self) -> &'static str {
        match self {
            ModelTier::Light => "light",
            ModelTier::Standard => "standard",
            ModelTier::Strong => "strong",
        }
    }

    /// Returns what a token costs, in percent of one of a standard model: what such models are sold
    /// for stands about in this proportion.
    pub fn cost_percent(self) -> u64 {
        match self {
            ModelTier::Light => 25,
            ModelTier::Standard => 100,
            ModelTier::Strong => 500,
        }
    }
}

impl Nature {
    /// Tells whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A subtask as drafted, by a planner or by the author: nothing about it is checked yet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DraftSubtask {
    /// Its id within the draft.
    pub subtask_id: String,
    /// One line.
    pub title: String,
    /// What to do.
    pub description: String,
    /// The masters named for it; exactly one is right.
    pub assigned_to: Vec<String>,
    /// What sort of worker it wants: planner, implementation, test, audit, documentation, ...
    pub worker_type: String,
    /// Ids within the draft that must be complete first.
    pub dependencies: Vec<String>,
    /// How long it may take.
    pub minutes: Range,
    /// How many tokens it may take.
    pub tokens: u32,
    /// The files it will change, relative to the workspace.
    pub files_affected: Vec<String>,
    /// How one can tell that it is done; never empty in a plan.
    pub success_criteria: String,
    /// Files it must leave behind, relative to the workspace; their existence is checked.
    pub deliverables: Vec<String>,
    /// The subtask, by its id within the draft, whose report lists the items: one subtask for each
    /// takes the place of this one (S1-22).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<String>,
    /// What becomes of it when it fails.
    #[serde(default, skip_serializing_if = "Handling::is_default")]
    pub handling: Handling,
    /// What kind of step it is.
    #[serde(default, skip_serializing_if = "Nature::is_default")]
    pub nature: Nature,
    /// Who could do it, and who is chosen.
    #[serde(default, skip_serializing_if = "Choice::is_empty")]
    pub choice: Choice,
    /// Why it is there and why it waits for what it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Why>,
}

/// What becomes of a subtask that fails, and how it is undone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Handling {
    /// What follows when nothing helped.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How long is waited before a retry; as everywhere in the directory when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Failures on one agent after which something else is done; as everywhere when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
    /// What undoes it, should its run have to be rolled back (S1-40).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<String>,
}

/// What follows when nothing helped a subtask that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// A person is asked.
    #[default]
    Ask,
    /// Its run fails with it, and so does the task (S1-41, `failParentOnFailure`).
    FailParent,
    /// It is left out: it was optional.
    Skip,
}

impl Handling {
    /// Tells whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How a plan is changed while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revision {
    /// A subtask is replaced by two smaller ones (S4-53).
    Split,
    /// A subtask is planned again with what went wrong (S2-47).
    Replan,
    /// A subtask is replaced by one for each item of a list (S1-22).
    FanOut,
}

impl Revision {
    /// Returns the word that files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Revision::Split => "split",
            Revision::Replan => "replan",
            Revision::FanOut => "fan_out",
        }
    }
}

/// What came of asking for a revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RevisionOutcome {
    /// These take its place. Their dependencies name each other; those that name none begin when
    /// it would have begun, and what waited for it waits for those that nobody else waits for.
    Replace {
        /// In order.
        subtasks: Vec<DraftSubtask>,
        /// What led to it.
        why: Why,
    },
    /// It cannot be revised.
    Refuse {
        /// Why.
        reason: String,
    },
}

/// How the ids of a draft become ids of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftIds {
    /// All begin with this slug and a dash; a taken slug becomes `slug-2`, `slug-3`, ...
    Slug(String),
    /// The author chose them: they stand as they are, or are refused.
    Explicit,
}

/// A plan before it is validated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// What is wanted in the end.
    pub goal: String,
    /// Fields of work that were found in the request.
    pub domains: Vec<String>,
    /// What must be respected and is no step.
    pub constraints: Vec<String>,
    /// How one can tell that the whole is done.
    pub success_criteria: Vec<String>,
    /// How hard it looks.
    pub complexity: Complexity,
    /// How the subtasks follow each other.
    pub strategy: Strategy,
    /// The shape of the work.
    pub workflow: Workflow,
    /// How sure the planner is, 0 to 1.
    pub confidence: f64,
    /// How the ids are to be made.
    pub ids: DraftIds,
    /// The steps.
    pub subtasks: Vec<DraftSubtask>,
    /// The author's own stages; when empty they are computed from the dependencies.
    pub stages: Vec<Vec<String>>,
    /// What led to it.
    pub explanation: Explanation,
}

/// What came of asking for a draft.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum DraftOutcome {
    /// Split it so.
    Plan(Box<Draft>),
    /// One worker does it: `draft` holds exactly one subtask, whose id is not used.
    Route(Box<Draft>),
    /// It cannot be planned as it stands.
    Refuse {
        /// What is wrong with the request.
        reason: String,
        /// What its author can do.
        remedy: String,
        /// What its author is asked, where an answer would do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        question: Option<String>,
    },
}

/// A subtask of a plan: valid, and fixed for the life of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subtask {
    /// Its id, unique in the directory.
    pub subtask_id: SubtaskId,
    /// The task it is a part of.
    pub parent_task_id: TaskId,
    /// One line.
    pub title: String,
    /// What to do.
    pub description: String,
    /// Who has it.
    pub assigned_to: AgentName,
    /// What sort of worker it wants.
    pub worker_type: String,
    /// What must be complete first.
    pub dependencies: Vec<SubtaskId>,
    /// The time box in minutes.
    pub estimated_duration_minutes: u32,
    /// What it may really take.
    pub estimated_duration_range: Range,
    /// How many tokens it may take.
    pub estimated_tokens: u32,
    /// The files it will change, relative to the workspace.
    pub files_affected: Vec<String>,
    /// How one can tell that it is done.
    pub success_criteria: String,
    /// Files it must leave behind, relative to the workspace.
    pub deliverables: Vec<String>,
    /// The subtask whose report lists the items: one subtask for each takes the place of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<SubtaskId>,
    /// What becomes of it when it fails.
    #[serde(default, skip_serializing_if = "Handling::is_default")]
    pub handling: Handling,
    /// What kind of step it is.
    #[serde(default, skip_serializing_if = "Nature::is_default")]
    pub nature: Nature,
    /// Who could do it, and who is chosen.
    #[serde(default, skip_serializing_if = "Choice::is_empty")]
    pub choice: Choice,
    /// Why it is there and why it waits for what it waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Why>,
}

/// What a plan will probably take.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResourceEstimate {
    /// How many subtasks.
    pub total_subtasks: usize,
    /// Along the critical path, e.g. `65-90 minutes`.
    pub duration_estimate: String,
    /// All subtasks together.
    pub token_estimate: u64,
    /// Every master that gets a subtask, in order of first use.
    pub masters: Vec<AgentName>,
    /// How many workers will be started if nothing fails.
    pub workers: usize,
    /// Whether any stage holds more than one subtask.
    pub parallelization_possible: bool,
    /// Stages in which everything waits for one subtask, e.g.
    /// `stage_3: auth-004-tests must wait for auth-002-backend, auth-003-frontend`.
    pub bottlenecks: Vec<String>,
    /// The chain of subtasks that takes longest: the whole cannot be faster than they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub critical_path: Vec<SubtaskId>,
    /// What the tokens cost, in tokens of a standard model.
    #[serde(default)]
    pub cost_tokens: u64,
    /// How much of that a strong model for everything would cost more, in percent of its cost (S3-21).
    #[serde(default)]
    pub saving_percent: u64,
}

/// A validated plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What is wanted in the end.
    pub goal: String,
    /// Fields of work that were found in the request.
    pub domains: Vec<String>,
    /// What must be respected and is no step.
    pub constraints: Vec<String>,
    /// How one can tell that the whole is done.
    pub success_criteria: Vec<String>,
    /// How hard it looks.
    pub complexity: Complexity,
    /// How the subtasks follow each other.
    pub strategy: Strategy,
    /// The shape of the work.
    pub workflow: Workflow,
    /// How sure the planner was, 0 to 1.
    pub confidence: f64,
    /// The steps, in stage order.
    pub subtasks: Vec<Subtask>,
    /// Which subtasks make up stage 1, 2, ...; each subtask is in exactly one.
    pub stages: Vec<Vec<SubtaskId>>,
    /// What it will probably take.
    pub estimate: ResourceEstimate,
    /// What led to it.
    pub explanation: Explanation,
}
