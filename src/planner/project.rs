//! Goals that are projects: several capabilities, each built and tested, on one foundation (S2-07).

use super::expand::{self, Step};
use super::frame::TITLE_MAX;
use super::lexicon::{Kind, lexicon};
use super::request::Reading;
use super::text::{self, Token};
use crate::domain::plan::Why;

/// Capabilities from which on a goal is a project.
const CAPABILITIES_MIN: usize = 3;

/// Capabilities beyond this many are one list.
const CAPABILITIES_MAX: usize = 24;

/// Words that the name of a capability may have.
const WORDS_MAX: usize = 8;

/// Words after which a goal names what it consists of.
const OPENING: [&str; 6] = ["with", "including", "featuring", "supporting", "having", "offering"];

/// Returns the steps of a project; nothing where the goal is none.
///
/// Each capability is tested on its own while `steps_max` allows it, else all of them together.
pub(super) fn unfolded(reading: &Reading, named: &[Step], steps_max: usize) -> Option<Vec<Step>> {
    let (object, capabilities) = named_with(reading)
        .or_else(|| below_a_goal(reading, named))
        .or_else(|| plain_list(reading))?;
    let domain = named.first().map_or("development", |step| step.domain);
    let domain = if domain == "inventory" { "development" } else { domain };
    let mut steps = Vec::new();
    let mut design = step("design", &object, domain, "Foundation");
    design.title = text::line(&format!("Design the architecture of {object}"), TITLE_MAX);
    design.why = Why::new("inferred from template", "project: what its parts have in common");
    steps.push(design);
    let each_tested = capabilities.len() * 2 + 2 <= steps_max;
    let mut built = Vec::new();
    for capability in &capabilities {
        let mut build = step("implement", capability, domain, capability);
        build.is_goal = true;
        build.inferred = false;
        build.task = format!("{}\nPart of: {}", build.task, text::line(&reading.goal, 500));
        build.why = Why::new("named in the request", format!("a part of {object}"));
        build.after.push((0, Why::new("template order", "as in every project")));
        steps.push(build);
        built.push(steps.len() - 1);
        if each_tested {
            let mut test = step("tests", capability, domain, capability);
            test.why = Why::new("inferred from template", "project: each part is tested");
            test.after.push((steps.len() - 1, Why::new("template order", "as in every project")));
            steps.push(test);
            built.pop();
            built.push(steps.len() - 1);
        }
    }
    let last = if each_tested { "verify" } else { "tests" };
    let mut whole = step(last, &object, domain, "Quality");
    whole.title = text::line(&format!("{} {object} as a whole", whole_verb(last)), TITLE_MAX);
    whole.why = Why::new("inferred from template", "project: the parts together");
    let joins = |at: &usize| (*at, Why::new("template order", "the whole comes after its parts"));
    whole.after = built.iter().map(joins).collect();
    steps.push(whole);
    add_facets(&mut steps, reading, &object, domain);
    Some(steps)
}

/// Leaves out what only plans: a plan is there already (S2-24).
pub(super) fn without_planning(steps: Vec<Step>, plan: &str) -> Vec<Step> {
    let is_left_out =
        |step: &Step| step.inferred && step.kind.worker == "planner" && step.after.is_empty();
    if steps.iter().all(is_left_out) {
        return steps;
    }
    let mut places = Vec::with_capacity(steps.len());
    let mut kept = 0;
    for step in &steps {
        places.push((!is_left_out(step)).then_some(kept));
        kept += usize::from(!is_left_out(step));
    }
    let follows = |step: &Step| step.after.iter().any(|(on, _)| places[*on].is_none());
    steps
        .iter()
        .filter(|step| !is_left_out(step))
        .map(|step| {
            let after = step.after.iter().filter_map(|(on, why)| Some((places[*on]?, why.clone())));
            let mut step = Step { after: after.collect(), ..step.clone() };
            if follows(&step) || step.is_goal {
                step.task = format!("{}\nThe plan is there: {plan}", step.task);
            }
            step
        })
        .collect()
}

/// Finds the parts of `Build a shop with a catalog, a cart and payments`.
fn named_with(reading: &Reading) -> Option<(String, Vec<String>)> {
    let [only] = reading.segments.clauses.as_slice() else { return None };
    if only.frame.kind.name != "implement" {
        return None;
    }
    let tokens = text::tokens(&only.text);
    // A colon opens the list wherever it stands, and what follows belongs to it.
    let colon = tokens.iter().position(Token::colon).map(|at| at + 1);
    let opening = || tokens.iter().position(|token| OPENING.contains(&token.word.as_str()));
    let (end, begin) = match colon {
        Some(at) => (at, at),
        None => opening().map(|at| (at, at + 1))?,
    };
    let verb = lexicon().verb(&text::words(&tokens[..end]))?;
    let head = &tokens[verb.length.min(end)..end];
    let from = head.iter().position(|token| token.word == "from").unwrap_or(head.len());
    let head = &head[..from];
    let last = head.last()?.word.as_str();
    let lists = &lexicon().words;
    if !lists.large.contains(last) && !lists.scope.iter().any(|word| word == last) {
        return None;
    }
    let object = without_articles(head);
    let parts = listed(&tokens[begin..])?;
    (parts.len() >= CAPABILITIES_MIN).then_some((object, parts))
}

/// Finds the parts of `Create a system from scratch: accounts, boards, search`.
fn below_a_goal(reading: &Reading, named: &[Step]) -> Option<(String, Vec<String>)> {
    let lists = &lexicon().words;
    let clauses = &reading.segments.clauses;
    let is_project = reading.title_words.iter().any(|word| {
        matches!(word.as_str(), "system" | "platform" | "application" | "app" | "project" | "saas")
            || lists.signals.project.contains(word)
    });
    let builds = |step: &&Step| step.kind.name == "implement" && step.after.is_empty();
    let own = named.iter().filter(|step| !step.inferred);
    let is_list = own.clone().count() == clauses.len()
        && own.clone().all(|step| builds(&step) && step.files.is_empty())
        && clauses.iter().all(|clause| clause.after.is_empty());
    if !is_project || !is_list || !(CAPABILITIES_MIN..=CAPABILITIES_MAX).contains(&clauses.len()) {
        return None;
    }
    let (head, _) = reading.goal.split_once(':')?;
    let tokens = text::tokens(head);
    let verb = lexicon().verb(&text::words(&tokens))?;
    let end = tokens.iter().position(|token| token.word == "from").unwrap_or(tokens.len());
    let object = without_articles(tokens.get(verb.length..end)?);
    let parts: Vec<String> = own.map(|step| step.object.clone()).collect();
    (!object.is_empty() && parts.iter().all(|part| !part.is_empty())).then_some((object, parts))
}

/// Finds the parts of `Implement accounts, billing, search and audit logging for our platform`: a list
/// of so many names is one of things, even where one of them begins like a verb.
fn plain_list(reading: &Reading) -> Option<(String, Vec<String>)> {
    const NAMES_MIN: usize = 4;
    let tokens = text::tokens(&reading.goal);
    let words = text::words(&tokens);
    let verb = lexicon().verb(&words).filter(|verb| verb.kind.name == "implement")?;
    let at = tokens.iter().rposition(|token| matches!(token.word.as_str(), "for" | "in" | "of"))?;
    let place = &tokens[at + 1..];
    let is_place = place.last().is_some_and(|token| {
        matches!(token.word.as_str(), "platform" | "system" | "app" | "application" | "product")
    });
    if !is_place || at <= verb.length || tokens.iter().any(Token::arrow) {
        return None;
    }
    let parts = listed(&tokens[verb.length..at])?;
    let is_order = |part: &String| {
        let tokens = text::tokens(part);
        let words = text::words(&tokens);
        let names = |word: &str| lexicon().words.large.contains(word) || word.ends_with("ing");
        lexicon().verb(&words).is_some() && !words.last().is_some_and(|word| names(word))
    };
    (parts.len() >= NAMES_MIN && !parts.iter().any(is_order))
        .then(|| (without_articles(place), parts))
}

/// Splits a list of things; nothing where any of them is no short name of a thing.
fn listed(tokens: &[Token<'_>]) -> Option<Vec<String>> {
    let mut parts: Vec<Vec<Token<'_>>> = vec![Vec::new()];
    for token in tokens {
        if matches!(token.word.as_str(), "and" | "plus" | "&" | "or") && token.raw != "or" {
            parts.push(Vec::new());
            continue;
        }
        let part = parts.last_mut()?;
        part.push(token.clone());
        if token.comma() {
            parts.push(Vec::new());
        }
    }
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    let mut names = Vec::new();
    for part in parts {
        let joins = |token: &&Token<'_>| OPENING.contains(&token.word.as_str());
        let part = &part[part.iter().take_while(joins).count()..];
        let name = without_articles(part);
        let words = text::words(part);
        // What is asked for in passing is no part of the product.
        if lexicon().whole_noun(&name.to_lowercase()).is_some_and(|kind| kind.rank >= 50) {
            continue;
        }
        // `deploying the app` is something done, `messaging` something that is there.
        let is_done = words.get(1).is_some_and(|word| lexicon().words.articles.contains(*word))
            && lexicon().verb(&words).is_some_and(|verb| verb.gerund);
        if part.len() > WORDS_MAX || is_done {
            return None;
        }
        names.push(name);
    }
    (names.len() <= CAPABILITIES_MAX).then_some(names)
}

fn without_articles(tokens: &[Token<'_>]) -> String {
    let articles = &lexicon().words.articles;
    let from = tokens.iter().take_while(|token| articles.contains(&token.word)).count();
    text::line(&text::join(&tokens[from..]), 80)
}

fn step(kind: &str, object: &str, domain: &'static str, story: &str) -> Step {
    let mut step = Step::of(lexicon().kind(kind), object, domain);
    step.part_of = vec![text::capitalised(story)];
    step
}

fn whole_verb(kind: &str) -> &'static str {
    if kind == "tests" { "Test" } else { "Verify" }
}

/// Adds what is asked for in passing, one after the other, behind the whole.
fn add_facets(steps: &mut Vec<Step>, reading: &Reading, object: &str, domain: &'static str) {
    let facets = reading.segments.clauses.iter().flat_map(|clause| clause.frame.facets.iter());
    let mut facets: Vec<&'static Kind> = facets.copied().collect();
    facets.retain(|kind| kind.name != "tests" && kind.name != "verify");
    facets.sort_by_key(|kind| kind.rank);
    facets.dedup_by_key(|kind| kind.name.clone());
    for kind in facets {
        let mut facet = step(&kind.name, object, domain, "Delivery");
        facet.inferred = false;
        facet.why = Why::new("asked for beside the goal", kind.name.clone());
        let why = Why::new("kind order", format!("{} comes after the rest", kind.name));
        facet.after = expand::sinks(steps).into_iter().map(|at| (at, why.clone())).collect();
        steps.push(facet);
    }
}
