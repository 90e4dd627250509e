//! Opens `baton.toml` and says whether the operator alone can have written it.
//!
//! The file names programs to run, so whoever can change it can run anything as the daemon's user.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::problem::ConfigError;

/// More than any real settings need.
const LEN_MAX: u64 = 1 << 20;
const WORLD_WRITABLE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Reads the file; `None` when there is none.
pub(super) fn read_trusted(path: &Path) -> Result<Option<String>, ConfigError> {
    let read_error = |source| ConfigError::Read { path: path.to_path_buf(), source };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => {
            let remedy = "put the file itself there, or --coordination where it is";
            return Err(untrusted(path, "it is a symbolic link", remedy));
        }
        Err(error) => return Err(read_error(error.into())),
    };
    let metadata = file.metadata().map_err(read_error)?;
    check_trust(path, &metadata, rustix::process::geteuid().as_raw())?;
    let parent = path.parent().unwrap_or(path);
    check_directory(path, &std::fs::metadata(parent).map_err(read_error)?)?;
    let mut bytes = Vec::new();
    file.by_ref().take(LEN_MAX + 1).read_to_end(&mut bytes).map_err(read_error)?;
    if bytes.len() as u64 > LEN_MAX {
        return Err(untrusted(path, "it is larger than 1 MiB", "settings are a few lines"));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        let problem = format!("byte {position} is not UTF-8");
        read_error(io::Error::new(io::ErrorKind::InvalidData, problem))
    })
}

fn check_trust(path: &Path, metadata: &Metadata, daemon_uid: u32) -> Result<(), ConfigError> {
    let shown = path.display();
    if !metadata.is_file() {
        return Err(untrusted(path, "it is not a regular file", "replace it by a file"));
    }
    if metadata.mode() & WORLD_WRITABLE != 0 {
        let remedy = format!("it names programs to run: `chmod o-w {shown}`");
        return Err(untrusted(path, "everybody may write it", &remedy));
    }
    let owner = metadata.uid();
    if owner != daemon_uid && owner != 0 {
        let problem = format!("it belongs to user {owner}, neither to root nor to {daemon_uid}");
        let remedy = format!("look through it, then `chown {daemon_uid} {shown}`");
        return Err(untrusted(path, &problem, &remedy));
    }
    Ok(())
}

/// Where everybody may write and the sticky bit is not set, everybody may put another file there.
fn check_directory(path: &Path, parent: &Metadata) -> Result<(), ConfigError> {
    if parent.mode() & WORLD_WRITABLE != 0 && parent.mode() & STICKY == 0 {
        let directory = path.parent().unwrap_or(path).display();
        let remedy = format!("`chmod o-w {directory}`");
        return Err(untrusted(path, "everybody may write in its directory", &remedy));
    }
    Ok(())
}

fn untrusted(path: &Path, problem: &str, remedy: &str) -> ConfigError {
    ConfigError::Untrusted {
        path: path.to_path_buf(),
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests lay out files as an operator would")]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn refusal(path: &Path) -> String {
        read_trusted(path).unwrap_err().to_string()
    }

    #[test]
    fn only_what_the_operator_alone_can_write_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("baton.toml");
        assert!(read_trusted(&path).unwrap().is_none());

        fs::write(&path, "x = 1").unwrap();
        assert_eq!(read_trusted(&path).unwrap().as_deref(), Some("x = 1"));

        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        assert!(refusal(&path).contains("everybody may write it; it names programs to run"));
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();

        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(refusal(&path).contains("everybody may write in its directory"));
        fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
        assert!(read_trusted(&path).unwrap().is_some());
    }

    #[test]
    fn a_stranger_s_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("baton.toml");
        fs::write(&path, "").unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert!(check_trust(&path, &metadata, metadata.uid()).is_ok());
        let by_stranger = check_trust(&path, &metadata, metadata.uid() + 1);
        assert_eq!(by_stranger.is_ok(), metadata.uid() == 0, "root's files are always trusted");
    }

    #[test]
    fn links_fifos_directories_and_floods_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("real"), "x = 1").unwrap();
        symlink(at("real"), at("link")).unwrap();
        assert!(refusal(&at("link")).contains("symbolic link"));
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(refusal(&at("fifo")).contains("not a regular file"));
        fs::create_dir(at("dir")).unwrap();
        assert!(refusal(&at("dir")).contains("not a regular file"));
        fs::write(at("flood"), vec![b'#'; 1 << 21]).unwrap();
        assert!(refusal(&at("flood")).contains("larger than 1 MiB"));
        fs::write(at("latin1"), b"x = \"\xe9\"").unwrap();
        assert!(refusal(&at("latin1")).contains("byte 5 is not UTF-8"));
    }
}
