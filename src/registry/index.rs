//! An index of agents: `{"agents": [{"id", "name", "description", "category", "tools",
//! "keywords", "file_path", ..}]}`.

use std::path::Path;

use serde_json::{Map, Value};

use super::{Place, Reader, Registry, oddity};
use crate::domain::agent::{Agent, AgentSource, Severity};

/// Reads an index.
pub(super) const READER: Reader = Reader { name: "index", read };

fn read(place: Place<'_>) -> Option<Registry> {
    let Place::Json { path, value } = place else { return None };
    let entries = value.as_object()?.get("agents")?.as_array()?;
    let mut registry = entries_of(path, entries);
    let said = value.get("agent_count").and_then(Value::as_u64);
    if let Some(said) = said.filter(|said| *said != entries.len() as u64) {
        let message = format!("agent_count is {said}, but {} are listed", entries.len());
        let path = path.display().to_string();
        registry.oddities.push(oddity(&path, Severity::Note, message, "write the index again"));
    }
    Some(registry)
}

/// Reads the entries of an index or a list; what is no agent is noted.
pub(super) fn entries_of(path: &Path, entries: &[Value]) -> Registry {
    let mut registry = Registry::default();
    let path = path.display().to_string();
    for (nth, entry) in entries.iter().enumerate() {
        let mut note = |severity, field: &str, message: String, remedy: &str| {
            let mut found = oddity(&path, severity, message, remedy);
            found.field = format!("[{nth}]{field}");
            registry.oddities.push(found);
        };
        let Some(object) = entry.as_object() else {
            let message = "it is no object, and left out".to_owned();
            note(Severity::Error, "", message, "write {\"name\": .., \"description\": ..}");
            continue;
        };
        let name = text(object, &["name", "id", "title"]);
        if name.is_empty() {
            let message = "it has no name, and is left out".to_owned();
            note(Severity::Error, ".name", message, "give it a name");
            continue;
        }
        let description = text(object, &["description", "desc", "summary"]);
        if description.is_empty() {
            let message = format!("{name} has no description");
            note(Severity::Warning, ".description", message, "say what it is for");
        }
        registry.agents.push(agent(object, name, description, &path));
    }
    registry
}

fn agent(object: &Map<String, Value>, name: String, description: String, path: &str) -> Agent {
    const KNOWN: [&str; 11] = [
        "id",
        "name",
        "description",
        "category",
        "tools",
        "keywords",
        "tags",
        "domains",
        "model",
        "file_path",
        "body",
    ];
    let id = text(object, &["id"]);
    let file = text(object, &["file_path", "path"]);
    let mut keywords = texts(object, "keywords");
    keywords.extend(texts(object, "tags"));
    Agent {
        id: if id.is_empty() { name.clone() } else { id },
        name,
        description,
        category: text(object, &["category"]),
        keywords,
        domains: texts(object, "domains"),
        tools: texts(object, "tools"),
        model: Some(text(object, &["model"])).filter(|model| !model.is_empty()),
        source: AgentSource::Listed,
        path: if file.is_empty() { path.to_owned() } else { file },
        other: object
            .iter()
            .filter(|(key, _)| !KNOWN.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), shown(value)))
            .collect(),
        body: text(object, &["body", "prompt", "instructions"]),
        ..Agent::default()
    }
}

/// Returns the first of some fields that is a text.
fn text(object: &Map<String, Value>, fields: &[&str]) -> String {
    let texts = fields.iter().filter_map(|field| object.get(*field)?.as_str());
    texts.map(str::trim).find(|text| !text.is_empty()).unwrap_or_default().to_owned()
}

fn texts(object: &Map<String, Value>, field: &str) -> Vec<String> {
    match object.get(field) {
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::String(text)) => text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
