//! Waiting for processes: for guardians, whose status somebody wants, and, as the init of a container, for the rest.
//!
//! A process that lost its parent becomes a child of process 1. In a container that is the worker, and nobody else
//! would ever wait for such a child: what `kubectl exec` left behind, or what a script had below a guardian that was
//! killed. Boundary: whom to wait for. What a status means is decided elsewhere, and nothing is signalled here.
//!
//! No status is ever taken away from the one who waits for it: guardians are known by number before they can end, and
//! a number stays known until the very moment in which the kernel may give it to another process.

use super::orphans;
use nix::unistd::Pid;
use rustix::process::{WaitId, WaitIdOptions, WaitOptions};
use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// The guardians (and helper programs, which are waited for in the same way) that were started and not waited for yet. Held while a process is started, and while one is waited
/// for: between the two, a number has one meaning.
static GUARDIANS: Mutex<BTreeSet<Pid>> = Mutex::new(BTreeSet::new());
/// A guardian's number is free again: it may by now belong to a zombie that was passed over because of it.
static FREED: Notify = Notify::const_new();

/// A set is whole after every single step, so a panic elsewhere leaves it right.
fn guardians() -> MutexGuard<'static, BTreeSet<Pid>> {
    GUARDIANS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a guardian, and knows it before it can have ended. Its status is for [`wait_for`] alone.
pub(super) fn start_guardian<E>(spawn: impl FnOnce() -> Result<Pid, E>) -> Result<Pid, E> {
    let mut guardians = guardians();
    let pid = spawn()?;
    guardians.insert(pid);
    Ok(pid)
}

/// Waits for a guardian, so that it leaves no zombie; its wait status, or `None` if the system has none. Blocks until
/// it has ended.
pub(super) fn wait_for(guardian: Pid) -> Option<i32> {
    let pid = rustix::process::Pid::from_raw(guardian.as_raw())?;
    // looked at only, so that its number stays its own until the set is in hand
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), ended) {}
    let mut guardians = guardians();
    let status = reap(pid);
    guardians.remove(&guardian);
    drop(guardians);
    FREED.notify_one();
    status
}

/// Takes the status of a child that has ended.
fn reap(pid: rustix::process::Pid) -> Option<i32> {
    loop {
        match rustix::process::waitpid(Some(pid), WaitOptions::NOHANG) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(Some((_, status))) => return Some(status.as_raw()),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// As process 1, waits from now on for every child that is nobody's; as any other process, does nothing, because
/// orphans go elsewhere then. Must be called in a tokio runtime with signals.
///
/// # Errors
/// When the end of children cannot be listened to.
pub fn reap_orphans_as_init() -> io::Result<()> {
    if std::process::id() != 1 {
        return Ok(());
    }
    let ends = signal(SignalKind::child())?;
    tokio::spawn(reap_for_ever(ends));
    Ok(())
}

async fn reap_for_ever(mut ends: Signal) {
    loop {
        match tokio::task::spawn_blocking(reap_orphans).await {
            Ok(reaped) if reaped.is_empty() => {}
            Ok(reaped) => tracing::debug!(?reaped, "waited for orphans, as process 1 has to"),
            Err(error) => tracing::error!(%error, "waiting for orphans failed"),
        }
        tokio::select! {
            // `None` is not to be: the stream of a signal does not end
            ended = ends.recv() => if ended.is_none() { return },
            () = FREED.notified() => {}
        }
    }
}

/// Waits for every child that has ended and is no guardian; their numbers.
///
/// The list is read from `/proc`: asking the kernel for any child that has ended (`waitid` with `P_ALL`) would name
/// the same guardian again and again as long as nobody has waited for it.
fn reap_orphans() -> Vec<i32> {
    reap_unless_guardian(|| orphans::zombies_below(Pid::this()))
}

/// The list is made while no number can change its meaning.
fn reap_unless_guardian(list: impl FnOnce() -> Vec<Pid>) -> Vec<i32> {
    let guardians = guardians();
    let mut reaped = Vec::new();
    for orphan in list().into_iter().filter(|pid| !guardians.contains(pid)) {
        let number = orphan.as_raw();
        if rustix::process::Pid::from_raw(number).and_then(reap).is_some() {
            reaped.push(number);
        }
    }
    reaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::spawn::spawn_in_new_session;
    use nix::errno::Errno;
    use nix::sys::signal::{SigSet, kill};
    use std::ffi::CStr;

    fn start(script: &CStr) -> Result<Pid, Errno> {
        let argv = [c"sh", c"-c", script];
        spawn_in_new_session(c"/bin/sh", &argv, &[] as &[&CStr], &[], &SigSet::empty())
    }

    /// Blocks until the child has ended, and leaves it a zombie.
    fn ended(child: Pid) {
        let pid = rustix::process::Pid::from_raw(child.as_raw()).unwrap();
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::Pid(pid), look).unwrap().unwrap();
    }

    #[test]
    fn reaps_what_is_nobodys_and_leaves_guardians_to_those_who_wait() {
        let guardian = start_guardian(|| start(c"exit 7")).unwrap();
        let orphan = start(c"exit 3").unwrap();
        // nix could not even name this end
        let odd = start(c"kill -s RTMIN $$").unwrap();
        let running = start(c"exec sleep 600").unwrap();
        for child in [guardian, orphan, odd] {
            ended(child);
        }
        // never all: other tests of this process have children, too, and wait for them
        let mine = || vec![guardian, orphan, odd, running];
        let listed = orphans::zombies_below(Pid::this());
        for child in mine() {
            assert_eq!(listed.contains(&child), child != running, "{child} in {listed:?}");
        }
        assert_eq!(reap_unless_guardian(mine), [orphan.as_raw(), odd.as_raw()]);
        assert_eq!(wait_for(guardian), Some(7 << 8));
        assert!(!guardians().contains(&guardian));
        assert_eq!(wait_for(guardian), None, "no longer there, and nothing to wait for");
        assert_eq!(kill(orphan, None), Err(Errno::ESRCH));
        kill(running, nix::sys::signal::Signal::SIGKILL).unwrap();
        ended(running);
        assert_eq!(reap_unless_guardian(mine), [running.as_raw()]);
    }

    #[tokio::test]
    async fn any_other_process_leaves_orphans_alone() {
        reap_orphans_as_init().unwrap();
        let child = start(c"exit 0").unwrap();
        ended(child);
        tokio::task::yield_now().await;
        assert_eq!(wait_for(child), Some(0), "the status is still there");
    }
}
