//! One call of a helper program of the worker itself, such as `git`: no shell, an environment of its own, a time limit,
//! and no more output than was agreed on.
//!
//! Boundary: arguments and bytes of input go in, bytes of output and an exit code come out; what they mean is not
//! known here. A program that is too slow or too talkative is killed with everything in its session.

use super::orphans::kill_session;
use super::reaper;
use super::spawn::{FdAction, high, spawn_in_new_session};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;
use nix::unistd::{Pid, pipe2};
use rustix::process::{PidfdFlags, pidfd_open};
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// What a pipe takes at once without making the writer wait (`PIPE_BUF`).
const PIECE: usize = 4096;
/// What is kept of the program's messages.
const MOST_MESSAGES: usize = 16 * 1024;
/// Where programs are looked for when the worker itself has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What to call, and how.
pub struct ToolCall {
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments, without its own name.
    pub arguments: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Its standard input.
    pub input: Vec<u8>,
    /// How long it may take.
    pub limit: Duration,
    /// How many bytes it may print.
    pub most_output: usize,
}

/// How a call ended.
#[derive(Debug)]
pub struct ToolOutput {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it printed, whole.
    pub stdout: Vec<u8>,
    /// The beginning of its messages.
    pub stderr: String,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// No such program in `PATH`.
    #[error("find the program {name} in {path:?}")]
    NotFound {
        /// Its name.
        name: String,
        /// Where it was looked for.
        path: OsString,
    },
    /// A NUL byte, which no argument and no environment variable can carry.
    #[error("expected no NUL byte in the arguments or the environment of {program:?}")]
    NulByte {
        /// The program.
        program: PathBuf,
    },
    /// The channels to it could not be made, or failed.
    #[error("talk to {program:?}: {source}")]
    Channels {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It could not be started.
    #[error("start {program:?}: {}", errno.desc())]
    Start {
        /// The program.
        program: PathBuf,
        /// The cause.
        errno: Errno,
    },
    /// It took too long and was killed.
    #[error("wait for {program:?}: expected an end within {limit:?}")]
    TimedOut {
        /// The program.
        program: PathBuf,
        /// The limit.
        limit: Duration,
    },
    /// It printed too much and was killed.
    #[error("read from {program:?}: expected at most {most} bytes")]
    TooMuchOutput {
        /// The program.
        program: PathBuf,
        /// The limit.
        most: usize,
    },
}

impl ToolCall {
    /// Where a program of this name is, by the worker's own `PATH`.
    ///
    /// # Errors
    /// [`ToolError::NotFound`].
    pub fn find(name: &str) -> Result<PathBuf, ToolError> {
        let path = Self::search_path();
        std::env::split_paths(&path)
            .map(|folder| folder.join(name))
            .find(|program| program.is_absolute() && program.is_file())
            .ok_or_else(|| ToolError::NotFound { name: name.to_owned(), path })
    }

    /// The worker's own `PATH`, or where programs usually are.
    pub fn search_path() -> OsString {
        std::env::var_os("PATH").filter(|path| !path.is_empty()).unwrap_or_else(|| DEFAULT_PATH.into())
    }

    /// Calls it and waits for its end. Blocks.
    ///
    /// # Errors
    /// When it cannot be started, or does not keep to its limits. A bad exit code is no error here.
    pub fn run(self) -> Result<ToolOutput, ToolError> {
        let end = Instant::now() + self.limit;
        let channels = |source| ToolError::Channels { program: self.program.clone(), source };
        let (theirs, mut ours) = pipes(self.input).map_err(channels)?;
        let pid = start(&self.program, &self.arguments, &self.env, &theirs)?;
        drop(theirs);
        let ended = ours.talk(end, self.most_output).and_then(|ended| Ok(ended && wait_until(pid, end)?));
        if !matches!(ended, Ok(true)) {
            kill_session(pid.as_raw().unsigned_abs());
        }
        let status = reaper::wait_for(pid).map(ExitStatus::from_raw);
        let program = self.program;
        match ended {
            Ok(true) => Ok(ToolOutput {
                code: status.and_then(|status| status.code()),
                signal: status.and_then(|status| status.signal()),
                stdout: ours.output,
                stderr: String::from_utf8_lossy(&ours.messages).trim_end().to_owned(),
            }),
            Ok(false) if ours.output.len() > self.most_output => {
                Err(ToolError::TooMuchOutput { program, most: self.most_output })
            }
            Ok(false) => Err(ToolError::TimedOut { program, limit: self.limit }),
            Err(source) => Err(ToolError::Channels { program, source }),
        }
    }
}

/// The program's ends of the three pipes.
struct Theirs([OwnedFd; 3]);

/// Our ends; `None` when closed.
struct Ours {
    input: Vec<u8>,
    sent: usize,
    stdin: Option<File>,
    stdout: Option<File>,
    stderr: Option<File>,
    output: Vec<u8>,
    messages: Vec<u8>,
}

fn pipes(input: Vec<u8>) -> io::Result<(Theirs, Ours)> {
    let (stdin, write) = pipe2(OFlag::O_CLOEXEC)?;
    let (output, stdout) = pipe2(OFlag::O_CLOEXEC)?;
    let (messages, stderr) = pipe2(OFlag::O_CLOEXEC)?;
    let theirs = Theirs([high(stdin.as_fd())?, high(stdout.as_fd())?, high(stderr.as_fd())?]);
    let ours = Ours {
        input,
        sent: 0,
        stdin: Some(write.into()),
        stdout: Some(output.into()),
        stderr: Some(messages.into()),
        output: Vec::new(),
        messages: Vec::new(),
    };
    Ok((theirs, ours))
}

fn start(
    program: &Path,
    arguments: &[OsString],
    env: &[(OsString, OsString)],
    theirs: &Theirs,
) -> Result<Pid, ToolError> {
    let text = |bytes: Vec<u8>| {
        CString::new(bytes).map_err(|_| ToolError::NulByte { program: program.to_path_buf() })
    };
    let words = std::iter::once(program.as_os_str()).chain(arguments.iter().map(OsString::as_os_str));
    let argv = words.map(|word: &OsStr| text(word.as_bytes().to_vec())).collect::<Result<Vec<_>, _>>()?;
    let entry = |(name, value): &(OsString, OsString)| {
        let mut entry = name.clone().into_vec();
        entry.push(b'=');
        entry.extend_from_slice(value.as_bytes());
        text(entry)
    };
    let env = env.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    let path = text(program.as_os_str().as_bytes().to_vec())?;
    let fds: Vec<FdAction> =
        theirs.0.iter().zip(0..).map(|(fd, to)| FdAction::Dup { from: fd.as_raw_fd(), to }).collect();
    reaper::start_guardian(|| spawn_in_new_session(&path, &argv, &env, &fds, &SigSet::empty()))
        .map_err(|errno| ToolError::Start { program: program.to_path_buf(), errno })
}

impl Ours {
    /// Gives the program its input and takes what it prints, until it closed both outputs; `false` when the time is up
    /// or it printed more than `most`.
    fn talk(&mut self, end: Instant, most: usize) -> io::Result<bool> {
        while self.stdout.is_some() || self.stderr.is_some() {
            if self.sent >= self.input.len() {
                self.stdin = None;
            }
            let Some(ready) = self.wait(end)? else { return Ok(false) };
            let [stdin, stdout, stderr] = ready;
            if stdin {
                self.send();
            }
            if stdout {
                take(&mut self.stdout, &mut self.output, usize::MAX)?;
            }
            if stderr {
                take(&mut self.stderr, &mut self.messages, MOST_MESSAGES)?;
            }
            if self.output.len() > most {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Which of the pipes have something to do; `None` when the time is up.
    fn wait(&self, end: Instant) -> io::Result<Option<[bool; 3]>> {
        let pipes = [
            (&self.stdin, PollFlags::POLLOUT),
            (&self.stdout, PollFlags::POLLIN),
            (&self.stderr, PollFlags::POLLIN),
        ];
        let open = pipes.iter().map(|(pipe, flags)| Some((pipe.as_ref()?.as_fd(), *flags)));
        let open: Vec<Option<(BorrowedFd<'_>, PollFlags)>> = open.collect();
        let mut fds: Vec<PollFd<'_>> =
            open.iter().flatten().map(|(fd, flags)| PollFd::new(*fd, *flags)).collect();
        if !poll_until(&mut fds, end)? {
            return Ok(None);
        }
        let mut polled = fds.iter().map(|fd| fd.any().unwrap_or(true));
        let mut ready = [false; 3];
        for (ready, pipe) in ready.iter_mut().zip(&open) {
            *ready = pipe.is_some() && polled.next().unwrap_or(false);
        }
        Ok(Some(ready))
    }

    /// A program that does not want its input closes the pipe: then there is nothing more to send.
    fn send(&mut self) {
        let rest = self.input.get(self.sent..).unwrap_or_default();
        let piece = rest.get(..PIECE).unwrap_or(rest);
        match self.stdin.as_mut().map(|pipe| pipe.write(piece)) {
            Some(Ok(sent)) => self.sent = self.sent.saturating_add(sent),
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Some(Err(_)) | None => self.sent = self.input.len(),
        }
    }
}

/// Reads once; what is beyond `most` is dropped. At the end of the file the pipe is closed.
fn take(pipe: &mut Option<File>, to: &mut Vec<u8>, most: usize) -> io::Result<()> {
    let mut buffer = [0; 64 * 1024];
    let Some(file) = pipe else { return Ok(()) };
    match file.read(&mut buffer) {
        Ok(0) => *pipe = None,
        Ok(count) => {
            let room = most.saturating_sub(to.len()).min(count);
            to.extend_from_slice(buffer.get(..room).unwrap_or_default());
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Waits for the end of a program that has closed its outputs; `false` when the time is up.
fn wait_until(pid: Pid, end: Instant) -> io::Result<bool> {
    let Some(pid) = rustix::process::Pid::from_raw(pid.as_raw()) else { return Ok(true) };
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    poll_until(&mut [PollFd::new(handle.as_fd(), PollFlags::POLLIN)], end)
}

fn poll_until(fds: &mut [PollFd<'_>], end: Instant) -> io::Result<bool> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(fds, left) {
            Ok(0) if Instant::now() >= end => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, input: &[u8]) -> ToolCall {
        ToolCall {
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".into(), script.into()],
            env: vec![("GREETING".into(), "hello".into())],
            input: input.to_vec(),
            limit: Duration::from_secs(60),
            most_output: 1 << 20,
        }
    }

    #[test]
    fn input_output_messages_and_exit_code() {
        let output = shell("echo $GREETING $HOME; cat; echo oh >&2; exit 7", b"dear").run().unwrap();
        assert_eq!(
            (output.code, output.stdout.as_slice(), output.stderr.as_str()),
            (Some(7), &b"hello\ndear"[..], "oh")
        );
        assert_eq!(shell("kill -9 $$", b"").run().unwrap().code, None);
    }

    #[test]
    fn more_input_than_a_pipe_holds_is_no_deadlock() {
        let input = vec![b'x'; 900_000];
        assert_eq!(shell("cat", &input).run().unwrap().stdout, input);
        assert_eq!(shell("exec <&-; echo no thanks", &input).run().unwrap().stdout, b"no thanks\n");
    }

    #[test]
    fn the_slow_and_the_talkative_are_killed_with_their_children() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", pid_file.display());
        let slow = ToolCall { limit: Duration::from_secs(1), ..shell(&script, b"") };
        assert!(matches!(slow.run(), Err(ToolError::TimedOut { .. })));
        let child: u32 = std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
        assert!(super::super::wait_until_gone(child));
        let silent = ToolCall { limit: Duration::from_secs(1), ..shell("exec >&- 2>&-; sleep 600", b"") };
        assert!(matches!(silent.run(), Err(ToolError::TimedOut { .. })));
        let talkative = shell("yes", b"").run();
        assert!(matches!(talkative, Err(ToolError::TooMuchOutput { most: 1_048_576, .. })));
    }

    #[test]
    fn what_cannot_be_started_says_so() {
        let call = |program: &str| ToolCall { program: program.into(), ..shell("", b"") };
        assert!(matches!(call("/no/such").run(), Err(ToolError::Start { errno: Errno::ENOENT, .. })));
        assert!(matches!(shell("a\0b", b"").run(), Err(ToolError::NulByte { .. })));
        assert!(matches!(ToolCall::find("no-such-program"), Err(ToolError::NotFound { .. })));
        assert!(ToolCall::find("sh").unwrap().is_absolute());
    }
}
