//! The operator's limits as plain data: what every rule compares with.

use std::collections::BTreeMap;

use super::ids::AgentName;
use super::plan::Strategy;
use super::report::ResultKind;
use super::worker::Execution;

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
    /// Attempts it may have at the same time.
    pub attempts_active_max: usize,
    /// What its successes deliver.
    pub result_kind: ResultKind,
    /// False for a master that must not be given split work: tasks for it are routed whole.
    pub orchestration_enabled: bool,
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

/// How a failed subtask is tried again (S1-38, S0-50).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Failures after which a person is asked.
    pub attempts_max: u32,
    /// The first delay.
    pub initial_delay_ms: u64,
    /// Each delay is this many times the one before.
    pub backoff_factor: u32,
    /// No delay is longer.
    pub delay_ms_max: u64,
}

impl RetryPolicy {
    /// Returns the delay after failure number `failures` (from 1):
    /// `initial_delay_ms * backoff_factor^(failures-1)`, at most `delay_ms_max`.
    pub fn delay_ms(&self, failures: u32) -> u64 {
        u64::from(self.backoff_factor)
            .checked_pow(failures.saturating_sub(1))
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
                initial_delay_ms: 1_000,
                backoff_factor: 2,
                delay_ms_max: 60_000,
            },
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
            attempts_active_max: 256,
            result_kind: ResultKind::Work,
            orchestration_enabled: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap() {
        let retry = Policy::default().retry;
        let delays: Vec<u64> = (1..=8).map(|n| retry.delay_ms(n)).collect();
        assert_eq!(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(retry.delay_ms(u32::MAX), 60_000);
    }
}
