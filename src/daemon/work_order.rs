//! The text of a work order: everything a handoff says, for a person or an agent to act on.

use std::fmt::{Display, Write};

use crate::domain::handoff::{DependencyResult, Handoff, PreviousAttempt};
use crate::domain::report::ResultKind;

/// Returns the work order as Markdown.
pub(super) fn text(handoff: &Handoff) -> String {
    let mut order = Order::default();
    let subtask = &handoff.subtask;
    order.line(format_args!("# Work order: {}", plain(&subtask.title)));
    order.blank();
    order.line(
        "> This is an order for the work, not the work. Baton's built-in `brief` worker wrote",
    );
    order.line("> it from the plan; nothing of what it asks for has been done yet.");
    order.blank();
    order.facts(handoff);

    order.section("Goal");
    order.paragraph(if subtask.description.is_empty() {
        &subtask.title
    } else {
        &subtask.description
    });
    order.section("Where it stands in the plan");
    order.paragraph(&handoff.context.orchestration_context);
    order.blank();
    order.list("Comes after", &handoff.context.dependencies_completed);
    order.list("Comes before", &handoff.context.next_subtasks);
    order.list("Goes on beside", &handoff.context.related_subtasks);
    order.section("The task it is a part of");
    order.paragraph(&handoff.context.task_description);
    if !handoff.context.task_context.is_empty() {
        order.blank();
        order.block("json", &format!("{:#}", serde_json::json!(handoff.context.task_context)));
    }
    order.earlier_results(&handoff.context.dependency_results);
    if let Some(retry) = &handoff.context.retry {
        order.section("What failed before");
        order.paragraph(&retry.retry_reason);
        order.blank();
        order.paragraph(&format!("This time: {}", retry.retry_modifications));
    }
    order.earlier_attempts(&handoff.context.previous_attempts);
    order.section("Files");
    order.items(&subtask.files_affected, "None are named; stay within the goal.");
    order.section("Success criteria");
    order.paragraph(&subtask.success_criteria);
    order.section("Deliverables");
    order.items(&subtask.deliverables, "No files are required; a summary of what was done is.");
    order.section("Constraints");
    order.items(&handoff.context.constraints, "None are named.");
    order.checklist(handoff);
    order.how_to_report(handoff);
    order.text
}

/// Markdown that grows line by line.
#[derive(Default)]
struct Order {
    text: String,
}

impl Order {
    fn line(&mut self, line: impl Display) {
        // Writing to a String never fails.
        let _ = writeln!(self.text, "{line}");
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.blank();
        self.line(format_args!("## {title}"));
        self.blank();
    }

    fn paragraph(&mut self, text: &str) {
        self.line(plain(text).trim());
    }

    fn items(&mut self, items: &[String], none: &str) {
        if items.is_empty() {
            self.line(none);
        }
        for item in items {
            self.line(format_args!("- {}", plain(item)));
        }
    }

    fn list(&mut self, label: &str, ids: &[impl Display]) {
        if !ids.is_empty() {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            self.line(format_args!("- {label}: {}", plain(&ids.join(", "))));
        }
    }

    /// Puts foreign text between fences that are longer than any in it.
    fn block(&mut self, language: &str, text: &str) {
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        self.line(format_args!("{fence}{language}\n{}\n{fence}", plain(text)));
    }

    fn facts(&mut self, handoff: &Handoff) {
        let subtask = &handoff.subtask;
        self.line(format_args!("- Subtask: `{}`, attempt {}", subtask.subtask_id, handoff.attempt));
        self.line(format_args!("- Part of: `{}`", handoff.parent_orchestration));
        self.line(format_args!("- For: {} ({})", handoff.to, plain(&subtask.worker_type)));
        self.line(format_args!("- Priority: {}", handoff.priority.as_str()));
        self.line(format_args!(
            "- Limits: {} minutes, {} tokens",
            handoff.limits.duration_minutes, handoff.limits.tokens
        ));
    }

    fn earlier_attempts(&mut self, attempts: &[PreviousAttempt]) {
        if attempts.is_empty() {
            return;
        }
        self.section("Earlier attempts");
        for earlier in attempts {
            let category = earlier.category.map(|category| format!(" ({})", category.as_str()));
            self.line(format_args!(
                "- Attempt {} by {} {}{}",
                earlier.attempt,
                earlier.agent,
                earlier.outcome,
                category.unwrap_or_default()
            ));
            if !earlier.reason.is_empty() {
                self.blank();
                self.block("text", &earlier.reason);
                self.blank();
            }
        }
    }

    fn earlier_results(&mut self, results: &[DependencyResult]) {
        if results.is_empty() {
            return;
        }
        self.section("What is there to build on");
        for earlier in results {
            let id = &earlier.subtask_id;
            let Some(result) = &earlier.result else {
                self.line(format_args!("- `{id}` {}: skipped.", plain(&earlier.title)));
                continue;
            };
            let kind = match result.kind {
                ResultKind::Work => "done",
                ResultKind::WorkOrder => "only ordered so far, not done",
            };
            self.line(format_args!("- `{id}` {} ({kind}):", plain(&earlier.title)));
            self.line(format_args!("  {}", plain(&result.summary).replace('\n', "\n  ")));
            for path in &result.deliverables {
                self.line(format_args!("  - {}", plain(path)));
            }
        }
    }

    fn checklist(&mut self, handoff: &Handoff) {
        let subtask = &handoff.subtask;
        self.section("Checklist");
        if !handoff.context.dependency_results.is_empty() {
            self.line("- [ ] Read what the finished subtasks delivered.");
        }
        for file in &subtask.files_affected {
            self.line(format_args!("- [ ] Change {}.", plain(file)));
        }
        for path in &subtask.deliverables {
            self.line(format_args!("- [ ] Leave {} behind.", plain(path)));
        }
        self.line("- [ ] Check the success criteria above, one by one.");
        self.line("- [ ] Respect the constraints above.");
        self.line("- [ ] Report back as below.");
    }

    fn how_to_report(&mut self, handoff: &Handoff) {
        self.section("How to report back");
        self.line(format_args!(
            "Whoever does this work writes what it came to, in this form, to a file and drops it in \
             `inbox/` of the coordination directory; a worker that Baton starts writes it to `{}`:",
            handoff.report_to
        ));
        self.blank();
        let report = serde_json::json!({
            "schema": "baton/report@1",
            "subtask_id": handoff.subtask_id,
            "attempt_id": handoff.attempt_id,
            "status": "success",
            "summary": "what was done, in a sentence or more",
            "deliverables": handoff.subtask.deliverables,
        });
        self.block("json", &format!("{report:#}"));
        self.blank();
        self.line(
            "`status` is `success`, `failure` or `partial`; a failure has `\"error\": {\"category\", \
             \"message\"}`, where the category is `transient`, `code_error`, `design_flaw`, \
             `blocker` or `critical`.",
        );
    }
}

/// Takes control characters out of foreign text, newlines and tabs apart.
fn plain(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}
