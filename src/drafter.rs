//! Asks a planner that is no part of Baton, e.g. a model, for a draft.
//!
//! Optional, and never the last word. The operator names such planners in `[planners.NAME]`; one is
//! asked in an effect, since it may take minutes and may fail. Its answer is data: it has to be what
//! [`schema::TEXT`] says, is read by [`answer`], becomes a draft like any other and is checked by the
//! one validator. What is wrong is said back to it at most twice. When nothing helps, the embedded
//! planner's draft stands and says why. [`Session`] is that course without any waiting, and
//! [`ask`] is the waiting.

pub mod answer;
mod command;
mod convert;
mod errors;
#[cfg(feature = "openai")]
mod openai;
mod process;
pub mod prompt;
pub mod schema;
mod scratch;
mod session;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

pub use errors::{AskError, Secrets};
pub use prompt::Question;
pub use session::{Course, Session};

use crate::clock;

/// One way to ask.
pub struct Kind {
    /// The name that `baton.toml` uses.
    pub name: &'static str,
    /// The keys of a table that it looks at, beside those that all have.
    pub keys: &'static [&'static str],
    /// Says what is wrong with settings that each are right: the key, the problem, the remedy.
    pub check: fn(&PlannerSettings) -> Option<[String; 3]>,
    /// Says what it lacks here to be asked, if anything: the problem and the remedy.
    pub lacks: fn(&PlannerSettings) -> Option<[String; 2]>,
    /// Returns what it gives to whoever is asked that nobody else is to read.
    pub secrets: fn(&PlannerSettings) -> Secrets,
    /// Asks once.
    pub ask: for<'a> fn(&'a Asking<'a>) -> Answering<'a>,
}

/// Every kind.
pub const ROSTER: &[&Kind] = &[
    &command::KIND,
    #[cfg(feature = "openai")]
    &openai::KIND,
];

/// An answer that is waited for. Dropping it ends whatever was begun for it,
/// beside whoever drops it.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, AskError>> + Send + 'a>>;

/// Finds a kind by its name.
pub fn find(name: &str) -> Option<&'static Kind> {
    ROSTER.iter().copied().find(|kind| kind.name == name)
}

/// What the operator configured for one planner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannerSettings {
    /// How it is asked: a name of [`ROSTER`].
    pub kind: String,
    /// `command`: program and arguments; never given to a shell.
    pub argv: Vec<String>,
    /// `command`: variables to set, over what is passed on.
    pub env: BTreeMap<String, String>,
    /// `command`: further variables to pass on; a name may end in `*`.
    pub env_allow: Vec<String>,
    /// `openai`: where it is, e.g. `https://api.openai.com/v1`.
    pub base_url: String,
    /// `openai`: the model's name.
    pub model: String,
    /// `openai`: the variable that holds the key; the key itself is in no file of ours.
    pub api_key_env: Option<String>,
    /// How long one answer may take.
    pub timeout_ms: u64,
    /// How often it may mend an answer.
    pub repairs_max: u32,
    /// A longer answer is none.
    pub answer_bytes_max: usize,
    /// So many of its answers are waited for at the same time.
    pub active_max: usize,
}

impl Default for PlannerSettings {
    fn default() -> Self {
        Self {
            kind: String::new(),
            argv: Vec::new(),
            env: BTreeMap::new(),
            env_allow: Vec::new(),
            base_url: String::new(),
            model: String::new(),
            api_key_env: None,
            timeout_ms: 120_000,
            repairs_max: 2,
            answer_bytes_max: 256 << 10,
            active_max: 4,
        }
    }
}

/// What is needed to ask.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// What the operator configured.
    pub settings: &'a PlannerSettings,
    /// What is asked.
    pub question: &'a Question,
    /// The working directory of a program.
    pub directory: &'a Path,
    /// Tells the processes that are begun for this question from all others.
    pub mark: &'a str,
}

/// What came of one question.
#[derive(Debug)]
pub struct Answered {
    /// The answer, or why there is none.
    pub answer: Result<String, AskError>,
    /// How long it took.
    pub ms: u64,
    /// What is not to be told of the answer.
    pub secrets: Secrets,
}

/// Asks once, for no longer than the settings allow. When it returns, nothing of what it began
/// runs on; when it is dropped, all of it is ended in a thread that the runtime waits for at its end.
pub async fn ask(asking: &Asking<'_>) -> Answered {
    let began = clock::now();
    let settings = asking.settings;
    let answer = match find(&settings.kind) {
        None => Err(AskError::UnknownKind { kind: settings.kind.clone() }),
        Some(kind) => {
            let limit = Duration::from_millis(settings.timeout_ms);
            match tokio::time::timeout(limit, (kind.ask)(asking)).await {
                Ok(answer) => answer,
                Err(_) => {
                    let mark = asking.mark.to_owned();
                    // A thread that fails leaves what was dropped to end by itself.
                    let _ = tokio::task::spawn_blocking(move || end_marked(&mark)).await;
                    Err(AskError::TimedOut { after_ms: settings.timeout_ms })
                }
            }
        }
    };
    let answer = answer.and_then(|bytes| {
        String::from_utf8(bytes)
            .map_err(|error| AskError::NotText { at: error.utf8_error().valid_up_to() })
    });
    let secrets = find(&settings.kind).map(|kind| (kind.secrets)(settings)).unwrap_or_default();
    Answered { answer, ms: clock::now().since_ms(&began).unwrap_or(0), secrets }
}

/// Ends every process that bears this mark, and removes the files that were made for it: what an
/// earlier life of ours left.
pub fn end_marked(mark: &str) {
    process::end_marked(mark);
    scratch::remove(mark);
}

/// Returns a mark that nobody else has.
pub fn new_mark() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
