//! Tells the service manager how it goes; without one, all of this does nothing.

use sd_notify::NotifyState;

/// What the service manager wants to know.
pub(super) struct Systemd {
    /// Ping at least this often; `None`: nobody asks for pings.
    watchdog_every_ms: Option<u64>,
    pinged_at_ms: u64,
    status: String,
}

impl Systemd {
    /// Reads from the environment what the service manager asks for.
    pub(super) fn from_environment() -> Self {
        // Half the time allowed, so that one late ping kills nobody.
        let watchdog_every_ms = sd_notify::watchdog_enabled()
            .map(|limit| u64::try_from(limit.as_millis() / 2).unwrap_or(u64::MAX).max(1));
        Self { watchdog_every_ms, pinged_at_ms: 0, status: String::new() }
    }

    /// Says that the first pass is done.
    pub(super) fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// Says that the daemon lets go.
    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// Says in one line how it goes, when that is new.
    pub(super) fn status(&mut self, status: String) {
        if self.status != status {
            tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// Pings when it is time. Called by the loop itself, so that a loop that is stuck is noticed.
    pub(super) fn ping(&mut self, now_ms: u64) {
        if self.next_ping_ms().is_some_and(|due_ms| now_ms >= due_ms) {
            tell(&[NotifyState::Watchdog]);
            self.pinged_at_ms = now_ms;
        }
    }

    /// Returns when the next ping is due, on the boot-time clock.
    pub(super) fn next_ping_ms(&self) -> Option<u64> {
        self.watchdog_every_ms.map(|every_ms| self.pinged_at_ms + every_ms)
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "cannot tell the service manager");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_are_due_at_half_the_limit() {
        let mut systemd =
            Systemd { watchdog_every_ms: Some(500), pinged_at_ms: 0, status: String::new() };
        systemd.ping(499);
        assert_eq!(systemd.next_ping_ms(), Some(500));
        systemd.ping(700);
        assert_eq!(systemd.next_ping_ms(), Some(1200));
    }
}
