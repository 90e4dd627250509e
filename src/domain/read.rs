//! Lenient reading of foreign JSON: tasks, plans, reports, worker specs and commands as real writers write them.
//!
//! Every reader takes the file's name and answers with the value or with one [`Problem`] that says
//! where, what and what to do. Unknown fields are ignored; numbers may be texts and texts numbers.
//!
//! [`Problem`]: super::Problem

mod fields;
mod handling;
pub mod json;
mod plan;
mod report;
mod spec;
mod task;

pub use json::parse_json;
pub use report::{command, report, report_of};
pub use spec::{Said, SpecFile, Statement, pid_file, spec, statement, verdict};
pub use task::{priority, task, text_task};
