//! The operator's limits as plain data: what every rule compares with.

mod supervision;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::AgentName;
use super::plan::Strategy;
use super::report::ResultKind;
use super::worker::Execution;

pub use supervision::{Supervision, SupervisionChanges, WorkerTypes};

/// All limits. `config` builds it from `coordination/baton.toml`; [`Policy::default`] is what a
/// directory without one has.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The masters that may be given work.
    pub masters: BTreeMap<AgentName, MasterPolicy>,
    /// When a task is split.
    pub complexity: ComplexityPolicy,
    /// What a plan may look like.
    pub plan: PlanPolicy,
    /// How often and how fast a failed subtask is tried again.
    pub retry: RetryPolicy,
    /// What else is done about failures.
    pub recovery: RecoveryPolicy,
    /// When a master is given no work because what it did lately failed.
    pub circuit: CircuitPolicy,
    /// How workers are watched and what they may take.
    pub supervision: Supervision,
    /// What is set otherwise for a type of worker (`implementation`, `audit`, ...).
    pub worker_types: WorkerTypes,
    /// A run that takes longer is ended with a report that says what it waited for; 0: none is.
    pub run_ms_max: u64,
    /// Workers that Baton may have running at the same time in the whole directory; handoffs to
    /// external masters are limited per master only.
    pub attempts_active_max: usize,
    /// The strategy of plans whose author names none.
    pub strategy: Strategy,
    /// False turns splitting off: every task is routed whole (S0-94).
    pub orchestration_enabled: bool,
}

/// What is known of one master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterPolicy {
    /// Who runs its work.
    pub execution: Execution,
    /// Fields of work it takes: development, security, inventory, cicd, docs, ...
    pub domains: Vec<String>,
    /// What it is good at, in the operator's words; of equal masters the one whose words fit a step
    /// is chosen.
    pub description: String,
    /// Attempts it may have at the same time.
    pub attempts_active_max: usize,
    /// What its successes deliver.
    pub result_kind: ResultKind,
    /// False for a master that must not be given split work: tasks for it are routed whole.
    pub orchestration_enabled: bool,
    /// Who gets its work when it fails, the best first; when empty, whoever else takes the same
    /// fields of work.
    pub fallbacks: Vec<AgentName>,
    /// Whether Baton may stop workers that it did not start itself.
    pub may_stop: bool,
    /// Attempts that may begin within a minute; 0: any number.
    pub starts_per_minute_max: u32,
    /// What is set otherwise for its workers.
    pub supervision: SupervisionChanges,
}

/// When a task is complex (S4-05 to S4-14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComplexityPolicy {
    /// More files than this make it complex.
    pub files_max: usize,
    /// More minutes than this make it complex; exactly as many do not.
    pub minutes_max: u32,
    /// More tokens than this make it complex.
    pub tokens_max: u32,
    /// More domains than this make it complex.
    pub domains_max: usize,
    /// A planner that is less sure than this, of 100, asks instead of planning (S2-14).
    pub confidence_percent_min: u32,
}

/// What a plan may look like (S4-22 to S4-25, S4-34, S4-37).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanPolicy {
    /// More stages are refused.
    pub stages_max: usize,
    /// Fewer subtasks are warned about.
    pub subtasks_min: usize,
    /// More subtasks are warned about.
    pub subtasks_max: usize,
    /// More subtasks are refused.
    pub subtasks_limit: usize,
    /// More minutes in one subtask are warned about.
    pub subtask_minutes_max: u32,
    /// More minutes in one subtask are refused.
    pub subtask_minutes_limit: u32,
    /// More tokens in one subtask are refused.
    pub subtask_tokens_max: u32,
    /// More files in one subtask are refused.
    pub subtask_files_max: usize,
}

/// How long is waited before a retry (S1-35 to S1-37).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Not at all.
    Immediate,
    /// Always as long as the first time.
    Fixed,
    /// Each time a multiple of the time before.
    #[default]
    Exponential,
}

/// How a failed subtask is tried again (S1-38, S0-50).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Failures of one subtask on one agent after which something else is done.
    pub attempts_max: u32,
    /// How delays follow each other, where a subtask does not say otherwise.
    pub backoff: Backoff,
    /// The first delay.
    pub initial_delay_ms: u64,
    /// Each delay is this many times the one before.
    pub backoff_factor: u32,
    /// No delay is longer.
    pub delay_ms_max: u64,
    /// So many percent of a delay are added at the most, so that what failed together is not
    /// tried again together.
    pub jitter_percent_max: u32,
}

/// What is done about failures beside trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryPolicy {
    /// The same failure so many times in a row goes on to the next step early (S2-70).
    pub same_failure_max: u32,
    /// Other agents that one subtask is given to at the most.
    pub fallbacks_max: u32,
    /// How often a plan is drafted again because of failures.
    pub replans_max: u32,
    /// So many attempts of one subtask in a row that are cut off from outside, and a person is
    /// asked; 0: nobody is.
    pub interruptions_max: u32,
    /// Whether a subtask that is too big for its worker is replaced by two.
    pub splits: bool,
    /// From when on a question that nobody answered is told of again (S3-52).
    pub overdue_ms: u64,
}

/// When a circuit breaker opens, and for how long (S1-39).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitPolicy {
    /// So many failures of a master's attempts in a row open it; 0: never.
    pub failures_max: u32,
    /// How long it stays open the first time; twice as long each time after a trial that failed.
    pub cool_down_ms: u64,
    /// It never stays open longer.
    pub cool_down_ms_max: u64,
}

impl RetryPolicy {
    /// Returns the delay after failure number `failures` (from 1), without jitter: none, the first
    /// delay, or `initial_delay_ms * backoff_factor^(failures-1)`, at most `delay_ms_max`.
    pub fn delay_ms(&self, backoff: Backoff, failures: u32) -> u64 {
        let exponent = match backoff {
            Backoff::Immediate => return 0,
            Backoff::Fixed => 0,
            Backoff::Exponential => failures.saturating_sub(1),
        };
        u64::from(self.backoff_factor)
            .checked_pow(exponent)
            .and_then(|factor| self.initial_delay_ms.checked_mul(factor))
            .unwrap_or(u64::MAX)
            .min(self.delay_ms_max)
    }
}

impl Default for Policy {
    fn default() -> Self {
        let masters = [
            ("cicd", &["cicd"][..]),
            ("development", &["development", "docs", "testing"][..]),
            ("inventory", &["inventory"][..]),
            ("security", &["security"][..]),
        ];
        Self {
            masters: masters
                .into_iter()
                .filter_map(|(name, domains)| {
                    Some((AgentName::parse(name).ok()?, MasterPolicy::external(domains)))
                })
                .collect(),
            complexity: ComplexityPolicy {
                files_max: 3,
                minutes_max: 30,
                tokens_max: 20_000,
                domains_max: 1,
                confidence_percent_min: 40,
            },
            plan: PlanPolicy {
                stages_max: 10,
                subtasks_min: 3,
                subtasks_max: 10,
                subtasks_limit: 10_000,
                subtask_minutes_max: 20,
                subtask_minutes_limit: 30,
                subtask_tokens_max: 20_000,
                subtask_files_max: 3,
            },
            retry: RetryPolicy {
                attempts_max: 3,
                backoff: Backoff::Exponential,
                initial_delay_ms: 1_000,
                backoff_factor: 2,
                delay_ms_max: 60_000,
                jitter_percent_max: 10,
            },
            recovery: RecoveryPolicy {
                same_failure_max: 3,
                fallbacks_max: 2,
                replans_max: 1,
                interruptions_max: 10,
                splits: true,
                overdue_ms: 600_000,
            },
            circuit: CircuitPolicy {
                failures_max: 5,
                cool_down_ms: 60_000,
                cool_down_ms_max: 600_000,
            },
            supervision: Supervision::default(),
            worker_types: WorkerTypes::new(),
            run_ms_max: 7 * 24 * 3_600_000,
            attempts_active_max: 8,
            strategy: Strategy::Staged,
            orchestration_enabled: true,
        }
    }
}

impl MasterPolicy {
    /// Returns a master elsewhere, that takes handoff files and reports by file.
    pub fn external(domains: &[&str]) -> Self {
        Self {
            execution: Execution::External,
            domains: domains.iter().map(|d| (*d).to_owned()).collect(),
            description: String::new(),
            attempts_active_max: 256,
            result_kind: ResultKind::Work,
            orchestration_enabled: true,
            fallbacks: Vec::new(),
            may_stop: false,
            starts_per_minute_max: 0,
            supervision: SupervisionChanges::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap() {
        let retry = Policy::default().retry;
        let delays = |backoff| (1..=8).map(|n| retry.delay_ms(backoff, n)).collect::<Vec<u64>>();
        let doubled = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000];
        assert_eq!(delays(Backoff::Exponential), doubled);
        assert_eq!(delays(Backoff::Fixed), [1_000; 8]);
        assert_eq!(delays(Backoff::Immediate), [0; 8]);
        assert_eq!(retry.delay_ms(Backoff::Exponential, u32::MAX), 60_000);
    }
}
