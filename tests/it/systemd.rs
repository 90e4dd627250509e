//! The unit files, as systemd reads them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `DelegateSubgroup=` came with it.
const SUBGROUPS_SINCE: u32 = 254;

#[test]
fn systemd_has_nothing_to_say_about_the_unit() {
    let Some(version) = version() else {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    };
    let units = tempfile::tempdir().unwrap();
    let unit = units.path().join("baton.service");
    let text = std::fs::read_to_string(shipped("baton.service")).unwrap();
    let program = "/usr/local/bin/baton";
    assert!(text.contains(program));
    // It need not be installed here.
    let text = text.replace(program, env!("CARGO_BIN_EXE_baton"));
    std::fs::write(&unit, text).unwrap();
    complains_not(&verify(&unit));

    let drop_ins = units.path().join("baton.service.d");
    std::fs::create_dir(&drop_ins).unwrap();
    std::fs::copy(shipped("limits.conf"), drop_ins.join("limits.conf")).unwrap();
    let said = verify(&unit);
    if version >= SUBGROUPS_SINCE {
        complains_not(&said);
    } else {
        let said = String::from_utf8(said.stderr).unwrap();
        assert!(said.lines().all(|line| line.contains("DelegateSubgroup")), "{said}");
    }
}

fn complains_not(said: &Output) {
    assert_eq!(String::from_utf8_lossy(&said.stderr), "");
    assert!(said.status.success());
}

fn verify(unit: &Path) -> Output {
    Command::new("systemd-analyze").arg("verify").arg(unit).output().unwrap()
}

fn version() -> Option<u32> {
    let said = Command::new("systemd-analyze").arg("--version").output().ok()?;
    String::from_utf8(said.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)
}
