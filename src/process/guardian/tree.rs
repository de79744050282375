//! The processes below the guardian, and signals to exactly them.

use nix::errno::Errno;
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::{BTreeMap, BTreeSet};

/// How often the tree is listed again while it is being stopped: each time only processes that were started in
/// between are new, and soon none is left running that could start any.
const STOPPING_ROUNDS: u32 = 32;

/// A process, told apart from a later one with the same number by its start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Process {
    pid: i32,
    parent: i32,
    /// Clock ticks since boot.
    start: u64,
    zombie: bool,
}

/// Sends a signal to the process group of the script.
///
/// The caller knows that the leader has not been reaped, so the number cannot belong to anybody else. No other
/// place signals a group.
pub(super) fn signal_group(leader: Pid, signal: nix::sys::signal::Signal) {
    // The group may be empty but for a zombie, or all of it may belong to another user: the sweep finds out.
    let _ = nix::sys::signal::killpg(leader, signal);
}

/// Stops every descendant, listing again until no new one appears, then kills them all: while one runs, it can
/// start others as fast as they are killed.
pub(super) fn kill_descendants(of: Pid) {
    let mut seen = BTreeSet::new();
    for _ in 0..STOPPING_ROUNDS {
        let fresh: Vec<Process> = descendants(of, &snapshot())
            .into_iter()
            .filter(|process| seen.insert((process.pid, process.start)))
            .collect();
        if fresh.is_empty() {
            break;
        }
        for process in fresh {
            signal(process, Signal::STOP);
        }
    }
    for process in descendants(of, &snapshot()) {
        signal(process, Signal::KILL);
    }
}

/// How many descendants are alive.
pub(super) fn count_alive(of: Pid) -> u32 {
    let alive = descendants(of, &snapshot()).iter().filter(|process| !process.zombie).count();
    u32::try_from(alive).unwrap_or(u32::MAX)
}

fn descendants(of: Pid, all: &[Process]) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(*process);
    }
    let mut found = Vec::new();
    let mut parents = vec![of.as_raw()];
    while let Some(parent) = parents.pop() {
        // Taken out, so that a listing that changed under way and shows a circle still ends.
        for child in children.remove(&parent).unwrap_or_default() {
            parents.push(child.pid);
            found.push(child);
        }
    }
    found
}

/// Signals a process if it is still the one that was listed.
fn signal(process: Process, signal: Signal) {
    let Some(pid) = rustix::process::Pid::from_raw(process.pid) else { return };
    match pidfd_open(pid, PidfdFlags::empty()) {
        // The descriptor is for whoever has the number now. If that one has the same start time, it is the one.
        Ok(handle) if read(process.pid).is_some_and(|now| now.start == process.start) => {
            let _ = pidfd_send_signal(handle, signal);
        }
        Ok(_) => {}
        // No such call before Linux 5.3 and in some sandboxes: a check and a signal, with a tiny gap in between.
        Err(error)
            if error.raw_os_error() == Errno::ENOSYS as i32
                || error.raw_os_error() == Errno::EPERM as i32 =>
        {
            if read(process.pid).is_some_and(|now| now.start == process.start) {
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
        Err(_) => {}
    }
}

fn snapshot() -> Vec<Process> {
    let Ok(listed) = std::fs::read_dir("/proc") else { return Vec::new() };
    listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(read).collect()
}

fn read(pid: i32) -> Option<Process> {
    parse(&String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// Reads a line of `/proc/PID/stat`. The name stands in parentheses and may itself contain anything, `)` included.
fn parse(stat: &str) -> Option<Process> {
    let (pid, _) = stat.split_once(" (")?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let zombie = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    // proc(5): state is field 3, the start time field 22.
    let start = fields.nth(17)?.parse().ok()?;
    Some(Process { pid: pid.parse().ok()?, parent, start, zombie })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hostile_names() {
        let stat = "77 (a) S 1 (\n) R 12 77 77 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2\n";
        let process = parse(stat).unwrap();
        assert_eq!(process, Process { pid: 77, parent: 12, start: 98765, zombie: false });
        assert_eq!(parse("77 (cut"), None);
    }

    #[test]
    fn finds_this_process_below_its_parent() {
        let me = Pid::this();
        assert!(descendants(Pid::parent(), &snapshot()).iter().any(|process| process.pid == me.as_raw()));
        assert!(!descendants(me, &snapshot()).iter().any(|process| process.pid == me.as_raw()));
    }

    #[test]
    fn a_circle_in_a_listing_ends() {
        let process = |pid, parent| Process { pid, parent, start: 0, zombie: false };
        let found =
            descendants(Pid::from_raw(1), &[process(2, 1), process(3, 2), process(2, 3), process(9, 8)]);
        assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), [2, 3, 2]);
    }
}
