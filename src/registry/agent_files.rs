//! Agent files: Markdown that begins with a frontmatter, in a folder and the folders below it.

use std::path::{Path, PathBuf};

use super::frontmatter::{Field, Front, KNOWN};
use super::{Place, Reader, Registry, bytes_of, oddity};
use crate::domain::agent::{Agent, AgentSource, Oddity, Severity};
use crate::domain::validate::suggest::did_you_mean;

/// Reads agent files.
pub(super) const READER: Reader = Reader { name: "agent files", read };

/// No agent file is longer.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Folders are looked through so many levels deep.
const DEPTH_MAX: usize = 12;
/// So many files are read at the most.
const FILES_MAX: usize = 10_000;
/// Fields that only say more, and that other tools write.
const HARMLESS: [&str; 6] = ["title", "expertise_level", "license", "metadata", "id", "aliases"];
/// Names of models that are known.
const MODELS: [&str; 4] = ["inherit", "opus", "sonnet", "haiku"];

fn read(place: Place<'_>) -> Option<Registry> {
    let Place::Files { path: root, source } = place else { return None };
    let mut registry = Registry::default();
    let mut files = Vec::new();
    if root.is_dir() {
        gather(root, 0, &mut files, &mut registry.oddities);
    } else {
        files.push(root.to_owned());
    }
    files.sort();
    if files.len() > FILES_MAX {
        let message = format!("there are {} files, and {FILES_MAX} are read", files.len());
        let shown = root.display().to_string();
        registry.oddities.push(oddity(&shown, Severity::Error, message, "name a smaller folder"));
        files.truncate(FILES_MAX);
    }
    for file in files {
        let shown = file.display().to_string();
        match bytes_of(&file, FILE_BYTES_MAX) {
            Ok(bytes) => {
                let front = Front::read(&bytes);
                take(&mut registry, root, &file, source, front);
            }
            Err(cause) => {
                let message = format!("it cannot be read: {cause}");
                let remedy = "an agent file is a text of some pages that you may read";
                registry.oddities.push(oddity(&shown, Severity::Error, message, remedy));
            }
        }
    }
    Some(registry)
}

/// Gathers the Markdown files of a folder and of those below it. Links to folders are not followed.
fn gather(folder: &Path, depth: usize, files: &mut Vec<PathBuf>, oddities: &mut Vec<Oddity>) {
    let shown = folder.display().to_string();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) if depth < DEPTH_MAX => entries,
        Ok(_) => {
            let message = format!("it is more than {DEPTH_MAX} folders deep, and left out");
            oddities.push(oddity(&shown, Severity::Error, message, "move it up"));
            return;
        }
        Err(cause) => {
            let message = format!("it cannot be read: {cause}");
            oddities.push(oddity(&shown, Severity::Error, message, "look at its permissions"));
            return;
        }
    };
    for entry in entries.flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if is_hidden || files.len() > FILES_MAX {
            continue;
        }
        if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
            gather(&path, depth + 1, files, oddities);
        } else if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("md")) {
            files.push(path);
        }
    }
}

fn take(registry: &mut Registry, root: &Path, file: &Path, source: AgentSource, front: Front) {
    let shown = file.display().to_string();
    let mut oddities = Oddities { path: &shown, found: &mut registry.oddities };
    if !front.is_there && is_guide(file) {
        return;
    }
    for note in &front.notes {
        oddities.add(note.line, note.severity, &note.field, note.message.clone(), note.remedy);
    }
    if !front.is_there {
        return;
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let text = |name: &str| front.field(name).map(|field| field.text.trim().to_owned());
    let list = |name: &str| front.field(name).map(Field::list).unwrap_or_default();
    let given = text("name").unwrap_or_default();
    let name = named(&mut oddities, &front, &given, &stem, file);
    let description = described(&mut oddities, &front);
    look_at_fields(&mut oddities, &front);
    let relative = file.strip_prefix(root).unwrap_or(file).with_extension("");
    let relative = relative.to_string_lossy().replace('\\', "/");
    let id = if relative.is_empty() { stem.clone() } else { relative };
    let mut keywords = list("keywords");
    keywords.extend(list("tags"));
    let said = ["name", "description", "category", "keywords", "tags", "domains", "tools", "model"];
    let is_said = |name: &str| said.iter().any(|known| known.eq_ignore_ascii_case(name));
    let mut other: std::collections::BTreeMap<String, String> = front
        .fields
        .iter()
        .filter(|field| !is_said(&field.name))
        .map(|field| (field.name.clone(), field.text.clone()))
        .collect();
    if !given.is_empty() && given != name {
        other.insert("full_name".to_owned(), given);
    }
    registry.agents.push(Agent {
        id: if source == AgentSource::User { format!("user/{id}") } else { id },
        name,
        description,
        category: text("category").unwrap_or_else(|| category(&stem, file)),
        keywords,
        domains: list("domains"),
        tools: list("tools"),
        model: text("model").filter(|model| !model.is_empty()),
        command: command(&front.body),
        source,
        path: shown.clone(),
        other,
        body: front.body,
        ..Agent::default()
    });
}

/// Returns what an agent is called: its name; where that only says the folder again before the name
/// of the file, the name of the file.
fn named(
    oddities: &mut Oddities<'_>,
    front: &Front,
    given: &str,
    stem: &str,
    file: &Path,
) -> String {
    let line = front.field("name").map_or(0, |field| field.line);
    if given.is_empty() {
        let message = format!("it has no name, and is called {stem} like its file");
        oddities.add(line, Severity::Warning, "name", message, "write `name: ..`");
        return stem.to_owned();
    }
    let shaped = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if !given.chars().all(shaped) {
        let message = format!("{given:?} has more than lower-case letters, digits and dashes");
        oddities.add(line, Severity::Warning, "name", message, "write it as my-agent");
    }
    if given == stem {
        return given.to_owned();
    }
    let folders = file.iter().filter_map(|part| part.to_str());
    let is_prefixed = given.strip_suffix(stem).and_then(|rest| rest.strip_suffix('-'));
    let is_numbered = stem.strip_suffix(given).is_some_and(|prefix| prefix.ends_with('-'));
    if is_prefixed.is_some_and(|prefix| folders.into_iter().any(|folder| folder == prefix)) {
        let message = format!("{given} is called {stem}: its folder is said elsewhere");
        oddities.add(line, Severity::Note, "name", message, "name it as its file is named");
        return stem.to_owned();
    }
    if !is_numbered {
        let message = format!("its file is named {stem}, and it is called {given}");
        oddities.add(line, Severity::Note, "name", message, "name both alike");
    }
    given.to_owned()
}

/// Returns the description; without one, the first paragraph of what the agent is told.
fn described(oddities: &mut Oddities<'_>, front: &Front) -> String {
    let field = front.field("description");
    let text = field.map(|field| field.text.trim()).unwrap_or_default();
    if !text.is_empty() {
        return text.to_owned();
    }
    let line = field.map_or(0, |field| field.line);
    let message = "it has no description: nobody knows what it is for".to_owned();
    oddities.add(line, Severity::Warning, "description", message, "write `description: ..`");
    let mut paragraphs = front.body.split("\n\n").map(str::trim);
    let first = paragraphs.find(|text| !text.is_empty() && !text.starts_with('#'));
    first.unwrap_or_default().chars().take(400).collect()
}

fn look_at_fields(oddities: &mut Oddities<'_>, front: &Front) {
    for field in &front.fields {
        let name = field.name.as_str();
        if HARMLESS.contains(&name) {
            continue;
        }
        if !KNOWN.contains(&name) {
            let message = format!("no such field{}", did_you_mean(name, KNOWN.iter().copied()));
            let remedy = "it is kept, and nothing is done with it";
            oddities.add(field.line, Severity::Note, name, message, remedy);
        }
        if name == "tools" && field.list().is_empty() {
            let message = "it is empty: some take that for none, some for all".to_owned();
            oddities.add(
                field.line,
                Severity::Warning,
                name,
                message,
                "name tools, or leave it out",
            );
        }
        if name == "model" && !is_model(field.text.trim()) {
            let message = format!("{:?} is no model that is known", field.text.trim());
            let remedy = "write opus, sonnet, haiku, inherit or a full name such as claude-..";
            oddities.add(field.line, Severity::Note, name, message, remedy);
        }
    }
    if front.body.is_empty() {
        let message = "it is told nothing: there is no text after the frontmatter".to_owned();
        oddities.add(0, Severity::Warning, "", message, "say what it has to do");
    }
}

fn is_model(name: &str) -> bool {
    MODELS.contains(&name) || name.contains('-')
}

/// Files beside agents that people read.
fn is_guide(file: &Path) -> bool {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ["readme", "license", "changelog", "contributing", "claude", "agents", "index"]
        .contains(&stem.as_str())
}

/// Returns the group that the name of a file or of its folder speaks of: `03-infra-..` is `infra`.
fn category(stem: &str, file: &Path) -> String {
    let after_number = |text: &str| {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.strip_prefix('-').filter(|_| rest.len() < text.len()).map(str::to_owned)
    };
    if let Some(rest) = after_number(stem) {
        return rest.split('-').next().unwrap_or_default().to_owned();
    }
    let folders = file.parent().into_iter().flat_map(Path::iter).filter_map(|part| part.to_str());
    let folder = folders.rev().find(|part| !matches!(*part, "agents" | ".claude"));
    folder
        .map(|folder| after_number(folder).unwrap_or_else(|| folder.to_owned()))
        .unwrap_or_default()
}

/// Returns the command that a section `## Execution` names.
fn command(body: &str) -> Option<String> {
    let section = body.split("\n## ").find(|section| {
        section.trim_start_matches("## ").to_ascii_lowercase().starts_with("execution")
    })?;
    let line = section.lines().find_map(|line| {
        let line = line.trim().trim_start_matches(['-', '*', ' ']);
        line.strip_prefix("command:").or_else(|| line.strip_prefix("**command:**"))
    })?;
    Some(line.trim().trim_matches(['`', '"']).to_owned()).filter(|command| !command.is_empty())
}

/// Takes down what is odd about one file.
struct Oddities<'a> {
    path: &'a str,
    found: &'a mut Vec<Oddity>,
}

impl Oddities<'_> {
    fn add(&mut self, line: usize, severity: Severity, field: &str, message: String, remedy: &str) {
        let (path, field) = (self.path.to_owned(), field.to_owned());
        self.found.push(Oddity { path, line, severity, field, message, remedy: remedy.to_owned() });
    }
}
