//! Asks a planner outside from the command line, and lets go of it when a person has had enough.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::domain::Policy;
use crate::domain::plan::DraftOutcome;
use crate::drafter::{self, Asking, Course, PlannerSettings};
use crate::planner;

/// A planner outside that can be asked.
#[derive(Debug)]
pub struct Outside {
    name: String,
    settings: PlannerSettings,
    /// The working directory of a program.
    directory: PathBuf,
    runtime: Runtime,
}

/// Why nothing came of asking.
#[derive(Debug, Error)]
pub enum OutsideError {
    /// A person ended it.
    #[error("interrupted while {planner} was asked")]
    Interrupted {
        /// Who was asked.
        planner: String,
    },
    /// The system refused what waiting takes.
    #[error("cannot wait for an answer: {0}")]
    System(#[from] io::Error),
}

impl Outside {
    /// Prepares to ask the planner of this name.
    ///
    /// # Errors
    /// The system refuses what waiting takes.
    pub fn new(
        name: &str,
        settings: PlannerSettings,
        directory: PathBuf,
    ) -> Result<Self, OutsideError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { name: name.to_owned(), settings, directory, runtime })
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Drafts, as the daemon would.
    ///
    /// # Errors
    /// A person ended it, or the system refuses what waiting takes.
    pub fn draft(
        &self,
        request: &planner::Request<'_>,
        policy: &Policy,
    ) -> Result<DraftOutcome, OutsideError> {
        let course = Course::begin(&self.name, &self.settings, request, policy);
        self.runtime.block_on(self.follow(course))
    }

    async fn follow(&self, mut course: Course) -> Result<DraftOutcome, OutsideError> {
        let mut ends = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
            .into_iter()
            .map(signal)
            .collect::<io::Result<Vec<_>>>()?;
        let [interrupt, terminate, hangup] = ends.as_mut_slice() else {
            return Err(io::Error::from(io::ErrorKind::Other).into());
        };
        loop {
            let session = match course {
                Course::Done(outcome) => return Ok(outcome),
                Course::Ask(session) => session,
            };
            let mark = drafter::new_mark();
            let asking = Asking {
                settings: &self.settings,
                question: session.question(),
                directory: &self.directory,
                mark: &mark,
            };
            let answered = tokio::select! {
                answered = drafter::ask(&asking) => answered,
                _ = interrupt.recv() => return Err(self.interrupted()),
                _ = terminate.recv() => return Err(self.interrupted()),
                _ = hangup.recv() => return Err(self.interrupted()),
            };
            course = session.take(&answered);
        }
    }

    fn interrupted(&self) -> OutsideError {
        OutsideError::Interrupted { planner: self.name.clone() }
    }
}

/// Says what a planner lacks here to be asked, if anything: the problem and the remedy.
pub fn lacks(settings: &PlannerSettings) -> Option<[String; 2]> {
    drafter::find(&settings.kind).and_then(|kind| (kind.lacks)(settings))
}
