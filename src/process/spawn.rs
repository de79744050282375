//! The one `posix_spawn` call of the product.

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::SigSet;
use nix::unistd::Pid;
use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

/// Above every descriptor number that has a meaning in a process that is started here.
const FIRST_FREE_FD: i32 = 10;

/// What happens to one descriptor in the new process, in the order given.
#[derive(Debug, Clone, Copy)]
pub(super) enum FdAction {
    /// `to` becomes what `from` is, and is inherited.
    Dup { from: RawFd, to: RawFd },
    /// Not inherited.
    Close(RawFd),
}

/// A copy of a descriptor with a high number: the original may sit on one that another one is about to take.
pub(super) fn high(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, FIRST_FREE_FD).map_err(io::Error::from)
}

/// Starts a program in a session (and so a process group) of its own, with default signal actions and the given
/// signal mask. Returns after the exec: a program that cannot be executed is an error here.
pub(super) fn spawn_in_new_session<A: AsRef<CStr>, E: AsRef<CStr>>(
    path: &CStr,
    argv: &[A],
    env: &[E],
    fds: &[FdAction],
    mask: &SigSet,
) -> Result<Pid, Errno> {
    let mut attributes = PosixSpawnAttr::init()?;
    // nix has no name for SETSID.
    let set_session = PosixSpawnFlags::from_bits_retain(nix::libc::POSIX_SPAWN_SETSID.into());
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | set_session,
    )?;
    // All of them: Rust programs ignore SIGPIPE, `nohup` ignores SIGHUP, and both would be inherited.
    attributes.set_sigdefault(&SigSet::all())?;
    attributes.set_sigmask(mask)?;
    let mut actions = PosixSpawnFileActions::init()?;
    for action in fds {
        match *action {
            FdAction::Dup { from, to } => actions.add_dup2(from, to)?,
            FdAction::Close(fd) => actions.add_close(fd)?,
        }
    }
    posix_spawn(path, &actions, &attributes, argv, env)
}
