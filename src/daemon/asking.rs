//! Drafts that may take long: a planner outside is asked, off the loop, and nobody else waits for it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, spawn_blocking};

use super::drafting;
use super::effects::{Answer, Means};
use crate::config::Config;
use crate::domain::ids::TaskId;
use crate::domain::plan::{DraftOutcome, Why};
use crate::domain::task::TaskSpec;
use crate::domain::{Effect, Input, State};
use crate::drafter::{self, Asking, Course, PlannerSettings, Session};
use crate::planner::{self, Surroundings};

/// Who is asked for a draft.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) name: &'a str,
    pub(super) settings: &'a PlannerSettings,
}

/// Says which planner outside is asked for what an effect owes, if any is. Authors' own plans need
/// none, and a draft that ended the daemon before is left to the embedded planner.
pub(super) fn asked<'a>(effect: &Effect, state: &State, config: &'a Config) -> Option<Asked<'a>> {
    let Effect::DraftPlan(id) = effect else { return None };
    let task = state.tasks.get(id)?;
    if !task.spec.subtasks.is_empty() || task.draft_crashes > 0 {
        return None;
    }
    let (name, settings) = config.planners.get_key_value(&config.planner)?;
    Some(Asked { name, settings })
}

/// A draft of one task.
pub(super) struct Drafting {
    means: Means,
    task_id: TaskId,
    spec: TaskSpec,
    epoch: u64,
    /// Who is asked; nobody where the embedded planner drafts alone.
    asked: Option<(String, PlannerSettings)>,
    /// Whether it ended the daemon before.
    is_suspect: bool,
}

impl Drafting {
    /// Prepares the draft of a task; an error is a contradiction within the state.
    pub(super) fn of(id: &TaskId, state: &State, means: &Means) -> Result<Self, String> {
        let task = state.tasks.get(id).ok_or_else(|| format!("there is no task {id}"))?;
        let asked = asked(&Effect::DraftPlan(id.clone()), state, &means.config);
        Ok(Self {
            means: means.clone(),
            task_id: id.clone(),
            spec: task.spec.clone(),
            epoch: state.epoch,
            asked: asked.map(|asked| (asked.name.to_owned(), asked.settings.clone())),
            is_suspect: task.draft_crashes > 0,
        })
    }

    /// Drafts; `surroundings` gathers what is known beside the request.
    ///
    /// Only while our own code runs does the mark of the draft say so: a daemon that is killed while
    /// it waits for an answer was not ended by the task.
    pub(super) async fn run(
        self,
        surroundings: impl FnOnce(&Means) -> Surroundings + Send + 'static,
    ) -> Answer {
        let this = Arc::new(self);
        let mut course = this.blocking(|this| this.begin(surroundings)).await;
        loop {
            let session = match course {
                Ok(Course::Done(outcome)) => {
                    let over = |this: &Self| drafting::end(&this.means.store, &this.task_id);
                    return match this.blocking(over).await {
                        Ok(()) => this.answer(outcome),
                        Err(failed) => failed,
                    };
                }
                Ok(Course::Ask(session)) => session,
                Err(failed) => return failed,
            };
            course = this.ask(session).await;
        }
    }

    fn begin(&self, surroundings: impl FnOnce(&Means) -> Surroundings) -> Course {
        // What is known of everything is no fault of this task.
        let surroundings = surroundings(&self.means);
        drafting::begin(&self.means.store, &self.task_id, self.epoch);
        let request = planner::Request { task: &self.spec, surroundings: &surroundings };
        let policy = &self.means.config.policy;
        match &self.asked {
            Some((name, settings)) => Course::begin(name, settings, &request, policy),
            None => Course::Done(self.alone(planner::draft(&request, policy))),
        }
    }

    /// Says so where somebody else would have been asked.
    fn alone(&self, mut outcome: DraftOutcome) -> DraftOutcome {
        let name = &self.means.config.planner;
        let would_be_asked = self.is_suspect && self.means.config.planners.contains_key(name);
        if let DraftOutcome::Plan(draft) | DraftOutcome::Route(draft) = &mut outcome
            && would_be_asked
            && self.spec.subtasks.is_empty()
        {
            let why = Why::new(
                format!("{name} is not asked"),
                "drafting this plan ended the daemon before".to_owned(),
            );
            draft.explanation.reasons.insert(0, why);
        }
        outcome
    }

    /// Asks once, and reads what comes back.
    async fn ask(self: &Arc<Self>, session: Box<Session>) -> Result<Course, Answer> {
        let mark = drafter::new_mark();
        let waits_for = mark.clone();
        self.blocking(move |this| {
            drafting::wait(&this.means.store, &this.task_id, this.epoch, &waits_for);
        })
        .await?;
        let asking = Asking {
            settings: session.settings(),
            question: session.question(),
            directory: &self.means.config.workspace,
            mark: &mark,
        };
        let name = session.planner();
        tracing::debug!(planner = name, task = %self.task_id, "asking for a plan");
        let mut stopping = self.means.stopping.clone();
        let answered = tokio::select! {
            answered = drafter::ask(&asking) => answered,
            () = is_stopping(&mut stopping) => {
                let what = mark.clone();
                self.blocking(move |this| {
                    drafter::end_marked(&what);
                    drafting::end(&this.means.store, &this.task_id);
                })
                .await?;
                tracing::info!(planner = name, task = %self.task_id, "not waiting for a plan");
                // The draft is still owed, and nothing is drafted any more before the next start.
                return Err(Answer::Inputs(Vec::new()));
            }
        };
        if let Err(error) = &answered.answer {
            tracing::warn!(planner = name, task = %self.task_id, %error, "no plan from outside");
        }
        let spare = session.clone();
        let read = self.in_thread(move |this| {
            drafting::begin(&this.means.store, &this.task_id, this.epoch);
            session.take(&answered)
        });
        // The embedded planner's draft is whole, whatever the answer does to whoever reads it.
        Ok(read.await.unwrap_or_else(|error| {
            tracing::error!(%error, task_id = %self.task_id, "reading a plan from outside failed");
            Course::Done(spare.give_up("reading its answer failed with an internal error"))
        }))
    }

    fn answer(&self, outcome: DraftOutcome) -> Answer {
        Answer::Inputs(vec![Input::Drafted { task_id: self.task_id.clone(), outcome }])
    }

    /// Does something in a thread of its own. What fails there is an error of the planner, and the
    /// mark of the draft goes where the draft is over.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Answer> {
        self.in_thread(work).await.map_err(|error| {
            tracing::error!(%error, task_id = %self.task_id, "the planner failed");
            drafting::end(&self.means.store, &self.task_id);
            self.answer(DraftOutcome::Refuse {
                reason: "an internal error of the planner".into(),
                remedy: "word the task differently or give its subtasks, and report the error"
                    .into(),
                question: None,
            })
        })
    }

    async fn in_thread<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let this = Arc::clone(self);
        spawn_blocking(move || work(&this)).await
    }
}

async fn is_stopping(stopping: &mut watch::Receiver<bool>) {
    // Nobody who could say so means that it is so.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
