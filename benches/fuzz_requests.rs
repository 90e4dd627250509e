//! Any bytes as a request: nothing panics, and what is planned is a valid plan.
//!
//! `cargo +nightly fuzz run --fuzz-dir benches/fuzz requests -- -timeout=1 -rss_limit_mb=512 -max_len=65536`
#![no_main]

use baton::domain::Policy;
use baton::domain::ids::TaskId;
use baton::domain::plan::DraftOutcome;
use baton::domain::task::TaskSpec;
use baton::domain::validate::{validate, validate_routed};
use baton::planner::{Request, Said, Surroundings, draft};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (title, description) = text.split_once('\n').unwrap_or((&text, ""));
    let task =
        TaskSpec { title: title.into(), description: description.into(), ..TaskSpec::default() };
    let policy = Policy::default();
    let id = TaskId::parse("fuzzed").expect("it is a valid id");
    match draft(&Request { task: &task, surroundings: &Surroundings::default() }, &policy) {
        DraftOutcome::Plan(draft) => {
            validate(&draft, &id, &policy, &|_| false).expect("what is drafted is a plan");
        }
        DraftOutcome::Route(draft) => {
            validate_routed(&draft, &id, &policy).expect("what is routed is a plan");
        }
        DraftOutcome::Refuse { .. } => {}
    }
    let said = Said::of(&task);
    assert!(said.between_start_and_end().iter().all(|[from, to]| from != to));
});
