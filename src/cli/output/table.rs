//! Tables that fit the terminal: the flexible column gives way first, then the widest.

use super::page::{Page, Span, Tone, span};
use super::text;

/// A table under construction.
#[derive(Debug)]
pub(crate) struct Table {
    heads: Vec<&'static str>,
    flexible: usize,
    rows: Vec<Vec<Span>>,
}

const GAP: usize = 2;
const COLUMNS_MIN: usize = 4;
const FLEXIBLE_MIN: usize = 12;

impl Table {
    /// Begins a table; the column at position `flexible` is cut first when there is too little room.
    pub(crate) fn new(heads: &[&'static str], flexible: usize) -> Self {
        Self { heads: heads.to_vec(), flexible, rows: Vec::new() }
    }

    /// Adds a row with one span for each column.
    pub(crate) fn row(&mut self, cells: Vec<Span>) {
        self.rows.push(cells);
    }

    /// Puts the table on a page.
    pub(crate) fn print(&self, page: &mut Page) {
        let widths = self.widths(page.room(page.width()));
        let heads: Vec<Span> = self.heads.iter().map(|head| span(Tone::Dim, head)).collect();
        page.line(&laid_out(&heads, &widths));
        for row in &self.rows {
            page.line(&laid_out(row, &widths));
        }
    }

    fn widths(&self, room: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heads.iter().map(|head| text::columns(head)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(text::columns(&cell.text));
            }
        }
        let room = room.saturating_sub(GAP * widths.len().saturating_sub(1));
        let total: usize = widths.iter().sum();
        let mut excess = total.saturating_sub(room);
        if let Some(width) = widths.get_mut(self.flexible) {
            let given = excess.min(width.saturating_sub(FLEXIBLE_MIN));
            *width -= given;
            excess -= given;
        }
        while excess > 0 {
            let Some(widest) = widths.iter_mut().max_by_key(|width| **width) else { break };
            if *widest <= COLUMNS_MIN {
                break;
            }
            *widest -= 1;
            excess -= 1;
        }
        widths
    }
}

fn laid_out(cells: &[Span], widths: &[usize]) -> Vec<Span> {
    let mut spans = Vec::with_capacity(cells.len() * 2);
    for (position, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let shown = text::cut(&cell.text, *width);
        let blank = width - text::columns(&shown).min(*width) + GAP;
        spans.push(span(cell.tone, shown));
        if position + 1 < cells.len() {
            spans.push(span(Tone::Plain, " ".repeat(blank)));
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::super::page::plain;
    use super::*;

    #[test]
    fn the_flexible_column_gives_way_first_and_nothing_leaves_the_page() {
        let mut table = Table::new(&["ID", "TITLE", "MASTER"], 1);
        table.row(vec![
            plain("auth-001-design"),
            plain("Decide how people, services and 日本語 guests prove who they are"),
            plain("development"),
        ]);
        table.row(vec![plain("auth-002"), plain("Build"), plain("security")]);
        for (width, first) in [
            (60, "auth-001-design  Decide how people, services a…  development"),
            (30, "auth-001…  Decide h…  develop…"),
        ] {
            let mut page = Page::new(width);
            table.print(&mut page);
            let text = anstream::adapter::strip_str(&page.into_text()).to_string();
            assert!(text.lines().all(|line| text::columns(line) <= width), "{text}");
            assert_eq!(text.lines().nth(1), Some(first));
        }
    }
}
