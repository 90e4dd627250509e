//! How everything stands right now: workers with their signs of life, masters that rest, what waits
//! for what, and what is asked of a person.
//!
//! The journal says most of it. What a look saw since the last verdict stands in the specs of our
//! workers alone.

mod waiting;
mod workers;

use serde::Serialize;

use super::{Client, ClientError};
use crate::clock;
use crate::domain::moment::Timestamp;
use crate::domain::plan::{Orchestration, OrchestrationPhase};
use crate::domain::state::{Circuit, CircuitPhase};
use crate::domain::{Moment, Policy, State};
pub use waiting::Waiting;
pub use workers::{LastSign, Owner, Worker};

/// How everything stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survey {
    /// When it was looked at.
    #[serde(skip)]
    pub at: Moment,
    /// What people have to answer, the oldest first.
    pub questions: Vec<Question>,
    /// Workers that live, as far as is known.
    pub workers: Vec<Worker>,
    /// Masters that are given nothing or one attempt, since they failed in a row.
    pub circuits: Vec<Resting>,
    /// What is held back by anything else than what it depends on; null where the settings that
    /// decide on it cannot be read.
    pub waits: Option<Vec<Waiting>>,
}

/// What a person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The task that waits.
    pub task_id: String,
    /// The subtask that cannot go on.
    pub subtask_id: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether somebody was reminded.
    pub is_overdue: bool,
    /// What went wrong.
    pub reason: String,
    /// What was tried.
    pub escalation: String,
    /// The answers, each with its letter and its command.
    pub options: Vec<String>,
}

/// A master that is given less, since it failed in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resting {
    /// Who.
    pub master: String,
    /// open, half_open
    pub phase: &'static str,
    /// How often it failed in a row.
    pub failures: u32,
    /// When it is given an attempt again, to see; null where it may have one now.
    pub until: Option<Timestamp>,
    /// The attempt that it was given, to see.
    pub trial: Option<String>,
}

impl Client {
    /// Looks how everything stands, by these settings; without any it is not known what waits for
    /// what.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn survey(&self, policy: Option<&Policy>) -> Result<Survey, ClientError> {
        let (state, specs) = (self.state()?, self.workers()?);
        let at = clock::now();
        Ok(Survey {
            at,
            questions: questions(&state),
            workers: workers::workers(&state, &specs),
            circuits: circuits(&state),
            waits: policy.map(|policy| waiting::waiting(&state, policy, at)),
        })
    }
}

impl Survey {
    /// Returns for how long something is so, in milliseconds.
    pub fn for_ms(&self, since: Timestamp) -> u64 {
        u64::try_from(self.at.wall.as_ms() - since.as_ms()).unwrap_or(0)
    }

    /// Returns in how many milliseconds something comes about.
    pub fn in_ms(&self, until: Timestamp) -> u64 {
        u64::try_from(until.as_ms() - self.at.wall.as_ms()).unwrap_or(0)
    }
}

fn questions(state: &State) -> Vec<Question> {
    let asked = |run: &Orchestration| {
        let OrchestrationPhase::Blocked(asked) = &run.phase else { return None };
        Some(Question {
            task_id: run.task_id.to_string(),
            subtask_id: asked.blocking_subtask.to_string(),
            since: asked.since.wall,
            is_overdue: asked.overdue,
            reason: asked.failure_reason.clone(),
            escalation: asked.escalation.clone(),
            options: asked.options.clone(),
        })
    };
    let mut questions: Vec<Question> = state.open_runs().filter_map(asked).collect();
    questions.sort_by_key(|question| question.since);
    questions
}

fn circuits(state: &State) -> Vec<Resting> {
    let resting = |(master, circuit): (&_, &Circuit)| {
        let of_master = |id: &&_| state.attempt(id).is_some_and(|(.., it)| it.agent == *master);
        let (phase, until, trial) = match circuit.phase {
            CircuitPhase::Closed => return None,
            CircuitPhase::Open { since, cool_down_ms } => {
                ("open", Some(since.plus_ms(cool_down_ms).wall), None)
            }
            CircuitPhase::HalfOpen { .. } => {
                ("half_open", None, state.live_attempts().find(of_master))
            }
        };
        Some(Resting {
            master: master.to_string(),
            phase,
            failures: circuit.failures,
            until,
            trial: trial.map(ToString::to_string),
        })
    };
    state.circuits.iter().filter_map(resting).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{directory, write};
    use super::*;
    use crate::domain::event::{CircuitChanged, Found};
    use crate::domain::evidence::{Evidence, Liveness, ProcessState, Seen, Sign};
    use crate::domain::spec::SpecSeen;
    use crate::domain::{Event, Record};
    use crate::journal::Journal;
    use crate::store::layout;

    /// Writes a journal of these decisions, with a snapshot behind the first.
    fn journal(client: &Client, decisions: &[Vec<Event>]) -> State {
        client.store().create_dirs("orchestrator").unwrap();
        let dir = client.root().join(layout::JOURNAL);
        let mut opened = Journal::open(&dir, &mut |_, _| {}).unwrap();
        for (nth, events) in decisions.iter().enumerate() {
            let record = Record {
                seq: opened.state.seq + 1,
                at: clock::now(),
                epoch: 1,
                schema: 1,
                cause: "test".into(),
                events: events.clone(),
            };
            opened.state.apply(&record).unwrap();
            opened.journal.append(&[record]).unwrap();
            opened.journal.sync().unwrap();
            if nth == 0 {
                opened.journal.snapshot(&opened.state).unwrap();
            }
        }
        opened.state
    }

    fn seen(id: &str) -> SpecSeen {
        let path = format!("worker-specs/active/{id}.json");
        SpecSeen {
            master: Some("development".parse().unwrap()),
            ..SpecSeen::new(id.parse().unwrap(), path)
        }
    }

    #[test]
    fn a_directory_that_was_never_served_is_quiet() {
        let (_dir, client) = directory();
        let survey = client.survey(None).unwrap();
        assert_eq!((survey.workers.len(), survey.circuits.len(), survey.waits), (0, 0, None));
        assert_eq!(client.survey(Some(&Policy::default())).unwrap().waits, Some(Vec::new()));
    }

    #[test]
    fn what_the_journal_says_is_seen_while_a_daemon_writes_it() {
        let (_dir, client) = directory();
        let started =
            Event::DaemonStarted { version: "0".into(), pid: 1, epoch: 1, suspended_ms: None };
        let found = Found {
            worker_id: "dev-7".parse().unwrap(),
            attempt_id: None,
            subtask_id: None,
            evidence: Evidence {
                process: ProcessState::Unverifiable,
                signs: vec![
                    Seen { sign: Sign::Output, ago_ms: 9_000, what: "412 bytes".into() },
                    Seen { sign: Sign::Heartbeat, ago_ms: 4_000, what: "sequence 17".into() },
                    Seen { sign: Sign::Process, ago_ms: 0, what: String::new() },
                ],
                verdict: "it was not heard of".into(),
                ..Evidence::default()
            },
        };
        let told = CircuitChanged {
            agent: "development".parse().unwrap(),
            failures: 5,
            cool_down_ms: 60_000,
            reason: "5 failures in a row".into(),
        };
        let state = journal(
            &client,
            &[
                vec![started, Event::WorkerSpecSeen(seen("dev-7"))],
                vec![Event::WorkerSpecSeen(seen("dev-8")), Event::WorkerHeartbeatMissed(found)],
                vec![Event::CircuitOpened(told)],
            ],
        );
        assert_eq!(client.state().unwrap(), state);
        // What a crash or a write that is under way leaves is not there yet.
        let newest = format!("{}/segment-{:020}.jsonl", layout::JOURNAL, 3);
        let text = client.text(&newest).unwrap().unwrap();
        write(&client, &newest, &format!("{text}0000"));
        assert_eq!(client.state().unwrap(), state);

        let spec = r#"{"worker_id": "new-1", "status": "running"}"#;
        write(&client, "worker-specs/active/new-1.json", spec);
        let survey = client.survey(None).unwrap();
        let [quiet, healthy, unknown] = survey.workers.as_slice() else { panic!("{survey:#?}") };
        assert_eq!((quiet.worker_id.as_str(), quiet.liveness), ("dev-7", Liveness::Quiet));
        assert_eq!(quiet.process, ProcessState::Unverifiable);
        let last = quiet.last_sign.as_ref().unwrap();
        assert_eq!((last.sign, last.what.as_str()), (Sign::Heartbeat, "sequence 17"));
        assert_eq!((healthy.worker_id.as_str(), healthy.owner), ("dev-8", Owner::Other));
        assert_eq!((unknown.worker_id.as_str(), unknown.owner), ("new-1", Owner::Unknown));
        let [resting] = survey.circuits.as_slice() else { panic!("{survey:#?}") };
        assert_eq!((resting.master.as_str(), resting.phase), ("development", "open"));
        let left_ms = survey.in_ms(resting.until.unwrap());
        assert!((1..=60_000).contains(&left_ms), "{left_ms}");
    }

    #[test]
    fn a_damaged_journal_is_told_of() {
        let (_dir, client) = directory();
        let started =
            Event::DaemonStarted { version: "0".into(), pid: 1, epoch: 1, suspended_ms: None };
        journal(&client, &[vec![started], vec![Event::WorkerSpecSeen(seen("dev-7"))]]);
        let newest = format!("{}/segment-{:020}.jsonl", layout::JOURNAL, 2);
        write(&client, &newest, "00000000 {}\n00000000 {}\n");
        assert!(matches!(client.survey(None), Err(ClientError::Journal(_))));
    }
}
