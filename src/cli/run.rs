//! `baton run`: submits a task and stays with it to its end, with a daemon of its own if need be.

use std::time::Duration;

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::daemon::{OwnDaemon, last_words};
use super::output::live::Live;
use super::output::summary::Summary;
use super::output::{CliError, Exit, text};
use super::submit::{RequestArgs, is_settling};
use super::{Context, init};
use crate::client::follow::{Follower, Standing};
use crate::client::request::Request;
use crate::client::story::Story;
use crate::client::wait::{Waiter, Wake};
use crate::client::{Client, ClientError};
use crate::clock;
use crate::config::{Config, Overrides};
use crate::domain::Moment;

/// Arguments of `baton run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    request: RequestArgs,
}

/// One `baton run`, from the request to the summary.
struct Run<'a> {
    client: &'a Client,
    follower: Follower,
    waiter: Waiter,
    live: Live,
    story: Story,
    /// The daemon that was started for this run; `None` while another one serves the directory.
    own: Option<OwnDaemon>,
    /// How often in a row a daemon of our own found the directory taken.
    lost_starts: u32,
    /// When it was last asked whether anybody serves the directory.
    asked_at: Moment,
    interrupted: bool,
}

/// A daemon that has the directory and cannot be seen from here is given up on after so many starts
/// in vain: it may be on another machine.
const LOST_STARTS_MAX: u32 = 5;

/// How long nothing may be heard before everything is looked at again.
const TICK: Duration = Duration::from_millis(TICK_MS);
const TICK_MS: u64 = 1_000;

impl RunArgs {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, CliError> {
        let mut request = self.request.read()?;
        let client = open_or_make(context)?;
        let under_way = client.unfinished_like(&request)?;
        if let Some(earlier) = &under_way {
            let id = &earlier.task_id;
            context.out.note(&format!("{id} asks for the same and is not over: going on with it"));
            request.task_id = id.clone();
        }
        let mut run = Run::begin(context, &client, &request, under_way.is_some())?;
        let began = clock::now();
        let file = match under_way {
            Some(earlier) => earlier.file,
            None => request.submit(&client)?,
        };
        run.follower.dropped_as(&file);
        let ended = run.follow();
        let has_own = run.own.is_some();
        run.end_daemon();
        let interrupted = run.interrupted;
        // What ran may have ended it while it was given time to.
        let latest = if interrupted { run.follower.look().ok() } else { None };
        drop(run);
        let standing = latest.map_or(ended, Ok)?;
        let duration_ms = clock::now().since_ms(&began).unwrap_or(0);
        if interrupted && !standing.is_over() {
            return Err(interruption(&client, &request, has_own));
        }
        let summary = Summary::of(&client, &request, &standing, duration_ms)?;
        context.out.show(&summary)?;
        if has_own {
            say_what_is_left(context, &client);
        }
        Ok(summary.exit())
    }
}

/// Says what a person who had enough leaves behind.
fn interruption(client: &Client, request: &Request, has_own: bool) -> CliError {
    let id = &request.task_id;
    if !has_own {
        let message = format!("interrupted; the daemon of this directory goes on with {id}");
        return CliError::new(Exit::Interrupted, message)
            .hint(format!("`baton show {id}` says how far it is, `baton cancel {id}` ends it"));
    }
    let running = client.workers().map_or(0, |workers| workers.len());
    let running = match running {
        0 => String::new(),
        1 => ", and 1 worker runs on".to_owned(),
        more => format!(", and {more} workers run on"),
    };
    CliError::new(Exit::Interrupted, format!("interrupted; {id} is not over{running}"))
        .hint("nothing is lost: the same command, or `baton daemon`, goes on where it was")
}

/// The daemon of this run has ended: what it leaves open, somebody has to go on with.
fn say_what_is_left(context: &Context, client: &Client) {
    let open = client.overview().map_or(0, |overview| overview.current_orchestrations.len());
    if open > 0 {
        let plans = text::count(open, "other plan");
        context
            .out
            .note(&format!("{plans} not over here: `baton daemon` goes on with what is open"));
    }
}

/// Opens the coordination directory, or makes one with external masters where there is none.
fn open_or_make(context: &Context) -> Result<Client, CliError> {
    let dir = context.directory()?;
    match Client::open(&dir) {
        Err(ClientError::NoDirectory { .. }) => {
            init::make(&dir)?;
            context.out.note(&format!(
                "made {}: its masters are external, see baton.toml there",
                dir.display()
            ));
            Ok(Client::open(&dir)?)
        }
        opened => Ok(opened?),
    }
}

impl<'a> Run<'a> {
    fn begin(
        context: &Context,
        client: &'a Client,
        request: &Request,
        is_known: bool,
    ) -> Result<Self, CliError> {
        let waiter = Waiter::new(&client.watched()?);
        hear_signals(&waiter)?;
        let follower = Follower::new(client, &request.task_id)?;
        let story = Story::begin(client, &request.task_id, is_known)?;
        let live = Live::new(&context.out, &request.spec.title);
        let mut run = Self {
            client,
            follower,
            waiter,
            live,
            story,
            own: None,
            lost_starts: 0,
            asked_at: clock::now(),
            interrupted: false,
        };
        run.have_daemon()?;
        Ok(run)
    }

    /// Makes sure that a daemon serves the directory: the one that does, or else one of our own.
    /// Whether that one serves it to the end or is about to go makes no difference: this is asked
    /// again until the task is over.
    fn have_daemon(&mut self) -> Result<(), CliError> {
        if self.own.is_some() || self.client.daemon().is_some() {
            return Ok(());
        }
        self.client.still_there()?;
        // A mistake in it is better told by us than by a daemon that ends at once.
        let env = |name: &str| std::env::var(name).ok();
        Config::load(self.client.root(), &env, &Overrides::default())?;
        self.own = Some(OwnDaemon::start(self.client, self.waiter.sender())?);
        Ok(())
    }

    /// Stays with the task until it is over, or until a person has had enough.
    fn follow(&mut self) -> Result<Standing, CliError> {
        let mut settling_ticks = 0;
        loop {
            let standing = self.follower.look()?;
            for sentence in self.story.news() {
                self.live.tell(&sentence);
            }
            self.live.show(self.client, &standing);
            if standing.is_over()
                && !is_settling(self.client, self.follower.task_id(), &standing, settling_ticks)
            {
                return Ok(standing);
            }
            match self.waiter.wait(TICK) {
                Wake::Files => self.go_on_without_other()?,
                Wake::Tick => {
                    settling_ticks += u32::from(standing.is_over());
                    self.go_on_without_other()?;
                }
                Wake::Signal(_) => {
                    self.interrupted = true;
                    return Ok(standing);
                }
                Wake::DaemonEnded(code) => self.daemon_ended(code)?,
            }
        }
    }

    /// Ends the daemon that was started for this run, if any, and waits until it is gone.
    fn end_daemon(&mut self) {
        let Some(own) = &mut self.own else { return };
        if self.interrupted {
            own.interrupt();
            self.live.notice("nothing new is begun, workers may end; Ctrl-C again stops them");
        } else {
            own.let_go();
        }
        loop {
            match self.waiter.wait(TICK) {
                Wake::Files | Wake::Tick => {
                    if let Ok(standing) = self.follower.look() {
                        self.live.show(self.client, &standing);
                    }
                }
                Wake::Signal(_) => {
                    self.interrupted = true;
                    if own.interrupt() > 2 {
                        return;
                    }
                    self.live.notice("stopping the workers; Ctrl-C again ends at once");
                }
                Wake::DaemonEnded(_) => {
                    own.has_ended();
                    return;
                }
            }
        }
    }

    /// Another daemon may have been faster than ours: then that one does the work, or ours does it
    /// when that one has gone.
    fn daemon_ended(&mut self, code: Option<i32>) -> Result<(), CliError> {
        if let Some(own) = &mut self.own {
            own.has_ended();
        }
        self.own = None;
        if self.client.daemon().is_some() {
            self.lost_starts = 0;
            return Ok(());
        }
        let exit = code.and_then(|code| u8::try_from(code).ok()).map_or(Exit::Io, Exit::of_code);
        if exit == Exit::Busy && self.lost_starts < LOST_STARTS_MAX {
            // With the next tick: it was there a moment ago.
            self.lost_starts += 1;
            return Ok(());
        }
        let exit = if exit == Exit::Done { Exit::NoDaemon } else { exit };
        let words = last_words(self.client);
        Err(CliError::new(exit, format!("the daemon ended: {words}"))
            .hint("`baton doctor` says what is wrong; orchestrator/daemon.log says more"))
    }

    /// Goes on with a daemon of our own where the one that served the directory has gone: it may
    /// have been on its way out already when we came.
    fn go_on_without_other(&mut self) -> Result<(), CliError> {
        let now = clock::now();
        let is_time = now.is_past(&self.asked_at, TICK_MS);
        if !is_time || self.own.is_some() {
            return Ok(());
        }
        self.asked_at = now;
        if self.client.daemon().is_some() {
            return Ok(());
        }
        if self.lost_starts == 0 {
            self.live.notice("the daemon that was here has ended: going on with one of our own");
        }
        self.have_daemon()
    }
}

/// Turns the signals that ask us to end into wake-ups.
fn hear_signals(waiter: &Waiter) -> Result<(), CliError> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|e| CliError::new(Exit::System, format!("cannot listen for signals: {e}")))?;
    let sender = waiter.sender();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if sender.send(Wake::Signal(signal)).is_err() {
                return;
            }
        }
    });
    Ok(())
}
