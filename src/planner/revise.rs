//! What takes the place of a subtask that failed: two smaller ones, or another approach.

use crate::domain::ids::SubtaskId;
use crate::domain::plan::{
    DraftSubtask, Orchestration, Range, Revision, RevisionOutcome, SubtaskPhase, Why,
};
use crate::domain::validate::replacement_ids;
use crate::domain::{Policy, State};

use super::text;

/// Minutes that working out another approach may take.
const APPROACH_MINUTES: Range = Range { low: 5, high: 15 };
/// Tokens that it may take.
const APPROACH_TOKENS: u32 = 8_000;
/// A title is not repeated beyond this many characters.
const TITLE_MAX: usize = 120;
/// Attempts that are told of, the last ones.
const ATTEMPTS_MAX: usize = 5;
/// What an attempt came to is not told beyond this many characters.
const TOLD_MAX: usize = 1_000;

pub(super) fn outcome(state: &State, id: &SubtaskId, policy: &Policy) -> RevisionOutcome {
    let refuse = |reason: &str| RevisionOutcome::Refuse { reason: reason.to_owned() };
    let Some((run, position)) = state.subtask(id) else {
        return refuse("there is no such subtask");
    };
    let SubtaskPhase::Revising { revision, reason, .. } = &run.runs[position].phase else {
        return refuse("nobody asks for a revision of it any more");
    };
    let is_taken = |id: &SubtaskId| state.is_taken(id);
    let endings = ["a", "b"].map(str::to_owned);
    let Some(ids) = replacement_ids(id, &endings, &is_taken) else {
        return refuse("there are no free ids that begin with its own");
    };
    let [first, second] = ids.as_slice() else { return refuse("it takes two ids") };
    let old = Old { run, position, reason, ids: [first.as_str(), second.as_str()] };
    match revision {
        Revision::Split => old.split(),
        Revision::Replan => old.replan(policy),
        Revision::FanOut => refuse("that takes a list of items, and no planner"),
    }
}

/// The subtask whose place is taken.
struct Old<'a> {
    run: &'a Orchestration,
    position: usize,
    reason: &'a str,
    ids: [&'a str; 2],
}

impl Old<'_> {
    /// Cuts it in two: by its files, each half beside the other; where it has too few of them, by
    /// its course, one half after the other.
    fn split(&self) -> RevisionOutcome {
        let whole = self.whole();
        let half = |value: u32| value.div_ceil(2).max(1);
        let minutes = Range { low: half(whole.minutes.low), high: half(whole.minutes.high) };
        let part = |nth: usize, title: &str, task: String| DraftSubtask {
            subtask_id: self.ids[nth].to_owned(),
            title: format!("{}: {title}", text::line(&whole.title, TITLE_MAX)),
            description: format!("{task}\n\n{}", self.told(&whole)),
            minutes,
            tokens: half(whole.tokens),
            ..whole.clone()
        };
        let (one, other, evidence) = if whole.files_affected.len() >= 2 {
            self.by_files(&whole, part)
        } else {
            self.by_course(part)
        };
        let why = Why {
            rule: "S4-53 split into 2 smaller subtasks".to_owned(),
            evidence,
            alternatives: vec!["replan".to_owned()],
        };
        RevisionOutcome::Replace { subtasks: vec![one, other], why }
    }

    fn by_files(
        &self,
        whole: &DraftSubtask,
        part: impl Fn(usize, &str, String) -> DraftSubtask,
    ) -> (DraftSubtask, DraftSubtask, String) {
        let files = &whole.files_affected;
        let (front, back) = files.split_at(files.len().div_ceil(2));
        let half = |nth: usize, own: &[String], rest: &[String]| {
            let (own_list, rest_list) = (own.join(", "), rest.join(", "));
            let task = format!(
                "Do the part of this that concerns {own_list}; {} does the part that concerns \
                 {rest_list} beside it. Leave those files alone.",
                self.ids[1 - nth]
            );
            let deliverables = whole.deliverables.iter();
            DraftSubtask {
                files_affected: own.to_vec(),
                // What is in neither half is the business of the second.
                deliverables: deliverables
                    .filter(|d| own.contains(d) || nth == 1 && !rest.contains(d))
                    .cloned()
                    .collect(),
                success_criteria: format!("for {own_list}: {}", whole.success_criteria),
                ..part(nth, &own_list, task)
            }
        };
        let evidence = format!("its files: {} and {}", front.join(", "), back.join(", "));
        (half(0, front, back), half(1, back, front), evidence)
    }

    fn by_course(
        &self,
        part: impl Fn(usize, &str, String) -> DraftSubtask,
    ) -> (DraftSubtask, DraftSubtask, String) {
        let [first, second] = self.ids;
        let begin = format!(
            "Do the first half of this: begin with what everything else in it rests on, stop at a \
             state that works, and report exactly how far it is and what is left. {second} goes on \
             from there."
        );
        let finish = format!(
            "Do the second half of this: go on from what {first} reported and bring it to its end."
        );
        let one = part(0, "first half", begin);
        let one = DraftSubtask {
            deliverables: Vec::new(),
            success_criteria: "a first half that works is there, and what is left is reported"
                .to_owned(),
            ..one
        };
        let other = part(1, "second half", finish);
        let other = DraftSubtask { dependencies: vec![first.to_owned()], ..other };
        (one, other, "its course: a first half and what is left".to_owned())
    }

    /// Puts a step before it that works out another approach with what went wrong in hand.
    fn replan(&self, policy: &Policy) -> RevisionOutcome {
        let whole = self.whole();
        let old = self.id();
        let [approach, work] = self.ids;
        let plan = &policy.plan;
        let high = APPROACH_MINUTES.high.min(plan.subtask_minutes_limit).max(1);
        let title = text::line(&whole.title, TITLE_MAX);
        let planning = DraftSubtask {
            subtask_id: approach.to_owned(),
            title: format!("Find another approach: {title}"),
            description: format!(
                "{old} failed, and the same again would not help. Work out another approach to it: \
                 find out why it failed, name what is kept of what is there, and list the steps in \
                 order, so that {work} can follow them. Change no files.\n\n{}",
                self.told(&whole)
            ),
            worker_type: "planner".to_owned(),
            minutes: Range { low: APPROACH_MINUTES.low.min(high), high },
            tokens: APPROACH_TOKENS.min(plan.subtask_tokens_max).max(1),
            files_affected: Vec::new(),
            success_criteria: format!(
                "an approach that avoids this is reported: {}",
                self.failed()
            ),
            deliverables: Vec::new(),
            handling: crate::domain::plan::Handling {
                compensation: None,
                ..whole.handling.clone()
            },
            ..whole.clone()
        };
        let implementation = DraftSubtask {
            subtask_id: work.to_owned(),
            description: format!(
                "Follow the new approach that {approach} reported.\n\n{}",
                self.told(&whole)
            ),
            dependencies: vec![approach.to_owned()],
            ..whole
        };
        let why = Why::new("S2-47 another approach first, then the work", self.failed());
        RevisionOutcome::Replace { subtasks: vec![planning, implementation], why }
    }

    fn id(&self) -> &SubtaskId {
        &self.run.plan.subtasks[self.position].subtask_id
    }

    fn whole(&self) -> DraftSubtask {
        self.run.plan.subtasks[self.position].to_draft(self.run.agent_of(self.position))
    }

    fn failed(&self) -> String {
        text::line(self.reason, TOLD_MAX)
    }

    /// Says what the subtask was, and what was tried.
    fn told(&self, whole: &DraftSubtask) -> String {
        let mut told = format!("What {} is about: {}", self.id(), whole.title);
        if !whole.description.is_empty() {
            told += &format!("\n{}", whole.description);
        }
        told += &format!("\n\nHow it failed: {}", self.failed());
        let attempts = &self.run.runs[self.position].attempts;
        for attempt in attempts.iter().skip(attempts.len().saturating_sub(ATTEMPTS_MAX)) {
            if let Some(failure) = attempt.failure() {
                let said = text::line(&failure.message, TOLD_MAX);
                told += &format!("\n- attempt {} by {}: {said}", attempt.number, attempt.agent);
            }
        }
        told
    }
}
