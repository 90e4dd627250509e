//! Live progress on stderr: a tree that is redrawn in a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

use super::page::{Page, Tone, plain, span};
use super::{Output, columns, rows, say, tree};
use crate::client::Client;
use crate::client::follow::Standing;
use crate::client::handoffs::HandoffState;
use crate::client::progress::Progress;

/// Shows how far a task is while it is waited for. Dropping it removes the tree: what comes after
/// it says more.
#[derive(Debug)]
pub(crate) struct Live {
    way: Way,
    _keys: Option<QuietKeys>,
    title: String,
    /// Said beneath the tree until something else is.
    notice: Option<String>,
}

#[derive(Debug)]
enum Way {
    /// Redrawn in place.
    Tree(ProgressBar),
    /// A line for every change.
    Lines(Lines),
    /// Programs read stdout; nothing is shown.
    Silent,
}

/// What has been told in lines.
#[derive(Debug, Default)]
struct Lines {
    /// Status and attempt of every step that was told.
    steps: BTreeMap<String, (String, u64)>,
    last: String,
}

/// Handoffs that are offered at most beneath a tree.
const OFFERS_MAX: usize = 3;

impl Live {
    /// Begins to show a task of this title.
    pub(crate) fn new(out: &Output, title: &str) -> Self {
        let way = if out.is_json() {
            Way::Silent
        } else if out.is_live() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            // Redraws after the terminal was resized or something else was printed.
            bar.enable_steady_tick(Duration::from_secs(1));
            Way::Tree(bar)
        } else {
            Way::Lines(Lines::default())
        };
        let keys = matches!(way, Way::Tree(_)).then(QuietKeys::begin).flatten();
        Self { way, _keys: keys, title: title.to_owned(), notice: None }
    }

    /// Says something beneath the tree from now on.
    pub(crate) fn notice(&mut self, text: &str) {
        self.notice = Some(text.to_owned());
        if let Way::Lines(lines) = &mut self.way {
            lines.tell(text);
        }
    }

    /// Says something that stays, above the tree.
    pub(crate) fn tell(&mut self, text: &str) {
        match &mut self.way {
            Way::Silent => {}
            Way::Tree(bar) => bar.println(wrapped(text, columns())),
            Way::Lines(lines) => lines.tell(&super::text::clean(text)),
        }
    }

    /// Shows where the task stands.
    pub(crate) fn show(&mut self, client: &Client, standing: &Standing) {
        let offers = match (&self.way, standing) {
            (Way::Silent, _) => return,
            (_, Standing::Run(progress)) => offers(client, progress),
            (_, _) => Vec::new(),
        };
        match &mut self.way {
            Way::Silent => {}
            Way::Tree(bar) => {
                bar.set_message(picture(&self.title, standing, &offers, self.notice.as_deref()));
            }
            Way::Lines(lines) => lines.show(standing, &offers),
        }
    }
}

/// Breaks a sentence into lines of a terminal, the later ones set in.
fn wrapped(sentence: &str, columns: usize) -> String {
    let lines = super::text::wrap(&super::text::clean(sentence), columns.saturating_sub(2).max(20));
    lines.join("\n  ")
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Way::Tree(bar) = &self.way {
            bar.finish_and_clear();
        }
    }
}

/// Keeps the terminal from showing `^C` while it exists: that would break the picture, whose last
/// line reaches to the edge.
#[derive(Debug)]
struct QuietKeys {
    before: Termios,
}

impl QuietKeys {
    fn begin() -> Option<Self> {
        let terminal = std::io::stderr();
        // Who changes a terminal from the background is stopped by the system.
        if tcgetpgrp(&terminal).ok()? != rustix::process::getpgrp() {
            return None;
        }
        let before = tcgetattr(&terminal).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHOCTL);
        tcsetattr(&terminal, OptionalActions::Now, &quiet).ok()?;
        Some(Self { before })
    }
}

impl Drop for QuietKeys {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _gone = tcsetattr(std::io::stderr(), OptionalActions::Now, &self.before);
    }
}

/// Draws what a terminal shows, no taller than it is.
fn picture(title: &str, standing: &Standing, offers: &[String], notice: Option<&str>) -> String {
    let mut page = Page::new(columns().saturating_sub(1));
    let below = offers.len() + usize::from(!offers.is_empty()) + usize::from(notice.is_some());
    match standing {
        Standing::Run(progress) => {
            tree::print(&mut page, progress, rows().saturating_sub(below + 2));
        }
        Standing::Dropped => page.line(&[plain(title), span(Tone::Dim, "  in the inbox")]),
        Standing::Planning => page.line(&[plain(title), span(Tone::Dim, "  planning")]),
        Standing::Rejected { .. } | Standing::Cancelled { .. } => page.line(&[plain(title)]),
    }
    if !offers.is_empty() {
        page.line(&[span(Tone::Warn, "waits for a master; to take a handoff:")]);
    }
    for offer in offers {
        page.line(&[plain(format!("  {offer}"))]);
    }
    if let Some(notice) = notice {
        page.line(&[span(Tone::Warn, notice)]);
    }
    // The bar writes to the terminal by itself, past the stream that knows about colours.
    let text = page.into_text();
    let text = text.trim_end();
    match anstream::AutoStream::choice(&std::io::stderr()) {
        anstream::ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        anstream::ColorChoice::Auto
        | anstream::ColorChoice::AlwaysAnsi
        | anstream::ColorChoice::Always => text.to_owned(),
    }
}

/// Lists the commands that take what waits for a master elsewhere.
fn offers(client: &Client, progress: &Progress) -> Vec<String> {
    let waits: Vec<&str> = progress
        .steps()
        .filter(|step| step.status == "handed_off")
        .map(|step| step.subtask_id.as_str())
        .collect();
    if waits.is_empty() {
        return Vec::new();
    }
    let mut files = client.handoff_files().unwrap_or_default();
    files.retain(|file| file.state == HandoffState::Waiting);
    waits
        .into_iter()
        .filter(|id| files.iter().any(|file| file.is_meant_by(id)))
        .take(OFFERS_MAX)
        .map(|id| format!("baton handoff take {id}"))
        .collect()
}

impl Lines {
    fn show(&mut self, standing: &Standing, offers: &[String]) {
        match standing {
            Standing::Dropped => self.tell("in the inbox"),
            Standing::Planning => self.tell("taken up, planning"),
            Standing::Rejected { .. } | Standing::Cancelled { .. } => {}
            Standing::Run(progress) => self.steps(progress),
        }
        for offer in offers {
            if self.steps.insert(offer.clone(), (String::new(), 0)).is_none() {
                self.tell(&format!("waits for a master: {offer}"));
            }
        }
    }

    fn steps(&mut self, progress: &Progress) {
        for (position, stage) in progress.stages.iter().enumerate() {
            for step in stage.iter().filter(|step| step.status != "pending") {
                let now = (step.status.clone(), step.attempt);
                if self.steps.get(&step.subtask_id) == Some(&now) {
                    continue;
                }
                let said = match step.status.as_str() {
                    "active" => format!("started by {}", step.master),
                    _ => tree::standing(step),
                };
                let stage = position + 1;
                self.tell(&format!("stage {stage}  {}  {said}", step.subtask_id));
                self.steps.insert(step.subtask_id.clone(), now);
            }
        }
    }

    fn tell(&mut self, text: &str) {
        if self.last != text {
            text.clone_into(&mut self.last);
            say(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_above_the_tree_is_whole() {
        let told = wrapped("fix-1: failed (transient): exit code 1; its last output: refused", 30);
        assert_eq!(told, "fix-1: failed (transient):\n  exit code 1; its last\n  output: refused");
    }
}
