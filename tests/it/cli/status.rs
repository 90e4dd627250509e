//! What `baton status` says of a directory at work.

use super::*;

/// Two masters: one that fails at once, and one that begins one thing a minute and never ends it.
const TROUBLED: &str = "[retry]\nattempts_max = 1\n[recovery]\nfallbacks_max = 0\nreplans_max = 0\n\
    splits = false\n[masters.development]\nbackend = \"command\"\n\
    argv = [\"/bin/sh\", \"-c\", \"echo no idea; exit 2\"]\ndomains = [\"development\"]\n\
    [masters.security]\nbackend = \"command\"\nargv = [\"/bin/sleep\", \"1000\"]\n\
    domains = [\"security\"]\nstarts_per_minute_max = 1\n";

#[test]
fn status_says_what_is_asked_what_lives_and_what_waits() {
    let env = TestEnv::new(TROUBLED);
    let dir = workspace(&env);
    let daemon = env.serve();
    let spec = r#"{"worker_id": "dev-7", "parent_master": "development", "status": "running"}"#;
    env.put("worker-specs/active/dev-7.json", spec);
    env.wait_for("worker_spec_seen", &[("worker_id", "dev-7")]);
    let give = |master: &str, what: &str| {
        let args = ["submit", "--json", "--master", master, what];
        baton(&dir, &args).ends(0).json()["task_id"].as_str().unwrap().to_owned()
    };
    let failing = give("development", "Fix the typo in a.md");
    env.wait_for("orchestration_blocked", &[("task_id", &failing)]);
    let slow = give("security", "Scan what is in b.md");
    env.wait_for("worker_started", &[("subtask_id", &slow)]);
    let waiting = give("security", "Scan what is in c.md");
    env.wait_for("task_routed", &[("task_id", &waiting)]);

    let status = baton(&dir, &["status", "--json"]).ends(0).json();
    let question = &status["questions"][0];
    assert_eq!(question["task_id"], failing);
    let options = [
        format!("[r] retry differently: baton retry {failing}"),
        format!("[a] abort and review the plan: baton cancel {failing}"),
    ];
    assert_eq!(question["options"], serde_json::json!(options));
    let worker = |id: &str| {
        let workers = status["workers"].as_array().unwrap();
        workers
            .iter()
            .find(|it| it["worker_id"] == id)
            .cloned()
            .unwrap_or_else(|| panic!("{status}"))
    };
    let ours = worker(&format!("{slow}-attempt-1"));
    assert_eq!((&ours["owner"], &ours["liveness"]), (&"baton".into(), &"healthy".into()));
    assert!(ours["pid"].is_u64(), "{ours}");
    let strange = worker("dev-7");
    assert_eq!((&strange["owner"], &strange["process"]), (&"other".into(), &"unverifiable".into()));
    let wait = &status["waits"][0];
    assert_eq!((&wait["subtask_id"], &wait["hold"]), (&waiting.as_str().into(), &"rate".into()));

    let said = baton(&dir, &["status"]).ends(0).out;
    for part in
        ["Waits for a person", "[r] retry differently", "unverifiable", "next start of security"]
    {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let said = baton(&dir, &["doctor"]).ends(1).out;
    for part in ["[r] retry differently", "dev-7", "held back by limits"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    daemon.stop_with_workers();
}
