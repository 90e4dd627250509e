//! `baton agents match`.

use serde::Serialize;

use super::super::Context;
use super::super::output::{CliError, Exit, Page, Table, Tone, View, plain, span};
use super::Known;
use crate::client::agents::{Selection, Suitable, Wanted};

#[derive(Debug, Serialize)]
struct Matched<'a> {
    schema: &'static str,
    request: &'a str,
    #[serde(flatten)]
    selection: Selection,
}

pub(super) fn run(
    context: &Context,
    known: &Known,
    request: &str,
    kind: &str,
    domain: &str,
) -> Result<Exit, CliError> {
    let wanted = Wanted { text: request, kind, domain, ..Wanted::default() };
    let selection = known.surroundings_elsewhere().select(&wanted);
    context.out.show(&Matched { schema: "baton/match@1", request, selection })?;
    Ok(Exit::Done)
}

impl View for Matched<'_> {
    fn human(&self, page: &mut Page) {
        let selection = &self.selection;
        if selection.verdict == Suitable::Nobody {
            page.point(Tone::Warn, "!", "nobody is suitable");
            for reason in &selection.reasons {
                page.point(Tone::Dim, "•", reason);
            }
            return;
        }
        let mut table = Table::new(&["AGENT", "SCORE", "CAPABILITY", "LOAD", "PERF"], 0);
        let percent = |part: Option<u32>| part.map_or("-".to_owned(), |part| format!("{part}%"));
        for choice in &selection.agents {
            table.row(vec![
                plain(&choice.name),
                plain(format!("{:.1}", choice.score)),
                plain(format!("{:.2}", choice.capability)),
                plain(percent(choice.load)),
                plain(percent(choice.perf)),
            ]);
        }
        table.print(page);
        page.heading("Why");
        if let Some(first) = selection.agents.first() {
            page.line(&[span(Tone::Strong, &first.name), plain(format!(" {}", first.figures()))]);
            for reason in &first.reasons {
                page.point(Tone::Dim, "•", reason);
            }
        }
        let margin = (selection.margin * 100.0).round();
        let clear = match selection.verdict {
            Suitable::Clear => format!("clear: the next one is {margin}% behind"),
            Suitable::Close => format!("close: the next one is only {margin}% behind"),
            Suitable::Nobody => String::new(),
        };
        page.point(Tone::Dim, "•", &clear);
        for reason in &selection.reasons {
            page.point(Tone::Dim, "•", reason);
        }
        page.field("confidence", &format!("{:.0}%", selection.confidence * 100.0));
    }
}
