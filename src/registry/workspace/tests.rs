#![expect(clippy::disallowed_methods, reason = "tests lay out files as others would")]

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// Lays out files: a path and what it holds.
fn laid_out(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn seen(files: &[(&str, &str)]) -> Workspace {
    look_at(laid_out(files).path(), &|| false)
}

#[test]
fn languages_tools_and_checks_are_found() {
    let workspace = seen(&[
        ("Cargo.toml", "[package]"),
        ("src/main.rs", ""),
        ("src/lib.rs", ""),
        ("web/app.tsx", ""),
        ("web/package.json", r#"{"scripts": {"test": "vitest run"}}"#),
        ("Makefile", "all:\n\techo\n"),
        (".github/workflows/ci.yml", "on: push"),
        ("node_modules/left/index.js", ""),
        ("target/debug/build.rs", ""),
        (".git/HEAD", ""),
    ]);
    assert_eq!((workspace.files, workspace.cut), (7, false));
    assert_eq!(workspace.languages, [("Rust", 2), ("React", 1)]);
    let tools: Vec<(&str, &str, Option<&str>)> =
        workspace.tools.iter().map(|t| (t.name, t.language, t.test)).collect();
    assert_eq!(
        tools,
        [
            ("cargo", "Rust", Some("cargo test")),
            ("make", "", None),
            ("npm", "React", Some("npm test")),
        ]
    );
    assert_eq!(workspace.ci, [".github/workflows/ci.yml"]);
    assert_eq!(workspace.test_command(), Some("cargo test"));
}

#[test]
fn workflows_are_found_by_folder_name_and_words() {
    let workspace = seen(&[
        ("app/tasks/send.py", ""),
        ("ci/pipelines/nightly.txt", ""),
        ("deploy_workflow.md", ""),
        ("jobs.yaml", "kind: Dag\n"),
        ("notes.yaml", "dagger and adagio; subpipelines"),
        ("run.py", "# orchestrates everything"),
        ("picture.png", "pipeline"),
    ]);
    let found: Vec<(&str, &str)> =
        workspace.workflows.iter().map(|w| (w.path.as_str(), w.sign.as_str())).collect();
    assert_eq!(
        found,
        [
            ("deploy_workflow.md", "named workflow"),
            ("jobs.yaml", "speaks of dag"),
            ("run.py", "speaks of orchestrat"),
            ("app/tasks/send.py", "in tasks/"),
            ("ci/pipelines/nightly.txt", "in pipelines/"),
        ]
    );
}

#[test]
fn plans_of_others_are_found_with_what_they_are_for() {
    let workspace = seen(&[
        (".studio/tasks/task_1/plan.json", r#"{"goal": "Add a login page"}"#),
        (".studio/tasks/task_1/log.json", "{}"),
        (".studio/tasks/task_2/plan.md", "# Move the shop\ntext"),
        (".studio/tasks/task_3/plan.json", "no JSON"),
    ]);
    let plans: Vec<(&str, &str)> =
        workspace.plans.iter().map(|p| (p.path.as_str(), p.goal.as_str())).collect();
    assert_eq!(
        plans,
        [
            (".studio/tasks/task_1/plan.json", "Add a login page"),
            (".studio/tasks/task_2/plan.md", "Move the shop"),
            (".studio/tasks/task_3/plan.json", ""),
        ]
    );
    assert!(workspace.workflows.is_empty(), "{:?}", workspace.workflows);
    let own = seen(&[("c/orchestrator/tasks/a.json", ""), ("c/inbox/b.json", ""), ("d.rs", "")]);
    assert_eq!((own.files, own.workflows.len()), (1, 0));
}

#[test]
fn what_is_no_test_is_none() {
    let workspace = seen(&[(
        "package.json",
        r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#,
    )]);
    assert_eq!(workspace.tools[0].test, None);
    assert_eq!(seen(&[("package.json", "{")]).tools[0].test, None);
}

#[test]
fn links_are_not_followed_and_never_lead_out() {
    let outside = laid_out(&[("secret/Cargo.toml", ""), ("workflows/a.yml", "")]);
    let dir = laid_out(&[("main.go", "")]);
    symlink(outside.path(), dir.path().join("away")).unwrap();
    symlink(outside.path().join("secret/Cargo.toml"), dir.path().join("Cargo.toml")).unwrap();
    symlink(".", dir.path().join("round")).unwrap();
    let workspace = look_at(dir.path(), &|| false);
    assert_eq!((workspace.files, workspace.cut), (1, false));
    assert!(workspace.tools.is_empty() && workspace.workflows.is_empty());
}

#[test]
fn a_look_has_limits_and_an_end() {
    let deep = format!("{}main.rs", "d/".repeat(DEPTH_MAX));
    let workspace = seen(&[(&deep, ""), ("lib.rs", "")]);
    assert_eq!((workspace.files, workspace.cut), (1, true));
    let dir = laid_out(&[("lib.rs", ""), ("workflows/a", "")]);
    let late = look_at(dir.path(), &|| true);
    assert_eq!((late.files, late.cut), (0, true));
    assert_eq!(look_at(&dir.path().join("nothing"), &|| false), Workspace::default());
    let many: Vec<(String, &str)> = (0..30).map(|n| (format!("tasks/{n:02}.txt"), "")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    assert_eq!(seen(&many).workflows.len(), TOLD_MAX);
}
