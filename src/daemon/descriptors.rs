//! Closes what a process inherited without being meant to.
#![expect(unsafe_code, reason = "a descriptor that nobody in this process opened has no owner yet")]

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_getfd};

/// Closes every descriptor above standard error that was inherited: a pipe that somebody waits
/// for the end of, or the lock of a worker that this was started by. To be called first of all.
pub(super) fn close_inherited() {
    let numbers: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // SAFETY: it is only asked for its flags, and one that is closed by now answers with an
        // error.
        let flags = fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) });
        // Whatever Rust opens is closed on exec: one that is not came with the process.
        if flags.is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC)) {
            // SAFETY: nobody in this process opened it, so that nobody else owns it.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
    }
}
