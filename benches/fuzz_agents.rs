//! Any bytes as an agent file and as a list of agents: nothing panics, everything that is found has
//! a name and an id of its own, and whoever is found can be chosen.
//!
//! `cargo +nightly fuzz run --fuzz-dir benches/fuzz agents -- -timeout=1 -rss_limit_mb=512 -max_len=65536`
#![no_main]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::LazyLock;

use baton::planner::{Selector, Wanted};
use baton::registry::Registry;
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = root.join(format!("baton-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    for name in ["agent.md", "agents.json"] {
        let path = FOLDER.join(name);
        std::fs::write(&path, bytes).expect("a file can be written");
        let Ok(registry) = Registry::open(&path) else { continue };
        let ids: BTreeSet<&str> = registry.agents.iter().map(|agent| agent.id.as_str()).collect();
        assert_eq!(ids.len(), registry.agents.len(), "an id stands for one agent");
        assert!(registry.agents.iter().all(|agent| !agent.name.is_empty()));
        let selector = Selector::of(&registry.agents, &[]);
        let text = String::from_utf8_lossy(bytes);
        let selection = selector.select(&Wanted { text: &text, ..Wanted::default() });
        assert!((0.0..=1.0).contains(&selection.confidence));
        for chosen in selection.agents {
            assert!(chosen.score.is_finite() && (0.0..=1.0).contains(&chosen.capability));
        }
    }
});
