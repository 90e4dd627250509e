//! What work really took here: estimates drawn towards this directory's own figures.

use std::collections::BTreeMap;

use crate::domain::agent::{Outcome, Remembered};
use crate::domain::plan::{Range, Why};

use super::expand::Step;

/// So many outcomes weigh as much as the estimate that is made without any.
const PRIOR: f64 = 5.0;

/// What work took counts as at the most so many times the estimate, and at the least as that part.
const FACTOR_MAX: f64 = 4.0;

/// Minutes that successful attempts took, by kind of work.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Actuals {
    minutes: BTreeMap<String, Vec<f64>>,
}

impl Actuals {
    /// Gathers what is remembered.
    pub fn of(remembered: &[Remembered]) -> Self {
        let mut minutes: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for one in remembered.iter().filter(|one| one.outcome == Outcome::Success) {
            let Some(took) = one.minutes.filter(|took| took.is_finite() && *took >= 0.0) else {
                continue;
            };
            if !one.kind.is_empty() {
                minutes.entry(one.kind.clone()).or_default().push(took);
            }
        }
        minutes.values_mut().for_each(|list| list.sort_by(f64::total_cmp));
        Self { minutes }
    }

    /// Corrects the estimates of steps, and says so.
    pub(super) fn correct(&self, steps: &mut [Step]) {
        for step in steps {
            let (kind, estimate) = (step.kind.name.as_str(), step.minutes);
            let corrected = self.corrected(kind, estimate);
            if corrected != estimate {
                step.minutes = corrected;
                let count = self.count(kind);
                let evidence = format!(
                    "{}-{} minutes instead of {}-{}, drawn towards what {count} such \
                     subtask{} took here",
                    corrected.low,
                    corrected.high,
                    estimate.low,
                    estimate.high,
                    if count == 1 { "" } else { "s" }
                );
                step.corrected = Some(Why::new("S4-40 estimate corrected by history", evidence));
            }
        }
    }

    /// Returns how many outcomes of a kind of work are known.
    pub fn count(&self, kind: &str) -> usize {
        self.minutes.get(kind).map_or(0, Vec::len)
    }

    /// Draws an estimate towards the median and the ninetieth of a hundred of what is known, the
    /// more the more is known.
    pub fn corrected(&self, kind: &str, estimate: Range) -> Range {
        let Some(known) = self.minutes.get(kind).filter(|known| !known.is_empty()) else {
            return estimate;
        };
        let weight = known.len() as f64 / (known.len() as f64 + PRIOR);
        let drawn = |estimate: u32, actual: f64| {
            let base = f64::from(estimate.max(1));
            let actual = actual.clamp(base / FACTOR_MAX, base * FACTOR_MAX);
            let mixed = f64::from(estimate) * (1.0 - weight) + actual * weight;
            mixed.round().clamp(1.0, f64::from(u32::MAX)) as u32
        };
        let low = drawn(estimate.low, quantile(known, 0.5));
        Range { low, high: drawn(estimate.high, quantile(known, 0.9)).max(low) }
    }
}

/// Returns the value below which such a part of a sorted list lies.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = part * sorted.len().saturating_sub(1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    let value = |at: usize| sorted.get(at).copied().unwrap_or_default();
    value(below) + (value(above) - value(below)) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(kind: &str, minutes: f64, outcome: Outcome) -> Remembered {
        Remembered {
            request: "x".to_owned(),
            agent: "a".to_owned(),
            outcome,
            kind: kind.to_owned(),
            minutes: Some(minutes),
            tokens: None,
            at_ms: None,
        }
    }

    #[test]
    fn estimates_are_drawn_towards_what_work_took_the_more_is_known() {
        let estimate = Range { low: 10, high: 20 };
        let of = |count: usize| {
            let known: Vec<Remembered> =
                (0..count).map(|_| took("test", 40.0, Outcome::Success)).collect();
            Actuals::of(&known).corrected("test", estimate)
        };
        assert_eq!(of(0), estimate);
        assert_eq!(of(1), Range { low: 15, high: 23 });
        assert_eq!(of(5), Range { low: 25, high: 30 });
        assert!(of(500).low >= 39 && of(500).high >= 39);
    }

    #[test]
    fn failures_other_kinds_and_figures_that_are_none_say_nothing() {
        let known = [
            took("test", 90.0, Outcome::Failure),
            took("build", 90.0, Outcome::Success),
            took("test", f64::NAN, Outcome::Success),
            took("", 90.0, Outcome::Success),
        ];
        let actuals = Actuals::of(&known);
        assert_eq!((actuals.count("test"), actuals.count("build")), (0, 1));
        let estimate = Range { low: 10, high: 20 };
        assert_eq!(actuals.corrected("test", estimate), estimate);
    }

    #[test]
    fn a_range_stays_a_range() {
        let known = [took("test", 100.0, Outcome::Success), took("test", 1.0, Outcome::Success)];
        let range = Actuals::of(&known).corrected("test", Range { low: 1, high: 1 });
        assert!(range.low <= range.high && range.low >= 1, "{range:?}");
    }
}
