//! What a plan says beside its steps, from the workspace to the files and the commands that show it.
#![expect(clippy::disallowed_methods, reason = "tests write the files that others write")]

use std::process::Command;

use serde_json::Value;

use crate::env::TestEnv;

/// Lays out files of a workspace.
fn lay_out(env: &TestEnv, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = env.coordination().parent().unwrap().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn baton(env: &TestEnv, args: &[&str]) -> (String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_baton"))
        .arg("--coordination")
        .arg(env.coordination())
        .args(args)
        .output()
        .unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

fn json(env: &TestEnv, args: &[&str]) -> Value {
    let (text, ok) = baton(env, args);
    assert!(ok, "{args:?}: {text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_is_in_the_workspace_reaches_the_plan_of_client_and_daemon_alike() {
    let env = TestEnv::new("[masters.development]\nbackend = \"brief\"\n");
    lay_out(&env, &[("go.mod", "module x"), ("main.go", ""), ("ops/workflows/nightly.txt", "")]);
    let request = "Migrate the ledger from Oracle to Postgres";
    let shown = json(&env, &["plan", request, "--json"]);
    let facts = shown["analysis"]["workspace"].to_string();
    assert!(
        facts.contains("go test ./...") && facts.contains("ops/workflows/nightly.txt"),
        "{facts}"
    );
    assert_eq!(shown["plan"]["strategy"], "sequential");
    env.put("inbox/t.json", &format!(r#"{{"id": "t", "title": "{request}"}}"#));
    let daemon = env.serve();
    env.wait_for("orchestration_completed", &[("task_id", "t")]);
    daemon.drain();
    let plan = env.json("orchestrator/tasks/orch-t.json");
    assert_eq!(plan["analysis"]["workspace"].to_string(), facts);
    assert_eq!(plan["analysis"]["coordination"], "Sequential");
    assert_eq!(plan["phase"], "integrate");
    let verify = plan["subtasks"][2]["success_criteria"].as_str().unwrap();
    assert!(verify.ends_with("checked with `go test ./...`."), "{verify}");
    let explained = json(&env, &["explain", "t", "--json"]);
    assert_eq!(explained["analysis"]["intent"], plan["analysis"]["intent"]);
    let path = json(&env, &["critical-path", "t", "--json"]);
    assert_eq!(path["steps"].as_array().unwrap().len(), 4);
    assert_eq!(path["minutes_left"], 0);
    let (text, _) = baton(&env, &["show", "orch-t"]);
    for figure in
        ["subtasks", "duration", "tokens", "masters", "workers", "parallel", "critical path"]
    {
        assert!(text.contains(&format!("\n{figure} ")), "{figure}: {text}");
    }
    assert!(baton(&env, &["report", "t"]).0.contains("Apache Airflow"));
}

#[test]
fn a_plan_that_lies_in_the_workspace_is_built() {
    let env = TestEnv::new("");
    lay_out(&env, &[(".studio/tasks/task_1/plan.json", r#"{"goal": "Add OAuth login"}"#)]);
    let shown = json(&env, &["plan", "Add login with OAuth to the shop", "--json"]);
    assert_eq!(shown["plan"]["workflow"], "build_only");
    let (text, _) = baton(&env, &["plan", "Add login with OAuth to the shop"]);
    assert!(text.contains("build_only: builder"), "{text}");
    assert!(!baton(&env, &["critical-path", "nothing"]).1);
}
