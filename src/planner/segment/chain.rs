//! Steps that are written as a program would chain them: `build >> [test, lint] >> deploy` (S1-20).

use super::{Segments, Shape};
use crate::planner::files;
use crate::planner::text;

/// Words that one step of a chain may have.
const WORDS_MAX: usize = 12;

/// Steps that stand side by side in one place of a chain.
type Group = Vec<String>;

/// Reads chains if the request consists of some; tells whether it did.
///
/// Names that occur again are the same step, so that several lines make one graph.
pub(super) fn read(parts: &mut Segments, lines: &[&str]) -> bool {
    let mut chains: Vec<Vec<Group>> = Vec::new();
    let mut goal = None;
    for line in lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()) {
        let (heading, line) = match line.split_once(": ") {
            Some((heading, rest)) if rest.contains(">>") && !heading.contains(">>") => {
                (Some(heading), rest)
            }
            Some(_) | None => (None, line),
        };
        match shifted(line).or_else(|| set(line)) {
            Some(chain) => {
                goal = goal.or(heading);
                chains.push(chain);
            }
            // What stands above is what it is for.
            None if chains.is_empty() && goal.is_none() => goal = Some(line),
            None => return false,
        }
    }
    if chains.is_empty() {
        return false;
    }
    parts.shape = Shape::Arrows;
    parts.goal = goal.map(|goal| super::Frame::of(text::trimmed(goal)));
    let mut known: Vec<(String, usize)> = Vec::new();
    for chain in chains {
        let mut before: Vec<usize> = Vec::new();
        for group in chain {
            let here: Vec<usize> =
                group.iter().map(|name| place(parts, &mut known, name)).collect();
            // A step that would wait for itself closes a circle: the first order stands.
            let open =
                |at: &&usize| before.iter().all(|b| b != *at && !parts.comes_after(*b, **at));
            let later: Vec<usize> = here.iter().filter(open).copied().collect();
            parts.order(&before, &later, "the chain says so (>>)");
            before = here;
        }
    }
    true
}

fn place(parts: &mut Segments, known: &mut Vec<(String, usize)>, name: &str) -> usize {
    let key = name.to_lowercase();
    if let Some((_, at)) = known.iter().find(|(known, _)| *known == key) {
        return *at;
    }
    parts.sentences += 1;
    let at = parts.push(name);
    known.push((key, at));
    at
}

/// Reads `a >> b >> [c, d]`; nothing for a shift of bits or a redirection into a file.
fn shifted(line: &str) -> Option<Vec<Group>> {
    if line.contains(">>>") || !line.contains(">>") {
        return None;
    }
    let groups: Vec<Group> = line.split(">>").map(group).collect::<Option<_>>()?;
    (groups.len() > 1).then_some(groups)
}

/// Reads `a.set_downstream(b)` and `b.set_upstream(a)`.
fn set(line: &str) -> Option<Vec<Group>> {
    let line = line.trim_end_matches(';');
    let read = |call: &str| {
        let (one, other) = line.split_once(call)?;
        Some((group(one)?, group(other.strip_suffix(')')?)?))
    };
    if let Some((one, other)) = read(".set_downstream(") {
        return Some(vec![one, other]);
    }
    read(".set_upstream(").map(|(one, other)| vec![other, one])
}

/// Reads one place of a chain: a step, or several in brackets.
fn group(text: &str) -> Option<Group> {
    let text = text.trim();
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => inner.split(',').map(step).collect(),
        None => Some(vec![step(text)?]),
    }
}

/// Returns the step that a name in a program stands for: `run_tests()` is `run tests`.
fn step(name: &str) -> Option<String> {
    let name = name.trim().trim_matches('`').trim_end_matches("()").trim_end_matches(['.', ';']);
    let is_name = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let spoken = if is_name { name.replace(['_', '-'], " ") } else { name.to_owned() };
    let is_step = spoken.chars().any(char::is_alphabetic)
        && spoken.split_whitespace().count() <= WORDS_MAX
        && files::as_path(name).is_none();
    is_step.then(|| spoken.trim().to_owned())
}
