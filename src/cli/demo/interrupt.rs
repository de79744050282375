//! Signals to the demo: the worker has to be stopped before it leaves.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that have arrived.
pub(super) struct Interrupts {
    arrived: Receiver<i32>,
    /// Keeps the channel open, so that a wait always lasts.
    _sender: Sender<i32>,
}

impl Interrupts {
    /// Listens from now on to what ends a program: SIGINT, SIGTERM, SIGHUP and SIGQUIT.
    pub(super) fn listen() -> io::Result<Self> {
        let (sender, arrived) = mpsc::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let kinds =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
        // registered before this returns: from here on none of them ends the process by itself
        let listeners = {
            let _inside = runtime.enter();
            let listen = |kind: SignalKind| signal(kind).map(|signals| (kind.as_raw_value(), signals));
            kinds.into_iter().map(listen).collect::<io::Result<Vec<_>>>()?
        };
        let for_thread = sender.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                let forward = |(number, mut signals): (i32, Signal)| {
                    let sender = for_thread.clone();
                    async move {
                        while signals.recv().await.is_some() {
                            // nobody listens any more only when the process is about to end
                            let _ = sender.send(number);
                        }
                    }
                };
                futures_util::future::join_all(listeners.into_iter().map(forward)).await
            })
        })?;
        Ok(Self { arrived, _sender: sender })
    }

    /// Waits for that long, or until a signal arrives: its number.
    pub(super) fn wait(&self, time: Duration) -> Option<i32> {
        self.arrived.recv_timeout(time).ok()
    }
}
