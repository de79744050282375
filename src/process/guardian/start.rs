//! Finding the program and starting it.

use super::super::messages::{Launch, NotStarted, StartFailure};
use super::super::spawn::{FdAction, spawn_in_new_session};
use super::{CREDENTIALS_FD, STDIN_FD};
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::unistd::Pid;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where programs are looked up when the script's environment has no `PATH`.
const DEFAULT_PATH: &[u8] = b"/usr/local/bin:/usr/bin:/bin";

/// The kernel reads no longer `#!` lines.
const LONGEST_INTERPRETER_LINE: u64 = 256;

/// Starts the script in a session of its own, with an empty signal mask, default signal actions and, where it has one,
/// its credentials file.
pub(super) fn start(launch: &Launch, credentials: Option<RawFd>) -> Result<Pid, NotStarted> {
    let Some(program) = launch.argv.first() else {
        return Err(failure(c"", Errno::ENOENT));
    };
    if program.to_bytes().contains(&b'/') {
        return attempt(program, launch, credentials).map_err(|errno| failure(program, errno));
    }
    let mut refused = None;
    for directory in search_path(&launch.env).split(|byte| *byte == b':') {
        let candidate = in_directory(directory, program);
        // Not here: look on, as execvp(3) does. Asked first, for every attempt costs a process.
        if !exists(&candidate) {
            continue;
        }
        match attempt(&candidate, launch, credentials) {
            Ok(pid) => return Ok(pid),
            // Gone since.
            Err(Errno::ENOENT | Errno::ENOTDIR) if !exists(&candidate) => {}
            // Here, but not to be executed: the next directory may have a better one.
            Err(Errno::EACCES) => refused = refused.or(Some((candidate, Errno::EACCES))),
            Err(errno) => return Err(failure(&candidate, errno)),
        }
    }
    Err(match refused {
        Some((candidate, errno)) => failure(&candidate, errno),
        None => failure(program, Errno::ENOENT),
    })
}

fn attempt(path: &CStr, launch: &Launch, credentials: Option<RawFd>) -> Result<Pid, Errno> {
    // 1 and 2 are already what the script gets; everything that is not named here closes on exec.
    let mut fds = vec![FdAction::Dup { from: STDIN_FD, to: 0 }, FdAction::Close(STDIN_FD)];
    fds.extend(credentials.map(|from| FdAction::Dup { from, to: CREDENTIALS_FD }));
    spawn_in_new_session(path, &launch.argv, &launch.env, &fds, &SigSet::empty())
}

fn search_path(env: &[CString]) -> &[u8] {
    env.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH=")).unwrap_or(DEFAULT_PATH)
}

/// `directory/program`; an empty directory is the current one.
fn in_directory(directory: &[u8], program: &CStr) -> CString {
    let mut path = if directory.is_empty() { b".".to_vec() } else { directory.to_vec() };
    path.push(b'/');
    path.extend_from_slice(program.to_bytes());
    // Both parts come from C strings, so there is no NUL byte to refuse.
    CString::new(path).unwrap_or_default()
}

fn as_path(path: &CStr) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()))
}

fn exists(path: &CStr) -> bool {
    as_path(path).symlink_metadata().is_ok()
}

fn failure(program: &CStr, errno: Errno) -> NotStarted {
    let reason = match errno {
        Errno::ENOENT if program.to_bytes().contains(&b'/') && as_path(program).exists() => {
            match interpreter(as_path(program)) {
                Some(interpreter) => StartFailure::InterpreterMissing { interpreter },
                None => StartFailure::LoaderMissing,
            }
        }
        Errno::ENOENT | Errno::ENOTDIR => StartFailure::Missing,
        Errno::EACCES | Errno::EPERM => StartFailure::NotExecutable,
        Errno::ENOEXEC => StartFailure::NotAProgram,
        Errno::E2BIG => StartFailure::TooLong,
        _ => StartFailure::Other,
    };
    NotStarted { program: program.to_string_lossy().into_owned(), errno: errno as i32, reason }
}

/// The first word after `#!`.
fn interpreter(program: &Path) -> Option<String> {
    let mut head = Vec::new();
    File::open(program).ok()?.take(LONGEST_INTERPRETER_LINE).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    String::from_utf8_lossy(line).split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fsio;
    use std::io::Write;

    fn cstr(path: &Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).unwrap()
    }

    #[test]
    fn looks_where_the_scripts_own_path_says() {
        assert_eq!(search_path(&[c"A=PATH=x".to_owned(), c"PATH=/a:/b".to_owned()]), b"/a:/b");
        assert_eq!(search_path(&[]), DEFAULT_PATH);
        assert_eq!(in_directory(b"", c"x").as_c_str(), c"./x");
        assert_eq!(in_directory(b"/a", c"x").as_c_str(), c"/a/x");
    }

    #[test]
    fn tells_what_a_missing_file_means() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("script");
        let write = |bytes: &[u8]| fsio::create(&path, 0o755).unwrap().write_all(bytes).unwrap();
        assert_eq!(failure(&cstr(&path), Errno::ENOENT).reason, StartFailure::Missing);
        write(b"#! /no/such/sh -e\n");
        let interpreter = "/no/such/sh".to_owned();
        assert_eq!(
            failure(&cstr(&path), Errno::ENOENT).reason,
            StartFailure::InterpreterMissing { interpreter }
        );
        write(b"\x7fELF");
        assert_eq!(failure(&cstr(&path), Errno::ENOENT).reason, StartFailure::LoaderMissing);
    }
}
