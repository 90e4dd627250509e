//! Whatever the request and the policy: a refusal, or a draft that is a plan.

use proptest::prelude::{any, prop_assert, prop_oneof, proptest};
use proptest::strategy::Strategy;
use serde_json::json;

use super::{planned, spec, with_context};
use crate::domain::Policy;
use crate::domain::ids::AgentName;
use crate::domain::policy::MasterPolicy;
use crate::domain::task::TaskSpec;
use crate::planner::Said;

/// What requests are thrown together from.
const WORDS: &[&str] = &[
    "add",
    "fix",
    "then",
    "before",
    "after",
    "once",
    "and",
    ",",
    ".",
    ";",
    ":",
    "->",
    "→",
    "(1)",
    "(2)",
    "\n1. ",
    "\n2. ",
    "\n- ",
    "\n- [ ] ",
    "tests",
    "deploy",
    "deploying",
    "the parser",
    "it",
    "src/a.rs",
    "security audit",
    "with",
    "docs",
    "system",
    "passes",
    "first",
    "finally",
    "don't",
    "by Friday",
    "subtask",
    "attempt-2",
    "30 minutes",
    "estimated 99999999999 hours",
    "you",
    "compare a, b and c",
    "please",
    "can you",
    "additionally, i would like to",
    "retrieve",
    "'x y'",
    "if so,",
    "compare a vs b",
    "(a, b, c)",
    "in parallel",
    "without downtime",
    "danach",
    "überarbeiten",
    "puis",
    "然后",
    "é",
    "把",
    "\u{202e}",
    "\0",
    "🦀",
    "…",
    "ing",
    "s",
    "Phase 1:",
    "Acceptance criteria:\n",
    "Step 3 - ",
    "/",
    "..",
    "~/x.rs",
    "a\\b.rs",
    "«»",
    "İ",
];

/// Throws steps, order words and odd characters together.
fn any_request() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec(proptest::sample::select(WORDS), 0..40)
            .prop_map(|words| words.join(" ")),
        any::<String>(),
    ]
}

/// So often is a piece repeated where a long request is tried.
const REPEATED: usize = 3_000;

#[test]
fn requests_of_any_length_are_read_in_bounded_time_and_size() {
    // Each of them would take minutes if anything grew faster than the text.
    for piece in [
        "add ",
        "and ",
        "then ",
        ", ",
        "it ",
        "(",
        ") ",
        "\"a ",
        "' ",
        "- [ ] fix it\n",
        "1. add x\n",
        "a -> ",
        "before ",
        "once it is done, ",
        "if so, ",
        "not ",
        "please ",
        "compare a vs b ",
        "src/a.rs ",
        "把",
        "然后",
        "é",
        "\u{0}",
        "deploy. ",
        "the x in the y and ",
        ": ",
        "danach ",
        "with tests and docs, ",
        "Step 1: ",
        "Constraints: ",
        "do not ",
        "who ",
        "a, ",
    ] {
        let text = piece.repeat(REPEATED);
        for task in [spec(&text), spec(&format!("Add x\n{text}"))] {
            let said = Said::of(&task);
            assert!(said.clauses.len() <= 500, "{piece}: {} clauses", said.clauses.len());
            if let Ok((plan, _)) = planned(&task, &Policy::default()) {
                assert!(plan.subtasks.len() <= 10_000, "{piece}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_refused_or_becomes_a_valid_plan(
        title in any_request(),
        description in any_request(),
        required in any::<Option<bool>>(),
        complexity in 0..12_u64,
        kind in proptest::option::of("[a-z]{0,8}"),
    ) {
        let task = TaskSpec {
            title,
            description,
            kind,
            orchestration_required: required,
            complexity: json!(complexity),
            ..TaskSpec::default()
        };
        let said = Said::of(&task);
        let end = said.clauses.len() + 1;
        for [from, to] in said.between_start_and_end() {
            prop_assert!(from < end && (1..=end).contains(&to) && from != to, "{from} {to} {end}");
        }
        if let Ok((plan, split)) = planned(&task, &Policy::default()) {
            prop_assert!(!plan.explanation.reasons.is_empty());
            prop_assert!(required != Some(false) || !split);
            prop_assert!((0.0..=1.0).contains(&plan.confidence));
        }
    }

    #[test]
    fn policies_of_any_size_are_kept(files_max in 1..5_usize, minutes in 1..40_u32, tokens in 1..30_000_u32) {
        let mut policy = Policy::default();
        policy.plan.subtask_files_max = files_max;
        policy.plan.subtask_minutes_limit = minutes;
        policy.plan.subtask_tokens_max = tokens;
        policy.masters.insert(AgentName::parse("x").unwrap(), MasterPolicy::external(&["docs"]));
        let files: Vec<String> = (0..6).map(|n| format!("src/f{n}.ts")).collect();
        let task = with_context("Add authentication system with docs", &json!({ "files": files }));
        prop_assert!(planned(&task, &policy).unwrap().1);
    }
}
