//! Measures the planner in this build: how long it takes to know 500 agents, to choose one for a
//! step, and to plan a request. `cargo bench --bench planner`; each line says what is aimed at.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench times from outside, prints figures and ends where it is surprised"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use baton::domain::Policy;
use baton::domain::agent::{Outcome, Remembered};
use baton::domain::read;
use baton::planner::{Request, Selector, Surroundings, Wanted, draft};
use baton::registry::Registry;

const AGENTS: usize = 500;
const OUTCOMES: usize = 20_000;

const SUBJECTS: [&str; 20] = [
    "payments",
    "search",
    "login",
    "billing",
    "reports",
    "deployment",
    "monitoring",
    "caching",
    "database indexes",
    "translations",
    "mobile screens",
    "documentation",
    "accessibility",
    "invoices",
    "message queues",
    "image uploads",
    "feature flags",
    "backups",
    "test suites",
    "access rights",
];
const TRADES: [&str; 25] = [
    "architect",
    "reviewer",
    "tester",
    "writer",
    "auditor",
    "tuner",
    "migrator",
    "designer",
    "operator",
    "analyst",
    "debugger",
    "planner",
    "trainer",
    "packager",
    "modeller",
    "checker",
    "porter",
    "cleaner",
    "integrator",
    "releaser",
    "observer",
    "prototyper",
    "maintainer",
    "scripter",
    "researcher",
];
const REQUESTS: [&str; 8] = [
    "Review the access rights of the billing service and fix what is too open",
    "The nightly reports are slow: find out which query it is, add an index, and measure again",
    "Add OAuth login, write tests for it, and document how to set it up",
    "Migrate the message queues to the new cluster without downtime, then remove the old one",
    "1. Compare three search engines\n2. Choose one\n3. Write a prototype\n4. Present it to the team",
    "Why do image uploads fail on mobile since the last release?",
    "Before refactoring the caching layer, add tests; once they pass, split it into two modules",
    "Prepare release 2.4: update the changelog, bump the version, run the audit and deploy",
];

fn main() {
    let folder = tempfile::tempdir().unwrap();
    write_agents(folder.path());
    let load = || Registry::open(folder.path()).unwrap();
    aim(&format!("load of {AGENTS} agent files"), Some(100.0), times(20, |_| load().agents.len()));
    let agents = load().agents;
    assert_eq!(agents.len(), AGENTS);
    let nothing = times(10, |_| Selector::of(&agents, &[]).len());
    aim(&format!("preparing to choose among {AGENTS} agents"), None, nothing);
    let outcomes: Vec<Remembered> =
        (0..OUTCOMES).map(|n| outcome(n, &agents[n % AGENTS].id)).collect();
    for (what, known) in [("", &[][..]), (" with 20,000 outcomes remembered", &outcomes[..])] {
        let selector = Selector::of(&agents, known);
        let choose = |n: usize| {
            let wanted = Wanted { text: REQUESTS[n % REQUESTS.len()], ..Wanted::default() };
            selector.select(&wanted).agents.len()
        };
        aim(&format!("choice among {AGENTS} agents{what}"), Some(5.0), times(400, choose));
    }
    let policy = Policy::default();
    let plan = |n: usize| {
        let task = read::text_task("text", REQUESTS[n % REQUESTS.len()]).unwrap();
        let surroundings = Surroundings::default();
        format!("{:?}", draft(&Request { task: &task, surroundings: &surroundings }, &policy)).len()
    };
    aim("decomposition of a request", Some(20.0), times(800, plan));
}

/// Times each of so many runs.
fn times(runs: usize, mut run: impl FnMut(usize) -> usize) -> Vec<Duration> {
    let time = |n| {
        let start = Instant::now();
        black_box(run(n));
        start.elapsed()
    };
    (0..runs).map(time).collect()
}

fn aim(what: &str, aim_ms: Option<f64>, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let (p50, p95) = (at(0.5), at(0.95));
    let aim = aim_ms.map_or(String::new(), |aim_ms| {
        let is_met = if p95 < aim_ms { "met" } else { "missed" };
        format!("; aim: p95 below {aim_ms} ms, {is_met}")
    });
    println!("{what}: p50 {p50:.2} ms, p95 {p95:.2} ms, n = {}{aim}", times.len());
}

/// Writes one file for each trade at each subject, as long as real ones are.
fn write_agents(folder: &Path) {
    for subject in SUBJECTS {
        for trade in TRADES {
            let name = format!("{}-{trade}", subject.replace(' ', "-"));
            let mut text = format!(
                "---\nname: {name}\ndescription: The {trade} of {subject}. Use for every question \
                 of {subject} that a {trade} answers.\ntools: Read, Grep, Bash\nmodel: sonnet\n---\n\n"
            );
            for other in SUBJECTS.iter().chain(TRADES.iter()) {
                text += &format!(
                    "## {other}\n\n- Knows how {subject} and {other} go together, and asks when it is \
                     not clear.\n- Writes down what was found, what was changed and why.\n\n"
                );
            }
            std::fs::write(folder.join(format!("{name}.md")), text).unwrap();
        }
    }
}

fn outcome(n: usize, agent: &str) -> Remembered {
    let (subject, trade) = (SUBJECTS[n % SUBJECTS.len()], TRADES[n % TRADES.len()]);
    Remembered {
        request: format!("Ask a {trade} about {subject} of customer {n}"),
        agent: agent.to_owned(),
        outcome: if n.is_multiple_of(7) { Outcome::Failure } else { Outcome::Success },
        kind: String::new(),
        minutes: None,
        tokens: None,
        at_ms: None,
    }
}
