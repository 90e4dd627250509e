//! The validator against a plain model of the rules, on random plans.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::tests::{explicit, subtask, task};
use super::{Change, revise, validate};
use crate::domain::ids::SubtaskId;
use crate::domain::plan::{Draft, DraftSubtask, Plan};
use crate::domain::policy::Policy;

const NODES_MAX: usize = 7;
const STAGES_MAX: usize = 4;

/// A random plan: edges by number (one beyond the last is unknown), and perhaps stages.
#[derive(Debug, Clone)]
struct Model {
    nodes: usize,
    edges: Vec<(usize, usize)>,
    /// The stage of each node, `None` for nowhere; no stages at all if empty.
    places: Vec<Option<usize>>,
    minutes: Vec<u32>,
}

fn model() -> impl Strategy<Value = Model> {
    (1..=NODES_MAX).prop_flat_map(|nodes| {
        // Mostly edges that point back, so that many plans are good.
        let back = (0..nodes).prop_flat_map(|at| (Just(at), 0..at.max(1)));
        let wild = (0..nodes, 0..=nodes);
        let edge =
            prop_oneof![12 => back.prop_filter("no self", |(a, b)| a != b || *a == 0), 1 => wild];
        let edges = proptest::collection::vec(edge, 0..10)
            .prop_map(|edges| edges.into_iter().filter(|(a, b)| !(*a == 0 && *b == 0)).collect());
        let place = prop_oneof![15 => (0..STAGES_MAX).prop_map(Some), 1 => Just(None)];
        let places = prop_oneof![Just(Vec::new()), proptest::collection::vec(place, nodes)];
        let minutes =
            proptest::collection::vec(prop_oneof![30 => 1..=30_u32, 1 => 31..40_u32], nodes);
        (Just(nodes), edges, places, minutes).prop_map(|(nodes, edges, places, minutes)| Model {
            nodes,
            edges,
            places,
            minutes,
        })
    })
}

impl Model {
    fn draft(&self) -> Draft {
        let subtasks = (0..self.nodes).map(|at| {
            let on: Vec<String> =
                self.edges.iter().filter(|(a, _)| *a == at).map(|(_, b)| format!("n{b}")).collect();
            let on: Vec<&str> = on.iter().map(String::as_str).collect();
            let mut subtask = subtask(&format!("n{at}"), &on);
            subtask.minutes.low = 1;
            subtask.minutes.high = self.minutes[at];
            subtask
        });
        let mut draft = explicit(subtasks.collect());
        let deepest = self.places.iter().flatten().max();
        for stage in 0..deepest.map_or(0, |deepest| deepest + 1) {
            let here = (0..self.nodes).filter(|at| self.places[*at] == Some(stage));
            draft.stages.push(here.map(|at| format!("n{at}")).collect());
        }
        draft
    }

    fn waits(&self, at: usize) -> Vec<usize> {
        self.edges.iter().filter(|(a, _)| *a == at).map(|(_, b)| *b).collect()
    }

    /// The longest path to each node by relaxation; `None` if there is a cycle.
    fn depths(&self) -> Option<Vec<usize>> {
        let mut depths = vec![0; self.nodes];
        for round in 0..=self.nodes {
            let mut changed = false;
            for &(at, on) in &self.edges {
                if on < self.nodes && depths[at] < depths[on] + 1 {
                    depths[at] = depths[on] + 1;
                    changed = true;
                }
            }
            if !changed {
                return Some(depths);
            }
            if round == self.nodes {
                return None;
            }
        }
        None
    }

    /// What the rules of the protocol say, one after the other.
    fn is_good(&self) -> bool {
        let Some(depths) = self.depths() else { return false };
        let known = self.edges.iter().all(|(_, on)| *on < self.nodes);
        let short = self.minutes.iter().all(|minutes| *minutes <= 30);
        if !known || !short {
            return false;
        }
        // A draft whose stages are all empty names none.
        let Some(deepest) = self.places.iter().flatten().max() else {
            return depths.iter().all(|depth| *depth < STAGES_MAX);
        };
        let no_gap = (0..=*deepest).all(|stage| self.places.contains(&Some(stage)));
        let placed = (0..self.nodes).all(|at| {
            let Some(stage) = self.places[at] else { return false };
            let waits = self.waits(at);
            (stage == 0 || !waits.is_empty())
                && waits.iter().all(|on| self.places[*on].is_some_and(|other| other < stage))
        });
        no_gap && placed
    }
}

fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.plan.stages_max = STAGES_MAX;
    policy
}

/// What holds for every plan, whatever was drafted.
fn check_plan(plan: &Plan, model: &Model) {
    assert_eq!(plan.subtasks.len(), model.nodes);
    let flat: Vec<&SubtaskId> = plan.stages.iter().flatten().collect();
    let order: Vec<&SubtaskId> = plan.subtasks.iter().map(|s| &s.subtask_id).collect();
    assert_eq!(flat, order, "subtasks come in stage order, each in exactly one stage");
    let stage = |id: &SubtaskId| plan.stages.iter().position(|stage| stage.contains(id)).unwrap();
    for subtask in &plan.subtasks {
        let own = stage(&subtask.subtask_id);
        let latest = subtask.dependencies.iter().map(stage).max();
        assert!(latest.is_none_or(|latest| latest < own));
        assert!(!subtask.dependencies.is_empty() || own == 0);
        if model.places.iter().flatten().next().is_none() {
            assert_eq!(own, latest.map_or(0, |latest| latest + 1), "as early as can be");
        }
        assert!(subtask.estimated_duration_minutes <= 30);
        assert!(!subtask.success_criteria.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_draft_becomes_a_plan_exactly_if_the_rules_allow_it(model in model()) {
        match validate(&model.draft(), &task(), &policy(), &|_| false) {
            Ok(plan) => {
                prop_assert!(model.is_good(), "accepted against the rules");
                check_plan(&plan, &model);
            }
            Err(errors) => {
                prop_assert!(!model.is_good(), "refused against the rules: {errors:?}");
                prop_assert!(errors.iter().all(|e| !e.message.is_empty() && !e.remedy.is_empty()));
            }
        }
    }
}

/// One change: which subtask, by how many, and which of those wait for which.
fn change() -> impl Strategy<Value = (usize, usize, u8)> {
    (any::<usize>(), 1..=3_usize, any::<u8>())
}

/// Writes a plan as its author would have.
fn as_drafted(plan: &Plan) -> Draft {
    let id = |id: &SubtaskId| id.as_str().to_owned();
    let mut draft = explicit(Vec::new());
    draft.strategy = plan.strategy;
    draft.stages = plan.stages.iter().map(|stage| stage.iter().map(id).collect()).collect();
    draft.subtasks = plan
        .subtasks
        .iter()
        .map(|subtask| {
            let mut drafted = subtask.to_draft(&subtask.assigned_to);
            drafted.dependencies = subtask.dependencies.iter().map(id).collect();
            drafted
        })
        .collect();
    draft
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The one validator is the judge of what comes out, and nothing that was there moves.
    #[test]
    fn a_revision_of_a_plan_is_a_plan(
        model in model(),
        changes in proptest::collection::vec(change(), 1..5),
    ) {
        let Ok(mut plan) = validate(&model.draft(), &task(), &policy(), &|_| false) else {
            return Ok(());
        };
        let mut replaced = BTreeSet::new();
        for (nth, (which, count, edges)) in changes.into_iter().enumerate() {
            let open: Vec<usize> = (0..plan.subtasks.len())
                .filter(|at| !replaced.contains(&plan.subtasks[*at].subtask_id))
                .collect();
            let position = open[which % open.len()];
            let old = plan.subtasks[position].subtask_id.clone();
            let name = |at: usize| format!("r{nth}-{at}");
            let by: Vec<DraftSubtask> = (0..count)
                .map(|at| {
                    let on: Vec<String> =
                        (0..at).filter(|on| edges >> (at * 2 + on) & 1 == 1).map(name).collect();
                    let on: Vec<&str> = on.iter().map(String::as_str).collect();
                    subtask(&name(at), &on)
                })
                .collect();
            let change = Change { plan: &plan, replaced: &replaced, position, by: &by };
            match revise(&change, &policy(), &|_| false) {
                Ok((revised, ids)) => {
                    let had = plan.subtasks.len();
                    prop_assert_eq!(ids.len(), count);
                    let new: Vec<&SubtaskId> =
                        revised.subtasks[had..].iter().map(|s| &s.subtask_id).collect();
                    prop_assert_eq!(new, ids.iter().collect::<Vec<_>>());
                    let waits = revised.subtasks.iter().any(|s| s.dependencies.contains(&old));
                    prop_assert!(!waits, "somebody waits for what never comes");
                    let waited = plan.subtasks.iter().filter(|s| s.dependencies.contains(&old));
                    for follower in waited {
                        let at = revised.subtasks.iter()
                            .position(|s| s.subtask_id == follower.subtask_id).unwrap();
                        let on = &revised.subtasks[at].dependencies;
                        prop_assert!(ids.iter().any(|id| on.contains(id)), "nobody is waited for");
                    }
                    let left = had - replaced.len() - 1 + count;
                    prop_assert_eq!(revised.estimate.total_subtasks, left);
                    let again = validate(&as_drafted(&revised), &task(), &policy(), &|_| false);
                    prop_assert!(again.is_ok(), "{again:?}");
                    replaced.insert(old);
                    plan = revised;
                }
                Err(errors) => prop_assert!(
                    errors.iter().all(|error| error.field == "stages"),
                    "{errors:?}"
                ),
            }
        }
    }
}

#[test]
fn the_model_meets_good_and_bad_plans_alike() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let good =
        (0..300).filter(|_| model().new_tree(&mut runner).unwrap().current().is_good()).count();
    assert!((30..270).contains(&good), "{good} of 300 are good");
}
