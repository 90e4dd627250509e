//! The stage tree: every step of a run with its bar, or with what it waits for.

use super::page::{Page, Span, Tone, plain, span};
use super::text;
use crate::client::progress::{Progress, Step};

/// Puts a run on the page, in at most `rows_max` lines: stages that are over and stages far off
/// are folded into one line each when there is too little room.
pub(crate) fn print(page: &mut Page, progress: &Progress, rows_max: usize) {
    header(page, progress);
    let id_columns = progress
        .steps()
        .map(|step| text::columns(&step.subtask_id))
        .max()
        .unwrap_or(0)
        .min(page.room(page.width() * 2 / 5));
    if progress.strategy.is_empty() {
        progress.steps().for_each(|step| step_line(page, step, id_columns));
        return;
    }
    let open = open_stages(progress, rows_max.saturating_sub(3));
    let mut folded = Fold::default();
    for (position, stage) in progress.stages.iter().enumerate() {
        if !open.contains(&position) {
            folded.add(position, stage);
            continue;
        }
        folded.print(page);
        let done = stage.iter().all(|step| tone(step) == Tone::Good);
        let heading = format!("stage {} of {}", position + 1, progress.stages.len());
        page.line(&[span(if done { Tone::Dim } else { Tone::Strong }, heading)]);
        stage.iter().for_each(|step| step_line(page, step, id_columns));
    }
    folded.print(page);
}

/// Returns `[█████████░] 90%`.
pub(crate) fn bar(percent: u32) -> String {
    let full = usize::try_from(percent.min(100) / 10).unwrap_or(10);
    format!("[{}{}] {percent}%", "█".repeat(full), "░".repeat(10 - full))
}

/// Returns what is to be said of a step beside its id: its bar, or why there is none.
pub(crate) fn standing(step: &Step) -> String {
    let took = step.seconds.map(|s| format!(" ({})", text::duration(s))).unwrap_or_default();
    let again =
        if step.attempt > 1 { format!(", attempt {}", step.attempt) } else { String::new() };
    match (step.status.as_str(), step.percent) {
        ("completed" | "active", Some(percent)) => format!("{}{took}{again}", bar(percent)),
        ("pending", _) if !step.waits_for.is_empty() => {
            format!("waiting (depends on {})", step.waits_for.join(", "))
        }
        ("pending", _) => "pending".to_owned(),
        ("handed_off", _) => format!("handed off to {}{again}", step.master),
        ("ready", _) => match &step.reason {
            Some(reason) => format!("waiting (to try again: {reason})"),
            None => "waiting (for a free worker, or for its files)".to_owned(),
        },
        (status, _) => match &step.reason {
            Some(reason) => format!("{status}: {reason}"),
            None => status.to_owned(),
        },
    }
}

fn header(page: &mut Page, progress: &Progress) {
    page.line(&[span(Tone::Strong, &progress.title)]);
    let mut spans = vec![
        span(Tone::Dim, format!("{}  ", progress.orchestration_id)),
        span(Tone::of_status(&progress.status), &progress.status),
    ];
    if !progress.strategy.is_empty() {
        spans.push(span(Tone::Dim, format!("  {}  {}", progress.strategy, bar(progress.percent))));
    }
    page.line(&spans);
}

fn step_line(page: &mut Page, step: &Step, id_columns: usize) {
    let mark = tone(step).mark();
    let id = text::cut(&step.subtask_id, id_columns);
    let blank = " ".repeat(id_columns - text::columns(&id).min(id_columns) + 2);
    let quiet = matches!(step.status.as_str(), "pending" | "ready" | "handed_off");
    let mut spans: Vec<Span> = vec![
        span(tone(step), format!("  {mark} ")),
        plain(id),
        plain(blank),
        span(if quiet { Tone::Dim } else { tone(step) }, standing(step)),
    ];
    if !quiet {
        spans.push(span(Tone::Dim, format!("  {}", step.master)));
    }
    page.line(&spans);
}

fn tone(step: &Step) -> Tone {
    Tone::of_status(&step.status)
}

/// Chooses the stages that are shown in full: all when they fit, else those around the first that
/// is not done.
fn open_stages(progress: &Progress, rows_max: usize) -> std::ops::Range<usize> {
    let rows = |stage: &Vec<Step>| stage.len() + 1;
    if progress.stages.iter().map(rows).sum::<usize>() <= rows_max {
        return 0..progress.stages.len();
    }
    let undone = |stage: &Vec<Step>| stage.iter().any(|step| tone(step) != Tone::Good);
    let first = progress.stages.iter().position(undone).unwrap_or(0);
    let mut left = rows_max.saturating_sub(2);
    let mut end = first;
    while let Some(stage) = progress.stages.get(end) {
        if end > first && rows(stage) > left {
            break;
        }
        left = left.saturating_sub(rows(stage));
        end += 1;
    }
    first..end
}

/// Neighbouring stages that are shown as one line.
#[derive(Debug, Default)]
struct Fold {
    stages: Option<(usize, usize)>,
    steps: usize,
    done: usize,
}

impl Fold {
    fn add(&mut self, position: usize, stage: &[Step]) {
        self.stages = Some((self.stages.map_or(position, |(first, _)| first), position));
        self.steps += stage.len();
        self.done += stage.iter().filter(|step| tone(step) == Tone::Good).count();
    }

    fn print(&mut self, page: &mut Page) {
        let Some((first, last)) = self.stages else { return };
        let name = if first == last {
            format!("stage {}", first + 1)
        } else {
            format!("stages {} to {}", first + 1, last + 1)
        };
        page.line(&[span(Tone::Dim, format!("{name}: {} of {} done", self.done, self.steps))]);
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::progress::tests::{example, now};

    fn drawn(progress: &Progress, rows_max: usize) -> String {
        let mut page = Page::new(80);
        print(&mut page, progress, rows_max);
        let text = anstream::adapter::strip_str(&page.into_text()).to_string();
        assert!(text.lines().all(|line| text::columns(line) <= 80), "{text}");
        text
    }

    #[test]
    fn a_run_is_a_tree_of_stages() {
        let progress = Progress::of_plan(&example(), now(), &|_| None);
        insta::assert_snapshot!(drawn(&progress, 100), @r"
        Add authentication system with security audit and documentation
        orch-task-1  in_progress  staged  [██░░░░░░░░] 25%
        stage 1 of 3
          ✓ auth-001-design    [██████████] 100% (3s)  development
        stage 2 of 3
          ● auth-002-backend   [█████████░] 90% (55s)  development
          ● auth-003-frontend  handed off to development
        stage 3 of 3
          ○ auth-004-tests     waiting (depends on auth-002-backend, auth-003-frontend)
        ");
    }

    #[test]
    fn troubles_are_named_where_they_are() {
        let mut plan = example();
        plan.subtasks[1].status = "blocked".into();
        plan.subtasks[1].attempts[0].attempt = 3;
        plan.subtasks[1].attempts[0].reason = Some("exit code 2\u{1b}[2J".into());
        plan.subtasks[2].status = "ready".into();
        plan.subtasks[2].retry_reason = Some("time-out".into());
        let progress = Progress::of_plan(&plan, now(), &|_| None);
        insta::assert_snapshot!(drawn(&progress, 100), @r"
        Add authentication system with security audit and documentation
        orch-task-1  in_progress  staged  [██░░░░░░░░] 25%
        stage 1 of 3
          ✓ auth-001-design    [██████████] 100% (3s)  development
        stage 2 of 3
          ✗ auth-002-backend   blocked: exit code 2\u{1b}[2J  development
          ○ auth-003-frontend  waiting (to try again: time-out)
        stage 3 of 3
          ○ auth-004-tests     waiting (depends on auth-002-backend, auth-003-frontend)
        ");
    }

    #[test]
    fn a_run_that_is_taller_than_the_terminal_is_folded() {
        let mut plan = example();
        for stage in 4..40 {
            let id = format!("auth-{stage:03}-more");
            let mut subtask = plan.subtasks[3].clone();
            subtask.subtask_id = id.clone();
            plan.subtasks.push(subtask);
            plan.execution_plan.insert(format!("stage_{stage}"), vec![id]);
        }
        let text = drawn(&Progress::of_plan(&plan, now(), &|_| None), 14);
        assert!(text.lines().count() <= 14, "{text}");
        insta::assert_snapshot!(text, @r"
        Add authentication system with security audit and documentation
        orch-task-1  in_progress  staged  [░░░░░░░░░░] 2%
        stage 1: 1 of 1 done
        stage 2 of 39
          ● auth-002-backend   [█████████░] 90% (55s)  development
          ● auth-003-frontend  handed off to development
        stage 3 of 39
          ○ auth-004-tests     waiting (depends on auth-002-backend, auth-003-frontend)
        stage 4 of 39
          ○ auth-004-more      waiting (depends on auth-002-backend, auth-003-frontend)
        stage 5 of 39
          ○ auth-005-more      waiting (depends on auth-002-backend, auth-003-frontend)
        stages 6 to 39: 0 of 34 done
        ");
    }

    #[test]
    fn bars_have_ten_parts() {
        assert_eq!(bar(90), "[█████████░] 90%");
        assert_eq!(bar(0), "[░░░░░░░░░░] 0%");
        assert_eq!(bar(100), "[██████████] 100%");
    }
}
