//! What the worker does about a guardian that does not do as it is told: a script of the same user can stop it
//! (SIGSTOP), and then neither orders nor its deadline have an effect. A stopped process can still be killed.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;

/// How long a guardian may take for what it does at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to kill.
pub(super) const KILL_PATIENCE: Duration = Duration::from_secs(1);
/// How long a sweep may take: the guardian itself gives up after less.
pub(super) const SWEEP_PATIENCE: Duration = Duration::from_secs(15);

/// Waits for the end of a script. Once it was `ordered` to end, within so much time, a guardian that lets that time
/// pass is killed: the wait then ends because it is gone.
pub(super) async fn heeded<T>(
    end: impl Future<Output = T>,
    mut ordered: watch::Receiver<Option<Duration>>,
    guardian_pid: u32,
) -> T {
    let mut end = pin!(end);
    let overdue = async {
        match ordered.wait_for(Option::is_some).await.map(|time| *time) {
            Ok(time) => tokio::time::sleep(time.unwrap_or(PATIENCE)).await,
            // nobody is left who could order it
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        end = &mut end => return end,
        () = overdue => kill_guardian(guardian_pid),
    }
    end.await
}

/// Only while its socket is open: until then it was not reaped, so the number is its own.
pub(super) fn kill_guardian(pid: u32) {
    tracing::error!(pid, "the guardian does not do as it is told: killing it");
    if let Ok(pid) = i32::try_from(pid) {
        // one that ended meanwhile is what we want
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}
