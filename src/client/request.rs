//! What a person or a program asks for: a text, a file or stdin becomes a task to drop.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::clock;
use crate::domain::Problem;
use crate::domain::ids::{AgentName, TaskId};
use crate::domain::read;
use crate::domain::task::{Priority, TaskSpec};

use super::{Client, ClientError};

/// A task that can be dropped: read, checked, and with an id by which it can be followed.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its id, the author's or one made here.
    pub task_id: TaskId,
    /// What it says.
    pub spec: TaskSpec,
    /// What is dropped.
    body: Map<String, Value>,
    /// Its id was made here, and ends in something unique.
    has_own_id: bool,
}

/// What the command line says beside the request; it wins over what the request says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The title.
    pub title: Option<String>,
    /// How urgent it is.
    pub priority: Option<Priority>,
    /// The kind of work.
    pub kind: Option<String>,
    /// Who is to have it.
    pub master: Option<AgentName>,
}

/// Why a request cannot be dropped.
#[derive(Debug, Error)]
pub enum RequestError {
    /// There is nothing in it.
    #[error("the request from {origin} is empty")]
    Empty {
        /// Where it came from.
        origin: String,
    },
    /// The file it names is not there.
    #[error("there is no file {}", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// It names a directory.
    #[error("{} is a directory, not a request", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read {origin}: {source}")]
    Unreadable {
        /// Where it was to come from.
        origin: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is longer than a task may be.
    #[error("{origin} has more than {} MiB, the most a request may have", limit >> 20)]
    TooLarge {
        /// Where it came from.
        origin: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// It is not text.
    #[error("{origin} is no text: byte {at} is {problem}")]
    NotText {
        /// Where it came from.
        origin: String,
        /// Position of the first byte that is wrong, from 0.
        at: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It is JSON, but no task.
    #[error("{}", problem_text(.0))]
    NotATask(Problem),
    /// A task of that id is known.
    #[error("there is a task {task_id} already")]
    Known {
        /// Which.
        task_id: TaskId,
    },
    /// The directory could not be read or written.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The most bytes a request may have.
pub const REQUEST_BYTES_MAX: u64 = 16 << 20;

/// Letters of the title that an id shows at most.
const SLUG_LENGTH_MAX: usize = 26;
/// Letters that make the id unique.
const UNIQUE_LENGTH: usize = 6;

impl Request {
    /// Reads a request: `words` are `-` for `stdin`, one name of a file, or the text itself.
    ///
    /// # Errors
    /// It cannot be read, or is no task.
    pub fn read(
        words: &[String],
        stdin: &mut dyn Read,
        wishes: &Wishes,
    ) -> Result<Self, RequestError> {
        let (origin, text) = text_of(words, stdin)?;
        if text.trim().is_empty() {
            return Err(RequestError::Empty { origin });
        }
        let is_json = origin.ends_with(".json") || text.trim_start().starts_with('{');
        let mut body = if is_json {
            object(&origin, &text)?
        } else {
            written(&read::text_task(&origin, &text).map_err(RequestError::NotATask)?)
        };
        grant(&mut body, wishes);
        let spec = read::task(&Value::Object(body.clone()), &origin, "")
            .map_err(RequestError::NotATask)?;
        let task_id = match &spec.id {
            Some(id) => TaskId::parse(id).map_err(|e| {
                RequestError::NotATask(Problem {
                    file: origin,
                    field: "id".into(),
                    message: e.to_string(),
                    remedy: "correct it, or leave it out and get one".into(),
                })
            })?,
            None => new_id(&spec.title),
        };
        let has_own_id = spec.id.is_none();
        body.insert("id".into(), json!(task_id));
        let spec = TaskSpec { id: Some(task_id.to_string()), ..spec };
        Ok(Self { task_id, spec, body, has_own_id })
    }

    /// Returns what the names of its file and of files that say the same begin with.
    pub(super) fn name_stem(&self) -> &str {
        let id = self.task_id.as_str();
        if self.has_own_id { &id[..id.len() - UNIQUE_LENGTH] } else { id }
    }

    /// Tells whether a file that was dropped says what this request says.
    pub(super) fn says_the_same(&self, dropped: &Map<String, Value>) -> bool {
        const OWN: [&str; 3] = ["schema", "id", "created_at"];
        let said = |body: &Map<String, Value>| {
            let fields = body.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
            fields.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>()
        };
        let may_be_it = self.has_own_id || self.body.get("id") == dropped.get("id");
        may_be_it && said(&self.body) == said(dropped)
    }

    /// Drops the request into the inbox; returns the name of the file there.
    ///
    /// # Errors
    /// The id is known already, or the inbox cannot be written.
    pub fn submit(&self, client: &Client) -> Result<String, RequestError> {
        if client.knows_task(&self.task_id) {
            return Err(RequestError::Known { task_id: self.task_id.clone() });
        }
        let name = format!("{}.{}.json", self.task_id, unique());
        let mut body = Map::new();
        let schema = if self.spec.subtasks.is_empty() { "baton/task@1" } else { "baton/plan@1" };
        body.insert("schema".into(), schema.into());
        body.extend(self.body.clone());
        body.entry("created_at").or_insert_with(|| json!(clock::now().wall));
        let text = format!("{:#}\n", Value::Object(body));
        client.drop_file(&name, text.as_bytes())?;
        Ok(name)
    }
}

impl RequestError {
    /// Returns what can be done about it.
    pub fn remedy(&self) -> String {
        match self {
            RequestError::Empty { .. } => {
                "say in a sentence what is to be done, e.g. `baton run \"Add a login page\"`".into()
            }
            RequestError::Missing { .. } => {
                "check the name; a request in words must not end like a file name".into()
            }
            RequestError::Directory { .. } => "name a file in it, or put the text in quotes".into(),
            RequestError::Unreadable { .. } => "check the file and its permissions".into(),
            RequestError::TooLarge { .. } => {
                "keep the request short and name long material as a file".into()
            }
            RequestError::NotText { .. } => {
                "hand in UTF-8 text, Markdown or JSON, and name other material as a file".into()
            }
            RequestError::NotATask(problem) => problem.remedy.clone(),
            RequestError::Known { task_id } => {
                format!("`baton show {task_id}` shows it, `baton retry {task_id}` runs it again")
            }
            RequestError::Client(_) => {
                "`baton doctor` says what is wrong with the directory".into()
            }
        }
    }
}

/// Tells text, file and stdin apart and reads what is meant.
fn text_of(words: &[String], stdin: &mut dyn Read) -> Result<(String, String), RequestError> {
    let [only] = words else {
        return Ok(("the command line".into(), words.join(" ")));
    };
    if only == "-" {
        return Ok(("stdin".into(), text_from("stdin", stdin)?));
    }
    let path = Path::new(only);
    let named_like_a_file = !only.contains(char::is_whitespace)
        && (["json", "md", "txt"].iter().any(|e| path.extension().is_some_and(|x| x == *e))
            || only.starts_with("./")
            || only.starts_with("../")
            || only.starts_with('/'));
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() && (named_like_a_file || only.ends_with('/')) => {
            Err(RequestError::Directory { path: path.to_path_buf() })
        }
        Ok(meta) if !meta.is_dir() => {
            let unreadable = |source| RequestError::Unreadable { origin: only.clone(), source };
            let mut file = File::open(path).map_err(unreadable)?;
            Ok((only.clone(), text_from(only, &mut file)?))
        }
        Ok(_) | Err(_) if named_like_a_file => {
            Err(RequestError::Missing { path: path.to_path_buf() })
        }
        Ok(_) | Err(_) => Ok(("the command line".into(), only.clone())),
    }
}

fn text_from(origin: &str, source: &mut dyn Read) -> Result<String, RequestError> {
    let mut bytes = Vec::new();
    source
        .take(REQUEST_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| RequestError::Unreadable { origin: origin.to_owned(), source })?;
    let origin = origin.to_owned();
    if bytes.len() as u64 > REQUEST_BYTES_MAX {
        return Err(RequestError::TooLarge { origin, limit: REQUEST_BYTES_MAX });
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(RequestError::NotText { origin, at, problem: "zero" });
    }
    String::from_utf8(bytes).map_err(|e| RequestError::NotText {
        origin,
        at: e.utf8_error().valid_up_to(),
        problem: "not UTF-8",
    })
}

fn object(origin: &str, text: &str) -> Result<Map<String, Value>, RequestError> {
    match read::parse_json(text.as_bytes(), origin).map_err(RequestError::NotATask)? {
        Value::Object(body) => Ok(body),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(RequestError::NotATask(Problem {
                file: origin.to_owned(),
                field: String::new(),
                message: "it is JSON but no object".into(),
                remedy: "hand in one task: an object with a title or a description".into(),
            }))
        }
    }
}

/// Writes a task that was read from text as an object.
fn written(spec: &TaskSpec) -> Map<String, Value> {
    match serde_json::to_value(spec) {
        Ok(Value::Object(body)) => body,
        Ok(_) | Err(_) => Map::new(),
    }
}

fn grant(body: &mut Map<String, Value>, wishes: &Wishes) {
    let wanted = [
        ("title", wishes.title.as_ref().map(|title| json!(title))),
        ("priority", wishes.priority.map(|priority| json!(priority))),
        ("type", wishes.kind.as_ref().map(|kind| json!(kind))),
        ("assigned_to", wishes.master.as_ref().map(|master| json!(master))),
    ];
    for (name, value) in wanted {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    }
}

/// Makes an id that a person recognises: words of the title and something unique.
fn new_id(title: &str) -> TaskId {
    let mut slug = String::new();
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        if slug.len() + word.len() + 1 > SLUG_LENGTH_MAX {
            break;
        }
        slug.push_str(&word.to_ascii_lowercase());
        slug.push('-');
    }
    let unique = unique();
    TaskId::parse(&format!("{slug}{unique}"))
        .or_else(|_| TaskId::parse(&format!("task-{unique}")))
        .expect("`task-` and hex digits are a task id")
}

fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..UNIQUE_LENGTH].to_owned()
}

fn problem_text(problem: &Problem) -> String {
    match problem.field.as_str() {
        "" => format!("{}: {}", problem.file, problem.message),
        field => format!("{}: {field}: {}", problem.file, problem.message),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write the files that are handed in")]
mod tests {
    use super::super::tests::{directory, write};
    use super::*;

    fn request(words: &[&str], stdin: &[u8]) -> Result<Request, RequestError> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Request::read(&words, &mut &*stdin, &Wishes::default())
    }

    #[test]
    fn words_stdin_and_files_all_become_a_task() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("wish.md");
        std::fs::write(&file, "# Add a page\n\nWith a form.\n").unwrap();
        for (words, stdin) in [
            (vec!["Add a page"], ""),
            (vec!["Add", "a", "page"], ""),
            (vec!["-"], "Add a page\n"),
            (vec![file.to_str().unwrap()], ""),
            (vec!["-"], r#"{"title": "Add a page"}"#),
        ] {
            let request = request(&words, stdin.as_bytes()).unwrap();
            assert_eq!(request.spec.title, "Add a page", "{words:?}");
            assert!(request.task_id.as_str().starts_with("add-a-page-"), "{}", request.task_id);
        }
    }

    #[test]
    fn what_cannot_be_a_request_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let long = vec![b'x'; usize::try_from(REQUEST_BYTES_MAX).unwrap() + 1];
        for (name, says) in [
            (file("empty.md", b" \n"), "is empty"),
            (file("long.txt", &long), "has more than 16 MiB"),
            (file("picture.txt", b"a\0b"), "byte 1 is zero"),
            (file("latin.txt", b"caf\xe9"), "byte 3 is not UTF-8"),
            (file("list.json", b"[1]"), "no object"),
            (
                file("id.json", br#"{"title": "x", "id": "../x"}"#),
                "id: task id \"../x\" is refused",
            ),
            (dir.path().to_str().unwrap().to_owned(), "is a directory"),
            (dir.path().join("none.json").to_str().unwrap().to_owned(), "there is no file"),
        ] {
            let error = request(&[&name], b"").unwrap_err();
            assert!(error.to_string().contains(says), "{name}: {error}");
            assert!(!error.remedy().is_empty());
        }
    }

    #[test]
    fn a_request_is_dropped_with_its_unknown_fields_and_an_id() {
        let (_dir, client) = directory();
        let wishes = Wishes {
            priority: Some(Priority::High),
            master: Some(AgentName::parse("security").unwrap()),
            ..Wishes::default()
        };
        let json = br#"{"title": "Look", "ours": {"n": 12345678901234567890123}}"#;
        let request = Request::read(&["-".into()], &mut &json[..], &wishes).unwrap();
        let name = request.submit(&client).unwrap();
        let text = client.text(&format!("inbox/{name}")).unwrap().unwrap();
        for part in ["\"baton/task@1\"", "\"high\"", "\"security\"", "12345678901234567890123"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        write(&client, &format!("orchestrator/subtasks/{}.json", request.task_id), "{}");
        let again = request.submit(&client).unwrap_err();
        assert!(again.to_string().contains("already"), "{again}");
    }

    #[test]
    fn ids_are_made_of_the_title_whatever_it_is() {
        for (title, beginning) in [
            ("Subtask-like: -attempt- 3", "task-"),
            ("日本語", ""),
            (
                "A very long title that says more than anybody wants to read twice",
                "a-very-long-title-that-",
            ),
        ] {
            let id = new_id(title);
            assert!(id.as_str().starts_with(beginning), "{id}");
        }
    }
}
