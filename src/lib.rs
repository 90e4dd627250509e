//! Baton conducts AI coding agents through a directory of plain JSON files.
//!
//! # The idea
//!
//! Everything that reaches the daemon becomes an [`Input`](domain::Input); [`decide`](domain::decide)
//! turns it into [`Event`](domain::Event)s; the [`journal`] makes them durable as one
//! [`Record`](domain::Record); [`State`](domain::State) folds the record; projections turn state into
//! documents; the [`outbox`](domain::outbox) says which [`Effect`](domain::Effect)s the world still
//! owes. **The journal first, always; then what an effect needs to find on disk; then the effect.**
//!
//! # The rooms, in the order to read them
//!
//! | room | may import | may touch | what it does |
//! | --- | --- | --- | --- |
//! | [`domain`] | nothing of ours | nothing | the vocabulary and the rules: what may happen, and what follows from it |
//! | [`planner`] | `domain` | nothing | drafts a plan for a request, with its reasons |
//! | [`journal`] | `domain` | `orchestrator/journal/` | keeps the truth: one decision, one checksummed line |
//! | [`store`] | `domain` | the rest of `coordination/` | the only door to the directory that everybody shares |
//! | [`registry`] | `domain` | agent files, indexes and lists | knows the agents, and what is odd about their files |
//! | [`intake`] | `domain`, `store` | reads through `store` | turns what others put into the directory into inputs |
//! | [`projection`] | `domain` | nothing | turns state into documents |
//! | [`backend`] | `domain` | nothing | says how a worker is launched and what its end means |
//! | [`drafter`] | `domain`, `planner`, `backend`, `clock` | programs and addresses that the operator names | asks a planner outside, e.g. a model |
//! | [`clock`] | `domain` | the clocks | the only reader of the clocks |
//! | [`config`] | `domain`, `backend`, `drafter` | `baton.toml`, environment | settings, every one of them checked |
//! | [`telemetry`] | nothing of ours | standard error | logging that never stops anything |
//! | [`daemon`] | `domain`, `planner`, `journal`, `store`, `intake`, `projection`, `backend`, `drafter`, `registry`, `clock`, `config`, `telemetry` | processes, signals, the watcher | the one loop that moves all of the above |
//! | [`client`] | `domain`, `journal`, `store`, `planner`, `drafter`, `registry`, `clock` | reads documents and journal, writes `inbox/` | what every surface can do, by files alone |
//! | [`cli`] | `domain`, `client`, `clock`, `config`, `telemetry`, `daemon` | standard output | the command line; it needs `daemon` only to start it |
//!
//! A room that touches nothing is pure: no file, clock, process, thread, randomness or runtime. What
//! is hard is therefore tested in a microsecond, and what has to wait for the world is straight.
//! `tests/tidy.rs` reads every import and compares it with this table.
//!
//! # What always holds
//!
//! - **Time comes in as an argument.** A [`Moment`](domain::Moment) is handed to whoever needs one.
//!   Deadlines count on the boot-time clock; wall time is for people.
//! - **One closed enum in, one fold.** A reader of [`Input`](domain::Input) has seen everything that
//!   can reach the domain, and replay folds the same records by the same code as the live daemon.
//! - **One decision is one journal line.** It is synced before anything follows from it; a sync that
//!   fails ends the process at once, and the next start trusts only what it reads.
//! - **Effects are keyed.** Asking for one twice is harmless, so a crash between deciding and doing
//!   is repaired by asking again.
//! - **A handoff is published once, a worker launched at most once an attempt.** Attempts are
//!   numbered, and what an earlier one reports late never undoes a later one.
//! - **A PID alone is never signalled.** A process is known by host, boot, PID and start time.
//! - **Documents are derived.** Each one can be deleted and comes back; only the journal, the queue
//!   and what others wrote cannot be made again.
//! - **What others wrote stays.** Their fields come back byte for byte, their broken files are copied
//!   aside and left where they are, their text is data and is never run.
//! - **Everything has a limit, and says so when it is reached.**
//! - **What chose something says why.** Explaining is reading the journal.
//!
//! # Where to extend
//!
//! An intake, backend, projection, planner, kind of planner outside, registry reader, recovery strategy or subcommand is one new file, its
//! `mod` line and its entry on the roster beside it: [`intake::roster`], [`backend::ROSTER`],
//! [`projection::ROSTER`], [`planner::ROSTER`], [`drafter::ROSTER`], [`registry::ROSTER`],
//! [`domain::recovery::ROSTER`], the subcommands of
//! [`cli`]. The order on a roster has meaning.

pub mod domain;

pub mod planner;

pub mod journal;
pub mod registry;
pub mod store;

pub mod intake;
pub mod projection;

pub mod backend;

pub mod clock;
pub mod drafter;

pub mod config;
pub mod telemetry;

pub mod daemon;

pub mod cli;
pub mod client;
