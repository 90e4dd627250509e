//! Random lives of a few runs: no event may leave a document behind, which [`Drive`] checks after
//! every input.

use proptest::prelude::*;

use super::drive::{Drive, auth, chain};
use crate::domain::ids::TaskId;
use crate::domain::input::Input;
use crate::domain::plan::Strategy as Order;
use crate::domain::worker::AttemptPhase;

const TASKS: [&str; 4] = ["staged", "adaptive", "sequential", "routed"];

fn directory() -> Drive {
    let mut drive = Drive::new();
    for (index, name) in TASKS.into_iter().enumerate() {
        let task = drive.queue_task(index, Some(name), name);
        match name {
            "staged" => drive.plan(&task, auth()),
            "adaptive" => drive.plan(&task, chain(Order::Adaptive, "adaptive")),
            "sequential" => drive.plan(&task, chain(Order::Sequential, "sequential")),
            _ => drive.route(&task, "security"),
        }
    }
    drive
}

/// Does one thing, or nothing when it is not possible now.
fn step(drive: &mut Drive, nth: usize, what: u8, which: prop::sample::Index) {
    let subtasks: Vec<String> = drive
        .state
        .orchestrations
        .values()
        .flat_map(|run| run.plan.subtasks.iter().map(|s| s.subtask_id.as_str().to_owned()))
        .collect();
    let subtask = &subtasks[which.index(subtasks.len())];
    let task = TASKS[which.index(TASKS.len())];
    let task_id = TaskId::parse(task).unwrap();
    let id = format!("cmd-{nth}");
    let live = drive
        .state
        .live_attempts()
        .nth(which.index(drive.state.live_attempts().count().max(1)))
        .cloned();
    match what {
        0..8 => {
            let Some(attempt_id) = live else { return };
            let (run, position, attempt) = drive.state.attempt(&attempt_id).unwrap();
            let subtask = run.plan.subtasks[position].subtask_id.as_str().to_owned();
            let error = (what > 4).then_some("exit code 2");
            match (&attempt.phase, what) {
                (AttemptPhase::Issued | AttemptPhase::Published { .. }, 0) => {
                    drive.tell(Input::WorkerInterrupted { attempt_id, reason: "reboot".into() });
                }
                (AttemptPhase::Issued, _) => {
                    drive.begin(&subtask);
                }
                (AttemptPhase::Ending { identity: None, .. }, _) => {
                    drive.tell(Input::HandoffWithdrawn { attempt_id, in_time: true });
                }
                _ => drive.finish_if_possible(&subtask, &attempt_id, error),
            }
        }
        8 => drive.command(&id, "skip", subtask),
        9 => drive.command(&id, "retry", if nth.is_multiple_of(2) { subtask } else { task }),
        10 => drive.command(&id, "pause", task),
        11 => drive.command(&id, "resume", task),
        12 if nth.is_multiple_of(3) => drive.command(&id, "cancel", task),
        13 => {
            drive.tell(Input::TaskVanished { task_id });
        }
        14 => {
            drive.tell(Input::TaskReturned { task_id });
        }
        _ => drive.wait(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]
    #[test]
    fn no_event_leaves_a_document_behind(
        steps in prop::collection::vec((0u8..16, any::<prop::sample::Index>()), 0..50),
    ) {
        let mut drive = directory();
        for (nth, (what, which)) in steps.into_iter().enumerate() {
            step(&mut drive, nth, what, which);
        }
    }
}
