//! Whatever the request and the policy: a refusal, or a draft that is a plan.

use proptest::prelude::{any, prop_assert, prop_oneof, proptest};
use proptest::strategy::Strategy;
use serde_json::json;

use super::{planned, with_context};
use crate::domain::Policy;
use crate::domain::ids::AgentName;
use crate::domain::policy::MasterPolicy;
use crate::domain::task::TaskSpec;

/// Throws steps, order words and odd characters together.
fn any_request() -> impl Strategy<Value = String> {
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
    prop_oneof![
        proptest::collection::vec(proptest::sample::select(WORDS), 0..40)
            .prop_map(|words| words.join(" ")),
        any::<String>(),
    ]
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
