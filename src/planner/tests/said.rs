//! What is taken for a clause, and what for something else.

use super::spec;
use crate::planner::Said;

/// Checks the clauses of a request and which of them need which.
#[track_caller]
fn check(request: &str, clauses: &[&str], needs: &[(usize, usize)]) {
    let said = Said::of(&spec(request));
    assert_eq!(said.clauses, clauses, "{request}");
    let edges: Vec<(usize, usize)> = said.edges.iter().map(|(from, to, _)| (*from, *to)).collect();
    assert_eq!(edges, needs, "{request}: {:?}", said.edges);
}

#[test]
fn what_a_sentence_is_for_decides_whether_it_is_a_step() {
    check(
        "Please find a quiet hotel in Porto. Additionally, check the tides in Faro. Thank you!",
        &["find a quiet hotel in Porto", "check the tides in Faro"],
        &[],
    );
    check(
        "I'm planning a picnic. Can you look up the weather for Sunday? I would also like to \
         rent a bicycle for two hours.",
        &[
            "look up the weather for Sunday (I'm planning a picnic)",
            "rent a bicycle for two hours (I'm planning a picnic)",
        ],
        &[],
    );
    check(
        "I need some help with my tax papers. First, sum up the receipts in folder '2024'. \
         Then fill in form 'A-17'.",
        &[
            "sum up the receipts in folder '2024' (my tax papers)",
            "fill in form 'A-17' (my tax papers)",
        ],
        &[(0, 1)],
    );
    check(
        "Retrieve the opening hours of the museum. Specify the days. Also, list the cafés nearby.",
        &["Retrieve the opening hours of the museum", "list the cafés nearby"],
        &[],
    );
}

#[test]
fn things_that_stand_on_their_own_are_looked_up_one_by_one() {
    check(
        "Find a poem about rain and a song about snow",
        &["Find a poem about rain", "Find a song about snow"],
        &[],
    );
    check(
        "Get the meaning, origin, and rate of the word",
        &["Get the meaning, origin, and rate of the word"],
        &[],
    );
    check(
        "Detect and identify broken seals in 'hall 3'",
        &["Detect and identify broken seals in 'hall 3'"],
        &[],
    );
}

#[test]
fn a_step_needs_what_its_words_point_back_to() {
    check(
        "Search the archive for letters by 'Ada' and show me their dates",
        &["Search the archive for letters by 'Ada'", "show me their dates"],
        &[(0, 1)],
    );
    check(
        "Create a new album named 'Sea'. Show the weather in Kiel. Finally, add photo 7 to the album.",
        &["Create a new album named 'Sea'", "Show the weather in Kiel", "add photo 7 to the album"],
        &[(0, 2)],
    );
    check(
        "Translate the letter into Danish and print the translation",
        &["Translate the letter into Danish", "print the translation"],
        &[(0, 1)],
    );
    check(
        "Check if the door 'D4' is locked. If it is open, send a message to the guard.",
        &["Check if the door 'D4' is locked", "send a message to the guard"],
        &[(0, 1)],
    );
}

#[test]
fn lookups_told_one_after_the_other_need_nothing_of_each_other() {
    let request = "Find the tallest tower in Oslo. Then, look up the ferry times to Bergen.";
    check(request, &["Find the tallest tower in Oslo", "look up the ferry times to Bergen"], &[]);
    let said = Said::of(&spec(request));
    assert_eq!(said.between_start_and_end(), [[0, 1], [0, 2], [1, 3], [2, 3]]);
    check(
        "Update record 'R2'. Then, look up the ferry times to Bergen.",
        &["Update record 'R2'", "look up the ferry times to Bergen"],
        &[(0, 1)],
    );
}

#[test]
fn what_limits_the_work_is_kept_and_is_no_step() {
    for (request, kept) in [
        ("Rewrite the manual, but do not change the code", "do not change the code"),
        ("Tidy the shelves. Keep the labels unchanged.", "Keep the labels unchanged"),
        ("Paint the fence by Friday", "by Friday"),
        ("Before the launch, check the brakes", "before the launch"),
    ] {
        let said = Said::of(&spec(request));
        assert_eq!(said.constraints, [kept], "{request}");
        assert_eq!(said.clauses.len(), 1, "{request}: {:?}", said.clauses);
    }
    assert_eq!(Said::of(&spec("")), Said::default());
}

#[test]
fn what_is_seen_and_what_is_behind_it_are_built_side_by_side() {
    check(
        "Build a settings page and an endpoint that keeps settings, then audit both",
        &["Build a settings page", "Build an endpoint that keeps settings", "audit both"],
        &[(0, 2), (1, 2)],
    );
    // Two things of one kind may be one.
    check("Build a parser and a formatter", &["Build a parser and a formatter"], &[]);
    check(
        "Write the parser and write the formatter, then test both",
        &["Write the parser", "write the formatter", "test both"],
        &[(0, 2), (1, 2)],
    );
}
