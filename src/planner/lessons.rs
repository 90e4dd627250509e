//! What plans of before teach: the plan that its author mended is used again for the same request,
//! and a step that people always leave out is not proposed any more.

use std::collections::{BTreeMap, HashMap};

use super::expand::Step;
use super::frame::Frame;
use super::lexicon::{Template, lexicon};
use super::text;
use crate::domain::experience::{Fate, PastPlan, said};
use crate::domain::plan::Why;
use crate::domain::task::TaskSpec;

/// So many plans have to agree before a step that a template adds is left out.
const AGREE_MIN: u32 = 3;
/// Of a hundred plans, so many have to agree.
const AGREE_PERCENT_MIN: u32 = 67;

/// What was learned from plans that are over.
#[derive(Debug, Clone, Default)]
pub struct Lessons {
    /// The latest plan for each request.
    by_request: HashMap<String, PastPlan>,
    /// For each template and kind of step: in how many plans it was left out, and could have been.
    left_out: BTreeMap<(String, String), (u32, u32)>,
}

impl Lessons {
    /// Learns from plans, the oldest first.
    pub fn of(plans: &[PastPlan]) -> Self {
        let mut lessons = Self::default();
        for plan in plans {
            if plan.fate != Fate::Failed {
                lessons.count(plan);
            }
            lessons.by_request.insert(key(&plan.request), plan.clone());
        }
        lessons
    }

    /// Returns the latest plan for the same request, whatever its blanks, case and full stop.
    pub(super) fn last_plan_for(&self, request: &str) -> Option<&PastPlan> {
        self.by_request.get(&key(request))
    }

    /// Warns where the last plan for the same request failed.
    pub(super) fn warning(&self, task: &TaskSpec) -> Option<String> {
        let past = self.last_plan_for(&said(&task.title, &task.description))?;
        (past.fate == Fate::Failed).then(|| {
            format!(
                "the plan of task {} for the same request did not come to its goal",
                past.task_id
            )
        })
    }

    /// Takes out of what a goal unfolded into the steps that people always leave out, and says why;
    /// what waited for one of them waits for what that had waited for.
    pub(super) fn leave_out(&self, goal: &Frame, steps: &mut Vec<Step>) -> Vec<Why> {
        let template = &template_of(goal).name;
        let mut reasons = Vec::new();
        for at in (0..steps.len()).rev() {
            let step = &steps[at];
            let may_go = step.inferred && !step.is_goal && steps.len() > 1;
            let Some(reason) = may_go.then(|| self.leaves_out(template, &step.kind.name)).flatten()
            else {
                continue;
            };
            reasons.push(Why::new("learned from plans of before", reason));
            let gone = steps.remove(at);
            for step in &mut *steps {
                let waits = step.after.iter().any(|(on, _)| *on == at);
                step.after.retain(|(on, _)| *on != at);
                for (on, _) in &mut step.after {
                    *on -= usize::from(*on > at);
                }
                for (on, why) in gone.after.iter().filter(|_| waits) {
                    let on = *on - usize::from(*on > at);
                    if !step.after.iter().any(|(known, _)| *known == on) {
                        step.after.push((on, why.clone()));
                    }
                }
            }
        }
        reasons
    }

    /// Says why a kind of step is to be left out of what a template adds.
    pub(super) fn leaves_out(&self, template: &str, kind: &str) -> Option<String> {
        let (left, all) = *self.left_out.get(&(template.to_owned(), kind.to_owned()))?;
        (left >= AGREE_MIN && left * 100 >= all * AGREE_PERCENT_MIN)
            .then(|| format!("people left {kind} out of {left} of {all} such plans here"))
    }

    fn count(&mut self, plan: &PastPlan) {
        let title = plan.request.split(['\n', '.']).next().unwrap_or_default();
        let frame = Frame::of(title);
        let template = template_of(&frame);
        for part in &template.steps {
            if part.goal || part.kind == frame.kind.name {
                continue;
            }
            let mut has = plan.steps.iter().filter(|step| step.draft.nature.kind == part.kind);
            // A plan that has no such step was written by its author, who had another goal in mind.
            let Some(step) = has.next() else { continue };
            let is_left = step.skipped;
            let of = (template.name.clone(), part.kind.clone());
            let (left, all) = self.left_out.entry(of).or_default();
            *left += u32::from(is_left);
            *all += 1;
        }
    }
}

fn template_of(goal: &Frame) -> &'static Template {
    let words = text::tokens(&goal.title);
    lexicon().template(&goal.kind.name, &text::words(&words))
}

/// What makes two requests the same: everything but blanks, case and the full stop.
fn key(request: &str) -> String {
    let lower = request.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    words.join(" ").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::experience::PastStep;
    use crate::domain::plan::{DraftSubtask, Nature, Strategy};

    fn plan(request: &str, fate: Fate, steps: &[(&str, bool)]) -> PastPlan {
        let step = |(kind, skipped): &(&str, bool)| PastStep {
            draft: DraftSubtask {
                nature: Nature { kind: (*kind).to_owned(), ..Nature::default() },
                ..DraftSubtask::default()
            },
            skipped: *skipped,
        };
        PastPlan {
            task_id: "t".to_owned(),
            request: request.to_owned(),
            fate,
            owner: None,
            kind: None,
            context: serde_json::Map::new(),
            planner: String::new(),
            strategy: Strategy::default(),
            steps: steps.iter().map(step).collect(),
            at_ms: 0,
        }
    }

    #[test]
    fn the_latest_plan_of_a_request_is_known_by_its_words() {
        let plans = [
            plan("Audit  the licences.", Fate::Accepted, &[]),
            plan("audit the licences", Fate::Edited, &[("scan", false)]),
        ];
        let lessons = Lessons::of(&plans);
        let found = lessons.last_plan_for("Audit the licences").unwrap();
        assert_eq!((found.fate, found.steps.len()), (Fate::Edited, 1));
        assert!(lessons.last_plan_for("audit the licenses").is_none());
        let plans = [plan("Add C++ support", Fate::Edited, &[])];
        assert!(Lessons::of(&plans).last_plan_for("Add C# support").is_none());
    }

    #[test]
    fn a_step_is_left_out_when_most_people_left_it_out() {
        let feature =
            |n: usize, kinds: &[(&str, bool)]| plan(&format!("add page {n}"), Fate::Edited, kinds);
        let template = template_of(&Frame::of("add page 1"));
        let kind = template.steps.iter().find(|part| !part.goal && part.kind == "tests").unwrap();
        let skipped: Vec<PastPlan> =
            (0..3).map(|n| feature(n, &[("implement", false), ("tests", true)])).collect();
        let said = Lessons::of(&skipped).leaves_out(&template.name, &kind.kind).unwrap();
        assert!(said.contains("tests out of 3 of 3"), "{said}");
        assert!(Lessons::of(&skipped[..2]).leaves_out(&template.name, "tests").is_none());
        let mut mixed = skipped;
        mixed.extend((3..6).map(|n| feature(n, &[("implement", false), ("tests", false)])));
        assert!(Lessons::of(&mixed).leaves_out(&template.name, "tests").is_none());
        // Who writes a plan without tests leaves nothing out of ours.
        let without: Vec<PastPlan> = (0..9).map(|n| feature(n, &[("implement", false)])).collect();
        assert!(Lessons::of(&without).leaves_out(&template.name, "tests").is_none());
    }
}
