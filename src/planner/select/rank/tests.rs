use proptest::prelude::*;

use super::*;
use crate::domain::agent::Outcome;

fn agent(name: &str, description: &str) -> Agent {
    Agent {
        id: format!("team/{name}"),
        name: name.to_owned(),
        description: description.to_owned(),
        ..Agent::default()
    }
}

fn team() -> Vec<Agent> {
    vec![
        agent("baker", "Bakes bread and cakes, and knows every recipe."),
        agent("pilot", "Flies aircraft and plans flights."),
        agent("sql-tuner", "Makes slow database queries fast by indexes and execution plans."),
        agent("sql-writer", "Writes database queries and reports."),
        agent("generalist", "Helps with anything."),
    ]
}

fn outcome(agent: &str, request: &str, outcome: Outcome) -> Remembered {
    Remembered {
        request: request.to_owned(),
        agent: agent.to_owned(),
        outcome,
        kind: String::new(),
        minutes: None,
        tokens: None,
        at_ms: None,
    }
}

fn chosen(selector: &Selector, text: &str) -> Selection {
    selector.select(&Wanted { text, ..Wanted::default() })
}

#[track_caller]
fn check(selector: &Selector, text: &str, expected: Option<&str>) {
    let selection = chosen(selector, text);
    let first = selection.agents.first().map(|agent| agent.name.as_str());
    assert_eq!(first, expected, "{selection:#?}");
}

#[test]
fn whoever_says_most_of_the_request_gets_it() {
    let selector = Selector::of(&team(), &[]);
    check(&selector, "The execution plans of our queries are slow", Some("sql-tuner"));
    check(&selector, "Please bake a cake for me", Some("baker"));
    // No word is shared: they are about the same.
    check(&selector, "Which airport has the longest runway?", Some("pilot"));
}

#[test]
fn nobody_is_chosen_where_nobody_is_suitable() {
    let selector = Selector::of(&team(), &[]);
    check(&selector, "", None);
    check(&selector, "could you please", None);
    check(&selector, "zyzzyva qwrtz", None);
    let nobody = Selector::of(&[], &[]);
    assert!(nobody.is_empty());
    check(&nobody, "bake a cake", None);
}

#[test]
fn only_candidates_are_chosen_and_a_better_one_elsewhere_is_named() {
    let selector = Selector::of(&team(), &[]);
    let of = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let text = "Bake bread and cakes by a recipe";
        selector.select(&Wanted { text, candidates: Some(&names), ..Wanted::default() })
    };
    assert_eq!(of(&["team/baker", "pilot"]).agents[0].name, "baker");
    let none = of(&["pilot", "sql-writer"]);
    assert_eq!((none.verdict, none.agents.len()), (Suitable::Nobody, 0));
    assert_eq!(none.reasons, ["none of the candidates is for this; baker would be"]);
}

#[test]
fn load_and_past_decide_among_those_as_able_and_no_further() {
    let twins = vec![
        agent("r1", "Reviews contracts of suppliers."),
        agent("r2", "Reviews contracts of suppliers."),
        agent("idle", "Reads contracts now and then, among many other papers and letters."),
    ];
    let selector = Selector::of(&twins, &[]);
    let busy = |one: u32, two: u32| {
        let loads = [("r1".to_owned(), one), ("r2".to_owned(), two)].into();
        let text = "Review the contracts of our suppliers";
        selector.select(&Wanted { text, loads: Some(&loads), ..Wanted::default() })
    };
    assert_eq!(busy(90, 10).agents[0].name, "r2");
    assert_eq!(busy(10, 90).agents[0].name, "r1");
    assert_eq!(busy(90, 10).reasons, ["r2 is as able as r1, and load and past speak for it"]);
    // Both specialists are busy, and the idle generalist still is not chosen.
    assert_ne!(busy(100, 100).agents[0].name, "idle");
    let failed: Vec<Remembered> =
        (0..9).map(|_| outcome("r1", "something else", Outcome::Failure)).collect();
    let selector = Selector::of(&twins, &failed);
    let selection = chosen(&selector, "Review the contracts of our suppliers");
    assert_eq!(selection.agents[0].name, "r2");
    assert!(selection.agents[1].perf.is_some_and(|perf| perf < 40));
}

#[test]
fn what_went_well_is_given_to_the_same_agent_again() {
    let request = "Prepare the quarterly figures for the board";
    check(&Selector::of(&team(), &[]), "quarterly figures for our board", None);
    let learned = [outcome("sql-writer", request, Outcome::Success)];
    let selector = Selector::of(&team(), &learned);
    check(&selector, "quarterly figures for our board", Some("sql-writer"));
    let selection = chosen(&selector, "quarterly figures for our board");
    let reasons = &selection.agents[0].reasons;
    assert!(
        reasons.iter().any(|reason| reason == "1 of its outcomes is remembered"),
        "{reasons:?}"
    );
}

#[test]
fn what_went_badly_long_ago_counts_less() {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let twins = [agent("r1", "Reviews contracts."), agent("r2", "Reviews contracts.")];
    let failed = |at_ms| {
        let one = outcome("r1", "Review the contract of a supplier", Outcome::Failure);
        vec![Remembered { at_ms, ..one }; 5]
    };
    let perf = |known: &[Remembered], now_ms: i64| {
        let selection = Selector::at(&twins, known, now_ms);
        let selection = chosen(&selection, "Review the contract of a supplier");
        selection.agents.iter().find(|agent| agent.name == "r1").map(|agent| agent.perf)
    };
    let new = perf(&failed(Some(0)), 0);
    let old = perf(&failed(Some(0)), 900 * DAY_MS);
    assert!(old > new, "{old:?} {new:?}");
    assert_eq!(perf(&failed(None), 900 * DAY_MS), new, "without a time nothing fades");
    assert_eq!(perf(&failed(Some(DAY_MS)), 0), new, "nor what is said to come from the future");
}

#[test]
fn whoever_did_much_is_not_the_first_for_everything() {
    let team = [agent("busy", "Writes and reviews texts."), agent("rare", "Reviews budgets.")];
    let texts = ["letters", "essays", "poems", "novels", "speeches", "adverts", "manuals"];
    let known: Vec<Remembered> = texts
        .iter()
        .map(|text| outcome("busy", &format!("Review these {text}"), Outcome::Success))
        .chain([outcome("rare", "Review the plan of expenses", Outcome::Success)])
        .collect();
    let selector = Selector::of(&team, &known);
    check(&selector, "Review our expenses", Some("rare"));
    check(&selector, "Review my poems", Some("busy"));
}

#[test]
fn examples_in_an_agent_s_own_file_count() {
    let mut helper = agent("helper", "Helps.");
    helper.body = "## Examples\n- \"Untangle the nightly mail queue\"\n".to_owned();
    let selector = Selector::of(&[helper, agent("other", "Sorts letters.")], &[]);
    check(&selector, "untangle our mail queue", Some("helper"));
}

#[test]
fn the_field_of_work_speaks_for_those_who_take_it() {
    let mut masters = vec![agent("cicd", ""), agent("security", "")];
    masters[0].domains = vec!["cicd".to_owned()];
    masters[1].domains = vec!["security".to_owned()];
    let selector = Selector::of(&masters, &[]);
    let wanted = Wanted { text: "Rotate the keys", domain: "security", ..Wanted::default() };
    let selection = selector.select(&wanted);
    assert_eq!(selection.agents[0].name, "security");
    assert!(selection.agents[0].reasons.contains(&"it takes security work".to_owned()));
}

#[test]
fn figures_are_shown_as_people_know_them() {
    let choice = Chosen {
        name: "a".to_owned(),
        id: "a".to_owned(),
        score: 40.0,
        capability: 0.953,
        load: Some(20),
        perf: Some(98),
        reasons: Vec::new(),
    };
    assert_eq!(choice.figures(), "capability: 0.95, load: 20%, perf: 98%");
    let unknown = Chosen { load: None, perf: None, ..choice };
    assert_eq!(unknown.figures(), "capability: 0.95, load: unknown, perf: unknown");
}

#[test]
fn namesakes_are_named_once() {
    let selector = Selector::of(
        &[
            agent("baker", "Bakes bread."),
            Agent { id: "b".into(), ..agent("baker", "Bakes cake.") },
        ],
        &[],
    );
    let selection = chosen(&selector, "bake bread and cake");
    assert_eq!(selection.agents.len(), 1);
}

#[test]
fn whoever_adds_something_comes_before_whoever_says_the_same_again() {
    let selector = Selector::of(
        &[
            agent("anna", "Books hotels, flights and trains."),
            agent("bert", "Books hotels, flights and trains."),
            agent("singer", "Sings songs."),
        ],
        &[],
    );
    let selection = chosen(&selector, "Book hotels, flights and trains, and sing songs");
    let names: Vec<&str> = selection.agents.iter().map(|agent| agent.name.as_str()).collect();
    assert_eq!(names, ["anna", "singer", "bert"]);
    assert!(selection.agents[1].score < selection.agents[2].score);
}

const TEXT: &str =
    "([a-zA-Z]{0,9}|bake|cake|sql|## Examples|user: |- |\n|```|🦀|é|\u{0}|[ -~]){0,30}";

proptest! {
    #[test]
    fn whatever_agents_say_and_people_ask_the_choice_is_sound(
        texts in proptest::collection::vec((TEXT, TEXT), 0..6),
        outcomes in proptest::collection::vec((TEXT, 0_usize..7, 0_usize..3), 0..6),
        text in TEXT,
    ) {
        let agents: Vec<Agent> = texts
            .iter()
            .enumerate()
            .map(|(at, (said, body))| Agent { body: body.clone(), ..agent(&format!("a{at}"), said) })
            .collect();
        let kinds = [Outcome::Success, Outcome::Edited, Outcome::Failure];
        let known: Vec<Remembered> = outcomes
            .iter()
            .map(|(request, at, kind)| outcome(&format!("a{at}"), request, kinds[*kind]))
            .collect();
        let selector = Selector::of(&agents, &known);
        let selection = chosen(&selector, &text);
        prop_assert!((0.0..=1.0).contains(&selection.confidence), "{selection:?}");
        prop_assert_eq!(selection.agents.is_empty(), selection.verdict == Suitable::Nobody);
        for one in &selection.agents {
            prop_assert!(one.score.is_finite() && (0.0..=1.0).contains(&one.capability));
        }
        prop_assert_eq!(&selection, &chosen(&selector, &text));
    }
}
