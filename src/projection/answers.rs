//! `orchestrator/answers/{command_id}.json`: what became of a command.

use serde::Serialize;

use crate::domain::document::{Document, DocumentKey};
use crate::domain::ids::CommandId;
use crate::domain::{Event, Policy, State, Timestamp};

use super::{Projection, json_file};

/// The answers.
pub const ANSWERS: Projection = Projection {
    name: "answers",
    touches,
    render,
    keys: |state| state.answers.keys().cloned().map(DocumentKey::Answer).collect(),
};

fn touches(_: &State, event: &Event) -> Vec<DocumentKey> {
    let mut keys = Vec::new();
    if let Event::CommandAccepted { command, .. } | Event::CommandRefused { command, .. } = event {
        keys.push(DocumentKey::Answer(command.command_id.clone()));
    }
    // Whoever sends a command again may have lost the answer.
    if let Event::CommandRepeated { command_id, .. } = event {
        keys.push(DocumentKey::Answer(command_id.clone()));
    }
    keys
}

fn render(state: &State, _: &Policy, key: &DocumentKey) -> Option<Vec<Document>> {
    let DocumentKey::Answer(id) = key else { return None };
    let file = |answer| json_file(format!("orchestrator/answers/{id}.json"), &answer);
    let answer = state.answers.get(id).map(|answer| AnswerFile {
        schema: "baton/answer@1",
        command_id: id,
        verb: &answer.verb,
        target: &answer.target,
        ok: answer.ok,
        message: &answer.message,
        answered_at: answer.at.wall,
    });
    Some(answer.map(file).into_iter().collect())
}

#[derive(Serialize)]
struct AnswerFile<'a> {
    schema: &'static str,
    command_id: &'a CommandId,
    verb: &'a str,
    target: &'a str,
    ok: bool,
    message: &'a str,
    answered_at: Timestamp,
}
