//! Planners outside: a program or an address is asked, and the one validator has the last word.

mod endpoint;
mod programs;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::env::TestEnv;

/// A step of an answer.
fn step(id: &str, after: &[&str]) -> Value {
    json!({"id": id, "title": format!("Build {id}"), "description": "", "kind": "implement",
        "domain": "development", "assigned_to": null, "depends_on": after, "files": [],
        "success_criteria": "it works", "minutes": {"low": 5, "high": 10}, "inferred": false,
        "why": "it is asked for"})
}

fn plan(steps: &[Value]) -> Value {
    json!({"verdict": "plan", "reason": "parts", "remedy": "", "question": "", "goal": "Ship it",
        "constraints": [], "success_criteria": [], "subtasks": steps})
}

fn good() -> Value {
    plan(&[step("first", &[]), step("second", &["first"]), step("third", &["first"])])
}

fn cyclic() -> Value {
    plan(&[step("first", &["second"]), step("second", &["first"])])
}

/// A model made of answers in files: the first question gets `answer-1`, the next one `answer-2`.
/// What it was asked is in `question-N`.
struct Model {
    dir: tempfile::TempDir,
}

impl Model {
    fn saying(answers: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (at, answer) in answers.iter().enumerate() {
            std::fs::write(dir.path().join(format!("answer-{}", at + 1)), answer).unwrap();
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The lines of `baton.toml` that make it the planner, with more of them.
    fn settings(&self, more: &str) -> String {
        const SCRIPT: &str = "cd \"$DIR\"; n=1; while [ -e question-$n ]; do n=$((n+1)); done; \
                              cat >question-$n; cat answer-$n";
        self.running(SCRIPT, more)
    }

    /// The same with a script of its own.
    fn running(&self, script: &str, more: &str) -> String {
        let argv = json!(["/bin/sh", "-c", script]);
        format!(
            "planner = \"fake\"\n[planners.fake]\nkind = \"command\"\nargv = {argv}\n\
             env = {{ DIR = \"{}\" }}\n{more}\n",
            self.dir.path().display()
        )
    }

    fn question(&self, number: usize) -> String {
        std::fs::read_to_string(self.path(&format!("question-{number}"))).unwrap()
    }
}

const TASK: &str = "Add a search box, then write tests for it. Do not touch src/old.rs.";

/// Drops a task with this id.
fn drop_task(env: &TestEnv, id: &str, title: &str) {
    let task = json!({"id": id, "title": title});
    env.put(&format!("inbox/{id}.json"), &task.to_string());
}

/// The plan of a task.
fn plan_of(env: &TestEnv, id: &str) -> Value {
    env.wait_until(&format!("the plan of {id}"), || {
        let path = format!("orchestrator/tasks/orch-{id}.json");
        env.exists(&path).then(|| env.json(&path))
    })
}

/// Runs `baton plan` in a directory with these settings; returns the exit code, stdout and stderr.
fn baton(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_baton"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn workspace(env: &TestEnv) -> PathBuf {
    env.coordination().parent().unwrap().to_path_buf()
}
