//! A program of the operator's: `claude -p`, `codex exec`, a script.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::process::{self, Order};
use super::scratch::Scratch;
use super::{AskError, Asking, Kind, PlannerSettings, Secrets, schema};
use crate::backend;

/// Runs the `argv` of the settings. The question is its standard input, or the file that stands for
/// `{prompt_file}`; the answer is its standard output.
pub(super) const KIND: Kind = Kind {
    name: "command",
    keys: &["argv", "env", "env_allow"],
    check,
    lacks,
    secrets,
    ask: |asking| Box::pin(ask(asking)),
};

fn check(settings: &PlannerSettings) -> Option<[String; 3]> {
    let has_program = settings.argv.first().is_some_and(|program| !program.is_empty());
    (!has_program).then(|| {
        let remedy = "set it to [\"/path/to/program\", \"argument\", ...]";
        ["argv".to_owned(), "kind \"command\" has no program".to_owned(), remedy.to_owned()]
    })
}

fn lacks(settings: &PlannerSettings) -> Option<[String; 2]> {
    let program = settings.argv.first()?;
    let is_program = |path: &Path| {
        let metadata = std::fs::metadata(path);
        metadata.is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    let found = if program.contains('/') {
        is_program(Path::new(program))
    } else {
        let path = environment(settings).remove(&OsString::from("PATH")).unwrap_or_default();
        std::env::split_paths(&path).any(|folder| is_program(&folder.join(program)))
    };
    (!found).then(|| {
        let problem = format!("its program {program:?} is not found");
        [problem, "install it, or name it by its whole path in argv".to_owned()]
    })
}

async fn ask(asking: &Asking<'_>) -> Result<Vec<u8>, AskError> {
    let settings = asking.settings;
    let text = asking.question.as_text();
    let uses = |name: &str| settings.argv.iter().any(|argument| argument.contains(name));
    let (prompt_file, schema_file) = (uses("{prompt_file}"), uses("{schema_file}"));
    let scratch = |what: &str| {
        let what = format!("write {what} for it");
        move |source| AskError::Io { what, source }
    };
    let bare = schema::bare().to_string();
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    let folder = if prompt_file || schema_file {
        Some(Scratch::new(asking.mark).map_err(scratch("a folder"))?)
    } else {
        None
    };
    for (name, file, body, wanted) in [
        ("prompt_file", "prompt.txt", text.as_str(), prompt_file),
        ("schema_file", "schema.json", bare.as_str(), schema_file),
    ] {
        if let Some(folder) = folder.as_ref().filter(|_| wanted) {
            files.insert(name, folder.write(file, body).map_err(scratch(file))?);
        }
    }
    let value = |name: &str| match name {
        "schema" => Some(bare.clone()),
        "workspace" => Some(asking.directory.to_string_lossy().into_owned()),
        _ => files.get(name).cloned(),
    };
    let mut argv = settings.argv.iter().map(|argument| backend::fill_in(argument, &value));
    let program = argv.next().unwrap_or_default();
    process::run(&Order {
        program,
        args: argv.collect(),
        env: environment(settings),
        directory: asking.directory,
        mark: asking.mark,
        input: if prompt_file { "" } else { &text },
        output_bytes_max: settings.answer_bytes_max,
        secrets: secrets(settings),
    })
    .await
}

/// Returns what is passed on of our own environment, and over it what the settings set.
fn environment(settings: &PlannerSettings) -> BTreeMap<OsString, OsString> {
    let is_passed_on = |name: &str| {
        backend::PASSED_ON.iter().any(|pattern| matches(pattern, name))
            || is_allowed(settings, name)
    };
    let ours = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_passed_on));
    let set = settings.env.iter().map(|(name, value)| (name.into(), value.into()));
    ours.chain(set).collect()
}

/// Returns what the settings set and what they pass on beside what everybody gets.
fn secrets(settings: &PlannerSettings) -> Secrets {
    let ours = std::env::vars_os().filter_map(|(name, value)| {
        let is_secret = name.to_str().is_some_and(|name| is_allowed(settings, name));
        value.into_string().ok().filter(|_| is_secret)
    });
    Secrets::of(ours.chain(settings.env.values().cloned()))
}

fn is_allowed(settings: &PlannerSettings, name: &str) -> bool {
    settings.env_allow.iter().any(|pattern| matches(pattern, name))
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}
