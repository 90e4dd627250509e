//! What `baton init` writes: the committed `coordination/`, with masters that suit the machine.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::FILE_NAME;

/// One file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitFile {
    /// Where, relative to the coordination directory.
    pub path: &'static str,
    /// What it holds.
    pub body: String,
}

/// The command line of an agent that is installed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentProgram {
    /// The name it is found by: `claude`.
    pub name: &'static str,
    /// Where it is.
    pub program: PathBuf,
    arguments: &'static [&'static str],
    env_allow: &'static [&'static str],
    /// What makes it a planner; nothing where nobody knows.
    planning: &'static [&'static str],
}

/// What an agent is told. The placeholders are filled in when a worker is launched.
const PROMPT: &str = "Carry out the work that the JSON file {handoff} hands to you: read it whole, \
    do what its `subtask` says in this directory, meet its `success_criteria`, and leave every file \
    it lists as a deliverable. When you are done, write {report} as \
    {\"subtask_id\": as in the handoff, \"status\": \"success\" or \"failure\", \
    \"summary\": what you did, \"deliverables\": [the files you left]}.";

/// An agent that is looked for: name, arguments (`PROMPT` stands for the text above), variables, and
/// arguments that make it a planner.
type Known =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const AGENTS: &[Known] = &[
    (
        "claude",
        &["-p", "PROMPT", "--permission-mode", "acceptEdits"],
        &["ANTHROPIC_*", "CLAUDE_*"],
        &["-p", "--output-format", "json"],
    ),
    (
        "codex",
        &["exec", "--full-auto", "PROMPT"],
        &["OPENAI_*", "CODEX_*"],
        &[
            "exec",
            "--sandbox",
            "read-only",
            "--skip-git-repo-check",
            "--output-schema",
            "{schema_file}",
            "-",
        ],
    ),
    ("gemini", &["--yolo", "-p", "PROMPT"], &["GEMINI_*", "GOOGLE_*"], &[]),
    ("opencode", &["run", "PROMPT"], &["OPENCODE_*"], &[]),
];

/// Pairs each path with what the file holds.
macro_rules! committed {
    [$($path:literal,)*] => {
        &[$(($path, include_str!(concat!("../../coordination/", $path)))),*]
    };
}

/// The committed directory, but for its `baton.toml`.
const COMMITTED: &[(&str, &str)] = committed![
    ".gitignore",
    "README.md",
    "examples/command.json",
    "examples/note.md",
    "examples/plan.json",
    "examples/report.json",
    "examples/task.json",
    "schemas/answer.schema.json",
    "schemas/command.schema.json",
    "schemas/completion.schema.json",
    "schemas/dashboard-event.schema.json",
    "schemas/draft.schema.json",
    "schemas/handoff.schema.json",
    "schemas/heartbeat.schema.json",
    "schemas/message.schema.json",
    "schemas/orchestration.schema.json",
    "schemas/plan.schema.json",
    "schemas/reason.schema.json",
    "schemas/report.schema.json",
    "schemas/state.schema.json",
    "schemas/subtask.schema.json",
    "schemas/task-queue.schema.json",
    "schemas/task.schema.json",
    "schemas/worker-spec.schema.json",
];

const EXTERNAL_HEAD: &str = "\
# The operator's settings. README.md beside this file explains every key.
# Only the operator may write this file: it names programs to run.
#
# Plans are drafted by the embedded planner, without a model. `planner = \"NAME\"` here, before all
# tables, asks the one of [planners.NAME] instead, and the embedded planner where that one fails.

# Each master is `external`: somebody elsewhere takes the files below masters/NAME/handoffs/ and
# reports by file. To let Baton run a program instead, set backend = \"command\" and its argv;
# backend = \"brief\" writes work orders and needs nothing.

[masters.development]
backend = \"external\"
domains = [\"development\", \"docs\", \"testing\"]

[masters.security]
backend = \"external\"
domains = [\"security\"]

[masters.inventory]
backend = \"external\"
domains = [\"inventory\"]

[masters.cicd]
backend = \"external\"
domains = [\"cicd\"]
";

/// Returns every file of a new coordination directory. An agent that was found becomes an entry
/// that is ready to use but commented out: running it costs money and changes files, so that is for
/// the operator to say.
pub fn init_files(found: &[AgentProgram]) -> Vec<InitFile> {
    let mut settings = EXTERNAL_HEAD.to_owned();
    for agent in found {
        settings.push_str(&entry(agent));
    }
    for agent in found.iter().filter(|agent| !agent.planning.is_empty()) {
        settings.push_str(&planner(agent));
    }
    let committed = COMMITTED.iter().map(|(path, body)| InitFile { path, body: (*body).into() });
    committed.chain([InitFile { path: FILE_NAME, body: settings }]).collect()
}

/// Looks for agents in the directories of `path_variable` (the value of `PATH`).
pub fn find_agents(path_variable: &OsStr) -> Vec<AgentProgram> {
    let directories: Vec<PathBuf> =
        std::env::split_paths(path_variable).filter(|path| path.is_absolute()).collect();
    let find = |name: &str| {
        directories.iter().map(|directory| directory.join(name)).find(|path| is_program(path))
    };
    AGENTS
        .iter()
        .filter_map(|(name, arguments, env_allow, planning)| {
            Some(AgentProgram { name, program: find(name)?, arguments, env_allow, planning })
        })
        .collect()
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Writes the lines that make an agent the program of a master, commented out.
fn entry(agent: &AgentProgram) -> String {
    let arguments = agent.arguments.iter().map(|a| if *a == "PROMPT" { PROMPT } else { a });
    let head = format!(
        "\n# {} is installed here. To let it work for a master, put these lines in place of the\n\
         # master's `backend = \"external\"`, without the leading `# `.\n",
        agent.name
    );
    head + &commented(&format!("backend = \"command\"\n{}", program(agent, arguments)))
}

/// Writes the lines that make an agent a planner, commented out.
fn planner(agent: &AgentProgram) -> String {
    let name = agent.name;
    let head = format!(
        "\n# To let {name} draft plans, put `planner = \"{name}\"` above all tables and take the\n\
         # leading `# ` off here.\n"
    );
    let lines = program(agent, agent.planning.iter().copied());
    head + &commented(&format!("[planners.{name}]\nkind = \"command\"\n{lines}"))
}

/// Writes how it is run.
fn program<'a>(agent: &'a AgentProgram, arguments: impl Iterator<Item = &'a str>) -> String {
    let program = quoted(&agent.program.to_string_lossy());
    let argv = std::iter::once(program).chain(arguments.map(quoted));
    let argv = argv.map(|argument| format!("    {argument},\n"));
    let env_allow: Vec<String> = agent.env_allow.iter().map(|name| quoted(name)).collect();
    format!("argv = [\n{}]\nenv_allow = [{}]\n", argv.collect::<String>(), env_allow.join(", "))
}

fn commented(lines: &str) -> String {
    lines.lines().map(|line| format!("# {line}\n")).collect()
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
