//! The laws: what must hold after every step, by code that asks the domain nothing.
//!
//! A law compares what the journal says (see `chronicle.rs`) with what really happened in the
//! world, or with what the journal said before.

mod limits;
mod order;
mod rest;
mod talk;
mod truth;

use std::fmt;

use baton::domain::{Event, Input, Record};

use super::life::{Deed, Life};

/// Says what is wrong.
pub(super) type Verdict = Result<(), String>;

/// When a law is looked at.
pub(super) enum On {
    /// Before each event takes effect.
    Event(fn(&Life, &Record, &Event) -> Verdict),
    /// Before each record takes effect.
    Record(fn(&Life, &Record) -> Verdict),
    /// When somebody did something in the world.
    Deed(fn(&Life, &Deed) -> Verdict),
    /// After each step.
    Step(fn(&Life) -> Verdict),
    /// When everything has come to rest.
    End(fn(&Life) -> Verdict),
    /// Where it is looked at is written in the loop itself.
    Loop,
}

pub(super) struct Law {
    pub(super) name: &'static str,
    pub(super) on: On,
}

const fn law(name: &'static str, on: On) -> Law {
    Law { name, on }
}

/// Every law; its number is its place, from 1.
pub(super) const LAWS: &[Law] = &[
    // Order.
    law("dependencies_first", On::Event(order::dependencies_first)),
    law("stages_follow_each_other", On::Event(order::stages_follow_each_other)),
    law("one_live_attempt", On::Event(order::one_live_attempt)),
    law("a_file_has_one_writer", On::Event(order::a_file_has_one_writer)),
    law("attempts_are_numbered", On::Event(order::attempts_are_numbered)),
    law("what_rests_hands_nothing_out", On::Event(order::what_rests_hands_nothing_out)),
    law("a_subtask_is_done_once", On::Event(order::a_subtask_is_done_once)),
    law("completed_runs_are_complete", On::Event(order::completed_runs_are_complete)),
    law("undone_in_reverse", On::Event(order::undone_in_reverse)),
    law("rolled_back_means_undone", On::Event(order::rolled_back_means_undone)),
    law("replacements_are_waited_for", On::Event(order::replacements_are_waited_for)),
    // Limits.
    law("a_master_has_its_limit", On::Event(limits::a_master_has_its_limit)),
    law("all_have_a_limit", On::Event(limits::all_have_a_limit)),
    law("attempts_have_a_budget", On::Event(limits::attempts_have_a_budget)),
    law("interruptions_have_a_budget", On::Event(limits::interruptions_have_a_budget)),
    law("fallbacks_have_a_budget", On::Event(limits::fallbacks_have_a_budget)),
    law("replans_have_a_budget", On::Event(limits::replans_have_a_budget)),
    law("backoffs_are_waited_for", On::Event(limits::backoffs_are_waited_for)),
    law("delays_are_as_configured", On::Event(limits::delays_are_as_configured)),
    law("open_circuits_get_nothing", On::Event(limits::open_circuits_get_nothing)),
    law("failing_masters_rest", On::Event(limits::failing_masters_rest)),
    law("starts_have_a_rate", On::Event(limits::starts_have_a_rate)),
    law("nobody_gives_up_early", On::Record(limits::nobody_gives_up_early)),
    law("time_boxes_end", On::Step(limits::time_boxes_end)),
    law("sleep_uses_up_no_time_box", On::Event(limits::sleep_uses_up_no_time_box)),
    law("who_stands_still_is_noticed", On::Step(limits::who_stands_still_is_noticed)),
    law("what_nobody_takes_is_told", On::Step(limits::what_nobody_takes_is_told)),
    // What the journal says is so.
    law("launched_at_most_once", On::Deed(truth::launched_at_most_once)),
    law("the_intent_comes_first", On::Deed(truth::the_intent_comes_first)),
    law("signals_reach_nobody_else", On::Deed(truth::signals_reach_nobody_else)),
    law("the_tree_is_gone_first", On::Event(truth::the_tree_is_gone_first)),
    law("nobody_is_left_running", On::Event(truth::nobody_is_left_running)),
    law("delivered_is_never_lost", On::Event(truth::delivered_is_never_lost)),
    law("completed_means_delivered", On::Event(truth::completed_means_delivered)),
    law("progress_is_never_condemned", On::Event(truth::progress_is_never_condemned)),
    law("gone_means_gone", On::Event(truth::gone_means_gone)),
    law("two_looks_agree", On::Event(truth::two_looks_agree)),
    law("interruptions_cost_nothing", On::Event(truth::interruptions_cost_nothing)),
    law("withdrawn_means_withdrawn", On::Event(truth::withdrawn_means_withdrawn)),
    law("others_are_left_alone", On::Event(truth::others_are_left_alone)),
    law("specs_go_where_they_belong", On::Event(truth::specs_go_where_they_belong)),
    law("late_reports_undo_nothing", On::Event(truth::late_reports_undo_nothing)),
    // What is said, and to whom.
    law("numbers_have_no_gap", On::Record(talk::numbers_have_no_gap)),
    law("failures_are_decided_on", On::Record(talk::failures_are_decided_on)),
    law("decisions_are_carried_out", On::Record(talk::decisions_are_carried_out)),
    law("late_success_calls_back_the_newer", On::Record(talk::late_success_calls_back_the_newer)),
    law("choices_say_why", On::Event(talk::choices_say_why)),
    law("questions_say_what_is_asked", On::Event(talk::questions_say_what_is_asked)),
    law("a_command_has_one_answer", On::Event(talk::a_command_has_one_answer)),
    law("every_command_is_answered", On::End(talk::every_command_is_answered)),
    // Nothing stands still.
    law("facts_agree", On::Step(rest::facts_agree)),
    law("what_is_owed_is_owed", On::Step(rest::what_is_owed_is_owed)),
    law("what_waits_has_a_deadline", On::Step(rest::what_waits_has_a_deadline)),
    law("nobody_waits_busily", On::Step(rest::nobody_waits_busily)),
    law("what_may_start_is_held", On::Step(rest::what_may_start_is_held)),
    law("nothing_is_left_in_the_world", On::End(rest::nothing_is_left_in_the_world)),
    law("replay_equals_live", On::End(rest::replay_equals_live)),
    law("comes_to_rest", On::Loop),
    law("ticks_come_to_an_end", On::Loop),
    law("decisions_can_be_applied", On::Loop),
    law("told_twice_changes_nothing", On::Loop),
    law("same_seed_same_life", On::Loop),
    law("the_wall_clock_decides_nothing", On::Loop),
];

/// A law that is broken.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    pub(super) law: &'static str,
    message: String,
}

impl Broken {
    pub(super) fn of(law: &'static str, message: String) -> Self {
        debug_assert!(LAWS.iter().any(|known| known.name == law), "{law} is no law");
        Self { law, message }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = LAWS.iter().position(|law| law.name == self.law).map_or(0, |at| at + 1);
        write!(f, "law {number}, {}: {}", self.law, self.message)
    }
}

impl Life {
    /// Checks a record before it takes effect, and notes it event by event.
    pub(super) fn check_record(&mut self, record: &Record, input: &Input) -> Result<(), Broken> {
        let broken = |law: &Law, message: String| {
            Broken::of(law.name, format!("{message}\n  by {input:?}\n  in {record:?}"))
        };
        for law in LAWS {
            if let On::Record(check) = law.on {
                check(self, record).map_err(|message| broken(law, message))?;
            }
        }
        for event in &record.events {
            for law in LAWS {
                if let On::Event(check) = law.on {
                    check(self, record, event).map_err(|message| broken(law, message))?;
                }
            }
            self.told.note(event, record);
        }
        self.is_news = true;
        Ok(())
    }

    /// Checks what is so after a step.
    pub(super) fn check_step(&mut self) -> Result<(), Broken> {
        self.check_deeds()?;
        for law in LAWS {
            if let On::Step(check) = law.on {
                check(self).map_err(|message| Broken::of(law.name, message))?;
            }
        }
        self.is_news = false;
        Ok(())
    }

    pub(super) fn check_deeds(&mut self) -> Result<(), Broken> {
        for deed in std::mem::take(&mut self.deeds) {
            for law in LAWS {
                if let On::Deed(check) = law.on {
                    check(self, &deed).map_err(|message| Broken::of(law.name, message))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn check_end(&self) -> Result<(), Broken> {
        for law in LAWS {
            if let On::End(check) = law.on {
                check(self).map_err(|message| Broken::of(law.name, message))?;
            }
        }
        Ok(())
    }
}

/// Says what is wrong unless something holds.
fn unless(holds: bool, message: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(message()) }
}
