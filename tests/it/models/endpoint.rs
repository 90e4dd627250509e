//! An address that is asked: a small server on the loopback that says what it is told to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;

use serde_json::{Value, json};

use super::*;

/// One request as it came in.
struct Heard {
    line: String,
    headers: Vec<String>,
    body: Value,
}

/// A server that gives these answers, one for each connection, and keeps what it heard.
struct Endpoint {
    address: String,
    heard: mpsc::Receiver<Heard>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Each answer is everything behind `HTTP/1.1 `; an empty one is never given.
    fn saying(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let (sender, heard) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                sender.send(hear(&mut stream)).unwrap();
                if answer.is_empty() {
                    // Whoever waits closes the connection some day.
                    let _ = stream.read(&mut [0_u8; 1]);
                } else {
                    // A reader that has had enough goes away.
                    let _ = stream.write_all(format!("HTTP/1.1 {answer}").as_bytes());
                }
            }
        });
        Self { address, heard, thread: Some(thread) }
    }

    fn settings(&self, more: &str) -> String {
        format!(
            "planner = \"far\"\n[planners.far]\nkind = \"openai\"\nbase_url = \"{}\"\n\
             model = \"some-model\"\napi_key_env = \"FAR_KEY\"\n{more}\n",
            self.address
        )
    }

    /// Plans with it, and returns the explanation.
    fn explanation(&self, more: &str, key: Option<&str>) -> Value {
        let env = TestEnv::new(&self.settings(more));
        let variables: Vec<(&str, &str)> = key.map(|key| ("FAR_KEY", key)).into_iter().collect();
        let (code, out, err) = baton(&workspace(&env), &["plan", TASK, "--json"], &variables);
        assert_eq!(code, Some(0), "{out} {err}");
        let preview: Value = serde_json::from_str(&out).unwrap();
        preview["plan"]["explanation"].clone()
    }

    /// Waits for its end: everything it was to say was asked for.
    fn end(mut self) -> Vec<Heard> {
        self.thread.take().unwrap().join().unwrap();
        self.heard.try_iter().collect()
    }
}

fn hear(stream: &mut TcpStream) -> Heard {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let length = lines.iter().find_map(|line| {
        line.to_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let line = lines.remove(0);
    Heard { line, headers: lines, body: serde_json::from_slice(&body).unwrap() }
}

fn reply(status: &str, body: &str) -> String {
    format!("{status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn completion(answer: &str) -> String {
    let choice =
        json!({"finish_reason": "stop", "message": {"role": "assistant", "content": answer}});
    reply("200 OK", &json!({"choices": [choice]}).to_string())
}

#[test]
fn an_endpoint_is_asked_with_our_schema_and_mends_its_answer() {
    let answers = vec![completion(&cyclic().to_string()), completion(&good().to_string())];
    let endpoint = Endpoint::saying(answers);
    let explanation = endpoint.explanation("", Some("sk-secret"));
    assert_eq!(explanation["planner"], "far");
    let first = explanation["reasons"][0]["evidence"].as_str().unwrap();
    assert!(first.starts_with("accepted after 1 repair and "), "{first}");
    let heard = endpoint.end();
    let (one, two) = (&heard[0], &heard[1]);
    assert_eq!(one.line, "POST /v1/chat/completions HTTP/1.1");
    assert!(one.headers.iter().any(|line| line == "authorization: Bearer sk-secret"));
    assert_eq!(one.body["model"], "some-model");
    let format = &one.body["response_format"];
    assert_eq!(
        (&format["type"], &format["json_schema"]["strict"]),
        (&"json_schema".into(), &true.into())
    );
    assert!(format["json_schema"]["schema"]["properties"]["subtasks"].is_object());
    let roles = |heard: &Heard| -> Vec<String> {
        let messages = heard.body["messages"].as_array().unwrap();
        messages.iter().map(|m| m["role"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(roles(one), ["system", "user"]);
    assert_eq!(roles(two), ["system", "user", "assistant", "user"]);
    assert!(two.body["messages"][3]["content"].as_str().unwrap().contains("a cycle"));
    assert!(!one.body["messages"][0]["content"].as_str().unwrap().contains("search box"));
    assert!(one.body["messages"][1]["content"].as_str().unwrap().contains("search box"));
}

#[test]
fn no_proxy_of_the_environment_reads_what_goes_out_in_the_clear() {
    let proxy = Endpoint::saying(Vec::new());
    let dead = proxy.address.clone();
    proxy.end();
    let endpoint = Endpoint::saying(vec![completion(&good().to_string())]);
    let env = TestEnv::new(&endpoint.settings(""));
    let variables = [("FAR_KEY", "k"), ("http_proxy", dead.as_str()), ("ALL_PROXY", &dead)];
    let (_, out, err) = baton(&workspace(&env), &["plan", TASK], &variables);
    assert!(out.contains("drafted by far"), "{out} {err}");
    assert_eq!(endpoint.end().len(), 1);
}

#[test]
fn what_an_endpoint_does_wrong_is_told_without_the_key() {
    let wrong_key = json!({"error": {"message": "Incorrect API key provided: sk-secret"}});
    let limited = json!({"error": {"message": "Rate limit reached"}}).to_string();
    let flood = format!("200 OK\r\ncontent-length: 99999999\r\n\r\n{}", "x".repeat(400_000));
    for (answer, more, why) in [
        (
            reply("401 Unauthorized", &wrong_key.to_string()),
            "",
            "answered 401: Incorrect API key provided: (the key)",
        ),
        (reply("429 Too Many Requests", &limited), "", "answered 429: Rate limit reached"),
        (reply("500 Internal Server Error", "<b>oh\u{1b}no</b>"), "", "answered 500: <b>oh no</b>"),
        (reply("302 Found\r\nlocation: http://127.0.0.1:1/", ""), "", "answered 302"),
        (reply("200 OK", "<html>"), "", "holds no answer: it is no JSON"),
        (completion(""), "repairs_max = 0", "the answer is empty"),
        (flood, "answer_bytes_max = 1024", "longer than 1024 bytes"),
        ("200 OK\r\ncontent-length: 100\r\n\r\n{".into(), "", "cannot reach http://127.0.0.1"),
        (String::new(), "timeout_seconds = 1", "timed out after 1 s"),
    ] {
        let endpoint = Endpoint::saying(vec![answer]);
        let explanation = endpoint.explanation(more, Some("sk-secret"));
        assert_eq!(explanation["planner"], "rules", "{why}");
        let evidence = explanation["reasons"][0]["evidence"].as_str().unwrap();
        assert!(evidence.contains(why), "{why:?} is not in {evidence:?}");
        assert!(!explanation.to_string().contains("sk-secret"), "{explanation}");
        endpoint.end();
    }
}

#[test]
fn without_its_key_or_without_a_server_nobody_is_asked() {
    let endpoint = Endpoint::saying(Vec::new());
    let missing = endpoint.explanation("", None);
    let evidence = missing["reasons"][0]["evidence"].as_str().unwrap();
    assert!(evidence.contains("the environment variable FAR_KEY with its key is not set"));
    let settings = endpoint.settings("");
    // Its port is nobody's once it is gone.
    endpoint.end();
    let env = TestEnv::new(&settings);
    let (_, out, _) = baton(&workspace(&env), &["plan", TASK], &[("FAR_KEY", "k")]);
    assert!(out.contains("far failed: cannot reach"), "{out}");
    assert!(out.contains("the embedded planner's plan stands"), "{out}");
}
