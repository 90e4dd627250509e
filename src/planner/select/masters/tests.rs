use super::*;
use crate::domain::agent::{Agent, Outcome, Remembered};
use crate::planner::Selector;

fn work<'a>(domain: &'a str, stage: usize) -> Work<'a> {
    Work { text: "make the slow parsers faster", kind: "change", domain, stage, share: Share::Part }
}

#[track_caller]
fn check(domain: &str, wanted: Option<&str>, policy: &Policy, expected: Option<&str>) {
    let wanted = wanted.map(|name| AgentName::parse(name).unwrap());
    let nothing = Surroundings::default();
    let chose = Masters::new(policy, &nothing, wanted.as_ref()).choose(&work(domain, 0));
    assert_eq!(chose.as_ref().map(|chose| chose.master.as_str()), expected, "{domain}");
}

#[test]
fn masters_are_chosen_by_field_then_by_substitute_then_any() {
    let mut policy = Policy::default();
    check("security", None, &policy, Some("security"));
    check("docs", None, &policy, Some("development"));
    check("research", None, &policy, Some("development"));
    check("unheard-of", None, &policy, Some("cicd"));
    check("unheard-of", Some("inventory"), &policy, Some("inventory"));
    // The author's choice does not take the work of a specialist.
    check("security", Some("development"), &policy, Some("security"));
    let writers = AgentName::parse("aa-writers").unwrap();
    policy.masters.insert(writers, MasterPolicy::external(&["docs"]));
    check("docs", None, &policy, Some("aa-writers"));
    check("docs", Some("development"), &policy, Some("development"));
    policy.masters.values_mut().for_each(|settings| settings.orchestration_enabled = false);
    check("docs", None, &policy, None);
}

/// Two masters that are alike, and one for whom the field comes second.
fn twins() -> Policy {
    let mut policy = Policy::default();
    policy.masters.clear();
    for (name, fields) in
        [("alice", vec!["data"]), ("bob", vec!["data"]), ("carol", vec!["docs", "data"])]
    {
        policy.masters.insert(AgentName::parse(name).unwrap(), MasterPolicy::external(&fields));
    }
    policy
}

#[test]
fn what_goes_on_at_the_same_time_is_shared_out() {
    let (policy, nothing) = (twins(), Surroundings::default());
    let mut masters = Masters::new(&policy, &nothing, None);
    let mut given =
        |stage| masters.choose(&work("data", stage)).unwrap().master.as_str().to_owned();
    assert_eq!([given(0), given(0), given(0), given(1)], ["alice", "bob", "alice", "alice"]);
}

#[test]
fn load_and_past_decide_among_equals_and_never_for_a_generalist() {
    let policy = twins();
    let chosen = |surroundings: &Surroundings| {
        Masters::new(&policy, surroundings, None).choose(&work("data", 0)).unwrap()
    };
    let mut surroundings = Surroundings::default();
    surroundings.loads.insert("alice".to_owned(), 75);
    surroundings.loads.insert("bob".to_owned(), 50);
    surroundings.loads.insert("carol".to_owned(), 0);
    let chose = chosen(&surroundings);
    assert_eq!(chose.master.as_str(), "bob");
    assert_eq!(chose.choice.masters[0].figures(), "capability: 1.00, load: 50%, perf: unknown");
    assert!(chose.why.evidence.contains("load and past speak for it"), "{:?}", chose.why);
    assert_eq!(chose.why.alternatives, ["alice (1.00)", "carol (0.90)"]);
    let agent = |name: &str| Agent { id: name.into(), name: name.into(), ..Agent::default() };
    let failed = |request: &str| Remembered {
        request: request.to_owned(),
        agent: "bob".to_owned(),
        outcome: Outcome::Failure,
        kind: String::new(),
        minutes: None,
        tokens: None,
        at_ms: None,
    };
    let past = [failed("cook"), failed("sing"), failed("dance"), failed("swim")];
    surroundings.masters = Some(Selector::of(&["alice", "bob", "carol"].map(agent), &past).into());
    assert_eq!(chosen(&surroundings).master.as_str(), "alice");
}

#[test]
fn of_equal_masters_the_one_that_says_what_the_step_is_about_is_chosen() {
    let mut policy = twins();
    let said = [("alice", "Draws diagrams and slides."), ("bob", "Makes parsers faster.")];
    let mut agents = Vec::new();
    for (name, description) in said {
        policy.masters.get_mut(name).unwrap().description = description.to_owned();
        agents.push(Agent {
            id: name.into(),
            name: name.into(),
            description: description.into(),
            ..Agent::default()
        });
    }
    let surroundings = Surroundings {
        masters: Some(Selector::of(&agents, &[]).into()),
        ..Surroundings::default()
    };
    let chose = Masters::new(&policy, &surroundings, None).choose(&work("data", 0)).unwrap();
    assert_eq!(chose.master.as_str(), "bob", "{chose:?}");
    assert!(!chose.choice.masters[0].reasons.is_empty());
}

#[test]
fn unknown_masters_come_with_a_suggestion() {
    let (reason, remedy) = named("secruity", &Policy::default()).unwrap_err();
    assert!(reason.ends_with("is no known master (did you mean security?)"), "{reason}");
    assert!(remedy.contains("cicd, development, inventory, security"), "{remedy}");
}
