//! Programs that are asked: what they say, and that nothing of them stays.

use std::path::PathBuf;

use crate::drafter::prompt::Turn;
use crate::drafter::*;

fn question(text: &str) -> Question {
    Question { instructions: text.to_owned(), request: "r".into(), turns: Vec::<Turn>::new() }
}

/// Asks a line of shell.
async fn shell(script: &str, settings: PlannerSettings) -> Answered {
    let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let settings = PlannerSettings { kind: "command".into(), argv, ..settings };
    let (question, mark) = (question("hello"), new_mark());
    let directory = PathBuf::from("/");
    ask(&Asking { settings: &settings, question: &question, directory: &directory, mark: &mark })
        .await
}

async fn said(script: &str) -> Result<String, String> {
    shell(script, PlannerSettings::default()).await.answer.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_program_reads_the_question_and_its_output_is_the_answer() {
    assert_eq!(said("cat").await.unwrap(), "hello\n\nr");
    assert_eq!(said("head -c 5").await.unwrap(), "hello", "it may stop reading");
    assert_eq!(said("echo noise >&2; echo out").await.unwrap(), "out\n");
    assert_eq!(said("exec 0<&-; echo out").await.unwrap(), "out\n");
}

#[tokio::test]
async fn a_failure_says_how_and_quotes_the_end() {
    for (script, told) in [
        ("echo why >&2; exit 3", "sh exited with code 3: why"),
        ("echo 'it is out of credit'; exit 1", "sh exited with code 1: it is out of credit"),
        ("kill -9 $$", "sh was ended by signal 9"),
        ("printf '\\377\\376'", "its answer is no text: byte 0 is not UTF-8"),
    ] {
        assert_eq!(said(script).await.unwrap_err(), told);
    }
    let settings = PlannerSettings {
        env: [("TOKEN".to_owned(), "tok-12345678".to_owned())].into(),
        ..PlannerSettings::default()
    };
    let answered = shell("echo bad $TOKEN >&2; exit 1", settings).await;
    assert_eq!(answered.answer.unwrap_err().to_string(), "sh exited with code 1: bad (hidden)");
    let settings = PlannerSettings {
        kind: "command".into(),
        argv: vec!["/nowhere/model".into()],
        ..PlannerSettings::default()
    };
    assert!((find("command").unwrap().lacks)(&settings).is_some());
    let (question, directory) = (question("q"), PathBuf::from("/"));
    let mark = new_mark();
    let asking =
        Asking { settings: &settings, question: &question, directory: &directory, mark: &mark };
    let error = ask(&asking).await.answer.unwrap_err().to_string();
    assert!(error.starts_with("cannot run model: "), "{error}");
}

#[tokio::test]
async fn a_flood_is_cut_off_and_ended() {
    let settings = PlannerSettings { answer_bytes_max: 4_096, ..PlannerSettings::default() };
    let answered = shell("yes", settings).await;
    assert_eq!(answered.answer.unwrap_err().to_string(), "its answer is longer than 4096 bytes");
}

/// Waits until a process has ended; whoever inherits it may take its time to ask how.
async fn gone(pid: i32) {
    let pid = u32::try_from(pid).unwrap();
    let began = clock::now();
    while crate::daemon::process::identify(pid).is_some() {
        let waited_ms = clock::now().since_ms(&began).unwrap_or(0);
        assert!(waited_ms < 20_000, "process {pid} is still there");
        tokio::task::yield_now().await;
    }
}

/// A program that starts one in its group, one outside of it, and waits for ever.
const FAMILY: &str = "sleep 1000 & echo $! >\"$DIR/a\"; setsid sleep 1000 & echo $! >\"$DIR/b\"; \
                      echo $$ >\"$DIR/c\"; wait";

fn family(dir: &tempfile::TempDir, timeout_ms: u64) -> PlannerSettings {
    let env = [("DIR".to_owned(), dir.path().to_string_lossy().into_owned())];
    PlannerSettings { timeout_ms, env: env.into(), ..PlannerSettings::default() }
}

fn pids(dir: &tempfile::TempDir) -> Vec<i32> {
    let read =
        |name: &&str| std::fs::read_to_string(dir.path().join(name)).ok()?.trim().parse().ok();
    ["a", "b", "c"].iter().filter_map(read).collect()
}

#[tokio::test]
async fn one_that_takes_too_long_is_ended_with_all_that_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let answered = shell(FAMILY, family(&dir, 1_500)).await;
    assert_eq!(answered.answer.unwrap_err().to_string(), "timed out after 1.5 s");
    assert!(answered.ms >= 1_400, "{}", answered.ms);
    let pids = pids(&dir);
    assert_eq!(pids.len(), 3);
    for pid in pids {
        gone(pid).await;
    }
}

#[tokio::test]
async fn one_that_is_not_waited_for_any_more_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let asked = tokio::spawn({
        let settings = family(&dir, 60_000);
        async move { shell(FAMILY, settings).await }
    });
    while pids(&dir).len() < 3 {
        tokio::task::yield_now().await;
    }
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    for pid in pids(&dir) {
        gone(pid).await;
    }
}

#[tokio::test]
async fn what_ended_leaves_nobody_who_holds_its_output() {
    let dir = tempfile::tempdir().unwrap();
    let script = "sleep 1000 & echo $! >\"$DIR/a\"; echo out";
    let answered = shell(script, family(&dir, 60_000)).await;
    assert_eq!(answered.answer.unwrap(), "out\n");
    assert!(answered.ms < 30_000);
    gone(pids(&dir)[0]).await;
}

#[tokio::test]
async fn placeholders_name_files_that_are_gone_afterwards() {
    let settings = PlannerSettings {
        kind: "command".into(),
        argv: [
            "/bin/sh",
            "-c",
            "cat; cat \"$1\"; grep -c verdict \"$2\"; echo \"$1\"; echo \"$3\" | head -c 1",
            "sh",
            "{prompt_file}",
            "{schema_file}",
            "{schema}",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..PlannerSettings::default()
    };
    let (question, directory, mark) = (question("hello"), PathBuf::from("/"), new_mark());
    let asking =
        Asking { settings: &settings, question: &question, directory: &directory, mark: &mark };
    let answer = ask(&asking).await.answer.unwrap();
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!(lines[..2], ["hello", ""]);
    assert_eq!(lines[2], "r1", "{answer}");
    assert!(lines[3].ends_with("prompt.txt") && lines[4] == "{", "{answer}");
    assert!(!PathBuf::from(lines[3]).exists());
}

#[tokio::test]
async fn a_program_gets_what_is_allowed_of_the_environment() {
    let settings = PlannerSettings {
        env: [("MODE".to_owned(), "fast".to_owned())].into(),
        ..PlannerSettings::default()
    };
    let answer = shell("env", settings).await.answer.unwrap();
    assert!(answer.contains("MODE=fast\n") && answer.contains("PATH="), "{answer}");
    assert!(!answer.contains("CARGO_"), "{answer}");
}
