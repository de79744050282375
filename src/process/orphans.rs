//! What can still be done about a script whose guardian is gone: its session is killed by its number.
//!
//! The guardian is the rule; this is for the day when somebody killed it. Only processes of the script's own session
//! are found this way: a process that made a session of its own is not (the guardian's sweep finds those
//! too, this does not).

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::time::{Duration, Instant};

/// How long killed processes are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Kills every process of a session and waits until none is left; returns how many are. Blocks for a few seconds at
/// most. The number of a session is not given to another one while a process is still in it.
pub fn kill_session(session: u32) -> usize {
    let end = Instant::now() + PATIENCE;
    loop {
        let members = members_of(session);
        if members.is_empty() || Instant::now() >= end {
            return members.len();
        }
        for pid in members {
            // one that ended meanwhile is what we want
            let _ = kill(pid, Signal::SIGKILL);
        }
        look_again_soon();
    }
}

/// Waits until a process is gone (reaped or a zombie); `false` if it is still there after a few seconds. Blocks.
pub fn wait_until_gone(pid: u32) -> bool {
    let end = Instant::now() + PATIENCE;
    loop {
        match stat_of(pid) {
            None => return true,
            Some(stat) if stat.state == 'Z' => return true,
            Some(_) if Instant::now() >= end => return false,
            Some(_) => look_again_soon(),
        }
    }
}

/// Waits for a moment, for what only looking again can tell. Blocks.
#[expect(
    clippy::disallowed_methods,
    reason = "the kernel tells nobody when somebody else's child ends: looking again is the only way"
)]
pub fn look_again_soon() {
    std::thread::sleep(LOOK_EVERY);
}

struct Stat {
    state: char,
    parent: i32,
    session: u32,
}

fn members_of(session: u32) -> Vec<Pid> {
    processes(|stat| stat.session == session && stat.state != 'Z')
}

/// The children of `parent` that have ended and were not waited for.
pub(super) fn zombies_below(parent: Pid) -> Vec<Pid> {
    processes(|stat| stat.parent == parent.as_raw() && stat.state == 'Z')
}

fn processes(which: impl Fn(&Stat) -> bool) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| stat_of(*pid).is_some_and(|stat| which(&stat)))
        .filter_map(|pid| Some(Pid::from_raw(i32::try_from(pid).ok()?)))
        .collect()
}

/// What is known of a process (proc(5): fields 3, 4 and 6; the name in field 2 may hold anything).
fn stat_of(pid: u32) -> Option<Stat> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Stat { state, parent, session })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_session_and_what_is_not_there() {
        let own = std::process::id();
        let session = nix::unistd::getsid(None).unwrap().as_raw();
        assert_eq!(i64::from(stat_of(own).unwrap().session), i64::from(session));
        assert!(members_of(u32::try_from(session).unwrap()).contains(&Pid::this()));
        assert!(wait_until_gone(u32::MAX));
    }
}
