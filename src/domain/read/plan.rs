//! Plans that authors wrote themselves.

use serde_json::Value;

use super::fields::{Fields, plain_text, whole_number};
use super::handling;
use super::task::one_line;
use crate::domain::Problem;
use crate::domain::plan::{DraftSubtask, Range, Strategy};

/// Reads `subtasks`; what they say is judged by the validator.
pub(super) fn subtasks(fields: &Fields<'_>) -> Result<Vec<DraftSubtask>, Problem> {
    let Some((name, value)) = fields.get(&["subtasks"]) else { return Ok(Vec::new()) };
    let Some(items) = value.as_array() else {
        let remedy = "write it as [{\"subtask_id\": \"...\"}]";
        return Err(fields.wrong(name, "a list of subtasks", value, remedy));
    };
    let read = |(index, item): (usize, &Value)| {
        subtask(item, fields.file(), &fields.path(&format!("subtasks[{index}]")))
    };
    items.iter().enumerate().map(read).collect()
}

/// Reads `execution_plan`, `{"stage_1": [ids], ...}` or a list of lists; other keys are ignored.
pub(super) fn stages(fields: &Fields<'_>) -> Result<Vec<Vec<String>>, Problem> {
    let Some((name, value)) = fields.get(&["execution_plan", "stages"]) else {
        return Ok(Vec::new());
    };
    let named = |(key, ids): (&String, _)| {
        let number = key.trim().strip_prefix("stage")?.trim_start_matches(['_', '-', ' ']);
        Some((number.parse().ok()?, ids))
    };
    let mut numbered: Vec<(u64, &Value)> = match (value.as_object(), value.as_array()) {
        (Some(map), _) => map.iter().filter_map(named).collect(),
        (_, Some(items)) => (1..).zip(items).collect(),
        (None, None) => {
            let remedy = "write it as {\"stage_1\": [\"...\"]}";
            return Err(fields.wrong(name, "a plan of stages", value, remedy));
        }
    };
    numbered.sort_by_key(|(number, _)| *number);
    let ids = |(number, stage): (u64, &Value)| {
        let ids = match stage.as_array() {
            Some(ids) => ids.iter().map(plain_text).collect::<Option<Vec<String>>>(),
            None => plain_text(stage).map(|id| vec![id]),
        };
        ids.map(|ids| ids.iter().map(|id| id.trim().to_owned()).collect()).ok_or_else(|| {
            let place = format!("{name}.stage_{number}");
            fields.wrong(&place, "a list of subtask ids", stage, "write it as [\"...\"]")
        })
    };
    numbered.into_iter().map(ids).collect()
}

/// Reads `strategy`.
pub(super) fn strategy(fields: &Fields<'_>) -> Result<Option<Strategy>, Problem> {
    // Real files hold whole objects under this name, which mean something else.
    let Some((name, Value::String(word))) = fields.get(&["strategy"]) else { return Ok(None) };
    match word.trim().to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "staged" => Ok(Some(Strategy::Staged)),
        "adaptive" => Ok(Some(Strategy::Adaptive)),
        "sequential" => Ok(Some(Strategy::Sequential)),
        _ => Err(fields.wrong(
            name,
            "a strategy",
            &Value::String(word.clone()),
            "write staged, adaptive or sequential",
        )),
    }
}

fn subtask(value: &Value, file: &str, prefix: &str) -> Result<DraftSubtask, Problem> {
    if let Value::String(title) = value {
        let title = one_line(title);
        return Ok(DraftSubtask { title, ..DraftSubtask::default() });
    }
    let fields = Fields::of(value, file, prefix, "a subtask")?;
    let description = fields.text(&["description"], "\n")?.unwrap_or_default();
    let title = match fields.text(&["title", "name"], " ")? {
        Some(title) => one_line(&title),
        None => one_line(description.lines().next().unwrap_or_default()),
    };
    let minutes =
        minutes(&fields, &["estimated_duration_minutes", "estimated_minutes", "minutes"])?;
    let tokens = fields.whole(&["estimated_tokens", "tokens"])?.unwrap_or(0);
    let trimmed = |ids: Vec<String>| ids.iter().map(|id| id.trim().to_owned()).collect();
    Ok(DraftSubtask {
        subtask_id: fields.word(&["subtask_id", "id"])?.unwrap_or_default(),
        title,
        description,
        assigned_to: trimmed(fields.texts(&["assigned_to", "assigned_master", "master"])?),
        worker_type: fields.word(&["worker_type", "type"])?.unwrap_or_default(),
        dependencies: trimmed(fields.texts(&["dependencies", "depends_on"])?),
        minutes,
        tokens: u32::try_from(tokens).unwrap_or(u32::MAX),
        files_affected: fields.texts(&["files_affected", "files"])?,
        success_criteria: fields
            .text(&["success_criteria", "acceptance_criteria"], "; ")?
            .map(|criteria| criteria.trim().to_owned())
            .unwrap_or_default(),
        deliverables: fields.texts(&["deliverables"])?,
        for_each: fields.word(&["for_each", "forEach"])?,
        handling: handling::read(&fields)?,
        nature: Default::default(),
        choice: Default::default(),
        why: Vec::new(),
    })
}

/// Reads minutes: `15`, `"15"`, `"10-20"` or `{"low": 10, "high": 20}`.
fn minutes<'a>(fields: &Fields<'a>, names: &[&'a str]) -> Result<Range, Problem> {
    let Some((name, value)) = fields.get(names) else { return Ok(Range::default()) };
    let end = |names: [&str; 2]| names.iter().find_map(|name| value.get(*name));
    let both = match plain_text(value) {
        Some(text) => {
            let (low, high) = text.split_once('-').unwrap_or((&text, &text));
            let number = |part: &str| whole_number(&Value::String(part.into()));
            number(low).zip(number(high))
        }
        None => end(["low", "min"])
            .and_then(whole_number)
            .zip(end(["high", "max"]).and_then(whole_number)),
    };
    let Some((low, high)) = both.filter(|(low, high)| low <= high) else {
        return Err(fields.wrong(name, "a number of minutes", value, "write it as 15"));
    };
    let minutes = |number| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Range { low: minutes(low), high: minutes(high) })
}

#[cfg(test)]
mod tests {
    use super::super::task;
    use super::*;
    use crate::domain::plan::OnFailure;
    use crate::domain::policy::Backoff;
    use serde_json::json;

    #[test]
    fn an_explicit_plan_is_read_whole() {
        let spec = task(
            &json!({
                "title": "Auth", "strategy": "Adaptive",
                "subtasks": [
                    {"subtask_id": "auth-001-design", "title": "Design", "assigned_to": "development",
                     "worker_type": "planner", "dependencies": [], "estimated_duration_minutes": 15,
                     "estimated_tokens": "8000", "files_affected": ["docs/auth.md"],
                     "success_criteria": ["a", "b"], "deliverables": "docs/auth.md"},
                    {"id": "auth-002-backend", "description": "Build it\nwell",
                     "assigned_to": ["development", "security"], "depends_on": "auth-001-design",
                     "minutes": "10-20", "components": ["x"], "for_each": " auth-001-design",
                     "optional": true, "retry": "immediate"},
                    "Write it up",
                ],
                "execution_plan": {"stage_10": ["auth-002-backend"], "stage_2": "auth-001-design",
                                   "note": 4},
            }),
            "inbox/plan.json",
            "",
        )
        .unwrap();
        let [first, second, third] = spec.subtasks.as_slice() else { panic!("{spec:?}") };
        assert_eq!(first.success_criteria, "a; b");
        assert_eq!((first.minutes, first.tokens), (Range { low: 15, high: 15 }, 8000));
        assert_eq!(first.deliverables, ["docs/auth.md"]);
        assert_eq!((&*second.subtask_id, &*second.title), ("auth-002-backend", "Build it"));
        assert_eq!(second.assigned_to, ["development", "security"]);
        assert_eq!(second.dependencies, ["auth-001-design"]);
        assert_eq!(second.minutes, Range { low: 10, high: 20 });
        assert_eq!(second.for_each.as_deref(), Some("auth-001-design"));
        assert_eq!(second.handling.on_failure, OnFailure::Skip);
        assert_eq!(second.handling.backoff, Some(Backoff::Immediate));
        assert_eq!(third.title, "Write it up");
        assert_eq!(spec.stages, [["auth-001-design"], ["auth-002-backend"]]);
        assert_eq!(spec.strategy, Some(Strategy::Adaptive));
    }

    #[test]
    fn what_is_wrong_in_a_plan_is_named() {
        for (subtask, said) in [
            (
                json!({"title": "a", "estimated_tokens": -4}),
                "subtasks[0].estimated_tokens: a whole",
            ),
            (json!({"title": "a", "minutes": "soon"}), "subtasks[0].minutes: a number of minutes"),
            (
                json!({"title": "a", "dependencies": [{}]}),
                "subtasks[0].dependencies: a list of texts",
            ),
        ] {
            let value = json!({"title": "t", "subtasks": [subtask]});
            let problem = task(&value, "inbox/p.json", "").unwrap_err().to_string();
            assert!(problem.contains(said), "{problem}");
        }
        let value = json!({"title": "t", "subtasks": ["a"], "execution_plan": {"stage_1": [{}]}});
        let problem = task(&value, "inbox/p.json", "").unwrap_err().to_string();
        assert!(problem.contains("execution_plan.stage_1: a list of subtask ids"), "{problem}");
    }
}
