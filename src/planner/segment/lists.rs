//! Steps that are written as a list: numbered, bullets, boxes, or words joined by arrows.

use super::{Segments, Shape, sentence};
use crate::planner::frame::Frame;
use crate::planner::lexicon::lexicon;
use crate::planner::text::{self, Token};

/// Words that one end of an arrow may have.
const ARROW_WORDS_MAX: usize = 8;

/// Reads a list of steps if the request has one; tells whether it had.
pub(super) fn read(parts: &mut Segments, title: &str, details: &str) -> bool {
    let lines: Vec<&str> = title.lines().chain(details.lines()).collect();
    read_lines(parts, &lines) || read_arrows(parts, &lines) || read_inline(parts, &lines)
}

/// What the lines below a heading are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Steps,
    Criteria,
    Constraints,
    Other,
}

/// How a list item is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Number,
    Bullet,
    Box,
}

struct Item<'a> {
    mark: Mark,
    indent: usize,
    text: &'a str,
}

fn read_lines(parts: &mut Segments, lines: &[&str]) -> bool {
    let mut section = Section::Steps;
    let mut items: Vec<Item<'_>> = Vec::new();
    let mut asides: Vec<(Section, &str)> = Vec::new();
    let mut prose: Vec<&str> = Vec::new();
    for line in lines {
        if let Some(item) = item(line) {
            match section {
                Section::Steps => items.push(item),
                Section::Criteria | Section::Constraints => asides.push((section, item.text)),
                Section::Other => {}
            }
        } else if let Some(heading) = heading(line) {
            section = heading;
            if section == Section::Steps && prose.is_empty() {
                prose.push(line);
            }
        } else if !line.trim().is_empty() {
            prose.push(line);
        }
    }
    for (section, text) in asides {
        let list =
            if section == Section::Criteria { &mut parts.criteria } else { &mut parts.constraints };
        list.push(text::trimmed(text).to_owned());
    }
    let indent = items.iter().map(|item| item.indent).min().unwrap_or_default();
    items.retain(|item| item.indent == indent && !is_done(item));
    let numbered = items.iter().all(|item| item.mark == Mark::Number);
    let verbs = items.iter().filter(|item| asks(item.text)).count();
    if items.len() < 2 || (!numbered && verbs * 2 < items.len()) {
        return false;
    }
    parts.shape = if numbered { Shape::Numbered } else { Shape::Bullets };
    let goal = prose.first().map(|line| text::trimmed(line.trim_start_matches('#')));
    parts.goal = goal.filter(|goal| !goal.is_empty()).map(Frame::of);
    let texts: Vec<&str> = items.iter().map(|item| item.text).collect();
    add_steps(parts, &texts, numbered.then_some("the list is numbered"));
    true
}

/// Adds one step an item; one after the other if there is evidence for that.
fn add_steps(parts: &mut Segments, texts: &[&str], in_order: Option<&str>) {
    let mut before: Option<usize> = None;
    for text in texts {
        let tokens = text::tokens(text);
        let (tokens, _) = super::without_fillers(&tokens);
        let plain = text::join(tokens);
        if sentence::is_constraint(tokens) {
            parts.constraints.push(plain);
            continue;
        }
        if plain.is_empty() {
            continue;
        }
        parts.sentences += 1;
        let at = parts.push(&plain);
        if let (Some(evidence), Some(before)) = (in_order, before) {
            parts.order(&[before], &[at], evidence);
        }
        before = Some(at);
    }
}

fn item(line: &str) -> Option<Item<'_>> {
    let indent = line.len() - line.trim_start().len();
    let text = line.trim();
    let bullet = ["- ", "* ", "+ ", "• "].iter().find_map(|mark| text.strip_prefix(mark));
    if let Some(text) = bullet {
        let text = text.trim();
        let boxed = ["[ ]", "[x]", "[X]"].iter().find(|mark| text.starts_with(**mark));
        return Some(match boxed {
            Some(_) => Item { mark: Mark::Box, indent, text },
            None => match number(text) {
                Some(text) => Item { mark: Mark::Number, indent, text },
                None => Item { mark: Mark::Bullet, indent, text },
            },
        });
    }
    if ["[ ] ", "[x] ", "[X] "].iter().any(|mark| text.starts_with(mark)) {
        return Some(Item { mark: Mark::Box, indent, text });
    }
    number(text).map(|text| Item { mark: Mark::Number, indent, text })
}

/// Tells whether the author has crossed the item off.
fn is_done(item: &Item<'_>) -> bool {
    item.mark == Mark::Box && !item.text.starts_with("[ ]")
}

/// Returns what follows `1.`, `2)`, `(3)`, `Step 4:` or `**Phase 5 (soon):**`.
fn number(line: &str) -> Option<&str> {
    let text = line.trim_start_matches(['*', '#', '_', ' ']);
    let lower = text.get(..5).unwrap_or_default().to_ascii_lowercase();
    let named = ["step ", "phase"].iter().any(|word| lower.starts_with(word));
    let text = if named { text[5..].trim_start() } else { text.trim_start_matches('(') };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 3 {
        return None;
    }
    let rest = &text[digits..];
    if named {
        let (_, rest) = rest.split_once([':', '-', '–', '—'])?;
        return Some(rest.trim_start_matches(['*', '_', ' ']));
    }
    rest.strip_prefix(['.', ')'])?.strip_prefix([' ', '\t']).map(str::trim)
}

/// Tells what a line above a list announces; nothing for a line that is no heading.
fn heading(line: &str) -> Option<Section> {
    let text = line.trim();
    let plain = text.trim_start_matches(['#', '*', '_', ' ']);
    let is_heading = text.starts_with('#') || text.ends_with([':', '*']);
    if !is_heading {
        return None;
    }
    let name = text::trimmed(plain.trim_end_matches(['*', '_', ':', ' '])).to_lowercase();
    let lists = &lexicon().words;
    let is_one_of = |names: &[String]| names.contains(&name);
    if is_one_of(&lists.criteria_headings) {
        Some(Section::Criteria)
    } else if is_one_of(&lists.constraint_headings) {
        Some(Section::Constraints)
    } else if is_one_of(&lists.other_headings) {
        Some(Section::Other)
    } else if text.starts_with('#') && text.trim_start_matches('#').trim().is_empty() {
        None
    } else if name.split(' ').count() <= 3 {
        Some(Section::Steps)
    } else {
        None
    }
}

/// Tells whether a text begins with an order, or names a kind of work.
fn asks(text: &str) -> bool {
    let text = text.trim_start_matches(['[', 'x', 'X', ' ', ']']);
    let tokens = text::tokens(text);
    let (tokens, _) = super::without_fillers(&tokens);
    let words: Vec<&str> = tokens.iter().map(|t| t.word.as_str()).take(4).collect();
    lexicon().verb(&words).is_some() || lexicon().noun(&words).is_some()
}

/// Reads `design -> build -> test`, but not `migrate REST -> GraphQL` or `1-3 -> 25 features`.
fn read_arrows(parts: &mut Segments, lines: &[&str]) -> bool {
    for line in lines {
        let spaced = spaced_arrows(line);
        let tokens = text::tokens(&spaced);
        let Some(first) = tokens.iter().position(Token::arrow) else { continue };
        let opens = |token: &Token<'_>| token.raw.starts_with('(');
        let begin = (0..first)
            .rev()
            .find(|&at| opens(&tokens[at]) || (at + 1 < first && tokens[at].colon()));
        let begin = begin.map_or(0, |at| if opens(&tokens[at]) { at } else { at + 1 });
        let last = tokens.iter().rposition(Token::arrow).unwrap_or(first);
        let closes =
            |token: &Token<'_>| token.raw.contains(')') || token.stop() || token.full_stop();
        let end = (last + 1..tokens.len())
            .find(|&at| closes(&tokens[at]))
            .map_or(tokens.len(), |at| at + 1);
        let chain: Vec<&[Token<'_>]> =
            tokens[begin..end].split(Token::arrow).filter(|part| !part.is_empty()).collect();
        if !is_chain(&chain) {
            continue;
        }
        parts.shape = Shape::Arrows;
        let goal = text::join(&tokens[..begin]);
        parts.goal = if goal.is_empty() { None } else { Some(Frame::of(&goal)) };
        let texts: Vec<String> = chain.iter().map(|part| text::join(part)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        add_steps(parts, &texts, Some("an arrow leads to it"));
        return true;
    }
    false
}

fn is_chain(chain: &[&[Token<'_>]]) -> bool {
    let short = chain.iter().all(|part| part.len() <= ARROW_WORDS_MAX);
    let orders = chain.iter().filter(|part| asks(&text::join(part))).count();
    let enough = if chain.len() == 2 { orders == 2 } else { orders * 2 > chain.len() };
    chain.len() >= 2 && short && enough
}

/// Puts blanks around arrows that touch a word.
fn spaced_arrows(line: &str) -> String {
    let mut spaced = line.to_owned();
    for arrow in ["→", "⟶", "➔", "➜", "⇒", "»"] {
        if spaced.contains(arrow) {
            spaced = spaced.replace(arrow, &format!(" {arrow} "));
        }
    }
    spaced
}

/// Reads `(1) check this (2) replace that` within a line.
fn read_inline(parts: &mut Segments, lines: &[&str]) -> bool {
    for line in lines {
        let mut items: Vec<&str> = Vec::new();
        let mut begin = None;
        let mut rest = 0;
        for number in 1..100 {
            let marks = [
                format!("({number}) "),
                format!(" {number}) "),
                format!(" {number}. "),
                format!("Step {number}: "),
                format!("step {number}: "),
                format!("Phase {number}: "),
            ];
            let found = marks.iter().filter_map(|m| line[rest..].find(m).map(|at| (at, m.len())));
            let Some((at, length)) = found.min() else { break };
            if number > 1 {
                items.push(&line[rest..rest + at]);
            }
            begin.get_or_insert(rest + at);
            rest += at + length;
        }
        items.push(&line[rest..]);
        let verbs = items.iter().filter(|item| asks(item)).count();
        let Some(begin) = begin else { continue };
        if items.len() < 2 || verbs * 2 <= items.len() {
            continue;
        }
        parts.shape = Shape::Numbered;
        let goal = text::trimmed(&line[..begin]);
        parts.goal = if goal.is_empty() { None } else { Some(Frame::of(goal)) };
        add_steps(parts, &items, Some("the steps are numbered"));
        return true;
    }
    false
}
