//! The signals that mean something to the worker (worker.md 10).

use crate::messages::{Notice, Post};
use crate::telemetry::LogHandle;
use crate::telemetry::journal::Journal;
use scriptworker_core::run::lifecycle::Life;
use std::io;
use std::time::Instant;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy)]
enum Wish {
    /// Leave, sooner or later.
    Life(Life),
    /// Write down every open message: why a task is stuck.
    Journal,
    /// Read anew what can be read anew; never go.
    Reload,
}

/// Signals that are caught: none of them ends the process any more.
pub(in crate::cli) struct Signals(Vec<(Signal, &'static str, Wish)>);

impl Signals {
    /// Catches them. What comes before [`Signals::pass_on`] is kept, so the earlier the better: as process 1 of a
    /// container, a worker that has not caught a signal does not even notice it.
    pub(in crate::cli) fn catch() -> io::Result<Self> {
        [
            (SignalKind::terminate(), "SIGTERM", Wish::Life(Life::Terminate)),
            (SignalKind::interrupt(), "SIGINT", Wish::Life(Life::Terminate)),
            (SignalKind::user_defined1(), "SIGUSR1", Wish::Life(Life::Drain)),
            (SignalKind::user_defined2(), "SIGUSR2", Wish::Journal),
            (SignalKind::hangup(), "SIGHUP", Wish::Reload),
        ]
        .into_iter()
        .map(|(kind, name, wish)| Ok((signal(kind)?, name, wish)))
        .collect::<io::Result<_>>()
        .map(Self)
    }

    /// Hands them to the Supervisor, or does at once what they ask for.
    pub(super) fn pass_on(self, supervisor: &Post<Notice>, log: &LogHandle) {
        for (mut signals, name, wish) in self.0 {
            let (supervisor, log) = (supervisor.clone(), log.clone());
            actix_rt::spawn(async move {
                while signals.recv().await.is_some() {
                    tracing::info!("{name} received");
                    match wish {
                        // undeliverable is logged by the post
                        Wish::Life(life) => drop(supervisor.send(None, Notice::Life(life))),
                        Wish::Journal => write_journal(),
                        Wish::Reload => {
                            reload(log.clone()).await;
                            // undeliverable is logged by the post
                            let _ = supervisor.send(None, Notice::Reload);
                        }
                    }
                }
            });
        }
    }
}

fn write_journal() {
    for line in Journal::global().snapshot(Instant::now()).to_text().lines() {
        tracing::info!("{line}");
    }
}

async fn reload(log: LogHandle) {
    match actix_rt::task::spawn_blocking(move || log.reopen()).await {
        Ok(Ok(())) => tracing::info!("the log is open anew"),
        Ok(Err(error)) => tracing::error!(%error, "failed to open the log anew"),
        Err(error) => tracing::error!(%error, "opening the log anew ended early"),
    }
}
