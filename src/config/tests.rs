//! Tables of settings files: what they come to, and what they are refused for.

mod mistakes;

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::domain::plan::Strategy;
use crate::domain::policy::Backoff;
use crate::domain::report::ResultKind;
use crate::domain::worker::Execution;

struct Place {
    _dir: tempfile::TempDir,
    workspace: PathBuf,
    coordination: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let workspace = fs::canonicalize(dir.path()).unwrap();
    let coordination = workspace.join("coordination");
    fs::create_dir(&coordination).unwrap();
    Place { _dir: dir, workspace, coordination }
}

fn with_file(text: &str) -> Place {
    let place = place();
    fs::write(place.coordination.join(FILE_NAME), text).unwrap();
    place
}

fn no_env(_: &str) -> Option<String> {
    None
}

fn load(text: &str) -> Result<Config, ConfigError> {
    Config::load(&with_file(text).coordination, &no_env, &Overrides::default())
}

/// Returns the message with the directory taken out.
fn refusal(text: &str) -> String {
    let place = with_file(text);
    let error = Config::load(&place.coordination, &no_env, &Overrides::default()).unwrap_err();
    error.to_string().replace(&format!("{}/", place.coordination.display()), "")
}

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

#[test]
fn without_a_file_there_are_four_external_masters_and_the_workspace_is_above() {
    let place = place();
    let config = Config::load(&place.coordination, &no_env, &Overrides::default()).unwrap();
    assert_eq!(config.policy, Policy::default());
    assert_eq!(
        config.policy.masters.keys().map(AgentName::as_str).collect::<Vec<_>>(),
        ["cicd", "development", "inventory", "security"]
    );
    assert!(config.policy.masters.values().all(|m| m.execution == Execution::External));
    assert!(config.backends.is_empty());
    assert_eq!(config.workspace, place.workspace);
    assert_eq!(config.source, ConfigSource::Defaults);
}

#[test]
fn every_kind_of_master_is_read() {
    let config = load(
        r#"
        [masters.coder]
        backend = "command"
        argv = ["/usr/bin/agent", "--handoff", "{handoff}"]
        env = { MODE = "fast" }
        env_allow = ["API_KEY", "AGENT_*"]
        stdin = true
        domains = ["Development ", "testing"]
        max_active = 7
        orchestration = false
        [masters.writer]
        backend = "brief"
        [masters.security]
        "#,
    )
    .unwrap();
    let names: Vec<_> = config.policy.masters.keys().map(AgentName::as_str).collect();
    assert_eq!(names, ["coder", "security", "writer"], "they replace the four of no file");
    let coder = &config.policy.masters[&name("coder")];
    assert_eq!(coder.execution, Execution::Launched { backend: "command".into() });
    assert_eq!(coder.domains, ["development", "testing"]);
    assert_eq!((coder.attempts_active_max, coder.orchestration_enabled), (7, false));
    assert_eq!(coder.result_kind, ResultKind::Work);
    let settings = &config.backends[&name("coder")];
    assert_eq!(settings.argv, ["/usr/bin/agent", "--handoff", "{handoff}"]);
    assert_eq!(settings.env["MODE"], "fast");
    assert_eq!(settings.env_allow, ["API_KEY", "AGENT_*"]);
    assert!(settings.stdin);
    let writer = &config.policy.masters[&name("writer")];
    assert_eq!(
        (writer.result_kind, &writer.domains[..]),
        (ResultKind::WorkOrder, &["writer".into()][..])
    );
    assert_eq!(config.policy.masters[&name("security")].execution, Execution::External);
    assert_eq!(
        config.backends.keys().map(AgentName::as_str).collect::<Vec<_>>(),
        ["coder", "writer"]
    );
}

#[test]
fn what_is_set_otherwise_for_a_type_and_for_a_master_counts_for_its_workers() {
    let config = load(
        r#"
        [supervision]
        look_ms = 1_000
        silence_ms = 0
        [worker_types.audit]
        time_box_ms = 60_000
        stop_grace_ms = 1
        [masters.coder]
        fallbacks = ["writer"]
        may_stop = true
        starts_per_minute_max = 3
        [masters.coder.supervision]
        stop_grace_ms = 2
        [masters.writer]
        [retry]
        backoff = "fixed"
        [recovery]
        splits = false
        "#,
    )
    .unwrap();
    let limits = config.policy.supervision_of(&name("coder"), "audit");
    assert_eq!((limits.look_ms, limits.silence_ms), (1_000, 0));
    assert_eq!((limits.time_box_ms, limits.stop_grace_ms), (60_000, 2));
    assert_eq!(config.policy.supervision_of(&name("writer"), "audit").stop_grace_ms, 1);
    assert_eq!(config.policy.supervision_of(&name("writer"), "test").stop_grace_ms, 10_000);
    let coder = &config.policy.masters[&name("coder")];
    assert_eq!(coder.fallbacks, [name("writer")]);
    assert!(coder.may_stop);
    assert_eq!(coder.starts_per_minute_max, 3);
    assert_eq!(config.policy.retry.backoff, Backoff::Fixed);
    assert!(!config.policy.recovery.splits);
}

#[test]
fn the_variable_of_a_key_that_was_renamed_is_not_passed_over() {
    let place = place();
    let env = |name: &str| (name == "BATON_DAEMON_STOP_GRACE_MS").then(|| "5".to_owned());
    let error = Config::load(&place.coordination, &env, &Overrides::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment variable BATON_DAEMON_STOP_GRACE_MS: daemon.stop_grace_ms: there is no such \
         setting; it is supervision.stop_grace_ms now"
    );
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_their_lines() {
    let got = refusal("orchestration = 1\n[plan]\nstages_max = 0\n[complexity]\nfile_max = 3\n");
    let lines: Vec<_> = got.lines().map(|line| line.split(": ").nth(1).unwrap()).collect();
    assert_eq!(lines, ["orchestration", "plan.stages_max", "complexity.file_max"]);
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let place =
        with_file("strategy = \"adaptive\"\n[plan]\nstages_max = 3\n[retry]\nattempts_max = 4\n");
    let env = |name: &str| match name {
        "BATON_PLAN_STAGES_MAX" => Some("5".to_owned()),
        "BATON_RETRY_ATTEMPTS_MAX" => Some("6".to_owned()),
        "BATON_LOG" => Some("debug".to_owned()),
        "BATON_STRATEGY" => Some(String::new()),
        _ => None,
    };
    let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let overrides = Overrides {
        workspace: None,
        set: vec![set("plan.stages_max", "7"), set("log_form", "json")],
    };
    let config = Config::load(&place.coordination, &env, &overrides).unwrap();
    assert_eq!(config.policy.plan.stages_max, 7, "flag");
    assert_eq!(config.policy.retry.attempts_max, 6, "environment");
    assert_eq!(config.policy.strategy, Strategy::Adaptive, "file: an empty variable says nothing");
    assert_eq!(config.policy.plan.subtasks_max, 10, "default");
    assert_eq!(config.log, LogSettings { filter: "debug".into(), form: LogForm::Json });
}

#[test]
fn mistakes_in_variables_and_flags_name_them() {
    let place = place();
    let env = |name: &str| (name == "BATON_DAEMON_TICK_MS").then(|| "soon".to_owned());
    let overrides = Overrides {
        workspace: Some("/nowhere".into()),
        set: vec![("plan.stage_max".to_owned(), "7".to_owned())],
    };
    let error = Config::load(&place.coordination, &env, &overrides).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(
        lines,
        [
            "environment variable BATON_DAEMON_TICK_MS: daemon.tick_ms: \"soon\" is not a whole \
             number; it takes 100 to 86400000",
            "flag --set plan.stage_max: plan.stage_max: there is no such setting; \
             did you mean \"stages_max\"?",
            "flag --workspace: cannot use /nowhere: No such file or directory (os error 2); \
             name a directory that is there",
        ]
    );
}

#[test]
fn a_workspace_is_relative_to_where_it_is_written() {
    let place = with_file("workspace = \"../site\"");
    fs::create_dir(place.workspace.join("site")).unwrap();
    let config = Config::load(&place.coordination, &no_env, &Overrides::default()).unwrap();
    assert_eq!(config.workspace, place.workspace.join("site"));
    let flag = Overrides { workspace: Some(place.coordination.join("..")), set: Vec::new() };
    let config = Config::load(&place.coordination, &no_env, &flag).unwrap();
    assert_eq!(config.workspace, place.workspace);
}

#[test]
fn a_missing_directory_names_the_remedy() {
    let error = Config::load(Path::new("/nowhere/c"), &no_env, &Overrides::default()).unwrap_err();
    assert!(error.to_string().contains("`baton init`"), "{error}");
}

#[test]
fn every_setting_takes_its_default_and_both_ends_of_its_range() {
    let place = place();
    let defaults = Config::load(&place.coordination, &no_env, &Overrides::default()).unwrap();
    for setting in settings::SETTINGS {
        let takes = setting.takes();
        let ends = takes.split_once(" to ").map(|(min, max)| [min.to_owned(), max.to_owned()]);
        for value in ends.into_iter().flatten().chain([setting.value(&defaults)]) {
            let mut config = defaults.clone();
            let given = settings::Given::Text(&value);
            assert_eq!(
                setting.apply(&mut config, &given, Path::new("")),
                Ok(()),
                "{}",
                setting.key
            );
            assert_eq!(setting.value(&config), value, "{}", setting.key);
        }
    }
}

#[test]
fn the_documentation_lists_every_setting() {
    let readme = include_str!("../../coordination/README.md");
    let place = place();
    let defaults = Config::load(&place.coordination, &no_env, &Overrides::default()).unwrap();
    let mut missing = Vec::new();
    for setting in settings::SETTINGS {
        let default = match setting.key {
            "workspace" => "the directory above",
            _ => &setting.value(&defaults),
        };
        let row = format!(
            "| `{}` | `{}` | {} | {} | {} |",
            setting.key,
            setting.variable(),
            setting.takes(),
            default,
            setting.what
        );
        if !readme.contains(&row) {
            missing.push(row);
        }
    }
    for (key, what) in masters::KEYS.into_iter().chain(planners::KEYS) {
        let row = format!("| `{key}` | {what} |");
        if !readme.contains(&row) {
            missing.push(row);
        }
    }
    assert!(missing.is_empty(), "coordination/README.md lacks:\n{}", missing.join("\n"));
}

#[test]
fn the_committed_directory_is_embedded_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("coordination");
    let mut on_disk = Vec::new();
    for directory in ["", "examples", "schemas"] {
        for entry in fs::read_dir(root.join(directory)).into_iter().flatten().flatten() {
            let path = Path::new(directory).join(entry.file_name());
            let committed = !directory.is_empty()
                || [".gitignore", "README.md", FILE_NAME]
                    .iter()
                    .any(|name| path == Path::new(name));
            if entry.path().is_file() && committed {
                on_disk.push(path.to_string_lossy().into_owned());
            }
        }
    }
    let mut embedded: Vec<_> = init_files(&[]).iter().map(|f| f.path.to_owned()).collect();
    on_disk.sort();
    embedded.sort();
    assert_eq!(embedded, on_disk);
}

#[test]
fn the_committed_settings_run_brief_and_what_init_writes_is_external() {
    let brief = load(include_str!("../../coordination/baton.toml")).unwrap();
    let external = load(&written(&[])).unwrap();
    let names = |config: &Config| config.policy.masters.keys().cloned().collect::<Vec<_>>();
    let default = Policy::default();
    assert_eq!(names(&brief), default.masters.keys().cloned().collect::<Vec<_>>());
    assert!(brief.policy.masters.values().all(|m| m.result_kind == ResultKind::WorkOrder));
    assert_eq!(external.policy, default);
}

#[test]
fn an_agent_that_is_installed_becomes_an_entry_that_works_when_it_is_uncommented() {
    use std::os::unix::fs::PermissionsExt;
    let bin = tempfile::tempdir().unwrap();
    for (program, mode) in [("claude", 0o755), ("codex", 0o755), ("gemini", 0o644)] {
        let path = bin.path().join(program);
        fs::write(&path, "#!/bin/true\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let found = find_agents(bin.path().as_os_str());
    assert_eq!(found.iter().map(|a| a.name).collect::<Vec<_>>(), ["claude", "codex"]);

    let text = written(&found);
    assert_eq!(load(&text).unwrap().policy, Policy::default(), "nothing runs unasked");
    for agent in found {
        let from = text.find(&format!("# {} is installed", agent.name)).unwrap();
        let lines = text[from..].lines().skip_while(|line| !line.starts_with("# backend"));
        let entry: String = lines
            .map_while(|line| line.strip_prefix("# "))
            .map(|line| format!("{line}\n"))
            .collect();
        let config = load(&format!("[masters.development]\n{entry}")).unwrap();
        let settings = &config.backends[&name("development")];
        assert_eq!(Path::new(&settings.argv[0]), agent.program);
        assert!(settings.argv.iter().any(|argument| argument.contains("{handoff}")));
        assert!(!settings.env_allow.is_empty());

        let from = text.find(&format!("# [planners.{}]", agent.name)).unwrap();
        let lines = text[from..].lines().map_while(|line| line.strip_prefix("# "));
        let entry: String = lines.map(|line| format!("{line}\n")).collect();
        let config = load(&format!("planner = \"{}\"\n{entry}", agent.name)).unwrap();
        assert_eq!(Path::new(&config.planners[agent.name].argv[0]), agent.program);
    }
}

#[test]
fn planners_are_read_and_one_of_them_drafts() {
    let config = load(
        r#"
        planner = "far"
        [planners.near]
        kind = "command"
        argv = ["my-model", "--file", "{prompt_file}"]
        env = { MODE = "fast" }
        env_allow = ["MY_*"]
        [planners.far]
        kind = "openai"
        base_url = "https://models.example.com/v1"
        model = "large"
        api_key_env = "FAR_KEY"
        timeout_seconds = 60
        repairs_max = 1
        answer_bytes_max = 65536
        max_active = 8
        "#,
    )
    .unwrap();
    assert_eq!(config.planner, "far");
    let far = &config.planners["far"];
    assert_eq!((far.timeout_ms, far.repairs_max, far.active_max), (60_000, 1, 8));
    assert_eq!((far.model.as_str(), far.api_key_env.as_deref()), ("large", Some("FAR_KEY")));
    let near = &config.planners["near"];
    assert_eq!((near.argv.len(), near.timeout_ms, near.repairs_max), (3, 120_000, 2));
    let chosen = |name: &str| {
        let place = with_file("[planners.near]\nkind = \"command\"\nargv = [\"x\"]\n");
        let env = |variable: &str| (variable == "BATON_PLANNER").then(|| name.to_owned());
        Config::load(&place.coordination, &env, &Overrides::default())
    };
    assert_eq!(chosen("near").unwrap().planner, "near");
    let error = chosen("naer").unwrap_err().to_string();
    assert!(error.contains("there is no planner \"naer\"; did you mean \"near\"?"), "{error}");
    assert!(error.contains("environment variable BATON_PLANNER: planner:"), "{error}");
}

#[test]
fn what_is_wrong_with_a_planner_is_named() {
    let command = "kind = \"command\"\nargv = [\"x\"]\n";
    let openai = "kind = \"openai\"\nbase_url = \"https://a.b\"\nmodel = \"m\"\n";
    for (table, said) in [
        ("", "baton.toml:1: planners.p.kind: it is not said how it is asked"),
        ("kind = \"comand\"", "planners.p.kind: there is no kind \"comand\"; did you mean"),
        ("kind = \"command\"", "planners.p.argv: kind \"command\" has no program"),
        ("kind = \"openai\"", "planners.p.base_url: it is no address"),
        (&format!("{command}model = \"m\""), "planners.p.model: kind \"command\" does not use it"),
        (&format!("{openai}argv = [\"x\"]"), "planners.p.argv: kind \"openai\" does not use it"),
        (
            &format!("{openai}api_key = \"sk-1\""),
            "a key does not belong into this file; name the variable",
        ),
        (&format!("{openai}api_key_env = \"A B\""), "names no variable"),
        (&format!("{command}repairs_max = 3"), "3 is out of range; it takes 0 to 2"),
        (&format!("{command}timeout_seconds = 0"), "0 is out of range"),
    ] {
        let refused = refusal(&format!("[planners.p]\n{table}"));
        assert!(refused.contains(said), "{said:?} is not in {refused:?}");
    }
    for (text, said) in [
        (
            "planner = \"cluade\"\n[planners.claude]\nkind = \"command\"\nargv = [\"x\"]",
            "did you mean \"claude\"",
        ),
        ("[planners.rules]\n", "is the name of a planner that is built in"),
        ("[planners.\"a b\"]\n", "is no name for a planner"),
        ("planners = 1", "is not a table"),
        ("[planners]\nx = 1", "planners.x: 1 is not a table"),
    ] {
        let refused = refusal(text);
        assert!(refused.contains(said), "{said:?} is not in {refused:?}");
    }
}

fn written(found: &[AgentProgram]) -> String {
    init_files(found).into_iter().find(|f| f.path == FILE_NAME).unwrap().body
}
