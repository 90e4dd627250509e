//! What operators and fate do.

use serde_json::Value;

use super::chronicle::{RunPhase, SubtaskPhase, TaskTold};
use super::life::{Due, Life, Stop};
use super::orders;

const MINUTE_MS: u64 = 60_000;
/// A handoff or a blocked run that nobody cares for is taken up by the operator after this.
const PATIENCE_MS: u64 = 180 * MINUTE_MS;

impl Life {
    /// Something bad happens, and something else later.
    pub(super) fn trouble(&mut self) -> Result<(), Stop> {
        if self.is_calm {
            return Ok(());
        }
        let next_ms = self.dice.between(1, 40) * MINUTE_MS;
        self.after(next_ms, Due::Trouble);
        match self.dice.below(10) {
            0 | 1 => return Err(Stop::Crash("by chance")),
            2 => self.clock.set_wall(),
            3 => {
                let for_ms = self.dice.pick(&[MINUTE_MS, 30 * MINUTE_MS, 9 * 60 * MINUTE_MS]);
                self.trace.say(self.clock.total_ms, || format!("SLEEP {for_ms}"));
                self.clock.sleep(for_ms);
                if let Some(daemon) = &mut self.daemon {
                    daemon.was_away = true;
                }
            }
            4 => {
                let until_ms = self.clock.total_ms + self.dice.pick(&[1, 10, 60]) * MINUTE_MS;
                self.trace.say(self.clock.total_ms, || format!("FREEZE until {until_ms}"));
                if let Some(daemon) = &mut self.daemon {
                    daemon.frozen_until_ms = until_ms;
                    daemon.was_away = true;
                }
            }
            5 => return self.reboot(),
            6 => {
                self.trace.say(self.clock.total_ms, || "HOLDER DIES".to_owned());
                self.holder += 1;
            }
            7 => self.reload(),
            8 => self.start_stranger(None),
            _ => {}
        }
        Ok(())
    }

    fn reboot(&mut self) -> Result<(), Stop> {
        self.clock.reboot();
        self.clock.set_wall();
        for process in &mut self.processes {
            if process.lives() {
                process.vanish();
            }
        }
        self.strange.iter_mut().for_each(|stranger| stranger.is_alive = false);
        self.in_flight.clear();
        self.crash("as the machine went down");
        self.in_flight.clear();
        Ok(())
    }

    /// The operator changes limits; masters may go and come back.
    fn reload(&mut self) {
        let (dice, policy) = (&mut self.dice, &mut self.policy);
        match dice.below(3) {
            0 => policy.attempts_active_max = dice.between(1, 4) as usize,
            _ => {
                let nth = dice.place(policy.masters.len());
                if let Some(master) = policy.masters.get_mut(&orders::name(nth)) {
                    master.attempts_active_max = dice.between(1, 3) as usize;
                }
            }
        }
        self.trace.say(self.clock.total_ms, || "RELOAD".to_owned());
        self.note_deadline();
        self.hint();
    }

    /// The operator does something, at random while there is trouble, and what is asked of him
    /// afterwards.
    pub(super) fn operate(&mut self) {
        if self.is_calm {
            self.after(20 * MINUTE_MS, Due::Operator);
            self.help();
            return;
        }
        let next_ms = self.dice.between(1, 30) * MINUTE_MS;
        self.after(next_ms, Due::Operator);
        let verbs = [
            "cancel", "retry", "retry", "skip", "pause", "resume", "withdraw", "assign",
            "fallback", "rollback", "dance",
        ];
        let verb = self.dice.pick(&verbs);
        let target = self.any_target();
        let master = self.dice.pick(&orders::MASTERS);
        let args = if verb == "assign" { serde_json::json!({"to": master}) } else { Value::Null };
        self.command(verb, &target, args);
    }

    /// Somebody changes his mind about what was given out just now.
    pub(super) fn change_mind(&mut self) {
        if self.is_calm || !self.dice.happens(10) {
            return;
        }
        let newest = self.told.attempts.iter().max_by_key(|(_, attempt)| attempt.seq);
        let Some(target) = newest.map(|(id, _)| id.clone()) else { return };
        let verb = self.dice.pick(&["withdraw", "skip", "fallback", "cancel"]);
        self.command(verb, &target, Value::Null);
    }

    fn any_target(&mut self) -> String {
        let tasks: Vec<String> = self.told.tasks.keys().cloned().collect();
        let subtasks: Vec<String> = self.told.places.keys().cloned().collect();
        let attempts: Vec<String> = self.told.attempts.keys().cloned().collect();
        let kind = self.dice.below(8);
        let list = match kind {
            0 | 1 => tasks,
            2 => attempts,
            _ => subtasks,
        };
        if list.is_empty() || kind == 7 {
            return "nothing".to_owned();
        }
        self.dice.pick(&list)
    }

    /// Does what a good operator does: lets go on what is paused, takes back what nobody takes,
    /// answers some of what is asked.
    fn help(&mut self) {
        let mut commands: Vec<(&str, String)> = Vec::new();
        for run in self.told.runs.values() {
            match &run.phase {
                RunPhase::Paused => commands.push(("resume", run.task_id.clone())),
                RunPhase::Blocked(_) => {
                    let blocked =
                        run.subtasks.iter().position(|s| s.phase == SubtaskPhase::Blocked);
                    let id = blocked.map(|at| run.plan.subtasks[at].subtask_id.to_string());
                    commands.extend(id.map(|id| ("answer", id)));
                }
                RunPhase::Going | RunPhase::RollingBack | RunPhase::Completed | RunPhase::Over => {}
            }
        }
        let now = self.clock.now();
        for (id, attempt) in self.told.live() {
            let waited_ms = now.since_ms(&attempt.issued_at).unwrap_or(u64::MAX);
            if !attempt.is_launched && attempt.recalled.is_none() && waited_ms > PATIENCE_MS {
                commands.push(("withdraw", id.clone()));
            }
        }
        for (verb, target) in commands {
            if verb != "answer" {
                self.command(verb, &target, Value::Null);
                continue;
            }
            match self.dice.below(6) {
                0 => self.command("retry", &target, Value::Null),
                1 => self.command("skip", &target, Value::Null),
                _ => {}
            }
        }
    }

    /// Tells whether everything that was accepted has come to an end, or waits for a person.
    pub(super) fn is_at_rest(&self) -> bool {
        let Some(daemon) = self.daemon.as_ref().filter(|_| self.is_calm) else { return false };
        if self.is_dropped.contains(&false) || !self.brain.outbox(&daemon.state).is_empty() {
            return false;
        }
        let is_told = self.orders.iter().all(|o| self.told.tasks.contains_key(o.task_id.as_str()));
        let tasks = self.told.tasks.values().all(|task| *task != TaskTold::Planning);
        let runs = self.told.runs.values().all(|run| {
            let is_over = matches!(run.phase, RunPhase::Completed | RunPhase::Over);
            is_over || matches!(run.phase, RunPhase::Blocked(_))
        });
        is_told
            && tasks
            && runs
            && self.told.live().next().is_none()
            && self.commands.iter().all(|dropped| dropped.is_settled)
    }

    /// Says what keeps a life from coming to rest.
    pub(super) fn what_is_left(&self) -> String {
        let mut left: Vec<String> = Vec::new();
        for (id, task) in &self.told.tasks {
            if *task == TaskTold::Planning {
                left.push(format!("task {id} is being planned"));
            }
        }
        for (id, run) in &self.told.runs {
            if !run.is_over() {
                let phases: Vec<_> = run.subtasks.iter().map(|s| &s.phase).collect();
                left.push(format!("{id} is {:?} with {phases:?}", run.phase));
            }
        }
        left.extend(self.told.live().map(|(id, a)| format!("{id} is live: {a:?}")));
        let commands = self.commands.iter().filter(|dropped| !dropped.is_settled);
        left.extend(commands.map(|dropped| format!("{} is not settled", dropped.claim)));
        left.join("\n")
    }
}
