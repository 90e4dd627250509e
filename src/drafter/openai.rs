//! An endpoint that speaks the `/chat/completions` of OpenAI, here or elsewhere.

use std::net::IpAddr;
use std::sync::Once;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde_json::{Value, json};

use super::{AskError, Asking, Kind, PlannerSettings, Question, Secrets, schema};

/// Asks the `model` at `base_url`.
pub(super) const KIND: Kind = Kind {
    name: "openai",
    keys: &["base_url", "model", "api_key_env"],
    check,
    lacks,
    secrets: |settings| {
        let variable = settings.api_key_env.as_ref();
        Secrets::of(variable.and_then(|variable| std::env::var(variable).ok()))
    },
    ask: |asking| Box::pin(ask(asking)),
};

/// What surrounds an answer, and how much longer JSON makes it at the most.
const ENVELOPE_BYTES_MAX: usize = 64 << 10;
const ESCAPED_TIMES_MAX: usize = 2;
/// So much of an error is read, and so many letters of it are told.
const ERROR_BYTES_MAX: usize = 16 << 10;
const ERROR_LETTERS_MAX: usize = 300;

fn check(settings: &PlannerSettings) -> Option<[String; 3]> {
    let wrong = |key: &str, problem: &str, remedy: &str| {
        Some([key.to_owned(), problem.to_owned(), remedy.to_owned()])
    };
    let example = "set it as in \"https://api.openai.com/v1\"";
    let (scheme, rest) = settings.base_url.split_once("://").unwrap_or_default();
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !["http", "https"].contains(&scheme) || host.is_empty() {
        return wrong("base_url", "it is no address of http or https", example);
    }
    if host.contains('@') || rest.contains(['?', '#']) || rest.contains(char::is_whitespace) {
        return wrong("base_url", "it holds more than a host and a path", example);
    }
    // Read by whoever connects later, so that both mean the same host.
    let Ok(url) = Url::parse(&settings.base_url) else {
        return wrong("base_url", "it is no address of http or https", example);
    };
    if url.scheme() == "http" && settings.api_key_env.is_some() && !is_here(&url) {
        let remedy = "use https, or leave api_key_env out";
        return wrong("base_url", "anybody on the way could read the key", remedy);
    }
    if settings.model.trim().is_empty() {
        return wrong("model", "kind \"openai\" has no model", "name the model to ask");
    }
    None
}

/// Tells whether an address is on the own machine, whatever a name of it may resolve to.
fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn lacks(settings: &PlannerSettings) -> Option<[String; 2]> {
    let variable = settings.api_key_env.as_ref()?;
    let is_set = std::env::var(variable).is_ok_and(|key| !key.trim().is_empty());
    (!is_set).then(|| {
        let problem = format!("the variable {variable} with its key is not set here");
        [problem, format!("set {variable} in the environment of the daemon")]
    })
}

async fn ask(asking: &Asking<'_>) -> Result<Vec<u8>, AskError> {
    let settings = asking.settings;
    let key = match &settings.api_key_env {
        None => None,
        Some(variable) => {
            let key = std::env::var(variable).ok().filter(|key| !key.trim().is_empty());
            Some(key.ok_or_else(|| AskError::NoKey { variable: variable.clone() })?)
        }
    };
    let address = format!("{}/chat/completions", settings.base_url.trim_end_matches('/'));
    // What is told of an error must not tell the key.
    let said = |problem: &str| {
        let text: String = problem.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = key.as_ref().map_or(text.clone(), |key| text.replace(key.trim(), "(the key)"));
        text.chars().take(ERROR_LETTERS_MAX).collect::<String>()
    };
    let unreachable = |error: reqwest::Error| AskError::Unreachable {
        address: address.clone(),
        problem: said(&chain(&error.without_url())),
    };
    let body = json!({
        "model": settings.model,
        "messages": messages(asking.question),
        "response_format": {
            "type": "json_schema",
            "json_schema": { "name": "draft", "strict": true, "schema": schema::bare() },
        },
    });
    let mut request = client(&address)
        .map_err(unreachable)?
        .post(&address)
        .header(CONTENT_TYPE, "application/json")
        .body(body.to_string());
    if let Some(key) = &key {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.trim())).map_err(|_| {
            let problem = "the key holds letters that no header may hold".to_owned();
            AskError::Unreachable { address: address.clone(), problem }
        })?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    if !status.is_success() {
        let (bytes, _) = read(response, ERROR_BYTES_MAX).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let message = value.pointer("/error/message").and_then(Value::as_str).unwrap_or(&text);
        return Err(AskError::Refused { address, status: status.as_u16(), said: said(message) });
    }
    let limit = settings.answer_bytes_max;
    let bytes_max = limit.saturating_mul(ESCAPED_TIMES_MAX).saturating_add(ENVELOPE_BYTES_MAX);
    let (bytes, is_whole) = read(response, bytes_max).await.map_err(unreachable)?;
    if !is_whole {
        return Err(AskError::TooLong { limit });
    }
    let answer =
        content(&bytes).map_err(|problem| AskError::NoAnswer { problem: said(&problem) })?;
    if answer.len() > limit {
        return Err(AskError::TooLong { limit });
    }
    Ok(answer.into_bytes())
}

fn client(address: &str) -> Result<Client, reqwest::Error> {
    static PROVIDER: Once = Once::new();
    // An error says that there is one already, which will do.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    // Whoever is asked is whom the operator named, and nobody else.
    let builder = Client::builder()
        .redirect(Policy::none())
        .user_agent(concat!("baton/", env!("CARGO_PKG_VERSION")));
    // A proxy reads what goes to it in the clear, and the environment may name any; of https it
    // sees only where it goes.
    let is_clear = Url::parse(address).is_ok_and(|url| url.scheme() == "http");
    if is_clear { builder.no_proxy() } else { builder }.build()
}

fn messages(question: &Question) -> Vec<Value> {
    let said = |role: &str, text: &str| json!({ "role": role, "content": text });
    let mut messages =
        vec![said("system", &question.instructions), said("user", &question.request)];
    for turn in &question.turns {
        messages.push(said("assistant", &turn.answer));
        messages.push(said("user", &turn.complaint));
    }
    messages
}

/// Reads a body up to a limit, and says whether that was all of it.
async fn read(mut response: Response, bytes_max: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > bytes_max {
            bytes.truncate(bytes_max);
            return Ok((bytes, false));
        }
    }
    Ok((bytes, true))
}

/// Finds the answer in what came back.
fn content(bytes: &[u8]) -> Result<String, String> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    let choice = value.pointer("/choices/0").ok_or("it has no choices[0]")?;
    let message = choice.get("message").ok_or("choices[0] has no message")?;
    if let Some(refusal) = message.get("refusal").and_then(Value::as_str).filter(|r| !r.is_empty())
    {
        return Err(format!("the model refuses: {refusal}"));
    }
    if choice.get("finish_reason").and_then(Value::as_str) == Some("length") {
        return Err("it was cut off at the endpoint's own limit".to_owned());
    }
    match message.get("content") {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            Ok(parts.iter().filter_map(|part| part.get("text")?.as_str()).collect())
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
            Err("choices[0].message has no content".to_owned())
        }
    }
}

/// Returns an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(base_url: &str, key: bool) -> PlannerSettings {
        PlannerSettings {
            base_url: base_url.into(),
            model: "m".into(),
            api_key_env: key.then(|| "KEY".into()),
            ..PlannerSettings::default()
        }
    }

    #[test]
    fn a_key_never_goes_out_in_the_clear() {
        for (base_url, key, wrong) in [
            ("https://api.example.com/v1", true, None),
            ("http://localhost:11434/v1", true, None),
            ("http://127.0.0.1:80", true, None),
            ("http://[::1]:80/v1", true, None),
            ("http://[::1]/v1", true, None),
            ("http://127.evil.com/v1", true, Some("base_url")),
            ("http://127.0.0.1.evil.com/v1", true, Some("base_url")),
            ("http://evil.com\\127.0.0.1/v1", true, Some("base_url")),
            ("http://[::2]/v1", true, Some("base_url")),
            ("http://[::1/v1", true, Some("base_url")),
            ("http://models.example.com/v1", false, None),
            ("http://models.example.com/v1", true, Some("base_url")),
            ("http://localhost.example.com/v1", true, Some("base_url")),
            ("https://user:secret@example.com", false, Some("base_url")),
            ("https://example.com/v1?key=1", false, Some("base_url")),
            ("example.com/v1", false, Some("base_url")),
            ("ftp://example.com", false, Some("base_url")),
            ("", false, Some("base_url")),
        ] {
            let found = check(&settings(base_url, key)).map(|[key, _, _]| key);
            assert_eq!(found.as_deref(), wrong, "{base_url}");
        }
        let without_model = PlannerSettings { model: " ".into(), ..settings("https://a.b", false) };
        assert_eq!(check(&without_model).unwrap()[0], "model");
    }

    #[test]
    fn the_answer_is_found_in_what_comes_back() {
        let said = |choice: Value| content(json!({ "choices": [choice] }).to_string().as_bytes());
        assert_eq!(said(json!({"message": {"content": "x"}})).unwrap(), "x");
        let parts = json!({"message": {"content": [{"type": "text", "text": "x"}, {"text": "y"}]}});
        assert_eq!(said(parts).unwrap(), "xy");
        for (choice, problem) in [
            (json!({}), "no message"),
            (json!({"message": {"content": null}}), "no content"),
            (json!({"message": {"content": null, "refusal": "I must not"}}), "refuses: I must not"),
            (json!({"finish_reason": "length", "message": {"content": "{"}}), "cut off"),
        ] {
            let error = said(choice).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
        assert!(content(b"<html>").unwrap_err().contains("no JSON"));
        assert!(content(b"{}").unwrap_err().contains("no choices[0]"));
    }
}
