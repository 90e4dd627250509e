#![expect(clippy::disallowed_methods, reason = "tests write the files that are read")]

use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Makes a folder of files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

/// Returns ids and names.
fn shown(registry: &Registry) -> Vec<(&str, &str)> {
    registry.agents.iter().map(|agent| (agent.id.as_str(), agent.name.as_str())).collect()
}

/// Returns the oddities as `file: message`.
fn odd(registry: &Registry, root: &Path) -> Vec<String> {
    let short = |path: &str| path.trim_start_matches(&format!("{}/", root.display())).to_owned();
    let message = |text: &str| text.replace(&format!("{}/", root.display()), "");
    registry
        .oddities
        .iter()
        .map(|oddity| format!("{}: {}", short(&oddity.path), message(&oddity.message)))
        .collect()
}

#[test]
fn all_fields_of_an_agent_file_are_known() {
    let dir = folder(&[(
        "03-infra-helm-writer.md",
        "---\nname: helm-writer\ndescription: Writes charts\ntools: Read, Bash(helm *)\n\
         model: sonnet\ncolor: blue\nmaxTurns: 5\nskills:\n  - charts\nkeywords: [helm, k8s]\n---\n\
         # Helm\n\nWrite charts.\n\n## Execution\ncommand: `helm lint`\n",
    )]);
    let registry = Registry::open(dir.path()).unwrap();
    let [agent] = registry.agents.as_slice() else { panic!("{registry:?}") };
    assert_eq!((agent.id.as_str(), agent.name.as_str()), ("03-infra-helm-writer", "helm-writer"));
    assert_eq!(agent.category, "infra");
    assert_eq!(agent.tools, ["Read", "Bash(helm *)"]);
    assert_eq!(agent.keywords, ["helm", "k8s"]);
    assert_eq!(agent.model.as_deref(), Some("sonnet"));
    assert_eq!(agent.command.as_deref(), Some("helm lint"));
    assert_eq!(agent.other["maxTurns"], "5");
    assert_eq!(agent.other["skills"], "charts");
    assert!(agent.body.contains("Write charts."));
    assert!(registry.oddities.is_empty(), "{:?}", registry.oddities);
}

#[test]
fn odd_files_load_and_every_oddity_is_reported() {
    let dir = folder(&[
        ("a/README.md", "# What these are"),
        ("a/broken.md", "---\nname: broken\ndescription: Fixes: things\n---\nFix them."),
        ("a/nameless.md", "---\ndescription: x\n---\nDo x."),
        ("a/mute.md", "---\nname: mute\n---\n# Title\n\nKeeps quiet about itself."),
        (
            "a/My Agent.md",
            "---\nname: My Agent\ndescription: y\nmodle: opus\nmodel: huge\n---\nDo.",
        ),
        ("a/prose.md", "Just a text."),
        ("a/short.md", "---\nname: other\ndescription: z\ntools:\n---\n"),
        ("a/.hidden.md", "---\nname: hidden\n---\n"),
    ]);
    let registry = Registry::open(dir.path()).unwrap();
    assert_eq!(
        shown(&registry),
        [
            ("a/My Agent", "My Agent"),
            ("a/broken", "broken"),
            ("a/mute", "mute"),
            ("a/nameless", "nameless"),
            ("a/short", "other"),
        ]
    );
    assert_eq!(registry.find("mute").unwrap().description, "Keeps quiet about itself.");
    insta::assert_snapshot!(odd(&registry, dir.path()).join("\n"), @r#"
    a/My Agent.md: "My Agent" has more than lower-case letters, digits and dashes
    a/My Agent.md: no such field (did you mean model?)
    a/My Agent.md: "huge" is no model that is known
    a/broken.md: a colon in a value without quotes is not valid YAML
    a/mute.md: it has no description: nobody knows what it is for
    a/nameless.md: it has no name, and is called nameless like its file
    a/prose.md: it has no frontmatter
    a/short.md: it is told nothing: there is no text after the frontmatter
    a/short.md: its file is named short, and it is called other
    a/short.md: it is empty: some take that for none, some for all
    "#);
    assert!(registry.oddities.iter().all(|oddity| !oddity.remedy.is_empty()));
}

#[test]
fn copies_are_one_agent_and_namesakes_are_told_apart() {
    let file = |name: &str, what: &str| format!("---\nname: {name}\ndescription: {what}\n---\nDo.");
    let dir = folder(&[
        ("one/agents/sql.md", &file("one-sql", "queries")),
        ("two/agents/sql.md", &file("two-sql", "queries")),
        ("three/agents/sql.md", &file("sql", "schemas")),
    ]);
    let registry = Registry::open(dir.path()).unwrap();
    assert_eq!(shown(&registry), [("one/agents/sql", "sql"), ("three/agents/sql", "sql")]);
    assert_eq!(registry.agents[0].other["full_name"], "one-sql");
    assert!(registry.agents[0].copies[0].ends_with("two/agents/sql.md"));
    let messages = odd(&registry, dir.path());
    let said = |text: &str| messages.iter().any(|message| message == text);
    assert!(said("two/agents/sql.md: it is the same agent as one/agents/sql.md"), "{messages:?}");
    assert!(said("three/agents/sql.md: sql is also the name of one/agents/sql.md"), "{messages:?}");
}

#[test]
fn a_project_s_agent_hides_the_user_s_and_a_master_hides_both() {
    let agent = "---\nname: security\ndescription: d\n---\nDo.";
    let helper = |what: &str| format!("---\nname: helper\ndescription: {what}\n---\nDo.");
    let dir = folder(&[
        ("work/.claude/agents/security.md", agent),
        ("work/.claude/agents/deep/helper.md", &helper("here")),
        ("home/.claude/agents/helper.md", &helper("there")),
        ("home/.claude/agents/own.md", "---\nname: own\ndescription: d\n---\nDo."),
    ]);
    let (work, home) = (dir.path().join("work"), dir.path().join("home"));
    let registry = Registry::of_project(&Policy::default(), &work, Some(&home));
    let masters = ["cicd", "development", "inventory", "security"].map(|name| (name, name));
    assert_eq!(shown(&registry)[..4], masters);
    assert_eq!(shown(&registry)[4..], [("deep/helper", "helper"), ("user/own", "own")]);
    let hidden = |oddity: &&Oddity| oddity.message.contains("is hidden by the");
    assert_eq!(registry.oddities.iter().filter(hidden).count(), 2);
    assert_eq!(registry.find("helper").unwrap().description, "here");
}

#[test]
fn an_index_and_a_list_are_read() {
    let index = r#"{"version": "1.0.0", "agent_count": 3, "agents": [
        {"id": "01-a", "name": "press", "description": "Themes", "tools": ["Read"],
         "keywords": ["themes"], "category": "Web", "file_path": "x/01-a.md", "estimated_tokens": 9},
        {"id": "02-a", "name": "press", "description": "Plugins"}, 7, {"id": ""}]}"#;
    let dir = folder(&[
        ("index.json", index),
        ("list.json", r#"[{"name": "chess", "description": "Plays"}, {"name": "chess"}]"#),
        ("number.json", "7"),
        ("broken.json", "[\n{"),
    ]);
    let registry = Registry::open(dir.path()).unwrap();
    assert_eq!(shown(&registry), [("01-a", "press"), ("02-a", "press")]);
    assert_eq!(registry.agents[0].other["estimated_tokens"], "9");
    assert_eq!(registry.agents[0].path, "x/01-a.md");
    assert_eq!(registry.find("02-a").unwrap().description, "Plugins");
    assert_eq!(registry.oddities.len(), 4, "{:?}", registry.oddities);

    let registry = Registry::open(&dir.path().join("list.json")).unwrap();
    assert_eq!(shown(&registry), [("chess", "chess"), ("chess#2", "chess")]);
    let error = |name: &str| Registry::open(&dir.path().join(name)).unwrap_err().to_string();
    assert!(error("number.json").ends_with("it is JSON, but no list of agents"));
    assert!(error("broken.json").contains("line 2 is not JSON"));
    assert!(error("nowhere").contains("cannot read agents from"));
}

#[test]
fn nothing_that_is_no_file_is_waited_for() {
    let dir = folder(&[("a.md", "---\nname: a\ndescription: b\n---\nDo.")]);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        dir.path().join("pipe.md"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("round")).unwrap();
    let registry = Registry::open(dir.path()).unwrap();
    assert_eq!(shown(&registry), [("a", "a")]);
    assert!(odd(&registry, dir.path())[0].starts_with("pipe.md: it cannot be read"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_make_an_agent_or_an_oddity(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.md"), &bytes).unwrap();
        let registry = Registry::open(dir.path()).unwrap();
        prop_assert!(registry.agents.len() + registry.oddities.len() > 0);
        std::fs::write(dir.path().join("a.json"), &bytes).unwrap();
        let _ = Registry::open(&dir.path().join("a.json"));
    }
}
