//! How workers and masters are: most are honest, the others are bad in every way that was seen.

use baton::domain::report::Category;

use super::dice::Dice;

const MINUTE_MS: u64 = 60_000;

/// What somebody outside can see of one act.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shows {
    pub(super) cpu: bool,
    pub(super) output: bool,
    pub(super) files: bool,
    pub(super) beat: bool,
}

/// What the work comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// A good report, then exit 0.
    Delivers,
    /// A good report, and the process stays.
    DeliversAndStays,
    /// A good report, then a signal from outside.
    DeliversAndDies,
    /// A good report, then another that says it failed.
    DeliversTwice,
    /// It says success, and what it names is not there.
    Lies,
    /// Exit 0 without a word.
    Nothing,
    /// A good report about another subtask.
    Foreign,
    /// It says so.
    Fails(Category, u8),
    /// It says that some of it is done.
    Partial,
    /// A signal, or an exit status, and no report.
    Dies(i32),
    /// None: it goes on as `after` says.
    Never,
}

/// What becomes of a process that is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnTerm {
    Ends,
    /// Only KILL ends it.
    Ignores,
    /// KILL does not end it either, for so long: it waits for a device.
    Outlives(u64),
    /// It delivers quickly and ends.
    Delivers,
}

/// How one worker is.
#[derive(Debug, Clone)]
pub(super) struct Habit {
    pub(super) pace_ms: u64,
    pub(super) acts: u64,
    pub(super) shows: Shows,
    pub(super) after: Shows,
    pub(super) ending: Ending,
    pub(super) on_term: OnTerm,
    /// At this act it stops itself for so long.
    pub(super) stops: Option<(u64, u64)>,
    /// It leaves a process behind when it ends.
    pub(super) leaves_child: bool,
}

/// What a master elsewhere does with a handoff.
#[derive(Debug, Clone)]
pub(super) struct Custom {
    /// `None`: it never takes it.
    pub(super) takes_after_ms: Option<u64>,
    /// The file vanishes instead.
    pub(super) loses_file: bool,
    pub(super) pace_ms: u64,
    pub(super) acts: u64,
    pub(super) shows: Shows,
    pub(super) ending: Ending,
    /// By the inbox and not in the worker's folder.
    pub(super) by_inbox: bool,
    /// It does not name the attempt.
    pub(super) names_nothing: bool,
}

const ALL: Shows = Shows { cpu: true, output: true, files: true, beat: true };
const NONE: Shows = Shows { cpu: false, output: false, files: false, beat: false };

/// An honest worker at some pace.
pub(super) fn honest(dice: &mut Dice) -> Habit {
    Habit {
        pace_ms: dice.pick(&[2_000, 10_000, 40_000]),
        acts: dice.between(1, 5),
        shows: ALL,
        after: NONE,
        ending: Ending::Delivers,
        on_term: OnTerm::Ends,
        stops: None,
        leaves_child: false,
    }
}

/// Any worker; `good` of a thousand are honest.
pub(super) fn habit(dice: &mut Dice, good: u64) -> Habit {
    let mut habit = honest(dice);
    habit.shows = match dice.below(5) {
        0 => Shows { beat: false, ..ALL },
        1 => Shows { cpu: true, ..NONE },
        2 => Shows { files: true, ..NONE },
        3 => Shows { output: true, beat: true, ..NONE },
        _ => ALL,
    };
    habit.on_term = match dice.below(10) {
        0 | 1 => OnTerm::Ignores,
        2 => OnTerm::Outlives(dice.pick(&[10_000, 3 * MINUTE_MS, 30 * MINUTE_MS])),
        3 => OnTerm::Delivers,
        _ => OnTerm::Ends,
    };
    habit.leaves_child = dice.happens(60);
    habit.stops = dice
        .happens(60)
        .then(|| (dice.below(3), dice.pick(&[30_000, 8 * MINUTE_MS, 40 * MINUTE_MS])));
    if dice.happens(good) {
        return habit;
    }
    match dice.below(16) {
        0 => habit.ending = Ending::Never,
        1 => (habit.ending, habit.after) = (Ending::Never, Shows { cpu: true, ..NONE }),
        2 => (habit.ending, habit.after) = (Ending::Never, Shows { beat: true, ..NONE }),
        3 => (habit.ending, habit.after) = (Ending::Never, ALL),
        4 => (habit.pace_ms, habit.acts) = (8 * MINUTE_MS, dice.between(3, 8)),
        other => habit.ending = bad_ending(dice, other),
    }
    habit
}

fn bad_ending(dice: &mut Dice, which: u64) -> Ending {
    match which {
        5 => Ending::DeliversAndStays,
        6 => Ending::DeliversAndDies,
        7 => Ending::DeliversTwice,
        8 => Ending::Lies,
        9 => Ending::Nothing,
        10 => Ending::Foreign,
        11 => Ending::Partial,
        12 => Ending::Dies(dice.pick(&[1, 2, 127, -9, -11])),
        _ => Ending::Fails(category(dice), dice.below(3) as u8),
    }
}

fn category(dice: &mut Dice) -> Category {
    dice.pick(&[
        Category::Transient,
        Category::Transient,
        Category::CodeError,
        Category::CodeError,
        Category::DesignFlaw,
        Category::Blocker,
        Category::Critical,
    ])
}

/// Any master; `good` of a thousand do what they should.
pub(super) fn custom(dice: &mut Dice, good: u64) -> Custom {
    let mut custom = Custom {
        takes_after_ms: Some(dice.pick(&[500, 15_000, 2 * MINUTE_MS])),
        loses_file: false,
        pace_ms: dice.pick(&[5_000, MINUTE_MS]),
        acts: dice.between(1, 4),
        shows: dice.pick(&[ALL, Shows { files: true, ..NONE }]),
        ending: Ending::Delivers,
        by_inbox: dice.happens(300),
        names_nothing: dice.happens(200),
    };
    if dice.happens(good) {
        return custom;
    }
    match dice.below(12) {
        0 => custom.takes_after_ms = None,
        1 => custom.takes_after_ms = Some(dice.between(8, 50) * MINUTE_MS),
        2 => custom.loses_file = true,
        3 | 4 => custom.ending = Ending::Never,
        5 => (custom.pace_ms, custom.shows) = (dice.between(15, 60) * MINUTE_MS, NONE),
        6 => custom.ending = Ending::DeliversTwice,
        7 => custom.ending = Ending::Lies,
        8 => custom.ending = Ending::Nothing,
        9 => custom.ending = Ending::Foreign,
        _ => custom.ending = Ending::Fails(category(dice), dice.below(3) as u8),
    }
    custom
}
