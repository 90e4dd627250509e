//! The life of the whole: workers, masters that rest, what nobody takes.

use crate::domain::Policy;
use crate::domain::evidence::{Liveness, ProcessState};
use crate::domain::moment::span;

use super::super::Client;
use super::super::survey::{Owner, Survey, Worker};
use super::{Finding, some};

/// Looks how everything stands. A journal that cannot be read is told of elsewhere.
pub(super) fn life(client: &Client, policy: Option<&Policy>) -> Vec<Finding> {
    let Ok(survey) = client.survey(policy) else { return Vec::new() };
    let mut findings = workers(&survey);
    findings.extend(circuits(&survey));
    findings.extend(waits(&survey));
    findings
}

fn workers(survey: &Survey) -> Vec<Finding> {
    const CHECK: &str = "workers";
    let mut findings = Vec::new();
    for worker in &survey.workers {
        findings.extend(stuck(worker));
        let since = worker.since.map(|since| format!(" for {}", span(survey.for_ms(since))));
        let verdict = format!(
            "{} of {} is {}{}: {}",
            worker.worker_id,
            worker.parent_master,
            worker.liveness.as_str(),
            since.unwrap_or_default(),
            worker.verdict
        );
        findings.extend(match (worker.liveness, worker.owner) {
            (Liveness::Healthy, _) => None,
            (Liveness::Quiet | Liveness::Suspect, _) => {
                Some(Finding::note(CHECK, verdict).remedy("nothing yet: Baton looks at it again"))
            }
            (Liveness::Stalled | Liveness::Gone, Owner::Baton) => Some(
                Finding::note(CHECK, verdict)
                    .remedy(format!("Baton ends it; `baton explain {}`", worker.worker_id)),
            ),
            (Liveness::Stalled | Liveness::Gone, Owner::Master | Owner::Other | Owner::Unknown) => {
                let remedy = "look at it: when it is over, say so in its spec (`\"status\": \
                              \"failed\"`), or move its spec away";
                Some(Finding::wrong(CHECK, verdict, remedy))
            }
        });
    }
    let is_unverifiable = |worker: &&Worker| {
        let is_strange = match worker.owner {
            Owner::Other | Owner::Master => true,
            Owner::Baton | Owner::Unknown => false,
        };
        is_strange && worker.process == ProcessState::Unverifiable
    };
    let unverifiable: Vec<String> = survey
        .workers
        .iter()
        .filter(is_unverifiable)
        .map(|worker| worker.worker_id.clone())
        .collect();
    if !unverifiable.is_empty() {
        let message = format!("nobody can tell whether they run: {}", some(&unverifiable));
        let remedy = "write `pid` (and `host`) into the spec, or `worker.pid` into the folder";
        findings.push(Finding::note(CHECK, message).remedy(remedy));
    }
    findings
}

/// Tells of processes that outlive everything that was done to end them.
fn stuck(worker: &Worker) -> Option<Finding> {
    if worker.survivors.is_empty() {
        return None;
    }
    let pids: Vec<String> = worker.survivors.iter().map(ToString::to_string).collect();
    let message = format!("{} cannot be ended; left are {}", worker.worker_id, some(&pids));
    let remedy = format!("look at `ps -p {}`; its work is given to nobody before", pids.join(","));
    Some(Finding::wrong("workers", message, remedy))
}

fn circuits(survey: &Survey) -> Vec<Finding> {
    let told = survey.circuits.iter().map(|resting| {
        let again = resting.until.map_or_else(
            || "it is given one attempt, to see".to_owned(),
            |until| {
                format!("it is given nothing, and one attempt in {}", span(survey.in_ms(until)))
            },
        );
        let failures = resting.failures;
        let message = format!("{} failed {failures} times in a row: {again}", resting.master);
        Finding::note("masters", message).remedy(
            "`baton events` shows what failed; its work can go to others: `baton fallback ID`",
        )
    });
    told.collect()
}

fn waits(survey: &Survey) -> Vec<Finding> {
    let waits = survey.waits.as_deref().unwrap_or_default();
    let untaken: Vec<String> = waits
        .iter()
        .filter(|wait| wait.is_overdue)
        .map(|wait| format!("{} waits for {}", wait.subtask_id, wait.waits_for))
        .collect();
    let held: Vec<String> = waits
        .iter()
        .filter(|wait| matches!(wait.hold, "circuit" | "trial" | "master" | "workers" | "rate"))
        .map(|wait| wait.subtask_id.clone())
        .collect();
    let mut findings = Vec::new();
    if !untaken.is_empty() {
        let remedy = "start that master; `baton handoff withdraw ID` takes the handoff back, \
                      `baton assign ID --to MASTER` gives it to another";
        findings.push(Finding::wrong("untaken", some(&untaken), remedy));
    }
    if !held.is_empty() {
        let message = format!("held back by limits: {}", some(&held));
        findings.push(Finding::note("limits", message).remedy("`baton status` says by which"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::client::survey::{Resting, Waiting};
    use crate::client::tests::directory;
    use crate::clock;

    fn survey() -> Survey {
        let (_dir, client) = directory();
        client.survey(Some(&Policy::default())).unwrap()
    }

    fn worker(id: &str, owner: Owner, liveness: Liveness, process: ProcessState) -> Worker {
        Worker {
            parent_master: "development".into(),
            liveness,
            process,
            ..Worker::named(id, owner)
        }
    }

    #[test]
    fn only_what_a_person_has_to_do_is_wrong() {
        let mut survivor = worker("left", Owner::Baton, Liveness::Healthy, ProcessState::Running);
        survivor.survivors = vec![12, 13];
        for (worker, level, says) in [
            (
                worker("a", Owner::Baton, Liveness::Quiet, ProcessState::Running),
                Level::Note,
                "quiet",
            ),
            (
                worker("a", Owner::Baton, Liveness::Stalled, ProcessState::Running),
                Level::Note,
                "Baton ends it",
            ),
            (
                worker("a", Owner::Other, Liveness::Stalled, ProcessState::Running),
                Level::Wrong,
                "in its spec",
            ),
            (
                worker("a", Owner::Master, Liveness::Gone, ProcessState::Gone),
                Level::Wrong,
                "is gone",
            ),
            (
                worker("a", Owner::Other, Liveness::Healthy, ProcessState::Unverifiable),
                Level::Note,
                "write `pid`",
            ),
            (survivor, Level::Wrong, "ps -p 12,13"),
        ] {
            let findings = workers(&Survey { workers: vec![worker], ..survey() });
            let [finding] = findings.as_slice() else { panic!("{says}: {findings:?}") };
            assert_eq!(finding.level, level, "{finding:?}");
            let text = format!("{} {:?}", finding.message, finding.remedy);
            assert!(text.contains(says), "{says} is not in {text}");
        }
        let healthy = worker("a", Owner::Baton, Liveness::Healthy, ProcessState::Running);
        assert_eq!(workers(&Survey { workers: vec![healthy], ..survey() }), []);
    }

    #[test]
    fn masters_that_rest_and_handoffs_that_nobody_takes_are_told() {
        let resting = Resting {
            master: "auditor".into(),
            phase: "open",
            failures: 5,
            until: Some(clock::now().plus_ms(60_000).wall),
            trial: None,
        };
        let [told] = circuits(&Survey { circuits: vec![resting], ..survey() }).try_into().unwrap();
        assert_eq!(told.level, Level::Note);
        assert!(told.message.starts_with("auditor failed 5 times in a row"), "{}", told.message);
        let wait = |hold: &'static str, is_overdue| Waiting {
            subtask_id: "fix-1".into(),
            orchestration_id: "orch-fix-1".into(),
            master: "development".into(),
            hold,
            waits_for: "development to take its handoff, for 12 min".into(),
            since: None,
            until: None,
            is_overdue,
        };
        for (wait, level) in [
            (wait("untaken", true), Some(Level::Wrong)),
            (wait("untaken", false), None),
            (wait("rate", false), Some(Level::Note)),
            (wait("retry", false), None),
        ] {
            let hold = wait.hold;
            let findings = waits(&Survey { waits: Some(vec![wait]), ..survey() });
            assert_eq!(findings.first().map(|finding| finding.level), level, "{hold}");
        }
    }
}
