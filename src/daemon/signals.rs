//! What a person or the system asks of the daemon: to stop, to stop harder, to read its
//! configuration again.

use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use tokio::sync::watch;

/// How urgently the daemon is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Urgency {
    /// Not at all.
    #[default]
    Run,
    /// Nothing new is begun, and running workers are given time to end.
    Finish,
    /// Nothing new is begun; what runs in the daemon is finished, workers live on.
    Drain,
    /// Workers are stopped too.
    StopWorkers,
    /// At once.
    Now,
}

/// What was asked so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Orders {
    /// How urgently to stop.
    pub(super) urgency: Urgency,
    /// How often to read the configuration again.
    pub(super) reloads: u64,
}

/// The end that asks.
#[derive(Debug, Clone)]
pub struct ShutdownHandle {
    orders: Arc<watch::Sender<Orders>>,
}

/// The end that the daemon listens at.
#[derive(Debug)]
pub struct Shutdown {
    orders: watch::Receiver<Orders>,
    // Kept so that the channel lives when nobody asks any more.
    handle: ShutdownHandle,
}

/// Makes both ends. Dropping the handle asks for nothing.
pub fn shutdown() -> (ShutdownHandle, Shutdown) {
    let (sender, orders) = watch::channel(Orders::default());
    let handle = ShutdownHandle { orders: Arc::new(sender) };
    (handle.clone(), Shutdown { orders, handle })
}

impl ShutdownHandle {
    /// Asks to stop, each time more urgently: drain, stop the workers, end at once. Returns how
    /// urgently it is asked now.
    pub fn request(&self) -> Urgency {
        self.ask(Urgency::Drain)
    }

    /// Asks as [`ShutdownHandle::request`] does, but for somebody who watches: the first time,
    /// running workers are given time to end, so that there is time to ask again.
    pub fn interrupt(&self) -> Urgency {
        self.ask(Urgency::Finish)
    }

    fn ask(&self, first: Urgency) -> Urgency {
        self.orders.send_modify(|orders| {
            orders.urgency = match orders.urgency {
                Urgency::Run => first,
                Urgency::Finish if first == Urgency::Drain => Urgency::Drain,
                Urgency::Finish | Urgency::Drain => Urgency::StopWorkers,
                Urgency::StopWorkers | Urgency::Now => Urgency::Now,
            };
        });
        self.orders.borrow().urgency
    }

    /// Asks to read the configuration again.
    pub fn reload(&self) {
        self.orders.send_modify(|orders| orders.reloads += 1);
    }
}

impl Shutdown {
    /// Waits until something is asked that [`Shutdown::orders`] has not shown yet. Cancelling it
    /// loses nothing.
    pub(super) async fn changed(&mut self) {
        // The handle within keeps the channel open.
        let _ = self.orders.changed().await;
    }

    /// Returns what was asked so far.
    pub(super) fn orders(&mut self) -> Orders {
        *self.orders.borrow_and_update()
    }

    /// Returns an end that asks.
    pub(super) fn handle(&self) -> ShutdownHandle {
        self.handle.clone()
    }
}

/// Listens for signals until it is dropped.
pub(super) struct SignalListener {
    handle: Handle,
}

impl SignalListener {
    /// Turns TERM and INT into requests to stop and HUP into a reload. INT comes from a person at a
    /// terminal, who may ask again while workers end; TERM from a service manager that may start
    /// the next daemon, which finds the workers. The third request ends the process here and now,
    /// whatever the loop is doing.
    ///
    /// # Errors
    /// The system refuses the handlers or the thread.
    pub(super) fn start(orders: ShutdownHandle) -> io::Result<Self> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
        let handle = signals.handle();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                let urgency = match signal {
                    SIGHUP => {
                        orders.reload();
                        continue;
                    }
                    SIGINT => orders.interrupt(),
                    _ => orders.request(),
                };
                if urgency == Urgency::Now {
                    std::process::exit(128 + signal);
                }
            }
        })?;
        Ok(Self { handle })
    }
}

impl Drop for SignalListener {
    fn drop(&mut self) {
        self.handle.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_more_urgent() {
        let (handle, mut shutdown) = shutdown();
        assert_eq!(shutdown.orders().urgency, Urgency::Run);
        for urgency in [Urgency::Drain, Urgency::StopWorkers, Urgency::Now, Urgency::Now] {
            assert_eq!(handle.request(), urgency);
            assert_eq!(shutdown.orders().urgency, urgency);
        }
        handle.reload();
        assert_eq!(shutdown.orders().reloads, 1);
    }

    #[test]
    fn a_person_has_time_to_ask_again() {
        let (handle, _shutdown) = shutdown();
        for urgency in [Urgency::Finish, Urgency::StopWorkers, Urgency::Now] {
            assert_eq!(handle.interrupt(), urgency);
        }
        let (handle, _shutdown) = shutdown();
        handle.interrupt();
        assert_eq!(handle.request(), Urgency::Drain, "whoever started it is gone: wait no more");
    }

    #[tokio::test]
    async fn a_request_wakes_who_listens_and_a_dropped_handle_does_not() {
        let (handle, mut shutdown) = shutdown();
        handle.request();
        drop(handle);
        shutdown.changed().await;
        assert_eq!(shutdown.orders().urgency, Urgency::Drain);
        let waited = tokio::time::timeout(std::time::Duration::ZERO, shutdown.changed()).await;
        assert!(waited.is_err(), "nothing more was asked");
    }
}
