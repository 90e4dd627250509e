//! Processes of ours and masters elsewhere, as they really are: nothing here asks the domain.

use baton::backend::{self, Finished};
use baton::domain::evidence::{ProcessState, Watched};
use baton::domain::ids::{AttemptId, SubtaskId, WorkerId};
use baton::domain::report::{
    Category, Outcome, Report, ReportError, ReportFinding, ReportStatus, ResultKind,
};
use baton::domain::watch::{HeartbeatMark, Mark, Probe};
use baton::domain::worker::{Exit, ProcessIdentity};

use super::habits::{Custom, Ending, Habit, Shows};

/// What both kinds are asked to do.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) attempt_id: AttemptId,
    pub(super) subtask_id: SubtaskId,
    pub(super) worker_id: WorkerId,
    pub(super) nonce: String,
    pub(super) deliverables: Vec<String>,
}

/// What can be seen of somebody's work so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Traces {
    pub(super) cpu_ms: u64,
    pub(super) output: u64,
    pub(super) files: u64,
    pub(super) beats: u64,
    /// When it last got on, on the clock that stands still while the machine sleeps.
    pub(super) got_on_ms: u64,
    /// When it last did anything that is seen outside.
    pub(super) outward_ms: u64,
}

impl Traces {
    fn show(&mut self, shows: Shows, awake_ms: u64, pace_ms: u64) {
        self.cpu_ms += u64::from(shows.cpu) * (pace_ms / 10).max(500);
        self.output += u64::from(shows.output) * 100;
        self.files += u64::from(shows.files);
        self.beats += u64::from(shows.beat);
        if shows.cpu || shows.output || shows.files {
            self.got_on_ms = awake_ms;
        }
        if shows.output || shows.files {
            self.outward_ms = awake_ms;
        }
    }
}

/// A worker that was launched.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) job: Job,
    pub(super) identity: ProcessIdentity,
    pub(super) habit: Habit,
    pub(super) traces: Traces,
    /// When it was started, on the clock that stands still while the machine sleeps.
    pub(super) begun_ms: u64,
    acts_done: u64,
    pub(super) is_main_alive: bool,
    pub(super) children: u64,
    pub(super) is_stopped: bool,
    /// When it last went on after it had been, on the clock that stands still in sleep.
    pub(super) resumed_ms: u64,
    /// Its exit record, where a holder was there to write it.
    pub(super) exit: Option<Exit>,
    pub(super) report: Option<Report>,
    pub(super) is_report_foreign: bool,
    /// A report that keeps what it promises is there.
    pub(super) has_delivered: bool,
    pub(super) termed_at_ms: Option<u64>,
    pub(super) outlives_until_ms: u64,
    /// The number of the holder that started it.
    pub(super) holder: u64,
}

/// What follows from an act.
pub(super) enum Next {
    After(u64),
    Over,
}

impl Process {
    pub(super) fn start(job: Job, identity: ProcessIdentity, habit: Habit, at: (u64, u64)) -> Self {
        let (holder, awake_ms) = at;
        let traces = Traces { got_on_ms: awake_ms, outward_ms: awake_ms, ..Traces::default() };
        Self {
            job,
            identity,
            habit,
            traces,
            begun_ms: awake_ms,
            acts_done: 0,
            is_main_alive: true,
            children: 0,
            is_stopped: false,
            resumed_ms: 0,
            exit: None,
            report: None,
            is_report_foreign: false,
            has_delivered: false,
            termed_at_ms: None,
            outlives_until_ms: 0,
            holder,
        }
    }

    /// Tells whether anything of it is left.
    pub(super) fn lives(&self) -> bool {
        self.is_main_alive || self.children > 0
    }

    /// Does the next thing that it does by itself.
    pub(super) fn act(&mut self, awake_ms: u64, is_held: bool) -> Next {
        if !self.is_main_alive {
            return Next::Over;
        }
        if std::mem::take(&mut self.is_stopped) {
            self.resumed_ms = awake_ms;
        }
        if self.acts_done < self.habit.acts {
            if let Some((at, for_ms)) = self.habit.stops
                && at == self.acts_done
            {
                self.habit.stops = None;
                self.is_stopped = true;
                return Next::After(for_ms);
            }
            self.acts_done += 1;
            self.traces.show(self.habit.shows, awake_ms, self.habit.pace_ms);
            return Next::After(self.habit.pace_ms);
        }
        self.finish(awake_ms, is_held)
    }

    fn finish(&mut self, awake_ms: u64, is_held: bool) -> Next {
        match self.habit.ending {
            Ending::Never => {
                self.traces.show(self.habit.after, awake_ms, self.habit.pace_ms.max(30_000));
                return Next::After(self.habit.pace_ms.max(30_000));
            }
            Ending::DeliversAndStays => {
                self.deliver(awake_ms);
                self.habit.ending = Ending::Never;
                return Next::After(self.habit.pace_ms);
            }
            Ending::DeliversTwice => {
                self.deliver(awake_ms);
                self.habit.ending = Ending::Delivers;
                return Next::After(self.habit.pace_ms);
            }
            Ending::Delivers | Ending::DeliversAndDies => self.deliver(awake_ms),
            Ending::Lies => self.report = Some(report(&self.job, &lie(&self.job))),
            Ending::Foreign => self.is_report_foreign = true,
            Ending::Partial => {
                let partial = Some((Category::CodeError, "some of it is done".to_owned()));
                self.report = Some(failure_report(&self.job, ReportStatus::Partial, partial));
            }
            Ending::Fails(category, nth) => {
                let error = Some((category, message(nth)));
                self.report = Some(failure_report(&self.job, ReportStatus::Failure, error));
            }
            Ending::Nothing | Ending::Dies(_) => {}
        }
        let exit = match self.habit.ending {
            Ending::DeliversAndDies => Exit::Signal(9),
            Ending::Dies(code) if code < 0 => Exit::Signal(-code),
            Ending::Dies(code) => Exit::Code(code),
            Ending::Partial | Ending::Fails(..) => Exit::Code(1),
            Ending::Delivers
            | Ending::DeliversAndStays
            | Ending::DeliversTwice
            | Ending::Lies
            | Ending::Nothing
            | Ending::Foreign
            | Ending::Never => Exit::Code(0),
        };
        self.end(exit, is_held);
        Next::Over
    }

    fn deliver(&mut self, awake_ms: u64) {
        self.report = Some(report(&self.job, &self.job.deliverables));
        self.has_delivered = true;
        self.traces.got_on_ms = awake_ms;
        self.traces.outward_ms = awake_ms;
    }

    /// Delivers what there is, as one does that is told to end and listens.
    pub(super) fn deliver_and_end(&mut self, awake_ms: u64, is_held: bool) {
        self.deliver(awake_ms);
        self.end(Exit::Code(0), is_held);
    }

    /// Its first process is gone; whether its exit is known depends on its parent.
    pub(super) fn end(&mut self, exit: Exit, is_held: bool) {
        self.is_main_alive = false;
        self.exit = is_held.then_some(exit);
        if self.habit.leaves_child {
            self.habit.leaves_child = false;
            self.children = 1;
        }
    }

    /// Nothing of it is left, and nobody saw how it went.
    pub(super) fn vanish(&mut self) {
        self.is_main_alive = false;
        self.children = 0;
    }

    /// Says what it left behind, by the rules of its backend.
    pub(super) fn outcome(&self, exit: Exit) -> Outcome {
        let finding = self.report.as_ref().map(|report| ReportFinding {
            report: report.clone(),
            path: format!("workers/{}/report.json", self.job.worker_id),
            digest: "1".to_owned(),
            missing: missing(report, self.has_delivered),
        });
        let tail = if self.traces.output > 0 { "working on it" } else { "" };
        let talks = self.habit.ending != Ending::Nothing;
        (backend::find("command").unwrap().interpret)(&Finished {
            exit,
            report: finding.as_ref(),
            report_problem: self.is_report_foreign.then_some("it is about another subtask"),
            output_bytes: if talks { self.traces.output } else { 0 },
            output_tail: if talks { tail } else { "" },
            result_kind: ResultKind::Work,
            worker_id: &self.job.worker_id,
        })
    }

    /// Looks at it as the daemon does.
    pub(super) fn probe(&self) -> Probe {
        let process = match (self.is_main_alive, self.is_stopped, self.children) {
            (true, true, _) => ProcessState::Stopped,
            (true, false, _) => ProcessState::Running,
            (false, _, 0) => ProcessState::Gone,
            (false, ..) => ProcessState::Running,
        };
        Probe {
            worker: Watched::Attempt(self.job.attempt_id.clone()),
            process,
            cpu_ms: Some(self.traces.cpu_ms),
            memory_bytes: 1 << 20,
            processes: u64::from(self.is_main_alive) + self.children,
            output: Some(mark(self.traces.output)),
            heartbeat: heartbeat(&self.traces),
            files: Some(mark(self.traces.files)),
            report: self.report.is_some(),
        }
    }
}

/// A handoff that lies in the folder of a master elsewhere, and what the master makes of it.
#[derive(Debug)]
pub(super) struct Paper {
    pub(super) job: Job,
    pub(super) custom: Custom,
    pub(super) place: Place,
    pub(super) traces: Traces,
    acts_done: u64,
    pub(super) is_over: bool,
    /// A report that keeps what it promises was written.
    pub(super) has_delivered: bool,
}

/// Where the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    There,
    Taken,
    Withdrawn,
    Lost,
}

/// A report that was written elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) finding: ReportFinding,
    pub(super) by_inbox: bool,
    /// The attempt that it is really about.
    pub(super) from: AttemptId,
}

impl Paper {
    pub(super) fn publish(job: Job, custom: Custom, awake_ms: u64) -> Self {
        let traces = Traces { got_on_ms: awake_ms, outward_ms: awake_ms, ..Traces::default() };
        Self {
            job,
            custom,
            place: Place::There,
            traces,
            acts_done: 0,
            is_over: false,
            has_delivered: false,
        }
    }

    /// Does the master's next thing: takes it, works, reports.
    pub(super) fn act(&mut self, awake_ms: u64, letters: &mut Vec<Letter>) -> Next {
        if self.is_over || matches!(self.place, Place::Withdrawn | Place::Lost) {
            self.is_over = true;
            return Next::Over;
        }
        if self.place == Place::There {
            self.place = if self.custom.loses_file { Place::Lost } else { Place::Taken };
            self.traces.show(self.custom.shows, awake_ms, self.custom.pace_ms);
            return Next::After(self.custom.pace_ms);
        }
        if self.acts_done < self.custom.acts {
            self.acts_done += 1;
            self.traces.show(self.custom.shows, awake_ms, self.custom.pace_ms);
            return Next::After(self.custom.pace_ms);
        }
        let job = &self.job;
        let (report, is_true) = match self.custom.ending {
            Ending::Never => {
                self.is_over = true;
                return Next::Over;
            }
            Ending::Lies => (report(job, &lie(job)), false),
            Ending::Nothing => (Report { summary: String::new(), ..report(job, &[]) }, false),
            Ending::Fails(category, nth) => {
                let error = Some((category, message(nth)));
                (failure_report(job, ReportStatus::Failure, error), false)
            }
            Ending::Foreign => {
                let subtask_id = SubtaskId::parse("nobody-001-step").unwrap();
                (Report { subtask_id, ..report(job, &[]) }, false)
            }
            Ending::Delivers
            | Ending::DeliversAndStays
            | Ending::DeliversAndDies
            | Ending::DeliversTwice
            | Ending::Partial
            | Ending::Dies(_) => (report(job, &job.deliverables), true),
        };
        self.has_delivered |= is_true;
        self.traces.got_on_ms = awake_ms;
        let letter = self.letter(report, is_true, letters.len());
        letters.push(letter);
        if self.custom.ending == Ending::DeliversTwice {
            self.custom.ending = Ending::Delivers;
            return Next::After(self.custom.pace_ms);
        }
        self.is_over = true;
        Next::Over
    }

    fn letter(&self, mut report: Report, is_true: bool, nth: usize) -> Letter {
        if self.custom.names_nothing {
            report.attempt_id = None;
        }
        let path = if self.custom.by_inbox {
            format!("inbox/report-{nth}.json")
        } else {
            format!("workers/{}/report.json", self.job.worker_id)
        };
        let missing = missing(&report, is_true);
        Letter {
            finding: ReportFinding { report, path, digest: format!("{nth:08x}"), missing },
            by_inbox: self.custom.by_inbox,
            from: self.job.attempt_id.clone(),
        }
    }

    pub(super) fn probe(&self, is_reported: bool) -> Probe {
        Probe {
            worker: Watched::Attempt(self.job.attempt_id.clone()),
            process: ProcessState::Unverifiable,
            cpu_ms: None,
            memory_bytes: 0,
            processes: 0,
            output: None,
            heartbeat: heartbeat(&self.traces),
            files: Some(mark(self.traces.files)),
            report: is_reported,
        }
    }
}

fn heartbeat(traces: &Traces) -> Option<HeartbeatMark> {
    (traces.beats > 0).then(|| HeartbeatMark {
        content: traces.beats.to_string(),
        progress: "working".to_owned(),
        // Nobody may believe it.
        claimed: Some("1999-01-01T00:00:00Z".to_owned()),
    })
}

pub(super) fn mark(number: u64) -> Mark {
    Mark { mark: number.to_string(), what: format!("{number} of them") }
}

fn lie(job: &Job) -> Vec<String> {
    [job.deliverables.clone(), vec!["out/nowhere.md".to_owned()]].concat()
}

fn missing(report: &Report, is_true: bool) -> Vec<String> {
    if is_true { Vec::new() } else { report.deliverables.clone() }
}

fn message(nth: u8) -> String {
    ["it broke", "the tests fail", "nothing compiles"][usize::from(nth) % 3].to_owned()
}

fn report(job: &Job, deliverables: &[String]) -> Report {
    Report {
        subtask_id: job.subtask_id.clone(),
        attempt_id: Some(job.attempt_id.clone()),
        status: ReportStatus::Success,
        summary: "done".to_owned(),
        deliverables: deliverables.to_vec(),
        tokens_used: None,
        cost_usd: None,
        // Where nobody asked for a list it is passed over.
        items: Some(vec!["one".to_owned(), "two".to_owned()]),
        error: None,
    }
}

fn failure_report(job: &Job, status: ReportStatus, error: Option<(Category, String)>) -> Report {
    let error = error.map(|(category, message)| ReportError { category: Some(category), message });
    Report { status, summary: String::new(), error, ..report(job, &[]) }
}
