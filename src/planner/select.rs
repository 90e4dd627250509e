//! Who gets a step: the master that names its field of work, and among many agents the one that says
//! most of what the step is about.

mod details;
mod examples;
mod index;
mod masters;
mod memory;
mod rank;
mod sense;
mod topics;
mod words;

pub use rank::{Chosen, Selection, Selector, Suitable, Wanted};

pub(super) use masters::{Chose, Masters, Share, Work, master_of, named, specialist};
