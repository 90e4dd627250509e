//! What the author said, and nothing else: the clauses of a request as a graph.

use std::collections::BTreeSet;

use super::frame::telling_words;
use super::request::Reading;
use super::segment::Clause;
use crate::domain::task::TaskSpec;

/// The clauses of a request and what their words put before what.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Said {
    /// The clauses, in the author's words and order.
    pub clauses: Vec<String>,
    /// From one clause to a later one, by position, with the words that say so.
    pub edges: Vec<(usize, usize, String)>,
    /// What is no step and has to be respected.
    pub constraints: Vec<String>,
    /// How the author says one can tell that it is done.
    pub criteria: Vec<String>,
}

impl Said {
    /// Reads a task; one that says nothing has no clauses.
    pub fn of(task: &TaskSpec) -> Self {
        let Ok(reading) = Reading::of(task) else { return Said::default() };
        let parts = reading.segments;
        let mut edges = Vec::new();
        for (at, clause) in parts.clauses.iter().enumerate() {
            let needs = clause.after.iter().filter(|link| !link.loose);
            edges.extend(needs.map(|link| (link.before, at, link.evidence.clone())));
        }
        let context = parts.context.as_deref();
        let clauses = parts.clauses.iter().map(|clause| in_context(clause, context));
        Said {
            clauses: clauses.collect(),
            edges,
            constraints: parts.constraints,
            criteria: parts.criteria,
        }
    }

    /// Returns the graph between a start (0) and an end (one beyond the clauses, which are 1 to n).
    pub fn between_start_and_end(&self) -> Vec<[usize; 2]> {
        let end = self.clauses.len() + 1;
        let inner: BTreeSet<[usize; 2]> =
            self.edges.iter().map(|(from, to, _)| [from + 1, to + 1]).collect();
        let first = (1..end).filter(|at| inner.iter().all(|[_, to]| to != at));
        let last = (1..end).filter(|at| inner.iter().all(|[from, _]| from != at));
        let ends = first.map(|at| [0, at]).chain(last.map(|at| [at, end]));
        let outer: BTreeSet<[usize; 2]> = ends.collect();
        inner.into_iter().chain(outer).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Words that a clause has to have to be understood without what it is for.
const WORDS_MIN: usize = 12;

/// Returns a clause that can be understood on its own: a short one with what it is for.
fn in_context(clause: &Clause, context: Option<&str>) -> String {
    let words = telling_words(&clause.text).len();
    match context {
        Some(context) if words < WORDS_MIN => format!("{} ({context})", clause.text),
        Some(_) | None => clause.text.clone(),
    }
}
