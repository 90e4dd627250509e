//! Who gets a step, and what the directory learns from how it went.
#![expect(clippy::disallowed_methods, reason = "tests write the files that others write")]

use serde_json::{Value, json};

use crate::env::TestEnv;

/// Two masters that take the same work and say that they did it, and with which specialist.
fn twins(more: &str) -> TestEnv {
    let script = "echo \"done by $BATON_SPECIALIST with a $BATON_MODEL_TIER model\"";
    let argv = json!(["/bin/sh", "-c", script]);
    let master = |name: &str, says: &str| {
        format!(
            "[masters.{name}]\nbackend = \"command\"\nargv = {argv}\ndescription = \"{says}\"\n\
             domains = [\"development\", \"testing\", \"data\", \"docs\"]\n"
        )
    };
    let (alice, bob) = (master("alice", "Good at anything."), master("bob", "Good at anything."));
    TestEnv::new(&format!("{more}\n{alice}{bob}"))
}

fn agent(env: &TestEnv, name: &str, description: &str) {
    let folder = env.coordination().parent().unwrap().join(".claude/agents");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!("---\nname: {name}\ndescription: {description}\n---\nDo it.\n");
    std::fs::write(folder.join(format!("{name}.md")), text).unwrap();
}

fn drop_task(env: &TestEnv, id: &str, body: Value) {
    let mut body = body;
    body["id"] = id.into();
    env.put(&format!("inbox/{id}.json"), &body.to_string());
}

/// Lets a daemon carry a task out from its beginning to its end.
fn carry_out(env: &TestEnv, id: &str, body: Value) {
    drop_task(env, id, body);
    let daemon = env.serve();
    env.wait_for("orchestration_completed", &[("task_id", id)]);
    daemon.drain();
}

fn subtasks(env: &TestEnv, task: &str) -> Vec<Value> {
    let folder = std::fs::read_dir(env.path("orchestrator/subtasks")).unwrap();
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        env.json(&format!("orchestrator/subtasks/{name}"))
    };
    let mut found: Vec<Value> =
        folder.map(read).filter(|one| one["parent_task_id"] == task).collect();
    found.sort_by_key(|one| one["subtask_id"].as_str().unwrap().to_owned());
    found
}

#[test]
fn a_step_comes_with_figures_fallbacks_and_a_specialist_that_its_worker_is_told() {
    let env = twins("");
    agent(&env, "indexer", "Makes slow database queries fast by means of indexes");
    agent(&env, "painter", "Draws web pages and their styles");
    carry_out(&env, "t", json!({"title": "Speed up the slow database queries of the report"}));
    let [whole] = subtasks(&env, "t").try_into().unwrap();
    let masters = whole["choice"]["masters"].as_array().unwrap();
    let names: Vec<&str> = masters.iter().map(|one| one["agent"].as_str().unwrap()).collect();
    assert_eq!((whole["assigned_to"].as_str().unwrap(), names), ("alice", vec!["alice", "bob"]));
    assert!(masters[0]["capability_percent"].as_u64().unwrap() > 50, "{masters:?}");
    assert_eq!(masters[0]["load_percent"], 0);
    let specialist = &whole["choice"]["specialists"][0];
    assert_eq!(specialist["agent"], "indexer", "{whole}");
    assert!(!specialist["reasons"].as_array().unwrap().is_empty());
    let summary = whole["result"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("done by indexer with a "), "{summary}");
}

#[test]
fn who_did_badly_before_is_passed_over_unless_nothing_is_to_be_learned() {
    for (more, expected) in [("", "bob"), ("learning = false", "alice")] {
        let env = twins(more);
        let failed = |n: usize| {
            let request = format!("Fix bug number {n}");
            json!({"request": request, "agent": "alice", "outcome": "failure"}).to_string() + "\n"
        };
        env.put("orchestrator/memory.jsonl", &(0..6).map(failed).collect::<String>());
        carry_out(&env, "t", json!({"title": "Fix the typo in the date parser"}));
        let [whole] = subtasks(&env, "t").try_into().unwrap();
        assert_eq!(whole["assigned_to"], expected, "{whole}");
    }
}

#[test]
fn the_plan_that_its_author_wrote_is_used_again_for_the_same_request() {
    let env = twins("");
    let request = json!({"title": "Prepare the monthly figures"});
    let mut written = request;
    written["subtasks"] = json!([
        {"id": "fig-001-fetch", "title": "Fetch the numbers", "worker_type": "Data Work/2",
         "success_criteria": "they are there"},
        {"id": "fig-002-check", "title": "Check the numbers", "worker_type": "test",
         "success_criteria": "they add up", "dependencies": ["fig-001-fetch"]},
        {"id": "fig-003-tell", "title": "Tell the team", "worker_type": "documentation",
         "success_criteria": "they know", "dependencies": ["fig-002-check"]},
    ]);
    carry_out(&env, "january", written);
    carry_out(&env, "february", json!({"title": "prepare the  monthly figures."}));
    let titles: Vec<Value> =
        subtasks(&env, "february").iter().map(|one| one["title"].clone()).collect();
    assert_eq!(titles, ["Fetch the numbers", "Check the numbers", "Tell the team"]);
    let plan = env.wait_for("plan_accepted", &[("task_id", "february")]);
    assert!(plan.to_string().contains("the same request as task january"), "{plan}");
    let last = subtasks(&env, "february").pop().unwrap();
    assert_eq!(last["dependencies"].as_array().unwrap().len(), 1, "{last}");
    // And the time after that.
    carry_out(&env, "march", json!({"title": "Prepare the monthly figures"}));
    assert_eq!(subtasks(&env, "march").len(), 3);
    // Whoever says more asks for something else, and its author has the last word.
    let other = json!({"title": "Prepare the monthly figures", "context": {"of": "the shop"}});
    carry_out(&env, "april", other);
    let forced = json!({"title": "Prepare the monthly figures", "orchestration_required": false});
    carry_out(&env, "may", forced);
    for task in ["april", "may"] {
        assert_eq!(subtasks(&env, task).len(), 1, "{task}");
    }
}

#[test]
fn what_work_took_here_corrects_estimates() {
    let env = twins("");
    let took = |n: usize| {
        let request = format!("Fix bug number {n}");
        let one = json!({"request": request, "agent": "alice", "kind": "fix", "minutes": 2.0});
        one.to_string() + "\n"
    };
    env.put("orchestrator/memory.jsonl", &(0..40).map(took).collect::<String>());
    carry_out(&env, "t", json!({"title": "Fix the typo in the date parser"}));
    let [whole] = subtasks(&env, "t").try_into().unwrap();
    let minutes = whole["estimated_duration_minutes"].as_u64().unwrap();
    assert!(minutes <= 7, "40 such subtasks took 2 minutes, and this is thought to take {minutes}");
    assert!(whole["why"].to_string().contains("corrected by history"), "{whole}");
}
