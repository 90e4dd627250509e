//! Workers, masters that rest, what waits and what is asked, on a page.

use super::super::output::{Page, Table, Tone, plain, span, text};
use crate::client::survey::{Owner, Question, Resting, Survey, Waiting, Worker};
use crate::domain::evidence::{Liveness, ProcessState, Sign};

/// So many of each are listed.
const LISTED_MAX: usize = 10;

/// Puts everything that is not as quiet as it could be on the page.
pub(super) fn print(page: &mut Page, survey: &Survey) {
    asked(page, survey);
    let (strange, ours): (Vec<&Worker>, Vec<&Worker>) =
        survey.workers.iter().partition(|worker| match worker.owner {
            Owner::Baton => false,
            Owner::Master | Owner::Other | Owner::Unknown => true,
        });
    workers(page, survey, "WORKER", &ours);
    workers(page, survey, "OF A MASTER", &strange);
    circuits(page, survey);
    waits(page, survey.waits.as_deref().unwrap_or_default());
}

fn asked(page: &mut Page, survey: &Survey) {
    if survey.questions.is_empty() {
        return;
    }
    page.heading("Waits for a person");
    for question in survey.questions.iter().take(LISTED_MAX) {
        let Question { task_id, subtask_id, since, is_overdue, .. } = question;
        let reminded = if *is_overdue { ", and nobody answered" } else { "" };
        let of = if task_id == subtask_id { String::new() } else { format!(" of {task_id}") };
        let waited = duration(survey.for_ms(*since));
        let reason = &question.reason;
        page.point(Tone::Bad, "✗", &format!("{subtask_id}{of}, for {waited}{reminded}: {reason}"));
        for option in &question.options {
            page.point(Tone::Busy, "   ", option);
        }
    }
    more(page, survey.questions.len());
}

fn workers(page: &mut Page, survey: &Survey, head: &'static str, workers: &[&Worker]) {
    if workers.is_empty() {
        return;
    }
    page.gap();
    let mut table = Table::new(&[head, "MASTER", "HEALTH", "PROCESS", "LAST SIGN"], 0);
    for worker in workers.iter().take(LISTED_MAX) {
        let (tone, health) = health(survey, worker);
        let (process_tone, process) = process(worker);
        table.row(vec![
            plain(&worker.worker_id),
            plain(&worker.parent_master),
            span(tone, health),
            span(process_tone, process),
            span(Tone::Dim, last_sign(survey, worker)),
        ]);
    }
    table.print(page);
    more(page, workers.len());
    for worker in workers.iter().take(LISTED_MAX) {
        for note in notes(worker) {
            page.point(Tone::Warn, "!", &format!("{}: {note}", worker.worker_id));
        }
    }
}

/// Says how a worker is, and for how long.
fn health(survey: &Survey, worker: &Worker) -> (Tone, String) {
    if worker.owner == Owner::Unknown {
        let status = if worker.status.is_empty() { "unknown" } else { &worker.status };
        return (Tone::Dim, status.to_owned());
    }
    // Nothing that was seen says that it lives, and nothing that it does not.
    let is_unknown = worker.process == ProcessState::Unverifiable && worker.last_sign.is_none();
    let tone = match worker.liveness {
        Liveness::Healthy if is_unknown => Tone::Dim,
        _ if worker.status == "stopping" => Tone::Warn,
        Liveness::Healthy if worker.status == "pending" => Tone::Dim,
        Liveness::Healthy => Tone::Good,
        Liveness::Quiet | Liveness::Suspect => Tone::Warn,
        Liveness::Stalled | Liveness::Gone => Tone::Bad,
    };
    let word = match (worker.status.as_str(), worker.liveness) {
        (status @ ("stopping" | "pending"), Liveness::Healthy) => status,
        (_, Liveness::Healthy) if is_unknown => "unknown",
        (_, liveness) => liveness.as_str(),
    };
    let since = worker.since.or(worker.started_at);
    let told = since.map(|since| format!(" {}", duration(survey.for_ms(since))));
    (tone, format!("{word}{}", told.unwrap_or_default()))
}

fn process(worker: &Worker) -> (Tone, String) {
    if worker.owner == Owner::Unknown {
        return (Tone::Dim, "not looked at".to_owned());
    }
    let pid = worker.pid.map(|pid| format!("pid {pid}"));
    match worker.process {
        ProcessState::Running | ProcessState::Uninterruptible => {
            (Tone::Plain, pid.unwrap_or_else(|| "runs".to_owned()))
        }
        ProcessState::Stopped => {
            (Tone::Warn, pid.map_or_else(|| "stopped".to_owned(), |pid| format!("{pid}, stopped")))
        }
        ProcessState::Gone => (Tone::Bad, "gone".to_owned()),
        ProcessState::Unverifiable if worker.owner == Owner::Baton => {
            (Tone::Dim, "none".to_owned())
        }
        ProcessState::Unverifiable => (Tone::Warn, "unverifiable".to_owned()),
    }
}

fn last_sign(survey: &Survey, worker: &Worker) -> String {
    match &worker.last_sign {
        None => "none so far".to_owned(),
        Some(seen) if seen.sign == Sign::Process => "none so far".to_owned(),
        Some(seen) => {
            format!("{} {} ago", seen.sign.as_str(), duration(survey.for_ms(seen.at)))
        }
    }
}

/// Says what is to be known of a worker beside its line.
fn notes(worker: &Worker) -> Vec<String> {
    let verdict = match worker.liveness {
        Liveness::Healthy => None,
        Liveness::Quiet | Liveness::Suspect | Liveness::Stalled | Liveness::Gone => {
            Some(worker.verdict.clone()).filter(|verdict| !verdict.is_empty())
        }
    };
    let reason = worker.reason.as_ref().map(|reason| format!("is called back: {reason}"));
    let left = (!worker.survivors.is_empty()).then(|| {
        let pids: Vec<String> = worker.survivors.iter().map(ToString::to_string).collect();
        format!("cannot be ended; left are the processes {}", pids.join(", "))
    });
    let moves = (worker.folder != "active").then(|| format!("its spec goes to {}/", worker.folder));
    let by =
        (!worker.specs.is_empty()).then(|| format!("carried out by {}", worker.specs.join(", ")));
    [by, verdict, reason, left, moves].into_iter().flatten().collect()
}

fn circuits(page: &mut Page, survey: &Survey) {
    if survey.circuits.is_empty() {
        return;
    }
    page.gap();
    let mut table = Table::new(&["MASTER", "CIRCUIT", "FAILURES", "IS GIVEN WORK"], 0);
    for Resting { master, phase, failures, until, trial } in survey.circuits.iter().take(LISTED_MAX)
    {
        let again = match (until, trial) {
            (Some(until), _) => match survey.in_ms(*until) {
                0 => "one attempt, to see, from now on".to_owned(),
                ms => format!("one attempt, to see, in {}", duration(ms)),
            },
            (None, Some(trial)) => format!("again when {trial} succeeds"),
            (None, None) => "one attempt, to see, from now on".to_owned(),
        };
        let tone = if *phase == "open" { Tone::Bad } else { Tone::Warn };
        table.row(vec![
            plain(master),
            span(tone, phase.replace('_', "-")),
            plain(format!("{failures} in a row")),
            plain(again),
        ]);
    }
    table.print(page);
    more(page, survey.circuits.len());
}

fn waits(page: &mut Page, waits: &[Waiting]) {
    if waits.is_empty() {
        return;
    }
    page.heading("Held back");
    for wait in waits.iter().take(LISTED_MAX) {
        let tone = if wait.is_overdue { Tone::Warn } else { Tone::Dim };
        page.point(tone, "○", &format!("{} waits for {}", wait.subtask_id, wait.waits_for));
    }
    more(page, waits.len());
}

/// Returns a length of time in few columns: `42s`, `10m`, `2h 04m`.
fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        60..3_600 => format!("{}m", seconds / 60),
        0..60 | 3_600.. => text::duration(seconds),
    }
}

fn more(page: &mut Page, all: usize) {
    if all > LISTED_MAX {
        let more = format!("and {} more; `--json` lists all", all - LISTED_MAX);
        page.line(&[span(Tone::Dim, text::clean(&more))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::survey::LastSign;
    use crate::domain::Moment;
    use crate::domain::moment::{BootId, Timestamp};

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// Returns a worker that began ten minutes ago and printed something a minute ago.
    fn worker(id: &str, owner: Owner, liveness: Liveness) -> Worker {
        Worker {
            worker_id: id.into(),
            owner,
            parent_master: "development".into(),
            subtask_id: None,
            status: "running".into(),
            started_at: Some(at("2025-11-05T18:00:00Z")),
            pid: Some(4711),
            process: ProcessState::Running,
            liveness,
            since: (liveness != Liveness::Healthy).then(|| at("2025-11-05T18:09:18Z")),
            last_sign: Some(LastSign {
                sign: Sign::Output,
                at: at("2025-11-05T18:09:00Z"),
                what: "412 bytes".into(),
            }),
            claimed_heartbeat: None,
            verdict: "it made no progress for 20 min, and two looks agree".into(),
            reason: None,
            survivors: Vec::new(),
            specs: Vec::new(),
            folder: "active".into(),
        }
    }

    fn seen(survey: &Survey) -> String {
        let mut page = Page::new(80);
        print(&mut page, survey);
        let text = anstream::adapter::strip_str(&page.into_text()).to_string();
        assert!(text.lines().all(|line| text::columns(line) <= 80), "{text}");
        text
    }

    fn survey() -> Survey {
        let wall = at("2025-11-05T18:10:00Z");
        Survey {
            at: Moment { boot: BootId(1), boottime_ms: 1, wall },
            questions: Vec::new(),
            workers: Vec::new(),
            circuits: Vec::new(),
            waits: None,
        }
    }

    #[test]
    fn what_is_quiet_takes_no_room() {
        assert_eq!(seen(&survey()), "");
    }

    #[test]
    fn a_person_sees_what_is_asked_with_its_answers() {
        let question = Question {
            task_id: "signup".into(),
            subtask_id: "signup-002-audit".into(),
            since: at("2025-11-05T17:58:00Z"),
            is_overdue: true,
            reason: "audit worker failed 3 times: exit code 2".into(),
            escalation: "Audit failed after 2 retries. Last error: exit code 2".into(),
            options: vec![
                "[r] retry differently: baton retry signup-002-audit".into(),
                "[a] abort and review the plan: baton cancel signup".into(),
            ],
        };
        insta::assert_snapshot!(seen(&Survey { questions: vec![question], ..survey() }), @r"
        Waits for a person
        ✗ signup-002-audit of signup, for 12m, and nobody answered: audit worker failed
          3 times: exit code 2
            [r] retry differently: baton retry signup-002-audit
            [a] abort and review the plan: baton cancel signup
        ");
    }

    #[test]
    fn every_worker_says_how_it_is_and_by_which_sign() {
        let mut stopping = worker("fix-2-attempt-1", Owner::Baton, Liveness::Healthy);
        stopping.status = "stopping".into();
        stopping.reason = Some("it ran longer than its time box of 30 s".into());
        stopping.survivors = vec![12, 13];
        let mut silent = worker("dev-7", Owner::Other, Liveness::Healthy);
        (silent.process, silent.last_sign, silent.pid) = (ProcessState::Unverifiable, None, None);
        let mut taken = worker("signup-002-audit-attempt-12", Owner::Master, Liveness::Stalled);
        taken.specs = vec!["audit-9".into()];
        let mut gone = worker("dev-8", Owner::Other, Liveness::Gone);
        (gone.process, gone.folder) = (ProcessState::Gone, "zombie".into());
        let workers = vec![
            worker("fix-1-attempt-1", Owner::Baton, Liveness::Healthy),
            stopping,
            taken,
            silent,
            gone,
        ];
        insta::assert_snapshot!(seen(&Survey { workers, ..survey() }), @r"
        WORKER           MASTER       HEALTH        PROCESS   LAST SIGN
        fix-1-attempt-1  development  healthy 10m   pid 4711  output 1m ago
        fix-2-attempt-1  development  stopping 10m  pid 4711  output 1m ago
        ! fix-2-attempt-1: is called back: it ran longer than its time box of 30 s
        ! fix-2-attempt-1: cannot be ended; left are the processes 12, 13

        OF A MASTER                MASTER       HEALTH       PROCESS       LAST SIGN
        signup-002-audit-attempt…  development  stalled 42s  pid 4711      output 1m ago
        dev-7                      development  unknown 10m  unverifiable  none so far
        dev-8                      development  gone 42s     gone          output 1m ago
        ! signup-002-audit-attempt-12: carried out by audit-9
        ! signup-002-audit-attempt-12: it made no progress for 20 min, and two looks
          agree
        ! dev-8: it made no progress for 20 min, and two looks agree
        ! dev-8: its spec goes to zombie/
        ");
    }

    #[test]
    fn what_rests_and_what_waits_says_until_when() {
        let circuits = vec![
            Resting {
                master: "auditor".into(),
                phase: "open",
                failures: 5,
                until: Some(at("2025-11-05T18:10:42Z")),
                trial: None,
            },
            Resting {
                master: "development".into(),
                phase: "half_open",
                failures: 7,
                until: None,
                trial: Some("fix-3-attempt-2".into()),
            },
        ];
        let wait = |id: &str, waits_for: &str| Waiting {
            subtask_id: id.into(),
            orchestration_id: "orch-signup".into(),
            master: "development".into(),
            hold: "rate",
            waits_for: waits_for.into(),
            since: None,
            until: None,
            is_overdue: false,
        };
        let mut waits =
            vec![wait("signup-003-docs", "the next start of development, in 12 s (2 a minute)")];
        waits.extend((1..=11).map(|n| wait(&format!("fix-{n}"), "its retry, in 3 s")));
        insta::assert_snapshot!(seen(&Survey { circuits, waits: Some(waits), ..survey() }), @r"
        MASTER       CIRCUIT    FAILURES    IS GIVEN WORK
        auditor      open       5 in a row  one attempt, to see, in 42s
        development  half-open  7 in a row  again when fix-3-attempt-2 succeeds

        Held back
        ○ signup-003-docs waits for the next start of development, in 12 s (2 a minute)
        ○ fix-1 waits for its retry, in 3 s
        ○ fix-2 waits for its retry, in 3 s
        ○ fix-3 waits for its retry, in 3 s
        ○ fix-4 waits for its retry, in 3 s
        ○ fix-5 waits for its retry, in 3 s
        ○ fix-6 waits for its retry, in 3 s
        ○ fix-7 waits for its retry, in 3 s
        ○ fix-8 waits for its retry, in 3 s
        ○ fix-9 waits for its retry, in 3 s
        and 2 more; `--json` lists all
        ");
    }
}
