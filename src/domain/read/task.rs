//! Tasks in every shape in which they are dropped.

use serde_json::{Map, Value};

use super::fields::{Fields, plain_text};
use super::plan::{stages, strategy, subtasks};
use crate::domain::Problem;
use crate::domain::task::{Priority, TaskSpec};

/// Reads a task, with the author's own plan when it has `subtasks`.
///
/// `prefix` is the path of the task in its file, such as `tasks[3]`, and empty for a file that is
/// one task. The id is only read here; whether it is allowed is judged where it is used.
///
/// # Errors
/// Names the first field that cannot be what it has to be, or says that there is neither a title
/// nor a description.
pub fn task(value: &Value, file: &str, prefix: &str) -> Result<TaskSpec, Problem> {
    let fields = Fields::of(value, file, prefix, "a task")?;
    let payload = value.get("payload").filter(|payload| payload.is_object()).unwrap_or(value);
    let payload = Fields::of(payload, file, prefix, "a task")?;
    let title = match fields.text(&["title"], " ")? {
        Some(title) if !title.trim().is_empty() => title,
        Some(_) | None => payload.text(&["title"], " ")?.unwrap_or_default(),
    };
    let context = context(&fields);
    let description = match fields.text(&["description"], "\n")? {
        Some(description) => description,
        None => match payload.text(&["description", "query"], "\n")? {
            Some(description) => description,
            None => context.get("description").and_then(plain_text).unwrap_or_default(),
        },
    };
    let title = one_line(if title.trim().is_empty() { first_line(&description) } else { &title });
    if title.is_empty() {
        let message = "neither a title nor a description says what to do".to_owned();
        return Err(fields.problem("title", message, "add a `title`"));
    }
    let subtasks = subtasks(&fields)?;
    let mut spec = TaskSpec {
        id: fields.word(&["id", "task_id"])?,
        title,
        description,
        kind: fields.word(&["type"])?,
        priority: priority(value, file, prefix)?,
        // Only shown, and real files hold templates here that nobody filled in.
        created_at: fields.time(&["created_at"]).unwrap_or_default(),
        created_by: fields.word(&["created_by", "source"]).unwrap_or_default(),
        assigned_to: assigned_to(&fields)?,
        orchestration_required: fields.flag(&["orchestration_required"])?,
        complexity: value.get("complexity").cloned().unwrap_or_default(),
        context,
        metadata: value.get("metadata").cloned().unwrap_or_default(),
        strategy: strategy(&fields)?,
        stages: if subtasks.is_empty() { Vec::new() } else { stages(&fields)? },
        subtasks,
        rest: Map::new(),
    };
    spec.rest = rest(value, &spec);
    Ok(spec)
}

/// Fields that a task keeps under a name of its own, whatever stands in them.
const TAKEN: [&str; 16] = [
    "id",
    "task_id",
    "title",
    "description",
    "type",
    "priority",
    "status",
    "assigned_to",
    "assigned_master",
    "master",
    "orchestration_required",
    "complexity",
    "context",
    "metadata",
    "subtasks",
    "execution_plan",
];

/// Returns the fields that the task does not keep otherwise.
fn rest(value: &Value, spec: &TaskSpec) -> Map<String, Value> {
    let is_kept = |name: &str| match name {
        "created_at" => spec.created_at.is_some(),
        "created_by" => spec.created_by.is_some(),
        "strategy" => spec.strategy.is_some(),
        "stages" => !spec.stages.is_empty(),
        _ => TAKEN.contains(&name),
    };
    let fields = value.as_object().into_iter().flatten();
    fields
        .filter(|(name, _)| !is_kept(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Reads a text or Markdown file as a task whose title is its first line.
///
/// # Errors
/// There is no line with anything on it, or there is a NUL, which no text has.
pub fn text_task(file: &str, text: &str) -> Result<TaskSpec, Problem> {
    let problem = |message: String, remedy: &str| Problem {
        file: file.into(),
        field: String::new(),
        message,
        remedy: remedy.into(),
    };
    if let Some(at) = text.find('\0') {
        let message = format!("there is a NUL at offset {at}, so it is no text");
        return Err(problem(message, "drop a text file"));
    }
    let heading = |c: char| c.is_whitespace() || matches!(c, '#' | '=' | '-' | '*');
    let mut lines = text.lines();
    let title = lines.by_ref().map(|line| line.trim_start_matches(heading).trim());
    let title = title.into_iter().find(|line| !line.is_empty());
    let Some(title) = title else {
        let message = "the file is empty".to_owned();
        return Err(problem(message, "write what is to be done, its title in the first line"));
    };
    let title = one_line(title.trim_end_matches(['#', ' ']));
    let description = lines.collect::<Vec<_>>().join("\n").trim().to_owned();
    Ok(TaskSpec { title, description, ..TaskSpec::default() })
}

/// Reads `priority`: a word in any case (`normal` is medium), or 1 (critical) to 4 and more (low).
///
/// # Errors
/// Any other word or type.
pub fn priority(value: &Value, file: &str, prefix: &str) -> Result<Priority, Problem> {
    let fields = Fields::of(value, file, prefix, "a task")?;
    let Some(word) = fields.word(&["priority"])? else { return Ok(Priority::default()) };
    let number = word.parse::<u64>().ok();
    match (word.to_ascii_lowercase().as_str(), number) {
        ("critical", _) | (_, Some(1)) => Ok(Priority::Critical),
        ("high", _) | (_, Some(2)) => Ok(Priority::High),
        ("medium" | "normal", _) | (_, Some(3)) => Ok(Priority::Medium),
        ("low", _) | (_, Some(4..)) => Ok(Priority::Low),
        (_, Some(0) | None) => Err(fields.wrong(
            "priority",
            "a priority",
            &Value::String(word),
            "write critical, high, medium or low",
        )),
    }
}

fn assigned_to(fields: &Fields<'_>) -> Result<Option<String>, Problem> {
    let names = ["assigned_to", "assigned_master", "master"];
    match fields.get(&names) {
        Some((name, Value::Array(masters))) => match masters.as_slice() {
            [] => Ok(None),
            [Value::String(one)] => Ok(Some(one.trim().to_owned())),
            [..] => {
                let found = Value::Array(masters.clone());
                Err(fields.wrong(name, "one master", &found, "name exactly one master"))
            }
        },
        Some(_) | None => fields.word(&names),
    }
}

/// Takes `context` as it is; what is no object stands in one under the same name.
fn context(fields: &Fields<'_>) -> Map<String, Value> {
    match fields.get(&["context"]) {
        Some((_, Value::Object(map))) => map.clone(),
        Some((name, other)) => Map::from_iter([(name.to_owned(), other.clone())]),
        None => Map::new(),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// Joins lines by blanks, so that a title is one line whatever its author wrote.
pub(super) fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> TaskSpec {
        task(value, "task-queue.json", "tasks[3]").unwrap()
    }

    #[test]
    fn real_shapes_are_read() {
        let spec = read(&json!({
            "id": 17, "title": "  Fix\n the login ", "description": ["one", "two"], "type": "bug",
            "priority": "NORMAL", "status": "pending", "created_at": "2025-11-25T12:12:24-0600",
            "created_by": "user", "assigned_to": "\ndevelopment", "orchestration_required": "false",
            "complexity": 7, "context": "see the wiki", "metadata": [1], "moe_test": true,
        }));
        assert_eq!(spec.id.as_deref(), Some("17"));
        assert_eq!((spec.title.as_str(), spec.description.as_str()), ("Fix the login", "one\ntwo"));
        assert_eq!(spec.priority, Priority::Medium);
        assert_eq!(spec.created_at.unwrap().to_string(), "2025-11-25T18:12:24Z");
        assert_eq!(spec.assigned_to.as_deref(), Some("development"));
        assert_eq!(spec.orchestration_required, Some(false));
        assert_eq!(spec.context, Map::from_iter([("context".to_owned(), json!("see the wiki"))]));
        assert_eq!(spec.rest, Map::from_iter([("moe_test".to_owned(), json!(true))]));
        let spec = read(&json!({
            "task_id": "api-guide", "description": "\n Create a guide\nwith examples",
            "assigned_master": "development-master", "created_at": "$(date -Iseconds)",
        }));
        assert_eq!(
            (spec.id.as_deref(), spec.title.as_str()),
            (Some("api-guide"), "Create a guide")
        );
        assert_eq!(spec.assigned_to.as_deref(), Some("development-master"));
        assert_eq!(spec.created_at, None);
        assert_eq!(spec.rest["created_at"], "$(date -Iseconds)");
        let spec = read(&json!({
            "id": " ", "priority": 5, "payload": {"title": "Build it", "query": "All of it"},
        }));
        assert_eq!((spec.id, spec.priority), (None, Priority::Low));
        assert_eq!((spec.title.as_str(), spec.description.as_str()), ("Build it", "All of it"));
    }

    #[test]
    fn priorities_are_words_or_numbers() {
        for (written, read) in [
            (json!("CRITICAL"), "critical"),
            (json!(" High "), "high"),
            (json!("normal"), "medium"),
            (json!(1), "critical"),
            (json!("2"), "high"),
            (json!(4), "low"),
            (Value::Null, "medium"),
        ] {
            let found = priority(&json!({"priority": written}), "f", "").unwrap();
            assert_eq!(found.as_str(), read, "{written}");
        }
    }

    #[test]
    fn a_wrong_type_is_one_problem_with_its_place() {
        for (value, said) in [
            (json!(3), "tasks[3]: a task is expected as an object, found 3"),
            (json!({}), "tasks[3].title: neither a title nor a description"),
            (json!({"title": {}}), "tasks[3].title: a text is expected, found an object of 0"),
            (
                json!({"title": "a", "id": [1]}),
                "tasks[3].id: a text is expected, found a list of 1",
            ),
            (json!({"title": "a", "id": true}), "tasks[3].id: a text is expected, found true"),
            (
                json!({"title": "a", "priority": "soon"}),
                "priority: a priority is expected, found `soon`",
            ),
            (json!({"title": "a", "priority": 0}), "write critical, high, medium or low"),
            (
                json!({"title": "a", "assigned_to": ["x", "y"]}),
                "assigned_to: one master is expected",
            ),
            (json!({"title": "a", "orchestration_required": "maybe"}), "true or false is expected"),
            (json!({"title": "a", "subtasks": 4}), "tasks[3].subtasks: a list of subtasks"),
            (json!({"title": "a", "subtasks": [4]}), "tasks[3].subtasks[0]: a subtask is expected"),
            (
                json!({"title": "a", "strategy": "fast"}),
                "strategy: a strategy is expected, found `fast`",
            ),
        ] {
            let problem = task(&value, "task-queue.json", "tasks[3]").unwrap_err().to_string();
            assert!(problem.contains(said) && problem.starts_with("task-queue.json"), "{problem}");
        }
    }

    #[test]
    fn the_first_line_of_a_text_is_its_title() {
        let spec = text_task("inbox/a.md", "\n## Add login ##\r\n\nWith tests.\nSoon.\n").unwrap();
        assert_eq!((&*spec.title, &*spec.description), ("Add login", "With tests.\nSoon."));
        assert_eq!(text_task("a.txt", "one").unwrap().description, "");
        assert!(text_task("a.txt", " \n---\n").unwrap_err().message.contains("empty"));
        assert!(text_task("a.txt", "ab\0").unwrap_err().message.contains("NUL at offset 2"));
    }
}
