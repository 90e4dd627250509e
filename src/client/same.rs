//! Finds a request that was dropped before, says the same, and is not over.

use serde_json::{Map, Value};

use crate::domain::ids::TaskId;
use crate::store::layout;

use super::follow::{Follower, Standing};
use super::request::Request;
use super::{Client, ClientError};

/// A request that was dropped before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its task.
    pub task_id: TaskId,
    /// The name it was dropped as.
    pub file: String,
}

/// So many of the files whose names are like it are read at most.
const READ_MAX: usize = 200;

impl Client {
    /// Finds what was dropped before `request`, says the same, and is still worked on or waited
    /// for: whoever was interrupted and asks again means that one.
    ///
    /// # Errors
    /// The drop box or a document cannot be read.
    pub fn unfinished_like(&self, request: &Request) -> Result<Option<Earlier>, ClientError> {
        for dir in [layout::INBOX, layout::ACCEPTED] {
            let mut names = self.files(dir, ".json")?;
            names.retain(|name| name.starts_with(request.name_stem()));
            for name in names.into_iter().take(READ_MAX) {
                let Ok(Some(body)) = self.document::<Map<String, Value>>(&format!("{dir}/{name}"))
                else {
                    continue;
                };
                let id =
                    body.get("id").and_then(Value::as_str).and_then(|id| TaskId::parse(id).ok());
                let Some(task_id) = id.filter(|_| request.says_the_same(&body)) else { continue };
                if dir == layout::INBOX || self.is_under_way(&task_id)? {
                    return Ok(Some(Earlier { task_id, file: name }));
                }
            }
        }
        Ok(None)
    }

    fn is_under_way(&self, task_id: &TaskId) -> Result<bool, ClientError> {
        Ok(match Follower::new(self, task_id)?.look()? {
            Standing::Run(progress) => {
                matches!(progress.status.as_str(), "planning" | "in_progress")
            }
            Standing::Dropped
            | Standing::Planning
            | Standing::Rejected { .. }
            | Standing::Cancelled { .. } => false,
        })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test takes the file as a daemon does")]
mod tests {
    use super::super::request::Wishes;
    use super::super::tests::{directory, write};
    use super::*;
    use serde_json::json;

    fn request(text: &str) -> Request {
        Request::read(&[text.to_owned()], &mut &b""[..], &Wishes::default()).unwrap()
    }

    #[test]
    fn asking_again_finds_what_is_not_over() {
        let (_dir, client) = directory();
        let first = request("Add a login page");
        let file = first.submit(&client).unwrap();
        let again = request("Add a login page");
        assert_ne!(again.task_id, first.task_id);
        let earlier = Earlier { task_id: first.task_id.clone(), file: file.clone() };
        assert_eq!(client.unfinished_like(&again).unwrap(), Some(earlier.clone()));
        let others = ["Add a login page\nwith tests", "Add a login pane", "Add a login"];
        for other in others {
            assert_eq!(client.unfinished_like(&request(other)).unwrap(), None, "{other}");
        }

        let inbox = client.root().join("inbox");
        std::fs::create_dir(inbox.join("accepted")).unwrap();
        std::fs::rename(inbox.join(&file), inbox.join("accepted").join(&file)).unwrap();
        let path = format!("orchestrator/tasks/orch-{}.json", first.task_id);
        for (status, found) in [("in_progress", Some(earlier)), ("blocked", None)] {
            write(&client, &path, &json!({"status": status}).to_string());
            assert_eq!(client.unfinished_like(&again).unwrap(), found, "{status}");
        }
    }
}
