//! `baton plan --batch`: one line in, one line out, whatever is in a line.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Plans some lines; returns the answers and the exit code.
fn batch(lines: &str) -> (Vec<Value>, Option<i32>) {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_baton"))
        .args(["plan", "--batch", "-"])
        .current_dir(dir.path())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = lines.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    (out.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), output.status.code())
}

#[test]
fn each_line_is_answered_by_one_line_in_its_order() {
    let (answers, code) = batch(
        "{\"id\": \"a\", \"text\": \"Add a filter, then write tests for it\"}\n\
         {\"id\": 7, \"request\": \"fix typo in README\"}\n\n\
         {\"query\": \"make it better\", \"tools\": [1]}\n\
         {\"id\": null, \"text\": \"\"}\n",
    );
    assert_eq!(code, Some(0));
    let verdicts: Vec<&str> = answers.iter().map(|a| a["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["decompose", "single", "clarify", "reject"]);
    assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&Value::from("a"), &Value::from(7)));
    assert_eq!(answers[2]["id"], 4, "a line without a name has its number");
    assert!(answers[2]["question"].is_string());
    let steps = answers[0]["subtasks"].as_array().unwrap();
    assert_eq!(steps[1]["depends_on"][0], steps[0]["id"]);
    assert_eq!((&steps[1]["kind"], &steps[1]["domain"]), (&"tests".into(), &"testing".into()));
    assert_eq!(answers[0]["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(answers[0]["edges"], serde_json::json!([[0, 1], [1, 2], [2, 3]]));
    assert!(answers.iter().all(|answer| answer["ms"].as_f64().is_some_and(|ms| ms > 0.0)));
}

#[test]
fn a_bad_line_is_told_with_its_remedy_and_stops_nothing() {
    let (answers, code) = batch(
        "nonsense\n[]\n{\"id\": 1}\n{\"text\": 5}\n{\"text\": \"a\", \"candidates\": \"b\"}\n\
         {\"text\": \"fix typo in README\"}",
    );
    assert_eq!(code, Some(65));
    assert_eq!(answers.len(), 6);
    for (at, field) in [(2, "text"), (3, "text"), (4, "candidates")] {
        assert_eq!(answers[at]["error"]["field"], field, "{}", answers[at]);
    }
    for (at, answer) in answers[..5].iter().enumerate() {
        assert_eq!(answer["error"]["line"], at + 1, "{answer}");
        assert!(answer["error"]["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()));
    }
    assert_eq!(answers[5]["verdict"], "single");
}
