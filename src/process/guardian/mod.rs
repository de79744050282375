//! The guardian: a process of its own between worker and script.
//!
//! It is single-threaded, has no runtime, no environment and no log, and outlives the worker. It owns the script: it
//! starts it, holds its deadline, passes signals on, reaps, and leaves nothing below itself alive. It never touches
//! output. [`main`] is called before anything else in the program is set up.

mod message_socket;
mod start;
mod tree;
mod watch;

use super::messages::ToGuardian;
use message_socket::MessageSocket;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::SigSet;
use nix::sys::stat::Mode;
use nix::unistd::{dup2_stderr, dup2_stdout};
use std::ffi::CStr;
use std::os::fd::RawFd;
use std::os::unix::fs::FileTypeExt;
use std::process::ExitCode;
use watch::Watch;

/// The hidden verb that makes the binary a guardian.
pub const VERB: &CStr = c"guardian";

/// The guardian's descriptor for the socket to the worker. The script never gets it: there, 0 is its stdin.
pub(super) const CONTROL_FD: RawFd = 0;
/// The guardian's descriptor for what becomes the script's stdin.
pub(super) const STDIN_FD: RawFd = 3;
/// The credentials file in the script (worker.md 7.3).
pub const CREDENTIALS_FD: RawFd = 4;

/// Runs the guardian to its end. Exit codes: 0 nothing is left alive, 1 something could not be killed, 2 not started
/// by a worker, 3 the system refused what a guardian needs.
pub fn main() -> ExitCode {
    let by_worker = std::fs::metadata("/proc/self/fd/0").is_ok_and(|stdin| stdin.file_type().is_socket());
    if !by_worker {
        return say_and_leave("this verb is for the worker's own use", 2);
    }
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(errno) => say_and_leave(errno.desc(), 3),
    }
}

/// Standard error is the task's log until the script runs.
fn say_and_leave(message: &str, code: u8) -> ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "scriptworker guardian: {message}");
    ExitCode::from(code)
}

fn run() -> Result<u32, Errno> {
    close_inherited(|fd| fd > STDIN_FD)?;
    SigSet::all().thread_block()?;
    nix::sys::prctl::set_child_subreaper(true)?;
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut socket = MessageSocket::new();
    let launch = loop {
        match socket.next() {
            Some(ToGuardian::Launch(launch)) => break launch,
            Some(_) => {}
            None if socket.fill() => {}
            None => return Ok(0), // nothing to run is left, or the worker died before it said what
        }
    };
    let credentials = socket.take_descriptor();
    // From here on nothing may fail without everything below being killed.
    let watch = Watch::new(socket, launch.deadline)?;
    let started = start::start(&launch, credentials);
    // Without copies of its own the pipe ends with the script, and the credentials are nobody else's.
    let _ = dup2_stdout(&null);
    let _ = dup2_stderr(&null);
    for fd in credentials.into_iter().chain([STDIN_FD]) {
        let _ = nix::unistd::close(fd);
    }
    Ok(watch.run(started))
}

/// Closes descriptors that were inherited without anybody's intention.
fn close_inherited(which: impl Fn(RawFd) -> bool) -> Result<(), Errno> {
    let listed = std::fs::read_dir("/proc/self/fd").map_err(|_| Errno::ENOSYS)?;
    // Listed completely first: the listing has a descriptor itself, which is closed by then.
    let open: Vec<RawFd> = listed
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|fd| which(*fd))
        .collect();
    for fd in open {
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}
