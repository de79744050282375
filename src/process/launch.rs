//! Starting a script below a guardian of its own. All spawning of scripts goes through [`launch`].

use super::control::{self, Running, Waiting};
use super::guardian;
use super::messages::Launch;
use super::reaper;
use super::spawn::{FdAction, high, spawn_in_new_session};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::SigSet;
use nix::unistd::{Pid, pipe2};
use scriptworker_core::time::BootMillis;
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// The program that runs, even when another one was installed in its place meanwhile.
pub const RUNNING_PROGRAM: &str = "/proc/self/exe";

/// What to run, and how. No `Debug`: the environment may hold secrets.
pub struct LaunchSpec {
    /// Program and arguments, executed without a shell. A program without a slash is looked up in `PATH` of `env`,
    /// or in `/usr/local/bin:/usr/bin:/bin` when that has none.
    pub argv: Vec<OsString>,
    /// The whole environment of the script.
    pub env: Vec<(OsString, OsString)>,
    /// What becomes the script's standard input; `None`: the worker's own.
    pub stdin: Option<OwnedFd>,
    /// What becomes the script's descriptor 4 (worker.md 7.3).
    pub credentials: Option<OwnedFd>,
    /// When the guardian kills everything, whatever happens to the worker. `None`: no deadline yet.
    pub deadline: Option<BootMillis>,
    /// The program that knows the guardian's verb; normally the running one itself.
    pub guardian: PathBuf,
}

impl LaunchSpec {
    /// A script with the worker's own stdin, no credentials file and no deadline.
    pub fn new(argv: Vec<OsString>, env: Vec<(OsString, OsString)>) -> Self {
        let guardian = PathBuf::from(RUNNING_PROGRAM);
        Self { argv, env, stdin: None, credentials: None, deadline: None, guardian }
    }
}

/// Why not even a guardian could be started. That the script could not be started is a
/// [`ScriptEnd`](super::ScriptEnd).
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The argument list is empty.
    #[error("expected a program to run, found an empty argument list: set `task_script`")]
    NoProgram,
    /// A NUL byte, which no argument and no environment variable can carry.
    #[error("expected no NUL byte in {place}")]
    NulByte {
        /// Where it was found; never the value itself.
        place: String,
    },
    /// The pipe or the socket between worker and guardian could not be made.
    #[error("make the channels to the script: {source}")]
    Channels {
        /// The cause: most often too many open files.
        #[from]
        source: io::Error,
    },
    /// The guardian itself could not be started.
    #[error("start the guardian {program:?}: {}", errno.desc())]
    Guardian {
        /// Its path.
        program: PathBuf,
        /// The cause.
        errno: Errno,
    },
}

/// Starts a guardian and tells it what to run. The script's start is reported through [`Running`].
///
/// Must be called in a tokio runtime with I/O. A call that is dropped half-way leaves no script behind: the guardian
/// finds its socket closed.
pub async fn launch(mut spec: LaunchSpec) -> Result<Running, LaunchError> {
    let (program, stdin) = (std::mem::take(&mut spec.guardian), spec.stdin.take());
    let (launch, credentials) = message(spec)?;
    Ok(Guardian::start_as(program, stdin).await?.0.launch(launch, credentials))
}

/// A guardian that waits for its script. One takes longer to start than many a script to run, so it is worth having
/// one before there is something to run. Dropped, it leaves.
pub struct Guardian(Waiting);

impl Guardian {
    /// Starts one; its script will have the worker's own stdin. Must be called in a tokio runtime with I/O.
    ///
    /// # Errors
    /// When there are no descriptors left, or the process cannot be started.
    pub async fn start() -> Result<Self, LaunchError> {
        Self::start_as(PathBuf::from(RUNNING_PROGRAM), None).await
    }

    /// Starts `program`, which must know the guardian's verb, with what becomes its script's stdin (`None`: the worker's
    /// own). The blocking part (a spawn takes a few milliseconds) runs on the blocking pool.
    ///
    /// # Errors
    /// As for [`Guardian::start`].
    pub async fn start_as(program: PathBuf, stdin: Option<OwnedFd>) -> Result<Self, LaunchError> {
        let (worker_end, guardian_end) = UnixStream::pair()?;
        let (output, script_output) = pipe2(OFlag::O_CLOEXEC).map_err(io::Error::from)?;
        let inherited = Inherited { control: guardian_end.into(), output: script_output, stdin };
        let guardian = tokio::task::spawn_blocking(move || start_guardian(program, &inherited))
            .await
            .map_err(io::Error::other)??;
        worker_end.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(worker_end)?;
        Ok(Self(control::connect(stream, guardian, output)))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Whether it has ended meanwhile, for whatever reason.
    pub fn is_gone(&self) -> bool {
        self.0.is_gone()
    }

    /// Tells it what to run. `stdin` and `guardian` of the specification do not count: they were decided when it was
    /// started.
    ///
    /// # Errors
    /// When the specification cannot be carried out by any guardian.
    pub fn launch(self, spec: LaunchSpec) -> Result<Running, LaunchError> {
        let (launch, credentials) = message(spec)?;
        Ok(self.0.launch(launch, credentials))
    }
}

fn message(spec: LaunchSpec) -> Result<(Launch, Option<OwnedFd>), LaunchError> {
    let LaunchSpec { argv, env, credentials, deadline, .. } = spec;
    Ok((Launch { argv: arguments(argv)?, env: environment(env)?, deadline }, credentials))
}

/// The descriptors that the guardian gets. They are closed in the worker as soon as it runs, or no end of file would
/// ever be seen.
struct Inherited {
    control: OwnedFd,
    output: OwnedFd,
    stdin: Option<OwnedFd>,
}

fn start_guardian(program: PathBuf, inherited: &Inherited) -> Result<Pid, LaunchError> {
    // Copies with high numbers: an original may sit on a number that another one is about to take.
    let control = high(inherited.control.as_fd())?;
    let output = high(inherited.output.as_fd())?;
    let stdin = match &inherited.stdin {
        Some(fd) => high(fd.as_fd())?,
        None => high(io::stdin().as_fd())?,
    };
    let fds = [
        FdAction::Dup { from: control.as_raw_fd(), to: guardian::CONTROL_FD },
        FdAction::Dup { from: output.as_raw_fd(), to: 1 },
        FdAction::Dup { from: output.as_raw_fd(), to: 2 },
        FdAction::Dup { from: stdin.as_raw_fd(), to: guardian::STDIN_FD },
    ];
    let path = c_string(program.as_os_str().as_bytes().to_vec(), || "the guardian's path".to_owned())?;
    // All signals stay blocked from its first instruction: none of the worker's shutdown signals may reach it.
    // Its environment is empty: the script's one must not change how the guardian itself runs.
    let argv = [c"scriptworker", guardian::VERB];
    reaper::start_guardian(|| spawn_in_new_session(&path, &argv, &[] as &[CString], &fds, &SigSet::all()))
        .map_err(|errno| LaunchError::Guardian { program, errno })
}

fn arguments(argv: Vec<OsString>) -> Result<Vec<CString>, LaunchError> {
    if argv.first().is_none_or(|program| program.is_empty()) {
        return Err(LaunchError::NoProgram);
    }
    argv.into_iter()
        .enumerate()
        .map(|(index, argument)| c_string(argument.into_vec(), || format!("argument {index} of the script")))
        .collect()
}

fn environment(env: Vec<(OsString, OsString)>) -> Result<Vec<CString>, LaunchError> {
    env.into_iter()
        .map(|(name, value)| {
            let mut entry = name.clone().into_vec();
            entry.push(b'=');
            entry.extend_from_slice(value.as_bytes());
            c_string(entry, || format!("the environment variable {name:?}"))
        })
        .collect()
}

fn c_string(bytes: Vec<u8>, place: impl FnOnce() -> String) -> Result<CString, LaunchError> {
    CString::new(bytes).map_err(|_| LaunchError::NulByte { place: place() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_no_process_can_be_given() {
        assert!(matches!(arguments(vec![]), Err(LaunchError::NoProgram)));
        assert!(matches!(arguments(vec!["".into()]), Err(LaunchError::NoProgram)));
        let error = arguments(vec!["a".into(), "b\0c".into()]).unwrap_err();
        assert_eq!(error.to_string(), "expected no NUL byte in argument 1 of the script");
        let error = environment(vec![("NAME".into(), "hidden\0".into())]).unwrap_err();
        assert_eq!(error.to_string(), "expected no NUL byte in the environment variable \"NAME\"");
    }
}
